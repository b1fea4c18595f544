//! Statuses: the one word that says how to treat a customer, what sets it, and where it shows.

use super::{assert_paging_rules, assert_same_404, ids, neighbour, paged};
use crate::support::*;
use accolade::api::auth::Role;
use chrono::{NaiveDate, Utc};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

const NOON: &str = "2024-06-01T12:00:00Z";

/// What can be asked for, in the order of the columns below.
const ASKED: [&str; 4] = ["active", "vip", "caution", "do_not_serve"];

/// Where a customer starts, and what comes of each word that is asked for: the
/// word and the designation's state, or the code of the refusal.
type Row = (&'static str, [&'static str; 4]);

/// What a support token gets.
const OF_SUPPORT: [Row; 9] = [
    ("plain", ["active none", "forbidden", "caution none", "do_not_serve none"]),
    ("vip", ["forbidden", "forbidden", "caution active", "do_not_serve active"]),
    ("paused", ["active paused", "forbidden", "caution paused", "do_not_serve paused"]),
    ("ended", ["active cancelled", "forbidden", "caution cancelled", "do_not_serve cancelled"]),
    ("caution", ["active none", "forbidden", "caution none", "do_not_serve none"]),
    ("do_not_serve", ["active none", "forbidden", "caution none", "do_not_serve none"]),
    ("vip+caution", ["vip active", "forbidden", "caution active", "do_not_serve active"]),
    ("vip+do_not_serve", ["vip active", "forbidden", "caution active", "do_not_serve active"]),
    ("paused+caution", ["active paused", "forbidden", "caution paused", "do_not_serve paused"]),
];

/// What a manager's token gets who does not confirm.
const OF_MANAGER: [Row; 9] = [
    ("plain", ["active none", "vip active", "caution none", "do_not_serve none"]),
    ("vip", ["confirmation_required", "vip active", "caution active", "do_not_serve active"]),
    ("paused", ["active paused", "vip active", "caution paused", "do_not_serve paused"]),
    ("ended", ["active cancelled", "vip active", "caution cancelled", "do_not_serve cancelled"]),
    ("caution", ["active none", "vip active", "caution none", "do_not_serve none"]),
    ("do_not_serve", ["active none", "vip active", "caution none", "do_not_serve none"]),
    ("vip+caution", ["vip active", "vip active", "caution active", "do_not_serve active"]),
    ("vip+do_not_serve", ["vip active", "vip active", "caution active", "do_not_serve active"]),
    ("paused+caution", ["active paused", "vip active", "caution paused", "do_not_serve paused"]),
];

fn path(customer: &str) -> String {
    format!("/v1/customers/{customer}/status")
}

/// Sets a status with a note.
fn put(client: &Client<'_>, customer: &str, status: &str, note: &str) -> Answer {
    client.put(&path(customer), &json!({"status": status, "note": note}))
}

/// Sets a status with a note and the confirmation.
fn put_confirmed(client: &Client<'_>, customer: &str, status: &str, note: &str) -> Answer {
    client.put(&path(customer), &json!({"status": status, "note": note, "confirm": true}))
}

/// What is answered of a customer's status.
fn status_of(app: &App, customer: &str) -> Value {
    app.support().get(&path(customer)).expect(200).body
}

/// A customer of whom nothing is known.
fn known(app: &App, customer: &str) {
    app.storefront().put(&format!("/v1/customers/{customer}"), &json!({})).expect(201);
}

fn designate(app: &App, customer: &str, body: &Value) {
    app.manager().put(&format!("/v1/customers/{customer}/designation"), body).expect(201);
}

/// Changes some fields of a designation.
fn amend(app: &App, customer: &str, body: &Value) {
    app.manager().patch(&format!("/v1/customers/{customer}/designation"), body).expect(200);
}

/// A customer's designation; null where there never was one.
fn designation(app: &App, customer: &str) -> Value {
    let answer = app.manager().get(&format!("/v1/customers/{customer}/designation"));
    if answer.status == 404 { Value::Null } else { answer.expect(200).body }
}

