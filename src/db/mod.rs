//! Storage: the only room that knows diesel.
//!
//! One [`Db`] stands for either database. Reads go to a pool of connections;
//! writes have one way, [`Db::write`]: a transaction on PostgreSQL, and on
//! SQLite a job for the single writer, which commits in groups.

pub mod activities;
pub mod audit;
pub mod backup;
pub mod badges;
pub mod customers;
pub mod designations;
pub mod events;
pub mod idempotency;
pub mod ledger;
pub mod links;
pub mod memberships;
pub mod nominations;
pub mod orders;
pub mod page;
mod pool;
pub mod programs;
pub mod qualifications;
pub mod recalculations;
pub mod refunds;
pub mod reports;
pub mod rules;
pub mod schema;
mod writer;

use crate::domain::Instant;
use chrono::DateTime;
use diesel::backend::Backend;
use diesel::connection::SimpleConnection;
use diesel::migration::MigrationSource;
use diesel::prelude::*;
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};
use pool::{Manager, Pooled, Target};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;
use tokio::sync::Semaphore;
use writer::Writer;

const SQLITE_MIGRATIONS: EmbeddedMigrations = embed_migrations!("migrations/sqlite");
const POSTGRES_MIGRATIONS: EmbeddedMigrations = embed_migrations!("migrations/postgres");

/// The key of the advisory lock under which one instance migrates PostgreSQL.
const MIGRATION_LOCK: i64 = 0x0061_6363_6f6c_6164;

/// Writes that SQLite's writer is given at once.
const GROUP: usize = 256;

/// Runs those migrations that a database lacks, where it has no others.
fn run_migrations<DB: Backend>(
    conn: &mut impl MigrationHarness<DB>,
    ours: EmbeddedMigrations,
) -> diesel::migration::Result<()>
where
    EmbeddedMigrations: MigrationSource<DB>,
{
    let migrations = ours.migrations()?;
    let is_ours = |version: &_| migrations.iter().any(|ours| ours.name().version() == *version);
    if let Some(newer) = conn.applied_migrations()?.into_iter().find(|one| !is_ours(one)) {
        return Err(format!("a newer version of Accolade has changed the tables ({newer})").into());
    }
    conn.run_pending_migrations(ours)?;
    Ok(())
}

/// A connection to either database.
#[derive(diesel::MultiConnection)]
pub enum Conn {
    /// PostgreSQL.
    Postgres(diesel::PgConnection),
    /// SQLite.
    Sqlite(diesel::SqliteConnection),
}

/// Runs one body with the connection of whichever backend it is, for the parts
/// of diesel that the derived connection does not carry.
macro_rules! on_either {
    ($conn:expr, $c:ident => $body:expr) => {
        match $conn {
            $crate::db::Conn::Postgres($c) => $body,
            $crate::db::Conn::Sqlite($c) => $body,
        }
    };
}
pub(crate) use on_either;

/// Loads one row and, on PostgreSQL, locks it; SQLite has one writer at a time.
macro_rules! locked_row {
    ($conn:expr, $lock:ident, $query:expr) => {
        match $conn {
            $crate::db::Conn::Postgres(c) => $query.$lock().get_result(c).optional(),
            $crate::db::Conn::Sqlite(c) => $query.get_result(c).optional(),
        }
    };
}
pub(crate) use locked_row;

/// Why the database did not do what it was asked.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// `DATABASE_URL` is of no scheme known here.
    #[error("DATABASE_URL must begin with sqlite:// or postgres:// (or postgresql://)")]
    UnknownScheme,
    /// Too much waits already.
    #[error("too much waits already")]
    Overloaded,
    /// No connection could be had, or it broke; or the disk is full or fails.
    /// Later it may do what it was asked.
    #[error("the database is not available: {0}")]
    Unavailable(String),
    /// A statement failed.
    #[error("the database refused a statement: {0}")]
    Failed(String),
    /// A row that this program could not have written.
    #[error("a stored row makes no sense: {0}")]
    Corrupt(String),
}

/// What SQLite says where it is the disk that fails, or no file can be opened,
/// or another process writes for longer than was waited. diesel has no kinds
/// for these.
const SQLITE_UNAVAILABLE: [&str; 5] = [
    "database or disk is full",
    "disk I/O error",
    "database is locked",
    "attempt to write a readonly database",
    "unable to open database file",
];

