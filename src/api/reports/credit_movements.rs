//! How store credit and points came and went.

use super::{SpanOut, amount, check_span, span_of};
use crate::api::auth::{Allowed, ReadReports};
use crate::api::csv::{Cell, wants_csv};
use crate::api::extract::{Query, rule};
use crate::api::listing::{Line, table};
use crate::api::problem::{ApiResult, Code, TOKEN, problems};
use crate::api::read_of_store;
use crate::api::wire::{self, At};
use crate::db::programs::ProgramRecord;
use crate::db::reports::{self, Movement};
use crate::db::{self, Db};
use crate::domain::id::TierCode;
use crate::domain::ledger::Kind;
use crate::domain::money::{Amount, Currency};
use crate::domain::report::span::Span;
use crate::domain::{Instant, Overflow};
use crate::workflow;
use actix_web::{HttpRequest, HttpResponse, get, web};
use chrono::{Months, NaiveDate};
use serde::{Deserialize, Serialize};
use std::cmp::Reverse;
use std::collections::BTreeMap;
use utoipa::{IntoParams, ToSchema};
use validator::{Validate, ValidationError};

/// The longest span, in months.
const MONTHS_MAX: u32 = 36;

/// The span, of 36 months at most.
#[derive(Debug, Clone, Deserialize, IntoParams, Validate)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
#[validate(schema(function = "span_rules"))]
pub struct CreditMovementsQuery {
    /// The first date of the span, in the program's zone; by default one year
    /// before `to`.
    #[param(example = "2025-01-01")]
    from: Option<NaiveDate>,
    /// The date after the span's last, at most 36 months after `from`; by
    /// default tomorrow, so that today is in it (or the day after `from`, where
    /// that is later, or 36 months after it, where that is earlier).
    #[param(example = "2026-01-01")]
    to: Option<NaiveDate>,
}

/// Where the longest span ends that begins on a date.
fn last_end(from: NaiveDate) -> Option<NaiveDate> {
    from.checked_add_months(Months::new(MONTHS_MAX))
}

fn span_rules(query: &CreditMovementsQuery) -> Result<(), ValidationError> {
    check_span(query.from, query.to)?;
    let last = query.from.and_then(last_end);
    if query.to.zip(last).is_some_and(|(to, last)| to > last) {
        return Err(rule("/to", "must be at most 36 months later than from"));
    }
    Ok(())
}

/// The span that a request asks for; one without an end goes no further than
/// it may.
fn limited_span(
    record: &ProgramRecord,
    query: &CreditMovementsQuery,
    now: Instant,
) -> workflow::Result<Span> {
    let span = span_of(record, (query.from, query.to), now)?;
    match last_end(span.from) {
        Some(to) if to < span.to => span_of(record, (Some(span.from), Some(to)), now),
        _ => Ok(span),
    }
}

/// What moved in a month, of a tier.
#[derive(Debug, Serialize, ToSchema)]
pub struct MonthCreditOut {
    /// The month.
    #[schema(examples("2026-11"))]
    pub month: String,
    /// The code of the tier; null of those who had no tier.
    #[schema(required, examples("gold"))]
    pub tier: Option<String>,
    /// Store credit that was earned.
    #[schema(examples("150.00"))]
    pub credit_earned: String,
    /// What of it was taken back, by refunds, cancellations and corrections.
    #[schema(examples("12.50"))]
    pub credit_reversed: String,
    /// Store credit that was spent.
    #[schema(examples("80.00"))]
    pub credit_redeemed: String,
    /// Store credit that staff added or, below zero, took off.
    #[schema(examples("-5.00"))]
    pub credit_adjusted: String,
    /// Store credit that expired.
    #[schema(examples("20.00"))]
    pub credit_expired: String,
    /// Points that were earned.
    #[schema(examples(3000))]
    pub points_earned: i64,
    /// What of them was taken back.
    #[schema(examples(250))]
    pub points_reversed: i64,
    /// Points that were spent.
    #[schema(examples(1200))]
    pub points_redeemed: i64,
    /// Points that staff added or, below zero, took off.
    #[schema(examples(100))]
    pub points_adjusted: i64,
    /// Points that expired.
    #[schema(examples(400))]
    pub points_expired: i64,
}

impl MonthCreditOut {
    /// A row, of what each kind of entry moved.
    fn new(
        month: &str,
        tier: Option<&TierCode>,
        moved: &[&Movement],
        currency: Currency,
    ) -> Result<Self, Overflow> {
        let sum = |kind: Kind, of: fn(&Movement) -> i128| {
            let sum = moved.iter().find(|movement| movement.kind == kind).map_or(0, |m| of(m));
            match kind {
                Kind::Earned | Kind::Adjusted => amount(sum),
                // What is taken off is told above zero.
                Kind::Reversed | Kind::Redeemed | Kind::Expired => amount(sum.saturating_neg()),
            }
        };
        let credit = |kind| sum(kind, |m| m.credit).map(|sum| Amount(sum, currency).to_string());
        let points = |kind| sum(kind, |m| m.points);
        Ok(Self {
            month: month.to_owned(),
            tier: tier.map(TierCode::to_string),
            credit_earned: credit(Kind::Earned)?,
            credit_reversed: credit(Kind::Reversed)?,
            credit_redeemed: credit(Kind::Redeemed)?,
            credit_adjusted: credit(Kind::Adjusted)?,
            credit_expired: credit(Kind::Expired)?,
            points_earned: points(Kind::Earned)?,
            points_reversed: points(Kind::Reversed)?,
            points_redeemed: points(Kind::Redeemed)?,
            points_adjusted: points(Kind::Adjusted)?,
            points_expired: points(Kind::Expired)?,
        })
    }
}

