//! Tiers.

use super::auth::{Allowed, Caller, ReadOne, WriteProgram, WriteRules};
use super::changes::{
    CHANGE, ChangeQuery, Followed, context, follow_up, is_effective_from, options,
};
use super::designations::{Code64, PriorityWire, code_rules, codes, texts};
use super::extract::{Id, IfMatchHeader, Json, NoQuery, Query, etag};
use super::problem::{ANY_TOKEN, ApiResult, BODY, Code, TOKEN, problems};
use super::program::EntryMethodWire;
use super::read_of_store;
use super::recalculations::RecalculationOut;
use super::rewards::{RewardIn, RewardOut};
use super::wire::words;
use crate::db::Db;
use crate::domain::Instant;
use crate::domain::benefit::{Icon, TierTreatment};
use crate::domain::change::{
    Settings, parse_threshold, put_tier as put_into_ladder, threshold_text,
};
use crate::domain::designation::Priority;
use crate::domain::id::TierCode;
use crate::domain::money::Currency;
use crate::domain::program::{EntryMethod, Program, Rules, TierRetention};
use crate::domain::tier::{InvalidLadder, Ladder, Tier};
use crate::domain::words::word;
use crate::workflow::programs::{Current, Options, change_settings};
use crate::workflow::{self, Refusal};
use actix_web::{HttpResponse, delete, get, put, web};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use validator::{Validate, ValidationError};

/// What is stated of a tier, in a ladder or by itself.
macro_rules! tiers_in {
    ($($(#[$doc:meta])* $name:ident { $($code:tt)* })*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Serialize, Deserialize, ToSchema, Validate)]
        #[serde(deny_unknown_fields)]
        pub struct $name {
            $($code)*
            /// The name that people read.
            #[schema(
                max_length = 100,
                pattern = r"^[^\x00-\x1f\x7f]*[^\x00-\x20\x7f][^\x00-\x1f\x7f]*$",
                examples("Gold")
            )]
            name: String,
            /// Its place in the ladder, higher is better; unique. Thresholds rise with ranks.
            #[schema(minimum = 1, maximum = 1_000_000, examples(3))]
            rank: u32,
            /// The progress that reaches it: an amount in the program's currency, or a
            /// whole number of orders or points, by the program's entry method. "0"
            /// makes it the entry tier; null means that no progress reaches it.
            #[serde(default)]
            #[schema(pattern = r"^[0-9]{1,19}(\.[0-9]{1,4})?$", examples("500.00"))]
            threshold: Option<String>,
            /// The codes of the benefits of who holds it; none by default. What is
            /// taken off stays with who holds the tier already, unless
            /// `for_everyone` is true or the tiers are not permanent.
            #[serde(default)]
            #[validate(custom(function = "code_rules"))]
            #[schema(max_items = 50, examples(json!([])))]
            benefits: Option<Vec<Code64>>,
            /// Its picture on badges and labels; `star` by default.
            #[serde(default)]
            icon: Option<IconWire>,
            /// How soon to serve who holds it; `normal` by default.
            #[serde(default)]
            priority: Option<PriorityWire>,
            /// The team that sees to who holds it.
            #[serde(default)]
            #[schema(
                max_length = 64,
                pattern = r"^[^\x00-\x1f\x7f]*[^\x00-\x20\x7f][^\x00-\x1f\x7f]*$",
                examples("key-accounts")
            )]
            team: Option<String>,
            /// What an order gives back as store credit to who held the tier before
            /// it; null, the default, for nothing. What is lowered or taken off
            /// stays with who holds the tier already, unless the tiers are not
            /// permanent: of several, an order earns by the one that gives most.
            #[serde(default)]
            #[validate(nested)]
            reward: Option<RewardIn>,
            /// Whether reaching it makes a VIP. Only a `platform_admin` may send
            /// it; left out, it stays as it is, and is false for a new tier.
            #[serde(default)]
            designates: Option<bool>,
            /// Whether a manager has to approve of each VIP that `designates`
            /// makes: who reaches the tier is put forward. Only a
            /// `platform_admin` may send it; left out, it stays as it is, and
            /// is false for a new tier.
            #[serde(default)]
            requires_approval: Option<bool>,
        }

        impl $name {
            fn says_who_is_vip(&self) -> bool {
                self.designates.is_some() || self.requires_approval.is_some()
            }

            /// How those are to be treated who hold it, with what is left out
            /// as it was.
            fn treatment(&self, was: &TierTreatment) -> TierTreatment {
                TierTreatment {
                    icon: self.icon.map(Icon::from).unwrap_or_default(),
                    priority: self.priority.map(Priority::from).unwrap_or_default(),
                    team: self.team.clone(),
                    designates: self.designates.unwrap_or(was.designates),
                    requires_approval: self.requires_approval.unwrap_or(was.requires_approval),
                }
            }
        }
    )*};
}

