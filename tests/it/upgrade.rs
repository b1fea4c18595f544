//! A database of the version before is brought up to date, with what is in it.

use crate::support::*;
use serde_json::{Value, json};

const SQLITE: &str = include_str!("../../migrations/sqlite/2026-11-22-000000_main/up.sql");
const POSTGRES: &str = include_str!("../../migrations/postgres/2026-11-22-000000_main/up.sql");

/// What the version before left behind: a program without benefits, a customer
/// and one who was erased, and reasons among the values of the audit log.
const LEFT: &str = r#"
CREATE TABLE __diesel_schema_migrations (
    version VARCHAR(50) PRIMARY KEY NOT NULL,
    run_on TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP
);
INSERT INTO __diesel_schema_migrations (version) VALUES ('20261122000000');
INSERT INTO programs VALUES ('shop', 1, '{"name": "VIP", "currency": "GBP", "time_zone": "UTC",
    "start_date": "2020-01-01", "grace_days": 90, "revisions": [{"number": 1, "effective_from": 0,
    "rules": {"entry_method": "amount_spent", "progress_reset": "Never", "tier_retention": "permanent",
    "points_per_unit": "1", "tiers": [{"code": "gold", "name": "Gold", "rank": 1, "threshold": 10000}]}}],
    "pauses": [], "pending": null}', 0);
INSERT INTO customers (store_id, customer_id, version, name, tags, print_vip_icon, created_at,
    updated_at, erased_at, sort_name, search_text) VALUES
    ('shop', 'c1', 1, 'Ada', '[]', TRUE, 0, 0, NULL, 'ada', 'ada'),
    ('shop', 'gone', 1, NULL, '[]', TRUE, 0, 0, 1, '', 'gone');
INSERT INTO memberships (store_id, customer_id, sequence, program_version, joined_at, last_order_at,
    progress_amount, progress_orders, progress_points, lifetime_amount, lifetime_orders,
    lifetime_points, reached_top, achievements) VALUES
    ('shop', 'c1', 0, 1, 0, -9223372036854775808, 0, 0, 0, 0, 0, 0, FALSE, '[]'),
    ('shop', 'gone', 0, 1, 0, -9223372036854775808, 0, 0, 0, 0, 0, 0, FALSE, '[]');
INSERT INTO orders (store_id, order_id, customer_id, version, status, total, refunded, placed_at, completed_at) VALUES
    ('shop', 'old', 'c1', 1, 'completed', 5000, 0, 1600000000000000, 1600000000000000);
INSERT INTO audit_entries (store_id, entry_id, recorded_at, subject, role, action, customer_id, detail) VALUES
    ('shop', 'e1', 1, 'ann', 'manager', 'membership_recalculated', 'c1', '{"reason": "a typing error", "allow_downgrades": true}'),
    ('shop', 'e2', 2, 'ann', 'manager', 'membership_recalculated', 'gone', '{"reason": "a private matter", "allow_downgrades": true}'),
    ('shop', 'e3', 3, 'max', 'administrator', 'program_changed', NULL, '{"version": 1}');
"#;

fn holds_what_was_left(app: &App) {
    let customers = app.support().get("/v1/customers").expect(200).body;
    assert_eq!(customers["customers"][0]["name"], "Ada");
    assert_eq!(customers["customers"][0]["status"], "active");
    let badge = app.support().get("/v1/customers/c1/badge").expect(200).body;
    assert_eq!(badge["label"]["no_icon_reason"], "designation_not_active");
    assert_eq!(app.admin().get("/v1/benefits").expect(200).body, json!({"benefits": []}));
    app.order("o1", "c1", "2024-06-01T12:00:00Z", "120.00").expect(201);
    assert_eq!(tier(&app.membership("c1")), "gold");
    // An order that was processed when there was no ledger earns nothing, whatever becomes of it.
    let gold =
        json!({"name": "Gold", "rank": 1, "threshold": "100.00", "reward": {"rate": "0.05"}});
    settled(app, app.admin().put("/v1/tiers/gold?effective_from=beginning", &gold).expect(200));
    let nothing = json!({"credit": "0.00", "points": 0});
    let corrected = app.order("old", "c1", "2020-09-13T12:26:40Z", "60.00").expect(200).body;
    assert_eq!(corrected["membership"]["after"]["lifetime"]["amount_spent"], "180.00");
    assert_eq!(corrected["earned"], nothing);
    let refunded = app.refund("r1", "old", "2024-06-02T12:00:00Z", "60.00").expect(201).body;
    assert_eq!(refunded["earned"], nothing);
    let mut again = order("c1", "2020-09-13T12:26:40Z", "90.00");
    for (status, at) in [("pending", Value::Null), ("completed", again["completed_at"].clone())] {
        (again["status"], again["completed_at"]) = (json!(status), at);
        let answer = app.storefront().put("/v1/orders/old", &again).expect(200).body;
        assert_eq!(answer["earned"], nothing, "{status}");
    }
    let earned = app.order("o2", "c1", "2024-06-03T12:00:00Z", "20.00").expect(201).body;
    assert_eq!(earned["earned"], json!({"credit": "1.00", "points": 20}));
    // A reason is a note now, where erasure finds it, and that of the erased is gone.
    let audit = app.manager().get("/v1/audit?action=membership_recalculated").expect(200);
    let line = |i: usize| {
        let entry = &audit.body["entries"][i];
        (entry["customer_id"].clone(), entry["after"].clone(), entry["note"].clone())
    };
    let after = json!({"allow_downgrades": true});
    assert_eq!(line(0), (json!("gone"), after.clone(), json!(null)));
    assert_eq!(line(1), (json!("c1"), after, json!("a typing error")));
    assert!(!audit.text.contains("private matter"));
    app.admin().delete("/v1/customers/c1").expect(204);
    let audit = app.manager().get("/v1/audit").expect(200);
    assert!(!audit.text.contains("typing error"), "{}", audit.text);
}

#[test]
fn a_database_of_the_version_before_is_brought_up_to_date_on_sqlite() {
    holds_what_was_left(&App::on_sqlite_after(&format!("{SQLITE}{LEFT}")));
}

#[test]
fn a_database_of_the_version_before_is_brought_up_to_date_on_postgresql() {
    holds_what_was_left(&App::on_postgres_after(&format!("{POSTGRES}{LEFT}")));
}
