//! Where a customer is on the way of a VIP: identification, designation,
//! engagement, retention, and win-back where that is needed.

use super::Instant;
use super::calendar::{local_date, midnight};
use chrono::{Duration, Months, NaiveDate};
use chrono_tz::Tz;

/// With how many days since the last order a customer is at risk.
pub const AT_RISK_IDLE_DAYS: u32 = 45;

/// A stage of the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// The first six months: shows high potential.
    Identification,
    /// To the end of the first year: meets the criteria.
    Designation,
    /// To the end of the third year: gets benefits and attention.
    Engagement,
    /// From then on: a long relationship.
    Retention,
    /// Shows signs of leaving: the subscription is cancelled, or there was no
    /// order for [`AT_RISK_IDLE_DAYS`].
    WinBack,
}

impl Stage {
    /// All of them, with the word that each goes by.
    pub const WORDS: [(&'static str, Self); 5] = [
        ("identification", Self::Identification),
        ("designation", Self::Designation),
        ("engagement", Self::Engagement),
        ("retention", Self::Retention),
        ("win_back", Self::WinBack),
    ];

    /// From how many months after joining to how many it lasts.
    fn months(self) -> (u32, Option<u32>) {
        match self {
            Self::Identification => (0, Some(6)),
            Self::Designation => (6, Some(12)),
            Self::Engagement => (12, Some(36)),
            Self::Retention => (36, None),
            Self::WinBack => (0, None),
        }
    }

    /// The stage of a customer at an instant, in the program's zone.
    pub fn of(signals: &Signals, zone: Tz, now: Instant) -> Self {
        let is_in = |stage: &Self| Window::of(*stage, zone, now).holds(signals);
        Self::WORDS.iter().map(|(_, stage)| *stage).find(is_in).unwrap_or(Self::Identification)
    }
}

/// What a stage is read off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Signals {
    /// When the customer joined.
    pub joined_at: Instant,
    /// The newest completed order.
    pub last_order_at: Option<Instant>,
    /// Whether the subscription is cancelled.
    pub is_cancelled: bool,
}

/// A stage as conditions on what is stored, so that a list can be narrowed
/// down to it by the same rule: `joined_at` lies in `[joined_from,
/// joined_before)`, and the customer is at risk or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// The earliest joining; `None` for any.
    pub joined_from: Option<Instant>,
    /// The first joining that is too late; `None` for any.
    pub joined_before: Option<Instant>,
    /// Whether the customer has to be at risk, or has to be not.
    pub at_risk: bool,
    /// Whose last order is at or before this is at risk, as is who cancelled.
    pub idle_since: Instant,
}

impl Window {
    /// The conditions of a stage at an instant, in the program's zone.
    pub fn of(stage: Stage, zone: Tz, now: Instant) -> Self {
        let (from, to) = stage.months();
        let at_risk = stage == Stage::WinBack;
        let beginning = |months: u32| first_joining_after(zone, now, months);
        Self {
            joined_from: to.and_then(beginning),
            joined_before: if from == 0 { None } else { beginning(from) },
            at_risk,
            idle_since: idle_since(AT_RISK_IDLE_DAYS, now),
        }
    }

    /// Whether a customer is in the stage.
    pub fn holds(&self, signals: &Signals) -> bool {
        let at_risk =
            signals.is_cancelled || signals.last_order_at.is_some_and(|at| at <= self.idle_since);
        at_risk == self.at_risk
            && self.joined_from.is_none_or(|from| from <= signals.joined_at)
            && self.joined_before.is_none_or(|before| signals.joined_at < before)
    }
}

/// The instant at or before which a last order is so many days ago.
pub fn idle_since(days: u32, now: Instant) -> Instant {
    now.checked_sub_signed(Duration::days(i64::from(days))).unwrap_or(Instant::MIN_UTC)
}

