//! VIPs who may be about to leave.

use super::*;

const COLUMNS: &str = "customer_id name email preferred_channel tier since lifetime_spend \
    last_order_at idle_days subscription_cancelled_at assigned_to";
/// So many hours are 45 days.
const LIMIT: i64 = 45 * 24;

fn at_risk(app: &App) -> Vec<Value> {
    rows(app, "at-risk", "customers", COLUMNS)
}

on_both! {
    fn those_who_may_leave_are_listed_by_what_they_spent(app) {
        app.set_up(json!({}));
        app.set_tiers(&[("silver", "100.00"), ("gold", "500.00")]);
        let cancelled_at = hours_ago(24);
        for (id, body) in [
            (
                "idle",
                json!({"name": "Zoë", "email": "zoe@example.com", "preferred_channel": "phone"}),
            ),
            ("left", json!({"subscription": cancelled(&cancelled_at)})),
            ("bare", json!({"subscription": cancelled(&cancelled_at)})),
        ] {
            customer(app, id, body);
        }
        let (idle, long) = (hours_ago(LIMIT + 1), hours_ago(50 * 24 + 1));
        let recent = hours_ago(1);
        for (id, at, total) in [
            ("idle", &idle, "600.00"),
            ("left", &recent, "150.00"),
            ("refunded", &long, "700.00"),
            ("just", &hours_ago(LIMIT - 1), "800.00"),
            ("rests", &long, "800.00"),
            ("ended", &long, "800.00"),
            ("gone", &long, "800.00"),
            ("never", &long, "800.00"),
        ] {
            app.order(id, id, at, total).expect(201);
        }
        app.refund("r1", "refunded", &hours_ago(24), "650.01").expect(201);
        for (id, body) in [
            ("idle", json!({"tier": "gold", "since": "2021-03-15", "assigned_to": "eve"})),
            ("left", json!({"since": "2022-01-01"})),
            ("bare", json!({"since": "2022-01-02"})),
            ("refunded", json!({"tier": "silver", "since": "2022-01-03"})),
            ("just", json!({})),
            ("rests", json!({"state": "paused"})),
            ("ended", json!({})),
            ("gone", json!({})),
        ] {
            designate(app, id, body);
        }
        remove(app, "ended");
        erase(app, "gone");
        flag(app, "refunded", "caution");
        let expected = [
            json!({
                "customer_id": "idle", "name": "Zoë", "email": "zoe@example.com",
                "preferred_channel": "phone", "tier": "gold", "since": "2021-03-15",
                "lifetime_spend": "600.00", "last_order_at": idle, "idle_days": 45,
                "subscription_cancelled_at": null, "assigned_to": "eve",
            }),
            json!({
                "customer_id": "left", "name": null, "email": null, "preferred_channel": null,
                "tier": "silver", "since": "2022-01-01", "lifetime_spend": "150.00",
                "last_order_at": recent, "idle_days": 0,
                "subscription_cancelled_at": cancelled_at, "assigned_to": null,
            }),
            // The tier is the higher one: gold was reached and is kept.
            json!({
                "customer_id": "refunded", "name": null, "email": null, "preferred_channel": null,
                "tier": "gold", "since": "2022-01-03", "lifetime_spend": "49.99",
                "last_order_at": long, "idle_days": 50, "subscription_cancelled_at": null,
                "assigned_to": null,
            }),
            json!({
                "customer_id": "bare", "name": null, "email": null, "preferred_channel": null,
                "tier": null, "since": "2022-01-02", "lifetime_spend": "0.00",
                "last_order_at": null, "idle_days": null,
                "subscription_cancelled_at": cancelled_at, "assigned_to": null,
            }),
        ];
        assert_eq!(at_risk(app), expected);
    }

    fn who_orders_or_subscribes_again_is_not_at_risk_any_more(app) {
        app.set_up(json!({}));
        for id in ["idle", "left", "other"] {
            app.order(id, id, &hours_ago(LIMIT + 1), "10.00").expect(201);
            designate(app, id, json!({}));
        }
        change_customer(app, "left", json!({"subscription": cancelled(&hours_ago(24))}));
        for id in ["idle", "left"] {
            app.order(&format!("again-{id}"), id, &hours_ago(1), "10.00").expect(201);
        }
        assert_eq!(named(&at_risk(app)), "left other");
        let subscription = json!({"monthly_amount": "10.00", "state": "active"});
        change_customer(app, "left", json!({"subscription": subscription}));
        assert_eq!(named(&at_risk(app)), "other");
        // Who returns from a pause is looked at again.
        pause(app, "other");
        assert_eq!(named(&at_risk(app)), "");
        let path = "/v1/customers/other/designation";
        app.manager().patch(path, &json!({"state": "active"})).expect(200);
        assert_eq!(named(&at_risk(app)), "other");
    }
}
