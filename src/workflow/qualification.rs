//! Who should be a VIP: rules are judged at each fact that can matter, and, for
//! what time alone changes, in a pass over all customers each night.
//!
//! Either way one customer is judged by [`judge`], while they are held: what is
//! stored is what the rules say, and each rule acts once. A pass reads
//! customers in the order of their identifiers, and takes hold of those alone
//! with whom something is to be done. How far it came is stored together with
//! what it did, so that a crash loses nothing and repeats nothing.

use super::background::Worker;
use super::designations::{Granting, Held};
use super::memberships::program_of;
use super::nominations::propose;
use super::recalculation::leased_from;
use super::signals::{self, Signalled};
use super::{Error, Refusal, Result};
use crate::db::audit::Actor;
use crate::db::customers::{self, CustomerRow};
use crate::db::nominations::{self, Proposal};
use crate::db::programs::{Hold, ProgramRecord};
use crate::db::qualifications::{self, PassRow, Standings};
use crate::db::{Db, Tx, designations, instant, memberships, micros};
use crate::domain::calendar::{local_date, midnight};
use crate::domain::id::{CustomerId, StoreId, TierCode};
use crate::domain::membership::Membership;
use crate::domain::nomination::{Origin, Past};
use crate::domain::program::Program;
use crate::domain::qualification::signal::{Signals, Wanted};
use crate::domain::qualification::standing::{
    Decision, Known, Outcome, Shown, Standing, decide, is_settled,
};
use crate::domain::qualification::{Finding, Rule, is_met};
use crate::domain::{Instant, Overflow};
use chrono::{SubsecRound, Utc};
use std::sync::Arc;

/// Customers that are looked at in one batch.
const BATCH: i64 = 500;
/// Customers with whom something is done in one batch.
const ACTS_MAX: usize = 100;
/// Stands for a pass that nothing makes necessary.
const NEVER_DUE: i64 = i64::MAX;

/// The rules in force that a customer meets, with what they found.
type Met<'a> = Vec<(&'a Rule, Vec<Finding>)>;

fn met<'p>(
    program: &'p Program,
    known: &Signalled,
    now: Instant,
) -> std::result::Result<Met<'p>, Overflow> {
    let signals = known.signals.as_ref().map_err(|overflow| *overflow)?;
    let mut found = Vec::new();
    for rule in program.qualification.enabled() {
        let findings = rule.judge(signals, program.time_zone, now)?;
        found.extend(is_met(&findings).then_some((rule, findings)));
    }
    Ok(found)
}

/// Judges a customer who is held by all rules in force, stores what they say
/// and does what they do; answers the customer as stored then.
///
/// # Errors
/// [`Refusal::FigureOverflow`] where a sum does not fit, before anything is
/// stored; or [`Error`] from the database.
pub(super) fn judge(
    tx: &mut Tx<'_>,
    store: &StoreId,
    program: &Arc<ProgramRecord>,
    customer: CustomerRow,
    now: Instant,
) -> Result<CustomerRow> {
    // The clock, after whoever held the customer before has let go.
    let now = now.max(Utc::now().trunc_subsecs(6));
    let id = CustomerId::parse(&customer.customer_id)?;
    let rules = &program.program.qualification;
    let wanted = Wanted::by(rules.enabled(), now);
    let range = (id.as_str(), id.as_str());
    let mut found = signals::in_range(tx, store, program, &wanted, range)?;
    let known = found.remove(id.as_str()).filter(|known| !known.is_stale);
    let Some(known) = known else { return Ok(customer) };
    let met = met(&program.program, &known, now)?;
    let standings = qualifications::find(tx, store, &id)?;
    if is_settled(rules, met.iter().map(|(rule, _)| *rule), &standings) {
        return Ok(customer);
    }
    for code in standings.keys().filter(|code| met.iter().all(|(rule, _)| rule.code != **code)) {
        qualifications::delete(tx, store, &id, code)?;
    }
    let actor = Actor::system();
    let mut held = Held::of(tx, store, &id, program.clone(), customer, &actor, now)?;
    held.note_end()?;
    let reached = known.tier.as_deref().map(TierCode::parse).transpose()?;
    for (rule, findings) in &met {
        let stored = standings.get(&rule.code);
        let standing = stored.copied().unwrap_or_else(|| Standing::new(rule, now));
        let standing = if rules.is_automatic {
            let outcome = act(&mut held, rule, findings, &standing, reached.as_ref())?;
            Standing { rule_version: rule.version, outcome: Some(outcome), ..standing }
        } else {
            standing
        };
        if stored != Some(&standing) {
            qualifications::upsert(held.tx(), store, &id, &rule.code, &standing)?;
        }
    }
    Ok(held.customer)
}

