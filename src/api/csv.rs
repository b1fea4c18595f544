//! Lists as CSV: streamed whole, and safe to open in a spreadsheet.

use super::problem::ApiResult;
use super::wire::At;
use crate::db::Db;
use crate::db::page::Seek;
use crate::domain::rfc3339;
use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse, web};
use futures_util::{StreamExt, stream};
use std::fmt::Display;
use std::future::{Future, ready};

/// How many rows are read at once.
const ROWS: i64 = 500;

/// What a formula begins with.
const FORMULA: [char; 8] = ['=', '+', '-', '@', '＝', '＋', '－', '＠'];

/// A cell. Text that a spreadsheet would run as a formula begins with an
/// apostrophe, which spreadsheets take as "this is text".
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cell(String);

impl Cell {
    /// A text that somebody else may have written.
    pub fn text(text: &str) -> Self {
        let is_formula = text.starts_with(FORMULA) || text.starts_with(['\t', '\r']);
        let mut safe = String::new();
        if is_formula && !is_number(text) {
            safe.push('\'');
        }
        // Where a spreadsheet takes semicolons or tabs for separators, a cell
        // begins after each; and after each line, because quotes that such a
        // spreadsheet finds inside a cell hold no lines together.
        let mut begins = false;
        for c in text.chars() {
            if begins && FORMULA.contains(&c) {
                safe.push('\'');
            }
            begins = matches!(c, ';' | '\t' | '\n' | '\r')
                || (begins && (c.is_whitespace() || c == '"'));
            safe.push(c);
        }
        Self(safe)
    }

    /// A text that may be absent.
    pub fn maybe(text: Option<&str>) -> Self {
        text.map_or_else(|| Self(String::new()), Self::text)
    }

    /// A number or a date, which stays one.
    pub fn plain(value: impl Display) -> Self {
        Self(value.to_string())
    }

    /// An instant that may be absent.
    pub fn at(at: Option<At>) -> Self {
        Self(at.map(|at| rfc3339(at.0)).unwrap_or_default())
    }
}

/// Whether a text is a plain decimal number, which no spreadsheet runs.
fn is_number(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
    let is_digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    is_digits(whole) && is_digits(fraction)
}

/// Whether a request asks for CSV: `text/csv` stands in `Accept` before any
/// type that JSON would do for.
pub fn wants_csv(request: &HttpRequest) -> bool {
    let accept = request.headers().get(header::ACCEPT).and_then(|accept| accept.to_str().ok());
    let mut wanted: Vec<(u32, &str)> = accept
        .unwrap_or_default()
        .split(',')
        .map(|part| {
            let (kind, rest) = part.split_once(';').unwrap_or((part, ""));
            (weight(rest), kind.trim())
        })
        .collect();
    // A stable sort: of equal weights, the first that is named.
    wanted.sort_by_key(|(weight, _)| std::cmp::Reverse(*weight));
    let known = wanted.iter().find(|(weight, kind)| {
        *weight > 0 && ["text/csv", "text/*", "application/json", "*/*"].contains(kind)
    });
    known.is_some_and(|(_, kind)| kind.starts_with("text/"))
}

/// The weight that the parameters of a media type state, in thousandths.
fn weight(parameters: &str) -> u32 {
    let stated = parameters.split(';').find_map(|p| p.trim().strip_prefix("q="));
    let Some(stated) = stated else { return 1000 };
    let (whole, fraction) = stated.split_once('.').unwrap_or((stated, ""));
    let thousandths = format!("{whole}{fraction:0<3}");
    thousandths.parse::<u32>().unwrap_or(0).min(1000)
}

fn line(cells: &[String]) -> std::io::Result<Vec<u8>> {
    let mut writer =
        csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(vec![]);
    writer.write_record(cells)?;
    writer.into_inner().map_err(|error| std::io::Error::other(error.to_string()))
}

/// Rows as lines of a file.
///
/// # Errors
/// [`std::io::Error`] where they can't be written.
pub fn lines(rows: Vec<Vec<Cell>>) -> std::io::Result<web::Bytes> {
    let mut text = Vec::new();
    for row in rows {
        let cells: Vec<String> = row.into_iter().map(|cell| cell.0).collect();
        text.extend(line(&cells)?);
    }
    Ok(text.into())
}

/// Whether there may be more rows than these.
fn is_full(rows: &[Vec<Cell>]) -> bool {
    i64::try_from(rows.len()).is_ok_and(|count| count >= ROWS)
}

/// What one page of a list came to: its lines, and where the next one begins.
pub type Page = ApiResult<(Vec<Vec<Cell>>, Option<Seek>)>;

/// A whole list as a file. Each page is read when the caller has taken the one
/// before; one that can't be read breaks the answer off, so that half a file
/// does not look like a whole one.
///
/// # Errors
/// What the first page answers.
pub async fn csv<F, R>(
    name: &str,
    columns: &'static [&'static str],
    db: Db,
    page: F,
) -> ApiResult<HttpResponse>
where
    F: Fn(Db, Option<Seek>, i64) -> R + 'static,
    R: Future<Output = Page> + 'static,
{
    let (mut rows, place) = page(db.clone(), None, ROWS).await?;
    let place = place.filter(|_| is_full(&rows));
    rows.insert(0, columns.iter().map(Cell::plain).collect());
    let rest = stream::unfold((page, db, place), |(page, db, place)| async move {
        let place = place?;
        let (bytes, place) = match page(db.clone(), Some(place), ROWS).await {
            Ok((rows, place)) => {
                let place = place.filter(|_| is_full(&rows));
                (lines(rows), place)
            }
            Err(error) => (Err(std::io::Error::other(error.to_string())), None),
        };
        Some((bytes, (page, db, place)))
    });
    let body = stream::once(ready(lines(rows))).chain(rest);
    Ok(HttpResponse::Ok()
        .content_type("text/csv; charset=utf-8")
        .insert_header((header::CONTENT_DISPOSITION, format!("attachment; filename=\"{name}\"")))
        .streaming(body))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_is_run_as_a_formula_and_a_number_stays_one() {
        let cell = |text: &str| Cell::text(text).0;
        for formula in ["=1+1", "+44 20", "-2+3", "@SUM(A1)", "\tx", "-", "--5", "-5.0.0", "＝1"] {
            assert_eq!(cell(formula), format!("'{formula}"));
        }
        assert_eq!(cell("x;=1+1"), "x;'=1+1");
        assert_eq!(cell("a; \"@b; c"), "a; \"'@b; c");
        assert_eq!(cell("A note.\n=1+1\r\n-x"), "A note.\n'=1+1\r\n'-x");
        for plain in ["-5.00", "-5", "12", "Ada", "a=b", "a; b", ""] {
            assert_eq!(cell(plain), plain);
        }
    }

    #[test]
    fn csv_is_answered_to_who_prefers_it() {
        let wants = |accept: &str| {
            let request = actix_web::test::TestRequest::get().insert_header(("accept", accept));
            wants_csv(&request.to_http_request())
        };
        for accept in
            ["text/csv", "text/csv;q=0.9, application/json;q=0.5", "text/csv, */*", "text/*"]
        {
            assert!(wants(accept), "{accept}");
        }
        for accept in [
            "",
            "*/*",
            "application/json",
            "application/json, text/csv;q=0.5",
            "text/csv;q=0",
            "text/html",
        ] {
            assert!(!wants(accept), "{accept}");
        }
    }
}
