//! What a tier says of how its holders are treated, who keeps a benefit that
//! is taken off a tier, and the settings that treatment hangs on.

use super::benefits::{benefits_of, put_gift, treatment_of};
use crate::support::*;
use accolade::api::auth::Role;
use serde_json::{Value, json};

const NOON: &str = "2024-06-01T12:00:00Z";
const GOLD: &str = "/v1/tiers/gold";

/// The body of a ladder whose tiers have more fields than codes and thresholds.
pub fn ladder_with(tiers: &[(&str, &str, Value)]) -> Value {
    let rungs: Vec<(&str, &str)> =
        tiers.iter().map(|(code, threshold, _)| (*code, *threshold)).collect();
    let mut body = ladder(&rungs);
    for (i, (_, _, fields)) in tiers.iter().enumerate() {
        let tier = body["tiers"][i].as_object_mut().unwrap();
        tier.extend(fields.as_object().unwrap().clone());
    }
    body
}

/// The body of the gold tier, with more fields.
fn gold(fields: Value) -> Value {
    let mut body = json!({"name": "Gold", "rank": 2, "threshold": "500.00"});
    body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    body
}

/// Bronze from enrolment, and gold from 500.00 with these benefits.
fn bronze_and_gold(benefits: &[&str]) -> Value {
    ladder_with(&[("bronze", "0", json!({})), ("gold", "500.00", json!({"benefits": benefits}))])
}

/// A store whose gold tier carries a hamper and free shipping, and a customer `c1` who holds it.
fn set_up_gold(app: &App, settings: Value, order_at: &str) {
    app.set_up(settings);
    for code in ["hamper", "shipping", "tasting"] {
        put_gift(app, code);
    }
    app.admin().put("/v1/tiers", &bronze_and_gold(&["hamper", "shipping"])).expect(200);
    app.order("o1", "c1", order_at, "600.00").expect(201);
    assert_eq!(benefits_of(app, "c1"), ["hamper", "shipping"]);
}

/// Whether a customer has a benefit from the gold tier that no longer carries it.
fn is_kept(app: &App, customer: &str, code: &str) -> bool {
    let treatment = treatment_of(app, customer);
    let benefits = treatment["benefits"].as_array().unwrap();
    let benefit = benefits.iter().find(|benefit| benefit["code"] == code).unwrap();
    let because = benefit["because"].as_array().unwrap();
    assert_eq!(because.len(), 1, "{treatment}");
    assert_eq!(because[0]["source"], "membership_tier");
    assert_eq!(because[0]["tier"], "gold");
    because[0]["kept"] == true
}

const NOTHING: [&str; 0] = [];

