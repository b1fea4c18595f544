//! Worked examples: the badges of customers.

use crate::support::*;
use accolade::api::auth::Role;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

const NOON: &str = "2024-06-01T12:00:00Z";
/// The four statuses and their colours, by rising gravity.
const COLOURS: [(&str, &str); 4] =
    [("active", "green"), ("vip", "blue"), ("caution", "amber"), ("do_not_serve", "red")];

fn know(app: &App, customer: &str) {
    let path = format!("/v1/customers/{customer}");
    app.storefront().put(&path, &json!({"name": format!("{customer} Byron")})).expect(201);
}

/// Sets a status as a manager, with a note.
fn set(app: &App, customer: &str, status: &str, note: &str) -> Value {
    let body = json!({"status": status, "note": note});
    app.manager().put(&format!("/v1/customers/{customer}/status"), &body).expect(200).body
}

/// What support reads under a path.
fn read(app: &App, path: &str) -> Value {
    app.support().get(path).expect(200).body
}

fn status(app: &App, customer: &str) -> Value {
    read(app, &format!("/v1/customers/{customer}/status"))
}

fn badge(app: &App, customer: &str) -> Value {
    read(app, &format!("/v1/customers/{customer}/badge"))
}

/// A customer of each status, who goes by its name.
fn one_of_each(app: &App) {
    app.set_up(json!({}));
    for (word, _) in COLOURS {
        know(app, word);
        if word != "active" {
            set(app, word, word, "Agreed at the counter.");
        }
    }
}

/// An order that is not fulfilled yet.
fn open_order(app: &App, order: &str, customer: &str) -> Answer {
    let body = json!({
        "customer_id": customer, "status": "pending", "total": "60.00", "currency": "GBP",
        "placed_at": NOON,
    });
    app.storefront().put(&format!("/v1/orders/{order}"), &body)
}

/// A field of each row of a list.
fn column(body: &Value, list: &str, field: &str) -> Vec<String> {
    let rows = body[list].as_array().unwrap();
    rows.iter().map(|row| row[field].as_str().unwrap().to_owned()).collect()
}

/// Whom the list of customers names.
fn customers(app: &App, query: &str) -> Vec<String> {
    column(&read(app, &format!("/v1/customers?{query}")), "customers", "customer_id")
}

