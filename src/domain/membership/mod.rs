//! Membership: where one customer stands, as a fold over facts (design, section 3).
//!
//! [`Fold`] tells facts one by one, in the order of their keys, and between
//! them whatever time alone brings: enrolment, boundaries, revisions,
//! resumptions. What it has come to is a [`State`], a plain value that can be
//! stored and taken up again, so that one more fact costs the same however
//! long the history is.

mod achievement;
mod view;

#[cfg(test)]
mod model;
#[cfg(test)]
mod tests;

pub use achievement::{Achievement, Achievements};
pub use view::{Membership, NextTier};

use super::earning::whole;
use super::fact::{Deed, Fact, FactKey, FactKind, History, Worth};
use super::id::TierCode;
use super::money::points_for;
use super::period::{Anchor, Period, ProgressReset, next_boundary};
use super::program::{EntryMethod, Program, Rules, TierRetention};
use super::{Instant, Overflow, calendar};
use chrono::NaiveDate;

/// What a customer has done, in all three metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Figures {
    /// Money spent less refunds, in minor units.
    pub amount_spent: i64,
    /// Orders completed and not refunded in full.
    pub orders_placed: i64,
    /// Points, of orders and of activities.
    pub points_earned: i64,
}

impl Figures {
    /// The metric that an entry method measures.
    pub fn of(self, method: EntryMethod) -> i64 {
        match method {
            EntryMethod::AmountSpent => self.amount_spent,
            EntryMethod::OrdersPlaced => self.orders_placed,
            EntryMethod::PointsEarned => self.points_earned,
        }
    }

    /// What a completed order is worth while `net` is left of its total. An
    /// order of zero counts as one; an order refunded in full does not. Points
    /// go by the tier that the customer held by the fold before it.
    ///
    /// # Errors
    /// [`Overflow`] where the points do not fit.
    pub fn of_order(
        program: &Program,
        tier: Option<&TierCode>,
        completed_at: Instant,
        net: i64,
        is_free: bool,
    ) -> Result<Self, Overflow> {
        let rate = program.rules_at(completed_at).points_per_unit_of(tier);
        Ok(Self {
            amount_spent: net,
            orders_placed: i64::from(net > 0 || is_free),
            points_earned: points_for(net, program.currency, rate)?,
        })
    }

    /// What an activity of the kind `points` is worth to who holds a tier by
    /// the fold before it.
    pub fn of_points(
        program: &Program,
        tier: Option<&TierCode>,
        occurred_at: Instant,
        worth: &Worth,
    ) -> Self {
        let points_earned = match worth {
            Worth::Points(points) => *points,
            Worth::Event(way) => whole(program.rules_at(occurred_at).points_of_event(way, tier)),
        };
        Self { points_earned, ..Self::default() }
    }

    fn plus(self, other: Self) -> Result<Self, Overflow> {
        self.combine(other, i64::checked_add)
    }

    fn minus(self, other: Self) -> Result<Self, Overflow> {
        self.combine(other, i64::checked_sub)
    }

    fn combine(self, other: Self, op: fn(i64, i64) -> Option<i64>) -> Result<Self, Overflow> {
        Ok(Self {
            amount_spent: op(self.amount_spent, other.amount_spent).ok_or(Overflow)?,
            orders_placed: op(self.orders_placed, other.orders_placed).ok_or(Overflow)?,
            points_earned: op(self.points_earned, other.points_earned).ok_or(Overflow)?,
        })
    }

    /// Totals never go below zero (design, section 3.3).
    fn at_least_zero(self) -> Self {
        Self {
            amount_spent: self.amount_spent.max(0),
            orders_placed: self.orders_placed.max(0),
            points_earned: self.points_earned.max(0),
        }
    }
}

/// What decides when a customer joins (design, section 3.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Joining {
    /// As the shop states it, if it does.
    pub joined_at: Option<Instant>,
    /// When the customer became known here.
    pub created_at: Instant,
}

/// A tier, and since when it is held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// The tier.
    pub code: TierCode,
    /// Since when.
    pub since: Instant,
}

/// A change of the tier by the fold alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// When.
    pub at: Instant,
    /// The fact that did it; `None` for time, which comes before facts.
    pub by: Option<(FactKind, String)>,
    /// The tier after it.
    pub tier: Option<TierCode>,
}

impl Change {
    fn is_before(&self, fact: &FactKey) -> bool {
        match &self.by {
            None => self.at <= fact.at,
            Some((kind, id)) => (self.at, *kind, id) < (fact.at, fact.kind, &fact.id),
        }
    }
}

