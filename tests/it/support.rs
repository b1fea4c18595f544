//! A service of its own for each test, on a database of its own, and a client
//! that writes down each (operation, status, code) that it sees.

use accolade::api::auth::{Caller, Role};
use accolade::api::document_json;
use accolade::api::instance::Instance;
use accolade::api::tokens::{LOOK_EVERY, Parties, Secret, Trust, Verifier, issue};
use accolade::app;
use accolade::db::{Db, Limits};
use accolade::domain::id::StoreId;
use actix_web::web;
use chrono::{DateTime, Utc};
use diesel::connection::SimpleConnection;
use diesel::{Connection, PgConnection, SqliteConnection};
use serde_json::{Value, json};
use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

/// The store of most tests.
pub const STORE: &str = "shop";
/// What every service of the tests signs its tokens with.
pub const SECRET: &str = "a secret of the tests, 32 bytes!";

/// Makes a test of a function, on each database.
macro_rules! on_both {
    ($($(#[$doc:meta])* fn $name:ident($app:ident) $body:block)*) => {$(
        $(#[$doc])*
        mod $name {
            use super::*;

            fn run($app: &$crate::support::App) $body

            #[test]
            fn sqlite() {
                run(&$crate::support::App::on_sqlite());
            }

            #[test]
            fn postgres() {
                run(&$crate::support::App::on_postgres());
            }
        }
    )*};
}

/// A running service.
pub struct App {
    address: String,
    secret: Secret,
    /// The file of the public keys that it trusts beside the secret.
    jwks_file: PathBuf,
    /// Its database, for what no request shows.
    pub db: Db,
    /// What it knows of itself.
    pub instance: web::Data<Instance>,
    /// The URL of its database.
    pub database_url: String,
    server: actix_web::dev::ServerHandle,
    _folders: [Option<tempfile::TempDir>; 2],
}

impl App {
    pub fn on_sqlite() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}/accolade.db", folder.path().display());
        Self::start(url, Some(folder))
    }

    pub fn on_postgres() -> Self {
        Self::start(new_postgres_database(), None)
    }

    /// On SQLite, with limits that a test can reach.
    pub fn on_sqlite_within(limits: Limits, requests_max: usize) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}/accolade.db", folder.path().display());
        Self::start_within(url, Some(folder), limits, (requests_max, 0))
    }

    /// On SQLite, with so many requests a second of each caller.
    pub fn on_sqlite_at_rate(rate_limit: u32) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}/accolade.db", folder.path().display());
        Self::start_within(url, Some(folder), Limits::default(), (512, rate_limit))
    }

    /// On an empty SQLite database, after some SQL.
    pub fn on_sqlite_after(sql: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = format!("{}/accolade.db", folder.path().display());
        SqliteConnection::establish(&path).unwrap().batch_execute(sql).unwrap();
        Self::start(format!("sqlite://{path}"), Some(folder))
    }

    /// On an empty PostgreSQL database, after some SQL.
    pub fn on_postgres_after(sql: &str) -> Self {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("it_{}_empty_{number}", std::process::id());
        run_on_cluster(&format!("CREATE DATABASE {name}"));
        let url = format!("{}/{name}", cluster());
        PgConnection::establish(&url).unwrap().batch_execute(sql).unwrap();
        Self::start(url, None)
    }

    /// Another instance on the same database.
    pub fn beside(&self) -> Self {
        Self::start(self.database_url.clone(), None)
    }

    fn start(url: String, folder: Option<tempfile::TempDir>) -> Self {
        Self::start_within(url, folder, Limits::default(), (512, 0))
    }

    fn start_within(
        url: String,
        folder: Option<tempfile::TempDir>,
        limits: Limits,
        (requests_max, rate_limit): (usize, u32),
    ) -> Self {
        let db = Db::open(&url, limits).unwrap();
        db.migrate().unwrap();
        let secret = Secret::new(SECRET.as_bytes().to_vec()).unwrap();
        let of_keys = tempfile::tempdir().unwrap();
        let jwks_file = of_keys.path().join("keys.json");
        std::fs::write(&jwks_file, r#"{"keys": []}"#).unwrap();
        let trust = Trust {
            parties: Parties::default(),
            secret: Some(secret.clone()),
            jwks_file: Some(jwks_file.clone()),
        };
        let verifier = Verifier::new(&trust).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let (sender, receiver) = std::sync::mpsc::channel();
        let instance = web::Data::new(Instance::new(requests_max, rate_limit));
        let (of_server, its) = (db.clone(), instance.clone());
        std::thread::spawn(move || {
            actix_web::rt::System::new().block_on(async move {
                let size = app::Size { workers: 1, connections_max: 800 };
                let server =
                    app::serve(of_server.clone(), verifier, listener, size, its.clone()).unwrap();
                let background = app::start_background(&of_server, &its);
                sender.send(server.handle()).unwrap();
                server.await.unwrap();
                background.abort();
            });
        });
        let server = receiver.recv().unwrap();
        let _folders = [folder, Some(of_keys)];
        Self { address, secret, jwks_file, db, instance, database_url: url, server, _folders }
    }

    /// Where it listens: `127.0.0.1:PORT`.
    pub fn socket(&self) -> &str {
        self.address.strip_prefix("http://").unwrap()
    }

    /// Replaces the file of public keys as a whole, and waits until it is due
    /// to be looked at again.
    pub fn set_keys(&self, content: &str) {
        let aside = self.jwks_file.with_extension("new");
        std::fs::write(&aside, content).unwrap();
        std::fs::rename(&aside, &self.jwks_file).unwrap();
        std::thread::sleep(LOOK_EVERY);
    }

    /// Takes the file of public keys away.
    pub fn remove_keys(&self) {
        std::fs::remove_file(&self.jwks_file).unwrap();
        std::thread::sleep(LOOK_EVERY);
    }

    /// A client of the test's store in a role.
    pub fn client(&self, role: Role) -> Client<'_> {
        self.client_of(STORE, role)
    }

    /// A client of any store.
    pub fn client_of(&self, store: &str, role: Role) -> Client<'_> {
        let store = StoreId::parse(store).unwrap();
        let ttl = chrono::Duration::hours(1);
        let caller = Caller { store, subject: "tester".to_owned(), role };
        let token = issue(&self.secret, &Parties::default(), &caller, Utc::now(), ttl).unwrap();
        Client { app: self, token: Some(token), headers: Vec::new() }
    }

    /// A client with any token, or none.
    pub fn client_with(&self, token: Option<&str>) -> Client<'_> {
        Client { app: self, token: token.map(str::to_owned), headers: Vec::new() }
    }

    pub fn storefront(&self) -> Client<'_> {
        self.client(Role::Storefront)
    }

    pub fn support(&self) -> Client<'_> {
        self.client(Role::Support)
    }

    pub fn manager(&self) -> Client<'_> {
        self.client(Role::Manager)
    }

    pub fn admin(&self) -> Client<'_> {
        self.client(Role::Administrator)
    }

    /// Sets the store up: GBP, UTC, and what else is given.
    pub fn set_up(&self, settings: Value) {
        let mut whole = json!({"currency": "GBP", "time_zone": "UTC", "start_date": "2020-01-01"});
        whole.as_object_mut().unwrap().extend(settings.as_object().unwrap().clone());
        self.admin().patch("/v1/program", &whole).expect(200);
    }

    /// Sets all tiers: codes with thresholds, in the order of their ranks; the
    /// name is the code with a capital letter.
    pub fn set_tiers(&self, tiers: &[(&str, &str)]) -> Answer {
        self.admin().put("/v1/tiers", &ladder(tiers)).expect(200)
    }

    /// Sends a completed order in GBP, placed when it was completed.
    pub fn order(&self, id: &str, customer: &str, completed_at: &str, total: &str) -> Answer {
        let body = order(customer, completed_at, total);
        self.storefront().put(&format!("/v1/orders/{id}"), &body)
    }

    /// Sends a refund.
    pub fn refund(&self, id: &str, order: &str, refunded_at: &str, amount: &str) -> Answer {
        let body = json!({"order_id": order, "amount": amount, "refunded_at": refunded_at});
        self.storefront().put(&format!("/v1/refunds/{id}"), &body)
    }

    /// Sends points.
    pub fn points(&self, id: &str, customer: &str, occurred_at: &str, points: i64) -> Answer {
        let body = json!({"customer_id": customer, "kind": "points", "points": points, "occurred_at": occurred_at});
        self.storefront().put(&format!("/v1/activities/{id}"), &body)
    }

    /// A customer's membership now.
    pub fn membership(&self, customer: &str) -> Value {
        self.storefront().get(&format!("/v1/customers/{customer}/membership")).expect(200).body
    }

    /// A customer's membership at an instant.
    pub fn membership_at(&self, customer: &str, at: &str) -> Value {
        let path = format!("/v1/customers/{customer}/membership?at={at}");
        self.storefront().get(&path).expect(200).body
    }
}

