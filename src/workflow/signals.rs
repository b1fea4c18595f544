//! What is known of customers when rules judge, read for a range of them at
//! once and no further back than the rules ask for.

use super::Result;
use crate::db::activities::{self, ActivityRow};
use crate::db::customers;
use crate::db::memberships::{self, MembershipRecord, NEVER};
use crate::db::programs::ProgramRecord;
use crate::db::{Tx, instant, maybe_instant, orders};
use crate::domain::Overflow;
use crate::domain::activity::Kind;
use crate::domain::fact::{FactKey, FactKind};
use crate::domain::id::StoreId;
use crate::domain::membership::Figures;
use crate::domain::qualification::signal::{Complaint, Signals, Wanted};
use std::collections::BTreeMap;

/// A customer with all that rules know of them.
#[derive(Debug, Clone, PartialEq)]
pub struct Signalled {
    /// Whether the stored figures are those from before a change of the
    /// program that has not come to this customer.
    pub is_stale: bool,
    /// The tier that the customer is listed by.
    pub tier: Option<String>,
    /// What is known; or a sum does not fit.
    pub signals: std::result::Result<Signals, Overflow>,
}

/// The customers of a range, both ends included, that are not erased.
///
/// # Errors
/// [`super::Error`] from the database.
pub fn in_range(
    tx: &mut Tx<'_>,
    store: &StoreId,
    record: &ProgramRecord,
    wanted: &Wanted,
    (first, last): (&str, &str),
) -> Result<BTreeMap<String, Signalled>> {
    let range = (first, last);
    let mut found = BTreeMap::new();
    let mut states = BTreeMap::new();
    let customers = customers::in_range(tx, store, first, last)?;
    for row in memberships::in_range(tx, store, range)? {
        let customer = customers.get(&row.customer_id).filter(|c| c.erased_at.is_none());
        let Some(customer) = customer else { continue };
        let signals = Signals {
            joined_at: instant(row.joined_at)?,
            lifetime: Figures {
                amount_spent: row.lifetime_amount,
                orders_placed: row.lifetime_orders,
                points_earned: row.lifetime_points,
            },
            last_order_at: (row.last_order_at != NEVER)
                .then(|| instant(row.last_order_at))
                .transpose()?,
            cancellations: customer.cancellations,
            tags: customer.tags()?,
            counted: Vec::new(),
            surveys: Vec::new(),
            complaints: Vec::new(),
            referrals: 0,
            referral_spend: 0,
        };
        let through = maybe_instant(row.through_at)?;
        let is_stale = record.is_stale(row.program_version, through);
        let known = Signalled { is_stale, tier: row.tier.clone(), signals: Ok(signals) };
        found.insert(row.customer_id.clone(), known);
        if wanted.counted_after.is_some() {
            states.insert(row.customer_id.clone(), MembershipRecord::try_from(row)?.state);
        }
    }
    let mut add =
        |customer: &str, add: &mut dyn FnMut(&mut Signals) -> std::result::Result<(), Overflow>| {
            if let Some(known) = found.get_mut(customer)
                && let Ok(signals) = &mut known.signals
                && let Err(overflow) = add(signals)
            {
                known.signals = Err(overflow);
            }
        };
    if let Some(after) = wanted.counted_after {
        for order in orders::completed_in_range(tx, store, range, after)? {
            let at = instant(order.completed_at)?;
            let net = order.total.saturating_sub(order.refunded);
            let key = FactKey { at, kind: FactKind::Order, id: order.order_id.clone() };
            let state = states.get(&order.customer_id);
            let tier = state.and_then(|state| state.tier_before(&key));
            let worth = Figures::of_order(&record.program, tier, at, net, order.total == 0);
            add(&order.customer_id, &mut |signals| {
                signals.counted.push((at, worth?));
                Ok(())
            });
        }
        for row in activities::in_range(tx, store, range, Kind::Points, after)? {
            let at = row.at()?;
            let key = FactKey { at, kind: FactKind::Activity, id: row.activity_id.clone() };
            let state = states.get(&row.customer_id);
            let tier = state.and_then(|state| state.tier_before(&key));
            let worth = Figures::of_points(&record.program, tier, at, &row.worth()?);
            add(&row.customer_id, &mut |signals| {
                signals.counted.push((at, worth));
                Ok(())
            });
        }
    }
    if let Some(after) = wanted.surveys_after {
        for row in activities::in_range(tx, store, range, Kind::Survey, after)? {
            let (at, score) = (row.at()?, u8::try_from(row.score.unwrap_or(0)).unwrap_or(u8::MAX));
            add(&row.customer_id, &mut |signals| {
                signals.surveys.push((at, score));
                Ok(())
            });
        }
    }
    if let Some(after) = wanted.complaints_after {
        for row in activities::in_range(tx, store, range, Kind::Complaint, after)? {
            let complaint = complaint(&row)?;
            add(&row.customer_id, &mut |signals| {
                signals.complaints.push(complaint);
                Ok(())
            });
        }
    }
    if wanted.referrals {
        for referrer in activities::referrers_in_range(tx, store, range)? {
            add(&referrer, &mut |signals| {
                signals.referrals = signals.referrals.saturating_add(1);
                Ok(())
            });
        }
    }
    if wanted.referral_spend {
        for (referrer, high, low) in activities::referral_spend_in_range(tx, store, range)? {
            add(&referrer, &mut |signals| {
                let spend = high.checked_mul(1_000_000).and_then(|high| high.checked_add(low));
                signals.referral_spend = spend.ok_or(Overflow)?;
                Ok(())
            });
        }
    }
    Ok(found)
}

fn complaint(row: &ActivityRow) -> Result<Complaint> {
    let is_public = row.is_public.unwrap_or(false);
    Ok(Complaint { at: row.at()?, is_public, resolved_at: row.resolved_at()? })
}
