//! Designations and statuses: a person changes them, a tier that is reached
//! makes them, time ends them.
//!
//! Whoever does it, the customer is [`Held`], and what follows is stored with
//! it: the word to list the customer by, the events and the audit log.

use super::memberships::{membership_at, program_of};
use super::{IfMatch, Refusal, Result};
use crate::db::audit::{self, Actor, Entry};
use crate::db::customers::{self, CustomerRow, FOREVER, gravity};
use crate::db::designations::{self, DesignationRecord};
use crate::db::events::{self, Event};
use crate::db::programs::{Hold, ProgramRecord};
use crate::db::{Tx, memberships, micros};
use crate::domain::badge::{Known, must_end_first};
use crate::domain::calendar::local_date;
use crate::domain::designation::{
    Designation, End, EndReason, Footing, Grant, Priority, Profile, RemovalReason, State,
    grace_until,
};
use crate::domain::id::{BenefitCode, CustomerId, RuleCode, StoreId, TierCode};
use crate::domain::program::Program;
use crate::domain::status::{self, Change, Flag, Status};
use crate::domain::words::word;
use crate::domain::{Instant, rfc3339};
use chrono::{NaiveDate, SubsecRound, Utc};
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;
use std::sync::Arc;

/// A designation as a manager wants it.
#[derive(Debug, Clone, PartialEq)]
#[expect(missing_docs, reason = "the fields are the API's")]
pub struct Wish {
    pub tier: Option<TierCode>,
    pub since: Option<NaiveDate>,
    pub benefits: Vec<BenefitCode>,
    pub benefits_dropped: Vec<BenefitCode>,
    pub notes: Option<String>,
    pub is_paused: bool,
    pub profile: Option<Profile>,
    pub priority: Option<Priority>,
    pub team: Option<String>,
    pub assigned_to: Option<String>,
    pub ends_at: Option<Instant>,
}

/// Why a person removes a designation.
#[derive(Debug, Clone, PartialEq)]
pub struct Removal {
    /// In a word.
    pub reason: RemovalReason,
    /// In the person's words.
    pub note: Option<String>,
}

/// A status as a person wants it.
#[derive(Debug, Clone, PartialEq)]
pub struct StatusWish {
    /// The word.
    pub status: Status,
    /// Why.
    pub note: String,
    /// Whether the person may change designations.
    pub may_designate: bool,
    /// Whether the person means it, where that ends a designation.
    pub is_confirmed: bool,
}

/// On what ground something is granted.
#[derive(Debug, Clone, Copy)]
pub(super) struct Granting<'a> {
    /// The rule that grants it, if one does.
    pub rule: Option<&'a RuleCode>,
    /// Since when the ground is there; now, where nothing is said.
    pub since: Option<Instant>,
    /// Whether no person grants it.
    pub is_automatic: bool,
    /// The membership's tier.
    pub reached: Option<&'a TierCode>,
}

impl<'a> Granting<'a> {
    /// What the designation then stands on.
    pub(super) fn footing(&self, program: &'a Program) -> Footing<'a> {
        Footing {
            ladder: &program.latest().ladder,
            treatment: &program.treatment,
            reached: self.reached,
        }
    }
}

/// A customer who is held while somebody changes how they are treated.
pub struct Held<'s, 't> {
    tx: &'s mut Tx<'t>,
    store: StoreId,
    id: CustomerId,
    program: Arc<ProgramRecord>,
    /// The customer, as stored by now.
    pub customer: CustomerRow,
    /// The designation, as stored by now.
    pub designation: Option<DesignationRecord>,
    /// The versions that a caller may have seen.
    seen: Seen,
    actor: Actor,
    now: Instant,
}

/// Versions as they were before anything was noted.
#[derive(Debug, Clone, Copy)]
struct Seen {
    customer: i64,
    designation: Option<i64>,
}

impl<'s, 't> Held<'s, 't> {
    /// Holds a customer who is known and not erased. An end that time has
    /// brought meanwhile is noted first.
    ///
    /// # Errors
    /// [`Refusal::NotFound`] or [`Refusal::CustomerErased`], or
    /// [`super::Error`] from the database.
    pub fn open(
        tx: &'s mut Tx<'t>,
        store: &StoreId,
        id: &CustomerId,
        actor: &Actor,
        now: Instant,
    ) -> Result<Self> {
        let program = program_of(tx, store, Hold::Share)?;
        let customer =
            customers::find_locked(tx, store, id)?.ok_or(Refusal::NotFound("customer"))?;
        if customer.erased_at.is_some() {
            return Err(Refusal::CustomerErased.into());
        }
        // The clock, after whoever held the customer before has let go.
        let now = now.max(Utc::now().trunc_subsecs(6));
        let mut held = Self::of(tx, store, id, program, customer, actor, now)?;
        held.note_end()?;
        Ok(held)
    }

