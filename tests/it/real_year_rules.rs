//! Rules over a real year of orders and refunds, where it lies beside the
//! project: as many VIPs of each tier as a plain sum over the files says.

use crate::real_year::{data, import_into, lines, pence, sums};
use crate::routes::reports::concentration::check_real_year;
use crate::support::*;
use accolade::api::auth::Role;
use accolade::import::Files;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// The tiers, and what makes a VIP of each, in pounds and in pence.
const TIERS: [(&str, &str, i64); 3] = [
    ("gold", "1000.00", 100_000),
    ("platinum", "2500.00", 250_000),
    ("diamond", "5000.00", 500_000),
];

/// The tier of who spent so much.
fn tier_for(spent: i64) -> Option<&'static str> {
    TIERS.iter().rev().find(|(_, _, from)| spent >= *from).map(|(code, _, _)| *code)
}

/// The place of a tier in the ladder; none is below the first.
fn rank(code: Option<&str>) -> usize {
    let place = TIERS.iter().position(|(tier, _, _)| Some(*tier) == code);
    place.map_or(0, |place| place + 1)
}

/// The most that each customer had ever spent by then, by a plain sum over the
/// files in the order of time.
fn peaks(orders: &Path, refunds: &Path) -> BTreeMap<String, i64> {
    let mut customer_of = BTreeMap::new();
    let mut facts: Vec<(String, u8, String, i64)> = Vec::new();
    for row in lines(orders) {
        facts.push((row[2].clone(), 0, row[1].clone(), pence(&row[3])));
        customer_of.insert(row[0].clone(), row[1].clone());
    }
    for row in lines(refunds) {
        facts.push((row[2].clone(), 1, customer_of[&row[1]].clone(), -pence(&row[3])));
    }
    facts.sort();
    let (mut spent, mut peaks) = (BTreeMap::new(), BTreeMap::new());
    for (_, _, customer, amount) in facts {
        let sum: &mut i64 = spent.entry(customer.clone()).or_default();
        *sum += amount;
        let peak: &mut i64 = peaks.entry(customer).or_default();
        *peak = (*peak).max(*sum);
    }
    peaks
}

/// Sets the store up with tiers that nobody reaches but by rules.
fn set_up(app: &App) {
    app.set_up(json!({"time_zone": "Europe/London", "start_date": "2009-12-01"}));
    let tiers: Vec<Value> = TIERS
        .iter()
        .map(|(code, _, _)| {
            json!({"code": code, "name": code, "rank": rank(Some(code)), "icon": code})
        })
        .collect();
    app.admin().put("/v1/tiers", &json!({"tiers": tiers})).expect(200);
}

/// Puts a rule for each tier, by what was spent and by nothing else.
fn put_rules(app: &App) {
    for (code, from, _) in TIERS {
        let rule = json!({
            "name": code, "profile": "big_spender", "grants": {"tier": code},
            "conditions": [{"metric": "lifetime_spend", "at_least": from}],
        });
        app.client(Role::PlatformAdmin).put(&format!("/v1/rules/{code}"), &rule).expect(201);
    }
}

/// All rows of a list.
fn rows(app: &App, path: &str, list: &str) -> Vec<Value> {
    let manager = app.manager();
    let (mut found, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = manager.get(&format!("{path}&limit=200{cursor}")).expect(200).body;
        found.extend(page[list].as_array().unwrap().iter().cloned());
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return found,
        }
    }
}

/// The VIPs, each with the tier.
fn vips(app: &App) -> BTreeMap<String, String> {
    let row = |row: &Value| {
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        (text(&row["customer_id"]), text(&row["tier"]["code"]))
    };
    rows(app, "/v1/designations?state=active", "designations").iter().map(row).collect()
}

/// How many are of each tier.
fn counts<'a>(tiers: impl Iterator<Item = &'a str>) -> [usize; 3] {
    let mut counts = [0; 3];
    for tier in tiers {
        counts[rank(Some(tier)) - 1] += 1;
    }
    counts
}

