//! Orders, and the histories that are folded.

use super::customers::gravity;
use super::page::{self, Seek};
use super::schema::{activities, customers, orders, refunds};
use super::{Error, Result, Tx, instant, maybe_instant, micros, on_either, stored_word};
use crate::domain::Instant;
use crate::domain::fact::{CompletedOrder, History, OrderStatus, Points, Refund};
use crate::domain::id::{ActivityId, CustomerId, OrderId, RefundId, StoreId};
use crate::domain::status::Status;
use crate::domain::words::word;
use diesel::prelude::*;
use std::collections::BTreeMap;

/// A stored order.
#[derive(Debug, Clone, PartialEq, Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = orders, treat_none_as_null = true, treat_none_as_default_value = false)]
#[expect(missing_docs, reason = "the columns are the API's fields")]
pub struct OrderRow {
    pub store_id: String,
    pub order_id: String,
    pub customer_id: String,
    pub version: i64,
    pub status: String,
    pub total: i64,
    pub refunded: i64,
    pub placed_at: i64,
    pub completed_at: Option<i64>,
    pub updated_at: Option<i64>,
}

impl OrderRow {
    /// The status that the stored word stands for.
    ///
    /// # Errors
    /// [`Error::Corrupt`] for any other word.
    pub fn status(&self) -> Result<OrderStatus> {
        stored_word(&OrderStatus::WORDS, &self.status)
    }

    /// The order as the fold takes it, without its refunds; `None` where it is not completed.
    ///
    /// # Errors
    /// [`Error::Corrupt`] where the row makes no sense.
    pub fn completed(&self) -> Result<Option<CompletedOrder>> {
        let (OrderStatus::Completed, Some(completed_at)) =
            (self.status()?, maybe_instant(self.completed_at)?)
        else {
            return Ok(None);
        };
        Ok(Some(CompletedOrder {
            id: OrderId::parse(&self.order_id)
                .map_err(|_| Error::Corrupt(self.order_id.clone()))?,
            placed_at: instant(self.placed_at)?,
            completed_at,
            total: self.total,
            refunds: Vec::new(),
        }))
    }
}

/// An order.
///
/// # Errors
/// [`Error`] from the database.
pub fn find(tx: &mut Tx<'_>, store: &StoreId, id: &OrderId) -> Result<Option<OrderRow>> {
    Ok(orders::table
        .find((store.as_str(), id.as_str()))
        .select(OrderRow::as_select())
        .get_result(tx.conn)
        .optional()?)
}

/// Stores a new order, unless its identifier is taken; whether it did.
///
/// # Errors
/// [`Error`] from the database.
pub fn insert(tx: &mut Tx<'_>, row: &OrderRow) -> Result<bool> {
    let inserted = on_either!(tx.conn, c => diesel::insert_into(orders::table)
        .values(row)
        .on_conflict_do_nothing()
        .execute(c))?;
    Ok(inserted == 1)
}

/// Stores what has changed of an order.
///
/// # Errors
/// [`Error`] from the database.
pub fn update(tx: &mut Tx<'_>, row: &OrderRow) -> Result<()> {
    diesel::update(orders::table.find((row.store_id.as_str(), row.order_id.as_str())))
        .set(row)
        .execute(tx.conn)?;
    Ok(())
}

/// The customers of orders, by order.
///
/// # Errors
/// [`Error`] from the database.
pub fn customers_of(
    tx: &mut Tx<'_>,
    store: &StoreId,
    ids: &[String],
) -> Result<BTreeMap<String, String>> {
    let mut found = BTreeMap::new();
    for chunk in ids.chunks(500) {
        let rows: Vec<(String, String)> = orders::table
            .filter(orders::store_id.eq(store.as_str()))
            .filter(orders::order_id.eq_any(chunk))
            .select((orders::order_id, orders::customer_id))
            .load(tx.conn)?;
        found.extend(rows);
    }
    Ok(found)
}