    /// Goes on with a customer who is held already.
    ///
    /// # Errors
    /// [`super::Error`] from the database.
    pub(super) fn of(
        tx: &'s mut Tx<'t>,
        store: &StoreId,
        id: &CustomerId,
        program: Arc<ProgramRecord>,
        customer: CustomerRow,
        actor: &Actor,
        now: Instant,
    ) -> Result<Self> {
        let designation = designations::find(tx, store, id)?;
        let (store, id, actor) = (store.clone(), id.clone(), actor.clone());
        let seen = Seen {
            customer: customer.version,
            designation: designation.as_ref().map(|known| known.version),
        };
        Ok(Self { tx, store, id, program, customer, designation, seen, actor, now })
    }

    /// The store.
    pub(super) fn store(&self) -> &StoreId {
        &self.store
    }

    /// The customer's identifier.
    pub(super) fn id(&self) -> &CustomerId {
        &self.id
    }

    /// The program.
    pub(super) fn program(&self) -> &Arc<ProgramRecord> {
        &self.program
    }

    /// The clock, by which the customer is held.
    pub(super) fn now(&self) -> Instant {
        self.now
    }

    /// The transaction that holds the customer.
    pub(super) fn tx(&mut self) -> &mut Tx<'t> {
        self.tx
    }

    /// The designation while it has not ended.
    pub(super) fn live(&self) -> Option<&DesignationRecord> {
        self.designation.as_ref().filter(|d| d.designation.state(self.now) != State::Cancelled)
    }

    /// Until when a designation since a date is kept, if the subscription is cancelled.
    fn grace(&self, since: NaiveDate) -> Result<Option<Instant>> {
        let program = &self.program.program;
        let cancelled_at = self.customer.cancelled_at()?;
        Ok(grace_until(program.time_zone, program.grace_days, cancelled_at, since))
    }

    /// Notes the end that time has brought, and brings the grace up to date
    /// with the subscription and the program. What is over stays over.
    pub(super) fn note_end(&mut self) -> Result<()> {
        let Some(record) = self.designation.clone() else { return Ok(()) };
        if record.designation.ended.is_some() {
            return Ok(());
        }
        let program = &self.program.program;
        let cancelled_at = self.customer.cancelled_at()?;
        let designation = record.designation.clone();
        let mut designation =
            designation.in_grace(program.time_zone, program.grace_days, cancelled_at, self.now);
        designation.ended = designation.end(self.now);
        if designation == record.designation {
            return Ok(());
        }
        let actor = std::mem::replace(&mut self.actor, Actor::system());
        let stored = self.put_down(DesignationRecord { designation, ..record }, None);
        self.actor = actor;
        stored
    }