/// What the fold has come to. Everything the next fact needs is in here.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct State {
    /// The newest fact that was told.
    pub through: Option<FactKey>,
    /// The instant up to and including which time has been told.
    pub at: Option<Instant>,
    /// The first completed order or points.
    pub first_fact_at: Option<Instant>,
    /// The newest completed order, counted or not.
    pub last_order_at: Option<Instant>,
    /// When the customer was enrolled.
    pub enrolled_at: Option<Instant>,
    /// When the customer first held a tier.
    pub first_tier_at: Option<Instant>,
    /// The tier by the fold alone, achievements aside.
    pub tier: Option<Held>,
    /// The open period; there is one from enrolment on.
    pub period: Option<Period>,
    /// What counts toward the next tier in the open period.
    pub progress: Figures,
    /// All that was ever spent, ordered and earned here.
    pub lifetime: Figures,
    /// Whether a fact of the open period has reached the top tier.
    pub reached_top: bool,
    /// The last period end at which this customer fell to the entry tier;
    /// it ends earlier achievements too.
    pub fell_at: Option<Instant>,
    /// How the tier came about, in order: what an order earned when it was
    /// told is what a refund of it takes away.
    pub changes: Vec<Change>,
}

impl State {
    /// The tier by the fold alone that was held before a fact.
    pub fn tier_before(&self, fact: &FactKey) -> Option<&TierCode> {
        let last = self.changes.iter().rev().find(|change| change.is_before(fact));
        last.and_then(|change| change.tier.as_ref())
    }
}

/// What the fold did on its way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// The customer was enrolled.
    Enrolled {
        /// When.
        at: Instant,
    },
    /// A period ended and progress began again at zero.
    PeriodEnded {
        /// When: the first instant of the next period.
        at: Instant,
        /// The progress that ended with it.
        progress: Figures,
    },
    /// The customer's tier by the fold changed.
    TierChanged {
        /// When.
        at: Instant,
        /// The tier before.
        from: Option<TierCode>,
        /// The tier after.
        to: Option<TierCode>,
        /// What did it.
        cause: Cause,
    },
}

/// What changed a tier.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// The entry tier is held from enrolment.
    Enrolment,
    /// A revision brought an entry tier to who held none.
    Revision,
    /// A resumption brought an entry tier to who held none.
    Resumption,
    /// A fact reached a threshold.
    Fact,
    /// A period ended without the top tier, under `reset_each_period`.
    PeriodEnd,
}

/// What came of one fact.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outcome {
    /// What it added to the lifetime figures; of a refund, below zero.
    pub change: Figures,
    /// Why it changed no progress; `None` where it counted.
    pub uncounted: Option<Uncounted>,
}

/// Why a fact changes no progress (design, sections 3.3 and 3.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Uncounted {
    /// The order was placed, or the points earned, before the program's start.
    BeforeProgramStart,
    /// It happened before the customer was enrolled.
    BeforeEnrolment,
    /// It happened while the program was paused.
    ProgramPaused,
    /// The refund's order had not counted.
    OrderNotCounted,
    /// The refund's order was completed in a period that has ended.
    OrderOfEarlierPeriod,
}

/// A membership being folded.
#[derive(Debug)]
pub struct Fold<'a> {
    program: &'a Program,
    joining: Joining,
    state: State,
    steps: Vec<Step>,
}

impl<'a> Fold<'a> {
    /// Takes up a state where it was left; `State::default()` begins.
    pub fn resume(program: &'a Program, joining: Joining, state: State) -> Self {
        Self { program, joining, state, steps: Vec::new() }
    }

    /// Tells a whole history, up to and including `until` where that is given.
    ///
    /// # Errors
    /// [`Overflow`] where a total does not fit.
    pub fn of(
        program: &'a Program,
        joining: Joining,
        history: &History,
        until: Option<Instant>,
    ) -> Result<Self, Overflow> {
        let mut fold = Self::resume(program, joining, State::default());
        for fact in history.facts()? {
            if until.is_some_and(|until| fact.key.at > until) {
                break;
            }
            fold.tell(&fact)?;
        }
        Ok(fold)
    }

    /// What it has come to.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// Ends the fold: what it has come to, and the steps not yet taken away.
    pub fn into_parts(self) -> (State, Vec<Step>) {
        (self.state, self.steps)
    }

    /// Takes away what was done since the last call.
    pub fn take_steps(&mut self) -> Vec<Step> {
        std::mem::take(&mut self.steps)
    }

