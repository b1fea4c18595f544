//! What puts a person between qualifying and being a VIP, or turns rules off:
//! `automatic_qualification` of the program and `requires_approval` of tiers;
//! and what rules need of tiers and benefits.

use super::rules::{
    designate, designation, entries, nominations, platform, put_rule, put_rules, remove, rule,
    set_automatic, set_up_shop,
};
use super::treatment::ladder_with;
use crate::support::*;
use serde_json::{Value, json};

const PROGRAM: &str = "/v1/program";
const GOLD: &str = "/v1/tiers/gold";

/// The body of the gold tier, with more fields.
fn gold(fields: Value) -> Value {
    let mut body = json!({"name": "Gold", "rank": 2, "threshold": "500.00"});
    body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    body
}

/// A ladder of three tiers, the upper two with more fields.
fn with_upper(fields: &Value) -> Value {
    let tiers = [
        ("bronze", "0", json!({})),
        ("silver", "100.00", fields.clone()),
        ("gold", "500.00", fields.clone()),
    ];
    ladder_with(&tiers)
}

/// A store whose upper two tiers put forward who reaches them.
fn set_up_asking(app: &App) {
    app.set_up(json!({}));
    let fields = json!({"designates": true, "requires_approval": true});
    platform(app).put("/v1/tiers", &with_upper(&fields)).expect(200);
}

/// Customer, source, tier and state of all nominations, newest first.
fn told(app: &App) -> Vec<Value> {
    let row = |row: &Value| json!([row["customer_id"], row["source"], row["tier"], row["state"]]);
    nominations(app, "").iter().map(row).collect()
}

/// Decides the newest nomination.
fn decide(app: &App, decision: &str) {
    let id = nominations(app, "")[0]["nomination_id"].as_str().unwrap().to_owned();
    let path = format!("/v1/nominations/{id}/{decision}");
    app.manager().post(&path, &json!({"note": "As agreed."})).expect(200);
}

