//! Recalculation of a whole store, and telling memberships of time
//! (design, section 3.12).
//!
//! A recalculation reads customers in the order of their identifiers, in
//! bounded batches, folds them and writes what has changed. Each batch is
//! stored together with how far it came, so that a crash repeats nothing and
//! loses nothing. A membership that somebody else wrote meanwhile keeps what
//! they wrote: they had folded it under the new program.

use super::Result;
use super::background::Background;
use super::following::Moved;
use crate::db::customers::{self, CustomerRow};
use crate::db::memberships::{self, MembershipRecord, MembershipRow};
use crate::db::programs::{self, Hold, ProgramRecord};
use crate::db::recalculations::{self, COMPLETED, FAILED, RUNNING, RecalculationRow};
use crate::db::{Db, Tx, designations, events, instant, micros, orders, qualifications};
use crate::domain::Instant;
use crate::domain::fact::History;
use crate::domain::id::{CustomerId, StoreId, TierCode};
use crate::domain::membership::{Achievements, Fold};
use chrono::Utc;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

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
    moved: Vec<Moved>,
    /// Who holds a tier that designates, which it may do only now.
    holders: Vec<Moved>,
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
        return Ok(Folded { rows: Vec::new(), moved: Vec::new(), holders: Vec::new(), next });
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
    // A change that reaches into the past is as if it had always been so: who
    // has held a tier that designates only now is designated too.
    let reaches_back = next.refold_from.is_some_and(|from| from < next.started_at);
    let designated = if reaches_back && !next.is_dry_run {
        designations::in_range(tx, &store, &first.customer_id, &last.customer_id)?
    } else {
        BTreeMap::new()
    };
    let mut changed = Vec::new();
    let mut moved = Vec::new();
    let mut holders = Vec::new();
    for row in rows {
        next.customers_done = next.customers_done.saturating_add(1);
        let Some(customer) = customers.get(&row.customer_id) else { continue };
        let history =
            is_stale(&row).then(|| histories.remove(&row.customer_id).unwrap_or_default());
        let folded = match refold(&program, customer, &row, history, next.allow_downgrades, now) {
            Ok((folded, step)) => {
                if reaches_back {
                    let held = Moved { before: None, ..step.clone() };
                    let known = designated.get(&row.customer_id);
                    holders.extend(Some(held).filter(|held| held.is_missed(&program, known, now)));
                }
                moved.extend(Some(step).filter(Moved::is_news));
                folded
            }
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
        let tier_changes = folded.tier_changes.clone();
        if folded != (MembershipRow { due_at, tier_changes, ..same }) {
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
    Ok(Folded { rows: changed, moved, holders, next })
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
) -> Result<(MembershipRow, Moved)> {
    let store = StoreId::parse(&row.store_id)?;
    let id = CustomerId::parse(&row.customer_id)?;
    let joining = customer.joining()?;
    let mut record = MembershipRecord::try_from(row.clone())?;
    let mut told = Vec::new();
    if let Some(history) = history {
        let fold = Fold::of(&program.program, joining, &history, None)?;
        let (state, steps) = fold.into_parts();
        if allow_downgrades {
            record.achievements = Achievements::default();
        }
        record.achievements.record(&program.program, &state, &steps);
        record.state = state;
        told = steps;
    }
    record.sequence = record.sequence.saturating_add(1);
    record.program_version = program.version;
    let stored = record.to_row(&store, &id, &program.program, joining, now)?;
    told.extend(stored.steps);
    let moved = Moved {
        customer: id,
        before: record.listed_tier,
        after: stored.row.tier.as_deref().map(TierCode::parse).transpose()?,
        since: stored.since.unwrap_or(now),
        resets: Moved::resets_of(&told, record.due_at),
    };
    Ok((stored.row, moved))
}

/// Stores a batch if the claim still holds; answers how the recalculation stands then.
fn store_batch(tx: &mut Tx<'_>, folded: Folded, lease: i64) -> Result<Option<RecalculationRow>> {
    let Folded { rows, moved, holders, next } = folded;
    let store = StoreId::parse(&next.store_id)?;
    let is_over = next.state != RUNNING;
    // The program first, as every other transaction does.
    let hold = if is_over && !next.is_dry_run { Hold::Update } else { Hold::Share };
    let program = super::memberships::program_of(tx, &store, hold)?;
    if !recalculations::update(tx, &next, lease)? {
        return Ok(None);
    }
    if !next.is_dry_run {
        store_moved(tx, &store, &program, rows, &moved, &holders)?;
        let is_ours =
            program.pending.as_ref().is_some_and(|p| p.recalculation_id == next.recalculation_id);
        if next.state == COMPLETED && is_ours {
            let record = ProgramRecord {
                version: program.version.saturating_add(1),
                pending: None,
                ..(*program).clone()
            };
            let now = instant(next.finished_at.unwrap_or_default())?;
            programs::upsert(tx, &store, &record, now)?;
            if record.program.qualification.enabled().next().is_some() {
                // The figures that rules judge by may be others now.
                qualifications::restart_pass(tx, &store, now)?;
            }
        }
    }
    Ok(Some(next))
}

/// Stores memberships of one store, each if it is still the one that was read,
/// and what follows from those that were.
fn store_moved(
    tx: &mut Tx<'_>,
    store: &StoreId,
    program: &Arc<ProgramRecord>,
    mut rows: Vec<MembershipRow>,
    moved: &[Moved],
    holders: &[Moved],
) -> Result<()> {
    let now = Utc::now();
    // Customers before memberships, as every other transaction.
    let mut held = BTreeMap::new();
    let climbed = moved.iter().filter(|moved| moved.may_designate(program, now));
    let ids: BTreeSet<_> = climbed.chain(holders).map(|moved| &moved.customer).collect();
    for id in ids {
        held.insert(id, customers::find_locked(tx, store, id)?);
    }
    rows.sort_by(|a, b| a.customer_id.cmp(&b.customer_id));
    let updated = memberships::update_many(tx, &rows)?;
    let news = moved.iter().filter(|moved| updated.contains(moved.customer.as_str()));
    let events: Vec<_> = news.clone().flat_map(Moved::events).collect();
    events::insert(tx, store, &events, now)?;
    for moved in news {
        if let Some(Some(customer)) = held.remove(&moved.customer) {
            moved.designate(tx, store, program, customer, now)?;
        }
    }
    let is_ours = |id: &str| updated.contains(id) || rows.iter().all(|row| row.customer_id != id);
    for holder in holders.iter().filter(|holder| is_ours(holder.customer.as_str())) {
        if let Some(Some(customer)) = held.remove(&holder.customer) {
            holder.designate(tx, store, program, customer, now)?;
        }
    }
    Ok(())
}

/// Tells memberships of what time alone has brought by now, and notes the ends
/// of designations: a bounded number of them, of one store or of all; how many
/// they were.
///
/// # Errors
/// [`super::Error`] from the database.
pub async fn tell_time(db: &Db, only: Option<StoreId>) -> Result<usize> {
    let ended = note_ends(db, only.clone()).await?;
    Ok(ended.saturating_add(tell_memberships(db, only).await?))
}

/// Notes the ends of designations that time has brought by now, a bounded
/// number of them, of one store or of all; how many they were.
async fn note_ends(db: &Db, only: Option<StoreId>) -> Result<usize> {
    let due = db
        .read(move |tx| {
            Ok::<_, super::Error>(designations::list_due(tx, only.as_ref(), Utc::now(), BATCH)?)
        })
        .await?;
    let count = due.len();
    let mut by_store: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (store, customer) in due {
        by_store.entry(store).or_default().insert(customer);
    }
    for (store, customers) in by_store {
        let store = StoreId::parse(&store)?;
        db.write(move |tx| super::designations::note_ends(tx, &store, &customers, Utc::now()))
            .await?;
    }
    Ok(count)
}

async fn tell_memberships(db: &Db, only: Option<StoreId>) -> Result<usize> {
    let rows = db
        .read(move |tx| {
            let now = Utc::now();
            let mut told = Vec::new();
            let due = memberships::list_due(tx, only.as_ref(), now, BATCH)?;
            let mut ids: BTreeMap<String, Vec<String>> = BTreeMap::new();
            for row in &due {
                ids.entry(row.store_id.clone()).or_default().push(row.customer_id.clone());
            }
            let mut stores = BTreeMap::new();
            for (store, ids) in ids {
                let of = StoreId::parse(&store)?;
                let program = programs::find(tx, &of, Hold::Read)?;
                stores.insert(store, (program, customers::find_many(tx, &of, &ids)?));
            }
            for row in due {
                let store = StoreId::parse(&row.store_id)?;
                let id = CustomerId::parse(&row.customer_id)?;
                let Some((Some(program), customers)) = stores.get(&row.store_id) else { continue };
                let Some(customer) = customers.get(&row.customer_id) else { continue };
                let through = row.through_at.map(instant).transpose()?;
                let history = if program.is_stale(row.program_version, through) {
                    Some(orders::history(tx, &store, &id)?)
                } else {
                    None
                };
                // Rows of a version that is gone by the time of writing are told again.
                let drops = program.drops_achievements();
                match refold(program, customer, &row, history, drops, now) {
                    Ok(folded) => told.push(folded),
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
            let mut by_store: BTreeMap<String, (Vec<_>, Vec<_>)> = BTreeMap::new();
            for (row, moved) in rows {
                let of_store = by_store.entry(row.store_id.clone()).or_default();
                of_store.0.push(row);
                of_store.1.extend(Some(moved).filter(Moved::is_news));
            }
            for (store, (mut rows, moved)) in by_store {
                let store = StoreId::parse(&store)?;
                let program = super::memberships::program_of(tx, &store, Hold::Share)?;
                rows.retain(|row| row.program_version == program.version);
                store_moved(tx, &store, &program, rows, &moved, &[])?;
            }
            Ok::<_, super::Error>(())
        })
        .await?;
    }
    Ok(count)
}

/// What of time a list shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shows {
    /// Tiers and statuses.
    Everything,
    /// Statuses alone.
    Statuses,
}

/// Rounds of [`tell_time`] that a list waits for.
const ROUNDS_MAX: usize = 3;

/// Has what time has brought to a store told before a list of it is read, so
/// that the list is right at its instant; whether some of it is left to the
/// background, being too much to wait for.
pub async fn catch_up(db: &Db, store: &StoreId, shows: Shows) -> bool {
    for _ in 0..ROUNDS_MAX {
        match catch_up_once(db, store, shows).await {
            Ok(Some(0)) => return true,
            Ok(Some(_)) => {}
            Ok(None) => return false,
            Err(error) => {
                tracing::warn!(%error, "a list does not wait for what time has brought");
                return true;
            }
        }
    }
    true
}

/// One round; how many were told, and `None` where nothing was due.
async fn catch_up_once(db: &Db, store: &StoreId, shows: Shows) -> Result<Option<usize>> {
    let of = store.clone();
    let is_any_due = db
        .read(move |tx| {
            let now = Utc::now();
            let of_designations = designations::list_due(tx, Some(&of), now, 1)?;
            let is_any = !of_designations.is_empty()
                || (shows == Shows::Everything && memberships::is_any_due(tx, &of, now)?);
            Ok::<_, super::Error>(is_any)
        })
        .await?;
    if !is_any_due {
        return Ok(None);
    }
    let only = Some(store.clone());
    Ok(Some(match shows {
        Shows::Everything => tell_time(db, only).await?,
        Shows::Statuses => note_ends(db, only).await?,
    }))
}

/// Does the work of the background until it is dropped: recalculations that
/// wait, and memberships that time has changed.
pub async fn work(db: Db, background: &Background) {
    loop {
        background.recalculations.note(take_up(&db).await, "a recalculation");
        let told = tell_time(&db, None).await;
        let told = background.time.note(told, "telling memberships of time");
        if told.is_none_or(|told| told == 0) {
            tokio::time::sleep(std::time::Duration::from_millis(500)).await;
        }
    }
}
