//! Keys of JSON objects: compared without hashing, so that no choice of keys makes the check for duplicates slow.

use weir_model::event::Span;

/// Up to this many keys, comparing each with each is cheaper than sorting.
const PAIRWISE_KEYS_MAX: usize = 32;

/// A key: its first eight bytes and length decide most comparisons.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Key {
    word: u64,
    len: u32,
    /// In the chunk's text, unescaped.
    pub(crate) span: Span,
}

/// The first eight bytes of `text` from `at`, `len` at most, the others zero.
#[inline(always)]
pub(crate) fn first_word(text: &[u8], at: usize, len: usize) -> u64 {
    let Some(&bytes) = text.get(at..).and_then(<[u8]>::first_chunk::<8>) else {
        return first_word_of_tail(text, at, len);
    };
    let word = u64::from_le_bytes(bytes);
    match len {
        0 => 0,
        1..=7 => word & (u64::MAX >> (64 - 8 * len)),
        _ => word,
    }
}

#[cold]
fn first_word_of_tail(text: &[u8], at: usize, len: usize) -> u64 {
    let tail = text.get(at..).unwrap_or_default().iter().take(len.min(8));
    tail.rev().fold(0, |word, &byte| word << 8 | u64::from(byte))
}

impl Key {
    /// The key whose unescaped bytes are `len` bytes of `text` from `at`, and stand at `span` of the chunk's text.
    #[inline(always)]
    pub(crate) fn new(text: &[u8], at: usize, len: usize, span: Span) -> Key {
        // A line is at most a few gigabytes below the chunk's limit of 4 GiB, so lengths fit.
        #[allow(clippy::cast_possible_truncation)]
        let len_u32 = len as u32;
        Key { word: first_word(text, at, len), len: len_u32, span }
    }

    /// A key by itself, for comparisons with scanned ones.
    pub(crate) fn of_name(name: &[u8]) -> Key {
        Key::new(name, 0, name.len(), Span::ABSENT)
    }

    /// Whether both may be equal; certain unless the keys are longer than eight bytes.
    #[inline(always)]
    pub(crate) fn resembles(self, other: Key) -> bool {
        self.word == other.word && self.len == other.len
    }

    /// Whether [`Key::resembles`] is certain.
    #[inline(always)]
    pub(crate) fn is_short(self) -> bool {
        self.len <= 8
    }
}

/// A key that stands twice in `keys`; `bytes` yields a key's text.
#[inline(always)]
pub(crate) fn duplicate<'t>(keys: &mut [Key], bytes: impl Fn(Span) -> &'t [u8]) -> Option<Key> {
    match keys {
        [] | [_] => None,
        [a, b] => same(*a, *b, &bytes).then_some(*a),
        _ => duplicate_among_many(keys, bytes),
    }
}

#[inline(always)]
fn same<'t>(a: Key, b: Key, bytes: &impl Fn(Span) -> &'t [u8]) -> bool {
    a.resembles(b) && (a.is_short() || bytes(a.span) == bytes(b.span))
}

#[inline(never)]
fn duplicate_among_many<'t>(keys: &mut [Key], bytes: impl Fn(Span) -> &'t [u8]) -> Option<Key> {
    if keys.len() <= PAIRWISE_KEYS_MAX {
        let mut rest = &*keys;
        while let Some((first, others)) = rest.split_first() {
            if others.iter().any(|other| same(*first, *other, &bytes)) {
                return Some(*first);
            }
            rest = others;
        }
        return None;
    }
    keys.sort_unstable_by(|a, b| (a.word, a.len).cmp(&(b.word, b.len)).then_with(|| bytes(a.span).cmp(bytes(b.span))));
    keys.windows(2).find(|pair| same(pair[0], pair[1], &bytes)).map(|pair| pair[0])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(names: &[String]) -> Option<String> {
        let text = names.concat();
        let mut at = 0;
        let mut keys: Vec<Key> = Vec::new();
        for name in names {
            let span = Span::new(u32::try_from(at).unwrap(), u32::try_from(name.len()).unwrap());
            keys.push(Key::new(text.as_bytes(), at, name.len(), span));
            at += name.len();
        }
        let found = duplicate(&mut keys, |span| span.of(text.as_bytes()));
        found.map(|key| String::from_utf8(key.span.of(text.as_bytes()).to_vec()).unwrap())
    }

    #[test]
    fn finds_duplicates_in_objects_of_any_size() {
        for count in [2, 3, 32, 33, 5000] {
            for prefix in ["", "k", "a-common-prefix-of-many-keys/"] {
                let mut names: Vec<String> = (0..count).map(|i| format!("{prefix}{i:04}")).collect();
                assert_eq!(check(&names), None, "{count} {prefix}");
                names[count - 1] = names[0].clone();
                assert_eq!(check(&names), Some(names[0].clone()), "{count} {prefix}");
            }
        }
        assert_eq!(check(&[String::new(), "a".into(), String::new()]), Some(String::new()));
        assert_eq!(check(&["a".into(), "a\0".into()]), None);
    }
}
