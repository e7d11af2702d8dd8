//! Usage added up before it comes to its buckets: one sum for whatever shares a bucket.
//!
//! Owns: sums by the numbers that callers give to stretches and lanes; a stretch is a customer's part of a period, a lane is a charge
//! with one choice of group and cell. Does not own: what the numbers mean. Keeps L5.
//!
//! Lanes that are few stand side by side, 16 bytes each, in a row for each stretch: the less memory is jumped about in, the
//! fewer of its pages' addresses have to be looked up. All others are found by hash.
#![expect(clippy::arithmetic_side_effects, reason = "positions in rows; quantities are checked")]

mod sparse;

use sparse::SparseSums;
use weir_model::number::{Overflow, Quantity};

use crate::at;
use crate::prefetch::prefetch;

/// Where some usage belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SumKey {
    /// Number of the stretch; below `u32::MAX`.
    pub stretch: u32,
    /// Number of the lane.
    pub lane: u32,
}

/// What some usages came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sum {
    /// Their values together.
    pub quantity: Quantity,
    /// How many they are.
    pub events: u64,
}

/// A sum in a row.
#[derive(Debug, Clone, Copy, Default)]
struct Cell {
    quantity: i64,
    events: u64,
}

/// Lanes of a row at most.
const WIDTH_MAX: usize = 64;
/// By how many lanes rows grow: a cache line.
const WIDTH_STEP: usize = 4;
/// Cells at most: 256 MiB.
const CELLS_MAX: usize = 1 << 24;

/// Sums by key.
#[derive(Debug, Default)]
pub struct Sums {
    cells: Vec<Cell>,
    /// Cells of a row.
    width: usize,
    /// How many cells have a sum.
    taken: usize,
    sparse: SparseSums,
}

impl Sums {
    /// Number of sums; one that does not fit its cell counts twice.
    pub fn len(&self) -> usize {
        self.taken + self.sparse.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Adds usages, one event each: a few hundred at a time. On overflow some are added.
    pub fn add(&mut self, usages: &[(SumKey, Quantity)]) -> Result<(), Overflow> {
        let widest = usages.iter().map(|(key, _)| at(key.lane)).filter(|lane| *lane < WIDTH_MAX).max();
        if let Some(lane) = widest.filter(|lane| *lane >= self.width) {
            self.widen((lane + 1).next_multiple_of(WIDTH_STEP));
        }
        // Little is done for each: only many misses under way at once hide what each takes.
        usages.iter().for_each(|(key, _)| prefetch(&self.cells, self.place(*key)));
        usages.iter().try_for_each(|(key, value)| self.add_one(*key, *value))
    }

    /// Calls `visit` for the sums of every stretch, those beyond their rows last, and forgets them; the memory is kept.
    pub fn drain<E>(&mut self, mut visit: impl FnMut(u32, &[(u32, Sum)]) -> Result<(), E>) -> Result<(), E> {
        let mut sums = Vec::new();
        for (stretch, row) in (0..).zip(self.cells.chunks(self.width.max(1))) {
            sums.clear();
            let taken = (0..).zip(row).filter(|(_, cell)| cell.events > 0);
            sums.extend(taken.map(|(lane, cell)| (lane, cell.sum())));
            if !sums.is_empty() {
                visit(stretch, &sums)?;
            }
        }
        self.cells.fill(Cell::default());
        self.taken = 0;
        self.sparse.drain(visit)
    }

    #[inline]
    fn add_one(&mut self, key: SumKey, value: Quantity) -> Result<(), Overflow> {
        let place = self.place(key);
        let scaled = i64::try_from(value.scaled());
        if let (Ok(scaled), Some(cell)) = (scaled, self.cells.get_mut(place))
            && let Some(quantity) = cell.quantity.checked_add(scaled)
        {
            self.taken += usize::from(cell.events == 0);
            *cell = Cell { quantity, events: cell.events + 1 };
            return Ok(());
        }
        self.add_beyond(key, value)
    }

    /// Adds what has no cell yet, or does not fit into it.
    #[cold]
    fn add_beyond(&mut self, key: SumKey, value: Quantity) -> Result<(), Overflow> {
        let (row, lane) = (at(key.stretch), at(key.lane));
        let end = row.saturating_add(1).saturating_mul(self.width);
        if lane < self.width && end <= CELLS_MAX && end > self.cells.len() {
            self.cells.resize(end, Cell::default());
            return self.add_one(key, value);
        }
        self.sparse.add(key, Sum { quantity: value, events: 1 })
    }

    /// Where a sum's cell is or would be; beyond all cells if it has none.
    #[inline]
    fn place(&self, key: SumKey) -> usize {
        let (row, lane) = (at(key.stretch), at(key.lane));
        if lane < self.width { row.saturating_mul(self.width).saturating_add(lane) } else { usize::MAX }
    }

    /// Gives rows more cells.
    #[cold]
    fn widen(&mut self, width: usize) {
        let rows = self.cells.len().checked_div(self.width).unwrap_or(0);
        let mut cells = vec![Cell::default(); rows * width];
        for (wide, row) in cells.chunks_mut(width).zip(self.cells.chunks(self.width.max(1))) {
            wide.iter_mut().zip(row).for_each(|(wide, cell)| *wide = *cell);
        }
        (self.cells, self.width) = (cells, width);
    }
}

impl Cell {
    fn sum(self) -> Sum {
        Sum { quantity: Quantity::from_scaled(i128::from(self.quantity)), events: self.events }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Against a map, with rows that grow, lanes beyond them, and sums beyond 64 bits; used again after it was drained.
        #[test]
        fn adds_up(
            usages in proptest::collection::vec((0_u32..300, prop_oneof![0_u32..20, 0_u32..200], prop_oneof![0_i128..1000, 1_i128 << 60..1 << 66]), 0..2000),
            piece in 1_usize..500,
        ) {
            let mut sums = Sums::default();
            for _ in 0..2 {
                let mut expected: BTreeMap<SumKey, (i128, u64)> = BTreeMap::new();
                let usages: Vec<(SumKey, Quantity)> = usages
                    .iter()
                    .map(|(stretch, lane, value)| (SumKey { stretch: *stretch, lane: *lane }, Quantity::from_scaled(*value)))
                    .collect();
                for (key, value) in &usages {
                    let entry = expected.entry(*key).or_default();
                    *entry = (entry.0 + value.scaled(), entry.1 + 1);
                }
                usages.chunks(piece).for_each(|piece| sums.add(piece).unwrap());
                prop_assert!(sums.len() >= expected.len());
                let mut found: BTreeMap<SumKey, (i128, u64)> = BTreeMap::new();
                sums.drain(|stretch, sums| {
                    assert!(!sums.is_empty());
                    for (lane, sum) in sums {
                        let entry = found.entry(SumKey { stretch, lane: *lane }).or_default();
                        *entry = (entry.0 + sum.quantity.scaled(), entry.1 + sum.events);
                    }
                    Ok::<_, Overflow>(())
                }).unwrap();
                prop_assert_eq!(found, expected);
                prop_assert!(sums.is_empty());
            }
        }
    }

    #[test]
    fn what_does_not_fit_is_an_overflow() {
        let key = SumKey { stretch: 0, lane: 0 };
        let half = Quantity::from_scaled(weir_model::number::QUANTITY_LIMIT / 2);
        let mut sums = Sums::default();
        assert_eq!(sums.add(&[(key, half)]), Ok(()));
        assert_eq!(sums.add(&[(key, half)]), Err(Overflow));
    }
}
