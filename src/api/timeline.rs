//! All that happened to one customer.

use super::auth::{Allowed, ReadLists};
use super::extract::{Id, Query};
use super::problem::{ApiResult, Code, TOKEN, problems};
use super::read_of_store;
use super::wire::{self, At, PageQuery};
use crate::db::page::Seek;
use crate::db::{Db, Tx, activities, audit, customers, events, instant, orders, refunds};
use crate::domain::id::{CustomerId, StoreId};
use crate::domain::money::{Amount, Currency};
use crate::domain::rfc3339;
use crate::workflow::{self, Refusal};
use actix_web::{HttpResponse, get, web};
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

/// Kinds of events that no entry of the audit log tells of.
const EVENTS: [&str; 4] = ["tier_changed", "period_reset", "order_flagged", "credit_owed"];
/// Above every identifier.
const LAST_ID: &str = "~";

/// Who did something.
#[derive(Debug, Serialize, ToSchema)]
pub struct OperatorOut {
    /// The subject of the token; `accolade` for what rules and time brought.
    #[schema(examples("ann"))]
    pub subject: String,
    /// The role of that token; `system` for what rules and time brought.
    #[schema(examples("manager"))]
    pub role: String,
}

/// Something that happened.
#[derive(Debug, Serialize, ToSchema)]
pub struct TimelineEntryOut {
    /// When; of an order, when it was placed.
    #[schema(examples("2024-06-01T09:58:00Z"))]
    pub at: At,
    /// What: `order`, `refund` or `activity`; `tier_changed`, `period_reset`,
    /// `order_flagged` or `credit_owed`; or an action of the audit log.
    #[schema(examples("order"))]
    pub kind: String,
    /// The identifier of the order, refund, activity, event or entry.
    #[schema(examples("o1"))]
    pub id: String,
    /// Who did it; null for facts and what follows from them.
    #[schema(required)]
    pub by: Option<OperatorOut>,
    /// Why, as that person put it; of a contact, what was said.
    #[schema(required, examples("Disputed the last two payments."))]
    pub note: Option<String>,
    /// What there is to say of it.
    #[schema(value_type = Object, examples(json!({"status": "completed", "total": "129.95", "refunded": "0.00", "completed_at": "2024-06-01T10:00:00Z"})))]
    pub data: Value,
}

/// An entry, and its place: the later, the further up; at one instant by the
/// source, then by the identifier.
struct Placed {
    at: i64,
    source: u8,
    entry: TimelineEntryOut,
}

impl Placed {
    fn new(at: i64, source: u8, kind: &str, id: String, data: Value) -> ApiResult<Self> {
        let (kind, by, note) = (kind.to_owned(), None, None);
        let entry = TimelineEntryOut { at: At(instant(at)?), kind, id, by, note, data };
        Ok(Self { at, source, entry })
    }

    fn seek(&self) -> Seek {
        Seek { number: self.at, text: self.source.to_string(), id: self.entry.id.clone() }
    }
}

/// Where a source goes on after a place of the timeline.
fn seek_of(source: u8, after: Option<&Seek>) -> Option<Seek> {
    let after = after?;
    let id = match source.to_string().cmp(&after.text) {
        std::cmp::Ordering::Less => LAST_ID.to_owned(),
        std::cmp::Ordering::Equal => after.id.clone(),
        std::cmp::Ordering::Greater => String::new(),
    };
    Some(Seek::number(after.number, id))
}

/// What is read of each source.
struct Sources {
    orders: Vec<orders::OrderRow>,
    refunds: Vec<refunds::RefundRow>,
    activities: Vec<activities::ActivityRow>,
    events: Vec<events::EventRow>,
    audit: Vec<audit::EntryRow>,
}

impl Sources {
    fn read(
        tx: &mut Tx<'_>,
        store: &StoreId,
        customer: &CustomerId,
        after: Option<&Seek>,
        limit: i64,
    ) -> workflow::Result<Self> {
        let of_orders =
            orders::Filter { customer: Some(customer.clone()), ..orders::Filter::default() };
        let of_audit =
            audit::Filter { customer: Some(customer.to_string()), ..audit::Filter::default() };
        let seek = |source| seek_of(source, after);
        let id = customer.as_str();
        Ok(Self {
            orders: orders::list(
                tx,
                store,
                &of_orders,
                orders::Sort::PlacedDescending,
                seek(5).as_ref(),
                limit,
            )?
            .into_iter()
            .map(|listed| listed.order)
            .collect(),
            refunds: refunds::list(tx, store, customer, seek(4).as_ref(), limit)?,
            activities: activities::list(tx, store, customer, seek(3).as_ref(), limit)?,
            events: events::list_of_customer(tx, store, id, &EVENTS, seek(2).as_ref(), limit)?,
            audit: audit::list(tx, store, &of_audit, seek(1).as_ref(), limit)?,
        })
    }