    /// Stores a designation as it is to be from now on.
    fn put_down(&mut self, mut record: DesignationRecord, note: Option<&str>) -> Result<()> {
        let was = self.designation.as_ref().filter(|d| d.designation.ended.is_none()).cloned();
        record.version =
            self.designation.as_ref().map_or(0, |known| known.version).saturating_add(1);
        let designation = &record.designation;
        let (before, mut after, mut fields) = changes(
            &was.as_ref().map(|was| values(&was.designation)).unwrap_or_default(),
            &values(designation),
        );
        // Of what people wrote, the log has the names alone.
        let texts = |record: &DesignationRecord| {
            let designation = &record.designation;
            [
                ("notes", record.notes.clone()),
                ("team", designation.team.clone()),
                ("assigned_to", designation.assigned_to.clone()),
            ]
        };
        let texts_were = was.as_ref().map(&texts);
        for (i, (name, text)) in texts(&record).into_iter().enumerate() {
            let text_was = texts_were.as_ref().and_then(|were| were.get(i)?.1.clone());
            fields.extend((text != text_was).then(|| name.to_owned()));
        }
        if let Some(reason) = record.removal_reason.filter(|_| designation.ended.is_some()) {
            after.insert("removal_reason".into(), word(&RemovalReason::WORDS, &reason).into());
        }
        after.insert("fields".into(), json!(fields));
        let tier = designation.tier.as_ref().map(TierCode::as_str);
        let (action, data) = match (&was, designation.ended) {
            (_, Some(end)) => (
                "designation_ended",
                json!({
                    "reason": word(&EndReason::WORDS, &end.reason),
                    "removal_reason": after.get("removal_reason"),
                }),
            ),
            (None, None) => {
                let source = source_word(designation.is_automatic);
                let mut data = Map::new();
                data.insert("tier".into(), tier.into());
                data.insert("source".into(), source.into());
                if let Some(rule) = &designation.rule {
                    data.insert("rule".into(), rule.as_str().into());
                }
                ("designated", data.into())
            }
            (Some(_), None) => ("designation_changed", json!({"fields": fields})),
        };
        let row = record.to_row(&self.store, &self.id, self.now)?;
        match (&was, designation.ended) {
            (None, None) => {
                let from = designation.designated_at;
                designations::begin_span(self.tx, &self.store, &self.id, from)?;
            }
            (_, Some(end)) => {
                designations::end_span(self.tx, &self.store, &self.id, end.at)?;
            }
            (Some(_), None) => {}
        }
        designations::upsert(self.tx, &row)?;
        self.designation = Some(record);
        self.write_down(action, before.into(), after.into(), note)?;
        self.tell(action, data)?;
        self.list_status(note)
    }

    /// Brings the word up to date that the customer is listed by.
    fn list_status(&mut self, note: Option<&str>) -> Result<()> {
        let active = self.designation.as_ref().map(|record| &record.designation);
        let active = active.filter(|d| d.state(self.now) == State::Active);
        self.customer.vip_until = active.map(|d| d.due().map_or(FOREVER, |end| micros(end.at)));
        let status = self.customer.status(self.now)?;
        let before = (0..)
            .zip(Status::WORDS)
            .find(|(number, _)| *number == self.customer.status)
            .map_or(Status::Active, |(_, (_, status))| status);
        self.customer.status = gravity(status);
        self.customer.version = self.customer.version.saturating_add(1);
        self.customer.updated_at = micros(self.now);
        customers::update(self.tx, &self.customer)?;
        if before != status {
            self.tell_status(before, status, note)?;
        }
        Ok(())
    }

    fn tell_status(&mut self, from: Status, to: Status, note: Option<&str>) -> Result<()> {
        let (from, to) = (word(&Status::WORDS, &from), word(&Status::WORDS, &to));
        self.write_down("status_changed", json!({"status": from}), json!({"status": to}), note)?;
        if from == to {
            Ok(())
        } else {
            self.tell("status_changed", json!({"from": from, "to": to}))
        }
    }

    /// Writes down what is done to the customer.
    pub(super) fn write_down(
        &mut self,
        action: &str,
        before: Value,
        after: Value,
        note: Option<&str>,
    ) -> Result<()> {
        let customer = Some(&self.id);
        let entry = Entry { actor: &self.actor, action, customer, before, after, note };
        Ok(audit::insert(self.tx, &self.store, &entry, self.now)?)
    }

    /// Tells of what has happened to the customer.
    pub(super) fn tell(&mut self, kind: &'static str, data: Value) -> Result<()> {
        let event = Event { kind, customer_id: self.id.to_string(), data };
        Ok(events::insert(self.tx, &self.store, &[event], self.now)?)
    }

    /// A new designation of no tier.
    fn blank(&self, today: NaiveDate) -> Designation {
        Designation {
            tier: None,
            tier_at: self.now,
            is_paused: false,
            since: today,
            benefits: Vec::new(),
            benefits_dropped: Vec::new(),
            profile: None,
            priority: None,
            team: None,
            assigned_to: None,
            ends_at: None,
            grace_until: None,
            is_automatic: false,
            rule: None,
            designated_at: self.now,
            ended: None,
        }
    }

