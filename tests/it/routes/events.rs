//! The feed of events: what happened, numbered.

use super::neighbour;
use crate::support::*;
use accolade::api::auth::Role;
use accolade::db::Tx;
use chrono::{Datelike, SecondsFormat, TimeZone, Utc};
use diesel::RunQueryDsl;
use serde_json::{Value, json};
use std::time::Duration;

const NOON: &str = "2024-06-01T12:00:00Z";

/// One page of the feed.
fn page(client: &Client<'_>, query: &str) -> (Vec<Value>, i64) {
    let body = client.get(&format!("/v1/events?{query}")).expect(200).body;
    (body["events"].as_array().unwrap().clone(), body["next_after"].as_i64().unwrap())
}

/// All that the feed has by now.
fn feed(client: &Client<'_>) -> Vec<Value> {
    let (mut all, mut after) = (Vec::new(), 0);
    loop {
        let (events, next) = page(client, &format!("after={after}&limit=1000"));
        if events.is_empty() {
            return all;
        }
        after = next;
        all.extend(events);
    }
}

/// The feed once it has that many events of a kind: numbers come up to a
/// second after the write.
fn feed_with(client: &Client<'_>, kind: &str, count: usize) -> Vec<Value> {
    for _ in 0..150 {
        let all = feed(client);
        if all.iter().filter(|event| event["kind"] == kind).count() >= count {
            return all;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    panic!("{count} of {kind} do not come: {:?}", feed(client));
}

/// The feed once all that was written before is in it, and nothing after it
/// but this: somebody is erased, which is one event.
fn whole_feed(app: &App) -> Vec<Value> {
    customer(app, "the-end", json!({}));
    app.admin().delete("/v1/customers/the-end").expect(204);
    let is_end = |event: &Value| event["customer_id"] == "the-end";
    for _ in 0..100 {
        if feed(&app.manager()).iter().any(is_end) {
            // What was numbered late would come now.
            std::thread::sleep(Duration::from_millis(1_500));
            return feed(&app.manager()).into_iter().filter(|event| !is_end(event)).collect();
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    panic!("the last event does not come");
}

/// What the events of one kind, of one customer, say.
fn data(events: &[Value], customer: &str, kind: &str) -> Vec<Value> {
    let is_meant = |event: &&Value| event["customer_id"] == customer && event["kind"] == kind;
    events.iter().filter(is_meant).map(|event| event["data"].clone()).collect()
}

fn numbers(events: &[Value]) -> Vec<i64> {
    events.iter().map(|event| event["number"].as_i64().unwrap()).collect()
}

fn customer(app: &App, id: &str, body: Value) {
    app.storefront().put(&format!("/v1/customers/{id}"), &body).expect(201);
}

fn set_status(app: &App, customer: &str, status: &str) {
    let body = json!({"status": status, "note": "as agreed"});
    app.support().put(&format!("/v1/customers/{customer}/status"), &body).expect(200);
}

fn pending(app: &App, id: &str, customer: &str) -> Answer {
    let body = json!({
        "customer_id": customer, "status": "pending", "total": "10.00", "currency": "GBP",
        "placed_at": NOON,
    });
    app.storefront().put(&format!("/v1/orders/{id}"), &body)
}

/// Customers under a ladder whose one tier makes VIPs.
fn set_up_designating(app: &App, settings: Value) {
    app.set_up(settings);
    let mut tiers = ladder(&[("gold", "100.00")]);
    tiers["tiers"][0]["designates"] = json!(true);
    app.client(Role::PlatformAdmin).put("/v1/tiers", &tiers).expect(200);
}

on_both! {
    fn tiers_that_are_reached_are_told_with_what_was_before(app) {
        app.set_up(json!({}));
        app.set_tiers(&[("silver", "100.00"), ("gold", "500.00")]);
        app.order("o1", "c1", NOON, "99.99").expect(201);
        app.order("o2", "c1", "2024-06-02T12:00:00Z", "0.01").expect(201);
        app.order("o3", "c1", "2024-06-03T12:00:00Z", "1.00").expect(201);
        app.order("o4", "c1", "2024-06-04T12:00:00Z", "399.00").expect(201);
        app.order("o5", "c2", NOON, "700.00").expect(201);
        app.refund("r1", "o5", "2024-06-05T12:00:00Z", "700.00").expect(201);
        let events = feed_with(&app.manager(), "tier_changed", 3);
        let to_silver = json!({"from": null, "to": "silver"});
        let to_gold = json!({"from": "silver", "to": "gold"});
        assert_eq!(data(&events, "c1", "tier_changed"), [to_silver, to_gold]);
        assert_eq!(data(&events, "c2", "tier_changed"), [json!({"from": null, "to": "gold"})]);
        for event in &events {
            assert!(event["at"].as_str().unwrap().parse::<chrono::DateTime<Utc>>().is_ok());
        }
    }

    fn designations_are_told_from_their_beginning_to_their_end(app) {
        app.set_up(json!({}));
        app.set_tiers(&[("gold", "500.00")]);
        customer(app, "c1", json!({}));
        customer(app, "c2", json!({}));
        let manager = app.manager();
        let path = "/v1/customers/c1/designation";
        manager.put(path, &json!({"tier": "gold", "notes": "a secret"})).expect(201);
        manager.patch(path, &json!({"priority": "high", "team": "north"})).expect(200);
        let removal = json!({"reason": "complaints", "note": "a secret", "confirm": true});
        manager.post(&format!("{path}/removal"), &removal).expect(200);
        manager.put("/v1/customers/c2/designation", &json!({})).expect(201);
        let events = feed_with(&manager, "designated", 2);
        assert_eq!(data(&events, "c1", "designated"), [json!({"tier": "gold", "source": "manual"})]);
        assert_eq!(data(&events, "c2", "designated"), [json!({"tier": null, "source": "manual"})]);
        let changed = data(&events, "c1", "designation_changed");
        assert_eq!(changed.len(), 1, "{events:?}");
        let mut fields: Vec<&str> =
            changed[0]["fields"].as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect();
        fields.sort_unstable();
        assert_eq!(fields, ["priority", "team"]);
        let ended = json!({"reason": "removed", "removal_reason": "complaints"});
        assert_eq!(data(&events, "c1", "designation_ended"), [ended]);
        assert!(data(&events, "c2", "designation_ended").is_empty());
        assert!(!json!(events).to_string().contains("a secret"), "{events:?}");
    }

    fn what_the_system_does_by_itself_is_told(app) {
        set_up_designating(app, json!({"grace_days": 0}));
        app.order("o1", "c1", NOON, "100.00").expect(201);
        // Ends at an instant.
        customer(app, "c2", json!({}));
        let body = json!({"since": "2024-01-01", "ends_at": from_now(3)});
        app.manager().put("/v1/customers/c2/designation", &body).expect(201);
        // Ends with the grace after a cancelled subscription, which is none.
        customer(app, "c3", json!({}));
        let body = json!({"since": "2024-01-01"});
        app.manager().put("/v1/customers/c3/designation", &body).expect(201);
        let cancelled = json!({"subscription": {
            "monthly_amount": "10.00", "state": "cancelled", "cancelled_at": from_now(-5),
        }});
        app.storefront().patch("/v1/customers/c3", &cancelled).expect(200);

        feed_with(&app.manager(), "designation_ended", 2);
        let events = whole_feed(app);
        let designated = json!({"tier": "gold", "source": "automatic"});
        assert_eq!(data(&events, "c1", "designated"), [designated]);
        let ended = |reason: &str| json!({"reason": reason, "removal_reason": null});
        assert_eq!(data(&events, "c2", "designation_ended"), [ended("ends_at")]);
        assert_eq!(data(&events, "c3", "designation_ended"), [ended("grace_over")]);
        assert!(data(&events, "c1", "designation_ended").is_empty());
    }

    fn statuses_and_the_pending_orders_of_the_flagged_are_told(app) {
        app.set_up(json!({}));
        pending(app, "before", "c1").expect(201);
        set_status(app, "c1", "caution");
        pending(app, "p1", "c1").expect(201);
        set_status(app, "c1", "do_not_serve");
        pending(app, "p2", "c1").expect(201);
        app.order("completed", "c1", NOON, "1.00").expect(201);
        set_status(app, "c1", "active");
        pending(app, "after", "c1").expect(201);
        pending(app, "other", "c2").expect(201);
        let events = whole_feed(app);
        let change = |from: &str, to: &str| json!({"from": from, "to": to});
        let changes = [
            change("active", "caution"),
            change("caution", "do_not_serve"),
            change("do_not_serve", "active"),
        ];
        assert_eq!(data(&events, "c1", "status_changed"), changes);
        let flagged = [
            json!({"order_id": "p1", "status": "caution"}),
            json!({"order_id": "p2", "status": "do_not_serve"}),
        ];
        assert_eq!(data(&events, "c1", "order_flagged"), flagged);
        assert!(data(&events, "c2", "order_flagged").is_empty());
        assert!(!json!(events).to_string().contains("as agreed"), "{events:?}");
    }

    fn the_end_of_a_period_is_told_once(app) {
        app.set_up(json!({"progress_reset": {"kind": "calendar_year"}}));
        app.order("o1", "c1", NOON, "10.00").expect(201);
        // No midnight of New Year's Eve is near, so the last one is made due again.
        let new_year = Utc.with_ymd_and_hms(Utc::now().year(), 1, 1, 0, 0, 0).unwrap();
        let due_at = new_year.timestamp_micros();
        let update = move |tx: &mut Tx<'_>| {
            diesel::sql_query(format!("UPDATE memberships SET due_at = {due_at}")).execute(tx.conn)?;
            Ok::<_, accolade::db::Error>(())
        };
        actix_web::rt::System::new().block_on(app.db.write(update)).unwrap();
        let expected = json!({"ended_at": new_year.to_rfc3339_opts(SecondsFormat::Secs, true)});
        let feed = feed_with(&app.manager(), "period_reset", 1);
        assert_eq!(data(&feed, "c1", "period_reset"), std::slice::from_ref(&expected));
        // Another fact of the same period does not tell it again.
        app.order("o2", "c1", NOON, "10.00").expect(201);
        app.order("o3", "c1", &from_now(-60), "10.00").expect(201);
        std::thread::sleep(std::time::Duration::from_secs(1));
        assert_eq!(data(&whole_feed(app), "c1", "period_reset"), [expected]);
    }

    fn an_erasure_is_told_without_a_word_more(app) {
        app.set_up(json!({}));
        customer(app, "c1", json!({"name": "Ada"}));
        customer(app, "c2", json!({"name": "Bob"}));
        app.manager().put("/v1/customers/c2/designation", &json!({})).expect(201);
        app.admin().delete("/v1/customers/c1").expect(204);
        app.admin().delete("/v1/customers/c2").expect(204);
        let events = feed_with(&app.manager(), "customer_erased", 2);
        assert_eq!(data(&events, "c1", "customer_erased"), [json!({})]);
        assert!(data(&events, "c1", "designation_ended").is_empty());
        let ended = json!({"reason": "customer_erased", "removal_reason": null});
        assert_eq!(data(&events, "c2", "designation_ended"), [ended]);
        assert_eq!(data(&events, "c2", "customer_erased"), [json!({})]);
    }

    fn what_changes_nothing_is_no_event(app) {
        app.set_up(json!({}));
        app.set_tiers(&[("silver", "100.00")]);
        let manager = app.manager();
        app.order("o1", "c1", NOON, "100.00").expect(201);
        set_status(app, "c1", "caution");
        pending(app, "p1", "c1").expect(201);
        let designation = json!({"tier": "silver"});
        manager.put("/v1/customers/c1/designation", &designation).expect(201);
        let before = whole_feed(app);

        app.order("o1", "c1", NOON, "100.00").expect(200);
        set_status(app, "c1", "caution");
        pending(app, "p1", "c1").expect(200);
        manager.put("/v1/customers/c1/designation", &designation).expect(200);
        let unknown = json!({"tier": "gold"});
        manager.put("/v1/customers/c1/designation", &unknown).expect_problem(409, "unknown_tier");
        let lower = ladder(&[("silver", "1.00")]);
        let path = "/v1/tiers?effective_from=beginning&dry_run=true";
        settled(app, app.admin().put(path, &lower));
        std::thread::sleep(Duration::from_secs(2));
        let after = feed(&manager);
        let of_c1 = |events: &[Value]| -> Vec<Value> {
            events.iter().filter(|event| event["customer_id"] == "c1").cloned().collect()
        };
        assert_eq!(of_c1(&after), of_c1(&before));
        assert_eq!(after.len(), before.len() + 1, "the end that the test made, and nothing more");
    }

    fn numbers_begin_at_one_and_a_reader_goes_on_where_it_stopped(app) {
        app.set_up(json!({}));
        app.set_tiers(&[("silver", "100.00")]);
        let client = app.manager();
        assert_eq!(page(&client, "after=0"), (Vec::new(), 0));
        for i in 0..7 {
            app.order(&format!("o{i}"), &format!("c{i}"), NOON, "100.00").expect(201);
        }
        let all = feed_with(&client, "tier_changed", 7);
        assert_eq!(numbers(&all), [1, 2, 3, 4, 5, 6, 7]);
        assert_eq!(page(&client, "after=0&limit=3"), (all[..3].to_vec(), 3));
        assert_eq!(page(&client, "after=3&limit=3"), (all[3..6].to_vec(), 6));
        assert_eq!(page(&client, "after=6&limit=3"), (all[6..].to_vec(), 7));
        assert_eq!(page(&client, "after=7&limit=3"), (Vec::new(), 7));
        assert_eq!(page(&client, "after=2&limit=1"), (all[2..3].to_vec(), 3));
        // Each customer's, once.
        let mut customers: Vec<&str> =
            all.iter().map(|event| event["customer_id"].as_str().unwrap()).collect();
        customers.sort_unstable();
        assert_eq!(customers, ["c0", "c1", "c2", "c3", "c4", "c5", "c6"]);
        // What comes later has the next number.
        app.order("late", "c7", NOON, "100.00").expect(201);
        feed_with(&client, "tier_changed", 8);
        let (events, next) = page(&client, "after=7");
        assert_eq!((numbers(&events), next), (vec![8], 8));
    }

    fn a_page_has_a_hundred_events_where_no_limit_is_given(app) {
        app.set_up(json!({}));
        app.set_tiers(&[("silver", "100.00")]);
        let line = |i: usize| {
            let mut order = order(&format!("c{i}"), NOON, "100.00");
            order["order_id"] = json!(format!("o{i}"));
            json!({"order": order})
        };
        let lines: Vec<Value> = (0..105).map(line).collect();
        app.storefront().post_lines("/v1/facts", &lines).expect(200);
        let client = app.manager();
        let all = feed_with(&client, "tier_changed", 105);
        assert_eq!(numbers(&all), (1..=105).collect::<Vec<i64>>());
        assert_eq!(page(&client, "after=0"), (all[..100].to_vec(), 100));
        assert_eq!(page(&client, "after=100"), (all[100..].to_vec(), 105));
        assert_eq!(page(&client, "after=0&limit=1000"), (all, 105));
    }

    fn the_feed_refuses_what_it_does_not_know(app) {
        app.set_up(json!({}));
        let client = app.manager();
        for (query, pointer) in [
            ("after=0&limit=0", "?limit"),
            ("after=0&limit=1001", "?limit"),
            ("after=0&limit=ten", "?limit"),
            ("after=-1", "?after"),
            ("after=first", "?after"),
            ("after=0&cursor=abc", "?cursor"),
        ] {
            let answer = client.get(&format!("/v1/events?{query}"));
            let answer = answer.expect_problem(422, "invalid_request");
            assert_eq!(answer.pointers(), [pointer], "{query}");
        }
        app.support().get("/v1/events?after=0").expect_problem(403, "forbidden");
        app.storefront().get("/v1/events?after=0").expect_problem(403, "forbidden");
    }

    fn each_store_has_a_feed_of_its_own(app) {
        app.set_up(json!({}));
        let theirs = neighbour(app, Role::Manager);
        let erase = |store: &str, id: &str| {
            let path = format!("/v1/customers/{id}");
            app.client_of(store, Role::Storefront).put(&path, &json!({})).expect(201);
            app.client_of(store, Role::Administrator).delete(&path).expect(204);
        };
        for i in 0..3 {
            erase(STORE, &format!("ours{i}"));
            erase("other", &format!("theirs{i}"));
        }
        for (client, prefix) in [(app.manager(), "ours"), (theirs, "theirs")] {
            let events = feed_with(&client, "customer_erased", 3);
            assert_eq!(numbers(&events), [1, 2, 3]);
            for event in &events {
                assert!(event["customer_id"].as_str().unwrap().starts_with(prefix), "{event}");
            }
        }
    }
}
