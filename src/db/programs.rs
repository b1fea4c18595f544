//! Programs, each one document in one row, so that a transaction reads its
//! version and nothing else while it has not changed.

use super::ledger::{columns_of, reward_of};
use super::rules::{self, QualificationDoc};
use super::schema::{program_revisions, programs};
use super::{Conn, Error, Result, Tx, instant, locked_row, maybe_instant, micros, stored_word};
use crate::domain::Instant;
use crate::domain::benefit::{Benefit, Carried, Icon, Kind, TierTreatment, Treatment};
use crate::domain::designation::Priority;
use crate::domain::earning::{Earns, Way, Ways};
use crate::domain::id::{BenefitCode, StoreId, TierCode, WayCode};
use crate::domain::money::Currency;
use crate::domain::period::{Anchor, ProgressReset};
use crate::domain::program::{EntryMethod, Pause, Program, Revision, Rules, TierRetention};
use crate::domain::qualification::Qualification;
use crate::domain::tier::{Ladder, Tier};
use crate::domain::words::word;
use diesel::prelude::*;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

/// A program as it is stored.
#[derive(Debug, Clone, PartialEq)]
pub struct ProgramRecord {
    /// Rises with each change.
    pub version: i64,
    /// The program.
    pub program: Program,
    /// The recalculation that this version waits for, if it does.
    pub pending: Option<Pending>,
}

/// A recalculation that has not come to everyone yet.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Pending {
    /// Which one.
    pub recalculation_id: String,
    /// The version that made it necessary.
    pub version: i64,
    /// Memberships folded under an older version, whose newest fact is at or
    /// after this instant, are stale.
    pub refold_from: Option<i64>,
    /// Whether folding again drops achievements that the facts don't bear out.
    pub allow_downgrades: bool,
}

impl ProgramRecord {
    /// Whether a membership that was folded under a version, through a newest
    /// fact, has to be folded again.
    pub fn is_stale(&self, folded_under: i64, through: Option<Instant>) -> bool {
        self.pending.as_ref().is_some_and(|pending| {
            folded_under < pending.version
                && through.is_some()
                && through.map(micros) >= pending.refold_from
                && pending.refold_from.is_some()
        })
    }
}

impl ProgramRecord {
    /// Whether folding a stale membership again drops achievements that the
    /// facts don't bear out, whoever folds it.
    pub fn drops_achievements(&self) -> bool {
        self.pending.as_ref().is_some_and(|pending| pending.allow_downgrades)
    }
}

/// Programs that were parsed before, by store, each with the version and the
/// instant of its row. Never used without asking the database whether both are
/// still the same: a version alone could come twice, where a commit that was
/// read within its own group was lost.
#[derive(Debug, Default)]
pub struct Cache(Mutex<HashMap<StoreId, (RowMark, Arc<ProgramRecord>)>>);

/// A row's version and when it was written.
pub(super) type RowMark = (i64, i64);

/// How a transaction wants to hold the program while it goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hold {
    /// Not at all: it only reads.
    Read,
    /// So that nobody changes it: what it writes is judged by this version.
    Share,
    /// So that it can change it.
    Update,
}

/// A store's program; `None` where the store is not set up.
///
/// # Errors
/// [`Error`] from the database.
pub fn find(tx: &mut Tx<'_>, store: &StoreId, hold: Hold) -> Result<Option<Arc<ProgramRecord>>> {
    let mark = programs::table
        .filter(programs::store_id.eq(store.as_str()))
        .select((programs::version, programs::updated_at));
    let mark: Option<RowMark> = match hold {
        Hold::Read => mark.get_result(tx.conn).optional()?,
        Hold::Share => locked_row!(tx.conn, for_share, mark)?,
        Hold::Update => locked_row!(tx.conn, for_update, mark)?,
    };
    let Some(mark) = mark else { return Ok(None) };
    if let Some((_, record)) = known(tx, store).filter(|(known, _)| *known == mark) {
        return Ok(Some(record));
    }
    let document: String = programs::table
        .filter(programs::store_id.eq(store.as_str()))
        .select(programs::document)
        .get_result(tx.conn)?;
    Ok(Some(remember(tx, store, mark, &document)?))
}