/// Whether the store has any fact, of whatever status or kind.
///
/// # Errors
/// [`Error`] from the database.
pub fn has_facts(tx: &mut Tx<'_>, store: &StoreId) -> Result<bool> {
    let orders = orders::table.filter(orders::store_id.eq(store.as_str()));
    let activities = activities::table.filter(activities::store_id.eq(store.as_str()));
    Ok(diesel::select(diesel::dsl::exists(orders)).get_result(tx.conn)?
        || diesel::select(diesel::dsl::exists(activities)).get_result(tx.conn)?)
}

/// What a completed order is worth to rules.
#[derive(Debug, Clone, PartialEq, Eq, Queryable)]
#[expect(missing_docs, reason = "the columns are those of `OrderRow`")]
pub struct CompletedRow {
    pub customer_id: String,
    pub order_id: String,
    pub completed_at: i64,
    pub total: i64,
    pub refunded: i64,
}

/// The orders completed after an instant, of the customers of a range, both
/// ends included.
///
/// # Errors
/// [`Error`] from the database.
pub fn completed_in_range(
    tx: &mut Tx<'_>,
    store: &StoreId,
    (first, last): (&str, &str),
    after: Instant,
) -> Result<Vec<CompletedRow>> {
    let query = orders::table
        .filter(orders::store_id.eq(store.as_str()))
        .filter(orders::completed_at.gt(micros(after)))
        .into_boxed();
    // Of one customer, an index leads to what is wanted and no further.
    let query = if first == last {
        query.filter(orders::customer_id.eq(first))
    } else {
        query.filter(orders::customer_id.between(first, last))
    };
    Ok(query
        .select((
            orders::customer_id,
            orders::order_id,
            orders::completed_at.assume_not_null(),
            orders::total,
            orders::refunded,
        ))
        .load(tx.conn)?)
}

/// What a list of orders is narrowed down to.
#[derive(Debug, Clone, Default)]
#[expect(missing_docs, reason = "the fields are the API's filters")]
pub struct Filter {
    pub customer: Option<CustomerId>,
    pub status: Option<OrderStatus>,
    pub placed_from: Option<Instant>,
    pub placed_before: Option<Instant>,
    pub customer_status: Option<Status>,
}

/// What a list of orders is sorted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sort {
    /// When they were placed, the newest first.
    PlacedDescending,
    /// When they were placed.
    Placed,
    /// The gravity of the customer's status, the gravest first.
    CustomerStatusDescending,
    /// The gravity of the customer's status.
    CustomerStatus,
}

/// An order in a list, with what its customer's status is made of.
#[derive(Debug, Clone, PartialEq, Queryable)]
pub struct Listed {
    /// The order.
    pub order: OrderRow,
    /// The customer's flag.
    pub flag: Option<String>,
    /// When the customer's designation ends.
    pub vip_until: Option<i64>,
    /// The gravity of the status to list the customer by.
    pub customer_status: i64,
}

impl Listed {
    /// The place of this order in a sort.
    pub fn seek(&self, sort: Sort) -> Seek {
        let key = match sort {
            Sort::PlacedDescending | Sort::Placed => self.order.placed_at,
            Sort::CustomerStatusDescending | Sort::CustomerStatus => self.customer_status,
        };
        Seek::number(key, self.order.order_id.clone())
    }
}

/// A page of orders.
///
/// # Errors
/// [`Error`] from the database.
pub fn list(
    tx: &mut Tx<'_>,
    store: &StoreId,
    filter: &Filter,
    sort: Sort,
    after: Option<&Seek>,
    limit: i64,
) -> Result<Vec<Listed>> {
    let mut query = orders::table
        .inner_join(
            customers::table.on(customers::store_id
                .eq(orders::store_id)
                .and(customers::customer_id.eq(orders::customer_id))),
        )
        .filter(orders::store_id.eq(store.as_str()))
        .filter(customers::store_id.eq(store.as_str()))
        .into_boxed();
    if let Some(status) = filter.customer_status {
        query = query.filter(customers::status.eq(gravity(status)));
    }
    if let Some(customer) = &filter.customer {
        query = query.filter(orders::customer_id.eq(customer.as_str()));
    }
    if let Some(status) = &filter.status {
        query = query.filter(orders::status.eq(word(&OrderStatus::WORDS, status)));
    }
    if let Some(from) = filter.placed_from {
        query = query.filter(orders::placed_at.ge(micros(from)));
    }
    if let Some(before) = filter.placed_before {
        query = query.filter(orders::placed_at.lt(micros(before)));
    }
    let is_descending = matches!(sort, Sort::PlacedDescending | Sort::CustomerStatusDescending);
    query = match sort {
        Sort::PlacedDescending | Sort::Placed => {
            page::seek_number!(query, orders::placed_at, orders::order_id, is_descending, after)
        }
        Sort::CustomerStatusDescending | Sort::CustomerStatus => {
            page::seek_number!(query, customers::status, orders::order_id, is_descending, after)
        }
    };
    Ok(query
        .limit(limit)
        .select((OrderRow::as_select(), customers::flag, customers::vip_until, customers::status))
        .load(tx.conn)?)
}

