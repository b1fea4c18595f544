//! How the work of the background fares, for those who watch an instance.

use super::Error;
use chrono::Utc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};

/// The workers of an instance. Each step that they take is one transaction, so
/// that they can be dropped between any two and nothing is half done.
#[derive(Debug, Default)]
pub struct Background {
    /// Recalculations that wait.
    pub recalculations: Worker,
    /// Memberships and designations that time has changed.
    pub time: Worker,
    /// Passes of the rules over all customers.
    pub rules: Worker,
    /// Numbering events.
    pub events: Worker,
    /// Balances that have expired.
    pub credit: Worker,
    /// Kept answers that are past.
    pub answers: Worker,
}

impl Background {
    /// All of them, each with its name.
    pub fn workers(&self) -> [(&'static str, &Worker); 6] {
        [
            ("recalculations", &self.recalculations),
            ("time", &self.time),
            ("rules", &self.rules),
            ("events", &self.events),
            ("credit", &self.credit),
            ("answers", &self.answers),
        ]
    }
}

/// One worker, which goes around again and again.
#[derive(Debug, Default)]
pub struct Worker {
    succeeded_at: AtomicI64,
    failures: AtomicU64,
}

impl Worker {
    /// Notes how a round went, and logs what is put off where it failed.
    pub fn note<T>(&self, round: Result<T, Error>, what: &'static str) -> Option<T> {
        match round {
            Ok(done) => {
                self.succeeded_at.store(Utc::now().timestamp(), Relaxed);
                Some(done)
            }
            Err(error) => {
                self.failures.fetch_add(1, Relaxed);
                tracing::warn!(%error, "{what} is put off");
                None
            }
        }
    }

    /// When a round last went well, in seconds since 1970; 0 where none has yet.
    pub fn succeeded_at(&self) -> i64 {
        self.succeeded_at.load(Relaxed)
    }

    /// How many rounds have failed.
    pub fn failures(&self) -> u64 {
        self.failures.load(Relaxed)
    }
}
