//! Worked examples with figures: the VIP list and what can go wrong with it, as a manager does it step by step.

use crate::support::*;
use accolade::api::auth::Role;
use chrono::{DateTime, Datelike, Duration, Months, NaiveDate, SecondsFormat, Timelike, Utc};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// The text's tiers: the lifetime value that makes them, days of early access,
/// percent off.
const TIERS: [(&str, &str, u32, u32); 3] =
    [("gold", "1000.00", 1, 5), ("platinum", "2500.00", 3, 10), ("diamond", "5000.00", 7, 15)];
/// The columns of an exported list.
const COLUMNS: &str = "customer_id,name,email,status,state,tier,since,lifetime_spend,\
    monthly_subscription,last_order_at,benefits,stage,profile,priority,team,assigned_to,ends_at,\
    grace_until";
const NOBODY: [&str; 0] = [];

/// How a customer comes to a tier.
#[derive(Clone, Copy, PartialEq)]
enum Tiers {
    /// A manager designates; no spending does.
    ByHand,
    /// Spending reaches it.
    BySpending,
    /// Spending reaches it, and that makes a VIP.
    Designating,
}

/// Sets up a store with the tiers, each with its icon and its own early access
/// (`gold-early`) and price (`gold-price`).
fn set_up_tiers(app: &App, how: Tiers) {
    app.set_up(json!({}));
    let mut tiers = Vec::new();
    for (rank, (code, threshold, days, percent)) in (1..).zip(TIERS) {
        let (early, price) = (format!("{code}-early"), format!("{code}-price"));
        let hours = days * 24;
        put_benefit(app, &early, json!({"kind": "early_access", "early_access_hours": hours}));
        let percent = percent.to_string();
        put_benefit(app, &price, json!({"kind": "discount", "discount_percent": percent}));
        let name = code[..1].to_uppercase() + &code[1..];
        let mut tier = json!({
            "code": code, "name": name, "rank": rank, "icon": code, "benefits": [early, price],
        });
        if how != Tiers::ByHand {
            tier["threshold"] = json!(threshold);
        }
        if how == Tiers::Designating {
            tier["designates"] = json!(true);
        }
        tiers.push(tier);
    }
    let role = if how == Tiers::Designating { Role::PlatformAdmin } else { Role::Administrator };
    app.client(role).put("/v1/tiers", &json!({"tiers": tiers})).expect(200);
}

/// Makes a benefit of a kind with its parameters; its name is its code.
fn put_benefit(app: &App, code: &str, mut body: Value) {
    body["name"] = json!(code);
    app.admin().put(&format!("/v1/benefits/{code}"), &body).expect(201);
}

/// Makes a customer known, with a name and an e-mail address.
fn know(app: &App, customer: &str, name: &str) {
    let body = json!({"name": name, "email": format!("{customer}@example.com")});
    app.storefront().put(&format!("/v1/customers/{customer}"), &body).expect(201);
}

/// Changes what the shop says of a customer.
fn change_customer(app: &App, customer: &str, body: &Value) {
    app.storefront().patch(&format!("/v1/customers/{customer}"), body).expect(200);
}

/// Sets the state of a customer's subscription.
fn subscribe(app: &App, customer: &str, state: &str, cancelled_at: Option<&str>) {
    let mut subscription = json!({"monthly_amount": "19.90", "state": state});
    if let Some(at) = cancelled_at {
        subscription["cancelled_at"] = json!(at);
    }
    change_customer(app, customer, &json!({"subscription": subscription}));
}

fn designation_path(customer: &str) -> String {
    format!("/v1/customers/{customer}/designation")
}

fn designate(app: &App, customer: &str, body: &Value) -> Answer {
    app.manager().put(&designation_path(customer), body).expect(201)
}

fn edit(app: &App, customer: &str, body: &Value) -> Answer {
    app.manager().patch(&designation_path(customer), body).expect(200)
}

fn remove(app: &App, role: Role, customer: &str, body: &Value) -> Answer {
    app.client(role).post(&format!("{}/removal", designation_path(customer)), body)
}

fn designation(app: &App, customer: &str) -> Value {
    app.manager().get(&designation_path(customer)).expect(200).body
}

fn badge(app: &App, customer: &str) -> Value {
    app.support().get(&format!("/v1/customers/{customer}/badge")).expect(200).body
}

fn program(app: &App, body: &Value) {
    app.admin().patch("/v1/program", body).expect(200);
}

/// The field of each row of a list.
fn column<'a>(body: &'a Value, list: &str, field: &str) -> Vec<&'a str> {
    let rows = body[list].as_array().unwrap();
    rows.iter().map(|row| row[field].as_str().unwrap()).collect()
}

/// Whom the VIP list names.
fn vips(app: &App, query: &str) -> Vec<String> {
    let body = app.manager().get(&format!("/v1/designations?{query}")).expect(200).body;
    column(&body, "designations", "customer_id").into_iter().map(str::to_owned).collect()
}

/// Whom the list of customers names.
fn customers(app: &App, query: &str) -> Vec<String> {
    let body = app.manager().get(&format!("/v1/customers?{query}")).expect(200).body;
    column(&body, "customers", "customer_id").into_iter().map(str::to_owned).collect()
}

/// The row of one customer in the VIP list.
fn row(app: &App, customer: &str) -> Value {
    let body = app.manager().get("/v1/designations").expect(200).body;
    let rows = body["designations"].as_array().unwrap();
    rows.iter().find(|row| row["customer_id"] == customer).unwrap().clone()
}

