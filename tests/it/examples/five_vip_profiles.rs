//! Worked examples: five profiles of VIPs, and automatic qualification. The
//! example files hold the rules, and customers stand on each side of each of
//! their limits.

use crate::support::*;
use accolade::api::auth::Role;
use chrono::{DateTime, Duration, Months, NaiveDate, SecondsFormat, Timelike, Utc};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Gold, platinum and diamond by spend and tenure.
const TIERS: &str = include_str!("../../../examples/vip-tiers-by-spend-and-tenure.json");
/// The five profiles.
const PROFILES: &str = include_str!("../../../examples/five-profiles.json");

/// Spend, complete months, and whether there are really so many (or a day is
/// missing), with the tier that is due.
const TABLE: [(&str, u32, bool, Option<&str>); 17] = [
    ("999.99", 12, true, None),
    ("999.99", 36, true, None),
    // Eleven months and all but the last day of the twelfth.
    ("1000.00", 12, false, None),
    ("1000.00", 12, true, Some("gold")),
    ("1000.00", 36, true, Some("gold")),
    ("2499.99", 24, false, Some("gold")),
    ("2499.99", 24, true, Some("gold")),
    ("2500.00", 12, false, None),
    ("2500.00", 24, false, Some("gold")),
    ("2500.00", 24, true, Some("platinum")),
    ("4999.99", 36, false, Some("platinum")),
    ("4999.99", 36, true, Some("platinum")),
    ("5000.00", 12, false, None),
    ("5000.00", 12, true, Some("gold")),
    ("5000.00", 24, true, Some("platinum")),
    ("5000.00", 36, false, Some("platinum")),
    ("5000.00", 36, true, Some("diamond")),
];

const HOUR: i64 = 1;
const DAY: i64 = 24 * HOUR;
const NOTHING: [&str; 0] = [];

/// What an example file says.
fn read(file: &str) -> Value {
    serde_json::from_str(file).unwrap()
}

fn platform(app: &App) -> Client<'_> {
    app.client(Role::PlatformAdmin)
}

/// Sets a store up that has the tiers of an example file and no rule yet.
fn set_up(app: &App, file: &str) {
    app.set_up(json!({}));
    if let Some(tiers) = read(file).get("tiers") {
        platform(app).put("/v1/tiers", &json!({"tiers": tiers})).expect(200);
    }
}

/// Puts the rules of an example file, and waits until everyone is judged by them.
fn put_rules(app: &App, file: &str) {
    for (code, rule) in read(file)["rules"].as_object().unwrap() {
        platform(app).put(&format!("/v1/rules/{code}"), rule).expect(201);
    }
    everyone_is_judged(app);
}

/// Waits until no change of rules has to come to anybody any more.
fn everyone_is_judged(app: &App) {
    eventually("the end of the pass over all customers", || {
        let body = platform(app).get("/v1/rules").expect(200).body;
        body["rules"].as_array().unwrap().iter().all(|rule| rule["evaluating"] == false)
    });
}

/// Waits until something is so: what follows from a fact comes by itself.
#[track_caller]
fn eventually(what: &str, is_so: impl Fn() -> bool) {
    let started = std::time::Instant::now();
    while !is_so() {
        assert!(started.elapsed().as_secs() < 30, "{what} does not come");
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
}

/// The instant so many hours ago, as a request states it.
fn ago(hours: i64) -> String {
    text(Utc::now() - Duration::hours(hours))
}

fn text(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Micros, true)
}

/// Today in the stores' zone, and not two minutes before tomorrow: no test is
/// to see two days.
fn today() -> NaiveDate {
    while Utc::now().num_seconds_from_midnight() >= 86_400 - 120 {
        std::thread::sleep(std::time::Duration::from_secs(1));
    }
    Utc::now().date_naive()
}

/// When somebody joined who has so many complete months today, or who will
/// have them tomorrow: the last instant of the one day, the first of the next.
///
/// Counted back from a month's end, several days may come to the same.
fn joining(months: u32, is_complete: bool) -> String {
    let today = today();
    let mut complete = today - Months::new(months);
    let mut short = complete.succ_opt().unwrap();
    while short + Months::new(months) <= today {
        complete = short;
        short = short.succ_opt().unwrap();
    }
    if is_complete { format!("{complete}T23:59:59Z") } else { format!("{short}T00:00:00Z") }
}

/// Makes a customer known.
fn know(app: &App, customer: &str, body: &Value) {
    app.storefront().put(&format!("/v1/customers/{customer}"), body).expect(201);
}

fn change_customer(app: &App, customer: &str, body: &Value) {
    app.storefront().patch(&format!("/v1/customers/{customer}"), body).expect(200);
}

/// Sends a customer's completed orders: so many hours ago, and what each came to.
fn orders(app: &App, customer: &str, orders: &[(i64, &str)]) {
    for (number, (hours, total)) in orders.iter().enumerate() {
        app.order(&format!("{customer}-{number}"), customer, &ago(*hours), total).expect(201);
    }
}

/// Gives back some of a customer's order.
fn refund(app: &App, customer: &str, number: usize, amount: &str) {
    let order = format!("{customer}-{number}");
    app.refund(&format!("{order}-back"), &order, &ago(HOUR), amount).expect(201);
}

/// An order that is not completed.
fn order_of_status(app: &App, customer: &str, status: &str) {
    let body = json!({
        "customer_id": customer, "status": status, "total": "5000.00", "currency": "GBP",
        "placed_at": ago(HOUR),
    });
    app.storefront().put(&format!("/v1/orders/{customer}-{status}"), &body).expect(201);
}

