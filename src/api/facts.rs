//! Many facts at once.

use super::activities::ActivityIn;
use super::auth::{Allowed, WriteFacts};
use super::customers::CustomerIn;
use super::extract::{BODY_BYTES_MAX, NoQuery, parse, read_body, read_json};
use super::instance::Instance;
use super::orders::OrderIn;
use super::problem::{ApiError, ApiResult, Code, Fault, Problem, TOKEN, problems};
use super::refunds::RefundIn;
use super::wire;
use crate::db::audit::Actor;
use crate::db::programs::Hold;
use crate::db::{Db, activities, orders};
use crate::domain::id::{ActivityId, CustomerId, OrderId, RefundId, StoreId, is_id};
use crate::workflow::facts::{Batch, Line, Stored, put_lines};
use crate::workflow::memberships::program_of;
use crate::workflow::{self, Refusal};
use actix_web::{HttpMessage, HttpRequest, HttpResponse, post, web};

use futures_util::StreamExt;
use serde::Serialize;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// The largest batch, in bytes.
const BATCH_BYTES_MAX: usize = 8 * 1024 * 1024;
/// The most lines in a batch.
const LINES_MAX: usize = 10_000;
/// The most faults that are told of one line: there may be as many lines.
pub const FAULTS_OF_LINE_MAX: usize = 10;

/// What became of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum LineStatus {
    /// It is new.
    Created,
    /// It replaced what was stored.
    Changed,
    /// It was stored already, or what is stored is newer.
    Unchanged,
    /// It was not stored; `problem` says why.
    Refused,
}

/// What became of one line of a batch.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct LineOut {
    /// The line's number, from 1.
    #[schema(examples(1))]
    pub line: usize,
    /// What became of it.
    pub status: LineStatus,
    /// Why it was refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<Problem>,
}

/// What became of a batch.
#[derive(Debug, Serialize, ToSchema)]
pub struct FactsOut {
    /// How many lines are new.
    #[schema(examples(1))]
    pub created: usize,
    /// How many replaced what was stored.
    #[schema(examples(0))]
    pub changed: usize,
    /// How many were stored already.
    #[schema(examples(0))]
    pub unchanged: usize,
    /// How many were refused.
    #[schema(examples(0))]
    pub refused: usize,
    /// A result for each line that is not empty, in their order.
    pub results: Vec<LineOut>,
}

problems!(PostFactsProblems: TOKEN, &[
    Code::UnsupportedMediaType, Code::BodyTooLarge, Code::InvalidRequest, Code::StoreNotSetUp,
    Code::MalformedJson,
]);

/// Send many facts at once.
///
/// Each line (NDJSON) is one of `{"order": {"order_id": "o1", …}}`,
/// `{"refund": {"refund_id": "r1", …}}`, `{"activity": {"activity_id": "a1", …}}`
/// and `{"customer": {"customer_id": "c1", …}}`, with the fields that a PUT of
/// the same takes, in any order; a refund's order may come in the same batch.
/// Each line is stored or refused for itself, and each customer's membership
/// is folded once. At most 10,000 lines and 8 MiB, and 256 KiB a line; of a line,
/// the first 10 faults are told. An instance has 16 batches in hand at once, and
/// 8 of one store; one more is 503 `unavailable` at once. Roles: `storefront`.
#[utoipa::path(
    tag = "Facts",
    operation_id = "post_facts",
    security(("token" = [])),
    request_body(
        content = String, content_type = "application/x-ndjson", description = "A fact on each line.",
        example = json!("{\"order\": {\"order_id\": \"o1\", \"customer_id\": \"c1\", \"status\": \"completed\", \"total\": \"129.95\", \"currency\": \"GBP\", \"placed_at\": \"2024-06-01T09:58:00Z\", \"completed_at\": \"2024-06-01T10:00:00Z\"}}\n{\"refund\": {\"refund_id\": \"r1\", \"order_id\": \"o1\", \"amount\": \"12.75\", \"refunded_at\": \"2024-06-08T12:00:00Z\"}}\n"),
    ),
    responses((status = 200, description = "What became of each line.", body = FactsOut), PostFactsProblems),
)]
#[post("/v1/facts")]
pub async fn post_facts(
    allowed: Allowed<WriteFacts>,
    _: NoQuery,
    request: HttpRequest,
    payload: web::Payload,
    db: web::Data<Db>,
    instance: web::Data<Instance>,
) -> ApiResult<HttpResponse> {
    if !request.content_type().eq_ignore_ascii_case("application/x-ndjson") {
        return Err(ApiError::new(Code::UnsupportedMediaType));
    }
    let caller = allowed.caller;
    let place = instance.batches.take(&caller.store).ok_or_else(|| {
        instance.refuse();
        ApiError::new(Code::Unavailable)
    })?;
    let body = read_body(payload.into_inner(), BATCH_BYTES_MAX).await?;
    // A task of its own, which goes on where the caller hangs up: the place is
    // free once all that was begun is done, so that what batches take of the
    // memory is bounded.
    let work = actix_web::rt::spawn(async move {
        let _place = place;
        let results = record_lines(&db, caller.store.clone(), &caller.actor(), body).await?;
        Ok(HttpResponse::Ok().json(summary(results)))
    });
    work.await.unwrap_or_else(|_| Err(ApiError::new(Code::Internal)))
}

