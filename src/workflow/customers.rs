//! Customers: what the shop says of them, and their erasure.

use super::designations::{self, Held, changes};
use super::facts::{Session, Stored};
use super::memberships::program_of;
use super::{Error, IfMatch, Refusal, Result, credits, nominations};
use crate::db::audit::{self, Actor, Entry};
use crate::db::customers::{self, CustomerRow};
use crate::db::events::{self, Event};
use crate::db::programs::Hold;
use crate::db::{
    Tx, activities, idempotency, ledger, links, maybe_instant, micros, qualifications,
};
use crate::domain::customer::SubscriptionState;
use crate::domain::fact::is_too_far_ahead;
use crate::domain::id::{CustomerId, StoreId};
use crate::domain::money::{Amount, Currency, parse_amount};
use crate::domain::qualification::signal::Trigger;
use crate::domain::words::word;
use crate::domain::{Instant, rfc3339};
use chrono::NaiveDate;
use serde_json::{Map, Value};

/// A customer's subscription as the shop states it: its amount is read in the
/// program's currency.
#[derive(Debug, Clone, PartialEq)]
#[expect(missing_docs, reason = "the fields are the API's")]
pub struct Subscription {
    pub monthly_amount: String,
    pub state: SubscriptionState,
    pub cancelled_at: Option<Instant>,
}

/// What the shop says of a customer.
#[derive(Debug, Clone, PartialEq)]
#[expect(missing_docs, reason = "the fields are the API's")]
pub struct Profile {
    pub name: Option<String>,
    pub email: Option<String>,
    pub joined_at: Option<Instant>,
    pub birthday: Option<NaiveDate>,
    pub preferred_channel: Option<String>,
    pub tags: Vec<String>,
    pub subscription: Option<Subscription>,
    pub print_vip_icon: bool,
}

/// Stores a customer's profile, whole.
///
/// # Errors
/// [`Refusal`] for what depends on the store, or [`Error`] from the database.
pub fn put(
    tx: &mut Tx<'_>,
    store: &StoreId,
    id: &CustomerId,
    profile: &Profile,
    if_match: &IfMatch,
    actor: &Actor,
    now: Instant,
) -> Result<(Stored, CustomerRow)> {
    let mut session = Session::open(tx, store, id, now)?;
    // The customer is held by now, so the version stays what it is.
    if_match.check((!session.is_new).then_some(session.customer.version))?;
    let stored = put_in(&mut session, profile, actor)?;
    session.finish()?;
    Ok((stored, session.customer))
}

/// Stores a customer's profile in a session.
///
/// # Errors
/// As [`put`].
pub fn put_in(session: &mut Session<'_, '_>, profile: &Profile, actor: &Actor) -> Result<Stored> {
    let mut row = session.customer.clone();
    if row.erased_at.is_some() {
        return Err(Refusal::CustomerErased.into());
    }
    session.fill(&mut row, profile)?;
    if row == session.customer && !session.is_new {
        return Ok(Stored::Unchanged);
    }
    if row.is_cancelled() && !session.customer.is_cancelled() {
        row.cancellations = row.cancellations.saturating_add(1);
    }
    let has_moved = row.joined_at != session.customer.joined_at;
    session.triggers.insert(Trigger::Profile);
    if !session.is_new {
        row.version = row.version.saturating_add(1);
        row.updated_at = micros(session.now());
    }
    customers::update_with_tags(session.tx(), &row, &profile.tags)?;
    let was = std::mem::replace(&mut session.customer, row);
    write_down(session, &was, actor)?;
    if has_moved {
        session.refold();
    }
    let subscription =
        |row: &CustomerRow| (row.subscription_state.clone(), row.subscription_cancelled_at);
    if !session.is_new && subscription(&was) != subscription(&session.customer) {
        session.reconsider_grace(actor)?;
    }
    let stored = if session.is_new { Stored::Created } else { Stored::Changed };
    session.is_new = false;
    Ok(stored)
}

