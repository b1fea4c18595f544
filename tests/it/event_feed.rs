//! The feed of events under many writers at once: a reader that polls from the
//! start sees what every committed write brought, once, in the order of numbers.

use crate::support::*;
use serde_json::{Value, json};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

const WRITERS: usize = 32;
const ROUNDS: usize = 8;
/// Customers whom all writers write to, so that transactions wait for each other.
const BUSY: usize = 4;
const LADDER: &[(&str, &str)] =
    &[("one", "100.00"), ("two", "200.00"), ("three", "300.00"), ("four", "600.00")];

/// What happened, as one line: kind, customer and two words that tell it.
fn line(kind: &str, customer: &str, first: &Value, second: &Value) -> String {
    format!("{kind} {customer} {first} {second}")
}

fn line_of(event: &Value) -> String {
    let (kind, data) = (event["kind"].as_str().unwrap(), &event["data"]);
    let customer = event["customer_id"].as_str().unwrap();
    match kind {
        "order_flagged" => line(kind, customer, &data["order_id"], &data["status"]),
        _ => line(kind, customer, &data["from"], &data["to"]),
    }
}

/// What one writer does, and what the answers report that should be told.
struct Writer<'a> {
    app: &'a App,
    number: usize,
    told: Vec<String>,
}

impl Writer<'_> {
    fn order(&mut self, customer: &str, round: usize, total: &str) {
        let (id, at) = (
            format!("{customer}-{}-{round}", self.number),
            format!("2024-06-{:02}T10:00:00Z", round + 1),
        );
        let answer = self.app.order(&id, customer, &at, total).expect(201).body;
        let tier = |when: &str| answer["membership"][when]["tier"]["code"].clone();
        let (before, after) = (tier("before"), tier("after"));
        if before != after {
            self.told.push(line("tier_changed", customer, &before, &after));
        }
    }

    fn set_status(&mut self, customer: &str, before: &str, after: &str) {
        let path = format!("/v1/customers/{customer}/status");
        let body = json!({"status": after, "note": "as agreed"});
        let answer = self.app.support().put(&path, &body).expect(200).body;
        assert_eq!(answer["status"], after);
        self.told.push(line("status_changed", customer, &json!(before), &json!(after)));
    }

    fn pending_order(&mut self, customer: &str, round: usize, status: &str) {
        let id = format!("pending-{}-{round}", self.number);
        let body = json!({
            "customer_id": customer, "status": "pending", "total": "1.00", "currency": "GBP",
            "placed_at": "2024-07-01T10:00:00Z",
        });
        self.app.storefront().put(&format!("/v1/orders/{id}"), &body).expect(201);
        self.told.push(line("order_flagged", customer, &json!(id), &json!(status)));
    }

    fn run(mut self) -> Vec<String> {
        let own = format!("own{}", self.number);
        let busy = format!("busy{}", self.number % BUSY);
        for round in 0..ROUNDS {
            self.order(&own, round, "60.00");
            self.order(&busy, round, "10.00");
            if round % 2 == 0 {
                self.set_status(&own, "active", "caution");
                self.pending_order(&own, round, "caution");
            } else {
                self.set_status(&own, "caution", "active");
            }
        }
        self.told
    }
}

/// One page of the feed after a number, which it insists is in order.
fn poll(app: &App, after: i64, limit: usize) -> Vec<Value> {
    let path = format!("/v1/events?after={after}&limit={limit}");
    let body = app.manager().get(&path).expect(200).body;
    let events = body["events"].as_array().unwrap().clone();
    assert!(events.len() <= limit);
    let mut number = after;
    for event in &events {
        number += 1;
        assert_eq!(event["number"], number, "after {after}");
    }
    assert_eq!(body["next_after"], number, "after {after}");
    events
}

/// Reads on until everybody has finished and nothing has come for some seconds.
fn read(app: &App, is_finished: &AtomicBool, limit: usize) -> Vec<Value> {
    let (mut seen, mut after, mut newest) = (Vec::new(), 0, Instant::now());
    loop {
        // Asked before the feed is: what was committed by then has to come.
        let was_finished = is_finished.load(Ordering::SeqCst);
        let events = poll(app, after, limit);
        if let Some(last) = events.last() {
            after = last["number"].as_i64().unwrap();
            newest = Instant::now();
        } else if was_finished && newest.elapsed() > Duration::from_secs(4) {
            return seen;
        } else {
            std::thread::sleep(Duration::from_millis(5));
        }
        seen.extend(events);
    }
}

on_both! {
    fn a_reader_that_polls_under_32_writers_sees_every_event_once(app) {
        app.set_up(json!({}));
        app.set_tiers(LADDER);
        let is_finished = AtomicBool::new(false);
        let (mut told, readers) = std::thread::scope(|scope| {
            let is_finished = &is_finished;
            let readers = [7, 1_000].map(|limit| scope.spawn(move || read(app, is_finished, limit)));
            let writers: Vec<_> = (0..WRITERS)
                .map(|number| scope.spawn(move || Writer { app, number, told: Vec::new() }.run()))
                .collect();
            let joined: Vec<_> = writers.into_iter().map(|writer| writer.join()).collect();
            // Readers end also where a writer has failed.
            is_finished.store(true, Ordering::SeqCst);
            let told: Vec<String> = joined.into_iter().flat_map(|told| told.unwrap()).collect();
            (told, readers.map(|reader| reader.join().unwrap()))
        });
        let [seen, also_seen] = readers;
        let mut lines: Vec<String> = seen.iter().map(line_of).collect();
        lines.sort();
        told.sort();
        assert_eq!(lines, told);
        // Everybody who reads, at whatever pace, reads the same.
        assert_eq!(also_seen, seen);
        let mut again = Vec::new();
        while again.len() < seen.len() {
            let events = poll(app, i64::try_from(again.len()).unwrap(), 100);
            assert!(!events.is_empty(), "the feed ends after {}", again.len());
            again.extend(events);
        }
        assert_eq!(again, seen);

        // The writers did what they were to do.
        let count = |kind: &str| told.iter().filter(|line| line.starts_with(kind)).count();
        assert_eq!(count("status_changed"), WRITERS * ROUNDS);
        assert_eq!(count("order_flagged"), WRITERS * ROUNDS / 2);
        // 480.00 of each writer's own customer reach three tiers, 640.00 of each busy one all four.
        assert_eq!(count("tier_changed"), WRITERS * 3 + BUSY * 4);
        for number in 0..BUSY {
            assert_eq!(app.membership(&format!("busy{number}"))["lifetime"]["amount_spent"], "640.00");
        }
    }
}
