//! The history of the program's rules.

use super::auth::{Allowed, ReadOne};
use super::extract::Query;
use super::problem::{ANY_TOKEN, ApiResult, Code, problems};
use super::program::RulesOut;
use super::read_of_store;
use super::tiers::RungOut;
use super::ways_to_earn::WayToEarnOut;
use super::wire::{self, At, PageQuery};
use crate::db::Db;
use crate::db::page::Seek;
use crate::db::programs::{self, RevisionRecord};
use actix_web::{HttpResponse, get, web};
use serde::Serialize;
use utoipa::ToSchema;

/// One version of the rules.
#[derive(Debug, Serialize, ToSchema)]
pub struct RevisionOut {
    /// Counts the store's revisions from 1.
    #[schema(examples(2))]
    pub revision: i64,
    /// From when on it holds. The first one in force also judges all that is older.
    pub effective_from: At,
    /// The rules.
    #[serde(flatten)]
    pub rules: RulesOut,
    /// The tiers, by rank.
    pub tiers: Vec<RungOut>,
    /// The ways to earn points, by code.
    pub ways_to_earn: Vec<WayToEarnOut>,
    /// When it was made.
    pub recorded_at: At,
    /// The subject of the token that made it.
    #[schema(examples("ann"))]
    pub recorded_by: String,
    /// The revision that took its place; null while it is in force.
    #[schema(required, examples(3))]
    pub superseded_by: Option<i64>,
}

/// A page of revisions.
#[derive(Debug, Serialize, ToSchema)]
pub struct RevisionsOut {
    /// The revisions, newest first, superseded ones too.
    pub revisions: Vec<RevisionOut>,
    /// Where the next page begins; null on the last one.
    #[schema(required)]
    pub next_cursor: Option<String>,
}

problems!(ListRevisionsProblems: ANY_TOKEN, &[Code::InvalidRequest, Code::StoreNotSetUp]);

/// The history of the program's rules.
///
/// Roles: all.
#[utoipa::path(
    tag = "Program",
    operation_id = "list_program_revisions",
    security(("token" = [])),
    params(PageQuery),
    responses((status = 200, description = "A page of revisions.", body = RevisionsOut), ListRevisionsProblems),
)]
#[get("/v1/program/revisions")]
pub async fn list_program_revisions(
    allowed: Allowed<ReadOne>,
    query: Query<PageQuery>,
    db: web::Data<Db>,
) -> ApiResult<HttpResponse> {
    let limit = query.0.limit();
    let below = query.0.after().map(|seek| seek.number);
    let (record, rows) = read_of_store(&db, allowed.caller.store, move |tx, store, _| {
        Ok(programs::list_revisions(tx, store, below, limit.saturating_add(1))?)
    })
    .await?;
    let currency = record.program.currency;
    let (rows, next_cursor) = wire::page(rows, limit, |row: &RevisionRecord| {
        Seek::number(row.revision.number, String::new())
    });
    let revisions = rows.iter().map(|row| RevisionOut {
        revision: row.revision.number,
        effective_from: At(row.revision.effective_from),
        rules: RulesOut::from(&row.revision.rules),
        tiers: RungOut::list(&row.revision.rules, currency),
        ways_to_earn: row.revision.rules.ways().iter().map(WayToEarnOut::from).collect(),
        recorded_at: At(row.recorded_at),
        recorded_by: row.recorded_by.clone(),
        superseded_by: row.superseded_by,
    });
    Ok(HttpResponse::Ok().json(RevisionsOut { revisions: revisions.collect(), next_cursor }))
}
