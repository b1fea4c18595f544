//! What is promised when things break, tried on the real binary: processes are
//! killed, databases stopped, connections cut and disks made to fail, under
//! load. `docs/reliability.md` says which promise is proven by which test.
//!
//! Each trial is small here and large in `.ci/nightly`, where `TRUST_KILLS` and
//! `TRUST_RESTARTS` say how often.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test that can't go on has failed"
)]

mod cluster;
mod disk;
mod durability;
mod kills;
mod outages;
mod proxy;
mod service;
mod shim;
mod shopper;
mod tls;

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// A trial that runs: one at a time, since they measure time; and ended with
/// the whole program where it takes too long.
struct Trial {
    _alone: MutexGuard<'static, ()>,
    _over: std::sync::mpsc::Sender<()>,
}

impl Trial {
    fn begin(name: &'static str, limit: Duration) -> Self {
        static ALONE: Mutex<()> = Mutex::new(());
        let alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
        let (over, is_over) = std::sync::mpsc::channel::<()>();
        std::thread::spawn(move || {
            if is_over.recv_timeout(limit) == Err(std::sync::mpsc::RecvTimeoutError::Timeout) {
                eprintln!("{name} takes longer than {limit:?}");
                std::process::exit(1);
            }
        });
        Self { _alone: alone, _over: over }
    }
}

/// How often something is done: as the environment says, or as CI does it.
fn times(name: &str, in_ci: u32) -> u32 {
    std::env::var(name).map_or(in_ci, |text| text.parse().unwrap())
}

/// Some time below a limit, another one each time.
fn some_millis(below: u64) -> Duration {
    use std::hash::{BuildHasher, RandomState};
    Duration::from_millis(RandomState::new().hash_one(below) % below)
}

/// Waits until something holds, and says after how long.
#[track_caller]
fn wait_until(what: &str, limit: Duration, holds: impl Fn() -> bool) -> Duration {
    let began = std::time::Instant::now();
    while !holds() {
        assert!(began.elapsed() < limit, "not within {limit:?}: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
    began.elapsed()
}