tiers_in! {
    /// A tier as an administrator states it.
    TierIn {}
    /// A tier of a whole ladder.
    LadderTierIn {
        /// What the tier is held by; it outlives changes of everything else.
        #[schema(pattern = "^[A-Za-z0-9._:-]{1,64}$", examples("gold"))]
        code: String,
    }
}

words! {
    /// The picture of a tier.
    IconWire as Icon => Icon {
        /// A star.
        Star,
        /// A round medal with a 3.
        Bronze,
        /// A scalloped medal with a 2.
        Silver,
        /// A rayed medal with a 1.
        Gold,
        /// A shield.
        Platinum,
        /// A gem.
        Diamond,
        /// A crown.
        Crown,
        /// A heart.
        Heart,
    }
}

/// All tiers at once.
#[derive(Debug, Clone, Deserialize, ToSchema, Validate)]
#[serde(deny_unknown_fields)]
pub struct LadderIn {
    /// The tiers, in any order.
    #[validate(custom(function = "ladder_rules"))]
    #[schema(max_items = 50, format = "ladder")]
    tiers: Vec<LadderTierIn>,
    /// What the thresholds are measured against, where that changes with them.
    #[serde(default)]
    entry_method: Option<EntryMethodWire>,
}

/// How a change of tiers is to be made.
#[derive(Debug, Deserialize, IntoParams, Validate)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct TiersChangeQuery {
    /// From when on it holds: an instant that is not in the future, or
    /// `beginning`. Now by default, which leaves the past as it was judged;
    /// with an earlier instant, everyone is recalculated from there.
    #[validate(custom(function = "is_effective_from"))]
    #[param(format = "effective-from", max_length = 40, example = "beginning")]
    effective_from: Option<String>,
    /// Recalculate everyone, and drop achievements that the facts don't bear
    /// out: the only way in which a permanent tier is lost.
    allow_downgrades: Option<bool>,
    /// Only say what it would do: nothing is changed.
    dry_run: Option<bool>,
    /// Benefits that this takes off a tier are taken from those who hold it
    /// too; otherwise, with permanent tiers, they keep them.
    for_everyone: Option<bool>,
}

impl TiersChangeQuery {
    /// The options that these parameters state, and whether benefits go for everyone.
    fn options(&self) -> (Options, bool) {
        let options = options(self.effective_from.as_deref(), self.allow_downgrades, self.dry_run);
        (options, self.for_everyone.unwrap_or(false))
    }
}

/// Only who sets rules may say that a tier makes VIPs, and whether that needs approval.
fn check_rules(caller: &Caller, mut says_so: impl Iterator<Item = bool>) -> ApiResult<()> {
    if says_so.any(|says_so| says_so) && !caller.may::<WriteRules>() {
        return Err(Refusal::Forbidden.into());
    }
    Ok(())
}

