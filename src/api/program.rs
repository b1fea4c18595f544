//! The program's settings.

use super::auth::{Allowed, ReadOne, WriteProgram, WriteRules};
use super::changes::{ChangeQuery, Followed, context, follow_up};
use super::extract::{IfMatchHeader, NoQuery, Patch, Query, etag, rule};
use super::problem::{ANY_TOKEN, ApiError, ApiResult, BODY, Code, TOKEN, problems};
use super::read_of_store;
use super::recalculations::RecalculationOut;
use super::wire::At;
use crate::db::recalculations;
use crate::db::{Db, Tx};
use crate::domain::Instant;
use crate::domain::benefit::Treatment;
use crate::domain::change::{Settings, convert_ladder};
use crate::domain::earning::Ways;
use crate::domain::money::Currency;
use crate::domain::period::{Anchor, MONTHS_MAX, ProgressReset};
use crate::domain::program::{EntryMethod, Program, Rules, TierRetention};
use crate::domain::qualification::Qualification;
use crate::domain::tier::Ladder;
use crate::domain::words::word;
use crate::workflow::programs::{Current, change_settings};
use crate::workflow::{self, Refusal};
use actix_web::{HttpResponse, get, patch, web};
use chrono::NaiveDate;
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;
use validator::{Validate, ValidationError};

/// The program's settings. Every field may be left out; null restores its default.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema, Validate)]
#[serde(deny_unknown_fields)]
#[validate(schema(function = "program_rules"))]
pub struct ProgramIn {
    /// What the shop calls its program; "VIP" by default.
    #[serde(default)]
    #[schema(
        max_length = 100,
        pattern = r"^[^\x00-\x1f\x7f]*[^\x00-\x20\x7f][^\x00-\x1f\x7f]*$",
        examples("VIP")
    )]
    name: Option<String>,
    /// The currency of every amount (ISO 4217). Has to be given once; fixed once there are facts.
    #[serde(default)]
    #[validate(custom(function = "is_currency"))]
    #[schema(pattern = "^[A-Z]{3}$", format = "iso-4217", examples("GBP"))]
    currency: Option<String>,
    /// The IANA time zone whose midnights are the boundaries of periods; "UTC" by default.
    #[serde(default)]
    #[validate(custom(function = "is_time_zone"))]
    #[schema(format = "iana-time-zone", max_length = 64, examples("Europe/London"))]
    time_zone: Option<String>,
    /// From which date on activity counts; today by default.
    #[serde(default)]
    #[schema(examples("2009-12-01"))]
    start_date: Option<NaiveDate>,
    /// What thresholds are measured against; `amount_spent` by default.
    #[serde(default)]
    entry_method: Option<EntryMethodWire>,
    /// When progress starts again at zero; `never` by default. Replaced whole.
    #[serde(default)]
    progress_reset: Option<ProgressResetWire>,
    /// What becomes of a tier when a period ends; `permanent` by default.
    #[serde(default)]
    tier_retention: Option<TierRetentionWire>,
    /// Points that an order earns by unit of its net total; "1" by default. The
    /// default of the way to earn by currency unit, where there is one.
    #[serde(default)]
    #[schema(pattern = r"^[0-9]{1,7}(\.[0-9]{1,6})?$", format = "points-rate", examples("1"))]
    #[validate(custom(function = "is_rate"))]
    points_per_unit: Option<String>,
    /// How many days a designation is kept after a subscription was cancelled; 90 by default.
    #[serde(default)]
    #[schema(minimum = 0, maximum = 3650, examples(90))]
    grace_days: Option<u32>,
    /// After how many months in which nothing was earned, redeemed or adjusted
    /// store credit and points expire, at the local midnight; null, the
    /// default, for never. What is past its time when this is set expires at
    /// once, for good.
    #[serde(default)]
    #[schema(minimum = 1, maximum = 120, examples(24))]
    credit_expires_after_months: Option<u32>,
    /// Whether the shop's label has a place for the VIP icon; true by default.
    #[serde(default)]
    #[schema(examples(true))]
    label_shows_icon: Option<bool>,
    /// Whether a customer's card shows that they are a VIP; false by default.
    #[serde(default)]
    #[schema(examples(false))]
    vip_visible_to_customers: Option<bool>,
    /// Whether rules of qualification act, or only say who meets them; true by
    /// default. Tiers that say `designates` do so in any case. Only a
    /// `platform_admin` may change it.
    #[serde(default)]
    #[schema(examples(true))]
    automatic_qualification: Option<bool>,
}

