//! What an instance knows of itself: how much it has in hand, and whether it
//! is about to end.

use super::metrics::Requests;
use super::rate_limit::RateLimit;
use crate::domain::id::StoreId;
use crate::workflow::background::Background;
use chrono::Utc;
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Batches in hand at once: each may hold 8 MiB and what is parsed of it.
pub const BATCHES_MAX: usize = 16;
/// Those of one store, so that none takes the places of all the others.
pub const BATCHES_OF_STORE_MAX: usize = 8;

/// One running service.
#[derive(Debug)]
pub struct Instance {
    /// The requests that it has answered.
    pub requests: Requests,
    /// The work of its background.
    pub background: Background,
    /// How many requests each caller may send, if that is limited.
    pub rate_limit: Option<RateLimit>,
    /// The batches in hand.
    pub batches: Arc<Batches>,
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
            batches: Arc::default(),
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

/// The batches in hand, by store.
#[derive(Debug, Default)]
pub struct Batches(Mutex<HashMap<StoreId, usize>>);

impl Batches {
    /// Takes a place for one more batch of a store, until what is answered is
    /// dropped; `None` where there are too many already.
    pub fn take(self: &Arc<Self>, store: &StoreId) -> Option<BatchInHand> {
        let mut by_store = self.by_store();
        let of_store = by_store.get(store).copied().unwrap_or(0);
        let is_free =
            of_store < BATCHES_OF_STORE_MAX && by_store.values().sum::<usize>() < BATCHES_MAX;
        is_free.then(|| {
            by_store.insert(store.clone(), of_store.saturating_add(1));
            BatchInHand { batches: Arc::clone(self), store: store.clone() }
        })
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.by_store().values().sum()
    }

    fn by_store(&self) -> MutexGuard<'_, HashMap<StoreId, usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A batch in hand.
#[derive(Debug)]
pub struct BatchInHand {
    batches: Arc<Batches>,
    store: StoreId,
}

impl Drop for BatchInHand {
    fn drop(&mut self) {
        let mut by_store = self.batches.by_store();
        match by_store.get_mut(&self.store) {
            Some(count) if *count > 1 => *count = count.saturating_sub(1),
            _ => drop(by_store.remove(&self.store)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_has_half_of_the_places_for_batches_and_each_comes_back() {
        let batches: Arc<Batches> = Arc::default();
        let [a, b, c] = ["a", "b", "c"].map(|id| StoreId::parse(id).unwrap());
        let mut of_a: Vec<_> =
            (0..BATCHES_OF_STORE_MAX).map(|_| batches.take(&a).unwrap()).collect();
        assert!(batches.take(&a).is_none());
        let of_b: Vec<_> = (0..BATCHES_OF_STORE_MAX).map(|_| batches.take(&b).unwrap()).collect();
        assert_eq!(batches.count(), BATCHES_MAX);
        assert!(batches.take(&c).is_none());
        of_a.pop();
        let of_c = batches.take(&c).unwrap();
        assert!(batches.take(&a).is_none());
        drop((of_a, of_b, of_c));
        assert!(batches.by_store().is_empty());
    }
}
