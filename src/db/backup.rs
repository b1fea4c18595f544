//! A copy of an SQLite file, while it is in use.

use super::pool::open_sqlite;
use diesel::prelude::*;
use diesel::sql_types::Text;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

/// Why there is no copy.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// There is no database to copy.
    #[error("there is no database {}", .0.display())]
    Missing(PathBuf),
    /// Nothing is overwritten.
    #[error("{} exists already: name a file that does not", .0.display())]
    Exists(PathBuf),
    /// A path that SQLite can't take.
    #[error("{} is no path that can be used", .0.display())]
    Path(PathBuf),
    /// What was copied is damaged.
    #[error("the copy is damaged, and so may be the database: {0}")]
    Damaged(String),
    /// A file can't be read or written.
    #[error(transparent)]
    File(#[from] io::Error),
    /// SQLite can't copy.
    #[error(transparent)]
    Database(#[from] super::Error),
}

impl From<diesel::result::Error> for BackupError {
    fn from(error: diesel::result::Error) -> Self {
        Self::Database(error.into())
    }
}

/// Copies a database as it is at one instant, with all that was committed
/// before, into a file that is there only once it is whole, checked and on the
/// disk; its size in bytes. Nobody waits for it, readers or writers.
///
/// # Errors
/// [`BackupError`]; nothing is left behind then.
pub fn copy(database: &Path, target: &Path) -> Result<u64, BackupError> {
    if !database.is_file() {
        return Err(BackupError::Missing(database.to_owned()));
    }
    // An absolute path is never taken for one of SQLite's `file:` URIs.
    let target = std::path::absolute(target)?;
    let (Some(folder), Some(name)) = (target.parent(), target.file_name()) else {
        return Err(BackupError::Path(target));
    };
    if target.try_exists()? {
        return Err(BackupError::Exists(target));
    }
    // Its owner's alone, and gone unless it is put into its place.
    let aside = tempfile::Builder::new().prefix(name).tempfile_in(folder)?;
    let bytes = copy_aside(database, aside.path())?;
    aside.persist_noclobber(&target).map_err(|error| taken(error.error, &target))?;
    File::open(folder)?.sync_all()?;
    Ok(bytes)
}

/// Why a name can't be had.
fn taken(error: io::Error, path: &Path) -> BackupError {
    match error.kind() {
        io::ErrorKind::AlreadyExists => BackupError::Exists(path.to_owned()),
        _ => error.into(),
    }
}

fn copy_aside(database: &Path, aside: &Path) -> Result<u64, BackupError> {
    let text = |path: &Path| {
        path.to_str().map(str::to_owned).ok_or_else(|| BackupError::Path(path.to_owned()))
    };
    let (from, to) = (text(database)?, text(aside)?);
    let mut conn = open_sqlite(&from)?;
    diesel::sql_query("VACUUM INTO ?").bind::<Text, _>(&to).execute(&mut conn)?;
    check(&to)?;
    // SQLite leaves this to us.
    let file = File::open(aside)?;
    file.sync_all()?;
    Ok(file.metadata()?.len())
}

/// Has SQLite look at every page of a copy.
fn check(path: &str) -> Result<(), BackupError> {
    #[derive(QueryableByName)]
    struct Found {
        #[diesel(sql_type = Text)]
        integrity_check: String,
    }
    let unreadable = |error: ConnectionError| super::Error::Unavailable(error.to_string());
    let mut conn = SqliteConnection::establish(path).map_err(unreadable)?;
    let found: Vec<Found> = diesel::sql_query("PRAGMA integrity_check").load(&mut conn)?;
    let lines: Vec<String> = found.into_iter().map(|found| found.integrity_check).collect();
    if lines == ["ok"] { Ok(()) } else { Err(BackupError::Damaged(lines.join("; "))) }
}