/// What thresholds are measured against.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = EntryMethod)]
pub enum EntryMethodWire {
    /// Money spent, less refunds.
    AmountSpent,
    /// Orders placed and completed.
    OrdersPlaced,
    /// Points earned.
    PointsEarned,
}

/// What becomes of a tier when a period ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = TierRetention)]
pub enum TierRetentionWire {
    /// A tier once reached is kept for good.
    Permanent,
    /// Who has not reached the top tier in the period falls to the entry tier.
    ResetEachPeriod,
}

/// When progress starts again at zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
#[schema(as = ProgressReset)]
pub enum ProgressResetWire {
    /// It never does.
    Never,
    /// At the start of each calendar year.
    CalendarYear,
    /// Every so many months, counted from an anchor.
    Rolling {
        /// How many months a period has.
        #[schema(minimum = 1, maximum = 120, examples(12))]
        months: u32,
        /// What they are counted from.
        anchor: AnchorWire,
    },
}

/// What the months of rolling periods are counted from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = Anchor)]
pub enum AnchorWire {
    /// The customer's enrolment.
    Enrolment,
    /// When the customer first held a tier; no period ends before.
    FirstTier,
    /// The program's start date, the same for everyone.
    ProgramStart,
}

impl From<EntryMethodWire> for EntryMethod {
    fn from(wire: EntryMethodWire) -> Self {
        match wire {
            EntryMethodWire::AmountSpent => Self::AmountSpent,
            EntryMethodWire::OrdersPlaced => Self::OrdersPlaced,
            EntryMethodWire::PointsEarned => Self::PointsEarned,
        }
    }
}

impl From<EntryMethod> for EntryMethodWire {
    fn from(method: EntryMethod) -> Self {
        match method {
            EntryMethod::AmountSpent => Self::AmountSpent,
            EntryMethod::OrdersPlaced => Self::OrdersPlaced,
            EntryMethod::PointsEarned => Self::PointsEarned,
        }
    }
}

impl From<ProgressResetWire> for ProgressReset {
    fn from(wire: ProgressResetWire) -> Self {
        match wire {
            ProgressResetWire::Never => Self::Never,
            ProgressResetWire::CalendarYear => Self::CalendarYear,
            ProgressResetWire::Rolling { months, anchor } => {
                let anchor = match anchor {
                    AnchorWire::Enrolment => Anchor::Enrolment,
                    AnchorWire::FirstTier => Anchor::FirstTier,
                    AnchorWire::ProgramStart => Anchor::ProgramStart,
                };
                Self::Rolling { months, anchor }
            }
        }
    }
}

impl From<ProgressReset> for ProgressResetWire {
    fn from(reset: ProgressReset) -> Self {
        match reset {
            ProgressReset::Never => Self::Never,
            ProgressReset::CalendarYear => Self::CalendarYear,
            ProgressReset::Rolling { months, anchor } => {
                let anchor = match anchor {
                    Anchor::Enrolment => AnchorWire::Enrolment,
                    Anchor::FirstTier => AnchorWire::FirstTier,
                    Anchor::ProgramStart => AnchorWire::ProgramStart,
                };
                Self::Rolling { months, anchor }
            }
        }
    }
}

impl From<TierRetentionWire> for TierRetention {
    fn from(wire: TierRetentionWire) -> Self {
        match wire {
            TierRetentionWire::Permanent => Self::Permanent,
            TierRetentionWire::ResetEachPeriod => Self::ResetEachPeriod,
        }
    }
}

fn is_currency(code: &str) -> Result<(), ValidationError> {
    let error =
        || ValidationError::new("currency").with_message("is no currency of ISO 4217".into());
    Currency::parse(code).map(|_| ()).ok_or_else(error)
}

