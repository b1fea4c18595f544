//! How much of all spending the top customers' is.

use super::{amount, check_span, span_of};
use crate::api::auth::{Allowed, ReadReports};
use crate::api::csv::{Cell, wants_csv};
use crate::api::extract::Query;
use crate::api::listing::{Line, table};
use crate::api::problem::{ApiResult, Code, TOKEN, problems};
use crate::api::read_of_store;
use crate::api::wire::{self, At};
use crate::db::Db;
use crate::db::reports;
use crate::domain::money::{Amount, Currency};
use crate::domain::report::percent;
use crate::domain::report::spend::TopShare;
use actix_web::{HttpRequest, HttpResponse, get, web};
use chrono::NaiveDate;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use validator::{Validate, ValidationError};

/// The span, where one is wanted.
#[derive(Debug, Clone, Deserialize, IntoParams, Validate)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
#[validate(schema(function = "span_rules"))]
pub struct SpendConcentrationQuery {
    /// The first date of the span, in the program's zone; with `to` alone, one
    /// year before it. Without both, all time counts.
    #[param(example = "2025-01-01")]
    from: Option<NaiveDate>,
    /// The date after the span's last; with `from` alone, tomorrow (or the day
    /// after `from`, where that is later).
    #[param(example = "2026-01-01")]
    to: Option<NaiveDate>,
}

fn span_rules(query: &SpendConcentrationQuery) -> Result<(), ValidationError> {
    check_span(query.from, query.to)
}

/// What a top share of the customers spends.
#[derive(Debug, Serialize, ToSchema)]
pub struct TopShareOut {
    /// Which share, in percent: 5, 10 or 20.
    #[schema(examples(5))]
    pub top_percent: i64,
    /// How many customers it is: rounded down, and one at least where there are any.
    #[schema(examples(60))]
    pub customers: i64,
    /// What they have spent.
    #[schema(examples("48000.00"))]
    pub spend: String,
    /// How many percent of all spending that is; null where nothing was spent.
    #[schema(required, examples("41.20"))]
    pub percent_of_spend: Option<String>,
    /// What the last of them has spent: asking for that would make VIPs of
    /// this share. Null where there are no customers.
    #[schema(required, examples("310.50"))]
    pub threshold: Option<String>,
    /// How many customers have spent the threshold or more: more than the
    /// share where several have spent the same.
    #[schema(examples(61))]
    pub at_or_above: i64,
}

impl TopShareOut {
    fn new(top_percent: i64, share: &TopShare, total: i64, currency: Currency) -> Self {
        Self {
            top_percent,
            customers: share.customers,
            spend: Amount(share.spend, currency).to_string(),
            percent_of_spend: percent(share.spend.into(), total.into()),
            threshold: share.threshold.map(|spend| Amount(spend, currency).to_string()),
            at_or_above: share.at_or_above,
        }
    }
}

impl Line for TopShareOut {
    const COLUMNS: &'static [&'static str] =
        &["top_percent", "customers", "spend", "percent_of_spend", "threshold", "at_or_above"];

    fn cells(&self) -> Vec<Cell> {
        vec![
            Cell::plain(self.top_percent),
            Cell::plain(self.customers),
            Cell::plain(&self.spend),
            Cell::maybe(self.percent_of_spend.as_deref()),
            Cell::maybe(self.threshold.as_deref()),
            Cell::plain(self.at_or_above),
        ]
    }
}

/// How much of all spending the top customers' is.
#[derive(Debug, Serialize, ToSchema)]
pub struct SpendConcentrationOut {
    /// The instant that this holds for.
    #[schema(examples("2026-11-23T10:00:00Z"))]
    pub as_of: At,
    /// The first date of the span; null where all time counts.
    #[schema(required, examples("2025-01-01"))]
    pub from: Option<NaiveDate>,
    /// The date after the span's last; null where all time counts.
    #[schema(required, examples("2026-01-01"))]
    pub to: Option<NaiveDate>,
    /// When the span begins: the local midnight of `from`.
    #[schema(required, examples("2025-01-01T00:00:00Z"))]
    pub from_at: Option<At>,
    /// When it ends: the local midnight of `to`, which is not in it.
    #[schema(required, examples("2026-01-01T00:00:00Z"))]
    pub to_at: Option<At>,
    /// The program's time zone, whose midnights they are.
    #[schema(examples("Europe/London"))]
    pub time_zone: String,
    /// All customers, also those who have spent nothing.
    #[schema(examples(1200))]
    pub customers: i64,
    /// What all of them have spent.
    #[schema(examples("116500.00"))]
    pub total_spend: String,
    /// The top 5, 10 and 20 % of them.
    pub shares: Vec<TopShareOut>,
}

problems!(ReportSpendConcentrationProblems: TOKEN, &[
    Code::InvalidRequest, Code::StoreNotSetUp, Code::FigureOverflow,
]);

/// What the top 5, 10 and 20 % of the customers spend.
///
/// Definition: a customer's spending is lifetime spend or, with a span, the
/// totals of the orders completed in it, less their refunds of whatever time;
/// `customers` are all, also those without orders, but for the erased, whose
/// money counts nowhere. The top share is ⌊customers × percent ÷ 100⌋ of them,
/// one at least, those who spent most; `threshold` is what the last of these
/// spent, so that a tier or rule of that amount would make this share VIPs, and
/// `at_or_above` is how many it would make. Roles: `manager`, `administrator`,
/// `platform_admin`.
#[utoipa::path(
    tag = "Reports",
    operation_id = "report_spend_concentration",
    security(("token" = [])),
    params(SpendConcentrationQuery),
    responses(
        (status = 200, description = "What the top shares spend; as CSV, a row for each share.", content(
            (SpendConcentrationOut = "application/json"), (String = "text/csv"),
        )),
        ReportSpendConcentrationProblems,
    ),
)]
#[get("/v1/reports/spend-concentration")]
pub async fn report_spend_concentration(
    allowed: Allowed<ReadReports>,
    query: Query<SpendConcentrationQuery>,
    request: HttpRequest,
    db: web::Data<Db>,
) -> ApiResult<HttpResponse> {
    let now = wire::now();
    let SpendConcentrationQuery { from, to } = query.0;
    let read = read_of_store(&db, allowed.caller.store, move |tx, store, record| {
        let is_of_all_time = from.is_none() && to.is_none();
        let span = if is_of_all_time { None } else { Some(span_of(record, (from, to), now)?) };
        let spending = reports::spending(tx, store, span.as_ref())?;
        let total = amount(spending.total)?;
        let currency = record.program.currency;
        let shares = spending.cuts.iter().map(|(percent, cut)| {
            let share = TopShare::of(spending.customers, *percent, cut)?;
            Ok(TopShareOut::new(*percent, &share, total, currency))
        });
        let shares = shares.collect::<crate::workflow::Result<Vec<_>>>()?;
        Ok((span, spending.customers, total, shares))
    });
    let (record, (span, customers, total, shares)) = read.await?;
    if wants_csv(&request) {
        return table("spend-concentration.csv", &shares, &db).await;
    }
    Ok(HttpResponse::Ok().json(SpendConcentrationOut {
        as_of: At(now),
        from: span.map(|span| span.from),
        to: span.map(|span| span.to),
        from_at: span.map(|span| At(span.from_at)),
        to_at: span.map(|span| At(span.to_at)),
        time_zone: record.program.time_zone.name().to_owned(),
        customers,
        total_spend: Amount(total, record.program.currency).to_string(),
        shares,
    }))
}
