//! The ledger of random histories, through HTTP: its balances are the sums of
//! its entries; what each order has earned is what is left of it earns at the
//! terms of its first entry, whatever came when and how often; and points toward
//! tiers come to what a plain model of the fold says.

use crate::support::*;
use accolade::api::auth::Role;
use chrono::{DateTime, Datelike, Duration, SecondsFormat, Utc};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

type Instant = DateTime<Utc>;

const ROUNDS: u64 = 6;
/// After the last fact of every history.
const PROBE: &str = "2023-12-31T23:59:59Z";

struct Dice(ChaCha8Rng);

impl Dice {
    fn below(&mut self, n: u64) -> i64 {
        (self.0.next_u64() % n).cast_signed()
    }

    fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }

    /// Takes one out, whichever.
    fn draw<T>(&mut self, from: &mut Vec<T>) -> T {
        let at = usize::try_from(self.below(from.len() as u64)).unwrap();
        from.swap_remove(at)
    }
}

/// What an order earns of credit: a share in ten thousandths, or pence.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Reward {
    Rate(i128),
    Amount(i128),
}

impl Reward {
    fn to_json(self) -> Value {
        match self {
            Self::Rate(share) => json!({"rate": decimal(share, 4)}),
            Self::Amount(pence) => json!({"amount": decimal(pence, 2)}),
        }
    }

    /// As an entry shows it.
    fn of(shown: &Value) -> Self {
        match (shown["rate"].as_str(), shown["amount"].as_str()) {
            (Some(share), None) => Self::Rate(scaled(share, 4)),
            (None, Some(amount)) => Self::Amount(scaled(amount, 2)),
            _ => panic!("not exactly one: {shown}"),
        }
    }

    /// The pence that are earned by what is left of an order, half up.
    fn credit(self, total: i128, net: i128) -> i128 {
        match self {
            Self::Rate(share) => (net * share * 2 + 10_000) / 20_000,
            Self::Amount(_) if total == 0 => 0,
            Self::Amount(pence) => (net * pence * 2 + total) / (total * 2),
        }
    }
}

/// A decimal text of so many units, without zeros at its end.
fn decimal(units: i128, decimals: usize) -> String {
    let digits = format!("{units:0width$}", width = decimals + 1);
    let (whole, fraction) = digits.split_at(digits.len() - decimals);
    match fraction.trim_end_matches('0') {
        "" => whole.to_owned(),
        fraction => format!("{whole}.{fraction}"),
    }
}

/// The units of a decimal text, which may be below zero.
fn scaled(text: &str, decimals: usize) -> i128 {
    let (sign, text) = text.strip_prefix('-').map_or((1, text), |rest| (-1, rest));
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    sign * format!("{whole}{fraction:0<decimals$}").parse::<i128>().unwrap()
}

/// Money of GBP as it is written.
fn money(pence: i128) -> String {
    format!("{}.{:02}", pence / 100, pence % 100)
}

fn text(at: Instant) -> String {
    at.to_rfc3339_opts(SecondsFormat::Secs, true)
}

/// The program of a round: three tiers, what each rewards with, the points by
/// unit in millionths and by review, and how tiers are reached.
struct Terms {
    store: String,
    rewards: [Reward; 3],
    points: [i128; 3],
    review: [i128; 3],
    by_points: bool,
    resets: bool,
}

const CODES: [&str; 3] = ["bronze", "silver", "gold"];
/// In pounds, or in points.
const THRESHOLDS: [i128; 3] = [0, 250, 600];

impl Terms {
    /// The same for all tiers.
    fn even(round: u64) -> Self {
        let reward = if round.is_multiple_of(2) { Reward::Rate(250) } else { Reward::Amount(500) };
        Self {
            rewards: [reward; 3],
            points: [1_500_000; 3],
            review: [50; 3],
            ..Self::uneven(round)
        }
    }

    /// Other terms for each tier.
    fn uneven(round: u64) -> Self {
        let first = if round.is_multiple_of(3) { Reward::Amount(250) } else { Reward::Rate(100) };
        Self {
            store: format!("store{round}"),
            rewards: [first, Reward::Rate(275), Reward::Rate(400)],
            points: [1_000_000, 1_500_000, 2_250_000],
            review: [50, 75, 120],
            by_points: round.is_multiple_of(2),
            resets: round % 4 >= 2,
        }
    }

