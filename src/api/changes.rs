//! What changes of the program and of its tiers have in common.

use super::auth::Caller;
use super::problem::{ApiResult, Code};
use super::recalculations::RecalculationOut;
use super::wire;
use crate::db::Db;
use crate::db::programs::ProgramRecord;
use crate::db::recalculations::COMPLETED;
use crate::domain::change::EffectiveFrom;
use crate::domain::id::StoreId;
use crate::workflow::programs::{Changed, Context, Options};
use crate::workflow::recalculation;
use chrono::DateTime;
use serde::Deserialize;
use std::sync::Arc;
use std::time::Duration;
use utoipa::IntoParams;
use validator::{Validate, ValidationError};

/// How long a request works on the recalculation that it made necessary before
/// it leaves the rest to the background.
const PATIENCE: Duration = Duration::from_secs(1);

/// How a change to the program or its tiers is to be made.
#[derive(Debug, Deserialize, IntoParams, Validate)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct ChangeQuery {
    /// From when on it holds: an instant that is not in the future, or
    /// `beginning`. Now by default, which leaves the past as it was judged;
    /// with an earlier instant, everyone is recalculated from there.
    #[validate(custom(function = "is_effective_from"))]
    #[param(format = "effective-from", max_length = 40, example = "beginning")]
    effective_from: Option<String>,
    /// Recalculate everyone, and drop achievements that the facts don't bear
    /// out: the only way in which a permanent tier is lost.
    allow_downgrades: Option<bool>,
    /// Only say what it would do: nothing is changed.
    dry_run: Option<bool>,
}

fn parse_effective_from(text: &str) -> Option<EffectiveFrom> {
    if text == "beginning" {
        return Some(EffectiveFrom::Beginning);
    }
    let at = DateTime::parse_from_rfc3339(text).ok()?;
    wire::kept(at.to_utc()).map(EffectiveFrom::At)
}

/// A rule for query parameters: the text is an instant, or `beginning`.
///
/// # Errors
/// A fault for any other text.
pub fn is_effective_from(text: &str) -> Result<(), ValidationError> {
    let error = || {
        let message =
            "must be \"beginning\" or an RFC 3339 instant such as \"2024-06-01T10:00:00Z\"";
        ValidationError::new("effective_from").with_message(message.into())
    };
    parse_effective_from(text).map(|_| ()).ok_or_else(error)
}

impl ChangeQuery {
    /// The options that these parameters state.
    pub fn options(&self) -> Options {
        options(self.effective_from.as_deref(), self.allow_downgrades, self.dry_run)
    }
}

/// The options that query parameters state.
pub fn options(
    effective_from: Option<&str>,
    allow_downgrades: Option<bool>,
    dry_run: Option<bool>,
) -> Options {
    let from = effective_from.and_then(parse_effective_from);
    Options {
        effective_from: from.unwrap_or(EffectiveFrom::Now),
        allow_downgrades: allow_downgrades.unwrap_or(false),
        dry_run: dry_run.unwrap_or(false),
    }
}

/// Who changes the program, and what the audit log calls that.
pub fn context(caller: &Caller, action: &'static str) -> Context {
    Context { store: caller.store.clone(), actor: caller.actor(), action, now: wire::now() }
}

/// A change that was made, and what came of it.
pub struct Followed {
    /// The program with it; of a dry run, as it would be.
    pub record: Arc<ProgramRecord>,
    /// The recalculation that it made necessary, as far as that has come.
    pub recalculation: Option<RecalculationOut>,
    /// The version to name in an `ETag`. Never that of somebody else's change,
    /// which the caller has not seen: it is not read again, but follows from
    /// what was stored.
    pub version: i64,
}

/// Works on the recalculation that a change made necessary, for a while.
///
/// # Errors
/// `unavailable` or `internal` from the database.
pub async fn follow_up(db: &Db, store: &StoreId, changed: Changed) -> ApiResult<Followed> {
    let mut version = changed.version;
    let recalculation = match changed.recalculation {
        None => None,
        Some(row) => {
            let row = recalculation::drive(db, row, PATIENCE).await?;
            if row.state == COMPLETED && !row.is_dry_run {
                // The end of a recalculation is the next version. Where somebody
                // else's change came between, that is past by now, and fits nobody.
                version = version.saturating_add(1);
            }
            Some(RecalculationOut::try_from(row)?)
        }
    };
    // A grace that is over under the new settings is over now.
    recalculation::catch_up(db, store, recalculation::Shows::Statuses).await;
    Ok(Followed { record: changed.record, recalculation, version })
}

/// What a change of settings can be refused for.
pub const CHANGE: &[Code] = &[
    Code::StoreNotSetUp,
    Code::EffectiveFromInFuture,
    Code::RecalculationRunning,
    Code::PreconditionFailed,
];
