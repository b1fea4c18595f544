//! How long the reports take with a million customers: run by `.ci/nightly`,
//! since filling the tables takes minutes.

use crate::support::*;
use accolade::api::auth::Role;
use diesel::connection::SimpleConnection;
use diesel::{Connection, PgConnection, SqliteConnection};
use serde_json::json;
use std::time::{Duration, Instant};

const CUSTOMERS: i64 = 1_000_000;
/// Longer than any report takes on a small machine; what is measured is printed.
const LIMIT: Duration = Duration::from_secs(30);

/// Fills the tables: a million customers with three million orders in the last
/// three years, every twelfth a VIP, what they said, and their store credit. The same SQL for both
/// databases, and the same figures each time.
fn fill(now_micros: i64) -> Vec<String> {
    let day = 86_400_000_000_i64;
    let numbers = format!(
        "WITH RECURSIVE n(i) AS (SELECT CAST(1 AS BIGINT) UNION ALL SELECT i + 1 FROM n WHERE i < {CUSTOMERS})"
    );
    let two = |e: &str| format!("CASE WHEN {e} < 10 THEN '0' ELSE '' END || {e}");
    let birthday = format!(
        "'19' || (50 + i % 50) || '-' || {} || '-' || {}",
        two("(1 + i % 12)"),
        two("(1 + i % 28)")
    );
    let since = format!("'202' || (i % 6) || '-' || {} || '-15'", two("(1 + i % 12)"));
    let spend = "(i * 7919 % 300000)";
    let tier =
        format!("CASE WHEN {spend} >= 250000 THEN 'gold' WHEN {spend} >= 100000 THEN 'silver' END");
    let joined = format!("({now_micros} - (i % 1500) * {day})");
    let last = format!("({now_micros} - (i % 400) * {day})");
    vec![
        format!(
            "INSERT INTO customers (store_id, customer_id, version, name, email, birthday, tags, print_vip_icon,
                created_at, updated_at, sort_name, search_text, vip_until, status, cancellations)
             {numbers} SELECT 'shop', 'c' || i, 1, 'Customer ' || i, 'c' || i || '@example.com', {birthday}, '[]', TRUE,
                {joined}, {joined}, 'customer ' || i, 'customer ' || i, CASE WHEN i % 12 = 0 THEN {max} END,
                CASE WHEN i % 12 = 0 THEN 1 ELSE 0 END, 0 FROM n",
            max = i64::MAX
        ),
        format!(
            "INSERT INTO memberships (store_id, customer_id, sequence, program_version, joined_at, last_order_at,
                progress_amount, progress_orders, progress_points, lifetime_amount, lifetime_orders, lifetime_points,
                reached_top, achievements, tier)
             {numbers} SELECT 'shop', 'c' || i, 1, 1, {joined}, {last}, {spend}, 3, 0, {spend}, 3, 0, FALSE, '[]', {tier} FROM n"
        ),
        format!(
            "INSERT INTO orders (store_id, order_id, customer_id, version, status, total, refunded, placed_at, completed_at)
             {numbers} SELECT 'shop', 'o' || k || '-' || i, 'c' || i, 1, 'completed', {spend} / 3, 0,
                {last} - k * 90 * {day}, {last} - k * 90 * {day}
             FROM n CROSS JOIN (SELECT 0 AS k UNION ALL SELECT 1 UNION ALL SELECT 2) t"
        ),
        format!(
            "INSERT INTO designations (store_id, customer_id, version, tier, tier_at, is_paused, since, since_month, benefits,
                benefits_dropped, is_automatic, designated_at, state)
             {numbers} SELECT 'shop', 'c' || i, 1, CASE WHEN i % 3 = 0 THEN 'gold' ELSE 'silver' END, {joined}, FALSE, {since},
                1 + i % 12, '[]', '[]', FALSE, {joined}, CASE WHEN i % 60 = 0 THEN 'paused' ELSE 'active' END
             FROM n WHERE i % 12 = 0"
        ),
        format!(
            "INSERT INTO designation_spans (store_id, customer_id, from_at)
             {numbers} SELECT 'shop', 'c' || i, {joined} FROM n WHERE i % 12 = 0"
        ),
        format!(
            "INSERT INTO qualifications (store_id, customer_id, rule_code, met_since, rule_version, outcome)
             {numbers} SELECT 'shop', 'c' || i, 'by-spend', {joined}, 1, 'granted' FROM n WHERE i % 10 = 0"
        ),
        format!(
            "INSERT INTO activities (store_id, activity_id, customer_id, version, kind, occurred_at, score)
             {numbers} SELECT 'shop', 's' || i, 'c' || i, 1, 'survey', {last}, 1 + i % 5 FROM n WHERE i % 4 = 0"
        ),
        format!(
            "INSERT INTO activities (store_id, activity_id, customer_id, version, kind, occurred_at, channel, is_public, resolved_at)
             {numbers} SELECT 'shop', 'p' || i, 'c' || i, 1, 'complaint', {last}, 'chat', i % 3 = 0,
                CASE WHEN i % 1000 <> 0 THEN {last} + {day} END FROM n WHERE i % 20 = 0"
        ),
        format!(
            "INSERT INTO activities (store_id, activity_id, customer_id, version, kind, occurred_at, referred_id)
             {numbers} SELECT 'shop', 'r' || i, 'c' || i, 1, 'referral', {last} - 300 * {day}, 'c' || (i + 1) FROM n WHERE i % 20 = 0"
        ),
        format!(
            "INSERT INTO accounts (store_id, customer_id, credit, points, entries, active_at)
             {numbers} SELECT 'shop', 'c' || i, CASE WHEN i % 50 = 0 THEN -500 ELSE {spend} / 20 END, {spend} / 100, 4, {last} FROM n"
        ),
        // No two entries are of one instant.
        format!(
            "INSERT INTO ledger_entries (store_id, customer_id, number, kind, cause, credit, points, credit_balance,
                points_balance, tier, occurred_at, recorded_at)
             {numbers} SELECT 'shop', 'c' || i, 4 - k, CASE WHEN k = 0 THEN 'redeemed' ELSE 'earned' END,
                CASE WHEN k = 0 THEN 'redemption' ELSE 'order_completed' END, CASE WHEN k = 0 THEN -500 ELSE {spend} / 60 END,
                CASE WHEN k = 0 THEN 0 ELSE {spend} / 300 END, 0, 0, {tier}, {last} - k * 90 * {day} - i, {last}
             FROM n CROSS JOIN (SELECT 0 AS k UNION ALL SELECT 1 UNION ALL SELECT 2 UNION ALL SELECT 3) t"
        ),
    ]
}

