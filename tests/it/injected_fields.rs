//! What the service alone decides is not for a request to say. Every field and
//! query parameter that the document knows, and what other systems are broken
//! into by, is put where it does not belong: into every object of every body,
//! every line of a batch, every column of an import, every query of a write.
//! Each is refused by its name, and nothing is stored.
//!
//! Bodies come from the document's examples, so a new operation or field is
//! tried without a word here.

use crate::contract::{Operation, operations};
use crate::erasure::texts;
use crate::real_year::import_into;
use crate::role_matrix::{Ids, all_of, fill, fill_and_recalculate, operation, path};
use crate::support::*;
use accolade::api::auth::Role::{self, PlatformAdmin};
use accolade::api::document_json;
use accolade::api::facts::FAULTS_OF_LINE_MAX;
use accolade::api::problem::FAULTS_MAX;
use accolade::import::Files;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// What the document does not know, and somebody may hope for.
const HOPED_FOR: [&str; 20] = [
    "__proto__",
    "constructor",
    "prototype",
    "$set",
    "$where",
    "id",
    "_id",
    "store",
    "store_id",
    "tenant_id",
    "role",
    "roles",
    "is_admin",
    "admin",
    "password",
    "created_at",
    "created_by",
    "sequence",
    "deleted",
    "erased",
];

/// As many names as a query has room for.
const NAMES_IN_A_QUERY: usize = 100;

