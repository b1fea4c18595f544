//! Recalculation of a whole store, and telling memberships of time
//! (design, section 3.12).
//!
//! A recalculation reads customers in the order of their identifiers, in
//! bounded batches, folds them and writes what has changed. Each batch is
//! stored together with how far it came, so that a crash repeats nothing and
//! loses nothing. A membership that somebody else wrote meanwhile keeps what
//! they wrote: they had folded it under the new program.

use super::Result;
use crate::db::customers::{self, CustomerRow};
use crate::db::memberships::{self, MembershipRecord, MembershipRow};
use crate::db::programs::{self, Hold, ProgramRecord};
use crate::db::recalculations::{self, COMPLETED, FAILED, RUNNING, RecalculationRow};
use crate::db::{Db, Tx, instant, micros, orders};
use crate::domain::Instant;
use crate::domain::fact::History;
use crate::domain::id::{CustomerId, StoreId, TierCode};
use crate::domain::membership::{Achievements, Fold};
use chrono::Utc;
use std::collections::BTreeMap;

/// How long an instance's claim of a recalculation holds after each batch.
const LEASE_MICROS: i64 = 30_000_000;
/// Customers in one batch.
const BATCH: i64 = 500;

/// Until when a claim made at an instant holds.
pub fn leased_from(now: Instant) -> i64 {
    micros(now).saturating_add(LEASE_MICROS)
}

/// A batch, folded and not yet stored.
struct Folded {
    rows: Vec<MembershipRow>,
    next: RecalculationRow,
}

/// Works on a recalculation that this instance has claimed, until it is
/// finished or patience runs out; answers how it stands then.
///
/// # Errors
/// [`super::Error`] from the database; the recalculation then waits to be taken up again.
pub async fn drive(
    db: &Db,
    row: RecalculationRow,
    patience: std::time::Duration,
) -> Result<RecalculationRow> {
    let started = std::time::Instant::now();
    let mut row = row;
    let mut folded = fold_next(db, row.clone()).await?;
    loop {
        let (lease, next) = (row.leased_until, folded.next.clone());
        let store = db.write(move |tx| store_batch(tx, folded, lease));
        let is_last = next.state != RUNNING || started.elapsed() >= patience;
        // While one batch is stored, the next one is folded already.
        let (stored, ahead) = if is_last {
            (store.await?, None)
        } else {
            let (stored, ahead) = futures_util::future::join(store, fold_next(db, next)).await;
            (stored?, Some(ahead?))
        };
        // Without an answer, somebody else has taken it over.
        let Some(stored) = stored else { return Ok(row) };
        row = stored;
        match ahead {
            Some(ahead) => folded = ahead,
            None if row.state == RUNNING => return release(db, row).await,
            None => return Ok(row),
        }
    }
}

async fn fold_next(db: &Db, job: RecalculationRow) -> Result<Folded> {
    db.read(move |tx| fold_batch(tx, job)).await
}

/// Gives up the claim, so that any instance goes on at once.
async fn release(db: &Db, row: RecalculationRow) -> Result<RecalculationRow> {
    db.write(move |tx| {
        let released = RecalculationRow { leased_until: 0, ..row.clone() };
        recalculations::update(tx, &released, row.leased_until)?;
        Ok(released)
    })
    .await
}

/// Claims recalculations that nobody works on, and finishes them.
///
/// # Errors
/// [`super::Error`] from the database.
pub async fn take_up(db: &Db) -> Result<()> {
    let waiting = db
        .read(|tx| Ok::<_, super::Error>(recalculations::list_unclaimed(tx, Utc::now())?))
        .await?;
    for row in waiting {
        let claimed = db
            .write(move |tx| {
                let claimed =
                    RecalculationRow { leased_until: leased_from(Utc::now()), ..row.clone() };
                let is_ours = recalculations::update(tx, &claimed, row.leased_until)?;
                Ok::<_, super::Error>(is_ours.then_some(claimed))
            })
            .await?;
        if let Some(claimed) = claimed {
            drive(db, claimed, std::time::Duration::MAX).await?;
        }
    }
    Ok(())
}

fn fold_batch(tx: &mut Tx<'_>, job: RecalculationRow) -> Result<Folded> {
    let store = StoreId::parse(&job.store_id)?;
    let program = programs::parse(job.program_version, &job.program)?;
    let now = Utc::now();
    let rows = memberships::list_after(tx, &store, job.done_through.as_deref(), BATCH)?;
    let mut next = RecalculationRow { leased_until: leased_from(now), ..job };
    let (Some(first), Some(last)) = (rows.first(), rows.last()) else {
        next.state = COMPLETED.to_owned();
        next.finished_at = Some(micros(now));
        return Ok(Folded { rows: Vec::new(), next });
    };
    next.done_through = Some(last.customer_id.clone());
    let customers = customers::in_range(tx, &store, &first.customer_id, &last.customer_id)?;
    let is_stale = |row: &MembershipRow| {
        row.through_at.is_some()
            && next.refold_from.is_some_and(|from| row.through_at >= Some(from))
            && row.program_version < next.program_version
    };
    let mut histories =
        match (rows.iter().find(|r| is_stale(r)), rows.iter().rfind(|r| is_stale(r))) {
            (Some(first), Some(last)) => {
                orders::histories(tx, &store, &first.customer_id, &last.customer_id)?
            }
            _ => BTreeMap::new(),
        };
    let mut changed = Vec::new();
    for row in rows {
        next.customers_done = next.customers_done.saturating_add(1);
        let Some(customer) = customers.get(&row.customer_id) else { continue };
        let history =
            is_stale(&row).then(|| histories.remove(&row.customer_id).unwrap_or_default());
        let folded = match refold(&program, customer, &row, history, next.allow_downgrades, now) {
            Ok(folded) => folded,
            Err(super::Error::Refused(refusal)) => {
                next.state = FAILED.to_owned();
                next.failure = Some(format!("customer {}: {refusal}", row.customer_id));
                next.finished_at = Some(micros(now));
                break;
            }
            Err(error) => return Err(error),
        };
        // The row as it would be had nothing changed but the bookkeeping.
        let MembershipRow { sequence, program_version, due_at, .. } = folded;
        let same = MembershipRow { sequence, program_version, ..row.clone() };
        if folded == same {
            continue;
        }
        if folded != (MembershipRow { due_at, ..same }) {
            next.customers_changed = next.customers_changed.saturating_add(1);
        }
        let rank = |tier: &Option<String>| {
            let code = tier.as_deref().and_then(|code| TierCode::parse(code).ok());
            program.program.latest().ladder.rank(code.as_ref())
        };
        if rank(&folded.tier) > rank(&row.tier) {
            next.customers_upgraded = next.customers_upgraded.saturating_add(1);
        }
        if rank(&folded.tier) < rank(&row.tier) {
            next.customers_downgraded = next.customers_downgraded.saturating_add(1);
        }
        changed.push(folded);
    }
    Ok(Folded { rows: changed, next })
}

