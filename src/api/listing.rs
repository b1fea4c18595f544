//! Lists that are answered a page at a time, or whole as CSV.

use super::csv::{Cell, csv, wants_csv};
use super::problem::ApiResult;
use super::wire;
use crate::db::page::Seek;
use crate::db::programs::{Hold, ProgramRecord};
use crate::db::{Db, Tx};
use crate::domain::id::StoreId;
use crate::workflow;
use crate::workflow::memberships::program_of;
use actix_web::{HttpRequest, HttpResponse};
use std::sync::Arc;

/// A list, narrowed down and sorted as a request asks.
pub trait List: Clone + Send + Sync + 'static {
    /// A line as it is stored.
    type Row: Send + 'static;
    /// A line as it is answered.
    type Out;
    /// What the CSV is called.
    const FILE: &'static str;
    /// The columns of the CSV.
    const COLUMNS: &'static [&'static str];

    /// How many lines to answer, and after which place, where that is no CSV.
    fn page(&self) -> (i64, Option<Seek>);

    /// Reads lines after a place.
    ///
    /// # Errors
    /// [`workflow::Error`] from the database, or for what depends on the store.
    fn read(
        &self,
        tx: &mut Tx<'_>,
        store: &StoreId,
        record: &ProgramRecord,
        after: Option<&Seek>,
        limit: i64,
    ) -> workflow::Result<Vec<Self::Row>>;

    /// The place of a line.
    fn seek(&self, row: &Self::Row) -> Seek;

    /// A line as it is answered.
    ///
    /// # Errors
    /// `internal` where the row makes no sense.
    fn out(&self, row: &Self::Row, record: &ProgramRecord) -> ApiResult<Self::Out>;

    /// A line of the CSV.
    fn cells(out: &Self::Out) -> Vec<Cell>;
}

/// A page of a list.
pub struct Page<T> {
    /// The lines.
    pub rows: Vec<T>,
    /// Where the next page begins; `None` on the last one.
    pub next_cursor: Option<String>,
    /// The program that they were read under.
    pub record: Arc<ProgramRecord>,
}

/// Answers a list: whole as CSV where the request prefers that, else a page,
/// as JSON that `to_json` makes of it.
///
/// # Errors
/// What the list answers.
pub async fn answer<L: List>(
    list: L,
    store: StoreId,
    request: &HttpRequest,
    db: &Db,
    to_json: impl FnOnce(Page<L::Out>) -> HttpResponse,
) -> ApiResult<HttpResponse> {
    if wants_csv(request) {
        let page = move |db: Db, after: Option<Seek>, limit: i64| {
            let (store, list) = (store.clone(), list.clone());
            async move {
                let (record, rows) = read(&db, store, &list, after, limit).await?;
                let place = rows.last().map(|row| list.seek(row));
                let lines = rows.iter().map(|row| Ok(L::cells(&list.out(row, &record)?)));
                Ok((lines.collect::<ApiResult<_>>()?, place))
            }
        };
        return csv(L::FILE, L::COLUMNS, db.clone(), page).await;
    }
    let (limit, after) = list.page();
    let (record, rows) = read(db, store, &list, after, limit.saturating_add(1)).await?;
    let (rows, next_cursor) = wire::page(rows, limit, |row| list.seek(row));
    let rows = rows.iter().map(|row| list.out(row, &record)).collect::<ApiResult<_>>()?;
    Ok(to_json(Page { rows, next_cursor, record }))
}

async fn read<L: List>(
    db: &Db,
    store: StoreId,
    list: &L,
    after: Option<Seek>,
    limit: i64,
) -> ApiResult<(Arc<ProgramRecord>, Vec<L::Row>)> {
    let list = list.clone();
    let read = db.read(move |tx| {
        let record = program_of(tx, &store, Hold::Read)?;
        let rows = list.read(tx, &store, &record, after.as_ref(), limit)?;
        Ok::<_, workflow::Error>((record, rows))
    });
    Ok(read.await?)
}
