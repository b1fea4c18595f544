//! Referrals: each customer is referred once, and what they spend from then on
//! is their referrer's referral spend.
//!
//! A rule over the metric shows what counts: a qualification is judged afresh.

use super::activities::send;
use super::neighbour;
use crate::support::*;
use accolade::api::auth::Role;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

const NOON: &str = "2024-06-01T12:00:00Z";

/// Noon of a day in June.
fn day(day: u32) -> String {
    format!("2024-06-{day:02}T12:00:00Z")
}

/// A store in which one referral makes a VIP, and so does a hundred spent by
/// whom one has referred.
fn set_up(app: &App) {
    app.set_up(json!({}));
    for (metric, at_least) in [("referrals", "1"), ("referral_spend", "100.00")] {
        let rule = json!({
            "name": metric, "profile": "advocate", "grants": {},
            "conditions": [{"metric": metric, "at_least": at_least}],
        });
        app.client(Role::PlatformAdmin).put(&format!("/v1/rules/by-{metric}"), &rule).expect(201);
    }
    // Nobody is unknown who may never be heard of.
    for customer in ["ann", "ben", "cleo"] {
        app.storefront().put(&format!("/v1/customers/{customer}"), &json!({})).expect(201);
    }
}

fn refer(app: &App, id: &str, (referrer, referred): (&str, &str), at: &str) {
    let fields = json!({"referred_customer_id": referred});
    let answer = send(app, id, (referrer, "referral"), at, &fields);
    assert!(answer.status < 300, "{}", answer.text);
}

/// What a customer is found to have of a metric, as their rule sees it.
fn found(app: &App, customer: &str, metric: &str) -> String {
    let path = format!("/v1/customers/{customer}/qualification");
    let body = app.support().get(&path).expect(200).body;
    let rules = body["rules"].as_array().unwrap();
    let code = format!("by-{metric}");
    let rule = rules.iter().find(|rule| rule["code"] == *code).unwrap();
    let finding = &rule["conditions"][0];
    assert_eq!(finding["metric"], *metric);
    assert_eq!(rule["met"], finding["met"], "it is the only condition");
    finding["found"].as_str().unwrap().to_owned()
}

/// How many customers each of three has referred.
fn counts(app: &App) -> [String; 3] {
    ["ann", "ben", "cleo"].map(|customer| found(app, customer, "referrals"))
}

/// What those have spent whom each of two has referred.
fn spends(app: &App) -> [String; 2] {
    ["ann", "ben"].map(|customer| found(app, customer, "referral_spend"))
}

fn is_met(app: &App, customer: &str, metric: &str) -> bool {
    let path = format!("/v1/customers/{customer}/qualification");
    let body = app.support().get(&path).expect(200).body;
    let rules = body["rules"].as_array().unwrap();
    let code = format!("by-{metric}");
    rules.iter().find(|rule| rule["code"] == *code).unwrap()["met"].as_bool().unwrap()
}

