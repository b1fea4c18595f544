//! Customers: what the shop says of them, their lists and their erasure.

use super::{assert_paging_rules, assert_same_404, ids, neighbour, paged};
use crate::support::*;
use accolade::api::auth::Role;
use serde_json::{Value, json};

const NOON: &str = "2024-06-01T12:00:00Z";

/// Everything that can be said of a customer.
fn whole() -> Value {
    json!({
        "name": "Ada Byron", "email": "ada@example.com", "joined_at": "2024-03-01T09:00:00Z",
        "birthday": "1985-12-10", "preferred_channel": "email", "tags": ["wholesale", "press"],
        "subscription": {
            "monthly_amount": "19.90", "state": "cancelled", "cancelled_at": "2024-09-30T00:00:00Z",
        },
        "print_vip_icon": false,
    })
}

/// Nothing but what is there without anybody saying so.
fn unknown() -> Value {
    json!({
        "name": null, "email": null, "joined_at": null, "birthday": null,
        "preferred_channel": null, "tags": [], "subscription": null, "print_vip_icon": true,
    })
}

/// The fields of an answer that a request states.
fn stated(body: &Value) -> Value {
    let mut stated = body.clone();
    for field in ["customer_id", "status", "created_at", "erased_at", "cancellations"] {
        assert!(stated.as_object_mut().unwrap().remove(field).is_some(), "{field} is missing");
    }
    stated
}

/// Five customers who differ in everything.
fn set_up_five(app: &App) {
    app.set_up(json!({}));
    app.set_tiers(&[("bronze", "0"), ("silver", "100.00"), ("gold", "500.00")]);
    let people = [
        (
            "c1",
            json!({
                "name": "Zoë Ångström", "email": "zoe@example.com", "tags": ["wholesale"],
                "joined_at": "2021-01-01T00:00:00Z",
                "subscription": {"monthly_amount": "10.00", "state": "active"},
            }),
        ),
        (
            "c2",
            json!({
                "name": "adam byron", "tags": ["press", "wholesale"], "joined_at": "2022-01-01T00:00:00Z",
                "subscription": {
                    "monthly_amount": "10.00", "state": "cancelled", "cancelled_at": "2024-01-01T00:00:00Z",
                },
            }),
        ),
        (
            "c3",
            json!({
                "name": "Émile", "email": "Emile@Byron.example", "joined_at": "2023-01-01T00:00:00Z",
            }),
        ),
        (
            "c4",
            json!({
                "joined_at": "2024-01-01T00:00:00Z",
                "subscription": {"monthly_amount": "10.00", "state": "paused"},
            }),
        ),
        ("c5", json!({"name": "Bob_%", "joined_at": "2020-06-01T00:00:00Z"})),
    ];
    for (id, body) in people {
        app.storefront().put(&format!("/v1/customers/{id}"), &body).expect(201);
    }
    for (customer, at, total) in [
        ("c1", "2024-06-01T10:00:00Z", "600.00"),
        ("c2", "2024-03-01T10:00:00Z", "150.00"),
        ("c3", "2024-05-01T10:00:00Z", "20.00"),
        ("c5", "2024-04-01T10:00:00Z", "100.00"),
    ] {
        app.order(&format!("o-{customer}"), customer, at, total).expect(201);
    }
}

