//! The load: shoppers who write, and keep a ledger of what was acknowledged.

use super::service::{Answer, Client, Service};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// A write, which may be sent again.
#[derive(Debug, Clone)]
struct Write {
    method: &'static str,
    path: String,
    body: Value,
}

impl Write {
    /// Sends it; a redemption under a key of its own, so that it may be sent again.
    fn send(&self, client: &Client) -> Option<Answer> {
        let key = self.body["order_id"].as_str().unwrap_or_default();
        let headers: &[_] = if self.method == "POST" { &[("idempotency-key", key)] } else { &[] };
        client.ask_with(headers, self.method, &self.path, Some(&self.body))
    }
}

/// One customer's writes, one after another: orders, completed at once or
/// later or late, points, refunds, and redemptions, each for an order of its own.
pub struct Shopper {
    name: String,
    step: u32,
    /// What is stored at each path, as it was answered.
    stored: BTreeMap<String, Value>,
    /// The entry of each redemption, by its order.
    redeemed: BTreeMap<String, Value>,
    /// Writes that were never acknowledged; each may have been stored or not.
    unanswered: Vec<Write>,
    /// What was spent and not refunded, in pence.
    spent: i64,
    /// Orders and activities that earn.
    earning: BTreeSet<String>,
}

/// An amount in pence.
pub fn pence(amount: &Value) -> i64 {
    amount.as_str().unwrap().replace('.', "").parse().unwrap()
}

fn order(name: &str, status: &str, total: &str, placed: &str, completed: Option<&str>) -> Value {
    let mut body = json!({
        "customer_id": name, "status": status, "total": total, "currency": "GBP", "placed_at": placed,
    });
    if let Some(completed) = completed {
        body["completed_at"] = json!(completed);
    }
    body
}

impl Shopper {
    fn new(name: String) -> Self {
        Self {
            name,
            step: 0,
            stored: BTreeMap::new(),
            redeemed: BTreeMap::new(),
            unanswered: Vec::new(),
            spent: 0,
            earning: BTreeSet::new(),
        }
    }

    fn next(&mut self) -> Write {
        let (name, n) = (&self.name, self.step);
        self.step = n + 1;
        let at = |year: u32, n: u32| {
            let (hour, minute, second) = (n / 3_600 % 24, n / 60 % 60, n % 60);
            format!("{year}-01-01T{hour:02}:{minute:02}:{second:02}Z")
        };
        let now = at(2024, n);
        let put = |path: String, body| Write { method: "PUT", path, body };
        let total = format!("{}.95", n % 50 + 20);
        match n % 7 {
            0 => put(
                format!("/v1/orders/{name}-{n}"),
                order(name, "completed", &total, &now, Some(&now)),
            ),
            1 => put(
                format!("/v1/activities/{name}-{n}"),
                json!({"customer_id": name, "kind": "points", "points": 10, "occurred_at": now}),
            ),
            2 => Write {
                method: "POST",
                path: format!("/v1/customers/{name}/credits"),
                body: json!({"kind": "redeemed", "credit": "0.10", "order_id": format!("{name}-{n}-paid")}),
            },
            3 => put(format!("/v1/orders/{name}-{n}"), order(name, "pending", &total, &now, None)),
            4 => {
                let n = n - 1;
                put(
                    format!("/v1/orders/{name}-{n}"),
                    order(name, "completed", &total, &at(2024, n), Some(&now)),
                )
            }
            5 => put(
                format!("/v1/refunds/{name}-{n}"),
                json!({"order_id": format!("{name}-{}", n - 5), "amount": "1.00", "refunded_at": now}),
            ),
            // It comes late, so that the whole history is folded again.
            _ => {
                let then = at(2023, n);
                put(
                    format!("/v1/orders/{name}-{n}"),
                    order(name, "completed", "5.00", &then, Some(&then)),
                )
            }
        }
    }

