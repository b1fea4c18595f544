//! What comes in, held to the published document before anything else sees it.
//!
//! A body or a query string is checked against its schema in the OpenAPI
//! document, so that the document can't say one thing and the service do
//! another; then against the rules that a schema can't say ([`Validate`]).
//! All faults are answered at once.

use super::problem::{ApiError, ApiResult, Code, Fault};
use crate::domain::id::{ID_PATTERN, is_id};
use crate::workflow::IfMatch;
use actix_web::dev::Payload;
use actix_web::http::header;
use actix_web::{FromRequest, HttpMessage, HttpRequest, web};
use futures_util::StreamExt;
use futures_util::future::LocalBoxFuture;
use jsonschema::error::{TypeKind, ValidationErrorKind as Kind};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};
use std::collections::{BTreeSet, HashMap, HashSet};
use std::future::{Ready, ready};
use std::sync::{OnceLock, PoisonError, RwLock};
use std::time::Duration;
use utoipa::openapi::path::{Operation, Parameter};
use utoipa::openapi::schema::{ObjectBuilder, SchemaFormat, Type};
use utoipa::openapi::{HeaderBuilder, Paths, RefOr};
use utoipa::{IntoParams, ToSchema};
use validator::{Validate, ValidationErrors, ValidationErrorsKind};

/// The largest JSON body, in bytes.
pub const BODY_BYTES_MAX: usize = 256 * 1024;

/// The deepest JSON, in levels of arrays and objects: more than any body of
/// the document has.
const DEPTH_MAX: usize = 16;

/// How long a body may take to arrive.
pub const BODY_TIME_MAX: Duration = Duration::from_secs(30);

/// Schemas that were compiled before, by the name of what they describe.
type Compiled = RwLock<HashMap<String, &'static jsonschema::Validator>>;

fn compiled(
    name: &str,
    schema: impl FnOnce() -> Value,
) -> ApiResult<&'static jsonschema::Validator> {
    static COMPILED: OnceLock<Compiled> = OnceLock::new();
    let known = COMPILED.get_or_init(Compiled::default);
    if let Some(validator) = known.read().unwrap_or_else(PoisonError::into_inner).get(name) {
        return Ok(validator);
    }
    let validator =
        jsonschema::options().should_validate_formats(true).build(&schema()).map_err(|error| {
            tracing::error!(%error, name, "a schema of the document can't be used");
            ApiError::new(Code::Internal)
        })?;
    let mut known = known.write().unwrap_or_else(PoisonError::into_inner);
    Ok(known.entry(name.to_owned()).or_insert_with(|| Box::leak(Box::new(validator))))
}

/// What an identifier is, in words.
const ID_RULE: &str = "must be 1 to 64 characters of A–Z a–z 0–9 . _ : -";

/// Why no text holds U+0000, in words.
const NUL_RULE: &str = "must not hold the character U+0000";

/// What a pattern of the document says, in words.
const PATTERNS: [(&str, &str); 13] = [
    ("^[A-Za-z0-9_-]+$", super::wire::CURSOR_RULE),
    ("^[0-9]{4}-(0[1-9]|1[0-2])$", "must be a month such as \"2026-11\""),
    (ID_PATTERN, ID_RULE),
    (
        super::wire::PERCENT_PATTERN,
        "must be a decimal string such as \"7.5\", with at most two decimals",
    ),
    (super::wire::LINES_PATTERN, "must not be blank, nor hold control characters"),
    (
        super::wire::AMOUNT_PATTERN,
        "must be a decimal string such as \"129.95\": digits, without sign or exponent",
    ),
    (
        super::wire::VALUE_PATTERN,
        "must be a number as a text such as \"1000.00\" or \"12\": at most 14 digits before and 4 after the point",
    ),
    (
        super::wire::RATE_PATTERN,
        "must be a decimal string with at most 7 digits before and 6 after the point",
    ),
    (
        super::wire::CURRENCY_PATTERN,
        "must be a currency code of three capital letters, such as \"GBP\"",
    ),
    (
        super::wire::SHARE_PATTERN,
        "must be a decimal string such as \"0.05\", with at most four decimals",
    ),
    (
        super::wire::SIGNED_AMOUNT_PATTERN,
        "must be a decimal string such as \"5.00\", or \"-5.00\" where it may be below zero: at most 16 digits before and 4 after the point",
    ),
    (super::wire::EMAIL_PATTERN, "must be an e-mail address"),
    (super::wire::TEXT_PATTERN, "must not be blank, nor hold control characters"),
];

