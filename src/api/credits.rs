//! Store credit and points: what a customer has, what moved it, and what the
//! next order earns.

use super::auth::{AdjustCredit, Allowed, Caller, ReadLists, ReadOne, RedeemCredit};
use super::extract::{Id, Json, NoQuery, Query};
use super::idempotency::{IdempotencyKey, answer, carry_out};
use super::problem::{ANY_TOKEN, ApiResult, BODY, Code, KEYED, TOKEN, problems};
use super::read_of_store;
use super::rewards::{BalancesOut, RewardOut};
use super::wire::{self, At, LIMIT_DEFAULT, words};
use crate::db::badges::Ids;
use crate::db::ledger::{self, EntryRow};
use crate::db::page::Seek;
use crate::db::programs::Hold;
use crate::db::{Db, customers, instant};
use crate::domain::badge::Known;
use crate::domain::earning::{Offer, offers};
use crate::domain::id::{CustomerId, OrderId};
use crate::domain::ledger::{Balance, Kind};
use crate::domain::money::{Amount, Currency, InvalidAmount, parse_amount};
use crate::domain::words::word;
use crate::workflow::badges::read_one;
use crate::workflow::credits::{self, Movement};
use crate::workflow::idempotency::Answer;
use crate::workflow::memberships::program_of;
use crate::workflow::{self, Refusal};
use actix_web::http::StatusCode;
use actix_web::{HttpResponse, get, post, web};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use validator::{Validate, ValidationError};

words! {
    /// What an entry of the ledger does.
    EntryKindWire as CreditEntryKind => Kind {
        /// An order or an activity earned it.
        Earned,
        /// What was earned was taken back: by a refund, a correction or a cancellation.
        Reversed,
        /// It was spent.
        Redeemed,
        /// Staff gave or took it.
        Adjusted,
        /// It lapsed.
        Expired,
    }
    /// What people may do with a balance.
    CreditKindIn as CreditKind => Kind {
        /// It is spent.
        Redeemed,
        /// It is given or taken by hand.
        Adjusted,
        /// It lapses.
        Expired,
    }
}

/// An entry of a customer's ledger.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct CreditEntryOut {
    /// Its number: a customer's entries count from 1.
    #[schema(examples(3))]
    pub number: i64,
    /// What it does: `earned`, `reversed`, `redeemed`, `adjusted` or `expired`.
    #[schema(examples("earned"))]
    pub kind: String,
    /// Why: `order_completed`, `order_corrected`, `order_cancelled`,
    /// `order_refunded`, `activity`, `activity_corrected`, `redemption`,
    /// `adjustment`, `expiry` or `erasure`.
    #[schema(examples("order_completed"))]
    pub cause: String,
    /// The store credit that it moves, in the program's currency; below zero
    /// where it takes away.
    #[schema(examples("5.00"))]
    pub credit: String,
    /// The points that it moves; below zero where it takes away.
    #[schema(examples(100))]
    pub points: i64,
    /// The store credit after it; below zero where something is owed.
    #[schema(examples("17.50"))]
    pub credit_balance: String,
    /// The points after it; below zero where something is owed.
    #[schema(examples(220))]
    pub points_balance: i64,
    /// The code of the effective tier by which it was earned, or that was held then.
    #[schema(required, examples("gold"))]
    pub tier: Option<String>,
    /// The reward by which the store credit was earned.
    #[schema(required)]
    pub reward: Option<RewardOut>,
    /// The points by unit of the currency, or for the event.
    #[schema(required, examples("1"))]
    pub points_rate: Option<String>,
    /// The order that earned it, or for which it was spent.
    #[schema(required, examples("o1"))]
    pub order_id: Option<String>,
    /// The refund that took it back.
    #[schema(required, examples("r1"))]
    pub refund_id: Option<String>,
    /// The activity that earned it.
    #[schema(required, examples("a1"))]
    pub activity_id: Option<String>,
    /// When what earned or reversed it happened; of corrections,
    /// cancellations and what people do, when it was recorded.
    #[schema(examples("2024-06-01T10:00:00Z"))]
    pub occurred_at: At,
    /// When it was recorded.
    #[schema(examples("2024-06-01T10:00:05Z"))]
    pub recorded_at: At,
    /// The subject of the token of who did it; null for what facts and time
    /// bring. Not shown to `storefront`.
    #[schema(required, examples("ann"))]
    pub operator: Option<String>,
    /// Why, as that person put it; not shown to `storefront`.
    #[schema(required, examples("The parcel was late."))]
    pub note: Option<String>,
}