/// Has the place of a store's program for this transaction, while there is no
/// row yet that could be held. Who has waited here looks for the row again.
///
/// # Errors
/// [`Error`] from the database.
pub fn hold_place(tx: &mut Tx<'_>, store: &StoreId) -> Result<()> {
    if let Conn::Postgres(conn) = &mut *tx.conn {
        diesel::sql_query("SELECT pg_advisory_xact_lock(hashtextextended($1, 0))")
            .bind::<diesel::sql_types::Text, _>(store.as_str())
            .execute(conn)?;
    }
    // SQLite has one writer at a time.
    Ok(())
}

/// A store's program as it was when it was last read, with the mark of its
/// row. Of no use without asking whether the row still has that mark.
pub(super) fn known(tx: &Tx<'_>, store: &StoreId) -> Option<(RowMark, Arc<ProgramRecord>)> {
    tx.programs.0.lock().unwrap_or_else(PoisonError::into_inner).get(store).cloned()
}

/// Parses a program and remembers it by the mark of its row.
pub(super) fn remember(
    tx: &Tx<'_>,
    store: &StoreId,
    mark: RowMark,
    document: &str,
) -> Result<Arc<ProgramRecord>> {
    let record = Arc::new(parse(mark.0, document)?);
    let mut known = tx.programs.0.lock().unwrap_or_else(PoisonError::into_inner);
    known.insert(store.clone(), (mark, record.clone()));
    Ok(record)
}

/// The stores in which store credit and points expire.
///
/// # Errors
/// [`Error`] from the database.
pub fn stores_with_expiry(tx: &mut Tx<'_>) -> Result<Vec<String>> {
    Ok(programs::table
        .filter(programs::has_expiry)
        .select(programs::store_id)
        .order(programs::store_id)
        .load(tx.conn)?)
}

/// Stores a program under its version; a new store's where there is none.
///
/// # Errors
/// [`Error`] from the database.
pub fn upsert(
    tx: &mut Tx<'_>,
    store: &StoreId,
    record: &ProgramRecord,
    now: Instant,
) -> Result<()> {
    let document = to_document(record)?;
    let has_expiry = record.program.credit_expiry_months.is_some();
    let updated = diesel::update(programs::table.filter(programs::store_id.eq(store.as_str())))
        .set((
            programs::version.eq(record.version),
            programs::document.eq(&document),
            programs::updated_at.eq(micros(now)),
            programs::has_expiry.eq(has_expiry),
        ))
        .execute(tx.conn)?;
    if updated == 0 {
        diesel::insert_into(programs::table)
            .values((
                programs::store_id.eq(store.as_str()),
                programs::version.eq(record.version),
                programs::document.eq(&document),
                programs::updated_at.eq(micros(now)),
                programs::has_expiry.eq(has_expiry),
            ))
            .execute(tx.conn)?;
    }
    Ok(())
}

/// One line of the history of revisions.
#[derive(Debug, Clone, PartialEq)]
pub struct RevisionRecord {
    /// The revision.
    pub revision: Revision,
    /// When it was made.
    pub recorded_at: Instant,
    /// The subject of the token that made it.
    pub recorded_by: String,
    /// The revision that took its place.
    pub superseded_by: Option<i64>,
}

/// Adds what a change made to the history: its revision, and which ones that supersedes.
///
/// # Errors
/// [`Error`] from the database.
pub fn record_revisions(
    tx: &mut Tx<'_>,
    store: &StoreId,
    program: &Program,
    now: Instant,
    by: &str,
) -> Result<()> {
    let Some(newest) = program.revisions().last() else { return Ok(()) };
    let known: Option<i64> = program_revisions::table
        .filter(program_revisions::store_id.eq(store.as_str()))
        .filter(program_revisions::number.eq(newest.number))
        .select(program_revisions::number)
        .get_result(tx.conn)
        .optional()?;
    if known.is_some() {
        return Ok(());
    }
    let in_force: Vec<i64> = program.revisions().iter().map(|r| r.number).collect();
    diesel::update(
        program_revisions::table
            .filter(program_revisions::store_id.eq(store.as_str()))
            .filter(program_revisions::superseded_by.is_null())
            .filter(program_revisions::number.ne_all(in_force)),
    )
    .set(program_revisions::superseded_by.eq(Some(newest.number)))
    .execute(tx.conn)?;
    diesel::insert_into(program_revisions::table)
        .values((
            program_revisions::store_id.eq(store.as_str()),
            program_revisions::number.eq(newest.number),
            program_revisions::effective_from.eq(micros(newest.effective_from)),
            program_revisions::rules.eq(to_json(&RulesDoc::from(&newest.rules))?),
            program_revisions::recorded_at.eq(micros(now)),
            program_revisions::recorded_by.eq(by),
        ))
        .execute(tx.conn)?;
    Ok(())
}