impl Drop for App {
    fn drop(&mut self) {
        drop(self.server.stop(false));
    }
}

/// The body of a completed order in GBP, placed when it was completed.
pub fn order(customer: &str, completed_at: &str, total: &str) -> Value {
    json!({
        "customer_id": customer, "status": "completed", "total": total, "currency": "GBP",
        "placed_at": completed_at, "completed_at": completed_at,
    })
}

/// The body of a ladder: codes with thresholds, in the order of their ranks.
pub fn ladder(tiers: &[(&str, &str)]) -> Value {
    let tier = |(rank, (code, threshold)): (u32, &(&str, &str))| {
        let name: String = code[..1].to_uppercase() + &code[1..];
        json!({"code": code, "name": name, "rank": rank, "threshold": threshold})
    };
    json!({"tiers": (1..).zip(tiers).map(tier).collect::<Vec<_>>()})
}

/// The code of a membership's tier, or "none".
pub fn tier(membership: &Value) -> &str {
    membership["tier"]["code"].as_str().unwrap_or("none")
}

/// A customer who joined at an instant.
pub fn join(app: &App, customer: &str, joined_at: &str) {
    let path = format!("/v1/customers/{customer}");
    app.storefront().put(&path, &json!({"joined_at": joined_at})).expect(201);
}

