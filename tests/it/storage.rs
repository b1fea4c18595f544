//! What the storage promises, on both databases.

use crate::support::*;
use accolade::db::programs::{self, Hold, Pending, ProgramRecord};
use accolade::db::recalculations::{self, RUNNING, RecalculationRow};
use accolade::db::{Db, Limits, Tx, schema};
use accolade::domain::id::StoreId;
use chrono::Utc;
use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use serde_json::json;
use std::time::Duration;

fn block_on<T>(job: impl Future<Output = T>) -> T {
    actix_web::rt::System::new().block_on(job)
}

fn write<T: Send + 'static>(
    db: &Db,
    job: impl FnOnce(&mut Tx<'_>) -> Result<T, accolade::db::Error> + Send + 'static,
) -> Result<T, accolade::db::Error> {
    block_on(db.write(job))
}

/// A recalculation that some instance began and has claimed until an instant.
fn begin_recalculation(app: &App, leased_until: i64) {
    write(&app.db, move |tx| {
        let store = StoreId::parse(STORE).unwrap();
        let old = programs::find(tx, &store, Hold::Update)?.unwrap();
        let version = old.version + 1;
        let pending = Pending {
            recalculation_id: "begun".to_owned(),
            version,
            refold_from: Some(i64::MIN),
            allow_downgrades: false,
        };
        let record =
            ProgramRecord { version, program: old.program.clone(), pending: Some(pending) };
        programs::upsert(tx, &store, &record, Utc::now())?;
        let row = RecalculationRow {
            store_id: STORE.to_owned(),
            recalculation_id: "begun".to_owned(),
            program_version: version,
            program: programs::to_document(&record)?,
            refold_from: Some(i64::MIN),
            is_dry_run: false,
            allow_downgrades: false,
            state: RUNNING.to_owned(),
            failure: None,
            started_at: 0,
            finished_at: None,
            leased_until,
            done_through: None,
            customers_total: 1,
            customers_done: 0,
            customers_changed: 0,
            customers_upgraded: 0,
            customers_downgraded: 0,
        };
        recalculations::insert(tx, &row)
    })
    .unwrap();
}

