//! Nominations: rules, tiers and people put customers forward, and managers decide.

use super::designations::{Granting, Held, known_benefits, known_tier};
use super::memberships::program_of;
use super::{IfMatch, Refusal, Result};
use crate::db::audit::Actor;
use crate::db::nominations::{self, NominationRow, Proposal};
use crate::db::programs::Hold;
use crate::db::{Tx, memberships, micros, qualifications};
use crate::domain::Instant;
use crate::domain::designation::Grant;
use crate::domain::id::{BenefitCode, CustomerId, StoreId, TierCode};
use crate::domain::nomination::{NotNow, Origin, Source, State};
use crate::domain::qualification::Rule;
use crate::domain::qualification::standing::{Outcome, Standing};
use crate::domain::words::word;
use serde_json::json;

/// Puts a customer who is held forward.
///
/// # Errors
/// [`super::Error`] from the database.
pub(super) fn propose(held: &mut Held<'_, '_>, proposal: &Proposal<'_>) -> Result<NominationRow> {
    let row = NominationRow::new(held.store(), held.id(), proposal, held.now())?;
    nominations::insert(held.tx(), &row)?;
    let data = json!({
        "nomination_id": row.nomination_id,
        "source": row.source,
        "rule": row.rule_code,
        "tier": row.tier,
    });
    let after = json!({
        "nomination_id": row.nomination_id,
        "source": row.source,
        "rule": row.rule_code,
        "tier": row.tier,
        "benefits": proposal.grant.benefits.iter().map(BenefitCode::as_str).collect::<Vec<_>>(),
        "profile": row.profile,
        "priority": row.priority,
    });
    held.write_down("nominated", json!({}), after, proposal.note)?;
    held.tell("nomination_made", data)?;
    Ok(row)
}

/// Puts a customer who is held forward for a tier that was reached, unless
/// that waits already, was declined not long ago, or gives nothing.
///
/// # Errors
/// [`super::Error`] from the database.
pub(super) fn propose_tier(
    held: &mut Held<'_, '_>,
    tier: &TierCode,
    grant: &Grant,
    granting: &Granting<'_>,
) -> Result<()> {
    let program = held.program().clone();
    let footing = granting.footing(&program.program);
    if held.live().is_some_and(|known| !known.designation.lacks(grant, &footing)) {
        return Ok(());
    }
    let origin = Origin::Tier(tier.clone());
    let (store, id, now) = (held.store().clone(), held.id().clone(), held.now());
    if nominations::past(held.tx(), &store, &id, &origin)?.allows(now).is_ok() {
        let proposal = Proposal { origin: &origin, grant, findings: &[], note: None, by: None };
        propose(held, &proposal)?;
    }
    Ok(())
}

/// The membership's tier that a customer is listed by.
fn reached(held: &mut Held<'_, '_>) -> Result<Option<TierCode>> {
    let (store, id) = (held.store().clone(), held.id().clone());
    let membership = memberships::find(held.tx(), &store, &id)?;
    Ok(membership.and_then(|membership| membership.listed_tier))
}

/// Puts a customer forward by hand.
///
/// # Errors
/// [`Refusal`] for what depends on the store, or [`super::Error`] from the database.
pub fn nominate(
    tx: &mut Tx<'_>,
    store: &StoreId,
    id: &CustomerId,
    grant: &Grant,
    note: &str,
    actor: &Actor,
    now: Instant,
) -> Result<NominationRow> {
    let mut held = Held::open(tx, store, id, actor, now)?;
    let program = held.program().clone();
    known_tier(&program.program, grant.tier.as_ref())?;
    known_benefits(&program.program, &grant.benefits)?;
    let origin = Origin::Person;
    let now = held.now();
    match nominations::past(held.tx(), store, id, &origin)?.allows(now) {
        Ok(()) => {}
        Err(NotNow::Waiting) => return Err(Refusal::NominationWaiting.into()),
        Err(NotNow::DeclinedRecently) => return Err(Refusal::DeclinedRecently.into()),
    }
    let reached = reached(&mut held)?;
    let granting =
        Granting { rule: None, since: None, is_automatic: false, reached: reached.as_ref() };
    let footing = granting.footing(&program.program);
    if held.live().is_some_and(|known| !known.designation.lacks(grant, &footing)) {
        return Err(Refusal::NothingToAdd.into());
    }
    let by = Some(actor.subject.as_str());
    let proposal = Proposal { origin: &origin, grant, findings: &[], note: Some(note), by };
    propose(&mut held, &proposal)
}

