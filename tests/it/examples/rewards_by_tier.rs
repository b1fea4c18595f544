//! Worked examples with figures: store credit by tier, and points that differ by tier.

use crate::support::*;
use serde_json::{Value, json};

/// The text's example tier structure, with rates that rise from tier to tier.
const RISING: [(&str, &str, &str); 4] = [
    ("bronze", "0", "0.01"),
    ("silver", "250.00", "0.02"),
    ("gold", "500.00", "0.03"),
    ("platinum", "1000.00", "0.05"),
];

fn rate(rate: &str) -> Value {
    json!({"rate": rate})
}

/// A reward as answers show it.
fn shown_rate(rate: &str) -> Value {
    json!({"rate": rate, "amount": null})
}

/// The body of a ladder: codes, thresholds and rewards, in the order of their ranks.
fn rewarding(tiers: &[(&str, &str, Value)]) -> Value {
    let plain: Vec<(&str, &str)> =
        tiers.iter().map(|(code, threshold, _)| (*code, *threshold)).collect();
    let mut body = ladder(&plain);
    for (at, (_, _, reward)) in tiers.iter().enumerate() {
        body["tiers"][at]["reward"] = reward.clone();
    }
    body
}

fn put_tiers(app: &App, tiers: &[(&str, &str, Value)]) -> Answer {
    app.admin().put("/v1/tiers", &rewarding(tiers)).expect(200)
}

/// The text's ladder.
fn rising(app: &App) {
    let tiers: Vec<_> =
        RISING.iter().map(|(code, threshold, share)| (*code, *threshold, rate(share))).collect();
    put_tiers(app, &tiers);
}

/// The text's ladder with another reward for Gold.
fn rising_with_gold(app: &App, reward: &Value) -> Answer {
    let tiers: Vec<_> = RISING
        .iter()
        .map(|(code, threshold, share)| {
            (*code, *threshold, if *code == "gold" { reward.clone() } else { rate(share) })
        })
        .collect();
    put_tiers(app, &tiers)
}

/// What a request changed in the balances.
#[track_caller]
fn earned(answer: &Answer) -> (&str, i64) {
    let earned = &answer.body["earned"];
    let credit = earned["credit"].as_str().unwrap_or_else(|| panic!("{}", answer.text));
    (credit, earned["points"].as_i64().unwrap())
}

/// A customer's ledger, oldest first, and the balances.
fn ledger(app: &App, customer: &str) -> (Vec<Value>, Value) {
    let path = format!("/v1/customers/{customer}/credits?limit=200");
    let body = app.storefront().get(&path).expect(200).body;
    let mut entries = body["entries"].as_array().unwrap().clone();
    entries.reverse();
    (entries, body["balances"].clone())
}

fn balances(credit: &str, points: i64) -> Value {
    json!({"credit": credit, "credit_owed": "0.00", "points": points, "points_owed": 0})
}

/// What the next order of 100.00 would earn.
fn next_order(app: &App, customer: &str) -> Value {
    let path = format!("/v1/customers/{customer}/reward?order_total=100.00");
    app.storefront().get(&path).expect(200).body
}

/// Puts a way to earn that is new.
fn put_way(app: &App, code: &str, earns: &str, points: &str, by_tier: Value) -> Answer {
    let body = json!({"name": code, "earns": earns, "points": points, "points_by_tier": by_tier});
    app.admin().put(&format!("/v1/ways-to-earn/{code}"), &body).expect(201)
}

/// Sends what a customer did that earns by a way.
fn act(app: &App, id: &str, customer: &str, way: &str, at: &str) -> Answer {
    let body =
        json!({"customer_id": customer, "kind": "points", "way_to_earn": way, "occurred_at": at});
    app.storefront().put(&format!("/v1/activities/{id}"), &body)
}

