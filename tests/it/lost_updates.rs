//! `ETag` and `If-Match`: who reads, changes and writes with it never
//! overwrites what somebody else wrote meanwhile. Every write of the document
//! is held to it.

use crate::contract::{Operation, operations};
use crate::role_matrix::{
    Ids, MAKING, all_of, at_rest, body, example_ids, fill, fill_and_recalculate, found, is_read,
    may, operation, path, send, timeless,
};
use crate::support::*;
use accolade::api::auth::Role::{self, PlatformAdmin};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Barrier;

/// Those that change nothing that somebody may have read and changed before,
/// and so take no `If-Match`.
const WITHOUT: [(&str, &str); 7] = [
    ("put_refund", "a refund never changes: another body under its id is refused"),
    ("post_facts", "many at once, of which `updated_at` tells the newer from the older"),
    ("post_credit", "adds an entry to the ledger, and never takes more than there is"),
    ("nominate_customer", "makes a nomination, of which one by hand waits at a time"),
    ("recalculate_membership", "folds the facts again: nothing that a caller wrote"),
    ("list_badges", "reads"),
    ("dry_run_rule", "reads"),
];

/// What no `If-Match` can be.
const MALFORMED: [&str; 10] =
    ["", ",", "1", "\"1", "1\"", "\"1\" \"2\"", "\"1 2\"", "*, \"1\"", "W/1", "\"\u{e9}\""];

/// The writes that take an `If-Match`.
fn versioned() -> Vec<Operation> {
    operations().into_iter().filter(|operation| operation.takes("If-Match")).collect()
}

/// The read that shows what a write changes: at its path, or one step above.
fn shown_by(write: &Operation) -> Operation {
    let above = write.pattern.rsplit_once('/').unwrap().0;
    let mut reads: Vec<Operation> = operations()
        .into_iter()
        .filter(|read| is_read(read) && [write.pattern, above].contains(&read.pattern))
        .collect();
    reads.sort_by_key(|read| read.pattern.len());
    reads.pop().unwrap_or_else(|| panic!("nothing shows what {} changes", write.name()))
}

/// Sends an operation with versions that it may change.
fn send_if(app: &App, store: &str, operation: &Operation, ids: &Ids, if_match: &str) -> Answer {
    let role = *may(operation.name()).last().unwrap();
    let client = app.client_of(store, role).with("if-match", if_match);
    client.send(&operation.method, &path(operation, ids), another_body(operation))
}

/// The example of the body, with something in it that `fill` has not stored.
fn another_body(operation: &Operation) -> Option<(&'static str, String)> {
    let (kind, text) = body(operation, "")?;
    let mut body: Value = serde_json::from_str(&text).unwrap();
    match operation.name() {
        "put_order" => body["total"] = json!("130.00"),
        "put_activity" => body["points"] = json!(51),
        "put_tiers" => body["tiers"][2]["name"] = json!("Another"),
        "put_designation" => body["notes"] = json!("Another."),
        "put_link" | "put_status" => body["note"] = json!("Another."),
        // What these do is something new by itself.
        "patch_customer" | "patch_designation" | "remove_designation" | "approve_nomination"
        | "decline_nomination" => {}
        _ => body["name"] = json!("Another"),
    }
    Some((kind, body.to_string()))
}

/// A store in which a write can be done.
fn ready(app: &App, store: &str, write: &str) -> Ids {
    let platform = app.client_of(store, PlatformAdmin);
    match write {
        // A tier leaves the ladder only while there are no facts.
        "delete_tier" => {
            found(app, store);
            send(app, store, PlatformAdmin, &operation("put_tiers"), &Ids::new(), "").expect(200);
            example_ids()
        }
        "resume_program" => {
            let ids = fill(app, store);
            platform.post_empty("/v1/program/pause").expect(200);
            ids
        }
        _ => fill(app, store),
    }
}

/// The number of a version.
fn number(etag: &str) -> i64 {
    etag.trim_matches('"').parse().unwrap()
}

/// All that there is to see of a store, events included.
fn everything(app: &App, store: &str, ids: &Ids) -> BTreeMap<&'static str, String> {
    at_rest(app, store);
    let mut seen = all_of(app, store, ids);
    let events = app.client_of(store, PlatformAdmin).get("/v1/events?limit=1000").expect(200);
    seen.insert("list_events", timeless(&events));
    seen
}

