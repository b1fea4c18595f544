//! Badges: the one look-up for packers and support.

use super::auth::{Allowed, ReadBadges, ReadOne};
use super::benefits::BenefitOut;
use super::extract::{Id, Json, NoQuery, Query, rule};
use super::problem::{ANY_TOKEN, ApiError, ApiResult, BODY, Code, TOKEN, problems};
use super::rewards::BalancesOut;
use super::svg::{Drawing, draw};
use super::wire::{self, At};
use crate::db::Db;
use crate::db::badges::{FlaggedLink, Ids};
use crate::domain::badge::{HANDLING_NOTE, Had, Label, NoIcon, Source};
use crate::domain::benefit::{Benefit, Icon, access_from, hours_early};
use crate::domain::designation::Priority;
use crate::domain::id::{CustomerId, OrderId};
use crate::domain::money::{Amount, Currency};
use crate::domain::status::Status;
use crate::domain::tier::Tier;
use crate::domain::words::word;
use crate::workflow::badges::{Treated, read, read_one};
use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse, get, post, web};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use utoipa::{IntoParams, ToSchema};
use validator::{Validate, ValidationError};

/// The most identifiers of one look-up.
pub const IDS_MAX: usize = 500;

/// A tier on a badge.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct BadgeTierOut {
    /// The tier's code.
    #[schema(examples("gold"))]
    pub code: String,
    /// The tier's name.
    #[schema(examples("Gold"))]
    pub name: String,
    /// The tier's rank: higher is better.
    #[schema(examples(3))]
    pub rank: u32,
    /// The tier's picture: `star`, `bronze`, `silver`, `gold`, `platinum`,
    /// `diamond`, `crown` or `heart`.
    #[schema(examples("gold"))]
    pub icon: String,
}

impl From<&(Tier, Icon)> for BadgeTierOut {
    fn from((tier, icon): &(Tier, Icon)) -> Self {
        Self {
            code: tier.code.to_string(),
            name: tier.name.clone(),
            rank: tier.rank,
            icon: word(&Icon::WORDS, icon).to_owned(),
        }
    }
}

/// What is printed on a label.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct LabelOut {
    /// The icon; null where none is printed.
    #[schema(required, examples("gold"))]
    pub icon: Option<String>,
    /// The name of the tier; null where none is printed.
    #[schema(required, examples("Gold"))]
    pub tier_name: Option<String>,
    /// What packers are told; null where nothing is.
    #[schema(required, examples("VIP Customer - Premium Service"))]
    pub handling_note: Option<String>,
    /// Why no icon is printed: `designation_not_active` (no VIP, or paused, or
    /// ended), `icon_off_for_customer` (`print_vip_icon`),
    /// `template_without_icon` (`label_shows_icon`) or `do_not_serve`; null
    /// where one is.
    #[schema(required, examples("designation_not_active"))]
    pub no_icon_reason: Option<String>,
    /// Changes whenever anything above does: a printed label with another
    /// version is stale.
    #[schema(examples("kq3XvZ0bTsA"))]
    pub version: String,
}

impl From<&Label> for LabelOut {
    fn from(label: &Label) -> Self {
        let mut out = Self {
            icon: label.icon.ok().map(|icon| word(&Icon::WORDS, &icon).to_owned()),
            tier_name: label.tier_name.clone(),
            handling_note: label.has_handling_note.then(|| HANDLING_NOTE.to_owned()),
            no_icon_reason: label.icon.err().map(|why| word(&NoIcon::WORDS, &why).to_owned()),
            version: String::new(),
        };
        out.version = fingerprint(&serde_json::to_vec(&out).unwrap_or_default());
        out
    }
}

/// A short text that differs where contents do.
fn fingerprint(bytes: &[u8]) -> String {
    let digest = Sha256::digest(bytes);
    URL_SAFE_NO_PAD.encode(digest.iter().copied().take(9).collect::<Vec<u8>>())
}

/// Where support routes a customer.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct RoutingOut {
    /// How soon to serve: `low`, `normal`, `high` or `urgent`, by the
    /// designation or else by the tier.
    #[schema(examples("high"))]
    pub priority: String,
    /// The team that sees to this customer, by the designation or else by the tier.
    #[schema(required, examples("key-accounts"))]
    pub team: Option<String>,
    /// Who looks after this customer.
    #[schema(required, examples("sam"))]
    pub assigned_to: Option<String>,
    /// How the customer prefers to be contacted.
    #[schema(required, examples("email"))]
    pub preferred_channel: Option<String>,
}

