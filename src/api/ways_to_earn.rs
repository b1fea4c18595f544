//! Ways to earn points: by what is spent, and by events.

use super::auth::{Allowed, ReadOne, WriteProgram};
use super::changes::{CHANGE, ChangeQuery, Followed, context, follow_up};
use super::extract::{Id, IfMatchHeader, Json, NoQuery, Query, etag};
use super::problem::{ANY_TOKEN, ApiError, ApiResult, BODY, Code, Fault, TOKEN, problems};
use super::read_of_store;
use super::recalculations::RecalculationOut;
use super::wire::{RATE_PATTERN, words};
use crate::db::Db;
use crate::domain::change::Settings;
use crate::domain::earning::{Earns, Way};
use crate::domain::id::{ID_PATTERN, TierCode, WayCode};
use crate::domain::program::POINTS_PER_UNIT_MAX;
use crate::domain::tier::TIERS_MAX;
use crate::domain::words::word;
use crate::workflow::programs::{Current, change_settings};
use crate::workflow::{self, Refusal};
use actix_web::{HttpResponse, delete, get, put, web};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::collections::BTreeMap;
use utoipa::ToSchema;
use utoipa::openapi::schema::{ObjectBuilder, SchemaFormat, SchemaType, Type};
use validator::{Validate, ValidationError};

/// A way to earn points as an administrator states it.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema, Validate)]
#[serde(deny_unknown_fields)]
#[validate(schema(function = "way_rules"))]
pub struct WayToEarnIn {
    /// The name that people read.
    #[schema(
        max_length = 100,
        pattern = r"^[^\x00-\x1f\x7f]*[^\x00-\x20\x7f][^\x00-\x1f\x7f]*$",
        examples("Review")
    )]
    name: String,
    /// What earns the points; never changes. A store has at most one way of
    /// `per_currency_unit`.
    earns: EarnsWire,
    /// How many, at most 1000000: by unit of the currency, or for each event,
    /// which earns whole points. Of `per_currency_unit` they are the program's
    /// `points_per_unit` too: each sets the other.
    #[schema(pattern = r"^[0-9]{1,7}(\.[0-9]{1,6})?$", format = "points-rate", examples("50"))]
    points: String,
    /// How many for those who hold a tier, by its code, where it differs.
    #[serde(default)]
    #[schema(schema_with = by_tier_in)]
    points_by_tier: Option<BTreeMap<String, String>>,
}

words! {
    /// What earns points.
    EarnsWire as Earns => Earns {
        /// Each unit of the currency that is spent.
        PerCurrencyUnit,
        /// Each event that the shop sends: an activity that names the way.
        PerEvent,
    }
}

/// Points by the code of a tier.
fn by_tier() -> ObjectBuilder {
    let code = ObjectBuilder::new().schema_type(Type::String).pattern(Some(ID_PATTERN));
    let points = ObjectBuilder::new()
        .schema_type(Type::String)
        .pattern(Some(RATE_PATTERN))
        .format(Some(SchemaFormat::Custom("points-rate".to_owned())));
    ObjectBuilder::new()
        .schema_type(Type::Object)
        .property_names(Some(code))
        .additional_properties(Some(points))
        .max_properties(Some(TIERS_MAX))
        .examples([json!({"gold": "100"})])
}

/// The same as it comes in: left out or null is none.
fn by_tier_in() -> ObjectBuilder {
    by_tier().schema_type(SchemaType::from_iter([Type::Object, Type::Null])).description(Some(
        "How many for those who hold a tier, by its code, where it differs; none by default.",
    ))
}

/// The same as it goes out.
fn by_tier_out() -> ObjectBuilder {
    by_tier()
        .description(Some("How many for those who hold a tier, by its code, where it differs."))
}

