//! Refunds: immutable once stored.

use super::page::{self, Seek};
use super::schema::refunds;
use super::{Result, Tx, on_either};
use crate::domain::id::{CustomerId, RefundId, StoreId};
use diesel::prelude::*;

/// A stored refund.
#[derive(Debug, Clone, PartialEq, Queryable, Selectable, Insertable)]
#[diesel(table_name = refunds, treat_none_as_default_value = false)]
#[expect(missing_docs, reason = "the columns are the API's fields")]
pub struct RefundRow {
    pub store_id: String,
    pub refund_id: String,
    pub order_id: String,
    pub customer_id: String,
    pub amount: i64,
    pub refunded_at: i64,
}

/// A refund.
///
/// # Errors
/// [`super::Error`] from the database.
pub fn find(tx: &mut Tx<'_>, store: &StoreId, id: &RefundId) -> Result<Option<RefundRow>> {
    Ok(refunds::table
        .find((store.as_str(), id.as_str()))
        .select(RefundRow::as_select())
        .get_result(tx.conn)
        .optional()?)
}

/// Stores a new refund, unless its identifier is taken; whether it did.
///
/// # Errors
/// [`super::Error`] from the database.
pub fn insert(tx: &mut Tx<'_>, row: &RefundRow) -> Result<bool> {
    let inserted = on_either!(tx.conn, c => diesel::insert_into(refunds::table)
        .values(row)
        .on_conflict_do_nothing()
        .execute(c))?;
    Ok(inserted == 1)
}

/// A page of one customer's refunds, newest first.
///
/// # Errors
/// [`super::Error`] from the database.
pub fn list(
    tx: &mut Tx<'_>,
    store: &StoreId,
    customer: &CustomerId,
    after: Option<&Seek>,
    limit: i64,
) -> Result<Vec<RefundRow>> {
    let query = refunds::table
        .filter(refunds::store_id.eq(store.as_str()))
        .filter(refunds::customer_id.eq(customer.as_str()))
        .into_boxed();
    let query = page::seek_number!(query, refunds::refunded_at, refunds::refund_id, true, after);
    Ok(query.limit(limit).select(RefundRow::as_select()).load(tx.conn)?)
}
