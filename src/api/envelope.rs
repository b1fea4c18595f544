//! What goes around every answer: its request's id, its line in the log, its
//! figures, its headers, and the refusal where it asks too much or too much is
//! in hand.
//!
//! The log names the template of a path and never the path, nor a query
//! string: identifiers and search words are the shop's.

use super::auth::HasToken;
use super::instance::Instance;
use super::problem::{self, ApiError, Code};
use super::rate_limit::Allowance;
use actix_web::body::BoxBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use actix_web::http::{ConnectionType, Method};
use actix_web::middleware::Next;
use actix_web::{Error, HttpMessage, ResponseError, web};
use tracing::Instrument;
use tracing::field::Empty;
use utoipa::openapi::path::Operation;
use utoipa::openapi::{Components, PathItem, Paths, Ref};

/// The longest URL, in bytes: path and query string.
const URL_LENGTH_MAX: usize = 8 * 1024;
/// The most that header fields may have, in bytes: all names and values. The
/// server itself reads heads of four times that, and of 96 fields.
const HEADERS_SIZE_MAX: usize = 32 * 1024;
/// The longest id that a caller may give a request.
const REQUEST_ID_LENGTH_MAX: usize = 128;
/// The route of what no route takes.
const UNMATCHED: &str = "unmatched";
/// What is answered however much is in hand.
const PROBES: [&str; 3] = ["/healthz", "/readyz", "/metrics"];

/// Answers are data: no browser runs, frames or follows anything in them.
const DATA_POLICY: &str = "default-src 'none'; frame-ancestors 'none'";
/// The page of `/docs` has scripts and styles of its own, and asks this service alone.
const DOCS_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; \
    img-src 'self' data:; font-src 'self' data:; connect-src 'self'; base-uri 'none'; \
    form-action 'none'; frame-ancestors 'none'";

/// Puts an answer into its envelope.
///
/// # Errors
/// What the service answers, where that is no response.
pub async fn envelope(
    instance: web::Data<Instance>,
    request: ServiceRequest,
    next: Next<BoxBody>,
) -> Result<ServiceResponse, Error> {
    let started = std::time::Instant::now();
    let id = request_id(request.headers());
    let method = method_name(request.method());
    let span = tracing::info_span!(
        "request",
        request_id = id.to_str().unwrap_or_default(),
        method,
        route = Empty,
        status = Empty,
    );
    let in_hand = instance.take();
    let has_room = in_hand.is_some() || PROBES.contains(&request.path());
    let refuse =
        |request: ServiceRequest, code| request.into_response(ApiError::new(code).error_response());
    let mut response = match refusal(&request) {
        Some(code) => refuse(request, code),
        None if has_room => next.call(request).instrument(span.clone()).await?,
        None => {
            instance.refuse();
            refuse(request, Code::Unavailable)
        }
    };
    let route = response.request().match_pattern();
    let route = route.unwrap_or_else(|| UNMATCHED.to_owned());
    let status = response.status();
    add_headers(response.headers_mut(), id, &route);
    let allowance = response.request().extensions().get::<Allowance>().copied();
    if let Some(allowance) = allowance {
        allowance.add_to(response.headers_mut());
    }
    // Who has shown a token may send more on the same connection. The server's
    // clock runs for the first request's head alone, so anybody else could send
    // a second one as slowly as they like.
    let has_token = response.request().extensions().contains::<HasToken>();
    if instance.is_draining() || !has_token {
        response.response_mut().head_mut().set_connection_type(ConnectionType::Close);
    }
    let took = started.elapsed();
    span.record("route", route.as_str());
    span.record("status", status.as_u16());
    let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
    span.in_scope(|| tracing::info!(duration_us = micros, "answered"));
    instance.requests.observe(method, route, status.as_u16(), took);
    Ok(response)
}

/// Why a request is not looked at: its head is too large.
fn refusal(request: &ServiceRequest) -> Option<Code> {
    let size = |(name, value): (&HeaderName, &HeaderValue)| {
        name.as_str().len().saturating_add(value.len())
    };
    let url = request.uri().path_and_query().map_or(0, |url| url.as_str().len());
    if url > URL_LENGTH_MAX {
        return Some(Code::UrlTooLong);
    }
    let headers = request.headers().iter().map(size).fold(0, usize::saturating_add);
    (headers > HEADERS_SIZE_MAX).then_some(Code::HeadersTooLarge)
}

