//! Designations, and the VIP list.

use super::auth::{Allowed, ManageDesignations};
use super::badges::BadgeTierOut;
use super::csv::{Cell, csv, wants_csv};
use super::extract::{Id, IfMatchHeader, Json, NoQuery, Patch, Query, etag};
use super::problem::{ApiError, ApiResult, BODY, Code, TOKEN, problems};
use super::read_of_store;
use super::wire::{self, At, LIMIT_DEFAULT, words};
use crate::db::badges::Found;
use crate::db::designations::{self, DesignationRecord, Filter, Listed, Sort};
use crate::db::page::Seek;
use crate::db::programs::{Hold, ProgramRecord};
use crate::db::{Db, customers};
use crate::domain::designation::{EndReason, Priority, Profile, RemovalReason, State};
use crate::domain::id::{BenefitCode, CustomerId, StoreId, TierCode};
use crate::domain::money::{Amount, Currency};
use crate::domain::stage::{Stage, Window, idle_since};
use crate::domain::status::Status;
use crate::domain::words::word;
use crate::workflow::badges::Treated;
use crate::workflow::designations::{self as workflow, Removal, Wish, source_word};
use crate::workflow::memberships::program_of;
use crate::workflow::recalculation::{Shows, catch_up};
use crate::workflow::{Error, IfMatch, Refusal};
use actix_web::{HttpRequest, HttpResponse, get, patch, post, put, web};
use chrono::NaiveDate;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use utoipa::{IntoParams, ToSchema};
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
    /// `manual`, or `automatic` where a tier that was reached made it.
    #[schema(examples("manual"))]
    pub source: String,
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
    fn new(customer: &str, record: &DesignationRecord, now: crate::domain::Instant) -> Self {
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
    let (stored, record) = db
        .write(move |tx| {
            let actor = caller.actor();
            workflow::put(tx, &caller.store, &id.0, &wish, &if_match.0, &actor, now)
        })
        .await?;
    let out = DesignationOut::new(customer.as_str(), &record, wire::now());
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
    let record = db
        .write(move |tx| {
            let (store, actor) = (&caller.store, caller.actor());
            let known = workflow::find_for_change(tx, store, &id.0, &if_match.0, &actor, now)?;
            let known = DesignationOut::new(id.0.as_str(), &known, now).to_input();
            let wish = body.onto(known)?.into_wish()?;
            // The version was checked while the customer is held.
            let (_, record) =
                workflow::put(tx, store, &id.0, &wish, &IfMatch::Absent, &actor, now)?;
            Ok::<_, ApiError>(record)
        })
        .await?;
    let out = DesignationOut::new(customer.as_str(), &record, wire::now());
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
    let (_, record) = read_of_store(&db, allowed.caller.store, move |tx, store, record| {
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
    let out = DesignationOut::new(customer.as_str(), &record, wire::now());
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

problems!(RemoveDesignationProblems: TOKEN, BODY, &[
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
    body: Json<RemovalIn>,
    db: web::Data<Db>,
) -> ApiResult<HttpResponse> {
    let caller = allowed.caller;
    let RemovalIn { reason, note, confirm: Confirmed } = body.0;
    let removal = Removal { reason: reason.into(), note };
    let customer = id.0.clone();
    let now = wire::now();
    let record = db
        .write(move |tx| {
            let actor = caller.actor();
            workflow::remove(tx, &caller.store, &id.0, &removal, &if_match.0, &actor, now)
        })
        .await?;
    let out = DesignationOut::new(customer.as_str(), &record, wire::now());
    Ok(HttpResponse::Ok().insert_header(etag(record.version)).json(out))
}

/// What the VIP list is narrowed down to, and sorted by.
#[derive(Debug, Clone, Deserialize, IntoParams, Validate)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct DesignationsQuery {
    /// Only VIPs of this tier: the higher of the membership's and the designation's.
    #[param(pattern = "^[A-Za-z0-9._:-]{1,64}$", example = "gold")]
    tier: Option<String>,
    /// Only designations in this state.
    #[param(inline)]
    state: Option<DesignationStateWire>,
    /// Only customers whose name, e-mail or identifier contains this text;
    /// case and accents don't matter.
    #[param(min_length = 1, max_length = 100, example = "byron")]
    q: Option<String>,
    /// Only VIPs since this date or later.
    #[param(example = "2024-01-01")]
    since_from: Option<NaiveDate>,
    /// Only VIPs since this date or earlier.
    #[param(example = "2024-12-31")]
    since_to: Option<NaiveDate>,
    /// Only VIPs since a date in this month of any year.
    #[param(minimum = 1, maximum = 12, example = 3)]
    anniversary_month: Option<u32>,
    /// Only VIPs whose newest completed order is at least so many days ago; 45
    /// is what at risk means.
    #[param(minimum = 1, maximum = 36500, example = 45)]
    idle_days: Option<u32>,
    /// Only VIPs in this stage.
    #[param(inline)]
    stage: Option<StageWire>,
    /// Only VIPs for this reason.
    #[param(inline)]
    profile: Option<ProfileWire>,
    /// Only VIPs whom this person looks after.
    #[param(min_length = 1, max_length = 64, example = "sam")]
    assigned_to: Option<String>,
    /// What to sort by, a minus before it for the highest first.
    #[param(inline)]
    sort: Option<DesignationSort>,
    /// How many to answer: 1 to 200, 50 by default.
    #[param(minimum = 1, maximum = 200, example = 50)]
    limit: Option<i64>,
    /// Where to go on: the `next_cursor` of the page before, under the same sort.
    #[validate(custom(function = "wire::is_cursor"))]
    #[param(format = "cursor", max_length = 1000)]
    cursor: Option<String>,
}

/// What the VIP list can be sorted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub enum DesignationSort {
    /// The customer's identifier (the default).
    #[serde(rename = "customer_id")]
    Id,
    /// The identifier, backwards.
    #[serde(rename = "-customer_id")]
    IdDescending,
    /// The name, without case and accents.
    #[serde(rename = "name")]
    Name,
    /// The name, backwards.
    #[serde(rename = "-name")]
    NameDescending,
    /// Since when they are VIPs, the longest first.
    #[serde(rename = "since")]
    Since,
    /// Since when they are VIPs, the newest first.
    #[serde(rename = "-since")]
    SinceDescending,
    /// Lifetime spend.
    #[serde(rename = "lifetime_spend")]
    LifetimeSpend,
    /// Lifetime spend, the highest first.
    #[serde(rename = "-lifetime_spend")]
    LifetimeSpendDescending,
    /// The newest completed order; customers without one come first.
    #[serde(rename = "last_order_at")]
    LastOrder,
    /// The newest completed order, the latest first.
    #[serde(rename = "-last_order_at")]
    LastOrderDescending,
}

impl DesignationSort {
    fn parts(self) -> (Sort, bool) {
        match self {
            Self::Id => (Sort::Id, false),
            Self::IdDescending => (Sort::Id, true),
            Self::Name => (Sort::Name, false),
            Self::NameDescending => (Sort::Name, true),
            Self::Since => (Sort::Since, false),
            Self::SinceDescending => (Sort::Since, true),
            Self::LifetimeSpend => (Sort::LifetimeSpend, false),
            Self::LifetimeSpendDescending => (Sort::LifetimeSpend, true),
            Self::LastOrder => (Sort::LastOrder, false),
            Self::LastOrderDescending => (Sort::LastOrder, true),
        }
    }
}

impl DesignationsQuery {
    fn filter(&self, record: &ProgramRecord) -> Filter {
        let now = wire::now();
        let zone = record.program.time_zone;
        let ladder = &record.program.latest().ladder;
        let above = |tier: &String| {
            let code = TierCode::parse(tier).ok();
            let rank = ladder.rank(code.as_ref());
            ladder
                .tiers()
                .iter()
                .filter(|t| Some(t.rank) > rank)
                .map(|t| t.code.to_string())
                .collect()
        };
        Filter {
            tier: self.tier.as_ref().map(|tier| (tier.clone(), above(tier))),
            state: self.state.map(State::from),
            q: self.q.clone(),
            since_from: self.since_from,
            since_to: self.since_to,
            anniversary_month: self.anniversary_month,
            idle_since: self.idle_days.map(|days| idle_since(days, now)),
            stage: self.stage.map(|stage| Window::of(stage.into(), zone, now)),
            profile: self.profile.map(Profile::from),
            assigned_to: self.assigned_to.clone(),
        }
    }
}

/// A line of the VIP list.
#[derive(Debug, Serialize, ToSchema)]
pub struct ListedDesignationOut {
    /// The customer.
    #[schema(examples("c1"))]
    pub customer_id: String,
    /// The name that staff read.
    #[schema(required, examples("Ada Byron"))]
    pub name: Option<String>,
    /// The e-mail address, for campaigns.
    #[schema(required, examples("ada@example.com"))]
    pub email: Option<String>,
    /// The badge's word: a flag shows before `vip`.
    #[schema(examples("vip"))]
    pub status: String,
    /// `active`, `paused` or `cancelled`.
    #[schema(examples("active"))]
    pub state: String,
    /// The higher of the membership's tier and the designation's.
    #[schema(required)]
    pub tier: Option<BadgeTierOut>,
    /// The date from which on the customer is a VIP.
    #[schema(examples("2024-03-01"))]
    pub since: NaiveDate,
    /// All that the customer ever spent, less refunds.
    #[schema(examples("1250.00"))]
    pub lifetime_spend: String,
    /// What the subscription comes to in a month; null where there is none.
    #[schema(required, examples("19.90"))]
    pub monthly_subscription: Option<String>,
    /// The newest completed order.
    #[schema(required, examples("2024-06-01T10:00:00Z"))]
    pub last_order_at: Option<At>,
    /// The codes of the benefits that the customer has.
    #[schema(examples(json!(["early-72"])))]
    pub benefits: Vec<String>,
    /// The stage: `identification`, `designation`, `engagement`, `retention` or `win_back`.
    #[schema(examples("engagement"))]
    pub stage: String,
    /// Why the customer is a VIP.
    #[schema(required, examples("big_spender"))]
    pub profile: Option<String>,
    /// How soon to serve this customer.
    #[schema(examples("high"))]
    pub priority: String,
    /// The team that sees to this customer.
    #[schema(required, examples("key-accounts"))]
    pub team: Option<String>,
    /// Who looks after this customer.
    #[schema(required, examples("sam"))]
    pub assigned_to: Option<String>,
    /// When the designation ends by itself.
    #[schema(required, examples("2030-01-01T00:00:00Z"))]
    pub ends_at: Option<At>,
    /// Until when it is kept after the subscription was cancelled.
    #[schema(required, examples("2024-12-29T00:00:00Z"))]
    pub grace_until: Option<At>,
}

impl ListedDesignationOut {
    fn new(listed: &Listed, record: &ProgramRecord) -> ApiResult<Self> {
        let currency: Currency = record.program.currency;
        let found = Found {
            order_id: None,
            customer: listed.customer.clone(),
            membership: listed.membership.clone(),
            designation: Some(listed.designation.clone()),
            flagged: Vec::new(),
        };
        let now = wire::now();
        let treated = Treated::of(&record.program, found, now)?;
        let known = treated.designation.as_ref().ok_or(ApiError::new(Code::Internal))?;
        let designation = &known.designation;
        let customer = &treated.customer;
        let badge = &treated.badge;
        Ok(Self {
            customer_id: customer.customer_id.clone(),
            name: customer.name.clone(),
            email: customer.email.clone(),
            status: word(&Status::WORDS, &badge.status).to_owned(),
            state: word(&State::WORDS, &designation.state(now)).to_owned(),
            tier: treated.listed_tier.as_ref().map(BadgeTierOut::from),
            since: designation.since,
            lifetime_spend: Amount(treated.membership.lifetime.amount_spent, currency).to_string(),
            monthly_subscription: customer
                .subscription_amount
                .map(|amount| Amount(amount, currency).to_string()),
            last_order_at: treated.last_order_at.map(At),
            benefits: badge.benefits.iter().map(|had| had.benefit.code.to_string()).collect(),
            stage: word(&Stage::WORDS, &treated.stage).to_owned(),
            profile: designation.profile.map(|p| word(&Profile::WORDS, &p).to_owned()),
            priority: word(&Priority::WORDS, &designation.priority.unwrap_or(badge.priority))
                .to_owned(),
            team: designation.team.clone().or_else(|| badge.team.clone()),
            assigned_to: designation.assigned_to.clone(),
            ends_at: designation.ends_at.map(At),
            grace_until: designation.grace_until.map(At),
        })
    }

    /// The columns of the CSV.
    const COLUMNS: &'static [&'static str] = &[
        "customer_id",
        "name",
        "email",
        "status",
        "state",
        "tier",
        "since",
        "lifetime_spend",
        "monthly_subscription",
        "last_order_at",
        "benefits",
        "stage",
        "profile",
        "priority",
        "team",
        "assigned_to",
        "ends_at",
        "grace_until",
    ];

    fn cells(&self) -> Vec<Cell> {
        vec![
            Cell::text(&self.customer_id),
            Cell::maybe(self.name.as_deref()),
            Cell::maybe(self.email.as_deref()),
            Cell::text(&self.status),
            Cell::text(&self.state),
            Cell::maybe(self.tier.as_ref().map(|tier| tier.code.as_str())),
            Cell::plain(self.since),
            Cell::plain(&self.lifetime_spend),
            Cell::maybe(self.monthly_subscription.as_deref()),
            Cell::at(self.last_order_at),
            Cell::text(&self.benefits.join("; ")),
            Cell::text(&self.stage),
            Cell::maybe(self.profile.as_deref()),
            Cell::text(&self.priority),
            Cell::maybe(self.team.as_deref()),
            Cell::maybe(self.assigned_to.as_deref()),
            Cell::at(self.ends_at),
            Cell::at(self.grace_until),
        ]
    }
}

/// A page of the VIP list.
#[derive(Debug, Serialize, ToSchema)]
pub struct DesignationsOut {
    /// The designations.
    pub designations: Vec<ListedDesignationOut>,
    /// Whether tiers in this list may still be those from before a change of
    /// the program that has not come to everyone.
    #[schema(examples(false))]
    pub recalculating: bool,
    /// Where the next page begins; null on the last one.
    #[schema(required)]
    pub next_cursor: Option<String>,
}

problems!(ListDesignationsProblems: TOKEN, &[Code::InvalidRequest, Code::StoreNotSetUp]);

/// The VIP list.
///
/// Designations that have ended are listed as `cancelled`; erased customers
/// are left out. With `Accept: text/csv` it is answered whole, as a file for
/// spreadsheets, and `limit` and `cursor` don't matter. Roles: `manager`,
/// `administrator`, `platform_admin`.
#[utoipa::path(
    tag = "Designations",
    operation_id = "list_designations",
    security(("token" = [])),
    params(DesignationsQuery),
    responses(
        (status = 200, description = "A page of the VIP list, or all of it as CSV.", content(
            (DesignationsOut = "application/json"), (String = "text/csv"),
        )),
        ListDesignationsProblems,
    ),
)]
#[get("/v1/designations")]
pub async fn list_designations(
    allowed: Allowed<ManageDesignations>,
    query: Query<DesignationsQuery>,
    request: HttpRequest,
    db: web::Data<Db>,
) -> ApiResult<HttpResponse> {
    let store = allowed.caller.store;
    let query = query.0;
    let (sort, is_descending) = query.sort.unwrap_or(DesignationSort::Id).parts();
    let is_behind = catch_up(&db, &store, Shows::Everything).await;
    if wants_csv(&request) {
        let page = move |db: Db, after: Option<Seek>, limit: i64| {
            let (store, query) = (store.clone(), query.clone());
            async move {
                let (record, rows) =
                    page_of(&db, store, &query, (sort, is_descending), after, limit).await?;
                let place = rows.last().map(|row| row.seek(sort));
                let lines =
                    rows.iter().map(|row| Ok(ListedDesignationOut::new(row, &record)?.cells()));
                Ok((lines.collect::<ApiResult<_>>()?, place))
            }
        };
        return csv("vip-list.csv", ListedDesignationOut::COLUMNS, db.get_ref().clone(), page)
            .await;
    }
    let limit = query.limit.unwrap_or(LIMIT_DEFAULT);
    let after: Option<Seek> = query.cursor.as_deref().and_then(wire::parse_cursor);
    let order = (sort, is_descending);
    let (record, rows) = page_of(&db, store, &query, order, after, limit.saturating_add(1)).await?;
    let (rows, next_cursor) = wire::page(rows, limit, |row| row.seek(sort));
    let designations = rows.iter().map(|row| ListedDesignationOut::new(row, &record));
    Ok(HttpResponse::Ok().json(DesignationsOut {
        designations: designations.collect::<ApiResult<_>>()?,
        recalculating: is_behind || record.pending.is_some(),
        next_cursor,
    }))
}

async fn page_of(
    db: &Db,
    store: StoreId,
    query: &DesignationsQuery,
    (sort, is_descending): (Sort, bool),
    after: Option<Seek>,
    limit: i64,
) -> ApiResult<(Arc<ProgramRecord>, Vec<Listed>)> {
    let query = query.clone();
    let read = db.read(move |tx| {
        let record = program_of(tx, &store, Hold::Read)?;
        let filter = query.filter(&record);
        let rows =
            designations::list(tx, &store, &filter, sort, is_descending, after.as_ref(), limit)?;
        Ok::<_, Error>((record, rows))
    });
    Ok(read.await?)
}
