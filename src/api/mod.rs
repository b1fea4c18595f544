//! The HTTP API: wire types, handlers, extractors. Knows no diesel and no rules.

pub mod activities;
pub mod audit;
pub mod auth;
pub mod badges;
pub mod benefits;
pub mod cards;
pub mod changes;
pub mod complaints;
pub mod credits;
pub mod csv;
pub mod customer_list;
pub mod customers;
pub mod designations;
pub mod docs;
pub mod envelope;
pub mod events;
pub mod extract;
pub mod facts;
pub mod follow_ups;
pub mod health;
pub mod idempotency;
pub mod instance;
pub mod links;
pub mod listing;
pub mod memberships;
pub mod metrics;
pub mod nominations;
pub mod orders;
pub mod pauses;
pub mod problem;
pub mod program;
pub mod qualifications;
pub mod rate_limit;
pub mod recalculations;
pub mod refunds;
pub mod reports;
pub mod revisions;
pub mod rewards;
pub mod rules;
pub mod statuses;
pub mod svg;
pub mod tiers;
pub mod timeline;
pub mod tokens;
pub mod vip_list;
pub mod ways_to_earn;
pub mod wire;

use crate::db::programs::{Hold, ProgramRecord};
use crate::db::{Db, Tx};
use crate::domain::id::StoreId;
use crate::workflow;
use crate::workflow::memberships::program_of;
use actix_web::dev::ResourceDef;
use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse, ResponseError};
use problem::{ApiError, ApiResult, Code};
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};
use utoipa::openapi::schema::AdditionalProperties;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{
    InfoBuilder, LicenseBuilder, OpenApi, OpenApiBuilder, RefOr, Schema, ServerBuilder,
    tag::TagBuilder,
};
use utoipa_actix_web::AppExt;
use utoipa_actix_web::service_config::ServiceConfig;

const DESCRIPTION: &str = "\
How should we treat this customer? A shop's backend sends Accolade its customers, orders and refunds; \
Accolade moves customers through VIP tiers, and tells the storefront, the packing bench and the support desk, \
in one look-up, how to treat each of them: status, tier, benefits, label, routing and store credit. \
Rules say who should be a VIP, people approve, and reports say whether the program is healthy.

**Tokens.** Every operation under `/v1` wants `Authorization: Bearer TOKEN`. A token names its store and \
its role; nothing crosses stores, and another store's thing looks exactly like an absent one.

**Formats.** Amounts are decimal strings (`\"129.95\"`) in the program's currency, instants are RFC 3339, \
identifiers are the caller's own. Unknown fields and query parameters are refused.

**Problems.** Errors are `application/problem+json` with a stable `code`. 400 and 422 are for what the \
request alone shows, with all faults at once (up to 100); 409 is for what depends on stored state or on the clock. \
Any operation can answer 500 `internal`. \
Each answer has an `X-Request-Id`, yours if you sent one; the log knows the request by it.

**Limits.** A URL has at most 8 KiB, header fields 32 KiB together, a token 8 KiB, JSON 256 KiB on 16 levels, \
a batch of facts 8 MiB and 10,000 lines of 256 KiB; texts, lists and numbers have what their schemas say. \
Where requests are limited by rate, each answer to a valid token says what is left of them in `RateLimit` and \
`RateLimit-Policy`, and 429 `rate_limited` comes with `Retry-After`; the tokens of one subject in one store count together.

**Paging.** Lists take `limit` and `cursor`, and answer `next_cursor`. \
**Versions.** What can change has an `ETag`. `If-Match` makes a change only if it is still that version, and \
is answered 412 otherwise: who reads, changes and writes with it never overwrites what somebody else wrote \
meanwhile. Tiers, benefits, ways to earn and rules have the program's version, statuses and links the customer's.

**Sent again.** A PUT is idempotent by its identifier. A POST that writes takes an `Idempotency-Key`: \
sent again with the same key within 24 hours, it is not carried out again and has the same answer, \
with `Idempotent-Replayed: true`. What was refused is not kept, and may be sent again with its key.";

