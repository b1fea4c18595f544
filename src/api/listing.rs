//! Lists that are answered a page at a time, or whole as a file.

use super::csv::{Cell, csv};
use super::problem::ApiResult;
use super::read_of_store;
use super::wire;
use crate::db::page::Seek;
use crate::db::programs::ProgramRecord;
use crate::db::{Db, Tx};
use crate::domain::id::StoreId;
use crate::workflow;
use actix_web::HttpResponse;
use std::future::ready;
use std::sync::Arc;

/// A row, as JSON and as a line of a file.
pub trait Line {
    /// The columns of the file: the fields.
    const COLUMNS: &'static [&'static str];

    /// What stands in them.
    fn cells(&self) -> Vec<Cell>;
}

/// A table that is not paged, as a file.
///
/// # Errors
/// What writing it answers.
pub async fn table<L: Line>(name: &str, lines: &[L], db: &Db) -> ApiResult<HttpResponse> {
    let rows: Vec<Vec<Cell>> = lines.iter().map(L::cells).collect();
    let page = move |_: Db, _: Option<Seek>, _: i64| ready(Ok((rows.clone(), None)));
    csv(name, L::COLUMNS, db.clone(), page).await
}

/// A row of a list, and its place in it.
pub struct Placed<L> {
    /// The row.
    pub line: L,
    /// Its place.
    pub seek: Seek,
}

/// How a page of a list is read: what was asked for, where it begins, and how
/// many rows.
pub type Read<Q, L> = fn(
    &mut Tx<'_>,
    &StoreId,
    &ProgramRecord,
    &Q,
    Option<&Seek>,
    i64,
) -> workflow::Result<Vec<Placed<L>>>;

/// A page of a list: the program, the rows, and the cursor of the next page.
///
/// # Errors
/// What reading it answers.
pub async fn page<Q: Send + 'static, L: Send + 'static>(
    db: &Db,
    store: StoreId,
    query: Q,
    read: Read<Q, L>,
    (limit, cursor): (Option<i64>, Option<String>),
) -> ApiResult<(Arc<ProgramRecord>, Vec<L>, Option<String>)> {
    let limit = limit.unwrap_or(wire::LIMIT_DEFAULT);
    let after: Option<Seek> = cursor.as_deref().and_then(wire::parse_cursor);
    let (record, rows) = read_of_store(db, store, move |tx, store, record| {
        read(tx, store, record, &query, after.as_ref(), limit.saturating_add(1))
    })
    .await?;
    let (rows, next_cursor) = wire::page(rows, limit, |row| row.seek.clone());
    Ok((record, rows.into_iter().map(|row| row.line).collect(), next_cursor))
}

/// A whole list as a file, of which at least so many rows are read at once.
///
/// # Errors
/// What reading the first of them answers.
pub async fn file<Q: Clone + Send + 'static, L: Line + Send + 'static>(
    name: &str,
    db: &Db,
    store: StoreId,
    query: Q,
    read: Read<Q, L>,
    rows_min: i64,
) -> ApiResult<HttpResponse> {
    let page = move |db: Db, after: Option<Seek>, limit: i64| {
        let (store, query) = (store.clone(), query.clone());
        async move {
            let limit = limit.max(rows_min);
            let (_, rows) = read_of_store(&db, store, move |tx, store, record| {
                read(tx, store, record, &query, after.as_ref(), limit)
            })
            .await?;
            let place = rows.last().map(|row| row.seek.clone());
            Ok((rows.iter().map(|row| row.line.cells()).collect(), place))
        }
    };
    csv(name, L::COLUMNS, db.clone(), page).await
}

/// How many rows of a list are read at once for which everything has to be
/// looked through each time.
pub const MANY_ROWS: i64 = 20_000;
