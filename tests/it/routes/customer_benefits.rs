//! A customer's benefits: what they have now and why, and from when they have
//! access to a release.

use super::{assert_same_404, neighbour};
use crate::support::*;
use accolade::api::auth::Role;
use serde_json::{Value, json};

const NOON: &str = "2024-06-01T12:00:00Z";
/// A release, at midnight.
const RELEASE: &str = "2026-12-08T00:00:00Z";

fn put_benefit(app: &App, code: &str, body: &Value) {
    app.admin().put(&format!("/v1/benefits/{code}"), body).expect(201);
}

/// A store with simple benefits, and tiers that carry some of them.
fn set_up(app: &App) {
    app.set_up(json!({}));
    for code in ["calls", "care", "gift", "tea"] {
        put_benefit(app, code, &json!({"name": code, "kind": "other"}));
    }
    let tiers = json!({"tiers": [
        {"code": "silver", "name": "Silver", "rank": 1, "threshold": "500.00", "benefits": ["gift"]},
        {
            "code": "gold", "name": "Gold", "rank": 2, "threshold": "1000.00",
            "benefits": ["care", "gift"],
        },
    ]});
    app.admin().put("/v1/tiers", &tiers).expect(200);
}

/// The tiers of an exclusive launch: each with its early access
/// and its discount.
fn set_up_launch(app: &App) {
    app.set_up(json!({}));
    let mut tiers = Vec::new();
    for (rank, (code, threshold, hours, percent)) in (1..).zip([
        ("gold", "1000", 24, "5"),
        ("platinum", "2500", 72, "10"),
        ("diamond", "5000", 168, "15"),
    ]) {
        let (early, off) = (format!("early-{code}"), format!("off-{code}"));
        let body =
            json!({"name": "Early access", "kind": "early_access", "early_access_hours": hours});
        put_benefit(app, &early, &body);
        let body = json!({"name": "Launch offer", "kind": "discount", "discount_percent": percent});
        put_benefit(app, &off, &body);
        tiers.push(json!({
            "code": code, "name": code, "rank": rank, "threshold": threshold, "icon": code,
            "benefits": [early, off],
        }));
    }
    app.admin().put("/v1/tiers", &json!({"tiers": tiers})).expect(200);
}