/// Brings a new customer to where a row starts.
fn begin(app: &App, customer: &str, start: &str) {
    known(app, customer);
    for step in start.split('+') {
        match step {
            "plain" => {}
            "vip" => {
                designate(app, customer, &json!({"tier": "gold", "notes": "since the opening"}))
            }
            "paused" => {
                designate(app, customer, &json!({"tier": "gold"}));
                amend(app, customer, &json!({"state": "paused"}));
            }
            "ended" => {
                designate(app, customer, &json!({"tier": "gold"}));
                let path = format!("/v1/customers/{customer}/designation/removal");
                let body = json!({"reason": "complaints", "confirm": true});
                app.manager().post(&path, &body).expect(200);
            }
            flag => {
                put(&app.support(), customer, flag, "before").expect(200);
            }
        }
    }
}

fn colour(word: &str) -> &'static str {
    match word {
        "active" => "green",
        "vip" => "blue",
        "caution" => "amber",
        "do_not_serve" => "red",
        _ => panic!("{word} is no status"),
    }
}

/// Insists on each row of a table.
fn assert_table(app: &App, client: &Client<'_>, confirm: Option<bool>, rows: &[Row]) {
    app.set_up(json!({}));
    app.set_tiers(&[("gold", "1000.00")]);
    for (number, (start, outcomes)) in rows.iter().enumerate() {
        for (asked, expected) in ASKED.iter().zip(outcomes) {
            let row = format!("{asked} from {start}");
            let customer = format!("c{number}-{asked}");
            begin(app, &customer, start);
            let (status_before, before) = (status_of(app, &customer), designation(app, &customer));
            let mut body = json!({"status": asked, "note": "after"});
            if let Some(confirm) = confirm {
                body["confirm"] = json!(confirm);
            }
            let answer = client.put(&path(&customer), &body);
            let (status, after) = (status_of(app, &customer), designation(app, &customer));
            let Some((word, state)) = expected.split_once(' ') else {
                let refused = (answer.status, answer.body["code"].as_str());
                let number = if *expected == "forbidden" { 403 } else { 409 };
                assert_eq!(refused, (number, Some(*expected)), "{row}: {}", answer.text);
                assert_eq!((status, after), (status_before, before), "{row}");
                continue;
            };
            assert_eq!(answer.status, 200, "{row}: {}", answer.text);
            assert_eq!(answer.body, status, "{row}");
            assert_eq!(status["customer_id"], customer.as_str(), "{row}");
            assert_eq!(
                (&status["status"], &status["colour"]),
                (&json!(word), &json!(colour(word))),
                "{row}"
            );
            assert_eq!(after["state"].as_str().unwrap_or("none"), state, "{row}");
            let is_flagged = matches!(word, "caution" | "do_not_serve");
            let explained = match word {
                "caution" | "do_not_serve" => Some("after"),
                "vip" => after["notes"].as_str(),
                _ => None,
            };
            assert_eq!(status["note"].as_str(), explained, "{row}");
            // Who is designated by the word is one for the reason given.
            if word == "vip" && before["state"].as_str().is_none_or(|state| state == "cancelled") {
                assert_eq!(after["notes"], "after", "{row}");
            }
            assert_eq!(status["changed_by"].as_str(), is_flagged.then_some("tester"), "{row}");
            assert_eq!(status["changed_at"].is_string(), is_flagged, "{row}");
            // A designation that keeps its state is left alone.
            if before["state"] == after["state"] {
                assert_eq!(before, after, "{row}");
            }
        }
    }
}

/// Four customers, one of each status; `a` is a VIP under caution.
fn set_up_four(app: &App) {
    app.set_up(json!({}));
    for customer in ["a", "b", "c", "d"] {
        known(app, customer);
    }
    designate(app, "a", &json!({}));
    designate(app, "d", &json!({}));
    put(&app.support(), "a", "caution", "ask first").expect(200);
    put(&app.support(), "c", "do_not_serve", "chargebacks").expect(200);
}

/// An order that is not completed.
fn open_order(app: &App, id: &str, customer: &str, status: &str) -> Answer {
    let body = json!({
        "customer_id": customer, "status": status, "total": "10.00", "currency": "GBP",
        "placed_at": NOON,
    });
    app.storefront().put(&format!("/v1/orders/{id}"), &body)
}

/// A customer's changes of status: from, to, by, role and note, newest first.
fn changes(app: &App, customer: &str) -> Value {
    let body = app.support().get(&format!("{}/history", path(customer))).expect(200).body;
    let changes = body["changes"].as_array().unwrap();
    assert!(changes.iter().all(|change| change["at"].is_string()), "{body}");
    assert_eq!(body["next_cursor"], Value::Null);
    changes
        .iter()
        .map(|change| {
            json!([change["from"], change["to"], change["by"], change["role"], change["note"]])
        })
        .collect()
}

