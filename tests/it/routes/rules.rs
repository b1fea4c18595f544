//! Rules: who should be a VIP, and what becomes of those who qualify.

use super::benefits::put_gift;
use super::treatment::ladder_with;
use super::{assert_same_404, ids, neighbour};
use crate::support::*;
use accolade::api::auth::Role;
use serde_json::{Map, Value, json};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

const RULES: &str = "/v1/rules";
/// A day in seconds.
const DAY: i64 = 86_400;

/// Each metric, whether it has a window, and whether it is an amount of money.
const METRICS: [(&str, bool, bool); 17] = [
    ("lifetime_spend", false, true),
    ("spend_in_days", true, true),
    ("orders_total", false, false),
    ("orders_in_days", true, false),
    ("tenure_months", false, false),
    ("referrals", false, false),
    ("referral_spend", false, true),
    ("unsatisfied_surveys_in_days", true, false),
    ("complaints_in_days", true, false),
    ("public_complaints_in_days", true, false),
    ("open_complaints", false, false),
    ("complaint_resolution_hours", false, false),
    ("idle_days", false, false),
    ("points_total", false, false),
    ("points_in_days", true, false),
    ("never_cancelled", false, false),
    ("has_tag", false, false),
];

pub fn platform(app: &App) -> Client<'_> {
    app.client(Role::PlatformAdmin)
}

/// The path of a rule.
fn path(code: &str) -> String {
    format!("{RULES}/{code}")
}

/// A store with two gifts, and three tiers that no progress reaches.
pub fn set_up_shop(app: &App) {
    app.set_up(json!({}));
    put_gift(app, "hamper");
    put_gift(app, "shipping");
    let by_hand = || json!({"threshold": null});
    let tiers =
        [("silver", "0", by_hand()), ("gold", "0", by_hand()), ("platinum", "0", by_hand())];
    app.admin().put("/v1/tiers", &ladder_with(&tiers)).expect(200);
}

/// Conditions from a text such as "spend_in_days/30 >= 100.00; has_tag/press >= 1".
pub fn when(text: &str) -> Value {
    let condition = |text: &str| {
        let [what, sign, value] = text.split(' ').collect::<Vec<_>>()[..] else {
            panic!("{text} is no condition");
        };
        let (metric, detail) = what.split_once('/').unwrap_or((what, ""));
        let mut condition = json!({"metric": metric});
        match metric {
            "has_tag" => condition["tag"] = json!(detail),
            _ if detail.is_empty() => {}
            _ => condition["window_days"] = json!(detail.parse::<i64>().unwrap()),
        }
        condition[if sign == ">=" { "at_least" } else { "at_most" }] = json!(value);
        condition
    };
    text.split("; ").map(condition).collect()
}

/// The body of a rule.
pub fn rule(conditions: &str, grants: Value) -> Value {
    json!({
        "name": "Rule", "profile": "big_spender", "conditions": when(conditions), "grants": grants,
    })
}

/// The body of a rule for those with the tag `press`.
fn press(grants: Value) -> Value {
    rule("has_tag/press >= 1", grants)
}

/// Puts a rule, and waits until everyone was judged by it.
#[track_caller]
pub fn put_rule(app: &App, code: &str, body: &Value) -> Value {
    let answer = platform(app).put(&path(code), body);
    assert!(matches!(answer.status, 200 | 201), "{}", answer.text);
    rule_settled(app, code)
}

/// Puts several rules, and waits once for all.
#[track_caller]
pub fn put_rules(app: &App, rules: &[(&str, Value)]) {
    for (code, body) in rules {
        let answer = platform(app).put(&path(code), body);
        assert!(matches!(answer.status, 200 | 201), "{}", answer.text);
    }
    for (code, _) in rules {
        rule_settled(app, code);
    }
}

