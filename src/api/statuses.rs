//! The badge's one word, and the note that explains it.

use super::auth::{Allowed, ManageDesignations, ReadBadges, WriteFlags};
use super::extract::{Id, IfMatchHeader, Json, NoQuery, Query, etag};
use super::problem::{ApiResult, BODY, Code, TOKEN, problems};
use super::read_of_store;
use super::wire::{self, At, PageQuery, words};
use crate::db::audit::{self, EntryRow, Filter};
use crate::db::customers::{self, CustomerRow};
use crate::db::designations::{self as designation_rows, DesignationRecord};
use crate::db::{Db, instant, maybe_instant};
use crate::domain::Instant;
use crate::domain::id::CustomerId;
use crate::domain::status::Status;
use crate::domain::words::word;
use crate::workflow::Refusal;
use crate::workflow::designations::{self, StatusWish};
use actix_web::{HttpResponse, get, put, web};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use validator::Validate;

words! {
    /// How the team is to treat a customer, in a word.
    StatusWire as Status => Status {
        /// In good standing (green).
        Active,
        /// Designated as a VIP: take extra care (blue).
        Vip,
        /// Something has come up: pay attention (amber).
        Caution,
        /// Not to be sold to (red).
        DoNotServe,
    }
}

/// A status as a person sets it.
#[derive(Debug, Clone, Deserialize, ToSchema, Validate)]
#[serde(deny_unknown_fields)]
pub struct StatusIn {
    /// `caution` and `do_not_serve` flag the customer; `active` clears a flag,
    /// and on a VIP without a flag ends the designation; `vip` clears a flag
    /// and designates, with the note for the designation's.
    status: StatusWire,
    /// Why: the next person reads it before they engage.
    #[schema(
        max_length = 2000,
        pattern = r"^[^\x00-\x08\x0b\x0c\x0e-\x1f\x7f]*[^\x00-\x20\x7f][^\x00-\x08\x0b\x0c\x0e-\x1f\x7f]*$",
        examples("Disputed the last two payments.")
    )]
    note: String,
    /// Has to be true where this ends a designation.
    #[serde(default)]
    #[schema(examples(true))]
    confirm: Option<bool>,
}

/// A customer's status.
#[derive(Debug, Serialize, ToSchema)]
pub struct StatusOut {
    /// The customer.
    #[schema(examples("c1"))]
    pub customer_id: String,
    /// The word: `active`, `vip`, `caution` or `do_not_serve`.
    #[schema(examples("caution"))]
    pub status: String,
    /// The badge's colour: `green`, `blue`, `amber` or `red`.
    #[schema(examples("amber"))]
    pub colour: String,
    /// The note that explains it: why the customer is flagged, or what staff
    /// wrote about the VIP; null where nobody wrote any.
    #[schema(required, examples("Disputed the last two payments."))]
    pub note: Option<String>,
    /// When the flag was set; null where there is none.
    #[schema(required, examples("2024-06-01T10:00:00Z"))]
    pub changed_at: Option<At>,
    /// The subject of the token that set the flag.
    #[schema(required, examples("ann"))]
    pub changed_by: Option<String>,
}

impl StatusOut {
    fn new(
        row: &CustomerRow,
        designation: Option<&DesignationRecord>,
        now: Instant,
    ) -> ApiResult<Self> {
        let status = row.status(now)?;
        let notes = designation.and_then(|known| known.notes.as_deref());
        Ok(Self {
            customer_id: row.customer_id.clone(),
            status: word(&Status::WORDS, &status).to_owned(),
            colour: status.colour().to_owned(),
            note: status.explanation(row.flag_note.as_deref(), notes).map(str::to_owned),
            changed_at: maybe_instant(row.flagged_at)?.map(At),
            changed_by: row.flagged_by.clone(),
        })
    }
}

problems!(GetStatusProblems: TOKEN, &[Code::InvalidRequest, Code::NotFound, Code::StoreNotSetUp]);

/// A customer's status, and the note that explains it.
///
/// The word is the flag that staff have set, else `vip` while a designation
/// is active, else `active`. Roles: `support`, `manager`, `administrator`,
/// `platform_admin`.
#[utoipa::path(
    tag = "Statuses",
    operation_id = "get_status",
    security(("token" = [])),
    params(("customer_id" = String, Path, description = "The customer's identifier.", pattern = "^[A-Za-z0-9._:-]{1,64}$", example = "c1")),
    responses((status = 200, description = "The status now.", body = StatusOut), GetStatusProblems),
)]
#[get("/v1/customers/{customer_id}/status")]
pub async fn get_status(
    allowed: Allowed<ReadBadges>,
    id: Id<CustomerId>,
    _: NoQuery,
    db: web::Data<Db>,
) -> ApiResult<HttpResponse> {
    let (_, (row, designation)) = read_of_store(&db, allowed.caller.store, move |tx, store, _| {
        let row = customers::find(tx, store, &id.0)?.ok_or(Refusal::NotFound("customer"))?;
        Ok((row, designation_rows::find(tx, store, &id.0)?))
    })
    .await?;
    let out = StatusOut::new(&row, designation.as_ref(), wire::now())?;
    Ok(HttpResponse::Ok().insert_header(etag(row.version)).json(out))
}

problems!(PutStatusProblems: TOKEN, BODY, &[
    Code::StoreNotSetUp, Code::NotFound, Code::CustomerErased, Code::PreconditionFailed,
    Code::ConfirmationRequired, Code::BenefitsMustEndFirst, Code::DesignationWouldHaveEnded,
    Code::FigureOverflow,
]);

