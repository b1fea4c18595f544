//! Activities: what a customer did besides ordering.

use super::page::{self, Seek};
use super::schema::activities;
use super::{Result, Tx, on_either};
use crate::domain::id::{ActivityId, CustomerId, StoreId};
use diesel::prelude::*;
use std::collections::BTreeMap;

/// A stored activity.
#[derive(Debug, Clone, PartialEq, Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = activities, treat_none_as_null = true, treat_none_as_default_value = false)]
#[expect(missing_docs, reason = "the columns are the API's fields")]
pub struct ActivityRow {
    pub store_id: String,
    pub activity_id: String,
    pub customer_id: String,
    pub version: i64,
    pub kind: String,
    pub occurred_at: i64,
    pub points: Option<i64>,
    pub updated_at: Option<i64>,
}

/// An activity.
///
/// # Errors
/// [`super::Error`] from the database.
pub fn find(tx: &mut Tx<'_>, store: &StoreId, id: &ActivityId) -> Result<Option<ActivityRow>> {
    Ok(activities::table
        .find((store.as_str(), id.as_str()))
        .select(ActivityRow::as_select())
        .get_result(tx.conn)
        .optional()?)
}

/// The customers of activities, by activity.
///
/// # Errors
/// [`super::Error`] from the database.
pub fn customers_of(
    tx: &mut Tx<'_>,
    store: &StoreId,
    ids: &[String],
) -> Result<BTreeMap<String, String>> {
    let mut found = BTreeMap::new();
    for chunk in ids.chunks(500) {
        let rows: Vec<(String, String)> = activities::table
            .filter(activities::store_id.eq(store.as_str()))
            .filter(activities::activity_id.eq_any(chunk))
            .select((activities::activity_id, activities::customer_id))
            .load(tx.conn)?;
        found.extend(rows);
    }
    Ok(found)
}

/// Stores a new activity, unless its identifier is taken; whether it did.
///
/// # Errors
/// [`super::Error`] from the database.
pub fn insert(tx: &mut Tx<'_>, row: &ActivityRow) -> Result<bool> {
    let inserted = on_either!(tx.conn, c => diesel::insert_into(activities::table)
        .values(row)
        .on_conflict_do_nothing()
        .execute(c))?;
    Ok(inserted == 1)
}

/// Stores what has changed of an activity.
///
/// # Errors
/// [`super::Error`] from the database.
pub fn update(tx: &mut Tx<'_>, row: &ActivityRow) -> Result<()> {
    diesel::update(activities::table.find((row.store_id.as_str(), row.activity_id.as_str())))
        .set(row)
        .execute(tx.conn)?;
    Ok(())
}

/// A page of one customer's activities, newest first.
///
/// # Errors
/// [`super::Error`] from the database.
pub fn list(
    tx: &mut Tx<'_>,
    store: &StoreId,
    customer: &CustomerId,
    after: Option<&Seek>,
    limit: i64,
) -> Result<Vec<ActivityRow>> {
    let query = activities::table
        .filter(activities::store_id.eq(store.as_str()))
        .filter(activities::customer_id.eq(customer.as_str()))
        .into_boxed();
    let query =
        page::seek_number!(query, activities::occurred_at, activities::activity_id, true, after);
    Ok(query.limit(limit).select(ActivityRow::as_select()).load(tx.conn)?)
}
