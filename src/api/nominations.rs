//! Nominations: customers who were put forward.

use super::auth::{Allowed, ManageDesignations, ReadBadges, WriteFlags};
use super::designations::{Code64, PriorityWire, ProfileWire, code_rules, codes};
use super::extract::{Id, IfMatchHeader, Json, NoQuery, Query, etag};
use super::idempotency::{IdempotencyKey, answer, carry_out};
use super::problem::{ApiError, ApiResult, BODY, Code, Fault, KEYED, TOKEN, problems};
use super::qualifications::FindingOut;
use super::read_of_store;
use super::wire::{self, At, LIMIT_DEFAULT, words};
use crate::db::nominations::{self, Filter, Listed};
use crate::db::programs::{Hold, ProgramRecord};
use crate::db::{Db, Tx, instant, maybe_instant};
use crate::domain::designation::{Grant, Priority, Profile};
use crate::domain::id::{CustomerId, StoreId, TierCode};
use crate::domain::nomination::{Source, State};
use crate::workflow::idempotency::{Answer, Keyed};
use crate::workflow::memberships::program_of;
use crate::workflow::nominations::{self as workflow, Verdict};
use crate::workflow::{Error, IfMatch, Refusal};
use actix_web::http::StatusCode;
use actix_web::{HttpResponse, get, post, web};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use validator::Validate;

words! {
    /// Where a nomination stands.
    NominationStateWire as NominationState => State {
        /// Nobody has decided yet.
        Waiting,
        /// The customer was designated.
        Approved,
        /// The customer was not.
        Declined,
    }
    /// Who put a customer forward.
    NominationSourceWire as NominationSource => Source {
        /// A rule that is met.
        Rule,
        /// A tier that was reached and needs approval.
        Tier,
        /// A person.
        Person,
    }
}

/// A customer to put forward, and what they are to have.
#[derive(Debug, Clone, Deserialize, ToSchema, Validate)]
#[serde(deny_unknown_fields)]
pub struct NominationIn {
    /// The customer.
    #[schema(pattern = "^[A-Za-z0-9._:-]{1,64}$", examples("c1"))]
    customer_id: String,
    /// The tier.
    #[serde(default)]
    #[schema(pattern = "^[A-Za-z0-9._:-]{1,64}$", examples("gold"))]
    tier: Option<String>,
    /// Benefits besides those of the tier.
    #[serde(default)]
    #[validate(custom(function = "code_rules"))]
    #[schema(max_items = 50, examples(json!(["birthday-gift"])))]
    benefits: Option<Vec<Code64>>,
    /// Why the customer should be a VIP, in a word.
    #[serde(default)]
    profile: Option<ProfileWire>,
    /// How soon to serve the customer.
    #[serde(default)]
    priority: Option<PriorityWire>,
    /// Who is to look after the customer.
    #[serde(default)]
    #[schema(
        max_length = 64,
        pattern = r"^[^\x00-\x1f\x7f]*[^\x00-\x20\x7f][^\x00-\x1f\x7f]*$",
        examples("sam")
    )]
    assigned_to: Option<String>,
    /// Why the customer should be a VIP, for who decides.
    #[schema(
        max_length = 2000,
        pattern = r"^[^\x00-\x08\x0b\x0c\x0e-\x1f\x7f]*[^\x00-\x20\x7f][^\x00-\x08\x0b\x0c\x0e-\x1f\x7f]*$",
        examples("Recommends us wherever she goes.")
    )]
    note: String,
}

impl NominationIn {
    fn into_parts(self) -> ApiResult<(CustomerId, Grant, String)> {
        let customer = CustomerId::parse(&self.customer_id).map_err(|error| {
            ApiError::invalid(vec![Fault::new("/customer_id", error.to_string())])
        })?;
        let grant = Grant {
            tier: self.tier.as_deref().map(TierCode::parse).transpose().map_err(Error::from)?,
            benefits: codes(self.benefits.as_deref())?,
            priority: self.priority.map(Priority::from),
            assigned_to: self.assigned_to,
            profile: self.profile.map(Profile::from),
        };
        Ok((customer, grant, self.note))
    }
}

