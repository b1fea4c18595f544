//! Between each write and its answer lies a flush to the disk: seen by a
//! library that is preloaded into the service and into PostgreSQL.
#![cfg(target_os = "linux")]

use super::Trial;
use super::cluster::Cluster;
use super::service::{Home, Service};
use super::shim::Shim;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

const ALONE: usize = 20;
const AT_ONCE: usize = 8;
const EACH: usize = 15;

/// One connection, on which each request goes out in one piece: what is seen
/// of it is seen when all of it is there.
struct Connection {
    stream: BufReader<TcpStream>,
    token: String,
}

impl Connection {
    fn open(service: &Service<'_>, token: &str) -> Self {
        let address = service.base.strip_prefix("http://").unwrap();
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        Self { stream: BufReader::new(stream), token: token.to_owned() }
    }

    fn ask(&mut self, method: &str, path: &str, body: &Value) -> String {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let request = format!(
            "{method} {path} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {}\r\n\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            self.token,
            body.len(),
        );
        self.stream.get_mut().write_all(request.as_bytes()).unwrap();
        let (mut status, mut length) = (String::new(), 0);
        self.stream.read_line(&mut status).unwrap();
        loop {
            let mut line = String::new();
            self.stream.read_line(&mut line).unwrap();
            let line = line.trim().to_ascii_lowercase();
            if let Some(text) = line.strip_prefix("content-length: ") {
                length = text.parse().unwrap();
            }
            if line.is_empty() {
                break;
            }
        }
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body).unwrap();
        status.split(' ').nth(1).unwrap().to_owned()
    }

    fn order(&mut self, id: &str) {
        let order = json!({
            "customer_id": id, "status": "completed", "total": "30.00", "currency": "GBP",
            "placed_at": "2024-06-01T10:00:00Z", "completed_at": "2024-06-01T10:00:00Z",
        });
        assert_eq!(self.ask("PUT", &format!("/v1/orders/{id}"), &order), "201");
    }
}

/// Writes alone and many at once, and looks at what lies between each of them
/// and its answer. `log` is what the path of the database's log has in it.
fn look(name: &str, home: &Home, shim: &Shim, log: &str) {
    let service = home.serve();
    service.set_up();
    let token = home.token("storefront");
    let mut alone = Connection::open(&service, &token);
    for n in 0..ALONE {
        let id = format!("alone-{n}");
        alone.order(&id);
        let redemption = json!({"kind": "redeemed", "credit": "0.10", "order_id": id});
        let path = format!("/v1/customers/{id}/credits");
        assert_eq!(alone.ask("POST", &path, &redemption), "201");
        assert_eq!(alone.ask("GET", &format!("/v1/orders/{id}"), &Value::Null), "200");
    }
    std::thread::scope(|scope| {
        for writer in 0..AT_ONCE {
            let (service, token) = (&service, &token);
            scope.spawn(move || {
                let mut connection = Connection::open(service, token);
                for n in 0..EACH {
                    connection.order(&format!("at-once-{writer}-{n}"));
                }
            });
        }
    });
    drop(service);

    let seen = shim.seen();
    let is_flushed = |exchange: &(&super::shim::Message, &super::shim::Message)| {
        seen.is_flushed_between(log, exchange.0.at, exchange.1.at)
    };
    let writes: Vec<_> = ["PUT /v1/orders/", "POST /v1/customers/"]
        .into_iter()
        .flat_map(|begins| seen.exchanges(begins))
        .collect();
    assert_eq!(writes.len(), 2 * ALONE + AT_ONCE * EACH);
    for exchange in &writes {
        let (request, answer) = exchange;
        assert!(answer.line.starts_with("HTTP/1.1 201"), "{answer:?}");
        assert!(is_flushed(exchange), "{} was answered before a flush", request.line);
    }
    // Reads are answered without one, so it is not that there is always one;
    // the background may have flushed in between of some.
    let reads = seen.exchanges("GET /v1/orders/");
    assert_eq!(reads.len(), ALONE);
    let flushed = reads.iter().filter(|exchange| is_flushed(exchange)).count();
    assert!(flushed < ALONE / 2, "{flushed} of {ALONE} reads were flushed: the look shows nothing");
    let flushes = seen.flushes.iter().filter(|flush| flush.path.contains(log)).count();
    eprintln!(
        "{name}: {} of {} writes had a flush of {log} before their answer; {flushes} flushes in all",
        writes.len(),
        writes.len(),
    );
}

#[test]
fn a_flush_lies_between_each_write_and_its_answer_on_sqlite() {
    let _trial = Trial::begin("flushes of SQLite", Duration::from_secs(60));
    let shim = Shim::build();
    let home = Home::on_sqlite()
        .with("LD_PRELOAD", shim.library.display().to_string())
        .with("TRUST_TRACE", shim.trace.display().to_string());
    look("SQLite", &home, &shim, "accolade.db-wal");
}

#[test]
fn a_flush_lies_between_each_write_and_its_answer_on_postgresql() {
    let _trial = Trial::begin("flushes of PostgreSQL", Duration::from_secs(120));
    let shim = Shim::build();
    let cluster =
        Cluster::start_with(&[("LD_PRELOAD", &shim.library), ("TRUST_TRACE", &shim.trace)]);
    // A server that answers before the flush is overruled by the service.
    let home = Home::on_postgres(cluster.url())
        .with("LD_PRELOAD", shim.library.display().to_string())
        .with("TRUST_TRACE", shim.trace.display().to_string());
    home.execute("ALTER SYSTEM SET synchronous_commit = off");
    home.execute("SELECT pg_reload_conf()");
    look("PostgreSQL", &home, &shim, "pg_wal/");
}
