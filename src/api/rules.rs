//! Rules of qualification: who should be a VIP.

use super::auth::{Allowed, WriteRules};
use super::changes::context;
use super::designations::{Code64, PriorityWire, ProfileWire, code_rules, codes, texts};
use super::extract::{Id, IfMatchHeader, Json, NoQuery, etag};
use super::problem::{ApiResult, BODY, Code, TOKEN, problems};
use super::qualifications::bound_texts;
use super::read_of_store;
use super::wire::{self, words};
use crate::db::programs::ProgramRecord;
use crate::db::{Db, Tx, designations, nominations};
use crate::domain::designation::{Grant, Priority, Profile};
use crate::domain::id::{RuleCode, StoreId, TierCode};
use crate::domain::money::{Currency, parse_amount};
use crate::domain::program::Program;
use crate::domain::qualification::check::contradictions;
use crate::domain::qualification::metric::{Metric, Name, Unit};
use crate::domain::qualification::{Bound, Condition, RULES_MAX, Rule};
use crate::domain::words::word;
use crate::workflow::designations::{known_benefits, known_tier};
use crate::workflow::programs::{Policies, change_policies};
use crate::workflow::qualification::is_under_way;
use crate::workflow::{self, Refusal};
use actix_web::{HttpResponse, delete, get, put, web};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use validator::{Validate, ValidationError};

/// What happens to what a rule granted.
const KEPT: &str = "What the rule granted stays when it is disabled or deleted: designations keep what they have and name the rule, and nominations that wait can still be approved or declined.";

/// A rule as a `platform_admin` states it.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema, Validate)]
#[serde(deny_unknown_fields)]
pub struct RuleIn {
    /// The name that people read.
    #[schema(
        max_length = 100,
        pattern = r"^[^\x00-\x1f\x7f]*[^\x00-\x20\x7f][^\x00-\x1f\x7f]*$",
        examples("Gold by spend and tenure")
    )]
    name: String,
    /// Why those who meet it are VIPs, in a word.
    profile: ProfileWire,
    /// What has to hold of a customer, all of it.
    #[validate(custom(function = "condition_rules"))]
    #[schema(min_items = 1, max_items = 20, format = "conditions")]
    conditions: Vec<ConditionIn>,
    /// What who meets it gets.
    #[validate(nested)]
    grants: GrantsIn,
    /// Whether it is in force; true by default.
    #[serde(default)]
    #[schema(examples(true))]
    enabled: Option<bool>,
}

/// Something that has to hold of a customer: exactly one of `at_least` and
/// `at_most` is given.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ConditionIn)]
pub struct ConditionIn {
    /// What is looked at.
    metric: MetricWire,
    /// Over how many days, of 24 hours each, up to now: given with the metrics
    /// that end in `_in_days`, and only then.
    #[serde(default)]
    #[schema(minimum = 1, maximum = 3650, examples(365))]
    window_days: Option<u32>,
    /// Which tag: given with `has_tag`, and only then.
    #[serde(default)]
    #[schema(
        max_length = 64,
        pattern = r"^[^\x00-\x1f\x7f]*[^\x00-\x20\x7f][^\x00-\x1f\x7f]*$",
        examples("target-account")
    )]
    tag: Option<String>,
    /// This or more, in the metric's unit: an amount in the program's
    /// currency, or a whole number; of yes or no, 1 or 0.
    #[serde(default)]
    #[schema(pattern = r"^[0-9]{1,14}(\.[0-9]{1,4})?$", examples("1000.00"))]
    at_least: Option<String>,
    /// This or less, in the same unit.
    #[serde(default)]
    #[schema(pattern = r"^[0-9]{1,14}(\.[0-9]{1,4})?$", examples("5"))]
    at_most: Option<String>,
}

