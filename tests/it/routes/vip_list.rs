//! The VIP list, and statuses in the lists of customers and orders.

use super::{assert_paging_rules, ids, neighbour, paged};
use crate::support::*;
use accolade::api::auth::Role;
use chrono::{DateTime, Days, Duration, Months, NaiveDate, SecondsFormat, Utc};
use serde_json::{Value, json};

const LIST: &str = "/v1/designations";
const NOON: &str = "2024-06-01T12:00:00Z";

/// An instant as answers state it, in whole seconds.
fn text(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Secs, true)
}

/// The instant that many hours ago, in whole seconds.
fn hours_ago(hours: i64) -> String {
    text(Utc::now() - Duration::hours(hours))
}

/// Sends a customer of whom nothing is known yet.
fn customer(app: &App, id: &str, body: Value) {
    app.storefront().put(&format!("/v1/customers/{id}"), &body).expect(201);
}

/// Makes a customer a VIP who was none.
fn designate(app: &App, id: &str, body: Value) {
    app.manager().put(&format!("/v1/customers/{id}/designation"), &body).expect(201);
}

fn change_designation(app: &App, id: &str, body: Value) {
    app.manager().patch(&format!("/v1/customers/{id}/designation"), &body).expect(200);
}

fn remove(app: &App, id: &str) {
    let body = json!({"reason": "other", "confirm": true});
    app.manager().post(&format!("/v1/customers/{id}/designation/removal"), &body).expect(200);
}

fn flag(app: &App, id: &str, status: &str) {
    let body = json!({"status": status, "note": "as agreed"});
    app.support().put(&format!("/v1/customers/{id}/status"), &body).expect(200);
}

/// The customers that a list names, in its order.
fn listed(app: &App, path: &str) -> String {
    let body = app.manager().get(path).expect(200).body;
    let list = if path.starts_with(LIST) { "designations" } else { "customers" };
    ids(&body, list, "customer_id").join(" ")
}

/// A customer's one row of the VIP list.
fn row(app: &App, id: &str) -> Value {
    let body = app.manager().get(&format!("{LIST}?q={id}")).expect(200).body;
    assert_eq!(ids(&body, "designations", "customer_id"), [id]);
    body["designations"][0].clone()
}

/// Insists on fields of an object.
#[track_caller]
fn assert_fields(object: &Value, fields: Value) {
    for (field, value) in fields.as_object().unwrap() {
        assert_eq!(&object[field], value, "{field} of {object}");
    }
}

/// Five designations that differ in everything, one that was erased, and
/// somebody who never was a VIP.
fn set_up_five(app: &App) {
    app.set_up(json!({}));
    app.set_tiers(&[("silver", "100.00"), ("gold", "500.00")]);
    let day = 24;
    for (id, profile, hours, total) in [
        ("v1", json!({"name": "Zoë Ångström", "email": "zoe@example.com"}), 10 * day + 1, "600.00"),
        ("v2", json!({"name": "adam byron"}), 46 * day + 1, "150.00"),
        ("v3", json!({"name": "Émile", "email": "Emile@Byron.example"}), 44 * day, "20.00"),
        ("v4", json!({"name": "Aaron"}), 45 * day + 1, "30.00"),
        ("v5", json!({"name": "Bob_%"}), 45 * day - 1, "500.00"),
        ("gone", json!({"name": "Zoe Gone"}), 50 * day, "600.00"),
        ("n1", json!({"name": "Zoe Nobody"}), 50 * day, "600.00"),
    ] {
        customer(app, id, profile);
        app.order(&format!("o-{id}"), id, &hours_ago(hours), total).expect(201);
    }
    for (id, body) in [
        (
            "v1",
            json!({
                "tier": "gold", "since": "2021-03-15", "profile": "big_spender", "assigned_to": "eve",
            }),
        ),
        (
            "v2",
            json!({
                "tier": "silver", "since": "2021-03-16", "profile": "partner", "assigned_to": "max",
            }),
        ),
        ("v3", json!({"since": "2022-11-30", "state": "paused"})),
        ("v4", json!({"since": "2023-12-01"})),
        ("v5", json!({"since": "2024-02-29", "profile": "partner"})),
        ("gone", json!({"tier": "gold", "since": "2021-03-15", "profile": "partner"})),
    ] {
        designate(app, id, body);
    }
    remove(app, "v4");
    flag(app, "v5", "caution");
    app.admin().delete("/v1/customers/gone").expect(204);
}

