//! How to treat a customer, in one look-up.

use super::memberships::membership_at;
use super::{Refusal, Result};
use crate::db::badges::{self, FlaggedLink, Found, Ids};
use crate::db::customers::CustomerRow;
use crate::db::designations::DesignationRecord;
use crate::db::memberships::{MembershipRecord, NEVER};
use crate::db::programs::ProgramRecord;
use crate::db::{Db, Tx};
use crate::domain::Instant;
use crate::domain::badge::{Badge, Known, listed_tier};
use crate::domain::benefit::Icon;
use crate::domain::id::StoreId;
use crate::domain::ledger::Balance;
use crate::domain::membership::Membership;
use crate::domain::program::Program;
use crate::domain::stage::{Signals, Stage};
use crate::domain::tier::Tier;
use std::sync::Arc;

/// One customer, and how to treat them.
#[derive(Debug, Clone, PartialEq)]
pub struct Treated {
    /// The order that was asked for, where one was.
    pub order_id: Option<String>,
    /// The customer.
    pub customer: CustomerRow,
    /// Where the customer stands.
    pub membership: Membership,
    /// The newest completed order.
    pub last_order_at: Option<Instant>,
    /// The stage on the way of a VIP.
    pub stage: Stage,
    /// When the customer joined, stated or found.
    pub joined_at: Instant,
    /// The designation, if there ever was one.
    pub designation: Option<DesignationRecord>,
    /// The tier to list the customer by as a VIP.
    pub listed_tier: Option<(Tier, Icon)>,
    /// How to treat them.
    pub badge: Badge,
    /// What the customer has.
    pub balance: Balance,
    /// Linked customers who carry a flag.
    pub flagged: Vec<FlaggedLink>,
}

/// What was found for some identifiers.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The program.
    pub program: Arc<ProgramRecord>,
    /// Whoever was found.
    pub treated: Vec<Treated>,
}

impl Treated {
    /// Puts together what is stored of a customer; of a fact ahead of the
    /// clock, as of that fact.
    ///
    /// # Errors
    /// [`super::Error`] where a row makes no sense.
    pub fn of(program: &Program, found: Found, now: Instant) -> Result<Self> {
        let record = MembershipRecord::try_from(found.membership.clone())?;
        let joining = found.customer.joining()?;
        let at = record.state.at.map_or(now, |told| told.max(now));
        let membership = Membership::at(program, joining, record.state, &record.achievements, at);
        Self::with(program, found, membership, now)
    }

    /// The same, with a membership that is known better.
    fn with(program: &Program, found: Found, membership: Membership, now: Instant) -> Result<Self> {
        let Found { order_id, customer, membership: row, designation, account, flagged } = found;
        let last_order_at = (row.last_order_at != NEVER).then_some(row.last_order_at);
        let last_order_at = crate::db::maybe_instant(last_order_at)?;
        let joined_at = crate::db::instant(row.joined_at)?;
        let cancelled_at = customer.cancelled_at()?;
        let designation = designation.map(DesignationRecord::try_from).transpose()?;
        // As the program says now, whether or not the row has been told.
        let (zone, days) = (program.time_zone, program.grace_days);
        let designation = designation.map(|known| DesignationRecord {
            designation: known.designation.clone().in_grace(zone, days, cancelled_at, now),
            ..known
        });
        let known = Known {
            program,
            flag: customer.flag()?,
            print_vip_icon: customer.print_vip_icon,
            membership: &membership,
            designation: designation.as_ref().map(|record| &record.designation),
            now,
        };
        let balance = account.map(|account| account.balance_at(program, now)).transpose()?;
        let balance = balance.unwrap_or_default();
        let signals = Signals { joined_at, last_order_at, is_cancelled: cancelled_at.is_some() };
        Ok(Self {
            badge: Badge::of(&known),
            listed_tier: listed_tier(&known),
            stage: Stage::of(&signals, zone, now),
            order_id,
            customer,
            membership,
            last_order_at,
            joined_at,
            designation,
            balance,
            flagged,
        })
    }
}

/// How to treat some customers: one statement, and no more.
///
/// # Errors
/// [`Refusal::StoreNotSetUp`], or [`super::Error`] from the database.
pub async fn read(db: &Db, store: &StoreId, ids: Ids, now: Instant) -> Result<Answer> {
    let (program, found) = look_up(db, store, ids).await?;
    let treated = found.into_iter().map(|found| Treated::of(&program.program, found, now));
    Ok(Answer { treated: treated.collect::<Result<_>>()?, program })
}

/// How to treat one customer, exactly: where the stored membership is of a
/// program that is past, or knows of more than has happened by now, the
/// history is folded afresh.
///
/// # Errors
/// [`Refusal::NotFound`] with what was asked for where there is none; else as [`read`].
pub async fn read_one(
    db: &Db,
    store: &StoreId,
    ids: Ids,
    now: Instant,
) -> Result<(Arc<ProgramRecord>, Treated)> {
    let what = match &ids {
        Ids::Customers(_) => "customer",
        Ids::Orders(_) => "order",
    };
    let (program, found) = look_up(db, store, ids).await?;
    let found = found.into_iter().next().ok_or(Refusal::NotFound(what))?;
    let through = crate::db::maybe_instant(found.membership.through_at)?;
    if !is_stale(&program, &found) && through <= Some(now) {
        let treated = Treated::of(&program.program, found, now)?;
        return Ok((program, treated));
    }
    let store = store.clone();
    db.read(move |tx: &mut Tx<'_>| {
        let record = MembershipRecord::try_from(found.membership.clone())?;
        let membership = membership_at(tx, &store, &program, &found.customer, &record, now)?;
        let treated = Treated::with(&program.program, found, membership, now)?;
        Ok((program, treated))
    })
    .await
}

async fn look_up(db: &Db, store: &StoreId, ids: Ids) -> Result<(Arc<ProgramRecord>, Vec<Found>)> {
    let store = store.clone();
    let found = db.read_once(move |tx| badges::read(tx, &store, &ids)).await?;
    Ok(found.ok_or(Refusal::StoreNotSetUp)?)
}

fn is_stale(program: &ProgramRecord, found: &Found) -> bool {
    let through = crate::db::maybe_instant(found.membership.through_at).ok().flatten();
    program.is_stale(found.membership.program_version, through)
}