/// What a membership's progress says was spent.
pub fn spent(membership: &Value) -> &str {
    membership["progress"]["amount_spent"].as_str().unwrap()
}

/// Waits for the recalculation that a change made necessary, if it did.
pub fn settled(app: &App, answer: Answer) -> Value {
    assert!(answer.status < 300, "{}", answer.text);
    let mut recalculation = answer.body["recalculation"].clone();
    for _ in 0..500 {
        if recalculation["state"] != "running" {
            return recalculation;
        }
        std::thread::sleep(std::time::Duration::from_millis(20));
        let id = recalculation["recalculation_id"].as_str().unwrap();
        let path = format!("/v1/program/recalculations/{id}");
        recalculation = app.admin().get(&path).expect(200).body;
    }
    panic!("the recalculation does not end: {recalculation}");
}

/// An instant some seconds from now, as a request states it.
pub fn from_now(seconds: i64) -> String {
    let at: DateTime<Utc> = Utc::now() + chrono::Duration::seconds(seconds);
    at.to_rfc3339_opts(chrono::SecondsFormat::Micros, true)
}

/// A caller in a role.
pub struct Client<'a> {
    app: &'a App,
    token: Option<String>,
    headers: Vec<(String, String)>,
}

/// What was answered.
#[derive(Debug, Clone)]
pub struct Answer {
    pub status: u16,
    pub headers: ureq::http::HeaderMap,
    pub body: Value,
    pub text: String,
}

impl Answer {
    /// Insists on a status.
    #[track_caller]
    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}", self.text);
        self
    }

    /// Insists on a problem's status and code.
    #[track_caller]
    pub fn expect_problem(self, status: u16, code: &str) -> Self {
        assert_eq!(
            (self.status, self.body["code"].as_str()),
            (status, Some(code)),
            "{}",
            self.text
        );
        assert_eq!(self.headers["content-type"], "application/problem+json");
        self
    }

    /// The places of all faults.
    pub fn pointers(&self) -> Vec<&str> {
        let errors = self.body["errors"].as_array().map(Vec::as_slice).unwrap_or_default();
        errors.iter().map(|fault| fault["pointer"].as_str().unwrap()).collect()
    }

    /// The entity tag.
    pub fn etag(&self) -> String {
        self.headers["etag"].to_str().unwrap().to_owned()
    }
}

