//! Requests with an `Idempotency-Key`: sent again they are answered again, and
//! nothing is done twice.

use super::credits::{ledger, path as credits};
use crate::support::*;
use accolade::api::auth::{Caller, Role};
use accolade::api::document_json;
use accolade::api::tokens::{Parties, Secret, issue};
use accolade::db::idempotency::KeptRow;
use accolade::db::programs::{self, Hold};
use accolade::db::schema::kept_answers;
use accolade::db::{self, Tx, idempotency};
use accolade::domain::id::StoreId;
use accolade::workflow::idempotency::forget;
use chrono::{Duration, Utc};
use diesel::prelude::*;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::mpsc::{Sender, channel};
use std::thread;
use std::time::{Duration as StdDuration, Instant};

const HEADER: &str = "Idempotency-Key";
/// How long anything is waited for.
const PATIENCE: StdDuration = StdDuration::from_secs(20);

/// A request that can be carried out once, and another of the same operation.
struct Case {
    operation: &'static str,
    request: (String, Option<Value>),
    other: (String, Option<Value>),
}

/// A store with people in it; one request of each operation that takes a key,
/// in an order in which all of them can be carried out.
fn set_up(app: &App, store: &str) -> Vec<Case> {
    let platform = app.client_of(store, Role::PlatformAdmin);
    let settings = json!({"currency": "GBP", "time_zone": "UTC", "start_date": "2020-01-01"});
    platform.patch("/v1/program", &settings).expect(200);
    for customer in ["c1", "c2", "c3", "c4", "c5"] {
        let path = format!("/v1/customers/{customer}");
        let shop = app.client_of(store, Role::Storefront);
        shop.put(&path, &json!({"name": "Ada Byron"})).expect(201);
    }
    platform.put("/v1/customers/c2/designation", &json!({})).expect(201);
    let nominated = |customer: &str| {
        let body = json!({"customer_id": customer, "note": "Recommends us."});
        let made = platform.post("/v1/nominations", &body).expect(201).body;
        format!("/v1/nominations/{}", made["nomination_id"].as_str().unwrap())
    };
    let (fourth, fifth) = (nominated("c4"), nominated("c5"));
    let with_body = |operation, path: &str, body: Value, other: Value| Case {
        operation,
        request: (path.to_owned(), Some(body)),
        other: (path.to_owned(), Some(other)),
    };
    let bare = |operation, path: &str| Case {
        operation,
        request: (path.to_owned(), None),
        other: (format!("{path}?allow_downgrades=false"), None),
    };
    let removed = |reason: &str| json!({"reason": reason, "note": "Moved away.", "confirm": true});
    let note = |text: &str| json!({"note": text});
    vec![
        with_body("post_credit", &credits("c1"), gift("5.00"), gift("6.00")),
        with_body(
            "recalculate_membership",
            "/v1/customers/c1/membership/recalculation",
            json!({"reason": "a typing error"}),
            json!({"reason": "another one"}),
        ),
        with_body(
            "nominate_customer",
            "/v1/nominations",
            json!({"customer_id": "c3", "note": "Recommends us."}),
            json!({"customer_id": "c3", "note": "Recommends us often."}),
        ),
        with_body(
            "remove_designation",
            "/v1/customers/c2/designation/removal",
            removed("cancelled"),
            removed("other"),
        ),
        with_body("approve_nomination", &format!("{fourth}/approve"), note("Yes."), note("Aye.")),
        with_body("decline_nomination", &format!("{fifth}/decline"), note("No."), note("Nay.")),
        bare("pause_program", "/v1/program/pause"),
        bare("resume_program", "/v1/program/resume"),
    ]
}

/// Credit that is given by hand.
fn gift(credit: &str) -> Value {
    json!({"kind": "adjusted", "credit": credit, "note": "A birthday."})
}

/// A client of the test's store that sends a key with each request.
fn with_key<'a>(app: &'a App, key: &str) -> Client<'a> {
    app.client(Role::PlatformAdmin).with(HEADER, key)
}

fn send(client: &Client<'_>, request: &(String, Option<Value>)) -> Answer {
    match request {
        (path, Some(body)) => client.post(path, body),
        (path, None) => client.post_empty(path),
    }
}

fn is_replay(answer: &Answer) -> bool {
    answer.headers.get("idempotent-replayed").is_some_and(|value| value == "true")
}

