//! Designations: who is or was a VIP.

use super::customers::CustomerRow;
use super::memberships::{MembershipRow, NEVER};
use super::page::{self, Seek};
use super::schema::{customers, designation_spans, designations, memberships};
use super::{Error, Result, Tx, instant, maybe_instant, micros, on_either, stored_word};
use crate::domain::designation::{
    Designation, End, EndReason, Priority, Profile, RemovalReason, State,
};
use crate::domain::id::{BenefitCode, CustomerId, RuleCode, StoreId, TierCode};
use crate::domain::stage::Window;
use crate::domain::words::word;
use crate::domain::{Instant, search};
use chrono::{Datelike, NaiveDate};
use diesel::prelude::*;
use std::collections::BTreeMap;

/// A stored designation. What erasure clears: `notes` and `removal_note`.
#[derive(Debug, Clone, PartialEq, Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = designations, treat_none_as_null = true, treat_none_as_default_value = false)]
#[expect(missing_docs, reason = "the columns are the fields of `Designation`")]
pub struct DesignationRow {
    pub store_id: String,
    pub customer_id: String,
    pub version: i64,
    pub tier: Option<String>,
    pub tier_at: i64,
    pub is_paused: bool,
    pub since: String,
    pub since_month: i32,
    pub benefits: String,
    pub benefits_dropped: String,
    pub notes: Option<String>,
    pub profile: Option<String>,
    pub priority: Option<String>,
    pub team: Option<String>,
    pub assigned_to: Option<String>,
    pub ends_at: Option<i64>,
    pub grace_until: Option<i64>,
    pub is_automatic: bool,
    pub designated_at: i64,
    pub ended_at: Option<i64>,
    pub end_reason: Option<String>,
    pub removal_reason: Option<String>,
    pub removal_note: Option<String>,
    pub state: String,
    pub due_at: Option<i64>,
    pub rule_code: Option<String>,
}

/// A designation as it was stored.
#[derive(Debug, Clone, PartialEq)]
pub struct DesignationRecord {
    /// Rises with each change.
    pub version: i64,
    /// The designation.
    pub designation: Designation,
    /// What staff wrote about it.
    pub notes: Option<String>,
    /// Why a person removed it.
    pub removal_reason: Option<RemovalReason>,
    /// What that person wrote.
    pub removal_note: Option<String>,
}

pub(super) fn codes_json(codes: &[BenefitCode]) -> Result<String> {
    let codes: Vec<&str> = codes.iter().map(BenefitCode::as_str).collect();
    serde_json::to_string(&codes).map_err(|error| Error::Failed(error.to_string()))
}

pub(super) fn parse_codes(json: &str) -> Result<Vec<BenefitCode>> {
    let codes: Vec<String> =
        serde_json::from_str(json).map_err(|error| Error::Corrupt(error.to_string()))?;
    codes
        .iter()
        .map(|code| {
            BenefitCode::parse(code).map_err(|_| Error::Corrupt(format!("benefit {code:?}")))
        })
        .collect()
}

impl DesignationRecord {
    /// The row to store, with the state to list it by at `now`.
    ///
    /// # Errors
    /// [`Error::Failed`] where a list can't be written as JSON.
    pub fn to_row(
        &self,
        store: &StoreId,
        customer: &CustomerId,
        now: Instant,
    ) -> Result<DesignationRow> {
        let designation = &self.designation;
        let due = designation.due().filter(|_| designation.ended.is_none());
        Ok(DesignationRow {
            store_id: store.to_string(),
            customer_id: customer.to_string(),
            version: self.version,
            tier: designation.tier.as_ref().map(ToString::to_string),
            tier_at: micros(designation.tier_at),
            is_paused: designation.is_paused,
            since: designation.since.to_string(),
            since_month: month_number(designation.since.month()),
            benefits: codes_json(&designation.benefits)?,
            benefits_dropped: codes_json(&designation.benefits_dropped)?,
            notes: self.notes.clone(),
            profile: designation.profile.map(|p| word(&Profile::WORDS, &p).to_owned()),
            priority: designation.priority.map(|p| word(&Priority::WORDS, &p).to_owned()),
            team: designation.team.clone(),
            assigned_to: designation.assigned_to.clone(),
            ends_at: designation.ends_at.map(micros),
            grace_until: designation.grace_until.map(micros),
            is_automatic: designation.is_automatic,
            designated_at: micros(designation.designated_at),
            ended_at: designation.ended.map(|end| micros(end.at)),
            end_reason: designation
                .ended
                .map(|end| word(&EndReason::WORDS, &end.reason).to_owned()),
            removal_reason: self
                .removal_reason
                .map(|reason| word(&RemovalReason::WORDS, &reason).to_owned()),
            removal_note: self.removal_note.clone(),
            state: word(&State::WORDS, &designation.state(now)).to_owned(),
            due_at: due.map(|end| micros(end.at)),
            rule_code: designation.rule.as_ref().map(ToString::to_string),
        })
    }
}

