//! What one customer qualifies for, and what is missing; and what a rule would do.

use super::auth::{Allowed, ReadBadges, WriteRules};
use super::extract::{Id, Json, NoQuery, Query};
use super::problem::{ApiResult, BODY, Code, TOKEN, problems};
use super::read_of_store;
use super::rules::{ConditionOut, GrantsOut, RuleIn};
use super::wire::{self, At, PageQuery};
use crate::db::page::Seek;
use crate::db::{Db, customers, memberships};
use crate::domain::change::threshold_text;
use crate::domain::designation::Profile;
use crate::domain::id::{CustomerId, RuleCode};
use crate::domain::membership::Membership;
use crate::domain::money::Currency;
use crate::domain::program::{EntryMethod, Program};
use crate::domain::qualification::standing::{Decision, Outcome, Shown};
use crate::domain::qualification::text::{count_of, missing_until, value_text};
use crate::domain::qualification::{Bound, Condition, Finding, Rule, is_met};
use crate::domain::tier::Tier;
use crate::domain::words::word;
use crate::workflow::Refusal;
use crate::workflow::memberships::membership_at;
use crate::workflow::qualification::{self, Judged, Would};
use actix_web::{HttpResponse, get, post, web};
use serde::Serialize;
use utoipa::ToSchema;

/// How many customers a dry run looks at before it answers.
const EXAMINED_MAX: usize = 5_000;

/// The two bounds of a condition, of which it has one.
pub fn bound_texts(condition: &Condition, currency: Currency) -> (Option<String>, Option<String>) {
    let text = |value| Some(value_text(value, condition.metric.name().unit(), currency));
    match condition.bound {
        Bound::AtLeast(value) => (text(value), None),
        Bound::AtMost(value) => (None, text(value)),
    }
}

/// What a look at one condition found.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct FindingOut {
    /// The condition.
    #[serde(flatten)]
    pub condition: ConditionOut,
    /// The value that was found, in the metric's unit; null where there is none.
    #[schema(required, examples("820.00"))]
    pub found: Option<String>,
    /// Whether the condition holds.
    #[schema(examples(false))]
    pub met: bool,
    /// By how much the value falls short or goes too far; null where it does not.
    #[schema(required, examples("180.00"))]
    pub missing: Option<String>,
    /// The same in words.
    #[schema(examples("lifetime_spend is 820.00, at least 1000.00 needed"))]
    pub text: String,
}

impl FindingOut {
    /// Findings on the wire.
    pub fn list(findings: &[Finding], currency: Currency) -> Vec<Self> {
        let text = |finding: &Finding, value| {
            value_text(value, finding.condition.metric.name().unit(), currency)
        };
        let out = |finding: &Finding| Self {
            condition: ConditionOut::new(&finding.condition, currency),
            found: finding.found.map(|found| text(finding, found)),
            met: finding.is_met(),
            missing: finding.missing().map(|missing| text(finding, missing)),
            text: finding.text(currency),
        };
        findings.iter().map(out).collect()
    }
}

/// A tier of the ladder, and how far the customer is from it.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct TierQualificationOut {
    /// The tier's code.
    #[schema(examples("gold"))]
    pub code: String,
    /// The tier's name.
    #[schema(examples("Gold"))]
    pub name: String,
    /// Its place in the ladder: higher is better.
    #[schema(examples(3))]
    pub rank: u32,
    /// The progress that reaches it, in the entry method's unit.
    #[schema(examples("1000.00"))]
    pub threshold: String,
    /// Whether the customer has reached it, or a higher one.
    #[schema(examples(false))]
    pub met: bool,
    /// How much progress is missing; null where it is met.
    #[schema(required, examples("180.00"))]
    pub missing: Option<String>,
    /// The same in words.
    #[schema(required, examples("180.00 more until Gold"))]
    pub text: Option<String>,
}