/// A linked customer whom staff have flagged.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct WarningOut {
    /// The linked customer.
    #[schema(examples("c2"))]
    pub customer_id: String,
    /// How they are related.
    #[schema(examples("household"))]
    pub relation: String,
    /// What they carry: `caution` or `do_not_serve`.
    #[schema(examples("caution"))]
    pub status: String,
}

impl From<&FlaggedLink> for WarningOut {
    fn from(link: &FlaggedLink) -> Self {
        Self {
            customer_id: link.customer_id.clone(),
            relation: link.relation.clone(),
            status: link.flag.clone(),
        }
    }
}

/// What a customer ever came to.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct LifetimeOut {
    /// Money spent less refunds, in the program's currency.
    #[schema(examples("1250.00"))]
    pub amount_spent: String,
    /// Orders completed and not refunded in full.
    #[schema(examples(9))]
    pub orders_placed: i64,
    /// Points, of orders and of activities.
    #[schema(examples(1250))]
    pub points_earned: i64,
    /// When the customer joined, as stated or as found.
    #[schema(examples("2024-03-01T09:00:00Z"))]
    pub member_since: At,
    /// The newest completed order.
    #[schema(required, examples("2024-06-01T10:00:00Z"))]
    pub last_order_at: Option<At>,
}

/// How to treat one customer.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct BadgeOut {
    /// The customer.
    #[schema(examples("c1"))]
    pub customer_id: String,
    /// The order that was asked for; null where a customer was.
    #[schema(required, examples("o1"))]
    pub order_id: Option<String>,
    /// The name that staff read.
    #[schema(required, examples("Ada Byron"))]
    pub name: Option<String>,
    /// The one word: `active`, `vip`, `caution` or `do_not_serve`.
    #[schema(examples("vip"))]
    pub status: String,
    /// Its colour: `green`, `blue`, `amber` or `red`.
    #[schema(examples("blue"))]
    pub colour: String,
    /// The note that explains it: why the customer is flagged, or what staff
    /// wrote about the VIP; null where nobody wrote any.
    #[schema(required, examples("Disputed the last two payments."))]
    pub note: Option<String>,
    /// The effective tier: the higher of the membership's and an active designation's.
    #[schema(required)]
    pub tier: Option<BadgeTierOut>,
    /// The benefits that the customer has now; none while not to be served.
    pub benefits: Vec<BenefitOut>,
    /// What is printed on the label.
    pub label: LabelOut,
    /// Where support routes the customer.
    pub routing: RoutingOut,
    /// Linked customers whom staff have flagged.
    pub warnings: Vec<WarningOut>,
    /// What the customer ever came to.
    pub lifetime: LifetimeOut,
    /// The store credit and the points that the customer has now.
    pub balances: BalancesOut,
    /// The instant that this holds for.
    #[schema(examples("2024-06-01T10:00:00Z"))]
    pub as_of: At,
}

impl BadgeOut {
    fn new(treated: &Treated, currency: Currency) -> Self {
        let Treated { customer, membership, badge, .. } = treated;
        let lifetime = membership.lifetime;
        let notes = treated.designation.as_ref().and_then(|known| known.notes.as_deref());
        Self {
            customer_id: customer.customer_id.clone(),
            order_id: treated.order_id.clone(),
            name: customer.name.clone(),
            status: word(&Status::WORDS, &badge.status).to_owned(),
            colour: badge.status.colour().to_owned(),
            note: badge.status.explanation(customer.flag_note.as_deref(), notes).map(str::to_owned),
            tier: badge.tier.as_ref().map(BadgeTierOut::from),
            benefits: badge.benefits.iter().map(|had| BenefitOut::from(&had.benefit)).collect(),
            label: LabelOut::from(&badge.label),
            routing: RoutingOut {
                priority: word(&Priority::WORDS, &badge.priority).to_owned(),
                team: badge.team.clone(),
                assigned_to: badge.assigned_to.clone(),
                preferred_channel: customer.preferred_channel.clone(),
            },
            warnings: treated.flagged.iter().map(WarningOut::from).collect(),
            lifetime: LifetimeOut {
                amount_spent: Amount(lifetime.amount_spent, currency).to_string(),
                orders_placed: lifetime.orders_placed,
                points_earned: lifetime.points_earned,
                member_since: At(treated.joined_at),
                last_order_at: treated.last_order_at.map(At),
            },
            balances: BalancesOut::new(treated.balance, currency),
            as_of: At(membership.as_of),
        }
    }
}

