//! CloudEvents as NDJSON: from a chunk's bytes to its columns in one pass (design.md 4.1).
//!
//! Owns: lines, the JSON format of CloudEvents 1.0, and which line is rejected for what (L3). Does not own: JSON's grammar
//! (`json`), extraction and columns (`decode`).
//!
//! Speed: producers write the same keys in the same order, so a line is first compared with the shapes of lines before it
//! (`shape`); on the long way, each key is first compared with the one that stood there in the line before. Strings end 16
//! bytes at a time; nothing is copied.

mod attributes;
mod event;
mod scratch;
mod shape;

use weir_model::event::Chunk;
use weir_model::limits::LINE_BYTES_MAX;
use weir_model::verdict::RejectCode;

use crate::decode::{DecodeScratch, Decoder, begin_captures, prepare, reject};
use crate::json::{Fault, Node, Scan, Scanner, Value, Walk, key_duplicate, span};
use crate::rfc3339;
use attributes::Attribute;
pub(crate) use event::is_json;
pub(crate) use scratch::LineScratch;
use scratch::ORDER_LEN;
pub(crate) use shape::Shapes;

/// Where a line begins in the chunk's text, and which of its lines it is.
#[derive(Debug, Clone, Copy)]
struct LineAt {
    start: usize,
    position: u32,
}

impl Decoder {
    /// Decodes `chunk.text`, whole lines of which the last may lack its newline, into the chunk's batches and rejections.
    /// A blank line is a position without an event. Returns the number of positions.
    ///
    /// # Panics
    /// If the text is 2 GiB or longer: spans could not reach all of it.
    pub fn decode_ndjson(&self, chunk: &mut Chunk, scratch: &mut DecodeScratch) -> u32 {
        let mut text = std::mem::take(&mut chunk.text);
        prepare(chunk, &mut scratch.walk, &text, self.shards());
        scratch.shapes.begin(self.number);
        // One pass over the whole chunk is the fastest check; only if it fails are its lines checked one by one.
        let broken = simdutf8::basic::from_utf8(&text).is_err();
        let mut at = LineAt { start: 0, position: 0 };
        while at.start < text.len() {
            let checked = if broken { check_utf8(&text, at.start) } else { Ok(()) };
            at.start = self.line(&text, at, checked, chunk, scratch);
            at.position += 1;
        }
        text.append(&mut scratch.walk.extra);
        chunk.text = text;
        at.position
    }

    /// Decodes the line at `at` unless `checked` rejects it already; returns where the next one begins.
    #[inline(always)]
    fn line(
        &self,
        text: &[u8],
        at: LineAt,
        checked: Scan<()>,
        chunk: &mut Chunk,
        scratch: &mut DecodeScratch,
    ) -> usize {
        let scanner = Scanner::of_line(text, at.start, &self.paths);
        let first = scanner.skip_blank(at.start);
        if scanner.byte(first) == b'\n' {
            return first + 1;
        }
        chunk.received += 1;
        let texts_before = scratch.walk.extra.len();
        match checked.and_then(|()| self.event(&scanner, at, chunk, scratch)) {
            Ok(end) => end + 1,
            Err(fault) => {
                scratch.walk.extra.truncate(texts_before);
                reject_line(chunk, text, at, *fault)
            }
        }
    }

    /// Decodes one event; returns the position of its newline.
    #[inline(never)]
    fn event(
        &self,
        scanner: &Scanner<'_>,
        line: LineAt,
        chunk: &mut Chunk,
        scratch: &mut DecodeScratch,
    ) -> Scan<usize> {
        let first = scanner.skip_blank(line.start);
        let DecodeScratch { walk, line: members, shapes } = scratch;
        if let Some(end) = shapes.find(self, scanner, first, (walk, members))
            && end - line.start <= LINE_BYTES_MAX
        {
            self.finish(scanner, line.position, chunk, scratch)?;
            return Ok(end);
        }
        if scanner.byte(first) != b'{' {
            return Err(not_an_object(scanner, &mut scratch.walk, first));
        }
        let at = self.members(scanner, first, scratch)?;
        let end = scanner.skip_blank(at);
        if scanner.byte(end) != b'\n' {
            return Err(scanner.unexpected(end, "the end of the line"));
        }
        if end - line.start > LINE_BYTES_MAX {
            return Err(record_too_long());
        }
        self.finish(scanner, line.position, chunk, scratch)?;
        scratch.shapes.learn(scanner.text, first..=end, self.types.len());
        Ok(end)
    }

    /// Scans the event's members into the scratch; returns the position after its closing brace.
    #[inline(always)]
    fn members(&self, scanner: &Scanner<'_>, brace: usize, scratch: &mut DecodeScratch) -> Scan<usize> {
        scratch.walk.keys.clear();
        scratch.line.begin();
        let mut at = scanner.skip_blank(brace + 1);
        if scanner.byte(at) == b'}' {
            return Ok(at + 1);
        }
        let mut place = 0;
        loop {
            at = self.attribute(scanner, at, place, scratch)?;
            place += 1;
            if scanner.byte(at) == b',' && scanner.byte(at + 1) == b'"' {
                at += 1;
                continue;
            }
            at = scanner.skip_blank(at);
            match scanner.byte(at) {
                b',' => at = scanner.skip_blank(at + 1),
                b'}' => return Ok(at + 1),
                _ => return Err(scanner.unexpected(at, "`,` or `}`")),
            }
        }
    }

