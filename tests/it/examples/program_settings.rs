//! Worked examples with figures: the settings of a program.

use crate::support::*;
use serde_json::{Value, json};

/// The ladder of the text's expiry scenarios.
const LADDER: &[(&str, &str)] = &[("bronze", "0"), ("silver", "500.00"), ("gold", "1000.00")];

/// The text's customer, who joined on 2024-03-01 and spent 500 by the summer.
fn scenario(app: &App, progress_reset: Value, tier_retention: &str) {
    app.set_up(json!({
        "start_date": "2024-01-01", "progress_reset": progress_reset, "tier_retention": tier_retention,
    }));
    app.set_tiers(LADDER);
    join(app, "c1", "2024-03-01T10:00:00Z");
    app.order("o1", "c1", "2024-03-01T11:00:00Z", "200.00").expect(201);
    app.order("o2", "c1", "2024-07-01T11:00:00Z", "300.00").expect(201);
}

/// The customer keeps Silver at the boundary, and needs 1000 from zero by the next.
fn retains_silver_and_starts_from_zero(app: &App, last_second: &str, boundary: &str, next: &str) {
    let before = app.membership_at("c1", last_second);
    assert_eq!((tier(&before), spent(&before)), ("silver", "500.00"));
    assert_eq!(before["period"], json!({"start": "2024-03-01T10:00:00Z", "end": boundary}));
    assert_eq!(before["next_tier"]["remaining"], "500.00");
    let after = app.membership_at("c1", boundary);
    assert_eq!((tier(&after), spent(&after)), ("silver", "0.00"));
    assert_eq!(after["tier"]["since"], "2024-07-01T11:00:00Z");
    assert_eq!(after["period"], json!({"start": boundary, "end": next}));
    assert_eq!(after["next_tier"]["code"], "gold");
    assert_eq!(after["next_tier"]["remaining"], "1000.00");
    app.order("o3", "c1", "2025-04-01T10:00:00Z", "999.99").expect(201);
    assert_eq!(tier(&app.membership_at("c1", "2025-04-01T10:00:00Z")), "silver");
    app.order("o4", "c1", "2025-05-01T10:00:00Z", "0.01").expect(201);
    let gold = app.membership_at("c1", "2025-05-01T10:00:00Z");
    assert_eq!((tier(&gold), spent(&gold)), ("gold", "1000.00"));
}

