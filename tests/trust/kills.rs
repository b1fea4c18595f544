//! `kill -9` under load, again and again, on the same database.

use super::service::Home;
use super::shopper::Load;
use super::{Trial, some_millis, times};
use std::time::{Duration, Instant};

const SHOPPERS: usize = 6;
/// Looking at everybody takes longer with each kill, so of many not each is
/// followed by it; every one is followed by a look at what was written before it.
const LOOKS_AT_ALL: u32 = 20;

fn kill_and_look(name: &'static str, home: &Home) {
    let kills = times("TRUST_KILLS", 5);
    let mut service = home.serve();
    service.set_up();
    let mut all = Vec::new();
    let (mut found, mut slowest) = (0, Duration::ZERO);
    for kill in 1..=kills {
        let load = Load::begin(&service, &format!("k{kill}"), SHOPPERS);
        std::thread::sleep(Duration::from_millis(50) + some_millis(700));
        load.call_off();
        service.kill();
        let mut shoppers = load.end();
        home.wait_for_orphans();

        let began = Instant::now();
        service = home.serve();
        slowest = slowest.max(began.elapsed());
        let client = service.client("storefront");
        for shopper in &mut shoppers {
            found += shopper.settle(&client);
            shopper.check(&client);
        }
        if kill <= 5 || kill % LOOKS_AT_ALL == 0 || kill == kills {
            home.assert_sound();
            service.assert_nobody_would_change();
        }
        all.extend(shoppers);
    }
    let client = service.client("storefront");
    all.iter().for_each(|shopper| shopper.check(&client));
    let acknowledged: usize = all.iter().map(super::shopper::Shopper::acknowledged).sum();
    assert!(acknowledged > usize::try_from(kills).unwrap() * 5, "hardly any load: {acknowledged}");
    eprintln!(
        "{name}: {kills} kills, {acknowledged} acknowledged writes, all there once; \
         {found} redemptions were stored without an answer; \
         the slowest start took {slowest:.0?}"
    );
}

fn limit() -> Duration {
    Duration::from_secs(60 + 10 * u64::from(times("TRUST_KILLS", 5)))
}

#[test]
fn nothing_acknowledged_is_lost_or_doubled_by_kills_on_sqlite() {
    let _trial = Trial::begin("kills on SQLite", limit());
    kill_and_look("SQLite", &Home::on_sqlite());
}

#[test]
fn nothing_acknowledged_is_lost_or_doubled_by_kills_on_postgresql() {
    let _trial = Trial::begin("kills on PostgreSQL", limit());
    kill_and_look("PostgreSQL", &Home::on_test_cluster());
}
