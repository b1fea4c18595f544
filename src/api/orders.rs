//! Orders.

use super::auth::{Allowed, ReadLists, ReadOne, WriteFacts};
use super::extract::{Id, IfMatchHeader, Json, NoQuery, Query, etag, rule};
use super::problem::{ANY_TOKEN, ApiError, ApiResult, BODY, Code, Fault, TOKEN, problems};
use super::read_of_store;
use super::rewards::{BalancesOut, EarnedOut};
use super::statuses::StatusWire;
use super::wire::{self, At, LIMIT_DEFAULT, MembershipChangeOut, MembershipOut};
use crate::db::customers::status_of;
use crate::db::orders::{self, Filter, Listed, OrderRow, Sort};
use crate::db::page::Seek;
use crate::db::{Db, customers, instant, maybe_instant};
use crate::domain::fact::OrderStatus;
use crate::domain::id::{CustomerId, OrderId};
use crate::domain::money::{Amount, Currency, parse_amount};
use crate::domain::status::Status;
use crate::domain::words::word;
use crate::workflow::Refusal;
use crate::workflow::facts::{self, Order, Stored};
use crate::workflow::recalculation::{Shows, catch_up};
use actix_web::http::StatusCode;
use actix_web::{HttpResponse, get, put, web};

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use validator::{Validate, ValidationError};

/// An order as the shop states it.
#[derive(Debug, Clone, Deserialize, ToSchema, Validate)]
#[serde(deny_unknown_fields)]
#[validate(schema(function = "amount_rules"))]
#[validate(schema(function = "completion_rules"))]
pub struct OrderIn {
    /// Whose order it is; never changes. A customer seen for the first time is created.
    #[schema(pattern = "^[A-Za-z0-9._:-]{1,64}$", examples("c1"))]
    pub customer_id: String,
    /// `pending` and `cancelled` orders count nothing.
    pub status: OrderStatusWire,
    /// The total with tax and shipping, as a decimal string.
    #[schema(pattern = r"^[0-9]{1,19}(\.[0-9]{1,4})?$", examples("129.95"))]
    pub total: String,
    /// The currency of the total, which is the program's (ISO 4217).
    #[schema(pattern = "^[A-Z]{3}$", format = "iso-4217", examples("GBP"))]
    pub currency: String,
    /// When it was placed. Orders placed before the program's start never count.
    #[schema(examples("2024-06-01T09:58:00Z"))]
    pub placed_at: At,
    /// When it was completed, which is when it counts: given with `completed`, and only then.
    #[serde(default)]
    #[schema(examples("2024-06-01T10:00:00Z"))]
    pub completed_at: Option<At>,
    /// The shop's own time of this version: one that is older than what is
    /// stored changes nothing. Without it, the last to arrive stands.
    #[serde(default)]
    #[schema(examples("2024-06-01T10:00:00Z"))]
    pub updated_at: Option<At>,
}

/// An order's state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = OrderStatus)]
pub enum OrderStatusWire {
    /// Placed, not yet fulfilled.
    Pending,
    /// Fulfilled.
    Completed,
    /// Called off.
    Cancelled,
}

impl From<OrderStatusWire> for OrderStatus {
    fn from(status: OrderStatusWire) -> Self {
        match status {
            OrderStatusWire::Pending => Self::Pending,
            OrderStatusWire::Completed => Self::Completed,
            OrderStatusWire::Cancelled => Self::Cancelled,
        }
    }
}

fn amount_rules(order: &OrderIn) -> Result<(), ValidationError> {
    match Currency::parse(&order.currency) {
        None => Err(rule("/currency", "is no currency of ISO 4217")),
        Some(currency) => parse_amount(&order.total, currency)
            .map(|_| ())
            .map_err(|error| rule("/total", &error.to_string())),
    }
}

fn completion_rules(order: &OrderIn) -> Result<(), ValidationError> {
    match (order.status, order.completed_at) {
        (OrderStatusWire::Completed, None) => {
            Err(rule("/completed_at", "is required for a completed order"))
        }
        (OrderStatusWire::Pending | OrderStatusWire::Cancelled, Some(_)) => {
            Err(rule("/completed_at", "goes with status completed only"))
        }
        _ => Ok(()),
    }
}

