//! Customers: what the shop says of them.

use super::page::{self, Seek};
use super::schema::{customer_tags, customers, memberships};
use super::{Result, Tx, instant, locked_row, maybe_instant, micros, on_either, stored_word};
use crate::domain::customer::SubscriptionState;
use crate::domain::id::{CustomerId, StoreId};
use crate::domain::membership::Joining;
use crate::domain::stage::Window;
use crate::domain::status::{Flag, Status};
use crate::domain::words::word;
use crate::domain::{Instant, search};
use diesel::prelude::*;

/// Stands for an instant that never comes.
pub const FOREVER: i64 = i64::MAX;

/// The characters of a folded name that lists sort by. A name has no more, but
/// folding makes up to 18 of one, and PostgreSQL's indexes take no such texts.
const SORT_NAME_LENGTH_MAX: usize = 200;

/// A customer's row. What erasure clears: `name`, `email`, `birthday`,
/// `preferred_channel`, `tags`, `flag_note` and the two columns derived from
/// the name and the address.
#[derive(Debug, Clone, PartialEq, Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = customers, treat_none_as_null = true, treat_none_as_default_value = false)]
#[expect(missing_docs, reason = "the columns are the API's fields")]
pub struct CustomerRow {
    pub store_id: String,
    pub customer_id: String,
    pub version: i64,
    pub name: Option<String>,
    pub email: Option<String>,
    pub joined_at: Option<i64>,
    pub birthday: Option<String>,
    pub preferred_channel: Option<String>,
    pub tags: String,
    pub subscription_amount: Option<i64>,
    pub subscription_state: Option<String>,
    pub subscription_cancelled_at: Option<i64>,
    pub print_vip_icon: bool,
    pub created_at: i64,
    pub updated_at: i64,
    pub erased_at: Option<i64>,
    pub sort_name: String,
    pub search_text: String,
    pub flag: Option<String>,
    pub flag_note: Option<String>,
    pub flagged_at: Option<i64>,
    pub flagged_by: Option<String>,
    /// When the active designation ends; [`FOREVER`] where it does not by itself.
    pub vip_until: Option<i64>,
    /// The gravity of the status to list the customer by.
    pub status: i64,
    pub cancellations: i64,
}

impl CustomerRow {
    /// A customer of whom nothing is known but the identifier.
    pub fn unknown(store: &StoreId, id: &CustomerId, now: Instant) -> Self {
        let mut row = Self {
            store_id: store.to_string(),
            customer_id: id.to_string(),
            version: 1,
            name: None,
            email: None,
            joined_at: None,
            birthday: None,
            preferred_channel: None,
            tags: "[]".to_owned(),
            subscription_amount: None,
            subscription_state: None,
            subscription_cancelled_at: None,
            print_vip_icon: true,
            created_at: micros(now),
            updated_at: micros(now),
            erased_at: None,
            sort_name: String::new(),
            search_text: String::new(),
            flag: None,
            flag_note: None,
            flagged_at: None,
            flagged_by: None,
            vip_until: None,
            status: 0,
            cancellations: 0,
        };
        row.derive();
        row
    }

    /// Brings the columns up to date that lists sort and search by.
    pub fn derive(&mut self) {
        let name = self.name.as_deref().map(search::fold).unwrap_or_default();
        self.sort_name = name.chars().take(SORT_NAME_LENGTH_MAX).collect();
        let email = self.email.as_deref().map(search::fold).unwrap_or_default();
        self.search_text = format!("{name}\n{email}\n{}", search::fold(&self.customer_id));
    }

    /// What staff set by hand.
    ///
    /// # Errors
    /// [`super::Error::Corrupt`] for an unknown word.
    pub fn flag(&self) -> Result<Option<Flag>> {
        self.flag.as_deref().map(|flag| stored_word(&Flag::WORDS, flag)).transpose()
    }

    /// The tags.
    ///
    /// # Errors
    /// [`super::Error::Corrupt`] where the column holds no list of texts.
    pub fn tags(&self) -> Result<Vec<String>> {
        parse_tags(&self.tags)
    }

    /// Whether the subscription is cancelled.
    pub fn is_cancelled(&self) -> bool {
        let cancelled = word(&SubscriptionState::WORDS, &SubscriptionState::Cancelled);
        self.subscription_state.as_deref() == Some(cancelled)
    }

