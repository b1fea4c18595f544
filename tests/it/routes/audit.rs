//! The audit log: who changed what, when and why.

use super::{assert_paging_rules, ids, neighbour, paged};
use crate::support::*;
use accolade::api::auth::Role;
use accolade::db::{self, Tx};
use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use std::collections::BTreeSet;

const AUDIT: &str = "/v1/audit";
const NOON: &str = "2024-06-01T12:00:00Z";

/// The entries that a query finds, on one page.
fn entries(app: &App, query: &str) -> Vec<Value> {
    let body = app.manager().get(&format!("{AUDIT}?limit=200&{query}")).expect(200).body;
    assert_eq!(body["next_cursor"], Value::Null);
    body["entries"].as_array().unwrap().clone()
}

/// The one entry of an action.
#[track_caller]
fn one(app: &App, query: &str) -> Value {
    let found = entries(app, query);
    assert_eq!(found.len(), 1, "{query}: {found:?}");
    found[0].clone()
}

fn entry_ids(entries: &[Value]) -> BTreeSet<String> {
    entries.iter().map(|entry| entry["entry_id"].as_str().unwrap().to_owned()).collect()
}

fn at(entry: &Value) -> DateTime<Utc> {
    entry["at"].as_str().unwrap().parse().unwrap()
}

/// What an entry says of before and after, as text.
fn change(entry: &Value) -> String {
    format!("{} {}", entry["before"], entry["after"])
}

fn customer(app: &App, id: &str, body: Value) {
    app.storefront().put(&format!("/v1/customers/{id}"), &body).expect(201);
}

fn set_status(app: &App, customer: &str, status: &str, note: &str) {
    let body = json!({"status": status, "note": note});
    app.support().put(&format!("/v1/customers/{customer}/status"), &body).expect(200);
}

/// Does everything once that is written down; c1 has it done, c2 is erased.
fn set_up_everything(app: &App) {
    let (admin, manager, support) = (app.admin(), app.manager(), app.support());
    app.set_up(json!({}));
    app.set_tiers(&[("silver", "100.00")]);
    let gold = json!({"name": "Gold", "rank": 9, "threshold": "900.00"});
    admin.put("/v1/tiers/gold", &gold).expect(201);
    admin.delete("/v1/tiers/gold").expect(204);
    admin.post_empty("/v1/program/pause").expect(200);
    admin.post_empty("/v1/program/resume").expect(200);
    admin.put("/v1/benefits/care", &json!({"name": "Care", "kind": "packing"})).expect(201);
    admin.delete("/v1/benefits/care").expect(204);
    customer(app, "c1", json!({"name": "Ada"}));
    customer(app, "c2", json!({"name": "Bob"}));
    let recalculation = json!({"reason": "order o1 was a mistake"});
    manager.post("/v1/customers/c1/membership/recalculation", &recalculation).expect(200);
    set_status(app, "c1", "caution", "rude on the phone");
    let designation = json!({"tier": "silver", "priority": "low"});
    manager.put("/v1/customers/c1/designation", &designation).expect(201);
    manager.patch("/v1/customers/c1/designation", &json!({"priority": "high"})).expect(200);
    let removal = json!({"reason": "complaints", "note": "asked to leave", "confirm": true});
    manager.post("/v1/customers/c1/designation/removal", &removal).expect(200);
    support.put("/v1/customers/c1/links/c2", &json!({"relation": "household"})).expect(201);
    support.delete("/v1/customers/c1/links/c2").expect(204);
    admin.delete("/v1/customers/c2").expect(204);
}

/// Insists that the database itself refuses a statement.
fn assert_refused(app: &App, sql: &'static str) {
    use diesel::RunQueryDsl;
    let job = app.db.write(move |tx: &mut Tx<'_>| {
        diesel::sql_query(sql).execute(tx.conn)?;
        Ok::<_, db::Error>(())
    });
    let done = actix_web::rt::System::new().block_on(job);
    assert!(matches!(done, Err(db::Error::Failed(_))), "{sql}: {done:?}");
}