    /// Tells the next fact, whose key is above that of every fact told before.
    ///
    /// # Errors
    /// [`Overflow`] where a total does not fit; the fold is then of no more use.
    pub fn tell(&mut self, fact: &Fact) -> Result<Outcome, Overflow> {
        let at = fact.key.at;
        self.tell_time_before(fact);
        let tier = self.state.tier.as_ref().map(|held| &held.code);
        let (change, uncounted) = match &fact.deed {
            &Deed::Order { placed_at, total, refunded } => {
                let net = total.checked_sub(refunded).ok_or(Overflow)?.max(0);
                let change = Figures::of_order(self.program, tier, at, net, total == 0)?;
                self.state.last_order_at = Some(at);
                (change, self.why_order_does_not_count(placed_at, at))
            }
            &Deed::Refund { ref order, placed_at, completed_at, net_before, amount } => {
                let net = net_before.checked_sub(amount).ok_or(Overflow)?.max(0);
                let id = order.to_string();
                let order = FactKey { at: completed_at, kind: FactKind::Order, id };
                let tier = self.state.tier_before(&order);
                let of = |net| Figures::of_order(self.program, tier, completed_at, net, false);
                let change = of(net)?.minus(of(net_before)?)?;
                (change, self.why_refund_does_not_count(placed_at, completed_at))
            }
            Deed::Points { worth } => {
                let change = Figures::of_points(self.program, tier, at, worth);
                (change, self.why_order_does_not_count(at, at))
            }
        };
        self.state.lifetime = self.state.lifetime.plus(change)?.at_least_zero();
        if uncounted.is_none() {
            self.state.progress = self.state.progress.plus(change)?.at_least_zero();
            if change.of(self.program.rules_at(at).entry_method) > 0 {
                self.upgrade(&fact.key);
            }
        }
        self.state.through = Some(fact.key.clone());
        Ok(Outcome { change, uncounted })
    }

    /// Tells what time alone brings before the next fact, which may itself be
    /// what the customer joined by. Part of [`Fold::tell`].
    pub fn tell_time_before(&mut self, fact: &Fact) {
        if !matches!(fact.deed, Deed::Refund { .. }) {
            self.state.first_fact_at.get_or_insert(fact.key.at);
        }
        self.advance(fact.key.at);
    }

    /// Tells what time alone brings, up to and including an instant.
    pub fn advance(&mut self, to: Instant) {
        while let Some(at) = self.due_at().filter(|at| *at <= to) {
            if self.state.enrolled_at.is_none() {
                self.enrol(at);
            } else {
                self.pass(at);
            }
            self.state.at = Some(at);
        }
        self.state.at = self.state.at.max(Some(to));
    }

    /// When time alone next changes something: at the enrolment, the period's
    /// end, a revision or a resumption.
    pub fn due_at(&self) -> Option<Instant> {
        if self.state.enrolled_at.is_none() {
            return self.program.enrolment_of(self.joined_at());
        }
        let told = self.state.at;
        [self.boundary(), self.program.next_revision(told), self.program.next_resumption(told)]
            .into_iter()
            .flatten()
            .min()
    }

    /// When the customer joined: as stated, or else found (design, section 3.2).
    pub fn joined_at(&self) -> Instant {
        let found = || match self.state.first_fact_at {
            Some(first) => first.min(self.joining.created_at),
            None => self.joining.created_at,
        };
        self.joining.joined_at.unwrap_or_else(found)
    }

    /// When the open period is going to end, by the pauses that are known: a
    /// boundary that a pause keeps from resetting anything gives way to the
    /// first one after the resumption.
    pub fn period_end(&self) -> Option<Instant> {
        let mut end = self.state.period?.end?;
        // Pauses follow one another, so each gives way to a later end.
        while let Some(pause) = self.program.pauses().iter().find(|pause| pause.covers(end)) {
            let resumed = pause.until?;
            end = self.next_boundary(self.program.rules_at(resumed), resumed)?;
        }
        Some(end)
    }

    /// The open period's end, unless a pause keeps it from resetting anything.
    fn boundary(&self) -> Option<Instant> {
        let end = self.state.period.and_then(|period| period.end)?;
        (!self.program.is_paused(end)).then_some(end)
    }

    fn enrol(&mut self, at: Instant) {
        self.state.enrolled_at = Some(at);
        self.state.period = Some(Period { start: at, end: None });
        self.steps.push(Step::Enrolled { at });
        self.take_entry_tier(at, Cause::Enrolment);
        self.find_end(at);
    }

    /// What happens at one instant, in the order of design, section 3.1.
    fn pass(&mut self, at: Instant) {
        let told = self.state.at;
        let is_boundary = self.boundary() == Some(at);
        let is_resumption = self.program.next_resumption(told) == Some(at);
        let is_revision = self.program.next_revision(told) == Some(at);
        if is_boundary {
            self.end_period(at);
        }
        if is_resumption {
            if let Some(period) = &mut self.state.period
                && period.end.is_some_and(|end| end < at)
            {
                period.end = None;
            }
            self.take_entry_tier(at, Cause::Resumption);
        }
        if is_revision {
            self.take_entry_tier(at, Cause::Revision);
        }
        self.find_end(at);
    }