fn faults_of(validator: &jsonschema::Validator, value: &Value, root: &str) -> Vec<Fault> {
    let mut faults = Vec::new();
    for error in validator.iter_errors(value) {
        add_faults(&error, root, &mut faults);
    }
    faults
}

fn add_faults(error: &jsonschema::ValidationError<'_>, root: &str, faults: &mut Vec<Fault>) {
    // A query parameter has a name and no path.
    let at = |path: &str| match root {
        "?" => path.replacen('/', "?", 1),
        _ => format!("{root}{path}"),
    };
    let path = error.instance_path().to_string();
    let field = |name: &str| at(&format!("{path}/{}", name.replace('~', "~0").replace('/', "~1")));
    let unknown =
        if root == "?" { "is not a known query parameter" } else { "is not a known field" };
    let detail = match error.kind() {
        Kind::AdditionalProperties { unexpected } => {
            faults.extend(unexpected.iter().map(|name| Fault::new(field(name), unknown)));
            return;
        }
        Kind::Required { property } => {
            faults.push(Fault::new(field(property.as_str().unwrap_or_default()), "is required"));
            return;
        }
        Kind::OneOfNotValid { context } | Kind::AnyOf { context } => {
            // Of several shapes, tell what is wrong with the one that was meant.
            let is_meant = |errors: &Vec<jsonschema::ValidationError<'static>>| {
                let is_off = |e: &jsonschema::ValidationError<'static>| {
                    let is_here = e.instance_path().to_string() == path;
                    (is_here && matches!(e.kind(), Kind::Type { .. }))
                        || e.instance_path().to_string() == format!("{path}/kind")
                };
                !errors.iter().any(is_off)
            };
            match context.iter().find(|errors| is_meant(errors)) {
                Some(errors) => {
                    for inner in errors {
                        add_faults(inner, root, faults);
                    }
                    return;
                }
                None => "has none of the shapes that it can have".to_owned(),
            }
        }
        // All names of fields of a map are identifiers.
        Kind::PropertyNames { error: inner } => {
            let name = inner.instance().as_str().unwrap_or_default();
            faults.push(Fault::new(field(name), ID_RULE));
            return;
        }
        Kind::Pattern { pattern } => PATTERNS
            .iter()
            .find(|(known, _)| known == pattern)
            .map_or_else(|| format!("must match {pattern}"), |(_, words)| (*words).to_owned()),
        Kind::Format { format } if format == "date-time" => {
            "must be an RFC 3339 instant such as \"2024-06-01T10:00:00Z\"".to_owned()
        }
        Kind::Format { format } if format == "date" => {
            "must be a date such as \"2024-06-01\"".to_owned()
        }
        // What is of another type altogether is told of already.
        Kind::Enum { options } if !is_of_type(error.instance(), options) => return,
        Kind::Enum { options } => {
            let words = options.as_array().map(Vec::as_slice).unwrap_or_default();
            let words: Vec<String> = words
                .iter()
                .map(|word| word.as_str().map_or_else(|| word.to_string(), str::to_owned))
                .collect();
            match words.as_slice() {
                [word] => format!("must be {word}"),
                words => format!("must be one of {}", words.join(", ")),
            }
        }
        Kind::MaxLength { limit } => format!("must have at most {limit} characters"),
        Kind::MinLength { limit } => format!("must have at least {limit} characters"),
        Kind::Maximum { limit } => format!("must be at most {limit}"),
        Kind::Minimum { limit } => format!("must be at least {limit}"),
        Kind::MaxProperties { limit } => format!("must have at most {limit} fields"),
        Kind::MaxItems { limit } => format!("must have at most {limit} items"),
        Kind::Type { kind } => {
            let types: Vec<String> = match kind {
                TypeKind::Single(one) => vec![one.to_string()],
                TypeKind::Multiple(several) => several.iter().map(|one| one.to_string()).collect(),
            };
            format!("must be of type {}", types.join(" or "))
        }
        // Never with the value, which may be as large as a body.
        _ => error.masked_with("this").to_string(),
    };
    faults.push(Fault::new(at(&path), detail));
}

