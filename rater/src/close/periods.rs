//! All periods of a close in one order, so that several threads can visit parts of them.

use std::ops::Range;

use weir_model::rated::CustomerPeriod;

use super::totals::{ShardPeriods, TermsCache};
use super::{Key, key_of};
use crate::{at, next_index};

/// Every customer's every period, ordered by (period end, customer, period start).
#[derive(Debug)]
pub struct Periods<'c> {
    lists: Vec<ShardPeriods<'c>>,
    merged: &'c [CustomerPeriod],
    order: Vec<Source>,
}

/// Where a period comes from.
#[derive(Debug, Clone, Copy)]
enum Source {
    /// A list and the position in it.
    Own(u32, u32),
    Merged(u32),
}

impl<'c> Periods<'c> {
    pub(super) fn new(lists: Vec<ShardPeriods<'c>>, merged: &'c [CustomerPeriod]) -> Periods<'c> {
        let own = (0..).zip(&lists).flat_map(|(number, list)| {
            (0..next_index(list.len())).map(move |position| (list.key(position), Source::Own(number, position)))
        });
        let whole = (0..).zip(merged).map(|(number, period)| (Some(key_of(period)), Source::Merged(number)));
        let mut keyed: Vec<(Option<Key<'_>>, Source)> = own.chain(whole).collect();
        // The lists are in order: a stable sort merges them.
        keyed.sort_by_key(|(key, _)| *key);
        let order = keyed.into_iter().map(|(_, source)| source).collect();
        Periods { lists, merged, order }
    }

    /// Number of periods.
    pub fn len(&self) -> usize {
        self.order.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.order.is_empty()
    }

    /// Visits those in `range`, one at a time; what lies beyond the end is passed over.
    pub fn visit<E>(
        &self,
        range: Range<usize>,
        mut visit: impl FnMut(&CustomerPeriod) -> Result<(), E>,
    ) -> Result<(), E> {
        let (mut terms, mut current) = (TermsCache::default(), CustomerPeriod::empty());
        let sources = self.order.get(range.start..range.end.min(self.order.len())).unwrap_or_default();
        let mut ahead = sources.iter().skip(1);
        for source in sources {
            if let Some(Source::Own(list, position)) = ahead.next()
                && let Some(list) = self.lists.get(at(*list))
            {
                list.prefetch(*position);
            }
            match *source {
                Source::Own(list, position) => {
                    let list = self.lists.get(at(list)).expect("the order is made of these lists");
                    list.fill(position, &mut current, &mut terms);
                    visit(&current)?;
                }
                Source::Merged(number) => visit(self.merged.get(at(number)).expect("the order is made of these"))?,
            }
        }
        Ok(())
    }
}