impl Client<'_> {
    /// The token that it shows.
    pub fn token(&self) -> &str {
        self.token.as_deref().unwrap()
    }

    /// The same client, with another header in each request.
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub fn get(&self, path: &str) -> Answer {
        self.send("GET", path, None)
    }

    pub fn delete(&self, path: &str) -> Answer {
        self.send("DELETE", path, None)
    }

    pub fn put(&self, path: &str, body: &Value) -> Answer {
        self.send("PUT", path, Some(("application/json", body.to_string())))
    }

    pub fn patch(&self, path: &str, body: &Value) -> Answer {
        self.send("PATCH", path, Some(("application/json", body.to_string())))
    }

    pub fn post(&self, path: &str, body: &Value) -> Answer {
        self.send("POST", path, Some(("application/json", body.to_string())))
    }

    /// Posts, and hangs up without waiting for an answer.
    pub fn post_and_hang_up(&self, path: &str, body: &Value) {
        let (address, body) = (self.app.address.trim_start_matches("http://"), body.to_string());
        let mut request = format!(
            "POST {path} HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n",
            body.len()
        );
        if let Some(token) = &self.token {
            request += &format!("Authorization: Bearer {token}\r\n");
        }
        for (name, value) in &self.headers {
            request += &format!("{name}: {value}\r\n");
        }
        let mut stream = TcpStream::connect(address).unwrap();
        stream.write_all(format!("{request}\r\n{body}").as_bytes()).unwrap();
    }

    /// Posts without a body.
    pub fn post_empty(&self, path: &str) -> Answer {
        self.send("POST", path, None)
    }

    /// Posts lines of JSON.
    pub fn post_lines(&self, path: &str, lines: &[Value]) -> Answer {
        let body: String = lines.iter().map(|line| format!("{line}\n")).collect();
        self.send("POST", path, Some(("application/x-ndjson", body)))
    }

    /// Sends any request.
    pub fn send(&self, method: &str, path: &str, body: Option<(&str, String)>) -> Answer {
        self.send_bytes(method, path, body.map(|(kind, text)| (kind, text.into_bytes())))
    }

    /// Sends any request, with a body that need be no text.
    pub fn send_bytes(&self, method: &str, path: &str, body: Option<(&str, Vec<u8>)>) -> Answer {
        static AGENT: OnceLock<ureq::Agent> = OnceLock::new();
        let agent = AGENT.get_or_init(|| {
            ureq::Agent::config_builder()
                .http_status_as_error(false)
                .allow_non_standard_methods(true)
                .build()
                .into()
        });
        let mut request = ureq::http::Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.app.address));
        if let Some(token) = &self.token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        let response = match body {
            Some((content_type, body)) => {
                agent.run(request.header("content-type", content_type).body(body).unwrap())
            }
            None => agent.run(request.body(()).unwrap()),
        };
        let mut response = response.unwrap();
        let text = response.body_mut().read_to_string().unwrap();
        let body = serde_json::from_str(&text).unwrap_or(Value::Null);
        let status = response.status().as_u16();
        see(method, path, status, &body);
        Answer { status, headers: response.headers().clone(), body, text }
    }
}

/// The operation of the document that a request is for.
pub fn operation(method: &str, path: &str) -> Option<String> {
    let path = path.split('?').next().unwrap_or_default();
    let item = document_json()["paths"]
        .as_object()?
        .iter()
        .find(|(pattern, _)| actix_web::dev::ResourceDef::new(pattern.as_str()).is_match(path))?;
    Some(item.1[method.to_lowercase()]["operationId"].as_str()?.to_owned())
}

/// The file that says what was seen; the contract test compares it with the document.
pub fn seen_path() -> PathBuf {
    std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("seen.ndjson")
}

/// Notes an answer that was seen.
pub fn see(method: &str, path: &str, status: u16, body: &Value) {
    let Some(operation) = operation(method, path) else { return };
    let code = if status >= 400 { body["code"].clone() } else { Value::Null };
    let line = format!("{}\n", json!([operation, status, code]));
    let mut file = std::fs::OpenOptions::new().create(true).append(true).open(seen_path()).unwrap();
    file.write_all(line.as_bytes()).unwrap();
}

/// The cluster that the test command started.
fn cluster() -> String {
    std::env::var("TEST_POSTGRES_URL").expect(
        "TEST_POSTGRES_URL is not set: run the tests with ./test, which starts a PostgreSQL of its own",
    )
}

fn run_on_cluster(sql: &str) {
    let mut conn = PgConnection::establish(&format!("{}/postgres", cluster())).unwrap();
    conn.batch_execute(sql).unwrap();
}

/// A migrated database of its own, in the cluster that the test command started.
pub fn new_postgres_database() -> String {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    static TEMPLATE: OnceLock<()> = OnceLock::new();
    let cluster = cluster();
    let prefix = format!("it_{}", std::process::id());
    TEMPLATE.get_or_init(|| {
        run_on_cluster(&format!("CREATE DATABASE {prefix}_template"));
        let db = Db::open(&format!("{cluster}/{prefix}_template"), Limits::default()).unwrap();
        db.migrate().unwrap();
    });
    let name = format!("{prefix}_{}", NUMBER.fetch_add(1, Ordering::Relaxed));
    run_on_cluster(&format!("CREATE DATABASE {name} TEMPLATE {prefix}_template"));
    format!("{cluster}/{name}")
}