/// Insists on an answer to what was done just now.
#[track_caller]
fn assert_fresh(answer: &Answer) {
    assert!(matches!(answer.status, 200 | 201), "{}", answer.text);
    assert!(!answer.headers.contains_key("idempotent-replayed"), "{}", answer.text);
}

/// Insists on the same answer, which says that it was given before.
#[track_caller]
fn assert_replay(again: &Answer, first: &Answer) {
    assert_eq!((again.status, &again.text), (first.status, &first.text));
    for header in ["content-type", "etag", "cache-control", "x-content-type-options"] {
        assert_eq!(again.headers.get(header), first.headers.get(header), "{header}");
    }
    assert!(is_replay(again), "{:?}", again.headers);
}

/// How many entries the audit log has.
fn audited(app: &App) -> usize {
    app.manager().get("/v1/audit?limit=200").expect(200).body["entries"].as_array().unwrap().len()
}

fn write<T: Send + 'static>(
    app: &App,
    job: impl FnOnce(&mut Tx<'_>) -> Result<T, db::Error> + Send + 'static,
) -> T {
    actix_web::rt::System::new().block_on(app.db.write(job)).unwrap()
}

/// What is kept, by its keys.
fn kept(app: &App) -> Vec<KeptRow> {
    let query = kept_answers::table.select(KeptRow::as_select());
    let rows = app.db.read_blocking(|tx| {
        Ok::<_, db::Error>(query.order(kept_answers::idempotency_key).load(tx.conn)?)
    });
    rows.unwrap()
}

/// Has all that is kept under a key be so much older.
fn age(app: &App, key: &'static str, by: Duration) {
    let by = by.num_microseconds().unwrap();
    let aged = write(app, move |tx| {
        let rows = kept_answers::table.filter(kept_answers::idempotency_key.eq(key));
        let older = kept_answers::kept_at.eq(kept_answers::kept_at - by);
        Ok(diesel::update(rows).set(older).execute(tx.conn)?)
    });
    assert_eq!(aged, 1, "{key}");
}

/// Does something while no write to the test's store comes to an end, until
/// what is given to it is dropped.
fn while_held<T>(app: &App, job: impl FnOnce(Sender<()>) -> T) -> T {
    let (held, is_held) = channel();
    let (release, released) = channel::<()>();
    thread::scope(|scope| {
        scope.spawn(move || {
            write(app, move |tx| {
                programs::find(tx, &StoreId::parse(STORE).unwrap(), Hold::Update)?;
                held.send(()).unwrap();
                released.recv_timeout(PATIENCE).unwrap_err();
                Ok(())
            });
        });
        is_held.recv_timeout(PATIENCE).unwrap();
        job(release)
    })
}

#[test]
fn every_post_that_writes_takes_a_key_and_says_what_comes_of_it() {
    let mut takes = BTreeSet::new();
    let mut does_not = BTreeSet::new();
    for (path, item) in document_json()["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let Some(id) = operation["operationId"].as_str() else { continue };
            let parameters = operation["parameters"].as_array().into_iter().flatten();
            let has_key = parameters.clone().any(|stated| stated["name"] == HEADER);
            if !has_key {
                does_not.extend((method == "post").then_some(id));
                continue;
            }
            takes.insert(id);
            assert_eq!(method, "post", "{path}");
            let of = |status: &str, code: &str| {
                let content =
                    &operation["responses"][status]["content"]["application/problem+json"];
                content["examples"][code].is_object()
            };
            assert!(of("409", "idempotency_in_flight"), "{id}");
            assert!(of("422", "idempotency_key_reused") && of("422", "invalid_request"), "{id}");
            let responses = operation["responses"].as_object().unwrap();
            for (status, response) in responses.iter().filter(|(status, _)| status.starts_with('2'))
            {
                assert!(response["headers"]["Idempotent-Replayed"].is_object(), "{id} {status}");
            }
        }
    }
    assert_eq!(does_not, BTreeSet::from(["dry_run_rule", "list_badges", "post_facts"]));
    assert_eq!(takes.len(), 8, "{takes:?}");
}

