//! Rewards, and what customers have of them: store credit and points.

use crate::domain::earning::Reward;
use crate::domain::ledger::Balance;
use crate::domain::money::{Amount, Currency, parse_amount};
use crate::workflow::Refusal;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use validator::{Validate, ValidationError};

/// What an order earns in store credit: exactly one of `rate` and `amount` is given.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema, Validate)]
#[serde(deny_unknown_fields)]
#[validate(schema(function = "reward_rules"))]
pub struct RewardIn {
    /// A share of the order's total, less refunds, above 0 and at most 1:
    /// "0.05" is 5 percent. Rounded half up to the currency's smallest unit.
    #[serde(default)]
    #[schema(pattern = r"^[0-9]{1,7}(\.[0-9]{1,4})?$", format = "reward-rate", examples("0.05"))]
    rate: Option<String>,
    /// An amount for each order, above zero, in the program's currency; of an
    /// order that was refunded in part, its share that is left, rounded half up.
    #[serde(default)]
    #[schema(pattern = r"^[0-9]{1,19}(\.[0-9]{1,4})?$", examples("5.00"))]
    amount: Option<String>,
}

fn reward_rules(reward: &RewardIn) -> Result<(), ValidationError> {
    let faults = reward.faults();
    if faults.is_empty() {
        return Ok(());
    }
    let mut error = ValidationError::new("reward");
    error.add_param("faults".into(), &faults);
    Err(error)
}

impl RewardIn {
    /// What its own texts show to be wrong, each with the place below the reward.
    pub fn faults(&self) -> Vec<(String, String)> {
        let mut faults: Vec<(String, String)> = Vec::new();
        if self.rate.is_some() == self.amount.is_some() {
            faults.push((String::new(), "must have exactly one of rate and amount".into()));
        }
        // A text that is no number at all is a fault of its pattern already.
        let number = |text: &Option<String>| text.as_deref()?.parse::<Decimal>().ok();
        if number(&self.rate).is_some_and(|rate| rate.is_zero() || rate > Decimal::ONE) {
            faults.push(("/rate".into(), "must be above 0 and at most 1".into()));
        }
        if number(&self.amount).is_some_and(|amount| amount.is_zero()) {
            faults.push(("/amount".into(), "must be above zero".into()));
        }
        faults
    }

    /// The reward that this states in a currency.
    ///
    /// # Errors
    /// [`Refusal::InvalidAmount`] for an amount that is none in the currency.
    pub fn to_reward(&self, currency: Currency) -> Result<Reward, Refusal> {
        match self.rate.as_deref().and_then(|rate| rate.parse().ok()) {
            Some(rate) => Ok(Reward::Rate(rate)),
            None => {
                let amount = parse_amount(self.amount.as_deref().unwrap_or_default(), currency);
                Ok(Reward::Amount(amount.map_err(Refusal::InvalidAmount)?))
            }
        }
    }
}

/// What an order earns in store credit; one of the two is null.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct RewardOut {
    /// A share of the order's total.
    #[schema(required, examples("0.05"))]
    pub rate: Option<String>,
    /// An amount for each order, in the program's currency.
    #[schema(required, examples("5.00"))]
    pub amount: Option<String>,
}

impl RewardOut {
    /// A reward on the wire.
    pub fn new(reward: Reward, currency: Currency) -> Self {
        match reward {
            Reward::Rate(rate) => Self { rate: Some(rate.to_string()), amount: None },
            Reward::Amount(amount) => {
                Self { rate: None, amount: Some(Amount(amount, currency).to_string()) }
            }
        }
    }
}

/// What a customer has: store credit and points. Of what is below zero, after
/// the refund of an order whose reward was spent, later earnings fill the hole
/// first.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct BalancesOut {
    /// Store credit to spend, in the program's currency; never below zero.
    #[schema(examples("12.50"))]
    pub credit: String,
    /// How far the store credit is below zero.
    #[schema(examples("0.00"))]
    pub credit_owed: String,
    /// Points to spend; never below zero.
    #[schema(examples(120))]
    pub points: i64,
    /// How far the points are below zero.
    #[schema(examples(0))]
    pub points_owed: i64,
}

impl BalancesOut {
    /// A balance in a currency.
    pub fn new(balance: Balance, currency: Currency) -> Self {
        let (there, owed) = (balance.available(), balance.owed());
        Self {
            credit: Amount(there.credit, currency).to_string(),
            credit_owed: Amount(owed.credit, currency).to_string(),
            points: there.points,
            points_owed: owed.points,
        }
    }
}

/// What a request changed in a customer's balances; below zero where it took
/// something away, and zero where nothing changed.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct EarnedOut {
    /// Store credit, in the program's currency.
    #[schema(examples("5.00"))]
    pub credit: String,
    /// Points.
    #[schema(examples(100))]
    pub points: i64,
}

impl EarnedOut {
    /// A change of a balance in a currency.
    pub fn new(change: Balance, currency: Currency) -> Self {
        Self { credit: Amount(change.credit, currency).to_string(), points: change.points }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gbp() -> Currency {
        Currency::parse("GBP").unwrap()
    }

    fn stated(rate: Option<&str>, amount: Option<&str>) -> RewardIn {
        RewardIn { rate: rate.map(str::to_owned), amount: amount.map(str::to_owned) }
    }

    #[test]
    fn what_is_below_zero_is_owed() {
        let out = BalancesOut::new(Balance { credit: -250, points: 7 }, gbp());
        assert_eq!((out.credit.as_str(), out.credit_owed.as_str()), ("0.00", "2.50"));
        assert_eq!((out.points, out.points_owed), (7, 0));
        let least = BalancesOut::new(Balance { credit: i64::MIN, points: i64::MIN }, gbp());
        assert_eq!((least.points, least.points_owed), (0, i64::MAX));
        let earned = EarnedOut::new(Balance { credit: -250, points: -50 }, gbp());
        assert_eq!((earned.credit.as_str(), earned.points), ("-2.50", -50));
    }

    #[test]
    fn a_reward_is_a_share_or_an_amount() {
        let places = |rate, amount| -> Vec<String> {
            stated(rate, amount).faults().into_iter().map(|(place, _)| place).collect()
        };
        for (rate, amount) in [(Some("0.05"), None), (Some("1"), None), (None, Some("0.01"))] {
            assert!(places(rate, amount).is_empty(), "{rate:?} {amount:?}");
        }
        assert_eq!(places(None, None), [""]);
        assert_eq!(places(Some("0"), Some("0.00")), ["", "/rate", "/amount"]);
        assert_eq!(places(Some("1.0001"), None), ["/rate"]);
        assert_eq!(places(None, Some("0")), ["/amount"]);
    }

    #[test]
    fn an_amount_has_the_decimals_of_its_currency() {
        let amount = stated(None, Some("5")).to_reward(gbp());
        assert_eq!(amount, Ok(Reward::Amount(500)));
        let refused = stated(None, Some("5.001")).to_reward(gbp());
        assert!(matches!(refused, Err(Refusal::InvalidAmount(_))));
        let out = RewardOut::new(Reward::Amount(500), gbp());
        assert_eq!((out.rate, out.amount.as_deref()), (None, Some("5.00")));
    }
}
