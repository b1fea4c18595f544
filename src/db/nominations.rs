//! Nominations: customers who were put forward.

use super::designations::{codes_json, parse_codes};
use super::page::{self, Seek};
use super::rules::{findings_json, parse_findings};
use super::schema::{customers, nominations, qualifications};
use super::{Error, Result, Tx, locked_row, maybe_instant, micros, stored_word};
use crate::domain::Instant;
use crate::domain::designation::{Grant, Priority, Profile};
use crate::domain::id::{CustomerId, RuleCode, StoreId, TierCode};
use crate::domain::nomination::{Origin, Past, Source, State};
use crate::domain::qualification::Finding;
use crate::domain::words::word;
use diesel::prelude::*;

/// A stored nomination. What erasure clears: `assigned_to`, `note`,
/// `decision_note`, and `findings`, which name tags.
#[derive(Debug, Clone, PartialEq, Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = nominations, treat_none_as_null = true, treat_none_as_default_value = false)]
#[expect(missing_docs, reason = "the columns are the API's fields")]
pub struct NominationRow {
    pub store_id: String,
    pub nomination_id: String,
    pub customer_id: String,
    pub state: String,
    pub source: String,
    pub rule_code: Option<String>,
    pub tier: Option<String>,
    pub benefits: String,
    pub profile: Option<String>,
    pub priority: Option<String>,
    pub assigned_to: Option<String>,
    pub findings: String,
    pub note: Option<String>,
    pub nominated_at: i64,
    pub nominated_by: Option<String>,
    pub decided_at: Option<i64>,
    pub decided_by: Option<String>,
    pub decision_note: Option<String>,
}

/// What somebody or a rule proposes.
#[derive(Debug, Clone, PartialEq)]
pub struct Proposal<'a> {
    /// Who puts the customer forward.
    pub origin: &'a Origin,
    /// What the customer is to have.
    pub grant: &'a Grant,
    /// What the rule found.
    pub findings: &'a [Finding],
    /// Why, as a person put it.
    pub note: Option<&'a str>,
    /// Which person.
    pub by: Option<&'a str>,
}

impl NominationRow {
    /// A nomination that waits.
    ///
    /// # Errors
    /// [`Error::Failed`] where a list can't be written as JSON.
    pub fn new(
        store: &StoreId,
        customer: &CustomerId,
        proposal: &Proposal<'_>,
        now: Instant,
    ) -> Result<Self> {
        let grant = proposal.grant;
        let rule = match proposal.origin {
            Origin::Rule(rule) => Some(rule.to_string()),
            Origin::Tier(_) | Origin::Person => None,
        };
        Ok(Self {
            store_id: store.to_string(),
            nomination_id: uuid::Uuid::now_v7().to_string(),
            customer_id: customer.to_string(),
            state: word(&State::WORDS, &State::Waiting).to_owned(),
            source: word(&Source::WORDS, &proposal.origin.source()).to_owned(),
            rule_code: rule,
            tier: grant.tier.as_ref().map(ToString::to_string),
            benefits: codes_json(&grant.benefits)?,
            profile: grant.profile.map(|p| word(&Profile::WORDS, &p).to_owned()),
            priority: grant.priority.map(|p| word(&Priority::WORDS, &p).to_owned()),
            assigned_to: grant.assigned_to.clone(),
            findings: findings_json(proposal.findings)?,
            note: proposal.note.map(str::to_owned),
            nominated_at: micros(now),
            nominated_by: proposal.by.map(str::to_owned),
            decided_at: None,
            decided_by: None,
            decision_note: None,
        })
    }

    /// Its version: it changes once, when it is decided.
    pub fn version(&self) -> i64 {
        if self.decided_at.is_some() { 2 } else { 1 }
    }

    /// Where it stands.
    ///
    /// # Errors
    /// [`Error::Corrupt`] for an unknown word.
    pub fn state(&self) -> Result<State> {
        stored_word(&State::WORDS, &self.state)
    }

    /// The rule that put the customer forward, if one did.
    ///
    /// # Errors
    /// [`Error::Corrupt`] where the column holds no code.
    pub fn rule(&self) -> Result<Option<RuleCode>> {
        let rule = self.rule_code.as_deref().map(RuleCode::parse).transpose();
        rule.map_err(|_| Error::Corrupt("a nomination's rule".to_owned()))
    }

