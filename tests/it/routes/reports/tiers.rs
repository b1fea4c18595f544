//! Customers by tier and by the state of their designations.

use super::*;

const COLUMNS: &str = "tier name rank active paused cancelled never total";

/// The rows, which are the same as CSV.
#[track_caller]
fn distribution(app: &App) -> Vec<Value> {
    let rows = report(app, "tiers")["tiers"].as_array().unwrap().clone();
    assert_csv(app, "tiers", COLUMNS, &rows);
    rows
}

/// A row; its total is the sum of the counts, which are in the order of the columns.
fn row(code: &str, rank: u32, counts: [u32; 4]) -> Value {
    let name = code[..1].to_uppercase() + &code[1..];
    let [active, paused, cancelled, never] = counts;
    let total: u32 = counts.iter().sum();
    json!({
        "tier": code, "name": name, "rank": rank, "active": active, "paused": paused,
        "cancelled": cancelled, "never": never, "total": total,
    })
}

/// The same, of those who are in no tier.
fn no_tier(counts: [u32; 4]) -> Value {
    let mut row = row("none", 0, counts);
    for field in ["tier", "name", "rank"] {
        row[field] = Value::Null;
    }
    row
}

on_both! {
    fn each_customer_is_in_the_effective_tier(app) {
        app.set_up(json!({}));
        app.set_tiers(&[("silver", "100.00"), ("gold", "500.00"), ("black", "9000.00")]);
        for (id, spent) in [
            ("n1", "99.99"),
            ("s1", "100.00"),
            ("g1", "500.00"),
            ("earned", "500.00"),
            ("either", "100.00"),
            ("rests", "100.00"),
            ("gone", "600.00"),
        ] {
            app.order(id, id, NOON, spent).expect(201);
        }
        for id in ["n2", "given", "bare", "ended", "flagged"] {
            customer(app, id, json!({}));
        }
        for (id, body) in [
            ("earned", json!({"tier": "silver"})),
            ("given", json!({"tier": "gold"})),
            ("either", json!({})),
            ("bare", json!({})),
            ("rests", json!({"tier": "gold"})),
            ("ended", json!({"tier": "gold"})),
            ("flagged", json!({"tier": "gold"})),
            ("gone", json!({"tier": "gold"})),
        ] {
            designate(app, id, body);
        }
        pause(app, "rests");
        remove(app, "ended");
        flag(app, "flagged", "do_not_serve");
        erase(app, "gone");
        let expected = [
            row("black", 3, [0, 0, 0, 0]),
            // earned, given and flagged; g1
            row("gold", 2, [3, 0, 0, 1]),
            // either; rests, whose designation gives nothing meanwhile; s1
            row("silver", 1, [1, 1, 0, 1]),
            // bare; ended; n1 and n2
            no_tier([1, 0, 1, 2]),
        ];
        assert_eq!(distribution(app), expected);
    }

    fn without_tiers_and_customers_there_is_one_row_of_nobody(app) {
        app.set_up(json!({}));
        assert_eq!(distribution(app), [no_tier([0, 0, 0, 0])]);
    }

    fn the_totals_add_up_to_all_customers(app) {
        app.set_up(json!({}));
        app.set_tiers(&[("silver", "100.00"), ("gold", "500.00")]);
        let id = |number: usize| format!("c{number}");
        let line = |number: usize| {
            let mut order = order(&id(number), NOON, &format!("{}.00", number * 37 % 700 + 1));
            order["order_id"] = json!(id(number));
            json!({"order": order})
        };
        let lines: Vec<Value> = (0..60).map(line).collect();
        app.storefront().post_lines("/v1/facts", &lines).expect(200);
        for number in (0..60).step_by(4) {
            let tier = [None, Some("silver"), Some("gold")][number / 4 % 3];
            designate(app, &id(number), json!({"tier": tier}));
        }
        (0..60).step_by(16).for_each(|number| pause(app, &id(number)));
        (4..60).step_by(16).for_each(|number| remove(app, &id(number)));
        (0..60).step_by(10).for_each(|number| flag(app, &id(number), "caution"));
        (0..60).step_by(15).for_each(|number| erase(app, &id(number)));
        let rows = distribution(app);
        let sum = |field: &str| rows.iter().map(|row| row[field].as_u64().unwrap()).sum::<u64>();
        assert_eq!(sum("total"), 56);
        assert_eq!(sum("active") + sum("paused") + sum("cancelled") + sum("never"), 56);
        let listed = app.support().get("/v1/customers?limit=200").expect(200).body;
        assert_eq!(listed["customers"].as_array().unwrap().len(), 56);
        let share = report(app, "vip-share");
        assert_eq!((&share["customers"], &share["vips"]), (&json!(56), &json!(sum("active"))));
        // Of 15 designations, four were paused, of which one is erased, and four removed.
        assert_eq!((sum("active"), sum("paused"), sum("cancelled")), (7, 3, 4));
    }
}