on_both! {
    fn of_500_points_since_january_only_those_from_the_start_date_in_february_count(app) {
        app.set_up(json!({"entry_method": "points_earned", "start_date": "2024-02-01"}));
        app.set_tiers(&[("bronze", "0"), ("silver", "500")]);
        join(app, "c1", "2024-01-05T00:00:00Z");
        app.points("a1", "c1", "2024-01-15T10:00:00Z", 300).expect(201);
        app.points("a2", "c1", "2024-02-10T10:00:00Z", 200).expect(201);
        let membership = app.membership("c1");
        assert_eq!(tier(&membership), "bronze");
        assert_eq!(membership["progress"]["points_earned"], 200);
        assert_eq!(membership["lifetime"]["points_earned"], 500);
        assert_eq!(membership["next_tier"]["remaining"], "300");
    }

    fn updating_the_start_date_recalculates_tiers_since_the_first_tier_enrolment(app) {
        app.set_up(json!({"entry_method": "points_earned", "start_date": "2024-02-01"}));
        app.set_tiers(&[("bronze", "0"), ("silver", "500")]);
        join(app, "c1", "2024-01-05T00:00:00Z");
        app.points("a0", "c1", "2024-01-02T10:00:00Z", 100).expect(201);
        app.points("a1", "c1", "2024-01-15T10:00:00Z", 300).expect(201);
        app.points("a2", "c1", "2024-02-10T10:00:00Z", 200).expect(201);
        assert_eq!(app.membership("c1")["progress"]["points_earned"], 200);

        let recalculation = settled(app, app.admin().patch("/v1/program", &json!({"start_date": "2024-01-01"})));
        assert_eq!(recalculation["state"], "completed");
        assert_eq!(recalculation["customers_upgraded"], 1);
        let membership = app.membership("c1");
        assert_eq!(tier(&membership), "silver");
        assert_eq!(membership["tier"]["since"], "2024-02-10T10:00:00Z");
        assert_eq!(membership["progress"]["points_earned"], 500, "what came before enrolment stays out");
        assert_eq!(membership["lifetime"]["points_earned"], 600);

        // A later start date lowers the progress; only `allow_downgrades` takes the tier.
        settled(app, app.admin().patch("/v1/program", &json!({"start_date": "2024-02-01"})));
        let membership = app.membership("c1");
        assert_eq!((tier(&membership), &membership["progress"]["points_earned"]), ("silver", &json!(200)));
        settled(app, app.admin().patch("/v1/program?allow_downgrades=true", &json!({})));
        assert_eq!(tier(&app.membership("c1")), "bronze");
    }

    fn entry_method_points_earned_counts_points_of_orders_and_of_activities(app) {
        app.set_up(json!({"entry_method": "points_earned", "points_per_unit": "2"}));
        app.set_tiers(&[("bronze", "0"), ("silver", "170"), ("gold", "171")]);
        app.order("o1", "c1", "2024-03-01T10:00:00Z", "50.25").expect(201);
        app.order("o2", "c1", "2024-03-02T10:00:00Z", "20.00").expect(201);
        assert_eq!(tier(&app.membership("c1")), "bronze");
        app.points("a1", "c1", "2024-03-03T10:00:00Z", 30).expect(201);
        let membership = app.membership("c1");
        assert_eq!(tier(&membership), "silver");
        assert_eq!(membership["progress"], json!({"amount_spent": "70.25", "orders_placed": 2, "points_earned": 170}));
        assert_eq!(membership["next_tier"]["remaining"], "1");
    }

    fn entry_method_amount_spent_counts_the_total_expenditure(app) {
        app.set_up(json!({"entry_method": "amount_spent", "points_per_unit": "2"}));
        app.set_tiers(&[("bronze", "0"), ("silver", "70.00"), ("gold", "70.01")]);
        app.order("o1", "c1", "2024-03-01T10:00:00Z", "50.00").expect(201);
        app.points("a1", "c1", "2024-03-01T12:00:00Z", 5000).expect(201);
        assert_eq!(tier(&app.membership("c1")), "bronze");
        app.order("o2", "c1", "2024-03-02T10:00:00Z", "20.00").expect(201);
        let membership = app.membership("c1");
        assert_eq!(tier(&membership), "silver");
        assert_eq!(membership["next_tier"]["remaining"], "0.01");
    }

    fn entry_method_number_of_orders_placed_counts_orders_whatever_they_cost(app) {
        app.set_up(json!({"entry_method": "orders_placed"}));
        app.set_tiers(&[("bronze", "0"), ("silver", "2"), ("gold", "4")]);
        app.order("o1", "c1", "2024-03-01T10:00:00Z", "5000.00").expect(201);
        let membership = app.membership("c1");
        assert_eq!((tier(&membership), &membership["next_tier"]["next_order_lifts"]), ("bronze", &json!(true)));
        app.order("o2", "c1", "2024-03-02T10:00:00Z", "0.00").expect(201);
        let membership = app.membership("c1");
        assert_eq!(tier(&membership), "silver");
        assert_eq!(membership["next_tier"]["remaining"], "2");
        assert_eq!(membership["next_tier"]["next_order_lifts"], false);
        app.refund("r1", "o1", "2024-03-03T10:00:00Z", "4999.99").expect(201);
        assert_eq!(app.membership("c1")["progress"]["orders_placed"], 2);
        app.refund("r2", "o1", "2024-03-04T10:00:00Z", "0.01").expect(201);
        let membership = app.membership("c1");
        assert_eq!((tier(&membership), &membership["progress"]["orders_placed"]), ("silver", &json!(1)));
    }

    fn updating_the_entry_method_comes_with_the_goals_and_recalculates_tiers(app) {
        app.set_up(json!({}));
        app.set_tiers(LADDER);
        for (order, day) in [("o1", "2024-03-01"), ("o2", "2024-03-02"), ("o3", "2024-03-03")] {
            app.order(order, "c1", &format!("{day}T10:00:00Z"), "10.00").expect(201);
        }
        let change = json!({"entry_method": "orders_placed"});
        app.admin().patch("/v1/program", &change).expect_problem(409, "entry_method_needs_ladder");
        let mut body = ladder(&[("bronze", "0"), ("silver", "2"), ("gold", "5")]);
        body["entry_method"] = json!("orders_placed");
        let answer = app.admin().put("/v1/tiers?effective_from=beginning", &body);
        assert_eq!(answer.body["entry_method"], "orders_placed");
        assert_eq!(settled(app, answer)["customers_upgraded"], 1);
        let membership = app.membership("c1");
        assert_eq!(tier(&membership), "silver");
        assert_eq!(membership["tier"]["since"], "2024-03-02T10:00:00Z");
        assert_eq!(membership["next_tier"]["remaining"], "2");
    }

    fn updating_the_entry_method_of_a_store_without_facts_keeps_the_goals_numbers(app) {
        app.set_up(json!({}));
        app.set_tiers(LADDER);
        app.admin().patch("/v1/program", &json!({"entry_method": "points_earned"})).expect(200);
        let tiers = app.storefront().get("/v1/tiers").expect(200).body;
        assert_eq!(tiers["entry_method"], "points_earned");
        assert_eq!((&tiers["tiers"][1]["threshold"], &tiers["tiers"][2]["threshold"]), (&json!("500"), &json!("1000")));
    }

    fn expiry_a_lifetime_has_no_time_limit(app) {
        scenario(app, json!({"kind": "never"}), "permanent");
        let membership = app.membership_at("c1", "2090-01-01T00:00:00Z");
        assert_eq!((tier(&membership), spent(&membership)), ("silver", "500.00"));
        assert!(membership["period"]["end"].is_null());
    }

    fn expiry_a_calendar_year_on_2025_01_01_silver_stays_and_gold_needs_1000_by_2025_12_31(app) {
        scenario(app, json!({"kind": "calendar_year"}), "permanent");
        retains_silver_and_starts_from_zero(
            app, "2024-12-31T23:59:59Z", "2025-01-01T00:00:00Z", "2026-01-01T00:00:00Z",
        );
    }

    fn expiry_a_rolling_year_on_2025_03_01_silver_stays_and_gold_needs_1000_by_2026_03_01(app) {
        scenario(app, json!({"kind": "rolling", "months": 12, "anchor": "first_tier"}), "permanent");
        retains_silver_and_starts_from_zero(
            app, "2025-02-28T23:59:59Z", "2025-03-01T00:00:00Z", "2026-03-01T00:00:00Z",
        );
    }

    fn expiry_a_rolling_year_from_the_program_start_on_2025_01_01_gold_needs_1000_by_2026_01_01(app) {
        scenario(app, json!({"kind": "rolling", "months": 12, "anchor": "program_start"}), "permanent");
        retains_silver_and_starts_from_zero(
            app, "2024-12-31T23:59:59Z", "2025-01-01T00:00:00Z", "2026-01-01T00:00:00Z",
        );
    }

    fn start_from_program_date_sets_all_customers_rolling_year_to_start_on_the_same_day(app) {
        app.set_up(json!({
            "start_date": "2022-04-15",
            "progress_reset": {"kind": "rolling", "months": 12, "anchor": "program_start"},
        }));
        app.set_tiers(LADDER);
        join(app, "c1", "2022-06-01T10:00:00Z");
        join(app, "c2", "2023-12-24T10:00:00Z");
        for customer in ["c1", "c2"] {
            let membership = app.membership_at(customer, "2024-01-01T00:00:00Z");
            assert_eq!(membership["period"]["end"], "2024-04-15T00:00:00Z", "{customer}");
        }
    }

    fn a_rolling_year_begins_when_the_customer_first_enters_a_tier_and_not_before(app) {
        app.set_up(json!({"progress_reset": {"kind": "rolling", "months": 12, "anchor": "first_tier"}}));
        app.set_tiers(&[("silver", "500.00"), ("gold", "1000.00")]);
        app.order("o1", "c1", "2022-03-01T10:00:00Z", "200.00").expect(201);
        let none = app.membership_at("c1", "2023-05-31T00:00:00Z");
        assert_eq!((tier(&none), spent(&none)), ("none", "200.00"));
        assert!(none["period"]["end"].is_null());
        app.order("o2", "c1", "2023-06-10T10:00:00Z", "300.00").expect(201);
        let silver = app.membership_at("c1", "2023-06-10T10:00:00Z");
        assert_eq!((tier(&silver), spent(&silver)), ("silver", "500.00"));
        assert_eq!(silver["period"]["end"], "2024-06-10T00:00:00Z");
    }

    fn reset_and_recalculate_downgrades_to_the_entry_tier_unless_the_highest_tier_was_reached(app) {
        scenario(app, json!({"kind": "calendar_year"}), "reset_each_period");
        join(app, "c2", "2024-03-01T10:00:00Z");
        app.order("p1", "c2", "2024-08-01T10:00:00Z", "1000.00").expect(201);
        join(app, "c3", "2024-03-01T10:00:00Z");
        app.order("q1", "c3", "2024-08-01T10:00:00Z", "1000.00").expect(201);
        app.order("q2", "c3", "2025-08-01T10:00:00Z", "1000.00").expect(201);

        let last_second = app.membership_at("c1", "2024-12-31T23:59:59Z");
        assert_eq!((tier(&last_second), &last_second["permanent"]), ("silver", &json!(false)));
        let fallen = app.membership_at("c1", "2025-01-01T00:00:00Z");
        assert_eq!((tier(&fallen), spent(&fallen)), ("bronze", "0.00"));
        assert_eq!(fallen["tier"]["since"], "2025-01-01T00:00:00Z");
        assert_eq!(fallen["next_tier"]["remaining"], "500.00");
        app.order("o3", "c1", "2025-02-01T10:00:00Z", "500.00").expect(201);
        assert_eq!(tier(&app.membership_at("c1", "2025-02-01T10:00:00Z")), "silver");

        let kept = app.membership_at("c2", "2025-01-01T00:00:00Z");
        assert_eq!((tier(&kept), spent(&kept)), ("gold", "0.00"));
        assert_eq!(tier(&app.membership_at("c2", "2025-12-31T23:59:59Z")), "gold");
        assert_eq!(tier(&app.membership_at("c2", "2026-01-01T00:00:00Z")), "bronze", "each period anew");
        assert_eq!(tier(&app.membership_at("c3", "2026-01-01T00:00:00Z")), "gold", "reached twice");
    }

    fn reset_and_recalculate_goes_with_a_rolling_year_from_the_program_start_date(app) {
        scenario(app, json!({"kind": "rolling", "months": 12, "anchor": "program_start"}), "reset_each_period");
        assert_eq!(tier(&app.membership_at("c1", "2024-12-31T23:59:59Z")), "silver");
        assert_eq!(tier(&app.membership_at("c1", "2025-01-01T00:00:00Z")), "bronze");
    }

    fn without_an_entry_tier_reset_and_recalculate_leaves_no_tier(app) {
        app.set_up(json!({"progress_reset": {"kind": "calendar_year"}, "tier_retention": "reset_each_period"}));
        app.set_tiers(&[("silver", "500.00"), ("gold", "1000.00")]);
        app.order("o1", "c1", "2024-07-01T10:00:00Z", "500.00").expect(201);
        assert_eq!(tier(&app.membership_at("c1", "2024-12-31T23:59:59Z")), "silver");
        assert!(app.membership_at("c1", "2025-01-01T00:00:00Z")["tier"].is_null());
    }

    fn enabling_reset_and_recalculate_takes_effect_at_the_end_of_the_open_period(app) {
        app.set_up(json!({"progress_reset": {"kind": "calendar_year"}}));
        app.set_tiers(LADDER);
        app.order("o1", "c1", &from_now(0), "500.00").expect(201);
        settled(app, app.admin().patch("/v1/program", &json!({"tier_retention": "reset_each_period"})));
        let membership = app.membership("c1");
        assert_eq!((tier(&membership), &membership["permanent"]), ("silver", &json!(false)));
        let end = membership["period"]["end"].as_str().unwrap();
        assert_eq!(tier(&app.membership_at("c1", end)), "bronze", "the fall ends the achievement too");
    }

    fn reset_and_recalculate_is_refused_with_the_expiry_that_is_stored(app) {
        app.set_up(json!({}));
        let enable = json!({"tier_retention": "reset_each_period"});
        let rolling = |anchor: &str| json!({"progress_reset": {"kind": "rolling", "months": 12, "anchor": anchor}});
        app.admin().patch("/v1/program", &enable).expect_problem(409, "retention_needs_common_periods");
        for anchor in ["first_tier", "enrolment"] {
            app.admin().patch("/v1/program", &rolling(anchor)).expect(200);
            app.admin().patch("/v1/program", &enable).expect_problem(409, "retention_needs_common_periods");
        }
        app.admin().patch("/v1/program", &rolling("program_start")).expect(200);
        let answer = app.admin().patch("/v1/program", &enable).expect(200);
        assert_eq!(answer.body["tier_retention"], "reset_each_period");
        let lifetime = json!({"progress_reset": {"kind": "never"}});
        app.admin().patch("/v1/program", &lifetime).expect_problem(409, "retention_needs_common_periods");
        let program = app.storefront().get("/v1/program").expect(200).body;
        assert_eq!(program["progress_reset"], json!({"kind": "rolling", "months": 12, "anchor": "program_start"}));
    }

    fn reset_and_recalculate_is_refused_with_another_expiry_in_the_same_request(app) {
        app.set_up(json!({}));
        for reset in [
            json!({"kind": "never"}),
            json!({"kind": "rolling", "months": 12, "anchor": "first_tier"}),
            json!({"kind": "rolling", "months": 12, "anchor": "enrolment"}),
        ] {
            let change = json!({"progress_reset": reset, "tier_retention": "reset_each_period"});
            let answer = app.admin().patch("/v1/program", &change).expect_problem(422, "invalid_request");
            assert_eq!(answer.pointers(), ["/tier_retention"], "{reset}");
        }
    }

    fn past_activity_is_not_deleted_when_the_year_ends(app) {
        scenario(app, json!({"kind": "calendar_year"}), "permanent");
        let after = app.membership_at("c1", "2025-06-01T00:00:00Z");
        assert_eq!(after["progress"], json!({"amount_spent": "0.00", "orders_placed": 0, "points_earned": 0}));
        assert_eq!(after["lifetime"], json!({"amount_spent": "500.00", "orders_placed": 2, "points_earned": 500}));
        let path = "/v1/customers/c1/membership/explanation?at=2025-06-01T00:00:00Z";
        let explanation = app.storefront().get(path).expect(200).body;
        let lines = explanation["lines"].as_array().unwrap();
        let kinds: Vec<&str> = lines.iter().map(|line| line["kind"].as_str().unwrap()).collect();
        assert_eq!(kinds, ["enrolment", "tier_change", "order", "order", "period_end"]);
        let counted: Vec<&str> =
            lines.iter().filter(|line| line["counted"] == true).map(|line| line["id"].as_str().unwrap()).collect();
        assert_eq!(counted, ["o1", "o2"]);
        let orders = app.support().get("/v1/customers/c1/orders").expect(200).body;
        assert_eq!(orders["orders"].as_array().unwrap().len(), 2);
    }
}
