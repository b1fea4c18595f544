//! Badges: the one look-up that says how to treat a customer, and its picture.

use super::{assert_same_404, ids, neighbour};
use crate::support::*;
use accolade::api::auth::Role;
use serde_json::{Value, json};

const NOON: &str = "2024-06-01T12:00:00Z";
/// What no picture may hold as it is.
const NASTY: &str = "<script>&\"'";

/// A store with benefits, and tiers that carry them. It has no entry tier.
fn set_up(app: &App) {
    app.set_up(json!({}));
    for (code, body) in [
        ("care", json!({"name": "Extra care", "kind": "packing"})),
        ("gift", json!({"name": "Bonus item", "kind": "gift"})),
        (
            "line",
            json!({
                "name": "VIP line", "kind": "dedicated_contact", "contact": "vip@shop.example",
                "response_minutes": 60, "must_end_first": true,
            }),
        ),
        ("soon", json!({"name": "Early access", "kind": "early_access", "early_access_hours": 24})),
        ("ten", json!({"name": "Ten off", "kind": "discount", "discount_percent": "10"})),
    ] {
        app.admin().put(&format!("/v1/benefits/{code}"), &body).expect(201);
    }
    let tiers = json!({"tiers": [
        {
            "code": "silver", "name": "Silver", "rank": 1, "threshold": "500.00", "icon": "silver",
            "priority": "low", "team": "desk", "benefits": ["gift"],
        },
        {
            "code": "gold", "name": "Gold", "rank": 2, "threshold": "1000.00", "icon": "gold",
            "priority": "high", "team": "vip-desk", "benefits": ["care", "line"],
        },
    ]});
    app.admin().put("/v1/tiers", &tiers).expect(200);
}

/// A customer of whom this is known.
fn known(app: &App, customer: &str, body: &Value) {
    app.storefront().put(&format!("/v1/customers/{customer}"), body).expect(201);
}

fn designate(app: &App, customer: &str, body: &Value) {
    app.manager().put(&format!("/v1/customers/{customer}/designation"), body).expect(201);
}

/// Changes some fields of a designation.
fn amend(app: &App, customer: &str, body: &Value) {
    app.manager().patch(&format!("/v1/customers/{customer}/designation"), body).expect(200);
}

fn flag(app: &App, customer: &str, status: &str) {
    let path = format!("/v1/customers/{customer}/status");
    app.support().put(&path, &json!({"status": status, "note": "a reason"})).expect(200);
}

fn link(app: &App, customer: &str, other: &str, relation: &str) {
    let path = format!("/v1/customers/{customer}/links/{other}");
    app.support().put(&path, &json!({"relation": relation})).expect(201);
}

fn badge(app: &App, customer: &str) -> Value {
    app.support().get(&format!("/v1/customers/{customer}/badge")).expect(200).body
}

fn order_badge(app: &App, order: &str) -> Value {
    app.support().get(&format!("/v1/orders/{order}/badge")).expect(200).body
}

/// The badges of many.
fn batch(app: &App, body: &Value) -> Value {
    app.support().post("/v1/badges", body).expect(200).body
}

fn svg(app: &App, customer: &str) -> Answer {
    app.support().get(&format!("/v1/customers/{customer}/badge.svg")).expect(200)
}

/// A badge without the instant that it holds for.
fn timeless(mut badge: Value) -> Value {
    let as_of = badge.as_object_mut().unwrap().remove("as_of");
    assert!(as_of.is_some_and(|at| at.is_string()), "{badge}");
    badge
}

/// The codes of a badge's benefits.
fn benefits(badge: &Value) -> String {
    let mut codes = ids(badge, "benefits", "code");
    codes.sort_unstable();
    codes.join(" ")
}

/// The warnings of a badge: customer, relation and status.
fn warnings(badge: &Value) -> Vec<String> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let warnings = badge["warnings"].as_array().unwrap();
    let mut found: Vec<String> = warnings
        .iter()
        .map(|of| ["customer_id", "relation", "status"].map(|field| text(&of[field])).join(" "))
        .collect();
    found.sort_unstable();
    found
}

