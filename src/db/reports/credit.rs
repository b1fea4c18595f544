//! Reports of store credit and points.

use super::counts::group_of;
use super::{not_erased, rows, sum};
use crate::db::{Error, Result, Tx, micros, stored_word};
use crate::domain::designation::State;
use crate::domain::id::{StoreId, TierCode};
use crate::domain::ledger::Kind;
use crate::domain::report::span::Span;
use crate::domain::report::standing::Group;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Nullable, Text};

/// The parts that [`sum`] puts together, of the sum of a column.
fn sums(column: &str, name: &str) -> String {
    format!(
        "CAST(SUM({column} / 1000000) AS BIGINT) AS {name}_high,
        CAST(SUM({column} % 1000000) AS BIGINT) AS {name}_low"
    )
}

#[derive(QueryableByName)]
struct BalancesRow {
    #[diesel(sql_type = Nullable<Text>)]
    reached: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    given: Option<String>,
    #[diesel(sql_type = BigInt)]
    customers: i64,
    #[diesel(sql_type = BigInt)]
    credit_high: i64,
    #[diesel(sql_type = BigInt)]
    credit_low: i64,
    #[diesel(sql_type = BigInt)]
    credit_owed_high: i64,
    #[diesel(sql_type = BigInt)]
    credit_owed_low: i64,
    #[diesel(sql_type = BigInt)]
    points_high: i64,
    #[diesel(sql_type = BigInt)]
    points_low: i64,
    #[diesel(sql_type = BigInt)]
    points_owed_high: i64,
    #[diesel(sql_type = BigInt)]
    points_owed_low: i64,
}

/// Balances, those above zero and those below it added up apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Balances {
    /// The credit of those who have some.
    pub credit: i128,
    /// The credit that others owe.
    pub credit_owed: i128,
    /// The points of those who have some.
    pub points: i128,
    /// The points that others owe.
    pub points_owed: i128,
}

/// What customers have and owe who are not erased, by how they stand; who has
/// and owes nothing is left out.
///
/// # Errors
/// [`Error`] from the database.
pub fn balances(tx: &mut Tx<'_>, store: &StoreId) -> Result<Vec<(Group, Balances)>> {
    let above = |column: &str| format!("(CASE WHEN {column} > 0 THEN {column} ELSE 0 END)");
    let below = |column: &str| format!("(CASE WHEN {column} < 0 THEN {column} ELSE 0 END)");
    // A designation that is not active gives no tier, so that it is no matter here.
    let sql = format!(
        "SELECT m.tier AS reached, d.tier AS given, COUNT(*) AS customers, {}, {}, {}, {}
        FROM accounts a CROSS JOIN memberships m
        LEFT JOIN designations d ON d.store_id = m.store_id AND d.customer_id = m.customer_id
            AND d.state = 'active'
        WHERE a.store_id = $1 AND (a.credit <> 0 OR a.points <> 0)
            AND m.store_id = a.store_id AND m.customer_id = a.customer_id
            AND {}
        GROUP BY m.tier, d.tier",
        sums(&above("a.credit"), "credit"),
        sums(&below("a.credit"), "credit_owed"),
        sums(&above("a.points"), "points"),
        sums(&below("a.points"), "points_owed"),
        not_erased(tx, "a.customer_id"),
    );
    let rows = rows!(tx, BalancesRow, sql, (Text, store.as_str()));
    rows.iter()
        .map(|row| {
            let (reached, given) = (row.reached.as_deref(), row.given.as_deref());
            let group = group_of(reached, given, None, row.customers)?;
            let balances = Balances {
                credit: sum(row.credit_high, row.credit_low),
                credit_owed: sum(row.credit_owed_high, row.credit_owed_low).saturating_neg(),
                points: sum(row.points_high, row.points_low),
                points_owed: sum(row.points_owed_high, row.points_owed_low).saturating_neg(),
            };
            Ok((Group { state: Some(State::Active), ..group }, balances))
        })
        .collect()
}

#[derive(QueryableByName)]
struct MovementRow {
    #[diesel(sql_type = Text)]
    month: String,
    #[diesel(sql_type = Nullable<Text>)]
    tier: Option<String>,
    #[diesel(sql_type = Text)]
    kind: String,
    #[diesel(sql_type = BigInt)]
    credit_high: i64,
    #[diesel(sql_type = BigInt)]
    credit_low: i64,
    #[diesel(sql_type = BigInt)]
    points_high: i64,
    #[diesel(sql_type = BigInt)]
    points_low: i64,
}

/// What the entries of one kind have moved, of a month and a tier.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Movement {
    /// The month, such as `2026-11`.
    pub month: String,
    /// The tier that the entries name.
    pub tier: Option<TierCode>,
    /// What they do.
    pub kind: Kind,
    /// The credit that they move, with its sign.
    pub credit: i128,
    /// The points that they move, with their sign.
    pub points: i128,
}

/// What entries of the ledger have moved in months, of which there is one at
/// least, in no order.
///
/// # Errors
/// [`Error`] from the database.
pub fn movements(tx: &mut Tx<'_>, store: &StoreId, months: &[Span]) -> Result<Vec<Movement>> {
    // The months stand in the statement as they are: they are our own figures.
    let month = |month: &Span| {
        let (from_at, to_at) = (micros(month.from_at), micros(month.to_at));
        format!("('{}', {from_at}, {to_at})", month.from.format("%Y-%m"))
    };
    let months: Vec<String> = months.iter().map(month).collect();
    let sql = format!(
        "WITH months (month, from_at, to_at) AS (VALUES {})
        SELECT s.month, e.tier, e.kind, {}, {}
        FROM months s CROSS JOIN ledger_entries e
        WHERE e.store_id = $1 AND e.occurred_at >= s.from_at AND e.occurred_at < s.to_at
        GROUP BY s.month, e.tier, e.kind",
        months.join(", "),
        sums("e.credit", "credit"),
        sums("e.points", "points"),
    );
    let rows = rows!(tx, MovementRow, sql, (Text, store.as_str()));
    let tier =
        |code: &str| TierCode::parse(code).map_err(|_| Error::Corrupt(format!("tier {code:?}")));
    rows.into_iter()
        .map(|row| {
            Ok(Movement {
                tier: row.tier.as_deref().map(tier).transpose()?,
                kind: stored_word(&Kind::WORDS, &row.kind)?,
                credit: sum(row.credit_high, row.credit_low),
                points: sum(row.points_high, row.points_low),
                month: row.month,
            })
        })
        .collect()
}
