//! Cards: what a customer may see of where they stand, and nothing that staff say of them.

use super::{assert_same_404, ids, neighbour};
use crate::support::*;
use accolade::api::auth::Role;
use serde_json::{Value, json};

const NOON: &str = "2024-06-01T12:00:00Z";

/// A store with benefits and tiers, and with this setting.
fn set_up(app: &App, vip_visible_to_customers: bool) {
    app.set_up(json!({"vip_visible_to_customers": vip_visible_to_customers}));
    for (code, body) in [
        ("gift", json!({"name": "Bonus item", "kind": "gift"})),
        ("ship", json!({"name": "Free shipping", "kind": "free_shipping"})),
        ("ten", json!({"name": "Ten off", "kind": "discount", "discount_percent": "10"})),
    ] {
        app.admin().put(&format!("/v1/benefits/{code}"), &body).expect(201);
    }
    let tiers = json!({"tiers": [
        {"code": "bronze", "name": "Bronze", "rank": 1, "threshold": "0", "icon": "bronze"},
        {
            "code": "silver", "name": "Silver", "rank": 2, "threshold": "500.00", "icon": "silver",
            "benefits": ["gift"], "priority": "urgent", "team": "northdesk",
        },
        {
            "code": "gold", "name": "Gold", "rank": 3, "threshold": "1000.00", "icon": "gold",
            "benefits": ["ship"], "priority": "urgent", "team": "northdesk",
        },
    ]});
    app.admin().put("/v1/tiers", &tiers).expect(200);
}

fn card(app: &App, customer: &str) -> Value {
    app.storefront().get(&format!("/v1/customers/{customer}/card")).expect(200).body
}

fn designate(app: &App, customer: &str, body: &Value) {
    app.manager().put(&format!("/v1/customers/{customer}/designation"), body).expect(201);
}

/// The codes of a card's benefits.
fn benefits(card: &Value) -> String {
    let mut codes = ids(card, "benefits", "code");
    codes.sort_unstable();
    codes.join(" ")
}