/// The VIP list as it is exported.
fn export(app: &App, query: &str) -> Vec<BTreeMap<String, String>> {
    let client = app.manager().with("accept", "text/csv");
    let answer = client.get(&format!("/v1/designations?{query}")).expect(200);
    assert_eq!(answer.headers["content-type"], "text/csv; charset=utf-8");
    let mut reader = csv::Reader::from_reader(answer.text.as_bytes());
    let columns: Vec<String> = reader.headers().unwrap().iter().map(str::to_owned).collect();
    assert_eq!(columns.join(","), COLUMNS);
    reader.deserialize().map(Result::unwrap).collect()
}

/// Some columns of exported rows, joined by a bar.
fn cells(rows: &[BTreeMap<String, String>], columns: &[&str]) -> Vec<String> {
    let cells = |row: &BTreeMap<String, String>| {
        let cells: Vec<&str> = columns.iter().map(|column| row[*column].as_str()).collect();
        cells.join("|")
    };
    rows.iter().map(cells).collect()
}

/// Codes in their order, of a list of them or of benefits.
fn codes(list: &Value) -> Vec<&str> {
    let items = list.as_array().unwrap().iter();
    let mut codes: Vec<&str> =
        items.map(|item| item["code"].as_str().or(item.as_str()).unwrap()).collect();
    codes.sort_unstable();
    codes
}

/// What was done about a customer's designation, newest first, and by whom.
fn steps(app: &App, customer: &str) -> Vec<String> {
    let path = format!("/v1/customers/{customer}/timeline");
    let body = app.manager().get(&path).expect(200).body;
    let entries = body["entries"].as_array().unwrap().iter();
    entries
        .filter(|entry| entry["kind"].as_str().unwrap().starts_with("designat"))
        .map(|entry| {
            let by = &entry["by"];
            let text = |value: &Value| value.as_str().unwrap().to_owned();
            format!("{} {} {}", text(&entry["kind"]), text(&by["subject"]), text(&by["role"]))
        })
        .collect()
}

/// An instant that a request states and an answer repeats.
fn text(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Secs, true)
}

/// The instant so many days ago.
fn ago(days: i64) -> String {
    text(Utc::now() - Duration::days(days))
}

/// Today in the stores' zone, and not a minute before tomorrow: no test is to
/// see two days.
fn today() -> NaiveDate {
    while Utc::now().num_seconds_from_midnight() >= 86_400 - 60 {
        std::thread::sleep(std::time::Duration::from_secs(1));
    }
    Utc::now().date_naive()
}

/// The first date from which on so many months are not yet over.
fn first_joining_after(months: u32, today: NaiveDate) -> NaiveDate {
    let mut date = today - Months::new(months);
    while date + Months::new(months) <= today {
        date = date.succ_opt().unwrap();
    }
    date
}