impl TierQualificationOut {
    fn new(
        tier: &Tier,
        threshold: i64,
        membership: &Membership,
        method: EntryMethod,
        currency: Currency,
    ) -> Self {
        let reached = membership.tier.as_ref().map(|(held, _)| held.rank);
        let missing = threshold.saturating_sub(membership.progress.of(method));
        let is_met = reached >= Some(tier.rank);
        let text = |missing: i64| match method {
            EntryMethod::AmountSpent => {
                format!("{} more", threshold_text(missing, method, currency))
            }
            EntryMethod::OrdersPlaced => count_of(missing, "more order", "more orders"),
            EntryMethod::PointsEarned => count_of(missing, "more point", "more points"),
        };
        // A tier whose threshold was lowered is reached by the next fact.
        let missing = (!is_met).then_some(missing.max(0));
        Self {
            code: tier.code.to_string(),
            name: tier.name.clone(),
            rank: tier.rank,
            threshold: threshold_text(threshold, method, currency),
            met: is_met,
            missing: missing.map(|missing| threshold_text(missing, method, currency)),
            text: missing.map(|missing| match missing {
                0 => format!("the next order reaches {}", tier.name),
                missing => format!("{} until {}", text(missing), tier.name),
            }),
        }
    }
}

/// A rule, and how far the customer is from it.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct RuleQualificationOut {
    /// The rule's code.
    #[schema(examples("vip-gold"))]
    pub code: String,
    /// The rule's name.
    #[schema(examples("Gold by spend and tenure"))]
    pub name: String,
    /// Why those who meet it are VIPs.
    #[schema(examples("big_spender"))]
    pub profile: String,
    /// Whether the rule is in force.
    #[schema(examples(true))]
    pub enabled: bool,
    /// Whether all its conditions hold.
    #[schema(examples(false))]
    pub met: bool,
    /// Since when it is known to be met; null where it is not, or has not been noted yet.
    #[schema(required, examples("2024-06-01T10:00:00Z"))]
    pub met_since: Option<At>,
    /// Each condition with the value found and the value needed.
    pub conditions: Vec<FindingOut>,
    /// What who meets it gets.
    pub grants: GrantsOut,
    /// How it stands: `not_met`, `rule_disabled`, `automatic_qualification_off`,
    /// `pending`, `nomination_waiting`, `declined`, `granted`, `nothing_to_add`,
    /// `removed_by_person` or `designation_ended`.
    #[schema(examples("not_met"))]
    pub outcome: String,
    /// The same in a sentence.
    #[schema(examples("Not all conditions are met."))]
    pub explanation: String,
}

impl RuleQualificationOut {
    fn new(judged: &Judged, currency: Currency) -> Self {
        let rule = &judged.rule;
        let shown = Shown::WORDS.iter().find(|(_, _, shown)| *shown == judged.shown);
        let (outcome, explanation) =
            shown.map(|(word, text, _)| (*word, *text)).unwrap_or_default();
        Self {
            code: rule.code.to_string(),
            name: rule.name.clone(),
            profile: word(&Profile::WORDS, &rule.profile).to_owned(),
            enabled: rule.is_enabled,
            met: is_met(&judged.findings),
            met_since: judged.met_since.map(At),
            conditions: FindingOut::list(&judged.findings, currency),
            grants: GrantsOut::new(rule),
            outcome: outcome.to_owned(),
            explanation: explanation.to_owned(),
        }
    }
}

/// What a customer qualifies for, and what is missing.
#[derive(Debug, Serialize, ToSchema)]
pub struct QualificationOut {
    /// The customer.
    #[schema(examples("c1"))]
    pub customer_id: String,
    /// The instant that this holds at.
    #[schema(examples("2024-06-01T10:00:00Z"))]
    pub as_of: At,
    /// Whether rules act in this store; otherwise they only say who meets them.
    #[schema(examples(true))]
    pub automatic_qualification: bool,
    /// What is missing until each tier and each rule in force, in words, but
    /// for those about unhappy customers, at which nobody is to aim.
    #[schema(examples(json!(["180.00 more until Gold", "4 months of tenure until Platinum"])))]
    pub summary: Vec<String>,
    /// The tiers that progress reaches, by rank.
    pub tiers: Vec<TierQualificationOut>,
    /// The rules, by code.
    pub rules: Vec<RuleQualificationOut>,
}