    /// Today, in the program's zone.
    fn today(&self) -> NaiveDate {
        let zone = self.program.program.time_zone;
        local_date(zone, self.now).unwrap_or_else(|| self.now.date_naive())
    }

    /// Designates the customer as wanted, or changes the designation to that;
    /// whether anything is new.
    fn put(&mut self, wish: &Wish, note: Option<&str>) -> Result<super::facts::Stored> {
        let program = self.program.clone();
        let program = &program.program;
        known_benefits(program, wish.benefits.iter().chain(&wish.benefits_dropped))?;
        let today = self.today();
        let known = self.live().cloned();
        let base = known.as_ref().map_or_else(|| self.blank(today), |d| d.designation.clone());
        known_tier(program, wish.tier.as_ref().filter(|_| wish.tier != base.tier))?;
        let since = wish.since.unwrap_or(base.since);
        if since > today {
            return Err(Refusal::SinceInFuture.into());
        }
        let designation = Designation {
            tier_at: if base.tier == wish.tier { base.tier_at } else { self.now },
            tier: wish.tier.clone(),
            is_paused: wish.is_paused,
            since,
            benefits: wish.benefits.clone(),
            benefits_dropped: wish.benefits_dropped.clone(),
            profile: wish.profile,
            priority: wish.priority,
            team: wish.team.clone(),
            assigned_to: wish.assigned_to.clone(),
            ends_at: wish.ends_at,
            grace_until: self.grace(since)?,
            is_automatic: base.is_automatic,
            rule: base.rule,
            designated_at: base.designated_at,
            ended: None,
        };
        if designation.state(self.now) == State::Cancelled {
            return Err(Refusal::DesignationWouldHaveEnded.into());
        }
        let record = DesignationRecord {
            version: known.as_ref().map_or(0, |known| known.version),
            designation,
            notes: wish.notes.clone(),
            removal_reason: None,
            removal_note: None,
        };
        if known.as_ref() == Some(&record) {
            return Ok(super::facts::Stored::Unchanged);
        }
        self.put_down(record, note)?;
        Ok(match known {
            None => super::facts::Stored::Created,
            Some(_) => super::facts::Stored::Changed,
        })
    }

    fn remove(&mut self, removal: &Removal) -> Result<()> {
        let Some(known) = self.live().cloned() else {
            return Err(Refusal::DesignationEnded.into());
        };
        let program = self.program.clone();
        let stored = memberships::find(self.tx, &self.store, &self.id)?
            .ok_or(Refusal::NotFound("customer"))?;
        let membership =
            membership_at(self.tx, &self.store, &program, &self.customer, &stored, self.now)?;
        let first = must_end_first(&Known {
            program: &program.program,
            flag: self.customer.flag()?,
            print_vip_icon: self.customer.print_vip_icon,
            membership: &membership,
            designation: Some(&known.designation),
            now: self.now,
        });
        if !first.is_empty() {
            let codes = first.iter().map(ToString::to_string).collect();
            return Err(Refusal::BenefitsMustEndFirst(codes).into());
        }
        let end = End { at: self.now, reason: EndReason::Removed };
        let record = DesignationRecord {
            designation: Designation { ended: Some(end), ..known.designation.clone() },
            removal_reason: Some(removal.reason),
            removal_note: removal.note.clone(),
            ..known
        };
        self.put_down(record, removal.note.as_deref())
    }