/// What a ladder's own texts show: codes and ranks are unique, and thresholds,
/// read as decimal numbers, rise with the ranks.
fn ladder_rules(tiers: &[LadderTierIn]) -> Result<(), ValidationError> {
    let mut list: Vec<(String, String)> = Vec::new();
    for (i, tier) in tiers.iter().enumerate() {
        let faults = tier.reward.iter().flat_map(RewardIn::faults);
        list.extend(faults.map(|(field, detail)| (format!("/{i}/reward{field}"), detail)));
    }
    // In any unit the order of thresholds is the same, so their places in that
    // order can stand for them.
    let read = |tier: &LadderTierIn| {
        let text = tier.threshold.as_deref()?;
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        format!("{whole}{fraction:0<4}").parse::<i128>().ok()
    };
    let mut order: Vec<i128> = tiers.iter().filter_map(read).collect();
    order.sort_unstable();
    order.dedup();
    let tier = |tier: &LadderTierIn| {
        let place = read(tier).and_then(|threshold| order.binary_search(&threshold).ok());
        let code = TierCode::parse(&tier.code).ok()?;
        let threshold = place.and_then(|place| i64::try_from(place).ok());
        Some(Tier { code, name: tier.name.clone(), rank: tier.rank, threshold, reward: None })
    };
    let place = |fault: &InvalidLadder| {
        fault.place().map(|(i, field)| format!("/{i}/{field}")).unwrap_or_default()
    };
    if let Some(tiers) = tiers.iter().map(tier).collect::<Option<Vec<_>>>()
        && let Err(faults) = Ladder::new(tiers)
    {
        list.extend(faults.iter().map(|fault| (place(fault), fault.to_string())));
    }
    if list.is_empty() {
        return Ok(());
    }
    let mut error = ValidationError::new("ladder");
    error.add_param("faults".into(), &list);
    Err(error)
}

/// A tier and how it is reached.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct RungOut {
    /// What the tier is held by.
    #[schema(examples("gold"))]
    pub code: String,
    /// The name that people read.
    #[schema(examples("Gold"))]
    pub name: String,
    /// Its place in the ladder: higher is better.
    #[schema(examples(3))]
    pub rank: u32,
    /// The progress that reaches it, in the entry method's unit; null where none does.
    #[schema(required, examples("500.00"))]
    pub threshold: Option<String>,
    /// What an order gives back as store credit to who holds it; null for nothing.
    #[schema(required)]
    pub reward: Option<RewardOut>,
}

impl RungOut {
    fn new(tier: &Tier, method: EntryMethod, currency: Currency) -> Self {
        Self {
            code: tier.code.to_string(),
            name: tier.name.clone(),
            rank: tier.rank,
            threshold: tier.threshold.map(|threshold| threshold_text(threshold, method, currency)),
            reward: tier.reward.map(|reward| RewardOut::new(reward, currency)),
        }
    }

    /// The tiers of some rules, by rank.
    pub fn list(rules: &Rules, currency: Currency) -> Vec<Self> {
        let tiers = rules.ladder.tiers().iter();
        tiers.map(|tier| Self::new(tier, rules.entry_method, currency)).collect()
    }
}

/// A tier as it is.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct TierOut {
    /// The tier and how it is reached.
    #[serde(flatten)]
    pub rung: RungOut,
    /// The codes of the benefits that it carries.
    #[schema(examples(json!([])))]
    pub benefits: Vec<String>,
    /// Its picture on badges and labels.
    #[schema(examples("gold"))]
    pub icon: String,
    /// How soon to serve who holds it: `low`, `normal`, `high` or `urgent`.
    #[schema(examples("normal"))]
    pub priority: String,
    /// The team that sees to who holds it.
    #[schema(required, examples("key-accounts"))]
    pub team: Option<String>,
    /// Whether reaching it makes a VIP.
    #[schema(examples(false))]
    pub designates: bool,
    /// Whether a manager has to approve of that.
    #[schema(examples(false))]
    pub requires_approval: bool,
}

