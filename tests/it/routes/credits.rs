//! The ledger of store credit and points: what people write into it, what it
//! refuses, and who sees what of it.

use super::rules::{entries as audited, feed, told};
use super::treatment::ladder_with;
use super::{assert_paging_rules, assert_same_404, faults, neighbour};
use crate::support::*;
use accolade::api::auth::Role;
use chrono::{DateTime, Utc};
use serde_json::{Value, json};

const NOON: &str = "2024-06-01T12:00:00Z";

/// The path of a customer's ledger.
pub fn path(customer: &str) -> String {
    format!("/v1/customers/{customer}/credits")
}

/// An amount in the smallest units of its currency.
pub fn minor(amount: &Value) -> i64 {
    amount.as_str().unwrap().replace('.', "").parse().unwrap()
}

/// A customer's whole ledger, from its first entry on. Whatever is in it, its
/// numbers have no gaps, and its movements add up to its balances.
#[track_caller]
pub fn ledger(app: &App, customer: &str) -> Vec<Value> {
    let body = app.manager().get(&format!("{}?limit=200", path(customer))).expect(200).body;
    assert_eq!((&body["customer_id"], &body["next_cursor"]), (&json!(customer), &Value::Null));
    let mut entries = body["entries"].as_array().unwrap().clone();
    entries.reverse();
    let (mut credit, mut points) = (0, 0);
    for (number, entry) in (1_i64..).zip(&entries) {
        credit += minor(&entry["credit"]);
        points += entry["points"].as_i64().unwrap();
        assert_eq!(entry["number"], json!(number), "{body}");
        assert_eq!(minor(&entry["credit_balance"]), credit, "{body}");
        assert_eq!(entry["points_balance"], json!(points), "{body}");
    }
    let balances = &body["balances"];
    assert_eq!(minor(&balances["credit"]), credit.max(0), "{body}");
    assert_eq!(minor(&balances["credit_owed"]), (-credit).max(0), "{body}");
    assert_eq!(balances["points"], json!(points.max(0)), "{body}");
    assert_eq!(balances["points_owed"], json!((-points).max(0)), "{body}");
    entries
}

/// What entries say in short: kind, cause, credit and points.
pub fn booked(entries: &[Value]) -> Vec<String> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let short = |entry: &Value| {
        let [kind, cause, credit] = ["kind", "cause", "credit"].map(|field| text(&entry[field]));
        format!("{kind} {cause} {credit} {}", entry["points"])
    };
    entries.iter().map(short).collect()
}

/// The balances of who owes nothing.
pub fn has(credit: &str, points: i64) -> Value {
    json!({"credit": credit, "credit_owed": "0.00", "points": points, "points_owed": 0})
}

pub fn post(client: &Client<'_>, customer: &str, body: &Value) -> Answer {
    client.post(&path(customer), body)
}

/// Has a manager give something, or take it.
pub fn adjust(app: &App, customer: &str, fields: Value) -> Answer {
    let mut body = json!({"kind": "adjusted", "note": "A birthday."});
    body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    post(&app.manager(), customer, &body)
}

/// Has the shop take off credit that a customer pays with.
pub fn redeem(app: &App, customer: &str, credit: &str) -> Answer {
    post(&app.storefront(), customer, &json!({"kind": "redeemed", "credit": credit}))
}

/// A store in which all earn five percent, and `c1`, who joined in 2024.
fn set_up(app: &App) {
    app.set_up(json!({}));
    let bronze = json!({"reward": {"rate": "0.05"}});
    app.admin().put("/v1/tiers", &ladder_with(&[("bronze", "0", bronze)])).expect(200);
    join(app, "c1", "2024-01-01T00:00:00Z");
}