    fn is_even(&self) -> bool {
        self.points[0] == self.points[2]
    }

    fn set_up(&self, app: &App) {
        let admin = app.client_of(&self.store, Role::Administrator);
        let reset = if self.resets { "calendar_year" } else { "never" };
        let entry_method = if self.by_points { "points_earned" } else { "amount_spent" };
        let settings = json!({
            "currency": "GBP", "time_zone": "UTC", "start_date": "2020-01-01",
            "entry_method": entry_method, "progress_reset": {"kind": reset},
            "points_per_unit": decimal(self.points[0], 6),
        });
        admin.patch("/v1/program", &settings).expect(200);
        let tier = |place: usize| {
            json!({
                "code": CODES[place], "name": CODES[place], "rank": place + 1,
                "threshold": THRESHOLDS[place].to_string(), "reward": self.rewards[place].to_json(),
            })
        };
        let tiers = json!({"tiers": [tier(0), tier(1), tier(2)]});
        admin.put("/v1/tiers", &tiers).expect(200);
        let way = |earns: &str, values: [i128; 3], decimals: usize| {
            let values = values.map(|value| decimal(value, decimals));
            let by_tier = if self.is_even() {
                json!({})
            } else {
                json!({"silver": values[1], "gold": values[2]})
            };
            json!({"name": earns, "earns": earns, "points": values[0], "points_by_tier": by_tier})
        };
        let review = way("per_event", self.review, 0);
        admin.put("/v1/ways-to-earn/review", &review).expect(201);
        if !self.is_even() {
            let purchase = way("per_currency_unit", self.points, 6);
            admin.put("/v1/ways-to-earn/purchase", &purchase).expect(201);
        }
    }
}

/// One version of an order.
#[derive(Debug, Clone)]
struct Version {
    status: &'static str,
    total: i128,
    completed_at: Instant,
}

#[derive(Debug, Clone)]
struct Order {
    versions: Vec<Version>,
    /// What was given back, and when.
    refunds: Vec<(i128, Instant)>,
}

impl Order {
    fn last(&self) -> &Version {
        self.versions.last().unwrap()
    }

    /// What is left of it in the end, if it counts.
    fn net(&self) -> Option<i128> {
        let refunded: i128 = self.refunds.iter().map(|(amount, _)| amount).sum();
        (self.last().status == "completed").then(|| self.last().total - refunded)
    }
}

/// Points of their own, in several versions, or those of a review.
#[derive(Debug, Clone)]
struct Activity {
    points: Option<Vec<i128>>,
    at: Vec<Instant>,
}

#[derive(Debug, Clone)]
struct History {
    orders: Vec<Order>,
    activities: Vec<Activity>,
}

fn generate(dice: &mut Dice) -> History {
    let start: Instant = "2022-01-01T00:00:00Z".parse().unwrap();
    let end: Instant = "2023-12-31T18:00:00Z".parse().unwrap();
    // Few enough instants that some are the same.
    let any = |dice: &mut Dice| {
        start + Duration::days(dice.below(700)) + Duration::hours(dice.below(3) * 6)
    };
    let order = |dice: &mut Dice| {
        let at = any(dice);
        let versions: Vec<Version> = (0..=dice.below(3))
            .map(|_| Version {
                status: match dice.below(6) {
                    0 => "pending",
                    1 => "cancelled",
                    _ => "completed",
                },
                total: if dice.one_in(12) { 0 } else { i128::from(dice.below(40_000)) + 1 },
                completed_at: if dice.one_in(4) { any(dice) } else { at },
            })
            .collect();
        let mut left = versions.iter().map(|version| version.total).min().unwrap();
        let mut refunds = Vec::new();
        for _ in 0..dice.below(4) {
            let amount = if dice.one_in(3) { left } else { left / i128::from(dice.below(4) + 2) };
            let at = at + Duration::days(dice.below(120) - 20) + Duration::hours(dice.below(3));
            refunds.push((amount, at.max(start).min(end)));
            left -= amount;
        }
        Order { versions, refunds }
    };
    let orders = (0..9).map(|_| order(dice)).collect();
    let mut activity = |number: u64| {
        let count = 1 + dice.below(2);
        let is_review = number.is_multiple_of(2);
        Activity {
            points: (!is_review)
                .then(|| (0..count).map(|_| i128::from(dice.below(200)) + 1).collect()),
            at: (0..count).map(|_| any(dice)).collect(),
        }
    };
    let activities = (0..6).map(&mut activity).collect();
    History { orders, activities }
}

