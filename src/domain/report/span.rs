//! Stretches of the calendar: spans of dates, and months with their anniversaries.

use crate::domain::Instant;
use crate::domain::calendar::{local_date, midnight};
use chrono::{Datelike, Months, NaiveDate};
use chrono_tz::Tz;
use std::fmt;

/// A span of local dates, and the instants that bound it: `[from_at, to_at)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// Its first date.
    pub from: NaiveDate,
    /// The date after its last.
    pub to: NaiveDate,
    /// The midnight at which it begins.
    pub from_at: Instant,
    /// The midnight at which it ends.
    pub to_at: Instant,
}

impl Span {
    /// The span between two dates. Without `to` it goes through today, or
    /// through `from` where that is later; without `from` it is a year long.
    /// `None` where the clock stands outside the years 1 to 9999.
    pub fn of(
        zone: Tz,
        from: Option<NaiveDate>,
        to: Option<NaiveDate>,
        now: Instant,
    ) -> Option<Self> {
        let to = match to {
            Some(to) => to,
            None => local_date(zone, now)?.max(from.unwrap_or(NaiveDate::MIN)).succ_opt()?,
        };
        let from = match from {
            Some(from) => from,
            None => to.checked_sub_months(Months::new(12))?,
        };
        // The dates that have a midnight.
        let first = NaiveDate::from_ymd_opt(1, 1, 1)?;
        let last = NaiveDate::from_ymd_opt(9999, 12, 31)?;
        let (from, to) = (from.max(first).min(last), to.max(first).min(last));
        Some(Self { from, to, from_at: midnight(zone, from)?, to_at: midnight(zone, to)? })
    }

    /// What of it lies in each month of its zone, in their order: one month at
    /// least.
    pub fn months(&self, zone: Tz) -> Option<Vec<Self>> {
        let mut months = Vec::new();
        let mut rest = *self;
        loop {
            let next = Month::of(rest.from)?.first.checked_add_months(Months::new(1))?;
            if next >= self.to {
                months.push(rest);
                return Some(months);
            }
            let next_at = midnight(zone, next)?;
            months.push(Self { to: next, to_at: next_at, ..rest });
            rest = Self { from: next, from_at: next_at, ..rest };
        }
    }
}

/// A month of a year.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Month {
    first: NaiveDate,
    days: u32,
}

impl Month {
    /// The month that a date lies in.
    pub fn of(date: NaiveDate) -> Option<Self> {
        let first = date.with_day(1)?;
        let last = first.checked_add_months(Months::new(1))?.pred_opt()?;
        Some(Self { first, days: last.day() })
    }

    /// The month that a text such as `2026-11` names.
    pub fn parse(text: &str) -> Option<Self> {
        Self::of(format!("{text}-01").parse().ok()?)
    }

    /// The year.
    pub fn year(self) -> i32 {
        self.first.year()
    }

    /// The number in the year, from 1 on.
    pub fn number(self) -> u32 {
        self.first.month()
    }

    /// How many days it has.
    pub fn days(self) -> u32 {
        self.days
    }

    /// On which of its days a date comes round, and how many years it is then:
    /// 29 February comes round on the 28th where there is no 29th. `None` for a
    /// date of another month or of a later year.
    pub fn anniversary(self, of: NaiveDate) -> Option<(NaiveDate, i32)> {
        let years = self.year().checked_sub(of.year()).filter(|years| *years >= 0)?;
        let on = self.first.with_day(of.day().min(self.days))?;
        (of.month() == self.number()).then_some((on, years))
    }
}

