//! The reports, each on a small store whose figures are added up by hand.

mod anniversaries;
mod at_risk;
pub mod concentration;
mod credit;
mod high_value;
mod referrals;
mod retention;
mod satisfaction;
mod tier_fit;
mod tiers;
mod vip_share;

use super::neighbour;
use crate::support::*;
use accolade::api::auth::Role;
use accolade::db::Error;
use chrono::{DateTime, Duration, Months, NaiveDate, SecondsFormat, Utc};
use chrono_tz::Tz;
use diesel::connection::SimpleConnection;
use serde_json::{Value, json};
use std::collections::BTreeSet;

const NOON: &str = "2024-06-01T12:00:00Z";
/// The span of most tests.
const SPAN: &str = "from=2024-01-01&to=2024-04-01";

/// Every report, with parameters that make it the same on every day.
const REPORTS: [&str; 12] = [
    "vip-share",
    "tiers",
    "retention?from=2024-01-01&to=2024-04-01",
    "at-risk",
    "anniversaries?month=2025-03",
    "high-value?min_lifetime_spend=1",
    "tier-fit?fit=above",
    "satisfaction?from=2024-01-01&to=2024-04-01",
    "referrals?from=2024-01-01&to=2024-04-01",
    "spend-concentration",
    "credit",
    "credit-movements?from=2024-01-01&to=2024-04-01",
];
/// Those of them that come in pages, with the names of their lists.
const LISTS: [(&str, &str); 5] = [
    ("at-risk", "customers"),
    ("anniversaries?month=2025-03", "anniversaries"),
    ("high-value?min_lifetime_spend=1", "customers"),
    ("tier-fit?fit=above", "customers"),
    ("referrals?from=2024-01-01&to=2024-04-01", "referrers"),
];
/// Those that are of a span of time.
const OF_SPANS: [&str; 5] =
    ["retention", "satisfaction", "referrals", "spend-concentration", "credit-movements"];

/// What a report answers.
#[track_caller]
fn report(app: &App, path: &str) -> Value {
    app.manager().get(&format!("/v1/reports/{path}")).expect(200).body
}

/// A path with one more parameter.
fn and(path: &str, query: &str) -> String {
    let join = if path.contains('?') { '&' } else { '?' };
    format!("{path}{join}{query}")
}

/// Insists that a report names the parameters that can't be.
#[track_caller]
fn assert_refused(app: &App, path: &str, pointers: &[&str]) {
    let answer = app.manager().get(&format!("/v1/reports/{path}"));
    assert_eq!(answer.expect_problem(422, "invalid_request").pointers(), pointers, "{path}");
}

/// A report as CSV: the names of its columns, and its rows.
#[track_caller]
fn table(app: &App, path: &str) -> (Vec<String>, Vec<Vec<String>>) {
    let client = app.manager().with("accept", "text/csv");
    let answer = client.get(&format!("/v1/reports/{path}")).expect(200);
    assert_eq!(answer.headers["content-type"], "text/csv; charset=utf-8");
    let mut reader = ::csv::Reader::from_reader(answer.text.as_bytes());
    let cells = |record: &::csv::StringRecord| -> Vec<String> {
        record.iter().map(str::to_owned).collect()
    };
    let columns = cells(reader.headers().unwrap());
    let rows = reader.records().map(|record| cells(&record.unwrap())).collect();
    (columns, rows)
}