/// One thing that is told: its place in the API, and what is said of it.
#[derive(Debug, Clone)]
struct Told {
    kind: &'static str,
    id: String,
    body: Value,
}

impl Told {
    fn path(&self) -> String {
        let list = match self.kind {
            "order" => "orders",
            "refund" => "refunds",
            _ => "activities",
        };
        format!("/v1/{list}/{}", self.id)
    }

    /// The same as a line of a batch.
    fn line(&self) -> Value {
        let mut body = self.body.clone();
        body[format!("{}_id", self.kind)] = json!(self.id);
        json!({self.kind: body})
    }
}

/// All that there is to tell of a history; of what was corrected every version,
/// each with its time, or the last one alone.
fn telling(history: &History, customer: &str, is_last_alone: bool) -> Vec<Told> {
    let written: Instant = "2024-01-02T00:00:00Z".parse().unwrap();
    let skipped = |count: usize| if is_last_alone { count - 1 } else { 0 };
    let version_at = |number: usize| text(written + Duration::minutes(number as i64));
    let mut told = Vec::new();
    for (i, order) in history.orders.iter().enumerate() {
        for (number, version) in
            order.versions.iter().enumerate().skip(skipped(order.versions.len()))
        {
            let at = text(version.completed_at);
            let mut body = json!({
                "customer_id": customer, "status": version.status, "total": money(version.total),
                "currency": "GBP", "placed_at": at, "updated_at": version_at(number),
            });
            if version.status == "completed" {
                body["completed_at"] = json!(at);
            }
            told.push(Told { kind: "order", id: format!("{customer}-o{i}"), body });
        }
        for (k, (amount, at)) in order.refunds.iter().enumerate() {
            told.push(Told {
                kind: "refund",
                id: format!("{customer}-o{i}-r{k}"),
                body: json!({
                    "order_id": format!("{customer}-o{i}"), "amount": money(*amount),
                    "refunded_at": text(*at),
                }),
            });
        }
    }
    for (i, activity) in history.activities.iter().enumerate() {
        for (number, at) in activity.at.iter().enumerate().skip(skipped(activity.at.len())) {
            let mut body = json!({
                "customer_id": customer, "kind": "points", "occurred_at": text(*at),
                "updated_at": version_at(number),
            });
            match &activity.points {
                Some(points) => body["points"] = json!(i64::try_from(points[number]).unwrap()),
                None => body["way_to_earn"] = json!("review"),
            }
            told.push(Told { kind: "activity", id: format!("{customer}-a{i}"), body });
        }
    }
    told
}

/// Credit in pence and points, below zero where something is owed.
fn signed(balances: &Value) -> (i128, i128) {
    let credit = |name: &str| scaled(balances[name].as_str().unwrap(), 2);
    let points = |name: &str| i128::from(balances[name].as_i64().unwrap());
    let (had, owed) = (credit("credit"), credit("credit_owed"));
    let (points_had, points_owed) = (points("points"), points("points_owed"));
    assert!(had.min(owed) == 0 && points_had.min(points_owed) == 0, "{balances}");
    (had - owed, points_had - points_owed)
}

/// A service's store and customer to tell a history of.
struct Listener<'a> {
    app: &'a App,
    terms: &'a Terms,
    customer: String,
    /// The balances as the last answer has them.
    balance: (i128, i128),
    /// What was redeemed.
    redeemed: i128,
}

impl<'a> Listener<'a> {
    fn new(app: &'a App, terms: &'a Terms, customer: &str) -> Self {
        let listener =
            Self { app, terms, customer: customer.to_owned(), balance: (0, 0), redeemed: 0 };
        let body = json!({"joined_at": "2021-06-01T00:00:00Z"});
        listener.storefront().put(&format!("/v1/customers/{customer}"), &body).expect(201);
        listener
    }