/// Stores the lines of a batch; a result for each that is not empty, by its
/// number from 1.
async fn record_lines(
    db: &Db,
    store: StoreId,
    actor: &Actor,
    body: web::BytesMut,
) -> ApiResult<BTreeMap<usize, Result<Stored, ApiError>>> {
    let mut results: BTreeMap<usize, Result<Stored, ApiError>> = BTreeMap::new();
    let mut parsed: Vec<(usize, Line)> = Vec::new();
    // Large batches take some time to read, and other requests do not wait for it.
    let lines = web::block(move || read_lines(&body)).await;
    for (number, line) in lines.map_err(|_| ApiError::new(Code::Unavailable))?? {
        match line {
            Ok(line) => parsed.push((number, line)),
            Err(error) => {
                results.insert(number, Err(error));
            }
        }
    }
    results.extend(record(db, store, actor, parsed).await?);
    Ok(results)
}

/// What each line of a batch that is not empty states, with its number from 1.
///
/// # Errors
/// `malformed_json` where the batch is not in UTF-8, `invalid_request` where it
/// has too many lines.
pub fn read_lines(body: &[u8]) -> ApiResult<Vec<(usize, ApiResult<Line>)>> {
    let text = std::str::from_utf8(body).map_err(|_| ApiError::new(Code::MalformedJson))?;
    let lines: Vec<(usize, &str)> =
        (1..).zip(text.lines()).filter(|(_, line)| !line.trim().is_empty()).collect();
    if lines.len() > LINES_MAX {
        let detail = format!("a batch has at most {LINES_MAX} lines");
        return Err(ApiError::invalid(vec![Fault::new("", detail)]));
    }
    let parse = |line: &str| {
        if line.len() > BODY_BYTES_MAX {
            let detail = format!("must have at most {BODY_BYTES_MAX} bytes");
            return Err(ApiError::invalid(vec![Fault::new("", detail)]));
        }
        parse_line(line).map_err(|error| error.with_faults_max(FAULTS_OF_LINE_MAX))
    };
    Ok(lines.into_iter().map(|(number, line)| (number, parse(line))).collect())
}