/// A customer of whom nothing is known.
fn known(app: &App, customer: &str) {
    app.storefront().put(&format!("/v1/customers/{customer}"), &json!({})).expect(201);
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

fn path(customer: &str) -> String {
    format!("/v1/customers/{customer}/benefits")
}

/// What is answered of a customer's benefits.
fn benefits(app: &App, customer: &str) -> Value {
    app.storefront().get(&path(customer)).expect(200).body
}

/// A customer's access to the release.
fn release(app: &App, customer: &str) -> Value {
    let path = format!("{}?release_at={RELEASE}", path(customer));
    app.storefront().get(&path).expect(200).body["release"].clone()
}

/// What a release is that is open this many hours early, from this instant on.
fn access(from: &str, hours: u32) -> Value {
    json!({"release_at": RELEASE, "access_from": from, "hours_early": hours})
}

/// Why a customer has what: by the benefit's code, each source with its tier,
/// and `kept` where the tier no longer carries it.
fn reasons(app: &App, customer: &str) -> Value {
    let mut found = json!({});
    for benefit in benefits(app, customer)["benefits"].as_array().unwrap() {
        let because = benefit["because"].as_array().unwrap();
        let mut reasons: Vec<String> = because
            .iter()
            .map(|reason| {
                let source = reason["source"].as_str().unwrap();
                let tier = reason["tier"].as_str().unwrap_or_default();
                let kept = if reason["kept"] == true { "kept" } else { "" };
                [source, tier, kept].join(" ").trim_end().to_owned()
            })
            .collect();
        reasons.sort_unstable();
        found[benefit["code"].as_str().unwrap()] = json!(reasons);
    }
    found
}

on_both! {
    fn who_has_nothing_is_told_so(app) {
        set_up(app);
        known(app, "c1");
        let body = benefits(app, "c1");
        assert_eq!(body["customer_id"], "c1");
        assert!(body["as_of"].is_string());
        assert_eq!(body["withheld"], false);
        assert_eq!(body["benefits"], json!([]));
        assert_eq!(body["release"], Value::Null);
    }

    fn a_benefit_says_what_it_is_and_why(app) {
        app.set_up(json!({}));
        let line = json!({
            "name": "VIP line", "kind": "dedicated_contact", "contact": "vip@shop.example",
            "response_minutes": 60, "must_end_first": true,
        });
        put_benefit(app, "line", &line);
        let tiers = json!({"tiers": [
            {"code": "silver", "name": "Silver", "rank": 1, "threshold": "500.00", "benefits": ["line"]},
        ]});
        app.admin().put("/v1/tiers", &tiers).expect(200);
        app.order("o1", "c1", NOON, "500.00").expect(201);
        let body = benefits(app, "c1");
        assert_eq!(body["benefits"].as_array().unwrap().len(), 1, "{body}");
        let benefit = &body["benefits"][0];
        for (field, expected) in [
            ("code", json!("line")),
            ("name", json!("VIP line")),
            ("kind", json!("dedicated_contact")),
            ("early_access_hours", Value::Null),
            ("discount_percent", Value::Null),
            ("contact", json!("vip@shop.example")),
            ("response_minutes", json!(60)),
            ("must_end_first", json!(true)),
        ] {
            assert_eq!(benefit[field], expected, "{field}");
        }
        let because = &benefit["because"];
        assert_eq!(because.as_array().unwrap().len(), 1, "{because}");
        assert_eq!((&because[0]["source"], &because[0]["tier"]), (&json!("membership_tier"), &json!("silver")));
        assert_ne!(because[0]["kept"], true);
    }

    fn every_source_of_a_benefit_is_named(app) {
        set_up(app);
        app.order("o1", "c1", NOON, "500.00").expect(201);
        assert_eq!(reasons(app, "c1"), json!({"gift": ["membership_tier silver"]}));
        designate(app, "c1", &json!({"tier": "gold", "benefits": ["tea"]}));
        let expected = json!({
            "care": ["designation_tier gold"],
            "gift": ["designation_tier gold", "membership_tier silver"],
            "tea": ["designation"],
        });
        assert_eq!(reasons(app, "c1"), expected);
        // What is not given is not named, and another customer has nothing of it.
        known(app, "c2");
        assert_eq!(reasons(app, "c2"), json!({}));
    }

    fn a_higher_tier_gives_what_it_carries_itself(app) {
        app.set_up(json!({}));
        for code in ["gift", "care"] {
            put_benefit(app, code, &json!({"name": code, "kind": "other"}));
        }
        let tiers = json!({"tiers": [
            {"code": "silver", "name": "Silver", "rank": 1, "threshold": "500.00", "benefits": ["gift"]},
            {"code": "gold", "name": "Gold", "rank": 2, "threshold": "1000.00", "benefits": ["care"]},
        ]});
        app.admin().put("/v1/tiers", &tiers).expect(200);
        app.order("o1", "c1", NOON, "1000.00").expect(201);
        assert_eq!(reasons(app, "c1"), json!({"care": ["membership_tier gold"]}));
    }

    fn a_designation_drops_what_its_tier_carries(app) {
        set_up(app);
        known(app, "c1");
        designate(app, "c1", &json!({"tier": "gold", "benefits_dropped": ["care"]}));
        assert_eq!(reasons(app, "c1"), json!({"gift": ["designation_tier gold"]}));
        amend(app, "c1", &json!({"benefits_dropped": []}));
        let both = json!({"care": ["designation_tier gold"], "gift": ["designation_tier gold"]});
        assert_eq!(reasons(app, "c1"), both);
        amend(app, "c1", &json!({"benefits": ["calls"]}));
        assert_eq!(reasons(app, "c1")["calls"], json!(["designation"]));
    }

    fn a_designation_that_rests_or_has_ended_gives_nothing(app) {
        set_up(app);
        app.order("o1", "c1", NOON, "500.00").expect(201);
        let before = reasons(app, "c1");
        designate(app, "c1", &json!({"tier": "gold", "benefits": ["tea"]}));
        let active = reasons(app, "c1");
        assert_ne!(active, before);
        amend(app, "c1", &json!({"state": "paused"}));
        assert_eq!(reasons(app, "c1"), before);
        assert_eq!(benefits(app, "c1")["withheld"], false);
        amend(app, "c1", &json!({"state": "active"}));
        assert_eq!(reasons(app, "c1"), active);
        let removal = json!({"reason": "reduced_spend", "confirm": true});
        app.manager().post("/v1/customers/c1/designation/removal", &removal).expect(200);
        assert_eq!(reasons(app, "c1"), before);
    }

    fn do_not_serve_withholds_and_caution_does_not(app) {
        set_up(app);
        app.order("o1", "c1", NOON, "500.00").expect(201);
        designate(app, "c1", &json!({"tier": "gold", "benefits": ["tea"]}));
        let before = reasons(app, "c1");
        flag(app, "c1", "caution");
        assert_eq!((benefits(app, "c1")["withheld"].clone(), reasons(app, "c1")), (json!(false), before.clone()));
        flag(app, "c1", "do_not_serve");
        let withheld = benefits(app, "c1");
        assert_eq!((&withheld["withheld"], &withheld["benefits"]), (&json!(true), &json!([])));
        flag(app, "c1", "active");
        assert_eq!((benefits(app, "c1")["withheld"].clone(), reasons(app, "c1")), (json!(false), before));
    }

    fn who_holds_a_tier_keeps_what_is_taken_off_it(app) {
        set_up(app);
        app.order("o1", "c1", NOON, "500.00").expect(201);
        app.order("o2", "c2", NOON, "1.00").expect(201);
        let silver = |query: &str, benefits: &[&str]| {
            let body = json!({
                "name": "Silver", "rank": 1, "threshold": "500.00", "benefits": benefits,
            });
            app.admin().put(&format!("/v1/tiers/silver{query}"), &body).expect(200);
        };
        silver("", &["calls", "tea"]);
        let kept = json!({
            "calls": ["membership_tier silver"],
            "gift": ["membership_tier silver kept"],
            "tea": ["membership_tier silver"],
        });
        assert_eq!(reasons(app, "c1"), kept);
        // Who comes later has what the tier carries then.
        app.order("o3", "c2", &from_now(0), "500.00").expect(201);
        let new = json!({"calls": ["membership_tier silver"], "tea": ["membership_tier silver"]});
        assert_eq!(reasons(app, "c2"), new);
        // For everyone is for those who hold it too, and for what this change takes off.
        silver("?for_everyone=true", &["tea"]);
        let left = json!({"gift": ["membership_tier silver kept"], "tea": ["membership_tier silver"]});
        assert_eq!(reasons(app, "c1"), left);
        assert_eq!(reasons(app, "c2"), json!({"tea": ["membership_tier silver"]}));
    }

    fn diamond_has_access_a_week_early_platinum_three_days_and_gold_one(app) {
        set_up_launch(app);
        for (customer, spent, from, hours, percent) in [
            ("plain", "999.99", RELEASE, 0, None),
            ("gold", "1000.00", "2026-12-07T00:00:00Z", 24, Some("5")),
            ("nearly", "2499.99", "2026-12-07T00:00:00Z", 24, Some("5")),
            ("platinum", "2500.00", "2026-12-05T00:00:00Z", 72, Some("10")),
            ("diamond", "5000.00", "2026-12-01T00:00:00Z", 168, Some("15")),
        ] {
            app.order(&format!("o-{customer}"), customer, NOON, spent).expect(201);
            assert_eq!(release(app, customer), access(from, hours), "{customer}");
            let body = benefits(app, customer);
            let all = body["benefits"].as_array().unwrap();
            let discounts: Vec<&str> =
                all.iter().filter_map(|benefit| benefit["discount_percent"].as_str()).collect();
            assert_eq!(discounts, Vec::from_iter(percent), "{customer}");
            // Nobody asked for a release.
            assert_eq!(body["release"], Value::Null);
        }
    }

    fn a_designations_tier_gives_its_early_access_too(app) {
        set_up_launch(app);
        for (tier, from, hours) in [
            ("gold", "2026-12-07T00:00:00Z", 24),
            ("platinum", "2026-12-05T00:00:00Z", 72),
            ("diamond", "2026-12-01T00:00:00Z", 168),
        ] {
            known(app, tier);
            assert_eq!(release(app, tier), access(RELEASE, 0));
            designate(app, tier, &json!({"tier": tier}));
            assert_eq!(release(app, tier), access(from, hours));
            amend(app, tier, &json!({"state": "paused"}));
            assert_eq!(release(app, tier), access(RELEASE, 0));
        }
    }

    fn the_highest_early_access_wins(app) {
        set_up_launch(app);
        app.order("o1", "c1", NOON, "2500.00").expect(201);
        designate(app, "c1", &json!({"tier": "gold"}));
        assert_eq!(release(app, "c1"), access("2026-12-05T00:00:00Z", 72));
        amend(app, "c1", &json!({"benefits": ["early-diamond"]}));
        assert_eq!(release(app, "c1"), access("2026-12-01T00:00:00Z", 168));
        amend(app, "c1", &json!({"benefits": ["early-gold"]}));
        assert_eq!(release(app, "c1"), access("2026-12-05T00:00:00Z", 72));
    }

    fn without_early_access_a_release_opens_at_its_time(app) {
        set_up(app);
        app.order("o1", "c1", NOON, "500.00").expect(201);
        assert_eq!(reasons(app, "c1"), json!({"gift": ["membership_tier silver"]}));
        assert_eq!(release(app, "c1"), access(RELEASE, 0));
    }

    fn do_not_serve_withholds_early_access_and_caution_does_not(app) {
        set_up_launch(app);
        app.order("o1", "c1", NOON, "5000.00").expect(201);
        let early = access("2026-12-01T00:00:00Z", 168);
        flag(app, "c1", "caution");
        assert_eq!(release(app, "c1"), early);
        flag(app, "c1", "do_not_serve");
        assert_eq!(release(app, "c1"), access(RELEASE, 0));
        flag(app, "c1", "active");
        assert_eq!(release(app, "c1"), early);
    }

    fn a_release_is_an_instant(app) {
        set_up_launch(app);
        app.order("o1", "c1", NOON, "1000.00").expect(201);
        let client = app.storefront();
        for at in ["soon", "2026-12-08", ""] {
            let answer = client.get(&format!("{}?release_at={at}", path("c1")));
            assert_eq!(answer.expect_problem(422, "invalid_request").pointers(), ["?release_at"], "{at}");
        }
        // Wherever it is told, it is answered in UTC.
        let path = format!("{}?release_at=2026-12-08T09:30:00%2B09:00", path("c1"));
        let expected = json!({
            "release_at": "2026-12-08T00:30:00Z", "access_from": "2026-12-07T00:30:00Z", "hours_early": 24,
        });
        assert_eq!(client.get(&path).expect(200).body["release"], expected);
    }

    fn everyone_may_read_a_customers_benefits(app) {
        set_up(app);
        app.order("o1", "c1", NOON, "500.00").expect(201);
        for (_, role) in Role::WORDS {
            let body = app.client(role).get(&path("c1")).expect(200).body;
            assert_eq!(body["benefits"][0]["code"], "gift");
        }
    }

    fn who_is_not_there_has_no_benefits_and_nor_has_another_stores_customer(app) {
        set_up(app);
        known(app, "c1");
        app.storefront().get(&path("absent")).expect_problem(404, "not_found");
        let other = neighbour(app, Role::Storefront);
        assert_same_404(&other.get(&path("c1")), &other.get(&path("absent")));
    }

    fn where_figures_no_longer_fit_benefits_are_told_or_said_not_to_be(app) {
        app.set_up(json!({}));
        app.order("o1", "c1", NOON, "92233720368547758.07").expect(201);
        let program = "/v1/program?effective_from=beginning";
        let changed = app.admin().patch(program, &json!({"points_per_unit": "1000000"})).expect(200);
        assert_eq!(settled(app, changed)["state"], "failed");
        let answer = app.storefront().get(&path("c1"));
        if answer.status != 200 {
            answer.expect_problem(409, "figure_overflow");
        }
    }
}
