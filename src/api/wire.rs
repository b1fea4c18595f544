//! What several resources have in common on the wire.

use super::rewards::RewardOut;
use crate::db::page::Seek;
use crate::domain::Instant;
use crate::domain::change::threshold_text;
use crate::domain::membership::{self, Figures};
use crate::domain::money::{Amount, Currency};
use crate::domain::tier::Tier;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, Datelike, SubsecRound, Utc};
use serde::{Deserialize, Serialize};
use utoipa::openapi::schema::{KnownFormat, ObjectBuilder, SchemaFormat, Type};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{IntoParams, PartialSchema, ToSchema};
use validator::Validate;

/// A decimal string of digits with at most one point.
pub const AMOUNT_PATTERN: &str = r"^[0-9]{1,19}(\.[0-9]{1,4})?$";
/// A value of a metric: an amount or a whole number.
pub const VALUE_PATTERN: &str = r"^[0-9]{1,14}(\.[0-9]{1,4})?$";
/// A share of a whole.
pub const SHARE_PATTERN: &str = r"^[0-9]{1,7}(\.[0-9]{1,4})?$";
/// An amount that may be below zero.
pub const SIGNED_AMOUNT_PATTERN: &str = r"^-?[0-9]{1,16}(\.[0-9]{1,4})?$";
/// An earning rate.
pub const RATE_PATTERN: &str = r"^[0-9]{1,7}(\.[0-9]{1,6})?$";
/// A percentage.
pub const PERCENT_PATTERN: &str = r"^[0-9]{1,3}(\.[0-9]{1,2})?$";
/// A currency of ISO 4217.
pub const CURRENCY_PATTERN: &str = "^[A-Z]{3}$";
/// An e-mail address, as far as one can tell by its looks.
pub const EMAIL_PATTERN: &str = r"^[^@\s]+@[^@\s]+$";
/// A text with something to read in it, and no control characters.
pub const TEXT_PATTERN: &str = r"^[^\x00-\x1f\x7f]*[^\x00-\x20\x7f][^\x00-\x1f\x7f]*$";
/// The same of several lines.
pub const LINES_PATTERN: &str =
    r"^[^\x00-\x08\x0b\x0c\x0e-\x1f\x7f]*[^\x00-\x20\x7f][^\x00-\x08\x0b\x0c\x0e-\x1f\x7f]*$";

/// A word list on the wire, and its way to and from the domain's.
macro_rules! words {
    ($($(#[$doc:meta])* $wire:ident as $name:ident => $domain:ty { $($(#[$vdoc:meta])* $value:ident),+ $(,)? })*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
        #[serde(rename_all = "snake_case")]
        #[schema(as = $name)]
        pub enum $wire { $($(#[$vdoc])* $value),+ }

        impl From<$wire> for $domain {
            fn from(wire: $wire) -> Self {
                match wire { $($wire::$value => <$domain>::$value),+ }
            }
        }
    )*};
}
pub(super) use words;

/// An instant on the wire: RFC 3339, cut to microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct At(pub Instant);

/// An instant as it is kept: cut to microseconds. A leap second is the second
/// after it, as it is for the databases. `None` beyond the years of four digits,
/// which an answer could not state.
pub fn kept(at: DateTime<Utc>) -> Option<Instant> {
    let at = DateTime::from_timestamp_micros(at.timestamp_micros())?;
    (0..=9999).contains(&at.year()).then_some(at)
}

impl<'de> Deserialize<'de> for At {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        kept(DateTime::deserialize(deserializer)?).map(Self).ok_or_else(|| {
            serde::de::Error::custom("an instant must lie in the years 0000 to 9999, in UTC")
        })
    }
}

impl PartialSchema for At {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(Type::String)
            .format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime)))
            .description(Some("An instant (RFC 3339). Answers are in UTC; digits beyond microseconds are cut off."))
            .into()
    }
}

impl ToSchema for At {
    fn name() -> std::borrow::Cow<'static, str> {
        "Instant".into()
    }
}