fn measure(app: &App, execute: impl Fn(&str)) {
    app.set_up(json!({}));
    app.set_tiers(&[("silver", "1000.00"), ("gold", "2500.00")]);
    // Before there is anybody, so that no pass runs beside the reports.
    let rule = json!({
        "name": "By spend", "profile": "big_spender", "grants": {"tier": "gold"},
        "conditions": [{"metric": "lifetime_spend", "at_least": "2500.00"}],
    });
    app.client(Role::PlatformAdmin).put("/v1/rules/by-spend", &rule).expect(201);
    std::thread::sleep(Duration::from_secs(3));
    for statement in fill(chrono::Utc::now().timestamp_micros()) {
        execute(&statement);
    }
    execute("ANALYZE");
    let manager = app.manager();
    for path in [
        "vip-share",
        "tiers",
        "retention",
        "at-risk",
        "anniversaries",
        "high-value?min_lifetime_spend=1000.00",
        "tier-fit?fit=above",
        "tier-fit?fit=below",
        "satisfaction",
        "referrals",
        "spend-concentration",
        "spend-concentration?from=2020-01-01",
        "credit",
        "credit-movements",
        "credit-movements?from=2024-12-01&to=2027-12-01",
    ] {
        // The first answer warms up; the better of two more counts.
        let took = (0..3).map(|_| {
            let started = Instant::now();
            manager.get(&format!("/v1/reports/{path}")).expect(200);
            started.elapsed()
        });
        let took: Vec<Duration> = took.collect();
        let best = took.iter().min().copied().unwrap_or(LIMIT);
        eprintln!("{path}: first {:.0?}, best {best:.0?}", took[0]);
        assert!(best < LIMIT, "{path}");
    }
}

#[test]
#[ignore = "takes minutes"]
fn reports_of_a_million_customers_sqlite() {
    let app = App::on_sqlite();
    let path = app.database_url.strip_prefix("sqlite://").unwrap().to_owned();
    measure(&app, |sql| {
        let mut conn = SqliteConnection::establish(&path).unwrap();
        conn.batch_execute("PRAGMA busy_timeout = 60000").unwrap();
        conn.batch_execute(sql).unwrap();
    });
}

#[test]
#[ignore = "takes minutes"]
fn reports_of_a_million_customers_postgres() {
    let app = App::on_postgres();
    let url = app.database_url.clone();
    measure(&app, |sql| PgConnection::establish(&url).unwrap().batch_execute(sql).unwrap());
}
