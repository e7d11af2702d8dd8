//! What the numbers of a shard's buckets stand for. A batch may open thousands of buckets, most of them of customers and
//! groups that are known: those are named once, and by number after.

use crate::catalog::ChargeIdx;
use crate::price::CellIdx;
use crate::time::{Instant, Period};

/// Buckets that a batch opened, and the names of what they refer to.
#[derive(Debug, Clone, Default)]
pub struct Openings {
    /// The buckets. Their own numbers go on, without gaps, from those opened before.
    pub buckets: Vec<BucketNumbers>,
    /// Stretches by number, each before the first bucket that refers to it.
    pub stretches: Vec<(u32, OpenedStretch)>,
    /// Combinations by number, each before the first bucket that refers to it.
    pub combos: Vec<(u32, OpenedCombo)>,
}

/// A bucket by numbers of its shard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BucketNumbers {
    /// Customer and period.
    pub stretch: u32,
    /// The charge, and through it plan, meter and price.
    pub charge: ChargeIdx,
    /// Group and cell.
    pub combo: u32,
}

/// A customer's period, or the part of it that a plan has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenedStretch {
    /// The customer's id.
    pub customer: Box<str>,
    /// The billing period.
    pub period: Period,
    /// When the part of the period begins: the period's start, unless the plan began inside.
    pub start: Instant,
}

/// A group's values and a cell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenedCombo {
    /// The group's values in the order of [`Charge::group_by`](crate::catalog::Charge); empty if not grouped.
    pub group: Box<[Box<str>]>,
    /// The cell of the price.
    pub cell: CellIdx,
}

/// A bucket in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenedBucket {
    /// The customer's id.
    pub customer: Box<str>,
    /// The charge, and through it plan, meter and price.
    pub charge: ChargeIdx,
    /// The group's values in the order of [`Charge::group_by`](crate::catalog::Charge); empty if not grouped.
    pub group: Box<[Box<str>]>,
    /// The cell of the price.
    pub cell: CellIdx,
    /// The billing period.
    pub period: Period,
    /// When the part of the period begins to which the bucket belongs: the period's start, unless the plan began inside.
    pub start: Instant,
}

impl Openings {
    /// Forgets the content and keeps the memory.
    pub fn clear(&mut self) {
        self.buckets.clear();
        self.stretches.clear();
        self.combos.clear();
    }
}

/// The names of one shard's numbers, as its outputs have told them.
#[derive(Debug, Default)]
pub struct BucketNames {
    stretches: Vec<Option<OpenedStretch>>,
    combos: Vec<Option<OpenedCombo>>,
}

impl BucketNames {
    /// The buckets in words. Panics if an output before was left out.
    pub fn describe(&mut self, opened: Openings) -> impl Iterator<Item = OpenedBucket> {
        opened.stretches.into_iter().for_each(|(number, stretch)| enter(&mut self.stretches, number, stretch));
        opened.combos.into_iter().for_each(|(number, combo)| enter(&mut self.combos, number, combo));
        opened.buckets.into_iter().map(|BucketNumbers { stretch, charge, combo }| {
            let OpenedStretch { customer, period, start } = get(&self.stretches, stretch).clone();
            let OpenedCombo { group, cell } = get(&self.combos, combo).clone();
            OpenedBucket { customer, charge, group, cell, period, start }
        })
    }
}

fn enter<T>(names: &mut Vec<Option<T>>, number: u32, name: T) {
    let at = usize::try_from(number).unwrap_or(usize::MAX);
    if names.len() <= at {
        names.resize_with(at.saturating_add(1), || None);
    }
    if let Some(slot) = names.get_mut(at) {
        *slot = Some(name);
    }
}

fn get<T>(names: &[Option<T>], number: u32) -> &T {
    let name = usize::try_from(number).ok().and_then(|at| names.get(at)?.as_ref());
    name.expect("a shard names what a bucket refers to before the bucket")
}
