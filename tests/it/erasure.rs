//! Erasure: nothing personal is left anywhere in the database, and everything
//! else still answers.

use crate::support::*;
use accolade::db::{self, Tx};
use accolade::domain::search::fold;
use diesel::connection::SimpleConnection;
use diesel::{Connection, PgConnection, SqliteConnection};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

const NOON: &str = "2024-06-01T12:00:00Z";
/// Who is erased: one who is a VIP until then, and one who was removed before.
const ERASED: [&str; 2] = ["cust-ada", "cust-bert"];
/// Somebody else, who stays.
const BYSTANDER: &str = "Carla Bystanderly";

/// Personal texts that are there until the erasure.
const STORED: [&str; 26] = [
    "Zéphyrine Quastelwörth",
    "Quastelmail@Zephyr-Erasure.example",
    "Vornskelp-Club",
    "Pigeonfax-Klatter",
    "1931-07-23",
    "Flagnote grimbledorp",
    "Oldflag snorvath",
    "Desnotes prindlewick",
    "First removal crambleton",
    "Linknote out drabblefex",
    "Linknote in wimberquill",
    "Reason torquemble",
    "Viaflag mungledorn",
    "Bertrand Ölgrimsson-Fnord",
    "Bertmail@Fnord-Erasure.example",
    "Snaggleweft-List",
    "1929-02-13",
    "Bertnotes hollibrand",
    "Bertremoval quixenby",
    "Bertlink jostermane",
    "Bertflag yorrickson",
    "Agentname wiggletharp",
    "Contactnote brumblefosk",
    "Bertcontact quenlifar",
    "Creditnote hasselwimp",
    "Bertcredit molkenfrith",
];
/// Personal texts that others took the place of before the erasure.
const REPLACED: [&str; 7] = [
    "Zéphyrine Maidenhaug",
    "Maidenmail@Zephyr-Erasure.example",
    "Formertag-Trulli",
    "Olddes quorbley",
    "Oldlink spindlewray",
    "Oldagent trindlewock",
    "Oldcontact vexnimble",
];

/// A connection beside the service's own.
fn connect(url: &str) -> Box<dyn SimpleConnection> {
    match url.strip_prefix("sqlite://") {
        Some(path) => Box::new(SqliteConnection::establish(path).unwrap()),
        None => Box::new(PgConnection::establish(url).unwrap()),
    }
}

/// A contact of a customer, by an agent, after which somebody has to call again.
fn contact(customer: &str, agent: &str, note: &str) -> Value {
    json!({
        "customer_id": customer, "kind": "contact", "occurred_at": NOON, "channel": "phone",
        "agent": agent, "note": note, "follow_up_on": "2024-06-08",
    })
}

fn put(client: &Client<'_>, path: &str, body: Value) -> u16 {
    let answer = client.put(path, &body);
    assert!([200, 201].contains(&answer.status), "{path}: {}", answer.text);
    answer.status
}

