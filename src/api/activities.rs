//! Activities: what customers do besides ordering.

use super::auth::{Allowed, ReadLists, ReadOne, WriteActivities};
use super::extract::{Id, IfMatchHeader, Json, NoQuery, Query, etag};
use super::orders::put_status;
use super::problem::{ANY_TOKEN, ApiError, ApiResult, BODY, Code, Fault, TOKEN, problems};
use super::read_of_store;
use super::wire::{self, At, MembershipChangeOut, MembershipOut, PageQuery};
use crate::db::activities::{self, ActivityRow};
use crate::db::page::Seek;
use crate::db::{Db, customers, instant, maybe_instant};
use crate::domain::id::{ActivityId, CustomerId};
use crate::workflow::Refusal;
use crate::workflow::facts::{self, Points};
use actix_web::{HttpResponse, get, put, web};

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use validator::Validate;

/// An activity as the shop states it.
#[derive(Debug, Clone, Deserialize, ToSchema, Validate)]
#[serde(deny_unknown_fields)]
pub struct ActivityIn {
    /// Whose activity it is; never changes. A customer seen for the first time is created.
    #[schema(pattern = "^[A-Za-z0-9._:-]{1,64}$", examples("c1"))]
    pub customer_id: String,
    /// What kind of activity it is; never changes.
    pub kind: ActivityKind,
    /// How many points were earned.
    #[schema(minimum = 1, maximum = 1_000_000_000_000_i64, examples(50))]
    pub points: i64,
    /// When it happened.
    #[schema(examples("2024-06-01T10:00:00Z"))]
    pub occurred_at: At,
    /// The shop's own time of this version: one that is older than what is
    /// stored changes nothing. Without it, the last to arrive stands.
    #[serde(default)]
    #[schema(examples("2024-06-01T10:00:00Z"))]
    pub updated_at: Option<At>,
}

/// A kind of activity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ActivityKind {
    /// Points earned by something other than an order.
    Points,
}

impl ActivityIn {
    /// The activity, under its identifier.
    ///
    /// # Errors
    /// `invalid_request` where a text means nothing.
    pub fn into_points(self, id: ActivityId) -> ApiResult<Points> {
        let ActivityKind::Points = self.kind;
        Ok(Points {
            id,
            customer: CustomerId::parse(&self.customer_id).map_err(|error| {
                ApiError::invalid(vec![Fault::new("/customer_id", error.to_string())])
            })?,
            points: self.points,
            occurred_at: self.occurred_at.0,
            updated_at: self.updated_at.map(|at| at.0),
        })
    }
}

/// An activity as it is stored.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ActivityOut {
    /// The activity's identifier.
    #[schema(examples("a1"))]
    pub activity_id: String,
    /// Whose activity it is.
    #[schema(examples("c1"))]
    pub customer_id: String,
    /// What kind of activity it is.
    #[schema(examples("points"))]
    pub kind: String,
    /// How many points were earned; null for other kinds.
    #[schema(required, examples(50))]
    pub points: Option<i64>,
    /// When it happened.
    #[schema(examples("2024-06-01T10:00:00Z"))]
    pub occurred_at: At,
    /// The shop's own time of this version.
    #[schema(required, examples("2024-06-01T10:00:00Z"))]
    pub updated_at: Option<At>,
}

impl TryFrom<&ActivityRow> for ActivityOut {
    type Error = ApiError;

    fn try_from(row: &ActivityRow) -> ApiResult<Self> {
        Ok(Self {
            activity_id: row.activity_id.clone(),
            customer_id: row.customer_id.clone(),
            kind: row.kind.clone(),
            points: row.points,
            occurred_at: At(instant(row.occurred_at)?),
            updated_at: maybe_instant(row.updated_at)?.map(At),
        })
    }
}

/// An activity that was sent, and where its customer stands.
#[derive(Debug, Serialize, ToSchema)]
pub struct ActivityRecordedOut {
    /// The activity as it is stored now.
    pub activity: ActivityOut,
    /// The customer's membership without and with it.
    pub membership: MembershipChangeOut,
}

problems!(PutActivityProblems: ANY_TOKEN, BODY, &[
    Code::StoreNotSetUp, Code::TooFarAhead, Code::ActivityFixed, Code::FigureOverflow,
    Code::PreconditionFailed,
]);

