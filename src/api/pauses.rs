//! The program's switch: pause and resume.

use super::auth::{Allowed, Caller, WriteProgram};
use super::changes::{CHANGE, ChangeQuery, Followed, context, follow_up};
use super::extract::{IfMatchHeader, Query, etag};
use super::idempotency::{IdempotencyKey, answer, respond};
use super::problem::{ApiError, ApiResult, Code, KEYED, TOKEN, problems};
use super::program::ProgramOut;
use super::recalculations::RecalculationOut;
use crate::db::{Db, Tx};
use crate::domain::change::{pause, resume};
use crate::workflow;
use crate::workflow::idempotency::{Answer, Answered, Keyed, once};
use crate::workflow::programs::{Changed, Options, Switch, change_pauses};
use actix_web::http::StatusCode;
use actix_web::{HttpResponse, post, web};

async fn switch(
    caller: &Caller,
    options: Options,
    if_match: workflow::IfMatch,
    db: &Db,
    (action, switch): (&'static str, Switch),
    keyed: Option<Keyed>,
) -> ApiResult<HttpResponse> {
    let context = context(caller, action);
    let change = move |tx: &mut Tx<'_>| change_pauses(tx, &context, options, &if_match, switch);
    if let Some(keyed) = keyed {
        return switch_once(caller, db, keyed, change).await;
    }
    let changed = db.write(change).await?;
    let Followed { record, recalculation, version } = follow_up(db, &caller.store, changed).await?;
    Ok(HttpResponse::Ok()
        .insert_header(etag(version))
        .json(ProgramOut::new(&record.program, recalculation)))
}

/// With a key, what is answered is kept in the transaction of the change, so
/// it is as things stand then: a recalculation has yet to come to anybody.
async fn switch_once(
    caller: &Caller,
    db: &Db,
    keyed: Keyed,
    change: impl FnOnce(&mut Tx<'_>) -> workflow::Result<Changed> + Send + 'static,
) -> ApiResult<HttpResponse> {
    let Answered { answer, made } = once(db, keyed, move |tx| {
        let changed = change(tx)?;
        let recalculation = changed.recalculation.clone().map(RecalculationOut::try_from);
        let out = ProgramOut::new(&changed.record.program, recalculation.transpose()?);
        let (_, etag) = etag(changed.version);
        let answer = Answer { etag: Some(etag), ..answer(StatusCode::OK, &out)? };
        Ok::<_, ApiError>((answer, changed))
    })
    .await?;
    let is_replay = made.is_none();
    if let Some(changed) = made
        && follow_up(db, &caller.store, changed).await.is_err()
    {
        // It was done, and the background goes on with the rest.
        tracing::warn!("a recalculation is left to the background");
    }
    respond(answer, is_replay)
}

problems!(PauseProblems: TOKEN, CHANGE, KEYED, &[Code::AlreadyPaused, Code::PausesOverlap]);

/// Pause the program.
///
/// From then on nothing counts and no period ends; tiers stay. Lifetime
/// figures go on. With an `Idempotency-Key`, `recalculation` is as it begins.
/// Roles: `administrator`, `platform_admin`.
#[utoipa::path(
    tag = "Program",
    operation_id = "pause_program",
    security(("token" = [])),
    params(
        ChangeQuery,
        ("If-Match" = Option<String>, Header, description = "Pause it only if it is still this version (an `ETag`)."),
        IdempotencyKey,
    ),
    responses((status = 200, description = "The program, paused.", body = ProgramOut), PauseProblems),
)]
#[post("/v1/program/pause")]
pub async fn pause_program(
    allowed: Allowed<WriteProgram>,
    query: Query<ChangeQuery>,
    if_match: IfMatchHeader,
    key: IdempotencyKey,
    db: web::Data<Db>,
) -> ApiResult<HttpResponse> {
    let caller = &allowed.caller;
    // What might stand in a body is not looked at.
    let keyed = key.of("pause_program", caller, b"");
    switch(caller, query.0.options(), if_match.0, &db, ("program_paused", pause), keyed).await
}

problems!(ResumeProblems: TOKEN, CHANGE, KEYED, &[Code::NotPaused, Code::PausesOverlap]);

/// Resume the program.
///
/// Customers go on from exactly where they left off; each open period ends at
/// its next boundary. With an `Idempotency-Key`, `recalculation` is as it
/// begins. Roles: `administrator`, `platform_admin`.
#[utoipa::path(
    tag = "Program",
    operation_id = "resume_program",
    security(("token" = [])),
    params(
        ChangeQuery,
        ("If-Match" = Option<String>, Header, description = "Resume it only if it is still this version (an `ETag`)."),
        IdempotencyKey,
    ),
    responses((status = 200, description = "The program, running.", body = ProgramOut), ResumeProblems),
)]
#[post("/v1/program/resume")]
pub async fn resume_program(
    allowed: Allowed<WriteProgram>,
    query: Query<ChangeQuery>,
    if_match: IfMatchHeader,
    key: IdempotencyKey,
    db: web::Data<Db>,
) -> ApiResult<HttpResponse> {
    let caller = &allowed.caller;
    let keyed = key.of("resume_program", caller, b"");
    switch(caller, query.0.options(), if_match.0, &db, ("program_resumed", resume), keyed).await
}