/// Set a customer's status, with a note that says why.
///
/// It is a signal to staff and blocks no order; a pending order that comes in
/// from a flagged customer raises the event `order_flagged`. `vip`, and `active` on a VIP
/// without a flag, change the designation, the note being the reason: they
/// need the role `manager` or higher, and ending it needs `confirm`. Roles:
/// `support`, `manager`, `administrator`, `platform_admin`.
#[utoipa::path(
    tag = "Statuses",
    operation_id = "put_status",
    security(("token" = [])),
    params(
        ("customer_id" = String, Path, description = "The customer's identifier.", pattern = "^[A-Za-z0-9._:-]{1,64}$", example = "c1"),
        ("If-Match" = Option<String>, Header, description = "Set it only if the customer is still this version (an `ETag`)."),
    ),
    request_body(content = StatusIn, example = json!({"status": "caution", "note": "Disputed the last two payments."})),
    responses((status = 200, description = "The status as it is now.", body = StatusOut), PutStatusProblems),
)]
#[put("/v1/customers/{customer_id}/status")]
pub async fn put_status(
    allowed: Allowed<WriteFlags>,
    id: Id<CustomerId>,
    _: NoQuery,
    if_match: IfMatchHeader,
    body: Json<StatusIn>,
    db: web::Data<Db>,
) -> ApiResult<HttpResponse> {
    let caller = allowed.caller;
    let StatusIn { status, note, confirm } = body.0;
    let wish = StatusWish {
        status: status.into(),
        note,
        may_designate: caller.may::<ManageDesignations>(),
        is_confirmed: confirm.unwrap_or(false),
    };
    if wish.status == Status::Vip && !wish.may_designate {
        return Err(Refusal::Forbidden.into());
    }
    let now = wire::now();
    let (row, designation) = db
        .write(move |tx| {
            let actor = caller.actor();
            designations::put_status(tx, &caller.store, &id.0, &wish, &if_match.0, &actor, now)
        })
        .await?;
    let out = StatusOut::new(&row, designation.as_ref(), wire::now())?;
    Ok(HttpResponse::Ok().insert_header(etag(row.version)).json(out))
}

/// A change of a customer's status.
#[derive(Debug, Serialize, ToSchema)]
pub struct StatusChangeOut {
    /// When.
    #[schema(examples("2024-06-01T10:00:00Z"))]
    pub at: At,
    /// The word before.
    #[schema(examples("active"))]
    pub from: String,
    /// The word after; the same where only the note is new.
    #[schema(examples("caution"))]
    pub to: String,
    /// The subject of the token that did it; `accolade` for what rules and time bring.
    #[schema(examples("ann"))]
    pub by: String,
    /// The role of that token; `system` for what rules and time bring.
    #[schema(examples("support"))]
    pub role: String,
    /// Why.
    #[schema(required, examples("Disputed the last two payments."))]
    pub note: Option<String>,
}

impl StatusChangeOut {
    fn new(row: &EntryRow) -> ApiResult<Self> {
        let status = |values: &str| {
            let values: serde_json::Value = serde_json::from_str(values).unwrap_or_default();
            values.get("status").and_then(|s| s.as_str()).unwrap_or_default().to_owned()
        };
        Ok(Self {
            at: At(instant(row.recorded_at)?),
            from: status(&row.before),
            to: status(&row.after),
            by: row.subject.clone(),
            role: row.role.clone(),
            note: row.note.clone(),
        })
    }
}

/// A page of changes.
#[derive(Debug, Serialize, ToSchema)]
pub struct StatusChangesOut {
    /// The changes, newest first.
    pub changes: Vec<StatusChangeOut>,
    /// Where the next page begins; null on the last one.
    #[schema(required)]
    pub next_cursor: Option<String>,
}

problems!(ListStatusChangesProblems: TOKEN, &[Code::InvalidRequest, Code::NotFound, Code::StoreNotSetUp]);

/// The history of a customer's status, newest first.
///
/// Roles: `support`, `manager`, `administrator`, `platform_admin`.
#[utoipa::path(
    tag = "Statuses",
    operation_id = "list_status_changes",
    security(("token" = [])),
    params(
        ("customer_id" = String, Path, description = "The customer's identifier.", pattern = "^[A-Za-z0-9._:-]{1,64}$", example = "c1"),
        PageQuery,
    ),
    responses((status = 200, description = "A page of changes.", body = StatusChangesOut), ListStatusChangesProblems),
)]
#[get("/v1/customers/{customer_id}/status/history")]
pub async fn list_status_changes(
    allowed: Allowed<ReadBadges>,
    id: Id<CustomerId>,
    query: Query<PageQuery>,
    db: web::Data<Db>,
) -> ApiResult<HttpResponse> {
    let (limit, after) = (query.0.limit(), query.0.after());
    let (_, rows) = read_of_store(&db, allowed.caller.store, move |tx, store, _| {
        customers::find(tx, store, &id.0)?.ok_or(Refusal::NotFound("customer"))?;
        let filter = Filter {
            customer: Some(id.0.to_string()),
            actions: vec!["status_changed".to_owned()],
            ..Filter::default()
        };
        Ok(audit::list(tx, store, &filter, after.as_ref(), limit.saturating_add(1))?)
    })
    .await?;
    let (rows, next_cursor) = wire::page(rows, limit, EntryRow::seek);
    let changes = rows.iter().map(StatusChangeOut::new).collect::<ApiResult<_>>()?;
    Ok(HttpResponse::Ok().json(StatusChangesOut { changes, next_cursor }))
}