/// A VIP who joined and was designated on the same day, and ordered an hour ago.
fn vip_since(app: &App, id: &str, since: NaiveDate) {
    customer(app, id, json!({"joined_at": format!("{since}T00:00:00Z")}));
    app.order(&format!("o-{id}"), id, &hours_ago(1), "1.00").expect(201);
    designate(app, id, json!({"since": since}));
}

/// Customers of each status: c1 and c7 active, c2 a VIP, c3 and c5 under
/// caution, of whom c5 is a VIP, c4 not to be served, c6 a paused VIP. c7 was
/// one once.
fn set_up_statuses(app: &App) {
    app.set_up(json!({}));
    for (i, id) in ["c1", "c2", "c3", "c4", "c5", "c6", "c7"].iter().enumerate() {
        app.order(&format!("o{}", i + 1), id, &format!("2024-06-0{}T12:00:00Z", i + 1), "10.00")
            .expect(201);
    }
    designate(app, "c2", json!({}));
    designate(app, "c5", json!({}));
    designate(app, "c6", json!({"state": "paused"}));
    designate(app, "c7", json!({}));
    remove(app, "c7");
    flag(app, "c3", "caution");
    flag(app, "c4", "do_not_serve");
    flag(app, "c5", "caution");
}

/// A row with its benefits in the order of their codes.
fn in_order(mut row: Value) -> Value {
    let benefits = row["benefits"].as_array_mut().unwrap();
    benefits.sort_by_key(|code| code.as_str().unwrap().to_owned());
    row
}

