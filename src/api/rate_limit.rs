//! How many requests a second a caller may send: `RATE_LIMIT`.
//!
//! Each caller has as many requests as come in one second, and gets one back
//! after each interval (a token bucket). What is kept of one is a single
//! instant, the one at which all requests are back: the generic cell rate
//! algorithm. Who has all of them back is like somebody who never came, and is
//! forgotten.

use super::auth::Caller;
use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};
use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

/// A second, in the unit of time here: nanoseconds since the process began to count.
const SECOND: u64 = 1_000_000_000;
/// How many callers have requests of their own, of those who come in one
/// second. The others share those of one.
const CALLERS_MAX: usize = 10_000;

/// Whole numbers of requests a second.
#[derive(Debug, Clone, Copy)]
struct Rate {
    quota: u64,
    interval: u64,
}

impl Rate {
    /// So many a second; at least one.
    fn per_second(quota: u32) -> Self {
        let quota = u64::from(quota.max(1));
        Self { quota, interval: SECOND.div_ceil(quota) }
    }

    /// How long it takes until who has none left has all of them back.
    fn window(self) -> u64 {
        self.quota.saturating_mul(self.interval)
    }

    /// Takes a request from who has all of them back at an instant: when that
    /// is from now on, or `None` where there is none left.
    fn take(self, whole_at: u64, now: u64) -> Option<u64> {
        let next = whole_at.max(now).saturating_add(self.interval);
        (next.saturating_sub(now) <= self.window()).then_some(next)
    }

    /// How many are left to who has all of them back at an instant.
    fn left(self, whole_at: u64, now: u64) -> u64 {
        let free = self.window().saturating_sub(whole_at.saturating_sub(now));
        free.checked_div(self.interval).unwrap_or_default()
    }
}

/// When each caller has all requests back. They come into the younger of two
/// generations, which takes the place of the older after a window: whoever is
/// in neither then has not come for a window, and has all of them back.
#[derive(Debug, Default)]
struct Callers {
    began: u64,
    younger: HashMap<u64, u64>,
    older: HashMap<u64, u64>,
    /// Of those who find no room, together: nobody gets more by being many.
    others: u64,
}

impl Callers {
    /// Takes one of a caller's requests; how many are left, or `None` where
    /// there was none.
    fn take(&mut self, rate: Rate, caller: u64, now: u64) -> Option<u64> {
        if now.saturating_sub(self.began) >= rate.window() {
            self.older = std::mem::take(&mut self.younger);
            self.began = now;
        }
        let has_room = self.younger.len() < CALLERS_MAX || self.younger.contains_key(&caller);
        let whole_at = if has_room {
            let before = self.older.get(&caller).copied().unwrap_or_default();
            self.younger.entry(caller).or_insert(before)
        } else {
            &mut self.others
        };
        *whole_at = rate.take(*whole_at, now)?;
        Some(rate.left(*whole_at, now))
    }
}

/// Counts the requests of all callers of a process.
#[derive(Debug)]
pub struct RateLimit {
    rate: Rate,
    began: Instant,
    // Callers are known by a hash that nobody else can make. Should two have
    // the same one, they share their requests.
    hashes: RandomState,
    callers: Mutex<Callers>,
}

impl RateLimit {
    /// So many requests a second, and as many at once; `None` for 0, which is
    /// no limit.
    pub fn per_second(quota: u32) -> Option<Self> {
        (quota > 0).then(|| Self {
            rate: Rate::per_second(quota),
            began: Instant::now(),
            hashes: RandomState::new(),
            callers: Mutex::default(),
        })
    }

    /// Takes one of a caller's requests. All tokens of a subject in a store are
    /// one caller, whatever their roles.
    pub fn take(&self, caller: &Caller) -> Allowance {
        let caller = self.hashes.hash_one((caller.store.as_str(), &caller.subject));
        let mut callers = self.callers.lock().unwrap_or_else(PoisonError::into_inner);
        let now = u64::try_from(self.began.elapsed().as_nanos()).unwrap_or(u64::MAX);
        Allowance { quota: self.rate.quota, left: callers.take(self.rate, caller, now) }
    }
}

/// What a caller may still send.
#[derive(Debug, Clone, Copy)]
pub struct Allowance {
    quota: u64,
    left: Option<u64>,
}

impl Allowance {
    /// Whether there was nothing left for this request.
    pub fn is_exceeded(self) -> bool {
        self.left.is_none()
    }