    fn storefront(&self) -> Client<'_> {
        self.app.client_of(&self.terms.store, Role::Storefront)
    }

    /// The ledger, oldest first, and the balances.
    fn ledger(&self) -> (Vec<Value>, Value) {
        let path = format!("/v1/customers/{}/credits?limit=7", self.customer);
        let (mut entries, mut cursor) = (Vec::new(), String::new());
        loop {
            let page = self.storefront().get(&format!("{path}{cursor}")).expect(200).body;
            entries.extend(page["entries"].as_array().unwrap().iter().cloned());
            match page["next_cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => {
                    entries.reverse();
                    return (entries, page["balances"].clone());
                }
            }
        }
    }

    /// Tells of one thing; whether it was taken in.
    fn tell(&mut self, told: &Told) -> bool {
        let answer = self.storefront().put(&told.path(), &told.body);
        if answer.status == 409 {
            answer.expect_problem(409, "unknown_order");
            return false;
        }
        assert!(matches!(answer.status, 200 | 201), "{}", answer.text);
        let earned = &answer.body["earned"];
        let change = (
            scaled(earned["credit"].as_str().unwrap(), 2),
            i128::from(earned["points"].as_i64().unwrap()),
        );
        let now = signed(&answer.body["balances"]);
        let expected = (self.balance.0 + change.0, self.balance.1 + change.1);
        assert_eq!(now, expected, "{told:?}: {}", answer.text);
        self.balance = now;
        true
    }

    /// Tells of several things in one batch; what was not taken in.
    fn tell_all(&mut self, told: Vec<Told>) -> Vec<Told> {
        let lines: Vec<Value> = told.iter().map(Told::line).collect();
        let answer = self.storefront().post_lines("/v1/facts", &lines).expect(200).body;
        let results = answer["results"].as_array().unwrap();
        assert_eq!(results.len(), told.len(), "{answer}");
        let path = format!("/v1/customers/{}/credits?limit=1", self.customer);
        self.balance = signed(&self.storefront().get(&path).expect(200).body["balances"]);
        let is_refused = |result: &Value| {
            let problem = &result["problem"]["code"];
            assert!(problem.is_null() || problem == "unknown_order", "{result}");
            !problem.is_null()
        };
        let refused = told.into_iter().zip(results).filter(|(_, result)| is_refused(result));
        refused.map(|(told, _)| told).collect()
    }

    /// Tells of a history in a random order, some of it twice, one by one and in
    /// batches; now and then the customer spends some credit.
    fn tell_anyhow(&mut self, dice: &mut Dice, history: &History, may_redeem: bool) {
        let mut waiting = telling(history, &self.customer, false);
        let again: Vec<Told> = waiting.iter().filter(|_| dice.one_in(3)).cloned().collect();
        waiting.extend(again);
        while !waiting.is_empty() {
            if dice.one_in(4) {
                let count = waiting.len().min(2 + usize::try_from(dice.below(4)).unwrap());
                let batch = (0..count).map(|_| dice.draw(&mut waiting)).collect();
                waiting.extend(self.tell_all(batch));
            } else {
                let told = dice.draw(&mut waiting);
                if !self.tell(&told) {
                    waiting.push(told);
                }
            }
            if may_redeem && self.balance.0 > 0 && dice.one_in(8) {
                let credit = if dice.one_in(2) { self.balance.0 } else { (self.balance.0 + 1) / 2 };
                let body = json!({"kind": "redeemed", "credit": money(credit)});
                let path = format!("/v1/customers/{}/credits", self.customer);
                let answer = self.storefront().post(&path, &body).expect(201).body;
                self.balance.0 -= credit;
                self.redeemed += credit;
                assert_eq!(signed(&answer["balances"]), self.balance, "{answer}");
            }
        }
    }
}

/// The entries of each order or activity.
fn grouped<'a>(entries: &'a [Value], field: &str) -> BTreeMap<String, Vec<&'a Value>> {
    let mut groups: BTreeMap<String, Vec<&Value>> = BTreeMap::new();
    for entry in entries {
        if let Some(id) = entry[field].as_str() {
            groups.entry(id.to_owned()).or_default().push(entry);
        }
    }
    groups
}

