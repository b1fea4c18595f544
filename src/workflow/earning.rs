//! What facts earn: entries of the ledger, by terms that are fixed when an
//! order or an activity is first processed.

use super::Result;
use super::credits::{Book, Said};
use super::facts::Session;
use crate::db::ledger::{self, EarningRow, Source};
use crate::db::orders::OrderRow;
use crate::domain::Instant;
use crate::domain::booking::{Booking, Earning, Order};
use crate::domain::designation::Designation;
use crate::domain::earning::{Terms, effective};
use crate::domain::fact::{CompletedOrder, FactKey, FactKind, Refund, Worth};
use crate::domain::ledger::Balance;
use crate::domain::membership::Held;
use crate::domain::program::Program;
use std::collections::{BTreeMap, BTreeSet};

/// What a fact found when it was told: the tier that the customer held by the
/// membership, and whether the fact counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Found {
    pub held: Option<Held>,
    pub counts: bool,
}

/// What of a session may earn.
#[derive(Debug, Default)]
pub(super) struct Earners {
    orders: BTreeMap<String, Ordered>,
    activities: BTreeMap<String, Active>,
    /// What was found of those that are told for the first time.
    found: BTreeMap<FactKey, Found>,
}

/// An order that a session has stored something of.
#[derive(Debug)]
struct Ordered {
    /// As it was before.
    before: Option<OrderRow>,
    /// As it is now.
    row: OrderRow,
    /// Refunds of it that are new.
    refunds: Vec<Refund>,
}

/// A points activity that a session has stored.
#[derive(Debug)]
struct Active {
    is_known: bool,
    occurred_at: Instant,
    worth: Worth,
}

impl Earners {
    /// An order was stored.
    pub fn order(&mut self, before: Option<&OrderRow>, row: &OrderRow) {
        let ordered = || Ordered { before: before.cloned(), row: row.clone(), refunds: Vec::new() };
        self.orders.entry(row.order_id.clone()).or_insert_with(ordered).row = row.clone();
    }

    /// A refund was stored, and its order with it.
    pub fn refund(&mut self, before: &OrderRow, row: &OrderRow, refund: Refund) {
        self.order(Some(before), row);
        if let Some(ordered) = self.orders.get_mut(&row.order_id) {
            ordered.refunds.push(refund);
        }
    }

    /// A points activity was stored.
    pub fn activity(&mut self, id: &str, is_known: bool, occurred_at: Instant, worth: Worth) {
        let active = Active { is_known, occurred_at, worth: worth.clone() };
        let active = self.activities.entry(id.to_owned()).or_insert(active);
        (active.occurred_at, active.worth) = (occurred_at, worth);
    }

    /// The facts that may be told for the first time.
    pub fn wanted(&self) -> Result<BTreeSet<FactKey>> {
        let mut wanted = BTreeSet::new();
        for ordered in self.orders.values() {
            if let Some(order) = ordered.row.completed()? {
                wanted.insert(key_of(&order));
            }
        }
        for (id, active) in &self.activities {
            let (at, id) = (active.occurred_at, id.clone());
            wanted.insert(FactKey { at, kind: FactKind::Activity, id });
        }
        Ok(wanted)
    }

    /// What a fact found when it was told.
    pub fn found(&mut self, key: &FactKey, found: Found) {
        self.found.insert(key.clone(), found);
    }

    fn is_empty(&self) -> bool {
        self.orders.is_empty() && self.activities.is_empty()
    }

    /// Whether anything may earn for the first time.
    pub fn has_new(&self) -> bool {
        let is_new = |order: &Ordered| order.row.completed_at.is_some() && !order.was_completed();
        self.orders.values().any(is_new) || self.activities.values().any(|known| !known.is_known)
    }
}

impl Ordered {
    fn was_completed(&self) -> bool {
        self.before.as_ref().is_some_and(|before| before.completed_at.is_some())
    }
}

fn key_of(order: &CompletedOrder) -> FactKey {
    FactKey { at: order.completed_at, kind: FactKind::Order, id: order.id.to_string() }
}

/// What a session's facts have moved in the ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Earned {
    /// The sum of the entries that were made.
    pub moved: Balance,
    /// What the customer has then.
    pub balance: Balance,
}

/// An entry that is to be made, with its place among the others: by instant,
/// as facts are told.
struct Draft {
    place: (Instant, FactKind, String),
    booking: Booking,
    said: Said,
}

/// Drafts of one order or activity, which stay in their order.
fn draft(source: FactKind, id: &str, bookings: Vec<Booking>, said: &Said) -> Vec<Draft> {
    let mut drafts: Vec<Draft> = Vec::new();
    for booking in bookings {
        let place = match &booking.refund {
            Some(refund) => (booking.at, FactKind::Refund, refund.to_string()),
            None => (booking.at, source, id.to_owned()),
        };
        let place = drafts.last().map_or(place.clone(), |last| place.max(last.place.clone()));
        drafts.push(Draft { place, booking, said: said.clone() });
    }
    drafts
}

