//! Qualification: what is met and what is missing, of each tier and each rule.

use super::rules::{
    designate, designation, nominations, outcome, platform, put_rule, put_rules, remove, rule,
    set_automatic, set_tags, set_up_shop, standing,
};
use super::treatment::ladder_with;
use super::{assert_same_404, neighbour};
use crate::support::*;
use accolade::api::auth::Role;
use chrono::{Months, NaiveDate, Timelike, Utc};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// A day in seconds.
const DAY: i64 = 86_400;

fn qualification(app: &App, customer: &str) -> Value {
    app.support().get(&format!("/v1/customers/{customer}/qualification")).expect(200).body
}

/// What is missing, in words.
fn summary(app: &App, customer: &str) -> Vec<String> {
    let body = qualification(app, customer);
    body["summary"]
        .as_array()
        .unwrap()
        .iter()
        .map(|text| text.as_str().unwrap().to_owned())
        .collect()
}

/// Today in the stores' zone, and not a minute before tomorrow: no test is to
/// see two days, nor what the night brings.
fn today() -> NaiveDate {
    while Utc::now().num_seconds_from_midnight() >= 86_400 - 60 {
        std::thread::sleep(Duration::from_secs(1));
    }
    Utc::now().date_naive()
}

/// Makes a customer known who joined so many months ago today.
fn joined(app: &App, customer: &str, months: u32) {
    let date = today() - Months::new(months);
    let body = json!({"joined_at": format!("{date}T00:00:00Z")});
    let answer = app.storefront().put(&format!("/v1/customers/{customer}"), &body);
    assert!(matches!(answer.status, 200 | 201), "{}", answer.text);
}

/// A store with a gold tier from 1,000.00, and two higher ones that no
/// progress reaches.
fn set_up_tiers(app: &App) {
    app.set_up(json!({}));
    let by_hand = || json!({"threshold": null});
    let tiers =
        [("gold", "1000.00", json!({})), ("platinum", "0", by_hand()), ("diamond", "0", by_hand())];
    app.admin().put("/v1/tiers", &ladder_with(&tiers)).expect(200);
}

/// Some fields of each row.
fn rows(list: &Value, fields: &[&str]) -> Vec<Value> {
    let row = |row: &Value| fields.iter().map(|field| row[*field].clone()).collect();
    list.as_array().unwrap().iter().map(row).collect()
}

/// Sends an activity.
fn activity(app: &App, id: &str, customer: &str, kind: &str, seconds: i64, fields: Value) {
    let mut body = json!({"customer_id": customer, "kind": kind, "occurred_at": from_now(seconds)});
    body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    app.support().put(&format!("/v1/activities/{id}"), &body).expect(201);
}