/// Whether a value is of the type of the first of some options.
fn is_of_type(value: &Value, options: &Value) -> bool {
    let first = options.as_array().and_then(|options| options.first());
    first.is_none_or(|first| std::mem::discriminant(first) == std::mem::discriminant(value))
}

fn rule_faults(errors: &ValidationErrors, root: &str, faults: &mut Vec<Fault>) {
    for (field, kind) in errors.errors() {
        let here = if field == "__all__" { root.to_owned() } else { format!("{root}/{field}") };
        match kind {
            ValidationErrorsKind::Struct(inner) => rule_faults(inner, &here, faults),
            ValidationErrorsKind::List(items) => {
                for (i, inner) in items {
                    rule_faults(inner, &format!("{here}/{i}"), faults);
                }
            }
            ValidationErrorsKind::Field(errors) => {
                for error in errors {
                    // A rule of many parts names each fault itself.
                    if let Some(list) = error.params.get("faults").and_then(Value::as_array) {
                        faults.extend(list.iter().filter_map(|fault| {
                            let text = |i: usize| fault.get(i).and_then(Value::as_str);
                            Some(Fault::new(format!("{here}{}", text(0)?), text(1)?))
                        }));
                        continue;
                    }
                    let detail = error.message.as_deref().unwrap_or(&error.code);
                    // A rule of the whole names its field itself.
                    let pointer = error.params.get("pointer").and_then(Value::as_str);
                    let pointer = pointer.map_or_else(|| here.clone(), |p| format!("{root}{p}"));
                    faults.push(Fault::new(pointer, detail));
                }
            }
        }
    }
}

/// A fault of a rule that concerns more than one field.
pub fn rule(pointer: &str, message: &str) -> validator::ValidationError {
    let mut error = validator::ValidationError::new("rule").with_message(message.to_owned().into());
    error.params.insert("pointer".into(), json!(pointer));
    error
}

/// Takes a value of a type that the document describes.
///
/// # Errors
/// `invalid_request` with every fault.
pub fn parse<T: DeserializeOwned + ToSchema + Validate>(value: Value, root: &str) -> ApiResult<T> {
    let value = with_whole_numbers(value);
    let name = T::name();
    let validator = compiled(&name, || schema_of(&name))?;
    let mut faults = faults_of(validator, &value, root);
    let known: HashSet<String> = faults.iter().map(|fault| fault.pointer.clone()).collect();
    add_nul_faults(&value, root, &known, &mut faults);
    match serde_json::from_value::<T>(value) {
        Ok(parsed) => {
            if let Err(errors) = parsed.validate() {
                rule_faults(&errors, root, &mut faults);
            }
            if faults.is_empty() { Ok(parsed) } else { Err(ApiError::invalid(faults)) }
        }
        Err(error) => {
            if faults.is_empty() {
                faults.push(Fault::new(root, error.to_string()));
            }
            Err(ApiError::invalid(faults))
        }
    }
}

/// PostgreSQL's texts can't hold U+0000, so no text may; of texts that have
/// another fault already, that is enough.
fn add_nul_faults(value: &Value, here: &str, known: &HashSet<String>, faults: &mut Vec<Fault>) {
    match value {
        Value::String(text) if text.contains('\0') && !known.contains(here) => {
            faults.push(Fault::new(here, NUL_RULE));
        }
        Value::Array(items) => {
            for (i, item) in items.iter().enumerate() {
                add_nul_faults(item, &format!("{here}/{i}"), known, faults);
            }
        }
        Value::Object(fields) => {
            for (name, field) in fields {
                add_nul_faults(field, &format!("{here}/{name}"), known, faults);
            }
        }
        _ => {}
    }
}

