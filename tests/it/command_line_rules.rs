//! The command that loads files of rules, as its users run it.

use crate::command_line::{Serving, run, text};
use serde_json::{Value, json};
use std::path::Path;
use std::time::{Duration, Instant};

const TIERS: &str =
    concat!(env!("CARGO_MANIFEST_DIR"), "/examples/vip-tiers-by-spend-and-tenure.json");
const PROFILES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/five-profiles.json");

/// A serving instance and the folder in which it keeps its database.
struct Shop {
    folder: tempfile::TempDir,
    serving: Serving,
}

impl Shop {
    /// One whose store "shop" is set up.
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let serving = Serving::start(folder.path(), &["serve"]);
        let shop = Self { folder, serving };
        let program = json!({"currency": "GBP", "time_zone": "UTC", "start_date": "2020-01-01"});
        shop.send("PATCH", "administrator", "/v1/program", &program);
        shop
    }

    fn token(&self, role: &str) -> String {
        let args = ["token", "--store", "shop", "--role", role];
        text(&run(self.folder.path(), &args).stdout).trim().to_owned()
    }

    fn get(&self, role: &str, path: &str) -> Value {
        self.serving.get(&self.token(role), path)
    }

    fn send(&self, method: &str, role: &str, path: &str, body: &Value) {
        let url = format!("{}{path}", self.serving.base);
        let request = if method == "PATCH" { ureq::patch(url) } else { ureq::put(url) };
        request
            .header("authorization", format!("Bearer {}", self.token(role)))
            .content_type("application/json")
            .send(body.to_string())
            .unwrap();
    }

    /// Runs `accolade rules` for the store, and insists that it does its work.
    fn load(&self, files: &[&str]) {
        let args: Vec<&str> =
            ["rules", "--store", "shop"].into_iter().chain(files.iter().copied()).collect();
        let output = run(self.folder.path(), &args);
        assert!(output.status.success(), "{}", text(&output.stderr));
    }

    /// Runs it, and insists that it fails and says why.
    fn load_in_vain(&self, file: &str, words: &[&str]) {
        assert_fails(self.folder.path(), &["rules", "--store", "shop", file], words);
    }

    /// Writes a file into the folder, and says its name.
    fn write<'a>(&self, name: &'a str, content: &str) -> &'a str {
        std::fs::write(self.folder.path().join(name), content).unwrap();
        name
    }

    /// The rules, as they can be stated.
    fn rules(&self) -> Vec<Value> {
        let body = self.get("platform_admin", "/v1/rules");
        let stated = |rule: &Value| {
            let fields = ["code", "name", "profile", "conditions", "grants", "enabled"];
            fields.iter().map(|field| rule[*field].clone()).collect()
        };
        body["rules"].as_array().unwrap().iter().map(stated).collect()
    }

    fn codes(&self) -> Vec<String> {
        self.rules().iter().map(|rule| rule[0].as_str().unwrap().to_owned()).collect()
    }

    fn tiers(&self) -> Vec<Value> {
        self.get("storefront", "/v1/tiers")["tiers"].as_array().unwrap().clone()
    }
}

#[track_caller]
fn assert_fails(folder: &Path, args: &[&str], words: &[&str]) {
    let output = run(folder, args);
    let said = text(&output.stderr);
    assert!(!output.status.success(), "{args:?} has done something: {}", text(&output.stdout));
    for word in words {
        assert!(said.contains(word), "{word} is not in: {said}");
    }
}

/// The codes of the rules of some files, in their order.
fn codes_of(files: &[&str]) -> Vec<String> {
    let mut codes = Vec::new();
    for file in files {
        let content: Value = serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
        codes.extend(content["rules"].as_object().unwrap().keys().cloned());
    }
    codes.sort_unstable();
    codes
}