fn month_number(month: u32) -> i32 {
    i32::try_from(month).unwrap_or_default()
}

impl TryFrom<DesignationRow> for DesignationRecord {
    type Error = Error;

    fn try_from(row: DesignationRow) -> Result<Self> {
        let tier = row.tier.as_deref().map(TierCode::parse).transpose();
        let ended = match (row.ended_at, &row.end_reason) {
            (Some(at), Some(reason)) => {
                Some(End { at: instant(at)?, reason: stored_word(&EndReason::WORDS, reason)? })
            }
            _ => None,
        };
        let profile = row.profile.as_deref().map(|p| stored_word(&Profile::WORDS, p));
        let priority = row.priority.as_deref().map(|p| stored_word(&Priority::WORDS, p));
        let removal_reason =
            row.removal_reason.as_deref().map(|r| stored_word(&RemovalReason::WORDS, r));
        Ok(Self {
            version: row.version,
            designation: Designation {
                tier: tier.map_err(|_| Error::Corrupt("a designation's tier".to_owned()))?,
                tier_at: instant(row.tier_at)?,
                is_paused: row.is_paused,
                since: row.since.parse().map_err(|_| Error::Corrupt(row.since.clone()))?,
                benefits: parse_codes(&row.benefits)?,
                benefits_dropped: parse_codes(&row.benefits_dropped)?,
                profile: profile.transpose()?,
                priority: priority.transpose()?,
                team: row.team,
                assigned_to: row.assigned_to,
                ends_at: maybe_instant(row.ends_at)?,
                grace_until: maybe_instant(row.grace_until)?,
                is_automatic: row.is_automatic,
                rule: row
                    .rule_code
                    .map(|code| RuleCode::parse(&code).map_err(|_| Error::Corrupt(code)))
                    .transpose()?,
                designated_at: instant(row.designated_at)?,
                ended,
            },
            notes: row.notes,
            removal_reason: removal_reason.transpose()?,
            removal_note: row.removal_note,
        })
    }
}

/// A customer's designation, if there ever was one.
///
/// # Errors
/// [`Error`] from the database.
pub fn find(
    tx: &mut Tx<'_>,
    store: &StoreId,
    customer: &CustomerId,
) -> Result<Option<DesignationRecord>> {
    let row: Option<DesignationRow> = designations::table
        .find((store.as_str(), customer.as_str()))
        .select(DesignationRow::as_select())
        .get_result(tx.conn)
        .optional()?;
    row.map(DesignationRecord::try_from).transpose()
}

/// Stores a designation, which its customer's lock guards.
///
/// # Errors
/// [`Error`] from the database.
pub fn upsert(tx: &mut Tx<'_>, row: &DesignationRow) -> Result<()> {
    let key = (row.store_id.as_str(), row.customer_id.as_str());
    let updated = diesel::update(designations::table.find(key)).set(row).execute(tx.conn)?;
    if updated == 0 {
        diesel::insert_into(designations::table).values(row).execute(tx.conn)?;
    }
    Ok(())
}

/// Notes that a customer is a VIP from an instant on.
///
/// # Errors
/// [`Error`] from the database.
pub fn begin_span(
    tx: &mut Tx<'_>,
    store: &StoreId,
    customer: &CustomerId,
    from: Instant,
) -> Result<()> {
    on_either!(tx.conn, c => diesel::insert_into(designation_spans::table)
        .values((
            designation_spans::store_id.eq(store.as_str()),
            designation_spans::customer_id.eq(customer.as_str()),
            designation_spans::from_at.eq(micros(from)),
        ))
        .on_conflict_do_nothing()
        .execute(c))?;
    Ok(())
}

/// Notes that a customer is a VIP until an instant.
///
/// # Errors
/// [`Error`] from the database.
pub fn end_span(
    tx: &mut Tx<'_>,
    store: &StoreId,
    customer: &CustomerId,
    until: Instant,
) -> Result<()> {
    diesel::update(
        designation_spans::table
            .filter(designation_spans::store_id.eq(store.as_str()))
            .filter(designation_spans::customer_id.eq(customer.as_str()))
            .filter(designation_spans::until_at.is_null()),
    )
    .set(designation_spans::until_at.eq(Some(micros(until))))
    .execute(tx.conn)?;
    Ok(())
}