impl TierOut {
    fn new(tier: &Tier, program: &Program) -> Self {
        let treated = program.treatment.of(&tier.code);
        Self {
            rung: RungOut::new(tier, program.latest().entry_method, program.currency),
            benefits: texts(&program.treatment.carried_by(&tier.code)),
            icon: word(&Icon::WORDS, &treated.icon).to_owned(),
            priority: word(&Priority::WORDS, &treated.priority).to_owned(),
            team: treated.team,
            designates: treated.designates,
            requires_approval: treated.requires_approval,
        }
    }
}

/// A tier that was changed, and what became of everyone.
#[derive(Debug, Serialize, ToSchema)]
pub struct TierChangedOut {
    /// The tier as it is now.
    #[serde(flatten)]
    pub tier: TierOut,
    /// The recalculation that the change made necessary; null where there is none.
    #[schema(required)]
    pub recalculation: Option<RecalculationOut>,
}

/// The ladder.
#[derive(Debug, Serialize, ToSchema)]
pub struct LadderOut {
    /// What the thresholds are measured against.
    #[schema(examples("amount_spent"))]
    pub entry_method: String,
    /// The tiers, by rank.
    pub tiers: Vec<TierOut>,
    /// The recalculation that a change made necessary; null where there is none.
    #[schema(required)]
    pub recalculation: Option<RecalculationOut>,
}

impl LadderOut {
    fn new(program: &Program, recalculation: Option<RecalculationOut>) -> Self {
        let rules = program.latest();
        Self {
            entry_method: word(&EntryMethod::WORDS, &rules.entry_method).to_owned(),
            tiers: rules.ladder.tiers().iter().map(|tier| TierOut::new(tier, program)).collect(),
            recalculation,
        }
    }
}

/// A tier whose threshold is read in a method's unit.
fn to_tier(
    code: TierCode,
    name: String,
    rank: u32,
    (threshold, reward): (Option<&str>, Option<&RewardIn>),
    method: EntryMethod,
    currency: Currency,
) -> Result<Tier, Refusal> {
    let threshold = match threshold {
        None => None,
        Some(text) => Some(
            parse_threshold(text, method, currency)
                .ok_or_else(|| Refusal::InvalidThreshold(code.to_string()))?,
        ),
    };
    let reward = reward.map(|reward| reward.to_reward(currency)).transpose()?;
    Ok(Tier { code, name, rank, threshold, reward })
}

/// Has a tier carry benefits and be treated as stated from now on.
fn treat(
    settings: &mut Settings,
    code: &TierCode,
    benefits: Option<&[Code64]>,
    for_everyone: bool,
    now: Instant,
    treatment: impl FnOnce(&TierTreatment) -> TierTreatment,
) -> workflow::Result<()> {
    let benefits = codes(benefits)?;
    let unknown = benefits.iter().find(|code| !settings.treatment.benefits.contains_key(code));
    if let Some(unknown) = unknown {
        return Err(Refusal::UnknownBenefit(unknown.to_string()).into());
    }
    let is_kept = !for_everyone && settings.rules.tier_retention == TierRetention::Permanent;
    settings.treatment.carry(code, &benefits, now, is_kept);
    let was = settings.treatment.of(code);
    settings.treatment.set(code, treatment(&was));
    Ok(())
}

impl LadderTierIn {
    /// The tier that this states, treated as stated from now on.
    fn put(
        &self,
        settings: &mut Settings,
        for_everyone: bool,
        now: Instant,
    ) -> workflow::Result<Tier> {
        let code = TierCode::parse(&self.code)?;
        let benefits = self.benefits.as_deref();
        treat(settings, &code, benefits, for_everyone, now, |was| self.treatment(was))?;
        let (method, currency) = (settings.rules.entry_method, settings.currency);
        let reached_and_given = (self.threshold.as_deref(), self.reward.as_ref());
        Ok(to_tier(code, self.name.clone(), self.rank, reached_and_given, method, currency)?)
    }
}

