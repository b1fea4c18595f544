//! Reports: each is one statement over sets of rows, and the same on both
//! databases.
//!
//! They are written as SQL, because most of what they need (`WITH`, windows,
//! counts of several things at once) is beyond diesel's own language. What the
//! texts keep to, so that one serves both databases:
//!
//! - Values are bound as `$1`, `$2` and so on; [`rows`] has SQLite know them by
//!   their numbers too.
//! - `CROSS JOIN` with the condition in `WHERE` has SQLite, which keeps no
//!   statistics here, read the tables in the order in which they are named; to
//!   PostgreSQL it is like any other join. The one condition that each has to
//!   be told in words of its own is [`not_erased`].
//! - Sums of amounts come in two parts, millions of minor units and the rest,
//!   which don't overflow; [`sum`] puts them together.
//! - Every column that is read as a number is cast, because PostgreSQL sums
//!   into other types than it stores.

mod counts;
mod credit;
mod lists;

pub use counts::{Spending, Voices, retention, satisfaction, spending, standings, vip_share};
pub use credit::{Balances, Movement, balances, movements};
pub use lists::{
    AnniversaryRow, Fit, HighValueRow, ReferrerRow, TierFitRow, anniversaries, high_value,
    list_referrers, tier_fit,
};

use super::page::Seek;
use super::{Conn, Tx};
use crate::domain::id::TierCode;
use crate::domain::program::Program;
use crate::domain::tier::Ladder;

/// Runs a statement with its values, in the order of their numbers.
macro_rules! rows {
    ($tx:expr, $row:ty, $sql:expr, $(($kind:ident, $value:expr)),+ $(,)?) => {{
        let sql = $crate::db::reports::numbered($tx, &$sql);
        $crate::db::on_either!($tx.conn, c => diesel::sql_query(sql)
            $(.bind::<diesel::sql_types::$kind, _>($value))+
            .load::<$row>(c))?
    }};
}
pub(super) use rows;

/// The statement with its values numbered as the database does it. No text in
/// a statement holds a dollar: there are only our own words and identifiers.
fn numbered(tx: &Tx<'_>, sql: &str) -> String {
    match tx.conn {
        Conn::Postgres(_) => sql.to_owned(),
        Conn::Sqlite(_) => sql.replace('$', "?"),
    }
}

/// A condition: the column names nobody who was erased.
///
/// PostgreSQL makes one join of it. To SQLite that would be a look-up for each
/// row; it makes a list of the erased first, which PostgreSQL would go through
/// for each row once the list is long.
fn not_erased(tx: &Tx<'_>, column: &str) -> String {
    let erased = "FROM customers e WHERE e.store_id = $1 AND e.erased_at IS NOT NULL";
    match tx.conn {
        Conn::Postgres(_) => format!("NOT EXISTS (SELECT 1 {erased} AND e.customer_id = {column})"),
        Conn::Sqlite(_) => format!("{column} NOT IN (SELECT e.customer_id {erased})"),
    }
}

/// A sum whose parts were added up apart.
fn sum(high: i64, low: i64) -> i128 {
    i128::from(high).saturating_mul(PART).saturating_add(low.into())
}

/// Both parts of an amount, as [`sum`] puts them together.
fn parts(amount: i64) -> (i64, i64) {
    (amount / 1_000_000, amount % 1_000_000)
}

/// How many minor units the higher part of a sum counts by: the `1000000` of the statements.
const PART: i128 = 1_000_000;

/// Before all identifiers, and after all of them, by their bytes.
const BEFORE_ALL: &str = "";
const AFTER_ALL: &str = "~";

/// Where a list begins that falls: after a place, or before all.
fn falling(after: Option<&Seek>) -> (i64, &str) {
    after.map_or((i64::MAX, AFTER_ALL), |seek| (seek.number, seek.id.as_str()))
}

/// Where a list begins that rises: after a place, or before all.
fn rising(after: Option<&Seek>) -> (i64, &str) {
    after.map_or((i64::MIN, BEFORE_ALL), |seek| (seek.number, seek.id.as_str()))
}

/// The place of a code in a list, from 1 on, as SQL over a column; 0 for any
/// other text, and where there is none.
///
/// The codes stand in the statement as they are. That is safe because the
/// types of the codes admit letters, digits and `. _ : -` alone, so that none
/// can end the quotes that it stands in.
fn place_of<'a>(column: &str, codes: impl Iterator<Item = (&'a str, usize)>) -> String {
    let cases: String = codes.map(|(code, place)| format!(" WHEN '{code}' THEN {place}")).collect();
    if cases.is_empty() { "0".to_owned() } else { format!("CASE {column}{cases} ELSE 0 END") }
}

/// The place in the ladder of the tier in a column: the higher, the better.
fn place_of_tier(column: &str, ladder: &Ladder) -> String {
    place_of(column, ladder.tiers().iter().map(|tier| tier.code.as_str()).zip(1..))
}

/// The place in the ladder of the tier that the rule in a column gives, if the
/// rule is in force.
fn place_of_rule(column: &str, program: &Program) -> String {
    let tiers = program.latest().ladder.tiers();
    let place = |code: &TierCode| {
        let found = tiers.iter().zip(1..).find(|(tier, _)| tier.code == *code);
        found.map(|(_, place)| place)
    };
    let rules = program.qualification.enabled();
    let places = rules.filter_map(|rule| {
        let tier = rule.grant.tier.as_ref()?;
        Some((rule.code.as_str(), place(tier)?))
    });
    place_of(column, places)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_found_by_code_and_nothing_is_found_by_none() {
        let codes = [("silver", 1), ("a.b_c:d-e", 2)];
        assert_eq!(
            place_of("d.tier", codes.into_iter()),
            "CASE d.tier WHEN 'silver' THEN 1 WHEN 'a.b_c:d-e' THEN 2 ELSE 0 END"
        );
        assert_eq!(place_of("d.tier", [].into_iter()), "0");
    }

    #[test]
    fn both_parts_of_an_amount_make_it_up() {
        for amount in [0, 1, 999_999, 1_000_000, 12_345_678, i64::MAX] {
            let (high, low) = parts(amount);
            assert_eq!(sum(high, low), i128::from(amount));
        }
        assert_eq!(sum(i64::MAX, i64::MAX), i128::from(i64::MAX) * 1_000_001);
    }
}
