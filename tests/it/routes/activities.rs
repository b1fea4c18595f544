//! Activities: points that are earned by something other than an order,
//! referrals, surveys, complaints and contacts.

use super::{assert_paging_rules, assert_same_404, ids, neighbour, paged};
use crate::support::*;
use accolade::api::auth::Role;
use serde_json::{Value, json};

const NOON: &str = "2024-06-01T12:00:00Z";
/// The fields of which each kind has its own.
const OWN_FIELDS: [&str; 10] = [
    "way_to_earn",
    "points",
    "referred_customer_id",
    "score",
    "channel",
    "public",
    "resolved_at",
    "agent",
    "note",
    "follow_up_on",
];

/// The body of an activity that earns points.
fn points(customer: &str, points: i64) -> Value {
    json!({"customer_id": customer, "kind": "points", "points": points, "occurred_at": NOON})
}

/// Every kind, with all fields of its own.
fn kinds() -> [(&'static str, Value); 5] {
    [
        ("points", json!({"points": 50})),
        ("referral", json!({"referred_customer_id": "friend"})),
        ("survey", json!({"score": 4})),
        (
            "complaint",
            json!({"channel": "social", "public": true, "resolved_at": "2024-06-03T09:30:00Z"}),
        ),
        (
            "contact",
            json!({
                "channel": "phone", "agent": "sam", "note": "Asked for larger boxes.\nWill think.",
                "follow_up_on": "2024-06-08",
            }),
        ),
    ]
}

/// Every kind, with those fields that it can't do without.
fn least() -> [(&'static str, Value); 5] {
    [
        ("points", json!({"points": 1})),
        ("referral", json!({"referred_customer_id": "friend"})),
        ("survey", json!({"score": 1})),
        ("complaint", json!({"channel": "email"})),
        ("contact", json!({"channel": "email"})),
    ]
}

/// The body of an activity of any kind, with fields of its own.
pub fn body(customer: &str, kind: &str, at: &str, fields: &Value) -> Value {
    let mut body = json!({"customer_id": customer, "kind": kind, "occurred_at": at});
    body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    body
}

/// Sends an activity of any kind.
pub fn send(
    app: &App,
    id: &str,
    (customer, kind): (&str, &str),
    at: &str,
    fields: &Value,
) -> Answer {
    app.support().put(&format!("/v1/activities/{id}"), &body(customer, kind, at, fields))
}

/// An activity at noon as it is answered: fields that don't go with its kind are null.
fn answered(id: &str, customer: &str, kind: &str, fields: &Value) -> Value {
    let mut expected = body(customer, kind, NOON, &json!({"activity_id": id, "updated_at": null}));
    for field in OWN_FIELDS {
        expected[field] = fields[field].clone();
    }
    if kind == "complaint" && fields["public"].is_null() {
        expected["public"] = json!(false);
    }
    expected
}

on_both! {
    fn points_count_and_the_same_again_changes_nothing(app) {
        app.set_up(json!({"entry_method": "points_earned"}));
        app.set_tiers(&[("bronze", "0"), ("silver", "50")]);
        let first = app.points("a1", "c1", NOON, 50).expect(201);
        let expected = json!({
            "activity_id": "a1", "customer_id": "c1", "kind": "points", "points": 50,
            "referred_customer_id": null, "score": null, "channel": null, "public": null,
            "resolved_at": null, "agent": null, "note": null, "follow_up_on": null,
            "way_to_earn": null,
            "occurred_at": NOON, "updated_at": null,
        });
        assert_eq!(first.body["activity"], expected);
        assert_eq!(first.body["membership"]["before"]["progress"]["points_earned"], 0);
        let after = &first.body["membership"]["after"];
        assert_eq!((tier(after), &after["progress"]["points_earned"]), ("silver", &json!(50)));
        assert_eq!(after["progress"]["orders_placed"], 0);
        let again = app.points("a1", "c1", NOON, 50).expect(200);
        assert_eq!(again.body["membership"]["before"], again.body["membership"]["after"]);
        assert_eq!(again.etag(), first.etag());
        let read = app.support().get("/v1/activities/a1").expect(200);
        assert_eq!((&read.body, read.etag()), (&expected, first.etag()));
    }

    fn everyone_may_record_an_activity(app) {
        app.set_up(json!({}));
        for (i, (_, role)) in Role::WORDS.iter().enumerate() {
            let path = format!("/v1/activities/a{i}");
            app.client(*role).put(&path, &points("c1", 10)).expect(201);
        }
        assert_eq!(app.membership("c1")["progress"]["points_earned"], 50);
    }

    fn a_correction_stands_unless_a_newer_state_is_known(app) {
        app.set_up(json!({}));
        let put = |count: i64, updated_at: Option<&str>| {
            let mut body = points("c1", count);
            body["updated_at"] = json!(updated_at);
            app.storefront().put("/v1/activities/a1", &body)
        };
        let (day_1, day_2) = ("2024-06-02T00:00:00Z", "2024-06-03T00:00:00Z");
        let first = put(10, Some(day_2)).expect(201);
        let older = put(20, Some(day_1)).expect(200);
        assert_eq!(older.body["activity"], first.body["activity"]);
        assert_eq!(older.body["membership"]["before"], older.body["membership"]["after"]);
        assert_eq!(put(30, Some(day_2)).expect(200).body["activity"]["points"], 30);
        let last = put(40, None).expect(200);
        assert_eq!(last.body["membership"]["before"]["progress"]["points_earned"], 30);
        assert_eq!(last.body["membership"]["after"]["progress"]["points_earned"], 40);
    }

    fn an_activity_never_changes_its_customer(app) {
        app.set_up(json!({}));
        app.points("a1", "c1", NOON, 10).expect(201);
        app.points("a1", "c2", NOON, 10).expect_problem(409, "activity_fixed");
        app.storefront().get("/v1/customers/c2").expect_problem(404, "not_found");
    }

    fn all_faults_are_answered_at_once(app) {
        app.set_up(json!({}));
        let put = |body: Value| {
            let answer = app.storefront().put("/v1/activities/a1", &body);
            answer.expect_problem(422, "invalid_request")
        };
        let bad = json!({
            "customer_id": "", "kind": "birthday", "points": 0, "occurred_at": "noon", "bogus": null,
        });
        let all = ["/bogus", "/customer_id", "/kind", "/occurred_at", "/points"];
        assert_eq!(put(bad).pointers(), all);
        // Which other fields are missing hangs on the kind.
        assert_eq!(put(json!({})).pointers(), ["/customer_id", "/kind", "/occurred_at"]);
        let of_a_kind = json!({"customer_id": "c1", "kind": "points", "occurred_at": NOON});
        assert_eq!(put(of_a_kind).pointers(), ["/points"]);
        for count in [json!(0), json!(-1), json!(1.5), json!("10"), json!(1_000_000_000_001_i64)] {
            let mut body = points("c1", 1);
            body["points"] = count;
            assert_eq!(put(body).pointers(), ["/points"]);
        }
    }

    fn nothing_lies_more_than_a_day_ahead(app) {
        app.set_up(json!({}));
        app.points("a1", "c1", &from_now(2 * 86_400), 10).expect_problem(409, "too_far_ahead");
        let mut body = points("c1", 10);
        body["updated_at"] = json!(from_now(2 * 86_400));
        app.storefront().put("/v1/activities/a1", &body).expect_problem(409, "too_far_ahead");
        app.points("a1", "c1", &from_now(3_600), 10).expect(201);
    }

    fn points_beyond_64_bits_are_refused(app) {
        app.set_up(json!({"points_per_unit": "100"}));
        app.order("o1", "c1", NOON, "92233720368547758.07").expect(201);
        assert_eq!(app.membership("c1")["lifetime"]["points_earned"], json!(i64::MAX));
        app.points("a1", "c1", NOON, 1).expect_problem(409, "figure_overflow");
        app.storefront().get("/v1/activities/a1").expect_problem(404, "not_found");
    }

    fn a_version_is_changed_only_if_it_is_still_that_version(app) {
        app.set_up(json!({}));
        let first = app.points("a1", "c1", NOON, 10).expect(201).etag();
        let put = |if_match: &str, id: &str, count: i64| {
            let client = app.support().with("if-match", if_match);
            client.put(&format!("/v1/activities/{id}"), &points("c1", count))
        };
        put("\"99\"", "a1", 20).expect_problem(412, "precondition_failed");
        assert_ne!(put(&first, "a1", 20).expect(200).etag(), first);
        put(&first, "a1", 30).expect_problem(412, "precondition_failed");
        put("*", "a2", 1).expect_problem(412, "precondition_failed");
        assert_eq!(app.membership("c1")["progress"]["points_earned"], 20);
    }

    fn another_stores_activity_looks_like_an_absent_one(app) {
        app.set_up(json!({}));
        app.points("a1", "c1", NOON, 10).expect(201);
        let other = neighbour(app, Role::Support);
        assert_same_404(&other.get("/v1/activities/a1"), &other.get("/v1/activities/absent"));
        assert_same_404(
            &other.get("/v1/customers/c1/activities"),
            &other.get("/v1/customers/absent/activities"),
        );
    }

    fn a_customers_activities_are_listed_newest_first(app) {
        app.set_up(json!({}));
        for i in 0..5 {
            let at = format!("2024-07-0{}T00:00:00Z", 1 + i / 2);
            app.points(&format!("a{i}"), "c1", &at, 1).expect(201);
        }
        app.points("a9", "c2", NOON, 1).expect(201);
        let path = "/v1/customers/c1/activities";
        let all = ["a4", "a3", "a2", "a1", "a0"];
        let client = app.support();
        assert_eq!(ids(&client.get(path).expect(200).body, "activities", "activity_id"), all);
        assert_eq!(paged(&client, path, "activities", "activity_id"), all);
        assert_paging_rules(&client, path);
        client.get("/v1/customers/absent/activities").expect_problem(404, "not_found");
    }

    fn each_kind_is_stored_with_its_fields_and_null_for_those_of_others(app) {
        app.set_up(json!({}));
        let mut all = Vec::new();
        for (set, kinds) in [("all", kinds()), ("least", least())] {
            for (kind, fields) in kinds {
                let id = format!("{kind}-{set}");
                let expected = answered(&id, "c1", kind, &fields);
                let first = send(app, &id, ("c1", kind), NOON, &fields).expect(201);
                assert_eq!(first.body["activity"], expected, "{id}");
                let again = send(app, &id, ("c1", kind), NOON, &fields).expect(200);
                assert_eq!(again.body["activity"], expected, "{id}");
                assert_eq!(again.body["membership"]["before"], again.body["membership"]["after"]);
                assert_eq!(again.etag(), first.etag(), "{id}");
                let read = app.support().get(&format!("/v1/activities/{id}")).expect(200);
                assert_eq!((&read.body, read.etag()), (&expected, first.etag()), "{id}");
                all.push(expected);
            }
        }
        let listed = app.support().get("/v1/customers/c1/activities").expect(200).body;
        let listed = listed["activities"].as_array().unwrap();
        assert_eq!(listed.len(), all.len());
        for expected in all {
            assert!(listed.contains(&expected), "{expected} is not in {listed:?}");
        }
    }

    fn what_lies_just_within_its_bounds_is_taken(app) {
        app.set_up(json!({}));
        let (long, longest) = ("x".repeat(64), "ü".repeat(2_000));
        for (id, kind, fields) in [
            ("a1", "points", json!({"points": 1_000_000_000_000_i64})),
            ("a2", "survey", json!({"score": 1})),
            ("a3", "survey", json!({"score": 5})),
            ("a4", "referral", json!({"referred_customer_id": long})),
            ("a5", "complaint", json!({"channel": long, "public": false, "resolved_at": NOON})),
            (
                "a6",
                "contact",
                json!({"channel": long, "agent": long, "note": longest, "follow_up_on": "2100-02-28"}),
            ),
            // An earlier day than that of the contact is overdue at once.
            ("a7", "contact", json!({"channel": "a", "follow_up_on": "2024-02-29"})),
        ] {
            let answer = send(app, id, ("c1", kind), NOON, &fields).expect(201);
            assert_eq!(answer.body["activity"], answered(id, "c1", kind, &fields), "{id}");
        }
    }

    fn a_field_that_its_kind_needs_is_missed_at_its_place(app) {
        app.set_up(json!({}));
        for (kind, field) in [
            ("points", "points"), ("referral", "referred_customer_id"), ("survey", "score"),
            ("complaint", "channel"), ("contact", "channel"),
        ] {
            for fields in [json!({}), json!({field: null})] {
                let answer = send(app, "a1", ("c1", kind), NOON, &fields);
                let answer = answer.expect_problem(422, "invalid_request");
                assert_eq!(answer.pointers(), [format!("/{field}")], "{kind} {fields}");
            }
        }
        app.storefront().get("/v1/customers/c1").expect_problem(404, "not_found");
    }

    fn a_field_of_another_kind_is_refused_at_its_place(app) {
        app.set_up(json!({}));
        let mut count = 0;
        for ((kind, own), (_, least)) in kinds().into_iter().zip(least()) {
            let foreign = |field: &str| own[field].is_null();
            for (_, others) in kinds() {
                for (field, value) in others.as_object().unwrap() {
                    if !foreign(field) {
                        continue;
                    }
                    count += 1;
                    let mut fields = least.clone();
                    fields[field] = value.clone();
                    let answer = send(app, "a1", ("c1", kind), NOON, &fields);
                    let answer = answer.expect_problem(422, "invalid_request");
                    assert_eq!(answer.pointers(), [format!("/{field}")], "{kind}");
                }
            }
        }
        // 8 of points, of referrals and of surveys, 6 of complaints, 5 of
        // contacts, and the channel twice where two kinds have it.
        assert_eq!(count, 3 * 9 + 6 + 5);
        app.storefront().get("/v1/activities/a1").expect_problem(404, "not_found");
    }

    fn all_faults_of_a_kind_are_answered_at_once(app) {
        app.set_up(json!({}));
        let everything = |without: &str| {
            let mut fields = json!({});
            for (_, own) in kinds() {
                fields.as_object_mut().unwrap().extend(own.as_object().unwrap().clone());
            }
            fields.as_object_mut().unwrap().remove(without);
            fields
        };
        for (kind, needed, wrong) in [
            (
                "survey", "score",
                "/agent /channel /follow_up_on /note /points /public /referred_customer_id /resolved_at /score",
            ),
            (
                "complaint", "channel",
                "/agent /channel /follow_up_on /note /points /referred_customer_id /score",
            ),
            ("contact", "channel", "/channel /points /public /referred_customer_id /resolved_at /score"),
        ] {
            let answer = send(app, "a1", ("c1", kind), NOON, &everything(needed));
            let answer = answer.expect_problem(422, "invalid_request");
            assert_eq!(answer.pointers().join(" "), wrong, "{kind}");
        }
    }

    fn a_field_that_breaks_its_own_rule_is_refused_at_its_place(app) {
        app.set_up(json!({}));
        let long = "x".repeat(65);
        let too_long = "x".repeat(2_001);
        for (kind, field, values) in [
            ("survey", "score", vec![json!(0), json!(6), json!(-1), json!(4.5), json!("4")]),
            // Nobody refers themselves.
            (
                "referral", "referred_customer_id",
                vec![json!("c1"), json!(""), json!("a b"), json!(long), json!(7)],
            ),
            ("complaint", "channel", vec![json!(""), json!(long), json!("a\nb"), json!(7)]),
            ("complaint", "public", vec![json!("yes"), json!(1)]),
            // Solved before it was told of, by a second and by less than one.
            (
                "complaint", "resolved_at",
                vec![json!("2024-06-01T11:59:59Z"), json!("2024-06-01T11:59:59.999999Z"), json!("soon")],
            ),
            ("contact", "channel", vec![json!(""), json!(long), json!("a\tb"), json!(7)]),
            ("contact", "agent", vec![json!(long), json!(7)]),
            ("contact", "note", vec![json!(too_long), json!(7)]),
            (
                "contact", "follow_up_on",
                vec![json!("soon"), json!("2024-02-30"), json!("2024-06-08T00:00:00Z"), json!(7)],
            ),
        ] {
            let least = least().into_iter().find(|(known, _)| *known == kind).unwrap().1;
            for value in values {
                let mut fields = least.clone();
                fields[field] = value.clone();
                let answer = send(app, "a1", ("c1", kind), NOON, &fields);
                let answer = answer.expect_problem(422, "invalid_request");
                assert_eq!(answer.pointers(), [format!("/{field}")], "{kind} {value}");
            }
        }
        app.storefront().get("/v1/customers/c1").expect_problem(404, "not_found");
    }

    fn no_kind_lies_more_than_a_day_ahead(app) {
        app.set_up(json!({}));
        let (ahead, soon) = (from_now(2 * 86_400), from_now(3_600));
        for (kind, fields) in least() {
            send(app, kind, ("c1", kind), &ahead, &fields).expect_problem(409, "too_far_ahead");
            send(app, kind, ("c1", kind), &soon, &fields).expect(201);
        }
        let solved = |at: &str| {
            let fields = json!({"channel": "email", "resolved_at": at});
            send(app, "solved", ("c1", "complaint"), NOON, &fields)
        };
        solved(&ahead).expect_problem(409, "too_far_ahead");
        app.storefront().get("/v1/activities/solved").expect_problem(404, "not_found");
        solved(&soon).expect(201);
    }

    fn only_points_move_the_membership(app) {
        app.set_up(json!({"entry_method": "points_earned"}));
        app.set_tiers(&[("bronze", "0"), ("silver", "50")]);
        for (kind, fields) in kinds() {
            let sent = send(app, kind, (kind, kind), NOON, &fields).expect(201).body;
            let (before, after) = (&sent["membership"]["before"], &sent["membership"]["after"]);
            if kind == "points" {
                assert_eq!((tier(before), tier(after)), ("bronze", "silver"));
                continue;
            }
            assert_eq!(before, after, "{kind}");
            assert_eq!((tier(after), &after["lifetime"]["points_earned"]), ("bronze", &json!(0)));
            // Nobody has joined by it: they are here since they are known.
            let list = app.support().get(&format!("/v1/customers?q={kind}")).expect(200).body;
            let listed = &list["customers"][0];
            assert_eq!((&listed["customer_id"], &listed["lifetime_spend"]), (&json!(kind), &json!("0.00")));
            assert_eq!(listed["member_since"], listed["created_at"], "{kind}");
        }
        // Correcting the others moves it no more than they did.
        let corrected = send(app, "survey", ("survey", "survey"), NOON, &json!({"score": 1})).expect(200);
        assert_eq!(corrected.body["membership"]["before"], corrected.body["membership"]["after"]);
    }

    fn every_kind_is_corrected_like_an_order(app) {
        app.set_up(json!({}));
        let (day_1, day_2) = ("2024-06-05T00:00:00Z", "2024-06-06T00:00:00Z");
        for (kind, first, second) in [
            (
                "referral",
                json!({"referred_customer_id": "friend"}),
                json!({"referred_customer_id": "other"}),
            ),
            ("survey", json!({"score": 2}), json!({"score": 5})),
            (
                "complaint",
                json!({"channel": "email", "public": true}),
                json!({"channel": "social", "resolved_at": "2024-06-02T00:00:00Z"}),
            ),
            (
                "contact",
                json!({"channel": "email", "note": "Nobody there."}),
                json!({"channel": "phone", "agent": "sam", "note": "Agreed.", "follow_up_on": "2024-07-01"}),
            ),
        ] {
            let put = |fields: &Value, updated_at: Option<&str>| {
                let mut body = body("c1", kind, NOON, fields);
                body["updated_at"] = json!(updated_at);
                app.support().put(&format!("/v1/activities/{kind}"), &body)
            };
            let is = |answer: &Answer, fields: &Value, updated_at: Option<&str>| {
                let mut expected = answered(kind, "c1", kind, fields);
                expected["updated_at"] = json!(updated_at);
                assert_eq!(answer.body["activity"], expected, "{kind}");
            };
            let begun = put(&first, Some(day_2)).expect(201);
            is(&begun, &first, Some(day_2));
            let older = put(&second, Some(day_1)).expect(200);
            is(&older, &first, Some(day_2));
            assert_eq!(older.etag(), begun.etag());
            let same = put(&second, Some(day_2)).expect(200);
            is(&same, &second, Some(day_2));
            assert_ne!(same.etag(), begun.etag());
            let last = put(&first, None).expect(200);
            is(&last, &first, None);
            // Another instant is a correction too.
            let moved = body("c1", kind, "2024-05-31T12:00:00Z", &first);
            let moved = app.storefront().put(&format!("/v1/activities/{kind}"), &moved).expect(200);
            assert_eq!(moved.body["activity"]["occurred_at"], "2024-05-31T12:00:00Z");
        }
    }

    fn an_activity_never_changes_its_kind(app) {
        app.set_up(json!({}));
        for (kind, fields) in least() {
            send(app, kind, ("c1", kind), NOON, &fields).expect(201);
        }
        for (kind, _) in least() {
            let before = app.support().get(&format!("/v1/activities/{kind}")).expect(200).body;
            for (other, fields) in kinds() {
                let customer = if other == kind { "c2" } else { "c1" };
                let answer = send(app, kind, (customer, other), NOON, &fields);
                answer.expect_problem(409, "activity_fixed");
            }
            let after = app.support().get(&format!("/v1/activities/{kind}")).expect(200).body;
            assert_eq!(after, before);
        }
        app.storefront().get("/v1/customers/c2").expect_problem(404, "not_found");
    }

    fn the_contact_of_an_erased_customer_is_410_and_the_other_kinds_count(app) {
        app.set_up(json!({}));
        for (kind, fields) in kinds() {
            send(app, kind, ("c1", kind), NOON, &fields).expect(201);
        }
        app.storefront().delete("/v1/customers/c1").expect(204);

        // Who spoke to them about what is gone; that it was, is not.
        for (kind, mut fields) in kinds() {
            if kind == "contact" {
                fields["agent"] = Value::Null;
                fields["note"] = Value::Null;
            }
            let read = app.support().get(&format!("/v1/activities/{kind}")).expect(200).body;
            assert_eq!(read, answered(kind, "c1", kind, &fields), "{kind}");
        }
        let list = app.support().get("/v1/customers/c1/activities").expect(200).text;
        let timeline = app.support().get("/v1/customers/c1/timeline").expect(200).text;
        for told in [list, timeline] {
            assert!(!told.contains("sam") && !told.contains("larger boxes"), "{told}");
        }

        let (_, contact) = kinds().into_iter().find(|(kind, _)| *kind == "contact").unwrap();
        for (id, fields) in [
            ("contact", contact.clone()), ("new", contact), ("new", json!({"channel": "email"})),
        ] {
            let answer = send(app, id, ("c1", "contact"), NOON, &fields);
            answer.expect_problem(410, "customer_erased");
        }
        app.support().get("/v1/activities/new").expect_problem(404, "not_found");
        assert_eq!(app.support().get("/v1/activities/contact").expect(200).body["note"], Value::Null);
        for (kind, fields) in least().into_iter().filter(|(kind, _)| *kind != "contact") {
            let id = format!("{kind}-later");
            let answer = send(app, &id, ("c1", kind), NOON, &fields).expect(201);
            assert_eq!(answer.body["activity"], answered(&id, "c1", kind, &fields));
        }
        assert_eq!(app.membership("c1")["lifetime"]["points_earned"], 51);
    }

    fn a_batch_takes_every_kind(app) {
        app.set_up(json!({}));
        let line = |id: &str, customer: &str, kind: &str, fields: &Value| {
            let mut activity = body(customer, kind, NOON, fields);
            activity["activity_id"] = json!(id);
            json!({"activity": activity})
        };
        let of = |kinds: [(&'static str, Value); 5]| -> Vec<Value> {
            kinds.iter().map(|(kind, fields)| line(kind, "c1", kind, fields)).collect()
        };
        let counts = |answer: &Answer| {
            ["created", "changed", "unchanged", "refused"].map(|count| answer.body[count].as_u64().unwrap())
        };
        let client = app.storefront();
        let post = |lines: &[Value]| client.post_lines("/v1/facts", lines).expect(200);
        assert_eq!(counts(&post(&of(kinds()))), [5, 0, 0, 0]);
        for (kind, fields) in kinds() {
            let path = format!("/v1/activities/{kind}");
            let mut read = app.support().get(&path).expect(200).body;
            assert_eq!(read, answered(kind, "c1", kind, &fields), "{kind}");
            // The storefront does not see what staff wrote.
            read["agent"] = Value::Null;
            read["note"] = Value::Null;
            assert_eq!(client.get(&path).expect(200).body, read, "{kind}");
        }
        assert_eq!(counts(&post(&of(kinds()))), [0, 0, 5, 0]);
        // The referral has no other fields than those that it needs.
        assert_eq!(counts(&post(&of(least()))), [0, 4, 1, 0]);
        assert_eq!(app.membership("c1")["lifetime"]["points_earned"], 1);

        client.put("/v1/customers/gone", &json!({})).expect(201);
        client.delete("/v1/customers/gone").expect(204);
        let refused = post(&[
            line("a1", "c1", "survey", &json!({})),
            line("a2", "c1", "survey", &json!({"score": 6})),
            line("a3", "c1", "referral", &json!({"referred_customer_id": "c1"})),
            line("a4", "c1", "complaint", &json!({"channel": "email", "score": 1})),
            line("a5", "c1", "complaint", &json!({"channel": "email", "resolved_at": "2024-05-31T00:00:00Z"})),
            line("a6", "c1", "complaint", &json!({"channel": "email", "resolved_at": from_now(2 * 86_400)})),
            line("survey", "c1", "points", &json!({"points": 5})),
            line("contact", "c2", "contact", &json!({"channel": "email"})),
            line("a7", "gone", "contact", &json!({"channel": "email"})),
            line("a8", "gone", "survey", &json!({"score": 3})),
        ]);
        assert_eq!(counts(&refused), [1, 0, 0, 9]);
        let told: Vec<String> = refused.body["results"]
            .as_array()
            .unwrap()
            .iter()
            .map(|result| {
                let problem = &result["problem"];
                let pointer = problem["errors"][0]["pointer"].as_str();
                pointer.or(problem["code"].as_str()).or(result["status"].as_str()).unwrap().to_owned()
            })
            .collect();
        let expected = [
            "/activity/score", "/activity/score", "/activity/referred_customer_id", "/activity/score",
            "/activity/resolved_at", "too_far_ahead", "activity_fixed", "activity_fixed",
            "customer_erased", "created",
        ];
        assert_eq!(told, expected);
        client.get("/v1/customers/c2").expect_problem(404, "not_found");
    }

    fn the_timeline_shows_every_kind_where_it_happened(app) {
        app.set_up(json!({}));
        app.order("o1", "c1", "2024-06-03T18:00:00Z", "10.00").expect(201);
        for (day, (kind, fields)) in (1..).zip(least()) {
            let at = format!("2024-06-0{day}T12:00:00Z");
            send(app, &format!("a{day}"), ("c1", kind), &at, &fields).expect(201);
        }
        let body = app.support().get("/v1/customers/c1/timeline?limit=200").expect(200).body;
        let told: Vec<String> = body["entries"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|entry| entry["kind"] == "activity" || entry["kind"] == "order")
            .map(|entry| {
                let kind = entry["data"]["kind"].as_str().unwrap_or("an order");
                format!("{} {} {kind}", entry["id"].as_str().unwrap(), entry["at"].as_str().unwrap())
            })
            .collect();
        let expected = [
            "a5 2024-06-05T12:00:00Z contact", "a4 2024-06-04T12:00:00Z complaint",
            "o1 2024-06-03T18:00:00Z an order", "a3 2024-06-03T12:00:00Z survey",
            "a2 2024-06-02T12:00:00Z referral", "a1 2024-06-01T12:00:00Z points",
        ];
        assert_eq!(told, expected);
        let list = app.support().get("/v1/customers/c1/activities").expect(200).body;
        assert_eq!(ids(&list, "activities", "activity_id"), ["a5", "a4", "a3", "a2", "a1"]);
        assert_eq!(
            ids(&list, "activities", "kind"),
            ["contact", "complaint", "survey", "referral", "points"]
        );
    }
}
