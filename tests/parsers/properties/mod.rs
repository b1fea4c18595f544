//! What has to hold of each parser of what comes from outside, whatever comes.
//!
//! A target takes any bytes and panics where a promise is broken. `fuzz/` looks
//! for such bytes for as long as it is let; `tests/parsers` tries the seeds, and
//! some thousands of their kin, with every change.

mod facts;
mod requests;
mod rules;
mod texts;

/// A target takes any bytes.
pub type Target = fn(&[u8]);

/// All of them. The seeds of a target are the files in `fuzz/seeds` under its name.
pub const TARGETS: [(&str, Target); 10] = [
    ("cells", requests::cells),
    ("csv", facts::csv),
    ("cursor", requests::cursor),
    ("headers", requests::headers),
    ("ids", texts::ids),
    ("instants", texts::instants),
    ("money", texts::money),
    ("ndjson", facts::ndjson),
    ("rule", rules::rule),
    ("tokens", requests::tokens),
];

/// What stands before and after the first line break, where all of it is text.
fn first_line(data: &[u8]) -> Option<(&str, &str)> {
    std::str::from_utf8(data).ok()?.split_once('\n')
}

/// Whether a text is an instant as answers write it: RFC 3339, in UTC, at
/// microseconds at most.
fn is_written_instant(text: &str) -> bool {
    let is_shaped = |shape: &str| {
        text.len() == shape.len()
            && text
                .bytes()
                .zip(shape.bytes())
                .all(|(byte, of)| if of == b'0' { byte.is_ascii_digit() } else { byte == of })
    };
    ["0000-00-00T00:00:00Z", "0000-00-00T00:00:00.000Z", "0000-00-00T00:00:00.000000Z"]
        .into_iter()
        .any(is_shaped)
}

/// An instant that has come in is written as RFC 3339, and is the same when it
/// is read again and when the database gives it back.
fn check_instant(at: accolade::domain::Instant) {
    let written = accolade::domain::rfc3339(at);
    assert!(is_written_instant(&written), "{written} is not RFC 3339");
    assert_eq!(written.parse(), Ok(at), "{written} is read as another instant");
    let stored = chrono::DateTime::from_timestamp_micros(at.timestamp_micros());
    assert_eq!(stored, Some(at), "{written} is stored as another instant");
}
