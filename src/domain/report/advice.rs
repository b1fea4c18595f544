//! Shares that a shop aims at, and what to make of the ones that it has.

use super::percent;
use std::cmp::Ordering;

/// How many percent of the VIPs a shop aims to retain.
pub const RETENTION_AIM_PERCENT: i64 = 80;

/// How a part compares with so many percent of a whole, before any rounding.
fn compare(part: i64, whole: i64, percent: i64) -> Ordering {
    let hundred_parts = i128::from(part).saturating_mul(100);
    hundred_parts.cmp(&i128::from(whole).saturating_mul(percent.into()))
}

/// What to make of the share of customers who are VIPs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ShareAdvice {
    /// Below 5 %.
    TooFew,
    /// 5 to 10 %.
    OnTarget,
    /// Above 10 % and up to 20 %.
    AboveTarget,
    /// Above 20 %.
    TooMany,
    /// There is nobody to be a VIP.
    NoCustomers,
}

impl ShareAdvice {
    /// All of them, with the word that each goes by.
    pub const WORDS: [(&'static str, Self); 5] = [
        ("too_few", Self::TooFew),
        ("on_target", Self::OnTarget),
        ("above_target", Self::AboveTarget),
        ("too_many", Self::TooMany),
        ("no_customers", Self::NoCustomers),
    ];

    /// The advice for so many VIPs among so many customers.
    pub fn of(vips: i64, customers: i64) -> Self {
        let compared = |percent| compare(vips, customers, percent);
        if customers <= 0 {
            Self::NoCustomers
        } else if compared(20).is_gt() {
            Self::TooMany
        } else if compared(10).is_gt() {
            Self::AboveTarget
        } else if compared(5).is_ge() {
            Self::OnTarget
        } else {
            Self::TooFew
        }
    }

    /// The advice in a sentence.
    pub fn text(self) -> &'static str {
        match self {
            Self::TooFew => {
                "Fewer than 5 % of the customers are VIPs; the aim is 5 to 10 %. Look through the customers of high value who are none, or ask less of them."
            }
            Self::OnTarget => "5 to 10 % of the customers are VIPs, which is the aim.",
            Self::AboveTarget => {
                "More than 10 % of the customers are VIPs; the aim is 5 to 10 %. Before it becomes 20 %, ask more of new ones."
            }
            Self::TooMany => {
                "More than 20 % of the customers are VIPs, which is too many to be special. Ask more of them, or make more tiers."
            }
            Self::NoCustomers => "There are no customers yet.",
        }
    }
}

/// What to make of the share of VIPs who were retained.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RetentionAdvice {
    /// At or above the aim.
    OnTarget,
    /// Below it.
    BelowTarget,
    /// There was nobody to retain.
    NoVips,
}

impl RetentionAdvice {
    /// All of them, with the word that each goes by.
    pub const WORDS: [(&'static str, Self); 3] = [
        ("on_target", Self::OnTarget),
        ("below_target", Self::BelowTarget),
        ("no_vips", Self::NoVips),
    ];
}

/// What became of VIPs in a span.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Retention {
    /// How many there were when it began.
    pub at_start: i64,
    /// How many of those still were VIPs when it ended.
    pub kept: i64,
    /// How many of those ordered in it.
    pub ordered: i64,
    /// How many of those did both.
    pub retained: i64,
}

impl Retention {
    /// Adds so many VIPs of whom the same is known.
    pub fn add(&mut self, customers: i64, is_kept: bool, has_ordered: bool) {
        let add = |sum: &mut i64, counts: bool| {
            *sum = sum.saturating_add(if counts { customers } else { 0 });
        };
        add(&mut self.at_start, true);
        add(&mut self.kept, is_kept);
        add(&mut self.ordered, has_ordered);
        add(&mut self.retained, is_kept && has_ordered);
    }

    /// How many percent were retained.
    pub fn percent(&self) -> Option<String> {
        percent(self.retained.into(), self.at_start.into())
    }

    /// What to make of it.
    pub fn advice(&self) -> RetentionAdvice {
        if self.at_start <= 0 {
            RetentionAdvice::NoVips
        } else if compare(self.retained, self.at_start, RETENTION_AIM_PERCENT).is_lt() {
            RetentionAdvice::BelowTarget
        } else {
            RetentionAdvice::OnTarget
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_share_of_vips_is_aimed_at_5_to_10_percent() {
        let cases = [
            (49, 1_000, ShareAdvice::TooFew),
            (50, 1_000, ShareAdvice::OnTarget),
            (100, 1_000, ShareAdvice::OnTarget),
            (101, 1_000, ShareAdvice::AboveTarget),
            (200, 1_000, ShareAdvice::AboveTarget),
            (201, 1_000, ShareAdvice::TooMany),
            (0, 3, ShareAdvice::TooFew),
            (3, 3, ShareAdvice::TooMany),
            (0, 0, ShareAdvice::NoCustomers),
            // What is written as 5.00 % may be less.
            (4_999_999, 100_000_000, ShareAdvice::TooFew),
        ];
        for (vips, customers, expected) in cases {
            assert_eq!(ShareAdvice::of(vips, customers), expected, "{vips} of {customers}");
        }
    }

    #[test]
    fn each_advice_says_what_it_goes_by() {
        let texts = ShareAdvice::WORDS.map(|(_, advice)| advice.text());
        let starts = [
            "Fewer than 5 %",
            "5 to 10 %",
            "More than 10 %",
            "More than 20 %",
            "There are no customers",
        ];
        for (text, start) in texts.into_iter().zip(starts) {
            assert!(text.starts_with(start) && text.ends_with('.'), "{text}");
        }
    }

    #[test]
    fn who_was_kept_and_ordered_was_retained_and_80_percent_are_aimed_at() {
        let mut retention = Retention::default();
        assert_eq!((retention.percent(), retention.advice()), (None, RetentionAdvice::NoVips));
        retention.add(8, true, true);
        retention.add(1, true, false);
        retention.add(1, false, true);
        assert_eq!(retention, Retention { at_start: 10, kept: 9, ordered: 9, retained: 8 });
        assert_eq!(retention.percent().unwrap(), "80.00");
        assert_eq!(retention.advice(), RetentionAdvice::OnTarget);
        retention.add(1, false, false);
        assert_eq!(retention.percent().unwrap(), "72.73");
        assert_eq!(retention.advice(), RetentionAdvice::BelowTarget);
    }

    proptest! {
        /// The more VIPs, the more the advice is to ask for more.
        #[test]
        fn advice_follows_the_share(customers in 1_i64..1_000_000, one: u16, other: u16) {
            let share = |part: u16| customers * i64::from(part) / i64::from(u16::MAX);
            let place = |vips| {
                let advice = ShareAdvice::of(vips, customers);
                ShareAdvice::WORDS.iter().position(|(_, a)| *a == advice).unwrap()
            };
            let (fewer, more) = (share(one.min(other)), share(one.max(other)));
            prop_assert!(place(fewer) <= place(more));
        }

        #[test]
        fn no_numbers_make_it_panic(vips: i64, customers: i64) {
            let _ = ShareAdvice::of(vips, customers);
            let mut retention = Retention::default();
            retention.add(vips, true, true);
            retention.add(customers, true, false);
            let _ = (retention.percent(), retention.advice());
        }
    }
}
