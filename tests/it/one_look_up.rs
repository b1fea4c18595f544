//! A badge is one look-up: one statement, one round trip, and indexes alone.

use crate::support::*;
use accolade::db::badges::{Ids, read};
use accolade::db::{Db, Error, Limits, Tx};
use accolade::domain::id::StoreId;
use accolade::workflow::badges;
use chrono::Utc;
use diesel::RunQueryDsl;
use serde_json::json;
use std::fmt::Debug;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use tracing::field::{Field, Visit};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};

/// How many customers and orders there are.
const COUNT: usize = 500;

fn store() -> StoreId {
    StoreId::parse(STORE).unwrap()
}

fn names(prefix: &str, count: usize) -> Vec<String> {
    (0..count).map(|number| format!("{prefix}{number}")).collect()
}

/// Everything that a badge can show, of five hundred customers.
fn fill(app: &App) {
    app.set_up(json!({}));
    let gift = json!({"name": "Gift", "kind": "gift"});
    app.admin().put("/v1/benefits/gift", &gift).expect(201);
    let gold = json!({"name": "Gold", "rank": 1, "threshold": "100.00", "benefits": ["gift"]});
    app.admin().put("/v1/tiers/gold", &gold).expect(201);
    let lines: Vec<_> = (0..COUNT)
        .map(|number| {
            let mut line = order(&format!("c{number}"), "2024-06-01T12:00:00Z", "120.00");
            line["order_id"] = json!(format!("o{number}"));
            json!({"order": line})
        })
        .collect();
    app.storefront().post_lines("/v1/facts", &lines).expect(200);
    for number in 0..3 {
        let path = format!("/v1/customers/c{number}");
        app.manager().put(&format!("{path}/designation"), &json!({"tier": "gold"})).expect(201);
        let caution = json!({"status": "caution", "note": "a dispute"});
        app.support().put(&format!("{path}/status"), &caution).expect(200);
        for other in 10..13 {
            let link = format!("{path}/links/c{other}");
            app.support().put(&link, &json!({"relation": "household"})).expect(201);
        }
    }
}

/// Keeps the statements that are sent meanwhile by this thread.
struct Statements(Arc<Mutex<Vec<String>>>);

impl<S: tracing::Subscriber> Layer<S> for Statements {
    fn on_event(&self, event: &tracing::Event<'_>, _: Context<'_, S>) {
        if event.metadata().target() == "accolade::sql" {
            event.record(&mut Sql(&self.0));
        }
    }
}

struct Sql<'a>(&'a Mutex<Vec<String>>);

impl Visit for Sql<'_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "sql" {
            self.0.lock().unwrap().push(value.to_owned());
        }
    }

    fn record_debug(&mut self, _: &Field, _: &dyn Debug) {}
}

/// Looks badges up; how many were found, and the statements that it took.
fn look_up(db: &Db, ids: &Ids) -> (usize, Vec<String>) {
    let statements = Arc::new(Mutex::new(Vec::new()));
    let subscriber = tracing_subscriber::registry().with(Statements(statements.clone()));
    let found = tracing::subscriber::with_default(subscriber, || {
        db.read_once_blocking(|tx| read(tx, &store(), ids)).unwrap().unwrap().1.len()
    });
    let statements = statements.lock().unwrap().clone();
    (found, statements)
}

/// What a database is going to do for a statement.
fn plan(app: &App, sql: &str) -> Vec<String> {
    #[derive(diesel::QueryableByName)]
    struct Line {
        #[diesel(sql_type = diesel::sql_types::Text, column_name = "detail")]
        sqlite: String,
    }
    #[derive(diesel::QueryableByName)]
    struct PostgresLine {
        #[diesel(sql_type = diesel::sql_types::Text, column_name = "QUERY PLAN")]
        line: String,
    }
    let explain = |tx: &mut Tx<'_>| {
        if app.db.is_sqlite() {
            let lines: Vec<Line> =
                diesel::sql_query(format!("EXPLAIN QUERY PLAN {sql}")).load(tx.conn)?;
            return Ok(lines.into_iter().map(|line| line.sqlite).collect());
        }
        // Tables of a test are so small that reading them whole is the best
        // plan; where there is no index, this one is all the same.
        for setting in ["enable_seqscan = off", "plan_cache_mode = force_generic_plan"] {
            diesel::sql_query(format!("SET LOCAL {setting}")).execute(tx.conn)?;
        }
        diesel::sql_query(format!("PREPARE badge AS {sql}")).execute(tx.conn)?;
        let count = (1..).take_while(|n| sql.contains(&format!("${n}"))).count();
        let nulls = vec!["NULL"; count].join(", ");
        let explain = format!("EXPLAIN EXECUTE badge({nulls})");
        let lines: Vec<PostgresLine> = diesel::sql_query(explain).load(tx.conn)?;
        diesel::sql_query("DEALLOCATE badge").execute(tx.conn)?;
        Ok::<Vec<String>, Error>(lines.into_iter().map(|line| line.line).collect())
    };
    app.db.read_blocking(explain).unwrap()
}

