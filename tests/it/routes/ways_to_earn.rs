//! Ways to earn points: by what is spent and by what happens, for everyone and
//! by tier; and what comes of them in memberships and in the ledger.

use super::credits::{booked, has, ledger};
use super::rules::platform;
use super::{assert_same_404, faults, ids, neighbour};
use crate::support::*;
use accolade::api::auth::Role;
use serde_json::{Value, json};

const WAYS: &str = "/v1/ways-to-earn";
const PROGRAM: &str = "/v1/program";
const BEGINNING: &str = "?effective_from=beginning";

/// The path of a way to earn.
fn path(code: &str) -> String {
    format!("{WAYS}/{code}")
}

/// The body of a way to earn: its default, and what it gives by tier.
fn way(earns: &str, points: &str, by_tier: Value) -> Value {
    json!({"name": "Way", "earns": earns, "points": points, "points_by_tier": by_tier})
}

fn per_unit(points: &str, by_tier: Value) -> Value {
    way("per_currency_unit", points, by_tier)
}

fn per_event(points: &str, by_tier: Value) -> Value {
    way("per_event", points, by_tier)
}

fn put(app: &App, code: &str, body: &Value) -> Answer {
    app.admin().put(&path(code), body)
}

fn get(app: &App, code: &str) -> Value {
    app.storefront().get(&path(code)).expect(200).body
}

/// Deletes a way, as an answer to which there is nothing to say (as of tiers).
fn delete(app: &App, path: &str) {
    assert_eq!(app.admin().delete(path).expect(204).text, "");
}

fn points_per_unit(app: &App) -> Value {
    app.storefront().get(PROGRAM).expect(200).body["points_per_unit"].clone()
}

/// A store with bronze, silver from 100.00 and gold from 1000.00.
fn set_up(app: &App) {
    app.set_up(json!({}));
    app.set_tiers(&[("bronze", "0"), ("silver", "100.00"), ("gold", "1000.00")]);
}

/// The body of points that are earned in some way.
fn by(way: &str, occurred_at: &str) -> Value {
    json!({"customer_id": "c1", "kind": "points", "occurred_at": occurred_at, "way_to_earn": way})
}

/// Sends such points.
fn earn(app: &App, id: &str, way: &str, occurred_at: &str) -> Answer {
    app.storefront().put(&format!("/v1/activities/{id}"), &by(way, occurred_at))
}

/// What counts toward tiers of a membership's points.
fn points_of(membership: &Value) -> i64 {
    assert_eq!(membership["progress"]["points_earned"], membership["lifetime"]["points_earned"]);
    membership["progress"]["points_earned"].as_i64().unwrap()
}

/// An instant in June of 2024.
fn june(day: u32) -> String {
    format!("2024-06-{day:02}T12:00:00Z")
}