    /// Scans one member of the event; returns the position after its value.
    #[inline(always)]
    fn attribute(&self, scanner: &Scanner<'_>, at: usize, place: usize, scratch: &mut DecodeScratch) -> Scan<usize> {
        let DecodeScratch { walk, line, .. } = scratch;
        let guess = line.order[place % ORDER_LEN];
        let (attribute, at) = match guess.match_at(scanner.text, at) {
            Some(after) => (guess, scanner.skip_blank(after)),
            None => learn(scanner, walk, line, at, place)?,
        };
        if line.seen & attribute.bit() != 0 {
            return Err(key_duplicate(attribute.name().as_bytes()));
        }
        line.seen |= attribute.bit() & !Attribute::Extension.bit();
        match attribute {
            Attribute::Data => {
                let event_type = line.event_type.and_then(|event_type| self.compiled(event_type));
                line.data_walked = line.event_type.is_some();
                let node = event_type.map_or(Node::NONE, |compiled| compiled.data);
                let (kind, end) = scanner.value(walk, at, 1, node)?;
                line.set(attribute, Value { kind, span: span(at, end - at) });
                return Ok(end);
            }
            Attribute::Extension => return Ok(scanner.value(walk, at, 1, Node::NONE)?.1),
            Attribute::Time if scanner.byte(at) == b'"' => {
                let content = scanner.text.get(at + 1..).unwrap_or_default();
                if let Ok((time, length)) = rfc3339::prefix(content, &mut line.dates)
                    && content.get(length) == Some(&b'"')
                {
                    line.time = Some(time);
                    line.set_text(attribute, at + 1, length);
                    return Ok(at + length + 2);
                }
            }
            _ => {}
        }
        if scanner.byte(at) == b'"' {
            let (end, escaped) = scanner.string(at + 1)?;
            if !escaped {
                line.set_text(attribute, at + 1, end - at - 1);
                if attribute == Attribute::Type {
                    let event_type = self.type_of(scanner.text.get(at + 1..end).unwrap_or_default());
                    line.event_type = Some(event_type);
                    begin_captures(walk, self.compiled(event_type));
                }
                return Ok(end + 1);
            }
        }
        unusual_attribute(scanner, at, attribute, scratch)
    }
}

/// Scans an attribute's value that is no plain string.
#[inline(never)]
fn unusual_attribute(
    scanner: &Scanner<'_>,
    at: usize,
    attribute: Attribute,
    scratch: &mut DecodeScratch,
) -> Scan<usize> {
    let (kind, end) = scanner.value(&mut scratch.walk, at, 1, Node::NONE)?;
    scratch.line.set(attribute, scanner.spanned(kind, at, end));
    Ok(end)
}

/// Identifies a key that does not stand where it stood in the line before.
#[inline(never)]
fn learn(
    scanner: &Scanner<'_>,
    walk: &mut Walk,
    line: &mut LineScratch,
    at: usize,
    place: usize,
) -> Scan<(Attribute, usize)> {
    let (key, at) = scanner.key(walk, at)?;
    let attribute = Attribute::of_name(scanner.key_bytes(key.span, &walk.extra, walk.raw_len));
    if attribute == Attribute::Extension {
        line.extensions.push((key, at));
    }
    line.order[place % ORDER_LEN] = attribute;
    Ok((attribute, at))
}

#[cold]
fn record_too_long() -> Box<Fault> {
    Fault::boxed(RejectCode::RecordTooLong, format!("the line is longer than {LINE_BYTES_MAX} bytes"))
}

/// The line's bytes without its newline, and where the next line begins.
fn line_end(text: &[u8], start: usize) -> usize {
    let rest = text.get(start..).unwrap_or_default();
    start + memchr::memchr(b'\n', rest).unwrap_or(rest.len())
}

#[cold]
fn check_utf8(text: &[u8], start: usize) -> Scan<()> {
    let line = text.get(start..line_end(text, start)).unwrap_or_default();
    match simdutf8::compat::from_utf8(line) {
        Ok(_) => Ok(()),
        Err(error) => {
            let sentence = format!("the line is not UTF-8 at byte {}", error.valid_up_to() + 1);
            Err(Fault::boxed(RejectCode::Utf8Invalid, sentence))
        }
    }
}

/// A line that is no object: what JSON it is, or why it is none.
#[cold]
fn not_an_object(scanner: &Scanner<'_>, walk: &mut Walk, first: usize) -> Box<Fault> {
    walk.keys.clear();
    match scanner.value(walk, first, 0, Node::NONE) {
        Err(fault) => fault,
        Ok((_, at)) => {
            let end = scanner.skip_blank(at);
            if scanner.byte(end) == b'\n' {
                Fault::boxed(RejectCode::JsonNotObject, "the line is JSON, but no object".to_owned())
            } else {
                scanner.unexpected(end, "the end of the line")
            }
        }
    }
}

/// Records the rejection of a line; returns where the next one begins.
#[cold]
fn reject_line(chunk: &mut Chunk, text: &[u8], at: LineAt, fault: Fault) -> usize {
    let end = line_end(text, at.start);
    let fault = if end - at.start > LINE_BYTES_MAX { *record_too_long() } else { fault };
    reject(chunk, at.position, fault, span(at.start, end - at.start));
    end + 1
}

#[cfg(test)]
mod tests;