    /// Says so in an answer (draft-ietf-httpapi-ratelimit-headers). All
    /// requests are back in a second at the latest.
    pub fn add_to(self, headers: &mut HeaderMap) {
        let left = self.left.unwrap_or_default();
        for (name, text) in [
            ("ratelimit-policy", format!("\"default\";q={};w=1", self.quota)),
            ("ratelimit", format!("\"default\";r={left};t=1")),
        ] {
            if let Ok(value) = HeaderValue::from_str(&text) {
                headers.insert(HeaderName::from_static(name), value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_second_s_worth_may_come_at_once_and_comes_back_one_by_one() {
        let rate = Rate::per_second(4);
        let mut callers = Callers::default();
        let mut at = |millis: u64| callers.take(rate, 1, 7 * SECOND + millis * 1_000_000);
        assert_eq!([at(0), at(0), at(0), at(0)], [Some(3), Some(2), Some(1), Some(0)]);
        assert_eq!([at(0), at(249)], [None, None]);
        assert_eq!([at(250), at(250), at(499)], [Some(0), None, None]);
        assert_eq!([at(750), at(750), at(750)], [Some(1), Some(0), None]);
        // What was refused costs nothing, and more than all never comes back.
        assert_eq!([at(1_750), at(9_000)], [Some(3), Some(3)]);
    }

    #[test]
    fn the_smallest_rate_is_one_and_then_one_each_second() {
        let rate = Rate::per_second(1);
        let mut callers = Callers::default();
        let mut at = |nanos: u64| callers.take(rate, 1, nanos);
        assert_eq!([at(0), at(0), at(SECOND - 1)], [Some(0), None, None]);
        assert_eq!([at(SECOND), at(2 * SECOND - 1), at(2 * SECOND)], [Some(0), None, Some(0)]);
        assert_eq!(Rate::per_second(0).window(), SECOND);
    }

    #[test]
    fn callers_have_their_own_until_there_are_too_many_of_them() {
        let rate = Rate::per_second(2);
        let mut callers = Callers::default();
        let many = u64::try_from(CALLERS_MAX).unwrap();
        for caller in 0..many {
            assert_eq!(callers.take(rate, caller, 0), Some(1));
        }
        // Those beyond share two, and those before keep what is theirs.
        let beyond = [many, many + 1, many + 2].map(|caller| callers.take(rate, caller, 1));
        assert_eq!(beyond, [Some(1), Some(0), None]);
        assert_eq!([callers.take(rate, 5, 2), callers.take(rate, 5, 3)], [Some(0), None]);
        // Two windows later nobody is left of them, and there is room again.
        for (caller, now) in [(many, SECOND), (many + 1, 2 * SECOND), (many + 2, 2 * SECOND)] {
            assert_eq!(callers.take(rate, caller, now), Some(1));
        }
        assert!(callers.younger.len() + callers.older.len() <= 3);
    }

    #[test]
    fn more_callers_than_there_is_room_for_take_no_more_room() {
        let rate = Rate::per_second(1_000);
        let mut callers = Callers::default();
        for caller in 0..100_000 {
            callers.take(rate, caller, caller * 50_000);
            assert!(callers.younger.len().max(callers.older.len()) <= CALLERS_MAX);
        }
    }

    #[test]
    fn no_limit_is_none_and_a_caller_is_a_subject_in_a_store() {
        use crate::api::auth::Role;
        use crate::domain::id::StoreId;
        assert!(RateLimit::per_second(0).is_none());
        let limit = RateLimit::per_second(1).unwrap();
        let is_exceeded = |store: &str, subject: &str, role| {
            let store = StoreId::parse(store).unwrap();
            limit.take(&Caller { store, subject: subject.to_owned(), role }).is_exceeded()
        };
        assert!(!is_exceeded("a", "bc", Role::Support));
        assert!(!is_exceeded("ab", "c", Role::Support));
        assert!(!is_exceeded("a", "c", Role::Support));
        assert!(is_exceeded("a", "bc", Role::Manager));
    }

    /// Requests of some callers: the pauses between them, in nanoseconds.
    fn requests() -> impl Strategy<Value = Vec<(u64, u64)>> {
        let pause = prop_oneof![
            4 => 0..2_000_000_u64,
            4 => 0..SECOND / 3,
            1 => 0..3 * SECOND,
        ];
        prop::collection::vec((0..3_u64, pause), 1..200)
    }

    proptest! {
        #[test]
        fn no_window_has_more_than_the_burst_and_what_came_back(
            quota in 1..2_000_u32, requests in requests(),
        ) {
            let rate = Rate::per_second(quota);
            let mut callers = Callers::default();
            let mut now = 0;
            let mut allowed: Vec<u64> = Vec::new();
            for (_, pause) in requests {
                now += pause;
                if callers.take(rate, 0, now).is_some() {
                    allowed.push(now);
                }
            }
            for (i, from) in allowed.iter().enumerate() {
                for (count, to) in (1_u64..).zip(&allowed[i..]) {
                    // Exactly: quota + quota × seconds, in whole requests.
                    let most = u128::from(quota)
                        + u128::from(to - from) * u128::from(quota) / u128::from(SECOND);
                    prop_assert!(u128::from(count) <= most, "{count} in {} ns", to - from);
                }
            }
        }

        #[test]
        fn it_recovers_within_a_second_whatever_was_asked(
            quota in 1..2_000_u32, requests in requests(),
        ) {
            let rate = Rate::per_second(quota);
            let mut callers = Callers::default();
            let mut now = 0;
            for (caller, pause) in requests {
                now += pause;
                if callers.take(rate, caller, now).is_none() {
                    // As `Retry-After` says; and it has not become longer by asking.
                    prop_assert!(callers.take(rate, caller, now + rate.interval).is_some());
                    now += rate.interval;
                }
            }
            // After a pause of a window everything is there again, and no more.
            now += rate.window();
            for left in (0..u64::from(quota)).rev() {
                prop_assert_eq!(callers.take(rate, 0, now), Some(left));
            }
            prop_assert_eq!(callers.take(rate, 0, now), None);
        }

        #[test]
        fn who_is_forgotten_would_have_had_all_of_them_back(
            quota in 1..50_u32, requests in requests(),
        ) {
            let rate = Rate::per_second(quota);
            let mut callers = Callers::default();
            let mut all: HashMap<u64, u64> = HashMap::new();
            let mut now = 0;
            for (caller, pause) in requests {
                now += pause;
                let whole_at = all.entry(caller).or_default();
                let expected = rate.take(*whole_at, now);
                *whole_at = expected.unwrap_or(*whole_at);
                let left = expected.map(|whole_at| rate.left(whole_at, now));
                prop_assert_eq!(callers.take(rate, caller, now), left);
            }
        }
    }
}