/// What a manager says of a nomination.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// The customer is to have it; why, if that is said.
    Approve(Option<String>),
    /// Not; and why.
    Decline(String),
}

/// Decides a nomination: approving designates the customer or raises the
/// designation, also of whom a person had removed.
///
/// # Errors
/// [`Refusal`] for what depends on the store, or [`super::Error`] from the database.
pub fn decide(
    tx: &mut Tx<'_>,
    store: &StoreId,
    nomination_id: &str,
    verdict: &Verdict,
    if_match: &IfMatch,
    actor: &Actor,
    now: Instant,
) -> Result<NominationRow> {
    let missing = Refusal::NotFound("nomination");
    program_of(tx, store, Hold::Share)?;
    let customer = nominations::customer_of(tx, store, nomination_id)?.ok_or(missing.clone())?;
    let id = CustomerId::parse(&customer)?;
    let mut held = Held::open(tx, store, &id, actor, now)?;
    let row = nominations::find_locked(held.tx(), store, nomination_id)?.ok_or(missing)?;
    if_match.check(Some(row.version()))?;
    if row.state()? != State::Waiting {
        return Err(Refusal::NominationDecided.into());
    }
    let (state, outcome, action, note) = match verdict {
        Verdict::Approve(note) => {
            give(&mut held, &row)?;
            (State::Approved, Outcome::Granted, "nomination_approved", note.as_deref())
        }
        Verdict::Decline(note) => {
            (State::Declined, Outcome::Declined, "nomination_declined", Some(note.as_str()))
        }
    };
    let decided = NominationRow {
        state: word(&State::WORDS, &state).to_owned(),
        decided_at: Some(micros(held.now())),
        decided_by: Some(actor.subject.clone()),
        decision_note: note.map(str::to_owned),
        ..row
    };
    nominations::update(held.tx(), &decided)?;
    if let Some(code) = decided.rule()?
        && let Some(standing) = qualifications::find(held.tx(), store, &id)?.get(&code)
        && standing.outcome == Some(Outcome::Nominated)
    {
        // A rule that has come to grant something else has yet to act.
        let rules = &held.program().program.qualification.rules;
        let is_same = rules.get(&code).map(Rule::grant) == Some(decided.grant()?);
        let outcome = Some(outcome).filter(|_| is_same || state == State::Declined);
        let standing = Standing { outcome, ..*standing };
        qualifications::upsert(held.tx(), store, &id, &code, &standing)?;
    }
    let about = json!({"nomination_id": decided.nomination_id, "state": decided.state});
    held.write_down(action, json!({}), about.clone(), note)?;
    held.tell("nomination_decided", about)?;
    Ok(decided)
}

/// Gives a customer who is held what a nomination proposes.
fn give(held: &mut Held<'_, '_>, row: &NominationRow) -> Result<()> {
    let program = held.program().clone();
    let (grant, rule) = (row.grant()?, row.rule()?);
    known_tier(&program.program, grant.tier.as_ref())?;
    known_benefits(&program.program, &grant.benefits)?;
    let reached = reached(held)?;
    let granting = Granting {
        rule: rule.as_ref(),
        since: None,
        is_automatic: row.source != word(&Source::WORDS, &Source::Person),
        reached: reached.as_ref(),
    };
    held.grant(&grant, &granting, row.note.as_deref()).map(|_| ())
}

/// Declines what waits of a customer who is being erased, and clears what
/// people wrote.
///
/// # Errors
/// [`super::Error`] from the database.
pub(super) fn erase(held: &mut Held<'_, '_>) -> Result<()> {
    let (store, id, now) = (held.store().clone(), held.id().clone(), held.now());
    for row in nominations::list_waiting(held.tx(), &store, &id)? {
        let declined = NominationRow {
            state: word(&State::WORDS, &State::Declined).to_owned(),
            decided_at: Some(micros(now)),
            ..row
        };
        nominations::update(held.tx(), &declined)?;
        let about = json!({"nomination_id": declined.nomination_id, "state": declined.state});
        held.write_down("nomination_declined", json!({}), about.clone(), None)?;
        held.tell("nomination_decided", about)?;
    }
    Ok(nominations::delete_notes(held.tx(), &store, &id)?)
}
