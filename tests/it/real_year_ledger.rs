//! The ledgers of a real year of orders and refunds, where it lies beside the
//! project: to the penny what a few lines over the files say.

use crate::real_year::{data, import_into, lines, pence};
use crate::support::*;
use accolade::api::document_json;
use accolade::import::Files;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// The tiers: code, threshold in pounds and in pence, reward, and the same in percent.
const TIERS: [(&str, &str, i64, &str, i64); 3] = [
    ("bronze", "0", 0, "0.01", 1),
    ("silver", "1000.00", 100_000, "0.02", 2),
    ("gold", "5000.00", 500_000, "0.03", 3),
];

/// The report of movements: all of the year, in the program's zone. The span's
/// end goes by the name that the document gives it.
fn movements_path() -> String {
    let path = "/v1/reports/credit-movements";
    let document = document_json();
    let parameters = document["paths"][path]["get"]["parameters"].as_array().unwrap();
    let is_until = parameters.iter().any(|parameter| parameter["name"] == "until");
    let end = if is_until { "until" } else { "to" };
    format!("{path}?from=2009-12-01&{end}=2011-01-01")
}

/// What one fact changed: the order, the refund if it is one, when, the place of
/// the tier that it earned at, credit in pence, and points.
#[derive(Debug, Clone, PartialEq)]
struct Booked {
    order: String,
    refund: Option<String>,
    at: String,
    tier: usize,
    credit: i64,
    points: i64,
}

/// The year as a few lines over the files tell it.
#[derive(Default)]
struct Year {
    /// What was booked for each customer, in the order of the facts.
    booked: BTreeMap<String, Vec<Booked>>,
    /// The place of the tier that each customer has come to.
    tiers: BTreeMap<String, usize>,
    /// Who got money back at the very instant of an order: whether that is
    /// deducted before the order earns or reversed after it makes no difference
    /// to a balance, and one to the entries.
    at_once: BTreeSet<String>,
}

/// What is earned of a net total, half a penny rounded up.
fn credit(net: i64, tier: usize) -> i64 {
    (net * TIERS[tier].4 + 50) / 100
}

/// Tells the files in the order of instants. A refund dated at or before its
/// order's completion is deducted before the order counts; where `is_split`, it
/// is booked as an entry of its own all the same.
fn tell(orders: &Path, refunds: &Path, is_split: bool) -> Year {
    let mut owner: BTreeMap<String, (String, String)> = BTreeMap::new();
    let mut facts: Vec<(String, u8, String, String, i64)> = Vec::new();
    for row in lines(orders) {
        owner.insert(row[0].clone(), (row[1].clone(), row[2].clone()));
        facts.push((row[2].clone(), 0, row[0].clone(), row[0].clone(), pence(&row[3])));
    }
    let mut deducted: BTreeMap<String, i64> = BTreeMap::new();
    for row in lines(refunds) {
        if row[2] <= owner[&row[1]].1 {
            *deducted.entry(row[1].clone()).or_default() += pence(&row[3]);
        }
        facts.push((row[2].clone(), 1, row[0].clone(), row[1].clone(), pence(&row[3])));
    }
    facts.sort();
    let mut year = Year::default();
    let mut spent: BTreeMap<String, i64> = BTreeMap::new();
    let mut left: BTreeMap<String, (i64, usize)> = BTreeMap::new();
    for (at, kind, id, order, amount) in facts {
        let (customer, completed_at) = &owner[&order];
        let held = year.tiers.entry(customer.clone()).or_default();
        let sum = spent.entry(customer.clone()).or_default();
        let booked = year.booked.entry(customer.clone()).or_default();
        let (before, after, tier, refund) = if kind == 0 {
            let early = deducted.get(&order).copied().unwrap_or(0);
            let net = if is_split { amount } else { amount - early };
            let tier = *held;
            left.insert(order.clone(), (net, tier));
            *sum += amount - early;
            if amount > early {
                let reached = TIERS.iter().rposition(|tier| tier.2 <= *sum).unwrap();
                *held = reached.max(*held);
            }
            (0, net, tier, None)
        } else {
            let is_early = at <= *completed_at;
            if is_early {
                assert_eq!(at, *completed_at, "no refund is older than its order");
                year.at_once.insert(customer.clone());
                if !is_split {
                    continue;
                }
            } else {
                *sum -= amount;
            }
            let (net, tier) = left.get_mut(&order).unwrap();
            let before = *net;
            *net -= amount;
            (before, *net, *tier, Some(id))
        };
        let entry = Booked {
            credit: credit(after, tier) - credit(before, tier),
            points: after / 100 - before / 100,
            order,
            refund,
            at,
            tier,
        };
        if (entry.credit, entry.points) != (0, 0) {
            booked.push(entry);
        }
    }
    year
}

fn balance(booked: &[Booked]) -> (i64, i64) {
    (booked.iter().map(|b| b.credit).sum(), booked.iter().map(|b| b.points).sum())
}

fn money(pence: i64) -> String {
    let sign = if pence < 0 { "-" } else { "" };
    format!("{sign}{}.{:02}", pence.abs() / 100, pence.abs() % 100)
}