/// Fills every place that takes personal text.
fn set_up_people(app: &App) {
    app.set_up(json!({}));
    app.set_tiers(&[("silver", "100.00")]);
    let (storefront, support, manager) = (app.storefront(), app.support(), app.manager());
    let (ada, bert) = ("/v1/customers/cust-ada", "/v1/customers/cust-bert");
    put(
        &storefront,
        ada,
        json!({
            "name": "Zéphyrine Maidenhaug", "email": "Maidenmail@Zephyr-Erasure.example",
            "tags": ["Formertag-Trulli"],
        }),
    );
    put(
        &storefront,
        ada,
        json!({
            "name": "Zéphyrine Quastelwörth", "email": "Quastelmail@Zephyr-Erasure.example",
            "tags": ["Vornskelp-Club", "second"],
            "preferred_channel": "Pigeonfax-Klatter", "birthday": "1931-07-23",
            "subscription": {"monthly_amount": "10.00", "state": "active"},
        }),
    );
    put(
        &storefront,
        bert,
        json!({
            "name": "Bertrand Ölgrimsson-Fnord", "email": "Bertmail@Fnord-Erasure.example",
            "tags": ["Snaggleweft-List"], "birthday": "1929-02-13",
        }),
    );
    put(&storefront, "/v1/customers/cust-carla", json!({"name": BYSTANDER}));
    app.order("o1", "cust-ada", NOON, "60.00").expect(201);
    app.points("a1", "cust-ada", NOON, 5).expect(201);
    // She was spoken to, which was written down anew, and so was he; she has complained.
    let first = contact("cust-ada", "Oldagent trindlewock", "Oldcontact vexnimble");
    put(&support, "/v1/activities/k1", first);
    let second = contact("cust-ada", "Agentname wiggletharp", "Contactnote brumblefosk");
    assert_eq!(put(&support, "/v1/activities/k1", second), 200);
    put(&support, "/v1/activities/k2", contact("cust-bert", "sam", "Bertcontact quenlifar"));
    let complaint = json!({
        "customer_id": "cust-ada", "kind": "complaint", "occurred_at": NOON, "channel": "phone",
    });
    put(&support, "/v1/activities/p1", complaint);

    // Credit was given by hand, and the answer is kept; so is that to a removal.
    for (customer, note) in
        [("cust-ada", "Creditnote hasselwimp"), ("cust-bert", "Bertcredit molkenfrith")]
    {
        let given = json!({"kind": "adjusted", "credit": "5.00", "note": note});
        let once = app.manager().with("idempotency-key", customer);
        once.post(&format!("/v1/customers/{customer}/credits"), &given).expect(201);
    }

    // Two designations: the first was removed, and the second began with the status.
    let designation = format!("{ada}/designation");
    let removal = format!("{designation}/removal");
    put(&manager, &designation, json!({"notes": "Olddes quorbley", "tier": "silver"}));
    let body = json!({"reason": "complaints", "note": "First removal crambleton", "confirm": true});
    app.manager().with("idempotency-key", "k1").post(&removal, &body).expect(200);
    put(
        &support,
        &format!("{ada}/status"),
        json!({"status": "do_not_serve", "note": "Oldflag snorvath"}),
    );
    put(&manager, &format!("{ada}/status"), json!({"status": "vip", "note": "Viaflag mungledorn"}));
    let notes = json!({"notes": "Desnotes prindlewick", "priority": "high"});
    manager.patch(&designation, &notes).expect(200);
    put(
        &support,
        &format!("{ada}/status"),
        json!({"status": "caution", "note": "Flagnote grimbledorp"}),
    );
    let pending = json!({
        "customer_id": "cust-ada", "status": "pending", "total": "1.00", "currency": "GBP",
        "placed_at": NOON,
    });
    put(&storefront, "/v1/orders/p1", pending);
    let reason = json!({"reason": "Reason torquemble"});
    manager.post(&format!("{ada}/membership/recalculation"), &reason).expect(200);

    let bert_designation = format!("{bert}/designation");
    put(&manager, &bert_designation, json!({"notes": "Bertnotes hollibrand"}));
    let body =
        json!({"reason": "moved_to_competitor", "note": "Bertremoval quixenby", "confirm": true});
    manager.post(&format!("{bert_designation}/removal"), &body).expect(200);
    put(
        &support,
        &format!("{bert}/status"),
        json!({"status": "caution", "note": "Bertflag yorrickson"}),
    );

    // From the one who goes, and to them.
    let link = |from: &str, to: &str, note: &str| {
        let path = format!("/v1/customers/{from}/links/{to}");
        put(&support, &path, json!({"relation": "household", "note": note}))
    };
    link("cust-ada", "cust-carla", "Oldlink spindlewray");
    assert_eq!(link("cust-ada", "cust-carla", "Linknote out drabblefex"), 200);
    link("cust-bert", "cust-ada", "Linknote in wimberquill");
    link("cust-carla", "cust-bert", "Bertlink jostermane");
}

fn erase(app: &App) {
    for id in ERASED {
        app.admin().delete(&format!("/v1/customers/{id}")).expect(204);
    }
}

/// All that the database holds, as one text: of SQLite the bytes of its file
/// and of those beside it, of PostgreSQL every column of every table.
fn contents(app: &App) -> String {
    if app.db.is_sqlite() {
        let file = std::path::Path::new(app.database_url.strip_prefix("sqlite://").unwrap());
        let mut bytes = Vec::new();
        for beside in std::fs::read_dir(file.parent().unwrap()).unwrap() {
            bytes.extend(std::fs::read(beside.unwrap().path()).unwrap_or_default());
        }
        return String::from_utf8_lossy(&bytes).to_lowercase();
    }
    let columns = "SELECT format('SELECT COALESCE(string_agg(%s, chr(10)), '''') AS value FROM %I',
            CASE data_type WHEN 'bytea' THEN format('encode(%I, ''escape'')', column_name)
                ELSE format('%I::text', column_name) END,
            table_name) AS value
        FROM information_schema.columns WHERE table_schema = 'public'";
    let queries = texts(app, columns);
    assert!(queries.len() > 100, "{queries:?}");
    queries.iter().flat_map(|query| texts(app, query)).collect::<Vec<_>>().join("\n").to_lowercase()
}