/// What looking one customer up can be refused for.
const ONE: &[Code] =
    &[Code::InvalidRequest, Code::NotFound, Code::StoreNotSetUp, Code::FigureOverflow];

problems!(GetCustomerBadgeProblems: TOKEN, ONE);

/// How to treat a customer: one look-up for packers and support.
///
/// Roles: `support`, `manager`, `administrator`, `platform_admin`.
#[utoipa::path(
    tag = "Badges",
    operation_id = "get_customer_badge",
    security(("token" = [])),
    params(("customer_id" = String, Path, description = "The customer's identifier.", pattern = "^[A-Za-z0-9._:-]{1,64}$", example = "c1")),
    responses((status = 200, description = "The badge now.", body = BadgeOut), GetCustomerBadgeProblems),
)]
#[get("/v1/customers/{customer_id}/badge")]
pub async fn get_customer_badge(
    allowed: Allowed<ReadBadges>,
    id: Id<CustomerId>,
    _: NoQuery,
    db: web::Data<Db>,
) -> ApiResult<HttpResponse> {
    let ids = Ids::Customers(vec![id.0.to_string()]);
    let (program, treated) = read_one(&db, &allowed.caller.store, ids, wire::now()).await?;
    Ok(HttpResponse::Ok().json(BadgeOut::new(&treated, program.program.currency)))
}

problems!(GetOrderBadgeProblems: TOKEN, ONE);

/// How to treat the customer of an order.
///
/// Roles: `support`, `manager`, `administrator`, `platform_admin`.
#[utoipa::path(
    tag = "Badges",
    operation_id = "get_order_badge",
    security(("token" = [])),
    params(("order_id" = String, Path, description = "The order's identifier.", pattern = "^[A-Za-z0-9._:-]{1,64}$", example = "o1")),
    responses((status = 200, description = "The badge now.", body = BadgeOut), GetOrderBadgeProblems),
)]
#[get("/v1/orders/{order_id}/badge")]
pub async fn get_order_badge(
    allowed: Allowed<ReadBadges>,
    id: Id<OrderId>,
    _: NoQuery,
    db: web::Data<Db>,
) -> ApiResult<HttpResponse> {
    let ids = Ids::Orders(vec![id.0.to_string()]);
    let (program, treated) = read_one(&db, &allowed.caller.store, ids, wire::now()).await?;
    Ok(HttpResponse::Ok().json(BadgeOut::new(&treated, program.program.currency)))
}

/// Whose badges are wanted: one of the two lists.
#[derive(Debug, Clone, Deserialize, ToSchema, Validate)]
#[serde(deny_unknown_fields)]
#[validate(schema(function = "list_rules"))]
pub struct BadgesIn {
    /// Those of these customers.
    #[serde(default)]
    #[schema(min_items = 1, max_items = 500, examples(json!(["c1", "c2"])))]
    customer_ids: Option<Vec<WireId>>,
    /// Those of the customers of these orders.
    #[serde(default)]
    #[schema(min_items = 1, max_items = 500, examples(json!(["o1", "o2"])))]
    order_ids: Option<Vec<WireId>>,
}

/// An identifier.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(transparent)]
#[schema(as = Id, pattern = "^[A-Za-z0-9._:-]{1,64}$")]
pub struct WireId(String);

fn list_rules(wanted: &BadgesIn) -> Result<(), ValidationError> {
    match (&wanted.customer_ids, &wanted.order_ids) {
        (None, None) => Err(rule("", "needs customer_ids or order_ids")),
        (Some(_), Some(_)) => Err(rule("/order_ids", "does not go with customer_ids")),
        _ => Ok(()),
    }
}

/// Badges of many.
#[derive(Debug, Serialize, ToSchema)]
pub struct BadgesOut {
    /// The badges, in the order of the identifiers that were asked for.
    pub badges: Vec<BadgeOut>,
    /// Identifiers of nobody and nothing.
    #[schema(examples(json!([])))]
    pub unknown_ids: Vec<String>,
    /// Whether tiers may still be those from before a change of the program
    /// that has not come to everyone.
    #[schema(examples(false))]
    pub recalculating: bool,
}

problems!(ListBadgesProblems: TOKEN, BODY, &[Code::StoreNotSetUp]);