    /// What the customer is to have.
    ///
    /// # Errors
    /// [`Error::Corrupt`] where a column makes no sense.
    pub fn grant(&self) -> Result<Grant> {
        let tier = self.tier.as_deref().map(TierCode::parse).transpose();
        let profile = self.profile.as_deref().map(|p| stored_word(&Profile::WORDS, p));
        let priority = self.priority.as_deref().map(|p| stored_word(&Priority::WORDS, p));
        Ok(Grant {
            tier: tier.map_err(|_| Error::Corrupt("a nomination's tier".to_owned()))?,
            benefits: parse_codes(&self.benefits)?,
            priority: priority.transpose()?,
            assigned_to: self.assigned_to.clone(),
            profile: profile.transpose()?,
        })
    }

    /// What the rule found.
    ///
    /// # Errors
    /// [`Error::Corrupt`] where the column makes no sense.
    pub fn findings(&self) -> Result<Vec<Finding>> {
        parse_findings(&self.findings)
    }

    /// The place in the list.
    pub fn seek(&self) -> Seek {
        Seek::number(self.nominated_at, self.nomination_id.clone())
    }
}

/// A nomination, held so that no other transaction decides it meanwhile.
///
/// # Errors
/// [`Error`] from the database.
pub fn find_locked(tx: &mut Tx<'_>, store: &StoreId, id: &str) -> Result<Option<NominationRow>> {
    use nominations::all_columns;
    let query = nominations::table.find((store.as_str(), id)).select(all_columns);
    Ok(locked_row!(tx.conn, for_update, query)?)
}

/// Whose nomination it is.
///
/// # Errors
/// [`Error`] from the database.
pub fn customer_of(tx: &mut Tx<'_>, store: &StoreId, id: &str) -> Result<Option<String>> {
    Ok(nominations::table
        .find((store.as_str(), id))
        .select(nominations::customer_id)
        .get_result(tx.conn)
        .optional()?)
}

/// Stores a new nomination.
///
/// # Errors
/// [`Error`] from the database.
pub fn insert(tx: &mut Tx<'_>, row: &NominationRow) -> Result<()> {
    diesel::insert_into(nominations::table).values(row).execute(tx.conn)?;
    Ok(())
}

/// Stores what has changed of a nomination.
///
/// # Errors
/// [`Error`] from the database.
pub fn update(tx: &mut Tx<'_>, row: &NominationRow) -> Result<()> {
    diesel::update(nominations::table.find((row.store_id.as_str(), row.nomination_id.as_str())))
        .set(row)
        .execute(tx.conn)?;
    Ok(())
}

/// What became of earlier nominations of a customer by one origin.
///
/// # Errors
/// [`Error`] from the database.
pub fn past(
    tx: &mut Tx<'_>,
    store: &StoreId,
    customer: &CustomerId,
    origin: &Origin,
) -> Result<Past> {
    let mut query = nominations::table
        .filter(nominations::store_id.eq(store.as_str()))
        .filter(nominations::customer_id.eq(customer.as_str()))
        .filter(nominations::source.eq(word(&Source::WORDS, &origin.source())))
        .into_boxed();
    query = match origin {
        Origin::Rule(rule) => query.filter(nominations::rule_code.eq(rule.as_str())),
        Origin::Tier(tier) => query.filter(nominations::tier.eq(tier.as_str())),
        Origin::Person => query,
    };
    // The order has SQLite find them by the customer.
    let rows: Vec<(String, Option<i64>)> = query
        .order((nominations::nominated_at, nominations::nomination_id))
        .select((nominations::state, nominations::decided_at))
        .load(tx.conn)?;
    let mut past = Past::default();
    for (state, decided_at) in rows {
        match stored_word(&State::WORDS, &state)? {
            State::Waiting => past.is_waiting = true,
            State::Declined => past.declined_at = past.declined_at.max(maybe_instant(decided_at)?),
            State::Approved => {}
        }
    }
    Ok(past)
}

