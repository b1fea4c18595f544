//! What is answered when something is not done: `application/problem+json`
//! (RFC 9457) with a stable code, and for bad input every fault at once.

use crate::db;
use crate::domain::change::Refused;
use crate::domain::earning::InvalidWay;
use crate::workflow::{self, Refusal};
use actix_web::body::BoxBody;
use actix_web::http::{StatusCode, header};
use actix_web::{HttpResponse, ResponseError};
use serde::Serialize;
use std::collections::BTreeMap;
use utoipa::ToSchema;
use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa::openapi::{
    ContentBuilder, Header, HeaderBuilder, Ref, RefOr, Response, ResponseBuilder,
};

/// The whole table of codes: each with its status and what it means. A code
/// stands for one cause and is never used for another.
macro_rules! codes {
    ($($name:ident $code:literal $status:ident $meaning:literal;)*) => {
        /// The code of a problem: one for each cause.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        #[expect(missing_docs, reason = "each says what it means in `meaning`")]
        pub enum Code { $($name,)* }

        impl Code {
            /// The word that stands in an answer.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$name => $code,)* }
            }

            /// The HTTP status that goes with it.
            pub fn status(self) -> StatusCode {
                match self { $(Self::$name => StatusCode::$status,)* }
            }

            /// What it means, in a sentence.
            pub fn meaning(self) -> &'static str {
                match self { $(Self::$name => $meaning,)* }
            }
        }
    };
}

