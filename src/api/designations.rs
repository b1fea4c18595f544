//! One customer's designation.

use super::auth::{Allowed, ManageDesignations};
use super::extract::{Id, IfMatchHeader, Json, NoQuery, Patch, etag};
use super::idempotency::{IdempotencyKey, answer, carry_out};
use super::problem::{ApiError, ApiResult, BODY, Code, KEYED, TOKEN, problems};
use super::read_of_store;
use super::wire::{self, At, words};
use crate::db::designations::{self, DesignationRecord};
use crate::db::programs::Hold;
use crate::db::{Db, customers};
use crate::domain::designation::{EndReason, Priority, Profile, RemovalReason, State};
use crate::domain::id::{BenefitCode, CustomerId, TierCode};
use crate::domain::program::Program;
use crate::domain::stage::Stage;
use crate::domain::words::word;
use crate::workflow::designations::{self as workflow, Removal, Wish, source_word};
use crate::workflow::idempotency::Answer;
use crate::workflow::memberships::program_of;
use crate::workflow::{Error, IfMatch, Refusal};
use actix_web::http::StatusCode;
use actix_web::{HttpResponse, get, patch, post, put, web};
use chrono::NaiveDate;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use validator::{Validate, ValidationError};

/// A designation as a manager states it. Every field may be left out or null.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema, Validate)]
#[serde(deny_unknown_fields)]
pub struct DesignationIn {
    /// The tier that the customer is treated as, where the membership's is not higher.
    #[serde(default)]
    #[schema(pattern = "^[A-Za-z0-9._:-]{1,64}$", examples("gold"))]
    tier: Option<String>,
    /// The date from which on the customer is a VIP, today or earlier; by
    /// default the one that is stored, and today for a new VIP.
    #[serde(default)]
    #[schema(examples("2024-03-01"))]
    since: Option<NaiveDate>,
    /// Benefits besides those of the tier.
    #[serde(default)]
    #[validate(custom(function = "code_rules"))]
    #[schema(max_items = 50, examples(json!(["birthday-gift"])))]
    benefits: Option<Vec<Code64>>,
    /// Benefits of the tier that this customer does not get.
    #[serde(default)]
    #[validate(custom(function = "code_rules"))]
    #[schema(max_items = 50, examples(json!([])))]
    benefits_dropped: Option<Vec<Code64>>,
    /// Why the customer is a VIP, preferences, anything that staff should know.
    #[serde(default)]
    #[schema(
        max_length = 2000,
        pattern = r"^[^\x00-\x08\x0b\x0c\x0e-\x1f\x7f]*[^\x00-\x20\x7f][^\x00-\x08\x0b\x0c\x0e-\x1f\x7f]*$",
        examples("Prefers paper wrapping.")
    )]
    notes: Option<String>,
    /// `active` by default; `paused` lets it rest.
    #[serde(default)]
    state: Option<DesignationStateIn>,
    /// Why the customer is a VIP, in a word.
    #[serde(default)]
    profile: Option<ProfileWire>,
    /// How soon to serve this customer, where it differs from the tier's.
    #[serde(default)]
    priority: Option<PriorityWire>,
    /// The team that sees to this customer, where it differs from the tier's.
    #[serde(default)]
    #[schema(
        max_length = 64,
        pattern = r"^[^\x00-\x1f\x7f]*[^\x00-\x20\x7f][^\x00-\x1f\x7f]*$",
        examples("key-accounts")
    )]
    team: Option<String>,
    /// Who looks after this customer.
    #[serde(default)]
    #[schema(
        max_length = 64,
        pattern = r"^[^\x00-\x1f\x7f]*[^\x00-\x20\x7f][^\x00-\x1f\x7f]*$",
        examples("sam")
    )]
    assigned_to: Option<String>,
    /// When it ends by itself.
    #[serde(default)]
    #[schema(examples("2030-01-01T00:00:00Z"))]
    ends_at: Option<At>,
}

/// A code.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(transparent)]
#[schema(as = Code, pattern = "^[A-Za-z0-9._:-]{1,64}$")]
pub struct Code64(pub String);

/// A rule for lists of codes: each stands once.
///
/// # Errors
/// A fault for any other list.
pub fn code_rules(codes: &[Code64]) -> Result<(), ValidationError> {
    let is_repeated =
        codes.iter().enumerate().any(|(i, code)| codes.iter().take(i).any(|c| c == code));
    if is_repeated {
        return Err(ValidationError::new("codes").with_message("must name each code once".into()));
    }
    Ok(())
}