/// Sends an activity, or corrects it.
fn activity(app: &App, id: &str, customer: &str, at: &str, fields: Value) {
    let mut body = json!({"customer_id": customer, "occurred_at": at});
    body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    let answer = app.support().put(&format!("/v1/activities/{id}"), &body);
    assert!(answer.status < 300, "{}", answer.text);
}

/// A customer complains, so many hours ago, and is helped so many minutes later.
fn complain(
    app: &App,
    (id, customer): (&str, &str),
    is_public: bool,
    hours: i64,
    helped_after: Option<i64>,
) {
    let at = Utc::now() - Duration::hours(hours);
    let resolved_at = helped_after.map(|minutes| text(at + Duration::minutes(minutes)));
    let fields = json!({
        "kind": "complaint", "channel": "social", "public": is_public, "resolved_at": resolved_at,
    });
    activity(app, id, customer, &text(at), fields);
}

fn qualification(app: &App, customer: &str) -> Value {
    let path = format!("/v1/customers/{customer}/qualification");
    app.support().get(&path).expect(200).body
}

/// What one rule comes to for a customer.
fn judged(app: &App, customer: &str, code: &str) -> Value {
    let body = qualification(app, customer);
    let rules = body["rules"].as_array().unwrap();
    rules.iter().find(|rule| rule["code"] == *code).unwrap().clone()
}

/// The rules that a customer meets, in the order of their codes.
fn met(app: &App, customer: &str) -> Vec<String> {
    let body = qualification(app, customer);
    let rules = body["rules"].as_array().unwrap().iter();
    let met = rules.filter(|rule| rule["met"] == true);
    let mut codes: Vec<String> =
        met.map(|rule| rule["code"].as_str().unwrap().to_owned()).collect();
    codes.sort_unstable();
    codes
}

/// What a customer lacks, in a few words for each rule, in the order of the texts.
fn summary(app: &App, customer: &str) -> Vec<String> {
    let body = qualification(app, customer);
    let texts = body["summary"].as_array().unwrap().iter();
    let mut texts: Vec<String> = texts.map(|text| text.as_str().unwrap().to_owned()).collect();
    texts.sort_unstable();
    texts
}

/// The designation, if there ever was one.
fn designation(app: &App, customer: &str) -> Option<Value> {
    let answer = app.manager().get(&format!("/v1/customers/{customer}/designation"));
    (answer.status == 200).then_some(answer.body)
}

/// The tier of the designation; "none" for no tier, and for no designation.
fn given(app: &App, customer: &str) -> String {
    let designation = designation(app, customer).unwrap_or_default();
    designation["tier"].as_str().unwrap_or("none").to_owned()
}

/// Who is a VIP.
fn vips(app: &App) -> BTreeSet<String> {
    let body = app.manager().get("/v1/designations?state=active&limit=200").expect(200).body;
    let rows = body["designations"].as_array().unwrap().iter();
    rows.map(|row| row["customer_id"].as_str().unwrap().to_owned()).collect()
}

/// Who waits for approval, each with the rule.
fn nominated(app: &App) -> BTreeSet<String> {
    nominations(app)
        .iter()
        .map(|row| {
            let text = |field: &str| row[field].as_str().unwrap().to_owned();
            format!("{} {}", text("customer_id"), text("rule"))
        })
        .collect()
}

fn nominations(app: &App) -> Vec<Value> {
    let path = "/v1/nominations?state=waiting&limit=200";
    let body = app.support().get(path).expect(200).body;
    body["nominations"].as_array().unwrap().clone()
}

/// The nomination of a customer that waits.
fn nomination_of(app: &App, customer: &str) -> Value {
    nominations(app).into_iter().find(|row| row["customer_id"] == *customer).unwrap()
}

/// Decides on the nomination of a customer.
fn decide(app: &App, customer: &str, decision: &str, note: &str) {
    let id = nomination_of(app, customer)["nomination_id"].as_str().unwrap().to_owned();
    let path = format!("/v1/nominations/{id}/{decision}");
    app.manager().post(&path, &json!({"note": note})).expect(200);
}

/// Insists on a designation that a rule made.
fn assert_granted(app: &App, customer: &str, (code, rule): (&str, &Value)) {
    let made = designation(app, customer).unwrap();
    for field in ["tier", "priority", "assigned_to"] {
        assert_eq!(made[field], rule["grants"][field], "{field} of {customer}");
    }
    assert_eq!(made["profile"], rule["profile"], "{customer}");
    assert_eq!(
        (&made["state"], &made["source"], &made["rule"], &made["rule_state"]),
        (&json!("active"), &json!("automatic"), &json!(code), &json!("enabled")),
        "{customer}"
    );
}

/// Insists on which rules of the file each customer meets, that this made VIPs
/// of them or put them forward, and that it did so with nobody else.
fn assert_qualify(app: &App, file: &str, expected: &[(&str, &[&str])]) {
    let rules = read(file)["rules"].clone();
    let (mut made, mut put_forward) = (BTreeSet::new(), BTreeSet::new());
    for (customer, codes) in expected {
        assert_eq!(met(app, customer), **codes, "{customer}");
        for code in *codes {
            if rules[code]["grants"]["requires_approval"] == true {
                put_forward.insert(format!("{customer} {code}"));
            } else {
                made.insert((*customer).to_owned());
            }
        }
    }
    assert!(!made.is_empty() || !put_forward.is_empty());
    assert_eq!(vips(app), made);
    assert_eq!(nominated(app), put_forward);
    for (customer, codes) in expected {
        if let ([code], true) = (codes, made.contains(*customer)) {
            assert_granted(app, customer, (code, &rules[code]));
        }
        if codes.is_empty() {
            assert_eq!(designation(app, customer), None, "{customer}");
        }
    }
}

