//! Store credit and points: what customers have, and how it came and went.

use super::*;

const COLUMNS: &str =
    "tier name customers credit_outstanding credit_owed points_outstanding points_owed";
const MOVEMENTS: &str = "month tier credit_earned credit_reversed credit_redeemed \
    credit_adjusted credit_expired points_earned points_reversed points_redeemed \
    points_adjusted points_expired";

/// A ladder whose tiers reward orders: silver with 5 %, gold with two pounds.
fn set_rewards(app: &App) {
    let mut body = ladder(&[("silver", "100.00"), ("gold", "500.00")]);
    body["tiers"][0]["reward"] = json!({"rate": "0.05"});
    body["tiers"][1]["reward"] = json!({"amount": "2.00"});
    app.admin().put("/v1/tiers", &body).expect(200);
}

/// Books something by hand, as staff do.
fn book(client: &Client<'_>, customer: &str, kind: &str, fields: Value) -> Value {
    let mut body = json!({"kind": kind, "note": "as agreed"});
    body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    client.post(&format!("/v1/customers/{customer}/credits"), &body).expect(201).body
}

/// Says that something was booked in the past: credit in pence, points.
fn booked(app: &App, customer: &str, kind: &str, at: &str, tier: &str, moved: [i64; 2]) {
    let at = instant(at).timestamp_micros();
    let tier = if tier == "-" { "NULL".to_owned() } else { format!("'{tier}'") };
    let [credit, points] = moved;
    let columns = "store_id, customer_id, number, kind, cause, credit, points, credit_balance, \
        points_balance, tier, occurred_at, recorded_at";
    // Numbers that no entry has that the service books.
    let values = format!(
        "'{STORE}', '{customer}', {at}, '{kind}', 'adjustment', {credit}, {points}, 0, 0, \
        {tier}, {at}, {at}"
    );
    sql(app, format!("INSERT INTO ledger_entries ({columns}) VALUES ({values})"));
}

/// The fields of a row, in the order of the columns; a dash is null.
fn line(row: &Value, columns: &str) -> String {
    let cells = columns.split_whitespace().map(|field| match &row[field] {
        Value::Null => "-".to_owned(),
        value => cell(value),
    });
    cells.collect::<Vec<_>>().join(" ")
}

/// The figures of all customers, and those of each tier, which are the same as CSV.
#[track_caller]
fn balances(app: &App) -> Vec<String> {
    let body = report(app, "credit");
    let tiers = body["tiers"].as_array().unwrap().clone();
    assert_csv(app, "credit", COLUMNS, &tiers);
    let whole = line(&body, COLUMNS.strip_prefix("tier name ").unwrap());
    [whole].into_iter().chain(tiers.iter().map(|row| line(row, COLUMNS))).collect()
}

/// What moved by month and tier, which is the same as CSV.
#[track_caller]
fn movements(app: &App, query: &str) -> Vec<String> {
    let path = and("credit-movements", query);
    let rows = report(app, &path)["months"].as_array().unwrap().clone();
    assert_csv(app, &path, MOVEMENTS, &rows);
    rows.iter().map(|row| line(row, MOVEMENTS)).collect()
}