/// Send an activity, or another state of one.
///
/// The first time is 201; the same again is 200 and changes nothing. Another
/// body is a correction. Roles: all.
#[utoipa::path(
    tag = "Facts",
    operation_id = "put_activity",
    security(("token" = [])),
    params(
        ("activity_id" = String, Path, description = "The activity's identifier, the shop's own.", pattern = "^[A-Za-z0-9._:-]{1,64}$", example = "a1"),
        ("If-Match" = Option<String>, Header, description = "Change it only if it is still this version (an `ETag`)."),
    ),
    request_body(content = ActivityIn, example = json!({
        "customer_id": "c1", "kind": "points", "points": 50, "occurred_at": "2024-06-01T10:00:00Z",
    })),
    responses(
        (status = 201, description = "The activity is new.", body = ActivityRecordedOut),
        (status = 200, description = "The activity was known; it is as it was sent, unless a newer state was known.", body = ActivityRecordedOut),
        PutActivityProblems,
    ),
)]
#[put("/v1/activities/{activity_id}")]
pub async fn put_activity(
    allowed: Allowed<WriteActivities>,
    id: Id<ActivityId>,
    _: NoQuery,
    if_match: IfMatchHeader,
    body: Json<ActivityIn>,
    db: web::Data<Db>,
) -> ApiResult<HttpResponse> {
    let store = allowed.caller.store;
    let points = body.0.into_points(id.0)?;
    let recorded = db
        .write(move |tx| facts::put_points(tx, &store, &points, &if_match.0, wire::now()))
        .await?;
    let currency = recorded.program.program.currency;
    let membership = |m| MembershipOut::new(&recorded.row.customer_id, m, currency);
    let out = ActivityRecordedOut {
        activity: ActivityOut::try_from(&recorded.row)?,
        membership: MembershipChangeOut {
            before: membership(&recorded.before),
            after: membership(&recorded.after),
        },
    };
    Ok(HttpResponse::build(put_status(recorded.stored))
        .insert_header(etag(recorded.row.version))
        .json(out))
}

problems!(GetActivityProblems: ANY_TOKEN, &[Code::NotFound, Code::InvalidRequest, Code::StoreNotSetUp]);

/// One activity.
///
/// Roles: all.
#[utoipa::path(
    tag = "Facts",
    operation_id = "get_activity",
    security(("token" = [])),
    params(("activity_id" = String, Path, description = "The activity's identifier.", pattern = "^[A-Za-z0-9._:-]{1,64}$", example = "a1")),
    responses((status = 200, description = "The activity as it is stored.", body = ActivityOut), GetActivityProblems),
)]
#[get("/v1/activities/{activity_id}")]
pub async fn get_activity(
    allowed: Allowed<ReadOne>,
    id: Id<ActivityId>,
    _: NoQuery,
    db: web::Data<Db>,
) -> ApiResult<HttpResponse> {
    let (_, row) = read_of_store(&db, allowed.caller.store, move |tx, store, _| {
        Ok(activities::find(tx, store, &id.0)?.ok_or(Refusal::NotFound("activity"))?)
    })
    .await?;
    Ok(HttpResponse::Ok().insert_header(etag(row.version)).json(ActivityOut::try_from(&row)?))
}

/// A page of activities.
#[derive(Debug, Serialize, ToSchema)]
pub struct ActivitiesOut {
    /// The activities, newest first.
    pub activities: Vec<ActivityOut>,
    /// Where the next page begins; null on the last one.
    #[schema(required)]
    pub next_cursor: Option<String>,
}

problems!(ListCustomerActivitiesProblems: TOKEN, &[Code::InvalidRequest, Code::NotFound, Code::StoreNotSetUp]);

/// One customer's activities, newest first.
///
/// Roles: `support`, `manager`, `administrator`, `platform_admin`.
#[utoipa::path(
    tag = "Facts",
    operation_id = "list_customer_activities",
    security(("token" = [])),
    params(
        ("customer_id" = String, Path, description = "The customer's identifier.", pattern = "^[A-Za-z0-9._:-]{1,64}$", example = "c1"),
        PageQuery,
    ),
    responses((status = 200, description = "A page of activities.", body = ActivitiesOut), ListCustomerActivitiesProblems),
)]
#[get("/v1/customers/{customer_id}/activities")]
pub async fn list_customer_activities(
    allowed: Allowed<ReadLists>,
    id: Id<CustomerId>,
    query: Query<PageQuery>,
    db: web::Data<Db>,
) -> ApiResult<HttpResponse> {
    let (limit, after) = (query.0.limit(), query.0.after());
    let (_, rows) = read_of_store(&db, allowed.caller.store, move |tx, store, _| {
        customers::find(tx, store, &id.0)?.ok_or(Refusal::NotFound("customer"))?;
        Ok(activities::list(tx, store, &id.0, after.as_ref(), limit.saturating_add(1))?)
    })
    .await?;
    let (rows, next_cursor) =
        wire::page(rows, limit, |row| Seek::number(row.occurred_at, row.activity_id.clone()));
    let activities = rows.iter().map(ActivityOut::try_from).collect::<ApiResult<_>>()?;
    Ok(HttpResponse::Ok().json(ActivitiesOut { activities, next_cursor }))
}
