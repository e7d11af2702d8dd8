//! From a line's scanned members to an event: required attributes, what is left to extract, `data_base64`.
//!
//! Owns: which CloudEvents are valid beyond their JSON. Keeps L3: whatever is wrong is a fault with a code, in a fixed order.

use weir_model::catalog::TypeIdx;
use weir_model::event::{Chunk, Span};
use weir_model::limits::ATTRIBUTE_BYTES_MAX;
use weir_model::time::Instant;
use weir_model::verdict::RejectCode;

use super::attributes::Attribute;
use super::scratch::LineScratch;
use crate::decode::values::{bytes, text_of};
use crate::decode::{
    Admitted, DecodeScratch, Decoder, MissingTime, attribute_missing, attribute_too_long, begin_captures, check_type,
};
use crate::json::{Fault, Key, Kind, Node, Scan, Scanner, Value, Walk, duplicate, key_duplicate, shown, span};
use crate::rfc3339::{self, TimeFault};

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
    fn any(raw: &[u8], walk: &mut Walk, line: &LineScratch, missing: MissingTime) -> Scan<Required> {
        let time = match missing {
            MissingTime::LogTime => optional(raw, walk, line, Attribute::Time)?,
            MissingTime::Rejected => Span::ABSENT,
        };
        let mut text = |attribute| required(raw, walk, line, attribute);
        Ok(Required {
            specversion: text(Attribute::Specversion)?,
            id: text(Attribute::Id)?,
            source: text(Attribute::Source)?,
            type_name: text(Attribute::Type)?,
            subject: text(Attribute::Subject)?,
            time: if missing == MissingTime::LogTime { time } else { text(Attribute::Time)? },
        })
    }
}

impl Decoder {
    /// Checks the attributes, extracts what is still missing, and pushes the event onto its shard's columns.
    #[inline(always)]
    pub(super) fn finish(
        &self,
        scanner: &Scanner<'_>,
        position: u32,
        chunk: &mut Chunk,
        scratch: &mut DecodeScratch,
    ) -> Scan<()> {
        let DecodeScratch { walk, line, .. } = scratch;
        let raw = scanner.text;
        check_extensions(scanner, walk, line)?;
        let required = if line.plain & Attribute::REQUIRED == Attribute::REQUIRED {
            Required::plain(line)
        } else {
            Required::any(raw, walk, line, self.missing_time)?
        };
        let Required { specversion, id, source, type_name, subject, time: time_text } = required;
        if bytes(raw, &walk.extra, specversion) != b"1.0" {
            return Err(specversion_unsupported(bytes(raw, &walk.extra, specversion)));
        }
        let time = match line.time {
            Some(time) => time,
            None if time_text.is_absent() => Instant::OF_THE_LOG,
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
pub(crate) fn is_json(content_type: &[u8]) -> bool {
    let media = content_type.split(|&byte| byte == b';').next().unwrap_or_default().trim_ascii().to_ascii_lowercase();
    media.ends_with(b"/json") || media.ends_with(b"+json")
}