/// Does what a rule that is met does to a customer who is held.
fn act(
    held: &mut Held<'_, '_>,
    rule: &Rule,
    findings: &[Finding],
    standing: &Standing,
    reached: Option<&TierCode>,
) -> Result<Outcome> {
    let program = held.program().clone();
    let granting = Granting { rule: Some(&rule.code), since: None, is_automatic: true, reached };
    let origin = Origin::Rule(rule.code.clone());
    let (store, id) = (held.store().clone(), held.id().clone());
    let past = past(held.tx(), &store, &id, rule)?;
    let designation = held.designation.as_ref().map(|record| &record.designation);
    let footing = granting.footing(&program.program);
    let known = Known { footing, designation, past, now: held.now() };
    let grant = rule.grant();
    match decide(rule, standing, &known) {
        Decision::Settle(outcome) => Ok(outcome),
        Decision::Grant | Decision::Raise => {
            // A grace that would be over at once is the one reason for nothing.
            let is_granted = held.grant(&grant, &granting, None)?;
            Ok(if is_granted { Outcome::Granted } else { Outcome::DesignationEnded })
        }
        Decision::Nominate => {
            let proposal =
                Proposal { origin: &origin, grant: &grant, findings, note: None, by: None };
            propose(held, &proposal)?;
            Ok(Outcome::Nominated)
        }
    }
}

/// What became of earlier nominations by a rule, of which a rule that needs no
/// approval makes none.
fn past(tx: &mut Tx<'_>, store: &StoreId, id: &CustomerId, rule: &Rule) -> Result<Past> {
    if !rule.requires_approval {
        return Ok(Past::default());
    }
    Ok(nominations::past(tx, store, id, &Origin::Rule(rule.code.clone()))?)
}

/// What a rule says of a customer, judged now.
#[derive(Debug, Clone, PartialEq)]
pub struct Judged {
    /// The rule.
    pub rule: Rule,
    /// What was found of each condition.
    pub findings: Vec<Finding>,
    /// Since when it is known to be met.
    pub met_since: Option<Instant>,
    /// How it stands.
    pub shown: Shown,
}

/// What all rules say of a customer who stands so, judged now; nothing is stored.
///
/// # Errors
/// [`Refusal::FigureOverflow`] where a sum does not fit, or [`Error`] from the database.
pub fn view(
    tx: &mut Tx<'_>,
    store: &StoreId,
    record: &ProgramRecord,
    membership: &Membership,
    id: &CustomerId,
    now: Instant,
) -> Result<Vec<Judged>> {
    let program = &record.program;
    let rules = &program.qualification;
    let wanted = Wanted::by(rules.rules.values(), now);
    let range = (id.as_str(), id.as_str());
    let mut found = signals::in_range(tx, store, record, &wanted, range)?;
    let known = found.remove(id.as_str()).ok_or(Refusal::CustomerErased)?;
    // What is stored may be from before a change of the program.
    let signals = Signals { lifetime: membership.lifetime, ..known.signals? };
    let standings = qualifications::find(tx, store, id)?;
    let designation = designations::find(tx, store, id)?.map(|record| record.designation);
    rules
        .rules
        .values()
        .map(|rule| {
            let findings = rule.judge(&signals, program.time_zone, now)?;
            let is_met = is_met(&findings);
            let standing = standings.get(&rule.code).filter(|_| is_met && rule.is_enabled);
            let shown =
                Shown::of(rule, is_met, rules.is_automatic, standing, designation.as_ref(), now);
            let met_since = standing.map(|standing| standing.met_since);
            Ok(Judged { rule: rule.clone(), findings, met_since, shown })
        })
        .collect()
}

/// What a rule would do to a customer who meets it.
#[derive(Debug, Clone, PartialEq)]
pub struct Would {
    /// Who.
    pub customer_id: String,
    /// What.
    pub decision: Decision,
    /// Why.
    pub findings: Vec<Finding>,
}

