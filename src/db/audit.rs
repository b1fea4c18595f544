//! The audit log: append-only, and without personal text. Notes lie beside it,
//! where erasure can delete them.

use super::page::{self, Seek};
use super::schema::{audit_entries, audit_notes};
use super::{Result, Tx, micros};
use crate::domain::Instant;
use crate::domain::id::{CustomerId, StoreId};
use diesel::prelude::*;
use serde_json::Value;

/// Who does something: the subject and the role of a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Actor {
    /// The token's subject.
    pub subject: String,
    /// The token's role, by its word.
    pub role: &'static str,
}

impl Actor {
    /// Accolade itself: what rules and time bring.
    pub fn system() -> Self {
        Self { subject: "accolade".to_owned(), role: "system" }
    }
}

/// Something that was done: to be written down.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry<'a> {
    /// Who did it.
    pub actor: &'a Actor,
    /// What, in a word.
    pub action: &'a str,
    /// Whom it concerns.
    pub customer: Option<&'a CustomerId>,
    /// What was: identifiers, words, numbers and dates, of personal fields the names only.
    pub before: Value,
    /// What became of it.
    pub after: Value,
    /// Why, as the person put it.
    pub note: Option<&'a str>,
}

/// Writes down that somebody did something.
///
/// # Errors
/// [`super::Error`] from the database.
pub fn insert(tx: &mut Tx<'_>, store: &StoreId, entry: &Entry<'_>, now: Instant) -> Result<()> {
    let entry_id = uuid::Uuid::now_v7().to_string();
    let customer = entry.customer.map(CustomerId::as_str);
    diesel::insert_into(audit_entries::table)
        .values((
            audit_entries::store_id.eq(store.as_str()),
            audit_entries::entry_id.eq(&entry_id),
            audit_entries::recorded_at.eq(micros(now)),
            audit_entries::subject.eq(&entry.actor.subject),
            audit_entries::role.eq(entry.actor.role),
            audit_entries::action.eq(entry.action),
            audit_entries::customer_id.eq(customer),
            audit_entries::values_before.eq(entry.before.to_string()),
            audit_entries::values_after.eq(entry.after.to_string()),
        ))
        .execute(tx.conn)?;
    if let Some(note) = entry.note {
        diesel::insert_into(audit_notes::table)
            .values((
                audit_notes::store_id.eq(store.as_str()),
                audit_notes::entry_id.eq(&entry_id),
                audit_notes::customer_id.eq(customer),
                audit_notes::note.eq(note),
            ))
            .execute(tx.conn)?;
    }
    Ok(())
}

/// Deletes the notes about a customer.
///
/// # Errors
/// [`super::Error`] from the database.
pub fn delete_notes(tx: &mut Tx<'_>, store: &StoreId, customer: &CustomerId) -> Result<()> {
    diesel::delete(
        audit_notes::table
            .filter(audit_notes::store_id.eq(store.as_str()))
            .filter(audit_notes::customer_id.eq(customer.as_str())),
    )
    .execute(tx.conn)?;
    Ok(())
}

/// A line of the log.
#[derive(Debug, Clone, PartialEq, Queryable)]
#[expect(missing_docs, reason = "the columns are the API's fields")]
pub struct EntryRow {
    pub entry_id: String,
    pub recorded_at: i64,
    pub subject: String,
    pub role: String,
    pub action: String,
    pub customer_id: Option<String>,
    pub before: String,
    pub after: String,
    pub note: Option<String>,
}

impl EntryRow {
    /// The place of this line in the log.
    pub fn seek(&self) -> Seek {
        Seek::number(self.recorded_at, self.entry_id.clone())
    }
}

/// What the log is narrowed down to.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// About this customer.
    pub customer: Option<String>,
    /// By this subject.
    pub subject: Option<String>,
    /// One of these actions; any where there are none.
    pub actions: Vec<String>,
    /// Recorded at or after.
    pub from: Option<Instant>,
    /// Recorded before.
    pub before: Option<Instant>,
}

/// A page of the log, newest first.
///
/// # Errors
/// [`super::Error`] from the database.
pub fn list(
    tx: &mut Tx<'_>,
    store: &StoreId,
    filter: &Filter,
    after: Option<&Seek>,
    limit: i64,
) -> Result<Vec<EntryRow>> {
    let mut query = audit_entries::table
        .left_join(
            audit_notes::table.on(audit_notes::store_id
                .eq(audit_entries::store_id)
                .and(audit_notes::entry_id.eq(audit_entries::entry_id))),
        )
        .filter(audit_entries::store_id.eq(store.as_str()))
        .into_boxed();
    if let Some(customer) = &filter.customer {
        query = query.filter(audit_entries::customer_id.eq(customer));
    }
    if let Some(subject) = &filter.subject {
        query = query.filter(audit_entries::subject.eq(subject));
    }
    if !filter.actions.is_empty() {
        query = query.filter(audit_entries::action.eq_any(&filter.actions));
    }
    if let Some(from) = filter.from {
        query = query.filter(audit_entries::recorded_at.ge(micros(from)));
    }
    if let Some(before) = filter.before {
        query = query.filter(audit_entries::recorded_at.lt(micros(before)));
    }
    query =
        page::seek_number!(query, audit_entries::recorded_at, audit_entries::entry_id, true, after);
    let rows = query
        .limit(limit)
        .select((
            audit_entries::entry_id,
            audit_entries::recorded_at,
            audit_entries::subject,
            audit_entries::role,
            audit_entries::action,
            audit_entries::customer_id,
            audit_entries::values_before,
            audit_entries::values_after,
            audit_notes::note.nullable(),
        ))
        .load(tx.conn)?;
    Ok(rows)
}
