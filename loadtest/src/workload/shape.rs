//! The shape of a workload: how much of what, and where the closes stand.
//!
//! Owns: the parameters, their limits, and how the ranks 0..n are dealt out. Does not own: what a single event says.

use anyhow::{Result, ensure};

/// A thousand per mille; events are dealt out in blocks of so many.
pub(super) const MILLE: u64 = 1000;
/// So that every quantity and amount stays far inside 127 bits.
const EVENTS_MAX: u64 = 1 << 40;
/// Ten years of months.
const PERIODS_MAX: usize = 120;

/// What decides a workload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shape {
    /// Another seed, another workload.
    pub seed: u64,
    /// Events of the log, whatever becomes of them.
    pub events: u64,
    /// Customers with a plan.
    pub customers: usize,
    /// How many of them have two subjects, whose usage may come to two shards.
    pub shared: usize,
    /// Meters; their prices go round through all kinds.
    pub meters: usize,
    /// Months, from January 2026 on.
    pub periods: usize,
    /// What becomes of how many events.
    pub shares: Shares,
    /// Closes inside the log, in its order.
    pub closes: Vec<Close>,
}

/// Per mille of events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Shares {
    /// Of all events: an identity repeated with the same content.
    pub duplicate: u64,
    /// Of all events: an identity repeated with another content.
    pub conflict: u64,
    /// Of all events: no valid event.
    pub bad: u64,
    /// Of the other events: of a type that nobody meters.
    pub unmetered: u64,
    /// Of the other events: of a customer without a plan.
    pub unpriced: u64,
    /// Of the other events behind a close: of a period that the close has sealed.
    pub late: u64,
}

/// A close inside the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Close {
    /// The first event behind it.
    pub before: u64,
    /// How many periods it seals, from the first.
    pub periods: usize,
}

impl Default for Shape {
    /// 200,000 events that a debug build rates in seconds, some of every kind but late ones.
    fn default() -> Shape {
        Shape {
            seed: 1,
            events: 200_000,
            customers: 500,
            shared: 20,
            meters: 7,
            periods: 3,
            shares: Shares { duplicate: 40, conflict: 10, bad: 5, unmetered: 10, unpriced: 5, late: 0 },
            closes: Vec::new(),
        }
    }
}

impl Shape {
    /// The same with a close of each period but the last, evenly spread, and `late` per mille of late events behind them.
    #[must_use]
    pub fn with_closes(mut self, late: u64) -> Shape {
        let spread = |periods: usize| self.events / to_u64(self.periods) * to_u64(periods);
        self.closes = (1..self.periods).map(|periods| Close { before: spread(periods), periods }).collect();
        self.shares.late = late;
        self
    }

    /// What no workload can be.
    pub(super) fn check(&self) -> Result<()> {
        let Shares { duplicate, conflict, bad, unmetered, unpriced, late } = self.shares;
        ensure!((1..=EVENTS_MAX).contains(&self.events), "a workload has 1 to {EVENTS_MAX} events");
        ensure!(self.customers > 0 && self.meters > 0, "a workload needs customers and meters");
        ensure!(self.shared <= self.customers, "there are more shared customers than customers");
        ensure!((1..=PERIODS_MAX).contains(&self.periods), "a workload has 1 to {PERIODS_MAX} periods");
        ensure!([duplicate, conflict, bad, unmetered, unpriced, late].iter().all(|share| *share <= MILLE), "per mille");
        ensure!(duplicate + conflict + bad < MILLE, "nothing is left for first copies");
        ensure!(unmetered + unpriced + late <= MILLE, "unmetered, unpriced and late events exclude one another");
        ensure!(late == 0 || !self.closes.is_empty(), "without a close no event is late");
        let ascending = |pair: &[Close]| pair[0].before < pair[1].before && pair[0].periods < pair[1].periods;
        ensure!(self.closes.windows(2).all(ascending), "a close comes behind the one before and seals more");
        let inside = |close: &Close| (1..self.periods).contains(&close.periods) && close.before < self.events;
        ensure!(self.closes.iter().all(inside), "a close seals a period, leaves one open, and has events behind it");
        Ok(())
    }

    /// Periods that are sealed where the event stands.
    #[inline]
    pub(super) fn sealed_at(&self, event: u64) -> usize {
        self.closes.iter().rev().find(|close| close.before <= event).map_or(0, |close| close.periods)
    }
}

/// How many ranks of each class there are: originals first, then duplicates, conflicts and bad events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ranks {
    /// Identities; each has exactly one first copy.
    pub originals: u64,
    /// Identities repeated with the same content.
    pub duplicates: u64,
    /// Identities repeated with another content.
    pub conflicts: u64,
    /// No valid events.
    pub bad: u64,
}

impl Ranks {
    pub(super) fn of(shape: &Shape) -> Ranks {
        // Halves, so that the product fits whatever the number of events.
        let share = |share: u64| shape.events / MILLE * share + shape.events % MILLE * share / MILLE;
        let [duplicates, conflicts, bad] = [shape.shares.duplicate, shape.shares.conflict, shape.shares.bad].map(share);
        Ranks { originals: shape.events - duplicates - conflicts - bad, duplicates, conflicts, bad }
    }

    /// Ranks that repeat an identity.
    pub(super) fn repeats(&self) -> u64 {
        self.duplicates + self.conflicts
    }
}

/// A small count, as what events are counted in.
pub(super) fn to_u64(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    type Change = fn(&mut Shape);

    #[test]
    fn impossible_shapes_are_refused() {
        let close = |before, periods| Close { before, periods };
        let good = || Shape::default().with_closes(20);
        assert!(good().check().is_ok());
        let cases: [(&str, Change); 9] = [
            ("has 1 to", |shape| shape.events = 0),
            ("needs customers", |shape| shape.customers = 0),
            ("more shared", |shape| shape.shared = 501),
            ("periods", |shape| shape.periods = 121),
            ("nothing is left", |shape| shape.shares.duplicate = 990),
            ("exclude one another", |shape| shape.shares.unmetered = 990),
            ("without a close", |shape| shape.closes.clear()),
            ("seals more", |shape| shape.closes.reverse()),
            ("leaves one open", |shape| shape.closes[1].periods = 3),
        ];
        for (reason, change) in cases {
            let mut shape = good();
            change(&mut shape);
            let refused = shape.check().unwrap_err().to_string();
            assert!(refused.contains(reason), "{reason}: {refused}");
        }
        assert_eq!(good().closes, [close(66_666, 1), close(133_332, 2)]);
    }

    #[test]
    fn closes_seal_what_lies_before_them() {
        let shape = Shape::default().with_closes(20);
        let sealed = [0, 66_665, 66_666, 133_331, 133_332, 199_999].map(|event| shape.sealed_at(event));
        assert_eq!(sealed, [0, 0, 1, 1, 2, 2]);
    }

    #[test]
    fn every_event_has_a_rank() {
        let ranks = Ranks::of(&Shape::default());
        assert_eq!(ranks, Ranks { originals: 189_000, duplicates: 8_000, conflicts: 2_000, bad: 1_000 });
    }
}
