//! What only a process of its own can show: how it ends, what it logs, its
//! copies and its memory. The large forms are run by `.ci/nightly`.

use crate::support::*;
use accolade::api::auth::{Caller, Role};
use accolade::api::tokens::{Parties, Secret, issue};
use accolade::domain::id::StoreId;
use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use serde_json::json;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{LazyLock, OnceLock};
use std::time::{Duration, Instant};

/// How long the service goes on after SIGTERM here.
const DRAIN_SECONDS: u64 = 2;

fn accolade(folder: &Path, settings: &[(&str, &str)], args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_accolade"));
    command
        .args(args)
        .current_dir(folder)
        .env_clear()
        .env("LISTEN_ADDR", "127.0.0.1:0")
        .env("JWT_SECRET", SECRET)
        .env("DRAIN_SECONDS", DRAIN_SECONDS.to_string())
        .envs(settings.iter().copied());
    command
}

/// A serving process, which logs to a file.
struct Process {
    child: Child,
    log: PathBuf,
    base: String,
}

impl Process {
    fn start(folder: &Path, settings: &[(&str, &str)]) -> Self {
        let log = folder.join("log");
        let mut child = accolade(folder, settings, &["serve"])
            .stdout(Stdio::piped())
            .stderr(fs::OpenOptions::new().create(true).append(true).open(&log).unwrap())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let base = line.trim().strip_prefix("listening on ").map(str::to_owned);
        let base = base.unwrap_or_else(|| panic!("{}", fs::read_to_string(&log).unwrap()));
        Self { child, log, base }
    }

    /// Where it listens: `127.0.0.1:PORT`.
    fn authority(&self) -> &str {
        self.base.strip_prefix("http://").unwrap()
    }

    fn terminate(&self) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
    }

    fn exit(&mut self, within: Duration) -> ExitStatus {
        let began = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(began.elapsed() < within, "it does not end");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap()
    }

    /// The most memory that it ever had, in MiB.
    fn memory_peak_mib(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        line.trim().strip_suffix(" kB").unwrap().trim().parse::<u64>().unwrap() / 1024
    }

    /// Sends a request; the status and the body. `Err` where it gets no answer.
    fn send(
        &self,
        agent: &ureq::Agent,
        role: Role,
        method: &str,
        path: &str,
        body: Option<(&str, &str)>,
    ) -> Result<(u16, String), ureq::Error> {
        let request = ureq::http::Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.base))
            .header("authorization", format!("Bearer {}", token(role)));
        let mut response = match body {
            Some((kind, text)) => {
                agent.run(request.header("content-type", kind).body(text.to_owned()).unwrap())?
            }
            None => agent.run(request.body(()).unwrap())?,
        };
        let status = response.status().as_u16();
        Ok((status, response.body_mut().read_to_string()?))
    }

    fn set_up(&self) {
        let body = r#"{"currency": "GBP", "time_zone": "UTC", "start_date": "2020-01-01"}"#;
        let body = Some(("application/json", body));
        let (status, text) =
            self.send(&agent(), Role::Administrator, "PATCH", "/v1/program", body).unwrap();
        assert_eq!(status, 200, "{text}");
    }

    /// Puts an order, which is acknowledged or not.
    fn put_order(&self, agent: &ureq::Agent, id: &str) -> Result<(u16, String), ureq::Error> {
        let body = order(&format!("c-{id}"), "2024-06-01T10:00:00Z", "12.50").to_string();
        let body = Some(("application/json", body.as_str()));
        self.send(agent, Role::Storefront, "PUT", &format!("/v1/orders/{id}"), body)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn agent() -> ureq::Agent {
    let config = ureq::Agent::config_builder().http_status_as_error(false);
    config.timeout_global(Some(Duration::from_secs(60))).build().into()
}

/// The same token each time.
fn token(role: Role) -> String {
    static ISSUED_AT: LazyLock<chrono::DateTime<chrono::Utc>> = LazyLock::new(chrono::Utc::now);
    let secret = Secret::new(SECRET.as_bytes().to_vec()).unwrap();
    let store = StoreId::parse(STORE).unwrap();
    let caller = Caller { store, subject: "tester".to_owned(), role };
    let ttl = chrono::Duration::hours(5);
    issue(&secret, &Parties::default(), &caller, *ISSUED_AT, ttl).unwrap()
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&[output.stdout.as_slice(), &output.stderr].concat()).into_owned()
}

