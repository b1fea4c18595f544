//! Links between customers.

use super::facts::Stored;
use super::memberships::program_of;
use super::{Refusal, Result};
use crate::db::audit::{self, Actor, Entry};
use crate::db::links::{self, LinkRow};
use crate::db::programs::Hold;
use crate::db::{Tx, customers, micros};
use crate::domain::Instant;
use crate::domain::id::{CustomerId, StoreId};
use serde_json::json;

/// The most links that a customer has.
pub const LINKS_MAX: i64 = 100;

/// Holds both customers, in the order of their identifiers, so that two who do
/// this at once don't wait for each other; whether one of them is erased.
fn hold_both(
    tx: &mut Tx<'_>,
    store: &StoreId,
    customer: &CustomerId,
    other: &CustomerId,
) -> Result<bool> {
    program_of(tx, store, Hold::Share)?;
    let mut is_erased = false;
    for id in [customer.min(other), customer.max(other)] {
        let row = customers::find_locked(tx, store, id)?.ok_or(Refusal::NotFound("customer"))?;
        is_erased |= row.erased_at.is_some();
    }
    Ok(is_erased)
}

/// Links two customers, or changes what the link says.
///
/// # Errors
/// [`Refusal`] for what depends on the store, or [`super::Error`] from the database.
pub fn put(
    tx: &mut Tx<'_>,
    store: &StoreId,
    (customer, other): (&CustomerId, &CustomerId),
    relation: &str,
    note: Option<&str>,
    actor: &Actor,
    now: Instant,
) -> Result<(Stored, LinkRow)> {
    if hold_both(tx, store, customer, other)? {
        return Err(Refusal::CustomerErased.into());
    }
    let known = links::find(tx, store, customer, other)?;
    let link = LinkRow {
        store_id: store.to_string(),
        customer_id: customer.to_string(),
        other_id: other.to_string(),
        relation: relation.to_owned(),
        note: note.map(str::to_owned),
        linked_at: known.as_ref().map_or_else(|| micros(now), |known| known.linked_at),
    };
    let stored = match &known {
        Some(known) if *known == link => return Ok((Stored::Unchanged, link)),
        Some(_) => {
            links::update(tx, &link)?;
            Stored::Changed
        }
        None => {
            for id in [customer, other] {
                if links::count(tx, store, id)? >= LINKS_MAX {
                    return Err(Refusal::TooManyLinks.into());
                }
            }
            links::insert(tx, &link)?;
            Stored::Created
        }
    };
    let was = known.as_ref().map(|known| (Some(known.relation.as_str()), known.note.as_deref()));
    let (relation_was, note_was) = was.unwrap_or_default();
    let mut fields = Vec::new();
    fields.extend((relation_was != Some(relation)).then_some("relation"));
    fields.extend((note_was != note).then_some("note"));
    for (id, other) in [(customer, other), (other, customer)] {
        let before = known.as_ref().map(|known| json!({"relation": known.relation}));
        let entry = Entry {
            actor,
            action: "linked",
            customer: Some(id),
            before: before.unwrap_or_else(|| json!({})),
            after: json!({
                "customer_id": other.as_str(),
                "relation": relation,
                "fields": fields,
            }),
            // What the note says is for the link alone, where erasing either clears it.
            note: None,
        };
        audit::insert(tx, store, &entry, now)?;
    }
    Ok((stored, link))
}

/// Takes a link away, also one to a customer who was erased.
///
/// # Errors
/// [`Refusal::NotFound`] where there is none; else as [`put`].
pub fn delete(
    tx: &mut Tx<'_>,
    store: &StoreId,
    (customer, other): (&CustomerId, &CustomerId),
    actor: &Actor,
    now: Instant,
) -> Result<()> {
    hold_both(tx, store, customer, other)?;
    let link = links::find(tx, store, customer, other)?.ok_or(Refusal::NotFound("link"))?;
    links::delete(tx, &link)?;
    for (id, other) in [(customer, other), (other, customer)] {
        let entry = Entry {
            actor,
            action: "unlinked",
            customer: Some(id),
            before: json!({"customer_id": other.as_str(), "relation": link.relation}),
            after: json!({}),
            note: None,
        };
        audit::insert(tx, store, &entry, now)?;
    }
    Ok(())
}