/// What who meets a rule gets. With nothing, the customer becomes a VIP of no tier.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema, Validate)]
#[serde(deny_unknown_fields)]
pub struct GrantsIn {
    /// The tier; of a VIP it is only ever raised.
    #[serde(default)]
    #[schema(pattern = "^[A-Za-z0-9._:-]{1,64}$", examples("gold"))]
    tier: Option<String>,
    /// Benefits besides those of the tier.
    #[serde(default)]
    #[validate(custom(function = "code_rules"))]
    #[schema(max_items = 50, examples(json!(["birthday-gift"])))]
    benefits: Option<Vec<Code64>>,
    /// How soon to serve the customer; of a VIP it is only ever raised.
    #[serde(default)]
    priority: Option<PriorityWire>,
    /// Who looks after the customer, where nobody does.
    #[serde(default)]
    #[schema(
        max_length = 64,
        pattern = r"^[^\x00-\x1f\x7f]*[^\x00-\x20\x7f][^\x00-\x1f\x7f]*$",
        examples("sam")
    )]
    assigned_to: Option<String>,
    /// Whether a manager has to approve of each customer; false by default.
    #[serde(default)]
    #[schema(examples(false))]
    requires_approval: Option<bool>,
}

words! {
    /// What a condition looks at.
    MetricWire as Metric => Name {
        /// All that was ever spent, less refunds: an amount.
        LifetimeSpend,
        /// What was spent in the window, less refunds: an amount.
        SpendInDays,
        /// Orders ever completed and not refunded in full.
        OrdersTotal,
        /// Those completed in the window.
        OrdersInDays,
        /// Complete calendar months since joining, in the program's zone.
        TenureMonths,
        /// Customers whom this one brought in: of several referrals of one customer the earliest counts. That others refer the same customers is looked at each night.
        Referrals,
        /// What those have spent since their referral, less refunds: an amount. Looked at each night.
        ReferralSpend,
        /// Surveys of the window answered with 2 or less.
        UnsatisfiedSurveysInDays,
        /// Complaints of the window.
        ComplaintsInDays,
        /// Those of them that others could see.
        PublicComplaintsInDays,
        /// Complaints that are not resolved.
        OpenComplaints,
        /// The longest, in complete hours, that any complaint took until it was resolved, or has taken so far; 0 without complaints.
        ComplaintResolutionHours,
        /// Complete days of 24 hours since the newest completed order; who never ordered meets neither `at_least` nor `at_most`.
        IdleDays,
        /// All points ever earned, by orders and activities.
        PointsTotal,
        /// Those earned in the window.
        PointsInDays,
        /// 1 if no subscription was ever cancelled, else 0.
        NeverCancelled,
        /// 1 if the customer has the tag, else 0.
        HasTag,
    }
}

/// A number as a text, scaled so that texts of one unit compare as numbers do.
fn scaled(text: &str) -> Option<i64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    format!("{whole}{fraction:0<4}").parse().ok()
}

/// What the conditions' own texts show: each can be taken, and they can hold together.
fn condition_rules(conditions: &[ConditionIn]) -> Result<(), ValidationError> {
    let mut faults: Vec<(String, String)> = Vec::new();
    // Only conditions without a fault are held against one another.
    let mut sound: Vec<(usize, Condition)> = Vec::new();
    for (i, condition) in conditions.iter().enumerate() {
        match condition.read() {
            Ok(condition) => sound.push((i, condition)),
            Err(of_one) => faults.extend(of_one.into_iter().map(|(f, d)| (format!("/{i}{f}"), d))),
        }
    }
    let place = |i: usize| sound.get(i).map_or(i, |(place, _)| *place);
    let list: Vec<Condition> = sound.iter().map(|(_, condition)| condition.clone()).collect();
    for contradiction in contradictions(&list) {
        let at = contradiction.at_places(place);
        faults.push((format!("/{}", at.place()), at.to_string()));
    }
    if faults.is_empty() {
        return Ok(());
    }
    let mut error = ValidationError::new("conditions");
    error.add_param("faults".into(), &faults);
    Err(error)
}

impl ConditionIn {
    /// The metric that is meant.
    fn metric(&self) -> Result<Metric, Vec<(String, String)>> {
        Metric::new(self.metric.into(), self.window_days, self.tag.clone()).map_err(|faults| {
            faults.iter().map(|f| (format!("/{}", f.field()), f.to_string())).collect()
        })
    }