/// All events so far. They are numbered a little later, so this puts one last
/// change of status, of `marker`, and waits for it.
fn events(app: &App) -> Vec<Value> {
    known(app, "marker");
    put(&app.support(), "marker", "caution", "the last one").expect(200);
    let started = Instant::now();
    loop {
        let body = app.manager().get("/v1/events?after=0&limit=1000").expect(200).body;
        let events = body["events"].as_array().unwrap();
        let is_last =
            |event: &Value| event["customer_id"] == "marker" && event["kind"] == "status_changed";
        if events.iter().any(is_last) {
            return events.clone();
        }
        assert!(started.elapsed() < Duration::from_secs(10), "{body}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Customer and data of the events of a kind, but for `marker`'s.
fn of_kind(events: &[Value], kind: &str) -> Value {
    events
        .iter()
        .filter(|event| event["kind"] == kind && event["customer_id"] != "marker")
        .map(|event| json!([event["customer_id"], event["data"]]))
        .collect()
}

on_both! {
    fn every_customer_starts_active_and_green(app) {
        app.set_up(json!({}));
        known(app, "c1");
        app.order("o1", "c2", NOON, "10.00").expect(201);
        for customer in ["c1", "c2"] {
            let expected = json!({
                "customer_id": customer, "status": "active", "colour": "green", "note": null,
                "changed_at": null, "changed_by": null,
            });
            assert_eq!(status_of(app, customer), expected);
            assert_eq!(changes(app, customer), json!([]));
        }
    }

    fn support_flags_and_clears_and_never_touches_a_designation(app) {
        assert_table(app, &app.support(), Some(true), &OF_SUPPORT);
    }

    fn a_manager_who_does_not_confirm_removes_no_designation(app) {
        assert_table(app, &app.manager(), None, &OF_MANAGER);
    }

    fn a_confirmation_matters_to_an_unflagged_vip_alone(app) {
        let confirmed = OF_MANAGER.map(|(start, mut outcomes)| {
            if start == "vip" {
                outcomes[0] = "active cancelled";
            }
            (start, outcomes)
        });
        assert_table(app, &app.manager(), Some(true), &confirmed);
    }

    fn a_confirmation_that_is_false_is_none(app) {
        assert_table(app, &app.manager(), Some(false), &OF_MANAGER[..3]);
    }

    fn managers_and_those_above_them_make_a_vip_by_the_word(app) {
        app.set_up(json!({}));
        for (i, role) in [Role::Manager, Role::Administrator, Role::PlatformAdmin].into_iter().enumerate() {
            let customer = format!("c{i}");
            known(app, &customer);
            let early = Utc::now().date_naive();
            put(&app.client(role), &customer, "vip", "ten years with us").expect(200);
            let late = Utc::now().date_naive();
            let designation = designation(app, &customer);
            let since: NaiveDate = designation["since"].as_str().unwrap().parse().unwrap();
            assert!((early..=late).contains(&since), "{designation}");
            for (field, value) in [
                ("state", json!("active")),
                ("tier", Value::Null),
                ("source", json!("manual")),
                ("benefits", json!([])),
                ("benefits_dropped", json!([])),
                ("ends_at", Value::Null),
                ("ended", Value::Null),
            ] {
                assert_eq!(designation[field], value, "{field}");
            }
            put_confirmed(&app.client(role), &customer, "active", "a mistake").expect(200);
            assert_eq!(status_of(app, &customer)["status"], "active");
        }
    }

    fn a_vip_who_is_set_active_loses_the_designation_and_nothing_else(app) {
        app.set_up(json!({}));
        app.set_tiers(&[("gold", "1000.00")]);
        app.storefront().put("/v1/customers/c1", &json!({"name": "Ada"})).expect(201);
        app.order("o1", "c1", NOON, "1000.00").expect(201);
        let before = app.membership_at("c1", "2024-07-01T00:00:00Z");
        designate(app, "c1", &json!({"tier": "gold", "notes": "a friend of the house"}));
        put_confirmed(&app.manager(), "c1", "active", "moved abroad").expect(200);
        let removed = designation(app, "c1");
        assert_eq!(removed["state"], "cancelled");
        let ended = &removed["ended"];
        assert_eq!(ended["reason"], "removed");
        assert_eq!(ended["removal_reason"], "other");
        assert_eq!(ended["note"], "moved abroad");
        assert!(ended["at"].is_string());
        assert_eq!(removed["notes"], "a friend of the house");
        let customer = app.support().get("/v1/customers/c1").expect(200).body;
        assert_eq!((&customer["name"], &customer["status"]), (&json!("Ada"), &json!("active")));
        assert_eq!(app.membership_at("c1", "2024-07-01T00:00:00Z"), before);
        // The second time there is nothing left to confirm.
        put(&app.support(), "c1", "active", "once more").expect(200);
        assert_eq!(designation(app, "c1"), removed);
    }

    fn a_paused_designation_is_resumed_as_it_was(app) {
        app.set_up(json!({}));
        app.set_tiers(&[("gold", "1000.00")]);
        app.admin().put("/v1/benefits/gift", &json!({"name": "Bonus item", "kind": "gift"})).expect(201);
        known(app, "c1");
        designate(app, "c1", &json!({
            "tier": "gold", "since": "2023-04-05", "benefits": ["gift"], "notes": "likes tea",
            "profile": "advocate", "priority": "high", "team": "north", "assigned_to": "sam",
        }));
        let first = designation(app, "c1");
        amend(app, "c1", &json!({"state": "paused"}));
        assert_eq!(status_of(app, "c1")["status"], "active");
        put(&app.manager(), "c1", "vip", "back from the sea").expect(200);
        assert_eq!(designation(app, "c1"), first);
        assert_eq!(status_of(app, "c1")["status"], "vip");
    }

    fn benefits_that_must_end_first_hold_up_a_removal_by_the_word_too(app) {
        app.set_up(json!({}));
        for (code, must_end_first) in [("credit-line", true), ("samples", true), ("postcard", false)] {
            let body = json!({"name": code, "kind": "other", "must_end_first": must_end_first});
            app.admin().put(&format!("/v1/benefits/{code}"), &body).expect(201);
        }
        let tiers = json!({"tiers": [
            {"code": "gold", "name": "Gold", "rank": 1, "threshold": "1000.00", "benefits": ["samples"]},
        ]});
        app.admin().put("/v1/tiers", &tiers).expect(200);
        known(app, "c1");
        designate(app, "c1", &json!({"tier": "gold", "benefits": ["credit-line", "postcard"]}));
        let first = designation(app, "c1");
        let refused = || {
            let answer = put_confirmed(&app.manager(), "c1", "active", "a mistake");
            let answer = answer.expect_problem(409, "benefits_must_end_first");
            answer.body["detail"].as_str().unwrap().to_owned()
        };
        let detail = refused();
        assert!(detail.contains("credit-line") && detail.contains("samples"), "{detail}");
        assert!(!detail.contains("postcard"), "{detail}");
        assert_eq!(designation(app, "c1"), first);
        assert_eq!(status_of(app, "c1")["status"], "vip");
        assert_eq!(changes(app, "c1").as_array().unwrap().iter().filter(|row| row[1] == "active").count(), 0);
        // A flag is set and cleared all the same.
        put(&app.support(), "c1", "do_not_serve", "chargebacks").expect(200);
        put(&app.support(), "c1", "active", "settled").expect(200);
        amend(app, "c1", &json!({"benefits": ["postcard"]}));
        let detail = refused();
        assert!(detail.contains("samples") && !detail.contains("credit-line"), "{detail}");
        amend(app, "c1", &json!({"benefits_dropped": ["samples"]}));
        put_confirmed(&app.manager(), "c1", "active", "a mistake").expect(200);
        assert_eq!(designation(app, "c1")["state"], "cancelled");
    }

    fn the_word_follows_a_designation_that_ends_by_itself(app) {
        app.set_up(json!({}));
        known(app, "c1");
        designate(app, "c1", &json!({"ends_at": from_now(3)}));
        assert_eq!(status_of(app, "c1")["status"], "vip");
        std::thread::sleep(Duration::from_millis(3_050));
        assert_eq!(status_of(app, "c1")["status"], "active");
        let customer = app.support().get("/v1/customers/c1").expect(200).body;
        assert_eq!(customer["status"], "active");
    }

    // A designation of the same start date could not stand, now that the grace
    // period is over; one from today on could. Either is told as it is.
    fn whoever_can_be_no_vip_any_more_is_not_said_to_be_one(app) {
        app.set_up(json!({}));
        known(app, "c1");
        designate(app, "c1", &json!({"since": "2021-01-01"}));
        let cancelled = json!({"subscription": {
            "monthly_amount": "10.00", "state": "cancelled", "cancelled_at": "2022-01-01T00:00:00Z",
        }});
        app.storefront().patch("/v1/customers/c1", &cancelled).expect(200);
        assert_eq!(status_of(app, "c1")["status"], "active");
        assert_eq!(designation(app, "c1")["state"], "cancelled");
        let answer = put(&app.manager(), "c1", "vip", "win them back");
        let word = if answer.status == 200 { "vip" } else { "active" };
        if answer.status != 200 {
            answer.expect_problem(409, "designation_would_have_ended");
        }
        assert_eq!(status_of(app, "c1")["status"], word);
    }

    fn a_note_explains_every_status(app) {
        app.set_up(json!({}));
        known(app, "c1");
        let put = |body: Value| {
            let answer = app.manager().put(&path("c1"), &body);
            answer.expect_problem(422, "invalid_request")
        };
        for status in ASKED {
            assert_eq!(put(json!({"status": status})).pointers(), ["/note"], "{status}");
            assert_eq!(put(json!({"status": status, "note": null})).pointers(), ["/note"], "{status}");
            assert_eq!(put(json!({"status": status, "note": " "})).pointers(), ["/note"], "{status}");
        }
        assert_eq!(put(json!({})).pointers(), ["/note", "/status"]);
        let bad = json!({"status": "lost", "note": " ", "confirm": "yes", "colour": "red"});
        assert_eq!(put(bad).pointers(), ["/colour", "/confirm", "/note", "/status"]);
        assert_eq!(status_of(app, "c1")["status"], "active");
    }

    fn the_same_again_changes_nothing(app) {
        app.set_up(json!({}));
        known(app, "c1");
        let first = put(&app.support(), "c1", "caution", "rude on the phone").expect(200);
        let again = put(&app.support(), "c1", "caution", "rude on the phone").expect(200);
        assert_eq!(again.body, first.body);
        assert_eq!(changes(app, "c1").as_array().unwrap().len(), 1);
        let other = put(&app.support(), "c1", "caution", "rude by e-mail too").expect(200);
        assert_eq!((&other.body["status"], &other.body["note"]), (&json!("caution"), &json!("rude by e-mail too")));
    }

    fn who_is_not_there_has_no_status_and_nor_has_another_stores_customer(app) {
        app.set_up(json!({}));
        known(app, "c1");
        put(&app.support(), "c1", "caution", "ask first").expect(200);
        let other = neighbour(app, Role::Manager);
        for suffix in ["", "/history"] {
            assert_same_404(
                &other.get(&format!("{}{suffix}", path("c1"))),
                &other.get(&format!("{}{suffix}", path("absent"))),
            );
            app.support().get(&format!("{}{suffix}", path("absent"))).expect_problem(404, "not_found");
        }
        for status in ASKED {
            assert_same_404(
                &put_confirmed(&other, "c1", status, "a try"),
                &put_confirmed(&other, "absent", status, "a try"),
            );
        }
        assert_eq!(status_of(app, "c1")["note"], "ask first");
    }

    fn an_erased_customer_gets_no_status(app) {
        app.set_up(json!({}));
        known(app, "c1");
        put(&app.support(), "c1", "caution", "ask first").expect(200);
        app.admin().delete("/v1/customers/c1").expect(204);
        for status in ASKED {
            let answer = put_confirmed(&app.manager(), "c1", status, "a try");
            answer.expect_problem(410, "customer_erased");
        }
    }

    fn a_status_is_set_only_if_the_customer_is_still_that_version(app) {
        app.set_up(json!({}));
        known(app, "c1");
        let read = || app.support().get("/v1/customers/c1").expect(200).etag();
        let set = |if_match: &str, status: &str| {
            put_confirmed(&app.manager().with("if-match", if_match), "c1", status, "a reason")
        };
        let first = read();
        set("\"99\"", "caution").expect_problem(412, "precondition_failed");
        assert_eq!(status_of(app, "c1")["status"], "active");
        set(&first, "caution").expect(200);
        // Of two who read the same version, the second is told.
        for status in ASKED {
            set(&first, status).expect_problem(412, "precondition_failed");
        }
        assert_eq!(status_of(app, "c1")["status"], "caution");
        set(&read(), "active").expect(200);
        let second = read();
        app.storefront().patch("/v1/customers/c1", &json!({"name": "Ada"})).expect(200);
        set(&second, "do_not_serve").expect_problem(412, "precondition_failed");
        set("*", "do_not_serve").expect(200);
        assert_eq!(status_of(app, "c1")["status"], "do_not_serve");
        set("*", "active").expect(200);
        designate(app, "c1", &json!({}));
        set(&first, "active").expect_problem(412, "precondition_failed");
        assert_eq!(designation(app, "c1")["state"], "active");
    }

    fn history_says_who_changed_what_and_why_newest_first(app) {
        app.set_up(json!({}));
        known(app, "c1");
        known(app, "c2");
        put(&app.support(), "c1", "caution", "a dispute").expect(200);
        put(&app.manager(), "c1", "do_not_serve", "a chargeback").expect(200);
        put(&app.support(), "c1", "vip", "not mine to say").expect_problem(403, "forbidden");
        put(&app.admin(), "c1", "active", "all settled").expect(200);
        put(&app.manager(), "c1", "vip", "a friend now").expect(200);
        put(&app.manager(), "c1", "active", "not confirmed").expect_problem(409, "confirmation_required");
        put(&app.support(), "c1", "caution", "handle with care").expect(200);
        put(&app.support(), "c1", "active", "a good talk").expect(200);
        put_confirmed(&app.client(Role::PlatformAdmin), "c1", "active", "moved away").expect(200);
        put(&app.support(), "c2", "caution", "another one").expect(200);
        let expected = json!([
            ["vip", "active", "tester", "platform_admin", "moved away"],
            ["caution", "vip", "tester", "support", "a good talk"],
            ["vip", "caution", "tester", "support", "handle with care"],
            ["active", "vip", "tester", "manager", "a friend now"],
            ["do_not_serve", "active", "tester", "administrator", "all settled"],
            ["caution", "do_not_serve", "tester", "manager", "a chargeback"],
            ["active", "caution", "tester", "support", "a dispute"],
        ]);
        assert_eq!(changes(app, "c1"), expected);
        assert_eq!(changes(app, "c2"), json!([["active", "caution", "tester", "support", "another one"]]));
        let history = format!("{}/history", path("c1"));
        let notes: Vec<String> = expected
            .as_array()
            .unwrap()
            .iter()
            .map(|row| row[4].as_str().unwrap().to_owned())
            .collect();
        assert_eq!(paged(&app.support(), &history, "changes", "note"), notes);
        assert_paging_rules(&app.support(), &history);
    }

    fn the_audit_log_has_the_note_and_the_operator(app) {
        app.set_up(json!({}));
        known(app, "c1");
        put(&app.support(), "c1", "caution", "rude on the phone").expect(200);
        let body = app.manager().get("/v1/audit?customer_id=c1&action=status_changed").expect(200).body;
        assert_eq!(body["entries"].as_array().unwrap().len(), 1, "{body}");
        let entry = &body["entries"][0];
        for (field, value) in [
            ("subject", "tester"), ("role", "support"), ("action", "status_changed"),
            ("customer_id", "c1"), ("note", "rude on the phone"),
        ] {
            assert_eq!(entry[field], value, "{field}");
        }
    }

    fn customers_carry_the_word_and_lists_find_and_sort_by_it(app) {
        set_up_four(app);
        let client = app.support();
        for (customer, word) in [("a", "caution"), ("b", "active"), ("c", "do_not_serve"), ("d", "vip")] {
            let one = client.get(&format!("/v1/customers/{customer}")).expect(200).body;
            assert_eq!(one["status"], word);
            let body = client.get(&format!("/v1/customers?status={word}")).expect(200).body;
            assert_eq!(ids(&body, "customers", "customer_id"), [customer]);
            assert_eq!(body["customers"][0]["status"], word);
        }
        let list = |query: &str| {
            let body = client.get(&format!("/v1/customers?{query}")).expect(200).body;
            ids(&body, "customers", "customer_id").join(" ")
        };
        // Who is flagged has the designation all the same.
        assert_eq!(list("vip=true"), "a d");
        assert_eq!(list("vip=false"), "b c");
        assert_eq!(list("vip=true&status=caution"), "a");
        assert_eq!(list("sort=-status"), "c a d b");
        assert_eq!(list("sort=status"), "b d a c");
        let by_status = paged(&client, "/v1/customers?sort=-status", "customers", "customer_id");
        assert_eq!(by_status, ["c", "a", "d", "b"]);
        let by_status = paged(&client, "/v1/customers?sort=status", "customers", "customer_id");
        assert_eq!(by_status, ["b", "d", "a", "c"]);
        put(&client, "a", "active", "settled").expect(200);
        assert_eq!((list("status=caution"), list("status=vip")), (String::new(), "a d".to_owned()));
        amend(app, "a", &json!({"state": "paused"}));
        assert_eq!((list("status=active"), list("vip=true")), ("a b".to_owned(), "d".to_owned()));
        for (query, pointer) in [("status=lost", "?status"), ("vip=maybe", "?vip")] {
            let answer = client.get(&format!("/v1/customers?{query}"));
            assert_eq!(answer.expect_problem(422, "invalid_request").pointers(), [pointer]);
        }
    }

    fn orders_carry_their_customers_word_and_lists_find_and_sort_by_it(app) {
        set_up_four(app);
        for (customer, day, word) in [
            ("a", 1, "caution"), ("b", 2, "active"), ("c", 3, "do_not_serve"), ("d", 4, "vip"),
        ] {
            let at = format!("2024-06-0{day}T00:00:00Z");
            let answer = app.order(&format!("o-{customer}"), customer, &at, "10.00").expect(201);
            assert_eq!(answer.body["order"]["customer_status"], word);
        }
        let client = app.support();
        let list = |query: &str| {
            let body = client.get(&format!("/v1/orders?{query}")).expect(200).body;
            ids(&body, "orders", "order_id").join(" ")
        };
        for (customer, word) in [("a", "caution"), ("b", "active"), ("c", "do_not_serve"), ("d", "vip")] {
            let order = format!("o-{customer}");
            let one = client.get(&format!("/v1/orders/{order}")).expect(200).body;
            assert_eq!(one["customer_status"], word);
            let of_one = client.get(&format!("/v1/customers/{customer}/orders")).expect(200).body;
            assert_eq!(of_one["orders"][0]["customer_status"], word);
            let body = client.get(&format!("/v1/orders?customer_status={word}")).expect(200).body;
            assert_eq!(ids(&body, "orders", "order_id"), [order.as_str()]);
            assert_eq!(body["orders"][0]["customer_status"], word);
        }
        for (sort, order) in [
            ("-placed_at", ["o-d", "o-c", "o-b", "o-a"]),
            ("placed_at", ["o-a", "o-b", "o-c", "o-d"]),
            ("-customer_status", ["o-c", "o-a", "o-d", "o-b"]),
            ("customer_status", ["o-b", "o-d", "o-a", "o-c"]),
        ] {
            assert_eq!(list(&format!("sort={sort}")), order.join(" "));
            let path = format!("/v1/orders?sort={sort}");
            assert_eq!(paged(&client, &path, "orders", "order_id"), order, "{sort}");
        }
        assert_eq!(list("limit=50"), "o-d o-c o-b o-a");
        // The word is the customer's now, not the one at the order's time.
        put(&client, "c", "active", "settled").expect(200);
        assert_eq!(client.get("/v1/orders/o-c").expect(200).body["customer_status"], "active");
        assert_eq!(list("customer_status=do_not_serve"), "");
        for (query, pointer) in [("customer_status=lost", "?customer_status"), ("sort=total", "?sort")] {
            let answer = client.get(&format!("/v1/orders?{query}"));
            assert_eq!(answer.expect_problem(422, "invalid_request").pointers(), [pointer]);
        }
    }

    fn a_flag_blocks_no_fact(app) {
        app.set_up(json!({}));
        app.set_tiers(&[("bronze", "0"), ("silver", "100.00")]);
        known(app, "c1");
        put(&app.support(), "c1", "do_not_serve", "chargebacks").expect(200);
        open_order(app, "o1", "c1", "pending").expect(201);
        let answer = app.order("o2", "c1", &from_now(0), "100.00").expect(201);
        assert_eq!(tier(&answer.body["membership"]["after"]), "silver");
        app.refund("r1", "o2", &from_now(0), "10.00").expect(201);
        app.points("a1", "c1", &from_now(0), 10).expect(201);
        assert_eq!(app.membership("c1")["progress"]["amount_spent"], "90.00");
        assert_eq!(status_of(app, "c1")["status"], "do_not_serve");
    }

    fn a_pending_order_of_a_flagged_customer_is_an_event_and_no_other_order_is(app) {
        app.set_up(json!({}));
        for customer in ["cautious", "denied", "plain", "vip", "flagged-vip", "cleared"] {
            known(app, customer);
        }
        designate(app, "vip", &json!({}));
        designate(app, "flagged-vip", &json!({}));
        for (customer, status) in [
            ("cautious", "caution"), ("denied", "do_not_serve"), ("flagged-vip", "caution"),
            ("cleared", "do_not_serve"),
        ] {
            put(&app.support(), customer, status, "a reason").expect(200);
        }
        put(&app.support(), "cleared", "active", "settled").expect(200);
        for customer in ["cautious", "denied", "plain", "vip", "flagged-vip", "cleared", "new"] {
            open_order(app, &format!("pending-{customer}"), customer, "pending").expect(201);
            open_order(app, &format!("cancelled-{customer}"), customer, "cancelled").expect(201);
            app.order(&format!("completed-{customer}"), customer, NOON, "10.00").expect(201);
        }
        // The same again is no other order; nor is what becomes of it.
        open_order(app, "pending-cautious", "cautious", "pending").expect(200);
        app.order("pending-denied", "denied", NOON, "10.00").expect(200);
        open_order(app, "cancelled-plain", "plain", "cancelled").expect(200);
        let mut line = order("denied", NOON, "10.00");
        line["order_id"] = json!("in-a-batch");
        line["status"] = json!("pending");
        line["completed_at"] = Value::Null;
        app.storefront().post_lines("/v1/facts", &[json!({"order": line})]).expect(200);
        let expected = json!([
            ["cautious", {"order_id": "pending-cautious", "status": "caution"}],
            ["denied", {"order_id": "pending-denied", "status": "do_not_serve"}],
            ["flagged-vip", {"order_id": "pending-flagged-vip", "status": "caution"}],
            ["denied", {"order_id": "in-a-batch", "status": "do_not_serve"}],
        ]);
        assert_eq!(of_kind(&events(app), "order_flagged"), expected);
    }

    fn changes_of_status_are_events_without_their_notes(app) {
        app.set_up(json!({}));
        known(app, "c1");
        put(&app.support(), "c1", "caution", "a very private note").expect(200);
        put(&app.support(), "c1", "active", "a very private note").expect(200);
        put(&app.manager(), "c1", "vip", "a very private note").expect(200);
        put_confirmed(&app.manager(), "c1", "active", "a very private note").expect(200);
        let events = events(app);
        let expected = json!([
            ["c1", {"from": "active", "to": "caution"}],
            ["c1", {"from": "caution", "to": "active"}],
            ["c1", {"from": "active", "to": "vip"}],
            ["c1", {"from": "vip", "to": "active"}],
        ]);
        assert_eq!(of_kind(&events, "status_changed"), expected);
        let designated = json!([["c1", {"tier": null, "source": "manual"}]]);
        assert_eq!(of_kind(&events, "designated"), designated);
        let ended = json!([["c1", {"reason": "removed", "removal_reason": "other"}]]);
        assert_eq!(of_kind(&events, "designation_ended"), ended);
        assert!(!json!(events).to_string().contains("private"));
    }

    fn where_figures_no_longer_fit_a_status_is_set_or_said_not_to_be(app) {
        app.set_up(json!({}));
        app.order("o1", "c1", NOON, "92233720368547758.07").expect(201);
        let path = "/v1/program?effective_from=beginning";
        let changed = app.admin().patch(path, &json!({"points_per_unit": "1000000"})).expect(200);
        assert_eq!(settled(app, changed)["state"], "failed");
        for status in ["caution", "active", "vip", "active"] {
            let answer = put_confirmed(&app.manager(), "c1", status, "a reason");
            if answer.status == 200 {
                assert_eq!(answer.body["status"], status);
            } else {
                answer.expect_problem(409, "figure_overflow");
            }
        }
    }
}
