//! The ledger: entries, and what people and time make of balances.

use super::background::Worker;
use super::memberships::program_of;
use super::{Refusal, Result};
use crate::db::audit::{self, Actor, Entry};
use crate::db::events::{self, Event};
use crate::db::ledger::{self, AccountRow, EntryRow};
use crate::db::programs::{self, Hold, ProgramRecord};
use crate::db::{Db, Tx, customers, designations, memberships, micros};
use crate::domain::Instant;
use crate::domain::booking::Booking;
use crate::domain::earning::{Reward, effective};
use crate::domain::id::{CustomerId, OrderId, StoreId, TierCode};
use crate::domain::ledger::{Balance, Cause, Kind, Refused};
use crate::domain::membership::Held;
use crate::domain::money::Amount;
use crate::domain::program::Program;
use crate::domain::words::word;
use chrono::{Days, Months, Utc};
use rust_decimal::Decimal;
use serde_json::json;
use std::collections::BTreeSet;
use std::sync::Arc;

/// What an entry says besides what it moves.
#[derive(Debug, Clone, Default)]
pub(super) struct Said {
    pub tier: Option<TierCode>,
    pub reward: Option<Reward>,
    pub points_rate: Option<Decimal>,
    pub order: Option<String>,
    pub activity: Option<String>,
    pub operator: Option<String>,
    pub note: Option<String>,
}

/// A customer's ledger, held while entries are made.
pub(super) struct Book<'p> {
    store: StoreId,
    customer: CustomerId,
    program: &'p Program,
    account: AccountRow,
    entries: Vec<EntryRow>,
    news: Vec<Event>,
    now: Instant,
}

impl<'p> Book<'p> {
    /// Opens the ledger of a customer who is held; what has expired by now is
    /// entered first.
    pub fn open(
        tx: &mut Tx<'_>,
        store: &StoreId,
        customer: &CustomerId,
        program: &'p Program,
        now: Instant,
    ) -> Result<Self> {
        // Whoever held the customer before may have entered something since then.
        let now = now.max(Utc::now());
        let account = ledger::account(tx, store, customer)?;
        let left = account.balance_at(program, now)?;
        let movement = left.minus(account.balance())?;
        let (store, customer, news) = (store.clone(), customer.clone(), Vec::new());
        let mut book = Self { store, customer, program, account, entries: Vec::new(), news, now };
        if movement != Balance::ZERO {
            let tier = tier_of(tx, &book.store, &book.customer, program, now)?;
            let said = Said { tier, ..Said::default() };
            let (kind, cause) = (Kind::Expired, Cause::Expiry);
            let before = book.balance();
            book.enter(&Booking { kind, cause, movement, at: now, refund: None }, said)?;
            book.write_down(tx, &Actor::system(), "credit_expired", (before, movement), None)?;
        }
        Ok(book)
    }

    /// Writes down in the audit log what was done to a balance, and tells those
    /// who poll.
    fn write_down(
        &mut self,
        tx: &mut Tx<'_>,
        actor: &Actor,
        action: &'static str,
        (before, movement): (Balance, Balance),
        note: Option<&str>,
    ) -> Result<()> {
        let values = |balance: Balance| {
            let credit = Amount(balance.credit, self.program.currency).to_string();
            json!({ "credit_balance": credit, "points_balance": balance.points })
        };
        let entry = Entry {
            actor,
            action,
            customer: Some(&self.customer),
            before: values(before),
            after: values(self.balance()),
            note,
        };
        audit::insert(tx, &self.store, &entry, self.now)?;
        self.tell(action, movement);
        Ok(())
    }

    /// The instant at which entries are made.
    pub fn now(&self) -> Instant {
        self.now
    }

    pub fn balance(&self) -> Balance {
        self.account.balance()
    }