on_both! {
    fn a_customer_is_referred_once_by_whoever_was_first(app) {
        set_up(app);
        assert_eq!(counts(app), ["0", "0", "0"]);
        assert!(!is_met(app, "ben", "referrals"));
        refer(app, "r1", ("ben", "friend"), &day(10));
        assert_eq!(counts(app), ["0", "1", "0"]);
        assert!(is_met(app, "ben", "referrals"));
        // Later ones do not count, nor does another by the same.
        refer(app, "r2", ("cleo", "friend"), &day(11));
        refer(app, "r3", ("ben", "friend"), &day(12));
        assert_eq!(counts(app), ["0", "1", "0"]);
        // An earlier one does, whenever it is told of.
        refer(app, "r4", ("ann", "friend"), &day(9));
        assert_eq!(counts(app), ["1", "0", "0"]);
        assert!(!is_met(app, "ben", "referrals"));
        // Others are others.
        refer(app, "r5", ("ann", "second"), &day(20));
        refer(app, "r6", ("cleo", "third"), &day(1));
        assert_eq!(counts(app), ["2", "0", "1"]);
    }

    fn of_two_referrals_at_one_instant_the_lower_identifier_counts(app) {
        set_up(app);
        refer(app, "r2", ("ben", "friend"), NOON);
        assert_eq!(counts(app), ["0", "1", "0"]);
        refer(app, "r3", ("cleo", "friend"), NOON);
        assert_eq!(counts(app), ["0", "1", "0"]);
        refer(app, "r1", ("ann", "friend"), NOON);
        assert_eq!(counts(app), ["1", "0", "0"]);
        // Identifiers compare by their bytes: capitals come first.
        refer(app, "R9", ("cleo", "friend"), NOON);
        assert_eq!(counts(app), ["0", "0", "1"]);
    }

    fn a_corrected_referral_counts_as_if_it_had_always_been_so(app) {
        set_up(app);
        refer(app, "r1", ("ann", "friend"), &day(9));
        refer(app, "r2", ("ben", "friend"), &day(10));
        assert_eq!(counts(app), ["1", "0", "0"]);
        // It was later than the other one.
        refer(app, "r1", ("ann", "friend"), &day(11));
        assert_eq!(counts(app), ["0", "1", "0"]);
        // The other one was of somebody else.
        refer(app, "r2", ("ben", "second"), &day(10));
        assert_eq!(counts(app), ["1", "1", "0"]);
        // An older state than the one that is stored changes nothing.
        let put = |updated_at: &str, referred: &str| {
            let body = json!({
                "customer_id": "cleo", "kind": "referral", "referred_customer_id": referred,
                "occurred_at": day(5), "updated_at": updated_at,
            });
            app.storefront().put("/v1/activities/r3", &body)
        };
        put(&day(8), "third").expect(201);
        put(&day(7), "friend").expect(200);
        assert_eq!(counts(app), ["1", "1", "1"]);
        put(&day(8), "friend").expect(200);
        assert_eq!(counts(app), ["0", "1", "1"]);
    }

    fn who_is_referred_need_not_be_known_and_is_not_made_known(app) {
        set_up(app);
        refer(app, "r1", ("ann", "friend"), &day(1));
        app.storefront().get("/v1/customers/friend").expect_problem(404, "not_found");
        assert_eq!(counts(app), ["1", "0", "0"]);
        assert_eq!(spends(app), ["0.00", "0.00"]);
        app.order("o1", "friend", &day(2), "30.00").expect(201);
        assert_eq!(spends(app), ["30.00", "0.00"]);
        // Two may refer each other: each is referred by the other.
        refer(app, "r2", ("friend", "ann"), &day(3));
        assert_eq!((counts(app)[0].as_str(), found(app, "friend", "referrals")), ("1", "1".to_owned()));
        app.order("o2", "ann", &day(4), "5.00").expect(201);
        assert_eq!(found(app, "friend", "referral_spend"), "5.00");
        assert_eq!(spends(app), ["30.00", "0.00"]);
    }

    fn referral_spend_is_what_they_spent_from_their_referral_on(app) {
        set_up(app);
        let (just_before, after) = ("2024-06-01T11:59:59.999999Z", "2024-06-01T12:00:00.000001Z");
        app.order("before", "friend", just_before, "1000.00").expect(201);
        refer(app, "r1", ("ann", "friend"), NOON);
        assert_eq!(spends(app), ["0.00", "0.00"]);
        app.order("at", "friend", NOON, "60.00").expect(201);
        app.order("after", "friend", after, "39.99").expect(201);
        assert_eq!(spends(app), ["99.99", "0.00"]);
        assert!(!is_met(app, "ann", "referral_spend"));
        // When an order was completed counts, not when it was placed.
        let mut placed_before = order("friend", after, "0.01");
        placed_before["placed_at"] = json!("2024-05-01T12:00:00Z");
        app.storefront().put("/v1/orders/placed-before", &placed_before).expect(201);
        assert_eq!(spends(app), ["100.00", "0.00"]);
        assert!(is_met(app, "ann", "referral_spend"));
        // What is not completed, and what was spent by others.
        for status in ["pending", "cancelled"] {
            let body = json!({
                "customer_id": "friend", "status": status, "total": "500.00", "currency": "GBP",
                "placed_at": after,
            });
            app.storefront().put(&format!("/v1/orders/{status}"), &body).expect(201);
        }
        app.order("own", "ann", after, "500.00").expect(201);
        app.order("of-other", "second", after, "500.00").expect(201);
        assert_eq!(spends(app), ["100.00", "0.00"]);
        // Net of refunds, but for those of orders that do not count.
        app.refund("f1", "before", "2024-06-02T12:00:00Z", "900.00").expect(201);
        assert_eq!(spends(app), ["100.00", "0.00"]);
        app.refund("f2", "at", "2024-06-02T12:00:00Z", "10.50").expect(201);
        assert_eq!(spends(app), ["89.50", "0.00"]);
        app.refund("f3", "after", "2024-06-02T12:00:00Z", "39.99").expect(201);
        assert_eq!(spends(app), ["49.51", "0.00"]);
        assert!(!is_met(app, "ann", "referral_spend"));
        // All whom one has referred, together.
        refer(app, "r2", ("ann", "second"), NOON);
        assert_eq!(spends(app), ["549.51", "0.00"]);
    }

    fn referral_spend_goes_to_whose_referral_counts(app) {
        set_up(app);
        app.order("o1", "friend", &day(4), "10.00").expect(201);
        app.order("o2", "friend", &day(8), "20.00").expect(201);
        refer(app, "r1", ("ben", "friend"), &day(6));
        assert_eq!(spends(app), ["0.00", "20.00"]);
        // From the earlier referral on, and all of it.
        refer(app, "r2", ("ann", "friend"), &day(2));
        assert_eq!(spends(app), ["30.00", "0.00"]);
        refer(app, "r2", ("ann", "friend"), &day(7));
        assert_eq!(spends(app), ["0.00", "20.00"]);
        refer(app, "r1", ("ben", "somebody-else"), &day(6));
        assert_eq!(spends(app), ["20.00", "0.00"]);
        // An order that turns out to be earlier than its customer's referral.
        app.order("o2", "friend", &day(6), "20.00").expect(200);
        assert_eq!(spends(app), ["0.00", "0.00"]);
    }

    fn a_referral_makes_its_referrer_a_vip_by_a_rule(app) {
        set_up(app);
        refer(app, "r1", ("ann", "friend"), NOON);
        let started = Instant::now();
        let designation = loop {
            let answer = app.manager().get("/v1/customers/ann/designation");
            if answer.status == 200 {
                break answer.body;
            }
            assert!(started.elapsed() < Duration::from_secs(20), "{}", answer.text);
            std::thread::sleep(Duration::from_millis(100));
        };
        let expected = (&json!("automatic"), &json!("by-referrals"), &json!("advocate"));
        assert_eq!((&designation["source"], &designation["rule"], &designation["profile"]), expected);
        // One that comes to count for somebody else takes nothing back.
        refer(app, "r2", ("ben", "friend"), "2024-05-01T12:00:00Z");
        assert_eq!(counts(app), ["0", "1", "0"]);
        let designation = app.manager().get("/v1/customers/ann/designation").expect(200).body;
        assert_eq!((&designation["state"], &designation["tier"]), (&json!("active"), &Value::Null));
    }

    fn another_stores_referrals_are_its_own(app) {
        set_up(app);
        let other = neighbour(app, Role::Storefront);
        let earlier = json!({
            "customer_id": "ben", "kind": "referral", "referred_customer_id": "friend",
            "occurred_at": day(1),
        });
        other.put("/v1/activities/r1", &earlier).expect(201);
        other.put("/v1/orders/o1", &order("friend", &day(20), "70.00")).expect(201);
        refer(app, "r1", ("ann", "friend"), &day(10));
        assert_eq!((counts(app), spends(app)), (
            ["1", "0", "0"].map(str::to_owned), ["0.00", "0.00"].map(str::to_owned),
        ));
    }
}
