//! Who may do what (design, section 5): every operation, in every role, with an
//! object of the own store, of another store, and of none.
//!
//! Requests and objects come from the document's own examples.

use crate::contract::{Operation, operations};
use crate::support::*;
use accolade::api::auth::Role::{self, Administrator, Manager, PlatformAdmin, Storefront, Support};
use accolade::db::events;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

pub const EVERYONE: &[Role] = &[Storefront, Support, Manager, Administrator, PlatformAdmin];
const SHOP: &[Role] = &[Storefront];
const SUPPORT_UP: &[Role] = &[Support, Manager, Administrator, PlatformAdmin];
const MANAGER_UP: &[Role] = &[Manager, Administrator, PlatformAdmin];
const ADMINISTRATOR_UP: &[Role] = &[Administrator, PlatformAdmin];
const PLATFORM_ADMIN: &[Role] = &[PlatformAdmin];
const SPENDERS: &[Role] = &[Storefront, Manager, Administrator, PlatformAdmin];
const ERASERS: &[Role] = &[Storefront, Administrator, PlatformAdmin];

/// Every operation, and the roles that may.
const MAY: &[(&str, &[Role])] = &[
    // The shop's backend writes customers and facts.
    ("put_customer", SHOP),
    ("patch_customer", SHOP),
    ("delete_customer", ERASERS),
    ("put_order", SHOP),
    ("put_refund", SHOP),
    ("post_facts", SHOP),
    ("put_activity", EVERYONE),
    // What everyone reads.
    ("get_customer", EVERYONE),
    ("get_order", EVERYONE),
    ("get_refund", EVERYONE),
    ("get_activity", EVERYONE),
    ("get_membership", EVERYONE),
    ("explain_membership", EVERYONE),
    ("get_card", EVERYONE),
    ("list_customer_benefits", EVERYONE),
    ("get_program", EVERYONE),
    ("list_program_revisions", EVERYONE),
    ("list_tiers", EVERYONE),
    ("get_tier", EVERYONE),
    ("list_benefits", EVERYONE),
    ("get_benefit", EVERYONE),
    ("list_ways_to_earn", EVERYONE),
    ("get_way_to_earn", EVERYONE),
    ("list_credits", EVERYONE),
    ("get_reward", EVERYONE),
    // The shop spends what customers have, and staff put it right.
    ("post_credit", SPENDERS),
    // Support reads lists and badges, and sets flags and links.
    ("list_customers", SUPPORT_UP),
    ("list_orders", SUPPORT_UP),
    ("list_customer_orders", SUPPORT_UP),
    ("list_customer_refunds", SUPPORT_UP),
    ("list_customer_activities", SUPPORT_UP),
    ("list_timeline", SUPPORT_UP),
    ("list_complaints", SUPPORT_UP),
    ("list_follow_ups", SUPPORT_UP),
    ("get_qualification", SUPPORT_UP),
    ("list_nominations", SUPPORT_UP),
    ("get_nomination", SUPPORT_UP),
    ("nominate_customer", SUPPORT_UP),
    ("get_status", SUPPORT_UP),
    ("put_status", SUPPORT_UP),
    ("list_status_changes", SUPPORT_UP),
    ("put_link", SUPPORT_UP),
    ("list_links", SUPPORT_UP),
    ("delete_link", SUPPORT_UP),
    ("get_customer_badge", SUPPORT_UP),
    ("get_order_badge", SUPPORT_UP),
    ("list_badges", SUPPORT_UP),
    ("get_badge_svg", SUPPORT_UP),
    // Managers run the VIP list.
    ("put_designation", MANAGER_UP),
    ("get_designation", MANAGER_UP),
    ("patch_designation", MANAGER_UP),
    ("remove_designation", MANAGER_UP),
    ("list_designations", MANAGER_UP),
    ("approve_nomination", MANAGER_UP),
    ("decline_nomination", MANAGER_UP),
    ("list_audit", MANAGER_UP),
    ("list_events", MANAGER_UP),
    ("recalculate_membership", MANAGER_UP),
    ("report_vip_share", MANAGER_UP),
    ("report_tiers", MANAGER_UP),
    ("report_retention", MANAGER_UP),
    ("report_at_risk", MANAGER_UP),
    ("report_anniversaries", MANAGER_UP),
    ("report_high_value", MANAGER_UP),
    ("report_tier_fit", MANAGER_UP),
    ("report_satisfaction", MANAGER_UP),
    ("report_referrals", MANAGER_UP),
    ("report_spend_concentration", MANAGER_UP),
    ("report_credit", MANAGER_UP),
    ("report_credit_movements", MANAGER_UP),
    // Administrators set the program.
    ("patch_program", ADMINISTRATOR_UP),
    ("pause_program", ADMINISTRATOR_UP),
    ("resume_program", ADMINISTRATOR_UP),
    ("get_recalculation", ADMINISTRATOR_UP),
    ("put_tiers", ADMINISTRATOR_UP),
    ("put_tier", ADMINISTRATOR_UP),
    ("delete_tier", ADMINISTRATOR_UP),
    ("put_way_to_earn", ADMINISTRATOR_UP),
    ("delete_way_to_earn", ADMINISTRATOR_UP),
    ("put_benefit", ADMINISTRATOR_UP),
    ("delete_benefit", ADMINISTRATOR_UP),
    // The platform's administrators say who is a VIP.
    ("list_rules", PLATFORM_ADMIN),
    ("get_rule", PLATFORM_ADMIN),
    ("put_rule", PLATFORM_ADMIN),
    ("delete_rule", PLATFORM_ADMIN),
    ("dry_run_rule", PLATFORM_ADMIN),
];

