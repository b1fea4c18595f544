//! Facts coming in: store them, and move the customer's membership on.
//!
//! A [`Session`] holds one customer while facts of theirs are stored. The
//! membership is moved on by those facts alone where they are the newest, and
//! folded again from the whole history where one is late or corrected.

use super::earning::{Earned, Earners, Found, earn};
use super::following::Moved;
use super::memberships::{membership_at, program_of};
use super::{Error, Refusal, Result, qualification};
use crate::db::activities::{self, ActivityRow};
use crate::db::audit::Actor;
use crate::db::customers::{self, CustomerRow};
use crate::db::events::{self, Event};
use crate::db::memberships::{self, MembershipRecord, ToStore};
use crate::db::orders::{self, OrderRow};
use crate::db::programs::{Hold, ProgramRecord};
use crate::db::refunds::{self, RefundRow};
use crate::db::{Tx, designations, ledger, maybe_instant, micros};
use crate::domain::Instant;
use crate::domain::activity::Happening;
use crate::domain::earning::Earns;
use crate::domain::fact::{
    self, Deed, Fact, FactKey, FactKind, OrderStatus, Worth, is_too_far_ahead,
};
use crate::domain::id::{ActivityId, CustomerId, OrderId, RefundId, StoreId, TierCode};
use crate::domain::membership::{Achievements, Fold, Membership, State, Step};
use crate::domain::money::{Currency, parse_amount};
use crate::domain::qualification::signal::Trigger;
use crate::domain::status::Status;
use crate::domain::words::word;
use std::collections::BTreeSet;
use std::sync::Arc;

/// An order as the caller states it.
#[derive(Debug, Clone, PartialEq)]
#[expect(missing_docs, reason = "the fields are the API's")]
pub struct Order {
    pub id: OrderId,
    pub customer: CustomerId,
    pub status: OrderStatus,
    pub total: i64,
    pub currency: Currency,
    pub placed_at: Instant,
    pub completed_at: Option<Instant>,
    pub updated_at: Option<Instant>,
}

/// A refund as the caller states it: its amount is read in the program's currency.
#[derive(Debug, Clone, PartialEq)]
#[expect(missing_docs, reason = "the fields are the API's")]
pub struct Refund {
    pub id: RefundId,
    pub order: OrderId,
    pub amount: String,
    pub refunded_at: Instant,
}

/// An activity as the caller states it.
#[derive(Debug, Clone, PartialEq)]
#[expect(missing_docs, reason = "the fields are the API's")]
pub struct Activity {
    pub id: ActivityId,
    pub customer: CustomerId,
    pub happening: Happening,
    pub occurred_at: Instant,
    pub updated_at: Option<Instant>,
}

/// What became of something that was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stored {
    /// It is new.
    Created,
    /// It replaced what was stored.
    Changed,
    /// It was stored already, or what is stored is newer.
    Unchanged,
}

/// A fact that was stored, and where the customer stood before and after it.
#[derive(Debug, Clone, PartialEq)]
pub struct Recorded<R> {
    /// What became of it.
    pub stored: Stored,
    /// The row.
    pub row: R,
    /// The badge's word of the customer with it.
    pub status: Status,
    /// What it moved in the ledger, and what the customer has then.
    pub earned: Earned,
    /// The program that it was judged by.
    pub program: Arc<ProgramRecord>,
    /// The membership without it, at the later of now and the fact's instant.
    pub before: Membership,
    /// The membership with it, at the same instant.
    pub after: Membership,
}

/// One customer, held while facts of theirs are stored.
pub struct Session<'s, 't> {
    tx: &'s mut Tx<'t>,
    store: StoreId,
    id: CustomerId,
    now: Instant,
    program: Arc<ProgramRecord>,
    pub(super) customer: CustomerRow,
    /// Whether this session made the customer.
    pub(super) is_new: bool,
    membership: MembershipRecord,
    new_facts: Vec<Fact>,
    news: Vec<Event>,
    /// Whether the stored membership was folded under a program that is past.
    is_stale: bool,
    must_refold: bool,
    /// Whether the membership may be news: the customer is new, or it was stored.
    must_follow: bool,
    /// What has happened that rules may mind.
    pub(super) triggers: BTreeSet<Trigger>,
    /// What of it may earn.
    earners: Earners,
    /// What was earned.
    earned: Option<Earned>,
}

