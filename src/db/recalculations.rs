//! Recalculations of a whole store, one at a time, each claimed by one instance.

use super::schema::recalculations;
use super::{Result, Tx, micros};
use crate::domain::Instant;
use crate::domain::id::StoreId;
use diesel::prelude::*;

/// It goes on, or waits to be taken up again.
pub const RUNNING: &str = "running";
/// It has come to everyone.
pub const COMPLETED: &str = "completed";
/// It can't be finished; `failure` says why.
pub const FAILED: &str = "failed";

/// A stored recalculation.
#[derive(Debug, Clone, PartialEq, Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = recalculations, treat_none_as_null = true, treat_none_as_default_value = false)]
#[expect(missing_docs, reason = "the columns are the API's fields")]
pub struct RecalculationRow {
    pub store_id: String,
    pub recalculation_id: String,
    pub program_version: i64,
    pub program: String,
    pub refold_from: Option<i64>,
    pub is_dry_run: bool,
    pub allow_downgrades: bool,
    pub state: String,
    pub failure: Option<String>,
    pub started_at: i64,
    pub finished_at: Option<i64>,
    pub leased_until: i64,
    pub done_through: Option<String>,
    pub customers_total: i64,
    pub customers_done: i64,
    pub customers_changed: i64,
    pub customers_upgraded: i64,
    pub customers_downgraded: i64,
}

/// A recalculation.
///
/// # Errors
/// [`super::Error`] from the database.
pub fn find(tx: &mut Tx<'_>, store: &StoreId, id: &str) -> Result<Option<RecalculationRow>> {
    Ok(recalculations::table
        .find((store.as_str(), id))
        .select(RecalculationRow::as_select())
        .get_result(tx.conn)
        .optional()?)
}

/// Stores a new recalculation.
///
/// # Errors
/// [`super::Error`] from the database.
pub fn insert(tx: &mut Tx<'_>, row: &RecalculationRow) -> Result<()> {
    diesel::insert_into(recalculations::table).values(row).execute(tx.conn)?;
    Ok(())
}

/// Stores how far a recalculation has come, if it is still claimed until
/// `leased_until`; whether it was.
///
/// # Errors
/// [`super::Error`] from the database.
pub fn update(tx: &mut Tx<'_>, row: &RecalculationRow, leased_until: i64) -> Result<bool> {
    let updated = diesel::update(
        recalculations::table
            .find((row.store_id.as_str(), row.recalculation_id.as_str()))
            .filter(recalculations::leased_until.eq(leased_until))
            .filter(recalculations::state.eq(RUNNING)),
    )
    .set(row)
    .execute(tx.conn)?;
    Ok(updated == 1)
}

/// Running recalculations that nobody works on.
///
/// # Errors
/// [`super::Error`] from the database.
pub fn list_unclaimed(tx: &mut Tx<'_>, now: Instant) -> Result<Vec<RecalculationRow>> {
    Ok(recalculations::table
        .filter(recalculations::state.eq(RUNNING))
        .filter(recalculations::leased_until.lt(micros(now)))
        .order((recalculations::store_id, recalculations::recalculation_id))
        .limit(16)
        .select(RecalculationRow::as_select())
        .load(tx.conn)?)
}