/// Every operation, each by its own path attribute, so that what is served and
/// what is documented are one list.
pub fn routes(config: &mut ServiceConfig) {
    config
        .service(customers::put_customer)
        .service(customers::patch_customer)
        .service(customers::get_customer)
        .service(customers::delete_customer)
        .service(customer_list::list_customers)
        .service(orders::put_order)
        .service(orders::get_order)
        .service(orders::list_orders)
        .service(orders::list_customer_orders)
        .service(refunds::put_refund)
        .service(refunds::get_refund)
        .service(refunds::list_customer_refunds)
        .service(activities::put_activity)
        .service(activities::get_activity)
        .service(activities::list_customer_activities)
        .service(complaints::list_complaints)
        .service(follow_ups::list_follow_ups)
        .service(facts::post_facts)
        .service(program::patch_program)
        .service(program::get_program)
        .service(revisions::list_program_revisions)
        .service(pauses::pause_program)
        .service(pauses::resume_program)
        .service(recalculations::get_recalculation)
        .service(tiers::list_tiers)
        .service(tiers::put_tiers)
        .service(tiers::get_tier)
        .service(tiers::put_tier)
        .service(tiers::delete_tier)
        .service(ways_to_earn::list_ways_to_earn)
        .service(ways_to_earn::put_way_to_earn)
        .service(ways_to_earn::get_way_to_earn)
        .service(ways_to_earn::delete_way_to_earn)
        .service(memberships::get_membership)
        .service(memberships::explain_membership)
        .service(memberships::recalculate_membership)
        .service(designations::put_designation)
        .service(designations::patch_designation)
        .service(designations::get_designation)
        .service(designations::remove_designation)
        .service(vip_list::list_designations)
        .service(statuses::get_status)
        .service(statuses::put_status)
        .service(statuses::list_status_changes)
        .service(links::put_link)
        .service(links::delete_link)
        .service(links::list_links)
        .service(badges::get_customer_badge)
        .service(badges::get_order_badge)
        .service(badges::list_badges)
        .service(badges::get_badge_svg)
        .service(badges::list_customer_benefits)
        .service(cards::get_card)
        .service(benefits::put_benefit)
        .service(benefits::get_benefit)
        .service(benefits::list_benefits)
        .service(benefits::delete_benefit)
        .service(credits::list_credits)
        .service(credits::post_credit)
        .service(credits::get_reward)
        .service(rules::list_rules)
        .service(rules::put_rule)
        .service(rules::get_rule)
        .service(rules::delete_rule)
        .service(qualifications::dry_run_rule)
        .service(qualifications::get_qualification)
        .service(nominations::list_nominations)
        .service(nominations::get_nomination)
        .service(nominations::nominate_customer)
        .service(nominations::approve_nomination)
        .service(nominations::decline_nomination)
        .service(reports::anniversaries::report_anniversaries)
        .service(reports::at_risk::report_at_risk)
        .service(reports::concentration::report_spend_concentration)
        .service(reports::credit::report_credit)
        .service(reports::credit_movements::report_credit_movements)
        .service(reports::high_value::report_high_value)
        .service(reports::referrals::report_referrals)
        .service(reports::retention::report_retention)
        .service(reports::satisfaction::report_satisfaction)
        .service(reports::shares::report_vip_share)
        .service(reports::shares::report_tiers)
        .service(reports::tier_fit::report_tier_fit)
        .service(timeline::list_timeline)
        .service(audit::list_audit)
        .service(events::list_events)
        .service(health::get_health)
        .service(health::get_readiness)
        .service(metrics::get_metrics);
}

/// Reads something of a store that is set up, and its program, from one snapshot.
///
/// # Errors
/// `store_not_set_up`, or what the closure answers.
pub async fn read_of_store<T: Send + 'static>(
    db: &Db,
    store: StoreId,
    job: impl FnOnce(&mut Tx<'_>, &StoreId, &ProgramRecord) -> workflow::Result<T> + Send + 'static,
) -> ApiResult<(Arc<ProgramRecord>, T)> {
    let read = db.read(move |tx| {
        let record = program_of(tx, &store, Hold::Read)?;
        let found = job(tx, &store, &record)?;
        Ok::<_, workflow::Error>((record, found))
    });
    Ok(read.await?)
}

