//! Tiers: the ladder as a whole, and one tier at a time.

use super::{assert_same_404, neighbour};
use crate::support::*;
use accolade::api::auth::Role;
use serde_json::{Value, json};

const NOON: &str = "2024-06-01T12:00:00Z";

/// Codes and thresholds, in their order.
fn rungs(body: &Value) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap_or("none").to_owned();
    let tiers = body["tiers"].as_array().unwrap();
    tiers.iter().map(|tier| (text(&tier["code"]), text(&tier["threshold"]))).collect()
}

/// The same, as expected.
fn expected(rungs: &[(&str, &str)]) -> Vec<(String, String)> {
    rungs.iter().map(|(code, threshold)| ((*code).to_owned(), (*threshold).to_owned())).collect()
}

/// The body of one tier.
fn tier_of(name: &str, rank: u32, threshold: Value) -> Value {
    json!({"name": name, "rank": rank, "threshold": threshold})
}

on_both! {
    fn a_ladder_is_set_whole_and_listed_by_rank(app) {
        app.set_up(json!({}));
        let empty = app.storefront().get("/v1/tiers").expect(200);
        assert_eq!(empty.body, json!({"entry_method": "amount_spent", "tiers": [], "recalculation": null}));
        let body = json!({"tiers": [
            {"code": "gold", "name": "Gold", "rank": 30, "threshold": "500"},
            {"code": "bronze", "name": "Bronze", "rank": 1, "threshold": "0"},
            {"code": "staff", "name": "Staff", "rank": 40, "threshold": null},
            {"code": "silver", "name": "Silver", "rank": 20, "threshold": "250.5"},
        ]});
        let put = app.admin().put("/v1/tiers", &body).expect(200);
        let all = [("bronze", "0.00"), ("silver", "250.50"), ("gold", "500.00"), ("staff", "none")];
        assert_eq!(rungs(&put.body), expected(&all));
        assert_ne!(put.etag(), empty.etag());
        let list = app.storefront().get("/v1/tiers").expect(200);
        assert_eq!((rungs(&list.body), list.etag()), (expected(&all), put.etag()));
        let one = app.storefront().get("/v1/tiers/silver").expect(200);
        let silver = json!({
            "code": "silver", "name": "Silver", "rank": 20, "threshold": "250.50", "benefits": [],
            "icon": "star", "priority": "normal", "team": null, "designates": false, "requires_approval": false, "reward": null,
        });
        assert_eq!((one.body.clone(), one.etag()), (silver, put.etag()));
        // The same again changes nothing; while there are no facts, less is fine too.
        assert_eq!(app.admin().put("/v1/tiers", &body).expect(200).etag(), put.etag());
        app.admin().put("/v1/tiers", &json!({"tiers": []})).expect(200);
        assert_eq!(app.storefront().get("/v1/tiers").expect(200).body["tiers"], json!([]));
    }

    fn what_a_ladders_own_text_shows_is_422_with_its_place(app) {
        app.set_up(json!({}));
        let put = |body: Value| {
            app.admin().put("/v1/tiers", &body).expect_problem(422, "invalid_request")
        };
        let two = |field: &str, value: Value| {
            let mut body = ladder(&[("silver", "250"), ("gold", "500")]);
            body["tiers"][1][field] = value;
            put(body)
        };
        assert_eq!(two("code", json!("silver")).pointers(), ["/tiers/1/code"]);
        assert_eq!(two("rank", json!(1)).pointers(), ["/tiers/1/rank"]);
        for threshold in ["250", "250.00", "0", "249.9999"] {
            assert_eq!(two("threshold", json!(threshold)).pointers(), ["/tiers/1/threshold"]);
        }
        for threshold in [json!("1e3"), json!("-1"), json!("1."), json!(500), json!("")] {
            let answer = two("threshold", threshold);
            assert!(!answer.pointers().is_empty());
            assert!(answer.pointers().iter().all(|at| *at == "/tiers/1/threshold"), "{}", answer.text);
        }
        for rank in [json!(0), json!(-1), json!(1_000_001), json!("2")] {
            let answer = two("rank", rank);
            assert!(answer.pointers().contains(&"/tiers/1/rank"), "{}", answer.text);
        }
        assert_eq!(two("code", json!("a b")).pointers(), ["/tiers/1/code"]);
        assert_eq!(two("name", json!(" ")).pointers(), ["/tiers/1/name"]);
        assert_eq!(two("bogus", json!(1)).pointers(), ["/tiers/1/bogus"]);
        assert_eq!(put(json!({})).pointers(), ["/tiers"]);
        let missing = ["/tiers/0/code", "/tiers/0/name", "/tiers/0/rank"];
        assert_eq!(put(json!({"tiers": [{}]})).pointers(), missing);
        let bad = json!({"tiers": [], "entry_method": "age"});
        assert_eq!(put(bad).pointers(), ["/entry_method"]);
        let tier = |i: u32| json!({"code": format!("t{i}"), "name": "T", "rank": i, "threshold": i.to_string()});
        let many = |count: u32| json!({"tiers": (1..=count).map(tier).collect::<Vec<_>>()});
        assert!(put(many(51)).pointers().iter().all(|at| *at == "/tiers"));
        assert_eq!(app.storefront().get("/v1/tiers").expect(200).body["tiers"], json!([]));
        app.admin().put("/v1/tiers", &many(50)).expect(200);
    }

    fn a_threshold_is_in_the_entry_methods_unit(app) {
        app.set_up(json!({}));
        let client = app.admin();
        for threshold in ["12.345", "92233720368547758.08"] {
            let answer = client.put("/v1/tiers", &ladder(&[("gold", threshold)]));
            answer.expect_problem(409, "threshold_not_in_unit");
            let answer = client.put("/v1/tiers/gold", &tier_of("Gold", 1, json!(threshold)));
            answer.expect_problem(409, "threshold_not_in_unit");
        }
        for method in ["orders_placed", "points_earned"] {
            let mut body = ladder(&[("gold", "12.5")]);
            body["entry_method"] = json!(method);
            client.put("/v1/tiers", &body).expect_problem(409, "threshold_not_in_unit");
            body["tiers"][0]["threshold"] = json!("12");
            let put = client.put("/v1/tiers", &body).expect(200);
            assert_eq!(put.body["entry_method"], method);
            assert_eq!(rungs(&put.body), expected(&[("gold", "12")]));
            assert_eq!(client.get("/v1/program").expect(200).body["entry_method"], method);
        }
        let answer = client.put("/v1/tiers/gold", &tier_of("Gold", 1, json!("12.0")));
        answer.expect_problem(409, "threshold_not_in_unit");
    }

    fn one_tier_is_put_in_changed_and_taken_out(app) {
        app.set_up(json!({}));
        let client = app.admin();
        let gold = client.put("/v1/tiers/gold", &tier_of("Gold", 3, json!("500"))).expect(201);
        let expected_gold = json!({
            "code": "gold", "name": "Gold", "rank": 3, "threshold": "500.00", "benefits": [],
            "icon": "star", "priority": "normal", "team": null, "designates": false, "requires_approval": false, "reward": null,
            "recalculation": null,
        });
        assert_eq!(gold.body, expected_gold);
        assert_eq!(client.get("/v1/tiers").expect(200).etag(), gold.etag());
        let same = client.put("/v1/tiers/gold", &tier_of("Gold", 3, json!("500.00"))).expect(200);
        assert_eq!((same.body.clone(), same.etag()), (expected_gold, gold.etag()));
        let changed = client.put("/v1/tiers/gold", &tier_of("Or", 4, json!("600"))).expect(200);
        assert_eq!((&changed.body["name"], &changed.body["rank"]), (&json!("Or"), &json!(4)));
        client.put("/v1/tiers/silver", &tier_of("Silver", 2, json!("100"))).expect(201);
        let list = client.get("/v1/tiers").expect(200).body;
        assert_eq!(rungs(&list), expected(&[("silver", "100.00"), ("gold", "600.00")]));
        assert_eq!(client.delete("/v1/tiers/gold").expect(204).text, "");
        client.get("/v1/tiers/gold").expect_problem(404, "not_found");
        client.delete("/v1/tiers/gold").expect_problem(404, "not_found");
        let list = client.get("/v1/tiers").expect(200).body;
        assert_eq!(rungs(&list), expected(&[("silver", "100.00")]));
    }

    fn faults_of_one_tier_are_answered_at_once(app) {
        app.set_up(json!({}));
        let put = |body: Value| {
            app.admin().put("/v1/tiers/gold", &body).expect_problem(422, "invalid_request")
        };
        let bad = json!({"name": " ", "rank": 0, "threshold": "1e3", "code": "gold"});
        assert_eq!(put(bad).pointers(), ["/code", "/name", "/rank", "/threshold"]);
        assert_eq!(put(json!({})).pointers(), ["/name", "/rank"]);
    }

    fn a_tier_that_breaks_the_ladder_is_refused(app) {
        app.set_up(json!({}));
        app.set_tiers(&[("bronze", "0"), ("silver", "250.00")]);
        let client = app.admin();
        for body in [
            tier_of("Gold", 2, json!("500")),
            tier_of("Gold", 3, json!("250")),
            tier_of("Gold", 3, json!("0")),
        ] {
            client.put("/v1/tiers/gold", &body).expect_problem(409, "ladder_invalid");
        }
        client.put("/v1/tiers/silver", &tier_of("Silver", 2, json!("0"))).expect_problem(409, "ladder_invalid");
        client.put("/v1/tiers/gold", &tier_of("Gold", 3, Value::Null)).expect(201);
    }

    fn with_facts_the_first_ladder_comes_whole(app) {
        app.set_up(json!({}));
        app.order("o1", "c1", NOON, "600.00").expect(201);
        let client = app.admin();
        let gold = tier_of("Gold", 3, json!("500"));
        client.put("/v1/tiers/gold", &gold).expect_problem(409, "ladder_comes_whole");
        let whole = app.set_tiers(&[("bronze", "0"), ("silver", "250.00")]);
        assert_eq!(settled(app, whole)["state"], "completed");
        client.put("/v1/tiers/gold", &gold).expect(201);
        // From now on, so what came before lifts nobody.
        assert_eq!(tier(&app.membership("c1")), "bronze");
        app.order("o2", "c1", &from_now(0), "0.01").expect(201);
        assert_eq!(tier(&app.membership("c1")), "gold");
    }

    fn with_facts_a_code_never_leaves_the_ladder(app) {
        app.set_up(json!({}));
        app.set_tiers(&[("bronze", "0"), ("silver", "250.00"), ("gold", "500.00")]);
        app.order("o1", "c1", NOON, "600.00").expect(201);
        let client = app.admin();
        let less = ladder(&[("bronze", "0"), ("silver", "250.00")]);
        client.put("/v1/tiers", &less).expect_problem(409, "tier_leaves_ladder");
        client.delete("/v1/tiers/gold").expect_problem(409, "tier_leaves_ladder");
        let retired = client.put("/v1/tiers/gold", &tier_of("Gold", 3, Value::Null)).expect(200);
        assert_eq!(retired.body["threshold"], Value::Null);
        assert_eq!(tier(&app.membership("c1")), "gold");
        app.order("o2", "c2", &from_now(0), "600.00").expect(201);
        assert_eq!(tier(&app.membership("c2")), "silver");
    }

    fn a_new_entry_method_comes_with_its_ladder(app) {
        app.set_up(json!({}));
        app.set_tiers(&[("bronze", "0"), ("silver", "250.00")]);
        app.order("o1", "c1", NOON, "10.00").expect(201);
        let mut body = ladder(&[("bronze", "0"), ("silver", "1")]);
        body["entry_method"] = json!("orders_placed");
        let changed = app.admin().put("/v1/tiers?effective_from=beginning", &body).expect(200);
        assert_eq!(settled(app, changed)["customers_upgraded"], 1);
        assert_eq!(tier(&app.membership("c1")), "silver");
    }

    fn a_change_holds_from_an_instant_that_is_not_ahead(app) {
        app.set_up(json!({}));
        app.set_tiers(&[("bronze", "0"), ("silver", "250.00")]);
        let client = app.admin();
        let ahead = format!("effective_from={}", from_now(3_600));
        let whole = ladder(&[("bronze", "0"), ("silver", "300.00")]);
        let one = tier_of("Silver", 2, json!("300"));
        let answers = [
            client.put(&format!("/v1/tiers?{ahead}"), &whole),
            client.put(&format!("/v1/tiers/silver?{ahead}"), &one),
            client.delete(&format!("/v1/tiers/silver?{ahead}")),
        ];
        for answer in answers {
            answer.expect_problem(409, "effective_from_in_future");
        }
        for query in ["effective_from=today", "allow_downgrades=maybe", "dry_run=1"] {
            let pointer = format!("?{}", query.split('=').next().unwrap());
            for answer in [
                client.put(&format!("/v1/tiers?{query}"), &whole),
                client.put(&format!("/v1/tiers/silver?{query}"), &one),
                client.delete(&format!("/v1/tiers/silver?{query}")),
            ] {
                let answer = answer.expect_problem(422, "invalid_request");
                assert_eq!(answer.pointers(), [pointer.as_str()]);
            }
        }
        assert_eq!(client.get("/v1/tiers/silver").expect(200).body["threshold"], "250.00");
    }

    fn a_dry_run_says_what_would_be_and_changes_nothing(app) {
        app.set_up(json!({}));
        app.set_tiers(&[("bronze", "0"), ("silver", "250.00")]);
        app.order("o1", "c1", NOON, "200.00").expect(201);
        let client = app.admin();
        let before = client.get("/v1/tiers").expect(200);
        let query = "dry_run=true&effective_from=beginning";
        let whole = ladder(&[("bronze", "0"), ("silver", "150.00")]);
        let dry = client.put(&format!("/v1/tiers?{query}"), &whole).expect(200);
        assert_eq!(rungs(&dry.body), expected(&[("bronze", "0.00"), ("silver", "150.00")]));
        let recalculation = settled(app, dry);
        assert_eq!(recalculation["state"], "completed");
        assert_eq!(recalculation["dry_run"], true);
        assert_eq!(recalculation["customers_upgraded"], 1);
        let path = format!("/v1/tiers/gold?{query}");
        let dry = client.put(&path, &tier_of("Gold", 3, json!("500"))).expect(200);
        assert_eq!(dry.body["code"], "gold");
        assert_eq!(settled(app, dry)["customers_upgraded"], 0);
        client.get("/v1/tiers/gold").expect_problem(404, "not_found");
        let after = client.get("/v1/tiers").expect(200);
        assert_eq!((after.body.clone(), after.etag()), (before.body.clone(), before.etag()));
        assert_eq!(tier(&app.membership("c1")), "bronze");
    }

    fn a_tier_that_is_taken_out_dry_stays(app) {
        app.set_up(json!({}));
        app.set_tiers(&[("bronze", "0"), ("silver", "250.00")]);
        app.admin().delete("/v1/tiers/silver?dry_run=true").expect(204);
        app.admin().get("/v1/tiers/silver").expect(200);
    }

    fn a_version_is_changed_only_if_it_is_still_that_version(app) {
        app.set_up(json!({}));
        let first = app.set_tiers(&[("bronze", "0"), ("silver", "250.00")]).etag();
        let client = |if_match: &str| app.admin().with("if-match", if_match);
        let whole = ladder(&[("bronze", "0"), ("silver", "300.00")]);
        let second = client(&first).put("/v1/tiers", &whole).expect(200).etag();
        assert_ne!(first, second);
        let one = tier_of("Gold", 3, json!("500"));
        let answers = [
            client(&first).put("/v1/tiers", &whole),
            client(&first).put("/v1/tiers/gold", &one),
            client(&first).delete("/v1/tiers/silver"),
        ];
        for answer in answers {
            answer.expect_problem(412, "precondition_failed");
        }
        let third = client(&second).put("/v1/tiers/gold", &one).expect(201).etag();
        assert_eq!(app.admin().get("/v1/tiers/gold").expect(200).etag(), third);
        client(&third).delete("/v1/tiers/gold").expect(204);
        client("*").put("/v1/tiers/gold", &one).expect_problem(412, "precondition_failed");
        app.admin().put("/v1/tiers/gold", &one).expect(201);
        client("*").put("/v1/tiers/gold", &one).expect(200);
    }

    fn another_stores_tier_looks_like_an_absent_one(app) {
        app.set_up(json!({}));
        app.set_tiers(&[("bronze", "0")]);
        let other = neighbour(app, Role::Administrator);
        assert_same_404(&other.get("/v1/tiers/bronze"), &other.get("/v1/tiers/absent"));
        assert_same_404(&other.delete("/v1/tiers/bronze"), &other.delete("/v1/tiers/absent"));
        app.admin().get("/v1/tiers/bronze").expect(200);
    }
}