/// How to treat up to 500 customers, or the customers of up to 500 orders.
///
/// Roles: `support`, `manager`, `administrator`, `platform_admin`.
#[utoipa::path(
    tag = "Badges",
    operation_id = "list_badges",
    security(("token" = [])),
    request_body(content = BadgesIn, example = json!({"customer_ids": ["c1", "c2"]})),
    responses((status = 200, description = "The badges now.", body = BadgesOut), ListBadgesProblems),
)]
#[post("/v1/badges")]
pub async fn list_badges(
    allowed: Allowed<ReadBadges>,
    _: NoQuery,
    body: Json<BadgesIn>,
    db: web::Data<Db>,
) -> ApiResult<HttpResponse> {
    let BadgesIn { customer_ids, order_ids } = body.0;
    let of_orders = order_ids.is_some();
    let asked = customer_ids.or(order_ids).unwrap_or_default();
    let asked: Vec<String> = asked.into_iter().map(|id| id.0).collect();
    let ids = if of_orders { Ids::Orders(asked.clone()) } else { Ids::Customers(asked.clone()) };
    let answer = read(&db, &allowed.caller.store, ids, wire::now()).await?;
    let currency = answer.program.program.currency;
    let badges: BTreeMap<String, BadgeOut> = answer
        .treated
        .iter()
        .map(|treated| {
            let badge = BadgeOut::new(treated, currency);
            (badge.order_id.clone().unwrap_or_else(|| badge.customer_id.clone()), badge)
        })
        .collect();
    let (known, unknown): (Vec<_>, Vec<_>) =
        asked.into_iter().partition(|id| badges.contains_key(id));
    let badges = known.iter().filter_map(|id| badges.get(id).cloned()).collect();
    Ok(HttpResponse::Ok().json(BadgesOut {
        badges,
        unknown_ids: unknown,
        recalculating: answer.program.pending.is_some(),
    }))
}

problems!(GetBadgeSvgProblems: TOKEN, ONE);

/// The badge as a picture.
///
/// It changes with its `ETag`: `If-None-Match` spares sending it again. Roles:
/// `support`, `manager`, `administrator`, `platform_admin`.
#[utoipa::path(
    tag = "Badges",
    operation_id = "get_badge_svg",
    security(("token" = [])),
    params(
        ("customer_id" = String, Path, description = "The customer's identifier.", pattern = "^[A-Za-z0-9._:-]{1,64}$", example = "c1"),
        ("If-None-Match" = Option<String>, Header, description = "The `ETag` of the picture that the caller has.", example = "\"AbzrxWhH8TLb\""),
    ),
    responses(
        (status = 200, description = "The picture.", body = String, content_type = "image/svg+xml",
            headers(("ETag" = String, description = "The picture's, for `If-None-Match`."))),
        (status = 304, description = "The caller has it already.",
            headers(("ETag" = String, description = "The picture's, for `If-None-Match`."))),
        GetBadgeSvgProblems,
    ),
)]
#[get("/v1/customers/{customer_id}/badge.svg")]
pub async fn get_badge_svg(
    allowed: Allowed<ReadBadges>,
    id: Id<CustomerId>,
    _: NoQuery,
    request: HttpRequest,
    db: web::Data<Db>,
) -> ApiResult<HttpResponse> {
    let ids = Ids::Customers(vec![id.0.to_string()]);
    let (_, treated) = read_one(&db, &allowed.caller.store, ids, wire::now()).await?;
    let badge = &treated.badge;
    let picture = draw(&Drawing {
        status: word(&Status::WORDS, &badge.status),
        customer: treated.customer.name.as_deref(),
        tier: badge
            .tier
            .as_ref()
            .map(|(tier, icon)| (tier.name.as_str(), word(&Icon::WORDS, icon))),
    });
    let tag = format!("\"{}\"", fingerprint(picture.as_bytes()));
    let known = request.headers().get(header::IF_NONE_MATCH).and_then(|known| known.to_str().ok());
    let is_tag = |known: &str| known == "*" || known.trim_start_matches("W/") == tag;
    let is_known = known.is_some_and(|known| known.split(',').map(str::trim).any(is_tag));
    let mut response = if is_known { HttpResponse::NotModified() } else { HttpResponse::Ok() };
    // Kept by the caller alone, and asked about each time.
    response
        .insert_header((header::CACHE_CONTROL, "private, no-cache"))
        .insert_header((header::ETAG, tag));
    if is_known {
        return Ok(response.finish());
    }
    Ok(response.content_type("image/svg+xml").body(picture))
}

/// What is to be said of a release.
#[derive(Debug, Deserialize, IntoParams, Validate)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct ReleaseQuery {
    /// When something is released to everyone: the answer says from when on
    /// this customer has access.
    #[param(inline, example = "2030-06-01T10:00:00Z")]
    release_at: Option<At>,
}

