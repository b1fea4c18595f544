//! The real binary on a database of its own, and who asks it.

use super::cluster;
use super::processes::{Process, run};
use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader};
use std::process::{ChildStdout, Command, ExitStatus, Stdio};
use std::time::Duration;

/// The store of all trials.
const STORE: &str = "shop";

/// Where the service lives: its folder, its database and its settings. It
/// outlives the processes that serve.
pub struct Home {
    pub folder: tempfile::TempDir,
    pub database_url: String,
    settings: Vec<(String, String)>,
}

impl Home {
    pub fn on_sqlite() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let database_url = format!("sqlite://{}/accolade.db", folder.path().display());
        Self { folder, database_url, settings: Vec::new() }
    }

    pub fn on_postgres(database_url: String) -> Self {
        Self { folder: tempfile::tempdir().unwrap(), database_url, settings: Vec::new() }
    }

    /// In the cluster that the test command started, in a database of its own.
    pub fn on_test_cluster() -> Self {
        let server = std::env::var("TEST_POSTGRES_URL").expect(
            "TEST_POSTGRES_URL is not set: run the tests with ./test, which starts a PostgreSQL of its own",
        );
        let name = format!("trust_{}_{}", std::process::id(), cluster::next_number());
        let mut conn = PgConnection::establish(&format!("{server}/postgres")).unwrap();
        conn.batch_execute(&format!("CREATE DATABASE {name}")).unwrap();
        Self::on_postgres(format!("{server}/{name}"))
    }

    /// The same, with another setting in its environment.
    pub fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.settings.push((name.to_owned(), value.into()));
        self
    }

    pub fn sqlite_path(&self) -> Option<&str> {
        self.database_url.strip_prefix("sqlite://")
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_accolade"));
        command
            .args(args)
            .current_dir(self.folder.path())
            .env_clear()
            .env("DATABASE_URL", &self.database_url)
            .env("JWT_SECRET", "a secret of the tests, 32 bytes!")
            .env("LISTEN_ADDR", "127.0.0.1:0")
            .env("WORKERS", "2")
            .env("LOG_LEVEL", "warn")
            // The trials ask as fast as they can; limits have tests of their own.
            .env("RATE_LIMIT", "0");
        command
    }

    /// A token, made by the binary itself.
    pub fn token(&self, role: &str) -> String {
        let args = ["token", "--store", STORE, "--role", role, "--ttl", "1d"];
        let (is_made, said) = run(self.command(&args));
        assert!(is_made, "{said}");
        said.trim().to_owned()
    }

    /// Starts a process that serves, and waits until it does.
    pub fn serve(&self) -> Service<'_> {
        self.try_to_serve().unwrap_or_else(|said| panic!("it does not start: {said}"))
    }

    /// The same; where it does not start, what it says.
    pub fn try_to_serve(&self) -> Result<Service<'_>, String> {
        let log = self.folder.path().join("log");
        let stderr = std::fs::OpenOptions::new().create(true).append(true).open(&log).unwrap();
        let process = Process::start(
            self.command(&["serve"])
                .envs(self.settings.iter().map(|(name, value)| (name, value)))
                .stdout(Stdio::piped())
                .stderr(stderr),
        );
        let (mut line, mut stdout) = (String::new(), BufReader::new(process.stdout()));
        stdout.read_line(&mut line).unwrap();
        let Some(base) = line.trim().strip_prefix("listening on ") else {
            assert!(!process.wait().success());
            return Err(std::fs::read_to_string(&log).unwrap());
        };
        Ok(Service { home: self, process, base: base.to_owned(), _stdout: stdout })
    }

    /// Counts by a query whose one column is `n`.
    pub fn count(&self, sql: &str) -> i64 {
        #[derive(QueryableByName)]
        struct Count {
            #[diesel(sql_type = diesel::sql_types::BigInt)]
            n: i64,
        }
        let query = diesel::sql_query(sql);
        let count: Count = match self.sqlite_path() {
            Some(path) => query.get_result(&mut sqlite(path)).unwrap(),
            None => {
                query.get_result(&mut PgConnection::establish(&self.database_url).unwrap()).unwrap()
            }
        };
        count.n
    }

    /// Has PostgreSQL do something.
    pub fn execute(&self, sql: &str) {
        PgConnection::establish(&self.database_url).unwrap().batch_execute(sql).unwrap();
    }

    /// Waits until PostgreSQL has done with what a process had asked that is no
    /// more: a commit may be under way when who asked for it dies.
    pub fn wait_for_orphans(&self) {
        if self.sqlite_path().is_none() {
            super::wait_until("no transaction is open", Duration::from_secs(20), || {
                self.count(
                    "SELECT COUNT(*) AS n FROM pg_stat_activity WHERE datname = current_database()
                     AND state <> 'idle' AND pid <> pg_backend_pid()",
                ) == 0
            });
        }
    }

    /// Insists on what holds of the database whatever has happened to it.
    pub fn assert_sound(&self) {
        if let Some(path) = self.sqlite_path() {
            #[derive(QueryableByName)]
            struct Check {
                #[diesel(sql_type = diesel::sql_types::Text)]
                integrity_check: String,
            }
            let found: Vec<Check> =
                diesel::sql_query("PRAGMA integrity_check").load(&mut sqlite(path)).unwrap();
            let said: Vec<&str> = found.iter().map(|row| row.integrity_check.as_str()).collect();
            assert_eq!(said, ["ok"]);
        } else {
            assert_eq!(cluster::damage_in(&self.database_url), None);
        }
        let wrong = self.count(
            "SELECT COUNT(*) AS n FROM accounts a LEFT JOIN (
                 SELECT store_id, customer_id, COUNT(*) AS entries, MAX(number) AS newest,
                     CAST(SUM(credit) AS BIGINT) AS credit, CAST(SUM(points) AS BIGINT) AS points
                 FROM ledger_entries GROUP BY store_id, customer_id
             ) e ON e.store_id = a.store_id AND e.customer_id = a.customer_id
             WHERE e.entries IS NULL OR a.entries <> e.entries OR e.newest <> e.entries
                 OR a.credit <> e.credit OR a.points <> e.points",
        );
        assert_eq!(wrong, 0, "balances that are not the sums of their entries");
        let unpaid = self.count(
            "SELECT COUNT(*) AS n FROM ledger_entries e
             WHERE NOT EXISTS (SELECT 1 FROM accounts a WHERE a.store_id = e.store_id AND a.customer_id = e.customer_id)",
        );
        assert_eq!(unpaid, 0, "entries without an account");
        let doubled = self.count(
            "SELECT COUNT(*) AS n FROM (
                 SELECT 1 AS one FROM ledger_entries WHERE kind = 'earned'
                 GROUP BY store_id, order_id, activity_id HAVING COUNT(*) > 1
             ) twice",
        );
        assert_eq!(doubled, 0, "orders or activities that earned twice");
    }
}

