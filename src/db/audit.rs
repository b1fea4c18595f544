//! The audit log: append-only, and without personal text.

use super::schema::audit_entries;
use super::{Result, Tx, micros};
use crate::domain::Instant;
use crate::domain::id::{CustomerId, StoreId};
use diesel::prelude::*;

/// Who does something: the subject and the role of a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Actor {
    /// The token's subject.
    pub subject: String,
    /// The token's role, by its word.
    pub role: &'static str,
}

/// Writes down that somebody did something.
///
/// # Errors
/// [`super::Error`] from the database.
pub fn insert(
    tx: &mut Tx<'_>,
    store: &StoreId,
    actor: &Actor,
    action: &str,
    customer: Option<&CustomerId>,
    detail: &serde_json::Value,
    now: Instant,
) -> Result<()> {
    diesel::insert_into(audit_entries::table)
        .values((
            audit_entries::store_id.eq(store.as_str()),
            audit_entries::entry_id.eq(uuid::Uuid::now_v7().to_string()),
            audit_entries::recorded_at.eq(micros(now)),
            audit_entries::subject.eq(&actor.subject),
            audit_entries::role.eq(actor.role),
            audit_entries::action.eq(action),
            audit_entries::customer_id.eq(customer.map(CustomerId::as_str)),
            audit_entries::detail.eq(detail.to_string()),
        ))
        .execute(tx.conn)?;
    Ok(())
}
