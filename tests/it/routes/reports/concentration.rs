//! How much of all that is spent comes from those who spend most.

use super::*;
use crate::real_year::{lines, pence};
use std::collections::BTreeMap;
use std::path::Path;

const COLUMNS: &str = "top_percent customers spend percent_of_spend threshold at_or_above";

/// The customers, what all of them spent, and the shares, which are the same as CSV.
#[track_caller]
fn concentration(app: &App, query: &str) -> (Value, Value, Vec<Value>) {
    let path = and("spend-concentration", query);
    let body = report(app, &path);
    let shares = body["shares"].as_array().unwrap().clone();
    assert_csv(app, &path, COLUMNS, &shares);
    (body["customers"].clone(), body["total_spend"].clone(), shares)
}

/// What shares are to say, each in the order of the columns; a dash is null.
fn shares(lines: [&str; 3]) -> Vec<Value> {
    let share = |line: &str| {
        let cells: Vec<&str> = line.split(' ').collect();
        let number = |place: usize| cells[place].parse::<u32>().unwrap();
        let text = |place: usize| Some(cells[place]).filter(|cell| *cell != "-");
        json!({
            "top_percent": number(0), "customers": number(1), "spend": text(2),
            "percent_of_spend": text(3), "threshold": text(4), "at_or_above": number(5),
        })
    };
    lines.map(share).to_vec()
}

/// What each customer of the files spent by orders completed in a stretch, by
/// a plain sum; the most first.
fn sums(orders: &Path, refunds: &Path, from: &str, to: &str) -> Vec<i64> {
    let mut customer_of = BTreeMap::new();
    let mut sums: BTreeMap<String, i64> = BTreeMap::new();
    for row in lines(orders) {
        let sum = sums.entry(row[1].clone()).or_default();
        if (from..to).contains(&row[2].as_str()) {
            *sum += pence(&row[3]);
            customer_of.insert(row[0].clone(), row[1].clone());
        }
    }
    for row in lines(refunds) {
        if let Some(customer) = customer_of.get(&row[1]) {
            *sums.get_mut(customer).unwrap() -= pence(&row[3]);
        }
    }
    let mut sums: Vec<i64> = sums.into_values().collect();
    sums.sort_unstable_by(|a, b| b.cmp(a));
    sums
}

/// Hundredths as a decimal.
fn decimal(hundredths: i64) -> String {
    format!("{}.{:02}", hundredths / 100, hundredths % 100)
}

/// What the report is to say of customers who spent so much each, the most first.
fn expected(spent: &[i64]) -> (Value, Value, Vec<Value>) {
    let total: i64 = spent.iter().sum();
    let share = |percent: usize| {
        let count = (spent.len() * percent / 100).max(1);
        let (top, threshold) = (spent[..count].iter().sum::<i64>(), spent[count - 1]);
        json!({
            "top_percent": percent, "customers": count, "spend": decimal(top),
            "percent_of_spend": decimal((top * 20_000 + total) / (total * 2)),
            "threshold": decimal(threshold),
            "at_or_above": spent.iter().filter(|sum| **sum >= threshold).count(),
        })
    };
    (json!(spent.len()), json!(decimal(total)), [5, 10, 20].map(share).to_vec())
}