/// What a query answers in its column `value`.
pub fn texts(app: &App, query: &str) -> Vec<String> {
    use diesel::RunQueryDsl;
    #[derive(diesel::QueryableByName)]
    struct Cell {
        #[diesel(sql_type = diesel::sql_types::Text)]
        value: String,
    }
    let cells: Vec<Cell> = app
        .db
        .read_blocking(|tx: &mut Tx<'_>| {
            Ok::<_, db::Error>(diesel::sql_query(query).load(tx.conn)?)
        })
        .unwrap();
    cells.into_iter().map(|cell| cell.value).collect()
}

/// Those texts that are in what the database holds, as they are or folded.
fn found_in<'a>(contents: &str, texts: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let holds =
        |text: &&str| contents.contains(&text.to_lowercase()) || contents.contains(&fold(text));
    texts.filter(holds).collect()
}

fn personal() -> impl Iterator<Item = &'static str> {
    STORED.into_iter().chain(REPLACED)
}

/// Insists that an answer has none of the personal texts.
#[track_caller]
fn assert_clean(answer: &Answer) {
    let found = found_in(&answer.text.to_lowercase(), personal());
    assert!(found.is_empty(), "{found:?} in {}", answer.text);
}

fn list(app: &App, path: &str, field: &str) -> Vec<Value> {
    let body = app.manager().get(path).expect(200).body;
    body[field].as_array().unwrap().clone()
}

/// A customer's entries of the audit log by their identifiers, without their notes.
fn audit(app: &App, id: &str) -> BTreeMap<String, Value> {
    let entries = list(app, &format!("/v1/audit?limit=200&customer_id={id}"), "entries");
    let row = |entry: &Value| {
        let mut kept = entry.clone();
        kept.as_object_mut().unwrap().remove("note");
        (entry["entry_id"].as_str().unwrap().to_owned(), kept)
    };
    entries.iter().map(row).collect()
}