/// A part of a dry run.
#[derive(Debug, Clone, PartialEq)]
pub struct DryRun {
    /// Those who meet the rule, by identifier.
    pub customers: Vec<Would>,
    /// How many were looked at.
    pub examined: usize,
    /// The last that was looked at; `None` where there are no more.
    pub done_through: Option<String>,
}

/// Says what a rule would do, were it put now: to the customers after one, by
/// identifier, until so many meet it or so many were looked at.
///
/// # Errors
/// [`Error`] from the database.
pub fn dry_run(
    tx: &mut Tx<'_>,
    store: &StoreId,
    record: &ProgramRecord,
    rule: &Rule,
    after: Option<String>,
    (limit, examined_max): (usize, usize),
    now: Instant,
) -> Result<DryRun> {
    let program = &record.program;
    let wanted = Wanted::by([rule], now);
    let mut run = DryRun { customers: Vec::new(), examined: 0, done_through: after };
    loop {
        let ids = memberships::ids_after(tx, store, run.done_through.as_deref(), BATCH)?;
        let (Some(first), Some(last)) = (ids.first(), ids.last()) else {
            run.done_through = None;
            return Ok(run);
        };
        let range = (first.as_str(), last.as_str());
        let known = signals::in_range(tx, store, record, &wanted, range)?;
        let designated = designations::in_range(tx, store, range.0, range.1)?;
        let standings = qualifications::in_range(tx, store, range)?;
        for id in ids {
            if run.customers.len() >= limit || run.examined >= examined_max {
                return Ok(run);
            }
            run.examined = run.examined.saturating_add(1);
            let findings = known.get(&id).and_then(|known| {
                let signals = known.signals.as_ref().ok()?;
                rule.judge(signals, program.time_zone, now).ok().filter(|found| is_met(found))
            });
            if let Some(findings) = findings {
                let customer = CustomerId::parse(&id)?;
                let standing = standings
                    .get(&id)
                    .and_then(|standings| standings.get(&rule.code))
                    .map_or_else(|| Standing::new(rule, now), |s| Standing { outcome: None, ..*s });
                let reached = known.get(&id).and_then(|known| known.tier.as_deref());
                let reached = reached.map(TierCode::parse).transpose()?;
                let granting = Granting {
                    rule: None,
                    since: None,
                    is_automatic: true,
                    reached: reached.as_ref(),
                };
                let decision = decide(
                    rule,
                    &standing,
                    &Known {
                        footing: granting.footing(program),
                        designation: designated.get(&id),
                        past: past(tx, store, &customer, rule)?,
                        now,
                    },
                );
                run.customers.push(Would { customer_id: id.clone(), decision, findings });
            }
            run.done_through = Some(id);
        }
    }
}

/// A batch of a pass, looked at and not yet done.
struct Looked {
    /// With whom something is to be done.
    unsettled: Vec<CustomerId>,
    /// The pass after it.
    next: PassRow,
}

/// Works on the passes that are due and that nobody works on, until they are over.
///
/// # Errors
/// [`Error`] from the database; the pass then waits to be taken up again.
pub async fn take_up(db: &Db, now: Instant) -> Result<()> {
    let waiting =
        db.read(move |tx| Ok::<_, Error>(qualifications::list_unclaimed_passes(tx, now)?)).await?;
    for was in waiting {
        let due_at = if was.done_through.is_none() { micros(now) } else { was.due_at };
        let claimed = PassRow { due_at, leased_until: leased_from(Utc::now()), ..was.clone() };
        let is = claimed.clone();
        let is_ours =
            db.write(move |tx| Ok::<_, Error>(qualifications::update_pass(tx, &was, &is)?)).await?;
        if is_ours {
            drive(db, claimed, now).await?;
        }
    }
    Ok(())
}

async fn drive(db: &Db, pass: PassRow, now: Instant) -> Result<()> {
    let mut pass = pass;
    loop {
        let began = std::time::Instant::now();
        let now = now.max(Utc::now().trunc_subsecs(6));
        let was = pass.clone();
        let looked = db.read(move |tx| look(tx, was, now)).await?;
        let was = pass;
        let stored = db.write(move |tx| store_batch(tx, &was, looked, now)).await?;
        // Without an answer, a change of the rules has begun another pass.
        let Some(next) = stored else { return Ok(()) };
        if next.done_through.is_none() {
            return Ok(());
        }
        tracing::debug!(through = ?next.done_through, took = ?began.elapsed(), "customers judged");
        pass = next;
    }
}

