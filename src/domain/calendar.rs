//! Local dates and the instants at which they begin (design, section 3.1).

use super::Instant;
use chrono::{
    DateTime, Datelike, Duration, MappedLocalTime, Months, NaiveDate, NaiveTime, TimeZone,
};
use chrono_tz::Tz;

/// The last year in which the calendar is reckoned; later dates have no midnight here.
const YEAR_MAX: i32 = 9999;

/// The instant at which a date begins in a zone: its local midnight; the first
/// valid instant after it where a clock change skips midnight, and the earlier
/// one where it happens twice. `None` outside the years 1 to 9999.
pub fn midnight(zone: Tz, date: NaiveDate) -> Option<Instant> {
    if !(1..=YEAR_MAX).contains(&date.year()) {
        return None;
    }
    let local = date.and_time(NaiveTime::MIN);
    match zone.from_local_datetime(&local) {
        MappedLocalTime::Single(at) => Some(at.to_utc()),
        MappedLocalTime::Ambiguous(first, second) => Some(first.to_utc().min(second.to_utc())),
        MappedLocalTime::None => {
            // Midnight lies in a gap, whose end is the first instant that
            // reads midnight or later on the local clock.
            let reads_later = |micros: i64| {
                DateTime::from_timestamp_micros(micros)
                    .is_some_and(|at| at.with_timezone(&zone).naive_local() >= local)
            };
            let around = local.and_utc();
            let mut before = around.checked_sub_signed(Duration::hours(36))?.timestamp_micros();
            let mut after = around.checked_add_signed(Duration::hours(36))?.timestamp_micros();
            while after.saturating_sub(before) > 1 {
                let middle = before.midpoint(after);
                if reads_later(middle) { after = middle } else { before = middle }
            }
            DateTime::from_timestamp_micros(after)
        }
    }
}

/// The date that an instant falls on in a zone; `None` outside the years 1 to 9999.
pub fn local_date(zone: Tz, at: Instant) -> Option<NaiveDate> {
    // A day of room on both sides, since the local clock is up to a day away.
    let year = at.year();
    if !(1..=YEAR_MAX).contains(&year) {
        return None;
    }
    Some(at.with_timezone(&zone).date_naive())
}

/// `anchor + k × months`, clamped to the month's end and always counted from
/// the anchor: 31 January, 28 February, 31 March.
pub fn months_after(anchor: NaiveDate, months: u32, k: u32) -> Option<NaiveDate> {
    anchor.checked_add_months(Months::new(months.checked_mul(k)?))
}

/// How many months are complete by an instant since another, by the local
/// calendar: since 31 August, six are on 28 February (29 in a leap year).
pub fn months_between(zone: Tz, from: Instant, to: Instant) -> i64 {
    let (Some(from), Some(to)) = (local_date(zone, from), local_date(zone, to)) else { return 0 };
    let count = |date: NaiveDate| {
        i64::from(date.year()).saturating_mul(12).saturating_add(i64::from(date.month0()))
    };
    let most = count(to).saturating_sub(count(from));
    let is_complete = |months: i64| {
        let months = u32::try_from(months).ok().map(Months::new);
        months.and_then(|months| from.checked_add_months(months)).is_some_and(|date| date <= to)
    };
    if is_complete(most) { most } else { most.saturating_sub(1).max(0) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn date(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    fn begins(zone: Tz, day: &str) -> String {
        midnight(zone, date(day)).unwrap().to_rfc3339()
    }

    #[test]
    fn months_are_complete_on_their_day() {
        let zone = chrono_tz::Europe::London;
        let months =
            |from: &str, to: &str| months_between(zone, from.parse().unwrap(), to.parse().unwrap());
        assert_eq!(months("2023-08-31T12:00:00Z", "2024-02-28T12:00:00Z"), 5);
        assert_eq!(months("2023-08-31T12:00:00Z", "2024-02-29T00:00:00Z"), 6);
        assert_eq!(months("2023-01-15T12:00:00Z", "2024-01-14T23:59:59Z"), 11);
        assert_eq!(months("2023-01-15T12:00:00Z", "2024-01-15T00:00:00Z"), 12);
        // In summer, midnight in London is 23:00 of the day before in UTC.
        assert_eq!(months("2024-05-15T12:00:00Z", "2024-06-14T23:00:00Z"), 1);
        assert_eq!(months("2024-06-15T12:00:00Z", "2024-05-15T12:00:00Z"), 0);
    }

    #[test]
    fn a_date_begins_at_local_midnight() {
        assert_eq!(begins(chrono_tz::Europe::London, "2024-07-01"), "2024-06-30T23:00:00+00:00");
        assert_eq!(begins(chrono_tz::Asia::Tokyo, "2024-01-01"), "2023-12-31T15:00:00+00:00");
    }

    #[test]
    fn a_midnight_that_a_clock_change_skips_is_the_first_valid_instant() {
        // Beirut sprang forward from 00:00 to 01:00 on 31 March 2024.
        assert_eq!(begins(chrono_tz::Asia::Beirut, "2024-03-31"), "2024-03-30T22:00:00+00:00");
        // Samoa skipped the whole of 30 December 2011.
        assert_eq!(begins(chrono_tz::Pacific::Apia, "2011-12-30"), "2011-12-30T10:00:00+00:00");
        assert_eq!(begins(chrono_tz::Pacific::Apia, "2011-12-31"), "2011-12-30T10:00:00+00:00");
    }

    #[test]
    fn of_a_midnight_that_happens_twice_the_earlier_counts() {
        // Havana fell back from 01:00 to 00:00 on 3 November 2024.
        assert_eq!(begins(chrono_tz::America::Havana, "2024-11-03"), "2024-11-03T04:00:00+00:00");
    }

    #[test]
    fn months_are_counted_from_the_anchor_and_clamped() {
        let from = |anchor: &str, k| months_after(date(anchor), 1, k).unwrap().to_string();
        assert_eq!(from("2023-01-31", 1), "2023-02-28");
        assert_eq!(from("2023-01-31", 2), "2023-03-31");
        assert_eq!(from("2024-01-31", 1), "2024-02-29");
        assert_eq!(months_after(date("2024-02-29"), 12, 1), Some(date("2025-02-28")));
        assert_eq!(months_after(date("2024-02-29"), 12, 4), Some(date("2028-02-29")));
    }

    proptest! {
        #[test]
        fn nothing_panics_on_any_date_or_zone(days in -200_000_000_i32..200_000_000, zone in 0..chrono_tz::TZ_VARIANTS.len()) {
            let zone = chrono_tz::TZ_VARIANTS[zone];
            if let Some(day) = NaiveDate::from_epoch_days(days)
                && let Some(at) = midnight(zone, day)
            {
                let read = at.with_timezone(&zone).naive_local();
                prop_assert!(read >= day.and_time(NaiveTime::MIN));
            }
        }

        #[test]
        fn a_date_begins_on_itself_or_where_it_was_skipped(days in 0_i32..60_000, zone in 0..chrono_tz::TZ_VARIANTS.len()) {
            let zone = chrono_tz::TZ_VARIANTS[zone];
            let day = NaiveDate::from_epoch_days(days).unwrap();
            let at = midnight(zone, day).unwrap();
            prop_assert!(local_date(zone, at).unwrap() >= day);
            let just_before = at - Duration::microseconds(1);
            prop_assert!(just_before.with_timezone(&zone).naive_local() < day.and_time(NaiveTime::MIN) || zone.from_local_datetime(&day.and_time(NaiveTime::MIN)).earliest().is_some());
        }
    }
}
