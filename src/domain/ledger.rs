//! The ledger: store credit and points, entry by entry, never rewritten
//! (design, section 4).

use super::calendar::{local_date, midnight, months_after};
use super::{Instant, Overflow};
use chrono_tz::Tz;

/// The longest time after which balances expire, in months.
pub const EXPIRY_MONTHS_MAX: u32 = 120;

/// What an entry does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// An order or an activity was rewarded.
    Earned,
    /// A part of that, or all of it, was taken back.
    Reversed,
    /// The customer spent it.
    Redeemed,
    /// A person put it right.
    Adjusted,
    /// It was not used in time, or the customer was erased.
    Expired,
}

impl Kind {
    /// All of them, with the word that each goes by.
    pub const WORDS: [(&'static str, Self); 5] = [
        ("earned", Self::Earned),
        ("reversed", Self::Reversed),
        ("redeemed", Self::Redeemed),
        ("adjusted", Self::Adjusted),
        ("expired", Self::Expired),
    ];
}

/// What brought an entry about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// An order was completed.
    OrderCompleted,
    /// An order was stated differently.
    OrderCorrected,
    /// An order was called off.
    OrderCancelled,
    /// A part of an order was given back, or all of it.
    OrderRefunded,
    /// Points were earned by something other than an order.
    Activity,
    /// Such an activity was stated differently.
    ActivityCorrected,
    /// The customer paid with it.
    Redemption,
    /// A person put it right.
    Adjustment,
    /// It was not used in time.
    Expiry,
    /// The customer was erased.
    Erasure,
}

impl Cause {
    /// All of them, with the word that each goes by.
    pub const WORDS: [(&'static str, Self); 10] = [
        ("order_completed", Self::OrderCompleted),
        ("order_corrected", Self::OrderCorrected),
        ("order_cancelled", Self::OrderCancelled),
        ("order_refunded", Self::OrderRefunded),
        ("activity", Self::Activity),
        ("activity_corrected", Self::ActivityCorrected),
        ("redemption", Self::Redemption),
        ("adjustment", Self::Adjustment),
        ("expiry", Self::Expiry),
        ("erasure", Self::Erasure),
    ];
}

/// An amount of store credit, in minor units, and of points: what a customer
/// has, or what an entry moves. Below zero, it is owed or taken off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Balance {
    /// Store credit.
    pub credit: i64,
    /// Points.
    pub points: i64,
}

/// Why an entry can't be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// There is less than is to be taken off.
    #[error("the balance is less than what is to be taken off")]
    Insufficient,
    /// A sum does not fit.
    #[error(transparent)]
    Overflow(#[from] Overflow),
}

impl Balance {
    /// Nothing.
    pub const ZERO: Self = Self { credit: 0, points: 0 };

    /// The sum.
    ///
    /// # Errors
    /// [`Overflow`] where it does not fit.
    pub fn plus(self, other: Self) -> Result<Self, Overflow> {
        Ok(Self {
            credit: self.credit.checked_add(other.credit).ok_or(Overflow)?,
            points: self.points.checked_add(other.points).ok_or(Overflow)?,
        })
    }

    /// The difference.
    ///
    /// # Errors
    /// [`Overflow`] where it does not fit.
    pub fn minus(self, other: Self) -> Result<Self, Overflow> {
        Ok(Self {
            credit: self.credit.checked_sub(other.credit).ok_or(Overflow)?,
            points: self.points.checked_sub(other.points).ok_or(Overflow)?,
        })
    }

    /// What a customer has after what a person, or time, moves. That takes off
    /// no more than there is; a reversal, which is not asked, may.
    ///
    /// # Errors
    /// [`Refused`].
    pub fn moved(self, movement: Self) -> Result<Self, Refused> {
        let after = self.plus(movement)?;
        let is_short =
            (movement.credit < 0 && after.credit < 0) || (movement.points < 0 && after.points < 0);
        if is_short { Err(Refused::Insufficient) } else { Ok(after) }
    }

    /// Whether there is more of anything than in another.
    pub fn exceeds(self, other: Self) -> bool {
        self.credit > other.credit || self.points > other.points
    }