/// The numbers of entries on all pages, two to a page.
fn numbers(client: &Client<'_>, query: &str) -> Vec<i64> {
    let (mut found, mut cursor) = (Vec::new(), String::new());
    loop {
        let answer = client.get(&format!("{}?limit=2{query}{cursor}", path("c1"))).expect(200);
        let rows = answer.body["entries"].as_array().unwrap();
        assert!(rows.len() <= 2, "{}", answer.text);
        found.extend(rows.iter().map(|row| row["number"].as_i64().unwrap()));
        assert!(found.len() < 100, "the pages do not end");
        let Some(next) = answer.body["next_cursor"].as_str() else { return found };
        assert_eq!(rows.len(), 2, "a page that is not the last is full");
        cursor = format!("&cursor={next}");
    }
}

/// An entry without the instants at which it happened and was recorded, which
/// are the same for what people do.
fn timeless(entry: &Value, began: DateTime<Utc>) -> Value {
    let mut entry = entry.clone();
    let fields = entry.as_object_mut().unwrap();
    let [occurred, recorded] = ["occurred_at", "recorded_at"].map(|at| fields.remove(at).unwrap());
    assert_eq!(occurred, recorded);
    let at: DateTime<Utc> = recorded.as_str().unwrap().parse().unwrap();
    assert!(at >= began - chrono::Duration::milliseconds(1) && at <= Utc::now(), "{at}");
    entry
}

