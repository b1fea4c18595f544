//! Changes to a store's program.

use super::designations::changes;
use super::recalculation::leased_from;
use super::{Error, IfMatch, Refusal, Result};
use crate::db::audit::{self, Actor, Entry};
use crate::db::programs::{self, Hold, Pending, ProgramRecord};
use crate::db::recalculations::{self, FAILED, RUNNING, RecalculationRow};
use crate::db::{Tx, customers, designations, ledger, memberships, micros, orders, qualifications};
use crate::domain::Instant;
use crate::domain::benefit::Treatment;
use crate::domain::change::{self, EffectiveFrom, Holdings, Reach, Refused, Settings};
use crate::domain::id::StoreId;
use crate::domain::program::Program;
use crate::domain::qualification::Qualification;
use std::sync::Arc;

/// How a change is to be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// From when on it holds.
    pub effective_from: EffectiveFrom,
    /// Whether everyone is recalculated and achievements dropped that the fold doesn't bear out.
    pub allow_downgrades: bool,
    /// Whether only to say what it would do.
    pub dry_run: bool,
}

/// What a change came to.
#[derive(Debug, Clone)]
pub struct Changed {
    /// The program after it; of a dry run, as it would be.
    pub record: Arc<ProgramRecord>,
    /// The recalculation that it made necessary, if it did.
    pub recalculation: Option<RecalculationRow>,
    /// The version that is stored with it; of a dry run, the one that it was
    /// tried on, and 0 where the store is not set up.
    pub version: i64,
}

/// A change of the program's pauses: [`change::pause`] or [`change::resume`].
pub type Switch =
    fn(&Program, EffectiveFrom, Instant) -> std::result::Result<(Program, Reach), Refused>;

/// What a change is told of the store.
#[derive(Debug)]
pub struct Current<'a> {
    /// The program, if the store is set up.
    pub program: Option<&'a Program>,
    /// Whether the store has facts.
    pub has_facts: bool,
}

/// Who changes what, when.
#[derive(Debug, Clone)]
pub struct Context {
    /// The store.
    pub store: StoreId,
    /// Who does it.
    pub actor: Actor,
    /// What the audit log calls it.
    pub action: &'static str,
    /// The clock.
    pub now: Instant,
}

/// Changes a store's settings to those that `wish` makes of what there is;
/// sets the store up where it is new.
///
/// # Errors
/// What `wish` answers; [`Refusal::RecalculationRunning`] while one is; or
/// [`Refusal::Program`] for what design, section 3.9, refuses.
pub fn change_settings<E: From<Error>>(
    tx: &mut Tx<'_>,
    context: &Context,
    options: Options,
    if_match: &IfMatch,
    wish: impl FnOnce(&Current<'_>) -> std::result::Result<Settings, E>,
) -> std::result::Result<Changed, E> {
    let now = context.now;
    let mut record = programs::find(tx, &context.store, Hold::Update).map_err(Error::from)?;
    if record.is_none() {
        // Of two who set a store up, one waits here, and then finds it set up.
        programs::hold_place(tx, &context.store).map_err(Error::from)?;
        record = programs::find(tx, &context.store, Hold::Update).map_err(Error::from)?;
    }
    let holdings = Holdings {
        facts: orders::has_facts(tx, &context.store).map_err(Error::from)?,
        amounts: customers::has_amounts(tx, &context.store).map_err(Error::from)?
            || ledger::has_accounts(tx, &context.store).map_err(Error::from)?,
    };
    let has_facts = holdings.facts;
    let Some(record) = record else {
        if_match.check(None).map_err(Error::from)?;
        let settings = wish(&Current { program: None, has_facts })?;
        let program = change::set_up(settings, now).map_err(Error::from)?;
        let record = ProgramRecord { version: 1, program, pending: None };
        if options.dry_run {
            return Ok(Changed { record: Arc::new(record), recalculation: None, version: 0 });
        }
        store_program(tx, context, None, &record, Some(options))?;
        let version = record.version;
        return Ok(Changed { record: Arc::new(record), recalculation: None, version });
    };
    if_match.check(Some(record.version)).map_err(Error::from)?;
    let settings = wish(&Current { program: Some(&record.program), has_facts })?;
    let changed = change::apply(&record.program, settings, options.effective_from, now, holdings)
        .map_err(Error::from)?;
    Ok(carry_out(tx, context, options, &record, changed)?)
}

/// Pauses or resumes a store's program.
///
/// # Errors
/// As [`change_settings`].
pub fn change_pauses(
    tx: &mut Tx<'_>,
    context: &Context,
    options: Options,
    if_match: &IfMatch,
    switch: Switch,
) -> Result<Changed> {
    let record = super::memberships::program_of(tx, &context.store, Hold::Update)?;
    if_match.check(Some(record.version))?;
    let changed = switch(&record.program, options.effective_from, context.now)?;
    carry_out(tx, context, options, &record, changed)
}

/// Stores a changed program, and begins the recalculation that it needs.
fn carry_out(
    tx: &mut Tx<'_>,
    context: &Context,
    options: Options,
    old: &Arc<ProgramRecord>,
    (program, reach): (Program, Reach),
) -> Result<Changed> {
    // A recalculation that failed leaves everyone to be folded by the next change.
    let has_failed = match &old.pending {
        None => false,
        Some(pending) => {
            let row = recalculations::find(tx, &context.store, &pending.recalculation_id)?;
            if row.is_none_or(|row| row.state != FAILED) {
                return Err(Refusal::RecalculationRunning.into());
            }
            true
        }
    };
    if program == old.program && !options.allow_downgrades && !options.dry_run && !has_failed {
        let version = old.version;
        return Ok(Changed { record: old.clone(), recalculation: None, version });
    }
    let reach = if options.allow_downgrades || has_failed { Reach::ALL } else { reach };
    let has_facts_from = |tx: &mut Tx<'_>| match reach.refold_from {
        Some(from) => memberships::has_facts_from(tx, &context.store, from),
        None => Ok(false),
    };
    let customers_total = memberships::count(tx, &context.store)?;
    let is_needed = options.dry_run
        || (reach.everyone && customers_total > 0)
        || has_facts_from(tx).map_err(Error::from)?;
    let version = old.version.saturating_add(1);
    let recalculation_id = uuid::Uuid::now_v7().to_string();
    let refold_from = reach.refold_from.map(micros);
    let pending = Pending {
        recalculation_id: recalculation_id.clone(),
        version,
        refold_from,
        allow_downgrades: options.allow_downgrades,
    };
    let record = ProgramRecord { version, program, pending: is_needed.then_some(pending) };
    let recalculation = is_needed.then(|| {
        Ok::<_, Error>(RecalculationRow {
            store_id: context.store.to_string(),
            recalculation_id,
            program_version: version,
            program: programs::to_document(&record)?,
            refold_from,
            is_dry_run: options.dry_run,
            allow_downgrades: options.allow_downgrades,
            state: RUNNING.to_owned(),
            failure: None,
            started_at: micros(context.now),
            finished_at: None,
            leased_until: leased_from(context.now),
            done_through: None,
            customers_total,
            customers_done: 0,
            customers_changed: 0,
            customers_upgraded: 0,
            customers_downgraded: 0,
        })
    });
    let recalculation = recalculation.transpose()?;
    if let Some(row) = &recalculation {
        recalculations::insert(tx, row)?;
    }
    if options.dry_run {
        let version = old.version;
        return Ok(Changed { record: Arc::new(record), recalculation, version });
    }
    store_program(tx, context, Some(old), &record, Some(options))?;
    Ok(Changed { record: Arc::new(record), recalculation, version })
}

