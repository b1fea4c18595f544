//! Links between customers.

use super::auth::{Allowed, ReadBadges, WriteFlags};
use super::extract::{Id, IdPair, IfMatchHeader, Json, NoQuery, etag};
use super::problem::{ApiError, ApiResult, BODY, Code, Fault, TOKEN, problems};
use super::read_of_store;
use super::wire::{self, At};
use crate::db::customers::{self, status_of};
use crate::db::links::{self, LinkRow};
use crate::db::{Db, instant};
use crate::domain::id::CustomerId;
use crate::domain::status::Status;
use crate::domain::words::word;
use crate::workflow::{self, Refusal};
use actix_web::{HttpResponse, delete, get, put, web};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use validator::Validate;

/// What links two customers.
#[derive(Debug, Clone, Deserialize, ToSchema, Validate)]
#[serde(deny_unknown_fields)]
pub struct LinkIn {
    /// How they are related, in a word.
    #[schema(pattern = "^[A-Za-z0-9._:-]{1,64}$", examples("household"))]
    relation: String,
    /// What staff should know about it.
    #[serde(default)]
    #[schema(
        max_length = 2000,
        pattern = r"^[^\x00-\x08\x0b\x0c\x0e-\x1f\x7f]*[^\x00-\x20\x7f][^\x00-\x08\x0b\x0c\x0e-\x1f\x7f]*$",
        examples("Same delivery address.")
    )]
    note: Option<String>,
}

/// A linked customer.
#[derive(Debug, Serialize, ToSchema)]
pub struct LinkOut {
    /// The other customer.
    #[schema(examples("c2"))]
    pub customer_id: String,
    /// How they are related.
    #[schema(examples("household"))]
    pub relation: String,
    /// What staff should know about it.
    #[schema(required, examples("Same delivery address."))]
    pub note: Option<String>,
    /// The other customer's status.
    #[schema(examples("caution"))]
    pub status: String,
    /// Since when they are linked.
    #[schema(examples("2024-06-01T10:00:00Z"))]
    pub linked_at: At,
}

impl LinkOut {
    fn new(link: &LinkRow, status: Status) -> ApiResult<Self> {
        Ok(Self {
            customer_id: link.other_id.clone(),
            relation: link.relation.clone(),
            note: link.note.clone(),
            status: word(&Status::WORDS, &status).to_owned(),
            linked_at: At(instant(link.linked_at)?),
        })
    }
}

/// A customer's links.
#[derive(Debug, Serialize, ToSchema)]
pub struct LinksOut {
    /// The links, by the other customer's identifier; 100 at most.
    pub links: Vec<LinkOut>,
}

/// A link has two ends.
fn two_customers(pair: &IdPair<CustomerId>) -> ApiResult<()> {
    if pair.0 == pair.1 {
        let detail = "must be another customer";
        return Err(ApiError::invalid(vec![Fault::new("{other_id}", detail)]));
    }
    Ok(())
}

problems!(PutLinkProblems: TOKEN, BODY, &[
    Code::StoreNotSetUp, Code::NotFound, Code::CustomerErased, Code::PreconditionFailed,
    Code::TooManyLinks,
]);

/// Link two customers, or change what the link says.
///
/// The link is seen from both sides; while one of them carries `caution` or
/// `do_not_serve`, the other's badge warns of it. A customer's links are of the
/// customer's version: linking makes both customers a new one. Roles: `support`,
/// `manager`, `administrator`, `platform_admin`.
#[utoipa::path(
    tag = "Links",
    operation_id = "put_link",
    security(("token" = [])),
    params(
        ("customer_id" = String, Path, description = "One customer.", pattern = "^[A-Za-z0-9._:-]{1,64}$", example = "c1"),
        ("other_id" = String, Path, description = "The other customer.", pattern = "^[A-Za-z0-9._:-]{1,64}$", example = "c2"),
        ("If-Match" = Option<String>, Header, description = "Change it only if the customer of `customer_id` is still this version (an `ETag`)."),
    ),
    request_body(content = LinkIn, example = json!({"relation": "household", "note": "Same delivery address."})),
    responses(
        (status = 201, description = "They are linked now.", body = LinkOut),
        (status = 200, description = "The link as it is now.", body = LinkOut),
        PutLinkProblems,
    ),
)]
#[put("/v1/customers/{customer_id}/links/{other_id}")]
pub async fn put_link(
    allowed: Allowed<WriteFlags>,
    pair: IdPair<CustomerId>,
    _: NoQuery,
    if_match: IfMatchHeader,
    body: Json<LinkIn>,
    db: web::Data<Db>,
) -> ApiResult<HttpResponse> {
    two_customers(&pair)?;
    let caller = allowed.caller;
    let LinkIn { relation, note } = body.0;
    let (linked, status) = db
        .write(move |tx| {
            let (store, actor, now) = (&caller.store, caller.actor(), wire::now());
            let ids = (&pair.0, &pair.1);
            let says = (relation.as_str(), note.as_deref());
            let linked = workflow::links::put(tx, store, ids, says, &if_match.0, &actor, now)?;
            let other =
                customers::find(tx, store, &pair.1)?.ok_or(Refusal::NotFound("customer"))?;
            Ok::<_, workflow::Error>((linked, other.status(now)?))
        })
        .await?;
    let out = LinkOut::new(&linked.link, status)?;
    Ok(HttpResponse::build(super::orders::put_status(linked.stored))
        .insert_header(etag(linked.version))
        .json(out))
}