/// How many designations that have not ended a rule has made or raised last.
///
/// # Errors
/// [`Error`] from the database.
pub fn count_of_rule(tx: &mut Tx<'_>, store: &StoreId, rule: &RuleCode) -> Result<i64> {
    Ok(designations::table
        .filter(designations::store_id.eq(store.as_str()))
        .filter(designations::rule_code.eq(rule.as_str()))
        .filter(designations::ended_at.is_null())
        .count()
        .get_result(tx.conn)?)
}

/// Designations of any store that time alone has ended by now and nobody has
/// noted, by store and customer.
///
/// # Errors
/// [`Error`] from the database.
pub fn list_due(
    tx: &mut Tx<'_>,
    store: Option<&StoreId>,
    now: Instant,
    limit: i64,
) -> Result<Vec<(String, String)>> {
    let mut query = designations::table.filter(designations::due_at.le(micros(now))).into_boxed();
    if let Some(store) = store {
        query = query.filter(designations::store_id.eq(store.as_str()));
    }
    Ok(query
        .order((designations::due_at, designations::store_id, designations::customer_id))
        .limit(limit)
        .select((designations::store_id, designations::customer_id))
        .load(tx.conn)?)
}

/// Has all designations of a store that are in their grace looked at again.
///
/// # Errors
/// [`Error`] from the database.
pub fn reconsider_graces(tx: &mut Tx<'_>, store: &StoreId, now: Instant) -> Result<()> {
    diesel::update(
        designations::table
            .filter(designations::store_id.eq(store.as_str()))
            .filter(designations::ended_at.is_null())
            .filter(designations::grace_until.is_not_null()),
    )
    .set(designations::due_at.eq(Some(micros(now))))
    .execute(tx.conn)?;
    Ok(())
}

/// The customers whose designation names a benefit and has not ended, by identifier.
///
/// # Errors
/// [`Error`] from the database.
pub fn list_with_benefit(
    tx: &mut Tx<'_>,
    store: &StoreId,
    benefit: &BenefitCode,
) -> Result<Vec<String>> {
    let name = page::contains(&format!("\"{benefit}\""));
    let rows: Vec<(String, String, String)> = designations::table
        .filter(designations::store_id.eq(store.as_str()))
        .filter(designations::ended_at.is_null())
        .filter(
            designations::benefits
                .like(name.clone())
                .escape('\\')
                .or(designations::benefits_dropped.like(name).escape('\\')),
        )
        .order(designations::customer_id)
        .select((designations::customer_id, designations::benefits, designations::benefits_dropped))
        .load(tx.conn)?;
    let mut found = Vec::new();
    for (customer, benefits, dropped) in rows {
        // SQLite finds them without regard to case.
        let named = parse_codes(&benefits)?.into_iter().chain(parse_codes(&dropped)?);
        found.extend(named.into_iter().any(|code| code == *benefit).then_some(customer));
    }
    Ok(found)
}

/// The designations of the customers of a range, both ends included.
///
/// # Errors
/// [`Error`] from the database.
pub fn in_range(
    tx: &mut Tx<'_>,
    store: &StoreId,
    first: &str,
    last: &str,
) -> Result<BTreeMap<String, Designation>> {
    let rows: Vec<DesignationRow> = designations::table
        .filter(designations::store_id.eq(store.as_str()))
        .filter(designations::customer_id.between(first, last))
        .select(DesignationRow::as_select())
        .load(tx.conn)?;
    rows.into_iter()
        .map(|row| {
            let id = row.customer_id.clone();
            Ok((id, DesignationRecord::try_from(row)?.designation))
        })
        .collect()
}

/// Whether a designation is of a tier.
///
/// # Errors
/// [`Error`] from the database.
pub fn is_any_of_tier(tx: &mut Tx<'_>, store: &StoreId, tier: &TierCode) -> Result<bool> {
    let query = designations::table
        .filter(designations::store_id.eq(store.as_str()))
        .filter(designations::ended_at.is_null())
        .filter(designations::tier.eq(tier.as_str()));
    Ok(diesel::select(diesel::dsl::exists(query)).get_result(tx.conn)?)
}

/// What the VIP list is narrowed down to.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// A VIP of this tier, by membership or designation: the tier, and those
    /// ranked above it, which would hide it.
    pub tier: Option<(String, Vec<String>)>,
    /// The state.
    pub state: Option<State>,
    /// Part of name, e-mail or identifier.
    pub q: Option<String>,
    /// A VIP since this date or later.
    pub since_from: Option<NaiveDate>,
    /// A VIP since this date or earlier.
    pub since_to: Option<NaiveDate>,
    /// A VIP since a date of this month of any year.
    pub anniversary_month: Option<u32>,
    /// Whose last order is at or before this instant.
    pub idle_since: Option<Instant>,
    /// In this stage.
    pub stage: Option<Window>,
    /// Why they are VIPs.
    pub profile: Option<Profile>,
    /// Who looks after them.
    pub assigned_to: Option<String>,
    /// The rule that made them VIPs, or raised their tier last.
    pub rule: Option<String>,
}

