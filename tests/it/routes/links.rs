//! Links: customers who belong together, so that a flag on one warns of the other.

use super::{assert_same_404, ids, neighbour};
use crate::support::*;
use accolade::api::auth::Role;
use serde_json::{Value, json};

fn path(customer: &str, other: &str) -> String {
    format!("/v1/customers/{customer}/links/{other}")
}

/// Customers of whom nothing is known.
fn known(app: &App, customers: &[&str]) {
    for customer in customers {
        app.storefront().put(&format!("/v1/customers/{customer}"), &json!({})).expect(201);
    }
}

/// Links two customers.
fn link(app: &App, customer: &str, other: &str, relation: &str) -> Answer {
    app.support().put(&path(customer, other), &json!({"relation": relation}))
}

/// What is answered of a customer's links.
fn links(app: &App, customer: &str) -> Value {
    app.support().get(&format!("/v1/customers/{customer}/links")).expect(200).body
}

/// The other ends of a customer's links.
fn linked(app: &App, customer: &str) -> String {
    let mut others = ids(&links(app, customer), "links", "customer_id");
    others.sort_unstable();
    others.join(" ")
}

fn flag(app: &App, customer: &str, status: &str) {
    let path = format!("/v1/customers/{customer}/status");
    app.support().put(&path, &json!({"status": status, "note": "a reason"})).expect(200);
}

