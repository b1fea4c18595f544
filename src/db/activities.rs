//! Activities: what a customer did besides ordering.

use super::customers::CustomerRow;
use super::designations::DesignationRow;
use super::memberships::MembershipRow;
use super::page::{self, Seek};
use super::schema::{activities, customers, designations, memberships, orders};
use super::{Error, Result, Tx, instant, maybe_instant, micros, on_either, stored_word};
use crate::domain::Instant;
use crate::domain::activity::{Happening, Kind};
use crate::domain::fact::Worth;
use crate::domain::id::{ActivityId, CustomerId, StoreId, WayCode};
use crate::domain::words::word;
use chrono::NaiveDate;
use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::BigInt;
use std::collections::BTreeMap;

/// A stored activity. What erasure clears: `agent` and `note`.
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
    pub referred_id: Option<String>,
    pub score: Option<i32>,
    pub channel: Option<String>,
    pub is_public: Option<bool>,
    pub resolved_at: Option<i64>,
    pub agent: Option<String>,
    pub note: Option<String>,
    pub follow_up_on: Option<String>,
    pub way_to_earn: Option<String>,
}

impl ActivityRow {
    /// A new activity, in which nothing has happened yet.
    pub fn new(
        store: &StoreId,
        id: &ActivityId,
        customer: &CustomerId,
        occurred_at: Instant,
        happening: &Happening,
    ) -> Self {
        let row = Self {
            store_id: store.to_string(),
            activity_id: id.to_string(),
            customer_id: customer.to_string(),
            version: 1,
            kind: kind_word(happening.kind()),
            occurred_at: micros(occurred_at),
            points: None,
            updated_at: None,
            referred_id: None,
            score: None,
            channel: None,
            is_public: None,
            resolved_at: None,
            agent: None,
            note: None,
            follow_up_on: None,
            way_to_earn: None,
        };
        match happening.clone() {
            Happening::Points { worth: Worth::Points(points) } => {
                Self { points: Some(points), ..row }
            }
            // How many is for the fold to say.
            Happening::Points { worth: Worth::Event(way) } => {
                Self { points: Some(0), way_to_earn: Some(way.to_string()), ..row }
            }
            Happening::Referral { referred } => {
                Self { referred_id: Some(referred.to_string()), ..row }
            }
            Happening::Survey { score } => Self { score: Some(score.into()), ..row },
            Happening::Complaint { channel, is_public, resolved_at } => Self {
                channel: Some(channel),
                is_public: Some(is_public),
                resolved_at: resolved_at.map(micros),
                ..row
            },
            Happening::Contact { channel, agent, note, follow_up_on } => Self {
                channel: Some(channel),
                agent,
                note,
                follow_up_on: follow_up_on.map(|date| date.to_string()),
                ..row
            },
        }
    }

    /// The date on which to be in touch again.
    ///
    /// # Errors
    /// [`Error::Corrupt`] where the column holds no date.
    pub fn follow_up_on(&self) -> Result<Option<NaiveDate>> {
        let date = self.follow_up_on.as_deref().map(str::parse).transpose();
        date.map_err(|_| Error::Corrupt("a date to follow up on".to_owned()))
    }

    /// What points are worth.
    ///
    /// # Errors
    /// [`Error::Corrupt`] where the way to earn is none.
    pub fn worth(&self) -> Result<Worth> {
        worth_of(self.points, self.way_to_earn.as_deref())
    }

    /// The kind.
    ///
    /// # Errors
    /// [`Error::Corrupt`] for an unknown word.
    pub fn kind(&self) -> Result<Kind> {
        stored_word(&Kind::WORDS, &self.kind)
    }
}

/// What points are worth, by their columns.
pub(super) fn worth_of(points: Option<i64>, way: Option<&str>) -> Result<Worth> {
    let Some(way) = way else { return Ok(Worth::Points(points.unwrap_or_default())) };
    let corrupt = |_| Error::Corrupt(format!("the way to earn {way:?}"));
    Ok(Worth::Event(WayCode::parse(way).map_err(corrupt)?))
}

fn kind_word(kind: Kind) -> String {
    word(&Kind::WORDS, &kind).to_owned()
}