fn sqlite(path: &str) -> SqliteConnection {
    let mut conn = SqliteConnection::establish(path).unwrap();
    conn.batch_execute("PRAGMA busy_timeout = 10000").unwrap();
    conn
}

/// A process that serves; it is killed where it is dropped.
pub struct Service<'a> {
    pub home: &'a Home,
    process: Process,
    pub base: String,
    /// Kept, so that nothing is written into a closed pipe.
    _stdout: BufReader<ChildStdout>,
}

impl Service<'_> {
    /// Kills it as `kill -9` does.
    pub fn kill(self) {
        self.process.kill();
    }

    /// Waits until it ends by itself.
    pub fn wait(self) -> ExitStatus {
        self.process.wait()
    }

    /// Somebody who asks in a role.
    pub fn client(&self, role: &str) -> Client {
        Client::new(&self.base, Some(self.home.token(role)), Duration::from_secs(20))
    }

    /// Sets the store up: who spends climbs, and every order earns.
    pub fn set_up(&self) {
        let admin = self.client("administrator");
        let settings = json!({
            "currency": "GBP", "time_zone": "UTC", "start_date": "2020-01-01", "points_per_unit": "1",
        });
        let tier = |code: &str, rank: u32, threshold: &str, rate: &str| json!({"code": code, "name": code, "rank": rank, "threshold": threshold, "reward": {"rate": rate}});
        let tiers = json!({"tiers": [
            tier("bronze", 1, "0", "0.05"), tier("silver", 2, "200.00", "0.07"), tier("gold", 3, "1000.00", "0.1"),
        ]});
        assert_eq!(admin.ask("PATCH", "/v1/program", Some(&settings)).unwrap().status, 200);
        assert_eq!(admin.ask("PUT", "/v1/tiers", Some(&tiers)).unwrap().status, 200);
    }

    /// Insists that folding everyone's history afresh would change nobody.
    pub fn assert_nobody_would_change(&self) {
        let admin = self.client("administrator");
        let path = "/v1/program?dry_run=true&allow_downgrades=true";
        let answer = admin.ask("PATCH", path, Some(&json!({}))).unwrap();
        assert_eq!(answer.status, 200, "{}", answer.body);
        let mut run = answer.body["recalculation"].clone();
        for _ in 0..600 {
            if run["state"] != "running" {
                break;
            }
            std::thread::sleep(Duration::from_millis(50));
            let path =
                format!("/v1/program/recalculations/{}", run["recalculation_id"].as_str().unwrap());
            run = admin.ask("GET", &path, None).unwrap().body;
        }
        assert_eq!(run["state"], "completed", "{run}");
        assert_eq!(run["customers_changed"], 0, "{run}");
        assert!(run["customers_done"].as_i64().unwrap() > 0, "{run}");
        assert_eq!(run["customers_done"], run["customers_total"], "{run}");
    }
}

