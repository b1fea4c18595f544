//! How many VIPs a span of time has kept.

use super::*;

const COLUMNS: &str = "group at_start kept ordered retained percent aim_percent advice";
const SINCE: &str = "2023-06-01T00:00:00Z";

/// The figures of all VIPs and of those at risk, which are the same as CSV: at
/// the start, kept, ordered, retained, percent, advice.
#[track_caller]
fn retention(app: &App, query: &str) -> [String; 2] {
    let path = and("retention", query);
    let body = report(app, &path);
    let rows = ["vips", "at_risk_vips"].map(|group| {
        let mut row = body[group].clone();
        assert_eq!(row["aim_percent"], "80.00");
        row["group"] = json!(group);
        row
    });
    assert_csv(app, &path, COLUMNS, &rows);
    let fields = ["at_start", "kept", "ordered", "retained", "percent", "advice"];
    rows.map(|row| fields.map(|field| cell(&row[field])).join(" "))
}

/// Sends orders of one pound.
fn orders(app: &App, customer: &str, instants: &str) {
    for (number, at) in instants.split_whitespace().enumerate() {
        app.order(&format!("{customer}-{number}"), customer, at, "1.00").expect(201);
    }
}

on_both! {
    fn who_is_still_a_vip_and_has_ordered_is_retained(app) {
        app.set_up(json!({}));
        for (id, since, until, instants) in [
            ("v1", SINCE, None, "2023-12-20T12:00:00Z 2024-02-01T12:00:00Z"),
            // At risk by exactly 45 days, and ordered in the first instant.
            ("v2", SINCE, None, "2023-11-17T00:00:00Z 2024-01-01T00:00:00Z"),
            // Not at risk by a second, and ordered nothing.
            ("v3", SINCE, None, "2023-11-17T00:00:01Z"),
            ("v4", SINCE, Some("2024-03-01T00:00:00Z"), "2023-07-01T12:00:00Z 2024-01-15T12:00:00Z"),
            ("v5", SINCE, Some("2024-04-01T00:00:00Z"), "2024-03-31T23:59:59Z"),
            ("v6", "2024-01-01T00:00:00Z", Some("2024-04-01T00:00:00.000001Z"), "2024-04-01T00:00:00Z"),
            // One became a VIP too late, one was none any more.
            ("v7", "2024-01-01T00:00:00.000001Z", None, "2024-02-01T12:00:00Z"),
            ("v8", SINCE, Some("2024-01-01T00:00:00Z"), "2024-02-01T12:00:00Z"),
            ("v9", SINCE, Some("2024-02-01T00:00:00Z"), "2023-12-01T12:00:00Z 2024-02-15T12:00:00Z"),
            ("v10", SINCE, Some("2024-03-14T00:00:00Z"), "2023-12-20T12:00:00Z 2024-01-05T12:00:00Z"),
            ("v11", SINCE, None, "2023-12-20T12:00:00Z"),
            ("v12", SINCE, None, "2023-12-20T12:00:00Z 2024-02-02T12:00:00Z"),
            ("v13", SINCE, None, "2023-12-20T12:00:00Z"),
            ("gone", SINCE, None, "2023-07-01T12:00:00Z 2024-02-01T12:00:00Z"),
        ] {
            orders(app, id, instants);
            was_vip(app, id, since, until);
        }
        orders(app, "never", "2024-02-01T12:00:00Z");
        // Removed, and made a VIP again.
        was_vip(app, "v9", "2024-03-01T00:00:00Z", None);
        for (id, at) in [
            ("v10", "2023-12-15T00:00:00Z"),
            ("v11", "2024-01-02T00:00:00Z"),
            ("v12", "2023-12-15T00:00:00Z"),
        ] {
            change_customer(app, id, json!({"subscription": cancelled(at)}));
        }
        let again = json!({"monthly_amount": "10.00", "state": "active"});
        change_customer(app, "v12", json!({"subscription": again}));
        let pending = json!({
            "customer_id": "v13", "status": "pending", "total": "1.00", "currency": "GBP",
            "placed_at": "2024-02-01T12:00:00Z",
        });
        app.storefront().put("/v1/orders/pending", &pending).expect(201);
        erase(app, "gone");
        assert_eq!(retention(app, SPAN), [
            // All but v7 and v8; all of them but v4, v5 and v10; v1, v2, v4, v5,
            // v9, v10 and v12; v1, v2, v9 and v12.
            "11 8 7 4 36.36 below_target",
            // v2, v4 and v10.
            "3 1 3 1 33.33 below_target",
        ]);
    }

    fn four_of_five_are_aimed_at(app) {
        app.set_up(json!({}));
        assert_eq!(retention(app, SPAN), ["0 0 0 0  no_vips", "0 0 0 0  no_vips"]);
        for id in ["v1", "v2", "v3", "v4"] {
            orders(app, id, "2023-07-01T12:00:00Z 2024-02-01T12:00:00Z");
            was_vip(app, id, SINCE, None);
        }
        let all = "4 4 4 4 100.00 on_target";
        assert_eq!(retention(app, SPAN), [all, all]);
        orders(app, "v5", "2023-07-01T12:00:00Z");
        was_vip(app, "v5", SINCE, None);
        let aim = "5 5 4 4 80.00 on_target";
        assert_eq!(retention(app, SPAN), [aim, aim]);
        customer(app, "v6", json!({}));
        was_vip(app, "v6", SINCE, None);
        assert_eq!(retention(app, SPAN), ["6 6 4 4 66.67 below_target", aim]);
    }

    fn the_days_of_a_span_begin_and_end_at_local_midnight(app) {
        app.set_up(json!({"time_zone": "America/New_York"}));
        let (start, end) = ("2024-03-01T05:00:00Z", "2024-04-01T04:00:00Z");
        for (id, since, until, instants) in [
            ("c1", SINCE, None, "2024-03-01T04:59:59Z"),
            ("c2", SINCE, None, start),
            ("c3", SINCE, None, "2024-04-01T03:59:59Z"),
            ("c4", SINCE, None, end),
            ("c5", start, Some(end), ""),
            ("c6", "2024-03-01T05:00:01Z", None, ""),
            ("c7", SINCE, Some("2024-04-01T04:00:01Z"), ""),
        ] {
            customer(app, id, json!({}));
            orders(app, id, instants);
            was_vip(app, id, since, until);
        }
        // c5 was not kept, and c6 no VIP at the start; c2 and c3 ordered.
        let [vips, at_risk] = retention(app, "from=2024-03-01&to=2024-04-01");
        assert_eq!(vips, "6 5 2 2 33.33 below_target");
        assert_eq!(at_risk, "0 0 0 0  no_vips");
        // A day earlier in the evening: c5 is no VIP yet, and c1 ordered.
        let [vips, _] = retention(app, "from=2024-02-29&to=2024-04-01");
        assert_eq!(vips, "5 5 3 3 60.00 below_target");
    }

    fn a_designation_runs_until_it_is_removed_or_ends(app) {
        app.set_up(json!({}));
        for id in ["stays", "rests", "ended", "again", "erased", "lapsed"] {
            app.order(id, id, &hours_ago(1), "1.00").expect(201);
            if id != "lapsed" {
                designate(app, id, json!({}));
            }
        }
        pause(app, "rests");
        remove(app, "ended");
        remove(app, "again");
        designate(app, "again", json!({}));
        erase(app, "erased");
        let ends_at = from_now(2);
        designate(app, "lapsed", json!({"ends_at": ends_at}));
        while Utc::now() < instant(&ends_at) {
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        // Before a list is read, ends that time has brought are noted.
        app.manager().get("/v1/designations").expect(200);
        // As if they had been made 30 days ago.
        let days_30 = Duration::days(30).num_microseconds().unwrap();
        let current = "until_at IS NULL OR customer_id <> 'again'";
        sql(app, format!("UPDATE designation_spans SET from_at = from_at - {days_30} WHERE {current}"));
        let today = Utc::now().date_naive();
        let from = today - Duration::days(10);
        // ended and lapsed were not kept. The span goes on until tomorrow, and
        // so does who is a VIP now.
        assert_eq!(retention(app, &format!("from={from}"))[0], "5 3 5 3 60.00 below_target");
        let to = today + Duration::days(100);
        let query = format!("from={from}&to={to}");
        assert_eq!(retention(app, &query)[0], "5 3 5 3 60.00 below_target");
    }
}