/// A membership's row under a program: folded from its history where that is
/// given, and else told of time alone.
fn refold(
    program: &ProgramRecord,
    customer: &CustomerRow,
    row: &MembershipRow,
    history: Option<History>,
    allow_downgrades: bool,
    now: Instant,
) -> Result<MembershipRow> {
    let store = StoreId::parse(&row.store_id)?;
    let id = CustomerId::parse(&row.customer_id)?;
    let joining = customer.joining()?;
    let mut record = MembershipRecord::try_from(row.clone())?;
    if let Some(history) = history {
        let fold = Fold::of(&program.program, joining, &history, None)?;
        let (state, steps) = fold.into_parts();
        if allow_downgrades {
            record.achievements = Achievements::default();
        }
        record.achievements.record(&program.program, &state, &steps);
        record.state = state;
    }
    record.sequence = record.sequence.saturating_add(1);
    record.program_version = program.version;
    Ok(record.to_row(&store, &id, &program.program, joining, now)?)
}

/// Stores a batch if the claim still holds; answers how the recalculation stands then.
fn store_batch(tx: &mut Tx<'_>, folded: Folded, lease: i64) -> Result<Option<RecalculationRow>> {
    let Folded { rows, next } = folded;
    let store = StoreId::parse(&next.store_id)?;
    let is_over = next.state != RUNNING;
    // The program first, as every other transaction does.
    let hold = if is_over && !next.is_dry_run { Hold::Update } else { Hold::Share };
    let program = super::memberships::program_of(tx, &store, hold)?;
    if !recalculations::update(tx, &next, lease)? {
        return Ok(None);
    }
    if !next.is_dry_run {
        memberships::update_many(tx, &rows)?;
        let is_ours =
            program.pending.as_ref().is_some_and(|p| p.recalculation_id == next.recalculation_id);
        if next.state == COMPLETED && is_ours {
            let record = ProgramRecord {
                version: program.version.saturating_add(1),
                pending: None,
                ..(*program).clone()
            };
            programs::upsert(tx, &store, &record, instant(next.finished_at.unwrap_or_default())?)?;
        }
    }
    Ok(Some(next))
}

/// Tells memberships of what time alone has brought by now, a bounded number
/// of them; how many they were.
///
/// # Errors
/// [`super::Error`] from the database.
pub async fn tell_time(db: &Db) -> Result<usize> {
    let rows = db
        .read(|tx| {
            let now = Utc::now();
            let mut told = Vec::new();
            for row in memberships::list_due(tx, now, BATCH)? {
                let store = StoreId::parse(&row.store_id)?;
                let id = CustomerId::parse(&row.customer_id)?;
                let program = programs::find(tx, &store, Hold::Read)?;
                let (Some(program), Some(customer)) = (program, customers::find(tx, &store, &id)?)
                else {
                    continue;
                };
                let through = row.through_at.map(instant).transpose()?;
                let history = if program.is_stale(row.program_version, through) {
                    Some(orders::history(tx, &store, &id)?)
                } else {
                    None
                };
                // Rows of a version that is gone by the time of writing are told again.
                let drops = program.drops_achievements();
                match refold(&program, &customer, &row, history, drops, now) {
                    Ok(row) => told.push(row),
                    // A total that does not fit is this customer's alone to wait for.
                    Err(super::Error::Refused(refusal)) => {
                        tracing::warn!(%refusal, "a membership can't be told of time");
                    }
                    Err(error) => return Err(error),
                }
            }
            Ok::<_, super::Error>(told)
        })
        .await?;
    let count = rows.len();
    if count > 0 {
        db.write(move |tx| {
            for row in &rows {
                let store = StoreId::parse(&row.store_id)?;
                let program = super::memberships::program_of(tx, &store, Hold::Share)?;
                if program.version == row.program_version {
                    memberships::update(tx, row)?;
                }
            }
            Ok::<_, super::Error>(())
        })
        .await?;
    }
    Ok(count)
}

/// Does the work of the background until it is dropped: recalculations that
/// wait, and memberships that time has changed.
pub async fn work(db: Db) {
    loop {
        let mut is_busy = false;
        if let Err(error) = take_up(&db).await {
            tracing::warn!(%error, "a recalculation is put off");
        }
        match tell_time(&db).await {
            Ok(told) => is_busy = told > 0,
            Err(error) => tracing::warn!(%error, "telling memberships of time is put off"),
        }
        if !is_busy {
            tokio::time::sleep(std::time::Duration::from_millis(500)).await;
        }
    }
}