    /// Notes what was acknowledged.
    fn note(&mut self, write: &Write, answer: Answer) {
        let resource = ["order", "activity", "refund", "entry"]
            .into_iter()
            .find_map(|name| answer.body.get(name))
            .unwrap_or_else(|| panic!("{write:?}: {}", answer.body))
            .clone();
        if write.method == "POST" {
            let order = write.body["order_id"].as_str().unwrap().to_owned();
            let known = self.redeemed.insert(order, resource);
            assert!(known.is_none(), "{write:?}");
            return;
        }
        let was = self.stored.insert(write.path.clone(), resource.clone());
        let is_completed = |order: &Value| order["status"] == "completed";
        if write.path.starts_with("/v1/refunds/") {
            if was.is_none() {
                self.spent -= pence(&resource["amount"]);
            }
            let order = format!("/v1/orders/{}", resource["order_id"].as_str().unwrap());
            self.stored.get_mut(&order).unwrap()["refunded"] = resource["amount"].clone();
        } else if write.path.starts_with("/v1/activities/") {
            self.earning.insert(write.path.clone());
        } else if is_completed(&resource) && !was.as_ref().is_some_and(is_completed) {
            self.spent += pence(&resource["total"]);
            self.earning.insert(write.path.clone());
        }
    }

    /// Writes until it is over. What is not acknowledged is sent again where
    /// that is safe: where it is a PUT.
    fn shop(&mut self, client: &Client, progress: &Progress, seat: usize) {
        while !progress.is_over() {
            let write = self.next();
            loop {
                match write.send(client) {
                    Some(answer) if answer.status < 300 => {
                        self.note(&write, answer);
                        progress.acknowledged(seat);
                        break;
                    }
                    Some(answer) if answer.status < 500 => panic!("{write:?}: {answer:?}"),
                    refused => progress.failed(refused.map_or(0, |answer| answer.status)),
                }
                if write.method == "POST" || progress.is_over() {
                    self.unanswered.push(write);
                    break;
                }
                std::thread::sleep(Duration::from_millis(20));
            }
        }
    }

    /// Brings what was never acknowledged to an end: it is sent again as it was.
    /// Answers how many redemptions were stored without an acknowledgement.
    pub fn settle(&mut self, client: &Client) -> usize {
        let mut found = 0;
        for write in std::mem::take(&mut self.unanswered) {
            if write.method == "POST" {
                found += self.entries_for(client, write.body["order_id"].as_str().unwrap()).len();
            }
            let answer = write.send(client).unwrap();
            assert!(answer.status < 300, "{write:?}: {answer:?}");
            self.note(&write, answer);
        }
        found
    }

    fn entries_for(&self, client: &Client, order: &str) -> Vec<Value> {
        let mut entries = self.entries(client);
        entries.retain(|entry| entry["kind"] == "redeemed" && entry["order_id"] == order);
        entries
    }

    /// The customer's whole ledger; none where there is no customer yet.
    fn entries(&self, client: &Client) -> Vec<Value> {
        let path = format!("/v1/customers/{}/credits?limit=200", self.name);
        let (mut found, mut cursor) = (Vec::new(), String::new());
        loop {
            let page = client.ask("GET", &format!("{path}{cursor}"), None).unwrap();
            if page.status == 404 {
                return found;
            }
            assert_eq!(page.status, 200, "{}", page.body);
            found.extend(page.body["entries"].as_array().unwrap().clone());
            match page.body["next_cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return found,
            }
        }
    }

    /// Insists that everything that was acknowledged is there as it was
    /// answered, once, and nothing else.
    pub fn check(&self, client: &Client) {
        for (path, stored) in &self.stored {
            assert_eq!(&client.get(path), stored, "{path} is not as it was acknowledged");
        }
        let entries = self.entries(client);
        let of_kind = |kind: &str| entries.iter().filter(|entry| entry["kind"] == kind).count();
        for (order, entry) in &self.redeemed {
            let stored: Vec<&Value> = entries
                .iter()
                .filter(|e| e["kind"] == "redeemed" && e["order_id"] == order.as_str())
                .collect();
            assert_eq!(stored, [entry], "the redemption for {order}");
        }
        assert_eq!(of_kind("redeemed"), self.redeemed.len(), "redemptions of {}", self.name);
        assert_eq!(of_kind("earned"), self.earning.len(), "what {} has earned", self.name);
        if !self.stored.is_empty() {
            let path = format!("/v1/customers/{}/membership", self.name);
            let spent = pence(&client.get(&path)["lifetime"]["amount_spent"]);
            assert_eq!(spent, self.spent, "what {} has spent", self.name);
        }
    }