/// A schema, its reference followed, with all the shapes that it can have.
fn shapes(schema: &'static Value) -> Vec<&'static Value> {
    let Some(reference) = schema["$ref"].as_str() else {
        let words = ["oneOf", "anyOf", "allOf"].into_iter();
        let inner = words.filter_map(|word| schema[word].as_array()).flatten();
        return std::iter::once(schema).chain(inner.flat_map(shapes)).collect();
    };
    shapes(document_json().pointer(reference.strip_prefix('#').unwrap()).unwrap())
}

/// The fields of an object, each with its schema.
fn fields_of(schema: &'static Value) -> BTreeMap<&'static str, &'static Value> {
    fields_in(&shapes(schema))
}

fn fields_in(shapes: &[&'static Value]) -> BTreeMap<&'static str, &'static Value> {
    let fields = shapes.iter().filter_map(|shape| shape["properties"].as_object()).flatten();
    fields.map(|(name, schema)| (name.as_str(), schema)).collect()
}

/// The fields of the shape that an object has: where `kind` says which, that one.
fn fields_as_in(
    object: &Map<String, Value>,
    schema: &'static Value,
) -> BTreeMap<&'static str, &'static Value> {
    let is_it = |shape: &&'static Value| {
        let kinds = shape["properties"]["kind"]["enum"].as_array();
        kinds.is_none_or(|kinds| object.get("kind").is_some_and(|kind| kinds.contains(kind)))
    };
    fields_in(&shapes(schema).into_iter().filter(is_it).collect::<Vec<_>>())
}

fn items_of(schema: &'static Value) -> &'static Value {
    let items = shapes(schema).into_iter().map(|shape| &shape["items"]);
    items.into_iter().find(|items| items.is_object()).unwrap_or(&Value::Null)
}

/// A value that a schema allows: its example, or one that is put together from
/// those of the fields that it requires, or of its first.
fn example(schema: &'static Value) -> Value {
    for shape in std::iter::once(schema).chain(shapes(schema)) {
        for found in [&shape["example"], &shape["examples"][0], &shape["enum"][0]] {
            if !found.is_null() {
                return found.clone();
            }
        }
    }
    let known = fields_of(schema);
    let required = shapes(schema).into_iter().filter_map(|shape| shape["required"].as_array());
    let mut names: BTreeSet<&str> = required.flatten().filter_map(Value::as_str).collect();
    if names.is_empty() {
        let first = shapes(schema).into_iter().find_map(|shape| shape["properties"].as_object());
        names.extend(first.and_then(|fields| fields.keys().next()).map(String::as_str));
    }
    if names.is_empty() {
        return json!("2024-01-01T00:00:00Z");
    }
    Value::Object(names.into_iter().map(|name| (name.to_owned(), example(known[name]))).collect())
}

/// All that there is to put somewhere, each with a value that it might have.
fn everything() -> BTreeMap<String, Value> {
    fn collect(stated: &'static Value, found: &mut BTreeMap<String, Value>) {
        for (name, schema) in stated["properties"].as_object().into_iter().flatten() {
            found.entry(name.clone()).or_insert_with(|| example(schema));
        }
        let inner = stated.as_object().into_iter().flat_map(Map::values);
        inner
            .chain(stated.as_array().into_iter().flatten())
            .for_each(|stated| collect(stated, found));
    }
    let mut found = BTreeMap::new();
    collect(&document_json()["components"]["schemas"], &mut found);
    for (name, example) in operations().iter().flat_map(Operation::query_parameters) {
        found.entry(name.to_owned()).or_insert_with(|| example.clone());
    }
    for name in HOPED_FOR {
        found.entry(name.to_owned()).or_insert_with(|| json!("other"));
    }
    assert!(found.len() >= 250, "only {} names were found", found.len());
    found
}

/// Puts the objects into a body that it may have, and its example has not.
fn complete(value: &mut Value, schema: &'static Value) {
    match value {
        Value::Object(fields) => {
            for (name, inner) in fields_of(schema) {
                if !fields.contains_key(name) && !fields_of(inner).is_empty() {
                    fields.insert(name.to_owned(), example(inner));
                }
                if let Some(field) = fields.get_mut(name) {
                    complete(field, inner);
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| complete(item, items_of(schema))),
        _ => {}
    }
}

/// Bodies that have every object that the operation's may have, in each of its
/// shapes; none where it takes no JSON.
fn bodies(operation: &Operation) -> Vec<Value> {
    let Some(mut body) = operation.json_body() else { return Vec::new() };
    let schema = operation.body_schema();
    complete(&mut body, schema);
    let mut bodies = vec![body.clone()];
    for (name, inner) in fields_of(schema) {
        let objects: Vec<_> =
            shapes(inner).into_iter().filter(|shape| shape["properties"].is_object()).collect();
        if objects.len() > 1 {
            bodies.extend(objects.into_iter().map(|shape| {
                let mut body = body.clone();
                body[name] = example(shape);
                body
            }));
        }
    }
    bodies
}

/// Every object of a body: where it is, and the fields that it may have. One
/// whose fields are the caller's own names is none: nothing in it is decided.
fn objects(value: &Value, schema: &'static Value) -> Vec<(String, BTreeSet<String>)> {
    fn find(
        value: &Value,
        schema: &'static Value,
        here: &str,
        found: &mut Vec<(String, BTreeSet<String>)>,
    ) {
        match value {
            Value::Object(fields) => {
                let known = fields_as_in(fields, schema);
                if !known.is_empty() {
                    found.push((
                        here.to_owned(),
                        known.keys().map(|name| (*name).to_owned()).collect(),
                    ));
                    for (name, field) in fields {
                        find(field, known[name.as_str()], &format!("{here}/{name}"), found);
                    }
                }
            }
            Value::Array(items) => {
                for (i, item) in items.iter().enumerate() {
                    find(item, items_of(schema), &format!("{here}/{i}"), found);
                }
            }
            _ => {}
        }
    }
    let mut found = Vec::new();
    find(value, schema, "", &mut found);
    found
}

/// Bodies with so many fields at once put into one of its objects that are none
/// of its own, together all there are; each with the faults that this makes.
fn injected(
    body: &Value,
    place: &str,
    known: &BTreeSet<String>,
    all: &BTreeMap<String, Value>,
    at_once: usize,
) -> Vec<(Value, BTreeSet<(String, String)>)> {
    let foreign: Vec<_> = all.iter().filter(|(name, _)| !known.contains(*name)).collect();
    assert!(foreign.len() >= 200, "only {} fields at {place}", foreign.len());
    let with = |some: &[(&String, &Value)]| {
        let (mut body, mut faults) = (body.clone(), BTreeSet::new());
        let object = body.pointer_mut(place).unwrap();
        for (name, value) in some {
            object[*name] = (*value).clone();
            faults.insert((format!("{place}/{name}"), "is not a known field".to_owned()));
        }
        (body, faults)
    };
    foreign.chunks(at_once).map(with).collect()
}

/// The faults that a problem names.
fn faults(problem: &Value) -> BTreeSet<(String, String)> {
    let text = |fault: &Value, field: &str| fault[field].as_str().unwrap().to_owned();
    let faults = problem["errors"].as_array().into_iter().flatten();
    faults.map(|fault| (text(fault, "pointer"), text(fault, "detail"))).collect()
}

/// The highest role that may.
fn highest(operation: &Operation) -> Role {
    let may = operation.roles();
    if may.contains(&PlatformAdmin) { PlatformAdmin } else { *may.first().unwrap() }
}

fn send(app: &App, store: &str, operation: &Operation, ids: &Ids, body: &Value) -> Answer {
    let sent = Some(("application/json", body.to_string()));
    app.client_of(store, highest(operation)).send(&operation.method, &path(operation, ids), sent)
}

/// All that can be read of the store, and how much was written down beside it.
fn whole(app: &App, ids: &Ids) -> BTreeMap<&'static str, String> {
    let mut whole = all_of(app, STORE, ids);
    let counts = "SELECT 'events ' || count(*) AS value FROM events
        UNION ALL SELECT 'audit ' || count(*) FROM audit_entries
        UNION ALL SELECT 'kept answers ' || count(*) FROM kept_answers";
    whole.insert("what is written down", texts(app, counts).join(", "));
    whole
}

/// The same, once the background has nothing more to do.
fn settled_whole(app: &App, ids: &Ids) -> BTreeMap<&'static str, String> {
    for _ in 0..50 {
        let before = whole(app, ids);
        std::thread::sleep(Duration::from_millis(300));
        if whole(app, ids) == before {
            return before;
        }
    }
    panic!("the store does not settle");
}

/// Insists that everything is as it was.
#[track_caller]
fn assert_same(app: &App, ids: &Ids, before: &BTreeMap<&'static str, String>, after: &str) {
    let now = whole(app, ids);
    let changed: Vec<_> = before.iter().filter(|(name, was)| now[*name] != **was).collect();
    assert!(changed.is_empty(), "{after} has changed {changed:?}");
}

on_both! {
    fn every_field_that_is_none_of_a_bodys_is_refused_in_every_object(app) {
        let ids = fill_and_recalculate(app, STORE);
        let all = everything();
        let before = settled_whole(app, &ids);
        let (mut count, mut nested) = (0, 0);
        for operation in operations() {
            for body in bodies(&operation) {
                for (place, known) in objects(&body, operation.body_schema()) {
                    for (more, expected) in injected(&body, &place, &known, &all, FAULTS_MAX) {
                        let answer = send(app, STORE, &operation, &ids, &more);
                        let row = format!("{} {place:?}: {}", operation.name(), answer.text);
                        let found = (answer.status, &answer.body["code"]);
                        assert_eq!(found, (422, &json!("invalid_request")), "{row}");
                        assert_eq!(faults(&answer.body), expected, "{row}");
                    }
                    count += 1;
                    nested += usize::from(!place.is_empty());
                }
                assert_same(app, &ids, &before, operation.name());
            }
        }
        assert!(count >= 45 && nested >= 19, "only {count} objects, {nested} of them nested");
        // What is stored does show.
        app.storefront().put("/v1/customers/one-more", &json!({})).expect(201);
        assert_ne!(whole(app, &ids), before);
    }

    fn without_them_every_body_is_accepted(app) {
        let mut count = 0;
        for operation in operations() {
            for (number, body) in bodies(&operation).iter().enumerate() {
                count += 1;
                let store = format!("{}-{number}", operation.name());
                let ids = fill(app, &store);
                let admin = app.client_of(&store, PlatformAdmin);
                let mut body = body.clone();
                match operation.name() {
                    // There has to be something to spend.
                    "post_credit" => {
                        let credits = path(&operation, &ids);
                        let body = json!({"kind": "adjusted", "credit": "100.00", "note": "To spend."});
                        admin.post(&credits, &body).expect(201);
                    }
                    // The example's customer is nominated already.
                    "nominate_customer" => body["customer_id"] = json!(ids["other_id"]),
                    _ => {}
                }
                let answer = send(app, &store, &operation, &ids, &body);
                let row = format!("{} {body}: {}", operation.name(), answer.text);
                assert!(matches!(answer.status, 200 | 201), "{row}");
            }
        }
        assert!(count >= 26, "only {count} bodies");
    }

    fn the_same_is_refused_in_every_line_of_a_batch(app) {
        let ids = fill_and_recalculate(app, STORE);
        let all = everything();
        let before = settled_whole(app, &ids);
        let shop = app.storefront();
        let kinds = ["order", "refund", "activity", "customer"];
        // The facts of the fill under ids that are new, so that each would be stored.
        let fact = |kind: &str, body: &Value| {
            let mut line = json!({kind: body});
            line[kind][format!("{kind}_id")] = json!(format!("new-{kind}"));
            line
        };
        for kind in kinds {
            let operation = operation(&format!("put_{kind}"));
            let id = format!("{kind}_id");
            let (mut lines, mut expected) = (Vec::new(), Vec::new());
            for body in bodies(&operation) {
                for (place, mut known) in objects(&body, operation.body_schema()) {
                    if place.is_empty() {
                        known.insert(id.clone());
                    }
                    let pieces = injected(&body, &place, &known, &all, FAULTS_OF_LINE_MAX);
                    for (more, faults) in pieces {
                        let root = |(pointer, detail)| (format!("/{kind}{pointer}"), detail);
                        lines.push(fact(kind, &more));
                        expected.push(faults.into_iter().map(root).collect::<BTreeSet<_>>());
                    }
                }
            }
            // Beside the fact, any one field is too much.
            let shape = "must be an object with one field: order, refund, activity or customer";
            for name in all.keys().filter(|name| *name != kind) {
                let mut line = fact(kind, &bodies(&operation)[0]);
                line[name] = json!("other");
                lines.push(line);
                expected.push([(String::new(), shape.to_owned())].into());
            }
            let answer = shop.post_lines("/v1/facts", &lines).expect(200).body;
            assert_eq!(answer["refused"], lines.len(), "{kind}: {answer}");
            for (result, expected) in answer["results"].as_array().unwrap().iter().zip(expected) {
                assert_eq!(result["problem"]["code"], "invalid_request", "{kind}: {result}");
                assert_eq!(faults(&result["problem"]), expected, "{kind}");
            }
            assert_same(app, &ids, &before, kind);
        }
        // Without them, each is stored; the refund is of an order that is new as well.
        let lines: Vec<Value> = kinds
            .iter()
            .map(|kind| {
                let mut body = bodies(&operation(&format!("put_{kind}")))[0].clone();
                if *kind == "refund" {
                    body["order_id"] = json!("new-order");
                }
                fact(kind, &body)
            })
            .collect();
        let answer = shop.post_lines("/v1/facts", &lines).expect(200).body;
        assert_eq!(answer["created"], kinds.len(), "{answer}");
    }

    fn the_same_is_refused_in_every_column_of_an_import(app) {
        let ids = fill_and_recalculate(app, STORE);
        let all = everything();
        let before = settled_whole(app, &ids);
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, lines: &[String]| {
            let path = folder.path().join(name);
            std::fs::write(&path, lines.join("\n")).unwrap();
            Some(path)
        };
        // Each file's columns that are known, a line of them, and what is
        // known beside those.
        let files = [
            (
                "customers",
                "customer_id,name",
                "new-customer,Ada",
                "email joined_at birthday preferred_channel tags print_vip_icon subscription \
                 subscription_monthly_amount subscription_state subscription_cancelled_at",
            ),
            (
                "orders",
                "order_id,customer_id,completed_at,total,currency",
                "new-order,c1,2024-06-01T10:00:00Z,30.00,GBP",
                "status placed_at updated_at",
            ),
            ("refunds", "refund_id,order_id,refunded_at,amount", "new-refund,o1,2024-06-09T10:00:00Z,1.00", ""),
        ];
        let import = |of: &str, lines: &[String]| {
            let of_kind = |kind: &str| if kind == of { file(kind, lines) } else { None };
            let files = Files {
                customers: of_kind("customers"),
                orders: of_kind("orders"),
                refunds: of_kind("refunds"),
            };
            import_into(app, &files)
        };
        for (of, header, line, others) in files {
            let columns: Vec<&str> = header.split(',').chain(others.split(' ')).collect();
            let is_known = |name: &&String| columns.contains(&name.as_str());
            let names: Vec<&String> = all.keys().filter(|name| !is_known(name)).collect();
            assert!(names.len() >= 200, "only {} columns", names.len());
            // A line for each column that has a cell there and in no other of them.
            let with = |header: String, name: &&String| format!("{header},{name}");
            let mut lines = vec![names.iter().fold(header.to_owned(), with)];
            for i in 0..names.len() {
                let (before, after) = (",".repeat(i + 1), ",".repeat(names.len() - i - 1));
                lines.push(format!("{line}{before}other{after}"));
            }
            let summary = import(of, &lines);
            assert_eq!((summary.created, summary.changed, summary.unchanged), (0, 0, 0), "{of}");
            let reasons: Vec<&str> =
                summary.refused.iter().map(|refused| refused.reason.as_str()).collect();
            let reason = |name: &&String| format!("invalid_request: /{name} is not a known field");
            let expected: Vec<String> = names.iter().map(reason).collect();
            assert_eq!(reasons, expected, "{of}");
            assert_same(app, &ids, &before, of);
        }
        // With those cells left empty, each is stored.
        for (of, header, line, _) in files {
            assert_eq!(import(of, &[format!("{header},role"), format!("{line},")]).created, 1, "{of}");
        }
    }

    fn every_name_that_is_none_of_a_querys_is_refused_by_every_write(app) {
        let ids = fill_and_recalculate(app, STORE);
        let all = everything();
        let before = settled_whole(app, &ids);
        let mut count = 0;
        for operation in operations().into_iter().filter(|operation| operation.method != "GET") {
            count += 1;
            let known: BTreeSet<&str> =
                operation.query_parameters().into_iter().map(|(name, _)| name).collect();
            let names: Vec<&str> =
                all.keys().map(String::as_str).filter(|name| !known.contains(name)).collect();
            let client = app.client(highest(&operation));
            for names in names.chunks(NAMES_IN_A_QUERY) {
                let path = path(&operation, &ids);
                let join = if path.contains('?') { '&' } else { '?' };
                let query: Vec<String> = names.iter().map(|name| format!("{name}=1")).collect();
                let path = format!("{path}{join}{}", query.join("&"));
                let answer = client.send(&operation.method, &path, operation.body());
                let row = format!("{}: {}", operation.name(), answer.text);
                assert_eq!((answer.status, &answer.body["code"]), (422, &json!("invalid_request")), "{row}");
                let detail = "is not a known query parameter";
                let fault = |name: &&str| (format!("?{name}"), detail.to_owned());
                assert_eq!(faults(&answer.body), names.iter().map(fault).collect(), "{}", operation.name());
            }
        }
        assert!(count >= 32, "only {count} writes");
        assert_same(app, &ids, &before, "some query");
    }

    fn where_there_is_no_body_one_is_without_effect(app) {
        let smuggled = everything().into_keys().map(|name| (name, json!("smuggled")));
        let body = Value::Object(smuggled.collect());
        let mut count = 0;
        for operation in operations() {
            if operation.method == "GET" || operation.body().is_some() {
                continue;
            }
            count += 1;
            let statuses = [false, true].map(|with| {
                let store = format!("{}-{with}", operation.name());
                let ids = fill(app, &store);
                let client = app.client_of(&store, highest(&operation));
                if operation.name() == "resume_program" {
                    client.post_empty("/v1/program/pause").expect(200);
                }
                let sent = with.then(|| ("application/json", body.to_string()));
                let answer = client.send(&operation.method, &path(&operation, &ids), sent);
                let audit = app.client_of(&store, PlatformAdmin).get("/v1/audit?limit=200").expect(200);
                for text in [answer.text, audit.text] {
                    assert!(!text.contains("smuggled"), "{}: {text}", operation.name());
                }
                answer.status
            });
            assert_eq!(statuses[0], statuses[1], "{}", operation.name());
        }
        assert!(count >= 8, "only {count} writes have no body");
    }

    fn headers_that_other_systems_trust_are_without_effect(app) {
        let ids = fill(app, STORE);
        let mut shop = app.storefront();
        for (name, value) in [
            ("x-role", "platform_admin"),
            ("x-user-role", "platform_admin"),
            ("x-user", "pat"),
            ("x-forwarded-user", "pat"),
            ("x-store-id", "other"),
            ("x-tenant-id", "other"),
            ("x-http-method", "DELETE"),
            ("x-http-method-override", "DELETE"),
            ("x-method-override", "DELETE"),
            ("x-original-url", "/v1/rules"),
            ("x-rewrite-url", "/v1/rules"),
        ] {
            shop = shop.with(name, value);
        }
        let customer = format!("/v1/customers/{}", ids["customer_id"]);
        let benefit = operation("put_benefit");
        shop.put(&path(&benefit, &ids), &benefit.json_body().unwrap()).expect_problem(403, "forbidden");
        shop.get("/v1/rules").expect_problem(403, "forbidden");
        let renamed = shop.patch(&customer, &json!({"name": "Ada King"})).expect(200).body;
        assert_eq!(renamed["customer_id"], json!(ids["customer_id"]));
        assert_eq!(app.storefront().get(&customer).expect(200).body["name"], "Ada King");
    }
}
