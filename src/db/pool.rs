//! Connections, made and kept by r2d2.

use super::{Conn, Error, Result};
use diesel::connection::{InstrumentationEvent, SimpleConnection};
use diesel::{Connection, PgConnection, SqliteConnection};

/// Every SQLite connection: a commit is on the disk when it is answered
/// (`FULL`; `NORMAL` would lose it at a power cut), and other processes that
/// hold the lock are waited for. What is deleted is overwritten
/// (`secure_delete`), since erasure is meant.
const SQLITE_SETTINGS: &str = "
    PRAGMA busy_timeout = 10000;
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = FULL;
    PRAGMA foreign_keys = ON;
    PRAGMA trusted_schema = OFF;
    PRAGMA cache_size = -16000;
    PRAGMA secure_delete = ON;
";

/// Makes connections to the one database that a URL names.
#[derive(Debug)]
pub enum Manager {
    /// The file's path.
    Sqlite(String),
    /// The whole URL.
    Postgres(String),
}

/// A connection, and whether it broke.
pub struct Pooled {
    /// The connection.
    pub conn: Conn,
    /// It is then thrown away instead of being used again.
    pub is_broken: bool,
}

impl Manager {
    pub fn new(url: &str) -> Result<Self> {
        match url.split_once("://") {
            // An in-memory database would be another one for each connection.
            Some(("sqlite", path)) if !path.is_empty() && !path.starts_with(':') => {
                Ok(Self::Sqlite(path.to_owned()))
            }
            Some(("postgres" | "postgresql", _)) => Ok(Self::Postgres(url.to_owned())),
            _ => Err(Error::UnknownScheme),
        }
    }
}

/// Opens an SQLite file with the settings that every connection has.
pub fn open_sqlite(path: &str) -> Result<SqliteConnection> {
    let mut conn = SqliteConnection::establish(path)
        .map_err(|error| Error::Unavailable(format!("{path}: {error}")))?;
    conn.batch_execute(SQLITE_SETTINGS)?;
    Ok(conn)
}

/// Shows each statement, without its values, to who sets `LOG_LEVEL` to `trace`.
fn trace_statement(event: InstrumentationEvent<'_>) {
    if let InstrumentationEvent::StartQuery { query, .. } = event
        && tracing::enabled!(target: "accolade::sql", tracing::Level::TRACE)
    {
        let text = query.to_string();
        let sql = text.split(" -- binds: ").next().unwrap_or_default();
        tracing::trace!(target: "accolade::sql", sql, "statement");
    }
}

impl r2d2::ManageConnection for Manager {
    type Connection = Pooled;
    type Error = Error;

    fn connect(&self) -> Result<Pooled> {
        let mut conn = match self {
            Self::Sqlite(path) => Conn::Sqlite(open_sqlite(path)?),
            Self::Postgres(url) => Conn::Postgres(
                PgConnection::establish(url)
                    .map_err(|error| Error::Unavailable(error.to_string()))?,
            ),
        };
        conn.set_instrumentation(trace_statement);
        Ok(Pooled { conn, is_broken: false })
    }

    fn is_valid(&self, pooled: &mut Pooled) -> Result<()> {
        Ok(pooled.conn.batch_execute("SELECT 1")?)
    }

    fn has_broken(&self, pooled: &mut Pooled) -> bool {
        pooled.is_broken || std::thread::panicking()
    }
}