on_both! {
    fn a_row_says_all_that_the_vip_page_shows(app) {
        app.set_up(json!({}));
        let admin = app.admin();
        for (code, kind) in [("care", "packing"), ("gift", "gift"), ("post", "free_shipping")] {
            let body = json!({"name": code, "kind": kind});
            admin.put(&format!("/v1/benefits/{code}"), &body).expect(201);
        }
        let mut tiers = ladder(&[("bronze", "0"), ("silver", "100.00"), ("gold", "500.00")]);
        tiers["tiers"][2]["benefits"] = json!(["gift", "post"]);
        tiers["tiers"][2]["icon"] = json!("gold");
        admin.put("/v1/tiers", &tiers).expect(200);
        let since = Utc::now().date_naive() - Months::new(8);
        customer(app, "c1", json!({
            "name": "Zoë Ångström", "email": "zoe@example.com", "joined_at": format!("{since}T00:00:00Z"),
            "subscription": {"monthly_amount": "19.9", "state": "active"},
        }));
        let (ordered_at, ends_at) = (hours_ago(24), text(Utc::now() + Duration::days(30)));
        app.order("o1", "c1", &ordered_at, "150.00").expect(201);
        designate(app, "c1", json!({
            "tier": "gold", "since": since, "benefits": ["care"], "benefits_dropped": ["gift"],
            "notes": "likes blue", "profile": "advocate", "priority": "high", "team": "north",
            "assigned_to": "eve", "ends_at": ends_at,
        }));
        let body = app.manager().get(LIST).expect(200).body;
        let mut expected = json!({
            "customer_id": "c1", "name": "Zoë Ångström", "email": "zoe@example.com",
            "status": "vip", "state": "active",
            "tier": {"code": "gold", "name": "Gold", "rank": 3, "icon": "gold"},
            "since": since, "lifetime_spend": "150.00", "monthly_subscription": "19.90",
            "last_order_at": ordered_at, "benefits": ["care", "post"], "stage": "designation",
            "profile": "advocate", "priority": "high", "team": "north", "assigned_to": "eve",
            "ends_at": ends_at, "grace_until": null,
        });
        assert_eq!(body["designations"].as_array().unwrap().len(), 1);
        assert_eq!(in_order(body["designations"][0].clone()), expected);
        assert_eq!(body["recalculating"], false);
        assert_eq!(body["next_cursor"], Value::Null);

        // It is the same row, changed, after a change.
        change_designation(app, "c1", json!({"benefits_dropped": [], "priority": "urgent", "ends_at": null}));
        flag(app, "c1", "caution");
        app.refund("r1", "o1", &hours_ago(1), "50.01").expect(201);
        for (field, value) in [
            ("benefits", json!(["care", "gift", "post"])),
            ("priority", json!("urgent")),
            ("ends_at", Value::Null),
            ("status", json!("caution")),
            ("lifetime_spend", json!("99.99")),
        ] {
            expected[field] = value;
        }
        assert_eq!(in_order(row(app, "c1")), expected);
    }

    fn what_is_not_known_of_a_vip_is_null(app) {
        app.set_up(json!({}));
        customer(app, "c1", json!({}));
        designate(app, "c1", json!({"since": "2024-06-01"}));
        assert_fields(&row(app, "c1"), json!({
            "customer_id": "c1", "name": null, "email": null, "status": "vip", "state": "active",
            "tier": null, "since": "2024-06-01", "lifetime_spend": "0.00",
            "monthly_subscription": null, "last_order_at": null, "benefits": [], "profile": null,
            "assigned_to": null, "ends_at": null, "grace_until": null,
        }));
    }

    fn the_higher_tier_of_membership_and_designation_is_listed(app) {
        app.set_up(json!({}));
        app.set_tiers(&[("silver", "100.00"), ("gold", "500.00")]);
        for (id, total, designation) in [
            ("earned", "500.00", json!({"tier": "silver"})),
            ("granted", "100.00", json!({"tier": "gold"})),
            ("either", "100.00", json!({})),
        ] {
            app.order(id, id, NOON, total).expect(201);
            designate(app, id, designation);
        }
        for (id, code) in [("earned", "gold"), ("granted", "gold"), ("either", "silver")] {
            assert_eq!(row(app, id)["tier"]["code"], code, "{id}");
        }
        assert_eq!(row(app, "either")["tier"]["icon"], "star");
        assert_eq!(listed(app, &format!("{LIST}?tier=gold")), "earned granted");
        assert_eq!(listed(app, &format!("{LIST}?tier=silver")), "either");
    }

    fn the_list_is_narrowed_down(app) {
        set_up_five(app);
        for (query, found) in [
            ("", "v1 v2 v3 v4 v5"),
            ("tier=gold", "v1 v5"),
            ("tier=silver", "v2"),
            ("tier=platinum", ""),
            ("state=active", "v1 v2 v5"),
            ("state=paused", "v3"),
            ("state=cancelled", "v4"),
            ("q=zoe", "v1"),
            ("q=ANGSTROM", "v1"),
            ("q=%C3%85ngstr%C3%B6m", "v1"),
            ("q=zoe%40example", "v1"),
            ("q=byron", "v2 v3"),
            ("q=%C3%89MILE", "v3"),
            ("q=V4", "v4"),
            ("q=%25", "v5"),
            ("q=_", "v5"),
            ("q=nobody", ""),
            ("q=gone", ""),
            ("since_from=2021-03-15", "v1 v2 v3 v4 v5"),
            ("since_from=2021-03-16", "v2 v3 v4 v5"),
            ("since_from=2024-02-29", "v5"),
            ("since_from=2024-03-01", ""),
            ("since_to=2021-03-14", ""),
            ("since_to=2021-03-15", "v1"),
            ("since_to=2024-02-28", "v1 v2 v3 v4"),
            ("since_to=2024-02-29", "v1 v2 v3 v4 v5"),
            ("since_from=2021-03-16&since_to=2022-11-30", "v2 v3"),
            ("since_from=2021-03-15&since_to=2021-03-15", "v1"),
            ("anniversary_month=1", ""),
            ("anniversary_month=2", "v5"),
            ("anniversary_month=3", "v1 v2"),
            ("anniversary_month=4", ""),
            ("anniversary_month=11", "v3"),
            ("anniversary_month=12", "v4"),
            ("idle_days=10", "v1 v2 v3 v4 v5"),
            ("idle_days=11", "v2 v3 v4 v5"),
            ("idle_days=44", "v2 v3 v4 v5"),
            ("idle_days=45", "v2 v4"),
            ("idle_days=46", "v2"),
            ("idle_days=47", ""),
            ("idle_days=36500", ""),
            ("profile=partner", "v2 v5"),
            ("profile=big_spender", "v1"),
            ("profile=advocate", ""),
            ("assigned_to=eve", "v1"),
            ("assigned_to=max", "v2"),
            ("assigned_to=ev", ""),
            ("state=active&tier=gold&q=bob&profile=partner&since_from=2024-01-01", "v5"),
            ("state=active&tier=gold&q=bob&profile=partner&since_from=2024-03-01", ""),
            ("state=active&idle_days=45", "v2"),
        ] {
            assert_eq!(listed(app, &format!("{LIST}?{query}")), found, "{query}");
        }
        // The words in the rows are those of the filters.
        for (id, status, state) in [
            ("v1", "vip", "active"),
            ("v3", "active", "paused"),
            ("v4", "active", "cancelled"),
            ("v5", "caution", "active"),
        ] {
            assert_fields(&row(app, id), json!({"status": status, "state": state}));
        }
    }

    fn the_list_is_sorted_both_ways(app) {
        set_up_five(app);
        let client = app.manager();
        assert_eq!(listed(app, LIST), "v1 v2 v3 v4 v5");
        for (sort, order) in [
            ("customer_id", ["v1", "v2", "v3", "v4", "v5"]),
            ("name", ["v4", "v2", "v5", "v3", "v1"]),
            ("since", ["v1", "v2", "v3", "v4", "v5"]),
            ("lifetime_spend", ["v3", "v4", "v2", "v5", "v1"]),
            ("last_order_at", ["v2", "v4", "v5", "v3", "v1"]),
        ] {
            let mut back = order;
            back.reverse();
            for (sort, order) in [(sort.to_owned(), order), (format!("-{sort}"), back)] {
                let path = format!("{LIST}?sort={sort}");
                assert_eq!(listed(app, &path), order.join(" "), "{sort}");
                assert_eq!(paged(&client, &path, "designations", "customer_id"), order, "{sort}");
            }
        }
        let path = format!("{LIST}?state=active&sort=-lifetime_spend");
        assert_eq!(paged(&client, &path, "designations", "customer_id"), ["v1", "v5", "v2"]);
    }

    fn pages_name_those_with_the_same_key_once(app) {
        app.set_up(json!({}));
        for id in ["a", "B", "c", "D", "e"] {
            customer(app, id, json!({"name": "Same"}));
            app.order(&format!("o-{id}"), id, NOON, "10.00").expect(201);
            designate(app, id, json!({"since": "2024-06-01"}));
        }
        let client = app.manager();
        // Identifiers compare as bytes.
        assert_eq!(paged(&client, LIST, "designations", "customer_id"), ["B", "D", "a", "c", "e"]);
        for sort in ["customer_id", "name", "since", "lifetime_spend", "last_order_at"] {
            for sort in [sort.to_owned(), format!("-{sort}")] {
                let path = format!("{LIST}?sort={sort}");
                let pages = paged(&client, &path, "designations", "customer_id");
                assert_eq!(pages.join(" "), listed(app, &path), "{sort}");
                let mut sorted = pages;
                sorted.sort();
                assert_eq!(sorted, ["B", "D", "a", "c", "e"], "{sort}");
            }
        }
    }

    fn stages_change_after_six_twelve_and_thirty_six_months(app) {
        app.set_up(json!({}));
        let today = Utc::now().date_naive();
        let (days, months) = (Days::new(2), |count| today - Months::new(count));
        for (id, since, stage) in [
            ("c1", today - days, "identification"),
            ("c2", months(6) + days, "identification"),
            ("c3", months(6) - days, "designation"),
            ("c4", months(12) + days, "designation"),
            ("c5", months(12) - days, "engagement"),
            ("c6", months(36) + days, "engagement"),
            ("c7", months(36) - days, "retention"),
        ] {
            vip_since(app, id, since);
            assert_fields(&row(app, id), json!({"since": since, "stage": stage}));
        }
        for (stage, found) in [
            ("identification", "c1 c2"),
            ("designation", "c3 c4"),
            ("engagement", "c5 c6"),
            ("retention", "c7"),
            ("win_back", ""),
        ] {
            assert_eq!(listed(app, &format!("{LIST}?stage={stage}")), found, "{stage}");
            assert_eq!(listed(app, &format!("/v1/customers?stage={stage}")), found, "{stage}");
        }
    }

    fn who_cancelled_or_is_idle_for_45_days_is_to_be_won_back(app) {
        app.set_up(json!({}));
        let since = Utc::now().date_naive() - Months::new(8);
        for (id, hours) in [("c1", 1), ("c2", 45 * 24 - 1), ("c3", 45 * 24 + 1), ("c4", 1)] {
            customer(app, id, json!({"joined_at": format!("{since}T00:00:00Z")}));
            app.order(&format!("o-{id}"), id, &hours_ago(hours), "1.00").expect(201);
            designate(app, id, json!({"since": since}));
        }
        let subscription = |state: &str, cancelled_at: Option<&str>| {
            let body = json!({"subscription": {
                "monthly_amount": "10.00", "state": state, "cancelled_at": cancelled_at,
            }});
            app.storefront().patch("/v1/customers/c4", &body).expect(200);
        };
        let cancelled_at = Utc::now() - Duration::hours(24);
        subscription("cancelled", Some(&text(cancelled_at)));
        assert_fields(&row(app, "c4"), json!({
            "state": "active", "status": "vip", "stage": "win_back", "monthly_subscription": "10.00",
            "grace_until": text(cancelled_at + Duration::days(90)),
        }));
        for list in [LIST, "/v1/customers"] {
            assert_eq!(listed(app, &format!("{list}?stage=win_back")), "c3 c4", "{list}");
            assert_eq!(listed(app, &format!("{list}?stage=designation")), "c1 c2", "{list}");
        }
        for id in ["c1", "c2", "c3"] {
            assert_eq!(row(app, id)["grace_until"], Value::Null, "{id}");
        }
        // A new order, and a subscription that runs again, win them back.
        app.order("new", "c3", &hours_ago(1), "1.00").expect(201);
        subscription("active", None);
        assert_fields(&row(app, "c4"), json!({"stage": "designation", "grace_until": null}));
        for list in [LIST, "/v1/customers"] {
            assert_eq!(listed(app, &format!("{list}?stage=win_back")), "", "{list}");
            assert_eq!(listed(app, &format!("{list}?stage=designation")), "c1 c2 c3 c4", "{list}");
        }
    }

    fn the_paused_and_the_ended_are_listed_as_such_and_the_erased_not_at_all(app) {
        app.set_up(json!({}));
        customer(app, "c1", json!({"name": "Ada"}));
        designate(app, "c1", json!({"since": "2024-06-01"}));
        let expect = |state: &str, status: &str| {
            assert_fields(&row(app, "c1"), json!({"state": state, "status": status, "since": "2024-06-01"}));
            for word in ["active", "paused", "cancelled"] {
                let found = if word == state { "c1" } else { "" };
                assert_eq!(listed(app, &format!("{LIST}?state={word}")), found, "{word}");
            }
            let found = if state == "active" { "c1" } else { "" };
            assert_eq!(listed(app, "/v1/customers?vip=true"), found);
        };
        expect("active", "vip");
        change_designation(app, "c1", json!({"state": "paused"}));
        expect("paused", "active");
        change_designation(app, "c1", json!({"state": "active"}));
        expect("active", "vip");
        remove(app, "c1");
        expect("cancelled", "active");
        designate(app, "c1", json!({"since": "2024-06-01"}));
        expect("active", "vip");
        app.admin().delete("/v1/customers/c1").expect(204);
        for query in ["", "?state=active", "?state=cancelled", "?q=c1", "?q=ada", "?sort=-since"] {
            assert_eq!(listed(app, &format!("{LIST}{query}")), "", "{query}");
        }
        assert_eq!(listed(app, "/v1/customers?vip=true"), "");
    }

    fn every_list_knows_the_instant_at_which_a_designation_ends(app) {
        app.set_up(json!({}));
        customer(app, "c1", json!({}));
        customer(app, "c2", json!({}));
        let ends_at = Utc::now() + Duration::seconds(3);
        designate(app, "c1", json!({"since": "2024-06-01", "ends_at": ends_at}));
        designate(app, "c2", json!({"since": "2024-06-01"}));
        app.order("o1", "c1", NOON, "1.00").expect(201);
        let orders = || {
            let body = app.manager().get("/v1/orders?customer_status=vip").expect(200).body;
            ids(&body, "orders", "order_id").join(" ")
        };
        let all = || {
            [
                listed(app, &format!("{LIST}?state=active")),
                listed(app, &format!("{LIST}?state=cancelled")),
                listed(app, "/v1/customers?vip=true"),
                listed(app, "/v1/customers?vip=false"),
                listed(app, "/v1/customers?status=vip"),
                listed(app, "/v1/customers?status=active"),
                row(app, "c1")["state"].as_str().unwrap().to_owned(),
                row(app, "c1")["status"].as_str().unwrap().to_owned(),
                orders(),
            ]
        };
        loop {
            let began = Utc::now();
            let answers = all();
            if Utc::now() < ends_at {
                assert_eq!(answers, ["c1 c2", "", "c1 c2", "", "c1 c2", "", "active", "vip", "o1"]);
            }
            if began >= ends_at {
                assert_eq!(answers, ["c2", "c1", "c2", "c1", "c2", "c1", "cancelled", "active", ""]);
                return;
            }
        }
    }

    fn the_list_refuses_what_it_does_not_know(app) {
        app.set_up(json!({}));
        let client = app.manager();
        assert_paging_rules(&client, LIST);
        for (query, pointer) in [
            ("tier=a%20b", "?tier"),
            ("state=lost", "?state"),
            ("state=vip", "?state"),
            ("since_from=then", "?since_from"),
            ("since_from=2024-02-30", "?since_from"),
            ("since_to=2024-06-01T10:00:00Z", "?since_to"),
            ("anniversary_month=0", "?anniversary_month"),
            ("anniversary_month=13", "?anniversary_month"),
            ("anniversary_month=march", "?anniversary_month"),
            ("idle_days=0", "?idle_days"),
            ("idle_days=36501", "?idle_days"),
            ("idle_days=1.5", "?idle_days"),
            ("stage=lost", "?stage"),
            ("profile=lost", "?profile"),
            ("sort=age", "?sort"),
            ("sort=-state", "?sort"),
        ] {
            let answer = client.get(&format!("{LIST}?{query}"));
            let answer = answer.expect_problem(422, "invalid_request");
            assert_eq!(answer.pointers(), [pointer], "{query}");
        }
        let answer = client.get(&format!("{LIST}?sort=age&limit=0&bogus=1&anniversary_month=13"));
        let answer = answer.expect_problem(422, "invalid_request");
        assert_eq!(answer.pointers(), ["?anniversary_month", "?bogus", "?limit", "?sort"]);
        for (path, query, pointer) in [
            ("/v1/customers", "status=lost", "?status"),
            ("/v1/customers", "vip=maybe", "?vip"),
            ("/v1/customers", "stage=lost", "?stage"),
            ("/v1/customers", "sort=colour", "?sort"),
            ("/v1/orders", "customer_status=lost", "?customer_status"),
            ("/v1/orders", "sort=total", "?sort"),
        ] {
            let answer = client.get(&format!("{path}?{query}"));
            let answer = answer.expect_problem(422, "invalid_request");
            assert_eq!(answer.pointers(), [pointer], "{path}?{query}");
        }
    }

    fn the_list_shows_its_own_store_only(app) {
        set_up_five(app);
        let other = neighbour(app, Role::Manager);
        for query in ["", "?q=zoe", "?state=active", "?tier=gold", "?profile=partner", "?sort=name"] {
            let body = other.get(&format!("{LIST}{query}")).expect(200).body;
            assert_eq!(body["designations"], json!([]), "{query}");
        }
        for query in ["status=caution", "vip=true", "stage=win_back"] {
            let body = other.get(&format!("/v1/customers?{query}")).expect(200).body;
            assert_eq!(body["customers"], json!([]), "{query}");
        }
        let body = other.get("/v1/orders?customer_status=vip").expect(200).body;
        assert_eq!(body["orders"], json!([]));
    }

    fn customers_are_narrowed_down_by_their_status(app) {
        set_up_statuses(app);
        for (id, status) in [
            ("c1", "active"),
            ("c2", "vip"),
            ("c3", "caution"),
            ("c4", "do_not_serve"),
            ("c5", "caution"),
            ("c6", "active"),
            ("c7", "active"),
        ] {
            let one = app.support().get(&format!("/v1/customers/{id}")).expect(200).body;
            assert_eq!(one["status"], status, "{id}");
            let list = app.support().get(&format!("/v1/customers?q={id}")).expect(200).body;
            assert_eq!(list["customers"][0]["status"], status, "{id}");
        }
        for (query, found) in [
            ("status=active", "c1 c6 c7"),
            ("status=vip", "c2"),
            ("status=caution", "c3 c5"),
            ("status=do_not_serve", "c4"),
            ("vip=true", "c2 c5"),
            ("vip=false", "c1 c3 c4 c6 c7"),
            ("vip=true&status=caution", "c5"),
            ("vip=false&status=vip", ""),
        ] {
            assert_eq!(listed(app, &format!("/v1/customers?{query}")), found, "{query}");
        }
        // Without its flag c5 is a VIP again.
        flag(app, "c5", "active");
        assert_eq!(listed(app, "/v1/customers?status=vip"), "c2 c5");
        assert_eq!(listed(app, "/v1/customers?status=caution"), "c3");
    }

    fn customers_are_sorted_by_the_severity_of_their_status(app) {
        set_up_statuses(app);
        let client = app.support();
        let mut falling =
            ["do_not_serve", "caution", "caution", "vip", "active", "active", "active"];
        for sort in ["-status", "status"] {
            let path = format!("/v1/customers?sort={sort}");
            let body = client.get(&path).expect(200).body;
            assert_eq!(ids(&body, "customers", "status"), falling, "{sort}");
            let whole = ids(&body, "customers", "customer_id");
            assert_eq!(paged(&client, &path, "customers", "customer_id"), whole, "{sort}");
            falling.reverse();
        }
        let path = "/v1/customers?sort=-status&vip=true";
        assert_eq!(paged(&client, path, "customers", "customer_id"), ["c5", "c2"]);
    }

    fn orders_carry_their_customers_status(app) {
        set_up_statuses(app);
        let client = app.support();
        let found = |query: &str| {
            let body = client.get(&format!("/v1/orders?{query}")).expect(200).body;
            ids(&body, "orders", "order_id").join(" ")
        };
        for (id, status) in [("o1", "active"), ("o2", "vip"), ("o3", "caution"), ("o4", "do_not_serve")] {
            let one = client.get(&format!("/v1/orders/{id}")).expect(200).body;
            assert_eq!(one["customer_status"], status, "{id}");
        }
        let list = client.get("/v1/orders").expect(200).body;
        assert_eq!(
            ids(&list, "orders", "customer_status"),
            ["active", "active", "caution", "do_not_serve", "caution", "vip", "active"]
        );
        for (query, orders) in [
            ("customer_status=active", "o7 o6 o1"),
            ("customer_status=vip", "o2"),
            ("customer_status=caution", "o5 o3"),
            ("customer_status=do_not_serve", "o4"),
            ("customer_status=caution&placed_from=2024-06-04T00:00:00Z", "o5"),
            ("customer_status=caution&status=pending", ""),
            ("customer_status=caution&sort=placed_at", "o3 o5"),
        ] {
            assert_eq!(found(query), orders, "{query}");
        }
        // What is said of the customer later is said of the order, too.
        flag(app, "c1", "do_not_serve");
        flag(app, "c3", "active");
        assert_eq!(found("customer_status=do_not_serve"), "o4 o1");
        assert_eq!(found("customer_status=caution"), "o5");
        assert_eq!(client.get("/v1/orders/o3").expect(200).body["customer_status"], "active");
    }

    fn orders_are_sorted_by_placing_and_by_severity(app) {
        set_up_statuses(app);
        let client = app.support();
        let list = |sort: &str| client.get(&format!("/v1/orders?sort={sort}")).expect(200).body;
        let newest = ["o7", "o6", "o5", "o4", "o3", "o2", "o1"];
        let oldest = ["o1", "o2", "o3", "o4", "o5", "o6", "o7"];
        for (sort, order) in [("-placed_at", newest), ("placed_at", oldest)] {
            assert_eq!(ids(&list(sort), "orders", "order_id"), order, "{sort}");
            let path = format!("/v1/orders?sort={sort}");
            assert_eq!(paged(&client, &path, "orders", "order_id"), order, "{sort}");
        }
        let mut falling =
            ["do_not_serve", "caution", "caution", "vip", "active", "active", "active"];
        for sort in ["-customer_status", "customer_status"] {
            let body = list(sort);
            assert_eq!(ids(&body, "orders", "customer_status"), falling, "{sort}");
            let path = format!("/v1/orders?sort={sort}");
            let whole = ids(&body, "orders", "order_id");
            assert_eq!(paged(&client, &path, "orders", "order_id"), whole, "{sort}");
            falling.reverse();
        }
    }
}