codes! {
    MalformedJson "malformed_json" BAD_REQUEST "The body is no JSON.";
    NestedTooDeep "nested_too_deep" BAD_REQUEST "The body has arrays and objects within one another on more than 16 levels.";
    Unauthorized "unauthorized" UNAUTHORIZED "There is no valid token.";
    Forbidden "forbidden" FORBIDDEN "The token's role may not do this.";
    NotFound "not_found" NOT_FOUND "There is no such thing.";
    MethodNotAllowed "method_not_allowed" METHOD_NOT_ALLOWED "The path has other methods.";
    CustomerErased "customer_erased" GONE "The customer was erased; their facts still count.";
    PreconditionFailed "precondition_failed" PRECONDITION_FAILED "The resource is no longer the version that `If-Match` names.";
    RequestTimeout "request_timeout" REQUEST_TIMEOUT "The body took too long to arrive.";
    BodyTooLarge "body_too_large" PAYLOAD_TOO_LARGE "The body is larger than this operation takes.";
    UrlTooLong "url_too_long" URI_TOO_LONG "The path with its query string has more than 8,192 bytes.";
    HeadersTooLarge "headers_too_large" REQUEST_HEADER_FIELDS_TOO_LARGE "The names and values of the header fields have more than 32,768 bytes together.";
    UnsupportedMediaType "unsupported_media_type" UNSUPPORTED_MEDIA_TYPE "The body is of another media type than this operation takes.";
    InvalidRequest "invalid_request" UNPROCESSABLE_ENTITY "The request breaks rules that it shows by itself; `errors` lists all of them, up to 100.";
    RateLimited "rate_limited" TOO_MANY_REQUESTS "More requests came from this token's subject and store than this service takes in a second: try again after `Retry-After`.";
    StoreNotSetUp "store_not_set_up" CONFLICT "The store has no program yet: an administrator sets it up with `PATCH /v1/program`.";
    CurrencyMissing "currency_missing" CONFLICT "The first settings of a store name its currency.";
    TooFarAhead "too_far_ahead" CONFLICT "An instant lies more than 24 hours ahead of the clock.";
    CurrencyMismatch "currency_mismatch" CONFLICT "The program's amounts are in another currency.";
    AmountNotInCurrency "amount_not_in_currency" CONFLICT "The amount has more decimals than the program's currency, or is too large for it.";
    ThresholdNotInUnit "threshold_not_in_unit" CONFLICT "The threshold is no amount of the program's currency, or no whole number of orders or points.";
    UnknownOrder "unknown_order" CONFLICT "The refund's order is unknown: send the order, then the refund again.";
    RefundExceedsOrder "refund_exceeds_order" CONFLICT "The refunds of an order never exceed its total.";
    TotalBelowRefunds "total_below_refunds" CONFLICT "An order's total never falls below its refunds.";
    OrderCustomerFixed "order_customer_fixed" CONFLICT "An order never changes its customer.";
    RefundImmutable "refund_immutable" CONFLICT "The refund is stored with another order, amount or instant, and never changes.";
    ActivityFixed "activity_fixed" CONFLICT "An activity never changes its customer, its kind nor its way to earn.";
    LadderInvalid "ladder_invalid" CONFLICT "Together with the other tiers, ranks and thresholds would no longer rise together.";
    CurrencyFixed "currency_fixed" CONFLICT "The currency is fixed once the store has facts or amounts.";
    EntryMethodNeedsLadder "entry_method_needs_ladder" CONFLICT "Once the store has facts and tiers, a new entry method comes with its ladder (`PUT /v1/tiers`); without facts, the thresholds have to be whole numbers.";
    TierLeavesLadder "tier_leaves_ladder" CONFLICT "Once the store has facts, a tier's code never leaves the ladder; a threshold of null retires it.";
    LadderComesWhole "ladder_comes_whole" CONFLICT "Once the store has facts, the first ladder comes whole (`PUT /v1/tiers`).";
    EffectiveFromInFuture "effective_from_in_future" CONFLICT "A change holds from now on or from an earlier instant.";
    RetentionNeedsCommonPeriods "retention_needs_common_periods" CONFLICT "`reset_each_period` goes with `calendar_year`, or `rolling` with the anchor `program_start`, only.";
    AlreadyPaused "already_paused" CONFLICT "The program is paused already.";
    NotPaused "not_paused" CONFLICT "The program is not paused.";
    PausesOverlap "pauses_overlap" CONFLICT "The instant lies before the last pause began or ended.";
    RecalculationRunning "recalculation_running" CONFLICT "One recalculation at a time: try again when it has finished.";
    FigureOverflow "figure_overflow" CONFLICT "A total of the customer would exceed what 64 bits can hold.";
    UnknownTier "unknown_tier" CONFLICT "The ladder has no such tier.";
    UnknownBenefit "unknown_benefit" CONFLICT "The store has no such benefit.";
    BenefitInUse "benefit_in_use" CONFLICT "A tier carries the benefit, a rule grants it or somebody has it; `for_everyone=true` takes it from all.";
    TooManyBenefits "too_many_benefits" CONFLICT "A store has at most 200 benefits.";
    SinceInFuture "since_in_future" CONFLICT "A customer is a VIP since today or an earlier date.";
    DesignationWouldHaveEnded "designation_would_have_ended" CONFLICT "`ends_at`, or the grace period after the cancelled subscription, is over already.";
    DesignationEnded "designation_ended" CONFLICT "The designation has ended; a PUT designates anew.";
    BenefitsMustEndFirst "benefits_must_end_first" CONFLICT "The designation gives benefits that have to be taken off before it ends; `detail` names them.";
    ConfirmationRequired "confirmation_required" CONFLICT "This status ends a designation: send `confirm: true` with it.";
    TierInRule "tier_in_rule" CONFLICT "A rule grants the tier: change or delete the rule first.";
    TooManyRules "too_many_rules" CONFLICT "A store has at most 100 rules.";
    NominationWaiting "nomination_waiting" CONFLICT "A nomination of this customer by hand waits already.";
    DeclinedRecently "declined_recently" CONFLICT "This was declined less than 90 days ago.";
    NothingToAdd "nothing_to_add" CONFLICT "The customer's designation has all of this already.";
    NominationDecided "nomination_decided" CONFLICT "The nomination was approved or declined already.";
    WayToEarnConflict "way_to_earn_conflict" CONFLICT "Another way gives points by currency unit already, or this one gives points for something else: delete that one first.";
    TooManyWaysToEarn "too_many_ways_to_earn" CONFLICT "A store has at most 100 ways to earn.";
    UnknownWayToEarn "unknown_way_to_earn" CONFLICT "The store has no such way to earn points by event.";
    TierInWayToEarn "tier_in_way_to_earn" CONFLICT "A way to earn has points for the tier: change or delete the way first.";
    InsufficientBalance "insufficient_balance" CONFLICT "The customer has less than that.";
    TooManyLinks "too_many_links" CONFLICT "A customer has at most 100 links.";
    IdempotencyInFlight "idempotency_in_flight" CONFLICT "A request with this `Idempotency-Key` is being carried out: try again, with the same key.";
    IdempotencyKeyReused "idempotency_key_reused" UNPROCESSABLE_ENTITY "Another request came with this `Idempotency-Key` less than 24 hours ago.";
    Internal "internal" INTERNAL_SERVER_ERROR "Something went wrong here; the log says what.";
    Unavailable "unavailable" SERVICE_UNAVAILABLE "The database can't be reached, or too much waits already: try again.";
}