#[test]
fn every_write_takes_if_match_or_has_a_reason_not_to() {
    let reasons: BTreeMap<&str, &str> = WITHOUT.into_iter().collect();
    let mut known = BTreeSet::new();
    for write in operations().iter().filter(|operation| !is_read(operation)) {
        let name = write.name();
        let takes = write.takes("If-Match");
        assert_ne!(takes, reasons.contains_key(name), "{name}: {:?}", reasons.get(name));
        let is_refused = write.answers().contains(&(412, Some("precondition_failed")));
        assert_eq!(is_refused, takes, "{name} and 412");
        if takes {
            assert!(write.answers().contains(&(422, Some("invalid_request"))), "{name} and 422");
            assert!(shown_by(write).answers_header("ETag"), "what shows what {name} changes");
            let answers = write.answers_header("ETag");
            assert_eq!(answers, write.method != "DELETE", "the ETag of {name}");
        } else {
            known.insert(name);
        }
    }
    let gone: Vec<_> = reasons.keys().filter(|name| !known.contains(*name)).collect();
    assert!(gone.is_empty(), "reasons for operations that are gone: {gone:?}");
}

on_both! {
    fn what_states_an_etag_answers_one_and_nothing_else_does(app) {
        let ids = fill_and_recalculate(app, "shop");
        let mut count = 0;
        for read in operations().iter().filter(|operation| is_read(operation)) {
            let answer = send(app, "shop", PlatformAdmin, read, &ids, "").expect(200);
            let is_stated = read.answers_header("ETag");
            assert_eq!(answer.headers.contains_key("etag"), is_stated, "{}", read.name());
            count += usize::from(is_stated);
        }
        assert!(count >= 15, "only {count} reads answer an ETag");
    }

    fn another_version_is_refused_and_nothing_is_changed(app) {
        let ids = fill_and_recalculate(app, "shop");
        let before = everything(app, "shop", &ids);
        for write in versioned() {
            let read = send(app, "shop", PlatformAdmin, &shown_by(&write), &ids, "").expect(200);
            let current = number(&read.etag());
            let stale = [
                format!("\"{}\"", current - 1),
                format!("\"{}\"", current + 1),
                format!("\"{}\", \"x,y\", \"\"", current - 1),
                // Weak, or another text of the same number: not what was answered.
                format!("W/\"{current}\""),
                format!("\"0{current}\""),
                format!("\"+{current}\""),
            ];
            for if_match in stale {
                let answer = send_if(app, "shop", &write, &ids, &if_match);
                let row = format!("{} {if_match}: {}", write.name(), answer.text);
                let code = &answer.body["code"];
                assert_eq!((answer.status, code), (412, &json!("precondition_failed")), "{row}");
            }
            assert_eq!(everything(app, "shop", &ids), before, "{}", write.name());
        }
    }

    fn the_current_version_is_changed_and_is_another_one_then(app) {
        for write in versioned() {
            let name = write.name();
            let ids = ready(app, name, name);
            at_rest(app, name);
            let show = || send(app, name, PlatformAdmin, &shown_by(&write), &ids, "");
            let first = show().expect(200);
            // Of several versions, and of several headers, one has to be it.
            let listed = format!("\"x\", {}", first.etag());
            let done = send_if(app, name, &write, &ids, &listed);
            assert!(matches!(done.status, 200 | 201 | 204), "{name}: {}", done.text);
            let then = show();
            if then.status == 200 {
                assert!(number(&then.etag()) > number(&first.etag()), "{name}: {}", then.etag());
                let stated = done.headers.get("etag").map(|tag| tag.to_str().unwrap().to_owned());
                assert_eq!(stated.is_some(), write.method != "DELETE", "{name}");
                assert!(stated.is_none_or(|stated| stated == then.etag()), "{name}");
            } else {
                assert_eq!((then.status, write.method.as_str()), (404, "DELETE"), "{name}");
            }
            // Who read it before is too late.
            let late = send_if(app, name, &write, &ids, &first.etag());
            let is_told = late.status == 412
                || (write.method == "DELETE" && matches!(late.status, 404 | 410));
            assert!(is_told, "{name}: {} {}", late.status, late.text);
        }
    }

    fn any_version_wants_one_to_be_there(app) {
        let lists = |store: &str| -> BTreeMap<&'static str, String> {
            at_rest(app, store);
            let lists = operations().into_iter().filter(|op| is_read(op) && !op.pattern.contains('{'));
            let told = |op: &Operation| timeless(&send(app, store, PlatformAdmin, op, &Ids::new(), ""));
            lists.map(|op| (op.name(), told(&op))).collect()
        };
        found(app, "bare");
        let before = lists("bare");
        for write in versioned().iter().filter(|write| write.pattern.contains('{')) {
            let name = write.name();
            let expected =
                if MAKING.contains(&name) { (412, "precondition_failed") } else { (404, "not_found") };
            let answer = send_if(app, "bare", write, &example_ids(), "*");
            assert_eq!((answer.status, answer.body["code"].as_str().unwrap()), expected, "{name}");
        }
        assert_eq!(lists("bare"), before);

        // Of customers who are known and have none.
        for customer in ["c1", "c2"] {
            let path = format!("/v1/customers/{customer}");
            app.client_of("bare", Role::Storefront).put(&path, &json!({})).expect(201);
        }
        for (name, status) in [
            ("put_designation", 412), ("patch_designation", 404), ("remove_designation", 404),
            ("put_link", 412), ("delete_link", 404),
        ] {
            let answer = send_if(app, "bare", &operation(name), &example_ids(), "*");
            assert_eq!(answer.status, status, "{name}: {}", answer.text);
        }

        let nowhere = send_if(app, "nowhere", &operation("patch_program"), &Ids::new(), "*");
        nowhere.expect_problem(412, "precondition_failed");
    }

    fn what_is_no_if_match_is_refused_and_not_passed_over(app) {
        found(app, "shop");
        for write in versioned() {
            for malformed in MALFORMED {
                let answer = send_if(app, "shop", &write, &example_ids(), malformed)
                    .expect_problem(422, "invalid_request");
                assert_eq!(answer.pointers(), ["If-Match"], "{} {malformed:?}", write.name());
            }
            // Of two headers, both count.
            let role = *may(write.name()).last().unwrap();
            let client = app.client_of("shop", role).with("if-match", "*").with("if-match", "\"1\"");
            let path = path(&write, &example_ids());
            let answer = client.send(&write.method, &path, another_body(&write));
            assert_eq!(answer.expect_problem(422, "invalid_request").pointers(), ["If-Match"]);
        }
    }

    fn of_many_who_read_change_and_write_nobodys_change_is_lost(app) {
        make_things(app);
        for thing in THINGS {
            let barrier = Barrier::new(WRITERS);
            let refused: usize = std::thread::scope(|scope| {
                let writers: Vec<_> = (0..WRITERS)
                    .map(|writer| {
                        let barrier = &barrier;
                        scope.spawn(move || {
                            barrier.wait();
                            (0..WORDS).map(|word| add_word(app, &thing, writer, word)).sum::<usize>()
                        })
                    })
                    .collect();
                writers.into_iter().map(|writer| writer.join().unwrap()).sum()
            });
            let last = app.client(thing.role).get(thing.read).expect(200);
            let text = (thing.text)(&last.body);
            let mut words: Vec<&str> = text.split(' ').filter(|word| word.starts_with('w')).collect();
            words.sort_unstable();
            let mut expected: Vec<String> =
                (0..WRITERS).flat_map(|w| (0..WORDS).map(move |n| format!("w{w}.{n}"))).collect();
            expected.sort_unstable();
            assert_eq!(words, expected, "{}: of {refused} refusals", thing.read);
        }
    }

    /// Whoever goes on from an answer, without reading again, knows what the
    /// tag of that answer stands for.
    fn an_answers_etag_is_of_what_it_shows(app) {
        make_things(app);
        for thing in THINGS.iter().filter(|thing| thing.read == thing.write) {
            let at = thing.read;
            let barrier = Barrier::new(WRITERS);
            std::thread::scope(|scope| {
                for writer in 0..WRITERS {
                    let barrier = &barrier;
                    scope.spawn(move || {
                        barrier.wait();
                        let mut seen = app.client(thing.role).get(at).expect(200);
                        let mut left = WORDS;
                        while left > 0 {
                            let text = format!("{} w{writer}.{left}", (thing.text)(&seen.body));
                            let client = app.client(thing.role).with("if-match", &seen.etag());
                            let body = Some(("application/json", (thing.body)(&text).to_string()));
                            let answer = client.send(thing.method, at, body);
                            if answer.status == 412 {
                                seen = app.client(thing.role).get(at).expect(200);
                            } else {
                                seen = answer.expect(200);
                                left -= 1;
                            }
                        }
                    });
                }
            });
            let last = app.client(thing.role).get(at).expect(200);
            let text = (thing.text)(&last.body);
            let words = text.split(' ').filter(|word| word.starts_with('w'));
            assert_eq!(words.count(), WRITERS * WORDS, "{at}: {text}");
        }
    }

    /// A nomination is decided once, and has no words to add: whoever is first
    /// is served, and all others learn that it is no more what they have read.
    fn of_many_who_decide_on_what_they_have_read_one_is_served(app) {
        app.set_up(json!({}));
        for round in 0..4 {
            let customer = format!("c{round}");
            app.storefront().put(&format!("/v1/customers/{customer}"), &json!({})).expect(201);
            let body = json!({"customer_id": customer, "note": "Recommends us."});
            let made = app.support().post("/v1/nominations", &body).expect(201);
            let path = format!("/v1/nominations/{}", made.body["nomination_id"].as_str().unwrap());
            let barrier = Barrier::new(WRITERS);
            let decide = |writer: usize| {
                let read = app.manager().get(&path).expect(200);
                let decision = ["approve", "decline"][writer % 2];
                let client = app.manager().with("if-match", &read.etag());
                barrier.wait();
                client.post(&format!("{path}/{decision}"), &json!({"note": format!("by {writer}")}))
            };
            let answers: Vec<Answer> = std::thread::scope(|scope| {
                let deciders: Vec<_> = (0..WRITERS)
                    .map(|writer| {
                        let decide = &decide;
                        scope.spawn(move || decide(writer))
                    })
                    .collect();
                deciders.into_iter().map(|decider| decider.join().unwrap()).collect()
            });
            let (served, refused): (Vec<_>, Vec<_>) =
                answers.into_iter().partition(|answer| answer.status == 200);
            assert_eq!(served.len(), 1, "of {WRITERS} deciders were served");
            for answer in refused {
                answer.expect_problem(412, "precondition_failed");
            }
            let decided = app.manager().get(&path).expect(200);
            assert_eq!((&decided.body, decided.etag()), (&served[0].body, served[0].etag()));
            let is_approved = decided.body["state"] == "approved";
            let designation = format!("/v1/customers/{customer}/designation");
            let expected = if is_approved { 200 } else { 404 };
            assert_eq!(app.manager().get(&designation).status, expected, "{}", decided.body);
        }
    }
}