on_both! {
    fn who_has_nothing_yet_has_an_empty_ledger(app) {
        set_up(app);
        let body = app.storefront().get(&path("c1")).expect(200).body;
        let expected = json!({
            "customer_id": "c1", "currency": "GBP", "balances": has("0.00", 0), "entries": [],
            "next_cursor": null,
        });
        assert_eq!(body, expected);
    }

    fn each_kind_is_written_down_and_moves_the_balances(app) {
        set_up(app);
        let began = Utc::now();
        let client = app.manager();
        let expected = |number: i64, kind: &str, cause: &str, fields: Value| {
            let mut entry = json!({
                "number": number, "kind": kind, "cause": cause, "credit": "0.00", "points": 0,
                "tier": "bronze", "reward": null, "points_rate": null, "order_id": null,
                "refund_id": null, "activity_id": null, "operator": "tester", "note": null,
            });
            entry.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
            entry
        };
        let mut all = Vec::new();
        for (body, entry, balances) in [
            (
                json!({"kind": "adjusted", "credit": "20.00", "points": 100, "note": "Sorry."}),
                expected(1, "adjusted", "adjustment", json!({
                    "credit": "20.00", "points": 100, "credit_balance": "20.00",
                    "points_balance": 100, "note": "Sorry.",
                })),
                has("20.00", 100),
            ),
            (
                json!({"kind": "redeemed", "credit": "5", "points": 30, "order_id": "o9", "note": "At the till."}),
                expected(2, "redeemed", "redemption", json!({
                    "credit": "-5.00", "points": -30, "credit_balance": "15.00",
                    "points_balance": 70, "order_id": "o9", "note": "At the till.",
                })),
                has("15.00", 70),
            ),
            (
                json!({"kind": "adjusted", "credit": "-0.5", "note": "Twice by mistake."}),
                expected(3, "adjusted", "adjustment", json!({
                    "credit": "-0.50", "credit_balance": "14.50", "points_balance": 70,
                    "note": "Twice by mistake.",
                })),
                has("14.50", 70),
            ),
            (
                json!({"kind": "redeemed", "points": 20}),
                expected(4, "redeemed", "redemption", json!({
                    "points": -20, "credit_balance": "14.50", "points_balance": 50,
                })),
                has("14.50", 50),
            ),
            (
                json!({"kind": "expired", "credit": "14.50", "points": 50}),
                expected(5, "expired", "expiry", json!({
                    "credit": "-14.50", "points": -50, "credit_balance": "0.00", "points_balance": 0,
                })),
                has("0.00", 0),
            ),
        ] {
            let answer = post(&client, "c1", &body).expect(201).body;
            assert_eq!(timeless(&answer["entry"], began), entry);
            assert_eq!(answer["balances"], balances, "{body}");
            assert_eq!(client.get(&path("c1")).expect(200).body["balances"], balances, "{body}");
            all.push(answer["entry"].clone());
        }
        assert_eq!(ledger(app, "c1"), all);
        all.reverse();
        assert_eq!(client.get(&path("c1")).expect(200).body["entries"], json!(all));
    }

    fn the_same_again_is_another_entry(app) {
        set_up(app);
        adjust(app, "c1", json!({"credit": "10.00"})).expect(201);
        for left in ["7.00", "4.00", "1.00"] {
            assert_eq!(redeem(app, "c1", "3.00").expect(201).body["balances"]["credit"], left);
        }
        redeem(app, "c1", "3.00").expect_problem(409, "insufficient_balance");
        assert_eq!(ledger(app, "c1").len(), 4);
    }

    fn all_faults_are_answered_at_once(app) {
        set_up(app);
        let put = |body: Value| faults(post(&app.manager(), "c1", &body));
        let bad = json!({
            "kind": "gift", "credit": "1e3", "points": 1.5, "order_id": "a b",
            "note": "x".repeat(2_001), "bogus": 1,
        });
        assert_eq!(put(bad), ["/bogus", "/credit", "/kind", "/note", "/order_id", "/points"]);
        assert_eq!(put(json!({})), ["/kind"]);
        let rules = json!({"kind": "adjusted", "credit": "0.00", "points": 0, "order_id": "o9"});
        assert_eq!(put(rules), ["/credit", "/note", "/order_id", "/points"]);
        for (body, pointer) in [
            (json!({"kind": "earned", "credit": "1.00"}), "/kind"),
            (json!({"kind": "reversed", "credit": "1.00"}), "/kind"),
            (json!({"kind": "redeemed", "credit": 5}), "/credit"),
            (json!({"kind": "redeemed", "credit": ""}), "/credit"),
            (json!({"kind": "redeemed", "credit": "+1.00"}), "/credit"),
            (json!({"kind": "redeemed", "credit": "1."}), "/credit"),
            (json!({"kind": "redeemed", "credit": "1.00000"}), "/credit"),
            (json!({"kind": "redeemed", "credit": "10000000000000000"}), "/credit"),
            (json!({"kind": "redeemed", "points": "5"}), "/points"),
            (json!({"kind": "adjusted", "credit": "1.00"}), "/note"),
            (json!({"kind": "adjusted", "credit": "1.00", "note": null}), "/note"),
            (json!({"kind": "adjusted", "credit": "1.00", "note": " "}), "/note"),
            (json!({"kind": "adjusted", "credit": "1.00", "note": 7}), "/note"),
            (json!({"kind": "adjusted", "credit": "1.00", "note": "x", "order_id": "o9"}), "/order_id"),
            (json!({"kind": "expired", "credit": "1.00", "order_id": "o9"}), "/order_id"),
        ] {
            assert_eq!(put(body.clone()), [pointer], "{body}");
        }
        // There has to be something to move.
        for body in [json!({"kind": "redeemed"}), json!({"kind": "expired", "note": "Old."})] {
            assert_eq!(put(body), [""]);
        }
        assert!(ledger(app, "c1").is_empty());
        // Just within its bounds.
        adjust(app, "c1", json!({"credit": "1.00", "note": "ü".repeat(2_000)})).expect(201);
    }

    fn signs_go_with_the_kind_and_zero_with_none(app) {
        set_up(app);
        adjust(app, "c1", json!({"credit": "10.00", "points": 10})).expect(201);
        let put = |body: Value| post(&app.manager(), "c1", &body);
        for kind in ["redeemed", "expired"] {
            let both = json!({"kind": kind, "credit": "-1.00", "points": -1});
            assert_eq!(faults(put(both)), ["/credit", "/points"], "{kind}");
            assert_eq!(faults(put(json!({"kind": kind, "credit": "-1.00", "points": 1}))), ["/credit"]);
            assert_eq!(faults(put(json!({"kind": kind, "credit": "1.00", "points": -1}))), ["/points"]);
        }
        for kind in ["redeemed", "expired", "adjusted"] {
            for zero in ["0", "0.00", "-0"] {
                let body = json!({"kind": kind, "credit": zero, "points": 1, "note": "x"});
                assert_eq!(faults(put(body)), ["/credit"], "{kind} {zero}");
            }
            let body = json!({"kind": kind, "credit": "1.00", "points": 0, "note": "x"});
            assert_eq!(faults(put(body)), ["/points"], "{kind}");
        }
        // An adjustment may give the one and take the other.
        let mixed = adjust(app, "c1", json!({"credit": "-1.00", "points": 5})).expect(201).body;
        assert_eq!(mixed["balances"], has("9.00", 15));
        assert_eq!(ledger(app, "c1").len(), 2);
    }

    fn an_amount_has_the_decimals_of_the_currency(app) {
        set_up(app);
        adjust(app, "c1", json!({"credit": "10.00"})).expect(201);
        for (kind, credit) in [
            ("redeemed", "1.234"), ("expired", "1.2345"), ("adjusted", "1.234"), ("adjusted", "-1.234"),
        ] {
            let body = json!({"kind": kind, "credit": credit, "note": "x"});
            let answer = post(&app.manager(), "c1", &body);
            answer.expect_problem(409, "amount_not_in_currency");
        }
        assert_eq!(ledger(app, "c1").len(), 1);
    }

    fn nobody_takes_off_more_than_there_is(app) {
        set_up(app);
        adjust(app, "c1", json!({"credit": "5.00", "points": 50})).expect(201);
        for body in [
            json!({"kind": "redeemed", "credit": "5.01"}),
            json!({"kind": "redeemed", "points": 51}),
            // Where one of them is short, neither is taken.
            json!({"kind": "redeemed", "credit": "1.00", "points": 51}),
            json!({"kind": "redeemed", "credit": "5.01", "points": 1}),
            json!({"kind": "expired", "credit": "5.01"}),
            json!({"kind": "expired", "points": 51}),
            json!({"kind": "adjusted", "credit": "-5.01", "note": "x"}),
            json!({"kind": "adjusted", "credit": "5.00", "points": -51, "note": "x"}),
        ] {
            let answer = post(&app.manager(), "c1", &body);
            answer.expect_problem(409, "insufficient_balance");
        }
        assert_eq!(ledger(app, "c1").len(), 1);
        let last = post(&app.manager(), "c1", &json!({"kind": "redeemed", "credit": "5.00", "points": 50}));
        assert_eq!(last.expect(201).body["balances"], has("0.00", 0));
    }

    fn what_was_spent_and_is_taken_back_is_owed_and_later_earnings_fill_the_hole(app) {
        set_up(app);
        assert_eq!(app.order("o1", "c1", NOON, "100.00").expect(201).body["balances"], has("5.00", 100));
        let all = json!({"kind": "redeemed", "credit": "5.00", "points": 100});
        post(&app.storefront(), "c1", &all).expect(201);
        assert!(told(&feed(app), "c1", "credit_owed").is_empty());

        let refunded = app.refund("r1", "o1", "2024-06-08T12:00:00Z", "40.00").expect(201).body;
        assert_eq!(refunded["earned"], json!({"credit": "-2.00", "points": -40}));
        let owed = |credit: &str, points: i64| {
            json!({"credit": "0.00", "credit_owed": credit, "points": 0, "points_owed": points})
        };
        assert_eq!(refunded["balances"], owed("2.00", 40));
        let entry = ledger(app, "c1").pop().unwrap();
        assert_eq!((&entry["credit_balance"], &entry["points_balance"]), (&json!("-2.00"), &json!(-40)));
        assert_eq!(told(&feed(app), "c1", "credit_owed").len(), 1);
        redeem(app, "c1", "0.01").expect_problem(409, "insufficient_balance");

        let earned = app.order("o2", "c1", "2024-06-09T12:00:00Z", "30.00").expect(201).body;
        assert_eq!(earned["earned"], json!({"credit": "1.50", "points": 30}));
        assert_eq!(earned["balances"], owed("0.50", 10));
        // What is given fills it too, be it less than is owed.
        let given = adjust(app, "c1", json!({"credit": "0.10"})).expect(201).body;
        assert_eq!(given["balances"], owed("0.40", 10));
        let earned = app.order("o3", "c1", "2024-06-10T12:00:00Z", "100.00").expect(201).body;
        assert_eq!(earned["balances"], has("4.60", 90));
        redeem(app, "c1", "4.61").expect_problem(409, "insufficient_balance");
        redeem(app, "c1", "4.60").expect(201);
        assert_eq!(booked(&ledger(app, "c1")), [
            "earned order_completed 5.00 100", "redeemed redemption -5.00 -100",
            "reversed order_refunded -2.00 -40", "earned order_completed 1.50 30",
            "adjusted adjustment 0.10 0", "earned order_completed 5.00 100",
            "redeemed redemption -4.60 0",
        ]);
    }

    fn notes_and_operators_are_kept_from_the_storefront(app) {
        set_up(app);
        adjust(app, "c1", json!({"credit": "10.00", "note": "Sounded sad."})).expect(201);
        let body = json!({"kind": "redeemed", "credit": "1.00", "note": "Paid half."});
        let made = post(&app.storefront(), "c1", &body).expect(201);
        assert_eq!((&made.body["entry"]["operator"], &made.body["entry"]["note"]), (&Value::Null, &Value::Null));
        let shown = app.storefront().get(&path("c1")).expect(200);
        for entry in shown.body["entries"].as_array().unwrap() {
            assert_eq!((&entry["operator"], &entry["note"]), (&Value::Null, &Value::Null));
        }
        for text in ["tester", "Sounded sad.", "Paid half."] {
            assert!(!shown.text.contains(text) && !made.text.contains(text), "{text}");
        }
        for client in [app.support(), app.manager(), app.admin(), app.client(Role::PlatformAdmin)] {
            let body = client.get(&path("c1")).expect(200).body;
            let notes: Vec<&Value> =
                body["entries"].as_array().unwrap().iter().map(|entry| &entry["note"]).collect();
            assert_eq!(notes, ["Paid half.", "Sounded sad."]);
            assert_eq!(body["entries"][1]["operator"], "tester");
        }
    }

    fn everyone_reads_the_shop_redeems_and_managers_do_the_rest(app) {
        set_up(app);
        adjust(app, "c1", json!({"credit": "10.00"})).expect(201);
        for (word, role) in Role::WORDS {
            let client = app.client(role);
            client.get(&path("c1")).expect(200);
            for kind in ["redeemed", "adjusted", "expired"] {
                let body = json!({"kind": kind, "credit": "0.01", "note": "x"});
                let answer = post(&client, "c1", &body);
                match (word, kind) {
                    ("storefront", "redeemed")
                    | ("manager" | "administrator" | "platform_admin", _) => answer.expect(201),
                    _ => answer.expect_problem(403, "forbidden"),
                };
            }
        }
        // One given, one redemption by the shop, and three of each by three.
        assert_eq!(ledger(app, "c1").len(), 1 + 1 + 9);
    }

    fn entries_are_listed_newest_first_page_by_page_and_by_kind(app) {
        set_up(app);
        for _ in 0..3 {
            adjust(app, "c1", json!({"credit": "10.00"})).expect(201);
            redeem(app, "c1", "1.00").expect(201);
        }
        app.order("o1", "c1", NOON, "100.00").expect(201);
        let client = app.storefront();
        assert_eq!(numbers(&client, ""), [7, 6, 5, 4, 3, 2, 1]);
        assert_eq!(numbers(&client, "&kind=adjusted"), [5, 3, 1]);
        assert_eq!(numbers(&client, "&kind=redeemed"), [6, 4, 2]);
        assert_eq!(numbers(&client, "&kind=earned"), [7]);
        assert!(numbers(&client, "&kind=expired").is_empty());
        assert!(numbers(&client, "&kind=reversed").is_empty());
        // The balances are those of the whole ledger, whatever is listed of it.
        let narrow = client.get(&format!("{}?kind=expired", path("c1"))).expect(200).body;
        assert_eq!(narrow["balances"], has("32.00", 100));
        assert_paging_rules(&client, &path("c1"));
        for (query, pointer) in [("kind=gift", "?kind"), ("bogus=1", "?bogus")] {
            let answer = client.get(&format!("{}?{query}", path("c1")));
            assert_eq!(faults(answer), [pointer]);
        }
    }

    fn a_customer_who_is_not_there_has_no_ledger_nor_has_another_stores(app) {
        set_up(app);
        adjust(app, "c1", json!({"credit": "10.00"})).expect(201);
        let body = json!({"kind": "redeemed", "credit": "1.00"});
        app.manager().get(&path("absent")).expect_problem(404, "not_found");
        post(&app.manager(), "absent", &body).expect_problem(404, "not_found");
        app.storefront().get("/v1/customers/absent").expect_problem(404, "not_found");
        let other = neighbour(app, Role::Manager);
        assert_same_404(&other.get(&path("c1")), &other.get(&path("absent")));
        assert_same_404(&post(&other, "c1", &body), &post(&other, "absent", &body));
        assert_eq!(ledger(app, "c1").len(), 1);
    }

    fn with_an_erased_customer_goes_what_was_noted_and_nothing_is_redeemed(app) {
        set_up(app);
        adjust(app, "c1", json!({"credit": "10.00", "note": "Ada's wedding."})).expect(201);
        app.storefront().delete("/v1/customers/c1").expect(204);
        for body in [
            json!({"kind": "redeemed", "credit": "1.00"}), json!({"kind": "expired", "credit": "1.00"}),
            json!({"kind": "adjusted", "credit": "1.00", "note": "x"}),
        ] {
            post(&app.manager(), "c1", &body).expect_problem(410, "customer_erased");
        }
        let entries = ledger(app, "c1");
        assert_eq!(booked(&entries), ["adjusted adjustment 10.00 0", "expired erasure -10.00 0"]);
        assert_eq!(entries[0]["note"], Value::Null);
        assert_eq!(entries[1]["operator"], "tester");
        // What facts take back is owed by nobody, and stays on the books.
        let report = app.manager().get("/v1/reports/credit").expect(200).body;
        assert_eq!((&report["credit_outstanding"], &report["credit_owed"]), (&json!("0.00"), &json!("0.00")));
    }

    fn what_people_do_is_audited_and_told(app) {
        set_up(app);
        adjust(app, "c1", json!({"credit": "10.00"})).expect(201);
        redeem(app, "c1", "1.00").expect(201);
        redeem(app, "c1", "1.00").expect(201);
        post(&app.admin(), "c1", &json!({"kind": "expired", "credit": "8.00"})).expect(201);
        redeem(app, "c1", "1.00").expect_problem(409, "insufficient_balance");
        adjust(app, "c1", json!({"credit": "0"})).expect_problem(422, "invalid_request");
        let events = feed(app);
        for (action, role, count) in [
            ("credit_adjusted", "manager", 1), ("credit_redeemed", "storefront", 2),
            ("credit_expired", "administrator", 1),
        ] {
            let found = audited(app, &format!("action={action}"));
            assert_eq!(found.len(), count, "{action}: {found:?}");
            for entry in found {
                assert_eq!((&entry["subject"], &entry["role"]), (&json!("tester"), &json!(role)));
                assert_eq!(entry["customer_id"], "c1");
            }
            assert_eq!(told(&events, "c1", action).len(), count, "{action}: {events:?}");
        }
    }

    fn a_balance_beyond_64_bits_is_refused_and_nothing_of_it_stored(app) {
        set_up(app);
        for _ in 0..9 {
            adjust(app, "c1", json!({"credit": "9999999999999999.99"})).expect(201);
        }
        let full = adjust(app, "c1", json!({"credit": "2233720368547758.16"})).expect(201).body;
        assert_eq!(full["balances"], has("92233720368547758.07", 0));
        adjust(app, "c1", json!({"credit": "0.01"})).expect_problem(409, "figure_overflow");
        app.order("o1", "c1", NOON, "100.00").expect_problem(409, "figure_overflow");
        app.storefront().get("/v1/orders/o1").expect_problem(404, "not_found");
        assert_eq!(spent(&app.membership("c1")), "0.00");
        assert_eq!(ledger(app, "c1").len(), 10);

        // Of a batch, the others are stored.
        let line = |id: &str, customer: &str| {
            let mut fact = order(customer, NOON, "100.00");
            fact["order_id"] = json!(id);
            json!({"order": fact})
        };
        let points = json!({"activity": {
            "activity_id": "a1", "customer_id": "c1", "kind": "points", "points": 7, "occurred_at": NOON,
        }});
        let lines = [line("o1", "c1"), line("o2", "c2"), points];
        let results = app.storefront().post_lines("/v1/facts", &lines).expect(200).body["results"].clone();
        assert_eq!(results[0]["problem"]["code"], "figure_overflow");
        assert_eq!((&results[1]["status"], &results[2]["status"]), (&json!("created"), &json!("created")));
        assert_eq!(booked(&ledger(app, "c2")), ["earned order_completed 5.00 100"]);
        app.storefront().get("/v1/orders/o1").expect_problem(404, "not_found");
        assert_eq!(booked(&ledger(app, "c1"))[10..], ["earned activity 0.00 7"]);

        // Once there is room, the same order goes through.
        redeem(app, "c1", "5.00").expect(201);
        let earned = app.order("o1", "c1", NOON, "100.00").expect(201).body;
        assert_eq!(earned["earned"], json!({"credit": "5.00", "points": 100}));
        assert_eq!(earned["balances"], has("92233720368547758.07", 107));
        assert_eq!(ledger(app, "c1").len(), 13);
    }

    fn of_a_hundred_redemptions_at_once_as_many_succeed_as_the_balance_pays_for(app) {
        set_up(app);
        adjust(app, "c1", json!({"credit": "30.00", "points": 1_000})).expect(201);
        let body = json!({"kind": "redeemed", "credit": "0.70", "points": 3});
        let barrier = std::sync::Barrier::new(100);
        let answers: Vec<Answer> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..100)
                .map(|_| {
                    let (barrier, body) = (&barrier, &body);
                    scope.spawn(move || {
                        barrier.wait();
                        post(&app.storefront(), "c1", body)
                    })
                })
                .collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        let (done, refused): (Vec<_>, Vec<_>) =
            answers.into_iter().partition(|answer| answer.status == 201);
        // 42 times 0.70 is 29.40.
        assert_eq!((done.len(), refused.len()), (42, 58));
        for answer in refused {
            answer.expect_problem(409, "insufficient_balance");
        }
        let mut numbers: Vec<i64> =
            done.iter().map(|answer| answer.body["entry"]["number"].as_i64().unwrap()).collect();
        numbers.sort_unstable();
        assert_eq!(numbers, (2..=43).collect::<Vec<_>>());
        // That the entries add up to the balance is seen to by `ledger`.
        let entries = ledger(app, "c1");
        assert_eq!(entries.len(), 43);
        let last = &entries[42];
        assert_eq!((&last["credit_balance"], &last["points_balance"]), (&json!("0.60"), &json!(874)));
        let read = app.storefront().get(&path("c1")).expect(200).body;
        assert_eq!(read["balances"], has("0.60", 874));
    }
}
