//! Who refers customers, and what those spend.

use super::{SpanOut, amount, check_span, span_of};
use crate::api::auth::{Allowed, ReadReports};
use crate::api::csv::{Cell, wants_csv};
use crate::api::extract::Query;
use crate::api::listing::{Line, MANY_ROWS, Placed, file, page};
use crate::api::problem::{ApiResult, Code, TOKEN, problems};
use crate::api::wire::{self, At};
use crate::db::customers::status_of;
use crate::db::page::Seek;
use crate::db::programs::ProgramRecord;
use crate::db::reports::{self, ReferrerRow};
use crate::db::{Db, Tx};
use crate::domain::Instant;
use crate::domain::id::StoreId;
use crate::domain::money::Amount;
use crate::domain::status::Status;
use crate::domain::words::word;
use crate::workflow;
use crate::workflow::recalculation::{Shows, catch_up};
use actix_web::{HttpRequest, HttpResponse, get, web};
use chrono::NaiveDate;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use validator::{Validate, ValidationError};

/// The span, and which page.
#[derive(Debug, Clone, Deserialize, IntoParams, Validate)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
#[validate(schema(function = "span_rules"))]
pub struct ReferralsQuery {
    /// The first date of the span, in the program's zone; by default one year
    /// before `to`.
    #[param(example = "2025-01-01")]
    from: Option<NaiveDate>,
    /// The date after the span's last; by default tomorrow, so that today is in
    /// it (or the day after `from`, where that is later).
    #[param(example = "2026-01-01")]
    to: Option<NaiveDate>,
    /// How many to answer: 1 to 200, 50 by default.
    #[param(minimum = 1, maximum = 200, example = 50)]
    limit: Option<i64>,
    /// Where to go on: the `next_cursor` of the page before.
    #[validate(custom(function = "wire::is_cursor"))]
    #[param(format = "cursor", pattern = "^[A-Za-z0-9_-]+$", max_length = 1500)]
    cursor: Option<String>,
}

fn span_rules(query: &ReferralsQuery) -> Result<(), ValidationError> {
    check_span(query.from, query.to)
}

/// A customer who has referred others.
#[derive(Debug, Serialize, ToSchema)]
pub struct ReferrerOut {
    /// The customer.
    #[schema(examples("c1"))]
    pub customer_id: String,
    /// The name that staff read.
    #[schema(required, examples("Ada Byron"))]
    pub name: Option<String>,
    /// The badge's word: `active`, `vip`, `caution` or `do_not_serve`.
    #[schema(examples("vip"))]
    pub status: String,
    /// How many customers they have referred in the span.
    #[schema(examples(3))]
    pub referrals: i64,
    /// What those whom they ever referred spent in the span since the
    /// referral, less refunds.
    #[schema(examples("410.00"))]
    pub referral_spend: String,
}

impl ReferrerOut {
    fn new(row: &ReferrerRow, record: &ProgramRecord, now: Instant) -> workflow::Result<Self> {
        let status = status_of(row.flag.as_deref(), row.vip_until, now)?;
        Ok(Self {
            customer_id: row.customer_id.clone(),
            name: row.name.clone(),
            status: word(&Status::WORDS, &status).to_owned(),
            referrals: row.referrals,
            referral_spend: Amount(amount(row.spend())?, record.program.currency).to_string(),
        })
    }
}

impl Line for ReferrerOut {
    const COLUMNS: &'static [&'static str] =
        &["customer_id", "name", "status", "referrals", "referral_spend"];

    fn cells(&self) -> Vec<Cell> {
        vec![
            Cell::text(&self.customer_id),
            Cell::maybe(self.name.as_deref()),
            Cell::text(&self.status),
            Cell::plain(self.referrals),
            Cell::plain(&self.referral_spend),
        ]
    }
}

/// A page of those who refer customers.
#[derive(Debug, Serialize, ToSchema)]
pub struct ReferralsReportOut {
    /// The instant that this holds for.
    #[schema(examples("2026-11-23T10:00:00Z"))]
    pub as_of: At,
    /// The span.
    #[serde(flatten)]
    pub span: SpanOut,
    /// The referrers.
    pub referrers: Vec<ReferrerOut>,
    /// Where the next page begins; null on the last one.
    #[schema(required)]
    pub next_cursor: Option<String>,
}

/// What is asked for: the dates, and the clock.
type Asked = ((Option<NaiveDate>, Option<NaiveDate>), Instant);

fn read(
    tx: &mut Tx<'_>,
    store: &StoreId,
    record: &ProgramRecord,
    (dates, now): &Asked,
    after: Option<&Seek>,
    limit: i64,
) -> workflow::Result<Vec<Placed<ReferrerOut>>> {
    let span = span_of(record, *dates, *now)?;
    let rows = reports::list_referrers(tx, store, &span, after, limit)?;
    let placed = |row: &ReferrerRow| {
        let seek = Seek::number(amount(row.spend())?, row.customer_id.clone());
        Ok(Placed { line: ReferrerOut::new(row, record, *now)?, seek })
    };
    rows.iter().map(placed).collect()
}

problems!(ReportReferralsProblems: TOKEN, &[
    Code::InvalidRequest, Code::StoreNotSetUp, Code::FigureOverflow,
]);

/// Who refers customers, those first whose referrals spend most.
///
/// Definition: a customer is referred once; of several referrals of one the
/// earliest counts, by `occurred_at` and then by identifier. `referrals` are
/// those that count and occurred in the span; `referral_spend` is the totals,
/// less refunds of whatever time, of the orders that were completed in the span
/// by anybody whom the customer ever referred, at or after the referral. Who
/// has neither is left out, as are erased customers, on both sides. Of the same
/// spend, the identifiers fall. With `Accept: text/csv` the list is answered
/// whole, and `limit` and `cursor` don't matter. Roles: `manager`,
/// `administrator`, `platform_admin`.
#[utoipa::path(
    tag = "Reports",
    operation_id = "report_referrals",
    security(("token" = [])),
    params(ReferralsQuery),
    responses(
        (status = 200, description = "A page of the referrers, or all of them as CSV.", content(
            (ReferralsReportOut = "application/json"), (String = "text/csv"),
        )),
        ReportReferralsProblems,
    ),
)]
#[get("/v1/reports/referrals")]
pub async fn report_referrals(
    allowed: Allowed<ReadReports>,
    query: Query<ReferralsQuery>,
    request: HttpRequest,
    db: web::Data<Db>,
) -> ApiResult<HttpResponse> {
    let store = allowed.caller.store;
    catch_up(&db, &store, Shows::Statuses).await;
    let ReferralsQuery { from, to, limit, cursor } = query.0;
    let now = wire::now();
    let asked: Asked = ((from, to), now);
    if wants_csv(&request) {
        return file("referrals.csv", &db, store, asked, read, MANY_ROWS).await;
    }
    let (record, referrers, next_cursor) = page(&db, store, asked, read, (limit, cursor)).await?;
    let span = SpanOut::new(&span_of(&record, (from, to), now)?, record.program.time_zone);
    Ok(HttpResponse::Ok().json(ReferralsReportOut { as_of: At(now), span, referrers, next_cursor }))
}