impl QualificationOut {
    fn new(
        customer: &CustomerId,
        program: &Program,
        membership: &Membership,
        judged: &[Judged],
        now: At,
    ) -> Self {
        let currency = program.currency;
        let rules = program.latest();
        let tiers: Vec<TierQualificationOut> = rules
            .ladder
            .tiers()
            .iter()
            .filter_map(|tier| Some((tier, tier.threshold?)))
            .map(|(tier, threshold)| {
                let method = rules.entry_method;
                TierQualificationOut::new(tier, threshold, membership, method, currency)
            })
            .collect();
        let target = |rule: &Rule| {
            let tier = rule.grant.tier.as_ref().and_then(|code| rules.ladder.find(code));
            tier.map_or_else(|| rule.name.clone(), |tier| tier.name.clone())
        };
        let of_rules = judged
            .iter()
            // Nobody is to aim at being unhappy.
            .filter(|judged| {
                judged.rule.is_enabled && judged.rule.profile != Profile::UnhappyCustomer
            })
            .filter_map(|judged| missing_until(&judged.findings, &target(&judged.rule), currency));
        Self {
            customer_id: customer.to_string(),
            as_of: now,
            automatic_qualification: program.qualification.is_automatic,
            summary: tiers.iter().filter_map(|tier| tier.text.clone()).chain(of_rules).collect(),
            rules: judged.iter().map(|j| RuleQualificationOut::new(j, currency)).collect(),
            tiers,
        }
    }
}

problems!(GetQualificationProblems: TOKEN, &[
    Code::InvalidRequest, Code::NotFound, Code::CustomerErased, Code::StoreNotSetUp,
    Code::FigureOverflow,
]);

/// What a customer qualifies for: for each tier and each rule, what is met and
/// what is missing.
///
/// Judged afresh at the request, and nothing is stored. Where a rule is met and
/// the customer is no VIP by it, `outcome` says why. Roles: `support`,
/// `manager`, `administrator`, `platform_admin`.
#[utoipa::path(
    tag = "Qualification",
    operation_id = "get_qualification",
    security(("token" = [])),
    params(("customer_id" = String, Path, description = "The customer's identifier.", pattern = "^[A-Za-z0-9._:-]{1,64}$", example = "c1")),
    responses((status = 200, description = "What the customer qualifies for.", body = QualificationOut), GetQualificationProblems),
)]
#[get("/v1/customers/{customer_id}/qualification")]
pub async fn get_qualification(
    allowed: Allowed<ReadBadges>,
    id: Id<CustomerId>,
    _: NoQuery,
    db: web::Data<Db>,
) -> ApiResult<HttpResponse> {
    let now = wire::now();
    let (_, out) = read_of_store(&db, allowed.caller.store, move |tx, store, record| {
        let missing = Refusal::NotFound("customer");
        let customer = customers::find(tx, store, &id.0)?.ok_or(missing.clone())?;
        if customer.erased_at.is_some() {
            return Err(Refusal::CustomerErased.into());
        }
        let stored = memberships::find(tx, store, &id.0)?.ok_or(missing)?;
        let membership = membership_at(tx, store, record, &customer, &stored, now)?;
        let judged = qualification::view(tx, store, record, &membership, &id.0, now)?;
        Ok(QualificationOut::new(&id.0, &record.program, &membership, &judged, At(now)))
    })
    .await?;
    Ok(HttpResponse::Ok().json(out))
}

