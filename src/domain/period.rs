//! Periods of progress and the boundaries between them (design, sections 3.7 and 3.8).

use super::{Instant, calendar};
use chrono::{Datelike, NaiveDate};
use chrono_tz::Tz;

/// The longest rolling period, in months.
pub const MONTHS_MAX: u32 = 120;

/// When progress starts again at zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProgressReset {
    /// It never does.
    Never,
    /// At the start of each calendar year, in the program's zone.
    CalendarYear,
    /// Every `months` months, counted from the anchor's date.
    Rolling {
        /// 1 to [`MONTHS_MAX`].
        months: u32,
        /// What the months are counted from.
        anchor: Anchor,
    },
}

/// What a rolling period is counted from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Anchor {
    /// The customer's enrolment ("every X months from the last reset").
    Enrolment,
    /// The instant at which the customer first held a tier ("a rolling year");
    /// no period ends before.
    FirstTier,
    /// The program's start date, the same for everyone.
    ProgramStart,
}

/// `[start, end)`: the stretch over which progress adds up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Period {
    /// Enrolment, or the boundary that closed the period before.
    pub start: Instant,
    /// The next boundary; `None` where nothing is going to end the period.
    pub end: Option<Instant>,
}

/// The first boundary after an instant. `anchor_on` is the date that the
/// months of a rolling period are counted from; without one no period ends.
///
/// Each boundary is local midnight of `anchor + k × months`, counted from the
/// anchor and not from the boundary before, so that the month's end comes back
/// after a short month.
pub fn next_boundary(
    reset: ProgressReset,
    zone: Tz,
    anchor_on: Option<NaiveDate>,
    after: Instant,
) -> Option<Instant> {
    let today = calendar::local_date(zone, after)?;
    match reset {
        ProgressReset::Never => None,
        ProgressReset::CalendarYear => (0..=2)
            .filter_map(|years| NaiveDate::from_ymd_opt(today.year().checked_add(years)?, 1, 1))
            .filter_map(|date| calendar::midnight(zone, date))
            .find(|boundary| *boundary > after),
        ProgressReset::Rolling { months, .. } => {
            let anchor = anchor_on?;
            let elapsed = months_between(anchor, today);
            let first = elapsed.checked_div(months)?.max(1);
            // The estimate is at most one boundary early, or two where the
            // zone's clock was set back over a midnight.
            (first..=first.checked_add(3)?)
                .filter_map(|k| calendar::months_after(anchor, months, k))
                .filter_map(|date| calendar::midnight(zone, date))
                .find(|boundary| *boundary > after)
        }
    }
}

/// Whole months by the calendar's month numbers, whatever the days; 0 where
/// `to` lies before `from`.
fn months_between(from: NaiveDate, to: NaiveDate) -> u32 {
    let count = |date: NaiveDate| {
        i64::from(date.year()).saturating_mul(12).saturating_add(i64::from(date.month0()))
    };
    u32::try_from(count(to).saturating_sub(count(from))).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::Duration;
    use proptest::prelude::*;

    const LONDON: Tz = chrono_tz::Europe::London;

    fn at(text: &str) -> Instant {
        text.parse().unwrap()
    }

    fn rolling(months: u32) -> ProgressReset {
        ProgressReset::Rolling { months, anchor: Anchor::Enrolment }
    }

    fn boundaries(reset: ProgressReset, anchor: &str, after: &str, count: usize) -> Vec<String> {
        let anchor = anchor.parse().unwrap();
        let mut now = at(after);
        (0..count)
            .map(|_| {
                now = next_boundary(reset, chrono_tz::UTC, Some(anchor), now).unwrap();
                now.date_naive().to_string()
            })
            .collect()
    }

    #[test]
    fn a_calendar_year_ends_at_local_new_year() {
        let next = |zone, after| next_boundary(ProgressReset::CalendarYear, zone, None, at(after));
        assert_eq!(next(LONDON, "2024-03-01T09:00:00Z"), Some(at("2025-01-01T00:00:00Z")));
        assert_eq!(next(LONDON, "2025-01-01T00:00:00Z"), Some(at("2026-01-01T00:00:00Z")));
        let tokyo = chrono_tz::Asia::Tokyo;
        assert_eq!(next(tokyo, "2024-12-31T14:59:59Z"), Some(at("2024-12-31T15:00:00Z")));
        assert_eq!(next(tokyo, "2024-12-31T15:00:00Z"), Some(at("2025-12-31T15:00:00Z")));
    }

    #[test]
    fn a_period_anchored_on_31_january_ends_at_each_months_end() {
        assert_eq!(
            boundaries(rolling(1), "2023-01-31", "2023-01-31T12:00:00Z", 3),
            ["2023-02-28", "2023-03-31", "2023-04-30"]
        );
    }

    #[test]
    fn a_year_anchored_on_29_february_comes_back_to_it() {
        assert_eq!(
            boundaries(rolling(12), "2024-02-29", "2024-02-29T12:00:00Z", 4),
            ["2025-02-28", "2026-02-28", "2027-02-28", "2028-02-29"]
        );
    }

    #[test]
    fn an_anchor_in_the_future_has_its_first_boundary_a_period_later() {
        assert_eq!(
            boundaries(rolling(12), "2025-06-01", "2024-01-01T00:00:00Z", 1),
            ["2026-06-01"]
        );
    }

    #[test]
    fn a_period_without_an_anchor_has_no_end() {
        assert_eq!(next_boundary(rolling(12), LONDON, None, at("2024-01-01T00:00:00Z")), None);
        assert_eq!(
            next_boundary(ProgressReset::Never, LONDON, None, at("2024-01-01T00:00:00Z")),
            None
        );
    }

    proptest! {
        /// Counting every boundary from the anchor on finds the same one.
        #[test]
        fn the_next_boundary_is_the_first_of_all_that_is_later(
            anchor in 10_000_i32..20_000,
            days in 0_i64..12_000,
            seconds in 0_i64..86_400,
            months in 1_u32..30,
            zone in 0..chrono_tz::TZ_VARIANTS.len(),
        ) {
            let zone = chrono_tz::TZ_VARIANTS[zone];
            let anchor = NaiveDate::from_epoch_days(anchor).unwrap();
            let after = calendar::midnight(zone, anchor).unwrap() + Duration::days(days) + Duration::seconds(seconds);
            let naive = (1..=1_000)
                .map(|k| calendar::midnight(zone, calendar::months_after(anchor, months, k).unwrap()).unwrap())
                .find(|boundary| *boundary > after);
            prop_assert_eq!(next_boundary(rolling(months), zone, Some(anchor), after), naive);
        }

        #[test]
        fn nothing_panics_on_any_instant(micros in any::<i64>(), anchor in any::<i32>(), months in any::<u32>()) {
            if let Some(after) = chrono::DateTime::from_timestamp_micros(micros) {
                let anchor = NaiveDate::from_epoch_days(anchor);
                let _ = next_boundary(rolling(months), LONDON, anchor, after);
                let _ = next_boundary(ProgressReset::CalendarYear, LONDON, anchor, after);
            }
        }
    }
}