on_both! {
    fn rewards_apply_to_future_purchases_each_order_earns_by_the_tier_held_before_it(app) {
        app.set_up(json!({}));
        rising(app);
        let steps = [
            ("249.99", "2.50", 249, "bronze"),
            ("0.01", "0.00", 0, "silver"),
            ("249.99", "5.00", 249, "silver"),
            ("0.01", "0.00", 0, "gold"),
            ("499.99", "15.00", 499, "gold"),
            ("0.01", "0.00", 0, "platinum"),
            ("100.00", "5.00", 100, "platinum"),
        ];
        for (day, (total, credit, points, after)) in (1..).zip(steps) {
            let at = format!("2024-03-0{day}T10:00:00Z");
            let answer = app.order(&format!("o{day}"), "c1", &at, total).expect(201);
            assert_eq!(earned(&answer), (credit, points), "order {day}");
            assert_eq!(tier(&answer.body["membership"]["after"]), after, "order {day}");
        }
        let (entries, now) = ledger(app, "c1");
        assert_eq!(now, balances("27.50", 1_097));
        let by = |entry: &Value| {
            let text = |value: &Value| value.as_str().unwrap().to_owned();
            (text(&entry["order_id"]), text(&entry["tier"]), text(&entry["reward"]["rate"]))
        };
        let expected = [
            ("o1", "bronze", "0.01"),
            ("o3", "silver", "0.02"),
            ("o5", "gold", "0.03"),
            ("o7", "platinum", "0.05"),
        ];
        let expected = expected.map(|(a, b, c)| (a.to_owned(), b.to_owned(), c.to_owned()));
        assert_eq!(entries.iter().map(by).collect::<Vec<_>>(), expected);
        let numbers: Vec<_> = entries.iter().map(|entry| entry["number"].as_i64()).collect();
        assert_eq!(numbers, [Some(1), Some(2), Some(3), Some(4)], "what earns nothing has no entry");
        assert_eq!(entries[2]["occurred_at"], "2024-03-05T10:00:00Z");
        assert_eq!((&entries[2]["kind"], &entries[2]["cause"]), (&json!("earned"), &json!("order_completed")));
    }

    fn zero_dollar_tier_everyone_receives_its_reward_immediately_upon_joining(app) {
        app.set_up(json!({}));
        rising(app);
        join(app, "c1", "2024-03-01T09:00:00Z");
        let before = next_order(app, "c1");
        assert_eq!(before["next_order"], json!({
            "tier": {"code": "bronze", "name": "Bronze"}, "reward": shown_rate("0.01"),
            "points_per_unit": "1", "credit": "1.00", "points": 100,
        }));
        assert_eq!(before["next_tier"], json!({
            "tier": {"code": "silver", "name": "Silver"}, "reward": shown_rate("0.02"),
            "points_per_unit": "1", "credit": "2.00", "points": 100,
        }));
        assert_eq!(before["balances"], balances("0.00", 0));
        assert_eq!(app.membership("c1")["reward"], shown_rate("0.01"));
        let first = app.order("o1", "c1", "2024-03-01T10:00:00Z", "100.00").expect(201);
        assert_eq!(earned(&first), ("1.00", 100));
        assert_eq!(first.body["balances"], balances("1.00", 100));
        // So does who is first heard of by an order.
        let stranger = app.order("o2", "c2", "2024-03-01T10:00:00Z", "100.00").expect(201);
        assert_eq!(earned(&stranger), ("1.00", 100));
        assert_eq!(ledger(app, "c2").0[0]["tier"], "bronze");
    }

    fn an_order_that_skips_tiers_earns_by_the_one_before_and_the_next_by_the_one_reached(app) {
        app.set_up(json!({}));
        rising(app);
        let first = app.order("o1", "c1", "2024-03-01T10:00:00Z", "1000.00").expect(201);
        assert_eq!(tier(&first.body["membership"]["after"]), "platinum");
        assert_eq!(earned(&first), ("10.00", 1_000));
        let second = app.order("o2", "c1", "2024-03-02T10:00:00Z", "1000.00").expect(201);
        assert_eq!(earned(&second), ("50.00", 1_000));
        assert!(next_order(app, "c1")["next_tier"].is_null());
    }

    fn fresh_start_what_was_bought_before_the_program_earns_nothing(app) {
        app.set_up(json!({"start_date": "2024-06-01"}));
        rising(app);
        let early = app.order("o1", "c1", "2024-05-31T23:59:59Z", "5000.00").expect(201);
        assert_eq!(earned(&early), ("0.00", 0));
        let mut body = order("c1", "2024-06-03T10:00:00Z", "300.00");
        body["placed_at"] = json!("2024-05-31T23:00:00Z");
        let placed_before = app.storefront().put("/v1/orders/o2", &body).expect(201);
        assert_eq!(earned(&placed_before), ("0.00", 0));
        assert_eq!(ledger(app, "c1"), (vec![], balances("0.00", 0)));
        // Money given back for them takes nothing away.
        let refund = app.refund("r1", "o1", "2024-06-04T10:00:00Z", "5000.00").expect(201);
        assert_eq!(earned(&refund), ("0.00", 0));
        let counted = app.order("o3", "c1", "2024-06-05T10:00:00Z", "100.00").expect(201);
        assert_eq!(earned(&counted), ("1.00", 100));
    }

    fn pending_orders_earn_once_they_are_completed_and_cancelled_ones_nothing(app) {
        app.set_up(json!({}));
        rising(app);
        let state = |status: &str| {
            json!({
                "customer_id": "c1", "status": status, "total": "250.00", "currency": "GBP",
                "placed_at": "2024-03-01T09:00:00Z",
            })
        };
        let storefront = app.storefront();
        let pending = storefront.put("/v1/orders/o1", &state("pending")).expect(201);
        assert_eq!(earned(&pending), ("0.00", 0));
        let cancelled = storefront.put("/v1/orders/o2", &state("cancelled")).expect(201);
        assert_eq!(earned(&cancelled), ("0.00", 0));
        let mut completed = state("completed");
        completed["completed_at"] = json!("2024-03-02T09:00:00Z");
        let answer = storefront.put("/v1/orders/o1", &completed).expect(200);
        assert_eq!(earned(&answer), ("2.50", 250));
        let again = storefront.put("/v1/orders/o1", &completed).expect(200);
        assert_eq!(earned(&again), ("0.00", 0), "the same again changes nothing");
        assert_eq!(again.body["balances"], balances("2.50", 250));
        let off = storefront.put("/v1/orders/o1", &state("cancelled")).expect(200);
        assert_eq!(earned(&off), ("-2.50", -250));
        let (entries, now) = ledger(app, "c1");
        assert_eq!(now, balances("0.00", 0));
        assert_eq!((&entries[1]["kind"], &entries[1]["cause"]), (&json!("reversed"), &json!("order_cancelled")));
        assert_eq!(entries.len(), 2);
    }

    fn fixed_reward_amounts_by_tier_are_earned_by_each_order(app) {
        app.set_up(json!({}));
        let amount = |amount: &str| json!({"amount": amount});
        put_tiers(app, &[
            ("bronze", "0", amount("1.00")), ("silver", "250.00", amount("2.50")),
            ("gold", "500.00", amount("5.00")), ("platinum", "1000.00", amount("10.00")),
        ]);
        let steps = [
            ("250.00", "1.00", 250), ("10.00", "2.50", 10), ("0.00", "0.00", 0),
            ("240.00", "2.50", 240), ("0.50", "5.00", 0), ("499.50", "5.00", 499), ("3.00", "10.00", 3),
        ];
        for (day, (total, credit, points)) in (1..).zip(steps) {
            let at = format!("2024-03-0{day}T10:00:00Z");
            let answer = app.order(&format!("o{day}"), "c1", &at, total).expect(201);
            assert_eq!(earned(&answer), (credit, points), "order {day}");
        }
        let half = app.refund("r1", "o2", "2024-03-09T10:00:00Z", "5.00").expect(201);
        assert_eq!(earned(&half), ("-1.25", -5), "by the amount of the tier that it was earned at");
        let rest = app.refund("r2", "o2", "2024-03-09T11:00:00Z", "5.00").expect(201);
        assert_eq!(earned(&rest), ("-1.25", -5));
        let (entries, now) = ledger(app, "c1");
        assert_eq!(now, balances("23.50", 992));
        assert_eq!(entries.last().unwrap()["reward"], json!({"rate": null, "amount": "2.50"}));
        assert_eq!(app.membership("c1")["reward"], json!({"rate": null, "amount": "10.00"}));
    }

    fn full_refund_scenario_a_gold_customer_keeps_golds_reward_and_what_was_refunded_is_reversed_at_the_rate_then_used(app) {
        app.set_up(json!({}));
        rising(app);
        let first = app.order("o1", "c1", "2024-03-01T10:00:00Z", "300.00").expect(201);
        assert_eq!(earned(&first), ("3.00", 300));
        let second = app.order("o2", "c1", "2024-03-02T10:00:00Z", "200.00").expect(201);
        assert_eq!(earned(&second), ("4.00", 200));
        let refund = app.refund("r1", "o2", "2024-03-09T10:00:00Z", "200.00").expect(201);
        let after = &refund.body["membership"]["after"];
        assert_eq!((tier(after), spent(after)), ("gold", "300.00"));
        assert_eq!(earned(&refund), ("-4.00", -200), "by Silver's rate, though Gold is held now");
        assert_eq!(refund.body["balances"], balances("3.00", 300));
        let (entries, _) = ledger(app, "c1");
        let reversal = &entries[2];
        assert_eq!((&reversal["kind"], &reversal["cause"]), (&json!("reversed"), &json!("order_refunded")));
        assert_eq!((&reversal["credit"], &reversal["credit_balance"]), (&json!("-4.00"), &json!("3.00")));
        assert_eq!((&reversal["points"], &reversal["points_balance"]), (&json!(-200), &json!(300)));
        assert_eq!((&reversal["order_id"], &reversal["refund_id"]), (&json!("o2"), &json!("r1")));
        assert_eq!((&reversal["tier"], &reversal["reward"]), (&json!("silver"), &shown_rate("0.02")));
        assert_eq!(reversal["occurred_at"], "2024-03-09T10:00:00Z");
        assert_eq!(app.membership("c1")["reward"], shown_rate("0.03"));
        let third = app.order("o3", "c1", "2024-03-10T10:00:00Z", "100.00").expect(201);
        assert_eq!(earned(&third), ("3.00", 100), "Gold's reward, at 300.00 spent");
        let part = app.refund("r2", "o3", "2024-03-11T10:00:00Z", "40.00").expect(201);
        assert_eq!(earned(&part), ("-1.20", -40));
        assert_eq!(ledger(app, "c1").1, balances("4.80", 360));
    }

    fn partial_refund_impact_what_is_left_of_the_order_is_what_it_has_earned(app) {
        app.set_up(json!({}));
        rising(app);
        let order = app.order("o1", "c1", "2024-03-01T10:00:00Z", "500.00").expect(201);
        assert_eq!(earned(&order), ("5.00", 500));
        let refund = app.refund("r1", "o1", "2024-03-09T10:00:00Z", "120.50").expect(201);
        // 1 % of 379.50 is 3.795.
        assert_eq!(earned(&refund), ("-1.20", -121));
        assert_eq!(refund.body["balances"], balances("3.80", 379));
        assert_eq!(tier(&app.membership("c1")), "gold");
    }

    fn order_total_changes_change_what_was_earned_at_the_rate_then_used(app) {
        app.set_up(json!({}));
        rising(app);
        app.order("o1", "c1", "2024-03-01T10:00:00Z", "100.00").expect(201);
        let raised = app.order("o1", "c1", "2024-03-01T10:00:00Z", "260.00").expect(200);
        assert_eq!(tier(&raised.body["membership"]["after"]), "silver");
        assert_eq!(earned(&raised), ("1.60", 160), "not by Silver, which it has reached itself");
        let lowered = app.order("o1", "c1", "2024-03-01T10:00:00Z", "50.00").expect(200);
        assert_eq!(earned(&lowered), ("-2.10", -210));
        assert_eq!(lowered.body["balances"], balances("0.50", 50));
        let (entries, _) = ledger(app, "c1");
        let what = |entry: &Value| (entry["kind"].clone(), entry["cause"].clone());
        assert_eq!(
            entries.iter().map(what).collect::<Vec<_>>(),
            [
                (json!("earned"), json!("order_completed")),
                (json!("earned"), json!("order_corrected")),
                (json!("reversed"), json!("order_corrected")),
            ]
        );
        let next = app.order("o2", "c1", "2024-03-02T10:00:00Z", "100.00").expect(201);
        assert_eq!(earned(&next), ("2.00", 100), "Silver, once reached, stays");
    }

    fn benefits_continue_permanently_once_a_tier_is_achieved_a_lowered_reward_holds_for_later_ones(app) {
        app.set_up(json!({}));
        rising(app);
        app.order("first-c1", "c1", "2024-03-01T10:00:00Z", "500.00").expect(201);
        settled(app, rising_with_gold(app, &rate("0.025")));
        assert_eq!(app.storefront().get("/v1/tiers/gold").expect(200).body["reward"], shown_rate("0.025"));
        app.order("first-c2", "c2", &from_now(0), "500.00").expect(201);
        assert_eq!((tier(&app.membership("c1")), tier(&app.membership("c2"))), ("gold", "gold"));
        assert_eq!(app.membership("c1")["reward"], shown_rate("0.03"));
        assert_eq!(app.membership("c2")["reward"], shown_rate("0.025"));
        assert_eq!(next_order(app, "c1")["next_order"]["credit"], "3.00");
        assert_eq!(next_order(app, "c2")["next_order"]["credit"], "2.50");
        let order = app.order("o1", "c1", &from_now(0), "40.00").expect(201);
        assert_eq!(earned(&order), ("1.20", 40));
        let order = app.order("o2", "c2", &from_now(0), "40.00").expect(201);
        assert_eq!(earned(&order), ("1.00", 40));

        // A raised one is everyone's.
        settled(app, rising_with_gold(app, &rate("0.04")));
        for (id, customer) in [("o3", "c1"), ("o4", "c2")] {
            let order = app.order(id, customer, &from_now(0), "40.00").expect(201);
            assert_eq!(earned(&order), ("1.60", 40), "{customer}");
        }

        // One that is taken off stays with those who hold the tier.
        settled(app, rising_with_gold(app, &Value::Null));
        app.order("first-c3", "c3", &from_now(0), "500.00").expect(201);
        for (id, customer, credit) in [("o5", "c1", "1.60"), ("o6", "c2", "1.60"), ("o7", "c3", "0.00")] {
            let order = app.order(id, customer, &from_now(0), "40.00").expect(201);
            assert_eq!(earned(&order), (credit, 40), "{customer}");
        }
        // What was earned before keeps its own terms.
        let refund = app.refund("r2", "o2", &from_now(0), "40.00").expect(201);
        assert_eq!(earned(&refund), ("-1.00", -40));
    }

    fn where_tiers_are_not_permanent_only_the_reward_in_force_counts(app) {
        app.set_up(json!({
            "progress_reset": {"kind": "calendar_year"}, "tier_retention": "reset_each_period",
        }));
        rising(app);
        app.order("o1", "c1", &from_now(0), "500.00").expect(201);
        let gold = app.order("o2", "c1", &from_now(0), "100.00").expect(201);
        assert_eq!(earned(&gold), ("3.00", 100));
        settled(app, rising_with_gold(app, &rate("0.005")));
        assert_eq!(app.membership("c1")["reward"], shown_rate("0.005"));
        let lowered = app.order("o3", "c1", &from_now(0), "100.00").expect(201);
        assert_eq!(earned(&lowered), ("0.50", 100));
        let refund = app.refund("r1", "o2", &from_now(0), "50.00").expect(201);
        assert_eq!(earned(&refund), ("-1.50", -50), "at the rate that the order had");
    }

    fn lowering_gold_from_1000_to_800_rewards_by_gold_from_the_order_after_the_one_that_lifts(app) {
        app.set_up(json!({}));
        let tiers = |gold: &'static str| {
            [("bronze", "0", rate("0.01")), ("silver", "250.00", rate("0.02")), ("gold", gold, rate("0.03"))]
        };
        put_tiers(app, &tiers("1000.00"));
        app.order("first-c800", "c800", "2024-03-01T10:00:00Z", "800.00").expect(201);
        app.order("first-c1200", "c1200", "2024-03-01T10:00:00Z", "1200.00").expect(201);
        settled(app, put_tiers(app, &tiers("800.00")));
        for (id, customer, credit) in [
            ("o1", "c1200", "3.00"), ("o2", "c800", "2.00"), ("o3", "c800", "3.00"),
        ] {
            let order = app.order(id, customer, &from_now(0), "100.00").expect(201);
            assert_eq!(earned(&order), (credit, 100), "{id}");
        }
    }

    fn resetting_spending_progress_leaves_the_reward(app) {
        app.set_up(json!({"progress_reset": {"kind": "calendar_year"}}));
        rising(app);
        app.order("o1", "c1", "2023-06-01T10:00:00Z", "500.00").expect(201);
        let answer = app.order("o2", "c1", "2024-02-01T10:00:00Z", "100.00").expect(201);
        assert_eq!(spent(&app.membership_at("c1", "2024-02-02T00:00:00Z")), "100.00");
        assert_eq!(earned(&answer), ("3.00", 100));
        // Money given back for an order of last year is reversed all the same.
        let refund = app.refund("r1", "o1", "2024-03-01T10:00:00Z", "500.00").expect(201);
        assert_eq!(spent(&app.membership_at("c1", "2024-03-02T00:00:00Z")), "100.00");
        assert_eq!(earned(&refund), ("-5.00", -500));
    }

    fn while_the_program_is_paused_nothing_is_earned_and_afterwards_it_goes_on_at_the_tier_held(app) {
        app.set_up(json!({}));
        rising(app);
        app.order("o1", "c1", "2024-03-01T10:00:00Z", "300.00").expect(201);
        settled(app, app.admin().post_empty("/v1/program/pause").expect(200));
        let during_at = from_now(0);
        let during = app.order("o2", "c1", &during_at, "400.00").expect(201);
        assert_eq!(earned(&during), ("0.00", 0));
        let paused = next_order(app, "c1");
        assert_eq!(paused["paused"], true);
        for which in ["next_order", "next_tier"] {
            let earns = &paused[which];
            assert!(earns["reward"].is_null(), "{paused}");
            assert_eq!(
                (&earns["points_per_unit"], &earns["credit"], &earns["points"]),
                (&json!("0"), &json!("0.00"), &json!(0))
            );
        }
        // What was earned before goes back with its order's money.
        let refund = app.refund("r1", "o1", &from_now(0), "100.00").expect(201);
        assert_eq!(earned(&refund), ("-1.00", -100));
        settled(app, app.admin().post_empty("/v1/program/resume").expect(200));
        assert_eq!(next_order(app, "c1")["paused"], false);

        let after = app.order("o3", "c1", &from_now(0), "200.00").expect(201);
        assert_eq!(earned(&after), ("4.00", 200), "by Silver, held since before the pause");
        let corrected = app.order("o2", "c1", &during_at, "500.00").expect(200);
        assert_eq!(earned(&corrected), ("0.00", 0), "an order of the pause never earns");
        let (entries, now) = ledger(app, "c1");
        assert_eq!(now, balances("6.00", 400));
        assert!(entries.iter().all(|entry| entry["order_id"] != "o2"));
    }

    fn program_changes_affect_future_behaviour_only_a_reward_that_comes_later_pays_nothing_back(app) {
        app.set_up(json!({}));
        app.set_tiers(&[("bronze", "0"), ("silver", "250.00")]);
        let unrewarded = app.order("o1", "c1", "2024-03-01T10:00:00Z", "100.00").expect(201);
        assert_eq!(earned(&unrewarded), ("0.00", 100));
        let tiers = [("bronze", "0", rate("0.05")), ("silver", "250.00", rate("0.1"))];
        let changed = app.admin().put("/v1/tiers?effective_from=beginning", &rewarding(&tiers));
        settled(app, changed);
        assert_eq!(ledger(app, "c1").1, balances("0.00", 100), "nothing comes of the change itself");
        let again = app.order("o1", "c1", "2024-03-01T10:00:00Z", "100.00").expect(200);
        assert_eq!(earned(&again), ("0.00", 0));
        let corrected = app.order("o1", "c1", "2024-03-01T10:00:00Z", "200.00").expect(200);
        assert_eq!(earned(&corrected), ("0.00", 100), "at the terms that the order had");
        let next = app.order("o2", "c1", "2024-03-02T10:00:00Z", "10.00").expect(201);
        assert_eq!(earned(&next), ("0.50", 10));
    }

    fn ways_to_earn_have_different_earning_values_on_different_tiers(app) {
        app.set_up(json!({"entry_method": "points_earned"}));
        app.set_tiers(&[("bronze", "0"), ("silver", "500"), ("gold", "1000")]);
        put_way(app, "sign_up", "per_event", "100", json!({}));
        put_way(app, "review", "per_event", "50", json!({"silver": "75", "gold": "100"}));
        put_way(app, "birthday", "per_event", "200", json!({"gold": "500"}));
        put_way(app, "purchase", "per_currency_unit", "1", json!({"silver": "1.5", "gold": "2"}));
        // What is done, what it earns, and the tier and the points that come of it.
        let steps = [
            ("sign_up", 100, "bronze", 100),
            ("399.99", 399, "bronze", 499),
            ("review", 50, "silver", 549),
            ("100.50", 150, "silver", 699),
            ("review", 75, "silver", 774),
            ("birthday", 200, "silver", 974),
            ("30.00", 45, "gold", 1_019),
            ("birthday", 500, "gold", 1_519),
            ("review", 100, "gold", 1_619),
            ("10.00", 20, "gold", 1_639),
        ];
        for (day, (what, points, held, sum)) in (10..).zip(steps) {
            let (id, at) = (format!("f{day}"), format!("2024-03-{day}T10:00:00Z"));
            let answer = if what.contains('.') {
                app.order(&id, "c1", &at, what)
            } else {
                act(app, &id, "c1", what, &at)
            };
            let answer = answer.expect(201);
            assert_eq!(earned(&answer), ("0.00", points), "{what} on day {day}");
            let after = &answer.body["membership"]["after"];
            assert_eq!(tier(after), held, "{what} on day {day}");
            assert_eq!(after["progress"]["points_earned"], sum, "{what} on day {day}");
            assert_eq!(answer.body["balances"], balances("0.00", sum), "{what} on day {day}");
        }
        let (entries, _) = ledger(app, "c1");
        let column = |name: &str| -> Vec<&str> {
            entries.iter().map(|entry| entry[name].as_str().unwrap()).collect()
        };
        assert_eq!(column("points_rate"), ["100", "1", "50", "1.5", "75", "200", "1.5", "500", "100", "2"]);
        assert_eq!(
            column("tier"),
            ["bronze", "bronze", "bronze", "silver", "silver", "silver", "silver", "gold", "gold", "gold"]
        );
        let review = app.storefront().get("/v1/activities/f12").expect(200).body;
        assert_eq!((&review["way_to_earn"], &review["points"]), (&json!("review"), &Value::Null));
    }

    fn a_refund_takes_the_points_back_at_its_orders_own_value(app) {
        app.set_up(json!({"entry_method": "points_earned"}));
        app.set_tiers(&[("bronze", "0"), ("silver", "500"), ("gold", "1000")]);
        put_way(app, "purchase", "per_currency_unit", "1", json!({"gold": "3"}));
        app.order("o1", "c1", "2024-03-01T10:00:00Z", "100.00").expect(201);
        app.order("o2", "c1", "2024-03-02T10:00:00Z", "900.00").expect(201);
        let gold = app.order("o3", "c1", "2024-03-03T10:00:00Z", "10.00").expect(201);
        assert_eq!(earned(&gold), ("0.00", 30));
        let bronze = app.refund("r1", "o1", "2024-03-04T10:00:00Z", "50.00").expect(201);
        assert_eq!(earned(&bronze), ("0.00", -50));
        assert_eq!(bronze.body["membership"]["after"]["progress"]["points_earned"], 980);
        let gold = app.refund("r3", "o3", "2024-03-04T11:00:00Z", "5.00").expect(201);
        assert_eq!(earned(&gold), ("0.00", -15));
        let after = &gold.body["membership"]["after"];
        assert_eq!((tier(after), &after["progress"]["points_earned"]), ("gold", &json!(965)));
        assert_eq!(gold.body["balances"], balances("0.00", 965));
    }

    fn the_value_of_purchases_and_points_per_unit_are_one_thing(app) {
        app.set_up(json!({}));
        app.set_tiers(&[("bronze", "0"), ("gold", "100.00")]);
        put_way(app, "purchase", "per_currency_unit", "2", json!({"gold": "5"}));
        let admin = app.admin();
        assert_eq!(admin.get("/v1/program").expect(200).body["points_per_unit"], "2");
        admin.patch("/v1/program", &json!({"points_per_unit": "3"})).expect(200);
        let way = admin.get("/v1/ways-to-earn/purchase").expect(200).body;
        assert_eq!((&way["points"], &way["points_by_tier"]), (&json!("3"), &json!({"gold": "5"})));
        let bronze = app.order("o1", "c1", "2024-03-01T10:00:00Z", "100.00").expect(201);
        assert_eq!(earned(&bronze), ("0.00", 300));
        let gold = app.order("o2", "c1", "2024-03-02T10:00:00Z", "100.00").expect(201);
        assert_eq!(earned(&gold), ("0.00", 500));
        settled(app, admin.delete("/v1/ways-to-earn/purchase").expect(204));
        assert_eq!(admin.get("/v1/program").expect(200).body["points_per_unit"], "3");
        let without = app.order("o3", "c1", &from_now(0), "100.00").expect(201);
        assert_eq!(earned(&without), ("0.00", 300), "of every tier");
    }

    fn a_changed_value_holds_for_what_happens_from_then_on(app) {
        app.set_up(json!({"entry_method": "points_earned"}));
        app.set_tiers(&[("bronze", "0"), ("silver", "500")]);
        put_way(app, "review", "per_event", "50", json!({}));
        let first = act(app, "a1", "c1", "review", "2024-03-01T10:00:00Z").expect(201);
        assert_eq!(earned(&first), ("0.00", 50));
        let body = json!({"name": "review", "earns": "per_event", "points": "80"});
        settled(app, app.admin().put("/v1/ways-to-earn/review", &body).expect(200));
        let again = act(app, "a1", "c1", "review", "2024-03-01T10:00:00Z").expect(200);
        assert_eq!(earned(&again), ("0.00", 0));
        let moved = act(app, "a1", "c1", "review", "2024-03-02T10:00:00Z").expect(200);
        assert_eq!(earned(&moved), ("0.00", 0), "what it earned is fixed");
        let second = act(app, "a2", "c1", "review", &from_now(0)).expect(201);
        assert_eq!(earned(&second), ("0.00", 80));
        let after = &second.body["membership"]["after"];
        assert_eq!(after["progress"]["points_earned"], 130, "by the value when it happened");
        assert_eq!(second.body["balances"], balances("0.00", 130));
    }

    fn of_points_since_january_only_those_from_the_start_date_in_february_are_earned(app) {
        app.set_up(json!({"entry_method": "points_earned", "start_date": "2024-02-01"}));
        app.set_tiers(&[("bronze", "0"), ("silver", "500")]);
        put_way(app, "review", "per_event", "200", json!({}));
        join(app, "c1", "2024-01-05T00:00:00Z");
        let january = act(app, "a1", "c1", "review", "2024-01-15T10:00:00Z").expect(201);
        assert_eq!(earned(&january), ("0.00", 0));
        let explicit = app.points("a2", "c1", "2024-01-16T10:00:00Z", 100).expect(201);
        assert_eq!(earned(&explicit), ("0.00", 0));
        let february = act(app, "a3", "c1", "review", "2024-02-10T10:00:00Z").expect(201);
        assert_eq!(earned(&february), ("0.00", 200));
        let membership = app.membership("c1");
        assert_eq!(membership["progress"]["points_earned"], 200);
        assert_eq!(membership["lifetime"]["points_earned"], 500);
        assert_eq!(ledger(app, "c1").1, balances("0.00", 200));
    }

    fn what_was_done_earns_by_a_way_that_there_is_and_that_is_of_events(app) {
        app.set_up(json!({}));
        put_way(app, "review", "per_event", "50", json!({}));
        put_way(app, "purchase", "per_currency_unit", "1", json!({}));
        for way in ["purchase", "reviews"] {
            let answer = act(app, "a1", "c1", way, "2024-03-01T10:00:00Z");
            answer.expect_problem(409, "unknown_way_to_earn");
        }
        app.storefront().get("/v1/activities/a1").expect_problem(404, "not_found");
        // Neither a value of their own nor none goes with a way.
        let both = json!({
            "customer_id": "c1", "kind": "points", "way_to_earn": "review", "points": 5,
            "occurred_at": "2024-03-01T10:00:00Z",
        });
        app.storefront().put("/v1/activities/a1", &both).expect_problem(422, "invalid_request");
        let done = act(app, "a1", "c1", "review", "2024-03-01T10:00:00Z").expect(201);
        assert_eq!(earned(&done), ("0.00", 50), "with no tier at all, the way's own value");
        assert!(ledger(app, "c1").0[0]["tier"].is_null());
    }
}