/// A rule once everyone was judged by it.
pub fn rule_settled(app: &App, code: &str) -> Value {
    let started = Instant::now();
    loop {
        let rule = platform(app).get(&path(code)).expect(200).body;
        if rule["evaluating"] == false {
            return rule;
        }
        assert!(started.elapsed() < Duration::from_secs(10), "it does not end: {rule}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Makes a customer known, or changes them: with these tags and no others.
pub fn set_tags(app: &App, customer: &str, tags: &[&str]) {
    let body = json!({"name": "Ada Byron", "tags": tags});
    let answer = app.storefront().put(&format!("/v1/customers/{customer}"), &body);
    assert!(matches!(answer.status, 200 | 201), "{}", answer.text);
}

/// The path of a customer's designation.
pub fn designation_path(customer: &str) -> String {
    format!("/v1/customers/{customer}/designation")
}

/// A customer's designation; null where there never was one.
pub fn designation(app: &App, customer: &str) -> Value {
    let answer = app.manager().get(&designation_path(customer));
    if answer.status == 404 { Value::Null } else { answer.expect(200).body }
}

pub fn designate(app: &App, customer: &str, body: &Value) -> Value {
    app.manager().put(&designation_path(customer), body).expect(201).body
}

/// Has a manager remove a designation; answers it as it is then.
pub fn remove(app: &App, customer: &str) -> Value {
    let body = json!({"reason": "complaints", "confirm": true});
    app.manager().post(&format!("{}/removal", designation_path(customer)), &body).expect(200).body
}

/// What is answered of how a customer stands to a rule.
pub fn standing(app: &App, customer: &str, code: &str) -> Value {
    let path = format!("/v1/customers/{customer}/qualification");
    let body = app.support().get(&path).expect(200).body;
    let rules = body["rules"].as_array().unwrap();
    rules.iter().find(|rule| rule["code"] == code).unwrap().clone()
}

/// What came of a rule for a customer, in a word.
pub fn outcome(app: &App, customer: &str, code: &str) -> String {
    standing(app, customer, code)["outcome"].as_str().unwrap().to_owned()
}

/// Says whether rules do anything.
pub fn set_automatic(app: &App, is_on: bool) {
    let body = json!({"automatic_qualification": is_on});
    platform(app).patch("/v1/program", &body).expect(200);
}

/// All events so far, but for those of the last one, which this makes and
/// waits for: they are numbered a little after they were stored.
pub fn feed(app: &App) -> Vec<Value> {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    let last = format!("marker-{}", NUMBER.fetch_add(1, Ordering::Relaxed));
    set_tags(app, &last, &[]);
    let body = json!({"status": "caution", "note": "the last one"});
    app.support().put(&format!("/v1/customers/{last}/status"), &body).expect(200);
    let started = Instant::now();
    loop {
        let body = app.manager().get("/v1/events?after=0&limit=1000").expect(200).body;
        let events = body["events"].as_array().unwrap();
        if events.iter().any(|event| event["customer_id"] == last.as_str()) {
            let is_marker =
                |event: &&Value| event["customer_id"].as_str().unwrap().starts_with("marker-");
            return events.iter().filter(|event| !is_marker(event)).cloned().collect();
        }
        assert!(started.elapsed() < Duration::from_secs(10), "{body}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// What the events of one kind, of one customer, say.
pub fn told(events: &[Value], customer: &str, kind: &str) -> Vec<Value> {
    let is_meant = |event: &&Value| event["customer_id"] == customer && event["kind"] == kind;
    events.iter().filter(is_meant).map(|event| event["data"].clone()).collect()
}

/// The entries of the audit log that a query finds.
pub fn entries(app: &App, query: &str) -> Vec<Value> {
    let body = app.manager().get(&format!("/v1/audit?limit=200&{query}")).expect(200).body;
    assert_eq!(body["next_cursor"], Value::Null);
    body["entries"].as_array().unwrap().clone()
}

/// The nominations that a query finds.
pub fn nominations(app: &App, query: &str) -> Vec<Value> {
    let body = app.support().get(&format!("/v1/nominations?limit=200&{query}")).expect(200).body;
    assert_eq!(body["next_cursor"], Value::Null);
    body["nominations"].as_array().unwrap().clone()
}

/// What is stated of a rule, by a request or in an answer, with nothing left out.
fn spelled_out(rule: &Value) -> Value {
    let pick = |from: &Value, fields: &[(&str, Value)]| -> Value {
        let value = |(name, usual): &(&str, Value)| {
            let given = from[*name].clone();
            ((*name).to_owned(), if given.is_null() { usual.clone() } else { given })
        };
        fields.iter().map(value).collect::<Map<_, _>>().into()
    };
    let optional =
        ["window_days", "tag", "at_least", "at_most", "metric"].map(|n| (n, Value::Null));
    let conditions: Vec<Value> =
        rule["conditions"].as_array().unwrap().iter().map(|c| pick(c, &optional)).collect();
    let grants = [
        ("tier", Value::Null),
        ("benefits", json!([])),
        ("priority", Value::Null),
        ("assigned_to", Value::Null),
        ("requires_approval", json!(false)),
    ];
    json!({
        "name": rule["name"], "profile": rule["profile"], "conditions": conditions,
        "grants": pick(&rule["grants"], &grants),
        "enabled": rule["enabled"].as_bool().unwrap_or(true),
    })
}

/// The places of a rule's faults, which are those of its dry run as well.
#[track_caller]
fn faults(app: &App, body: &Value) -> Vec<String> {
    let put = platform(app).put(&path("faulty"), body).expect_problem(422, "invalid_request");
    let dry = platform(app).post(&format!("{}/dry-run", path("faulty")), body);
    assert_eq!(dry.expect_problem(422, "invalid_request").body["errors"], put.body["errors"]);
    let mut pointers: Vec<String> = put.pointers().into_iter().map(str::to_owned).collect();
    pointers.dedup();
    pointers
}

/// A condition that is fine, on a metric.
fn condition(metric: &str) -> Value {
    let (_, is_windowed, is_amount) = METRICS.iter().find(|(name, ..)| *name == metric).unwrap();
    let mut condition =
        json!({"metric": metric, "at_least": if *is_amount { "1.00" } else { "1" }});
    if *is_windowed {
        condition["window_days"] = json!(30);
    }
    if metric == "has_tag" {
        condition["tag"] = json!("press");
    }
    condition
}

/// A rule with one condition, of which one field is another.
fn with_field(metric: &str, field: &str, value: Value) -> Value {
    let mut condition = condition(metric);
    condition[field] = value;
    json!({"name": "Rule", "profile": "other", "conditions": [condition], "grants": {}})
}

/// Waits for a customer's designation.
fn designated_soon(app: &App, customer: &str) -> Value {
    let started = Instant::now();
    loop {
        let found = designation(app, customer);
        if !found.is_null() {
            return found;
        }
        assert!(started.elapsed() < Duration::from_secs(10), "{customer} is no VIP");
        std::thread::sleep(Duration::from_millis(20));
    }
}

on_both! {
    fn a_rule_is_stored_as_stated_and_the_same_again_changes_nothing(app) {
        set_up_shop(app);
        let empty = platform(app).get(RULES).expect(200);
        assert_eq!(empty.body, json!({"rules": []}));
        let body = json!({
            "name": "Big spenders", "profile": "partner",
            "conditions": when(
                "lifetime_spend >= 1000.00; spend_in_days/365 >= 250.50; \
                complaints_in_days/3650 <= 0; has_tag/press >= 1"
            ),
            "grants": {
                "tier": "gold", "benefits": ["hamper", "shipping"], "priority": "high",
                "assigned_to": "sam", "requires_approval": true,
            },
            "enabled": false,
        });
        let first = platform(app).put(&path("big"), &body).expect(201);
        assert_eq!((&first.body["code"], spelled_out(&first.body)), (&json!("big"), spelled_out(&body)));
        let granted = json!({"designations": 0, "nominations_waiting": 0});
        assert_eq!(first.body["granted"], granted);
        assert!(first.body["kept"].as_str().is_some_and(|text| !text.is_empty()), "{}", first.text);
        rule_settled(app, "big");
        let read = platform(app).get(&path("big")).expect(200);
        assert_eq!(spelled_out(&read.body), spelled_out(&body));
        assert_ne!(read.etag(), empty.etag());
        // The same again, as it was sent and with all that can be said of it.
        for body in [&body, &spelled_out(&body)] {
            let again = platform(app).put(&path("big"), body).expect(200);
            assert_eq!((again.body["granted"].clone(), spelled_out(&again.body)), (granted.clone(), spelled_out(body)));
            rule_settled(app, "big");
            assert_eq!(app.storefront().get("/v1/program").expect(200).etag(), read.etag());
        }
        // Another body replaces it whole.
        let plain = rule("orders_total >= 1", json!({}));
        let replaced = platform(app).put(&path("big"), &plain).expect(200);
        assert_eq!(spelled_out(&replaced.body), spelled_out(&plain));
        assert_eq!(replaced.body["enabled"], true);
        let settled = rule_settled(app, "big");
        let list = platform(app).get(RULES).expect(200).body;
        assert_eq!(list, json!({"rules": [settled]}));
        assert_ne!(app.storefront().get("/v1/program").expect(200).etag(), read.etag());
    }

    fn rules_are_listed_by_their_codes(app) {
        set_up_shop(app);
        put_rules(app, &["b", "a", "B", "a.1"].map(|code| (code, press(json!({})))));
        let list = platform(app).get(RULES).expect(200).body;
        assert_eq!(ids(&list, "rules", "code"), ["B", "a", "a.1", "b"]);
    }

    fn what_is_not_there_is_404_and_so_is_another_stores(app) {
        set_up_shop(app);
        platform(app).get(&path("absent")).expect_problem(404, "not_found");
        platform(app).delete(&path("absent")).expect_problem(404, "not_found");
        let mine = put_rule(app, "mine", &press(json!({"tier": "gold"})));
        let other = neighbour(app, Role::PlatformAdmin);
        assert_same_404(&other.get(&path("mine")), &other.get(&path("absent")));
        assert_same_404(&other.delete(&path("mine")), &other.delete(&path("absent")));
        assert_eq!(other.get(RULES).expect(200).body, json!({"rules": []}));
        // The same code is free there, its tiers and benefits are not known, and nobody here is judged by it.
        set_tags(app, "c1", &["theirs"]);
        for (grants, code) in [(json!({"tier": "gold"}), "unknown_tier"), (json!({"benefits": ["hamper"]}), "unknown_benefit")] {
            other.put(&path("mine"), &press(grants)).expect_problem(409, code);
        }
        other.put(&path("mine"), &rule("has_tag/theirs >= 1", json!({}))).expect(201);
        set_tags(app, "c1", &["theirs", "more"]);
        assert_eq!(rule_settled(app, "mine"), mine);
        assert_eq!(designation(app, "c1"), Value::Null);
    }

    fn all_faults_are_answered_at_once(app) {
        set_up_shop(app);
        let bad = json!({
            "name": " ", "profile": "rich", "conditions": [{"metric": "age", "at_least": "1"}],
            "grants": {
                "tier": "a b", "benefits": ["hamper", "a b"], "priority": "highest",
                "assigned_to": " ", "requires_approval": "no", "bogus": 1,
            },
            "enabled": "yes", "bogus": 1,
        });
        let all = [
            "/bogus", "/conditions/0/metric", "/enabled", "/grants/assigned_to",
            "/grants/benefits/1", "/grants/bogus", "/grants/priority",
            "/grants/requires_approval", "/grants/tier", "/name", "/profile",
        ];
        assert_eq!(faults(app, &bad), all);
        assert_eq!(faults(app, &json!({})), ["/conditions", "/grants", "/name", "/profile"]);
        // What the schema shows and what it can't, of two conditions.
        let bad = json!({
            "name": " ", "profile": "other", "grants": {"benefits": ["hamper", "hamper"]},
            "conditions": [
                {"metric": "orders_total", "window_days": 30},
                {"metric": "has_tag", "at_least": "2", "bogus": 1},
            ],
        });
        let pointers = faults(app, &bad);
        for pointer in ["/name", "/conditions/1/bogus"] {
            assert!(pointers.iter().any(|found| found == pointer), "{pointers:?}");
        }
        let mut known = bad;
        known["name"] = json!("Rule");
        known["conditions"][1].as_object_mut().unwrap().remove("bogus");
        let all = [
            "/conditions/0", "/conditions/0/window_days", "/conditions/1/at_least",
            "/conditions/1/tag", "/grants/benefits",
        ];
        assert_eq!(faults(app, &known), all);
        platform(app).get(&path("faulty")).expect_problem(404, "not_found");
    }

    fn a_rule_has_its_bounds(app) {
        set_up_shop(app);
        let tags = |count: usize| {
            (0..count).map(|i| format!("has_tag/t{i} >= 1")).collect::<Vec<_>>().join("; ")
        };
        let longest = |name: usize, count: usize, assigned_to: usize| {
            let mut body = rule(&tags(count), json!({"assigned_to": "x".repeat(assigned_to)}));
            body["name"] = json!("x".repeat(name));
            body
        };
        platform(app).put(&path("fine"), &longest(100, 20, 64)).expect(201);
        let pointers = ["/conditions", "/grants/assigned_to", "/name"];
        assert_eq!(faults(app, &longest(101, 21, 65)), pointers);
        let mut none = press(json!({}));
        none["conditions"] = json!([]);
        assert_eq!(faults(app, &none), ["/conditions"]);
        for days in [json!(0), json!(3_651), json!(-1), json!("30"), json!(1.5)] {
            let body = with_field("orders_in_days", "window_days", days);
            assert_eq!(faults(app, &body), ["/conditions/0/window_days"]);
        }
        for days in [1, 3_650] {
            put_rule(app, "fine", &with_field("orders_in_days", "window_days", json!(days)));
        }
    }

    fn each_metric_has_a_window_and_a_tag_or_none_and_one_bound(app) {
        set_up_shop(app);
        for (metric, is_windowed, _) in METRICS {
            let fine = json!({"name": metric, "profile": "other", "conditions": [condition(metric)], "grants": {}});
            let put = platform(app).put(&path(metric), &fine).expect(201);
            assert_eq!(spelled_out(&put.body), spelled_out(&fine));
            let other = if is_windowed { Value::Null } else { json!(30) };
            let body = with_field(metric, "window_days", other);
            assert_eq!(faults(app, &body), ["/conditions/0/window_days"], "{metric}");
            let other = if metric == "has_tag" { Value::Null } else { json!("press") };
            let body = with_field(metric, "tag", other);
            assert_eq!(faults(app, &body), ["/conditions/0/tag"], "{metric}");
            let neither = with_field(metric, "at_least", Value::Null);
            assert_eq!(faults(app, &neither), ["/conditions/0"], "{metric}");
            let both = with_field(metric, "at_most", json!("1"));
            assert_eq!(faults(app, &both), ["/conditions/0"], "{metric}");
        }
    }

    fn a_bound_is_a_number_in_the_metrics_unit(app) {
        set_up_shop(app);
        let with_bound = |metric: &str, bound: &str, value: Value| {
            let mut body = with_field(metric, "at_least", Value::Null);
            body["conditions"][0][bound] = value;
            body
        };
        for bound in ["at_least", "at_most"] {
            let pointer = [format!("/conditions/0/{bound}")];
            for (metric, _, is_amount) in METRICS {
                let mut bad = vec![json!("-1"), json!("1e3"), json!("many"), json!(""), json!(1)];
                if !is_amount {
                    bad.push(json!("1.5"));
                }
                if matches!(metric, "never_cancelled" | "has_tag") {
                    bad.push(json!("2"));
                }
                if metric == "tenure_months" {
                    bad.push(json!("1201"));
                }
                for value in bad {
                    let body = with_bound(metric, bound, value);
                    assert_eq!(faults(app, &body), pointer, "{body}");
                }
            }
            put_rule(app, "fine", &with_bound("tenure_months", bound, json!("1200")));
            put_rule(app, "fine", &with_bound("lifetime_spend", bound, json!("0.01")));
        }
    }

    fn conditions_that_contradict_each_other_are_refused_and_named(app) {
        set_up_shop(app);
        // The first two contradict each other, whichever comes first.
        for (one, other) in [
            ("lifetime_spend >= 500.00", "lifetime_spend <= 499.99"),
            ("orders_in_days/30 >= 3", "orders_in_days/30 <= 2"),
            ("never_cancelled >= 1", "never_cancelled <= 0"),
            ("has_tag/press >= 1", "has_tag/press <= 0"),
            ("spend_in_days/30 >= 100.01", "lifetime_spend <= 100.00"),
            ("spend_in_days/30 >= 100.01", "spend_in_days/31 <= 100.00"),
            ("orders_in_days/30 >= 3", "orders_total <= 2"),
            ("orders_in_days/30 >= 3", "orders_in_days/60 <= 2"),
            ("points_in_days/30 >= 3", "points_total <= 2"),
            ("points_in_days/30 >= 3", "points_in_days/60 <= 2"),
            ("public_complaints_in_days/30 >= 2", "complaints_in_days/30 <= 1"),
            ("public_complaints_in_days/30 >= 2", "complaints_in_days/31 <= 1"),
            ("orders_in_days/30 >= 1", "idle_days >= 30"),
            ("spend_in_days/30 >= 0.01", "idle_days >= 31"),
        ] {
            let metric = |text: &str| text.split(['/', ' ']).next().unwrap().to_owned();
            for (text, place) in [
                (format!("{one}; {other}"), "/conditions/1"),
                (format!("{other}; {one}"), "/conditions/1"),
                (format!("{one}; tenure_months >= 1; {other}"), "/conditions/2"),
            ] {
                let body = rule(&text, json!({}));
                assert_eq!(faults(app, &body), [place], "{text}");
                let answer = platform(app).put(&path("faulty"), &body);
                let detail = answer.body["errors"][0]["detail"].as_str().unwrap();
                for named in [metric(one), metric(other)] {
                    assert!(detail.contains(&named), "{text}: {detail}");
                }
            }
        }
        for twice in ["lifetime_spend >= 500.00", "orders_in_days/30 <= 3", "has_tag/press >= 1"] {
            let body = rule(&format!("{twice}; referrals >= 1; {twice}"), json!({}));
            assert_eq!(faults(app, &body), ["/conditions/2"], "{twice}");
        }
    }

    fn conditions_that_only_look_like_contradictions_are_fine(app) {
        set_up_shop(app);
        for text in [
            "lifetime_spend >= 500.00; lifetime_spend <= 500.00",
            "has_tag/press >= 1; has_tag/staff <= 0",
            "spend_in_days/30 >= 100.00; lifetime_spend <= 100.00",
            // What the longer window has need not be in the shorter one.
            "orders_in_days/60 >= 3; orders_in_days/30 <= 2",
            "public_complaints_in_days/31 >= 2; complaints_in_days/30 <= 1",
            "orders_in_days/30 >= 1; idle_days >= 29",
            "spend_in_days/30 >= 0.00; idle_days >= 30",
            "orders_in_days/30 >= 1; orders_in_days/60 >= 1",
        ] {
            put_rule(app, "fine", &rule(text, json!({})));
        }
    }

    fn what_depends_on_the_store_is_409_and_nothing_is_stored(app) {
        set_up_shop(app);
        let before = app.storefront().get("/v1/program").expect(200).etag();
        for (body, code) in [
            (press(json!({"tier": "absent"})), "unknown_tier"),
            (press(json!({"benefits": ["hamper", "absent"]})), "unknown_benefit"),
            (rule("lifetime_spend >= 1.234", json!({})), "amount_not_in_currency"),
            (rule("spend_in_days/30 <= 0.001", json!({})), "amount_not_in_currency"),
        ] {
            platform(app).put(&path("r"), &body).expect_problem(409, code);
            platform(app).post(&format!("{}/dry-run", path("r")), &body).expect_problem(409, code);
        }
        platform(app).get(&path("r")).expect_problem(404, "not_found");
        assert_eq!(app.storefront().get("/v1/program").expect(200).etag(), before);
    }

    fn a_version_is_changed_only_if_it_is_still_that_version(app) {
        set_up_shop(app);
        let (body, changed) = (press(json!({})), press(json!({"tier": "gold"})));
        put_rule(app, "a", &body);
        let client = |if_match: &str| platform(app).with("if-match", if_match);
        let first = platform(app).get(&path("a")).expect(200).etag();
        client(&first).put(&path("b"), &body).expect(201);
        rule_settled(app, "b");
        let answers = [
            client(&first).put(&path("a"), &changed),
            client(&first).put(&path("c"), &body),
            client(&first).delete(&path("a")),
        ];
        for answer in answers {
            answer.expect_problem(412, "precondition_failed");
        }
        assert_eq!(platform(app).get(&path("a")).expect(200).body["grants"]["tier"], Value::Null);
        platform(app).get(&path("c")).expect_problem(404, "not_found");
        let second = platform(app).get(&path("a")).expect(200).etag();
        assert_eq!(second, app.storefront().get("/v1/program").expect(200).etag());
        client(&second).delete(&path("a")).expect(200);
        client("*").put(&path("c"), &body).expect_problem(412, "precondition_failed");
        put_rule(app, "c", &body);
        client("*").put(&path("c"), &body).expect(200);
    }

    fn a_store_has_a_hundred_rules_and_no_more(app) {
        set_up_shop(app);
        let mut body = press(json!({}));
        body["enabled"] = json!(false);
        for number in 0..100 {
            platform(app).put(&path(&format!("r{number}")), &body).expect(201);
        }
        platform(app).put(&path("more"), &body).expect_problem(409, "too_many_rules");
        platform(app).get(&path("more")).expect_problem(404, "not_found");
        body["name"] = json!("Another");
        platform(app).put(&path("r7"), &body).expect(200);
        platform(app).delete(&path("r7")).expect(200);
        platform(app).put(&path("more"), &body).expect(201);
    }

    fn a_rule_that_is_put_finds_those_who_are_there_already(app) {
        set_up_shop(app);
        for (customer, total, tags) in [
            ("met", "100.00", &["press"][..]), ("short", "99.99", &["press"]), ("other", "100.00", &[]),
            ("met-too", "300.00", &["x", "press"]), ("unknown", "0.00", &[]),
        ] {
            set_tags(app, customer, tags);
            app.order(&format!("o-{customer}"), customer, &from_now(-60), total).expect(201);
        }
        let grants = json!({
            "tier": "gold", "benefits": ["hamper"], "priority": "high", "assigned_to": "sam",
        });
        let body = rule("lifetime_spend >= 100.00; has_tag/press >= 1", grants);
        let settled = put_rule(app, "r", &body);
        assert_eq!(settled["granted"], json!({"designations": 2, "nominations_waiting": 0}));
        let list = app.manager().get("/v1/designations").expect(200).body;
        assert_eq!(ids(&list, "designations", "customer_id"), ["met", "met-too"]);
        let by_hand = designate(app, "other", &json!({}));
        for (rule, expected) in [("r", vec!["met", "met-too"]), ("absent", vec![])] {
            let list = app.manager().get(&format!("/v1/designations?rule={rule}")).expect(200).body;
            assert_eq!(ids(&list, "designations", "customer_id"), expected);
        }
        let made = designation(app, "met");
        for (field, value) in [
            ("state", json!("active")), ("tier", json!("gold")), ("benefits", json!(["hamper"])),
            ("priority", json!("high")), ("assigned_to", json!("sam")), ("profile", json!("big_spender")),
            ("source", json!("automatic")), ("rule", json!("r")), ("rule_state", json!("enabled")),
            ("notes", Value::Null), ("ends_at", Value::Null), ("ended", Value::Null),
        ] {
            assert_eq!(made[field], value, "{field}");
        }
        let badge = app.support().get("/v1/customers/met/badge").expect(200).body;
        assert_eq!((&badge["status"], &badge["tier"]["code"]), (&json!("vip"), &json!("gold")));
        assert!(nominations(app, "").is_empty());
        // By a person's word there is no rule.
        assert_eq!((&by_hand["rule"], &by_hand["rule_state"]), (&Value::Null, &Value::Null));
    }

    fn a_rule_that_grants_nothing_makes_a_vip_of_no_tier(app) {
        set_up_shop(app);
        put_rule(app, "r", &press(json!({})));
        set_tags(app, "c1", &["press"]);
        let made = designation(app, "c1");
        for field in ["tier", "priority", "assigned_to"] {
            assert_eq!(made[field], Value::Null, "{field}");
        }
        assert_eq!((&made["state"], &made["rule"]), (&json!("active"), &json!("r")));
    }

    /// In the transaction of the fact: it is there in the very next answer.
    fn a_fact_or_a_change_of_the_customer_that_matters_qualifies_at_once(app) {
        set_up_shop(app);
        app.order("of-friend", "friend", &from_now(-DAY), "100.00").expect(201);
        let activity = |kind: &str, hours_ago: i64, fields: Value| {
            let mut body = json!({"kind": kind, "occurred_at": from_now(-3_600 * hours_ago)});
            body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
            ("activities", body)
        };
        let order = |at: i64| ("orders", order("", &from_now(at), "100.00"));
        let complaint = |fields: Value| {
            let mut all = json!({"channel": "phone"});
            all.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
            activity("complaint", 7, all)
        };
        let refers = |other: &str| activity("referral", 48, json!({"referred_customer_id": other}));
        let customer = |body: Value| ("customers", body);
        let cancelled = json!({
            "monthly_amount": "9.90", "state": "cancelled", "cancelled_at": from_now(-60),
        });
        let cases = [
            ("lifetime_spend >= 100.00", order(-60)),
            ("spend_in_days/30 >= 100.00", order(-60)),
            ("orders_total >= 1", order(-60)),
            ("orders_in_days/30 >= 1", order(-60)),
            ("idle_days >= 10", order(-11 * DAY)),
            ("points_total >= 50", activity("points", 1, json!({"points": 50}))),
            ("points_in_days/30 >= 50", activity("points", 1, json!({"points": 50}))),
            ("referrals >= 1", refers("not-yet-known")),
            ("referral_spend >= 100.00", refers("friend")),
            ("unsatisfied_surveys_in_days/30 >= 1", activity("survey", 1, json!({"score": 2}))),
            ("complaints_in_days/30 >= 1", complaint(json!({}))),
            ("public_complaints_in_days/30 >= 1", complaint(json!({"public": true}))),
            ("open_complaints >= 1", complaint(json!({}))),
            ("complaint_resolution_hours >= 5", complaint(json!({"resolved_at": from_now(-3_600)}))),
            ("tenure_months >= 12", customer(json!({"joined_at": "2020-02-02T00:00:00Z"}))),
            ("never_cancelled <= 0", customer(json!({"subscription": cancelled}))),
            ("has_tag/press >= 1", customer(json!({"tags": ["press"]}))),
        ];
        assert_eq!(cases.len(), METRICS.len());
        // Each rule is for one customer alone, who goes by the metric.
        let metric = |text: &'static str| text.split(['/', ' ']).next().unwrap();
        let rules: Vec<(&str, Value)> = cases
            .iter()
            .map(|(text, _)| {
                let mine = format!("{text}; has_tag/for-{} >= 1", metric(text));
                (metric(text), rule(&mine, json!({"tier": "gold"})))
            })
            .collect();
        put_rules(app, &rules);
        for (text, (what, mut body)) in cases {
            let metric = metric(text);
            set_tags(app, metric, &[&format!("for-{metric}")]);
            assert_eq!(designation(app, metric), Value::Null, "{text}");
            if what == "customers" {
                let tags = body["tags"].as_array().cloned().unwrap_or_default();
                let own = json!(format!("for-{metric}"));
                body["tags"] = tags.into_iter().chain([own]).collect();
            } else {
                body["customer_id"] = json!(metric);
            }
            let answer = app.storefront().put(&format!("/v1/{what}/{metric}"), &body);
            assert!(matches!(answer.status, 200 | 201), "{text}: {}", answer.text);
            let made = designation(app, metric);
            assert_eq!((&made["rule"], &made["tier"]), (&json!(metric), &json!("gold")), "{text}");
        }
    }

    fn facts_of_a_batch_qualify_too_and_just_below_a_limit_nobody_does(app) {
        set_up_shop(app);
        put_rule(app, "r", &rule("lifetime_spend >= 100.00; orders_total <= 2", json!({})));
        let line = |id: &str, customer: &str, total: &str| {
            let mut fact = order(customer, &from_now(-60), total);
            fact["order_id"] = json!(id);
            json!({"order": fact})
        };
        let lines = [
            line("o1", "short", "99.99"), line("o2", "met", "100.00"), line("o3", "sum", "50.00"),
            line("o4", "sum", "50.00"), line("o5", "many", "40.00"), line("o6", "many", "40.00"),
            line("o7", "many", "40.00"),
        ];
        app.storefront().post_lines("/v1/facts", &lines).expect(200);
        let list = app.manager().get("/v1/designations").expect(200).body;
        assert_eq!(ids(&list, "designations", "customer_id"), ["met", "sum"]);
        app.order("o8", "short", &from_now(-60), "0.01").expect(201);
        assert_eq!(designation(app, "short")["rule"], "r");
        // A correction may be what qualifies, and what has qualified stays.
        app.refund("r1", "o5", &from_now(-30), "20.00").expect(201);
        app.refund("r2", "o2", &from_now(-30), "100.00").expect(201);
        assert_eq!(designation(app, "many"), Value::Null);
        app.refund("r3", "o5", &from_now(-30), "20.00").expect(201);
        assert_eq!(designation(app, "many"), Value::Null, "80.00 are too little");
        app.order("o6", "many", &from_now(-60), "60.00").expect(200);
        assert_eq!(designation(app, "many")["rule"], "r");
        assert_eq!(designation(app, "met")["state"], "active");
    }

    fn a_rule_raises_a_designation_and_lowers_nothing(app) {
        set_up_shop(app);
        let low = json!({
            "tier": "silver", "benefits": ["hamper"], "notes": "Likes rye.", "priority": "normal",
            "team": "north", "since": "2021-03-01",
        });
        let mut paused = low.clone();
        paused["state"] = json!("paused");
        let high = json!({
            "tier": "platinum", "benefits": ["hamper"], "priority": "urgent", "assigned_to": "bo",
            "profile": "partner",
        });
        let mut all = high.clone();
        all["benefits"] = json!(["shipping", "hamper"]);
        let mut before = Map::new();
        for (customer, body) in [("low", &low), ("paused", &paused), ("high", &high), ("all", &all)] {
            set_tags(app, customer, &["press"]);
            before.insert(customer.to_owned(), designate(app, customer, body));
        }
        let etag = |customer: &str| app.manager().get(&designation_path(customer)).expect(200).etag();
        let untouched = etag("all");
        let grants = json!({
            "tier": "gold", "benefits": ["shipping"], "priority": "high", "assigned_to": "sam",
        });
        let settled = put_rule(app, "r", &press(grants));
        for customer in ["low", "paused"] {
            let mut expected = before[customer].clone();
            for (field, value) in [
                ("tier", json!("gold")), ("benefits", json!(["hamper", "shipping"])),
                ("priority", json!("high")), ("assigned_to", json!("sam")),
                ("profile", json!("big_spender")), ("rule", json!("r")),
                ("rule_state", json!("enabled")),
            ] {
                expected[field] = value;
            }
            assert_eq!(designation(app, customer), expected, "{customer}");
        }
        let mut expected = before["high"].clone();
        expected["benefits"] = json!(["hamper", "shipping"]);
        expected["rule"] = json!("r");
        expected["rule_state"] = json!("enabled");
        assert_eq!(designation(app, "high"), expected);
        assert_eq!((designation(app, "all"), etag("all")), (before["all"].clone(), untouched));
        assert_eq!(outcome(app, "all", "r"), "nothing_to_add");
        assert_eq!(settled["granted"]["designations"], 3);
    }

    fn of_several_rules_the_highest_tier_and_all_benefits_come_together(app) {
        set_up_shop(app);
        let grants = |tier: &str, benefit: &str, priority: &str| {
            press(json!({"tier": tier, "benefits": [benefit], "priority": priority}))
        };
        put_rules(app, &[("a", grants("gold", "hamper", "low")), ("b", grants("silver", "shipping", "urgent"))]);
        set_tags(app, "c1", &["press"]);
        let made = designation(app, "c1");
        let mut benefits: Vec<&str> =
            made["benefits"].as_array().unwrap().iter().map(|code| code.as_str().unwrap()).collect();
        benefits.sort_unstable();
        assert_eq!(benefits, ["hamper", "shipping"]);
        assert_eq!((&made["tier"], &made["priority"]), (&json!("gold"), &json!("urgent")));
    }

    fn a_rule_acts_once_for_each_stretch_in_which_it_is_met(app) {
        set_up_shop(app);
        let body = press(json!({"benefits": ["hamper"]}));
        put_rule(app, "r", &body);
        let benefits = || designation(app, "c1")["benefits"].clone();
        let take_off = || app.manager().patch(&designation_path("c1"), &json!({"benefits": []})).expect(200);
        set_tags(app, "c1", &["press"]);
        assert_eq!(benefits(), json!(["hamper"]));
        // While it is met, the manager's word stands.
        take_off();
        app.order("o1", "c1", &from_now(-60), "10.00").expect(201);
        set_tags(app, "c1", &["press", "more"]);
        put_rule(app, "r", &body);
        assert_eq!(benefits(), json!([]));
        // What was met and is no longer takes nothing away, and met anew it acts.
        set_tags(app, "c1", &[]);
        assert_eq!(designation(app, "c1")["state"], "active");
        set_tags(app, "c1", &["press"]);
        assert_eq!(benefits(), json!(["hamper"]));
        // A changed rule acts again.
        take_off();
        put_rule(app, "r", &press(json!({"benefits": ["shipping"]})));
        assert_eq!(benefits(), json!(["shipping"]));
        // One that nobody meets any more takes nothing away either.
        put_rule(app, "r", &rule("orders_total >= 100", json!({"benefits": ["hamper"]})));
        assert_eq!((benefits(), &designation(app, "c1")["state"]), (json!(["shipping"]), &json!("active")));
    }

    fn what_a_person_removed_stands_against_rules(app) {
        set_up_shop(app);
        put_rule(app, "r", &press(json!({"tier": "gold"})));
        set_tags(app, "c1", &["press"]);
        let removed = remove(app, "c1");
        app.order("o1", "c1", &from_now(-60), "10.00").expect(201);
        for tags in [&["press", "more"][..], &[], &["press"]] {
            set_tags(app, "c1", tags);
            assert_eq!(designation(app, "c1"), removed, "{tags:?}");
        }
        put_rules(app, &[
            ("r", press(json!({"tier": "platinum"}))),
            ("asks", press(json!({"requires_approval": true}))),
        ]);
        assert_eq!(designation(app, "c1"), removed);
        assert!(nominations(app, "").is_empty());
        for code in ["r", "asks"] {
            assert_eq!(outcome(app, "c1", code), "removed_by_person", "{code}");
        }
        // A person may, and what is there again is raised again.
        designate(app, "c1", &json!({"tier": "silver"}));
        set_tags(app, "c1", &[]);
        set_tags(app, "c1", &["press"]);
        assert_eq!(designation(app, "c1")["tier"], "platinum");
    }

    fn what_ended_by_itself_is_made_again_by_a_rule_that_is_met_anew(app) {
        set_up_shop(app);
        put_rule(app, "r", &press(json!({"tier": "gold"})));
        set_tags(app, "c1", &["press"]);
        let path = designation_path("c1");
        app.manager().patch(&path, &json!({"ends_at": from_now(2)})).expect(200);
        let started = Instant::now();
        while designation(app, "c1")["state"] != "cancelled" {
            assert!(started.elapsed() < Duration::from_secs(10), "it does not end");
            std::thread::sleep(Duration::from_millis(50));
        }
        app.order("o1", "c1", &from_now(-60), "10.00").expect(201);
        set_tags(app, "c1", &["press", "more"]);
        let ended = designation(app, "c1");
        assert_eq!((&ended["state"], &ended["ended"]["reason"]), (&json!("cancelled"), &json!("ends_at")));
        set_tags(app, "c1", &[]);
        assert_eq!(designation(app, "c1"), ended);
        set_tags(app, "c1", &["press"]);
        let anew = designation(app, "c1");
        assert_eq!((&anew["state"], &anew["tier"]), (&json!("active"), &json!("gold")));
        assert_eq!((&anew["ended"], &anew["ends_at"]), (&Value::Null, &Value::Null));
        assert_eq!((&anew["source"], &anew["rule"]), (&json!("automatic"), &json!("r")));
    }

    fn while_automatic_qualification_is_off_rules_do_nothing_and_afterwards_they_do(app) {
        set_up_shop(app);
        put_rule(app, "r", &press(json!({"tier": "gold"})));
        set_tags(app, "before", &["press"]);
        set_automatic(app, false);
        let kept = designation(app, "before");
        assert_eq!((&kept["state"], &kept["rule_state"]), (&json!("active"), &json!("enabled")));
        set_tags(app, "c1", &["press"]);
        set_tags(app, "c2", &["shy"]);
        set_tags(app, "c3", &["press"]);
        put_rules(app, &[
            ("later", rule("has_tag/shy >= 1", json!({"tier": "silver"}))),
            ("asks", press(json!({"tier": "platinum", "requires_approval": true}))),
        ]);
        for (customer, code) in [("c1", "r"), ("c2", "later"), ("c1", "asks")] {
            let stands = standing(app, customer, code);
            assert_eq!(stands["outcome"], "automatic_qualification_off", "{customer} {code}");
            assert_eq!(stands["met"], true);
            assert_eq!(designation(app, customer), Value::Null);
        }
        assert!(nominations(app, "").is_empty());
        // Who meets it no longer when it is switched on has nothing of it.
        set_tags(app, "c3", &[]);
        set_automatic(app, true);
        assert_eq!(designated_soon(app, "c1")["tier"], "gold");
        assert_eq!(designated_soon(app, "c2")["tier"], "silver");
        for code in ["r", "later", "asks"] {
            rule_settled(app, code);
        }
        assert_eq!(outcome(app, "c1", "r"), "granted");
        assert_eq!(designation(app, "c3"), Value::Null);
        assert_eq!(designation(app, "before"), kept);
    }

    fn what_a_rule_granted_stays_when_it_is_disabled_or_deleted_and_says_so(app) {
        set_up_shop(app);
        let mut body = press(json!({"tier": "gold"}));
        let asks = json!({"tier": "platinum", "requires_approval": true});
        put_rules(app, &[("r", body.clone()), ("asks", rule("has_tag/shy >= 1", asks))]);
        for (customer, tag) in [("c1", "press"), ("c2", "press"), ("c3", "shy")] {
            set_tags(app, customer, &[tag]);
        }
        let granted = |code: &str| platform(app).get(&path(code)).expect(200).body["granted"].clone();
        assert_eq!(granted("r"), json!({"designations": 2, "nominations_waiting": 0}));
        assert_eq!(granted("asks"), json!({"designations": 0, "nominations_waiting": 1}));
        // What has ended does not count.
        remove(app, "c2");
        assert_eq!(granted("r")["designations"], 1);
        let mut expected = designation(app, "c1");
        assert_eq!(expected["rule_state"], "enabled");

        body["enabled"] = json!(false);
        assert_eq!(put_rule(app, "r", &body)["granted"]["designations"], 1);
        expected["rule_state"] = json!("disabled");
        assert_eq!(designation(app, "c1"), expected);
        set_tags(app, "c4", &["press"]);
        assert_eq!(designation(app, "c4"), Value::Null);
        assert_eq!(outcome(app, "c4", "r"), "rule_disabled");
        body["enabled"] = json!(true);
        assert_eq!(put_rule(app, "r", &body)["granted"]["designations"], 2);
        assert_eq!(designation(app, "c4")["rule"], "r");

        let removed = |code: &str| {
            let mut body = platform(app).delete(&path(code)).expect(200).body;
            let note = body.as_object_mut().unwrap().remove("note").unwrap();
            assert!(note.as_str().is_some_and(|text| !text.is_empty()), "{note}");
            body
        };
        assert_eq!(removed("r"), json!({"code": "r", "designations_kept": 2, "nominations_waiting": 0}));
        assert_eq!(removed("asks"), json!({"code": "asks", "designations_kept": 0, "nominations_waiting": 1}));
        platform(app).get(&path("r")).expect_problem(404, "not_found");
        platform(app).delete(&path("r")).expect_problem(404, "not_found");
        assert_eq!(platform(app).get(RULES).expect(200).body, json!({"rules": []}));
        expected["rule_state"] = json!("deleted");
        assert_eq!(designation(app, "c1"), expected);
        set_tags(app, "c5", &["press"]);
        assert_eq!(designation(app, "c5"), Value::Null);
        // A nomination goes on waiting for a person.
        let waiting = nominations(app, "state=waiting");
        assert_eq!((waiting.len(), &waiting[0]["rule"]), (1, &json!("asks")));
        let id = waiting[0]["nomination_id"].as_str().unwrap();
        app.manager().post(&format!("/v1/nominations/{id}/approve"), &json!({})).expect(200);
        let made = designation(app, "c3");
        assert_eq!((&made["tier"], &made["rule_state"]), (&json!("platinum"), &json!("deleted")));
    }

    fn an_erased_customer_is_granted_nothing(app) {
        set_up_shop(app);
        let asks = json!({"tier": "gold", "requires_approval": true});
        put_rules(app, &[("r", rule("orders_total >= 1", json!({}))), ("asks", rule("orders_total >= 1", asks))]);
        set_tags(app, "c1", &[]);
        app.admin().delete("/v1/customers/c1").expect(204);
        app.order("o1", "c1", &from_now(-60), "10.00").expect(201);
        put_rule(app, "late", &rule("orders_total >= 1", json!({})));
        assert_eq!(designation(app, "c1"), Value::Null);
        assert!(entries(app, "action=nominated").is_empty());
    }

    fn of_many_facts_at_once_one_designates(app) {
        set_up_shop(app);
        put_rule(app, "r", &rule("lifetime_spend >= 40.00", json!({"tier": "gold"})));
        let barrier = std::sync::Barrier::new(8);
        std::thread::scope(|scope| {
            for i in 0..8 {
                let barrier = &barrier;
                scope.spawn(move || {
                    barrier.wait();
                    app.order(&format!("o{i}"), "c1", &from_now(-60), "10.00").expect(201);
                });
            }
        });
        assert_eq!(designation(app, "c1")["tier"], "gold");
        assert_eq!(entries(app, "action=designated&customer_id=c1").len(), 1);
        assert!(entries(app, "action=designation_changed").is_empty());
    }

    fn what_rules_do_is_told_and_written_down_as_the_systems_own(app) {
        set_up_shop(app);
        put_rule(app, "r", &press(json!({"tier": "silver"})));
        set_tags(app, "c1", &["press"]);
        put_rule(app, "more", &press(json!({"tier": "gold"})));
        for action in ["designated", "designation_changed"] {
            let found = entries(app, &format!("action={action}&customer_id=c1"));
            assert_eq!(found.len(), 1, "{action}: {found:?}");
            assert_eq!((&found[0]["subject"], &found[0]["role"]), (&json!("accolade"), &json!("system")));
        }
        let events = feed(app);
        let designated = told(&events, "c1", "designated");
        assert_eq!(designated.len(), 1, "{events:?}");
        assert_eq!((&designated[0]["tier"], &designated[0]["source"]), (&json!("silver"), &json!("automatic")));
        let changed = told(&events, "c1", "designation_changed");
        assert_eq!(changed.len(), 1, "{events:?}");
        assert!(changed[0]["fields"].as_array().unwrap().contains(&json!("tier")), "{events:?}");
    }

    fn who_changes_a_rule_is_written_down(app) {
        set_up_shop(app);
        let body = press(json!({"tier": "silver"}));
        put_rule(app, "thumb", &body);
        put_rule(app, "thumb", &body);
        put_rule(app, "thumb", &press(json!({"tier": "gold"})));
        platform(app).put(&path("thumb"), &press(json!({"tier": "absent"}))).expect_problem(409, "unknown_tier");
        platform(app).delete(&path("thumb")).expect(200);
        for (action, count) in [("rule_changed", 2), ("rule_removed", 1)] {
            let found = entries(app, &format!("action={action}"));
            assert_eq!(found.len(), count, "{action}: {found:?}");
            for entry in found {
                assert_eq!((&entry["subject"], &entry["role"]), (&json!("tester"), &json!("platform_admin")));
                assert_eq!(entry["customer_id"], Value::Null);
                let change = format!("{} {}", entry["before"], entry["after"]);
                assert!(change.contains("thumb"), "{action} of which rule? {entry}");
            }
        }
    }

    fn another_name_does_not_have_a_rule_act_again(app) {
        set_up_shop(app);
        let mut press = rule("has_tag/press >= 1", json!({"benefits": ["hamper"]}));
        put_rule(app, "r", &press);
        set_tags(app, "c1", &["press"]);
        let path = "/v1/customers/c1/designation";
        app.manager().patch(path, &json!({"benefits": []})).expect(200);
        press["name"] = json!("Another name");
        put_rule(app, "r", &press);
        assert_eq!(platform(app).get("/v1/rules/r").expect(200).body["name"], "Another name");
        assert_eq!(app.manager().get(path).expect(200).body["benefits"], json!([]));
        // A changed grant is another rule.
        press["grants"]["priority"] = json!("urgent");
        put_rule(app, "r", &press);
        let after = app.manager().get(path).expect(200).body;
        assert_eq!((&after["benefits"], &after["priority"]), (&json!(["hamper"]), &json!("urgent")));
    }

    fn the_currency_is_fixed_while_a_rule_names_an_amount(app) {
        app.set_up(json!({}));
        let yen = json!({"currency": "JPY"});
        put_rule(app, "r", &rule("orders_total >= 10", json!({})));
        app.admin().patch("/v1/program?dry_run=true", &yen).expect(200);
        put_rule(app, "r", &rule("lifetime_spend >= 1000.00", json!({})));
        app.admin().patch("/v1/program", &yen).expect_problem(409, "currency_fixed");
    }

    fn the_audit_log_names_the_rule_that_was_changed_and_no_other(app) {
        app.set_up(json!({}));
        put_rule(app, "a", &rule("orders_total >= 10", json!({})));
        put_rule(app, "b", &rule("orders_total >= 20", json!({})));
        platform(app).delete("/v1/rules/a").expect(200);
        let log = app.manager().get("/v1/audit").expect(200).body;
        let fields = |entry: &Value| -> Vec<String> {
            entry["after"].as_object().unwrap().keys().filter(|k| k.starts_with("rule.")).cloned().collect()
        };
        let entries = log["entries"].as_array().unwrap();
        let removed = entries.iter().find(|entry| entry["action"] == "rule_removed").unwrap();
        assert_eq!((fields(removed), &removed["after"]["rule.a"]), (vec!["rule.a".to_owned()], &Value::Null));
        let changed: Vec<_> =
            entries.iter().filter(|entry| entry["action"] == "rule_changed").map(fields).collect();
        assert_eq!(changed, [["rule.b"], ["rule.a"]]);
    }
}
