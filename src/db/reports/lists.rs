//! Reports that list customers, page by page.

use super::{falling, not_erased, parts, place_of_rule, place_of_tier, rising, rows, sum};
use crate::db::page::Seek;
use crate::db::{Result, Tx, micros};
use crate::domain::id::StoreId;
use crate::domain::program::Program;
use crate::domain::report::span::{Month, Span};
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Nullable, Text};

/// The active VIPs with an anniversary or a birthday in the month `$2`, of at
/// most `$3` days, of the year `$4`. A row's place is twice the day, and one
/// more for an anniversary; the page begins after the place `$5` and the
/// customer `$6`. Nobody is erased and an active VIP.
const ANNIVERSARIES: &str = "
    SELECT a.place, a.customer_id, a.origin, c.name, c.email, c.preferred_channel,
        m.tier AS reached, d.tier AS given, d.assigned_to
    FROM (
        SELECT place, customer_id, origin FROM (
            SELECT d.customer_id, d.since AS origin, 1 + 2 * CASE
                WHEN CAST(substr(d.since, 9, 2) AS BIGINT) > $3 THEN $3
                ELSE CAST(substr(d.since, 9, 2) AS BIGINT)
            END AS place
            FROM designations d
            WHERE d.store_id = $1 AND d.state = 'active'
                AND substr(d.since, 6, 2) = $2 AND substr(d.since, 1, 4) < $4
            UNION ALL
            SELECT d.customer_id, c.birthday, 2 * CASE
                WHEN CAST(substr(c.birthday, 9, 2) AS BIGINT) > $3 THEN $3
                ELSE CAST(substr(c.birthday, 9, 2) AS BIGINT)
            END
            FROM designations d CROSS JOIN customers c
            WHERE d.store_id = $1 AND d.state = 'active'
                AND c.store_id = d.store_id AND c.customer_id = d.customer_id
                AND substr(c.birthday, 6, 2) = $2 AND substr(c.birthday, 1, 4) <= $4
        ) u
        WHERE place >= $5 AND (place > $5 OR customer_id > $6)
        ORDER BY place, customer_id
        LIMIT $7
    ) a
    CROSS JOIN designations d CROSS JOIN customers c CROSS JOIN memberships m
    WHERE d.store_id = $1 AND d.customer_id = a.customer_id
        AND c.store_id = $1 AND c.customer_id = a.customer_id
        AND m.store_id = $1 AND m.customer_id = a.customer_id
    ORDER BY a.place, a.customer_id";

/// A VIP's anniversary or birthday.
#[derive(Debug, Clone, PartialEq, QueryableByName)]
#[expect(missing_docs, reason = "the columns are the API's fields")]
pub struct AnniversaryRow {
    #[diesel(sql_type = BigInt)]
    place: i64,
    #[diesel(sql_type = Text)]
    pub customer_id: String,
    /// The date that comes round.
    #[diesel(sql_type = Text)]
    pub origin: String,
    #[diesel(sql_type = Nullable<Text>)]
    pub name: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    pub email: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    pub preferred_channel: Option<String>,
    /// The membership's tier.
    #[diesel(sql_type = Nullable<Text>)]
    pub reached: Option<String>,
    /// The designation's tier.
    #[diesel(sql_type = Nullable<Text>)]
    pub given: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    pub assigned_to: Option<String>,
}

impl AnniversaryRow {
    /// Whether it is a birthday, and not the day of becoming a VIP.
    pub fn is_birthday(&self) -> bool {
        self.place.checked_rem(2) == Some(0)
    }

    /// The place in the list.
    pub fn seek(&self) -> Seek {
        Seek::number(self.place, self.customer_id.clone())
    }
}