/// The histories of the customers of a range, both ends included; a customer
/// without facts is left out.
///
/// # Errors
/// [`Error`] from the database.
pub fn histories(
    tx: &mut Tx<'_>,
    store: &StoreId,
    first: &str,
    last: &str,
) -> Result<BTreeMap<String, History>> {
    let mut found: BTreeMap<String, History> = BTreeMap::new();
    let mut refunds_of: BTreeMap<String, Vec<Refund>> = BTreeMap::new();
    let rows: Vec<(String, String, i64, i64)> = refunds::table
        .filter(refunds::store_id.eq(store.as_str()))
        .filter(refunds::customer_id.between(first, last))
        .select((refunds::refund_id, refunds::order_id, refunds::amount, refunds::refunded_at))
        .load(tx.conn)?;
    for (id, order_id, amount, refunded_at) in rows {
        let id = RefundId::parse(&id).map_err(|_| Error::Corrupt(id))?;
        let refunded_at = instant(refunded_at)?;
        refunds_of.entry(order_id).or_default().push(Refund { id, refunded_at, amount });
    }
    // Only a completed order has the instant of its completion.
    let rows: Vec<(String, String, Option<i64>, i64, i64)> = orders::table
        .filter(orders::store_id.eq(store.as_str()))
        .filter(orders::customer_id.between(first, last))
        .filter(orders::completed_at.is_not_null())
        .select((
            orders::customer_id,
            orders::order_id,
            orders::completed_at,
            orders::placed_at,
            orders::total,
        ))
        .load(tx.conn)?;
    for (customer, id, completed_at, placed_at, total) in rows {
        let Some(completed_at) = maybe_instant(completed_at)? else { continue };
        let refunds = refunds_of.remove(&id).unwrap_or_default();
        let id = OrderId::parse(&id).map_err(|_| Error::Corrupt(id))?;
        let placed_at = instant(placed_at)?;
        let order = CompletedOrder { id, placed_at, completed_at, total, refunds };
        found.entry(customer).or_default().orders.push(order);
    }
    type Earned = (String, String, i64, Option<i64>, Option<String>);
    let rows: Vec<Earned> = activities::table
        .filter(activities::store_id.eq(store.as_str()))
        .filter(activities::customer_id.between(first, last))
        .filter(activities::points.is_not_null())
        .select((
            activities::customer_id,
            activities::activity_id,
            activities::occurred_at,
            activities::points,
            activities::way_to_earn,
        ))
        .load(tx.conn)?;
    for (customer, id, occurred_at, points, way) in rows {
        let id = ActivityId::parse(&id).map_err(|_| Error::Corrupt(id))?;
        let occurred_at = instant(occurred_at)?;
        let worth = super::activities::worth_of(points, way.as_deref())?;
        found.entry(customer).or_default().points.push(Points { id, occurred_at, worth });
    }
    Ok(found)
}

/// One customer's history.
///
/// # Errors
/// [`Error`] from the database.
pub fn history(tx: &mut Tx<'_>, store: &StoreId, customer: &CustomerId) -> Result<History> {
    let mut found = histories(tx, store, customer.as_str(), customer.as_str())?;
    Ok(found.remove(customer.as_str()).unwrap_or_default())
}