/// Those that make what they name: the identifier is the caller's choice.
pub const MAKING: [&str; 9] = [
    "put_customer",
    "put_order",
    "put_refund",
    "put_activity",
    "put_tier",
    "put_benefit",
    "put_way_to_earn",
    "put_rule",
    "dry_run_rule",
];

/// The fields of a body that name something of the store.
const REFERENCES: [&str; 9] = [
    "customer_id",
    "customer_ids",
    "order_id",
    "order_ids",
    "refund_id",
    "activity_id",
    "tier",
    "benefits",
    "benefits_dropped",
];

/// The parameters of paths, each with what it names.
pub type Ids = BTreeMap<&'static str, String>;

/// The rows of the table, which has to be whole: nothing is left out, and the
/// descriptions say the same.
pub fn matrix() -> Vec<(Operation, &'static [Role])> {
    let operations = operations();
    let stated: BTreeSet<&str> = operations.iter().map(Operation::name).collect();
    let known: BTreeSet<&str> = MAY.iter().map(|(name, _)| *name).collect();
    let missing: Vec<_> = stated.difference(&known).collect();
    let gone: Vec<_> = known.difference(&stated).collect();
    assert!(missing.is_empty(), "in the document and not in this table: {missing:?}");
    assert!(gone.is_empty(), "in this table and not in the document: {gone:?}");
    assert_eq!(MAY.len(), known.len(), "an operation stands twice");
    let row = |operation: Operation| {
        let may = may(operation.name());
        assert_eq!(operation.roles(), may, "the description of {}", operation.name());
        (operation, may)
    };
    operations.into_iter().map(row).collect()
}

/// The roles that may.
pub fn may(name: &str) -> &'static [Role] {
    MAY.iter().find(|(known, _)| *known == name).unwrap().1
}

pub fn operation(name: &str) -> Operation {
    operations().into_iter().find(|operation| operation.name() == name).unwrap()
}

/// What the document's examples name.
pub fn example_ids() -> Ids {
    let mut ids = Ids::new();
    for operation in operations() {
        for (name, example) in operation.path_parameters() {
            ids.entry(name).or_insert_with(|| example.to_owned());
        }
    }
    ids
}

/// The same, with something before each that nobody uses.
pub fn absent_ids(prefix: &str) -> Ids {
    example_ids().into_iter().map(|(name, id)| (name, format!("{prefix}{id}"))).collect()
}

/// Has the references of a body name something else, and leaves out what not
/// everyone who may send the body may send.
fn rename(value: &mut Value, prefix: &str, is_reference: bool) {
    match value {
        Value::String(text) if is_reference => text.insert_str(0, prefix),
        Value::Array(items) => {
            items.iter_mut().for_each(|item| rename(item, prefix, is_reference));
        }
        Value::Object(fields) => {
            fields.remove("designates");
            fields.remove("requires_approval");
            for (name, field) in fields {
                rename(field, prefix, REFERENCES.contains(&name.as_str()));
            }
        }
        _ => {}
    }
}

/// The example of the body, with something before what it names.
pub fn body(operation: &Operation, prefix: &str) -> Option<(&'static str, String)> {
    let (kind, text) = operation.body()?;
    let line = |line: &str| {
        let mut value: Value = serde_json::from_str(line).unwrap();
        rename(&mut value, prefix, false);
        if operation.name() == "put_status" {
            value["status"] = json!("caution");
        }
        value.to_string()
    };
    Some((kind, text.lines().map(line).collect::<Vec<_>>().join("\n")))
}

