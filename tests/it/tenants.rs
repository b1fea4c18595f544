//! Two stores of one service, with the same identifiers and other contents:
//! nothing of one ever shows to the other. Driven by the document, so that an
//! operation that is new is looked at too.

use crate::contract::{Operation, operations};
use crate::role_matrix::{
    EVERYONE, Ids, all_of, at_rest, fill_and_recalculate, found, is_read, may, path, timeless,
};
use crate::support::*;
use accolade::api::auth::Role::{self, PlatformAdmin, Storefront};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// The stores, each with what stands in all its texts and in none of the other's.
const A: (&str, &str) = ("store-a", "only-in-a");
const B: (&str, &str) = ("store-b", "only-in-b");

/// How many people a store has beside those of the examples: the first of them
/// are in both.
const PEOPLE_OF_A: usize = 7;
const PEOPLE_OF_B: usize = 4;

/// Sets a store up whose texts all hold a mark.
fn furnish(app: &App, (store, mark): (&str, &str), people: usize) -> Ids {
    let ids = fill_and_recalculate(app, store);
    let (shop, platform) = (app.client_of(store, Storefront), app.client_of(store, PlatformAdmin));
    platform.patch("/v1/program", &json!({"name": mark})).expect(200);
    let gift = json!({"name": mark, "kind": "gift"});
    platform.put("/v1/benefits/early-72", &gift).expect(200);
    let gold = json!({"name": mark, "rank": 3, "threshold": "500.00"});
    platform.put("/v1/tiers/gold", &gold).expect(200);
    let way = json!({"name": mark, "earns": "per_event", "points": "50"});
    platform.put("/v1/ways-to-earn/review", &way).expect(200);
    let mut rule = crate::role_matrix::operation("put_rule").json_body().unwrap();
    rule["name"] = json!(mark);
    platform.put("/v1/rules/vip-gold", &rule).expect(200);
    for customer in ["c1", "c2"] {
        let named = json!({"name": mark, "tags": [mark]});
        shop.put(&format!("/v1/customers/{customer}"), &named).expect(200);
    }
    let notes = json!({"notes": mark, "team": mark, "assigned_to": mark, "profile": "other"});
    platform.put("/v1/customers/c1/designation", &notes).expect(200);
    let household = json!({"relation": "household", "note": mark});
    platform.put("/v1/customers/c1/links/c2", &household).expect(200);

    for number in 0..people {
        let at = format!("/v1/customers/p{number}");
        let person = json!({
            "name": format!("{mark} {number}"), "email": format!("p{number}@{mark}.example.com"),
            "joined_at": "2023-05-01T09:00:00Z", "birthday": format!("1990-11-{:02}", number + 1),
            "preferred_channel": mark, "tags": [mark, "shared"],
            "subscription": {"monthly_amount": "10.00", "state": "active"},
        });
        shop.put(&at, &person).expect(201);
        for order in 0..3 {
            // The totals are other ones in each store.
            let total = format!("{}.{:02}", 300 + people, number);
            let body = crate::support::order(&format!("p{number}"), "2024-06-01T10:00:00Z", &total);
            shop.put(&format!("/v1/orders/o-p{number}-{order}"), &body).expect(201);
        }
        let pending = json!({
            "customer_id": format!("p{number}"), "status": "pending", "total": "5.00",
            "currency": "GBP", "placed_at": "2024-07-01T10:00:00Z",
        });
        shop.put(&format!("/v1/orders/o-p{number}-new"), &pending).expect(201);
        let back = json!({"order_id": format!("o-p{number}-0"), "amount": "1.00", "refunded_at": "2024-06-09T10:00:00Z"});
        shop.put(&format!("/v1/refunds/r-p{number}"), &back).expect(201);
        let activities = [
            (
                "contact",
                json!({"channel": "phone", "agent": mark, "note": mark, "follow_up_on": "2024-06-20"}),
            ),
            ("complaint", json!({"channel": "phone", "public": true})),
            ("survey", json!({"score": 5})),
            ("points", json!({"points": 7})),
            ("referral", json!({"referred_customer_id": format!("friend-of-{number}")})),
        ];
        for (kind, mut activity) in activities {
            activity["customer_id"] = json!(format!("p{number}"));
            activity["kind"] = json!(kind);
            activity["occurred_at"] = json!("2024-06-02T10:00:00Z");
            shop.put(&format!("/v1/activities/{kind}-p{number}"), &activity).expect(201);
        }
        let given = json!({"kind": "adjusted", "credit": "5.00", "note": mark});
        platform.post(&format!("{at}/credits"), &given).expect(201);
        match number % 4 {
            0 => {
                platform.put(&format!("{at}/designation"), &notes).expect(201);
            }
            1 => {
                let flagged = json!({"status": "caution", "note": mark});
                platform.put(&format!("{at}/status"), &flagged).expect(200);
                platform.put(&format!("{at}/links/c1"), &household).expect(201);
            }
            2 => {
                let nominated =
                    json!({"customer_id": format!("p{number}"), "assigned_to": mark, "note": mark});
                platform.post("/v1/nominations", &nominated).expect(201);
            }
            _ => {
                let again = json!({"reason": mark});
                platform.post(&format!("{at}/membership/recalculation"), &again).expect(200);
            }
        }
    }
    at_rest(app, store);
    ids
}

