//! What orders, refunds, activities and their corrections book, entry by entry.

use super::activities;
use super::credits::{booked, has, ledger};
use super::rules::{designate, designation_path, remove};
use super::treatment::ladder_with;
use crate::support::*;
use accolade::api::auth::Role;
use serde_json::{Value, json};

const NOON: &str = "2024-06-01T12:00:00Z";
const LATER: &str = "2024-07-01T00:00:00Z";

fn rate(rate: &str) -> Value {
    json!({"rate": rate})
}

/// Has a ladder hold from an instant on: its tiers with their rewards.
fn ladder_from(app: &App, from: &str, tiers: &[(&str, &str, Value)]) {
    let tiers: Vec<(&str, &str, Value)> = tiers
        .iter()
        .map(|(code, threshold, reward)| (*code, *threshold, json!({"reward": reward})))
        .collect();
    let path = format!("/v1/tiers?effective_from={from}");
    settled(app, app.admin().put(&path, &ladder_with(&tiers)).expect(200));
}

/// A store with this one tier, which everyone holds.
fn set_up_bronze(app: &App, reward: Value) {
    app.set_up(json!({}));
    ladder_from(app, "beginning", &[("bronze", "0", reward)]);
}

/// A store with three tiers and their rewards, and `c1`, who joined in 2024.
fn set_up_shop(app: &App) {
    app.set_up(json!({}));
    ladder_from(
        app,
        "beginning",
        &[
            ("bronze", "0", rate("0.02")),
            ("silver", "100.00", rate("0.05")),
            ("gold", "500.00", json!({"amount": "10.00"})),
        ],
    );
    join(app, "c1", "2024-06-01T00:00:00Z");
}

/// A store whose silver tier had a reward of five percent and another one later:
/// `early` reached it before that, `late` afterwards.
fn set_up_change(app: &App, settings: Value, later: Value) {
    app.set_up(settings);
    let ladder = |from: &str, reward: Value| {
        ladder_from(app, from, &[("bronze", "0", Value::Null), ("silver", "100.00", reward)]);
    };
    ladder("beginning", rate("0.05"));
    ladder(LATER, later);
    for (customer, at) in [("early", NOON), ("late", "2024-07-10T12:00:00Z")] {
        assert_eq!(earns(app, customer, at, "100.00"), "0.00");
        assert_eq!(tier(&app.membership_at(customer, "2024-07-31T00:00:00Z")), "silver");
    }
}

/// The credit that a new order earns.
#[track_caller]
fn earns(app: &App, customer: &str, at: &str, total: &str) -> String {
    let id = format!("{customer}-{at}");
    let sent = app.order(&id, customer, at, total).expect(201).body;
    sent["earned"]["credit"].as_str().unwrap().to_owned()
}

/// The order of `c1` in some status.
fn stated(status: &str, total: &str) -> Value {
    let mut body = order("c1", NOON, total);
    body["status"] = json!(status);
    if status != "completed" {
        body["completed_at"] = Value::Null;
    }
    body
}

/// What a request says that it has earned.
fn earned(credit: &str, points: i64) -> Value {
    json!({"credit": credit, "points": points})
}

/// One field of each entry.
fn each(entries: &[Value], field: &str) -> Vec<Value> {
    entries.iter().map(|entry| entry[field].clone()).collect()
}