/// Makes everything that words are added to.
fn make_things(app: &App) {
    app.set_up(json!({}));
    let shop = app.storefront();
    for customer in ["c1", "c2", "c3"] {
        shop.put(&format!("/v1/customers/{customer}"), &json!({})).expect(201);
    }
    let household = json!({"relation": "household"});
    app.support().put("/v1/customers/c3/links/c1", &household).expect(201);
    for thing in THINGS.iter().filter(|thing| thing.is_made) {
        let client = app.client(thing.role);
        let answer = client.put(thing.write, &(thing.body)("first"));
        assert!(matches!(answer.status, 200 | 201), "{}: {}", thing.write, answer.text);
    }
}

/// Who write at once, and how many words each adds: all of them fit into a name.
const WRITERS: usize = 8;
const WORDS: usize = 2;

/// Something with a text to which everybody adds words.
#[derive(Clone, Copy)]
struct Thing {
    read: &'static str,
    method: &'static str,
    write: &'static str,
    role: Role,
    /// Whether it is not there until it is made.
    is_made: bool,
    /// The text in what is read.
    text: fn(&Value) -> String,
    /// The body that sets it.
    body: fn(&str) -> Value,
}

const THINGS: [Thing; 12] = [
    Thing {
        read: "/v1/program",
        method: "PATCH",
        write: "/v1/program",
        role: Role::Administrator,
        is_made: false,
        text: |body| text_of(&body["name"]),
        body: |text| json!({"name": text}),
    },
    Thing {
        read: "/v1/customers/c1",
        method: "PUT",
        write: "/v1/customers/c1",
        role: Role::Storefront,
        is_made: false,
        text: |body| text_of(&body["name"]),
        body: |text| json!({"name": text}),
    },
    Thing {
        read: "/v1/customers/c1/status",
        method: "PUT",
        write: "/v1/customers/c1/status",
        role: Role::Support,
        is_made: false,
        text: |body| text_of(&body["note"]),
        body: |text| json!({"status": "caution", "note": text}),
    },
    Thing {
        read: "/v1/customers/c2/designation",
        method: "PATCH",
        write: "/v1/customers/c2/designation",
        role: Role::Manager,
        is_made: true,
        text: |body| text_of(&body["notes"]),
        body: |text| json!({"notes": text}),
    },
    Thing {
        read: "/v1/customers/c3/links",
        method: "PUT",
        write: "/v1/customers/c3/links/c1",
        role: Role::Support,
        is_made: false,
        text: |body| text_of(&body["links"][0]["note"]),
        body: |text| json!({"relation": "household", "note": text}),
    },
    Thing {
        read: "/v1/benefits/hamper",
        method: "PUT",
        write: "/v1/benefits/hamper",
        role: Role::Administrator,
        is_made: true,
        text: |body| text_of(&body["name"]),
        body: |text| json!({"name": text, "kind": "gift"}),
    },
    Thing {
        read: "/v1/orders/o1",
        method: "PUT",
        write: "/v1/orders/o1",
        role: Role::Storefront,
        is_made: true,
        text: |body| words_in(&body.get("order").unwrap_or(body)["total"]),
        body: |text| order("c1", "2024-06-01T10:00:00Z", &amount_of(text)),
    },
    Thing {
        read: "/v1/activities/a1",
        method: "PUT",
        write: "/v1/activities/a1",
        role: Role::Support,
        is_made: true,
        text: |body| text_of(&body.get("activity").unwrap_or(body)["note"]),
        body: |text| {
            json!({
                "customer_id": "c1", "kind": "contact", "channel": "phone", "note": text,
                "occurred_at": "2024-06-01T10:00:00Z",
            })
        },
    },
    Thing {
        read: "/v1/tiers",
        method: "PUT",
        write: "/v1/tiers",
        role: Role::Administrator,
        is_made: true,
        text: |body| text_of(&body["tiers"][0]["name"]),
        body: |text| {
            let silver =
                json!({"code": "silver", "name": "Silver", "rank": 2, "threshold": "250.00"});
            json!({"tiers": [{"code": "bronze", "name": text, "rank": 1, "threshold": "0"}, silver]})
        },
    },
    Thing {
        read: "/v1/tiers/silver",
        method: "PUT",
        write: "/v1/tiers/silver",
        role: Role::Administrator,
        is_made: false,
        text: |body| text_of(&body["name"]),
        body: |text| json!({"name": text, "rank": 2, "threshold": "250.00"}),
    },
    Thing {
        read: "/v1/ways-to-earn/review",
        method: "PUT",
        write: "/v1/ways-to-earn/review",
        role: Role::Administrator,
        is_made: true,
        text: |body| text_of(&body["name"]),
        body: |text| json!({"name": text, "earns": "per_event", "points": "50"}),
    },
    Thing {
        read: "/v1/rules/gold",
        method: "PUT",
        write: "/v1/rules/gold",
        role: PlatformAdmin,
        is_made: true,
        text: |body| text_of(&body["name"]),
        body: |text| {
            let spend = json!({"metric": "lifetime_spend", "at_least": "1000.00"});
            json!({"name": text, "profile": "big_spender", "conditions": [spend], "grants": {}})
        },
    },
];

