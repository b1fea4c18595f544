//! Nominations: customers who were put forward and wait for a person's word
//! (design, sections 2 and 4).

use super::Instant;
use super::id::{RuleCode, TierCode};
use chrono::Duration;

/// For how long who was declined is not proposed again.
pub const NOT_AGAIN_FOR: Duration = Duration::days(90);

/// Where a nomination stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Nobody has decided yet.
    Waiting,
    /// The customer was designated.
    Approved,
    /// The customer was not.
    Declined,
}

impl State {
    /// All of them, with the word that each goes by.
    pub const WORDS: [(&'static str, Self); 3] =
        [("waiting", Self::Waiting), ("approved", Self::Approved), ("declined", Self::Declined)];
}

/// Who put the customer forward.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// A rule that is met.
    Rule(RuleCode),
    /// A tier that was reached.
    Tier(TierCode),
    /// A person.
    Person,
}

/// A kind of origin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// A rule that is met.
    Rule,
    /// A tier that was reached.
    Tier,
    /// A person.
    Person,
}

impl Source {
    /// All of them, with the word that each goes by.
    pub const WORDS: [(&'static str, Self); 3] =
        [("rule", Self::Rule), ("tier", Self::Tier), ("person", Self::Person)];
}

impl Origin {
    /// Its kind.
    pub fn source(&self) -> Source {
        match self {
            Self::Rule(_) => Source::Rule,
            Self::Tier(_) => Source::Tier,
            Self::Person => Source::Person,
        }
    }
}

/// What became of earlier nominations of one customer by one origin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Past {
    /// Whether one waits.
    pub is_waiting: bool,
    /// When the last one was declined.
    pub declined_at: Option<Instant>,
}

/// Why a customer is not put forward now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotNow {
    /// A nomination of the same origin waits.
    Waiting,
    /// One was declined less than [`NOT_AGAIN_FOR`] ago.
    DeclinedRecently,
}

impl Past {
    /// Whether the same origin may put the customer forward now.
    ///
    /// # Errors
    /// [`NotNow`] says what stands in the way.
    pub fn allows(&self, now: Instant) -> Result<(), NotNow> {
        let is_recent = |at: Instant| now.signed_duration_since(at) < NOT_AGAIN_FOR;
        if self.is_waiting {
            Err(NotNow::Waiting)
        } else if self.declined_at.is_some_and(is_recent) {
            Err(NotNow::DeclinedRecently)
        } else {
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_was_declined_is_not_proposed_again_for_90_days() {
        let at = |text: &str| text.parse::<Instant>().unwrap();
        let past = Past { is_waiting: false, declined_at: Some(at("2024-01-01T00:00:00Z")) };
        assert_eq!(past.allows(at("2024-03-30T23:59:59.999999Z")), Err(NotNow::DeclinedRecently));
        assert_eq!(past.allows(at("2024-03-31T00:00:00Z")), Ok(()));
        let waits = Past { is_waiting: true, ..past };
        assert_eq!(waits.allows(at("2024-06-01T00:00:00Z")), Err(NotNow::Waiting));
        assert_eq!(Past::default().allows(at("2024-01-01T00:00:00Z")), Ok(()));
    }
}