/// Who is a VIP of which tier by a plain sum over the files.
fn expected(orders: &Path, refunds: &Path) -> BTreeMap<String, String> {
    let tier = |(id, spent): (String, i64)| Some((id, tier_for(spent)?.to_owned()));
    let expected: BTreeMap<String, String> =
        sums(orders, refunds).into_iter().filter_map(tier).collect();
    let counts = counts(expected.values().map(String::as_str));
    assert!(counts.iter().all(|count| *count > 100), "{counts:?}");
    expected
}

fn import_year(app: &App, (orders, refunds): (PathBuf, PathBuf)) {
    let files = Files { orders: Some(orders), refunds: Some(refunds), customers: None };
    assert_eq!(import_into(app, &files).refused, []);
}

/// Waits until something is so: a pass over everyone takes its time.
#[track_caller]
fn eventually(what: &str, is_so: impl Fn() -> bool) {
    let started = Instant::now();
    while !is_so() {
        assert!(started.elapsed() < Duration::from_secs(180), "{what} does not come");
        std::thread::sleep(Duration::from_millis(500));
    }
}

/// The year's files; without them there is nothing to test.
fn year() -> Option<(PathBuf, PathBuf)> {
    let found = data();
    if found.is_none() {
        eprintln!("skipped: ../shared/data is not there");
    }
    found
}

on_both! {
    fn rules_after_the_year_make_the_vips_of_a_plain_sum(app) {
        let Some((orders, refunds)) = year() else { return };
        let expected = expected(&orders, &refunds);
        set_up(app);
        import_year(app, (orders.clone(), refunds.clone()));
        check_real_year(app, &orders, &refunds);
        assert_eq!(vips(app), BTreeMap::new());
        put_rules(app);
        eventually("the end of the pass", || {
            let body = app.client(Role::PlatformAdmin).get("/v1/rules").expect(200).body;
            body["rules"].as_array().unwrap().iter().all(|rule| rule["evaluating"] == false)
        });
        let vips = vips(app);
        let count = |of: &BTreeMap<String, String>| counts(of.values().map(String::as_str));
        assert_eq!(count(&vips), count(&expected));
        assert_eq!(vips, expected);
    }

    /// Automation never takes a tier back: who had spent enough before money was
    /// given back stays a VIP. Who qualifies is the same all the same, and the
    /// report of those above what they qualify for names the difference.
    fn rules_before_the_year_qualify_the_same_and_take_nothing_back(app) {
        let Some((orders, refunds)) = year() else { return };
        let expected = expected(&orders, &refunds);
        let peaks = peaks(&orders, &refunds);
        set_up(app);
        put_rules(app);
        import_year(app, (orders, refunds));
        let of = |tiers: &BTreeMap<String, String>, id: &str| {
            rank(tiers.get(id).map(String::as_str))
        };
        eventually("everyone's tier", || {
            let vips = vips(app);
            expected.iter().all(|(id, tier)| of(&vips, id) >= rank(Some(tier)))
        });
        let vips = vips(app);
        for (id, tier) in &vips {
            assert!(rank(Some(tier)) <= rank(tier_for(peaks[id])), "{id} never spent enough");
        }

        let fit = |fit: &str| rows(app, &format!("/v1/reports/tier-fit?fit={fit}"), "customers");
        assert_eq!(fit("below"), Vec::<Value>::new());
        let mut qualifying = vips.clone();
        for row in fit("above") {
            let id = row["customer_id"].as_str().unwrap();
            assert_eq!(row["tier"], *vips[id], "{row}");
            match row["qualifies_for"].as_str() {
                Some(tier) => qualifying.insert(id.to_owned(), tier.to_owned()),
                None => qualifying.remove(id),
            };
        }
        let count = |of: &BTreeMap<String, String>| counts(of.values().map(String::as_str));
        assert_eq!(count(&qualifying), count(&expected));
        assert_eq!(qualifying, expected);
    }
}
