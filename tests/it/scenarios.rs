//! Scenarios that cross several rules of design, section 3, with exact figures.

use crate::support::*;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

const LADDER: &[(&str, &str)] = &[("bronze", "0"), ("silver", "500.00"), ("gold", "1000.00")];

fn figures(amount: &str, orders: i64, points: i64) -> Value {
    json!({"amount_spent": amount, "orders_placed": orders, "points_earned": points})
}

/// The membership that the answer to a fact ends with.
fn after(answer: &Answer) -> &Value {
    &answer.body["membership"]["after"]
}

/// A store with these tiers, a progress reset, and a customer who joined with 2023.
fn scenario(app: &App, progress_reset: Value) {
    app.set_up(json!({"progress_reset": progress_reset}));
    app.set_tiers(LADDER);
    join(app, "c1", "2023-01-01T00:00:00Z");
}

/// A recalculation's state and counts: all customers, the changed, the lifted and the fallen.
fn outcome(recalculation: &Value) -> Value {
    json!([
        recalculation["state"],
        recalculation["customers_total"],
        recalculation["customers_changed"],
        recalculation["customers_upgraded"],
        recalculation["customers_downgraded"],
    ])
}

/// Insists that these customers come to be listed under a tier, within five seconds.
#[track_caller]
fn expect_listed(app: &App, code: &str, customers: &[&str]) {
    let started = Instant::now();
    loop {
        let list = app.support().get(&format!("/v1/customers?tier={code}")).expect(200).body;
        let rows = list["customers"].as_array().unwrap();
        let listed: Vec<&str> =
            rows.iter().map(|row| row["customer_id"].as_str().unwrap()).collect();
        if listed == customers {
            assert!(rows.iter().all(|row| row["tier"] == code), "{list}");
            return;
        }
        assert!(started.elapsed() < Duration::from_secs(5), "{code}: {list}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn put_order(app: &App, id: &str, body: &Value) -> Answer {
    app.storefront().put(&format!("/v1/orders/{id}"), body)
}

/// An order of `c1` that is not completed.
fn unfinished(status: &str, placed_at: &str, total: &str) -> Value {
    json!({
        "customer_id": "c1", "status": status, "total": total, "currency": "GBP",
        "placed_at": placed_at,
    })
}

/// Sends one of a customer's facts of the scenario of any order of arrival.
fn send(app: &App, customer: &str, fact: &str) {
    let id = format!("{customer}.{fact}");
    let of = |order: &str| format!("{customer}.{order}");
    let answer = match fact {
        "o1" => app.order(&id, customer, "2023-05-01T10:00:00Z", "200.00"),
        "r1" => app.refund(&id, &of("o1"), "2024-02-01T10:00:00Z", "50.00"),
        "o2" => app.order(&id, customer, "2024-03-01T10:00:00Z", "100.00"),
        "r2" => app.refund(&id, &of("o2"), "2024-03-10T10:00:00Z", "30.00"),
        "a1" => app.points(&id, customer, "2024-04-01T10:00:00Z", 25),
        _ => app.order(&id, customer, "2024-05-01T10:00:00Z", "10.50"),
    };
    answer.expect(201);
}

on_both! {
    fn a_refund_of_an_order_of_an_earlier_period_lowers_lifetime_and_neither_progress_nor_tier(app) {
        scenario(app, json!({"kind": "calendar_year"}));
        app.order("o1", "c1", "2023-06-01T10:00:00Z", "600.00").expect(201);
        app.order("o2", "c1", "2024-02-01T10:00:00Z", "100.00").expect(201);
        app.refund("r1", "o1", "2024-03-01T10:00:00Z", "600.00").expect(201);
        let before = app.membership_at("c1", "2024-03-01T09:59:59Z");
        assert_eq!(before["lifetime"], figures("700.00", 2, 700));
        let refunded = app.membership_at("c1", "2024-03-01T10:00:00Z");
        assert_eq!(refunded["progress"], figures("100.00", 1, 100));
        assert_eq!(refunded["lifetime"], figures("100.00", 1, 100));
        assert_eq!((tier(&refunded), &refunded["tier"]["since"]), ("silver", &json!("2023-06-01T10:00:00Z")));
        assert_eq!(refunded["next_tier"]["remaining"], "900.00");
    }

    fn a_refund_of_an_order_of_the_open_period_lowers_its_progress_and_not_the_tier(app) {
        scenario(app, json!({"kind": "calendar_year"}));
        app.order("o1", "c1", "2024-02-01T10:00:00Z", "500.00").expect(201);
        app.refund("r1", "o1", "2024-03-01T10:00:00Z", "0.01").expect(201);
        let refunded = app.membership_at("c1", "2024-03-01T10:00:00Z");
        assert_eq!((tier(&refunded), &refunded["progress"]), ("silver", &figures("499.99", 1, 499)));
        assert_eq!(refunded["next_tier"]["remaining"], "500.01");
    }

    fn a_refund_dated_before_its_orders_completion_is_deducted_before_the_order_counts(app) {
        scenario(app, json!({"kind": "never"}));
        put_order(app, "o1", &unfinished("pending", "2024-03-01T10:00:00Z", "500.00")).expect(201);
        app.refund("r1", "o1", "2024-03-02T10:00:00Z", "0.01").expect(201);
        let mut completed = order("c1", "2024-03-03T10:00:00Z", "500.00");
        completed["placed_at"] = json!("2024-03-01T10:00:00Z");
        let answer = put_order(app, "o1", &completed).expect(200);
        assert_eq!((tier(after(&answer)), &after(&answer)["progress"]), ("bronze", &figures("499.99", 1, 499)));
        assert_eq!(after(&answer)["next_tier"]["remaining"], "0.01");

        let path = "/v1/customers/c1/membership/explanation";
        let lines = app.storefront().get(path).expect(200).body["lines"].clone();
        let facts: Vec<&Value> = lines.as_array().unwrap().iter().filter(|line| !line["id"].is_null()).collect();
        assert_eq!(facts.len(), 1, "the refund is part of its order: {lines}");
        assert_eq!((&facts[0]["id"], &facts[0]["change"]), (&json!("o1"), &figures("499.99", 1, 499)));
        let answer = app.order("o2", "c1", "2024-03-04T10:00:00Z", "0.01").expect(201);
        assert_eq!(tier(after(&answer)), "silver");
    }

    fn a_refund_dated_at_its_orders_completion_that_arrives_later_is_deducted_too(app) {
        scenario(app, json!({"kind": "never"}));
        app.order("o1", "c1", "2024-03-03T10:00:00Z", "300.00").expect(201);
        app.refund("r1", "o1", "2024-03-03T10:00:00Z", "100.00").expect(201);
        let membership = app.membership_at("c1", "2024-03-03T10:00:00Z");
        assert_eq!(membership["progress"], figures("200.00", 1, 200));
        let answer = app.order("o2", "c1", "2024-03-04T10:00:00Z", "299.99").expect(201);
        assert_eq!((tier(after(&answer)), spent(after(&answer))), ("bronze", "499.99"));
    }

    fn a_refund_stored_for_a_pending_order_acts_only_while_that_order_is_completed(app) {
        scenario(app, json!({"kind": "never"}));
        let pending = unfinished("pending", "2024-03-01T10:00:00Z", "200.00");
        put_order(app, "o1", &pending).expect(201);
        app.order("o2", "c1", "2024-03-01T12:00:00Z", "50.00").expect(201);
        let answer = app.refund("r1", "o1", "2024-03-05T10:00:00Z", "80.00").expect(201);
        assert_eq!(answer.body["membership"]["before"], *after(&answer), "it waits");
        assert_eq!(after(&answer)["lifetime"], figures("50.00", 1, 50));

        let completed = order("c1", "2024-03-04T10:00:00Z", "200.00");
        let answer = put_order(app, "o1", &completed).expect(200);
        assert_eq!(after(&answer)["progress"], figures("170.00", 2, 170));
        assert_eq!(after(&answer)["lifetime"], figures("170.00", 2, 170));
        assert_eq!(spent(&app.membership_at("c1", "2024-03-05T09:59:59Z")), "250.00");
        assert_eq!(spent(&app.membership_at("c1", "2024-03-05T10:00:00Z")), "170.00");

        let cancelled = unfinished("cancelled", "2024-03-04T10:00:00Z", "200.00");
        let answer = put_order(app, "o1", &cancelled).expect(200);
        assert_eq!(after(&answer)["progress"], figures("50.00", 1, 50));
        assert_eq!(after(&answer)["lifetime"], figures("50.00", 1, 50));
    }

    fn a_late_order_counts_in_its_closed_period_and_lifts_with_its_own_instant(app) {
        scenario(app, json!({"kind": "calendar_year"}));
        app.order("o1", "c1", "2023-03-01T10:00:00Z", "300.00").expect(201);
        app.order("o2", "c1", "2024-03-01T10:00:00Z", "50.00").expect(201);
        let before = app.membership_at("c1", "2024-06-01T00:00:00Z");
        assert_eq!((tier(&before), spent(&before)), ("bronze", "50.00"));

        let answer = app.order("late", "c1", "2023-09-01T10:00:00Z", "200.00").expect(201);
        assert_eq!((tier(&answer.body["membership"]["before"]), tier(after(&answer))), ("bronze", "silver"));
        let lifted = app.membership_at("c1", "2024-06-01T00:00:00Z");
        assert_eq!((tier(&lifted), spent(&lifted)), ("silver", "50.00"));
        assert_eq!(lifted["tier"]["since"], "2023-09-01T10:00:00Z");
        assert_eq!(lifted["next_tier"]["remaining"], "950.00");
        assert_eq!(lifted["lifetime"], figures("550.00", 3, 550));
        assert_eq!(tier(&app.membership_at("c1", "2023-09-01T09:59:59Z")), "bronze");
        assert_eq!(spent(&app.membership_at("c1", "2023-12-31T23:59:59Z")), "500.00");
    }

    fn facts_in_any_order_of_arrival_give_the_same_progress(app) {
        app.set_up(json!({"progress_reset": {"kind": "calendar_year"}}));
        app.set_tiers(LADDER);
        for (number, arrival) in [
            "o1 r1 o2 r2 a1 o3", "o3 a1 o2 r2 o1 r1", "o2 r2 o3 o1 a1 r1",
            "a1 o2 o1 r1 o3 r2", "o1 o3 r1 a1 o2 r2", "o3 o1 o2 r2 r1 a1",
        ].iter().enumerate() {
            let customer = format!("c{number}");
            join(app, &customer, "2023-01-01T00:00:00Z");
            arrival.split(' ').for_each(|fact| send(app, &customer, fact));
            let first_year = app.membership_at(&customer, "2023-12-31T23:59:59Z");
            assert_eq!(first_year["progress"], figures("200.00", 1, 200), "{arrival}");
            let before_refund = app.membership_at(&customer, "2024-03-10T09:59:59Z");
            assert_eq!(before_refund["progress"], figures("100.00", 1, 100), "{arrival}");
            let second_year = app.membership_at(&customer, "2024-12-31T23:59:59Z");
            assert_eq!(second_year["progress"], figures("80.50", 2, 105), "{arrival}");
            assert_eq!(second_year["lifetime"], figures("230.50", 3, 255), "{arrival}");
            assert_eq!(
                second_year["period"],
                json!({"start": "2024-01-01T00:00:00Z", "end": "2025-01-01T00:00:00Z"}),
                "{arrival}"
            );
        }
    }

    fn a_lowered_threshold_lifts_at_the_next_order_that_counts(app) {
        scenario(app, json!({"kind": "never"}));
        app.order("o1", "c1", "2024-03-01T10:00:00Z", "300.00").expect(201);
        let membership = app.membership("c1");
        assert_eq!(membership["next_tier"]["remaining"], "200.00");
        assert_eq!(membership["next_tier"]["next_order_lifts"], false);

        let lower = ladder(&[("bronze", "0"), ("silver", "250.00"), ("gold", "1000.00")]);
        let recalculation = settled(app, app.admin().put("/v1/tiers", &lower));
        assert!(recalculation.is_null(), "it touches the future alone: {recalculation}");
        let waiting = app.membership("c1");
        assert_eq!(tier(&waiting), "bronze");
        assert_eq!(waiting["next_tier"]["code"], "silver");
        assert_eq!(waiting["next_tier"]["threshold"], "250.00");
        assert_eq!(waiting["next_tier"]["remaining"], "0.00");
        assert_eq!(waiting["next_tier"]["next_order_lifts"], true);

        let answer = app.order("late", "c1", "2024-03-02T10:00:00Z", "1.00").expect(201);
        assert_eq!(tier(after(&answer)), "bronze", "a late order is judged by the ladder of its time");
        let answer = app.order("free", "c1", &from_now(0), "0.00").expect(201);
        assert_eq!(tier(after(&answer)), "bronze", "an order of zero raises nothing");
        let answer = app.order("o2", "c1", &from_now(0), "0.01").expect(201);
        assert_eq!((tier(after(&answer)), spent(after(&answer))), ("silver", "301.01"));
        assert_eq!(after(&answer)["next_tier"]["remaining"], "698.99");
        assert_eq!(after(&answer)["next_tier"]["next_order_lifts"], false);
    }

    fn a_raised_threshold_makes_nobody_fall(app) {
        scenario(app, json!({"kind": "never"}));
        app.order("o1", "c1", "2024-03-01T10:00:00Z", "500.00").expect(201);
        let raise = ladder(&[("bronze", "0"), ("silver", "5000.00"), ("gold", "10000.00")]);
        settled(app, app.admin().put("/v1/tiers", &raise));
        let membership = app.membership("c1");
        assert_eq!((tier(&membership), &membership["tier"]["since"]), ("silver", &json!("2024-03-01T10:00:00Z")));
        assert_eq!((&membership["next_tier"]["code"], &membership["next_tier"]["remaining"]), (&json!("gold"), &json!("9500.00")));
        let answer = app.order("o2", "c1", &from_now(0), "1000.00").expect(201);
        assert_eq!((tier(after(&answer)), spent(after(&answer))), ("silver", "1500.00"));
        assert_eq!(after(&answer)["next_tier"]["remaining"], "8500.00");
        assert_eq!(tier(after(&app.order("o3", "c2", &from_now(0), "1000.00").expect(201))), "bronze");
    }

    fn each_entry_method_lifts_by_its_own_metric(app) {
        app.set_up(json!({"entry_method": "amount_spent", "points_per_unit": "0"}));
        app.set_tiers(&[("bronze", "0"), ("silver", "500.00")]);
        let tiers = |expected: [&str; 3]| {
            let customers = ["collector", "frequent", "spender"].map(|customer| app.membership(customer));
            assert_eq!(customers.each_ref().map(tier), expected);
        };
        let switch = |method: &str, threshold: &str| {
            let mut body = ladder(&[("bronze", "0"), ("silver", threshold)]);
            body["entry_method"] = json!(method);
            let path = "/v1/tiers?effective_from=beginning&allow_downgrades=true";
            outcome(&settled(app, app.admin().put(path, &body)))
        };
        app.points("a1", "collector", "2024-03-01T10:00:00Z", 499).expect(201);
        for day in 1..=4 {
            app.order(&format!("f{day}"), "frequent", &format!("2024-03-0{day}T10:00:00Z"), "1.00").expect(201);
        }
        app.order("s1", "spender", "2024-03-01T10:00:00Z", "499.99").expect(201);
        tiers(["bronze", "bronze", "bronze"]);
        let answer = app.order("s2", "spender", "2024-03-02T10:00:00Z", "0.01").expect(201);
        assert_eq!((tier(after(&answer)), &after(&answer)["progress"]), ("silver", &figures("500.00", 2, 0)));

        assert_eq!(switch("orders_placed", "5"), json!(["completed", 3, 1, 0, 1]));
        tiers(["bronze", "bronze", "bronze"]);
        assert_eq!(app.membership("frequent")["next_tier"]["remaining"], "1");
        assert_eq!(app.membership("frequent")["next_tier"]["next_order_lifts"], true);
        assert_eq!(app.membership("spender")["next_tier"]["remaining"], "3");
        let answer = app.order("f5", "frequent", "2024-03-05T10:00:00Z", "0.00").expect(201);
        assert_eq!((tier(after(&answer)), &after(&answer)["progress"]), ("silver", &figures("4.00", 5, 0)));

        assert_eq!(switch("points_earned", "500"), json!(["completed", 3, 1, 0, 1]));
        tiers(["bronze", "bronze", "bronze"]);
        assert_eq!(app.membership("collector")["next_tier"]["remaining"], "1");
        assert_eq!(app.membership("spender")["next_tier"]["remaining"], "500");
        let answer = app.points("a2", "collector", "2024-03-02T10:00:00Z", 1).expect(201);
        assert_eq!((tier(after(&answer)), &after(&answer)["progress"]), ("silver", &figures("0.00", 0, 500)));

        assert_eq!(switch("amount_spent", "500.00"), json!(["completed", 3, 2, 1, 1]));
        tiers(["bronze", "bronze", "silver"]);
    }

    fn a_rolling_year_anchored_on_29_february_ends_on_28_february_until_the_next_leap_year(app) {
        app.set_up(json!({"progress_reset": {"kind": "rolling", "months": 12, "anchor": "enrolment"}}));
        app.set_tiers(LADDER);
        join(app, "c1", "2024-02-29T10:00:00Z");
        app.order("o1", "c1", "2024-03-01T10:00:00Z", "100.00").expect(201);
        assert_eq!(spent(&app.membership_at("c1", "2025-02-27T23:59:59Z")), "100.00");
        assert_eq!(spent(&app.membership_at("c1", "2025-02-28T00:00:00Z")), "0.00");
        for (at, start, end) in [
            ("2024-02-29T10:00:00Z", "2024-02-29T10:00:00Z", "2025-02-28T00:00:00Z"),
            ("2025-02-28T00:00:00Z", "2025-02-28T00:00:00Z", "2026-02-28T00:00:00Z"),
            ("2027-06-01T00:00:00Z", "2027-02-28T00:00:00Z", "2028-02-29T00:00:00Z"),
            ("2028-02-28T23:59:59Z", "2027-02-28T00:00:00Z", "2028-02-29T00:00:00Z"),
            ("2028-02-29T00:00:00Z", "2028-02-29T00:00:00Z", "2029-02-28T00:00:00Z"),
        ] {
            assert_eq!(app.membership_at("c1", at)["period"], json!({"start": start, "end": end}), "{at}");
        }
    }

    fn a_rolling_month_anchored_on_31_january_ends_at_each_months_end_at_local_midnight(app) {
        app.set_up(json!({
            "time_zone": "Europe/London",
            "progress_reset": {"kind": "rolling", "months": 1, "anchor": "enrolment"},
        }));
        app.set_tiers(LADDER);
        join(app, "c1", "2024-01-31T10:00:00Z");
        app.order("o1", "c1", "2024-04-29T22:59:59Z", "10.00").expect(201);
        app.order("o2", "c1", "2024-04-29T23:00:00Z", "20.00").expect(201);
        assert_eq!(spent(&app.membership_at("c1", "2024-04-29T22:59:59Z")), "10.00");
        assert_eq!(spent(&app.membership_at("c1", "2024-04-29T23:00:00Z")), "20.00");
        for (at, start, end) in [
            ("2024-02-01T00:00:00Z", "2024-01-31T10:00:00Z", "2024-02-29T00:00:00Z"),
            ("2024-02-29T00:00:00Z", "2024-02-29T00:00:00Z", "2024-03-31T00:00:00Z"),
            ("2024-03-31T00:00:00Z", "2024-03-31T00:00:00Z", "2024-04-29T23:00:00Z"),
            ("2024-04-29T23:00:00Z", "2024-04-29T23:00:00Z", "2024-05-30T23:00:00Z"),
            ("2024-06-01T00:00:00Z", "2024-05-30T23:00:00Z", "2024-06-29T23:00:00Z"),
            ("2025-02-28T00:00:00Z", "2025-02-28T00:00:00Z", "2025-03-30T23:00:00Z"),
        ] {
            assert_eq!(app.membership_at("c1", at)["period"], json!({"start": start, "end": end}), "{at}");
        }
    }

    fn a_pause_across_a_years_end_keeps_the_period_open_until_the_next_new_year(app) {
        scenario(app, json!({"kind": "calendar_year"}));
        app.order("o1", "c1", "2024-06-01T10:00:00Z", "300.00").expect(201);
        settled(app, app.admin().post_empty("/v1/program/pause?effective_from=2024-11-01T00:00:00Z"));

        let answer = app.order("o2", "c1", "2024-12-15T10:00:00Z", "100.00").expect(201);
        assert_eq!((tier(after(&answer)), spent(after(&answer))), ("bronze", "300.00"));
        assert_eq!(after(&answer)["lifetime"], figures("400.00", 2, 400));
        for at in ["2024-11-01T00:00:00Z", "2025-01-01T00:00:00Z", "2030-01-01T00:00:00Z"] {
            let paused = app.membership_at("c1", at);
            assert_eq!((spent(&paused), &paused["paused"]), ("300.00", &json!(true)), "{at}");
            assert_eq!(paused["period"], json!({"start": "2024-01-01T00:00:00Z", "end": null}), "{at}");
        }
        let running = app.membership_at("c1", "2024-10-31T23:59:59Z");
        assert_eq!((spent(&running), &running["paused"]), ("300.00", &json!(false)));
        app.refund("r1", "o1", "2024-12-20T10:00:00Z", "0.01").expect(201);
        assert_eq!(spent(&app.membership_at("c1", "2024-12-20T10:00:00Z")), "299.99", "a refund counts in a pause");

        let resumption = app.admin().post_empty("/v1/program/resume?effective_from=2025-02-01T00:00:00Z");
        assert!(resumption.body["paused_since"].is_null());
        assert_eq!(settled(app, resumption)["state"], "completed");
        for (at, paused) in [("2025-01-31T23:59:59Z", true), ("2025-02-01T00:00:00Z", false)] {
            let membership = app.membership_at("c1", at);
            assert_eq!((spent(&membership), &membership["paused"]), ("299.99", &json!(paused)), "{at}");
            assert_eq!(
                membership["period"],
                json!({"start": "2024-01-01T00:00:00Z", "end": "2026-01-01T00:00:00Z"}),
                "{at}"
            );
        }
        app.order("o3", "c1", "2025-03-01T10:00:00Z", "200.01").expect(201);
        let silver = app.membership_at("c1", "2025-12-31T23:59:59Z");
        assert_eq!((tier(&silver), spent(&silver)), ("silver", "500.00"));
        assert_eq!(silver["tier"]["since"], "2025-03-01T10:00:00Z");
        let next = app.membership_at("c1", "2026-01-01T00:00:00Z");
        assert_eq!((tier(&next), spent(&next)), ("silver", "0.00"));
        assert_eq!(next["period"], json!({"start": "2026-01-01T00:00:00Z", "end": "2027-01-01T00:00:00Z"}));
        assert_eq!(next["lifetime"], figures("600.00", 3, 599));
    }

    fn a_boundary_at_a_midnight_that_a_clock_change_skips_is_the_first_instant_after_it(app) {
        app.set_up(json!({
            "time_zone": "Asia/Beirut", "start_date": "2023-03-31",
            "progress_reset": {"kind": "rolling", "months": 12, "anchor": "program_start"},
        }));
        app.set_tiers(LADDER);
        join(app, "c1", "2023-06-01T10:00:00Z");
        app.order("o1", "c1", "2024-03-30T21:59:59Z", "100.00").expect(201);
        app.order("o2", "c1", "2024-03-30T22:00:00Z", "7.00").expect(201);
        let before = app.membership_at("c1", "2024-03-30T21:59:59Z");
        assert_eq!(spent(&before), "100.00");
        assert_eq!(before["period"], json!({"start": "2023-06-01T10:00:00Z", "end": "2024-03-30T22:00:00Z"}));
        let after = app.membership_at("c1", "2024-03-30T22:00:00Z");
        assert_eq!(spent(&after), "7.00");
        assert_eq!(after["period"], json!({"start": "2024-03-30T22:00:00Z", "end": "2025-03-30T21:00:00Z"}));
    }

    fn a_corrected_order_keeps_the_tier_until_a_recalculation_that_allows_downgrades(app) {
        scenario(app, json!({"kind": "never"}));
        app.order("o1", "c1", "2024-03-01T10:00:00Z", "600.00").expect(201);
        let answer = app.order("o1", "c1", "2024-03-01T10:00:00Z", "60.00").expect(200);
        assert_eq!((tier(after(&answer)), spent(after(&answer))), ("silver", "60.00"));

        let path = "/v1/customers/c1/membership/recalculation";
        app.manager().post(path, &json!({"allow_downgrades": true})).expect_problem(422, "invalid_request");
        let drop = json!({"allow_downgrades": true, "reason": "order o1 was a mistake"});
        app.support().post(path, &drop).expect_problem(403, "forbidden");
        let kept = app.manager().post(path, &json!({"reason": "to be sure"})).expect(200).body;
        assert_eq!((tier(&kept["before"]), tier(&kept["after"])), ("silver", "silver"));
        assert_eq!(tier(&app.membership("c1")), "silver");

        let dropped = app.manager().post(path, &drop).expect(200).body;
        assert_eq!((tier(&dropped["before"]), tier(&dropped["after"])), ("silver", "bronze"));
        assert_eq!(dropped["after"]["tier"]["since"], "2023-01-01T00:00:00Z");
        assert_eq!(dropped["after"]["next_tier"]["remaining"], "440.00");
        assert_eq!(tier(&app.membership("c1")), "bronze");
        let explanation = app.storefront().get("/v1/customers/c1/membership/explanation").expect(200).body;
        assert_eq!(explanation["achievements"], json!([{"code": "bronze", "reached_at": "2023-01-01T00:00:00Z"}]));
    }

    fn a_membership_can_be_asked_for_at_any_instant_past_or_future(app) {
        scenario(app, json!({"kind": "calendar_year"}));
        app.order("o1", "c1", "2024-03-01T10:00:00Z", "200.00").expect(201);
        app.order("o2", "c1", "2024-06-01T10:00:00Z", "300.00").expect(201);

        let unknown = app.membership_at("c1", "2022-12-31T23:59:59Z");
        assert_eq!(unknown["as_of"], "2022-12-31T23:59:59Z");
        assert!(unknown["tier"].is_null() && unknown["period"].is_null() && unknown["enrolled_at"].is_null());
        assert_eq!(unknown["lifetime"], figures("0.00", 0, 0));
        for (at, code, amount, lifetime) in [
            ("2023-01-01T00:00:00Z", "bronze", "0.00", "0.00"),
            ("2024-03-01T09:59:59Z", "bronze", "0.00", "0.00"),
            ("2024-03-01T10:00:00Z", "bronze", "200.00", "200.00"),
            ("2024-06-01T09:59:59.999999Z", "bronze", "200.00", "200.00"),
            ("2024-06-01T10:00:00Z", "silver", "500.00", "500.00"),
            ("2024-12-31T23:59:59Z", "silver", "500.00", "500.00"),
            ("2090-07-01T00:00:00Z", "silver", "0.00", "500.00"),
        ] {
            let membership = app.membership_at("c1", at);
            assert_eq!((tier(&membership), spent(&membership)), (code, amount), "{at}");
            assert_eq!(membership["lifetime"]["amount_spent"], lifetime, "{at}");
            assert_eq!(membership["enrolled_at"], "2023-01-01T00:00:00Z", "{at}");
        }
        let future = app.membership_at("c1", "2090-07-01T00:00:00Z");
        assert_eq!(future["period"], json!({"start": "2090-01-01T00:00:00Z", "end": "2091-01-01T00:00:00Z"}));
        assert_eq!(future["tier"]["since"], "2024-06-01T10:00:00Z");

        let ahead = from_now(3600);
        let answer = app.order("o3", "c1", &ahead, "1000.00").expect(201);
        assert_eq!(tier(after(&answer)), "gold", "at the order's instant");
        let now = app.membership("c1");
        assert_eq!((tier(&now), &now["lifetime"]), ("silver", &figures("500.00", 2, 500)));
        assert_eq!(tier(&app.membership_at("c1", &ahead)), "gold");
    }

    fn an_explanation_tells_of_every_fact_and_of_what_time_brought(app) {
        app.set_up(json!({"start_date": "2024-01-01", "progress_reset": {"kind": "calendar_year"}}));
        app.set_tiers(LADDER);
        settled(app, app.admin().post_empty("/v1/program/pause?effective_from=2024-05-01T00:00:00Z"));
        settled(app, app.admin().post_empty("/v1/program/resume?effective_from=2024-06-01T00:00:00Z"));
        join(app, "c1", "2023-12-01T00:00:00Z");
        app.order("o0", "c1", "2023-12-15T10:00:00Z", "100.00").expect(201);
        app.order("o1", "c1", "2024-02-01T10:00:00Z", "300.00").expect(201);
        app.points("a1", "c1", "2024-02-10T10:00:00Z", 25).expect(201);
        app.refund("r1", "o1", "2024-03-01T10:00:00Z", "50.00").expect(201);
        app.order("o2", "c1", "2024-04-01T10:00:00Z", "250.00").expect(201);
        app.order("o3", "c1", "2024-05-15T10:00:00Z", "70.00").expect(201);
        app.refund("r2", "o3", "2024-05-20T10:00:00Z", "20.00").expect(201);
        app.order("o4", "c1", "2024-07-01T10:00:00Z", "1.00").expect(201);
        app.refund("r3", "o1", "2025-02-01T10:00:00Z", "10.00").expect(201);

        let path = "/v1/customers/c1/membership/explanation?at=2025-03-01T00:00:00Z";
        let explanation = app.storefront().get(path).expect(200).body;
        let entry = json!({"from": null, "to": "bronze", "cause": "enrolment"});
        let lift = json!({"from": "bronze", "to": "silver", "cause": "fact"});
        let none = Value::Null;
        let expected = [
            json!(["2023-12-15T10:00:00Z", "order", "o0", false, "before_program_start", ["0.00", 0, 0], "100.00", none]),
            json!(["2024-01-01T00:00:00Z", "enrolment", none, none, none, ["0.00", 0, 0], "100.00", none]),
            json!(["2024-01-01T00:00:00Z", "tier_change", none, none, none, ["0.00", 0, 0], "100.00", entry]),
            json!(["2024-02-01T10:00:00Z", "order", "o1", true, none, ["300.00", 1, 300], "400.00", none]),
            json!(["2024-02-10T10:00:00Z", "points", "a1", true, none, ["300.00", 1, 325], "400.00", none]),
            json!(["2024-03-01T10:00:00Z", "refund", "r1", true, none, ["250.00", 1, 275], "350.00", none]),
            json!(["2024-04-01T10:00:00Z", "order", "o2", true, none, ["500.00", 2, 525], "600.00", lift]),
            json!(["2024-05-15T10:00:00Z", "order", "o3", false, "program_paused", ["500.00", 2, 525], "670.00", none]),
            json!(["2024-05-20T10:00:00Z", "refund", "r2", false, "order_not_counted", ["500.00", 2, 525], "650.00", none]),
            json!(["2024-07-01T10:00:00Z", "order", "o4", true, none, ["501.00", 3, 526], "651.00", none]),
            json!(["2025-01-01T00:00:00Z", "period_end", none, none, none, ["0.00", 0, 0], "651.00", none]),
            json!(["2025-02-01T10:00:00Z", "refund", "r3", false, "order_of_earlier_period", ["0.00", 0, 0], "641.00", none]),
        ];
        let lines = explanation["lines"].as_array().unwrap();
        assert_eq!(lines.len(), expected.len(), "{explanation}");
        for (line, expected) in lines.iter().zip(expected) {
            let progress = &line["progress"];
            let told = json!([
                line["at"], line["kind"], line["id"], line["counted"], line["reason"],
                [progress["amount_spent"], progress["orders_placed"], progress["points_earned"]],
                line["lifetime"]["amount_spent"], line["tier_change"],
            ]);
            assert_eq!(told, expected);
        }
        assert_eq!(lines[5]["change"], figures("-50.00", 0, -50));
        assert_eq!(lines[8]["change"], figures("-20.00", 0, -20));
        assert!(lines[10]["change"].is_null());
        assert_eq!(explanation["as_of"], "2025-03-01T00:00:00Z");
        assert!(explanation["next_cursor"].is_null());
        assert_eq!(explanation["achievements"], json!([
            {"code": "bronze", "reached_at": "2024-01-01T00:00:00Z"},
            {"code": "silver", "reached_at": "2024-04-01T10:00:00Z"},
        ]));
    }

    fn an_explanation_names_what_came_before_the_enrolment(app) {
        app.set_up(json!({}));
        app.set_tiers(LADDER);
        join(app, "c1", "2024-03-01T00:00:00Z");
        app.order("o1", "c1", "2024-02-01T10:00:00Z", "10.00").expect(201);
        let path = "/v1/customers/c1/membership/explanation";
        let lines = app.storefront().get(path).expect(200).body["lines"].clone();
        assert_eq!((&lines[0]["id"], &lines[0]["reason"]), (&json!("o1"), &json!("before_enrolment")));
        assert_eq!((&lines[0]["counted"], &lines[0]["lifetime"]), (&json!(false), &figures("10.00", 1, 10)));
        assert_eq!((&lines[1]["kind"], &lines[2]["kind"]), (&json!("enrolment"), &json!("tier_change")));
        assert!(lines[3].is_null());
    }

    fn a_dry_run_of_a_ladder_from_the_beginning_shows_counts_and_changes_nothing(app) {
        app.set_up(json!({}));
        app.set_tiers(LADDER);
        app.order("o1", "c1", "2024-03-01T10:00:00Z", "300.00").expect(201);
        app.order("o2", "c2", "2024-03-01T10:00:00Z", "600.00").expect(201);
        app.order("o3", "c3", "2024-03-01T10:00:00Z", "50.00").expect(201);
        let state = || {
            let (tiers, program) = (app.admin().get("/v1/tiers"), app.admin().get("/v1/program"));
            let revisions = app.admin().get("/v1/program/revisions").expect(200);
            let held = ["c1", "c2", "c3"].map(|customer| {
                let membership = app.membership(customer);
                json!([membership["tier"], membership["next_tier"], membership["progress"]])
            });
            (tiers.etag(), tiers.body, program.etag(), program.body, revisions.body, held)
        };
        let before = state();
        let dry_run = |query: &str, silver: &str, gold: &str| {
            let path = format!("/v1/tiers?dry_run=true&effective_from=beginning{query}");
            let body = ladder(&[("bronze", "0"), ("silver", silver), ("gold", gold)]);
            let answer = app.admin().put(&path, &body).expect(200);
            assert_eq!(answer.body["tiers"][2]["threshold"], gold, "as it would be");
            let recalculation = settled(app, answer);
            assert_eq!(recalculation["dry_run"], true);
            assert_eq!(recalculation["customers_done"], 3);
            outcome(&recalculation)
        };
        assert_eq!(dry_run("", "250.00", "550.00"), json!(["completed", 3, 2, 2, 0]));
        assert_eq!(dry_run("", "5000.00", "9000.00"), json!(["completed", 3, 1, 0, 0]), "c2 would keep the tier");
        assert_eq!(dry_run("&allow_downgrades=true", "5000.00", "9000.00"), json!(["completed", 3, 1, 0, 1]));
        assert_eq!(state(), before);
        assert_eq!(tier(&app.membership("c2")), "silver");
    }

    fn a_ladder_from_the_beginning_lifts_whom_it_reaches_and_takes_nothing_away(app) {
        app.set_up(json!({}));
        app.set_tiers(LADDER);
        app.order("o1", "c1", "2024-03-01T10:00:00Z", "300.00").expect(201);
        app.order("o2", "c2", "2024-04-01T10:00:00Z", "1000.00").expect(201);
        app.order("o3", "c3", "2024-05-01T10:00:00Z", "50.00").expect(201);
        let body = ladder(&[("bronze", "0"), ("silver", "250.00"), ("gold", "2000.00")]);
        let recalculation = settled(app, app.admin().put("/v1/tiers?effective_from=beginning", &body));
        assert_eq!(outcome(&recalculation), json!(["completed", 3, 2, 1, 0]));
        let lifted = app.membership("c1");
        assert_eq!((tier(&lifted), &lifted["tier"]["since"]), ("silver", &json!("2024-03-01T10:00:00Z")));
        assert_eq!(lifted["next_tier"]["remaining"], "1700.00");
        let kept = app.membership("c2");
        assert_eq!((tier(&kept), &kept["tier"]["since"]), ("gold", &json!("2024-04-01T10:00:00Z")));
        assert!(kept["next_tier"].is_null());
        assert_eq!(tier(&app.membership("c3")), "bronze");
    }

    fn a_ladder_from_an_earlier_instant_judges_only_what_happened_from_then_on(app) {
        app.set_up(json!({}));
        app.admin().put("/v1/tiers?effective_from=beginning", &ladder(LADDER)).expect(200);
        app.order("o1", "c1", "2024-03-01T10:00:00Z", "300.00").expect(201);
        app.order("o2", "c2", "2024-03-01T10:00:00Z", "200.00").expect(201);
        app.order("o3", "c2", "2024-06-01T00:00:00Z", "100.00").expect(201);
        let body = ladder(&[("bronze", "0"), ("silver", "250.00"), ("gold", "1000.00")]);
        let answer = app.admin().put("/v1/tiers?effective_from=2024-06-01T00:00:00Z", &body);
        assert_eq!(outcome(&settled(app, answer)), json!(["completed", 2, 1, 1, 0]));
        let lifted = app.membership("c2");
        assert_eq!((tier(&lifted), &lifted["tier"]["since"]), ("silver", &json!("2024-06-01T00:00:00Z")));
        let waiting = app.membership("c1");
        assert_eq!((tier(&waiting), &waiting["next_tier"]["remaining"]), ("bronze", &json!("0.00")));
        assert_eq!(waiting["next_tier"]["next_order_lifts"], true);
        assert_eq!(app.membership_at("c1", "2024-05-31T23:59:59Z")["next_tier"]["remaining"], "200.00");
    }

    fn a_recalculation_that_allows_downgrades_drops_what_the_facts_do_not_bear_out(app) {
        app.set_up(json!({}));
        app.set_tiers(LADDER);
        app.order("o1", "c1", "2024-03-01T10:00:00Z", "600.00").expect(201);
        app.order("o1", "c1", "2024-03-01T10:00:00Z", "60.00").expect(200);
        app.order("o2", "c2", "2024-03-01T10:00:00Z", "600.00").expect(201);
        app.refund("r2", "o2", "2024-03-02T10:00:00Z", "600.00").expect(201);
        assert_eq!((tier(&app.membership("c1")), tier(&app.membership("c2"))), ("silver", "silver"));

        let recalculation = settled(app, app.admin().patch("/v1/program?allow_downgrades=true", &json!({})));
        assert_eq!(recalculation["allow_downgrades"], true);
        assert_eq!(outcome(&recalculation), json!(["completed", 2, 1, 0, 1]));
        assert_eq!(tier(&app.membership("c1")), "bronze", "no fact ever reached it");
        let refunded = app.membership("c2");
        assert_eq!((tier(&refunded), spent(&refunded)), ("silver", "0.00"), "an order had reached it");
        expect_listed(app, "bronze", &["c1"]);
        expect_listed(app, "silver", &["c2"]);
    }

    fn a_recalculation_that_ran_can_be_read_afterwards(app) {
        app.set_up(json!({}));
        app.set_tiers(LADDER);
        app.order("o1", "c1", "2024-03-01T10:00:00Z", "300.00").expect(201);
        let body = ladder(&[("bronze", "0"), ("silver", "250.00"), ("gold", "1000.00")]);
        let ran = settled(app, app.admin().put("/v1/tiers?effective_from=beginning", &body));
        let id = ran["recalculation_id"].as_str().unwrap();
        let path = format!("/v1/program/recalculations/{id}");
        let read = app.admin().get(&path).expect(200).body;
        assert_eq!(read, ran);
        assert_eq!(read, json!({
            "recalculation_id": id, "state": "completed", "failure": null, "dry_run": false,
            "allow_downgrades": false, "started_at": read["started_at"], "finished_at": read["finished_at"],
            "customers_total": 1, "customers_done": 1, "customers_changed": 1,
            "customers_upgraded": 1, "customers_downgraded": 0,
        }));
        assert!(read["started_at"].is_string() && read["finished_at"].is_string());
        assert!(app.admin().get("/v1/program").expect(200).body["recalculation"].is_null(), "none is running");
        app.manager().get(&path).expect_problem(403, "forbidden");
        app.admin().get("/v1/program/recalculations/none").expect_problem(404, "not_found");
    }

    fn reset_each_period_is_listed_under_the_entry_tier_unless_the_top_was_reached(app) {
        let last_year = from_now(0)[..4].parse::<i32>().unwrap() - 1;
        let at = |day: &str| format!("{last_year}-{day}T10:00:00Z");
        app.set_up(json!({"progress_reset": {"kind": "calendar_year"}, "tier_retention": "reset_each_period"}));
        app.set_tiers(LADDER);
        let pause = format!("/v1/program/pause?effective_from={}", at("11-01"));
        settled(app, app.admin().post_empty(&pause));
        app.order("o1", "c1", &at("07-01"), "500.00").expect(201);
        app.order("o2", "c2", &at("07-01"), "1000.00").expect(201);
        app.order("o3", "c3", &at("07-01"), "999.99").expect(201);
        app.order("o4", "c3", &at("11-02"), "0.01").expect(201);
        expect_listed(app, "silver", &["c1", "c3"]);
        expect_listed(app, "gold", &["c2"]);
        expect_listed(app, "bronze", &[]);

        // Resumed before the year's end, so that the year did end.
        let resume = format!("/v1/program/resume?effective_from={}", at("12-01"));
        assert_eq!(outcome(&settled(app, app.admin().post_empty(&resume))), json!(["completed", 3, 2, 0, 2]));
        expect_listed(app, "bronze", &["c1", "c3"]);
        expect_listed(app, "silver", &[]);
        expect_listed(app, "gold", &["c2"]);
        let fallen = app.membership("c1");
        assert_eq!((tier(&fallen), spent(&fallen)), ("bronze", "0.00"));
        assert_eq!(fallen["tier"]["since"], format!("{}-01-01T00:00:00Z", last_year + 1));
        assert_eq!(fallen["lifetime"], figures("500.00", 1, 500));
    }

    fn the_background_lists_a_customer_under_the_entry_tier_once_the_joining_comes(app) {
        app.set_up(json!({}));
        app.set_tiers(LADDER);
        join(app, "c1", &from_now(2));
        assert!(app.membership("c1")["tier"].is_null());
        expect_listed(app, "bronze", &[]);
        expect_listed(app, "bronze", &["c1"]);
        assert_eq!(tier(&app.membership("c1")), "bronze");
    }
}

on_both! {
    fn a_period_that_two_pauses_keep_open_ends_after_the_second(app) {
        app.set_up(json!({"progress_reset": {"kind": "calendar_year"}}));
        app.set_tiers(&[("bronze", "0"), ("silver", "500.00")]);
        for (verb, at) in [
            ("pause", "2022-12-01"), ("resume", "2023-02-01"),
            ("pause", "2023-12-01"), ("resume", "2024-02-01"),
        ] {
            let path = format!("/v1/program/{verb}?effective_from={at}T00:00:00Z");
            app.admin().post_empty(&path).expect(200);
        }
        app.order("o1", "c1", "2022-06-01T10:00:00Z", "300.00").expect(201);
        let before = app.membership_at("c1", "2022-07-01T00:00:00Z");
        assert_eq!(before["period"]["end"], "2025-01-01T00:00:00Z");
        let after = app.membership_at("c1", "2024-12-31T23:59:59Z");
        assert_eq!(after["progress"]["amount_spent"], "300.00");
    }

    fn a_pause_from_an_earlier_instant_undoes_what_time_had_brought(app) {
        app.set_up(json!({
            "progress_reset": {"kind": "calendar_year"}, "tier_retention": "reset_each_period",
        }));
        app.set_tiers(&[("bronze", "0"), ("silver", "500.00"), ("gold", "1000.00")]);
        app.order("o1", "c1", "2025-07-01T10:00:00Z", "500.00").expect(201);
        app.storefront().put("/v1/customers/c2", &json!({"joined_at": "2025-12-01T00:00:00Z"})).expect(201);
        assert_eq!(tier(&app.membership("c1")), "bronze");
        app.admin().post_empty("/v1/program/pause?effective_from=2025-11-01T00:00:00Z").expect(200);
        let list = app.support().get("/v1/customers").expect(200).body;
        assert_eq!(list["recalculating"], false);
        let tiers = [&list["customers"][0]["tier"], &list["customers"][1]["tier"]];
        assert_eq!(tiers, [&json!("silver"), &json!(null)]);
        assert_eq!(tier(&app.membership("c1")), "silver");
        assert_eq!(tier(&app.membership("c2")), "none");
    }

    fn no_order_lifts_where_orders_earn_no_points(app) {
        app.set_up(json!({"entry_method": "points_earned", "points_per_unit": "0"}));
        app.set_tiers(&[("bronze", "0"), ("silver", "500")]);
        app.points("p1", "c1", "2025-07-01T10:00:00Z", 300).expect(201);
        app.set_tiers(&[("bronze", "0"), ("silver", "250")]);
        assert_eq!(app.membership("c1")["next_tier"]["next_order_lifts"], false);
        app.admin().patch("/v1/program", &json!({"points_per_unit": "1"})).expect(200);
        assert_eq!(app.membership("c1")["next_tier"]["next_order_lifts"], true);
    }
}