fn is_time_zone(name: &str) -> Result<(), ValidationError> {
    let error = |_| {
        let message = "is no IANA time zone such as \"Europe/London\"";
        ValidationError::new("time_zone").with_message(message.into())
    };
    name.parse::<Tz>().map(|_| ()).map_err(error)
}

fn is_rate(rate: &str) -> Result<(), ValidationError> {
    let is_fine = rate
        .parse::<rust_decimal::Decimal>()
        .is_ok_and(|rate| rate <= crate::domain::program::POINTS_PER_UNIT_MAX);
    let error = || ValidationError::new("rate").with_message("must be at most 1000000".into());
    if is_fine { Ok(()) } else { Err(error()) }
}

fn program_rules(program: &ProgramIn) -> Result<(), ValidationError> {
    let (Some(retention), Some(reset)) = (program.tier_retention, program.progress_reset) else {
        return Ok(());
    };
    if let ProgressResetWire::Rolling { months, .. } = reset
        && !(1..=MONTHS_MAX).contains(&months)
    {
        return Err(rule("/progress_reset/months", "must be 1 to 120"));
    }
    let rules = Rules {
        entry_method: EntryMethod::AmountSpent,
        progress_reset: reset.into(),
        tier_retention: retention.into(),
        points_per_unit: rust_decimal::Decimal::ONE,
        ways: Ways::default(),
        ladder: Ladder::default(),
    };
    rules.check().map_err(|error| rule("/tier_retention", &error.to_string()))
}

impl ProgramIn {
    /// The settings that this states in full, over a ladder.
    fn into_settings(
        self,
        ladder: Ladder,
        mut treatment: Treatment,
        mut qualification: Qualification,
        now: Instant,
    ) -> workflow::Result<Settings> {
        let time_zone =
            self.time_zone.as_deref().and_then(|name| name.parse().ok()).unwrap_or(Tz::UTC);
        let currency = self.currency.as_deref().and_then(Currency::parse);
        let rate = self.points_per_unit.as_deref().and_then(|text| text.parse().ok());
        treatment.label_shows_icon = self.label_shows_icon.unwrap_or(true);
        treatment.vip_visible_to_customers = self.vip_visible_to_customers.unwrap_or(false);
        qualification.is_automatic = self.automatic_qualification.unwrap_or(true);
        let today = now.with_timezone(&time_zone).date_naive();
        Ok(Settings {
            name: self.name.unwrap_or_else(|| "VIP".to_owned()),
            currency: currency.ok_or(Refusal::CurrencyMissing)?,
            time_zone,
            start_date: self.start_date.unwrap_or(today),
            grace_days: self.grace_days.unwrap_or(90),
            credit_expiry_months: self.credit_expires_after_months,
            treatment,
            qualification,
            rules: Rules {
                entry_method: self.entry_method.map_or(EntryMethod::AmountSpent, EntryMethod::from),
                progress_reset: self
                    .progress_reset
                    .map_or(ProgressReset::Never, ProgressReset::from),
                tier_retention: self
                    .tier_retention
                    .map_or(TierRetention::Permanent, TierRetention::from),
                points_per_unit: rate.unwrap_or(rust_decimal::Decimal::ONE),
                ways: Ways::default(),
                ladder,
            },
        })
    }
}

