//! Worked examples with figures: a program whose tiers are kept for good.

use crate::support::*;
use serde_json::{Value, json};

/// The text's example tier structure.
const LADDER: &[(&str, &str)] =
    &[("bronze", "0"), ("silver", "250.00"), ("gold", "500.00"), ("platinum", "1000.00")];

on_both! {
    fn fresh_start_all_customers_start_at_0_spending_regardless_of_their_purchase_history(app) {
        app.set_up(json!({"start_date": "2024-06-01"}));
        app.set_tiers(LADDER);
        app.order("o1", "c1", "2024-05-31T23:59:59Z", "5000.00").expect(201);
        let membership = app.membership("c1");
        assert_eq!((tier(&membership), spent(&membership)), ("bronze", "0.00"));
        assert_eq!(membership["enrolled_at"], "2024-06-01T00:00:00Z");
        assert_eq!(membership["lifetime"]["amount_spent"], "5000.00");
        assert_eq!(membership["next_tier"]["remaining"], "250.00");
    }

    fn purchases_made_before_the_program_was_enabled_do_not_count_even_if_completed_later(app) {
        app.set_up(json!({"start_date": "2024-06-01"}));
        app.set_tiers(LADDER);
        let mut body = order("c1", "2024-06-03T10:00:00Z", "300.00");
        body["placed_at"] = json!("2024-05-31T23:00:00Z");
        app.storefront().put("/v1/orders/o1", &body).expect(201);
        let membership = app.membership("c1");
        assert_eq!((tier(&membership), spent(&membership)), ("bronze", "0.00"));
        app.order("o2", "c1", "2024-06-01T00:00:00Z", "250.00").expect(201);
        assert_eq!(tier(&app.membership("c1")), "silver");
    }

    fn customers_advance_by_themselves_as_they_reach_the_thresholds_of_the_example_structure(app) {
        app.set_up(json!({}));
        app.set_tiers(LADDER);
        let steps = [
            ("249.99", "bronze"), ("0.01", "silver"), ("249.99", "silver"), ("0.01", "gold"),
            ("499.99", "gold"), ("0.01", "platinum"),
        ];
        for (day, (total, expected)) in (1..).zip(steps) {
            let at = format!("2024-03-0{day}T10:00:00Z");
            let answer = app.order(&format!("o{day}"), "c1", &at, total).expect(201);
            assert_eq!(tier(&answer.body["membership"]["after"]), expected, "order {day}");
        }
        let membership = app.membership("c1");
        assert_eq!(spent(&membership), "1000.00");
        assert_eq!(membership["tier"]["since"], "2024-03-06T10:00:00Z");
        assert!(membership["next_tier"].is_null());
    }

    fn an_upgrade_may_skip_tiers(app) {
        app.set_up(json!({}));
        app.set_tiers(LADDER);
        let answer = app.order("o1", "c1", "2024-03-01T10:00:00Z", "1000.00").expect(201);
        assert_eq!(tier(&answer.body["membership"]["before"]), "bronze");
        assert_eq!(tier(&answer.body["membership"]["after"]), "platinum");
    }

    fn never_reset_customers_continue_accumulating_indefinitely(app) {
        app.set_up(json!({"progress_reset": {"kind": "never"}}));
        app.set_tiers(LADDER);
        app.order("o1", "c1", "2020-02-01T10:00:00Z", "200.00").expect(201);
        app.order("o2", "c1", "2022-02-01T10:00:00Z", "200.00").expect(201);
        app.order("o3", "c1", "2024-02-01T10:00:00Z", "100.00").expect(201);
        let membership = app.membership_at("c1", "2090-01-01T00:00:00Z");
        assert_eq!((tier(&membership), spent(&membership)), ("gold", "500.00"));
        assert!(membership["period"]["end"].is_null());
    }

    fn end_of_calendar_year_progress_resets_to_0_on_december_31st_and_the_tier_stays(app) {
        app.set_up(json!({"progress_reset": {"kind": "calendar_year"}}));
        app.set_tiers(LADDER);
        app.order("o1", "c1", "2023-06-01T10:00:00Z", "400.00").expect(201);
        let last_second = app.membership_at("c1", "2023-12-31T23:59:59Z");
        assert_eq!((tier(&last_second), spent(&last_second)), ("silver", "400.00"));
        assert_eq!(last_second["period"]["end"], "2024-01-01T00:00:00Z");
        let new_year = app.membership_at("c1", "2024-01-01T00:00:00Z");
        assert_eq!((tier(&new_year), spent(&new_year)), ("silver", "0.00"));
        assert_eq!(new_year["next_tier"]["remaining"], "500.00");
        app.order("o2", "c1", "2024-03-01T10:00:00Z", "499.99").expect(201);
        assert_eq!(tier(&app.membership_at("c1", "2024-03-01T12:00:00Z")), "silver");
        app.order("o3", "c1", "2024-03-02T10:00:00Z", "0.01").expect(201);
        let gold = app.membership_at("c1", "2024-03-02T12:00:00Z");
        assert_eq!((tier(&gold), spent(&gold)), ("gold", "500.00"));
        let next_year = app.membership_at("c1", "2025-01-01T00:00:00Z");
        assert_eq!((tier(&next_year), spent(&next_year)), ("gold", "0.00"));
    }

    fn after_x_months_progress_resets_every_x_months_from_each_customers_last_reset(app) {
        app.set_up(json!({"progress_reset": {"kind": "rolling", "months": 3, "anchor": "enrolment"}}));
        app.set_tiers(LADDER);
        join(app, "c1", "2024-01-15T10:00:00Z");
        join(app, "c2", "2024-02-20T10:00:00Z");
        app.order("o1", "c1", "2024-02-01T10:00:00Z", "300.00").expect(201);
        app.order("o2", "c2", "2024-03-01T10:00:00Z", "300.00").expect(201);
        let before = app.membership_at("c1", "2024-04-14T23:59:59Z");
        assert_eq!((tier(&before), spent(&before)), ("silver", "300.00"));
        assert_eq!(before["period"], json!({"start": "2024-01-15T10:00:00Z", "end": "2024-04-15T00:00:00Z"}));
        let after = app.membership_at("c1", "2024-04-15T00:00:00Z");
        assert_eq!((tier(&after), spent(&after)), ("silver", "0.00"));
        assert_eq!(after["period"], json!({"start": "2024-04-15T00:00:00Z", "end": "2024-07-15T00:00:00Z"}));
        let third = app.membership_at("c1", "2024-07-15T00:00:00Z");
        assert_eq!(third["period"]["end"], "2024-10-15T00:00:00Z");
        let other = app.membership_at("c2", "2024-04-15T00:00:00Z");
        assert_eq!((spent(&other), &other["period"]["end"]), ("300.00", &json!("2024-05-20T00:00:00Z")));
    }

    fn zero_dollar_tier_all_customers_qualify_immediately_upon_joining(app) {
        app.set_up(json!({}));
        app.set_tiers(LADDER);
        app.storefront().put("/v1/customers/c1", &json!({"name": "Ada"})).expect(201);
        let membership = app.membership("c1");
        assert_eq!((tier(&membership), spent(&membership)), ("bronze", "0.00"));
        join(app, "c2", "2024-03-01T09:00:00Z");
        let membership = app.membership("c2");
        assert_eq!(tier(&membership), "bronze");
        assert_eq!(membership["tier"]["since"], "2024-03-01T09:00:00Z");
        assert_eq!(tier(&app.membership_at("c2", "2024-03-01T08:59:59Z")), "none");
    }

    fn without_a_zero_dollar_tier_nobody_holds_one_until_a_revision_brings_it(app) {
        app.set_up(json!({}));
        app.set_tiers(&[("silver", "250.00")]);
        app.order("o1", "c1", "2024-03-01T10:00:00Z", "10.00").expect(201);
        assert!(app.membership("c1")["tier"].is_null());
        settled(app, app.set_tiers(&[("bronze", "0"), ("silver", "250.00")]));
        assert_eq!(tier(&app.membership("c1")), "bronze");
        assert_eq!(tier(&app.membership_at("c1", "2024-03-02T00:00:00Z")), "none");
    }

    fn changing_reset_settings_affects_only_future_progression_cycles(app) {
        app.set_up(json!({"progress_reset": {"kind": "calendar_year"}}));
        app.set_tiers(LADDER);
        join(app, "c1", "2024-01-15T08:00:00Z");
        app.order("o1", "c1", &from_now(0), "300.00").expect(201);
        let before = app.membership("c1");
        assert_eq!((tier(&before), spent(&before)), ("silver", "300.00"));
        let change = json!({"progress_reset": {"kind": "rolling", "months": 1, "anchor": "enrolment"}});
        settled(app, app.admin().patch("/v1/program", &change));
        let after = app.membership("c1");
        assert_eq!((tier(&after), spent(&after)), ("silver", "300.00"));
        assert_eq!(after["period"], before["period"], "the open cycle keeps its end");
        let end = after["period"]["end"].as_str().unwrap();
        let next = app.membership_at("c1", end);
        assert_eq!((tier(&next), spent(&next)), ("silver", "0.00"));
        let next_end = format!("{}-01-15T00:00:00Z", &end[..4]);
        assert_eq!(next["period"], json!({"start": end, "end": next_end}));
    }

    fn a_cycle_without_an_end_gets_the_new_rules_next_boundary(app) {
        app.set_up(json!({}));
        app.set_tiers(LADDER);
        app.order("o1", "c1", &from_now(0), "300.00").expect(201);
        assert!(app.membership("c1")["period"]["end"].is_null());
        let change = json!({"progress_reset": {"kind": "calendar_year"}});
        settled(app, app.admin().patch("/v1/program", &change));
        let membership = app.membership("c1");
        assert_eq!((tier(&membership), spent(&membership)), ("silver", "300.00"));
        let end = membership["period"]["end"].as_str().unwrap();
        assert_eq!(&end[4..], "-01-01T00:00:00Z");
        assert_eq!(spent(&app.membership_at("c1", end)), "0.00");
    }

    fn lowering_gold_from_1000_to_800_keeps_gold_and_lifts_800_to_999_with_the_next_qualifying_order(app) {
        app.set_up(json!({}));
        app.set_tiers(&[("bronze", "0"), ("silver", "250.00"), ("gold", "1000.00")]);
        let spendings = [("c1200", "1200.00"), ("c800", "800.00"), ("c999", "999.00"), ("c700", "700.00")];
        for (customer, total) in spendings {
            app.order(&format!("first-{customer}"), customer, "2024-03-01T10:00:00Z", total).expect(201);
        }
        settled(app, app.set_tiers(&[("bronze", "0"), ("silver", "250.00"), ("gold", "800.00")]));

        assert_eq!(tier(&app.membership("c1200")), "gold");
        for customer in ["c800", "c999"] {
            let membership = app.membership(customer);
            assert_eq!(tier(&membership), "silver", "{customer} is not lifted by the change");
            assert_eq!(
                membership["next_tier"],
                json!({"code": "gold", "name": "Gold", "threshold": "800.00", "remaining": "0.00", "next_order_lifts": true})
            );
        }
        let membership = app.membership("c700");
        assert_eq!(membership["next_tier"]["remaining"], "100.00");
        assert_eq!(membership["next_tier"]["next_order_lifts"], false);

        // Neither a refund nor an order of zero is a qualifying order.
        app.refund("r1", "first-c999", &from_now(0), "10.00").expect(201);
        assert_eq!(tier(&app.membership("c999")), "silver");
        app.order("zero", "c999", &from_now(0), "0.00").expect(201);
        assert_eq!(tier(&app.membership("c999")), "silver");

        for (order, customer, total, expected) in [
            ("n1", "c999", "1.00", "gold"), ("n2", "c800", "1.00", "gold"),
            ("n3", "c700", "99.99", "silver"), ("n4", "c700", "0.01", "gold"),
            ("n5", "c1200", "1.00", "gold"),
        ] {
            let answer = app.order(order, customer, &from_now(0), total).expect(201);
            assert_eq!(tier(&answer.body["membership"]["after"]), expected, "{order}");
        }
    }

    fn retiring_or_raising_a_tier_takes_it_from_nobody(app) {
        app.set_up(json!({}));
        app.set_tiers(LADDER);
        app.order("o1", "c1", "2024-03-01T10:00:00Z", "500.00").expect(201);
        settled(app, app.set_tiers(&[("bronze", "0"), ("silver", "250.00"), ("gold", "900.00"), ("platinum", "1000.00")]));
        assert_eq!(tier(&app.membership("c1")), "gold");
        let mut retired = ladder(LADDER);
        retired["tiers"][2]["threshold"] = Value::Null;
        settled(app, app.admin().put("/v1/tiers", &retired));
        let membership = app.membership("c1");
        assert_eq!(tier(&membership), "gold");
        assert_eq!(membership["next_tier"]["code"], "platinum");
        assert_eq!(membership["next_tier"]["remaining"], "500.00");
    }

    fn pausing_preserves_everything_and_customers_continue_from_exactly_where_they_left_off(app) {
        app.set_up(json!({}));
        app.set_tiers(LADDER);
        app.order("o1", "c1", "2024-03-01T10:00:00Z", "300.00").expect(201);
        let paused = app.admin().post_empty("/v1/program/pause").expect(200);
        assert!(paused.body["paused_since"].is_string());
        settled(app, paused);
        let answer = app.order("o2", "c1", &from_now(0), "400.00").expect(201);
        let during = &answer.body["membership"]["after"];
        assert_eq!((tier(during), spent(during)), ("silver", "300.00"));
        assert_eq!(during["paused"], true);
        assert_eq!(during["lifetime"]["amount_spent"], "700.00");

        let resumed = app.admin().post_empty("/v1/program/resume").expect(200);
        assert!(resumed.body["paused_since"].is_null());
        settled(app, resumed);
        let after = app.membership("c1");
        assert_eq!((tier(&after), spent(&after)), ("silver", "300.00"));
        assert_eq!(after["paused"], false);
        assert_eq!(after["next_tier"]["remaining"], "200.00");
        app.order("o3", "c1", &from_now(0), "200.00").expect(201);
        let lifted = app.membership("c1");
        assert_eq!((tier(&lifted), spent(&lifted)), ("gold", "500.00"));
    }

    fn full_refund_scenario_a_gold_customer_who_spent_500_and_is_refunded_200_stays_gold_at_300(app) {
        app.set_up(json!({}));
        app.set_tiers(LADDER);
        app.order("o1", "c1", "2024-03-01T10:00:00Z", "300.00").expect(201);
        app.order("o2", "c1", "2024-03-02T10:00:00Z", "200.00").expect(201);
        assert_eq!(tier(&app.membership("c1")), "gold");
        let answer = app.refund("r1", "o2", "2024-03-09T10:00:00Z", "200.00").expect(201);
        let (before, after) = (&answer.body["membership"]["before"], &answer.body["membership"]["after"]);
        assert_eq!((tier(before), spent(before)), ("gold", "500.00"));
        assert_eq!((tier(after), spent(after)), ("gold", "300.00"));
        assert_eq!(after["permanent"], true);
        assert_eq!(after["next_tier"]["code"], "platinum");
        assert_eq!(after["next_tier"]["remaining"], "700.00");
        assert_eq!(after["progress"]["orders_placed"], 1, "an order refunded in full is none");
        assert_eq!(after["lifetime"]["amount_spent"], "300.00");
        assert_eq!(after["tier"]["since"], "2024-03-02T10:00:00Z");
    }

    fn partial_refund_impact_totals_adjust_and_the_tier_stays(app) {
        app.set_up(json!({}));
        app.set_tiers(LADDER);
        app.order("o1", "c1", "2024-03-01T10:00:00Z", "500.00").expect(201);
        let answer = app.refund("r1", "o1", "2024-03-09T10:00:00Z", "120.50").expect(201);
        let after = &answer.body["membership"]["after"];
        assert_eq!((tier(after), spent(after)), ("gold", "379.50"));
        assert_eq!(after["progress"]["orders_placed"], 1);
        assert_eq!(after["next_tier"]["remaining"], "620.50");
        app.order("o2", "c1", "2024-03-10T10:00:00Z", "620.49").expect(201);
        assert_eq!(tier(&app.membership("c1")), "gold");
        app.order("o3", "c1", "2024-03-11T10:00:00Z", "0.01").expect(201);
        assert_eq!(tier(&app.membership("c1")), "platinum");
    }

    fn what_counts_order_totals_include_taxes_and_shipping_as_they_appear(app) {
        app.set_up(json!({}));
        app.set_tiers(LADDER);
        // 100.00 of goods, 20.00 of tax and 9.95 of shipping.
        app.order("o1", "c1", "2024-03-01T10:00:00Z", "129.95").expect(201);
        assert_eq!(spent(&app.membership("c1")), "129.95");
    }

    fn pending_orders_are_excluded_until_they_are_completed_and_cancelled_ones_always(app) {
        app.set_up(json!({}));
        app.set_tiers(LADDER);
        let state = |status: &str| {
            json!({
                "customer_id": "c1", "status": status, "total": "250.00", "currency": "GBP",
                "placed_at": "2024-03-01T09:00:00Z",
            })
        };
        app.storefront().put("/v1/orders/o1", &state("pending")).expect(201);
        app.storefront().put("/v1/orders/o2", &state("cancelled")).expect(201);
        let membership = app.membership("c1");
        assert_eq!((tier(&membership), spent(&membership)), ("bronze", "0.00"));
        assert_eq!(membership["lifetime"]["orders_placed"], 0);
        let mut completed = state("completed");
        completed["completed_at"] = json!("2024-03-02T09:00:00Z");
        let answer = app.storefront().put("/v1/orders/o1", &completed).expect(200);
        let after = &answer.body["membership"]["after"];
        assert_eq!((tier(after), spent(after)), ("silver", "250.00"));
        assert_eq!(after["tier"]["since"], "2024-03-02T09:00:00Z");
    }

    fn order_total_changes_trigger_tier_recalculation(app) {
        app.set_up(json!({}));
        app.set_tiers(LADDER);
        app.order("o1", "c1", "2024-03-01T10:00:00Z", "100.00").expect(201);
        let answer = app.order("o1", "c1", "2024-03-01T10:00:00Z", "250.00").expect(200);
        assert_eq!(tier(&answer.body["membership"]["before"]), "bronze");
        assert_eq!(tier(&answer.body["membership"]["after"]), "silver");
    }

    fn customers_can_view_their_permanent_tier_their_progress_and_their_next_reset(app) {
        app.set_up(json!({"progress_reset": {"kind": "calendar_year"}}));
        app.set_tiers(LADDER);
        app.order("o1", "c1", "2024-05-01T10:00:00Z", "300.00").expect(201);
        assert_eq!(
            app.membership_at("c1", "2024-05-02T00:00:00Z"),
            json!({
                "customer_id": "c1",
                "as_of": "2024-05-02T00:00:00Z",
                "tier": {"code": "silver", "name": "Silver", "rank": 2, "since": "2024-05-01T10:00:00Z"},
                "permanent": true,
                "paused": false,
                "progress": {"amount_spent": "300.00", "orders_placed": 1, "points_earned": 300},
                "next_tier": {
                    "code": "gold", "name": "Gold", "threshold": "500.00", "remaining": "200.00",
                    "next_order_lifts": false,
                },
                "period": {"start": "2024-05-01T10:00:00Z", "end": "2025-01-01T00:00:00Z"},
                "lifetime": {"amount_spent": "300.00", "orders_placed": 1, "points_earned": 300},
                "reward": null,
                "enrolled_at": "2024-05-01T10:00:00Z",
            })
        );
    }
}
