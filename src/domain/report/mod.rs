//! What reports make of what is found: shares and what to do about them, spans
//! of dates, anniversaries, tiers side by side.
//!
//! Percentages are exact until they are written out: advice goes by the numbers
//! and not by what they are rounded to.

pub mod advice;
pub mod span;
pub mod spend;
pub mod standing;

/// A part divided by a whole, with two decimals, rounded half up; `None` where
/// there is nothing to divide by, and for what is below zero.
pub fn quotient(part: i128, whole: i128) -> Option<String> {
    if part < 0 || whole <= 0 {
        return None;
    }
    let twice = part.checked_mul(200)?.checked_add(whole)?;
    let hundredths = twice.checked_div(whole.checked_mul(2)?)?;
    Some(format!("{}.{:02}", hundredths / 100, hundredths % 100))
}

/// How many percent of a whole a part is, with two decimals, rounded half up;
/// `None` where the whole is nothing.
pub fn percent(part: i128, whole: i128) -> Option<String> {
    quotient(part.checked_mul(100)?, whole)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rust_decimal::{Decimal, RoundingStrategy};

    #[test]
    fn a_percentage_has_two_decimals_and_is_rounded_half_up() {
        let text = |part, whole| percent(part, whole).unwrap();
        assert_eq!(text(1, 12), "8.33");
        assert_eq!(text(2, 3), "66.67");
        assert_eq!(text(1, 800), "0.13"); // 0.125
        assert_eq!(text(0, 5), "0.00");
        assert_eq!(text(7, 7), "100.00");
        assert_eq!(quotient(17, 4).unwrap(), "4.25");
        assert_eq!(percent(0, 0), None);
        assert_eq!(percent(1, 0), None);
        assert_eq!(percent(-1, 5), None);
        assert_eq!(percent(i128::MAX, 1), None);
        assert_eq!(text(i128::from(u64::MAX), i128::from(u64::MAX)), "100.00");
    }

    proptest! {
        #[test]
        fn a_percentage_is_what_decimals_come_to(part in 0_u32..2_000_000, whole in 1_u32..1_000_000) {
            let exact = Decimal::from(part) * Decimal::ONE_HUNDRED / Decimal::from(whole);
            let rounded = exact.round_dp_with_strategy(2, RoundingStrategy::MidpointAwayFromZero);
            prop_assert_eq!(percent(part.into(), whole.into()), Some(format!("{rounded:.2}")));
        }

        #[test]
        fn no_numbers_make_it_panic(part: i128, whole: i128) {
            let _ = percent(part, whole);
        }
    }
}
