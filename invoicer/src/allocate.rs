//! How the details of a line share its rounded value: by largest remainder, ties by order (rating.md 6).
//!
//! `weir_model::share` splits a total by weights. Details already have exact amounts, of either sign; here each keeps its
//! own floor, so that it is never off by a whole minor unit. Keeps L5.

use weir_model::currency::Currency;
use weir_model::decimal::power_of_ten;
use weir_model::number::{AMOUNT_SCALE, Amount, Money};

/// The minor units of each detail: its exact amount rounded down, and one more for the largest remainders until they sum
/// to `line`. `None` if the exact amounts are not those of the line, so that this cannot work out.
pub(crate) fn allocate(line: Money, exact: &[Amount]) -> Option<Vec<Money>> {
    let currency = line.currency();
    let unit = minor_unit(currency);
    let mut minors = Vec::with_capacity(exact.len());
    let mut remainders = Vec::with_capacity(exact.len());
    let mut given = 0_i128;
    for amount in exact {
        // The unit is a positive power of ten.
        let floor = amount.scaled().checked_div_euclid(unit)?;
        given = given.checked_add(floor)?;
        minors.push(floor);
        remainders.push(amount.scaled().checked_rem_euclid(unit)?);
    }
    let left = usize::try_from(line.minor().checked_sub(given)?).ok()?;
    // Only what was rounded down may be rounded up.
    let rounded_down = |i: &usize| remainders.get(*i).is_some_and(|remainder| *remainder > 0);
    let mut order: Vec<usize> = (0..exact.len()).filter(rounded_down).collect();
    // A stable sort: ties stay in the details' order.
    order.sort_by_key(|i| std::cmp::Reverse(remainders.get(*i).copied()));
    if left > order.len() {
        return None;
    }
    for i in order.into_iter().take(left) {
        let minor = minors.get_mut(i)?;
        *minor = minor.checked_add(1)?;
    }
    Some(minors.into_iter().map(|minor| Money::from_minor(minor, currency)).collect())
}

/// One minor unit at the scale of amounts.
fn minor_unit(currency: Currency) -> i128 {
    power_of_ten(AMOUNT_SCALE.saturating_sub(currency.exponent())).unwrap_or(1)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use weir_model::decimal::Decimal;
    use weir_model::rounding::RoundingMode;

    use super::*;

    fn amount(text: &str) -> Amount {
        Amount::from_decimal(Decimal::parse(text.as_bytes()).unwrap()).unwrap()
    }

    #[test]
    fn table() {
        for (code, line, details, expected) in [
            ("USD", 100, &["0.333", "0.333", "0.334"][..], Some(vec![33, 33, 34])),
            ("USD", 1, &["0.004", "0.004"], Some(vec![1, 0])),
            ("USD", 1, &["0.004", "0.005"], Some(vec![0, 1])),
            ("USD", 0, &["0.002", "0.002"], Some(vec![0, 0])),
            ("USD", 1, &["0", "0.005", "0"], Some(vec![0, 1, 0])),
            ("USD", -1, &["-0.004", "-0.004"], Some(vec![0, -1])),
            ("USD", 50, &["1.005", "-0.505"], Some(vec![101, -51])),
            ("JPY", 2, &["0.5", "0.5", "0.5"], Some(vec![1, 1, 0])),
            ("KWD", 1001, &["0.5004", "0.5005"], Some(vec![500, 501])),
            ("USD", 0, &[], Some(vec![])),
            ("USD", 2, &["0.01"], None),
            ("USD", 3, &["0.009", "0.001"], None),
            ("USD", -1, &["0.01"], None),
        ] {
            let currency = Currency::parse(code).unwrap();
            let exact: Vec<Amount> = details.iter().map(|text| amount(text)).collect();
            let shares = allocate(Money::from_minor(line, currency), &exact);
            let minors = shares.map(|shares| shares.iter().map(|share| share.minor()).collect::<Vec<_>>());
            assert_eq!(minors, expected, "{line} {code} over {details:?}");
        }
    }

    proptest! {
        #[test]
        fn details_sum_to_the_line(scaled in prop::collection::vec(-10_i128.pow(20)..10_i128.pow(20), 1..20)) {
            let exact: Vec<Amount> = scaled.iter().map(|s| Amount::from_scaled(*s).unwrap()).collect();
            let sum = Amount::from_scaled(scaled.iter().sum()).unwrap();
            for code in ["USD", "JPY", "KWD"] {
                let currency = Currency::parse(code).unwrap();
                let line = sum.to_money(currency, RoundingMode::HalfAway);
                let shares = allocate(line, &exact).unwrap();
                prop_assert_eq!(shares.iter().map(|share| share.minor()).sum::<i128>(), line.minor());
                for (share, amount) in shares.iter().zip(&exact) {
                    let off = share.minor() * minor_unit(currency) - amount.scaled();
                    prop_assert!(off.abs() < minor_unit(currency), "{off}");
                }
            }
        }
    }
}
