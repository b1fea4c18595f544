//! Paging by the place of the last row, so that rows that come, go or move
//! between two pages make no other row appear twice or not at all.

use serde::{Deserialize, Serialize};

/// The place of a row in a sort: its key, and its identifier where keys are the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seek {
    /// The key, where it is a number.
    #[serde(rename = "n", default, skip_serializing_if = "is_zero")]
    pub number: i64,
    /// The key, where it is a text.
    #[serde(rename = "t", default, skip_serializing_if = "String::is_empty")]
    pub text: String,
    /// The identifier.
    #[serde(rename = "i")]
    pub id: String,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(number: &i64) -> bool {
    *number == 0
}

impl Seek {
    /// A place in a sort by a number or an instant.
    pub fn number(number: i64, id: String) -> Self {
        Self { number, text: String::new(), id }
    }

    /// A place in a sort by a text.
    pub fn text(text: String, id: String) -> Self {
        Self { number: 0, text, id }
    }
}

/// The LIKE pattern of all texts that contain a text.
pub fn contains(text: &str) -> String {
    let escaped = text.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_");
    format!("%{escaped}%")
}

/// Sorts a boxed query by an identifier and begins after a place.
macro_rules! seek_id {
    ($query:expr, $id:expr, $is_descending:expr, $after:expr) => {
        match ($is_descending, $after) {
            (false, None) => $query.order($id.asc()),
            (true, None) => $query.order($id.desc()),
            (false, Some(seek)) => $query.order($id.asc()).filter($id.gt(seek.id.clone())),
            (true, Some(seek)) => $query.order($id.desc()).filter($id.lt(seek.id.clone())),
        }
    };
}

/// Sorts a boxed query by a key and an identifier, and begins after a place.
macro_rules! seek_key {
    ($query:expr, $key:expr, $field:ident, $id:expr, $is_descending:expr, $after:expr) => {{
        let query = if $is_descending {
            $query.order(($key.desc(), $id.desc()))
        } else {
            $query.order(($key.asc(), $id.asc()))
        };
        match $after {
            None => query,
            Some(seek) if $is_descending => {
                let (key, id) = (seek.$field.clone(), seek.id.clone());
                query.filter($key.le(key.clone())).filter($key.lt(key).or($id.lt(id)))
            }
            Some(seek) => {
                let (key, id) = (seek.$field.clone(), seek.id.clone());
                query.filter($key.ge(key.clone())).filter($key.gt(key).or($id.gt(id)))
            }
        }
    }};
}

/// [`seek_key`] by a number or an instant.
macro_rules! seek_number {
    ($query:expr, $key:expr, $id:expr, $is_descending:expr, $after:expr) => {
        crate::db::page::seek_key!($query, $key, number, $id, $is_descending, $after)
    };
}

/// [`seek_key`] by a text.
macro_rules! seek_text {
    ($query:expr, $key:expr, $id:expr, $is_descending:expr, $after:expr) => {
        crate::db::page::seek_key!($query, $key, text, $id, $is_descending, $after)
    };
}

pub(crate) use {seek_id, seek_key, seek_number, seek_text};
