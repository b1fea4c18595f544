//! Customers of high value who are no VIPs.

use super::{code_at, last_order_at};
use crate::api::auth::{Allowed, ReadReports};
use crate::api::csv::{Cell, wants_csv};
use crate::api::extract::Query;
use crate::api::listing::{Line, Placed, file, page};
use crate::api::problem::{ApiResult, Code, TOKEN, problems};
use crate::api::wire::{self, At};
use crate::db::customers::status_of;
use crate::db::page::Seek;
use crate::db::programs::ProgramRecord;
use crate::db::reports::{self, HighValueRow};
use crate::db::{Db, Tx, instant};
use crate::domain::Instant;
use crate::domain::id::StoreId;
use crate::domain::money::{Amount, parse_amount};
use crate::domain::status::Status;
use crate::domain::words::word;
use crate::workflow::recalculation::{Shows, catch_up};
use crate::workflow::{self, Refusal};
use actix_web::{HttpRequest, HttpResponse, get, web};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use validator::Validate;

/// What high value is, and which page.
#[derive(Debug, Clone, Deserialize, IntoParams, Validate)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct HighValueQuery {
    /// Customers who have spent at least this much, in the program's currency.
    #[param(pattern = r"^[0-9]{1,19}(\.[0-9]{1,4})?$", example = "1000.00")]
    min_lifetime_spend: String,
    /// How many to answer: 1 to 200, 50 by default.
    #[param(minimum = 1, maximum = 200, example = 50)]
    limit: Option<i64>,
    /// Where to go on: the `next_cursor` of the page before.
    #[validate(custom(function = "wire::is_cursor"))]
    #[param(format = "cursor", pattern = "^[A-Za-z0-9_-]+$", max_length = 1500)]
    cursor: Option<String>,
}

/// A customer of high value who is no VIP.
#[derive(Debug, Serialize, ToSchema)]
pub struct HighValueOut {
    /// The customer.
    #[schema(examples("c1"))]
    pub customer_id: String,
    /// The name that staff read.
    #[schema(required, examples("Ada Byron"))]
    pub name: Option<String>,
    /// The e-mail address.
    #[schema(required, examples("ada@example.com"))]
    pub email: Option<String>,
    /// The badge's word: `active`, `caution` or `do_not_serve`.
    #[schema(examples("active"))]
    pub status: String,
    /// The code of the membership's tier.
    #[schema(required, examples("silver"))]
    pub tier: Option<String>,
    /// All that the customer ever spent, less refunds.
    #[schema(examples("1250.00"))]
    pub lifetime_spend: String,
    /// Orders completed and not refunded in full.
    #[schema(examples(9))]
    pub orders: i64,
    /// When the customer joined, as stated or as found.
    #[schema(examples("2024-03-01T09:00:00Z"))]
    pub joined_at: At,
    /// The newest completed order.
    #[schema(required, examples("2026-10-01T10:00:00Z"))]
    pub last_order_at: Option<At>,
    /// The code of the highest tier that a rule gives which the customer
    /// meets; null for none.
    #[schema(required, examples("gold"))]
    pub qualifies_for: Option<String>,
    /// Whether a nomination of the customer waits.
    #[schema(examples(false))]
    pub nomination_waiting: bool,
}

impl HighValueOut {
    fn new(row: &HighValueRow, record: &ProgramRecord, now: Instant) -> workflow::Result<Self> {
        let status = status_of(row.flag.as_deref(), row.vip_until, now)?;
        Ok(Self {
            customer_id: row.customer_id.clone(),
            name: row.name.clone(),
            email: row.email.clone(),
            status: word(&Status::WORDS, &status).to_owned(),
            tier: row.tier.clone(),
            lifetime_spend: Amount(row.lifetime_amount, record.program.currency).to_string(),
            orders: row.lifetime_orders,
            joined_at: At(instant(row.joined_at)?),
            last_order_at: last_order_at(row.last_order_at)?.map(At),
            qualifies_for: code_at(&record.program.latest().ladder, row.qualifies_for),
            nomination_waiting: row.nomination_waiting != 0,
        })
    }
}