/// JSON knows no integers: 5.0 is 5.
fn with_whole_numbers(value: Value) -> Value {
    match value {
        Value::Number(number) if number.is_f64() => {
            let whole = number.as_f64().filter(|float| float.fract() == 0.0);
            let whole = whole.and_then(|float| format!("{float:.0}").parse::<i64>().ok());
            whole.map_or(Value::Number(number), Value::from)
        }
        Value::Array(items) => items.into_iter().map(with_whole_numbers).collect(),
        Value::Object(fields) => Value::Object(
            fields.into_iter().map(|(name, field)| (name, with_whole_numbers(field))).collect(),
        ),
        other => other,
    }
}

/// A component of the document as a schema that stands by itself.
fn schema_of(name: &str) -> Value {
    json!({
        "$ref": format!("#/components/schemas/{name}"),
        "components": { "schemas": super::schemas_json() },
    })
}

/// A JSON body, and its bytes as they came.
pub struct Json<T>(pub T, pub web::Bytes);

impl<T: DeserializeOwned + ToSchema + Validate + 'static> FromRequest for Json<T> {
    type Error = ApiError;
    type Future = LocalBoxFuture<'static, ApiResult<Self>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let read = json_body(request, payload);
        Box::pin(async move {
            let (value, bytes) = read.await?;
            Ok(Self(parse(value, "")?, bytes))
        })
    }
}

/// A JSON body of fields to replace; those left out stay as they are, and null
/// restores a field's default.
pub struct Patch<T> {
    /// The fields as they were given.
    fields: Map<String, Value>,
    whole: std::marker::PhantomData<T>,
}

impl<T: DeserializeOwned + ToSchema + Validate> Patch<T> {
    /// What was stored, with these fields replaced. Whether they go together
    /// with what was stored is not for the request alone to show.
    ///
    /// # Errors
    /// `internal` where what was stored makes no sense.
    pub fn onto(self, stored: Value) -> ApiResult<T> {
        let Value::Object(mut whole) = stored else {
            return Err(ApiError::new(Code::Internal));
        };
        whole.extend(self.fields);
        serde_json::from_value(Value::Object(whole)).map_err(|error| {
            tracing::error!(%error, "a stored resource can't be patched");
            ApiError::new(Code::Internal)
        })
    }
}

impl<T: DeserializeOwned + ToSchema + Validate + 'static> FromRequest for Patch<T> {
    type Error = ApiError;
    type Future = LocalBoxFuture<'static, ApiResult<Self>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let read = json_body(request, payload);
        Box::pin(async move {
            let value = with_whole_numbers(read.await?.0);
            parse::<T>(value.clone(), "")?;
            match value {
                Value::Object(fields) => Ok(Self { fields, whole: std::marker::PhantomData }),
                _ => Err(ApiError::new(Code::InvalidRequest)),
            }
        })
    }
}

fn json_body(
    request: &HttpRequest,
    payload: &mut Payload,
) -> LocalBoxFuture<'static, ApiResult<(Value, web::Bytes)>> {
    let is_json = request.content_type().eq_ignore_ascii_case("application/json");
    let payload = payload.take();
    Box::pin(async move {
        if !is_json {
            return Err(ApiError::new(Code::UnsupportedMediaType));
        }
        let body = read_body(payload, BODY_BYTES_MAX).await?.freeze();
        Ok((read_json(&body)?, body))
    })
}

/// Reads JSON that somebody else has written.
///
/// # Errors
/// `nested_too_deep`, `malformed_json`.
pub fn read_json(text: &[u8]) -> ApiResult<Value> {
    if depth(text) > DEPTH_MAX {
        return Err(ApiError::new(Code::NestedTooDeep));
    }
    serde_json::from_slice(text).map_err(|_| ApiError::new(Code::MalformedJson))
}

