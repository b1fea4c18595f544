//! The rewards of tiers: how they are stated, what the next order earns by
//! them, and where they and the balances are shown.

use super::credits::{adjust, has, ledger, redeem};
use super::rules::{designate, designation_path, remove};
use super::treatment::ladder_with;
use super::{assert_same_404, faults, neighbour};
use crate::support::*;
use accolade::api::auth::Role;
use serde_json::{Value, json};

const NOON: &str = "2024-06-01T12:00:00Z";
const LATER: &str = "2024-07-01T00:00:00Z";

/// A reward as it is answered: by rate or by amount.
fn rate(rate: &str) -> Value {
    json!({"rate": rate, "amount": null})
}

fn amount(amount: &str) -> Value {
    json!({"rate": null, "amount": amount})
}

/// Bronze from enrolment, silver from 100.00 and gold from 1000.00, with what
/// silver gives back: by rate, or by amount.
fn ladder_of(silver: Value) -> Value {
    ladder_with(&[
        ("bronze", "0", json!({})),
        ("silver", "100.00", json!({"reward": silver})),
        ("gold", "1000.00", json!({"reward": {"amount": "10.00"}})),
    ])
}

/// A store with these tiers from the beginning on, and `c1`, who is bronze.
fn set_up(app: &App) {
    app.set_up(json!({}));
    let path = "/v1/tiers?effective_from=beginning";
    app.admin().put(path, &ladder_of(json!({"rate": "0.05"}))).expect(200);
    join(app, "c1", "2024-01-01T00:00:00Z");
}

/// What silver gives back from July of 2024 on.
fn change_silver(app: &App, reward: Value) {
    let path = format!("/v1/tiers?effective_from={LATER}");
    settled(app, app.admin().put(&path, &ladder_of(reward)).expect(200));
}

/// What a customer's next order earns, of this query.
fn reward(app: &App, customer: &str, query: &str) -> Value {
    app.storefront().get(&format!("/v1/customers/{customer}/reward{query}")).expect(200).body
}

/// What orders earn: by the tier of a code, of which the name is known.
fn earns(tier: &str, reward: Value, credit: Value, points: Value) -> Value {
    let name = tier[..1].to_uppercase() + &tier[1..];
    json!({
        "tier": {"code": tier, "name": name}, "reward": reward, "points_per_unit": "1",
        "credit": credit, "points": points,
    })
}

fn badge(app: &App, path: &str) -> Value {
    app.support().get(path).expect(200).body
}

/// The body of the gold tier with this reward.
fn gold(reward: &Value) -> Value {
    json!({"name": "Gold", "rank": 9, "threshold": "1000.00", "reward": reward})
}

