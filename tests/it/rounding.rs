//! Credit is rounded half up to the currency's smallest unit and points are
//! rounded down; parts of an order add up to the whole, and what doesn't fit is
//! refused before anything is stored.

use crate::support::*;
use serde_json::{Value, json};

const NOON: &str = "2024-06-01T12:00:00Z";

/// A store of one tier, which everyone holds, with a reward.
fn set_up(app: &App, currency: &str, points_per_unit: &str, reward: Value) {
    app.set_up(json!({"currency": currency, "points_per_unit": points_per_unit}));
    let mut tiers = ladder(&[("member", "0")]);
    tiers["tiers"][0]["reward"] = reward;
    app.admin().put("/v1/tiers", &tiers).expect(200);
}

/// The body of a completed order.
fn order_in(currency: &str, customer: &str, total: &str) -> Value {
    let mut body = order(customer, NOON, total);
    body["currency"] = json!(currency);
    body
}

/// What a request changed in the balances.
#[track_caller]
fn earned(answer: &Answer) -> (&str, i64) {
    let earned = &answer.body["earned"];
    let credit = earned["credit"].as_str().unwrap_or_else(|| panic!("{}", answer.text));
    (credit, earned["points"].as_i64().unwrap())
}

/// A customer's ledger as it is answered.
fn ledger(app: &App, customer: &str) -> Value {
    let path = format!("/v1/customers/{customer}/credits?limit=200");
    app.storefront().get(&path).expect(200).body
}

/// The credit of each entry, oldest first.
fn credits(ledger: &Value) -> Vec<&str> {
    let entries = ledger["entries"].as_array().unwrap();
    entries.iter().rev().map(|entry| entry["credit"].as_str().unwrap()).collect()
}

/// Has orders of several totals earn, one customer each.
fn check_totals(app: &App, currency: &str, totals: &[(&str, &str)]) {
    for (i, (total, credit)) in totals.iter().enumerate() {
        let body = order_in(currency, &format!("c{i}"), total);
        let answer = app.storefront().put(&format!("/v1/orders/o{i}"), &body).expect(201);
        assert_eq!(earned(&answer), (*credit, 0), "{total} {currency}");
        assert_eq!(answer.body["balances"]["credit"], *credit, "{total} {currency}");
        // The preview says the same.
        let path = format!("/v1/customers/c{i}/reward?order_total={total}");
        let preview = app.storefront().get(&path).expect(200).body;
        assert_eq!(preview["next_order"]["credit"], *credit, "{total} {currency}");
    }
}

/// Posts an adjustment of both balances.
fn adjust(app: &App, credit: Option<&str>, points: Option<i64>) -> Answer {
    let mut body = json!({"kind": "adjusted", "note": "to see"});
    if let Some(credit) = credit {
        body["credit"] = json!(credit);
    }
    if let Some(points) = points {
        body["points"] = json!(points);
    }
    app.manager().post("/v1/customers/c1/credits", &body)
}

