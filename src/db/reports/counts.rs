//! Reports that count and add up.

use super::{not_erased, rows, sum};
use crate::db::{Error, Result, Tx, micros, stored_word};
use crate::domain::Instant;
use crate::domain::designation::State;
use crate::domain::id::{StoreId, TierCode};
use crate::domain::report::advice::Retention;
use crate::domain::report::span::Span;
use crate::domain::report::spend::{Cut, TOP_PERCENTS};
use crate::domain::report::standing::Group;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Nullable, Text};

/// How many customers there are, counted from an index, and how many of them
/// are VIPs; the designation of who was erased has ended.
const SHARE: &str = "
    SELECT
        (SELECT COUNT(*) FROM customers WHERE store_id = $1)
            - (SELECT COUNT(*) FROM customers WHERE store_id = $1 AND erased_at IS NOT NULL)
            AS customers,
        (SELECT COUNT(*) FROM designations WHERE store_id = $1 AND state = 'active') AS vips";

#[derive(QueryableByName)]
struct ShareRow {
    #[diesel(sql_type = BigInt)]
    customers: i64,
    #[diesel(sql_type = BigInt)]
    vips: i64,
}

/// How many customers there are, and how many of them are VIPs.
///
/// # Errors
/// [`Error`] from the database.
pub fn vip_share(tx: &mut Tx<'_>, store: &StoreId) -> Result<(i64, i64)> {
    let rows = rows!(tx, ShareRow, SHARE, (Text, store.as_str()));
    Ok(rows.first().map_or((0, 0), |row| (row.customers, row.vips)))
}

/// Those who are or were VIPs, by their tiers and states.
const DESIGNATED: &str = "
    designated AS MATERIALIZED (
        SELECT m.tier AS reached, d.tier AS given, d.state AS state, COUNT(*) AS customers
        FROM designations d CROSS JOIN memberships m
        WHERE d.store_id = $1 AND m.store_id = d.store_id AND m.customer_id = d.customer_id
        GROUP BY m.tier, d.tier, d.state
    )";

/// How all customers stand, as groups that add up: everybody as if they had
/// never been VIPs, from an index; then those who were, once as they are and
/// once off the first; and off both, who was erased.
const STANDINGS: &str = "
    SELECT m.tier AS reached, CAST(NULL AS TEXT) AS given, CAST(NULL AS TEXT) AS state,
        COUNT(*) AS customers
    FROM memberships m WHERE m.store_id = $1 GROUP BY m.tier
    UNION ALL
    SELECT reached, given, state, customers FROM designated
    UNION ALL
    SELECT reached, NULL, NULL, -customers FROM designated
    UNION ALL
    SELECT m.tier, d.tier, d.state, -COUNT(*)
    FROM customers e CROSS JOIN memberships m
    LEFT JOIN designations d ON d.store_id = m.store_id AND d.customer_id = m.customer_id
    WHERE e.store_id = $1 AND e.erased_at IS NOT NULL
        AND m.store_id = e.store_id AND m.customer_id = e.customer_id
    GROUP BY m.tier, d.tier, d.state";

#[derive(QueryableByName)]
struct StandingRow {
    #[diesel(sql_type = Nullable<Text>)]
    reached: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    given: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    state: Option<String>,
    #[diesel(sql_type = BigInt)]
    customers: i64,
}

/// So many customers, by stored texts of how they stand.
pub(super) fn group_of(
    reached: Option<&str>,
    given: Option<&str>,
    state: Option<&str>,
    customers: i64,
) -> Result<Group> {
    let tier =
        |code: &str| TierCode::parse(code).map_err(|_| Error::Corrupt(format!("tier {code:?}")));
    Ok(Group {
        reached: reached.map(tier).transpose()?,
        given: given.map(tier).transpose()?,
        state: state.map(|word| stored_word(&State::WORDS, word)).transpose()?,
        customers,
    })
}

