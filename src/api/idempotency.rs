//! `Idempotency-Key`: a POST that is sent again is answered again, and not
//! carried out again.
//!
//! The answer is made before the commit, so that it can be kept with what was
//! done ([`once`]).

use super::auth::{Caller, Role};
use super::problem::{ApiError, ApiResult, Code, Fault};
use crate::db::{Db, Tx};
use crate::domain::words::word;
use crate::workflow::idempotency::{Answer, Answered, Keyed, once};
use actix_web::dev::Payload;
use actix_web::http::{StatusCode, header};
use actix_web::{FromRequest, HttpRequest, HttpResponse};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;
use sha2::{Digest, Sha256};
use std::future::{Ready, ready};
use utoipa::IntoParams;
use utoipa::openapi::path::{Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa::openapi::{HeaderBuilder, Paths, RefOr, Required};

/// The header that names a key.
const HEADER: &str = "Idempotency-Key";
/// The header that says that a request was carried out before.
const REPLAYED: &str = "Idempotent-Replayed";
/// The longest key, in characters.
const KEY_LENGTH_MAX: usize = 255;
/// What a key is, in words.
const KEY_RULE: &str = "must be 1 to 255 visible ASCII characters";

/// The `Idempotency-Key` header, and what of the request, besides caller and
/// body, makes it the same request.
pub struct IdempotencyKey(Option<(String, Sha256)>);

impl FromRequest for IdempotencyKey {
    type Error = ApiError;
    type Future = Ready<ApiResult<Self>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let key = key_of(request);
        ready(key.map(|key| Self(key.map(|key| (key.to_owned(), begin_fingerprint(request))))))
    }
}

fn key_of(request: &HttpRequest) -> ApiResult<Option<&str>> {
    let mut given = request.headers().get_all(HEADER);
    let Some(key) = given.next() else { return Ok(None) };
    let fault = |rule| ApiError::invalid(vec![Fault::new(HEADER, rule)]);
    if given.next().is_some() {
        return Err(fault("is given twice"));
    }
    let is_key = |key: &&str| {
        (1..=KEY_LENGTH_MAX).contains(&key.len()) && key.bytes().all(|b| b.is_ascii_graphic())
    };
    key.to_str().ok().filter(is_key).map(Some).ok_or_else(|| fault(KEY_RULE))
}

/// Covers the method, the path, and the query whatever the order of its parameters.
fn begin_fingerprint(request: &HttpRequest) -> Sha256 {
    let mut fingerprint = Sha256::new();
    cover(&mut fingerprint, request.method().as_str());
    cover(&mut fingerprint, request.path());
    let query = request.query_string();
    let mut pairs: Vec<(String, String)> = serde_urlencoded::from_str(query).unwrap_or_default();
    pairs.sort();
    cover(&mut fingerprint, serde_urlencoded::to_string(pairs).unwrap_or_default());
    fingerprint
}

/// Adds a part, by its digest: all are of one length, so none runs into the next.
fn cover(fingerprint: &mut Sha256, part: impl AsRef<[u8]>) {
    fingerprint.update(Sha256::digest(part));
}

impl IdempotencyKey {
    /// The request with its key, if it has one. Nobody is given the answer to
    /// somebody else: the fingerprint covers who calls, in which role, but not
    /// their token, which may be another one by now.
    pub fn of(self, operation: &'static str, caller: &Caller, body: &[u8]) -> Option<Keyed> {
        let (key, mut fingerprint) = self.0?;
        cover(&mut fingerprint, &caller.subject);
        cover(&mut fingerprint, word(&Role::WORDS, &caller.role));
        cover(&mut fingerprint, body);
        Some(Keyed {
            store: caller.store.clone(),
            operation,
            key,
            fingerprint: URL_SAFE_NO_PAD.encode(fingerprint.finalize()),
        })
    }
}

impl IntoParams for IdempotencyKey {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let key = ObjectBuilder::new()
            .schema_type(Type::String)
            .min_length(Some(1))
            .max_length(Some(KEY_LENGTH_MAX))
            // HTTP takes off spaces that follow a header's value.
            .pattern(Some("^[!-~]+[ \\t]*$"))
            .examples(["checkout-1001"]);
        let description = "A text that the caller makes up for this request: 1 to 255 visible ASCII \
            characters. Sent again with the same key, within 24 hours, the request is not carried \
            out again and has the same answer.";
        let header = ParameterBuilder::new()
            .name(HEADER)
            .parameter_in(ParameterIn::Header)
            .required(Required::False)
            .description(Some(description))
            .schema(Some(key));
        vec![header.build()]
    }
}

