//! Changes to a program, and how far back they reach (design, sections 3.9 to 3.11).

use super::Instant;
use super::benefit::Treatment;
use super::earning::Reward;
use super::id::TierCode;
use super::money::{Amount, Currency, parse_amount};
use super::program::{EntryMethod, InvalidProgram, InvalidRules, Pause, Program, Revision, Rules};
use super::qualification::Qualification;
use super::tier::{Ladder, Tier};
use chrono::{DateTime, NaiveDate, Utc};
use chrono_tz::Tz;

/// From when on a change holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EffectiveFrom {
    /// From now on: the past stays as it was judged.
    Now,
    /// From an earlier instant on: everyone is recalculated from there.
    At(Instant),
    /// As if it had always been so.
    Beginning,
}

/// A program's settings, all of them, as a change wants them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// What the shop calls it.
    pub name: String,
    /// The currency of every amount.
    pub currency: Currency,
    /// The zone whose midnights are the boundaries.
    pub time_zone: Tz,
    /// The date from which on activity counts.
    pub start_date: NaiveDate,
    /// How many days a designation is kept after a subscription was cancelled.
    pub grace_days: u32,
    /// After how many months without an entry credit and points expire; `None` for never.
    pub credit_expiry_months: Option<u32>,
    /// How customers are treated.
    pub treatment: Treatment,
    /// Who should be a VIP.
    pub qualification: Qualification,
    /// What revisions change.
    pub rules: Rules,
}

impl Settings {
    /// A program's settings as they are now.
    pub fn of(program: &Program) -> Self {
        Self {
            name: program.name.clone(),
            currency: program.currency,
            time_zone: program.time_zone,
            start_date: program.start_date,
            grace_days: program.grace_days,
            credit_expiry_months: program.credit_expiry_months,
            treatment: program.treatment.clone(),
            qualification: program.qualification.clone(),
            rules: program.latest().clone(),
        }
    }
}

/// What a change leaves to be done with what was folded before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Reach {
    /// Whose newest fact is at or after this instant is folded again.
    pub refold_from: Option<Instant>,
    /// Whether time alone now brings other things to who need not be folded again.
    pub everyone: bool,
}

impl Reach {
    /// Everyone, from the first fact on.
    pub const ALL: Self = Self { refold_from: Some(DateTime::<Utc>::MIN_UTC), everyone: true };
}

/// Why a program can't be changed so.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Amounts already stored are in the old currency.
    #[error("the currency is fixed once the store has facts or amounts")]
    CurrencyFixed,
    /// Thresholds would change their meaning.
    #[error(
        "once the store has facts and tiers, a new entry method comes with its ladder: PUT /tiers with entry_method"
    )]
    EntryMethodNeedsLadder,
    /// A threshold such as 12.50 is no count of orders.
    #[error(
        "the threshold of tier {0} does not fit the new unit: PUT /tiers with new thresholds first"
    )]
    ThresholdNotWhole(TierCode),
    /// Customers may hold it.
    #[error(
        "once the store has facts, a tier's code never leaves the ladder: set the threshold of tier {0} to null to retire it"
    )]
    TierLeaves(TierCode),
    /// A rule of qualification grants it.
    #[error("a rule grants the tier {0}: change or delete the rule first")]
    TierInRule(TierCode),
    /// A way to earn has points of its own for it.
    #[error("a way to earn has points for the tier {0}: change or delete the way first")]
    TierInWay(TierCode),
    /// Half a ladder would lift everyone to its first tier.
    #[error("once the store has facts, the first ladder comes whole: PUT /tiers")]
    LadderComesWhole,
    /// Changes take effect now or in the past.
    #[error("effective_from lies in the future")]
    EffectiveFromInFuture,
    /// Settings that don't go together.
    #[error(transparent)]
    Rules(#[from] InvalidRules),
    /// There is an open pause.
    #[error("the program is paused already")]
    AlreadyPaused,
    /// There is none.
    #[error("the program is not paused")]
    NotPaused,
    /// It would lie before a pause that has ended, or end before it began.
    #[error("effective_from lies before the last pause began or ended")]
    PausesOverlap,
    /// The program would contradict itself.
    #[error(transparent)]
    Program(#[from] InvalidProgram),
}

/// A new store's program: what holds now is the first revision.
///
/// # Errors
/// [`Refused::Rules`] where the settings don't go together.
pub fn set_up(settings: Settings, now: Instant) -> Result<Program, Refused> {
    settings.rules.check()?;
    let first = Revision { number: 1, effective_from: now, rules: settings.rules.clone() };
    assemble(settings, vec![first], Vec::new())
}

/// What a store holds besides its program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Holdings {
    /// Any order, refund or activity: without any, a change that holds from
    /// now on amends the first revision.
    pub facts: bool,
    /// Any amount of money: a subscription's, or of a customer's ledger.
    pub amounts: bool,
}

