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
use std::collections::{BTreeMap, BTreeSet};
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

/// What a file has a line of each, in the order in which they are stored at one instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Customers, which are stored before all else.
    Customer,
    /// Orders.
    Order,
    /// Refunds.
    Refund,
}

/// A line that was read.
#[derive(Debug, Clone, PartialEq)]
pub struct ReadLine {
    /// When it happened; `None` for a customer.
    at: Option<Instant>,
    kind: Kind,
    place: Place,
    /// What it says.
    pub line: Line,
}

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
    let mut lines: Vec<ReadLine> = Vec::new();
    let sources = [
        (&files.customers, Kind::Customer),
        (&files.orders, Kind::Order),
        (&files.refunds, Kind::Refund),
    ];
    for (path, kind) in sources {
        if let Some(path) = path {
            let (read, refused) = read_file(path, kind)?;
            lines.extend(read);
            summary.refused.extend(refused);
        }
    }
    lines.sort_by(|a, b| (a.at, a.kind, &a.place).cmp(&(b.at, b.kind, &b.place)));
    let total = u64::try_from(lines.len()).unwrap_or(u64::MAX);
    let mut done = 0_u64;
    progress(done, total);
    while !lines.is_empty() {
        let rest = lines.split_off(lines.len().min(CHUNK));
        let chunk = std::mem::replace(&mut lines, rest);
        let mut places = Vec::new();
        let mut batch = Vec::new();
        for (number, read) in chunk.into_iter().enumerate() {
            places.push(read.place);
            batch.push((number, read.line));
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

fn read_file(path: &Path, kind: Kind) -> Result<(Vec<ReadLine>, Vec<RefusedLine>), Error> {
    let file = path.display().to_string();
    let opened = std::fs::File::open(path).map_err(csv::Error::from);
    let read = opened.and_then(|input| read_lines(&file, kind, input));
    read.map_err(|error| Error::File { file, error })
}

/// Reads a file's lines: those that state something, and those that are refused.
///
/// # Errors
/// [`csv::Error`] where the file can't be read, is not in UTF-8, or has two
/// columns of one name.
pub fn read_lines(
    file: &str,
    kind: Kind,
    input: impl std::io::Read,
) -> Result<(Vec<ReadLine>, Vec<RefusedLine>), csv::Error> {
    let (mut lines, mut refused) = (Vec::new(), Vec::new());
    let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(input);
    let header = reader.headers()?.clone();
    let mut names = BTreeSet::new();
    // Columns without a name say nothing as long as they are empty.
    let mut named = header.iter().filter(|name| !name.is_empty());
    if let Some(twice) = named.find(|name| !names.insert(*name)) {
        let error = format!("two columns have the name {twice:?}");
        return Err(csv::Error::from(std::io::Error::other(error)));
    }
    for record in reader.records() {
        let record = record?;
        let line = record.position().map_or(0, csv::Position::line);
        let place = Place { file: file.to_owned(), line };
        if record.len() != header.len() {
            let reason = format!("has {} fields; the header has {}", record.len(), header.len());
            refused.push(RefusedLine { file: place.file, line, reason });
            continue;
        }
        // An empty cell is a field left out.
        let cells = header.iter().zip(record.iter()).filter(|(_, cell)| !cell.is_empty());
        let cells = cells.map(|(name, cell)| (name.to_owned(), cell.to_owned())).collect();
        let stated = match kind {
            Kind::Customer => parse_customer(cells),
            Kind::Order => parse_order(cells),
            Kind::Refund => parse_refund(cells),
        };
        match stated {
            Ok((at, line)) => lines.push(ReadLine { at, kind, place, line }),
            Err(error) => refused.push(refusal(&place, &error)),
        }
    }
    Ok((lines, refused))
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
