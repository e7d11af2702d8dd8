//! Texts as small numbers: each distinct text is kept once, and numbers count from 0 in order of first appearance.
//!
//! The hash only finds candidates; the bytes decide.

use hashbrown::{DefaultHashBuilder, HashTable};
use std::hash::BuildHasher;

/// Number of a text.
pub(crate) type TextId = u32;

/// Distinct texts.
#[derive(Default)]
pub(crate) struct Interner {
    bytes: Vec<u8>,
    /// End of each text in `bytes`; it begins where the one before ends.
    ends: Vec<usize>,
    /// Hash and number of each text.
    table: HashTable<(u64, TextId)>,
    hasher: DefaultHashBuilder,
    /// The last answer: neighbours are often equal.
    last: Option<TextId>,
}

impl Interner {
    /// The number of `text`. `None` once all 2^32 numbers are taken.
    pub(crate) fn intern(&mut self, text: &[u8]) -> Option<TextId> {
        if let Some(last) = self.last
            && self.get(last) == text
        {
            return Some(last);
        }
        let hash = self.hasher.hash_one(text);
        self.intern_hashed(hash, text)
    }

    /// Like [`Interner::intern`], with a hash at hand. One interner must always be given the same hash for a text.
    pub(crate) fn intern_hashed(&mut self, hash: u64, text: &[u8]) -> Option<TextId> {
        let Interner { bytes, ends, table, .. } = self;
        let known = table.find(hash, |&(other, id)| other == hash && text_at(bytes, ends, id) == text);
        if let Some(&(_, id)) = known {
            self.last = Some(id);
            return Some(id);
        }
        let id = TextId::try_from(ends.len()).ok()?;
        bytes.extend_from_slice(text);
        ends.push(bytes.len());
        table.insert_unique(hash, (hash, id), |&(hash, _)| hash);
        self.last = Some(id);
        Some(id)
    }

    /// The text behind a number; empty for numbers not handed out.
    pub(crate) fn get(&self, id: TextId) -> &[u8] {
        text_at(&self.bytes, &self.ends, id)
    }

    /// Number of texts.
    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    /// Memory that the texts take.
    pub(crate) fn byte_len(&self) -> usize {
        // An end and a table entry of 16 bytes each, plus the table's slack.
        self.bytes.len() + self.ends.len() * 40
    }

    /// Forgets the texts and keeps the memory.
    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
        self.table.clear();
        self.last = None;
    }
}

fn text_at<'a>(bytes: &'a [u8], ends: &[usize], id: TextId) -> &'a [u8] {
    let Ok(at) = usize::try_from(id) else { return &[] };
    let start = match at.checked_sub(1) {
        Some(before) => ends.get(before).copied(),
        None => Some(0),
    };
    match (start, ends.get(at)) {
        (Some(start), Some(&end)) => bytes.get(start..end).unwrap_or_default(),
        _ => &[],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_hashes_do_not_merge_texts() {
        let mut interner = Interner::default();
        for (text, id) in [("a", 0), ("b", 1), ("", 2), ("a", 0), ("", 2), ("b", 1), ("ab", 3)] {
            assert_eq!(interner.intern_hashed(7, text.as_bytes()), Some(id), "{text:?}");
            assert_eq!(interner.get(id), text.as_bytes());
        }
        assert_eq!((interner.len(), interner.get(4)), (4, &b""[..]));
        interner.clear();
        assert_eq!(interner.intern(b"b"), Some(0));
    }
}
