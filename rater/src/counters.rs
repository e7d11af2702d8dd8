//! Counters of one shard (L3): shard state, so that they are exact through any restart.

use std::collections::BTreeMap;

use weir_model::catalog::MeterIdx;
use weir_model::hash::Digest;
use weir_model::number::Quantity;
use weir_model::verdict::{UnpricedReason, Verdict};

/// What a shard has counted so far.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counters {
    /// Events that repeat an identity with the same content.
    pub duplicate: u64,
    /// Events that repeat an identity with another content.
    pub conflict: u64,
    /// Accepted events, all of whose usages have a price.
    pub rated: u64,
    /// Accepted events with a usage that has none.
    pub unpriced: u64,
    /// Accepted events that no charge selects.
    pub unmetered: u64,
    /// Accepted events, of which a charge refused usage of a sealed period.
    pub late_refused: u64,
    /// Usages of sealed periods that charges refused.
    pub late_refused_usages: u64,
    /// Rated rows.
    pub rows: u64,
    /// Sum of the rows' hashes.
    pub rows_digest: Digest,
    /// What has no price, by reason and meter.
    pub unpriced_usage: BTreeMap<(UnpricedReason, Option<MeterIdx>), UnpricedUsage>,
}

/// Usage without a price: lost revenue.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct UnpricedUsage {
    /// Usages, or events where no meter is known.
    pub count: u64,
    /// Sum of their values at the meter's scale; `None` once it does not fit.
    pub quantity: Option<Quantity>,
}

impl Counters {
    /// Accepted events.
    pub fn accepted(&self) -> u64 {
        [self.unpriced, self.unmetered, self.late_refused].into_iter().fold(self.rated, u64::saturating_add)
    }

    /// Counts an event's verdict.
    pub(crate) fn count(&mut self, verdict: Verdict) {
        let counter = match verdict {
            Verdict::Duplicate => &mut self.duplicate,
            Verdict::Conflict => &mut self.conflict,
            Verdict::Unpriced(_) => &mut self.unpriced,
            Verdict::Rated => &mut self.rated,
            Verdict::LateRefused => &mut self.late_refused,
            Verdict::Unmetered => &mut self.unmetered,
        };
        // 2^64 events take longer than the sun has left.
        *counter = counter.saturating_add(1);
    }

    /// Counts usages that their charge refused.
    pub(crate) fn count_late_refused(&mut self, usages: u64) {
        self.late_refused_usages = self.late_refused_usages.saturating_add(usages);
    }

    /// Counts a rated row.
    pub(crate) fn count_row(&mut self, row: Digest) {
        self.rows = self.rows.saturating_add(1);
        self.rows_digest = self.rows_digest.plus(row);
    }

    /// Counts a usage without a price.
    pub(crate) fn count_unpriced(&mut self, reason: UnpricedReason, meter: Option<MeterIdx>, value: Quantity) {
        self.add_unpriced(reason, meter, (1, value));
    }

    /// Counts usages without a price, which come to a quantity together.
    pub(crate) fn add_unpriced(
        &mut self,
        reason: UnpricedReason,
        meter: Option<MeterIdx>,
        (count, value): (u64, Quantity),
    ) {
        let first = UnpricedUsage { count: 0, quantity: Some(Quantity::ZERO) };
        let usage = self.unpriced_usage.entry((reason, meter)).or_insert(first);
        usage.count = usage.count.saturating_add(count);
        usage.quantity = usage.quantity.and_then(|sum| sum.checked_add(value).ok());
    }

    /// Adds another shard's counters.
    pub fn add(&mut self, other: &Counters) {
        self.duplicate = self.duplicate.saturating_add(other.duplicate);
        self.conflict = self.conflict.saturating_add(other.conflict);
        self.rated = self.rated.saturating_add(other.rated);
        self.unpriced = self.unpriced.saturating_add(other.unpriced);
        self.unmetered = self.unmetered.saturating_add(other.unmetered);
        self.late_refused = self.late_refused.saturating_add(other.late_refused);
        self.late_refused_usages = self.late_refused_usages.saturating_add(other.late_refused_usages);
        self.rows = self.rows.saturating_add(other.rows);
        self.rows_digest = self.rows_digest.plus(other.rows_digest);
        for (key, theirs) in &other.unpriced_usage {
            let ours = self.unpriced_usage.entry(*key);
            let ours = ours.or_insert(UnpricedUsage { count: 0, quantity: Some(Quantity::ZERO) });
            ours.count = ours.count.saturating_add(theirs.count);
            let sum = ours.quantity.zip(theirs.quantity);
            ours.quantity = sum.and_then(|(a, b)| a.checked_add(b).ok());
        }
    }
}