pub fn path(operation: &Operation, ids: &Ids) -> String {
    let path = format!("{}{}", operation.pattern, operation.required_query());
    ids.iter().fold(path, |path, (name, id)| path.replace(&format!("{{{name}}}"), id))
}

pub fn is_read(operation: &Operation) -> bool {
    operation.method == "GET"
}

/// Sends an operation's example in a role of a store.
pub fn send(
    app: &App,
    store: &str,
    role: Role,
    operation: &Operation,
    ids: &Ids,
    prefix: &str,
) -> Answer {
    let client = app.client_of(store, role);
    client.send(&operation.method, &path(operation, ids), body(operation, prefix))
}

/// Sets a store up that has a program and nothing else.
pub fn found(app: &App, store: &str) {
    let program = operation("patch_program");
    send(app, store, PlatformAdmin, &program, &Ids::new(), "").expect(200);
}

/// Sets a store up that has all that the examples name.
pub fn fill(app: &App, store: &str) -> Ids {
    found(app, store);
    let ids = example_ids();
    let make = |name: &str, ids: &Ids| {
        let role = *may(name).last().unwrap();
        let answer = send(app, store, role, &operation(name), ids, "");
        assert!(matches!(answer.status, 200 | 201), "{name}: {}", answer.text);
    };
    let admin = app.client_of(store, Administrator);
    for code in benefits_of_examples() {
        let gift = json!({"name": code, "kind": "gift"});
        admin.put(&format!("/v1/benefits/{code}"), &gift).expect(201);
    }
    for name in ["put_benefit", "put_tiers", "put_tier", "put_way_to_earn", "put_customer"] {
        make(name, &ids);
    }
    let mut of_other = ids.clone();
    of_other.insert("customer_id", ids["other_id"].clone());
    make("put_customer", &of_other);
    let others =
        ["put_order", "put_refund", "put_activity", "put_designation", "put_link", "put_rule"];
    for name in others {
        make(name, &ids);
    }
    let nominate = operation("nominate_customer");
    let nominated = send(app, store, PlatformAdmin, &nominate, &ids, "").expect(201);
    let mut ids = ids;
    ids.insert("nomination_id", nominated.body["nomination_id"].as_str().unwrap().to_owned());
    ids
}