fn look(tx: &mut Tx<'_>, pass: PassRow, now: Instant) -> Result<Looked> {
    let store = StoreId::parse(&pass.store_id)?;
    let record = program_of(tx, &store, Hold::Read)?;
    let program = &record.program;
    let mut next = PassRow { leased_until: leased_from(now.max(Utc::now())), ..pass };
    let ids = memberships::ids_after(tx, &store, next.done_through.as_deref(), BATCH)?;
    let (Some(first), Some(last)) = (ids.first(), ids.last()) else {
        next.done_through = None;
        next.due_at = next_due(program, instant(next.due_at)?);
        next.leased_until = 0;
        return Ok(Looked { unsettled: Vec::new(), next });
    };
    let range = (first.as_str(), last.as_str());
    let wanted = Wanted::by(program.qualification.enabled(), now);
    let known = signals::in_range(tx, &store, &record, &wanted, range)?;
    let standings = qualifications::in_range(tx, &store, range)?;
    let none = Standings::new();
    let mut unsettled = Vec::new();
    for id in &ids {
        next.done_through = Some(id.clone());
        // The end of a recalculation begins another pass.
        let Some(known) = known.get(id).filter(|known| !known.is_stale) else { continue };
        match met(program, known, now) {
            Ok(met) => {
                let met = met.iter().map(|(rule, _)| *rule);
                let stored = standings.get(id).unwrap_or(&none);
                if !is_settled(&program.qualification, met, stored) {
                    unsettled.push(CustomerId::parse(id)?);
                }
            }
            Err(overflow) => tracing::warn!(customer = %id, %overflow, "a customer is not judged"),
        }
        if unsettled.len() >= ACTS_MAX {
            break;
        }
    }
    Ok(Looked { unsettled, next })
}

/// When the pass after one that began then is due: at the next local midnight,
/// where there are rules.
fn next_due(program: &Program, began_at: Instant) -> i64 {
    if program.qualification.enabled().next().is_none() {
        return NEVER_DUE;
    }
    let tomorrow = local_date(program.time_zone, began_at).and_then(|date| date.succ_opt());
    let due = tomorrow.and_then(|date| midnight(program.time_zone, date));
    due.map_or(NEVER_DUE, micros)
}

/// Does what a batch has found to be done, if the claim still holds; the pass
/// as it is then.
fn store_batch(
    tx: &mut Tx<'_>,
    was: &PassRow,
    looked: Looked,
    now: Instant,
) -> Result<Option<PassRow>> {
    let store = StoreId::parse(&was.store_id)?;
    let program = program_of(tx, &store, Hold::Share)?;
    if !qualifications::update_pass(tx, was, &looked.next)? {
        return Ok(None);
    }
    // In the order of their identifiers, as everybody who holds several.
    for id in &looked.unsettled {
        let Some(customer) = customers::find_locked(tx, &store, id)? else { continue };
        match judge(tx, &store, &program, customer, now) {
            Ok(_) => {}
            Err(Error::Refused(refusal)) => {
                tracing::warn!(customer = %id, %refusal, "a customer is not judged");
            }
            Err(error) => return Err(error),
        }
    }
    Ok(Some(looked.next))
}

/// Whether a pass over all customers is due or under way.
///
/// # Errors
/// [`Error`] from the database.
pub fn is_under_way(tx: &mut Tx<'_>, store: &StoreId, now: Instant) -> Result<bool> {
    let pass = qualifications::find_pass(tx, store)?;
    Ok(pass.is_some_and(|pass| pass.done_through.is_some() || pass.due_at <= micros(now)))
}

/// Does the work of the background until it is dropped: the passes over all
/// customers, each night and when rules have changed.
pub async fn work(db: Db, worker: &Worker) {
    loop {
        let round = take_up(&db, Utc::now().trunc_subsecs(6)).await;
        worker.note(round, "a pass over all customers");
        tokio::time::sleep(std::time::Duration::from_millis(500)).await;
    }
}
