//! Memberships: what the fold over each customer's facts has come to.

use super::schema::memberships;
use super::{Conn, Error, Result, Tx, instant, locked_row, maybe_instant, micros};
use crate::domain::Instant;
use crate::domain::fact::{FactKey, FactKind};
use crate::domain::id::{CustomerId, StoreId, TierCode};
use crate::domain::membership::{
    Achievement, Achievements, Change, Figures, Fold, Held, Joining, Membership, State, Step,
};
use crate::domain::period::Period;
use crate::domain::program::Program;
use diesel::prelude::*;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// Stands for an instant that never was: below all of them, so that it sorts first.
pub const NEVER: i64 = i64::MIN;

/// A stored membership.
#[derive(Debug, Clone, PartialEq, Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = memberships, treat_none_as_null = true, treat_none_as_default_value = false)]
#[expect(missing_docs, reason = "the columns are the fields of `State`")]
pub struct MembershipRow {
    pub store_id: String,
    pub customer_id: String,
    pub sequence: i64,
    pub program_version: i64,
    pub through_at: Option<i64>,
    pub through_kind: Option<i32>,
    pub through_id: Option<String>,
    pub first_fact_at: Option<i64>,
    pub enrolled_at: Option<i64>,
    pub first_tier_at: Option<i64>,
    pub joined_at: i64,
    pub last_order_at: i64,
    pub folded_tier: Option<String>,
    pub folded_tier_since: Option<i64>,
    pub period_start: Option<i64>,
    pub period_end: Option<i64>,
    pub progress_amount: i64,
    pub progress_orders: i64,
    pub progress_points: i64,
    pub lifetime_amount: i64,
    pub lifetime_orders: i64,
    pub lifetime_points: i64,
    pub reached_top: bool,
    pub fell_at: Option<i64>,
    pub achievements: String,
    pub tier: Option<String>,
    pub due_at: Option<i64>,
    pub tier_changes: String,
}

/// A membership as it is to be stored.
#[derive(Debug, Clone, PartialEq)]
pub struct ToStore {
    /// The row.
    pub row: MembershipRow,
    /// What time alone has brought by then.
    pub steps: Vec<Step>,
    /// Since when the tier is held that the customer is listed by.
    pub since: Option<Instant>,
}

/// A membership as it was stored.
#[derive(Debug, Clone, PartialEq)]
pub struct MembershipRecord {
    /// Rises with each write of the row.
    pub sequence: i64,
    /// The program's version that it was folded under.
    pub program_version: i64,
    /// What the fold has come to.
    pub state: State,
    /// The tiers that nothing takes away.
    pub achievements: Achievements,
    /// The tier that the customer was last listed by.
    pub listed_tier: Option<TierCode>,
    /// When time alone was to change something next.
    pub due_at: Option<Instant>,
}

impl MembershipRecord {
    /// A customer without facts.
    pub fn new(program_version: i64) -> Self {
        Self {
            listed_tier: None,
            due_at: None,
            sequence: 0,
            program_version,
            state: State::default(),
            achievements: Achievements::default(),
        }
    }

