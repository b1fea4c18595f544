//! What holds for every operation of the document: tokens, roles, stores that
//! are not set up, and requests that break the published rules.

use crate::support::*;
use accolade::api::auth::{Caller, Role};
use accolade::api::document_json;
use accolade::api::tokens::{Parties, Secret, issue};
use accolade::domain::id::StoreId;
use chrono::{Duration, Utc};
use serde_json::{Value, json};
use std::collections::BTreeSet;

const METHODS: [&str; 5] = ["get", "put", "post", "patch", "delete"];

/// An operation of the document.
pub struct Operation {
    pub method: String,
    pub pattern: &'static str,
    pub stated: &'static Value,
}

/// What a part of the document stands for.
pub fn resolved(part: &'static Value) -> &'static Value {
    match part["$ref"].as_str() {
        Some(name) => resolved(document_json().pointer(name.trim_start_matches('#')).unwrap()),
        None => part,
    }
}

/// Every operation that wants a token.
pub fn operations() -> Vec<Operation> {
    let mut found = Vec::new();
    for (pattern, item) in document_json()["paths"].as_object().unwrap() {
        for method in METHODS {
            if let Some(stated) = item.get(method).filter(|_| pattern.starts_with("/v1/")) {
                found.push(Operation { method: method.to_uppercase(), pattern, stated });
            }
        }
    }
    assert!(found.len() >= 30, "only {} operations were found", found.len());
    found
}

impl Operation {
    pub fn name(&self) -> &'static str {
        self.stated["operationId"].as_str().unwrap()
    }

    /// The names of the path's parameters, each with its example.
    pub fn path_parameters(&self) -> Vec<(&'static str, &'static str)> {
        let parameters = self.stated["parameters"].as_array().into_iter().flatten();
        parameters
            .filter(|parameter| parameter["in"] == "path")
            .map(|parameter| {
                let schema = &parameter["schema"];
                let example = [&parameter["example"], &schema["example"], &schema["examples"][0]]
                    .into_iter()
                    .find_map(Value::as_str)
                    .expect("a path parameter has an example");
                (parameter["name"].as_str().unwrap(), example)
            })
            .collect()
    }

    /// The parameters that a query has to have, with their examples: `?fit=above`.
    pub fn required_query(&self) -> String {
        let parameters = self.stated["parameters"].as_array().into_iter().flatten();
        let required = parameters
            .filter(|parameter| parameter["in"] == "query" && parameter["required"] == true);
        let stated = required.map(|parameter| {
            let example =
                parameter["example"].as_str().expect("a required parameter has an example");
            format!("{}={example}", parameter["name"].as_str().unwrap())
        });
        let query = stated.collect::<Vec<_>>().join("&");
        if query.is_empty() { query } else { format!("?{query}") }
    }

    /// The path with the examples of its parameters, but for those of one name.
    fn path_with(&self, name: &str, text: &str) -> String {
        let mut path = format!("{}{}", self.pattern, self.required_query());
        for (known, example) in self.path_parameters() {
            let text = if known == name { text } else { example };
            path = path.replace(&format!("{{{known}}}"), text);
        }
        path
    }

    /// The path with the examples of its parameters.
    pub fn path(&self) -> String {
        self.path_with("", "")
    }

    /// The media type and the example of the body.
    pub fn body(&self) -> Option<(&'static str, String)> {
        let content = self.stated["requestBody"]["content"].as_object()?;
        let (kind, media) = content.iter().next().unwrap();
        let example = &media["example"];
        assert!(!example.is_null(), "{} has no example", self.name());
        Some((kind.as_str(), example.as_str().map_or_else(|| example.to_string(), str::to_owned)))
    }

    /// The example of the body, where that is JSON.
    pub fn json_body(&self) -> Option<Value> {
        let (kind, text) = self.body()?;
        (kind == "application/json").then(|| serde_json::from_str(&text).unwrap())
    }

    /// The schema of the body, where that is JSON.
    pub fn body_schema(&self) -> &'static Value {
        &self.stated["requestBody"]["content"]["application/json"]["schema"]
    }

    /// The parameters that a query may have, each with its example.
    pub fn query_parameters(&self) -> Vec<(&'static str, &'static Value)> {
        let parameters = self.stated["parameters"].as_array().into_iter().flatten();
        parameters
            .filter(|parameter| parameter["in"] == "query")
            .map(|parameter| (parameter["name"].as_str().unwrap(), &parameter["example"]))
            .collect()
    }

    fn send(&self, client: &Client<'_>) -> Answer {
        client.send(&self.method, &self.path(), self.body())
    }

    /// Whether it takes a parameter: of the query, of the path or a header.
    pub fn takes(&self, name: &str) -> bool {
        let mut parameters = self.stated["parameters"].as_array().into_iter().flatten();
        parameters.any(|parameter| parameter["name"] == name)
    }

    /// Whether it answers a header where it has done what it does.
    pub fn answers_header(&self, name: &str) -> bool {
        let responses = self.stated["responses"].as_object().unwrap();
        let mut done = responses.iter().filter(|(status, _)| status.starts_with('2'));
        done.any(|(_, response)| response["headers"].get(name).is_some())
    }

    /// Every status that it can answer, with the code of a problem.
    pub fn answers(&self) -> BTreeSet<(u16, Option<&'static str>)> {
        let mut found = BTreeSet::new();
        for (status, response) in self.stated["responses"].as_object().unwrap() {
            let status = status.parse().unwrap();
            let problem = &resolved(response)["content"]["application/problem+json"];
            match problem["examples"].as_object() {
                Some(codes) => found.extend(codes.keys().map(|code| (status, Some(code.as_str())))),
                None => {
                    found.insert((status, None));
                }
            }
        }
        found
    }

    /// The roles that may, as the description says.
    pub fn roles(&self) -> Vec<Role> {
        let text = |field: &str| self.stated[field].as_str().unwrap_or_default();
        let text = format!("{}\n{}", text("summary"), text("description"));
        let (_, roles) = text.rsplit_once("Roles:").expect("a description names the roles");
        if roles.trim() == "all." {
            return Role::WORDS.iter().map(|(_, role)| *role).collect();
        }
        let role = |word: &str| Role::WORDS.iter().find(|(w, _)| *w == word).unwrap().1;
        roles.split('`').skip(1).step_by(2).map(role).collect()
    }

    /// A client in a role that may.
    fn client<'a>(&self, app: &'a App) -> Client<'a> {
        app.client(*self.roles().first().unwrap())
    }
}

