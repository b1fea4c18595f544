//! Which conditions can't hold together: a rule that nobody can ever meet is a
//! mistake, and is refused with the reason.

use super::metric::{Metric, Name};
use super::{Bound, Condition};
use crate::domain::words::word;

/// Why conditions can't be those of one rule. Each names the place in the list
/// of the later condition, or of the only one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Contradiction {
    /// The same is asked twice.
    #[error("asks for the same metric on the same side as condition {other}")]
    Twice {
        /// The place in the list.
        place: usize,
        /// The place of the earlier one.
        other: usize,
    },
    /// One asks for more than the other allows.
    #[error(
        "{} as asked here and {} as asked in condition {other} can't hold together",
        word(&Name::WORDS, &names.0),
        word(&Name::WORDS, &names.1)
    )]
    Together {
        /// The place in the list.
        place: usize,
        /// The place of the earlier one.
        other: usize,
        /// The metrics of both.
        names: (Name, Name),
    },
}

impl Contradiction {
    /// The place in the list of the condition at fault.
    pub fn place(&self) -> usize {
        match *self {
            Self::Twice { place, .. } | Self::Together { place, .. } => place,
        }
    }
}

impl Contradiction {
    /// The same, of conditions that stand at other places of a list.
    #[must_use]
    pub fn at_places(self, at: impl Fn(usize) -> usize) -> Self {
        match self {
            Self::Twice { place, other } => Self::Twice { place: at(place), other: at(other) },
            Self::Together { place, other, names } => {
                Self::Together { place: at(place), other: at(other), names }
            }
        }
    }
}

/// All contradictions among conditions.
pub fn contradictions(conditions: &[Condition]) -> Vec<Contradiction> {
    let mut found = Vec::new();
    for (place, condition) in conditions.iter().enumerate() {
        let name = condition.metric.name();
        for (other, earlier) in conditions.iter().enumerate().take(place) {
            let is_same_side = matches!(condition.bound, Bound::AtLeast(_))
                == matches!(earlier.bound, Bound::AtLeast(_));
            if condition.metric == earlier.metric && is_same_side {
                found.push(Contradiction::Twice { place, other });
            } else if exclude(condition, earlier) || exclude(earlier, condition) {
                let names = (name, earlier.metric.name());
                found.push(Contradiction::Together { place, other, names });
            }
        }
    }
    found
}

/// Whether the first asks for more than the second leaves.
fn exclude(a: &Condition, b: &Condition) -> bool {
    let Bound::AtLeast(least) = a.bound else { return false };
    match b.bound {
        Bound::AtMost(most) => implied(a, least)
            .into_iter()
            .any(|(metric, least)| metric.is_within(&b.metric) && least > most),
        // An order within the window is no more than that many days ago.
        Bound::AtLeast(idle) if b.metric.name() == Name::IdleDays => {
            let is_order = matches!(a.metric.name(), Name::OrdersInDays | Name::SpendInDays);
            let days = a.metric.window_days().map(i64::from);
            is_order && least > 0 && days.is_some_and(|days| idle >= days)
        }
        Bound::AtLeast(_) => false,
    }
}

/// What a lower bound says of other metrics: who has spent something has
/// ordered, and whose referrals have spent something has referrals.
fn implied(condition: &Condition, least: i64) -> Vec<(Metric, i64)> {
    let metric = &condition.metric;
    let mut implied = vec![(metric.clone(), least)];
    let other = match metric.name() {
        Name::LifetimeSpend => Some(Name::OrdersTotal),
        Name::SpendInDays => Some(Name::OrdersInDays),
        Name::ReferralSpend => Some(Name::Referrals),
        _ => None,
    };
    if let Some(other) = other.filter(|_| least > 0) {
        implied.extend(Metric::new(other, metric.window_days(), None).ok().map(|m| (m, 1)));
    }
    implied
}

#[cfg(test)]
mod tests {
    use super::*;

    fn condition(name: Name, window: Option<u32>, bound: Bound) -> Condition {
        let tag = (name == Name::HasTag).then(|| "partner".to_owned());
        Condition { metric: Metric::new(name, window, tag).unwrap(), bound }
    }

    fn together(a: Condition, b: Condition) -> bool {
        let there = contradictions(&[a.clone(), b.clone()]);
        let back = contradictions(&[b, a]);
        assert_eq!(there.len(), back.len(), "the order of two conditions does not matter");
        assert!(there.iter().all(|c| matches!(c, Contradiction::Together { place: 1, .. })));
        there.is_empty()
    }

    use Bound::{AtLeast, AtMost};