/// A connection that sends and reads what it is told, byte by byte.
struct Raw {
    stream: TcpStream,
    /// What is still to be sent.
    rest: String,
    /// The order that is sent.
    id: String,
}

impl Raw {
    fn open(
        process: &Process,
        id: String,
        method: &str,
        path: &str,
        kind: &str,
        body: &str,
    ) -> Self {
        let stream = TcpStream::connect(process.authority()).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\n\
             Content-Type: {kind}\r\nContent-Length: {}\r\n\r\n",
            token(Role::Storefront),
            body.len(),
        );
        let mut raw = Self { stream, rest: head.clone() + body, id };
        raw.send(head.len() + 10);
        raw
    }

    /// An order whose body comes in parts, by itself or in a batch: the head and
    /// the first part are sent.
    fn begin_order(process: &Process, id: String, in_batch: bool) -> Self {
        let mut body = order(&format!("c-{id}"), "2024-06-01T10:00:00Z", "12.50");
        if in_batch {
            body["order_id"] = json!(id);
            let line = format!("{}\n", json!({"order": body}));
            Self::open(process, id, "POST", "/v1/facts", "application/x-ndjson", &line)
        } else {
            let path = format!("/v1/orders/{id}");
            Self::open(process, id, "PUT", &path, "application/json", &body.to_string())
        }
    }

    fn send(&mut self, count: usize) {
        let rest = self.rest.split_off(count.min(self.rest.len()));
        self.stream.write_all(self.rest.as_bytes()).unwrap();
        self.rest = rest;
    }

    /// Sends what is left; the whole answer, after which the server hangs up.
    fn finish(mut self) -> (String, String) {
        self.send(usize::MAX);
        let mut answer = String::new();
        self.stream.read_to_string(&mut answer).unwrap();
        (self.id, answer)
    }

    /// A connection on which an order was sent and answered, and which is kept.
    fn keep(process: &Process, id: String) -> Self {
        let mut raw = Self::begin_order(process, id, false);
        raw.send(usize::MAX);
        let answer = raw.read_one();
        assert!(answer.starts_with("HTTP/1.1 201"), "{answer}");
        assert!(!answer.to_lowercase().contains("connection: close"), "{answer}");
        raw
    }

    /// Reads one answer, and not on to the end of the connection.
    fn read_one(&mut self) -> String {
        let (mut answer, mut buffer) = (String::new(), [0; 4096]);
        loop {
            let count = self.stream.read(&mut buffer).unwrap();
            assert!(count > 0, "it hangs up after {answer:?}");
            answer += std::str::from_utf8(&buffer[..count]).unwrap();
            let Some((head, body)) = answer.split_once("\r\n\r\n") else { continue };
            let head = head.to_lowercase();
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            if body.len() >= length.unwrap().parse::<usize>().unwrap() {
                return answer;
            }
        }
    }

    /// Sends another request on a kept connection; its answer, with which the
    /// server hangs up.
    fn ask_for_the_last_time(mut self) -> String {
        self.rest = format!(
            "GET /v1/orders/{} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\n\r\n",
            self.id,
            token(Role::Storefront),
        );
        self.finish().1
    }
}

/// So long before the listener closes, callers stop: a connection that is on its
/// way then would be refused.
const SHORTLY: Duration = Duration::from_millis(200);
/// How many bodies come slowly, and how many connections are kept, over the stop.
const SLOW: usize = 10;