fn moved(entry: &Value) -> (i128, i128) {
    let points = i128::from(entry["points"].as_i64().unwrap());
    (scaled(entry["credit"].as_str().unwrap(), 2), points)
}

fn sum<'a>(entries: impl IntoIterator<Item = &'a Value>) -> (i128, i128) {
    let add = |sum: (i128, i128), (credit, points)| (sum.0 + credit, sum.1 + points);
    entries.into_iter().map(moved).fold((0, 0), add)
}

/// The place of the tier that an entry names.
fn place(entry: &Value) -> usize {
    let found = CODES.iter().position(|code| entry["tier"] == *code);
    found.unwrap_or_else(|| panic!("no tier, where there is an entry tier: {entry}"))
}

/// Insists on a ledger that adds up, by its own entries and by what is left of
/// each fact; the entries.
fn check_ledger(listener: &Listener<'_>, history: &History, about: &str) -> Vec<Value> {
    let (entries, balances) = listener.ledger();
    let mut running = (0, 0);
    for (number, entry) in (1..).zip(&entries) {
        let change = moved(entry);
        running = (running.0 + change.0, running.1 + change.1);
        let shown = (
            scaled(entry["credit_balance"].as_str().unwrap(), 2),
            i128::from(entry["points_balance"].as_i64().unwrap()),
        );
        assert_eq!((&entry["number"], shown), (&json!(number), running), "{about}: {entry}");
        assert_ne!(change, (0, 0), "{about}: {entry}");
        let signs = [change.0.signum(), change.1.signum()];
        match entry["kind"].as_str().unwrap() {
            "earned" => assert!(!signs.contains(&-1), "{about}: {entry}"),
            "reversed" => assert!(!signs.contains(&1), "{about}: {entry}"),
            kind => assert_eq!((kind, signs), ("redeemed", [-1, 0]), "{about}: {entry}"),
        }
    }
    assert_eq!(signed(&balances), running, "{about}");
    assert_eq!(listener.balance, running, "{about}");
    let redeemed = entries.iter().filter(|entry| entry["kind"] == "redeemed");
    assert_eq!(sum(redeemed), (-listener.redeemed, 0), "{about}");

    let of_orders = grouped(&entries, "order_id");
    for (i, order) in history.orders.iter().enumerate() {
        let about = format!("{about}: order {i}: {order:?}");
        let net = order.net().unwrap_or(0);
        let Some(of_order) = of_orders.get(&format!("{}-o{i}", listener.customer)) else {
            // Every tier gives at least a point by pound.
            assert!(net < 100, "{about}: nothing was earned");
            continue;
        };
        check_order(listener.terms, order, of_order, &about);
    }
    let of_activities = grouped(&entries, "activity_id");
    for (i, activity) in history.activities.iter().enumerate() {
        let about = format!("{about}: activity {i}: {activity:?}");
        let of_activity = &of_activities[&format!("{}-a{i}", listener.customer)];
        let expected = match &activity.points {
            Some(points) => *points.last().unwrap(),
            None => {
                let worth = listener.terms.review[place(of_activity[0])];
                let shown = of_activity[0]["points_rate"].as_str().unwrap();
                assert_eq!(scaled(shown, 0), worth, "{about}: {}", of_activity[0]);
                worth
            }
        };
        assert_eq!(sum(of_activity.iter().copied()), (0, expected), "{about}");
    }
    let facts = of_orders.values().chain(of_activities.values()).map(Vec::len).sum::<usize>();
    let others = entries.iter().filter(|entry| entry["kind"] == "redeemed").count();
    assert_eq!(facts + others, entries.len(), "{about}: an entry of nothing");
    entries
}

