//! Complaints: the open ones, those of the most urgent customers first, and
//! the event that tells of each.

use super::activities::{body, send};
use super::{assert_paging_rules, ids, neighbour, paged};
use crate::support::*;
use accolade::api::auth::Role;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

const LIST: &str = "/v1/complaints";
const NOON: &str = "2024-06-01T12:00:00Z";

/// Noon of a day in June.
fn day(day: u32) -> String {
    format!("2024-06-{day:02}T12:00:00Z")
}

/// A customer complains by e-mail, and nobody else sees it.
fn complain(app: &App, id: &str, customer: &str, at: &str) {
    send(app, id, (customer, "complaint"), at, &json!({"channel": "email"})).expect(201);
}

/// The body of a complaint at noon.
fn body_of(customer: &str, fields: Value) -> Value {
    body(customer, "complaint", NOON, &fields)
}

/// Corrects the complaint `p1`.
fn complain_again(app: &App, fields: Value) {
    send(app, "p1", ("c1", "complaint"), NOON, &fields).expect(200);
}

/// The complaints that a list names, in its order.
fn listed(app: &App, query: &str) -> Vec<String> {
    let path = format!("{LIST}?{query}");
    ids(&app.support().get(&path).expect(200).body, "complaints", "activity_id")
}

/// The priorities of a list's rows, in its order.
fn priorities(app: &App) -> Vec<String> {
    ids(&app.support().get(LIST).expect(200).body, "complaints", "priority")
}

fn designate(app: &App, customer: &str, body: &Value) {
    let path = format!("/v1/customers/{customer}/designation");
    app.manager().put(&path, body).expect(201);
}

fn edit(app: &App, customer: &str, body: &Value) {
    let path = format!("/v1/customers/{customer}/designation");
    app.manager().patch(&path, body).expect(200);
}

/// Gold, from 100.00, is served before others; platinum, which is given by
/// hand alone, at once.
fn set_up_tiers(app: &App) {
    app.set_up(json!({}));
    let gold = json!({
        "code": "gold", "name": "Gold", "rank": 1, "threshold": "100.00", "icon": "gold",
        "priority": "high",
    });
    let platinum = json!({
        "code": "platinum", "name": "Platinum", "rank": 2, "icon": "platinum",
        "priority": "urgent",
    });
    app.admin().put("/v1/tiers", &json!({"tiers": [gold, platinum]})).expect(200);
}