/// Ends the service so many times while callers send what they can, until
/// shortly before it takes no more connections; meanwhile bodies come in parts,
/// and connections are kept, some of them idle. Every request that was sent is
/// answered well, what was acknowledged is there at the next start, and the
/// process ends with 0.
fn terminate_under_load(database_url: &str, folder: &Path, rounds: usize) {
    let settings = [("DATABASE_URL", database_url), ("LOG_LEVEL", "warn")];
    let drain = Duration::from_secs(DRAIN_SECONDS);
    let mut acknowledged: Vec<String> = Vec::new();
    let (mut while_draining, mut at_the_end, mut slowest) = (0, 0, Duration::ZERO);
    for round in 0..rounds {
        let mut process = Process::start(folder, &settings);
        process.set_up();
        let signalled = OnceLock::new();
        let (sent, idle) = std::thread::scope(|scope| {
            let (process, signalled) = (&process, &signalled);
            let callers: Vec<_> = (0..4)
                .map(|caller| {
                    scope.spawn(move || {
                        let (agent, mut sent) = (agent(), Vec::new());
                        let is_over = || {
                            let at: Option<&Instant> = signalled.get();
                            at.is_some_and(|at| at.elapsed() > drain - SHORTLY)
                        };
                        while !is_over() {
                            let id = format!("o{round}-{caller}-{}", sent.len());
                            let began = Instant::now();
                            let (status, text) = process.put_order(&agent, &id).unwrap();
                            assert_eq!(status, 201, "{text}");
                            sent.push((id, began));
                        }
                        sent
                    })
                })
                .collect();
            let balancer = agent();
            let probe = |path: &str| {
                process.send(&balancer, Role::Storefront, "GET", path, None).unwrap().0
            };
            let begin = |name: &str| {
                let id = |n: usize| format!("o{round}-{name}-{n}");
                (0..SLOW).map(move |n| Raw::begin_order(process, id(n), n % 4 == 1)).collect()
            };
            std::thread::sleep(Duration::from_millis(300));
            let mut slow: Vec<Raw> = begin("slow");
            let kept = (0..SLOW).map(|n| Raw::keep(process, format!("o{round}-kept-{n}")));
            let (used, idle): (Vec<_>, Vec<_>) = kept.enumerate().partition(|(n, _)| n % 2 == 0);
            std::thread::sleep(Duration::from_millis(100));
            let at = Instant::now();
            signalled.set(at).unwrap();
            process.terminate();
            while probe("/readyz") == 200 {
                assert!(at.elapsed() < Duration::from_secs(1), "it still says it is ready");
            }
            assert_eq!(probe("/healthz"), 200);
            // Some are begun only now, or asked once more.
            slow.extend::<Vec<Raw>>(begin("later"));
            for (_, kept) in used {
                let answer = kept.ask_for_the_last_time();
                assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
            }
            // None of them is whole before nothing new is taken.
            while at.elapsed() < drain + Duration::from_millis(500) {
                slow.iter_mut().for_each(|slow| slow.send(10));
                std::thread::sleep(Duration::from_millis(250));
            }
            assert!(TcpStream::connect(process.authority()).is_err(), "it still takes connections");
            for slow in slow {
                assert!(!slow.rest.is_empty(), "{} was whole before", slow.id);
                let (id, answer) = slow.finish();
                assert!(answer.starts_with("HTTP/1.1 20"), "{answer}");
                acknowledged.push(id);
            }
            let sent = callers.into_iter().map(|caller| caller.join().unwrap());
            (sent.collect::<Vec<_>>().concat(), idle)
        });
        let signalled = *signalled.get().unwrap();
        while_draining += sent.iter().filter(|(_, began)| *began > signalled).count();
        let closed = signalled + drain;
        let last = sent.iter().filter(|(_, began)| *began + 2 * SHORTLY > closed).count();
        assert!(last >= 4, "there was no load to the end: {last} of {}", sent.len());
        at_the_end += last;
        let status = process.exit(Duration::from_secs(15));
        slowest = slowest.max(closed.elapsed());
        assert_eq!(status.code(), Some(0), "{}", process.log());
        // Whoever had nothing to say was told nothing.
        for (_, mut idle) in idle {
            let told = idle.stream.read(&mut [0; 64]);
            assert!(told.as_ref().map_or(true, |count| *count == 0), "{told:?}");
        }
        acknowledged.extend(sent.into_iter().map(|(id, _)| id));
    }
    eprintln!(
        "{rounds} signals: {} orders acknowledged, {while_draining} of them sent after a signal, \
         {at_the_end} of those in the last {SHORTLY:?}; {} bodies came over the end; \
         the slowest process ended {slowest:.1?} after it took no more connections",
        acknowledged.len(),
        2 * SLOW * rounds,
    );
    let process = Process::start(folder, &settings);
    let agent = agent();
    for id in acknowledged {
        let path = format!("/v1/orders/{id}");
        let (status, _) = process.send(&agent, Role::Storefront, "GET", &path, None).unwrap();
        assert_eq!(status, 200, "{id} was acknowledged");
    }
}

fn terminate_on_sqlite(rounds: usize) {
    let folder = tempfile::tempdir().unwrap();
    terminate_under_load("sqlite://accolade.db", folder.path(), rounds);
}

fn terminate_on_postgres(rounds: usize) {
    let folder = tempfile::tempdir().unwrap();
    terminate_under_load(&new_postgres_database(), folder.path(), rounds);
}

#[test]
fn a_sigterm_under_load_fails_no_request_sqlite() {
    terminate_on_sqlite(5);
}

#[test]
fn a_sigterm_under_load_fails_no_request_postgres() {
    terminate_on_postgres(5);
}