    /// Gives what a grant gives: makes a VIP of the customer, or raises one;
    /// whether anything is new.
    ///
    /// # Errors
    /// [`super::Error`] from the database.
    pub(super) fn grant(
        &mut self,
        grant: &Grant,
        granting: &Granting<'_>,
        note: Option<&str>,
    ) -> Result<bool> {
        let program = self.program.clone();
        let footing = granting.footing(&program.program);
        let known = self.live().cloned();
        let base = match &known {
            Some(known) if !known.designation.lacks(grant, &footing) => return Ok(false),
            Some(known) => known.designation.clone(),
            None => {
                // Of a fact that is ahead of the clock, today.
                let today = self.today();
                let since = granting.since.and_then(|at| local_date(program.program.time_zone, at));
                let since = since.unwrap_or(today).min(today);
                Designation {
                    is_automatic: granting.is_automatic,
                    grace_until: self.grace(since)?,
                    ..self.blank(since)
                }
            }
        };
        // Who raises the tier is the one to name, or who comes first.
        let is_new = known.is_none();
        let was = base.tier.clone();
        let mut designation = base.with(grant, &footing, self.now);
        if is_new || designation.tier != was || designation.rule.is_none() {
            designation.rule = granting.rule.cloned().or(designation.rule);
        }
        // Whose grace was over before is no VIP for a moment.
        if designation.state(self.now) == State::Cancelled {
            return Ok(false);
        }
        let record = known.unwrap_or_else(|| DesignationRecord {
            version: 0,
            designation: designation.clone(),
            notes: None,
            removal_reason: None,
            removal_note: None,
        });
        self.put_down(DesignationRecord { designation, ..record }, note)?;
        Ok(true)
    }

    fn set_flag(&mut self, flag: Option<Flag>, note: &str) -> Result<()> {
        let was = self.customer.flag()?;
        let is_same = flag == was && self.customer.flag_note.as_deref() == Some(note);
        if is_same || (flag.is_none() && was.is_none()) {
            return Ok(());
        }
        let before = self.customer.status(self.now)?;
        let is_set = flag.is_some();
        self.customer.flag = flag.map(|flag| word(&Flag::WORDS, &flag).to_owned());
        self.customer.flag_note = is_set.then(|| note.to_owned());
        self.customer.flagged_at = is_set.then(|| micros(self.now));
        self.customer.flagged_by = is_set.then(|| self.actor.subject.clone());
        let after = self.customer.status(self.now)?;
        if before == after {
            // The same word for another reason.
            self.tell_status(before, after, Some(note))?;
        }
        self.list_status(Some(note))
    }
}

/// Whether the program has all of some benefits.
///
/// # Errors
/// [`Refusal::UnknownBenefit`] names the first that it has not.
pub fn known_benefits<'a>(
    program: &Program,
    codes: impl IntoIterator<Item = &'a BenefitCode>,
) -> std::result::Result<(), Refusal> {
    let known = &program.treatment.benefits;
    match codes.into_iter().find(|code| !known.contains_key(code)) {
        Some(code) => Err(Refusal::UnknownBenefit(code.to_string())),
        None => Ok(()),
    }
}

/// Whether the ladder has a tier.
///
/// # Errors
/// [`Refusal::UnknownTier`] where it has not.
pub fn known_tier(program: &Program, code: Option<&TierCode>) -> std::result::Result<(), Refusal> {
    match code.filter(|code| program.latest().ladder.find(code).is_none()) {
        Some(code) => Err(Refusal::UnknownTier(code.to_string())),
        None => Ok(()),
    }
}

/// The word for who made a designation.
pub fn source_word(is_automatic: bool) -> &'static str {
    if is_automatic { "automatic" } else { "manual" }
}

/// What the audit log may hold of a designation.
fn values(designation: &Designation) -> Map<String, Value> {
    let codes =
        |codes: &[BenefitCode]| -> Vec<String> { codes.iter().map(ToString::to_string).collect() };
    let text = |at: Option<Instant>| at.map(rfc3339);
    let state = match (designation.ended, designation.is_paused) {
        (Some(_), _) => State::Cancelled,
        (None, true) => State::Paused,
        (None, false) => State::Active,
    };
    let value = json!({
        "state": word(&State::WORDS, &state),
        "tier": designation.tier.as_ref().map(TierCode::as_str),
        "since": designation.since.to_string(),
        "benefits": codes(&designation.benefits),
        "benefits_dropped": codes(&designation.benefits_dropped),
        "profile": designation.profile.map(|p| word(&Profile::WORDS, &p)),
        "priority": designation.priority.map(|p| word(&Priority::WORDS, &p)),
        "ends_at": text(designation.ends_at),
        "grace_until": text(designation.grace_until),
        "source": source_word(designation.is_automatic),
        "rule": designation.rule.as_ref().map(RuleCode::as_str),
        "end_reason": designation.ended.map(|end| word(&EndReason::WORDS, &end.reason)),
    });
    match value {
        Value::Object(fields) => fields,
        _ => Map::new(),
    }
}

