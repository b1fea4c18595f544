//! The days of a month on which to congratulate VIPs.

use super::*;

const COLUMNS: &str = "customer_id name email preferred_channel tier occasion on years assigned_to";

fn of_month(app: &App, month: &str) -> Vec<Value> {
    rows(app, &format!("anniversaries?month={month}"), "anniversaries", COLUMNS)
}

/// The rows of a month in short: the day, who, what and how many years.
fn days(app: &App, month: &str) -> Vec<String> {
    let line = |row: &Value| {
        let on = row["on"].as_str().unwrap();
        let day = on.strip_prefix(&format!("{month}-")).unwrap();
        let [id, occasion] = ["customer_id", "occasion"].map(|field| row[field].as_str().unwrap());
        format!("{day} {id} {occasion} {}", row["years"])
    };
    of_month(app, month).iter().map(line).collect()
}

on_both! {
    fn a_month_names_anniversaries_and_birthdays_of_vips(app) {
        app.set_up(json!({}));
        app.set_tiers(&[("gold", "500.00")]);
        let whole = json!({
            "name": "Zoë", "email": "zoe@example.com", "preferred_channel": "phone",
            "birthday": "1985-03-31",
        });
        customer(app, "v1", whole);
        for id in ["v2", "v3", "v4", "rests", "ended", "gone", "never"] {
            customer(app, id, json!({"birthday": "1990-03-07"}));
        }
        // Whose birthday is not known is congratulated on the other day alone.
        change_customer(app, "v3", json!({"birthday": null}));
        for (id, body) in [
            ("v1", json!({"tier": "gold", "since": "2021-03-15", "assigned_to": "eve"})),
            ("v2", json!({"since": "2024-03-01"})),
            ("v3", json!({"since": "2022-03-15"})),
            ("v4", json!({"since": "2021-04-01"})),
            ("rests", json!({"since": "2021-03-15", "state": "paused"})),
            ("ended", json!({"since": "2021-03-15"})),
            ("gone", json!({"since": "2021-03-15"})),
        ] {
            designate(app, id, body);
        }
        remove(app, "ended");
        erase(app, "gone");
        flag(app, "v3", "caution");
        assert_eq!(days(app, "2025-03"), [
            "01 v2 vip_anniversary 1",
            "07 v2 birthday 35",
            "07 v4 birthday 35",
            "15 v1 vip_anniversary 4",
            "15 v3 vip_anniversary 3",
            "31 v1 birthday 40",
        ]);
        let found = of_month(app, "2025-03");
        assert_eq!(found[3], json!({
            "customer_id": "v1", "name": "Zoë", "email": "zoe@example.com",
            "preferred_channel": "phone", "tier": "gold", "occasion": "vip_anniversary",
            "on": "2025-03-15", "years": 4, "assigned_to": "eve",
        }));
        assert_eq!(found[4], json!({
            "customer_id": "v3", "name": null, "email": null, "preferred_channel": null,
            "tier": null, "occasion": "vip_anniversary", "on": "2025-03-15", "years": 3,
            "assigned_to": null,
        }));
        // The day on which somebody became a VIP is no anniversary.
        assert_eq!(days(app, "2024-03"), [
            "07 v2 birthday 34",
            "07 v4 birthday 34",
            "15 v1 vip_anniversary 3",
            "15 v3 vip_anniversary 2",
            "31 v1 birthday 39",
        ]);
        assert_eq!(days(app, "2025-04"), ["01 v4 vip_anniversary 4"]);
        // Nobody is congratulated before, but the day of birth is a birthday.
        assert_eq!(days(app, "2020-04"), [""; 0]);
        assert_eq!(days(app, "1985-03"), ["31 v1 birthday 0"]);
        assert_eq!(days(app, "1984-03"), [""; 0]);
    }

    fn the_29th_of_february_is_the_28th_in_other_years(app) {
        app.set_up(json!({}));
        for (id, birthday) in [("c1", "2000-02-28"), ("c2", "2000-02-29"), ("c3", "2000-03-01")] {
            customer(app, id, json!({"birthday": birthday}));
            designate(app, id, json!({"since": "2024-02-29"}));
        }
        assert_eq!(days(app, "2025-02"), [
            "28 c1 birthday 25",
            "28 c2 birthday 25",
            "28 c1 vip_anniversary 1",
            "28 c2 vip_anniversary 1",
            "28 c3 vip_anniversary 1",
        ]);
        assert_eq!(days(app, "2028-02"), [
            "28 c1 birthday 28",
            "29 c2 birthday 28",
            "29 c1 vip_anniversary 4",
            "29 c2 vip_anniversary 4",
            "29 c3 vip_anniversary 4",
        ]);
        assert_eq!(days(app, "2025-03"), ["01 c3 birthday 25"]);
        assert_eq!(days(app, "2100-02")[1], "28 c2 birthday 100");
    }

    fn without_a_month_it_is_the_one_that_it_is_in_the_programs_zone(app) {
        app.set_up(json!({"time_zone": "Pacific/Kiritimati"}));
        customer(app, "c1", json!({}));
        let (today, body) = on_one_day(chrono_tz::Pacific::Kiritimati, || {
            let today = Utc::now().with_timezone(&chrono_tz::Pacific::Kiritimati).date_naive();
            let since = json!({"since": today - Months::new(24)});
            app.manager().put("/v1/customers/c1/designation", &since);
            report(app, "anniversaries")
        });
        assert_eq!(body["month"], today.format("%Y-%m").to_string());
        assert_eq!(body["time_zone"], "Pacific/Kiritimati");
        assert_eq!(named(body["anniversaries"].as_array().unwrap()), "c1");
        assert_eq!(body["anniversaries"][0]["years"], 2);
        assert_eq!(report(app, "anniversaries?month=2031-05")["month"], "2031-05");
    }

    fn a_month_is_a_year_and_a_month(app) {
        app.set_up(json!({}));
        for month in ["2026-13", "2026-00", "2026-1", "11", "2026-11-01", "202611", "next", ""] {
            assert_refused(app, &format!("anniversaries?month={month}"), &["?month"]);
        }
    }
}