/// A nomination as it is.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct NominationOut {
    /// What it is known by.
    #[schema(examples("0190a1b2-0000-7000-8000-000000000000"))]
    pub nomination_id: String,
    /// Who was put forward.
    #[schema(examples("c1"))]
    pub customer_id: String,
    /// The customer's name.
    #[schema(required, examples("Ada Byron"))]
    pub name: Option<String>,
    /// `waiting`, `approved` or `declined`.
    #[schema(examples("waiting"))]
    pub state: String,
    /// Who put the customer forward: a `rule`, a `tier` that was reached, or a `person`.
    #[schema(examples("rule"))]
    pub source: String,
    /// Which rule.
    #[schema(required, examples("vip-gold"))]
    pub rule: Option<String>,
    /// The tier that the customer is to have.
    #[schema(required, examples("gold"))]
    pub tier: Option<String>,
    /// The benefits besides those of the tier.
    #[schema(examples(json!([])))]
    pub benefits: Vec<String>,
    /// Why the customer should be a VIP, in a word.
    #[schema(required, examples("big_spender"))]
    pub profile: Option<String>,
    /// How soon to serve the customer.
    #[schema(required, examples("high"))]
    pub priority: Option<String>,
    /// Who is to look after the customer.
    #[schema(required, examples("sam"))]
    pub assigned_to: Option<String>,
    /// What the rule found when it put the customer forward; empty for other sources.
    pub why: Vec<FindingOut>,
    /// Whether the rule is still met; null for other sources, and for a rule
    /// that is not in force any more.
    #[schema(required, examples(true))]
    pub still_met: Option<bool>,
    /// Why, as the person put it.
    #[schema(required, examples("Recommends us wherever she goes."))]
    pub note: Option<String>,
    /// When the customer was put forward.
    #[schema(examples("2024-06-01T10:00:00Z"))]
    pub nominated_at: At,
    /// The subject of the token of who did; null for rules and tiers.
    #[schema(required, examples("ann"))]
    pub nominated_by: Option<String>,
    /// When it was decided.
    #[schema(required, examples("2024-06-02T09:00:00Z"))]
    pub decided_at: Option<At>,
    /// The subject of the token of who decided.
    #[schema(required, examples("sam"))]
    pub decided_by: Option<String>,
    /// Why, as that person put it.
    #[schema(required, examples("A pleasure."))]
    pub decision_note: Option<String>,
}

impl NominationOut {
    fn new(listed: &Listed, record: &ProgramRecord) -> ApiResult<Self> {
        let row = &listed.nomination;
        let grant = row.grant()?;
        let rule = row.rule()?;
        let rules = &record.program.qualification.rules;
        let in_force = rule.and_then(|code| rules.get(&code)).filter(|rule| rule.is_enabled);
        Ok(Self {
            nomination_id: row.nomination_id.clone(),
            customer_id: row.customer_id.clone(),
            name: listed.name.clone(),
            state: row.state.clone(),
            source: row.source.clone(),
            still_met: in_force.map(|_| listed.met_since.is_some()),
            rule: row.rule_code.clone(),
            tier: row.tier.clone(),
            benefits: super::designations::texts(&grant.benefits),
            profile: row.profile.clone(),
            priority: row.priority.clone(),
            assigned_to: row.assigned_to.clone(),
            why: FindingOut::list(&row.findings()?, record.program.currency),
            note: row.note.clone(),
            nominated_at: At(instant(row.nominated_at)?),
            nominated_by: row.nominated_by.clone(),
            decided_at: maybe_instant(row.decided_at)?.map(At),
            decided_by: row.decided_by.clone(),
            decision_note: row.decision_note.clone(),
        })
    }
}

/// A nomination as it is listed, by its identifier.
fn find(tx: &mut Tx<'_>, store: &StoreId, id: &str) -> Result<Listed, Error> {
    let filter = Filter { nomination_id: Some(id.to_owned()), ..Filter::default() };
    let found = nominations::list(tx, store, &filter, None, 1)?;
    found.into_iter().next().ok_or(Refusal::NotFound("nomination").into())
}

