//! Who brings in other customers, and what those spend.

use super::*;

const COLUMNS: &str = "customer_id name status referrals referral_spend";

/// The referrers of a span in short: who, the status, how many, what they spent.
fn referrers(app: &App, span: &str) -> Vec<String> {
    let line = |row: &Value| {
        let [id, status, spend] =
            ["customer_id", "status", "referral_spend"].map(|field| row[field].as_str().unwrap());
        format!("{id} {status} {} {spend}", row["referrals"])
    };
    rows(app, &format!("referrals?{span}"), "referrers", COLUMNS).iter().map(line).collect()
}

fn refer(app: &App, id: &str, referrer: &str, referred: &str, at: &str) {
    activity(app, id, referrer, "referral", at, json!({"referred_customer_id": referred}));
}

on_both! {
    fn a_referrer_has_what_the_referred_spent_since(app) {
        app.set_up(json!({}));
        customer(app, "r1", json!({"name": "Zoë"}));
        let (before, day_10) = ("2023-06-01T12:00:00Z", "2024-01-10T12:00:00Z");
        for (id, referrer, referred, at) in [
            ("1", "r1", "a", day_10),
            ("2", "r1", "b", "2023-12-31T23:59:59Z"),
            ("3", "r1", "c", "2024-04-01T00:00:00Z"),
            // Somebody else came first, once by the instant and once by the identifier.
            ("4", "r2", "a", "2024-01-11T12:00:00Z"),
            ("5", "r3", "d", day_10),
            ("6", "r2", "d", day_10),
            ("7", "r4", "not-known-yet", "2024-01-01T00:00:00Z"),
            ("8", "r5", "e", before),
            ("9", "r6", "f", before),
            ("10", "r7", "erased", before),
            ("11", "gone", "g", day_10),
        ] {
            refer(app, id, referrer, referred, at);
        }
        for (id, customer, at, total) in [
            ("a1", "a", "2024-01-10T11:59:59Z", "50.00"),
            ("a2", "a", day_10, "100.00"),
            ("a3", "a", "2024-02-01T12:00:00Z", "30.00"),
            ("b1", "b", "2023-12-31T23:59:59Z", "1.00"),
            ("b2", "b", "2024-01-01T00:00:00Z", "7.00"),
            ("c1", "c", "2024-03-31T12:00:00Z", "11.00"),
            ("c2", "c", "2024-04-01T00:00:00Z", "11.00"),
            ("d1", "d", "2024-02-01T12:00:00Z", "500.00"),
            ("e1", "e", "2024-03-31T23:59:59Z", "60.00"),
            ("f1", "f", "2024-04-01T00:00:00Z", "70.00"),
            ("g1", "g", "2024-02-01T12:00:00Z", "800.00"),
            ("erased1", "erased", "2024-02-01T12:00:00Z", "900.00"),
        ] {
            app.order(id, customer, at, total).expect(201);
        }
        // Refunds lower it whenever they come, and what is pending is not spent.
        app.refund("x1", "a3", "2024-05-01T12:00:00Z", "10.00").expect(201);
        let pending = json!({
            "customer_id": "a", "status": "pending", "total": "40.00", "currency": "GBP",
            "placed_at": "2024-02-01T12:00:00Z",
        });
        app.storefront().put("/v1/orders/a4", &pending).expect(201);
        designate(app, "r3", json!({}));
        flag(app, "r5", "caution");
        erase(app, "gone");
        erase(app, "erased");
        assert_eq!(referrers(app, SPAN), [
            "r3 vip 1 500.00",
            "r1 active 1 127.00",
            "r5 caution 0 60.00",
            "r4 active 1 0.00",
        ]);
        let first = &report(app, &format!("referrals?{SPAN}"))["referrers"];
        assert_eq!((&first[0]["name"], &first[1]["name"]), (&Value::Null, &json!("Zoë")));
        let april = referrers(app, "from=2024-04-01&to=2024-05-01");
        assert_eq!(april, ["r6 active 0 70.00", "r1 active 1 11.00"]);

        // Once the referral is said to have been later, another one was the first.
        let body = json!({"referred_customer_id": "a"});
        put_activity(app, "1", "r1", "referral", "2024-01-12T12:00:00Z", body).expect(200);
        assert_eq!(referrers(app, SPAN), [
            "r3 vip 1 500.00",
            "r5 caution 0 60.00",
            "r2 active 1 20.00",
            "r1 active 0 7.00",
            "r4 active 1 0.00",
        ]);
    }

    fn the_days_of_a_span_begin_and_end_at_local_midnight(app) {
        app.set_up(json!({"time_zone": "America/New_York"}));
        for (id, at) in [
            ("1", "2024-03-01T04:59:59Z"),
            ("2", "2024-03-01T05:00:00Z"),
            // Summer time has begun meanwhile.
            ("3", "2024-04-01T03:59:59Z"),
            ("4", "2024-04-01T04:00:00Z"),
        ] {
            refer(app, id, "r1", &format!("c{id}"), at);
            app.order(id, &format!("c{id}"), at, &format!("{id}.00")).expect(201);
        }
        for (span, found) in [
            ("from=2024-03-01&to=2024-04-01", "r1 active 2 5.00"),
            ("from=2024-02-29&to=2024-04-01", "r1 active 3 6.00"),
            ("from=2024-03-01&to=2024-04-02", "r1 active 3 9.00"),
        ] {
            assert_eq!(referrers(app, span), [found], "{span}");
        }
    }

    fn a_sum_beyond_64_bits_is_refused_and_not_wrapped(app) {
        app.set_up(json!({}));
        let most = "92233720368547758.07";
        for (number, id) in (1..).zip(["c1", "c2"]) {
            app.order(id, id, "2024-06-01T10:00:00Z", most).expect(201);
            refer(app, &format!("r{number}"), "ada", id, "2024-05-01T10:00:00Z");
        }
        let span = "from=2024-01-01&to=2025-01-01";
        for path in ["referrals", "spend-concentration"] {
            let path = format!("/v1/reports/{path}?{span}");
            app.manager().get(&path).expect_problem(409, "figure_overflow");
        }
        let rule = json!({
            "name": "Brings in much", "profile": "advocate", "grants": {},
            "conditions": [{"metric": "referral_spend", "at_least": "1000.00"}],
        });
        app.client(Role::PlatformAdmin).put("/v1/rules/much", &rule).expect(201);
        let path = "/v1/customers/ada/qualification";
        app.support().get(path).expect_problem(409, "figure_overflow");
        // Nothing of it is stored, and the pass goes on to the others.
        rule_settled(app, "much");
        app.support().get("/v1/customers/c1/qualification").expect(200);
    }
}