on_both! {
    fn use_case_1_a_monthly_review_finds_who_is_no_vip_yet_and_who_has_outgrown_a_tier(app) {
        set_up_tiers(app, Tiers::ByHand);
        for (customer, name, total) in [
            ("ada", "Ada Byron", "5200.00"), ("ben", "Ben Bolt", "2600.00"),
            ("cleo", "Cleo Moss", "1000.00"), ("dan", "Dan Reed", "999.99"),
            ("eve", "Eve Hart", "3000.00"),
        ] {
            know(app, customer, name);
            app.order(&format!("o-{customer}"), customer, &ago(10), total).expect(201);
        }
        designate(app, "ada", &json!({"tier": "gold", "since": "2023-05-04"}));
        let caution = json!({"status": "caution", "note": "A payment was disputed."});
        app.support().put("/v1/customers/eve/status", &caution).expect(200);

        // All from 1,000 on, the highest first, and of those the merely active.
        let high = "min_lifetime_spend=1000&sort=-lifetime_spend";
        assert_eq!(customers(app, high), ["ada", "eve", "ben", "cleo"]);
        let missed = format!("{high}&status=active");
        assert_eq!(customers(app, &missed), ["ben", "cleo"]);
        // Held against the VIP list.
        assert_eq!(vips(app, "sort=-lifetime_spend"), ["ada"]);
        assert_eq!(customers(app, &format!("{high}&vip=true")), ["ada"]);

        for (customer, tier) in [("ben", "platinum"), ("cleo", "gold")] {
            let body = json!({
                "tier": tier, "profile": "big_spender", "notes": "Review: no VIP until now.",
            });
            let added = designate(app, customer, &body).body;
            assert_eq!(added["since"], json!(today()));
            assert_eq!((&added["state"], &added["source"]), (&json!("active"), &json!("manual")));
        }
        // Whose tier is below what was spent?
        let outgrown = row(app, "ada");
        assert_eq!(outgrown["lifetime_spend"], "5200.00");
        assert_eq!(outgrown["tier"]["code"], "gold");
        edit(app, "ada", &json!({"tier": "diamond", "notes": "Review: raised from gold."}));

        assert_eq!(customers(app, &missed), NOBODY);
        let list = app.manager().get("/v1/designations?sort=-lifetime_spend").expect(200).body;
        let rows = list["designations"].as_array().unwrap();
        let told: Vec<Value> = rows
            .iter()
            .map(|row| json!([row["customer_id"], row["tier"]["code"], row["lifetime_spend"]]))
            .collect();
        let expected = [
            json!(["ada", "diamond", "5200.00"]),
            json!(["ben", "platinum", "2600.00"]),
            json!(["cleo", "gold", "1000.00"]),
        ];
        assert_eq!(told, expected);

        assert_eq!(designation(app, "ada")["notes"], "Review: raised from gold.");
        assert_eq!(designation(app, "ada")["since"], "2023-05-04");
        assert_eq!(designation(app, "ben")["notes"], "Review: no VIP until now.");
        assert_eq!(
            steps(app, "ada"),
            ["designation_changed tester manager", "designated tester manager"]
        );
    }

    fn use_case_2_this_months_anniversaries_are_exported_and_each_gets_something(app) {
        set_up_tiers(app, Tiers::ByHand);
        put_benefit(app, "anniversary", json!({"kind": "discount", "discount_percent": "20"}));
        put_benefit(app, "bonus-item", json!({"kind": "gift"}));
        let today = today();
        let since = |years: i32, months: u32, day: u32| {
            let month = (today.month0() + months) % 12 + 1;
            NaiveDate::from_ymd_opt(today.year() - years, month, day).unwrap()
        };
        for (customer, tier, since) in [
            ("ada", "gold", since(4, 0, 28)), ("ben", "gold", since(1, 0, 2)),
            ("cleo", "diamond", since(2, 0, 15)), ("dan", "diamond", since(3, 1, 15)),
            ("eve", "gold", since(2, 11, 28)),
        ] {
            know(app, customer, &format!("{customer} Reed"));
            app.order(&format!("o-{customer}"), customer, &ago(3), "40.00").expect(201);
            designate(app, customer, &json!({"tier": tier, "since": since}));
        }

        let this_month = format!("anniversary_month={}", today.month());
        let exported = export(app, &format!("{this_month}&sort=since"));
        let expected = [
            format!("ada|ada@example.com|gold|{}", since(4, 0, 28)),
            format!("cleo|cleo@example.com|diamond|{}", since(2, 0, 15)),
            format!("ben|ben@example.com|gold|{}", since(1, 0, 2)),
        ];
        assert_eq!(cells(&exported, &["customer_id", "email", "tier", "since"]), expected);

        // A better price for each, and something extra in the next parcel.
        for customer in ["ada", "ben", "cleo"] {
            edit(app, customer, &json!({"benefits": ["anniversary", "bonus-item"]}));
            let next = json!({
                "customer_id": customer, "status": "pending", "total": "40.00", "currency": "GBP",
                "placed_at": ago(0),
            });
            app.storefront().put(&format!("/v1/orders/next-{customer}"), &next).expect(201);
        }
        let parcel = app.support().get("/v1/orders/next-ben/badge").expect(200).body;
        assert_eq!((&parcel["order_id"], &parcel["status"]), (&json!("next-ben"), &json!("vip")));
        assert_eq!(
            codes(&parcel["benefits"]),
            ["anniversary", "bonus-item", "gold-early", "gold-price"]
        );

        // A call for those of more than one year.
        let multi_year = format!("{this_month}&since_to={}&sort=since", since(2, 0, 28));
        assert_eq!(vips(app, &multi_year), ["ada", "cleo"]);
        for customer in ["ada", "cleo"] {
            edit(app, customer, &json!({"notes": "Called to congratulate."}));
            assert_eq!(designation(app, customer)["notes"], "Called to congratulate.");
            assert_eq!(codes(&designation(app, customer)["benefits"]), ["anniversary", "bonus-item"]);
        }
        assert_eq!(
            steps(app, "ada"),
            [
                "designation_changed tester manager", "designation_changed tester manager",
                "designated tester manager",
            ]
        );
    }

    fn use_case_3_vips_see_a_release_a_week_three_days_or_a_day_early_at_15_10_or_5_percent_off(app) {
        set_up_tiers(app, Tiers::BySpending);
        // One reached the tier, two are VIPs of a higher one, one is paused, one is no VIP.
        for (customer, total) in [
            ("dia", "5000.00"), ("pla", "900.00"), ("gol", "400.00"), ("rex", "400.00"),
            ("sam", "400.00"),
        ] {
            know(app, customer, customer);
            app.order(&format!("o-{customer}"), customer, &ago(20), total).expect(201);
        }
        designate(app, "dia", &json!({}));
        designate(app, "pla", &json!({"tier": "platinum"}));
        designate(app, "gol", &json!({"tier": "gold"}));
        designate(app, "rex", &json!({"tier": "gold", "state": "paused"}));

        let exported = export(app, "state=active&sort=-lifetime_spend");
        let expected = ["dia|dia@example.com|diamond", "pla|pla@example.com|platinum", "gol|gol@example.com|gold"];
        assert_eq!(cells(&exported, &["customer_id", "email", "tier"]), expected);
        assert_eq!(exported[0]["benefits"], "diamond-early; diamond-price");

        let release = "2035-06-15T09:00:00Z";
        let has = |customer: &str| {
            let path = format!("/v1/customers/{customer}/benefits?release_at={release}");
            app.storefront().get(&path).expect(200).body
        };
        for (customer, tier, hours, access_from, percent) in [
            ("dia", "diamond", 168, "2035-06-08T09:00:00Z", "15"),
            ("pla", "platinum", 72, "2035-06-12T09:00:00Z", "10"),
            ("gol", "gold", 24, "2035-06-14T09:00:00Z", "5"),
        ] {
            let segment = export(app, &format!("state=active&tier={tier}"));
            assert_eq!(cells(&segment, &["customer_id"]), [customer]);
            let body = has(customer);
            let expected = json!({
                "release_at": release, "access_from": access_from, "hours_early": hours,
            });
            assert_eq!(body["release"], expected, "{customer}");
            let benefits = body["benefits"].as_array().unwrap();
            let price = benefits.iter().find(|benefit| benefit["kind"] == "discount").unwrap();
            assert_eq!(price["discount_percent"], percent, "{customer}");
        }
        for customer in ["rex", "sam"] {
            assert_eq!(has(customer)["benefits"], json!([]), "{customer}");
        }

        // What VIPs buy of it.
        let early = ago(0);
        for (customer, total) in [("dia", "80.00"), ("gol", "35.00"), ("sam", "20.00")] {
            let order = json!({
                "customer_id": customer, "status": "pending", "total": total, "currency": "GBP",
                "placed_at": early,
            });
            app.storefront().put(&format!("/v1/orders/new-{customer}"), &order).expect(201);
        }
        let path = format!("/v1/orders?customer_status=vip&placed_from={early}");
        let body = app.manager().get(&path).expect(200).body;
        let mut bought = column(&body, "orders", "order_id");
        bought.sort_unstable();
        assert_eq!(bought, ["new-dia", "new-gol"]);
        assert_eq!(column(&body, "orders", "customer_status"), ["vip", "vip"]);
    }

    fn use_case_4_vips_without_an_order_for_45_days_are_called_and_four_of_five_come_back(app) {
        set_up_tiers(app, Tiers::ByHand);
        put_benefit(app, "come-back", json!({"kind": "discount", "discount_percent": "10"}));
        for (customer, days) in
            [("uma", 120), ("vic", 90), ("wim", 60), ("xia", 46), ("yan", 45), ("zoe", 44)]
        {
            know(app, customer, customer);
            app.order(&format!("o-{customer}"), customer, &ago(days), "60.00").expect(201);
            designate(app, customer, &json!({"tier": "gold", "assigned_to": "bo"}));
        }
        let at_risk = "idle_days=45&sort=last_order_at";
        let all = ["uma", "vic", "wim", "xia", "yan"];
        assert_eq!(vips(app, at_risk), all);
        assert_eq!(vips(app, "stage=win_back"), all);

        for customer in all {
            let body = json!({
                "notes": "Called: the box is too large. Call again within a week.",
                "benefits": ["come-back"],
            });
            edit(app, customer, &body);
        }
        assert_eq!(codes(&badge(app, "xia")["benefits"]), ["come-back", "gold-early", "gold-price"]);
        // One thinks of leaving: that is for the owner.
        edit(app, "uma", &json!({"assigned_to": "owner", "priority": "urgent"}));
        assert_eq!(vips(app, "assigned_to=owner"), ["uma"]);
        let routing = badge(app, "uma")["routing"].clone();
        let expected = (&json!("urgent"), &json!("owner"));
        assert_eq!((&routing["priority"], &routing["assigned_to"]), expected);
        assert_eq!(
            steps(app, "uma"),
            [
                "designation_changed tester manager", "designation_changed tester manager",
                "designated tester manager",
            ]
        );

        for customer in ["vic", "wim", "xia", "yan"] {
            app.order(&format!("again-{customer}"), customer, &ago(0), "30.00").expect(201);
        }
        assert_eq!(vips(app, at_risk), ["uma"], "80 % are retained");
        assert_eq!(vips(app, "stage=win_back"), ["uma"]);
        assert_eq!(vips(app, "state=active").len(), 6);
        assert_eq!(designation(app, "vic")["notes"], "Called: the box is too large. Call again within a week.");
    }

    fn use_case_5_a_panel_of_vips_across_all_tiers_is_picked_by_a_tag_and_thanked(app) {
        set_up_tiers(app, Tiers::BySpending);
        let tagged = json!({"tags": ["panel"]});
        for (tier, total, _, _) in TIERS {
            for number in 1..=4 {
                let customer = format!("{tier}-{number}");
                know(app, &customer, &customer);
                app.order(&format!("o-{customer}"), &customer, &ago(9), total).expect(201);
                designate(app, &customer, &json!({}));
                change_customer(app, &customer, &tagged);
            }
        }
        // A label alone makes nobody a VIP, nor does being one put on the panel.
        know(app, "guest", "guest");
        change_customer(app, "guest", &tagged);
        know(app, "other-vip", "other");
        designate(app, "other-vip", &json!({"tier": "gold"}));

        let panel = customers(app, "tag=panel&vip=true");
        assert_eq!(panel.len(), 12);
        for (tier, ..) in TIERS {
            let members = customers(app, &format!("tag=panel&vip=true&tier={tier}"));
            let expected = [1, 2, 3, 4].map(|number| format!("{tier}-{number}"));
            assert_eq!(members, expected);
        }

        // Whose idea was taken up is thanked with points, and told.
        let thanks = json!({
            "customer_id": "gold-2", "kind": "points", "points": 250, "occurred_at": ago(0),
        });
        app.manager().put("/v1/activities/idea-1", &thanks).expect(201);
        edit(app, "gold-2", &json!({"notes": "Panel: smaller boxes, taken up.", "profile": "advocate"}));
        assert_eq!(badge(app, "gold-2")["lifetime"]["points_earned"], 1250);
        let timeline = app.manager().get("/v1/customers/gold-2/timeline").expect(200).body;
        let entries = timeline["entries"].as_array().unwrap();
        let thanked: Vec<&Value> = entries.iter().filter(|e| e["kind"] == "activity").collect();
        assert_eq!((thanked.len(), &thanked[0]["id"]), (1, &json!("idea-1")));
        assert_eq!(designation(app, "gold-2")["notes"], "Panel: smaller boxes, taken up.");
        assert_eq!(vips(app, "profile=advocate"), ["gold-2"]);
    }

    fn a_vip_is_added_edited_and_removed_and_the_customer_stays(app) {
        set_up_tiers(app, Tiers::ByHand);
        put_benefit(app, "birthday-card", json!({"kind": "gift"}));
        know(app, "ada", "Ada Byron");
        let joined = json!({
            "joined_at": "2021-05-04T09:00:00Z",
            "subscription": {"monthly_amount": "19.90", "state": "active"},
        });
        change_customer(app, "ada", &joined);
        let ordered = ago(3);
        app.order("o1", "ada", &ordered, "1200.00").expect(201);

        let body = json!({
            "tier": "gold", "since": "2024-02-29", "benefits": ["birthday-card"],
            "notes": "Orders every month; likes rye.",
        });
        designate(app, "ada", &body);
        let mut listed = row(app, "ada");
        assert_eq!(codes(&listed["benefits"]), ["birthday-card", "gold-early", "gold-price"]);
        for field in ["benefits", "priority"] {
            listed[field] = Value::Null;
        }
        let expected = json!({
            "customer_id": "ada", "name": "Ada Byron", "email": "ada@example.com",
            "status": "vip", "state": "active",
            "tier": {"code": "gold", "name": "Gold", "rank": 1, "icon": "gold"},
            "since": "2024-02-29", "lifetime_spend": "1200.00", "monthly_subscription": "19.90",
            "last_order_at": ordered, "benefits": null, "stage": "retention", "profile": null,
            "priority": null, "team": null, "assigned_to": null, "ends_at": null,
            "grace_until": null,
        });
        assert_eq!(listed, expected);
        for query in ["tier=gold", "state=active", "q=byron", "q=ADA%40example", "since_from=2024-02-29"] {
            assert_eq!(vips(app, query), ["ada"], "{query}");
        }
        for query in ["tier=platinum", "state=paused", "state=cancelled", "q=reed", "since_from=2024-03-01"] {
            assert_eq!(vips(app, query), NOBODY, "{query}");
        }

        // Raised, with other benefits, notes and an end.
        let body = json!({
            "tier": "platinum", "benefits": [], "benefits_dropped": ["platinum-early"],
            "notes": "Prefers to be called.", "ends_at": "2100-01-01T00:00:00Z",
        });
        let edited = edit(app, "ada", &body).body;
        for (field, value) in body.as_object().unwrap() {
            assert_eq!(&edited[field], value, "{field}");
        }
        assert_eq!(edited["since"], "2024-02-29");
        assert_eq!(codes(&row(app, "ada")["benefits"]), ["platinum-price"]);

        for reason in [
            "cancelled", "moved_to_competitor", "reduced_spend", "complaints", "policy_violation", "other",
        ] {
            let body = json!({"reason": reason, "note": "Told by letter.", "confirm": true});
            let removed = remove(app, Role::Manager, "ada", &body).expect(200).body;
            assert_eq!(removed["state"], "cancelled");
            let ended = &removed["ended"];
            assert_eq!(
                (&ended["reason"], &ended["removal_reason"], &ended["note"]),
                (&json!("removed"), &json!(reason), &json!("Told by letter."))
            );
            assert_eq!(row(app, "ada")["state"], "cancelled");
            assert_eq!(badge(app, "ada")["status"], "active");
            let customer = app.support().get("/v1/customers/ada").expect(200).body;
            assert_eq!((&customer["name"], &customer["status"]), (&json!("Ada Byron"), &json!("active")));
            designate(app, "ada", &json!({"tier": "gold"}));
        }
    }

    fn the_label_of_a_vip_shows_the_tiers_icon_its_name_and_the_handling_note(app) {
        set_up_tiers(app, Tiers::ByHand);
        for (tier, name) in [("gold", "Gold"), ("platinum", "Platinum"), ("diamond", "Diamond")] {
            know(app, tier, name);
            designate(app, tier, &json!({"tier": tier}));
            let label = badge(app, tier)["label"].clone();
            assert_eq!((&label["icon"], &label["tier_name"]), (&json!(tier), &json!(name)));
            assert_eq!(label["handling_note"], "VIP Customer - Premium Service");
            assert_eq!(label["no_icon_reason"], Value::Null);
        }
    }

    fn no_icon_on_the_label_because_the_designation_is_paused(app) {
        set_up_tiers(app, Tiers::ByHand);
        know(app, "ada", "Ada");
        designate(app, "ada", &json!({"tier": "gold"}));
        edit(app, "ada", &json!({"state": "paused"}));
        let label = badge(app, "ada")["label"].clone();
        assert_eq!(label["icon"], Value::Null);
        assert_eq!(label["no_icon_reason"], "designation_not_active");
        assert_eq!(label["handling_note"], Value::Null);
        edit(app, "ada", &json!({"state": "active"}));
        let label = badge(app, "ada")["label"].clone();
        assert_eq!((&label["icon"], &label["no_icon_reason"]), (&json!("gold"), &Value::Null));
    }

    fn no_icon_on_the_label_because_the_designation_has_expired(app) {
        set_up_tiers(app, Tiers::ByHand);
        know(app, "ada", "Ada");
        designate(app, "ada", &json!({"tier": "gold", "ends_at": from_now(3)}));
        let started = std::time::Instant::now();
        while badge(app, "ada")["status"] == "vip" {
            assert!(started.elapsed().as_secs() < 20, "it does not expire");
            std::thread::sleep(std::time::Duration::from_millis(100));
        }
        let label = badge(app, "ada")["label"].clone();
        assert_eq!(label["icon"], Value::Null);
        assert_eq!(label["no_icon_reason"], "designation_not_active");
        let expired = designation(app, "ada");
        assert_eq!((&expired["state"], &expired["ended"]["reason"]), (&json!("cancelled"), &json!("ends_at")));
        assert_eq!(row(app, "ada")["state"], "cancelled");
    }

    fn no_icon_on_the_label_because_the_template_has_no_place_for_it(app) {
        set_up_tiers(app, Tiers::ByHand);
        know(app, "ada", "Ada");
        designate(app, "ada", &json!({"tier": "gold"}));
        program(app, &json!({"label_shows_icon": false}));
        let without = badge(app, "ada");
        assert_eq!(without["label"]["icon"], Value::Null);
        assert_eq!(without["label"]["no_icon_reason"], "template_without_icon");
        assert_eq!(without["status"], "vip");
        program(app, &json!({"label_shows_icon": true}));
        assert_eq!(badge(app, "ada")["label"]["icon"], "gold");
    }

    fn no_icon_on_the_label_because_it_is_off_for_the_customer(app) {
        set_up_tiers(app, Tiers::ByHand);
        know(app, "ada", "Ada");
        designate(app, "ada", &json!({"tier": "gold"}));
        change_customer(app, "ada", &json!({"print_vip_icon": false}));
        let without = badge(app, "ada");
        assert_eq!(without["label"]["icon"], Value::Null);
        assert_eq!(without["label"]["no_icon_reason"], "icon_off_for_customer");
        assert_eq!(without["status"], "vip");
        change_customer(app, "ada", &json!({"print_vip_icon": true}));
        assert_eq!(badge(app, "ada")["label"]["icon"], "gold");
    }

    fn a_label_from_before_the_designation_is_told_by_its_version_and_printed_again(app) {
        set_up_tiers(app, Tiers::ByHand);
        know(app, "ada", "Ada");
        app.order("o1", "ada", &ago(1), "60.00").expect(201);
        let label = || app.support().get("/v1/orders/o1/badge").expect(200).body["label"].clone();
        let printed = label();
        assert_eq!(printed["icon"], Value::Null);
        assert_eq!(label()["version"], printed["version"], "nothing has changed");

        designate(app, "ada", &json!({"tier": "gold"}));
        let current = label();
        assert_ne!(current["version"], printed["version"], "what was printed is stale");
        assert_eq!(current["icon"], "gold");
        assert_eq!(label()["version"], current["version"], "printed again, it is the current one");

        edit(app, "ada", &json!({"tier": "platinum"}));
        let raised = label();
        assert_ne!(raised["version"], current["version"]);
        change_customer(app, "ada", &json!({"print_vip_icon": false}));
        assert_ne!(label()["version"], raised["version"]);
    }

    fn a_vip_cannot_be_removed_by_who_is_no_manager(app) {
        set_up_tiers(app, Tiers::ByHand);
        know(app, "ada", "Ada");
        designate(app, "ada", &json!({"tier": "gold"}));
        let body = json!({"reason": "complaints", "confirm": true});
        for role in [Role::Storefront, Role::Support] {
            remove(app, role, "ada", &body).expect_problem(403, "forbidden");
        }
        assert_eq!(designation(app, "ada")["state"], "active");
        remove(app, Role::Manager, "ada", &body).expect(200);
    }

    fn a_vip_cannot_be_removed_while_benefits_are_active_that_must_be_ended_first(app) {
        set_up_tiers(app, Tiers::ByHand);
        for code in ["hamper", "manager-line"] {
            put_benefit(app, code, json!({"kind": "gift", "must_end_first": true}));
        }
        let tier = json!({"name": "Circle", "rank": 9, "benefits": ["hamper", "gold-price"]});
        app.admin().put("/v1/tiers/circle", &tier).expect(201);
        know(app, "ada", "Ada");
        designate(app, "ada", &json!({"tier": "circle", "benefits": ["manager-line"]}));
        let body = json!({"reason": "reduced_spend", "confirm": true});
        let refused = || {
            let answer = remove(app, Role::Manager, "ada", &body);
            let answer = answer.expect_problem(409, "benefits_must_end_first");
            answer.body["detail"].as_str().unwrap().to_owned()
        };
        let both = refused();
        assert!(both.contains("hamper") && both.contains("manager-line"), "{both}");
        assert!(!both.contains("gold-price"), "{both}");
        edit(app, "ada", &json!({"benefits": []}));
        let one = refused();
        assert!(one.contains("hamper") && !one.contains("manager-line"), "{one}");
        assert_eq!(designation(app, "ada")["state"], "active");
        // Withheld from this one customer, it is ended too.
        edit(app, "ada", &json!({"benefits_dropped": ["hamper"]}));
        remove(app, Role::Manager, "ada", &body).expect(200);
    }

    fn a_vip_cannot_be_removed_without_a_reason_or_without_confirmation(app) {
        set_up_tiers(app, Tiers::ByHand);
        know(app, "ada", "Ada");
        designate(app, "ada", &json!({"tier": "gold"}));
        for (body, pointers) in [
            (json!({"confirm": true}), vec!["/reason"]),
            (json!({"reason": "bored", "confirm": true}), vec!["/reason"]),
            (json!({"reason": "complaints"}), vec!["/confirm"]),
            (json!({"reason": "complaints", "confirm": false}), vec!["/confirm"]),
        ] {
            let answer = remove(app, Role::Manager, "ada", &body);
            let answer = answer.expect_problem(422, "invalid_request");
            assert_eq!(answer.pointers(), pointers, "{body}");
        }
        assert_eq!(designation(app, "ada")["state"], "active");
        let complete = json!({"reason": "complaints", "confirm": true});
        remove(app, Role::Manager, "ada", &complete).expect(200);
    }

    fn a_vip_who_cancels_stays_one_for_90_days_in_case_of_a_return(app) {
        set_up_tiers(app, Tiers::ByHand);
        assert_eq!(app.manager().get("/v1/program").expect(200).body["grace_days"], 90);
        for customer in ["ada", "ben", "cleo"] {
            know(app, customer, customer);
            designate(app, customer, &json!({"tier": "gold", "since": "2021-01-01"}));
            subscribe(app, customer, "active", None);
        }
        let day_89 = ago(89);
        subscribe(app, "ada", "cancelled", Some(&day_89));
        let day_90 = day_89.parse::<DateTime<Utc>>().unwrap() + Duration::days(90);
        let kept = designation(app, "ada");
        assert_eq!((&kept["state"], &kept["grace_until"]), (&json!("active"), &json!(text(day_90))));
        assert_eq!(row(app, "ada")["grace_until"], json!(text(day_90)));
        assert_eq!(badge(app, "ada")["status"], "vip");
        assert_eq!(codes(&badge(app, "ada")["benefits"]), ["gold-early", "gold-price"]);
        assert_eq!(vips(app, "stage=win_back"), ["ada"]);
        subscribe(app, "ada", "active", None);
        let back = designation(app, "ada");
        assert_eq!((&back["state"], &back["grace_until"]), (&json!("active"), &Value::Null));
        assert_eq!(vips(app, "stage=win_back"), NOBODY);

        subscribe(app, "ben", "cancelled", Some(&ago(91)));
        let over = designation(app, "ben");
        assert_eq!((&over["state"], &over["ended"]["reason"]), (&json!("cancelled"), &json!("grace_over")));
        assert_eq!(over["ended"]["removal_reason"], Value::Null);
        let badge_of_ben = badge(app, "ben");
        assert_eq!((&badge_of_ben["status"], &badge_of_ben["benefits"]), (&json!("active"), &json!([])));
        assert_eq!(vips(app, "state=cancelled"), ["ben"]);
        assert_eq!(vips(app, "state=active"), ["ada", "cleo"]);

        // Who has cancelled for good is removed.
        subscribe(app, "cleo", "cancelled", Some(&ago(1)));
        let body = json!({"reason": "cancelled", "confirm": true});
        let removed = remove(app, Role::Manager, "cleo", &body).expect(200).body;
        assert_eq!(removed["ended"]["removal_reason"], "cancelled");
        assert_eq!(vips(app, "state=cancelled"), ["ben", "cleo"]);
    }

    fn whether_customers_see_that_they_are_vips_is_configured(app) {
        set_up_tiers(app, Tiers::ByHand);
        know(app, "ada", "Ada");
        designate(app, "ada", &json!({"tier": "gold", "since": "2023-05-04", "notes": "Likes rye."}));
        let card = || app.storefront().get("/v1/customers/ada/card").expect(200);
        let settings = || app.storefront().get("/v1/program").expect(200).body;
        let assert_hidden = || {
            let hidden = card();
            for field in ["vip", "tier"] {
                assert_eq!(hidden.body[field], Value::Null, "{field}");
            }
            assert_eq!(hidden.body["benefits"], json!([]));
            assert!(!hidden.text.contains("Likes rye."), "{}", hidden.text);
        };
        assert_eq!(settings()["vip_visible_to_customers"], false);
        assert_hidden();
        assert_eq!(badge(app, "ada")["status"], "vip", "staff see it");

        program(app, &json!({"vip_visible_to_customers": true}));
        let seen = card();
        assert_eq!(seen.body["vip"]["since"], "2023-05-04");
        assert_eq!(seen.body["vip"]["tier"]["code"], "gold");
        assert_eq!(seen.body["benefits"].as_array().unwrap().len(), 2);
        assert!(!seen.text.contains("Likes rye."), "{}", seen.text);
        program(app, &json!({"vip_visible_to_customers": null}));
        assert_hidden();
    }

    fn a_designation_gives_benefits_and_an_icon_and_a_tag_gives_nothing(app) {
        set_up_tiers(app, Tiers::ByHand);
        for customer in ["formal", "tagged"] {
            know(app, customer, customer);
        }
        designate(app, "formal", &json!({"tier": "diamond"}));
        change_customer(app, "tagged", &json!({"tags": ["vip", "diamond"]}));

        let formal = badge(app, "formal");
        assert_eq!((&formal["status"], &formal["label"]["icon"]), (&json!("vip"), &json!("diamond")));
        assert_eq!(codes(&formal["benefits"]), ["diamond-early", "diamond-price"]);
        let tagged = badge(app, "tagged");
        assert_eq!((&tagged["status"], &tagged["label"]["icon"]), (&json!("active"), &Value::Null));
        assert_eq!((&tagged["benefits"], &tagged["tier"]), (&json!([]), &Value::Null));
        assert_eq!(vips(app, ""), ["formal"]);
        assert_eq!(customers(app, "vip=true"), ["formal"]);
        assert_eq!(customers(app, "vip=false"), ["tagged"]);
        assert_eq!(customers(app, "tag=vip"), ["tagged"]);
        app.manager().get(&designation_path("tagged")).expect_problem(404, "not_found");
    }

    fn vips_are_made_and_raised_at_1000_2500_and_5000_where_the_tiers_designate(app) {
        set_up_tiers(app, Tiers::Designating);
        let reached_at = ago(20);
        app.order("o1", "ada", &ago(30), "999.99").expect(201);
        app.manager().get(&designation_path("ada")).expect_problem(404, "not_found");
        app.order("o2", "ada", &reached_at, "0.01").expect(201);
        let made = designation(app, "ada");
        assert_eq!((&made["tier"], &made["state"]), (&json!("gold"), &json!("active")));
        assert_eq!((&made["source"], &made["since"]), (&json!("automatic"), &json!(reached_at[..10])));
        for (order, days, total, tier) in [
            ("o3", 10, "1499.99", "gold"), ("o4", 9, "0.01", "platinum"),
            ("o5", 8, "2499.99", "platinum"), ("o6", 7, "0.01", "diamond"),
        ] {
            app.order(order, "ada", &ago(days), total).expect(201);
            assert_eq!(designation(app, "ada")["tier"], tier, "{order}");
        }
        app.refund("r1", "o5", &ago(1), "2499.99").expect(201);
        assert_eq!(designation(app, "ada")["tier"], "diamond", "it is never lowered");
        assert_eq!(steps(app, "ada").last().unwrap(), "designated accolade system");
    }

    fn the_stages_turn_at_6_12_and_36_months(app) {
        app.set_up(json!({}));
        let today = today();
        for months in [6, 12, 36] {
            let not_yet = first_joining_after(months, today);
            for (side, joined) in [("before", not_yet), ("reached", not_yet.pred_opt().unwrap())] {
                let customer = format!("{months}-{side}");
                join(app, &customer, &format!("{joined}T00:00:00Z"));
                app.order(&format!("o-{customer}"), &customer, &ago(1), "10.00").expect(201);
                designate(app, &customer, &json!({}));
            }
        }
        for (stage, expected) in [
            ("identification", vec!["6-before"]),
            ("designation", vec!["12-before", "6-reached"]),
            ("engagement", vec!["12-reached", "36-before"]),
            ("retention", vec!["36-reached"]),
            ("win_back", vec![]),
        ] {
            assert_eq!(customers(app, &format!("stage={stage}")), expected, "{stage}");
            assert_eq!(vips(app, &format!("stage={stage}")), expected, "{stage}");
            for customer in expected {
                assert_eq!(row(app, customer)["stage"], stage, "{customer}");
            }
        }
    }

    fn who_cancels_or_has_not_ordered_for_45_days_is_to_be_won_back(app) {
        app.set_up(json!({}));
        for (customer, days) in [("cancelled", 1), ("idle-44", 44), ("idle-45", 45)] {
            join(app, customer, "2021-01-01T00:00:00Z");
            app.order(&format!("o-{customer}"), customer, &ago(days), "10.00").expect(201);
            designate(app, customer, &json!({}));
        }
        let assert_stages = |win_back: &[&str], retention: &[&str]| {
            for (stage, expected) in [("win_back", win_back), ("retention", retention)] {
                assert_eq!(customers(app, &format!("stage={stage}")), expected, "{stage}");
                assert_eq!(vips(app, &format!("stage={stage}")), expected, "{stage}");
            }
        };
        assert_stages(&["idle-45"], &["cancelled", "idle-44"]);
        subscribe(app, "cancelled", "paused", None);
        assert_stages(&["idle-45"], &["cancelled", "idle-44"]);
        subscribe(app, "cancelled", "cancelled", Some(&ago(1)));
        assert_stages(&["cancelled", "idle-45"], &["idle-44"]);
        subscribe(app, "cancelled", "active", None);
        app.order("o-again", "idle-45", &ago(0), "10.00").expect(201);
        assert_stages(&[], &["cancelled", "idle-44", "idle-45"]);
    }

    fn managers_run_the_list_administrators_the_tiers_and_platform_admins_the_automation(app) {
        set_up_tiers(app, Tiers::BySpending);
        let gold = json!({"name": "Gold", "rank": 1, "threshold": "1000.00", "icon": "gold"});
        let mut automatic = gold.clone();
        automatic["designates"] = json!(true);
        // View, add, edit, remove; the tiers, the settings; who is made a VIP by reaching a tier.
        let levels: [(Role, [u16; 7]); 5] = [
            (Role::Storefront, [403, 403, 403, 403, 403, 403, 403]),
            (Role::Support, [403, 403, 403, 403, 403, 403, 403]),
            (Role::Manager, [200, 201, 200, 200, 403, 403, 403]),
            (Role::Administrator, [200, 201, 200, 200, 200, 200, 403]),
            (Role::PlatformAdmin, [200, 201, 200, 200, 200, 200, 200]),
        ];
        for (role, expected) in levels {
            let client = app.client(role);
            let customer = format!("{role:?}").to_lowercase();
            know(app, &customer, &customer);
            let path = designation_path(&customer);
            let removal = json!({"reason": "other", "confirm": true});
            let statuses = [
                client.get("/v1/designations"),
                client.put(&path, &json!({"tier": "gold"})),
                client.patch(&path, &json!({"notes": "Likes rye."})),
                client.post(&format!("{path}/removal"), &removal),
                client.put("/v1/tiers/gold", &gold),
                client.patch("/v1/program", &json!({"label_shows_icon": true})),
                client.put("/v1/tiers/gold", &automatic),
            ]
            .map(|answer| answer.status);
            assert_eq!(statuses, expected, "{role:?}");
        }
    }
}
