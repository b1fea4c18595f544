//! SQLite on a disk that is full, or that fails to flush.
#![cfg(target_os = "linux")]

use super::service::Home;
use super::shim::Shim;
use super::shopper::Load;
use super::{Trial, times, wait_until};
use serde_json::json;
use std::time::{Duration, Instant};

const SHOPPERS: usize = 6;
/// Within which everybody is served once there is room.
const BACK_WITHIN: Duration = Duration::from_secs(5);
/// After which what was under way when the disk began to fail is answered.
const UNDER_WAY: Duration = Duration::from_millis(300);

fn outlast(name: &'static str, how: &str) {
    let rounds = times("TRUST_RESTARTS", 3);
    let _trial = Trial::begin(name, Duration::from_secs(60 + 15 * u64::from(rounds)));
    let shim = Shim::build();
    let home = Home::on_sqlite()
        .with("LD_PRELOAD", shim.library.display().to_string())
        .with("TRUST_FAULT", shim.fault.display().to_string());
    let mut service = home.serve();
    service.set_up();
    let order = json!({
        "customer_id": "reader", "status": "completed", "total": "30.00", "currency": "GBP",
        "placed_at": "2024-06-01T10:00:00Z", "completed_at": "2024-06-01T10:00:00Z",
    });
    let stored = service.client("storefront").ask("PUT", "/v1/orders/read", Some(&order)).unwrap();
    let mut all = Vec::new();
    let (mut failed, mut slowest) = (0, Duration::ZERO);
    for round in 1..=rounds {
        let load = Load::begin(&service, &format!("d{round}"), SHOPPERS);
        let reader = service.client("support");
        std::thread::sleep(Duration::from_millis(300));
        shim.fail(how);
        std::thread::sleep(UNDER_WAY);

        let (acknowledged, failed_before) = (load.acknowledged(), load.failed());
        let began = Instant::now();
        while began.elapsed() < Duration::from_millis(700) {
            assert_eq!(reader.get("/v1/orders/read"), stored.body["order"]);
            for path in ["customers/reader/membership", "customers/reader/badge", "customers"] {
                reader.get(&format!("/v1/{path}"));
            }
            reader.get("/readyz");
        }
        assert_eq!(load.acknowledged(), acknowledged, "acknowledged, and the disk fails");
        assert!(load.failed() > failed_before, "the disk never failed");

        shim.mend();
        let mended = Instant::now();
        wait_until("everybody is served again", BACK_WITHIN, || load.has_moved_since(mended));
        slowest = slowest.max(mended.elapsed());
        let recovered = Instant::now();
        std::thread::sleep(Duration::from_millis(300));
        assert!(!load.has_failed_since(recovered), "a write fails after all is well");

        // Once more, and killed while the disk fails.
        shim.fail(how);
        std::thread::sleep(Duration::from_millis(100));
        load.call_off();
        service.kill();
        failed += load.failed();
        let statuses = load.statuses();
        assert!(statuses.iter().all(|status| [0, 503].contains(status)), "{statuses:?}");
        let mut shoppers = load.end();
        shim.mend();
        service = home.serve();
        let client = service.client("storefront");
        for shopper in &mut shoppers {
            shopper.settle(&client);
            shopper.check(&client);
        }
        home.assert_sound();
        service.assert_nobody_would_change();
        all.extend(shoppers);
    }
    let client = service.client("storefront");
    all.iter().for_each(|shopper| shopper.check(&client));
    let acknowledged: usize = all.iter().map(super::shopper::Shopper::acknowledged).sum();
    eprintln!(
        "{name}: {rounds} rounds, {acknowledged} acknowledged writes, all there once, {failed} refused; \
         the slowest return took {slowest:.0?}"
    );
}

#[test]
fn on_a_full_disk_nothing_is_acknowledged_and_reads_go_on() {
    outlast("a full disk", "full");
}

#[test]
fn where_flushes_fail_nothing_is_acknowledged_and_reads_go_on() {
    outlast("failing flushes", "sync");
}
