//! Links between customers. Each is stored from both sides.

use super::schema::{customer_links, customers};
use super::{Result, Tx};
use crate::domain::id::{CustomerId, StoreId};
use diesel::prelude::*;

/// A link as one of both customers sees it.
#[derive(Debug, Clone, PartialEq, Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = customer_links, treat_none_as_null = true, treat_none_as_default_value = false)]
#[expect(missing_docs, reason = "the columns are the API's fields")]
pub struct LinkRow {
    pub store_id: String,
    pub customer_id: String,
    pub other_id: String,
    pub relation: String,
    pub note: Option<String>,
    pub linked_at: i64,
}

impl LinkRow {
    /// The link as both customers see it, in the order in which every
    /// transaction writes the two.
    fn both(&self) -> [Self; 2] {
        let turned = Self {
            customer_id: self.other_id.clone(),
            other_id: self.customer_id.clone(),
            ..self.clone()
        };
        let mut both = [self.clone(), turned];
        both.sort_by(|a, b| a.customer_id.cmp(&b.customer_id));
        both
    }
}

/// The link between two customers.
///
/// # Errors
/// [`super::Error`] from the database.
pub fn find(
    tx: &mut Tx<'_>,
    store: &StoreId,
    customer: &CustomerId,
    other: &CustomerId,
) -> Result<Option<LinkRow>> {
    Ok(customer_links::table
        .find((store.as_str(), customer.as_str(), other.as_str()))
        .select(LinkRow::as_select())
        .get_result(tx.conn)
        .optional()?)
}

/// How many links a customer has.
///
/// # Errors
/// [`super::Error`] from the database.
pub fn count(tx: &mut Tx<'_>, store: &StoreId, customer: &CustomerId) -> Result<i64> {
    Ok(customer_links::table
        .filter(customer_links::store_id.eq(store.as_str()))
        .filter(customer_links::customer_id.eq(customer.as_str()))
        .count()
        .get_result(tx.conn)?)
}

/// Stores a new link, from both sides.
///
/// # Errors
/// [`super::Error`] from the database.
pub fn insert(tx: &mut Tx<'_>, link: &LinkRow) -> Result<()> {
    for link in &link.both() {
        diesel::insert_into(customer_links::table).values(link).execute(tx.conn)?;
    }
    Ok(())
}

/// Stores what has changed of a link, from both sides.
///
/// # Errors
/// [`super::Error`] from the database.
pub fn update(tx: &mut Tx<'_>, link: &LinkRow) -> Result<()> {
    for link in &link.both() {
        let key = (&link.store_id, &link.customer_id, &link.other_id);
        diesel::update(customer_links::table.find(key)).set(link).execute(tx.conn)?;
    }
    Ok(())
}

/// Deletes a link, from both sides.
///
/// # Errors
/// [`super::Error`] from the database.
pub fn delete(tx: &mut Tx<'_>, link: &LinkRow) -> Result<()> {
    for link in &link.both() {
        let key = (&link.store_id, &link.customer_id, &link.other_id);
        diesel::delete(customer_links::table.find(key)).execute(tx.conn)?;
    }
    Ok(())
}

/// Clears the notes of all links of a customer, on both sides.
///
/// # Errors
/// [`super::Error`] from the database.
pub fn delete_notes(tx: &mut Tx<'_>, store: &StoreId, customer: &CustomerId) -> Result<()> {
    let links: Vec<LinkRow> = customer_links::table
        .filter(customer_links::store_id.eq(store.as_str()))
        .filter(customer_links::customer_id.eq(customer.as_str()))
        .order(customer_links::other_id)
        .select(LinkRow::as_select())
        .load(tx.conn)?;
    for link in links.into_iter().filter(|link| link.note.is_some()) {
        update(tx, &LinkRow { note: None, ..link })?;
    }
    Ok(())
}

/// A link in a list, with what the other customer's status is made of.
#[derive(Debug, Clone, PartialEq, Queryable)]
pub struct Listed {
    /// The link.
    pub link: LinkRow,
    /// The other customer's flag.
    pub flag: Option<String>,
    /// When the other customer's designation ends.
    pub vip_until: Option<i64>,
}

/// A customer's links.
///
/// # Errors
/// [`super::Error`] from the database.
pub fn list(tx: &mut Tx<'_>, store: &StoreId, customer: &CustomerId) -> Result<Vec<Listed>> {
    Ok(customer_links::table
        .inner_join(
            customers::table.on(customers::store_id
                .eq(customer_links::store_id)
                .and(customers::customer_id.eq(customer_links::other_id))),
        )
        .filter(customer_links::store_id.eq(store.as_str()))
        .filter(customer_links::customer_id.eq(customer.as_str()))
        .order(customer_links::other_id)
        .select((LinkRow::as_select(), customers::flag, customers::vip_until))
        .load(tx.conn)?)
}
