//! Allocation by largest remainder: the one way in which Weir splits a figure.

use ethnum::{I256, U256};

/// Splits `total` in proportion to `weights`, so that the shares sum to it exactly. What rounding down leaves goes, one unit each,
/// to the largest remainders; ties, and everything if all weights are zero, in order of position.
pub fn share(total: i128, weights: &[u128]) -> Vec<i128> {
    let sum = weights.iter().fold(U256::ZERO, |sum, weight| sum.wrapping_add(U256::from(*weight)));
    if sum == U256::ZERO {
        let rest = std::iter::repeat_n(0, weights.len().saturating_sub(1));
        return weights.first().map(|_| total).into_iter().chain(rest).collect();
    }
    let magnitude = U256::from(total.unsigned_abs());
    // Quotient and remainder of total x weight / sum. The sum of up to 2^32 weights stays below 2^160, the product below 2^256.
    let mut parts: Vec<(u128, U256)> = Vec::with_capacity(weights.len());
    for weight in weights {
        let product = magnitude.wrapping_mul(U256::from(*weight));
        let quotient = product.checked_div(sum).and_then(|quotient| u128::try_from(quotient).ok());
        parts.push((quotient.unwrap_or(0), product.checked_rem(sum).unwrap_or(U256::ZERO)));
    }
    let given = parts.iter().fold(0_u128, |given, (quotient, _)| given.saturating_add(*quotient));
    let left = usize::try_from(total.unsigned_abs().saturating_sub(given)).unwrap_or(usize::MAX);
    let mut by_remainder: Vec<usize> = (0..parts.len()).collect();
    by_remainder.sort_by(|a, b| parts.get(*b).map(|part| part.1).cmp(&parts.get(*a).map(|part| part.1)).then(a.cmp(b)));
    for position in by_remainder.into_iter().take(left) {
        if let Some((quotient, _)) = parts.get_mut(position) {
            *quotient = quotient.saturating_add(1);
        }
    }
    parts.into_iter().map(|(quotient, _)| signed(quotient, total)).collect()
}

fn signed(magnitude: u128, like: i128) -> i128 {
    let value = I256::from(magnitude);
    let value = if like < 0 { value.wrapping_neg() } else { value };
    // A share is no larger than the total.
    i128::try_from(value).unwrap_or(like)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table() {
        for (total, weights, expected) in [
            (10, vec![1, 1, 1], vec![4, 3, 3]),
            (-10, vec![1, 1, 1], vec![-4, -3, -3]),
            (5, vec![0, 0], vec![5, 0]),
            (5, vec![0, 3], vec![0, 5]),
            (100, vec![1, 2, 3], vec![17, 33, 50]),
            (0, vec![1, 2], vec![0, 0]),
            (7, vec![], vec![]),
            (i128::MAX, vec![u128::MAX, u128::MAX], vec![i128::MAX / 2 + 1, i128::MAX / 2]),
        ] {
            assert_eq!(share(total, &weights), expected, "{total} by {weights:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn sums_to_the_total(total: i128, weights in proptest::collection::vec(proptest::prelude::any::<u128>(), 1..9)) {
            let shares = share(total, &weights);
            let sum = shares.iter().fold(I256::ZERO, |sum, share| sum + I256::from(*share));
            proptest::prop_assert_eq!(sum, I256::from(total));
        }
    }
}
