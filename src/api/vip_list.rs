//! The VIP list.

use super::auth::{Allowed, ManageDesignations};
use super::badges::BadgeTierOut;
use super::csv::{Cell, wants_csv};
use super::designations::{DesignationStateWire, ProfileWire, StageWire};
use super::extract::Query;
use super::listing::{Line, Placed, file, page};
use super::problem::{ApiResult, Code, TOKEN, problems};
use super::wire::{self, At};
use crate::db::badges::Found;
use crate::db::designations::{self, Filter, Listed, Sort};
use crate::db::page::Seek;
use crate::db::programs::ProgramRecord;
use crate::db::{Db, Tx};
use crate::domain::designation::{Priority, Profile, State};
use crate::domain::id::{StoreId, TierCode};
use crate::domain::money::{Amount, Currency};
use crate::domain::stage::{Stage, Window, idle_since};
use crate::domain::status::Status;
use crate::domain::words::word;
use crate::workflow::badges::Treated;
use crate::workflow::recalculation::{Shows, catch_up};
use crate::workflow::{self, Refusal};
use actix_web::{HttpRequest, HttpResponse, get, web};
use chrono::NaiveDate;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use validator::Validate;

/// What the VIP list is narrowed down to, and sorted by.
#[derive(Debug, Clone, Deserialize, IntoParams, Validate)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct DesignationsQuery {
    /// Only VIPs of this tier: the higher of the membership's and the designation's.
    #[param(pattern = "^[A-Za-z0-9._:-]{1,64}$", example = "gold")]
    tier: Option<String>,
    /// Only designations in this state.
    #[param(inline)]
    state: Option<DesignationStateWire>,
    /// Only customers whose name, e-mail or identifier contains this text;
    /// case and accents don't matter.
    #[param(min_length = 1, max_length = 100, example = "byron")]
    q: Option<String>,
    /// Only VIPs since this date or later.
    #[param(example = "2024-01-01")]
    since_from: Option<NaiveDate>,
    /// Only VIPs since this date or earlier.
    #[param(example = "2024-12-31")]
    since_to: Option<NaiveDate>,
    /// Only VIPs since a date in this month of any year.
    #[param(minimum = 1, maximum = 12, example = 3)]
    anniversary_month: Option<u32>,
    /// Only VIPs whose newest completed order is at least so many days ago; 45
    /// is what at risk means.
    #[param(minimum = 1, maximum = 36500, example = 45)]
    idle_days: Option<u32>,
    /// Only VIPs in this stage.
    #[param(inline)]
    stage: Option<StageWire>,
    /// Only VIPs for this reason.
    #[param(inline)]
    profile: Option<ProfileWire>,
    /// Only VIPs whom this person looks after.
    #[param(min_length = 1, max_length = 64, example = "sam")]
    assigned_to: Option<String>,
    /// Only VIPs whom this rule made, or whose tier it raised last.
    #[param(pattern = "^[A-Za-z0-9._:-]{1,64}$", example = "vip-gold")]
    rule: Option<String>,
    /// What to sort by, a minus before it for the highest first.
    #[param(inline)]
    sort: Option<DesignationSort>,
    /// How many to answer: 1 to 200, 50 by default.
    #[param(minimum = 1, maximum = 200, example = 50)]
    limit: Option<i64>,
    /// Where to go on: the `next_cursor` of the page before, under the same sort.
    #[validate(custom(function = "wire::is_cursor"))]
    #[param(format = "cursor", pattern = "^[A-Za-z0-9_-]+$", max_length = 1500)]
    cursor: Option<String>,
}

/// What the VIP list can be sorted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub enum DesignationSort {
    /// The customer's identifier (the default).
    #[serde(rename = "customer_id")]
    Id,
    /// The identifier, backwards.
    #[serde(rename = "-customer_id")]
    IdDescending,
    /// The name, without case and accents.
    #[serde(rename = "name")]
    Name,
    /// The name, backwards.
    #[serde(rename = "-name")]
    NameDescending,
    /// Since when they are VIPs, the longest first.
    #[serde(rename = "since")]
    Since,
    /// Since when they are VIPs, the newest first.
    #[serde(rename = "-since")]
    SinceDescending,
    /// Lifetime spend.
    #[serde(rename = "lifetime_spend")]
    LifetimeSpend,
    /// Lifetime spend, the highest first.
    #[serde(rename = "-lifetime_spend")]
    LifetimeSpendDescending,
    /// The newest completed order; customers without one come first.
    #[serde(rename = "last_order_at")]
    LastOrder,
    /// The newest completed order, the latest first.
    #[serde(rename = "-last_order_at")]
    LastOrderDescending,
}

