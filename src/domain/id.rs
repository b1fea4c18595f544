//! Identifiers: the caller's own, 1–64 characters of `A–Z a–z 0–9 . _ : -`
//! (design, section 4).

use std::fmt;

/// The longest identifier, in characters (all of them are one byte).
pub const ID_LENGTH_MAX: usize = 64;

/// The same rule as [`is_id`], as the pattern that the OpenAPI document states.
pub const ID_PATTERN: &str = "^[A-Za-z0-9._:-]{1,64}$";

/// A text that is no identifier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be 1 to 64 characters of A–Z a–z 0–9 . _ : -")]
pub struct InvalidId;

/// Whether a text can be an identifier.
pub fn is_id(text: &str) -> bool {
    (1..=ID_LENGTH_MAX).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b':' | b'-'))
}

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(String);

        impl $name {
            /// Takes a text that follows the rule of identifiers.
            ///
            /// # Errors
            /// [`InvalidId`] for any other text.
            pub fn parse(text: &str) -> Result<Self, InvalidId> {
                if is_id(text) { Ok(Self(text.to_owned())) } else { Err(InvalidId) }
            }

            /// The identifier as the caller wrote it.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    )*};
}

ids! {
    /// A shop: the tenant that a token names.
    StoreId;
    /// A customer of one store.
    CustomerId;
    /// An order of one store.
    OrderId;
    /// A refund of one store.
    RefundId;
    /// An activity of one store.
    ActivityId;
    /// A tier's code: what a tier is held by, whatever its name or rank becomes.
    TierCode;
    /// A benefit's code.
    BenefitCode;
    /// The code of a rule of qualification.
    RuleCode;
    /// The code of a way to earn.
    WayCode;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_1_to_64_of_the_allowed_characters() {
        for good in ["a", "A-1_b.c:9", &"x".repeat(64)] {
            assert_eq!(CustomerId::parse(good).unwrap().as_str(), good);
        }
        for bad in ["", "a b", "ä", "a/b", "a\n", &"x".repeat(65)] {
            assert_eq!(CustomerId::parse(bad), Err(InvalidId), "{bad:?}");
        }
    }
}