/// Insists that a picture is XML: each tag is closed in its turn, and `&` begins an entity.
fn assert_well_formed(svg: &str) {
    let mut open: Vec<&str> = Vec::new();
    for part in svg.split('<').skip(1) {
        let (tag, _) = part.split_once('>').unwrap();
        if let Some(name) = tag.strip_prefix('/') {
            assert_eq!(open.pop(), Some(name.trim()), "{svg}");
        } else if !tag.ends_with('/') && !tag.starts_with(['?', '!']) {
            open.push(tag.split_whitespace().next().unwrap());
        }
    }
    assert!(open.is_empty(), "{open:?} stays open in {svg}");
    for after in svg.split('&').skip(1) {
        let entity = after.split(';').next().unwrap();
        let is_known = ["amp", "lt", "gt", "quot", "apos"].contains(&entity);
        assert!(is_known || entity.starts_with('#'), "&{entity} in {svg}");
    }
}

on_both! {
    fn a_vips_badge_says_everything_at_once(app) {
        set_up(app);
        known(app, "c1", &json!({
            "name": "Ada Byron", "joined_at": "2024-01-01T00:00:00Z", "preferred_channel": "phone",
        }));
        app.order("o1", "c1", NOON, "100.00").expect(201);
        designate(app, "c1", &json!({
            "tier": "gold", "benefits": ["soon", "ten"], "benefits_dropped": ["line"],
            "notes": "likes tea", "assigned_to": "sam",
        }));
        let all = timeless(badge(app, "c1"));
        for (field, expected) in [
            ("customer_id", json!("c1")),
            ("order_id", Value::Null),
            ("name", json!("Ada Byron")),
            ("status", json!("vip")),
            ("colour", json!("blue")),
            ("note", json!("likes tea")),
            ("tier", json!({"code": "gold", "name": "Gold", "rank": 2, "icon": "gold"})),
            ("routing", json!({
                "priority": "high", "team": "vip-desk", "assigned_to": "sam", "preferred_channel": "phone",
            })),
            ("warnings", json!([])),
            ("lifetime", json!({
                "amount_spent": "100.00", "orders_placed": 1, "points_earned": 100,
                "member_since": "2024-01-01T00:00:00Z", "last_order_at": NOON,
            })),
        ] {
            assert_eq!(all[field], expected, "{field}");
        }
        let mut label = all["label"].clone();
        let version = label.as_object_mut().unwrap().remove("version").unwrap();
        assert!(!version.as_str().unwrap().is_empty());
        let expected = json!({
            "icon": "gold", "tier_name": "Gold", "handling_note": "VIP Customer - Premium Service",
            "no_icon_reason": null,
        });
        assert_eq!(label, expected);
        assert_eq!(benefits(&all), "care soon ten");
        // The same by the order, but for its identifier.
        let mut by_order = timeless(order_badge(app, "o1"));
        assert_eq!(by_order["order_id"], "o1");
        by_order["order_id"] = Value::Null;
        assert_eq!(by_order, all);
    }

    fn benefits_come_with_their_parameters(app) {
        set_up(app);
        known(app, "c1", &json!({}));
        designate(app, "c1", &json!({"tier": "gold", "benefits": ["soon", "ten"]}));
        let badge = badge(app, "c1");
        assert_eq!(benefits(&badge), "care line soon ten");
        let found = |code: &str, field: &str| {
            let all = badge["benefits"].as_array().unwrap();
            all.iter().find(|benefit| benefit["code"] == code).unwrap()[field].clone()
        };
        for (code, field, expected) in [
            ("care", "name", json!("Extra care")),
            ("care", "kind", json!("packing")),
            ("care", "must_end_first", json!(false)),
            ("line", "kind", json!("dedicated_contact")),
            ("line", "contact", json!("vip@shop.example")),
            ("line", "response_minutes", json!(60)),
            ("line", "must_end_first", json!(true)),
            ("soon", "early_access_hours", json!(24)),
            ("soon", "discount_percent", Value::Null),
            ("ten", "discount_percent", json!("10")),
            ("ten", "early_access_hours", Value::Null),
        ] {
            assert_eq!(found(code, field), expected, "{code} {field}");
        }
    }

    fn a_customer_of_whom_nothing_is_known_has_a_plain_badge(app) {
        set_up(app);
        known(app, "c1", &json!({}));
        let plain = badge(app, "c1");
        for (field, expected) in [
            ("name", Value::Null),
            ("status", json!("active")),
            ("colour", json!("green")),
            ("note", Value::Null),
            ("tier", Value::Null),
            ("benefits", json!([])),
            ("warnings", json!([])),
            ("routing", json!({
                "priority": "normal", "team": null, "assigned_to": null, "preferred_channel": null,
            })),
        ] {
            assert_eq!(plain[field], expected, "{field}");
        }
        for (field, expected) in [
            ("amount_spent", json!("0.00")),
            ("orders_placed", json!(0)),
            ("points_earned", json!(0)),
            ("last_order_at", Value::Null),
        ] {
            assert_eq!(plain["lifetime"][field], expected, "{field}");
        }
        let label = &plain["label"];
        assert_eq!((&label["icon"], &label["handling_note"]), (&Value::Null, &Value::Null));
        assert_eq!(label["no_icon_reason"], "designation_not_active");
    }

    fn a_member_without_a_designation_has_a_tier_and_its_benefits_and_no_icon(app) {
        set_up(app);
        app.order("o1", "c1", NOON, "500.00").expect(201);
        let member = badge(app, "c1");
        assert_eq!((&member["status"], &member["colour"]), (&json!("active"), &json!("green")));
        assert_eq!(member["tier"], json!({"code": "silver", "name": "Silver", "rank": 1, "icon": "silver"}));
        assert_eq!(benefits(&member), "gift");
        assert_eq!(member["routing"]["priority"], "low");
        assert_eq!(member["routing"]["team"], "desk");
        let label = &member["label"];
        assert_eq!((&label["icon"], &label["handling_note"]), (&Value::Null, &Value::Null));
        assert_eq!(label["no_icon_reason"], "designation_not_active");
    }

    fn the_effective_tier_is_the_higher_of_the_memberships_and_an_active_designations(app) {
        set_up(app);
        let tier_of = |customer: &str| badge(app, customer)["tier"]["code"].clone();
        for (customer, spent, designated, effective) in [
            ("c1", "500.00", json!("gold"), "gold"),
            ("c2", "1000.00", json!("silver"), "gold"),
            ("c3", "1000.00", json!("gold"), "gold"),
            ("c4", "500.00", Value::Null, "silver"),
            ("c5", "1.00", json!("silver"), "silver"),
        ] {
            app.order(&format!("o-{customer}"), customer, NOON, spent).expect(201);
            designate(app, customer, &json!({"tier": designated}));
            assert_eq!(tier_of(customer), effective, "{customer}");
        }
        // One that rests gives no tier.
        amend(app, "c1", &json!({"state": "paused"}));
        amend(app, "c5", &json!({"state": "paused"}));
        assert_eq!((tier_of("c1"), tier_of("c5")), (json!("silver"), Value::Null));
        amend(app, "c1", &json!({"state": "active"}));
        assert_eq!(tier_of("c1"), "gold");
        let removal = json!({"reason": "other", "confirm": true});
        app.manager().post("/v1/customers/c2/designation/removal", &removal).expect(200);
        assert_eq!(tier_of("c2"), "gold");
    }

    fn where_no_icon_is_printed_the_label_says_why(app) {
        set_up(app);
        known(app, "c1", &json!({}));
        let assert_label = |icon: Option<&str>, reason: Option<&str>| {
            let label = badge(app, "c1")["label"].clone();
            assert_eq!(label["icon"].as_str(), icon, "{label}");
            assert_eq!(label["no_icon_reason"].as_str(), reason, "{label}");
            label["handling_note"].clone()
        };
        let note = json!("VIP Customer - Premium Service");
        let switch = |shows: bool| {
            app.admin().patch("/v1/program", &json!({"label_shows_icon": shows})).expect(200);
        };
        let print = |prints: bool| {
            app.storefront().patch("/v1/customers/c1", &json!({"print_vip_icon": prints})).expect(200);
        };
        assert_eq!(assert_label(None, Some("designation_not_active")), Value::Null);
        designate(app, "c1", &json!({"tier": "gold"}));
        assert_eq!(assert_label(Some("gold"), None), note);
        amend(app, "c1", &json!({"state": "paused"}));
        assert_eq!(assert_label(None, Some("designation_not_active")), Value::Null);
        amend(app, "c1", &json!({"state": "active"}));
        assert_eq!(assert_label(Some("gold"), None), note);
        print(false);
        assert_eq!(assert_label(None, Some("icon_off_for_customer")), note);
        print(true);
        switch(false);
        assert_eq!(assert_label(None, Some("template_without_icon")), note);
        switch(true);
        flag(app, "c1", "do_not_serve");
        assert_eq!(assert_label(None, Some("do_not_serve")), Value::Null);
        flag(app, "c1", "active");
        assert_eq!(assert_label(Some("gold"), None), note);
        amend(app, "c1", &json!({"benefits_dropped": ["line"]}));
        let removal = json!({"reason": "other", "confirm": true});
        app.manager().post("/v1/customers/c1/designation/removal", &removal).expect(200);
        assert_eq!(assert_label(None, Some("designation_not_active")), Value::Null);
    }

    fn a_labels_version_changes_exactly_when_the_label_does(app) {
        set_up(app);
        known(app, "c1", &json!({"name": "Ada"}));
        known(app, "c2", &json!({}));
        designate(app, "c1", &json!({"tier": "gold"}));
        let read = || {
            let mut label = badge(app, "c1")["label"].clone();
            let version = label.as_object_mut().unwrap().remove("version").unwrap();
            (label, version)
        };
        let mut last = read();
        let mut assert_step = |what: &str, is_new: bool| {
            let now = read();
            assert_eq!(now.0 != last.0, is_new, "the label after {what}: {}", now.0);
            assert_eq!(now.1 != last.1, is_new, "the version after {what}: {}", now.1);
            last = now;
        };
        let silver = |name: &str, icon: &str| {
            let body = json!({
                "name": name, "rank": 1, "threshold": "500.00", "icon": icon, "benefits": ["gift"],
            });
            app.admin().put("/v1/tiers/silver", &body).expect(200);
        };
        let set = |settings: Value| {
            app.admin().patch("/v1/program", &settings).expect(200);
        };
        let state = |body: Value| {
            app.storefront().patch("/v1/customers/c1", &body).expect(200);
        };
        assert_step("another look", false);
        app.order("o1", "c1", NOON, "1.00").expect(201);
        assert_step("an order", false);
        flag(app, "c1", "caution");
        assert_step("caution", false);
        flag(app, "c1", "active");
        assert_step("all clear", false);
        link(app, "c1", "c2", "household");
        flag(app, "c2", "do_not_serve");
        assert_step("a warning", false);
        let body = json!({
            "notes": "likes tea", "assigned_to": "sam", "priority": "urgent", "benefits": ["ten"],
        });
        amend(app, "c1", &body);
        assert_step("what is not on the label", false);
        silver("Argent", "silver");
        assert_step("another tier's new name", false);
        amend(app, "c1", &json!({"tier": "silver"}));
        assert_step("another tier", true);
        silver("Silver", "silver");
        assert_step("the tier's new name", true);
        silver("Silver", "heart");
        assert_step("the tier's new icon", true);
        amend(app, "c1", &json!({"state": "paused"}));
        assert_step("a pause", true);
        amend(app, "c1", &json!({"state": "active"}));
        assert_step("the end of the pause", true);
        state(json!({"print_vip_icon": false}));
        assert_step("an icon off", true);
        state(json!({"print_vip_icon": true}));
        assert_step("an icon on", true);
        state(json!({"name": "Ada Byron"}));
        assert_step("the customer's new name", false);
        set(json!({"label_shows_icon": false}));
        assert_step("a template without icon", true);
        set(json!({"label_shows_icon": true}));
        assert_step("a template with icon", true);
        set(json!({"name": "Circle"}));
        assert_step("the program's new name", false);
        flag(app, "c1", "do_not_serve");
        assert_step("do not serve", true);
        flag(app, "c1", "active");
        assert_step("all clear again", true);
    }

    fn routing_is_the_designations_or_else_the_effective_tiers(app) {
        set_up(app);
        known(app, "c1", &json!({"preferred_channel": "chat"}));
        let assert_routing = |priority: &str, team: Option<&str>, assigned_to: Option<&str>| {
            let expected = json!({
                "priority": priority, "team": team, "assigned_to": assigned_to,
                "preferred_channel": "chat",
            });
            assert_eq!(badge(app, "c1")["routing"], expected);
        };
        assert_routing("normal", None, None);
        app.order("o1", "c1", NOON, "500.00").expect(201);
        assert_routing("low", Some("desk"), None);
        designate(app, "c1", &json!({}));
        assert_routing("low", Some("desk"), None);
        amend(app, "c1", &json!({"tier": "gold"}));
        assert_routing("high", Some("vip-desk"), None);
        amend(app, "c1", &json!({"priority": "urgent"}));
        assert_routing("urgent", Some("vip-desk"), None);
        amend(app, "c1", &json!({"team": "north", "assigned_to": "sam"}));
        assert_routing("urgent", Some("north"), Some("sam"));
        // Lower than the tier's is what was asked for too.
        amend(app, "c1", &json!({"priority": "low"}));
        assert_routing("low", Some("north"), Some("sam"));
        amend(app, "c1", &json!({"priority": null, "team": null, "assigned_to": null}));
        assert_routing("high", Some("vip-desk"), None);
    }

    fn do_not_serve_withholds_benefits_and_label_until_it_is_cleared(app) {
        set_up(app);
        known(app, "c1", &json!({"name": "Ada"}));
        app.order("o1", "c1", NOON, "500.00").expect(201);
        designate(app, "c1", &json!({"tier": "gold", "benefits": ["ten"]}));
        let before = timeless(badge(app, "c1"));
        assert_ne!(before["benefits"], json!([]));
        flag(app, "c1", "do_not_serve");
        for denied in [
            badge(app, "c1"),
            order_badge(app, "o1"),
            batch(app, &json!({"customer_ids": ["c1"]}))["badges"][0].clone(),
            batch(app, &json!({"order_ids": ["o1"]}))["badges"][0].clone(),
        ] {
            assert_eq!((&denied["status"], &denied["colour"]), (&json!("do_not_serve"), &json!("red")));
            assert_eq!(denied["note"], "a reason");
            assert_eq!(denied["benefits"], json!([]));
            assert_eq!(denied["label"]["icon"], Value::Null);
            assert_eq!(denied["label"]["handling_note"], Value::Null);
            assert_eq!(denied["label"]["no_icon_reason"], "do_not_serve");
            assert_eq!(denied["tier"]["code"], "gold");
            assert_eq!(denied["lifetime"], before["lifetime"]);
        }
        flag(app, "c1", "active");
        assert_eq!(timeless(badge(app, "c1")), before);
    }

    fn caution_leaves_benefits_and_label_as_they_are(app) {
        set_up(app);
        known(app, "c1", &json!({"name": "Ada"}));
        app.order("o1", "c1", NOON, "500.00").expect(201);
        designate(app, "c1", &json!({"tier": "gold", "benefits": ["ten"]}));
        let mut expected = timeless(badge(app, "c1"));
        flag(app, "c1", "caution");
        expected["status"] = json!("caution");
        expected["colour"] = json!("amber");
        expected["note"] = json!("a reason");
        assert_eq!(timeless(badge(app, "c1")), expected);
    }

    fn a_linked_customers_flag_warns_until_it_is_cleared(app) {
        set_up(app);
        for customer in ["c1", "c2", "c3", "c4", "c5", "c6"] {
            known(app, customer, &json!({}));
        }
        app.order("o1", "c1", NOON, "1.00").expect(201);
        link(app, "c1", "c2", "household");
        link(app, "c3", "c1", "same-card");
        link(app, "c1", "c4", "household");
        link(app, "c1", "c5", "household");
        link(app, "c5", "c6", "household");
        assert_eq!(badge(app, "c1")["warnings"], json!([]));
        flag(app, "c2", "caution");
        flag(app, "c3", "do_not_serve");
        flag(app, "c6", "do_not_serve");
        designate(app, "c4", &json!({}));
        let expected = ["c2 household caution", "c3 same-card do_not_serve"];
        for warned in [
            badge(app, "c1"),
            order_badge(app, "o1"),
            batch(app, &json!({"customer_ids": ["c1"]}))["badges"][0].clone(),
            batch(app, &json!({"order_ids": ["o1"]}))["badges"][0].clone(),
        ] {
            assert_eq!(warnings(&warned), expected);
            // A warning is no flag of one's own.
            assert_eq!((&warned["status"], &warned["note"]), (&json!("active"), &Value::Null));
        }
        assert_eq!(warnings(&badge(app, "c5")), ["c6 household do_not_serve"]);
        assert_eq!(badge(app, "c2")["warnings"], json!([]));
        flag(app, "c2", "active");
        assert_eq!(warnings(&badge(app, "c1")), ["c3 same-card do_not_serve"]);
        flag(app, "c3", "caution");
        assert_eq!(warnings(&badge(app, "c1")), ["c3 same-card caution"]);
        app.support().delete("/v1/customers/c1/links/c3").expect(204);
        assert_eq!(badge(app, "c1")["warnings"], json!([]));
    }

    fn an_order_shows_its_customers_badge_whatever_becomes_of_it(app) {
        set_up(app);
        for (order, status) in [("o1", "pending"), ("o2", "cancelled")] {
            let body = json!({
                "customer_id": "c1", "status": status, "total": "500.00", "currency": "GBP",
                "placed_at": NOON,
            });
            app.storefront().put(&format!("/v1/orders/{order}"), &body).expect(201);
        }
        app.order("o3", "c1", NOON, "2.00").expect(201);
        for order in ["o1", "o2", "o3"] {
            let badge = order_badge(app, order);
            assert_eq!((&badge["customer_id"], &badge["order_id"]), (&json!("c1"), &json!(order)));
            assert_eq!(badge["lifetime"]["amount_spent"], "2.00");
            assert_eq!(badge["lifetime"]["orders_placed"], 1);
        }
    }

    fn many_badges_come_in_the_order_asked(app) {
        set_up(app);
        for (customer, name) in [("c1", "Ada"), ("c2", "Bob"), ("c3", "Zoe")] {
            known(app, customer, &json!({"name": name}));
            app.order(&format!("o-{customer}"), customer, NOON, "500.00").expect(201);
        }
        app.order("o-more", "c2", NOON, "500.00").expect(201);
        designate(app, "c3", &json!({"tier": "gold", "benefits": ["ten"]}));
        flag(app, "c2", "caution");
        let body = batch(app, &json!({"customer_ids": ["c3", "absent", "c1", "missing", "c2"]}));
        assert_eq!(ids(&body, "badges", "customer_id"), ["c3", "c1", "c2"]);
        assert_eq!(body["unknown_ids"], json!(["absent", "missing"]));
        assert_eq!(body["recalculating"], false);
        for found in body["badges"].as_array().unwrap() {
            let single = badge(app, found["customer_id"].as_str().unwrap());
            assert_eq!(timeless(found.clone()), timeless(single));
        }
        let asked = json!({"order_ids": ["o-more", "o-c3", "absent", "o-c2"]});
        let body = batch(app, &asked);
        assert_eq!(ids(&body, "badges", "order_id"), ["o-more", "o-c3", "o-c2"]);
        assert_eq!(ids(&body, "badges", "customer_id"), ["c2", "c3", "c2"]);
        assert_eq!(body["unknown_ids"], json!(["absent"]));
        for found in body["badges"].as_array().unwrap() {
            let single = order_badge(app, found["order_id"].as_str().unwrap());
            assert_eq!(timeless(found.clone()), timeless(single));
        }
        // An order's identifier is no customer's.
        let body = batch(app, &json!({"customer_ids": ["o-c1"]}));
        assert_eq!((&body["badges"], &body["unknown_ids"]), (&json!([]), &json!(["o-c1"])));
    }

    fn five_hundred_badges_at_once_and_no_more(app) {
        set_up(app);
        let names: Vec<String> = (0..501).map(|i| format!("c{i}")).collect();
        let line = |name: &String| json!({"customer": {"customer_id": name}});
        let lines: Vec<Value> = names.iter().map(line).collect();
        let answer = app.storefront().post_lines("/v1/facts", &lines).expect(200);
        assert_eq!(answer.body["created"], 501);
        let body = batch(app, &json!({"customer_ids": names[..500]}));
        assert_eq!(ids(&body, "badges", "customer_id"), names[..500]);
        assert_eq!(body["unknown_ids"], json!([]));
        let body = batch(app, &json!({"order_ids": names[..500]}));
        assert_eq!((&body["badges"], &body["unknown_ids"]), (&json!([]), &json!(names[..500])));
        for list in ["customer_ids", "order_ids"] {
            let mut asked = json!({});
            asked[list] = json!(names);
            let answer = app.support().post("/v1/badges", &asked);
            let answer = answer.expect_problem(422, "invalid_request");
            assert_eq!(answer.pointers(), [format!("/{list}")]);
        }
    }

    fn many_badges_are_asked_for_by_one_list(app) {
        set_up(app);
        known(app, "c1", &json!({}));
        let post = |body: Value| {
            let answer = app.support().post("/v1/badges", &body);
            answer.expect_problem(422, "invalid_request")
        };
        post(json!({}));
        post(json!({"customer_ids": null, "order_ids": null}));
        post(json!({"customer_ids": ["c1"], "order_ids": ["o1"]}));
        assert_eq!(post(json!({"customer_ids": []})).pointers(), ["/customer_ids"]);
        assert_eq!(post(json!({"order_ids": []})).pointers(), ["/order_ids"]);
        assert_eq!(post(json!({"customer_ids": "c1"})).pointers(), ["/customer_ids"]);
        assert_eq!(post(json!({"customer_ids": ["c1", "a b"]})).pointers(), ["/customer_ids/1"]);
        assert_eq!(post(json!({"order_ids": [5]})).pointers(), ["/order_ids/0"]);
        // A list that is null is none.
        let body = batch(app, &json!({"customer_ids": ["c1"], "order_ids": null}));
        assert_eq!(ids(&body, "badges", "customer_id"), ["c1"]);
    }

    fn what_is_not_there_has_no_badge_and_nor_has_another_stores(app) {
        set_up(app);
        known(app, "c1", &json!({}));
        app.order("o1", "c1", NOON, "1.00").expect(201);
        let other = neighbour(app, Role::Manager);
        for (foreign, absent) in [
            ("/v1/customers/c1/badge", "/v1/customers/absent/badge"),
            ("/v1/customers/c1/badge.svg", "/v1/customers/absent/badge.svg"),
            ("/v1/orders/o1/badge", "/v1/orders/absent/badge"),
        ] {
            assert_same_404(&other.get(foreign), &other.get(absent));
            app.support().get(absent).expect_problem(404, "not_found");
        }
        for (list, id) in [("customer_ids", "c1"), ("order_ids", "o1")] {
            let mut asked = json!({});
            asked[list] = json!([id]);
            let body = other.post("/v1/badges", &asked).expect(200).body;
            assert_eq!((&body["badges"], &body["unknown_ids"]), (&json!([]), &json!([id])));
        }
    }

    fn a_foreign_link_or_tier_never_shows(app) {
        set_up(app);
        known(app, "c1", &json!({}));
        known(app, "c2", &json!({}));
        link(app, "c1", "c2", "household");
        flag(app, "c1", "caution");
        flag(app, "c2", "do_not_serve");
        designate(app, "c1", &json!({"tier": "gold"}));
        let other = neighbour(app, Role::Support);
        let storefront = app.client_of("other", Role::Storefront);
        storefront.put("/v1/customers/c1", &json!({})).expect(201);
        let theirs = other.get("/v1/customers/c1/badge").expect(200).body;
        assert_eq!((&theirs["status"], &theirs["tier"]), (&json!("active"), &Value::Null));
        assert_eq!((&theirs["warnings"], &theirs["benefits"]), (&json!([]), &json!([])));
    }

    fn a_picture_says_the_word(app) {
        set_up(app);
        for (customer, status, word) in [
            ("c1", None, "active"),
            ("c2", Some("vip"), "vip"),
            ("c3", Some("caution"), "caution"),
            ("c4", Some("do_not_serve"), "do not serve"),
        ] {
            known(app, customer, &json!({"name": "Zoë Ångström"}));
            if let Some(status) = status {
                let path = format!("/v1/customers/{customer}/status");
                let body = json!({"status": status, "note": "a reason"});
                app.manager().put(&path, &body).expect(200);
            }
            let answer = svg(app, customer);
            let content_type = answer.headers["content-type"].to_str().unwrap();
            assert!(content_type.starts_with("image/svg+xml"), "{content_type}");
            assert!(answer.text.contains("<svg"), "{}", answer.text);
            let text = answer.text.to_lowercase().replace('_', " ");
            assert!(text.contains(word), "{word} is missing in {}", answer.text);
            assert_well_formed(&answer.text);
        }
    }

    fn a_picture_is_sent_again_only_when_it_has_changed(app) {
        set_up(app);
        known(app, "c1", &json!({"name": "Ada"}));
        known(app, "c2", &json!({"name": "Bob"}));
        let path = "/v1/customers/c1/badge.svg";
        let ask = |tag: &str| app.support().with("if-none-match", tag).get(path);
        let first = svg(app, "c1");
        let again = svg(app, "c1");
        assert_eq!((again.etag(), &again.text), (first.etag(), &first.text));
        let same = ask(&first.etag()).expect(304);
        assert_eq!((same.text.as_str(), same.etag()), ("", first.etag()));
        assert_eq!(ask("\"another\"").expect(200).text, first.text);
        // What another customer is does not matter.
        flag(app, "c2", "do_not_serve");
        ask(&first.etag()).expect(304);
        let mut seen = vec![first.etag()];
        for status in ["caution", "do_not_serve"] {
            flag(app, "c1", status);
            let tag = seen.last().unwrap().clone();
            let changed = ask(&tag).expect(200);
            assert!(!seen.contains(&changed.etag()), "{status}");
            assert_ne!(changed.text, first.text);
            ask(&changed.etag()).expect(304);
            seen.push(changed.etag());
        }
        flag(app, "c1", "active");
        ask(seen.last().unwrap()).expect(200);
        assert_eq!(svg(app, "c1").text, first.text);
        ask(&first.etag()).expect(304);
        designate(app, "c1", &json!({"tier": "gold"}));
        let vip = ask(&first.etag()).expect(200);
        amend(app, "c1", &json!({"tier": "silver"}));
        let silver = ask(&vip.etag()).expect(200);
        assert_ne!(silver.etag(), vip.etag());
        app.support()
            .with("if-none-match", &first.etag())
            .get("/v1/customers/absent/badge.svg")
            .expect_problem(404, "not_found");
    }

    fn names_are_escaped_in_a_picture(app) {
        set_up(app);
        let tier = json!({"name": NASTY, "rank": 3, "threshold": "5000.00", "icon": "crown"});
        app.admin().put("/v1/tiers/crown", &tier).expect(201);
        for (customer, name, tier) in [
            ("c1", NASTY, json!("gold")),
            ("c2", "Ada", json!("crown")),
            ("c3", NASTY, json!("crown")),
            ("c4", "]]></text><script>alert(1)</script>", json!("crown")),
            ("c5", "<!-- -->", Value::Null),
            ("c6", "&#0;&amp;", json!("gold")),
        ] {
            known(app, customer, &json!({"name": name}));
            designate(app, customer, &json!({"tier": tier}));
            let text = svg(app, customer).text;
            assert!(!text.to_lowercase().contains("<script"), "{text}");
            assert!(!text.contains("&\"'"), "{text}");
            assert!(!text.contains("<!-- -->") && !text.contains("&#0;"), "{text}");
            assert_well_formed(&text);
        }
        let text = svg(app, "c3").text;
        assert!(text.contains("&lt;script&gt;&amp;"), "{text}");
        // Where JSON is asked for they come as they are.
        let badge = badge(app, "c3");
        assert_eq!((&badge["name"], &badge["tier"]["name"]), (&json!(NASTY), &json!(NASTY)));
    }

    fn where_figures_no_longer_fit_a_badge_says_so_or_does_without(app) {
        app.set_up(json!({}));
        app.order("o1", "c1", NOON, "92233720368547758.07").expect(201);
        let path = "/v1/program?effective_from=beginning";
        let changed = app.admin().patch(path, &json!({"points_per_unit": "1000000"})).expect(200);
        assert_eq!(settled(app, changed)["state"], "failed");
        let client = app.support();
        for answer in [
            client.get("/v1/customers/c1/badge"),
            client.get("/v1/orders/o1/badge"),
            client.get("/v1/customers/c1/badge.svg"),
            client.post("/v1/badges", &json!({"customer_ids": ["c1"]})),
        ] {
            if answer.status != 200 {
                answer.expect_problem(409, "figure_overflow");
            }
        }
    }
}
