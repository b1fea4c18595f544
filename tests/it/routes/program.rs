//! The program: its settings, revisions, pauses and recalculations.

use super::{assert_paging_rules, assert_same_404, neighbour};
use crate::support::*;
use accolade::api::auth::Role;
use chrono::Utc;
use serde_json::{Value, json};

const NOON: &str = "2024-06-01T12:00:00Z";
const PROGRAM: &str = "/v1/program";
const PAUSE: &str = "/v1/program/pause";
const RESUME: &str = "/v1/program/resume";

/// The numbers of revisions, and of what took their places.
fn revisions(body: &Value) -> Vec<(i64, Option<i64>)> {
    let rows = body["revisions"].as_array().unwrap();
    rows.iter()
        .map(|row| (row["revision"].as_i64().unwrap(), row["superseded_by"].as_i64()))
        .collect()
}

on_both! {
    fn a_store_is_set_up_with_its_currency_and_defaults(app) {
        let client = app.admin();
        for body in [json!({}), json!({"name": "Club"}), json!({"currency": null})] {
            client.patch(PROGRAM, &body).expect_problem(409, "currency_missing");
            client.get(PROGRAM).expect_problem(409, "store_not_set_up");
        }
        let early = Utc::now().date_naive();
        let first = client.patch(PROGRAM, &json!({"currency": "GBP"})).expect(200);
        let late = Utc::now().date_naive();
        let start: chrono::NaiveDate = first.body["start_date"].as_str().unwrap().parse().unwrap();
        assert!((early..=late).contains(&start), "{start}");
        let mut rest = first.body.clone();
        rest.as_object_mut().unwrap().remove("start_date");
        let defaults = json!({
            "name": "VIP", "currency": "GBP", "time_zone": "UTC", "entry_method": "amount_spent",
            "progress_reset": {"kind": "never"}, "tier_retention": "permanent",
            "points_per_unit": "1", "grace_days": 90, "paused_since": null, "revision": 1,
            "recalculation": null, "label_shows_icon": true, "vip_visible_to_customers": false,
            "automatic_qualification": true, "credit_expires_after_months": null,
        });
        assert_eq!(rest, defaults);
        let read = app.storefront().get(PROGRAM).expect(200);
        assert_eq!((&read.body, read.etag()), (&first.body, first.etag()));
        // The same again changes nothing.
        let again = client.patch(PROGRAM, &json!({"currency": "GBP"})).expect(200);
        assert_eq!((&again.body, again.etag()), (&first.body, first.etag()));
        client.patch(PROGRAM, &json!({"currency": null})).expect_problem(409, "currency_missing");
    }

    fn who_set_a_store_up_at_once_do_so_one_after_the_other(app) {
        let results = std::thread::scope(|scope| {
            let calls: Vec<_> = (0..8)
                .map(|days| {
                    scope.spawn(move || {
                        let body = json!({"currency": "GBP", "grace_days": days + 1});
                        app.admin().patch(PROGRAM, &body).expect(200).headers["etag"].clone()
                    })
                })
                .collect();
            calls.into_iter().map(|call| call.join().unwrap()).collect::<Vec<_>>()
        });
        let mut versions: Vec<String> =
            results.iter().map(|etag| etag.to_str().unwrap().to_owned()).collect();
        versions.sort();
        let expected: Vec<String> = (1..=8).map(|version| format!("\"{version}\"")).collect();
        assert_eq!(versions, expected);
        let audit = app.manager().get("/v1/audit").expect(200).body;
        assert_eq!(audit["entries"].as_array().unwrap().len(), 8, "{audit}");
    }

    fn patch_replaces_what_it_gives_and_null_restores_a_default(app) {
        let client = app.admin();
        let whole = json!({
            "name": "Club", "currency": "JPY", "time_zone": "Asia/Tokyo", "start_date": "2024-04-01",
            "entry_method": "points_earned",
            "progress_reset": {"kind": "rolling", "months": 12, "anchor": "program_start"},
            "tier_retention": "reset_each_period", "points_per_unit": "0.5", "grace_days": 30,
        });
        let answer = client.patch(PROGRAM, &whole).expect(200);
        let mut expected = answer.body.clone();
        for (field, value) in whole.as_object().unwrap() {
            assert_eq!(&answer.body[field], value, "{field}");
        }
        for (field, given, stored) in [
            ("name", json!("Circle"), json!("Circle")),
            ("name", Value::Null, json!("VIP")),
            ("progress_reset", json!({"kind": "calendar_year"}), json!({"kind": "calendar_year"})),
            ("tier_retention", Value::Null, json!("permanent")),
            ("progress_reset", Value::Null, json!({"kind": "never"})),
            ("entry_method", Value::Null, json!("amount_spent")),
            ("points_per_unit", Value::Null, json!("1")),
            ("grace_days", Value::Null, json!(90)),
            ("time_zone", Value::Null, json!("UTC")),
            ("start_date", json!("2023-01-01"), json!("2023-01-01")),
            ("currency", json!("GBP"), json!("GBP")),
        ] {
            let mut body = json!({});
            body[field] = given;
            expected[field] = stored;
            let answer = client.patch(PROGRAM, &body).expect(200);
            expected["revision"] = answer.body["revision"].clone();
            assert_eq!(answer.body, expected, "{field}");
            assert_eq!(client.get(PROGRAM).expect(200).etag(), answer.etag());
        }
    }

    fn what_a_request_shows_by_itself_is_422_with_its_place(app) {
        app.set_up(json!({}));
        let patch = |body: Value| {
            app.admin().patch(PROGRAM, &body).expect_problem(422, "invalid_request")
        };
        let bad = json!({
            "name": " ", "currency": "ZZZ", "time_zone": "Mars/Olympus", "grace_days": 3_651,
            "points_per_unit": "1000001",
        });
        let all = ["/currency", "/grace_days", "/name", "/points_per_unit", "/time_zone"];
        assert_eq!(patch(bad).pointers(), all);
        let reset = |months: u32| json!({"kind": "rolling", "months": months, "anchor": "enrolment"});
        for (field, value, pointer) in [
            ("start_date", json!("2024-02-30"), "/start_date"),
            ("entry_method", json!("age"), "/entry_method"),
            ("tier_retention", json!("lost"), "/tier_retention"),
            ("points_per_unit", json!("0.0000001"), "/points_per_unit"),
            ("points_per_unit", json!(1), "/points_per_unit"),
            ("grace_days", json!(-1), "/grace_days"),
            ("progress_reset", reset(0), "/progress_reset/months"),
            ("progress_reset", reset(121), "/progress_reset/months"),
            ("progress_reset", json!({"kind": "weekly"}), "/progress_reset"),
            ("progress_reset", json!({"kind": "never", "months": 3}), "/progress_reset/months"),
        ] {
            let mut body = json!({});
            body[field] = value;
            assert_eq!(patch(body).pointers(), [pointer], "{field}");
        }
        for currency in ["gbp", "XAU", "POUND"] {
            let answer = patch(json!({"currency": currency}));
            assert!(answer.pointers().iter().all(|at| *at == "/currency"), "{}", answer.text);
        }
        let together = json!({
            "progress_reset": {"kind": "never"}, "tier_retention": "reset_each_period",
        });
        assert_eq!(patch(together).pointers(), ["/tier_retention"]);
        let answer = app.admin().patch("/v1/program?effective_from=today", &json!({}));
        let answer = answer.expect_problem(422, "invalid_request");
        assert_eq!(answer.pointers(), ["?effective_from"]);
    }

    fn a_first_retention_goes_with_common_periods_only(app) {
        let body = json!({"currency": "GBP", "tier_retention": "reset_each_period"});
        let answer = app.admin().patch(PROGRAM, &body);
        answer.expect_problem(409, "retention_needs_common_periods");
        app.admin().get(PROGRAM).expect_problem(409, "store_not_set_up");
    }

    fn a_retention_that_the_stored_reset_forbids_is_409(app) {
        app.set_up(json!({}));
        let answer = app.admin().patch(PROGRAM, &json!({"tier_retention": "reset_each_period"}));
        answer.expect_problem(409, "retention_needs_common_periods");
        app.admin().patch(PROGRAM, &json!({"progress_reset": {"kind": "calendar_year"}})).expect(200);
        app.admin().patch(PROGRAM, &json!({"tier_retention": "reset_each_period"})).expect(200);
        let answer = app.admin().patch(PROGRAM, &json!({"progress_reset": null}));
        answer.expect_problem(409, "retention_needs_common_periods");
    }

    fn with_facts_the_currency_is_fixed(app) {
        app.set_up(json!({}));
        app.admin().patch(PROGRAM, &json!({"currency": "EUR"})).expect(200);
        app.admin().patch(PROGRAM, &json!({"currency": "GBP"})).expect(200);
        app.order("o1", "c1", NOON, "1.00").expect(201);
        app.admin().patch(PROGRAM, &json!({"currency": "EUR"})).expect_problem(409, "currency_fixed");
        app.admin().patch(PROGRAM, &json!({"currency": "GBP"})).expect(200);
    }

    fn a_new_currency_reads_the_same_thresholds(app) {
        app.set_up(json!({}));
        app.set_tiers(&[("silver", "250.00")]);
        app.admin().patch("/v1/program", &json!({"currency": "JPY"})).expect(200);
        let silver = app.admin().get("/v1/tiers/silver").expect(200).body;
        assert_eq!(silver["threshold"], "250");
    }

    fn a_new_entry_method_reads_the_same_thresholds_while_there_are_no_facts(app) {
        app.set_up(json!({}));
        app.set_tiers(&[("bronze", "0"), ("silver", "12.50")]);
        let orders = json!({"entry_method": "orders_placed"});
        app.admin().patch(PROGRAM, &orders).expect_problem(409, "entry_method_needs_ladder");
        app.set_tiers(&[("bronze", "0"), ("silver", "12.00")]);
        app.admin().patch(PROGRAM, &orders).expect(200);
        let silver = app.storefront().get("/v1/tiers/silver").expect(200).body;
        assert_eq!(silver["threshold"], "12");
        app.order("o1", "c1", NOON, "1.00").expect(201);
        let points = json!({"entry_method": "points_earned"});
        app.admin().patch(PROGRAM, &points).expect_problem(409, "entry_method_needs_ladder");
    }

    fn a_change_holds_from_an_instant_that_is_not_ahead(app) {
        app.set_up(json!({}));
        let ahead = format!("effective_from={}", from_now(3_600));
        let answers = [
            app.admin().patch(&format!("{PROGRAM}?{ahead}"), &json!({"points_per_unit": "2"})),
            app.admin().post_empty(&format!("{PAUSE}?{ahead}")),
            app.admin().post_empty(&format!("{RESUME}?{ahead}")),
        ];
        for answer in answers {
            answer.expect_problem(409, "effective_from_in_future");
        }
        assert_eq!(app.storefront().get(PROGRAM).expect(200).body["points_per_unit"], "1");
    }

    fn a_change_from_the_beginning_recalculates_everyone(app) {
        app.set_up(json!({"entry_method": "points_earned"}));
        app.set_tiers(&[("bronze", "0"), ("silver", "100")]);
        app.order("o1", "c1", NOON, "60.00").expect(201);
        app.order("o2", "c2", NOON, "40.00").expect(201);
        let rate = json!({"points_per_unit": "2"});
        let now = app.admin().patch(PROGRAM, &rate).expect(200);
        assert_eq!(now.body["recalculation"], Value::Null);
        assert_eq!(app.membership("c1")["progress"]["points_earned"], 60);
        let path = format!("{PROGRAM}?effective_from=beginning");
        let changed = app.admin().patch(&path, &rate).expect(200);
        let recalculation = settled(app, changed);
        assert_eq!(recalculation["state"], "completed");
        assert_eq!(recalculation["customers_total"], 2);
        assert_eq!(recalculation["customers_done"], 2);
        assert_eq!(recalculation["customers_upgraded"], 1);
        assert_eq!(recalculation["customers_downgraded"], 0);
        assert_eq!(tier(&app.membership("c1")), "silver");
        assert_eq!(app.membership("c2")["progress"]["points_earned"], 80);
    }

    fn a_new_start_recalculates_everyone(app) {
        app.set_up(json!({}));
        app.order("o1", "c1", NOON, "10.00").expect(201);
        let changed = app.admin().patch(PROGRAM, &json!({"start_date": "2024-07-01"})).expect(200);
        assert_eq!(settled(app, changed)["state"], "completed");
        let membership = app.membership("c1");
        assert_eq!(membership["progress"]["amount_spent"], "0.00");
        assert_eq!(membership["lifetime"]["amount_spent"], "10.00");
        assert_eq!(membership["enrolled_at"], "2024-07-01T00:00:00Z");
    }

    fn a_dry_run_says_what_would_be_and_changes_nothing(app) {
        let query = "?dry_run=true";
        let first = json!({"currency": "GBP", "start_date": "2020-01-01"});
        let dry = app.admin().patch(&format!("{PROGRAM}{query}"), &first).expect(200);
        assert_eq!(dry.body["currency"], "GBP");
        app.admin().get(PROGRAM).expect_problem(409, "store_not_set_up");
        app.set_up(json!({}));
        app.order("o1", "c1", NOON, "10.00").expect(201);
        let before = app.storefront().get(PROGRAM).expect(200);
        for answer in [
            app.admin().patch(&format!("{PROGRAM}{query}"), &json!({"points_per_unit": "2"})),
            app.admin().post_empty(&format!("{PAUSE}{query}")),
        ] {
            let dry = answer.expect(200);
            let recalculation = settled(app, dry.clone());
            assert_eq!((&recalculation["state"], &recalculation["dry_run"]), (&json!("completed"), &json!(true)));
            assert_ne!(dry.body, before.body);
        }
        let after = app.storefront().get(PROGRAM).expect(200);
        assert_eq!((after.body.clone(), after.etag()), (before.body.clone(), before.etag()));
    }

    fn a_program_is_paused_and_resumed_once(app) {
        app.set_up(json!({}));
        app.order("o1", "c1", NOON, "10.00").expect(201);
        let client = app.admin();
        client.post_empty(RESUME).expect_problem(409, "not_paused");
        let paused = client.post_empty(PAUSE).expect(200);
        assert!(paused.body["paused_since"].is_string());
        assert_eq!(client.get(PROGRAM).expect(200).body["paused_since"], paused.body["paused_since"]);
        assert_eq!(app.membership("c1")["paused"], true);
        client.post_empty(PAUSE).expect_problem(409, "already_paused");
        // What happens meanwhile counts toward lifetime figures alone.
        app.order("o2", "c1", &from_now(0), "5.00").expect(201);
        let membership = app.membership("c1");
        assert_eq!(membership["progress"]["amount_spent"], "10.00");
        assert_eq!(membership["lifetime"]["amount_spent"], "15.00");
        let resumed = client.post_empty(RESUME).expect(200);
        assert_eq!(resumed.body["paused_since"], Value::Null);
        assert_eq!(app.membership("c1")["paused"], false);
        client.post_empty(RESUME).expect_problem(409, "not_paused");
        app.order("o3", "c1", &from_now(0), "1.00").expect(201);
        assert_eq!(app.membership("c1")["progress"]["amount_spent"], "11.00");
    }

    fn pauses_neither_overlap_nor_end_before_they_begin(app) {
        app.set_up(json!({}));
        let client = app.admin();
        let at = |path: &str, at: &str| client.post_empty(&format!("{path}?effective_from={at}"));
        at(PAUSE, "2024-06-01T00:00:00Z").expect(200);
        at(RESUME, "2024-05-31T23:59:59Z").expect_problem(409, "pauses_overlap");
        at(RESUME, "2024-07-01T00:00:00Z").expect(200);
        at(PAUSE, "2024-06-30T23:59:59Z").expect_problem(409, "pauses_overlap");
        at(PAUSE, "2024-08-01T00:00:00Z").expect(200);
        at(RESUME, "2024-09-01T00:00:00Z").expect(200);
        for (day, counted) in [("2024-05-20", 1), ("2024-06-20", 1), ("2024-07-20", 2), ("2024-08-20", 2)] {
            let id = format!("o-{day}");
            let answer = app.order(&id, "c1", &format!("{day}T00:00:00Z"), "1.00").expect(201);
            assert_eq!(answer.body["membership"]["after"]["progress"]["orders_placed"], counted, "{day}");
        }
    }

    fn a_pause_of_the_past_recalculates_from_there(app) {
        app.set_up(json!({}));
        app.order("o1", "c1", NOON, "10.00").expect(201);
        let path = format!("{PAUSE}?effective_from=2024-05-01T00:00:00Z");
        let paused = app.admin().post_empty(&path).expect(200);
        assert_eq!(settled(app, paused)["state"], "completed");
        assert_eq!(app.membership("c1")["progress"]["amount_spent"], "0.00");
        for path in [PAUSE, RESUME] {
            let answer = app.admin().post_empty(&format!("{path}?effective_from=then"));
            let answer = answer.expect_problem(422, "invalid_request");
            assert_eq!(answer.pointers(), ["?effective_from"]);
        }
    }

    fn a_version_is_changed_only_if_it_is_still_that_version(app) {
        let client = |if_match: &str| app.admin().with("if-match", if_match);
        let body = json!({"currency": "GBP"});
        for if_match in ["*", "\"1\""] {
            client(if_match).patch(PROGRAM, &body).expect_problem(412, "precondition_failed");
        }
        let first = app.admin().patch(PROGRAM, &body).expect(200).etag();
        let second = client(&first).patch(PROGRAM, &json!({"name": "Club"})).expect(200).etag();
        assert_ne!(first, second);
        let answers = [
            client(&first).patch(PROGRAM, &json!({"name": "Circle"})),
            client(&first).post_empty(PAUSE),
            client(&first).post_empty(RESUME),
        ];
        for answer in answers {
            answer.expect_problem(412, "precondition_failed");
        }
        let third = client(&second).post_empty(PAUSE).expect(200).etag();
        let fourth = client(&third).post_empty(RESUME).expect(200).etag();
        assert_eq!(app.storefront().get(PROGRAM).expect(200).etag(), fourth);
        client("*").patch(PROGRAM, &json!({"name": "Circle"})).expect(200);
    }

    fn revisions_are_listed_newest_first_superseded_ones_too(app) {
        app.set_up(json!({}));
        app.order("o1", "c1", NOON, "10.00").expect(201);
        for rate in ["2", "3", "4", "5"] {
            app.admin().patch(PROGRAM, &json!({"points_per_unit": rate})).expect(200);
        }
        // What is no rule makes no revision.
        app.admin().patch(PROGRAM, &json!({"name": "Club", "grace_days": 1})).expect(200);
        let path = "/v1/program/revisions";
        let client = app.storefront();
        let body = client.get(path).expect(200).body;
        let all: [(i64, Option<i64>); 5] = [(5, None), (4, None), (3, None), (2, None), (1, None)];
        assert_eq!(revisions(&body), all);
        let newest = &body["revisions"][0];
        assert_eq!(newest["points_per_unit"], "5");
        assert_eq!(newest["entry_method"], "amount_spent");
        assert_eq!(newest["tiers"], json!([]));
        assert_eq!(newest["recorded_by"], "tester");
        assert_eq!(newest["effective_from"], newest["recorded_at"]);
        let mut found = Vec::new();
        let mut cursor = String::new();
        loop {
            let page = client.get(&format!("{path}?limit=2{cursor}")).expect(200).body;
            found.extend(revisions(&page));
            let Some(next) = page["next_cursor"].as_str() else { break };
            cursor = format!("&cursor={next}");
        }
        assert_eq!(found, all);
        assert_paging_rules(&client, path);
        let from = format!("{PROGRAM}?effective_from=beginning");
        let changed = app.admin().patch(&from, &json!({"points_per_unit": "6"})).expect(200);
        settled(app, changed);
        let body = client.get(path).expect(200).body;
        let all: Vec<(i64, Option<i64>)> =
            (1..=6).rev().map(|number| (number, (number < 6).then_some(6))).collect();
        assert_eq!(revisions(&body), all);
        let others = neighbour(app, Role::Support).get(path).expect(200).body;
        assert_eq!(revisions(&others), vec![(1, None)]);
    }

    fn a_recalculation_can_be_looked_up_by_its_own_store(app) {
        app.set_up(json!({}));
        app.order("o1", "c1", NOON, "10.00").expect(201);
        let dry = format!("{PROGRAM}?dry_run=true");
        let answer = app.admin().patch(&dry, &json!({"name": "Club"})).expect(200);
        let recalculation = settled(app, answer);
        let id = recalculation["recalculation_id"].as_str().unwrap();
        let path = |id: &str| format!("/v1/program/recalculations/{id}");
        let read = app.client(Role::PlatformAdmin).get(&path(id)).expect(200);
        assert_eq!(read.body, recalculation);
        app.admin().get(&path("absent")).expect_problem(404, "not_found");
        let other = neighbour(app, Role::Administrator);
        assert_same_404(&other.get(&path(id)), &other.get(&path("absent")));
    }
}