impl OrderIn {
    /// The order, under its identifier.
    ///
    /// # Errors
    /// `invalid_request` where a text means nothing.
    pub fn into_order(self, id: OrderId) -> ApiResult<Order> {
        let fault =
            |pointer: &str, detail: String| ApiError::invalid(vec![Fault::new(pointer, detail)]);
        let currency = Currency::parse(&self.currency)
            .ok_or_else(|| fault("/currency", "is no currency of ISO 4217".to_owned()))?;
        Ok(Order {
            id,
            customer: CustomerId::parse(&self.customer_id)
                .map_err(|error| fault("/customer_id", error.to_string()))?,
            status: self.status.into(),
            total: parse_amount(&self.total, currency)
                .map_err(|error| fault("/total", error.to_string()))?,
            currency,
            placed_at: self.placed_at.0,
            completed_at: self.completed_at.map(|at| at.0),
            updated_at: self.updated_at.map(|at| at.0),
        })
    }
}

/// An order as it is stored.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct OrderOut {
    /// The order's identifier.
    #[schema(examples("o1"))]
    pub order_id: String,
    /// Whose order it is.
    #[schema(examples("c1"))]
    pub customer_id: String,
    /// `pending`, `completed` or `cancelled`.
    #[schema(examples("completed"))]
    pub status: String,
    /// The total with tax and shipping.
    #[schema(examples("129.95"))]
    pub total: String,
    /// What refunds have taken off it.
    #[schema(examples("0.00"))]
    pub refunded: String,
    /// The program's currency.
    #[schema(examples("GBP"))]
    pub currency: String,
    /// When it was placed.
    #[schema(examples("2024-06-01T09:58:00Z"))]
    pub placed_at: At,
    /// When it was completed.
    #[schema(required, examples("2024-06-01T10:00:00Z"))]
    pub completed_at: Option<At>,
    /// The shop's own time of this version.
    #[schema(required, examples("2024-06-01T10:00:00Z"))]
    pub updated_at: Option<At>,
    /// The badge's word of the customer: `active`, `vip`, `caution` or `do_not_serve`.
    #[schema(examples("active"))]
    pub customer_status: String,
}

impl OrderOut {
    /// A stored order, in the program's currency, and its customer's status.
    ///
    /// # Errors
    /// `internal` where a stored instant is none.
    pub fn new(row: &OrderRow, customer: Status, currency: Currency) -> ApiResult<Self> {
        Ok(Self {
            order_id: row.order_id.clone(),
            customer_id: row.customer_id.clone(),
            status: word(&OrderStatus::WORDS, &row.status()?).to_owned(),
            total: Amount(row.total, currency).to_string(),
            refunded: Amount(row.refunded, currency).to_string(),
            currency: currency.code().to_owned(),
            placed_at: At(instant(row.placed_at)?),
            completed_at: maybe_instant(row.completed_at)?.map(At),
            updated_at: maybe_instant(row.updated_at)?.map(At),
            customer_status: word(&Status::WORDS, &customer).to_owned(),
        })
    }
}

/// An order that was sent, and where its customer stands.
#[derive(Debug, Serialize, ToSchema)]
pub struct OrderRecordedOut {
    /// The order as it is stored now.
    pub order: OrderOut,
    /// The customer's membership without and with it.
    pub membership: MembershipChangeOut,
    /// What this moved in the customer's ledger.
    pub earned: EarnedOut,
    /// What the customer has then; of what was spent before it was refunded,
    /// what is owed.
    pub balances: BalancesOut,
}

/// The status of an answer to a PUT.
pub fn put_status(stored: Stored) -> StatusCode {
    match stored {
        Stored::Created => StatusCode::CREATED,
        Stored::Changed | Stored::Unchanged => StatusCode::OK,
    }
}

problems!(PutOrderProblems: TOKEN, BODY, &[
    Code::StoreNotSetUp, Code::CurrencyMismatch, Code::TooFarAhead, Code::OrderCustomerFixed,
    Code::TotalBelowRefunds, Code::FigureOverflow, Code::PreconditionFailed,
]);