/// The first midnight after whose joining so many months are not yet over:
/// who joined on 31 August has six months on 28 February.
fn first_joining_after(zone: Tz, now: Instant, months: u32) -> Option<Instant> {
    let tomorrow = local_date(zone, now)?.succ_opt()?;
    let is_too_early = |date: NaiveDate| {
        date.checked_add_months(Months::new(months)).is_some_and(|d| d < tomorrow)
    };
    let mut date = tomorrow.checked_sub_months(Months::new(months))?;
    // Counting back from a month's end may come out some days early.
    while is_too_early(date) {
        date = date.succ_opt()?;
    }
    midnight(zone, date)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(text: &str) -> Instant {
        text.parse().unwrap()
    }

    fn stage(joined: &str, last_order: Option<&str>, is_cancelled: bool, now: &str) -> Stage {
        let zone: Tz = "Europe/London".parse().unwrap();
        let signals =
            Signals { joined_at: at(joined), last_order_at: last_order.map(at), is_cancelled };
        Stage::of(&signals, zone, at(now))
    }

    #[test]
    fn a_stage_begins_with_the_day_on_which_its_months_are_over() {
        let cases = [
            ("2024-06-14T23:59:59Z", Stage::Identification),
            ("2024-06-15T00:00:00Z", Stage::Designation),
            ("2024-12-14T23:59:59Z", Stage::Designation),
            ("2024-12-15T00:00:00Z", Stage::Engagement),
            ("2026-12-14T23:59:59Z", Stage::Engagement),
            ("2026-12-15T00:00:00Z", Stage::Retention),
        ];
        for (now, expected) in cases {
            // British summer time: midnight of 15 June is 23:00 of the 14th in UTC.
            let now = now.replace("2024-06-14T23:59:59Z", "2024-06-14T22:59:59Z");
            let now = now.replace("2024-06-15T00:00:00Z", "2024-06-14T23:00:00Z");
            assert_eq!(stage("2023-12-15T12:00:00Z", None, false, &now), expected, "{now}");
        }
    }

    #[test]
    fn who_joined_at_the_midnight_between_two_stages_is_in_one_of_them() {
        let zone: Tz = "Europe/London".parse().unwrap();
        let now = at("2024-12-15T00:00:00Z");
        let holding = |joined: &str| -> Vec<Stage> {
            let joined_at = at(joined);
            let signals = Signals { joined_at, last_order_at: None, is_cancelled: false };
            let stages = Stage::WORDS.iter().map(|(_, stage)| *stage);
            stages.filter(|stage| Window::of(*stage, zone, now).holds(&signals)).collect()
        };
        assert_eq!(holding("2023-12-15T23:59:59.999999Z"), [Stage::Engagement]);
        assert_eq!(holding("2023-12-16T00:00:00Z"), [Stage::Designation]);
        // British summer time: midnight of 16 June is 23:00 of the 15th in UTC.
        assert_eq!(holding("2024-06-15T22:59:59.999999Z"), [Stage::Designation]);
        assert_eq!(holding("2024-06-15T23:00:00Z"), [Stage::Identification]);
    }

    #[test]
    fn months_that_end_early_are_clamped() {
        // 31 August has no 31 February.
        let joined = "2023-08-31T12:00:00Z";
        assert_eq!(stage(joined, None, false, "2024-02-28T12:00:00Z"), Stage::Identification);
        assert_eq!(stage(joined, None, false, "2024-02-29T12:00:00Z"), Stage::Designation);
        // On 31 March, who joined on 30 September has six months since yesterday.
        let joined = "2023-09-30T12:00:00Z";
        assert_eq!(stage(joined, None, false, "2024-03-29T12:00:00Z"), Stage::Identification);
        assert_eq!(stage(joined, None, false, "2024-03-30T12:00:00Z"), Stage::Designation);
    }

    #[test]
    fn a_cancelled_subscription_or_45_days_without_an_order_is_for_win_back() {
        let joined = "2020-01-01T00:00:00Z";
        let now = "2024-03-01T12:00:00Z";
        assert_eq!(stage(joined, None, false, now), Stage::Retention);
        assert_eq!(
            stage(joined, Some("2024-01-16T12:00:00.000001Z"), false, now),
            Stage::Retention
        );
        assert_eq!(stage(joined, Some("2024-01-16T12:00:00Z"), false, now), Stage::WinBack);
        assert_eq!(stage(joined, Some("2024-02-29T12:00:00Z"), true, now), Stage::WinBack);
    }

    proptest! {
        /// Every customer is in one stage, and the months are those of the calendar.
        #[test]
        fn the_stages_share_out_all_customers(
            joined in 1_500_000_000_i64..1_760_000_000,
            later in 0_i64..200_000_000,
            idle in proptest::option::of(0_i64..100),
            is_cancelled: bool,
        ) {
            let zone: Tz = "America/New_York".parse().unwrap();
            let instant = |seconds| chrono::DateTime::from_timestamp(seconds, 0).unwrap();
            let (joined_at, now) = (instant(joined), instant(joined + later));
            let last_order_at = idle.map(|days| now - Duration::days(days));
            let signals = Signals { joined_at, last_order_at, is_cancelled };
            let holding: Vec<Stage> = Stage::WORDS
                .iter()
                .map(|(_, stage)| *stage)
                .filter(|stage| Window::of(*stage, zone, now).holds(&signals))
                .collect();
            prop_assert_eq!(holding.len(), 1);
            let (date, today) = (local_date(zone, joined_at).unwrap(), local_date(zone, now).unwrap());
            let has = |months| date + Months::new(months) <= today;
            let expected = if is_cancelled || idle.is_some_and(|days| days >= 45) {
                Stage::WinBack
            } else if has(36) {
                Stage::Retention
            } else if has(12) {
                Stage::Engagement
            } else if has(6) {
                Stage::Designation
            } else {
                Stage::Identification
            };
            prop_assert_eq!(holding[0], expected);
        }
    }
}
