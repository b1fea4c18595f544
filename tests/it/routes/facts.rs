//! Many facts at once: each line for itself, in any order.

use super::neighbour;
use crate::support::*;
use accolade::api::auth::Role;
use serde_json::{Value, json};

const NOON: &str = "2024-06-01T12:00:00Z";

/// The line of a completed order.
fn order_line(id: &str, customer: &str, total: &str) -> Value {
    let mut fact = order(customer, NOON, total);
    fact["order_id"] = json!(id);
    json!({"order": fact})
}

/// The line of a refund.
fn refund_line(id: &str, order: &str, refunded_at: &str, amount: &str) -> Value {
    json!({"refund": {
        "refund_id": id, "order_id": order, "amount": amount, "refunded_at": refunded_at,
    }})
}

/// The line of an activity that earns points.
fn points_line(id: &str, customer: &str, points: i64) -> Value {
    json!({"activity": {
        "activity_id": id, "customer_id": customer, "kind": "points", "points": points,
        "occurred_at": NOON,
    }})
}

/// What became of each line: its number, and its status or the problem's code.
fn outcomes(answer: &Answer) -> Vec<(u64, String)> {
    let results = answer.body["results"].as_array().unwrap();
    let outcome = |result: &Value| {
        let code = &result["problem"]["code"];
        let word = if code.is_null() { &result["status"] } else { code };
        assert_eq!(code.is_null(), result["status"] != "refused");
        (result["line"].as_u64().unwrap(), word.as_str().unwrap().to_owned())
    };
    results.iter().map(outcome).collect()
}

/// The same, as expected.
fn expected(outcomes: &[(u64, &str)]) -> Vec<(u64, String)> {
    outcomes.iter().map(|(line, word)| (*line, (*word).to_owned())).collect()
}

/// How many lines were created, changed, unchanged and refused.
fn counts(answer: &Answer) -> [u64; 4] {
    ["created", "changed", "unchanged", "refused"].map(|count| answer.body[count].as_u64().unwrap())
}