/// A benefit that a customer has, and why.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct HadBenefitOut {
    /// The benefit.
    #[serde(flatten)]
    pub benefit: BenefitOut,
    /// All that gives it.
    pub because: Vec<BecauseOut>,
}

/// What gives a benefit.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct BecauseOut {
    /// `membership_tier` (the tier that was reached), `designation_tier` (the
    /// tier of the designation) or `designation` (which adds it by itself).
    #[schema(examples("membership_tier"))]
    pub source: String,
    /// Of a tier: which.
    #[schema(required, examples("gold"))]
    pub tier: Option<String>,
    /// Whether the tier no longer carries it, and this customer keeps it.
    #[schema(examples(false))]
    pub kept: bool,
}

impl From<&Source> for BecauseOut {
    fn from(source: &Source) -> Self {
        let (source, tier, kept) = match source {
            Source::MembershipTier { tier, kept } => ("membership_tier", Some(tier), *kept),
            Source::DesignationTier { tier, kept } => ("designation_tier", Some(tier), *kept),
            Source::Designation => ("designation", None, false),
        };
        Self { source: source.to_owned(), tier: tier.map(ToString::to_string), kept }
    }
}

impl From<&Had> for HadBenefitOut {
    fn from(had: &Had) -> Self {
        Self {
            benefit: BenefitOut::from(&had.benefit),
            because: had.because.iter().map(BecauseOut::from).collect(),
        }
    }
}

/// From when on a customer has access to a release.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct ReleaseOut {
    /// When it is released to everyone.
    #[schema(examples("2030-06-01T10:00:00Z"))]
    pub release_at: At,
    /// From when on this customer has access.
    #[schema(examples("2030-05-29T10:00:00Z"))]
    pub access_from: At,
    /// How many hours that is before the others.
    #[schema(examples(72))]
    pub hours_early: u32,
}

/// What a customer has.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct CustomerBenefitsOut {
    /// The customer.
    #[schema(examples("c1"))]
    pub customer_id: String,
    /// The instant that this holds for.
    #[schema(examples("2024-06-01T10:00:00Z"))]
    pub as_of: At,
    /// Whether benefits are withheld: the customer is not to be served.
    #[schema(examples(false))]
    pub withheld: bool,
    /// The benefits, by code.
    pub benefits: Vec<HadBenefitOut>,
    /// Of the release that was asked about; null where none was.
    #[schema(required)]
    pub release: Option<ReleaseOut>,
}

problems!(ListCustomerBenefitsProblems: ANY_TOKEN, ONE);

/// What a customer has, and why; and from when on they have access to a release.
///
/// Roles: all.
#[utoipa::path(
    tag = "Benefits",
    operation_id = "list_customer_benefits",
    security(("token" = [])),
    params(
        ("customer_id" = String, Path, description = "The customer's identifier.", pattern = "^[A-Za-z0-9._:-]{1,64}$", example = "c1"),
        ReleaseQuery,
    ),
    responses((status = 200, description = "The benefits now.", body = CustomerBenefitsOut), ListCustomerBenefitsProblems),
)]
#[get("/v1/customers/{customer_id}/benefits")]
pub async fn list_customer_benefits(
    allowed: Allowed<ReadOne>,
    id: Id<CustomerId>,
    query: Query<ReleaseQuery>,
    db: web::Data<Db>,
) -> ApiResult<HttpResponse> {
    let ids = Ids::Customers(vec![id.0.to_string()]);
    let (_, treated) = read_one(&db, &allowed.caller.store, ids, wire::now()).await?;
    let badge = &treated.badge;
    let had: Vec<&Benefit> = badge.benefits.iter().map(|had| &had.benefit).collect();
    let release = query.0.release_at.map(|release_at| ReleaseOut {
        release_at,
        access_from: At(access_from(had.iter().copied(), release_at.0)),
        hours_early: hours_early(had.iter().copied()),
    });
    Ok(HttpResponse::Ok().json(CustomerBenefitsOut {
        customer_id: treated.customer.customer_id.clone(),
        as_of: At(treated.membership.as_of),
        withheld: badge.withheld,
        benefits: badge.benefits.iter().map(HadBenefitOut::from).collect(),
        release,
    }))
}

impl From<crate::domain::id::InvalidId> for ApiError {
    fn from(error: crate::domain::id::InvalidId) -> Self {
        crate::workflow::Error::from(error).into()
    }
}