impl DesignationSort {
    fn parts(self) -> (Sort, bool) {
        match self {
            Self::Id => (Sort::Id, false),
            Self::IdDescending => (Sort::Id, true),
            Self::Name => (Sort::Name, false),
            Self::NameDescending => (Sort::Name, true),
            Self::Since => (Sort::Since, false),
            Self::SinceDescending => (Sort::Since, true),
            Self::LifetimeSpend => (Sort::LifetimeSpend, false),
            Self::LifetimeSpendDescending => (Sort::LifetimeSpend, true),
            Self::LastOrder => (Sort::LastOrder, false),
            Self::LastOrderDescending => (Sort::LastOrder, true),
        }
    }
}

impl DesignationsQuery {
    fn order(&self) -> (Sort, bool) {
        self.sort.unwrap_or(DesignationSort::Id).parts()
    }

    fn filter(&self, record: &ProgramRecord) -> Filter {
        let now = wire::now();
        let zone = record.program.time_zone;
        let ladder = &record.program.latest().ladder;
        let above = |tier: &String| {
            let code = TierCode::parse(tier).ok();
            let rank = ladder.rank(code.as_ref());
            ladder
                .tiers()
                .iter()
                .filter(|t| Some(t.rank) > rank)
                .map(|t| t.code.to_string())
                .collect()
        };
        Filter {
            tier: self.tier.as_ref().map(|tier| (tier.clone(), above(tier))),
            state: self.state.map(State::from),
            q: self.q.clone(),
            since_from: self.since_from,
            since_to: self.since_to,
            anniversary_month: self.anniversary_month,
            idle_since: self.idle_days.map(|days| idle_since(days, now)),
            stage: self.stage.map(|stage| Window::of(stage.into(), zone, now)),
            profile: self.profile.map(Profile::from),
            assigned_to: self.assigned_to.clone(),
            rule: self.rule.clone(),
        }
    }
}

/// A line of the VIP list.
#[derive(Debug, Serialize, ToSchema)]
pub struct ListedDesignationOut {
    /// The customer.
    #[schema(examples("c1"))]
    pub customer_id: String,
    /// The name that staff read.
    #[schema(required, examples("Ada Byron"))]
    pub name: Option<String>,
    /// The e-mail address, for campaigns.
    #[schema(required, examples("ada@example.com"))]
    pub email: Option<String>,
    /// The badge's word: a flag shows before `vip`.
    #[schema(examples("vip"))]
    pub status: String,
    /// `active`, `paused` or `cancelled`.
    #[schema(examples("active"))]
    pub state: String,
    /// The higher of the membership's tier and the designation's.
    #[schema(required)]
    pub tier: Option<BadgeTierOut>,
    /// The date from which on the customer is a VIP.
    #[schema(examples("2024-03-01"))]
    pub since: NaiveDate,
    /// All that the customer ever spent, less refunds.
    #[schema(examples("1250.00"))]
    pub lifetime_spend: String,
    /// What the subscription comes to in a month; null where there is none.
    #[schema(required, examples("19.90"))]
    pub monthly_subscription: Option<String>,
    /// The newest completed order.
    #[schema(required, examples("2024-06-01T10:00:00Z"))]
    pub last_order_at: Option<At>,
    /// The codes of the benefits that the customer has.
    #[schema(examples(json!(["early-72"])))]
    pub benefits: Vec<String>,
    /// The stage: `identification`, `designation`, `engagement`, `retention` or `win_back`.
    #[schema(examples("engagement"))]
    pub stage: String,
    /// Why the customer is a VIP.
    #[schema(required, examples("big_spender"))]
    pub profile: Option<String>,
    /// How soon to serve this customer.
    #[schema(examples("high"))]
    pub priority: String,
    /// The team that sees to this customer.
    #[schema(required, examples("key-accounts"))]
    pub team: Option<String>,
    /// Who looks after this customer.
    #[schema(required, examples("sam"))]
    pub assigned_to: Option<String>,
    /// When the designation ends by itself.
    #[schema(required, examples("2030-01-01T00:00:00Z"))]
    pub ends_at: Option<At>,
    /// Until when it is kept after the subscription was cancelled.
    #[schema(required, examples("2024-12-29T00:00:00Z"))]
    pub grace_until: Option<At>,
}

impl ListedDesignationOut {
    fn new(listed: &Listed, record: &ProgramRecord) -> workflow::Result<Self> {
        let currency: Currency = record.program.currency;
        let found = Found {
            order_id: None,
            customer: listed.customer.clone(),
            membership: listed.membership.clone(),
            designation: Some(listed.designation.clone()),
            account: None,
            flagged: Vec::new(),
        };
        let now = wire::now();
        let treated = Treated::of(&record.program, found, now)?;
        let known = treated.designation.as_ref().ok_or(Refusal::NotFound("designation"))?;
        let designation = &known.designation;
        let customer = &treated.customer;
        let badge = &treated.badge;
        Ok(Self {
            customer_id: customer.customer_id.clone(),
            name: customer.name.clone(),
            email: customer.email.clone(),
            status: word(&Status::WORDS, &badge.status).to_owned(),
            state: word(&State::WORDS, &designation.state(now)).to_owned(),
            tier: treated.listed_tier.as_ref().map(BadgeTierOut::from),
            since: designation.since,
            lifetime_spend: Amount(treated.membership.lifetime.amount_spent, currency).to_string(),
            monthly_subscription: customer
                .subscription_amount
                .map(|amount| Amount(amount, currency).to_string()),
            last_order_at: treated.last_order_at.map(At),
            benefits: badge.benefits.iter().map(|had| had.benefit.code.to_string()).collect(),
            stage: word(&Stage::WORDS, &treated.stage).to_owned(),
            profile: designation.profile.map(|p| word(&Profile::WORDS, &p).to_owned()),
            priority: word(&Priority::WORDS, &designation.priority.unwrap_or(badge.priority))
                .to_owned(),
            team: designation.team.clone().or_else(|| badge.team.clone()),
            assigned_to: designation.assigned_to.clone(),
            ends_at: designation.ends_at.map(At),
            grace_until: designation.grace_until.map(At),
        })
    }
}