    /// When the subscription was cancelled, if it is.
    ///
    /// # Errors
    /// [`super::Error::Corrupt`] where a stored instant is none.
    pub fn cancelled_at(&self) -> Result<Option<Instant>> {
        Ok(maybe_instant(self.subscription_cancelled_at)?.filter(|_| self.is_cancelled()))
    }

    /// The badge's word at an instant.
    ///
    /// # Errors
    /// As [`CustomerRow::flag`].
    pub fn status(&self, at: Instant) -> Result<Status> {
        status_of(self.flag.as_deref(), self.vip_until, at)
    }

    /// What decides when this customer joins.
    ///
    /// # Errors
    /// [`super::Error::Corrupt`] where a stored instant is none.
    pub fn joining(&self) -> Result<Joining> {
        Ok(Joining {
            joined_at: maybe_instant(self.joined_at)?,
            created_at: instant(self.created_at)?,
        })
    }
}

fn parse_tags(json: &str) -> Result<Vec<String>> {
    serde_json::from_str(json).map_err(|error| super::Error::Corrupt(error.to_string()))
}

/// The badge's word at an instant, from the columns that say it.
///
/// # Errors
/// [`super::Error::Corrupt`] for an unknown flag.
pub fn status_of(flag: Option<&str>, vip_until: Option<i64>, at: Instant) -> Result<Status> {
    let flag = flag.map(|flag| stored_word(&Flag::WORDS, flag)).transpose()?;
    Ok(Status::of(flag, vip_until.is_some_and(|until| micros(at) < until)))
}

/// The number that a status is listed and sorted by: the graver, the higher.
pub fn gravity(status: Status) -> i64 {
    (0..).zip(Status::WORDS).find(|(_, (_, s))| *s == status).map_or(0, |(number, _)| number)
}

/// A customer.
///
/// # Errors
/// [`super::Error`] from the database.
pub fn find(tx: &mut Tx<'_>, store: &StoreId, id: &CustomerId) -> Result<Option<CustomerRow>> {
    let row = customers::table
        .find((store.as_str(), id.as_str()))
        .select(CustomerRow::as_select())
        .get_result(tx.conn)
        .optional()?;
    Ok(row)
}

/// A customer, held so that no other transaction writes to them meanwhile.
///
/// # Errors
/// [`super::Error`] from the database.
pub fn find_locked(
    tx: &mut Tx<'_>,
    store: &StoreId,
    id: &CustomerId,
) -> Result<Option<CustomerRow>> {
    use customers::all_columns;
    let query = customers::table.find((store.as_str(), id.as_str())).select(all_columns);
    Ok(locked_row!(tx.conn, for_update, query)?)
}

/// The customers of a range of identifiers, both ends included.
///
/// # Errors
/// [`super::Error`] from the database.
pub fn in_range(
    tx: &mut Tx<'_>,
    store: &StoreId,
    first: &str,
    last: &str,
) -> Result<std::collections::BTreeMap<String, CustomerRow>> {
    let rows: Vec<CustomerRow> = customers::table
        .filter(customers::store_id.eq(store.as_str()))
        .filter(customers::customer_id.between(first, last))
        .select(CustomerRow::as_select())
        .load(tx.conn)?;
    Ok(rows.into_iter().map(|row| (row.customer_id.clone(), row)).collect())
}

/// Some customers, by identifier.
///
/// # Errors
/// [`super::Error`] from the database.
pub fn find_many(
    tx: &mut Tx<'_>,
    store: &StoreId,
    ids: &[String],
) -> Result<std::collections::BTreeMap<String, CustomerRow>> {
    let rows: Vec<CustomerRow> = customers::table
        .filter(customers::store_id.eq(store.as_str()))
        .filter(customers::customer_id.eq_any(ids))
        .select(CustomerRow::as_select())
        .load(tx.conn)?;
    Ok(rows.into_iter().map(|row| (row.customer_id.clone(), row)).collect())
}

/// Makes a customer, unless there is one already; whether it did.
///
/// # Errors
/// [`super::Error`] from the database.
pub fn insert(tx: &mut Tx<'_>, row: &CustomerRow) -> Result<bool> {
    let inserted = on_either!(tx.conn, c => diesel::insert_into(customers::table)
        .values(row)
        .on_conflict_do_nothing()
        .execute(c))?;
    Ok(inserted == 1)
}

