//! The tests of the API, by resource.

mod activities;
mod approval;
mod audit;
mod badges;
mod benefits;
mod cancellations;
mod cards;
mod complaints;
mod credit_expiry;
mod credits;
mod csv;
mod customer_benefits;
mod customers;
mod designations;
mod dry_run;
mod events;
mod facts;
mod follow_ups;
mod found;
mod idempotency;
mod ledger_of_orders;
mod links;
mod memberships;
mod nominations;
mod orders;
mod program;
mod qualification;
mod referrals;
mod refunds;
pub mod reports;
mod reward;
mod rules;
mod smoke;
mod statuses;
mod tiers;
mod timeline;
mod treatment;
mod vip_list;
mod ways_to_earn;

use crate::support::*;
use accolade::api::auth::Role;
use serde_json::{Value, json};

/// What a list names, in its order.
fn ids(body: &Value, list: &str, field: &str) -> Vec<String> {
    let rows = body[list].as_array().unwrap();
    rows.iter().map(|row| row[field].as_str().unwrap().to_owned()).collect()
}

/// What all pages of a list name, two rows to a page.
fn paged(client: &Client<'_>, path: &str, list: &str, field: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut cursor = String::new();
    let join = if path.contains('?') { '&' } else { '?' };
    loop {
        let body = client.get(&format!("{path}{join}limit=2{cursor}")).expect(200).body;
        let page = ids(&body, list, field);
        let Some(next) = body["next_cursor"].as_str() else {
            assert!(page.len() <= 2, "{page:?}");
            found.extend(page);
            return found;
        };
        assert_eq!(page.len(), 2, "a page that is not the last is full");
        cursor = format!("&cursor={next}");
        found.extend(page);
    }
}

/// A client of another store, which is set up.
fn neighbour(app: &App, role: Role) -> Client<'_> {
    let admin = app.client_of("other", Role::Administrator);
    let settings = json!({"currency": "GBP", "start_date": "2020-01-01"});
    admin.patch("/v1/program", &settings).expect(200);
    app.client_of("other", role)
}

/// Insists that another store's thing looks exactly like an absent one.
#[track_caller]
fn assert_same_404(foreign: &Answer, absent: &Answer) {
    assert_eq!((foreign.status, absent.status), (404, 404), "{} {}", foreign.text, absent.text);
    assert_eq!(foreign.body["code"], "not_found");
    assert_eq!(foreign.text, absent.text);
}

/// The places of all faults, each once.
#[track_caller]
fn faults(answer: Answer) -> Vec<String> {
    let answer = answer.expect_problem(422, "invalid_request");
    let mut pointers: Vec<String> = answer.pointers().into_iter().map(str::to_owned).collect();
    pointers.dedup();
    pointers
}

/// Insists that a list refuses pages that can't be.
#[track_caller]
fn assert_paging_rules(client: &Client<'_>, path: &str) {
    for (query, pointer) in [
        ("limit=0", "?limit"),
        ("limit=201", "?limit"),
        ("limit=ten", "?limit"),
        ("cursor=nonsense", "?cursor"),
    ] {
        let answer = client.get(&format!("{path}?{query}")).expect_problem(422, "invalid_request");
        assert_eq!(answer.pointers(), [pointer], "{query}");
    }
}