impl<'s, 't> Session<'s, 't> {
    /// Holds a customer, who is made where this is the first that is heard of them.
    ///
    /// # Errors
    /// [`Refusal::StoreNotSetUp`], or [`Error`] from the database.
    pub fn open(
        tx: &'s mut Tx<'t>,
        store: &StoreId,
        id: &CustomerId,
        now: Instant,
    ) -> Result<Self> {
        let program = program_of(tx, store, Hold::Share)?;
        let mut is_new = false;
        let mut customer = customers::find_locked(tx, store, id)?;
        if customer.is_none() {
            let row = CustomerRow::unknown(store, id, now);
            is_new = customers::insert(tx, &row)?;
            customer = customers::find_locked(tx, store, id)?;
        }
        let customer = customer.ok_or(Refusal::NotFound("customer"))?;
        let membership = if is_new {
            let membership = MembershipRecord::new(program.version);
            let joining = customer.joining()?;
            let stored = membership.to_row(store, id, &program.program, joining, now)?;
            memberships::insert(tx, &stored.row)?;
            // What the row says of the tier is news, and told of at the end.
            membership
        } else {
            memberships::find_locked(tx, store, id)?.ok_or(Refusal::NotFound("customer"))?
        };
        let is_stale = program.is_stale(membership.program_version, membership.state.at);
        Ok(Self {
            tx,
            store: store.clone(),
            id: id.clone(),
            now,
            program,
            customer,
            is_new,
            membership,
            new_facts: Vec::new(),
            news: Vec::new(),
            must_follow: is_new,
            triggers: is_new.then_some(Trigger::Anything).into_iter().collect(),
            is_stale,
            must_refold: is_stale,
            earners: Earners::default(),
            earned: None,
        })
    }

