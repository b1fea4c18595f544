//! Refunds: what is given back, of which order, and what that lowers.

use super::{assert_paging_rules, assert_same_404, ids, neighbour, paged};
use crate::support::*;
use accolade::api::auth::Role;
use serde_json::json;

const ORDERED: &str = "2024-06-01T12:00:00Z";
const REFUNDED: &str = "2024-06-08T12:00:00Z";

on_both! {
    fn a_refund_lowers_progress_and_never_the_tier(app) {
        app.set_up(json!({}));
        app.set_tiers(&[("bronze", "0"), ("silver", "100.00")]);
        app.order("o1", "c1", ORDERED, "100.00").expect(201);
        let first = app.refund("r1", "o1", REFUNDED, "12.75").expect(201);
        let expected = json!({
            "refund_id": "r1", "order_id": "o1", "customer_id": "c1", "amount": "12.75",
            "refunded_at": REFUNDED,
        });
        assert_eq!(first.body["refund"], expected);
        let (before, after) =
            (&first.body["membership"]["before"], &first.body["membership"]["after"]);
        assert_eq!(before["progress"]["amount_spent"], "100.00");
        for figures in ["progress", "lifetime"] {
            assert_eq!(after[figures]["amount_spent"], "87.25");
            assert_eq!(after[figures]["orders_placed"], 1);
            assert_eq!(after[figures]["points_earned"], 87);
        }
        assert_eq!(tier(after), "silver");
        let again = app.refund("r1", "o1", REFUNDED, "12.75").expect(200);
        assert_eq!(again.body["refund"], expected);
        assert_eq!(again.body["membership"]["before"], again.body["membership"]["after"]);
        assert_eq!(app.support().get("/v1/refunds/r1").expect(200).body, expected);
        let order = app.support().get("/v1/orders/o1").expect(200).body;
        assert_eq!(order["refunded"], "12.75");
        assert_eq!(order["total"], "100.00");
    }

    fn a_refund_in_full_takes_the_order_off_the_count(app) {
        app.set_up(json!({}));
        app.order("o1", "c1", ORDERED, "10.00").expect(201);
        app.order("o2", "c1", ORDERED, "10.00").expect(201);
        let answer = app.refund("r1", "o1", REFUNDED, "10").expect(201);
        let after = &answer.body["membership"]["after"];
        assert_eq!(after["progress"]["orders_placed"], 1);
        assert_eq!(after["lifetime"]["amount_spent"], "10.00");
    }

    fn the_order_of_a_refund_must_be_known(app) {
        app.set_up(json!({}));
        app.refund("r1", "o1", REFUNDED, "1.00").expect_problem(409, "unknown_order");
        app.storefront().get("/v1/refunds/r1").expect_problem(404, "not_found");
        app.order("o1", "c1", ORDERED, "10.00").expect(201);
        app.refund("r1", "o1", REFUNDED, "1.00").expect(201);
    }

    fn refunds_never_exceed_their_order_in_sum(app) {
        app.set_up(json!({}));
        app.order("o1", "c1", ORDERED, "10.00").expect(201);
        app.refund("r1", "o1", REFUNDED, "10.01").expect_problem(409, "refund_exceeds_order");
        app.refund("r1", "o1", REFUNDED, "6.00").expect(201);
        app.refund("r2", "o1", REFUNDED, "4.01").expect_problem(409, "refund_exceeds_order");
        app.refund("r2", "o1", REFUNDED, "4.00").expect(201);
        app.refund("r3", "o1", REFUNDED, "0.01").expect_problem(409, "refund_exceeds_order");
        assert_eq!(app.membership("c1")["lifetime"]["amount_spent"], "0.00");
    }

    fn a_refund_never_changes(app) {
        app.set_up(json!({}));
        app.order("o1", "c1", ORDERED, "10.00").expect(201);
        app.order("o2", "c1", ORDERED, "10.00").expect(201);
        app.order("o3", "c2", ORDERED, "10.00").expect(201);
        app.refund("r1", "o1", REFUNDED, "1.00").expect(201);
        for (order, at, amount) in [
            ("o1", REFUNDED, "2.00"),
            ("o1", "2024-06-09T12:00:00Z", "1.00"),
            ("o2", REFUNDED, "1.00"),
            ("o3", REFUNDED, "1.00"),
        ] {
            app.refund("r1", order, at, amount).expect_problem(409, "refund_immutable");
        }
        // The same instant and amount, written otherwise.
        app.refund("r1", "o1", "2024-06-08T14:00:00+02:00", "1").expect(200);
    }

    fn the_amount_is_in_the_currency_and_one_of_zero_changes_nothing(app) {
        app.set_up(json!({}));
        app.order("o1", "c1", ORDERED, "10.00").expect(201);
        for amount in ["1e3", "-1", "", "one"] {
            let answer = app.refund("r1", "o1", REFUNDED, amount).expect_problem(422, "invalid_request");
            assert!(!answer.pointers().is_empty());
            assert!(answer.pointers().iter().all(|at| *at == "/amount"), "{:?}", answer.pointers());
        }
        // What the currency allows, only the program knows.
        for amount in ["1.234", "92233720368547758.08"] {
            app.refund("r1", "o1", REFUNDED, amount).expect_problem(409, "amount_not_in_currency");
        }
        let membership = app.refund("r1", "o1", REFUNDED, "0.00").expect(201).body["membership"].clone();
        assert_eq!(membership["before"], membership["after"]);
    }

    fn all_faults_are_answered_at_once(app) {
        app.set_up(json!({}));
        let put = |body| {
            let answer = app.storefront().put("/v1/refunds/r1", &body);
            answer.expect_problem(422, "invalid_request")
        };
        let bad = json!({"order_id": "a b", "amount": "-1", "refunded_at": "2024-06-08T12:00:00Z"});
        assert_eq!(put(bad).pointers(), ["/amount", "/order_id"]);
        assert_eq!(put(json!({})).pointers(), ["/amount", "/order_id", "/refunded_at"]);
    }

    fn nothing_lies_more_than_a_day_ahead(app) {
        app.set_up(json!({}));
        app.order("o1", "c1", ORDERED, "10.00").expect(201);
        app.refund("r1", "o1", &from_now(2 * 86_400), "1.00").expect_problem(409, "too_far_ahead");
        app.refund("r1", "o1", &from_now(3_600), "1.00").expect(201);
    }

    fn a_refund_acts_only_while_its_order_is_completed(app) {
        app.set_up(json!({}));
        let pending = json!({
            "customer_id": "c1", "status": "pending", "total": "100.00", "currency": "GBP",
            "placed_at": ORDERED,
        });
        app.storefront().put("/v1/orders/o1", &pending).expect(201);
        let answer = app.refund("r1", "o1", REFUNDED, "30.00").expect(201);
        assert_eq!(answer.body["membership"]["before"], answer.body["membership"]["after"]);
        let completed = app.order("o1", "c1", ORDERED, "100.00").expect(200);
        assert_eq!(completed.body["membership"]["after"]["progress"]["amount_spent"], "70.00");
        assert_eq!(completed.body["membership"]["after"]["lifetime"]["amount_spent"], "70.00");
        let back = app.storefront().put("/v1/orders/o1", &pending).expect(200);
        assert_eq!(back.body["membership"]["after"]["lifetime"]["amount_spent"], "0.00");
    }

    fn a_refund_dated_before_the_completion_is_deducted_before_the_order_counts(app) {
        app.set_up(json!({}));
        app.set_tiers(&[("bronze", "0"), ("silver", "100.00")]);
        let pending = json!({
            "customer_id": "c1", "status": "pending", "total": "100.00", "currency": "GBP",
            "placed_at": "2024-05-01T00:00:00Z",
        });
        app.storefront().put("/v1/orders/o1", &pending).expect(201);
        app.refund("r1", "o1", "2024-05-15T00:00:00Z", "0.01").expect(201);
        let completed = app.order("o1", "c1", ORDERED, "100.00").expect(200);
        let after = &completed.body["membership"]["after"];
        assert_eq!((tier(after), &after["progress"]["amount_spent"]), ("bronze", &json!("99.99")));
    }

    fn a_version_of_the_order_ends_with_its_refund(app) {
        app.set_up(json!({}));
        let first = app.order("o1", "c1", ORDERED, "10.00").expect(201).etag();
        app.refund("r1", "o1", REFUNDED, "1.00").expect(201);
        let client = app.storefront().with("if-match", &first);
        let stale = client.put("/v1/orders/o1", &order("c1", ORDERED, "11.00"));
        stale.expect_problem(412, "precondition_failed");
    }

    fn another_stores_refund_looks_like_an_absent_one(app) {
        app.set_up(json!({}));
        app.order("o1", "c1", ORDERED, "10.00").expect(201);
        app.refund("r1", "o1", REFUNDED, "1.00").expect(201);
        let other = neighbour(app, Role::Administrator);
        assert_same_404(&other.get("/v1/refunds/r1"), &other.get("/v1/refunds/absent"));
        assert_same_404(
            &other.get("/v1/customers/c1/refunds"),
            &other.get("/v1/customers/absent/refunds"),
        );
        let other = neighbour(app, Role::Storefront);
        let put = |order: &str| {
            let body = json!({"order_id": order, "amount": "1.00", "refunded_at": REFUNDED});
            other.put("/v1/refunds/r9", &body).expect_problem(409, "unknown_order").text
        };
        assert_eq!(put("o1"), put("absent"));
    }

    fn a_customers_refunds_are_listed_newest_first(app) {
        app.set_up(json!({}));
        app.order("o1", "c1", ORDERED, "10.00").expect(201);
        app.order("o2", "c2", ORDERED, "10.00").expect(201);
        for i in 0..5 {
            let at = format!("2024-07-0{}T00:00:00Z", 1 + i / 2);
            app.refund(&format!("r{i}"), "o1", &at, "1.00").expect(201);
        }
        app.refund("r9", "o2", REFUNDED, "1.00").expect(201);
        let path = "/v1/customers/c1/refunds";
        let all = ["r4", "r3", "r2", "r1", "r0"];
        let client = app.support();
        assert_eq!(ids(&client.get(path).expect(200).body, "refunds", "refund_id"), all);
        assert_eq!(paged(&client, path, "refunds", "refund_id"), all);
        assert_paging_rules(&client, path);
        client.get("/v1/customers/absent/refunds").expect_problem(404, "not_found");
    }
}