impl From<&Refusal> for Code {
    fn from(refusal: &Refusal) -> Self {
        match refusal {
            Refusal::StoreNotSetUp => Self::StoreNotSetUp,
            Refusal::CurrencyMissing => Self::CurrencyMissing,
            Refusal::NotFound(_) => Self::NotFound,
            Refusal::CustomerErased => Self::CustomerErased,
            Refusal::TooFarAhead(_) => Self::TooFarAhead,
            Refusal::CurrencyMismatch(_) => Self::CurrencyMismatch,
            Refusal::InvalidAmount(_) => Self::AmountNotInCurrency,
            Refusal::InvalidThreshold(_) => Self::ThresholdNotInUnit,
            Refusal::UnknownOrder => Self::UnknownOrder,
            Refusal::RefundExceedsOrder => Self::RefundExceedsOrder,
            Refusal::TotalBelowRefunds => Self::TotalBelowRefunds,
            Refusal::OrderCustomerFixed => Self::OrderCustomerFixed,
            Refusal::RefundImmutable => Self::RefundImmutable,
            Refusal::ActivityFixed => Self::ActivityFixed,
            Refusal::InvalidLadder(_) => Self::LadderInvalid,
            Refusal::RecalculationRunning => Self::RecalculationRunning,
            Refusal::FigureOverflow => Self::FigureOverflow,
            Refusal::PreconditionFailed => Self::PreconditionFailed,
            Refusal::Forbidden => Self::Forbidden,
            Refusal::UnknownTier(_) => Self::UnknownTier,
            Refusal::UnknownBenefit(_) => Self::UnknownBenefit,
            Refusal::BenefitInUse => Self::BenefitInUse,
            Refusal::TooManyBenefits => Self::TooManyBenefits,
            Refusal::SinceInFuture => Self::SinceInFuture,
            Refusal::DesignationWouldHaveEnded => Self::DesignationWouldHaveEnded,
            Refusal::DesignationEnded => Self::DesignationEnded,
            Refusal::BenefitsMustEndFirst(_) => Self::BenefitsMustEndFirst,
            Refusal::ConfirmationRequired => Self::ConfirmationRequired,
            Refusal::InvalidWay(InvalidWay::TooMany) => Self::TooManyWaysToEarn,
            Refusal::InvalidWay(InvalidWay::OtherPerUnit(_) | InvalidWay::EarnsFixed) => {
                Self::WayToEarnConflict
            }
            Refusal::UnknownWayToEarn(_) => Self::UnknownWayToEarn,
            Refusal::InsufficientBalance(_) => Self::InsufficientBalance,
            Refusal::TooManyLinks => Self::TooManyLinks,
            Refusal::IdempotencyInFlight => Self::IdempotencyInFlight,
            Refusal::IdempotencyKeyReused => Self::IdempotencyKeyReused,
            Refusal::TooManyRules => Self::TooManyRules,
            Refusal::NominationWaiting => Self::NominationWaiting,
            Refusal::DeclinedRecently => Self::DeclinedRecently,
            Refusal::NothingToAdd => Self::NothingToAdd,
            Refusal::NominationDecided => Self::NominationDecided,
            Refusal::Program(refused) => match refused {
                Refused::CurrencyFixed => Self::CurrencyFixed,
                Refused::EntryMethodNeedsLadder | Refused::ThresholdNotWhole(_) => {
                    Self::EntryMethodNeedsLadder
                }
                Refused::TierLeaves(_) => Self::TierLeavesLadder,
                Refused::TierInRule(_) => Self::TierInRule,
                Refused::TierInWay(_) => Self::TierInWayToEarn,
                Refused::LadderComesWhole => Self::LadderComesWhole,
                Refused::EffectiveFromInFuture => Self::EffectiveFromInFuture,
                Refused::Rules(_) => Self::RetentionNeedsCommonPeriods,
                Refused::AlreadyPaused => Self::AlreadyPaused,
                Refused::NotPaused => Self::NotPaused,
                Refused::PausesOverlap => Self::PausesOverlap,
                Refused::Program(_) => Self::Internal,
            },
        }
    }
}