on_both! {
    fn what_is_sent_again_is_answered_again_and_not_done_again(app) {
        let cases = set_up(app, STORE);
        for case in &cases {
            let client = with_key(app, case.operation);
            let before = audited(app);
            let first = send(&client, &case.request);
            assert_fresh(&first);
            settled(app, first.clone());
            let done = audited(app);
            assert!(done > before, "{} left no trace", case.operation);

            for _ in 0..2 {
                assert_replay(&send(&client, &case.request), &first);
            }
            send(&client, &case.other).expect_problem(422, "idempotency_key_reused");
            assert_eq!(audited(app), done, "{}", case.operation);
            let has_version = first.headers.contains_key("etag");
            let has_none = ["post_credit", "recalculate_membership"];
            assert_eq!(has_version, !has_none.contains(&case.operation), "{}", case.operation);
        }
        // Each under its operation's own name.
        let operations: BTreeSet<_> = kept(app).into_iter().map(|row| row.operation).collect();
        assert_eq!(operations, cases.iter().map(|case| case.operation.to_owned()).collect());
    }

    fn while_a_request_is_in_flight_its_key_is_taken(app) {
        for case in set_up(app, STORE) {
            let key = case.operation;
            let (refused, first) = while_held(app, |release| {
                let (sender, answers) = channel();
                thread::scope(|scope| {
                    for _ in 0..2 {
                        let (sender, case) = (sender.clone(), &case);
                        scope.spawn(move || sender.send(send(&with_key(app, key), &case.request)).unwrap());
                    }
                    // Whichever came second is told so while the other one waits.
                    let refused = answers.recv_timeout(PATIENCE).unwrap();
                    drop(release);
                    (refused, answers.recv_timeout(PATIENCE).unwrap())
                })
            });
            refused.expect_problem(409, "idempotency_in_flight");
            assert_fresh(&first);
            settled(app, first.clone());
            assert_replay(&send(&with_key(app, key), &case.request), &first);
        }
    }

    fn of_many_at_once_one_is_carried_out(app) {
        set_up(app, STORE);
        let answers: Vec<Answer> = thread::scope(|scope| {
            let all: Vec<_> = (0..50)
                .map(|_| scope.spawn(|| with_key(app, "k1").post(&credits("c1"), &gift("5.00"))))
                .collect();
            all.into_iter().map(|one| one.join().unwrap()).collect()
        });
        let (done, refused): (Vec<_>, Vec<_>) = answers.into_iter().partition(|answer| answer.status == 201);
        for answer in refused {
            answer.expect_problem(409, "idempotency_in_flight");
        }
        assert_eq!(done.iter().filter(|answer| !is_replay(answer)).count(), 1);
        for answer in &done {
            assert_eq!(answer.text, done[0].text);
        }
        assert_eq!(ledger(app, "c1").len(), 1);
        let again = with_key(app, "k1").post(&credits("c1"), &gift("5.00"));
        assert_replay(&again, &done[0]);
        assert_eq!(ledger(app, "c1").len(), 1);
    }

    fn instances_share_the_keys(app) {
        set_up(app, STORE);
        let beside = app.beside();
        let request = (credits("c1"), Some(gift("5.00")));
        let (one, other) = while_held(app, |release| {
            let (sender, answers) = channel();
            thread::scope(|scope| {
                for instance in [app, &beside] {
                    let (sender, request) = (sender.clone(), &request);
                    scope.spawn(move || sender.send(send(&with_key(instance, "k1"), request)).unwrap());
                }
                // SQLite's file has one writer: there the other instance waits.
                let early = (!app.db.is_sqlite()).then(|| answers.recv_timeout(PATIENCE).unwrap());
                drop(release);
                let next = || answers.recv_timeout(PATIENCE).unwrap();
                (early.unwrap_or_else(next), next())
            })
        });
        if app.db.is_sqlite() {
            let (first, again) = if is_replay(&one) { (&other, &one) } else { (&one, &other) };
            assert_fresh(first);
            assert_replay(again, first);
        } else {
            one.expect_problem(409, "idempotency_in_flight");
            assert_fresh(&other);
        }
        let again = [app, &beside].map(|instance| send(&with_key(instance, "k1"), &request));
        assert!(again.iter().all(is_replay), "{again:?}");
        assert_eq!(again[0].text, again[1].text);
        assert_eq!(ledger(app, "c1").len(), 1);
    }

    fn what_is_refused_is_not_kept(app) {
        set_up(app, STORE);
        let shop = app.storefront().with(HEADER, "k1");
        let spend = |credit: &str| json!({"kind": "redeemed", "credit": credit});
        shop.post(&credits("nobody"), &spend("5.00")).expect_problem(404, "not_found");
        shop.post(&credits("c1"), &spend("5.00")).expect_problem(409, "insufficient_balance");
        shop.post(&credits("c1"), &spend("-5.00")).expect_problem(422, "invalid_request");
        shop.post(&credits("c1"), &gift("5.00")).expect_problem(403, "forbidden");
        assert_eq!(kept(app), []);
        app.manager().post(&credits("c1"), &gift("5.00")).expect(201);
        // The same as before, and then another one with a key that was refused.
        let spent = shop.post(&credits("c1"), &spend("5.00"));
        assert_fresh(&spent);
        assert_replay(&shop.post(&credits("c1"), &spend("5.00")), &spent);
        shop.post(&credits("c1"), &spend("1.00")).expect_problem(422, "idempotency_key_reused");
        let other = app.storefront().with(HEADER, "k2");
        other.post(&credits("c1"), &spend("5.00")).expect_problem(409, "insufficient_balance");
        app.manager().post(&credits("c1"), &gift("1.00")).expect(201);
        assert_fresh(&other.post(&credits("c1"), &spend("1.00")));
        assert_eq!(ledger(app, "c1").len(), 4);
    }

    fn a_key_is_of_one_store_and_operation_and_goes_with_one_caller(app) {
        set_up(app, STORE);
        set_up(app, "other");
        let first = with_key(app, "k1").post(&credits("c1"), &gift("5.00"));
        assert_fresh(&first);
        let nomination = json!({"customer_id": "c3", "note": "Recommends us."});
        assert_fresh(&with_key(app, "k1").post("/v1/nominations", &nomination));
        let neighbour = app.client_of("other", Role::PlatformAdmin).with(HEADER, "k1");
        assert_fresh(&neighbour.post(&credits("c1"), &gift("5.00")));
        assert_eq!(ledger(app, "c1").len(), 1);

        let token = |subject: &str, role: Role, hours: i64| {
            let secret = Secret::new(SECRET.as_bytes().to_vec()).unwrap();
            let store = StoreId::parse(STORE).unwrap();
            let caller = Caller { store, subject: subject.to_owned(), role };
            let ttl = Duration::hours(hours);
            issue(&secret, &Parties::default(), &caller, Utc::now(), ttl).unwrap()
        };
        let post = |token: String, customer: &str| {
            let client = app.client_with(Some(&token)).with(HEADER, "k1");
            client.post(&credits(customer), &gift("5.00"))
        };
        let reused = |answer: Answer| answer.expect_problem(422, "idempotency_key_reused");
        reused(post(token("tester", Role::PlatformAdmin, 1), "c2"));
        reused(post(token("somebody", Role::PlatformAdmin, 1), "c1"));
        reused(post(token("tester", Role::Manager, 1), "c1"));
        // The same caller with another token.
        assert_replay(&post(token("tester", Role::PlatformAdmin, 2), "c1"), &first);
        assert_eq!((ledger(app, "c1").len(), ledger(app, "c2").len()), (1, 0));
    }

    fn a_query_is_the_same_whatever_its_order(app) {
        set_up(app, STORE);
        let client = with_key(app, "k1");
        let first = client.post_empty("/v1/program/pause?allow_downgrades=false&effective_from=2024-01-01T00:00:00Z");
        assert_fresh(&first);
        let same = "/v1/program/pause?effective_from=2024-01-01T00%3A00%3A00Z&allow_downgrades=false";
        assert_replay(&client.post_empty(same), &first);
        for other in ["", "?allow_downgrades=false", "?allow_downgrades=true&effective_from=2024-01-01T00:00:00Z"] {
            let answer = client.post_empty(&format!("/v1/program/pause{other}"));
            answer.expect_problem(422, "idempotency_key_reused");
        }
    }

    fn what_is_kept_of_a_pause_is_how_things_stood_at_the_commit(app) {
        set_up(app, STORE);
        let version = app.admin().get("/v1/program").expect(200).etag();
        let client = app.admin().with(HEADER, "k1").with("if-match", &version);
        let pause = "/v1/program/pause?effective_from=2024-01-01T00:00:00Z";
        let first = client.post_empty(pause);
        assert_fresh(&first);
        let begun = &first.body["recalculation"];
        assert_eq!((&begun["state"], &begun["customers_done"]), (&json!("running"), &json!(0)));
        let ended = settled(app, first.clone());
        assert_eq!((&ended["state"], &ended["customers_done"]), (&json!("completed"), &json!(5)));
        // The program is another version by now, which a replay does not ask for.
        assert_ne!(app.admin().get("/v1/program").expect(200).etag(), first.etag());
        assert_replay(&client.post_empty(pause), &first);
        client.post_empty("/v1/program/resume").expect_problem(412, "precondition_failed");
    }

    fn an_answer_is_kept_for_a_day(app) {
        set_up(app, STORE);
        let client = with_key(app, "k1");
        let first = client.post(&credits("c1"), &gift("5.00"));
        assert_fresh(&first);
        age(app, "k1", Duration::hours(24) - Duration::minutes(5));
        assert_replay(&client.post(&credits("c1"), &gift("5.00")), &first);
        age(app, "k1", Duration::minutes(5));
        // Another request may have the key then.
        let next = client.post(&credits("c1"), &gift("6.00"));
        assert_fresh(&next);
        assert_replay(&client.post(&credits("c1"), &gift("6.00")), &next);
        assert_eq!(ledger(app, "c1").len(), 2);
    }

    fn what_is_past_is_deleted(app) {
        set_up(app, STORE);
        with_key(app, "fresh").post(&credits("c1"), &gift("5.00")).expect(201);
        let row = kept(app).remove(0);
        write(app, move |tx| {
            for number in 0..1_200 {
                let day = Duration::hours(24).num_microseconds().unwrap();
                let old = KeptRow {
                    idempotency_key: format!("old-{number}"),
                    kept_at: row.kept_at - day,
                    ..row.clone()
                };
                idempotency::insert(tx, &old)?;
            }
            Ok(())
        });
        actix_web::rt::System::new().block_on(forget(&app.db, Utc::now())).unwrap();
        let left: Vec<_> = kept(app).into_iter().map(|row| row.idempotency_key).collect();
        assert_eq!(left, ["fresh"]);
    }

    fn an_erasure_deletes_what_is_kept_of_the_customer(app) {
        let cases = set_up(app, STORE);
        for case in &cases {
            let answer = send(&with_key(app, case.operation), &case.request);
            assert_fresh(&answer);
            settled(app, answer);
        }
        with_key(app, "other").post(&credits("c9"), &gift("5.00")).expect_problem(404, "not_found");
        assert_eq!(kept(app).len(), cases.len());
        for customer in ["c1", "c2", "c3", "c4"] {
            app.admin().delete(&format!("/v1/customers/{customer}")).expect(204);
        }
        let left: Vec<_> = kept(app).into_iter().map(|row| row.operation).collect();
        assert_eq!(left, ["decline_nomination", "pause_program", "resume_program"]);
        let again = send(&with_key(app, "post_credit"), &cases[0].request);
        again.expect_problem(410, "customer_erased");
    }

    fn a_caller_who_did_not_hear_the_answer_is_told_it(app) {
        set_up(app, STORE);
        let client = with_key(app, "k1");
        client.post_and_hang_up(&credits("c1"), &gift("5.00"));
        let started = Instant::now();
        while ledger(app, "c1").is_empty() {
            assert!(started.elapsed() < PATIENCE, "it was never carried out");
            thread::sleep(StdDuration::from_millis(20));
        }
        let again = client.post(&credits("c1"), &gift("5.00")).expect(201);
        assert!(is_replay(&again), "{:?}", again.headers);
        assert_eq!(again.body["entry"], ledger(app, "c1")[0]);
        assert_eq!(ledger(app, "c1").len(), 1);
    }

    fn a_key_has_1_to_255_visible_ascii_characters(app) {
        let cases = set_up(app, STORE);
        let long = "x".repeat(256);
        for case in &cases {
            for bad in ["", "a b", "a\tb", "ä", &long] {
                let answer = send(&with_key(app, bad), &case.request).expect_problem(422, "invalid_request");
                assert_eq!(answer.pointers(), [HEADER], "{} {bad:?}", case.operation);
            }
            let twice = with_key(app, "k1").with(HEADER, "k2");
            let answer = send(&twice, &case.request).expect_problem(422, "invalid_request");
            assert_eq!(answer.pointers(), [HEADER], "{}", case.operation);
        }
        assert_eq!(kept(app), []);
        for (number, good) in (1..).zip(["!", "~", "\"a-quoted/key,{}\"", &long[..255]]) {
            assert_fresh(&with_key(app, good).post(&credits("c1"), &gift("5.00")));
            assert_eq!(ledger(app, "c1").len(), number, "{good}");
        }
    }
}
