//! Nominations: customers whom a rule, a tier or a person put forward, and
//! what managers decide.

use super::rules::{
    designate, designation, entries, feed, nominations, outcome, platform, put_rule, put_rules,
    remove, rule, set_tags, set_up_shop, told,
};
use super::treatment::ladder_with;
use super::{assert_paging_rules, assert_same_404, neighbour};
use crate::support::*;
use accolade::api::auth::Role;
use accolade::db::{self, Tx};
use chrono::{DateTime, Duration, Utc};
use serde_json::{Value, json};

const NOMINATIONS: &str = "/v1/nominations";

fn nominate(app: &App, body: &Value) -> Answer {
    app.support().post(NOMINATIONS, body)
}

/// The identifier of a nomination.
fn id_of(nomination: &Value) -> String {
    nomination["nomination_id"].as_str().unwrap().to_owned()
}

/// The path of a nomination, and of what is done with it.
fn path(id: &str) -> String {
    format!("{NOMINATIONS}/{id}")
}

/// Approves or declines, with a note.
fn decide(client: &Client<'_>, id: &str, decision: &str) -> Answer {
    client.post(&format!("{}/{decision}", path(id)), &json!({"note": "As agreed."}))
}

fn approve(app: &App, id: &str) -> Value {
    decide(&app.manager(), id, "approve").expect(200).body
}

fn decline(app: &App, id: &str) -> Value {
    decide(&app.manager(), id, "decline").expect(200).body
}

fn nomination(app: &App, id: &str) -> Value {
    app.support().get(&path(id)).expect(200).body
}

/// The one nomination of a customer.
#[track_caller]
fn one_of(app: &App, customer: &str) -> Value {
    let found = nominations(app, &format!("customer_id={customer}"));
    assert_eq!(found.len(), 1, "{customer}: {found:?}");
    found[0].clone()
}

/// The body of a rule for those with the tag `press` that asks a person.
fn asking(mut grants: Value) -> Value {
    grants["requires_approval"] = json!(true);
    rule("has_tag/press >= 1", grants)
}

/// Nominates a new customer by hand; answers the nomination's identifier.
fn nominated(app: &App, customer: &str) -> String {
    set_tags(app, customer, &[]);
    let body = json!({"customer_id": customer, "tier": "gold", "note": "Deserves it."});
    id_of(&nominate(app, &body).expect(201).body)
}