    /// The row to store, with the tier to list the customer by at `now`.
    ///
    /// # Errors
    /// [`Error::Failed`] where the achievements can't be written as JSON.
    pub fn to_row(
        &self,
        store: &StoreId,
        customer: &CustomerId,
        program: &Program,
        joining: Joining,
        now: Instant,
    ) -> Result<ToStore> {
        let state = &self.state;
        let shown_at = state.at.map_or(now, |at| at.max(now));
        let shown = Membership::at(program, joining, state.clone(), &self.achievements, shown_at);
        let mut fold = Fold::resume(program, joining, state.clone());
        fold.advance(shown_at);
        let steps = fold.take_steps();
        let since = shown.tier.as_ref().map(|(_, since)| *since);
        let achievements: Vec<(&str, i64)> =
            self.achievements.0.iter().map(|a| (a.code.as_str(), micros(a.reached_at))).collect();
        let json = |value: serde_json::Result<String>| {
            value.map_err(|error| Error::Failed(error.to_string()))
        };
        let row = MembershipRow {
            store_id: store.to_string(),
            customer_id: customer.to_string(),
            sequence: self.sequence,
            program_version: self.program_version,
            through_at: state.through.as_ref().map(|key| micros(key.at)),
            through_kind: state.through.as_ref().map(|key| kind_number(key.kind)),
            through_id: state.through.as_ref().map(|key| key.id.clone()),
            first_fact_at: state.first_fact_at.map(micros),
            enrolled_at: state.enrolled_at.map(micros),
            first_tier_at: state.first_tier_at.map(micros),
            joined_at: micros(fold.joined_at()),
            last_order_at: state.last_order_at.map_or(NEVER, micros),
            folded_tier: state.tier.as_ref().map(|held| held.code.to_string()),
            folded_tier_since: state.tier.as_ref().map(|held| micros(held.since)),
            period_start: state.period.map(|period| micros(period.start)),
            period_end: state.period.and_then(|period| period.end).map(micros),
            progress_amount: state.progress.amount_spent,
            progress_orders: state.progress.orders_placed,
            progress_points: state.progress.points_earned,
            lifetime_amount: state.lifetime.amount_spent,
            lifetime_orders: state.lifetime.orders_placed,
            lifetime_points: state.lifetime.points_earned,
            reached_top: state.reached_top,
            fell_at: state.fell_at.map(micros),
            achievements: json(serde_json::to_string(&achievements))?,
            tier: shown.tier.map(|(tier, _)| tier.code.to_string()),
            due_at: fold.due_at().map(micros),
            tier_changes: json(serde_json::to_string(
                &state.changes.iter().map(ChangeDoc::from).collect::<Vec<_>>(),
            ))?,
        };
        Ok(ToStore { row, steps, since })
    }
}

impl TryFrom<MembershipRow> for MembershipRecord {
    type Error = Error;

    fn try_from(row: MembershipRow) -> Result<Self> {
        let tier_code = |code: &str| {
            TierCode::parse(code).map_err(|_| Error::Corrupt(format!("tier {code:?}")))
        };
        let listed_tier = row.tier.as_deref().map(tier_code).transpose()?;
        let due_at = maybe_instant(row.due_at)?;
        let through = match (row.through_at, row.through_kind, row.through_id) {
            (Some(at), Some(kind), Some(id)) => {
                Some(FactKey { at: instant(at)?, kind: kind_of(kind)?, id })
            }
            _ => None,
        };
        let tier = match (row.folded_tier, row.folded_tier_since) {
            (Some(code), Some(since)) => {
                Some(Held { code: tier_code(&code)?, since: instant(since)? })
            }
            _ => None,
        };
        let period = match row.period_start {
            Some(start) => {
                Some(Period { start: instant(start)?, end: maybe_instant(row.period_end)? })
            }
            None => None,
        };
        let achievements: Vec<(String, i64)> = serde_json::from_str(&row.achievements)
            .map_err(|error| Error::Corrupt(error.to_string()))?;
        let achievements = achievements.iter().map(|(code, at)| {
            Ok(Achievement { code: tier_code(code)?, reached_at: instant(*at)? })
        });
        let changes: Vec<ChangeDoc> = serde_json::from_str(&row.tier_changes)
            .map_err(|error| Error::Corrupt(error.to_string()))?;
        let mut changes = changes.into_iter().map(Change::try_from).collect::<Result<Vec<_>>>()?;
        if let (Some(held), true) = (&tier, changes.is_empty()) {
            // It was folded before changes were kept, when points went by no tier.
            changes.push(Change { at: held.since, by: None, tier: Some(held.code.clone()) });
        }
        Ok(Self {
            listed_tier,
            due_at,
            sequence: row.sequence,
            program_version: row.program_version,
            achievements: Achievements(achievements.collect::<Result<_>>()?),
            state: State {
                at: through.as_ref().map(|key| key.at),
                through,
                first_fact_at: maybe_instant(row.first_fact_at)?,
                last_order_at: (row.last_order_at != NEVER)
                    .then(|| instant(row.last_order_at))
                    .transpose()?,
                enrolled_at: maybe_instant(row.enrolled_at)?,
                first_tier_at: maybe_instant(row.first_tier_at)?,
                tier,
                period,
                progress: Figures {
                    amount_spent: row.progress_amount,
                    orders_placed: row.progress_orders,
                    points_earned: row.progress_points,
                },
                lifetime: Figures {
                    amount_spent: row.lifetime_amount,
                    orders_placed: row.lifetime_orders,
                    points_earned: row.lifetime_points,
                },
                reached_top: row.reached_top,
                fell_at: maybe_instant(row.fell_at)?,
                changes,
            },
        })
    }
}