    /// The condition, with a number that compares as the stated one does; or
    /// every fault, with the field's place.
    fn read(&self) -> Result<Condition, Vec<(String, String)>> {
        let name = Name::from(self.metric);
        let metric = self.metric();
        let mut faults = metric.as_ref().err().cloned().unwrap_or_default();
        let stated = match (&self.at_least, &self.at_most) {
            (Some(text), None) => Some(("at_least", text)),
            (None, Some(text)) => Some(("at_most", text)),
            _ => {
                let detail = "must have exactly one of at_least and at_most";
                faults.push((String::new(), detail.to_owned()));
                None
            }
        };
        let bound = stated.and_then(|(field, text)| {
            let value = match name.unit() {
                Unit::Amount => scaled(text),
                _ => text.parse().ok(),
            };
            let fault = match value {
                None => Some("must be a whole number for this metric".to_owned()),
                Some(value) => name
                    .value_max()
                    .filter(|most| value > *most)
                    .map(|most| format!("must be at most {most}, which is as far as it goes")),
            };
            faults.extend(fault.map(|detail| (format!("/{field}"), detail)));
            let is_least = field == "at_least";
            value.map(|value| if is_least { Bound::AtLeast(value) } else { Bound::AtMost(value) })
        });
        match (metric, bound) {
            (Ok(metric), Some(bound)) if faults.is_empty() => Ok(Condition { metric, bound }),
            _ => Err(faults),
        }
    }

    /// The condition in the program's currency.
    fn into_condition(self, currency: Currency) -> Result<Condition, workflow::Error> {
        let corrupt = || workflow::Error::from(crate::db::Error::Corrupt("a condition".to_owned()));
        let metric = self.metric().map_err(|_| corrupt())?;
        let value = |text: &str| match metric.name().unit() {
            Unit::Amount => parse_amount(text, currency)
                .map_err(|error| workflow::Error::from(Refusal::InvalidAmount(error))),
            _ => text.parse().map_err(|_| corrupt()),
        };
        let bound = match (&self.at_least, &self.at_most) {
            (Some(text), _) => Bound::AtLeast(value(text)?),
            (None, Some(text)) => Bound::AtMost(value(text)?),
            (None, None) => return Err(corrupt()),
        };
        Ok(Condition { metric, bound })
    }
}

impl RuleIn {
    /// The rule that this states for a program, under a code and a version.
    ///
    /// # Errors
    /// [`Refusal`] for a tier or a benefit that the program has not, or an
    /// amount that is none in its currency.
    pub fn into_rule(
        self,
        code: RuleCode,
        program: &Program,
        version: i64,
    ) -> workflow::Result<Rule> {
        let conditions = self.conditions.into_iter();
        let GrantsIn { tier, benefits, priority, assigned_to, requires_approval } = self.grants;
        let grant = Grant {
            tier: tier.as_deref().map(TierCode::parse).transpose()?,
            benefits: codes(benefits.as_deref())?,
            priority: priority.map(Priority::from),
            assigned_to,
            profile: None,
        };
        known_tier(program, grant.tier.as_ref())?;
        known_benefits(program, &grant.benefits)?;
        Ok(Rule {
            code,
            name: self.name,
            profile: self.profile.into(),
            conditions: conditions
                .map(|condition| condition.into_condition(program.currency))
                .collect::<workflow::Result<_>>()?,
            grant,
            requires_approval: requires_approval.unwrap_or(false),
            is_enabled: self.enabled.unwrap_or(true),
            version,
        })
    }
}

/// Puts a rule among a program's; whether it is new.
///
/// # Errors
/// [`Refusal::TooManyRules`], or as [`RuleIn::into_rule`].
pub fn put_into(
    policies: &mut Policies,
    program: &Program,
    code: RuleCode,
    body: RuleIn,
) -> workflow::Result<bool> {
    let rule = body.into_rule(code.clone(), program, policies.version)?;
    let rules = &mut policies.qualification.rules;
    let is_new = !rules.contains_key(&code);
    // The same under another name is still the version that has acted.
    let known = rules.get(&code).map(|known| Rule { name: rule.name.clone(), ..known.clone() });
    let same = known.filter(|known| *known == Rule { version: known.version, ..rule.clone() });
    rules.insert(code, same.unwrap_or(rule));
    if rules.len() > RULES_MAX { Err(Refusal::TooManyRules.into()) } else { Ok(is_new) }
}

