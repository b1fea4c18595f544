//! Designations: who is a VIP, by whose word, since when and until when.

use super::benefits::{benefits_of, put_gift};
use super::treatment::ladder_with;
use super::{assert_same_404, ids, neighbour};
use crate::support::*;
use accolade::api::auth::Role;
use chrono::{DateTime, Duration, NaiveDate, Utc};
use serde_json::{Value, json};

const NOON: &str = "2024-06-01T12:00:00Z";
/// A day in seconds.
const DAY: i64 = 86_400;
const NOTHING: [&str; 0] = [];

/// What the VIP list, the badge, the status and the designation say of an active VIP.
const VIP: [&str; 4] = ["active", "vip", "vip", "active"];
/// The same, of a VIP whose designation is on hold.
const ON_HOLD: [&str; 4] = ["paused", "active", "active", "paused"];
/// The same, of somebody who was a VIP.
const ENDED: [&str; 4] = ["cancelled", "active", "active", "cancelled"];

/// The path of a customer's designation.
fn path(customer: &str) -> String {
    format!("/v1/customers/{customer}/designation")
}

/// Makes a customer known.
fn know(app: &App, customer: &str) {
    let path = format!("/v1/customers/{customer}");
    app.storefront().put(&path, &json!({"name": "Ada Byron"})).expect(201);
}

fn designate(app: &App, customer: &str, body: &Value) -> Answer {
    app.manager().put(&path(customer), body)
}

fn amend(app: &App, customer: &str, body: &Value) -> Answer {
    app.manager().patch(&path(customer), body)
}

fn remove(app: &App, customer: &str, body: &Value) -> Answer {
    app.manager().post(&format!("{}/removal", path(customer)), body)
}

/// The body of a removal.
fn removal(reason: &str) -> Value {
    json!({"reason": reason, "confirm": true})
}

fn designation(app: &App, customer: &str) -> Value {
    app.manager().get(&path(customer)).expect(200).body
}

/// Insists that a customer never was a VIP.
#[track_caller]
fn assert_never_designated(app: &App, customer: &str) {
    app.manager().get(&path(customer)).expect_problem(404, "not_found");
}

/// What the VIP list says of a customer.
fn listed(app: &App, customer: &str) -> Value {
    let list = app.manager().get("/v1/designations").expect(200).body;
    let rows = list["designations"].as_array().unwrap();
    rows.iter().find(|row| row["customer_id"] == customer).unwrap().clone()
}

/// What the VIP list, the badge, the status and the designation say.
fn standing(app: &App, customer: &str) -> [String; 4] {
    let read = |what: &str| {
        app.support().get(&format!("/v1/customers/{customer}/{what}")).expect(200).body
    };
    let words = [
        listed(app, customer)["state"].clone(),
        read("badge")["status"].clone(),
        read("status")["status"].clone(),
        designation(app, customer)["state"].clone(),
    ];
    words.map(|word| word.as_str().unwrap().to_owned())
}

/// Everything that can be said of a designation.
fn whole() -> Value {
    json!({
        "tier": "gold", "since": "2021-03-01", "benefits": ["hamper"],
        "benefits_dropped": ["shipping"], "notes": "Met at the fair; likes rye.",
        "state": "active", "profile": "partner", "priority": "high", "team": "north",
        "assigned_to": "bo", "ends_at": "2100-01-01T00:00:00Z",
    })
}

/// The fields of an answer that a request states.
fn stated(body: &Value) -> Value {
    let mut stated = body.clone();
    let fields =
        ["customer_id", "grace_until", "source", "rule", "rule_state", "designated_at", "ended"];
    for field in fields {
        assert!(stated.as_object_mut().unwrap().remove(field).is_some(), "{field} is missing");
    }
    stated
}

/// A store with two gifts, a tier from enrolment and one that carries the
/// second gift, and a customer `c1` who holds the lower one.
fn set_up_shop(app: &App) {
    app.set_up(json!({}));
    put_gift(app, "hamper");
    put_gift(app, "shipping");
    let tiers = ladder_with(&[
        ("bronze", "0", json!({})),
        ("gold", "500.00", json!({"benefits": ["shipping"]})),
    ]);
    app.admin().put("/v1/tiers", &tiers).expect(200);
    know(app, "c1");
}

/// Sets the ladder as one who may say which tiers designate.
fn put_ladder(app: &App, tiers: &[(&str, &str, Value)]) -> Answer {
    app.client(Role::PlatformAdmin).put("/v1/tiers", &ladder_with(tiers)).expect(200)
}

/// A tier that makes VIPs.
fn designating() -> Value {
    json!({"designates": true})
}

/// Three tiers, of which the upper two make VIPs.
fn put_designating_ladder(app: &App) -> Answer {
    let tiers = [
        ("bronze", "0", json!({})),
        ("silver", "100.00", designating()),
        ("gold", "500.00", designating()),
    ];
    put_ladder(app, &tiers)
}

/// States a customer's subscription.
fn subscribe(app: &App, customer: &str, state: &str, cancelled_at: Option<&str>) {
    let subscription = json!({
        "monthly_amount": "19.90", "state": state, "cancelled_at": cancelled_at,
    });
    let path = format!("/v1/customers/{customer}");
    app.storefront().patch(&path, &json!({"subscription": subscription})).expect(200);
}

/// Cancels a customer's subscription so that 90 days are over some seconds
/// from now; answers when that is.
fn cancel_with_seconds_left(app: &App, customer: &str, seconds: i64) -> DateTime<Utc> {
    let cancelled_at = from_now(seconds - 90 * DAY);
    subscribe(app, customer, "cancelled", Some(&cancelled_at));
    instant(&json!(cancelled_at)) + Duration::days(90)
}

fn instant(value: &Value) -> DateTime<Utc> {
    value.as_str().unwrap().parse().unwrap()
}