/// Writes down what has changed of a profile: of personal fields the names only.
fn write_down(session: &mut Session<'_, '_>, was: &CustomerRow, actor: &Actor) -> Result<()> {
    let currency = session.program().program.currency;
    let before = values(was, currency)?;
    let after = values(&session.customer, currency)?;
    let is = &session.customer;
    let personal = [
        ("name", was.name != is.name),
        ("email", was.email != is.email),
        ("birthday", was.birthday != is.birthday),
        ("preferred_channel", was.preferred_channel != is.preferred_channel),
        ("tags", was.tags != is.tags),
    ];
    let (before, mut after, mut fields) = changes(&before, &after);
    let names = personal.iter().filter(|(_, has_changed)| *has_changed);
    fields.extend(names.map(|(name, _)| (*name).to_owned()));
    after.insert("fields".into(), serde_json::json!(fields));
    let (id, store, now) = (session.id().clone(), session.store().clone(), session.now());
    let entry = Entry {
        actor,
        action: "customer_changed",
        customer: Some(&id),
        before: before.into(),
        after: after.into(),
        note: None,
    };
    Ok(audit::insert(session.tx(), &store, &entry, now)?)
}

/// What the audit log may hold of a profile.
fn values(row: &CustomerRow, currency: Currency) -> Result<Map<String, Value>> {
    let text = |at: Option<i64>| {
        Ok::<_, Error>(maybe_instant(at)?.map(|at| Value::from(rfc3339(at))).unwrap_or_default())
    };
    let amount = |amount| Amount(amount, currency).to_string();
    Ok(Map::from_iter([
        ("joined_at".to_owned(), text(row.joined_at)?),
        ("monthly_amount".to_owned(), row.subscription_amount.map(amount).into()),
        ("subscription_state".to_owned(), row.subscription_state.clone().into()),
        ("subscription_cancelled_at".to_owned(), text(row.subscription_cancelled_at)?),
        ("print_vip_icon".to_owned(), row.print_vip_icon.into()),
    ]))
}

impl Session<'_, '_> {
    /// The subscription has changed, and with it perhaps how long a VIP is kept.
    fn reconsider_grace(&mut self, actor: &Actor) -> Result<()> {
        let (store, id, now) = (self.store().clone(), self.id().clone(), self.now());
        let (program, customer) = (self.program().clone(), self.customer.clone());
        let mut held = Held::of(self.tx(), &store, &id, program, customer, actor, now)?;
        held.note_end()?;
        self.customer = held.customer;
        Ok(())
    }

    /// Writes a profile into a row.
    fn fill(&self, row: &mut CustomerRow, profile: &Profile) -> Result<()> {
        let currency = self.program().program.currency;
        if profile.joined_at.is_some_and(|at| is_too_far_ahead(at, self.now())) {
            return Err(Refusal::TooFarAhead("joined_at").into());
        }
        let amount = |subscription: &Subscription| {
            parse_amount(&subscription.monthly_amount, currency).map_err(Refusal::InvalidAmount)
        };
        let subscription = profile.subscription.as_ref();
        row.name.clone_from(&profile.name);
        row.email.clone_from(&profile.email);
        row.joined_at = profile.joined_at.map(micros);
        row.birthday = profile.birthday.map(|date| date.to_string());
        row.preferred_channel.clone_from(&profile.preferred_channel);
        row.tags = serde_json::to_string(&profile.tags)
            .map_err(|error| crate::db::Error::Failed(error.to_string()))?;
        row.subscription_amount = subscription.map(amount).transpose()?;
        row.subscription_state =
            subscription.map(|s| word(&SubscriptionState::WORDS, &s.state).to_owned());
        row.subscription_cancelled_at = subscription.and_then(|s| s.cancelled_at).map(micros);
        row.print_vip_icon = profile.print_vip_icon;
        row.derive();
        Ok(())
    }
}

/// A customer that is known and not erased, held for a change.
///
/// # Errors
/// [`Refusal::NotFound`], [`Refusal::CustomerErased`] or
/// [`Refusal::PreconditionFailed`], or [`Error`] from the database.
pub fn find_for_change(
    tx: &mut Tx<'_>,
    store: &StoreId,
    id: &CustomerId,
    if_match: &IfMatch,
) -> Result<CustomerRow> {
    program_of(tx, store, Hold::Share)?;
    let row = customers::find_locked(tx, store, id)?.ok_or(Refusal::NotFound("customer"))?;
    if row.erased_at.is_some() {
        return Err(Refusal::CustomerErased.into());
    }
    if_match.check(Some(row.version))?;
    Ok(row)
}