/// One fault of a request.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, ToSchema)]
pub struct Fault {
    /// Where it is: a JSON pointer into the body (`/total`), the name of a
    /// query parameter (`?limit`), of a path parameter (`{order_id}`) or of a
    /// header (`Idempotency-Key`).
    #[schema(examples("/total"))]
    pub pointer: String,
    /// The rule that it breaks.
    #[schema(examples("has more decimals than GBP has (2)"))]
    pub detail: String,
}

impl Fault {
    /// A fault at a place.
    pub fn new(pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { pointer: pointer.into(), detail: detail.into() }
    }
}

/// Why something was not done (RFC 9457).
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Problem {
    /// Always `about:blank`: the code says what kind of problem it is.
    #[serde(rename = "type")]
    #[schema(examples("about:blank"))]
    pub kind: &'static str,
    /// The HTTP status in words.
    #[schema(examples("Unprocessable Entity"))]
    pub title: String,
    /// The HTTP status.
    #[schema(examples(422))]
    pub status: u16,
    /// The cause, as a word that never changes.
    #[schema(examples("invalid_request"))]
    pub code: &'static str,
    /// The cause, as a sentence for people.
    #[schema(examples(
        "The request breaks rules that it shows by itself; `errors` lists all of them, up to 100."
    ))]
    pub detail: String,
    /// Of a request that breaks rules: all that is wrong with it, up to 100 faults.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<Fault>,
}

/// A problem on its way to the caller.
#[derive(Debug, Clone)]
pub struct ApiError {
    code: Code,
    detail: String,
    faults: Vec<Fault>,
}

/// The most faults that one problem lists: a request can have more of them
/// than anybody would read.
pub const FAULTS_MAX: usize = 100;

/// What a handler answers.
pub type ApiResult<T> = Result<T, ApiError>;

impl ApiError {
    /// A problem that its code says all of.
    pub fn new(code: Code) -> Self {
        Self { code, detail: code.meaning().to_owned(), faults: Vec::new() }
    }

    /// A request that breaks rules.
    pub fn invalid(mut faults: Vec<Fault>) -> Self {
        faults.sort();
        faults.dedup();
        faults.truncate(FAULTS_MAX);
        Self { faults, ..Self::new(Code::InvalidRequest) }
    }

    /// The same problem with so many faults at most, for one of many.
    #[must_use]
    pub fn with_faults_max(mut self, faults_max: usize) -> Self {
        self.faults.truncate(faults_max);
        self
    }

    /// The problem's code.
    pub fn code(&self) -> Code {
        self.code
    }

    /// The answer's body.
    pub fn problem(&self) -> Problem {
        let status = self.code.status();
        Problem {
            kind: "about:blank",
            title: status.canonical_reason().unwrap_or_default().to_owned(),
            status: status.as_u16(),
            code: self.code.as_str(),
            detail: self.detail.clone(),
            errors: self.faults.clone(),
        }
    }
}

impl From<Refusal> for ApiError {
    fn from(refusal: Refusal) -> Self {
        let code = Code::from(&refusal);
        Self { code, detail: refusal.to_string(), faults: Vec::new() }
    }
}

impl From<db::Error> for ApiError {
    fn from(error: db::Error) -> Self {
        // Causes are for the log, never for the caller.
        match error {
            db::Error::Overloaded | db::Error::Unavailable(_) => {
                tracing::warn!(%error, "the database is not available");
                Self::new(Code::Unavailable)
            }
            _ => {
                tracing::error!(%error, "the database failed");
                Self::new(Code::Internal)
            }
        }
    }
}

impl From<workflow::Error> for ApiError {
    fn from(error: workflow::Error) -> Self {
        match error {
            workflow::Error::Refused(refusal) => refusal.into(),
            workflow::Error::Db(error) => error.into(),
        }
    }
}