/// Of two states of a thing, what differs: as it was, as it is, and the names.
pub(super) fn changes(
    before: &Map<String, Value>,
    after: &Map<String, Value>,
) -> (Map<String, Value>, Map<String, Value>, Vec<String>) {
    let (mut was, mut is, mut fields) = (Map::new(), Map::new(), Vec::new());
    let gone = before.keys().filter(|name| !after.contains_key(*name));
    let gone = gone.map(|name| (name, &Value::Null));
    for (name, value) in after.iter().chain(gone) {
        let old = before.get(name).unwrap_or(&Value::Null);
        if old != value {
            was.insert(name.clone(), old.clone());
            is.insert(name.clone(), value.clone());
            fields.push(name.clone());
        }
    }
    (was, is, fields)
}

/// Designates a customer, or changes the designation as a whole.
///
/// # Errors
/// [`Refusal`] for what depends on the store, or [`super::Error`] from the database.
pub fn put(
    tx: &mut Tx<'_>,
    store: &StoreId,
    id: &CustomerId,
    wish: &Wish,
    if_match: &IfMatch,
    actor: &Actor,
    now: Instant,
) -> Result<(super::facts::Stored, DesignationRecord)> {
    let mut held = Held::open(tx, store, id, actor, now)?;
    if_match.check(held.seen.designation)?;
    let stored = held.put(wish, None)?;
    let record = held.designation.ok_or(Refusal::NotFound("designation"))?;
    Ok((stored, record))
}

/// The designation of a customer while it has not ended, held for a change.
///
/// # Errors
/// [`Refusal::NotFound`] where there never was one,
/// [`Refusal::DesignationEnded`] where it has, or as [`put`].
pub fn find_for_change(
    tx: &mut Tx<'_>,
    store: &StoreId,
    id: &CustomerId,
    if_match: &IfMatch,
    actor: &Actor,
    now: Instant,
) -> Result<DesignationRecord> {
    let held = Held::open(tx, store, id, actor, now)?;
    held.seen.designation.ok_or(Refusal::NotFound("designation"))?;
    if_match.check(held.seen.designation)?;
    Ok(held.live().ok_or(Refusal::DesignationEnded)?.clone())
}

/// Ends a designation for a reason.
///
/// # Errors
/// [`Refusal::BenefitsMustEndFirst`] names what stands in the way; else as
/// [`find_for_change`].
pub fn remove(
    tx: &mut Tx<'_>,
    store: &StoreId,
    id: &CustomerId,
    removal: &Removal,
    if_match: &IfMatch,
    actor: &Actor,
    now: Instant,
) -> Result<DesignationRecord> {
    let mut held = Held::open(tx, store, id, actor, now)?;
    held.seen.designation.ok_or(Refusal::NotFound("designation"))?;
    if_match.check(held.seen.designation)?;
    held.remove(removal)?;
    Ok(held.designation.ok_or(Refusal::NotFound("designation"))?)
}

/// Sets a customer's status, which may change the designation; both as they are then.
///
/// # Errors
/// [`Refusal::Forbidden`] where the person may not change designations,
/// [`Refusal::ConfirmationRequired`] where that would end one, or as [`put`]
/// and [`remove`].
pub fn put_status(
    tx: &mut Tx<'_>,
    store: &StoreId,
    id: &CustomerId,
    wish: &StatusWish,
    if_match: &IfMatch,
    actor: &Actor,
    now: Instant,
) -> Result<(CustomerRow, Option<DesignationRecord>)> {
    let mut held = Held::open(tx, store, id, actor, now)?;
    if_match.check(Some(held.seen.customer))?;
    let state = held.designation.as_ref().map(|known| known.designation.state(held.now));
    let (flag, change) = status::set(held.customer.flag()?, state, wish.status);
    if change != Change::Keep && !wish.may_designate {
        return Err(Refusal::Forbidden.into());
    }
    let note = Some(wish.note.as_str());
    match change {
        Change::Keep => {}
        Change::Designate => {
            let blank = held.blank(held.today());
            held.put(&as_wish(&blank, Some(wish.note.clone())), note)?;
        }
        Change::Resume => {
            if let Some(known) = held.live().cloned() {
                let resumed = as_wish(&known.designation, known.notes);
                held.put(&Wish { is_paused: false, ..resumed }, note)?;
            }
        }
        Change::Remove if !wish.is_confirmed => return Err(Refusal::ConfirmationRequired.into()),
        Change::Remove => {
            let reason = RemovalReason::Other;
            held.remove(&Removal { reason, note: Some(wish.note.clone()) })?;
        }
    }
    held.set_flag(flag, &wish.note)?;
    Ok((held.customer, held.designation))
}