/// What the feed tells of complaints, once it tells of so many.
fn told(app: &App, count: usize) -> Vec<Value> {
    let started = Instant::now();
    loop {
        let body = app.manager().get("/v1/events?after=0&limit=1000").expect(200).body;
        let events = body["events"].as_array().unwrap().iter();
        let told: Vec<Value> = events
            .filter(|event| event["kind"] == "complaint_received")
            .map(|event| json!([event["customer_id"], event["data"]]))
            .collect();
        if told.len() >= count {
            return told;
        }
        assert!(started.elapsed() < Duration::from_secs(20), "{count} do not come: {told:?}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

on_both! {
    fn an_open_complaint_is_listed_with_how_its_customer_is_treated(app) {
        set_up_tiers(app);
        app.storefront().put("/v1/customers/c1", &json!({"name": "Ada Byron"})).expect(201);
        designate(app, "c1", &json!({"tier": "gold", "assigned_to": "sam"}));
        let fields = json!({"channel": "social", "public": true});
        send(app, "p1", ("c1", "complaint"), NOON, &fields).expect(201);
        // Of the other one nothing is known.
        complain(app, "p2", "c2", NOON);
        let body = app.support().get(LIST).expect(200).body;
        let expected = json!({
            "complaints": [
                {
                    "activity_id": "p1", "customer_id": "c1", "name": "Ada Byron", "status": "vip",
                    "tier": {"code": "gold", "name": "Gold", "rank": 1, "icon": "gold"},
                    "priority": "high", "assigned_to": "sam", "channel": "social", "public": true,
                    "occurred_at": NOON,
                },
                {
                    "activity_id": "p2", "customer_id": "c2", "name": null, "status": "active",
                    "tier": null, "priority": "normal", "assigned_to": null, "channel": "email",
                    "public": false, "occurred_at": NOON,
                },
            ],
            "next_cursor": null,
        });
        assert_eq!(body, expected);

        // What the badge says, the list says.
        let flag = json!({"status": "do_not_serve", "note": "A payment was disputed."});
        app.support().put("/v1/customers/c1/status", &flag).expect(200);
        for (i, customer) in ["c1", "c2"].into_iter().enumerate() {
            let badge = app.support().get(&format!("/v1/customers/{customer}/badge")).expect(200).body;
            let row = app.support().get(LIST).expect(200).body["complaints"][i].clone();
            assert_eq!(row["customer_id"], *customer);
            assert_eq!((&row["status"], &row["tier"]), (&badge["status"], &badge["tier"]));
            for field in ["priority", "assigned_to"] {
                assert_eq!(row[field], badge["routing"][field], "{field}");
            }
        }
    }

    fn those_of_the_most_urgent_come_first_and_then_the_oldest(app) {
        set_up_tiers(app);
        // By the tier that was reached, and by the one that was given.
        for customer in ["reached", "reached-too", "lowered"] {
            app.order(&format!("o-{customer}"), customer, NOON, "100.00").expect(201);
        }
        for customer in ["given", "by-hand", "paused", "put-last", "nobody"] {
            app.storefront().put(&format!("/v1/customers/{customer}"), &json!({})).expect(201);
        }
        designate(app, "given", &json!({"tier": "platinum"}));
        // The designation's own word goes before the tier's, up and down.
        designate(app, "by-hand", &json!({"priority": "urgent"}));
        designate(app, "lowered", &json!({"priority": "normal"}));
        designate(app, "put-last", &json!({"tier": "platinum", "priority": "low"}));
        // One that rests does not count.
        designate(app, "paused", &json!({"tier": "platinum", "priority": "urgent", "state": "paused"}));
        for (id, customer, on) in [
            ("low", "put-last", 1), ("normal-2", "nobody", 3), ("normal-1", "paused", 2),
            ("normal-3", "lowered", 4), ("normal-4", "nobody", 20), ("high-2", "reached", 9),
            ("high-1", "reached-too", 8), ("high-3", "reached", 21), ("urgent-2", "given", 15),
            ("urgent-1", "by-hand", 14), ("urgent-3", "by-hand", 16),
        ] {
            complain(app, id, customer, &day(on));
        }
        let all = [
            "urgent-1", "urgent-2", "urgent-3", "high-1", "high-2", "high-3", "normal-1", "normal-2",
            "normal-3", "normal-4", "low",
        ];
        assert_eq!(listed(app, ""), all);
        let of_ids = all.map(|id| id.split('-').next().unwrap().to_owned());
        assert_eq!(priorities(app), of_ids);
        assert_eq!(paged(&app.support(), LIST, "complaints", "activity_id"), all);
    }

    fn the_order_follows_the_customers(app) {
        set_up_tiers(app);
        for customer in ["c1", "c2", "c3"] {
            app.storefront().put(&format!("/v1/customers/{customer}"), &json!({})).expect(201);
        }
        for (id, customer, on) in [("p1", "c1", 1), ("p2", "c2", 2), ("p3", "c3", 3)] {
            complain(app, id, customer, &day(on));
        }
        assert_eq!(listed(app, ""), ["p1", "p2", "p3"]);
        designate(app, "c3", &json!({"priority": "high"}));
        assert_eq!(listed(app, ""), ["p3", "p1", "p2"]);
        // Reached later.
        app.order("o1", "c2", NOON, "100.00").expect(201);
        assert_eq!(listed(app, ""), ["p2", "p3", "p1"]);
        edit(app, "c3", &json!({"priority": "urgent"}));
        assert_eq!(listed(app, ""), ["p3", "p2", "p1"]);
        edit(app, "c3", &json!({"state": "paused"}));
        assert_eq!(listed(app, ""), ["p2", "p1", "p3"]);
        edit(app, "c3", &json!({"state": "active"}));
        let removal = json!({"reason": "other", "confirm": true});
        app.manager().post("/v1/customers/c3/designation/removal", &removal).expect(200);
        assert_eq!(listed(app, ""), ["p2", "p1", "p3"]);
        // What the tier says of all who hold it.
        let gold = json!({"name": "Gold", "rank": 1, "threshold": "100.00", "priority": "low"});
        app.admin().put("/v1/tiers/gold", &gold).expect(200);
        assert_eq!(listed(app, ""), ["p1", "p3", "p2"]);
        assert_eq!(priorities(app), ["normal", "normal", "low"]);
    }

    fn a_designation_that_ends_by_itself_no_longer_puts_its_customer_first(app) {
        set_up_tiers(app);
        app.storefront().put("/v1/customers/c2", &json!({})).expect(201);
        complain(app, "p1", "c1", &day(1));
        complain(app, "p2", "c2", &day(2));
        designate(app, "c2", &json!({"priority": "urgent", "ends_at": from_now(5)}));
        assert_eq!(listed(app, ""), ["p2", "p1"]);
        let started = Instant::now();
        while priorities(app) != ["normal", "normal"] {
            assert!(started.elapsed() < Duration::from_secs(20), "it does not end");
            std::thread::sleep(Duration::from_millis(100));
        }
        assert_eq!(listed(app, ""), ["p1", "p2"]);
    }

    fn a_complaint_leaves_the_list_when_it_is_resolved_and_comes_back_when_it_is_not(app) {
        app.set_up(json!({}));
        let put = |id: &str, fields: Value| {
            let answer = send(app, id, ("c1", "complaint"), NOON, &fields);
            assert!(answer.status < 300, "{}", answer.text);
        };
        put("p1", json!({"channel": "email"}));
        put("p2", json!({"channel": "phone"}));
        put("solved", json!({"channel": "phone", "resolved_at": NOON}));
        assert_eq!(listed(app, ""), ["p1", "p2"]);
        put("p1", json!({"channel": "email", "resolved_at": "2024-06-02T12:00:00Z"}));
        assert_eq!(listed(app, ""), ["p2"]);
        put("p1", json!({"channel": "social", "public": true}));
        let body = app.support().get(LIST).expect(200).body;
        assert_eq!(ids(&body, "complaints", "activity_id"), ["p1", "p2"]);
        let row = &body["complaints"][0];
        assert_eq!((&row["channel"], &row["public"]), (&json!("social"), &json!(true)));
        // An older state than the one that is stored solves nothing.
        let at = |updated_at: &str, fields: Value| {
            let mut body = body_of("c1", fields);
            body["updated_at"] = json!(updated_at);
            app.storefront().put("/v1/activities/p2", &body).expect(200);
        };
        at("2024-06-05T00:00:00Z", json!({"channel": "phone"}));
        at("2024-06-04T00:00:00Z", json!({"channel": "phone", "resolved_at": "2024-06-03T00:00:00Z"}));
        assert_eq!(listed(app, ""), ["p1", "p2"]);
        // A batch solves it as well.
        let mut line = body_of("c1", json!({"channel": "phone", "resolved_at": "2024-06-06T00:00:00Z"}));
        line["activity_id"] = json!("p2");
        app.storefront().post_lines("/v1/facts", &[json!({"activity": line})]).expect(200);
        assert_eq!(listed(app, ""), ["p1"]);
    }

    fn only_complaints_are_listed_and_only_those_that_are_public_where_that_is_asked(app) {
        app.set_up(json!({}));
        for (id, kind, fields) in [
            ("a1", "points", json!({"points": 1})),
            ("a2", "referral", json!({"referred_customer_id": "c9"})),
            ("a3", "survey", json!({"score": 1})),
            ("a4", "contact", json!({"channel": "email", "follow_up_on": "2024-06-02"})),
            ("seen", "complaint", json!({"channel": "social", "public": true})),
            ("seen-solved", "complaint", json!({"channel": "social", "public": true, "resolved_at": NOON})),
            ("unseen", "complaint", json!({"channel": "social"})),
        ] {
            send(app, id, ("c1", kind), NOON, &fields).expect(201);
        }
        assert_eq!(listed(app, ""), ["seen", "unseen"]);
        assert_eq!(listed(app, "public=true"), ["seen"]);
        assert_eq!(listed(app, "public=false"), ["unseen"]);
    }

    fn pages_go_through_all_priorities_and_through_those_of_one_instant(app) {
        set_up_tiers(app);
        for (customer, priority) in [("c1", "urgent"), ("c2", "low"), ("c3", "high")] {
            app.storefront().put(&format!("/v1/customers/{customer}"), &json!({})).expect(201);
            designate(app, customer, &json!({"priority": priority}));
        }
        for number in 0..16 {
            let customer = format!("c{}", number % 4);
            // Five happen at one instant.
            let public = json!({"channel": "email", "public": number % 2 == 0});
            let at = day(1 + number / 5);
            send(app, &format!("p{number:02}"), (&customer, "complaint"), &at, &public).expect(201);
        }
        let whole = app.support().get(&format!("{LIST}?limit=200")).expect(200).body;
        let rows = whole["complaints"].as_array().unwrap();
        assert_eq!(rows.len(), 16);
        let place = |row: &Value| {
            let words = ["urgent", "high", "normal", "low"];
            let priority = words.iter().position(|word| row["priority"] == **word).unwrap();
            (priority, row["occurred_at"].as_str().unwrap().to_owned())
        };
        assert!(rows.is_sorted_by_key(place), "{rows:?}");
        let all = ids(&whole, "complaints", "activity_id");
        assert_eq!(paged(&app.support(), LIST, "complaints", "activity_id"), all);
        let seen = listed(app, "public=true&limit=200");
        assert_eq!(seen.len(), 8);
        assert_eq!(paged(&app.support(), &format!("{LIST}?public=true"), "complaints", "activity_id"), seen);
        // Without a limit it is fifty.
        for number in 16..60 {
            complain(app, &format!("p{number}"), "c1", NOON);
        }
        assert_eq!(listed(app, "").len(), 50);
        assert_eq!(listed(app, "limit=60").len(), 60);
    }

    fn who_was_erased_is_left_out(app) {
        app.set_up(json!({}));
        complain(app, "p1", "c1", &day(1));
        complain(app, "p2", "c2", &day(2));
        app.storefront().delete("/v1/customers/c1").expect(204);
        assert_eq!(listed(app, ""), ["p2"]);
        // One that comes later is stored, and not listed either.
        complain(app, "p3", "c1", &day(3));
        assert_eq!(listed(app, ""), ["p2"]);
    }

    fn every_new_complaint_is_told_of_once(app) {
        app.set_up(json!({}));
        let social = json!({"channel": "social", "public": true});
        send(app, "p1", ("c1", "complaint"), NOON, &social).expect(201);
        // The same again, corrections, its end, and an end that was wrong.
        send(app, "p1", ("c1", "complaint"), NOON, &social).expect(200);
        complain_again(app, json!({"channel": "email", "public": false}));
        complain_again(app, json!({"channel": "email", "resolved_at": "2024-06-02T12:00:00Z"}));
        complain_again(app, json!({"channel": "email"}));
        // Refused, or no complaint.
        send(app, "p9", ("c1", "complaint"), NOON, &json!({})).expect_problem(422, "invalid_request");
        send(app, "s1", ("c1", "survey"), NOON, &json!({"score": 1})).expect(201);
        // One that was over before anybody wrote it down, and one in a batch.
        let solved = json!({"channel": "phone", "resolved_at": "2024-06-01T13:00:00Z"});
        send(app, "p2", ("c2", "complaint"), NOON, &solved).expect(201);
        let mut line = body_of("c1", json!({"channel": "letter"}));
        line["activity_id"] = json!("p3");
        for _ in 0..2 {
            let lines = [json!({"activity": line}), json!({"activity": line})];
            app.storefront().post_lines("/v1/facts", &lines).expect(200);
        }
        let event = |customer: &str, id: &str, channel: &str, public: bool| {
            json!([customer, {"activity_id": id, "channel": channel, "public": public}])
        };
        let expected = [
            event("c1", "p1", "social", true), event("c2", "p2", "phone", false),
            event("c1", "p3", "letter", false),
        ];
        assert_eq!(told(app, 3), expected);
        // Nothing more comes of it.
        complain(app, "last", "c3", NOON);
        told(app, 4);
        std::thread::sleep(Duration::from_millis(1_500));
        assert_eq!(told(app, 4).len(), 4);
    }

    fn the_list_refuses_what_it_does_not_know_and_shows_no_other_stores(app) {
        app.set_up(json!({}));
        complain(app, "p1", "c1", NOON);
        assert_paging_rules(&app.support(), LIST);
        for (query, pointer) in [
            ("public=maybe", "?public"), ("public=1", "?public"), ("public=", "?public"),
            ("customer_id=c1", "?customer_id"),
        ] {
            let answer = app.support().get(&format!("{LIST}?{query}"));
            assert_eq!(answer.expect_problem(422, "invalid_request").pointers(), [pointer], "{query}");
        }
        let other = neighbour(app, Role::Support);
        assert_eq!(other.get(LIST).expect(200).body, json!({"complaints": [], "next_cursor": null}));
    }
}