/// A change of the tier, as it is stored: when, by which fact, to which tier.
#[derive(Serialize, Deserialize)]
struct ChangeDoc(i64, Option<(i32, String)>, Option<String>);

impl From<&Change> for ChangeDoc {
    fn from(change: &Change) -> Self {
        let by = change.by.as_ref().map(|(kind, id)| (kind_number(*kind), id.clone()));
        Self(micros(change.at), by, change.tier.as_ref().map(TierCode::to_string))
    }
}

impl TryFrom<ChangeDoc> for Change {
    type Error = Error;

    fn try_from(ChangeDoc(at, by, tier): ChangeDoc) -> Result<Self> {
        let by = by.map(|(kind, id)| Ok::<_, Error>((kind_of(kind)?, id))).transpose()?;
        let tier = tier.as_deref().map(TierCode::parse).transpose();
        let tier = tier.map_err(|_| Error::Corrupt("a change of tier".to_owned()))?;
        Ok(Self { at: instant(at)?, by, tier })
    }
}

const KINDS: [FactKind; 3] = [FactKind::Order, FactKind::Refund, FactKind::Activity];

fn kind_number(kind: FactKind) -> i32 {
    (0..).zip(KINDS).find(|(_, k)| *k == kind).map_or(0, |(number, _)| number)
}

fn kind_of(number: i32) -> Result<FactKind> {
    (0..)
        .zip(KINDS)
        .find(|(n, _)| *n == number)
        .map(|(_, kind)| kind)
        .ok_or_else(|| Error::Corrupt(format!("kind of fact {number}")))
}

/// A customer's stored membership.
///
/// # Errors
/// [`Error`] from the database.
pub fn find(
    tx: &mut Tx<'_>,
    store: &StoreId,
    customer: &CustomerId,
) -> Result<Option<MembershipRecord>> {
    let row: Option<MembershipRow> = memberships::table
        .find((store.as_str(), customer.as_str()))
        .select(MembershipRow::as_select())
        .get_result(tx.conn)
        .optional()?;
    row.map(MembershipRecord::try_from).transpose()
}

/// A customer's stored membership, held so that no other transaction writes it meanwhile.
///
/// # Errors
/// [`Error`] from the database.
pub fn find_locked(
    tx: &mut Tx<'_>,
    store: &StoreId,
    customer: &CustomerId,
) -> Result<Option<MembershipRecord>> {
    use memberships::all_columns;
    let key = (store.as_str(), customer.as_str());
    let query = memberships::table.find(key).select(all_columns);
    let row: Option<MembershipRow> = locked_row!(tx.conn, for_update, query)?;
    row.map(MembershipRecord::try_from).transpose()
}

/// Stores a new customer's membership.
///
/// # Errors
/// [`Error`] from the database.
pub fn insert(tx: &mut Tx<'_>, row: &MembershipRow) -> Result<()> {
    diesel::insert_into(memberships::table).values(row).execute(tx.conn)?;
    Ok(())
}