    /// How many writes were acknowledged, those of the end included.
    pub fn acknowledged(&self) -> usize {
        self.stored.len() + self.redeemed.len()
    }
}

/// How the load goes.
struct Progress {
    began: Instant,
    is_over: AtomicBool,
    acknowledged: AtomicU64,
    /// When each shopper was last acknowledged something.
    last: Vec<AtomicU64>,
    failed: AtomicU64,
    last_failed: AtomicU64,
    /// The statuses of failures; 0 for none at all.
    statuses: Mutex<BTreeSet<u16>>,
}

impl Progress {
    fn micros(&self, at: Instant) -> u64 {
        u64::try_from(at.duration_since(self.began).as_micros()).unwrap()
    }

    fn is_over(&self) -> bool {
        self.is_over.load(Ordering::SeqCst)
    }

    fn acknowledged(&self, seat: usize) {
        self.acknowledged.fetch_add(1, Ordering::SeqCst);
        self.last[seat].store(self.micros(Instant::now()), Ordering::SeqCst);
    }

    fn failed(&self, status: u16) {
        self.failed.fetch_add(1, Ordering::SeqCst);
        self.last_failed.store(self.micros(Instant::now()), Ordering::SeqCst);
        self.statuses.lock().unwrap().insert(status);
    }
}

/// Shoppers at work, each on a thread.
pub struct Load {
    progress: Arc<Progress>,
    threads: Vec<JoinHandle<Shopper>>,
}

impl Load {
    /// Has customers with names that begin so shop at a service.
    pub fn begin(service: &Service<'_>, name: &str, shoppers: usize) -> Self {
        let progress = Arc::new(Progress {
            began: Instant::now(),
            is_over: AtomicBool::new(false),
            acknowledged: AtomicU64::new(0),
            last: std::iter::repeat_with(AtomicU64::default).take(shoppers).collect(),
            failed: AtomicU64::new(0),
            last_failed: AtomicU64::new(0),
            statuses: Mutex::default(),
        });
        let token = service.home.token("storefront");
        let threads = (0..shoppers).map(|seat| {
            let client = Client::new(&service.base, Some(token.clone()), Duration::from_secs(20));
            let (mut shopper, progress) =
                (Shopper::new(format!("{name}-{seat}")), progress.clone());
            std::thread::spawn(move || {
                shopper.shop(&client, &progress, seat);
                shopper
            })
        });
        let threads = threads.collect();
        Self { progress, threads }
    }

    /// Tells the shoppers that it is over: each brings what it has begun to an end.
    pub fn call_off(&self) {
        self.progress.is_over.store(true, Ordering::SeqCst);
    }

    /// The shoppers, when they have ended.
    pub fn end(self) -> Vec<Shopper> {
        self.call_off();
        self.threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    }

    /// How many writes were acknowledged so far.
    pub fn acknowledged(&self) -> u64 {
        self.progress.acknowledged.load(Ordering::SeqCst)
    }

    /// How many failed so far.
    pub fn failed(&self) -> u64 {
        self.progress.failed.load(Ordering::SeqCst)
    }

    /// The statuses of all failures; 0 where there was no answer.
    pub fn statuses(&self) -> Vec<u16> {
        self.progress.statuses.lock().unwrap().iter().copied().collect()
    }

    /// Whether every shopper was acknowledged something after an instant.
    pub fn has_moved_since(&self, at: Instant) -> bool {
        let at = self.progress.micros(at);
        self.progress.last.iter().all(|last| last.load(Ordering::SeqCst) > at)
    }

    /// Whether a write failed after an instant.
    pub fn has_failed_since(&self, at: Instant) -> bool {
        self.progress.last_failed.load(Ordering::SeqCst) > self.progress.micros(at)
    }
}
