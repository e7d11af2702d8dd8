//! Lines that are no valid events: one kind of damage for nearly every code of docs/rejections.md that a line can have.
//!
//! Left out are `record_too_long`, which would make the log a thousand times longer, and `row_malformed`, which only
//! tables have.

/// How a line is damaged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Damage {
    /// It ends in the middle.
    Cut,
    /// The event stands inside a list.
    Wrapped,
    /// A member that is nested too deep is put into `data`.
    Nested,
    /// A text is replaced.
    Replaced(&'static [u8], &'static [u8]),
    /// The value of a member, as text up to the next comma or brace, is replaced.
    Member(&'static [u8], &'static [u8]),
}

/// Codes and what earns them.
pub(super) const DAMAGES: [(&str, Damage); 17] = [
    ("json_invalid", Damage::Cut),
    ("json_invalid", Damage::Member(b"\"value\":", b"NaN")),
    ("json_not_object", Damage::Wrapped),
    ("utf8_invalid", Damage::Member(b"\"region\":", b"\"R\xE9union\"")),
    ("nesting_too_deep", Damage::Nested),
    ("key_duplicate", Damage::Member(b"\"value\":", b"1,\"value\":2")),
    ("attribute_missing", Damage::Replaced(b"\"subject\":", b"\"customer\":")),
    ("attribute_invalid", Damage::Member(b"\"id\":", b"17")),
    ("specversion_unsupported", Damage::Member(b"\"specversion\":", b"\"0.3\"")),
    ("time_invalid", Damage::Member(b"\"time\":", b"\"01/31/2026 10:21 AM\"")),
    ("time_out_of_range", Damage::Member(b"\"time\":", b"\"0001-01-01T00:00:00Z\"")),
    ("value_invalid", Damage::Member(b"\"value\":", b"\"many\"")),
    ("value_too_fine", Damage::Member(b"\"value\":", b"0.1234")),
    ("value_too_large", Damage::Member(b"\"value\":", b"1e30")),
    ("value_negative", Damage::Member(b"\"value\":", b"-1.5")),
    ("dimension_invalid", Damage::Member(b"\"region\":", b"{\"id\":1}")),
    ("type_reserved", Damage::Member(b"\"type\":", b"\"weir.void\"")),
];

/// More than the 64 that a record may have.
const DEPTH: usize = 70;

/// Damages the line that begins at `start`; it stays one line.
pub(super) fn apply(damage: usize, out: &mut Vec<u8>, start: usize) {
    let end = out.len() - 1;
    match DAMAGES[damage].1 {
        Damage::Cut => drop(out.drain(start + (end - start) * 2 / 3..end)),
        Damage::Wrapped => {
            out.insert(end, b']');
            out.insert(start, b'[');
        }
        Damage::Nested => {
            let trace = [b"\"trace\":".as_slice(), &[b'['; DEPTH], &[b']'; DEPTH], b","].concat();
            let at = find(out, start, b"\"value\":");
            out.splice(at..at, trace);
        }
        Damage::Replaced(from, to) => {
            let at = find(out, start, from);
            out.splice(at..at + from.len(), to.iter().copied());
        }
        Damage::Member(name, value) => {
            let at = find(out, start, name) + name.len();
            let length = out[at..].iter().position(|byte| matches!(byte, b',' | b'}')).unwrap_or(0);
            out.splice(at..at + length, value.iter().copied());
        }
    }
}

fn find(out: &[u8], start: usize, what: &[u8]) -> usize {
    let offset = out[start..].windows(what.len()).position(|window| window == what);
    start + offset.expect("lines that are damaged have every member that a damage names")
}
