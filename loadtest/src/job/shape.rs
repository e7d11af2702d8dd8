//! What decides a job, and the shapes that are measured.

use std::fmt;

use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};

/// What decides a job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Shape {
    /// Another seed, other events.
    pub seed: u64,
    /// Lines, repeats included.
    pub lines: u64,
    /// Customers that events are drawn for.
    pub customers: u32,
    /// Event types, each with its meter and charge.
    pub meters: u32,
    /// Tiers of the price: 1, 4 or 8.
    pub tiers: usize,
    /// Fields in each event's `data`; the meters read one of them.
    pub fields: u32,
}

/// A tier of the price.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tier {
    /// The last unit in it; `None` for the last tier.
    pub up_to: Option<u64>,
    /// What a unit costs, in 10^-6 of a currency unit.
    pub unit_micros: u64,
}

const fn tier(up_to: u64, unit_micros: u64) -> Tier {
    Tier { up_to: Some(up_to), unit_micros }
}

const fn last_tier(unit_micros: u64) -> Tier {
    Tier { up_to: None, unit_micros }
}

/// The prices, told apart by their number of tiers.
const PRICES: [&[Tier]; 3] = [
    &[last_tier(500_000)],
    &[tier(100, 500_000), tier(1_000, 300_000), tier(10_000, 200_000), last_tier(100_000)],
    &[
        tier(10, 1_000_000),
        tier(50, 800_000),
        tier(100, 500_000),
        tier(250, 400_000),
        tier(500, 300_000),
        tier(1_000, 250_000),
        tier(5_000, 200_000),
        last_tier(125_000),
    ],
];

/// A bucket of a million lines' values at the dearest price fits in 64 bits many times over; so does their sum.
const LINES_MAX: u64 = 1_000_000_000;
const CUSTOMERS_MAX: u32 = 100_000_000;
const METERS_MAX: u32 = 10_000;
/// `value` and `region` are always there.
const FIELDS_MIN: u32 = 2;
const FIELDS_MAX: u32 = 100;
const LINES: u64 = 4_000_000;
const JOB_J: &str = "job-j";

impl Shape {
    /// Job J, which every engine does: 20 meters, 100,000 customers, four tiers.
    pub const JOB_J: Shape = Shape { seed: 7, lines: LINES, customers: 100_000, meters: 20, tiers: 4, fields: 2 };

    /// Job J pulled in four directions, each way: 16 shapes.
    pub fn table() -> Vec<Shape> {
        let mut table = Vec::new();
        for meters in [20, 2_000] {
            for customers in [1_000, 10_000_000] {
                for tiers in [1, 8] {
                    for fields in [3, 30] {
                        table.push(Shape { customers, meters, tiers, fields, ..Shape::JOB_J });
                    }
                }
            }
        }
        table
    }

    /// The shape that a name stands for.
    pub fn named(name: &str) -> Option<Shape> {
        Shape::table().into_iter().chain([Shape::JOB_J]).find(|shape| shape.to_string() == name)
    }

    /// The price, if the shape has a job.
    pub(super) fn check(&self) -> Result<&'static [Tier]> {
        ensure!((1..=LINES_MAX).contains(&self.lines), "a job has 1 to {LINES_MAX} lines");
        ensure!((1..=CUSTOMERS_MAX).contains(&self.customers), "a job has 1 to {CUSTOMERS_MAX} customers");
        ensure!((1..=METERS_MAX).contains(&self.meters), "a job has 1 to {METERS_MAX} meters");
        ensure!(
            (FIELDS_MIN..=FIELDS_MAX).contains(&self.fields),
            "an event of a job has {FIELDS_MIN} to {FIELDS_MAX} fields"
        );
        PRICES.into_iter().find(|tiers| tiers.len() == self.tiers).context("a job's price has 1, 4 or 8 tiers")
    }
}

/// What the shape's files are called; it says neither lines nor seed.
impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Shape { customers, meters, tiers, fields, seed, lines } = *self;
        if (Shape { seed, lines, ..Shape::JOB_J }) == *self {
            return f.write_str(JOB_J);
        }
        write!(f, "m{meters}-c{customers}-t{tiers}-f{fields}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lead_back_to_shapes() {
        let mut names: Vec<String> = Shape::table().iter().map(ToString::to_string).collect();
        names.push(Shape::JOB_J.to_string());
        assert!(names.iter().any(|name| name == "m2000-c10000000-t8-f30") && names[16] == "job-j", "{names:?}");
        for name in &names {
            assert_eq!(Shape::named(name).unwrap().to_string(), *name);
        }
        names.sort();
        names.dedup();
        assert_eq!((names.len(), Shape::named("m20")), (17, None));
    }

    #[test]
    fn impossible_shapes_are_refused() {
        type Change = fn(&mut Shape);
        let cases: [(&str, Change); 5] = [
            ("lines", |shape| shape.lines = 0),
            ("customers", |shape| shape.customers = 0),
            ("meters", |shape| shape.meters = METERS_MAX + 1),
            ("fields", |shape| shape.fields = 1),
            ("tiers", |shape| shape.tiers = 2),
        ];
        for (reason, change) in cases {
            let mut shape = Shape::JOB_J;
            change(&mut shape);
            assert!(shape.check().unwrap_err().to_string().contains(reason), "{reason}");
        }
    }
}