/// The OpenAPI document of what is served.
pub fn document() -> OpenApi {
    let (_, mut served) =
        actix_web::App::new().into_utoipa_app().configure(routes).split_for_parts();
    let tag = |name: &str, description: &str| {
        TagBuilder::new().name(name).description(Some(description)).build()
    };
    let info = InfoBuilder::new()
        .title("Accolade")
        .description(Some(DESCRIPTION))
        .version(env!("CARGO_PKG_VERSION"))
        .license(Some(
            LicenseBuilder::new()
                .name("MIT OR Apache-2.0")
                .identifier(Some("MIT OR Apache-2.0"))
                .build(),
        ))
        .build();
    let mut components = served.components.unwrap_or_default();
    components
        .schemas
        .insert("Problem".to_owned(), <problem::Problem as utoipa::PartialSchema>::schema());
    components
        .schemas
        .insert("Fault".to_owned(), <problem::Fault as utoipa::PartialSchema>::schema());
    close_shapes(&mut components.schemas);
    idempotency::document(&mut served.paths);
    extract::document_versions(&mut served.paths);
    envelope::document(&mut served.paths, &mut components);
    let bearer = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .bearer_format("JWT")
        .description(Some("A JWT with `iss`, `aud`, `sub`, `store`, `role` and `exp`: as `accolade token` prints it (HS256), or signed by a key that the service was given (EdDSA, ES256 or RS256), which `kid` names."))
        .build();
    components.add_security_scheme("token", SecurityScheme::Http(bearer));
    OpenApiBuilder::new()
        .info(info)
        .servers(Some([ServerBuilder::new().url("/").build()]))
        .tags(Some([
            tag("Customers", "What the shop says of its customers."),
            tag(
                "Facts",
                "What happened: orders, refunds and activities, under ids that the shop chose.",
            ),
            tag("Memberships", "Where customers stand, and why."),
            tag("Badges", "How to treat a customer, in one look-up."),
            tag("Statuses", "The badge's one word, and the notes that explain it."),
            tag("Designations", "Who formally is a VIP: the VIP list."),
            tag("Rules", "Who should be a VIP, as conditions on what is known of customers."),
            tag("Qualification", "What a customer qualifies for, and what is missing."),
            tag("Nominations", "Customers who were put forward, and what became of that."),
            tag("Reports", "Whether the program is healthy. Each is JSON, or with `Accept: text/csv` a file for spreadsheets."),
            tag("Links", "Customers who belong together."),
            tag("Credit", "Store credit and points: what customers have, what moved it, and what orders earn."),
            tag("Benefits", "What the shop does for some of its customers."),
            tag("Program", "The program's settings, and how they change."),
            tag("Tiers", "The ladder that customers climb."),
            tag("Ways to earn", "What earns points, and how many, by tier."),
            tag("Audit and events", "Who changed what, and a numbered feed of what happened."),
            tag("Operation", "For those who run the service."),
        ]))
        .paths(served.paths)
        .components(Some(components))
        .build()
}

/// The shapes of a tagged enum refuse unknown fields, as the code does, and say
/// what their tag is, which the derived schema leaves out.
fn close_shapes(schemas: &mut BTreeMap<String, RefOr<Schema>>) {
    if let Some(RefOr::T(Schema::OneOf(shapes))) = schemas.get_mut("ProgressReset") {
        for shape in &mut shapes.items {
            if let RefOr::T(Schema::Object(shape)) = shape {
                shape.additional_properties = Some(Box::new(AdditionalProperties::FreeForm(false)));
                if let Some(RefOr::T(Schema::Object(kind))) = shape.properties.get_mut("kind") {
                    kind.description = Some("Which of the three it is.".to_owned());
                }
            }
        }
    }
}

/// The document as JSON, made once.
pub fn document_json() -> &'static Value {
    static DOCUMENT: OnceLock<Value> = OnceLock::new();
    DOCUMENT.get_or_init(|| serde_json::to_value(document()).unwrap_or_default())
}

/// The schemas of the document, for schemas that refer to them.
pub fn schemas_json() -> Value {
    document_json().pointer("/components/schemas").cloned().unwrap_or_default()
}

/// Answers what no route takes: 405 where the path has other methods, else 404.
pub async fn unknown_route(request: HttpRequest) -> HttpResponse {
    static RESOURCES: OnceLock<Vec<(ResourceDef, Vec<String>)>> = OnceLock::new();
    let resources = RESOURCES.get_or_init(|| {
        let paths = document_json().get("paths").and_then(Value::as_object);
        let resource = |(pattern, item): (&String, &Value)| {
            let methods = item.as_object().into_iter().flatten();
            let methods = methods.map(|(method, _)| method.to_uppercase()).collect();
            (ResourceDef::new(pattern.as_str()), methods)
        };
        paths.into_iter().flatten().map(resource).collect()
    });
    let taken = resources.iter().filter(|(resource, _)| resource.is_match(request.path()));
    let methods: Vec<&str> = taken.flat_map(|(_, methods)| methods).map(String::as_str).collect();
    if methods.is_empty() {
        return ApiError::new(Code::NotFound).error_response();
    }
    let mut response = ApiError::new(Code::MethodNotAllowed).error_response();
    if let Ok(allow) = header::HeaderValue::from_str(&methods.join(", ")) {
        response.headers_mut().insert(header::ALLOW, allow);
    }
    response
}