/// A program's settings with those of some tiers that its ladder lacks.
///
/// # Errors
/// [`Refusal`] where a tier does not fit in.
pub fn add_missing(
    program: &Program,
    tiers: &LadderIn,
    now: Instant,
) -> workflow::Result<Settings> {
    let mut settings = Settings::of(program);
    let mut ladder = settings.rules.ladder.tiers().to_vec();
    for tier in &tiers.tiers {
        if ladder.iter().all(|known| known.code.as_str() != tier.code) {
            ladder.push(tier.put(&mut settings, false, now)?);
        }
    }
    settings.rules.ladder = to_ladder(ladder)?;
    Ok(settings)
}

fn to_ladder(tiers: Vec<Tier>) -> Result<Ladder, Refusal> {
    Ladder::new(tiers).map_err(|faults| {
        Refusal::InvalidLadder(faults.into_iter().next().unwrap_or(InvalidLadder::TooManyTiers))
    })
}

problems!(GetTiersProblems: ANY_TOKEN, &[Code::InvalidRequest, Code::StoreNotSetUp]);

/// The ladder: all tiers, by rank.
///
/// Roles: all.
#[utoipa::path(
    tag = "Tiers",
    operation_id = "list_tiers",
    security(("token" = [])),
    responses((status = 200, description = "The ladder as it is.", body = LadderOut), GetTiersProblems),
)]
#[get("/v1/tiers")]
pub async fn list_tiers(
    allowed: Allowed<ReadOne>,
    _: NoQuery,
    db: web::Data<Db>,
) -> ApiResult<HttpResponse> {
    let (record, ()) = read_of_store(&db, allowed.caller.store, |_, _, _| Ok(())).await?;
    let out = LadderOut::new(&record.program, None);
    Ok(HttpResponse::Ok().insert_header(etag(record.version)).json(out))
}

problems!(PutTiersProblems: TOKEN, BODY, CHANGE, &[
    Code::ThresholdNotInUnit, Code::TierLeavesLadder, Code::UnknownBenefit, Code::TierInRule,
    Code::TierInWayToEarn, Code::AmountNotInCurrency,
]);

/// Set all tiers at once.
///
/// With `entry_method`, what the thresholds are measured against changes with
/// them. Roles: `administrator`, `platform_admin`.
#[utoipa::path(
    tag = "Tiers",
    operation_id = "put_tiers",
    security(("token" = [])),
    params(TiersChangeQuery, ("If-Match" = Option<String>, Header, description = "Change them only if they are still this version (an `ETag`).")),
    request_body(content = LadderIn, example = json!({"tiers": [
        {"code": "bronze", "name": "Bronze", "rank": 1, "threshold": "0"},
        {"code": "silver", "name": "Silver", "rank": 2, "threshold": "250.00", "reward": {"rate": "0.02"}},
        {"code": "gold", "name": "Gold", "rank": 3, "threshold": "500.00", "reward": {"rate": "0.05"}},
    ]})),
    responses((status = 200, description = "The ladder as it is now; of a dry run, as it would be.", body = LadderOut), PutTiersProblems),
)]
#[put("/v1/tiers")]
pub async fn put_tiers(
    allowed: Allowed<WriteProgram>,
    query: Query<TiersChangeQuery>,
    if_match: IfMatchHeader,
    body: Json<LadderIn>,
    db: web::Data<Db>,
) -> ApiResult<HttpResponse> {
    let context = context(&allowed.caller, "tiers_changed");
    let (options, for_everyone) = query.0.options();
    let LadderIn { tiers, entry_method } = body.0;
    check_rules(&allowed.caller, tiers.iter().map(LadderTierIn::says_who_is_vip))?;
    let now = context.now;
    let wish = move |current: &Current<'_>| {
        let mut settings = Settings::of(current.program.ok_or(Refusal::StoreNotSetUp)?);
        let method = entry_method.map_or(settings.rules.entry_method, EntryMethod::from);
        settings.rules.entry_method = method;
        let ladder = tiers.iter().map(|tier| tier.put(&mut settings, for_everyone, now));
        let ladder = ladder.collect::<workflow::Result<_>>()?;
        let left = settings.rules.ladder.tiers().to_vec();
        settings.rules.ladder = to_ladder(ladder)?;
        for tier in left.iter().filter(|t| settings.rules.ladder.find(&t.code).is_none()) {
            settings.treatment.forget(&tier.code);
        }
        Ok::<_, workflow::Error>(settings)
    };
    let changed =
        db.write(move |tx| change_settings(tx, &context, options, &if_match.0, wish)).await?;
    let Followed { record, recalculation, version } =
        follow_up(&db, &allowed.caller.store, changed).await?;
    let out = LadderOut::new(&record.program, recalculation);
    Ok(HttpResponse::Ok().insert_header(etag(version)).json(out))
}

