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

mod answers;
mod cluster;
mod disk;
mod durability;
mod kills;
mod outages;
mod processes;
mod proxy;
mod service;
mod shim;
mod shopper;
mod tls;

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// A trial that runs: one at a time, since they measure time; and ended with
/// the whole program, and all that it started, where it takes too long.
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
                processes::end_with_all();
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

/// Set for the process that is to take too long.
const TAKES_TOO_LONG: &str = "TRUST_TAKES_TOO_LONG";

#[test]
fn a_trial_that_takes_too_long_leaves_nothing_behind() {
    if std::env::var_os(TAKES_TOO_LONG).is_some() {
        let home = service::Home::on_sqlite();
        let service = home.serve();
        eprintln!("serves at {}", service.base);
        let _trial = Trial::begin("a trial without an end", Duration::from_millis(500));
        std::thread::sleep(Duration::from_secs(60));
        return;
    }
    let _trial = Trial::begin("a trial that takes too long", Duration::from_secs(60));
    let mut same = std::process::Command::new(std::env::current_exe().unwrap());
    let name = "a_trial_that_takes_too_long_leaves_nothing_behind";
    same.args(["--exact", name, "--nocapture"]).env(TAKES_TOO_LONG, "yes");
    let (is_well, said) = processes::run(same);
    assert!(!is_well && said.contains("a trial without an end takes longer"), "{said}");
    let address = said.lines().find_map(|line| line.split_once("serves at http://"));
    let address = address.unwrap_or_else(|| panic!("{said}")).1;
    wait_until("nobody serves any more", Duration::from_secs(5), || {
        std::net::TcpStream::connect(address).is_err()
    });
}
