//! Reports: whether the program is healthy, and whom to see to.
//!
//! Each answers JSON or, with `Accept: text/csv`, a file whose columns are the
//! fields of a row.

pub mod anniversaries;
pub mod at_risk;
pub mod concentration;
pub mod credit;
pub mod credit_movements;
pub mod high_value;
pub mod referrals;
pub mod retention;
pub mod satisfaction;
pub mod shares;
pub mod tier_fit;

use super::extract::rule;
use super::wire::At;
use crate::db;
use crate::db::memberships::NEVER;
use crate::db::programs::ProgramRecord;
use crate::domain::id::TierCode;
use crate::domain::report::span::Span;
use crate::domain::report::standing::higher;
use crate::domain::tier::{Ladder, Tier};
use crate::domain::{Instant, Overflow};
use crate::workflow;
use chrono::{Datelike, NaiveDate};
use chrono_tz::Tz;
use serde::Serialize;
use utoipa::ToSchema;
use validator::ValidationError;

/// The span of dates that a report is about.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct SpanOut {
    /// Its first date.
    #[schema(examples("2025-11-24"))]
    pub from: NaiveDate,
    /// The date after its last one.
    #[schema(examples("2026-11-24"))]
    pub to: NaiveDate,
    /// When it begins: the local midnight of `from`.
    #[schema(examples("2025-11-24T00:00:00Z"))]
    pub from_at: At,
    /// When it ends: the local midnight of `to`, which is not in it.
    #[schema(examples("2026-11-24T00:00:00Z"))]
    pub to_at: At,
    /// The program's time zone, whose midnights they are.
    #[schema(examples("Europe/London"))]
    pub time_zone: String,
}

impl SpanOut {
    fn new(span: &Span, zone: Tz) -> Self {
        Self {
            from: span.from,
            to: span.to,
            from_at: At(span.from_at),
            to_at: At(span.to_at),
            time_zone: zone.name().to_owned(),
        }
    }
}

/// A rule for the dates of a span: the calendar knows them, and they are in order.
fn check_span(from: Option<NaiveDate>, to: Option<NaiveDate>) -> Result<(), ValidationError> {
    let is_known = |date: Option<NaiveDate>| date.is_none_or(|date| date.year() >= 1);
    let mut faults = Vec::new();
    if !is_known(from) {
        faults.push(("/from", "must not lie before the year 1"));
    }
    if !is_known(to) {
        faults.push(("/to", "must not lie before the year 1"));
    } else if from.zip(to).is_some_and(|(from, to)| from >= to) {
        faults.push(("/to", "must be later than from"));
    }
    let Some((first, words)) = faults.first() else { return Ok(()) };
    let mut error = rule(first, words);
    error.add_param("faults".into(), &faults);
    Err(error)
}

/// The span that a request asks for, in the program's zone.
fn span_of(
    record: &ProgramRecord,
    (from, to): (Option<NaiveDate>, Option<NaiveDate>),
    now: Instant,
) -> workflow::Result<Span> {
    let span = Span::of(record.program.time_zone, from, to, now);
    let failed = || db::Error::Failed("the clock stands outside the calendar".to_owned());
    Ok(span.ok_or_else(failed)?)
}

/// A stored date.
fn date(text: &str) -> workflow::Result<NaiveDate> {
    let date = text.parse::<NaiveDate>();
    Ok(date.map_err(|_| db::Error::Corrupt(format!("{text:?} is no date")))?)
}

/// When the newest order was completed; `None` where there is none.
fn last_order_at(micros: i64) -> workflow::Result<Option<Instant>> {
    Ok(if micros == NEVER { None } else { Some(db::instant(micros)?) })
}

/// The code of the higher of a membership's tier and an active designation's.
fn effective_tier(
    record: &ProgramRecord,
    reached: Option<&str>,
    given: Option<&str>,
) -> Option<String> {
    let code = |text: Option<&str>| text.and_then(|text| TierCode::parse(text).ok());
    let (reached, given) = (code(reached), code(given));
    let tier = higher(&record.program.latest().ladder, reached.as_ref(), given.as_ref());
    tier.map(|tier| tier.code.to_string())
}

/// The code of the tier at a place of the ladder, from 1 on.
fn code_at(ladder: &Ladder, place: i64) -> Option<String> {
    let index = usize::try_from(place).ok()?.checked_sub(1)?;
    ladder.tiers().get(index).map(|tier| tier.code.to_string())
}

/// The code, the name and the rank of a tier, if there is one.
fn parts_of(tier: Option<&Tier>) -> (Option<String>, Option<String>, Option<u32>) {
    (
        tier.map(|tier| tier.code.to_string()),
        tier.map(|tier| tier.name.clone()),
        tier.map(|tier| tier.rank),
    )
}

/// The minor units, or the points, that a sum comes to.
///
/// # Errors
/// [`Overflow`] where they don't fit.
fn amount(sum: i128) -> Result<i64, Overflow> {
    i64::try_from(sum).map_err(|_| Overflow)
}