on_both! {
    fn whether_rules_do_anything_is_a_setting_that_a_platform_admin_changes(app) {
        app.set_up(json!({}));
        let admin = app.admin();
        let setting = || app.storefront().get(PROGRAM).expect(200).body["automatic_qualification"].clone();
        assert_eq!(setting(), true);
        let off = json!({"automatic_qualification": false, "name": "Club"});
        let before = admin.get(PROGRAM).expect(200);
        for query in ["", "?dry_run=true"] {
            admin.patch(&format!("{PROGRAM}{query}"), &off).expect_problem(403, "forbidden");
        }
        let after = admin.get(PROGRAM).expect(200);
        assert_eq!((&after.body, after.etag()), (&before.body, before.etag()));
        // What is stored anybody may send who may change the program.
        let same = json!({"automatic_qualification": true, "name": "Circle"});
        assert_eq!(admin.patch(PROGRAM, &same).expect(200).body["name"], "Circle");
        let changed = platform(app).patch(PROGRAM, &off).expect(200);
        assert_eq!(changed.body["automatic_qualification"], false);
        assert_eq!((setting(), changed.body["name"].clone()), (json!(false), json!("Club")));
        assert_eq!(platform(app).patch(PROGRAM, &off).expect(200).etag(), changed.etag());
        assert_eq!(admin.patch(PROGRAM, &off).expect(200).etag(), changed.etag());
        // Null is the default, and that is another value now.
        for on in [json!(true), Value::Null] {
            let body = json!({"automatic_qualification": on});
            admin.patch(PROGRAM, &body).expect_problem(403, "forbidden");
        }
        admin.patch(PROGRAM, &json!({"grace_days": 30})).expect(200);
        assert_eq!(setting(), false);
        platform(app).patch(PROGRAM, &json!({"automatic_qualification": null})).expect(200);
        assert_eq!(setting(), true);
        let answer = platform(app).patch(PROGRAM, &json!({"automatic_qualification": "no"}));
        let answer = answer.expect_problem(422, "invalid_request");
        assert_eq!(answer.pointers(), ["/automatic_qualification"]);
    }

    fn whether_a_tier_requires_approval_is_stored_and_stays_until_it_is_said_otherwise(app) {
        app.set_up(json!({}));
        app.set_tiers(&[("bronze", "0"), ("gold", "500.00")]);
        let requires = || {
            let list = app.storefront().get("/v1/tiers").expect(200).body["tiers"].clone();
            let one = app.storefront().get(GOLD).expect(200).body;
            assert_eq!((&list[0]["requires_approval"], &list[1]), (&json!(false), &one));
            one["requires_approval"].clone()
        };
        assert_eq!(requires(), false);
        let on = gold(json!({"requires_approval": true}));
        let put = platform(app).put(GOLD, &on).expect(200);
        assert_eq!((&put.body["requires_approval"], &put.body["designates"]), (&json!(true), &json!(false)));
        assert_eq!(requires(), true);
        assert_eq!(platform(app).put(GOLD, &on).expect(200).etag(), put.etag());
        // Left out, it stays as it is.
        app.admin().put(GOLD, &gold(json!({"icon": "gold"}))).expect(200);
        app.set_tiers(&[("bronze", "0"), ("gold", "600.00")]);
        platform(app).put(GOLD, &gold(json!({"requires_approval": null}))).expect(200);
        assert_eq!(requires(), true);
        platform(app).put(GOLD, &gold(json!({"requires_approval": false}))).expect(200);
        assert_eq!(requires(), false);
        let whole = ladder_with(&[("bronze", "0", json!({})), ("gold", "500.00", json!({"requires_approval": true}))]);
        assert_eq!(platform(app).put("/v1/tiers", &whole).expect(200).body["tiers"][1]["requires_approval"], true);
        assert_eq!(requires(), true);
        let answer = platform(app).put(GOLD, &gold(json!({"requires_approval": "yes"})));
        let answer = answer.expect_problem(422, "invalid_request");
        assert_eq!(answer.pointers(), ["/requires_approval"]);
    }

    fn only_a_platform_admin_says_which_tiers_require_approval(app) {
        app.set_up(json!({}));
        app.set_tiers(&[("bronze", "0"), ("gold", "500.00")]);
        for stored in [false, true] {
            platform(app).put(GOLD, &gold(json!({"requires_approval": stored}))).expect(200);
            let before = app.admin().get("/v1/tiers").expect(200);
            let fields = json!({"requires_approval": !stored, "icon": "crown"});
            let whole = ladder_with(&[("bronze", "0", json!({})), ("gold", "500.00", fields.clone())]);
            let black = json!({"name": "Black", "rank": 3, "requires_approval": true});
            for answer in [
                app.admin().put(GOLD, &gold(fields.clone())),
                app.admin().put(&format!("{GOLD}?dry_run=true"), &gold(fields)),
                app.admin().put("/v1/tiers", &whole),
                app.admin().put("/v1/tiers/black", &black),
            ] {
                answer.expect_problem(403, "forbidden");
            }
            let after = app.admin().get("/v1/tiers").expect(200);
            assert_eq!((&after.body, after.etag()), (&before.body, before.etag()));
            let same = gold(json!({"requires_approval": stored}));
            // As with `designates`, saying it at all is theirs alone.
            app.admin().put(GOLD, &same).expect_problem(403, "forbidden");
            assert_eq!(platform(app).put(GOLD, &same).expect(200).etag(), before.etag());
        }
    }

    fn who_reaches_a_tier_that_requires_approval_is_put_forward(app) {
        set_up_asking(app);
        app.order("o1", "c1", &from_now(-60), "99.99").expect(201);
        assert_eq!(told(app), [Value::Null; 0]);
        app.order("o2", "c1", &from_now(-50), "0.01").expect(201);
        assert_eq!(tier(&app.membership("c1")), "silver");
        let made = nominations(app, "")[0].clone();
        for (field, value) in [
            ("customer_id", json!("c1")), ("state", json!("waiting")), ("source", json!("tier")),
            ("rule", Value::Null), ("tier", json!("silver")), ("benefits", json!([])),
            ("profile", Value::Null), ("priority", Value::Null), ("assigned_to", Value::Null),
            ("why", json!([])), ("still_met", Value::Null), ("note", Value::Null),
        ] {
            assert_eq!(made[field], value, "{field}");
        }
        assert_ne!(made["nominated_by"], "tester");
        assert_eq!(designation(app, "c1"), Value::Null);
        let badge = app.support().get("/v1/customers/c1/badge").expect(200).body;
        assert_eq!(badge["status"], "active");
        // What reaches nothing more puts nobody forward.
        app.order("o3", "c1", &from_now(-40), "10.00").expect(201);
        assert_eq!(nominations(app, "").len(), 1);
        decide(app, "approve");
        let silver = designation(app, "c1");
        assert_eq!((&silver["state"], &silver["tier"]), (&json!("active"), &json!("silver")));
        assert_eq!(silver["rule"], Value::Null);
        // So it is with the next tier, of which the VIP becomes one by approval alone.
        app.order("o4", "c1", &from_now(-30), "400.00").expect(201);
        assert_eq!(told(app), [json!(["c1", "tier", "gold", "waiting"]), json!(["c1", "tier", "silver", "approved"])]);
        assert_eq!(designation(app, "c1"), silver);
        decide(app, "approve");
        let mut expected = silver;
        expected["tier"] = json!("gold");
        assert_eq!(designation(app, "c1"), expected);
        // Who skips a tier is put forward for the higher one.
        app.order("o5", "c2", &from_now(-60), "500.00").expect(201);
        decide(app, "decline");
        let told = told(app);
        assert_eq!((told.len(), &told[0]), (3, &json!(["c2", "tier", "gold", "declined"])));
        assert_eq!(designation(app, "c2"), Value::Null);
    }

    fn a_vip_of_the_tier_is_not_put_forward_for_it(app) {
        set_up_asking(app);
        app.order("o1", "c1", &from_now(-60), "10.00").expect(201);
        let before = designate(app, "c1", &json!({"tier": "gold"}));
        app.order("o2", "c1", &from_now(-50), "100.00").expect(201);
        assert_eq!((told(app), designation(app, "c1")), (vec![], before));
        // Nor is who was removed by a person.
        app.order("o3", "c2", &from_now(-60), "10.00").expect(201);
        designate(app, "c2", &json!({}));
        let removed = remove(app, "c2");
        app.order("o4", "c2", &from_now(-50), "100.00").expect(201);
        assert_eq!((told(app), designation(app, "c2")), (vec![], removed));
    }

    fn approval_is_required_of_tiers_that_designate_alone(app) {
        app.set_up(json!({}));
        let tiers = ladder_with(&[
            ("bronze", "0", json!({})),
            ("silver", "100.00", json!({"designates": true})),
            ("gold", "500.00", json!({"requires_approval": true})),
        ]);
        platform(app).put("/v1/tiers", &tiers).expect(200);
        app.order("o1", "c1", &from_now(-60), "100.00").expect(201);
        app.order("o2", "c1", &from_now(-50), "400.00").expect(201);
        assert_eq!(tier(&app.membership("c1")), "gold");
        assert_eq!(designation(app, "c1")["tier"], "silver");
        assert_eq!(told(app), [Value::Null; 0]);
    }

    fn a_recalculation_puts_forward_those_who_reached_the_tier(app) {
        app.set_up(json!({}));
        app.set_tiers(&[("bronze", "0"), ("gold", "500.00")]);
        app.order("o1", "c1", &from_now(-60), "600.00").expect(201);
        app.order("o2", "c2", &from_now(-60), "499.99").expect(201);
        let fields = json!({"designates": true, "requires_approval": true});
        let dry = platform(app).put(&format!("{GOLD}?effective_from=beginning&dry_run=true"), &gold(fields.clone()));
        settled(app, dry);
        assert_eq!(told(app), [Value::Null; 0]);
        let put = platform(app).put(&format!("{GOLD}?effective_from=beginning"), &gold(fields)).expect(200);
        assert_eq!(settled(app, put)["state"], "completed");
        assert_eq!(told(app), [json!(["c1", "tier", "gold", "waiting"])]);
        assert_eq!(designation(app, "c1"), Value::Null);
    }

    fn a_tier_that_a_rule_grants_does_not_leave(app) {
        set_up_shop(app);
        let admin = app.admin();
        let mut body = rule("has_tag/press >= 1", json!({"tier": "gold"}));
        let less = ladder_with(&[
            ("silver", "0", json!({"threshold": null})), ("platinum", "0", json!({"threshold": null})),
        ]);
        for enabled in [true, false] {
            body["enabled"] = json!(enabled);
            put_rule(app, "r", &body);
            let before = admin.get("/v1/tiers").expect(200);
            for query in ["", "?dry_run=true"] {
                admin.delete(&format!("{GOLD}{query}")).expect_problem(409, "tier_in_rule");
                admin.put(&format!("/v1/tiers{query}"), &less).expect_problem(409, "tier_in_rule");
            }
            let after = admin.get("/v1/tiers").expect(200);
            assert_eq!((&after.body["tiers"], after.etag()), (&before.body["tiers"], before.etag()));
        }
        // What is not taken out may change, and another tier may go.
        admin.put(GOLD, &json!({"name": "Or", "rank": 2})).expect(200);
        admin.delete("/v1/tiers/silver").expect(204);
        platform(app).delete("/v1/rules/r").expect(200);
        admin.delete(GOLD).expect(204);
    }

    fn a_benefit_that_a_rule_grants_goes_for_everyone_or_not_at_all(app) {
        set_up_shop(app);
        let admin = app.admin();
        let body = rule("has_tag/press >= 1", json!({"benefits": ["hamper", "shipping"]}));
        let mut off = body.clone();
        off["enabled"] = json!(false);
        put_rules(app, &[("on", body.clone()), ("off", off)]);
        let granted = |code: &str| {
            let rule = platform(app).get(&format!("/v1/rules/{code}")).expect(200).body;
            rule["grants"]["benefits"].clone()
        };
        admin.delete("/v1/benefits/hamper").expect_problem(409, "benefit_in_use");
        platform(app).delete("/v1/rules/on").expect(200);
        admin.delete("/v1/benefits/hamper").expect_problem(409, "benefit_in_use");
        assert_eq!(granted("off"), json!(["hamper", "shipping"]));
        put_rule(app, "on", &body);
        admin.delete("/v1/benefits/hamper?for_everyone=true").expect(204);
        for code in ["on", "off"] {
            assert_eq!(granted(code), json!(["shipping"]), "{code}");
        }
        // From then on the rule grants what is left.
        let tags = json!({"tags": ["press"]});
        app.storefront().put("/v1/customers/c1", &tags).expect(201);
        assert_eq!(designation(app, "c1")["benefits"], json!(["shipping"]));
        platform(app).delete("/v1/rules/on").expect(200);
        platform(app).delete("/v1/rules/off").expect(200);
        admin.delete("/v1/benefits/shipping?for_everyone=true").expect(204);
    }

    fn switching_rules_off_and_on_is_written_down(app) {
        app.set_up(json!({}));
        set_automatic(app, false);
        set_automatic(app, false);
        // The first is of the set-up.
        let found = entries(app, "action=program_changed");
        assert_eq!(found.len(), 2, "{found:?}");
        assert_eq!((&found[0]["role"], &found[0]["subject"]), (&json!("platform_admin"), &json!("tester")));
        for (side, value) in [("before", true), ("after", false)] {
            let fields = found[0][side].as_object().unwrap();
            let told = fields.iter().find(|(name, _)| name.contains("automatic"));
            assert_eq!(told.map(|(_, value)| value), Some(&json!(value)), "{side} {}", found[0]);
        }
    }
}