/// Stores what has changed of a customer, but for the tags.
///
/// # Errors
/// [`super::Error`] from the database.
pub fn update(tx: &mut Tx<'_>, row: &CustomerRow) -> Result<()> {
    let key = (row.store_id.as_str(), row.customer_id.as_str());
    diesel::update(customers::table.find(key)).set(row).execute(tx.conn)?;
    Ok(())
}

/// Stores what has changed of a customer, tags included.
///
/// # Errors
/// [`super::Error`] from the database.
pub fn update_with_tags(tx: &mut Tx<'_>, row: &CustomerRow, tags: &[String]) -> Result<()> {
    update(tx, row)?;
    let key = (row.store_id.as_str(), row.customer_id.as_str());
    diesel::delete(
        customer_tags::table
            .filter(customer_tags::store_id.eq(key.0))
            .filter(customer_tags::customer_id.eq(key.1)),
    )
    .execute(tx.conn)?;
    insert_tags(tx, row, tags)
}

/// Stores a new customer's tags.
///
/// # Errors
/// [`super::Error`] from the database.
pub fn insert_tags(tx: &mut Tx<'_>, row: &CustomerRow, tags: &[String]) -> Result<()> {
    for tag in tags {
        diesel::insert_into(customer_tags::table)
            .values((
                customer_tags::store_id.eq(&row.store_id),
                customer_tags::tag.eq(tag),
                customer_tags::customer_id.eq(&row.customer_id),
            ))
            .execute(tx.conn)?;
    }
    Ok(())
}

/// Whether any customer of the store has an amount of money.
///
/// # Errors
/// [`super::Error`] from the database.
pub fn has_amounts(tx: &mut Tx<'_>, store: &StoreId) -> Result<bool> {
    let query = customers::table
        .filter(customers::store_id.eq(store.as_str()))
        .filter(customers::subscription_state.is_not_null());
    Ok(diesel::select(diesel::dsl::exists(query)).get_result(tx.conn)?)
}

/// What a list of customers is narrowed down to.
#[derive(Debug, Clone, Default)]
#[expect(missing_docs, reason = "the fields are the API's filters")]
pub struct Filter {
    pub q: Option<String>,
    pub tier: Option<String>,
    pub tag: Option<String>,
    pub subscription_state: Option<String>,
    pub min_lifetime_spend: Option<i64>,
    pub joined_before: Option<Instant>,
    pub last_order_before: Option<Instant>,
    pub status: Option<Status>,
    pub vip: Option<bool>,
    pub stage: Option<Window>,
}

/// Narrows a boxed query over customers and memberships down to a stage.
macro_rules! in_stage {
    ($query:expr, $window:expr) => {{
        use crate::db::schema::{customers, memberships};
        let window = $window;
        use crate::domain::customer::SubscriptionState;
        let cancelled =
            crate::domain::words::word(&SubscriptionState::WORDS, &SubscriptionState::Cancelled);
        let idle_since = crate::db::micros(window.idle_since);
        let never = crate::db::memberships::NEVER;
        let mut query = if window.at_risk {
            $query.filter(customers::subscription_state.eq(cancelled).or(
                memberships::last_order_at.le(idle_since).and(memberships::last_order_at.ne(never)),
            ))
        } else {
            $query
                .filter(
                    customers::subscription_state
                        .is_null()
                        .or(customers::subscription_state.ne(cancelled)),
                )
                .filter(
                    memberships::last_order_at
                        .gt(idle_since)
                        .or(memberships::last_order_at.eq(never)),
                )
        };
        if let Some(from) = window.joined_from {
            query = query.filter(memberships::joined_at.ge(crate::db::micros(from)));
        }
        if let Some(before) = window.joined_before {
            query = query.filter(memberships::joined_at.lt(crate::db::micros(before)));
        }
        query
    }};
}
pub(super) use in_stage;

/// What a list of customers is sorted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sort {
    /// The identifier, by its bytes.
    Id,
    /// The folded name.
    Name,
    /// Lifetime spend.
    LifetimeSpend,
    /// The newest completed order.
    LastOrder,
    /// When the customer joined.
    Joined,
    /// The badge's word, by its gravity.
    Status,
}

