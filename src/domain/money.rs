//! Amounts of money, and points by amount: `i64` minor units of an ISO 4217
//! currency with its own number of decimals.

use super::Overflow;
use rust_decimal::Decimal;
use std::fmt;

/// A currency of ISO 4217.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Currency(iso_currency::Currency);

impl Currency {
    /// The currency of a three-letter code; `None` where ISO 4217 has none of
    /// that code, or gives it no number of decimals (as for gold, `XAU`).
    pub fn parse(code: &str) -> Option<Self> {
        let currency = iso_currency::Currency::from_code(code)?;
        currency.exponent().map(|_| Self(currency))
    }

    /// The three-letter code.
    pub fn code(self) -> &'static str {
        self.0.code()
    }

    /// How many decimals an amount has: 2 for GBP, 0 for JPY, 3 for KWD.
    pub fn decimals(self) -> u32 {
        self.0.exponent().map_or(0, u32::from)
    }
}

/// Why a text is no amount of a currency.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidAmount {
    /// Not digits with at most one decimal point.
    #[error("must be a decimal string such as \"129.95\": digits, without sign or exponent")]
    Malformed,
    /// More decimals than the currency has.
    #[error("has more decimals than {currency} has ({decimals})")]
    TooPrecise {
        /// The currency's code.
        currency: &'static str,
        /// The decimals that it has.
        decimals: u32,
    },
    /// Beyond `i64` minor units.
    #[error("is larger than the largest amount ({0})")]
    TooLarge(String),
}

/// The minor units that a decimal string such as `"129.95"` states. Fewer
/// decimals than the currency has are fine (`"5"` is 5.00 GBP).
///
/// # Errors
/// [`InvalidAmount`] says what is wrong; nothing is ever rounded.
pub fn parse_amount(text: &str, currency: Currency) -> Result<i64, InvalidAmount> {
    let decimals = currency.decimals();
    let (whole, fraction) = match text.split_once('.') {
        Some((_, "")) => return Err(InvalidAmount::Malformed),
        Some(parts) => parts,
        None => (text, ""),
    };
    let digits = |s: &str| s.bytes().all(|b| b.is_ascii_digit());
    if whole.is_empty() || !digits(whole) || !digits(fraction) {
        return Err(InvalidAmount::Malformed);
    }
    if u32::try_from(fraction.len()).map_or(true, |n| n > decimals) {
        let currency = currency.code();
        return Err(InvalidAmount::TooPrecise { currency, decimals });
    }
    let width = usize::try_from(decimals).unwrap_or(0);
    format!("{whole}{fraction:0<width$}")
        .parse::<i64>()
        .map_err(|_| InvalidAmount::TooLarge(Amount(i64::MAX, currency).to_string()))
}

/// Minor units together with their currency, for writing them out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Amount(pub i64, pub Currency);

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Decimal::from_i128_with_scale(i128::from(self.0), self.1.decimals()).fmt(f)
    }
}

/// The points that an order's net total earns: ⌊net × `points_per_unit`⌋, in
/// whole points (design, section 3.3).
///
/// # Errors
/// [`Overflow`] where the points do not fit.
pub fn points_for(net: i64, currency: Currency, points_per_unit: Decimal) -> Result<i64, Overflow> {
    let scale = points_per_unit
        .scale()
        .checked_add(currency.decimals())
        .and_then(|digits| 10_i128.checked_pow(digits))
        .ok_or(Overflow)?;
    i128::from(net)
        .checked_mul(points_per_unit.mantissa())
        .and_then(|product| product.checked_div_euclid(scale))
        .and_then(|points| i64::try_from(points).ok())
        .ok_or(Overflow)
}

/// `amount × part ÷ whole`, rounded half up, of values that are not below zero.
///
/// # Errors
/// [`Overflow`] where it does not fit, or there is no whole.
pub fn rounded_share(amount: i64, part: i128, whole: i128) -> Result<i64, Overflow> {
    let twice = |value: i128| value.checked_mul(2);
    i128::from(amount)
        .checked_mul(part)
        .and_then(twice)
        .and_then(|doubled| doubled.checked_add(whole))
        .and_then(|above| above.checked_div_euclid(twice(whole)?))
        .and_then(|share| i64::try_from(share).ok())
        .ok_or(Overflow)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn gbp() -> Currency {
        Currency::parse("GBP").unwrap()
    }

    #[test]
    fn an_amount_has_the_decimals_of_its_currency() {
        let kwd = Currency::parse("KWD").unwrap();
        let jpy = Currency::parse("JPY").unwrap();
        assert_eq!(parse_amount("129.95", gbp()), Ok(12_995));
        assert_eq!(parse_amount("5", gbp()), Ok(500));
        assert_eq!(parse_amount("0.5", gbp()), Ok(50));
        assert_eq!(parse_amount("1.234", kwd), Ok(1_234));
        assert_eq!(parse_amount("1200", jpy), Ok(1_200));
        assert_eq!(Amount(-500, gbp()).to_string(), "-5.00");
        assert_eq!(Amount(1_234, kwd).to_string(), "1.234");
        assert_eq!(Amount(1_200, jpy).to_string(), "1200");
    }

    #[test]
    fn what_is_no_amount_is_refused_and_never_rounded() {
        for bad in ["", ".", "1.", ".5", "1e3", "-1", "+1", " 1", "1,00", "٣", "NaN"] {
            assert_eq!(parse_amount(bad, gbp()), Err(InvalidAmount::Malformed), "{bad:?}");
        }
        let too_precise = InvalidAmount::TooPrecise { currency: "GBP", decimals: 2 };
        assert_eq!(parse_amount("12.345", gbp()), Err(too_precise));
        assert_eq!(parse_amount("92233720368547758.07", gbp()), Ok(i64::MAX));
        assert!(matches!(
            parse_amount("92233720368547758.08", gbp()),
            Err(InvalidAmount::TooLarge(_))
        ));
        assert_eq!(Currency::parse("XAU"), None);
        assert_eq!(Currency::parse("gbp"), None);
    }

    #[test]
    fn points_are_rounded_down() {
        let rate = |text: &str| text.parse::<Decimal>().unwrap();
        assert_eq!(points_for(1_999, gbp(), rate("1")), Ok(19));
        assert_eq!(points_for(1_999, gbp(), rate("0.5")), Ok(9));
        assert_eq!(points_for(1_999, gbp(), rate("0")), Ok(0));
        assert_eq!(points_for(i64::MAX, gbp(), rate("1000000")), Err(Overflow));
    }

    proptest! {
        #[test]
        fn writing_and_reading_an_amount_gives_it_back(minor in 0..=i64::MAX) {
            for code in ["GBP", "JPY", "KWD"] {
                let currency = Currency::parse(code).unwrap();
                prop_assert_eq!(parse_amount(&Amount(minor, currency).to_string(), currency), Ok(minor));
            }
        }

        #[test]
        fn no_text_makes_it_panic(text in ".{0,40}") {
            let _ = parse_amount(&text, gbp());
        }
    }
}