/// The program as it is.
#[derive(Debug, Serialize, ToSchema)]
pub struct ProgramOut {
    /// What the shop calls its program.
    #[schema(examples("VIP"))]
    pub name: String,
    /// The currency of every amount.
    #[schema(examples("GBP"))]
    pub currency: String,
    /// The IANA time zone whose midnights are the boundaries of periods.
    #[schema(examples("Europe/London"))]
    pub time_zone: String,
    /// From which date on activity counts.
    #[schema(examples("2009-12-01"))]
    pub start_date: NaiveDate,
    /// The newest rules.
    #[serde(flatten)]
    pub rules: RulesOut,
    /// How many days a designation is kept after a subscription was cancelled.
    #[schema(examples(90))]
    pub grace_days: u32,
    /// After how many months without an entry store credit and points expire; null for never.
    #[schema(required, examples(24))]
    pub credit_expires_after_months: Option<u32>,
    /// Whether the shop's label has a place for the VIP icon.
    #[schema(examples(true))]
    pub label_shows_icon: bool,
    /// Whether a customer's card shows that they are a VIP.
    #[schema(examples(false))]
    pub vip_visible_to_customers: bool,
    /// Whether rules of qualification act, or only say who meets them.
    #[schema(examples(true))]
    pub automatic_qualification: bool,
    /// Since when the program is paused; null while it runs.
    #[schema(required)]
    pub paused_since: Option<At>,
    /// The number of the newest revision.
    #[schema(examples(1))]
    pub revision: i64,
    /// The recalculation that a change made necessary: this one's, or the one
    /// that still runs; null where there is none.
    #[schema(required)]
    pub recalculation: Option<RecalculationOut>,
}

/// What revisions change, but for the tiers.
#[derive(Debug, Serialize, ToSchema)]
pub struct RulesOut {
    /// What thresholds are measured against.
    #[schema(examples("amount_spent"))]
    pub entry_method: String,
    /// When progress starts again at zero.
    pub progress_reset: ProgressResetWire,
    /// What becomes of a tier when a period ends.
    #[schema(examples("permanent"))]
    pub tier_retention: String,
    /// Points that an order earns by unit of its net total.
    #[schema(examples("1"))]
    pub points_per_unit: String,
}

impl From<&Rules> for RulesOut {
    fn from(rules: &Rules) -> Self {
        Self {
            entry_method: word(&EntryMethod::WORDS, &rules.entry_method).to_owned(),
            progress_reset: rules.progress_reset.into(),
            tier_retention: word(&TierRetention::WORDS, &rules.tier_retention).to_owned(),
            points_per_unit: rules.points_per_unit.to_string(),
        }
    }
}

impl ProgramOut {
    /// A program on the wire.
    pub fn new(program: &Program, recalculation: Option<RecalculationOut>) -> Self {
        Self {
            name: program.name.clone(),
            currency: program.currency.code().to_owned(),
            time_zone: program.time_zone.name().to_owned(),
            start_date: program.start_date,
            rules: RulesOut::from(program.latest()),
            grace_days: program.grace_days,
            credit_expires_after_months: program.credit_expiry_months,
            label_shows_icon: program.treatment.label_shows_icon,
            vip_visible_to_customers: program.treatment.vip_visible_to_customers,
            automatic_qualification: program.qualification.is_automatic,
            paused_since: program
                .pauses()
                .last()
                .filter(|pause| pause.until.is_none())
                .map(|pause| At(pause.from)),
            revision: program.revisions().last().map_or(0, |revision| revision.number),
            recalculation,
        }
    }
}

/// What a PUT of the whole program would state: the ground of a PATCH.
fn to_input(program: &Program) -> serde_json::Value {
    let rules = RulesOut::from(program.latest());
    json!({
        "name": program.name, "currency": program.currency.code(),
        "time_zone": program.time_zone.name(), "start_date": program.start_date,
        "entry_method": rules.entry_method, "progress_reset": rules.progress_reset,
        "tier_retention": rules.tier_retention, "points_per_unit": rules.points_per_unit,
        "grace_days": program.grace_days,
        "credit_expires_after_months": program.credit_expiry_months,
        "label_shows_icon": program.treatment.label_shows_icon,
        "vip_visible_to_customers": program.treatment.vip_visible_to_customers,
        "automatic_qualification": program.qualification.is_automatic,
    })
}

problems!(PatchProgramProblems: TOKEN, BODY, &[
    Code::CurrencyMissing, Code::CurrencyFixed, Code::EntryMethodNeedsLadder,
    Code::RetentionNeedsCommonPeriods, Code::EffectiveFromInFuture, Code::RecalculationRunning,
    Code::PreconditionFailed,
]);