on_both! {
    fn badges_are_one_statement_whoever_asks_and_however_many(app) {
        fill(app);
        // One that knows the program already, and one that has just started.
        let fresh = Db::open(&app.database_url, Limits::default()).unwrap();
        for db in [&app.db, &fresh, &fresh] {
            for count in [1, COUNT] {
                for ids in [Ids::Customers(names("c", count)), Ids::Orders(names("o", count))] {
                    let (found, statements) = look_up(db, &ids);
                    assert_eq!((found, statements.len()), (count, 1), "{statements:#?}");
                }
            }
        }
    }

    fn the_statement_uses_indexes_alone(app) {
        fill(app);
        for ids in [Ids::Customers(names("c", 3)), Ids::Orders(names("o", 3))] {
            let (_, statements) = look_up(&app.db, &ids);
            let plan = plan(app, &statements[0]);
            assert!(plan.len() >= 5, "{plan:#?}");
            for line in &plan {
                assert!(!line.contains("Seq Scan") && !line.starts_with("SCAN"), "{plan:#?}");
            }
        }
    }
}

/// Passes bytes on to a server, and counts how often the client speaks after
/// the server has: the round trips.
fn count_trips(server: String) -> (u16, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let trips = Arc::new(AtomicUsize::new(0));
    let counted = trips.clone();
    std::thread::spawn(move || {
        for client in listener.incoming() {
            let (client, server) = (client.unwrap(), TcpStream::connect(&server).unwrap());
            let is_clients_turn = Arc::new(AtomicBool::new(true));
            let turn = is_clients_turn.clone();
            let counted = counted.clone();
            pump(client.try_clone().unwrap(), server.try_clone().unwrap(), move || {
                if turn.swap(false, Ordering::SeqCst) {
                    counted.fetch_add(1, Ordering::SeqCst);
                }
            });
            pump(server, client, move || is_clients_turn.store(true, Ordering::SeqCst));
        }
    });
    (port, trips)
}

fn pump(mut from: TcpStream, mut to: TcpStream, mut note: impl FnMut() + Send + 'static) {
    std::thread::spawn(move || {
        let mut buffer = [0; 65_536];
        while let Ok(count @ 1..) = from.read(&mut buffer) {
            note();
            if to.write_all(&buffer[..count]).is_err() {
                return;
            }
        }
    });
}

#[test]
fn badges_are_one_round_trip_to_postgresql() {
    let app = App::on_postgres();
    fill(&app);
    let (start, rest) = app.database_url.split_once("@127.0.0.1:").unwrap();
    let (port, database) = rest.split_once('/').unwrap();
    let (proxy, trips) = count_trips(format!("127.0.0.1:{port}"));
    let limits = Limits { pool_size: 1, ..Limits::default() };
    let url = format!("{start}@127.0.0.1:{proxy}/{database}");
    let db = Db::open(&url, limits).unwrap();
    let system = actix_web::rt::System::new();
    let one = |ids: Ids| {
        let before = trips.load(Ordering::SeqCst);
        let (_, treated) =
            system.block_on(badges::read_one(&db, &store(), ids, Utc::now())).unwrap();
        (treated.customer.customer_id, trips.load(Ordering::SeqCst) - before)
    };
    let of_customer = || Ids::Customers(vec!["c1".to_owned()]);
    let of_order = || Ids::Orders(vec!["o1".to_owned()]);
    // The first time, a connection prepares the statement.
    one(of_customer());
    one(of_order());
    assert_eq!(one(of_customer()), ("c1".to_owned(), 1));
    assert_eq!(one(of_order()), ("c1".to_owned(), 1));
    for ids in [Ids::Customers(names("c", COUNT)), Ids::Orders(names("o", COUNT))] {
        let before = trips.load(Ordering::SeqCst);
        let answer = system.block_on(badges::read(&db, &store(), ids, Utc::now())).unwrap();
        let taken = trips.load(Ordering::SeqCst) - before;
        assert_eq!((answer.treated.len(), taken), (COUNT, 1));
    }
}
