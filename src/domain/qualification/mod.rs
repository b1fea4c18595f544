//! Qualification: who should be a VIP, as rules that the shop writes down
//! (design, sections 2 and 4).
//!
//! A [`Rule`] is met by a customer of whom all its conditions hold. What is
//! known of the customer are [`Signals`]; [`Rule::judge`] says of each
//! condition what was found and what was needed. What a rule that is met does
//! is decided by [`standing::decide`].

pub mod check;
pub mod metric;
pub mod signal;
pub mod standing;
pub mod text;

use super::designation::{Grant, Profile};
use super::id::{BenefitCode, RuleCode};
use super::{Instant, Overflow};
use chrono_tz::Tz;
use metric::{Metric, Unit};
use signal::{Signals, Trigger};
use std::collections::BTreeMap;

/// The most rules that a store has.
pub const RULES_MAX: usize = 100;
/// The most conditions that a rule has.
pub const CONDITIONS_MAX: usize = 20;

/// On which side of a value a metric has to lie; the value itself is fine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Bound {
    /// This or more.
    AtLeast(i64),
    /// This or less.
    AtMost(i64),
}

/// Something that has to hold of a customer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condition {
    /// What is looked at.
    pub metric: Metric,
    /// What it has to be, in the metric's unit.
    pub bound: Bound,
}

/// What a look at one condition found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The condition.
    pub condition: Condition,
    /// The metric's value; `None` where there is none, as of the days since an
    /// order of who never ordered.
    pub found: Option<i64>,
}

impl Finding {
    /// Whether the condition holds. No value is neither enough nor little enough.
    pub fn is_met(&self) -> bool {
        match (self.found, self.condition.bound) {
            (None, _) => false,
            (Some(found), Bound::AtLeast(least)) => found >= least,
            (Some(found), Bound::AtMost(most)) => found <= most,
        }
    }

    /// By how much the value falls short or goes too far, if it does.
    pub fn missing(&self) -> Option<i64> {
        let found = self.found?;
        let missing = match self.condition.bound {
            Bound::AtLeast(least) => least.saturating_sub(found),
            Bound::AtMost(most) => found.saturating_sub(most),
        };
        (missing > 0).then_some(missing)
    }
}

/// A rule of qualification.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// What it is known by.
    pub code: RuleCode,
    /// The name that people read.
    pub name: String,
    /// Why those who meet it are VIPs.
    pub profile: Profile,
    /// What has to hold, all of it; at least one.
    pub conditions: Vec<Condition>,
    /// What it gives.
    pub grant: Grant,
    /// Whether a person has to approve of each.
    pub requires_approval: bool,
    /// Whether it is in force.
    pub is_enabled: bool,
    /// Rises with each change of it: a changed rule is judged anew.
    pub version: i64,
}

impl Rule {
    /// Looks at all conditions of a customer, in their order.
    ///
    /// # Errors
    /// [`Overflow`] where a sum does not fit.
    pub fn judge(
        &self,
        signals: &Signals,
        zone: Tz,
        now: Instant,
    ) -> Result<Vec<Finding>, Overflow> {
        self.conditions
            .iter()
            .map(|condition| {
                let found = signals.value(&condition.metric, zone, now)?;
                Ok(Finding { condition: condition.clone(), found })
            })
            .collect()
    }

    /// What it gives, with the profile that says why.
    pub fn grant(&self) -> Grant {
        Grant { profile: Some(self.profile), ..self.grant.clone() }
    }
}

/// Whether a customer of whom this was found meets the rule.
pub fn is_met(findings: &[Finding]) -> bool {
    findings.iter().all(Finding::is_met)
}

/// A store's rules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Qualification {
    /// The rules, by code.
    pub rules: BTreeMap<RuleCode, Rule>,
    /// Whether rules act; otherwise they only say who meets them.
    pub is_automatic: bool,
}

impl Default for Qualification {
    fn default() -> Self {
        Self { rules: BTreeMap::new(), is_automatic: true }
    }
}

impl Qualification {
    /// The rules in force, by code.
    pub fn enabled(&self) -> impl Iterator<Item = &Rule> {
        self.rules.values().filter(|rule| rule.is_enabled)
    }

    /// Whether something that happened can matter to a rule in force.
    pub fn minds(&self, trigger: Trigger) -> bool {
        self.enabled()
            .flat_map(|rule| &rule.conditions)
            .any(|condition| trigger.matters_to(condition.metric.name()))
    }

    /// Whether a rule grants a benefit.
    pub fn names_benefit(&self, benefit: &BenefitCode) -> bool {
        self.rules.values().any(|rule| rule.grant.benefits.contains(benefit))
    }

    /// Whether a rule asks for an amount of money.
    pub fn has_amounts(&self) -> bool {
        let mut conditions = self.rules.values().flat_map(|rule| &rule.conditions);
        conditions.any(|condition| condition.metric.name().unit() == Unit::Amount)
    }