    /// What is left of it at an instant, where it expires so many months after
    /// something was last entered: what is owed stays owed.
    #[must_use]
    pub fn left(self, expiry: Option<(Tz, u32)>, active_at: Instant, now: Instant) -> Self {
        let due = expiry.and_then(|(zone, months)| expires_at(zone, active_at, months));
        if due.is_none_or(|due| now < due) {
            return self;
        }
        Self { credit: self.credit.min(0), points: self.points.min(0) }
    }

    /// What is there to be spent: never below zero.
    #[must_use]
    pub fn available(self) -> Self {
        Self { credit: self.credit.max(0), points: self.points.max(0) }
    }

    /// What is owed: by how much it is below zero.
    #[must_use]
    pub fn owed(self) -> Self {
        let owed = |balance: i64| balance.min(0).checked_neg().unwrap_or(i64::MAX);
        Self { credit: owed(self.credit), points: owed(self.points) }
    }
}

/// When a balance expires that was last earned or spent at an instant: at the
/// local midnight of the day so many months later.
pub fn expires_at(zone: Tz, active_at: Instant, months: u32) -> Option<Instant> {
    midnight(zone, months_after(local_date(zone, active_at)?, months, 1)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn balance(credit: i64, points: i64) -> Balance {
        Balance { credit, points }
    }

    #[test]
    fn nobody_takes_off_more_than_there_is() {
        let has = balance(500, 10);
        assert_eq!(has.moved(balance(-500, -10)), Ok(Balance::ZERO));
        assert_eq!(has.moved(balance(-501, 0)), Err(Refused::Insufficient));
        assert_eq!(has.moved(balance(0, -11)), Err(Refused::Insufficient));
        assert_eq!(has.moved(balance(i64::MAX, 0)), Err(Refused::Overflow(Overflow)));
    }

    #[test]
    fn what_is_owed_can_be_made_good_bit_by_bit() {
        let owes = balance(-300, 5);
        assert_eq!((owes.available(), owes.owed()), (balance(0, 5), balance(300, 0)));
        assert_eq!(owes.moved(balance(100, 0)), Ok(balance(-200, 5)));
        // Credit that is owed keeps nobody from spending points.
        assert_eq!(owes.moved(balance(0, -5)), Ok(balance(-300, 0)));
        assert_eq!(owes.moved(balance(-1, 0)), Err(Refused::Insufficient));
        assert_eq!(balance(i64::MIN, 0).owed(), balance(i64::MAX, 0));
    }

    #[test]
    fn balances_expire_at_the_local_midnight_of_a_day_months_later() {
        let at = |text: &str| text.parse::<Instant>().unwrap();
        let expiry = |active, months| expires_at(chrono_tz::Europe::London, at(active), months);
        assert_eq!(expiry("2024-01-31T12:00:00Z", 1), Some(at("2024-02-29T00:00:00Z")));
        // 23:30 in UTC is the first of the month by the clocks of London.
        assert_eq!(expiry("2024-04-30T23:30:00Z", 12), Some(at("2025-04-30T23:00:00Z")));
    }

    #[test]
    fn what_is_past_its_time_is_gone_and_what_is_owed_is_not() {
        let active_at: Instant = "2024-01-31T12:00:00Z".parse().unwrap();
        let at = |text: &str| text.parse::<Instant>().unwrap();
        let left =
            |balance: Balance, now| balance.left(Some((chrono_tz::UTC, 12)), active_at, at(now));
        let mixed = balance(500, -7);
        assert_eq!(left(mixed, "2025-01-30T23:59:59Z"), mixed);
        assert_eq!(left(mixed, "2025-01-31T00:00:00Z"), balance(0, -7));
        assert_eq!(mixed.left(None, active_at, at("2099-01-01T00:00:00Z")), mixed);
    }

    #[test]
    fn points_that_are_owed_keep_nobody_from_spending_credit() {
        let owes = balance(500, -7);
        assert_eq!(owes.moved(balance(-500, 0)), Ok(balance(0, -7)));
        assert_eq!(owes.moved(balance(0, -1)), Err(Refused::Insufficient));
    }

    #[test]
    fn a_balance_exceeds_another_by_more_credit_or_by_more_points() {
        let has = balance(500, 10);
        assert!(!has.exceeds(has));
        assert!(balance(501, 0).exceeds(has));
        assert!(balance(0, 11).exceeds(has));
        assert!(!balance(499, 9).exceeds(has));
    }
}