fn token(secret: &[u8], ttl: Duration) -> String {
    let secret = Secret::new(secret.to_vec()).unwrap();
    let store = StoreId::parse(STORE).unwrap();
    let caller = Caller { store, subject: "tester".to_owned(), role: Role::PlatformAdmin };
    issue(&secret, &Parties::default(), &caller, Utc::now(), ttl).unwrap()
}

on_both! {
    fn without_a_valid_token_every_operation_says_the_same_and_nothing_more(app) {
        let valid = token(SECRET.as_bytes(), Duration::hours(1));
        let (content, _) = valid.rsplit_once('.').unwrap();
        let (_, claims) = content.split_once('.').unwrap();
        let tokens = [
            "nonsense".to_owned(),
            "a.b.c".to_owned(),
            token(SECRET.as_bytes(), Duration::hours(-1)),
            token(b"another secret, 32 bytes as well", Duration::hours(1)),
            format!("{content}."),
            // The same claims without a signature: {"alg":"none","typ":"JWT"}.
            format!("eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0.{claims}."),
        ];
        let mut clients: Vec<Client<'_>> =
            tokens.iter().map(|token| app.client_with(Some(token))).collect();
        clients.push(app.client_with(None));
        clients.push(app.client_with(None).with("authorization", "Basic dGVzdGVyOnRlc3Rlcg=="));
        clients.push(app.client_with(None).with("authorization", &valid));
        let mut texts = BTreeSet::new();
        for operation in operations() {
            for client in &clients {
                let answer = operation.send(client).expect_problem(401, "unauthorized");
                assert_eq!(answer.headers["www-authenticate"], "Bearer");
                texts.insert(answer.text);
            }
        }
        assert_eq!(texts.len(), 1, "{texts:?}");
    }

    fn a_role_that_may_not_is_refused_before_anything_is_looked_at(app) {
        for operation in operations() {
            let may = operation.roles();
            let may_not: Vec<Role> =
                Role::WORDS.iter().map(|(_, role)| *role).filter(|role| !may.contains(role)).collect();
            let is_stated = operation.answers().contains(&(403, Some("forbidden")));
            assert_eq!(is_stated, !may_not.is_empty(), "{}", operation.name());
            for role in may_not {
                operation.send(&app.client(role)).expect_problem(403, "forbidden");
                // Nor does anything wrong with the request show.
                let path = format!("{}?bogus=1", operation.path_with("customer_id", "a%20b"));
                let body = operation.body().map(|(_, _)| ("text/plain", "{".to_owned()));
                app.client(role).send(&operation.method, &path, body).expect_problem(403, "forbidden");
            }
        }
    }

    fn a_store_that_is_not_set_up_answers_409(app) {
        for operation in operations() {
            let is_stated = operation.answers().contains(&(409, Some("store_not_set_up")));
            // The one that sets it up.
            assert_eq!(is_stated, operation.name() != "patch_program", "{}", operation.name());
            if is_stated {
                for role in operation.roles() {
                    operation.send(&app.client(role)).expect_problem(409, "store_not_set_up");
                }
            }
        }
    }

    fn what_the_examples_are_answered_is_stated(app) {
        app.set_up(json!({}));
        for _ in 0..2 {
            for operation in operations() {
                for role in operation.roles() {
                    let answer = operation.send(&app.client(role));
                    let code = answer.body["code"].as_str().filter(|_| answer.status >= 400);
                    let is_stated = operation.answers().contains(&(answer.status, code));
                    assert!(is_stated, "{}: {} {}", operation.name(), answer.status, answer.text);
                }
            }
        }
    }

    fn a_path_that_holds_no_identifier_is_a_fault_of_the_path(app) {
        for operation in operations() {
            for (name, _) in operation.path_parameters() {
                for bad in ["a%20b".to_owned(), "%C3%A4".to_owned(), "x".repeat(65)] {
                    let path = operation.path_with(name, &bad);
                    let answer = operation
                        .client(app)
                        .send(&operation.method, &path, operation.body())
                        .expect_problem(422, "invalid_request");
                    assert_eq!(answer.pointers(), [format!("{{{name}}}")], "{}", operation.name());
                }
            }
        }
    }

    fn an_unknown_query_parameter_is_refused(app) {
        for operation in operations() {
            let path = operation.path();
            let join = if path.contains('?') { '&' } else { '?' };
            let path = format!("{path}{join}bogus=1");
            let answer = operation
                .client(app)
                .send(&operation.method, &path, operation.body())
                .expect_problem(422, "invalid_request");
            assert_eq!(answer.pointers(), ["?bogus"], "{}", operation.name());
        }
        for path in ["/healthz", "/readyz", "/metrics"] {
            let answer = app.client_with(None).get(&format!("{path}?bogus=1"));
            assert_eq!(answer.expect_problem(422, "invalid_request").pointers(), ["?bogus"]);
        }
    }

    fn a_body_that_is_no_json_is_refused(app) {
        let mut count = 0;
        for operation in operations() {
            let Some(example) = operation.json_body() else { continue };
            count += 1;
            let (client, path) = (operation.client(app), operation.path());
            let send = |kind: &str, text: String| client.send(&operation.method, &path, Some((kind, text)));
            for text in ["", "{", "{\"a\": 1,}", "nonsense"] {
                send("application/json", text.to_owned()).expect_problem(400, "malformed_json");
            }
            let nested = format!("{}{}", "[".repeat(17), "]".repeat(17));
            send("application/json", nested).expect_problem(400, "nested_too_deep");
            for kind in ["text/plain", "application/x-www-form-urlencoded", "application/x-ndjson"] {
                send(kind, example.to_string()).expect_problem(415, "unsupported_media_type");
            }
            let too_large = format!("{example}{}", " ".repeat(256 * 1024));
            send("application/json", too_large).expect_problem(413, "body_too_large");
        }
        assert!(count >= 9, "only {count} operations take JSON");
    }

    fn an_unknown_field_is_refused(app) {
        for operation in operations() {
            let Some(mut body) = operation.json_body() else { continue };
            body["bogus"] = json!(1);
            let answer = operation
                .client(app)
                .send(&operation.method, &operation.path(), Some(("application/json", body.to_string())))
                .expect_problem(422, "invalid_request");
            assert_eq!(answer.pointers(), ["/bogus"], "{}", operation.name());
        }
    }

    fn a_body_of_another_shape_is_refused(app) {
        for operation in operations() {
            if operation.json_body().is_none() {
                continue;
            }
            for body in ["[]", "\"text\"", "null", "1"] {
                operation
                    .client(app)
                    .send(&operation.method, &operation.path(), Some(("application/json", body.to_owned())))
                    .expect_problem(422, "invalid_request");
            }
        }
    }

    fn an_unknown_path_is_404_and_another_method_is_405(app) {
        let client = app.client_with(None);
        for path in ["/", "/v1", "/v1/nothing", "/v1/orders/o1/nothing", "/v2/orders/o1"] {
            client.get(path).expect_problem(404, "not_found");
        }
        for (pattern, item) in document_json()["paths"].as_object().unwrap() {
            let path = pattern.replace(['{', '}'], "");
            let known: BTreeSet<String> =
                METHODS.iter().filter(|m| item.get(**m).is_some()).map(|m| m.to_uppercase()).collect();
            for method in METHODS.iter().map(|method| method.to_uppercase()) {
                if known.contains(&method) {
                    continue;
                }
                let takes_body = matches!(method.as_str(), "PUT" | "POST" | "PATCH");
                let body = takes_body.then(|| ("application/json", "{}".to_owned()));
                let answer = client.send(&method, &path, body).expect_problem(405, "method_not_allowed");
                let allow = answer.headers["allow"].to_str().unwrap();
                let allowed: BTreeSet<String> = allow.split(", ").map(str::to_owned).collect();
                assert_eq!(allowed, known, "{method} {path}");
            }
        }
    }

    fn it_lives_and_is_ready_without_a_token(app) {
        for path in ["/healthz", "/readyz"] {
            let answer = app.client_with(None).get(path).expect(200);
            assert_eq!(answer.body, json!({"status": "ok"}));
        }
    }

    fn the_document_is_served_as_it_is(app) {
        let answer = app.client_with(None).get("/openapi.json").expect(200);
        assert_eq!(&answer.body, document_json());
        assert_eq!(answer.headers["content-type"], "application/json");
    }

    fn answers_are_neither_sniffed_nor_stored(app) {
        app.set_up(json!({}));
        let answers = [
            app.admin().get("/v1/program"),
            app.admin().get("/v1/orders/absent"),
            app.client_with(None).get("/v1/program"),
        ];
        for answer in answers {
            assert_eq!(answer.headers["x-content-type-options"], "nosniff");
            assert_eq!(answer.headers["cache-control"], "no-store");
        }
    }

    fn a_problem_has_the_fields_of_rfc_9457(app) {
        app.set_up(json!({}));
        let answer = app.admin().get("/v1/orders/absent").expect_problem(404, "not_found");
        let expected = json!({
            "type": "about:blank", "title": "Not Found", "status": 404,
            "code": "not_found", "detail": "there is no such order",
        });
        assert_eq!(answer.body, expected);
    }
}