    /// Makes an entry, whatever the balance is after it.
    pub fn enter(&mut self, booking: &Booking, said: Said) -> Result<()> {
        let Booking { kind, cause, movement, at, refund } = booking;
        let account = &mut self.account;
        let owed = account.balance().owed();
        let after = account.balance().plus(*movement)?;
        account.entries = account.entries.saturating_add(1);
        (account.credit, account.points) = (after.credit, after.points);
        if matches!(kind, Kind::Earned | Kind::Redeemed | Kind::Adjusted) {
            account.active_at = micros(self.now);
        }
        let (rate, fixed) = ledger::columns_of(said.reward);
        self.entries.push(EntryRow {
            store_id: self.store.to_string(),
            customer_id: self.customer.to_string(),
            number: account.entries,
            kind: word(&Kind::WORDS, kind).to_owned(),
            cause: word(&Cause::WORDS, cause).to_owned(),
            credit: movement.credit,
            points: movement.points,
            credit_balance: after.credit,
            points_balance: after.points,
            tier: said.tier.map(|tier| tier.to_string()),
            rate,
            fixed,
            points_rate: said.points_rate.map(|rate| rate.to_string()),
            order_id: said.order,
            refund_id: refund.as_ref().map(ToString::to_string),
            activity_id: said.activity,
            occurred_at: micros(*at),
            recorded_at: micros(self.now),
            operator: said.operator,
            note: said.note,
        });
        if after.owed().exceeds(owed) {
            self.tell("credit_owed", *movement);
        }
        Ok(())
    }

    /// Tells those who poll of the newest entry.
    fn tell(&mut self, kind: &'static str, movement: Balance) {
        let data = json!({
            "number": self.account.entries,
            "credit": Amount(movement.credit, self.program.currency).to_string(),
            "points": movement.points,
        });
        self.news.push(Event { kind, customer_id: self.customer.to_string(), data });
    }

    /// Stores what was entered; answers what the customer has then.
    pub fn close(self, tx: &mut Tx<'_>) -> Result<Balance> {
        if !self.entries.is_empty() {
            ledger::enter(tx, &self.account, self.entries)?;
            events::insert(tx, &self.store, &self.news, self.now)?;
        }
        Ok(self.account.balance())
    }
}

/// The effective tier that a customer is listed by now.
fn tier_of(
    tx: &mut Tx<'_>,
    store: &StoreId,
    customer: &CustomerId,
    program: &Program,
    now: Instant,
) -> Result<Option<TierCode>> {
    let reached = memberships::find(tx, store, customer)?.and_then(|known| known.listed_tier);
    let reached = reached.map(|code| Held { code, since: now });
    let given = designations::find(tx, store, customer)?.and_then(|d| d.designation.gave(now));
    Ok(effective(&program.latest().ladder, reached, given).map(|held| held.code))
}

/// What a person enters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Movement {
    /// Redeemed, adjusted or expired.
    pub kind: Kind,
    /// What it moves: below zero where it takes something off.
    pub by: Balance,
    /// The order that was paid with it.
    pub order: Option<OrderId>,
    /// Why.
    pub note: Option<String>,
}

/// Enters what a person, or the shop's backend, moves; answers the entry and
/// what the customer has then.
///
/// # Errors
/// [`Refusal::InsufficientBalance`] where that takes off more than there is,
/// [`Refusal`] for what else depends on the store, or [`super::Error`] from
/// the database.
pub fn post(
    tx: &mut Tx<'_>,
    store: &StoreId,
    customer: &CustomerId,
    movement: Movement,
    actor: &Actor,
    now: Instant,
) -> Result<(Arc<ProgramRecord>, EntryRow, Balance)> {
    let Movement { kind, by, order, note } = movement;
    let (cause, action) = match kind {
        Kind::Redeemed => (Cause::Redemption, "credit_redeemed"),
        Kind::Expired => (Cause::Expiry, "credit_expired"),
        Kind::Earned | Kind::Reversed | Kind::Adjusted => (Cause::Adjustment, "credit_adjusted"),
    };
    let record = program_of(tx, store, Hold::Share)?;
    let row = customers::find_locked(tx, store, customer)?.ok_or(Refusal::NotFound("customer"))?;
    if row.erased_at.is_some() {
        return Err(Refusal::CustomerErased.into());
    }
    let mut book = Book::open(tx, store, customer, &record.program, now)?;
    let before = book.balance();
    before.moved(by).map_err(|refused| match refused {
        Refused::Insufficient => Refusal::InsufficientBalance(before),
        Refused::Overflow(_) => Refusal::FigureOverflow,
    })?;
    let said = Said {
        tier: tier_of(tx, store, customer, &record.program, now)?,
        order: order.map(|order| order.to_string()),
        operator: Some(actor.subject.clone()),
        note: note.clone(),
        ..Said::default()
    };
    let at = book.now;
    book.enter(&Booking { kind, cause, movement: by, at, refund: None }, said)?;
    book.write_down(tx, actor, action, (before, by), note.as_deref())?;
    let entry = book.entries.last().cloned();
    let balance = book.close(tx)?;
    let entry = entry.ok_or_else(|| crate::db::Error::Failed("no entry was made".to_owned()))?;
    Ok((record, entry, balance))
}

