//! Benefits: what a shop does for some of its customers.

use super::auth::{Allowed, ReadOne, WriteProgram};
use super::changes::context;
use super::extract::{Id, IfMatchHeader, Json, NoQuery, Query, etag, rule};
use super::problem::{ANY_TOKEN, ApiError, ApiResult, BODY, Code, Fault, TOKEN, problems};
use super::read_of_store;
use super::wire::words;
use crate::db::{Db, Tx, designations, memberships};
use crate::domain::benefit::{BENEFITS_MAX, Benefit, Kind, Treatment};
use crate::domain::id::{BenefitCode, StoreId};
use crate::domain::words::word;
use crate::workflow::designations::drop_benefit;
use crate::workflow::programs::change_policies;
use crate::workflow::{self, Refusal};
use actix_web::{HttpResponse, delete, get, put, web};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use validator::{Validate, ValidationError};

/// A benefit as an administrator states it. Its parameters go with its kind.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema, Validate)]
#[serde(deny_unknown_fields)]
#[validate(schema(function = "benefit_rules"))]
pub struct BenefitIn {
    /// The name that people read.
    #[schema(
        max_length = 100,
        pattern = r"^[^\x00-\x1f\x7f]*[^\x00-\x20\x7f][^\x00-\x1f\x7f]*$",
        examples("Three days early")
    )]
    name: String,
    /// What kind of thing it is.
    kind: BenefitKind,
    /// By how many hours releases are open before the others: given with
    /// `early_access`, and only then.
    #[serde(default)]
    #[schema(minimum = 1, maximum = 8760, examples(72))]
    early_access_hours: Option<u32>,
    /// How many percent are taken off, above 0 and at most 100: given with
    /// `discount`, and only then.
    #[serde(default)]
    #[schema(pattern = r"^[0-9]{1,3}(\.[0-9]{1,2})?$", format = "percent", examples("10"))]
    discount_percent: Option<String>,
    /// Whom or where to turn to: given with `dedicated_contact`, and if wanted
    /// with `priority_support`.
    #[serde(default)]
    #[schema(
        max_length = 200,
        pattern = r"^[^\x00-\x1f\x7f]*[^\x00-\x20\x7f][^\x00-\x1f\x7f]*$",
        examples("vip@example.com")
    )]
    contact: Option<String>,
    /// Within how many minutes support answers: goes with `priority_support`
    /// and `dedicated_contact`.
    #[serde(default)]
    #[schema(minimum = 1, maximum = 525_600, examples(30))]
    response_minutes: Option<u32>,
    /// Whether a designation that gives it can be removed only after it was
    /// taken off; false by default.
    #[serde(default)]
    #[schema(examples(false))]
    must_end_first: Option<bool>,
}

words! {
    /// What kind of thing a benefit is.
    BenefitKind as BenefitKind => Kind {
        /// Served before others by support.
        PrioritySupport,
        /// Sees releases before others.
        EarlyAccess,
        /// Pays less.
        Discount,
        /// Gets something on top.
        Gift,
        /// Pays no shipping.
        FreeShipping,
        /// Has a person to turn to.
        DedicatedContact,
        /// Is packed for with extra care.
        Packing,
        /// Anything else.
        Other,
    }
}

fn benefit_rules(benefit: &BenefitIn) -> Result<(), ValidationError> {
    let kind = benefit.kind;
    let is_contact = kind == BenefitKind::DedicatedContact;
    let is_service = is_contact || kind == BenefitKind::PrioritySupport;
    let is_early = kind == BenefitKind::EarlyAccess;
    let is_discount = kind == BenefitKind::Discount;
    // Each parameter: whether it is given, has to be, and can be.
    let parameters = [
        ("early_access_hours", benefit.early_access_hours.is_some(), is_early, is_early),
        ("discount_percent", benefit.discount_percent.is_some(), is_discount, is_discount),
        ("contact", benefit.contact.is_some(), is_contact, is_service),
        ("response_minutes", benefit.response_minutes.is_some(), false, is_service),
    ];
    let word = word(&Kind::WORDS, &kind.into());
    let mut faults: Vec<(String, String)> = Vec::new();
    for (name, is_given, is_needed, is_possible) in parameters {
        if is_needed && !is_given {
            faults.push((format!("/{name}"), format!("is required for the kind {word}")));
        }
        if is_given && !is_possible {
            faults.push((format!("/{name}"), format!("does not go with the kind {word}")));
        }
    }
    if let Some(percent) =
        benefit.discount_percent.as_deref().and_then(|p| p.parse::<Decimal>().ok())
        && !(percent > Decimal::ZERO && percent <= Decimal::ONE_HUNDRED)
    {
        faults.push(("/discount_percent".into(), "must be above 0 and at most 100".into()));
    }
    let Some((first, _)) = faults.first() else { return Ok(()) };
    let mut error = rule(first, "does not go with the kind");
    error.add_param("faults".into(), &faults);
    Err(error)
}