on_both! {
    fn an_order_earns_by_the_tier_that_was_held_before_it(app) {
        set_up_shop(app);
        for (i, total, expected, balances) in [
            (1, "100.00", earned("2.00", 100), has("2.00", 100)),
            (2, "50.00", earned("2.50", 50), has("4.50", 150)),
            (3, "350.00", earned("17.50", 350), has("22.00", 500)),
            (4, "30.00", earned("10.00", 30), has("32.00", 530)),
        ] {
            let at = format!("2024-06-0{i}T12:00:00Z");
            let sent = app.order(&format!("o{i}"), "c1", &at, total).expect(201).body;
            assert_eq!((&sent["earned"], &sent["balances"]), (&expected, &balances), "{total}");
        }
        let entries = ledger(app, "c1");
        assert_eq!(each(&entries, "tier"), ["bronze", "silver", "silver", "gold"]);
        let mut last = entries[3].clone();
        let fields = last.as_object_mut().unwrap();
        assert!(fields.remove("recorded_at").unwrap().is_string());
        let expected = json!({
            "number": 4, "kind": "earned", "cause": "order_completed", "credit": "10.00", "points": 30,
            "credit_balance": "32.00", "points_balance": 530, "tier": "gold",
            "reward": {"rate": null, "amount": "10.00"}, "points_rate": "1", "order_id": "o4",
            "refund_id": null, "activity_id": null, "occurred_at": "2024-06-04T12:00:00Z",
            "operator": null, "note": null,
        });
        assert_eq!(last, expected);
        assert_eq!(entries[1]["reward"], json!({"rate": "0.05", "amount": null}));
    }

    fn who_has_no_tier_earns_points_alone(app) {
        app.set_up(json!({"points_per_unit": "1.5"}));
        ladder_from(app, "beginning", &[("silver", "100.00", rate("0.05"))]);
        let sent = app.order("o1", "c1", NOON, "9.99").expect(201).body;
        assert_eq!(sent["earned"], earned("0.00", 14));
        let entry = &ledger(app, "c1")[0];
        assert_eq!((&entry["tier"], &entry["reward"]), (&Value::Null, &Value::Null));
        assert_eq!(entry["points_rate"], "1.5");
    }

    fn credit_is_rounded_half_up_to_the_smallest_unit_and_points_down(app) {
        for (currency, points_per_unit, orders) in [
            ("GBP", "0.5", vec![
                ("0.10", "0.01", 0), ("0.30", "0.02", 0), ("0.50", "0.03", 0), ("19.99", "1.00", 9),
            ]),
            ("JPY", "1", vec![("1010", "51", 1_010), ("1009", "50", 1_009)]),
            ("KWD", "1", vec![("1.010", "0.051", 1), ("1.009", "0.050", 1)]),
        ] {
            let admin = app.client_of(currency, Role::Administrator);
            let settings = json!({
                "currency": currency, "points_per_unit": points_per_unit, "start_date": "2020-01-01",
            });
            admin.patch("/v1/program", &settings).expect(200);
            let tiers = ladder_with(&[("bronze", "0", json!({"reward": rate("0.05")}))]);
            admin.put("/v1/tiers", &tiers).expect(200);
            for (total, credit, points) in orders {
                let mut body = order("c1", NOON, total);
                body["currency"] = json!(currency);
                let path = format!("/v1/orders/{total}");
                let sent = app.client_of(currency, Role::Storefront).put(&path, &body).expect(201);
                assert_eq!(sent.body["earned"], earned(credit, points), "{currency} {total}");
            }
        }
    }

    fn what_rounds_to_nothing_and_what_is_free_is_not_booked(app) {
        set_up_bronze(app, json!({"amount": "5.00"}));
        for (id, total) in [("free", "0.00"), ("nothing", "0")] {
            let sent = app.order(id, "c1", NOON, total).expect(201).body;
            assert_eq!(sent["earned"], earned("0.00", 0));
        }
        ladder_from(app, "beginning", &[("bronze", "0", rate("0.05"))]);
        assert_eq!(earns(app, "c1", "2024-06-02T12:00:00Z", "0.09"), "0.00");
        assert!(ledger(app, "c1").is_empty());
    }

    fn refunds_take_back_what_the_rest_no_longer_earns(app) {
        set_up_shop(app);
        app.order("o1", "c1", NOON, "33.33").expect(201);
        for (i, amount, expected) in [
            (1, "3.33", earned("-0.07", -3)), (2, "0.10", earned("0.00", -1)),
            (3, "0.00", earned("0.00", 0)), (4, "29.90", earned("-0.60", -29)),
        ] {
            let at = format!("2024-06-1{i}T12:00:00Z");
            let sent = app.refund(&format!("r{i}"), "o1", &at, amount).expect(201).body;
            assert_eq!(sent["earned"], expected, "{amount}");
        }
        let entries = ledger(app, "c1");
        assert_eq!(booked(&entries), [
            "earned order_completed 0.67 33", "reversed order_refunded -0.07 -3",
            "reversed order_refunded 0.00 -1", "reversed order_refunded -0.60 -29",
        ]);
        assert_eq!(each(&entries, "refund_id"), [json!(null), json!("r1"), json!("r2"), json!("r4")]);
        assert_eq!(each(&entries, "order_id"), ["o1"; 4]);
        assert_eq!(each(&entries, "tier"), ["bronze"; 4]);
        assert_eq!(entries[1]["reward"], json!({"rate": "0.02", "amount": null}));
        assert_eq!(entries[1]["points_rate"], "1");
        assert_eq!(entries[1]["occurred_at"], "2024-06-11T12:00:00Z");
        assert_eq!(entries[3]["credit_balance"], "0.00");
    }

    fn a_fixed_amount_is_earned_by_the_share_that_was_not_refunded(app) {
        set_up_bronze(app, json!({"amount": "5.00"}));
        assert_eq!(earns(app, "c1", NOON, "30.00"), "5.00");
        for (i, expected) in [(1, "-1.67"), (2, "-1.66"), (3, "-1.67")] {
            let at = format!("2024-06-1{i}T12:00:00Z");
            let sent = app.refund(&format!("r{i}"), &format!("c1-{NOON}"), &at, "10.00").expect(201).body;
            assert_eq!(sent["earned"], earned(expected, -10), "{i}");
        }
        assert_eq!(ledger(app, "c1")[3]["credit_balance"], "0.00");
    }

    fn each_correction_books_the_difference_at_the_old_terms(app) {
        set_up_bronze(app, rate("0.02"));
        let mut expected: Vec<&str> = Vec::new();
        for (status, total, change, entry) in [
            ("completed", "100.00", earned("2.00", 100), "earned order_completed 2.00 100"),
            ("completed", "150.00", earned("1.00", 50), "earned order_corrected 1.00 50"),
            ("completed", "75.00", earned("-1.50", -75), "reversed order_corrected -1.50 -75"),
            ("pending", "75.00", earned("-1.50", -75), "reversed order_corrected -1.50 -75"),
            ("pending", "80.00", earned("0.00", 0), ""),
            ("completed", "80.00", earned("1.60", 80), "earned order_corrected 1.60 80"),
            ("cancelled", "80.00", earned("-1.60", -80), "reversed order_cancelled -1.60 -80"),
            ("cancelled", "90.00", earned("0.00", 0), ""),
            ("raised", "", Value::Null, ""),
            ("completed", "90.00", earned("1.80", 90), "earned order_corrected 1.80 90"),
            ("cancelled", "90.00", earned("-1.80", -90), "reversed order_cancelled -1.80 -90"),
        ] {
            if status == "raised" {
                ladder_from(app, "beginning", &[("bronze", "0", rate("0.10"))]);
                continue;
            }
            let sent = app.storefront().put("/v1/orders/o1", &stated(status, total));
            assert!(sent.status < 300, "{}", sent.text);
            assert_eq!(sent.body["earned"], change, "{status} {total}");
            expected.extend((!entry.is_empty()).then_some(entry));
            let entries = ledger(app, "c1");
            assert_eq!(booked(&entries), expected, "{status} {total}");
            let last = entries.last().unwrap();
            assert_eq!((&last["order_id"], &last["tier"]), (&json!("o1"), &json!("bronze")));
            assert_eq!(last["reward"], json!({"rate": "0.02", "amount": null}));
        }
        let entries = ledger(app, "c1");
        assert_eq!(entries[0]["occurred_at"], NOON);
        for entry in &entries[1..] {
            assert_eq!(entry["occurred_at"], entry["recorded_at"], "{entry}");
        }
    }

    fn a_cancelled_order_that_was_refunded_comes_back_with_what_is_left(app) {
        set_up_bronze(app, rate("0.02"));
        let client = app.storefront();
        client.put("/v1/orders/o1", &stated("completed", "100.00")).expect(201);
        client.put("/v1/orders/o1", &stated("cancelled", "100.00")).expect(200);
        let refunded = app.refund("r1", "o1", "2024-06-08T12:00:00Z", "25.00").expect(201).body;
        assert_eq!((&refunded["earned"], &refunded["balances"]), (&earned("0.00", 0), &has("0.00", 0)));
        let back = client.put("/v1/orders/o1", &stated("completed", "100.00")).expect(200).body;
        assert_eq!(back["earned"], earned("1.50", 75));
        assert_eq!(booked(&ledger(app, "c1")), [
            "earned order_completed 2.00 100", "reversed order_cancelled -2.00 -100",
            "earned order_corrected 1.50 75",
        ]);
    }

    fn what_was_sent_before_or_is_older_books_nothing(app) {
        set_up_bronze(app, rate("0.02"));
        let with = |mut body: Value, updated_at: &str| {
            body["updated_at"] = json!(updated_at);
            body
        };
        let newest = with(stated("completed", "100.00"), "2024-06-05T00:00:00Z");
        let points = json!({"customer_id": "c1", "kind": "points", "points": 5, "occurred_at": NOON});
        let points = with(points, "2024-06-05T00:00:00Z");
        app.storefront().put("/v1/orders/o1", &newest).expect(201);
        app.refund("r1", "o1", "2024-06-08T12:00:00Z", "10.00").expect(201);
        app.storefront().put("/v1/activities/a1", &points).expect(201);
        let before = ledger(app, "c1");
        assert_eq!(before.len(), 3);
        let mut more = points.clone();
        more["points"] = json!(500);
        for (path, body) in [
            ("orders/o1", newest),
            ("orders/o1", with(stated("completed", "200.00"), "2024-06-04T00:00:00Z")),
            ("orders/o1", with(stated("cancelled", "100.00"), "2024-06-04T00:00:00Z")),
            (
                "refunds/r1",
                json!({"order_id": "o1", "amount": "10.00", "refunded_at": "2024-06-08T12:00:00Z"}),
            ),
            ("activities/a1", points),
            ("activities/a1", with(more, "2024-06-04T00:00:00Z")),
        ] {
            let sent = app.storefront().put(&format!("/v1/{path}"), &body).expect(200).body;
            assert_eq!((&sent["earned"], &sent["balances"]), (&earned("0.00", 0), &has("1.80", 95)), "{body}");
        }
        assert_eq!(ledger(app, "c1"), before);
    }

    fn an_order_earns_once_it_is_completed_and_by_what_refunds_left_of_it(app) {
        set_up_bronze(app, rate("0.02"));
        let client = app.storefront();
        for (id, status) in [("o1", "pending"), ("o2", "cancelled")] {
            let sent = client.put(&format!("/v1/orders/{id}"), &stated(status, "50.00")).expect(201).body;
            assert_eq!((&sent["earned"], &sent["balances"]), (&earned("0.00", 0), &has("0.00", 0)));
        }
        let early = app.refund("r1", "o1", "2024-05-20T12:00:00Z", "20.00").expect(201).body;
        assert_eq!(early["earned"], earned("0.00", 0));
        assert!(ledger(app, "c1").is_empty());
        let sent = client.put("/v1/orders/o1", &stated("completed", "50.00")).expect(200).body;
        assert_eq!(sent["earned"], earned("0.60", 30));
        // One that is dated before the completion and comes later is taken off too.
        app.refund("r2", "o1", "2024-05-21T12:00:00Z", "10.00").expect(201);
        let entries = ledger(app, "c1");
        assert_eq!(booked(&entries), ["earned order_completed 0.60 30", "reversed order_refunded -0.20 -10"]);
        assert_eq!(each(&entries, "occurred_at"), [NOON, "2024-05-21T12:00:00Z"]);
    }

    fn a_late_order_earns_by_the_tier_of_its_own_time_and_changes_no_other(app) {
        set_up_shop(app);
        for (id, day, total) in [
            ("o2", "10", "100.00"), ("o3", "12", "10.00"), ("o1", "05", "10.00"), ("o4", "06", "95.00"),
        ] {
            app.order(id, "c1", &format!("2024-06-{day}T12:00:00Z"), total).expect(201);
        }
        // With the late ones silver was reached before o2, which has its terms for good.
        app.refund("r1", "o2", "2024-06-20T12:00:00Z", "50.00").expect(201);
        let entries = ledger(app, "c1");
        assert_eq!(booked(&entries), [
            "earned order_completed 2.00 100", "earned order_completed 0.50 10",
            "earned order_completed 0.20 10", "earned order_completed 1.90 95",
            "reversed order_refunded -1.00 -50",
        ]);
        assert_eq!(each(&entries, "tier"), ["bronze", "silver", "bronze", "bronze", "bronze"]);
        assert_eq!(entries[2]["occurred_at"], "2024-06-05T12:00:00Z");
    }

    fn what_does_not_count_toward_tiers_earns_nothing_ever(app) {
        app.set_up(json!({"start_date": "2024-01-01"}));
        ladder_from(app, "beginning", &[("bronze", "0", rate("0.02"))]);
        for (change, at) in [("pause", "2024-06-10"), ("resume", "2024-06-20")] {
            app.admin().post_empty(&format!("/v1/program/{change}?effective_from={at}T00:00:00Z")).expect(200);
        }
        join(app, "c1", "2024-03-01T00:00:00Z");
        let mut placed_before = order("c1", "2024-04-01T12:00:00Z", "40.00");
        placed_before["placed_at"] = json!("2023-12-31T12:00:00Z");
        for (id, body) in [
            ("start", placed_before), ("enrolment", order("c1", "2024-02-01T12:00:00Z", "40.00")),
            ("paused", order("c1", "2024-06-15T12:00:00Z", "40.00")),
        ] {
            let path = format!("/v1/orders/{id}");
            let mut more = body.clone();
            more["total"] = json!("60.00");
            for (body, status) in [(body, 201), (more, 200)] {
                let sent = app.storefront().put(&path, &body).expect(status).body;
                assert_eq!(sent["earned"], earned("0.00", 0), "{id}");
            }
            let refunded = app.refund(&format!("r-{id}"), id, "2024-07-01T12:00:00Z", "10.00").expect(201).body;
            assert_eq!(refunded["earned"], earned("0.00", 0), "{id}");
        }
        for (id, at) in [("a1", "2024-02-01T12:00:00Z"), ("a2", "2024-06-15T12:00:00Z")] {
            assert_eq!(app.points(id, "c1", at, 5).expect(201).body["earned"], earned("0.00", 0));
        }
        assert!(ledger(app, "c1").is_empty());
        // What has counted is taken back during a pause too.
        app.order("o1", "c1", "2024-06-05T12:00:00Z", "100.00").expect(201);
        app.refund("r1", "o1", "2024-06-16T12:00:00Z", "50.00").expect(201);
        app.order("o2", "c1", "2024-06-25T12:00:00Z", "10.00").expect(201);
        assert_eq!(booked(&ledger(app, "c1")), [
            "earned order_completed 2.00 100", "reversed order_refunded -1.00 -50",
            "earned order_completed 0.20 10",
        ]);
    }

    fn the_terms_are_those_of_the_first_processing(app) {
        set_up_bronze(app, rate("0.02"));
        app.order("o1", "c1", NOON, "100.00").expect(201);
        ladder_from(app, "beginning", &[("bronze", "0", rate("0.10"))]);
        let points = json!({"points_per_unit": "3"});
        settled(app, app.admin().patch("/v1/program?effective_from=beginning", &points).expect(200));
        assert_eq!(app.order("o1", "c1", NOON, "100.00").expect(200).body["earned"], earned("0.00", 0));
        app.refund("r1", "o1", "2024-06-08T12:00:00Z", "50.00").expect(201);
        app.order("o1", "c1", NOON, "150.00").expect(200);
        app.order("o2", "c1", NOON, "100.00").expect(201);
        let entries = ledger(app, "c1");
        assert_eq!(booked(&entries), [
            "earned order_completed 2.00 100", "reversed order_refunded -1.00 -50",
            "earned order_corrected 1.00 50", "earned order_completed 10.00 300",
        ]);
        assert_eq!(each(&entries, "points_rate"), ["1", "1", "1", "3"]);
    }

    fn who_ordered_while_there_was_no_reward_earns_none_later(app) {
        set_up_bronze(app, Value::Null);
        app.order("o1", "c1", NOON, "100.00").expect(201);
        ladder_from(app, "beginning", &[("bronze", "0", rate("0.05"))]);
        app.order("o1", "c1", NOON, "200.00").expect(200);
        app.order("o2", "c1", NOON, "10.00").expect(201);
        assert_eq!(booked(&ledger(app, "c1")), [
            "earned order_completed 0.00 100", "earned order_corrected 0.00 100",
            "earned order_completed 0.50 10",
        ]);
    }

    fn a_tier_once_reached_is_earned_by_though_its_order_was_a_mistake(app) {
        set_up_shop(app);
        app.storefront().put("/v1/orders/o1", &stated("completed", "100.00")).expect(201);
        app.storefront().put("/v1/orders/o1", &stated("cancelled", "100.00")).expect(200);
        assert_eq!(earns(app, "c1", "2024-06-02T12:00:00Z", "10.00"), "0.50");
    }

    fn a_designations_tier_counts_for_orders_that_are_completed_after_it_was_made(app) {
        set_up_shop(app);
        designate(app, "c1", &json!({"tier": "gold", "since": "2024-01-01"}));
        assert_eq!(earns(app, "c1", NOON, "10.00"), "0.20");
        let during = from_now(0);
        assert_eq!(earns(app, "c1", &during, "10.00"), "10.00");
        let state = |state: &str| {
            app.manager().patch(&designation_path("c1"), &json!({"state": state})).expect(200);
        };
        state("paused");
        assert_eq!(earns(app, "c1", &from_now(0), "10.00"), "0.20");
        state("active");
        assert_eq!(earns(app, "c1", &from_now(0), "10.00"), "10.00");
        remove(app, "c1");
        assert_eq!(earns(app, "c1", &from_now(0), "10.00"), "0.20");
        let entries = ledger(app, "c1");
        assert_eq!(each(&entries, "tier"), ["bronze", "gold", "bronze", "gold", "bronze"]);
        // What was earned by it is taken back by it.
        let refunded = app.refund("r1", &format!("c1-{during}"), &from_now(0), "5.00").expect(201).body;
        assert_eq!(refunded["earned"], earned("-5.00", -5));
    }

    fn the_higher_of_both_tiers_counts(app) {
        set_up_shop(app);
        app.order("o1", "c1", NOON, "500.00").expect(201);
        designate(app, "c1", &json!({"tier": "silver"}));
        assert_eq!(earns(app, "c1", &from_now(0), "10.00"), "10.00");
        assert_eq!(ledger(app, "c1")[1]["tier"], "gold");
    }

    fn a_lowered_reward_is_kept_by_who_held_the_tier(app) {
        set_up_change(app, json!({}), rate("0.02"));
        assert_eq!(earns(app, "early", "2024-08-01T12:00:00Z", "100.00"), "5.00");
        assert_eq!(earns(app, "late", "2024-08-01T12:00:00Z", "100.00"), "2.00");
        let kept = &ledger(app, "early")[1];
        assert_eq!(kept["reward"], json!({"rate": "0.05", "amount": null}));
    }

    fn a_raised_reward_is_everyones(app) {
        set_up_change(app, json!({}), rate("0.08"));
        for customer in ["early", "late"] {
            assert_eq!(earns(app, customer, "2024-08-01T12:00:00Z", "100.00"), "8.00");
        }
    }

    fn of_rewards_of_both_kinds_the_one_that_gives_most_on_the_order_counts(app) {
        set_up_change(app, json!({}), json!({"amount": "4.00"}));
        assert_eq!(earns(app, "early", "2024-08-01T12:00:00Z", "100.00"), "5.00");
        assert_eq!(earns(app, "early", "2024-08-02T12:00:00Z", "50.00"), "4.00");
        assert_eq!(earns(app, "late", "2024-08-01T12:00:00Z", "100.00"), "4.00");
        assert_eq!(earns(app, "late", "2024-08-02T12:00:00Z", "50.00"), "4.00");
        let rewards = each(&ledger(app, "early"), "reward");
        assert_eq!(rewards[1], json!({"rate": "0.05", "amount": null}));
        assert_eq!(rewards[2], json!({"rate": null, "amount": "4.00"}));
    }

    fn a_reward_that_was_taken_off_is_kept_by_who_held_the_tier(app) {
        set_up_change(app, json!({}), Value::Null);
        assert_eq!(earns(app, "early", "2024-08-01T12:00:00Z", "100.00"), "5.00");
        assert_eq!(earns(app, "late", "2024-08-01T12:00:00Z", "100.00"), "0.00");
    }

    fn where_tiers_are_reset_no_reward_is_kept(app) {
        let settings = json!({
            "progress_reset": {"kind": "calendar_year"}, "tier_retention": "reset_each_period",
        });
        set_up_change(app, settings, rate("0.02"));
        for customer in ["early", "late"] {
            assert_eq!(earns(app, customer, "2024-08-01T12:00:00Z", "100.00"), "2.00");
        }
    }

    fn a_reward_is_earned_from_the_instant_that_it_holds_from(app) {
        set_up_bronze(app, Value::Null);
        ladder_from(app, LATER, &[("bronze", "0", rate("0.05"))]);
        assert_eq!(earns(app, "c1", "2024-06-30T23:59:59.999999Z", "100.00"), "0.00");
        assert_eq!(earns(app, "c1", LATER, "100.00"), "5.00");
    }

    fn a_batch_is_booked_in_the_order_of_instants_whatever_that_of_its_lines(app) {
        set_up_shop(app);
        let order_line = |id: &str, at: &str, total: &str| {
            let mut fact = order("c1", at, total);
            fact["order_id"] = json!(id);
            json!({"order": fact})
        };
        let refund_line = |id: &str, at: &str, amount: &str| {
            json!({"refund": {"refund_id": id, "order_id": "o1", "amount": amount, "refunded_at": at}})
        };
        let lines = [
            refund_line("r2", "2024-06-12T12:00:00Z", "60.00"),
            order_line("o2", "2024-06-10T12:00:00Z", "50.00"),
            refund_line("r1", "2024-06-08T12:00:00Z", "40.00"),
            order_line("o1", NOON, "100.00"),
            json!({"activity": {
                "activity_id": "a1", "customer_id": "c1", "kind": "points", "points": 7,
                "occurred_at": "2024-06-05T12:00:00Z",
            }}),
        ];
        let sent = app.storefront().post_lines("/v1/facts", &lines).expect(200).body;
        assert_eq!(sent["created"], 5, "{sent}");
        let entries = ledger(app, "c1");
        assert_eq!(booked(&entries), [
            "earned order_completed 2.00 100", "earned activity 0.00 7",
            "reversed order_refunded -0.80 -40", "earned order_completed 2.50 50",
            "reversed order_refunded -1.20 -60",
        ]);
        let at = ["01", "05", "08", "10", "12"].map(|day| format!("2024-06-{day}T12:00:00Z"));
        assert_eq!(each(&entries, "occurred_at"), at);
        assert_eq!(each(&entries, "tier"), ["bronze", "silver", "bronze", "silver", "bronze"]);
        let again = app.storefront().post_lines("/v1/facts", &lines).expect(200).body;
        assert_eq!(again["unchanged"], 5);
        assert_eq!(ledger(app, "c1"), entries);
    }

    fn points_of_activities_are_booked_and_corrected(app) {
        set_up_shop(app);
        for (points, at, change) in [
            (50, NOON, 50), (80, NOON, 30), (10, NOON, -70), (10, "2024-06-02T12:00:00Z", 0),
        ] {
            let sent = app.points("a1", "c1", at, points);
            assert!(sent.status < 300, "{}", sent.text);
            assert_eq!(sent.body["earned"], earned("0.00", change), "{points}");
            assert_eq!(sent.body["balances"], has("0.00", points));
        }
        let entries = ledger(app, "c1");
        assert_eq!(booked(&entries), [
            "earned activity 0.00 50", "earned activity_corrected 0.00 30",
            "reversed activity_corrected 0.00 -70",
        ]);
        assert_eq!(each(&entries, "activity_id"), ["a1"; 3]);
        assert_eq!(each(&entries, "tier"), ["bronze"; 3]);
        assert_eq!(each(&entries, "order_id"), [Value::Null, Value::Null, Value::Null]);
        assert_eq!(entries[0]["reward"], Value::Null);
        assert_eq!(entries[0]["occurred_at"], NOON);
        assert_eq!(entries[1]["occurred_at"], entries[1]["recorded_at"]);
        let survey = activities::send(app, "s1", ("c1", "survey"), NOON, &json!({"score": 5})).expect(201);
        assert_eq!((&survey.body["earned"], &survey.body["balances"]), (&earned("0.00", 0), &has("0.00", 10)));
        assert_eq!(ledger(app, "c1").len(), 3);
    }

    fn of_many_orders_at_once_each_is_booked_once(app) {
        set_up_bronze(app, rate("0.05"));
        std::thread::scope(|scope| {
            for i in 0..40 {
                // Each is sent twice.
                scope.spawn(move || {
                    let sent = app.order(&format!("o{}", i % 20), "c1", NOON, "10.01");
                    assert!(sent.status < 300, "{}", sent.text);
                });
            }
        });
        let entries = ledger(app, "c1");
        assert_eq!(booked(&entries), ["earned order_completed 0.50 10"; 20]);
        assert_eq!(entries[19]["credit_balance"], "10.00");
    }

    /// The shop's clock is ahead: the designation that the order brings about is
    /// made before the order's own instant.
    fn what_an_order_designates_is_not_held_before_it(app) {
        app.set_up(json!({}));
        let gold = json!({"reward": rate("0.05"), "designates": true});
        let tiers = ladder_with(&[("bronze", "0", json!({"reward": rate("0.01")})), ("gold", "500.00", gold)]);
        app.client(Role::PlatformAdmin).put("/v1/tiers", &tiers).expect(200);
        assert_eq!(earns(app, "c1", &from_now(3_600), "600.00"), "6.00");
        let badge = app.support().get("/v1/customers/c1/badge").expect(200).body;
        assert_eq!((&badge["status"], &badge["tier"]["code"]), (&json!("vip"), &json!("gold")));
        assert_eq!(earns(app, "c1", &from_now(7_200), "600.00"), "30.00");
    }

    /// Which of the kept rewards counts goes by the order's total, and where
    /// that says nothing by the rate.
    fn what_refunds_left_of_an_order_chooses_no_reward(app) {
        set_up_change(app, json!({}), rate("0.03"));
        for (id, first, later, total) in [("free", "0.00", "0.00", "0.00"), ("given", "100.00", "100.00", "100.00")] {
            let mut body = order("early", "2024-07-20T12:00:00Z", total);
            (body["status"], body["completed_at"]) = (json!("pending"), Value::Null);
            app.storefront().put(&format!("/v1/orders/{id}"), &body).expect(201);
            if first != "0.00" {
                app.refund(&format!("r-{id}"), id, "2024-07-20T11:00:00Z", later).expect(201);
            }
            let completed = app.order(id, "early", "2024-07-20T12:00:00Z", total).expect(200).body;
            assert_eq!(completed["earned"]["credit"], "0.00");
            let corrected = app.order(id, "early", "2024-07-20T12:00:00Z", "200.00").expect(200).body;
            let net = if first == "0.00" { "10.00" } else { "5.00" };
            assert_eq!(corrected["earned"]["credit"], net, "{id}");
        }
    }
}