on_both! {
    fn a_card_says_where_a_customer_stands(app) {
        set_up(app, false);
        let path = "/v1/customers/c1";
        let body = json!({"name": "Ada Byron", "joined_at": "2024-01-01T00:00:00Z"});
        app.storefront().put(path, &body).expect(201);
        app.order("o1", "c1", NOON, "600.00").expect(201);
        let card = card(app, "c1");
        for (field, expected) in [
            ("customer_id", json!("c1")),
            ("name", json!("Ada Byron")),
            ("tier", json!({"code": "silver", "name": "Silver", "icon": "silver"})),
            ("progress", json!({"amount_spent": "600.00", "orders_placed": 1, "points_earned": 600})),
            ("entry_method", json!("amount_spent")),
            ("next_tier", json!({
                "code": "gold", "name": "Gold", "threshold": "1000.00", "remaining": "400.00",
                "next_order_lifts": false,
            })),
            ("resets_at", Value::Null),
            ("vip", Value::Null),
        ] {
            assert_eq!(card[field], expected, "{field}");
        }
        assert_eq!(benefits(&card), "gift");
        assert_eq!(card["next_tier"], app.membership("c1")["next_tier"]);
    }

    fn a_card_of_a_newcomer_is_nearly_empty(app) {
        app.set_up(json!({"entry_method": "orders_placed"}));
        app.set_tiers(&[("silver", "2")]);
        app.storefront().put("/v1/customers/c1", &json!({})).expect(201);
        let card = card(app, "c1");
        for (field, expected) in [
            ("name", Value::Null),
            ("tier", Value::Null),
            ("progress", json!({"amount_spent": "0.00", "orders_placed": 0, "points_earned": 0})),
            ("entry_method", json!("orders_placed")),
            ("next_tier", json!({
                "code": "silver", "name": "Silver", "threshold": "2", "remaining": "2",
                "next_order_lifts": false,
            })),
            ("resets_at", Value::Null),
            ("benefits", json!([])),
            ("vip", Value::Null),
        ] {
            assert_eq!(card[field], expected, "{field}");
        }
    }

    fn at_the_top_there_is_no_next_tier(app) {
        set_up(app, false);
        app.order("o1", "c1", NOON, "1000.00").expect(201);
        let card = card(app, "c1");
        assert_eq!(card["tier"], json!({"code": "gold", "name": "Gold", "icon": "gold"}));
        assert_eq!(card["next_tier"], Value::Null);
    }

    fn progress_resets_when_the_period_ends(app) {
        set_up(app, false);
        let reset = json!({"progress_reset": {"kind": "calendar_year"}});
        app.admin().patch("/v1/program", &reset).expect(200);
        app.order("o1", "c1", &from_now(-1), "600.00").expect(201);
        let card = card(app, "c1");
        let membership = app.membership("c1");
        assert_eq!(card["resets_at"], membership["period"]["end"]);
        let resets_at = card["resets_at"].as_str().unwrap();
        assert!(resets_at.ends_with("-01-01T00:00:00Z"), "{resets_at}");
        assert_eq!(card["progress"], membership["progress"]);
    }

    fn everyone_may_read_a_card(app) {
        set_up(app, true);
        app.storefront().put("/v1/customers/c1", &json!({"name": "Ada"})).expect(201);
        designate(app, "c1", &json!({"tier": "gold"}));
        let shown = card(app, "c1");
        for (_, role) in Role::WORDS {
            let read = app.client(role).get("/v1/customers/c1/card").expect(200).body;
            assert_eq!(read, shown);
        }
    }

    fn a_designation_is_kept_from_the_customer_by_default(app) {
        set_up(app, false);
        let program = app.storefront().get("/v1/program").expect(200).body;
        assert_eq!(program["vip_visible_to_customers"], false);
        app.order("o1", "c1", NOON, "600.00").expect(201);
        let before = card(app, "c1");
        designate(app, "c1", &json!({"tier": "gold", "since": "2024-03-01", "benefits": ["ten"]}));
        assert_eq!(card(app, "c1"), before);
        assert_eq!((benefits(&before).as_str(), &before["tier"]["code"]), ("gift", &json!("silver")));
        assert_eq!(before["vip"], Value::Null);
    }

    fn a_designation_is_shown_where_the_store_says_so(app) {
        set_up(app, true);
        app.order("o1", "c1", NOON, "10.00").expect(201);
        assert_eq!(card(app, "c1")["vip"], Value::Null);
        designate(app, "c1", &json!({"tier": "gold", "since": "2024-03-01", "benefits": ["ten"]}));
        let shown = card(app, "c1");
        assert_eq!(shown["vip"]["since"], "2024-03-01");
        assert_eq!(shown["vip"]["tier"]["code"], "gold");
        assert_eq!(shown["vip"]["tier"]["name"], "Gold");
        assert_eq!(benefits(&shown), "ship ten");
        // What the designation gives is no progress.
        assert_eq!(shown["progress"]["amount_spent"], "10.00");
        assert_eq!(shown["next_tier"]["code"], "silver");
    }

    fn a_designation_without_a_tier_is_shown_without_one(app) {
        set_up(app, true);
        app.order("o1", "c1", NOON, "10.00").expect(201);
        designate(app, "c1", &json!({"since": "2024-03-01"}));
        let vip = card(app, "c1")["vip"].clone();
        assert_eq!((&vip["since"], &vip["tier"]), (&json!("2024-03-01"), &Value::Null));
    }

    fn switching_the_setting_shows_and_hides(app) {
        set_up(app, false);
        app.order("o1", "c1", NOON, "600.00").expect(201);
        designate(app, "c1", &json!({"tier": "gold", "benefits": ["ten"]}));
        let hidden = card(app, "c1");
        let switch = |is_visible: bool| {
            let body = json!({"vip_visible_to_customers": is_visible});
            app.admin().patch("/v1/program", &body).expect(200);
        };
        switch(true);
        let shown = card(app, "c1");
        assert!(shown["vip"].is_object(), "{shown}");
        assert!(benefits(&shown).contains("ten"), "{shown}");
        switch(false);
        assert_eq!(card(app, "c1"), hidden);
        assert!(!benefits(&hidden).contains("ten"), "{hidden}");
    }

    fn a_designation_that_has_ended_is_shown_no_more(app) {
        set_up(app, true);
        app.order("o1", "c1", NOON, "600.00").expect(201);
        let before = card(app, "c1");
        designate(app, "c1", &json!({"tier": "gold", "benefits": ["ten"]}));
        assert_ne!(card(app, "c1"), before);
        let removal = json!({"reason": "other", "confirm": true});
        app.manager().post("/v1/customers/c1/designation/removal", &removal).expect(200);
        assert_eq!(card(app, "c1"), before);
    }

    fn nothing_that_staff_say_of_a_customer_is_on_the_card(app) {
        set_up(app, false);
        let body = json!({"name": "Ada", "tags": ["chatterbox"], "preferred_channel": "pigeon"});
        app.storefront().put("/v1/customers/c1", &body).expect(201);
        app.storefront().put("/v1/customers/c2", &json!({"name": "Bob"})).expect(201);
        app.order("o1", "c1", NOON, "600.00").expect(201);
        designate(app, "c1", &json!({
            "tier": "gold", "benefits": ["ten"], "notes": "grumpy before noon",
            "profile": "unhappy_customer", "priority": "urgent", "team": "northdesk",
            "assigned_to": "sam.smith",
        }));
        let link = json!({"relation": "household", "note": "feuding brothers"});
        app.support().put("/v1/customers/c1/links/c2", &link).expect(201);
        let flag = |customer: &str, status: &str| {
            let path = format!("/v1/customers/{customer}/status");
            let body = json!({"status": status, "note": "suspicious parcels"});
            app.support().put(&path, &body).expect(200);
        };
        flag("c2", "do_not_serve");
        for is_visible in [false, true] {
            let setting = json!({"vip_visible_to_customers": is_visible});
            app.admin().patch("/v1/program", &setting).expect(200);
            for status in ["caution", "do_not_serve", "active"] {
                flag("c1", status);
                let answer = app.storefront().get("/v1/customers/c1/card").expect(200);
                let text = answer.text.to_lowercase();
                for word in [
                    "note", "grumpy", "feuding", "suspicious", "caution", "do_not_serve",
                    "do not serve", "flag", "warning", "colour", "status", "profile",
                    "unhappy", "priority", "urgent", "assigned_to", "sam.smith", "team",
                    "northdesk", "household", "c2", "chatterbox", "pigeon",
                ] {
                    assert!(!text.contains(word), "{word}, {status}: {text}");
                }
                let card = answer.body;
                assert_eq!(card["name"], "Ada");
                assert_eq!(card["progress"]["amount_spent"], "600.00");
            }
        }
    }

    fn who_is_not_there_has_no_card_and_nor_has_another_stores_customer(app) {
        set_up(app, false);
        app.storefront().put("/v1/customers/c1", &json!({"name": "Ada"})).expect(201);
        app.storefront().get("/v1/customers/absent/card").expect_problem(404, "not_found");
        let other = neighbour(app, Role::Storefront);
        assert_same_404(
            &other.get("/v1/customers/c1/card"),
            &other.get("/v1/customers/absent/card"),
        );
    }

    fn where_figures_no_longer_fit_a_card_says_so_or_does_without(app) {
        app.set_up(json!({}));
        app.order("o1", "c1", NOON, "92233720368547758.07").expect(201);
        let path = "/v1/program?effective_from=beginning";
        let changed = app.admin().patch(path, &json!({"points_per_unit": "1000000"})).expect(200);
        assert_eq!(settled(app, changed)["state"], "failed");
        let answer = app.storefront().get("/v1/customers/c1/card");
        if answer.status != 200 {
            answer.expect_problem(409, "figure_overflow");
        }
    }
}