    #[test]
    fn a_lower_bound_above_an_upper_one_contradicts_it() {
        let spend = |bound| condition(Name::LifetimeSpend, None, bound);
        assert!(together(spend(AtLeast(100)), spend(AtMost(100))));
        assert!(!together(spend(AtLeast(101)), spend(AtMost(100))));
        let tag = |bound| condition(Name::HasTag, None, bound);
        assert!(!together(tag(AtLeast(1)), tag(AtMost(0))));
    }

    #[test]
    fn a_window_is_never_more_than_a_longer_one_or_all_time() {
        let days = |name, days, bound| condition(name, Some(days), bound);
        let orders = |n, bound| days(Name::OrdersInDays, n, bound);
        assert!(!together(orders(30, AtLeast(5)), orders(90, AtMost(4))));
        assert!(together(orders(90, AtLeast(5)), orders(30, AtMost(4))));
        assert!(!together(orders(30, AtLeast(5)), condition(Name::OrdersTotal, None, AtMost(4))));
        assert!(together(orders(30, AtMost(4)), condition(Name::OrdersTotal, None, AtLeast(5))));
        let public = |n, bound| days(Name::PublicComplaintsInDays, n, bound);
        let all = |n, bound| days(Name::ComplaintsInDays, n, bound);
        assert!(!together(public(30, AtLeast(2)), all(30, AtMost(1))));
        assert!(together(public(30, AtMost(1)), all(30, AtLeast(2))));
    }

    #[test]
    fn who_spends_orders_and_who_has_ordered_lately_is_not_idle() {
        let spend = condition(Name::SpendInDays, Some(30), AtLeast(1));
        let no_orders = condition(Name::OrdersTotal, None, AtMost(0));
        assert!(!together(spend.clone(), no_orders));
        let idle = |days| condition(Name::IdleDays, None, AtLeast(days));
        assert!(!together(spend.clone(), idle(30)));
        assert!(together(spend, idle(29)));
        let referred = condition(Name::ReferralSpend, None, AtLeast(1));
        assert!(!together(referred, condition(Name::Referrals, None, AtMost(0))));
    }

    #[test]
    fn what_stands_twice_is_named() {
        let spend = |least| condition(Name::LifetimeSpend, None, AtLeast(least));
        assert_eq!(
            contradictions(&[spend(1), spend(2)]),
            [Contradiction::Twice { place: 1, other: 0 }]
        );
        let other_window = |days| condition(Name::SpendInDays, Some(days), AtLeast(1));
        assert_eq!(contradictions(&[other_window(30), other_window(60)]), []);
    }

    #[test]
    fn what_says_little_contradicts_little() {
        let days = |name, n, least| condition(name, Some(n), AtLeast(least));
        let ever = |name, bound| condition(name, None, bound);
        // At least nothing is no order.
        assert!(together(
            ever(Name::LifetimeSpend, AtLeast(0)),
            ever(Name::OrdersTotal, AtMost(0))
        ));
        assert!(!together(
            ever(Name::LifetimeSpend, AtLeast(1)),
            ever(Name::OrdersTotal, AtMost(0))
        ));
        assert!(together(days(Name::SpendInDays, 30, 0), ever(Name::IdleDays, AtLeast(45))));
        // Points and complaints come without orders.
        for name in [Name::PointsInDays, Name::ComplaintsInDays] {
            assert!(together(days(name, 30, 5), ever(Name::IdleDays, AtLeast(45))), "{name:?}");
        }
        // An order in 30 days, and 40 of all time or of a year.
        let order = days(Name::OrdersInDays, 30, 1);
        assert!(together(order.clone(), ever(Name::OrdersTotal, AtLeast(40))));
        assert!(together(order, days(Name::SpendInDays, 365, 4_000)));
    }

    #[test]
    fn a_contradiction_names_its_places() {
        let spend = |bound| condition(Name::LifetimeSpend, None, bound);
        let tenure = condition(Name::TenureMonths, None, AtLeast(6));
        let asked = [tenure, spend(AtLeast(9)), spend(AtMost(5)), spend(AtLeast(7))];
        let found = contradictions(&asked);
        let names = (Name::LifetimeSpend, Name::LifetimeSpend);
        assert_eq!(
            found,
            [
                Contradiction::Together { place: 2, other: 1, names },
                Contradiction::Twice { place: 3, other: 1 },
                Contradiction::Together { place: 3, other: 2, names },
            ]
        );
        assert_eq!(found.iter().map(Contradiction::place).collect::<Vec<_>>(), [2, 3, 3]);
        // As a person counts who has them in another list.
        let moved = found[0].clone().at_places(|place| place + 10);
        assert_eq!(moved, Contradiction::Together { place: 12, other: 11, names });
    }
}
