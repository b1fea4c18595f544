//! The dry run of a rule: whom it would grant or nominate, without doing it.

use super::neighbour;
use super::rules::{
    designate, designation, entries, feed, nominations, platform, put_rule, remove, rule, set_tags,
    set_up_shop,
};
use crate::support::*;
use accolade::api::auth::Role;
use serde_json::{Value, json};

/// One page of a dry run.
fn page(app: &App, code: &str, body: &Value, query: &str) -> Value {
    platform(app).post(&format!("/v1/rules/{code}/dry-run?{query}"), body).expect(200).body
}

/// Who is on a page, and what would come of the rule for them.
fn outcomes(page: &Value) -> Vec<(&str, &str)> {
    let text = |row: &Value, field: &str| row[field].as_str().unwrap().to_owned();
    page["customers"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| {
            assert!(!text(row, "outcome").is_empty());
            (row["customer_id"].as_str().unwrap(), row["outcome"].as_str().unwrap())
        })
        .collect()
}

/// All that a dry run could have changed, but for events.
fn everything(app: &App) -> Value {
    let program = app.storefront().get("/v1/program").expect(200);
    json!([
        program.body,
        program.etag(),
        platform(app).get("/v1/rules").expect(200).body,
        app.manager().get("/v1/designations?limit=200").expect(200).body,
        nominations(app, ""),
        entries(app, ""),
    ])
}

/// A rule for those with the tag `press`.
fn press(grants: Value) -> Value {
    rule("has_tag/press >= 1", grants)
}