#[test]
#[ignore = "takes minutes"]
fn fifty_sigterms_under_load_fail_no_request_sqlite() {
    terminate_on_sqlite(50);
}

#[test]
#[ignore = "takes minutes"]
fn fifty_sigterms_under_load_fail_no_request_postgres() {
    terminate_on_postgres(50);
}

#[test]
fn after_its_end_the_file_is_whole_by_itself() {
    let folder = tempfile::tempdir().unwrap();
    let settings = [("LOG_LEVEL", "warn"), ("DRAIN_SECONDS", "0")];
    let mut process = Process::start(folder.path(), &settings);
    process.set_up();
    assert_eq!(process.put_order(&agent(), "o1").unwrap().0, 201);
    process.terminate();
    assert_eq!(process.exit(Duration::from_secs(10)).code(), Some(0), "{}", process.log());
    assert_eq!(process.log(), "");
    let elsewhere = tempfile::tempdir().unwrap();
    let name = "accolade.db";
    fs::copy(folder.path().join(name), elsewhere.path().join(name)).unwrap();
    let copied = Process::start(elsewhere.path(), &settings);
    let read = copied.send(&agent(), Role::Storefront, "GET", "/v1/orders/o1", None).unwrap();
    assert_eq!(read.0, 200, "{}", read.1);
}

#[test]
fn it_ends_though_the_database_keeps_the_background_waiting() {
    let folder = tempfile::tempdir().unwrap();
    let url = new_postgres_database();
    let settings = [("DATABASE_URL", url.as_str()), ("DRAIN_SECONDS", "0"), ("LOG_LEVEL", "warn")];
    let mut process = Process::start(folder.path(), &settings);
    process.set_up();
    // Somebody else holds a lock, and does not let go.
    let mut conn = PgConnection::establish(&url).unwrap();
    conn.batch_execute("BEGIN; LOCK TABLE events IN ACCESS EXCLUSIVE MODE").unwrap();
    let waits = "SELECT count(*) AS number FROM pg_locks l JOIN pg_database d ON d.oid = l.database \
                 WHERE NOT l.granted AND d.datname = current_database()";
    let began = Instant::now();
    while diesel::sql_query(waits).get_result::<Number>(&mut conn).unwrap().number == 0 {
        assert!(began.elapsed() < Duration::from_secs(20), "nothing waits for the lock");
        std::thread::sleep(Duration::from_millis(20));
    }
    process.terminate();
    let status = process.exit(Duration::from_secs(10));
    assert_eq!(status.code(), Some(0), "{}", process.log());
}

#[derive(QueryableByName)]
struct Number {
    #[diesel(sql_type = diesel::sql_types::BigInt)]
    number: i64,
}