/// How the customers stand who are not erased, as groups that add up.
///
/// # Errors
/// [`Error`] from the database.
pub fn standings(tx: &mut Tx<'_>, store: &StoreId) -> Result<Vec<Group>> {
    let sql = format!("WITH {DESIGNATED} {STANDINGS}");
    let rows = rows!(tx, StandingRow, sql, (Text, store.as_str()));
    rows.iter()
        .map(|row| {
            let (reached, given) = (row.reached.as_deref(), row.given.as_deref());
            group_of(reached, given, row.state.as_deref(), row.customers)
        })
        .collect()
}

/// The VIPs at `$2`: whether they still are at `$3`, whether they completed an
/// order in the span from `$4` to `$5`, and whether they were at risk when it
/// began: `$6` or earlier was the last order.
const RETENTION: &str = "
    SELECT v.kept, v.ordered, v.at_risk, COUNT(*) AS customers FROM (
        SELECT
            CAST(CASE WHEN EXISTS (
                SELECT 1 FROM designation_spans k
                WHERE k.store_id = $1 AND k.customer_id = s.customer_id
                    AND k.from_at <= $3 AND (k.until_at IS NULL OR k.until_at > $3)
            ) THEN 1 ELSE 0 END AS BIGINT) AS kept,
            CAST(CASE WHEN EXISTS (
                SELECT 1 FROM orders o
                WHERE o.store_id = $1 AND o.customer_id = s.customer_id
                    AND o.completed_at >= $4 AND o.completed_at < $5
            ) THEN 1 ELSE 0 END AS BIGINT) AS ordered,
            CAST(CASE
                WHEN c.subscription_state = 'cancelled' AND c.subscription_cancelled_at <= $4
                    THEN 1
                WHEN (
                    SELECT MAX(o.completed_at) FROM orders o
                    WHERE o.store_id = $1 AND o.customer_id = s.customer_id
                        AND o.completed_at < $4
                ) <= $6 THEN 1
                ELSE 0
            END AS BIGINT) AS at_risk
        FROM designation_spans s CROSS JOIN customers c
        WHERE s.store_id = $1 AND s.from_at <= $2 AND (s.until_at IS NULL OR s.until_at > $2)
            AND c.store_id = s.store_id AND c.customer_id = s.customer_id
            AND c.erased_at IS NULL
    ) v
    GROUP BY v.kept, v.ordered, v.at_risk";

#[derive(QueryableByName)]
struct RetentionRow {
    #[diesel(sql_type = BigInt)]
    kept: i64,
    #[diesel(sql_type = BigInt)]
    ordered: i64,
    #[diesel(sql_type = BigInt)]
    at_risk: i64,
    #[diesel(sql_type = BigInt)]
    customers: i64,
}

/// What became of the VIPs in a span, and of those among them who were at risk
/// when it began: whose last order was then at or before `idle_since`, or
/// whose subscription was cancelled. Nobody knows of the time after `now`.
///
/// # Errors
/// [`Error`] from the database.
pub fn retention(
    tx: &mut Tx<'_>,
    store: &StoreId,
    span: &Span,
    idle_since: Instant,
    now: Instant,
) -> Result<(Retention, Retention)> {
    let rows = rows!(
        tx,
        RetentionRow,
        RETENTION,
        (Text, store.as_str()),
        (BigInt, micros(span.from_at.min(now))),
        (BigInt, micros(span.to_at.min(now))),
        (BigInt, micros(span.from_at)),
        (BigInt, micros(span.to_at)),
        (BigInt, micros(idle_since)),
    );
    let (mut vips, mut at_risk) = (Retention::default(), Retention::default());
    for row in rows {
        let (is_kept, has_ordered) = (row.kept > 0, row.ordered > 0);
        vips.add(row.customers, is_kept, has_ordered);
        if row.at_risk > 0 {
            at_risk.add(row.customers, is_kept, has_ordered);
        }
    }
    Ok((vips, at_risk))
}

#[derive(QueryableByName)]
struct SatisfactionRow {
    #[diesel(embed)]
    standing: StandingRow,
    #[diesel(embed)]
    voices: Voices,
}