#[test]
fn the_example_files_are_loaded_by_one_command_and_act_at_once() {
    let shop = Shop::new();
    // A store with a past, and without a tier.
    let ada = json!({"joined_at": "2021-05-04T09:00:00Z", "tags": ["partner"]});
    shop.send("PUT", "storefront", "/v1/customers/ada", &ada);
    let order = json!({
        "customer_id": "ada", "status": "completed", "total": "2600.00", "currency": "GBP",
        "placed_at": "2024-06-01T10:00:00Z", "completed_at": "2024-06-01T10:00:00Z",
    });
    shop.send("PUT", "storefront", "/v1/orders/o1", &order);
    assert_eq!(shop.tiers(), Vec::<Value>::new());

    shop.load(&[TIERS, PROFILES]);
    assert_eq!(shop.codes(), codes_of(&[TIERS, PROFILES]));
    let tiers: Vec<Value> = shop
        .tiers()
        .iter()
        .map(|tier| {
            let fields = ["code", "name", "rank", "threshold", "icon"];
            fields.iter().map(|field| tier[*field].clone()).collect()
        })
        .collect();
    let expected = [
        json!(["gold", "Gold", 10, null, "gold"]),
        json!(["platinum", "Platinum", 20, null, "platinum"]),
        json!(["diamond", "Diamond", 30, null, "diamond"]),
    ];
    assert_eq!(tiers, expected);
    // The instance that serves judges by what another process has loaded.
    let started = Instant::now();
    loop {
        let list = shop.get("manager", "/v1/designations?state=active");
        if list["designations"][0]["tier"]["code"] == "platinum" {
            assert_eq!(list["designations"][0]["customer_id"], "ada");
            break;
        }
        assert!(started.elapsed() < Duration::from_secs(30), "{list}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn loading_again_changes_what_the_file_changes_and_nothing_else() {
    let shop = Shop::new();
    shop.load(&[TIERS]);
    shop.load(&[PROFILES]);
    let (rules, tiers) = (shop.rules(), shop.tiers());
    shop.load(&[PROFILES, TIERS]);
    assert_eq!((shop.rules(), shop.tiers()), (rules.clone(), tiers.clone()));

    let changed = json!({"rules": {"partner": {
        "name": "Friends of the house", "profile": "partner", "enabled": false,
        "conditions": [{"metric": "has_tag", "tag": "friend", "at_least": "1"}],
        "grants": {"priority": "low"},
    }}});
    shop.load(&[shop.write("changed.json", &changed.to_string())]);
    let after = shop.rules();
    assert_eq!((after.len(), shop.tiers()), (rules.len(), tiers));
    for (before, after) in rules.iter().zip(&after) {
        assert_eq!(before[0], after[0]);
        if after[0] == "partner" {
            assert_eq!((&after[1], &after[5]), (&json!("Friends of the house"), &json!(false)));
        } else {
            assert_eq!(before, after);
        }
    }
}

#[test]
fn a_tier_that_the_ladder_has_is_left_as_it_is() {
    let shop = Shop::new();
    let own = json!({
        "name": "Golden circle", "rank": 10, "threshold": "750.00", "icon": "crown",
        "priority": "urgent",
    });
    shop.send("PUT", "administrator", "/v1/tiers/gold", &own);
    let below = json!({"name": "Welcome", "rank": 1, "threshold": "0"});
    shop.send("PUT", "administrator", "/v1/tiers/welcome", &below);
    let before = shop.tiers();
    shop.load(&[TIERS]);
    let after = shop.tiers();
    for tier in &before {
        assert!(after.contains(tier), "{tier} is not in {after:?}");
    }
    let codes: Vec<&str> = after.iter().map(|tier| tier["code"].as_str().unwrap()).collect();
    assert_eq!(codes, ["welcome", "gold", "platinum", "diamond"]);
    assert_eq!(shop.codes(), codes_of(&[TIERS]));
}

#[test]
fn what_can_not_be_loaded_is_said_and_not_stored() {
    let shop = Shop::new();
    shop.load_in_vain("absent.json", &["absent.json"]);
    shop.load_in_vain(shop.write("broken.json", "{\"rules\": {"), &["broken.json"]);
    let rule = |condition: Value| {
        let rule = json!({
            "name": "Bad", "profile": "other", "grants": {}, "conditions": [condition],
        });
        json!({"rules": {"bad-rule": rule}}).to_string()
    };
    let without_window = rule(json!({"metric": "spend_in_days", "at_least": "10.00"}));
    let file = shop.write("a.json", &without_window);
    shop.load_in_vain(file, &["bad-rule", "/conditions/0/window_days"]);
    let unknown_metric = rule(json!({"metric": "charm", "at_least": "1"}));
    let file = shop.write("b.json", &unknown_metric);
    shop.load_in_vain(file, &["bad-rule", "/conditions/0/metric"]);
    // What depends on the store.
    let too_precise = rule(json!({"metric": "lifetime_spend", "at_least": "10.001"}));
    shop.load_in_vain(shop.write("c.json", &too_precise), &["bad-rule"]);
    let unknown_tier = json!({"rules": {"bad-rule": {
        "name": "Bad", "profile": "other", "grants": {"tier": "amber"},
        "conditions": [{"metric": "lifetime_spend", "at_least": "10.00"}],
    }}});
    let file = shop.write("d.json", &unknown_tier.to_string());
    shop.load_in_vain(file, &["bad-rule", "amber"]);
    assert_eq!(shop.codes(), Vec::<String>::new());
    assert_eq!(shop.tiers(), Vec::<Value>::new());
}

#[test]
fn a_store_that_is_not_set_up_takes_no_rules() {
    let folder = tempfile::tempdir().unwrap();
    assert_fails(folder.path(), &["rules", "--store", "shop", TIERS], &["set up"]);
    assert_fails(folder.path(), &["rules", "--store", "a b", TIERS], &["--store"]);
}

#[test]
fn the_command_wants_a_store_and_a_file_and_explains_itself() {
    let folder = tempfile::tempdir().unwrap();
    assert_fails(folder.path(), &["rules", TIERS], &["--store"]);
    assert_fails(folder.path(), &["rules", "--store", "shop"], &[]);
    let output = run(folder.path(), &["rules", "--help"]);
    assert!(output.status.success());
    let help = text(&output.stdout);
    assert!(help.lines().count() > 5, "{help}");
    for word in ["tiers", "rules", "JSON"] {
        assert!(help.contains(word), "{word} is not in {help}");
    }
}
