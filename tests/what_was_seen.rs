//! What the tests saw against what the document states.

use accolade::api::document_json;
use serde_json::Value;
use std::collections::BTreeSet;

/// An operation, the status of an answer and, of a problem, its code.
type Seen = (String, u64, Option<String>);

#[test]
fn what_the_tests_saw_is_what_the_document_states() {
    let path = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("seen.ndjson");
    let Ok(lines) = std::fs::read_to_string(&path) else {
        panic!("{} is missing: run all tests with ./test, this one last", path.display());
    };
    let mut seen: BTreeSet<Seen> = BTreeSet::new();
    for line in lines.lines() {
        let (operation, status, code): Seen = serde_json::from_str(line).unwrap();
        if status < 500 || status == 503 {
            seen.insert((operation, status, code));
        }
    }
    let mut stated: BTreeSet<Seen> = BTreeSet::new();
    for item in document_json()["paths"].as_object().unwrap().values() {
        for operation in item.as_object().unwrap().values() {
            let Some(id) = operation["operationId"].as_str() else { continue };
            for (status, response) in operation["responses"].as_object().unwrap() {
                let status: u64 = status.parse().unwrap();
                if status >= 500 && status != 503 {
                    continue;
                }
                let response = match response["$ref"].as_str() {
                    Some(name) => document_json().pointer(name.trim_start_matches('#')).unwrap(),
                    None => response,
                };
                let problem = &response["content"]["application/problem+json"];
                match problem.get("examples").and_then(Value::as_object) {
                    Some(examples) => stated.extend(
                        examples.keys().map(|code| (id.to_owned(), status, Some(code.clone()))),
                    ),
                    None => {
                        stated.insert((id.to_owned(), status, None));
                    }
                }
            }
        }
    }
    let list = |found: Vec<&Seen>| {
        let line = |(operation, status, code): &Seen| {
            format!("\n  {operation} {status} {}", code.as_deref().unwrap_or("(success)"))
        };
        found.into_iter().map(line).collect::<String>()
    };
    let unseen = list(stated.difference(&seen).collect());
    let unstated = list(seen.difference(&stated).collect());
    assert!(
        unseen.is_empty() && unstated.is_empty(),
        "stated and never seen:{unseen}\n\nseen and not stated:{unstated}\n"
    );
}