/// Whatever is sent by whoever, the log has none of it.
fn log_nothing_personal(
    database_url: &str,
    folder: &Path,
    level: &str,
    format: &str,
    spoil: impl FnOnce(),
) {
    let settings = [("DATABASE_URL", database_url), ("LOG_LEVEL", level), ("LOG_FORMAT", format)];
    let process = Process::start(folder, &settings);
    process.set_up();
    let agent = agent();
    let send = |role: Role, method: &str, path: &str, body: Option<(&str, &str)>| {
        process.send(&agent, role, method, path, body).unwrap()
    };
    let json_body = |body: &'static str| Some(("application/json", body));
    let customer = r#"{"name": "Zaphod Sentinelson", "email": "zaphod@sentinel.example"}"#;
    let put = |path: &str, body| send(Role::Storefront, "PUT", path, body);
    assert_eq!(put("/v1/customers/customer-4711", json_body(customer)).0, 201);
    let status = r#"{"status": "caution", "note": "sentinel note: shouts at couriers"}"#;
    let path = "/v1/customers/customer-4711/status";
    let (answered, said) = send(Role::Support, "PUT", path, json_body(status));
    assert_eq!(answered, 200, "{said}");
    // What is refused is quoted as little: no JSON, wrong fields, bad values.
    for body in [
        r#"{"email": "sentinel@broken"#,
        r#"{"sentinel_field": "sentinel"}"#,
        r#"{"email": "sentinel", "name": 7}"#,
    ] {
        assert!(put("/v1/customers/customer-4711", json_body(body)).0 >= 400);
    }
    let lines = "{\"customer\": {\"customer_id\": \"customer-4712\", \"email\": \"many@sentinel.example\"}}\n\
         {\"customer\": {\"customer_id\": \"customer-4713\", \"email\": \"sentinel\"}}\nsentinel\n";
    let lines = Some(("application/x-ndjson", lines));
    assert_eq!(send(Role::Storefront, "POST", "/v1/facts", lines).0, 200);
    assert_eq!(send(Role::Support, "GET", "/v1/customers?q=sentinelson", None).0, 200);
    assert_eq!(send(Role::Support, "GET", "/v1/customers?sentinel=1", None).0, 422);
    assert_eq!(send(Role::Support, "GET", "/sentinel/path?sentinel", None).0, 404);
    // No token is good for the log, one that is valid least of all.
    for (name, value) in [
        ("authorization", "Bearer sentinel.token.value"),
        ("authorization", "Basic c2VudGluZWw6c2VudGluZWw="),
        ("cookie", "sentinel=1"),
        ("x-request-id", "two words of a sentinel"),
        ("x-request-id", "correlation-0815"),
    ] {
        let url = format!("{}/v1/customers/customer-4711", process.base);
        assert_eq!(agent.get(url).header(name, value).call().unwrap().status(), 401);
    }

    // What goes wrong in the database is told, and still none of it.
    spoil();
    assert_eq!(put("/v1/customers/customer-4714", json_body(customer)).0, 500);
    assert_eq!(send(Role::Support, "GET", "/v1/customers?q=sentinelson", None).0, 500);

    let log = process.log();
    let tokens = [Role::Storefront, Role::Support].map(token);
    let of_tokens = tokens.iter().flat_map(|token| token.split('.')).map(|part| &part[..20]);
    let secrets: Vec<&str> = ["sentinel", "couriers", "c2vudgluzww", SECRET, "bearer"]
        .into_iter()
        .chain(of_tokens)
        .collect();
    for line in log.lines() {
        let small = line.to_lowercase();
        for secret in &secrets {
            assert!(!small.contains(&secret.to_lowercase()), "{secret} is in: {line}");
        }
        assert!(!(line.contains("answered") && line.contains("customer-47")), "{line}");
    }
    // It did log.
    assert!(log.contains("spoiled") || log.contains("customer_id"), "{log}");
    let answered: Vec<&str> = log.lines().filter(|line| line.contains("answered")).collect();
    assert!(answered.len() >= 15, "{log}");
    for part in ["/v1/customers/{customer_id}", "unmatched", "correlation-0815"] {
        assert!(answered.iter().any(|line| line.contains(part)), "{part} is not in\n{log}");
    }
}

/// After this, statements about customers fail.
const SPOIL: &str = "ALTER TABLE customers RENAME COLUMN customer_id TO spoiled";

#[test]
fn the_log_has_nothing_personal_and_no_secret_sqlite() {
    for (level, format) in [("debug", "text"), ("trace", "json")] {
        let folder = tempfile::tempdir().unwrap();
        let spoil = || {
            let path = folder.path().join("accolade.db");
            let mut conn = SqliteConnection::establish(path.to_str().unwrap()).unwrap();
            conn.batch_execute(SPOIL).unwrap();
        };
        log_nothing_personal("sqlite://accolade.db", folder.path(), level, format, spoil);
    }
}

#[test]
fn the_log_has_nothing_personal_and_no_secret_postgres() {
    for (level, format) in [("debug", "json"), ("trace", "text")] {
        let folder = tempfile::tempdir().unwrap();
        let url = new_postgres_database();
        let spoil = || PgConnection::establish(&url).unwrap().batch_execute(SPOIL).unwrap();
        let with_password = url.replace('@', ":sentinel@");
        assert_ne!(with_password, url);
        log_nothing_personal(&with_password, folder.path(), level, format, spoil);
    }
}

#[derive(QueryableByName)]
struct Text {
    #[diesel(sql_type = diesel::sql_types::Text)]
    text: String,
}