/// What a workflow made of a nomination, as it is then.
async fn written(
    db: &Db,
    store: StoreId,
    keyed: Option<Keyed>,
    status: StatusCode,
    write: impl FnOnce(&mut Tx<'_>, &StoreId) -> Result<String, Error> + Send + 'static,
) -> ApiResult<HttpResponse> {
    carry_out(db, keyed, move |tx| {
        let id = write(tx, &store)?;
        let record = program_of(tx, &store, Hold::Read)?;
        let listed = find(tx, &store, &id)?;
        let customer = CustomerId::parse(&listed.nomination.customer_id).map_err(Error::from)?;
        let out = NominationOut::new(&listed, &record)?;
        let (_, etag) = etag(listed.nomination.version());
        Ok(Answer { customer: Some(customer), etag: Some(etag), ..answer(status, &out)? })
    })
    .await
}

problems!(NominateCustomerProblems: TOKEN, BODY, KEYED, &[
    Code::NotFound, Code::CustomerErased, Code::StoreNotSetUp, Code::UnknownTier,
    Code::UnknownBenefit, Code::NominationWaiting, Code::DeclinedRecently, Code::NothingToAdd,
]);

/// Put a customer forward by hand.
///
/// A manager approves or declines; who was declined is not put forward by hand
/// again for 90 days. Roles: `support`, `manager`, `administrator`,
/// `platform_admin`.
#[utoipa::path(
    tag = "Nominations",
    operation_id = "nominate_customer",
    security(("token" = [])),
    params(IdempotencyKey),
    request_body(content = NominationIn, example = json!({"customer_id": "c1", "profile": "advocate", "priority": "urgent", "note": "Recommends us wherever she goes."})),
    responses(
        (status = 201, description = "The customer was put forward.", body = NominationOut,
            headers(("ETag" = String, description = "The version, for `If-Match`."))),
        NominateCustomerProblems,
    ),
)]
#[post("/v1/nominations")]
pub async fn nominate_customer(
    allowed: Allowed<WriteFlags>,
    _: NoQuery,
    key: IdempotencyKey,
    body: Json<NominationIn>,
    db: web::Data<Db>,
) -> ApiResult<HttpResponse> {
    let keyed = key.of("nominate_customer", &allowed.caller, &body.1);
    let (customer, grant, note) = body.0.into_parts()?;
    let actor = allowed.caller.actor();
    written(&db, allowed.caller.store, keyed, StatusCode::CREATED, move |tx, store| {
        let now = wire::now();
        let row = workflow::nominate(tx, store, &customer, &grant, &note, &actor, now)?;
        Ok(row.nomination_id)
    })
    .await
}

/// An approval.
#[derive(Debug, Clone, Deserialize, ToSchema, Validate)]
#[serde(deny_unknown_fields)]
pub struct ApprovalIn {
    /// Why, if there is anything to say.
    #[serde(default)]
    #[schema(
        max_length = 2000,
        pattern = r"^[^\x00-\x08\x0b\x0c\x0e-\x1f\x7f]*[^\x00-\x20\x7f][^\x00-\x08\x0b\x0c\x0e-\x1f\x7f]*$",
        examples("A pleasure.")
    )]
    note: Option<String>,
}

/// A refusal.
#[derive(Debug, Clone, Deserialize, ToSchema, Validate)]
#[serde(deny_unknown_fields)]
pub struct DeclineIn {
    /// Why.
    #[schema(
        max_length = 2000,
        pattern = r"^[^\x00-\x08\x0b\x0c\x0e-\x1f\x7f]*[^\x00-\x20\x7f][^\x00-\x08\x0b\x0c\x0e-\x1f\x7f]*$",
        examples("One large order, and returned since.")
    )]
    note: String,
}

problems!(DecideNominationProblems: TOKEN, BODY, KEYED, &[
    Code::NotFound, Code::CustomerErased, Code::StoreNotSetUp, Code::PreconditionFailed,
    Code::NominationDecided,
]);