on_both! {
    fn the_top_of_the_customers_is_told_with_what_makes_it(app) {
        app.set_up(json!({}));
        app.order("o1", "c01", "2024-03-01T12:00:00Z", "1100.00").expect(201);
        app.refund("r1", "o1", "2024-06-15T12:00:00Z", "100.00").expect(201);
        let (june, july) = (NOON, "2024-07-01T00:00:00Z");
        for (id, at, total) in [
            ("c02", june, "400.00"),
            ("c03", june, "300.00"),
            ("c04", june, "200.00"),
            ("c05", june, "200.00"),
            ("gone", june, "5000.00"),
        ] {
            app.order(id, id, at, total).expect(201);
        }
        app.order("more", "c02", july, "100.00").expect(201);
        for number in 6..=18 {
            let id = format!("c{number:02}");
            app.order(&id, &id, june, "10.00").expect(201);
        }
        // Two customers have spent nothing.
        customer(app, "c19", json!({}));
        let pending = json!({
            "customer_id": "c20", "status": "pending", "total": "9000.00", "currency": "GBP",
            "placed_at": NOON,
        });
        app.storefront().put("/v1/orders/pending", &pending).expect(201);
        erase(app, "gone");
        let (customers, total, found) = concentration(app, "");
        assert_eq!((customers, total), (json!(20), json!("2330.00")));
        // c04 and c05 spent the same, so that five spent what makes the fourth.
        assert_eq!(found, shares([
            "5 1 1000.00 42.92 1000.00 1",
            "10 2 1500.00 64.38 500.00 2",
            "20 4 2000.00 85.84 200.00 5",
        ]));
        let body = report(app, "spend-concentration");
        for field in ["from", "to", "from_at", "to_at"] {
            assert_eq!(body[field], Value::Null, "lifetime spend has no {field}");
        }

        // In June, c01 spent nothing, and was a customer all the same.
        let (customers, total, found) = concentration(app, "from=2024-06-01&to=2024-07-01");
        assert_eq!((customers, total), (json!(20), json!("1230.00")));
        assert_eq!(found, shares([
            "5 1 400.00 32.52 400.00 1",
            "10 2 700.00 56.91 300.00 2",
            "20 4 1100.00 89.43 200.00 4",
        ]));

        // 19 customers: 0.95, 1.9 and 3.8 of them.
        erase(app, "c20");
        let (customers, total, found) = concentration(app, "");
        assert_eq!((customers, total), (json!(19), json!("2330.00")));
        assert_eq!(found, shares([
            "5 1 1000.00 42.92 1000.00 1",
            "10 1 1000.00 42.92 1000.00 1",
            "20 3 1800.00 77.25 300.00 3",
        ]));
    }

    fn where_nobody_spent_there_is_no_share(app) {
        app.set_up(json!({}));
        let (customers, total, found) = concentration(app, "");
        assert_eq!((customers, total), (json!(0), json!("0.00")));
        assert_eq!(found, shares(["5 0 0.00 - - 0", "10 0 0.00 - - 0", "20 0 0.00 - - 0"]));
        for id in ["c1", "c2", "c3"] {
            customer(app, id, json!({}));
        }
        let (customers, total, found) = concentration(app, "");
        assert_eq!((customers, total), (json!(3), json!("0.00")));
        assert_eq!(found, shares(["5 1 0.00 - 0.00 3", "10 1 0.00 - 0.00 3", "20 1 0.00 - 0.00 3"]));
    }

    fn the_days_of_a_span_begin_and_end_at_local_midnight(app) {
        app.set_up(json!({"time_zone": "Europe/London"}));
        for (id, at, total) in [
            ("c1", "2024-03-31T22:59:59Z", "1.00"),
            ("c2", "2024-03-31T23:00:00Z", "2.00"),
            ("c3", "2024-10-31T23:59:59Z", "4.00"),
            ("c4", "2024-11-01T00:00:00Z", "8.00"),
        ] {
            app.order(id, id, at, total).expect(201);
        }
        for (span, total, top) in [
            ("from=2024-04-01&to=2024-11-01", "6.00", "4.00"),
            ("from=2024-03-31&to=2024-11-01", "7.00", "4.00"),
            ("from=2024-04-01&to=2024-11-02", "14.00", "8.00"),
            ("to=2024-04-01", "1.00", "1.00"),
            ("from=2024-11-01", "8.00", "8.00"),
        ] {
            let (_, found, shares) = concentration(app, span);
            assert_eq!((found, &shares[0]["spend"]), (json!(total), &json!(top)), "{span}");
        }
    }
}

/// Insists that the concentration of a store with the real year is what plain
/// sums over its files say.
pub fn check_real_year(app: &App, orders: &Path, refunds: &Path) {
    let all = sums(orders, refunds, "", "9");
    assert_eq!(all.len(), 4_312);
    assert_eq!(concentration(app, ""), expected(&all));
    // Summer time: the days begin at 23:00 of the day before.
    let summer = sums(orders, refunds, "2010-05-31T23:00:00Z", "2010-08-31T23:00:00Z");
    assert_eq!(concentration(app, "from=2010-06-01&to=2010-09-01"), expected(&summer));
    assert_ne!(all, summer);
}