/// On how many levels a text in JSON has arrays and objects within one another.
fn depth(text: &[u8]) -> usize {
    let (mut deepest, mut open) = (0, 0_usize);
    let (mut is_in_string, mut is_escaped) = (false, false);
    for byte in text {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' if is_in_string => is_escaped = true,
            b'"' => is_in_string = !is_in_string,
            _ if is_in_string => {}
            b'[' | b'{' => {
                open = open.saturating_add(1);
                deepest = deepest.max(open);
            }
            b']' | b'}' => open = open.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

/// Reads a body of at most so many bytes.
///
/// # Errors
/// `body_too_large` for a larger one, `malformed_json` for one that breaks off,
/// `request_timeout` for one that is not there after [`BODY_TIME_MAX`].
pub async fn read_body(payload: Payload, bytes_max: usize) -> ApiResult<web::BytesMut> {
    read_within(BODY_TIME_MAX, payload, bytes_max).await
}

async fn read_within(
    time_max: Duration,
    payload: Payload,
    bytes_max: usize,
) -> ApiResult<web::BytesMut> {
    let whole = tokio::time::timeout(time_max, read_whole(payload, bytes_max)).await;
    whole.unwrap_or_else(|_| Err(ApiError::new(Code::RequestTimeout)))
}

async fn read_whole(mut payload: Payload, bytes_max: usize) -> ApiResult<web::BytesMut> {
    let mut body = web::BytesMut::new();
    while let Some(chunk) = payload.next().await {
        let chunk = chunk.map_err(|_| ApiError::new(Code::MalformedJson))?;
        if body.len().saturating_add(chunk.len()) > bytes_max {
            return Err(ApiError::new(Code::BodyTooLarge));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// A query string.
pub struct Query<T>(pub T);

impl<T: DeserializeOwned + IntoParams + Validate> FromRequest for Query<T> {
    type Error = ApiError;
    type Future = Ready<ApiResult<Self>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(parse_query(request.query_string()).map(Query))
    }
}

fn parse_query<T: DeserializeOwned + IntoParams + Validate>(query: &str) -> ApiResult<T> {
    let parameters = T::into_params(|| None);
    let mut properties = Map::new();
    let mut required = Vec::new();
    for parameter in parameters {
        let schema = serde_json::to_value(&parameter.schema).unwrap_or_default();
        if matches!(parameter.required, utoipa::openapi::Required::True) {
            required.push(parameter.name.clone());
        }
        properties.insert(parameter.name, schema);
    }
    let mut given = Map::new();
    let mut faults = Vec::new();
    let pairs: Vec<(String, String)> = serde_urlencoded::from_str(query).unwrap_or_default();
    for (name, text) in pairs {
        let kind = properties
            .get(&name)
            .and_then(|schema| schema.get("type"))
            .map(Value::to_string)
            .unwrap_or_default();
        let value = match text.as_str() {
            "true" if kind.contains("boolean") => json!(true),
            "false" if kind.contains("boolean") => json!(false),
            digits if kind.contains("integer") && digits.bytes().all(|b| b.is_ascii_digit()) => {
                digits.parse::<i64>().map_or_else(|_| json!(digits), |number| json!(number))
            }
            text => json!(text),
        };
        if value.as_str().is_some_and(|text| text.contains('\0')) {
            faults.push(Fault::new(format!("?{name}"), NUL_RULE));
        }
        if given.insert(name.clone(), value).is_some() {
            faults.push(Fault::new(format!("?{name}"), "is given twice"));
        }
    }
    let name = std::any::type_name::<T>();
    let schema = || {
        json!({
            "type": "object", "properties": properties, "required": required,
            "additionalProperties": false,
            "components": { "schemas": super::schemas_json() },
        })
    };
    let given = Value::Object(given);
    faults.extend(faults_of(compiled(name, schema)?, &given, "?"));
    match serde_json::from_value::<T>(given) {
        Ok(parsed) => {
            if let Err(errors) = parsed.validate() {
                let mut found = Vec::new();
                rule_faults(&errors, "", &mut found);
                faults.extend(
                    found
                        .into_iter()
                        .map(|f| Fault::new(f.pointer.replacen('/', "?", 1), f.detail)),
                );
            }
            if faults.is_empty() { Ok(parsed) } else { Err(ApiError::invalid(faults)) }
        }
        Err(error) => {
            if faults.is_empty() {
                faults.push(Fault::new("?", error.to_string()));
            }
            Err(ApiError::invalid(faults))
        }
    }
}

/// No query string: any parameter is refused.
pub struct NoQuery;

impl FromRequest for NoQuery {
    type Error = ApiError;
    type Future = Ready<ApiResult<Self>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let pairs: Vec<(String, String)> =
            serde_urlencoded::from_str(request.query_string()).unwrap_or_default();
        let faults: Vec<Fault> = pairs
            .into_iter()
            .map(|(name, _)| Fault::new(format!("?{name}"), "is not a known query parameter"))
            .collect();
        ready(if faults.is_empty() { Ok(Self) } else { Err(ApiError::invalid(faults)) })
    }
}

/// The identifier in a path: one path parameter, whatever its name.
pub struct Id<T>(pub T);

impl<T: TryFrom<PathId>> FromRequest for Id<T> {
    type Error = ApiError;
    type Future = Ready<ApiResult<Self>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let found = request.match_info().iter().next();
        let fault =
            |name: &str| ApiError::invalid(vec![Fault::new(format!("{{{name}}}"), ID_RULE)]);
        ready(match found {
            Some((name, text)) if is_id(text) => {
                T::try_from(PathId(text.to_owned())).map(Id).map_err(|_| fault(name))
            }
            Some((name, _)) => Err(fault(name)),
            None => Err(ApiError::new(Code::NotFound)),
        })
    }
}

/// Both identifiers of a path with two, in their order.
pub struct IdPair<T>(pub T, pub T);

impl<T: TryFrom<PathId>> FromRequest for IdPair<T> {
    type Error = ApiError;
    type Future = Ready<ApiResult<Self>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let mut found = Vec::new();
        let mut faults = Vec::new();
        for (name, text) in request.match_info().iter() {
            match is_id(text).then(|| T::try_from(PathId(text.to_owned()))) {
                Some(Ok(id)) => found.push(id),
                _ => faults.push(Fault::new(format!("{{{name}}}"), ID_RULE)),
            }
        }
        let mut found = found.into_iter();
        ready(match (found.next(), found.next()) {
            _ if !faults.is_empty() => Err(ApiError::invalid(faults)),
            (Some(first), Some(second)) => Ok(Self(first, second)),
            _ => Err(ApiError::new(Code::NotFound)),
        })
    }
}

/// A text from a path that follows the rule of identifiers.
pub struct PathId(pub String);

macro_rules! path_ids {
    ($($name:ident)*) => {$(
        impl TryFrom<PathId> for crate::domain::id::$name {
            type Error = crate::domain::id::InvalidId;

            fn try_from(id: PathId) -> Result<Self, Self::Error> {
                Self::parse(&id.0)
            }
        }
    )*};
}

path_ids! { CustomerId OrderId RefundId ActivityId TierCode BenefitCode RuleCode WayCode }

impl From<PathId> for String {
    fn from(id: PathId) -> Self {
        id.0
    }
}

/// The header that names versions.
const IF_MATCH: &str = "If-Match";

/// What it is, as a pattern.
const IF_MATCH_PATTERN: &str =
    r#"^[ \t]*(\*|[ \t,]*(W/)?"[!#-~]*"([ \t]*,[ \t,]*(W/)?"[!#-~]*")*[ \t,]*)[ \t]*$"#;

/// What is said of it wherever it is taken.
const IF_MATCH_NOTE: &str =
    "Several are parted by commas; `*` is any version, but there has to be one.";

/// What it is, in words.
const IF_MATCH_RULE: &str = "must be `*`, or entity tags in quotes, parted by commas";

/// The `If-Match` header.
pub struct IfMatchHeader(pub IfMatch);

impl FromRequest for IfMatchHeader {
    type Error = ApiError;
    type Future = Ready<ApiResult<Self>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        // Several headers are one list.
        let given = request.headers().get_all(header::IF_MATCH).map(|value| value.to_str());
        let given: Result<Vec<&str>, _> = given.collect();
        let parsed = match given {
            Ok(given) if given.is_empty() => Some(IfMatch::Absent),
            Ok(given) => parse_if_match(&given.join(",")),
            Err(_) => None,
        };
        // What can't be understood is refused: passed over, it would let a lost
        // update through.
        let fault = || ApiError::invalid(vec![Fault::new(IF_MATCH, IF_MATCH_RULE)]);
        ready(parsed.map(Self).ok_or_else(fault))
    }
}

