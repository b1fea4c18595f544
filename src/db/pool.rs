//! Connections, made and kept by r2d2.

use super::{Conn, Error, Result};
use diesel::connection::{InstrumentationEvent, SimpleConnection};
use diesel::{Connection, PgConnection, SqliteConnection};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// For how long a lock that somebody else holds is waited for, in milliseconds.
pub const SQLITE_PATIENCE: &str = "PRAGMA busy_timeout = 10000";

/// Every SQLite connection: a commit is on the disk when it is answered
/// (`FULL`; `NORMAL` would lose it at a power cut), and other processes that
/// hold the lock are waited for. What is deleted is overwritten
/// (`secure_delete`), since erasure is meant.
const SQLITE_SETTINGS: &str = "
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = FULL;
    PRAGMA foreign_keys = ON;
    PRAGMA trusted_schema = OFF;
    PRAGMA cache_size = -16000;
    PRAGMA secure_delete = ON;
";

/// Every PostgreSQL connection: a role, a database or a server that is set to
/// answer commits before they are on the disk is overruled; what waits for
/// replicas too stays as it is.
const POSTGRES_SETTINGS: &str = "
    SELECT set_config('synchronous_commit', 'on', false)
    WHERE current_setting('synchronous_commit', true) = 'off'
";

/// How long a host that has gone silent is waited for, where the URL says
/// nothing of it: by itself, libpq would wait for many minutes.
const POSTGRES_PATIENCE: &[(&str, &str)] = &[
    ("connect_timeout", "5"),
    ("tcp_user_timeout", "5000"),
    // For those who wait for an answer, and so have sent all that they have.
    ("keepalives_idle", "3"),
    ("keepalives_interval", "1"),
    ("keepalives_count", "2"),
];

/// What libpq says where it is asked for TLS and was built without, and what
/// PostgreSQL says where it insists on TLS.
const WANTS_TLS: [&str; 2] = ["SSL support is not compiled in", "no encryption"];

/// The one database that a URL names.
#[derive(Debug)]
pub enum Target {
    /// The file's path.
    Sqlite(String),
    /// The whole URL.
    Postgres(String),
}

/// Makes connections to a database.
#[derive(Debug)]
pub struct Manager {
    /// The database.
    pub target: Target,
    /// How often it has been found gone.
    losses: Arc<AtomicU64>,
}

/// A connection, and whether it can be used again.
pub struct Pooled {
    /// The connection.
    pub conn: Conn,
    is_broken: bool,
    /// How often the database had been found gone when this was made.
    made_after: u64,
    losses: Arc<AtomicU64>,
}

impl Pooled {
    /// Has the connection thrown away instead of being used again. Where the
    /// database has gone, so have all connections that were made before.
    pub fn discard(&mut self, error: &Error) {
        self.is_broken = true;
        if let Error::Unavailable(_) = error {
            self.losses.fetch_max(self.made_after.saturating_add(1), Ordering::Relaxed);
        }
    }

    /// Whether the database was found gone after this was made.
    pub fn is_outlived(&self) -> bool {
        self.made_after < self.losses.load(Ordering::Relaxed)
    }
}

impl Manager {
    pub fn new(url: &str) -> Result<Self> {
        let target = match url.split_once("://") {
            // An in-memory database would be another one for each connection.
            Some(("sqlite", path)) if !path.is_empty() && !path.starts_with(':') => {
                Target::Sqlite(path.to_owned())
            }
            Some(("postgres" | "postgresql", _)) => Target::Postgres(with_patience(url)),
            _ => return Err(Error::UnknownScheme),
        };
        Ok(Self { target, losses: Arc::default() })
    }
}

/// A URL of PostgreSQL that says how long a silent host is waited for.
fn with_patience(url: &str) -> String {
    POSTGRES_PATIENCE.iter().fold(url.to_owned(), |url, (name, value)| match url.split_once('?') {
        None => format!("{url}?{name}={value}"),
        Some((_, said)) if said.contains(&format!("{name}=")) => url,
        Some(_) => format!("{url}&{name}={value}"),
    })
}

/// Opens an SQLite file with the settings that every connection has.
pub fn open_sqlite(path: &str) -> Result<SqliteConnection> {
    let mut conn = SqliteConnection::establish(path)
        .map_err(|error| Error::Unavailable(format!("{path}: {error}")))?;
    conn.batch_execute(SQLITE_PATIENCE)?;
    conn.batch_execute(SQLITE_SETTINGS)?;
    Ok(conn)
}

