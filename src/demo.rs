//! A small believable store, made from a fixed seed: some 200 customers, two
//! years of orders and refunds, VIPs and a few whom to be careful with.

use crate::api::facts::record;
use crate::api::problem::{ApiError, ApiResult};
use crate::db::Db;
use crate::db::audit::Actor;
use crate::domain::Instant;
use crate::domain::activity::Happening;
use crate::domain::benefit::{Benefit, Icon, Kind, TierTreatment, Treatment};
use crate::domain::change::{EffectiveFrom, Settings};
use crate::domain::customer::SubscriptionState;
use crate::domain::designation::Priority;
use crate::domain::earning::{Reward, Ways};
use crate::domain::fact::{OrderStatus, Worth};
use crate::domain::id::{
    ActivityId, BenefitCode, CustomerId, InvalidId, OrderId, RefundId, StoreId, TierCode,
};
use crate::domain::money::{Amount, Currency};
use crate::domain::period::{Anchor, ProgressReset};
use crate::domain::program::{EntryMethod, Rules, TierRetention};
use crate::domain::qualification::Qualification;
use crate::domain::status::Status;
use crate::domain::tier::{Ladder, Tier};
use crate::workflow::customers::{Profile, Subscription};
use crate::workflow::designations::{StatusWish, put_status};
use crate::workflow::facts::{Activity, Line, Order, Refund};
use crate::workflow::programs::{Context, Options, change_settings};
use crate::workflow::{self, IfMatch, links};
use chrono::{Duration, NaiveDate, SubsecRound};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use rust_decimal::Decimal;

/// The demo's store.
pub const STORE: &str = "demo";
const CUSTOMERS: u64 = 200;
const SEED: u64 = 2_026;

const FIRST_NAMES: [&str; 20] = [
    "Ada", "Björn", "Chloé", "Dimitri", "Elif", "Farah", "Grace", "Hugo", "Inês", "Jonas", "Kofi",
    "Lena", "Mateo", "Nadia", "Oscar", "Priya", "Quentin", "Rosa", "Søren", "Zoë",
];
const LAST_NAMES: [&str; 20] = [
    "Abbott",
    "Bauer",
    "Castillo",
    "Dubois",
    "Eriksen",
    "Ferrari",
    "García",
    "Hughes",
    "Ito",
    "Jensen",
    "Kowalska",
    "Larsen",
    "Müller",
    "Novák",
    "O’Brien",
    "Papadopoulos",
    "Quinn",
    "Rossi",
    "Schmidt",
    "Törnqvist",
];
const TAGS: [&str; 4] = ["wholesale", "press", "advisory-panel", "gift-buyer"];

struct Dice(ChaCha8Rng);

impl Dice {
    /// A number below `sides`.
    fn below(&mut self, sides: u64) -> u64 {
        self.0.next_u64().checked_rem(sides).unwrap_or(0)
    }

    fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        let count = u64::try_from(from.len()).unwrap_or(0);
        let i = usize::try_from(self.below(count)).unwrap_or(0);
        from.get(i).copied().unwrap_or_default()
    }

    fn signed_below(&mut self, sides: u64) -> i64 {
        i64::try_from(self.below(sides)).unwrap_or(0)
    }
}

fn before(at: Instant, span: Duration) -> Instant {
    at.checked_sub_signed(span).unwrap_or(at)
}

fn after(at: Instant, span: Duration) -> Instant {
    at.checked_add_signed(span).unwrap_or(at)
}

/// Fills the demo's store, if it is not set up yet; whether it did.
///
/// # Errors
/// `unavailable` or `internal` from the database.
pub async fn fill(db: &Db, now: Instant) -> ApiResult<bool> {
    let store = StoreId::parse(STORE).map_err(workflow::Error::from)?;
    let Some(currency) = Currency::parse("GBP") else { return Ok(false) };
    let is_empty = {
        let store = store.clone();
        db.write(move |tx| set_up(tx, &store, currency, now)).await?
    };
    if !is_empty {
        return Ok(false);
    }
    let store_of_flags = store.clone();
    let lines = (0..).zip(lines(currency, now)?).collect();
    for (_, outcome) in record(db, store, &Actor::system(), lines).await? {
        outcome?;
    }
    db.write(move |tx| flag(tx, &store_of_flags, now)).await?;
    Ok(true)
}