on_both! {
    fn nobody_waits_for_who_still_reads_what_was_before_an_erasure(app) {
        app.set_up(json!({}));
        app.storefront().put("/v1/customers/c1", &json!({"name": "Ann"})).expect(201);
        let read = "BEGIN; SELECT count(*) FROM customers";
        let mut reader = connect(&app.database_url);
        reader.batch_execute(read).unwrap();
        app.storefront().put("/v1/customers/c2", &json!({"name": "Ben"})).expect(201);
        let began = Instant::now();
        app.admin().delete("/v1/customers/c1").expect(204);
        app.storefront().put("/v1/customers/c3", &json!({})).expect(201);
        // By itself SQLite would wait for ten seconds.
        assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    }

    fn no_byte_of_what_was_personal_is_left_in_the_database(app) {
        set_up_people(app);
        // The search finds what is there.
        let before = contents(app);
        let missing: Vec<&str> =
            STORED.into_iter().filter(|text| found_in(&before, [*text].into_iter()).is_empty()).collect();
        assert!(missing.is_empty(), "the search does not find {missing:?}, which is stored");
        assert_eq!(found_in(&before, [BYSTANDER].into_iter()), [BYSTANDER]);

        erase(app);
        let started = Instant::now();
        loop {
            let after = contents(app);
            let found = found_in(&after, personal());
            if found.is_empty() {
                // And nobody else is gone with them.
                assert_eq!(found_in(&after, [BYSTANDER].into_iter()), [BYSTANDER]);
                return;
            }
            assert!(started.elapsed() < Duration::from_secs(10), "{found:?} are left");
            std::thread::sleep(Duration::from_millis(200));
        }
    }

    fn no_answer_names_who_was_erased(app) {
        set_up_people(app);
        erase(app);
        let manager = app.manager();
        for id in ERASED {
            for rest in [
                "", "/designation", "/status", "/status/history", "/timeline?limit=200", "/links",
                "/badge", "/badge.svg", "/benefits", "/card", "/orders", "/activities", "/membership",
                "/membership/explanation", "/qualification",
            ] {
                let answer = manager.get(&format!("/v1/customers/{id}{rest}"));
                assert!(answer.status < 500, "{id}{rest}: {}", answer.text);
                assert_clean(&answer);
            }
        }
        for path in [
            "/v1/audit?limit=200", "/v1/events?after=0&limit=1000", "/v1/customers", "/v1/designations",
            "/v1/orders", "/v1/orders/p1", "/v1/customers/cust-carla",
            "/v1/customers/cust-carla/links", "/v1/customers/cust-carla/timeline",
            "/v1/customers/cust-carla/badge", "/v1/activities/k1", "/v1/activities/k2",
            "/v1/follow-ups?due_by=2100-01-01", "/v1/complaints",
        ] {
            assert_clean(&manager.get(path).expect(200));
        }
        assert_clean(&manager.get("/v1/orders/o1/badge"));
        let badges = json!({"customer_ids": ["cust-ada", "cust-bert", "cust-carla"]});
        assert_clean(&manager.post("/v1/badges", &badges).expect(200));
        let carla = manager.get("/v1/customers/cust-carla").expect(200).body;
        assert_eq!(carla["name"], BYSTANDER);
    }

    fn lists_leave_out_who_was_erased(app) {
        set_up_people(app);
        erase(app);
        for path in [
            "/v1/customers", "/v1/customers?q=cust", "/v1/customers?q=quastel", "/v1/customers?vip=true",
            "/v1/customers?status=caution", "/v1/customers?tag=second", "/v1/customers?sort=-status",
            "/v1/designations", "/v1/designations?state=active", "/v1/designations?state=cancelled",
            "/v1/designations?q=cust", "/v1/designations?sort=name",
            "/v1/follow-ups?due_by=2100-01-01", "/v1/complaints",
        ] {
            for accept in ["application/json", "text/csv"] {
                let answer = app.manager().with("accept", accept).get(path).expect(200);
                for id in ERASED {
                    assert!(!answer.text.contains(id), "{path} {accept}: {}", answer.text);
                }
                assert_clean(&answer);
            }
        }
        let csv = app.manager().with("accept", "text/csv").get("/v1/customers").expect(200).text;
        assert!(csv.contains(BYSTANDER), "{csv}");
    }

    fn what_was_done_can_still_be_read_without_the_texts(app) {
        set_up_people(app);
        let audit_before = ERASED.map(|id| audit(app, id));
        let changes = |id: &str| -> Vec<Value> {
            let path = format!("/v1/customers/{id}/status/history?limit=200");
            let mut changes = list(app, &path, "changes");
            for change in &mut changes {
                change.as_object_mut().unwrap().remove("note");
            }
            changes
        };
        let changes_before = ERASED.map(changes);
        erase(app);
        for (i, id) in ERASED.into_iter().enumerate() {
            let now = audit(app, id);
            for (entry_id, entry) in &audit_before[i] {
                assert_eq!(now.get(entry_id), Some(entry), "{id}");
            }
            assert!(now.values().any(|entry| entry["action"] == "customer_erased"), "{id}");
            for entry in list(app, &format!("/v1/audit?limit=200&customer_id={id}"), "entries") {
                assert_eq!(entry["note"], Value::Null, "{entry}");
            }
            let after = changes(id);
            assert!(!changes_before[i].is_empty());
            for change in &changes_before[i] {
                assert!(after.contains(change), "{change} is missing of {id}: {after:?}");
            }
            for change in list(app, &format!("/v1/customers/{id}/status/history?limit=200"), "changes") {
                assert_eq!(change["note"], Value::Null, "{change}");
            }
            let entries = list(app, &format!("/v1/customers/{id}/timeline?limit=200"), "entries");
            let has = |kind: &str| entries.iter().any(|entry| entry["kind"] == kind);
            for kind in ["designated", "status_changed", "designation_ended", "customer_erased"] {
                assert!(has(kind), "{kind} of {id}: {entries:?}");
            }
            for entry in &entries {
                assert_eq!(entry["note"], Value::Null, "{entry}");
            }
        }
        let orders = list(app, "/v1/customers/cust-ada/timeline?limit=200", "entries");
        assert!(orders.iter().any(|entry| entry["kind"] == "order" && entry["id"] == "o1"));
    }

    fn the_designation_ends_with_the_person(app) {
        set_up_people(app);
        erase(app);
        let get = |id: &str| {
            app.manager().get(&format!("/v1/customers/{id}/designation")).expect(200).body
        };
        let ada = get("cust-ada");
        assert_eq!((&ada["state"], &ada["notes"]), (&json!("cancelled"), &Value::Null));
        assert_eq!(ada["ended"]["reason"], "customer_erased");
        assert_eq!((&ada["ended"]["removal_reason"], &ada["ended"]["note"]), (&Value::Null, &Value::Null));
        // The one that had ended before ended as it did.
        let bert = get("cust-bert");
        assert_eq!((&bert["state"], &bert["notes"]), (&json!("cancelled"), &Value::Null));
        assert_eq!(bert["ended"]["reason"], "removed");
        assert_eq!(bert["ended"]["removal_reason"], "moved_to_competitor");
        assert_eq!(bert["ended"]["note"], Value::Null);

        let told = |events: &[Value], id: &str, kind: &str| -> Vec<Value> {
            let is_meant = |event: &&Value| event["customer_id"] == id && event["kind"] == kind;
            events.iter().filter(is_meant).map(|event| event["data"].clone()).collect()
        };
        let mut events = Vec::new();
        for _ in 0..100 {
            events = list(app, "/v1/events?after=0&limit=1000", "events");
            let is_erased = |id: &&str| told(&events, id, "customer_erased").len() == 1;
            let ended = told(&events, "cust-ada", "designation_ended").len();
            if ended == 2 && ERASED.iter().all(is_erased) {
                break;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        for id in ERASED {
            assert_eq!(told(&events, id, "customer_erased"), [json!({})], "{id}");
        }
        let removed = |reason: &str| json!({"reason": "removed", "removal_reason": reason});
        let erased = json!({"reason": "customer_erased", "removal_reason": null});
        assert_eq!(told(&events, "cust-ada", "designation_ended"), [removed("complaints"), erased]);
        assert_eq!(told(&events, "cust-bert", "designation_ended"), [removed("moved_to_competitor")]);
    }

    fn nothing_more_is_written_about_who_was_erased(app) {
        set_up_people(app);
        erase(app);
        let (storefront, support, manager) = (app.storefront(), app.support(), app.manager());
        let gone = |answer: Answer| {
            answer.expect_problem(410, "customer_erased");
        };
        for id in ERASED {
            let path = format!("/v1/customers/{id}");
            gone(storefront.put(&path, &json!({"name": "Back"})));
            gone(storefront.patch(&path, &json!({"tags": ["back"]})));
            gone(storefront.delete(&path));
            let spend = json!({"kind": "redeemed", "credit": "1.00"});
            gone(storefront.post(&format!("{path}/credits"), &spend));
            let designation = format!("{path}/designation");
            gone(manager.put(&designation, &json!({"notes": "back"})));
            gone(manager.patch(&designation, &json!({"notes": "back"})));
            let removal = json!({"reason": "other", "confirm": true});
            gone(manager.post(&format!("{designation}/removal"), &removal));
            let status = format!("{path}/status");
            gone(support.put(&status, &json!({"status": "caution", "note": "back"})));
            gone(support.put(&status, &json!({"status": "active", "note": "back"})));
            gone(manager.put(&status, &json!({"status": "vip", "note": "back"})));
            let link = json!({"relation": "household", "note": "back"});
            gone(support.put(&format!("{path}/links/cust-carla"), &link));
            gone(support.put(&format!("/v1/customers/cust-carla/links/{id}"), &link));
            // Neither a new contact nor a correction of one.
            for activity in ["new", if id == "cust-ada" { "k1" } else { "k2" }] {
                let path = format!("/v1/activities/{activity}");
                gone(support.put(&path, &contact(id, "sam", "back")));
            }
        }
        let audit = manager.get("/v1/audit?limit=200").expect(200).text;
        assert!(!audit.contains("back"), "{audit}");
    }

    fn facts_still_count_for_who_was_erased(app) {
        set_up_people(app);
        erase(app);
        let membership = app.membership("cust-ada");
        assert_eq!(membership["lifetime"]["amount_spent"], "60.00");
        let answer = app.order("o2", "cust-ada", "2024-06-02T12:00:00Z", "40.00").expect(201);
        let change = &answer.body["membership"];
        assert_eq!((tier(&change["before"]), tier(&change["after"])), ("none", "silver"));
        app.refund("r1", "o2", "2024-06-03T12:00:00Z", "15.00").expect(201);
        let membership = app.membership("cust-ada");
        assert_eq!(membership["lifetime"]["amount_spent"], "85.00");
        assert_eq!(tier(&membership), "silver");
        // What comes later brings nobody back.
        let one = app.support().get("/v1/customers/cust-ada").expect(200).body;
        assert_eq!((&one["name"], &one["tags"]), (&Value::Null, &json!([])));
        let state = app.manager().get("/v1/customers/cust-ada/designation").expect(200).body;
        assert_eq!(state["state"], "cancelled");
        for path in ["/v1/customers", "/v1/designations"] {
            assert!(!app.manager().get(path).expect(200).text.contains("cust-ada"), "{path}");
        }
    }
}