/// The parts of a program that facts are not judged by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policies {
    /// How customers are treated.
    pub treatment: Treatment,
    /// Who should be a VIP.
    pub qualification: Qualification,
    /// The version that the program has with this change.
    pub version: i64,
}

/// Changes how a store treats its customers, or who should be a VIP, which
/// needs no recalculation.
///
/// # Errors
/// [`Refusal::StoreNotSetUp`], or what `change` answers.
pub fn change_policies<E: From<Error>>(
    tx: &mut Tx<'_>,
    context: &Context,
    if_match: &IfMatch,
    change: impl FnOnce(&mut Tx<'_>, &Program, &mut Policies) -> std::result::Result<(), E>,
) -> std::result::Result<Arc<ProgramRecord>, E> {
    let old = super::memberships::program_of(tx, &context.store, Hold::Update)?;
    if_match.check(Some(old.version)).map_err(Error::from)?;
    let version = old.version.saturating_add(1);
    let mut policies = Policies {
        treatment: old.program.treatment.clone(),
        qualification: old.program.qualification.clone(),
        version,
    };
    change(tx, &old.program, &mut policies)?;
    let Policies { treatment, qualification, .. } = policies;
    let program = old.program.clone().treating(treatment).qualifying(qualification);
    if program == old.program {
        return Ok(old);
    }
    let record = ProgramRecord { version, program, pending: old.pending.clone() };
    store_program(tx, context, Some(&old), &record, None)?;
    Ok(Arc::new(record))
}

fn store_program(
    tx: &mut Tx<'_>,
    context: &Context,
    old: Option<&ProgramRecord>,
    record: &ProgramRecord,
    options: Option<Options>,
) -> Result<()> {
    let Context { store, actor, action, now } = context;
    programs::upsert(tx, store, record, *now)?;
    programs::record_revisions(tx, store, &record.program, *now, &actor.subject)?;
    if old.is_some_and(|old| old.program.grace_days != record.program.grace_days) {
        designations::reconsider_graces(tx, store, *now)?;
    }
    let is_judged_otherwise = |old: &ProgramRecord| {
        old.program.qualification != record.program.qualification
            || old.program.time_zone != record.program.time_zone
    };
    if old.is_some_and(is_judged_otherwise) {
        qualifications::restart_pass(tx, store, *now)?;
    }
    let was = old.map(|old| programs::summary(&old.program)).transpose()?.unwrap_or_default();
    let (before, mut after, _) = changes(&was, &programs::summary(&record.program)?);
    after.insert("version".into(), record.version.into());
    if options.is_some_and(|options| options.allow_downgrades) {
        after.insert("allow_downgrades".into(), true.into());
    }
    let (before, after) = (before.into(), after.into());
    let entry = Entry { actor, action, customer: None, before, after, note: None };
    Ok(audit::insert(tx, store, &entry, *now)?)
}