/// What customers said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, QueryableByName)]
pub struct Voices {
    /// Surveys that were answered.
    #[diesel(sql_type = BigInt)]
    pub surveys: i64,
    /// Their scores, added up.
    #[diesel(sql_type = BigInt)]
    pub scores: i64,
    /// Surveys with a score of 2 or less.
    #[diesel(sql_type = BigInt)]
    pub unsatisfied: i64,
    /// Complaints.
    #[diesel(sql_type = BigInt)]
    pub complaints: i64,
    /// Complaints that all could read.
    #[diesel(sql_type = BigInt)]
    pub public_complaints: i64,
    /// Complaints that are not resolved, of whatever time.
    #[diesel(sql_type = BigInt)]
    pub open_complaints: i64,
}

/// What customers said in a span, and of what they still wait for an answer, by
/// how they stand, as groups that add up; and how many customers there are.
///
/// # Errors
/// [`Error`] from the database.
pub fn satisfaction(tx: &mut Tx<'_>, store: &StoreId, span: &Span) -> Result<Vec<(Group, Voices)>> {
    // An index has all that was said in the order of the customers, who lie so
    // in the other tables too.
    let not_erased = not_erased(tx, "a.customer_id");
    let sql = format!(
        "WITH {DESIGNATED}, standings AS ({STANDINGS})
        SELECT reached, given, state, customers, 0 AS surveys, 0 AS scores, 0 AS unsatisfied,
            0 AS complaints, 0 AS public_complaints, 0 AS open_complaints
        FROM standings
        UNION ALL
        SELECT m.tier, d.tier, d.state, 0,
            CAST(SUM(a.surveys) AS BIGINT), CAST(SUM(a.scores) AS BIGINT),
            CAST(SUM(a.unsatisfied) AS BIGINT), CAST(SUM(a.complaints) AS BIGINT),
            CAST(SUM(a.public_complaints) AS BIGINT), CAST(SUM(a.open_complaints) AS BIGINT)
        FROM (
            SELECT customer_id, 1 AS surveys, score AS scores,
                CASE WHEN score <= 2 THEN 1 ELSE 0 END AS unsatisfied,
                0 AS complaints, 0 AS public_complaints, 0 AS open_complaints
            FROM activities
            WHERE store_id = $1 AND kind = 'survey' AND occurred_at >= $2 AND occurred_at < $3
            UNION ALL
            SELECT customer_id, 0, 0, 0,
                CASE WHEN occurred_at >= $2 AND occurred_at < $3 THEN 1 ELSE 0 END,
                CASE WHEN is_public AND occurred_at >= $2 AND occurred_at < $3 THEN 1 ELSE 0 END,
                CASE WHEN resolved_at IS NULL THEN 1 ELSE 0 END
            FROM activities
            WHERE store_id = $1 AND kind = 'complaint'
                AND (resolved_at IS NULL OR (occurred_at >= $2 AND occurred_at < $3))
        ) a
        CROSS JOIN memberships m
        LEFT JOIN designations d ON d.store_id = m.store_id AND d.customer_id = m.customer_id
        WHERE m.store_id = $1 AND m.customer_id = a.customer_id
            AND {not_erased}
        GROUP BY m.tier, d.tier, d.state"
    );
    let rows = rows!(
        tx,
        SatisfactionRow,
        sql,
        (Text, store.as_str()),
        (BigInt, micros(span.from_at)),
        (BigInt, micros(span.to_at)),
    );
    rows.iter()
        .map(|row| {
            let standing = &row.standing;
            let (reached, given) = (standing.reached.as_deref(), standing.given.as_deref());
            let group = group_of(reached, given, standing.state.as_deref(), standing.customers)?;
            Ok((group, row.voices))
        })
        .collect()
}