/// A program with new settings, and how far back that reaches.
///
/// # Errors
/// [`Refused`] says which rule of section 3.9 stands in the way.
pub fn apply(
    program: &Program,
    settings: Settings,
    from: EffectiveFrom,
    now: Instant,
    holdings: Holdings,
) -> Result<(Program, Reach), Refused> {
    let has_facts = holdings.facts;
    let old = program.latest();
    let new = settings.rules.clone();
    new.check()?;
    let rewards = old.ladder.tiers().iter().filter_map(|tier| tier.reward);
    let has_amounts = holdings.amounts
        || program.qualification.has_amounts()
        || rewards.into_iter().any(|reward| matches!(reward, Reward::Amount(_)));
    if (has_facts || has_amounts) && settings.currency != program.currency {
        return Err(Refused::CurrencyFixed);
    }
    let left = old.ladder.tiers().iter().find(|tier| new.ladder.find(&tier.code).is_none());
    if let Some(left) = left.filter(|_| has_facts) {
        return Err(Refused::TierLeaves(left.code.clone()));
    }
    let qualification = &settings.qualification;
    let mut granted = qualification.rules.values().filter_map(|rule| rule.grant.tier.as_ref());
    if let Some(code) = granted.find(|code| new.ladder.find(code).is_none()) {
        return Err(Refused::TierInRule(code.clone()));
    }
    let is_gone = |code: &&TierCode| new.ladder.find(code).is_none();
    if let Some(code) = new.ways.tiers().find(is_gone) {
        return Err(Refused::TierInWay(code.clone()));
    }
    let from_at = effective_instant(program, from, now)?;
    let moves_start =
        settings.time_zone != program.time_zone || settings.start_date != program.start_date;
    let is_revised = new != *old || from != EffectiveFrom::Now;

    let mut revisions = program.revisions().to_vec();
    let mut reach = Reach::default();
    if is_revised {
        let number = revisions.last().map_or(0, |r| r.number).saturating_add(1);
        let first_from = revisions.first().map_or(now, |r| r.effective_from);
        reach.everyone = new.ladder.entry().map(|t| &t.code) != old.ladder.entry().map(|t| &t.code)
            || new.progress_reset != old.progress_reset
            || from != EffectiveFrom::Now;
        if !has_facts && from == EffectiveFrom::Now {
            revisions = vec![Revision { number, effective_from: first_from, rules: new }];
            reach.everyone = true;
        } else {
            revisions.retain(|revision| revision.effective_from < from_at);
            // The first revision also judges what is older than itself.
            let is_first = revisions.is_empty();
            reach.refold_from = Some(if is_first { DateTime::<Utc>::MIN_UTC } else { from_at });
            revisions.push(Revision { number, effective_from: from_at, rules: new });
        }
    }
    if moves_start {
        reach = Reach::ALL;
    }
    let pauses = program.pauses().to_vec();
    Ok((assemble(settings, revisions, pauses)?, reach))
}

/// A program that is paused from an instant on.
///
/// # Errors
/// [`Refused`] where it is paused already, or the pause would overlap an earlier one.
pub fn pause(
    program: &Program,
    from: EffectiveFrom,
    now: Instant,
) -> Result<(Program, Reach), Refused> {
    let from = effective_instant(program, from, now)?;
    // What time has brought since an earlier instant was brought for nothing.
    let everyone = from < now;
    let mut pauses = program.pauses().to_vec();
    match pauses.last_mut() {
        Some(Pause { until: None, .. }) => return Err(Refused::AlreadyPaused),
        Some(Pause { until: Some(until), .. }) if from < *until => {
            return Err(Refused::PausesOverlap);
        }
        // A pause that begins where the last one ended goes on with it.
        Some(last) if last.until == Some(from) => last.until = None,
        _ => pauses.push(Pause { from, until: None }),
    }
    let program = assemble(Settings::of(program), program.revisions().to_vec(), pauses)?;
    Ok((program, Reach { refold_from: Some(from), everyone }))
}

