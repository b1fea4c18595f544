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
