//! What a job comes to, added up in integers while its lines are written.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use super::{Event, Tier};
use crate::workload::digits::decimal_text;

/// Decimals of an amount in millionths.
const MICROS_SCALE: u32 = 6;

/// What a job comes to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Answer {
    /// Lines.
    pub lines: u64,
    /// Their bytes, newlines included.
    pub bytes: u64,
    /// Events.
    pub unique: u64,
    /// Lines that repeat an event.
    pub duplicates: u64,
    /// Customers with usage.
    pub customers: u64,
    /// Pairs of customer and meter with usage.
    pub totals: u64,
    /// What all of it costs, in 10^-6 of a currency unit.
    pub amount_micros: u64,
}

impl Answer {
    /// What all of it costs, in currency units: an exact decimal.
    pub fn amount(&self) -> String {
        amount_text(self.amount_micros)
    }
}

/// 10^-6 of a currency unit as an exact decimal of currency units.
pub fn amount_text(micros: u64) -> String {
    decimal_text(micros.into(), MICROS_SCALE)
}

/// An answer in the making.
#[derive(Debug, Default)]
pub(super) struct Tally {
    unique: u64,
    bytes: u64,
    /// The quantity of each customer and meter.
    quantities: HashMap<(u32, u32), u64>,
}

impl Tally {
    /// Counts an event where it stands first.
    pub(super) fn add(&mut self, event: &Event) {
        self.add_times(event, 1);
    }

    /// Counts so many events that say the same but for their ids.
    pub(super) fn add_times(&mut self, event: &Event, times: u64) {
        self.unique += times;
        *self.quantities.entry((event.customer, event.meter)).or_default() += event.value * times;
    }

    /// Counts bytes.
    pub(super) fn bytes(&mut self, bytes: usize) {
        self.bytes += u64::try_from(bytes).unwrap_or(u64::MAX);
    }

    pub(super) fn answer(self, lines: u64, tiers: &[Tier]) -> Answer {
        let mut customers: Vec<u32> = self.quantities.keys().map(|(customer, _)| *customer).collect();
        customers.sort_unstable();
        customers.dedup();
        let count = |length: usize| u64::try_from(length).unwrap_or(u64::MAX);
        Answer {
            lines,
            bytes: self.bytes,
            unique: self.unique,
            duplicates: lines - self.unique,
            customers: count(customers.len()),
            totals: count(self.quantities.len()),
            amount_micros: self.quantities.values().map(|quantity| amount(tiers, *quantity)).sum(),
        }
    }
}

/// Each tier's units at its own price.
fn amount(tiers: &[Tier], quantity: u64) -> u64 {
    let (mut lower, mut amount) = (0, 0);
    for tier in tiers {
        let reached = tier.up_to.map_or(quantity, |up_to| quantity.min(up_to));
        amount += (reached - lower) * tier.unit_micros;
        if reached == quantity {
            break;
        }
        lower = reached;
    }
    amount
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::{Job, Shape};

    #[test]
    fn amounts_by_hand() {
        for (tiers, quantity, expected) in [
            (1, 0, 0),
            (1, 7, 3_500_000),
            (4, 100, 50_000_000),
            (4, 101, 50_300_000),
            (4, 1_000, 320_000_000),
            (4, 10_000, 2_120_000_000),
            (4, 10_001, 2_120_100_000),
            (8, 10, 10_000_000),
            (8, 11, 10_800_000),
            (8, 5_001, 1_127_125_000),
        ] {
            let job = Job::new(Shape { tiers, ..Shape::JOB_J }).unwrap();
            assert_eq!(amount(job.tiers(), quantity), expected, "{quantity} in {tiers} tiers");
        }
    }
}