/// States of every operation that takes a key that its answer may be a replay.
pub fn document(paths: &mut Paths) {
    for operation in paths.paths.values_mut().filter_map(|path| path.post.as_mut()) {
        let mut parameters = operation.parameters.iter().flatten();
        if !parameters.any(|stated| matches!(stated, RefOr::T(stated) if stated.name == HEADER)) {
            continue;
        }
        for (status, response) in &mut operation.responses.responses {
            if let RefOr::T(response) = response
                && status.starts_with('2')
            {
                let text = ObjectBuilder::new().schema_type(Type::String);
                let description = "There only where the request was carried out before: this is \
                    the answer that was given then.";
                let header = HeaderBuilder::new()
                    .schema(Some(text.enum_values(Some(["true"]))))
                    .description(Some(description));
                response.headers.insert(REPLAYED.to_owned(), RefOr::T(header.build()));
            }
        }
    }
}

/// An answer in JSON that concerns no customer.
///
/// # Errors
/// `internal` where it can't be written.
pub fn answer(status: StatusCode, body: &impl Serialize) -> ApiResult<Answer> {
    let body = serde_json::to_string(body).map_err(|error| {
        tracing::error!(%error, "an answer can't be written");
        ApiError::new(Code::Internal)
    })?;
    Ok(Answer { status: status.as_u16(), etag: None, body, customer: None })
}

/// Carries a request out, once if it has a key.
///
/// # Errors
/// `idempotency_in_flight`, `idempotency_key_reused`, or what the closure answers.
pub async fn carry_out(
    db: &Db,
    keyed: Option<Keyed>,
    job: impl FnOnce(&mut Tx<'_>) -> ApiResult<Answer> + Send + 'static,
) -> ApiResult<HttpResponse> {
    let Some(keyed) = keyed else { return respond(db.write(job).await?, false) };
    let Answered { answer, made } = once(db, keyed, |tx| Ok::<_, ApiError>((job(tx)?, ()))).await?;
    respond(answer, made.is_none())
}

/// The response that says an answer, and whether it was given before.
///
/// # Errors
/// `internal` where what was kept has no status.
pub fn respond(answer: Answer, is_replay: bool) -> ApiResult<HttpResponse> {
    let Answer { status, etag, body, .. } = answer;
    let status = StatusCode::from_u16(status).map_err(|_| ApiError::new(Code::Internal))?;
    let mut response = HttpResponse::build(status);
    if let Some(etag) = etag {
        response.insert_header((header::ETAG, etag));
    }
    if is_replay {
        response.insert_header((REPLAYED, "true"));
    }
    Ok(response.content_type("application/json").body(body))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::id::StoreId;
    use actix_web::test::TestRequest;

    fn fingerprint(uri: &str, subject: &str, role: Role, body: &[u8]) -> String {
        let request = TestRequest::post().uri(uri).insert_header((HEADER, "k1")).to_http_request();
        let key = key_of(&request).unwrap().unwrap().to_owned();
        let key = IdempotencyKey(Some((key, begin_fingerprint(&request))));
        let store = StoreId::parse("shop").unwrap();
        let caller = Caller { store, subject: subject.to_owned(), role };
        key.of("post_credit", &caller, body).unwrap().fingerprint
    }

    #[test]
    fn a_fingerprint_is_of_path_query_caller_and_body() {
        let one = fingerprint("/a?x=1&y=2", "ann", Role::Manager, b"{}");
        assert_eq!(one, fingerprint("/a?y=2&x=1", "ann", Role::Manager, b"{}"));
        assert_eq!(one, fingerprint("/a?y=%32&x=1", "ann", Role::Manager, b"{}"));
        let others = [
            fingerprint("/b?x=1&y=2", "ann", Role::Manager, b"{}"),
            fingerprint("/a?x=1&y=3", "ann", Role::Manager, b"{}"),
            fingerprint("/a?x=1", "ann", Role::Manager, b"{}"),
            fingerprint("/a?x=1&y=2", "sam", Role::Manager, b"{}"),
            fingerprint("/a?x=1&y=2", "ann", Role::Administrator, b"{}"),
            fingerprint("/a?x=1&y=2", "ann", Role::Manager, b"{ }"),
        ];
        assert!(!others.contains(&one));
    }
}
