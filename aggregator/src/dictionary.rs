//! Distinct values as keys: they count from 0 in order of first appearance, so that they are a function of the rows alone.

use std::hash::{BuildHasher, Hash};

use hashbrown::{DefaultHashBuilder, HashTable};

/// Stands for no value among keys.
pub(crate) const NO_KEY: u32 = u32::MAX;

/// Distinct values of one type.
pub(crate) struct Dictionary<T> {
    values: Vec<T>,
    table: HashTable<u32>,
    hasher: DefaultHashBuilder,
}

impl<T> Default for Dictionary<T> {
    fn default() -> Dictionary<T> {
        Dictionary { values: Vec::new(), table: HashTable::new(), hasher: DefaultHashBuilder::default() }
    }
}

impl<T: Copy + Eq + Hash> Dictionary<T> {
    /// The key of a value; `on_new` sees the value if it is new.
    pub(crate) fn key(&mut self, value: T, on_new: impl FnOnce(T)) -> u32 {
        let Dictionary { values, table, hasher } = self;
        let hash = hasher.hash_one(value);
        if let Some(&key) = table.find(hash, |&key| values[at(key)] == value) {
            return key;
        }
        let key = len_of(values);
        values.push(value);
        table.insert_unique(hash, key, |&key| hasher.hash_one(values[at(key)]));
        on_new(value);
        key
    }

    /// The distinct values by key.
    pub(crate) fn values(&self) -> &[T] {
        &self.values
    }

    /// Forgets the values and keeps the memory.
    pub(crate) fn clear(&mut self) {
        self.values.clear();
        self.table.clear();
    }
}

/// Distinct numbers of something that is counted from 0, by direct look-up.
#[derive(Default)]
pub(crate) struct NumberDictionary {
    numbers: Vec<u32>,
    /// By number.
    keys: Vec<u32>,
}

impl NumberDictionary {
    /// The key of a number; `on_new` sees the number if it is new.
    pub(crate) fn key(&mut self, number: u32, on_new: impl FnOnce(u32)) -> u32 {
        match self.keys.get(at(number)) {
            Some(&key) if key != NO_KEY => key,
            _ => {
                on_new(number);
                self.enter(number)
            }
        }
    }

    /// Appends the keys of numbers; `on_new` sees the new ones.
    pub(crate) fn extend(
        &mut self,
        keys: &mut Vec<u32>,
        numbers: impl Iterator<Item = u32> + Clone,
        mut on_new: impl FnMut(u32),
    ) {
        let start = keys.len();
        // All look-ups at once: none waits for another.
        keys.extend(numbers.clone().map(|number| self.keys.get(at(number)).copied().unwrap_or(NO_KEY)));
        for (key, number) in keys[start..].iter_mut().zip(numbers).filter(|(key, _)| **key == NO_KEY) {
            *key = self.key(number, &mut on_new);
        }
    }

    #[cold]
    fn enter(&mut self, number: u32) -> u32 {
        let key = len_of(&self.numbers);
        self.numbers.push(number);
        if self.keys.len() <= at(number) {
            self.keys.resize(at(number) + 1, NO_KEY);
        }
        self.keys[at(number)] = key;
        key
    }

    /// The distinct numbers by key.
    pub(crate) fn numbers(&self) -> &[u32] {
        &self.numbers
    }

    /// Forgets the numbers and keeps the memory.
    pub(crate) fn clear(&mut self) {
        self.numbers.drain(..).for_each(|number| self.keys[at(number)] = NO_KEY);
    }
}

/// Distinct texts, one after another as Parquet has them: the length in 4 bytes, then the text.
#[derive(Default)]
pub(crate) struct TextDictionary {
    plain: Vec<u8>,
    /// Where each text begins in `plain`, without its length.
    starts: Vec<usize>,
    table: HashTable<u32>,
    hasher: DefaultHashBuilder,
}

impl TextDictionary {
    /// The key of a text, and whether it is new.
    pub(crate) fn key(&mut self, text: &[u8]) -> (u32, Novelty) {
        let hash = self.hasher.hash_one(text);
        if let Some(&key) = self.table.find(hash, |&key| self.get(key) == text) {
            return (key, Novelty::Known);
        }
        let key = self.len();
        push_text(&mut self.plain, text);
        self.starts.push(self.plain.len() - text.len());
        let TextDictionary { plain, starts, table, hasher, .. } = self;
        table.insert_unique(hash, key, |&key| hasher.hash_one(text_at(plain, starts[at(key)])));
        (key, Novelty::New)
    }

