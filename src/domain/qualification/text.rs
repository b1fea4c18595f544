//! Findings in words: "180.00 more", "4 months of tenure".

use super::metric::{Name, Unit};
use super::{Bound, Finding};
use crate::domain::money::{Amount, Currency};
use crate::domain::words::word;

/// A value in a metric's unit, as it is written on the wire.
pub fn value_text(value: i64, unit: Unit, currency: Currency) -> String {
    match unit {
        Unit::Amount => Amount(value, currency).to_string(),
        Unit::Count | Unit::Months | Unit::Hours | Unit::Days | Unit::YesNo => value.to_string(),
    }
}

/// A number of things: "1 month", "4 months".
pub fn count_of(n: i64, one: &str, many: &str) -> String {
    format!("{n} {}", if n == 1 { one } else { many })
}

impl Finding {
    /// What was found and what was needed, in a sentence.
    pub fn text(&self, currency: Currency) -> String {
        let metric = &self.condition.metric;
        let text = |value| value_text(value, metric.name().unit(), currency);
        let (side, needed) = match self.condition.bound {
            Bound::AtLeast(value) => ("at least", value),
            Bound::AtMost(value) => ("at most", value),
        };
        let mut subject = word(&Name::WORDS, &metric.name()).to_owned();
        if let Some(days) = metric.window_days() {
            subject = format!("{subject} ({})", count_of(i64::from(days), "day", "days"));
        }
        if let Some(tag) = metric.tag() {
            subject = format!("{subject} ({tag})");
        }
        let found = self.found.map_or_else(|| "not known".to_owned(), text);
        format!("{subject} is {found}, {side} {} needed", text(needed))
    }

    /// What is still to come, or too much, until the condition holds: "180.00
    /// more"; `None` where it does.
    pub fn missing_text(&self, currency: Currency) -> Option<String> {
        if self.is_met() {
            return None;
        }
        let metric = &self.condition.metric;
        let name = metric.name();
        let window = metric
            .window_days()
            .map(|days| format!(" in {}", count_of(i64::from(days), "day", "days")))
            .unwrap_or_default();
        let tag = metric.tag().unwrap_or_default();
        let wants_more = matches!(self.condition.bound, Bound::AtLeast(_));
        let Some(missing) = self.missing() else { return Some("an order".to_owned()) };
        let amount = Amount(missing, currency);
        let things = |one: &str, many: &str| {
            let thing = if missing == 1 { one } else { many };
            let side = if wants_more { "more" } else { "fewer" };
            format!("{missing} {side} {thing}{window}")
        };
        Some(match (name, wants_more) {
            (Name::LifetimeSpend | Name::SpendInDays, true) => format!("{amount} more{window}"),
            (Name::LifetimeSpend | Name::SpendInDays, false) => format!("{amount} less{window}"),
            (Name::ReferralSpend, true) => format!("{amount} more of referral spend"),
            (Name::ReferralSpend, false) => format!("{amount} less of referral spend"),
            (Name::OrdersTotal | Name::OrdersInDays, _) => things("order", "orders"),
            (Name::TenureMonths, true) => {
                format!("{} of tenure", count_of(missing, "month", "months"))
            }
            (Name::TenureMonths, false) => {
                format!("{} less of tenure", count_of(missing, "month", "months"))
            }
            (Name::Referrals, _) => things("referral", "referrals"),
            (Name::UnsatisfiedSurveysInDays, _) => {
                things("unsatisfied survey", "unsatisfied surveys")
            }
            (Name::ComplaintsInDays, _) => things("complaint", "complaints"),
            (Name::PublicComplaintsInDays, _) => things("public complaint", "public complaints"),
            (Name::OpenComplaints, _) => things("open complaint", "open complaints"),
            (Name::ComplaintResolutionHours, _) => {
                format!("{} on a complaint", things("hour", "hours"))
            }
            (Name::IdleDays, _) => format!("{} without an order", things("day", "days")),
            (Name::PointsTotal | Name::PointsInDays, _) => things("point", "points"),
            (Name::NeverCancelled, true) => "a subscription that was never cancelled".to_owned(),
            (Name::NeverCancelled, false) => "a subscription that was cancelled".to_owned(),
            (Name::HasTag, true) => format!("the tag {tag}"),
            (Name::HasTag, false) => format!("no tag {tag}"),
        })
    }
}

/// What is missing until a target: "180.00 more and 4 months of tenure until
/// Platinum"; `None` where nothing is.
pub fn missing_until(findings: &[Finding], target: &str, currency: Currency) -> Option<String> {
    let parts: Vec<String> = findings.iter().filter_map(|f| f.missing_text(currency)).collect();
    let (last, others) = parts.split_last()?;
    let list =
        if others.is_empty() { last.clone() } else { format!("{} and {last}", others.join(", ")) };
    Some(format!("{list} until {target}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::qualification::Condition;
    use crate::domain::qualification::metric::Metric;

    fn finding(name: Name, window: Option<u32>, bound: Bound, found: Option<i64>) -> Finding {
        let tag = (name == Name::HasTag).then(|| "partner".to_owned());
        let metric = Metric::new(name, window, tag).unwrap();
        Finding { condition: Condition { metric, bound }, found }
    }

    use Bound::{AtLeast, AtMost};

    #[test]
    fn what_is_missing_reads_as_the_seed_says_it() {
        let gbp = Currency::parse("GBP").unwrap();
        let spend = finding(Name::LifetimeSpend, None, AtLeast(100_000), Some(82_000));
        let tenure = finding(Name::TenureMonths, None, AtLeast(24), Some(20));
        let until = |findings: &[Finding], target| missing_until(findings, target, gbp);
        assert_eq!(until(std::slice::from_ref(&spend), "Gold").unwrap(), "180.00 more until Gold");
        assert_eq!(
            until(std::slice::from_ref(&tenure), "Platinum").unwrap(),
            "4 months of tenure until Platinum"
        );
        assert_eq!(
            until(&[spend.clone(), tenure], "Platinum").unwrap(),
            "180.00 more and 4 months of tenure until Platinum"
        );
        assert_eq!(spend.text(gbp), "lifetime_spend is 820.00, at least 1000.00 needed");
        assert_eq!(
            until(&[finding(Name::TenureMonths, None, AtLeast(24), Some(24))], "Gold"),
            None
        );
    }

    #[test]
    fn every_metric_has_words_for_both_sides() {
        let gbp = Currency::parse("GBP").unwrap();
        for (_, name) in Name::WORDS {
            let window = (name.needs() == super::super::metric::Needs::Window).then_some(30);
            let more = finding(name, window, AtLeast(1), Some(0)).missing_text(gbp).unwrap();
            let less = finding(name, window, AtMost(0), Some(1)).missing_text(gbp).unwrap();
            assert_ne!(more, less, "{name:?}");
            assert_eq!(window.is_some(), more.ends_with("in 30 days"), "{more}");
        }
        let idle = finding(Name::IdleDays, None, AtLeast(45), None);
        assert_eq!(idle.missing_text(gbp).unwrap(), "an order");
        let one = finding(Name::OrdersInDays, Some(365), AtLeast(10), Some(9));
        assert_eq!(one.missing_text(gbp).unwrap(), "1 more order in 365 days");
    }
}