    pub(super) fn tx(&mut self) -> &mut Tx<'t> {
        self.tx
    }

    pub(super) fn id(&self) -> &CustomerId {
        &self.id
    }

    pub(super) fn store(&self) -> &StoreId {
        &self.store
    }

    pub(super) fn now(&self) -> Instant {
        self.now
    }

    pub(super) fn program(&self) -> &Arc<ProgramRecord> {
        &self.program
    }

    /// Where the customer stands at an instant, by what is stored so far.
    fn membership(&mut self, at: Instant) -> Result<Membership> {
        membership_at(self.tx, &self.store, &self.program, &self.customer, &self.membership, at)
    }

    /// Has the whole history folded again at the end.
    pub(super) fn refold(&mut self) {
        self.must_refold = true;
        self.triggers.insert(Trigger::Anything);
    }

    fn happened(&self, what: &'static str, at: Instant) -> Result<()> {
        if is_too_far_ahead(at, self.now) { Err(Refusal::TooFarAhead(what).into()) } else { Ok(()) }
    }

    /// Stores an order.
    ///
    /// # Errors
    /// [`Refusal`] for what design, section 4, refuses; nothing is then stored.
    pub fn order(&mut self, order: &Order) -> Result<(Stored, OrderRow)> {
        let currency = self.program.program.currency;
        if order.currency != currency {
            return Err(Refusal::CurrencyMismatch(currency.code()).into());
        }
        self.happened("placed_at", order.placed_at)?;
        for (what, at) in [("completed_at", order.completed_at), ("updated_at", order.updated_at)] {
            at.map_or(Ok(()), |at| self.happened(what, at))?;
        }
        let mut row = OrderRow {
            store_id: self.store.to_string(),
            order_id: order.id.to_string(),
            customer_id: self.id.to_string(),
            version: 1,
            status: word(&OrderStatus::WORDS, &order.status).to_owned(),
            total: order.total,
            refunded: 0,
            placed_at: micros(order.placed_at),
            completed_at: order.completed_at.map(micros),
            updated_at: order.updated_at.map(micros),
        };
        let known = orders::find(self.tx, &self.store, &order.id)?;
        let stored = match &known {
            None => {
                if !orders::insert(self.tx, &row)? {
                    // Another customer's transaction was faster with this id.
                    return Err(Refusal::OrderCustomerFixed.into());
                }
                Stored::Created
            }
            Some(known) if known.customer_id != row.customer_id => {
                return Err(Refusal::OrderCustomerFixed.into());
            }
            Some(known) => {
                row.version = known.version;
                row.refunded = known.refunded;
                let is_older = row.updated_at.is_some() && row.updated_at < known.updated_at;
                if is_older || row == *known {
                    return Ok((Stored::Unchanged, known.clone()));
                }
                if row.total < row.refunded {
                    return Err(Refusal::TotalBelowRefunds.into());
                }
                row.version = known.version.saturating_add(1);
                orders::update(self.tx, &row)?;
                Stored::Changed
            }
        };
        self.triggers.insert(Trigger::Order);
        self.earners.order(known.as_ref(), &row);
        self.flag_order(known.as_ref(), &row)?;
        let before = known.as_ref().map(OrderRow::completed).transpose()?.flatten();
        match (before, row.completed()?) {
            (None, None) => {}
            (None, Some(after)) if row.refunded == 0 => self.new_facts.push(Fact {
                key: FactKey {
                    at: after.completed_at,
                    kind: FactKind::Order,
                    id: row.order_id.clone(),
                },
                deed: Deed::Order { placed_at: after.placed_at, total: after.total, refunded: 0 },
            }),
            (Some(before), Some(after)) if before == after => {}
            _ => self.refold(),
        }
        Ok((stored, row))
    }

    /// A pending order of a customer whom staff have flagged is worth an event,
    /// once: it never blocks the order (design, section 4).
    fn flag_order(&mut self, known: Option<&OrderRow>, row: &OrderRow) -> Result<()> {
        let is_pending = |row: &OrderRow| Ok::<_, Error>(row.status()? == OrderStatus::Pending);
        let was_pending = known.map(is_pending).transpose()?.unwrap_or(false);
        let status = self.customer.status(self.now)?;
        if is_pending(row)? && !was_pending && status.is_warning() {
            self.news.push(Event {
                kind: "order_flagged",
                customer_id: row.customer_id.clone(),
                data: serde_json::json!({
                    "order_id": row.order_id,
                    "status": word(&Status::WORDS, &status),
                }),
            });
        }
        Ok(())
    }

    /// Stores a refund of an order of this customer's.
    ///
    /// # Errors
    /// [`Refusal`] for what design, section 4, refuses; nothing is then stored.
    pub fn refund(&mut self, refund: &Refund) -> Result<(Stored, RefundRow)> {
        let amount = parse_amount(&refund.amount, self.program.program.currency)
            .map_err(Refusal::InvalidAmount)?;
        let row = RefundRow {
            store_id: self.store.to_string(),
            refund_id: refund.id.to_string(),
            order_id: refund.order.to_string(),
            customer_id: self.id.to_string(),
            amount,
            refunded_at: micros(refund.refunded_at),
        };
        match refunds::find(self.tx, &self.store, &refund.id)? {
            Some(known) if known == row => return Ok((Stored::Unchanged, known)),
            Some(_) => return Err(Refusal::RefundImmutable.into()),
            None => {}
        }
        self.happened("refunded_at", refund.refunded_at)?;
        let mut order = orders::find(self.tx, &self.store, &refund.order)?
            .filter(|order| order.customer_id == row.customer_id)
            .ok_or(Refusal::UnknownOrder)?;
        let known = order.clone();
        let net_before = order.total.saturating_sub(order.refunded);
        if amount > net_before {
            return Err(Refusal::RefundExceedsOrder.into());
        }
        if !refunds::insert(self.tx, &row)? {
            return Err(Refusal::RefundImmutable.into());
        }
        order.refunded = order.refunded.saturating_add(amount);
        order.version = order.version.saturating_add(1);
        orders::update(self.tx, &order)?;
        let (id, refunded_at) = (refund.id.clone(), refund.refunded_at);
        self.earners.refund(&known, &order, fact::Refund { id, refunded_at, amount });
        self.triggers.insert(Trigger::Order);
        if let Some(completed) = order.completed()? {
            if refund.refunded_at <= completed.completed_at {
                self.refold();
            } else {
                self.new_facts.push(Fact {
                    key: FactKey {
                        at: refund.refunded_at,
                        kind: FactKind::Refund,
                        id: row.refund_id.clone(),
                    },
                    deed: Deed::Refund {
                        order: refund.order.clone(),
                        placed_at: completed.placed_at,
                        completed_at: completed.completed_at,
                        net_before,
                        amount,
                    },
                });
            }
        }
        Ok((Stored::Created, row))
    }

    /// Stores an activity.
    ///
    /// # Errors
    /// [`Refusal`] for what design, section 4, refuses; nothing is then stored.
    pub fn activity(&mut self, activity: &Activity) -> Result<(Stored, ActivityRow)> {
        self.happened("occurred_at", activity.occurred_at)?;
        activity.updated_at.map_or(Ok(()), |at| self.happened("updated_at", at))?;
        let happening = &activity.happening;
        let worth = match happening {
            Happening::Points { worth } => Some(worth.clone()),
            _ => None,
        };
        match happening {
            Happening::Complaint { resolved_at: Some(at), .. } => {
                self.happened("resolved_at", *at)?;
            }
            // What was said is personal text, of which nothing more is kept.
            Happening::Contact { .. } if self.customer.erased_at.is_some() => {
                return Err(Refusal::CustomerErased.into());
            }
            _ => {}
        }
        let mut row = ActivityRow {
            updated_at: activity.updated_at.map(micros),
            ..ActivityRow::new(&self.store, &activity.id, &self.id, activity.occurred_at, happening)
        };
        let trigger = Trigger::Activity(happening.kind());
        match activities::find(self.tx, &self.store, &activity.id)? {
            None => {
                if let Some(Worth::Event(way)) = &worth {
                    let known = self.program.program.latest().way(way);
                    if known.is_none_or(|way| way.earns != Earns::PerEvent) {
                        return Err(Refusal::UnknownWayToEarn(way.to_string()).into());
                    }
                }
                if !activities::insert(self.tx, &row)? {
                    return Err(Refusal::ActivityFixed.into());
                }
                self.tell_activity(activity);
                if let Some(worth) = worth {
                    self.earners.activity(&row.activity_id, false, activity.occurred_at, worth);
                }
                self.triggers.insert(trigger);
                Ok((Stored::Created, row))
            }
            Some(known)
                if (&known.customer_id, &known.kind, &known.way_to_earn)
                    != (&row.customer_id, &row.kind, &row.way_to_earn) =>
            {
                Err(Refusal::ActivityFixed.into())
            }
            Some(known) => {
                row.version = known.version;
                let is_older = row.updated_at.is_some() && row.updated_at < known.updated_at;
                if is_older || row == known {
                    return Ok((Stored::Unchanged, known));
                }
                row.version = known.version.saturating_add(1);
                activities::update(self.tx, &row)?;
                self.triggers.insert(trigger);
                if let Some(worth) = worth
                    && (known.points, known.occurred_at) != (row.points, row.occurred_at)
                {
                    self.earners.activity(&row.activity_id, true, activity.occurred_at, worth);
                    self.refold();
                }
                Ok((Stored::Changed, row))
            }
        }
    }

    /// Tells of an activity that is new: points to the fold, a complaint to
    /// those who poll.
    fn tell_activity(&mut self, activity: &Activity) {
        match &activity.happening {
            Happening::Points { worth } => self.new_facts.push(Fact {
                key: FactKey {
                    at: activity.occurred_at,
                    kind: FactKind::Activity,
                    id: activity.id.to_string(),
                },
                deed: Deed::Points { worth: worth.clone() },
            }),
            Happening::Complaint { channel, is_public, .. } => self.news.push(Event {
                kind: "complaint_received",
                customer_id: self.id.to_string(),
                data: serde_json::json!({
                    "activity_id": activity.id.as_str(),
                    "channel": channel,
                    "public": is_public,
                }),
            }),
            _ => {}
        }
    }

    /// Moves the membership on and stores it.
    ///
    /// # Errors
    /// [`Refusal::FigureOverflow`] where a total does not fit, or [`Error`] from the database.
    pub fn finish(&mut self) -> Result<()> {
        // What these facts designate is not held before them.
        let designation = if self.earners.has_new() {
            designations::find(self.tx, &self.store, &self.id)?.map(|record| record.designation)
        } else {
            None
        };
        if self.must_refold || !self.new_facts.is_empty() {
            self.move_on()?;
        } else if self.must_follow {
            // A new customer without a fact: the row is stored already.
            let stored = self.to_row()?;
            self.follow(&stored, &[])?;
        }
        let earners = std::mem::take(&mut self.earners);
        if let Some(earned) = earn(self, earners, designation)? {
            self.earned = Some(earned);
        }
        let news = std::mem::take(&mut self.news);
        events::insert(self.tx, &self.store, &news, self.now)?;
        self.qualify()
    }

    /// Has the rules judge the customer, where something has happened that
    /// they mind.
    fn qualify(&mut self) -> Result<()> {
        let triggers = std::mem::take(&mut self.triggers);
        let rules = &self.program.program.qualification;
        if triggers.into_iter().any(|trigger| rules.minds(trigger)) {
            let customer = self.customer.clone();
            match qualification::judge(self.tx, &self.store, &self.program, customer, self.now) {
                Ok(customer) => self.customer = customer,
                // What others spent is no reason to refuse this customer's facts.
                Err(Error::Refused(refusal)) => {
                    tracing::warn!(customer = %self.id, %refusal, "a customer is not judged");
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn move_on(&mut self) -> Result<()> {
        self.new_facts.sort_by(|a, b| a.key.cmp(&b.key));
        let oldest_new = self.new_facts.first().map(|fact| &fact.key);
        let is_late = oldest_new.is_some() && oldest_new <= self.membership.state.through.as_ref();
        let joining = self.customer.joining()?;
        let program = &self.program.program;
        let (state, facts) = if self.must_refold || is_late {
            let history = orders::history(self.tx, &self.store, &self.id)?;
            (State::default(), history.facts()?)
        } else {
            (self.membership.state.clone(), std::mem::take(&mut self.new_facts))
        };
        if self.is_stale && self.program.drops_achievements() {
            self.membership.achievements = Achievements::default();
        }
        let wanted = self.earners.wanted()?;
        let mut fold = Fold::resume(program, joining, state);
        for fact in &facts {
            fold.tell_time_before(fact);
            let held = wanted.contains(&fact.key).then(|| {
                let ladder = &program.rules_at(fact.key.at).ladder;
                self.membership.achievements.tier_at(ladder, fold.state(), fact.key.at)
            });
            let counts = fold.tell(fact)?.uncounted.is_none();
            if let Some(held) = held {
                self.earners.found(&fact.key, Found { held, counts });
            }
        }
        let (state, steps) = fold.into_parts();
        self.membership.achievements.record(program, &state, &steps);
        self.membership.state = state;
        self.store_membership(&steps)
    }

    /// Drops the achievements that the fold does not bear out (design, section 3.10).
    ///
    /// # Errors
    /// As [`Session::finish`].
    pub fn drop_unfounded_achievements(&mut self) -> Result<()> {
        self.membership.achievements = Achievements::default();
        self.refold();
        self.finish()
    }

    fn to_row(&self) -> Result<ToStore> {
        let joining = self.customer.joining()?;
        let program = &self.program.program;
        Ok(self.membership.to_row(&self.store, &self.id, program, joining, self.now)?)
    }

    fn store_membership(&mut self, steps: &[Step]) -> Result<()> {
        self.membership.sequence = self.membership.sequence.saturating_add(1);
        self.membership.program_version = self.program.version;
        let stored = self.to_row()?;
        if !memberships::update(self.tx, &stored.row)? {
            return Err(crate::db::Error::Failed(
                "a membership changed while it was held".to_owned(),
            )
            .into());
        }
        self.new_facts.clear();
        self.is_stale = false;
        self.must_refold = false;
        self.follow(&stored, steps)
    }

    /// Stores what follows from the membership as it is stored now.
    fn follow(&mut self, stored: &ToStore, steps: &[Step]) -> Result<()> {
        let after = stored.row.tier.as_deref().map(TierCode::parse).transpose()?;
        let due_at = self.membership.due_at;
        let mut resets = Moved::resets_of(steps, due_at);
        resets.extend(Moved::resets_of(&stored.steps, due_at));
        let moved = Moved {
            customer: self.id.clone(),
            before: std::mem::replace(&mut self.membership.listed_tier, after.clone()),
            after,
            since: stored.since.unwrap_or(self.now),
            resets,
        };
        self.membership.due_at = maybe_instant(stored.row.due_at)?;
        self.must_follow = false;
        if moved.is_news() {
            let customer = self.customer.clone();
            self.customer =
                moved.follow(self.tx, &self.store, &self.program, customer, self.now)?;
        }
        Ok(())
    }

    /// Stores one fact by `put`, and says where the customer stood before and
    /// after it.
    ///
    /// # Errors
    /// What `put` answers, or as [`Session::finish`].
    pub fn record<R>(
        &mut self,
        fact_at: Instant,
        put: impl FnOnce(&mut Self) -> Result<(Stored, R)>,
    ) -> Result<Recorded<R>> {
        let at = self.now.max(fact_at);
        let before = self.membership(at)?;
        let (stored, row) = put(self)?;
        self.finish()?;
        let after = if stored == Stored::Unchanged { before.clone() } else { self.membership(at)? };
        let status = self.customer.status(self.now)?;
        let earned = match self.earned {
            Some(earned) => earned,
            None => {
                let account = ledger::account(self.tx, &self.store, &self.id)?;
                let balance = account.balance_at(&self.program.program, self.now)?;
                Earned { balance, ..Earned::default() }
            }
        };
        Ok(Recorded { stored, row, status, earned, program: self.program.clone(), before, after })
    }
}

/// The customer of a refund: the one of its order.
///
/// # Errors
/// [`Refusal::UnknownOrder`] where the order has not been sent, or [`Error`] from the database.
pub fn customer_of_order(tx: &mut Tx<'_>, store: &StoreId, order: &OrderId) -> Result<CustomerId> {
    program_of(tx, store, Hold::Share)?;
    let row = orders::find(tx, store, order)?.ok_or(Refusal::UnknownOrder)?;
    CustomerId::parse(&row.customer_id)
        .map_err(|_| Error::Db(crate::db::Error::Corrupt(row.customer_id)))
}

/// Stores one order.
///
/// # Errors
/// [`Refusal`] for what design, section 4, refuses, or [`Error`] from the database.
pub fn put_order(
    tx: &mut Tx<'_>,
    store: &StoreId,
    order: &Order,
    if_match: &super::IfMatch,
    now: Instant,
) -> Result<Recorded<OrderRow>> {
    let mut session = Session::open(tx, store, &order.customer, now)?;
    let version = orders::find(session.tx, store, &order.id)?.map(|row| row.version);
    if_match.check(version)?;
    session.record(order.completed_at.unwrap_or(now), |session| session.order(order))
}

/// Stores one refund.
///
/// # Errors
/// [`Refusal`] for what design, section 4, refuses, or [`Error`] from the database.
pub fn put_refund(
    tx: &mut Tx<'_>,
    store: &StoreId,
    refund: &Refund,
    now: Instant,
) -> Result<Recorded<RefundRow>> {
    let customer = customer_of_order(tx, store, &refund.order)?;
    let mut session = Session::open(tx, store, &customer, now)?;
    session.record(refund.refunded_at, |session| session.refund(refund))
}

/// Stores one activity.
///
/// # Errors
/// [`Refusal`] for what design, section 4, refuses, or [`Error`] from the database.
pub fn put_activity(
    tx: &mut Tx<'_>,
    store: &StoreId,
    activity: &Activity,
    if_match: &super::IfMatch,
    now: Instant,
) -> Result<Recorded<ActivityRow>> {
    let mut session = Session::open(tx, store, &activity.customer, now)?;
    let version = activities::find(session.tx, store, &activity.id)?.map(|row| row.version);
    if_match.check(version)?;
    session.record(activity.occurred_at, |session| session.activity(activity))
}

/// One line of a batch.
#[derive(Debug, Clone, PartialEq)]
pub enum Line {
    /// A customer's data.
    Customer(CustomerId, Box<super::customers::Profile>),
    /// An order.
    Order(Order),
    /// A refund.
    Refund(Refund),
    /// An activity.
    Activity(Activity),
}

impl Line {
    /// The place at which a batch stores it: customers first, then orders,
    /// refunds and activities, each by instant.
    fn place(&self) -> (u8, Option<(Instant, &str)>) {
        match self {
            Self::Customer(..) => (0, None),
            // Two states of one order keep the order in which they were sent.
            Self::Order(_) => (1, None),
            // A refund states what was left of its order before it.
            Self::Refund(refund) => (2, Some((refund.refunded_at, refund.id.as_str()))),
            Self::Activity(_) => (3, None),
        }
    }
}

/// Stores lines of one customer, each for itself, and folds once. The answer
/// has a result for each line, in the order of the lines.
///
/// # Errors
/// [`Batch::NothingStored`] where every line is refused: the transaction is
/// then to be undone, so that the customer is not made for nothing.
pub fn put_lines(
    tx: &mut Tx<'_>,
    store: &StoreId,
    customer: &CustomerId,
    lines: &[Line],
    actor: &Actor,
    now: Instant,
) -> std::result::Result<Vec<std::result::Result<Stored, Refusal>>, Batch> {
    let mut session = Session::open(tx, store, customer, now)?;
    let mut order: Vec<usize> = (0..lines.len()).collect();
    order.sort_by_key(|i| lines.get(*i).map(Line::place));
    let mut results: Vec<(usize, std::result::Result<Stored, Refusal>)> = Vec::new();
    for i in order {
        let Some(line) = lines.get(i) else { continue };
        let stored = match line {
            Line::Customer(_, profile) => {
                super::customers::put_in(&mut session, profile, actor).map(|s| (s, ()))
            }
            Line::Order(order) => session.order(order).map(|(stored, _)| (stored, ())),
            Line::Refund(refund) => session.refund(refund).map(|(stored, _)| (stored, ())),
            Line::Activity(activity) => session.activity(activity).map(|(stored, _)| (stored, ())),
        };
        match stored {
            Ok((stored, ())) => results.push((i, Ok(stored))),
            Err(Error::Refused(refusal)) => results.push((i, Err(refusal))),
            Err(error) => return Err(error.into()),
        }
    }
    results.sort_by_key(|(i, _)| *i);
    let results: Vec<_> = results.into_iter().map(|(_, result)| result).collect();
    if results.iter().all(std::result::Result::is_err) {
        return Err(Batch::NothingStored(results));
    }
    session.finish()?;
    Ok(results)
}

/// Why a batch was not stored.
#[derive(Debug)]
pub enum Batch {
    /// Every line was refused.
    NothingStored(Vec<std::result::Result<Stored, Refusal>>),
    /// Something that concerns all of it.
    Failed(Error),
}

impl From<Error> for Batch {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

impl From<crate::db::Error> for Batch {
    fn from(error: crate::db::Error) -> Self {
        Self::Failed(error.into())
    }
}