/// The nominations of a customer that wait.
///
/// # Errors
/// [`Error`] from the database.
pub fn list_waiting(
    tx: &mut Tx<'_>,
    store: &StoreId,
    customer: &CustomerId,
) -> Result<Vec<NominationRow>> {
    Ok(nominations::table
        .filter(nominations::store_id.eq(store.as_str()))
        .filter(nominations::customer_id.eq(customer.as_str()))
        .filter(nominations::state.eq(word(&State::WORDS, &State::Waiting)))
        .order((nominations::nominated_at, nominations::nomination_id))
        .select(NominationRow::as_select())
        .load(tx.conn)?)
}

/// How many nominations by a rule wait.
///
/// # Errors
/// [`Error`] from the database.
pub fn count_waiting_of_rule(tx: &mut Tx<'_>, store: &StoreId, rule: &RuleCode) -> Result<i64> {
    Ok(nominations::table
        .filter(nominations::store_id.eq(store.as_str()))
        .filter(nominations::rule_code.eq(rule.as_str()))
        .filter(nominations::state.eq(word(&State::WORDS, &State::Waiting)))
        .count()
        .get_result(tx.conn)?)
}

/// Clears what people wrote about a customer.
///
/// # Errors
/// [`Error`] from the database.
pub fn delete_notes(tx: &mut Tx<'_>, store: &StoreId, customer: &CustomerId) -> Result<()> {
    diesel::update(
        nominations::table
            .filter(nominations::store_id.eq(store.as_str()))
            // Equality would have SQLite read all of the store's.
            .filter(nominations::customer_id.between(customer.as_str(), customer.as_str())),
    )
    .set((
        nominations::findings.eq("[]"),
        nominations::assigned_to.eq(None::<String>),
        nominations::note.eq(None::<String>),
        nominations::decision_note.eq(None::<String>),
    ))
    .execute(tx.conn)?;
    Ok(())
}

/// What the list is narrowed down to.
#[derive(Debug, Clone, Default)]
#[expect(missing_docs, reason = "the fields are the API's filters")]
pub struct Filter {
    pub nomination_id: Option<String>,
    pub state: Option<State>,
    pub source: Option<Source>,
    pub rule: Option<String>,
    pub customer_id: Option<String>,
}

/// A nomination in a list.
#[derive(Debug, Clone, PartialEq, Queryable)]
pub struct Listed {
    /// The nomination.
    pub nomination: NominationRow,
    /// The customer's name.
    pub name: Option<String>,
    /// Since when the rule is met, if it is.
    pub met_since: Option<i64>,
}

/// A page of nominations, newest first; those of erased customers are left out.
///
/// # Errors
/// [`Error`] from the database.
pub fn list(
    tx: &mut Tx<'_>,
    store: &StoreId,
    filter: &Filter,
    after: Option<&Seek>,
    limit: i64,
) -> Result<Vec<Listed>> {
    let mut query = nominations::table
        .inner_join(
            customers::table.on(customers::store_id
                .eq(nominations::store_id)
                .and(customers::customer_id.eq(nominations::customer_id))),
        )
        .left_join(
            qualifications::table.on(qualifications::store_id
                .eq(nominations::store_id)
                .and(qualifications::customer_id.eq(nominations::customer_id))
                .and(qualifications::rule_code.nullable().eq(nominations::rule_code))),
        )
        .filter(nominations::store_id.eq(store.as_str()))
        .filter(customers::erased_at.is_null())
        .into_boxed();
    if let Some(id) = &filter.nomination_id {
        query = query.filter(nominations::nomination_id.eq(id));
    }
    if let Some(state) = &filter.state {
        query = query.filter(nominations::state.eq(word(&State::WORDS, state)));
    }
    if let Some(source) = &filter.source {
        query = query.filter(nominations::source.eq(word(&Source::WORDS, source)));
    }
    if let Some(rule) = &filter.rule {
        query = query.filter(nominations::rule_code.eq(rule));
    }
    if let Some(customer) = &filter.customer_id {
        query = query.filter(nominations::customer_id.eq(customer));
    }
    let query = page::seek_number!(
        query,
        nominations::nominated_at,
        nominations::nomination_id,
        true,
        after
    );
    let rows = query
        .limit(limit)
        .select((NominationRow::as_select(), customers::name, qualifications::met_since.nullable()))
        .load(tx.conn)?;
    Ok(rows)
}
