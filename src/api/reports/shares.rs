//! How many customers are VIPs, and how all of them stand by tier.

use super::parts_of;
use crate::api::auth::{Allowed, ReadReports};
use crate::api::csv::{Cell, wants_csv};
use crate::api::extract::NoQuery;
use crate::api::listing::{Line, table};
use crate::api::problem::{ApiResult, Code, TOKEN, problems};
use crate::api::read_of_store;
use crate::api::wire::{self, At};
use crate::db::Db;
use crate::db::reports;
use crate::domain::report::advice::ShareAdvice;
use crate::domain::report::percent;
use crate::domain::report::standing::{StateCounts, TierLine, by_tier};
use crate::domain::words::word;
use crate::workflow::recalculation::{Shows, catch_up};
use actix_web::{HttpRequest, HttpResponse, get, web};
use serde::Serialize;
use utoipa::ToSchema;

/// How many customers are VIPs.
#[derive(Debug, Serialize, ToSchema)]
pub struct VipShareOut {
    /// The instant that this holds for.
    #[schema(examples("2026-11-23T10:00:00Z"))]
    pub as_of: At,
    /// All customers who are not erased.
    #[schema(examples(1200))]
    pub customers: i64,
    /// Those with an active designation.
    #[schema(examples(100))]
    pub vips: i64,
    /// How many percent of the customers they are; null where there are none.
    #[schema(required, examples("8.33"))]
    pub percent: Option<String>,
    /// What to make of it: `too_few` (below 5 %), `on_target` (5 to 10 %),
    /// `above_target` (above 10 % and up to 20 %), `too_many` (above 20 %) or
    /// `no_customers`.
    #[schema(examples("on_target"))]
    pub advice: String,
    /// The same in a sentence.
    #[schema(examples("5 to 10 % of the customers are VIPs, which is the aim."))]
    pub advice_text: String,
}

impl Line for VipShareOut {
    const COLUMNS: &'static [&'static str] =
        &["customers", "vips", "percent", "advice", "advice_text"];

    fn cells(&self) -> Vec<Cell> {
        vec![
            Cell::plain(self.customers),
            Cell::plain(self.vips),
            Cell::maybe(self.percent.as_deref()),
            Cell::text(&self.advice),
            Cell::text(&self.advice_text),
        ]
    }
}

problems!(ReportVipShareProblems: TOKEN, &[Code::InvalidRequest, Code::StoreNotSetUp]);

/// The share of customers who are VIPs, with advice.
///
/// Definition: `vips` are the customers whose designation is active now, by
/// whatever tier or none; `customers` are all that are known, with or without
/// orders; erased ones count in neither. The advice goes by the exact share and
/// not by the rounded `percent`: 5 to 10 % is the aim, above 20 % are too many.
/// Roles: `manager`, `administrator`, `platform_admin`.
#[utoipa::path(
    tag = "Reports",
    operation_id = "report_vip_share",
    security(("token" = [])),
    responses(
        (status = 200, description = "The share now.", content(
            (VipShareOut = "application/json"), (String = "text/csv"),
        )),
        ReportVipShareProblems,
    ),
)]
#[get("/v1/reports/vip-share")]
pub async fn report_vip_share(
    allowed: Allowed<ReadReports>,
    _: NoQuery,
    request: HttpRequest,
    db: web::Data<Db>,
) -> ApiResult<HttpResponse> {
    let store = allowed.caller.store;
    catch_up(&db, &store, Shows::Everything).await;
    let as_of = At(wire::now());
    let (_, (customers, vips)) =
        read_of_store(&db, store, |tx, store, _| Ok(reports::vip_share(tx, store)?)).await?;
    let advice = ShareAdvice::of(vips, customers);
    let out = VipShareOut {
        as_of,
        customers,
        vips,
        percent: percent(vips.into(), customers.into()),
        advice: word(&ShareAdvice::WORDS, &advice).to_owned(),
        advice_text: advice.text().to_owned(),
    };
    if wants_csv(&request) {
        return table("vip-share.csv", &[out], &db).await;
    }
    Ok(HttpResponse::Ok().json(out))
}