/// The paths of a read: for every one of those that either store may have, and
/// for one that nobody has.
fn paths(read: &Operation, ids: &Ids) -> Vec<String> {
    let customers: Vec<String> = ["c1", "c2", "friend-of-0", "nobody"]
        .into_iter()
        .map(str::to_owned)
        .chain((0..PEOPLE_OF_A).map(|number| format!("p{number}")))
        .collect();
    let of_people = |prefix: &str, suffix: &str| -> Vec<String> {
        (0..PEOPLE_OF_A).map(|number| format!("{prefix}p{number}{suffix}")).collect()
    };
    let candidates = |name: &str| match name {
        "customer_id" => customers.clone(),
        "order_id" => of_people("o-", "-0"),
        "refund_id" => of_people("r-", ""),
        "activity_id" => of_people("contact-", ""),
        _ => Vec::new(),
    };
    let mut found = vec![path(read, ids)];
    for (name, _) in read.path_parameters() {
        for candidate in candidates(name) {
            let mut ids = ids.clone();
            ids.insert(name, candidate);
            found.push(path(read, &ids));
        }
    }
    found
}

/// The filters of a read, one at a time: each value that the document names,
/// and what is in the one store or in the other.
fn filters(read: &Operation) -> Vec<String> {
    let mut found = Vec::new();
    for parameter in read.stated["parameters"].as_array().into_iter().flatten() {
        let name = parameter["name"].as_str().unwrap();
        if parameter["in"] != "query" || ["limit", "cursor", "after"].contains(&name) {
            continue;
        }
        let mut values: Vec<Value> =
            parameter["schema"]["enum"].as_array().cloned().unwrap_or_default();
        values.extend(Some(parameter["example"].clone()).filter(|example| !example.is_null()));
        let known: &[&str] = match name {
            "q" | "tag" | "agent" | "assigned_to" | "subject" => &[A.1, B.1, "tester", "shared"],
            "customer_id" => &["c1", "p0", "p6", "nobody"],
            "tier" => &["gold", "silver", "bronze"],
            "rule" => &["vip-gold"],
            _ => &[],
        };
        values.extend(known.iter().map(|value| json!(value)));
        for value in values {
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            found.push(format!("{name}={text}"));
        }
    }
    found
}

/// What was asked for, and what was answered: of a list, all its pages.
type Seen = BTreeMap<String, String>;

/// A place in a list: the read, its path, and the cursor.
type Place = (String, String, String);

/// Joins a query to a path that may have one.
fn with_query(path: &str, query: &str) -> String {
    format!("{path}{}{query}", if path.contains('?') { '&' } else { '?' })
}