/// The history of revisions, newest first, those below a number where one is given.
///
/// # Errors
/// [`Error`] from the database.
pub fn list_revisions(
    tx: &mut Tx<'_>,
    store: &StoreId,
    below: Option<i64>,
    limit: i64,
) -> Result<Vec<RevisionRecord>> {
    type Row = (i64, i64, String, i64, String, Option<i64>);
    let rows: Vec<Row> = program_revisions::table
        .filter(program_revisions::store_id.eq(store.as_str()))
        .filter(program_revisions::number.lt(below.unwrap_or(i64::MAX)))
        .order(program_revisions::number.desc())
        .limit(limit)
        .select((
            program_revisions::number,
            program_revisions::effective_from,
            program_revisions::rules,
            program_revisions::recorded_at,
            program_revisions::recorded_by,
            program_revisions::superseded_by,
        ))
        .load(tx.conn)?;
    rows.into_iter()
        .map(|(number, effective_from, rules, recorded_at, recorded_by, superseded_by)| {
            let rules = Rules::try_from(&from_json::<RulesDoc>(&rules)?)?;
            let revision = Revision { number, effective_from: instant(effective_from)?, rules };
            Ok(RevisionRecord {
                revision,
                recorded_at: instant(recorded_at)?,
                recorded_by,
                superseded_by,
            })
        })
        .collect()
}

/// The document that a program is stored as.
///
/// # Errors
/// [`Error::Failed`] where it can't be written as JSON.
pub fn to_document(record: &ProgramRecord) -> Result<String> {
    let program = &record.program;
    to_json(&ProgramDoc {
        name: program.name.clone(),
        currency: program.currency.code().to_owned(),
        time_zone: program.time_zone.name().to_owned(),
        start_date: program.start_date,
        grace_days: program.grace_days,
        credit_expiry_months: program.credit_expiry_months,
        revisions: program
            .revisions()
            .iter()
            .map(|r| RevisionDoc {
                number: r.number,
                effective_from: micros(r.effective_from),
                rules: RulesDoc::from(&r.rules),
            })
            .collect(),
        pauses: program.pauses().iter().map(|p| (micros(p.from), p.until.map(micros))).collect(),
        treatment: TreatmentDoc::from(&program.treatment),
        qualification: QualificationDoc::from(&program.qualification),
        pending: record.pending.clone(),
    })
}

/// What a program says now, field by field: for the audit log.
///
/// # Errors
/// [`Error::Failed`] where it can't be written as JSON.
pub fn summary(program: &Program) -> Result<Map<String, Value>> {
    let failed = |error: serde_json::Error| Error::Failed(error.to_string());
    let mut fields = Map::from_iter([
        ("name".to_owned(), program.name.clone().into()),
        ("currency".to_owned(), program.currency.code().into()),
        ("time_zone".to_owned(), program.time_zone.name().into()),
        ("start_date".to_owned(), program.start_date.to_string().into()),
        ("grace_days".to_owned(), program.grace_days.into()),
        ("credit_expires_after_months".to_owned(), program.credit_expiry_months.into()),
        ("paused".to_owned(), program.pauses().last().is_some_and(|p| p.until.is_none()).into()),
    ]);
    let revision = serde_json::to_value(RulesDoc::from(program.latest())).map_err(failed)?;
    let treatment = serde_json::to_value(TreatmentDoc::from(&program.treatment)).map_err(failed)?;
    for (part, name) in [(revision, "rules"), (treatment, "treatment")] {
        if let Value::Object(part) = part {
            fields
                .extend(part.into_iter().map(|(field, value)| (format!("{name}.{field}"), value)));
        }
    }
    // Each rule by itself, so that the log names those that have changed.
    fields.extend(rules::fields(&program.qualification)?);
    Ok(fields)
}

