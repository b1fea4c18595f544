//! The program's switch: pause and resume.

use super::auth::{Allowed, Caller, WriteProgram};
use super::changes::{CHANGE, ChangeQuery, context, follow_up, version_after};
use super::extract::{IfMatchHeader, Query, etag};
use super::problem::{ApiResult, Code, TOKEN, problems};
use super::program::ProgramOut;
use crate::db::Db;
use crate::domain::change::{pause, resume};
use crate::workflow;
use crate::workflow::programs::{Options, Switch, change_pauses};
use actix_web::{HttpResponse, post, web};

async fn switch(
    caller: &Caller,
    options: Options,
    if_match: workflow::IfMatch,
    db: &Db,
    (action, switch): (&'static str, Switch),
) -> ApiResult<HttpResponse> {
    let context = context(caller, action);
    let changed =
        db.write(move |tx| change_pauses(tx, &context, options, &if_match, switch)).await?;
    let (record, recalculation) = follow_up(db, &caller.store, changed).await?;
    let version = version_after(db, &caller.store).await?;
    Ok(HttpResponse::Ok()
        .insert_header(etag(version))
        .json(ProgramOut::new(&record.program, recalculation)))
}

problems!(PauseProblems: TOKEN, CHANGE, &[Code::InvalidRequest, Code::AlreadyPaused, Code::PausesOverlap]);

/// Pause the program.
///
/// From then on nothing counts and no period ends; tiers stay. Lifetime
/// figures go on. Roles: `administrator`, `platform_admin`.
#[utoipa::path(
    tag = "Program",
    operation_id = "pause_program",
    security(("token" = [])),
    params(ChangeQuery, ("If-Match" = Option<String>, Header, description = "Pause it only if it is still this version (an `ETag`).")),
    responses((status = 200, description = "The program, paused.", body = ProgramOut), PauseProblems),
)]
#[post("/v1/program/pause")]
pub async fn pause_program(
    allowed: Allowed<WriteProgram>,
    query: Query<ChangeQuery>,
    if_match: IfMatchHeader,
    db: web::Data<Db>,
) -> ApiResult<HttpResponse> {
    switch(&allowed.caller, query.0.options(), if_match.0, &db, ("program_paused", pause)).await
}

problems!(ResumeProblems: TOKEN, CHANGE, &[Code::InvalidRequest, Code::NotPaused, Code::PausesOverlap]);

/// Resume the program.
///
/// Customers go on from exactly where they left off; each open period ends at
/// its next boundary. Roles: `administrator`, `platform_admin`.
#[utoipa::path(
    tag = "Program",
    operation_id = "resume_program",
    security(("token" = [])),
    params(ChangeQuery, ("If-Match" = Option<String>, Header, description = "Resume it only if it is still this version (an `ETag`).")),
    responses((status = 200, description = "The program, running.", body = ProgramOut), ResumeProblems),
)]
#[post("/v1/program/resume")]
pub async fn resume_program(
    allowed: Allowed<WriteProgram>,
    query: Query<ChangeQuery>,
    if_match: IfMatchHeader,
    db: web::Data<Db>,
) -> ApiResult<HttpResponse> {
    switch(&allowed.caller, query.0.options(), if_match.0, &db, ("program_resumed", resume)).await
}