/// The spending of all customers (a share of 0 %), and where the top `$2`, `$3`
/// and `$4` percent of them are cut off. How many a share is, is said by
/// `domain::report::spend::top_count` too.
const SPENDING: &str = "
    counted AS MATERIALIZED (
        SELECT (SELECT COUNT(*) FROM customers WHERE store_id = $1)
            - (SELECT COUNT(*) FROM customers WHERE store_id = $1 AND erased_at IS NOT NULL)
            AS customers
    ),
    shares AS MATERIALIZED (
        SELECT p.percent, CASE
            WHEN p.percent = 0 OR c.customers = 0 THEN 0
            WHEN c.customers * p.percent / 100 < 1 THEN 1
            ELSE c.customers * p.percent / 100
        END AS place
        FROM counted c CROSS JOIN (
            SELECT 0 AS percent
            UNION ALL SELECT $2 UNION ALL SELECT $3 UNION ALL SELECT $4
        ) p
    ),
    ranked AS (
        SELECT amount, ROW_NUMBER() OVER (ORDER BY amount DESC) AS place FROM spent
    ),
    cuts AS MATERIALIZED (
        SELECT s.percent, COALESCE(r.amount, 0) AS threshold
        FROM shares s LEFT JOIN ranked r ON r.place = s.place
    )
    SELECT CAST(t.percent AS BIGINT) AS percent,
        (SELECT customers FROM counted) AS customers,
        t.threshold,
        COUNT(CASE WHEN s.amount > t.threshold THEN 1 END) AS above,
        COUNT(s.amount) AS at_or_above,
        CAST(COALESCE(SUM(CASE WHEN s.amount > t.threshold THEN s.amount / 1000000 END), 0)
            AS BIGINT) AS high,
        CAST(COALESCE(SUM(CASE WHEN s.amount > t.threshold THEN s.amount % 1000000 END), 0)
            AS BIGINT) AS low
    FROM cuts t LEFT JOIN spent s ON s.amount >= t.threshold
    GROUP BY t.percent, t.threshold
    ORDER BY t.percent";

#[derive(QueryableByName)]
struct CutRow {
    #[diesel(sql_type = BigInt)]
    percent: i64,
    #[diesel(sql_type = BigInt)]
    customers: i64,
    #[diesel(sql_type = BigInt)]
    threshold: i64,
    #[diesel(sql_type = BigInt)]
    above: i64,
    #[diesel(sql_type = BigInt)]
    at_or_above: i64,
    #[diesel(sql_type = BigInt)]
    high: i64,
    #[diesel(sql_type = BigInt)]
    low: i64,
}

/// What customers have spent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spending {
    /// How many customers there are.
    pub customers: i64,
    /// What all of them have spent.
    pub total: i128,
    /// Where the top shares are cut off, by their percentages.
    pub cuts: Vec<(i64, Cut)>,
}

/// What the customers have spent who are not erased, less refunds: on orders
/// completed in a span, or ever.
///
/// # Errors
/// [`Error`] from the database.
pub fn spending(tx: &mut Tx<'_>, store: &StoreId, span: Option<&Span>) -> Result<Spending> {
    // What each customer has spent, from an index. In a span it fits, since
    // what they ever spent does.
    let spent = match span {
        None => format!(
            "SELECT m.lifetime_amount AS amount
            FROM memberships m
            WHERE m.store_id = $1 AND m.lifetime_amount > 0 AND {}",
            not_erased(tx, "m.customer_id")
        ),
        Some(_) => format!(
            "SELECT CAST(SUM(o.total - o.refunded) AS BIGINT) AS amount
            FROM orders o
            WHERE o.store_id = $1 AND o.completed_at >= $5 AND o.completed_at < $6 AND {}
            GROUP BY o.customer_id",
            not_erased(tx, "o.customer_id")
        ),
    };
    let sql = format!("WITH spent AS MATERIALIZED ({spent}), {SPENDING}");
    let [first, second, third] = TOP_PERCENTS;
    let rows = match span {
        None => rows!(
            tx,
            CutRow,
            sql,
            (Text, store.as_str()),
            (BigInt, first),
            (BigInt, second),
            (BigInt, third),
        ),
        Some(span) => rows!(
            tx,
            CutRow,
            sql,
            (Text, store.as_str()),
            (BigInt, first),
            (BigInt, second),
            (BigInt, third),
            (BigInt, micros(span.from_at)),
            (BigInt, micros(span.to_at)),
        ),
    };
    let mut spending = Spending { customers: 0, total: 0, cuts: Vec::new() };
    for row in rows {
        spending.customers = row.customers;
        if row.percent == 0 {
            spending.total = sum(row.high, row.low);
            continue;
        }
        let cut = Cut {
            threshold: row.threshold,
            above: row.above,
            spend_above: sum(row.high, row.low),
            at_or_above: row.at_or_above,
        };
        spending.cuts.push((row.percent, cut));
    }
    Ok(spending)
}