/// A condition of a rule.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct ConditionOut {
    /// What is looked at.
    #[schema(examples("lifetime_spend"))]
    pub metric: String,
    /// Over how many days up to now; null where it counts over all time.
    #[schema(required, examples(365))]
    pub window_days: Option<u32>,
    /// Which tag, of `has_tag`.
    #[schema(required, examples("target-account"))]
    pub tag: Option<String>,
    /// This or more; null where `at_most` says this or less.
    #[schema(required, examples("1000.00"))]
    pub at_least: Option<String>,
    /// This or less; null where `at_least` says this or more.
    #[schema(required, examples("5"))]
    pub at_most: Option<String>,
}

impl ConditionOut {
    /// A condition on the wire.
    pub fn new(condition: &Condition, currency: Currency) -> Self {
        let (at_least, at_most) = bound_texts(condition, currency);
        Self {
            metric: word(&Name::WORDS, &condition.metric.name()).to_owned(),
            window_days: condition.metric.window_days(),
            tag: condition.metric.tag().map(str::to_owned),
            at_least,
            at_most,
        }
    }
}

/// What who meets a rule gets.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct GrantsOut {
    /// The tier.
    #[schema(required, examples("gold"))]
    pub tier: Option<String>,
    /// Benefits besides those of the tier.
    #[schema(examples(json!(["birthday-gift"])))]
    pub benefits: Vec<String>,
    /// How soon to serve the customer.
    #[schema(required, examples("high"))]
    pub priority: Option<String>,
    /// Who looks after the customer.
    #[schema(required, examples("sam"))]
    pub assigned_to: Option<String>,
    /// Whether a manager has to approve of each customer.
    #[schema(examples(false))]
    pub requires_approval: bool,
}

impl GrantsOut {
    /// What a rule grants.
    pub fn new(rule: &Rule) -> Self {
        Self {
            tier: rule.grant.tier.as_ref().map(ToString::to_string),
            benefits: texts(&rule.grant.benefits),
            priority: rule.grant.priority.map(|p| word(&Priority::WORDS, &p).to_owned()),
            assigned_to: rule.grant.assigned_to.clone(),
            requires_approval: rule.requires_approval,
        }
    }
}

/// What a rule has granted so far.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, ToSchema)]
pub struct GrantedOut {
    /// Designations that have not ended and that it made, or whose tier it
    /// raised last: `GET /v1/designations?rule=` lists them.
    #[schema(examples(12))]
    pub designations: i64,
    /// Nominations by it that wait.
    #[schema(examples(3))]
    pub nominations_waiting: i64,
}

impl GrantedOut {
    fn read(tx: &mut Tx<'_>, store: &StoreId, code: &RuleCode) -> workflow::Result<Self> {
        Ok(Self {
            designations: designations::count_of_rule(tx, store, code)?,
            nominations_waiting: nominations::count_waiting_of_rule(tx, store, code)?,
        })
    }
}

/// A rule as it is.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct RuleOut {
    /// What it is known by.
    #[schema(examples("vip-gold"))]
    pub code: String,
    /// The name that people read.
    #[schema(examples("Gold by spend and tenure"))]
    pub name: String,
    /// Why those who meet it are VIPs.
    #[schema(examples("big_spender"))]
    pub profile: String,
    /// What has to hold of a customer, all of it.
    pub conditions: Vec<ConditionOut>,
    /// What who meets it gets.
    pub grants: GrantsOut,
    /// Whether it is in force.
    #[schema(examples(true))]
    pub enabled: bool,
    /// What it has granted so far.
    pub granted: GrantedOut,
    /// Whether all customers are being judged: after a change of rules, and each night.
    #[schema(examples(false))]
    pub evaluating: bool,
    /// What happens to what it granted when it is disabled or deleted.
    #[schema(examples(
        "What the rule granted stays when it is disabled or deleted: designations keep what they have and name the rule, and nominations that wait can still be approved or declined."
    ))]
    pub kept: String,
}

impl RuleOut {
    fn new(rule: &Rule, currency: Currency, granted: GrantedOut, evaluating: bool) -> Self {
        Self {
            code: rule.code.to_string(),
            name: rule.name.clone(),
            profile: word(&Profile::WORDS, &rule.profile).to_owned(),
            conditions: rule.conditions.iter().map(|c| ConditionOut::new(c, currency)).collect(),
            grants: GrantsOut::new(rule),
            enabled: rule.is_enabled,
            granted,
            evaluating,
            kept: KEPT.to_owned(),
        }
    }