/// Stores a membership if its sequence is still the one that was read, which
/// is one below the row's; whether it was.
///
/// # Errors
/// [`Error`] from the database.
pub fn update(tx: &mut Tx<'_>, row: &MembershipRow) -> Result<bool> {
    let updated = diesel::update(
        memberships::table
            .find((row.store_id.as_str(), row.customer_id.as_str()))
            .filter(memberships::sequence.eq(row.sequence.saturating_sub(1))),
    )
    .set(row)
    .execute(tx.conn)?;
    Ok(updated == 1)
}

/// Stores many memberships, each if its sequence is still the one that was
/// read; the customers of those that were.
///
/// On PostgreSQL this is one statement, since each of its own would be a round
/// trip; SQLite has none to save.
///
/// # Errors
/// [`Error`] from the database.
pub fn update_many(tx: &mut Tx<'_>, rows: &[MembershipRow]) -> Result<BTreeSet<String>> {
    use diesel::query_dsl::methods::FilterDsl as _;
    use diesel::upsert::excluded;
    match tx.conn {
        Conn::Sqlite(_) => {
            let mut updated = BTreeSet::new();
            for row in rows {
                if update(tx, row)? {
                    updated.insert(row.customer_id.clone());
                }
            }
            Ok(updated)
        }
        Conn::Postgres(conn) => {
            #[expect(clippy::arithmetic_side_effects, reason = "the database adds")]
            let was_read = (memberships::sequence + 1).eq(excluded(memberships::sequence));
            let updated: Vec<String> = diesel::insert_into(memberships::table)
                .values(rows)
                .on_conflict((memberships::store_id, memberships::customer_id))
                .do_update()
                .set((
                    memberships::sequence.eq(excluded(memberships::sequence)),
                    memberships::program_version.eq(excluded(memberships::program_version)),
                    memberships::through_at.eq(excluded(memberships::through_at)),
                    memberships::through_kind.eq(excluded(memberships::through_kind)),
                    memberships::through_id.eq(excluded(memberships::through_id)),
                    memberships::first_fact_at.eq(excluded(memberships::first_fact_at)),
                    memberships::enrolled_at.eq(excluded(memberships::enrolled_at)),
                    memberships::first_tier_at.eq(excluded(memberships::first_tier_at)),
                    memberships::joined_at.eq(excluded(memberships::joined_at)),
                    memberships::last_order_at.eq(excluded(memberships::last_order_at)),
                    memberships::folded_tier.eq(excluded(memberships::folded_tier)),
                    memberships::folded_tier_since.eq(excluded(memberships::folded_tier_since)),
                    memberships::period_start.eq(excluded(memberships::period_start)),
                    memberships::period_end.eq(excluded(memberships::period_end)),
                    memberships::progress_amount.eq(excluded(memberships::progress_amount)),
                    memberships::progress_orders.eq(excluded(memberships::progress_orders)),
                    memberships::progress_points.eq(excluded(memberships::progress_points)),
                    memberships::lifetime_amount.eq(excluded(memberships::lifetime_amount)),
                    memberships::lifetime_orders.eq(excluded(memberships::lifetime_orders)),
                    memberships::lifetime_points.eq(excluded(memberships::lifetime_points)),
                    memberships::reached_top.eq(excluded(memberships::reached_top)),
                    memberships::fell_at.eq(excluded(memberships::fell_at)),
                    memberships::achievements.eq(excluded(memberships::achievements)),
                    memberships::tier.eq(excluded(memberships::tier)),
                    memberships::due_at.eq(excluded(memberships::due_at)),
                    memberships::tier_changes.eq(excluded(memberships::tier_changes)),
                ))
                .filter(was_read)
                .returning(memberships::customer_id)
                .get_results(conn)?;
            Ok(updated.into_iter().collect())
        }
    }
}

/// The memberships of the customers of a range, both ends included.
///
/// # Errors
/// [`Error`] from the database.
pub fn in_range(
    tx: &mut Tx<'_>,
    store: &StoreId,
    (first, last): (&str, &str),
) -> Result<Vec<MembershipRow>> {
    let rows = memberships::table
        .filter(memberships::store_id.eq(store.as_str()))
        .filter(memberships::customer_id.between(first, last))
        .select(MembershipRow::as_select())
        .load(tx.conn)?;
    Ok(rows)
}