impl CreditEntryOut {
    /// An entry on the wire, for who may read what staff wrote, or not.
    fn new(row: &EntryRow, currency: Currency, caller: &Caller) -> ApiResult<Self> {
        let is_staff = caller.may::<ReadLists>();
        let amount = |amount| Amount(amount, currency).to_string();
        Ok(Self {
            number: row.number,
            kind: row.kind.clone(),
            cause: row.cause.clone(),
            credit: amount(row.credit),
            points: row.points,
            credit_balance: amount(row.credit_balance),
            points_balance: row.points_balance,
            tier: row.tier.clone(),
            reward: row.reward()?.map(|reward| RewardOut::new(reward, currency)),
            points_rate: row.points_rate.clone(),
            order_id: row.order_id.clone(),
            refund_id: row.refund_id.clone(),
            activity_id: row.activity_id.clone(),
            occurred_at: At(instant(row.occurred_at)?),
            recorded_at: At(instant(row.recorded_at)?),
            operator: row.operator.clone().filter(|_| is_staff),
            note: row.note.clone().filter(|_| is_staff),
        })
    }
}

/// Which entries to answer.
#[derive(Debug, Deserialize, IntoParams, Validate)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct CreditsQuery {
    /// Only those that do this.
    #[param(inline)]
    kind: Option<EntryKindWire>,
    /// How many to answer: 1 to 200, 50 by default.
    #[param(minimum = 1, maximum = 200, example = 50)]
    limit: Option<i64>,
    /// Where to go on: the `next_cursor` of the page before.
    #[validate(custom(function = "wire::is_cursor"))]
    #[param(format = "cursor", pattern = "^[A-Za-z0-9_-]+$", max_length = 1500)]
    cursor: Option<String>,
}

/// What a customer has, and a page of what moved it.
#[derive(Debug, Serialize, ToSchema)]
pub struct CreditsOut {
    /// The customer.
    #[schema(examples("c1"))]
    pub customer_id: String,
    /// The program's currency.
    #[schema(examples("GBP"))]
    pub currency: String,
    /// What the customer has now.
    pub balances: BalancesOut,
    /// The entries, newest first.
    pub entries: Vec<CreditEntryOut>,
    /// Where the next page begins; null on the last one.
    #[schema(required)]
    pub next_cursor: Option<String>,
}

problems!(ListCreditsProblems: ANY_TOKEN, &[Code::InvalidRequest, Code::NotFound, Code::StoreNotSetUp]);

