//! Texts as small numbers: each distinct text is kept once, and numbers count from 0 in order of first appearance.

use std::hash::BuildHasher;

use hashbrown::{DefaultHashBuilder, HashTable};

/// Number of a text.
pub(crate) type TextId = u32;

/// Distinct texts.
#[derive(Default)]
pub(crate) struct Interner {
    texts: Texts,
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
            && self.texts.get(last) == text
        {
            return Some(last);
        }
        let hash = self.hasher.hash_one(text);
        let Interner { texts, table, .. } = self;
        let id = match table.find(hash, |&(other, id)| other == hash && texts.get(id) == text) {
            Some(&(_, id)) => id,
            None => {
                let id = texts.push(text)?;
                table.insert_unique(hash, (hash, id), |&(hash, _)| hash);
                id
            }
        };
        self.last = Some(id);
        Some(id)
    }

    /// The texts by number.
    pub(crate) fn texts(&self) -> &Texts {
        &self.texts
    }

    /// Forgets the texts and keeps the memory.
    pub(crate) fn clear(&mut self) {
        self.texts.clear();
        self.table.clear();
        self.last = None;
    }
}

/// Distinct texts that come with a keyed 128-bit hash, which stands for the text here as it does in the shards.
#[derive(Default)]
pub(crate) struct HashInterner {
    texts: Texts,
    table: HashTable<(u128, TextId)>,
}

impl HashInterner {
    /// The number of the text with this hash. `None` once all 2^32 numbers are taken.
    pub(crate) fn intern(&mut self, hash: u128, text: &[u8]) -> Option<TextId> {
        if let Some(&(_, id)) = self.table.find(low_half(hash), |&(other, _)| other == hash) {
            return Some(id);
        }
        let id = self.texts.push(text)?;
        self.table.insert_unique(low_half(hash), (hash, id), |&(hash, _)| low_half(hash));
        Some(id)
    }

    /// The texts by number.
    pub(crate) fn texts(&self) -> &Texts {
        &self.texts
    }

    /// Forgets the texts and keeps the memory.
    pub(crate) fn clear(&mut self) {
        self.texts.clear();
        self.table.clear();
    }
}

fn low_half(hash: u128) -> u64 {
    let [a, b, c, d, e, f, g, h, ..] = hash.to_le_bytes();
    u64::from_le_bytes([a, b, c, d, e, f, g, h])
}

/// Texts one after the other.
#[derive(Default)]
pub(crate) struct Texts {
    bytes: Vec<u8>,
    /// End of each text in `bytes`; it begins where the one before ends.
    ends: Vec<usize>,
}

impl Texts {
    /// The text behind a number; empty for numbers not handed out.
    pub(crate) fn get(&self, id: TextId) -> &[u8] {
        let Ok(at) = usize::try_from(id) else { return &[] };
        let start = match at.checked_sub(1) {
            Some(before) => self.ends.get(before).copied(),
            None => Some(0),
        };
        match (start, self.ends.get(at)) {
            (Some(start), Some(&end)) => self.bytes.get(start..end).unwrap_or_default(),
            _ => &[],
        }
    }

    /// Number of texts.
    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    /// Memory that the texts take.
    pub(crate) fn byte_len(&self) -> usize {
        // An end and a table entry of at most 32 bytes each, plus the table's slack.
        self.bytes.len() + self.ends.len() * 56
    }

    fn push(&mut self, text: &[u8]) -> Option<TextId> {
        let id = TextId::try_from(self.ends.len()).ok()?;
        self.bytes.extend_from_slice(text);
        self.ends.push(self.bytes.len());
        Some(id)
    }

    fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_text_has_one_number() {
        let mut interner = Interner::default();
        for (text, id) in [("a", 0), ("b", 1), ("", 2), ("a", 0), ("", 2), ("b", 1), ("ab", 3)] {
            assert_eq!(interner.intern(text.as_bytes()), Some(id), "{text:?}");
            assert_eq!(interner.texts().get(id), text.as_bytes());
        }
        assert_eq!((interner.texts().len(), interner.texts().get(4)), (4, &b""[..]));
        interner.clear();
        assert_eq!(interner.intern(b"b"), Some(0));
    }

    #[test]
    fn hashes_that_share_their_lower_half_are_two_texts() {
        let mut interner = HashInterner::default();
        for (hash, text, id) in [(7, "a", 0), (7 | 1 << 64, "b", 1), (7, "a", 0), (8, "", 2)] {
            assert_eq!(interner.intern(hash, text.as_bytes()), Some(id));
            assert_eq!(interner.texts().get(id), text.as_bytes());
        }
    }
}