on_both! {
    fn each_change_is_written_down_with_who_made_it(app) {
        let began = Utc::now();
        set_up_everything(app);
        let ended = Utc::now();
        for (action, role, customer) in [
            ("program_changed", "administrator", None),
            ("tiers_changed", "administrator", None),
            ("tier_changed", "administrator", None),
            ("tier_removed", "administrator", None),
            ("program_paused", "administrator", None),
            ("program_resumed", "administrator", None),
            ("benefit_changed", "administrator", None),
            ("benefit_removed", "administrator", None),
            ("customer_changed", "storefront", Some("c1")),
            ("membership_recalculated", "manager", Some("c1")),
            ("status_changed", "support", Some("c1")),
            ("designated", "manager", Some("c1")),
            ("designation_changed", "manager", Some("c1")),
            ("designation_ended", "manager", Some("c1")),
            ("linked", "support", Some("c1")),
            ("unlinked", "support", Some("c1")),
            ("customer_erased", "administrator", Some("c2")),
        ] {
            let of_customer = customer.map(|id| format!("&customer_id={id}")).unwrap_or_default();
            let entry = one(app, &format!("action={action}{of_customer}"));
            assert_eq!((&entry["subject"], &entry["role"]), (&json!("tester"), &json!(role)), "{action}");
            assert_eq!(entry["customer_id"], json!(customer), "{action}");
            assert_eq!(entry["action"], action);
            assert!(entry["entry_id"].is_string(), "{action}");
            // Instants are cut to microseconds.
            let slack = chrono::Duration::milliseconds(1);
            assert!(at(&entry) >= began - slack && at(&entry) <= ended, "{entry}");
        }
    }

    fn an_entry_says_what_was_before_what_is_after_and_why(app) {
        set_up_everything(app);
        for (action, before, after) in [
            ("status_changed", "active", "caution"),
            ("designation_changed", "low", "high"),
        ] {
            let entry = one(app, &format!("action={action}&customer_id=c1"));
            assert!(entry["before"].to_string().contains(before), "{entry}");
            assert!(entry["after"].to_string().contains(after), "{entry}");
            assert!(!entry["after"].to_string().contains(before), "{entry}");
        }
        for (action, after) in [("designated", "silver"), ("linked", "c2")] {
            let entry = one(app, &format!("action={action}&customer_id=c1"));
            assert!(entry["after"].to_string().contains(after), "{entry}");
        }
        for (action, note) in [
            ("status_changed", json!("rude on the phone")),
            ("designation_ended", json!("asked to leave")),
            ("membership_recalculated", json!("order o1 was a mistake")),
            ("designation_changed", Value::Null),
        ] {
            assert_eq!(one(app, &format!("action={action}&customer_id=c1"))["note"], note, "{action}");
        }
        let known = entry_ids(&entries(app, "action=program_changed"));
        app.admin().patch("/v1/program", &json!({"grace_days": 30})).expect(200);
        let changed = entries(app, "action=program_changed");
        let new: Vec<&Value> = changed
            .iter()
            .filter(|entry| !known.contains(entry["entry_id"].as_str().unwrap()))
            .collect();
        assert_eq!(new.len(), 1);
        assert!(new[0]["before"].to_string().contains("90"), "{}", new[0]);
        assert!(new[0]["after"].to_string().contains("30"), "{}", new[0]);
    }

    fn what_the_system_does_is_written_down_as_its_own(app) {
        app.set_up(json!({}));
        let mut tiers = ladder(&[("gold", "100.00")]);
        tiers["tiers"][0]["designates"] = json!(true);
        app.client(Role::PlatformAdmin).put("/v1/tiers", &tiers).expect(200);
        app.order("o1", "c1", NOON, "100.00").expect(201);
        customer(app, "c2", json!({}));
        let ends_at = json!({"since": "2024-06-01", "ends_at": from_now(3)});
        app.manager().put("/v1/customers/c2/designation", &ends_at).expect(201);

        let system = |action: &str, id: &str| {
            let entry = one(app, &format!("action={action}&customer_id={id}"));
            assert_eq!((&entry["subject"], &entry["role"]), (&json!("accolade"), &json!("system")));
        };
        system("designated", "c1");
        for _ in 0..150 {
            if !entries(app, "action=designation_ended").is_empty() {
                break;
            }
            std::thread::sleep(std::time::Duration::from_millis(100));
        }
        std::thread::sleep(std::time::Duration::from_secs(1));
        system("designation_ended", "c2");
        assert_eq!(one(app, "action=designated&customer_id=c2")["subject"], "tester");
    }

    fn the_log_is_narrowed_down(app) {
        set_up_everything(app);
        let mut tiers = ladder(&[("silver", "100.00")]);
        tiers["tiers"][0]["designates"] = json!(true);
        app.client(Role::PlatformAdmin).put("/v1/tiers", &tiers).expect(200);
        app.order("o3", "c3", &from_now(0), "100.00").expect(201);
        let whole = entries(app, "");
        let count = |query: &str, keeps: &dyn Fn(&Value) -> bool| {
            let expected: Vec<Value> = whole.iter().filter(|entry| keeps(entry)).cloned().collect();
            assert_eq!(entries(app, query), expected, "{query}");
            expected.len()
        };
        assert!(count("customer_id=c1", &|entry| entry["customer_id"] == "c1") >= 7);
        assert!(count("customer_id=c2", &|entry| entry["customer_id"] == "c2") >= 1);
        assert_eq!(count("customer_id=absent", &|_| false), 0);
        assert!(count("subject=tester", &|entry| entry["subject"] == "tester") >= 17);
        assert!(count("subject=accolade", &|entry| entry["subject"] == "accolade") >= 1);
        assert_eq!(count("subject=test", &|_| false), 0);
        assert!(count("action=linked", &|entry| entry["action"] == "linked") >= 1);
        let both = |entry: &Value| entry["action"] == "designated" && entry["customer_id"] == "c1";
        assert_eq!(count("action=designated&customer_id=c1&subject=tester", &both), 1);
        assert_eq!(count("action=designated&customer_id=c1&subject=accolade", &|_| false), 0);

        let middle = one(app, "action=designated&customer_id=c1");
        let (text, middle) = (middle["at"].as_str().unwrap(), at(&middle));
        let from = count(&format!("from={text}"), &|entry| at(entry) >= middle);
        let before = count(&format!("before={text}"), &|entry| at(entry) < middle);
        assert!(from > 0 && before > 0);
        assert_eq!(from + before, whole.len());
        assert_eq!(count(&format!("from={text}&before={text}"), &|_| false), 0);
        let customer_and_time = |entry: &Value| at(entry) < middle && entry["customer_id"] == "c1";
        count(&format!("before={text}&customer_id=c1"), &customer_and_time);
    }

    fn pages_name_every_entry_once(app) {
        set_up_everything(app);
        let manager = app.manager();
        let whole = manager.get(&format!("{AUDIT}?limit=200")).expect(200).body;
        let whole = ids(&whole, "entries", "entry_id");
        assert!(whole.len() >= 16);
        assert_eq!(whole.iter().collect::<BTreeSet<_>>().len(), whole.len());
        assert_eq!(paged(&manager, AUDIT, "entries", "entry_id"), whole);
        let of_c1 = entries(app, "customer_id=c1");
        let of_c1: Vec<&str> = of_c1.iter().map(|entry| entry["entry_id"].as_str().unwrap()).collect();
        let path = format!("{AUDIT}?customer_id=c1");
        assert_eq!(paged(&manager, &path, "entries", "entry_id"), of_c1);
    }

    fn what_changes_nothing_or_is_refused_is_not_written_down(app) {
        app.set_up(json!({}));
        app.set_tiers(&[("silver", "100.00")]);
        customer(app, "c1", json!({"name": "Ada"}));
        customer(app, "c2", json!({}));
        let (manager, support) = (app.manager(), app.support());
        let (designation, link) = (json!({"tier": "silver"}), json!({"relation": "household"}));
        manager.put("/v1/customers/c1/designation", &designation).expect(201);
        support.put("/v1/customers/c1/links/c2", &link).expect(201);
        app.admin().put("/v1/benefits/care", &json!({"name": "Care", "kind": "packing"})).expect(201);
        let before = entries(app, "");

        app.storefront().put("/v1/customers/c1", &json!({"name": "Ada"})).expect(200);
        manager.put("/v1/customers/c1/designation", &designation).expect(200);
        manager.patch("/v1/customers/c1/designation", &designation).expect(200);
        support.put("/v1/customers/c1/links/c2", &link).expect(200);
        app.admin().put("/v1/benefits/care", &json!({"name": "Care", "kind": "packing"})).expect(200);
        app.admin().patch("/v1/program", &json!({"grace_days": 90})).expect(200);
        let unknown = json!({"tier": "gold"});
        manager.put("/v1/customers/c1/designation", &unknown).expect_problem(409, "unknown_tier");
        let removal = json!({"reason": "other"});
        let answer = manager.post("/v1/customers/c1/designation/removal", &removal);
        answer.expect_problem(422, "invalid_request");
        let status = json!({"status": "caution"});
        let answer = support.put("/v1/customers/c1/status", &status);
        answer.expect_problem(422, "invalid_request");
        support.put("/v1/customers/c1/designation", &json!({})).expect_problem(403, "forbidden");
        support.delete("/v1/customers/c2/links/absent").expect_problem(404, "not_found");
        support.get("/v1/customers/c1/status").expect(200);
        assert_eq!(entries(app, ""), before);
    }

    fn no_personal_text_is_in_what_was_before_and_after(app) {
        app.set_up(json!({}));
        customer(app, "c1", json!({
            "name": "Ada Byron", "email": "ada@example.com", "birthday": "1985-12-10",
            "preferred_channel": "pigeon", "tags": ["poet-child"],
        }));
        app.storefront().patch("/v1/customers/c1", &json!({"name": "Ada Lovelace"})).expect(200);
        customer(app, "c2", json!({}));
        set_status(app, "c1", "caution", "note-of-flag");
        let designation = json!({"notes": "note-of-designation"});
        app.manager().put("/v1/customers/c1/designation", &designation).expect(201);
        let designation = json!({"notes": "note-of-change"});
        app.manager().patch("/v1/customers/c1/designation", &designation).expect(200);
        let removal = json!({"reason": "other", "note": "note-of-removal", "confirm": true});
        app.manager().post("/v1/customers/c1/designation/removal", &removal).expect(200);
        let link = json!({"relation": "household", "note": "note-of-link"});
        app.support().put("/v1/customers/c1/links/c2", &link).expect(201);
        let recalculation = json!({"reason": "note-of-reason"});
        app.manager().post("/v1/customers/c1/membership/recalculation", &recalculation).expect(200);
        app.admin().delete("/v1/customers/c1").expect(204);

        let whole = entries(app, "");
        for text in [
            "Byron", "Lovelace", "ada@example.com", "1985-12-10", "pigeon", "poet-child", "note-of",
        ] {
            for entry in &whole {
                assert!(!change(entry).contains(text), "{text} in {entry}");
            }
        }
        // The names of the fields are there.
        let changed: String = entries(app, "action=customer_changed&customer_id=c1").iter().map(change).collect();
        for field in ["fields", "name", "email", "tags"] {
            assert!(changed.contains(field), "{field}: {changed}");
        }
        // And of an erased customer the notes are gone, too.
        for entry in entries(app, "customer_id=c1") {
            assert_eq!(entry["note"], Value::Null, "{entry}");
        }
    }

    fn the_database_lets_nobody_change_the_log(app) {
        set_up_everything(app);
        let before = entries(app, "");
        for sql in [
            "UPDATE audit_entries SET action = 'nothing'",
            "UPDATE audit_entries SET subject = 'nobody' WHERE store_id = 'shop'",
            "UPDATE audit_entries SET customer_id = NULL WHERE customer_id = 'c1'",
            "DELETE FROM audit_entries",
            "DELETE FROM audit_entries WHERE customer_id = 'c1'",
        ] {
            assert_refused(app, sql);
            assert_eq!(entries(app, ""), before, "{sql}");
        }
        // New entries still come.
        customer(app, "c9", json!({}));
        app.admin().delete("/v1/customers/c9").expect(204);
        one(app, "action=customer_erased&customer_id=c9");
    }

    fn the_log_refuses_what_it_does_not_know(app) {
        app.set_up(json!({}));
        let manager = app.manager();
        assert_paging_rules(&manager, AUDIT);
        for (query, pointer) in [
            ("customer_id=a%20b", "?customer_id"),
            ("from=yesterday", "?from"),
            ("before=2024-06-01", "?before"),
        ] {
            let answer = manager.get(&format!("{AUDIT}?{query}"));
            let answer = answer.expect_problem(422, "invalid_request");
            assert_eq!(answer.pointers(), [pointer], "{query}");
        }
        app.support().get(AUDIT).expect_problem(403, "forbidden");
        app.storefront().get(AUDIT).expect_problem(403, "forbidden");
    }

    fn the_log_shows_its_own_store_only(app) {
        set_up_everything(app);
        let other = neighbour(app, Role::Manager);
        let body = other.get(AUDIT).expect(200).body;
        assert_eq!(ids(&body, "entries", "action"), ["program_changed"]);
        for query in ["customer_id=c1", "action=designated", "action=customer_erased"] {
            let body = other.get(&format!("{AUDIT}?{query}")).expect(200).body;
            assert_eq!(body["entries"], json!([]), "{query}");
        }
    }
}
