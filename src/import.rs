//! CSV files of a shop's past, merged by instant and stored like any facts.

use crate::api::customers::CustomerIn;
use crate::api::extract::parse;
use crate::api::facts::record;
use crate::api::orders::OrderIn;
use crate::api::problem::ApiError;
use crate::api::refunds::RefundIn;
use crate::db::Db;
use crate::domain::Instant;
use crate::domain::id::{CustomerId, OrderId, RefundId, StoreId};
use crate::workflow::facts::{Line, Stored};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Lines that are stored together.
const CHUNK: usize = 4_096;

/// The files of an import.
#[derive(Debug, Clone, Default)]
pub struct Files {
    /// `order_id,customer_id,completed_at,total,currency`, and the API's other fields.
    pub orders: Option<PathBuf>,
    /// `refund_id,order_id,refunded_at,amount`.
    pub refunds: Option<PathBuf>,
    /// `customer_id`, and the API's fields.
    pub customers: Option<PathBuf>,
}

/// What became of an import.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Summary {
    /// Lines that are new.
    pub created: u64,
    /// Lines that replaced what was stored.
    pub changed: u64,
    /// Lines that were stored already.
    pub unchanged: u64,
    /// Lines that were refused.
    pub refused: Vec<RefusedLine>,
}

/// A line that was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefusedLine {
    /// The file.
    pub file: String,
    /// The line's number in it; the header is line 1.
    pub line: u64,
    /// Why.
    pub reason: String,
}

/// Why an import could not go on.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file can't be read.
    #[error("{file}: {error}")]
    File {
        /// The file.
        file: String,
        /// What is wrong with it.
        error: csv::Error,
    },
    /// The store or the database.
    #[error("{0}")]
    Api(ApiError),
}

/// Where a line stands.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    file: String,
    line: u64,
}

/// A line that was read: where it stands, when it happened, what it says.
type Read = (Option<Instant>, u8, Place, Line);

/// Imports files into a store; `progress` hears how many lines are done of how many.
///
/// # Errors
/// [`Error`] where a file can't be read, the store is not set up, or the
/// database fails. What was stored until then stays; the same import again
/// goes on from there.
pub async fn import(
    db: &Db,
    store: &StoreId,
    files: &Files,
    mut progress: impl FnMut(u64, u64),
) -> Result<Summary, Error> {
    let mut summary = Summary::default();
    let mut lines: Vec<Read> = Vec::new();
    type Parser = fn(BTreeMap<String, String>) -> Result<(Option<Instant>, Line), ApiError>;
    let sources: [(&Option<PathBuf>, u8, Parser); 3] = [
        (&files.customers, 0, parse_customer),
        (&files.orders, 1, parse_order),
        (&files.refunds, 2, parse_refund),
    ];
    for (path, kind, parser) in sources {
        if let Some(path) = path {
            read_file(path, kind, parser, &mut lines, &mut summary)?;
        }
    }
    lines.sort_by(|a, b| (a.0, a.1, &a.2).cmp(&(b.0, b.1, &b.2)));
    let total = u64::try_from(lines.len()).unwrap_or(u64::MAX);
    let mut done = 0_u64;
    progress(done, total);
    while !lines.is_empty() {
        let rest = lines.split_off(lines.len().min(CHUNK));
        let chunk = std::mem::replace(&mut lines, rest);
        let mut places = Vec::new();
        let mut batch = Vec::new();
        for (number, (_, _, place, line)) in chunk.into_iter().enumerate() {
            places.push(place);
            batch.push((number, line));
        }
        for (number, outcome) in
            record(db, store.clone(), &crate::db::audit::Actor::system(), batch)
                .await
                .map_err(Error::Api)?
        {
            let count = match outcome {
                Ok(Stored::Created) => &mut summary.created,
                Ok(Stored::Changed) => &mut summary.changed,
                Ok(Stored::Unchanged) => &mut summary.unchanged,
                Err(error) => {
                    if let Some(place) = places.get(number) {
                        summary.refused.push(refusal(place, &error));
                    }
                    continue;
                }
            };
            *count = count.saturating_add(1);
        }
        done = done.saturating_add(u64::try_from(places.len()).unwrap_or(0));
        progress(done, total);
    }
    summary.refused.sort_by(|a, b| (&a.file, a.line).cmp(&(&b.file, b.line)));
    Ok(summary)
}

fn refusal(place: &Place, error: &ApiError) -> RefusedLine {
    RefusedLine { file: place.file.clone(), line: place.line, reason: error.reason() }
}

