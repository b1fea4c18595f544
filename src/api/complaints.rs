//! Complaints that are not resolved.

use super::auth::{Allowed, ReadBadges};
use super::badges::BadgeTierOut;
use super::extract::Query;
use super::problem::{ApiResult, Code, TOKEN, problems};
use super::read_of_store;
use super::wire::{self, At, LIMIT_DEFAULT};
use crate::db::activities::{self, OpenComplaint};
use crate::db::badges::Found;
use crate::db::page::Seek;
use crate::db::programs::ProgramRecord;
use crate::db::{Db, micros};
use crate::domain::Instant;
use crate::domain::designation::Priority;
use crate::domain::status::Status;
use crate::domain::words::{value, word};
use crate::workflow::Error;
use crate::workflow::badges::Treated;
use actix_web::{HttpResponse, get, web};
use serde::{Deserialize, Serialize};
use std::cmp::Reverse;
use utoipa::{IntoParams, ToSchema};
use validator::Validate;

/// The most open complaints that are put in order; beyond, the oldest count.
const COMPLAINTS_MAX: i64 = 10_000;

/// Which open complaints to answer.
#[derive(Debug, Deserialize, IntoParams, Validate)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct ComplaintsQuery {
    /// Only those that others could see, or only the others.
    #[param(example = true)]
    public: Option<bool>,
    /// How many to answer: 1 to 200, 50 by default.
    #[param(minimum = 1, maximum = 200, example = 50)]
    limit: Option<i64>,
    /// Where to go on: the `next_cursor` of the page before.
    #[validate(custom(function = "wire::is_cursor"))]
    #[param(format = "cursor", pattern = "^[A-Za-z0-9_-]+$", max_length = 1500)]
    cursor: Option<String>,
}

/// A complaint that is not resolved, and how to treat whose it is.
#[derive(Debug, Serialize, ToSchema)]
pub struct ComplaintOut {
    /// The activity that it is.
    #[schema(examples("a1"))]
    pub activity_id: String,
    /// Whose it is.
    #[schema(examples("c1"))]
    pub customer_id: String,
    /// The name that staff read.
    #[schema(required, examples("Ada Byron"))]
    pub name: Option<String>,
    /// The badge's word.
    #[schema(examples("vip"))]
    pub status: String,
    /// The effective tier.
    #[schema(required)]
    pub tier: Option<BadgeTierOut>,
    /// How soon to serve the customer: `low`, `normal`, `high` or `urgent`.
    #[schema(examples("high"))]
    pub priority: String,
    /// Who looks after the customer.
    #[schema(required, examples("sam"))]
    pub assigned_to: Option<String>,
    /// Where it was made.
    #[schema(examples("email"))]
    pub channel: String,
    /// Whether others could see it.
    #[schema(examples(false))]
    pub public: bool,
    /// When it was made.
    #[schema(examples("2024-06-01T10:00:00Z"))]
    pub occurred_at: At,
}

/// A complaint and its place: the most urgent first, then the oldest.
struct Placed {
    priority: Priority,
    at: Instant,
    out: ComplaintOut,
}

impl Placed {
    fn new(found: OpenComplaint, record: &ProgramRecord, now: Instant) -> Result<Self, Error> {
        let OpenComplaint { complaint, customer, membership, designation } = found;
        let flagged = Vec::new();
        let account = None;
        let found = Found { order_id: None, customer, membership, designation, account, flagged };
        let treated = Treated::of(&record.program, found, now)?;
        let badge = &treated.badge;
        let at = complaint.at()?;
        Ok(Self {
            priority: badge.priority,
            at,
            out: ComplaintOut {
                activity_id: complaint.activity_id,
                customer_id: complaint.customer_id,
                name: treated.customer.name.clone(),
                status: word(&Status::WORDS, &badge.status).to_owned(),
                tier: badge.tier.as_ref().map(BadgeTierOut::from),
                priority: word(&Priority::WORDS, &badge.priority).to_owned(),
                assigned_to: badge.assigned_to.clone(),
                channel: complaint.channel.unwrap_or_default(),
                public: complaint.is_public.unwrap_or(false),
                occurred_at: At(at),
            },
        })
    }

    fn key(&self) -> (Reverse<Priority>, i64, &str) {
        (Reverse(self.priority), micros(self.at), &self.out.activity_id)
    }

    fn seek(&self) -> Seek {
        Seek {
            number: micros(self.at),
            text: self.out.priority.clone(),
            id: self.out.activity_id.clone(),
        }
    }

    fn is_after(&self, seek: &Seek) -> bool {
        let priority = value(&Priority::WORDS, &seek.text).unwrap_or_default();
        self.key() > (Reverse(priority), seek.number, seek.id.as_str())
    }
}

/// A page of open complaints.
#[derive(Debug, Serialize, ToSchema)]
pub struct ComplaintsOut {
    /// The complaints, those of the most urgent customers first, then the oldest.
    pub complaints: Vec<ComplaintOut>,
    /// Where the next page begins; null on the last one.
    #[schema(required)]
    pub next_cursor: Option<String>,
}

problems!(ListComplaintsProblems: TOKEN, &[Code::InvalidRequest, Code::StoreNotSetUp]);

/// The complaints that are not resolved, those of the most urgent customers first.
///
/// How urgent a customer is says the badge: the designation's priority, or the
/// effective tier's. Of more than 10,000 open complaints the oldest 10,000 are
/// listed; those of erased customers are left out. Roles: `support`,
/// `manager`, `administrator`, `platform_admin`.
#[utoipa::path(
    tag = "Facts",
    operation_id = "list_complaints",
    security(("token" = [])),
    params(ComplaintsQuery),
    responses((status = 200, description = "A page of open complaints.", body = ComplaintsOut), ListComplaintsProblems),
)]
#[get("/v1/complaints")]
pub async fn list_complaints(
    allowed: Allowed<ReadBadges>,
    query: Query<ComplaintsQuery>,
    db: web::Data<Db>,
) -> ApiResult<HttpResponse> {
    let query = query.0;
    let limit = query.limit.unwrap_or(LIMIT_DEFAULT);
    let after: Option<Seek> = query.cursor.as_deref().and_then(wire::parse_cursor);
    let (_, mut complaints) = read_of_store(&db, allowed.caller.store, move |tx, store, record| {
        let now = wire::now();
        let open = activities::open_complaints(tx, store, query.public, COMPLAINTS_MAX)?;
        open.into_iter().map(|found| Placed::new(found, record, now)).collect::<Result<Vec<_>, _>>()
    })
    .await?;
    complaints.retain(|complaint| after.as_ref().is_none_or(|seek| complaint.is_after(seek)));
    complaints.sort_by(|a, b| a.key().cmp(&b.key()));
    let (complaints, next_cursor) = wire::page(complaints, limit, Placed::seek);
    let complaints = complaints.into_iter().map(|complaint| complaint.out).collect();
    Ok(HttpResponse::Ok().json(ComplaintsOut { complaints, next_cursor }))
}