/// The same, with a recalculation that has run.
pub fn fill_and_recalculate(app: &App, store: &str) -> Ids {
    let mut ids = fill(app, store);
    let admin = app.client_of(store, Administrator);
    let begun = admin.patch("/v1/program?allow_downgrades=true", &json!({})).expect(200).body;
    let id = begun["recalculation"]["recalculation_id"].as_str().unwrap();
    for _ in 0..500 {
        let path = format!("/v1/program/recalculations/{id}");
        if admin.get(&path).expect(200).body["state"] == "completed" {
            ids.insert("recalculation_id", id.to_owned());
            return ids;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    panic!("the recalculation does not end");
}

/// Waits until the background has nothing more to do: rules have judged
/// everyone, and all events have their numbers.
pub fn at_rest(app: &App, store: &str) {
    let admin = app.client_of(store, PlatformAdmin);
    for _ in 0..500 {
        let rules = admin.get("/v1/rules").expect(200).body;
        let is_judging = |rule: &Value| rule["evaluating"] == true;
        let is_judged = !rules["rules"].as_array().unwrap().iter().any(is_judging);
        let waiting = app.db.read_blocking(events::waiting).unwrap();
        if is_judged && waiting.count == 0 {
            return;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    panic!("the background does not come to rest");
}

/// The benefits that bodies of the document's examples name.
fn benefits_of_examples() -> BTreeSet<String> {
    fn collect(value: &Value, is_benefit: bool, found: &mut BTreeSet<String>) {
        match value {
            Value::String(code) if is_benefit => {
                found.insert(code.clone());
            }
            Value::Array(items) => items.iter().for_each(|item| collect(item, is_benefit, found)),
            Value::Object(fields) => {
                for (name, field) in fields {
                    collect(field, name.starts_with("benefits"), found);
                }
            }
            _ => {}
        }
    }
    let mut found = BTreeSet::new();
    for operation in operations() {
        if let Some(body) = operation.json_body() {
            collect(&body, false, &mut found);
        }
    }
    found
}

/// An answer without the instant at which it was given, and without what the
/// background is doing.
pub fn timeless(answer: &Answer) -> String {
    fn strip(value: &mut Value) {
        match value {
            Value::Array(items) => items.iter_mut().for_each(strip),
            Value::Object(fields) => {
                fields.remove("as_of");
                fields.remove("evaluating");
                fields.values_mut().for_each(strip);
            }
            _ => {}
        }
    }
    let mut body = answer.body.clone();
    strip(&mut body);
    let tag = answer.headers.get("etag").map(|tag| tag.to_str().unwrap().to_owned());
    let text = if body.is_null() { answer.text.clone() } else { body.to_string() };
    format!("{} {tag:?} {text}", answer.status)
}

/// All that can be read of a store, but for events, which are numbered later.
pub fn all_of(app: &App, store: &str, ids: &Ids) -> BTreeMap<&'static str, String> {
    let reads = matrix().into_iter().filter(|(operation, _)| is_read(operation));
    reads
        .filter(|(operation, _)| operation.name() != "list_events")
        .map(|(operation, _)| {
            let answer = send(app, store, PlatformAdmin, &operation, ids, "");
            assert_eq!(answer.status, 200, "{}: {}", operation.name(), answer.text);
            (operation.name(), timeless(&answer))
        })
        .collect()
}

on_both! {
    fn who_may_not_is_refused_whosever_the_object_is(app) {
        let rows = matrix();
        let own = fill_and_recalculate(app, "own");
        let others = fill_and_recalculate(app, "other");
        found(app, "empty");
        let before = all_of(app, "own", &own);
        let mut texts = BTreeSet::new();
        for (operation, may) in rows {
            for role in EVERYONE.iter().filter(|role| !may.contains(role)) {
                let answers = [
                    send(app, "own", *role, &operation, &own, ""),
                    send(app, "empty", *role, &operation, &others, ""),
                    send(app, "empty", *role, &operation, &absent_ids("zz-"), "zz-"),
                ];
                for (answer, object) in answers.into_iter().zip(["own", "foreign", "absent"]) {
                    let row = format!("{} {role:?} {object}", operation.name());
                    assert_eq!((answer.status, &answer.body["code"]), (403, &json!("forbidden")), "{row}");
                    texts.insert(answer.text);
                }
            }
        }
        assert_eq!(texts.len(), 1, "{texts:?}");
        assert_eq!(all_of(app, "own", &own), before);
    }

    fn who_may_comes_to_the_own_stores_object(app) {
        let rows = matrix();
        let read = fill_and_recalculate(app, "read");
        for (operation, may) in rows {
            for role in may {
                let row = format!("{} {role:?}", operation.name());
                let answer = if is_read(&operation) {
                    send(app, "read", *role, &operation, &read, "").expect(200)
                } else {
                    let store = format!("{}-{role:?}", operation.name());
                    let ids = fill(app, &store);
                    send(app, &store, *role, &operation, &ids, "")
                };
                assert!(!matches!(answer.status, 401 | 403 | 404), "{row}: {}", answer.text);
                assert!(answer.status < 500, "{row}: {}", answer.text);
            }
        }
    }

    fn another_stores_object_is_answered_like_an_absent_one_and_stays_as_it_was(app) {
        let rows = matrix();
        found(app, "empty");
        // A list without anything in its path tells of no other store.
        let lists = || -> BTreeMap<&'static str, String> {
            let of_all = rows.iter().filter(|(op, _)| is_read(op) && !op.pattern.contains('{'));
            let told = |op: &Operation| timeless(&send(app, "empty", PlatformAdmin, op, &Ids::new(), ""));
            of_all.map(|(op, _)| (op.name(), told(op))).collect()
        };
        let alone = lists();
        let others = fill_and_recalculate(app, "other");
        assert_eq!(lists(), alone);

        let before = all_of(app, "other", &others);
        let mut number = 0;
        for (operation, may) in &rows {
            let name = operation.name();
            let has_id = operation.pattern.contains('{');
            if is_read(operation) && !has_id {
                continue;
            }
            for role in *may {
                // A write may leave something behind: it gets stores of its own.
                number += 1;
                let prefix = format!("zz{number}-");
                let stores = if is_read(operation) {
                    ["empty".to_owned(), "empty".to_owned()]
                } else {
                    let stores = [format!("foreign-{number}"), format!("absent-{number}")];
                    stores.iter().for_each(|store| found(app, store));
                    stores
                };
                let foreign = send(app, &stores[0], *role, operation, &others, "");
                let absent = send(app, &stores[1], *role, operation, &absent_ids(&prefix), &prefix);
                let row = format!("{name} {role:?}: {} {}", foreign.text, absent.text);
                assert_eq!(foreign.status, absent.status, "{row}");
                if foreign.status >= 400 || name == "list_badges" {
                    assert_eq!(foreign.text, absent.text.replace(&prefix, ""), "{row}");
                }
                if is_read(operation) || operation.method == "DELETE" {
                    assert_eq!((foreign.status, &foreign.body["code"]), (404, &json!("not_found")), "{row}");
                } else if has_id && !MAKING.contains(&name) {
                    assert!(matches!(foreign.status, 404 | 409), "{row}");
                }
            }
            assert_eq!(all_of(app, "other", &others), before, "{name}");
        }
    }

    fn what_a_body_names_of_another_store_is_unknown_here(app) {
        let others = fill(app, "other");
        let [customer, other, order, tier, benefit] =
            ["customer_id", "other_id", "order_id", "tier_code", "benefit_code"].map(|name| others[name].as_str());
        found(app, "half");
        let shop = app.client_of("half", Storefront);
        shop.put(&format!("/v1/customers/{customer}"), &json!({})).expect(201);
        let manager = app.client_of("half", PlatformAdmin);
        let same = |foreign: Answer, absent: Answer, status: u16, code: &str| {
            let foreign = foreign.expect_problem(status, code);
            assert_eq!(foreign.text, absent.expect_problem(status, code).text.replace("zz-", ""));
        };

        let link = |id: &str| {
            let path = format!("/v1/customers/{customer}/links/{id}");
            manager.put(&path, &json!({"relation": "household"}))
        };
        same(link(other), link(&format!("zz-{other}")), 404, "not_found");
        let designate = |field: &str, value: Value| {
            let path = format!("/v1/customers/{customer}/designation");
            manager.put(&path, &json!({field: value}))
        };
        let absent = format!("zz-{tier}");
        same(designate("tier", json!(tier)), designate("tier", json!(absent)), 409, "unknown_tier");
        let absent = format!("zz-{benefit}");
        for field in ["benefits", "benefits_dropped"] {
            let of = |code: &str| designate(field, json!([code]));
            same(of(benefit), of(&absent), 409, "unknown_benefit");
        }
        let carry = |code: &str| {
            let body = json!({"name": "Gold", "rank": 1, "benefits": [code]});
            manager.put("/v1/tiers/gold", &body)
        };
        same(carry(benefit), carry(&absent), 409, "unknown_benefit");
        let refund = |order: &str| {
            let body = json!({"order_id": order, "amount": "1.00", "refunded_at": "2024-06-08T12:00:00Z"});
            shop.put("/v1/refunds/r9", &body)
        };
        same(refund(order), refund(&format!("zz-{order}")), 409, "unknown_order");
    }

    fn some_of_what_a_body_says_wants_a_higher_role(app) {
        let mut tier = operation("put_tier").json_body().unwrap();
        tier["designates"] = json!(true);
        let mut undesignating = tier.clone();
        undesignating["designates"] = json!(false);
        let mut ladder = operation("put_tiers").json_body().unwrap();
        for tier in ladder["tiers"].as_array_mut().unwrap() {
            tier["designates"] = json!(false);
        }
        let status = |word: &str| json!({"status": word, "note": "To see.", "confirm": true});
        // Of those who may send the operation: who may send this.
        let adjusted = json!({"kind": "adjusted", "credit": "5.00", "note": "To see."});
        let cases: [(&str, Value, &[Role]); 8] = [
            ("put_tier", tier, &[PlatformAdmin]),
            ("put_tier", undesignating, &[PlatformAdmin]),
            ("put_tiers", ladder, &[PlatformAdmin]),
            ("put_status", status("caution"), SUPPORT_UP),
            ("put_status", status("do_not_serve"), SUPPORT_UP),
            ("put_status", status("vip"), MANAGER_UP),
            // Of somebody who is a VIP.
            ("put_status", status("active"), MANAGER_UP),
            ("post_credit", adjusted, MANAGER_UP),
        ];
        for (number, (name, body, allowed)) in (1..).zip(cases) {
            let operation = operation(name);
            for role in may(name) {
                let store = format!("{name}-{number}-{role:?}");
                let path = path(&operation, &fill(app, &store));
                let sent = Some(("application/json", body.to_string()));
                let answer = app.client_of(&store, *role).send(&operation.method, &path, sent);
                let row = format!("{name} {body} {role:?}: {}", answer.text);
                if allowed.contains(role) {
                    assert!(matches!(answer.status, 200 | 201 | 409), "{row}");
                } else {
                    assert_eq!((answer.status, &answer.body["code"]), (403, &json!("forbidden")), "{row}");
                }
            }
        }
    }
}