/// The identifiers of the next customers, after one where it is given.
///
/// # Errors
/// [`Error`] from the database.
pub fn ids_after(
    tx: &mut Tx<'_>,
    store: &StoreId,
    after: Option<&str>,
    limit: i64,
) -> Result<Vec<String>> {
    Ok(memberships::table
        .filter(memberships::store_id.eq(store.as_str()))
        .filter(memberships::customer_id.gt(after.unwrap_or_default().to_owned()))
        .order(memberships::customer_id)
        .limit(limit)
        .select(memberships::customer_id)
        .load(tx.conn)?)
}

/// The next memberships by customer, after one where it is given.
///
/// # Errors
/// [`Error`] from the database.
pub fn list_after(
    tx: &mut Tx<'_>,
    store: &StoreId,
    after: Option<&str>,
    limit: i64,
) -> Result<Vec<MembershipRow>> {
    let rows = memberships::table
        .filter(memberships::store_id.eq(store.as_str()))
        .filter(memberships::customer_id.gt(after.unwrap_or_default().to_owned()))
        .order(memberships::customer_id)
        .limit(limit)
        .select(MembershipRow::as_select())
        .load(tx.conn)?;
    Ok(rows)
}

/// Memberships, of any store where none is given, that time alone has changed by now.
///
/// # Errors
/// [`Error`] from the database.
pub fn list_due(
    tx: &mut Tx<'_>,
    store: Option<&StoreId>,
    now: Instant,
    limit: i64,
) -> Result<Vec<MembershipRow>> {
    let mut query = memberships::table.filter(memberships::due_at.le(micros(now))).into_boxed();
    if let Some(store) = store {
        query = query.filter(memberships::store_id.eq(store.as_str()));
    }
    let rows = query
        .order((memberships::due_at, memberships::store_id, memberships::customer_id))
        .limit(limit)
        .select(MembershipRow::as_select())
        .load(tx.conn)?;
    Ok(rows)
}

/// Whether time alone has changed a membership of the store that is not told of it yet.
///
/// # Errors
/// [`Error`] from the database.
pub fn is_any_due(tx: &mut Tx<'_>, store: &StoreId, now: Instant) -> Result<bool> {
    let query = memberships::table
        .filter(memberships::store_id.eq(store.as_str()))
        .filter(memberships::due_at.le(micros(now)));
    Ok(diesel::select(diesel::dsl::exists(query)).get_result(tx.conn)?)
}

/// Whether anybody is listed by a tier.
///
/// # Errors
/// [`Error`] from the database.
pub fn is_any_of_tier(tx: &mut Tx<'_>, store: &StoreId, tier: &TierCode) -> Result<bool> {
    let query = memberships::table
        .filter(memberships::store_id.eq(store.as_str()))
        .filter(memberships::tier.eq(tier.as_str()));
    Ok(diesel::select(diesel::dsl::exists(query)).get_result(tx.conn)?)
}

/// How many customers the store has.
///
/// # Errors
/// [`Error`] from the database.
pub fn count(tx: &mut Tx<'_>, store: &StoreId) -> Result<i64> {
    Ok(memberships::table
        .filter(memberships::store_id.eq(store.as_str()))
        .count()
        .get_result(tx.conn)?)
}

/// Whether any customer's newest fact is at or after an instant.
///
/// # Errors
/// [`Error`] from the database.
pub fn has_facts_from(tx: &mut Tx<'_>, store: &StoreId, from: Instant) -> Result<bool> {
    let query = memberships::table
        .filter(memberships::store_id.eq(store.as_str()))
        .filter(memberships::through_at.ge(micros(from)));
    Ok(diesel::select(diesel::dsl::exists(query)).get_result(tx.conn)?)
}
