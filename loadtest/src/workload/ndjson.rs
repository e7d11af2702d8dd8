//! The log's text: one CloudEvent a line.
//!
//! Owns: how an event is written, byte for byte; identities and contents are hashed from these bytes. A line is written
//! without an allocation of its own.

use std::io::{self, Write};
use std::ops::Range;

use super::digits::{write_decimal, write_padded};
use super::tariff::{self, REGIONS};
use super::{Content, Event, Fate, Workload, calendar, damage};

/// Written at once.
const BUFFER_BYTES: usize = 1 << 18;
/// The longest line, damaged or not, is shorter.
const LINE_BYTES: usize = 1 << 10;

impl Workload {
    /// Writes the events of a range, one line each.
    pub fn write(&self, events: Range<u64>, out: &mut impl Write) -> io::Result<()> {
        let mut buffer = Vec::with_capacity(BUFFER_BYTES + LINE_BYTES);
        for index in events {
            self.write_line(&self.event(index), &mut buffer);
            if buffer.len() >= BUFFER_BYTES {
                out.write_all(&buffer)?;
                buffer.clear();
            }
        }
        out.write_all(&buffer)
    }

    /// Appends an event's line.
    pub fn write_line(&self, event: &Event, out: &mut Vec<u8>) {
        let start = out.len();
        out.extend_from_slice(br#"{"specversion":"1.0","id":""#);
        self.write_id(event.original, out);
        out.extend_from_slice(br#"","source":""#);
        self.write_source(event.original, out);
        out.extend_from_slice(br#"","type":""#);
        write_type(&event.content, out);
        out.extend_from_slice(br#"","subject":""#);
        self.parties.write_subject(event.content.subject, out);
        out.extend_from_slice(br#"","time":""#);
        write_time(event.content.time, out);
        out.extend_from_slice(br#"","data":"#);
        write_data(&event.content, out);
        out.extend_from_slice(b"}\n");
        if let Fate::Bad(damage) = event.fate {
            damage::apply(damage, out, start);
        }
    }

    #[inline]
    pub(crate) fn write_source(&self, original: u64, out: &mut Vec<u8>) {
        out.extend_from_slice(b"/load/");
        write_padded(out, self.identity(original).0, 1);
    }

    #[inline]
    pub(crate) fn write_id(&self, original: u64, out: &mut Vec<u8>) {
        let (_, id) = self.identity(original);
        let digits = id.to_be_bytes().into_iter().flat_map(|byte| [byte >> 4, byte & 15]);
        out.extend(digits.map(|digit| b"0123456789abcdef"[usize::from(digit)]));
    }
}

#[inline]
pub(crate) fn write_type(content: &Content, out: &mut Vec<u8>) {
    match content.meter {
        Some(meter) => {
            out.extend_from_slice(b"load.m");
            write_padded(out, super::to_u64(meter), 1);
        }
        None => out.extend_from_slice(b"load.unmetered"),
    }
}

/// The event's `data`, verbatim.
#[inline]
pub(crate) fn write_data(content: &Content, out: &mut Vec<u8>) {
    out.extend_from_slice(br#"{"value":"#);
    write_decimal(out, content.value, content.meter.map_or(0, |meter| tariff::kind(meter).scale));
    let region = REGIONS[content.region];
    if !region.is_empty() {
        out.extend_from_slice(br#","region":""#);
        out.extend_from_slice(region.as_bytes());
        out.push(b'"');
    }
    out.push(b'}');
}

fn write_time(micros: i64, out: &mut Vec<u8>) {
    let time = calendar::civil(micros);
    let fraction = u64::try_from(micros.rem_euclid(1_000_000)).unwrap_or(0);
    // Years after 2025, and parts of dates and times: never negative.
    let part = |part: i8| u64::try_from(part).unwrap_or(0);
    write_padded(out, u64::try_from(time.year()).unwrap_or(0), 4);
    for (before, part) in [
        (b'-', part(time.month())),
        (b'-', part(time.day())),
        (b'T', part(time.hour())),
        (b':', part(time.minute())),
        (b':', part(time.second())),
    ] {
        out.push(before);
        write_padded(out, part, 2);
    }
    out.push(b'.');
    write_padded(out, fraction, 6);
    out.push(b'Z');
}
