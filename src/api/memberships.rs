//! Memberships: where customers stand, and why.

use super::auth::{Allowed, ReadOne, RecalculateOne};
use super::extract::{Id, Json, NoQuery, Query};
use super::idempotency::{IdempotencyKey, answer, carry_out};
use super::problem::{ANY_TOKEN, ApiResult, BODY, Code, KEYED, TOKEN, problems};
use super::wire::{self, At, FiguresOut, LIMIT_DEFAULT, MembershipChangeOut, MembershipOut};
use crate::db::Db;
use crate::db::page::Seek;
use crate::domain::fact::FactKind;
use crate::domain::id::CustomerId;
use crate::domain::membership::{Cause, Step, Uncounted};
use crate::domain::money::Currency;
use crate::workflow::customers;
use crate::workflow::idempotency::Answer;
use crate::workflow::memberships::{Line, explain, read};
use actix_web::http::StatusCode;
use actix_web::{HttpResponse, get, post, web};
use chrono::Utc;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use validator::Validate;

/// For which instant to answer.
#[derive(Debug, Deserialize, IntoParams, Validate)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct AtQuery {
    /// The instant to answer for, the future included: what will be if nothing
    /// more happens. Now by default.
    #[param(inline, example = "2024-12-31T23:59:59Z")]
    at: Option<At>,
}

problems!(GetMembershipProblems: ANY_TOKEN, &[
    Code::InvalidRequest, Code::NotFound, Code::StoreNotSetUp, Code::FigureOverflow,
]);

/// Where a customer stands.
///
/// The tier, since when it is held, the progress toward the next one and what
/// is missing, the open period and its end, and the lifetime figures. Roles: all.
#[utoipa::path(
    tag = "Memberships",
    operation_id = "get_membership",
    security(("token" = [])),
    params(
        ("customer_id" = String, Path, description = "The customer's identifier.", pattern = "^[A-Za-z0-9._:-]{1,64}$", example = "c1"),
        AtQuery,
    ),
    responses((status = 200, description = "The membership at that instant.", body = MembershipOut), GetMembershipProblems),
)]
#[get("/v1/customers/{customer_id}/membership")]
pub async fn get_membership(
    allowed: Allowed<ReadOne>,
    id: Id<CustomerId>,
    query: Query<AtQuery>,
    db: web::Data<Db>,
) -> ApiResult<HttpResponse> {
    let store = allowed.caller.store;
    let customer = id.0.clone();
    let at = query.0.at.map_or_else(wire::now, |at| at.0);
    let (program, membership) = db.read(move |tx| read(tx, &store, &id.0, at)).await?;
    Ok(HttpResponse::Ok().json(MembershipOut::new(
        customer.as_str(),
        &membership,
        program.program.currency,
    )))
}

/// Which lines of an explanation to answer.
#[derive(Debug, Deserialize, IntoParams, Validate)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct ExplanationQuery {
    /// Explain up to this instant; now by default.
    #[param(inline, example = "2024-12-31T23:59:59Z")]
    at: Option<At>,
    /// How many lines to answer: 1 to 200, 50 by default.
    #[param(minimum = 1, maximum = 200, example = 50)]
    limit: Option<i64>,
    /// Where to go on: the `next_cursor` of the page before, for the same `at`.
    #[validate(custom(function = "wire::is_cursor"))]
    #[param(format = "cursor", pattern = "^[A-Za-z0-9_-]+$", max_length = 1500)]
    cursor: Option<String>,
}

/// What a line of an explanation tells of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum LineKind {
    /// An order was completed.
    Order,
    /// A refund was given after its order's completion.
    Refund,
    /// Points were earned.
    Points,
    /// The customer was enrolled.
    Enrolment,
    /// A period ended: progress began again at zero.
    PeriodEnd,
    /// A tier changed without a fact.
    TierChange,
}

/// Why a fact changed no progress.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum UncountedReason {
    /// The order was placed, or the points earned, before the program's start.
    BeforeProgramStart,
    /// It happened before the customer was enrolled.
    BeforeEnrolment,
    /// It happened while the program was paused.
    ProgramPaused,
    /// The refund's order had not counted.
    OrderNotCounted,
    /// The refund's order was completed in a period that has ended.
    OrderOfEarlierPeriod,
}

impl From<Uncounted> for UncountedReason {
    fn from(uncounted: Uncounted) -> Self {
        match uncounted {
            Uncounted::BeforeProgramStart => Self::BeforeProgramStart,
            Uncounted::BeforeEnrolment => Self::BeforeEnrolment,
            Uncounted::ProgramPaused => Self::ProgramPaused,
            Uncounted::OrderNotCounted => Self::OrderNotCounted,
            Uncounted::OrderOfEarlierPeriod => Self::OrderOfEarlierPeriod,
        }
    }
}

/// What changed a tier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum TierChangeCause {
    /// The entry tier is held from enrolment.
    Enrolment,
    /// A revision brought an entry tier.
    Revision,
    /// A resumption brought an entry tier.
    Resumption,
    /// A fact reached a threshold.
    Fact,
    /// A period ended without the top tier, under `reset_each_period`.
    PeriodEnd,
}