/// The codes of a list; left out is none.
pub fn codes(list: Option<&[Code64]>) -> Result<Vec<BenefitCode>, Error> {
    list.unwrap_or_default().iter().map(|code| Ok(BenefitCode::parse(&code.0)?)).collect()
}

words! {
    /// What a designation can be set to; `cancelled` comes by removal alone.
    DesignationStateIn as DesignationStateIn => State {
        /// The customer is a VIP.
        Active,
        /// It rests: neither badge nor benefits.
        Paused,
    }
    /// The state of a designation.
    DesignationStateWire as DesignationState => State {
        /// The customer is a VIP.
        Active,
        /// It rests: neither badge nor benefits.
        Paused,
        /// It has ended.
        Cancelled,
    }
    /// Why a customer is a VIP.
    ProfileWire as Profile => Profile {
        /// Spends a lot.
        BigSpender,
        /// Orders often.
        FrequentBuyer,
        /// Has reason to complain.
        UnhappyCustomer,
        /// Is one that the shop wants to win.
        TargetAccount,
        /// Works with the shop.
        Partner,
        /// Speaks for the shop.
        Advocate,
        /// Another reason.
        Other,
    }
    /// How soon a customer is to be served.
    PriorityWire as Priority => Priority {
        /// After the others.
        Low,
        /// In turn.
        Normal,
        /// Before the others.
        High,
        /// At once.
        Urgent,
    }
    /// Why a person removes a designation.
    RemovalReasonWire as RemovalReason => RemovalReason {
        /// The customer cancelled.
        Cancelled,
        /// The customer went to a competitor.
        MovedToCompetitor,
        /// The customer spends much less.
        ReducedSpend,
        /// The customer complains too often.
        Complaints,
        /// The customer broke the shop's rules.
        PolicyViolation,
        /// Another reason.
        Other,
    }
    /// A stage on the way of a VIP.
    StageWire as Stage => Stage {
        /// The first six months.
        Identification,
        /// To the end of the first year.
        Designation,
        /// To the end of the third year.
        Engagement,
        /// From then on.
        Retention,
        /// The subscription is cancelled, or there was no order for 45 days.
        WinBack,
    }
}

impl DesignationIn {
    fn into_wish(self) -> Result<Wish, Error> {
        Ok(Wish {
            tier: self.tier.as_deref().map(TierCode::parse).transpose()?,
            since: self.since,
            benefits: codes(self.benefits.as_deref())?,
            benefits_dropped: codes(self.benefits_dropped.as_deref())?,
            notes: self.notes,
            is_paused: self.state == Some(DesignationStateIn::Paused),
            profile: self.profile.map(Profile::from),
            priority: self.priority.map(Priority::from),
            team: self.team,
            assigned_to: self.assigned_to,
            ends_at: self.ends_at.map(|at| at.0),
        })
    }
}

/// How a designation ended.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct DesignationEndOut {
    /// When.
    #[schema(examples("2024-09-30T00:00:00Z"))]
    pub at: At,
    /// `removed` by a person, or by itself: `ends_at`, `grace_over` after a
    /// cancelled subscription, `customer_erased`.
    #[schema(examples("removed"))]
    pub reason: String,
    /// Of a removal: why.
    #[schema(required, examples("cancelled"))]
    pub removal_reason: Option<String>,
    /// Of a removal: what the person wrote.
    #[schema(required, examples("Moved away."))]
    pub note: Option<String>,
}

/// A designation as it is.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct DesignationOut {
    /// The customer.
    #[schema(examples("c1"))]
    pub customer_id: String,
    /// `active`, `paused`, or `cancelled` once it has ended.
    #[schema(examples("active"))]
    pub state: String,
    /// The tier that the customer is treated as, where the membership's is not higher.
    #[schema(required, examples("gold"))]
    pub tier: Option<String>,
    /// The date from which on the customer is a VIP.
    #[schema(examples("2024-03-01"))]
    pub since: NaiveDate,
    /// Benefits besides those of the tier.
    #[schema(examples(json!(["birthday-gift"])))]
    pub benefits: Vec<String>,
    /// Benefits of the tier that this customer does not get.
    #[schema(examples(json!([])))]
    pub benefits_dropped: Vec<String>,
    /// What staff wrote about it.
    #[schema(required, examples("Prefers paper wrapping."))]
    pub notes: Option<String>,
    /// Why the customer is a VIP, in a word.
    #[schema(required, examples("big_spender"))]
    pub profile: Option<String>,
    /// How soon to serve this customer, where it differs from the tier's.
    #[schema(required, examples("high"))]
    pub priority: Option<String>,
    /// The team that sees to this customer, where it differs from the tier's.
    #[schema(required, examples("key-accounts"))]
    pub team: Option<String>,
    /// Who looks after this customer.
    #[schema(required, examples("sam"))]
    pub assigned_to: Option<String>,
    /// When it ends by itself.
    #[schema(required, examples("2030-01-01T00:00:00Z"))]
    pub ends_at: Option<At>,
    /// Until when it is kept after the subscription was cancelled.
    #[schema(required, examples("2024-12-29T00:00:00Z"))]
    pub grace_until: Option<At>,
    /// `manual`, or `automatic` where a tier that was reached or a rule made it.
    #[schema(examples("manual"))]
    pub source: String,
    /// The rule that made it, or raised its tier last.
    #[schema(required, examples("vip-gold"))]
    pub rule: Option<String>,
    /// Whether that rule is `enabled`, `disabled` or `deleted`; what it granted
    /// stays in any case.
    #[schema(required, examples("enabled"))]
    pub rule_state: Option<String>,
    /// When it was made.
    #[schema(examples("2024-03-01T09:00:00Z"))]
    pub designated_at: At,
    /// How it ended; null while it holds.
    #[schema(required)]
    pub ended: Option<DesignationEndOut>,
}

