//! The audit log.

use super::auth::{Allowed, ReadAudit};
use super::extract::Query;
use super::problem::{ApiResult, Code, TOKEN, problems};
use super::read_of_store;
use super::wire::{self, At, LIMIT_DEFAULT};
use crate::db::audit::{self, EntryRow, Filter};
use crate::db::{Db, instant};
use actix_web::{HttpResponse, get, web};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};
use validator::Validate;

/// What the log is narrowed down to.
#[derive(Debug, Deserialize, IntoParams, Validate)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct AuditQuery {
    /// Only entries about this customer.
    #[param(pattern = "^[A-Za-z0-9._:-]{1,64}$", example = "c1")]
    customer_id: Option<String>,
    /// Only what this operator did: the subject of the token, `accolade` for
    /// what rules and time brought.
    #[param(min_length = 1, max_length = 255, example = "ann")]
    subject: Option<String>,
    /// Only this action.
    #[param(pattern = "^[A-Za-z0-9._:-]{1,64}$", example = "status_changed")]
    action: Option<String>,
    /// Only entries of this instant or later.
    #[param(inline, example = "2024-01-01T00:00:00Z")]
    from: Option<At>,
    /// Only entries before this instant.
    #[param(inline, example = "2030-01-01T00:00:00Z")]
    before: Option<At>,
    /// How many to answer: 1 to 200, 50 by default.
    #[param(minimum = 1, maximum = 200, example = 50)]
    limit: Option<i64>,
    /// Where to go on: the `next_cursor` of the page before.
    #[validate(custom(function = "wire::is_cursor"))]
    #[param(format = "cursor", pattern = "^[A-Za-z0-9_-]+$", max_length = 1500)]
    cursor: Option<String>,
}

/// Something that was done.
#[derive(Debug, Serialize, ToSchema)]
pub struct AuditEntryOut {
    /// The entry.
    #[schema(examples("0197f3c2-5d7e-7b7e-9c1a-3f5b8a6d2e10"))]
    pub entry_id: String,
    /// When.
    #[schema(examples("2024-06-01T10:00:00Z"))]
    pub at: At,
    /// Who: the subject of the token; `accolade` for what rules and time brought.
    #[schema(examples("ann"))]
    pub subject: String,
    /// The role of that token; `system` for what rules and time brought.
    #[schema(examples("manager"))]
    pub role: String,
    /// What: `status_changed`, `designated`, `designation_changed`,
    /// `designation_ended`, `linked`, `unlinked`, `customer_changed`,
    /// `customer_erased`, `membership_recalculated`, `program_changed`,
    /// `program_paused`, `program_resumed`, `tiers_changed`, `tier_changed`,
    /// `tier_removed`, `way_to_earn_changed`, `way_to_earn_removed`,
    /// `benefit_changed`, `benefit_removed`, `rule_changed`, `rule_removed`,
    /// `nominated`, `nomination_approved`, `nomination_declined`,
    /// `credit_redeemed`, `credit_adjusted` or `credit_expired`.
    #[schema(examples("status_changed"))]
    pub action: String,
    /// Whom it concerns; null where it is no customer.
    #[schema(required, examples("c1"))]
    pub customer_id: Option<String>,
    /// What was, of the fields that have changed.
    #[schema(value_type = Object, examples(json!({"status": "active"})))]
    pub before: Value,
    /// What became of them; `fields` names personal ones too, whose texts the
    /// log never holds.
    #[schema(value_type = Object, examples(json!({"status": "caution"})))]
    pub after: Value,
    /// Why, as the person put it; gone where the customer was erased.
    #[schema(required, examples("Disputed the last two payments."))]
    pub note: Option<String>,
}

impl AuditEntryOut {
    fn new(row: EntryRow) -> ApiResult<Self> {
        Ok(Self {
            at: At(instant(row.recorded_at)?),
            before: serde_json::from_str(&row.before).unwrap_or_default(),
            after: serde_json::from_str(&row.after).unwrap_or_default(),
            entry_id: row.entry_id,
            subject: row.subject,
            role: row.role,
            action: row.action,
            customer_id: row.customer_id,
            note: row.note,
        })
    }
}

/// A page of the log.
#[derive(Debug, Serialize, ToSchema)]
pub struct AuditOut {
    /// The entries, newest first.
    pub entries: Vec<AuditEntryOut>,
    /// Where the next page begins; null on the last one.
    #[schema(required)]
    pub next_cursor: Option<String>,
}

problems!(ListAuditProblems: TOKEN, &[Code::InvalidRequest, Code::StoreNotSetUp]);

/// Who changed what, newest first. Entries are never changed nor deleted.
///
/// Roles: `manager`, `administrator`, `platform_admin`.
#[utoipa::path(
    tag = "Audit and events",
    operation_id = "list_audit",
    security(("token" = [])),
    params(AuditQuery),
    responses((status = 200, description = "A page of the log.", body = AuditOut), ListAuditProblems),
)]
#[get("/v1/audit")]
pub async fn list_audit(
    allowed: Allowed<ReadAudit>,
    query: Query<AuditQuery>,
    db: web::Data<Db>,
) -> ApiResult<HttpResponse> {
    let query = query.0;
    let limit = query.limit.unwrap_or(LIMIT_DEFAULT);
    let after = query.cursor.as_deref().and_then(wire::parse_cursor);
    let filter = Filter {
        customer: query.customer_id,
        subject: query.subject,
        actions: query.action.into_iter().collect(),
        from: query.from.map(|at| at.0),
        before: query.before.map(|at| at.0),
    };
    let (_, rows) = read_of_store(&db, allowed.caller.store, move |tx, store, _| {
        Ok(audit::list(tx, store, &filter, after.as_ref(), limit.saturating_add(1))?)
    })
    .await?;
    let (rows, next_cursor) = wire::page(rows, limit, EntryRow::seek);
    let entries = rows.into_iter().map(AuditEntryOut::new).collect::<ApiResult<_>>()?;
    Ok(HttpResponse::Ok().json(AuditOut { entries, next_cursor }))
}