/// A few customers whom to be careful with, and one who lives with one of them.
fn flag(tx: &mut crate::db::Tx<'_>, store: &StoreId, now: Instant) -> workflow::Result<()> {
    let actor = Actor { subject: "demo".to_owned(), role: "support" };
    for (customer, status, note) in [
        ("c7", Status::Caution, "Disputed a payment last spring."),
        ("c23", Status::Caution, "Two parcels were reported lost."),
        ("c42", Status::DoNotServe, "Three chargebacks."),
    ] {
        let wish =
            StatusWish { status, note: note.to_owned(), may_designate: false, is_confirmed: false };
        let customer = CustomerId::parse(customer)?;
        put_status(tx, store, &customer, &wish, &IfMatch::Absent, &actor, now)?;
    }
    let (one, other) = (CustomerId::parse("c8")?, CustomerId::parse("c42")?);
    links::put(tx, store, (&one, &other), ("household", None), &IfMatch::Absent, &actor, now)?;
    Ok(())
}

/// What each tier of the demo is worth; platinum makes a VIP.
fn treatment(now: Instant) -> workflow::Result<Treatment> {
    let mut treatment = Treatment::default();
    let benefits = [
        ("shipping", "Free shipping", Kind::FreeShipping, None, None),
        ("early-24", "A day early", Kind::EarlyAccess, Some(24), None),
        ("early-72", "Three days early", Kind::EarlyAccess, Some(72), None),
        ("five-off", "Five percent off", Kind::Discount, None, Some(5)),
        ("ten-off", "Ten percent off", Kind::Discount, None, Some(10)),
        ("care", "Packed with extra care", Kind::Packing, None, None),
    ];
    for (code, name, kind, early_access_hours, percent) in benefits {
        let benefit = Benefit {
            code: BenefitCode::parse(code)?,
            name: name.to_owned(),
            kind,
            early_access_hours,
            discount_percent: percent.map(rust_decimal::Decimal::from),
            contact: None,
            response_minutes: None,
            must_end_first: false,
        };
        treatment.benefits.insert(benefit.code.clone(), benefit);
    }
    let tiers: [(&str, Icon, Priority, &[&str]); 4] = [
        ("bronze", Icon::Bronze, Priority::Normal, &[]),
        ("silver", Icon::Silver, Priority::Normal, &["shipping"]),
        ("gold", Icon::Gold, Priority::High, &["shipping", "early-24", "five-off"]),
        (
            "platinum",
            Icon::Platinum,
            Priority::Urgent,
            &["shipping", "early-72", "ten-off", "care"],
        ),
    ];
    for (code, icon, priority, benefits) in tiers {
        let tier = TierCode::parse(code)?;
        let codes = benefits.iter().map(|code| Ok(BenefitCode::parse(code)?));
        let codes: Vec<BenefitCode> = codes.collect::<workflow::Result<_>>()?;
        treatment.carry(&tier, &codes, now, true);
        let designates = code == "platinum";
        treatment
            .set(&tier, TierTreatment { icon, priority, designates, ..TierTreatment::default() });
    }
    Ok(treatment)
}