/// What counts, in all three metrics.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct FiguresOut {
    /// Money spent less refunds, in the program's currency.
    #[schema(examples("500.00"))]
    pub amount_spent: String,
    /// Orders completed and not refunded in full.
    #[schema(examples(1))]
    pub orders_placed: i64,
    /// Points, of orders and of activities.
    #[schema(examples(0))]
    pub points_earned: i64,
}

impl FiguresOut {
    /// Figures in a currency.
    pub fn new(figures: Figures, currency: Currency) -> Self {
        Self {
            amount_spent: Amount(figures.amount_spent, currency).to_string(),
            orders_placed: figures.orders_placed,
            points_earned: figures.points_earned,
        }
    }
}

/// The tier that a customer holds.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct HeldTierOut {
    /// The tier's code.
    #[schema(examples("silver"))]
    pub code: String,
    /// The tier's name.
    #[schema(examples("Silver"))]
    pub name: String,
    /// The tier's rank: higher is better.
    #[schema(examples(2))]
    pub rank: u32,
    /// Since when it is held.
    #[schema(examples("2024-06-01T10:00:00Z"))]
    pub since: At,
}

/// The next tier, and what is missing to it.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct NextTierOut {
    /// The tier's code.
    #[schema(examples("gold"))]
    pub code: String,
    /// The tier's name.
    #[schema(examples("Gold"))]
    pub name: String,
    /// The progress that reaches it, in the entry method's unit.
    #[schema(examples("1000.00"))]
    pub threshold: String,
    /// What is missing, in the same unit; never below zero.
    #[schema(examples("500.00"))]
    pub remaining: String,
    /// Whether the next order that raises the progress lifts, however little it does.
    #[schema(examples(false))]
    pub next_order_lifts: bool,
}

/// The stretch over which progress adds up.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct PeriodOut {
    /// When it began.
    #[schema(examples("2024-03-01T09:00:00Z"))]
    pub start: At,
    /// When progress starts again at zero; null where nothing is going to end
    /// it, or a pause keeps it open.
    #[schema(required, examples("2025-01-01T00:00:00Z"))]
    pub end: Option<At>,
}

/// Where a customer stands in the program at an instant.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct MembershipOut {
    /// The customer.
    #[schema(examples("c1"))]
    pub customer_id: String,
    /// The instant that this holds for.
    #[schema(examples("2024-12-31T23:59:59Z"))]
    pub as_of: At,
    /// The tier held; null where none is.
    #[schema(required)]
    pub tier: Option<HeldTierOut>,
    /// Whether a tier once reached is kept for good.
    #[schema(examples(true))]
    pub permanent: bool,
    /// Whether the program is paused: nothing counts then, and nothing resets.
    #[schema(examples(false))]
    pub paused: bool,
    /// What counts toward the next tier, in all three metrics; the program's
    /// entry method says which one the thresholds are measured against.
    pub progress: FiguresOut,
    /// The next tier; null at the top.
    #[schema(required)]
    pub next_tier: Option<NextTierOut>,
    /// The open period; null before enrolment.
    #[schema(required)]
    pub period: Option<PeriodOut>,
    /// All that was ever spent, ordered and earned, also before the program's start.
    pub lifetime: FiguresOut,
    /// What the tier gives back on orders, a better reward that the customer
    /// has kept included; null for nothing.
    #[schema(required)]
    pub reward: Option<RewardOut>,
    /// When the customer was enrolled; null where they are not yet.
    #[schema(required, examples("2024-03-01T09:00:00Z"))]
    pub enrolled_at: Option<At>,
}

