//! The timeline: all that happened to one customer, newest first.

use super::{assert_paging_rules, assert_same_404, neighbour};
use crate::support::*;
use accolade::api::auth::Role;
use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::time::Duration;

const NOON: &str = "2024-06-01T12:00:00Z";

fn path_of(customer: &str) -> String {
    format!("/v1/customers/{customer}/timeline")
}

/// A customer's timeline, on one page.
fn timeline(app: &App, customer: &str) -> Vec<Value> {
    let body = app.support().get(&format!("{}?limit=200", path_of(customer))).expect(200).body;
    assert_eq!(body["next_cursor"], Value::Null);
    body["entries"].as_array().unwrap().clone()
}

/// A customer's timeline once it has these kinds: what the background writes
/// down comes a little later.
fn timeline_with(app: &App, customer: &str, kinds: &[&str]) -> Vec<Value> {
    for _ in 0..150 {
        let entries = timeline(app, customer);
        if kinds.iter().all(|kind| !of_kind(&entries, kind).is_empty()) {
            return entries;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    panic!("{kinds:?} do not all come: {:?}", timeline(app, customer));
}

fn of_kind<'a>(entries: &'a [Value], kind: &str) -> Vec<&'a Value> {
    entries.iter().filter(|entry| entry["kind"] == kind).collect()
}

fn at(entry: &Value) -> DateTime<Utc> {
    entry["at"].as_str().unwrap().parse().unwrap()
}

/// The facts of a timeline: kind, identifier and instant.
fn facts(entries: &[Value]) -> Vec<String> {
    let is_fact =
        |entry: &&Value| ["order", "refund", "activity"].contains(&entry["kind"].as_str().unwrap());
    let text = |entry: &Value| {
        let part = |field: &str| entry[field].as_str().unwrap().to_owned();
        [part("kind"), part("id"), part("at")].join(" ")
    };
    entries.iter().filter(is_fact).map(text).collect()
}

fn customer(app: &App, id: &str) {
    let body = json!({"joined_at": "2024-01-01T00:00:00Z"});
    app.storefront().put(&format!("/v1/customers/{id}"), &body).expect(201);
}

fn pending(app: &App, id: &str, customer: &str, placed_at: &str) {
    let body = json!({
        "customer_id": customer, "status": "pending", "total": "10.00", "currency": "GBP",
        "placed_at": placed_at,
    });
    app.storefront().put(&format!("/v1/orders/{id}"), &body).expect(201);
}

fn set_status(app: &App, customer: &str, status: &str, note: &str) {
    let body = json!({"status": status, "note": note});
    app.support().put(&format!("/v1/customers/{customer}/status"), &body).expect(200);
}

/// A customer to whom everything happened.
fn set_up_eventful(app: &App) {
    app.set_up(json!({}));
    app.set_tiers(&[("silver", "100.00")]);
    customer(app, "c1");
    customer(app, "c2");
    let mut first = order("c1", "2024-01-12T10:00:00Z", "150.00");
    first["placed_at"] = json!("2024-01-10T10:00:00Z");
    app.storefront().put("/v1/orders/o1", &first).expect(201);
    app.refund("r1", "o1", "2024-02-01T10:00:00Z", "20.00").expect(201);
    app.points("a1", "c1", "2024-03-01T10:00:00Z", 5).expect(201);
    pending(app, "o2", "c1", "2024-04-01T10:00:00Z");
    set_status(app, "c1", "caution", "rude on the phone");
    pending(app, "o3", "c1", "2024-05-01T10:00:00Z");
    let manager = app.manager();
    manager.put("/v1/customers/c1/designation", &json!({"tier": "silver"})).expect(201);
    manager.patch("/v1/customers/c1/designation", &json!({"priority": "high"})).expect(200);
    let removal = json!({"reason": "complaints", "note": "asked to leave", "confirm": true});
    manager.post("/v1/customers/c1/designation/removal", &removal).expect(200);
    let link = json!({"relation": "household", "note": "the same door"});
    app.support().put("/v1/customers/c1/links/c2", &link).expect(201);
    app.support().delete("/v1/customers/c1/links/c2").expect(204);
    app.order("other", "c2", "2024-03-02T10:00:00Z", "10.00").expect(201);
}