/// What operations are answered before they are looked at, and which of them.
type Refusal = (&'static str, Code, fn(&str, &Operation) -> bool);
const REFUSALS: [Refusal; 4] = [
    ("UrlTooLong", Code::UrlTooLong, |_, _| true),
    ("HeadersTooLarge", Code::HeadersTooLarge, |_, _| true),
    ("RequestTimeout", Code::RequestTimeout, |_, stated| stated.request_body.is_some()),
    ("Unavailable", Code::Unavailable, |path, _| path.starts_with("/v1/")),
];

/// States of every operation how it can be refused whatever it is for.
pub fn document(paths: &mut Paths, components: &mut Components) {
    for (name, code, is_for) in REFUSALS {
        for (status, response) in problem::document(&[&[code]]) {
            components.responses.insert(name.to_owned(), response);
            for (path, item) in &mut paths.paths {
                let PathItem { get, put, post, patch, delete, .. } = item;
                let operations = [get, put, post, patch, delete].into_iter().flatten();
                for operation in operations.filter(|operation| is_for(path, operation)) {
                    let stated = Ref::from_response_name(name).into();
                    operation.responses.responses.insert(status.clone(), stated);
                }
            }
        }
    }
}

/// The id that the caller gave, where it is one short word, or a new one.
fn request_id(headers: &HeaderMap) -> HeaderValue {
    let mut given = headers.get_all("x-request-id");
    let is_sane = |id: &HeaderValue| {
        (1..=REQUEST_ID_LENGTH_MAX).contains(&id.len())
            && id.as_bytes().iter().all(u8::is_ascii_graphic)
    };
    match (given.next(), given.next()) {
        (Some(id), None) if is_sane(id) => id.clone(),
        _ => HeaderValue::try_from(uuid::Uuid::now_v7().to_string())
            .unwrap_or_else(|_| HeaderValue::from_static("none")),
    }
}

/// A method by its name, and all that HTTP does not know by one name.
fn method_name(method: &Method) -> &'static str {
    const KNOWN: [&str; 9] =
        ["GET", "PUT", "POST", "PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE", "CONNECT"];
    KNOWN.into_iter().find(|known| method.as_str() == *known).unwrap_or("_OTHER")
}

fn add_headers(headers: &mut HeaderMap, id: HeaderValue, route: &str) {
    let policy = if route.starts_with("/docs") { DOCS_POLICY } else { DATA_POLICY };
    for (name, value) in [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::CONTENT_SECURITY_POLICY, policy),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::REFERRER_POLICY, "no-referrer"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    if !headers.contains_key(header::CACHE_CONTROL) {
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    headers.insert(HeaderName::from_static("x-request-id"), id);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(given: &[&str]) -> String {
        let mut headers = HeaderMap::new();
        for id in given {
            let name = HeaderName::from_static("x-request-id");
            headers.append(name, HeaderValue::from_bytes(id.as_bytes()).unwrap());
        }
        request_id(&headers).to_str().unwrap().to_owned()
    }

    #[test]
    fn one_short_word_is_an_id_and_anything_else_is_replaced() {
        let longest = "x".repeat(REQUEST_ID_LENGTH_MAX);
        for sane in ["1", "a-b_c.d:e/f", "{}\"'", longest.as_str()] {
            assert_eq!(answered(&[sane]), sane);
        }
        let too_long = "x".repeat(REQUEST_ID_LENGTH_MAX + 1);
        for bad in [&[][..], &[""], &["a b"], &["a\tb"], &["ä"], &["a", "b"], &[too_long.as_str()]]
        {
            let made = answered(bad);
            assert_eq!(uuid::Uuid::parse_str(&made).unwrap().get_version_num(), 7, "{bad:?}");
        }
        assert_ne!(answered(&[]), answered(&[]));
    }

    #[test]
    fn any_method_has_one_of_a_few_names() {
        assert_eq!(method_name(&Method::PATCH), "PATCH");
        assert_eq!(method_name(&Method::from_bytes(b"BREW").unwrap()), "_OTHER");
    }
}