impl Line for ListedDesignationOut {
    const COLUMNS: &'static [&'static str] = &[
        "customer_id",
        "name",
        "email",
        "status",
        "state",
        "tier",
        "since",
        "lifetime_spend",
        "monthly_subscription",
        "last_order_at",
        "benefits",
        "stage",
        "profile",
        "priority",
        "team",
        "assigned_to",
        "ends_at",
        "grace_until",
    ];

    fn cells(&self) -> Vec<Cell> {
        vec![
            Cell::text(&self.customer_id),
            Cell::maybe(self.name.as_deref()),
            Cell::maybe(self.email.as_deref()),
            Cell::text(&self.status),
            Cell::text(&self.state),
            Cell::maybe(self.tier.as_ref().map(|tier| tier.code.as_str())),
            Cell::plain(self.since),
            Cell::plain(&self.lifetime_spend),
            Cell::maybe(self.monthly_subscription.as_deref()),
            Cell::at(self.last_order_at),
            Cell::text(&self.benefits.join("; ")),
            Cell::text(&self.stage),
            Cell::maybe(self.profile.as_deref()),
            Cell::text(&self.priority),
            Cell::maybe(self.team.as_deref()),
            Cell::maybe(self.assigned_to.as_deref()),
            Cell::at(self.ends_at),
            Cell::at(self.grace_until),
        ]
    }
}

fn read(
    tx: &mut Tx<'_>,
    store: &StoreId,
    record: &ProgramRecord,
    query: &DesignationsQuery,
    after: Option<&Seek>,
    limit: i64,
) -> workflow::Result<Vec<Placed<ListedDesignationOut>>> {
    let (filter, (sort, is_descending)) = (query.filter(record), query.order());
    let rows = designations::list(tx, store, &filter, sort, is_descending, after, limit)?;
    let placed = |row: &Listed| {
        Ok(Placed { line: ListedDesignationOut::new(row, record)?, seek: row.seek(sort) })
    };
    rows.iter().map(placed).collect()
}

/// A page of the VIP list.
#[derive(Debug, Serialize, ToSchema)]
pub struct DesignationsOut {
    /// The designations.
    pub designations: Vec<ListedDesignationOut>,
    /// Whether tiers in this list may still be those from before a change of
    /// the program that has not come to everyone.
    #[schema(examples(false))]
    pub recalculating: bool,
    /// Where the next page begins; null on the last one.
    #[schema(required)]
    pub next_cursor: Option<String>,
}

problems!(ListDesignationsProblems: TOKEN, &[Code::InvalidRequest, Code::StoreNotSetUp]);

/// The VIP list.
///
/// Designations that have ended are listed as `cancelled`; erased customers
/// are left out. With `Accept: text/csv` it is answered whole, as a file for
/// spreadsheets, and `limit` and `cursor` don't matter. Roles: `manager`,
/// `administrator`, `platform_admin`.
#[utoipa::path(
    tag = "Designations",
    operation_id = "list_designations",
    security(("token" = [])),
    params(DesignationsQuery),
    responses(
        (status = 200, description = "A page of the VIP list, or all of it as CSV.", content(
            (DesignationsOut = "application/json"), (String = "text/csv"),
        )),
        ListDesignationsProblems,
    ),
)]
#[get("/v1/designations")]
pub async fn list_designations(
    allowed: Allowed<ManageDesignations>,
    query: Query<DesignationsQuery>,
    request: HttpRequest,
    db: web::Data<Db>,
) -> ApiResult<HttpResponse> {
    let store = allowed.caller.store;
    let is_behind = catch_up(&db, &store, Shows::Everything).await;
    let query = query.0;
    if wants_csv(&request) {
        return file("vip-list.csv", &db, store, query, read, 0).await;
    }
    let at = (query.limit, query.cursor.clone());
    let (record, designations, next_cursor) = page(&db, store, query, read, at).await?;
    let recalculating = is_behind || record.pending.is_some();
    Ok(HttpResponse::Ok().json(DesignationsOut { designations, recalculating, next_cursor }))
}
