//! CloudEvents as NDJSON: from a chunk's bytes to its columns in one pass (design.md 4.1).
//!
//! Owns: lines, the JSON format of CloudEvents 1.0, and which line is rejected for what (L3). Does not own: JSON's grammar
//! (`json`), extraction and columns (`decode`).
//!
//! Speed: producers write the same keys in the same order, so each key is first compared with the one that stood there
//! in the line before; strings end 16 bytes at a time; nothing is copied.

mod attributes;

use weir_model::catalog::TypeIdx;
use weir_model::event::{Chunk, Span};
use weir_model::limits::{ATTRIBUTE_BYTES_MAX, LINE_BYTES_MAX};
use weir_model::time::Instant;
use weir_model::verdict::RejectCode;

use crate::decode::values::{bytes, text_of};
use crate::decode::{
    Admitted, DecodeScratch, Decoder, attribute_missing, attribute_too_long, begin_captures, check_type, prepare,
    reject,
};
use crate::json::{Fault, Key, Kind, Node, Scan, Scanner, Value, Walk, duplicate, key_duplicate, shown, span};
use crate::rfc3339::{self, DateCache, TimeFault};
use attributes::{ATTRIBUTES, Attribute};

/// Members of an event whose order is remembered.
const ORDER_LEN: usize = 16;

/// What one line yields before it is an event, and what the lines before it taught.
#[derive(Debug)]
pub(crate) struct LineScratch {
    /// The attribute that stood at each place in the lines before.
    order: [Attribute; ORDER_LEN],
    dates: DateCache,
    /// Values of this line's known attributes; stale unless the attribute's bit in `seen` is set.
    values: [Value; ATTRIBUTES + 1],
    seen: u32,
    /// Those of them that are strings without escapes, neither empty nor too long.
    plain: u32,
    /// Keys that are no known attribute, and where their values begin.
    extensions: Vec<(Key, usize)>,
    /// `time`, if it stood in its usual form.
    time: Option<Instant>,
    /// The catalog's type; `None` as long as `type` has not been read.
    event_type: Option<TypeIdx>,
    /// `data` has been scanned with the paths of its type.
    data_walked: bool,
    /// Content of `data_base64`.
    decoded: Vec<u8>,
}

impl Default for LineScratch {
    fn default() -> LineScratch {
        LineScratch {
            order: [Attribute::Extension; ORDER_LEN],
            dates: DateCache::default(),
            values: [Value::default(); ATTRIBUTES + 1],
            seen: 0,
            plain: 0,
            extensions: Vec::new(),
            time: None,
            event_type: None,
            data_walked: false,
            decoded: Vec::new(),
        }
    }
}

impl LineScratch {
    fn begin(&mut self) {
        self.seen = 0;
        self.plain = 0;
        self.extensions.clear();
        self.time = None;
        self.event_type = None;
        self.data_walked = false;
    }

    #[inline(always)]
    fn value(&self, attribute: Attribute) -> Value {
        if self.seen & attribute.bit() == 0 { Value::default() } else { self.values[attribute as usize] }
    }

    #[inline(always)]
    fn set(&mut self, attribute: Attribute, value: Value) {
        self.values[attribute as usize] = value;
    }

    /// A string without escapes, `length` bytes from `start` of the chunk's text.
    #[inline(always)]
    fn set_text(&mut self, attribute: Attribute, start: usize, length: usize) {
        self.set(attribute, Value { kind: Kind::Text, span: span(start, length) });
        // One comparison: an empty text wraps around.
        if length.wrapping_sub(1) < ATTRIBUTE_BYTES_MAX {
            self.plain |= attribute.bit();
        }
    }
}

/// Texts of the attributes that every event has.
struct Required {
    specversion: Span,
    id: Span,
    source: Span,
    type_name: Span,
    subject: Span,
    time: Span,
}

impl Required {
    /// If all of them are plain.
    #[inline(always)]
    fn plain(line: &LineScratch) -> Required {
        let text = |attribute: Attribute| line.values[attribute as usize].span;
        Required {
            specversion: text(Attribute::Specversion),
            id: text(Attribute::Id),
            source: text(Attribute::Source),
            type_name: text(Attribute::Type),
            subject: text(Attribute::Subject),
            time: text(Attribute::Time),
        }
    }