fn set_up(
    tx: &mut crate::db::Tx<'_>,
    store: &StoreId,
    currency: Currency,
    now: Instant,
) -> Result<bool, workflow::Error> {
    use crate::db::programs::{Hold, find};
    if find(tx, store, Hold::Update)?.is_some() {
        return Ok(false);
    }
    let tier = |code: &str, name: &str, rank, threshold, percent: i64| {
        Ok::<_, workflow::Error>(Tier {
            code: TierCode::parse(code)?,
            name: name.to_owned(),
            rank,
            threshold: Some(threshold),
            reward: Some(Reward::Rate(Decimal::new(percent, 2))),
        })
    };
    let tiers = vec![
        tier("bronze", "Bronze", 1, 0, 1)?,
        tier("silver", "Silver", 2, 25_000, 2)?,
        tier("gold", "Gold", 3, 50_000, 3)?,
        tier("platinum", "Platinum", 4, 100_000, 5)?,
    ];
    let start_date = before(now, Duration::days(730)).date_naive();
    let settings = Settings {
        treatment: treatment(now)?,
        qualification: Qualification::default(),
        name: "VIP".to_owned(),
        currency,
        time_zone: chrono_tz::Europe::London,
        start_date,
        grace_days: 90,
        credit_expiry_months: Some(24),
        rules: Rules {
            entry_method: EntryMethod::AmountSpent,
            progress_reset: ProgressReset::Rolling { months: 12, anchor: Anchor::FirstTier },
            tier_retention: TierRetention::Permanent,
            points_per_unit: 1.into(),
            ways: Ways::default(),
            ladder: Ladder::new(tiers).unwrap_or_default(),
        },
    };
    let actor = Actor { subject: "demo".to_owned(), role: "administrator" };
    let context = Context { store: store.clone(), actor, action: "program_changed", now };
    let options =
        Options { effective_from: EffectiveFrom::Now, allow_downgrades: false, dry_run: false };
    change_settings(tx, &context, options, &IfMatch::Absent, |_| {
        Ok::<_, workflow::Error>(settings)
    })?;
    Ok(true)
}

/// What the demo's customers are and did, the same for the same `now`.
fn lines(currency: Currency, now: Instant) -> Result<Vec<Line>, ApiError> {
    let mut dice = Dice(ChaCha8Rng::seed_from_u64(SEED));
    let now = now.trunc_subsecs(0);
    let mut lines = Vec::new();
    let mut order_number = 1_000_u64;
    let invalid = |error| ApiError::from(workflow::Error::from(error));
    for number in 1..=CUSTOMERS {
        let id = CustomerId::parse(&format!("c{number}")).map_err(invalid)?;
        let joined_days_ago = dice.signed_below(720).saturating_add(5);
        let joined_at = before(now, Duration::days(joined_days_ago));
        lines.push(Line::Customer(id.clone(), Box::new(profile(&mut dice, number, joined_at))));
        // Most order little, few order much.
        let orders = match dice.below(20) {
            0 => 0,
            1..=11 => dice.below(4).saturating_add(1),
            12..=17 => dice.below(8).saturating_add(3),
            _ => dice.below(20).saturating_add(10),
        };
        for _ in 0..orders {
            order_number = order_number.saturating_add(1);
            let minutes_ago = dice
                .signed_below(u64::try_from(joined_days_ago).unwrap_or(1).saturating_mul(24 * 60));
            let completed_at = before(now, Duration::minutes(minutes_ago));
            let status = match dice.below(25) {
                0 => OrderStatus::Pending,
                1 => OrderStatus::Cancelled,
                _ => OrderStatus::Completed,
            };
            let total = dice.signed_below(9_000).saturating_add(900);
            let order = OrderId::parse(&format!("o{order_number}")).map_err(invalid)?;
            let is_completed = status == OrderStatus::Completed;
            lines.push(Line::Order(Order {
                id: order.clone(),
                customer: id.clone(),
                status,
                total,
                currency,
                placed_at: before(completed_at, Duration::hours(dice.signed_below(48))),
                completed_at: is_completed.then_some(completed_at),
                updated_at: None,
            }));
            if is_completed && dice.below(12) == 0 {
                let share = dice.signed_below(4).saturating_add(1);
                let amount = total.saturating_mul(share).checked_div(4).unwrap_or(total);
                let days = dice.signed_below(14).saturating_add(1);
                lines.push(Line::Refund(Refund {
                    id: RefundId::parse(&format!("r{order_number}")).map_err(invalid)?,
                    order,
                    amount: Amount(amount, currency).to_string(),
                    refunded_at: after(completed_at, Duration::days(days)).min(now),
                }));
            }
        }
        if dice.below(6) == 0 {
            let points = dice.signed_below(200).saturating_add(10);
            lines.push(Line::Activity(Activity {
                id: ActivityId::parse(&format!("p{number}")).map_err(invalid)?,
                customer: id,
                happening: Happening::Points { worth: Worth::Points(points) },
                occurred_at: after(joined_at, Duration::days(1)),
                updated_at: None,
            }));
        }
    }
    lines.extend(signals(&mut dice, now).map_err(invalid)?);
    Ok(lines)
}