impl BenefitIn {
    fn into_benefit(self, code: BenefitCode) -> ApiResult<Benefit> {
        let percent = self.discount_percent.as_deref().map(str::parse).transpose();
        let fault = |_| ApiError::invalid(vec![Fault::new("/discount_percent", "is no number")]);
        Ok(Benefit {
            code,
            name: self.name,
            kind: self.kind.into(),
            early_access_hours: self.early_access_hours,
            discount_percent: percent.map_err(fault)?,
            contact: self.contact,
            response_minutes: self.response_minutes,
            must_end_first: self.must_end_first.unwrap_or(false),
        })
    }
}

/// A benefit as it is.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct BenefitOut {
    /// What it is known by.
    #[schema(examples("early-72"))]
    pub code: String,
    /// The name that people read.
    #[schema(examples("Three days early"))]
    pub name: String,
    /// `priority_support`, `early_access`, `discount`, `gift`, `free_shipping`,
    /// `dedicated_contact`, `packing` or `other`.
    #[schema(examples("early_access"))]
    pub kind: String,
    /// Of early access: by how many hours.
    #[schema(required, examples(72))]
    pub early_access_hours: Option<u32>,
    /// Of a discount: how many percent.
    #[schema(required, examples("10"))]
    pub discount_percent: Option<String>,
    /// Whom or where to turn to.
    #[schema(required, examples("vip@example.com"))]
    pub contact: Option<String>,
    /// Within how many minutes support answers.
    #[schema(required, examples(30))]
    pub response_minutes: Option<u32>,
    /// Whether a designation that gives it can be removed only after it was taken off.
    #[schema(examples(false))]
    pub must_end_first: bool,
}

impl From<&Benefit> for BenefitOut {
    fn from(benefit: &Benefit) -> Self {
        Self {
            code: benefit.code.to_string(),
            name: benefit.name.clone(),
            kind: word(&Kind::WORDS, &benefit.kind).to_owned(),
            early_access_hours: benefit.early_access_hours,
            discount_percent: benefit.discount_percent.map(|percent| percent.to_string()),
            contact: benefit.contact.clone(),
            response_minutes: benefit.response_minutes,
            must_end_first: benefit.must_end_first,
        }
    }
}

/// All benefits.
#[derive(Debug, Serialize, ToSchema)]
pub struct BenefitsOut {
    /// The benefits, by code.
    pub benefits: Vec<BenefitOut>,
}

problems!(PutBenefitProblems: TOKEN, BODY, &[
    Code::StoreNotSetUp, Code::PreconditionFailed, Code::TooManyBenefits,
]);

/// Put a benefit, or change it.
///
/// Tiers carry benefits (`PUT /v1/tiers`), and a designation may add or drop
/// some. Roles: `administrator`, `platform_admin`.
#[utoipa::path(
    tag = "Benefits",
    operation_id = "put_benefit",
    security(("token" = [])),
    params(
        ("benefit_code" = String, Path, description = "The benefit's code, the shop's own.", pattern = "^[A-Za-z0-9._:-]{1,64}$", example = "early-72"),
        ("If-Match" = Option<String>, Header, description = "Change it only if the program is still this version (an `ETag`)."),
    ),
    request_body(content = BenefitIn, example = json!({"name": "Three days early", "kind": "early_access", "early_access_hours": 72})),
    responses(
        (status = 201, description = "The benefit is new.", body = BenefitOut),
        (status = 200, description = "The benefit as it is now.", body = BenefitOut),
        PutBenefitProblems,
    ),
)]
#[put("/v1/benefits/{benefit_code}")]
pub async fn put_benefit(
    allowed: Allowed<WriteProgram>,
    code: Id<BenefitCode>,
    _: NoQuery,
    if_match: IfMatchHeader,
    body: Json<BenefitIn>,
    db: web::Data<Db>,
) -> ApiResult<HttpResponse> {
    let context = context(&allowed.caller, "benefit_changed");
    let benefit = body.0.into_benefit(code.0)?;
    let out = BenefitOut::from(&benefit);
    let (record, is_new) = db
        .write(move |tx| {
            let mut is_new = false;
            let record = change_policies(tx, &context, &if_match.0, |_, _, policies| {
                let treatment = &mut policies.treatment;
                is_new = treatment.benefits.insert(benefit.code.clone(), benefit).is_none();
                if_match.0.check_part(!is_new)?;
                if treatment.benefits.len() > BENEFITS_MAX {
                    return Err(Refusal::TooManyBenefits.into());
                }
                Ok::<_, workflow::Error>(())
            })?;
            Ok::<_, workflow::Error>((record, is_new))
        })
        .await?;
    let mut response = if is_new { HttpResponse::Created() } else { HttpResponse::Ok() };
    Ok(response.insert_header(etag(record.version)).json(out))
}

problems!(GetBenefitProblems: ANY_TOKEN, &[Code::InvalidRequest, Code::NotFound, Code::StoreNotSetUp]);

