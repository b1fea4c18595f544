//! How much store credit and how many points customers have.

use super::{amount, parts_of};
use crate::api::auth::{Allowed, ReadReports};
use crate::api::csv::{Cell, wants_csv};
use crate::api::extract::NoQuery;
use crate::api::listing::{Line, table};
use crate::api::problem::{ApiResult, Code, TOKEN, problems};
use crate::api::read_of_store;
use crate::api::wire::{self, At};
use crate::db::Db;
use crate::db::reports::{self, Balances};
use crate::domain::Overflow;
use crate::domain::money::{Amount, Currency};
use crate::domain::report::standing::{ByTier, TierLine};
use crate::workflow::recalculation::{Shows, catch_up};
use actix_web::{HttpRequest, HttpResponse, get, web};
use serde::Serialize;
use utoipa::ToSchema;

/// What customers have, and what they owe.
#[derive(Debug, Serialize, ToSchema)]
pub struct CreditFiguresOut {
    /// Customers who have or owe credit or points.
    #[schema(examples(310))]
    pub customers: i64,
    /// The store credit of those who have some.
    #[schema(examples("1520.50"))]
    pub credit_outstanding: String,
    /// The store credit that others owe.
    #[schema(examples("12.00"))]
    pub credit_owed: String,
    /// The points of those who have some.
    #[schema(examples(48200))]
    pub points_outstanding: i64,
    /// The points that others owe.
    #[schema(examples(150))]
    pub points_owed: i64,
}

/// Customers, and what they have and owe.
#[derive(Debug, Clone, Copy, Default)]
struct Figures {
    customers: i64,
    balances: Balances,
}

impl Figures {
    fn add(&mut self, customers: i64, more: &Balances) {
        let add = |sum: &mut i128, number: i128| *sum = sum.saturating_add(number);
        self.customers = self.customers.saturating_add(customers);
        add(&mut self.balances.credit, more.credit);
        add(&mut self.balances.credit_owed, more.credit_owed);
        add(&mut self.balances.points, more.points);
        add(&mut self.balances.points_owed, more.points_owed);
    }
}

impl CreditFiguresOut {
    fn new(figures: &Figures, currency: Currency) -> Result<Self, Overflow> {
        let Figures { customers, balances } = figures;
        Ok(Self {
            customers: *customers,
            credit_outstanding: Amount(amount(balances.credit)?, currency).to_string(),
            credit_owed: Amount(amount(balances.credit_owed)?, currency).to_string(),
            points_outstanding: amount(balances.points)?,
            points_owed: amount(balances.points_owed)?,
        })
    }
}

/// What the customers of a tier have, and what they owe.
#[derive(Debug, Serialize, ToSchema)]
pub struct TierCreditOut {
    /// The tier's code; null in the last row, of those who have no tier.
    #[schema(required, examples("gold"))]
    pub tier: Option<String>,
    /// The tier's name.
    #[schema(required, examples("Gold"))]
    pub name: Option<String>,
    /// Its customers' figures.
    #[serde(flatten)]
    pub figures: CreditFiguresOut,
}

impl TierCreditOut {
    fn new(line: &TierLine<Figures>, currency: Currency) -> Result<Self, Overflow> {
        let (tier, name, _) = parts_of(line.tier.as_ref());
        Ok(Self { tier, name, figures: CreditFiguresOut::new(&line.figures, currency)? })
    }
}

impl Line for TierCreditOut {
    const COLUMNS: &'static [&'static str] = &[
        "tier",
        "name",
        "customers",
        "credit_outstanding",
        "credit_owed",
        "points_outstanding",
        "points_owed",
    ];

    fn cells(&self) -> Vec<Cell> {
        vec![
            Cell::maybe(self.tier.as_deref()),
            Cell::maybe(self.name.as_deref()),
            Cell::plain(self.figures.customers),
            Cell::plain(&self.figures.credit_outstanding),
            Cell::plain(&self.figures.credit_owed),
            Cell::plain(self.figures.points_outstanding),
            Cell::plain(self.figures.points_owed),
        ]
    }
}

/// What all customers have, and what they owe.
#[derive(Debug, Serialize, ToSchema)]
pub struct CreditReportOut {
    /// The instant that this holds for.
    #[schema(examples("2026-11-23T10:00:00Z"))]
    pub as_of: At,
    /// Whether tiers in this may still be those from before a change of the
    /// program that has not come to everyone.
    #[schema(examples(false))]
    pub recalculating: bool,
    /// The currency of the credit.
    #[schema(examples("GBP"))]
    pub currency: String,
    /// All customers' figures.
    #[serde(flatten)]
    pub figures: CreditFiguresOut,
    /// A row for each tier, the highest first, and one for no tier.
    pub tiers: Vec<TierCreditOut>,
}

problems!(ReportCreditProblems: TOKEN, &[
    Code::InvalidRequest, Code::StoreNotSetUp, Code::FigureOverflow,
]);

/// The store credit and the points that customers have, by tier.
///
/// Definition: `credit_outstanding` and `points_outstanding` add up the
/// balances above zero, `credit_owed` and `points_owed` what the others are
/// below zero, so that what one customer owes takes nothing off what another
/// has; `customers` are those with any balance that is not zero. A customer
/// counts once, in the row of the effective tier (the higher of the
/// membership's and, while the designation is active, the designation's; by the
/// ladder as it is now). Tiers without such customers have a row too. Erased
/// customers are left out, with what they had. Roles: `manager`,
/// `administrator`, `platform_admin`.
#[utoipa::path(
    tag = "Reports",
    operation_id = "report_credit",
    security(("token" = [])),
    responses(
        (status = 200, description = "The balances now; as CSV, a row for each tier.", content(
            (CreditReportOut = "application/json"), (String = "text/csv"),
        )),
        ReportCreditProblems,
    ),
)]
#[get("/v1/reports/credit")]
pub async fn report_credit(
    allowed: Allowed<ReadReports>,
    _: NoQuery,
    request: HttpRequest,
    db: web::Data<Db>,
) -> ApiResult<HttpResponse> {
    let store = allowed.caller.store;
    let is_behind = catch_up(&db, &store, Shows::Everything).await;
    let as_of = At(wire::now());
    let read = read_of_store(&db, store, |tx, store, record| {
        let (ladder, currency) = (&record.program.latest().ladder, record.program.currency);
        let mut whole = Figures::default();
        let mut lines = ByTier::<Figures>::new(ladder);
        for (group, balances) in &reports::balances(tx, store)? {
            whole.add(group.customers, balances);
            lines.add(group.tier(ladder), |figures| figures.add(group.customers, balances));
        }
        let lines = lines.into_lines();
        let tiers = lines.iter().map(|line| TierCreditOut::new(line, currency));
        let tiers = tiers.collect::<Result<Vec<_>, Overflow>>()?;
        Ok((CreditFiguresOut::new(&whole, currency)?, tiers))
    });
    let (record, (figures, tiers)) = read.await?;
    if wants_csv(&request) {
        return table("credit.csv", &tiers, &db).await;
    }
    Ok(HttpResponse::Ok().json(CreditReportOut {
        as_of,
        recalculating: is_behind || record.pending.is_some(),
        currency: record.program.currency.code().to_owned(),
        figures,
        tiers,
    }))
}
