//! The members of a CloudEvent that Weir knows, and how they look in compact JSON.

/// A member of the event; all others are extensions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Attribute {
    Specversion,
    Id,
    Source,
    Type,
    Subject,
    Time,
    DataContentType,
    Data,
    PartitionKey,
    DataBase64,
    /// Any other; may stand several times.
    Extension,
}

/// Number of known attributes.
pub(super) const ATTRIBUTES: usize = 10;

const KNOWN: [(Attribute, &str); ATTRIBUTES] = [
    (Attribute::Specversion, "specversion"),
    (Attribute::Id, "id"),
    (Attribute::Source, "source"),
    (Attribute::Type, "type"),
    (Attribute::Subject, "subject"),
    (Attribute::Time, "time"),
    (Attribute::DataContentType, "datacontenttype"),
    (Attribute::Data, "data"),
    (Attribute::PartitionKey, "partitionkey"),
    (Attribute::DataBase64, "data_base64"),
];

/// `"name":` as three words, compared under a mask: no length to branch on.
#[derive(Clone, Copy)]
#[repr(align(64))]
struct Pattern {
    words: [u64; 3],
    masks: [u64; 3],
    len: usize,
}

/// Bytes that a pattern spans; `"datacontenttype":` has 18.
const PATTERN_BYTES: usize = 24;

static PATTERNS: [Pattern; ATTRIBUTES + 1] = {
    // The last one, for extensions, matches nothing.
    let mut patterns = [Pattern { words: [1; 3], masks: [0; 3], len: 0 }; ATTRIBUTES + 1];
    let mut i = 0;
    while i < ATTRIBUTES {
        patterns[i] = pattern(KNOWN[i].1.as_bytes());
        i += 1;
    }
    patterns
};

const fn pattern(name: &[u8]) -> Pattern {
    let mut bytes = [0_u8; PATTERN_BYTES];
    let mut masks = [0_u8; PATTERN_BYTES];
    let len = name.len() + 3;
    let mut i = 0;
    while i < len {
        bytes[i] = match i {
            0 => b'"',
            _ if i <= name.len() => name[i - 1],
            _ if i == name.len() + 1 => b'"',
            _ => b':',
        };
        masks[i] = 0xFF;
        i += 1;
    }
    Pattern { words: words(&bytes), masks: words(&masks), len }
}

const fn words(bytes: &[u8; PATTERN_BYTES]) -> [u64; 3] {
    let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u, v, w, x] = *bytes;
    [
        u64::from_le_bytes([a, b, c, d, e, f, g, h]),
        u64::from_le_bytes([i, j, k, l, m, n, o, p]),
        u64::from_le_bytes([q, r, s, t, u, v, w, x]),
    ]
}

impl Attribute {
    /// What every event has.
    pub(super) const REQUIRED: u32 = Attribute::Specversion.bit()
        | Attribute::Id.bit()
        | Attribute::Source.bit()
        | Attribute::Type.bit()
        | Attribute::Subject.bit()
        | Attribute::Time.bit();

    /// Its bit in a set of attributes.
    #[inline(always)]
    pub(super) const fn bit(self) -> u32 {
        1 << self as u32
    }

    /// The key.
    pub(super) fn name(self) -> &'static str {
        KNOWN.get(self as usize).map_or("an extension", |(_, name)| name)
    }

    /// The attribute with this key.
    pub(super) fn of_name(name: &[u8]) -> Attribute {
        KNOWN.iter().find(|(_, known)| known.as_bytes() == name).map_or(Attribute::Extension, |(known, _)| *known)
    }

    /// The position after `"name":`, if just that stands at `at`.
    #[inline(always)]
    pub(super) fn match_at(self, text: &[u8], at: usize) -> Option<usize> {
        let block = text.get(at..).and_then(<[u8]>::first_chunk::<PATTERN_BYTES>)?;
        let pattern = &PATTERNS[self as usize];
        let [a, b, c] = words(block);
        let difference = (a & pattern.masks[0] ^ pattern.words[0])
            | (b & pattern.masks[1] ^ pattern.words[1])
            | (c & pattern.masks[2] ^ pattern.words[2]);
        (difference == 0).then(|| at + pattern.len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_their_keys_only() {
        for (place, (attribute, name)) in KNOWN.iter().enumerate() {
            assert_eq!(*attribute as usize, place);
            assert_eq!(Attribute::of_name(name.as_bytes()), *attribute);
            let text = format!("\"{name}\":0                        ");
            assert_eq!(attribute.match_at(text.as_bytes(), 0), Some(name.len() + 3), "{name}");
            for (other, _) in KNOWN.iter().filter(|(other, _)| other != attribute) {
                assert_eq!(other.match_at(text.as_bytes(), 0), None, "{name}");
            }
            assert_eq!(Attribute::Extension.match_at(text.as_bytes(), 0), None);
        }
        assert_eq!(Attribute::of_name(b"dataschema"), Attribute::Extension);
        // Too near the end of the text for a block: the slow way takes over.
        assert_eq!(Attribute::Id.match_at(b"\"id\":1}", 0), None);
    }
}