/// The customers of one tier, by the state of their designation.
#[derive(Debug, Serialize, ToSchema)]
pub struct TierCustomersOut {
    /// The tier's code; null in the last row, of those who have no tier.
    #[schema(required, examples("gold"))]
    pub tier: Option<String>,
    /// The tier's name.
    #[schema(required, examples("Gold"))]
    pub name: Option<String>,
    /// The tier's rank: higher is better.
    #[schema(required, examples(3))]
    pub rank: Option<u32>,
    /// Customers whose designation is active.
    #[schema(examples(40))]
    pub active: i64,
    /// Customers whose designation is paused.
    #[schema(examples(2))]
    pub paused: i64,
    /// Customers whose designation has ended.
    #[schema(examples(5))]
    pub cancelled: i64,
    /// Customers who never had a designation.
    #[schema(examples(120))]
    pub never: i64,
    /// All customers of the tier.
    #[schema(examples(167))]
    pub total: i64,
}

impl From<&TierLine<StateCounts>> for TierCustomersOut {
    fn from(line: &TierLine<StateCounts>) -> Self {
        let (tier, name, rank) = parts_of(line.tier.as_ref());
        let StateCounts { active, paused, cancelled, never } = line.figures;
        Self { tier, name, rank, active, paused, cancelled, never, total: line.figures.total() }
    }
}

impl Line for TierCustomersOut {
    const COLUMNS: &'static [&'static str] =
        &["tier", "name", "rank", "active", "paused", "cancelled", "never", "total"];

    fn cells(&self) -> Vec<Cell> {
        vec![
            Cell::maybe(self.tier.as_deref()),
            Cell::maybe(self.name.as_deref()),
            Cell::maybe(self.rank.map(|rank| rank.to_string()).as_deref()),
            Cell::plain(self.active),
            Cell::plain(self.paused),
            Cell::plain(self.cancelled),
            Cell::plain(self.never),
            Cell::plain(self.total),
        ]
    }
}

/// All customers, by tier and the state of their designation.
#[derive(Debug, Serialize, ToSchema)]
pub struct TiersReportOut {
    /// The instant that this holds for.
    #[schema(examples("2026-11-23T10:00:00Z"))]
    pub as_of: At,
    /// Whether tiers in this may still be those from before a change of the
    /// program that has not come to everyone.
    #[schema(examples(false))]
    pub recalculating: bool,
    /// A row for each tier, the highest first, and one for no tier.
    pub tiers: Vec<TierCustomersOut>,
}

problems!(ReportTiersProblems: TOKEN, &[Code::InvalidRequest, Code::StoreNotSetUp]);

/// All customers, by tier and the state of their designation.
///
/// Definition: a customer counts once, in the row of the effective tier (the
/// higher of the membership's and, while the designation is active, the
/// designation's; by the ladder as it is now) and in the column of the
/// designation's state, `never` where there never was one. Tiers without
/// customers have a row too. Erased customers are left out. Roles: `manager`,
/// `administrator`, `platform_admin`.
#[utoipa::path(
    tag = "Reports",
    operation_id = "report_tiers",
    security(("token" = [])),
    responses(
        (status = 200, description = "The customers of each tier now.", content(
            (TiersReportOut = "application/json"), (String = "text/csv"),
        )),
        ReportTiersProblems,
    ),
)]
#[get("/v1/reports/tiers")]
pub async fn report_tiers(
    allowed: Allowed<ReadReports>,
    _: NoQuery,
    request: HttpRequest,
    db: web::Data<Db>,
) -> ApiResult<HttpResponse> {
    let store = allowed.caller.store;
    let is_behind = catch_up(&db, &store, Shows::Everything).await;
    let as_of = At(wire::now());
    let (record, groups) =
        read_of_store(&db, store, |tx, store, _| Ok(reports::standings(tx, store)?)).await?;
    let lines = by_tier(&record.program.latest().ladder, &groups).into_lines();
    let tiers: Vec<TierCustomersOut> = lines.iter().map(TierCustomersOut::from).collect();
    if wants_csv(&request) {
        return table("tiers.csv", &tiers, &db).await;
    }
    let recalculating = is_behind || record.pending.is_some();
    Ok(HttpResponse::Ok().json(TiersReportOut { as_of, recalculating, tiers }))
}
