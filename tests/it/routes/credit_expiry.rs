//! Store credit and points that are not used in time expire.

use super::rules::{feed, told};
use crate::support::*;
use accolade::db::ledger::{self, AccountRow};
use accolade::db::{self, Tx};
use accolade::domain::id::{CustomerId, StoreId};
use accolade::domain::ledger::expires_at;
use accolade::workflow::credits::expire;
use chrono::{DateTime, Duration, Utc};
use serde_json::{Value, json};

const CREDITS: &str = "/v1/customers/c1/credits";
const ZONE: chrono_tz::Tz = chrono_tz::Asia::Tokyo;

/// A shop in Tokyo whose balances expire after a year, and a customer with
/// 5.00 and 100 points.
fn set_up(app: &App) {
    app.set_up(json!({"time_zone": "Asia/Tokyo", "credit_expires_after_months": 12}));
    let gold = json!({"name": "Gold", "rank": 1, "threshold": "0", "reward": {"rate": "0.05"}});
    app.admin().put("/v1/tiers/gold", &gold).expect(201);
    app.order("o1", "c1", "2024-06-01T10:00:00Z", "100.00").expect(201);
}

/// What there is, in credit and points.
fn has(app: &App) -> (String, i64) {
    let balances = &app.storefront().get(CREDITS).expect(200).body["balances"];
    (balances["credit"].as_str().unwrap().to_owned(), balances["points"].as_i64().unwrap())
}

fn entries(app: &App) -> Vec<Value> {
    let body = app.manager().get(CREDITS).expect(200).body;
    body["entries"].as_array().unwrap().clone()
}

fn account(tx: &mut Tx<'_>) -> Result<AccountRow, db::Error> {
    let (store, customer) = (StoreId::parse(STORE).unwrap(), CustomerId::parse("c1").unwrap());
    ledger::account(tx, &store, &customer)
}

/// The instant at which the balance expires.
fn due_at(app: &App) -> DateTime<Utc> {
    let account = app.db.read_blocking(account).unwrap();
    let active_at = DateTime::from_timestamp_micros(account.active_at).unwrap();
    expires_at(ZONE, active_at, 12).unwrap()
}

/// Has it be so many days ago that something was earned or spent.
fn age(app: &App, days: i64) {
    let active_at = (Utc::now() - Duration::days(days)).timestamp_micros();
    let set = app.db.write(move |tx| {
        let aged = AccountRow { active_at, ..account(tx)? };
        ledger::enter(tx, &aged, Vec::new())
    });
    actix_web::rt::System::new().block_on(set).unwrap();
}

/// What the background does at an instant; of how many customers.
fn expire_at(app: &App, at: DateTime<Utc>) -> usize {
    actix_web::rt::System::new().block_on(expire(&app.db, at)).unwrap()
}

on_both! {
    fn what_nothing_happened_to_for_so_long_expires_at_the_local_midnight_once(app) {
        set_up(app);
        let due = due_at(app);
        assert_eq!(due.with_timezone(&ZONE).time(), chrono::NaiveTime::MIN);
        assert_eq!(expire_at(app, due - Duration::microseconds(1)), 0);
        assert_eq!(has(app), ("5.00".to_owned(), 100));
        assert_eq!(expire_at(app, due), 1);
        assert_eq!(has(app), ("0.00".to_owned(), 0));
        assert_eq!(expire_at(app, due), 0);
        let newest = entries(app)[0].clone();
        for (field, value) in [
            ("number", json!(2)), ("kind", json!("expired")), ("cause", json!("expiry")),
            ("credit", json!("-5.00")), ("points", json!(-100)), ("credit_balance", json!("0.00")),
            ("points_balance", json!(0)), ("tier", json!("gold")), ("operator", Value::Null),
        ] {
            assert_eq!(newest[field], value, "{field}");
        }
        let data = json!({"number": 2, "credit": "-5.00", "points": -100});
        assert_eq!(told(&feed(app), "c1", "credit_expired"), [data]);
        let expired = app.manager().get("/v1/customers/c1/timeline").expect(200).body;
        let told: Vec<_> = expired["entries"].as_array().unwrap().iter()
            .filter(|entry| entry["kind"] == "credit_expired").collect();
        assert_eq!(told.len(), 1, "{told:?}");
        assert_eq!(told[0]["by"], json!({"subject": "accolade", "role": "system"}));
        // What was refunded afterwards is owed all the same.
        let refunded = app.refund("r1", "o1", "2024-06-02T10:00:00Z", "100.00").expect(201).body;
        assert_eq!(refunded["balances"]["credit_owed"], "5.00");
        assert_eq!(expire_at(app, due + Duration::days(1_000)), 0, "what is owed does not expire");
    }

    fn what_is_earned_or_spent_in_time_prolongs_and_a_refund_does_not(app) {
        set_up(app);
        for (what, prolongs) in [("order", true), ("redemption", true), ("refund", false)] {
            age(app, 300);
            let due = due_at(app);
            match what {
                "order" => {
                    app.order("o2", "c1", "2024-06-03T10:00:00Z", "100.00").expect(201);
                }
                "redemption" => {
                    let body = json!({"kind": "redeemed", "points": 1});
                    app.storefront().post(CREDITS, &body).expect(201);
                }
                _ => {
                    app.refund("r2", "o2", "2024-06-04T10:00:00Z", "1.00").expect(201);
                }
            }
            assert_eq!(due_at(app) > due, prolongs, "{what}");
        }
    }

    fn what_has_expired_can_neither_be_spent_nor_prolonged_before_anybody_noted_it(app) {
        set_up(app);
        age(app, 400);
        assert_eq!(has(app), ("0.00".to_owned(), 0), "whether or not it is entered");
        let spend = json!({"kind": "redeemed", "credit": "5.00"});
        app.storefront().post(CREDITS, &spend).expect_problem(409, "insufficient_balance");
        let order = app.order("o2", "c1", "2024-06-03T10:00:00Z", "20.00").expect(201).body;
        assert_eq!(order["earned"], json!({"credit": "1.00", "points": 20}));
        assert_eq!(has(app), ("1.00".to_owned(), 20));
        let kinds: Vec<_> = entries(app).iter().map(|entry| entry["kind"].clone()).collect();
        assert_eq!(kinds, ["earned", "expired", "earned"]);
    }

    fn without_the_setting_nothing_expires(app) {
        set_up(app);
        age(app, 4_000);
        let forever = json!({"credit_expires_after_months": null});
        let program = app.admin().patch("/v1/program", &forever).expect(200).body;
        assert_eq!(program["credit_expires_after_months"], Value::Null);
        assert_eq!(expire_at(app, Utc::now()), 0);
        assert_eq!(has(app), ("5.00".to_owned(), 100));
        let soon = json!({"credit_expires_after_months": 121});
        let faults = app.admin().patch("/v1/program", &soon).expect_problem(422, "invalid_request");
        assert_eq!(faults.pointers(), ["/credit_expires_after_months"]);
    }

    fn many_customers_expire_in_batches(app) {
        set_up(app);
        for number in 0..230 {
            app.order(&format!("x{number}"), &format!("x{number}"), "2024-06-01T10:00:00Z", "10.00").expect(201);
        }
        let due = due_at(app) + Duration::days(2);
        assert_eq!(expire_at(app, due), 231);
        assert_eq!(expire_at(app, due), 0);
        let report = app.manager().get("/v1/reports/credit").expect(200).body;
        assert_eq!(report["credit_outstanding"], "0.00");
    }
}