on_both! {
    fn of_many_who_replace_one_version_one_does(app) {
        app.set_up(json!({}));
        for round in 0..10 {
            let path = format!("/v1/customers/c{round}");
            let etag = app.storefront().put(&path, &json!({})).expect(201).etag();
            let barrier = std::sync::Barrier::new(16);
            let statuses: Vec<u16> = std::thread::scope(|scope| {
                let threads: Vec<_> = (0..16)
                    .map(|i| {
                        let (barrier, etag, path) = (&barrier, &etag, &path);
                        scope.spawn(move || {
                            let client = app.storefront().with("if-match", etag);
                            barrier.wait();
                            client.put(path, &json!({"name": format!("Name {i}")})).status
                        })
                    })
                    .collect();
                threads.into_iter().map(|thread| thread.join().unwrap()).collect()
            });
            let count = |wanted: u16| statuses.iter().filter(|status| **status == wanted).count();
            assert_eq!((count(200), count(412)), (1, 15), "{statuses:?}");
        }
    }

    fn a_customer_is_stored_as_stated_and_the_same_again_changes_nothing(app) {
        app.set_up(json!({}));
        let client = app.storefront();
        let first = client.put("/v1/customers/c1", &whole()).expect(201);
        assert_eq!(stated(&first.body), whole());
        assert_eq!(first.body["customer_id"], "c1");
        assert_eq!(first.body["erased_at"], Value::Null);
        let again = client.put("/v1/customers/c1", &whole()).expect(200);
        assert_eq!(again.body, first.body);
        assert_eq!(again.etag(), first.etag());
        let read = app.support().get("/v1/customers/c1").expect(200);
        assert_eq!(read.body, first.body);
        assert_eq!(read.etag(), first.etag());
        // Whole means whole: what is left out is gone.
        let emptied = client.put("/v1/customers/c1", &json!({})).expect(200);
        assert_eq!(stated(&emptied.body), unknown());
        assert_ne!(emptied.etag(), first.etag());
        assert_eq!(emptied.body["created_at"], first.body["created_at"]);
        let empty = client.put("/v1/customers/c2", &unknown()).expect(201);
        assert_eq!(stated(&empty.body), unknown());
    }

    fn an_order_makes_a_customer_of_whom_nothing_else_is_known(app) {
        app.set_up(json!({}));
        app.order("o1", "c1", NOON, "1.00").expect(201);
        assert_eq!(stated(&app.support().get("/v1/customers/c1").expect(200).body), unknown());
        app.storefront().put("/v1/customers/c1", &whole()).expect(200);
    }

    fn joining_later_moves_the_enrolment(app) {
        app.set_up(json!({}));
        app.order("o1", "c1", NOON, "10.00").expect(201);
        assert_eq!(app.membership("c1")["enrolled_at"], NOON);
        let later = json!({"joined_at": "2024-07-01T00:00:00Z"});
        app.storefront().patch("/v1/customers/c1", &later).expect(200);
        let membership = app.membership("c1");
        assert_eq!(membership["enrolled_at"], "2024-07-01T00:00:00Z");
        assert_eq!(membership["progress"]["amount_spent"], "0.00");
        assert_eq!(membership["lifetime"]["amount_spent"], "10.00");
    }

    fn all_faults_are_answered_at_once(app) {
        app.set_up(json!({}));
        let put = |body: Value| {
            let answer = app.storefront().put("/v1/customers/c1", &body);
            answer.expect_problem(422, "invalid_request")
        };
        let bad = json!({
            "name": " ", "email": "ada", "joined_at": "then", "birthday": "1985-13-01",
            "preferred_channel": "a\nb", "tags": [""], "print_vip_icon": "yes", "bogus": 1,
        });
        let all = [
            "/birthday", "/bogus", "/email", "/joined_at", "/name", "/preferred_channel",
            "/print_vip_icon", "/tags/0",
        ];
        assert_eq!(put(bad).pointers(), all);
        let against_rules = json!({
            "name": "", "tags": ["a", "a"],
            "subscription": {"monthly_amount": "1.00", "state": "cancelled"},
        });
        let all = ["/name", "/subscription/cancelled_at", "/tags"];
        assert_eq!(put(against_rules).pointers(), all);
        let bad = json!({"subscription": {"monthly_amount": "1e3", "state": "active"}});
        assert_eq!(put(bad).pointers(), ["/subscription/monthly_amount"]);
        let bad = json!({"subscription": {
            "monthly_amount": "1", "state": "paused", "cancelled_at": NOON,
        }});
        assert_eq!(put(bad).pointers(), ["/subscription/cancelled_at"]);
        assert_eq!(put(json!({"name": "x".repeat(201)})).pointers(), ["/name"]);
        app.storefront().get("/v1/customers/c1").expect_problem(404, "not_found");
    }

    fn what_depends_on_the_store_or_the_clock_is_409(app) {
        app.set_up(json!({}));
        let client = app.storefront();
        let too_precise = json!({"subscription": {"monthly_amount": "1.234", "state": "active"}});
        let ahead = json!({"joined_at": from_now(2 * 86_400)});
        for (body, code) in [(&too_precise, "amount_not_in_currency"), (&ahead, "too_far_ahead")] {
            client.put("/v1/customers/c1", body).expect_problem(409, code);
            client.get("/v1/customers/c1").expect_problem(404, "not_found");
        }
        client.put("/v1/customers/c1", &whole()).expect(201);
        for (body, code) in [(&too_precise, "amount_not_in_currency"), (&ahead, "too_far_ahead")] {
            client.patch("/v1/customers/c1", body).expect_problem(409, code);
        }
        assert_eq!(stated(&client.get("/v1/customers/c1").expect(200).body), whole());
    }

    fn patch_replaces_the_fields_it_gives_and_null_restores_a_default(app) {
        app.set_up(json!({}));
        let client = app.storefront();
        let first = client.put("/v1/customers/c1", &whole()).expect(201);
        let patch = |body: Value| client.patch("/v1/customers/c1", &body).expect(200);
        let mut expected = whole();
        assert_eq!(patch(json!({})).etag(), first.etag());
        for (field, given, stored) in [
            ("tags", json!(["vip"]), json!(["vip"])),
            ("name", json!("Ada"), json!("Ada")),
            (
                "subscription",
                json!({"monthly_amount": "5", "state": "active"}),
                json!({"monthly_amount": "5.00", "state": "active", "cancelled_at": null}),
            ),
            ("name", Value::Null, Value::Null),
            ("print_vip_icon", Value::Null, json!(true)),
            ("tags", Value::Null, json!([])),
            ("subscription", Value::Null, Value::Null),
            ("joined_at", Value::Null, Value::Null),
            ("birthday", json!("1986-01-02"), json!("1986-01-02")),
        ] {
            expected[field] = stored;
            let mut body = json!({});
            body[field] = given;
            let answer = patch(body);
            assert_eq!(stated(&answer.body), expected, "{field}");
            assert_eq!(client.get("/v1/customers/c1").expect(200).etag(), answer.etag());
        }
        let bad = client.patch("/v1/customers/c1", &json!({"email": "ada", "name": " "}));
        assert_eq!(bad.expect_problem(422, "invalid_request").pointers(), ["/email", "/name"]);
    }

    fn a_version_is_changed_only_if_it_is_still_that_version(app) {
        app.set_up(json!({}));
        let path = "/v1/customers/c1";
        let client = |if_match: &str| app.storefront().with("if-match", if_match);
        client("*").put(path, &whole()).expect_problem(412, "precondition_failed");
        let first = app.storefront().put(path, &whole()).expect(201).etag();
        let second = client(&first).patch(path, &json!({"name": "Ada"})).expect(200).etag();
        assert_ne!(first, second);
        client(&first).patch(path, &json!({"name": "A."})).expect_problem(412, "precondition_failed");
        client(&first).put(path, &json!({})).expect_problem(412, "precondition_failed");
        client(&first).delete(path).expect_problem(412, "precondition_failed");
        let third = client(&second).put(path, &json!({"name": "A."})).expect(200).etag();
        client("*").patch(path, &json!({"name": "B."})).expect(200);
        client(&third).delete(path).expect_problem(412, "precondition_failed");
        let last = app.storefront().get(path).expect(200);
        assert_eq!(last.body["name"], "B.");
        client(&last.etag()).delete(path).expect(204);
    }

    fn what_is_not_there_is_404_and_so_is_another_stores(app) {
        app.set_up(json!({}));
        app.storefront().put("/v1/customers/c1", &whole()).expect(201);
        let other = neighbour(app, Role::Storefront);
        let (theirs, absent) = ("/v1/customers/c1", "/v1/customers/absent");
        assert_same_404(&other.get(theirs), &other.get(absent));
        assert_same_404(&other.patch(theirs, &json!({})), &other.patch(absent, &json!({})));
        assert_same_404(&other.delete(theirs), &other.delete(absent));
        assert_eq!(stated(&app.support().get(theirs).expect(200).body), whole());
    }

    fn an_erased_person_leaves_the_identifier_and_the_dates(app) {
        app.set_up(json!({}));
        app.set_tiers(&[("bronze", "0"), ("silver", "100.00")]);
        let path = "/v1/customers/c1";
        let first = app.storefront().put(path, &whole()).expect(201).body;
        app.order("o1", "c1", NOON, "100.00").expect(201);
        let gone = app.storefront().delete(path).expect(204);
        assert_eq!(gone.text, "");
        let left = app.support().get(path).expect(200).body;
        for field in ["name", "email", "birthday", "preferred_channel"] {
            assert_eq!(left[field], Value::Null, "{field}");
        }
        assert_eq!(left["tags"], json!([]));
        for field in ["customer_id", "created_at", "joined_at"] {
            assert_eq!(left[field], first[field], "{field}");
        }
        assert!(left["erased_at"].is_string());
        for text in ["Ada", "ada@example.com", "1985-12-10", "wholesale"] {
            assert!(!left.to_string().contains(text), "{text} is left in {left}");
        }
    }

    fn to_an_erased_customer_nothing_is_written_but_facts_still_count(app) {
        app.set_up(json!({}));
        app.set_tiers(&[("bronze", "0"), ("silver", "100.00")]);
        let path = "/v1/customers/c1";
        app.storefront().put(path, &json!({"name": "Ada", "tags": ["a"]})).expect(201);
        app.order("o1", "c1", NOON, "60.00").expect(201);
        app.admin().delete(path).expect(204);
        let client = app.storefront();
        client.put(path, &whole()).expect_problem(410, "customer_erased");
        client.patch(path, &json!({"name": "Ada"})).expect_problem(410, "customer_erased");
        client.delete(path).expect_problem(410, "customer_erased");
        assert_eq!(app.membership("c1")["lifetime"]["amount_spent"], "60.00");
        app.order("o2", "c1", NOON, "40.00").expect(201);
        let membership = app.membership("c1");
        assert_eq!(membership["lifetime"]["amount_spent"], "100.00");
        assert_eq!(tier(&membership), "silver");
        assert_eq!(app.support().get("/v1/customers").expect(200).body["customers"], json!([]));
        let found = app.support().get("/v1/customers?q=ada").expect(200).body;
        assert_eq!(found["customers"], json!([]));
        let orders = app.support().get("/v1/customers/c1/orders").expect(200).body;
        assert_eq!(ids(&orders, "orders", "order_id"), ["o2", "o1"]);
    }

    fn a_list_says_where_each_customer_stands(app) {
        set_up_five(app);
        let body = app.support().get("/v1/customers?q=zoe").expect(200).body;
        let row = &body["customers"][0];
        assert_eq!(row["name"], "Zoë Ångström");
        assert_eq!(row["tier"], "gold");
        assert_eq!(row["lifetime_spend"], "600.00");
        assert_eq!(row["last_order_at"], "2024-06-01T10:00:00Z");
        assert_eq!(row["member_since"], "2021-01-01T00:00:00Z");
        assert_eq!(row["subscription"]["monthly_amount"], "10.00");
        assert_eq!(body["recalculating"], false);
        let body = app.support().get("/v1/customers?q=c4").expect(200).body;
        assert_eq!(body["customers"][0]["last_order_at"], Value::Null);
        assert_eq!(body["customers"][0]["tier"], "bronze");
    }

    fn a_list_is_narrowed_down(app) {
        set_up_five(app);
        let client = app.support();
        let list = |query: &str| {
            let body = client.get(&format!("/v1/customers?{query}")).expect(200).body;
            ids(&body, "customers", "customer_id").join(" ")
        };
        for (query, found) in [
            ("q=zoe", "c1"),
            ("q=ANGSTROM", "c1"),
            ("q=byron", "c2 c3"),
            ("q=%C3%89MILE", "c3"),
            ("q=emile%40byron", "c3"),
            ("q=C4", "c4"),
            ("q=%25", "c5"),
            ("q=_", "c5"),
            ("q=nobody", ""),
            ("tier=bronze", "c3 c4"),
            ("tier=silver", "c2 c5"),
            ("tier=gold", "c1"),
            ("tier=platinum", ""),
            ("tag=wholesale", "c1 c2"),
            ("tag=press", "c2"),
            ("subscription_state=active", "c1"),
            ("subscription_state=paused", "c4"),
            ("subscription_state=cancelled", "c2"),
            ("min_lifetime_spend=150", "c1 c2"),
            ("min_lifetime_spend=150.01", "c1"),
            ("min_lifetime_spend=0", "c1 c2 c3 c4 c5"),
            ("joined_before=2022-01-01T00:00:00Z", "c1 c5"),
            ("last_order_before=2024-04-01T10:00:00Z", "c2"),
            ("last_order_before=2024-04-01T10:00:01Z", "c2 c5"),
            ("tag=wholesale&tier=silver&q=byron", "c2"),
            ("tag=wholesale&tier=bronze", ""),
        ] {
            assert_eq!(list(query), found, "{query}");
        }
    }

    fn a_list_is_sorted(app) {
        set_up_five(app);
        let client = app.support();
        for (sort, order) in [
            ("customer_id", ["c1", "c2", "c3", "c4", "c5"]),
            ("name", ["c4", "c2", "c5", "c3", "c1"]),
            ("lifetime_spend", ["c4", "c3", "c5", "c2", "c1"]),
            ("last_order_at", ["c4", "c2", "c5", "c3", "c1"]),
            ("joined_at", ["c5", "c1", "c2", "c3", "c4"]),
        ] {
            let path = format!("/v1/customers?sort={sort}");
            let body = client.get(&path).expect(200).body;
            assert_eq!(ids(&body, "customers", "customer_id"), order, "{sort}");
            assert_eq!(paged(&client, &path, "customers", "customer_id"), order, "{sort}");
            let mut order = order;
            order.reverse();
            let path = format!("/v1/customers?sort=-{sort}");
            let body = client.get(&path).expect(200).body;
            assert_eq!(ids(&body, "customers", "customer_id"), order, "-{sort}");
            assert_eq!(paged(&client, &path, "customers", "customer_id"), order, "-{sort}");
        }
        let path = "/v1/customers?tag=wholesale&sort=-name";
        assert_eq!(paged(&client, path, "customers", "customer_id"), ["c1", "c2"]);
    }

    fn pages_name_those_with_the_same_key_once(app) {
        app.set_up(json!({}));
        let joined = json!({"name": "Same", "joined_at": "2024-01-01T00:00:00Z"});
        for id in ["a", "B", "c", "D", "e"] {
            app.storefront().put(&format!("/v1/customers/{id}"), &joined).expect(201);
        }
        // Identifiers compare as bytes.
        let all = ["B", "D", "a", "c", "e"];
        let mut back = all;
        back.reverse();
        let client = app.support();
        for sort in ["customer_id", "name", "lifetime_spend", "last_order_at", "joined_at"] {
            let path = format!("/v1/customers?sort={sort}");
            assert_eq!(paged(&client, &path, "customers", "customer_id"), all, "{sort}");
            let path = format!("/v1/customers?sort=-{sort}");
            assert_eq!(paged(&client, &path, "customers", "customer_id"), back, "-{sort}");
        }
    }

    fn a_list_refuses_what_it_does_not_know(app) {
        app.set_up(json!({}));
        let client = app.support();
        assert_paging_rules(&client, "/v1/customers");
        for (query, pointer) in [
            ("q=", "?q"),
            ("tier=a%20b", "?tier"),
            ("tag=", "?tag"),
            ("subscription_state=lost", "?subscription_state"),
            ("min_lifetime_spend=-1", "?min_lifetime_spend"),
            ("joined_before=then", "?joined_before"),
            ("last_order_before=then", "?last_order_before"),
            ("sort=age", "?sort"),
        ] {
            let answer = client.get(&format!("/v1/customers?{query}"));
            let answer = answer.expect_problem(422, "invalid_request");
            assert_eq!(answer.pointers(), [pointer], "{query}");
        }
        let answer = client.get("/v1/customers?sort=age&limit=0&bogus=1");
        let answer = answer.expect_problem(422, "invalid_request");
        assert_eq!(answer.pointers(), ["?bogus", "?limit", "?sort"]);
        let answer = client.get("/v1/customers?min_lifetime_spend=1.234");
        answer.expect_problem(409, "amount_not_in_currency");
    }

    fn a_list_shows_its_own_store_only(app) {
        set_up_five(app);
        let other = neighbour(app, Role::Manager);
        for query in ["", "?q=zoe", "?tag=wholesale", "?tier=gold", "?sort=name"] {
            let body = other.get(&format!("/v1/customers{query}")).expect(200).body;
            assert_eq!(body["customers"], json!([]), "{query}");
        }
    }
}
