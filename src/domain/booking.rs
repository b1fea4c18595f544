//! What facts book in the ledger: an entry is the difference between what an
//! order or an activity has earned so far and what it earns now, so that parts
//! always add up to the whole (design, section 4).

use super::earning::{Terms, whole};
use super::fact::{OrderStatus, Refund, Worth};
use super::id::RefundId;
use super::ledger::{Balance, Cause, Kind};
use super::money::Currency;
use super::{Instant, Overflow};

/// By what terms an order or an activity earns, and what it has earned so far.
/// The terms are those of when it was first processed, for good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Earning {
    /// The terms.
    pub terms: Terms,
    /// What it has earned so far.
    pub earned: Balance,
}

/// An order as it is now.
#[derive(Debug, Clone, Copy)]
pub struct Order<'a> {
    /// Its status.
    pub status: OrderStatus,
    /// When it was completed, where it is.
    pub completed_at: Option<Instant>,
    /// Its total, in minor units.
    pub total: i64,
    /// All that was refunded of it.
    pub refunded: i64,
    /// Those of its refunds that are new, in any order.
    pub new_refunds: &'a [Refund],
}

/// An entry that is to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Booking {
    /// What it does.
    pub kind: Kind,
    /// What brought it about.
    pub cause: Cause,
    /// What it moves.
    pub movement: Balance,
    /// When that happened; of a correction, when it was recorded.
    pub at: Instant,
    /// The refund, where one brought it about.
    pub refund: Option<RefundId>,
}

impl Earning {
    /// Something that has earned nothing yet.
    pub fn new(terms: Terms) -> Self {
        Self { terms, earned: Balance::ZERO }
    }

    /// Brings what an order has earned to what it earns now: one entry for what
    /// is stated of it, and one for each new refund. Of an order that is
    /// processed for the first time, a refund dated at or before the
    /// completion is deducted before it earns.
    ///
    /// # Errors
    /// [`Overflow`] where a sum does not fit.
    pub fn of_order(
        &mut self,
        order: &Order<'_>,
        is_first: bool,
        currency: Currency,
        now: Instant,
    ) -> Result<Vec<Booking>, Overflow> {
        let is_after =
            |refund: &Refund| order.completed_at.is_none_or(|at| refund.refunded_at > at);
        let mut refunds: Vec<&Refund> =
            order.new_refunds.iter().filter(|refund| !is_first || is_after(refund)).collect();
        refunds.sort_by_key(|refund| (refund.refunded_at, refund.id.clone()));
        let mut net = order.total.checked_sub(order.refunded).ok_or(Overflow)?;
        for refund in &refunds {
            net = net.checked_add(refund.amount).ok_or(Overflow)?;
        }
        let terms = self.terms.clone();
        let earns = |net: i64| match order.completed_at {
            Some(_) => terms.earn(currency, order.total, net),
            None => Ok(Balance::ZERO),
        };
        let (cause, at) = match order.status {
            _ if is_first => (Cause::OrderCompleted, order.completed_at.unwrap_or(now)),
            OrderStatus::Cancelled => (Cause::OrderCancelled, now),
            OrderStatus::Completed | OrderStatus::Pending => (Cause::OrderCorrected, now),
        };
        let mut bookings = Vec::new();
        bookings.extend(self.bring(earns(net)?, cause, at)?);
        for refund in refunds {
            net = net.checked_sub(refund.amount).ok_or(Overflow)?;
            let booking = self.bring(earns(net)?, Cause::OrderRefunded, refund.refunded_at)?;
            bookings.extend(booking.map(|b| Booking { refund: Some(refund.id.clone()), ..b }));
        }
        Ok(bookings)
    }

    /// Brings what a points activity has earned to what it is worth now: the
    /// points that the shop states, or those of the event by the terms.
    ///
    /// # Errors
    /// [`Overflow`] where a sum does not fit.
    pub fn of_points(
        &mut self,
        worth: &Worth,
        occurred_at: Instant,
        is_first: bool,
        now: Instant,
    ) -> Result<Option<Booking>, Overflow> {
        let points = match worth {
            Worth::Points(points) => {
                points.checked_mul(whole(self.terms.points)).ok_or(Overflow)?
            }
            Worth::Event(_) => whole(self.terms.points),
        };
        let (cause, at) =
            if is_first { (Cause::Activity, occurred_at) } else { (Cause::ActivityCorrected, now) };
        self.bring(Balance { credit: 0, points }, cause, at)
    }

