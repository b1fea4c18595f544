//! Whether the service lives, and whether it is ready.

use super::extract::NoQuery;
use super::problem::{ApiResult, Code, problems};
use crate::db::Db;
use actix_web::{HttpResponse, get, web};
use serde::Serialize;
use utoipa::ToSchema;

/// How the service is.
#[derive(Debug, Serialize, ToSchema)]
pub struct HealthOut {
    /// Always `ok`.
    #[schema(examples("ok"))]
    pub status: &'static str,
}

problems!(HealthProblems: &[Code::InvalidRequest]);

/// Whether the service lives; it asks no database.
#[utoipa::path(
    tag = "Operation",
    operation_id = "get_health",
    security(()),
    responses((status = 200, description = "It lives.", body = HealthOut), HealthProblems),
)]
#[get("/healthz")]
pub async fn get_health(_: NoQuery) -> HttpResponse {
    HttpResponse::Ok().json(HealthOut { status: "ok" })
}

problems!(ReadinessProblems: &[Code::InvalidRequest, Code::Unavailable]);

/// Whether the service is ready: the database answers.
#[utoipa::path(
    tag = "Operation",
    operation_id = "get_readiness",
    security(()),
    responses((status = 200, description = "It is ready.", body = HealthOut), ReadinessProblems),
)]
#[get("/readyz")]
pub async fn get_readiness(_: NoQuery, db: web::Data<Db>) -> ApiResult<HttpResponse> {
    let db = db.get_ref().clone();
    let ping = db.read(|tx| tx.ping()).await;
    ping.map_err(|error| {
        tracing::warn!(%error, "not ready");
        super::problem::ApiError::new(Code::Unavailable)
    })?;
    Ok(HttpResponse::Ok().json(HealthOut { status: "ok" }))
}
