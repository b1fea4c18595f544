//! How often a customer has cancelled the subscription.

use crate::support::*;
use accolade::api::auth::Role;
use serde_json::{Value, json};

const PATH: &str = "/v1/customers/c1";

/// A subscription in a state; a cancelled one was cancelled at an instant.
fn subscription(state: &str, cancelled_at: Option<&str>) -> Value {
    let mut subscription = json!({"monthly_amount": "19.90", "state": state});
    if let Some(at) = cancelled_at {
        subscription["cancelled_at"] = json!(at);
    }
    json!({"subscription": subscription})
}

/// Changes the subscription, and says how often it was cancelled by now.
fn change(app: &App, state: &str, cancelled_at: Option<&str>) -> Value {
    let body = app.storefront().patch(PATH, &subscription(state, cancelled_at)).expect(200).body;
    body["cancellations"].clone()
}

/// What the metric of rules makes of it: 1 for who never cancelled.
fn never_cancelled(app: &App) -> String {
    let path = format!("{PATH}/qualification");
    let body = app.support().get(&path).expect(200).body;
    body["rules"][0]["conditions"][0]["found"].as_str().unwrap().to_owned()
}

fn set_up(app: &App) {
    app.set_up(json!({}));
    let rule = json!({
        "name": "Loyal", "profile": "other", "grants": {},
        "conditions": [{"metric": "never_cancelled", "at_least": "1"}],
    });
    app.client(Role::PlatformAdmin).put("/v1/rules/loyal", &rule).expect(201);
}

const JUNE: Option<&str> = Some("2024-06-30T00:00:00Z");
const JULY: Option<&str> = Some("2024-07-31T00:00:00Z");

on_both! {
    fn each_way_into_cancelled_counts_once(app) {
        set_up(app);
        let new = app.storefront().put(PATH, &json!({"name": "Ada Byron"})).expect(201).body;
        assert_eq!((&new["cancellations"], never_cancelled(app).as_str()), (&json!(0), "1"));
        for (state, at, expected) in [
            ("active", None, 0), ("paused", None, 0), ("active", None, 0), ("cancelled", JUNE, 1),
            // The same again, and a correction of when it was.
            ("cancelled", JUNE, 1), ("cancelled", JULY, 1), ("active", None, 1), ("paused", None, 1),
            ("cancelled", JULY, 2), ("active", None, 2), ("cancelled", JULY, 3),
        ] {
            assert_eq!(change(app, state, at), expected, "{state} {at:?}");
            let read = app.support().get(PATH).expect(200).body;
            assert_eq!(read["cancellations"], expected, "{state} {at:?}");
            assert_eq!(never_cancelled(app), if expected == 0 { "1" } else { "0" });
        }
        let list = app.support().get("/v1/customers?q=c1").expect(200).body;
        assert_eq!(list["customers"][0]["cancellations"], 3);
    }

    fn a_subscription_that_is_first_heard_of_as_cancelled_counts(app) {
        set_up(app);
        let cancelled = subscription("cancelled", JUNE);
        let first = app.storefront().put(PATH, &cancelled).expect(201).body;
        assert_eq!((&first["cancellations"], never_cancelled(app).as_str()), (&json!(1), "0"));
        assert_eq!(app.storefront().put(PATH, &cancelled).expect(200).body["cancellations"], 1);
        // Of somebody who was known before, it is the first that is heard of it.
        app.storefront().put("/v1/customers/c2", &json!({})).expect(201);
        let later = app.storefront().put("/v1/customers/c2", &cancelled).expect(200).body;
        assert_eq!(later["cancellations"], 1);
    }

    fn a_batch_counts_as_its_requests_would(app) {
        set_up(app);
        let post = |state: &str, at: Option<&str>| {
            let mut line = subscription(state, at);
            line["customer_id"] = json!("c1");
            app.storefront().post_lines("/v1/facts", &[json!({"customer": line})]).expect(200);
            app.support().get(PATH).expect(200).body["cancellations"].clone()
        };
        for (state, at, expected) in [
            ("cancelled", JUNE, 1), ("cancelled", JULY, 1), ("active", None, 1), ("cancelled", JULY, 2),
        ] {
            assert_eq!(post(state, at), expected, "{state} {at:?}");
        }
    }

    fn nobody_can_say_how_often(app) {
        app.set_up(json!({}));
        let body = json!({"cancellations": 0});
        for answer in [app.storefront().put(PATH, &body), app.storefront().patch(PATH, &body)] {
            assert_eq!(answer.expect_problem(422, "invalid_request").pointers(), ["/cancellations"]);
        }
    }

    fn an_erasure_keeps_the_number(app) {
        app.set_up(json!({}));
        app.storefront().put(PATH, &subscription("cancelled", JUNE)).expect(201);
        change(app, "active", None);
        assert_eq!(change(app, "cancelled", JULY), 2);
        app.storefront().delete(PATH).expect(204);
        let erased = app.support().get(PATH).expect(200).body;
        assert_eq!(erased["cancellations"], 2);
        assert_ne!(erased["erased_at"], Value::Null);
    }
}
