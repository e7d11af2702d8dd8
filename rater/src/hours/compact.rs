//! Counts by customer in few bytes: one or two for most numbers, and none for those that are zero.
//!
//! For each row, ascending: its distance from the row before, a byte that says which counts are not zero, and those. Numbers are LEB128.

use weir_model::verdict::VerdictCounts;

use crate::at;

/// The counts of rows, ascending.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Compact(Box<[u8]>);

/// The counts of one row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    pub row: u32,
    pub counts: VerdictCounts,
}

impl FromIterator<Entry> for Compact {
    fn from_iter<I: IntoIterator<Item = Entry>>(entries: I) -> Compact {
        let (mut bytes, mut next) = (Vec::new(), 0_u32);
        for Entry { row, counts } in entries {
            push(&mut bytes, u64::from(row.saturating_sub(next)));
            next = row.saturating_add(1);
            let counts = counts.to_array();
            let which = counts.iter().rev().fold(0, |which, count| which << 1 | u8::from(*count > 0));
            bytes.push(which);
            counts.into_iter().filter(|count| *count > 0).for_each(|count| push(&mut bytes, count));
        }
        Compact(bytes.into_boxed_slice())
    }
}

impl Compact {
    pub fn from_bytes(bytes: &[u8]) -> Compact {
        Compact(bytes.into())
    }

    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// The rows, to the first that is none.
    pub fn entries(&self) -> impl Iterator<Item = Entry> {
        let (mut rest, mut next) = (&*self.0, 0);
        std::iter::from_fn(move || take_entry(&mut rest, &mut next))
    }

    /// The sum of all, if they are what would be written for a shard with so many customers.
    pub fn check(&self, customers: usize) -> Option<VerdictCounts> {
        let again: Compact = self.entries().collect();
        let mut rows = self.entries();
        let total = rows.try_fold(VerdictCounts::default(), |sum, entry| {
            sum.checked_add(entry.counts).filter(|_| at(entry.row) <= customers)
        })?;
        (again == *self).then_some(total)
    }
}

fn take_entry(rest: &mut &[u8], next: &mut u32) -> Option<Entry> {
    let row = u32::try_from(take(rest)?).ok()?.checked_add(*next)?;
    *next = row.checked_add(1)?;
    let (which, tail) = rest.split_first()?;
    *rest = tail;
    let mut counts = [0; 6];
    for (bit, count) in counts.iter_mut().enumerate() {
        if which >> bit & 1 == 1 {
            *count = take(rest)?;
        }
    }
    Some(Entry { row, counts: VerdictCounts::from_array(counts) })
}

fn push(bytes: &mut Vec<u8>, mut number: u64) {
    loop {
        let [low, ..] = number.to_le_bytes();
        number >>= 7;
        if number == 0 {
            bytes.push(low);
            return;
        }
        bytes.push(low | 0x80);
    }
}

fn take(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        number |= u64::from(byte & 0x7F) << shift;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(row: u32, counts: [u64; 6]) -> Entry {
        Entry { row, counts: VerdictCounts::from_array(counts) }
    }

    #[test]
    fn few_bytes_say_much() {
        let entries = [entry(0, [0, 0, 0, 0, 3, 0]), entry(1, [1, 0, 0, 0, 127, 0]), entry(130, [0, 0, 0, 0, 128, 0])];
        let compact: Compact = entries.into_iter().collect();
        assert_eq!(compact.bytes(), [0, 16, 3, 0, 17, 1, 127, 128, 1, 16, 128, 1]);
        assert_eq!(compact.check(130), Some(VerdictCounts::from_array([1, 0, 0, 0, 258, 0])));
        assert_eq!(compact.check(129), None);
    }

    #[test]
    fn what_no_shard_writes_is_refused() {
        let refused: [&[u8]; 6] = [
            &[0],
            &[0, 16],
            &[0, 16, 128, 0],
            &[0, 16, 0],
            &[0, 64, 1],
            &[0, 16, 255, 255, 255, 255, 255, 255, 255, 255, 255, 1, 0, 16, 1],
        ];
        for bytes in refused {
            assert_eq!(Compact::from_bytes(bytes).check(100), None, "{bytes:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn comes_back(
            rows in proptest::collection::btree_map(0..u32::MAX - 1, proptest::array::uniform6(0..u64::MAX >> 8), 0..40),
        ) {
            let entries: Vec<Entry> = rows.into_iter().map(|(row, counts)| entry(row, counts)).collect();
            let compact: Compact = entries.iter().copied().collect();
            proptest::prop_assert_eq!(compact.entries().collect::<Vec<_>>(), entries);
            proptest::prop_assert!(compact.check(at(u32::MAX)).is_some());
        }

        /// Whatever is accepted is written the same.
        #[test]
        fn any_bytes_are_read(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..40)) {
            let compact = Compact::from_bytes(&bytes);
            compact.check(1000);
        }
    }
}
