//! How satisfied the customers of each tier are.

use super::retention::SpanQuery;
use super::{SpanOut, parts_of, span_of};
use crate::api::auth::{Allowed, ReadReports};
use crate::api::csv::{Cell, wants_csv};
use crate::api::extract::Query;
use crate::api::listing::{Line, table};
use crate::api::problem::{ApiResult, Code, TOKEN, problems};
use crate::api::read_of_store;
use crate::api::wire::{self, At};
use crate::db::Db;
use crate::db::reports::{self, Voices};
use crate::domain::report::quotient;
use crate::domain::report::standing::{ByTier, TierLine};
use crate::workflow::recalculation::{Shows, catch_up};
use actix_web::{HttpRequest, HttpResponse, get, web};
use serde::Serialize;
use utoipa::ToSchema;

/// What the customers of a tier said.
#[derive(Debug, Serialize, ToSchema)]
pub struct TierSatisfactionOut {
    /// The tier's code; null in the last row, of those who have no tier.
    #[schema(required, examples("gold"))]
    pub tier: Option<String>,
    /// The tier's name.
    #[schema(required, examples("Gold"))]
    pub name: Option<String>,
    /// The tier's rank: higher is better.
    #[schema(required, examples(3))]
    pub rank: Option<u32>,
    /// How many customers the tier has now.
    #[schema(examples(167))]
    pub customers: i64,
    /// Surveys that they answered in the span.
    #[schema(examples(20))]
    pub surveys: i64,
    /// The average of their scores, from 1 to 5; null where there are none.
    #[schema(required, examples("4.25"))]
    pub average_score: Option<String>,
    /// Surveys with a score of 2 or less.
    #[schema(examples(2))]
    pub unsatisfied: i64,
    /// Complaints that they made in the span.
    #[schema(examples(3))]
    pub complaints: i64,
    /// Those among them that were public.
    #[schema(examples(1))]
    pub public_complaints: i64,
    /// Complaints of theirs that are not resolved now, of whatever time.
    #[schema(examples(1))]
    pub open_complaints: i64,
}

/// The customers of a tier, and what they said.
#[derive(Debug, Clone, Copy, Default)]
struct Figures {
    customers: i64,
    voices: Voices,
}

impl Figures {
    fn add(&mut self, customers: i64, more: &Voices) {
        let add = |sum: &mut i64, number: i64| *sum = sum.saturating_add(number);
        add(&mut self.customers, customers);
        add(&mut self.voices.surveys, more.surveys);
        add(&mut self.voices.scores, more.scores);
        add(&mut self.voices.unsatisfied, more.unsatisfied);
        add(&mut self.voices.complaints, more.complaints);
        add(&mut self.voices.public_complaints, more.public_complaints);
        add(&mut self.voices.open_complaints, more.open_complaints);
    }
}

impl From<&TierLine<Figures>> for TierSatisfactionOut {
    fn from(line: &TierLine<Figures>) -> Self {
        let (tier, name, rank) = parts_of(line.tier.as_ref());
        let Figures { customers, voices } = line.figures;
        Self {
            tier,
            name,
            rank,
            customers,
            surveys: voices.surveys,
            average_score: quotient(voices.scores.into(), voices.surveys.into()),
            unsatisfied: voices.unsatisfied,
            complaints: voices.complaints,
            public_complaints: voices.public_complaints,
            open_complaints: voices.open_complaints,
        }
    }
}

impl Line for TierSatisfactionOut {
    const COLUMNS: &'static [&'static str] = &[
        "tier",
        "name",
        "rank",
        "customers",
        "surveys",
        "average_score",
        "unsatisfied",
        "complaints",
        "public_complaints",
        "open_complaints",
    ];

    fn cells(&self) -> Vec<Cell> {
        vec![
            Cell::maybe(self.tier.as_deref()),
            Cell::maybe(self.name.as_deref()),
            Cell::maybe(self.rank.map(|rank| rank.to_string()).as_deref()),
            Cell::plain(self.customers),
            Cell::plain(self.surveys),
            Cell::maybe(self.average_score.as_deref()),
            Cell::plain(self.unsatisfied),
            Cell::plain(self.complaints),
            Cell::plain(self.public_complaints),
            Cell::plain(self.open_complaints),
        ]
    }
}

/// How satisfied the customers of each tier were in a span.
#[derive(Debug, Serialize, ToSchema)]
pub struct SatisfactionOut {
    /// The instant that this holds for.
    #[schema(examples("2026-11-23T10:00:00Z"))]
    pub as_of: At,
    /// Whether tiers in this may still be those from before a change of the
    /// program that has not come to everyone.
    #[schema(examples(false))]
    pub recalculating: bool,
    /// The span.
    #[serde(flatten)]
    pub span: SpanOut,
    /// A row for each tier, the highest first, and one for no tier.
    pub tiers: Vec<TierSatisfactionOut>,
}

problems!(ReportSatisfactionProblems: TOKEN, &[Code::InvalidRequest, Code::StoreNotSetUp]);

/// Surveys and complaints of a span, by tier.
///
/// Definition: surveys and complaints that occurred in the span count in the
/// row of the effective tier that the customer has now (the higher of the
/// membership's and an active designation's), whichever it was then;
/// `open_complaints` are those not resolved now, whenever they occurred.
/// `average_score` is rounded half up. Erased customers are left out, with all
/// that they said. Roles: `manager`, `administrator`, `platform_admin`.
#[utoipa::path(
    tag = "Reports",
    operation_id = "report_satisfaction",
    security(("token" = [])),
    params(SpanQuery),
    responses(
        (status = 200, description = "Surveys and complaints; as CSV, a row for each tier.", content(
            (SatisfactionOut = "application/json"), (String = "text/csv"),
        )),
        ReportSatisfactionProblems,
    ),
)]
#[get("/v1/reports/satisfaction")]
pub async fn report_satisfaction(
    allowed: Allowed<ReadReports>,
    query: Query<SpanQuery>,
    request: HttpRequest,
    db: web::Data<Db>,
) -> ApiResult<HttpResponse> {
    let store = allowed.caller.store;
    let is_behind = catch_up(&db, &store, Shows::Everything).await;
    let now = wire::now();
    let read = read_of_store(&db, store, move |tx, store, record| {
        let span = span_of(record, (query.0.from, query.0.to), now)?;
        Ok((span, reports::satisfaction(tx, store, &span)?))
    });
    let (record, (span, groups)) = read.await?;
    let ladder = &record.program.latest().ladder;
    let mut lines = ByTier::<Figures>::new(ladder);
    for (group, voices) in &groups {
        lines.add(group.tier(ladder), |figures| figures.add(group.customers, voices));
    }
    let lines = lines.into_lines();
    let tiers: Vec<TierSatisfactionOut> = lines.iter().map(TierSatisfactionOut::from).collect();
    if wants_csv(&request) {
        return table("satisfaction.csv", &tiers, &db).await;
    }
    let span = SpanOut::new(&span, record.program.time_zone);
    let recalculating = is_behind || record.pending.is_some();
    Ok(HttpResponse::Ok().json(SatisfactionOut { as_of: At(now), recalculating, span, tiers }))
}
