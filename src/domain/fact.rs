//! Facts: orders, refunds and points, and the order in which they are told
//! (design, sections 3.1 to 3.4).

use super::id::{ActivityId, OrderId, RefundId, WayCode};
use super::{Instant, Overflow};
use chrono::Duration;

/// How far ahead of the clock a fact may lie.
pub const AHEAD_MAX: Duration = Duration::hours(24);

/// Whether a fact's instant is further ahead than clocks can differ.
pub fn is_too_far_ahead(at: Instant, now: Instant) -> bool {
    at.signed_duration_since(now) > AHEAD_MAX
}

/// An order's state, as the shop sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OrderStatus {
    /// Placed and not yet fulfilled: counts nothing.
    Pending,
    /// Fulfilled: counts from `completed_at` on.
    Completed,
    /// Called off: counts nothing.
    Cancelled,
}

impl OrderStatus {
    /// All of them, with the word that each goes by.
    pub const WORDS: [(&'static str, Self); 3] = [
        ("pending", Self::Pending),
        ("completed", Self::Completed),
        ("cancelled", Self::Cancelled),
    ];
}

/// A completed order with all refunds of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CompletedOrder {
    /// The order's identifier.
    pub id: OrderId,
    /// When it was placed; orders placed before the program's start never count.
    pub placed_at: Instant,
    /// When it was completed: the instant at which it counts.
    pub completed_at: Instant,
    /// Minor units, tax and shipping as the shop states them.
    pub total: i64,
    /// Refunds of it, in any order.
    pub refunds: Vec<Refund>,
}

/// Money given back for an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refund {
    /// The refund's identifier.
    pub id: RefundId,
    /// When it was given.
    pub refunded_at: Instant,
    /// Minor units; one of zero changes nothing.
    pub amount: i64,
}

/// Points earned by something other than an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Points {
    /// The activity's identifier.
    pub id: ActivityId,
    /// When they were earned.
    pub occurred_at: Instant,
    /// What they are worth.
    pub worth: Worth,
}

/// What an activity of the kind `points` is worth.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Worth {
    /// So many points, above zero.
    Points(i64),
    /// What a way to earn gives for an event, by the tier then held.
    Event(WayCode),
}

/// Everything that happened with one customer, as far as tiers mind it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct History {
    /// Completed orders, in any order.
    pub orders: Vec<CompletedOrder>,
    /// Points, in any order.
    pub points: Vec<Points>,
}

/// The place of a fact in the fold: by instant, then order, refund, activity, then id.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct FactKey {
    /// When it happened.
    pub at: Instant,
    /// What kind of fact it is.
    pub kind: FactKind,
    /// Its identifier.
    pub id: String,
}

/// The kinds of facts, in their order at one instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum FactKind {
    /// An order that is completed.
    Order,
    /// A refund given after its order's completion.
    Refund,
    /// Points.
    Activity,
}

/// One step of the fold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fact {
    /// Its place.
    pub key: FactKey,
    /// What happened.
    pub deed: Deed,
}

/// What happened, with all that the fold needs to know of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Deed {
    /// An order was completed.
    Order {
        /// When it had been placed.
        placed_at: Instant,
        /// The total as the shop states it.
        total: i64,
        /// What refunds dated at or before the completion had taken off it.
        refunded: i64,
    },
    /// Money was given back for an order that was complete by then.
    Refund {
        /// The order.
        order: OrderId,
        /// When the order had been placed.
        placed_at: Instant,
        /// When the order had been completed.
        completed_at: Instant,
        /// What was left of the order's total before this refund.
        net_before: i64,
        /// What this refund takes off it.
        amount: i64,
    },
    /// Points were earned.
    Points {
        /// What they are worth.
        worth: Worth,
    },
}

impl History {
    /// The facts in the order in which they are told.
    ///
    /// # Errors
    /// [`Overflow`] where an order's refunds add up to more than 64 bits hold.
    pub fn facts(&self) -> Result<Vec<Fact>, Overflow> {
        let mut facts = Vec::new();
        for order in &self.orders {
            let mut refunds: Vec<&Refund> = order.refunds.iter().collect();
            refunds.sort_by_key(|refund| (refund.refunded_at, refund.id.clone()));
            let (before, after): (Vec<_>, Vec<_>) =
                refunds.into_iter().partition(|refund| refund.refunded_at <= order.completed_at);
            let mut refunded = 0_i64;
            for refund in before {
                refunded = refunded.checked_add(refund.amount).ok_or(Overflow)?;
            }
            facts.push(Fact {
                key: FactKey {
                    at: order.completed_at,
                    kind: FactKind::Order,
                    id: order.id.to_string(),
                },
                deed: Deed::Order { placed_at: order.placed_at, total: order.total, refunded },
            });
            for refund in after {
                facts.push(Fact {
                    key: FactKey {
                        at: refund.refunded_at,
                        kind: FactKind::Refund,
                        id: refund.id.to_string(),
                    },
                    deed: Deed::Refund {
                        order: order.id.clone(),
                        placed_at: order.placed_at,
                        completed_at: order.completed_at,
                        net_before: order.total.checked_sub(refunded).ok_or(Overflow)?,
                        amount: refund.amount,
                    },
                });
                refunded = refunded.checked_add(refund.amount).ok_or(Overflow)?;
            }
        }
        facts.extend(self.points.iter().map(|activity| Fact {
            key: FactKey {
                at: activity.occurred_at,
                kind: FactKind::Activity,
                id: activity.id.to_string(),
            },
            deed: Deed::Points { worth: activity.worth.clone() },
        }));
        facts.sort_by(|a, b| a.key.cmp(&b.key));
        Ok(facts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fact_may_lie_24_hours_ahead_of_the_clock_and_no_more() {
        let at = |text: &str| text.parse::<Instant>().unwrap();
        let ahead = |fact| is_too_far_ahead(at(fact), at("2024-06-01T10:00:00Z"));
        assert!(!ahead("2024-01-01T00:00:00Z"));
        assert!(!ahead("2024-06-02T10:00:00Z"));
        assert!(ahead("2024-06-02T10:00:00.000001Z"));
    }
}