/// What the way's own texts show: points are not too many, and those of an event are whole.
fn way_rules(way: &WayToEarnIn) -> Result<(), ValidationError> {
    let stated = std::iter::once(("/points".to_owned(), &way.points));
    let by_tier = way.points_by_tier.iter().flatten();
    let stated =
        stated.chain(by_tier.map(|(code, points)| (format!("/points_by_tier/{code}"), points)));
    let mut faults: Vec<(String, String)> = Vec::new();
    for (place, text) in stated {
        // A text that is no number at all is a fault of its pattern already.
        let Ok(points) = text.parse::<Decimal>() else { continue };
        if points > POINTS_PER_UNIT_MAX {
            faults.push((place.clone(), format!("must be at most {POINTS_PER_UNIT_MAX}")));
        }
        if way.earns == EarnsWire::PerEvent && !points.fract().is_zero() {
            faults.push((place, "must be a whole number of points for each event".into()));
        }
    }
    if faults.is_empty() {
        return Ok(());
    }
    let mut error = ValidationError::new("points");
    error.add_param("faults".into(), &faults);
    Err(error)
}

impl WayToEarnIn {
    /// The way, under its code.
    fn into_way(self, code: WayCode) -> ApiResult<Way> {
        let points = |place: String, text: &str| {
            let fault = |_| ApiError::invalid(vec![Fault::new(place, "is no number")]);
            text.parse::<Decimal>().map_err(fault)
        };
        let by_tier = self.points_by_tier.unwrap_or_default().into_iter().map(|(tier, text)| {
            let points = points(format!("/points_by_tier/{tier}"), &text)?;
            Ok::<_, ApiError>((TierCode::parse(&tier)?, points))
        });
        Ok(Way {
            code,
            name: self.name,
            earns: self.earns.into(),
            by_tier: by_tier.collect::<ApiResult<_>>()?,
            points: points("/points".to_owned(), &self.points)?,
        })
    }
}

/// A way to earn points as it is.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct WayToEarnOut {
    /// What it is known by.
    #[schema(examples("review"))]
    pub code: String,
    /// The name that people read.
    #[schema(examples("Review"))]
    pub name: String,
    /// What earns the points: `per_currency_unit` or `per_event`.
    #[schema(examples("per_event"))]
    pub earns: String,
    /// How many, by unit of the currency or for each event.
    #[schema(examples("50"))]
    pub points: String,
    /// How many for those who hold a tier, by its code, where it differs.
    #[schema(schema_with = by_tier_out)]
    pub points_by_tier: BTreeMap<String, String>,
}

impl From<&Way> for WayToEarnOut {
    fn from(way: &Way) -> Self {
        let by_tier = way.by_tier.iter();
        Self {
            code: way.code.to_string(),
            name: way.name.clone(),
            earns: word(&Earns::WORDS, &way.earns).to_owned(),
            points: way.points.to_string(),
            points_by_tier: by_tier.map(|(code, p)| (code.to_string(), p.to_string())).collect(),
        }
    }
}

/// A way to earn that was changed, and what became of everyone.
#[derive(Debug, Serialize, ToSchema)]
pub struct WayToEarnChangedOut {
    /// The way as it is now.
    #[serde(flatten)]
    pub way: WayToEarnOut,
    /// The recalculation that the change made necessary; null where there is none.
    #[schema(required)]
    pub recalculation: Option<RecalculationOut>,
}

/// All ways to earn.
#[derive(Debug, Serialize, ToSchema)]
pub struct WaysToEarnOut {
    /// The ways, by code.
    pub ways_to_earn: Vec<WayToEarnOut>,
}

problems!(ListWaysToEarnProblems: ANY_TOKEN, &[Code::InvalidRequest, Code::StoreNotSetUp]);

/// All ways to earn points, by code.
///
/// Without one of `per_currency_unit`, an order earns the program's
/// `points_per_unit`, whatever tier the customer holds. Roles: all.
#[utoipa::path(
    tag = "Ways to earn",
    operation_id = "list_ways_to_earn",
    security(("token" = [])),
    responses((status = 200, description = "The ways to earn as they are.", body = WaysToEarnOut), ListWaysToEarnProblems),
)]
#[get("/v1/ways-to-earn")]
pub async fn list_ways_to_earn(
    allowed: Allowed<ReadOne>,
    _: NoQuery,
    db: web::Data<Db>,
) -> ApiResult<HttpResponse> {
    let (record, ()) = read_of_store(&db, allowed.caller.store, |_, _, _| Ok(())).await?;
    let ways_to_earn = record.program.latest().ways().iter().map(WayToEarnOut::from).collect();
    Ok(HttpResponse::Ok().insert_header(etag(record.version)).json(WaysToEarnOut { ways_to_earn }))
}