    /// The text of a key.
    #[inline]
    pub(crate) fn get(&self, key: u32) -> &[u8] {
        text_at(&self.plain, self.starts[at(key)])
    }

    /// The text of a key that may be [`NO_KEY`].
    pub(crate) fn find(&self, key: u32) -> Option<&[u8]> {
        (key != NO_KEY).then(|| self.get(key))
    }

    /// Number of texts.
    pub(crate) fn len(&self) -> u32 {
        len_of(&self.starts)
    }

    /// All texts as Parquet has them.
    pub(crate) fn plain(&self) -> &[u8] {
        &self.plain
    }

    /// Forgets the texts and keeps the memory.
    pub(crate) fn clear(&mut self) {
        self.plain.clear();
        self.starts.clear();
        self.table.clear();
    }
}

/// Whether a text was there before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Novelty {
    Known,
    New,
}

/// How many there are.
pub(crate) fn len_of<T>(values: &[T]) -> u32 {
    u32::try_from(values.len()).expect("2^32 distinct values or rows do not fit into memory")
}

/// Appends a text as Parquet has it.
pub(crate) fn push_text(out: &mut Vec<u8>, text: &[u8]) {
    let len = u32::try_from(text.len()).unwrap_or(u32::MAX);
    out.extend_from_slice(&len.to_le_bytes());
    out.extend_from_slice(text);
}

/// The texts that were appended.
pub(crate) fn texts_of(plain: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = plain;
    std::iter::from_fn(move || {
        let (len, after) = rest.split_first_chunk::<4>()?;
        let (text, next) = after.split_at_checked(at(u32::from_le_bytes(*len)))?;
        rest = next;
        Some(text)
    })
}

#[inline]
fn text_at(plain: &[u8], start: usize) -> &[u8] {
    let mut len = [0; 4];
    len.copy_from_slice(&plain[start - 4..start]);
    &plain[start..start + at(u32::from_le_bytes(len))]
}

/// As an index. u32 fits usize on every platform Weir runs on.
pub(crate) fn at(index: u32) -> usize {
    usize::try_from(index).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_value_has_one_key() {
        let (mut dictionary, mut new) = (Dictionary::default(), Vec::new());
        let keys = [7_u128, 7 | 1 << 64, 7, 8].map(|value| dictionary.key(value, |value| new.push(value)));
        assert_eq!((keys, dictionary.values()), ([0, 1, 0, 2], &[7, 7 | 1 << 64, 8][..]));
        assert_eq!(new, dictionary.values());
        dictionary.clear();
        assert_eq!(dictionary.key(8, |_| ()), 0);
    }

    #[test]
    fn each_number_has_one_key() {
        let mut dictionary = NumberDictionary::default();
        let key = |dictionary: &mut NumberDictionary, number| {
            let mut is_new = false;
            (dictionary.key(number, |_| is_new = true), is_new)
        };
        assert_eq!([7, 0, 7].map(|number| key(&mut dictionary, number)), [(0, true), (1, true), (0, false)]);
        assert_eq!(dictionary.numbers(), [7, 0]);
        dictionary.clear();
        assert_eq!([0, 7].map(|number| key(&mut dictionary, number)), [(0, true), (1, true)]);
    }

    #[test]
    fn each_text_has_one_key() {
        let mut texts = TextDictionary::default();
        for (text, key, novelty) in [
            ("a", 0, Novelty::New),
            ("bcd", 1, Novelty::New),
            ("", 2, Novelty::New),
            ("a", 0, Novelty::Known),
            ("", 2, Novelty::Known),
            ("", 2, Novelty::Known),
            ("ab", 3, Novelty::New),
        ] {
            assert_eq!(texts.key(text.as_bytes()), (key, novelty), "{text:?}");
            assert_eq!(texts.get(key), text.as_bytes());
        }
        assert_eq!(texts.plain(), b"\x01\0\0\0a\x03\0\0\0bcd\0\0\0\0\x02\0\0\0ab");
        assert_eq!(texts_of(texts.plain()).collect::<Vec<_>>(), [&b"a"[..], b"bcd", b"", b"ab"]);
        texts.clear();
        assert_eq!(texts.key(b"bcd"), (0, Novelty::New));
    }
}