/// What some customers said, and whom they brought in.
fn signals(dice: &mut Dice, now: Instant) -> Result<Vec<Line>, InvalidId> {
    let mut lines = Vec::new();
    for number in 1..=CUSTOMERS {
        let customer = CustomerId::parse(&format!("c{number}"))?;
        let mut add = |prefix: &str, days_ago: i64, happening: Happening| {
            lines.push(Line::Activity(Activity {
                id: ActivityId::parse(&format!("{prefix}{number}"))?,
                customer: customer.clone(),
                happening,
                occurred_at: before(now, Duration::days(days_ago)),
                updated_at: None,
            }));
            Ok(())
        };
        if dice.below(3) == 0 {
            // Most are content.
            let off = u8::try_from(dice.below(7)).unwrap_or(0).saturating_sub(2);
            let score = 5_u8.saturating_sub(off);
            add("survey-", dice.signed_below(200), Happening::Survey { score })?;
        }
        if dice.below(15) == 0 {
            let days_ago = dice.signed_below(60).saturating_add(6);
            let (channel, is_public) =
                if dice.below(3) == 0 { ("social", true) } else { ("email", false) };
            let took = Duration::days(dice.signed_below(5).saturating_add(1));
            let is_open = dice.below(3) == 0;
            let resolved_at = after(before(now, Duration::days(days_ago)), took);
            let resolved_at = (!is_open).then_some(resolved_at);
            let channel = channel.to_owned();
            add("complaint-", days_ago, Happening::Complaint { channel, is_public, resolved_at })?;
        }
        if dice.below(20) == 0 && number < CUSTOMERS {
            let referred = CustomerId::parse(&format!("c{}", number.saturating_add(1)))?;
            add("referral-", 300, Happening::Referral { referred })?;
        }
        if dice.below(25) == 0 {
            let days_ago = dice.signed_below(20).saturating_add(2);
            let follow_up_on = before(now, Duration::days(days_ago.saturating_sub(7))).date_naive();
            let contact = Happening::Contact {
                channel: "phone".to_owned(),
                agent: Some("sam".to_owned()),
                note: Some("Asked for a smaller box.".to_owned()),
                follow_up_on: Some(follow_up_on),
            };
            add("contact-", days_ago, contact)?;
        }
    }
    Ok(lines)
}

fn profile(dice: &mut Dice, number: u64, joined_at: Instant) -> Profile {
    let first = dice.pick(&FIRST_NAMES);
    let last = dice.pick(&LAST_NAMES);
    let day = u32::try_from(dice.below(28)).unwrap_or(0).saturating_add(1);
    let month = u32::try_from(dice.below(12)).unwrap_or(0).saturating_add(1);
    let year = i32::try_from(dice.below(45)).unwrap_or(0).saturating_add(1_960);
    let state = match dice.below(12) {
        0 => Some(SubscriptionState::Cancelled),
        1 => Some(SubscriptionState::Paused),
        2..=4 => Some(SubscriptionState::Active),
        _ => None,
    };
    let subscription = state.map(|state| Subscription {
        monthly_amount: "19.90".to_owned(),
        state,
        cancelled_at: (state == SubscriptionState::Cancelled)
            .then(|| after(joined_at, Duration::days(4))),
    });
    Profile {
        name: Some(format!("{first} {last}")),
        email: Some(format!("customer{number}@example.com")),
        joined_at: Some(joined_at),
        birthday: NaiveDate::from_ymd_opt(year, month, day),
        preferred_channel: Some(dice.pick(&["email", "phone", "chat"]).to_owned()),
        tags: if dice.below(8) == 0 { vec![dice.pick(&TAGS).to_owned()] } else { Vec::new() },
        subscription,
        print_vip_icon: dice.below(20) != 0,
    }
}