/// A program that goes on from an instant on.
///
/// # Errors
/// [`Refused`] where it is not paused, or was paused only after that instant.
pub fn resume(
    program: &Program,
    from: EffectiveFrom,
    now: Instant,
) -> Result<(Program, Reach), Refused> {
    let until = effective_instant(program, from, now)?;
    let mut pauses = program.pauses().to_vec();
    match pauses.last_mut() {
        Some(last @ Pause { until: None, .. }) => {
            if until < last.from {
                return Err(Refused::PausesOverlap);
            }
            last.until = Some(until);
        }
        _ => return Err(Refused::NotPaused),
    }
    // A pause that is over at its own beginning was none.
    pauses.retain(|pause| pause.until.is_none_or(|until| pause.from < until));
    let program = assemble(Settings::of(program), program.revisions().to_vec(), pauses)?;
    Ok((program, Reach { refold_from: Some(until), everyone: true }))
}

/// A ladder with one tier put in or replaced. The first tier of a store with
/// facts is refused: half a ladder would lift everyone (design, section 3.9).
///
/// # Errors
/// [`Refused::LadderComesWhole`].
pub fn put_tier(ladder: &Ladder, tier: Tier, has_facts: bool) -> Result<Vec<Tier>, Refused> {
    if has_facts && ladder.tiers().is_empty() {
        return Err(Refused::LadderComesWhole);
    }
    let mut tiers: Vec<Tier> =
        ladder.tiers().iter().filter(|t| t.code != tier.code).cloned().collect();
    tiers.push(tier);
    Ok(tiers)
}

/// What the thresholds of a ladder are written in.
pub type Unit = (EntryMethod, Currency);

/// The ladder under another entry method or currency, which reads the same
/// thresholds (500.00 spent becomes 500 points). Once a store has facts this
/// is refused, because it would change what its thresholds mean.
///
/// # Errors
/// [`Refused`] where the store has facts, or a threshold is no whole number.
pub fn convert_ladder(
    ladder: &Ladder,
    from: Unit,
    to: Unit,
    has_facts: bool,
) -> Result<Ladder, Refused> {
    if from == to || ladder.tiers().is_empty() {
        return Ok(ladder.clone());
    }
    if has_facts {
        let is_other_currency = from.1 != to.1;
        return Err(if is_other_currency {
            Refused::CurrencyFixed
        } else {
            Refused::EntryMethodNeedsLadder
        });
    }
    let mut tiers = ladder.tiers().to_vec();
    for tier in &mut tiers {
        if let Some(threshold) = tier.threshold {
            let not_whole = || Refused::ThresholdNotWhole(tier.code.clone());
            let text = threshold_text(threshold, from.0, from.1);
            let shortest = match text.split_once('.') {
                Some(_) => text.trim_end_matches('0').trim_end_matches('.'),
                None => &text,
            };
            tier.threshold = Some(parse_threshold(shortest, to.0, to.1).ok_or_else(not_whole)?);
        }
    }
    // Reading the same numbers in another unit keeps their order.
    Ok(Ladder::new(tiers).unwrap_or_else(|_| ladder.clone()))
}

/// A threshold as people write it: an amount, or a whole number of orders or points.
pub fn threshold_text(threshold: i64, method: EntryMethod, currency: Currency) -> String {
    match method {
        EntryMethod::AmountSpent => Amount(threshold, currency).to_string(),
        EntryMethod::OrdersPlaced | EntryMethod::PointsEarned => threshold.to_string(),
    }
}

/// The threshold that a text states in an entry method's unit.
pub fn parse_threshold(text: &str, method: EntryMethod, currency: Currency) -> Option<i64> {
    match method {
        EntryMethod::AmountSpent => parse_amount(text, currency).ok(),
        EntryMethod::OrdersPlaced | EntryMethod::PointsEarned => {
            let is_number = text.bytes().all(|b| b.is_ascii_digit());
            text.parse().ok().filter(|_| is_number)
        }
    }
}

fn effective_instant(
    program: &Program,
    from: EffectiveFrom,
    now: Instant,
) -> Result<Instant, Refused> {
    match from {
        EffectiveFrom::Now => Ok(now),
        EffectiveFrom::At(at) if at > now => Err(Refused::EffectiveFromInFuture),
        EffectiveFrom::At(at) => Ok(at),
        EffectiveFrom::Beginning => {
            let first = program.revisions().first().map_or(now, |r| r.effective_from);
            Ok(program.start_at().map_or(first, |start| start.min(first)))
        }
    }
}

