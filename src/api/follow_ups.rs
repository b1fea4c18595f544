//! Contacts that want following up.

use super::auth::{Allowed, ReadBadges};
use super::extract::Query;
use super::problem::{ApiResult, Code, TOKEN, problems};
use super::read_of_store;
use super::wire::{self, At, LIMIT_DEFAULT};
use crate::db::Db;
use crate::db::activities::{self, ActivityRow};
use crate::db::page::Seek;
use crate::domain::calendar::local_date;
use actix_web::{HttpResponse, get, web};
use chrono::NaiveDate;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use validator::Validate;

/// Which follow-ups to answer.
#[derive(Debug, Deserialize, IntoParams, Validate)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct FollowUpsQuery {
    /// Only those due on this date or earlier; today by default, in the program's zone.
    #[param(example = "2024-06-08")]
    due_by: Option<NaiveDate>,
    /// Only those of this person of the staff.
    #[param(min_length = 1, max_length = 64, example = "sam")]
    agent: Option<String>,
    /// How many to answer: 1 to 200, 50 by default.
    #[param(minimum = 1, maximum = 200, example = 50)]
    limit: Option<i64>,
    /// Where to go on: the `next_cursor` of the page before.
    #[validate(custom(function = "wire::is_cursor"))]
    #[param(format = "cursor", pattern = "^[A-Za-z0-9_-]+$", max_length = 1500)]
    cursor: Option<String>,
}

/// A contact that wants following up.
#[derive(Debug, Serialize, ToSchema)]
pub struct FollowUpOut {
    /// The activity that the contact is.
    #[schema(examples("a1"))]
    pub activity_id: String,
    /// With whom it was.
    #[schema(examples("c1"))]
    pub customer_id: String,
    /// The name that staff read.
    #[schema(required, examples("Ada Byron"))]
    pub name: Option<String>,
    /// Who of the staff was in touch.
    #[schema(required, examples("sam"))]
    pub agent: Option<String>,
    /// By what means.
    #[schema(examples("email"))]
    pub channel: String,
    /// What was said.
    #[schema(required, examples("Wants a smaller box."))]
    pub note: Option<String>,
    /// When to be in touch again.
    #[schema(examples("2024-06-08"))]
    pub follow_up_on: Option<NaiveDate>,
    /// When the contact was.
    #[schema(examples("2024-06-01T10:00:00Z"))]
    pub occurred_at: At,
}

impl FollowUpOut {
    fn new((row, name): &(ActivityRow, Option<String>)) -> ApiResult<Self> {
        Ok(Self {
            activity_id: row.activity_id.clone(),
            customer_id: row.customer_id.clone(),
            name: name.clone(),
            agent: row.agent.clone(),
            channel: row.channel.clone().unwrap_or_default(),
            note: row.note.clone(),
            follow_up_on: row.follow_up_on()?,
            occurred_at: At(row.at()?),
        })
    }
}

/// A page of follow-ups.
#[derive(Debug, Serialize, ToSchema)]
pub struct FollowUpsOut {
    /// The contacts that want following up, the earliest due first.
    pub follow_ups: Vec<FollowUpOut>,
    /// Where the next page begins; null on the last one.
    #[schema(required)]
    pub next_cursor: Option<String>,
}

problems!(ListFollowUpsProblems: TOKEN, &[Code::InvalidRequest, Code::StoreNotSetUp]);

/// The contacts that want following up, the earliest due first.
///
/// A contact is settled by a later one with the same customer, or by sending it
/// again without `follow_up_on`. Those of erased customers are left out.
/// Roles: `support`, `manager`, `administrator`, `platform_admin`.
#[utoipa::path(
    tag = "Facts",
    operation_id = "list_follow_ups",
    security(("token" = [])),
    params(FollowUpsQuery),
    responses((status = 200, description = "A page of follow-ups.", body = FollowUpsOut), ListFollowUpsProblems),
)]
#[get("/v1/follow-ups")]
pub async fn list_follow_ups(
    allowed: Allowed<ReadBadges>,
    query: Query<FollowUpsQuery>,
    db: web::Data<Db>,
) -> ApiResult<HttpResponse> {
    let query = query.0;
    let limit = query.limit.unwrap_or(LIMIT_DEFAULT);
    let after: Option<Seek> = query.cursor.as_deref().and_then(wire::parse_cursor);
    let (_, rows) = read_of_store(&db, allowed.caller.store, move |tx, store, record| {
        let now = wire::now();
        let today = local_date(record.program.time_zone, now).unwrap_or_else(|| now.date_naive());
        let due_by = query.due_by.unwrap_or(today);
        let (agent, limit) = (query.agent.as_deref(), limit.saturating_add(1));
        Ok(activities::follow_ups(tx, store, due_by, agent, after.as_ref(), limit)?)
    })
    .await?;
    let (rows, next_cursor) = wire::page(rows, limit, |(row, _)| {
        Seek::text(row.follow_up_on.clone().unwrap_or_default(), row.activity_id.clone())
    });
    let follow_ups = rows.iter().map(FollowUpOut::new).collect::<ApiResult<_>>()?;
    Ok(HttpResponse::Ok().json(FollowUpsOut { follow_ups, next_cursor }))
}