on_both! {
    fn one_recalculation_at_a_time_and_meanwhile_memberships_are_right(app) {
        app.set_up(json!({}));
        app.set_tiers(&[("silver", "250.00")]);
        app.order("o1", "c1", "2024-06-01T10:00:00Z", "250.00").expect(201);
        begin_recalculation(app, i64::MAX);

        let admin = app.admin();
        let tier = json!({"name": "Gold", "rank": 9, "threshold": "900.00"});
        admin.patch("/v1/program", &json!({"points_per_unit": "2"})).expect_problem(409, "recalculation_running");
        admin.put("/v1/tiers", &ladder(&[("silver", "1.00")])).expect_problem(409, "recalculation_running");
        admin.put("/v1/tiers/gold", &tier).expect_problem(409, "recalculation_running");
        admin.delete("/v1/tiers/silver?dry_run=true").expect_problem(409, "tier_leaves_ladder");
        admin.post_empty("/v1/program/pause").expect_problem(409, "recalculation_running");
        let visit = json!({"name": "Visit", "earns": "per_event", "points": "1"});
        admin.put("/v1/ways-to-earn/visit", &visit).expect_problem(409, "recalculation_running");

        let program = admin.get("/v1/program").expect(200).body;
        assert_eq!(program["recalculation"]["state"], "running");
        let list = app.support().get("/v1/customers").expect(200).body;
        assert_eq!(list["recalculating"], true);
        assert_eq!(tier_of(app), "silver");
        // A write folds the stale row under the new program.
        app.order("o2", "c1", "2024-06-02T10:00:00Z", "1.00").expect(201);
        assert_eq!(app.membership("c1")["lifetime"]["amount_spent"], "251.00");
    }

    fn nothing_changes_the_program_while_a_recalculation_runs(app) {
        app.set_up(json!({}));
        app.set_tiers(&[("silver", "250.00")]);
        let admin = app.admin();
        let visit = json!({"name": "Visit", "earns": "per_event", "points": "1"});
        admin.put("/v1/ways-to-earn/visit", &visit).expect(201);
        admin.post_empty("/v1/program/pause").expect(200);
        begin_recalculation(app, i64::MAX);
        admin.delete("/v1/tiers/silver").expect_problem(409, "recalculation_running");
        admin.delete("/v1/ways-to-earn/visit").expect_problem(409, "recalculation_running");
        admin.post_empty("/v1/program/resume").expect_problem(409, "recalculation_running");
    }

    fn a_recalculation_whose_instance_died_is_taken_up_again(app) {
        app.set_up(json!({}));
        app.set_tiers(&[("silver", "250.00")]);
        app.order("o1", "c1", "2024-06-01T10:00:00Z", "250.00").expect(201);
        begin_recalculation(app, 0);
        for _ in 0..100 {
            let answer = app.admin().get("/v1/program/recalculations/begun").expect(200).body;
            if answer["state"] == "completed" {
                assert_eq!(answer["customers_done"], 1);
                assert_eq!(app.admin().get("/v1/program").body["recalculation"], json!(null));
                return;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        panic!("nobody took it up");
    }

    fn a_customer_whose_totals_do_not_fit_holds_up_nobody_elses_time(app) {
        use schema::memberships::{customer_id, due_at, table};
        app.set_up(json!({}));
        app.order("o1", "c1", "2024-06-01T10:00:00Z", "92233720368547758.07").expect(201);
        app.order("o2", "c2", "2024-06-01T10:00:00Z", "10.00").expect(201);
        let path = "/v1/program?effective_from=beginning";
        let changed = app.admin().patch(path, &json!({"points_per_unit": "1000000"}));
        assert_eq!(settled(app, changed)["state"], "failed");
        write(&app.db, |tx| {
            diesel::update(table).set(due_at.eq(Some(0))).execute(tx.conn)?;
            Ok(())
        })
        .unwrap();
        for _ in 0..100 {
            let due: Option<i64> = app
                .db
                .read_blocking(|tx| {
                    let query = table.filter(customer_id.eq("c2")).select(due_at);
                    Ok::<_, accolade::db::Error>(query.get_result(tx.conn)?)
                })
                .unwrap();
            if due != Some(0) {
                return;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        panic!("c2 was not told of time");
    }

    fn a_write_that_fails_leaves_nothing_and_harms_no_other(app) {
        app.set_up(json!({}));
        block_on(async {
            let store = |fails: bool, id: &'static str| app.db.write(move |tx: &mut Tx<'_>| {
                diesel::update(schema::programs::table)
                    .set(schema::programs::updated_at.eq(7))
                    .execute(tx.conn)?;
                diesel::insert_into(schema::customer_tags::table)
                    .values((
                        schema::customer_tags::store_id.eq(STORE),
                        schema::customer_tags::tag.eq("t"),
                        schema::customer_tags::customer_id.eq(id),
                    ))
                    .execute(tx.conn)?;
                if fails {
                    diesel::sql_query("SELECT nonsense").execute(tx.conn)?;
                }
                Ok::<_, accolade::db::Error>(())
            });
            let (a, b, c) = futures_util::future::join3(store(false, "a"), store(true, "b"), store(false, "c")).await;
            assert!(a.is_ok() && b.is_err() && c.is_ok());
        });
        let stored: Vec<String> = app.db.read_blocking(|tx| {
            Ok::<_, accolade::db::Error>(
                schema::customer_tags::table
                    .select(schema::customer_tags::customer_id)
                    .order(schema::customer_tags::customer_id)
                    .load(tx.conn)?,
            )
        }).unwrap();
        assert_eq!(stored, ["a", "c"]);
    }

    fn migrations_are_safe_when_several_instances_start_at_once(app) {
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    Db::open(&app.database_url, Limits::default()).unwrap().migrate().unwrap();
                });
            }
        });
    }

    fn tables_that_a_newer_version_has_changed_are_left_alone(app) {
        let newer = "INSERT INTO __diesel_schema_migrations (version) VALUES ('20990101000000')";
        write(&app.db, |tx| Ok(tx.conn.batch_execute(newer)?)).unwrap();
        let db = Db::open(&app.database_url, Limits::default()).unwrap();
        let error = db.migrate().unwrap_err().to_string();
        assert!(error.contains("a newer version of Accolade") && error.contains("20990101000000"), "{error}");
    }

    /// The schema that queries are checked against is the one that the migrations make.
    fn the_schema_is_what_the_migrations_make(app) {
        let schema_rs = include_str!("../../src/db/schema.rs");
        let mut stated: Vec<String> = Vec::new();
        let mut table = String::new();
        for line in schema_rs.lines() {
            let words: Vec<&str> = line.split_whitespace().collect();
            match words.as_slice() {
                [name, key, "{"] | [name, key, _, "{"] | [name, key, _, _, "{"] if key.starts_with('(') => {
                    table = (*name).to_owned();
                }
                [column, "->", kind] => {
                    let kind = kind.trim_end_matches(',');
                    let is_nullable = kind.starts_with("Nullable");
                    stated.push(format!("{table}.{column} {is_nullable}"));
                }
                _ => {}
            }
        }
        stated.sort();
        #[derive(QueryableByName)]
        struct Column {
            #[diesel(sql_type = diesel::sql_types::Text)]
            described: String,
        }
        let sqlite = "SELECT m.name || '.' || p.name || ' ' || CASE p.\"notnull\" WHEN 0 THEN 'true' ELSE 'false' END AS described
            FROM sqlite_master m JOIN pragma_table_info(m.name) p
            WHERE m.type = 'table' AND m.name NOT LIKE '\\_\\_%' ESCAPE '\\' AND m.name NOT LIKE 'sqlite%'";
        let postgres = "SELECT table_name || '.' || column_name || ' ' || CASE is_nullable WHEN 'YES' THEN 'true' ELSE 'false' END AS described
            FROM information_schema.columns WHERE table_schema = 'public' AND table_name NOT LIKE '\\_\\_%'";
        let query = if app.db.is_sqlite() { sqlite } else { postgres };
        let columns: Vec<Column> = app.db.read_blocking(|tx| {
            Ok::<_, accolade::db::Error>(diesel::sql_query(query).load(tx.conn)?)
        }).unwrap();
        let mut made: Vec<String> = columns.into_iter().map(|column| column.described).collect();
        made.sort();
        assert!(stated.len() > 100);
        assert_eq!(stated, made);
    }
}