impl Line for MonthCreditOut {
    const COLUMNS: &'static [&'static str] = &[
        "month",
        "tier",
        "credit_earned",
        "credit_reversed",
        "credit_redeemed",
        "credit_adjusted",
        "credit_expired",
        "points_earned",
        "points_reversed",
        "points_redeemed",
        "points_adjusted",
        "points_expired",
    ];

    fn cells(&self) -> Vec<Cell> {
        vec![
            Cell::plain(&self.month),
            Cell::maybe(self.tier.as_deref()),
            Cell::plain(&self.credit_earned),
            Cell::plain(&self.credit_reversed),
            Cell::plain(&self.credit_redeemed),
            Cell::plain(&self.credit_adjusted),
            Cell::plain(&self.credit_expired),
            Cell::plain(self.points_earned),
            Cell::plain(self.points_reversed),
            Cell::plain(self.points_redeemed),
            Cell::plain(self.points_adjusted),
            Cell::plain(self.points_expired),
        ]
    }
}

/// How store credit and points came and went in a span.
#[derive(Debug, Serialize, ToSchema)]
pub struct CreditMovementsOut {
    /// The instant that this holds for.
    #[schema(examples("2026-11-23T10:00:00Z"))]
    pub as_of: At,
    /// The span.
    #[serde(flatten)]
    pub span: SpanOut,
    /// The currency of the credit.
    #[schema(examples("GBP"))]
    pub currency: String,
    /// A row for each month and tier in which anything moved: by month, and in
    /// each the highest tier first and no tier last.
    pub months: Vec<MonthCreditOut>,
}

problems!(ReportCreditMovementsProblems: TOKEN, &[
    Code::InvalidRequest, Code::StoreNotSetUp, Code::FigureOverflow,
]);

/// How store credit and points came and went, by month and tier.
///
/// Definition: entries of the ledgers that occurred in the span, by the month
/// that it was then in the program's zone and by the tier that the entry names,
/// which is the one at which it was earned or that the customer had then.
/// `earned` is what orders and activities brought; `reversed`, `redeemed` and
/// `expired` are what was taken off, as figures above zero; `adjusted` is what
/// staff added less what they took off. Of the span's first and last month only
/// the days count that are in it. Months and tiers without entries have no row.
/// Entries stay when a customer is erased. Roles: `manager`, `administrator`,
/// `platform_admin`.
#[utoipa::path(
    tag = "Reports",
    operation_id = "report_credit_movements",
    security(("token" = [])),
    params(CreditMovementsQuery),
    responses(
        (status = 200, description = "What moved; as CSV, a row for each month and tier.", content(
            (CreditMovementsOut = "application/json"), (String = "text/csv"),
        )),
        ReportCreditMovementsProblems,
    ),
)]
#[get("/v1/reports/credit-movements")]
pub async fn report_credit_movements(
    allowed: Allowed<ReadReports>,
    query: Query<CreditMovementsQuery>,
    request: HttpRequest,
    db: web::Data<Db>,
) -> ApiResult<HttpResponse> {
    let now = wire::now();
    let read = read_of_store(&db, allowed.caller.store, move |tx, store, record| {
        let (ladder, currency) = (&record.program.latest().ladder, record.program.currency);
        let span = limited_span(record, &query.0, now)?;
        let failed = || db::Error::Failed("a month lies outside the calendar".to_owned());
        let months = span.months(record.program.time_zone).ok_or_else(failed)?;
        let movements = reports::movements(tx, store, &months)?;
        let mut rows = BTreeMap::<_, Vec<&Movement>>::new();
        for movement in &movements {
            let tier = movement.tier.as_ref();
            let rank = tier.and_then(|code| ladder.find(code)).map(|tier| tier.rank);
            // The highest tier comes first, and none last.
            let place = (movement.month.as_str(), tier.is_none(), Reverse(rank), tier);
            rows.entry(place).or_default().push(movement);
        }
        let rows = rows
            .iter()
            .map(|((month, _, _, tier), moved)| MonthCreditOut::new(month, *tier, moved, currency));
        Ok((span, rows.collect::<Result<Vec<_>, Overflow>>()?))
    });
    let (record, (span, months)) = read.await?;
    if wants_csv(&request) {
        return table("credit-movements.csv", &months, &db).await;
    }
    Ok(HttpResponse::Ok().json(CreditMovementsOut {
        as_of: At(now),
        span: SpanOut::new(&span, record.program.time_zone),
        currency: record.program.currency.code().to_owned(),
        months,
    }))
}