/// An activity.
///
/// # Errors
/// [`Error`] from the database.
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
/// [`Error`] from the database.
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
/// [`Error`] from the database.
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
/// [`Error`] from the database.
pub fn update(tx: &mut Tx<'_>, row: &ActivityRow) -> Result<()> {
    diesel::update(activities::table.find((row.store_id.as_str(), row.activity_id.as_str())))
        .set(row)
        .execute(tx.conn)?;
    Ok(())
}

/// Clears what staff wrote down of a customer.
///
/// # Errors
/// [`Error`] from the database.
pub fn delete_notes(tx: &mut Tx<'_>, store: &StoreId, customer: &CustomerId) -> Result<()> {
    diesel::update(
        activities::table
            .filter(activities::store_id.eq(store.as_str()))
            // Equality would have SQLite read all of the store's.
            .filter(activities::customer_id.between(customer.as_str(), customer.as_str())),
    )
    .set((activities::agent.eq(None::<String>), activities::note.eq(None::<String>)))
    .execute(tx.conn)?;
    Ok(())
}

/// A page of one customer's activities, newest first.
///
/// # Errors
/// [`Error`] from the database.
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

/// The activities of a kind after an instant, of the customers of a range,
/// both ends included.
///
/// # Errors
/// [`Error`] from the database.
pub fn in_range(
    tx: &mut Tx<'_>,
    store: &StoreId,
    (first, last): (&str, &str),
    kind: Kind,
    after: Instant,
) -> Result<Vec<ActivityRow>> {
    let query = activities::table
        .filter(activities::store_id.eq(store.as_str()))
        .filter(activities::kind.eq(kind_word(kind)))
        .filter(activities::occurred_at.gt(micros(after)))
        .into_boxed();
    // Of one customer, an index leads to what is wanted and no further.
    let query = if first == last {
        query.filter(activities::customer_id.eq(first))
    } else {
        query.filter(activities::customer_id.between(first, last))
    };
    Ok(query.select(ActivityRow::as_select()).load(tx.conn)?)
}

diesel::alias!(activities as earlier: Earlier);

/// Narrows a query over activities down to the referrals that count: of
/// several of one customer the earliest, by instant and identifier.
macro_rules! counting_referrals {
    ($query:expr, $store:expr, $range:expr) => {{
        let (first, last) = $range;
        let is_earlier =
            earlier.field(activities::occurred_at).lt(activities::occurred_at).or(earlier
                .field(activities::occurred_at)
                .eq(activities::occurred_at)
                .and(earlier.field(activities::activity_id).lt(activities::activity_id)));
        let another = earlier
            .filter(earlier.field(activities::store_id).eq($store.as_str()))
            .filter(earlier.field(activities::referred_id).eq(activities::referred_id))
            .filter(is_earlier);
        $query
            .filter(activities::store_id.eq($store.as_str()))
            .filter(activities::customer_id.between(first, last))
            .filter(activities::kind.eq(kind_word(Kind::Referral)))
            .filter(diesel::dsl::not(diesel::dsl::exists(another)))
    }};
}

/// The referrers of the referrals that count, once for each, among the
/// customers of a range, both ends included.
///
/// # Errors
/// [`Error`] from the database.
pub fn referrers_in_range(
    tx: &mut Tx<'_>,
    store: &StoreId,
    range: (&str, &str),
) -> Result<Vec<String>> {
    Ok(counting_referrals!(activities::table, store, range)
        .select(activities::customer_id)
        .load(tx.conn)?)
}

/// What those have spent since, less refunds, who were referred by the
/// customers of a range, both ends included: by referrer, a sum in two parts,
/// millions of minor units and the rest, which don't overflow.
///
/// # Errors
/// [`Error`] from the database.
pub fn referral_spend_in_range(
    tx: &mut Tx<'_>,
    store: &StoreId,
    range: (&str, &str),
) -> Result<Vec<(String, i64, i64)>> {
    let query = activities::table.inner_join(
        orders::table.on(orders::store_id
            .eq(activities::store_id)
            .and(orders::customer_id.nullable().eq(activities::referred_id))
            .and(orders::completed_at.ge(activities::occurred_at.nullable()))),
    );
    Ok(counting_referrals!(query, store, range)
        .filter(orders::store_id.eq(store.as_str()))
        .group_by(activities::customer_id)
        .select((
            activities::customer_id,
            sql::<BigInt>("CAST(SUM((orders.total - orders.refunded) / 1000000) AS BIGINT)"),
            sql::<BigInt>("CAST(SUM((orders.total - orders.refunded) % 1000000) AS BIGINT)"),
        ))
        .load(tx.conn)?)
}