fn balances((credit, points): (i64, i64)) -> Value {
    json!({"credit": money(credit), "credit_owed": "0.00", "points": points, "points_owed": 0})
}

/// A customer's whole ledger, oldest first.
fn ledger(app: &App, customer: &str) -> (Vec<Value>, Value) {
    let path = format!("/v1/customers/{customer}/credits?limit=50");
    let (mut entries, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = app.storefront().get(&format!("{path}{cursor}")).expect(200).body;
        entries.extend(page["entries"].as_array().unwrap().iter().cloned());
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break entries.reverse(),
        }
    }
    let balances = app.support().get(&format!("/v1/customers/{customer}/badge"));
    (entries, balances.expect(200).body["balances"].clone())
}

/// An entry as it has to be.
fn entry(number: usize, booked: &Booked, (credit, points): (i64, i64)) -> Value {
    let (kind, cause) = match booked.refund {
        None => ("earned", "order_completed"),
        Some(_) => ("reversed", "order_refunded"),
    };
    let (code, _, _, rate, _) = TIERS[booked.tier];
    json!({
        "number": number, "kind": kind, "cause": cause,
        "credit": money(booked.credit), "points": booked.points,
        "credit_balance": money(credit), "points_balance": points,
        "tier": code, "reward": {"rate": rate, "amount": null}, "points_rate": "1",
        "order_id": booked.order, "refund_id": booked.refund, "activity_id": null,
        "occurred_at": booked.at, "operator": null, "note": null,
    })
}

/// The sums of what was earned and of what was reversed, in credit and points.
fn sums<'a>(booked: impl Iterator<Item = &'a Booked>) -> [i64; 4] {
    let mut sums = [0; 4];
    for booked in booked {
        let at = usize::from(booked.refund.is_some());
        sums[at] += booked.credit.abs();
        sums[2 + at] += booked.points.abs();
    }
    sums
}

/// The same as a row of the report has them.
fn sums_of(row: &Value) -> [i64; 4] {
    let credit = |name: &str| pence(row[name].as_str().unwrap());
    let points = |name: &str| row[name].as_i64().unwrap();
    [
        credit("credit_earned"),
        credit("credit_reversed"),
        points("points_earned"),
        points("points_reversed"),
    ]
}

/// Sets a store up that rewards by tier; before the year is imported.
pub fn set_up(app: &App) {
    app.set_up(json!({
        "time_zone": "Europe/London", "start_date": "2009-12-01", "points_per_unit": "1",
    }));
    let tier = |(rank, (code, threshold, _, rate, _)): (u32, &(&str, &str, i64, &str, i64))| {
        json!({
            "code": code, "name": code, "rank": rank, "threshold": threshold,
            "reward": {"rate": rate},
        })
    };
    let tiers: Vec<Value> = (1..).zip(&TIERS).map(tier).collect();
    app.admin().put("/v1/tiers", &json!({"tiers": tiers})).expect(200);
}

/// Insists that the year that was imported has earned what it has to.
pub fn check(app: &App, orders: &Path, refunds: &Path) {
    let year = tell(orders, refunds, false);
    assert_eq!((year.booked.len(), year.tiers.len()), (4_312, 4_312));
    for place in 0..TIERS.len() {
        let count = year.tiers.values().filter(|tier| **tier == place).count();
        assert!(count > 200, "too few of tier {place} to say anything");
    }
    check_balances(app, &year);
    check_ledgers(app, &year);
    check_credit_report(app, &year);
    check_movements(app, &year, &tell(orders, refunds, true));
}

fn check_balances(app: &App, year: &Year) {
    let support = app.support();
    let ids: Vec<&String> = year.booked.keys().collect();
    for ids in ids.chunks(500) {
        let answer = support.post("/v1/badges", &json!({"customer_ids": ids})).expect(200).body;
        assert_eq!(answer["unknown_ids"], json!([]));
        let badges = answer["badges"].as_array().unwrap();
        assert_eq!(badges.len(), ids.len());
        for (id, badge) in ids.iter().zip(badges) {
            assert_eq!(badge["customer_id"], **id);
            assert_eq!(badge["balances"], balances(balance(&year.booked[*id])), "{id}");
            assert_eq!(badge["tier"]["code"], TIERS[year.tiers[*id]].0, "{id}");
        }
    }
}

