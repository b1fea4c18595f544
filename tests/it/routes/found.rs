//! What the design asks for and was found not to be so when this was written.

use crate::support::*;
use serde_json::json;

const NOON: &str = "2024-06-01T12:00:00Z";

on_both! {
    // Section 6: all faults at once.
    fn a_ladders_faults_come_together(app) {
        app.set_up(json!({}));
        let mut body = ladder(&[("bronze", "0"), ("silver", "250"), ("gold", "100")]);
        body["tiers"][1]["code"] = json!("bronze");
        body["tiers"][1]["rank"] = json!(1);
        let answer = app.admin().put("/v1/tiers", &body).expect_problem(422, "invalid_request");
        assert_eq!(answer.pointers(), ["/tiers/1/code", "/tiers/1/rank", "/tiers/2/threshold"]);
    }

    // Section 4: one bad line harms no other.
    fn a_line_whose_figures_do_not_fit_harms_no_other(app) {
        app.set_up(json!({}));
        let line = |id: &str, total: &str| {
            let mut fact = order("c1", NOON, total);
            fact["order_id"] = json!(id);
            json!({"order": fact})
        };
        let lines = [line("o1", "92233720368547758.07"), line("o2", "1.00")];
        let answer = app.storefront().post_lines("/v1/facts", &lines).expect(200);
        assert_eq!((&answer.body["created"], &answer.body["refused"]), (&json!(1), &json!(1)));
    }

    // The databases know no leap seconds, so answers must not either: what is
    // sent again is the same.
    fn a_leap_second_is_the_second_after_it(app) {
        app.set_up(json!({"start_date": "2016-01-01", "progress_reset": {"kind": "calendar_year"}}));
        let put = || app.order("o1", "c1", "2016-12-31T23:59:60Z", "5.00");
        let first = put().expect(201).body;
        assert_eq!(first["order"]["completed_at"], "2017-01-01T00:00:00Z");
        let at = "/v1/customers/c1/membership?at=2017-01-01T00:00:00Z";
        let then = app.storefront().get(at).expect(200).body;
        assert_eq!(then["period"]["start"], "2017-01-01T00:00:00Z");
        assert_eq!(spent(&then), "5.00");
        let again = put().expect(200).body;
        assert_eq!(again["membership"]["before"], again["membership"]["after"]);
    }

    // Section 4: instants are RFC 3339, whose years have four digits.
    fn an_instant_that_no_answer_could_state_is_refused(app) {
        app.set_up(json!({}));
        for at in ["9999-12-31T23:59:59-23:59", "0000-01-01T00:00:00%2B00:01"] {
            let path = format!("/v1/audit?from={at}");
            app.manager().get(&path).expect_problem(422, "invalid_request");
            let path = format!("/v1/program?dry_run=true&effective_from={at}");
            app.admin().patch(&path, &json!({})).expect_problem(422, "invalid_request");
        }
    }

    // PostgreSQL's texts hold no U+0000, and its indexes no text that is too long.
    fn a_list_goes_on_after_the_longest_names_and_no_forged_cursor_breaks_it(app) {
        app.set_up(json!({}));
        // Folded, the last is 18 times as long.
        let names = ["\u{1d538}", "\u{20000}", "\u{fdfa}"].map(|c| c.repeat(200));
        for (i, name) in names.iter().enumerate() {
            let id = format!("{i}{}", "c".repeat(63));
            app.storefront().put(&format!("/v1/customers/{id}"), &json!({"name": name})).expect(201);
        }
        let (mut found, mut cursor) = (Vec::new(), String::new());
        loop {
            let path = format!("/v1/customers?sort=name&limit=1{cursor}");
            let page = app.support().get(&path).expect(200).body;
            found.push(page["customers"][0]["name"].as_str().unwrap().to_owned());
            let Some(next) = page["next_cursor"].as_str() else { break };
            cursor = format!("&cursor={next}");
        }
        found.sort();
        assert_eq!(found, { let mut names = names; names.sort(); names });
        // {"t":"a\u0000","i":"c1"}
        let forged = "eyJ0IjoiYVx1MDAwMCIsImkiOiJjMSJ9";
        for path in ["/v1/customers?sort=name&", "/v1/orders?", "/v1/audit?", "/v1/nominations?"] {
            let answer = app.manager().get(&format!("{path}cursor={forged}"));
            assert_eq!(answer.expect_problem(422, "invalid_request").pointers(), ["?cursor"], "{path}");
        }
    }
}