/// Enters what a session's facts have earned, or taken back, given the
/// designation that there was before them; `None` where nothing of that kind
/// was stored.
///
/// # Errors
/// [`super::Refusal::FigureOverflow`] where a balance does not fit, or
/// [`super::Error`] from the database.
pub(super) fn earn(
    session: &mut Session<'_, '_>,
    earners: Earners,
    designation: Option<Designation>,
) -> Result<Option<Earned>> {
    if earners.is_empty() {
        return Ok(None);
    }
    let (store, customer) = (session.store().clone(), session.id().clone());
    let (record, now) = (session.program().clone(), session.now());
    let program = &record.program;
    let desk = Desk { program, designation, found: earners.found };
    let tx = session.tx();
    let mut book = Book::open(tx, &store, &customer, program, now)?;
    let now = book.now();
    let known = earners.orders.iter().filter(|(_, order)| order.before.is_some());
    let known: Vec<String> = known.map(|(id, _)| id.clone()).collect();
    let of_orders = ledger::earnings_of(tx, &store, Source::Order, &known)?;
    let known = earners.activities.iter().filter(|(_, activity)| activity.is_known);
    let known: Vec<String> = known.map(|(id, _)| id.clone()).collect();
    let of_activities = ledger::earnings_of(tx, &store, Source::Activity, &known)?;

    let mut drafts = Vec::new();
    let mut rows = Vec::new();
    for (id, ordered) in &earners.orders {
        let known = of_orders.get(id).map(EarningRow::earning).transpose()?;
        let completed = ordered.row.completed()?;
        // What was processed before there was a ledger earns nothing.
        let is_first = known.is_none() && !ordered.was_completed();
        let mut earning = match (&known, &completed) {
            (Some(known), _) => known.clone(),
            (None, Some(order)) if is_first => Earning::new(desk.terms_of_order(order)?),
            (None, None) if is_first => continue,
            (None, _) => Earning::new(Terms::default()),
        };
        let order = Order {
            status: ordered.row.status()?,
            completed_at: completed.map(|order| order.completed_at),
            total: ordered.row.total,
            refunded: ordered.row.refunded,
            new_refunds: &ordered.refunds,
        };
        let bookings = earning.of_order(&order, is_first, program.currency, now)?;
        let said = Said {
            tier: earning.terms.tier.clone(),
            reward: earning.terms.reward,
            points_rate: Some(earning.terms.points),
            order: Some(id.clone()),
            ..Said::default()
        };
        drafts.extend(draft(FactKind::Order, id, bookings, &said));
        if known.as_ref() != Some(&earning) {
            rows.push(EarningRow::new(&store, (Source::Order, id), &earning));
        }
    }
    for (id, active) in &earners.activities {
        let known = of_activities.get(id).map(EarningRow::earning).transpose()?;
        let is_first = known.is_none() && !active.is_known;
        let mut earning = match &known {
            Some(known) => known.clone(),
            None if is_first => Earning::new(desk.terms_of_activity(id, active)),
            None => Earning::new(Terms::default()),
        };
        let booking = earning.of_points(&active.worth, active.occurred_at, is_first, now)?;
        let points_rate = match active.worth {
            Worth::Points(_) => None,
            Worth::Event(_) => Some(earning.terms.points),
        };
        let tier = earning.terms.tier.clone();
        let said = Said { tier, points_rate, activity: Some(id.clone()), ..Said::default() };
        drafts.extend(draft(FactKind::Activity, id, booking.into_iter().collect(), &said));
        if known.as_ref() != Some(&earning) {
            rows.push(EarningRow::new(&store, (Source::Activity, id), &earning));
        }
    }
    drafts.sort_by(|a, b| a.place.cmp(&b.place));
    for row in &rows {
        ledger::put_earning(tx, row)?;
    }
    let mut moved = Balance::ZERO;
    for Draft { booking, said, .. } in drafts {
        book.enter(&booking, said)?;
        moved = moved.plus(booking.movement)?;
    }
    Ok(Some(Earned { moved, balance: book.close(tx)? }))
}

/// What decides by what terms one customer's facts earn.
struct Desk<'p> {
    program: &'p Program,
    designation: Option<Designation>,
    found: BTreeMap<FactKey, Found>,
}

impl Desk<'_> {
    /// The effective tier that was held before a fact, if the fact counts.
    fn held(&self, key: &FactKey) -> Option<Option<Held>> {
        let found = self.found.get(key).filter(|found| found.counts)?;
        let given = self.designation.as_ref().and_then(|designation| designation.gave(key.at));
        Some(effective(&self.program.rules_at(key.at).ladder, found.held.clone(), given))
    }

    fn terms_of_order(&self, order: &CompletedOrder) -> Result<Terms> {
        let Some(held) = self.held(&key_of(order)) else { return Ok(Terms::default()) };
        Ok(Terms::of_order(self.program, held.as_ref(), order.completed_at, order.total)?)
    }

    fn terms_of_activity(&self, id: &str, active: &Active) -> Terms {
        let at = active.occurred_at;
        let key = FactKey { at, kind: FactKind::Activity, id: id.to_owned() };
        let held = self.held(&key);
        let terms =
            |held: Option<Held>| Terms::of_activity(self.program, held.as_ref(), at, &active.worth);
        held.map(terms).unwrap_or_default()
    }
}