fn tier_of(app: &App) -> String {
    tier(&app.membership("c1")).to_owned()
}

/// Where the disk is full, no write is acknowledged that is not there, and
/// once there is room, writes go on.
#[test]
fn a_full_disk_is_told_to_every_caller() {
    let app = App::on_sqlite();
    app.set_up(json!({}));
    let limit = |sql: &'static str| {
        write(&app.db, move |tx| Ok(tx.conn.batch_execute(sql)?)).unwrap();
    };
    limit("PRAGMA max_page_count = 1");
    let send = |from: u32| -> Vec<(u32, u16)> {
        std::thread::scope(|scope| {
            let threads: Vec<_> = (from..from + 40)
                .map(|i| {
                    let app = &app;
                    scope.spawn(move || {
                        let id = format!("o{i}");
                        (i, app.order(&id, &id, "2024-06-01T10:00:00Z", "1.00").status)
                    })
                })
                .collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        })
    };
    let mut answers = Vec::new();
    for round in 0..4 {
        answers.extend(send(round * 40));
    }
    assert!(answers.iter().any(|(_, status)| *status >= 500), "the disk was never full");
    for (i, status) in &answers {
        let found = app.storefront().get(&format!("/v1/orders/o{i}")).status;
        assert_eq!(found == 200, *status == 201, "o{i} was answered {status}");
        assert!([201, 503].contains(status), "o{i} was answered {status}");
    }
    limit("PRAGMA max_page_count = 1000000");
    app.order("after", "c1", "2024-06-01T10:00:00Z", "1.00").expect(201);
}

/// What a connection says of how it commits.
fn in_force(tx: &mut Tx<'_>) -> Result<(i64, String), accolade::db::Error> {
    #[derive(QueryableByName)]
    struct Synchronous {
        #[diesel(sql_type = diesel::sql_types::BigInt)]
        synchronous: i64,
    }
    #[derive(QueryableByName)]
    struct JournalMode {
        #[diesel(sql_type = diesel::sql_types::Text)]
        journal_mode: String,
    }
    let flushes: Synchronous = diesel::sql_query("PRAGMA synchronous").get_result(tx.conn)?;
    let log: JournalMode = diesel::sql_query("PRAGMA journal_mode").get_result(tx.conn)?;
    Ok((flushes.synchronous, log.journal_mode))
}

#[test]
fn every_sqlite_commit_reaches_the_disk() {
    let app = App::on_sqlite();
    let full_and_log = (2, "wal".to_owned());
    assert_eq!(write(&app.db, in_force).unwrap(), full_and_log, "the writer");
    assert_eq!(app.db.read_blocking(in_force).unwrap(), full_and_log, "a reader");
}

/// A PostgreSQL that is set to answer commits before they are on the disk is overruled.
#[test]
fn every_postgresql_commit_reaches_the_disk() {
    #[derive(QueryableByName)]
    struct InForce {
        #[diesel(sql_type = diesel::sql_types::Text)]
        synchronous_commit: String,
    }
    let app = App::on_postgres_after(
        "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET synchronous_commit = off', current_database()); END $$",
    );
    let said: InForce =
        write(&app.db, |tx| Ok(diesel::sql_query("SHOW synchronous_commit").get_result(tx.conn)?))
            .unwrap();
    assert_eq!(said.synchronous_commit, "on");
}

/// Locks and keys rest on it that each statement of a write sees what was
/// committed before it.
#[test]
fn every_postgresql_write_is_read_committed_whatever_the_server_says() {
    #[derive(QueryableByName)]
    struct InForce {
        #[diesel(sql_type = diesel::sql_types::Text)]
        transaction_isolation: String,
    }
    let app = App::on_postgres_after(
        "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET default_transaction_isolation = serializable', current_database()); END $$",
    );
    const SHOW: &str = "SHOW transaction_isolation";
    let said: InForce =
        write(&app.db, |tx| Ok(diesel::sql_query(SHOW).get_result(tx.conn)?)).unwrap();
    assert_eq!(said.transaction_isolation, "read committed");
}

#[test]
fn an_unknown_scheme_is_refused() {
    for url in ["mysql://x", "sqlite:x", "accolade.db", "sqlite://", ""] {
        assert!(
            matches!(Db::open(url, Limits::default()), Err(accolade::db::Error::UnknownScheme)),
            "{url:?}"
        );
    }
}