impl From<diesel::result::Error> for Error {
    fn from(error: diesel::result::Error) -> Self {
        use diesel::result::DatabaseErrorKind::{
            ClosedConnection, ReadOnlyTransaction, UnableToSendCommand, Unknown,
        };
        match &error {
            // A server of PostgreSQL's that only reads has another above it now.
            diesel::result::Error::DatabaseError(
                ClosedConnection | UnableToSendCommand | ReadOnlyTransaction,
                _,
            ) => Self::Unavailable(error.to_string()),
            diesel::result::Error::DatabaseError(Unknown, said)
                if SQLITE_UNAVAILABLE.contains(&said.message()) =>
            {
                Self::Unavailable(error.to_string())
            }
            _ => Self::Failed(error.to_string()),
        }
    }
}

/// What came of asking the database.
pub type Result<T> = std::result::Result<T, Error>;

/// A transaction: a connection, and the programs that were parsed before.
pub struct Tx<'a> {
    /// The connection.
    pub conn: &'a mut Conn,
    programs: &'a programs::Cache,
}

impl Tx<'_> {
    /// Asks the database for nothing but an answer.
    ///
    /// # Errors
    /// [`Error`] where there is none.
    pub fn ping(&mut self) -> Result<()> {
        Ok(self.conn.batch_execute("SELECT 1")?)
    }
}

/// How many connections to keep, and how much may wait for them.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Connections for reads (on PostgreSQL, for writes too).
    pub pool_size: u32,
    /// Writes that may wait for the SQLite writer.
    pub waiting_writes_max: usize,
    /// How long to wait for a connection of the pool.
    pub connection_wait: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self { pool_size: 8, waiting_writes_max: 4_096, connection_wait: Duration::from_secs(1) }
    }
}

/// Either database. Cheap to clone.
#[derive(Clone)]
pub struct Db(Arc<Inner>);

struct Inner {
    pool: r2d2::Pool<Manager>,
    /// One place for each connection: who waits for a place holds up no thread.
    places: Arc<Semaphore>,
    /// How long to wait for a place, and for the pool to make a connection anew.
    wait: Duration,
    /// Who got no place or no connection.
    refused: AtomicU64,
    writer: Option<Writer>,
    programs: Arc<programs::Cache>,
    in_flight: idempotency::InFlight,
}

impl Db {
    /// Opens the database that a URL names, by its scheme: `sqlite://PATH`
    /// makes the file where it is missing.
    ///
    /// # Errors
    /// [`Error::UnknownScheme`] for any other scheme, [`Error::Unavailable`]
    /// where it can't be opened.
    pub fn open(url: &str, limits: Limits) -> Result<Self> {
        let manager = Manager::new(url)?;
        let programs = Arc::new(programs::Cache::default());
        let writer = match &manager.target {
            Target::Postgres(_) => None,
            Target::Sqlite(path) => {
                let conn = Conn::Sqlite(pool::open_sqlite(path)?);
                Some(Writer::start(conn, programs.clone(), limits.waiting_writes_max)?)
            }
        };
        let pool = r2d2::Pool::builder()
            .max_size(limits.pool_size.max(1))
            .min_idle(Some(1))
            .test_on_check_out(false)
            // At the start; and half of it is the longest pause between two
            // attempts to connect anew.
            .connection_timeout(Duration::from_secs(3))
            .build(manager)
            .map_err(|error| Error::Unavailable(error.to_string()))?;
        let in_flight = idempotency::InFlight::default();
        let places = usize::try_from(pool.max_size()).unwrap_or(Semaphore::MAX_PERMITS);
        Ok(Self(Arc::new(Inner {
            pool,
            places: Arc::new(Semaphore::new(places)),
            wait: limits.connection_wait,
            refused: AtomicU64::new(0),
            writer,
            programs,
            in_flight,
        })))
    }

    /// How busy the database is kept.
    pub fn load(&self) -> Load {
        let state = self.0.pool.state();
        Load {
            connections_max: self.0.pool.max_size(),
            connections_idle: state.idle_connections,
            connections_in_use: state.connections.saturating_sub(state.idle_connections),
            refused: self.0.refused.load(Relaxed),
            writer: self.0.writer.as_ref().map(Writer::load),
        }
    }

    /// Waits until all writes that SQLite's writer has taken before are stored
    /// or refused. On PostgreSQL each has a thread of its own.
    ///
    /// # Errors
    /// [`Error`] where the writer has ended.
    pub async fn settle(&self) -> Result<()> {
        match &self.0.writer {
            Some(writer) => writer.write(|_| Ok(())).await,
            None => Ok(()),
        }
    }

    /// Whether this is SQLite.
    pub fn is_sqlite(&self) -> bool {
        self.0.writer.is_some()
    }

    /// The keys of those requests that this process carries out.
    pub fn in_flight(&self) -> &idempotency::InFlight {
        &self.0.in_flight
    }

