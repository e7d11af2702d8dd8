//! Groups and matrix cells: each combination of a `group_by`'s values and a cell is one number in a shard.

use std::collections::HashMap;

use weir_model::catalog::{Charge, ChargeIdx};
use weir_model::price::{CellIdx, Price};

use crate::next_index;

/// A group's values and a cell.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Combo {
    /// In the order of the charge's `group_by`; empty if not grouped.
    pub group: Box<[Box<str>]>,
    /// Of the charge's matrix.
    pub cell: CellIdx,
}

/// Number of the combination that charges without group and matrix have.
pub const NO_COMBO: u32 = 0;
/// How many raw combinations the memo keeps before it starts again: it is a cache, not state.
const MEMO_ENTRIES_MAX: usize = 1 << 20;

/// The combinations seen by one shard.
#[derive(Debug)]
pub struct Combos {
    entries: Vec<Combo>,
    numbers: HashMap<Combo, u32>,
    /// By charge and keyed hash of the raw dimension values; `None`: the matrix has no cell.
    memo: HashMap<(ChargeIdx, u128), Option<u32>>,
}

impl Combos {
    /// Only [`NO_COMBO`].
    pub fn new() -> Combos {
        let none = Combo { group: Box::default(), cell: CellIdx::NONE };
        Combos { entries: vec![none.clone()], numbers: HashMap::from([(none, NO_COMBO)]), memo: HashMap::new() }
    }

    /// From entries as [`Combos::entries`] gave them. `None` if the first is not the empty one or one stands twice.
    pub fn from_entries(entries: Vec<Combo>) -> Option<Combos> {
        let mut combos = Combos::new();
        let (first, rest) = entries.split_first()?;
        if *first != combos.entries[0] {
            return None;
        }
        for (number, entry) in (1_u32..).zip(rest) {
            if combos.number(entry.clone()) != number {
                return None;
            }
        }
        Some(combos)
    }

    /// All combinations by number.
    pub fn entries(&self) -> &[Combo] {
        &self.entries
    }

    /// The combination behind a number.
    pub fn get(&self, number: u32) -> &Combo {
        self.entries.get(crate::at(number)).unwrap_or(&self.entries[0])
    }

    /// The number of the combination that an event has at a charge. `raw` is a keyed hash of the values that
    /// `value_of` (by text slot) gives for the charge's groups and matrix. `None`: the matrix has no cell for them.
    pub fn find<'a>(
        &mut self,
        (index, charge): (ChargeIdx, &Charge),
        raw: u128,
        value_of: impl Fn(u16) -> Option<&'a str>,
    ) -> Option<u32> {
        if let Some(known) = self.memo.get(&(index, raw)) {
            return *known;
        }
        let found = self.resolve(charge, value_of);
        if self.memo.len() >= MEMO_ENTRIES_MAX {
            self.memo.clear();
        }
        self.memo.insert((index, raw), found);
        found
    }

    fn resolve<'a>(&mut self, charge: &Charge, value_of: impl Fn(u16) -> Option<&'a str>) -> Option<u32> {
        let cell = match &charge.price {
            Price::Matrix(matrix) => {
                let values: Vec<Option<&str>> = matrix.dimensions.iter().map(|d| value_of(d.slot)).collect();
                matrix.cell(&values)?
            }
            _ => CellIdx::NONE,
        };
        // An absent dimension of a group is the empty text (design.md 4).
        let group = charge.group_by.iter().map(|d| Box::from(value_of(d.slot).unwrap_or(""))).collect();
        Some(self.number(Combo { group, cell }))
    }

    fn number(&mut self, combo: Combo) -> u32 {
        if let Some(number) = self.numbers.get(&combo) {
            return *number;
        }
        let number = next_index(self.entries.len());
        self.entries.push(combo.clone());
        self.numbers.insert(combo, number);
        number
    }
}
