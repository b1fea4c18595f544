//! A real year of orders and refunds, where it lies beside the project.

use crate::support::*;
use accolade::domain::id::StoreId;
use accolade::import::{Files, Summary, import};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

pub fn data() -> Option<(PathBuf, PathBuf)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data");
    let orders = folder.join("online-retail-2010-orders.csv");
    let refunds = folder.join("online-retail-2010-refunds.csv");
    (orders.exists() && refunds.exists()).then_some((orders, refunds))
}

pub fn pence(text: &str) -> i64 {
    let (pounds, pence) = text.split_once('.').unwrap();
    format!("{pounds}{pence:0<2}").parse().unwrap()
}

pub fn lines(path: &Path) -> Vec<Vec<String>> {
    let text = std::fs::read_to_string(path).unwrap();
    text.lines().skip(1).map(|line| line.split(',').map(str::to_owned).collect()).collect()
}

/// What each customer spent, by a plain sum over the files.
pub fn sums(orders: &Path, refunds: &Path) -> BTreeMap<String, i64> {
    let mut customer_of = BTreeMap::new();
    let mut sums = BTreeMap::new();
    for row in lines(orders) {
        *sums.entry(row[1].clone()).or_default() += pence(&row[3]);
        customer_of.insert(row[0].clone(), row[1].clone());
    }
    for row in lines(refunds) {
        *sums.get_mut(&customer_of[&row[1]]).unwrap() -= pence(&row[3]);
    }
    sums
}

pub fn import_into(app: &App, files: &Files) -> Summary {
    let store = StoreId::parse(STORE).unwrap();
    actix_web::rt::System::new().block_on(import(&app.db, &store, files, |_, _| {})).unwrap()
}

/// All customers, as the list shows them.
fn listed(app: &App) -> Vec<Value> {
    let support = app.support();
    let mut found = Vec::new();
    let mut path = "/v1/customers?limit=200".to_owned();
    loop {
        let page = support.get(&path).expect(200).body;
        found.extend(page["customers"].as_array().unwrap().iter().cloned());
        match page["next_cursor"].as_str() {
            Some(cursor) => path = format!("/v1/customers?limit=200&cursor={cursor}"),
            None => return found,
        }
    }
}

fn memberships(app: &App) -> BTreeMap<String, Value> {
    let at = "2011-01-01T00:00:00Z";
    let id = |customer: &Value| customer["customer_id"].as_str().unwrap().to_owned();
    let ids = listed(app).iter().map(id).collect::<Vec<_>>();
    ids.into_iter().map(|id| (id.clone(), app.membership_at(&id, at))).collect()
}

#[test]
fn the_real_year_gives_the_same_memberships_on_both_databases_and_the_second_import_changes_nothing()
 {
    let Some((orders, refunds)) = data() else {
        eprintln!("skipped: ../shared/data is not there");
        return;
    };
    let expected = sums(&orders, &refunds);
    let files = Files { orders: Some(orders), refunds: Some(refunds), customers: None };
    let mut all = Vec::new();
    for app in [App::on_sqlite(), App::on_postgres()] {
        app.set_up(json!({"time_zone": "Europe/London", "start_date": "2009-12-01",
            "progress_reset": {"kind": "rolling", "months": 12, "anchor": "first_tier"}}));
        app.set_tiers(&[("gold", "1000.00"), ("platinum", "2500.00"), ("diamond", "5000.00")]);
        let summary = import_into(&app, &files);
        assert_eq!((summary.created, summary.changed, summary.unchanged), (19_213 + 4_434, 0, 0));
        assert_eq!(summary.refused, []);
        let before = listed(&app);
        let summary = import_into(&app, &files);
        assert_eq!((summary.created, summary.changed, summary.unchanged), (0, 0, 19_213 + 4_434));
        assert_eq!(before, listed(&app));
        let after = memberships(&app);
        assert_eq!(after.len(), 4_312);
        for (id, sum) in &expected {
            let spent = after[id]["lifetime"]["amount_spent"].as_str().unwrap();
            assert_eq!(pence(spent), *sum, "{id}");
        }
        all.push(after);
    }
    assert_eq!(all[0], all[1]);
}
