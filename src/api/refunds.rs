//! Refunds.

use super::auth::{Allowed, ReadLists, ReadOne, WriteFacts};
use super::extract::{Id, Json, NoQuery, Query};
use super::orders::put_status;
use super::problem::{ANY_TOKEN, ApiError, ApiResult, BODY, Code, Fault, TOKEN, problems};
use super::read_of_store;
use super::rewards::{BalancesOut, EarnedOut};
use super::wire::{self, At, MembershipChangeOut, MembershipOut, PageQuery};
use crate::db::page::Seek;
use crate::db::refunds::{self, RefundRow};
use crate::db::{Db, customers, instant};
use crate::domain::id::{CustomerId, OrderId, RefundId};
use crate::domain::money::{Amount, Currency};
use crate::workflow::Refusal;
use crate::workflow::facts::{self, Refund};
use actix_web::{HttpResponse, get, put, web};

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use validator::Validate;

/// A refund as the shop states it.
#[derive(Debug, Clone, Deserialize, ToSchema, Validate)]
#[serde(deny_unknown_fields)]
pub struct RefundIn {
    /// The order that money was given back for.
    #[schema(pattern = "^[A-Za-z0-9._:-]{1,64}$", examples("o1"))]
    pub order_id: String,
    /// How much, as a decimal string in the program's currency.
    #[schema(pattern = r"^[0-9]{1,19}(\.[0-9]{1,4})?$", examples("12.75"))]
    pub amount: String,
    /// When it was given.
    #[schema(examples("2024-06-08T12:00:00Z"))]
    pub refunded_at: At,
}

impl RefundIn {
    /// The refund, under its identifier.
    ///
    /// # Errors
    /// `invalid_request` where a text means nothing.
    pub fn into_refund(self, id: RefundId) -> ApiResult<Refund> {
        let order = OrderId::parse(&self.order_id)
            .map_err(|error| ApiError::invalid(vec![Fault::new("/order_id", error.to_string())]))?;
        Ok(Refund { id, order, amount: self.amount, refunded_at: self.refunded_at.0 })
    }
}

/// A refund as it is stored.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct RefundOut {
    /// The refund's identifier.
    #[schema(examples("r1"))]
    pub refund_id: String,
    /// The order that money was given back for.
    #[schema(examples("o1"))]
    pub order_id: String,
    /// The order's customer.
    #[schema(examples("c1"))]
    pub customer_id: String,
    /// How much, in the program's currency.
    #[schema(examples("12.75"))]
    pub amount: String,
    /// When it was given.
    #[schema(examples("2024-06-08T12:00:00Z"))]
    pub refunded_at: At,
}

impl RefundOut {
    /// A stored refund, in the program's currency.
    ///
    /// # Errors
    /// `internal` where a stored instant is none.
    pub fn new(row: &RefundRow, currency: Currency) -> ApiResult<Self> {
        Ok(Self {
            refund_id: row.refund_id.clone(),
            order_id: row.order_id.clone(),
            customer_id: row.customer_id.clone(),
            amount: Amount(row.amount, currency).to_string(),
            refunded_at: At(instant(row.refunded_at)?),
        })
    }
}

/// A refund that was sent, and where its customer stands.
#[derive(Debug, Serialize, ToSchema)]
pub struct RefundRecordedOut {
    /// The refund as it is stored.
    pub refund: RefundOut,
    /// The customer's membership without and with it.
    pub membership: MembershipChangeOut,
    /// What this moved in the customer's ledger.
    pub earned: EarnedOut,
    /// What the customer has then; of what was spent before it was refunded,
    /// what is owed.
    pub balances: BalancesOut,
}

problems!(PutRefundProblems: TOKEN, BODY, &[
    Code::FigureOverflow,
    Code::StoreNotSetUp, Code::UnknownOrder, Code::AmountNotInCurrency, Code::TooFarAhead,
    Code::RefundExceedsOrder, Code::RefundImmutable,
]);

