//! Lines that are no valid events, one kind for nearly every code of docs/rejections.md, each with the mistake that makes
//! such lines in real life.

use weir_model::verdict::RejectCode;

use super::event::Event;

/// How a line is broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Damage {
    /// The sender died while writing.
    Cut,
    /// A text of the line, replaced.
    Replaced(&'static [u8], &'static [u8]),
    /// The value of a member, as text up to the next comma, replaced.
    Member(&'static str, &'static [u8]),
    /// The event inside a list.
    Wrapped,
    /// A hundred lists inside one another.
    Nested,
}

const KINDS: [(Damage, RejectCode); 17] = [
    (Damage::Cut, RejectCode::JsonInvalid),
    // Division by zero in Python.
    (Damage::Member("output_tokens", b"NaN"), RejectCode::JsonInvalid),
    // A customer without a billing id.
    (Damage::Replaced(b"\"subject\":", b"\"customer\":"), RejectCode::AttributeMissing),
    // A refund, sent as usage.
    (Damage::Member("input_tokens", b"-250"), RejectCode::ValueNegative),
    // An estimate.
    (Damage::Member("output_tokens", b"310.5"), RejectCode::ValueTooFine),
    // Go's zero time.
    (Damage::Member("time", b"\"0001-01-01T00:00:00Z\""), RejectCode::TimeOutOfRange),
    // An American date.
    (Damage::Member("time", b"\"08/17/2026 10:21 AM\""), RejectCode::TimeInvalid),
    (Damage::Nested, RejectCode::NestingTooDeep),
    (Damage::Wrapped, RejectCode::JsonNotObject),
    // A merge of two maps.
    (Damage::Member("output_tokens", b"12,\"input_tokens\":99"), RejectCode::KeyDuplicate),
    // Latin-1.
    (Damage::Member("user", b"\"Ren\xE9e\""), RejectCode::Utf8Invalid),
    (Damage::Member("specversion", b"\"0.3\""), RejectCode::SpecversionUnsupported),
    (Damage::Member("input_tokens", b"\"many\""), RejectCode::ValueInvalid),
    // A counter that lost its mind.
    (Damage::Member("input_tokens", b"1e30"), RejectCode::ValueTooLarge),
    (Damage::Member("model", b"{\"id\":\"swift-3\"}"), RejectCode::DimensionInvalid),
    (Damage::Member("type", b"\"weir.void\""), RejectCode::TypeReserved),
    (Damage::Member("id", b"17"), RejectCode::AttributeInvalid),
];

/// Appends the `number`th broken line, made from a completion; returns what it must be rejected with. Numbers go round
/// through all kinds.
pub fn write_broken(event: &Event, number: u64, line: &mut Vec<u8>) -> RejectCode {
    let kinds = u64::try_from(KINDS.len()).unwrap_or(u64::MAX);
    let (damage, code) = KINDS[usize::try_from(number % kinds).unwrap_or(0)];
    let start = line.len();
    event.write_to(line);
    let end = line.len() - 1;
    match damage {
        Damage::Cut => drop(line.drain(start + (end - start) * 2 / 3..end)),
        Damage::Replaced(from, to) => replace(line, start, from, to),
        Damage::Member(name, value) => {
            let key = format!("\"{name}\":");
            let at = find(line, start, key.as_bytes()) + key.len();
            let length = line[at..].iter().position(|byte| matches!(byte, b',' | b'}')).unwrap_or(0);
            line.splice(at..at + length, value.iter().copied());
        }
        Damage::Wrapped => {
            line.insert(end, b']');
            line.insert(start, b'[');
        }
        Damage::Nested => {
            let trace = [b"\"trace\":".as_slice(), &[b'['; 100], &[b']'; 100], b",\"model\""].concat();
            replace(line, start, b"\"model\"", &trace);
        }
    }
    code
}

fn replace(line: &mut Vec<u8>, start: usize, from: &[u8], to: &[u8]) {
    let at = find(line, start, from);
    line.splice(at..at + from.len(), to.iter().copied());
}

fn find(line: &[u8], start: usize, what: &[u8]) -> usize {
    let offset = line[start..].windows(what.len()).position(|window| window == what);
    start + offset.expect("every completion has the members that are broken here")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demo::cast::AUGUST;
    use crate::demo::event::{Body, CLIENTS};

    #[test]
    fn every_kind_changes_its_line_and_stays_one() {
        let body = Body::Completion { model: "swift-3", input: 1, output: 2, user: 3 };
        let event = Event { id: 1, client: CLIENTS[0], subject: "s", time: AUGUST, utc_offset: 0, body };
        let mut sound = Vec::new();
        event.write_to(&mut sound);
        for number in 0..17 {
            let mut line = b"before\n".to_vec();
            write_broken(&event, number, &mut line);
            assert_eq!(&line[..7], b"before\n");
            assert_ne!(line[7..], sound);
            assert_eq!(line[7..].iter().position(|byte| *byte == b'\n'), Some(line.len() - 8), "kind {number}");
        }
    }
}