/// The codes of benefits, as texts.
pub fn texts(codes: &[BenefitCode]) -> Vec<String> {
    codes.iter().map(ToString::to_string).collect()
}

impl DesignationOut {
    fn new(
        customer: &str,
        record: &DesignationRecord,
        program: &Program,
        now: crate::domain::Instant,
    ) -> Self {
        let rules = &program.qualification.rules;
        let rule_state = |code| match rules.get(code) {
            Some(rule) if rule.is_enabled => "enabled",
            Some(_) => "disabled",
            None => "deleted",
        };
        let designation = &record.designation;
        let ended = designation.end(now).map(|end| {
            let is_removed = end.reason == EndReason::Removed;
            DesignationEndOut {
                at: At(end.at),
                reason: word(&EndReason::WORDS, &end.reason).to_owned(),
                removal_reason: record
                    .removal_reason
                    .filter(|_| is_removed)
                    .map(|reason| word(&RemovalReason::WORDS, &reason).to_owned()),
                note: record.removal_note.clone().filter(|_| is_removed),
            }
        });
        Self {
            customer_id: customer.to_owned(),
            state: word(&State::WORDS, &designation.state(now)).to_owned(),
            tier: designation.tier.as_ref().map(ToString::to_string),
            since: designation.since,
            benefits: texts(&designation.benefits),
            benefits_dropped: texts(&designation.benefits_dropped),
            notes: record.notes.clone(),
            profile: designation.profile.map(|p| word(&Profile::WORDS, &p).to_owned()),
            priority: designation.priority.map(|p| word(&Priority::WORDS, &p).to_owned()),
            team: designation.team.clone(),
            assigned_to: designation.assigned_to.clone(),
            ends_at: designation.ends_at.map(At),
            grace_until: designation.grace_until.map(At),
            source: source_word(designation.is_automatic).to_owned(),
            rule: designation.rule.as_ref().map(ToString::to_string),
            rule_state: designation.rule.as_ref().map(|code| rule_state(code).to_owned()),
            designated_at: At(designation.designated_at),
            ended,
        }
    }

    /// What a PUT of the same would state: the ground of a PATCH.
    fn to_input(&self) -> serde_json::Value {
        serde_json::json!({
            "tier": self.tier, "since": self.since, "benefits": self.benefits,
            "benefits_dropped": self.benefits_dropped, "notes": self.notes, "state": self.state,
            "profile": self.profile, "priority": self.priority, "team": self.team,
            "assigned_to": self.assigned_to, "ends_at": self.ends_at,
        })
    }
}

/// What putting or changing a designation can be refused for.
const CHANGE: &[Code] = &[
    Code::StoreNotSetUp,
    Code::NotFound,
    Code::CustomerErased,
    Code::PreconditionFailed,
    Code::UnknownTier,
    Code::UnknownBenefit,
    Code::SinceInFuture,
    Code::DesignationWouldHaveEnded,
];

problems!(PutDesignationProblems: TOKEN, BODY, CHANGE);

