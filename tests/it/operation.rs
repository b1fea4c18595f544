//! What those who run the service rely on: figures, ids of requests, headers,
//! and that too much is refused at once.

use crate::contract::operations;
use crate::support::*;
use accolade::db::{self, Db, Limits, Tx};
use diesel::connection::SimpleConnection;
use serde_json::json;
use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::mpsc::{Sender, channel};
use std::time::{Duration, Instant};

/// The figures of a page: each series with its value. The format is held to as
/// Prometheus does: a family's lines come together, after its HELP and its TYPE.
fn figures(page: &str) -> BTreeMap<String, f64> {
    let mut found = BTreeMap::new();
    let (mut family, mut kind) = (String::new(), String::new());
    for line in page.lines() {
        if let Some(help) = line.strip_prefix("# HELP ") {
            let (name, text) = help.split_once(' ').unwrap();
            assert!(name != family && !text.is_empty(), "{line}");
            family = name.to_owned();
        } else if let Some(stated) = line.strip_prefix("# TYPE ") {
            let (name, stated) = stated.split_once(' ').unwrap();
            assert_eq!(name, family, "{line}");
            kind = stated.to_owned();
        } else {
            let (series, value) = line.rsplit_once(' ').unwrap();
            let name = series.split('{').next().unwrap();
            let rest = name.strip_prefix(&family).unwrap_or_else(|| panic!("{line}: {family}"));
            let is_part = kind == "histogram" && ["_bucket", "_sum", "_count"].contains(&rest);
            assert!(is_part || rest.is_empty(), "{line}");
            assert!(kind != "counter" || name.ends_with("_total"), "{line}");
            let value: f64 = value.parse().unwrap();
            assert!(value >= 0.0, "{line}");
            assert!(found.insert(series.to_owned(), value).is_none(), "{line} twice");
        }
    }
    found
}

fn metrics(app: &App) -> (String, BTreeMap<String, f64>) {
    let answer = app.client_with(None).get("/metrics").expect(200);
    assert_eq!(answer.headers["content-type"], "text/plain; version=0.0.4; charset=utf-8");
    let figures = figures(&answer.text);
    (answer.text, figures)
}

fn series(method: &str, route: &str, status: u16) -> String {
    format!(
        "{{http_request_method=\"{method}\",http_route=\"{route}\",http_response_status_code=\"{status}\"}}"
    )
}

/// Connections of a database that nobody else gets until this is dropped.
struct Held(Vec<Sender<()>>);

impl Drop for Held {
    fn drop(&mut self) {
        self.0.clear();
    }
}

impl Held {
    fn of(db: &Db, count: usize) -> Self {
        let (taken, all) = channel();
        let mut releases = Vec::new();
        for _ in 0..count {
            let (release, released) = channel::<()>();
            let (db, taken) = (db.clone(), taken.clone());
            std::thread::spawn(move || {
                let hold = move |_: &mut Tx<'_>| {
                    taken.send(()).unwrap();
                    // An error is the end of the test, and releases as well.
                    released.recv().ok();
                    Ok(())
                };
                actix_web::rt::System::new().block_on(db.read_once(hold)).unwrap();
            });
            releases.push(release);
        }
        (0..count).for_each(|_| all.recv_timeout(Duration::from_secs(10)).unwrap());
        Self(releases)
    }
}