/// Send a refund.
///
/// It lowers the progress of the period in which its order was completed, and
/// the lifetime figures, and never a tier. It takes back what its share of the
/// order earned, at the terms of the order; of what was spent already, the
/// answer's `balances` say what is owed. The first time is 201; the same again
/// is 200 and changes nothing. Roles: `storefront`.
#[utoipa::path(
    tag = "Facts",
    operation_id = "put_refund",
    security(("token" = [])),
    params(("refund_id" = String, Path, description = "The refund's identifier, the shop's own.", pattern = "^[A-Za-z0-9._:-]{1,64}$", example = "r1")),
    request_body(content = RefundIn, example = json!({"order_id": "o1", "amount": "12.75", "refunded_at": "2024-06-08T12:00:00Z"})),
    responses(
        (status = 201, description = "The refund is new.", body = RefundRecordedOut),
        (status = 200, description = "The refund was known; nothing changed.", body = RefundRecordedOut),
        PutRefundProblems,
    ),
)]
#[put("/v1/refunds/{refund_id}")]
pub async fn put_refund(
    allowed: Allowed<WriteFacts>,
    id: Id<RefundId>,
    _: NoQuery,
    body: Json<RefundIn>,
    db: web::Data<Db>,
) -> ApiResult<HttpResponse> {
    let store = allowed.caller.store;
    let refund = body.0.into_refund(id.0)?;
    let recorded = db.write(move |tx| facts::put_refund(tx, &store, &refund, wire::now())).await?;
    let currency = recorded.program.program.currency;
    let membership = |m| MembershipOut::new(&recorded.row.customer_id, m, currency);
    let out = RefundRecordedOut {
        refund: RefundOut::new(&recorded.row, currency)?,
        membership: MembershipChangeOut {
            before: membership(&recorded.before),
            after: membership(&recorded.after),
        },
        earned: EarnedOut::new(recorded.earned.moved, currency),
        balances: BalancesOut::new(recorded.earned.balance, currency),
    };
    Ok(HttpResponse::build(put_status(recorded.stored)).json(out))
}

problems!(GetRefundProblems: ANY_TOKEN, &[Code::NotFound, Code::InvalidRequest, Code::StoreNotSetUp]);

/// One refund.
///
/// Roles: all.
#[utoipa::path(
    tag = "Facts",
    operation_id = "get_refund",
    security(("token" = [])),
    params(("refund_id" = String, Path, description = "The refund's identifier.", pattern = "^[A-Za-z0-9._:-]{1,64}$", example = "r1")),
    responses((status = 200, description = "The refund as it is stored.", body = RefundOut), GetRefundProblems),
)]
#[get("/v1/refunds/{refund_id}")]
pub async fn get_refund(
    allowed: Allowed<ReadOne>,
    id: Id<RefundId>,
    _: NoQuery,
    db: web::Data<Db>,
) -> ApiResult<HttpResponse> {
    let (record, row) = read_of_store(&db, allowed.caller.store, move |tx, store, _| {
        Ok(refunds::find(tx, store, &id.0)?.ok_or(Refusal::NotFound("refund"))?)
    })
    .await?;
    let currency = record.program.currency;
    Ok(HttpResponse::Ok().json(RefundOut::new(&row, currency)?))
}

/// A page of refunds.
#[derive(Debug, Serialize, ToSchema)]
pub struct RefundsOut {
    /// The refunds, newest first.
    pub refunds: Vec<RefundOut>,
    /// Where the next page begins; null on the last one.
    #[schema(required)]
    pub next_cursor: Option<String>,
}

problems!(ListCustomerRefundsProblems: TOKEN, &[Code::InvalidRequest, Code::NotFound, Code::StoreNotSetUp]);

/// One customer's refunds, newest first.
///
/// Roles: `support`, `manager`, `administrator`, `platform_admin`.
#[utoipa::path(
    tag = "Facts",
    operation_id = "list_customer_refunds",
    security(("token" = [])),
    params(
        ("customer_id" = String, Path, description = "The customer's identifier.", pattern = "^[A-Za-z0-9._:-]{1,64}$", example = "c1"),
        PageQuery,
    ),
    responses((status = 200, description = "A page of refunds.", body = RefundsOut), ListCustomerRefundsProblems),
)]
#[get("/v1/customers/{customer_id}/refunds")]
pub async fn list_customer_refunds(
    allowed: Allowed<ReadLists>,
    id: Id<CustomerId>,
    query: Query<PageQuery>,
    db: web::Data<Db>,
) -> ApiResult<HttpResponse> {
    let (limit, after) = (query.0.limit(), query.0.after());
    let (record, rows) = read_of_store(&db, allowed.caller.store, move |tx, store, _| {
        customers::find(tx, store, &id.0)?.ok_or(Refusal::NotFound("customer"))?;
        Ok(refunds::list(tx, store, &id.0, after.as_ref(), limit.saturating_add(1))?)
    })
    .await?;
    let currency = record.program.currency;
    let (rows, next_cursor) =
        wire::page(rows, limit, |row| Seek::number(row.refunded_at, row.refund_id.clone()));
    let refunds = rows.iter().map(|row| RefundOut::new(row, currency)).collect::<ApiResult<_>>()?;
    Ok(HttpResponse::Ok().json(RefundsOut { refunds, next_cursor }))
}