/// Designate a customer as a VIP, or change the designation as a whole.
///
/// A designation that has ended is made anew. Roles: `manager`,
/// `administrator`, `platform_admin`.
#[utoipa::path(
    tag = "Designations",
    operation_id = "put_designation",
    security(("token" = [])),
    params(
        ("customer_id" = String, Path, description = "The customer's identifier.", pattern = "^[A-Za-z0-9._:-]{1,64}$", example = "c1"),
        ("If-Match" = Option<String>, Header, description = "Change it only if it is still this version (an `ETag`)."),
    ),
    request_body(content = DesignationIn, example = json!({"notes": "Prefers paper wrapping.", "profile": "big_spender", "priority": "high", "assigned_to": "sam"})),
    responses(
        (status = 201, description = "The customer is a VIP now, for the first time or again.", body = DesignationOut),
        (status = 200, description = "The designation as it is now.", body = DesignationOut),
        PutDesignationProblems,
    ),
)]
#[put("/v1/customers/{customer_id}/designation")]
pub async fn put_designation(
    allowed: Allowed<ManageDesignations>,
    id: Id<CustomerId>,
    _: NoQuery,
    if_match: IfMatchHeader,
    body: Json<DesignationIn>,
    db: web::Data<Db>,
) -> ApiResult<HttpResponse> {
    let caller = allowed.caller;
    let wish = body.0.into_wish()?;
    let customer = id.0.clone();
    let now = wire::now();
    let (stored, record, program) = db
        .write(move |tx| {
            let actor = caller.actor();
            let (stored, record) =
                workflow::put(tx, &caller.store, &id.0, &wish, &if_match.0, &actor, now)?;
            Ok::<_, Error>((stored, record, program_of(tx, &caller.store, Hold::Read)?))
        })
        .await?;
    let out = DesignationOut::new(customer.as_str(), &record, &program.program, wire::now());
    Ok(HttpResponse::build(super::orders::put_status(stored))
        .insert_header(etag(record.version))
        .json(out))
}

problems!(PatchDesignationProblems: TOKEN, BODY, CHANGE, &[Code::DesignationEnded]);

/// Change some fields of a designation; null restores a field's default.
///
/// Roles: `manager`, `administrator`, `platform_admin`.
#[utoipa::path(
    tag = "Designations",
    operation_id = "patch_designation",
    security(("token" = [])),
    params(
        ("customer_id" = String, Path, description = "The customer's identifier.", pattern = "^[A-Za-z0-9._:-]{1,64}$", example = "c1"),
        ("If-Match" = Option<String>, Header, description = "Change it only if it is still this version (an `ETag`)."),
    ),
    request_body(content = DesignationIn, example = json!({"state": "paused"})),
    responses((status = 200, description = "The designation as it is now.", body = DesignationOut), PatchDesignationProblems),
)]
#[patch("/v1/customers/{customer_id}/designation")]
pub async fn patch_designation(
    allowed: Allowed<ManageDesignations>,
    id: Id<CustomerId>,
    _: NoQuery,
    if_match: IfMatchHeader,
    body: Patch<DesignationIn>,
    db: web::Data<Db>,
) -> ApiResult<HttpResponse> {
    let caller = allowed.caller;
    let customer = id.0.clone();
    let now = wire::now();
    let (record, program) = db
        .write(move |tx| {
            let (store, actor) = (&caller.store, caller.actor());
            let program = program_of(tx, store, Hold::Share)?;
            let known = workflow::find_for_change(tx, store, &id.0, &if_match.0, &actor, now)?;
            let known =
                DesignationOut::new(id.0.as_str(), &known, &program.program, now).to_input();
            let wish = body.onto(known)?.into_wish()?;
            // The version was checked while the customer is held.
            let (_, record) =
                workflow::put(tx, store, &id.0, &wish, &IfMatch::Absent, &actor, now)?;
            Ok::<_, ApiError>((record, program))
        })
        .await?;
    let out = DesignationOut::new(customer.as_str(), &record, &program.program, wire::now());
    Ok(HttpResponse::Ok().insert_header(etag(record.version)).json(out))
}

problems!(GetDesignationProblems: TOKEN, &[Code::InvalidRequest, Code::NotFound, Code::StoreNotSetUp]);

/// A customer's designation, also one that has ended.
///
/// Roles: `manager`, `administrator`, `platform_admin`.
#[utoipa::path(
    tag = "Designations",
    operation_id = "get_designation",
    security(("token" = [])),
    params(("customer_id" = String, Path, description = "The customer's identifier.", pattern = "^[A-Za-z0-9._:-]{1,64}$", example = "c1")),
    responses((status = 200, description = "The designation as it is.", body = DesignationOut), GetDesignationProblems),
)]
#[get("/v1/customers/{customer_id}/designation")]
pub async fn get_designation(
    allowed: Allowed<ManageDesignations>,
    id: Id<CustomerId>,
    _: NoQuery,
    db: web::Data<Db>,
) -> ApiResult<HttpResponse> {
    let customer = id.0.clone();
    let now = wire::now();
    let (program, record) = read_of_store(&db, allowed.caller.store, move |tx, store, record| {
        let known =
            designations::find(tx, store, &id.0)?.ok_or(Refusal::NotFound("designation"))?;
        let customer =
            customers::find(tx, store, &id.0)?.ok_or(Refusal::NotFound("designation"))?;
        let (zone, days) = (record.program.time_zone, record.program.grace_days);
        let designation = known.designation.clone();
        let designation = designation.in_grace(zone, days, customer.cancelled_at()?, now);
        Ok(DesignationRecord { designation, ..known })
    })
    .await?;
    let out = DesignationOut::new(customer.as_str(), &record, &program.program, wire::now());
    Ok(HttpResponse::Ok().insert_header(etag(record.version)).json(out))
}