/// Erases a person: personal text goes, the identifier and the anonymous
/// figures stay, and facts still count (design, section 4).
///
/// # Errors
/// As [`find_for_change`].
pub fn erase(
    tx: &mut Tx<'_>,
    store: &StoreId,
    id: &CustomerId,
    if_match: &IfMatch,
    actor: &Actor,
    now: Instant,
) -> Result<()> {
    let row = find_for_change(tx, store, id, if_match)?;
    let program = program_of(tx, store, Hold::Share)?;
    let mut held = Held::of(tx, store, id, program.clone(), row, actor, now)?;
    designations::erase(&mut held)?;
    nominations::erase(&mut held)?;
    let row = held.customer;
    credits::write_off(tx, store, id, &program.program, actor, now)?;
    // What decides the tier stays: the instants of joining and of creation.
    let mut erased = CustomerRow::unknown(store, id, now);
    erased.version = row.version.saturating_add(1);
    erased.joined_at = row.joined_at;
    erased.created_at = row.created_at;
    erased.subscription_amount = row.subscription_amount;
    erased.subscription_state = row.subscription_state;
    erased.subscription_cancelled_at = row.subscription_cancelled_at;
    erased.erased_at = Some(micros(now));
    // The flag stays, as an anonymous warning to those who are linked.
    erased.flag = row.flag;
    erased.flagged_at = row.flagged_at;
    erased.flagged_by = row.flagged_by;
    erased.status = row.status;
    erased.cancellations = row.cancellations;
    customers::update_with_tags(tx, &erased, &[])?;
    audit::delete_notes(tx, store, id)?;
    links::delete_notes(tx, store, id)?;
    activities::delete_notes(tx, store, id)?;
    ledger::delete_notes(tx, store, id)?;
    idempotency::delete_of_customer(tx, store, id)?;
    qualifications::delete_of_customer(tx, store, id)?;
    let entry = Entry {
        actor,
        action: "customer_erased",
        customer: Some(id),
        before: serde_json::json!({}),
        after: serde_json::json!({}),
        note: None,
    };
    audit::insert(tx, store, &entry, now)?;
    let event =
        Event { kind: "customer_erased", customer_id: id.to_string(), data: serde_json::json!({}) };
    Ok(events::insert(tx, store, &[event], now)?)
}

/// Folds one customer's history again; with `allow_downgrades`, achievements
/// that it does not bear out are dropped, and the audit log says who and why.
///
/// # Errors
/// [`Refusal::NotFound`] where there is no such customer, or [`Error`] from the database.
pub fn recalculate(
    tx: &mut Tx<'_>,
    store: &StoreId,
    id: &CustomerId,
    allow_downgrades: bool,
    reason: &str,
    actor: &Actor,
    now: Instant,
) -> Result<super::facts::Recorded<()>> {
    program_of(tx, store, Hold::Share)?;
    let customer = customers::find(tx, store, id)?.ok_or(Refusal::NotFound("customer"))?;
    let mut session = Session::open(tx, store, id, now)?;
    let recorded = session.record(now, |session| {
        if allow_downgrades {
            session.drop_unfounded_achievements()?;
        }
        session.refold();
        Ok((Stored::Changed, ()))
    })?;
    let tier = |membership: &crate::domain::membership::Membership| {
        membership.tier.as_ref().map(|(tier, _)| tier.code.to_string())
    };
    let entry = Entry {
        actor,
        action: "membership_recalculated",
        customer: Some(id),
        before: serde_json::json!({"tier": tier(&recorded.before)}),
        after: serde_json::json!({
            "tier": tier(&recorded.after),
            "allow_downgrades": allow_downgrades,
        }),
        // Nothing more is written about who was erased.
        note: Some(reason).filter(|_| customer.erased_at.is_none()),
    };
    audit::insert(tx, store, &entry, now)?;
    Ok(recorded)
}

impl From<crate::domain::id::InvalidId> for Error {
    fn from(error: crate::domain::id::InvalidId) -> Self {
        Self::Db(crate::db::Error::Corrupt(error.to_string()))
    }
}
