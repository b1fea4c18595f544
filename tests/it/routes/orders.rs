//! Orders: what is taken in, what is refused, and what comes of it.

use super::{assert_paging_rules, assert_same_404, ids, neighbour, paged};
use crate::support::*;
use accolade::api::auth::Role;
use serde_json::{Value, json};

const NOON: &str = "2024-06-01T12:00:00Z";

/// The body of an order that is not completed.
fn open_order(customer: &str, status: &str, placed_at: &str, total: &str) -> Value {
    json!({
        "customer_id": customer, "status": status, "total": total, "currency": "GBP",
        "placed_at": placed_at,
    })
}

/// A body with some fields replaced.
fn with(mut body: Value, fields: Value) -> Value {
    body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    body
}

/// What an order that was sent has changed.
fn assert_nothing_changed(answer: &Answer) {
    assert_eq!(answer.body["membership"]["before"], answer.body["membership"]["after"]);
}

on_both! {
    fn an_order_counts_and_the_same_again_changes_nothing(app) {
        app.set_up(json!({}));
        app.set_tiers(&[("bronze", "0"), ("silver", "100.00")]);
        let first = app.order("o1", "c1", NOON, "129.95").expect(201);
        let expected = json!({
            "order_id": "o1", "customer_id": "c1", "status": "completed", "total": "129.95",
            "refunded": "0.00", "currency": "GBP", "placed_at": NOON, "completed_at": NOON,
            "updated_at": null, "customer_status": "active",
        });
        assert_eq!(first.body["order"], expected);
        let (before, after) =
            (&first.body["membership"]["before"], &first.body["membership"]["after"]);
        assert_eq!(before["progress"]["amount_spent"], "0.00");
        assert_eq!(after["progress"]["amount_spent"], "129.95");
        assert_eq!(after["progress"]["orders_placed"], 1);
        assert_eq!(tier(after), "silver");
        assert_eq!(before["as_of"], after["as_of"]);
        let again = app.order("o1", "c1", NOON, "129.95").expect(200);
        assert_eq!(again.body["order"], expected);
        assert_nothing_changed(&again);
        assert_eq!(again.etag(), first.etag());
        let read = app.support().get("/v1/orders/o1").expect(200);
        assert_eq!(read.body, expected);
        assert_eq!(read.etag(), first.etag());
    }

    fn fewer_decimals_than_the_currency_has_are_fine(app) {
        app.set_up(json!({}));
        for (total, stored) in [("5", "5.00"), ("0.5", "0.50"), ("0", "0.00"), ("007", "7.00")] {
            let answer = app.order(&format!("o-{total}"), "c1", NOON, total).expect(201);
            assert_eq!(answer.body["order"]["total"], stored);
        }
        assert_eq!(app.membership("c1")["progress"]["amount_spent"], "12.50");
        assert_eq!(app.membership("c1")["progress"]["orders_placed"], 4);
    }

    fn a_bad_amount_is_refused_with_its_place(app) {
        app.set_up(json!({}));
        let bad = [
            "12.345", "1e3", "-1", "+1", "92233720368547758.08", "", ".5", "1.", "1,00", " 1",
            "NaN", "9999999999999999999",
        ];
        for total in bad {
            let answer = app.order("o1", "c1", NOON, total).expect_problem(422, "invalid_request");
            assert_eq!(answer.pointers(), ["/total"], "{total:?}");
        }
        let number = with(order("c1", NOON, "1"), json!({"total": 12.5}));
        let answer = app.storefront().put("/v1/orders/o1", &number);
        assert_eq!(answer.expect_problem(422, "invalid_request").pointers(), ["/total"]);
        app.storefront().get("/v1/orders/o1").expect_problem(404, "not_found");
        app.storefront().get("/v1/customers/c1").expect_problem(404, "not_found");
        let largest = app.order("o1", "c1", NOON, "92233720368547758.07").expect(201);
        assert_eq!(largest.body["order"]["total"], "92233720368547758.07");
    }

    fn all_faults_are_answered_at_once(app) {
        app.set_up(json!({}));
        let put = |body: &Value| {
            app.storefront().put("/v1/orders/o1", body).expect_problem(422, "invalid_request")
        };
        let bad = json!({
            "customer_id": "a b", "status": "lost", "total": "1e3", "currency": "gbp",
            "placed_at": "yesterday", "completed_at": "2024-13-01T00:00:00Z", "bogus": 1,
        });
        let all = [
            "/bogus", "/completed_at", "/currency", "/customer_id", "/placed_at", "/status", "/total",
        ];
        assert_eq!(put(&bad).pointers(), all);
        let missing = ["/currency", "/customer_id", "/placed_at", "/status", "/total"];
        assert_eq!(put(&json!({})).pointers(), missing);
        // A rule that no schema says, together with one that it does.
        assert_eq!(put(&order("a b", NOON, "12.345")).pointers(), ["/customer_id", "/total"]);
        let incomplete = with(order("c1", NOON, "12.345"), json!({"completed_at": null}));
        assert_eq!(put(&incomplete).pointers(), ["/completed_at", "/total"]);
        let unknown_currency = with(order("c1", NOON, "1"), json!({"currency": "ZZZ"}));
        assert_eq!(put(&unknown_currency).pointers(), ["/currency"]);
    }

    fn completed_at_goes_with_completed_and_only_with_it(app) {
        app.set_up(json!({}));
        let client = app.storefront();
        let without = with(order("c1", NOON, "1"), json!({"completed_at": null}));
        let answer = client.put("/v1/orders/o1", &without).expect_problem(422, "invalid_request");
        assert_eq!(answer.pointers(), ["/completed_at"]);
        for status in ["pending", "cancelled"] {
            let with_it = with(order("c1", NOON, "1"), json!({"status": status}));
            let answer = client.put("/v1/orders/o1", &with_it).expect_problem(422, "invalid_request");
            assert_eq!(answer.pointers(), ["/completed_at"], "{status}");
            let fine = with(with_it, json!({"completed_at": null}));
            client.put(&format!("/v1/orders/{status}"), &fine).expect(201);
        }
        assert_eq!(app.membership("c1")["progress"]["orders_placed"], 0);
    }

    fn another_currency_is_refused(app) {
        app.set_up(json!({}));
        let body = with(order("c1", NOON, "1.00"), json!({"currency": "EUR"}));
        app.storefront().put("/v1/orders/o1", &body).expect_problem(409, "currency_mismatch");
        app.storefront().get("/v1/customers/c1").expect_problem(404, "not_found");
    }

    fn nothing_lies_more_than_a_day_ahead(app) {
        app.set_up(json!({}));
        let client = app.storefront();
        let year = from_now(365 * 86_400);
        let bodies = [
            open_order("c1", "pending", &year, "1.00"),
            with(order("c1", NOON, "1.00"), json!({"completed_at": year})),
            with(order("c1", NOON, "1.00"), json!({"updated_at": year})),
            order("c1", &from_now(25 * 3_600), "1.00"),
        ];
        for body in bodies {
            client.put("/v1/orders/o1", &body).expect_problem(409, "too_far_ahead");
        }
        client.get("/v1/customers/c1").expect_problem(404, "not_found");
        // Clocks differ, so a little ahead is fine.
        let soon = client.put("/v1/orders/o1", &order("c1", &from_now(23 * 3_600), "1.00")).expect(201);
        assert_eq!(soon.body["membership"]["before"]["progress"]["amount_spent"], "0.00");
        assert_eq!(soon.body["membership"]["after"]["progress"]["amount_spent"], "1.00");
    }

    fn an_older_state_changes_nothing(app) {
        app.set_up(json!({}));
        let put = |total: &str, updated_at: Option<&str>| {
            let body = with(order("c1", NOON, total), json!({"updated_at": updated_at}));
            app.storefront().put("/v1/orders/o1", &body)
        };
        let (day_1, day_2) = ("2024-06-02T00:00:00Z", "2024-06-03T00:00:00Z");
        let first = put("100.00", Some(day_2)).expect(201);
        let older = put("50.00", Some(day_1)).expect(200);
        assert_eq!(older.body["order"], first.body["order"]);
        assert_eq!(older.etag(), first.etag());
        assert_nothing_changed(&older);
        // With an equal one, and without any, the last to arrive stands.
        assert_eq!(put("60.00", Some(day_2)).expect(200).body["order"]["total"], "60.00");
        let last = put("70.00", None).expect(200);
        assert_eq!(last.body["order"]["total"], "70.00");
        assert_eq!(last.body["order"]["updated_at"], Value::Null);
        assert_eq!(app.membership("c1")["progress"]["amount_spent"], "70.00");
        assert_eq!(put("80.00", Some(day_1)).expect(200).body["order"]["total"], "80.00");
    }

    fn an_order_never_changes_its_customer(app) {
        app.set_up(json!({}));
        app.order("o1", "c1", NOON, "10.00").expect(201);
        app.order("o1", "c2", NOON, "10.00").expect_problem(409, "order_customer_fixed");
        app.storefront().get("/v1/customers/c2").expect_problem(404, "not_found");
        assert_eq!(app.storefront().get("/v1/orders/o1").expect(200).body["customer_id"], "c1");
    }

    fn a_total_never_falls_below_its_refunds(app) {
        app.set_up(json!({}));
        app.order("o1", "c1", NOON, "100.00").expect(201);
        app.refund("r1", "o1", "2024-06-02T00:00:00Z", "40.00").expect(201);
        app.order("o1", "c1", NOON, "39.99").expect_problem(409, "total_below_refunds");
        let answer = app.order("o1", "c1", NOON, "40.00").expect(200);
        assert_eq!(answer.body["order"]["refunded"], "40.00");
        assert_eq!(answer.body["membership"]["after"]["progress"]["amount_spent"], "0.00");
        assert_eq!(answer.body["membership"]["after"]["progress"]["orders_placed"], 0);
    }

    fn a_correction_folds_history_as_if_it_had_always_been_so(app) {
        app.set_up(json!({}));
        app.order("o1", "c1", NOON, "100.00").expect(201);
        app.order("o2", "c1", "2024-07-01T00:00:00Z", "10.00").expect(201);
        let answer = app.order("o1", "c1", "2024-05-01T00:00:00Z", "30.00").expect(200);
        assert_eq!(answer.body["membership"]["before"]["progress"]["amount_spent"], "110.00");
        assert_eq!(answer.body["membership"]["after"]["progress"]["amount_spent"], "40.00");
        let then = app.membership_at("c1", "2024-05-02T00:00:00Z");
        assert_eq!(then["progress"]["amount_spent"], "30.00");
    }

    fn an_order_cancelled_after_its_completion_counts_nothing_and_the_tier_stays(app) {
        app.set_up(json!({}));
        app.set_tiers(&[("bronze", "0"), ("silver", "100.00")]);
        app.order("o1", "c1", NOON, "100.00").expect(201);
        let cancelled = open_order("c1", "cancelled", NOON, "100.00");
        let answer = app.storefront().put("/v1/orders/o1", &cancelled).expect(200);
        assert_eq!(answer.body["order"]["status"], "cancelled");
        assert_eq!(answer.body["order"]["completed_at"], Value::Null);
        let after = &answer.body["membership"]["after"];
        assert_eq!(tier(after), "silver");
        for figures in ["progress", "lifetime"] {
            assert_eq!(after[figures]["amount_spent"], "0.00");
            assert_eq!(after[figures]["orders_placed"], 0);
        }
    }

    fn a_pending_order_counts_once_it_is_completed(app) {
        app.set_up(json!({}));
        let pending = open_order("c1", "pending", NOON, "20.00");
        let answer = app.storefront().put("/v1/orders/o1", &pending).expect(201);
        assert_nothing_changed(&answer);
        let answer = app.order("o1", "c1", NOON, "20.00").expect(200);
        assert_eq!(answer.body["membership"]["before"]["progress"]["amount_spent"], "0.00");
        assert_eq!(answer.body["membership"]["after"]["progress"]["amount_spent"], "20.00");
    }

    fn a_total_beyond_64_bits_is_refused_and_nothing_of_it_stored(app) {
        app.set_up(json!({}));
        app.order("o1", "c1", NOON, "92233720368547758.07").expect(201);
        app.order("o2", "c1", NOON, "92233720368547758.07").expect_problem(409, "figure_overflow");
        app.storefront().get("/v1/orders/o2").expect_problem(404, "not_found");
        assert_eq!(app.membership("c1")["lifetime"]["amount_spent"], "92233720368547758.07");
        app.order("o2", "c2", NOON, "92233720368547758.07").expect(201);
    }

    fn a_version_is_changed_only_if_it_is_still_that_version(app) {
        app.set_up(json!({}));
        let first = app.order("o1", "c1", NOON, "10.00").expect(201).etag();
        let put = |if_match: &str, id: &str, total: &str| {
            let client = app.storefront().with("if-match", if_match);
            client.put(&format!("/v1/orders/{id}"), &order("c1", NOON, total))
        };
        put("\"99\"", "o1", "11.00").expect_problem(412, "precondition_failed");
        put("\"nonsense\"", "o1", "11.00").expect_problem(412, "precondition_failed");
        let unquoted = put("nonsense", "o1", "11.00").expect_problem(422, "invalid_request");
        assert_eq!(unquoted.pointers(), ["If-Match"]);
        let second = put(&first, "o1", "11.00").expect(200);
        assert_ne!(second.etag(), first);
        put(&first, "o1", "12.00").expect_problem(412, "precondition_failed");
        put(&format!("{first}, {}", second.etag()), "o1", "12.00").expect(200);
        put("*", "o1", "13.00").expect(200);
        assert_eq!(app.storefront().get("/v1/orders/o1").expect(200).body["total"], "13.00");
        for if_match in ["*", &first] {
            put(if_match, "o2", "1.00").expect_problem(412, "precondition_failed");
        }
        app.storefront().get("/v1/orders/o2").expect_problem(404, "not_found");
    }

    fn another_stores_order_looks_like_an_absent_one(app) {
        app.set_up(json!({}));
        app.order("o1", "c1", NOON, "10.00").expect(201);
        let other = neighbour(app, Role::Administrator);
        assert_same_404(&other.get("/v1/orders/o1"), &other.get("/v1/orders/absent"));
        assert_same_404(
            &other.get("/v1/customers/c1/orders"),
            &other.get("/v1/customers/absent/orders"),
        );
        assert_eq!(other.get("/v1/orders").expect(200).body["orders"], json!([]));
        // The same identifiers are free there.
        let answer = neighbour(app, Role::Storefront).put("/v1/orders/o1", &order("c9", NOON, "3.00"));
        answer.expect(201);
        assert_eq!(app.storefront().get("/v1/orders/o1").expect(200).body["customer_id"], "c1");
    }

    fn orders_are_listed_newest_first_and_narrowed_down(app) {
        app.set_up(json!({}));
        for (id, customer, day) in [("o1", "c1", 1), ("o2", "c2", 2), ("o3", "c1", 3), ("o4", "c1", 3)] {
            app.order(id, customer, &format!("2024-06-0{day}T00:00:00Z"), "10.00").expect(201);
        }
        for (id, status) in [("o5", "pending"), ("o6", "cancelled")] {
            let body = open_order("c2", status, "2024-06-05T00:00:00Z", "10.00");
            app.storefront().put(&format!("/v1/orders/{id}"), &body).expect(201);
        }
        let client = app.support();
        let list = |path: &str| ids(&client.get(path).expect(200).body, "orders", "order_id");
        assert_eq!(list("/v1/orders"), ["o6", "o5", "o4", "o3", "o2", "o1"]);
        assert_eq!(list("/v1/orders?status=completed"), ["o4", "o3", "o2", "o1"]);
        assert_eq!(list("/v1/orders?status=pending"), ["o5"]);
        assert_eq!(list("/v1/orders?status=cancelled"), ["o6"]);
        let between = "placed_from=2024-06-02T00:00:00Z&placed_before=2024-06-03T00:00:00Z";
        assert_eq!(list(&format!("/v1/orders?{between}")), ["o2"]);
        assert_eq!(list("/v1/orders?placed_from=2024-06-03T00:00:00Z&status=completed"), ["o4", "o3"]);
        assert_eq!(list("/v1/customers/c1/orders"), ["o4", "o3", "o1"]);
        assert_eq!(list("/v1/customers/c2/orders?status=pending"), ["o5"]);
        assert_eq!(list("/v1/customers/c1/orders?placed_before=2024-06-02T00:00:00Z"), ["o1"]);
        assert_eq!(list("/v1/orders?limit=2"), ["o6", "o5"]);
        client.get("/v1/customers/absent/orders").expect_problem(404, "not_found");
    }

    fn pages_name_every_order_once(app) {
        app.set_up(json!({}));
        // Some at the same instant.
        for i in 0..7 {
            app.order(&format!("o{i}"), "c1", &format!("2024-06-0{}T00:00:00Z", 1 + i / 3), "1").expect(201);
        }
        let all = ["o6", "o5", "o4", "o3", "o2", "o1", "o0"];
        assert_eq!(paged(&app.support(), "/v1/orders", "orders", "order_id"), all);
        assert_eq!(paged(&app.support(), "/v1/orders?status=completed", "orders", "order_id"), all);
        assert_eq!(paged(&app.support(), "/v1/customers/c1/orders", "orders", "order_id"), all);
        assert_eq!(app.support().get("/v1/orders").expect(200).body["next_cursor"], Value::Null);
    }

    fn lists_of_orders_refuse_what_they_do_not_know(app) {
        app.set_up(json!({}));
        app.order("o1", "c1", NOON, "1.00").expect(201);
        for path in ["/v1/orders", "/v1/customers/c1/orders"] {
            assert_paging_rules(&app.support(), path);
            for (query, pointer) in [
                ("status=lost", "?status"),
                ("placed_from=yesterday", "?placed_from"),
                ("placed_before=2024-06-01", "?placed_before"),
            ] {
                let answer = app.support().get(&format!("{path}?{query}"));
                let answer = answer.expect_problem(422, "invalid_request");
                assert_eq!(answer.pointers(), [pointer], "{path}?{query}");
            }
            let answer = app.support().get(&format!("{path}?status=pending&status=pending"));
            assert_eq!(answer.expect_problem(422, "invalid_request").pointers(), ["?status"]);
        }
    }

    fn fifty_clients_at_once_lose_nothing_and_count_nothing_twice(app) {
        app.set_up(json!({}));
        app.set_tiers(&[("bronze", "0"), ("silver", "500.50"), ("gold", "500.51")]);
        let statuses: Vec<(u16, u16)> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..50)
                .map(|i| {
                    scope.spawn(move || {
                        let send = || app.order(&format!("o{i}"), "c1", NOON, "10.01").status;
                        (send(), send())
                    })
                })
                .collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert_eq!(statuses, [(201, 200); 50]);
        let membership = app.membership("c1");
        for figures in ["progress", "lifetime"] {
            assert_eq!(membership[figures]["amount_spent"], "500.50");
            assert_eq!(membership[figures]["orders_placed"], 50);
        }
        assert_eq!(tier(&membership), "silver");
    }

    fn one_order_sent_by_many_at_once_is_new_once(app) {
        app.set_up(json!({}));
        let mut statuses: Vec<u16> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..20)
                .map(|_| scope.spawn(|| app.order("o1", "c1", NOON, "10.00").status))
                .collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        statuses.sort_unstable();
        assert_eq!(statuses[..19], [200; 19]);
        assert_eq!(statuses[19], 201);
        assert_eq!(app.membership("c1")["lifetime"]["amount_spent"], "10.00");
    }
}
