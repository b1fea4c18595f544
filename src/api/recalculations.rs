//! Recalculations of everyone.

use super::auth::{Allowed, WriteProgram};
use super::extract::{Id, NoQuery};
use super::problem::{ApiError, ApiResult, Code, TOKEN, problems};
use super::read_of_store;
use super::wire::At;
use crate::db::recalculations::{self, RecalculationRow};
use crate::db::{Db, instant, maybe_instant};
use crate::workflow::Refusal;
use actix_web::{HttpResponse, get, web};
use serde::Serialize;
use utoipa::ToSchema;

/// A recalculation of everyone.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct RecalculationOut {
    /// The recalculation's identifier.
    #[schema(examples("0190a0c8-7e4e-7c3b-9d2f-0a1b2c3d4e5f"))]
    pub recalculation_id: String,
    /// `running`, `completed` or `failed`.
    #[schema(examples("completed"))]
    pub state: String,
    /// Why it failed.
    #[schema(required)]
    pub failure: Option<String>,
    /// Whether it only says what it would do.
    #[schema(examples(false))]
    pub dry_run: bool,
    /// Whether it drops achievements that the facts don't bear out.
    #[schema(examples(false))]
    pub allow_downgrades: bool,
    /// When it began.
    pub started_at: At,
    /// When it ended; null while it runs.
    #[schema(required)]
    pub finished_at: Option<At>,
    /// How many customers there were when it began.
    #[schema(examples(200))]
    pub customers_total: i64,
    /// How many customers it has come to.
    #[schema(examples(200))]
    pub customers_done: i64,
    /// How many of those it changed, or would change.
    #[schema(examples(12))]
    pub customers_changed: i64,
    /// How many of those now hold a higher tier, or would.
    #[schema(examples(3))]
    pub customers_upgraded: i64,
    /// How many of those now hold a lower tier, or would.
    #[schema(examples(0))]
    pub customers_downgraded: i64,
}

impl TryFrom<RecalculationRow> for RecalculationOut {
    type Error = ApiError;

    fn try_from(row: RecalculationRow) -> ApiResult<Self> {
        Ok(Self {
            recalculation_id: row.recalculation_id,
            state: row.state,
            failure: row.failure,
            dry_run: row.is_dry_run,
            allow_downgrades: row.allow_downgrades,
            started_at: At(instant(row.started_at)?),
            finished_at: maybe_instant(row.finished_at)?.map(At),
            customers_total: row.customers_total,
            customers_done: row.customers_done,
            customers_changed: row.customers_changed,
            customers_upgraded: row.customers_upgraded,
            customers_downgraded: row.customers_downgraded,
        })
    }
}

problems!(GetRecalculationProblems: TOKEN, &[Code::InvalidRequest, Code::NotFound, Code::StoreNotSetUp]);

/// How far a recalculation has come.
///
/// Roles: `administrator`, `platform_admin`.
#[utoipa::path(
    tag = "Program",
    operation_id = "get_recalculation",
    security(("token" = [])),
    params(("recalculation_id" = String, Path, description = "The recalculation's identifier.", pattern = "^[A-Za-z0-9._:-]{1,64}$", example = "0190a0c8-7e4e-7c3b-9d2f-0a1b2c3d4e5f")),
    responses((status = 200, description = "The recalculation as it stands.", body = RecalculationOut), GetRecalculationProblems),
)]
#[get("/v1/program/recalculations/{recalculation_id}")]
pub async fn get_recalculation(
    allowed: Allowed<WriteProgram>,
    id: Id<String>,
    _: NoQuery,
    db: web::Data<Db>,
) -> ApiResult<HttpResponse> {
    let (_, row) = read_of_store(&db, allowed.caller.store, move |tx, store, _| {
        Ok(recalculations::find(tx, store, &id.0)?.ok_or(Refusal::NotFound("recalculation"))?)
    })
    .await?;
    Ok(HttpResponse::Ok().json(RecalculationOut::try_from(row)?))
}