impl ApiError {
    /// The code, and all faults or what there is to say, on one line: for the
    /// command line.
    pub fn reason(&self) -> String {
        let problem = self.problem();
        let fault = |fault: &Fault| format!("{} {}", fault.pointer, fault.detail);
        let faults: Vec<String> = problem.errors.iter().map(fault).collect();
        let reason = if faults.is_empty() { problem.detail } else { faults.join("; ") };
        format!("{}: {reason}", problem.code)
    }
}

impl std::fmt::Display for ApiError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.detail)
    }
}

impl Code {
    /// Whether the same request may go well a little later: it is answered with
    /// `Retry-After`.
    fn is_to_be_tried_again(self) -> bool {
        matches!(self, Self::RateLimited | Self::Unavailable)
    }
}

impl ResponseError for ApiError {
    fn status_code(&self) -> StatusCode {
        self.code.status()
    }

    fn error_response(&self) -> HttpResponse<BoxBody> {
        let mut response = HttpResponse::build(self.code.status());
        match self.code {
            Code::Unauthorized => {
                response.insert_header((header::WWW_AUTHENTICATE, "Bearer"));
            }
            code if code.is_to_be_tried_again() => {
                response.insert_header((header::RETRY_AFTER, "1"));
            }
            _ => {}
        }
        let body = serde_json::to_string(&self.problem()).unwrap_or_default();
        response.content_type("application/problem+json").body(body)
    }
}

/// The OpenAPI responses of problems, those of one status together.
pub fn document(codes: &[&[Code]]) -> BTreeMap<String, RefOr<Response>> {
    let mut by_status: BTreeMap<u16, Vec<Code>> = BTreeMap::new();
    for code in codes.iter().copied().flatten() {
        by_status.entry(code.status().as_u16()).or_default().push(*code);
    }
    by_status
        .into_iter()
        .map(|(status, mut codes)| {
            codes.sort();
            codes.dedup();
            let lines: Vec<String> = codes
                .iter()
                .map(|code| format!("`{}`: {}", code.as_str(), code.meaning()))
                .collect();
            let examples = codes.iter().map(|code| {
                let example = serde_json::to_value(ApiError::new(*code).problem()).ok();
                (
                    code.as_str(),
                    utoipa::openapi::example::ExampleBuilder::new().value(example).build(),
                )
            });
            let content = ContentBuilder::new()
                .schema(Some(Ref::from_schema_name("Problem")))
                .examples_from_iter(examples)
                .build();
            let mut response = ResponseBuilder::new()
                .description(lines.join("\n\n"))
                .content("application/problem+json", content);
            if codes.iter().any(|code| code.is_to_be_tried_again()) {
                response = response.header("Retry-After", retry_after());
            }
            let response = response.build();
            (status.to_string(), RefOr::T(response))
        })
        .collect()
}

/// The header that says when to try again.
fn retry_after() -> Header {
    let seconds = ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(1));
    HeaderBuilder::new()
        .schema(Some(seconds))
        .description(Some("In how many seconds to try again."))
        .build()
}

/// The problems of every operation that wants a token of some roles.
pub const TOKEN: &[Code] = &[Code::Unauthorized, Code::Forbidden, Code::RateLimited];
/// The problems of every operation that any token will do for.
pub const ANY_TOKEN: &[Code] = &[Code::Unauthorized, Code::RateLimited];
/// The problems of every operation with a JSON body.
pub const BODY: &[Code] = &[
    Code::MalformedJson,
    Code::NestedTooDeep,
    Code::UnsupportedMediaType,
    Code::BodyTooLarge,
    Code::InvalidRequest,
];
/// The problems of every operation that takes an `Idempotency-Key`.
pub const KEYED: &[Code] =
    &[Code::InvalidRequest, Code::IdempotencyInFlight, Code::IdempotencyKeyReused];

/// Names what an operation can answer besides what it is for.
macro_rules! problems {
    ($(#[$doc:meta])* $name:ident: $($group:expr),+) => {
        $(#[$doc])*
        struct $name;

        impl utoipa::IntoResponses for $name {
            fn responses() -> std::collections::BTreeMap<
                String,
                utoipa::openapi::RefOr<utoipa::openapi::Response>,
            > {
                $crate::api::problem::document(&[$($group),+])
            }
        }
    };
}
pub(crate) use problems;