/// A complaint in the list of open ones, with all that its customer's badge is
/// made of.
#[derive(Debug, Clone, PartialEq, Queryable)]
pub struct OpenComplaint {
    /// The complaint.
    pub complaint: ActivityRow,
    /// Whose it is.
    pub customer: CustomerRow,
    /// Their membership.
    pub membership: MembershipRow,
    /// Their designation, if there ever was one.
    pub designation: Option<DesignationRow>,
}

/// All open complaints of customers that are not erased, or the public ones,
/// or the others.
///
/// # Errors
/// [`Error`] from the database.
pub fn open_complaints(
    tx: &mut Tx<'_>,
    store: &StoreId,
    is_public: Option<bool>,
    limit: i64,
) -> Result<Vec<OpenComplaint>> {
    let mut query = activities::table
        .inner_join(
            customers::table.on(customers::store_id
                .eq(activities::store_id)
                .and(customers::customer_id.eq(activities::customer_id))),
        )
        .inner_join(
            memberships::table.on(memberships::store_id
                .eq(activities::store_id)
                .and(memberships::customer_id.eq(activities::customer_id))),
        )
        .left_join(
            designations::table.on(designations::store_id
                .eq(activities::store_id)
                .and(designations::customer_id.eq(activities::customer_id))),
        )
        .filter(activities::store_id.eq(store.as_str()))
        .filter(activities::kind.eq(kind_word(Kind::Complaint)))
        .filter(activities::resolved_at.is_null())
        .filter(customers::erased_at.is_null())
        .into_boxed();
    if let Some(is_public) = is_public {
        query = query.filter(activities::is_public.eq(is_public));
    }
    Ok(query
        .order((activities::occurred_at, activities::activity_id))
        .limit(limit)
        .select((
            ActivityRow::as_select(),
            CustomerRow::as_select(),
            MembershipRow::as_select(),
            Option::<DesignationRow>::as_select(),
        ))
        .load(tx.conn)?)
}

diesel::alias!(activities as later: Later);

/// A page of the contacts that want following up by a date, the earliest
/// first: those of customers that are not erased after whom there was no other.
///
/// # Errors
/// [`Error`] from the database.
pub fn follow_ups(
    tx: &mut Tx<'_>,
    store: &StoreId,
    due_by: NaiveDate,
    agent: Option<&str>,
    after: Option<&Seek>,
    limit: i64,
) -> Result<Vec<(ActivityRow, Option<String>)>> {
    let contact = kind_word(Kind::Contact);
    let newer = later
        .filter(later.field(activities::store_id).eq(store.as_str()))
        .filter(later.field(activities::customer_id).eq(activities::customer_id))
        .filter(later.field(activities::kind).eq(contact.clone()))
        .filter(later.field(activities::occurred_at).gt(activities::occurred_at));
    let due = activities::follow_up_on.assume_not_null();
    let mut query = activities::table
        .inner_join(
            customers::table.on(customers::store_id
                .eq(activities::store_id)
                .and(customers::customer_id.eq(activities::customer_id))),
        )
        .filter(activities::store_id.eq(store.as_str()))
        .filter(activities::follow_up_on.le(due_by.to_string()))
        .filter(activities::kind.eq(contact))
        .filter(customers::erased_at.is_null())
        .filter(diesel::dsl::not(diesel::dsl::exists(newer)))
        .into_boxed();
    if let Some(agent) = agent {
        query = query.filter(activities::agent.eq(agent.to_owned()));
    }
    let query = page::seek_text!(query, due, activities::activity_id, false, after);
    Ok(query.limit(limit).select((ActivityRow::as_select(), customers::name)).load(tx.conn)?)
}

impl ActivityRow {
    /// When it happened.
    ///
    /// # Errors
    /// [`Error::Corrupt`] where the column holds no instant.
    pub fn at(&self) -> Result<Instant> {
        instant(self.occurred_at)
    }

    /// When a complaint was resolved.
    ///
    /// # Errors
    /// [`Error::Corrupt`] where the column holds no instant.
    pub fn resolved_at(&self) -> Result<Option<Instant>> {
        maybe_instant(self.resolved_at)
    }
}