    fn end_period(&mut self, at: Instant) {
        let rules = self.program.rules_before(at);
        self.steps.push(Step::PeriodEnded { at, progress: self.state.progress });
        if rules.tier_retention == TierRetention::ResetEachPeriod && !self.state.reached_top {
            self.state.fell_at = Some(at);
            let entry = rules.ladder.entry().map(|tier| tier.code.clone());
            if self.state.tier.as_ref().map(|held| &held.code) != entry.as_ref() {
                self.hold(at, None, entry, Cause::PeriodEnd);
            }
        }
        self.state.progress = Figures::default();
        self.state.reached_top = false;
        let end = self.next_boundary(rules, at);
        self.state.period = Some(Period { start: at, end });
    }

    /// Gives the entry tier to who holds none, unless the program is paused.
    fn take_entry_tier(&mut self, at: Instant, cause: Cause) {
        let entry = self.program.rules_at(at).ladder.entry();
        if let Some(entry) = entry
            && self.state.tier.is_none()
            && !self.program.is_paused(at)
        {
            self.hold(at, None, Some(entry.code.clone()), cause);
        }
    }

    /// Moves up to the highest tier that the progress reaches, if it is higher.
    fn upgrade(&mut self, fact: &FactKey) {
        let at = fact.at;
        let rules = self.program.rules_at(at);
        let Some(reached) = rules.ladder.reached_by(self.state.progress.of(rules.entry_method))
        else {
            return;
        };
        if rules.ladder.top() == Some(reached) {
            self.state.reached_top = true;
        }
        let held = self.state.tier.as_ref().map(|held| &held.code);
        if Some(reached.rank) > rules.ladder.rank(held) {
            let by = Some((fact.kind, fact.id.clone()));
            self.hold(at, by, Some(reached.code.clone()), Cause::Fact);
            self.find_end(at);
        }
    }

    fn hold(
        &mut self,
        at: Instant,
        by: Option<(FactKind, String)>,
        code: Option<TierCode>,
        cause: Cause,
    ) {
        self.state.changes.push(Change { at, by, tier: code.clone() });
        if code.is_some() {
            self.state.first_tier_at.get_or_insert(at);
        }
        let from = self.state.tier.take().map(|held| held.code);
        self.state.tier = code.clone().map(|code| Held { code, since: at });
        self.steps.push(Step::TierChanged { at, from, to: code, cause });
    }

    /// Gives a period without an end the next boundary, if the rules now have one.
    fn find_end(&mut self, at: Instant) {
        if let Some(period @ Period { end: None, .. }) = self.state.period {
            let end = self.next_boundary(self.program.rules_at(at), at);
            self.state.period = Some(Period { end, ..period });
        }
    }

    fn next_boundary(&self, rules: &Rules, after: Instant) -> Option<Instant> {
        let zone = self.program.time_zone;
        let date = |at: Option<Instant>| at.and_then(|at| calendar::local_date(zone, at));
        let anchor: Option<NaiveDate> = match rules.progress_reset {
            ProgressReset::Never | ProgressReset::CalendarYear => None,
            ProgressReset::Rolling { anchor: Anchor::Enrolment, .. } => {
                date(self.state.enrolled_at)
            }
            ProgressReset::Rolling { anchor: Anchor::FirstTier, .. } => {
                date(self.state.first_tier_at)
            }
            ProgressReset::Rolling { anchor: Anchor::ProgramStart, .. } => {
                Some(self.program.start_date)
            }
        };
        next_boundary(rules.progress_reset, zone, anchor, after)
    }

    fn why_order_does_not_count(&self, placed_at: Instant, at: Instant) -> Option<Uncounted> {
        if self.program.start_at().is_none_or(|start| placed_at < start) {
            Some(Uncounted::BeforeProgramStart)
        } else if self.program.is_paused(at) {
            Some(Uncounted::ProgramPaused)
        } else if self.state.enrolled_at.is_none_or(|enrolled| at < enrolled) {
            Some(Uncounted::BeforeEnrolment)
        } else {
            None
        }
    }

    fn why_refund_does_not_count(
        &self,
        placed_at: Instant,
        completed_at: Instant,
    ) -> Option<Uncounted> {
        if self.why_order_does_not_count(placed_at, completed_at).is_some() {
            Some(Uncounted::OrderNotCounted)
        } else if self.state.period.is_none_or(|period| completed_at < period.start) {
            Some(Uncounted::OrderOfEarlierPeriod)
        } else {
            None
        }
    }
}