/// What an `If-Match` says; `None` where it breaks [`IF_MATCH_RULE`].
fn parse_if_match(text: &str) -> Option<IfMatch> {
    const SPACE: [char; 2] = [' ', '\t'];
    const BETWEEN: [char; 3] = [' ', '\t', ','];
    if text.trim_matches(SPACE) == "*" {
        return Some(IfMatch::Any);
    }
    let mut versions = Vec::new();
    let mut rest = text.trim_start_matches(BETWEEN);
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        // A weak tag is no version of ours, like any that we did not make.
        let strong = rest.strip_prefix("W/");
        let (tag, after) = strong.unwrap_or(rest).strip_prefix('"')?.split_once('"')?;
        if !tag.bytes().all(|byte| byte.is_ascii_graphic()) {
            return None;
        }
        let version = tag.parse::<i64>().ok().filter(|version| version.to_string() == tag);
        versions.extend(version.filter(|_| strong.is_none()));
        let after = after.trim_start_matches(SPACE);
        if !after.is_empty() && !after.starts_with(',') {
            return None;
        }
        rest = after.trim_start_matches(BETWEEN);
    }
    Some(IfMatch::Versions(versions))
}

/// The entity tag of a version.
pub fn etag(version: i64) -> (header::HeaderName, String) {
    (header::ETAG, format!("\"{version}\""))
}