/// The program that a document states.
///
/// # Errors
/// [`Error::Corrupt`] where it states none.
pub fn parse(version: i64, document: &str) -> Result<ProgramRecord> {
    let doc: ProgramDoc = from_json(document)?;
    let corrupt = |what: &str| Error::Corrupt(format!("a program's {what}"));
    let revisions = doc.revisions.iter().map(|r| {
        Ok(Revision {
            number: r.number,
            effective_from: instant(r.effective_from)?,
            rules: Rules::try_from(&r.rules)?,
        })
    });
    let pauses = doc
        .pauses
        .iter()
        .map(|(from, until)| Ok(Pause { from: instant(*from)?, until: maybe_instant(*until)? }));
    let program = Program::new(
        doc.name,
        Currency::parse(&doc.currency).ok_or_else(|| corrupt("currency"))?,
        doc.time_zone.parse().map_err(|_| corrupt("time zone"))?,
        doc.start_date,
        doc.grace_days,
        revisions.collect::<Result<_>>()?,
        pauses.collect::<Result<_>>()?,
    )
    .map_err(|error| corrupt(&error.to_string()))?
    .expiring(doc.credit_expiry_months)
    .treating(Treatment::try_from(doc.treatment)?)
    .qualifying(Qualification::try_from(doc.qualification)?);
    Ok(ProgramRecord { version, program, pending: doc.pending })
}

fn to_json(value: &impl Serialize) -> Result<String> {
    serde_json::to_string(value).map_err(|error| Error::Failed(error.to_string()))
}

fn from_json<T: serde::de::DeserializeOwned>(text: &str) -> Result<T> {
    serde_json::from_str(text).map_err(|error| Error::Corrupt(error.to_string()))
}

#[derive(Serialize, Deserialize)]
struct ProgramDoc {
    name: String,
    currency: String,
    time_zone: String,
    start_date: chrono::NaiveDate,
    grace_days: u32,
    #[serde(default)]
    credit_expiry_months: Option<u32>,
    revisions: Vec<RevisionDoc>,
    pauses: Vec<(i64, Option<i64>)>,
    /// Programs that were stored before there was any treat everyone alike.
    #[serde(default)]
    treatment: TreatmentDoc,
    /// And have no rules.
    #[serde(default)]
    qualification: QualificationDoc,
    pending: Option<Pending>,
}

#[derive(Serialize, Deserialize)]
struct TreatmentDoc {
    benefits: Vec<BenefitDoc>,
    tiers: Vec<TierTreatmentDoc>,
    carried: Vec<CarriedDoc>,
    label_shows_icon: bool,
    vip_visible_to_customers: bool,
}

#[derive(Serialize, Deserialize)]
struct BenefitDoc {
    code: String,
    name: String,
    kind: String,
    early_access_hours: Option<u32>,
    discount_percent: Option<String>,
    contact: Option<String>,
    response_minutes: Option<u32>,
    must_end_first: bool,
}

#[derive(Serialize, Deserialize)]
struct TierTreatmentDoc {
    tier: String,
    icon: String,
    priority: String,
    team: Option<String>,
    designates: bool,
    #[serde(default)]
    requires_approval: bool,
}

#[derive(Serialize, Deserialize)]
struct CarriedDoc {
    tier: String,
    benefit: String,
    from: i64,
    until: Option<i64>,
}

impl Default for TreatmentDoc {
    fn default() -> Self {
        Self::from(&Treatment::default())
    }
}