    #[inline(never)]
    fn any(raw: &[u8], walk: &mut Walk, line: &LineScratch) -> Scan<Required> {
        let mut text = |attribute| required(raw, walk, line, attribute);
        Ok(Required {
            specversion: text(Attribute::Specversion)?,
            id: text(Attribute::Id)?,
            source: text(Attribute::Source)?,
            type_name: text(Attribute::Type)?,
            subject: text(Attribute::Subject)?,
            time: text(Attribute::Time)?,
        })
    }
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
        let all_utf8 = simdutf8::basic::from_utf8(&text).is_ok();
        let (mut start, mut position) = (0, 0_u32);
        while start < text.len() {
            start = self.line(&text, start, position, all_utf8, (chunk, scratch));
            position += 1;
        }
        text.append(&mut scratch.walk.extra);
        chunk.text = text;
        position
    }

    /// Decodes the line at `start`; returns where the next one begins.
    #[inline(always)]
    fn line(
        &self,
        text: &[u8],
        start: usize,
        position: u32,
        all_utf8: bool,
        (chunk, scratch): (&mut Chunk, &mut DecodeScratch),
    ) -> usize {
        let scanner = Scanner::of_line(text, start, &self.paths);
        let first = scanner.skip_blank(start);
        if scanner.byte(first) == b'\n' {
            return first + 1;
        }
        chunk.received += 1;
        let texts_before = scratch.walk.extra.len();
        let decoded = if all_utf8 { Ok(()) } else { check_utf8(text, start) };
        match decoded.and_then(|()| self.event(&scanner, start, position, (chunk, scratch))) {
            Ok(end) => end + 1,
            Err(fault) => {
                scratch.walk.extra.truncate(texts_before);
                reject_line(chunk, text, start, position, *fault)
            }
        }
    }

    /// Decodes one event; returns the position of its newline.
    #[inline(never)]
    fn event(
        &self,
        scanner: &Scanner<'_>,
        start: usize,
        position: u32,
        (chunk, scratch): (&mut Chunk, &mut DecodeScratch),
    ) -> Scan<usize> {
        let first = scanner.skip_blank(start);
        if scanner.byte(first) != b'{' {
            return Err(not_an_object(scanner, &mut scratch.walk, first));
        }
        let at = self.members(scanner, first, scratch)?;
        let end = scanner.skip_blank(at);
        if scanner.byte(end) != b'\n' {
            return Err(scanner.unexpected(end, "the end of the line"));
        }
        if end - start > LINE_BYTES_MAX {
            return Err(record_too_long());
        }
        self.finish(scanner, position, chunk, scratch)?;
        Ok(end)
    }

    /// Scans the event's members into the scratch; returns the position after its closing brace.
    #[inline(always)]
    fn members(&self, scanner: &Scanner<'_>, brace: usize, scratch: &mut DecodeScratch) -> Scan<usize> {
        let DecodeScratch { walk, line } = scratch;
        walk.keys.clear();
        line.begin();
        let mut at = scanner.skip_blank(brace + 1);
        if scanner.byte(at) == b'}' {
            return Ok(at + 1);
        }
        let mut place = 0;
        loop {
            at = self.attribute(scanner, at, place, (walk, line))?;
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
    fn attribute(
        &self,
        scanner: &Scanner<'_>,
        at: usize,
        place: usize,
        (walk, line): (&mut Walk, &mut LineScratch),
    ) -> Scan<usize> {
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
        unusual_attribute(scanner, at, attribute, (walk, line))
    }

    /// Checks the attributes, extracts what is still missing, and pushes the event onto its shard's columns.
    #[inline(always)]
    fn finish(&self, scanner: &Scanner<'_>, position: u32, chunk: &mut Chunk, scratch: &mut DecodeScratch) -> Scan<()> {
        let DecodeScratch { walk, line } = scratch;
        let raw = scanner.text;
        check_extensions(scanner, walk, line)?;
        let required = if line.plain & Attribute::REQUIRED == Attribute::REQUIRED {
            Required::plain(line)
        } else {
            Required::any(raw, walk, line)?
        };
        let Required { specversion, id, source, type_name, subject, time: time_text } = required;
        if bytes(raw, &walk.extra, specversion) != b"1.0" {
            return Err(specversion_unsupported(bytes(raw, &walk.extra, specversion)));
        }
        let time = match line.time {
            Some(time) => time,
            None => time_of(bytes(raw, &walk.extra, time_text))?,
        };
        let partition_key = if line.seen & Attribute::PartitionKey.bit() == 0 {
            Span::ABSENT
        } else {
            optional(raw, walk, line, Attribute::PartitionKey)?
        };
        check_type(bytes(raw, &walk.extra, type_name))?;
        let event_type = match line.event_type {
            Some(event_type) => event_type,
            None => self.type_of_late(raw, walk, type_name),
        };
        self.extract_rest(scanner, walk, line, event_type)?;
        let data = line.value(Attribute::Data);
        let data = if data.kind == Kind::Absent { Span::ABSENT } else { data.span };
        let mut event = Admitted { position, source, id, subject, partition_key, type_name, event_type, time, data };
        // A content type matters to base64 only; a plain one is valid as it stands.
        let content_type_to_check = line.seen & !line.plain & Attribute::DataContentType.bit();
        if content_type_to_check | line.seen & Attribute::DataBase64.bit() == 0 {
            return self.push(raw, chunk, walk, &event, data.of(raw));
        }
        let content_type = optional(raw, walk, line, Attribute::DataContentType)?;
        if matches!(line.value(Attribute::DataBase64).kind, Kind::Absent | Kind::Null) {
            return self.push(raw, chunk, walk, &event, data.of(raw));
        }
        event.data = self.decode_base64(raw, walk, line, (event_type, content_type))?;
        self.push(raw, chunk, walk, &event, &line.decoded)
    }

    /// `type` was written with escapes.
    #[cold]
    fn type_of_late(&self, raw: &[u8], walk: &mut Walk, type_name: Span) -> TypeIdx {
        let event_type = self.type_of(bytes(raw, &walk.extra, type_name));
        begin_captures(walk, self.compiled(event_type));
        event_type
    }

    /// Extracts from `data` if it stood before `type`, and from attributes.
    #[inline(always)]
    fn extract_rest(
        &self,
        scanner: &Scanner<'_>,
        walk: &mut Walk,
        line: &mut LineScratch,
        event_type: TypeIdx,
    ) -> Scan<()> {
        let Some(compiled) = self.compiled(event_type) else { return Ok(()) };
        let data = line.value(Attribute::Data);
        if data.kind != Kind::Absent && !line.data_walked && compiled.data != Node::NONE {
            scanner.value(walk, data.span.start(), 1, compiled.data)?;
        }
        if compiled.reads_attributes { self.extract_attributes(scanner, walk, line, compiled.root) } else { Ok(()) }
    }

    fn extract_attributes(&self, scanner: &Scanner<'_>, walk: &mut Walk, line: &LineScratch, root: Node) -> Scan<()> {
        for (name, node) in self.paths.edges(root) {
            let start = match Attribute::of_name(name) {
                Attribute::Data => None,
                Attribute::Extension => {
                    let text = |key: Key| scanner.key_bytes(key.span, &walk.extra, walk.raw_len);
                    line.extensions.iter().find(|(key, _)| text(*key) == name).map(|(_, start)| *start)
                }
                attribute => match line.value(attribute) {
                    Value { kind: Kind::Absent, .. } => None,
                    Value { kind: Kind::Text | Kind::EscapedText, span } => Some(span.start() - 1),
                    Value { span, .. } => Some(span.start()),
                },
            };
            if let Some(start) = start {
                scanner.value(walk, start, 1, node)?;
            }
        }
        Ok(())
    }

    /// Decodes `data_base64`. JSON is extracted and becomes the event's data; anything else stays in base64, and only its
    /// digest is that of the decoded bytes.
    #[cold]
    fn decode_base64(
        &self,
        raw: &[u8],
        walk: &mut Walk,
        line: &mut LineScratch,
        (event_type, content_type): (TypeIdx, Span),
    ) -> Scan<Span> {
        use base64::Engine as _;
        let invalid = |what: &str| Fault::boxed(RejectCode::AttributeInvalid, format!("`data_base64` {what}"));
        if line.value(Attribute::Data).kind != Kind::Absent {
            return Err(invalid("stands beside `data`; an event has one of them"));
        }
        let value = line.value(Attribute::DataBase64);
        if !matches!(value.kind, Kind::Text | Kind::EscapedText) {
            return Err(invalid("must be a string"));
        }
        let encoded = text_of(raw, walk, value);
        line.decoded.clear();
        base64::engine::general_purpose::STANDARD
            .decode_vec(bytes(raw, &walk.extra, encoded), &mut line.decoded)
            .map_err(|_| invalid("is not base64"))?;
        if !content_type.is_absent() && !is_json(bytes(raw, &walk.extra, content_type)) {
            return Ok(encoded);
        }
        if simdutf8::basic::from_utf8(&line.decoded).is_err() {
            return Err(Fault::boxed(RejectCode::Utf8Invalid, "the decoded `data_base64` is not UTF-8".to_owned()));
        }
        let start = walk.raw_len + walk.extra.len();
        walk.extra.extend_from_slice(&line.decoded);
        let node = self.compiled(event_type).map_or(Node::NONE, |compiled| compiled.data);
        self.walk_value(walk, &line.decoded, start, node)?;
        Ok(span(start, line.decoded.len()))
    }
}

/// Scans an attribute's value that is no plain string.
#[inline(never)]
fn unusual_attribute(
    scanner: &Scanner<'_>,
    at: usize,
    attribute: Attribute,
    (walk, line): (&mut Walk, &mut LineScratch),
) -> Scan<usize> {
    let (kind, end) = scanner.value(walk, at, 1, Node::NONE)?;
    line.set(attribute, scanner.spanned(kind, at, end));
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

#[inline(always)]
fn check_extensions(scanner: &Scanner<'_>, walk: &mut Walk, line: &LineScratch) -> Scan<()> {
    if line.extensions.len() < 2 { Ok(()) } else { check_many_extensions(scanner, walk, line) }
}

fn check_many_extensions(scanner: &Scanner<'_>, walk: &mut Walk, line: &LineScratch) -> Scan<()> {
    let Walk { keys, extra, raw_len, .. } = walk;
    keys.clear();
    keys.extend(line.extensions.iter().map(|(key, _)| *key));
    let text = |span: Span| scanner.key_bytes(span, extra, *raw_len);
    let twice = duplicate(keys, text).map(|key| key_duplicate(text(key.span)));
    keys.clear();
    twice.map_or(Ok(()), Err)
}

/// A string attribute; absent if it is missing or null.
#[inline(always)]
fn optional(raw: &[u8], walk: &mut Walk, line: &LineScratch, attribute: Attribute) -> Scan<Span> {
    let value = line.value(attribute);
    match value.kind {
        Kind::Absent | Kind::Null => return Ok(Span::ABSENT),
        Kind::Text | Kind::EscapedText => {}
        _ => return Err(not_a_string(attribute)),
    }
    let text = text_of(raw, walk, value);
    if text.end() - text.start() > ATTRIBUTE_BYTES_MAX {
        return Err(attribute_too_long(attribute.name(), ATTRIBUTE_BYTES_MAX));
    }
    Ok(text)
}

#[inline(always)]
fn required(raw: &[u8], walk: &mut Walk, line: &LineScratch, attribute: Attribute) -> Scan<Span> {
    let text = optional(raw, walk, line, attribute)?;
    if text.end() == text.start() { Err(attribute_missing(attribute.name())) } else { Ok(text) }
}

#[cold]
fn not_a_string(attribute: Attribute) -> Box<Fault> {
    Fault::boxed(RejectCode::AttributeInvalid, format!("`{}` must be a string", attribute.name()))
}

#[cold]
fn specversion_unsupported(text: &[u8]) -> Box<Fault> {
    let sentence = format!("`specversion` is `{}`; Weir reads CloudEvents `1.0`", shown(text));
    Fault::boxed(RejectCode::SpecversionUnsupported, sentence)
}

#[cold]
fn record_too_long() -> Box<Fault> {
    Fault::boxed(RejectCode::RecordTooLong, format!("the line is longer than {LINE_BYTES_MAX} bytes"))
}

/// A `time` in a less usual form, or none at all.
#[cold]
fn time_of(text: &[u8]) -> Scan<Instant> {
    rfc3339::parse(text).map_err(|fault| {
        let code = match fault {
            TimeFault::Malformed => RejectCode::TimeInvalid,
            TimeFault::OutOfRange => RejectCode::TimeOutOfRange,
        };
        Fault::boxed(code, format!("`time` {fault}: `{}`", shown(text)))
    })
}

/// `application/json`, `text/json`, `application/vnd.acme+json`, each with parameters or without.
fn is_json(content_type: &[u8]) -> bool {
    let media = content_type.split(|&byte| byte == b';').next().unwrap_or_default().trim_ascii().to_ascii_lowercase();
    media.ends_with(b"/json") || media.ends_with(b"+json")
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
fn reject_line(chunk: &mut Chunk, text: &[u8], start: usize, position: u32, fault: Fault) -> usize {
    let end = line_end(text, start);
    let fault = if end - start > LINE_BYTES_MAX { *record_too_long() } else { fault };
    reject(chunk, position, fault, span(start, end - start));
    end + 1
}

#[cfg(test)]
mod tests;