/// One benefit.
///
/// Roles: all.
#[utoipa::path(
    tag = "Benefits",
    operation_id = "get_benefit",
    security(("token" = [])),
    params(("benefit_code" = String, Path, description = "The benefit's code.", pattern = "^[A-Za-z0-9._:-]{1,64}$", example = "early-72")),
    responses((status = 200, description = "The benefit as it is.", body = BenefitOut), GetBenefitProblems),
)]
#[get("/v1/benefits/{benefit_code}")]
pub async fn get_benefit(
    allowed: Allowed<ReadOne>,
    code: Id<BenefitCode>,
    _: NoQuery,
    db: web::Data<Db>,
) -> ApiResult<HttpResponse> {
    let (record, ()) = read_of_store(&db, allowed.caller.store, |_, _, _| Ok(())).await?;
    let benefit =
        record.program.treatment.benefits.get(&code.0).ok_or(Refusal::NotFound("benefit"))?;
    Ok(HttpResponse::Ok().insert_header(etag(record.version)).json(BenefitOut::from(benefit)))
}

problems!(ListBenefitsProblems: ANY_TOKEN, &[Code::InvalidRequest, Code::StoreNotSetUp]);

/// All benefits, by code.
///
/// Roles: all.
#[utoipa::path(
    tag = "Benefits",
    operation_id = "list_benefits",
    security(("token" = [])),
    responses((status = 200, description = "The benefits as they are.", body = BenefitsOut), ListBenefitsProblems),
)]
#[get("/v1/benefits")]
pub async fn list_benefits(
    allowed: Allowed<ReadOne>,
    _: NoQuery,
    db: web::Data<Db>,
) -> ApiResult<HttpResponse> {
    let (record, ()) = read_of_store(&db, allowed.caller.store, |_, _, _| Ok(())).await?;
    let benefits = record.program.treatment.benefits.values().map(BenefitOut::from).collect();
    Ok(HttpResponse::Ok().insert_header(etag(record.version)).json(BenefitsOut { benefits }))
}

/// Whether somebody has a benefit, or will by reaching a tier.
fn is_had(
    tx: &mut Tx<'_>,
    store: &StoreId,
    treatment: &Treatment,
    code: &BenefitCode,
) -> workflow::Result<bool> {
    let mut is_had = treatment.is_carried(code);
    is_had |= !designations::list_with_benefit(tx, store, code)?.is_empty();
    for tier in treatment.kept_by(code) {
        is_had |= memberships::is_any_of_tier(tx, store, tier)?;
        is_had |= designations::is_any_of_tier(tx, store, tier)?;
    }
    Ok(is_had)
}

/// How a benefit is to be deleted.
#[derive(Debug, Deserialize, IntoParams, Validate)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct DeleteBenefitQuery {
    /// Take it from everyone who has it; otherwise nobody may have it.
    for_everyone: Option<bool>,
}

problems!(DeleteBenefitProblems: TOKEN, &[
    Code::InvalidRequest, Code::NotFound, Code::StoreNotSetUp, Code::PreconditionFailed,
    Code::BenefitInUse,
]);

/// Delete a benefit that nobody has, or take it from everyone.
///
/// Somebody may have it while a tier carries it, since a tier carried it (who
/// held the tier then keeps it), by a designation that adds it, or will by a
/// rule that grants it. Roles:
/// `administrator`, `platform_admin`.
#[utoipa::path(
    tag = "Benefits",
    operation_id = "delete_benefit",
    security(("token" = [])),
    params(
        ("benefit_code" = String, Path, description = "The benefit's code.", pattern = "^[A-Za-z0-9._:-]{1,64}$", example = "early-72"),
        DeleteBenefitQuery,
        ("If-Match" = Option<String>, Header, description = "Delete it only if the program is still this version (an `ETag`)."),
    ),
    responses((status = 204, description = "The benefit is gone."), DeleteBenefitProblems),
)]
#[delete("/v1/benefits/{benefit_code}")]
pub async fn delete_benefit(
    allowed: Allowed<WriteProgram>,
    code: Id<BenefitCode>,
    query: Query<DeleteBenefitQuery>,
    if_match: IfMatchHeader,
    db: web::Data<Db>,
) -> ApiResult<HttpResponse> {
    let context = context(&allowed.caller, "benefit_removed");
    let for_everyone = query.0.for_everyone.unwrap_or(false);
    db.write(move |tx| {
        let store = context.store.clone();
        let record = change_policies(tx, &context, &if_match.0, |tx, _, policies| {
            let treatment = &mut policies.treatment;
            if !treatment.benefits.contains_key(&code.0) {
                return Err(Refusal::NotFound("benefit").into());
            }
            let is_in_use = policies.qualification.names_benefit(&code.0)
                || is_had(tx, &store, treatment, &code.0)?;
            if is_in_use && !for_everyone {
                return Err(Refusal::BenefitInUse.into());
            }
            treatment.remove(&code.0);
            policies.qualification.drop_benefit(&code.0);
            Ok::<_, workflow::Error>(())
        })?;
        drop_benefit(tx, &store, &record, &code.0, &context.actor, context.now)
    })
    .await?;
    Ok(HttpResponse::NoContent().finish())
}
