//! How many VIPs stay.

use super::{SpanOut, check_span, span_of};
use crate::api::auth::{Allowed, ReadReports};
use crate::api::csv::{Cell, wants_csv};
use crate::api::extract::Query;
use crate::api::listing::{Line, table};
use crate::api::problem::{ApiResult, Code, TOKEN, problems};
use crate::api::read_of_store;
use crate::api::wire::{self, At};
use crate::db::Db;
use crate::db::reports;
use crate::domain::report::advice::{RETENTION_AIM_PERCENT, Retention, RetentionAdvice};
use crate::domain::report::percent;
use crate::domain::stage::{AT_RISK_IDLE_DAYS, idle_since};
use crate::domain::words::word;
use crate::workflow::recalculation::{Shows, catch_up};
use actix_web::{HttpRequest, HttpResponse, get, web};
use chrono::NaiveDate;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use validator::{Validate, ValidationError};

/// The span of a report.
#[derive(Debug, Clone, Deserialize, IntoParams, Validate)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
#[validate(schema(function = "span_rules"))]
pub struct SpanQuery {
    /// The first date of the span, in the program's zone; by default one year
    /// before `to`.
    #[param(example = "2025-01-01")]
    pub(super) from: Option<NaiveDate>,
    /// The date after the span's last; by default tomorrow, so that today is in
    /// it (or the day after `from`, where that is later).
    #[param(example = "2026-01-01")]
    pub(super) to: Option<NaiveDate>,
}

fn span_rules(query: &SpanQuery) -> Result<(), ValidationError> {
    check_span(query.from, query.to)
}

/// What became of a group of VIPs in a span.
#[derive(Debug, Serialize, ToSchema)]
pub struct RetentionGroupOut {
    /// How many there were when the span began.
    #[schema(examples(50))]
    pub at_start: i64,
    /// How many of those still were VIPs when it ended, or now.
    #[schema(examples(46))]
    pub kept: i64,
    /// How many of those at the start completed an order in the span.
    #[schema(examples(44))]
    pub ordered: i64,
    /// How many of those at the start did both.
    #[schema(examples(42))]
    pub retained: i64,
    /// How many percent of those at the start were retained; null where there
    /// were none.
    #[schema(required, examples("84.00"))]
    pub percent: Option<String>,
    /// What to aim at, in percent.
    #[schema(examples("80.00"))]
    pub aim_percent: String,
    /// What to make of it: `on_target` (80 % or more), `below_target` or
    /// `no_vips`.
    #[schema(examples("on_target"))]
    pub advice: String,
}

impl From<&Retention> for RetentionGroupOut {
    fn from(retention: &Retention) -> Self {
        Self {
            at_start: retention.at_start,
            kept: retention.kept,
            ordered: retention.ordered,
            retained: retention.retained,
            percent: retention.percent(),
            aim_percent: percent(RETENTION_AIM_PERCENT.into(), 100).unwrap_or_default(),
            advice: word(&RetentionAdvice::WORDS, &retention.advice()).to_owned(),
        }
    }
}

/// A row of the file: a group by its name.
struct Row<'a>(&'static str, &'a RetentionGroupOut);

impl Line for Row<'_> {
    const COLUMNS: &'static [&'static str] =
        &["group", "at_start", "kept", "ordered", "retained", "percent", "aim_percent", "advice"];

    fn cells(&self) -> Vec<Cell> {
        let Self(name, group) = self;
        vec![
            Cell::text(name),
            Cell::plain(group.at_start),
            Cell::plain(group.kept),
            Cell::plain(group.ordered),
            Cell::plain(group.retained),
            Cell::maybe(group.percent.as_deref()),
            Cell::plain(&group.aim_percent),
            Cell::text(&group.advice),
        ]
    }
}

/// How many VIPs stayed in a span.
#[derive(Debug, Serialize, ToSchema)]
pub struct RetentionOut {
    /// The instant that this holds for.
    #[schema(examples("2026-11-23T10:00:00Z"))]
    pub as_of: At,
    /// The span.
    #[serde(flatten)]
    pub span: SpanOut,
    /// All who were VIPs when it began.
    pub vips: RetentionGroupOut,
    /// Those of them who were at risk when it began.
    pub at_risk_vips: RetentionGroupOut,
}

problems!(ReportRetentionProblems: TOKEN, &[Code::InvalidRequest, Code::StoreNotSetUp]);

/// How many VIPs stayed in a span, also of those who were at risk.
///
/// Definition: a customer is a VIP at an instant while a designation runs,
/// active or paused: from when it was made here on, whatever its `since`.
/// `at_start` are those at `from_at`; `kept` are those of
/// them who are VIPs at `to_at` (now, where that is still to come), also where
/// they were not in between; `ordered` are those at the start with an order
/// completed in the span, refunded or not; `retained` did both. At risk at
/// `from_at` was whose last order before it was completed 45 × 24 hours earlier
/// or more, or whose subscription was cancelled by then and still is. 80 % is
/// the aim, by the exact share. Erased customers are left out. Roles:
/// `manager`, `administrator`, `platform_admin`.
#[utoipa::path(
    tag = "Reports",
    operation_id = "report_retention",
    security(("token" = [])),
    params(SpanQuery),
    responses(
        (status = 200, description = "How many stayed; as CSV, a row for `vips` and one for `at_risk_vips`.", content(
            (RetentionOut = "application/json"), (String = "text/csv"),
        )),
        ReportRetentionProblems,
    ),
)]
#[get("/v1/reports/retention")]
pub async fn report_retention(
    allowed: Allowed<ReadReports>,
    query: Query<SpanQuery>,
    request: HttpRequest,
    db: web::Data<Db>,
) -> ApiResult<HttpResponse> {
    let store = allowed.caller.store;
    catch_up(&db, &store, Shows::Everything).await;
    let now = wire::now();
    let read = read_of_store(&db, store, move |tx, store, record| {
        let span = span_of(record, (query.0.from, query.0.to), now)?;
        let idle_since = idle_since(AT_RISK_IDLE_DAYS, span.from_at);
        Ok((span, reports::retention(tx, store, &span, idle_since, now)?))
    });
    let (record, (span, (vips, at_risk))) = read.await?;
    let out = RetentionOut {
        as_of: At(now),
        span: SpanOut::new(&span, record.program.time_zone),
        vips: RetentionGroupOut::from(&vips),
        at_risk_vips: RetentionGroupOut::from(&at_risk),
    };
    if wants_csv(&request) {
        let rows = [Row("vips", &out.vips), Row("at_risk_vips", &out.at_risk_vips)];
        return table("retention.csv", &rows, &db).await;
    }
    Ok(HttpResponse::Ok().json(out))
}
