//! Links between customers.

use super::facts::Stored;
use super::memberships::program_of;
use super::{IfMatch, Refusal, Result};
use crate::db::audit::{self, Actor, Entry};
use crate::db::customers::CustomerRow;
use crate::db::links::{self, LinkRow};
use crate::db::programs::Hold;
use crate::db::{Tx, customers, micros};
use crate::domain::Instant;
use crate::domain::id::{CustomerId, StoreId};
use serde_json::json;

/// The most links that a customer has.
pub const LINKS_MAX: i64 = 100;

/// Both ends of a link. A customer's links are of the customer's version, so a
/// link that changes makes each end a new one.
struct Ends {
    customer: CustomerRow,
    other: CustomerRow,
}

impl Ends {
    /// Holds both customers, in the order of their identifiers, so that two who
    /// do this at once don't wait for each other.
    fn hold(
        tx: &mut Tx<'_>,
        store: &StoreId,
        customer: &CustomerId,
        other: &CustomerId,
    ) -> Result<Self> {
        program_of(tx, store, Hold::Share)?;
        let mut hold = |id: &CustomerId| -> Result<CustomerRow> {
            Ok(customers::find_locked(tx, store, id)?.ok_or(Refusal::NotFound("customer"))?)
        };
        let (first, second) = (hold(customer.min(other))?, hold(customer.max(other))?);
        let (customer, other) = if customer < other { (first, second) } else { (second, first) };
        Ok(Self { customer, other })
    }

    /// Makes each end a new version.
    fn move_on(&mut self, tx: &mut Tx<'_>, now: Instant) -> Result<()> {
        let Self { customer, other } = self;
        let mut ends = [customer, other];
        // In the order in which every transaction writes the two.
        ends.sort_by(|a, b| a.customer_id.cmp(&b.customer_id));
        for end in ends {
            end.version = end.version.saturating_add(1);
            end.updated_at = micros(now);
            customers::update(tx, end)?;
        }
        Ok(())
    }
}

/// A link as it is stored.
#[derive(Debug, Clone, PartialEq)]
pub struct Linked {
    /// What became of it.
    pub stored: Stored,
    /// The link, as the first customer sees it.
    pub link: LinkRow,
    /// The first customer's version with it.
    pub version: i64,
}

/// Links two customers, or changes what the link says, if the first is still a
/// version that the caller has seen.
///
/// # Errors
/// [`Refusal`] for what depends on the store, or [`super::Error`] from the database.
pub fn put(
    tx: &mut Tx<'_>,
    store: &StoreId,
    (customer, other): (&CustomerId, &CustomerId),
    (relation, note): (&str, Option<&str>),
    if_match: &IfMatch,
    actor: &Actor,
    now: Instant,
) -> Result<Linked> {
    let mut ends = Ends::hold(tx, store, customer, other)?;
    if ends.customer.erased_at.is_some() || ends.other.erased_at.is_some() {
        return Err(Refusal::CustomerErased.into());
    }
    if_match.check(Some(ends.customer.version))?;
    let known = links::find(tx, store, customer, other)?;
    if_match.check_part(known.is_some())?;
    let link = LinkRow {
        store_id: store.to_string(),
        customer_id: customer.to_string(),
        other_id: other.to_string(),
        relation: relation.to_owned(),
        note: note.map(str::to_owned),
        linked_at: known.as_ref().map_or_else(|| micros(now), |known| known.linked_at),
    };
    let stored = match &known {
        Some(known) if *known == link => {
            let version = ends.customer.version;
            return Ok(Linked { stored: Stored::Unchanged, link, version });
        }
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
    ends.move_on(tx, now)?;
    Ok(Linked { stored, link, version: ends.customer.version })
}

/// Takes a link away, also one to a customer who was erased.
///
/// # Errors
/// [`Refusal::NotFound`] where there is none; else as [`put`].
pub fn delete(
    tx: &mut Tx<'_>,
    store: &StoreId,
    (customer, other): (&CustomerId, &CustomerId),
    if_match: &IfMatch,
    actor: &Actor,
    now: Instant,
) -> Result<()> {
    let mut ends = Ends::hold(tx, store, customer, other)?;
    let link = links::find(tx, store, customer, other)?.ok_or(Refusal::NotFound("link"))?;
    if_match.check(Some(ends.customer.version))?;
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
    ends.move_on(tx, now)
}