fn assemble(
    settings: Settings,
    revisions: Vec<Revision>,
    pauses: Vec<Pause>,
) -> Result<Program, Refused> {
    let Settings { name, currency, time_zone, start_date, grace_days, .. } = settings;
    let credit_expiry_months = settings.credit_expiry_months;
    let program =
        Program::new(name, currency, time_zone, start_date, grace_days, revisions, pauses)?;
    Ok(program
        .expiring(credit_expiry_months)
        .treating(settings.treatment)
        .qualifying(settings.qualification))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::earning::Ways;
    use crate::domain::period::ProgressReset;
    use crate::domain::program::TierRetention;

    const NEW: Holdings = Holdings { facts: false, amounts: false };
    const USED: Holdings = Holdings { facts: true, amounts: true };

    fn at(text: &str) -> Instant {
        text.parse().unwrap()
    }

    fn tier(code: &str, rank: u32, threshold: i64) -> Tier {
        let code = TierCode::parse(code).unwrap();
        Tier { name: code.to_string(), code, rank, threshold: Some(threshold), reward: None }
    }

    fn settings(thresholds: &[i64]) -> Settings {
        let tiers =
            thresholds.iter().zip(1_u32..).map(|(t, rank)| tier(&format!("t{rank}"), rank, *t));
        Settings {
            name: "VIP".into(),
            currency: Currency::parse("GBP").unwrap(),
            time_zone: chrono_tz::UTC,
            start_date: "2024-01-01".parse().unwrap(),
            grace_days: 90,
            credit_expiry_months: None,
            treatment: Treatment::default(),
            qualification: Qualification::default(),
            rules: Rules {
                entry_method: EntryMethod::AmountSpent,
                progress_reset: ProgressReset::Never,
                tier_retention: TierRetention::Permanent,
                points_per_unit: 1.into(),
                ways: Ways::default(),
                ladder: Ladder::new(tiers.collect()).unwrap(),
            },
        }
    }

    fn effective(program: &Program) -> Vec<String> {
        program.revisions().iter().map(|r| r.effective_from.date_naive().to_string()).collect()
    }

    #[test]
    fn without_facts_a_change_amends_the_first_revision() {
        let program = set_up(settings(&[]), at("2024-01-01T00:00:00Z")).unwrap();
        let now = at("2024-02-01T00:00:00Z");
        let (program, _) = apply(&program, settings(&[100]), EffectiveFrom::Now, now, NEW).unwrap();
        assert_eq!(effective(&program), ["2024-01-01"]);
        assert_eq!(program.latest().ladder.tiers().len(), 1);
    }

    #[test]
    fn a_change_supersedes_later_revisions() {
        let now = at("2024-06-01T00:00:00Z");
        let mut program = set_up(settings(&[100]), at("2024-01-01T00:00:00Z")).unwrap();
        for (day, threshold) in [("2024-03-01T00:00:00Z", 200), ("2024-05-01T00:00:00Z", 300)] {
            let from = EffectiveFrom::At(at(day));
            (program, _) = apply(&program, settings(&[threshold]), from, now, USED).unwrap();
        }
        assert_eq!(effective(&program), ["2024-01-01", "2024-03-01", "2024-05-01"]);
        let from = EffectiveFrom::At(at("2024-04-01T00:00:00Z"));
        let (changed, reach) = apply(&program, settings(&[400]), from, now, USED).unwrap();
        assert_eq!(effective(&changed), ["2024-01-01", "2024-03-01", "2024-04-01"]);
        assert_eq!(reach.refold_from, Some(at("2024-04-01T00:00:00Z")));
        let (changed, reach) =
            apply(&program, settings(&[400]), EffectiveFrom::Beginning, now, USED).unwrap();
        assert_eq!(effective(&changed), ["2024-01-01"]);
        assert_eq!(reach, Reach::ALL);
    }

    #[test]
    fn with_facts_a_code_never_leaves_and_the_currency_is_fixed() {
        let now = at("2024-06-01T00:00:00Z");
        let program = set_up(settings(&[100, 200]), at("2024-01-01T00:00:00Z")).unwrap();
        let change =
            |settings| apply(&program, settings, EffectiveFrom::Now, now, USED).unwrap_err();
        assert!(
            matches!(change(settings(&[100])), Refused::TierLeaves(code) if code.as_str() == "t2")
        );
        let yen = Settings { currency: Currency::parse("JPY").unwrap(), ..settings(&[100, 200]) };
        assert_eq!(change(yen), Refused::CurrencyFixed);
        let in_future = EffectiveFrom::At(at("2024-06-01T00:00:01Z"));
        assert_eq!(
            apply(&program, settings(&[100, 200]), in_future, now, USED).unwrap_err(),
            Refused::EffectiveFromInFuture
        );
    }

    #[test]
    fn a_new_start_date_or_zone_recalculates_everyone() {
        let program = set_up(settings(&[100]), at("2024-01-01T00:00:00Z")).unwrap();
        let moved = Settings { start_date: "2024-02-01".parse().unwrap(), ..settings(&[100]) };
        let now = at("2024-06-01T00:00:00Z");
        let (_, reach) = apply(&program, moved, EffectiveFrom::Now, now, USED).unwrap();
        assert_eq!(reach, Reach::ALL);
    }

    #[test]
    fn pauses_follow_one_another() {
        let day = |d: u32| at(&format!("2024-06-{d:02}T00:00:00Z"));
        let program = set_up(settings(&[100]), day(1)).unwrap();
        assert_eq!(resume(&program, EffectiveFrom::Now, day(2)).unwrap_err(), Refused::NotPaused);
        let (program, _) = pause(&program, EffectiveFrom::Now, day(2)).unwrap();
        assert_eq!(
            pause(&program, EffectiveFrom::Now, day(3)).unwrap_err(),
            Refused::AlreadyPaused
        );
        let (program, _) = resume(&program, EffectiveFrom::Now, day(4)).unwrap();
        assert_eq!(
            pause(&program, EffectiveFrom::At(day(3)), day(5)).unwrap_err(),
            Refused::PausesOverlap
        );
        let (again, _) = pause(&program, EffectiveFrom::At(day(4)), day(5)).unwrap();
        assert_eq!(again.pauses(), [Pause { from: day(2), until: None }]);
        let (program, _) = pause(&program, EffectiveFrom::Now, day(5)).unwrap();
        let (program, _) = resume(&program, EffectiveFrom::At(day(5)), day(6)).unwrap();
        assert_eq!(program.pauses(), [Pause { from: day(2), until: Some(day(4)) }]);
    }

    #[test]
    fn a_threshold_reads_the_same_under_another_entry_method() {
        let rules = settings(&[25_000, 50_050]).rules;
        let gbp = Currency::parse("GBP").unwrap();
        let to = |ladder: &Ladder, method| {
            convert_ladder(ladder, (EntryMethod::AmountSpent, gbp), (method, gbp), false)
        };
        assert!(matches!(
            to(&rules.ladder, EntryMethod::PointsEarned),
            Err(Refused::ThresholdNotWhole(_))
        ));
        let whole = settings(&[25_000]).rules.ladder;
        let points = to(&whole, EntryMethod::PointsEarned).unwrap();
        assert_eq!(points.tiers()[0].threshold, Some(250));
        assert_eq!(
            convert_ladder(
                &points,
                (EntryMethod::PointsEarned, gbp),
                (EntryMethod::AmountSpent, gbp),
                false
            )
            .unwrap(),
            whole
        );
    }

    #[test]
    fn a_threshold_is_an_amount_or_a_whole_number_of_orders_or_points() {
        let gbp = Currency::parse("GBP").unwrap();
        assert_eq!(parse_threshold("12.50", EntryMethod::AmountSpent, gbp), Some(1_250));
        assert_eq!(threshold_text(1_250, EntryMethod::AmountSpent, gbp), "12.50");
        for method in [EntryMethod::OrdersPlaced, EntryMethod::PointsEarned] {
            assert_eq!(parse_threshold("12", method, gbp), Some(12));
            assert_eq!(threshold_text(12, method, gbp), "12");
            for bad in ["", "+12", "-12", "12.50", "twelve"] {
                assert_eq!(parse_threshold(bad, method, gbp), None, "{bad:?}");
            }
        }
    }

    #[test]
    fn with_facts_a_ladder_is_not_read_in_another_unit() {
        let [gbp, jpy] = ["GBP", "JPY"].map(|code| Currency::parse(code).unwrap());
        let spent = (EntryMethod::AmountSpent, gbp);
        let ladder = settings(&[25_000]).rules.ladder;
        let to = |ladder: &Ladder, unit| convert_ladder(ladder, spent, unit, true);
        assert_eq!(to(&ladder, spent), Ok(ladder.clone()));
        let in_yen = (EntryMethod::AmountSpent, jpy);
        assert_eq!(to(&ladder, in_yen), Err(Refused::CurrencyFixed));
        let points = (EntryMethod::PointsEarned, gbp);
        assert_eq!(to(&ladder, points), Err(Refused::EntryMethodNeedsLadder));
        // Where there is nothing to read, nothing changes its meaning.
        assert_eq!(to(&Ladder::default(), points), Ok(Ladder::default()));
    }

    #[test]
    fn the_first_ladder_of_a_store_with_facts_comes_whole_and_later_tiers_one_by_one() {
        let put = |ladder: &Ladder, tier: Tier, has_facts| {
            let tiers = put_tier(ladder, tier, has_facts)?;
            Ok(tiers.into_iter().map(|t| (t.code.to_string(), t.threshold)).collect::<Vec<_>>())
        };
        let is = |code: &str, threshold| (code.to_owned(), Some(threshold));
        let none = Ladder::default();
        assert_eq!(put(&none, tier("t1", 1, 100), true), Err(Refused::LadderComesWhole));
        assert_eq!(put(&none, tier("t1", 1, 100), false), Ok(vec![is("t1", 100)]));
        let two = settings(&[100, 200]).rules.ladder;
        let three = vec![is("t1", 100), is("t2", 200), is("t3", 300)];
        assert_eq!(put(&two, tier("t3", 3, 300), true), Ok(three));
        // One of the same code takes the other's place.
        let other = vec![is("t2", 200), is("t1", 150)];
        assert_eq!(put(&two, tier("t1", 1, 150), true), Ok(other));
    }

    #[test]
    fn any_amount_that_a_store_holds_fixes_its_currency() {
        use crate::domain::designation::{Grant, Profile};
        use crate::domain::id::RuleCode;
        use crate::domain::qualification::metric::{Metric, Name};
        use crate::domain::qualification::{Bound, Condition, Rule};
        let now = at("2024-06-01T00:00:00Z");
        let change = |settings: &Settings, holdings| {
            let program = set_up(settings.clone(), at("2024-01-01T00:00:00Z")).unwrap();
            let yen = Settings { currency: Currency::parse("JPY").unwrap(), ..settings.clone() };
            apply(&program, yen, EffectiveFrom::Now, now, holdings).map(|_| ())
        };
        let plain = settings(&[100]);
        assert_eq!(change(&plain, NEW), Ok(()));
        let fixed = Err(Refused::CurrencyFixed);
        assert_eq!(change(&plain, Holdings { facts: true, ..NEW }), fixed);
        assert_eq!(change(&plain, Holdings { amounts: true, ..NEW }), fixed);
        let mut rewarding = settings(&[]);
        let fiver = Tier { reward: Some(Reward::Amount(500)), ..tier("t1", 1, 100) };
        rewarding.rules.ladder = Ladder::new(vec![fiver]).unwrap();
        assert_eq!(change(&rewarding, NEW), fixed);
        let mut judging = settings(&[100]);
        let metric = Metric::new(Name::LifetimeSpend, None, None).unwrap();
        let rule = Rule {
            code: RuleCode::parse("spenders").unwrap(),
            name: "Spenders".into(),
            profile: Profile::BigSpender,
            conditions: vec![Condition { metric, bound: Bound::AtLeast(100_000) }],
            grant: Grant::default(),
            requires_approval: false,
            is_enabled: true,
            version: 1,
        };
        judging.qualification.rules.insert(rule.code.clone(), rule);
        assert_eq!(change(&judging, NEW), fixed);
    }

    #[test]
    fn a_tier_that_a_way_to_earn_names_does_not_leave() {
        use crate::domain::earning::{Earns, Way};
        use crate::domain::id::WayCode;
        let mut earning = settings(&[100, 200]);
        let code = |text: &str| TierCode::parse(text).unwrap();
        let way = Way {
            code: WayCode::parse("visit").unwrap(),
            name: "Visit".into(),
            earns: Earns::PerEvent,
            points: 1.into(),
            by_tier: [(code("t2"), 2.into())].into(),
        };
        earning.rules.put_way(way).unwrap();
        let program = set_up(earning.clone(), at("2024-01-01T00:00:00Z")).unwrap();
        earning.rules.ladder = settings(&[100]).rules.ladder;
        let now = at("2024-06-01T00:00:00Z");
        let refused = apply(&program, earning, EffectiveFrom::Now, now, NEW).unwrap_err();
        assert_eq!(refused, Refused::TierInWay(code("t2")));
    }

    #[test]
    fn a_change_keeps_all_settings_and_makes_a_revision_only_where_rules_change() {
        let start = at("2024-01-01T00:00:00Z");
        let now = at("2024-06-01T00:00:00Z");
        let mut wanted = settings(&[100]);
        let program = set_up(wanted.clone(), start).unwrap();
        wanted.name = "Friends".into();
        wanted.grace_days = 30;
        wanted.credit_expiry_months = Some(12);
        wanted.treatment.vip_visible_to_customers = true;
        wanted.qualification.is_automatic = false;
        let from = EffectiveFrom::Now;
        let (program, reach) = apply(&program, wanted.clone(), from, now, USED).unwrap();
        assert_eq!(Settings::of(&program), wanted);
        assert_eq!((effective(&program), reach), (vec!["2024-01-01".into()], Reach::default()));
        // What holds from now on may be wished to have held always.
        let rules = settings(&[200]).rules;
        let changed = Settings { rules, ..wanted };
        let (program, _) = apply(&program, changed.clone(), from, now, USED).unwrap();
        assert_eq!(effective(&program), ["2024-01-01", "2024-06-01"]);
        let from = EffectiveFrom::Beginning;
        let (program, reach) = apply(&program, changed, from, now, USED).unwrap();
        assert_eq!((effective(&program), reach), (vec!["2024-01-01".into()], Reach::ALL));
    }

    #[test]
    fn a_change_reaches_everyone_where_time_alone_now_brings_something_else() {
        let now = at("2024-06-01T00:00:00Z");
        let program = set_up(settings(&[100]), at("2024-01-01T00:00:00Z")).unwrap();
        let reach = |settings, from| apply(&program, settings, from, now, USED).unwrap().1;
        let from_now = |everyone| Reach { refold_from: Some(now), everyone };
        assert_eq!(reach(settings(&[200]), EffectiveFrom::Now), from_now(false));
        // An entry tier comes to everyone, and so do the ends of periods.
        assert_eq!(reach(settings(&[0]), EffectiveFrom::Now), from_now(true));
        let mut yearly = settings(&[100]);
        yearly.rules.progress_reset = ProgressReset::CalendarYear;
        assert_eq!(reach(yearly, EffectiveFrom::Now), from_now(true));
        assert_eq!(reach(settings(&[200]), EffectiveFrom::At(now)), from_now(true));
        // Without facts there is nothing to fold again, and only what is from
        // now on amends the first revision.
        let (amended, reach) =
            apply(&program, settings(&[200]), EffectiveFrom::Now, now, NEW).unwrap();
        assert_eq!(reach, Reach { refold_from: None, everyone: true });
        assert_eq!(effective(&amended), ["2024-01-01"]);
        let back = EffectiveFrom::At(at("2024-03-01T00:00:00Z"));
        let (revised, _) = apply(&program, settings(&[200]), back, now, NEW).unwrap();
        assert_eq!(effective(&revised), ["2024-01-01", "2024-03-01"]);
    }

    #[test]
    fn a_pause_from_an_earlier_instant_on_reaches_everyone() {
        let day = |d: u32| at(&format!("2024-06-{d:02}T00:00:00Z"));
        let program = set_up(settings(&[100]), day(1)).unwrap();
        let reach = |from| pause(&program, from, day(5)).unwrap().1;
        let of = |from, everyone| Reach { refold_from: Some(from), everyone };
        assert_eq!(reach(EffectiveFrom::Now), of(day(5), false));
        assert_eq!(reach(EffectiveFrom::At(day(4))), of(day(4), true));
        let (paused, _) = pause(&program, EffectiveFrom::At(day(3)), day(5)).unwrap();
        let early = resume(&paused, EffectiveFrom::At(day(2)), day(5)).unwrap_err();
        assert_eq!(early, Refused::PausesOverlap);
        let (_, reach) = resume(&paused, EffectiveFrom::At(day(4)), day(5)).unwrap();
        assert_eq!(reach, of(day(4), true));
    }
}