impl From<&Treatment> for TreatmentDoc {
    fn from(treatment: &Treatment) -> Self {
        let benefit = |benefit: &Benefit| BenefitDoc {
            code: benefit.code.to_string(),
            name: benefit.name.clone(),
            kind: word(&Kind::WORDS, &benefit.kind).to_owned(),
            early_access_hours: benefit.early_access_hours,
            discount_percent: benefit.discount_percent.map(|percent| percent.to_string()),
            contact: benefit.contact.clone(),
            response_minutes: benefit.response_minutes,
            must_end_first: benefit.must_end_first,
        };
        let tier = |(tier, treated): (&TierCode, &TierTreatment)| TierTreatmentDoc {
            tier: tier.to_string(),
            icon: word(&Icon::WORDS, &treated.icon).to_owned(),
            priority: word(&Priority::WORDS, &treated.priority).to_owned(),
            team: treated.team.clone(),
            designates: treated.designates,
            requires_approval: treated.requires_approval,
        };
        let carried = |carried: &Carried| CarriedDoc {
            tier: carried.tier.to_string(),
            benefit: carried.benefit.to_string(),
            from: micros(carried.from),
            until: carried.until.map(micros),
        };
        Self {
            benefits: treatment.benefits.values().map(benefit).collect(),
            tiers: treatment.tiers().iter().map(tier).collect(),
            carried: treatment.carried().iter().map(carried).collect(),
            label_shows_icon: treatment.label_shows_icon,
            vip_visible_to_customers: treatment.vip_visible_to_customers,
        }
    }
}

impl TryFrom<TreatmentDoc> for Treatment {
    type Error = Error;

    fn try_from(doc: TreatmentDoc) -> Result<Self> {
        let corrupt = |what: &str| Error::Corrupt(format!("a program's {what}"));
        let tier_code = |text: &str| TierCode::parse(text).map_err(|_| corrupt("tier"));
        let benefit_code = |text: &str| BenefitCode::parse(text).map_err(|_| corrupt("benefit"));
        let benefit = |doc: BenefitDoc| {
            let percent = doc.discount_percent.map(|text| text.parse()).transpose();
            let benefit = Benefit {
                code: benefit_code(&doc.code)?,
                name: doc.name,
                kind: stored_word(&Kind::WORDS, &doc.kind)?,
                early_access_hours: doc.early_access_hours,
                discount_percent: percent.map_err(|_| corrupt("discount"))?,
                contact: doc.contact,
                response_minutes: doc.response_minutes,
                must_end_first: doc.must_end_first,
            };
            Ok((benefit.code.clone(), benefit))
        };
        let tier = |doc: TierTreatmentDoc| {
            let treatment = TierTreatment {
                icon: stored_word(&Icon::WORDS, &doc.icon)?,
                priority: stored_word(&Priority::WORDS, &doc.priority)?,
                team: doc.team,
                designates: doc.designates,
                requires_approval: doc.requires_approval,
            };
            Ok((tier_code(&doc.tier)?, treatment))
        };
        let carried = |doc: CarriedDoc| {
            Ok(Carried {
                tier: tier_code(&doc.tier)?,
                benefit: benefit_code(&doc.benefit)?,
                from: instant(doc.from)?,
                until: maybe_instant(doc.until)?,
            })
        };
        Ok(Self::new(
            doc.benefits.into_iter().map(benefit).collect::<Result<_>>()?,
            doc.tiers.into_iter().map(tier).collect::<Result<_>>()?,
            doc.carried.into_iter().map(carried).collect::<Result<_>>()?,
            doc.label_shows_icon,
            doc.vip_visible_to_customers,
        ))
    }
}

#[derive(Serialize, Deserialize)]
struct RevisionDoc {
    number: i64,
    effective_from: i64,
    rules: RulesDoc,
}

#[derive(Serialize, Deserialize)]
struct RulesDoc {
    entry_method: String,
    progress_reset: ResetDoc,
    tier_retention: String,
    points_per_unit: String,
    tiers: Vec<TierDoc>,
    /// Revisions that were stored before there were any have none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    ways: Vec<WayDoc>,
}

#[derive(Serialize, Deserialize)]
struct WayDoc {
    code: String,
    name: String,
    earns: String,
    points: String,
    by_tier: BTreeMap<String, String>,
}

#[derive(Serialize, Deserialize)]
enum ResetDoc {
    Never,
    CalendarYear,
    Rolling(u32, String),
}

#[derive(Serialize, Deserialize)]
struct TierDoc {
    code: String,
    name: String,
    rank: u32,
    threshold: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    rate: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    amount: Option<i64>,
}

impl From<&Tier> for TierDoc {
    fn from(tier: &Tier) -> Self {
        let (rate, amount) = columns_of(tier.reward);
        let Tier { code, name, rank, threshold, .. } = tier.clone();
        Self { code: code.to_string(), name, rank, threshold, rate, amount }
    }
}

