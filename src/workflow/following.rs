//! What follows from a membership that was stored: events, and designations
//! that a tier makes.

use super::Result;
use super::designations::{Granting, Held};
use super::nominations::propose_tier;
use crate::db::audit::Actor;
use crate::db::customers::CustomerRow;
use crate::db::events::{self, Event};
use crate::db::programs::ProgramRecord;
use crate::db::{Tx, designations};
use crate::domain::designation::{Designation, Grant, State, automatic};
use crate::domain::id::{CustomerId, StoreId, TierCode};
use crate::domain::membership::Step;
use crate::domain::{Instant, rfc3339};
use serde_json::json;
use std::sync::Arc;

/// How a membership moved.
#[derive(Debug, Clone, PartialEq)]
pub struct Moved {
    /// Whose.
    pub customer: CustomerId,
    /// The tier that the customer was listed by.
    pub before: Option<TierCode>,
    /// The tier that the customer is listed by now.
    pub after: Option<TierCode>,
    /// Since when that is held.
    pub since: Instant,
    /// The ends of periods that have passed since.
    pub resets: Vec<Instant>,
}

impl Moved {
    /// The periods' ends among some steps that nobody has told of: those from
    /// the instant on at which time alone was to change something next.
    pub fn resets_of(steps: &[Step], due_at: Option<Instant>) -> Vec<Instant> {
        let Some(due_at) = due_at else { return Vec::new() };
        let ends = steps.iter().filter_map(|step| match step {
            Step::PeriodEnded { at, .. } => Some(*at),
            Step::Enrolled { .. } | Step::TierChanged { .. } => None,
        });
        ends.filter(|at| *at >= due_at).collect()
    }

    /// Whether anything follows from it.
    pub fn is_news(&self) -> bool {
        self.before != self.after || !self.resets.is_empty()
    }

    /// The events that it is worth.
    pub fn events(&self) -> Vec<Event> {
        let event = |kind, data| Event { kind, customer_id: self.customer.to_string(), data };
        let mut news: Vec<Event> = self
            .resets
            .iter()
            .map(|at| event("period_reset", json!({"ended_at": rfc3339(*at)})))
            .collect();
        if self.before != self.after {
            let code = |tier: &Option<TierCode>| tier.as_ref().map(ToString::to_string);
            let data = json!({"from": code(&self.before), "to": code(&self.after)});
            news.push(event("tier_changed", data));
        }
        news
    }

    /// Whether it may make a designation or a nomination: whether a tier that
    /// was climbed makes any.
    pub fn may_designate(&self, program: &ProgramRecord, now: Instant) -> bool {
        self.designated(program, None, false, now).is_some()
            || self.designated(program, None, true, now).is_some()
    }

    /// Whether it makes a designation, or raises one that has not ended: what
    /// has ended was ended for a reason.
    pub fn is_missed(
        &self,
        program: &ProgramRecord,
        known: Option<&Designation>,
        now: Instant,
    ) -> bool {
        known.is_none_or(|known| known.state(now) != State::Cancelled)
            && (self.designated(program, known, false, now).is_some()
                || self.designated(program, known, true, now).is_some())
    }

    fn designated<'p>(
        &self,
        program: &'p ProgramRecord,
        known: Option<&Designation>,
        requires_approval: bool,
        now: Instant,
    ) -> Option<&'p TierCode> {
        let program = &program.program;
        automatic(
            &program.latest().ladder,
            &program.treatment,
            (self.before.as_ref(), self.after.as_ref()),
            requires_approval,
            known,
            now,
        )
    }

    /// Makes or raises the designation of a customer who is held, or puts them
    /// forward where a person has to approve; answers the customer as stored then.
    ///
    /// # Errors
    /// [`super::Error`] from the database.
    pub fn designate(
        &self,
        tx: &mut Tx<'_>,
        store: &StoreId,
        program: &Arc<ProgramRecord>,
        customer: CustomerRow,
        now: Instant,
    ) -> Result<CustomerRow> {
        if customer.erased_at.is_some() || !self.may_designate(program, now) {
            return Ok(customer);
        }
        let known = designations::find(tx, store, &self.customer)?;
        let known = known.map(|known| known.designation);
        let given = self.designated(program, known.as_ref(), false, now);
        let proposed = self.designated(program, known.as_ref(), true, now);
        if given.is_none() && proposed.is_none() {
            return Ok(customer);
        }
        let actor = Actor::system();
        let id = &self.customer;
        let mut held = Held::of(tx, store, id, program.clone(), customer, &actor, now)?;
        held.note_end()?;
        let granting = Granting {
            rule: None,
            since: Some(self.since),
            is_automatic: true,
            reached: self.after.as_ref(),
        };
        let grant = |tier: &TierCode| Grant { tier: Some(tier.clone()), ..Grant::default() };
        if let Some(tier) = given {
            held.grant(&grant(tier), &granting, None)?;
        }
        if let Some(tier) = proposed {
            propose_tier(&mut held, tier, &grant(tier), &granting)?;
        }
        Ok(held.customer)
    }

    /// Stores all that follows for one customer who is held.
    ///
    /// # Errors
    /// [`super::Error`] from the database.
    pub fn follow(
        &self,
        tx: &mut Tx<'_>,
        store: &StoreId,
        program: &Arc<ProgramRecord>,
        customer: CustomerRow,
        now: Instant,
    ) -> Result<CustomerRow> {
        events::insert(tx, store, &self.events(), now)?;
        self.designate(tx, store, program, customer, now)
    }
}