    fn placed(self, currency: Currency) -> ApiResult<Vec<Placed>> {
        let amount = |amount| Amount(amount, currency).to_string();
        let mut placed = Vec::new();
        for row in self.orders {
            let completed_at = crate::db::maybe_instant(row.completed_at)?.map(rfc3339);
            let data = json!({
                "status": row.status,
                "total": amount(row.total),
                "refunded": amount(row.refunded),
                "completed_at": completed_at,
            });
            placed.push(Placed::new(row.placed_at, 5, "order", row.order_id, data)?);
        }
        for row in self.refunds {
            let data = json!({"order_id": row.order_id, "amount": amount(row.amount)});
            placed.push(Placed::new(row.refunded_at, 4, "refund", row.refund_id, data)?);
        }
        for row in self.activities {
            let mut data = json!({
                "kind": row.kind,
                "points": row.points.filter(|_| row.way_to_earn.is_none()),
                "way_to_earn": row.way_to_earn,
                "referred_customer_id": row.referred_id,
                "score": row.score,
                "channel": row.channel,
                "public": row.is_public,
                "resolved_at": row.resolved_at()?.map(rfc3339),
                "agent": row.agent,
                "follow_up_on": row.follow_up_on,
            });
            // Each kind has fields of its own.
            if let Some(fields) = data.as_object_mut() {
                fields.retain(|_, value| !value.is_null());
            }
            let mut entry = Placed::new(row.occurred_at, 3, "activity", row.activity_id, data)?;
            entry.entry.note = row.note;
            placed.push(entry);
        }
        for row in self.events {
            let data = serde_json::from_str(&row.data).unwrap_or_default();
            placed.push(Placed::new(row.recorded_at, 2, &row.kind, row.event_id, data)?);
        }
        for row in self.audit {
            let values = |text: &str| serde_json::from_str::<Value>(text).unwrap_or_default();
            let data = json!({"before": values(&row.before), "after": values(&row.after)});
            let mut entry = Placed::new(row.recorded_at, 1, &row.action, row.entry_id, data)?;
            entry.entry.by = Some(OperatorOut { subject: row.subject, role: row.role });
            entry.entry.note = row.note;
            placed.push(entry);
        }
        let key = |placed: &Placed| (placed.at, placed.source, placed.entry.id.clone());
        placed.sort_by_key(|placed| std::cmp::Reverse(key(placed)));
        Ok(placed)
    }
}

/// A page of what happened.
#[derive(Debug, Serialize, ToSchema)]
pub struct TimelineOut {
    /// The entries, newest first.
    pub entries: Vec<TimelineEntryOut>,
    /// Where the next page begins; null on the last one.
    #[schema(required)]
    pub next_cursor: Option<String>,
}

problems!(ListTimelineProblems: TOKEN, &[Code::InvalidRequest, Code::NotFound, Code::StoreNotSetUp]);

/// All that happened to one customer, newest first.
///
/// Orders, refunds and activities; changes of the tier and ends of periods;
/// and what staff and rules changed, with the notes. Roles: `support`,
/// `manager`, `administrator`, `platform_admin`.
#[utoipa::path(
    tag = "Customers",
    operation_id = "list_timeline",
    security(("token" = [])),
    params(
        ("customer_id" = String, Path, description = "The customer's identifier.", pattern = "^[A-Za-z0-9._:-]{1,64}$", example = "c1"),
        PageQuery,
    ),
    responses((status = 200, description = "A page of what happened.", body = TimelineOut), ListTimelineProblems),
)]
#[get("/v1/customers/{customer_id}/timeline")]
pub async fn list_timeline(
    allowed: Allowed<ReadLists>,
    id: Id<CustomerId>,
    query: Query<PageQuery>,
    db: web::Data<Db>,
) -> ApiResult<HttpResponse> {
    let (limit, after) = (query.0.limit(), query.0.after());
    let (record, sources) = read_of_store(&db, allowed.caller.store, move |tx, store, _| {
        customers::find(tx, store, &id.0)?.ok_or(Refusal::NotFound("customer"))?;
        Sources::read(tx, store, &id.0, after.as_ref(), limit.saturating_add(1))
    })
    .await?;
    let placed = sources.placed(record.program.currency)?;
    let (placed, next_cursor) = wire::page(placed, limit, Placed::seek);
    let entries = placed.into_iter().map(|placed| placed.entry).collect();
    Ok(HttpResponse::Ok().json(TimelineOut { entries, next_cursor }))
}
