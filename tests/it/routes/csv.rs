//! The VIP list and the list of customers as CSV.

use super::{ids, neighbour};
use crate::support::*;
use accolade::api::auth::Role;
use chrono::{DateTime, Duration, SecondsFormat, Utc};
use serde_json::{Value, json};
use std::collections::BTreeMap;

const LISTS: [(&str, &str); 2] =
    [("/v1/designations", "designations"), ("/v1/customers", "customers")];
const NOON: &str = "2024-06-01T12:00:00Z";

/// A row by the names of its columns.
type Row = BTreeMap<String, String>;

/// A list as CSV: the names of its columns, and its rows.
fn table(app: &App, path: &str) -> (Vec<String>, Vec<Row>) {
    let answer = app.manager().with("accept", "text/csv").get(path).expect(200);
    assert_eq!(answer.headers["content-type"], "text/csv; charset=utf-8");
    let mut reader = ::csv::Reader::from_reader(answer.text.as_bytes());
    let names: Vec<String> = reader.headers().unwrap().iter().map(str::to_owned).collect();
    let mut rows = Vec::new();
    for record in reader.records() {
        let record = record.unwrap();
        let cells = record.iter().map(str::to_owned);
        rows.push(names.iter().cloned().zip(cells).collect::<Row>());
    }
    (names, rows)
}

/// The customers that a CSV names, in its order.
fn listed(app: &App, path: &str) -> Vec<String> {
    table(app, path).1.iter().map(|row| row["customer_id"].clone()).collect()
}

/// The one row of a customer.
fn row_of(app: &App, path: &str, id: &str) -> Row {
    let rows = table(app, &format!("{path}?q={id}")).1;
    assert_eq!(rows.len(), 1, "{id}: {rows:?}");
    rows.into_iter().next().unwrap()
}

/// Makes a VIP of somebody new.
fn vip(app: &App, id: &str, profile: Value, designation: Value) {
    app.storefront().put(&format!("/v1/customers/{id}"), &profile).expect(201);
    app.manager().put(&format!("/v1/customers/{id}/designation"), &designation).expect(201);
}

/// Whether a spreadsheet takes a cell for a text or a number, and never for a formula.
fn is_harmless(cell: &str) -> bool {
    let digits = cell.strip_prefix('-').unwrap_or(cell);
    let is_number = !digits.is_empty()
        && digits.chars().all(|c| c.is_ascii_digit() || c == '.')
        && digits.matches('.').count() <= 1;
    is_number || !cell.starts_with(['=', '+', '-', '@', '\t', '\r'])
}

/// 620 customers, more than any page has, who are VIPs since they reached gold.
fn set_up_many(app: &App) -> Vec<String> {
    app.set_up(json!({}));
    let mut tiers = ladder(&[("gold", "100.00")]);
    tiers["tiers"][0]["designates"] = json!(true);
    app.client(Role::PlatformAdmin).put("/v1/tiers", &tiers).expect(200);
    let all: Vec<String> = (0..620).map(|i| format!("c{i:03}")).collect();
    let line = |id: &String| {
        let mut order = order(id, NOON, "100.00");
        order["order_id"] = json!(id);
        json!({"order": order})
    };
    let lines: Vec<Value> = all.iter().map(line).collect();
    let answer = app.storefront().post_lines("/v1/facts", &lines).expect(200);
    assert_eq!(answer.body["created"], 620);
    all
}

/// An instant in whole seconds, as answers state it.
fn text(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Secs, true)
}