impl fmt::Display for Month {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}", self.year(), self.number())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn date(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    #[test]
    fn a_span_goes_from_midnight_to_midnight_of_the_zone() {
        let zone = chrono_tz::Europe::London;
        let now: Instant = "2026-06-30T23:30:00Z".parse().unwrap();
        let span = |from: Option<&str>, to: Option<&str>| {
            let span = Span::of(zone, from.map(date), to.map(date), now).unwrap();
            (span.from.to_string(), span.to.to_string())
        };
        let dates = |from: &str, to: &str| (from.to_owned(), to.to_owned());
        // In London it is 1 July already.
        assert_eq!(span(None, None), dates("2025-07-02", "2026-07-02"));
        assert_eq!(span(None, Some("2024-02-29")), dates("2023-02-28", "2024-02-29"));
        assert_eq!(span(Some("2026-01-01"), None), dates("2026-01-01", "2026-07-02"));
        assert_eq!(span(Some("2027-01-01"), None), dates("2027-01-01", "2027-01-02"));
        let whole = Span::of(zone, None, None, now).unwrap();
        assert_eq!(whole.from_at.to_rfc3339(), "2025-07-01T23:00:00+00:00");
        assert_eq!(whole.to_at.to_rfc3339(), "2026-07-01T23:00:00+00:00");
        let winter = Span::of(zone, Some(date("2026-01-05")), None, now).unwrap();
        assert_eq!(winter.from_at.to_rfc3339(), "2026-01-05T00:00:00+00:00");
    }

    #[test]
    fn a_span_is_cut_where_a_month_of_its_zone_begins() {
        let zone = chrono_tz::Europe::London;
        let now: Instant = "2026-06-30T23:30:00Z".parse().unwrap();
        let months = |from: &str, to: &str| -> Vec<String> {
            let span = Span::of(zone, Some(date(from)), Some(date(to)), now).unwrap();
            let text = |m: &Span| format!("{} {} {}", m.from, m.to, m.to_at.to_rfc3339());
            span.months(zone).unwrap().iter().map(text).collect()
        };
        assert_eq!(
            months("2024-02-15", "2024-04-10"),
            [
                "2024-02-15 2024-03-01 2024-03-01T00:00:00+00:00",
                "2024-03-01 2024-04-01 2024-03-31T23:00:00+00:00",
                "2024-04-01 2024-04-10 2024-04-09T23:00:00+00:00",
            ]
        );
        let december = "2023-12-01 2024-01-01 2024-01-01T00:00:00+00:00";
        assert_eq!(months("2023-12-01", "2024-01-01"), [december]);
        // Nothing is left of the calendar, and it is of a month all the same.
        let end = "9999-12-31 9999-12-31 9999-12-31T00:00:00+00:00";
        assert_eq!(months("9999-12-31", "9999-12-31"), [end]);
    }

    #[test]
    fn a_date_comes_round_on_its_day_and_29_february_on_the_28th_of_other_years() {
        let on = |month: &str, of: &str| {
            let found = Month::parse(month).unwrap().anniversary(date(of));
            found.map(|(on, years)| (on.to_string(), years))
        };
        let found = |on: &str, years| Some((on.to_owned(), years));
        assert_eq!(on("2026-11", "2024-11-05"), found("2026-11-05", 2));
        assert_eq!(on("2026-02", "2000-02-29"), found("2026-02-28", 26));
        assert_eq!(on("2028-02", "2000-02-29"), found("2028-02-29", 28));
        assert_eq!(on("2026-11", "2026-11-05"), found("2026-11-05", 0));
        assert_eq!(on("2026-11", "2027-11-05"), None);
        assert_eq!(on("2026-11", "2024-10-05"), None);
        assert_eq!(Month::parse("2026-13"), None);
        let month = Month::of(date("2024-02-10")).unwrap();
        assert_eq!((month.to_string().as_str(), month.days()), ("2024-02", 29));
    }

    proptest! {
        #[test]
        fn no_dates_make_it_panic(from: Option<i32>, to: Option<i32>, micros: i64, zone in 0..chrono_tz::TZ_VARIANTS.len()) {
            let zone = chrono_tz::TZ_VARIANTS[zone];
            let date = |days: Option<i32>| days.and_then(NaiveDate::from_epoch_days);
            if let Some(now) = chrono::DateTime::from_timestamp_micros(micros) {
                let span = Span::of(zone, date(from), date(to), now);
                // Not for all the months of all years, which are many.
                let is_short = |span: &Span| (span.to - span.from).num_days() < 10_000;
                let _ = span.filter(is_short).and_then(|span| span.months(zone));
            }
            if let (Some(date), Some(of)) = (date(from), date(to)) {
                let _ = Month::of(date).and_then(|month| month.anniversary(of));
            }
        }

        /// Each month of a span is a span of its own, and together they are it.
        #[test]
        fn the_months_of_a_span_make_it_up(from in 0_i32..30_000, days in 1_i32..1_200, zone in 0..chrono_tz::TZ_VARIANTS.len()) {
            let zone = chrono_tz::TZ_VARIANTS[zone];
            let now = chrono::DateTime::from_timestamp_micros(0).unwrap();
            let span = |from, to| Span::of(zone, Some(from), Some(to), now).unwrap();
            let date = |days| NaiveDate::from_epoch_days(days).unwrap();
            let whole = span(date(from), date(from + days));
            let months = whole.months(zone).unwrap();
            prop_assert_eq!((months[0].from, months[months.len() - 1].to), (whole.from, whole.to));
            for pair in months.windows(2) {
                prop_assert_eq!((pair[0].to, pair[1].from.day()), (pair[1].from, 1));
            }
            for month in months {
                prop_assert_eq!(month, span(month.from, month.to));
                prop_assert_eq!(Month::of(month.from), Month::of(month.to.pred_opt().unwrap()));
            }
        }

        /// A date comes round in one month of each year, on its day or the
        /// month's last.
        #[test]
        fn a_date_comes_round_once_in_each_year(days in 0_i32..30_000, year in 1970_i32..2100) {
            let of = NaiveDate::from_epoch_days(days).unwrap();
            let found: Vec<(NaiveDate, i32)> = (1..=12)
                .filter_map(|month| Month::of(NaiveDate::from_ymd_opt(year, month, 15).unwrap()))
                .filter_map(|month| month.anniversary(of))
                .collect();
            if year < of.year() {
                prop_assert!(found.is_empty());
            } else {
                let clamped = of.checked_add_months(Months::new(12 * (year - of.year()) as u32));
                prop_assert_eq!(found, [(clamped.unwrap(), year - of.year())]);
            }
        }
    }
}
