//! Customers who spend as VIPs do and are none.

use super::*;

const COLUMNS: &str = "customer_id name email status tier lifetime_spend orders joined_at \
    last_order_at qualifies_for nomination_waiting";

fn spent_at_least(app: &App, amount: &str) -> Vec<Value> {
    rows(app, &format!("high-value?min_lifetime_spend={amount}"), "customers", COLUMNS)
}

on_both! {
    fn who_spent_so_much_and_is_no_vip_is_listed(app) {
        app.set_up(json!({}));
        app.set_tiers(&[
            ("silver", "100.00"), ("gold", "500.00"), ("platinum", "90000.00"), ("black", "99000.00"),
        ]);
        customer(app, "h1", json!({
            "name": "Zoë", "email": "zoe@example.com", "joined_at": "2023-05-01T09:00:00Z",
        }));
        let later = "2024-07-01T12:00:00Z";
        for (id, at, total) in [
            ("h1", NOON, "1500.00"),
            ("h2", NOON, "600.00"),
            ("h3", NOON, "999.99"),
            ("h4", NOON, "2000.00"),
            ("active", NOON, "3000.00"),
            ("rests", NOON, "3000.00"),
            ("ended", NOON, "1200.00"),
            ("flagged", NOON, "1100.00"),
            ("gone", NOON, "4000.00"),
        ] {
            app.order(id, id, at, total).expect(201);
        }
        app.order("more", "h2", later, "400.00").expect(201);
        app.refund("r1", "h4", later, "1000.01").expect(201);
        customer(app, "nothing", json!({}));
        designate(app, "active", json!({}));
        designate(app, "rests", json!({"state": "paused"}));
        designate(app, "ended", json!({}));
        remove(app, "ended");
        flag(app, "flagged", "do_not_serve");
        erase(app, "gone");
        let approval = |tier: &str| json!({"tier": tier, "requires_approval": true});
        put_rule(app, "many", "1150.00", approval("silver"), true);
        put_rule(app, "most", "1200.00", approval("platinum"), true);
        put_rule(app, "off", "1.00", approval("black"), false);
        let by_hand = json!({"customer_id": "h2", "note": "orders every month"});
        let by_hand = app.support().post("/v1/nominations", &by_hand).expect(201).body;
        let expected = [
            json!({
                "customer_id": "h1", "name": "Zoë", "email": "zoe@example.com", "status": "active",
                "tier": "gold", "lifetime_spend": "1500.00", "orders": 1,
                "joined_at": "2023-05-01T09:00:00Z", "last_order_at": NOON,
                "qualifies_for": "platinum", "nomination_waiting": true,
            }),
            // Whom a person removed no rule nominates.
            json!({
                "customer_id": "ended", "name": null, "email": null, "status": "active",
                "tier": "gold", "lifetime_spend": "1200.00", "orders": 1, "joined_at": NOON,
                "last_order_at": NOON, "qualifies_for": "platinum", "nomination_waiting": false,
            }),
            json!({
                "customer_id": "flagged", "name": null, "email": null, "status": "do_not_serve",
                "tier": "gold", "lifetime_spend": "1100.00", "orders": 1, "joined_at": NOON,
                "last_order_at": NOON, "qualifies_for": null, "nomination_waiting": false,
            }),
            json!({
                "customer_id": "h2", "name": null, "email": null, "status": "active",
                "tier": "gold", "lifetime_spend": "1000.00", "orders": 2, "joined_at": NOON,
                "last_order_at": later, "qualifies_for": null, "nomination_waiting": true,
            }),
        ];
        assert_eq!(spent_at_least(app, "1000.00"), expected);
        let all = named(&spent_at_least(app, "0"));
        for (amount, found) in [
            ("1500.01", ""),
            ("1500", "h1"),
            ("1000.01", "h1 ended flagged"),
            ("0.01", "h1 ended flagged h2 h3 h4"),
        ] {
            let listed = named(&spent_at_least(app, amount));
            // h3 and h4 spent the same.
            assert_eq!(listed.replace("h4 h3", "h3 h4"), found, "{amount}");
            assert!(all.starts_with(&listed), "{amount}: {listed} of {all}");
        }
        assert!(all.ends_with(" nothing"), "{all}");

        // What is declined waits no longer.
        let id = by_hand["nomination_id"].as_str().unwrap();
        let path = format!("/v1/nominations/{id}/decline");
        app.manager().post(&path, &json!({"note": "not yet"})).expect(200);
        assert_eq!(spent_at_least(app, "1000.00")[3]["nomination_waiting"], false);
    }

    fn the_amount_is_needed_and_is_one_of_the_programs_currency(app) {
        app.set_up(json!({}));
        for query in ["", "?min_lifetime_spend=-1", "?min_lifetime_spend=much", "?min_lifetime_spend="] {
            assert_refused(app, &format!("high-value{query}"), &["?min_lifetime_spend"]);
        }
        for accept in ["application/json", "text/csv"] {
            let client = app.manager().with("accept", accept);
            let answer = client.get("/v1/reports/high-value?min_lifetime_spend=1.234");
            answer.expect_problem(409, "amount_not_in_currency");
        }
    }
}
