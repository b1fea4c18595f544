//! Activities: points that are earned by something other than an order.

use super::{assert_paging_rules, assert_same_404, ids, neighbour, paged};
use crate::support::*;
use accolade::api::auth::Role;
use serde_json::{Value, json};

const NOON: &str = "2024-06-01T12:00:00Z";

/// The body of an activity that earns points.
fn points(customer: &str, points: i64) -> Value {
    json!({"customer_id": customer, "kind": "points", "points": points, "occurred_at": NOON})
}

on_both! {
    fn points_count_and_the_same_again_changes_nothing(app) {
        app.set_up(json!({"entry_method": "points_earned"}));
        app.set_tiers(&[("bronze", "0"), ("silver", "50")]);
        let first = app.points("a1", "c1", NOON, 50).expect(201);
        let expected = json!({
            "activity_id": "a1", "customer_id": "c1", "kind": "points", "points": 50,
            "occurred_at": NOON, "updated_at": null,
        });
        assert_eq!(first.body["activity"], expected);
        assert_eq!(first.body["membership"]["before"]["progress"]["points_earned"], 0);
        let after = &first.body["membership"]["after"];
        assert_eq!((tier(after), &after["progress"]["points_earned"]), ("silver", &json!(50)));
        assert_eq!(after["progress"]["orders_placed"], 0);
        let again = app.points("a1", "c1", NOON, 50).expect(200);
        assert_eq!(again.body["membership"]["before"], again.body["membership"]["after"]);
        assert_eq!(again.etag(), first.etag());
        let read = app.support().get("/v1/activities/a1").expect(200);
        assert_eq!((&read.body, read.etag()), (&expected, first.etag()));
    }

    fn everyone_may_record_an_activity(app) {
        app.set_up(json!({}));
        for (i, (_, role)) in Role::WORDS.iter().enumerate() {
            let path = format!("/v1/activities/a{i}");
            app.client(*role).put(&path, &points("c1", 10)).expect(201);
        }
        assert_eq!(app.membership("c1")["progress"]["points_earned"], 50);
    }

    fn a_correction_stands_unless_a_newer_state_is_known(app) {
        app.set_up(json!({}));
        let put = |count: i64, updated_at: Option<&str>| {
            let mut body = points("c1", count);
            body["updated_at"] = json!(updated_at);
            app.storefront().put("/v1/activities/a1", &body)
        };
        let (day_1, day_2) = ("2024-06-02T00:00:00Z", "2024-06-03T00:00:00Z");
        let first = put(10, Some(day_2)).expect(201);
        let older = put(20, Some(day_1)).expect(200);
        assert_eq!(older.body["activity"], first.body["activity"]);
        assert_eq!(older.body["membership"]["before"], older.body["membership"]["after"]);
        assert_eq!(put(30, Some(day_2)).expect(200).body["activity"]["points"], 30);
        let last = put(40, None).expect(200);
        assert_eq!(last.body["membership"]["before"]["progress"]["points_earned"], 30);
        assert_eq!(last.body["membership"]["after"]["progress"]["points_earned"], 40);
    }

    fn an_activity_never_changes_its_customer(app) {
        app.set_up(json!({}));
        app.points("a1", "c1", NOON, 10).expect(201);
        app.points("a1", "c2", NOON, 10).expect_problem(409, "activity_fixed");
        app.storefront().get("/v1/customers/c2").expect_problem(404, "not_found");
    }

    fn all_faults_are_answered_at_once(app) {
        app.set_up(json!({}));
        let put = |body: Value| {
            let answer = app.storefront().put("/v1/activities/a1", &body);
            answer.expect_problem(422, "invalid_request")
        };
        let bad = json!({
            "customer_id": "", "kind": "birthday", "points": 0, "occurred_at": "noon", "bogus": null,
        });
        let all = ["/bogus", "/customer_id", "/kind", "/occurred_at", "/points"];
        assert_eq!(put(bad).pointers(), all);
        assert_eq!(put(json!({})).pointers(), ["/customer_id", "/kind", "/occurred_at", "/points"]);
        for count in [json!(0), json!(-1), json!(1.5), json!("10"), json!(1_000_000_000_001_i64)] {
            let mut body = points("c1", 1);
            body["points"] = count;
            assert_eq!(put(body).pointers(), ["/points"]);
        }
    }

    fn nothing_lies_more_than_a_day_ahead(app) {
        app.set_up(json!({}));
        app.points("a1", "c1", &from_now(2 * 86_400), 10).expect_problem(409, "too_far_ahead");
        let mut body = points("c1", 10);
        body["updated_at"] = json!(from_now(2 * 86_400));
        app.storefront().put("/v1/activities/a1", &body).expect_problem(409, "too_far_ahead");
        app.points("a1", "c1", &from_now(3_600), 10).expect(201);
    }

    fn points_beyond_64_bits_are_refused(app) {
        app.set_up(json!({"points_per_unit": "100"}));
        app.order("o1", "c1", NOON, "92233720368547758.07").expect(201);
        assert_eq!(app.membership("c1")["lifetime"]["points_earned"], json!(i64::MAX));
        app.points("a1", "c1", NOON, 1).expect_problem(409, "figure_overflow");
        app.storefront().get("/v1/activities/a1").expect_problem(404, "not_found");
    }

    fn a_version_is_changed_only_if_it_is_still_that_version(app) {
        app.set_up(json!({}));
        let first = app.points("a1", "c1", NOON, 10).expect(201).etag();
        let put = |if_match: &str, id: &str, count: i64| {
            let client = app.support().with("if-match", if_match);
            client.put(&format!("/v1/activities/{id}"), &points("c1", count))
        };
        put("\"99\"", "a1", 20).expect_problem(412, "precondition_failed");
        assert_ne!(put(&first, "a1", 20).expect(200).etag(), first);
        put(&first, "a1", 30).expect_problem(412, "precondition_failed");
        put("*", "a2", 1).expect_problem(412, "precondition_failed");
        assert_eq!(app.membership("c1")["progress"]["points_earned"], 20);
    }

    fn another_stores_activity_looks_like_an_absent_one(app) {
        app.set_up(json!({}));
        app.points("a1", "c1", NOON, 10).expect(201);
        let other = neighbour(app, Role::Support);
        assert_same_404(&other.get("/v1/activities/a1"), &other.get("/v1/activities/absent"));
        assert_same_404(
            &other.get("/v1/customers/c1/activities"),
            &other.get("/v1/customers/absent/activities"),
        );
    }

    fn a_customers_activities_are_listed_newest_first(app) {
        app.set_up(json!({}));
        for i in 0..5 {
            let at = format!("2024-07-0{}T00:00:00Z", 1 + i / 2);
            app.points(&format!("a{i}"), "c1", &at, 1).expect(201);
        }
        app.points("a9", "c2", NOON, 1).expect(201);
        let path = "/v1/customers/c1/activities";
        let all = ["a4", "a3", "a2", "a1", "a0"];
        let client = app.support();
        assert_eq!(ids(&client.get(path).expect(200).body, "activities", "activity_id"), all);
        assert_eq!(paged(&client, path, "activities", "activity_id"), all);
        assert_paging_rules(&client, path);
        client.get("/v1/customers/absent/activities").expect_problem(404, "not_found");
    }
}
