//! All that a badge is made of, in one statement.

use super::customers::CustomerRow;
use super::designations::DesignationRow;
use super::ledger::AccountRow;
use super::memberships::MembershipRow;
use super::programs::{self, Hold, ProgramRecord};
use super::schema::{
    accounts, customer_links, customers, designations, memberships, orders, programs as p,
};
use super::{Result, Tx};
use crate::domain::id::StoreId;
use diesel::dsl::case_when;
use diesel::prelude::*;
use std::collections::BTreeMap;
use std::sync::Arc;

diesel::alias!(customers as linked: Linked);

/// Whose badges are wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ids {
    /// Of these customers.
    Customers(Vec<String>),
    /// Of the customers of these orders.
    Orders(Vec<String>),
}

/// What is stored of one customer.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    /// The order that was asked for, where one was.
    pub order_id: Option<String>,
    /// The customer.
    pub customer: CustomerRow,
    /// The membership.
    pub membership: MembershipRow,
    /// The designation, if there ever was one.
    pub designation: Option<DesignationRow>,
    /// What the customer has, if anything was ever entered.
    pub account: Option<AccountRow>,
    /// Linked customers who carry a flag.
    pub flagged: Vec<FlaggedLink>,
}

/// A linked customer who carries a flag.
#[derive(Debug, Clone, PartialEq)]
#[expect(missing_docs, reason = "the columns are the API's fields")]
pub struct FlaggedLink {
    pub customer_id: String,
    pub relation: String,
    pub flag: String,
}

/// A row of the statement: the program's mark, its document where that is not
/// known yet, and what is found, once for each linked customer.
type Row = (
    i64,
    i64,
    Option<String>,
    Option<String>,
    Option<CustomerRow>,
    Option<MembershipRow>,
    Option<DesignationRow>,
    Option<AccountRow>,
    Option<String>,
    Option<String>,
    Option<String>,
);

/// Reads what the badges of these customers are made of, and the program;
/// `None` where the store is not set up. One statement, and one row at least.
///
/// # Errors
/// [`super::Error`] from the database.
pub fn read(
    tx: &mut Tx<'_>,
    store: &StoreId,
    ids: &Ids,
) -> Result<Option<(Arc<ProgramRecord>, Vec<Found>)>> {
    let known = programs::known(tx, store);
    let (version, updated_at) = known.as_ref().map_or((0, 0), |(mark, _)| *mark);
    // The document is sent once, with the first identifier, and not at all
    // where the program is the one that is known.
    let is_known = p::version.eq(version).and(p::updated_at.eq(updated_at));
    let (Ids::Customers(list) | Ids::Orders(list)) = ids;
    let first = list.first().cloned().unwrap_or_default();
    macro_rules! document {
        ($id:expr) => {
            case_when(is_known.nullable().or($id.nullable().ne(first)), {
                None::<String>.into_sql::<diesel::sql_types::Nullable<diesel::sql_types::Text>>()
            })
            .otherwise(p::document.nullable())
        };
    }
    // What comes after the customer is the same whichever way led to them.
    macro_rules! ask {
        ($from:expr, $id:expr, $order_id:expr) => {
            $from
                .left_join(
                    memberships::table.on(memberships::store_id
                        .eq(customers::store_id)
                        .and(memberships::customer_id.eq(customers::customer_id))),
                )
                .left_join(
                    designations::table.on(designations::store_id
                        .eq(customers::store_id)
                        .and(designations::customer_id.eq(customers::customer_id))),
                )
                .left_join(
                    accounts::table.on(accounts::store_id
                        .eq(customers::store_id)
                        .and(accounts::customer_id.eq(customers::customer_id))),
                )
                .left_join(
                    customer_links::table.on(customer_links::store_id
                        .eq(customers::store_id)
                        .and(customer_links::customer_id.eq(customers::customer_id))),
                )
                .left_join(
                    linked.on(linked
                        .field(customers::store_id)
                        .eq(customer_links::store_id)
                        .and(linked.field(customers::customer_id).eq(customer_links::other_id))
                        .and(linked.field(customers::flag).is_not_null())),
                )
                .filter(p::store_id.eq(store.as_str()))
                .select((
                    p::version,
                    p::updated_at,
                    document!($id),
                    $order_id,
                    Option::<CustomerRow>::as_select(),
                    Option::<MembershipRow>::as_select(),
                    Option::<DesignationRow>::as_select(),
                    Option::<AccountRow>::as_select(),
                    linked.field(customers::customer_id).nullable(),
                    customer_links::relation.nullable(),
                    linked.field(customers::flag).nullable(),
                ))
                .load::<Row>(tx.conn)?
        };
    }
    let rows: Vec<Row> = match ids {
        Ids::Customers(ids) => ask!(
            p::table.left_join(customers::table.on(
                customers::store_id.eq(p::store_id).and(customers::customer_id.eq_any(ids.clone()))
            )),
            customers::customer_id,
            None::<String>.into_sql::<diesel::sql_types::Nullable<diesel::sql_types::Text>>()
        ),
        Ids::Orders(ids) => {
            ask!(
                p::table
                    .left_join(orders::table.on(
                        orders::store_id.eq(p::store_id).and(orders::order_id.eq_any(ids.clone()))
                    ))
                    .left_join(
                        customers::table.on(customers::store_id
                            .eq(orders::store_id)
                            .and(customers::customer_id.eq(orders::customer_id)))
                    ),
                orders::order_id,
                orders::order_id.nullable()
            )
        }
    };
    let Some((version, updated_at, ..)) = rows.first() else { return Ok(None) };
    let mark = (*version, *updated_at);
    let document = rows.iter().find_map(|(_, _, document, ..)| document.as_deref());
    let record = match (document, known) {
        (Some(document), _) => programs::remember(tx, store, mark, document)?,
        (None, Some((known, record))) if known == mark => record,
        // The first identifier is nobody's, and the program is new here.
        _ => match programs::find(tx, store, Hold::Read)? {
            Some(record) => record,
            None => return Ok(None),
        },
    };
    // One customer has a row for each link.
    let mut found: BTreeMap<(Option<String>, String), Found> = BTreeMap::new();
    for row in rows {
        let (_, _, _, order_id, customer, membership, designation, account, other, relation, flag) =
            row;
        let (Some(customer), Some(membership)) = (customer, membership) else { continue };
        let key = (order_id.clone(), customer.customer_id.clone());
        let found = found.entry(key).or_insert_with(|| Found {
            order_id,
            customer,
            membership,
            designation,
            account,
            flagged: Vec::new(),
        });
        if let (Some(customer_id), Some(relation), Some(flag)) = (other, relation, flag) {
            found.flagged.push(FlaggedLink { customer_id, relation, flag });
        }
    }
    let mut found: Vec<Found> = found.into_values().collect();
    for found in &mut found {
        found.flagged.sort_by(|a, b| a.customer_id.cmp(&b.customer_id));
    }
    Ok(Some((record, found)))
}
