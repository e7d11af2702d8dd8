//! NDJSON: whatever the bytes, every line is an event or a rejection, lines do not know their neighbours, and an event says
//! what `serde_json` reads in its line.

use weir_ingest::DecodeScratch;
use weir_model::event::Chunk;

use super::reference::{self, Said};
use super::seen::{self, SHARDS, Seen};

/// Decodes any bytes.
pub fn run(data: &[u8]) {
    let (seen, positions) = decode(data);
    let lines: Vec<&[u8]> = data.split_inclusive(|byte| *byte == b'\n').collect();
    assert_eq!(positions as usize, lines.len(), "a position for each line");
    agrees(&seen, &lines);
    splits(&seen, &lines);
}

fn decode(text: &[u8]) -> (Seen, u32) {
    let mut chunk = Chunk::new(usize::from(SHARDS));
    chunk.text.extend_from_slice(text);
    let positions = seen::decoder().decode_ndjson(&mut chunk, &mut DecodeScratch::new());
    let mut seen = Seen::default();
    seen.add(&chunk);
    (seen, positions)
}

/// Each line is what it says.
fn agrees(seen: &Seen, lines: &[&[u8]]) {
    let (mut events, mut refusals) = (seen.events.iter().peekable(), seen.refusals.iter().peekable());
    for (position, line) in (0_u64..).zip(lines) {
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        let event = events.next_if(|event| event.position == position);
        let refusal = refusals.next_if(|refusal| refusal.position == position);
        let shown = || String::from_utf8_lossy(line).into_owned();
        if line.iter().all(|byte| b" \t\r".contains(byte)) {
            assert_eq!((event, refusal), (None, None), "a blank line is nothing");
            continue;
        }
        match (reference::line(seen::catalog(), line), event, refusal) {
            (Said::Nothing, None, Some(refusal)) => assert_eq!(refusal.record, line, "the record is the line"),
            (Said::Event(said), Some(event), None) => {
                assert_eq!(said.attributes, event.attributes, "{}", shown());
                assert_eq!(said.data, event.data, "{}", shown());
                assert_eq!(said.values, event.values, "{}", shown());
                assert_eq!(said.texts, event.texts, "{}", shown());
                assert_eq!(said.micros, event.micros, "{}", shown());
            }
            (Said::Unchecked, Some(_), None) | (Said::Unchecked, None, Some(_)) => {}
            (said, event, refusal) => panic!("{said:?}, but {event:?} and {refusal:?}: {}", shown()),
        }
    }
    assert_eq!((events.next(), refusals.next()), (None, None), "nothing is without a line");
}

/// A chunk may end at any line.
fn splits(whole: &Seen, lines: &[&[u8]]) {
    for cut in [1, lines.len() / 2] {
        let Some((first, second)) = lines.split_at_checked(cut) else { continue };
        let ((mut parts, positions), (rest, _)) = (decode(&first.concat()), decode(&second.concat()));
        parts.append(rest, u64::from(positions));
        assert_eq!(*whole, parts, "cut before line {cut}");
    }
}
