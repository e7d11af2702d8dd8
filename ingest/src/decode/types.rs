//! Event types by name, found once per event.

use weir_model::catalog::TypeIdx;

use crate::json::first_word;

/// An open table, an eighth full at most. The catalog is trusted, so a weak hash does.
#[derive(Debug)]
pub(super) struct TypeTable {
    places: Vec<Place>,
    mask: usize,
    multiplier: u64,
    names: Vec<Box<[u8]>>,
}

/// A name in brief: its first and last eight bytes are all of it, up to sixteen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Ends {
    first: u64,
    last: u64,
    len: usize,
}

#[derive(Debug, Clone, Copy)]
struct Place {
    ends: Ends,
    event_type: TypeIdx,
}

impl Ends {
    #[inline(always)]
    fn of(name: &[u8]) -> Ends {
        let len = name.len();
        let last = if len > 8 { first_word(name, len - 8, 8) } else { 0 };
        Ends { first: first_word(name, 0, len), last, len }
    }
}

impl TypeTable {
    /// Multipliers tried for a table in which every name stands at its first place.
    const ATTEMPTS: u64 = 64;

    /// The types with these names, by position.
    pub(super) fn new(names: Vec<Box<[u8]>>) -> TypeTable {
        let attempts = (0..TypeTable::ATTEMPTS).map(|attempt| TypeTable::places(&names, attempt));
        let best = attempts.min_by_key(|(displaced, _)| *displaced);
        let (_, mut table) = best.unwrap_or_else(|| TypeTable::places(&names, 0));
        table.names = names;
        table
    }

    /// A table without its names, and how often a name found a place taken.
    fn places(names: &[Box<[u8]>], attempt: u64) -> (usize, TypeTable) {
        let size = (names.len() * 8).next_power_of_two().max(8);
        let free = Place { ends: Ends::of(b""), event_type: TypeIdx::UNKNOWN };
        let multiplier = 0x9E37_79B9_7F4A_7C15_u64.wrapping_add(attempt * 2);
        let mut table = TypeTable { places: vec![free; size], mask: size - 1, multiplier, names: Vec::new() };
        let mut displaced = 0;
        for (at, name) in (0_u32..).zip(names) {
            let ends = Ends::of(name);
            let mut place = table.first_place(ends);
            while table.places[place].event_type != TypeIdx::UNKNOWN {
                place = (place + 1) & table.mask;
                displaced += 1;
            }
            table.places[place] = Place { ends, event_type: TypeIdx(at) };
        }
        (displaced, table)
    }

    #[inline(always)]
    fn first_place(&self, ends: Ends) -> usize {
        let mixed =
            (ends.first ^ ends.last.rotate_left(29)).wrapping_add(ends.len as u64).wrapping_mul(self.multiplier);
        // The upper half of the product depends on all bytes; the mask takes what is beyond any table.
        #[allow(clippy::cast_possible_truncation)]
        let place = (mixed >> 32) as usize;
        place & self.mask
    }

    /// The type with this name; [`TypeIdx::UNKNOWN`] if the catalog has none.
    #[inline(always)]
    pub(super) fn find(&self, name: &[u8]) -> TypeIdx {
        let ends = Ends::of(name);
        let mut place = self.first_place(ends);
        // Most of the table is free, so the search ends.
        while let Some(found) = self.places.get(place).filter(|found| found.event_type != TypeIdx::UNKNOWN) {
            if found.ends == ends && (ends.len <= 16 || self.is_named(found.event_type, name)) {
                return found.event_type;
            }
            place = (place + 1) & self.mask;
        }
        TypeIdx::UNKNOWN
    }

    #[inline(never)]
    fn is_named(&self, event_type: TypeIdx, name: &[u8]) -> bool {
        self.names.get(event_type.at()).is_some_and(|known| **known == *name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_found_by_their_whole_name() {
        for count in [0, 1, 20, 500] {
            for prefix in ["", "t", "meter.m", "com.example.product.events/"] {
                let name = |i: u32| format!("{prefix}{i}/x").into_bytes();
                let table = TypeTable::new((0..count).map(|i| name(i).into()).collect());
                for i in 0..count + 10 {
                    let expected = if i < count { TypeIdx(i) } else { TypeIdx::UNKNOWN };
                    assert_eq!(table.find(&name(i)), expected, "{prefix}{i} of {count}");
                }
                assert_eq!(table.find(b""), TypeIdx::UNKNOWN);
            }
        }
        // The middle decides where both ends are equal.
        let table = TypeTable::new(vec![(*b"12345678-a-12345678").into(), (*b"12345678-b-12345678").into()]);
        assert_eq!(table.find(b"12345678-b-12345678"), TypeIdx(1));
        assert_eq!(table.find(b"12345678-c-12345678"), TypeIdx::UNKNOWN);
    }
}