on_both! {
    fn a_link_stands_at_both_ends(app) {
        app.set_up(json!({}));
        known(app, &["c1", "c2", "c3"]);
        assert_eq!(links(app, "c1"), json!({"links": []}));
        let body = json!({"relation": "household", "note": "the same address"});
        app.support().put(&path("c1", "c2"), &body).expect(201);
        for (customer, other) in [("c1", "c2"), ("c2", "c1")] {
            let found = links(app, customer);
            assert_eq!(found["links"].as_array().unwrap().len(), 1, "{found}");
            let mut link = found["links"][0].clone();
            assert!(link["linked_at"].is_string(), "{link}");
            link.as_object_mut().unwrap().remove("linked_at");
            let expected = json!({
                "customer_id": other, "relation": "household", "note": "the same address",
                "status": "active",
            });
            assert_eq!(link, expected);
        }
        assert_eq!(linked(app, "c3"), "");
    }

    fn the_same_again_changes_nothing_from_either_end(app) {
        app.set_up(json!({}));
        known(app, &["c1", "c2"]);
        let body = json!({"relation": "household", "note": "the same address"});
        app.support().put(&path("c1", "c2"), &body).expect(201);
        let first = (links(app, "c1"), links(app, "c2"));
        app.support().put(&path("c1", "c2"), &body).expect(200);
        app.support().put(&path("c2", "c1"), &body).expect(200);
        assert_eq!((links(app, "c1"), links(app, "c2")), first);
    }

    fn a_link_is_replaced_whole(app) {
        app.set_up(json!({}));
        known(app, &["c1", "c2"]);
        let body = json!({"relation": "household", "note": "the same address"});
        app.support().put(&path("c1", "c2"), &body).expect(201);
        link(app, "c2", "c1", "same.card:4-2_x").expect(200);
        for customer in ["c1", "c2"] {
            let found = links(app, customer);
            assert_eq!(found["links"].as_array().unwrap().len(), 1, "{found}");
            assert_eq!(found["links"][0]["relation"], "same.card:4-2_x");
            assert_eq!(found["links"][0]["note"], Value::Null);
        }
    }

    fn everyone_but_the_storefront_links(app) {
        app.set_up(json!({}));
        known(app, &["c0", "c1", "c2", "c3", "c4"]);
        let roles = [Role::Support, Role::Manager, Role::Administrator, Role::PlatformAdmin];
        for (i, role) in roles.into_iter().enumerate() {
            let client = app.client(role);
            let path = path("c0", &format!("c{}", i + 1));
            client.put(&path, &json!({"relation": "household"})).expect(201);
            assert_eq!(ids(&client.get("/v1/customers/c0/links").expect(200).body, "links", "customer_id").len(), 1);
            client.delete(&path).expect(204);
        }
    }

    fn a_customer_has_many_links_and_they_do_not_join_the_others(app) {
        app.set_up(json!({}));
        known(app, &["c1", "c2", "c3", "c4"]);
        link(app, "c1", "c2", "household").expect(201);
        link(app, "c3", "c1", "employer").expect(201);
        link(app, "c3", "c4", "household").expect(201);
        assert_eq!(linked(app, "c1"), "c2 c3");
        assert_eq!(linked(app, "c2"), "c1");
        assert_eq!(linked(app, "c3"), "c1 c4");
        assert_eq!(linked(app, "c4"), "c3");
        let relation = |customer: &str| links(app, customer)["links"][0]["relation"].clone();
        assert_eq!((relation("c2"), relation("c4")), (json!("household"), json!("household")));
    }

    fn a_link_says_how_the_other_is_to_be_treated_now(app) {
        app.set_up(json!({}));
        known(app, &["c1", "c2"]);
        link(app, "c1", "c2", "household").expect(201);
        let status = || links(app, "c1")["links"][0]["status"].clone();
        for word in ["caution", "do_not_serve", "active"] {
            flag(app, "c2", word);
            assert_eq!(status(), word);
        }
        app.manager().put("/v1/customers/c2/designation", &json!({})).expect(201);
        assert_eq!(status(), "vip");
        // A link is no flag.
        flag(app, "c2", "caution");
        let own = app.support().get("/v1/customers/c1/status").expect(200).body;
        assert_eq!(own["status"], "active");
        assert_eq!(links(app, "c2")["links"][0]["status"], "active");
    }

    fn a_link_is_taken_away_from_either_end_once(app) {
        app.set_up(json!({}));
        known(app, &["c1", "c2", "c3"]);
        let client = app.support();
        for (customer, other) in [("c1", "c2"), ("c2", "c1")] {
            link(app, "c1", "c2", "household").expect(201);
            link(app, "c1", "c3", "household");
            assert_eq!(client.delete(&path(customer, other)).expect(204).text, "");
            assert_eq!((linked(app, "c1"), linked(app, "c2")), ("c3".to_owned(), String::new()));
            client.delete(&path("c1", "c2")).expect_problem(404, "not_found");
            client.delete(&path("c2", "c1")).expect_problem(404, "not_found");
        }
    }

    fn both_ends_have_to_be_known(app) {
        app.set_up(json!({}));
        known(app, &["c1"]);
        let client = app.support();
        for (customer, other) in [("c1", "absent"), ("absent", "c1"), ("absent", "missing")] {
            link(app, customer, other, "household").expect_problem(404, "not_found");
            client.delete(&path(customer, other)).expect_problem(404, "not_found");
        }
        client.get("/v1/customers/absent/links").expect_problem(404, "not_found");
        client.get("/v1/customers/absent").expect_problem(404, "not_found");
        assert_eq!(linked(app, "c1"), "");
    }

    fn another_stores_customers_are_as_good_as_absent(app) {
        app.set_up(json!({}));
        known(app, &["c1", "c2"]);
        link(app, "c1", "c2", "household").expect(201);
        let other = neighbour(app, Role::Manager);
        let storefront = app.client_of("other", Role::Storefront);
        storefront.put("/v1/customers/theirs", &json!({})).expect(201);
        let body = json!({"relation": "household"});
        for (foreign, absent) in [
            (path("c1", "c2"), path("absent", "missing")),
            (path("theirs", "c1"), path("theirs", "absent")),
        ] {
            assert_same_404(&other.put(&foreign, &body), &other.put(&absent, &body));
            assert_same_404(&other.delete(&foreign), &other.delete(&absent));
        }
        assert_same_404(
            &other.get("/v1/customers/c1/links"),
            &other.get("/v1/customers/absent/links"),
        );
        let theirs = other.get("/v1/customers/theirs/links").expect(200).body;
        assert_eq!(theirs, json!({"links": []}));
        assert_eq!(linked(app, "c1"), "c2");
    }

    fn nobody_is_linked_with_themselves(app) {
        app.set_up(json!({}));
        known(app, &["c1"]);
        let answer = link(app, "c1", "c1", "household").expect_problem(422, "invalid_request");
        assert_eq!(answer.pointers(), ["{other_id}"]);
        assert_eq!(linked(app, "c1"), "");
    }

    fn a_relation_is_one_word(app) {
        app.set_up(json!({}));
        known(app, &["c1", "c2"]);
        let put = |body: Value| {
            app.support().put(&path("c1", "c2"), &body).expect_problem(422, "invalid_request")
        };
        assert_eq!(put(json!({})).pointers(), ["/relation"]);
        assert_eq!(put(json!({"relation": null})).pointers(), ["/relation"]);
        for relation in ["", "same card", "kin/kith", "Verwandtschäft", &"x".repeat(65)] {
            assert_eq!(put(json!({"relation": relation})).pointers(), ["/relation"], "{relation}");
        }
        let bad = json!({"relation": "a b", "note": 5, "status": "caution"});
        assert_eq!(put(bad).pointers(), ["/note", "/relation", "/status"]);
        assert_eq!(linked(app, "c1"), "");
        link(app, "c1", "c2", &"x".repeat(64)).expect(201);
    }

    fn an_erased_customer_is_linked_no_more(app) {
        app.set_up(json!({}));
        known(app, &["c1", "c2", "gone"]);
        link(app, "c1", "gone", "household").expect(201);
        app.admin().delete("/v1/customers/gone").expect(204);
        for (customer, other) in [("gone", "c1"), ("c1", "gone"), ("gone", "c2"), ("c2", "gone")] {
            link(app, customer, other, "household").expect_problem(410, "customer_erased");
        }
        // What warns of somebody who is gone can be taken away.
        app.support().delete(&path("gone", "c1")).expect(204);
        assert_eq!(linked(app, "c2"), "");
    }

    fn a_link_note_goes_with_the_erased(app) {
        app.set_up(json!({}));
        known(app, &["c1", "gone"]);
        let body = json!({"relation": "household", "note": "brother of the baker"});
        app.support().put(&path("c1", "gone"), &body).expect(201);
        app.admin().delete("/v1/customers/gone").expect(204);
        assert!(!links(app, "c1").to_string().contains("baker"));
    }

    fn a_hundred_links_are_enough_at_either_end(app) {
        app.set_up(json!({}));
        let line = |i: u32| json!({"customer": {"customer_id": format!("c{i}")}});
        let lines: Vec<Value> = (0..=101).map(line).collect();
        let answer = app.storefront().post_lines("/v1/facts", &lines).expect(200);
        assert_eq!(answer.body["created"], 102);
        for i in 1..=100 {
            link(app, "c0", &format!("c{i}"), "household").expect(201);
        }
        link(app, "c0", "c101", "household").expect_problem(409, "too_many_links");
        link(app, "c101", "c0", "household").expect_problem(409, "too_many_links");
        assert_eq!(links(app, "c0")["links"].as_array().unwrap().len(), 100);
        assert_eq!(linked(app, "c101"), "");
        // What is there is changed all the same, and others are free.
        link(app, "c0", "c1", "employer").expect(200);
        link(app, "c1", "c101", "household").expect(201);
        app.support().delete(&path("c0", "c1")).expect(204);
        link(app, "c101", "c0", "household").expect(201);
    }
}