    /// How many writes it is worth to have under way at once: SQLite's one
    /// writer commits many together, on PostgreSQL each takes a connection.
    pub fn writes_at_once(&self) -> usize {
        if self.is_sqlite() {
            GROUP
        } else {
            usize::try_from(self.0.pool.max_size()).unwrap_or(GROUP)
        }
    }

    /// Brings the tables up to date. Safe when several instances start at once.
    ///
    /// # Errors
    /// [`Error`] where a migration fails, nothing of it being kept, or where a
    /// newer version than this one has changed the tables.
    pub fn migrate(&self) -> Result<()> {
        let mut pooled = self.connection()?;
        let failed = diesel::result::Error::QueryBuilderError;
        match &mut pooled.conn {
            Conn::Postgres(conn) => conn.transaction(|conn| {
                diesel::sql_query("SELECT pg_advisory_xact_lock($1)")
                    .bind::<diesel::sql_types::BigInt, _>(MIGRATION_LOCK)
                    .execute(conn)?;
                run_migrations(conn, POSTGRES_MIGRATIONS).map_err(failed)?;
                diesel::QueryResult::Ok(())
            })?,
            Conn::Sqlite(conn) => conn.immediate_transaction(|conn| {
                run_migrations(conn, SQLITE_MIGRATIONS).map_err(failed)?;
                diesel::QueryResult::Ok(())
            })?,
        }
        Ok(())
    }