on_both! {
    fn the_texts_are_those_of_the_product(app) {
        set_up_tiers(app);
        put_rule(app, "platinum", &rule("tenure_months >= 24", json!({"tier": "platinum"})));
        joined(app, "c1", 20);
        app.order("o1", "c1", &from_now(-60), "820.00").expect(201);
        let body = qualification(app, "c1");
        assert_eq!(body["summary"], json!(["180.00 more until Gold", "4 months of tenure until Platinum"]));
        assert_eq!((&body["customer_id"], &body["automatic_qualification"]), (&json!("c1"), &json!(true)));
        assert!(body["as_of"].is_string());
        let gold = json!({
            "code": "gold", "name": "Gold", "rank": 1, "threshold": "1000.00", "met": false,
            "missing": "180.00", "text": "180.00 more until Gold",
        });
        assert_eq!(body["tiers"], json!([gold]), "no progress reaches the others");
        let finding = &body["rules"][0]["conditions"][0];
        assert_eq!((&finding["found"], &finding["missing"]), (&json!("20"), &json!("4")));
        assert_eq!((&finding["met"], &body["rules"][0]["grants"]["tier"]), (&json!(false), &json!("platinum")));
        assert_eq!(rows(&body["rules"], &["code", "name", "profile", "enabled", "met", "met_since", "outcome"]),
            [json!(["platinum", "Rule", "big_spender", true, false, null, "not_met"])]);
    }

    fn what_several_conditions_miss_is_one_text_and_what_is_met_is_none(app) {
        set_up_tiers(app);
        let both = "lifetime_spend >= 1000.00; tenure_months >= 24";
        put_rule(app, "platinum", &rule(both, json!({"tier": "platinum"})));
        joined(app, "c1", 20);
        app.order("o1", "c1", &from_now(-60), "820.00").expect(201);
        let platinum = "180.00 more and 4 months of tenure until Platinum";
        assert_eq!(summary(app, "c1"), ["180.00 more until Gold", platinum]);
        app.order("o2", "c1", &from_now(-50), "179.99").expect(201);
        let platinum = "0.01 more and 4 months of tenure until Platinum";
        assert_eq!(summary(app, "c1"), ["0.01 more until Gold", platinum]);
        app.order("o3", "c1", &from_now(-40), "0.01").expect(201);
        assert_eq!(summary(app, "c1"), ["4 months of tenure until Platinum"]);
        let gold = &qualification(app, "c1")["tiers"][0];
        assert_eq!((&gold["met"], &gold["text"]), (&json!(true), &Value::Null));
        // The findings say each for itself.
        let findings = &standing(app, "c1", "platinum")["conditions"];
        let told = [
            json!(["lifetime_spend", "1000.00", "1000.00", true, null]),
            json!(["tenure_months", "24", "20", false, "4"]),
        ];
        assert_eq!(rows(findings, &["metric", "at_least", "found", "met", "missing"]), told);
        assert_eq!(findings[0]["text"], "lifetime_spend is 1000.00, at least 1000.00 needed");
        joined(app, "c1", 24);
        assert_eq!(summary(app, "c1"), [""; 0]);
        // A rule that is disabled is nothing to strive for.
        let mut disabled = rule("orders_total >= 9", json!({"tier": "diamond"}));
        disabled["enabled"] = json!(false);
        put_rule(app, "diamond", &disabled);
        assert_eq!(summary(app, "c1"), [""; 0]);
    }

    fn one_is_one_and_a_rule_without_a_tier_goes_by_its_name(app) {
        set_up_tiers(app);
        let mut regulars = rule("orders_total >= 2", json!({}));
        regulars["name"] = json!("Regulars");
        put_rules(app, &[
            ("a", rule("tenure_months >= 24", json!({"tier": "platinum"}))),
            ("b", regulars),
            ("c", rule("orders_total >= 4", json!({"tier": "diamond"}))),
        ]);
        joined(app, "c1", 23);
        app.order("o1", "c1", &from_now(-60), "1000.00").expect(201);
        let expected = [
            "1 month of tenure until Platinum", "1 more order until Regulars",
            "3 more orders until Diamond",
        ];
        assert_eq!(summary(app, "c1"), expected);
    }

    fn what_is_missing_until_a_tier_is_in_the_ladders_unit(app) {
        app.set_up(json!({"entry_method": "orders_placed"}));
        app.set_tiers(&[("bronze", "0"), ("silver", "2"), ("gold", "4")]);
        app.order("o1", "c1", &from_now(-60), "10.00").expect(201);
        let tiers = qualification(app, "c1")["tiers"].clone();
        let expected = [
            json!(["bronze", "0", true, null]), json!(["silver", "2", false, "1 more order until Silver"]),
            json!(["gold", "4", false, "3 more orders until Gold"]),
        ];
        assert_eq!(rows(&tiers, &["code", "threshold", "met", "text"]), expected);
        assert_eq!(summary(app, "c1"), ["1 more order until Silver", "3 more orders until Gold"]);
        let mut points = ladder(&[("silver", "500"), ("gold", "760")]);
        points["entry_method"] = json!("points_earned");
        let other = app.client_of("other", Role::Administrator);
        other.patch("/v1/program", &json!({"currency": "GBP", "start_date": "2020-01-01"})).expect(200);
        other.put("/v1/tiers", &points).expect(200);
        let shop = app.client_of("other", Role::Storefront);
        let body = json!({"customer_id": "c1", "kind": "points", "points": 510, "occurred_at": from_now(-60)});
        shop.put("/v1/activities/a1", &body).expect(201);
        let path = "/v1/customers/c1/qualification";
        let body = app.client_of("other", Role::Support).get(path).expect(200).body;
        assert_eq!(body["summary"], json!(["250 more points until Gold"]));
        assert_eq!(rows(&body["tiers"], &["met", "missing"])[1], json!([false, "250"]));
    }

    fn a_tier_that_was_reached_is_met_though_progress_has_begun_again(app) {
        app.set_up(json!({"progress_reset": {"kind": "calendar_year"}}));
        app.set_tiers(&[("silver", "100.00"), ("gold", "500.00")]);
        app.order("o1", "c1", "2024-06-01T12:00:00Z", "120.00").expect(201);
        today();
        let tiers = qualification(app, "c1")["tiers"].clone();
        let expected = [json!(["silver", true, null]), json!(["gold", false, "500.00 more until Gold"])];
        assert_eq!(rows(&tiers, &["code", "met", "text"]), expected);
    }

    fn each_metric_finds_what_it_is_defined_as(app) {
        set_up_shop(app);
        let all = "lifetime_spend >= 1.00; spend_in_days/30 >= 1.00; spend_in_days/401 >= 1.00; \
            orders_total >= 1; orders_in_days/30 >= 1; idle_days >= 1; tenure_months >= 1; \
            referrals >= 1; referral_spend >= 1.00; unsatisfied_surveys_in_days/30 >= 1; \
            complaints_in_days/30 >= 1; complaints_in_days/60 >= 1; \
            public_complaints_in_days/30 >= 1; public_complaints_in_days/60 >= 1; \
            open_complaints >= 1; complaint_resolution_hours >= 1; never_cancelled >= 1; \
            has_tag/press >= 1; has_tag/staff >= 1";
        let mut body = rule(all, json!({}));
        body["enabled"] = json!(false);
        put_rule(app, "all", &body);
        let date = today() - Months::new(20);
        let customer = json!({
            "joined_at": format!("{date}T00:00:00Z"), "tags": ["press", "wholesale"],
            "subscription": {"monthly_amount": "9.90", "state": "active"},
        });
        app.storefront().put("/v1/customers/ada", &customer).expect(201);
        let ago = |days: i64| from_now(-days * DAY - 60);
        for (id, customer, days, total) in [
            ("a1", "ada", 400, "500.00"), ("a2", "ada", 25, "50.00"), ("a3", "ada", 20, "300.00"),
            ("b1", "bob", 50, "1000.00"), ("b2", "bob", 39, "80.00"), ("b3", "bob", 38, "20.00"),
            ("c1", "cy", 5, "700.00"), ("d1", "dan", 5, "7.00"),
        ] {
            app.order(id, customer, &ago(days), total).expect(201);
        }
        // In full, in part, and a friend's.
        for (id, order, amount) in [("r1", "a2", "50.00"), ("r2", "a3", "100.00"), ("r3", "b3", "5.00")] {
            app.refund(id, order, &ago(1), amount).expect(201);
        }
        let mut pending = order("ada", &ago(2), "9.00");
        pending["status"] = json!("pending");
        pending.as_object_mut().unwrap().remove("completed_at");
        app.storefront().put("/v1/orders/a4", &pending).expect(201);
        for (id, by, days, whom) in [
            // Of two referrals of one customer the earlier counts.
            ("f1", "ada", 40, "bob"), ("f2", "ada", 30, "cy"), ("f3", "dan", 35, "cy"),
        ] {
            activity(app, id, by, "referral", -days * DAY, json!({"referred_customer_id": whom}));
        }
        for (id, days, score) in [("s1", 40, 1), ("s2", 5, 2), ("s3", 4, 3), ("s4", 3, 5)] {
            activity(app, id, "ada", "survey", -days * DAY, json!({"score": score}));
        }
        let resolved_at = from_now(-50 * DAY + 30 * 3_600 + 1_800);
        let complaint = json!({"channel": "social", "public": true, "resolved_at": resolved_at});
        activity(app, "k1", "ada", "complaint", -50 * DAY, complaint);
        activity(app, "k2", "ada", "complaint", -10 * 3_600, json!({"channel": "phone"}));

        let found = |customer: &str, code: &str| -> Vec<String> {
            let conditions = standing(app, customer, code)["conditions"].clone();
            let text = |row: &Value| {
                let detail = row["tag"].as_str().map(str::to_owned);
                let detail = detail.or_else(|| row["window_days"].as_i64().map(|days| days.to_string()));
                let metric = row["metric"].as_str().unwrap();
                format!("{metric} {} {}", detail.unwrap_or_default(), row["found"].as_str().unwrap_or("none"))
            };
            conditions.as_array().unwrap().iter().map(text).collect()
        };
        let expected = [
            "lifetime_spend  700.00", "spend_in_days 30 200.00", "spend_in_days 401 700.00",
            "orders_total  2", "orders_in_days 30 1", "idle_days  20", "tenure_months  20",
            "referrals  1", "referral_spend  95.00", "unsatisfied_surveys_in_days 30 1",
            "complaints_in_days 30 1", "complaints_in_days 60 2",
            "public_complaints_in_days 30 0", "public_complaints_in_days 60 1",
            "open_complaints  1", "complaint_resolution_hours  30", "never_cancelled  1",
            "has_tag press 1", "has_tag staff 0",
        ];
        assert_eq!(found("ada", "all"), expected);

        // Of somebody who has but points, and who was cancelled once.
        let points = "points_total >= 1; points_in_days/30 >= 1; never_cancelled >= 1; orders_total <= 5; \
            complaint_resolution_hours <= 5; idle_days >= 0; tenure_months <= 5";
        let mut body = rule(points, json!({}));
        body["enabled"] = json!(false);
        put_rule(app, "points", &body);
        let cancelled = json!({"subscription": {
            "monthly_amount": "9.90", "state": "cancelled", "cancelled_at": ago(300),
        }});
        app.storefront().put("/v1/customers/eve", &cancelled).expect(201);
        let again = json!({"subscription": {"monthly_amount": "9.90", "state": "active"}});
        app.storefront().patch("/v1/customers/eve", &again).expect(200);
        activity(app, "p1", "eve", "points", -40 * DAY, json!({"points": 70}));
        activity(app, "p2", "eve", "points", -5 * DAY, json!({"points": 30}));
        let expected = [
            "points_total  100", "points_in_days 30 30", "never_cancelled  0", "orders_total  0",
            "complaint_resolution_hours  0", "idle_days  none",
        ];
        assert_eq!(found("eve", "points")[..6], expected);
    }

    fn without_an_order_no_number_of_idle_days_is_met(app) {
        set_up_shop(app);
        put_rules(app, &[
            ("least", rule("idle_days >= 0", json!({}))), ("most", rule("idle_days <= 9999", json!({}))),
        ]);
        set_tags(app, "c1", &[]);
        for code in ["least", "most"] {
            assert_eq!(outcome(app, "c1", code), "not_met", "{code}");
        }
        app.order("o1", "c1", &from_now(-60), "10.00").expect(201);
        for code in ["least", "most"] {
            assert_eq!(standing(app, "c1", code)["met"], true, "{code}");
        }
    }

    fn each_outcome_has_its_word_and_a_sentence(app) {
        set_up_shop(app);
        let by_tag = |tag: &str, grants: Value| rule(&format!("has_tag/{tag} >= 1"), grants);
        let asks = json!({"tier": "gold", "requires_approval": true});
        let mut rules = [
            ("granted", json!({"tier": "gold"})), ("not_met", json!({"tier": "gold"})),
            ("nomination_waiting", asks.clone()), ("declined", asks.clone()), ("approved", asks),
            ("nothing_to_add", json!({"tier": "gold"})), ("removed_by_person", json!({"tier": "gold"})),
            ("automatic_qualification_off", json!({"tier": "gold"})), ("rule_disabled", json!({})),
        ]
        .map(|(tag, grants)| (tag, by_tag(tag, grants)));
        rules[8].1["enabled"] = json!(false);
        put_rules(app, &rules);
        for tag in ["not_met", "nothing_to_add", "removed_by_person"] {
            set_tags(app, tag, &[]);
        }
        designate(app, "nothing_to_add", &json!({"tier": "platinum", "profile": "partner"}));
        designate(app, "removed_by_person", &json!({}));
        remove(app, "removed_by_person");
        for tag in [
            "granted", "nomination_waiting", "declined", "approved", "nothing_to_add",
            "removed_by_person", "rule_disabled",
        ] {
            set_tags(app, tag, &[tag]);
        }
        for (customer, decision) in [("declined", "decline"), ("approved", "approve")] {
            let found = nominations(app, &format!("customer_id={customer}"));
            let id = found[0]["nomination_id"].as_str().unwrap();
            let path = format!("/v1/nominations/{id}/{decision}");
            app.manager().post(&path, &json!({"note": "As agreed."})).expect(200);
        }
        let stands = |customer: &str| {
            let stands = standing(app, customer, customer);
            let text = stands["explanation"].as_str().unwrap();
            assert!(text.contains(' '), "{customer} is explained by a sentence: {text}");
            let is_met = customer != "not_met";
            assert_eq!((&stands["met"], &stands["conditions"][0]["met"]), (&json!(is_met), &json!(is_met)));
            stands
        };
        for word in [
            "granted", "nomination_waiting", "declined", "nothing_to_add", "removed_by_person",
        ] {
            let stands = stands(word);
            assert_eq!(stands["outcome"], word);
            assert!(stands["met_since"].is_string(), "{stands}");
        }
        assert_eq!(stands("approved")["outcome"], "granted");
        assert_eq!(stands("not_met")["outcome"], "not_met");
        assert_eq!(stands("not_met")["met_since"], Value::Null);
        let disabled = stands("rule_disabled");
        assert_eq!((&disabled["outcome"], &disabled["enabled"]), (&json!("rule_disabled"), &json!(false)));
        set_automatic(app, false);
        let word = "automatic_qualification_off";
        set_tags(app, word, &[word]);
        assert_eq!(stands(word)["outcome"], word);
        assert_eq!(qualification(app, word)["automatic_qualification"], false);
    }

    /// The answer is judged afresh; what follows from time alone comes with the night.
    fn time_alone_changes_what_is_met_before_anything_comes_of_it(app) {
        set_up_shop(app);
        today();
        let mut recent = rule("orders_in_days/1 >= 1", json!({}));
        recent["enabled"] = json!(false);
        put_rules(app, &[("idle", rule("idle_days >= 1", json!({"tier": "gold"}))), ("recent", recent)]);
        // The window and the idle day turn at one instant, some seconds from now.
        app.order("o1", "c1", &from_now(4 - DAY), "10.00").expect(201);
        let seen = || {
            let [idle, recent] = ["idle", "recent"].map(|code| standing(app, "c1", code));
            let found = |stands: &Value| stands["conditions"][0]["found"].clone();
            json!([idle["met"], found(&idle), idle["outcome"], recent["met"], found(&recent)])
        };
        assert_eq!(seen(), json!([false, "0", "not_met", true, "1"]));
        let started = Instant::now();
        let later = json!([true, "1", "pending", false, "0"]);
        while seen() != later {
            assert!(started.elapsed() < Duration::from_secs(10), "{}", seen());
            std::thread::sleep(Duration::from_millis(100));
        }
        assert_eq!(designation(app, "c1"), Value::Null);
        // A pass over everyone comes to it.
        put_rule(app, "idle", &rule("idle_days >= 1", json!({"tier": "silver"})));
        assert_eq!(outcome(app, "c1", "idle"), "granted");
        assert_eq!(designation(app, "c1")["tier"], "silver");
    }

    fn since_when_a_rule_is_met_is_told_of_each_stretch(app) {
        set_up_shop(app);
        put_rule(app, "r", &rule("has_tag/press >= 1", json!({"tier": "gold"})));
        set_tags(app, "c1", &["press"]);
        let since = || standing(app, "c1", "r")["met_since"].clone();
        let first = since();
        assert!(first.is_string());
        app.order("o1", "c1", &from_now(-60), "10.00").expect(201);
        set_tags(app, "c1", &["press", "more"]);
        assert_eq!(since(), first);
        set_tags(app, "c1", &[]);
        assert_eq!(since(), Value::Null);
        set_tags(app, "c1", &["press"]);
        let [first, second] = [first, since()].map(|at| {
            at.as_str().unwrap().parse::<chrono::DateTime<Utc>>().unwrap()
        });
        assert!(second > first, "{second} {first}");
    }

    fn what_is_not_there_is_404_and_so_is_another_stores(app) {
        set_up_shop(app);
        let path = |customer: &str| format!("/v1/customers/{customer}/qualification");
        set_tags(app, "c1", &[]);
        let empty = qualification(app, "c1");
        assert_eq!((&empty["rules"], &empty["summary"]), (&json!([]), &json!([])));
        let other = neighbour(app, Role::Support);
        assert_same_404(&other.get(&path("c1")), &other.get(&path("absent")));
        app.admin().delete("/v1/customers/c1").expect(204);
        app.support().get(&path("c1")).expect_problem(410, "customer_erased");
        platform(app).get(&path("absent")).expect_problem(404, "not_found");
    }
}