    fn list<'a>(
        tx: &mut Tx<'_>,
        store: &StoreId,
        rules: impl IntoIterator<Item = &'a Rule>,
        record: &ProgramRecord,
    ) -> workflow::Result<Vec<Self>> {
        let evaluating = is_under_way(tx, store, wire::now())?;
        let currency = record.program.currency;
        let read = |rule: &Rule| {
            let granted = GrantedOut::read(tx, store, &rule.code)?;
            Ok(Self::new(rule, currency, granted, evaluating))
        };
        rules.into_iter().map(read).collect()
    }

    fn read(
        tx: &mut Tx<'_>,
        store: &StoreId,
        code: &RuleCode,
        record: &ProgramRecord,
    ) -> workflow::Result<Self> {
        let rule = record.program.qualification.rules.get(code);
        let mut found = Self::list(tx, store, rule, record)?;
        found.pop().ok_or(Refusal::NotFound("rule").into())
    }
}

/// All rules.
#[derive(Debug, Serialize, ToSchema)]
pub struct RulesListOut {
    /// The rules, by code.
    pub rules: Vec<RuleOut>,
}

problems!(PutRuleProblems: TOKEN, BODY, &[
    Code::StoreNotSetUp, Code::PreconditionFailed, Code::TooManyRules, Code::UnknownTier,
    Code::UnknownBenefit, Code::AmountNotInCurrency,
]);

/// Put a rule, or change it.
///
/// Who meets it is designated, or put forward where `requires_approval` is
/// true: those who meet it already soon after this (`evaluating` says while
/// that goes on), others with the fact that makes them meet it, and what time
/// alone changes is looked at each night. A rule acts once for each stretch in
/// which a customer meets it; a rule that was changed acts again. Rules that
/// nobody can meet are refused. Roles: `platform_admin`.
#[utoipa::path(
    tag = "Rules",
    operation_id = "put_rule",
    security(("token" = [])),
    params(
        ("rule_code" = String, Path, description = "The rule's code, the shop's own.", pattern = "^[A-Za-z0-9._:-]{1,64}$", example = "vip-gold"),
        ("If-Match" = Option<String>, Header, description = "Change it only if the program is still this version (an `ETag`)."),
    ),
    request_body(content = RuleIn, example = json!({
        "name": "Gold by spend and tenure", "profile": "big_spender",
        "conditions": [
            {"metric": "lifetime_spend", "at_least": "1000.00"},
            {"metric": "tenure_months", "at_least": "12"},
        ],
        "grants": {"priority": "high"},
    })),
    responses(
        (status = 201, description = "The rule is new.", body = RuleOut),
        (status = 200, description = "The rule as it is now.", body = RuleOut),
        PutRuleProblems,
    ),
)]
#[put("/v1/rules/{rule_code}")]
pub async fn put_rule(
    allowed: Allowed<WriteRules>,
    code: Id<RuleCode>,
    _: NoQuery,
    if_match: IfMatchHeader,
    body: Json<RuleIn>,
    db: web::Data<Db>,
) -> ApiResult<HttpResponse> {
    let context = context(&allowed.caller, "rule_changed");
    let (record, is_new, out) = db
        .write(move |tx| {
            let mut is_new = false;
            let store = context.store.clone();
            let code = code.0;
            let of = code.clone();
            let record = change_policies(tx, &context, &if_match.0, |_, program, policies| {
                is_new = put_into(policies, program, of, body.0)?;
                Ok::<_, workflow::Error>(if_match.0.check_part(!is_new)?)
            })?;
            let out = RuleOut::read(tx, &store, &code, &record)?;
            Ok::<_, workflow::Error>((record, is_new, out))
        })
        .await?;
    let mut response = if is_new { HttpResponse::Created() } else { HttpResponse::Ok() };
    Ok(response.insert_header(etag(record.version)).json(out))
}

problems!(GetRuleProblems: TOKEN, &[Code::InvalidRequest, Code::NotFound, Code::StoreNotSetUp]);