/// Insists that an order has earned what is left of it earns at the terms of
/// its first entry, and that those are its tier's.
fn check_order(terms: &Terms, order: &Order, entries: &[&Value], about: &str) {
    let first = entries[0];
    assert_eq!(first["kind"], "earned", "{about}: {first}");
    for entry in entries {
        for term in ["tier", "reward", "points_rate"] {
            assert_eq!(entry[term], first[term], "{about}: {entry}");
        }
    }
    let (reward, rate) =
        (Reward::of(&first["reward"]), scaled(first["points_rate"].as_str().unwrap(), 6));
    let tier = place(first);
    assert_eq!((reward, rate), (terms.rewards[tier], terms.points[tier]), "{about}: {first}");
    let net = order.net().unwrap_or(0);
    let expected = (reward.credit(order.last().total, net), net * rate / 100_000_000);
    assert_eq!(sum(entries.iter().copied()), expected, "{about}: {entries:#?}");
}

/// What a plain model of the fold comes to.
#[derive(Debug, Default)]
struct Model {
    /// Money and points of the open period.
    progress: (i128, i128),
    lifetime: (i128, i128),
    /// The place of the tier held before each order and activity.
    held: BTreeMap<String, usize>,
}

/// Tells the last versions of all facts in the order of instants: orders before
/// refunds before activities. Tiers only rise; a year that ends takes the
/// progress with it, where the program says so.
fn model(terms: &Terms, history: &History, customer: &str) -> Model {
    enum Deed {
        /// What is left of the order at its completion.
        Order {
            net: i128,
        },
        Refund {
            order: String,
            completed_at: Instant,
            amount: i128,
        },
        Activity {
            points: Option<i128>,
        },
    }
    let mut facts = Vec::new();
    for (i, order) in history.orders.iter().enumerate() {
        if order.net().is_none() {
            continue;
        }
        let (id, completed_at) = (format!("{customer}-o{i}"), order.last().completed_at);
        let mut net = order.last().total;
        for (k, (amount, at)) in order.refunds.iter().enumerate() {
            if *at <= completed_at {
                net -= amount;
            } else {
                let deed = Deed::Refund { order: id.clone(), completed_at, amount: *amount };
                facts.push((*at, 1, format!("{id}-r{k}"), deed));
            }
        }
        facts.push((completed_at, 0, id, Deed::Order { net }));
    }
    for (i, activity) in history.activities.iter().enumerate() {
        let points = activity.points.as_ref().map(|points| *points.last().unwrap());
        let at = *activity.at.last().unwrap();
        facts.push((at, 2, format!("{customer}-a{i}"), Deed::Activity { points }));
    }
    facts.sort_by(|a, b| (a.0, a.1, &a.2).cmp(&(b.0, b.1, &b.2)));
    let mut model = Model::default();
    let (mut tier, mut year) = (0, 0);
    let mut left: BTreeMap<String, (i128, i128)> = BTreeMap::new();
    let points_of = |net: i128, rate: i128| net * rate / 100_000_000;
    let probe: Instant = PROBE.parse().unwrap();
    for (at, _, id, deed) in facts {
        if terms.resets && at.year() != year {
            model.progress = (0, 0);
        }
        year = at.year();
        let (change, counts) = match deed {
            Deed::Order { net } => {
                left.insert(id.clone(), (net, terms.points[tier]));
                model.held.insert(id, tier);
                ((net, points_of(net, terms.points[tier])), true)
            }
            Deed::Refund { order, completed_at, amount } => {
                let (net, rate) = left.get_mut(&order).unwrap();
                let before = points_of(*net, *rate);
                *net -= amount;
                let counts = !terms.resets || completed_at.year() == year;
                ((-amount, points_of(*net, *rate) - before), counts)
            }
            Deed::Activity { points } => {
                model.held.insert(id, tier);
                ((0, points.unwrap_or(terms.review[tier])), true)
            }
        };
        model.lifetime = (model.lifetime.0 + change.0, model.lifetime.1 + change.1);
        if counts {
            model.progress = (model.progress.0 + change.0, model.progress.1 + change.1);
            let (raised, reached) = if terms.by_points {
                (change.1, model.progress.1)
            } else {
                (change.0, model.progress.0 / 100)
            };
            if raised > 0 {
                let highest = THRESHOLDS.iter().rposition(|from| *from <= reached).unwrap();
                tier = tier.max(highest);
            }
        }
    }
    if terms.resets && year != probe.year() {
        model.progress = (0, 0);
    }
    model
}

