//! What the values at one path looked like, in bounded memory.

use std::collections::{BTreeSet, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};

use weir_model::decimal::{Decimal, POWERS_OF_TEN};
use weir_model::number::QUANTITY_SCALE_MAX;

use super::data::Leaf;

/// Different values that are counted; beyond it there are "more".
pub const DISTINCT_MAX: usize = 1_000;
/// Different values that a dimension may have.
pub const DIMENSION_VALUES_MAX: usize = 50;
/// Longest text that is looked at, in bytes: a dimension takes no longer one either.
const TEXT_BYTES_MAX: usize = weir_model::limits::ATTRIBUTE_BYTES_MAX;
/// Greatest magnitude that passes for a quantity, in whole units: beyond it stand identifiers and times.
const MAGNITUDE_MAX: i128 = 10_i128.pow(15);

/// The values at one path.
#[derive(Debug, Default)]
pub struct Field {
    /// Texts, numbers and booleans.
    pub values: u64,
    /// JSON numbers and decimal strings among them.
    pub numbers: u64,
    /// Booleans among them.
    pub booleans: u64,
    /// Beside them: objects, whose members have paths of their own.
    pub objects: u64,
    /// Beside them: lists.
    pub lists: u64,
    /// Beside them: texts that are too long for a dimension.
    pub long: u64,
    /// Values under a key that no path can name.
    pub unnameable: u64,
    /// Numbers that are finer or greater than a quantity may be.
    pub unfit: u64,
    /// The numbers that fit.
    pub range: Option<Range>,
    /// Different values.
    pub distinct: Distinct,
    digest: u64,
}

/// Numbers from `min` to `max`, in units of 10^-12.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Range {
    /// The smallest.
    pub min: i128,
    /// The greatest.
    pub max: i128,
    /// Decimals of the finest.
    pub scale: u8,
}

impl Field {
    /// Takes one value in. `event` is the number of its event.
    pub fn observe(&mut self, event: u64, leaf: &Leaf<'_>) {
        let text: &str = match leaf {
            Leaf::Null => return,
            Leaf::Object => return self.objects += 1,
            Leaf::List => return self.lists += 1,
            Leaf::Unnameable | Leaf::TooDeep => return self.unnameable += 1,
            Leaf::Boolean(text) | Leaf::Number(text) => text,
            Leaf::Text(text) => text,
        };
        if text.len() > TEXT_BYTES_MAX {
            return self.long += 1;
        }
        self.values += 1;
        self.distinct.add(text);
        match (leaf, Decimal::parse(text.as_bytes())) {
            (Leaf::Boolean(_), _) => self.booleans += 1,
            (_, Ok(decimal)) => self.number(event, Some(decimal)),
            (Leaf::Number(_), Err(_)) => self.number(event, None),
            _ => {}
        }
    }

    fn number(&mut self, event: u64, decimal: Option<Decimal>) {
        self.numbers += 1;
        let fitting = decimal.and_then(|decimal| {
            let scaled = decimal.at_scale(QUANTITY_SCALE_MAX).ok()?;
            let fits = scaled.unsigned_abs() <= (MAGNITUDE_MAX * unit()).unsigned_abs();
            fits.then_some((scaled, decimal.scale))
        });
        let Some((scaled, scale)) = fitting else { return self.unfit += 1 };
        let before = self.range.unwrap_or(Range { min: scaled, max: scaled, scale });
        self.range =
            Some(Range { min: before.min.min(scaled), max: before.max.max(scaled), scale: before.scale.max(scale) });
        let mut hasher = DefaultHasher::new();
        (self.digest, event, scaled).hash(&mut hasher);
        self.digest = hasher.finish();
    }

    /// Whatever stands here, but null.
    pub fn total(&self) -> u64 {
        self.values + self.objects + self.lists + self.long
    }

    /// What a meter of quantities would reject.
    pub fn misfits_as_quantity(&self) -> u64 {
        self.total() - (self.numbers - self.unfit)
    }

    /// What a dimension would reject.
    pub fn misfits_as_text(&self) -> u64 {
        self.total() - self.values
    }

    /// Whether two fields of numbers stand in the same events with the same values, in two events at least.
    pub fn always_equals(&self, other: &Field) -> bool {
        self.values > 1 && self.values == other.values && self.digest == other.digest
    }
}

/// 10^12: one, in the unit of [`Range`].
pub fn unit() -> i128 {
    POWERS_OF_TEN[usize::from(QUANTITY_SCALE_MAX)]
}

/// Different texts, counted up to [`DISTINCT_MAX`].
#[derive(Debug, Default)]
pub struct Distinct {
    hashes: HashSet<u64>,
    texts: BTreeSet<Box<str>>,
    repeats: u64,
    more: bool,
}