on_both! {
    fn the_vip_list_has_these_columns(app) {
        app.set_up(json!({}));
        app.set_tiers(&[("silver", "100.00"), ("gold", "500.00")]);
        for code in ["care", "post"] {
            let body = json!({"name": code, "kind": "other"});
            app.admin().put(&format!("/v1/benefits/{code}"), &body).expect(201);
        }
        let cancelled = Utc::now() - Duration::hours(1);
        let (cancelled_at, grace_until) = (text(cancelled), text(cancelled + Duration::days(90)));
        let ordered_at = text(Utc::now() - Duration::hours(2));
        let ends_at = text(Utc::now() + Duration::days(30));
        vip(
            app,
            "c1",
            json!({
                "name": "Zoë Ångström", "email": "zoe@example.com",
                "subscription": {
                    "monthly_amount": "19.90", "state": "cancelled", "cancelled_at": cancelled_at,
                },
            }),
            json!({
                "tier": "gold", "since": "2024-06-01", "benefits": ["care", "post"],
                "notes": "a secret of the staff", "profile": "advocate", "priority": "high",
                "team": "north", "assigned_to": "eve", "ends_at": ends_at,
            }),
        );
        app.order("o1", "c1", &ordered_at, "1250.00").expect(201);
        let (names, rows) = table(app, "/v1/designations");
        let expected = [
            "customer_id", "name", "email", "status", "state", "tier", "since", "lifetime_spend",
            "monthly_subscription", "last_order_at", "benefits", "stage", "profile", "priority",
            "team", "assigned_to", "ends_at", "grace_until",
        ];
        assert_eq!(names, expected);
        assert_eq!(rows.len(), 1);
        for (column, value) in [
            ("customer_id", "c1"),
            ("name", "Zoë Ångström"),
            ("email", "zoe@example.com"),
            ("status", "vip"),
            ("state", "active"),
            ("tier", "gold"),
            ("since", "2024-06-01"),
            ("lifetime_spend", "1250.00"),
            ("monthly_subscription", "19.90"),
            ("last_order_at", ordered_at.as_str()),
            ("stage", "win_back"),
            ("profile", "advocate"),
            ("priority", "high"),
            ("team", "north"),
            ("assigned_to", "eve"),
            ("ends_at", ends_at.as_str()),
            ("grace_until", grace_until.as_str()),
        ] {
            assert_eq!(rows[0][column], value, "{column}");
        }
        let mut benefits: Vec<&str> = rows[0]["benefits"].split("; ").collect();
        benefits.sort_unstable();
        assert_eq!(benefits, ["care", "post"]);
        let whole = app.manager().with("accept", "text/csv").get("/v1/designations").text;
        assert!(!whole.contains("a secret of the staff"), "{whole}");
    }

    fn what_is_not_known_is_an_empty_cell(app) {
        app.set_up(json!({}));
        vip(app, "c1", json!({}), json!({}));
        let row = row_of(app, "/v1/designations", "c1");
        for column in [
            "name", "email", "tier", "monthly_subscription", "last_order_at", "benefits", "profile",
            "assigned_to", "ends_at", "grace_until",
        ] {
            assert_eq!(row[column], "", "{column}");
        }
        let row = row_of(app, "/v1/customers", "c1");
        assert_eq!((row["name"].as_str(), row["email"].as_str()), ("", ""));
    }

    fn the_list_of_customers_has_their_addresses_and_figures(app) {
        app.set_up(json!({}));
        let body = json!({"name": "Zoë Ångström", "email": "zoe@example.com"});
        app.storefront().put("/v1/customers/c1", &body).expect(201);
        app.order("o1", "c1", NOON, "1250.00").expect(201);
        let row = row_of(app, "/v1/customers", "c1");
        for (column, value) in [
            ("customer_id", "c1"),
            ("name", "Zoë Ångström"),
            ("email", "zoe@example.com"),
            ("status", "active"),
            ("lifetime_spend", "1250.00"),
            ("last_order_at", NOON),
        ] {
            assert_eq!(row[column], value, "{column}");
        }
    }

    fn the_whole_list_comes_however_many_there_are(app) {
        let all = set_up_many(app);
        for (path, list) in LISTS {
            let page = app.manager().get(&format!("{path}?limit=200")).expect(200).body;
            assert_eq!(page[list].as_array().unwrap().len(), 200, "{path}");
            assert!(page["next_cursor"].is_string(), "{path}");
            assert_eq!(listed(app, path), all, "{path}");
            let mut back = all.clone();
            back.reverse();
            assert_eq!(listed(app, &format!("{path}?sort=-customer_id")), back, "{path}");
        }
    }

    fn limit_and_cursor_change_nothing_of_it(app) {
        app.set_up(json!({}));
        let all = ["c1", "c2", "c3", "c4", "c5"];
        for id in all {
            vip(app, id, json!({}), json!({}));
        }
        for (path, _) in LISTS {
            let page = app.manager().get(&format!("{path}?limit=2")).expect(200).body;
            let cursor = page["next_cursor"].as_str().unwrap();
            for query in ["limit=2".to_owned(), format!("limit=2&cursor={cursor}"), format!("cursor={cursor}")] {
                assert_eq!(listed(app, &format!("{path}?{query}")), all, "{path}?{query}");
            }
        }
    }

    fn filters_and_sorts_are_those_of_the_list(app) {
        app.set_up(json!({}));
        app.set_tiers(&[("silver", "100.00"), ("gold", "500.00")]);
        vip(app, "c1", json!({"name": "Ada Byron"}), json!({"tier": "gold", "since": "2021-03-15"}));
        vip(app, "c2", json!({"name": "Émile"}), json!({"since": "2022-03-31", "state": "paused"}));
        vip(app, "c3", json!({"name": "Bob Byron"}), json!({"tier": "silver", "since": "2023-11-30"}));
        vip(app, "gone", json!({"name": "Gone Byron"}), json!({"tier": "gold", "since": "2021-03-15"}));
        app.admin().delete("/v1/customers/gone").expect(204);
        app.storefront().put("/v1/customers/n1", &json!({"name": "Nobody"})).expect(201);
        for query in [
            "", "state=active", "state=paused", "tier=gold", "q=EMILE", "q=byron", "since_from=2022-03-31",
            "anniversary_month=3", "anniversary_month=3&state=active", "sort=-since", "sort=name",
            "tier=platinum",
        ] {
            let path = format!("/v1/designations?{query}");
            let body = app.manager().get(&path).expect(200).body;
            assert_eq!(listed(app, &path), ids(&body, "designations", "customer_id"), "{query}");
        }
        assert_eq!(listed(app, "/v1/designations?anniversary_month=3"), ["c1", "c2"]);
        for query in ["", "q=byron", "vip=true", "vip=false", "status=vip", "sort=-name", "sort=-status"] {
            let path = format!("/v1/customers?{query}");
            let body = app.manager().get(&path).expect(200).body;
            assert_eq!(listed(app, &path), ids(&body, "customers", "customer_id"), "{query}");
        }
        assert_eq!(listed(app, "/v1/customers?vip=true"), ["c1", "c3"]);
    }

    fn no_text_is_run_as_a_formula(app) {
        app.set_up(json!({}));
        for (i, (name, cell)) in [
            ("=1+1", "'=1+1"),
            ("=HYPERLINK(\"http://x.example\",\"y\")", "'=HYPERLINK(\"http://x.example\",\"y\")"),
            ("+cmd", "'+cmd"),
            ("+cmd|' /C calc'!A0", "'+cmd|' /C calc'!A0"),
            ("@SUM(A1)", "'@SUM(A1)"),
            ("-2+3", "'-2+3"),
            ("-", "'-"),
            ("--5", "'--5"),
            ("-5.00 GBP", "'-5.00 GBP"),
            ("-5.0.0", "'-5.0.0"),
            // A number is no formula.
            ("-5.00", "-5.00"),
            ("-5", "-5"),
            ("5.00", "5.00"),
            // Nor is what begins with anything else.
            ("Smith, \"Jo\"", "Smith, \"Jo\""),
            ("\"quoted\"", "\"quoted\""),
            ("O'Brien", "O'Brien"),
            ("a=1+1", "a=1+1"),
            ("a@b", "a@b"),
            ("a;b", "a;b"),
        ]
        .iter()
        .enumerate()
        {
            let id = format!("c{i:02}");
            vip(app, &id, json!({"name": name}), json!({}));
            for (path, _) in LISTS {
                assert_eq!(row_of(app, path, &id)["name"], *cell, "{path}: {name}");
            }
            // The list itself says it as it is.
            let list = app.manager().get(&format!("/v1/designations?q={id}")).expect(200).body;
            assert_eq!(list["designations"][0]["name"], *name);
        }
        for name in ["\tcmd", "\r=1+1", "a\nb"] {
            let answer = app.storefront().put("/v1/customers/tab", &json!({"name": name}));
            assert_eq!(answer.expect_problem(422, "invalid_request").pointers(), ["/name"]);
        }
    }

    fn every_column_of_text_is_guarded(app) {
        app.set_up(json!({}));
        app.set_tiers(&[("-gold", "500.00")]);
        for code in ["-a", "-1"] {
            let body = json!({"name": "=1+1", "kind": "other"});
            app.admin().put(&format!("/v1/benefits/{code}"), &body).expect(201);
        }
        let profile = |email: &str| json!({
            "name": "=1+1", "email": email, "preferred_channel": "+44",
            "tags": ["=1+1", "@SUM(A1)", "-2+3", "a, \"b\""],
            "subscription": {"monthly_amount": "0.00", "state": "active"},
        });
        let designation = json!({
            "tier": "-gold", "benefits": ["-a"], "team": "=1+1", "assigned_to": "-eve", "notes": "=1+1",
        });
        vip(app, "-1-2", profile("=cmd@example.com"), designation);
        vip(app, "c2", profile("-2+3@example.com"), json!({"benefits": ["-1"]}));
        vip(app, "c3", profile("+x@example.com"), json!({"benefits": ["-1", "-a"]}));
        let rows = table(app, "/v1/designations").1;
        for (column, value) in [
            ("customer_id", "'-1-2"),
            ("email", "'=cmd@example.com"),
            ("tier", "'-gold"),
            ("benefits", "'-a"),
            ("team", "'=1+1"),
            ("assigned_to", "'-eve"),
            ("lifetime_spend", "0.00"),
            ("monthly_subscription", "0.00"),
        ] {
            assert_eq!(rows[0][column], value, "{column}");
        }
        assert_eq!((rows[1]["email"].as_str(), rows[1]["benefits"].as_str()), ("'-2+3@example.com", "-1"));
        assert_eq!(rows[2]["email"], "'+x@example.com");
        assert!(["'-1; '-a", "'-a; '-1"].contains(&rows[2]["benefits"].as_str()), "{:?}", rows[2]);
        for (path, _) in LISTS {
            for row in table(app, path).1 {
                for (column, cell) in row {
                    assert!(is_harmless(&cell), "{path} {column}: {cell:?}");
                }
            }
        }
    }

    fn who_does_not_ask_for_csv_gets_json(app) {
        app.set_up(json!({}));
        vip(app, "c1", json!({}), json!({}));
        for (path, list) in LISTS {
            for accept in ["*/*", "application/json"] {
                let answer = app.manager().with("accept", accept).get(path).expect(200);
                assert_eq!(answer.headers["content-type"], "application/json", "{path} {accept}");
                assert_eq!(ids(&answer.body, list, "customer_id"), ["c1"]);
            }
        }
    }

    fn what_is_refused_is_a_problem_as_ever(app) {
        app.set_up(json!({}));
        for (path, _) in LISTS {
            let client = app.manager().with("accept", "text/csv");
            let answer = client.get(&format!("{path}?sort=age&bogus=1"));
            let answer = answer.expect_problem(422, "invalid_request");
            assert_eq!(answer.pointers(), ["?bogus", "?sort"], "{path}");
            let nobody = app.storefront().with("accept", "text/csv").get(path);
            nobody.expect_problem(403, "forbidden");
        }
    }

    fn a_csv_shows_its_own_store_only(app) {
        app.set_up(json!({}));
        vip(app, "c1", json!({}), json!({}));
        let other = neighbour(app, Role::Manager).with("accept", "text/csv");
        for (path, _) in LISTS {
            let answer = other.get(path).expect(200);
            assert_eq!(answer.text.trim_end().lines().count(), 1, "only the columns: {}", answer.text);
        }
    }
}