on_both! {
    fn everything_that_happened_is_told_once_and_newest_first(app) {
        set_up_eventful(app);
        let once = [
            "tier_changed", "order_flagged", "status_changed", "designated", "designation_changed",
            "designation_ended", "linked", "unlinked",
        ];
        let entries = timeline_with(app, "c1", &once);
        for kind in once {
            assert_eq!(of_kind(&entries, kind).len(), 1, "{kind}: {entries:?}");
        }
        assert!(entries.is_sorted_by(|a, b| at(a) >= at(b)), "{entries:?}");
        // Orders stand where they were placed.
        let expected = [
            "order o3 2024-05-01T10:00:00Z",
            "order o2 2024-04-01T10:00:00Z",
            "activity a1 2024-03-01T10:00:00Z",
            "refund r1 2024-02-01T10:00:00Z",
            "order o1 2024-01-10T10:00:00Z",
        ];
        assert_eq!(facts(&entries), expected);
        assert_eq!(facts(&timeline(app, "c2")), ["order other 2024-03-02T10:00:00Z"]);
        for kind in ["designated", "status_changed", "order_flagged"] {
            assert!(of_kind(&timeline(app, "c2"), kind).is_empty(), "{kind}");
        }
    }

    fn what_people_did_is_told_with_their_role_and_their_note(app) {
        set_up_eventful(app);
        let entries = timeline_with(app, "c1", &["unlinked"]);
        let one = |kind: &str| {
            let found = of_kind(&entries, kind);
            assert_eq!(found.len(), 1, "{kind}");
            found[0].clone()
        };
        for (kind, role) in [
            ("status_changed", "support"),
            ("designated", "manager"),
            ("designation_changed", "manager"),
            ("designation_ended", "manager"),
            ("linked", "support"),
            ("unlinked", "support"),
        ] {
            assert_eq!(one(kind)["by"], json!({"subject": "tester", "role": role}), "{kind}");
        }
        assert_eq!(one("status_changed")["note"], "rude on the phone");
        assert_eq!(one("designation_ended")["note"], "asked to leave");
        assert_eq!(one("designation_changed")["note"], Value::Null);
    }

    fn what_the_system_did_is_told_as_its_own(app) {
        app.set_up(json!({}));
        let mut tiers = ladder(&[("gold", "100.00")]);
        tiers["tiers"][0]["designates"] = json!(true);
        app.client(Role::PlatformAdmin).put("/v1/tiers", &tiers).expect(200);
        app.order("o1", "c1", NOON, "100.00").expect(201);
        let ends_at = json!({"ends_at": from_now(3)});
        app.manager().patch("/v1/customers/c1/designation", &ends_at).expect(200);

        let system = json!({"subject": "accolade", "role": "system"});
        timeline_with(app, "c1", &["designated", "designation_ended", "tier_changed"]);
        // Nothing more comes of it.
        std::thread::sleep(Duration::from_secs(2));
        let entries = timeline(app, "c1");
        for kind in ["designated", "designation_ended"] {
            let found = of_kind(&entries, kind);
            assert_eq!(found.len(), 1, "{kind}: {entries:?}");
            assert_eq!(found[0]["by"], system, "{kind}");
        }
        let changed = of_kind(&entries, "designation_changed");
        assert_eq!(changed.len(), 1, "{entries:?}");
        assert_eq!(changed[0]["by"], json!({"subject": "tester", "role": "manager"}));
    }

    fn pages_tell_everything_once_also_what_happened_at_one_instant(app) {
        app.set_up(json!({}));
        app.set_tiers(&[("silver", "5.00"), ("gold", "15.00")]);
        customer(app, "c1");
        for i in 1..=4 {
            // The same identifiers, of different things.
            app.order(&format!("x{i}"), "c1", NOON, "10.00").expect(201);
            app.refund(&format!("x{i}"), &format!("x{i}"), NOON, "1.00").expect(201);
            app.points(&format!("x{i}"), "c1", NOON, 1).expect(201);
        }
        for status in ["caution", "do_not_serve", "caution"] {
            set_status(app, "c1", status, "as agreed");
        }
        app.manager().put("/v1/customers/c1/designation", &json!({})).expect(201);
        timeline_with(app, "c1", &["tier_changed", "designated"]);
        std::thread::sleep(Duration::from_millis(1_500));

        let whole = timeline(app, "c1");
        assert_eq!(facts(&whole).len(), 12);
        assert_eq!(of_kind(&whole, "status_changed").len(), 3);
        assert_eq!(of_kind(&whole, "tier_changed").len(), 2);
        let distinct: BTreeSet<String> = whole.iter().map(Value::to_string).collect();
        assert_eq!(distinct.len(), whole.len(), "{whole:?}");
        for limit in [1, 2, 3, 5, 7, 50] {
            let (mut found, mut cursor) = (Vec::new(), String::new());
            loop {
                let path = format!("{}?limit={limit}{cursor}", path_of("c1"));
                let body = app.support().get(&path).expect(200).body;
                let page = body["entries"].as_array().unwrap();
                assert!(page.len() <= limit, "{limit}");
                found.extend(page.clone());
                let Some(next) = body["next_cursor"].as_str() else { break };
                assert_eq!(page.len(), limit, "a page that is not the last is full");
                cursor = format!("&cursor={next}");
            }
            assert_eq!(found, whole, "{limit}");
        }
    }

    fn what_comes_between_two_pages_does_not_move_the_next(app) {
        app.set_up(json!({}));
        for day in 1..=6 {
            app.order(&format!("o{day}"), "c1", &format!("2024-06-0{day}T12:00:00Z"), "1.00").expect(201);
        }
        let support = app.support();
        let whole = facts(&timeline(app, "c1"));
        let (mut found, mut cursor, mut page_number) = (Vec::new(), String::new(), 0);
        loop {
            let path = format!("{}?limit=1{cursor}", path_of("c1"));
            let body = support.get(&path).expect(200).body;
            found.extend(facts(body["entries"].as_array().unwrap()));
            let Some(next) = body["next_cursor"].as_str() else { break };
            cursor = format!("&cursor={next}");
            if page_number < 3 {
                page_number += 1;
                app.points(&format!("new{page_number}"), "c1", &from_now(0), 1).expect(201);
                app.points(&format!("old{page_number}"), "c1", "2024-06-02T18:00:00Z", 1).expect(201);
                set_status(app, "c1", ["active", "caution"][page_number % 2], "as agreed");
            }
        }
        let orders: Vec<&String> = found.iter().filter(|fact| fact.starts_with("order")).collect();
        assert_eq!(orders, whole.iter().collect::<Vec<_>>());
        assert!(!found.iter().any(|fact| fact.contains("new")), "{found:?}");
    }

    fn whose_timeline_is_not_there_is_404(app) {
        app.set_up(json!({}));
        app.order("o1", "c1", NOON, "1.00").expect(201);
        app.support().get(&path_of("absent")).expect_problem(404, "not_found");
        let other = neighbour(app, Role::Support);
        assert_same_404(&other.get(&path_of("c1")), &other.get(&path_of("absent")));
        assert_paging_rules(&app.support(), &path_of("c1"));
        app.storefront().get(&path_of("c1")).expect_problem(403, "forbidden");
    }
}