impl Distinct {
    /// Takes one text in.
    pub fn add(&mut self, text: &str) {
        let mut hasher = DefaultHasher::new();
        text.hash(&mut hasher);
        let hash = hasher.finish();
        if self.hashes.contains(&hash) {
            self.repeats += 1;
        } else if self.hashes.len() == DISTINCT_MAX {
            self.more = true;
        } else {
            self.hashes.insert(hash);
            if self.texts.len() < DIMENSION_VALUES_MAX {
                self.texts.insert(text.into());
            }
        }
    }

    /// How many; `None` if more than [`DISTINCT_MAX`].
    pub fn count(&self) -> Option<u64> {
        (!self.more).then_some(self.hashes.len() as u64)
    }

    /// Whether a value comes twice on average, among those that are remembered.
    pub fn repeat(&self) -> bool {
        !self.hashes.is_empty() && self.repeats >= self.hashes.len() as u64
    }

    /// Whether they are few enough for a dimension.
    pub fn are_few(&self) -> bool {
        self.hashes.len() <= DIMENSION_VALUES_MAX
    }

    /// The first [`DIMENSION_VALUES_MAX`] that were seen, in order of text.
    pub fn texts(&self) -> impl Iterator<Item = &str> {
        self.texts.iter().map(AsRef::as_ref)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(leaves: &[Leaf<'_>]) -> Field {
        let mut field = Field::default();
        leaves.iter().zip(0..).for_each(|(leaf, event)| field.observe(event, leaf));
        field
    }

    #[test]
    fn numbers_and_decimal_strings_are_numbers() {
        let seen = field(&[Leaf::Number("1.50"), Leaf::Text("-0.125".into()), Leaf::Null, Leaf::Number("2e3")]);
        assert_eq!((seen.values, seen.numbers, seen.misfits_as_quantity()), (3, 3, 0));
        let range = Range { min: -125_000_000_000, max: 2_000 * unit(), scale: 3 };
        assert_eq!(seen.range, Some(range));
    }

    #[test]
    fn misfits_are_counted() {
        for (other, as_quantity, as_text) in [
            (Leaf::Null, 0, 0),
            (Leaf::Text("many".into()), 1, 0),
            (Leaf::Text("1e400".into()), 1, 0),
            (Leaf::Number("1e400"), 1, 0),
            (Leaf::Boolean("true"), 1, 0),
            (Leaf::List, 1, 1),
            (Leaf::Object, 1, 1),
            (Leaf::Text("x".repeat(TEXT_BYTES_MAX).into()), 1, 0),
            (Leaf::Text("x".repeat(TEXT_BYTES_MAX + 1).into()), 1, 1),
        ] {
            let seen = field(&[Leaf::Number("1"), other.clone(), Leaf::Number("2")]);
            assert_eq!((seen.misfits_as_quantity(), seen.misfits_as_text()), (as_quantity, as_text), "{other:?}");
        }
    }

    #[test]
    fn what_no_quantity_holds_is_unfit() {
        for (text, unfit) in [
            ("0.123456789012", 0),
            ("0.1234567890123", 1),
            ("0.30000000000000004", 1),
            ("1000000000000000", 0),
            ("-1000000000000000", 0),
            ("1000000000000000.1", 1),
            ("1760000000000000000", 1),
            ("1e400", 1),
        ] {
            assert_eq!(field(&[Leaf::Number(text)]).unfit, unfit, "{text}");
        }
    }

    #[test]
    fn equal_fields_are_known() {
        let numbers = |texts: &[&'static str]| field(&texts.iter().map(|text| Leaf::Number(text)).collect::<Vec<_>>());
        let one = numbers(&["1", "2", "2.50"]);
        assert!(one.always_equals(&numbers(&["1.0", "2", "2.5"])));
        assert!(!one.always_equals(&numbers(&["2", "1", "2.5"])));
        assert!(!one.always_equals(&numbers(&["1", "2"])));
        assert!(!numbers(&["1"]).always_equals(&numbers(&["1"])), "once is no rule");
    }

    #[test]
    fn different_values_are_counted_up_to_a_limit() {
        let distinct = |count: usize, times: usize| {
            let mut distinct = Distinct::default();
            (0..count * times).for_each(|i| distinct.add(&format!("v{}", i % count)));
            distinct
        };
        for (count, times, counted, repeat, few) in [
            (1, 1, Some(1), false, true),
            (3, 2, Some(3), true, true),
            (50, 2, Some(50), true, true),
            (51, 2, Some(51), true, false),
            (DISTINCT_MAX, 1, Some(1_000), false, false),
            (DISTINCT_MAX + 1, 2, None, true, false),
        ] {
            let seen = distinct(count, times);
            assert_eq!((seen.count(), seen.repeat(), seen.are_few()), (counted, repeat, few), "{count} x {times}");
            assert_eq!(seen.texts().count(), count.min(DIMENSION_VALUES_MAX));
        }
    }
}