#[test]
fn a_copy_made_under_load_has_all_that_was_acknowledged_before_and_can_be_restored() {
    let folder = tempfile::tempdir().unwrap();
    let process = Process::start(folder.path(), &[("LOG_LEVEL", "warn")]);
    process.set_up();
    let is_over = AtomicBool::new(false);
    let acknowledged = std::sync::Mutex::new(Vec::new());
    let copy = folder.path().join("copy.db");
    let (before, after) = std::thread::scope(|scope| {
        for caller in 0..4 {
            let (process, is_over, acknowledged) = (&process, &is_over, &acknowledged);
            scope.spawn(move || {
                let agent = agent();
                for number in 0.. {
                    if is_over.load(Ordering::SeqCst) {
                        break;
                    }
                    let id = format!("o{caller}-{number}");
                    let (status, text) = process.put_order(&agent, &id).unwrap();
                    assert_eq!(status, 201, "{text}");
                    acknowledged.lock().unwrap().push(id);
                }
            });
        }
        let count = || acknowledged.lock().unwrap().len();
        let began = Instant::now();
        while count() < 100 && began.elapsed() < Duration::from_secs(30) {
            std::thread::sleep(Duration::from_millis(10));
        }
        let before = acknowledged.lock().unwrap().clone();
        let output = accolade(folder.path(), &[], &["backup", "copy.db"]).output().unwrap();
        is_over.store(true, Ordering::SeqCst);
        assert!(output.status.success(), "{}", text(&output));
        assert!(text(&output).ends_with("bytes in copy.db, checked\n"), "{}", text(&output));
        (before, count())
    });
    assert!(before.len() >= 100, "there was no load");
    assert!(after > before.len(), "nobody wrote meanwhile");

    // The file alone, whole, and nothing beside it.
    assert_eq!(fs::metadata(&copy).unwrap().permissions().mode() & 0o777, 0o600);
    let beside = fs::read_dir(folder.path()).unwrap();
    let beside = beside.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let beside: Vec<String> = beside.filter(|name| name.starts_with("copy.db")).collect();
    assert_eq!(beside, ["copy.db"]);
    let mut conn = SqliteConnection::establish(copy.to_str().unwrap()).unwrap();
    let texts = |conn: &mut SqliteConnection, sql: &str| -> Vec<String> {
        let rows: Vec<Text> = diesel::sql_query(sql).load(conn).unwrap();
        rows.into_iter().map(|row| row.text).collect()
    };
    let check = "SELECT integrity_check AS text FROM pragma_integrity_check";
    assert_eq!(texts(&mut conn, check), ["ok"]);
    let copied = texts(&mut conn, "SELECT order_id AS text FROM orders");
    for id in &before {
        assert!(copied.contains(id), "{id} was acknowledged before");
    }
    drop(conn);

    // Nothing is overwritten.
    let bytes = fs::read(&copy).unwrap();
    let output = accolade(folder.path(), &[], &["backup", "copy.db"]).output().unwrap();
    assert!(!output.status.success());
    assert!(text(&output).contains("exists already"), "{}", text(&output));
    assert!(fs::read(&copy).unwrap() == bytes);

    // Restored, it serves on as if nothing had been.
    let elsewhere = tempfile::tempdir().unwrap();
    fs::copy(&copy, elsewhere.path().join("accolade.db")).unwrap();
    let restored = Process::start(elsewhere.path(), &[("LOG_LEVEL", "warn")]);
    for id in [&before[0], &before[before.len() - 1]] {
        let path = format!("/v1/customers/c-{id}/membership");
        let (status, text) = restored.send(&agent(), Role::Storefront, "GET", &path, None).unwrap();
        assert_eq!(status, 200, "{text}");
        assert!(text.contains("\"amount_spent\":\"12.50\""), "{text}");
    }
    assert_eq!(restored.put_order(&agent(), "after").unwrap().0, 201);
}

#[test]
fn a_copy_says_why_it_can_not_be_made() {
    let folder = tempfile::tempdir().unwrap();
    let run = |url: &str, file: &str| {
        let settings = [("DATABASE_URL", url)];
        let output = accolade(folder.path(), &settings, &["backup", file]).output().unwrap();
        assert!(!output.status.success());
        text(&output)
    };
    assert!(run("postgres://localhost/x", "copy.db").contains("pg_dump"));
    // A database that is not there is not made.
    assert!(run("sqlite://accolade.db", "copy.db").contains("there is no database"));
    assert!(!folder.path().join("accolade.db").exists());
    fs::write(folder.path().join("accolade.db"), "this is no database, but a text").unwrap();
    run("sqlite://accolade.db", "copy.db");
    run("sqlite://accolade.db", "nowhere/copy.db");
    let left = fs::read_dir(folder.path()).unwrap();
    let left: Vec<_> = left.map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["accolade.db"]);
}

/// Connections that say what they want, or take what they asked for, a byte a
/// second, and come again when they are dropped: a third with their heads, a
/// third with their bodies, and a third with what they read.
struct Slow<'a> {
    process: &'a Process,
    connections: Vec<(TcpStream, Vec<u8>)>,
    dropped: [usize; 3],
    timed_out: usize,
}