/// A page of the anniversaries and birthdays of active VIPs in a month, by day.
///
/// # Errors
/// [`crate::db::Error`] from the database.
pub fn anniversaries(
    tx: &mut Tx<'_>,
    store: &StoreId,
    month: Month,
    after: Option<&Seek>,
    limit: i64,
) -> Result<Vec<AnniversaryRow>> {
    let (place, customer) = rising(after);
    Ok(rows!(
        tx,
        AnniversaryRow,
        ANNIVERSARIES,
        (Text, store.as_str()),
        (Text, format!("{:02}", month.number())),
        (BigInt, i64::from(month.days())),
        (Text, format!("{:04}", month.year())),
        (BigInt, place),
        (Text, customer),
        (BigInt, limit),
    ))
}

/// A customer of high value who is no VIP.
#[derive(Debug, Clone, PartialEq, QueryableByName)]
#[expect(missing_docs, reason = "the columns are the API's fields")]
pub struct HighValueRow {
    #[diesel(sql_type = Text)]
    pub customer_id: String,
    #[diesel(sql_type = Nullable<Text>)]
    pub name: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    pub email: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    pub flag: Option<String>,
    #[diesel(sql_type = Nullable<BigInt>)]
    pub vip_until: Option<i64>,
    #[diesel(sql_type = Nullable<Text>)]
    pub tier: Option<String>,
    #[diesel(sql_type = BigInt)]
    pub lifetime_amount: i64,
    #[diesel(sql_type = BigInt)]
    pub lifetime_orders: i64,
    #[diesel(sql_type = BigInt)]
    pub joined_at: i64,
    #[diesel(sql_type = BigInt)]
    pub last_order_at: i64,
    /// The place in the ladder, from 1 on, of the highest tier that a rule
    /// gives which is met; 0 for none.
    #[diesel(sql_type = BigInt)]
    pub qualifies_for: i64,
    /// Whether a nomination waits, as a number.
    #[diesel(sql_type = BigInt)]
    pub nomination_waiting: i64,
}

impl HighValueRow {
    /// The place in the list.
    pub fn seek(&self) -> Seek {
        Seek::number(self.lifetime_amount, self.customer_id.clone())
    }
}

/// A page of the customers who have spent so much and are no VIPs, the highest
/// spending first.
///
/// # Errors
/// [`crate::db::Error`] from the database.
pub fn high_value(
    tx: &mut Tx<'_>,
    store: &StoreId,
    program: &Program,
    min_lifetime_amount: i64,
    after: Option<&Seek>,
    limit: i64,
) -> Result<Vec<HighValueRow>> {
    let given = place_of_rule("q.rule_code", program);
    let sql = format!(
        "SELECT p.customer_id, c.name, c.email, c.flag, c.vip_until, p.tier, p.lifetime_amount,
            p.lifetime_orders, p.joined_at, p.last_order_at,
            CAST(COALESCE((
                SELECT MAX({given}) FROM qualifications q
                WHERE q.store_id = $1 AND q.customer_id = p.customer_id
            ), 0) AS BIGINT) AS qualifies_for,
            CAST(CASE WHEN EXISTS (
                SELECT 1 FROM nominations n
                WHERE n.store_id = $1 AND n.customer_id = p.customer_id AND n.state = 'waiting'
            ) THEN 1 ELSE 0 END AS BIGINT) AS nomination_waiting
        FROM (
            SELECT m.customer_id, m.tier, m.lifetime_amount, m.lifetime_orders, m.joined_at,
                m.last_order_at
            FROM memberships m
            WHERE m.store_id = $1 AND m.lifetime_amount >= $2 AND m.lifetime_amount <= $3
                AND (m.lifetime_amount < $3 OR m.customer_id < $4)
                AND NOT EXISTS (
                    SELECT 1 FROM designations d
                    WHERE d.store_id = $1 AND d.customer_id = m.customer_id
                        AND d.state <> 'cancelled'
                )
                AND NOT EXISTS (
                    SELECT 1 FROM customers e
                    WHERE e.store_id = $1 AND e.customer_id = m.customer_id
                        AND e.erased_at IS NOT NULL
                )
            ORDER BY m.lifetime_amount DESC, m.customer_id DESC
            LIMIT $5
        ) p
        CROSS JOIN customers c
        WHERE c.store_id = $1 AND c.customer_id = p.customer_id
        ORDER BY p.lifetime_amount DESC, p.customer_id DESC"
    );
    let (amount, customer) = falling(after);
    Ok(rows!(
        tx,
        HighValueRow,
        sql,
        (Text, store.as_str()),
        (BigInt, min_lifetime_amount),
        (BigInt, amount),
        (Text, customer),
        (BigInt, limit),
    ))
}