/// A customer's store credit and points, and what moved them, newest first.
///
/// The ledger is only ever added to: what was earned is taken back by another
/// entry. Store credit is rounded half up to the currency's smallest unit and
/// points are rounded down, always for the whole of what is left of an order,
/// of which an entry is the difference: parts add up to the whole. Who of the
/// staff did something, and their notes, are not shown to `storefront`. Roles:
/// all.
#[utoipa::path(
    tag = "Credit",
    operation_id = "list_credits",
    security(("token" = [])),
    params(
        ("customer_id" = String, Path, description = "The customer's identifier.", pattern = "^[A-Za-z0-9._:-]{1,64}$", example = "c1"),
        CreditsQuery,
    ),
    responses((status = 200, description = "The balances, and a page of entries.", body = CreditsOut), ListCreditsProblems),
)]
#[get("/v1/customers/{customer_id}/credits")]
pub async fn list_credits(
    allowed: Allowed<ReadOne>,
    id: Id<CustomerId>,
    query: Query<CreditsQuery>,
    db: web::Data<Db>,
) -> ApiResult<HttpResponse> {
    let caller = allowed.caller;
    let query = query.0;
    let customer_id = id.0.to_string();
    let limit = query.limit.unwrap_or(LIMIT_DEFAULT);
    let after: Option<Seek> = query.cursor.as_deref().and_then(wire::parse_cursor);
    let below = after.map(|seek| seek.number);
    let kind = query.kind.map(Kind::from);
    let (record, (rows, account)) =
        read_of_store(&db, caller.store.clone(), move |tx, store, _| {
            customers::find(tx, store, &id.0)?.ok_or(Refusal::NotFound("customer"))?;
            let rows = ledger::list(tx, store, &id.0, kind, below, limit.saturating_add(1))?;
            Ok((rows, ledger::account(tx, store, &id.0)?))
        })
        .await?;
    let currency = record.program.currency;
    let (rows, next_cursor) =
        wire::page(rows, limit, |row| Seek::number(row.number, String::new()));
    let entries = rows.iter().map(|row| CreditEntryOut::new(row, currency, &caller));
    Ok(HttpResponse::Ok().json(CreditsOut {
        customer_id,
        currency: currency.code().to_owned(),
        balances: BalancesOut::new(account.balance_at(&record.program, wire::now())?, currency),
        entries: entries.collect::<ApiResult<_>>()?,
        next_cursor,
    }))
}

/// What is done with a customer's balances. At least one of `credit` and
/// `points` is given, and none of them is zero.
#[derive(Debug, Clone, Deserialize, ToSchema, Validate)]
#[serde(deny_unknown_fields)]
#[validate(schema(function = "credit_rules"))]
pub struct CreditIn {
    /// `redeemed` and `expired` take away; `adjusted` gives, or takes where
    /// what is stated is below zero.
    kind: CreditKindIn,
    /// Store credit, in the program's currency. Of `redeemed` and `expired`
    /// what is taken away, above zero.
    #[serde(default)]
    #[schema(pattern = r"^-?[0-9]{1,16}(\.[0-9]{1,4})?$", examples("5.00"))]
    credit: Option<String>,
    /// Points. Of `redeemed` and `expired` what is taken away, above zero.
    #[serde(default)]
    #[schema(
        minimum = -1_000_000_000_000_i64,
        maximum = 1_000_000_000_000_i64,
        examples(100)
    )]
    points: Option<i64>,
    /// The order for which it is spent, which need not be known yet: goes with
    /// `redeemed`.
    #[serde(default)]
    #[schema(pattern = "^[A-Za-z0-9._:-]{1,64}$", examples("o9"))]
    order_id: Option<String>,
    /// Why: has to be given with `adjusted`.
    #[serde(default)]
    #[schema(
        max_length = 2000,
        pattern = r"^[^\x00-\x08\x0b\x0c\x0e-\x1f\x7f]*[^\x00-\x20\x7f][^\x00-\x08\x0b\x0c\x0e-\x1f\x7f]*$",
        examples("The parcel was late.")
    )]
    note: Option<String>,
}

fn credit_rules(stated: &CreditIn) -> Result<(), ValidationError> {
    let kind = stated.kind;
    let word = word(&Kind::WORDS, &kind.into());
    let mut faults: Vec<(String, String)> = Vec::new();
    if stated.credit.is_none() && stated.points.is_none() {
        faults.push((String::new(), "needs credit or points".into()));
    }
    // A text that is no number at all is a fault of its pattern already.
    let credit = stated.credit.as_deref().and_then(|text| text.parse::<Decimal>().ok());
    for (place, moved) in [("/credit", credit), ("/points", stated.points.map(Decimal::from))] {
        let Some(moved) = moved else { continue };
        if kind == CreditKindIn::Adjusted && moved.is_zero() {
            faults.push((place.into(), "must not be zero".into()));
        }
        if kind != CreditKindIn::Adjusted && moved <= Decimal::ZERO {
            faults.push((place.into(), format!("must be above zero for the kind {word}")));
        }
    }
    if stated.order_id.is_some() && kind != CreditKindIn::Redeemed {
        faults.push(("/order_id".into(), format!("does not go with the kind {word}")));
    }
    if stated.note.is_none() && kind == CreditKindIn::Adjusted {
        faults.push(("/note".into(), format!("is required for the kind {word}")));
    }
    if faults.is_empty() {
        return Ok(());
    }
    let mut error = ValidationError::new("credit");
    error.add_param("faults".into(), &faults);
    Err(error)
}