/// Stores lines of any customers, each customer's together; a result for each.
///
/// # Errors
/// What concerns all of them: the store, or the database.
pub async fn record(
    db: &Db,
    store: StoreId,
    actor: &Actor,
    lines: Vec<(usize, Line)>,
) -> ApiResult<Vec<(usize, Result<Stored, ApiError>)>> {
    let mut order_ids = Vec::new();
    let mut activity_ids = Vec::new();
    for (_, line) in &lines {
        match line {
            Line::Order(order) => order_ids.push(order.id.to_string()),
            Line::Refund(refund) => order_ids.push(refund.order.to_string()),
            Line::Activity(activity) => activity_ids.push(activity.id.to_string()),
            Line::Customer(..) => {}
        }
    }
    let of_store = store.clone();
    let (mut customer_of, mut customer_of_activity) = db
        .read(move |tx| {
            program_of(tx, &of_store, Hold::Read)?;
            let orders = orders::customers_of(tx, &of_store, &order_ids)?;
            let activities = activities::customers_of(tx, &of_store, &activity_ids)?;
            Ok::<_, workflow::Error>((orders, activities))
        })
        .await?;
    for (_, line) in &lines {
        let (known, id, customer) = match line {
            Line::Order(order) => (&mut customer_of, order.id.as_str(), &order.customer),
            Line::Activity(activity) => {
                (&mut customer_of_activity, activity.id.as_str(), &activity.customer)
            }
            Line::Refund(_) | Line::Customer(..) => continue,
        };
        known.entry(id.to_owned()).or_insert_with(|| customer.to_string());
    }
    // Customers are worked on at once, so it is settled beforehand whose an id
    // is: the customer's that it is stored with, or who comes first.
    let is_claimed = |line: &Line| match line {
        Line::Order(order) => (customer_of.get(order.id.as_str()).map(String::as_str)
            != Some(order.customer.as_str()))
        .then_some(Refusal::OrderCustomerFixed),
        Line::Activity(activity) => {
            (customer_of_activity.get(activity.id.as_str()).map(String::as_str)
                != Some(activity.customer.as_str()))
            .then_some(Refusal::ActivityFixed)
        }
        Line::Refund(_) | Line::Customer(..) => None,
    };
    let mut results: Vec<(usize, Result<Stored, ApiError>)> = Vec::new();
    let mut unclaimed = Vec::new();
    for (number, line) in lines {
        match is_claimed(&line) {
            Some(refusal) => results.push((number, Err(refusal.into()))),
            None => unclaimed.push((number, line)),
        }
    }
    let lines = unclaimed;
    let mut by_customer: BTreeMap<CustomerId, (Vec<usize>, Vec<Line>)> = BTreeMap::new();
    for (number, line) in lines {
        let customer = match &line {
            Line::Customer(id, _) => Some(id.clone()),
            Line::Order(order) => Some(order.customer.clone()),
            Line::Activity(activity) => Some(activity.customer.clone()),
            Line::Refund(refund) => {
                customer_of.get(refund.order.as_str()).and_then(|id| CustomerId::parse(id).ok())
            }
        };
        match customer {
            Some(customer) => {
                let (numbers, lines) = by_customer.entry(customer).or_default();
                numbers.push(number);
                lines.push(line);
            }
            None => results.push((number, Err(Refusal::UnknownOrder.into()))),
        }
    }
    let mut stored = futures_util::stream::iter(by_customer)
        .map(|(customer, (numbers, lines))| {
            let store = store.clone();
            async move {
                let outcomes = record_of_customer(db, store, actor, customer, lines).await;
                numbers.into_iter().zip(outcomes)
            }
        })
        .buffer_unordered(db.writes_at_once());
    while let Some(outcomes) = stored.next().await {
        results.extend(outcomes);
    }
    Ok(results)
}

/// Stores one customer's lines together; and where the figures of all of them
/// don't fit, each for itself, so that one line harms no other.
async fn record_of_customer(
    db: &Db,
    store: StoreId,
    actor: &Actor,
    customer: CustomerId,
    lines: Vec<Line>,
) -> Vec<Result<Stored, ApiError>> {
    let write = |lines: Vec<Line>| {
        let (store, customer, actor) = (store.clone(), customer.clone(), actor.clone());
        async move {
            let count = lines.len();
            let batch = db
                .write(move |tx| put_lines(tx, &store, &customer, &lines, &actor, wire::now()))
                .await;
            match batch {
                Ok(outcomes) | Err(Batch::NothingStored(outcomes)) => {
                    outcomes.into_iter().map(|o| o.map_err(ApiError::from)).collect()
                }
                Err(Batch::Failed(error)) => vec![Err(ApiError::from(error)); count],
            }
        }
    };
    let is_overflow = |outcome: &Result<Stored, ApiError>| {
        outcome.as_ref().is_err_and(|error| error.code() == Code::FigureOverflow)
    };
    let together: Vec<Result<Stored, ApiError>> = write(lines.clone()).await;
    if together.len() < 2 || !together.iter().all(is_overflow) {
        return together;
    }
    let mut outcomes = Vec::new();
    for line in lines {
        outcomes.extend(write(vec![line]).await);
    }
    outcomes
}