    /// The entry that brings what was earned so far to what is earned now;
    /// `None` where nothing changes.
    fn bring(
        &mut self,
        earned: Balance,
        cause: Cause,
        at: Instant,
    ) -> Result<Option<Booking>, Overflow> {
        let movement = earned.minus(self.earned)?;
        self.earned = earned;
        let is_less = movement.credit < 0 || movement.points < 0;
        let kind = if is_less { Kind::Reversed } else { Kind::Earned };
        let booking = Booking { kind, cause, movement, at, refund: None };
        Ok((movement != Balance::ZERO).then_some(booking))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::earning::Reward;
    use proptest::prelude::*;
    use rust_decimal::Decimal;

    fn at(hour: i64) -> Instant {
        "2024-06-01T00:00:00Z".parse::<Instant>().unwrap() + chrono::Duration::hours(hour)
    }

    fn gbp() -> Currency {
        Currency::parse("GBP").unwrap()
    }

    /// Five percent, and two points a pound.
    fn earning() -> Earning {
        let reward = Some(Reward::Rate(Decimal::new(5, 2)));
        Earning::new(Terms { tier: None, reward, points: 2.into() })
    }

    fn refund(id: &str, hour: i64, amount: i64) -> Refund {
        Refund { id: RefundId::parse(id).unwrap(), refunded_at: at(hour), amount }
    }

    fn completed(total: i64, refunded: i64, new_refunds: &[Refund]) -> Order<'_> {
        let completed_at = Some(at(10));
        Order { status: OrderStatus::Completed, completed_at, total, refunded, new_refunds }
    }

    /// What is booked at hour 99: cause, credit, points and hour of each.
    fn booked(
        earning: &mut Earning,
        order: &Order<'_>,
        is_first: bool,
    ) -> Vec<(Cause, i64, i64, i64)> {
        let bookings = earning.of_order(order, is_first, gbp(), at(99)).unwrap();
        let row = |b: &Booking| {
            let hour = (b.at - at(0)).num_hours();
            assert_eq!(b.kind == Kind::Reversed, b.movement.credit < 0);
            assert_eq!(b.refund.is_some(), b.cause == Cause::OrderRefunded);
            (b.cause, b.movement.credit, b.movement.points, hour)
        };
        bookings.iter().map(row).collect()
    }

    #[test]
    fn an_order_earns_once_and_each_refund_takes_its_part_back() {
        let mut earning = earning();
        let refunds = [refund("r2", 30, 2_500), refund("r1", 20, 2_500), refund("r0", 10, 1_000)];
        // That of the completion's own instant is deducted before.
        assert_eq!(
            booked(&mut earning, &completed(10_000, 6_000, &refunds), true),
            [
                (Cause::OrderCompleted, 450, 180, 10),
                (Cause::OrderRefunded, -125, -50, 20),
                (Cause::OrderRefunded, -125, -50, 30),
            ]
        );
        assert_eq!(booked(&mut earning, &completed(10_000, 6_000, &[]), false), []);
        // One that comes later, however it is dated, is an entry of its own.
        let late = [refund("r3", 5, 4_000)];
        assert_eq!(
            booked(&mut earning, &completed(10_000, 10_000, &late), false),
            [(Cause::OrderRefunded, -200, -80, 5)]
        );
        assert_eq!(earning.earned, Balance::ZERO);
    }

    #[test]
    fn what_is_stated_differently_is_brought_to_what_it_earns_now() {
        let mut earning = earning();
        booked(&mut earning, &completed(10_000, 0, &[]), true);
        assert_eq!(
            booked(&mut earning, &completed(12_000, 0, &[]), false),
            [(Cause::OrderCorrected, 100, 40, 99)]
        );
        let gone = |status| Order { status, completed_at: None, ..completed(12_000, 0, &[]) };
        assert_eq!(
            booked(&mut earning, &gone(OrderStatus::Cancelled), false),
            [(Cause::OrderCancelled, -600, -240, 99)]
        );
        assert_eq!(booked(&mut earning, &gone(OrderStatus::Pending), false), []);
        assert_eq!(
            booked(&mut earning, &completed(12_000, 0, &[]), false),
            [(Cause::OrderCorrected, 600, 240, 99)]
        );
        // A correction and a refund at once are two entries.
        let refunds = [refund("r1", 20, 2_000)];
        assert_eq!(
            booked(&mut earning, &completed(14_000, 2_000, &refunds), false),
            [(Cause::OrderCorrected, 100, 40, 99), (Cause::OrderRefunded, -100, -40, 20)]
        );
    }

