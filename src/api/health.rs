//! Whether the service lives, and whether it is ready.

use super::extract::NoQuery;
use super::instance::Instance;
use super::problem::{ApiError, ApiResult, Code, problems};
use crate::db::Db;
use actix_web::{HttpResponse, get, web};
use serde::Serialize;
use std::time::Duration;
use utoipa::ToSchema;

/// How long the database is waited for: who asks should hear within a second
/// that it does not answer.
const PATIENCE: Duration = Duration::from_millis(700);

/// How the service is.
#[derive(Debug, Serialize, ToSchema)]
pub struct HealthOut {
    /// Always `ok`.
    #[schema(examples("ok"))]
    pub status: &'static str,
}

problems!(HealthProblems: &[Code::InvalidRequest]);

/// Whether the service lives.
///
/// 200 while the process does, whatever becomes of the database: restart it on
/// anything else. Wants no token.
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

/// Whether the service is ready.
///
/// 503 while the database does not answer within 0.7 seconds or requests find no
/// connection, and from SIGTERM on: route traffic by it. Wants no token.
#[utoipa::path(
    tag = "Operation",
    operation_id = "get_readiness",
    security(()),
    responses((status = 200, description = "It is ready.", body = HealthOut), ReadinessProblems),
)]
#[get("/readyz")]
pub async fn get_readiness(
    _: NoQuery,
    db: web::Data<Db>,
    instance: web::Data<Instance>,
) -> ApiResult<HttpResponse> {
    if instance.is_draining() {
        return Err(ApiError::new(Code::Unavailable));
    }
    match tokio::time::timeout(PATIENCE, db.read_once(|tx| tx.ping())).await {
        Ok(Ok(())) => return Ok(HttpResponse::Ok().json(HealthOut { status: "ok" })),
        Ok(Err(error)) => tracing::warn!(%error, "not ready"),
        Err(_) => tracing::warn!("not ready: the database does not answer in time"),
    }
    Err(ApiError::new(Code::Unavailable))
}