/// What the VIP list is sorted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sort {
    /// The identifier, by its bytes.
    Id,
    /// The folded name.
    Name,
    /// The date from which on they are VIPs.
    Since,
    /// Lifetime spend.
    LifetimeSpend,
    /// The newest completed order.
    LastOrder,
}

/// A line of the VIP list.
#[derive(Debug, Clone, PartialEq, Queryable)]
pub struct Listed {
    /// The designation.
    pub designation: DesignationRow,
    /// The customer.
    pub customer: CustomerRow,
    /// The membership.
    pub membership: MembershipRow,
}

impl Listed {
    /// The place of this line in a sort.
    pub fn seek(&self, sort: Sort) -> Seek {
        let id = self.designation.customer_id.clone();
        match sort {
            Sort::Id => Seek::text(String::new(), id),
            Sort::Name => Seek::text(self.customer.sort_name.clone(), id),
            Sort::Since => Seek::text(self.designation.since.clone(), id),
            Sort::LifetimeSpend => Seek::number(self.membership.lifetime_amount, id),
            Sort::LastOrder => Seek::number(self.membership.last_order_at, id),
        }
    }
}

/// A page of the VIP list; erased customers are left out.
///
/// # Errors
/// [`Error`] from the database.
pub fn list(
    tx: &mut Tx<'_>,
    store: &StoreId,
    filter: &Filter,
    sort: Sort,
    is_descending: bool,
    after: Option<&Seek>,
    limit: i64,
) -> Result<Vec<Listed>> {
    let mut query = designations::table
        .inner_join(
            customers::table.on(customers::store_id
                .eq(designations::store_id)
                .and(customers::customer_id.eq(designations::customer_id))),
        )
        .inner_join(
            memberships::table.on(memberships::store_id
                .eq(designations::store_id)
                .and(memberships::customer_id.eq(designations::customer_id))),
        )
        .filter(designations::store_id.eq(store.as_str()))
        .filter(customers::store_id.eq(store.as_str()))
        .filter(memberships::store_id.eq(store.as_str()))
        .filter(customers::erased_at.is_null())
        .into_boxed();
    if let Some((tier, above)) = &filter.tier {
        let is_hidden_here = designations::tier.eq_any(above);
        let is_hidden_there = memberships::tier.eq_any(above);
        query = query.filter(
            memberships::tier
                .eq(tier)
                .and(designations::tier.is_null().or(diesel::dsl::not(is_hidden_here)))
                .or(designations::tier
                    .eq(tier)
                    .and(memberships::tier.is_null().or(diesel::dsl::not(is_hidden_there)))),
        );
    }
    if let Some(state) = &filter.state {
        query = query.filter(designations::state.eq(word(&State::WORDS, state)));
    }
    if let Some(q) = &filter.q {
        query = query
            .filter(customers::search_text.like(page::contains(&search::fold(q))).escape('\\'));
    }
    if let Some(from) = filter.since_from {
        query = query.filter(designations::since.ge(from.to_string()));
    }
    if let Some(to) = filter.since_to {
        query = query.filter(designations::since.le(to.to_string()));
    }
    if let Some(month) = filter.anniversary_month {
        query = query.filter(designations::since_month.eq(month_number(month)));
    }
    if let Some(since) = filter.idle_since {
        query = query
            .filter(memberships::last_order_at.le(micros(since)))
            .filter(memberships::last_order_at.ne(NEVER));
    }
    if let Some(window) = &filter.stage {
        query = super::customers::in_stage!(query, window);
    }
    if let Some(profile) = &filter.profile {
        query = query.filter(designations::profile.eq(word(&Profile::WORDS, profile)));
    }
    if let Some(rule) = &filter.rule {
        query = query.filter(designations::rule_code.eq(rule));
    }
    if let Some(assigned_to) = &filter.assigned_to {
        query = query.filter(designations::assigned_to.eq(assigned_to));
    }
    query = match sort {
        Sort::Id => page::seek_id!(query, designations::customer_id, is_descending, after),
        Sort::Name => page::seek_text!(
            query,
            customers::sort_name,
            customers::customer_id,
            is_descending,
            after
        ),
        Sort::Since => page::seek_text!(
            query,
            designations::since,
            designations::customer_id,
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
    };
    let rows = query
        .limit(limit)
        .select((DesignationRow::as_select(), CustomerRow::as_select(), MembershipRow::as_select()))
        .load(tx.conn)?;
    Ok(rows)
}
