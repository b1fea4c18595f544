//! Memberships: what is refused where a customer's standing is asked for.

use super::{assert_paging_rules, assert_same_404, neighbour};
use crate::support::*;
use accolade::api::auth::Role;
use serde_json::{Value, json};

const NOON: &str = "2024-06-01T12:00:00Z";

on_both! {
    fn another_stores_membership_looks_like_an_absent_one(app) {
        app.set_up(json!({}));
        app.order("o1", "c1", NOON, "10.00").expect(201);
        let other = neighbour(app, Role::Manager);
        for path in ["membership", "membership/explanation"] {
            assert_same_404(
                &other.get(&format!("/v1/customers/c1/{path}")),
                &other.get(&format!("/v1/customers/absent/{path}")),
            );
        }
        let post = |id: &str| {
            let path = format!("/v1/customers/{id}/membership/recalculation");
            other.post(&path, &json!({"reason": "to see"}))
        };
        assert_same_404(&post("c1"), &post("absent"));
    }

    fn one_customers_recalculation_wants_a_reason(app) {
        app.set_up(json!({}));
        app.set_tiers(&[("bronze", "0"), ("silver", "100.00")]);
        app.order("o1", "c1", NOON, "100.00").expect(201);
        let cancelled = json!({
            "customer_id": "c1", "status": "cancelled", "total": "100.00", "currency": "GBP",
            "placed_at": NOON,
        });
        app.storefront().put("/v1/orders/o1", &cancelled).expect(200);
        let path = "/v1/customers/c1/membership/recalculation";
        let answer = app.manager().post(path, &json!({"allow_downgrades": "yes", "reason": " "}));
        let answer = answer.expect_problem(422, "invalid_request");
        assert_eq!(answer.pointers(), ["/allow_downgrades", "/reason"]);
        let kept = app.manager().post(path, &json!({"reason": "to see"})).expect(200).body;
        assert_eq!((tier(&kept["before"]), tier(&kept["after"])), ("silver", "silver"));
        let body = json!({"allow_downgrades": true, "reason": "order o1 was a mistake"});
        let dropped = app.manager().post(path, &body).expect(200).body;
        assert_eq!((tier(&dropped["before"]), tier(&dropped["after"])), ("silver", "bronze"));
        assert_eq!(tier(&app.membership("c1")), "bronze");
    }

    fn an_explanation_comes_in_pages(app) {
        app.set_up(json!({}));
        for i in 0..5 {
            let at = format!("2024-06-0{}T00:00:00Z", 1 + i);
            app.order(&format!("o{i}"), "c1", &at, "10.00").expect(201);
        }
        let path = "/v1/customers/c1/membership/explanation";
        let at = "at=2024-07-01T00:00:00Z";
        let client = app.storefront();
        let whole = client.get(&format!("{path}?{at}")).expect(200).body;
        assert_eq!(whole["next_cursor"], Value::Null);
        let mut lines = Vec::new();
        let mut cursor = String::new();
        loop {
            let page = client.get(&format!("{path}?{at}&limit=2{cursor}")).expect(200).body;
            lines.extend(page["lines"].as_array().unwrap().clone());
            let Some(next) = page["next_cursor"].as_str() else { break };
            cursor = format!("&cursor={next}");
        }
        assert_eq!(json!(lines), whole["lines"]);
        let last = lines.last().unwrap();
        assert_eq!((&last["id"], &last["counted"]), (&json!("o4"), &json!(true)));
        assert_eq!(last["progress"]["amount_spent"], "50.00");
        assert_paging_rules(&client, path);
        for path in ["/v1/customers/c1/membership", path] {
            let answer = client.get(&format!("{path}?at=then")).expect_problem(422, "invalid_request");
            assert_eq!(answer.pointers(), ["?at"]);
        }
    }

    fn figures_that_no_longer_fit_are_said_not_to(app) {
        app.set_up(json!({}));
        app.order("o1", "c1", NOON, "92233720368547758.07").expect(201);
        app.order("o2", "c2", NOON, "10.00").expect(201);
        let path = "/v1/program?effective_from=beginning";
        let changed = app.admin().patch(path, &json!({"points_per_unit": "1000000"})).expect(200);
        let failed = settled(app, changed);
        assert_eq!(failed["state"], "failed");
        assert!(failed["failure"].as_str().unwrap().contains("customer c1"), "{failed}");
        let client = app.manager();
        let membership = "/v1/customers/c1/membership";
        client.get(membership).expect_problem(409, "figure_overflow");
        client.get(&format!("{membership}/explanation")).expect_problem(409, "figure_overflow");
        let body = json!({"reason": "to see"});
        let answer = client.post(&format!("{membership}/recalculation"), &body);
        answer.expect_problem(409, "figure_overflow");
        let (storefront, name) = (app.storefront(), json!({"name": "Ada Byron"}));
        storefront.put("/v1/customers/c1", &name).expect_problem(409, "figure_overflow");
        storefront.patch("/v1/customers/c1", &name).expect_problem(409, "figure_overflow");
        app.refund("r1", "o1", NOON, "1.00").expect_problem(409, "figure_overflow");
        // Others are told by the new rate all the same.
        assert_eq!(app.membership("c2")["lifetime"]["points_earned"], 10_000_000);
        // The next change takes it up again.
        let changed = app.admin().patch(path, &json!({"points_per_unit": "1"})).expect(200);
        assert_eq!(settled(app, changed)["state"], "completed");
        assert_eq!(app.membership("c1")["lifetime"]["amount_spent"], "92233720368547758.07");
        assert_eq!(app.membership("c2")["lifetime"]["points_earned"], 10);
    }
}
