//! VIPs whose tier is not the one that they qualify for.

use super::{code_at, date};
use crate::api::auth::{Allowed, ReadReports};
use crate::api::csv::{Cell, wants_csv};
use crate::api::extract::Query;
use crate::api::listing::{Line, Placed, file, page};
use crate::api::problem::{ApiResult, Code, TOKEN, problems};
use crate::api::wire::{self, At, words};
use crate::db::page::Seek;
use crate::db::programs::ProgramRecord;
use crate::db::reports::{self, Fit, TierFitRow};
use crate::db::{Db, Tx};
use crate::domain::id::StoreId;
use crate::domain::money::Amount;
use crate::workflow;
use crate::workflow::designations::source_word;
use crate::workflow::recalculation::{Shows, catch_up};
use actix_web::{HttpRequest, HttpResponse, get, web};
use chrono::NaiveDate;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use validator::Validate;

words! {
    /// How a designation's tier compares with the one that its customer
    /// qualifies for.
    FitWire as TierFit => Fit {
        /// It ranks above.
        Above,
        /// It ranks below.
        Below,
    }
}

/// Which way the tier differs, and which page.
#[derive(Debug, Clone, Deserialize, IntoParams, Validate)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct TierFitQuery {
    /// Whether VIPs are wanted whose tier is above what they qualify for, or below.
    #[param(inline, example = "below")]
    fit: FitWire,
    /// How many to answer: 1 to 200, 50 by default.
    #[param(minimum = 1, maximum = 200, example = 50)]
    limit: Option<i64>,
    /// Where to go on: the `next_cursor` of the page before.
    #[validate(custom(function = "wire::is_cursor"))]
    #[param(format = "cursor", pattern = "^[A-Za-z0-9_-]+$", max_length = 1500)]
    cursor: Option<String>,
}

/// A VIP whose tier is not the one that they qualify for.
#[derive(Debug, Serialize, ToSchema)]
pub struct TierFitOut {
    /// The customer.
    #[schema(examples("c1"))]
    pub customer_id: String,
    /// The name that staff read.
    #[schema(required, examples("Ada Byron"))]
    pub name: Option<String>,
    /// The code of the designation's tier; null where it has none.
    #[schema(required, examples("gold"))]
    pub tier: Option<String>,
    /// The code of the tier that the customer qualifies for; null for none.
    #[schema(required, examples("platinum"))]
    pub qualifies_for: Option<String>,
    /// The date from which on the customer is a VIP.
    #[schema(examples("2024-03-01"))]
    pub since: NaiveDate,
    /// All that the customer ever spent, less refunds.
    #[schema(examples("2750.00"))]
    pub lifetime_spend: String,
    /// `manual`, or `automatic` where a rule or a tier that was reached made it.
    #[schema(examples("manual"))]
    pub source: String,
    /// Who looks after this customer.
    #[schema(required, examples("sam"))]
    pub assigned_to: Option<String>,
}

impl TierFitOut {
    fn new(row: &TierFitRow, record: &ProgramRecord) -> workflow::Result<Self> {
        Ok(Self {
            customer_id: row.customer_id.clone(),
            name: row.name.clone(),
            tier: row.tier.clone(),
            qualifies_for: code_at(&record.program.latest().ladder, row.qualifies_for),
            since: date(&row.since)?,
            lifetime_spend: Amount(row.lifetime_amount, record.program.currency).to_string(),
            source: source_word(row.is_automatic != 0).to_owned(),
            assigned_to: row.assigned_to.clone(),
        })
    }
}

impl Line for TierFitOut {
    const COLUMNS: &'static [&'static str] = &[
        "customer_id",
        "name",
        "tier",
        "qualifies_for",
        "since",
        "lifetime_spend",
        "source",
        "assigned_to",
    ];

    fn cells(&self) -> Vec<Cell> {
        vec![
            Cell::text(&self.customer_id),
            Cell::maybe(self.name.as_deref()),
            Cell::maybe(self.tier.as_deref()),
            Cell::maybe(self.qualifies_for.as_deref()),
            Cell::plain(self.since),
            Cell::plain(&self.lifetime_spend),
            Cell::text(&self.source),
            Cell::maybe(self.assigned_to.as_deref()),
        ]
    }
}

/// A page of the VIPs whose tier is not the one that they qualify for.
#[derive(Debug, Serialize, ToSchema)]
pub struct TierFitReportOut {
    /// The instant that this holds for.
    #[schema(examples("2026-11-23T10:00:00Z"))]
    pub as_of: At,
    /// Whether tiers in this may still be those from before a change of the
    /// program that has not come to everyone.
    #[schema(examples(false))]
    pub recalculating: bool,
    /// The VIPs, by identifier.
    pub customers: Vec<TierFitOut>,
    /// Where the next page begins; null on the last one.
    #[schema(required)]
    pub next_cursor: Option<String>,
}

fn read(
    tx: &mut Tx<'_>,
    store: &StoreId,
    record: &ProgramRecord,
    fit: &Fit,
    after: Option<&Seek>,
    limit: i64,
) -> workflow::Result<Vec<Placed<TierFitOut>>> {
    let rows = reports::tier_fit(tx, store, &record.program, *fit, after, limit)?;
    let placed =
        |row: &TierFitRow| Ok(Placed { line: TierFitOut::new(row, record)?, seek: row.seek() });
    rows.iter().map(placed).collect()
}

problems!(ReportTierFitProblems: TOKEN, &[Code::InvalidRequest, Code::StoreNotSetUp]);

/// VIPs whose tier is above or below the one that they qualify for.
///
/// Definition: customers with an active designation whose tier ranks above, or
/// below, the tier that they qualify for: the higher of the membership's and
/// the tiers of the rules in force that the customer meets, as the last look at
/// each of them found; by the ladder as it is now. No tier ranks below every
/// tier: a designation without one is below whatever its customer qualifies
/// for, and one with a tier above where the customer qualifies for none. By
/// identifier; erased customers are left out. With `Accept: text/csv` the list
/// is answered whole, and `limit` and `cursor` don't matter. Roles: `manager`,
/// `administrator`, `platform_admin`.
#[utoipa::path(
    tag = "Reports",
    operation_id = "report_tier_fit",
    security(("token" = [])),
    params(TierFitQuery),
    responses(
        (status = 200, description = "A page of the VIPs, or all of them as CSV.", content(
            (TierFitReportOut = "application/json"), (String = "text/csv"),
        )),
        ReportTierFitProblems,
    ),
)]
#[get("/v1/reports/tier-fit")]
pub async fn report_tier_fit(
    allowed: Allowed<ReadReports>,
    query: Query<TierFitQuery>,
    request: HttpRequest,
    db: web::Data<Db>,
) -> ApiResult<HttpResponse> {
    let store = allowed.caller.store;
    let is_behind = catch_up(&db, &store, Shows::Everything).await;
    let TierFitQuery { fit, limit, cursor } = query.0;
    let (now, fit) = (wire::now(), Fit::from(fit));
    if wants_csv(&request) {
        return file("tier-fit.csv", &db, store, fit, read, 0).await;
    }
    let (record, customers, next_cursor) = page(&db, store, fit, read, (limit, cursor)).await?;
    let recalculating = is_behind || record.pending.is_some();
    Ok(HttpResponse::Ok().json(TierFitReportOut {
        as_of: At(now),
        recalculating,
        customers,
        next_cursor,
    }))
}
