//! What rules have come to: one row for each customer and rule that is met, and
//! the pass over all customers of a store.

use super::schema::{qualification_passes, qualifications};
use super::{Error, Result, Tx, instant, micros, on_either, stored_word};
use crate::domain::Instant;
use crate::domain::id::{CustomerId, RuleCode, StoreId};
use crate::domain::qualification::standing::{Outcome, Standing};
use crate::domain::words::word;
use diesel::prelude::*;
use std::collections::BTreeMap;

/// The rules that a customer meets, by code.
pub type Standings = BTreeMap<RuleCode, Standing>;

/// The rules that the customers of a range meet, both ends included, by customer.
///
/// # Errors
/// [`Error`] from the database.
pub fn in_range(
    tx: &mut Tx<'_>,
    store: &StoreId,
    (first, last): (&str, &str),
) -> Result<BTreeMap<String, Standings>> {
    type Row = (String, String, i64, i64, Option<String>);
    let rows: Vec<Row> = qualifications::table
        .filter(qualifications::store_id.eq(store.as_str()))
        .filter(qualifications::customer_id.between(first, last))
        .select((
            qualifications::customer_id,
            qualifications::rule_code,
            qualifications::met_since,
            qualifications::rule_version,
            qualifications::outcome,
        ))
        .load(tx.conn)?;
    let mut found: BTreeMap<String, Standings> = BTreeMap::new();
    for (customer, rule, met_since, rule_version, outcome) in rows {
        let rule = RuleCode::parse(&rule).map_err(|_| Error::Corrupt(format!("rule {rule:?}")))?;
        let outcome = outcome.map(|word| stored_word(&Outcome::WORDS, &word)).transpose()?;
        let standing = Standing { met_since: instant(met_since)?, rule_version, outcome };
        found.entry(customer).or_default().insert(rule, standing);
    }
    Ok(found)
}

/// The rules that one customer meets.
///
/// # Errors
/// [`Error`] from the database.
pub fn find(tx: &mut Tx<'_>, store: &StoreId, customer: &CustomerId) -> Result<Standings> {
    let id = customer.as_str();
    Ok(in_range(tx, store, (id, id))?.remove(id).unwrap_or_default())
}

/// Stores that a customer meets a rule, and what it has come to.
///
/// # Errors
/// [`Error`] from the database.
pub fn upsert(
    tx: &mut Tx<'_>,
    store: &StoreId,
    customer: &CustomerId,
    rule: &RuleCode,
    standing: &Standing,
) -> Result<()> {
    let outcome = standing.outcome.map(|outcome| word(&Outcome::WORDS, &outcome));
    let values = (
        qualifications::met_since.eq(micros(standing.met_since)),
        qualifications::rule_version.eq(standing.rule_version),
        qualifications::outcome.eq(outcome),
    );
    let key = (store.as_str(), customer.as_str(), rule.as_str());
    let updated = diesel::update(qualifications::table.find(key)).set(values).execute(tx.conn)?;
    if updated == 0 {
        diesel::insert_into(qualifications::table)
            .values((
                qualifications::store_id.eq(key.0),
                qualifications::customer_id.eq(key.1),
                qualifications::rule_code.eq(key.2),
                values.0,
                values.1,
                values.2,
            ))
            .execute(tx.conn)?;
    }
    Ok(())
}

/// Forgets that a customer met a rule.
///
/// # Errors
/// [`Error`] from the database.
pub fn delete(
    tx: &mut Tx<'_>,
    store: &StoreId,
    customer: &CustomerId,
    rule: &RuleCode,
) -> Result<()> {
    let key = (store.as_str(), customer.as_str(), rule.as_str());
    diesel::delete(qualifications::table.find(key)).execute(tx.conn)?;
    Ok(())
}

/// Forgets all rules that a customer met.
///
/// # Errors
/// [`Error`] from the database.
pub fn delete_of_customer(tx: &mut Tx<'_>, store: &StoreId, customer: &CustomerId) -> Result<()> {
    diesel::delete(
        qualifications::table
            .filter(qualifications::store_id.eq(store.as_str()))
            .filter(qualifications::customer_id.eq(customer.as_str())),
    )
    .execute(tx.conn)?;
    Ok(())
}

/// The pass over all customers of a store.
#[derive(Debug, Clone, PartialEq, Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = qualification_passes, treat_none_as_null = true, treat_none_as_default_value = false)]
pub struct PassRow {
    /// The store.
    pub store_id: String,
    /// When the next one is to begin, or the one under way was.
    pub due_at: i64,
    /// The last customer that the one under way has come to.
    pub done_through: Option<String>,
    /// Until when the claim of the instance that works on it holds.
    pub leased_until: i64,
}

/// The pass of a store, if it ever had rules.
///
/// # Errors
/// [`Error`] from the database.
pub fn find_pass(tx: &mut Tx<'_>, store: &StoreId) -> Result<Option<PassRow>> {
    Ok(qualification_passes::table
        .find(store.as_str())
        .select(PassRow::as_select())
        .get_result(tx.conn)
        .optional()?)
}

/// Has a pass over all customers begin anew; whoever works on one gives it up.
///
/// # Errors
/// [`Error`] from the database.
pub fn restart_pass(tx: &mut Tx<'_>, store: &StoreId, now: Instant) -> Result<()> {
    let row = PassRow {
        store_id: store.to_string(),
        due_at: micros(now),
        done_through: None,
        leased_until: 0,
    };
    let updated = diesel::update(qualification_passes::table.find(store.as_str()))
        .set(&row)
        .execute(tx.conn)?;
    if updated == 0 {
        on_either!(tx.conn, c => diesel::insert_into(qualification_passes::table)
            .values(&row)
            .on_conflict_do_nothing()
            .execute(c))?;
    }
    Ok(())
}

/// Passes of any store that are due and that nobody works on.
///
/// # Errors
/// [`Error`] from the database.
pub fn list_unclaimed_passes(tx: &mut Tx<'_>, now: Instant) -> Result<Vec<PassRow>> {
    Ok(qualification_passes::table
        .filter(qualification_passes::due_at.le(micros(now)))
        .filter(qualification_passes::leased_until.lt(micros(now)))
        .order((qualification_passes::due_at, qualification_passes::store_id))
        .limit(100)
        .select(PassRow::as_select())
        .load(tx.conn)?)
}

/// Stores how far a pass has come, if the claim under which it did still
/// holds; whether it does.
///
/// # Errors
/// [`Error`] from the database.
pub fn update_pass(tx: &mut Tx<'_>, was: &PassRow, is: &PassRow) -> Result<bool> {
    let updated = diesel::update(
        qualification_passes::table
            .find(was.store_id.as_str())
            .filter(qualification_passes::leased_until.eq(was.leased_until))
            .filter(qualification_passes::due_at.eq(was.due_at)),
    )
    .set(is)
    .execute(tx.conn)?;
    Ok(updated == 1)
}