/// Why a designation is removed.
#[derive(Debug, Clone, Deserialize, ToSchema, Validate)]
#[serde(deny_unknown_fields)]
pub struct RemovalIn {
    /// The reason, in a word.
    reason: RemovalReasonWire,
    /// The reason, in the person's words.
    #[serde(default)]
    #[schema(
        max_length = 2000,
        pattern = r"^[^\x00-\x08\x0b\x0c\x0e-\x1f\x7f]*[^\x00-\x20\x7f][^\x00-\x08\x0b\x0c\x0e-\x1f\x7f]*$",
        examples("Moved away.")
    )]
    note: Option<String>,
    /// Has to be true: removing is meant.
    confirm: Confirmed,
}

/// That something is meant: `true`, and nothing else.
#[derive(Debug, Clone, Copy)]
pub struct Confirmed;

impl<'de> Deserialize<'de> for Confirmed {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let is_meant = bool::deserialize(deserializer)?;
        if is_meant { Ok(Self) } else { Err(serde::de::Error::custom("must be true")) }
    }
}

impl utoipa::PartialSchema for Confirmed {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
        utoipa::openapi::schema::ObjectBuilder::new()
            .schema_type(utoipa::openapi::schema::Type::Boolean)
            .enum_values(Some([true]))
            .description(Some("That it is meant: true."))
            .into()
    }
}

impl ToSchema for Confirmed {
    fn name() -> std::borrow::Cow<'static, str> {
        "Confirmed".into()
    }
}

problems!(RemoveDesignationProblems: TOKEN, BODY, KEYED, &[
    Code::StoreNotSetUp, Code::NotFound, Code::CustomerErased, Code::PreconditionFailed,
    Code::DesignationEnded, Code::BenefitsMustEndFirst, Code::FigureOverflow,
]);

/// Remove a VIP status, for a reason.
///
/// The customer stays, and so does the history of the designation. It is
/// refused while the designation gives benefits that have to be ended first:
/// take them off it (`benefits`, `benefits_dropped`), then try again. Roles:
/// `manager`, `administrator`, `platform_admin`.
#[utoipa::path(
    tag = "Designations",
    operation_id = "remove_designation",
    security(("token" = [])),
    params(
        ("customer_id" = String, Path, description = "The customer's identifier.", pattern = "^[A-Za-z0-9._:-]{1,64}$", example = "c1"),
        ("If-Match" = Option<String>, Header, description = "Remove it only if it is still this version (an `ETag`)."),
        IdempotencyKey,
    ),
    request_body(content = RemovalIn, example = json!({"reason": "cancelled", "note": "Moved away.", "confirm": true})),
    responses((status = 200, description = "The designation, which has ended.", body = DesignationOut), RemoveDesignationProblems),
)]
#[post("/v1/customers/{customer_id}/designation/removal")]
pub async fn remove_designation(
    allowed: Allowed<ManageDesignations>,
    id: Id<CustomerId>,
    _: NoQuery,
    if_match: IfMatchHeader,
    key: IdempotencyKey,
    body: Json<RemovalIn>,
    db: web::Data<Db>,
) -> ApiResult<HttpResponse> {
    let caller = allowed.caller;
    let keyed = key.of("remove_designation", &caller, &body.1);
    let RemovalIn { reason, note, confirm: Confirmed } = body.0;
    let removal = Removal { reason: reason.into(), note };
    let now = wire::now();
    carry_out(&db, keyed, move |tx| {
        let (store, actor) = (&caller.store, caller.actor());
        let record = workflow::remove(tx, store, &id.0, &removal, &if_match.0, &actor, now)?;
        let program = program_of(tx, store, Hold::Read)?;
        let out = DesignationOut::new(id.0.as_str(), &record, &program.program, wire::now());
        let answer = answer(StatusCode::OK, &out)?;
        Ok(Answer { customer: Some(id.0), etag: Some(etag(record.version).1), ..answer })
    })
    .await
}
