//! Benefits: what a shop gives to whom it favours, each under a code of its own.

use super::treatment::ladder_with;
use super::{assert_same_404, ids, neighbour};
use crate::support::*;
use accolade::api::auth::Role;
use serde_json::{Value, json};

const NOON: &str = "2024-06-01T12:00:00Z";

/// Puts a gift of a code, named by it.
pub fn put_gift(app: &App, code: &str) -> Answer {
    let body = json!({"name": code, "kind": "gift"});
    app.admin().put(&format!("/v1/benefits/{code}"), &body).expect(201)
}

/// What a customer has now, and why.
pub fn treatment_of(app: &App, customer: &str) -> Value {
    app.storefront().get(&format!("/v1/customers/{customer}/benefits")).expect(200).body
}

/// The codes of what a customer has now, sorted.
pub fn benefits_of(app: &App, customer: &str) -> Vec<String> {
    let mut codes = ids(&treatment_of(app, customer), "benefits", "code");
    codes.sort();
    codes
}

/// One benefit of each kind, with its parameters, by code.
fn one_of_each() -> Vec<(&'static str, Value)> {
    vec![
        ("care", json!({"name": "Packed with care", "kind": "packing"})),
        ("early", json!({"name": "Early", "kind": "early_access", "early_access_hours": 72})),
        ("fifteen", json!({"name": "15 off", "kind": "discount", "discount_percent": "15"})),
        ("hamper", json!({"name": "Hamper", "kind": "gift", "must_end_first": true})),
        (
            "line",
            json!({
                "name": "VIP line", "kind": "priority_support", "contact": "vip@example.com",
                "response_minutes": 60,
            }),
        ),
        (
            "manager",
            json!({
                "name": "Your own", "kind": "dedicated_contact", "contact": "Ada, extension 15",
                "response_minutes": 15,
            }),
        ),
        ("panel", json!({"name": "Advisory panel", "kind": "other"})),
        ("queue", json!({"name": "First in the queue", "kind": "priority_support"})),
        ("seven", json!({"name": "7.5 off", "kind": "discount", "discount_percent": "7.5"})),
        ("shipping", json!({"name": "Free shipping", "kind": "free_shipping"})),
        ("voice", json!({"name": "A voice", "kind": "dedicated_contact", "contact": "Bo"})),
    ]
}

/// The parameters that a benefit may have.
const PARAMETERS: [&str; 4] =
    ["early_access_hours", "discount_percent", "contact", "response_minutes"];

/// What is answered of a benefit that was stated so.
fn answered(code: &str, stated: &Value) -> Value {
    let mut whole = json!({"code": code, "must_end_first": false});
    for parameter in PARAMETERS {
        whole[parameter] = Value::Null;
    }
    whole.as_object_mut().unwrap().extend(stated.as_object().unwrap().clone());
    whole
}

