//! Requests that carry a key are carried out once, however often they are
//! sent: the answer is kept in the transaction of what was done, and whoever
//! sends the same again is given it.

use super::background::Worker;
use super::{Error, Refusal, Result};
use crate::db::idempotency::{self, KeptRow};
use crate::db::{self, Db, Tx, instant, micros};
use crate::domain::Instant;
use crate::domain::id::{CustomerId, StoreId};
use chrono::{Duration, Utc};

/// How long an answer is kept.
const KEPT_FOR: Duration = Duration::hours(24);
/// How many answers are deleted in one transaction.
const BATCH: i64 = 500;

/// A request that carries a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Keyed {
    /// The store that it is for.
    pub store: StoreId,
    /// What it is for; each operation has its own keys.
    pub operation: &'static str,
    /// The key.
    pub key: String,
    /// A text that differs where requests do.
    pub fingerprint: String,
}

/// An answer as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The entity tag, where there is one.
    pub etag: Option<String>,
    /// The body: JSON.
    pub body: String,
    /// The customer whom it tells of; erasing them deletes it.
    pub customer: Option<CustomerId>,
}

/// What came of a request.
#[derive(Debug)]
pub struct Answered<T> {
    /// What to answer.
    pub answer: Answer,
    /// What else was made of it; `None` where it was carried out before.
    pub made: Option<T>,
}

/// Carries a request out and keeps its answer, in one transaction; or answers
/// what is kept. Nothing is kept of what is refused or fails.
///
/// # Errors
/// [`Refusal::IdempotencyInFlight`] while another request has the key,
/// [`Refusal::IdempotencyKeyReused`] where another one had it, what the closure
/// answers, or [`Error`] from the database.
pub async fn once<T, E>(
    db: &Db,
    keyed: Keyed,
    job: impl FnOnce(&mut Tx<'_>) -> std::result::Result<(Answer, T), E> + Send + 'static,
) -> std::result::Result<Answered<T>, E>
where
    T: Send + 'static,
    E: From<Error> + From<db::Error> + Send + 'static,
{
    let in_flight = || E::from(Error::from(Refusal::IdempotencyInFlight));
    let number = idempotency::number(&keyed.store, keyed.operation, &keyed.key);
    // Of this process, before anything waits for the database.
    let claim = db.in_flight().claim(number).ok_or_else(in_flight)?;
    let written = db.write(move |tx| {
        // And of all instances.
        if !idempotency::lock(tx, number)? {
            return Err(in_flight());
        }
        let answered = match find(tx, &keyed, Utc::now())? {
            Some(answer) => Answered { answer, made: None },
            None => {
                let (answer, made) = job(tx)?;
                keep(tx, keyed, &answer)?;
                Answered { answer, made: Some(made) }
            }
        };
        // The key stays taken until this is committed.
        Ok((answered, claim))
    });
    written.await.map(|(answered, _)| answered)
}

/// What is kept of the same request; what is past is deleted.
fn find(tx: &mut Tx<'_>, keyed: &Keyed, now: Instant) -> Result<Option<Answer>> {
    let kept = idempotency::find(tx, &keyed.store, keyed.operation, &keyed.key)?;
    let Some(row) = kept else { return Ok(None) };
    if instant(row.kept_at)? <= past(now) {
        idempotency::delete(tx, &row)?;
        return Ok(None);
    }
    if row.fingerprint != keyed.fingerprint {
        return Err(Refusal::IdempotencyKeyReused.into());
    }
    let status = u16::try_from(row.status)
        .map_err(|_| db::Error::Corrupt(format!("{} is no HTTP status", row.status)))?;
    let customer = row.customer_id.as_deref().map(CustomerId::parse).transpose()?;
    Ok(Some(Answer { status, etag: row.etag, body: row.body, customer }))
}

fn keep(tx: &mut Tx<'_>, keyed: Keyed, answer: &Answer) -> Result<()> {
    let row = KeptRow {
        store_id: keyed.store.to_string(),
        operation: keyed.operation.to_owned(),
        idempotency_key: keyed.key,
        fingerprint: keyed.fingerprint,
        customer_id: answer.customer.as_ref().map(CustomerId::to_string),
        kept_at: micros(Utc::now()),
        status: i64::from(answer.status),
        etag: answer.etag.clone(),
        body: answer.body.clone(),
    };
    Ok(idempotency::insert(tx, &row)?)
}

/// What was kept until then is past.
fn past(now: Instant) -> Instant {
    now.checked_sub_signed(KEPT_FOR).unwrap_or(now)
}

/// Deletes the answers that are past, a bounded number in each transaction; of
/// how many requests.
///
/// # Errors
/// [`Error`] from the database.
pub async fn forget(db: &Db, now: Instant) -> Result<usize> {
    let full = usize::try_from(BATCH).unwrap_or(usize::MAX);
    let mut count = 0_usize;
    loop {
        let deleted = db
            .write(move |tx| Ok::<_, Error>(idempotency::delete_until(tx, past(now), BATCH)?))
            .await?;
        count = count.saturating_add(deleted);
        if deleted < full {
            return Ok(count);
        }
    }
}

/// Deletes what is past until it is dropped.
pub async fn work(db: Db, worker: &Worker) {
    loop {
        worker.note(forget(&db, Utc::now()).await, "forgetting kept answers");
        tokio::time::sleep(std::time::Duration::from_secs(60)).await;
    }
}
