//! Each limit of a request: what is just within it passes, and what is just
//! beyond it has its error.

use crate::contract::{Operation, operations, resolved};
use crate::operation::until;
use crate::support::*;
use accolade::api::auth::{Caller, Role};
use accolade::api::document_json;
use accolade::api::instance::BATCHES_OF_STORE_MAX;
use accolade::api::tokens::{Parties, Secret, issue};
use accolade::domain::id::StoreId;
use diesel::connection::SimpleConnection;
use diesel::{Connection, SqliteConnection};
use serde_json::{Map, Value, json};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// A limit that the document states of a body's text, list, number or map.
struct Bound {
    /// Where: names of fields, and `-` for an item of a list.
    path: Vec<String>,
    within: Value,
    beyond: Value,
    /// What is said of what lies beyond.
    detail: String,
}

fn is_of(schema: &Value, kind: &str) -> bool {
    match &schema["type"] {
        Value::Array(kinds) => kinds.iter().any(|k| k == kind),
        one => one == kind,
    }
}

/// The one shape of a schema that is not null, where there is one.
fn shape(schema: &'static Value) -> Option<&'static Value> {
    let schema = resolved(schema);
    let Some(shapes) = schema["oneOf"].as_array() else { return Some(schema) };
    let mut shapes = shapes.iter().map(resolved).filter(|shape| !is_of(shape, "null"));
    shapes.next().filter(|_| shapes.next().is_none())
}

/// Some value of a schema, the nth of several.
fn some(schema: &'static Value, n: u64) -> Value {
    match shape(schema) {
        Some(schema) if is_of(schema, "string") => json!(format!("x{n}")),
        Some(schema) if is_of(schema, "integer") => json!(n),
        Some(schema) if is_of(schema, "array") => json!([]),
        _ => json!({}),
    }
}

fn bounds(schema: &'static Value, path: &[String], found: &mut Vec<Bound>) {
    let Some(schema) = shape(schema) else { return };
    let mut add = |within, beyond, detail: String| {
        found.push(Bound { path: path.to_vec(), within, beyond, detail });
    };
    let has = |rule: &str| schema[rule].as_u64();
    if let Some(max) = has("maxLength") {
        // Characters are counted, not bytes.
        let text = |length: u64| json!("ä".repeat(usize::try_from(length).unwrap()));
        add(text(max), text(max + 1), format!("must have at most {max} characters"));
    }
    if let Some(max) = has("maxItems") {
        let list = |length| (0..length).map(|n| some(&schema["items"], n)).collect();
        add(list(max), list(max + 1), format!("must have at most {max} items"));
    }
    if let Some(max) = has("maxProperties") {
        let value = |n| some(&schema["additionalProperties"], n);
        let map = |length| (0..length).map(|n| (format!("x{n}"), value(n))).collect::<Map<_, _>>();
        add(map(max).into(), map(max + 1).into(), format!("must have at most {max} fields"));
    }
    if let Some(max) = schema["maximum"].as_i64() {
        add(json!(max), json!(max + 1), format!("must be at most {max}"));
    }
    if let Some(min) = schema["minimum"].as_i64() {
        add(json!(min), json!(min - 1), format!("must be at least {min}"));
    }
    let deeper = |name: &str| [path, &[name.to_owned()]].concat();
    for (name, field) in schema["properties"].as_object().into_iter().flatten() {
        bounds(field, &deeper(name), found);
    }
    if schema["items"].is_object() {
        bounds(&schema["items"], &deeper("-"), found);
    }
    if schema["additionalProperties"].is_object() {
        bounds(&schema["additionalProperties"], &deeper("x1"), found);
    }
}

/// Puts a value into a body, and what has to be around it.
fn put(body: &mut Value, path: &[String], value: &Value) {
    let Some((name, rest)) = path.split_first() else {
        *body = value.clone();
        return;
    };
    if name == "-" {
        if body.as_array().is_none_or(Vec::is_empty) {
            *body = json!([null]);
        }
        put(&mut body[0], rest, value);
    } else {
        if !body.is_object() {
            *body = json!({});
        }
        put(&mut body[name.as_str()], rest, value);
    }
}

/// Whether a fault is told at a place.
fn tells(answer: &Answer, pointer: &str, detail: &str) -> bool {
    let faults = answer.body["errors"].as_array().into_iter().flatten();
    faults.into_iter().any(|fault| fault["pointer"] == pointer && fault["detail"] == detail)
}

/// Parameters of an operation in a place: each with its name and its schema.
fn parameters(operation: &Operation, place: &str) -> Vec<(&'static str, &'static Value)> {
    let stated =
        document_json()["paths"][operation.pattern][operation.method.to_lowercase()]["parameters"]
            .as_array();
    let parameters = stated.into_iter().flatten().filter(|parameter| parameter["in"] == place);
    parameters
        .map(|parameter| (parameter["name"].as_str().unwrap(), resolved(&parameter["schema"])))
        .collect()
}

/// Whether a schema, and all within it, have only values of a size that is known.
fn unbounded(schema: &'static Value, place: &str, found: &mut Vec<String>) {
    let schema = resolved(schema);
    for shape in schema["oneOf"].as_array().into_iter().flatten() {
        unbounded(shape, place, found);
    }
    let is_short_pattern = |pattern: &str| !pattern.contains(['*', '+']) && !pattern.contains(",}");
    let has_pattern = schema["pattern"].as_str().is_some_and(is_short_pattern);
    let is_instant = ["date", "date-time"].iter().any(|format| schema["format"] == *format);
    let is_bounded = |rule: &str| schema[rule].is_u64() || schema["enum"].is_array();
    if is_of(schema, "string") && !is_bounded("maxLength") && !has_pattern && !is_instant {
        found.push(place.to_owned());
    }
    if is_of(schema, "array") && !is_bounded("maxItems") {
        found.push(place.to_owned());
    }
    if is_of(schema, "object")
        && schema["additionalProperties"] != false
        && !is_bounded("maxProperties")
    {
        found.push(place.to_owned());
    }
    for (name, field) in schema["properties"].as_object().into_iter().flatten() {
        unbounded(field, &format!("{place}/{name}"), found);
    }
    for inner in ["items", "additionalProperties"] {
        if schema[inner].is_object() {
            unbounded(&schema[inner], &format!("{place}/-"), found);
        }
    }
}

#[test]
fn the_document_bounds_all_that_a_request_holds() {
    let mut found = Vec::new();
    for operation in operations() {
        let name = operation.name();
        for place in ["query", "header", "path"] {
            for (parameter, schema) in parameters(&operation, place) {
                unbounded(schema, &format!("{name} {parameter}"), &mut found);
            }
        }
        let stated = &document_json()["paths"][operation.pattern][operation.method.to_lowercase()];
        for media in stated["requestBody"]["content"].as_object().into_iter().flatten() {
            unbounded(&media.1["schema"], name, &mut found);
        }
    }
    // A batch is as long as it may be in bytes, and tags are as long as the head.
    let is_else = |place: &String| {
        place != "post_facts" && !place.ends_with(" If-Match") && !place.ends_with(" If-None-Match")
    };
    found.retain(is_else);
    assert!(found.is_empty(), "without a bound: {found:?}");
}

on_both! {
    fn texts_lists_and_numbers_may_be_as_long_as_is_stated_and_no_longer(app) {
        app.set_up(json!({}));
        let mut count = 0;
        for operation in operations() {
            let Some(example) = operation.json_body() else { continue };
            let stated = &document_json()["paths"][operation.pattern][operation.method.to_lowercase()];
            let mut found = Vec::new();
            bounds(&stated["requestBody"]["content"]["application/json"]["schema"], &[], &mut found);
            for Bound { path, within, beyond, detail } in found {
                count += 1;
                let pointer = format!("/{}", path.join("/").replace('-', "0"));
                let client = app.client(*operation.roles().first().unwrap());
                let send = |value: &Value| {
                    let mut body = example.clone();
                    put(&mut body, &path, value);
                    let body = Some(("application/json", body.to_string()));
                    client.send(&operation.method, &operation.path(), body)
                };
                let answer = send(&beyond).expect_problem(422, "invalid_request");
                let what = format!("{} {pointer}: {detail}", operation.name());
                assert!(tells(&answer, &pointer, &detail), "{what}: {}", answer.text);
                let answer = send(&within);
                assert!(!tells(&answer, &pointer, &detail), "{what}: {}", answer.text);
                assert!(answer.status < 500, "{what}: {}", answer.text);
            }
        }
        assert!(count >= 50, "only {count} limits were tried");
    }

    fn parameters_may_be_as_long_as_is_stated_and_no_longer(app) {
        app.set_up(json!({}));
        let mut count = 0;
        for operation in operations() {
            let client = || app.client(*operation.roles().first().unwrap());
            for (name, schema) in parameters(&operation, "query") {
                let mut found = Vec::new();
                bounds(schema, &[], &mut found);
                for Bound { within, beyond, detail, .. } in found {
                    count += 1;
                    let path = operation.path();
                    let (path, required) = path.split_once('?').unwrap_or((&path, ""));
                    let others = required.split('&').filter(|pair| !pair.starts_with(&format!("{name}=")));
                    let others: String = others.filter(|o| !o.is_empty()).map(|o| format!("&{o}")).collect();
                    let send = |value: &Value| {
                        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                        // Written out, a long text would be longer than a URL may be.
                        let letter = if text.len() > 2_000 { "a" } else { "%C3%A4" };
                        let path = format!("{path}?{name}={}{others}", text.replace('ä', letter));
                        client().send(&operation.method, &path, operation.body())
                    };
                    let what = format!("{} ?{name}: {detail}", operation.name());
                    let pointer = format!("?{name}");
                    let answer = send(&beyond).expect_problem(422, "invalid_request");
                    // Minus is no digit, so what is below zero is a text.
                    let is_told = tells(&answer, &pointer, &detail) || beyond == json!(-1);
                    let is_alone = answer.pointers().iter().all(|at| *at == pointer);
                    assert!(is_told && is_alone, "{what}: {}", answer.text);
                    let answer = send(&within);
                    assert!(!tells(&answer, &pointer, &detail), "{what}: {}", answer.text);
                    assert!(answer.status < 500, "{what}: {}", answer.text);
                }
            }
            for (name, _) in parameters(&operation, "header") {
                if name != "Idempotency-Key" {
                    continue;
                }
                count += 1;
                let send = |length: usize| {
                    let client = client().with(name, &"k".repeat(length));
                    client.send(&operation.method, &operation.path(), operation.body())
                };
                let answer = send(256).expect_problem(422, "invalid_request");
                assert_eq!(answer.pointers(), [name], "{}", operation.name());
                assert!(!send(255).pointers().contains(&name), "{}", operation.name());
            }
            for (name, _) in operation.path_parameters() {
                count += 1;
                let send = |length: usize| {
                    let segment = |(other, example): &(&str, &str)| match *other == name {
                        true => (format!("{{{other}}}"), "x".repeat(length)),
                        false => (format!("{{{other}}}"), (*example).to_owned()),
                    };
                    let mut path = format!("{}{}", operation.pattern, operation.required_query());
                    for (place, text) in operation.path_parameters().iter().map(segment) {
                        path = path.replace(&place, &text);
                    }
                    client().send(&operation.method, &path, operation.body())
                };
                let pointer = format!("{{{name}}}");
                let answer = send(65).expect_problem(422, "invalid_request");
                assert_eq!(answer.pointers(), [pointer.as_str()], "{}", operation.name());
                assert!(!send(64).pointers().contains(&pointer.as_str()), "{}", operation.name());
            }
        }
        assert!(count >= 100, "only {count} limits were tried");
    }

    fn bodies_may_be_as_large_and_as_deep_as_is_said_and_no_more(app) {
        app.set_up(json!({}));
        let (client, path) = (app.storefront(), "/v1/customers/c1");
        let put = |body: String| client.send("PUT", path, Some(("application/json", body)));
        let padded = |size: usize| format!("{{}}{}", " ".repeat(size - 2));
        put(padded(256 * 1024)).expect(201);
        put(padded(256 * 1024 + 1)).expect_problem(413, "body_too_large");
        // The shape is wrong at any depth, but only the second is not looked at.
        let nested = |levels: usize| {
            format!("{{\"name\": {}{}}}", "[".repeat(levels - 1), "]".repeat(levels - 1))
        };
        put(nested(16)).expect_problem(422, "invalid_request");
        put(nested(17)).expect_problem(400, "nested_too_deep");
        put(nested(100_000)).expect_problem(400, "nested_too_deep");

        let batch = |body: String| {
            client.send("POST", "/v1/facts", Some(("application/x-ndjson", body)))
        };
        batch(" ".repeat(8 * 1024 * 1024)).expect(200);
        batch(" ".repeat(8 * 1024 * 1024 + 1)).expect_problem(413, "body_too_large");
        batch("{}\n".repeat(10_000)).expect(200);
        batch("{}\n".repeat(10_001)).expect_problem(422, "invalid_request");
        let answer = batch(format!("{}\n{}\n", nested(17), nested(16))).expect(200);
        let codes = [0, 1].map(|line| answer.body["results"][line]["problem"]["code"].clone());
        assert_eq!(codes, [json!("nested_too_deep"), json!("invalid_request")]);
    }

    fn of_very_many_faults_the_first_are_told(app) {
        app.set_up(json!({}));
        let client = app.storefront();
        let unknown = |count: u32| (0..count).map(|n| (format!("x{n:05}"), json!(1))).collect();
        for (given, told) in [(99, 99), (100, 100), (101, 100), (15_000, 100)] {
            let answer = client.put("/v1/customers/c1", &Value::Object(unknown(given)));
            assert_eq!(answer.expect_problem(422, "invalid_request").pointers().len(), told);
        }
        for (given, told) in [(100, 100), (101, 100), (1_000, 100)] {
            let query: Vec<String> = (0..given).map(|n| format!("x{n}=1")).collect();
            let answer = client.get(&format!("/v1/tiers?{}", query.join("&")));
            assert_eq!(answer.expect_problem(422, "invalid_request").pointers().len(), told);
        }
        for (given, told) in [(9, 9), (10, 10), (11, 10), (1_000, 10)] {
            let mut fact: Map<String, Value> = unknown(given);
            fact.insert("customer_id".to_owned(), json!("c1"));
            let answer = client.post_lines("/v1/facts", &[json!({"customer": fact})]).expect(200);
            let faults = answer.body["results"][0]["problem"]["errors"].as_array().unwrap();
            assert_eq!(faults.len(), told);
        }
    }
}

/// Sends bytes as they are, and reads all that is answered; the status.
fn status_of(app: &App, bytes: &[u8]) -> (u16, String) {
    let mut stream = TcpStream::connect(app.socket()).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    stream.write_all(bytes).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let status = answer.split(' ').nth(1).unwrap_or_else(|| panic!("{answer:?}"));
    (status.parse().unwrap(), answer)
}

#[test]
fn heads_may_be_as_large_as_is_said_and_no_larger() {
    let app = App::on_sqlite();
    // What is answered with a problem: it has an id and all headers.
    let url = |length: usize| format!("/nowhere?{}", "x".repeat(length - 9));
    let client = app.client_with(None);
    client.get(&url(8_192)).expect_problem(404, "not_found");
    let answer = client.get(&url(8_193)).expect_problem(414, "url_too_long");
    assert!(answer.headers.contains_key("x-request-id"));
    // `host: x` and `a: …` are counted without what is between them.
    let headers = |size: usize| {
        let value = "x".repeat(size - "hostx".len() - "a".len());
        format!("GET /nowhere HTTP/1.1\r\nhost: x\r\na: {value}\r\n\r\n")
    };
    assert_eq!(status_of(&app, headers(32_768).as_bytes()).0, 404);
    let (status, answer) = status_of(&app, headers(32_769).as_bytes());
    assert_eq!(status, 431);
    assert!(answer.contains("\"code\":\"headers_too_large\"") && answer.contains("x-request-id"));
    // Probes are no exception.
    let probe = format!("GET /healthz?{} HTTP/1.1\r\nhost: x\r\n\r\n", "x".repeat(8_192));
    assert_eq!(status_of(&app, probe.as_bytes()).0, 414);

    // What the server itself does not read: the answer is empty.
    let fields = |count: usize| {
        let others: String = (1..count).map(|n| format!("a{n}: x\r\n")).collect();
        format!("GET /nowhere HTTP/1.1\r\nhost: x\r\n{others}\r\n")
    };
    assert_eq!(status_of(&app, fields(96).as_bytes()).0, 404);
    assert_eq!(status_of(&app, fields(97).as_bytes()).0, 431);
    let url =
        |length: usize| format!("GET /{} HTTP/1.1\r\nhost: x\r\n\r\n", "x".repeat(length - 1));
    assert_eq!(status_of(&app, url(65_534).as_bytes()).0, 414);
    assert_eq!(status_of(&app, url(65_535).as_bytes()).0, 400);
    let start = "GET /nowhere HTTP/1.1\r\nhost: x\r\na: ";
    let whole = format!("{start}{}\r\n\r\n", "x".repeat(131_072 - start.len() - 4));
    assert!(status_of(&app, whole.as_bytes()).1.contains("headers_too_large"));
    let endless = format!("{start}{}", "x".repeat(131_072 - start.len()));
    let (status, answer) = status_of(&app, endless.as_bytes());
    assert_eq!(status, 431);
    assert!(!answer.contains("headers_too_large"));
}

#[test]
fn no_operation_takes_a_head_that_is_too_large() {
    let app = App::on_sqlite();
    let client = app.client_with(None);
    let with_much = app.client_with(None).with("a", &"x".repeat(32_768));
    for (pattern, item) in document_json()["paths"].as_object().unwrap() {
        let part = |part| if str::starts_with(part, '{') { "x" } else { part };
        let path = pattern.split('/').map(part).collect::<Vec<_>>().join("/");
        for method in item.as_object().unwrap().keys() {
            let method = method.to_uppercase();
            assert!(operation(&method, &path).is_some(), "{method} {path}");
            let long = format!("{path}?{}", "x".repeat(8_192));
            client.send(&method, &long, None).expect_problem(414, "url_too_long");
            with_much.send(&method, &path, None).expect_problem(431, "headers_too_large");
        }
    }
}

#[test]
fn a_line_of_a_batch_may_be_as_large_as_a_body_and_no_larger() {
    let app = App::on_sqlite();
    app.set_up(json!({}));
    let line = |size: usize, id: &str| {
        let bare = json!({"customer": {"customer_id": id, "name": ""}}).to_string().len();
        json!({"customer": {"customer_id": id, "name": "x".repeat(size - bare)}})
    };
    let good = json!({"customer": {"customer_id": "c3", "name": "Ada"}});
    let lines = [line(262_144, "c1"), line(262_145, "c2"), good];
    let answer = app.storefront().post_lines("/v1/facts", &lines).expect(200).body;
    let detail = |line: usize| answer["results"][line]["problem"]["errors"][0]["detail"].clone();
    assert_eq!(detail(0), "must have at most 200 characters");
    assert_eq!(detail(1), "must have at most 262144 bytes");
    assert_eq!(answer["results"][2]["status"], "created");
}

#[test]
fn the_body_of_any_operation_has_thirty_seconds() {
    let app = App::on_sqlite();
    app.set_up(json!({}));
    let began = std::time::Instant::now();
    let mut waiting = Vec::new();
    for operation in operations() {
        let Some((kind, _)) = operation.body() else { continue };
        let role = *operation.roles().first().unwrap();
        let token = app.client(role).token().to_owned();
        let mut stream = TcpStream::connect(app.socket()).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        let (method, path) = (&operation.method, operation.path());
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer {token}\r\n\
             Content-Type: {kind}\r\nContent-Length: 2\r\n\r\n{{"
        );
        stream.write_all(head.as_bytes()).unwrap();
        waiting.push((operation, stream));
    }
    assert!(waiting.len() >= 20);
    for (operation, mut stream) in waiting {
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 408 "), "{}: {head}", operation.name());
        let body: Value = serde_json::from_str(body).unwrap();
        assert_eq!(body["code"], "request_timeout");
        see(&operation.method, &operation.path(), 408, &body);
    }
    let took = began.elapsed();
    assert!((Duration::from_secs(29)..Duration::from_secs(40)).contains(&took), "{took:?}");
}

#[test]
fn the_head_of_a_first_request_has_five_seconds() {
    let app = App::on_sqlite();
    let began = std::time::Instant::now();
    let (status, _) = status_of(&app, b"GET /healthz HTTP/1.1\r\nhost: ");
    assert_eq!(status, 408);
    let took = began.elapsed();
    assert!((Duration::from_secs(4)..Duration::from_secs(9)).contains(&took), "{took:?}");
}

#[test]
fn so_many_batches_are_in_hand_and_one_more_is_refused_at_once() {
    let app = App::on_sqlite();
    app.set_up(json!({}));
    let client = app.storefront();
    let head = format!(
        "POST /v1/facts HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\nconnection: close\r\n\
         content-type: application/x-ndjson\r\ncontent-length: 3\r\n\r\n",
        client.token()
    );
    let mut begun: Vec<TcpStream> = (0..BATCHES_OF_STORE_MAX)
        .map(|_| {
            let mut stream = TcpStream::connect(app.socket()).unwrap();
            stream.write_all(head.as_bytes()).unwrap();
            stream
        })
        .collect();
    until("all places are taken", || app.instance.batches.count() == BATCHES_OF_STORE_MAX);
    // Another store has places of its own.
    let other = app.client_of("other", Role::Storefront);
    other.post_lines("/v1/facts", &[]).expect_problem(409, "store_not_set_up");
    let began = std::time::Instant::now();
    let answer = client.post_lines("/v1/facts", &[]).expect_problem(503, "unavailable");
    assert_eq!(answer.headers["retry-after"], "1");
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
    // Single facts are none of them.
    client.put("/v1/customers/c1", &json!({})).expect(201);
    let mut first = begun.remove(0);
    first.write_all(b"{}\n").unwrap();
    let mut text = String::new();
    first.read_to_string(&mut text).unwrap();
    assert!(text.starts_with("HTTP/1.1 200"), "{text}");
    client.post_lines("/v1/facts", &[]).expect(200);
}

/// Whose caller hangs up at once, without a word, has its place until all that
/// was begun is done.
#[test]
fn a_batch_has_its_place_until_its_work_is_done_though_nobody_waits_for_it() {
    let app = App::on_sqlite();
    app.set_up(json!({}));
    let lines: String = (0..300)
        .map(|n| {
            let mut order = order(&format!("c{n}"), "2024-06-01T10:00:00Z", "1.00");
            order["order_id"] = json!(format!("o{n}"));
            format!("{}\n", json!({"order": order}))
        })
        .collect();
    // Nobody writes meanwhile, so the work can't be done.
    let mut blocker =
        SqliteConnection::establish(app.database_url.strip_prefix("sqlite://").unwrap()).unwrap();
    blocker.batch_execute("BEGIN IMMEDIATE").unwrap();
    let head = format!(
        "POST /v1/facts HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\n\
         content-type: application/x-ndjson\r\ncontent-length: {}\r\n\r\n",
        app.storefront().token(),
        lines.len()
    );
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    let address: std::net::SocketAddr = app.socket().parse().unwrap();
    socket.connect(&address.into()).unwrap();
    socket.set_linger(Some(Duration::ZERO)).unwrap();
    let mut stream = TcpStream::from(socket);
    stream.write_all((head + &lines).as_bytes()).unwrap();
    until("it is in hand", || app.instance.batches.count() == 1 && app.instance.in_flight() == 1);
    std::thread::sleep(Duration::from_millis(300));
    drop(stream);
    until("its request is none any more", || app.instance.in_flight() == 0);
    assert_eq!(app.instance.batches.count(), 1);
    blocker.batch_execute("ROLLBACK").unwrap();
    until("its work is done", || app.instance.batches.count() == 0);
    app.support().get("/v1/orders/o299").expect(200);
}

/// A token of a subject.
fn token_of(store: &str, subject: &str, role: Role) -> String {
    let secret = Secret::new(SECRET.into()).unwrap();
    let caller =
        Caller { store: StoreId::parse(store).unwrap(), subject: subject.to_owned(), role };
    let ttl = chrono::Duration::hours(1);
    issue(&secret, &Parties::default(), &caller, chrono::Utc::now(), ttl).unwrap()
}

/// What an answer says of the rate: the policy, and what is left.
fn rate(answer: &Answer) -> Option<(&str, &str)> {
    let text = |name| answer.headers.get(name).map(|value| value.to_str().unwrap());
    text("ratelimit-policy").zip(text("ratelimit"))
}

#[test]
fn every_operation_is_limited_by_rate() {
    let app = App::on_sqlite_at_rate(1);
    for operation in operations() {
        let client = app.client(*operation.roles().first().unwrap());
        let send = || client.send(&operation.method, &operation.path(), operation.body());
        // One passes in each second, whatever it is for.
        let answers: Vec<Answer> = (0..3).map(|_| send()).collect();
        let refused = answers.iter().find(|answer| answer.status == 429);
        let refused = refused.unwrap_or_else(|| panic!("{} is not limited", operation.name()));
        let refused = refused.clone().expect_problem(429, "rate_limited");
        assert_eq!(refused.headers["retry-after"], "1");
        assert!(refused.headers.contains_key("x-request-id"));
        for answer in &answers {
            assert_eq!(rate(answer), Some(("\"default\";q=1;w=1", "\"default\";r=0;t=1")));
        }
    }
}

#[test]
fn callers_have_their_own_rate_and_learn_what_is_left() {
    let app = App::on_sqlite_at_rate(3);
    let client =
        |store: &str, subject: &str, role| app.client_with(Some(&token_of(store, subject, role)));
    let ann = client(STORE, "ann", Role::Support);
    let answers: Vec<Answer> = (0..20).map(|_| ann.get("/v1/tiers")).collect();
    let left = |r: u32| format!("\"default\";r={r};t=1");
    // The store is not set up, and that is told as ever.
    assert_eq!(answers[0].status, 409);
    assert_eq!(rate(&answers[0]), Some(("\"default\";q=3;w=1", left(2).as_str())));
    assert!(answers.iter().all(|answer| rate(answer).unwrap().0 == "\"default\";q=3;w=1"));
    let refused = answers.iter().find(|answer| answer.status == 429).unwrap();
    assert_eq!(rate(refused), Some(("\"default\";q=3;w=1", left(0).as_str())));
    // Another token of hers, with another role, is no way around it; she is
    // told so before she is told that she may not.
    let mut of_another_role =
        (0..20).map(|_| client(STORE, "ann", Role::Storefront).get("/v1/audit"));
    assert!(of_another_role.any(|answer| answer.status == 429));
    // Others have theirs: another subject, and the same name in another store.
    for other in [client(STORE, "ben", Role::Support), client("other", "ann", Role::Support)] {
        let answer = other.get("/v1/tiers");
        assert_eq!(rate(&answer).unwrap().1, left(2));
        assert_eq!(answer.status, 409);
    }
    // Who has no token costs nobody anything, and probes have no limit.
    for path in ["/v1/tiers", "/nowhere", "/healthz", "/readyz", "/metrics", "/openapi.json"] {
        for _ in 0..5 {
            let answer = app.client_with(None).get(path);
            assert!(answer.status != 429 && rate(&answer).is_none(), "{path}");
        }
    }
    // After the time that she was told she may go on.
    std::thread::sleep(Duration::from_secs(1));
    assert_eq!(ann.get("/v1/tiers").status, 409);
}

#[test]
fn without_a_limit_nothing_is_said_of_it() {
    let app = App::on_sqlite();
    for _ in 0..50 {
        let answer = app.support().get("/v1/tiers").expect_problem(409, "store_not_set_up");
        assert!(rate(&answer).is_none());
    }
}