impl From<Cause> for TierChangeCause {
    fn from(cause: Cause) -> Self {
        match cause {
            Cause::Enrolment => Self::Enrolment,
            Cause::Revision => Self::Revision,
            Cause::Resumption => Self::Resumption,
            Cause::Fact => Self::Fact,
            Cause::PeriodEnd => Self::PeriodEnd,
        }
    }
}

/// A change of tier.
#[derive(Debug, Serialize, ToSchema)]
pub struct TierChangeOut {
    /// The code of the tier before; null where there was none.
    #[schema(required, examples("bronze"))]
    pub from: Option<String>,
    /// The code of the tier after; null where there is none.
    #[schema(required, examples("silver"))]
    pub to: Option<String>,
    /// What did it.
    pub cause: TierChangeCause,
}

/// A fact, or something that time alone brought, and what it changed.
#[derive(Debug, Serialize, ToSchema)]
pub struct ExplanationLineOut {
    /// When it happened.
    #[schema(examples("2024-06-01T10:00:00Z"))]
    pub at: At,
    /// What it is.
    pub kind: LineKind,
    /// The fact's identifier; null where time alone did something.
    #[schema(required, examples("o1"))]
    pub id: Option<String>,
    /// Whether it counts toward tiers; null where time alone did something.
    #[schema(required, examples(true))]
    pub counted: Option<bool>,
    /// Why it does not count; null where it does.
    #[schema(required)]
    pub reason: Option<UncountedReason>,
    /// What the fact is worth: the order's total less earlier refunds; of a
    /// refund, what it takes away.
    #[schema(required)]
    pub change: Option<FiguresOut>,
    /// What counts toward the next tier after it.
    pub progress: FiguresOut,
    /// The lifetime figures after it.
    pub lifetime: FiguresOut,
    /// The tier that changed with it; null where none did.
    #[schema(required)]
    pub tier_change: Option<TierChangeOut>,
}

impl ExplanationLineOut {
    fn new(line: &Line, currency: Currency) -> Self {
        let tier_change = line.steps.iter().find_map(|step| match step {
            Step::TierChanged { from, to, cause, .. } => Some(TierChangeOut {
                from: from.as_ref().map(ToString::to_string),
                to: to.as_ref().map(ToString::to_string),
                cause: (*cause).into(),
            }),
            Step::Enrolled { .. } | Step::PeriodEnded { .. } => None,
        });
        let by_time = || match line.steps.first() {
            Some(Step::Enrolled { at }) => (*at, LineKind::Enrolment),
            Some(Step::PeriodEnded { at, .. }) => (*at, LineKind::PeriodEnd),
            Some(Step::TierChanged { at, .. }) => (*at, LineKind::TierChange),
            None => (Utc::now(), LineKind::TierChange),
        };
        let (at, kind) = match &line.fact {
            Some((fact, _)) => (
                fact.key.at,
                match fact.key.kind {
                    FactKind::Order => LineKind::Order,
                    FactKind::Refund => LineKind::Refund,
                    FactKind::Activity => LineKind::Points,
                },
            ),
            None => by_time(),
        };
        let outcome = line.fact.as_ref().map(|(_, outcome)| outcome);
        Self {
            at: At(at),
            kind,
            id: line.fact.as_ref().map(|(fact, _)| fact.key.id.clone()),
            counted: outcome.map(|outcome| outcome.uncounted.is_none()),
            reason: outcome.and_then(|outcome| outcome.uncounted).map(UncountedReason::from),
            change: outcome.map(|outcome| FiguresOut::new(outcome.change, currency)),
            progress: FiguresOut::new(line.progress, currency),
            lifetime: FiguresOut::new(line.lifetime, currency),
            tier_change,
        }
    }
}

/// Why a customer stands where they stand.
#[derive(Debug, Serialize, ToSchema)]
pub struct ExplanationOut {
    /// The customer.
    #[schema(examples("c1"))]
    pub customer_id: String,
    /// The instant up to which this explains.
    #[schema(examples("2024-12-31T23:59:59Z"))]
    pub as_of: At,
    /// Each fact and what time alone brought, oldest first.
    pub lines: Vec<ExplanationLineOut>,
    /// Tiers that were reached for good, and when.
    pub achievements: Vec<AchievementOut>,
    /// Where the next page begins; null on the last one.
    #[schema(required)]
    pub next_cursor: Option<String>,
}

/// A tier that was reached for good: nothing but a recalculation with
/// `allow_downgrades` takes it away.
#[derive(Debug, Serialize, ToSchema)]
pub struct AchievementOut {
    /// The tier's code.
    #[schema(examples("silver"))]
    pub code: String,
    /// The instant of what reached it.
    #[schema(examples("2024-06-01T10:00:00Z"))]
    pub reached_at: At,
}

problems!(ExplanationProblems: ANY_TOKEN, &[
    Code::InvalidRequest, Code::NotFound, Code::StoreNotSetUp, Code::FigureOverflow,
]);