fn wait_until(at: DateTime<Utc>) {
    while Utc::now() < at {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
}

/// The date so many hours east of Greenwich, on a day that is not about to end.
fn today(hours: i64) -> NaiveDate {
    loop {
        let now = Utc::now() + Duration::hours(hours);
        if (now + Duration::seconds(10)).date_naive() == now.date_naive() {
            return now.date_naive();
        }
        std::thread::sleep(std::time::Duration::from_secs(1));
    }
}

on_both! {
    fn a_customer_is_designated_as_stated_and_the_same_again_changes_nothing(app) {
        set_up_shop(app);
        let early = Utc::now() - Duration::milliseconds(1);
        let first = designate(app, "c1", &whole()).expect(201);
        let late = Utc::now();
        assert_eq!(stated(&first.body), whole());
        assert_eq!(first.body["customer_id"], "c1");
        assert_eq!(first.body["source"], "manual");
        assert_eq!(first.body["grace_until"], Value::Null);
        assert_eq!(first.body["ended"], Value::Null);
        assert!((early..=late).contains(&instant(&first.body["designated_at"])), "{}", first.text);
        let again = designate(app, "c1", &whole()).expect(200);
        assert_eq!((&again.body, again.etag()), (&first.body, first.etag()));
        let read = app.manager().get(&path("c1")).expect(200);
        assert_eq!((&read.body, read.etag()), (&first.body, first.etag()));
        assert_eq!(standing(app, "c1"), VIP);
    }

    fn nothing_need_be_said_to_designate(app) {
        set_up_shop(app);
        let date = today(0);
        let first = designate(app, "c1", &json!({})).expect(201);
        let mut rest = stated(&first.body);
        assert_eq!(rest["since"], date.to_string());
        for field in ["since", "priority"] {
            rest.as_object_mut().unwrap().remove(field);
        }
        let usual = json!({
            "tier": null, "benefits": [], "benefits_dropped": [], "notes": null,
            "state": "active", "profile": null, "team": null, "assigned_to": null, "ends_at": null,
        });
        assert_eq!(rest, usual);
        assert_eq!(standing(app, "c1"), VIP);
        // Null is the same as left out.
        let mut nulls = whole();
        nulls.as_object_mut().unwrap().values_mut().for_each(|value| *value = Value::Null);
        let again = designate(app, "c1", &nulls).expect(200);
        assert_eq!((&again.body, again.etag()), (&first.body, first.etag()));
    }

    fn a_designation_is_replaced_whole_but_for_the_date_that_is_left_out(app) {
        set_up_shop(app);
        let first = designate(app, "c1", &whole()).expect(201);
        let second = designate(app, "c1", &json!({"notes": "Likes spelt."})).expect(200);
        assert_ne!(second.etag(), first.etag());
        assert_eq!(second.body["since"], "2021-03-01");
        assert_eq!(second.body["designated_at"], first.body["designated_at"]);
        assert_eq!(second.body["notes"], "Likes spelt.");
        for field in ["tier", "profile", "team", "assigned_to", "ends_at"] {
            assert_eq!(second.body[field], Value::Null, "{field}");
        }
        assert_eq!(second.body["benefits"], json!([]));
        assert_eq!(second.body["benefits_dropped"], json!([]));
        let third = designate(app, "c1", &json!({"since": "2020-02-29"})).expect(200);
        assert_eq!(third.body["since"], "2020-02-29");
    }

    fn the_date_is_of_the_programs_zone(app) {
        app.set_up(json!({"time_zone": "Pacific/Kiritimati"}));
        for customer in ["c1", "c2"] {
            know(app, customer);
        }
        let there = today(14);
        let answer = designate(app, "c1", &json!({})).expect(201);
        assert_eq!(answer.body["since"], there.to_string());
        let tomorrow = json!({"since": (there + Duration::days(1)).to_string(), "notes": "soon"});
        designate(app, "c2", &tomorrow).expect_problem(409, "since_in_future");
        assert_never_designated(app, "c2");
        designate(app, "c1", &tomorrow).expect_problem(409, "since_in_future");
        amend(app, "c1", &tomorrow).expect_problem(409, "since_in_future");
        assert_eq!(designation(app, "c1"), answer.body);
        designate(app, "c2", &json!({"since": there.to_string()})).expect(201);
    }

    fn patch_replaces_the_fields_it_gives_and_null_restores_a_default(app) {
        set_up_shop(app);
        let first = designate(app, "c1", &whole()).expect(201);
        assert_eq!(amend(app, "c1", &json!({})).expect(200).etag(), first.etag());
        let mut expected = whole();
        for (field, given, stored) in [
            ("benefits_dropped", Value::Null, json!([])),
            ("benefits", json!(["hamper", "shipping"]), json!(["hamper", "shipping"])),
            ("benefits", Value::Null, json!([])),
            ("tier", json!("bronze"), json!("bronze")),
            ("tier", Value::Null, Value::Null),
            ("since", json!("2022-05-06"), json!("2022-05-06")),
            ("notes", json!("Prefers the phone."), json!("Prefers the phone.")),
            ("notes", Value::Null, Value::Null),
            ("state", json!("paused"), json!("paused")),
            ("state", Value::Null, json!("active")),
            ("profile", json!("advocate"), json!("advocate")),
            ("profile", Value::Null, Value::Null),
            ("priority", json!("urgent"), json!("urgent")),
            ("team", json!("south"), json!("south")),
            ("team", Value::Null, Value::Null),
            ("assigned_to", Value::Null, Value::Null),
            ("ends_at", json!("2101-01-01T00:00:00Z"), json!("2101-01-01T00:00:00Z")),
            ("ends_at", Value::Null, Value::Null),
        ] {
            expected[field] = stored;
            let mut body = json!({});
            body[field] = given;
            let answer = amend(app, "c1", &body).expect(200);
            assert_eq!(stated(&answer.body), expected, "{field}");
            assert_eq!(answer.body["designated_at"], first.body["designated_at"]);
            let read = app.manager().get(&path("c1")).expect(200);
            assert_eq!((&read.body, read.etag()), (&answer.body, answer.etag()));
        }
    }

    fn every_profile_and_every_priority_can_be_said(app) {
        app.set_up(json!({}));
        know(app, "c1");
        for (field, words) in [
            (
                "profile",
                "big_spender frequent_buyer unhappy_customer target_account partner advocate other",
            ),
            ("priority", "low normal high urgent"),
        ] {
            for word in words.split(' ') {
                let mut body = json!({});
                body[field] = json!(word);
                designate(app, "c1", &body);
                assert_eq!(designation(app, "c1")[field], word);
            }
        }
    }

    fn all_faults_are_answered_at_once(app) {
        set_up_shop(app);
        let bad = json!({
            "tier": "a b", "since": "2024-02-30", "benefits": ["hamper", "a b"],
            "benefits_dropped": "shipping", "notes": 1, "state": "cancelled", "profile": "rich",
            "priority": "highest", "team": 1, "assigned_to": 1, "ends_at": "then", "bogus": 1,
        });
        let all = [
            "/assigned_to", "/benefits/1", "/benefits_dropped", "/bogus", "/ends_at", "/notes",
            "/priority", "/profile", "/since", "/state", "/team", "/tier",
        ];
        let answer = designate(app, "c1", &bad).expect_problem(422, "invalid_request");
        assert_eq!(answer.pointers(), all);
        assert_never_designated(app, "c1");
        let first = designate(app, "c1", &whole()).expect(201);
        let answer = amend(app, "c1", &bad).expect_problem(422, "invalid_request");
        assert_eq!(answer.pointers(), all);
        let read = app.manager().get(&path("c1")).expect(200);
        assert_eq!((&read.body, read.etag()), (&first.body, first.etag()));
    }

    fn what_depends_on_the_store_or_the_clock_is_409_and_nothing_is_stored(app) {
        set_up_shop(app);
        let refusals = [
            (json!({"notes": "x", "tier": "absent"}), "unknown_tier"),
            (json!({"notes": "x", "benefits": ["hamper", "absent"]}), "unknown_benefit"),
            (json!({"notes": "x", "benefits_dropped": ["absent"]}), "unknown_benefit"),
            (json!({"notes": "x", "since": (today(0) + Duration::days(2)).to_string()}), "since_in_future"),
            (json!({"notes": "x", "ends_at": from_now(-1)}), "designation_would_have_ended"),
        ];
        for (body, code) in &refusals {
            designate(app, "c1", body).expect_problem(409, code);
            assert_never_designated(app, "c1");
        }
        let list = app.manager().get("/v1/designations").expect(200).body;
        assert_eq!(list["designations"], json!([]));
        let first = designate(app, "c1", &whole()).expect(201);
        for (body, code) in &refusals {
            designate(app, "c1", body).expect_problem(409, code);
            amend(app, "c1", body).expect_problem(409, code);
        }
        let read = app.manager().get(&path("c1")).expect(200);
        assert_eq!((&read.body, read.etag()), (&first.body, first.etag()));
    }

    fn a_tier_that_no_progress_reaches_may_be_given(app) {
        app.set_up(json!({}));
        put_ladder(app, &[("bronze", "0", json!({})), ("black", "0", json!({"threshold": null}))]);
        know(app, "c1");
        assert_eq!(designate(app, "c1", &json!({"tier": "black"})).expect(201).body["tier"], "black");
        assert_eq!(listed(app, "c1")["tier"]["code"], "black");
        let badge = app.support().get("/v1/customers/c1/badge").expect(200).body;
        assert_eq!(badge["tier"]["code"], "black");
        assert_eq!(tier(&app.membership("c1")), "bronze", "a membership is earned");
    }

    fn what_is_not_there_is_404_and_so_is_another_stores(app) {
        app.set_up(json!({}));
        designate(app, "absent", &json!({})).expect_problem(404, "not_found");
        app.storefront().get("/v1/customers/absent").expect_problem(404, "not_found");
        know(app, "c1");
        for customer in ["absent", "c1"] {
            assert_never_designated(app, customer);
            amend(app, customer, &json!({"notes": "x"})).expect_problem(404, "not_found");
            remove(app, customer, &removal("other")).expect_problem(404, "not_found");
            assert_never_designated(app, customer);
        }
        let first = designate(app, "c1", &json!({"notes": "x"})).expect(201);
        let other = neighbour(app, Role::Manager);
        let (theirs, absent) = (path("c1"), path("absent"));
        assert_same_404(&other.get(&theirs), &other.get(&absent));
        let body = json!({"notes": "y"});
        assert_same_404(&other.put(&theirs, &body), &other.put(&absent, &body));
        assert_same_404(&other.patch(&theirs, &body), &other.patch(&absent, &body));
        let remove = |path: &str| other.post(&format!("{path}/removal"), &removal("other"));
        assert_same_404(&remove(&theirs), &remove(&absent));
        let read = app.manager().get(&theirs).expect(200);
        assert_eq!((&read.body, read.etag()), (&first.body, first.etag()));
    }

    fn another_stores_tiers_and_benefits_are_unknown(app) {
        set_up_shop(app);
        let other = neighbour(app, Role::Manager);
        app.client_of("other", Role::Storefront).put("/v1/customers/c1", &json!({})).expect(201);
        other.put(&path("c1"), &json!({"tier": "gold"})).expect_problem(409, "unknown_tier");
        let body = json!({"benefits": ["hamper"]});
        other.put(&path("c1"), &body).expect_problem(409, "unknown_benefit");
        other.get(&path("c1")).expect_problem(404, "not_found");
    }

    fn a_version_is_changed_only_if_it_is_still_that_version(app) {
        app.set_up(json!({}));
        know(app, "c1");
        let path = path("c1");
        let client = |if_match: &str| app.manager().with("if-match", if_match);
        for if_match in ["*", "\"1\""] {
            client(if_match).put(&path, &json!({})).expect_problem(412, "precondition_failed");
        }
        assert_never_designated(app, "c1");
        let first = designate(app, "c1", &json!({})).expect(201).etag();
        let second = client(&first).patch(&path, &json!({"notes": "a"})).expect(200).etag();
        assert_ne!(first, second);
        let removal_path = format!("{path}/removal");
        let answers = [
            client(&first).put(&path, &json!({"notes": "b"})),
            client(&first).patch(&path, &json!({"notes": "b"})),
            client(&first).post(&removal_path, &removal("other")),
        ];
        for answer in answers {
            answer.expect_problem(412, "precondition_failed");
        }
        assert_eq!(designation(app, "c1")["notes"], "a");
        // The tag is the designation's own, whatever becomes of the customer.
        app.storefront().patch("/v1/customers/c1", &json!({"name": "Bo"})).expect(200);
        let third = client(&second).put(&path, &json!({"notes": "c"})).expect(200).etag();
        client("*").patch(&path, &json!({"notes": "d"})).expect(200);
        client(&third).post(&removal_path, &removal("other")).expect_problem(412, "precondition_failed");
        let last = app.manager().get(&path).expect(200);
        assert_eq!((&last.body["notes"], &last.body["state"]), (&json!("d"), &json!("active")));
        let removed = client(&last.etag()).post(&removal_path, &removal("other")).expect(200);
        assert_ne!(removed.etag(), last.etag());
        assert_eq!(app.manager().get(&path).expect(200).etag(), removed.etag());
    }

    fn of_many_who_designate_at_once_one_is_the_first(app) {
        app.set_up(json!({}));
        know(app, "c1");
        let barrier = std::sync::Barrier::new(8);
        let answers: Vec<Answer> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8)
                .map(|_| {
                    scope.spawn(|| {
                        barrier.wait();
                        designate(app, "c1", &json!({"notes": "x"}))
                    })
                })
                .collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        let count = |wanted: u16| answers.iter().filter(|answer| answer.status == wanted).count();
        assert_eq!((count(201), count(200)), (1, 7));
        assert!(answers.iter().all(|answer| answer.etag() == answers[0].etag()));
    }

    fn a_paused_designation_gives_nothing_until_it_is_resumed(app) {
        set_up_shop(app);
        let body = json!({"tier": "gold", "benefits": ["hamper"]});
        designate(app, "c1", &body).expect(201);
        let badge = || {
            let badge = app.support().get("/v1/customers/c1/badge").expect(200).body;
            let mut codes = ids(&badge, "benefits", "code");
            codes.sort();
            (badge["tier"]["code"].as_str().unwrap().to_owned(), codes.join(" "))
        };
        let [active, on_hold] = [("gold", "hamper shipping"), ("bronze", "")]
            .map(|(tier, codes)| (tier.to_owned(), codes.to_owned()));
        assert_eq!(standing(app, "c1"), VIP);
        assert_eq!(benefits_of(app, "c1"), ["hamper", "shipping"]);
        assert_eq!(badge(), active);

        let paused = amend(app, "c1", &json!({"state": "paused"})).expect(200).body;
        assert_eq!((&paused["tier"], &paused["benefits"]), (&json!("gold"), &json!(["hamper"])));
        assert_eq!(paused["ended"], Value::Null);
        assert_eq!(standing(app, "c1"), ON_HOLD);
        assert_eq!(benefits_of(app, "c1"), NOTHING);
        assert_eq!(badge(), on_hold);

        // A PUT that says nothing of the state is one of an active designation.
        designate(app, "c1", &body).expect(200);
        assert_eq!(standing(app, "c1"), VIP);
        assert_eq!(benefits_of(app, "c1"), ["hamper", "shipping"]);
        assert_eq!(badge(), active);

        know(app, "c2");
        designate(app, "c2", &json!({"state": "paused", "benefits": ["hamper"]})).expect(201);
        assert_eq!(standing(app, "c2"), ON_HOLD);
        assert_eq!(benefits_of(app, "c2"), NOTHING);
    }

    fn a_designation_adds_benefits_and_drops_some_of_its_tiers(app) {
        set_up_shop(app);
        put_gift(app, "tasting");
        let gold = json!({
            "name": "Gold", "rank": 2, "threshold": "500.00", "benefits": ["shipping", "tasting"],
        });
        app.admin().put("/v1/tiers/gold", &gold).expect(200);
        designate(app, "c1", &json!({"tier": "gold"})).expect(201);
        assert_eq!(benefits_of(app, "c1"), ["shipping", "tasting"]);
        amend(app, "c1", &json!({"benefits": ["hamper"]})).expect(200);
        assert_eq!(benefits_of(app, "c1"), ["hamper", "shipping", "tasting"]);
        amend(app, "c1", &json!({"benefits_dropped": ["tasting"]})).expect(200);
        assert_eq!(benefits_of(app, "c1"), ["hamper", "shipping"]);
        amend(app, "c1", &json!({"tier": null, "benefits_dropped": null})).expect(200);
        assert_eq!(benefits_of(app, "c1"), ["hamper"]);
        remove(app, "c1", &removal("other")).expect(200);
        assert_eq!(benefits_of(app, "c1"), NOTHING);
    }

    fn a_removal_ends_the_designation_and_leaves_the_customer_and_the_history(app) {
        set_up_shop(app);
        let before = designate(app, "c1", &whole()).expect(201).body;
        let early = Utc::now() - Duration::milliseconds(1);
        let body = json!({"reason": "moved_to_competitor", "note": "Went to Kim's.", "confirm": true});
        let removed = remove(app, "c1", &body).expect(200);
        let late = Utc::now();
        let ended = &removed.body["ended"];
        assert!((early..=late).contains(&instant(&ended["at"])), "{ended}");
        let mut expected = before;
        expected["state"] = json!("cancelled");
        expected["ended"] = json!({
            "at": ended["at"], "reason": "removed", "removal_reason": "moved_to_competitor",
            "note": "Went to Kim's.",
        });
        assert_eq!(removed.body, expected);
        let read = app.manager().get(&path("c1")).expect(200);
        assert_eq!((&read.body, read.etag()), (&removed.body, removed.etag()));
        assert_eq!(standing(app, "c1"), ENDED);
        assert_eq!(benefits_of(app, "c1"), NOTHING);
        assert_eq!(app.support().get("/v1/customers/c1").expect(200).body["name"], "Ada Byron");
        // What has ended is neither changed nor ended again.
        amend(app, "c1", &json!({"notes": "x"})).expect_problem(409, "designation_ended");
        remove(app, "c1", &removal("other")).expect_problem(409, "designation_ended");
        let read = app.manager().get(&path("c1")).expect(200);
        assert_eq!((&read.body, read.etag()), (&removed.body, removed.etag()));
    }

    fn each_reason_of_a_removal_is_kept(app) {
        app.set_up(json!({}));
        for reason in [
            "cancelled", "moved_to_competitor", "reduced_spend", "complaints", "policy_violation",
            "other",
        ] {
            know(app, reason);
            designate(app, reason, &json!({"state": "paused"})).expect(201);
            remove(app, reason, &removal(reason)).expect(200);
            let ended = designation(app, reason)["ended"].clone();
            assert_eq!((&ended["reason"], &ended["removal_reason"]), (&json!("removed"), &json!(reason)));
            assert_eq!(ended["note"], Value::Null);
        }
    }

    fn a_removal_wants_a_reason_and_a_confirmation(app) {
        app.set_up(json!({}));
        know(app, "c1");
        let first = designate(app, "c1", &json!({})).expect(201);
        for (body, pointers) in [
            (json!({}), "/confirm /reason"),
            (json!({"reason": "other"}), "/confirm"),
            (json!({"reason": "other", "confirm": false}), "/confirm"),
            (json!({"confirm": true}), "/reason"),
            (json!({"reason": "ends_at", "confirm": true}), "/reason"),
            (
                json!({"reason": "boredom", "note": 1, "confirm": "yes", "bogus": 1}),
                "/bogus /confirm /note /reason",
            ),
        ] {
            let answer = remove(app, "c1", &body).expect_problem(422, "invalid_request");
            assert_eq!(answer.pointers().join(" "), pointers, "{body}");
        }
        let read = app.manager().get(&path("c1")).expect(200);
        assert_eq!((&read.body, read.etag()), (&first.body, first.etag()));
        assert_eq!(standing(app, "c1"), VIP);
    }

    fn a_removal_is_refused_while_benefits_that_must_be_ended_first_are_active(app) {
        app.set_up(json!({}));
        put_gift(app, "shipping");
        for code in ["hamper", "loan"] {
            let body = json!({"name": code, "kind": "gift", "must_end_first": true});
            app.admin().put(&format!("/v1/benefits/{code}"), &body).expect(201);
        }
        let carries = json!({"benefits": ["loan"]});
        put_ladder(app, &[("bronze", "0", json!({})), ("gold", "500.00", carries)]);
        know(app, "c1");
        let body = json!({"tier": "gold", "benefits": ["hamper", "shipping"]});
        let first = designate(app, "c1", &body).expect(201);
        let refused = || {
            let answer = remove(app, "c1", &removal("complaints"));
            let answer = answer.expect_problem(409, "benefits_must_end_first");
            let detail = answer.body["detail"].as_str().unwrap();
            ["hamper", "loan", "shipping"].map(|code| detail.contains(code))
        };
        assert_eq!(refused(), [true, true, false]);
        let read = app.manager().get(&path("c1")).expect(200);
        assert_eq!((&read.body, read.etag()), (&first.body, first.etag()));
        assert_eq!(standing(app, "c1"), VIP);
        amend(app, "c1", &json!({"benefits": ["shipping"]})).expect(200);
        assert_eq!(refused(), [false, true, false]);
        amend(app, "c1", &json!({"benefits_dropped": ["loan"]})).expect(200);
        remove(app, "c1", &removal("complaints")).expect(200);
        assert_eq!(standing(app, "c1"), ENDED);

        // What the membership gives goes on without the designation.
        app.order("o1", "c2", NOON, "600.00").expect(201);
        designate(app, "c2", &json!({"benefits": ["shipping"]})).expect(201);
        remove(app, "c2", &removal("complaints")).expect(200);
        assert_eq!(benefits_of(app, "c2"), ["loan"]);
    }

    fn who_was_removed_can_be_designated_anew(app) {
        set_up_shop(app);
        let first = designate(app, "c1", &whole()).expect(201);
        remove(app, "c1", &json!({"reason": "complaints", "note": "Loud.", "confirm": true})).expect(200);
        let early = Utc::now() - Duration::milliseconds(1);
        let body = json!({"since": "2024-05-06"});
        let second = designate(app, "c1", &body).expect(201);
        assert_ne!(second.etag(), first.etag());
        assert_eq!(second.body["state"], "active");
        assert_eq!(second.body["source"], "manual");
        assert_eq!(second.body["since"], "2024-05-06");
        assert_eq!(second.body["ended"], Value::Null);
        assert!(instant(&second.body["designated_at"]) >= early, "{}", second.text);
        // Nothing of the last one is left in it.
        for field in ["tier", "notes", "profile", "team", "assigned_to", "ends_at"] {
            assert_eq!(second.body[field], Value::Null, "{field}");
        }
        assert_eq!(second.body["benefits"], json!([]));
        assert_eq!(standing(app, "c1"), VIP);
        let again = designate(app, "c1", &body).expect(200);
        assert_eq!((&again.body, again.etag()), (&second.body, second.etag()));
        amend(app, "c1", &json!({"notes": "Quiet now."})).expect(200);
        remove(app, "c1", &removal("other")).expect(200);
        assert_eq!(standing(app, "c1"), ENDED);
    }

    fn an_erased_customers_designation_ends_and_loses_its_notes(app) {
        set_up_shop(app);
        designate(app, "c1", &whole()).expect(201);
        app.admin().delete("/v1/customers/c1").expect(204);
        let erased = app.manager().get(&path("c1")).expect(200);
        assert_eq!(erased.body["state"], "cancelled");
        assert_eq!(erased.body["notes"], Value::Null);
        let ended = &erased.body["ended"];
        assert_eq!(ended["reason"], "customer_erased");
        assert_eq!((&ended["removal_reason"], &ended["note"]), (&Value::Null, &Value::Null));
        assert!(!erased.text.contains("fair"), "{}", erased.text);
        // Later writes are refused, and change nothing.
        designate(app, "c1", &json!({"notes": "x"})).expect_problem(410, "customer_erased");
        amend(app, "c1", &json!({"notes": "x"})).expect_problem(410, "customer_erased");
        remove(app, "c1", &removal("other")).expect_problem(410, "customer_erased");
        let read = app.manager().get(&path("c1")).expect(200);
        assert_eq!((&read.body, read.etag()), (&erased.body, erased.etag()));
        let list = app.manager().get("/v1/designations").expect(200).body;
        assert_eq!(list["designations"], json!([]));
    }

    fn an_erased_customer_is_not_designated(app) {
        app.set_up(json!({}));
        know(app, "c1");
        app.admin().delete("/v1/customers/c1").expect(204);
        designate(app, "c1", &json!({})).expect_problem(410, "customer_erased");
        assert_never_designated(app, "c1");
    }

    fn erasure_clears_the_note_of_an_earlier_removal(app) {
        app.set_up(json!({}));
        know(app, "c1");
        designate(app, "c1", &json!({"notes": "Met at the fair."})).expect(201);
        let body = json!({"reason": "complaints", "note": "Loud on the phone.", "confirm": true});
        let removed = remove(app, "c1", &body).expect(200).body;
        app.admin().delete("/v1/customers/c1").expect(204);
        let erased = app.manager().get(&path("c1")).expect(200);
        let ended = &erased.body["ended"];
        assert_eq!((&ended["reason"], &ended["removal_reason"]), (&json!("removed"), &json!("complaints")));
        assert_eq!((&ended["at"], &ended["note"]), (&removed["ended"]["at"], &Value::Null));
        for text in ["fair", "Loud"] {
            assert!(!erased.text.contains(text), "{}", erased.text);
        }
    }

    fn a_designation_ends_by_itself_at_the_instant_that_was_set(app) {
        set_up_shop(app);
        let ends_at = from_now(2);
        let body = json!({"tier": "gold", "benefits": ["hamper"], "ends_at": ends_at});
        let first = designate(app, "c1", &body).expect(201);
        assert_eq!(standing(app, "c1"), VIP);
        assert_eq!(benefits_of(app, "c1"), ["hamper", "shipping"]);
        let over = instant(&json!(ends_at));
        wait_until(over);
        assert_eq!(standing(app, "c1"), ENDED);
        assert_eq!(benefits_of(app, "c1"), NOTHING);
        let ended = designation(app, "c1");
        assert_eq!(ended["ended"]["reason"], "ends_at");
        assert_eq!(instant(&ended["ended"]["at"]), over);
        assert_eq!(ended["ended"]["removal_reason"], Value::Null);
        assert_eq!(ended["ended"]["note"], Value::Null);
        for field in ["tier", "since", "benefits", "ends_at", "designated_at", "source"] {
            assert_eq!(ended[field], first.body[field], "{field}");
        }
        amend(app, "c1", &json!({"ends_at": null})).expect_problem(409, "designation_ended");
        remove(app, "c1", &removal("other")).expect_problem(409, "designation_ended");
        designate(app, "c1", &body).expect_problem(409, "designation_would_have_ended");
        assert_eq!(standing(app, "c1"), ENDED);
        designate(app, "c1", &json!({"ends_at": "2100-01-01T00:00:00Z"})).expect(201);
        assert_eq!(standing(app, "c1"), VIP);
        assert_eq!(designation(app, "c1")["ended"], Value::Null);
    }

    fn an_end_that_is_put_off_or_lifted_in_time_does_not_come(app) {
        app.set_up(json!({}));
        let ends_at = from_now(2);
        for customer in ["c1", "c2"] {
            know(app, customer);
            designate(app, customer, &json!({"ends_at": ends_at})).expect(201);
        }
        amend(app, "c1", &json!({"ends_at": null})).expect(200);
        amend(app, "c2", &json!({"ends_at": "2100-01-01T00:00:00Z"})).expect(200);
        wait_until(instant(&json!(ends_at)) + Duration::milliseconds(600));
        assert_eq!(standing(app, "c1"), VIP);
        assert_eq!(standing(app, "c2"), VIP);
    }

    fn a_cancelled_subscription_leaves_the_designation_for_the_grace_days_and_no_longer(app) {
        app.set_up(json!({}));
        put_gift(app, "hamper");
        know(app, "c1");
        let body = json!({"since": "2021-01-01", "benefits": ["hamper"]});
        let first = designate(app, "c1", &body).expect(201).body;
        subscribe(app, "c1", "active", None);
        assert_eq!(designation(app, "c1"), first);
        let over = cancel_with_seconds_left(app, "c1", 3);
        assert_eq!(standing(app, "c1"), VIP);
        assert_eq!(benefits_of(app, "c1"), ["hamper"]);
        let kept = designation(app, "c1");
        assert_eq!(instant(&kept["grace_until"]), over);
        assert_eq!(instant(&listed(app, "c1")["grace_until"]), over);
        assert_eq!(kept["ended"], Value::Null);
        assert_eq!(stated(&kept), stated(&first));

        wait_until(over);
        assert_eq!(standing(app, "c1"), ENDED);
        assert_eq!(benefits_of(app, "c1"), NOTHING);
        let ended = designation(app, "c1");
        assert_eq!(ended["ended"]["reason"], "grace_over");
        assert_eq!(instant(&ended["ended"]["at"]), over);
        assert_eq!(ended["ended"]["removal_reason"], Value::Null);
        assert_eq!(ended["ended"]["note"], Value::Null);
        assert_eq!(ended["since"], "2021-01-01");
        amend(app, "c1", &json!({"notes": "x"})).expect_problem(409, "designation_ended");
        remove(app, "c1", &removal("cancelled")).expect_problem(409, "designation_ended");
        designate(app, "c1", &body).expect_problem(409, "designation_would_have_ended");
        assert_eq!(standing(app, "c1"), ENDED);
        // A designation of today is after the cancellation, and none of its business.
        let anew = designate(app, "c1", &json!({"since": today(0).to_string()})).expect(201);
        assert_eq!(anew.body["grace_until"], Value::Null);
        assert_eq!(standing(app, "c1"), VIP);
    }

    fn a_subscription_that_is_reactivated_in_time_keeps_the_designation(app) {
        app.set_up(json!({}));
        for customer in ["c1", "c2"] {
            know(app, customer);
            designate(app, customer, &json!({"since": "2021-01-01"})).expect(201);
        }
        let over = cancel_with_seconds_left(app, "c1", 3);
        let over = over.max(cancel_with_seconds_left(app, "c2", 3));
        assert!(designation(app, "c1")["grace_until"].is_string());
        subscribe(app, "c1", "active", None);
        let reactivated = designation(app, "c1");
        assert_eq!(reactivated["grace_until"], Value::Null);
        assert_eq!(reactivated["ended"], Value::Null);
        // Longer than the background sleeps.
        wait_until(over + Duration::milliseconds(600));
        assert_eq!(standing(app, "c1"), VIP);
        assert_eq!(designation(app, "c1"), reactivated);
        assert_eq!(standing(app, "c2"), ENDED);
    }

    fn a_cancellation_that_is_long_ago_ends_the_designation_at_once(app) {
        app.set_up(json!({}));
        know(app, "c1");
        designate(app, "c1", &json!({"since": "2021-01-01"})).expect(201);
        subscribe(app, "c1", "cancelled", Some("2024-03-10T20:00:00Z"));
        assert_eq!(standing(app, "c1"), ENDED);
        let ended = designation(app, "c1")["ended"].clone();
        assert_eq!(ended["reason"], "grace_over");
        assert_eq!(ended["at"], "2024-06-08T20:00:00Z");
    }

    fn a_paused_designation_has_its_grace_too(app) {
        app.set_up(json!({}));
        know(app, "c1");
        designate(app, "c1", &json!({"since": "2021-01-01", "state": "paused"})).expect(201);
        let over = cancel_with_seconds_left(app, "c1", 2);
        assert_eq!(standing(app, "c1"), ON_HOLD);
        assert_eq!(instant(&designation(app, "c1")["grace_until"]), over);
        wait_until(over);
        assert_eq!(standing(app, "c1"), ENDED);
        assert_eq!(designation(app, "c1")["ended"]["reason"], "grace_over");
    }

    fn a_subscription_on_hold_sets_no_grace(app) {
        app.set_up(json!({}));
        know(app, "c1");
        let first = designate(app, "c1", &json!({"since": "2021-01-01"})).expect(201).body;
        subscribe(app, "c1", "paused", None);
        assert_eq!(designation(app, "c1"), first);
        assert_eq!(standing(app, "c1"), VIP);
    }

    fn the_grace_period_is_as_long_as_the_program_says_now(app) {
        app.set_up(json!({}));
        know(app, "c1");
        designate(app, "c1", &json!({"since": "2021-01-01"})).expect(201);
        let cancelled_at = from_now(-10 * DAY);
        subscribe(app, "c1", "cancelled", Some(&cancelled_at));
        let set = |days: Value| {
            app.admin().patch("/v1/program", &json!({"grace_days": days})).expect(200);
        };
        let assert_grace = |days: i64| {
            let kept = designation(app, "c1");
            let expected = instant(&json!(cancelled_at)) + Duration::days(days);
            assert_eq!(instant(&kept["grace_until"]), expected);
            assert_eq!(kept["ended"], Value::Null);
            assert_eq!(standing(app, "c1"), VIP);
        };
        assert_grace(90);
        set(json!(30));
        assert_grace(30);
        set(json!(365));
        assert_grace(365);
        set(Value::Null);
        assert_grace(90);
        set(json!(9));
        assert_eq!(standing(app, "c1"), ENDED);
        assert_eq!(designation(app, "c1")["ended"]["reason"], "grace_over");
    }

    fn a_cancellation_concerns_designations_up_to_its_local_date_only(app) {
        app.set_up(json!({"time_zone": "Asia/Tokyo"}));
        know(app, "c1");
        // The eleventh of March there.
        subscribe(app, "c1", "cancelled", Some("2024-03-10T20:00:00Z"));
        for since in ["2021-01-01", "2024-03-10", "2024-03-11"] {
            let answer = designate(app, "c1", &json!({"since": since}));
            answer.expect_problem(409, "designation_would_have_ended");
            assert_never_designated(app, "c1");
        }
        let first = designate(app, "c1", &json!({"since": "2024-03-12"})).expect(201);
        assert_eq!(first.body["grace_until"], Value::Null);
        assert_eq!(standing(app, "c1"), VIP);
        let answer = amend(app, "c1", &json!({"since": "2024-03-11"}));
        answer.expect_problem(409, "designation_would_have_ended");
        let read = app.manager().get(&path("c1")).expect(200);
        assert_eq!((&read.body, read.etag()), (&first.body, first.etag()));
    }

    fn an_order_that_reaches_a_designating_tier_makes_a_vip_of_it(app) {
        app.set_up(json!({"time_zone": "Asia/Tokyo"}));
        let tiers = [
            ("bronze", "0", json!({})),
            ("silver", "100.00", json!({})),
            ("gold", "500.00", designating()),
        ];
        put_ladder(app, &tiers);
        app.order("o1", "c1", "2024-05-01T10:00:00Z", "499.99").expect(201);
        assert_eq!(tier(&app.membership("c1")), "silver");
        assert_never_designated(app, "c1");
        // The second of June there.
        app.order("o2", "c1", "2024-06-01T20:00:00Z", "0.01").expect(201);
        let made = app.manager().get(&path("c1")).expect(200);
        let mut rest = stated(&made.body);
        rest.as_object_mut().unwrap().remove("priority");
        let expected = json!({
            "tier": "gold", "since": "2024-06-02", "benefits": [], "benefits_dropped": [],
            "notes": null, "state": "active", "profile": null, "team": null, "assigned_to": null,
            "ends_at": null,
        });
        assert_eq!(rest, expected);
        assert_eq!(made.body["source"], "automatic");
        assert_eq!(made.body["ended"], Value::Null);
        assert_eq!(standing(app, "c1"), VIP);
        // Nothing more comes of what reaches nothing more.
        app.order("o2", "c1", "2024-06-01T20:00:00Z", "0.01").expect(200);
        app.order("o3", "c1", "2024-06-03T20:00:00Z", "900.00").expect(201);
        app.refund("r1", "o3", "2024-06-04T20:00:00Z", "900.00").expect(201);
        let read = app.manager().get(&path("c1")).expect(200);
        assert_eq!((&read.body, read.etag()), (&made.body, made.etag()));
    }

    fn who_skips_a_designating_tier_becomes_a_vip_of_the_higher_one(app) {
        app.set_up(json!({}));
        put_designating_ladder(app);
        app.order("o1", "c1", NOON, "600.00").expect(201);
        let made = designation(app, "c1");
        assert_eq!((&made["tier"], &made["since"]), (&json!("gold"), &json!("2024-06-01")));
        assert_eq!(made["source"], "automatic");
        assert_eq!(standing(app, "c1"), VIP);
    }

    fn facts_of_a_batch_make_vips_too(app) {
        app.set_up(json!({}));
        put_designating_ladder(app);
        let line = |id: &str, customer: &str, total: &str| {
            let mut fact = order(customer, NOON, total);
            fact["order_id"] = json!(id);
            json!({"order": fact})
        };
        let lines = [
            line("o1", "c1", "99.99"), line("o2", "c2", "100.00"),
            line("o3", "c3", "99.99"), line("o4", "c3", "400.01"),
        ];
        app.storefront().post_lines("/v1/facts", &lines).expect(200);
        assert_never_designated(app, "c1");
        for (customer, code) in [("c2", "silver"), ("c3", "gold")] {
            let made = designation(app, customer);
            assert_eq!((&made["tier"], &made["source"]), (&json!(code), &json!("automatic")));
        }
    }

    fn a_higher_designating_tier_raises_the_designation(app) {
        app.set_up(json!({}));
        put_designating_ladder(app);
        app.order("o1", "c1", "2024-05-01T10:00:00Z", "100.00").expect(201);
        let silver = app.manager().get(&path("c1")).expect(200);
        assert_eq!((&silver.body["tier"], &silver.body["since"]), (&json!("silver"), &json!("2024-05-01")));
        app.order("o2", "c1", NOON, "400.00").expect(201);
        let gold = app.manager().get(&path("c1")).expect(200);
        let mut expected = silver.body.clone();
        expected["tier"] = json!("gold");
        assert_eq!(gold.body, expected, "a VIP since the first of them");
        assert_ne!(gold.etag(), silver.etag());
    }

    fn what_a_person_said_of_a_designation_stays_when_its_tier_is_raised(app) {
        app.set_up(json!({}));
        put_gift(app, "hamper");
        put_designating_ladder(app);
        for (customer, state) in [("c1", "active"), ("c2", "paused")] {
            know(app, customer);
            let body = json!({
                "tier": "silver", "since": "2021-03-01", "benefits": ["hamper"], "notes": "Likes rye.",
                "state": state, "profile": "partner", "priority": "high", "team": "north",
                "assigned_to": "bo", "ends_at": "2100-01-01T00:00:00Z", "benefits_dropped": [],
            });
            designate(app, customer, &body).expect(201);
            app.order(&format!("s-{customer}"), customer, NOON, "100.00").expect(201);
            assert_eq!(stated(&designation(app, customer)), body, "they are a VIP of it already");
            app.order(&format!("g-{customer}"), customer, "2024-06-02T12:00:00Z", "400.00").expect(201);
            let mut expected = body;
            expected["tier"] = json!("gold");
            assert_eq!(stated(&designation(app, customer)), expected);
        }
        assert_eq!(standing(app, "c2"), ON_HOLD);
    }

    fn a_tier_that_does_not_designate_raises_nothing(app) {
        app.set_up(json!({}));
        let tiers = [
            ("bronze", "0", json!({})),
            ("silver", "100.00", designating()),
            ("gold", "500.00", json!({})),
        ];
        put_ladder(app, &tiers);
        app.order("o1", "c1", NOON, "100.00").expect(201);
        let silver = designation(app, "c1");
        assert_eq!(silver["tier"], "silver");
        app.order("o2", "c1", "2024-06-02T12:00:00Z", "400.00").expect(201);
        assert_eq!(tier(&app.membership("c1")), "gold");
        assert_eq!(designation(app, "c1"), silver);
    }

    fn automation_never_lowers_a_designation(app) {
        app.set_up(json!({}));
        let tiers = [
            ("bronze", "0", json!({})),
            ("silver", "100.00", designating()),
            ("gold", "500.00", designating()),
            ("black", "0", json!({"threshold": null})),
        ];
        put_ladder(app, &tiers);
        // A person gave a higher tier than the one that is reached.
        know(app, "c1");
        let first = designate(app, "c1", &json!({"tier": "black"})).expect(201).body;
        app.order("o1", "c1", NOON, "600.00").expect(201);
        assert_eq!(tier(&app.membership("c1")), "gold");
        assert_eq!(designation(app, "c1"), first);
        // The order was a mistake, and the membership falls.
        app.order("o2", "c2", NOON, "600.00").expect(201);
        let made = designation(app, "c2");
        app.order("o2", "c2", NOON, "150.00").expect(200);
        let drop = json!({"allow_downgrades": true, "reason": "order o2 was a mistake"});
        app.manager().post("/v1/customers/c2/membership/recalculation", &drop).expect(200);
        assert_eq!(tier(&app.membership("c2")), "silver");
        assert_eq!(designation(app, "c2"), made);
        assert_eq!(made["tier"], "gold");
    }

    fn what_a_person_removed_automation_does_not_make_again(app) {
        app.set_up(json!({}));
        put_designating_ladder(app);
        app.order("o1", "c1", NOON, "100.00").expect(201);
        assert_eq!(designation(app, "c1")["tier"], "silver");
        let removed = remove(app, "c1", &removal("policy_violation")).expect(200).body;
        app.order("o2", "c1", "2024-06-02T12:00:00Z", "50.00").expect(201);
        assert_eq!(designation(app, "c1"), removed);
        app.order("o3", "c1", "2024-06-03T12:00:00Z", "400.00").expect(201);
        assert_eq!(tier(&app.membership("c1")), "gold");
        assert_eq!(designation(app, "c1"), removed);
        let path = "/v1/program?effective_from=beginning&allow_downgrades=true";
        let changed = app.admin().patch(path, &json!({"points_per_unit": "2"})).expect(200);
        assert_eq!(settled(app, changed)["state"], "completed");
        assert_eq!(designation(app, "c1"), removed);
        assert_eq!(standing(app, "c1"), ENDED);
        // A person may, and what is there again is raised again.
        designate(app, "c1", &json!({"tier": "bronze"})).expect(201);
        let diamond = json!({"name": "Diamond", "rank": 4, "threshold": "900.00", "designates": true});
        app.client(Role::PlatformAdmin).put("/v1/tiers/diamond", &diamond).expect(201);
        app.order("o4", "c1", &from_now(0), "400.00").expect(201);
        assert_eq!(designation(app, "c1")["tier"], "diamond");
    }

    fn what_ended_by_itself_automation_makes_again(app) {
        app.set_up(json!({}));
        put_designating_ladder(app);
        know(app, "c1");
        let ends_at = from_now(1);
        designate(app, "c1", &json!({"since": "2021-01-01", "ends_at": ends_at})).expect(201);
        wait_until(instant(&json!(ends_at)));
        assert_eq!(standing(app, "c1"), ENDED);
        let date = today(0);
        app.order("o1", "c1", &from_now(0), "100.00").expect(201);
        let made = designation(app, "c1");
        assert_eq!((&made["tier"], &made["since"]), (&json!("silver"), &json!(date.to_string())));
        assert_eq!((&made["state"], &made["source"]), (&json!("active"), &json!("automatic")));
        assert_eq!((&made["ended"], &made["ends_at"]), (&Value::Null, &Value::Null));
        assert_eq!(standing(app, "c1"), VIP);
    }

    fn a_recalculation_makes_vips_of_those_who_reached_a_designating_tier(app) {
        app.set_up(json!({}));
        for (customer, total) in [("reached", "600.00"), ("short", "99.99"), ("removed", "600.00")] {
            app.order(&format!("o-{customer}"), customer, NOON, total).expect(201);
        }
        designate(app, "removed", &json!({})).expect(201);
        let removed = remove(app, "removed", &removal("complaints")).expect(200).body;
        let body = ladder_with(&[
            ("bronze", "0", json!({})),
            ("silver", "100.00", designating()),
            ("gold", "500.00", designating()),
        ]);
        let client = app.client(Role::PlatformAdmin);
        let path = "/v1/tiers?effective_from=beginning";
        let dry = client.put(&format!("{path}&dry_run=true"), &body).expect(200);
        assert_eq!(settled(app, dry)["state"], "completed");
        assert_never_designated(app, "reached");
        assert_eq!(designation(app, "removed"), removed);

        let put = client.put(path, &body).expect(200);
        assert_eq!(settled(app, put)["state"], "completed");
        let made = designation(app, "reached");
        assert_eq!((&made["tier"], &made["since"]), (&json!("gold"), &json!("2024-06-01")));
        assert_eq!((&made["state"], &made["source"]), (&json!("active"), &json!("automatic")));
        assert_eq!(standing(app, "reached"), VIP);
        assert_never_designated(app, "short");
        assert_eq!(designation(app, "removed"), removed);
        assert_eq!(standing(app, "removed"), ENDED);
    }

    fn a_tier_that_comes_to_designate_from_the_beginning_makes_vips_of_those_who_reached_it(app) {
        app.set_up(json!({}));
        app.set_tiers(&[("bronze", "0"), ("silver", "100.00"), ("gold", "500.00")]);
        app.order("o1", "c1", NOON, "600.00").expect(201);
        app.order("o2", "c2", NOON, "10.00").expect(201);
        app.order("o3", "c3", NOON, "600.00").expect(201);
        assert_never_designated(app, "c1");
        let body = json!({"tier": "silver", "since": "2021-01-01", "notes": "Likes rye."});
        designate(app, "c3", &body).expect(201);
        let gold = json!({"name": "Gold", "rank": 3, "threshold": "500.00", "designates": true});
        let path = "/v1/tiers/gold?effective_from=beginning";
        let put = app.client(Role::PlatformAdmin).put(path, &gold).expect(200);
        assert_eq!(settled(app, put)["state"], "completed");
        let made = designation(app, "c1");
        assert_eq!((&made["tier"], &made["since"]), (&json!("gold"), &json!("2024-06-01")));
        assert_eq!(made["source"], "automatic");
        assert_never_designated(app, "c2");
        let raised = designation(app, "c3");
        assert_eq!((&raised["tier"], &raised["since"]), (&json!("gold"), &json!("2021-01-01")));
        assert_eq!(raised["notes"], "Likes rye.");
    }

    fn where_figures_no_longer_fit_a_removal_says_so(app) {
        app.set_up(json!({}));
        app.order("o1", "c1", NOON, "92233720368547758.07").expect(201);
        designate(app, "c1", &json!({})).expect(201);
        let path = "/v1/program?effective_from=beginning";
        let changed = app.admin().patch(path, &json!({"points_per_unit": "1000000"})).expect(200);
        assert_eq!(settled(app, changed)["state"], "failed");
        remove(app, "c1", &removal("other")).expect_problem(409, "figure_overflow");
        assert_eq!(designation(app, "c1")["state"], "active");
    }

    fn a_status_of_vip_is_refused_where_it_would_be_over_at_once(app) {
        app.set_up(json!({"grace_days": 0}));
        let cancelled = json!({"subscription": {
            "monthly_amount": "9.90", "state": "cancelled", "cancelled_at": from_now(-1),
        }});
        app.storefront().put("/v1/customers/c1", &cancelled).expect(201);
        let vip = json!({"status": "vip", "note": "a good one"});
        let path = "/v1/customers/c1/status";
        app.manager().put(path, &vip).expect_problem(409, "designation_would_have_ended");
        assert_eq!(app.manager().get(path).expect(200).body["status"], "active");
    }

    fn shorter_grace_is_right_in_every_answer_at_once(app) {
        app.set_up(json!({}));
        let customer = json!({"subscription": {
            "monthly_amount": "9.90", "state": "cancelled", "cancelled_at": from_now(-86_400 * 30),
        }});
        app.storefront().put("/v1/customers/c1", &customer).expect(201);
        designate(app, "c1", &json!({"since": "2020-01-01"})).expect(201);
        assert_eq!(designation(app, "c1")["state"], "active");
        app.admin().patch("/v1/program", &json!({"grace_days": 10})).expect(200);
        let ended = designation(app, "c1");
        assert_eq!((&ended["state"], &ended["ended"]["reason"]), (&json!("cancelled"), &json!("grace_over")));
        let badge = app.support().get("/v1/customers/c1/badge").expect(200).body;
        assert_eq!(badge["status"], "active");
        // What is over stays over.
        app.admin().patch("/v1/program", &json!({"grace_days": 365})).expect(200);
        assert_eq!(designation(app, "c1"), ended);
    }

    fn an_end_that_nobody_has_noted_yet_does_not_change_the_version_that_a_caller_saw(app) {
        app.set_up(json!({}));
        app.storefront().put("/v1/customers/c1", &json!({})).expect(201);
        designate(app, "c1", &json!({"ends_at": from_now(2)})).expect(201);
        std::thread::sleep(std::time::Duration::from_secs(2));
        let path = "/v1/customers/c1/designation";
        // The background may note it between the two; the second time it has.
        let again = || {
            let seen = app.manager().get(path).expect(200);
            assert_eq!(seen.body["state"], "cancelled");
            app.manager().with("if-match", &seen.etag()).put(path, &json!({}))
        };
        let first = again();
        if first.status != 201 {
            again().expect(201);
        }
    }
}