problems!(ApproveNominationProblems: TOKEN, BODY, KEYED, &[
    Code::NotFound, Code::CustomerErased, Code::StoreNotSetUp, Code::PreconditionFailed,
    Code::NominationDecided, Code::UnknownTier, Code::UnknownBenefit,
]);

async fn decide(
    db: &Db,
    allowed: Allowed<ManageDesignations>,
    id: Id<String>,
    if_match: IfMatch,
    keyed: Option<Keyed>,
    verdict: Verdict,
) -> ApiResult<HttpResponse> {
    let actor = allowed.caller.actor();
    written(db, allowed.caller.store, keyed, StatusCode::OK, move |tx, store| {
        workflow::decide(tx, store, &id.0, &verdict, &if_match, &actor, wire::now())?;
        Ok(id.0)
    })
    .await
}

/// Approve of a nomination: the customer becomes a VIP, or is raised to what
/// was proposed.
///
/// This also makes a VIP again of whom a person had removed. Roles: `manager`,
/// `administrator`, `platform_admin`.
#[utoipa::path(
    tag = "Nominations",
    operation_id = "approve_nomination",
    security(("token" = [])),
    params(
        ("nomination_id" = String, Path, description = "The nomination's identifier.", pattern = "^[A-Za-z0-9._:-]{1,64}$", example = "0190a1b2-0000-7000-8000-000000000000"),
        ("If-Match" = Option<String>, Header, description = "Approve of it only if it is still this version (an `ETag`)."),
        IdempotencyKey,
    ),
    request_body(content = ApprovalIn, example = json!({"note": "A pleasure."})),
    responses((status = 200, description = "The nomination, approved.", body = NominationOut), ApproveNominationProblems),
)]
#[post("/v1/nominations/{nomination_id}/approve")]
pub async fn approve_nomination(
    allowed: Allowed<ManageDesignations>,
    id: Id<String>,
    _: NoQuery,
    if_match: IfMatchHeader,
    key: IdempotencyKey,
    body: Json<ApprovalIn>,
    db: web::Data<Db>,
) -> ApiResult<HttpResponse> {
    let keyed = key.of("approve_nomination", &allowed.caller, &body.1);
    decide(&db, allowed, id, if_match.0, keyed, Verdict::Approve(body.0.note)).await
}

/// Decline a nomination; the customer is not proposed again for 90 days.
///
/// Roles: `manager`, `administrator`, `platform_admin`.
#[utoipa::path(
    tag = "Nominations",
    operation_id = "decline_nomination",
    security(("token" = [])),
    params(
        ("nomination_id" = String, Path, description = "The nomination's identifier.", pattern = "^[A-Za-z0-9._:-]{1,64}$", example = "0190a1b2-0000-7000-8000-000000000000"),
        ("If-Match" = Option<String>, Header, description = "Decline it only if it is still this version (an `ETag`)."),
        IdempotencyKey,
    ),
    request_body(content = DeclineIn, example = json!({"note": "One large order, and returned since."})),
    responses((status = 200, description = "The nomination, declined.", body = NominationOut), DecideNominationProblems),
)]
#[post("/v1/nominations/{nomination_id}/decline")]
pub async fn decline_nomination(
    allowed: Allowed<ManageDesignations>,
    id: Id<String>,
    _: NoQuery,
    if_match: IfMatchHeader,
    key: IdempotencyKey,
    body: Json<DeclineIn>,
    db: web::Data<Db>,
) -> ApiResult<HttpResponse> {
    let keyed = key.of("decline_nomination", &allowed.caller, &body.1);
    decide(&db, allowed, id, if_match.0, keyed, Verdict::Decline(body.0.note)).await
}

problems!(GetNominationProblems: TOKEN, &[Code::InvalidRequest, Code::NotFound, Code::StoreNotSetUp]);