/// Change the program's settings; the first time, set the store up.
///
/// A change to entry method, reset, retention or earning rate makes a
/// revision that holds from `effective_from` on. A change of `start_date` or
/// `time_zone` recalculates everyone. While a store has no facts, a change
/// amends the first revision. Roles: `administrator`, `platform_admin`.
#[utoipa::path(
    tag = "Program",
    operation_id = "patch_program",
    security(("token" = [])),
    params(ChangeQuery, ("If-Match" = Option<String>, Header, description = "Change it only if it is still this version (an `ETag`).")),
    request_body(content = ProgramIn, example = json!({
        "name": "VIP", "currency": "GBP", "time_zone": "Europe/London", "start_date": "2009-12-01",
        "entry_method": "amount_spent",
        "progress_reset": {"kind": "rolling", "months": 12, "anchor": "first_tier"},
        "tier_retention": "permanent", "points_per_unit": "1", "grace_days": 90,
    })),
    responses((status = 200, description = "The program as it is now; of a dry run, as it would be.", body = ProgramOut), PatchProgramProblems),
)]
#[patch("/v1/program")]
pub async fn patch_program(
    allowed: Allowed<WriteProgram>,
    query: Query<ChangeQuery>,
    if_match: IfMatchHeader,
    body: Patch<ProgramIn>,
    db: web::Data<Db>,
) -> ApiResult<HttpResponse> {
    let options = query.0.options();
    let context = context(&allowed.caller, "program_changed");
    let now = context.now;
    let may_set_rules = allowed.caller.may::<WriteRules>();
    let check_rules = move |settings: &Settings, was: &Qualification| {
        let is_changed = settings.qualification.is_automatic != was.is_automatic;
        if is_changed && !may_set_rules { Err(Refusal::Forbidden) } else { Ok(()) }
    };
    let wish = move |current: &Current<'_>| match current.program {
        None => {
            let (treatment, none) = (Treatment::default(), Qualification::default());
            let whole = body.onto(json!({}))?;
            let settings = whole.into_settings(Ladder::default(), treatment, none.clone(), now)?;
            check_rules(&settings, &none)?;
            Ok::<_, ApiError>(settings)
        }
        Some(program) => {
            let (treatment, rules) = (program.treatment.clone(), program.qualification.clone());
            let whole = body.onto(to_input(program))?;
            let settings = whole.into_settings(Ladder::default(), treatment, rules, now)?;
            check_rules(&settings, &program.qualification)?;
            let old = program.latest();
            let ladder = convert_ladder(
                &old.ladder,
                (old.entry_method, program.currency),
                (settings.rules.entry_method, settings.currency),
                current.has_facts,
            )
            .map_err(|refused| ApiError::from(Refusal::Program(refused)))?;
            let ways = old.ways.clone();
            Ok(Settings { rules: Rules { ladder, ways, ..settings.rules }, ..settings })
        }
    };
    let changed = db
        .write(move |tx: &mut Tx<'_>| change_settings(tx, &context, options, &if_match.0, wish))
        .await?;
    let Followed { record, recalculation, version } =
        follow_up(&db, &allowed.caller.store, changed).await?;
    Ok(HttpResponse::Ok()
        .insert_header(etag(version))
        .json(ProgramOut::new(&record.program, recalculation)))
}

problems!(GetProgramProblems: ANY_TOKEN, &[Code::InvalidRequest, Code::StoreNotSetUp]);

/// The program's settings.
///
/// Roles: all.
#[utoipa::path(
    tag = "Program",
    operation_id = "get_program",
    security(("token" = [])),
    responses((status = 200, description = "The program as it is.", body = ProgramOut), GetProgramProblems),
)]
#[get("/v1/program")]
pub async fn get_program(
    allowed: Allowed<ReadOne>,
    _: NoQuery,
    db: web::Data<Db>,
) -> ApiResult<HttpResponse> {
    let (record, running) = read_of_store(&db, allowed.caller.store, |tx, store, record| {
        Ok(match &record.pending {
            Some(pending) => recalculations::find(tx, store, &pending.recalculation_id)?,
            None => None,
        })
    })
    .await?;
    let recalculation = running.map(RecalculationOut::try_from).transpose()?;
    Ok(HttpResponse::Ok()
        .insert_header(etag(record.version))
        .json(ProgramOut::new(&record.program, recalculation)))
}
