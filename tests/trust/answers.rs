//! The process ends between what a POST has done and its answer: sent again
//! with its key it is answered, and nothing is done twice.
#![cfg(target_os = "linux")]

use super::service::{Answer, Client, Home};
use super::shim::Shim;
use super::shopper::pence;
use super::{Trial, times};
use serde_json::{Value, json};
use std::time::Duration;

const LEDGER: &str = "/v1/customers/c1/credits";

/// Redeems store credit for an order, with a key.
fn redeem(client: &Client, order: &str, key: &str) -> Option<Answer> {
    let body = json!({"kind": "redeemed", "credit": "0.10", "order_id": order});
    client.ask_with(&[("idempotency-key", key)], "POST", LEDGER, Some(&body))
}

fn is_replayed(answer: &Answer) -> bool {
    answer.headers.get("idempotent-replayed").is_some_and(|value| value == "true")
}

/// The redemptions for an order, and what the customer has.
fn redeemed(client: &Client, order: &str) -> (Vec<Value>, i64) {
    let mut ledger = client.get(&format!("{LEDGER}?limit=200"));
    let balance = pence(&ledger["balances"]["credit"]);
    let Value::Array(mut entries) = ledger["entries"].take() else { panic!("{ledger}") };
    entries.retain(|entry| entry["kind"] == "redeemed" && entry["order_id"] == order);
    (entries, balance)
}

fn end_before_the_answer(name: &'static str, home: Home) {
    let rounds = times("TRUST_KILLS", 15).div_ceil(5);
    let _trial = Trial::begin(name, Duration::from_secs(60 + 10 * u64::from(rounds)));
    let shim = Shim::build();
    let home = home
        .with("LD_PRELOAD", shim.library.display().to_string())
        .with("TRUST_FAULT", shim.fault.display().to_string());
    let mut service = home.serve();
    service.set_up();
    let order = json!({
        "customer_id": "c1", "status": "completed", "total": "1000.00", "currency": "GBP",
        "placed_at": "2024-06-01T10:00:00Z", "completed_at": "2024-06-01T10:00:00Z",
    });
    let stored = service.client("storefront").ask("PUT", "/v1/orders/o1", Some(&order)).unwrap();
    assert_eq!(stored.status, 201, "{}", stored.body);

    let mut done = 0;
    for round in 1..=rounds {
        for fails in ["commit", "answer"] {
            let order = format!("{fails}-{round}");
            let client = service.client("storefront");
            let before = redeemed(&client, &order).1;
            shim.fail(fails);
            let answer = redeem(&client, &order, &order);
            assert!(answer.is_none(), "it was answered: {answer:?}");
            let ended = service.wait();
            assert_eq!(ended.code(), Some(Shim::EXIT_CODE), "{ended}");
            shim.mend();

            home.wait_for_orphans();
            service = home.serve();
            let client = service.client("storefront");
            let (entries, balance) = redeemed(&client, &order);
            // The first commit may have been somebody else's.
            let is_done = fails == "answer" || !entries.is_empty();
            let expected = if is_done { (1, before - 10) } else { (0, before) };
            assert_eq!((entries.len(), balance), expected, "{fails}: {entries:?}");
            done += u32::from(is_done);
            let again = redeem(&client, &order, &order).unwrap();
            assert!(again.status == 201 && is_replayed(&again) == is_done, "{fails}: {again:?}");
            let now = redeemed(&client, &order);
            assert_eq!(now, (vec![again.body["entry"].clone()], before - 10), "{fails}");
            assert!(!is_done || now.0 == entries, "{fails}: {entries:?}");

            // Nothing but the key keeps it at once.
            let other = redeem(&client, &order, &format!("{order}-other")).unwrap();
            assert!(other.status == 201 && !is_replayed(&other), "{other:?}");
            let (entries, balance) = redeemed(&client, &order);
            assert_eq!((entries.len(), balance), (2, before - 20), "{entries:?}");
        }
    }
    assert!(done > rounds, "it never ended after the commit of what it was asked");
    home.assert_sound();
    service.assert_nobody_would_change();
    eprintln!(
        "{name}: it ended {rounds} times before an answer and {} times right after the commit; \
         each redemption was there once, was answered when it was sent again, and not done again",
        done - rounds,
    );
}

#[test]
fn a_post_whose_answer_was_lost_is_carried_out_once_on_sqlite() {
    end_before_the_answer("lost answers on SQLite", Home::on_sqlite());
}

#[test]
fn a_post_whose_answer_was_lost_is_carried_out_once_on_postgresql() {
    end_before_the_answer("lost answers on PostgreSQL", Home::on_test_cluster());
}
