//! The list of customers.

use super::auth::{Allowed, ReadLists};
use super::csv::{Cell, wants_csv};
use super::customers::{CustomerOut, SubscriptionStateWire};
use super::designations::StageWire;
use super::extract::Query;
use super::listing::{Line, Placed, file, page};
use super::problem::{ApiResult, Code, TOKEN, problems};
use super::statuses::StatusWire;
use super::wire::{self, At};
use crate::db::customers::{self, Filter, Listed, Sort};
use crate::db::memberships::NEVER;
use crate::db::page::Seek;
use crate::db::programs::ProgramRecord;
use crate::db::{Db, Tx, instant};
use crate::domain::customer::SubscriptionState;
use crate::domain::id::StoreId;
use crate::domain::money::{Amount, Currency, parse_amount};
use crate::domain::stage::Window;
use crate::domain::status::Status;
use crate::domain::words::word;
use crate::workflow::recalculation::{Shows, catch_up};
use crate::workflow::{self, Refusal};
use actix_web::{HttpRequest, HttpResponse, get, web};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use validator::Validate;

/// What a list of customers is narrowed down to, and sorted by.
#[derive(Debug, Clone, Deserialize, IntoParams, Validate)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct CustomersQuery {
    /// Only customers whose name, e-mail or identifier contains this text;
    /// case and accents don't matter.
    #[param(min_length = 1, max_length = 100, example = "byron")]
    q: Option<String>,
    /// Only customers who hold this tier.
    #[param(pattern = "^[A-Za-z0-9._:-]{1,64}$", example = "gold")]
    tier: Option<String>,
    /// Only customers with this status.
    #[param(inline)]
    status: Option<StatusWire>,
    /// Only customers with an active designation, or only those without.
    #[param(example = true)]
    vip: Option<bool>,
    /// Only customers in this stage on the way of a VIP.
    #[param(inline)]
    stage: Option<StageWire>,
    /// Only customers with this tag.
    #[param(min_length = 1, max_length = 64, example = "wholesale")]
    tag: Option<String>,
    /// Only customers whose subscription is in this state.
    #[param(inline)]
    subscription_state: Option<SubscriptionStateWire>,
    /// Only customers who have spent at least this much, in the program's currency.
    #[param(pattern = r"^[0-9]{1,19}(\.[0-9]{1,4})?$", example = "1000.00")]
    min_lifetime_spend: Option<String>,
    /// Only customers who joined before this instant, by `joined_at` or as found.
    #[param(inline, example = "2024-01-01T00:00:00Z")]
    joined_before: Option<At>,
    /// Only customers whose newest completed order lies before this instant.
    #[param(inline, example = "2024-01-01T00:00:00Z")]
    last_order_before: Option<At>,
    /// What to sort by, a minus before it for the highest first.
    #[param(inline)]
    sort: Option<CustomerSort>,
    /// How many to answer: 1 to 200, 50 by default.
    #[param(minimum = 1, maximum = 200, example = 50)]
    limit: Option<i64>,
    /// Where to go on: the `next_cursor` of the page before, under the same sort.
    #[validate(custom(function = "wire::is_cursor"))]
    #[param(format = "cursor", pattern = "^[A-Za-z0-9_-]+$", max_length = 1500)]
    cursor: Option<String>,
}

/// What customers can be sorted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub enum CustomerSort {
    /// The identifier (the default).
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
    /// When the customer joined.
    #[serde(rename = "joined_at")]
    Joined,
    /// When the customer joined, the latest first.
    #[serde(rename = "-joined_at")]
    JoinedDescending,
    /// The status: `active`, `vip`, `caution`, then `do_not_serve`.
    #[serde(rename = "status")]
    Status,
    /// The status, `do_not_serve` first.
    #[serde(rename = "-status")]
    StatusDescending,
}

impl CustomerSort {
    fn parts(self) -> (Sort, bool) {
        match self {
            Self::Id => (Sort::Id, false),
            Self::IdDescending => (Sort::Id, true),
            Self::Name => (Sort::Name, false),
            Self::NameDescending => (Sort::Name, true),
            Self::LifetimeSpend => (Sort::LifetimeSpend, false),
            Self::LifetimeSpendDescending => (Sort::LifetimeSpend, true),
            Self::LastOrder => (Sort::LastOrder, false),
            Self::LastOrderDescending => (Sort::LastOrder, true),
            Self::Joined => (Sort::Joined, false),
            Self::JoinedDescending => (Sort::Joined, true),
            Self::Status => (Sort::Status, false),
            Self::StatusDescending => (Sort::Status, true),
        }
    }
}

/// A customer in a list.
#[derive(Debug, Serialize, ToSchema)]
pub struct ListedCustomerOut {
    /// The customer.
    #[serde(flatten)]
    pub customer: CustomerOut,
    /// The code of the tier that the customer holds.
    #[schema(required, examples("gold"))]
    pub tier: Option<String>,
    /// All that the customer ever spent, less refunds.
    #[schema(examples("1250.00"))]
    pub lifetime_spend: String,
    /// The newest completed order.
    #[schema(required, examples("2024-06-01T10:00:00Z"))]
    pub last_order_at: Option<At>,
    /// When the customer joined, as stated or as found.
    #[schema(examples("2024-03-01T09:00:00Z"))]
    pub member_since: At,
}

/// A page of customers.
#[derive(Debug, Serialize, ToSchema)]
pub struct CustomersOut {
    /// The customers.
    pub customers: Vec<ListedCustomerOut>,
    /// Whether tiers in this list may still be those from before a change of
    /// the program, or before a period's end, that has not come to everyone.
    #[schema(examples(false))]
    pub recalculating: bool,
    /// Where the next page begins; null on the last one.
    #[schema(required)]
    pub next_cursor: Option<String>,
}