/// How a designation's tier compares with the one that its customer qualifies for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fit {
    /// It ranks above.
    Above,
    /// It ranks below.
    Below,
}

/// A VIP whose tier is not the one that they qualify for.
#[derive(Debug, Clone, PartialEq, QueryableByName)]
#[expect(missing_docs, reason = "the columns are the API's fields")]
pub struct TierFitRow {
    #[diesel(sql_type = Text)]
    pub customer_id: String,
    #[diesel(sql_type = Nullable<Text>)]
    pub name: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    pub tier: Option<String>,
    /// The place in the ladder, from 1 on, of the tier that the customer
    /// qualifies for; 0 for none.
    #[diesel(sql_type = BigInt)]
    pub qualifies_for: i64,
    #[diesel(sql_type = Text)]
    pub since: String,
    #[diesel(sql_type = BigInt)]
    pub lifetime_amount: i64,
    /// Whether a rule or a tier made it, as a number.
    #[diesel(sql_type = BigInt)]
    pub is_automatic: i64,
    #[diesel(sql_type = Nullable<Text>)]
    pub assigned_to: Option<String>,
}

impl TierFitRow {
    /// The place in the list.
    pub fn seek(&self) -> Seek {
        Seek::text(String::new(), self.customer_id.clone())
    }
}

/// A page of the active VIPs whose tier ranks above or below the one that they
/// qualify for: the higher of the membership's and those of rules that are
/// met. No tier ranks below all.
///
/// # Errors
/// [`crate::db::Error`] from the database.
pub fn tier_fit(
    tx: &mut Tx<'_>,
    store: &StoreId,
    program: &Program,
    fit: Fit,
    after: Option<&Seek>,
    limit: i64,
) -> Result<Vec<TierFitRow>> {
    let ladder = &program.latest().ladder;
    let given = place_of_tier("d.tier", ladder);
    let reached = place_of_tier("m.tier", ladder);
    let ruled = place_of_rule("q.rule_code", program);
    let compared = match fit {
        Fit::Above => "f.given > f.reached AND f.given > f.ruled",
        Fit::Below => "(f.given < f.reached OR f.given < f.ruled)",
    };
    let sql = format!(
        "SELECT f.customer_id, c.name, f.tier,
            CAST(CASE WHEN f.reached > f.ruled THEN f.reached ELSE f.ruled END AS BIGINT)
                AS qualifies_for,
            f.since, f.lifetime_amount, f.is_automatic, f.assigned_to
        FROM (
            SELECT d.customer_id, d.tier, d.since, d.assigned_to, m.lifetime_amount,
                CAST(CASE WHEN d.is_automatic THEN 1 ELSE 0 END AS BIGINT) AS is_automatic,
                {given} AS given, {reached} AS reached,
                COALESCE((
                    SELECT MAX({ruled}) FROM qualifications q
                    WHERE q.store_id = $1 AND q.customer_id = d.customer_id
                ), 0) AS ruled
            FROM designations d CROSS JOIN memberships m
            WHERE d.store_id = $1 AND d.state = 'active' AND d.customer_id > $2
                AND m.store_id = d.store_id AND m.customer_id = d.customer_id
        ) f
        CROSS JOIN customers c
        WHERE c.store_id = $1 AND c.customer_id = f.customer_id AND c.erased_at IS NULL
            AND {compared}
        ORDER BY f.customer_id
        LIMIT $3"
    );
    let (_, customer) = rising(after);
    Ok(rows!(tx, TierFitRow, sql, (Text, store.as_str()), (Text, customer), (BigInt, limit),))
}

