//! Follow-ups: the contacts after which somebody has to get in touch again.

use super::activities::{body, send};
use super::{assert_paging_rules, ids, neighbour, paged};
use crate::support::*;
use accolade::api::auth::Role;
use chrono::{Days, NaiveDate, Timelike, Utc};
use chrono_tz::Tz;
use serde_json::{Value, json};

const LIST: &str = "/v1/follow-ups";
const NOON: &str = "2024-06-01T12:00:00Z";
const NOTHING: [&str; 0] = [];

/// Somebody speaks to a customer and has to do so again.
fn contact(app: &App, id: &str, customer: &str, at: &str, follow_up_on: Option<&str>) -> Answer {
    let fields = json!({"channel": "phone", "follow_up_on": follow_up_on});
    let answer = send(app, id, (customer, "contact"), at, &fields);
    assert!(answer.status < 300, "{}", answer.text);
    answer
}

/// The contacts that a list names, in its order.
fn listed(app: &App, query: &str) -> Vec<String> {
    let path = format!("{LIST}?{query}");
    ids(&app.support().get(&path).expect(200).body, "follow_ups", "activity_id")
}

/// A zone in which it is another day than in UTC, and goes on being so for
/// half an hour at least, with that day.
fn zone_of_another_day() -> (&'static str, NaiveDate) {
    // One is fourteen hours ahead, the other eleven behind.
    let now = Utc::now();
    let name = if now.hour() < 10 { "Pacific/Pago_Pago" } else { "Pacific/Kiritimati" };
    let zone: Tz = name.parse().unwrap();
    let today = now.with_timezone(&zone).date_naive();
    assert_ne!(today, now.date_naive());
    (name, today)
}