/// One rule.
///
/// Roles: `platform_admin`.
#[utoipa::path(
    tag = "Rules",
    operation_id = "get_rule",
    security(("token" = [])),
    params(("rule_code" = String, Path, description = "The rule's code.", pattern = "^[A-Za-z0-9._:-]{1,64}$", example = "vip-gold")),
    responses((status = 200, description = "The rule as it is.", body = RuleOut), GetRuleProblems),
)]
#[get("/v1/rules/{rule_code}")]
pub async fn get_rule(
    allowed: Allowed<WriteRules>,
    code: Id<RuleCode>,
    _: NoQuery,
    db: web::Data<Db>,
) -> ApiResult<HttpResponse> {
    let (record, out) = read_of_store(&db, allowed.caller.store, move |tx, store, record| {
        RuleOut::read(tx, store, &code.0, record)
    })
    .await?;
    Ok(HttpResponse::Ok().insert_header(etag(record.version)).json(out))
}

problems!(ListRulesProblems: TOKEN, &[Code::InvalidRequest, Code::StoreNotSetUp]);

/// All rules, by code.
///
/// Roles: `platform_admin`.
#[utoipa::path(
    tag = "Rules",
    operation_id = "list_rules",
    security(("token" = [])),
    responses((status = 200, description = "The rules as they are.", body = RulesListOut), ListRulesProblems),
)]
#[get("/v1/rules")]
pub async fn list_rules(
    allowed: Allowed<WriteRules>,
    _: NoQuery,
    db: web::Data<Db>,
) -> ApiResult<HttpResponse> {
    let (record, rules) = read_of_store(&db, allowed.caller.store, |tx, store, record| {
        RuleOut::list(tx, store, record.program.qualification.rules.values(), record)
    })
    .await?;
    Ok(HttpResponse::Ok().insert_header(etag(record.version)).json(RulesListOut { rules }))
}

/// A rule that is gone, and what stays of it.
#[derive(Debug, Serialize, ToSchema)]
pub struct RuleRemovedOut {
    /// What it was known by.
    #[schema(examples("vip-gold"))]
    pub code: String,
    /// Designations that it made, or raised last, and that stay.
    #[schema(examples(12))]
    pub designations_kept: i64,
    /// Nominations by it that wait, and can still be decided.
    #[schema(examples(3))]
    pub nominations_waiting: i64,
    /// The same in words.
    #[schema(examples(
        "What the rule granted stays when it is disabled or deleted: designations keep what they have and name the rule, and nominations that wait can still be approved or declined."
    ))]
    pub note: String,
}

problems!(DeleteRuleProblems: TOKEN, &[
    Code::InvalidRequest, Code::NotFound, Code::StoreNotSetUp, Code::PreconditionFailed,
]);

/// Delete a rule; what it granted stays, and the answer says how much that is.
///
/// Roles: `platform_admin`.
#[utoipa::path(
    tag = "Rules",
    operation_id = "delete_rule",
    security(("token" = [])),
    params(
        ("rule_code" = String, Path, description = "The rule's code.", pattern = "^[A-Za-z0-9._:-]{1,64}$", example = "vip-gold"),
        ("If-Match" = Option<String>, Header, description = "Delete it only if the program is still this version (an `ETag`)."),
    ),
    responses((status = 200, description = "The rule is gone; this is what stays.", body = RuleRemovedOut), DeleteRuleProblems),
)]
#[delete("/v1/rules/{rule_code}")]
pub async fn delete_rule(
    allowed: Allowed<WriteRules>,
    code: Id<RuleCode>,
    _: NoQuery,
    if_match: IfMatchHeader,
    db: web::Data<Db>,
) -> ApiResult<HttpResponse> {
    let context = context(&allowed.caller, "rule_removed");
    let out = db
        .write(move |tx| {
            change_policies(tx, &context, &if_match.0, |_, _, policies| {
                let removed = policies.qualification.rules.remove(&code.0);
                removed.map(|_| ()).ok_or(workflow::Error::from(Refusal::NotFound("rule")))
            })?;
            let granted = GrantedOut::read(tx, &context.store, &code.0)?;
            Ok::<_, workflow::Error>(RuleRemovedOut {
                code: code.0.to_string(),
                designations_kept: granted.designations,
                nominations_waiting: granted.nominations_waiting,
                note: KEPT.to_owned(),
            })
        })
        .await?;
    Ok(HttpResponse::Ok().json(out))
}