impl<'a> Slow<'a> {
    fn open(process: &'a Process, count: usize) -> Self {
        let mut slow = Self { process, connections: Vec::new(), dropped: [0; 3], timed_out: 0 };
        slow.connections = (0..count).map(|i| slow.connect(i)).collect();
        slow
    }

    fn connect(&self, i: usize) -> (TcpStream, Vec<u8>) {
        if i % 3 == 2 {
            let stream = ask_for_much(self.process);
            stream.set_nonblocking(true).unwrap();
            return (stream, Vec::new());
        }
        let mut stream = TcpStream::connect(self.process.authority()).unwrap();
        let mut rest = b"GET /healthz HTTP/1.1\r\nX-Slow: ".to_vec();
        rest.resize(1_000, b'x');
        if i % 3 == 1 {
            let head = format!(
                "PUT /v1/customers/slow HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\n\
                 Content-Type: application/json\r\nContent-Length: 1000\r\n\r\n",
                token(Role::Storefront),
            );
            stream.write_all(head.as_bytes()).unwrap();
            rest = vec![b' '; 1_000];
        }
        rest.reverse();
        stream.set_nonblocking(true).unwrap();
        (stream, rest)
    }

    /// A byte on each, and whoever was dropped comes again.
    fn tick(&mut self) {
        for i in 0..self.connections.len() {
            let (stream, rest) = &mut self.connections[i];
            let is_over = if i % 3 == 2 {
                is_over(stream.read(&mut [0]))
            } else {
                let mut answer = [0; 512];
                let is_over = loop {
                    match stream.read(&mut answer) {
                        Ok(count @ 1..) => {
                            let is_late = answer[..count].starts_with(b"HTTP/1.1 408");
                            self.timed_out += usize::from(is_late);
                        }
                        read => break is_over(read),
                    }
                };
                let byte = rest.pop();
                is_over || byte.is_none_or(|byte| stream.write_all(&[byte]).is_err())
            };
            if is_over {
                self.dropped[i % 3] += 1;
                self.connections[i] = self.connect(i);
            }
        }
    }
}

/// Whether a connection that was read from has ended.
fn is_over(read: std::io::Result<usize>) -> bool {
    match read {
        Ok(count) => count == 0,
        Err(error) => error.kind() != std::io::ErrorKind::WouldBlock,
    }
}

/// How long the slowest of a hundred healthy requests takes, of so many.
fn p99(process: &Process, count: usize) -> Duration {
    let mut took: Vec<Duration> = std::thread::scope(|scope| {
        let caller = || {
            let agent = agent();
            let path = "/v1/customers/c-o1/membership";
            let timed = (0..count / 4).map(|_| {
                let began = Instant::now();
                let answer = process.send(&agent, Role::Storefront, "GET", path, None).unwrap();
                assert_eq!(answer.0, 200, "{}", answer.1);
                began.elapsed()
            });
            timed.collect::<Vec<_>>()
        };
        let callers: Vec<_> = (0..4).map(|_| scope.spawn(caller)).collect();
        callers.into_iter().flat_map(|caller| caller.join().unwrap()).collect()
    });
    took.sort_unstable();
    took[took.len() * 99 / 100]
}

fn median(mut three: [Duration; 3]) -> Duration {
    three.sort_unstable();
    three[1]
}

/// Has so many slow connections for a while beside healthy requests; the
/// healthy ones' p99 without and with them.
fn be_slow(count: usize, seconds: u64, requests: usize) -> (Duration, Duration) {
    let folder = tempfile::tempdir().unwrap();
    let process = Process::start(folder.path(), &[("LOG_LEVEL", "error")]);
    process.set_up();
    assert_eq!(process.put_order(&agent(), "o1").unwrap().0, 201);
    p99(&process, requests);
    let without = median([0, 1, 2].map(|_| p99(&process, requests)));
    let is_over = AtomicBool::new(false);
    let (with, dropped, timed_out) = std::thread::scope(|scope| {
        let (process, is_over) = (&process, &is_over);
        let slow = scope.spawn(move || {
            let mut slow = Slow::open(process, count);
            let began = Instant::now();
            let goes_on = || match began.elapsed().as_secs() {
                elapsed if elapsed < seconds => true,
                elapsed => elapsed < 300 && !is_over.load(Ordering::SeqCst),
            };
            while goes_on() {
                slow.tick();
                std::thread::sleep(Duration::from_secs(1));
            }
            (slow.dropped, slow.timed_out)
        });
        std::thread::sleep(Duration::from_secs(2));
        let with = median([0, 1, 2].map(|_| p99(process, requests)));
        is_over.store(true, Ordering::SeqCst);
        let (dropped, timed_out) = slow.join().unwrap();
        (with, dropped, timed_out)
    });
    let memory = process.memory_peak_mib();
    eprintln!(
        "{count} slow connections: p99 {without:.1?} without, {with:.1?} with them; \
         {dropped:?} dropped, {timed_out} told so; {memory} MiB"
    );
    assert!(memory < 256, "{memory} MiB");
    // Heads have five seconds, bodies thirty.
    assert!(dropped[0] >= count / 4, "{dropped:?}");
    assert!(timed_out > 0, "nobody was told");
    if seconds > 35 {
        assert!(dropped[1] >= count / 4, "{dropped:?}");
    }
    (without, with)
}