on_both! {
    fn a_contact_that_is_due_is_listed_with_what_was_said(app) {
        app.set_up(json!({}));
        app.storefront().put("/v1/customers/c1", &json!({"name": "Ada Byron"})).expect(201);
        let fields = json!({
            "channel": "phone", "agent": "sam", "note": "The box is too large.\nWill think.",
            "follow_up_on": "2024-06-08",
        });
        send(app, "k1", ("c1", "contact"), NOON, &fields).expect(201);
        contact(app, "k2", "c2", "2024-06-02T12:00:00Z", Some("2024-06-09"));
        let expected = json!({
            "follow_ups": [
                {
                    "activity_id": "k1", "customer_id": "c1", "name": "Ada Byron", "agent": "sam",
                    "channel": "phone", "note": "The box is too large.\nWill think.",
                    "follow_up_on": "2024-06-08", "occurred_at": NOON,
                },
                {
                    "activity_id": "k2", "customer_id": "c2", "name": null, "agent": null,
                    "channel": "phone", "note": null, "follow_up_on": "2024-06-09",
                    "occurred_at": "2024-06-02T12:00:00Z",
                },
            ],
            "next_cursor": null,
        });
        assert_eq!(app.support().get(LIST).expect(200).body, expected);
    }

    fn what_is_due_by_a_date_is_what_is_to_be_done_then_or_before(app) {
        app.set_up(json!({}));
        for (id, on) in [("c", "2024-06-30"), ("a", "2023-12-31"), ("d", "2024-07-01"), ("b", "2024-01-01")] {
            contact(app, id, id, NOON, Some(on));
        }
        contact(app, "never", "e", NOON, None);
        contact(app, "far", "f", NOON, Some("2100-01-01"));
        assert_eq!(listed(app, ""), ["a", "b", "c", "d"]);
        assert_eq!(listed(app, "due_by=2024-07-01"), ["a", "b", "c", "d"]);
        assert_eq!(listed(app, "due_by=2024-06-30"), ["a", "b", "c"]);
        assert_eq!(listed(app, "due_by=2023-12-31"), ["a"]);
        assert_eq!(listed(app, "due_by=2023-12-30"), NOTHING);
        assert_eq!(listed(app, "due_by=2099-12-31"), ["a", "b", "c", "d"]);
        assert_eq!(listed(app, "due_by=2100-01-01"), ["a", "b", "c", "d", "far"]);
    }

    fn today_is_the_day_of_the_programs_zone(app) {
        let (zone, today) = zone_of_another_day();
        app.set_up(json!({"time_zone": zone}));
        let tomorrow = today.checked_add_days(Days::new(1)).unwrap();
        contact(app, "today", "c1", NOON, Some(&today.to_string()));
        contact(app, "tomorrow", "c2", NOON, Some(&tomorrow.to_string()));
        assert_eq!(listed(app, ""), ["today"]);
        assert_eq!(listed(app, &format!("due_by={tomorrow}")), ["today", "tomorrow"]);
    }

    fn a_later_contact_settles_it_and_nothing_else_does(app) {
        app.set_up(json!({}));
        let (before, after) = ("2024-06-01T11:59:59.999999Z", "2024-06-01T12:00:00.000001Z");
        contact(app, "k1", "c1", NOON, Some("2024-06-08"));
        // Others that happen to them later, and a contact with somebody else.
        for (id, kind, fields) in [
            ("a1", "points", json!({"points": 1})),
            ("a2", "referral", json!({"referred_customer_id": "c9"})),
            ("a3", "survey", json!({"score": 5})),
            ("a4", "complaint", json!({"channel": "phone"})),
        ] {
            send(app, id, ("c1", kind), after, &fields).expect(201);
        }
        app.order("o1", "c1", after, "10.00").expect(201);
        contact(app, "of-other", "c2", after, None);
        assert_eq!(listed(app, ""), ["k1"]);
        // Nor an earlier one, also where it is told of later, nor one at the same instant.
        contact(app, "earlier", "c1", before, None);
        contact(app, "same", "c1", NOON, None);
        assert_eq!(listed(app, ""), ["k1"]);

        contact(app, "later", "c1", after, None);
        assert_eq!(listed(app, ""), NOTHING);
        assert_eq!(listed(app, "due_by=2100-01-01"), NOTHING);
        // It was earlier, as it turns out.
        contact(app, "later", "c1", before, None);
        assert_eq!(listed(app, ""), ["k1"]);
        // The one that settles it may be due itself.
        contact(app, "later", "c1", after, Some("2024-06-15"));
        assert_eq!(listed(app, ""), ["later"]);
        // And whoever it was that called.
        let by_another = json!({"channel": "email", "agent": "kim"});
        send(app, "last", ("c1", "contact"), "2024-06-02T12:00:00Z", &by_another).expect(201);
        assert_eq!(listed(app, ""), NOTHING);
    }

    fn two_contacts_of_one_instant_are_both_due(app) {
        app.set_up(json!({}));
        contact(app, "k1", "c1", NOON, Some("2024-06-08"));
        contact(app, "k2", "c1", NOON, Some("2024-06-09"));
        assert_eq!(listed(app, ""), ["k1", "k2"]);
        contact(app, "k3", "c1", "2024-06-01T12:00:01Z", None);
        assert_eq!(listed(app, ""), NOTHING);
    }

    fn a_correction_can_put_it_off_or_call_it_off(app) {
        app.set_up(json!({}));
        contact(app, "k1", "c1", NOON, Some("2024-06-08"));
        contact(app, "k1", "c1", NOON, Some("2100-01-01"));
        assert_eq!(listed(app, ""), NOTHING);
        assert_eq!(listed(app, "due_by=2100-01-01"), ["k1"]);
        contact(app, "k1", "c1", NOON, None);
        assert_eq!(listed(app, "due_by=2100-01-01"), NOTHING);
        // A batch makes it due again.
        let mut line = body("c1", "contact", NOON, &json!({"channel": "phone", "follow_up_on": "2024-06-10"}));
        line["activity_id"] = json!("k1");
        app.storefront().post_lines("/v1/facts", &[json!({"activity": line})]).expect(200);
        assert_eq!(listed(app, ""), ["k1"]);
    }

    fn each_agent_has_their_own(app) {
        app.set_up(json!({}));
        for (id, customer, agent) in
            [("k1", "c1", "sam"), ("k2", "c2", "kim"), ("k3", "c3", "sam"), ("k4", "c4", "Sam B.")]
        {
            let day = &id[1..];
            let fields = json!({
                "channel": "phone", "agent": agent, "follow_up_on": format!("2024-06-0{day}"),
            });
            send(app, id, (customer, "contact"), NOON, &fields).expect(201);
        }
        contact(app, "k5", "c5", NOON, Some("2024-06-05"));
        assert_eq!(listed(app, ""), ["k1", "k2", "k3", "k4", "k5"]);
        assert_eq!(listed(app, "agent=sam"), ["k1", "k3"]);
        assert_eq!(listed(app, "agent=kim"), ["k2"]);
        assert_eq!(listed(app, "agent=Sam%20B."), ["k4"]);
        assert_eq!(listed(app, "agent=nobody"), NOTHING);
        assert_eq!(listed(app, "agent=sam&due_by=2024-06-02"), ["k1"]);
    }

    fn pages_go_by_date_and_through_those_of_one_date(app) {
        app.set_up(json!({}));
        for number in 0..11 {
            let (id, customer) = (format!("k{number:02}"), format!("c{}", 20 - number));
            let on = format!("2024-06-{:02}", 20 - number / 4);
            contact(app, &id, &customer, NOON, Some(&on));
        }
        let whole = app.support().get(&format!("{LIST}?limit=200")).expect(200).body;
        let dates = ids(&whole, "follow_ups", "follow_up_on");
        assert_eq!((dates.len(), dates.is_sorted()), (11, true), "{dates:?}");
        let all = ids(&whole, "follow_ups", "activity_id");
        assert_eq!(paged(&app.support(), LIST, "follow_ups", "activity_id"), all);
        let earlier = format!("{LIST}?due_by=2024-06-19");
        assert_eq!(paged(&app.support(), &earlier, "follow_ups", "activity_id"), all[..7]);
    }

    fn who_was_erased_is_left_out(app) {
        app.set_up(json!({}));
        contact(app, "k1", "c1", NOON, Some("2024-06-08"));
        contact(app, "k2", "c2", NOON, Some("2024-06-09"));
        app.storefront().delete("/v1/customers/c1").expect(204);
        assert_eq!(listed(app, ""), ["k2"]);
        assert_eq!(listed(app, "due_by=2100-01-01"), ["k2"]);
    }

    fn the_list_refuses_what_it_does_not_know_and_shows_no_other_stores(app) {
        app.set_up(json!({}));
        contact(app, "k1", "c1", NOON, Some("2024-06-08"));
        assert_paging_rules(&app.support(), LIST);
        for (query, pointer) in [
            ("due_by=soon", "?due_by"), ("due_by=2024-02-30", "?due_by"),
            ("due_by=2024-06-08T00:00:00Z", "?due_by"), ("customer_id=c1", "?customer_id"),
        ] {
            let answer = app.support().get(&format!("{LIST}?{query}"));
            assert_eq!(answer.expect_problem(422, "invalid_request").pointers(), [pointer], "{query}");
        }
        let other = neighbour(app, Role::Support);
        let nothing: Value = json!({"follow_ups": [], "next_cursor": null});
        assert_eq!(other.get(LIST).expect(200).body, nothing);
    }
}