    /// Takes a benefit out of all rules.
    pub fn drop_benefit(&mut self, benefit: &BenefitCode) {
        for rule in self.rules.values_mut() {
            rule.grant.benefits.retain(|code| code != benefit);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::metric::Name;
    use super::*;
    use crate::domain::activity::Kind;
    use crate::domain::membership::Figures;

    fn benefit(text: &str) -> BenefitCode {
        BenefitCode::parse(text).unwrap()
    }

    fn rule(code: &str, name: Name, least: i64) -> Rule {
        let metric = Metric::new(name, None, None).unwrap();
        Rule {
            code: RuleCode::parse(code).unwrap(),
            name: code.to_uppercase(),
            profile: Profile::BigSpender,
            conditions: vec![Condition { metric, bound: Bound::AtLeast(least) }],
            grant: Grant { benefits: vec![benefit(code), benefit("gift")], ..Grant::default() },
            requires_approval: false,
            is_enabled: true,
            version: 1,
        }
    }

    fn store(rules: &[Rule]) -> Qualification {
        let rules = rules.iter().map(|rule| (rule.code.clone(), rule.clone())).collect();
        Qualification { rules, ..Qualification::default() }
    }

    #[test]
    fn the_value_of_a_bound_is_enough_and_no_value_is_not() {
        let metric = Metric::new(Name::IdleDays, None, None).unwrap();
        let finding = |bound, found| {
            let condition = Condition { metric: metric.clone(), bound };
            let finding = Finding { condition, found };
            (finding.is_met(), finding.missing())
        };
        let (least, most) = (Bound::AtLeast(45), Bound::AtMost(45));
        assert_eq!(finding(least, Some(44)), (false, Some(1)));
        assert_eq!(finding(least, Some(45)), (true, None));
        assert_eq!(finding(least, Some(46)), (true, None));
        assert_eq!(finding(most, Some(44)), (true, None));
        assert_eq!(finding(most, Some(45)), (true, None));
        assert_eq!(finding(most, Some(46)), (false, Some(1)));
        assert_eq!(finding(least, None), (false, None));
        assert_eq!(finding(most, None), (false, None));
    }

    #[test]
    fn a_rule_is_met_by_who_meets_all_its_conditions() {
        let now: Instant = "2024-06-01T00:00:00Z".parse().unwrap();
        let mut both = rule("spenders", Name::LifetimeSpend, 100_000);
        both.conditions.extend(rule("regulars", Name::OrdersTotal, 10).conditions);
        let found = |amount_spent, orders_placed| {
            let signals = Signals {
                joined_at: now,
                lifetime: Figures { amount_spent, orders_placed, points_earned: 0 },
                last_order_at: None,
                cancellations: 0,
                tags: Vec::new(),
                counted: Vec::new(),
                surveys: Vec::new(),
                complaints: Vec::new(),
                referrals: 0,
                referral_spend: 0,
            };
            let findings = both.judge(&signals, chrono_tz::UTC, now).unwrap();
            let values: Vec<Option<i64>> = findings.iter().map(|finding| finding.found).collect();
            assert_eq!(values, [Some(amount_spent), Some(orders_placed)]);
            is_met(&findings)
        };
        assert!(found(100_000, 10));
        assert!(!found(100_000, 9));
        assert!(!found(99_999, 10));
    }

    #[test]
    fn what_a_rule_gives_says_why() {
        let rule = rule("spenders", Name::LifetimeSpend, 1);
        let profile = Some(Profile::BigSpender);
        assert_eq!(rule.grant(), Grant { profile, ..rule.grant.clone() });
        assert_eq!(rule.grant().benefits, [benefit("spenders"), benefit("gift")]);
    }

    #[test]
    fn a_rule_minds_what_can_change_its_metrics_while_it_is_in_force() {
        let spenders = rule("spenders", Name::LifetimeSpend, 1);
        let disabled = Rule { is_enabled: false, ..rule("friends", Name::Referrals, 1) };
        let store = store(&[spenders.clone(), disabled]);
        assert_eq!(store.enabled().collect::<Vec<_>>(), [&spenders]);
        assert!(store.minds(Trigger::Order));
        assert!(!store.minds(Trigger::Activity(Kind::Referral)));
    }

    #[test]
    fn rules_hold_amounts_where_they_ask_for_money() {
        let friends = rule("friends", Name::Referrals, 1);
        let disabled = Rule { is_enabled: false, ..rule("spenders", Name::LifetimeSpend, 1) };
        assert!(!store(std::slice::from_ref(&friends)).has_amounts());
        assert!(store(&[friends, disabled]).has_amounts());
    }

    #[test]
    fn a_benefit_that_is_dropped_is_granted_by_no_rule() {
        let one = rule("one", Name::Referrals, 1);
        let mut store = store(&[one, rule("two", Name::OrdersTotal, 1)]);
        assert!(store.names_benefit(&benefit("gift")));
        store.drop_benefit(&benefit("gift"));
        assert!(!store.names_benefit(&benefit("gift")));
        let left: Vec<_> = store.rules.values().map(|rule| rule.grant.benefits.clone()).collect();
        assert_eq!(left, [[benefit("one")], [benefit("two")]]);
    }
}