fn read_file(
    path: &Path,
    kind: u8,
    parser: impl Fn(BTreeMap<String, String>) -> Result<(Option<Instant>, Line), ApiError>,
    lines: &mut Vec<Read>,
    summary: &mut Summary,
) -> Result<(), Error> {
    let file = path.display().to_string();
    let failed = |error: csv::Error| Error::File { file: file.clone(), error };
    let mut reader = csv::ReaderBuilder::new().flexible(true).from_path(path).map_err(failed)?;
    let header = reader.headers().map_err(failed)?.clone();
    for record in reader.records() {
        let record = record.map_err(failed)?;
        let line = record.position().map_or(0, csv::Position::line);
        let place = Place { file: file.clone(), line };
        if record.len() != header.len() {
            let reason = format!("has {} fields; the header has {}", record.len(), header.len());
            summary.refused.push(RefusedLine { file: place.file, line, reason });
            continue;
        }
        // An empty cell is a field left out.
        let cells = header.iter().zip(record.iter()).filter(|(_, cell)| !cell.is_empty());
        let cells = cells.map(|(name, cell)| (name.to_owned(), cell.to_owned())).collect();
        match parser(cells) {
            Ok((at, fact)) => lines.push((at, kind, place, fact)),
            Err(error) => summary.refused.push(refusal(&place, &error)),
        }
    }
    Ok(())
}

fn to_body(cells: BTreeMap<String, String>) -> Map<String, Value> {
    cells.into_iter().map(|(name, cell)| (name, Value::String(cell))).collect()
}

fn take_id<T>(
    cells: &mut BTreeMap<String, String>,
    field: &str,
    parse: impl Fn(&str) -> Result<T, crate::domain::id::InvalidId>,
) -> Result<T, ApiError> {
    use crate::api::problem::Fault;
    let fault = |detail: String| ApiError::invalid(vec![Fault::new(format!("/{field}"), detail)]);
    let id = cells.remove(field).ok_or_else(|| fault("is required".to_owned()))?;
    parse(&id).map_err(|error| fault(error.to_string()))
}

/// An order: completed where nothing else is said, and placed when it was completed.
fn parse_order(mut cells: BTreeMap<String, String>) -> Result<(Option<Instant>, Line), ApiError> {
    let id = take_id(&mut cells, "order_id", OrderId::parse)?;
    if !cells.contains_key("status") {
        cells.insert("status".to_owned(), "completed".to_owned());
    }
    if let (None, Some(completed_at)) = (cells.get("placed_at"), cells.get("completed_at").cloned())
    {
        cells.insert("placed_at".to_owned(), completed_at);
    }
    let order = parse::<OrderIn>(Value::Object(to_body(cells)), "")?.into_order(id)?;
    Ok((Some(order.completed_at.unwrap_or(order.placed_at)), Line::Order(order)))
}

fn parse_refund(mut cells: BTreeMap<String, String>) -> Result<(Option<Instant>, Line), ApiError> {
    let id = take_id(&mut cells, "refund_id", RefundId::parse)?;
    let refund = parse::<RefundIn>(Value::Object(to_body(cells)), "")?.into_refund(id)?;
    Ok((Some(refund.refunded_at), Line::Refund(refund)))
}

/// A customer: tags are separated by semicolons, and a subscription has
/// columns of its own.
fn parse_customer(
    mut cells: BTreeMap<String, String>,
) -> Result<(Option<Instant>, Line), ApiError> {
    let id = take_id(&mut cells, "customer_id", CustomerId::parse)?;
    let mut body = Map::new();
    if let Some(tags) = cells.remove("tags") {
        body.insert("tags".to_owned(), tags.split(';').map(str::trim).collect());
    }
    if let Some(print) = cells.remove("print_vip_icon") {
        let value = match print.as_str() {
            "true" => json!(true),
            "false" => json!(false),
            other => json!(other),
        };
        body.insert("print_vip_icon".to_owned(), value);
    }
    let mut subscription = Map::new();
    for field in ["monthly_amount", "state", "cancelled_at"] {
        if let Some(cell) = cells.remove(&format!("subscription_{field}")) {
            subscription.insert(field.to_owned(), Value::String(cell));
        }
    }
    if !subscription.is_empty() {
        body.insert("subscription".to_owned(), Value::Object(subscription));
    }
    body.extend(to_body(cells));
    let profile = parse::<CustomerIn>(Value::Object(body), "")?.into_profile();
    Ok((None, Line::Customer(id, Box::new(profile))))
}