problems!(ListCustomersProblems: TOKEN, &[Code::InvalidRequest, Code::StoreNotSetUp, Code::AmountNotInCurrency]);

impl CustomersQuery {
    fn order(&self) -> (Sort, bool) {
        self.sort.unwrap_or(CustomerSort::Id).parts()
    }

    fn filter(&self, record: &ProgramRecord) -> Result<Filter, Refusal> {
        let program = &record.program;
        let spend = self.min_lifetime_spend.as_deref();
        let spend = spend.map(|text| parse_amount(text, program.currency));
        let window = |stage: StageWire| Window::of(stage.into(), program.time_zone, wire::now());
        Ok(Filter {
            q: self.q.clone(),
            tier: self.tier.clone(),
            tag: self.tag.clone(),
            subscription_state: self
                .subscription_state
                .map(|state| word(&SubscriptionState::WORDS, &state.into()).to_owned()),
            min_lifetime_spend: spend.transpose().map_err(Refusal::InvalidAmount)?,
            joined_before: self.joined_before.map(|at| at.0),
            last_order_before: self.last_order_before.map(|at| at.0),
            status: self.status.map(Status::from),
            vip: self.vip,
            stage: self.stage.map(window),
        })
    }
}

impl ListedCustomerOut {
    fn new(row: &Listed, currency: Currency) -> workflow::Result<Self> {
        let last_order_at =
            if row.last_order_at == NEVER { None } else { Some(At(instant(row.last_order_at)?)) };
        Ok(Self {
            customer: CustomerOut::new(&row.customer, currency)?,
            tier: row.tier.clone(),
            lifetime_spend: Amount(row.lifetime_amount, currency).to_string(),
            last_order_at,
            member_since: At(instant(row.member_since)?),
        })
    }
}

impl Line for ListedCustomerOut {
    const COLUMNS: &'static [&'static str] = &[
        "customer_id",
        "name",
        "email",
        "status",
        "tier",
        "lifetime_spend",
        "last_order_at",
        "member_since",
        "joined_at",
        "birthday",
        "preferred_channel",
        "tags",
        "subscription_state",
        "monthly_subscription",
        "subscription_cancelled_at",
        "print_vip_icon",
        "created_at",
    ];

    fn cells(&self) -> Vec<Cell> {
        let customer = &self.customer;
        let subscription = customer.subscription.as_ref();
        vec![
            Cell::text(&customer.customer_id),
            Cell::maybe(customer.name.as_deref()),
            Cell::maybe(customer.email.as_deref()),
            Cell::text(&customer.status),
            Cell::maybe(self.tier.as_deref()),
            Cell::plain(&self.lifetime_spend),
            Cell::at(self.last_order_at),
            Cell::at(Some(self.member_since)),
            Cell::at(customer.joined_at),
            Cell::maybe(customer.birthday.map(|date| date.to_string()).as_deref()),
            Cell::maybe(customer.preferred_channel.as_deref()),
            Cell::text(&customer.tags.join("; ")),
            Cell::maybe(subscription.map(|s| s.state.as_str())),
            Cell::maybe(subscription.map(|s| s.monthly_amount.as_str())),
            Cell::at(subscription.and_then(|s| s.cancelled_at)),
            Cell::plain(customer.print_vip_icon),
            Cell::at(Some(customer.created_at)),
        ]
    }
}

fn read(
    tx: &mut Tx<'_>,
    store: &StoreId,
    record: &ProgramRecord,
    query: &CustomersQuery,
    after: Option<&Seek>,
    limit: i64,
) -> workflow::Result<Vec<Placed<ListedCustomerOut>>> {
    let (filter, (sort, is_descending)) = (query.filter(record)?, query.order());
    let rows = customers::list(tx, store, &filter, sort, is_descending, after, limit)?;
    let placed = |row: &Listed| {
        let line = ListedCustomerOut::new(row, record.program.currency)?;
        Ok(Placed { line, seek: row.seek(sort) })
    };
    rows.iter().map(placed).collect()
}

/// The store's customers.
///
/// Erased customers are left out. With `Accept: text/csv` the list is answered
/// whole, as a file for spreadsheets, and `limit` and `cursor` don't matter.
/// Roles: `support`, `manager`, `administrator`, `platform_admin`.
#[utoipa::path(
    tag = "Customers",
    operation_id = "list_customers",
    security(("token" = [])),
    params(CustomersQuery),
    responses(
        (status = 200, description = "A page of customers, or all of them as CSV.", content(
            (CustomersOut = "application/json"), (String = "text/csv"),
        )),
        ListCustomersProblems,
    ),
)]
#[get("/v1/customers")]
pub async fn list_customers(
    allowed: Allowed<ReadLists>,
    query: Query<CustomersQuery>,
    request: HttpRequest,
    db: web::Data<Db>,
) -> ApiResult<HttpResponse> {
    let store = allowed.caller.store;
    let is_behind = catch_up(&db, &store, Shows::Everything).await;
    let query = query.0;
    if wants_csv(&request) {
        return file("customers.csv", &db, store, query, read, 0).await;
    }
    let at = (query.limit, query.cursor.clone());
    let (record, customers, next_cursor) = page(&db, store, query, read, at).await?;
    let recalculating = is_behind || record.pending.is_some();
    Ok(HttpResponse::Ok().json(CustomersOut { customers, recalculating, next_cursor }))
}