problems!(GetTierProblems: ANY_TOKEN, &[Code::InvalidRequest, Code::NotFound, Code::StoreNotSetUp]);

/// One tier.
///
/// Roles: all.
#[utoipa::path(
    tag = "Tiers",
    operation_id = "get_tier",
    security(("token" = [])),
    params(("tier_code" = String, Path, description = "The tier's code.", pattern = "^[A-Za-z0-9._:-]{1,64}$", example = "gold")),
    responses((status = 200, description = "The tier as it is.", body = TierOut), GetTierProblems),
)]
#[get("/v1/tiers/{tier_code}")]
pub async fn get_tier(
    allowed: Allowed<ReadOne>,
    code: Id<TierCode>,
    _: NoQuery,
    db: web::Data<Db>,
) -> ApiResult<HttpResponse> {
    let (record, ()) = read_of_store(&db, allowed.caller.store, |_, _, _| Ok(())).await?;
    let tier = record.program.latest().ladder.find(&code.0).ok_or(Refusal::NotFound("tier"))?;
    let out = TierOut::new(tier, &record.program);
    Ok(HttpResponse::Ok().insert_header(etag(record.version)).json(out))
}

problems!(PutTierProblems: TOKEN, BODY, CHANGE, &[
    Code::ThresholdNotInUnit, Code::LadderInvalid, Code::LadderComesWhole, Code::UnknownBenefit,
    Code::AmountNotInCurrency,
]);