/// Waits until something holds, for a while.
#[track_caller]
pub fn until(what: &str, holds: impl Fn() -> bool) {
    let began = Instant::now();
    while !holds() {
        assert!(began.elapsed() < Duration::from_secs(10), "{what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

on_both! {
    fn requests_are_counted_by_the_template_of_their_path(app) {
        app.set_up(json!({}));
        let secret = "ann-private-4711";
        for _ in 0..3 {
            app.storefront().get(&format!("/v1/orders/{secret}")).expect(404);
        }
        app.client_with(None).get(&format!("/v1/orders/{secret}")).expect(401);
        app.client_with(None).get(&format!("/{secret}")).expect(404);
        app.client_with(None).send("BREW", &format!("/v1/orders/{secret}?q={secret}"), None).expect(405);
        let (page, figures) = metrics(app);
        assert!(!page.contains(secret), "{page}");
        let name = "http_server_request_duration_seconds";
        for (method, route, status, count) in [
            ("GET", "/v1/orders/{order_id}", 404, 3.0),
            ("GET", "/v1/orders/{order_id}", 401, 1.0),
            ("GET", "unmatched", 404, 1.0),
            ("_OTHER", "/v1/orders/{order_id}", 405, 1.0),
            ("PATCH", "/v1/program", 200, 1.0),
        ] {
            let labels = series(method, route, status);
            assert_eq!(figures[&format!("{name}_count{labels}")], count, "{labels}\n{page}");
            let all = format!("{name}_bucket{},le=\"+Inf\"}}", labels.trim_end_matches('}'));
            assert_eq!(figures[&all], count);
            assert!(figures[&format!("{name}_sum{labels}")] > 0.0, "{labels}");
        }
    }

    fn an_instance_tells_of_its_database_its_events_and_its_background(app) {
        app.set_up(json!({}));
        app.set_tiers(&[("silver", "1.00")]);
        app.order("o1", "c1", "2024-06-01T10:00:00Z", "250.00").expect(201);
        until("the events are numbered", || metrics(app).1["accolade_events_waiting"] == 0.0);
        let (page, figures) = metrics(app);
        assert_eq!(figures["accolade_events_waiting_seconds"], 0.0);
        assert_eq!(figures["accolade_database_connections_max"], 8.0);
        assert!(figures["accolade_database_connections{state=\"idle\"}"] >= 1.0, "{page}");
        assert_eq!(figures["accolade_database_refused_total"], 0.0);
        assert!(figures["http_server_active_requests"] >= 1.0, "{page}");
        assert_eq!(figures.get("accolade_writer_queue_max").copied(), app.db.is_sqlite().then_some(4_096.0));
        let now = chrono::Utc::now().timestamp() as f64;
        for worker in ["recalculations", "time", "rules", "events", "credit"] {
            let at = format!("accolade_background_success_timestamp_seconds{{worker=\"{worker}\"}}");
            until(worker, || now - metrics(app).1[&at] < 60.0);
            assert_eq!(figures[&format!("accolade_background_failures_total{{worker=\"{worker}\"}}")], 0.0);
        }
        assert!(now - figures["process_start_time_seconds"] < 60.0, "{page}");
    }

    fn a_worker_that_fails_is_counted(app) {
        app.set_up(json!({}));
        let failures = "accolade_background_failures_total{worker=\"events\"}";
        assert_eq!(metrics(app).1[failures], 0.0);
        break_events(app);
        until("a failure", || metrics(app).1[failures] > 0.0);
        // What is in the database is left out then, and all else is there.
        let (page, figures) = metrics(app);
        assert!(!page.contains("accolade_events_waiting"), "{page}");
        assert_eq!(figures["accolade_background_failures_total{worker=\"time\"}"], 0.0);
    }

    fn a_failure_does_not_show_its_cause(app) {
        app.set_up(json!({}));
        break_events(app);
        let answer = app.manager().get("/v1/events").expect_problem(500, "internal");
        for cause in ["events", "table", "relation", "column", "SELECT", "sqlite", "postgres"] {
            assert!(!answer.text.contains(cause), "{}", answer.text);
        }
    }

    fn each_answer_has_the_id_that_its_request_was_given_or_a_new_one(app) {
        app.set_up(json!({}));
        for id in ["7f3a", "a/b:c_d-e.f", &"x".repeat(128)] {
            let clients = [app.admin(), app.client_with(None)].map(|c| c.with("X-Request-Id", id));
            assert_eq!(clients[0].get("/v1/program").expect(200).headers["x-request-id"], id);
            assert_eq!(clients[0].get("/v1/orders/absent").expect(404).headers["x-request-id"], id);
            assert_eq!(clients[1].get("/v1/program").expect(401).headers["x-request-id"], id);
            assert_eq!(clients[1].get("/nowhere").expect(404).headers["x-request-id"], id);
        }
        let mut made = Vec::new();
        for bad in ["", "two words", &"x".repeat(129)] {
            let answer = app.admin().with("X-Request-Id", bad).get("/v1/program").expect(200);
            let id = answer.headers["x-request-id"].to_str().unwrap().to_owned();
            assert_eq!((id.len(), id.as_bytes()[14]), (36, b'7'), "{bad:?} became {id}");
            made.push(id);
        }
        assert!(made[0] != made[1] && made[1] != made[2]);
    }

    fn answers_say_what_browsers_may_do_with_them(app) {
        app.set_up(json!({}));
        for path in ["/v1/program", "/v1/orders/absent", "/nowhere", "/healthz", "/docs/", "/openapi.json"] {
            let answer = app.admin().get(path);
            for (name, value) in [
                ("x-content-type-options", "nosniff"),
                ("x-frame-options", "DENY"),
                ("referrer-policy", "no-referrer"),
                ("cache-control", "no-store"),
            ] {
                assert_eq!(answer.headers[name], value, "{path}");
            }
            let policy = answer.headers["content-security-policy"].to_str().unwrap();
            assert!(policy.starts_with("default-src 'none'"), "{path}: {policy}");
            assert!(policy.contains("frame-ancestors 'none'"), "{path}: {policy}");
            assert_eq!(policy.contains("script-src 'self';"), path.starts_with("/docs"), "{path}");
            assert!(!policy.contains("script-src 'self' "), "{path}: {policy}");
        }
        // The page needs no more than its policy allows.
        let page = app.client_with(None).get("/docs/").expect(200).text;
        assert!(page.contains("<script src=") && !page.contains("<script>") && !page.contains("<style>"), "{page}");
        assert!(!page.contains("http://") && !page.contains("https://"), "{page}");
    }

    fn an_instance_that_drains_lives_and_is_not_ready(app) {
        app.set_up(json!({}));
        assert!(!app.admin().get("/v1/program").expect(200).headers.contains_key("connection"));
        app.instance.drain();
        let probe = app.client_with(None);
        probe.get("/readyz").expect_problem(503, "unavailable");
        probe.get("/healthz").expect(200);
        // It goes on with what comes, and lets go of the connection.
        let answer = app.admin().get("/v1/program").expect(200);
        assert_eq!(answer.headers["connection"], "close");
    }

    fn who_shows_no_token_sends_one_request_on_a_connection(app) {
        app.set_up(json!({}));
        let long = format!("GET /v1/program?{}", "x".repeat(8_192));
        for (start, status) in [
            ("GET /v1/program", "401"),
            ("GET /healthz", "200"),
            ("GET /nowhere", "404"),
            ("BREW /v1/orders/o1", "405"),
            (&long, "414"),
        ] {
            let answer = last_answer(app, &format!("{start} HTTP/1.1\r\nHost: x\r\n\r\n"));
            assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{start}: {answer}");
        }
        let much = format!("GET /v1/program HTTP/1.1\r\nHost: x\r\na: {}\r\n\r\n", "x".repeat(32_768));
        assert!(last_answer(app, &much).starts_with("HTTP/1.1 431 "));
    }

    fn what_finds_no_connection_is_refused_soon_however_many_they_are(app) {
        app.set_up(json!({}));
        let held = Held::of(&app.db, 8);
        let began = Instant::now();
        std::thread::scope(|scope| {
            for _ in 0..64 {
                scope.spawn(|| {
                    let answer = app.storefront().get("/v1/program").expect_problem(503, "unavailable");
                    assert_eq!(answer.headers["retry-after"], "1");
                });
            }
        });
        // One second each, and all of them the same one.
        assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
        let began = Instant::now();
        app.client_with(None).get("/readyz").expect_problem(503, "unavailable");
        assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
        app.client_with(None).get("/healthz").expect(200);
        let (page, figures) = metrics(app);
        assert_eq!(figures["accolade_database_connections{state=\"in_use\"}"], 8.0, "{page}");
        assert!(figures["accolade_database_refused_total"] >= 64.0, "{page}");
        drop(held);
        until("it is ready again", || app.client_with(None).get("/readyz").status == 200);
        app.storefront().get("/v1/program").expect(200);
    }
}

/// Sends a request by itself and reads until the connection ends, which one
/// that is kept would not.
fn last_answer(app: &App, request: &str) -> String {
    let mut stream = TcpStream::connect(app.socket()).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

/// Takes the table of events away, as it was.
fn break_events(app: &App) {
    let rename = |tx: &mut Tx<'_>| {
        Ok::<_, db::Error>(tx.conn.batch_execute("ALTER TABLE events RENAME TO elsewhere")?)
    };
    actix_web::rt::System::new().block_on(app.db.write(rename)).unwrap();
}

#[test]
fn a_write_is_refused_at_once_where_too_many_wait() {
    const WAITING_MAX: usize = 32;
    let limits = Limits { waiting_writes_max: WAITING_MAX, ..Limits::default() };
    let app = App::on_sqlite_within(limits, 512);
    app.set_up(json!({}));
    // The writer is at work, and its queue is full.
    let (release, released) = channel::<()>();
    let (begun, has_begun) = channel();
    let db = app.db.clone();
    let at_work = std::thread::spawn(move || {
        let hold = move |_: &mut Tx<'_>| {
            begun.send(()).unwrap();
            released.recv().ok();
            Ok::<_, db::Error>(())
        };
        actix_web::rt::System::new().block_on(db.write(hold))
    });
    has_begun.recv_timeout(Duration::from_secs(10)).unwrap();
    let db = app.db.clone();
    let others = std::thread::spawn(move || {
        let writes = (0..=WAITING_MAX).map(|_| db.write(|_| Ok::<_, db::Error>(())));
        actix_web::rt::System::new().block_on(futures_util::future::join_all(writes))
    });
    until("the queue is full", || {
        app.db.load().writer.is_some_and(|writer| writer.waiting >= WAITING_MAX)
    });

    let began = Instant::now();
    let answer = app.order("o1", "c1", "2024-06-01T10:00:00Z", "1.00");
    let answer = answer.expect_problem(503, "unavailable");
    assert_eq!(answer.headers["retry-after"], "1");
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
    // Reads go on.
    app.storefront().get("/v1/program").expect(200);
    let (page, figures) = metrics(&app);
    assert!(figures["accolade_writer_queue_length"] >= WAITING_MAX as f64, "{page}");
    assert!(figures["accolade_writer_refused_total"] >= 1.0, "{page}");

    release.send(()).unwrap();
    at_work.join().unwrap().unwrap();
    // Those that found room were stored.
    let stored = others.join().unwrap().iter().filter(|answer| answer.is_ok()).count();
    assert!(stored > 0);
    until("the queue is empty", || metrics(&app).1["accolade_writer_queue_length"] == 0.0);
    app.order("o1", "c1", "2024-06-01T10:00:00Z", "1.00").expect(201);
}

#[test]
fn requests_beyond_those_in_hand_are_refused_and_probes_are_not() {
    let app = App::on_sqlite_within(Limits::default(), 2);
    app.set_up(json!({}));
    let client = app.storefront();
    let head = format!(
        "PUT /v1/customers/c1 HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\n\
         Content-Type: application/json\r\nContent-Length: 2\r\n\r\n",
        client.token()
    );
    let mut slow: Vec<TcpStream> = (0..2)
        .map(|_| {
            let mut stream = TcpStream::connect(app.socket()).unwrap();
            stream.write_all(head.as_bytes()).unwrap();
            stream
        })
        .collect();
    until("both are in hand", || app.instance.in_flight() == 2);
    let began = Instant::now();
    let answer = client.get("/v1/program").expect_problem(503, "unavailable");
    assert_eq!(answer.headers["retry-after"], "1");
    assert!(answer.headers.contains_key("x-request-id"));
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
    for probe in ["/healthz", "/readyz"] {
        app.client_with(None).get(probe).expect(200);
    }
    assert_eq!(metrics(&app).1["accolade_requests_refused_total"], 1.0);
    // Whatever they ask for; and no connection is kept for them.
    for operation in operations() {
        client.send(&operation.method, &operation.path(), None).expect_problem(503, "unavailable");
    }
    last_answer(&app, "GET /v1/program HTTP/1.1\r\nHost: x\r\n\r\n");
    // One is finished and one is given up; either makes room.
    let mut first = slow.remove(0);
    first.write_all(b"{}").unwrap();
    let mut answer = [0; 12];
    first.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"HTTP/1.1 201");
    client.get("/v1/program").expect(200);
    drop(slow);
    until("nothing is in hand", || app.instance.in_flight() == 0);
}
