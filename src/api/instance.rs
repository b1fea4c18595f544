//! What an instance knows of itself: how much it has in hand, and whether it
//! is about to end.

use super::metrics::Requests;
use super::rate_limit::RateLimit;
use crate::workflow::background::Background;
use chrono::Utc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use tokio::sync::Semaphore;

/// Batches in hand at once: each may hold 8 MiB and what is parsed of it.
pub const BATCHES_MAX: usize = 16;

/// One running service.
#[derive(Debug)]
pub struct Instance {
    /// The requests that it has answered.
    pub requests: Requests,
    /// The work of its background.
    pub background: Background,
    /// How many requests each caller may send, if that is limited.
    pub rate_limit: Option<RateLimit>,
    /// A place for each batch in hand.
    pub batches: Semaphore,
    /// When it began, in seconds since 1970.
    pub started_at: i64,
    requests_max: usize,
    in_flight: AtomicUsize,
    refused: AtomicU64,
    is_draining: AtomicBool,
}

impl Instance {
    /// An instance that has so many requests in hand at once, and takes so many
    /// a second of each caller: 0 for any number.
    pub fn new(requests_max: usize, rate_limit: u32) -> Self {
        Self {
            requests: Requests::default(),
            background: Background::default(),
            rate_limit: RateLimit::per_second(rate_limit),
            batches: Semaphore::new(BATCHES_MAX),
            started_at: Utc::now().timestamp(),
            requests_max,
            in_flight: AtomicUsize::new(0),
            refused: AtomicU64::new(0),
            is_draining: AtomicBool::new(false),
        }
    }

    /// Takes one more request in hand, until what is answered is dropped;
    /// `None` where there are too many already.
    pub fn take(&self) -> Option<InHand<'_>> {
        let place = InHand(self);
        let before = self.in_flight.fetch_add(1, Ordering::Relaxed);
        (before < self.requests_max).then_some(place)
    }

    /// Counts a request that was refused because too many were in hand.
    pub fn refuse(&self) {
        self.refused.fetch_add(1, Ordering::Relaxed);
    }

    /// Requests in hand now.
    pub fn in_flight(&self) -> usize {
        self.in_flight.load(Ordering::Relaxed)
    }

    /// Requests that were refused because too many were in hand.
    pub fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }

    /// Asks for no more requests: it is not ready from now on, and lets go of
    /// each connection with its next answer.
    pub fn drain(&self) {
        self.is_draining.store(true, Ordering::Relaxed);
    }

    /// Whether it asks for no more requests.
    pub fn is_draining(&self) -> bool {
        self.is_draining.load(Ordering::Relaxed)
    }
}

/// A request in hand.
pub struct InHand<'a>(&'a Instance);

impl Drop for InHand<'_> {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}