#[test]
fn slow_connections_are_dropped_and_healthy_requests_are_answered() {
    let (without, with) = be_slow(50, 10, 200);
    // The other tests run meanwhile, so of what is faster nothing can be said.
    assert!(with <= 4 * without.max(Duration::from_millis(50)), "{without:?} became {with:?}");
}

#[test]
#[ignore = "takes minutes"]
fn healthy_requests_stay_fast_beside_five_hundred_slow_connections() {
    let (without, with) = be_slow(500, 45, 4_000);
    assert!(with <= 2 * without.max(Duration::from_millis(1)), "{without:?} became {with:?}");
}

/// Asks for something large without a token, and reads nothing of it. Segments
/// are small, so that the system takes little of it.
fn ask_for_much(process: &Process) -> TcpStream {
    let address: std::net::SocketAddr = process.authority().parse().unwrap();
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket.set_recv_buffer_size(4_096).unwrap();
    socket.set_tcp_mss(536).unwrap();
    socket.connect(&address.into()).unwrap();
    let mut stream = TcpStream::from(socket);
    stream.write_all(b"GET /docs/swagger-ui-bundle.js HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    stream
}

/// Does so many times at once.
fn ask_and_read_nothing(process: &Process, count: usize) -> Vec<TcpStream> {
    (0..count).map(|_| ask_for_much(process)).collect()
}

#[test]
fn who_reads_nothing_has_little_kept_for_them() {
    let folder = tempfile::tempdir().unwrap();
    let process = Process::start(folder.path(), &[("LOG_LEVEL", "error")]);
    let whole = process.send(&agent(), Role::Support, "GET", "/docs/swagger-ui-bundle.js", None);
    assert!(whole.unwrap().1.len() > 1024 * 1024);
    let before = process.memory_peak_mib();
    let connections = ask_and_read_nothing(&process, 100);
    std::thread::sleep(Duration::from_secs(2));
    let more = process.memory_peak_mib() - before;
    // All of it, for each of them, were above 140.
    assert!(more < 32, "{more} MiB for {} connections", connections.len());
    assert_eq!(process.send(&agent(), Role::Support, "GET", "/healthz", None).unwrap().0, 200);
}

#[test]
#[cfg(target_os = "linux")]
#[ignore = "takes more than half a minute"]
fn who_reads_nothing_is_let_go() {
    let folder = tempfile::tempdir().unwrap();
    let process = Process::start(folder.path(), &[("LOG_LEVEL", "error")]);
    let connections = ask_and_read_nothing(&process, 20);
    // Others take a little each second, and would go on for minutes.
    let mut little = ask_and_read_nothing(&process, 20);
    let began = Instant::now();
    let take_little = |little: &mut Vec<TcpStream>| {
        std::thread::sleep(Duration::from_secs(1));
        little.retain_mut(|stream| {
            stream.set_read_timeout(Some(Duration::from_millis(1))).unwrap();
            !is_over(stream.read(&mut [0; 4_096]))
        });
    };
    while began.elapsed() < Duration::from_secs(45) {
        take_little(&mut little);
    }
    assert_eq!(little.len(), 20);
    while !little.is_empty() {
        assert!(began.elapsed() < Duration::from_secs(120), "{} go on", little.len());
        take_little(&mut little);
    }
    for mut stream in connections {
        stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        let mut answer = Vec::new();
        // It ends, with an error or without, and is not whole.
        let end = stream.read_to_end(&mut answer);
        let is_over = end.err().is_none_or(|error| error.kind() != std::io::ErrorKind::WouldBlock);
        assert!(is_over && answer.len() < 1024 * 1024, "{} bytes", answer.len());
    }
}