problems!(GetWayToEarnProblems: ANY_TOKEN, &[Code::InvalidRequest, Code::NotFound, Code::StoreNotSetUp]);

/// One way to earn points.
///
/// Roles: all.
#[utoipa::path(
    tag = "Ways to earn",
    operation_id = "get_way_to_earn",
    security(("token" = [])),
    params(("way_code" = String, Path, description = "The way's code.", pattern = "^[A-Za-z0-9._:-]{1,64}$", example = "review")),
    responses((status = 200, description = "The way to earn as it is.", body = WayToEarnOut), GetWayToEarnProblems),
)]
#[get("/v1/ways-to-earn/{way_code}")]
pub async fn get_way_to_earn(
    allowed: Allowed<ReadOne>,
    code: Id<WayCode>,
    _: NoQuery,
    db: web::Data<Db>,
) -> ApiResult<HttpResponse> {
    let (record, ()) = read_of_store(&db, allowed.caller.store, |_, _, _| Ok(())).await?;
    let way = record.program.latest().way(&code.0).ok_or(Refusal::NotFound("way to earn"))?;
    Ok(HttpResponse::Ok().insert_header(etag(record.version)).json(WayToEarnOut::from(&way)))
}

problems!(PutWayToEarnProblems: TOKEN, BODY, CHANGE, &[
    Code::UnknownTier, Code::WayToEarnConflict, Code::TooManyWaysToEarn,
]);

/// Put a way to earn points, or change it.
///
/// What was earned already stays as it was. Toward tiers, a fact counts by the
/// way that was in force when it happened; with an earlier `effective_from`,
/// everyone is recalculated from there. A store has at most 100 ways. Roles:
/// `administrator`, `platform_admin`.
#[utoipa::path(
    tag = "Ways to earn",
    operation_id = "put_way_to_earn",
    security(("token" = [])),
    params(
        ("way_code" = String, Path, description = "The way's code, the shop's own.", pattern = "^[A-Za-z0-9._:-]{1,64}$", example = "review"),
        ChangeQuery,
        ("If-Match" = Option<String>, Header, description = "Change it only if the program is still this version (an `ETag`)."),
    ),
    request_body(content = WayToEarnIn, example = json!({
        "name": "Review", "earns": "per_event", "points": "50", "points_by_tier": {"gold": "100"},
    })),
    responses(
        (status = 201, description = "The way is new.", body = WayToEarnChangedOut),
        (status = 200, description = "The way as it is now; of a dry run, as it would be.", body = WayToEarnChangedOut),
        PutWayToEarnProblems,
    ),
)]
#[put("/v1/ways-to-earn/{way_code}")]
pub async fn put_way_to_earn(
    allowed: Allowed<WriteProgram>,
    code: Id<WayCode>,
    query: Query<ChangeQuery>,
    if_match: IfMatchHeader,
    body: Json<WayToEarnIn>,
    db: web::Data<Db>,
) -> ApiResult<HttpResponse> {
    let context = context(&allowed.caller, "way_to_earn_changed");
    let options = query.0.options();
    let way = body.0.into_way(code.0.clone())?;
    let (changed, is_new) = db
        .write(move |tx| {
            let mut is_new = false;
            let changed =
                change_settings(tx, &context, options, &if_match.0, |current: &Current<'_>| {
                    let program = current.program.ok_or(Refusal::StoreNotSetUp)?;
                    let mut settings = Settings::of(program);
                    let rules = &mut settings.rules;
                    is_new = rules.way(&way.code).is_none();
                    if_match.0.check_part(!is_new)?;
                    let mut named = way.by_tier.keys();
                    if let Some(unknown) = named.find(|tier| rules.ladder.find(tier).is_none()) {
                        return Err(Refusal::UnknownTier(unknown.to_string()).into());
                    }
                    rules.put_way(way).map_err(Refusal::InvalidWay)?;
                    Ok::<_, workflow::Error>(settings)
                })?;
            Ok::<_, workflow::Error>((changed, is_new))
        })
        .await?;
    let Followed { record, recalculation, version } =
        follow_up(&db, &allowed.caller.store, changed).await?;
    let way = record.program.latest().way(&code.0).ok_or(Refusal::NotFound("way to earn"))?;
    let way = WayToEarnOut::from(&way);
    let mut response =
        if is_new && !options.dry_run { HttpResponse::Created() } else { HttpResponse::Ok() };
    Ok(response.insert_header(etag(version)).json(WayToEarnChangedOut { way, recalculation }))
}