/// The minor units that a decimal string states, which may begin with a minus.
fn parse_signed(text: &str, currency: Currency) -> Result<i64, InvalidAmount> {
    match text.strip_prefix('-') {
        Some(text) => parse_amount(text, currency).map(i64::saturating_neg),
        None => parse_amount(text, currency),
    }
}

impl CreditIn {
    /// What this moves, in the program's currency.
    fn into_movement(self, currency: Currency) -> workflow::Result<Movement> {
        let credit = self.credit.as_deref().map(|text| parse_signed(text, currency));
        let credit = credit.transpose().map_err(Refusal::InvalidAmount)?.unwrap_or_default();
        let points = self.points.unwrap_or_default();
        let moved = |stated: i64| match self.kind {
            CreditKindIn::Adjusted => stated,
            CreditKindIn::Redeemed | CreditKindIn::Expired => stated.saturating_neg(),
        };
        Ok(Movement {
            kind: self.kind.into(),
            by: Balance { credit: moved(credit), points: moved(points) },
            order: self.order_id.as_deref().map(OrderId::parse).transpose()?,
            note: self.note,
        })
    }
}

/// What was done, and what the customer has now.
#[derive(Debug, Serialize, ToSchema)]
pub struct CreditMovedOut {
    /// The entry that was written.
    pub entry: CreditEntryOut,
    /// What the customer has with it.
    pub balances: BalancesOut,
}

problems!(PostCreditProblems: TOKEN, BODY, KEYED, &[
    Code::NotFound, Code::CustomerErased, Code::StoreNotSetUp, Code::AmountNotInCurrency,
    Code::InsufficientBalance, Code::FigureOverflow,
]);

/// Spend a customer's store credit or points, adjust them, or have them expire.
///
/// None of this takes more than there is. Each request is an entry of its own,
/// also where it says the same as one before, unless it has the same
/// `Idempotency-Key`. With the role `storefront` only `redeemed` can be sent.
/// Roles: `storefront`, `manager`, `administrator`, `platform_admin`.
#[utoipa::path(
    tag = "Credit",
    operation_id = "post_credit",
    security(("token" = [])),
    params(
        ("customer_id" = String, Path, description = "The customer's identifier.", pattern = "^[A-Za-z0-9._:-]{1,64}$", example = "c1"),
        IdempotencyKey,
    ),
    request_body(content = CreditIn, example = json!({"kind": "redeemed", "credit": "5.00", "order_id": "o9"})),
    responses((status = 201, description = "It was done.", body = CreditMovedOut), PostCreditProblems),
)]
#[post("/v1/customers/{customer_id}/credits")]
pub async fn post_credit(
    allowed: Allowed<RedeemCredit>,
    id: Id<CustomerId>,
    _: NoQuery,
    key: IdempotencyKey,
    body: Json<CreditIn>,
    db: web::Data<Db>,
) -> ApiResult<HttpResponse> {
    let caller = allowed.caller;
    let keyed = key.of("post_credit", &caller, &body.1);
    let body = body.0;
    if body.kind != CreditKindIn::Redeemed && !caller.may::<AdjustCredit>() {
        return Err(Refusal::Forbidden.into());
    }
    carry_out(&db, keyed, move |tx| {
        let (store, actor) = (&caller.store, caller.actor());
        let currency = program_of(tx, store, Hold::Share)?.program.currency;
        let movement = body.into_movement(currency)?;
        let (_, entry, balance) = credits::post(tx, store, &id.0, movement, &actor, wire::now())?;
        let out = CreditMovedOut {
            entry: CreditEntryOut::new(&entry, currency, &caller)?,
            balances: BalancesOut::new(balance, currency),
        };
        Ok(Answer { customer: Some(id.0), ..answer(StatusCode::CREATED, &out)? })
    })
    .await
}