/// Reads all that there is in a store: each thing, each list through to its
/// end, with each filter, and each file.
fn walk(app: &App, store: &str, ids: &Ids) -> (Seen, Vec<Place>) {
    let client = app.client_of(store, PlatformAdmin);
    let (mut seen, mut places) = (Seen::new(), Vec::new());
    for read in operations().iter().filter(|operation| is_read(operation)) {
        let all = paths(read, ids);
        let mut asked = all.clone();
        asked.extend(filters(read).iter().map(|filter| with_query(&all[all.len() - 1], filter)));
        asked.extend(filters(read).iter().map(|filter| with_query(&all[0], filter)));
        for path in asked {
            // A read that wants a parameter is asked with another value of it.
            let Some(path) = with_each_once(&path) else { continue };
            let mut pages = String::new();
            let mut next = first_page(read, &path);
            for _ in 0..1000 {
                let answer = client.get(&next);
                assert!(matches!(answer.status, 200 | 404), "{next}: {}", answer.text);
                pages += &timeless(&answer);
                let Some(place) = next_page(read, &path, &answer) else { break };
                if let Some(cursor) = answer.body["next_cursor"].as_str() {
                    places.push((read.name().to_owned(), path.clone(), cursor.to_owned()));
                }
                next = place;
            }
            seen.insert(format!("{} {path}", read.name()), pages);
            if read.stated["responses"]["200"]["content"].get("text/csv").is_some() {
                let client = app.client_of(store, PlatformAdmin).with("accept", "text/csv");
                let file = client.get(&path).expect(200);
                seen.insert(format!("{} {path} as a file", read.name()), file.text);
            }
        }
    }
    (seen, places)
}

/// The same query with each parameter once: the last one counts. `None` where
/// that is the same as without the last.
fn with_each_once(path: &str) -> Option<String> {
    let Some((path, query)) = path.split_once('?') else { return Some(path.to_owned()) };
    let pairs: Vec<(&str, &str)> =
        query.split('&').filter_map(|pair| pair.split_once('=')).collect();
    let mut once: BTreeMap<&str, &str> = BTreeMap::new();
    for (name, value) in &pairs {
        if once.insert(*name, *value) == Some(*value) {
            return None;
        }
    }
    let query: Vec<String> = once.iter().map(|(name, value)| format!("{name}={value}")).collect();
    Some(format!("{path}?{}", query.join("&")))
}

/// The first page of a list, of two rows; and anything else as it is.
fn first_page(read: &Operation, path: &str) -> String {
    if read.takes("limit") { with_query(path, "limit=2") } else { path.to_owned() }
}

/// The page after an answer, if there is one.
fn next_page(read: &Operation, path: &str, answer: &Answer) -> Option<String> {
    if let Some(cursor) = answer.body["next_cursor"].as_str() {
        return Some(with_query(path, &format!("limit=2&cursor={cursor}")));
    }
    let events = answer.body["events"].as_array().filter(|_| read.takes("after"))?;
    let next = &answer.body["next_after"];
    (!events.is_empty()).then(|| with_query(path, &format!("limit=2&after={next}")))
}

/// The rows of a page of a list.
fn rows(body: &Value) -> Vec<String> {
    let lists = body.as_object().into_iter().flat_map(|fields| fields.values());
    lists.filter_map(Value::as_array).flatten().map(Value::to_string).collect()
}

/// Insists that an answer is of the one store and not of the other.
#[track_caller]
fn assert_not_of(mark: &str, asked: &str, text: &str) {
    assert!(!text.contains(mark), "{asked} shows what is {mark}: {text}");
}

