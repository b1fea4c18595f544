use crate::support::*;
use serde_json::json;

on_both! {
    fn an_order_that_reaches_a_threshold_lifts_its_customer(app) {
        app.set_up(json!({}));
        app.set_tiers(&[("bronze", "0"), ("silver", "250.00")]);
        let answer = app.order("o1", "c1", "2024-06-01T10:00:00Z", "250.00").expect(201);
        assert_eq!(tier(&answer.body["membership"]["after"]), "silver");
        assert_eq!(tier(&app.membership("c1")), "silver");
    }
}
