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
}
