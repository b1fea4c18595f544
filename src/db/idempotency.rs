//! Answers that are kept under the key that their request came with, and the
//! keys of requests that are being carried out.

use super::schema::kept_answers;
use super::{Conn, Result, Tx, micros, on_either};
use crate::domain::Instant;
use crate::domain::id::{CustomerId, StoreId};
use diesel::prelude::*;
use diesel::sql_types::BigInt;
use sha2::{Digest, Sha256};
use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

diesel::define_sql_function! {
    /// Takes a lock that goes with the transaction, unless another has it.
    fn pg_try_advisory_xact_lock(number: BigInt) -> Bool;
}

/// An answer that was given. What erasure deletes: the whole row.
#[derive(Debug, Clone, PartialEq, Eq, Queryable, Selectable, Insertable)]
#[diesel(table_name = kept_answers, treat_none_as_default_value = false)]
#[expect(missing_docs, reason = "the columns are told of in the migration")]
pub struct KeptRow {
    pub store_id: String,
    pub operation: String,
    pub idempotency_key: String,
    pub fingerprint: String,
    pub customer_id: Option<String>,
    pub kept_at: i64,
    pub status: i64,
    pub etag: Option<String>,
    pub body: String,
}

/// What is kept under a key, however old it is.
///
/// # Errors
/// [`super::Error`] from the database.
pub fn find(
    tx: &mut Tx<'_>,
    store: &StoreId,
    operation: &str,
    key: &str,
) -> Result<Option<KeptRow>> {
    Ok(kept_answers::table
        .find((store.as_str(), operation, key))
        .select(KeptRow::as_select())
        .get_result(tx.conn)
        .optional()?)
}

/// Keeps an answer.
///
/// # Errors
/// [`super::Error`] from the database.
pub fn insert(tx: &mut Tx<'_>, row: &KeptRow) -> Result<()> {
    diesel::insert_into(kept_answers::table).values(row).execute(tx.conn)?;
    Ok(())
}

/// Deletes one answer.
///
/// # Errors
/// [`super::Error`] from the database.
pub fn delete(tx: &mut Tx<'_>, row: &KeptRow) -> Result<()> {
    let key = (&row.store_id, &row.operation, &row.idempotency_key);
    diesel::delete(kept_answers::table.find(key)).execute(tx.conn)?;
    Ok(())
}

/// Deletes what is kept about a customer.
///
/// # Errors
/// [`super::Error`] from the database.
pub fn delete_of_customer(tx: &mut Tx<'_>, store: &StoreId, customer: &CustomerId) -> Result<()> {
    diesel::delete(
        kept_answers::table
            .filter(kept_answers::store_id.eq(store.as_str()))
            .filter(kept_answers::customer_id.eq(customer.as_str())),
    )
    .execute(tx.conn)?;
    Ok(())
}

/// Deletes some of what was kept until an instant, in all stores, the oldest
/// first; how much.
///
/// # Errors
/// [`super::Error`] from the database.
pub fn delete_until(tx: &mut Tx<'_>, until: Instant, limit: i64) -> Result<usize> {
    Ok(on_either!(tx.conn, c => diesel::sql_query(
        "DELETE FROM kept_answers WHERE (store_id, operation, idempotency_key) IN (
            SELECT store_id, operation, idempotency_key FROM kept_answers
            WHERE kept_at <= $1 ORDER BY kept_at LIMIT $2
        )",
    )
    .bind::<BigInt, _>(micros(until))
    .bind::<BigInt, _>(limit)
    .execute(c))?)
}

/// The number that a key is known by while its request is carried out. Keys
/// that share one by chance are told to wait for each other, and nothing more.
pub fn number(store: &StoreId, operation: &str, key: &str) -> i64 {
    let mut hasher = Sha256::new();
    for part in [store.as_str(), operation, key] {
        // None of them holds a space.
        hasher.update(part.as_bytes());
        hasher.update(b" ");
    }
    let digest = hasher.finalize();
    digest.iter().take(8).fold(0, |number, byte| (number << 8) | i64::from(*byte))
}

/// Has the number of a key for this transaction, unless that of another
/// instance has it. Nobody waits. What the one before has stored is seen by
/// every statement after this one. SQLite has one writer at a time.
///
/// # Errors
/// [`super::Error`] from the database.
pub fn lock(tx: &mut Tx<'_>, number: i64) -> Result<bool> {
    match tx.conn {
        Conn::Postgres(c) => Ok(diesel::select(pg_try_advisory_xact_lock(number)).get_result(c)?),
        Conn::Sqlite(_) => Ok(true),
    }
}

/// The numbers of those keys whose requests this process carries out.
#[derive(Debug, Clone, Default)]
pub struct InFlight(Arc<Mutex<HashSet<i64>>>);

impl InFlight {
    /// Has a number until the claim is dropped; `None` where it is taken.
    pub fn claim(&self, number: i64) -> Option<Claim> {
        let mut numbers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        numbers.insert(number).then(|| Claim { number, of: self.clone() })
    }
}

/// While this is there, no other request of this process has the key.
#[derive(Debug)]
pub struct Claim {
    number: i64,
    of: InFlight,
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.of.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_has_one_claim_at_a_time() {
        let in_flight = InFlight::default();
        let claim = in_flight.claim(7).unwrap();
        assert!(in_flight.claim(7).is_none());
        assert!(in_flight.claim(8).is_some());
        drop(claim);
        assert!(in_flight.claim(7).is_some());
    }

    #[test]
    fn the_number_follows_from_store_operation_and_key() {
        let store = |name: &str| StoreId::parse(name).unwrap();
        let one = number(&store("shop"), "post_credit", "k1");
        assert_eq!(one, number(&store("shop"), "post_credit", "k1"));
        let others = [
            number(&store("other"), "post_credit", "k1"),
            number(&store("shop"), "pause_program", "k1"),
            number(&store("shop"), "post_credit", "k2"),
        ];
        assert!(!others.contains(&one));
    }
}