on_both! {
    fn each_line_is_stored_or_refused_for_itself_in_any_order(app) {
        app.set_up(json!({}));
        app.set_tiers(&[("bronze", "0"), ("silver", "100.00")]);
        let lines = [
            refund_line("r1", "o1", "2024-06-08T12:00:00Z", "12.75").to_string(),
            "oops".to_owned(),
            String::new(),
            points_line("a1", "c1", 50).to_string(),
            order_line("o1", "c1", "129.95").to_string(),
            order_line("o2", "c1", "12.345").to_string(),
            refund_line("r2", "absent", NOON, "1.00").to_string(),
            json!({"customer": {"customer_id": "c2", "name": "Ada"}}).to_string(),
            order_line("o1", "c1", "129.95").to_string(),
            "  ".to_owned(),
            order_line("o3", "c3", "10.00").to_string(),
        ];
        let body = ("application/x-ndjson", lines.join("\n"));
        let answer = app.storefront().send("POST", "/v1/facts", Some(body)).expect(200);
        let all = [
            (1, "created"),
            (2, "malformed_json"),
            (4, "created"),
            (5, "created"),
            (6, "invalid_request"),
            (7, "unknown_order"),
            (8, "created"),
            (9, "unchanged"),
            (11, "created"),
        ];
        assert_eq!(outcomes(&answer), expected(&all));
        assert_eq!(counts(&answer), [5, 0, 1, 3]);
        let problem = &answer.body["results"][4]["problem"];
        assert_eq!(problem["status"], 422);
        assert_eq!(problem["errors"][0]["pointer"], "/order/total");
        let membership = app.membership("c1");
        assert_eq!(membership["progress"]["amount_spent"], "117.20");
        assert_eq!(membership["progress"]["points_earned"], 117 + 50);
        assert_eq!(tier(&membership), "silver");
        assert_eq!(app.support().get("/v1/customers/c2").expect(200).body["name"], "Ada");
        assert_eq!(app.membership("c3")["progress"]["amount_spent"], "10.00");
    }

    fn the_same_batch_again_changes_nothing(app) {
        app.set_up(json!({}));
        let lines = [
            order_line("o1", "c1", "100.00"),
            refund_line("r1", "o1", "2024-06-08T12:00:00Z", "30.00"),
            points_line("a1", "c1", 5),
            json!({"customer": {"customer_id": "c1", "name": "Ada"}}),
        ];
        let client = app.storefront();
        let first = client.post_lines("/v1/facts", &lines).expect(200);
        assert_eq!(counts(&first), [4, 0, 0, 0]);
        let before = app.membership_at("c1", "2024-07-01T00:00:00Z");
        let again = client.post_lines("/v1/facts", &lines).expect(200);
        assert_eq!(counts(&again), [0, 0, 4, 0]);
        assert_eq!(app.membership_at("c1", "2024-07-01T00:00:00Z"), before);
        let corrected = client.post_lines("/v1/facts", &[order_line("o1", "c1", "200.00")]).expect(200);
        assert_eq!(outcomes(&corrected), expected(&[(1, "changed")]));
        assert_eq!(app.membership("c1")["progress"]["amount_spent"], "170.00");
    }

    fn a_batch_gives_what_its_facts_give_one_by_one(app) {
        app.set_up(json!({}));
        app.set_tiers(&[("bronze", "0"), ("silver", "100.00"), ("gold", "200.00")]);
        let mut lines = Vec::new();
        for i in 0..10 {
            let at = format!("2024-06-{:02}T00:00:00Z", 20 - i);
            let mut fact = order("batch", &at, "25.50");
            fact["order_id"] = json!(format!("b{i}"));
            lines.push(json!({"order": fact}));
            app.order(&format!("s{i}"), "single", &at, "25.50").expect(201);
        }
        app.storefront().post_lines("/v1/facts", &lines).expect(200);
        let read = |customer: &str| {
            let mut membership = app.membership_at(customer, "2024-07-01T00:00:00Z");
            membership.as_object_mut().unwrap().remove("customer_id");
            membership
        };
        assert_eq!(read("batch"), read("single"));
        assert_eq!(read("batch")["tier"]["code"], "gold");
    }

    fn a_refund_may_be_of_an_order_that_is_stored_already(app) {
        app.set_up(json!({}));
        app.order("o1", "c1", NOON, "100.00").expect(201);
        let lines = [
            refund_line("r2", "o1", "2024-06-09T00:00:00Z", "60.00"),
            refund_line("r1", "o1", "2024-06-08T00:00:00Z", "60.00"),
        ];
        // The earlier one is stored first, and nothing is left for the later.
        let answer = app.storefront().post_lines("/v1/facts", &lines).expect(200);
        assert_eq!(outcomes(&answer), expected(&[(1, "refund_exceeds_order"), (2, "created")]));
        assert_eq!(app.membership("c1")["progress"]["amount_spent"], "40.00");
    }

    fn a_batch_that_is_refused_as_a_whole_makes_no_customer(app) {
        app.set_up(json!({}));
        let mut foreign = order_line("o1", "c1", "10.00");
        foreign["order"]["currency"] = json!("EUR");
        let mut ahead = order_line("o2", "c1", "10.00");
        ahead["order"]["placed_at"] = json!(from_now(365 * 86_400));
        let lines = [foreign, ahead, order_line("o3", "c2", "10.00")];
        let answer = app.storefront().post_lines("/v1/facts", &lines).expect(200);
        let all = [(1, "currency_mismatch"), (2, "too_far_ahead"), (3, "created")];
        assert_eq!(outcomes(&answer), expected(&all));
        app.storefront().get("/v1/customers/c1").expect_problem(404, "not_found");
        app.storefront().get("/v1/customers/c2").expect(200);
    }

    fn lines_are_refused_as_their_requests_would_be(app) {
        app.set_up(json!({}));
        app.order("o1", "c1", NOON, "10.00").expect(201);
        app.refund("r1", "o1", "2024-06-08T12:00:00Z", "5.00").expect(201);
        app.points("a1", "c1", NOON, 5).expect(201);
        app.storefront().put("/v1/customers/gone", &json!({})).expect(201);
        app.storefront().delete("/v1/customers/gone").expect(204);
        let lines = [
            order_line("o1", "c2", "10.00"),
            order_line("o1", "c1", "4.99"),
            refund_line("r1", "o1", "2024-06-08T12:00:00Z", "4.00"),
            refund_line("r2", "o1", "2024-06-08T12:00:00Z", "5.01"),
            refund_line("r3", "o1", "2024-06-08T12:00:00Z", "1.234"),
            points_line("a1", "c2", 5),
            json!({"customer": {"customer_id": "gone", "name": "Ada"}}),
        ];
        let answer = app.storefront().post_lines("/v1/facts", &lines).expect(200);
        let all = [
            (1, "order_customer_fixed"),
            (2, "total_below_refunds"),
            (3, "refund_immutable"),
            (4, "refund_exceeds_order"),
            (5, "amount_not_in_currency"),
            (6, "activity_fixed"),
            (7, "customer_erased"),
        ];
        assert_eq!(outcomes(&answer), expected(&all));
        assert_eq!(app.membership("c1")["progress"]["amount_spent"], "5.00");
    }

    fn a_line_shows_all_of_its_faults_by_their_places(app) {
        app.set_up(json!({}));
        let lines = [
            json!({}),
            json!([]),
            json!({"gift": {"gift_id": "g1"}}),
            json!({"order": {}, "refund": {}}),
            json!({"order": order("c1", NOON, "1.00")}),
            order_line("a b", "c1", "1.00"),
            json!({"refund": {"refund_id": "r1", "bogus": 1, "amount": "0"}}),
            json!({"customer": {"customer_id": "c1", "tags": ["a", "a"]}}),
        ];
        let answer = app.storefront().post_lines("/v1/facts", &lines).expect(200);
        assert_eq!(counts(&answer), [0, 0, 0, 8]);
        let pointers: Vec<Vec<&str>> = answer.body["results"]
            .as_array()
            .unwrap()
            .iter()
            .map(|result| {
                let errors = result["problem"]["errors"].as_array().unwrap();
                errors.iter().map(|fault| fault["pointer"].as_str().unwrap()).collect()
            })
            .collect();
        assert_eq!(pointers[..4], [[""], [""], [""], [""]]);
        assert_eq!(pointers[4], ["/order/order_id"]);
        assert_eq!(pointers[5], ["/order/order_id"]);
        assert_eq!(pointers[6], ["/refund/bogus", "/refund/order_id", "/refund/refunded_at"]);
        assert_eq!(pointers[7], ["/customer/tags"]);
    }

    fn an_empty_batch_is_fine(app) {
        app.set_up(json!({}));
        let answer = app.storefront().post_lines("/v1/facts", &[]).expect(200);
        assert_eq!(counts(&answer), [0, 0, 0, 0]);
        assert_eq!(answer.body["results"], json!([]));
    }

    fn a_batch_has_its_limits(app) {
        app.set_up(json!({}));
        let client = app.storefront();
        let send = |kind: &str, text: String| client.send("POST", "/v1/facts", Some((kind, text)));
        let line = order_line("o1", "c1", "1.00").to_string();
        send("application/json", line.clone()).expect_problem(415, "unsupported_media_type");
        send("text/plain", line).expect_problem(415, "unsupported_media_type");
        let too_large = " ".repeat(8 * 1024 * 1024 + 1);
        send("application/x-ndjson", too_large).expect_problem(413, "body_too_large");
        let too_many = send("application/x-ndjson", "{}\n".repeat(10_001));
        assert_eq!(too_many.expect_problem(422, "invalid_request").pointers(), [""]);
        let most = send("application/x-ndjson", "{}\n".repeat(10_000)).expect(200);
        assert_eq!(counts(&most), [0, 0, 0, 10_000]);
        let no_text = Some(("application/x-ndjson", vec![0xff, 0xfe, b'\n']));
        client.send_bytes("POST", "/v1/facts", no_text).expect_problem(400, "malformed_json");
        client.get("/v1/customers/c1").expect_problem(404, "not_found");
    }

    fn another_stores_order_is_unknown_to_a_refund(app) {
        app.set_up(json!({}));
        app.order("o1", "c1", NOON, "10.00").expect(201);
        let other = neighbour(app, Role::Storefront);
        let lines = [
            refund_line("r1", "o1", NOON, "1.00"),
            order_line("o1", "c1", "3.00"),
            refund_line("r1", "absent", NOON, "1.00"),
        ];
        let answer = other.post_lines("/v1/facts", &lines[..1]).expect(200);
        assert_eq!(outcomes(&answer), expected(&[(1, "unknown_order")]));
        let absent = other.post_lines("/v1/facts", &lines[2..]).expect(200);
        assert_eq!(absent.text, answer.text);
        let answer = other.post_lines("/v1/facts", &lines[..2]).expect(200);
        assert_eq!(outcomes(&answer), expected(&[(1, "created"), (2, "created")]));
        assert_eq!(app.membership("c1")["lifetime"]["amount_spent"], "10.00");
    }
}