/// Has a decision lie further back.
fn decided_earlier(app: &App, id: &str, by: Duration) {
    use diesel::RunQueryDsl;
    let micros = by.num_microseconds().unwrap();
    let sql = format!(
        "UPDATE nominations SET decided_at = decided_at - {micros} WHERE nomination_id = '{id}'"
    );
    let job = app
        .db
        .write(move |tx: &mut Tx<'_>| Ok::<_, db::Error>(diesel::sql_query(sql).execute(tx.conn)?));
    assert_eq!(actix_web::rt::System::new().block_on(job).unwrap(), 1);
}

/// What is stored of a customer's nominations: each with its state, by whom
/// and whether it was decided, and the three texts.
fn stored_of(app: &App, customer: &str) -> Vec<String> {
    use diesel::RunQueryDsl;
    #[derive(diesel::QueryableByName)]
    struct Row {
        #[diesel(sql_type = diesel::sql_types::Text)]
        described: String,
    }
    let sql = format!(
        "SELECT nomination_id || ' ' || state || ' ' ||
            CASE WHEN decided_by = 'tester' THEN 'tester' ELSE 'system' END || ' ' || CASE WHEN decided_at IS NULL THEN 'none' ELSE 'decided' END || ' ' ||
            COALESCE(note, 'none') || ' ' || COALESCE(decision_note, 'none') || ' ' ||
            COALESCE(assigned_to, 'none') AS described
        FROM nominations WHERE customer_id = '{customer}' ORDER BY nomination_id"
    );
    let rows: Vec<Row> = app
        .db
        .read_blocking(|tx: &mut Tx<'_>| Ok::<_, db::Error>(diesel::sql_query(sql).load(tx.conn)?))
        .unwrap();
    let mut rows: Vec<String> = rows.into_iter().map(|row| row.described).collect();
    rows.sort();
    rows
}

fn instant(value: &Value) -> DateTime<Utc> {
    value.as_str().unwrap().parse().unwrap()
}

/// What can be asked for, and what an answer repeats of it.
fn whole() -> Value {
    json!({
        "customer_id": "c1", "tier": "gold", "benefits": ["hamper", "shipping"],
        "profile": "advocate", "priority": "high", "assigned_to": "sam",
        "note": "Brings her whole book club.",
    })
}

on_both! {
    fn support_puts_a_customer_forward_by_hand(app) {
        set_up_shop(app);
        set_tags(app, "c1", &[]);
        let early = Utc::now() - Duration::milliseconds(1);
        let made = nominate(app, &whole()).expect(201).body;
        let late = Utc::now();
        for (field, value) in whole().as_object().unwrap() {
            assert_eq!(&made[field], value, "{field}");
        }
        for (field, value) in [
            ("name", json!("Ada Byron")), ("state", json!("waiting")), ("source", json!("person")),
            ("rule", Value::Null), ("why", json!([])), ("still_met", Value::Null),
            ("nominated_by", json!("tester")), ("decided_at", Value::Null),
            ("decided_by", Value::Null), ("decision_note", Value::Null),
        ] {
            assert_eq!(made[field], value, "{field}");
        }
        assert!((early..=late).contains(&instant(&made["nominated_at"])), "{made}");
        assert_eq!(nomination(app, &id_of(&made)), made);
        assert_eq!(nominations(app, ""), [made]);
        // It makes nobody a VIP.
        assert_eq!(designation(app, "c1"), Value::Null);
        let badge = app.support().get("/v1/customers/c1/badge").expect(200).body;
        assert_eq!(badge["status"], "active");
        // Nothing need be asked for but the customer, and why.
        set_tags(app, "c2", &[]);
        let made = nominate(app, &json!({"customer_id": "c2", "note": "x"})).expect(201).body;
        for field in ["tier", "profile", "priority", "assigned_to"] {
            assert_eq!(made[field], Value::Null, "{field}");
        }
        assert_eq!(made["benefits"], json!([]));
    }

    fn all_faults_are_answered_at_once(app) {
        set_up_shop(app);
        set_tags(app, "c1", &[]);
        let bad = json!({
            "customer_id": "a b", "tier": "a b", "benefits": ["hamper", "a b"], "profile": "rich",
            "priority": "highest", "assigned_to": " ", "note": " ", "bogus": 1,
        });
        let all = [
            "/assigned_to", "/benefits/1", "/bogus", "/customer_id", "/note", "/priority",
            "/profile", "/tier",
        ];
        assert_eq!(nominate(app, &bad).expect_problem(422, "invalid_request").pointers(), all);
        let answer = nominate(app, &json!({})).expect_problem(422, "invalid_request");
        assert_eq!(answer.pointers(), ["/customer_id", "/note"]);
        let with = |field: &str, value: Value| {
            let mut body = whole();
            body[field] = value;
            nominate(app, &body)
        };
        for (field, value) in [
            ("benefits", json!(["hamper", "hamper"])), ("note", json!("x".repeat(2_001))),
            ("note", Value::Null), ("assigned_to", json!("x".repeat(65))),
        ] {
            let answer = with(field, value).expect_problem(422, "invalid_request");
            assert_eq!(answer.pointers(), [format!("/{field}")]);
        }
        assert!(nominations(app, "").is_empty());
        let id = id_of(&with("note", json!("x".repeat(2_000))).expect(201).body);
        let manager = app.manager();
        for (decision, body) in [
            ("decline", json!({})), ("decline", json!({"note": null})), ("decline", json!({"note": " "})),
            ("decline", json!({"note": "x".repeat(2_001)})), ("approve", json!({"note": " "})),
            ("approve", json!({"note": "x".repeat(2_001)})),
        ] {
            let answer = manager.post(&format!("{}/{decision}", path(&id)), &body);
            assert_eq!(answer.expect_problem(422, "invalid_request").pointers(), ["/note"], "{decision} {body}");
        }
        assert_eq!(nomination(app, &id)["state"], "waiting");
    }

    fn who_waits_already_has_it_all_or_is_not_known_is_not_put_forward(app) {
        set_up_shop(app);
        let ask = |fields: Value| {
            let mut body = json!({"customer_id": "c1", "note": "Deserves it."});
            body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
            nominate(app, &body)
        };
        ask(json!({})).expect_problem(404, "not_found");
        app.support().get("/v1/customers/c1").expect_problem(404, "not_found");
        set_tags(app, "c1", &[]);
        ask(json!({"tier": "absent"})).expect_problem(409, "unknown_tier");
        ask(json!({"benefits": ["absent"]})).expect_problem(409, "unknown_benefit");
        let had = json!({"tier": "gold", "benefits": ["hamper"], "priority": "high", "profile": "partner", "assigned_to": "bo"});
        designate(app, "c1", &had);
        for less in [
            json!({}), json!({"tier": "silver"}), json!({"tier": "gold", "benefits": ["hamper"]}),
            json!({"priority": "low"}), json!({"profile": "advocate", "assigned_to": "sam"}),
        ] {
            ask(less).expect_problem(409, "nothing_to_add");
        }
        assert!(nominations(app, "").is_empty());
        let first = ask(json!({"benefits": ["shipping"]})).expect(201).body;
        ask(json!({"tier": "platinum"})).expect_problem(409, "nomination_waiting");
        assert_eq!(nominations(app, ""), [first]);
        app.admin().delete("/v1/customers/c1").expect(204);
        ask(json!({})).expect_problem(410, "customer_erased");
    }

    fn an_approval_makes_a_vip_as_was_asked_for(app) {
        set_up_shop(app);
        set_tags(app, "c1", &[]);
        let made = nominate(app, &whole()).expect(201).body;
        let id = id_of(&made);
        let early = Utc::now() - Duration::milliseconds(1);
        let body = json!({"note": "Met her: yes."});
        let approved = app.manager().post(&format!("{}/approve", path(&id)), &body).expect(200).body;
        let late = Utc::now();
        let mut expected = made;
        for (field, value) in [
            ("state", json!("approved")), ("decided_at", approved["decided_at"].clone()),
            ("decided_by", json!("tester")), ("decision_note", json!("Met her: yes.")),
        ] {
            expected[field] = value;
        }
        assert_eq!(approved, expected);
        assert!((early..=late).contains(&instant(&approved["decided_at"])), "{approved}");
        assert_eq!(nomination(app, &id), approved);
        let designation = designation(app, "c1");
        for field in ["tier", "benefits", "profile", "priority", "assigned_to"] {
            assert_eq!(designation[field], whole()[field], "{field}");
        }
        assert_eq!((&designation["state"], &designation["rule"]), (&json!("active"), &Value::Null));
        let badge = app.support().get("/v1/customers/c1/badge").expect(200).body;
        assert_eq!((&badge["status"], &badge["tier"]["code"]), (&json!("vip"), &json!("gold")));
        // Nothing need be said with it.
        let id = nominated(app, "c2");
        let answer = app.manager().post(&format!("{}/approve", path(&id)), &json!({})).expect(200);
        assert_eq!(answer.body["decision_note"], Value::Null);
    }

    fn a_nomination_that_is_declined_makes_no_vip(app) {
        set_up_shop(app);
        let id = nominated(app, "c1");
        let declined = decline(app, &id);
        assert_eq!((&declined["state"], &declined["decision_note"]), (&json!("declined"), &json!("As agreed.")));
        assert_eq!(declined["decided_by"], "tester");
        assert_eq!(declined["note"], "Deserves it.");
        assert_eq!(nomination(app, &id), declined);
        assert_eq!(designation(app, "c1"), Value::Null);
    }

    fn a_nomination_is_decided_once(app) {
        set_up_shop(app);
        for (customer, decision) in [("c1", "approve"), ("c2", "decline")] {
            let id = nominated(app, customer);
            let decided = decide(&app.manager(), &id, decision).expect(200).body;
            let before = designation(app, customer);
            for again in ["approve", "decline"] {
                decide(&app.manager(), &id, again).expect_problem(409, "nomination_decided");
            }
            assert_eq!((nomination(app, &id), designation(app, customer)), (decided, before));
        }
    }

    fn of_many_who_decide_at_once_one_does(app) {
        set_up_shop(app);
        for round in 0..5 {
            let customer = format!("c{round}");
            let id = nominated(app, &customer);
            let barrier = std::sync::Barrier::new(8);
            let answers: Vec<Answer> = std::thread::scope(|scope| {
                let threads: Vec<_> = (0..8)
                    .map(|i| {
                        let (barrier, id) = (&barrier, &id);
                        scope.spawn(move || {
                            barrier.wait();
                            decide(&app.manager(), id, if i % 2 == 0 { "approve" } else { "decline" })
                        })
                    })
                    .collect();
                threads.into_iter().map(|thread| thread.join().unwrap()).collect()
            });
            let (done, refused): (Vec<_>, Vec<_>) =
                answers.into_iter().partition(|answer| answer.status == 200);
            assert_eq!((done.len(), refused.len()), (1, 7));
            for answer in refused {
                answer.expect_problem(409, "nomination_decided");
            }
            assert_eq!(nomination(app, &id), done[0].body);
            assert_eq!(designation(app, &customer).is_null(), done[0].body["state"] == "declined");
        }
    }

    fn a_rule_that_requires_approval_puts_forward_and_says_why(app) {
        set_up_shop(app);
        let grants = json!({
            "tier": "gold", "benefits": ["hamper"], "priority": "high", "assigned_to": "sam",
            "requires_approval": true,
        });
        let settled = put_rule(app, "r", &rule("lifetime_spend >= 100.00; orders_total <= 5", grants));
        assert_eq!(settled["granted"], json!({"designations": 0, "nominations_waiting": 0}));
        set_tags(app, "c1", &[]);
        app.order("o1", "c1", &from_now(-60), "99.99").expect(201);
        assert!(nominations(app, "").is_empty());
        app.order("o2", "c1", &from_now(-60), "25.01").expect(201);
        let made = one_of(app, "c1");
        for (field, value) in [
            ("name", json!("Ada Byron")), ("state", json!("waiting")), ("source", json!("rule")),
            ("rule", json!("r")), ("tier", json!("gold")), ("benefits", json!(["hamper"])),
            ("profile", json!("big_spender")), ("priority", json!("high")),
            ("assigned_to", json!("sam")), ("still_met", json!(true)), ("note", Value::Null),
            ("decided_at", Value::Null),
        ] {
            assert_eq!(made[field], value, "{field}");
        }
        assert_ne!(made["nominated_by"], "tester");
        let why: Vec<Value> = made["why"]
            .as_array()
            .unwrap()
            .iter()
            .map(|why| json!([why["metric"], why["at_least"], why["at_most"], why["found"], why["met"]]))
            .collect();
        let expected = [
            json!(["lifetime_spend", "100.00", null, "125.00", true]),
            json!(["orders_total", null, "5", "2", true]),
        ];
        assert_eq!(why, expected);
        assert_eq!(nomination(app, &id_of(&made)), made);
        assert_eq!(designation(app, "c1"), Value::Null);
        // One that waits is enough, and it says what was found when it was made.
        app.order("o3", "c1", &from_now(-60), "10.00").expect(201);
        let grants = json!({"tier": "platinum", "requires_approval": true});
        put_rule(app, "r", &rule("lifetime_spend >= 100.00", grants));
        assert_eq!(one_of(app, "c1")["why"], made["why"]);
        let granted = platform(app).get("/v1/rules/r").expect(200).body["granted"].clone();
        assert_eq!(granted, json!({"designations": 0, "nominations_waiting": 1}));
    }

    fn rules_and_persons_put_forward_each_for_themselves(app) {
        set_up_shop(app);
        put_rules(app, &[
            ("a", asking(json!({"tier": "silver"}))), ("b", asking(json!({"tier": "gold"}))),
        ]);
        set_tags(app, "c1", &["press"]);
        let by_hand = json!({"customer_id": "c1", "tier": "platinum", "note": "Deserves it."});
        nominate(app, &by_hand).expect(201);
        let found = nominations(app, "customer_id=c1");
        let mut made: Vec<(&str, Option<&str>, &str)> = found
            .iter()
            .map(|row| (row["source"].as_str().unwrap(), row["rule"].as_str(), row["tier"].as_str().unwrap()))
            .collect();
        made.sort_unstable();
        let expected =
            [("person", None, "platinum"), ("rule", Some("a"), "silver"), ("rule", Some("b"), "gold")];
        assert_eq!(made, expected);
    }

    fn an_approved_nomination_of_a_rule_is_the_rules_designation(app) {
        set_up_shop(app);
        put_rule(app, "r", &asking(json!({"tier": "gold", "benefits": ["hamper"]})));
        set_tags(app, "c1", &["press"]);
        approve(app, &id_of(&one_of(app, "c1")));
        let made = designation(app, "c1");
        for (field, value) in [
            ("state", json!("active")), ("tier", json!("gold")), ("benefits", json!(["hamper"])),
            ("profile", json!("big_spender")), ("rule", json!("r")), ("rule_state", json!("enabled")),
        ] {
            assert_eq!(made[field], value, "{field}");
        }
        assert_eq!(outcome(app, "c1", "r"), "granted");
        let granted = platform(app).get("/v1/rules/r").expect(200).body["granted"].clone();
        assert_eq!(granted, json!({"designations": 1, "nominations_waiting": 0}));
        // It is not put forward again for what there is already.
        set_tags(app, "c1", &[]);
        set_tags(app, "c1", &["press"]);
        assert_eq!(one_of(app, "c1")["state"], "approved");
        assert_eq!(designation(app, "c1"), made);
    }

    fn an_approval_raises_a_designation_lowers_nothing_and_may_find_nothing_to_do(app) {
        set_up_shop(app);
        let asked = json!({
            "tier": "gold", "benefits": ["hamper"], "priority": "high", "profile": "advocate",
            "assigned_to": "sam", "note": "Deserves it.",
        });
        let stated = |tier: &str, benefit: &str, priority: &str| {
            json!({
                "tier": tier, "benefits": [benefit], "priority": priority, "notes": "Likes rye.",
                "since": "2021-03-01",
            })
        };
        let mut higher = stated("platinum", "shipping", "urgent");
        higher["profile"] = json!("partner");
        higher["assigned_to"] = json!("bo");
        let mut same = higher.clone();
        same["benefits"] = json!(["hamper"]);
        let lower = stated("silver", "hamper", "low");
        let had = [("lower", lower), ("higher", higher), ("same", same)].map(|(customer, body)| {
            set_tags(app, customer, &[]);
            let mut asked = asked.clone();
            asked["customer_id"] = json!(customer);
            let id = id_of(&nominate(app, &asked).expect(201).body);
            // While it waits, somebody designates.
            let before = designate(app, customer, &body);
            assert_eq!(approve(app, &id)["state"], "approved", "{customer}");
            before
        });
        let mut expected = had.clone();
        for (field, value) in [
            ("tier", json!("gold")), ("priority", json!("high")), ("profile", json!("advocate")),
            ("assigned_to", json!("sam")),
        ] {
            expected[0][field] = value;
        }
        expected[1]["benefits"] = json!(["shipping", "hamper"]);
        for (customer, mut expected) in ["lower", "higher", "same"].into_iter().zip(expected) {
            let mut now = designation(app, customer);
            for body in [&mut now, &mut expected] {
                body["benefits"].as_array_mut().unwrap().sort_by_key(Value::to_string);
            }
            assert_eq!(now, expected);
        }
    }

    fn an_approval_designates_also_whom_a_person_had_removed(app) {
        set_up_shop(app);
        let id = nominated(app, "c1");
        designate(app, "c1", &json!({"notes": "Met at the fair."}));
        assert_eq!(remove(app, "c1")["state"], "cancelled");
        approve(app, &id);
        let made = designation(app, "c1");
        assert_eq!((&made["state"], &made["tier"]), (&json!("active"), &json!("gold")));
        assert_eq!((&made["ended"], &made["notes"]), (&Value::Null, &Value::Null));
    }

    fn a_rule_does_not_put_forward_again_for_90_days_whom_somebody_declined(app) {
        set_up_shop(app);
        put_rule(app, "r", &asking(json!({"tier": "gold"})));
        set_tags(app, "c1", &["press"]);
        let id = id_of(&one_of(app, "c1"));
        decline(app, &id);
        let wake = |tags: &[&str]| set_tags(app, "c1", tags);
        // Neither another fact, nor meeting the rule anew, nor another rule in its place.
        wake(&["press", "1"]);
        wake(&[]);
        wake(&["press"]);
        put_rule(app, "r", &asking(json!({"tier": "platinum"})));
        assert_eq!(one_of(app, "c1")["state"], "declined");
        assert_eq!(outcome(app, "c1", "r"), "declined");
        decided_earlier(app, &id, Duration::days(90) - Duration::minutes(1));
        wake(&["press", "2"]);
        assert_eq!(one_of(app, "c1")["state"], "declined");
        // Afterwards it does, but nobody who meets it no longer.
        decided_earlier(app, &id, Duration::minutes(2));
        wake(&["3"]);
        assert_eq!(one_of(app, "c1")["state"], "declined");
        wake(&["press", "4"]);
        let again = nominations(app, "customer_id=c1");
        assert_eq!(again.len(), 2, "{again:?}");
        assert_eq!((&again[0]["state"], &again[0]["tier"]), (&json!("waiting"), &json!("platinum")));
        assert_eq!(again[1]["nomination_id"], id.as_str());
        assert_eq!(designation(app, "c1"), Value::Null);
    }

    fn whom_somebody_declined_is_put_forward_again_after_90_days_if_the_rule_is_still_met(app) {
        set_up_shop(app);
        put_rule(app, "r", &asking(json!({"tier": "gold"})));
        set_tags(app, "c1", &["press"]);
        let id = id_of(&one_of(app, "c1"));
        decline(app, &id);
        decided_earlier(app, &id, Duration::days(90) + Duration::minutes(1));
        set_tags(app, "c1", &["press", "more"]);
        let again = nominations(app, "customer_id=c1");
        let states: Vec<&Value> = again.iter().map(|row| &row["state"]).collect();
        assert_eq!(states, ["waiting", "declined"]);
    }

    fn nor_does_a_person_for_90_days(app) {
        set_up_shop(app);
        let id = nominated(app, "c1");
        decline(app, &id);
        let body = json!({"customer_id": "c1", "tier": "platinum", "note": "Once more."});
        nominate(app, &body).expect_problem(409, "declined_recently");
        decided_earlier(app, &id, Duration::days(90) - Duration::minutes(1));
        nominate(app, &body).expect_problem(409, "declined_recently");
        // A rule knows nothing of it, and managers designate whom they want.
        put_rule(app, "r", &asking(json!({"tier": "gold"})));
        set_tags(app, "c1", &["press"]);
        assert_eq!(nominations(app, "customer_id=c1&source=rule").len(), 1);
        decided_earlier(app, &id, Duration::minutes(2));
        let again = nominate(app, &body).expect(201).body;
        assert_eq!((&again["state"], &again["note"]), (&json!("waiting"), &json!("Once more.")));
    }

    fn what_is_gone_meanwhile_is_not_approved_but_can_be_declined(app) {
        set_up_shop(app);
        for (customer, field, value) in [("c1", "tier", json!("gold")), ("c2", "benefits", json!(["hamper"]))] {
            set_tags(app, customer, &[]);
            let mut body = json!({"customer_id": customer, "note": "Deserves it."});
            body[field] = value;
            nominate(app, &body).expect(201);
        }
        app.admin().delete("/v1/tiers/gold").expect(204);
        app.admin().delete("/v1/benefits/hamper?for_everyone=true").expect(204);
        for (customer, code) in [("c1", "unknown_tier"), ("c2", "unknown_benefit")] {
            let before = one_of(app, customer);
            let id = id_of(&before);
            decide(&app.manager(), &id, "approve").expect_problem(409, code);
            assert_eq!(nomination(app, &id), before);
            assert_eq!(designation(app, customer), Value::Null);
            assert_eq!(decline(app, &id)["state"], "declined");
        }
    }

    fn it_says_whether_the_rule_is_still_met(app) {
        set_up_shop(app);
        put_rule(app, "r", &asking(json!({"tier": "gold"})));
        set_tags(app, "c1", &["press"]);
        let made = one_of(app, "c1");
        assert_eq!(made["still_met"], true);
        set_tags(app, "c1", &[]);
        let mut expected = made;
        expected["still_met"] = json!(false);
        assert_eq!(one_of(app, "c1"), expected, "it waits on, and says what was found");
        assert_eq!(nomination(app, &id_of(&expected)), expected);
        // A person may approve it all the same.
        approve(app, &id_of(&expected));
        assert_eq!(designation(app, "c1")["tier"], "gold");
    }

    fn of_many_facts_at_once_one_nomination_comes(app) {
        set_up_shop(app);
        let grants = json!({"tier": "gold", "requires_approval": true});
        put_rule(app, "r", &rule("lifetime_spend >= 40.00", grants));
        let barrier = std::sync::Barrier::new(8);
        std::thread::scope(|scope| {
            for i in 0..8 {
                let barrier = &barrier;
                scope.spawn(move || {
                    barrier.wait();
                    app.order(&format!("o{i}"), "c1", &from_now(-60), "10.00").expect(201);
                });
            }
        });
        assert_eq!(one_of(app, "c1")["state"], "waiting");
    }

    fn the_list_is_newest_first_and_narrowed_down(app) {
        set_up_shop(app);
        let tiers = ladder_with(&[
            ("silver", "0", json!({"threshold": null})),
            ("gold", "0", json!({"threshold": null})),
            ("platinum", "500.00", json!({"designates": true, "requires_approval": true})),
        ]);
        platform(app).put("/v1/tiers", &tiers).expect(200);
        let grants = json!({"tier": "silver", "requires_approval": true});
        put_rules(app, &[
            ("a", asking(json!({"tier": "gold"}))), ("b", rule("has_tag/staff >= 1", grants)),
        ]);
        set_tags(app, "c3", &["press"]);
        set_tags(app, "c1", &["press"]);
        app.order("o1", "c2", &from_now(-60), "500.00").expect(201);
        nominated(app, "c4");
        set_tags(app, "c1", &["press", "staff"]);
        nominated(app, "c5");
        decline(app, &id_of(&one_of(app, "c5")));
        approve(app, &id_of(&one_of(app, "c3")));
        let whole = nominations(app, "");
        let told: Vec<Value> = whole
            .iter()
            .map(|row| json!([row["customer_id"], row["source"], row["rule"], row["state"]]))
            .collect();
        let expected = [
            json!(["c5", "person", null, "declined"]),
            json!(["c1", "rule", "b", "waiting"]),
            json!(["c4", "person", null, "waiting"]),
            json!(["c2", "tier", null, "waiting"]),
            json!(["c1", "rule", "a", "waiting"]),
            json!(["c3", "rule", "a", "approved"]),
        ];
        assert_eq!(told, expected);
        assert!(whole.is_sorted_by(|a, b| instant(&a["nominated_at"]) >= instant(&b["nominated_at"])));
        for row in &whole {
            assert_eq!(&nomination(app, &id_of(row)), row);
        }

        let client = app.support();
        for (query, places) in [
            ("state=waiting", &[1, 2, 3, 4][..]), ("state=approved", &[5]), ("state=declined", &[0]),
            ("source=rule", &[1, 4, 5]), ("source=tier", &[3]), ("source=person", &[0, 2]),
            ("rule=a", &[4, 5]), ("rule=absent", &[]), ("customer_id=c1", &[1, 4]),
            ("customer_id=absent", &[]), ("customer_id=c1&rule=a&state=waiting&source=rule", &[4]),
            ("state=declined&source=rule", &[]), ("", &[0, 1, 2, 3, 4, 5]),
        ] {
            let expected: Vec<Value> = places.iter().map(|i: &usize| whole[*i].clone()).collect();
            assert_eq!(nominations(app, query), expected, "{query}");
            // The same, one to a page.
            let (mut walked, mut cursor) = (Vec::new(), String::new());
            loop {
                let page = client.get(&format!("{NOMINATIONS}?{query}&limit=1{cursor}")).expect(200).body;
                let rows = page["nominations"].as_array().unwrap();
                assert!(rows.len() <= 1 && walked.len() <= whole.len(), "{page}");
                walked.extend(rows.iter().cloned());
                let Some(next) = page["next_cursor"].as_str() else { break };
                cursor = format!("&cursor={next}");
            }
            assert_eq!(walked, expected, "{query}");
        }
        assert_paging_rules(&client, NOMINATIONS);
        for (query, pointer) in [
            ("state=open", "?state"), ("source=robot", "?source"), ("rule=a%20b", "?rule"),
            ("customer_id=a%20b", "?customer_id"),
        ] {
            let answer = client.get(&format!("{NOMINATIONS}?{query}"));
            let answer = answer.expect_problem(422, "invalid_request");
            assert_eq!(answer.pointers(), [pointer], "{query}");
        }
    }

    fn what_is_not_there_is_404_and_so_is_another_stores(app) {
        set_up_shop(app);
        let id = nominated(app, "c1");
        let before = nomination(app, &id);
        let other = neighbour(app, Role::Manager);
        assert_same_404(&other.get(&path(&id)), &app.support().get(&path("absent")));
        for decision in ["approve", "decline"] {
            assert_same_404(&decide(&other, &id, decision), &decide(&app.manager(), "absent", decision));
        }
        let theirs = other.get(NOMINATIONS).expect(200).body;
        assert_eq!(theirs, json!({"nominations": [], "next_cursor": null}));
        let body = json!({"customer_id": "c1", "note": "Deserves it."});
        other.post(NOMINATIONS, &body).expect_problem(404, "not_found");
        assert_eq!(nomination(app, &id), before);
    }

    fn what_becomes_of_nominations_is_told(app) {
        set_up_shop(app);
        put_rule(app, "r", &asking(json!({"tier": "gold"})));
        set_tags(app, "c1", &["press"]);
        let by_rule = id_of(&one_of(app, "c1"));
        let by_hand = nominated(app, "c2");
        let events = feed(app);
        let made = json!({"nomination_id": by_rule, "source": "rule", "rule": "r", "tier": "gold"});
        assert_eq!(told(&events, "c1", "nomination_made"), [made]);
        let made = json!({"nomination_id": by_hand, "source": "person", "rule": null, "tier": "gold"});
        assert_eq!(told(&events, "c2", "nomination_made"), [made]);
        assert!(events.iter().all(|event| event["kind"] != "nomination_decided"), "{events:?}");
        approve(app, &by_rule);
        decline(app, &by_hand);
        designate(app, "c2", &json!({"tier": "silver"}));
        put_rule(app, "r", &asking(json!({"tier": "platinum"})));
        set_tags(app, "c2", &["press"]);
        let raising = id_of(&nominations(app, "customer_id=c2&source=rule")[0]);
        approve(app, &raising);
        let events = feed(app);
        for (customer, id, state) in [("c1", &by_rule, "approved"), ("c2", &by_hand, "declined")] {
            let decided = json!({"nomination_id": id, "state": state});
            assert_eq!(told(&events, customer, "nomination_decided")[0], decided);
        }
        assert_eq!(told(&events, "c1", "designated").len(), 1);
        let changed = told(&events, "c2", "designation_changed");
        assert_eq!(changed.len(), 1, "{events:?}");
        assert!(changed[0]["fields"].as_array().unwrap().contains(&json!("tier")));
    }

    fn who_put_forward_and_who_decided_is_written_down_with_the_notes_beside(app) {
        set_up_shop(app);
        put_rule(app, "r", &asking(json!({"tier": "silver"})));
        for customer in ["c1", "c2"] {
            set_tags(app, customer, &[]);
            let body = json!({
                "customer_id": customer, "tier": "gold", "assigned_to": "sam-the-secret",
                "note": "why-in-secret",
            });
            nominate(app, &body).expect(201);
        }
        set_tags(app, "c3", &["press"]);
        for (customer, decision) in [("c1", "approve"), ("c2", "decline")] {
            let path = format!("{}/{decision}", path(&id_of(&one_of(app, customer))));
            app.manager().post(&path, &json!({"note": "decided-in-secret"})).expect(200);
        }
        for (action, customer, role, note) in [
            ("nominated", "c1", "support", json!("why-in-secret")),
            ("nominated", "c2", "support", json!("why-in-secret")),
            ("nominated", "c3", "system", Value::Null),
            ("nomination_approved", "c1", "manager", json!("decided-in-secret")),
            ("nomination_declined", "c2", "manager", json!("decided-in-secret")),
        ] {
            let found = entries(app, &format!("action={action}&customer_id={customer}"));
            assert_eq!(found.len(), 1, "{action} {customer}: {found:?}");
            assert_eq!((&found[0]["role"], &found[0]["note"]), (&json!(role), &note), "{action} {customer}");
            let subject = if role == "system" { "accolade" } else { "tester" };
            assert_eq!(found[0]["subject"], subject);
        }
        for entry in entries(app, "") {
            let change = format!("{} {}", entry["before"], entry["after"]);
            assert!(!change.contains("secret"), "{entry}");
        }
        let events = json!(feed(app)).to_string();
        assert!(!events.contains("secret"), "{events}");
    }

    fn what_is_refused_is_not_written_down(app) {
        set_up_shop(app);
        let id = nominated(app, "c1");
        decline(app, &id);
        let before = entries(app, "");
        let body = json!({"customer_id": "c1", "note": "Once more."});
        nominate(app, &body).expect_problem(409, "declined_recently");
        decide(&app.manager(), &id, "approve").expect_problem(409, "nomination_decided");
        decide(&app.support(), &id, "approve").expect_problem(403, "forbidden");
        assert_eq!(entries(app, ""), before);
    }

    fn with_the_person_what_waits_is_declined_and_all_texts_go(app) {
        set_up_shop(app);
        put_rule(app, "r", &asking(json!({"tier": "silver", "assigned_to": "secret-sam"})));
        set_tags(app, "c1", &["press"]);
        let declined = id_of(&one_of(app, "c1"));
        let body = json!({"note": "secret-no"});
        app.manager().post(&format!("{}/decline", path(&declined)), &body).expect(200);
        let body = json!({
            "customer_id": "c1", "tier": "gold", "assigned_to": "secret-bo", "note": "secret-why",
        });
        let waiting = id_of(&nominate(app, &body).expect(201).body);
        nominated(app, "c2");
        app.admin().delete("/v1/customers/c1").expect(204);

        for query in ["", "customer_id=c1", "state=declined"] {
            let found = nominations(app, query);
            assert!(found.iter().all(|row| row["customer_id"] == "c2"), "{query}: {found:?}");
        }
        assert_eq!(nominations(app, "").len(), 1);
        let stored = stored_of(app, "c1");
        let mut expected = [
            format!("{declined} declined tester decided none none none"),
            format!("{waiting} declined system decided none none none"),
        ];
        expected.sort();
        assert_eq!(stored, expected, "nobody decided the second but the system");
        for id in [&declined, &waiting] {
            let left = app.support().get(&path(id));
            assert!(!left.text.contains("secret"), "{}", left.text);
            for decision in ["approve", "decline"] {
                decide(&app.manager(), id, decision).expect_problem(410, "customer_erased");
            }
        }
        for entry in entries(app, "customer_id=c1") {
            assert!(!entry.to_string().contains("secret"), "{entry}");
        }
        assert_eq!(designation(app, "c1"), Value::Null);
    }
}