problems!(DeleteWayToEarnProblems: TOKEN, CHANGE, &[Code::InvalidRequest, Code::NotFound]);

/// Delete a way to earn points; what was earned by it stays.
///
/// Without the way of `per_currency_unit`, the program's `points_per_unit`
/// stays as it was, and is every tier's. Roles: `administrator`,
/// `platform_admin`.
#[utoipa::path(
    tag = "Ways to earn",
    operation_id = "delete_way_to_earn",
    security(("token" = [])),
    params(
        ("way_code" = String, Path, description = "The way's code.", pattern = "^[A-Za-z0-9._:-]{1,64}$", example = "review"),
        ChangeQuery,
        ("If-Match" = Option<String>, Header, description = "Delete it only if the program is still this version (an `ETag`)."),
    ),
    responses((status = 204, description = "The way is gone; of a dry run, it could be deleted."), DeleteWayToEarnProblems),
)]
#[delete("/v1/ways-to-earn/{way_code}")]
pub async fn delete_way_to_earn(
    allowed: Allowed<WriteProgram>,
    code: Id<WayCode>,
    query: Query<ChangeQuery>,
    if_match: IfMatchHeader,
    db: web::Data<Db>,
) -> ApiResult<HttpResponse> {
    let context = context(&allowed.caller, "way_to_earn_removed");
    let options = query.0.options();
    let wish = move |current: &Current<'_>| {
        let program = current.program.ok_or(Refusal::StoreNotSetUp)?;
        let mut settings = Settings::of(program);
        if !settings.rules.remove_way(&code.0) {
            return Err(Refusal::NotFound("way to earn").into());
        }
        Ok::<_, workflow::Error>(settings)
    };
    let changed =
        db.write(move |tx| change_settings(tx, &context, options, &if_match.0, wish)).await?;
    follow_up(&db, &allowed.caller.store, changed).await?;
    Ok(HttpResponse::NoContent().finish())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stated(earns: EarnsWire, points: &str, of_gold: &str) -> WayToEarnIn {
        WayToEarnIn {
            name: "Review".to_owned(),
            earns,
            points: points.to_owned(),
            points_by_tier: Some(BTreeMap::from([("gold".to_owned(), of_gold.to_owned())])),
        }
    }

    /// The places of the faults that rules find.
    fn places(way: &WayToEarnIn) -> Vec<String> {
        let Err(error) = way_rules(way) else { return Vec::new() };
        let faults = error.params.get("faults").cloned().unwrap();
        let faults: Vec<(String, String)> = serde_json::from_value(faults).unwrap();
        faults.into_iter().map(|(place, _)| place).collect()
    }

    #[test]
    fn an_event_earns_whole_points_and_no_way_too_many() {
        use EarnsWire::{PerCurrencyUnit, PerEvent};
        assert!(places(&stated(PerEvent, "50", "100.0")).is_empty());
        assert!(places(&stated(PerCurrencyUnit, "0.5", "1000000")).is_empty());
        assert_eq!(places(&stated(PerEvent, "0.5", "100")), ["/points"]);
        assert_eq!(places(&stated(PerEvent, "50", "1.5")), ["/points_by_tier/gold"]);
        let way = stated(PerCurrencyUnit, "1000000.1", "1000001");
        assert_eq!(places(&way), ["/points", "/points_by_tier/gold"]);
    }

    #[test]
    fn a_way_goes_out_as_it_came_in() {
        let code = WayCode::parse("review").unwrap();
        let way = stated(EarnsWire::PerEvent, "50", "100").into_way(code).unwrap();
        let out = WayToEarnOut::from(&way);
        assert_eq!((out.code.as_str(), out.earns.as_str()), ("review", "per_event"));
        assert_eq!(out.points, "50");
        assert_eq!(out.points_by_tier, BTreeMap::from([("gold".to_owned(), "100".to_owned())]));
    }
}
