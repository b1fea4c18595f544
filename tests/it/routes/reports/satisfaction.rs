//! Surveys and complaints, by tier.

use super::*;

const COLUMNS: &str = "tier name rank customers surveys average_score unsatisfied complaints \
    public_complaints open_complaints";

#[track_caller]
fn satisfaction(app: &App, span: &str) -> Vec<Value> {
    let path = format!("satisfaction?{span}");
    let rows = report(app, &path)["tiers"].as_array().unwrap().clone();
    assert_csv(app, &path, COLUMNS, &rows);
    rows
}

fn survey(app: &App, id: &str, customer: &str, at: &str, score: u32) {
    activity(app, id, customer, "survey", at, json!({"score": score}));
}

on_both! {
    fn each_tier_has_its_surveys_and_complaints(app) {
        app.set_up(json!({}));
        app.set_tiers(&[("silver", "100.00"), ("gold", "500.00"), ("black", "9000.00")]);
        app.order("o1", "g1", NOON, "500.00").expect(201);
        app.order("o2", "s1", NOON, "100.00").expect(201);
        for id in ["g2", "n1", "n2", "gone"] {
            customer(app, id, json!({}));
        }
        designate(app, "g2", json!({"tier": "gold"}));
        flag(app, "g2", "caution");
        let within = "2024-02-01T12:00:00Z";
        for (number, (customer, at, score)) in [
            // 17 of 4 are 4.25.
            ("g1", "2024-01-01T00:00:00Z", 5),
            ("g1", "2024-03-31T23:59:59Z", 4),
            ("g1", within, 4),
            ("g2", within, 4),
            ("g1", "2023-12-31T23:59:59Z", 1),
            // 33 of 8 are 4.125, and a 3 is no 2.
            ("s1", within, 5),
            ("s1", within, 5),
            ("s1", within, 5),
            ("s1", within, 5),
            ("s1", within, 5),
            ("s1", within, 3),
            ("s1", within, 3),
            ("s1", within, 2),
            ("n1", "2024-04-01T00:00:00Z", 1),
            ("gone", within, 1),
        ]
        .into_iter()
        .enumerate()
        {
            survey(app, &format!("survey-{number}"), customer, at, score);
        }
        for (number, (customer, at, is_public, resolved_at)) in [
            ("g1", within, true, Some("2024-02-02T12:00:00Z")),
            ("g1", within, false, None),
            ("g2", "2023-06-01T12:00:00Z", true, None),
            ("s1", within, false, Some("2024-05-01T12:00:00Z")),
            ("n2", "2024-05-01T12:00:00Z", true, None),
            ("n2", "2024-05-01T12:00:00Z", true, Some("2024-05-02T12:00:00Z")),
            ("gone", within, true, None),
        ]
        .into_iter()
        .enumerate()
        {
            let fields =
                json!({"channel": "email", "public": is_public, "resolved_at": resolved_at});
            activity(app, &format!("complaint-{number}"), customer, "complaint", at, fields);
        }
        activity(app, "call", "s1", "contact", within, json!({"channel": "phone"}));
        erase(app, "gone");
        let expected = [
            json!({
                "tier": "black", "name": "Black", "rank": 3, "customers": 0, "surveys": 0,
                "average_score": null, "unsatisfied": 0, "complaints": 0, "public_complaints": 0,
                "open_complaints": 0,
            }),
            json!({
                "tier": "gold", "name": "Gold", "rank": 2, "customers": 2, "surveys": 4,
                "average_score": "4.25", "unsatisfied": 0, "complaints": 2, "public_complaints": 1,
                "open_complaints": 2,
            }),
            json!({
                "tier": "silver", "name": "Silver", "rank": 1, "customers": 1, "surveys": 8,
                "average_score": "4.13", "unsatisfied": 1, "complaints": 1, "public_complaints": 0,
                "open_complaints": 0,
            }),
            json!({
                "tier": null, "name": null, "rank": null, "customers": 2, "surveys": 0,
                "average_score": null, "unsatisfied": 0, "complaints": 0, "public_complaints": 0,
                "open_complaints": 1,
            }),
        ];
        assert_eq!(satisfaction(app, SPAN), expected);

        // What was answered then is told of the tier that it is now, and a
        // complaint that is resolved is not open any more.
        pause(app, "g2");
        let resolved = json!({
            "channel": "email", "public": true, "resolved_at": "2024-06-01T12:00:00Z",
        });
        put_activity(app, "complaint-4", "n2", "complaint", "2024-05-01T12:00:00Z", resolved)
            .expect(200);
        let rows = satisfaction(app, SPAN);
        let fields = |row: &Value| {
            ["customers", "surveys", "average_score", "open_complaints"].map(|f| cell(&row[f]))
        };
        // 13 of 3 are 4.33.
        assert_eq!(fields(&rows[1]), ["1", "3", "4.33", "1"]);
        assert_eq!(fields(&rows[3]), ["3", "1", "4.00", "1"]);
    }

    fn the_days_of_a_span_begin_and_end_at_local_midnight(app) {
        app.set_up(json!({"time_zone": "Europe/London"}));
        for (number, at) in [
            "2024-03-31T22:59:59Z",
            "2024-03-31T23:00:00Z",
            "2024-10-31T23:59:59Z",
            "2024-11-01T00:00:00Z",
        ]
        .into_iter()
        .enumerate()
        {
            survey(app, &format!("s{number}"), "c1", at, 1);
            let complaint = json!({"channel": "web"});
            activity(app, &format!("c{number}"), "c1", "complaint", at, complaint);
        }
        for (span, count) in [
            ("from=2024-04-01&to=2024-11-01", 2),
            ("from=2024-03-31&to=2024-11-01", 3),
            ("from=2024-04-01&to=2024-11-02", 3),
        ] {
            let row = &satisfaction(app, span)[0];
            let found = ["surveys", "unsatisfied", "complaints"].map(|field| row[field].clone());
            assert_eq!(found, [json!(count), json!(count), json!(count)], "{span}");
            assert_eq!(row["open_complaints"], 4, "{span}");
        }
    }
}