/// What was answered, whole.
#[derive(Debug, Clone)]
pub struct Answer {
    pub status: u16,
    pub headers: ureq::http::HeaderMap,
    pub body: Value,
}

/// Somebody who asks, on connections of their own.
pub struct Client {
    agent: ureq::Agent,
    base: String,
    token: Option<String>,
}

impl Client {
    pub fn new(base: &str, token: Option<String>, limit: Duration) -> Self {
        let agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(limit))
            .build()
            .into();
        Self { agent, base: base.to_owned(), token }
    }

    /// Asks once. No answer is none where it did not come whole.
    pub fn ask(&self, method: &str, path: &str, body: Option<&Value>) -> Option<Answer> {
        self.ask_with(&[], method, path, body)
    }

    /// The same, with other headers.
    pub fn ask_with(
        &self,
        headers: &[(&str, &str)],
        method: &str,
        path: &str,
        body: Option<&Value>,
    ) -> Option<Answer> {
        let mut request =
            ureq::http::Request::builder().method(method).uri(format!("{}{path}", self.base));
        if let Some(token) = &self.token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = match body {
            Some(body) => {
                let request = request.header("content-type", "application/json");
                self.agent.run(request.body(body.to_string()).unwrap())
            }
            None => self.agent.run(request.body(()).unwrap()),
        };
        let mut response = response.ok()?;
        let text = response.body_mut().read_to_string().ok()?;
        let body = serde_json::from_str(&text).ok()?;
        Some(Answer {
            status: response.status().as_u16(),
            headers: response.headers().clone(),
            body,
        })
    }

    /// What a path has; it has to be there.
    #[track_caller]
    pub fn get(&self, path: &str) -> Value {
        let answer = self.ask("GET", path, None).unwrap();
        assert_eq!(answer.status, 200, "{path}: {}", answer.body);
        answer.body
    }
}
