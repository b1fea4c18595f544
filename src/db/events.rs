//! What happened, for those who poll.
//!
//! Transactions commit in another order than they write, so an event gets no
//! number where it is written: it is numbered once it is committed, by one at
//! a time, and a reader who has seen a number has seen all below it.

use super::page::{self, Seek};
use super::schema::{event_counters, events};
use super::{Result, Tx, locked_row, micros, on_either};
use crate::domain::Instant;
use crate::domain::id::StoreId;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Text};
use serde_json::Value;

/// Something that happened to a customer.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// What, in a word.
    pub kind: &'static str,
    /// To whom.
    pub customer_id: String,
    /// What there is to say of it: identifiers, words, numbers and dates.
    pub data: Value,
}

/// A stored event.
#[derive(Debug, Clone, PartialEq, Queryable)]
#[expect(missing_docs, reason = "the columns are the API's fields")]
pub struct EventRow {
    pub event_id: String,
    pub number: Option<i64>,
    pub kind: String,
    pub customer_id: String,
    pub recorded_at: i64,
    pub data: String,
}

/// Writes events down, in their order.
///
/// # Errors
/// [`super::Error`] from the database.
pub fn insert(tx: &mut Tx<'_>, store: &StoreId, news: &[Event], now: Instant) -> Result<()> {
    // More would be more parameters than a statement has.
    for chunk in news.chunks(500) {
        let rows: Vec<_> = chunk
            .iter()
            .map(|event| {
                (
                    events::store_id.eq(store.as_str()),
                    events::event_id.eq(uuid::Uuid::now_v7().to_string()),
                    events::kind.eq(event.kind),
                    events::customer_id.eq(&event.customer_id),
                    events::recorded_at.eq(micros(now)),
                    events::data.eq(event.data.to_string()),
                )
            })
            .collect();
        on_either!(tx.conn, c => diesel::insert_into(events::table).values(rows).execute(c))?;
    }
    Ok(())
}

/// The stores that have events without a number, some of them.
///
/// # Errors
/// [`super::Error`] from the database.
pub fn stores_to_number(tx: &mut Tx<'_>, limit: i64) -> Result<Vec<String>> {
    Ok(events::table
        .filter(events::number.is_null())
        .select(events::store_id)
        .distinct()
        .limit(limit)
        .load(tx.conn)?)
}

/// Events that have no number yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Waiting {
    /// How many.
    pub count: i64,
    /// When the first of them was written.
    pub since: Option<Instant>,
}

/// The events of all stores that have no number yet; an index holds no others.
///
/// # Errors
/// [`super::Error`] from the database.
pub fn waiting(tx: &mut Tx<'_>) -> Result<Waiting> {
    let (count, first): (i64, Option<String>) = events::table
        .filter(events::number.is_null())
        .select((diesel::dsl::count_star(), diesel::dsl::min(events::event_id)))
        .get_result(tx.conn)?;
    // An identifier tells when it was made.
    let made_at = first.and_then(|id| uuid::Uuid::parse_str(&id).ok()?.get_timestamp());
    let since = made_at.and_then(|at| i64::try_from(at.to_unix().0).ok());
    let since =
        since.map(|seconds| super::instant(seconds.saturating_mul(1_000_000))).transpose()?;
    Ok(Waiting { count, since })
}

/// Numbers events of a store that are committed, some of them; how many. One
/// transaction at a time does it, which holds the store's counter.
///
/// # Errors
/// [`super::Error`] from the database.
pub fn number(tx: &mut Tx<'_>, store: &StoreId, limit: i64) -> Result<usize> {
    on_either!(tx.conn, c => diesel::insert_into(event_counters::table)
        .values((
            event_counters::store_id.eq(store.as_str()),
            event_counters::last_number.eq(0_i64),
        ))
        .on_conflict_do_nothing()
        .execute(c))?;
    let counter = event_counters::table
        .filter(event_counters::store_id.eq(store.as_str()))
        .select(event_counters::last_number);
    let counter: Option<i64> = locked_row!(tx.conn, for_update, counter)?;
    let last = counter.unwrap_or_default();
    // Identifiers are made in the order of time, while the customer is held, so
    // that one customer's events keep their order.
    let numbered = on_either!(tx.conn, c => diesel::sql_query(
        "UPDATE events SET number = $1 + waiting.place FROM (
            SELECT event_id, row_number() OVER (ORDER BY event_id) AS place FROM (
                SELECT event_id FROM events WHERE store_id = $2 AND number IS NULL
                ORDER BY event_id LIMIT $3
            ) AS first
        ) AS waiting
        WHERE events.store_id = $2 AND events.event_id = waiting.event_id",
    )
    .bind::<BigInt, _>(last)
    .bind::<Text, _>(store.as_str())
    .bind::<BigInt, _>(limit)
    .execute(c))?;
    let last = last.saturating_add(i64::try_from(numbered).unwrap_or(i64::MAX));
    diesel::update(event_counters::table.find(store.as_str()))
        .set(event_counters::last_number.eq(last))
        .execute(tx.conn)?;
    Ok(numbered)
}

const COLUMNS: (
    events::event_id,
    events::number,
    events::kind,
    events::customer_id,
    events::recorded_at,
    events::data,
) = (
    events::event_id,
    events::number,
    events::kind,
    events::customer_id,
    events::recorded_at,
    events::data,
);

/// The events after a number, in their order.
///
/// # Errors
/// [`super::Error`] from the database.
pub fn list_after(
    tx: &mut Tx<'_>,
    store: &StoreId,
    after: i64,
    limit: i64,
) -> Result<Vec<EventRow>> {
    Ok(events::table
        .filter(events::store_id.eq(store.as_str()))
        .filter(events::number.gt(after))
        .order(events::number)
        .limit(limit)
        .select(COLUMNS)
        .load(tx.conn)?)
}

/// A customer's events of some kinds, newest first.
///
/// # Errors
/// [`super::Error`] from the database.
pub fn list_of_customer(
    tx: &mut Tx<'_>,
    store: &StoreId,
    customer: &str,
    kinds: &[&str],
    after: Option<&Seek>,
    limit: i64,
) -> Result<Vec<EventRow>> {
    let query = events::table
        .filter(events::store_id.eq(store.as_str()))
        .filter(events::customer_id.eq(customer))
        .filter(events::kind.eq_any(kinds))
        .into_boxed();
    let query = page::seek_number!(query, events::recorded_at, events::event_id, true, after);
    Ok(query.limit(limit).select(COLUMNS).load(tx.conn)?)
}
