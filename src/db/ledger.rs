//! The ledger: by what terms orders and activities earn, the entries, and what
//! each customer has. The customer's lock guards all three.

use super::schema::{accounts, earnings, ledger_entries};
use super::{Error, Result, Tx, instant, micros, on_either};
use crate::domain::Instant;
use crate::domain::booking::Earning;
use crate::domain::earning::{Reward, Terms};
use crate::domain::id::{CustomerId, StoreId, TierCode};
use crate::domain::ledger::{Balance, Kind};
use crate::domain::program::Program;
use crate::domain::words::word;
use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::Bool;
use rust_decimal::Decimal;
use std::collections::BTreeMap;

/// What earns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Source {
    /// An order.
    Order,
    /// An activity.
    Activity,
}

impl Source {
    const WORDS: [(&'static str, Self); 2] = [("order", Self::Order), ("activity", Self::Activity)];
}

/// By what terms one order or activity earns, and what it has earned so far.
#[derive(Debug, Clone, PartialEq, Eq, Queryable, Selectable, Insertable)]
#[diesel(table_name = earnings, treat_none_as_default_value = false)]
#[expect(missing_docs, reason = "the columns are the fields of `Terms`")]
pub struct EarningRow {
    pub store_id: String,
    pub source: String,
    pub source_id: String,
    pub tier: Option<String>,
    pub rate: Option<String>,
    pub fixed: Option<i64>,
    pub points_rate: String,
    pub credit: i64,
    pub points: i64,
}

impl EarningRow {
    /// What an order or an activity has earned.
    pub fn new(store: &StoreId, (source, id): (Source, &str), earning: &Earning) -> Self {
        let Earning { terms, earned } = earning;
        let (rate, fixed) = columns_of(terms.reward);
        Self {
            store_id: store.to_string(),
            source: word(&Source::WORDS, &source).to_owned(),
            source_id: id.to_owned(),
            tier: terms.tier.as_ref().map(TierCode::to_string),
            rate,
            fixed,
            points_rate: terms.points.to_string(),
            credit: earned.credit,
            points: earned.points,
        }
    }

    /// What the columns say.
    ///
    /// # Errors
    /// [`Error::Corrupt`] where they make no sense.
    pub fn earning(&self) -> Result<Earning> {
        let tier = self.tier.as_deref().map(TierCode::parse).transpose();
        let terms = Terms {
            tier: tier.map_err(|_| Error::Corrupt("a tier of earnings".to_owned()))?,
            reward: reward_of(self.rate.as_deref(), self.fixed)?,
            points: decimal(&self.points_rate)?,
        };
        Ok(Earning { terms, earned: Balance { credit: self.credit, points: self.points } })
    }
}

/// The columns of a reward: the rate, or the fixed amount.
pub fn columns_of(reward: Option<Reward>) -> (Option<String>, Option<i64>) {
    match reward {
        None => (None, None),
        Some(Reward::Rate(rate)) => (Some(rate.to_string()), None),
        Some(Reward::Amount(amount)) => (None, Some(amount)),
    }
}

/// The reward that two columns state.
///
/// # Errors
/// [`Error::Corrupt`] where the rate is none.
pub fn reward_of(rate: Option<&str>, fixed: Option<i64>) -> Result<Option<Reward>> {
    match (rate, fixed) {
        (Some(rate), _) => Ok(Some(Reward::Rate(decimal(rate)?))),
        (None, Some(amount)) => Ok(Some(Reward::Amount(amount))),
        (None, None) => Ok(None),
    }
}

fn decimal(text: &str) -> Result<Decimal> {
    text.parse().map_err(|_| Error::Corrupt(format!("the rate {text:?}")))
}

/// A stored entry. What erasure clears: `note`.
#[derive(Debug, Clone, PartialEq, Eq, Queryable, Selectable, Insertable)]
#[diesel(table_name = ledger_entries)]
#[diesel(treat_none_as_default_value = false)]
#[expect(missing_docs, reason = "the columns are the API's fields")]
pub struct EntryRow {
    pub store_id: String,
    pub customer_id: String,
    pub number: i64,
    pub kind: String,
    pub cause: String,
    pub credit: i64,
    pub points: i64,
    pub credit_balance: i64,
    pub points_balance: i64,
    pub tier: Option<String>,
    pub rate: Option<String>,
    pub fixed: Option<i64>,
    pub points_rate: Option<String>,
    pub order_id: Option<String>,
    pub refund_id: Option<String>,
    pub activity_id: Option<String>,
    pub occurred_at: i64,
    pub recorded_at: i64,
    pub operator: Option<String>,
    pub note: Option<String>,
}

impl EntryRow {
    /// The tier's reward that it was earned by.
    ///
    /// # Errors
    /// [`Error::Corrupt`] where the rate is none.
    pub fn reward(&self) -> Result<Option<Reward>> {
        reward_of(self.rate.as_deref(), self.fixed)
    }
}

/// What a customer has.
#[derive(Debug, Clone, PartialEq, Eq, Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = accounts)]
#[expect(missing_docs, reason = "the columns are told of in the migration")]
pub struct AccountRow {
    pub store_id: String,
    pub customer_id: String,
    pub credit: i64,
    pub points: i64,
    pub entries: i64,
    pub active_at: i64,
}

impl AccountRow {
    /// What there is, or what is owed.
    pub fn balance(&self) -> Balance {
        Balance { credit: self.credit, points: self.points }
    }

    /// What is left of it at an instant, whether or not anybody has entered
    /// that the rest has expired.
    ///
    /// # Errors
    /// [`Error::Corrupt`] where a column holds no instant.
    pub fn balance_at(&self, program: &Program, now: Instant) -> Result<Balance> {
        let expiry = program.credit_expiry_months.map(|months| (program.time_zone, months));
        Ok(self.balance().left(expiry, instant(self.active_at)?, now))
    }
}

/// What a customer has; nothing where there is no entry yet.
///
/// # Errors
/// [`Error`] from the database.
pub fn account(tx: &mut Tx<'_>, store: &StoreId, customer: &CustomerId) -> Result<AccountRow> {
    let known: Option<AccountRow> = accounts::table
        .find((store.as_str(), customer.as_str()))
        .select(AccountRow::as_select())
        .get_result(tx.conn)
        .optional()?;
    Ok(known.unwrap_or_else(|| AccountRow {
        store_id: store.to_string(),
        customer_id: customer.to_string(),
        credit: 0,
        points: 0,
        entries: 0,
        active_at: 0,
    }))
}

/// Adds entries to a customer's ledger, and stores what the customer has then.
///
/// # Errors
/// [`Error`] from the database.
pub fn enter(tx: &mut Tx<'_>, account: &AccountRow, entries: Vec<EntryRow>) -> Result<()> {
    let mut entries = entries;
    while !entries.is_empty() {
        // More would be more parameters than a statement has.
        let rest = entries.split_off(entries.len().min(500));
        on_either!(tx.conn, c => diesel::insert_into(ledger_entries::table)
            .values(entries)
            .execute(c))?;
        entries = rest;
    }
    on_either!(tx.conn, c => diesel::insert_into(accounts::table)
        .values(account)
        .on_conflict((accounts::store_id, accounts::customer_id))
        .do_update()
        .set(account)
        .execute(c))?;
    Ok(())
}

/// By what terms some orders or activities earn, by identifier.
///
/// # Errors
/// [`Error`] from the database.
pub fn earnings_of(
    tx: &mut Tx<'_>,
    store: &StoreId,
    source: Source,
    ids: &[String],
) -> Result<BTreeMap<String, EarningRow>> {
    let mut found = BTreeMap::new();
    for chunk in ids.chunks(500) {
        let rows: Vec<EarningRow> = earnings::table
            .filter(earnings::store_id.eq(store.as_str()))
            .filter(earnings::source.eq(word(&Source::WORDS, &source)))
            .filter(earnings::source_id.eq_any(chunk))
            .select(EarningRow::as_select())
            .load(tx.conn)?;
        found.extend(rows.into_iter().map(|row| (row.source_id.clone(), row)));
    }
    Ok(found)
}

/// Stores by what terms something earns, and what it has earned.
///
/// # Errors
/// [`Error`] from the database.
pub fn put_earning(tx: &mut Tx<'_>, row: &EarningRow) -> Result<()> {
    on_either!(tx.conn, c => diesel::insert_into(earnings::table)
        .values(row)
        .on_conflict((earnings::store_id, earnings::source, earnings::source_id))
        .do_update()
        .set((earnings::credit.eq(row.credit), earnings::points.eq(row.points)))
        .execute(c))?;
    Ok(())
}

/// Whether anything was ever entered in a store.
///
/// # Errors
/// [`Error`] from the database.
pub fn has_accounts(tx: &mut Tx<'_>, store: &StoreId) -> Result<bool> {
    let query = accounts::table.filter(accounts::store_id.eq(store.as_str()));
    Ok(diesel::select(diesel::dsl::exists(query)).get_result(tx.conn)?)
}

/// A customer's entries, newest first: those of a kind where one is given, and
/// below a number.
///
/// # Errors
/// [`Error`] from the database.
pub fn list(
    tx: &mut Tx<'_>,
    store: &StoreId,
    customer: &CustomerId,
    kind: Option<Kind>,
    below: Option<i64>,
    limit: i64,
) -> Result<Vec<EntryRow>> {
    let mut query = ledger_entries::table
        .filter(ledger_entries::store_id.eq(store.as_str()))
        .filter(ledger_entries::customer_id.eq(customer.as_str()))
        .into_boxed();
    if let Some(kind) = kind {
        query = query.filter(ledger_entries::kind.eq(word(&Kind::WORDS, &kind)));
    }
    if let Some(below) = below {
        query = query.filter(ledger_entries::number.lt(below));
    }
    Ok(query
        .order(ledger_entries::number.desc())
        .limit(limit)
        .select(EntryRow::as_select())
        .load(tx.conn)?)
}

/// The customers who have something, and of whom nothing was entered since an
/// instant, the longest first.
///
/// # Errors
/// [`Error`] from the database.
pub fn list_idle(
    tx: &mut Tx<'_>,
    store: &StoreId,
    since: Instant,
    limit: i64,
) -> Result<Vec<AccountRow>> {
    Ok(accounts::table
        .filter(accounts::store_id.eq(store.as_str()))
        .filter(accounts::active_at.lt(micros(since)))
        // As the index has it.
        .filter(sql::<Bool>("(credit > 0 OR points > 0)"))
        .order((accounts::active_at, accounts::customer_id))
        .limit(limit)
        .select(AccountRow::as_select())
        .load(tx.conn)?)
}

/// Clears the notes of a customer's entries.
///
/// # Errors
/// [`Error`] from the database.
pub fn delete_notes(tx: &mut Tx<'_>, store: &StoreId, customer: &CustomerId) -> Result<()> {
    diesel::update(
        ledger_entries::table
            .filter(ledger_entries::store_id.eq(store.as_str()))
            .filter(ledger_entries::customer_id.eq(customer.as_str()))
            .filter(ledger_entries::note.is_not_null()),
    )
    .set(ledger_entries::note.eq(None::<String>))
    .execute(tx.conn)?;
    Ok(())
}