on_both! {
    fn what_customers_have_and_owe_is_told_by_tier(app) {
        app.set_up(json!({}));
        set_rewards(app);
        // The first orders are of nobody in a tier, and earn points alone.
        for (id, customer, at, total) in [
            ("s1-a", "s1", "2024-01-10T12:00:00Z", "100.00"),
            ("s1-b", "s1", "2024-02-10T12:00:00Z", "200.00"),
            ("s2-a", "s2", "2024-01-10T12:00:00Z", "150.00"),
            ("s2-b", "s2", "2024-02-10T12:00:00Z", "100.00"),
            ("g1-a", "g1", "2024-01-10T12:00:00Z", "500.00"),
            ("g1-b", "g1", "2024-02-10T12:00:00Z", "30.00"),
        ] {
            app.order(id, customer, at, total).expect(201);
        }
        // 5.00 and 250 points are spent, of which 2.00 and 40 are then taken back.
        book(&app.manager(), "s2", "redeemed", json!({"credit": "5.00", "points": 250}));
        app.refund("r1", "s2-b", "2024-03-10T12:00:00Z", "40.00").expect(201);
        for (id, credit) in [
            ("n1", "7.50"),
            ("even", "5.00"),
            ("given", "1.00"),
            ("rests", "3.00"),
            ("gone", "99.00"),
        ] {
            customer(app, id, json!({}));
            book(&app.manager(), id, "adjusted", json!({"credit": credit}));
        }
        customer(app, "bare", json!({}));
        book(&app.manager(), "even", "redeemed", json!({"credit": "5.00"}));
        designate(app, "given", json!({"tier": "gold"}));
        designate(app, "rests", json!({"tier": "gold"}));
        pause(app, "rests");
        erase(app, "gone");
        assert_eq!(balances(app), [
            "6 23.50 2.00 830 40",
            // g1: 2.00 and 530; given
            "gold Gold 2 3.00 0.00 530 0",
            // s1: 10.00 and 300; s2, who owes
            "silver Silver 2 10.00 2.00 300 40",
            // n1 and rests
            "- - 2 10.50 0.00 0 0",
        ]);

        // Who earns again fills the hole first: 5.00 and 100.
        app.order("s2-c", "s2", "2024-04-10T12:00:00Z", "100.00").expect(201);
        pause(app, "given");
        let body = report(app, "credit");
        assert_eq!(body["currency"], "GBP");
        assert_eq!(body["recalculating"], false);
        assert_eq!(body["points_outstanding"], 890);
        assert_eq!(balances(app), [
            "6 26.50 0.00 890 0",
            "gold Gold 1 2.00 0.00 530 0",
            "silver Silver 2 13.00 0.00 360 0",
            "- - 3 11.50 0.00 0 0",
        ]);
    }

    fn what_moved_is_told_by_local_month_and_tier(app) {
        app.set_up(json!({"time_zone": "Pacific/Auckland"}));
        set_rewards(app);
        // In January, midnight in Auckland is 11:00 of the day before in UTC.
        for (id, customer, at, total) in [
            ("s1-a", "s1", "2024-01-05T00:00:00Z", "100.00"),
            ("s1-b", "s1", "2024-01-31T10:59:59Z", "200.00"),
            ("s1-c", "s1", "2024-01-31T11:00:00Z", "50.00"),
            ("g1-a", "g1", "2024-01-05T00:00:00Z", "500.00"),
            ("g1-b", "g1", "2024-02-10T00:00:00Z", "30.00"),
        ] {
            app.order(id, customer, at, total).expect(201);
        }
        app.refund("r1", "s1-b", "2024-02-29T11:00:00Z", "100.00").expect(201);
        customer(app, "n1", json!({}));
        for (customer, kind, at, tier, moved) in [
            ("g1", "redeemed", "2024-02-20T00:00:00Z", "gold", [-200, -130]),
            ("s1", "adjusted", "2024-02-20T00:00:00Z", "silver", [-100, 0]),
            ("s1", "adjusted", "2024-02-21T00:00:00Z", "silver", [25, 40]),
            ("n1", "adjusted", "2024-02-20T00:00:00Z", "-", [400, 0]),
            ("n1", "expired", "2024-03-31T10:59:59Z", "-", [-400, 0]),
            ("n1", "adjusted", "2024-03-31T11:00:00Z", "-", [1, 1]),
        ] {
            booked(app, customer, kind, at, tier, moved);
        }
        let quarter = [
            "2024-01 silver 10.00 0.00 0.00 0.00 0.00 200 0 0 0 0",
            // The first orders of both.
            "2024-01 - 0.00 0.00 0.00 0.00 0.00 600 0 0 0 0",
            "2024-02 gold 2.00 0.00 2.00 0.00 0.00 30 0 130 0 0",
            "2024-02 silver 2.50 0.00 0.00 -0.75 0.00 50 0 0 40 0",
            "2024-02 - 0.00 0.00 0.00 4.00 0.00 0 0 0 0 0",
            "2024-03 silver 0.00 5.00 0.00 0.00 0.00 0 100 0 0 0",
            "2024-03 - 0.00 0.00 0.00 0.00 4.00 0 0 0 0 0",
        ];
        assert_eq!(movements(app, SPAN), quarter);
        // Of the first month and of the last one only the days of the span.
        assert_eq!(movements(app, "from=2024-01-31&to=2024-02-02"), [
            "2024-01 silver 10.00 0.00 0.00 0.00 0.00 200 0 0 0 0",
            "2024-02 silver 2.50 0.00 0.00 0.00 0.00 50 0 0 0 0",
        ]);
        let body = report(app, &format!("credit-movements?{SPAN}"));
        assert_eq!(body["currency"], "GBP");
        assert_eq!(body["months"][0]["points_earned"], 200);
        // What was booked stays so.
        erase(app, "s1");
        assert_eq!(movements(app, SPAN), quarter);
    }

    fn what_staff_book_is_of_the_month_in_which_they_do(app) {
        app.set_up(json!({}));
        customer(app, "c1", json!({}));
        let client = app.manager();
        book(&client, "c1", "adjusted", json!({"credit": "10.00", "points": 100}));
        book(&client, "c1", "redeemed", json!({"credit": "4.00", "points": 40}));
        let last = book(&client, "c1", "expired", json!({"credit": "1.00", "points": 10}));
        let month = &last["entry"]["occurred_at"].as_str().unwrap()[..7];
        let expected = format!("{month} - 0.00 0.00 4.00 10.00 1.00 0 0 40 100 10");
        assert_eq!(movements(app, ""), [expected]);
        assert_eq!(balances(app), ["1 5.00 0.00 50 0", "- - 1 5.00 0.00 50 0"]);
    }

    fn without_entries_nobody_has_anything_and_nothing_moved(app) {
        app.set_up(json!({}));
        assert_eq!(balances(app), ["0 0.00 0.00 0 0", "- - 0 0.00 0.00 0 0"]);
        customer(app, "c1", json!({}));
        set_rewards(app);
        assert_eq!(balances(app), [
            "0 0.00 0.00 0 0",
            "gold Gold 0 0.00 0.00 0 0",
            "silver Silver 0 0.00 0.00 0 0",
            "- - 0 0.00 0.00 0 0",
        ]);
        assert_eq!(movements(app, ""), [""; 0]);
    }

    fn a_span_of_movements_has_36_months_at_most(app) {
        app.set_up(json!({}));
        for (most, more) in [
            ("from=2020-01-01&to=2023-01-01", "from=2020-01-01&to=2023-01-02"),
            // In 2023, February ends with the 28th.
            ("from=2020-02-29&to=2023-02-28", "from=2020-02-29&to=2023-03-01"),
        ] {
            assert_eq!(movements(app, most), [""; 0]);
            assert_refused(app, &format!("credit-movements?{more}"), &["?to"]);
        }
        let all = "credit-movements?from=2020-01-01&to=2024-01-01&bogus=1";
        assert_refused(app, all, &["?bogus"]);
        // Without an end it goes as far as it may.
        assert_eq!(report(app, "credit-movements?from=2020-01-15")["to"], "2023-01-15");
        // The calendar has a last day.
        let last = report(app, "credit-movements?from=9999-12-31");
        assert_eq!((&last["to"], &last["months"]), (&json!("9999-12-31"), &json!([])));
    }

    fn balances_of_another_store_are_not_told(app) {
        app.set_up(json!({}));
        let theirs = neighbour(app, Role::Manager);
        app.client_of("other", Role::Storefront).put("/v1/customers/c1", &json!({})).expect(201);
        book(&theirs, "c1", "adjusted", json!({"credit": "50.00", "points": 7}));
        assert_eq!(balances(app), ["0 0.00 0.00 0 0", "- - 0 0.00 0.00 0 0"]);
        assert_eq!(movements(app, ""), [""; 0]);
        customer(app, "c1", json!({}));
        book(&app.manager(), "c1", "adjusted", json!({"credit": "1.00"}));
        assert_eq!(balances(app)[0], "1 1.00 0.00 0 0");
        let body = theirs.get("/v1/reports/credit").expect(200).body;
        assert_eq!(body["credit_outstanding"], "50.00");
    }

    fn a_sum_beyond_64_bits_is_refused_and_not_wrapped(app) {
        app.set_up(json!({}));
        let client = app.manager();
        let add = |number: usize| {
            let id = format!("c{number}");
            customer(app, &id, json!({}));
            book(&client, &id, "adjusted", json!({"credit": "9999999999999999.99"}));
        };
        (0..9).for_each(add);
        assert_eq!(balances(app)[0], "9 89999999999999999.91 0.00 0 0");
        let found = &report(app, "credit-movements")["months"][0]["credit_adjusted"];
        assert_eq!(found, "89999999999999999.91");
        add(9);
        for path in ["credit", "credit-movements"] {
            client.get(&format!("/v1/reports/{path}")).expect_problem(409, "figure_overflow");
        }
    }
}