/// States of every operation that takes an `If-Match` what that is, and of each
/// that shows what such an operation changes that it answers an `ETag`.
pub fn document_versions(paths: &mut Paths) {
    let mut changed = BTreeSet::new();
    for (path, item) in &mut paths.paths {
        let writes = [&mut item.put, &mut item.post, &mut item.patch, &mut item.delete];
        for (write, is_delete) in writes.into_iter().zip([false, false, false, true]) {
            let Some(write) = write else { continue };
            let stated = write.parameters.iter_mut().flatten().filter_map(|stated| match stated {
                RefOr::T(stated) => Some(stated),
                RefOr::Ref(_) => None,
            });
            let Some(header) = { stated }.find(|stated| stated.name == IF_MATCH) else { continue };
            let tags = ObjectBuilder::new()
                .schema_type(Type::String)
                .format(Some(SchemaFormat::Custom("entity-tags".to_owned())))
                .pattern(Some(IF_MATCH_PATTERN))
                .examples(["\"7\"", "*"]);
            header.schema = Some(tags.into());
            let description = header.description.take().unwrap_or_default();
            header.description = Some(format!("{description} {IF_MATCH_NOTE}"));
            changed.insert(path.clone());
            if !is_delete {
                state_etag(write);
            }
        }
    }
    for (path, item) in &mut paths.paths {
        let Some(read) = &mut item.get else { continue };
        let is_cursor =
            |stated: &RefOr<Parameter>| matches!(stated, RefOr::T(p) if p.name == "cursor");
        let is_part = |of: &str| of.rsplit_once('/').is_some_and(|(whole, _)| whole == path);
        let is_shown = changed.iter().any(|of| of == path || is_part(of));
        if is_shown && !read.parameters.iter().flatten().any(is_cursor) {
            state_etag(read);
        }
    }
}