on_both! {
    fn a_benefit_of_each_kind_is_stored_as_stated_and_the_same_again_changes_nothing(app) {
        app.set_up(json!({}));
        let empty = app.storefront().get("/v1/benefits").expect(200);
        assert_eq!(empty.body, json!({"benefits": []}));
        // From the last to the first, so that the list has something to sort.
        for (code, body) in one_of_each().iter().rev() {
            let path = format!("/v1/benefits/{code}");
            let first = app.admin().put(&path, body).expect(201);
            assert_eq!(first.body, answered(code, body));
            let read = app.storefront().get(&path).expect(200);
            assert_eq!((&read.body, read.etag()), (&first.body, first.etag()));
            let again = app.admin().put(&path, body).expect(200);
            assert_eq!((&again.body, again.etag()), (&first.body, first.etag()));
            // Null is the same as left out.
            let mut spelled_out = body.clone();
            for field in PARAMETERS.iter().chain(&["must_end_first"]) {
                if spelled_out.get(field).is_none() {
                    spelled_out[field] = Value::Null;
                }
            }
            let again = app.admin().put(&path, &spelled_out).expect(200);
            assert_eq!((&again.body, again.etag()), (&first.body, first.etag()), "{code}");
            assert_eq!(app.storefront().get("/v1/program").expect(200).etag(), first.etag());
        }
        let all: Vec<Value> =
            one_of_each().iter().map(|(code, body)| answered(code, body)).collect();
        let list = app.storefront().get("/v1/benefits").expect(200);
        assert_eq!(list.body, json!({"benefits": all}));
    }

    fn a_benefit_is_replaced_whole(app) {
        app.set_up(json!({}));
        let path = "/v1/benefits/perk";
        let body = json!({
            "name": "VIP line", "kind": "priority_support", "contact": "vip@example.com",
            "response_minutes": 60, "must_end_first": true,
        });
        let first = app.client(Role::PlatformAdmin).put(path, &body).expect(201);
        let body = json!({"name": "Ten off", "kind": "discount", "discount_percent": "10"});
        let second = app.admin().put(path, &body).expect(200);
        assert_eq!(second.body, answered("perk", &body));
        assert_ne!(second.etag(), first.etag());
        assert_eq!(app.storefront().get(path).expect(200).body, second.body);
        let list = app.storefront().get("/v1/benefits").expect(200).body;
        assert_eq!(list, json!({"benefits": [second.body]}));
    }

    fn all_faults_are_answered_at_once(app) {
        app.set_up(json!({}));
        let put = |body: Value| {
            app.admin().put("/v1/benefits/perk", &body).expect_problem(422, "invalid_request")
        };
        assert_eq!(put(json!({})).pointers(), ["/kind", "/name"]);
        let bad = json!({
            "name": " ", "kind": "party", "early_access_hours": 0, "discount_percent": 15,
            "contact": 1, "response_minutes": 525_601, "must_end_first": "no", "bogus": 1,
        });
        let all = [
            "/bogus", "/contact", "/discount_percent", "/early_access_hours", "/kind",
            "/must_end_first", "/name", "/response_minutes",
        ];
        assert_eq!(put(bad).pointers(), all);
        let bad = json!({"name": " ", "kind": "gift", "contact": "Ada"});
        assert_eq!(put(bad).pointers(), ["/contact", "/name"]);
        let list = app.storefront().get("/v1/benefits").expect(200).body;
        assert_eq!(list, json!({"benefits": []}));
    }

    fn each_parameter_goes_with_its_kinds_and_some_kinds_want_one(app) {
        app.set_up(json!({}));
        let put = |kind: &str, parameters: Value| {
            let mut body = json!({"name": "Perk", "kind": kind});
            body.as_object_mut().unwrap().extend(parameters.as_object().unwrap().clone());
            app.admin().put("/v1/benefits/perk", &body)
        };
        let refused = |kind: &str, parameters: Value| {
            let answer = put(kind, parameters).expect_problem(422, "invalid_request");
            answer.pointers().into_iter().map(str::to_owned).collect::<Vec<_>>()
        };
        let all = json!({
            "early_access_hours": 1, "discount_percent": "1", "contact": "Ada", "response_minutes": 1,
        });
        let pointers = ["/contact", "/discount_percent", "/early_access_hours", "/response_minutes"];
        for kind in ["gift", "free_shipping", "packing", "other"] {
            assert_eq!(refused(kind, all.clone()), pointers, "{kind}");
        }
        let pointers = ["/contact", "/discount_percent", "/response_minutes"];
        assert_eq!(refused("early_access", all.clone()), pointers);
        let pointers = ["/contact", "/early_access_hours", "/response_minutes"];
        assert_eq!(refused("discount", all.clone()), pointers);
        let pointers = ["/discount_percent", "/early_access_hours"];
        assert_eq!(refused("priority_support", all.clone()), pointers);
        assert_eq!(refused("dedicated_contact", all), pointers);
        assert_eq!(refused("early_access", json!({})), ["/early_access_hours"]);
        assert_eq!(refused("discount", json!({"discount_percent": null})), ["/discount_percent"]);
        assert_eq!(refused("dedicated_contact", json!({"response_minutes": 5})), ["/contact"]);
        // What is missing and what is too much, together.
        let pointers = ["/discount_percent", "/early_access_hours"];
        assert_eq!(refused("early_access", json!({"discount_percent": "5"})), pointers);
        app.storefront().get("/v1/benefits/perk").expect_problem(404, "not_found");
    }

    fn parameters_have_their_bounds(app) {
        app.set_up(json!({}));
        let put = |field: &str, value: Value| {
            let kind = match field {
                "early_access_hours" => "early_access",
                "discount_percent" => "discount",
                _ => "priority_support",
            };
            let mut body = json!({"name": "Perk", "kind": kind});
            body[field] = value;
            app.admin().put("/v1/benefits/perk", &body)
        };
        for (field, value) in [
            ("early_access_hours", json!(0)),
            ("early_access_hours", json!(8_761)),
            ("early_access_hours", json!(1.5)),
            ("early_access_hours", json!("72")),
            ("discount_percent", json!("0")),
            ("discount_percent", json!("0.0")),
            ("discount_percent", json!("100.1")),
            ("discount_percent", json!("101")),
            ("discount_percent", json!("-5")),
            ("discount_percent", json!("15%")),
            ("discount_percent", json!("")),
            ("discount_percent", json!(15)),
            ("response_minutes", json!(0)),
            ("response_minutes", json!(525_601)),
        ] {
            let answer = put(field, value.clone()).expect_problem(422, "invalid_request");
            let pointer = format!("/{field}");
            assert!(!answer.pointers().is_empty(), "{field} {value}");
            assert!(answer.pointers().iter().all(|at| *at == pointer), "{value}: {}", answer.text);
        }
        app.storefront().get("/v1/benefits/perk").expect_problem(404, "not_found");
        for (field, value) in [
            ("early_access_hours", json!(1)),
            ("early_access_hours", json!(8_760)),
            ("discount_percent", json!("0.5")),
            ("discount_percent", json!("100")),
            ("response_minutes", json!(1)),
            ("response_minutes", json!(525_600)),
        ] {
            let answer = put(field, value.clone());
            assert!([200, 201].contains(&answer.status), "{}", answer.text);
            assert_eq!(answer.body[field], value);
        }
    }

    fn a_benefit_that_nobody_has_is_deleted(app) {
        app.set_up(json!({}));
        let client = app.admin();
        client.get("/v1/benefits/hamper").expect_problem(404, "not_found");
        client.delete("/v1/benefits/hamper").expect_problem(404, "not_found");
        client.delete("/v1/benefits/hamper?for_everyone=true").expect_problem(404, "not_found");
        put_gift(app, "hamper");
        put_gift(app, "shipping");
        let answer = client.delete("/v1/benefits/hamper?for_everyone=maybe");
        assert_eq!(answer.expect_problem(422, "invalid_request").pointers(), ["?for_everyone"]);
        client.get("/v1/benefits/hamper").expect(200);
        assert_eq!(client.delete("/v1/benefits/hamper").expect(204).text, "");
        client.get("/v1/benefits/hamper").expect_problem(404, "not_found");
        client.delete("/v1/benefits/hamper").expect_problem(404, "not_found");
        app.client(Role::PlatformAdmin).delete("/v1/benefits/shipping?for_everyone=true").expect(204);
        let list = client.get("/v1/benefits").expect(200).body;
        assert_eq!(list, json!({"benefits": []}));
    }

    fn a_benefit_that_a_tier_carries_is_not_deleted(app) {
        app.set_up(json!({}));
        put_gift(app, "hamper");
        let client = app.admin();
        let with = ladder_with(&[("gold", "500.00", json!({"benefits": ["hamper"]}))]);
        let tiers = client.put("/v1/tiers", &with).expect(200);
        for query in ["", "?for_everyone=false"] {
            let answer = client.delete(&format!("/v1/benefits/hamper{query}"));
            answer.expect_problem(409, "benefit_in_use");
        }
        client.get("/v1/benefits/hamper").expect(200);
        let after = client.get("/v1/tiers").expect(200);
        assert_eq!((&after.body["tiers"], after.etag()), (&tiers.body["tiers"], tiers.etag()));
        // While nobody holds the tier, nobody keeps anything of it.
        client.put("/v1/tiers", &ladder(&[("gold", "500.00")])).expect(200);
        client.delete("/v1/benefits/hamper").expect(204);
    }

    fn a_benefit_that_a_designation_adds_is_not_deleted(app) {
        app.set_up(json!({}));
        put_gift(app, "hamper");
        app.storefront().put("/v1/customers/c1", &json!({})).expect(201);
        let path = "/v1/customers/c1/designation";
        app.manager().put(path, &json!({"benefits": ["hamper"]})).expect(201);
        app.admin().delete("/v1/benefits/hamper").expect_problem(409, "benefit_in_use");
        assert_eq!(benefits_of(app, "c1"), ["hamper"]);
        app.manager().patch(path, &json!({"benefits": []})).expect(200);
        app.admin().delete("/v1/benefits/hamper").expect(204);
    }

    fn a_benefit_that_somebody_keeps_is_not_deleted(app) {
        app.set_up(json!({}));
        put_gift(app, "hamper");
        let with = ladder_with(&[("gold", "500.00", json!({"benefits": ["hamper"]}))]);
        app.admin().put("/v1/tiers", &with).expect(200);
        app.order("o1", "c1", NOON, "600.00").expect(201);
        app.admin().put("/v1/tiers", &ladder(&[("gold", "500.00")])).expect(200);
        app.admin().delete("/v1/benefits/hamper").expect_problem(409, "benefit_in_use");
        app.admin().get("/v1/benefits/hamper").expect(200);
        assert_eq!(benefits_of(app, "c1"), ["hamper"]);
        app.admin().delete("/v1/benefits/hamper?for_everyone=true").expect(204);
        app.admin().get("/v1/benefits/hamper").expect_problem(404, "not_found");
        assert_eq!(benefits_of(app, "c1"), [""; 0]);
    }

    fn a_benefit_that_is_deleted_for_everyone_is_taken_from_tiers_holders_and_designations(app) {
        app.set_up(json!({}));
        for code in ["hamper", "shipping"] {
            put_gift(app, code);
        }
        let benefits = json!({"benefits": ["hamper", "shipping"]});
        let with = ladder_with(&[
            ("silver", "100.00", json!({"benefits": ["hamper"]})),
            ("gold", "500.00", benefits.clone()),
        ]);
        app.admin().put("/v1/tiers", &with).expect(200);
        app.order("o1", "holder", NOON, "600.00").expect(201);
        app.storefront().put("/v1/customers/designee", &json!({})).expect(201);
        let path = "/v1/customers/designee/designation";
        app.manager().put(path, &benefits).expect(201);
        app.admin().delete("/v1/benefits/hamper?for_everyone=true").expect(204);

        let tiers = app.admin().get("/v1/tiers").expect(200).body["tiers"].clone();
        assert_eq!((&tiers[0]["benefits"], &tiers[1]["benefits"]), (&json!([]), &json!(["shipping"])));
        let designation = app.manager().get(path).expect(200).body;
        assert_eq!(designation["benefits"], json!(["shipping"]));
        assert_eq!(designation["state"], "active");
        assert_eq!(benefits_of(app, "holder"), ["shipping"]);
        assert_eq!(benefits_of(app, "designee"), ["shipping"]);
        // Another benefit of the same code is nobody's.
        put_gift(app, "hamper");
        assert_eq!(benefits_of(app, "holder"), ["shipping"]);
        assert_eq!(benefits_of(app, "designee"), ["shipping"]);
    }

    fn whoever_has_a_benefit_has_it_as_it_is_now(app) {
        app.set_up(json!({}));
        let put = |percent: &str| {
            let body = json!({"name": "Off", "kind": "discount", "discount_percent": percent});
            app.admin().put("/v1/benefits/off", &body)
        };
        put("10").expect(201);
        let with = ladder_with(&[("gold", "500.00", json!({"benefits": ["off"]}))]);
        app.admin().put("/v1/tiers", &with).expect(200);
        app.order("o1", "c1", NOON, "600.00").expect(201);
        assert_eq!(treatment_of(app, "c1")["benefits"][0]["discount_percent"], "10");
        put("15").expect(200);
        assert_eq!(treatment_of(app, "c1")["benefits"][0]["discount_percent"], "15");
    }

    fn a_version_is_changed_only_if_it_is_still_that_version(app) {
        app.set_up(json!({}));
        let first = put_gift(app, "hamper").etag();
        let client = |if_match: &str| app.admin().with("if-match", if_match);
        let body = json!({"name": "Basket", "kind": "gift"});
        let second = client(&first).put("/v1/benefits/hamper", &body).expect(200).etag();
        assert_ne!(first, second);
        let other = json!({"name": "Crate", "kind": "gift"});
        let answers = [
            client(&first).put("/v1/benefits/hamper", &other),
            client(&first).put("/v1/benefits/crate", &other),
            client(&first).delete("/v1/benefits/hamper"),
            client(&first).delete("/v1/benefits/hamper?for_everyone=true"),
        ];
        for answer in answers {
            answer.expect_problem(412, "precondition_failed");
        }
        let read = app.admin().get("/v1/benefits/hamper").expect(200);
        assert_eq!((&read.body, read.etag()), (&answered("hamper", &body), second.clone()));
        app.admin().get("/v1/benefits/crate").expect_problem(404, "not_found");
        client(&second).delete("/v1/benefits/hamper").expect(204);
    }

    fn another_stores_benefit_looks_like_an_absent_one(app) {
        app.set_up(json!({}));
        let mine = put_gift(app, "hamper").body;
        let other = neighbour(app, Role::Administrator);
        let (theirs, absent) = ("/v1/benefits/hamper", "/v1/benefits/absent");
        assert_same_404(&other.get(theirs), &other.get(absent));
        assert_same_404(&other.delete(theirs), &other.delete(absent));
        assert_eq!(other.get("/v1/benefits").expect(200).body, json!({"benefits": []}));
        let tier = json!({"name": "Gold", "rank": 1, "threshold": "1", "benefits": ["hamper"]});
        other.put("/v1/tiers/gold", &tier).expect_problem(409, "unknown_benefit");
        // The same code is free there.
        other.put(theirs, &json!({"name": "Theirs", "kind": "other"})).expect(201);
        assert_eq!(app.admin().get(theirs).expect(200).body, mine);
    }

    fn a_store_has_two_hundred_benefits_and_no_more(app) {
        app.set_up(json!({}));
        for number in 0..200 {
            put_gift(app, &format!("gift-{number}"));
        }
        let gift = json!({"name": "One more", "kind": "gift"});
        app.admin().put("/v1/benefits/more", &gift).expect_problem(409, "too_many_benefits");
        app.admin().get("/v1/benefits/more").expect_problem(404, "not_found");
        app.admin().put("/v1/benefits/gift-7", &gift).expect(200);
    }

    fn codes_that_differ_in_case_are_two_benefits(app) {
        app.set_up(json!({}));
        put_gift(app, "gift");
        put_gift(app, "GIFT");
        app.storefront().put("/v1/customers/c1", &json!({})).expect(201);
        let body = json!({"benefits": ["GIFT"]});
        let designated = app.manager().put("/v1/customers/c1/designation", &body).expect(201);
        app.admin().delete("/v1/benefits/gift").expect(204);
        app.admin().delete("/v1/benefits/GIFT").expect_problem(409, "benefit_in_use");
        let after = app.manager().get("/v1/customers/c1/designation").expect(200);
        assert_eq!((&after.body, after.etag()), (&designated.body, designated.etag()));
    }
}