/// Enters that what is left of a customer's balance is gone with the customer,
/// who is held and being erased; what is owed stays.
///
/// # Errors
/// [`super::Error`] from the database.
pub fn write_off(
    tx: &mut Tx<'_>,
    store: &StoreId,
    customer: &CustomerId,
    program: &Program,
    actor: &Actor,
    now: Instant,
) -> Result<()> {
    let mut book = Book::open(tx, store, customer, program, now)?;
    let before = book.balance();
    let movement = Balance::ZERO.minus(before.available())?;
    if movement != Balance::ZERO {
        let tier = tier_of(tx, store, customer, program, now)?;
        let operator = Some(actor.subject.clone());
        let (kind, cause, at) = (Kind::Expired, Cause::Erasure, book.now);
        let said = Said { tier, operator, ..Said::default() };
        book.enter(&Booking { kind, cause, movement, at, refund: None }, said)?;
        book.write_down(tx, actor, "credit_expired", (before, movement), None)?;
    }
    book.close(tx)?;
    Ok(())
}

/// How many customers' balances expire in one transaction.
const BATCH: i64 = 100;

/// Enters what has expired by an instant, in every store; of how many customers.
///
/// # Errors
/// [`super::Error`] from the database.
pub async fn expire(db: &Db, now: Instant) -> Result<usize> {
    let stores = db.read(|tx| Ok::<_, super::Error>(programs::stores_with_expiry(tx)?)).await?;
    let (mut count, mut trouble) = (0_usize, None);
    for store in stores {
        match expire_in(db, StoreId::parse(&store)?, now).await {
            Ok(expired) => count = count.saturating_add(expired),
            // One store's trouble is no reason to keep the others waiting.
            Err(error) => {
                tracing::warn!(%store, %error, "expiring a store's balances is put off");
                trouble = Some(error);
            }
        }
    }
    trouble.map_or(Ok(count), Err)
}

async fn expire_in(db: &Db, store: StoreId, now: Instant) -> Result<usize> {
    let mut count = 0_usize;
    loop {
        let of = store.clone();
        let due = db.read(move |tx| list_expired(tx, &of, now)).await?;
        if due.is_empty() {
            return Ok(count);
        }
        count = count.saturating_add(due.len());
        let of = store.clone();
        db.write(move |tx| {
            let record = program_of(tx, &of, Hold::Share)?;
            for customer in &due {
                customers::find_locked(tx, &of, customer)?;
                Book::open(tx, &of, customer, &record.program, now)?.close(tx)?;
            }
            Ok::<_, super::Error>(())
        })
        .await?;
    }
}

/// Some customers of a store whose balances have expired, by identifier.
fn list_expired(tx: &mut Tx<'_>, store: &StoreId, now: Instant) -> Result<BTreeSet<CustomerId>> {
    let record = program_of(tx, store, Hold::Read)?;
    let program = &record.program;
    let Some(months) = program.credit_expiry_months else { return Ok(BTreeSet::new()) };
    // Months end on different days: a few more are read than are past.
    let since = now.checked_sub_months(Months::new(months));
    let since = since.and_then(|since| since.checked_add_days(Days::new(5))).unwrap_or(now);
    let mut due = BTreeSet::new();
    for account in ledger::list_idle(tx, store, since, BATCH)? {
        if account.balance_at(program, now)? != account.balance() {
            due.insert(CustomerId::parse(&account.customer_id)?);
        }
    }
    Ok(due)
}

/// Does the background's work on ledgers until it is dropped.
pub async fn work(db: Db, worker: &Worker) {
    loop {
        worker.note(expire(&db, Utc::now()).await, "expiring balances");
        tokio::time::sleep(std::time::Duration::from_secs(60)).await;
    }
}