fn open_postgres(url: &str) -> Result<PgConnection> {
    let mut conn = PgConnection::establish(url).map_err(|error| {
        Error::Unavailable(with_advice(&error.to_string(), cfg!(feature = "postgres-tls")))
    })?;
    conn.batch_execute(POSTGRES_SETTINGS)?;
    Ok(conn)
}

/// Why there is no connection, and what to do about it where TLS is what lacks.
fn with_advice(reason: &str, has_tls: bool) -> String {
    let reason = reason.trim_end();
    if !has_tls && WANTS_TLS.iter().any(|text| reason.contains(text)) {
        return format!(
            "{reason}; this binary was built without TLS: build it with the Cargo feature postgres-tls"
        );
    }
    reason.to_owned()
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
        let made_after = self.losses.load(Ordering::Relaxed);
        let mut conn = match &self.target {
            Target::Sqlite(path) => Conn::Sqlite(open_sqlite(path)?),
            Target::Postgres(url) => Conn::Postgres(open_postgres(url)?),
        };
        conn.set_instrumentation(trace_statement);
        Ok(Pooled { conn, is_broken: false, made_after, losses: self.losses.clone() })
    }

    fn is_valid(&self, pooled: &mut Pooled) -> Result<()> {
        Ok(pooled.conn.batch_execute("SELECT 1")?)
    }

    fn has_broken(&self, pooled: &mut Pooled) -> bool {
        pooled.is_broken || pooled.is_outlived() || std::thread::panicking()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_silent_host_is_not_waited_for_but_as_the_url_says() {
        assert_eq!(
            with_patience("postgres://u@h/d"),
            "postgres://u@h/d?connect_timeout=5&tcp_user_timeout=5000&keepalives_idle=3&keepalives_interval=1&keepalives_count=2"
        );
        let said = with_patience("postgres://u@h/d?sslmode=require&connect_timeout=60");
        assert!(said.contains("?sslmode=require&connect_timeout=60&tcp_user_timeout"), "{said}");
        assert_eq!(said.matches("connect_timeout").count(), 1);
    }

    #[test]
    fn a_host_that_says_nothing_to_a_new_connection_is_given_up() {
        let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("postgres://u:sentinel@{}/d", silent.local_addr().unwrap());
        let began = std::time::Instant::now();
        let Err(Error::Unavailable(said)) = open_postgres(&with_patience(&url)) else {
            panic!("nobody answers there");
        };
        assert!((4..10).contains(&began.elapsed().as_secs()), "{:?}", began.elapsed());
        assert!(said.contains("timeout") && !said.contains("sentinel"), "{said}");
    }

    #[test]
    fn who_wants_tls_of_a_build_without_it_is_told_of_the_feature() {
        // The first is said by libpq itself, so this holds of the words above.
        let url = "postgres://u@127.0.0.1:1/d?connect_timeout=1";
        for wants in ["sslmode=require", "sslmode=verify-full", "sslrootcert=system"] {
            let Err(Error::Unavailable(said)) = open_postgres(&format!("{url}&{wants}")) else {
                panic!("nobody listens there");
            };
            assert_ne!(said.contains("postgres-tls"), cfg!(feature = "postgres-tls"), "{said}");
        }
        let refusal = "FATAL:  no pg_hba.conf entry for host \"::1\", no encryption\n";
        assert!(with_advice(refusal, false).ends_with("the Cargo feature postgres-tls"));
        for (reason, has_tls) in [(refusal, true), ("connection refused", false)] {
            assert_eq!(with_advice(reason, has_tls), reason.trim_end());
        }
    }

    #[test]
    fn what_broke_one_connection_broke_all_that_were_made_before() {
        use r2d2::ManageConnection;
        let folder = tempfile::tempdir().unwrap();
        let manager = Manager::new(&format!("sqlite://{}/a.db", folder.path().display())).unwrap();
        let [mut one, mut other] = [manager.connect().unwrap(), manager.connect().unwrap()];
        one.discard(&Error::Failed("one statement".to_owned()));
        assert!(manager.has_broken(&mut one) && !manager.has_broken(&mut other));
        one.discard(&Error::Unavailable("gone".to_owned()));
        assert!(manager.has_broken(&mut other));
        let mut new = manager.connect().unwrap();
        assert!(!manager.has_broken(&mut new));
        // An old one that is found out late says nothing new.
        other.discard(&Error::Unavailable("gone".to_owned()));
        assert!(!manager.has_broken(&mut new));
    }
}
