//! Every rule of the program, as plain functions over plain values.
//!
//! Nothing here reads a clock, a database or a request: `now` is always a
//! parameter. Amounts are `i64` minor units of the program's currency, instants
//! are UTC at microsecond precision, and every sum is checked: what would not
//! fit is an [`Overflow`], never a wrapped number.

pub mod activity;
pub mod badge;
pub mod benefit;
pub mod booking;
pub mod calendar;
pub mod change;
pub mod customer;
pub mod designation;
pub mod earning;
pub mod fact;
pub mod id;
pub mod ledger;
pub mod membership;
pub mod money;
pub mod nomination;
pub mod period;
pub mod program;
pub mod qualification;
pub mod report;
pub mod search;
pub mod stage;
pub mod status;
pub mod tier;
pub mod words;

use chrono::{DateTime, SecondsFormat, Utc};

/// An instant in UTC, cut to microseconds where it enters the program.
pub type Instant = DateTime<Utc>;

/// An instant as it is written: `2024-06-01T10:00:00Z`.
pub fn rfc3339(at: Instant) -> String {
    at.to_rfc3339_opts(SecondsFormat::AutoSi, true)
}

/// A sum that does not fit into 64 bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a total would exceed what 64 bits can hold")]
pub struct Overflow;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instant_is_written_in_utc_with_the_decimals_that_it_needs() {
        let written = |text: &str| rfc3339(text.parse().unwrap());
        assert_eq!(written("2024-06-01T12:00:00+02:00"), "2024-06-01T10:00:00Z");
        assert_eq!(written("2024-06-01T10:00:00.25Z"), "2024-06-01T10:00:00.250Z");
    }
}