/// Why a customer stands where they stand.
///
/// Each fact: whether it counted, why not, the totals after it, and the tier
/// that it changed; between them, what time alone brought. Roles: all.
#[utoipa::path(
    tag = "Memberships",
    operation_id = "explain_membership",
    security(("token" = [])),
    params(
        ("customer_id" = String, Path, description = "The customer's identifier.", pattern = "^[A-Za-z0-9._:-]{1,64}$", example = "c1"),
        ExplanationQuery,
    ),
    responses((status = 200, description = "A page of the explanation.", body = ExplanationOut), ExplanationProblems),
)]
#[get("/v1/customers/{customer_id}/membership/explanation")]
pub async fn explain_membership(
    allowed: Allowed<ReadOne>,
    id: Id<CustomerId>,
    query: Query<ExplanationQuery>,
    db: web::Data<Db>,
) -> ApiResult<HttpResponse> {
    let store = allowed.caller.store;
    let customer_id = id.0.to_string();
    let at = query.0.at.map_or_else(wire::now, |at| at.0);
    let limit = query.0.limit.unwrap_or(LIMIT_DEFAULT);
    let after: Option<Seek> = query.0.cursor.as_deref().and_then(wire::parse_cursor);
    let (program, achievements, lines) = db.read(move |tx| explain(tx, &store, &id.0, at)).await?;
    let currency = program.program.currency;
    let skipped = after.map_or(0, |seek| usize::try_from(seek.number).unwrap_or(0));
    let rest: Vec<(i64, Line)> = (1..).zip(lines).skip(skipped).collect();
    let (rows, next_cursor) =
        wire::page(rest, limit, |(number, _)| Seek::number(*number, String::new()));
    let achievements = achievements.0.iter().map(|achievement| AchievementOut {
        code: achievement.code.to_string(),
        reached_at: At(achievement.reached_at),
    });
    Ok(HttpResponse::Ok().json(ExplanationOut {
        customer_id,
        as_of: At(at),
        lines: rows.iter().map(|(_, line)| ExplanationLineOut::new(line, currency)).collect(),
        achievements: achievements.collect(),
        next_cursor,
    }))
}

/// How to recalculate one customer.
#[derive(Debug, Deserialize, ToSchema, Validate)]
#[serde(deny_unknown_fields)]
pub struct RecalculationIn {
    /// Whether to drop achievements that the facts don't bear out; false by default.
    #[serde(default)]
    #[schema(examples(true))]
    allow_downgrades: Option<bool>,
    /// Why, for the audit log.
    #[schema(
        max_length = 500,
        pattern = r"^[^\x00-\x1f\x7f]*[^\x00-\x20\x7f][^\x00-\x1f\x7f]*$",
        examples("order o1 was a mistake")
    )]
    reason: String,
}

problems!(RecalculateProblems: TOKEN, BODY, KEYED, &[
    Code::NotFound, Code::StoreNotSetUp, Code::FigureOverflow,
]);

/// Fold one customer's history again.
///
/// With `allow_downgrades`, tiers that the facts don't bear out are lost: for
/// a customer whose order was a mistake. The audit log keeps who and why.
/// Roles: `manager`, `administrator`, `platform_admin`.
#[utoipa::path(
    tag = "Memberships",
    operation_id = "recalculate_membership",
    security(("token" = [])),
    params(
        ("customer_id" = String, Path, description = "The customer's identifier.", pattern = "^[A-Za-z0-9._:-]{1,64}$", example = "c1"),
        IdempotencyKey,
    ),
    request_body(content = RecalculationIn, example = json!({"allow_downgrades": true, "reason": "order o1 was a mistake"})),
    responses((status = 200, description = "The membership before and after.", body = MembershipChangeOut), RecalculateProblems),
)]
#[post("/v1/customers/{customer_id}/membership/recalculation")]
pub async fn recalculate_membership(
    allowed: Allowed<RecalculateOne>,
    id: Id<CustomerId>,
    _: NoQuery,
    key: IdempotencyKey,
    body: Json<RecalculationIn>,
    db: web::Data<Db>,
) -> ApiResult<HttpResponse> {
    let caller = allowed.caller;
    let keyed = key.of("recalculate_membership", &caller, &body.1);
    let RecalculationIn { allow_downgrades, reason } = body.0;
    carry_out(&db, keyed, move |tx| {
        let recorded = customers::recalculate(
            tx,
            &caller.store,
            &id.0,
            allow_downgrades.unwrap_or(false),
            &reason,
            &caller.actor(),
            wire::now(),
        )?;
        let currency = recorded.program.program.currency;
        let membership = |m| MembershipOut::new(id.0.as_str(), m, currency);
        let out = MembershipChangeOut {
            before: membership(&recorded.before),
            after: membership(&recorded.after),
        };
        let answer = answer(StatusCode::OK, &out)?;
        Ok(Answer { customer: Some(id.0), ..answer })
    })
    .await
}