/// States that an operation answers an `ETag` with what it shows.
fn state_etag(operation: &mut Operation) {
    for (status, response) in &mut operation.responses.responses {
        if let RefOr::T(response) = response
            && status.starts_with('2')
        {
            let header = HeaderBuilder::new()
                .schema(Some(ObjectBuilder::new().schema_type(Type::String)))
                .description(Some("The version, for `If-Match`."));
            response.headers.insert("ETag".to_owned(), RefOr::T(header.build()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_if_match_is_parsed_whole_or_refused() {
        let schema = json!({"type": "string", "pattern": IF_MATCH_PATTERN});
        let of_the_document = jsonschema::options().build(&schema).unwrap();
        let versions = |list: &[i64]| Some(IfMatch::Versions(list.to_vec()));
        let cases = [
            ("*", Some(IfMatch::Any)),
            (" * ", Some(IfMatch::Any)),
            ("\"7\"", versions(&[7])),
            ("\"7\",\"8\" ,\t\"9\"", versions(&[7, 8, 9])),
            (", \"7\",,\"8\",", versions(&[7, 8])),
            // Tags that are none of ours, and weak ones, which never match.
            ("\"\"", versions(&[])),
            ("\"a,b\", \"7\"", versions(&[7])),
            ("W/\"7\"", versions(&[])),
            ("\"07\", \"+7\", \"7.0\", \"99999999999999999999\"", versions(&[])),
            ("", None),
            (",", None),
            ("7", None),
            ("\"7", None),
            ("7\"", None),
            ("\"7\" \"8\"", None),
            ("\"7\"8", None),
            ("\"7 8\"", None),
            ("*, \"7\"", None),
            ("**", None),
            ("w/\"7\"", None),
            ("W/7", None),
            ("\"\u{e9}\"", None),
        ];
        for (text, expected) in cases {
            assert_eq!(parse_if_match(text), expected, "{text:?}");
            assert_eq!(of_the_document.is_valid(&json!(text)), expected.is_some(), "{text:?}");
        }
    }

    #[test]
    fn levels_are_those_of_arrays_and_objects_and_not_of_brackets_in_texts() {
        for (text, levels) in [
            ("1", 0),
            ("[]", 1),
            (r#"{"a": [1, {"b": []}], "c": {}}"#, 4),
            (r#"["[[[", "]]", {"{{": "\"[["}]"#, 2),
            (r#"["\\", ["\\\"["]]"#, 2),
            ("[[[", 3),
            ("]]]", 0),
        ] {
            assert_eq!(depth(text.as_bytes()), levels, "{text}");
        }
    }

    #[test]
    fn json_is_read_as_deep_as_it_may_be_and_no_deeper() {
        let nested = |levels| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
        let code = |text: String| read_json(text.as_bytes()).err().map(|error| error.code());
        assert_eq!(code(nested(DEPTH_MAX)), None);
        for levels in [DEPTH_MAX + 1, 127, 128, 100_000] {
            assert_eq!(code(nested(levels)), Some(Code::NestedTooDeep));
        }
        assert_eq!(code("[".repeat(DEPTH_MAX)), Some(Code::MalformedJson));
        assert!(Code::NestedTooDeep.meaning().contains(&format!("than {DEPTH_MAX} levels")));
    }

    #[test]
    fn as_many_faults_as_a_body_can_hold_are_found_in_no_time() {
        let began = std::time::Instant::now();
        let texts = json!({"notes": vec!["\0"; 100_000]});
        let fields: Map<String, Value> =
            (0..100_000).map(|n| (format!("f{n}"), json!("\0"))).collect();
        for body in [texts, Value::Object(fields)] {
            let error = parse::<crate::api::designations::DesignationIn>(body, "").err().unwrap();
            assert_eq!(error.code(), Code::InvalidRequest);
        }
        assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
    }

    #[test]
    fn a_body_that_does_not_come_is_not_waited_for() {
        let read = |stream: futures_util::stream::LocalBoxStream<'static, _>| {
            let payload = Payload::Stream { payload: stream };
            let read = read_within(Duration::from_millis(20), payload, 4);
            actix_web::rt::System::new().block_on(read).map_err(|error| error.code())
        };
        let chunk = |text: &'static str| Ok(web::Bytes::from_static(text.as_bytes()));
        let begun = futures_util::stream::iter([chunk("ab")]);
        let stuck = begun.chain(futures_util::stream::pending());
        assert_eq!(read(Box::pin(stuck)), Err(Code::RequestTimeout));
        let whole = futures_util::stream::iter([chunk("ab"), chunk("cd")]);
        assert_eq!(read(Box::pin(whole)).unwrap(), "abcd");
        let larger = futures_util::stream::iter([chunk("ab"), chunk("cde")]);
        assert_eq!(read(Box::pin(larger)), Err(Code::BodyTooLarge));
    }
}