on_both! {
    fn a_tier_that_says_nothing_of_treatment_has_the_usual_one(app) {
        app.set_up(json!({}));
        let put = app.admin().put(GOLD, &gold(json!({}))).expect(201);
        let mut expected = json!({
            "code": "gold", "name": "Gold", "rank": 2, "threshold": "500.00", "benefits": [],
            "icon": "star", "priority": "normal", "team": null, "designates": false, "requires_approval": false, "reward": null,
        });
        assert_eq!(app.storefront().get(GOLD).expect(200).body, expected);
        let list = app.storefront().get("/v1/tiers").expect(200).body;
        assert_eq!(list["tiers"], json!([expected]));
        expected["recalculation"] = Value::Null;
        assert_eq!(put.body, expected);
        let whole = app.admin().put("/v1/tiers", &ladder(&[("bronze", "0")])).expect(200).body;
        let bronze = json!([{
            "code": "bronze", "name": "Bronze", "rank": 1, "threshold": "0.00", "benefits": [],
            "icon": "star", "priority": "normal", "team": null, "designates": false, "requires_approval": false, "reward": null,
        }]);
        assert_eq!(whole["tiers"], bronze);
    }

    fn what_a_tier_says_of_treatment_is_stored_and_the_same_again_changes_nothing(app) {
        app.set_up(json!({}));
        put_gift(app, "hamper");
        put_gift(app, "shipping");
        let client = app.client(Role::PlatformAdmin);
        let fields = json!({
            "benefits": ["hamper", "shipping"], "icon": "crown", "priority": "urgent",
            "team": "VIP desk", "designates": true, "requires_approval": false, "reward": null,
        });
        let whole = ladder_with(&[("bronze", "0", json!({})), ("gold", "500.00", fields.clone())]);
        let assert_stored = |tier: &Value| {
            for (field, value) in fields.as_object().unwrap() {
                assert_eq!(&tier[field], value, "{field}");
            }
        };
        let by_itself = client.put(GOLD, &gold(fields.clone())).expect(201);
        assert_stored(&by_itself.body);
        let again = client.put(GOLD, &gold(fields.clone())).expect(200);
        assert_eq!((&again.body, again.etag()), (&by_itself.body, by_itself.etag()));
        client.delete(GOLD).expect(204);
        let at_once = client.put("/v1/tiers", &whole).expect(200);
        assert_stored(&at_once.body["tiers"][1]);
        assert_eq!(client.put("/v1/tiers", &whole).expect(200).etag(), at_once.etag());
        assert_stored(&app.storefront().get(GOLD).expect(200).body);
        assert_stored(&app.storefront().get("/v1/tiers").expect(200).body["tiers"][1]);
        // What is left out is the usual again; only `designates` stays.
        let plain = client.put(GOLD, &gold(json!({}))).expect(200).body;
        let usual = json!({
            "code": "gold", "name": "Gold", "rank": 2, "threshold": "500.00", "benefits": [],
            "icon": "star", "priority": "normal", "team": null, "designates": true, "requires_approval": false, "reward": null,
            "recalculation": null,
        });
        assert_eq!(plain, usual);
    }

    fn every_icon_and_every_priority_can_be_said(app) {
        app.set_up(json!({}));
        for (field, words) in [
            ("icon", "bronze silver gold platinum diamond crown heart star"),
            ("priority", "low high urgent normal"),
        ] {
            for word in words.split(' ') {
                let mut fields = json!({});
                fields[field] = json!(word);
                app.admin().put(GOLD, &gold(fields));
                let read = app.storefront().get(GOLD).expect(200).body;
                assert_eq!(read[field], word);
            }
        }
    }

    fn all_faults_of_treatment_are_answered_at_once(app) {
        app.set_up(json!({}));
        app.set_tiers(&[("bronze", "0"), ("gold", "500.00")]);
        let client = app.client(Role::PlatformAdmin);
        let bad = json!({
            "benefits": ["a b"], "icon": "sun", "priority": "highest", "team": 1, "designates": "yes",
        });
        let all = ["/benefits/0", "/designates", "/icon", "/priority", "/team"];
        let answer = client.put(GOLD, &gold(bad.clone()));
        assert_eq!(answer.expect_problem(422, "invalid_request").pointers(), all);
        let body = ladder_with(&[("bronze", "0", json!({"icon": 1})), ("gold", "500.00", bad)]);
        let mut expected: Vec<String> = all.iter().map(|pointer| format!("/tiers/1{pointer}")).collect();
        expected.insert(0, "/tiers/0/icon".to_owned());
        let answer = client.put("/v1/tiers", &body).expect_problem(422, "invalid_request");
        assert_eq!(answer.pointers(), expected);
        for answer in [
            client.put("/v1/tiers/gold?for_everyone=maybe", &gold(json!({}))),
            client.put("/v1/tiers?for_everyone=maybe", &ladder(&[("bronze", "0")])),
        ] {
            let answer = answer.expect_problem(422, "invalid_request");
            assert_eq!(answer.pointers(), ["?for_everyone"]);
        }
        let stored = client.get(GOLD).expect(200).body;
        assert_eq!((&stored["icon"], &stored["benefits"]), (&json!("star"), &json!([])));
    }

    fn a_tier_carries_no_benefit_that_there_is_not(app) {
        app.set_up(json!({}));
        put_gift(app, "hamper");
        let client = app.admin();
        let before = client.put("/v1/tiers", &bronze_and_gold(&["hamper"])).expect(200);
        let lacking = json!({"benefits": ["hamper", "yacht"], "icon": "crown"});
        let answers = [
            client.put(GOLD, &gold(lacking.clone())),
            client.put("/v1/tiers/black", &json!({"name": "Black", "rank": 3, "benefits": ["yacht"]})),
            client.put("/v1/tiers", &bronze_and_gold(&["yacht"])),
            client.put("/v1/tiers/gold?dry_run=true", &gold(lacking)),
        ];
        for answer in answers {
            answer.expect_problem(409, "unknown_benefit");
        }
        client.get("/v1/tiers/black").expect_problem(404, "not_found");
        let after = client.get("/v1/tiers").expect(200);
        assert_eq!((&after.body["tiers"], after.etag()), (&before.body["tiers"], before.etag()));
    }

    fn only_a_platform_admin_says_which_tiers_designate(app) {
        app.set_up(json!({}));
        let before = app.set_tiers(&[("bronze", "0"), ("gold", "500.00")]);
        for designates in [true, false] {
            let fields = json!({"designates": designates, "icon": "crown"});
            let whole = ladder_with(&[("bronze", "0", json!({})), ("gold", "500.00", fields.clone())]);
            let black = json!({"name": "Black", "rank": 3, "designates": designates});
            let answers = [
                app.admin().put(GOLD, &gold(fields.clone())),
                app.admin().put("/v1/tiers/gold?dry_run=true", &gold(fields.clone())),
                app.admin().put("/v1/tiers/black", &black),
                app.admin().put("/v1/tiers", &whole),
                app.admin().put("/v1/tiers?dry_run=true", &whole),
            ];
            for answer in answers {
                answer.expect_problem(403, "forbidden");
            }
        }
        app.admin().get("/v1/tiers/black").expect_problem(404, "not_found");
        let after = app.admin().get("/v1/tiers").expect(200);
        assert_eq!((&after.body["tiers"], after.etag()), (&before.body["tiers"], before.etag()));
        // Null says nothing.
        let silent = json!({"designates": null, "icon": "crown"});
        let put = app.admin().put(GOLD, &gold(silent)).expect(200).body;
        assert_eq!((&put["designates"], &put["icon"]), (&json!(false), &json!("crown")));
    }

    fn a_tier_designates_until_a_platform_admin_says_otherwise(app) {
        app.set_up(json!({}));
        app.set_tiers(&[("bronze", "0"), ("gold", "500.00")]);
        let platform = app.client(Role::PlatformAdmin);
        let designates = |expected: bool| {
            let tiers = app.storefront().get("/v1/tiers").expect(200).body["tiers"].clone();
            assert_eq!(tiers[0]["designates"], false);
            assert_eq!(tiers[1]["designates"], expected);
        };
        platform.put(GOLD, &gold(json!({"designates": true}))).expect(200);
        designates(true);
        let put = app.admin().put(GOLD, &gold(json!({"icon": "gold"}))).expect(200);
        assert_eq!(put.body["designates"], true);
        designates(true);
        app.set_tiers(&[("bronze", "0"), ("gold", "600.00")]);
        designates(true);
        platform.put("/v1/tiers", &ladder(&[("bronze", "0"), ("gold", "700.00")])).expect(200);
        designates(true);
        platform.put(GOLD, &gold(json!({"designates": false}))).expect(200);
        designates(false);
        let on = ladder_with(&[("bronze", "0", json!({})), ("gold", "500.00", json!({"designates": true}))]);
        platform.put("/v1/tiers", &on).expect(200);
        designates(true);
    }

    fn what_labels_show_and_customers_see_is_a_setting_of_the_program(app) {
        app.set_up(json!({}));
        let (client, path) = (app.admin(), "/v1/program");
        let settings = || {
            let program = app.storefront().get(path).expect(200).body;
            (program["label_shows_icon"].clone(), program["vip_visible_to_customers"].clone())
        };
        assert_eq!(settings(), (json!(true), json!(false)));
        let other_way = json!({"label_shows_icon": false, "vip_visible_to_customers": true});
        let changed = client.patch(path, &other_way).expect(200);
        assert_eq!(changed.body["label_shows_icon"], false);
        assert_eq!(changed.body["vip_visible_to_customers"], true);
        assert_eq!(settings(), (json!(false), json!(true)));
        assert_eq!(client.patch(path, &other_way).expect(200).etag(), changed.etag());
        client.patch(path, &json!({"name": "Club"})).expect(200);
        assert_eq!(settings(), (json!(false), json!(true)));
        let bad = json!({
            "label_shows_icon": "no", "vip_visible_to_customers": 1, "name": "Circle",
        });
        let answer = client.patch(path, &bad).expect_problem(422, "invalid_request");
        assert_eq!(answer.pointers(), ["/label_shows_icon", "/vip_visible_to_customers"]);
        assert_eq!(settings(), (json!(false), json!(true)));
        client.patch(path, &json!({"label_shows_icon": null})).expect(200);
        assert_eq!(settings(), (json!(true), json!(true)));
        client.patch(path, &json!({"vip_visible_to_customers": null})).expect(200);
        assert_eq!(settings(), (json!(true), json!(false)));
        client.patch(&format!("{path}?dry_run=true"), &other_way).expect(200);
        assert_eq!(settings(), (json!(true), json!(false)));
    }

    fn a_benefit_taken_off_a_tier_stays_with_those_who_hold_the_tier(app) {
        set_up_gold(app, json!({}), NOON);
        app.order("o2", "c2", NOON, "10.00").expect(201);
        assert!(!is_kept(app, "c1", "hamper"));
        let fewer = app.admin().put(GOLD, &gold(json!({"benefits": ["shipping"]})));
        assert_eq!(fewer.expect(200).body["benefits"], json!(["shipping"]));
        assert_eq!(benefits_of(app, "c1"), ["hamper", "shipping"]);
        assert!(is_kept(app, "c1", "hamper"));
        assert!(!is_kept(app, "c1", "shipping"));
        let badge = app.support().get("/v1/customers/c1/badge").expect(200).body;
        assert_eq!(badge["benefits"].as_array().unwrap().len(), 2, "{badge}");
        // Who comes to hold it afterwards has what it carries then.
        assert_eq!(benefits_of(app, "c2"), NOTHING);
        app.order("o3", "c2", &from_now(0), "600.00").expect(201);
        assert_eq!(benefits_of(app, "c2"), ["shipping"]);
        // Another change takes nothing from them, and what is put on is everyone's.
        let more = json!({"benefits": ["shipping", "tasting"], "icon": "gold"});
        app.admin().put(GOLD, &gold(more)).expect(200);
        assert_eq!(benefits_of(app, "c1"), ["hamper", "shipping", "tasting"]);
        assert_eq!(benefits_of(app, "c2"), ["shipping", "tasting"]);
    }

    fn benefits_that_a_new_ladder_leaves_out_stay_with_those_who_hold_the_tiers(app) {
        set_up_gold(app, json!({}), NOON);
        let whole = app.admin().put("/v1/tiers?for_everyone=false", &bronze_and_gold(&["tasting"]));
        assert_eq!(whole.expect(200).body["tiers"][1]["benefits"], json!(["tasting"]));
        assert_eq!(benefits_of(app, "c1"), ["hamper", "shipping", "tasting"]);
        app.order("o2", "c2", &from_now(0), "600.00").expect(201);
        assert_eq!(benefits_of(app, "c2"), ["tasting"]);
        // A retired tier has its holders still.
        app.admin().put(GOLD, &json!({"name": "Gold", "rank": 2})).expect(200);
        assert_eq!(benefits_of(app, "c1"), ["hamper", "shipping", "tasting"]);
        assert_eq!(benefits_of(app, "c2"), ["tasting"]);
    }

    fn a_benefit_taken_off_for_everyone_is_taken_from_those_who_hold_the_tier(app) {
        set_up_gold(app, json!({}), NOON);
        // Kept from before, and not what this change takes off.
        app.admin().put(GOLD, &gold(json!({"benefits": ["shipping", "tasting"]}))).expect(200);
        let path = "/v1/tiers/gold?for_everyone=true";
        let put = app.admin().put(path, &gold(json!({"benefits": ["tasting"]}))).expect(200);
        assert_eq!(put.body["benefits"], json!(["tasting"]));
        assert_eq!(benefits_of(app, "c1"), ["hamper", "tasting"]);
        app.admin().put("/v1/tiers?for_everyone=true", &bronze_and_gold(&[])).expect(200);
        assert_eq!(benefits_of(app, "c1"), ["hamper"]);
        assert!(is_kept(app, "c1", "hamper"));
    }

    fn under_reset_each_period_nobody_keeps_what_is_taken_off(app) {
        let settings = json!({
            "progress_reset": {"kind": "calendar_year"}, "tier_retention": "reset_each_period",
        });
        set_up_gold(app, settings, &from_now(0));
        app.admin().put(GOLD, &gold(json!({"benefits": ["shipping"]}))).expect(200);
        assert_eq!(tier(&app.membership("c1")), "gold");
        assert_eq!(benefits_of(app, "c1"), ["shipping"]);
        app.admin().put("/v1/tiers", &bronze_and_gold(&[])).expect(200);
        assert_eq!(benefits_of(app, "c1"), NOTHING);
        for code in ["hamper", "shipping"] {
            app.admin().delete(&format!("/v1/benefits/{code}")).expect(204);
        }
    }

    fn a_dry_run_takes_nothing_off(app) {
        set_up_gold(app, json!({}), NOON);
        let before = app.admin().get("/v1/tiers").expect(200);
        let query = "?dry_run=true&for_everyone=true";
        let dry = app.admin().put(&format!("/v1/tiers/gold{query}"), &gold(json!({}))).expect(200);
        assert_eq!(dry.body["benefits"], json!([]));
        settled(app, dry);
        let dry = app.admin().put(&format!("/v1/tiers{query}"), &bronze_and_gold(&[])).expect(200);
        settled(app, dry);
        let after = app.admin().get("/v1/tiers").expect(200);
        assert_eq!((&after.body["tiers"], after.etag()), (&before.body["tiers"], before.etag()));
        assert_eq!(benefits_of(app, "c1"), ["hamper", "shipping"]);
        assert!(!is_kept(app, "c1", "hamper"));
    }

    fn who_no_longer_holds_the_tier_keeps_nothing_of_it(app) {
        set_up_gold(app, json!({}), NOON);
        app.admin().put(GOLD, &gold(json!({"benefits": ["shipping"]}))).expect(200);
        app.order("o1", "c1", NOON, "60.00").expect(200);
        assert_eq!(benefits_of(app, "c1"), ["hamper", "shipping"], "the tier is for good");
        let drop = json!({"allow_downgrades": true, "reason": "order o1 was a mistake"});
        app.manager().post("/v1/customers/c1/membership/recalculation", &drop).expect(200);
        assert_eq!(tier(&app.membership("c1")), "bronze");
        assert_eq!(benefits_of(app, "c1"), NOTHING);
    }
}