/// Put one tier into the ladder, or change it.
///
/// Once the store has facts, the first ladder comes whole (`PUT /v1/tiers`).
/// Roles: `administrator`, `platform_admin`.
#[utoipa::path(
    tag = "Tiers",
    operation_id = "put_tier",
    security(("token" = [])),
    params(
        ("tier_code" = String, Path, description = "The tier's code, the shop's own.", pattern = "^[A-Za-z0-9._:-]{1,64}$", example = "gold"),
        TiersChangeQuery,
        ("If-Match" = Option<String>, Header, description = "Change it only if it is still this version (an `ETag`)."),
    ),
    request_body(content = TierIn, example = json!({"name": "Gold", "rank": 3, "threshold": "500.00"})),
    responses(
        (status = 201, description = "The tier is new.", body = TierChangedOut),
        (status = 200, description = "The tier as it is now; of a dry run, as it would be.", body = TierChangedOut),
        PutTierProblems,
    ),
)]
#[put("/v1/tiers/{tier_code}")]
pub async fn put_tier(
    allowed: Allowed<WriteProgram>,
    code: Id<TierCode>,
    query: Query<TiersChangeQuery>,
    if_match: IfMatchHeader,
    body: Json<TierIn>,
    db: web::Data<Db>,
) -> ApiResult<HttpResponse> {
    let context = context(&allowed.caller, "tier_changed");
    let (options, for_everyone) = query.0.options();
    let body = body.0;
    check_rules(&allowed.caller, std::iter::once(body.says_who_is_vip()))?;
    let now = context.now;
    let wanted = code.0.clone();
    let (changed, is_new) = db
        .write(move |tx| {
            let mut is_new = false;
            let changed =
                change_settings(tx, &context, options, &if_match.0, |current: &Current<'_>| {
                    let program = current.program.ok_or(Refusal::StoreNotSetUp)?;
                    let mut settings = Settings::of(program);
                    let benefits = body.benefits.as_deref();
                    treat(&mut settings, &wanted, benefits, for_everyone, now, |was| {
                        body.treatment(was)
                    })?;
                    let rules = &mut settings.rules;
                    is_new = rules.ladder.find(&wanted).is_none();
                    if_match.0.check_part(!is_new)?;
                    let tier = to_tier(
                        wanted,
                        body.name,
                        body.rank,
                        (body.threshold.as_deref(), body.reward.as_ref()),
                        rules.entry_method,
                        program.currency,
                    )?;
                    let tiers = put_into_ladder(&rules.ladder, tier, current.has_facts)?;
                    rules.ladder = to_ladder(tiers)?;
                    Ok::<_, workflow::Error>(settings)
                })?;
            Ok::<_, workflow::Error>((changed, is_new))
        })
        .await?;
    let Followed { record, recalculation, version } =
        follow_up(&db, &allowed.caller.store, changed).await?;
    let tier = record.program.latest().ladder.find(&code.0).ok_or(Refusal::NotFound("tier"))?;
    let tier = TierOut::new(tier, &record.program);
    let mut response =
        if is_new && !options.dry_run { HttpResponse::Created() } else { HttpResponse::Ok() };
    Ok(response.insert_header(etag(version)).json(TierChangedOut { tier, recalculation }))
}

problems!(DeleteTierProblems: TOKEN, CHANGE, &[
    Code::InvalidRequest, Code::NotFound, Code::TierLeavesLadder, Code::TierInRule,
    Code::TierInWayToEarn,
]);

/// Take a tier out of the ladder, while the store has no facts.
///
/// Afterwards, a threshold of null retires it. Roles: `administrator`,
/// `platform_admin`.
#[utoipa::path(
    tag = "Tiers",
    operation_id = "delete_tier",
    security(("token" = [])),
    params(
        ("tier_code" = String, Path, description = "The tier's code.", pattern = "^[A-Za-z0-9._:-]{1,64}$", example = "gold"),
        ChangeQuery,
        ("If-Match" = Option<String>, Header, description = "Take it out only if it is still this version (an `ETag`)."),
    ),
    responses((status = 204, description = "The tier is gone; of a dry run, it could be taken out."), DeleteTierProblems),
)]
#[delete("/v1/tiers/{tier_code}")]
pub async fn delete_tier(
    allowed: Allowed<WriteProgram>,
    code: Id<TierCode>,
    query: Query<ChangeQuery>,
    if_match: IfMatchHeader,
    db: web::Data<Db>,
) -> ApiResult<HttpResponse> {
    let context = context(&allowed.caller, "tier_removed");
    let options = query.0.options();
    let wish = move |current: &Current<'_>| {
        let program = current.program.ok_or(Refusal::StoreNotSetUp)?;
        let mut settings = Settings::of(program);
        let tiers = settings.rules.ladder.tiers();
        if tiers.iter().all(|tier| tier.code != code.0) {
            return Err(Refusal::NotFound("tier").into());
        }
        let left = tiers.iter().filter(|tier| tier.code != code.0).cloned().collect();
        settings.rules.ladder = to_ladder(left)?;
        settings.treatment.forget(&code.0);
        Ok::<_, workflow::Error>(settings)
    };
    let changed =
        db.write(move |tx| change_settings(tx, &context, options, &if_match.0, wish)).await?;
    follow_up(&db, &allowed.caller.store, changed).await?;
    Ok(HttpResponse::NoContent().finish())
}