/// For which order to answer.
#[derive(Debug, Deserialize, IntoParams, Validate)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct RewardQuery {
    /// The total of an order, in the program's currency: what it would earn is
    /// answered too.
    #[param(pattern = r"^[0-9]{1,19}(\.[0-9]{1,4})?$", example = "100.00")]
    order_total: Option<String>,
}

/// A tier by which orders earn.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct EarnsTierOut {
    /// The tier's code.
    #[schema(examples("gold"))]
    pub code: String,
    /// The tier's name.
    #[schema(examples("Gold"))]
    pub name: String,
}

/// What an order earns.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct EarnsOut {
    /// The tier by which it earns; null where none is held.
    #[schema(required)]
    pub tier: Option<EarnsTierOut>,
    /// The reward, of those that the customer keeps the one that gives most on
    /// `order_total`, or else the one with the greatest rate; null where there
    /// is none, and while the program is paused.
    #[schema(required)]
    pub reward: Option<RewardOut>,
    /// Points by unit of the currency.
    #[schema(examples("1"))]
    pub points_per_unit: String,
    /// The store credit that an order of `order_total` earns; null without that.
    #[schema(required, examples("5.00"))]
    pub credit: Option<String>,
    /// The points that it earns; null without that.
    #[schema(required, examples(100))]
    pub points: Option<i64>,
}

impl EarnsOut {
    fn new(offer: &Offer, order_total: Option<i64>, currency: Currency) -> ApiResult<Self> {
        let terms = &offer.terms;
        let earned = order_total.map(|total| terms.earn(currency, total, total));
        let earned = earned.transpose().map_err(workflow::Error::from)?;
        Ok(Self {
            tier: offer
                .tier
                .as_ref()
                .map(|tier| EarnsTierOut { code: tier.code.to_string(), name: tier.name.clone() }),
            reward: terms.reward.map(|reward| RewardOut::new(reward, currency)),
            points_per_unit: terms.points.to_string(),
            credit: earned.map(|earned| Amount(earned.credit, currency).to_string()),
            points: earned.map(|earned| earned.points),
        })
    }
}

/// What a customer has, and what the next order earns.
#[derive(Debug, Serialize, ToSchema)]
pub struct CustomerRewardOut {
    /// The customer.
    #[schema(examples("c1"))]
    pub customer_id: String,
    /// The instant that this holds for.
    #[schema(examples("2024-06-01T10:00:00Z"))]
    pub as_of: At,
    /// Whether the program is paused: nothing is earned then.
    #[schema(examples(false))]
    pub paused: bool,
    /// What the customer has now.
    pub balances: BalancesOut,
    /// What the next order earns, at the tier that counts now.
    pub next_order: EarnsOut,
    /// What an order would earn at the next tier that progress can reach; null at the top.
    #[schema(required)]
    pub next_tier: Option<EarnsOut>,
}

problems!(GetRewardProblems: ANY_TOKEN, &[
    Code::InvalidRequest, Code::NotFound, Code::StoreNotSetUp, Code::AmountNotInCurrency,
    Code::FigureOverflow,
]);