/// A customer who has referred others.
#[derive(Debug, Clone, PartialEq, QueryableByName)]
#[expect(missing_docs, reason = "the columns are the API's fields")]
pub struct ReferrerRow {
    #[diesel(sql_type = Text)]
    pub customer_id: String,
    #[diesel(sql_type = Nullable<Text>)]
    pub name: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    pub flag: Option<String>,
    #[diesel(sql_type = Nullable<BigInt>)]
    pub vip_until: Option<i64>,
    #[diesel(sql_type = BigInt)]
    pub referrals: i64,
    #[diesel(sql_type = BigInt)]
    high: i64,
    #[diesel(sql_type = BigInt)]
    low: i64,
}

impl ReferrerRow {
    /// What was spent by those whom this customer referred.
    pub fn spend(&self) -> i128 {
        sum(self.high, self.low)
    }
}

/// A page of those who referred somebody in a span, or whose referrals ordered
/// in it since they were referred; the highest spending first. A place in it is
/// the spending, in minor units, and the customer.
///
/// # Errors
/// [`crate::db::Error`] from the database.
pub fn list_referrers(
    tx: &mut Tx<'_>,
    store: &StoreId,
    span: &Span,
    after: Option<&Seek>,
    limit: i64,
) -> Result<Vec<ReferrerRow>> {
    let (amount, customer) = falling(after);
    let (high, low) = match after {
        Some(_) => parts(amount),
        // Above all sums, also of those that don't fit.
        None => (i64::MAX, 0),
    };
    // Of several referrals of one customer the earliest counts.
    let not_erased = not_erased(tx, "a.referred_id");
    let sql = format!(
        "WITH counting AS MATERIALIZED (
            SELECT a.customer_id, a.referred_id, a.occurred_at
            FROM activities a
            WHERE a.store_id = $1 AND a.referred_id IS NOT NULL
                AND NOT EXISTS (
                    SELECT 1 FROM activities b
                    WHERE b.store_id = $1 AND b.referred_id = a.referred_id
                        AND (b.occurred_at < a.occurred_at
                            OR (b.occurred_at = a.occurred_at AND b.activity_id < a.activity_id))
                )
                AND {not_erased}
        )
        SELECT t.customer_id, c.name, c.flag, c.vip_until, t.referrals, t.high, t.low
        FROM (
            SELECT customer_id, CAST(SUM(referrals) AS BIGINT) AS referrals,
                CAST(SUM(high) AS BIGINT) + CAST(SUM(low) AS BIGINT) / 1000000 AS high,
                CAST(SUM(low) AS BIGINT) % 1000000 AS low
            FROM (
                SELECT customer_id, 1 AS referrals, 0 AS high, 0 AS low FROM counting
                WHERE occurred_at >= $2 AND occurred_at < $3
                UNION ALL
                SELECT r.customer_id, 0, (o.total - o.refunded) / 1000000,
                    (o.total - o.refunded) % 1000000
                FROM counting r CROSS JOIN orders o
                WHERE o.store_id = $1 AND o.customer_id = r.referred_id
                    AND o.completed_at >= $2 AND o.completed_at < $3
                    AND o.completed_at >= r.occurred_at
            ) s
            GROUP BY customer_id
        ) t
        CROSS JOIN customers c
        WHERE (t.referrals > 0 OR t.high > 0 OR t.low > 0)
            AND c.store_id = $1 AND c.customer_id = t.customer_id AND c.erased_at IS NULL
            AND (t.high < $4
                OR (t.high = $4 AND (t.low < $5 OR (t.low = $5 AND t.customer_id < $6))))
        ORDER BY t.high DESC, t.low DESC, t.customer_id DESC
        LIMIT $7"
    );
    Ok(rows!(
        tx,
        ReferrerRow,
        sql,
        (Text, store.as_str()),
        (BigInt, micros(span.from_at)),
        (BigInt, micros(span.to_at)),
        (BigInt, high),
        (BigInt, low),
        (Text, customer),
        (BigInt, limit),
    ))
}
