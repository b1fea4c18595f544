//! Rules of qualification.

use super::first_line;
use accolade::api::extract::parse;
use accolade::api::rules::{ConditionOut, GrantsOut, RuleIn};
use accolade::domain::Instant;
use accolade::domain::designation::Profile;
use accolade::domain::id::RuleCode;
use accolade::domain::membership::Figures;
use accolade::domain::money::Currency;
use accolade::domain::period::ProgressReset;
use accolade::domain::program::{EntryMethod, Program, Revision, Rules, TierRetention};
use accolade::domain::qualification::check::contradictions;
use accolade::domain::qualification::signal::{Complaint, Signals, Wanted};
use accolade::domain::qualification::text::missing_until;
use accolade::domain::qualification::{CONDITIONS_MAX, Rule, is_met};
use accolade::domain::words::word;
use serde_json::{Value, json};

/// A currency and, on the lines after it, a rule as JSON. A rule that is taken
/// can be met, is the same when its answer is sent back, and judges anyone.
pub fn rule(data: &[u8]) {
    let Some((code, text)) = first_line(data) else { return };
    let Some(currency) = Currency::parse(code) else { return };
    let Ok(value) = serde_json::from_str::<Value>(text) else { return };
    let program = program(currency);
    let Some(rule) = read(value, &program) else { return };
    assert!((1..=CONDITIONS_MAX).contains(&rule.conditions.len()));
    assert_eq!(contradictions(&rule.conditions), [], "a rule that nobody can meet is taken");
    let answer = json!({
        "name": rule.name, "profile": word(&Profile::WORDS, &rule.profile),
        "conditions": rule.conditions.iter().map(|c| ConditionOut::new(c, currency)).collect::<Vec<_>>(),
        "grants": GrantsOut::new(&rule), "enabled": rule.is_enabled,
    });
    assert_eq!(read(answer.clone(), &program).as_ref(), Some(&rule), "{answer} is another rule");
    judge(&rule, currency);
}

fn read(value: Value, program: &Program) -> Option<Rule> {
    let code = RuleCode::parse("rule").expect("an id");
    parse::<RuleIn>(value, "").ok()?.into_rule(code, program, 1).ok()
}

fn judge(rule: &Rule, currency: Currency) {
    let at = |text: &str| text.parse::<Instant>().expect("an instant");
    let now = at("2026-11-23T12:00:00Z");
    let nobody = Signals {
        joined_at: now,
        lifetime: Figures::default(),
        last_order_at: None,
        cancellations: 0,
        tags: Vec::new(),
        counted: Vec::new(),
        surveys: Vec::new(),
        complaints: Vec::new(),
        referrals: 0,
        referral_spend: 0,
    };
    let worth = Figures { amount_spent: 100_000, orders_placed: 10, points_earned: 1_000 };
    let then = at("2026-10-01T12:00:00Z");
    let somebody = Signals {
        joined_at: at("2020-02-29T00:00:00Z"),
        lifetime: worth,
        last_order_at: Some(then),
        cancellations: 1,
        tags: vec!["partner".to_owned()],
        counted: vec![(then, worth)],
        surveys: vec![(then, 1)],
        complaints: vec![Complaint { at: then, is_public: true, resolved_at: None }],
        referrals: 2,
        referral_spend: 5_000,
    };
    let _ = Wanted::by([rule], now);
    for signals in [nobody, somebody] {
        let findings = rule.judge(&signals, chrono_tz::Europe::London, now).expect("small sums");
        assert_eq!(findings.len(), rule.conditions.len());
        for finding in &findings {
            assert!(finding.text(currency).ends_with(" needed"));
            assert_eq!(finding.missing_text(currency).is_none(), finding.is_met());
        }
        let missing = missing_until(&findings, "VIP", currency);
        assert_eq!(missing.is_none(), is_met(&findings), "{missing:?}");
    }
}

/// A program without tiers and benefits.
fn program(currency: Currency) -> Program {
    let rules = Rules {
        entry_method: EntryMethod::AmountSpent,
        progress_reset: ProgressReset::Never,
        tier_retention: TierRetention::Permanent,
        points_per_unit: rust_decimal::Decimal::ONE,
        ways: Default::default(),
        ladder: Default::default(),
    };
    let effective_from = Instant::UNIX_EPOCH;
    let revision = Revision { number: 1, effective_from, rules };
    let start = effective_from.date_naive();
    Program::new(String::new(), currency, chrono_tz::UTC, start, 90, vec![revision], vec![])
        .expect("one revision")
}