on_both! {
    fn a_way_is_put_read_changed_and_deleted(app) {
        set_up(app);
        let empty = app.storefront().get(WAYS).expect(200);
        assert_eq!(empty.body, json!({"ways_to_earn": []}));
        let body = per_event("50", json!({"gold": "100"}));
        let mut expected = json!({
            "code": "review", "name": "Way", "earns": "per_event", "points": "50",
            "points_by_tier": {"gold": "100"},
        });
        let first = put(app, "review", &body).expect(201);
        let mut answered = expected.clone();
        answered["recalculation"] = Value::Null;
        assert_eq!(first.body, answered);
        let read = app.storefront().get(&path("review")).expect(200);
        assert_eq!((&read.body, read.etag()), (&expected, first.etag()));
        assert_eq!(app.storefront().get(PROGRAM).expect(200).etag(), first.etag());
        // The same again changes nothing.
        let again = put(app, "review", &body).expect(200);
        assert_eq!((&again.body, again.etag()), (&answered, first.etag()));
        // Another body replaces it whole: what is left out is not there.
        let mut plain = per_event("70", Value::Null);
        plain.as_object_mut().unwrap().remove("points_by_tier");
        let changed = put(app, "review", &plain).expect(200);
        expected["points"] = json!("70");
        expected["points_by_tier"] = json!({});
        assert_eq!(get(app, "review"), expected);
        assert_ne!(changed.etag(), first.etag());
        for code in ["spend", "birthday"] {
            let body = if code == "spend" { per_unit("1.5", json!({})) } else { per_event("5", json!({})) };
            put(app, code, &body).expect(201);
        }
        let list = app.storefront().get(WAYS).expect(200);
        assert_eq!(ids(&list.body, "ways_to_earn", "code"), ["birthday", "review", "spend"]);
        assert_eq!(list.body["ways_to_earn"][1], expected);
        assert_eq!(list.etag(), app.storefront().get(PROGRAM).expect(200).etag());
        delete(app, &path("review"));
        app.storefront().get(&path("review")).expect_problem(404, "not_found");
        app.admin().delete(&path("review")).expect_problem(404, "not_found");
        let list = app.storefront().get(WAYS).expect(200).body;
        assert_eq!(ids(&list, "ways_to_earn", "code"), ["birthday", "spend"]);
    }

    fn all_faults_are_answered_at_once(app) {
        set_up(app);
        let refused = |body: Value| faults(put(app, "review", &body));
        let bad = json!({
            "name": " ", "earns": "often", "points": "1e3", "points_by_tier": {"gold": "-1"},
            "bogus": 1,
        });
        assert_eq!(refused(bad), ["/bogus", "/earns", "/name", "/points", "/points_by_tier/gold"]);
        assert_eq!(refused(json!({})), ["/earns", "/name", "/points"]);
        // Events earn whole points, and nothing earns more than a million.
        let parts = per_event("1.5", json!({"gold": "2.5", "silver": "2"}));
        assert_eq!(refused(parts), ["/points", "/points_by_tier/gold"]);
        for earns in ["per_event", "per_currency_unit"] {
            let most = way(earns, "1000001", json!({"gold": "1000001", "silver": "1000000"}));
            assert_eq!(refused(most), ["/points", "/points_by_tier/gold"], "{earns}");
        }
        for points in ["", "-1", "+1", "1.", ".5", "10000000", "0.0000001", "one"] {
            assert_eq!(refused(per_unit(points, json!({}))), ["/points"], "{points:?}");
        }
        assert_eq!(refused(per_unit("1", json!({"gold": 1}))), ["/points_by_tier/gold"]);
        let mut number = per_unit("1", json!({}));
        number["points"] = json!(1);
        assert_eq!(refused(number), ["/points"]);
        let many: Value = (0..51).map(|i| (format!("t{i}"), json!("1"))).collect::<serde_json::Map<_, _>>().into();
        assert_eq!(refused(per_unit("1", many)), ["/points_by_tier"]);
        assert_eq!(app.storefront().get(WAYS).expect(200).body, json!({"ways_to_earn": []}));
        put(app, "review", &per_event("1000000", json!({"gold": "0"}))).expect(201);
        put(app, "spend", &per_unit("1000000", json!({"gold": "0.000001"}))).expect(201);
    }

    fn a_store_has_one_way_by_currency_unit_and_a_way_stays_what_it_is(app) {
        set_up(app);
        put(app, "spend", &per_unit("1", json!({}))).expect(201);
        put(app, "review", &per_event("50", json!({}))).expect(201);
        for (code, body) in [
            ("more", per_unit("2", json!({}))), ("review", per_unit("2", json!({}))),
            ("spend", per_event("2", json!({}))),
        ] {
            put(app, code, &body).expect_problem(409, "way_to_earn_conflict");
        }
        assert_eq!((get(app, "spend")["points"].clone(), points_per_unit(app)), (json!("1"), json!("1")));
        app.storefront().get(&path("more")).expect_problem(404, "not_found");
        // Once the one is gone, another may be.
        delete(app, &path("spend"));
        put(app, "more", &per_unit("2", json!({}))).expect(201);
        put(app, "spend", &per_event("2", json!({}))).expect(201);
    }

    fn a_store_has_at_most_a_hundred_ways(app) {
        set_up(app);
        for i in 0..100 {
            put(app, &format!("w{i}"), &per_event("1", json!({}))).expect(201);
        }
        put(app, "more", &per_event("1", json!({}))).expect_problem(409, "too_many_ways_to_earn");
        put(app, "w7", &per_event("2", json!({}))).expect(200);
    }

    fn a_way_names_tiers_of_the_ladder_which_then_stay(app) {
        set_up(app);
        let unknown = per_event("1", json!({"absent": "2"}));
        put(app, "review", &unknown).expect_problem(409, "unknown_tier");
        app.storefront().get(&path("review")).expect_problem(404, "not_found");
        put(app, "review", &per_event("1", json!({"gold": "2"}))).expect(201);
        let less = ladder(&[("bronze", "0"), ("silver", "100.00")]);
        app.admin().delete("/v1/tiers/gold").expect_problem(409, "tier_in_way_to_earn");
        app.admin().put("/v1/tiers", &less).expect_problem(409, "tier_in_way_to_earn");
        app.admin().delete("/v1/tiers/silver").expect(204);
        put(app, "review", &per_event("1", json!({}))).expect(200);
        app.admin().delete("/v1/tiers/gold").expect(204);
    }

    fn the_ways_points_are_the_programs_points_per_unit(app) {
        set_up(app);
        let patch = |points: Value| {
            app.admin().patch(PROGRAM, &json!({"points_per_unit": points})).expect(200);
        };
        patch(json!("5"));
        put(app, "spend", &per_unit("3", json!({"gold": "4"}))).expect(201);
        assert_eq!(points_per_unit(app), "3");
        patch(json!("2.5"));
        let expected = per_unit("2.5", json!({"gold": "4"}));
        for field in ["earns", "points", "points_by_tier"] {
            assert_eq!(get(app, "spend")[field], expected[field], "{field}");
        }
        patch(Value::Null);
        assert_eq!((get(app, "spend")["points"].clone(), points_per_unit(app)), (json!("1"), json!("1")));
        put(app, "spend", &per_unit("7", json!({}))).expect(200);
        assert_eq!(points_per_unit(app), "7");
        // What happens has nothing to do with it.
        put(app, "review", &per_event("50", json!({}))).expect(201);
        assert_eq!(points_per_unit(app), "7");
        // It stays when the way is gone.
        delete(app, &path("spend"));
        assert_eq!(points_per_unit(app), "7");
        app.order("o1", "c1", &june(1), "10.00").expect(201);
        assert_eq!(points_of(&app.membership("c1")), 70);
    }

    fn a_tier_earns_by_its_own_rate_until_the_way_is_deleted(app) {
        set_up(app);
        put(app, "spend", &per_unit("1", json!({"silver": "2"}))).expect(201);
        app.order("o1", "c1", &june(1), "100.00").expect(201);
        let second = app.order("o2", "c1", &june(2), "50.00").expect(201).body;
        assert_eq!(second["earned"]["points"], 100);
        assert_eq!(points_of(&second["membership"]["after"]), 200);
        delete(app, &path("spend"));
        let third = app.order("o3", "c1", &from_now(0), "10.00").expect(201).body;
        assert_eq!(third["earned"]["points"], 10);
        assert_eq!(points_of(&third["membership"]["after"]), 210);
        let rates: Vec<Value> =
            ledger(app, "c1").iter().map(|entry| entry["points_rate"].clone()).collect();
        assert_eq!(rates, ["1", "2", "1"]);
    }

    fn a_refund_takes_back_by_the_rate_of_its_order(app) {
        set_up(app);
        put(app, "spend", &per_unit("1", json!({"silver": "2.5"}))).expect(201);
        app.order("o1", "c1", &june(1), "100.00").expect(201);
        app.order("o2", "c1", &june(2), "50.00").expect(201);
        assert_eq!(points_of(&app.membership("c1")), 225);
        // The first was earned by bronze, and the second by silver: 10.10 is 25.25 points.
        for (id, order, amount, earned, left) in
            [("r1", "o1", "20.00", -20, 205), ("r2", "o2", "10.10", -26, 179), ("r3", "o2", "0.10", 0, 179)]
        {
            let sent = app.refund(id, order, &june(10), amount).expect(201).body;
            assert_eq!(sent["earned"]["points"], earned, "{id}");
            assert_eq!(points_of(&sent["membership"]["after"]), left, "{id}");
            assert_eq!(sent["balances"], has("0.00", left), "{id}");
        }
        // One that leaves nothing of the order takes back all of it.
        let sent = app.refund("r4", "o2", &june(11), "39.80").expect(201).body;
        assert_eq!((&sent["earned"]["points"], points_of(&sent["membership"]["after"])), (&json!(-99), 80));
    }

    fn a_late_order_has_the_others_count_anew_and_leaves_their_entries(app) {
        set_up(app);
        put(app, "spend", &per_unit("1", json!({"silver": "2"}))).expect(201);
        app.order("o1", "c1", &june(10), "100.00").expect(201);
        app.order("o2", "c1", &june(11), "50.00").expect(201);
        assert_eq!(points_of(&app.membership("c1")), 100 + 100);
        let late = app.order("o0", "c1", &june(5), "100.00").expect(201).body;
        assert_eq!(points_of(&late["membership"]["before"]), 200);
        // Silver was reached by it, so the next one counts twice.
        assert_eq!(points_of(&late["membership"]["after"]), 100 + 200 + 100);
        assert_eq!(late["earned"]["points"], 100);
        assert_eq!(late["balances"], has("0.00", 300));
        // And a refund of that lowers the membership by 2 and the balance by 1.
        let sent = app.refund("r1", "o1", &june(20), "10.00").expect(201).body;
        assert_eq!(points_of(&sent["membership"]["after"]), 380);
        assert_eq!(sent["earned"]["points"], -10);
    }

    fn an_event_earns_what_the_tier_held_before_it_gives(app) {
        set_up(app);
        put(app, "review", &per_event("50", json!({"silver": "120"}))).expect(201);
        let first = earn(app, "a1", "review", &june(1)).expect(201).body;
        let expected = json!({
            "activity_id": "a1", "customer_id": "c1", "kind": "points", "points": null,
            "way_to_earn": "review", "referred_customer_id": null, "score": null, "channel": null,
            "public": null, "resolved_at": null, "agent": null, "note": null, "follow_up_on": null,
            "occurred_at": june(1), "updated_at": null,
        });
        assert_eq!(first["activity"], expected);
        assert_eq!(app.support().get("/v1/activities/a1").expect(200).body, expected);
        assert_eq!(first["earned"], json!({"credit": "0.00", "points": 50}));
        assert_eq!(points_of(&first["membership"]["after"]), 50);
        app.order("o1", "c1", &june(2), "100.00").expect(201);
        let second = earn(app, "a2", "review", &june(3)).expect(201).body;
        assert_eq!(second["earned"]["points"], 120);
        assert_eq!(points_of(&second["membership"]["after"]), 50 + 100 + 120);
        let again = earn(app, "a2", "review", &june(3)).expect(200).body;
        assert_eq!((&again["earned"]["points"], &again["balances"]), (&json!(0), &has("0.00", 270)));
        assert_eq!(again["membership"]["before"], again["membership"]["after"]);
        // Explicit points know nothing of tiers.
        let explicit = app.points("a3", "c1", &june(4), 7).expect(201).body;
        assert_eq!((&explicit["activity"]["way_to_earn"], &explicit["activity"]["points"]), (&Value::Null, &json!(7)));
        let entries = ledger(app, "c1");
        assert_eq!(booked(&entries), [
            "earned activity 0.00 50", "earned order_completed 0.00 100", "earned activity 0.00 120",
            "earned activity 0.00 7",
        ]);
        for (i, tier, rate, activity) in [(0, "bronze", "50", "a1"), (2, "silver", "120", "a2")] {
            let entry = &entries[i];
            assert_eq!((&entry["tier"], &entry["points_rate"]), (&json!(tier), &json!(rate)));
            assert_eq!((&entry["activity_id"], &entry["order_id"]), (&json!(activity), &Value::Null));
        }
    }

    fn events_lift_where_points_do(app) {
        app.set_up(json!({"entry_method": "points_earned"}));
        app.set_tiers(&[("bronze", "0"), ("silver", "100"), ("gold", "300")]);
        put(app, "review", &per_event("60", json!({"silver": "180"}))).expect(201);
        for (i, tier_before, tier_after, points) in
            [(1, "bronze", "bronze", 60), (2, "bronze", "silver", 120), (3, "silver", "gold", 300)]
        {
            let sent = earn(app, &format!("a{i}"), "review", &june(i)).expect(201).body;
            let (before, after) = (&sent["membership"]["before"], &sent["membership"]["after"]);
            assert_eq!((tier(before), tier(after)), (tier_before, tier_after));
            assert_eq!(points_of(after), points);
        }
    }

    fn an_activity_keeps_its_way_and_what_it_was_worth_when_it_came(app) {
        set_up(app);
        put(app, "review", &per_event("50", json!({"silver": "120"}))).expect(201);
        put(app, "birthday", &per_event("5", json!({}))).expect(201);
        earn(app, "a1", "review", &june(1)).expect(201);
        // The way changes from the beginning: toward tiers, but not in the ledger.
        let path = format!("{}{BEGINNING}", path("review"));
        let changed = app.admin().put(&path, &per_event("80", json!({"silver": "200"})));
        settled(app, changed.expect(200));
        assert_eq!(points_of(&app.membership("c1")), 80);
        let again = earn(app, "a1", "review", &june(1)).expect(200).body;
        assert_eq!((&again["earned"]["points"], &again["balances"]), (&json!(0), &has("0.00", 50)));
        assert_eq!(earn(app, "a2", "review", &june(2)).expect(201).body["earned"]["points"], 80);
        // Nor does it when it turns out to have happened later, at a higher tier.
        app.order("o1", "c1", &june(5), "100.00").expect(201);
        let moved = earn(app, "a1", "review", &june(6)).expect(200).body;
        assert_eq!((&moved["earned"]["points"], &moved["balances"]), (&json!(0), &has("0.00", 230)));
        assert_eq!(moved["activity"]["occurred_at"], june(6));
        assert_eq!(points_of(&moved["membership"]["after"]), 80 + 100 + 200);
        // What it was earned by is as fixed as its kind.
        earn(app, "a1", "birthday", &june(6)).expect_problem(409, "activity_fixed");
        app.points("a1", "c1", &june(6), 10).expect_problem(409, "activity_fixed");
        app.points("a3", "c1", &june(7), 10).expect(201);
        earn(app, "a3", "review", &june(7)).expect_problem(409, "activity_fixed");
        assert_eq!(booked(&ledger(app, "c1")), [
            "earned activity 0.00 50", "earned activity 0.00 80", "earned order_completed 0.00 100",
            "earned activity 0.00 10",
        ]);
    }

    fn a_way_that_is_not_there_or_is_of_orders_earns_no_points_by_events(app) {
        set_up(app);
        put(app, "spend", &per_unit("1", json!({}))).expect(201);
        put(app, "review", &per_event("50", json!({}))).expect(201);
        for way in ["absent", "spend"] {
            earn(app, "a1", way, &june(1)).expect_problem(409, "unknown_way_to_earn");
        }
        app.storefront().get("/v1/activities/a1").expect_problem(404, "not_found");
        app.storefront().get("/v1/customers/c1").expect_problem(404, "not_found");
        let line = |id: &str, way: &str| {
            let mut fact = by(way, &june(1));
            fact["activity_id"] = json!(id);
            json!({"activity": fact})
        };
        let lines = [line("a1", "absent"), line("a2", "review"), line("a3", "spend")];
        let results = app.storefront().post_lines("/v1/facts", &lines).expect(200).body["results"].clone();
        for i in [0, 2] {
            assert_eq!(results[i]["problem"]["code"], "unknown_way_to_earn", "{results}");
        }
        assert_eq!(results[1]["status"], "created");
        assert_eq!(booked(&ledger(app, "c1")), ["earned activity 0.00 50"]);
        // What was earned by a way stays when it is deleted from now on.
        delete(app, &path("review"));
        earn(app, "a4", "review", &from_now(0)).expect_problem(409, "unknown_way_to_earn");
        assert_eq!(points_of(&app.membership("c1")), 50);
        assert_eq!(app.support().get("/v1/activities/a2").expect(200).body["way_to_earn"], "review");
    }

    fn an_activity_has_either_points_or_a_way(app) {
        set_up(app);
        put(app, "review", &per_event("50", json!({}))).expect(201);
        let send = |fields: Value| {
            let mut body = json!({"customer_id": "c1", "kind": "points", "occurred_at": june(1)});
            body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
            faults(app.support().put("/v1/activities/a1", &body))
        };
        assert_eq!(send(json!({})), ["/points"]);
        assert_eq!(send(json!({"points": 5, "way_to_earn": "review"})), ["/way_to_earn"]);
        for code in [json!(""), json!("a b"), json!("x".repeat(65)), json!(7)] {
            assert_eq!(send(json!({"way_to_earn": code})), ["/way_to_earn"], "{code}");
        }
        let survey = json!({"kind": "survey", "score": 5, "way_to_earn": "review"});
        assert_eq!(send(survey), ["/way_to_earn"]);
        app.storefront().get("/v1/customers/c1").expect_problem(404, "not_found");
    }

    fn a_change_from_now_on_leaves_what_has_happened(app) {
        set_up(app);
        put(app, "spend", &per_unit("1", json!({}))).expect(201);
        put(app, "review", &per_event("50", json!({}))).expect(201);
        app.order("o1", "c1", &june(1), "10.00").expect(201);
        earn(app, "a1", "review", &june(2)).expect(201);
        assert_eq!(put(app, "spend", &per_unit("3", json!({}))).expect(200).body["recalculation"], Value::Null);
        put(app, "review", &per_event("70", json!({}))).expect(200);
        assert_eq!(points_of(&app.membership("c1")), 60);
        // What happened before is judged by what held then.
        assert_eq!(app.order("o2", "c1", &june(3), "10.00").expect(201).body["earned"]["points"], 10);
        assert_eq!(earn(app, "a2", "review", &june(4)).expect(201).body["earned"]["points"], 50);
        assert_eq!(app.order("o3", "c1", &from_now(0), "10.00").expect(201).body["earned"]["points"], 30);
        assert_eq!(earn(app, "a3", "review", &from_now(0)).expect(201).body["earned"]["points"], 70);
        assert_eq!(points_of(&app.membership("c1")), 60 + 60 + 100);
    }

    fn a_change_from_the_beginning_recalculates_everyone_and_a_dry_run_does_not(app) {
        app.set_up(json!({"entry_method": "points_earned"}));
        app.set_tiers(&[("bronze", "0"), ("silver", "100"), ("gold", "300")]);
        put(app, "spend", &per_unit("1", json!({}))).expect(201);
        app.order("o1", "c1", &june(1), "100.00").expect(201);
        app.order("o2", "c1", &june(2), "100.00").expect(201);
        let (before, booked_before) = (app.storefront().get(PROGRAM).expect(200), ledger(app, "c1"));
        let twice = per_unit("1", json!({"silver": "2"}));
        let whole = |query: &str| app.admin().put(&format!("{}{BEGINNING}{query}", path("spend")), &twice).expect(200);
        let dry = whole("&dry_run=true");
        assert_eq!(dry.body["points_by_tier"], json!({"silver": "2"}));
        let recalculation = settled(app, dry);
        assert_eq!((&recalculation["dry_run"], &recalculation["customers_upgraded"]), (&json!(true), &json!(1)));
        assert_eq!(app.storefront().get(PROGRAM).expect(200).etag(), before.etag());
        assert_eq!(get(app, "spend")["points_by_tier"], json!({}));
        assert_eq!(tier(&app.membership("c1")), "silver");
        assert_eq!(settled(app, whole(""))["customers_upgraded"], 1);
        let membership = app.membership("c1");
        assert_eq!((tier(&membership), points_of(&membership)), ("gold", 300));
        assert_eq!(ledger(app, "c1"), booked_before);
        // Deleted dry it stays; deleted with downgrades the tier goes with it.
        delete(app, &format!("{}{BEGINNING}&dry_run=true", path("spend")));
        assert_eq!(get(app, "spend")["points_by_tier"], json!({"silver": "2"}));
        delete(app, &format!("{}{BEGINNING}&allow_downgrades=true", path("spend")));
        let membership = app.membership("c1");
        assert_eq!((tier(&membership), points_of(&membership)), ("silver", 200));
        assert_eq!(ledger(app, "c1"), booked_before);
    }

    fn a_dry_run_of_a_new_way_makes_none(app) {
        set_up(app);
        let dry = put(app, "review?dry_run=true", &per_event("50", json!({}))).expect(200);
        assert_eq!((&dry.body["code"], &dry.body["points"]), (&json!("review"), &json!("50")));
        app.storefront().get(&path("review")).expect_problem(404, "not_found");
        put(app, "spend?dry_run=true", &per_unit("9", json!({}))).expect(200);
        assert_eq!(points_per_unit(app), "1");
    }

    fn a_change_holds_from_an_instant_that_is_not_ahead(app) {
        set_up(app);
        put(app, "review", &per_event("50", json!({}))).expect(201);
        let body = per_event("70", json!({}));
        let ahead = format!("review?effective_from={}", from_now(3_600));
        put(app, &ahead, &body).expect_problem(409, "effective_from_in_future");
        app.admin().delete(&path(&ahead)).expect_problem(409, "effective_from_in_future");
        for query in ["effective_from=today", "allow_downgrades=maybe", "dry_run=1", "bogus=1"] {
            let pointer = format!("?{}", query.split('=').next().unwrap());
            let way = format!("review?{query}");
            assert_eq!(faults(put(app, &way, &body)), [pointer.as_str()]);
            assert_eq!(faults(app.admin().delete(&path(&way))), [pointer.as_str()]);
        }
        assert_eq!(get(app, "review")["points"], "50");
    }

    fn a_version_is_changed_only_if_it_is_still_that_version(app) {
        set_up(app);
        let client = |if_match: &str| app.admin().with("if-match", if_match);
        let first = put(app, "review", &per_event("50", json!({}))).expect(201).etag();
        let body = per_event("70", json!({}));
        let second = client(&first).put(&path("review"), &body).expect(200).etag();
        client(&first).put(&path("review"), &per_event("80", json!({}))).expect_problem(412, "precondition_failed");
        client(&first).put(&path("other"), &body).expect_problem(412, "precondition_failed");
        client(&first).delete(&path("review")).expect_problem(412, "precondition_failed");
        assert_eq!(get(app, "review")["points"], "70");
        client(&second).delete(&path("review")).expect(204);
    }

    fn everyone_reads_ways_and_administrators_set_them(app) {
        set_up(app);
        put(app, "review", &per_event("50", json!({}))).expect(201);
        for (word, role) in Role::WORDS {
            let client = app.client(role);
            client.get(WAYS).expect(200);
            client.get(&path("review")).expect(200);
            let may = ["administrator", "platform_admin"].contains(&word);
            let (made, gone) = (
                client.put(&path("new"), &per_event("5", json!({}))),
                client.delete(&path("new")),
            );
            if may {
                made.expect(201);
                gone.expect(204);
            } else {
                made.expect_problem(403, "forbidden");
                gone.expect_problem(403, "forbidden");
            }
        }
        // It makes nobody a VIP, so no platform administrator is needed.
        platform(app).put(&path("review"), &per_event("60", json!({}))).expect(200);
    }

    fn another_stores_way_looks_like_an_absent_one(app) {
        set_up(app);
        put(app, "review", &per_event("50", json!({}))).expect(201);
        let other = neighbour(app, Role::Administrator);
        assert_same_404(&other.get(&path("review")), &other.get(&path("absent")));
        assert_same_404(&other.delete(&path("review")), &other.delete(&path("absent")));
        assert_eq!(other.get(WAYS).expect(200).body, json!({"ways_to_earn": []}));
        let body = by("review", &june(1));
        other.put("/v1/activities/a1", &body).expect_problem(409, "unknown_way_to_earn");
        other.put(&path("review"), &per_event("5", json!({}))).expect(201);
        assert_eq!(get(app, "review")["points"], "50");
    }
}