/// Send an order, or another state of one.
///
/// The first time is 201; the same again is 200 and changes nothing. Another
/// body is a correction: the customer's history is folded as if it had always
/// been so. Once it is completed, an order that counts earns store credit and
/// points by the tier that the customer held before it (the higher of the one
/// reached and that of an active designation). Those terms are its for good:
/// a refund, a correction or a cancellation books the difference. Roles:
/// `storefront`.
#[utoipa::path(
    tag = "Facts",
    operation_id = "put_order",
    security(("token" = [])),
    params(
        ("order_id" = String, Path, description = "The order's identifier, the shop's own.", pattern = "^[A-Za-z0-9._:-]{1,64}$", example = "o1"),
        ("If-Match" = Option<String>, Header, description = "Change it only if it is still this version (an `ETag`)."),
    ),
    request_body(content = OrderIn, example = json!({
        "customer_id": "c1", "status": "completed", "total": "129.95", "currency": "GBP",
        "placed_at": "2024-06-01T09:58:00Z", "completed_at": "2024-06-01T10:00:00Z",
    })),
    responses(
        (status = 201, description = "The order is new.", body = OrderRecordedOut),
        (status = 200, description = "The order was known; it is as it was sent, unless a newer state was known.", body = OrderRecordedOut),
        PutOrderProblems,
    ),
)]
#[put("/v1/orders/{order_id}")]
pub async fn put_order(
    allowed: Allowed<WriteFacts>,
    id: Id<OrderId>,
    _: NoQuery,
    if_match: IfMatchHeader,
    body: Json<OrderIn>,
    db: web::Data<Db>,
) -> ApiResult<HttpResponse> {
    let store = allowed.caller.store;
    let order = body.0.into_order(id.0)?;
    let recorded =
        db.write(move |tx| facts::put_order(tx, &store, &order, &if_match.0, wire::now())).await?;
    let currency = recorded.program.program.currency;
    let membership = |m| MembershipOut::new(&recorded.row.customer_id, m, currency);
    let out = OrderRecordedOut {
        order: OrderOut::new(&recorded.row, recorded.status, currency)?,
        membership: MembershipChangeOut {
            before: membership(&recorded.before),
            after: membership(&recorded.after),
        },
        earned: EarnedOut::new(recorded.earned.moved, currency),
        balances: BalancesOut::new(recorded.earned.balance, currency),
    };
    Ok(HttpResponse::build(put_status(recorded.stored))
        .insert_header(etag(recorded.row.version))
        .json(out))
}

problems!(GetOrderProblems: ANY_TOKEN, &[Code::NotFound, Code::InvalidRequest, Code::StoreNotSetUp]);

/// One order.
///
/// Roles: all.
#[utoipa::path(
    tag = "Facts",
    operation_id = "get_order",
    security(("token" = [])),
    params(("order_id" = String, Path, description = "The order's identifier.", pattern = "^[A-Za-z0-9._:-]{1,64}$", example = "o1")),
    responses((status = 200, description = "The order as it is stored.", body = OrderOut), GetOrderProblems),
)]
#[get("/v1/orders/{order_id}")]
pub async fn get_order(
    allowed: Allowed<ReadOne>,
    id: Id<OrderId>,
    _: NoQuery,
    db: web::Data<Db>,
) -> ApiResult<HttpResponse> {
    let (record, (row, status)) = read_of_store(&db, allowed.caller.store, move |tx, store, _| {
        let order = orders::find(tx, store, &id.0)?.ok_or(Refusal::NotFound("order"))?;
        let customer = CustomerId::parse(&order.customer_id)?;
        let customer = customers::find(tx, store, &customer)?.ok_or(Refusal::NotFound("order"))?;
        Ok((order, customer.status(wire::now())?))
    })
    .await?;
    let out = OrderOut::new(&row, status, record.program.currency)?;
    Ok(HttpResponse::Ok().insert_header(etag(row.version)).json(out))
}

/// What a list of orders is narrowed down to.
#[derive(Debug, Deserialize, IntoParams, Validate)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct OrdersQuery {
    /// Only orders of this status.
    #[param(inline)]
    status: Option<OrderStatusWire>,
    /// Only orders of customers with this status.
    #[param(inline)]
    customer_status: Option<StatusWire>,
    /// Only orders placed at or after this instant.
    #[param(inline, example = "2024-01-01T00:00:00Z")]
    placed_from: Option<At>,
    /// Only orders placed before this instant.
    #[param(inline, example = "2025-01-01T00:00:00Z")]
    placed_before: Option<At>,
    /// What to sort by, a minus before it for the highest first; `-placed_at` by default.
    #[param(inline)]
    sort: Option<OrderSort>,
    /// How many to answer: 1 to 200, 50 by default.
    #[param(minimum = 1, maximum = 200, example = 50)]
    limit: Option<i64>,
    /// Where to go on: the `next_cursor` of the page before, under the same sort.
    #[validate(custom(function = "wire::is_cursor"))]
    #[param(format = "cursor", pattern = "^[A-Za-z0-9_-]+$", max_length = 1500)]
    cursor: Option<String>,
}

/// What orders can be sorted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub enum OrderSort {
    /// When they were placed, the newest first (the default).
    #[serde(rename = "-placed_at")]
    PlacedDescending,
    /// When they were placed.
    #[serde(rename = "placed_at")]
    Placed,
    /// The customer's status, `do_not_serve` first, then `caution`, `vip`, `active`.
    #[serde(rename = "-customer_status")]
    CustomerStatusDescending,
    /// The customer's status, the other way round.
    #[serde(rename = "customer_status")]
    CustomerStatus,
}