impl MembershipOut {
    /// A membership on the wire.
    pub fn new(customer_id: &str, membership: &membership::Membership, currency: Currency) -> Self {
        let method = membership.entry_method;
        let text = |units| threshold_text(units, method, currency);
        Self {
            customer_id: customer_id.to_owned(),
            as_of: At(membership.as_of),
            tier: membership.tier.as_ref().map(|(tier, since): &(Tier, Instant)| HeldTierOut {
                code: tier.code.to_string(),
                name: tier.name.clone(),
                rank: tier.rank,
                since: At(*since),
            }),
            permanent: membership.permanent,
            paused: membership.paused,
            progress: FiguresOut::new(membership.progress, currency),
            next_tier: membership.next_tier.as_ref().map(|next| NextTierOut {
                code: next.tier.code.to_string(),
                name: next.tier.name.clone(),
                threshold: text(next.threshold),
                remaining: text(next.remaining),
                next_order_lifts: next.next_order_lifts,
            }),
            period: membership
                .period
                .map(|period| PeriodOut { start: At(period.start), end: period.end.map(At) }),
            lifetime: FiguresOut::new(membership.lifetime, currency),
            reward: membership.reward.map(|reward| RewardOut::new(reward, currency)),
            enrolled_at: membership.enrolled_at.map(At),
        }
    }
}

/// A membership before and after something that was written.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct MembershipChangeOut {
    /// Without it, at the later of now and its instant.
    pub before: MembershipOut,
    /// With it, at the same instant; the same as before where nothing changed.
    pub after: MembershipOut,
}

/// Which page of a list to answer.
#[derive(Debug, Deserialize, IntoParams, Validate)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct PageQuery {
    /// How many to answer: 1 to 200, 50 by default.
    #[param(minimum = 1, maximum = 200, example = 50)]
    pub limit: Option<i64>,
    /// Where to go on: the `next_cursor` of the page before.
    #[validate(custom(function = "is_cursor"))]
    #[param(format = "cursor", pattern = "^[A-Za-z0-9_-]+$", max_length = 1500)]
    pub cursor: Option<String>,
}

impl PageQuery {
    /// How many rows to answer.
    pub fn limit(&self) -> i64 {
        self.limit.unwrap_or(LIMIT_DEFAULT)
    }

    /// After which place to begin.
    pub fn after(&self) -> Option<Seek> {
        self.cursor.as_deref().and_then(parse_cursor)
    }
}

/// The rows of a page when none is asked for, and the most that can be.
pub const LIMIT_DEFAULT: i64 = 50;
/// The most rows of a page.
pub const LIMIT_MAX: i64 = 200;

/// A cursor: where the next page begins. Opaque to callers.
pub fn cursor(seek: &Seek) -> String {
    URL_SAFE_NO_PAD.encode(serde_json::to_vec(seek).unwrap_or_default())
}

/// What a cursor stands for; `None` for a text that this service would not have
/// written, or that no database can look for.
pub fn parse_cursor(text: &str) -> Option<Seek> {
    let seek: Seek = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(text).ok()?).ok()?;
    let has_nul = seek.text.contains('\0') || seek.id.contains('\0');
    (!has_nul && cursor(&seek) == text).then_some(seek)
}

/// What a cursor is, in words.
pub const CURSOR_RULE: &str = "must be the next_cursor of an earlier answer";

/// A rule for query parameters: the text is a cursor.
///
/// # Errors
/// A fault for any other text.
pub fn is_cursor(text: &str) -> Result<(), validator::ValidationError> {
    parse_cursor(text)
        .map(|_| ())
        .ok_or_else(|| validator::ValidationError::new("cursor").with_message(CURSOR_RULE.into()))
}

/// Cuts a page off rows of which one more than its limit was asked for; the
/// cursor of the next page comes from the last row of this one.
pub fn page<R>(
    mut rows: Vec<R>,
    limit: i64,
    seek: impl Fn(&R) -> Seek,
) -> (Vec<R>, Option<String>) {
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let has_more = rows.len() > limit;
    rows.truncate(limit);
    let next = if has_more { rows.last().map(|row| cursor(&seek(row))) } else { None };
    (rows, next)
}

/// The clock, cut to microseconds.
pub fn now() -> Instant {
    Utc::now().trunc_subsecs(6)
}