/// The wish for what a designation is already.
fn as_wish(designation: &Designation, notes: Option<String>) -> Wish {
    Wish {
        tier: designation.tier.clone(),
        since: Some(designation.since),
        benefits: designation.benefits.clone(),
        benefits_dropped: designation.benefits_dropped.clone(),
        notes,
        is_paused: designation.is_paused,
        profile: designation.profile,
        priority: designation.priority,
        team: designation.team.clone(),
        assigned_to: designation.assigned_to.clone(),
        ends_at: designation.ends_at,
    }
}

/// Ends the designation of a customer who is being erased, and clears what
/// staff wrote in it.
///
/// # Errors
/// [`super::Error`] from the database.
pub(super) fn erase(held: &mut Held<'_, '_>) -> Result<()> {
    if let Some(known) = held.live().cloned() {
        let end = End { at: held.now, reason: EndReason::CustomerErased };
        let designation = Designation { ended: Some(end), ..known.designation.clone() };
        held.put_down(DesignationRecord { designation, ..known }, None)?;
    }
    if let Some(known) = held.designation.clone() {
        let designation =
            Designation { team: None, assigned_to: None, ..known.designation.clone() };
        let cleared = DesignationRecord { designation, notes: None, removal_note: None, ..known };
        designations::upsert(held.tx, &cleared.to_row(&held.store, &held.id, held.now)?)?;
    }
    Ok(())
}

/// Takes a benefit that is gone out of all designations that have not ended.
///
/// # Errors
/// [`super::Error`] from the database.
pub fn drop_benefit(
    tx: &mut Tx<'_>,
    store: &StoreId,
    program: &Arc<ProgramRecord>,
    benefit: &BenefitCode,
    actor: &Actor,
    now: Instant,
) -> Result<()> {
    for customer in designations::list_with_benefit(tx, store, benefit)? {
        let id = CustomerId::parse(&customer)?;
        let Some(customer) = customers::find_locked(tx, store, &id)? else { continue };
        let mut held = Held::of(tx, store, &id, program.clone(), customer, actor, now)?;
        if let Some(known) = held.live().cloned() {
            let mut designation = known.designation.clone();
            designation.benefits.retain(|code| code != benefit);
            designation.benefits_dropped.retain(|code| code != benefit);
            held.put_down(DesignationRecord { designation, ..known }, None)?;
        }
    }
    Ok(())
}

/// Notes the ends of designations that time has brought to some customers of a store.
///
/// # Errors
/// [`super::Error`] from the database.
pub fn note_ends(
    tx: &mut Tx<'_>,
    store: &StoreId,
    customers_due: &BTreeSet<String>,
    now: Instant,
) -> Result<()> {
    let program = program_of(tx, store, Hold::Share)?;
    let actor = Actor::system();
    // In the order of their identifiers, as everybody who holds several.
    for customer in customers_due {
        let id = CustomerId::parse(customer)?;
        let Some(customer) = customers::find_locked(tx, store, &id)? else { continue };
        let mut held = Held::of(tx, store, &id, program.clone(), customer, &actor, now)?;
        held.note_end()?;
        if let Some(live) = held.live() {
            // It was looked at for nothing: until it ends there is no more to do.
            let row = live.to_row(store, &id, now)?;
            designations::upsert(held.tx, &row)?;
        }
    }
    Ok(())
}