impl From<OrderSort> for Sort {
    fn from(sort: OrderSort) -> Self {
        match sort {
            OrderSort::PlacedDescending => Self::PlacedDescending,
            OrderSort::Placed => Self::Placed,
            OrderSort::CustomerStatusDescending => Self::CustomerStatusDescending,
            OrderSort::CustomerStatus => Self::CustomerStatus,
        }
    }
}

/// A page of orders.
#[derive(Debug, Serialize, ToSchema)]
pub struct OrdersOut {
    /// The orders, those placed last first where no other sort is asked for.
    pub orders: Vec<OrderOut>,
    /// Where the next page begins; null on the last one.
    #[schema(required)]
    pub next_cursor: Option<String>,
}

/// One page of orders, of one customer where that is given.
///
/// # Errors
/// As the operation that asks for it.
pub async fn page_of_orders(
    db: &Db,
    store: crate::domain::id::StoreId,
    customer: Option<CustomerId>,
    query: OrdersQuery,
) -> ApiResult<OrdersOut> {
    let limit = query.limit.unwrap_or(LIMIT_DEFAULT);
    let after: Option<Seek> = query.cursor.as_deref().and_then(wire::parse_cursor);
    let filter = Filter {
        customer,
        status: query.status.map(OrderStatus::from),
        placed_from: query.placed_from.map(|at| at.0),
        placed_before: query.placed_before.map(|at| at.0),
        customer_status: query.customer_status.map(Status::from),
    };
    let sort = query.sort.map_or(Sort::PlacedDescending, Sort::from);
    if filter.customer.is_none() {
        catch_up(db, &store, Shows::Statuses).await;
    }
    let (record, rows) = read_of_store(db, store, move |tx, store, _| {
        if let Some(customer) = &filter.customer {
            customers::find(tx, store, customer)?.ok_or(Refusal::NotFound("customer"))?;
        }
        Ok(orders::list(tx, store, &filter, sort, after.as_ref(), limit.saturating_add(1))?)
    })
    .await?;
    let currency = record.program.currency;
    let (rows, next_cursor) = wire::page(rows, limit, |row: &Listed| row.seek(sort));
    let now = wire::now();
    let out = |row: &Listed| {
        let status = status_of(row.flag.as_deref(), row.vip_until, now)?;
        OrderOut::new(&row.order, status, currency)
    };
    let orders = rows.iter().map(out).collect::<ApiResult<_>>()?;
    Ok(OrdersOut { orders, next_cursor })
}

problems!(ListOrdersProblems: TOKEN, &[Code::InvalidRequest, Code::StoreNotSetUp]);

/// The store's orders, those placed last first.
///
/// Roles: `support`, `manager`, `administrator`, `platform_admin`.
#[utoipa::path(
    tag = "Facts",
    operation_id = "list_orders",
    security(("token" = [])),
    params(OrdersQuery),
    responses((status = 200, description = "A page of orders.", body = OrdersOut), ListOrdersProblems),
)]
#[get("/v1/orders")]
pub async fn list_orders(
    allowed: Allowed<ReadLists>,
    query: Query<OrdersQuery>,
    db: web::Data<Db>,
) -> ApiResult<HttpResponse> {
    Ok(HttpResponse::Ok().json(page_of_orders(&db, allowed.caller.store, None, query.0).await?))
}

problems!(ListCustomerOrdersProblems: TOKEN, &[Code::InvalidRequest, Code::NotFound, Code::StoreNotSetUp]);

/// One customer's orders, those placed last first.
///
/// Roles: `support`, `manager`, `administrator`, `platform_admin`.
#[utoipa::path(
    tag = "Facts",
    operation_id = "list_customer_orders",
    security(("token" = [])),
    params(
        ("customer_id" = String, Path, description = "The customer's identifier.", pattern = "^[A-Za-z0-9._:-]{1,64}$", example = "c1"),
        OrdersQuery,
    ),
    responses((status = 200, description = "A page of orders.", body = OrdersOut), ListCustomerOrdersProblems),
)]
#[get("/v1/customers/{customer_id}/orders")]
pub async fn list_customer_orders(
    allowed: Allowed<ReadLists>,
    id: Id<CustomerId>,
    query: Query<OrdersQuery>,
    db: web::Data<Db>,
) -> ApiResult<HttpResponse> {
    let out = page_of_orders(&db, allowed.caller.store, Some(id.0), query.0).await?;
    Ok(HttpResponse::Ok().json(out))
}
