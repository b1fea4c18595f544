//! The pass over all customers: one instance at a time, and a crash in it
//! loses nothing and repeats nothing.

use crate::support::*;
use accolade::api::auth::Role;
use accolade::db::qualifications::{self, PassRow};
use accolade::domain::id::{CustomerId, RuleCode, StoreId};
use accolade::workflow::qualification::take_up;
use chrono::{Duration, Utc};
use serde_json::{Value, json};
use std::time::Instant;

fn store() -> StoreId {
    StoreId::parse(STORE).unwrap()
}

fn pass(app: &App) -> PassRow {
    let read = app.db.read_blocking(|tx| qualifications::find_pass(tx, &store()));
    read.unwrap().unwrap()
}

/// Has the pass stand so, whoever works on it.
fn set(app: &App, is: PassRow) {
    let was = pass(app);
    let set = app.db.write(move |tx| qualifications::update_pass(tx, &was, &is));
    assert!(actix_web::rt::System::new().block_on(set).unwrap());
}

/// A store whose customers all have a tag, and a rule for it.
fn set_up(app: &App, customers: usize, requires_approval: bool) {
    app.set_up(json!({}));
    for number in 0..customers {
        let path = format!("/v1/customers/c{number:03}");
        app.storefront().put(&path, &json!({"tags": ["blue"]})).expect(201);
    }
    put_rule(app, requires_approval);
    settled(app);
}

fn put_rule(app: &App, requires_approval: bool) {
    let rule = json!({
        "name": "Blue", "profile": "other", "grants": {"requires_approval": requires_approval},
        "conditions": [{"metric": "has_tag", "tag": "blue", "at_least": "1"}],
    });
    app.client(Role::PlatformAdmin).put("/v1/rules/blue", &rule).expect(201);
}

fn settled(app: &App) {
    let started = Instant::now();
    let is_evaluating = || -> Value {
        app.client(Role::PlatformAdmin).get("/v1/rules/blue").expect(200).body["evaluating"].clone()
    };
    while is_evaluating() == true {
        assert!(started.elapsed().as_secs() < 60, "the pass does not end");
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
}

/// Whether it is stored that a customer meets the rule.
fn is_met(app: &App, customer: &str) -> bool {
    let id = CustomerId::parse(customer).unwrap();
    let read = app.db.read_blocking(|tx| qualifications::find(tx, &store(), &id));
    !read.unwrap().is_empty()
}

/// Forgets that customers meet the rule, as if a crash had come before.
fn forget(app: &App, customers: &[&str]) {
    let ids: Vec<_> = customers.iter().map(|id| CustomerId::parse(id).unwrap()).collect();
    let forgotten = app.db.write(move |tx| {
        for id in &ids {
            qualifications::delete(tx, &store(), id, &RuleCode::parse("blue").unwrap())?;
        }
        Ok::<_, accolade::db::Error>(())
    });
    actix_web::rt::System::new().block_on(forgotten).unwrap();
}

fn micros_from_now(seconds: i64) -> i64 {
    (Utc::now() + Duration::seconds(seconds)).timestamp_micros()
}

on_both! {
    fn what_an_instance_works_on_no_other_touches(app) {
        set_up(app, 2, false);
        forget(app, &["c000", "c001"]);
        let claimed = PassRow { due_at: micros_from_now(-60), leased_until: micros_from_now(3600), ..pass(app) };
        set(app, claimed.clone());
        actix_web::rt::System::new().block_on(take_up(&app.db, Utc::now())).unwrap();
        std::thread::sleep(std::time::Duration::from_millis(1_200));
        assert_eq!(pass(app), claimed);
        assert!(!is_met(app, "c000"));
    }

    fn after_a_crash_it_goes_on_after_the_last_customer_that_it_came_to(app) {
        set_up(app, 3, false);
        forget(app, &["c000", "c001", "c002"]);
        // The claim of who crashed is over, and two customers were done by then.
        let left = PassRow {
            due_at: micros_from_now(-60),
            done_through: Some("c001".to_owned()),
            leased_until: micros_from_now(-1),
            ..pass(app)
        };
        set(app, left);
        settled(app);
        assert_eq!(["c000", "c001", "c002"].map(|id| is_met(app, id)), [false, false, true]);
        // It is over, and the next one comes with the night.
        assert!(pass(app).due_at > micros_from_now(0));
    }

    fn several_instances_nominate_everyone_once(app) {
        const CUSTOMERS: usize = 250;
        set_up(app, CUSTOMERS, true);
        let count = || {
            let nominations = app.support().get("/v1/nominations?limit=200").expect(200).body;
            let cursor = nominations["next_cursor"].as_str().unwrap().to_owned();
            let rest = app.support().get(&format!("/v1/nominations?limit=200&cursor={cursor}"));
            let of = |body: &Value| body["nominations"].as_array().unwrap().len();
            of(&nominations) + of(&rest.expect(200).body)
        };
        assert_eq!(count(), CUSTOMERS);
        // Begun again and again, by three at once and the background.
        let workers: Vec<_> = (0..3)
            .map(|_| {
                let db = app.db.clone();
                std::thread::spawn(move || {
                    actix_web::rt::System::new().block_on(async {
                        for _ in 0..5 {
                            let now = Utc::now();
                            db.write(move |tx| qualifications::restart_pass(tx, &store(), now)).await.unwrap();
                            take_up(&db, Utc::now()).await.unwrap();
                        }
                    });
                })
            })
            .collect();
        workers.into_iter().for_each(|worker| worker.join().unwrap());
        settled(app);
        assert_eq!(count(), CUSTOMERS);
    }
}
