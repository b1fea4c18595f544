//! The VIPs whom the shop may lose.

use super::{date, effective_tier, last_order_at};
use crate::api::auth::{Allowed, ReadReports};
use crate::api::csv::{Cell, wants_csv};
use crate::api::extract::Query;
use crate::api::listing::{Line, Placed, file, page};
use crate::api::problem::{ApiResult, Code, TOKEN, problems};
use crate::api::wire::{self, At, PageQuery};
use crate::db::designations::{self, Filter, Listed, Sort};
use crate::db::page::Seek;
use crate::db::programs::ProgramRecord;
use crate::db::{Db, Tx};
use crate::domain::Instant;
use crate::domain::designation::State;
use crate::domain::id::StoreId;
use crate::domain::money::Amount;
use crate::domain::stage::{Stage, Window};
use crate::workflow;
use crate::workflow::recalculation::{Shows, catch_up};
use actix_web::{HttpRequest, HttpResponse, get, web};
use chrono::NaiveDate;
use serde::Serialize;
use utoipa::ToSchema;

/// How many rows of a file are read at once: a database may go through all VIPs
/// each time.
const ROWS_AT_ONCE: i64 = 5_000;

/// A VIP at risk.
#[derive(Debug, Serialize, ToSchema)]
pub struct AtRiskOut {
    /// The customer.
    #[schema(examples("c1"))]
    pub customer_id: String,
    /// The name that staff read.
    #[schema(required, examples("Ada Byron"))]
    pub name: Option<String>,
    /// The e-mail address.
    #[schema(required, examples("ada@example.com"))]
    pub email: Option<String>,
    /// How the customer prefers to be contacted.
    #[schema(required, examples("phone"))]
    pub preferred_channel: Option<String>,
    /// The code of the higher of the membership's tier and the designation's.
    #[schema(required, examples("gold"))]
    pub tier: Option<String>,
    /// The date from which on the customer is a VIP.
    #[schema(examples("2024-03-01"))]
    pub since: NaiveDate,
    /// All that the customer ever spent, less refunds.
    #[schema(examples("1250.00"))]
    pub lifetime_spend: String,
    /// The newest completed order; null where there is none.
    #[schema(required, examples("2026-09-01T10:00:00Z"))]
    pub last_order_at: Option<At>,
    /// How many days, of 24 hours, are over since then.
    #[schema(required, examples(83))]
    pub idle_days: Option<i64>,
    /// When the subscription was cancelled; null where it is not.
    #[schema(required, examples("2026-10-30T00:00:00Z"))]
    pub subscription_cancelled_at: Option<At>,
    /// Who looks after this customer.
    #[schema(required, examples("sam"))]
    pub assigned_to: Option<String>,
}

impl AtRiskOut {
    fn new(listed: &Listed, record: &ProgramRecord, now: Instant) -> workflow::Result<Self> {
        let Listed { designation, customer, membership } = listed;
        let (reached, given) = (membership.tier.as_deref(), designation.tier.as_deref());
        let last_order_at = last_order_at(membership.last_order_at)?;
        let idle_days = |at: Instant| now.signed_duration_since(at).num_days().max(0);
        Ok(Self {
            customer_id: customer.customer_id.clone(),
            name: customer.name.clone(),
            email: customer.email.clone(),
            preferred_channel: customer.preferred_channel.clone(),
            tier: effective_tier(record, reached, given),
            since: date(&designation.since)?,
            lifetime_spend: Amount(membership.lifetime_amount, record.program.currency).to_string(),
            last_order_at: last_order_at.map(At),
            idle_days: last_order_at.map(idle_days),
            subscription_cancelled_at: customer.cancelled_at()?.map(At),
            assigned_to: designation.assigned_to.clone(),
        })
    }
}