/// One nomination.
///
/// Roles: `support`, `manager`, `administrator`, `platform_admin`.
#[utoipa::path(
    tag = "Nominations",
    operation_id = "get_nomination",
    security(("token" = [])),
    params(("nomination_id" = String, Path, description = "The nomination's identifier.", pattern = "^[A-Za-z0-9._:-]{1,64}$", example = "0190a1b2-0000-7000-8000-000000000000")),
    responses((status = 200, description = "The nomination as it is.", body = NominationOut), GetNominationProblems),
)]
#[get("/v1/nominations/{nomination_id}")]
pub async fn get_nomination(
    allowed: Allowed<ReadBadges>,
    id: Id<String>,
    _: NoQuery,
    db: web::Data<Db>,
) -> ApiResult<HttpResponse> {
    let read = read_of_store(&db, allowed.caller.store, move |tx, store, _| find(tx, store, &id.0));
    let (record, listed) = read.await?;
    Ok(HttpResponse::Ok()
        .insert_header(etag(listed.nomination.version()))
        .json(NominationOut::new(&listed, &record)?))
}

/// What the list of nominations is narrowed down to.
#[derive(Debug, Clone, Deserialize, IntoParams, Validate)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct NominationsQuery {
    /// Only those that stand so.
    #[param(inline)]
    state: Option<NominationStateWire>,
    /// Only those by a rule, a tier or a person.
    #[param(inline)]
    source: Option<NominationSourceWire>,
    /// Only those by this rule.
    #[param(pattern = "^[A-Za-z0-9._:-]{1,64}$", example = "vip-gold")]
    rule: Option<String>,
    /// Only those of this customer.
    #[param(pattern = "^[A-Za-z0-9._:-]{1,64}$", example = "c1")]
    customer_id: Option<String>,
    /// How many to answer: 1 to 200, 50 by default.
    #[param(minimum = 1, maximum = 200, example = 50)]
    limit: Option<i64>,
    /// Where to go on: the `next_cursor` of the page before.
    #[validate(custom(function = "wire::is_cursor"))]
    #[param(format = "cursor", pattern = "^[A-Za-z0-9_-]+$", max_length = 1500)]
    cursor: Option<String>,
}

/// A page of nominations.
#[derive(Debug, Serialize, ToSchema)]
pub struct NominationsOut {
    /// The nominations, newest first.
    pub nominations: Vec<NominationOut>,
    /// Where the next page begins; null on the last one.
    #[schema(required)]
    pub next_cursor: Option<String>,
}

problems!(ListNominationsProblems: TOKEN, &[Code::InvalidRequest, Code::StoreNotSetUp]);

/// The nominations, newest first, each with the why.
///
/// Those of erased customers are left out. Roles: `support`, `manager`,
/// `administrator`, `platform_admin`.
#[utoipa::path(
    tag = "Nominations",
    operation_id = "list_nominations",
    security(("token" = [])),
    params(NominationsQuery),
    responses((status = 200, description = "A page of nominations.", body = NominationsOut), ListNominationsProblems),
)]
#[get("/v1/nominations")]
pub async fn list_nominations(
    allowed: Allowed<ReadBadges>,
    query: Query<NominationsQuery>,
    db: web::Data<Db>,
) -> ApiResult<HttpResponse> {
    let query = query.0;
    let limit = query.limit.unwrap_or(LIMIT_DEFAULT);
    let after = query.cursor.as_deref().and_then(wire::parse_cursor);
    let filter = Filter {
        nomination_id: None,
        state: query.state.map(State::from),
        source: query.source.map(Source::from),
        rule: query.rule,
        customer_id: query.customer_id,
    };
    let (record, rows) = read_of_store(&db, allowed.caller.store, move |tx, store, _| {
        Ok(nominations::list(tx, store, &filter, after.as_ref(), limit.saturating_add(1))?)
    })
    .await?;
    let (rows, next_cursor) = wire::page(rows, limit, |row| row.nomination.seek());
    let nominations = rows.iter().map(|row| NominationOut::new(row, &record));
    Ok(HttpResponse::Ok()
        .json(NominationsOut { nominations: nominations.collect::<ApiResult<_>>()?, next_cursor }))
}