/// A customer in a list, with what the membership says.
#[derive(Debug, Clone, PartialEq, Queryable)]
pub struct Listed {
    /// The customer.
    pub customer: CustomerRow,
    /// The tier held when the row was last told of time.
    pub tier: Option<String>,
    /// Lifetime spend, in minor units.
    pub lifetime_amount: i64,
    /// The newest completed order, or [`super::memberships::NEVER`].
    pub last_order_at: i64,
    /// When the customer joined.
    pub member_since: i64,
}

impl Listed {
    /// The place of this row in a sort.
    pub fn seek(&self, sort: Sort) -> Seek {
        let id = self.customer.customer_id.clone();
        match sort {
            Sort::Id => Seek::text(String::new(), id),
            Sort::Name => Seek::text(self.customer.sort_name.clone(), id),
            Sort::LifetimeSpend => Seek::number(self.lifetime_amount, id),
            Sort::LastOrder => Seek::number(self.last_order_at, id),
            Sort::Joined => Seek::number(self.member_since, id),
            Sort::Status => Seek::number(self.customer.status, id),
        }
    }
}

/// A page of customers that are not erased.
///
/// # Errors
/// [`super::Error`] from the database.
pub fn list(
    tx: &mut Tx<'_>,
    store: &StoreId,
    filter: &Filter,
    sort: Sort,
    is_descending: bool,
    after: Option<&Seek>,
    limit: i64,
) -> Result<Vec<Listed>> {
    let mut query = customers::table
        .inner_join(
            memberships::table.on(memberships::store_id
                .eq(customers::store_id)
                .and(memberships::customer_id.eq(customers::customer_id))),
        )
        .filter(customers::store_id.eq(store.as_str()))
        .filter(memberships::store_id.eq(store.as_str()))
        .filter(customers::erased_at.is_null())
        .into_boxed();
    if let Some(q) = &filter.q {
        query = query
            .filter(customers::search_text.like(page::contains(&search::fold(q))).escape('\\'));
    }
    if let Some(tier) = &filter.tier {
        query = query.filter(memberships::tier.eq(tier));
    }
    if let Some(tag) = &filter.tag {
        let tagged = customer_tags::table
            .filter(customer_tags::store_id.eq(store.as_str()))
            .filter(customer_tags::tag.eq(tag))
            .select(customer_tags::customer_id);
        query = query.filter(customers::customer_id.eq_any(tagged));
    }
    if let Some(state) = &filter.subscription_state {
        query = query.filter(customers::subscription_state.eq(state));
    }
    if let Some(spend) = filter.min_lifetime_spend {
        query = query.filter(memberships::lifetime_amount.ge(spend));
    }
    if let Some(before) = filter.joined_before {
        query = query.filter(memberships::joined_at.lt(micros(before)));
    }
    if let Some(before) = filter.last_order_before {
        query = query
            .filter(memberships::last_order_at.lt(micros(before)))
            .filter(memberships::last_order_at.ne(super::memberships::NEVER));
    }
    if let Some(status) = filter.status {
        query = query.filter(customers::status.eq(gravity(status)));
    }
    if let Some(is_vip) = filter.vip {
        // Brought up to date with the status, when the designation ends.
        query = if is_vip {
            query.filter(customers::vip_until.is_not_null())
        } else {
            query.filter(customers::vip_until.is_null())
        };
    }
    if let Some(window) = &filter.stage {
        query = in_stage!(query, window);
    }
    query = match sort {
        Sort::Status => page::seek_number!(
            query,
            customers::status,
            customers::customer_id,
            is_descending,
            after
        ),
        Sort::Id => page::seek_id!(query, memberships::customer_id, is_descending, after),
        Sort::Name => page::seek_text!(
            query,
            customers::sort_name,
            customers::customer_id,
            is_descending,
            after
        ),
        Sort::LifetimeSpend => page::seek_number!(
            query,
            memberships::lifetime_amount,
            memberships::customer_id,
            is_descending,
            after
        ),
        Sort::LastOrder => page::seek_number!(
            query,
            memberships::last_order_at,
            memberships::customer_id,
            is_descending,
            after
        ),
        Sort::Joined => page::seek_number!(
            query,
            memberships::joined_at,
            memberships::customer_id,
            is_descending,
            after
        ),
    };
    let rows = query
        .limit(limit)
        .select((
            CustomerRow::as_select(),
            memberships::tier,
            memberships::lifetime_amount,
            memberships::last_order_at,
            memberships::joined_at,
        ))
        .load(tx.conn)?;
    Ok(rows)
}