/// A customer of the table, by what they spent and how long they are here.
fn of_table((total, months, is_complete, _): &(&str, u32, bool, Option<&str>)) -> String {
    format!("{total}-{months}-{}", if *is_complete { "complete" } else { "short" })
}

/// The rules that who has earned a tier meets.
fn rules_up_to(tier: Option<&str>) -> &'static [&'static str] {
    match tier {
        None => &[],
        Some("gold") => &["vip-gold"],
        Some("platinum") => &["vip-gold", "vip-platinum"],
        _ => &["vip-diamond", "vip-gold", "vip-platinum"],
    }
}

on_both! {
    fn the_tier_table_qualifies_by_spend_and_tenure_together(app) {
        set_up(app, TIERS);
        for row in &TABLE {
            let (customer, (total, months, is_complete, _)) = (of_table(row), row);
            know(app, &customer, &json!({"joined_at": joining(*months, *is_complete)}));
            orders(app, &customer, &[(DAY, total)]);
        }
        // What was given back was not spent, and what is not completed is not yet.
        for customer in ["refunded", "pending"] {
            know(app, customer, &json!({"joined_at": joining(36, true)}));
            orders(app, customer, &[(DAY, if customer == "refunded" { "1000.00" } else { "999.99" })]);
        }
        refund(app, "refunded", 0, "0.01");
        order_of_status(app, "pending", "pending");
        put_rules(app, TIERS);

        let rules = read(TIERS)["rules"].clone();
        let mut expected: BTreeSet<String> = BTreeSet::new();
        for row in &TABLE {
            let (customer, tier) = (of_table(row), row.3);
            assert_eq!(met(app, &customer), *rules_up_to(tier), "{customer}");
            assert_eq!(given(app, &customer), tier.unwrap_or("none"), "{customer}");
            if let Some(tier) = tier {
                let code = format!("vip-{tier}");
                assert_granted(app, &customer, (&code, &rules[&code]));
                expected.insert(customer);
            }
        }
        for customer in ["refunded", "pending"] {
            assert_eq!(met(app, customer), NOTHING, "{customer}");
        }
        assert_eq!(vips(app), expected);
        assert_eq!(nominated(app), BTreeSet::new());
        for tier in ["gold", "platinum", "diamond"] {
            let count = TABLE.iter().filter(|row| row.3 == Some(tier)).count();
            let rule = platform(app).get(&format!("/v1/rules/vip-{tier}")).expect(200).body;
            assert_eq!(rule["granted"], json!({"designations": count, "nominations_waiting": 0}));
        }
    }

    fn the_tier_table_qualifies_in_the_same_way_fact_by_fact(app) {
        set_up(app, TIERS);
        put_rules(app, TIERS);
        for row in &TABLE {
            let (customer, (total, months, is_complete, _)) = (of_table(row), row);
            know(app, &customer, &json!({"joined_at": joining(*months, *is_complete)}));
            // All but a penny, then the penny.
            let pence: i64 = total.replace('.', "").parse().unwrap();
            let all_but_one = format!("{}.{:02}", (pence - 1) / 100, (pence - 1) % 100);
            orders(app, &customer, &[(2 * DAY, &all_but_one), (DAY, "0.01")]);
        }
        let is_due = |row: &&(&str, u32, bool, Option<&str>)| row.3.is_some();
        let expected: BTreeSet<String> = TABLE.iter().filter(is_due).map(of_table).collect();
        eventually("who qualifies", || vips(app) == expected);
        for row in &TABLE {
            let (customer, tier) = (of_table(row), row.3);
            let tier = tier.unwrap_or("none");
            eventually(&format!("{tier} for {customer}"), || given(app, &customer) == tier);
            assert_eq!(met(app, &customer), *rules_up_to(row.3), "{customer}");
        }
        assert_eq!(vips(app), expected);
    }

    fn a_month_begins_at_midnight_of_the_programs_zone(app) {
        // Joined in the last hour of a day in Kiritimati, fourteen hours ahead of
        // UTC: the months are those of the calendar there.
        let zone: chrono_tz::Tz = "Pacific/Kiritimati".parse().unwrap();
        app.set_up(json!({"time_zone": zone.name()}));
        let tiers = read(TIERS)["tiers"].clone();
        platform(app).put("/v1/tiers", &json!({"tiers": tiers})).expect(200);
        // Not two minutes before tomorrow there either, which is 10:00 in UTC.
        let from_ten = || (Utc::now().num_seconds_from_midnight() + 14 * 3_600) % 86_400;
        while from_ten() >= 86_400 - 120 {
            std::thread::sleep(std::time::Duration::from_secs(1));
        }
        let today = Utc::now().with_timezone(&zone).date_naive();
        let mut short = today - Months::new(12);
        while short + Months::new(12) <= today {
            short = short.succ_opt().unwrap();
        }
        let midnight = short.and_hms_opt(0, 0, 0).unwrap().and_local_timezone(zone).unwrap().to_utc();
        know(app, "short", &json!({"joined_at": text(midnight)}));
        know(app, "complete", &json!({"joined_at": text(midnight - Duration::microseconds(1))}));
        for customer in ["short", "complete"] {
            orders(app, customer, &[(DAY, "1000.00")]);
        }
        put_rules(app, TIERS);
        assert_eq!(met(app, "short"), NOTHING);
        assert_eq!(met(app, "complete"), ["vip-gold"]);
        assert_eq!(vips(app), BTreeSet::from(["complete".to_owned()]));
    }

    fn profile_1_a_big_spender_has_spent_a_lot_or_does_so_again_and_again(app) {
        set_up(app, PROFILES);
        let (old, year) = (500 * DAY, 365 * DAY);
        for (customer, of) in [
            ("all-below", vec![(old, "999.99")]),
            // One invoice, once: not every one of them is.
            ("all-at-once", vec![(old, "1000.00")]),
            ("all-in-two", vec![(old, "999.98"), (old, "0.02")]),
            ("all-refunded", vec![(old, "1000.00")]),
            ("all-pending", vec![(old, "999.99")]),
            ("year-below", vec![(300 * DAY, "200.00"), (200 * DAY, "200.00"), (DAY, "199.99")]),
            ("year-at", vec![(300 * DAY, "200.00"), (200 * DAY, "200.00"), (DAY, "200.00")]),
            ("year-in-two", vec![(300 * DAY, "300.00"), (DAY, "300.00")]),
            ("year-just-in", vec![(year - HOUR, "200.00"), (200 * DAY, "200.00"), (DAY, "200.00")]),
            ("year-just-out", vec![(year, "200.00"), (200 * DAY, "200.00"), (DAY, "200.00")]),
            ("year-refunded", vec![(300 * DAY, "300.00"), (200 * DAY, "300.00"), (DAY, "0.01")]),
        ] {
            orders(app, customer, &of);
        }
        refund(app, "all-refunded", 0, "0.01");
        order_of_status(app, "all-pending", "pending");
        // Given back in full, it is no third order.
        refund(app, "year-refunded", 2, "0.01");
        put_rules(app, PROFILES);
        assert_qualify(app, PROFILES, &[
            ("all-below", &[]),
            ("all-at-once", &["big-spender"]),
            ("all-in-two", &["big-spender"]),
            ("all-refunded", &[]),
            ("all-pending", &[]),
            ("year-below", &[]),
            ("year-at", &["big-spender-of-the-year"]),
            ("year-in-two", &[]),
            ("year-just-in", &["big-spender-of-the-year"]),
            ("year-just-out", &[]),
            ("year-refunded", &[]),
        ]);
    }

    fn profile_2_a_frequent_buyer_has_ten_orders_or_a_thousand_points_in_a_year(app) {
        set_up(app, PROFILES);
        for (customer, count) in [
            ("nine", 9), ("ten", 10), ("ten-one-back", 10), ("ten-some-back", 10), ("nine-pending", 9),
            ("nine-cancelled", 9),
        ] {
            // However little each is worth, and however long it takes.
            let of: Vec<(i64, &str)> = (0..count).map(|n| ((500 + n * 30) * DAY, "0.50")).collect();
            orders(app, customer, &of);
        }
        refund(app, "ten-one-back", 4, "0.50");
        refund(app, "ten-some-back", 4, "0.49");
        order_of_status(app, "nine-pending", "pending");
        order_of_status(app, "nine-cancelled", "cancelled");
        for (customer, of) in [
            ("points-below", vec![(100 * DAY, 999)]),
            ("points-at", vec![(100 * DAY, 1_000)]),
            ("points-in-many", vec![(365 * DAY - HOUR, 600), (200 * DAY, 1), (DAY, 399)]),
            ("points-just-out", vec![(365 * DAY, 600), (200 * DAY, 1), (DAY, 999 - 600)]),
            ("points-corrected", vec![(100 * DAY, 1_000)]),
        ] {
            for (number, (hours, points)) in of.into_iter().enumerate() {
                let fields = json!({"kind": "points", "points": points});
                activity(app, &format!("{customer}-{number}"), customer, &ago(hours), fields);
            }
        }
        let corrected = json!({"kind": "points", "points": 999});
        activity(app, "points-corrected-0", "points-corrected", &ago(100 * DAY), corrected);
        put_rules(app, PROFILES);
        assert_qualify(app, PROFILES, &[
            ("nine", &[]),
            ("ten", &["frequent-buyer"]),
            ("ten-one-back", &[]),
            ("ten-some-back", &["frequent-buyer"]),
            ("nine-pending", &[]),
            ("nine-cancelled", &[]),
            ("points-below", &[]),
            ("points-at", &["frequent-buyer-by-points"]),
            ("points-in-many", &["frequent-buyer-by-points"]),
            ("points-just-out", &[]),
            ("points-corrected", &[]),
        ]);
        // The tenth trip makes the ninth's customer one.
        app.order("nine-9", "nine", &ago(HOUR), "0.01").expect(201);
        eventually("the frequent buyer", || vips(app).contains("nine"));
        let badge = app.support().get("/v1/customers/nine/badge").expect(200).body;
        assert_eq!(badge["routing"]["assigned_to"], "personal-shopper");
    }

    fn profile_3_an_unhappy_customer_has_given_bad_marks_more_than_once(app) {
        set_up(app, PROFILES);
        let window = 180 * DAY;
        for (customer, of) in [
            ("once", vec![(DAY, 1)]),
            ("twice", vec![(window - HOUR, 2), (DAY, 1)]),
            ("once-and-fair", vec![(2 * DAY, 2), (DAY, 3)]),
            ("once-long-ago", vec![(window, 1), (DAY, 2)]),
            ("corrected", vec![(2 * DAY, 1), (DAY, 2)]),
            ("happy", vec![(3 * DAY, 4), (2 * DAY, 5), (DAY, 5)]),
        ] {
            for (number, (hours, score)) in of.into_iter().enumerate() {
                let fields = json!({"kind": "survey", "score": score});
                activity(app, &format!("{customer}-{number}"), customer, &ago(hours), fields);
            }
        }
        activity(app, "corrected-1", "corrected", &ago(DAY), json!({"kind": "survey", "score": 3}));
        put_rules(app, PROFILES);
        assert_qualify(app, PROFILES, &[
            ("once", &[]),
            ("twice", &["unhappy-by-surveys"]),
            ("once-and-fair", &[]),
            ("once-long-ago", &[]),
            ("corrected", &[]),
            ("happy", &[]),
        ]);
        // What is proposed, and why.
        let nomination = nomination_of(app, "twice");
        let why = &nomination["why"];
        let finding = json!({
            "metric": "unsatisfied_surveys_in_days", "window_days": 180, "tag": null,
            "at_least": "2", "at_most": null, "found": "2", "met": true, "missing": null,
            "text": why[0]["text"],
        });
        assert_eq!(*why, json!([finding]));
        assert_eq!(
            (&nomination["profile"], &nomination["priority"], &nomination["still_met"]),
            (&json!("unhappy_customer"), &json!("high"), &json!(true))
        );
        decide(app, "twice", "approve", "Called: a new packer was unlucky twice.");
        assert_eq!(vips(app), BTreeSet::from(["twice".to_owned()]));
        assert_eq!(designation(app, "twice").unwrap()["profile"], "unhappy_customer");
    }

    fn profile_3_an_unhappy_customer_had_to_wait_for_help_for_three_days(app) {
        set_up(app, PROFILES);
        let three_days = 72 * 60;
        complain(app, ("slow-0", "slow"), false, 500 * DAY, Some(three_days));
        complain(app, ("quick-0", "quick"), false, 500 * DAY, Some(three_days - 1));
        complain(app, ("still-open-0", "still-open"), false, 72, None);
        complain(app, ("open-since-71-0", "open-since-71"), false, 71, None);
        // Short waits do not add up.
        for number in 0..3 {
            complain(app, (&format!("often-{number}"), "often"), false, 40 * DAY, Some(48 * 60));
        }
        complain(app, ("one-of-two-0", "one-of-two"), false, 40 * DAY, Some(10));
        complain(app, ("one-of-two-1", "one-of-two"), false, 60 * DAY, Some(three_days + 60));
        put_rules(app, PROFILES);
        assert_qualify(app, PROFILES, &[
            ("slow", &["unhappy-by-slow-help"]),
            ("quick", &[]),
            ("still-open", &["unhappy-by-slow-help"]),
            ("open-since-71", &[]),
            ("often", &[]),
            ("one-of-two", &["unhappy-by-slow-help"]),
        ]);
        // Not everyone who is angry gets the treatment: a person decides.
        decide(app, "slow", "approve", "Deserves somebody who knows the case.");
        decide(app, "one-of-two", "decline", "It was the carrier.");
        assert_eq!(vips(app), BTreeSet::from(["slow".to_owned()]));
        let routing = app.support().get("/v1/customers/slow/badge").expect(200).body["routing"].clone();
        let expected = (&json!("high"), &json!("senior-support"));
        assert_eq!((&routing["priority"], &routing["assigned_to"]), expected);
        assert_eq!(judged(app, "one-of-two", "unhappy-by-slow-help")["outcome"], "declined");
        assert_eq!(judged(app, "still-open", "unhappy-by-slow-help")["outcome"], "nomination_waiting");
    }

    fn profile_3_a_public_complaint_makes_a_vip_once_it_is_resolved(app) {
        set_up(app, PROFILES);
        complain(app, ("settled-0", "settled"), true, 10 * DAY, Some(120));
        complain(app, ("open-0", "open"), true, 2, None);
        complain(app, ("private-0", "private"), false, 10 * DAY, Some(120));
        complain(app, ("one-more-0", "one-more"), true, 10 * DAY, Some(120));
        complain(app, ("one-more-1", "one-more"), false, 2, None);
        complain(app, ("just-in-0", "just-in"), true, 90 * DAY - HOUR, Some(120));
        complain(app, ("long-ago-0", "long-ago"), true, 90 * DAY, Some(120));
        complain(app, ("slow-too-0", "slow-too"), true, 10 * DAY, Some(80 * 60));
        put_rules(app, PROFILES);
        assert_qualify(app, PROFILES, &[
            ("settled", &["unhappy-in-public"]),
            ("open", &[]),
            ("private", &[]),
            ("one-more", &[]),
            ("just-in", &["unhappy-in-public"]),
            ("long-ago", &[]),
            ("slow-too", &["unhappy-by-slow-help", "unhappy-in-public"]),
        ]);
        // An agent answers where it was said, and it is settled.
        let resolved = json!({
            "kind": "complaint", "channel": "social", "public": true, "resolved_at": ago(0),
        });
        activity(app, "open-0", "open", &ago(2), resolved);
        eventually("the nomination", || nominated(app).contains("open unhappy-in-public"));
        decide(app, "open", "approve", "We wrote to each other, all is well.");
        let made = designation(app, "open").unwrap();
        assert_eq!((&made["profile"], &made["priority"]), (&json!("unhappy_customer"), &json!("urgent")));
        // Who complains again is seen to first.
        complain(app, ("settled-1", "settled"), true, 5, None);
        complain(app, ("open-1", "open"), false, 1, None);
        let list = app.support().get("/v1/complaints").expect(200).body;
        let first = &list["complaints"][0];
        assert_eq!((&first["customer_id"], &first["priority"]), (&json!("open"), &json!("urgent")));
    }

    fn profile_4_a_target_account_is_one_by_its_tag_also_before_it_orders(app) {
        set_up(app, PROFILES);
        for (customer, tags) in [
            ("account", json!(["target-account"])),
            ("key-account", json!(["target-account-key", "press"])),
            ("both", json!(["target-account", "target-account-key"])),
            ("nearly", json!(["target-accounts", "target", "account"])),
            ("no-longer", json!(["target-account"])),
            ("untagged", json!([])),
        ] {
            know(app, customer, &json!({"tags": tags}));
        }
        change_customer(app, "no-longer", &json!({"tags": []}));
        put_rules(app, PROFILES);
        assert_qualify(app, PROFILES, &[
            ("account", &["target-account"]),
            ("key-account", &["target-account-key"]),
            ("both", &["target-account", "target-account-key"]),
            ("nearly", &[]),
            ("no-longer", &[]),
            ("untagged", &[]),
        ]);
        // Each rank has its own priority, and who is in both has the higher.
        let routing = |customer: &str| {
            let badge = app.support().get(&format!("/v1/customers/{customer}/badge")).expect(200).body;
            (badge["routing"]["priority"].clone(), badge["routing"]["assigned_to"].clone())
        };
        let manager = json!("account-manager");
        assert_eq!(routing("account"), (json!("high"), manager.clone()));
        assert_eq!(routing("both"), (json!("urgent"), manager));
        // The list of accounts grows, and what it gave stays when it shrinks.
        change_customer(app, "untagged", &json!({"tags": ["target-account"]}));
        eventually("the account", || vips(app).contains("untagged"));
        change_customer(app, "untagged", &json!({"tags": []}));
        assert_eq!(met(app, "untagged"), NOTHING);
        assert_eq!(designation(app, "untagged").unwrap()["state"], "active");
    }

    fn profile_5_a_partner_is_one_by_its_tag(app) {
        set_up(app, PROFILES);
        for (customer, tags) in [
            ("reseller", json!(["wholesale", "partner"])), ("nearly", json!(["partners", "former partner"])),
            ("nobody", json!([])),
        ] {
            know(app, customer, &json!({"tags": tags}));
        }
        put_rules(app, PROFILES);
        assert_qualify(app, PROFILES, &[("reseller", &["partner"]), ("nearly", &[]), ("nobody", &[])]);
        let badge = app.support().get("/v1/customers/reseller/badge").expect(200).body;
        assert_eq!(badge["routing"]["assigned_to"], "partner-desk");
    }

    fn profile_5_an_advocate_has_referred_five_customers_or_a_thousand_in_orders(app) {
        set_up(app, PROFILES);
        let refer = |referrer: &str, referred: &str, days: i64| {
            let fields = json!({"kind": "referral", "referred_customer_id": referred});
            activity(app, &format!("{referrer}-{referred}-{days}"), referrer, &ago(days * DAY), fields);
        };
        for number in 1..=5 {
            refer("five", &format!("friend-{number}"), 50);
            refer("late", &format!("other-{number}"), 50);
            if number <= 4 {
                refer("four", &format!("guest-{number}"), 50);
            }
        }
        // The fourth again, and one whom another had brought before.
        refer("four", "guest-4", 40);
        refer("early", "other-3", 51);
        for (referrer, of) in [
            ("spend-at", [("a1", 40, "500.00"), ("a2", 30, "500.00")]),
            ("spend-below", [("b1", 40, "500.00"), ("b2", 30, "499.99")]),
            // The first order was there before the referral.
            ("spend-before", [("c1", 51, "500.00"), ("c2", 30, "500.00")]),
        ] {
            for (referred, days, total) in of {
                refer(referrer, referred, 50);
                orders(app, referred, &[(days * DAY, total)]);
            }
        }
        put_rules(app, PROFILES);
        assert_qualify(app, PROFILES, &[
            ("five", &["advocate"]),
            ("four", &[]),
            ("late", &[]),
            ("early", &[]),
            ("spend-at", &["advocate-by-spend"]),
            ("spend-below", &[]),
            ("spend-before", &[]),
        ]);
        // The fifth.
        refer("four", "guest-5", 1);
        eventually("the advocate", || vips(app).contains("four"));
    }

    fn every_profile_and_every_row_of_the_table_stands_in_the_files_as_it_is_answered(app) {
        app.set_up(json!({}));
        platform(app).put("/v1/tiers", &json!({"tiers": read(TIERS)["tiers"]})).expect(200);
        let mut profiles = BTreeSet::new();
        for file in [TIERS, PROFILES] {
            put_rules(app, file);
            for (code, stated) in read(file)["rules"].as_object().unwrap() {
                let rule = platform(app).get(&format!("/v1/rules/{code}")).expect(200).body;
                for field in ["name", "profile"] {
                    assert_eq!(rule[field], stated[field], "{code}");
                }
                assert_eq!((&rule["code"], &rule["enabled"]), (&json!(code), &json!(true)));
                let conditions = rule["conditions"].as_array().unwrap();
                assert_eq!(conditions.len(), stated["conditions"].as_array().unwrap().len());
                for (i, condition) in conditions.iter().enumerate() {
                    for field in ["metric", "window_days", "tag", "at_least", "at_most"] {
                        assert_eq!(condition[field], stated["conditions"][i][field], "{code} {field}");
                    }
                }
                for field in ["tier", "priority", "assigned_to"] {
                    assert_eq!(rule["grants"][field], stated["grants"][field], "{code} {field}");
                }
                profiles.insert(rule["profile"].as_str().unwrap().to_owned());
            }
        }
        let all = [
            "advocate", "big_spender", "frequent_buyer", "partner", "target_account", "unhappy_customer",
        ];
        assert_eq!(profiles, BTreeSet::from(all.map(str::to_owned)));
        // Who knows nothing of rules meets none of them.
        know(app, "nobody", &json!({}));
        assert_eq!(met(app, "nobody"), NOTHING);
    }

    fn qualified_but_not_added_because_automatic_qualification_is_off(app) {
        set_up(app, TIERS);
        assert_eq!(app.storefront().get("/v1/program").expect(200).body["automatic_qualification"], true);
        platform(app).patch("/v1/program", &json!({"automatic_qualification": false})).expect(200);
        know(app, "ada", &json!({"joined_at": joining(12, true)}));
        orders(app, "ada", &[(DAY, "1000.00")]);
        for (code, rule) in read(TIERS)["rules"].as_object().unwrap() {
            platform(app).put(&format!("/v1/rules/{code}"), rule).expect(201);
        }
        orders(app, "ben", &[(DAY, "1000.00")]);
        // What the background would do, it would have done.
        std::thread::sleep(std::time::Duration::from_secs(3));
        assert_eq!((designation(app, "ada"), vips(app)), (None, BTreeSet::new()));

        let told = qualification(app, "ada");
        assert_eq!(told["automatic_qualification"], false);
        let gold = judged(app, "ada", "vip-gold");
        assert_eq!((&gold["met"], &gold["outcome"]), (&json!(true), &json!("automatic_qualification_off")));
        let why_off = gold["explanation"].as_str().unwrap().to_owned();
        assert!(!why_off.is_empty());
        assert_eq!(judged(app, "ada", "vip-platinum")["met"], false);

        // On again, what is met by then is acted on.
        platform(app).patch("/v1/program", &json!({"automatic_qualification": true})).expect(200);
        eventually("gold", || given(app, "ada") == "gold");
        let gold = judged(app, "ada", "vip-gold");
        assert_eq!(gold["outcome"], "granted");
        assert_ne!(gold["explanation"], json!(why_off));
        assert_eq!(qualification(app, "ada")["automatic_qualification"], true);
        assert_eq!(vips(app), BTreeSet::from(["ada".to_owned()]), "ben has not been here for a year");
    }

    fn qualified_but_not_added_because_the_threshold_is_another(app) {
        set_up(app, TIERS);
        know(app, "ada", &json!({"joined_at": joining(12, true)}));
        orders(app, "ada", &[(DAY, "950.00")]);
        put_rules(app, TIERS);
        assert_eq!(vips(app), BTreeSet::new());
        // What is needed, what is there, and what is missing.
        let gold = judged(app, "ada", "vip-gold");
        assert_eq!((&gold["met"], &gold["outcome"]), (&json!(false), &json!("not_met")));
        let expected = json!({
            "metric": "lifetime_spend", "window_days": null, "tag": null, "at_least": "1000.00",
            "at_most": null, "found": "950.00", "met": false, "missing": "50.00",
            "text": "lifetime_spend is 950.00, at least 1000.00 needed",
        });
        assert_eq!(gold["conditions"][0], expected);
        assert_eq!(gold["conditions"][1]["met"], true);
        assert!(summary(app, "ada").contains(&"50.00 more until Gold".to_owned()));

        let mut rule = read(TIERS)["rules"]["vip-gold"].clone();
        rule["conditions"][0]["at_least"] = json!("950.00");
        app.admin().put("/v1/rules/vip-gold", &rule).expect_problem(403, "forbidden");
        platform(app).put("/v1/rules/vip-gold", &rule).expect(200);
        everyone_is_judged(app);
        assert_eq!(given(app, "ada"), "gold");
        let gold = judged(app, "ada", "vip-gold");
        assert_eq!((&gold["met"], &gold["outcome"]), (&json!(true), &json!("granted")));
    }

    fn qualified_but_not_added_because_not_all_criteria_are_met(app) {
        set_up(app, TIERS);
        know(app, "ada", &json!({"joined_at": joining(20, true)}));
        orders(app, "ada", &[(DAY, "2320.00")]);
        know(app, "ben", &json!({"joined_at": joining(8, true)}));
        orders(app, "ben", &[(DAY, "1000.00")]);
        put_rules(app, TIERS);
        assert_eq!(given(app, "ada"), "gold");
        assert_eq!(designation(app, "ben"), None);
        let expected = [
            "180.00 more and 4 months of tenure until Platinum",
            "2680.00 more and 16 months of tenure until Diamond",
        ];
        assert_eq!(summary(app, "ada"), expected);
        let expected = [
            "1500.00 more and 16 months of tenure until Platinum", "4 months of tenure until Gold",
            "4000.00 more and 28 months of tenure until Diamond",
        ];
        assert_eq!(summary(app, "ben"), expected);
        let gold = judged(app, "ben", "vip-gold");
        let told: Vec<Value> = gold["conditions"]
            .as_array()
            .unwrap()
            .iter()
            .map(|finding| {
                json!([finding["metric"], finding["found"], finding["met"], finding["missing"]])
            })
            .collect();
        let expected = [
            json!(["lifetime_spend", "1000.00", true, null]), json!(["tenure_months", "8", false, "4"]),
        ];
        assert_eq!(told, expected);
        assert_eq!(gold["conditions"][1]["text"], "tenure_months is 8, at least 12 needed");
    }

    fn qualified_but_not_added_because_approval_is_needed(app) {
        set_up(app, TIERS);
        know(app, "ada", &json!({"joined_at": joining(12, true)}));
        orders(app, "ada", &[(DAY, "1000.00")]);
        know(app, "ben", &json!({"joined_at": joining(12, false)}));
        orders(app, "ben", &[(DAY, "1000.00")]);
        let mut rule = read(TIERS)["rules"]["vip-gold"].clone();
        rule["grants"]["requires_approval"] = json!(true);
        platform(app).put("/v1/rules/vip-gold", &rule).expect(201);
        everyone_is_judged(app);
        assert_eq!(vips(app), BTreeSet::new());
        assert_eq!(judged(app, "ada", "vip-gold")["outcome"], "nomination_waiting");
        assert_eq!(nominated(app), BTreeSet::from(["ada vip-gold".to_owned()]));
        decide(app, "ada", "approve", "As agreed.");
        assert_eq!(given(app, "ada"), "gold");
        assert_eq!(nominated(app), BTreeSet::new());
        // Or somebody is added by hand, whatever the rules say.
        let by_hand = json!({"tier": "gold", "notes": "A day short, and worth it."});
        app.manager().put("/v1/customers/ben/designation", &by_hand).expect(201);
        assert_eq!(designation(app, "ben").unwrap()["source"], "manual");
        let both = ["ada", "ben"].map(str::to_owned);
        assert_eq!(vips(app), BTreeSet::from(both));
    }

    fn vips_are_upgraded_by_spending_at_1000_2500_and_5000(app) {
        set_up(app, TIERS);
        put_rules(app, TIERS);
        know(app, "ada", &json!({"joined_at": joining(36, true)}));
        orders(app, "ada", &[(30 * DAY, "999.99")]);
        let expected = ["0.01 more until Gold", "1500.01 more until Platinum", "4000.01 more until Diamond"];
        assert_eq!(summary(app, "ada"), expected);
        assert_eq!(judged(app, "ada", "vip-gold")["outcome"], "not_met");
        for (order, days, total, tier, next) in [
            ("o1", 20, "0.01", "gold", Some("1500.00 more until Platinum")),
            ("o2", 10, "1499.99", "gold", Some("0.01 more until Platinum")),
            ("o3", 9, "0.01", "platinum", Some("2500.00 more until Diamond")),
            ("o4", 8, "2499.99", "platinum", Some("0.01 more until Diamond")),
            ("o5", 7, "0.01", "diamond", None),
        ] {
            app.order(order, "ada", &ago(days * DAY), total).expect(201);
            eventually(&format!("{tier} after {order}"), || given(app, "ada") == tier);
            let told = summary(app, "ada");
            match next {
                Some(next) => assert!(told.contains(&next.to_owned()), "{told:?}"),
                None => assert_eq!(told, NOTHING),
            }
        }
        let made = designation(app, "ada").unwrap();
        assert_eq!((&made["rule"], &made["source"]), (&json!("vip-diamond"), &json!("automatic")));
        // What was given back lowers what is met, and never the VIP.
        app.refund("r1", "o4", &ago(DAY), "2499.99").expect(201);
        assert_eq!(met(app, "ada"), ["vip-gold", "vip-platinum"]);
        std::thread::sleep(std::time::Duration::from_secs(2));
        assert_eq!(given(app, "ada"), "diamond");
    }

    fn who_shows_potential_in_the_first_six_months_is_watched(app) {
        set_up(app, TIERS);
        for (customer, months, is_complete, count, score) in [
            ("steady", 3, true, 3, 5), ("two-orders", 3, true, 2, 5), ("unsatisfied", 3, true, 3, 2),
            ("complains", 3, true, 3, 4), ("last-day", 6, false, 3, 4), ("older", 6, true, 3, 5),
        ] {
            know(app, customer, &json!({"joined_at": joining(months, is_complete)}));
            let of = [(30 * DAY, "100.00"), (20 * DAY, "100.00"), (10 * DAY, "120.00")];
            orders(app, customer, &of[..count]);
            let survey = json!({"kind": "survey", "score": score});
            activity(app, &format!("{customer}-survey"), customer, &ago(DAY), survey);
        }
        complain(app, ("complaint", "complains"), false, 5, None);
        put_rules(app, TIERS);

        let in_stage = |stage: &str| -> Vec<String> {
            let path = format!("/v1/customers?stage={stage}");
            let body = app.support().get(&path).expect(200).body;
            let rows = body["customers"].as_array().unwrap().iter();
            rows.map(|row| row["customer_id"].as_str().unwrap().to_owned()).collect()
        };
        let first_months = ["complains", "last-day", "steady", "two-orders", "unsatisfied"];
        assert_eq!(in_stage("identification"), first_months);
        assert_eq!(in_stage("designation"), ["older"]);

        // What to look for, as a rule; a dry run says who shows it.
        let rule = json!({
            "name": "Shows promise", "profile": "other", "grants": {"requires_approval": true},
            "conditions": [
                {"metric": "orders_in_days", "window_days": 90, "at_least": "3"},
                {"metric": "unsatisfied_surveys_in_days", "window_days": 180, "at_most": "0"},
                {"metric": "open_complaints", "at_most": "0"},
                {"metric": "tenure_months", "at_most": "5"},
            ],
        });
        let path = "/v1/rules/shows-promise";
        let told = platform(app).post(&format!("{path}/dry-run"), &rule).expect(200).body;
        let shown: Vec<Value> = told["customers"]
            .as_array()
            .unwrap()
            .iter()
            .map(|row| json!([row["customer_id"], row["outcome"], row["why"].as_array().unwrap().len()]))
            .collect();
        let expected = [json!(["last-day", "nominate", 4]), json!(["steady", "nominate", 4])];
        assert_eq!((shown.as_slice(), &told["examined"]), (expected.as_slice(), &json!(6)));
        platform(app).get(path).expect_problem(404, "not_found");
        assert_eq!((nominated(app), vips(app)), (BTreeSet::new(), BTreeSet::new()));

        // The rule itself puts them forward, and nobody becomes a VIP by it alone.
        platform(app).put(path, &rule).expect(201);
        everyone_is_judged(app);
        let both = ["last-day shows-promise", "steady shows-promise"].map(str::to_owned);
        assert_eq!(nominated(app), BTreeSet::from(both));
        assert_eq!(vips(app), BTreeSet::new());
        assert!(nomination_of(app, "steady")["why"].as_array().unwrap().iter().all(|why| why["met"] == true));
        // How far they are from the first tier.
        let way = "680.00 more and 9 months of tenure until Gold".to_owned();
        assert!(summary(app, "steady").contains(&way), "{:?}", summary(app, "steady"));
    }
}