/// What a customer's next order earns, and what it would earn one tier up.
///
/// By the higher of the tier that the customer has reached and that of an
/// active designation. With `order_total`, the figures for an order of that
/// total. Roles: all.
#[utoipa::path(
    tag = "Credit",
    operation_id = "get_reward",
    security(("token" = [])),
    params(
        ("customer_id" = String, Path, description = "The customer's identifier.", pattern = "^[A-Za-z0-9._:-]{1,64}$", example = "c1"),
        RewardQuery,
    ),
    responses((status = 200, description = "What orders earn now.", body = CustomerRewardOut), GetRewardProblems),
)]
#[get("/v1/customers/{customer_id}/reward")]
pub async fn get_reward(
    allowed: Allowed<ReadOne>,
    id: Id<CustomerId>,
    query: Query<RewardQuery>,
    db: web::Data<Db>,
) -> ApiResult<HttpResponse> {
    let now = wire::now();
    let ids = Ids::Customers(vec![id.0.to_string()]);
    let (record, treated) = read_one(&db, &allowed.caller.store, ids, now).await?;
    let program = &record.program;
    let membership = &treated.membership;
    let total = query.0.order_total.map(|text| parse_amount(&text, program.currency));
    let total = total.transpose().map_err(Refusal::InvalidAmount)?;
    let known = Known {
        program,
        flag: treated.customer.flag()?,
        print_vip_icon: treated.customer.print_vip_icon,
        membership,
        designation: treated.designation.as_ref().map(|record| &record.designation),
        now,
    };
    let (next_order, next_tier) = offers(&known, total).map_err(workflow::Error::from)?;
    let earns = |offer: Offer| EarnsOut::new(&offer, total, program.currency);
    Ok(HttpResponse::Ok().json(CustomerRewardOut {
        customer_id: id.0.to_string(),
        as_of: At(membership.as_of),
        paused: membership.paused,
        balances: BalancesOut::new(treated.balance, program.currency),
        next_order: earns(next_order)?,
        next_tier: next_tier.map(earns).transpose()?,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stated(kind: CreditKindIn, credit: Option<&str>, points: Option<i64>) -> CreditIn {
        let credit = credit.map(str::to_owned);
        CreditIn { kind, credit, points, order_id: None, note: Some("Why not.".to_owned()) }
    }

    /// Whether rules refuse what is stated.
    fn is_refused(kind: CreditKindIn, credit: Option<&str>, points: Option<i64>) -> bool {
        credit_rules(&stated(kind, credit, points)).is_err()
    }

    #[test]
    fn what_is_taken_away_is_above_zero_and_an_adjustment_is_not_zero() {
        use CreditKindIn::{Adjusted, Expired, Redeemed};
        for kind in [Redeemed, Adjusted, Expired] {
            assert!(is_refused(kind, None, None));
            assert!(is_refused(kind, Some("0.00"), None));
            assert!(is_refused(kind, Some("-0"), Some(5)));
            assert!(is_refused(kind, Some("5.00"), Some(0)));
            assert!(!is_refused(kind, Some("5.00"), Some(100)));
            let is_taken = kind != Adjusted;
            assert_eq!(is_refused(kind, Some("-5.00"), None), is_taken);
            assert_eq!(is_refused(kind, None, Some(-100)), is_taken);
        }
        let unexplained = CreditIn { note: None, ..stated(Adjusted, Some("5.00"), None) };
        assert!(credit_rules(&unexplained).is_err());
        let order_id = Some("o9".to_owned());
        for (kind, is_fine) in [(Redeemed, true), (Adjusted, false), (Expired, false)] {
            let of_order = CreditIn { order_id: order_id.clone(), ..stated(kind, Some("1"), None) };
            assert_eq!(credit_rules(&of_order).is_ok(), is_fine);
        }
    }

    #[test]
    fn a_movement_has_the_sign_of_what_it_does() {
        let gbp = Currency::parse("GBP").unwrap();
        let moved = |kind, credit, points| {
            let movement = stated(kind, credit, points).into_movement(gbp).unwrap();
            (movement.by.credit, movement.by.points)
        };
        assert_eq!(moved(CreditKindIn::Redeemed, Some("5.00"), Some(100)), (-500, -100));
        assert_eq!(moved(CreditKindIn::Expired, Some("0.5"), None), (-50, 0));
        assert_eq!(moved(CreditKindIn::Adjusted, Some("-5"), Some(100)), (-500, 100));
        assert_eq!(moved(CreditKindIn::Adjusted, Some("5.00"), Some(-100)), (500, -100));
        assert!(stated(CreditKindIn::Redeemed, Some("5.001"), None).into_movement(gbp).is_err());
        for bad in ["--5", "-", "", "+5", "5-"] {
            assert_eq!(parse_signed(bad, gbp), Err(InvalidAmount::Malformed), "{bad:?}");
        }
    }
}
