//! Where a customer stands, at any instant.

use super::{Refusal, Result};
use crate::db::customers::{self, CustomerRow};
use crate::db::memberships::{self, MembershipRecord};
use crate::db::programs::{self, Hold, ProgramRecord};
use crate::db::{Tx, orders};
use crate::domain::Instant;
use crate::domain::fact::Fact;
use crate::domain::id::{CustomerId, StoreId};
use crate::domain::membership::{Achievements, Figures, Fold, Membership, Outcome, State, Step};
use std::sync::Arc;

/// The store's program.
///
/// # Errors
/// [`Refusal::StoreNotSetUp`] where there is none.
pub fn program_of(tx: &mut Tx<'_>, store: &StoreId, hold: Hold) -> Result<Arc<ProgramRecord>> {
    Ok(programs::find(tx, store, hold)?.ok_or(Refusal::StoreNotSetUp)?)
}

/// A customer with the membership as it is stored.
///
/// # Errors
/// [`Refusal::NotFound`] where there is no such customer.
pub fn load(
    tx: &mut Tx<'_>,
    store: &StoreId,
    customer: &CustomerId,
) -> Result<(CustomerRow, MembershipRecord)> {
    let row = customers::find(tx, store, customer)?.ok_or(Refusal::NotFound("customer"))?;
    let membership =
        memberships::find(tx, store, customer)?.ok_or(Refusal::NotFound("customer"))?;
    Ok((row, membership))
}

/// Where a customer stands at an instant: from the stored state where that
/// is recent enough, and else by folding the history up to that instant.
///
/// # Errors
/// [`super::Error`] from the database, or where a total does not fit.
pub fn membership_at(
    tx: &mut Tx<'_>,
    store: &StoreId,
    program: &ProgramRecord,
    customer: &CustomerRow,
    stored: &MembershipRecord,
    at: Instant,
) -> Result<Membership> {
    let joining = customer.joining()?;
    let through = stored.state.at;
    let is_enough = through <= Some(at) && !program.is_stale(stored.program_version, through);
    let (state, achievements) = if is_enough {
        (stored.state.clone(), stored.achievements.clone())
    } else {
        let id = CustomerId::parse(&customer.customer_id)
            .map_err(|_| crate::db::Error::Corrupt(customer.customer_id.clone()))?;
        let history = orders::history(tx, store, &id)?;
        let fold = Fold::of(&program.program, joining, &history, Some(at))?;
        let (state, steps) = fold.into_parts();
        let mut achievements = stored.achievements.clone();
        if program.is_stale(stored.program_version, through) && program.drops_achievements() {
            achievements = Achievements::default();
            achievements.record(&program.program, &state, &steps);
        }
        (state, achievements)
    };
    Ok(Membership::at(&program.program, joining, state, &achievements, at))
}

/// A customer's membership, by the program that it is told with.
///
/// # Errors
/// [`super::Error`] where the store or the customer is not there, or from the database.
pub fn read(
    tx: &mut Tx<'_>,
    store: &StoreId,
    customer: &CustomerId,
    at: Instant,
) -> Result<(Arc<ProgramRecord>, Membership)> {
    let program = program_of(tx, store, Hold::Read)?;
    let (row, stored) = load(tx, store, customer)?;
    let membership = membership_at(tx, store, &program, &row, &stored, at)?;
    Ok((program, membership))
}

/// One line of an explanation: a fact, or what time alone brought.
#[derive(Debug, Clone, PartialEq)]
pub struct Line {
    /// The fact and what came of it; `None` where time alone did something.
    pub fact: Option<(Fact, Outcome)>,
    /// What changed with it.
    pub steps: Vec<Step>,
    /// The progress after it.
    pub progress: Figures,
    /// The lifetime figures after it.
    pub lifetime: Figures,
}

/// Why a customer stands where they stand: each fact up to an instant, and
/// what it changed, oldest first.
///
/// # Errors
/// [`super::Error`] where the store or the customer is not there, or from the database.
pub fn explain(
    tx: &mut Tx<'_>,
    store: &StoreId,
    customer: &CustomerId,
    at: Instant,
) -> Result<(Arc<ProgramRecord>, Achievements, Vec<Line>)> {
    let program = program_of(tx, store, Hold::Read)?;
    let (row, stored) = load(tx, store, customer)?;
    let history = orders::history(tx, store, customer)?;
    let mut fold = Fold::resume(&program.program, row.joining()?, State::default());
    let mut lines = Vec::new();
    for fact in history.facts()? {
        if fact.key.at > at {
            break;
        }
        fold.tell_time_before(&fact);
        add_time_lines(&mut lines, &mut fold);
        let outcome = fold.tell(&fact)?;
        let steps = fold.take_steps();
        let (progress, lifetime) = (fold.state().progress, fold.state().lifetime);
        lines.push(Line { fact: Some((fact, outcome)), steps, progress, lifetime });
    }
    fold.advance(at);
    add_time_lines(&mut lines, &mut fold);
    let mut achievements = stored.achievements;
    achievements.0.retain(|achievement| achievement.reached_at <= at);
    Ok((program, achievements, lines))
}

/// What time alone brought since the last line, a line for each step.
fn add_time_lines(lines: &mut Vec<Line>, fold: &mut Fold<'_>) {
    for step in fold.take_steps() {
        let before = lines.last().map(|line| line.progress).unwrap_or_default();
        let has_reset = matches!(step, Step::PeriodEnded { .. });
        let progress = if has_reset { Figures::default() } else { before };
        let lifetime = fold.state().lifetime;
        lines.push(Line { fact: None, steps: vec![step], progress, lifetime });
    }
}