impl TryFrom<&TierDoc> for Tier {
    type Error = Error;

    fn try_from(doc: &TierDoc) -> Result<Self> {
        Ok(Self {
            code: TierCode::parse(&doc.code)
                .map_err(|_| Error::Corrupt("a revision's tier".to_owned()))?,
            name: doc.name.clone(),
            rank: doc.rank,
            threshold: doc.threshold,
            reward: reward_of(doc.rate.as_deref(), doc.amount)?,
        })
    }
}

impl From<Way> for WayDoc {
    fn from(way: Way) -> Self {
        let points = |(tier, points): (&TierCode, &Decimal)| (tier.to_string(), points.to_string());
        Self {
            code: way.code.to_string(),
            earns: word(&Earns::WORDS, &way.earns).to_owned(),
            points: way.points.to_string(),
            by_tier: way.by_tier.iter().map(points).collect(),
            name: way.name,
        }
    }
}

impl TryFrom<&WayDoc> for Way {
    type Error = Error;

    fn try_from(doc: &WayDoc) -> Result<Self> {
        let corrupt = || Error::Corrupt(format!("the way to earn {:?}", doc.code));
        let points = |(tier, points): (&String, &String)| {
            let tier = TierCode::parse(tier).map_err(|_| corrupt())?;
            Ok((tier, points.parse().map_err(|_| corrupt())?))
        };
        Ok(Self {
            code: WayCode::parse(&doc.code).map_err(|_| corrupt())?,
            name: doc.name.clone(),
            earns: stored_word(&Earns::WORDS, &doc.earns)?,
            points: doc.points.parse().map_err(|_| corrupt())?,
            by_tier: doc.by_tier.iter().map(points).collect::<Result<_>>()?,
        })
    }
}

/// The words of the anchors of rolling periods.
pub const ANCHOR_WORDS: [(&str, Anchor); 3] = [
    ("enrolment", Anchor::Enrolment),
    ("first_tier", Anchor::FirstTier),
    ("program_start", Anchor::ProgramStart),
];

impl From<&Rules> for RulesDoc {
    fn from(rules: &Rules) -> Self {
        Self {
            entry_method: word(&EntryMethod::WORDS, &rules.entry_method).to_owned(),
            progress_reset: match rules.progress_reset {
                ProgressReset::Never => ResetDoc::Never,
                ProgressReset::CalendarYear => ResetDoc::CalendarYear,
                ProgressReset::Rolling { months, anchor } => {
                    ResetDoc::Rolling(months, word(&ANCHOR_WORDS, &anchor).to_owned())
                }
            },
            tier_retention: word(&TierRetention::WORDS, &rules.tier_retention).to_owned(),
            points_per_unit: rules.points_per_unit.to_string(),
            tiers: rules.ladder.tiers().iter().map(TierDoc::from).collect(),
            ways: rules.ways().into_iter().map(WayDoc::from).collect(),
        }
    }
}

impl TryFrom<&RulesDoc> for Rules {
    type Error = Error;

    fn try_from(doc: &RulesDoc) -> Result<Self> {
        let corrupt = |what: &str| Error::Corrupt(format!("a revision's {what}"));
        let tiers = doc.tiers.iter().map(Tier::try_from).collect::<Result<_>>()?;
        let mut rules = Self {
            entry_method: stored_word(&EntryMethod::WORDS, &doc.entry_method)?,
            progress_reset: match &doc.progress_reset {
                ResetDoc::Never => ProgressReset::Never,
                ResetDoc::CalendarYear => ProgressReset::CalendarYear,
                ResetDoc::Rolling(months, anchor) => ProgressReset::Rolling {
                    months: *months,
                    anchor: stored_word(&ANCHOR_WORDS, anchor)?,
                },
            },
            tier_retention: stored_word(&TierRetention::WORDS, &doc.tier_retention)?,
            points_per_unit: doc.points_per_unit.parse().map_err(|_| corrupt("rate"))?,
            ways: Ways::default(),
            ladder: Ladder::new(tiers).map_err(|_| corrupt("ladder"))?,
        };
        for way in &doc.ways {
            rules.put_way(Way::try_from(way)?).map_err(|_| corrupt("ways to earn"))?;
        }
        Ok(rules)
    }
}