/// Entry by entry: those with the most entries, and some of each tier.
fn check_ledgers(app: &App, year: &Year) {
    let plain = |(id, _): &(&String, &Vec<Booked>)| !year.at_once.contains(*id);
    let mut by_length: Vec<_> = year.booked.iter().filter(plain).collect();
    by_length.sort_by_key(|(_, booked)| std::cmp::Reverse(booked.len()));
    let mut chosen: Vec<&String> = by_length.iter().take(6).map(|(id, _)| *id).collect();
    for place in 0..TIERS.len() {
        // Those of this tier with the most refunds.
        let mut of_tier: Vec<_> =
            by_length.iter().filter(|(id, _)| year.tiers[*id] == place).collect();
        of_tier.sort_by_key(|(_, booked)| {
            std::cmp::Reverse(booked.iter().filter(|b| b.refund.is_some()).count())
        });
        chosen.extend(of_tier.iter().take(4).map(|(id, _)| *id));
    }
    for id in chosen {
        let (entries, shown) = ledger(app, id);
        let booked = &year.booked[id];
        let mut sum = (0, 0);
        let expected: Vec<Value> = (1..)
            .zip(booked)
            .map(|(number, booked)| {
                sum = (sum.0 + booked.credit, sum.1 + booked.points);
                entry(number, booked, sum)
            })
            .collect();
        let without_clock = |entry: &Value| {
            let mut entry = entry.clone();
            assert!(entry.as_object_mut().unwrap().remove("recorded_at").unwrap().is_string());
            entry
        };
        let entries: Vec<Value> = entries.iter().map(without_clock).collect();
        assert_eq!(entries, expected, "{id}");
        assert_eq!(shown, balances(sum), "{id}");
    }
}

fn check_credit_report(app: &App, year: &Year) {
    let report = app.manager().get("/v1/reports/credit").expect(200).body;
    let figures = |is_of: &dyn Fn(&str) -> bool| {
        let of = year.booked.iter().filter(|(id, _)| is_of(id));
        let all: Vec<(i64, i64)> = of.map(|(_, booked)| balance(booked)).collect();
        assert!(all.iter().all(|(credit, points)| *credit >= 0 && *points >= 0));
        (
            json!(all.iter().filter(|balance| **balance != (0, 0)).count()),
            json!(money(all.iter().map(|(credit, _)| credit).sum())),
            json!(all.iter().map(|(_, points)| points).sum::<i64>()),
        )
    };
    let shown = |row: &Value| {
        assert_eq!((&row["credit_owed"], &row["points_owed"]), (&json!("0.00"), &json!(0)));
        let figure = |name: &str| row[name].clone();
        (figure("customers"), figure("credit_outstanding"), figure("points_outstanding"))
    };
    assert_eq!(report["currency"], "GBP");
    assert_eq!(shown(&report), figures(&|_| true));
    for (place, (code, ..)) in TIERS.iter().enumerate() {
        let mut rows = report["tiers"].as_array().unwrap().iter();
        let row = rows.find(|row| row["tier"] == *code).unwrap();
        assert_eq!(shown(row), figures(&|id| year.tiers[id] == place), "{code}");
    }
}

/// By month and tier; of a month in which money was given back at the instant
/// of an order, either reading.
fn check_movements(app: &App, year: &Year, split: &Year) {
    let report = app.manager().get(&movements_path()).expect(200).body;
    type Months = BTreeMap<(String, &'static str), Vec<Booked>>;
    let by_month = |year: &Year| {
        let mut months = Months::new();
        for booked in year.booked.values().flatten() {
            // Nothing happened within the hour by which summer time differs.
            let month = (booked.at[..7].to_owned(), TIERS[booked.tier].0);
            months.entry(month).or_default().push(booked.clone());
        }
        months
    };
    let (expected, other) = (by_month(year), by_month(split));
    let rows = report["months"].as_array().unwrap();
    let place = |row: &Value| {
        (row["month"].as_str().unwrap().to_owned(), row["tier"].as_str().unwrap().to_owned())
    };
    let places: BTreeSet<_> = rows.iter().map(place).collect();
    assert_eq!(places.len(), rows.len(), "each month and tier has one row");
    assert!(expected.keys().map(|(month, tier)| (month.clone(), (*tier).to_owned())).eq(places));
    let mut whole = [0; 4];
    for row in rows {
        let tier = TIERS.iter().find(|tier| row["tier"] == tier.0).unwrap().0;
        let key = (row["month"].as_str().unwrap().to_owned(), tier);
        let shown = sums_of(row);
        let accepted = [sums(expected[&key].iter()), sums(other[&key].iter())];
        assert!(accepted.contains(&shown), "{row}: {accepted:?}");
        for name in ["redeemed", "adjusted", "expired"] {
            assert_eq!(row[format!("credit_{name}")], "0.00", "{row}");
            assert_eq!(row[format!("points_{name}")], 0, "{row}");
        }
        whole = std::array::from_fn(|i| whole[i] + shown[i]);
    }
    let all = |year: &Year| sums(year.booked.values().flatten());
    assert!([all(year), all(split)].contains(&whole), "{whole:?}");
    // What a script in another language came to, of credit and of points.
    assert_eq!(whole[0] - whole[1], 16_429_573);
    assert_eq!(whole[2] - whole[3], 8_507_591);
}

on_both! {
    fn every_ledger_of_the_year_is_to_the_penny_what_a_plain_walk_over_the_files_says(app) {
        let Some((orders, refunds)) = data() else {
            eprintln!("skipped: ../shared/data is not there");
            return;
        };
        set_up(app);
        let files =
            Files { orders: Some(orders.clone()), refunds: Some(refunds.clone()), customers: None };
        assert_eq!(import_into(app, &files).refused, []);
        check(app, &orders, &refunds);
    }
}