fn summary(results: BTreeMap<usize, Result<Stored, ApiError>>) -> FactsOut {
    let mut out =
        FactsOut { created: 0, changed: 0, unchanged: 0, refused: 0, results: Vec::new() };
    for (line, result) in results {
        let (count, status) = match &result {
            Ok(Stored::Created) => (&mut out.created, LineStatus::Created),
            Ok(Stored::Changed) => (&mut out.changed, LineStatus::Changed),
            Ok(Stored::Unchanged) => (&mut out.unchanged, LineStatus::Unchanged),
            Err(_) => (&mut out.refused, LineStatus::Refused),
        };
        *count = count.saturating_add(1);
        let problem = result.err().map(|error| error.problem());
        out.results.push(LineOut { line, status, problem });
    }
    out
}

/// The fact that a line states.
fn parse_line(line: &str) -> ApiResult<Line> {
    let value = read_json(line.as_bytes())?;
    let wrong_shape = || {
        let detail = "must be an object with one field: order, refund, activity or customer";
        ApiError::invalid(vec![Fault::new("", detail)])
    };
    let Value::Object(object) = value else { return Err(wrong_shape()) };
    let mut fields = object.into_iter();
    let (Some((kind, Value::Object(fact))), None) = (fields.next(), fields.next()) else {
        return Err(wrong_shape());
    };
    let root = format!("/{kind}");
    let invalid = |field: &str| {
        let detail = "must be 1 to 64 characters of A–Z a–z 0–9 . _ : -";
        ApiError::invalid(vec![Fault::new(format!("{root}/{field}"), detail)])
    };
    match kind.as_str() {
        "order" => {
            let (id, body) = take_id(fact, &root, "order_id")?;
            let id = OrderId::parse(&id).map_err(|_| invalid("order_id"))?;
            Ok(Line::Order(parse::<OrderIn>(body, &root)?.into_order(id)?))
        }
        "refund" => {
            let (id, body) = take_id(fact, &root, "refund_id")?;
            let id = RefundId::parse(&id).map_err(|_| invalid("refund_id"))?;
            Ok(Line::Refund(parse::<RefundIn>(body, &root)?.into_refund(id)?))
        }
        "activity" => {
            let (id, body) = take_id(fact, &root, "activity_id")?;
            let id = ActivityId::parse(&id).map_err(|_| invalid("activity_id"))?;
            Ok(Line::Activity(parse::<ActivityIn>(body, &root)?.into_activity(id)?))
        }
        "customer" => {
            let (id, body) = take_id(fact, &root, "customer_id")?;
            let id = CustomerId::parse(&id).map_err(|_| invalid("customer_id"))?;
            Ok(Line::Customer(id, Box::new(parse::<CustomerIn>(body, &root)?.into_profile())))
        }
        _ => Err(wrong_shape()),
    }
}

fn take_id(mut fact: Map<String, Value>, root: &str, field: &str) -> ApiResult<(String, Value)> {
    let fault =
        |detail: &str| ApiError::invalid(vec![Fault::new(format!("{root}/{field}"), detail)]);
    match fact.remove(field) {
        Some(Value::String(id)) if is_id(&id) => Ok((id, Value::Object(fact))),
        Some(_) => Err(fault("must be 1 to 64 characters of A–Z a–z 0–9 . _ : -")),
        None => Err(fault("is required")),
    }
}