impl Line for HighValueOut {
    const COLUMNS: &'static [&'static str] = &[
        "customer_id",
        "name",
        "email",
        "status",
        "tier",
        "lifetime_spend",
        "orders",
        "joined_at",
        "last_order_at",
        "qualifies_for",
        "nomination_waiting",
    ];

    fn cells(&self) -> Vec<Cell> {
        vec![
            Cell::text(&self.customer_id),
            Cell::maybe(self.name.as_deref()),
            Cell::maybe(self.email.as_deref()),
            Cell::text(&self.status),
            Cell::maybe(self.tier.as_deref()),
            Cell::plain(&self.lifetime_spend),
            Cell::plain(self.orders),
            Cell::at(Some(self.joined_at)),
            Cell::at(self.last_order_at),
            Cell::maybe(self.qualifies_for.as_deref()),
            Cell::plain(self.nomination_waiting),
        ]
    }
}

/// A page of the customers of high value who are no VIPs.
#[derive(Debug, Serialize, ToSchema)]
pub struct HighValueReportOut {
    /// The instant that this holds for.
    #[schema(examples("2026-11-23T10:00:00Z"))]
    pub as_of: At,
    /// Whether tiers in this may still be those from before a change of the
    /// program that has not come to everyone.
    #[schema(examples(false))]
    pub recalculating: bool,
    /// The customers.
    pub customers: Vec<HighValueOut>,
    /// Where the next page begins; null on the last one.
    #[schema(required)]
    pub next_cursor: Option<String>,
}

fn read(
    tx: &mut Tx<'_>,
    store: &StoreId,
    record: &ProgramRecord,
    (min, now): &(String, Instant),
    after: Option<&Seek>,
    limit: i64,
) -> workflow::Result<Vec<Placed<HighValueOut>>> {
    let program = &record.program;
    let min = parse_amount(min, program.currency).map_err(Refusal::InvalidAmount)?;
    let rows = reports::high_value(tx, store, program, min, after, limit)?;
    let placed = |row: &HighValueRow| {
        Ok(Placed { line: HighValueOut::new(row, record, *now)?, seek: row.seek() })
    };
    rows.iter().map(placed).collect()
}

problems!(ReportHighValueProblems: TOKEN, &[
    Code::InvalidRequest, Code::StoreNotSetUp, Code::AmountNotInCurrency,
]);

/// Customers of high value who are no VIPs, the highest lifetime spend first.
///
/// Definition: customers whose lifetime spend is `min_lifetime_spend` or more
/// and who have neither an active nor a paused designation; who were VIPs once
/// is listed too. `tier` is the membership's, and `qualifies_for` the highest
/// by the ladder of the tiers of rules in force that the customer meets, as the
/// last look at each of them found. Of the same spend, the identifiers fall.
/// Erased customers are left out. With `Accept: text/csv` the list is answered
/// whole, and `limit` and `cursor` don't matter. Roles: `manager`,
/// `administrator`, `platform_admin`.
#[utoipa::path(
    tag = "Reports",
    operation_id = "report_high_value",
    security(("token" = [])),
    params(HighValueQuery),
    responses(
        (status = 200, description = "A page of the customers, or all of them as CSV.", content(
            (HighValueReportOut = "application/json"), (String = "text/csv"),
        )),
        ReportHighValueProblems,
    ),
)]
#[get("/v1/reports/high-value")]
pub async fn report_high_value(
    allowed: Allowed<ReadReports>,
    query: Query<HighValueQuery>,
    request: HttpRequest,
    db: web::Data<Db>,
) -> ApiResult<HttpResponse> {
    let store = allowed.caller.store;
    let is_behind = catch_up(&db, &store, Shows::Everything).await;
    let HighValueQuery { min_lifetime_spend, limit, cursor } = query.0;
    let now = wire::now();
    let asked = (min_lifetime_spend, now);
    if wants_csv(&request) {
        return file("high-value.csv", &db, store, asked, read, 0).await;
    }
    let (record, customers, next_cursor) = page(&db, store, asked, read, (limit, cursor)).await?;
    let recalculating = is_behind || record.pending.is_some();
    Ok(HttpResponse::Ok().json(HighValueReportOut {
        as_of: At(now),
        recalculating,
        customers,
        next_cursor,
    }))
}