/// A value of JSON as a cell of CSV.
fn cell(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// Insists that a report's CSV has these columns, that they are all the fields
/// of a row, and that it says of each row what JSON says.
#[track_caller]
fn assert_csv(app: &App, path: &str, columns: &str, rows: &[Value]) {
    let (names, found) = table(app, path);
    assert_eq!(names.join(" "), columns, "{path}");
    let mut said: Vec<Vec<String>> = Vec::new();
    for row in rows {
        let fields: BTreeSet<&String> = row.as_object().unwrap().keys().collect();
        assert_eq!(fields, names.iter().collect::<BTreeSet<_>>(), "{path}");
        said.push(names.iter().map(|name| cell(&row[name])).collect());
    }
    assert_eq!(found, said, "{path}");
}

/// All pages of a list.
#[track_caller]
fn walk(app: &App, path: &str, list: &str, limit: usize) -> Vec<Value> {
    let mut found = Vec::new();
    let mut next = and(path, &format!("limit={limit}"));
    loop {
        let body = report(app, &next);
        let page = body[list].as_array().unwrap();
        assert!(page.len() <= limit && found.len() < 500, "{next}: {page:?}");
        found.extend(page.iter().cloned());
        let Some(cursor) = body["next_cursor"].as_str() else { return found };
        assert_eq!(page.len(), limit, "a page that is not the last is full");
        next = and(path, &format!("limit={limit}&cursor={cursor}"));
    }
}

/// The rows of a list, which are the same walked one to a page and as CSV.
#[track_caller]
fn rows(app: &App, path: &str, list: &str, columns: &str) -> Vec<Value> {
    let whole = walk(app, path, list, 200);
    assert_eq!(walk(app, path, list, 1), whole, "{path}");
    assert_csv(app, path, columns, &whole);
    // A CSV has no pages.
    assert_csv(app, &and(path, "limit=1"), columns, &whole);
    whole
}

/// The customers that rows name, in their order.
fn named(rows: &[Value]) -> String {
    let names: Vec<&str> = rows.iter().map(|row| row["customer_id"].as_str().unwrap()).collect();
    names.join(" ")
}

/// The instant that many hours ago, in whole seconds.
fn hours_ago(hours: i64) -> String {
    (Utc::now() - Duration::hours(hours)).to_rfc3339_opts(SecondsFormat::Secs, true)
}

fn instant(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

/// What comes of something that happens within one day of a zone, and that day.
fn on_one_day<T>(zone: Tz, job: impl Fn() -> T) -> (NaiveDate, T) {
    let today = || Utc::now().with_timezone(&zone).date_naive();
    loop {
        let (before, done, after) = (today(), job(), today());
        if before == after {
            return (before, done);
        }
    }
}

/// Sends a customer of whom nothing is known yet.
fn customer(app: &App, id: &str, body: Value) {
    app.storefront().put(&format!("/v1/customers/{id}"), &body).expect(201);
}

fn change_customer(app: &App, id: &str, body: Value) {
    app.storefront().patch(&format!("/v1/customers/{id}"), &body).expect(200);
}

fn erase(app: &App, id: &str) {
    app.admin().delete(&format!("/v1/customers/{id}")).expect(204);
}

/// A subscription that was cancelled.
fn cancelled(at: &str) -> Value {
    json!({"monthly_amount": "10.00", "state": "cancelled", "cancelled_at": at})
}

/// Makes a customer a VIP who is none.
fn designate(app: &App, id: &str, body: Value) {
    app.manager().put(&format!("/v1/customers/{id}/designation"), &body).expect(201);
}

/// Lets a designation rest.
fn pause(app: &App, id: &str) {
    let body = json!({"state": "paused"});
    app.manager().patch(&format!("/v1/customers/{id}/designation"), &body).expect(200);
}

/// Removes a designation, as a person does.
fn remove(app: &App, id: &str) {
    let body = json!({"reason": "other", "confirm": true});
    app.manager().post(&format!("/v1/customers/{id}/designation/removal"), &body).expect(200);
}

fn flag(app: &App, id: &str, status: &str) {
    let body = json!({"status": status, "note": "as agreed"});
    app.support().put(&format!("/v1/customers/{id}/status"), &body).expect(200);
}

/// Sends a new activity of a kind with its fields.
fn activity(app: &App, id: &str, customer: &str, kind: &str, occurred_at: &str, fields: Value) {
    put_activity(app, id, customer, kind, occurred_at, fields).expect(201);
}

fn put_activity(
    app: &App,
    id: &str,
    customer: &str,
    kind: &str,
    occurred_at: &str,
    fields: Value,
) -> Answer {
    let mut body = json!({"customer_id": customer, "kind": kind, "occurred_at": occurred_at});
    body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    app.storefront().put(&format!("/v1/activities/{id}"), &body)
}

/// Puts a rule for who has spent so much, and waits until all customers are
/// judged by it.
fn put_rule(app: &App, code: &str, at_least: &str, grants: Value, enabled: bool) {
    let body = json!({
        "name": code, "profile": "big_spender", "grants": grants, "enabled": enabled,
        "conditions": [{"metric": "lifetime_spend", "at_least": at_least}],
    });
    let answer = app.client(Role::PlatformAdmin).put(&format!("/v1/rules/{code}"), &body);
    assert!(answer.status < 300, "{}", answer.text);
    rule_settled(app, code);
}

/// Waits until the pass over all customers is over that a rule made necessary.
fn rule_settled(app: &App, code: &str) {
    let client = app.client(Role::PlatformAdmin);
    for _ in 0..500 {
        let rule = client.get(&format!("/v1/rules/{code}")).expect(200).body;
        if rule["evaluating"] == false {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    panic!("the customers are not judged by rule {code}");
}

/// Runs SQL, for what no request can say.
fn sql(app: &App, text: String) {
    let job = app.db.write(move |tx| Ok::<_, Error>(tx.conn.batch_execute(&text)?));
    actix_web::rt::System::new().block_on(job).unwrap();
}

/// Says that a customer was a VIP in a stretch of the past.
fn was_vip(app: &App, customer: &str, from: &str, until: Option<&str>) {
    let from = instant(from).timestamp_micros();
    let until = until.map_or("NULL".to_owned(), |at| instant(at).timestamp_micros().to_string());
    let columns = "store_id, customer_id, from_at, until_at";
    let values = format!("'{STORE}', '{customer}', {from}, {until}");
    sql(app, format!("INSERT INTO designation_spans ({columns}) VALUES ({values})"));
}

/// A store in which each report has something to say: of `c1`, a VIP, or of
/// `c2`, who is none. Their names are formulas.
fn fill(app: &App) {
    for id in ["c1", "c2"] {
        customer(app, id, json!({"name": "=1+1"}));
    }
    app.order("o1", "c1", &hours_ago(50 * 24), "150.00").expect(201);
    app.order("o2", "c2", "2024-02-01T12:00:00Z", "600.00").expect(201);
    designate(app, "c1", json!({"tier": "gold", "since": "2021-03-15"}));
    was_vip(app, "c1", "2021-03-15T00:00:00Z", Some("2024-02-01T00:00:00Z"));
    let at = "2024-01-10T12:00:00Z";
    activity(app, "a1", "c1", "referral", at, json!({"referred_customer_id": "c2"}));
    activity(app, "a2", "c1", "survey", at, json!({"score": 2}));
}

on_both! {
    fn a_store_that_is_not_set_up_has_no_reports(app) {
        for path in REPORTS {
            for accept in ["application/json", "text/csv"] {
                let client = app.manager().with("accept", accept);
                let answer = client.get(&format!("/v1/reports/{path}"));
                answer.expect_problem(409, "store_not_set_up");
            }
        }
    }

    fn a_parameter_that_can_not_be_is_named(app) {
        app.set_up(json!({}));
        for path in REPORTS {
            assert_refused(app, &and(path, "bogus=1"), &["?bogus"]);
        }
        for (path, _) in LISTS {
            for (query, pointer) in [
                ("limit=0", "?limit"),
                ("limit=201", "?limit"),
                ("limit=ten", "?limit"),
                ("cursor=nonsense", "?cursor"),
            ] {
                assert_refused(app, &and(path, query), &[pointer]);
            }
        }
        for path in [
            "vip-share",
            "tiers",
            "retention",
            "satisfaction",
            "spend-concentration",
            "credit",
            "credit-movements",
        ] {
            assert_refused(app, &format!("{path}?limit=1&cursor=x"), &["?cursor", "?limit"]);
        }
        for path in ["vip-share", "tiers", "at-risk", "anniversaries", "credit"] {
            assert_refused(app, &format!("{path}?{SPAN}"), &["?from", "?to"]);
        }
        for path in OF_SPANS {
            for (query, pointer) in [
                ("from=then", "?from"),
                ("from=2024-02-30", "?from"),
                ("to=2024-06-01T10:00:00Z", "?to"),
                ("from=2024-06-01&to=2024-06-01", "?to"),
                ("from=2024-06-02&to=2024-06-01", "?to"),
            ] {
                assert_refused(app, &format!("{path}?{query}"), &[pointer]);
            }
        }
        let all = "referrals?to=then&from=2024-02-30&limit=0&bogus=1";
        assert_refused(app, all, &["?bogus", "?from", "?limit", "?to"]);
        let csv = app.manager().with("accept", "text/csv").get(&format!("/v1/reports/{all}"));
        csv.expect_problem(422, "invalid_request");
    }

    fn every_report_says_as_of_when_it_is(app) {
        app.set_up(json!({}));
        for path in REPORTS {
            let early = Utc::now() - Duration::milliseconds(1);
            let as_of = instant(report(app, path)["as_of"].as_str().unwrap());
            assert!((early..=Utc::now()).contains(&as_of), "{path}: {as_of}");
        }
    }

    fn a_span_is_of_whole_days_in_the_programs_zone(app) {
        app.set_up(json!({"time_zone": "Europe/London"}));
        for path in OF_SPANS {
            for (query, expected) in [
                (
                    "from=2024-07-01&to=2024-12-01",
                    ["2024-07-01", "2024-12-01", "2024-06-30T23:00:00Z", "2024-12-01T00:00:00Z"],
                ),
                // Without `from` it is a year, and 29 February has none before it.
                (
                    "to=2024-02-29",
                    ["2023-02-28", "2024-02-29", "2023-02-28T00:00:00Z", "2024-02-29T00:00:00Z"],
                ),
            ] {
                let body = report(app, &format!("{path}?{query}"));
                let fields = ["from", "to", "from_at", "to_at"];
                assert_eq!(fields.map(|field| cell(&body[field])), expected, "{path}?{query}");
                assert_eq!(body["time_zone"], "Europe/London", "{path}");
            }
        }
    }

    fn without_an_end_a_span_ends_with_today(app) {
        app.set_up(json!({"time_zone": "Pacific/Kiritimati"}));
        let from = (Utc::now() - Duration::days(100)).date_naive().to_string();
        for path in OF_SPANS {
            let read = || (report(app, &format!("{path}?from={from}")), report(app, path));
            let (today, (begun, bare)) = on_one_day(chrono_tz::Pacific::Kiritimati, read);
            let tomorrow = today.succ_opt().unwrap();
            assert_eq!(begun["from"], from, "{path}");
            assert_eq!(begun["to"], tomorrow.to_string(), "{path}");
            // A day begins there 14 hours before it does in Greenwich.
            assert_eq!(begun["to_at"], format!("{today}T10:00:00Z"), "{path}");
            if path != "spend-concentration" {
                assert_eq!(bare["from"], (tomorrow - Months::new(12)).to_string(), "{path}");
                assert_eq!(bare["to"], tomorrow.to_string(), "{path}");
            }
        }
    }

    fn a_report_is_of_its_own_store_alone(app) {
        app.set_up(json!({}));
        app.set_tiers(&[("silver", "100.00"), ("gold", "500.00")]);
        let other = neighbour(app, Role::Manager);
        let all = |client: &Client<'_>| {
            REPORTS.map(|path| {
                let mut body = client.get(&format!("/v1/reports/{path}")).expect(200).body;
                body["as_of"] = Value::Null;
                body
            })
        };
        let (ours, theirs) = (all(&app.manager()), all(&other));
        fill(app);
        assert_eq!(all(&other), theirs);
        for (now, before) in all(&app.manager()).iter().zip(&ours) {
            assert_ne!(now, before);
        }
    }

    fn no_name_is_run_as_a_formula(app) {
        app.set_up(json!({}));
        app.set_tiers(&[("silver", "100.00"), ("gold", "500.00")]);
        fill(app);
        for (path, list) in LISTS {
            assert_eq!(report(app, path)[list][0]["name"], "=1+1", "{path}");
            let (columns, rows) = table(app, path);
            let place = columns.iter().position(|column| column == "name").unwrap();
            assert_eq!(rows[0][place], "'=1+1", "{path}");
        }
    }

    fn those_with_the_same_figures_are_named_once_each(app) {
        app.set_up(json!({}));
        app.set_tiers(&[("gold", "500.00")]);
        for id in ["a", "B", "c", "D", "e"] {
            app.order(&format!("o-{id}"), id, &hours_ago(50 * 24), "10.00").expect(201);
            designate(app, id, json!({"tier": "gold", "since": "2021-03-15"}));
            let friend = format!("of-{id}");
            app.order(&friend, &friend, "2024-02-01T12:00:00Z", "10.00").expect(201);
            let referred = json!({"referred_customer_id": friend});
            activity(app, id, id, "referral", "2024-01-10T12:00:00Z", referred);
        }
        for (path, list) in LISTS {
            let found = walk(app, path, list, 2);
            assert_eq!(found, walk(app, path, list, 200), "{path}");
            let found = named(&found).replace("of-", "");
            let mut found: Vec<&str> = found.split(' ').collect();
            found.sort_unstable();
            assert_eq!(found, ["B", "D", "a", "c", "e"], "{path}");
        }
    }
}