/// What a rule would do to a customer who meets it.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct WouldOut {
    /// The customer.
    #[schema(examples("c1"))]
    pub customer_id: String,
    /// What: `grant` makes a VIP, `raise` adds to what a VIP has, `nominate`
    /// puts the customer forward; or nothing, because of `nothing_to_add`,
    /// `removed_by_person`, `designation_ended`, `declined_recently` or
    /// `nomination_waiting`.
    #[schema(examples("grant"))]
    pub outcome: String,
    /// Each condition with the value found and the value needed.
    pub why: Vec<FindingOut>,
}

impl WouldOut {
    fn new(would: &Would, currency: Currency) -> Self {
        let outcome = match would.decision {
            Decision::Grant => "grant",
            Decision::Raise => "raise",
            Decision::Nominate => "nominate",
            Decision::Settle(Outcome::Nominated) => "nomination_waiting",
            Decision::Settle(Outcome::Declined) => "declined_recently",
            Decision::Settle(other) => word(&Outcome::WORDS, &other),
        };
        Self {
            customer_id: would.customer_id.clone(),
            outcome: outcome.to_owned(),
            why: FindingOut::list(&would.findings, currency),
        }
    }
}

/// A page of a dry run.
#[derive(Debug, Serialize, ToSchema)]
pub struct DryRunOut {
    /// Those who meet the conditions, by identifier.
    pub customers: Vec<WouldOut>,
    /// How many customers were looked at for this page.
    #[schema(examples(200))]
    pub examined: usize,
    /// Where to go on; null where all customers were looked at.
    #[schema(required)]
    pub next_cursor: Option<String>,
}

problems!(DryRunRuleProblems: TOKEN, BODY, &[
    Code::StoreNotSetUp, Code::UnknownTier, Code::UnknownBenefit, Code::AmountNotInCurrency,
]);

/// Say whom a rule would make a VIP or put forward, without doing it.
///
/// Customers are judged as if the rule were put now, whether or not rules act
/// in this store; nothing is stored. A page ends when `limit` customers meet
/// the rule or 5,000 were looked at; the next one goes on from there. Roles:
/// `platform_admin`.
#[utoipa::path(
    tag = "Rules",
    operation_id = "dry_run_rule",
    security(("token" = [])),
    params(
        ("rule_code" = String, Path, description = "The rule's code; the rule need not be stored.", pattern = "^[A-Za-z0-9._:-]{1,64}$", example = "vip-gold"),
        PageQuery,
    ),
    request_body(content = RuleIn, example = json!({
        "name": "Gold by spend and tenure", "profile": "big_spender",
        "conditions": [
            {"metric": "lifetime_spend", "at_least": "1000.00"},
            {"metric": "tenure_months", "at_least": "12"},
        ],
        "grants": {"priority": "high"},
    })),
    responses((status = 200, description = "Whom the rule would make a VIP or put forward.", body = DryRunOut), DryRunRuleProblems),
)]
#[post("/v1/rules/{rule_code}/dry-run")]
pub async fn dry_run_rule(
    allowed: Allowed<WriteRules>,
    code: Id<RuleCode>,
    query: Query<PageQuery>,
    body: Json<RuleIn>,
    db: web::Data<Db>,
) -> ApiResult<HttpResponse> {
    let limit = usize::try_from(query.0.limit()).unwrap_or(1);
    let after = query.0.after().map(|seek| seek.id);
    let (_, out) = read_of_store(&db, allowed.caller.store, move |tx, store, record| {
        let program = &record.program;
        // Of a version that has not acted yet.
        let rule = body.0.into_rule(code.0, program, record.version.saturating_add(1))?;
        let now = wire::now();
        let bounds = (limit, EXAMINED_MAX);
        let run = qualification::dry_run(tx, store, record, &rule, after, bounds, now)?;
        let customers = run.customers.iter().map(|would| WouldOut::new(would, program.currency));
        Ok(DryRunOut {
            customers: customers.collect(),
            examined: run.examined,
            next_cursor: run.done_through.map(|id| wire::cursor(&Seek::text(String::new(), id))),
        })
    })
    .await?;
    Ok(HttpResponse::Ok().json(out))
}