on_both! {
    fn it_says_whom_a_rule_would_make_a_vip_or_raise_and_does_nothing(app) {
        set_up_shop(app);
        for customer in ["grant", "has", "raise", "removed", "removed-other"] {
            set_tags(app, customer, &["press"]);
        }
        set_tags(app, "other", &["staff"]);
        designate(app, "has", &json!({"tier": "platinum", "profile": "partner"}));
        designate(app, "raise", &json!({"tier": "silver"}));
        designate(app, "removed", &json!({}));
        designate(app, "removed-other", &json!({"tier": "platinum"}));
        remove(app, "removed");
        remove(app, "removed-other");
        let told = feed(app);
        let before = everything(app);

        // Of a rule that there is not, and need not be.
        let body = press(json!({"tier": "gold"}));
        let dry = page(app, "r", &body, "");
        let expected = [
            ("grant", "grant"), ("has", "nothing_to_add"), ("raise", "raise"),
            ("removed", "removed_by_person"), ("removed-other", "removed_by_person"),
        ];
        assert_eq!(outcomes(&dry), expected);
        assert_eq!(everything(app), before);
        assert_eq!(feed(app), told);
        platform(app).get("/v1/rules/r").expect_problem(404, "not_found");

        // And so it comes when it is put.
        let had = designation(app, "has");
        assert_eq!(put_rule(app, "r", &body)["granted"]["designations"], 2);
        for (customer, tier, state) in [
            ("grant", "gold", "active"), ("raise", "gold", "active"),
            ("removed-other", "platinum", "cancelled"),
        ] {
            let now = designation(app, customer);
            assert_eq!((&now["tier"], &now["state"]), (&json!(tier), &json!(state)), "{customer}");
        }
        assert_eq!((designation(app, "has"), designation(app, "other")), (had, Value::Null));
        // What it has granted, it has nothing to add to.
        let again = page(app, "r", &body, "");
        assert_eq!(outcomes(&again)[..3].iter().map(|(_, word)| *word).collect::<Vec<_>>(), ["nothing_to_add"; 3]);
    }

    fn it_says_whom_a_rule_would_nominate_and_whom_not_and_does_nothing(app) {
        set_up_shop(app);
        let mut body = press(json!({"tier": "gold", "requires_approval": true}));
        put_rule(app, "r", &body);
        set_tags(app, "declined", &["press"]);
        set_tags(app, "waiting", &["press"]);
        let id = nominations(app, "customer_id=declined")[0]["nomination_id"].clone();
        let path = format!("/v1/nominations/{}/decline", id.as_str().unwrap());
        app.manager().post(&path, &json!({"note": "Too new."})).expect(200);
        // While it rests, others come to meet it.
        body["enabled"] = json!(false);
        put_rule(app, "r", &body);
        for customer in ["has", "new", "removed"] {
            set_tags(app, customer, &["press"]);
        }
        designate(app, "has", &json!({"tier": "gold", "profile": "partner"}));
        designate(app, "removed", &json!({}));
        remove(app, "removed");
        let told = feed(app);
        let before = everything(app);

        body["enabled"] = json!(true);
        let dry = page(app, "r", &body, "");
        let expected = [
            ("declined", "declined_recently"), ("has", "nothing_to_add"), ("new", "nominate"),
            ("removed", "removed_by_person"), ("waiting", "nomination_waiting"),
        ];
        assert_eq!(outcomes(&dry), expected);
        assert_eq!(everything(app), before);
        assert_eq!(feed(app), told);
        // Another rule knows nothing of what this one was declined.
        assert_eq!(outcomes(&page(app, "other", &body, ""))[0], ("declined", "nominate"));

        put_rule(app, "r", &body);
        let waiting: Vec<Value> =
            nominations(app, "state=waiting").iter().map(|row| row["customer_id"].clone()).collect();
        assert_eq!(waiting, ["new", "waiting"]);
        assert_eq!(designation(app, "new"), Value::Null);
    }

    fn it_says_why(app) {
        set_up_shop(app);
        set_tags(app, "c1", &["press"]);
        app.order("o1", "c1", &from_now(-60), "1250.00").expect(201);
        set_tags(app, "c2", &["press"]);
        app.order("o2", "c2", &from_now(-60), "999.99").expect(201);
        let body = rule(
            "lifetime_spend >= 1000.00; orders_in_days/30 <= 2; has_tag/press >= 1", json!({}),
        );
        let dry = page(app, "r", &body, "");
        assert_eq!(outcomes(&dry), [("c1", "grant")]);
        assert_eq!(dry["examined"], 2);
        let why = dry["customers"][0]["why"].as_array().unwrap();
        let told: Vec<Value> = why
            .iter()
            .map(|finding| {
                assert_eq!((&finding["met"], &finding["missing"]), (&json!(true), &Value::Null));
                assert!(finding["text"].as_str().is_some_and(|text| !text.is_empty()));
                ["metric", "window_days", "tag", "at_least", "at_most", "found"]
                    .map(|field| finding[field].clone())
                    .into_iter()
                    .collect()
            })
            .collect();
        let expected = [
            json!(["lifetime_spend", null, null, "1000.00", null, "1250.00"]),
            json!(["orders_in_days", 30, null, null, "2", "1"]),
            json!(["has_tag", null, "press", "1", null, "1"]),
        ];
        assert_eq!(told, expected);
        assert_eq!(why[0]["text"], "lifetime_spend is 1250.00, at least 1000.00 needed");
    }

    fn pages_of_any_size_name_everyone_once_by_their_identifiers(app) {
        set_up_shop(app);
        for i in 0..12 {
            let tag = if i % 3 == 1 { "staff" } else { "press" };
            set_tags(app, &format!("c{i}"), &[tag]);
        }
        let body = press(json!({}));
        let whole = page(app, "r", &body, "limit=200");
        let all: Vec<String> = outcomes(&whole).iter().map(|(id, _)| (*id).to_owned()).collect();
        assert_eq!(all, ["c0", "c11", "c2", "c3", "c5", "c6", "c8", "c9"]);
        assert_eq!((&whole["examined"], &whole["next_cursor"]), (&json!(12), &Value::Null));
        for limit in [1, 3, 8] {
            let (mut found, mut cursor) = (Vec::new(), String::new());
            loop {
                let page = page(app, "r", &body, &format!("limit={limit}{cursor}"));
                let rows = outcomes(&page);
                assert!(rows.len() <= limit, "{page}");
                found.extend(rows.iter().map(|(id, _)| (*id).to_owned()));
                assert!(found.len() <= all.len(), "{found:?}");
                let Some(next) = page["next_cursor"].as_str() else { break };
                cursor = format!("&cursor={next}");
            }
            assert_eq!(found, all, "{limit}");
        }
        for (query, pointer) in [
            ("limit=0", "?limit"), ("limit=201", "?limit"), ("limit=ten", "?limit"),
            ("cursor=nonsense", "?cursor"),
        ] {
            let answer = platform(app).post(&format!("/v1/rules/r/dry-run?{query}"), &body);
            assert_eq!(answer.expect_problem(422, "invalid_request").pointers(), [pointer]);
        }
    }

    fn it_looks_neither_at_the_erased_nor_at_other_stores(app) {
        set_up_shop(app);
        for customer in ["c1", "erased"] {
            app.order(&format!("o-{customer}"), customer, &from_now(-60), "10.00").expect(201);
        }
        app.admin().delete("/v1/customers/erased").expect(204);
        let body = rule("orders_total >= 1", json!({}));
        assert_eq!(outcomes(&page(app, "r", &body, "")), [("c1", "grant")]);
        let other = neighbour(app, Role::PlatformAdmin);
        let theirs = other.post("/v1/rules/r/dry-run", &body).expect(200).body;
        assert_eq!((&theirs["customers"], &theirs["examined"]), (&json!([]), &json!(0)));
    }

    fn a_page_ends_when_five_thousand_were_examined(app) {
        set_up_shop(app);
        let line = |i: usize| {
            let tags: &[&str] = if i == 5_003 { &["press"] } else { &[] };
            json!({"customer": {"customer_id": format!("c{i:05}"), "tags": tags}})
        };
        let lines: Vec<Value> = (0..5_005).map(line).collect();
        let stored = app.storefront().post_lines("/v1/facts", &lines).expect(200).body;
        assert_eq!(stored["created"], 5_005);
        let body = press(json!({}));
        let first = page(app, "r", &body, "");
        assert_eq!((&first["customers"], &first["examined"]), (&json!([]), &json!(5_000)));
        let cursor = first["next_cursor"].as_str().unwrap();
        let second = page(app, "r", &body, &format!("cursor={cursor}"));
        assert_eq!(outcomes(&second), [("c05003", "grant")]);
        assert_eq!((&second["examined"], &second["next_cursor"]), (&json!(5), &Value::Null));
    }
}