on_both! {
    fn a_tier_has_a_reward_by_rate_or_by_amount_or_none(app) {
        app.set_up(json!({}));
        let client = app.admin();
        let mut etags = Vec::new();
        for (stated, answered) in [
            (json!({"rate": "0.05"}), rate("0.05")), (json!({"rate": "1"}), rate("1")),
            (json!({"rate": "0.0001", "amount": null}), rate("0.0001")),
            (json!({"amount": "5"}), amount("5.00")), (json!({"amount": "0.01"}), amount("0.01")),
            (Value::Null, Value::Null),
        ] {
            let put = client.put("/v1/tiers/gold", &gold(&stated));
            assert!(put.status < 300, "{}", put.text);
            assert_eq!(put.body["reward"], answered, "{stated}");
            assert_eq!(client.put("/v1/tiers/gold", &gold(&stated)).expect(200).etag(), put.etag());
            assert_eq!(app.storefront().get("/v1/tiers/gold").expect(200).body["reward"], answered);
            assert_eq!(app.storefront().get("/v1/tiers").expect(200).body["tiers"][0]["reward"], answered);
            etags.push(put.etag());
        }
        etags.dedup();
        assert_eq!(etags.len(), 6, "each is another version");
        // In a ladder too; left out there is none.
        let whole = client.put("/v1/tiers", &ladder_of(json!({"rate": "0.5"}))).expect(200).body;
        let rewards: Vec<&Value> =
            whole["tiers"].as_array().unwrap().iter().map(|tier| &tier["reward"]).collect();
        assert_eq!(rewards, [&Value::Null, &rate("0.5"), &amount("10.00")]);
        let plain = json!({"name": "Silver", "rank": 2, "threshold": "100.00"});
        assert_eq!(client.put("/v1/tiers/silver", &plain).expect(200).body["reward"], Value::Null);
    }

    fn a_reward_that_can_not_be_is_refused_at_its_place(app) {
        app.set_up(json!({}));
        let client = app.admin();
        for (reward, pointer) in [
            (json!({}), "/reward"),
            (json!({"rate": null, "amount": null}), "/reward"),
            (json!({"rate": "0.05", "amount": "5.00"}), "/reward"),
            (json!({"rate": "0"}), "/reward/rate"),
            (json!({"rate": "0.0000"}), "/reward/rate"),
            (json!({"rate": "1.0001"}), "/reward/rate"),
            (json!({"rate": "2"}), "/reward/rate"),
            (json!({"rate": "0.00001"}), "/reward/rate"),
            (json!({"rate": "-0.05"}), "/reward/rate"),
            (json!({"rate": "5%"}), "/reward/rate"),
            (json!({"rate": 0.05}), "/reward/rate"),
            (json!({"amount": "0"}), "/reward/amount"),
            (json!({"amount": "0.00"}), "/reward/amount"),
            (json!({"amount": "-5.00"}), "/reward/amount"),
            (json!({"amount": 5}), "/reward/amount"),
            (json!({"rate": "0.05", "bogus": 1}), "/reward/bogus"),
        ] {
            assert_eq!(faults(client.put("/v1/tiers/gold", &gold(&reward))), [pointer], "{reward}");
            let whole = ladder_with(&[("gold", "1000.00", json!({"reward": reward}))]);
            assert_eq!(faults(client.put("/v1/tiers", &whole)), [format!("/tiers/0{pointer}")], "{reward}");
        }
        let precise = json!({"amount": "1.234"});
        client.put("/v1/tiers/gold", &gold(&precise)).expect_problem(409, "amount_not_in_currency");
        let whole = ladder_with(&[("gold", "1000.00", json!({"reward": precise}))]);
        client.put("/v1/tiers", &whole).expect_problem(409, "amount_not_in_currency");
        assert_eq!(client.get("/v1/tiers").expect(200).body["tiers"], json!([]));
    }

    fn the_currency_is_fixed_while_a_tier_has_a_fixed_amount(app) {
        app.set_up(json!({}));
        let client = app.admin();
        let currency = |code: &str| client.patch("/v1/program", &json!({"currency": code}));
        client.put("/v1/tiers/gold", &gold(&json!({"rate": "0.05"}))).expect(201);
        currency("EUR").expect(200);
        client.put("/v1/tiers/gold", &gold(&json!({"amount": "5.00"}))).expect(200);
        currency("GBP").expect_problem(409, "currency_fixed");
        client.put("/v1/tiers/gold", &gold(&Value::Null)).expect(200);
        currency("GBP").expect(200);
    }

    fn what_the_next_order_earns_now_and_at_the_next_tier(app) {
        set_up(app);
        let first = reward(app, "c1", "?order_total=100.00");
        assert_eq!((&first["customer_id"], &first["paused"]), (&json!("c1"), &json!(false)));
        assert!(first["as_of"].is_string());
        assert_eq!(first["balances"], has("0.00", 0));
        assert_eq!(first["next_order"], earns("bronze", Value::Null, json!("0.00"), json!(100)));
        assert_eq!(first["next_tier"], earns("silver", rate("0.05"), json!("5.00"), json!(100)));

        app.order("o1", "c1", NOON, "200.00").expect(201);
        let second = reward(app, "c1", "?order_total=30.30");
        assert_eq!(second["balances"], has("0.00", 200));
        // 1.515 is rounded half up, and points down.
        assert_eq!(second["next_order"], earns("silver", rate("0.05"), json!("1.52"), json!(30)));
        assert_eq!(second["next_tier"], earns("gold", amount("10.00"), json!("10.00"), json!(30)));
        // And so it comes.
        let sent = app.order("o2", "c1", &from_now(0), "30.30").expect(201).body;
        assert_eq!(sent["earned"], json!({"credit": "1.52", "points": 30}));
        assert_eq!(reward(app, "c1", "")["balances"], has("1.52", 230));
    }

    fn without_a_total_nothing_is_said_of_what_it_comes_to(app) {
        set_up(app);
        app.order("o1", "c1", NOON, "200.00").expect(201);
        let body = reward(app, "c1", "");
        assert_eq!(body["next_order"], earns("silver", rate("0.05"), Value::Null, Value::Null));
        assert_eq!(body["next_tier"], earns("gold", amount("10.00"), Value::Null, Value::Null));
        // An order of nothing earns nothing.
        let free = reward(app, "c1", "?order_total=0");
        for field in ["next_order", "next_tier"] {
            assert_eq!((&free[field]["credit"], &free[field]["points"]), (&json!("0.00"), &json!(0)), "{field}");
        }
    }

    fn points_are_those_of_each_tier(app) {
        set_up(app);
        let way = json!({
            "name": "Shop", "earns": "per_currency_unit", "points": "1.5",
            "points_by_tier": {"silver": "2.25"},
        });
        app.admin().put("/v1/ways-to-earn/spend", &way).expect(201);
        let body = reward(app, "c1", "?order_total=9.99");
        for (field, rate, points) in [("next_order", "1.5", 14), ("next_tier", "2.25", 22)] {
            assert_eq!(body[field]["points_per_unit"], rate);
            assert_eq!(body[field]["points"], points);
        }
    }

    fn at_the_top_there_is_no_next_tier(app) {
        set_up(app);
        app.order("o1", "c1", NOON, "1000.00").expect(201);
        let body = reward(app, "c1", "?order_total=50.00");
        assert_eq!(body["next_order"], earns("gold", amount("10.00"), json!("10.00"), json!(50)));
        assert_eq!(body["next_tier"], Value::Null);
    }

    fn a_tier_that_no_progress_reaches_is_not_the_next_one(app) {
        app.set_up(json!({}));
        let mut tiers = ladder_of(json!({"rate": "0.05"}));
        tiers["tiers"][1]["threshold"] = Value::Null;
        app.admin().put("/v1/tiers", &tiers).expect(200);
        join(app, "c1", "2024-01-01T00:00:00Z");
        assert_eq!(reward(app, "c1", "")["next_tier"]["tier"]["code"], "gold");
        tiers["tiers"][2]["threshold"] = Value::Null;
        app.admin().put("/v1/tiers", &tiers).expect(200);
        assert_eq!(reward(app, "c1", "")["next_tier"], Value::Null);
    }

    fn who_has_no_tier_earns_points_alone(app) {
        app.set_up(json!({}));
        join(app, "c1", "2024-01-01T00:00:00Z");
        let none = json!({
            "tier": null, "reward": null, "points_per_unit": "1", "credit": "0.00", "points": 100,
        });
        let body = reward(app, "c1", "?order_total=100.00");
        assert_eq!((&body["next_order"], &body["next_tier"]), (&none, &Value::Null));
        assert_eq!(app.membership("c1")["reward"], Value::Null);
        app.set_tiers(&[("silver", "100.00")]);
        let body = reward(app, "c1", "?order_total=100.00");
        assert_eq!(body["next_order"], none);
        assert_eq!(body["next_tier"], earns("silver", Value::Null, json!("0.00"), json!(100)));
    }

    fn a_designations_tier_counts_while_it_is_active(app) {
        set_up(app);
        designate(app, "c1", &json!({"tier": "gold"}));
        let body = reward(app, "c1", "?order_total=50.00");
        assert_eq!(body["next_order"], earns("gold", amount("10.00"), json!("10.00"), json!(50)));
        assert_eq!(body["next_tier"], Value::Null);
        // The membership is what was reached.
        assert_eq!(app.membership("c1")["reward"], Value::Null);
        let state = |state: &str| {
            app.manager().patch(&designation_path("c1"), &json!({"state": state})).expect(200);
            reward(app, "c1", "")["next_order"]["tier"]["code"].clone()
        };
        assert_eq!([state("paused"), state("active")], ["bronze", "gold"]);
        remove(app, "c1");
        let body = reward(app, "c1", "");
        assert_eq!(body["next_order"]["tier"]["code"], "bronze");
        assert_eq!(body["next_tier"]["tier"]["code"], "silver");
    }

    fn a_kept_reward_is_shown_to_who_keeps_it(app) {
        set_up(app);
        app.order("o1", "c1", NOON, "200.00").expect(201);
        change_silver(app, json!({"rate": "0.02"}));
        app.order("o2", "late", "2024-08-01T12:00:00Z", "200.00").expect(201);
        join(app, "new", "2024-08-01T00:00:00Z");
        for (customer, kept, credit) in [("c1", "0.05", "5.00"), ("late", "0.02", "2.00")] {
            let body = reward(app, customer, "?order_total=100.00");
            assert_eq!(body["next_order"], earns("silver", rate(kept), json!(credit), json!(100)));
            assert_eq!(app.membership(customer)["reward"], rate(kept), "{customer}");
            let card = app.storefront().get(&format!("/v1/customers/{customer}/card")).expect(200).body;
            assert_eq!(card["reward"], rate(kept), "{customer}");
        }
        // Who will reach it finds the reward of today.
        let body = reward(app, "new", "?order_total=100.00");
        assert_eq!(body["next_tier"], earns("silver", rate("0.02"), json!("2.00"), json!(100)));
    }

    fn of_kept_rewards_of_both_kinds_the_order_decides_and_without_one_the_rate(app) {
        set_up(app);
        app.order("o1", "c1", NOON, "200.00").expect(201);
        change_silver(app, json!({"amount": "4.00"}));
        for (query, shown, credit) in [
            ("?order_total=100.00", rate("0.05"), json!("5.00")),
            ("?order_total=50.00", amount("4.00"), json!("4.00")),
            ("", rate("0.05"), Value::Null),
        ] {
            let next = reward(app, "c1", query)["next_order"].clone();
            assert_eq!((&next["reward"], &next["credit"]), (&shown, &credit), "{query}");
        }
        assert_eq!(app.membership("c1")["reward"], rate("0.05"));
        // Who has no rate has the amount, and it comes as it was said.
        app.order("o2", "late", "2024-08-01T12:00:00Z", "200.00").expect(201);
        assert_eq!(app.membership("late")["reward"], amount("4.00"));
        let sent = app.order("o3", "c1", &from_now(0), "50.00").expect(201).body;
        assert_eq!(sent["earned"]["credit"], "4.00");
        assert_eq!(ledger(app, "c1")[1]["reward"], amount("4.00"));
    }

    fn while_the_program_is_paused_nothing_is_earned(app) {
        set_up(app);
        app.order("o1", "c1", NOON, "200.00").expect(201);
        adjust(app, "c1", json!({"credit": "3.00"})).expect(201);
        app.admin().post_empty("/v1/program/pause").expect(200);
        let body = reward(app, "c1", "?order_total=100.00");
        assert_eq!((&body["paused"], &body["balances"]), (&json!(true), &has("3.00", 200)));
        for field in ["next_order", "next_tier"] {
            for (what, expected) in [
                ("reward", Value::Null), ("points_per_unit", json!("0")), ("credit", json!("0.00")),
                ("points", json!(0)),
            ] {
                assert_eq!(body[field][what], expected, "{field} {what}");
            }
        }
        let sent = app.order("o2", "c1", &from_now(0), "100.00").expect(201).body;
        assert_eq!(sent["earned"], json!({"credit": "0.00", "points": 0}));
        // What there is can be spent.
        redeem(app, "c1", "3.00").expect(201);
        app.admin().post_empty("/v1/program/resume").expect(200);
        let body = reward(app, "c1", "?order_total=100.00");
        assert_eq!(body["paused"], false);
        assert_eq!(body["next_order"], earns("silver", rate("0.05"), json!("5.00"), json!(100)));
    }

    fn a_total_that_is_none_is_refused(app) {
        set_up(app);
        let get = |query: &str| app.storefront().get(&format!("/v1/customers/c1/reward?{query}"));
        for total in ["", "1e3", "-1", "one", "1.", ".5", "1,00", "1.00000"] {
            assert_eq!(faults(get(&format!("order_total={total}"))), ["?order_total"], "{total:?}");
        }
        assert_eq!(faults(get("order_total=1.00&order_total=1.00")), ["?order_total"]);
        assert_eq!(faults(get("total=1.00")), ["?total"]);
        // What the currency allows, only the program knows.
        get("order_total=1.234").expect_problem(409, "amount_not_in_currency");
    }

    fn what_would_not_fit_is_not_promised(app) {
        set_up(app);
        app.admin().patch("/v1/program", &json!({"points_per_unit": "1000000"})).expect(200);
        let path = "/v1/customers/c1/reward?order_total=92233720368547758.07";
        app.storefront().get(path).expect_problem(409, "figure_overflow");
    }

    fn everyone_asks_and_of_nobody_who_is_not_there(app) {
        set_up(app);
        for (_, role) in Role::WORDS {
            app.client(role).get("/v1/customers/c1/reward?order_total=1").expect(200);
        }
        app.storefront().get("/v1/customers/absent/reward").expect_problem(404, "not_found");
        let other = neighbour(app, Role::Storefront);
        assert_same_404(
            &other.get("/v1/customers/c1/reward"),
            &other.get("/v1/customers/absent/reward"),
        );
    }

    fn cards_and_badges_show_the_balances(app) {
        set_up(app);
        let assert_shown = |balances: &Value| {
            let card = app.storefront().get("/v1/customers/c1/card").expect(200).body;
            assert_eq!(card["balances"], *balances);
            assert_eq!(badge(app, "/v1/customers/c1/badge")["balances"], *balances);
            for ids in [json!({"customer_ids": ["c1"]}), json!({"order_ids": ["o1"]})] {
                let batch = app.support().post("/v1/badges", &ids).expect(200).body;
                assert_eq!(batch["badges"][0]["balances"], *balances, "{ids}");
            }
            assert_eq!(badge(app, "/v1/orders/o1/badge")["balances"], *balances);
            assert_eq!(reward(app, "c1", "")["balances"], *balances);
        };
        let card = app.storefront().get("/v1/customers/c1/card").expect(200).body;
        assert_eq!((&card["balances"], &card["reward"]), (&has("0.00", 0), &Value::Null));
        app.order("o1", "c1", NOON, "200.00").expect(201);
        assert_shown(&has("0.00", 200));
        app.order("o2", "c1", "2024-06-02T12:00:00Z", "100.00").expect(201);
        assert_shown(&has("5.00", 300));
        let card = app.storefront().get("/v1/customers/c1/card").expect(200).body;
        assert_eq!(card["reward"], rate("0.05"));
        // What was spent and is taken back is owed.
        redeem(app, "c1", "4.00").expect(201);
        app.refund("r1", "o2", "2024-06-03T12:00:00Z", "50.00").expect(201);
        assert_shown(&json!({"credit": "0.00", "credit_owed": "1.50", "points": 250, "points_owed": 0}));
    }

    fn the_currency_is_fixed_while_a_customer_has_anything(app) {
        app.set_up(json!({}));
        app.storefront().put("/v1/customers/c1", &json!({})).expect(201);
        let given = json!({"kind": "adjusted", "credit": "5.00", "note": "Sorry."});
        app.manager().post("/v1/customers/c1/credits", &given).expect(201);
        app.admin().patch("/v1/program", &json!({"currency": "JPY"})).expect_problem(409, "currency_fixed");
    }

    fn who_is_not_enrolled_yet_is_promised_nothing(app) {
        app.set_up(json!({}));
        let bronze = json!({"name": "Bronze", "rank": 1, "threshold": "0", "reward": {"rate": "0.05"}});
        app.admin().put("/v1/tiers/bronze", &bronze).expect(201);
        join(app, "c1", &from_now(86_400));
        let answer = app.storefront().get("/v1/customers/c1/reward?order_total=100.00").expect(200).body;
        let next = &answer["next_order"];
        assert_eq!((&next["reward"], &next["credit"], &next["points"]), (&Value::Null, &json!("0.00"), &json!(0)));
    }
}