    /// Runs a closure that reads, all of it from one snapshot.
    ///
    /// # Errors
    /// What the closure answers, or [`Error`].
    pub fn read_blocking<T, E: From<Error>>(
        &self,
        job: impl FnOnce(&mut Tx<'_>) -> std::result::Result<T, E>,
    ) -> std::result::Result<T, E> {
        let begin = if self.is_sqlite() {
            "BEGIN"
        } else {
            "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
        };
        self.transaction(begin, job)
    }

    /// Runs a closure that reads with one statement, which is a snapshot by
    /// itself: on PostgreSQL that is one round trip instead of three.
    ///
    /// # Errors
    /// What the closure answers, or [`Error`].
    pub fn read_once_blocking<T>(&self, job: impl FnOnce(&mut Tx<'_>) -> Result<T>) -> Result<T> {
        let mut pooled = self.connection()?;
        let answer = job(&mut Tx { conn: &mut pooled.conn, programs: &self.0.programs });
        answer.inspect_err(|error| pooled.discard(error))
    }

    /// [`Db::read_once_blocking`], without holding up the caller's thread.
    ///
    /// # Errors
    /// What the closure answers, or [`Error`].
    pub async fn read_once<T: Send + 'static>(
        &self,
        job: impl FnOnce(&mut Tx<'_>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        self.blocking(move |db| db.read_once_blocking(job)).await
    }

    /// Puts all that is in SQLite's write-ahead log into the file, which then is
    /// whole by itself, and empties the log: until then that holds earlier
    /// states of pages, with what was deleted since. PostgreSQL has no such
    /// file, and removes what was deleted when it vacuums.
    ///
    /// Writers wait for it, and it waits for who still reads the log, such as a
    /// back-up: for a moment only. Where it can't be emptied, the service's own
    /// log says so, and it is overwritten later.
    pub async fn empty_log(&self) {
        if !self.is_sqlite() {
            return;
        }
        #[derive(diesel::QueryableByName)]
        struct Checkpoint {
            #[diesel(sql_type = diesel::sql_types::Integer)]
            busy: i32,
        }
        let emptied = self.read_once(|tx| {
            let Conn::Sqlite(conn) = tx.conn else { return Ok(0) };
            conn.batch_execute("PRAGMA busy_timeout = 100")?;
            let pragma = diesel::sql_query("PRAGMA wal_checkpoint(TRUNCATE)");
            let checkpoint = pragma.get_result::<Checkpoint>(conn)?;
            conn.batch_execute(pool::SQLITE_PATIENCE)?;
            Ok(checkpoint.busy)
        });
        match emptied.await {
            Ok(0) => {}
            Ok(_) => tracing::warn!("somebody still reads what the log of the database holds"),
            Err(error) => {
                tracing::warn!(%error, "the log of the database could not be emptied");
            }
        }
    }

    /// [`Db::read_blocking`], without holding up the caller's thread.
    ///
    /// # Errors
    /// What the closure answers, or [`Error`].
    pub async fn read<T, E>(
        &self,
        job: impl FnOnce(&mut Tx<'_>) -> std::result::Result<T, E> + Send + 'static,
    ) -> std::result::Result<T, E>
    where
        T: Send + 'static,
        E: From<Error> + Send + 'static,
    {
        self.blocking(move |db| db.read_blocking(job)).await
    }

    /// Runs a closure that writes, as one transaction: all of it is stored
    /// when this answers `Ok`, and nothing where it answers `Err`.
    ///
    /// # Errors
    /// What the closure answers, or [`Error`].
    pub async fn write<T, E>(
        &self,
        job: impl FnOnce(&mut Tx<'_>) -> std::result::Result<T, E> + Send + 'static,
    ) -> std::result::Result<T, E>
    where
        T: Send + 'static,
        E: From<Error> + Send + 'static,
    {
        match &self.0.writer {
            Some(writer) => writer.write(job).await,
            // Each statement sees what was committed before it, whatever the
            // server's own settings say.
            None => {
                let begin = "BEGIN ISOLATION LEVEL READ COMMITTED";
                self.blocking(move |db| db.transaction(begin, job)).await
            }
        }
    }

    fn transaction<T, E: From<Error>>(
        &self,
        begin: &str,
        job: impl FnOnce(&mut Tx<'_>) -> std::result::Result<T, E>,
    ) -> std::result::Result<T, E> {
        let mut pooled = self.connection()?;
        let begun = pooled.conn.batch_execute(begin);
        pooled.note(begun)?;
        let answer = job(&mut Tx { conn: &mut pooled.conn, programs: &self.0.programs });
        let end = if answer.is_ok() { "COMMIT" } else { "ROLLBACK" };
        let ended = pooled.conn.batch_execute(end);
        match (pooled.note(ended), &answer) {
            // Where the closure failed, its reason says more than the roll-back's.
            (Err(error), Ok(_)) => Err(error.into()),
            _ => answer,
        }
    }

    fn connection(&self) -> Result<r2d2::PooledConnection<Manager>> {
        loop {
            let got = self.0.pool.get_timeout(self.0.wait);
            let pooled = got.map_err(|error| {
                self.0.refused.fetch_add(1, Relaxed);
                Error::Unavailable(error.to_string())
            })?;
            // One that is outlived is thrown away here, and another one is had.
            if !pooled.is_outlived() {
                return Ok(pooled);
            }
        }
    }

    /// Runs a job that uses a connection on a thread that may wait, once there
    /// is a place for it, or says soon that there is none.
    async fn blocking<T, E>(
        &self,
        job: impl FnOnce(&Self) -> std::result::Result<T, E> + Send + 'static,
    ) -> std::result::Result<T, E>
    where
        T: Send + 'static,
        E: From<Error> + Send + 'static,
    {
        let place = self.0.places.clone().acquire_owned();
        let Ok(Ok(place)) = tokio::time::timeout(self.0.wait, place).await else {
            self.0.refused.fetch_add(1, Relaxed);
            return Err(Error::Overloaded.into());
        };
        let (db, span) = (self.clone(), tracing::Span::current());
        let job = move || {
            // Kept by the job, since whoever waits for its answer may go away.
            let _place = place;
            span.in_scope(|| job(&db))
        };
        match tokio::task::spawn_blocking(job).await {
            Ok(answer) => answer,
            Err(error) => Err(Error::Failed(error.to_string()).into()),
        }
    }
}

/// How busy the database is kept, at one instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Load {
    /// Connections that the pool may have.
    pub connections_max: u32,
    /// Connections that wait for work.
    pub connections_idle: u32,
    /// Connections at work.
    pub connections_in_use: u32,
    /// How often no connection was to be had in time.
    pub refused: u64,
    /// SQLite's writer.
    pub writer: Option<WriterLoad>,
}

/// How busy SQLite's writer is, at one instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WriterLoad {
    /// Writes that wait.
    pub waiting: usize,
    /// Writes that may wait.
    pub waiting_max: usize,
    /// How many writes were refused because too many waited.
    pub refused: u64,
}

impl Pooled {
    /// Notes whether the connection can be used again.
    fn note<T>(&mut self, answer: diesel::QueryResult<T>) -> Result<T> {
        answer.map_err(Error::from).inspect_err(|error| self.discard(error))
    }
}

/// An instant as the database keeps it: microseconds.
pub(crate) fn micros(at: Instant) -> i64 {
    at.timestamp_micros()
}

/// The instant that stored microseconds stand for.
pub(crate) fn instant(micros: i64) -> Result<Instant> {
    DateTime::from_timestamp_micros(micros)
        .ok_or_else(|| Error::Corrupt(format!("{micros} is no instant")))
}

/// The same for an instant that may be absent.
pub(crate) fn maybe_instant(micros: Option<i64>) -> Result<Option<Instant>> {
    micros.map(instant).transpose()
}

/// The value of a stored word.
pub(crate) fn stored_word<T: Copy>(words: &[(&'static str, T)], word: &str) -> Result<T> {
    crate::domain::words::value(words, word)
        .ok_or_else(|| Error::Corrupt(format!("{word:?} is no known word")))
}