on_both! {
    fn there_are_four_statuses_each_with_its_colour(app) {
        one_of_each(app);
        for (word, colour) in COLOURS {
            let expected = (&json!(word), &json!(colour));
            let told = status(app, word);
            assert_eq!((&told["status"], &told["colour"]), expected);
            let badge = badge(app, word);
            assert_eq!((&badge["status"], &badge["colour"]), expected);
        }
        let body = json!({"status": "banned", "note": "Is no status."});
        let answer = app.manager().put("/v1/customers/active/status", &body);
        assert_eq!(answer.expect_problem(422, "invalid_request").pointers(), ["/status"]);
    }

    fn every_customer_starts_active(app) {
        app.set_up(json!({}));
        know(app, "ada");
        app.order("o1", "ben", NOON, "60.00").expect(201);
        for customer in ["ada", "ben"] {
            let expected = json!({
                "customer_id": customer, "status": "active", "colour": "green", "note": null,
                "changed_at": null, "changed_by": null,
            });
            assert_eq!(status(app, customer), expected);
            assert_eq!(badge(app, customer)["warnings"], json!([]));
            let history = read(app, &format!("/v1/customers/{customer}/status/history"));
            assert_eq!(history, json!({"changes": [], "next_cursor": null}));
        }
    }

    fn the_list_of_customers_carries_the_status_and_is_sorted_and_filtered_by_it(app) {
        one_of_each(app);
        let list = read(app, "/v1/customers?sort=-status");
        let gravest_first = ["do_not_serve", "caution", "vip", "active"];
        assert_eq!(column(&list, "customers", "customer_id"), gravest_first);
        assert_eq!(column(&list, "customers", "status"), gravest_first);
        assert_eq!(customers(app, "sort=status"), ["active", "vip", "caution", "do_not_serve"]);
        for (word, _) in COLOURS {
            assert_eq!(customers(app, &format!("status={word}")), [word]);
        }
    }

    fn profile_orders_and_their_lists_and_one_look_up_for_many_say_the_status(app) {
        one_of_each(app);
        let mut expected = Vec::new();
        for (word, colour) in COLOURS {
            assert_eq!(read(app, &format!("/v1/customers/{word}"))["status"], word);
            let order = format!("o-{word}");
            let answer = open_order(app, &order, word).expect(201);
            assert_eq!(answer.body["order"]["customer_status"], word);
            assert_eq!(read(app, &format!("/v1/orders/{order}"))["customer_status"], word);
            let beside = read(app, &format!("/v1/orders/{order}/badge"));
            let told = json!([
                beside["order_id"], beside["customer_id"], beside["name"], beside["status"],
                beside["colour"],
            ]);
            assert_eq!(told, json!([order, word, format!("{word} Byron"), word, colour]));
            let list = read(app, &format!("/v1/orders?customer_status={word}"));
            assert_eq!(column(&list, "orders", "order_id"), [order.as_str()]);
            expected.push(colour.to_owned());
        }
        // One look-up for a whole bench.
        let orders: Vec<String> = COLOURS.iter().map(|(word, _)| format!("o-{word}")).collect();
        let all = app.support().post("/v1/badges", &json!({"order_ids": orders})).expect(200).body;
        assert_eq!(column(&all, "badges", "order_id"), orders);
        assert_eq!(column(&all, "badges", "colour"), expected);
        assert_eq!(all["unknown_ids"], json!([]));
    }

    fn a_warning_fires_where_a_linked_customer_carries_caution_or_do_not_serve(app) {
        one_of_each(app);
        know(app, "ada");
        let household = json!({"relation": "household"});
        for (word, _) in COLOURS {
            let path = format!("/v1/customers/ada/links/{word}");
            app.support().put(&path, &household).expect(201);
        }
        let warning = |customer: &str, status: &str| {
            json!({"customer_id": customer, "relation": "household", "status": status})
        };
        let mut warnings = badge(app, "ada")["warnings"].clone();
        warnings.as_array_mut().unwrap().sort_by_key(|warning| warning["status"].to_string());
        let both = [warning("caution", "caution"), warning("do_not_serve", "do_not_serve")];
        assert_eq!(warnings, json!(both));
        assert_eq!(badge(app, "ada")["status"], "active", "the link changes no status");
        open_order(app, "o1", "ada").expect(201);
        let beside = read(app, "/v1/orders/o1/badge");
        assert_eq!(beside["warnings"].as_array().unwrap().len(), 2);

        // It is gone with the flag, and comes with one, on either side.
        set(app, "caution", "active", "Settled.");
        assert_eq!(badge(app, "ada")["warnings"], json!([warning("do_not_serve", "do_not_serve")]));
        assert_eq!(badge(app, "vip")["warnings"], json!([]));
        set(app, "ada", "caution", "A disputed payment.");
        assert_eq!(badge(app, "vip")["warnings"], json!([warning("ada", "caution")]));
        assert_eq!(badge(app, "vip")["status"], "vip");
    }

    fn a_status_is_set_with_a_note_and_the_operator_is_recorded(app) {
        app.set_up(json!({}));
        know(app, "ada");
        let path = "/v1/customers/ada/status";
        let put = |body: Value| app.support().put(path, &body);
        let answer = put(json!({"status": "caution"})).expect_problem(422, "invalid_request");
        assert_eq!(answer.pointers(), ["/note"]);
        assert_eq!(status(app, "ada")["status"], "active");

        let told = put(json!({"status": "caution", "note": "Rude to the driver."})).expect(200).body;
        assert_eq!((&told["status"], &told["note"]), (&json!("caution"), &json!("Rude to the driver.")));
        assert_eq!(told["changed_by"], "tester");
        assert!(told["changed_at"].is_string());
        assert_eq!(status(app, "ada"), told);
        assert_eq!(badge(app, "ada")["note"], "Rude to the driver.");
        set(app, "ada", "do_not_serve", "Three chargebacks.");
        set(app, "ada", "active", "Paid in full.");

        let history = read(app, "/v1/customers/ada/status/history");
        let changes: Vec<Value> = history["changes"]
            .as_array()
            .unwrap()
            .iter()
            .map(|c| json!([c["from"], c["to"], c["by"], c["role"], c["note"]]))
            .collect();
        let expected = [
            json!(["do_not_serve", "active", "tester", "manager", "Paid in full."]),
            json!(["caution", "do_not_serve", "tester", "manager", "Three chargebacks."]),
            json!(["active", "caution", "tester", "support", "Rude to the driver."]),
        ];
        assert_eq!(changes, expected);

        let log = "/v1/audit?customer_id=ada&action=status_changed";
        let log = app.manager().get(log).expect(200).body;
        let entries: Vec<Value> = log["entries"]
            .as_array()
            .unwrap()
            .iter()
            .map(|e| json!([e["subject"], e["role"], e["note"]]))
            .collect();
        let expected = [
            json!(["tester", "manager", "Paid in full."]),
            json!(["tester", "manager", "Three chargebacks."]),
            json!(["tester", "support", "Rude to the driver."]),
        ];
        assert_eq!(entries, expected);
    }

    fn support_and_everyone_above_set_a_status_and_the_shops_backend_does_not(app) {
        app.set_up(json!({}));
        know(app, "ada");
        let body = json!({"status": "caution", "note": "A disputed payment."});
        let path = "/v1/customers/ada/status";
        app.storefront().put(path, &body).expect_problem(403, "forbidden");
        app.storefront().get(path).expect_problem(403, "forbidden");
        for role in [Role::Support, Role::Manager, Role::Administrator, Role::PlatformAdmin] {
            app.client(role).put(path, &body).expect(200);
        }
    }

    fn an_order_of_a_customer_not_to_be_served_is_stored_and_flagged_and_not_blocked(app) {
        app.set_up(json!({}));
        know(app, "ada");
        set(app, "ada", "do_not_serve", "Three chargebacks.");
        let stored = open_order(app, "o1", "ada").expect(201).body;
        assert_eq!(stored["order"]["customer_status"], "do_not_serve");
        assert_eq!(stored["order"]["status"], "pending");
        let list = read(app, "/v1/orders?status=pending&customer_status=do_not_serve");
        assert_eq!(column(&list, "orders", "order_id"), ["o1"]);
        let beside = read(app, "/v1/orders/o1/badge");
        assert_eq!((&beside["colour"], &beside["note"]), (&json!("red"), &json!("Three chargebacks.")));

        let started = Instant::now();
        let flagged = loop {
            let feed = app.manager().get("/v1/events?after=0").expect(200).body;
            let events = feed["events"].as_array().unwrap();
            if let Some(event) = events.iter().find(|event| event["kind"] == "order_flagged") {
                break event.clone();
            }
            assert!(started.elapsed() < Duration::from_secs(10), "{feed}");
            std::thread::sleep(Duration::from_millis(50));
        };
        assert_eq!(flagged["customer_id"], "ada");
        assert_eq!(flagged["data"], json!({"order_id": "o1", "status": "do_not_serve"}));

        // Staff decide: this one is called off and paid back, another one is sent after all.
        app.refund("r1", "o1", NOON, "60.00").expect(201);
        let called_off = json!({
            "customer_id": "ada", "status": "cancelled", "total": "60.00", "currency": "GBP",
            "placed_at": NOON,
        });
        app.storefront().put("/v1/orders/o1", &called_off).expect(200);
        app.order("o2", "ada", NOON, "25.00").expect(201);
        assert_eq!(spent(&app.membership("ada")), "25.00");
        assert_eq!(status(app, "ada")["status"], "do_not_serve");
    }

    fn caution_is_no_reason_to_treat_a_vip_any_less_and_do_not_serve_is(app) {
        app.set_up(json!({}));
        let gift = json!({"name": "A card", "kind": "gift"});
        app.admin().put("/v1/benefits/card", &gift).expect(201);
        let tier = json!({"name": "Gold", "rank": 1, "icon": "gold", "benefits": ["card"]});
        app.admin().put("/v1/tiers/gold", &tier).expect(201);
        know(app, "ada");
        let path = "/v1/customers/ada/designation";
        app.manager().put(path, &json!({"tier": "gold"})).expect(201);
        let treatment = || {
            let badge = badge(app, "ada");
            let label = &badge["label"];
            let codes = column(&badge, "benefits", "code");
            json!([badge["status"], codes, label["icon"], label["handling_note"]])
        };
        let note = "VIP Customer - Premium Service";
        assert_eq!(treatment(), json!(["vip", ["card"], "gold", note]));
        set(app, "ada", "caution", "A disputed payment.");
        assert_eq!(treatment(), json!(["caution", ["card"], "gold", note]));
        set(app, "ada", "do_not_serve", "Three chargebacks.");
        assert_eq!(treatment(), json!(["do_not_serve", [], null, null]));
        assert_eq!(badge(app, "ada")["label"]["no_icon_reason"], "do_not_serve");
        // The designation is still there: without the flag it shows again.
        set(app, "ada", "active", "Paid in full.");
        assert_eq!(treatment(), json!(["vip", ["card"], "gold", note]));
    }
}
