//! The feed of what happened.

use super::auth::{Allowed, ReadAudit};
use super::extract::Query;
use super::problem::{ApiResult, Code, TOKEN, problems};
use super::read_of_store;
use super::wire::At;
use crate::db::events::{self, EventRow};
use crate::db::{Db, instant};
use actix_web::{HttpResponse, get, web};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};
use validator::Validate;

/// Which events to answer.
#[derive(Debug, Deserialize, IntoParams, Validate)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct EventsQuery {
    /// Those after this number; 0, from the beginning, by default.
    #[param(minimum = 0, example = 0)]
    after: Option<i64>,
    /// How many to answer: 1 to 1,000, 100 by default.
    #[param(minimum = 1, maximum = 1000, example = 100)]
    limit: Option<i64>,
}

/// Something that happened.
#[derive(Debug, Serialize, ToSchema)]
pub struct EventOut {
    /// Its number: the store's events count from 1, without gaps.
    #[schema(examples(1))]
    pub number: i64,
    /// What: `tier_changed` (`from`, `to`), `period_reset` (`ended_at`),
    /// `designated` (`tier`, `source`, and `rule` where one did it),
    /// `designation_changed` (`fields`), `designation_ended` (`reason`,
    /// `removal_reason`), `status_changed` (`from`, `to`), `order_flagged`
    /// (`order_id`, `status`), `complaint_received` (`activity_id`, `channel`,
    /// `public`), `nomination_made` (`nomination_id`, `source`, `rule`,
    /// `tier`), `nomination_decided` (`nomination_id`, `state`),
    /// `credit_redeemed`, `credit_adjusted`, `credit_expired` or `credit_owed`
    /// (each with the `number` of the entry in the ledger and the `credit` and
    /// `points` that it moved) or `customer_erased`.
    #[schema(examples("status_changed"))]
    pub kind: String,
    /// To whom.
    #[schema(examples("c1"))]
    pub customer_id: String,
    /// When it was stored.
    #[schema(examples("2024-06-01T10:00:00Z"))]
    pub at: At,
    /// What there is to say of it.
    #[schema(value_type = Object, examples(json!({"from": "active", "to": "caution"})))]
    pub data: Value,
}

impl EventOut {
    fn new(row: EventRow) -> ApiResult<Self> {
        Ok(Self {
            number: row.number.unwrap_or_default(),
            at: At(instant(row.recorded_at)?),
            data: serde_json::from_str(&row.data).unwrap_or_default(),
            kind: row.kind,
            customer_id: row.customer_id,
        })
    }
}

/// A stretch of the feed.
#[derive(Debug, Serialize, ToSchema)]
pub struct EventsOut {
    /// The events, by number.
    pub events: Vec<EventOut>,
    /// What to ask for next time as `after`.
    #[schema(examples(1))]
    pub next_after: i64,
}

problems!(ListEventsProblems: TOKEN, &[Code::InvalidRequest, Code::StoreNotSetUp]);

/// What happened, in order, for those who poll.
///
/// Who asks again with `after` set to the `next_after` of the last answer
/// gets each event once and misses none. An event gets its number, and shows
/// here, up to a second after it was stored. Roles: `manager`,
/// `administrator`, `platform_admin`.
#[utoipa::path(
    tag = "Audit and events",
    operation_id = "list_events",
    security(("token" = [])),
    params(EventsQuery),
    responses((status = 200, description = "The events after that number.", body = EventsOut), ListEventsProblems),
)]
#[get("/v1/events")]
pub async fn list_events(
    allowed: Allowed<ReadAudit>,
    query: Query<EventsQuery>,
    db: web::Data<Db>,
) -> ApiResult<HttpResponse> {
    let (after, limit) = (query.0.after.unwrap_or(0), query.0.limit.unwrap_or(100));
    let (_, rows) = read_of_store(&db, allowed.caller.store, move |tx, store, _| {
        Ok(events::list_after(tx, store, after, limit)?)
    })
    .await?;
    let next_after = rows.last().and_then(|row| row.number).unwrap_or(after);
    let events = rows.into_iter().map(EventOut::new).collect::<ApiResult<_>>()?;
    Ok(HttpResponse::Ok().json(EventsOut { events, next_after }))
}