on_both! {
    fn nothing_of_one_store_shows_to_another_with_the_same_identifiers(app) {
        let of_b = furnish(app, B, PEOPLE_OF_B);
        let (alone, _) = walk(app, B.0, &of_b);
        let of_a = furnish(app, A, PEOPLE_OF_A);
        let (all_of_a, places) = walk(app, A.0, &of_a);
        let (all_of_b, _) = walk(app, B.0, &of_b);

        // What B sees, counts and files included, is what it saw before there was an A.
        for (asked, text) in &all_of_b {
            assert_eq!(text, &alone[asked], "{asked}");
            assert_not_of(A.1, asked, text);
        }
        assert_eq!(all_of_b.len(), alone.len());
        for (asked, text) in &all_of_a {
            assert_not_of(B.1, asked, text);
        }
        // Each of them did see what is its own.
        for (mark, all) in [(A.1, &all_of_a), (B.1, &all_of_b)] {
            let reads = all.iter().filter(|(_, text)| text.contains(mark));
            let reads: BTreeSet<&str> =
                reads.map(|(asked, _)| asked.split(' ').next().unwrap()).collect();
            assert!(reads.len() >= 25, "only {reads:?} show what is {mark}");
        }
        let count = |all: &Seen| all["list_customers /v1/customers as a file"].lines().count();
        // Those of the examples, and the heading.
        assert_eq!(count(&all_of_a), PEOPLE_OF_A + 3);
        assert_eq!(count(&all_of_b), PEOPLE_OF_B + 3);
        assert!(places.len() >= 50, "only {} cursors were seen", places.len());
    }

    fn no_role_sees_what_is_another_stores(app) {
        let of_b = furnish(app, B, PEOPLE_OF_B);
        furnish(app, A, PEOPLE_OF_A);
        for read in operations().iter().filter(|operation| is_read(operation)) {
            for role in EVERYONE.iter().filter(|role| may(read.name()).contains(role)) {
                for path in paths(read, &of_b) {
                    let answer = app.client_of(B.0, *role).get(&path);
                    assert_not_of(A.1, &format!("{role:?} {path}"), &answer.text);
                }
            }
        }
    }

    fn a_cursor_of_another_store_leads_to_nothing_but_the_own_rows(app) {
        let of_b = furnish(app, B, PEOPLE_OF_B);
        let of_a = furnish(app, A, PEOPLE_OF_A);
        let (_, places) = walk(app, A.0, &of_a);
        let client = app.client_of(B.0, PlatformAdmin);
        let lists: Vec<Operation> =
            operations().into_iter().filter(|read| is_read(read) && read.takes("cursor")).collect();
        // The rows that B has, whatever they are sorted by.
        let mut own: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        let mut rows_of = |path: &str| -> BTreeSet<String> {
            let read = || {
                let answer = client.get(&with_query(path, "limit=200"));
                rows(&strip_time(answer.body)).into_iter().collect()
            };
            own.entry(path.to_owned()).or_insert_with(read).clone()
        };
        let mut tried: BTreeMap<&str, usize> = BTreeMap::new();
        for (name, path, cursor) in &places {
            let count = tried.entry(name).or_default();
            *count += 1;
            if *count > 12 {
                continue;
            }
            // In the same list, and the first of them in each other one.
            let mut asked = vec![path.clone()];
            if *count == 1 {
                asked.extend(lists.iter().map(|list| crate::role_matrix::path(list, &of_b)));
            }
            for path in asked {
                let known = rows_of(&path);
                let answer = client.get(&with_query(&path, &format!("limit=200&cursor={cursor}")));
                // Where the list is of somebody whom B has not, or the cursor is of no such list.
                if matches!(answer.status, 404 | 422) {
                    continue;
                }
                let row = format!("{path} with a cursor of {name}: {}", answer.text);
                assert_eq!(answer.status, 200, "{row}");
                assert_not_of(A.1, &path, &answer.text);
                let strangers: Vec<String> =
                    rows(&strip_time(answer.body)).into_iter().filter(|row| !known.contains(row)).collect();
                assert!(strangers.is_empty(), "{row}");
            }
        }
        assert!(tried.len() >= 10, "only {} lists have pages", tried.len());
        // Nor does the number of the other's last event.
        let last = app.client_of(A.0, PlatformAdmin).get("/v1/events?limit=1000").expect(200);
        let after = format!("/v1/events?limit=1000&after={}", last.body["next_after"]);
        assert_eq!(client.get(&after).expect(200).body["events"], json!([]));
    }

    fn a_version_of_another_stores_thing_is_none_of_the_own(app) {
        furnish(app, B, PEOPLE_OF_B);
        furnish(app, A, PEOPLE_OF_A);
        let cases: [(&str, &str, &str, Role); 5] = [
            ("/v1/program", "PATCH", "name", Role::Administrator),
            ("/v1/customers/p0", "PATCH", "name", Storefront),
            ("/v1/customers/p0/designation", "PATCH", "notes", Role::Manager),
            ("/v1/benefits/early-72", "PUT", "name", Role::Administrator),
            ("/v1/tiers/gold", "PUT", "name", Role::Administrator),
        ];
        for (path, method, field, role) in cases {
            let write = |store: &str, if_match: &str, text: String| {
                let mut body = json!({field: text});
                if path.contains("benefits") {
                    body["kind"] = json!("gift");
                }
                if path.contains("tiers") {
                    body["rank"] = json!(3);
                    body["threshold"] = json!("500.00");
                }
                let client = app.client_of(store, role).with("if-match", if_match);
                client.send(method, path, Some(("application/json", body.to_string())))
            };
            // A goes on, so that its version is one that B has never had.
            let mut version = String::new();
            for number in 0..20 {
                version = write(A.0, "*", format!("{} {number}", A.1)).expect(200).etag();
            }
            let read = || timeless(&app.client_of(B.0, role).get(path).expect(200));
            let before = read();
            write(B.0, &version, "Another".to_owned()).expect_problem(412, "precondition_failed");
            assert_eq!(read(), before, "{path}");
        }
    }

    fn what_a_write_names_of_another_store_is_taken_as_what_nobody_has(app) {
        let of_a = furnish(app, A, PEOPLE_OF_A);
        let before = all_of(app, A.0, &of_a);
        let [nomination, tier, benefit] =
            ["nomination_id", "tier_code", "benefit_code"].map(|name| of_a[name].clone());
        // The same request for what A has and for what nobody has, each in a
        // store of its own.
        let mut number = 0;
        let mut same = |method: &str, path: &str, body: Option<Value>, lines: &[Value], names: &[&str]| {
            number += 1;
            let send = |store: String, prefix: &str| {
                found(app, &store);
                let shop = app.client_of(&store, Storefront);
                shop.put("/v1/customers/mine", &json!({})).expect(201);
                let rename = |text: &str| {
                    names.iter().fold(text.to_owned(), |text, name| {
                        text.replace(&format!("<{name}>"), &format!("{prefix}{name}"))
                    })
                };
                if !lines.is_empty() {
                    let lines: Vec<Value> = lines
                        .iter()
                        .map(|line| serde_json::from_str(&rename(&line.to_string())).unwrap())
                        .collect();
                    return shop.post_lines(path, &lines);
                }
                let sent = body.as_ref().map(|body| ("application/json", rename(&body.to_string())));
                let is_shops = path.starts_with("/v1/orders") || path.starts_with("/v1/refunds");
                let role = if is_shops { Storefront } else { PlatformAdmin };
                app.client_of(&store, role).send(method, &rename(path), sent)
            };
            let foreign = send(format!("foreign-{number}"), "");
            let absent = send(format!("absent-{number}"), "zz-");
            let row = format!("{method} {path}: {} {}", foreign.text, absent.text);
            assert_eq!(foreign.status, absent.status, "{row}");
            assert!(foreign.status < 500, "{row}");
            let told = |answer: &Answer| timeless(&Answer { body: strip_time(answer.body.clone()), ..answer.clone() });
            assert_eq!(told(&foreign), told(&absent).replace("zz-", ""), "{row}");
            assert_not_of(A.1, path, &foreign.text);
            foreign
        };

        let order = |id: &str, customer: &str| json!({
            "order_id": id, "customer_id": customer, "status": "completed", "total": "1.00",
            "currency": "GBP", "placed_at": "2024-06-01T10:00:00Z", "completed_at": "2024-06-01T10:00:00Z",
        });
        let lines = [
            json!({"order": order("<o-p5-0>", "<p5>")}),
            json!({"order": order("<o-p4-0>", "mine")}),
            json!({"refund": {"refund_id": "<r-p6>", "order_id": "<o-p6-0>", "amount": "1.00", "refunded_at": "2024-06-09T10:00:00Z"}}),
            json!({"activity": {"activity_id": "<contact-p6>", "customer_id": "<p6>", "kind": "referral", "referred_customer_id": "<p4>", "occurred_at": "2024-06-02T10:00:00Z"}}),
            json!({"customer": {"customer_id": "<p3>", "tags": ["shared"]}}),
        ];
        let names = ["o-p4-0", "o-p5-0", "o-p6-0", "r-p6", "contact-p6", "p3", "p4", "p5", "p6"];
        let batch = same("POST", "/v1/facts", None, &lines, &names);
        // But for the refund, which has no order here, all of it is new.
        assert_eq!((batch.body["created"].as_u64(), batch.body["refused"].as_u64()), (Some(4), Some(1)));
        assert_eq!(batch.body["results"][2]["problem"]["code"], "unknown_order");

        let customers = json!({"customer_ids": ["mine", "<p0>", "<p1>"]});
        let badges = same("POST", "/v1/badges", Some(customers), &[], &["p0", "p1"]).expect(200);
        assert!(badges.text.contains("mine"), "{}", badges.text);
        let orders = json!({"order_ids": ["<o-p0-0>", "<o-p1-0>"]});
        same("POST", "/v1/badges", Some(orders), &[], &["o-p0-0", "o-p1-0"]).expect(200);

        let mut body = order("", "<p0>");
        body.as_object_mut().unwrap().remove("order_id");
        same("PUT", "/v1/orders/new", Some(body.clone()), &[], &["p0"]).expect(201);
        same("PUT", "/v1/orders/<o-p0-0>", Some(body), &[], &["p0", "o-p0-0"]).expect(201);
        let refund = json!({"order_id": "<o-p0-0>", "amount": "1.00", "refunded_at": "2024-06-09T10:00:00Z"});
        same("PUT", "/v1/refunds/new", Some(refund), &[], &["o-p0-0"]).expect(409);

        let note = || json!({"note": "Why not?"});
        for verdict in ["approve", "decline"] {
            let path = format!("/v1/nominations/<{nomination}>/{verdict}");
            same("POST", &path, Some(note()), &[], &[&nomination]).expect(404);
        }
        let nominate = |customer: &str| json!({"customer_id": customer, "note": "Why not?"});
        same("POST", "/v1/nominations", Some(nominate("<p0>")), &[], &["p0"]).expect(404);
        for (field, code) in [("tier", &tier), ("benefits", &benefit)] {
            let named = if field == "tier" { json!(format!("<{code}>")) } else { json!([format!("<{code}>")]) };
            let mut nominated = nominate("mine");
            nominated[field] = named.clone();
            same("POST", "/v1/nominations", Some(nominated), &[], &[code]).expect(409);
            let mut rule = crate::role_matrix::operation("put_rule").json_body().unwrap();
            rule["grants"] = json!({field: named.clone()});
            same("PUT", "/v1/rules/new", Some(rule.clone()), &[], &[code]).expect(409);
            same("POST", "/v1/rules/new/dry-run", Some(rule), &[], &[code]).expect(409);
            same("PUT", "/v1/customers/mine/designation", Some(json!({field: named})), &[], &[code]).expect(409);
        }
        let mut way = json!({"name": "Review", "earns": "per_event", "points": "50"});
        way["points_by_tier"] = json!({format!("<{tier}>"): "100"});
        same("PUT", "/v1/ways-to-earn/new", Some(way), &[], &[&tier]).expect(409);
        let household = json!({"relation": "household"});
        same("PUT", "/v1/customers/mine/links/<p0>", Some(household), &[], &["p0"]).expect(404);
        let redeemed = json!({"kind": "redeemed", "credit": "1.00", "order_id": "<o-p0-0>"});
        same("POST", "/v1/customers/mine/credits", Some(redeemed.clone()), &[], &["o-p0-0"]).expect(409);
        same("POST", "/v1/customers/<p0>/credits", Some(redeemed), &[], &["p0", "o-p0-0"]).expect(404);
        let again = json!({"reason": "Why not?"});
        same("POST", "/v1/customers/<p0>/membership/recalculation", Some(again), &[], &["p0"]).expect(404);

        assert_eq!(all_of(app, A.0, &of_a), before);
    }

    fn a_key_of_one_store_is_none_of_another(app) {
        furnish(app, B, PEOPLE_OF_B);
        furnish(app, A, PEOPLE_OF_A);
        let given = json!({"kind": "adjusted", "credit": "7.00", "note": "The same."});
        let give = |store: &str| {
            let client = app.client_of(store, PlatformAdmin).with("idempotency-key", "the-same");
            client.post("/v1/customers/p0/credits", &given).expect(201)
        };
        for store in [A.0, B.0] {
            assert!(!give(store).headers.contains_key("idempotent-replayed"), "{store}");
        }
        for store in [A.0, B.0] {
            assert!(give(store).headers.contains_key("idempotent-replayed"), "{store}");
            let credits = app.client_of(store, PlatformAdmin).get("/v1/customers/p0/credits").expect(200);
            assert_eq!(credits.text.matches("The same.").count(), 1, "{}", credits.text);
        }
    }
}

/// A body without what is another one each time it is asked for, or made.
fn strip_time(mut body: Value) -> Value {
    const OF_NOW: [&str; 11] = [
        "as_of",
        "at",
        "created_at",
        "enrolled_at",
        "evaluating",
        "linked_at",
        "member_since",
        "next_cursor",
        "recorded_at",
        "since",
        "start",
    ];
    match &mut body {
        Value::Array(items) => {
            for item in items {
                *item = strip_time(item.take());
            }
        }
        Value::Object(fields) => {
            for name in OF_NOW {
                fields.remove(name);
            }
            for field in fields.values_mut() {
                *field = strip_time(field.take());
            }
        }
        _ => {}
    }
    body
}