/// An amount with a bit for each word, where there is no text.
fn amount_of(words: &str) -> String {
    let bit = |word: &str| -> Option<u32> {
        let (writer, number) = word.strip_prefix('w')?.split_once('.')?;
        Some(writer.parse::<u32>().unwrap() * 4 + number.parse::<u32>().unwrap())
    };
    let bits: u64 = words.split(' ').filter_map(bit).map(|bit| 1 << bit).sum();
    format!("{bits}.00")
}

/// The words of such an amount.
fn words_in(amount: &Value) -> String {
    let bits: u64 = amount.as_str().unwrap().split('.').next().unwrap().parse().unwrap();
    let words = (0..64).filter(|bit| bits >> bit & 1 == 1);
    words.map(|bit| format!("w{}.{}", bit / 4, bit % 4)).collect::<Vec<_>>().join(" ")
}

/// A text that may be absent.
fn text_of(value: &Value) -> String {
    value.as_str().unwrap_or("first").to_owned()
}

/// Adds a word, however often somebody else is faster; how often that was.
fn add_word(app: &App, thing: &Thing, writer: usize, word: usize) -> usize {
    for refused in 0..WRITERS * WORDS * 4 {
        let seen = app.client(thing.role).get(thing.read).expect(200);
        let text = format!("{} w{writer}.{word}", (thing.text)(&seen.body));
        let client = app.client(thing.role).with("if-match", &seen.etag());
        let body = Some(("application/json", (thing.body)(&text).to_string()));
        let answer = client.send(thing.method, thing.write, body);
        match answer.status {
            412 => {}
            200 => return refused,
            _ => panic!("{}: {}", thing.write, answer.text),
        }
    }
    panic!("{}: somebody else was always faster", thing.read);
}
