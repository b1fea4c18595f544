//! What the top customers spend.

use crate::domain::Overflow;

/// The shares of customers, in percent, whose part of all spending is looked at.
pub const TOP_PERCENTS: [i64; 3] = [5, 10, 20];

/// How many customers a share of them is: rounded down, and one at least where
/// there is anybody.
pub fn top_count(customers: i64, percent: i64) -> i64 {
    let count = customers.saturating_mul(percent) / 100;
    if customers > 0 { count.max(1) } else { 0 }
}

/// What customers have spent who come before the last one of a share of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cut {
    /// What the last one of the share has spent.
    pub threshold: i64,
    /// How many have spent more.
    pub above: i64,
    /// What those have spent.
    pub spend_above: i128,
    /// How many have spent that or more, of those who have spent anything.
    pub at_or_above: i64,
}

/// What the top share of the customers has spent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TopShare {
    /// How many customers it is.
    pub customers: i64,
    /// What they have spent.
    pub spend: i64,
    /// What the last of them has spent, which would make VIPs of this share.
    pub threshold: Option<i64>,
    /// How many have spent that much: more than the share where several have
    /// spent the same.
    pub at_or_above: i64,
}

impl TopShare {
    /// A share of so many customers, cut off at its last.
    ///
    /// # Errors
    /// [`Overflow`] where its spending does not fit.
    pub fn of(customers: i64, percent: i64, cut: &Cut) -> Result<Self, Overflow> {
        let count = top_count(customers, percent);
        // Who has spent as much as the last one belongs to it until it is full.
        let at_threshold = i128::from(count.saturating_sub(cut.above).max(0))
            .checked_mul(cut.threshold.into())
            .ok_or(Overflow)?;
        let spend = cut.spend_above.checked_add(at_threshold).ok_or(Overflow)?;
        Ok(Self {
            customers: count,
            spend: i64::try_from(spend).map_err(|_| Overflow)?,
            threshold: (customers > 0).then_some(cut.threshold),
            // Who has spent nothing has spent enough for that.
            at_or_above: if cut.threshold > 0 { cut.at_or_above } else { customers },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_share_is_one_customer_at_least_and_none_of_nobody() {
        let counts: Vec<i64> = [0, 1, 19, 20, 39, 40, 200].map(|n| top_count(n, 5)).to_vec();
        assert_eq!(counts, [0, 1, 1, 1, 1, 2, 10]);
        let nothing = Cut { threshold: 0, above: 0, spend_above: 0, at_or_above: 0 };
        let share = TopShare::of(0, 5, &nothing).unwrap();
        assert_eq!((share.customers, share.threshold, share.at_or_above), (0, None, 0));
    }

    /// Cuts spendings off at the place of a share, as the database does.
    fn cut(spendings: &[i64], percent: i64) -> Cut {
        let mut sorted: Vec<i64> = spendings.iter().copied().filter(|s| *s > 0).collect();
        sorted.sort_by_key(|spend| std::cmp::Reverse(*spend));
        let last = usize::try_from(top_count(spendings.len() as i64, percent)).unwrap();
        let threshold = last.checked_sub(1).and_then(|i| sorted.get(i)).copied().unwrap_or(0);
        let above: Vec<i128> =
            sorted.iter().filter(|s| **s > threshold).map(|s| i128::from(*s)).collect();
        Cut {
            threshold,
            above: above.len() as i64,
            spend_above: above.iter().sum(),
            at_or_above: sorted.iter().filter(|s| **s >= threshold).count() as i64,
        }
    }

    #[test]
    fn what_a_share_spends_that_does_not_fit_is_an_overflow() {
        let cut = Cut { threshold: 1, above: 2, spend_above: i128::from(i64::MAX), at_or_above: 3 };
        assert_eq!(TopShare::of(60, 5, &cut), Err(Overflow));
    }

    proptest! {
        /// What is summed up from the cut is what the first so many have spent.
        #[test]
        fn a_share_spends_what_its_customers_spend(spendings in prop::collection::vec(0_i64..6, 0..60)) {
            let mut sorted = spendings.clone();
            sorted.sort_by_key(|spend| std::cmp::Reverse(*spend));
            for percent in TOP_PERCENTS {
                let count = top_count(spendings.len() as i64, percent);
                let share = TopShare::of(spendings.len() as i64, percent, &cut(&spendings, percent)).unwrap();
                let top = &sorted[..usize::try_from(count).unwrap()];
                prop_assert_eq!(share.customers, count);
                prop_assert_eq!(share.spend, top.iter().sum::<i64>());
                prop_assert_eq!(share.threshold, top.last().copied());
                let enough = |spend: &&i64| Some(**spend) >= share.threshold;
                let expected = if count == 0 { 0 } else { spendings.iter().filter(enough).count() };
                prop_assert_eq!(share.at_or_above, expected as i64);
            }
        }

        #[test]
        fn no_numbers_make_it_panic(
            customers: i64,
            threshold: i64,
            above: i64,
            spend_above: i128,
        ) {
            let cut = Cut { threshold, above, spend_above, at_or_above: above };
            let _ = TopShare::of(customers, 5, &cut);
        }
    }
}