impl Line for AtRiskOut {
    const COLUMNS: &'static [&'static str] = &[
        "customer_id",
        "name",
        "email",
        "preferred_channel",
        "tier",
        "since",
        "lifetime_spend",
        "last_order_at",
        "idle_days",
        "subscription_cancelled_at",
        "assigned_to",
    ];

    fn cells(&self) -> Vec<Cell> {
        vec![
            Cell::text(&self.customer_id),
            Cell::maybe(self.name.as_deref()),
            Cell::maybe(self.email.as_deref()),
            Cell::maybe(self.preferred_channel.as_deref()),
            Cell::maybe(self.tier.as_deref()),
            Cell::plain(self.since),
            Cell::plain(&self.lifetime_spend),
            Cell::at(self.last_order_at),
            Cell::maybe(self.idle_days.map(|days| days.to_string()).as_deref()),
            Cell::at(self.subscription_cancelled_at),
            Cell::maybe(self.assigned_to.as_deref()),
        ]
    }
}

/// A page of the VIPs at risk.
#[derive(Debug, Serialize, ToSchema)]
pub struct AtRiskReportOut {
    /// The instant that this holds for.
    #[schema(examples("2026-11-23T10:00:00Z"))]
    pub as_of: At,
    /// Whether tiers in this may still be those from before a change of the
    /// program that has not come to everyone.
    #[schema(examples(false))]
    pub recalculating: bool,
    /// The VIPs.
    pub customers: Vec<AtRiskOut>,
    /// Where the next page begins; null on the last one.
    #[schema(required)]
    pub next_cursor: Option<String>,
}

fn read(
    tx: &mut Tx<'_>,
    store: &StoreId,
    record: &ProgramRecord,
    now: &Instant,
    after: Option<&Seek>,
    limit: i64,
) -> workflow::Result<Vec<Placed<AtRiskOut>>> {
    let window = Window::of(Stage::WinBack, record.program.time_zone, *now);
    let filter = Filter { state: Some(State::Active), stage: Some(window), ..Filter::default() };
    let sort = Sort::LifetimeSpend;
    let rows = designations::list(tx, store, &filter, sort, true, after, limit)?;
    let placed = |row: &Listed| {
        Ok(Placed { line: AtRiskOut::new(row, record, *now)?, seek: row.seek(sort) })
    };
    rows.iter().map(placed).collect()
}

problems!(ReportAtRiskProblems: TOKEN, &[Code::InvalidRequest, Code::StoreNotSetUp]);

/// The VIPs whom the shop may lose, the highest lifetime spend first.
///
/// Definition: customers with an active designation who are in the stage
/// `win_back`: the newest completed order is 45 × 24 hours old or older, or the
/// subscription is cancelled. Of the same spend, the identifiers fall. Erased
/// customers are left out. With `Accept: text/csv` the list is answered whole,
/// and `limit` and `cursor` don't matter. Roles: `manager`, `administrator`,
/// `platform_admin`.
#[utoipa::path(
    tag = "Reports",
    operation_id = "report_at_risk",
    security(("token" = [])),
    params(PageQuery),
    responses(
        (status = 200, description = "A page of the VIPs at risk, or all of them as CSV.", content(
            (AtRiskReportOut = "application/json"), (String = "text/csv"),
        )),
        ReportAtRiskProblems,
    ),
)]
#[get("/v1/reports/at-risk")]
pub async fn report_at_risk(
    allowed: Allowed<ReadReports>,
    query: Query<PageQuery>,
    request: HttpRequest,
    db: web::Data<Db>,
) -> ApiResult<HttpResponse> {
    let store = allowed.caller.store;
    let is_behind = catch_up(&db, &store, Shows::Everything).await;
    let now = wire::now();
    if wants_csv(&request) {
        return file("vips-at-risk.csv", &db, store, now, read, ROWS_AT_ONCE).await;
    }
    let PageQuery { limit, cursor } = query.0;
    let (record, customers, next_cursor) = page(&db, store, now, read, (limit, cursor)).await?;
    let recalculating = is_behind || record.pending.is_some();
    Ok(HttpResponse::Ok().json(AtRiskReportOut {
        as_of: At(now),
        recalculating,
        customers,
        next_cursor,
    }))
}