problems!(DeleteLinkProblems: TOKEN, &[
    Code::InvalidRequest, Code::StoreNotSetUp, Code::NotFound, Code::PreconditionFailed,
]);

/// Take the link between two customers away.
///
/// Also where one of them was erased. Roles: `support`, `manager`, `administrator`, `platform_admin`.
#[utoipa::path(
    tag = "Links",
    operation_id = "delete_link",
    security(("token" = [])),
    params(
        ("customer_id" = String, Path, description = "One customer.", pattern = "^[A-Za-z0-9._:-]{1,64}$", example = "c1"),
        ("other_id" = String, Path, description = "The other customer.", pattern = "^[A-Za-z0-9._:-]{1,64}$", example = "c2"),
        ("If-Match" = Option<String>, Header, description = "Take it away only if the customer of `customer_id` is still this version (an `ETag`)."),
    ),
    responses((status = 204, description = "They are not linked any more."), DeleteLinkProblems),
)]
#[delete("/v1/customers/{customer_id}/links/{other_id}")]
pub async fn delete_link(
    allowed: Allowed<WriteFlags>,
    pair: IdPair<CustomerId>,
    _: NoQuery,
    if_match: IfMatchHeader,
    db: web::Data<Db>,
) -> ApiResult<HttpResponse> {
    two_customers(&pair)?;
    let caller = allowed.caller;
    db.write(move |tx| {
        let (ids, actor) = ((&pair.0, &pair.1), caller.actor());
        workflow::links::delete(tx, &caller.store, ids, &if_match.0, &actor, wire::now())
    })
    .await?;
    Ok(HttpResponse::NoContent().finish())
}

problems!(ListLinksProblems: TOKEN, &[Code::InvalidRequest, Code::NotFound, Code::StoreNotSetUp]);

/// Whom a customer is linked to.
///
/// Roles: `support`, `manager`, `administrator`, `platform_admin`.
#[utoipa::path(
    tag = "Links",
    operation_id = "list_links",
    security(("token" = [])),
    params(("customer_id" = String, Path, description = "The customer's identifier.", pattern = "^[A-Za-z0-9._:-]{1,64}$", example = "c1")),
    responses((status = 200, description = "The links.", body = LinksOut), ListLinksProblems),
)]
#[get("/v1/customers/{customer_id}/links")]
pub async fn list_links(
    allowed: Allowed<ReadBadges>,
    id: Id<CustomerId>,
    _: NoQuery,
    db: web::Data<Db>,
) -> ApiResult<HttpResponse> {
    let (_, (version, rows)) = read_of_store(&db, allowed.caller.store, move |tx, store, _| {
        let customer = customers::find(tx, store, &id.0)?.ok_or(Refusal::NotFound("customer"))?;
        Ok((customer.version, links::list(tx, store, &id.0)?))
    })
    .await?;
    let now = wire::now();
    let out = rows
        .iter()
        .map(|row| LinkOut::new(&row.link, status_of(row.flag.as_deref(), row.vip_until, now)?));
    let links = out.collect::<ApiResult<_>>()?;
    Ok(HttpResponse::Ok().insert_header(etag(version)).json(LinksOut { links }))
}