    #[test]
    fn points_are_those_stated_or_those_of_the_event() {
        let of = |points: i64| Earning::new(Terms { points: points.into(), ..Terms::default() });
        let points = |earning: &mut Earning, worth: &Worth, is_first| {
            let booking = earning.of_points(worth, at(1), is_first, at(99)).unwrap();
            booking.map(|b| (b.cause, b.movement.points, (b.at - at(0)).num_hours()))
        };
        let event = Worth::Event(crate::domain::id::WayCode::parse("review").unwrap());
        let mut review = of(50);
        assert_eq!(points(&mut review, &event, true), Some((Cause::Activity, 50, 1)));
        assert_eq!(points(&mut review, &event, false), None);
        let mut stated = of(1);
        assert_eq!(points(&mut stated, &Worth::Points(7), true), Some((Cause::Activity, 7, 1)));
        assert_eq!(
            points(&mut stated, &Worth::Points(5), false),
            Some((Cause::ActivityCorrected, -2, 99))
        );
        // What does not count is worth nothing.
        assert_eq!(points(&mut of(0), &Worth::Points(7), true), None);
    }

    #[test]
    fn what_takes_back_credit_alone_or_points_alone_is_a_reversal() {
        let rate = Some(Reward::Rate(Decimal::new(5, 2)));
        for (reward, points) in [(rate, 0), (None, 2)] {
            let terms = Terms { tier: None, reward, points: points.into() };
            let mut earning = Earning::new(terms);
            let mut kinds = |total, is_first| -> Vec<Kind> {
                let order = completed(total, 0, &[]);
                let booked = earning.of_order(&order, is_first, gbp(), at(99)).unwrap();
                booked.iter().map(|booking| booking.kind).collect()
            };
            assert_eq!(kinds(10_000, true), [Kind::Earned]);
            assert_eq!(kinds(8_000, false), [Kind::Reversed]);
            assert_eq!(kinds(9_000, false), [Kind::Earned]);
        }
    }

    proptest! {
        #[test]
        fn in_any_order_an_order_comes_to_the_same(
            total in 0_i64..100_000, parts in prop::collection::vec(0_i64..30_000, 0..6),
            mantissa in 1_i64..=10_000,
        ) {
            let mut left = total;
            let refunds: Vec<Refund> = parts
                .iter()
                .enumerate()
                .map(|(i, part)| {
                    let amount = (*part).min(left);
                    left -= amount;
                    refund(&format!("r{i}"), i64::try_from(i).unwrap() * 4, amount)
                })
                .collect();
            let reward = Some(Reward::Rate(Decimal::new(mantissa, 4)));
            let terms = Terms { tier: None, reward, points: 3.into() };
            let mut at_once = Earning::new(terms.clone());
            let all = completed(total, total - left, &refunds);
            let bookings = at_once.of_order(&all, true, gbp(), at(99)).unwrap();
            let sum = bookings.iter().try_fold(Balance::ZERO, |sum, b| sum.plus(b.movement));
            prop_assert_eq!(sum.unwrap(), at_once.earned);
            let mut one_by_one = Earning::new(terms.clone());
            one_by_one.of_order(&completed(total, 0, &[]), true, gbp(), at(99)).unwrap();
            let mut refunded = 0;
            for i in (0..refunds.len()).rev() {
                refunded += refunds[i].amount;
                let order = completed(total, refunded, &refunds[i..=i]);
                one_by_one.of_order(&order, false, gbp(), at(99)).unwrap();
            }
            prop_assert_eq!(&at_once, &one_by_one);
            prop_assert_eq!(at_once.earned, terms.earn(gbp(), total, left).unwrap());
        }
    }
}
