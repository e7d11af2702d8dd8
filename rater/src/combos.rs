//! Groups and cells: each combination of a `group_by`'s values and a cell of the price is one number in a shard.

use std::collections::HashMap;

use weir_model::catalog::{Charge, ChargeIdx, Dimension};
use weir_model::price::CellIdx;
use weir_model::time::Instant;

use crate::next_index;

/// A group's values and a cell.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Combo {
    /// In the order of the charge's `group_by`; empty if not grouped.
    pub group: Box<[Box<str>]>,
    /// Of the charge's price.
    pub cell: CellIdx,
}

/// What an event brings to the choice of a combination.
#[derive(Clone, Copy)]
pub struct Choice<'c, 'e> {
    /// The charge.
    pub index: ChargeIdx,
    /// Its price version.
    pub version: u32,
    /// The charge, as the catalog has it.
    pub charge: &'c Charge,
    /// Its groups, in the slots of the event's type.
    pub group_by: &'c [Dimension],
    /// The event's texts by slot.
    pub text: &'c dyn Fn(u16) -> Option<&'e str>,
    /// When it happened.
    pub time: Instant,
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
    /// By charge, version and keyed hash of the raw dimension values; `None`: the price has no cell.
    memo: HashMap<(ChargeIdx, u32, u128), Option<u32>>,
}

impl Combos {
    /// Only [`NO_COMBO`].
    pub fn new() -> Combos {
        let none = Combo { group: Box::default(), cell: CellIdx::ONLY };
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
            if combos.enter(entry.clone()) != number {
                return None;
            }
        }
        Some(combos)
    }

    /// Forgets what prices have chosen: there may be other prices now.
    pub fn forget(&mut self) {
        self.memo.clear();
    }

    /// All combinations by number.
    pub fn entries(&self) -> &[Combo] {
        &self.entries
    }

    /// The combination behind a number.
    pub fn get(&self, number: u32) -> &Combo {
        self.entries.get(crate::at(number)).unwrap_or(&self.entries[0])
    }

    /// The number of the combination that an event has at a charge. `raw` is a keyed hash of the texts that decide it.
    /// `None`: the price has no cell for them.
    pub fn find(&mut self, choice: &Choice<'_, '_>, raw: u128) -> Option<u32> {
        let key = (choice.index, choice.version, raw);
        if let Some(known) = self.memo.get(&key) {
            return *known;
        }
        let found = self.resolve(choice);
        if self.memo.len() >= MEMO_ENTRIES_MAX {
            self.memo.clear();
        }
        self.memo.insert(key, found);
        found
    }

    /// The same without a memo, for prices that look at the time.
    pub fn resolve(&mut self, choice: &Choice<'_, '_>) -> Option<u32> {
        let version = choice.charge.versions.get(crate::at(choice.version))?;
        let cell = version.price.cell(choice.text, choice.time)?;
        // An absent dimension of a group is the empty text (design.md 4).
        let group = choice.group_by.iter().map(|d| Box::from((choice.text)(d.slot).unwrap_or(""))).collect();
        Some(self.enter(Combo { group, cell }))
    }

    /// The number of a combination; it is entered if it is new.
    pub fn enter(&mut self, combo: Combo) -> u32 {
        if let Some(number) = self.numbers.get(&combo) {
            return *number;
        }
        let number = next_index(self.entries.len());
        self.entries.push(combo.clone());
        self.numbers.insert(combo, number);
        number
    }
}