on_both! {
    fn yen_have_no_decimals_half_of_one_is_rounded_up(app) {
        set_up(app, "JPY", "0", json!({"rate": "0.05"}));
        check_totals(app, "JPY", &[
            ("9", "0"), ("10", "1"), ("29", "1"), ("30", "2"), ("49", "2"), ("50", "3"), ("0", "0"),
            ("1000000009", "50000000"), ("1000000010", "50000001"),
        ]);
    }

    fn dinars_of_kuwait_have_three_decimals(app) {
        set_up(app, "KWD", "0", json!({"rate": "0.0005"}));
        check_totals(app, "KWD", &[
            ("0.999", "0.000"), ("1.000", "0.001"), ("2.999", "0.001"), ("3.000", "0.002"),
            ("4.999", "0.002"), ("5.000", "0.003"), ("12345.000", "6.173"),
        ]);
    }

    fn pounds_have_two_decimals(app) {
        set_up(app, "GBP", "0", json!({"rate": "0.05"}));
        check_totals(app, "GBP", &[
            ("0.09", "0.00"), ("0.10", "0.01"), ("0.29", "0.01"), ("0.30", "0.02"), ("0.49", "0.02"),
            ("0.50", "0.03"), ("129.90", "6.50"), ("129.89", "6.49"),
        ]);
    }

    fn three_percent_of_99_99_refunded_in_seven_parts_goes_back_to_the_penny(app) {
        set_up(app, "GBP", "1", json!({"rate": "0.03"}));
        let order = app.order("o1", "c1", NOON, "99.99").expect(201);
        assert_eq!(earned(&order), ("3.00", 99));
        // What is left is 85.71, 71.43, 57.15, 42.87, 28.59, 14.31 and nothing;
        // 3 % of it 2.5713, 2.1429, 1.7145, 1.2861, 0.8577, 0.4293 and nothing.
        let parts = [
            ("14.28", "-0.43", -14), ("14.28", "-0.43", -14), ("14.28", "-0.43", -14),
            ("14.28", "-0.42", -15), ("14.28", "-0.43", -14), ("14.28", "-0.43", -14),
            ("14.31", "-0.43", -14),
        ];
        for (i, (amount, credit, points)) in parts.into_iter().enumerate() {
            let at = format!("2024-06-02T1{i}:00:00Z");
            let answer = app.refund(&format!("r{i}"), "o1", &at, amount).expect(201);
            assert_eq!(earned(&answer), (credit, points), "part {i}");
        }
        let ledger = ledger(app, "c1");
        assert_eq!(
            ledger["balances"],
            json!({"credit": "0.00", "credit_owed": "0.00", "points": 0, "points_owed": 0})
        );
        assert_eq!(ledger["entries"].as_array().unwrap().len(), 8);
    }

    fn a_fixed_amount_goes_back_by_thirds_without_a_penny_lost(app) {
        set_up(app, "GBP", "0", json!({"amount": "5.00"}));
        for (order, customer, third) in [("o1", "c1", "30.00"), ("o2", "c2", "0.01")] {
            let total = if order == "o1" { "90.00" } else { "0.03" };
            let answer = app.order(order, customer, NOON, total).expect(201);
            assert_eq!(earned(&answer), ("5.00", 0), "{total}");
            for (i, credit) in ["-1.67", "-1.66", "-1.67"].into_iter().enumerate() {
                let (id, at) = (format!("{order}-{i}"), format!("2024-06-02T1{i}:00:00Z"));
                let answer = app.refund(&id, order, &at, third).expect(201);
                assert_eq!(earned(&answer), (credit, 0), "{total}, third {i}");
            }
            assert_eq!(ledger(app, customer)["balances"]["credit"], "0.00");
        }
    }

    fn thirds_of_a_yen_and_of_a_fils_add_up_too(app) {
        set_up(app, "JPY", "0", json!({"amount": "100"}));
        app.storefront().put("/v1/orders/o1", &order_in("JPY", "c1", "900")).expect(201);
        for (i, credit) in ["-33", "-34", "-33"].into_iter().enumerate() {
            let at = format!("2024-06-02T1{i}:00:00Z");
            let answer = app.refund(&format!("r{i}"), "o1", &at, "300").expect(201);
            assert_eq!(earned(&answer), (credit, 0), "third {i}");
        }
        assert_eq!(credits(&ledger(app, "c1")), ["100", "-33", "-34", "-33"]);
    }

    fn points_are_rounded_down_and_parts_add_up(app) {
        set_up(app, "GBP", "0.5", Value::Null);
        let order = app.order("o1", "c1", NOON, "9.99").expect(201);
        assert_eq!(earned(&order), ("0.00", 4), "half of 9.99 is 4.995");
        // Half of 6.66 is 3.33, and of 3.33 it is 1.665.
        for (i, points) in [-1, -2, -1].into_iter().enumerate() {
            let at = format!("2024-06-02T1{i}:00:00Z");
            let answer = app.refund(&format!("r{i}"), "o1", &at, "3.33").expect(201);
            assert_eq!(earned(&answer), ("0.00", points), "third {i}");
        }
        let exact = app.order("o2", "c2", NOON, "10.00").expect(201);
        assert_eq!(earned(&exact), ("0.00", 5));
        let below = app.order("o3", "c3", NOON, "1.99").expect(201);
        assert_eq!(earned(&below), ("0.00", 0));
        assert_eq!(ledger(app, "c3")["entries"], json!([]), "what earns nothing has no entry");
        assert_eq!(ledger(app, "c1")["balances"]["points"], 0);
    }

    fn corrections_and_refunds_come_to_what_the_order_as_it_is_now_earns(app) {
        set_up(app, "GBP", "1", json!({"rate": "0.03"}));
        // 3 % of 0.50 is 0.015, of 0.49 it is 0.0147.
        let order = app.order("o1", "c1", NOON, "0.50").expect(201);
        assert_eq!(earned(&order), ("0.02", 0));
        let corrected = app.order("o1", "c1", NOON, "0.49").expect(200);
        assert_eq!(earned(&corrected), ("-0.01", 0));
        let corrected = app.order("o1", "c1", NOON, "33.84").expect(200);
        // 1.0152, and after a refund of 16.99 it is 0.5055 of 16.85.
        assert_eq!(earned(&corrected), ("1.01", 33));
        let refund = app.refund("r1", "o1", "2024-06-02T12:00:00Z", "16.99").expect(201);
        assert_eq!(earned(&refund), ("-0.51", -17));
        // 3 % of 16.84 is 0.5052: nothing changes but a penny of the order.
        let refund = app.refund("r2", "o1", "2024-06-03T12:00:00Z", "0.01").expect(201);
        assert_eq!(earned(&refund), ("0.00", 0));
        let ledger = ledger(app, "c1");
        assert_eq!(credits(&ledger), ["0.02", "-0.01", "1.01", "-0.51"]);
        assert_eq!((&ledger["balances"]["credit"], &ledger["balances"]["points"]), (&json!("0.51"), &json!(16)));
    }

    fn shares_of_totals_near_the_limit_are_exact(app) {
        // More than 64 bits on the way, and more than 96.
        set_up(app, "GBP", "0.000001", json!({"amount": "1000000000000.00"}));
        let order = app.order("o1", "c1", NOON, "92233720368547758.07").expect(201);
        assert_eq!(earned(&order), ("1000000000000.00", 92_233_720_368));
        let half = app.refund("r1", "o1", "2024-06-02T12:00:00Z", "46116860184273879.03").expect(201);
        assert_eq!(earned(&half), ("-500000000000.00", -46_116_860_184));
        let rest = app.refund("r2", "o1", "2024-06-03T12:00:00Z", "46116860184273879.04").expect(201);
        assert_eq!(earned(&rest), ("-500000000000.00", -46_116_860_184));
        let ledger = ledger(app, "c1");
        assert_eq!((&ledger["balances"]["credit"], &ledger["balances"]["points"]), (&json!("0.00"), &json!(0)));
    }

    fn the_whole_of_the_largest_total_is_credited_to_the_penny(app) {
        set_up(app, "GBP", "0", json!({"rate": "1"}));
        let order = app.order("o1", "c1", NOON, "92233720368547758.07").expect(201);
        assert_eq!(earned(&order), ("92233720368547758.07", 0));
        let refund = app.refund("r1", "o1", "2024-06-02T12:00:00Z", "92233720368547758.07").expect(201);
        assert_eq!(earned(&refund), ("-92233720368547758.07", 0));
    }

    fn credit_that_does_not_fit_is_a_clear_error_and_nothing_is_stored(app) {
        set_up(app, "GBP", "0", json!({"rate": "0.05"}));
        join(app, "c1", NOON);
        for _ in 0..9 {
            adjust(app, Some("9999999999999999.99"), None).expect(201);
        }
        let full = adjust(app, Some("2233720368547758.15"), None).expect(201);
        assert_eq!(full.body["balances"]["credit"], "92233720368547758.06");
        let before = (ledger(app, "c1"), app.membership("c1")["lifetime"].clone());
        let audit = app.manager().get("/v1/audit?limit=200").expect(200).text;

        app.order("o1", "c1", NOON, "1.00").expect_problem(409, "figure_overflow");
        app.storefront().get("/v1/orders/o1").expect_problem(404, "not_found");
        adjust(app, Some("0.02"), None).expect_problem(409, "figure_overflow");
        assert_eq!((ledger(app, "c1"), app.membership("c1")["lifetime"].clone()), before);
        assert_eq!(app.manager().get("/v1/audit?limit=200").expect(200).text, audit);

        // In a batch, the line that does not fit harms no other.
        let line = |id: &str, customer: &str, total: &str| {
            let mut body = order(customer, NOON, total);
            body["order_id"] = json!(id);
            json!({"order": body})
        };
        let lines = [line("o2", "c1", "1.00"), line("o3", "c1", "0.20"), line("o4", "c2", "1.00")];
        let answer = app.storefront().post_lines("/v1/facts", &lines).expect(200).body;
        assert_eq!((&answer["created"], &answer["refused"]), (&json!(2), &json!(1)), "{answer}");
        assert_eq!(answer["results"][0]["problem"]["code"], "figure_overflow");
        app.storefront().get("/v1/orders/o2").expect_problem(404, "not_found");
        // The largest balance there is.
        assert_eq!(ledger(app, "c1")["balances"]["credit"], "92233720368547758.07");
        assert_eq!(ledger(app, "c2")["balances"]["credit"], "0.05");
        app.order("o5", "c1", NOON, "0.10").expect_problem(409, "figure_overflow");
        app.order("o5", "c1", NOON, "0.09").expect(201);
    }

    fn points_that_do_not_fit_are_a_clear_error_and_nothing_is_stored(app) {
        set_up(app, "GBP", "1000000", Value::Null);
        let order = app.order("o1", "c1", NOON, "9223372036854.77").expect(201);
        assert_eq!(earned(&order), ("0.00", 9_223_372_036_854_770_000));
        adjust(app, None, Some(5_808)).expect_problem(409, "figure_overflow");
        let full = adjust(app, None, Some(5_807)).expect(201);
        assert_eq!(full.body["balances"]["points"], i64::MAX);
        let before = (ledger(app, "c1"), app.membership("c1")["lifetime"].clone());

        // The points toward tiers would fit; the balance would not.
        app.points("a1", "c1", NOON, 1).expect_problem(409, "figure_overflow");
        app.storefront().get("/v1/activities/a1").expect_problem(404, "not_found");
        assert_eq!((ledger(app, "c1"), app.membership("c1")["lifetime"].clone()), before);
        // A correction that does not fit leaves the order as it was.
        app.order("o1", "c1", NOON, "9223372036854.78").expect_problem(409, "figure_overflow");
        assert_eq!(app.storefront().get("/v1/orders/o1").expect(200).body["total"], "9223372036854.77");
        // What has been taken off makes room again.
        let path = "/v1/customers/c1/credits";
        app.storefront().post(path, &json!({"kind": "redeemed", "points": 1})).expect(201);
        let fits = app.points("a1", "c1", NOON, 1).expect(201);
        assert_eq!(fits.body["balances"]["points"], i64::MAX);
    }
}