/// Insists that the points and the money toward tiers are the model's.
fn check_progress(listener: &Listener<'_>, model: &Model, about: &str) {
    let path = format!("/v1/customers/{}/membership?at={PROBE}", listener.customer);
    let membership = listener.storefront().get(&path).expect(200).body;
    let shown = |part: &str| {
        let figures = &membership[part];
        (
            scaled(figures["amount_spent"].as_str().unwrap(), 2),
            i128::from(figures["points_earned"].as_i64().unwrap()),
        )
    };
    assert_eq!(shown("progress"), model.progress, "{about}: {membership}");
    assert_eq!(shown("lifetime"), model.lifetime, "{about}: {membership}");
}

/// Tells one history to three customers: to two of them anyhow, to the third in
/// one batch; whether more than one tier had a say in that.
fn round(app: &App, round: u64, terms: &Terms) -> bool {
    terms.set_up(app);
    let mut dice = Dice(ChaCha8Rng::seed_from_u64(round));
    let history = generate(&mut dice);
    let mut balances = Vec::new();
    let mut are_others = false;
    for customer in ["a", "b", "batch"] {
        let about = format!("round {round}, {customer}");
        let mut listener = Listener::new(app, terms, customer);
        let model = model(terms, &history, customer);
        if customer == "batch" {
            let mut waiting = telling(&history, customer, true);
            let shuffled = (0..waiting.len()).map(|_| dice.draw(&mut waiting)).collect();
            assert!(listener.tell_all(shuffled).is_empty(), "{about}");
        } else {
            listener.tell_anyhow(&mut dice, &history, !terms.is_even());
        }
        let entries = check_ledger(&listener, &history, &about);
        check_progress(&listener, &model, &about);
        balances.push((listener.balance.0 + listener.redeemed, listener.balance.1));
        if customer == "batch" {
            are_others = check_batch(&entries, &model, &about);
        }

        // All of it once more changes nothing.
        for told in telling(&history, customer, customer == "batch") {
            assert!(listener.tell(&told), "{about}: {told:?}");
        }
        assert_eq!(listener.ledger().0, entries, "{about}");
    }
    if terms.is_even() {
        let earned = what_is_left_earns(terms, &history);
        assert_eq!(balances, [earned; 3], "round {round}");
    }
    are_others
}

/// Insists that what came in one batch was booked in the order of instants, and
/// earned by the tier that the model held before it; whether more than one tier
/// did.
fn check_batch(entries: &[Value], model: &Model, about: &str) -> bool {
    let at = |entry: &Value| entry["occurred_at"].as_str().unwrap().parse::<Instant>().unwrap();
    assert!(entries.is_sorted_by_key(at), "{about}: {entries:#?}");
    let mut places = BTreeSet::new();
    for field in ["order_id", "activity_id"] {
        for (id, entries) in grouped(entries, field) {
            // What is explicit says no terms, but the tier all the same.
            assert_eq!(place(entries[0]), model.held[&id], "{about}: {id}");
            places.insert(model.held[&id]);
        }
    }
    places.len() > 1
}

/// What all that is left of a history earns where the tiers don't differ.
fn what_is_left_earns(terms: &Terms, history: &History) -> (i128, i128) {
    let (reward, rate) = (terms.rewards[0], terms.points[0]);
    let mut earned = (0, 0);
    for order in &history.orders {
        let net = order.net().unwrap_or(0);
        earned.0 += reward.credit(order.last().total, net);
        earned.1 += net * rate / 100_000_000;
    }
    for activity in &history.activities {
        let points = activity.points.as_ref().map(|points| *points.last().unwrap());
        earned.1 += points.unwrap_or(terms.review[0]);
    }
    earned
}

on_both! {
    fn where_tiers_earn_alike_every_arrival_comes_to_the_same_balances(app) {
        for number in 0..ROUNDS {
            round(app, number, &Terms::even(number));
        }
    }

    fn where_tiers_earn_differently_each_fact_keeps_the_terms_that_it_was_first_seen_at(app) {
        let leaves = |number: &u64| round(app, *number, &Terms::uneven(*number));
        let count = (0..ROUNDS).filter(leaves).count();
        assert!(count > 2, "only {count} histories leave the first tier, which says little");
    }
}
