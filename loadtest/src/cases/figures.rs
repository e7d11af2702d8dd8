//! Random decimals, and the pieces of TOML that they stand in.

use toml::{Table, Value};

use super::prng::Prng;

/// A decimal: `digits` × 10^-`decimals`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Figure {
    pub(super) digits: i128,
    pub(super) decimals: u32,
}

impl Figure {
    pub(super) const fn new(digits: i128, decimals: u32) -> Figure {
        Figure { digits, decimals }
    }

    /// A quantity above 0 that a meter of this scale keeps: mostly small.
    pub(super) fn quantity(prng: &mut Prng, scale: u32) -> Figure {
        let whole = prng.weighted(&[(50, 20), (30, 200), (15, 10_000), (5, 1_000_000_000)]);
        let decimals = if prng.chance(60) { 0 } else { scale.min(prng.pick(&[1, 2, 3, 12])) };
        Figure::new(1 + prng.below(whole * 10_i128.pow(decimals)), decimals)
    }

    /// An amount below 100 with up to 18 decimals.
    pub(super) fn amount(prng: &mut Prng) -> Figure {
        let decimals = prng.pick(&[0, 0, 1, 2, 2, 3, 6, 9, 18]);
        let most = prng.weighted(&[(10, 1), (60, 300), (30, 100_000)]);
        Figure::new(prng.below(most).min(100 * 10_i128.pow(decimals) - 1), decimals)
    }

    /// An amount of whole minor units, below so many units of a currency.
    pub(super) fn money(prng: &mut Prng, most: i128, minor_decimals: u32) -> Figure {
        let decimals = if prng.chance(50) { 0 } else { minor_decimals };
        Figure::new(prng.below(most * 10_i128.pow(decimals)), decimals)
    }

    /// A rate from 0 to 1.
    pub(super) fn rate(prng: &mut Prng) -> Figure {
        let decimals = prng.pick(&[1, 2, 3, 4, 18]);
        Figure::new(prng.below(10_i128.pow(decimals) + 1), decimals)
    }

    /// The decimal as a text, without needless zeros.
    pub(super) fn text(self) -> String {
        let Figure { mut digits, mut decimals } = self;
        while decimals > 0 && digits % 10 == 0 {
            digits /= 10;
            decimals -= 1;
        }
        let sign = if digits < 0 { "-" } else { "" };
        let magnitude = digits.abs();
        if decimals == 0 {
            return format!("{sign}{magnitude}");
        }
        let unit = 10_i128.pow(decimals);
        let width = usize::try_from(decimals).unwrap_or_default();
        format!("{sign}{}.{:0>width$}", magnitude / unit, magnitude % unit)
    }

    /// An integer if it is a small one, else a text.
    pub(super) fn toml(self) -> Value {
        let text = self.text();
        text.parse::<i64>().map_or(Value::String(text), Value::Integer)
    }

    /// The digits with other decimals, cut.
    pub(super) fn at(self, decimals: u32) -> i128 {
        if decimals >= self.decimals {
            self.digits * 10_i128.pow(decimals - self.decimals)
        } else {
            self.digits / 10_i128.pow(self.decimals - decimals)
        }
    }
}

/// A TOML table.
pub(super) fn table<K: Into<String>, V: Into<Value>>(entries: impl IntoIterator<Item = (K, V)>) -> Table {
    entries.into_iter().map(|(key, value)| (key.into(), value.into())).collect()
}

/// A TOML array.
pub(super) fn list<V: Into<Value>>(values: impl IntoIterator<Item = V>) -> Value {
    Value::Array(values.into_iter().map(Into::into).collect())
}
