//! Events into per-shard columns: the part that NDJSON and mapped rows share (design.md 4.1).
//!
//! Owns: which values of an event are extracted, the limits of attributes, routing, fingerprints and payload digests (L2),
//! and that a bad event is rejected alone (L3). Does not own: the grammar of lines (`ndjson`) and of rows (`columns`), nor
//! what events cost. Nothing here allocates per event once the buffers have grown.

mod again;
mod types;
pub(crate) mod values;

use std::sync::atomic::{AtomicU64, Ordering};

use weir_model::catalog::{Catalog, Path, TypeIdx, ValueSlot};
use weir_model::event::{Attributes, Chunk, Event, EventBatch, Span};
use weir_model::hash::{HashKey, shard_of};
use weir_model::limits::{ATTRIBUTE_BYTES_MAX, LINE_BYTES_MAX};
use weir_model::time::Instant;
use weir_model::verdict::{RejectCode, Rejection};

use crate::json::{Fault, Kind, Node, Paths, Scan, Scanner, Value, Walk, shown};
use crate::ndjson::{LineScratch, Shapes};
pub use again::AcceptedEvent;
use types::TypeTable;
use values::{bytes, dimension, number};

/// Types that only Weir's own corrections bear.
const RESERVED_PREFIX: &[u8] = b"weir.";

/// Decodes events for one catalog, key and number of shards. Immutable: threads share it, each with its own
/// [`DecodeScratch`].
#[derive(Debug)]
pub struct Decoder {
    pub(crate) types: Vec<CompiledType>,
    by_name: TypeTable,
    pub(crate) paths: Paths,
    key: HashKey,
    shards: u16,
    pub(crate) missing_time: MissingTime,
    /// Told apart from every other decoder of the process.
    pub(crate) number: u64,
}

/// What an event without `time` is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum MissingTime {
    /// Rejected: in files nobody knows when it was sent.
    #[default]
    Rejected,
    /// It happened when the log took it: its time is [`Instant::OF_THE_LOG`] until the caller sets it, in the payload digest forever, so
    /// that a second copy is a duplicate.
    LogTime,
}

/// Numbers of decoders; 0 is none's.
static NEXT_NUMBER: AtomicU64 = AtomicU64::new(1);

/// An event type, ready for extraction.
#[derive(Debug)]
pub(crate) struct CompiledType {
    seed: u64,
    /// Number of different paths.
    pub(crate) captures: usize,
    /// The event itself; its children are `data` and attributes.
    pub(crate) root: Node,
    /// `data` below the root.
    pub(crate) data: Node,
    /// Whether a path begins at an attribute.
    pub(crate) reads_attributes: bool,
    values: Vec<(usize, ValueSlot)>,
    texts: Vec<(usize, Path)>,
}

/// Memory that one thread keeps between chunks.
#[derive(Debug, Default)]
pub struct DecodeScratch {
    pub(crate) walk: Walk,
    pub(crate) line: LineScratch,
    pub(crate) shapes: Shapes,
}

impl DecodeScratch {
    /// Empty.
    pub fn new() -> DecodeScratch {
        DecodeScratch::default()
    }
}

/// An event that a mapping made from a row. Spans point into the chunk's text.
#[derive(Debug, Clone, Copy)]
pub struct RawEvent {
    /// Position of the row, counted from the chunk's first.
    pub position: u32,
    /// CloudEvents `source`.
    pub source: Span,
    /// CloudEvents `id`.
    pub id: Span,
    /// CloudEvents `subject`.
    pub subject: Span,
    /// CloudEvents `partitionkey`; [`Span::ABSENT`] without one.
    pub partition_key: Span,
    /// CloudEvents `type`.
    pub event_type: Span,
    /// CloudEvents `time`.
    pub time: Instant,
    /// JSON text; [`Span::ABSENT`] without data.
    pub data: Span,
    /// The row itself, for the quarantine.
    pub record: Span,
}

/// An event whose attributes are valid, on its way into the columns.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Admitted {
    pub(crate) position: u32,
    pub(crate) source: Span,
    pub(crate) id: Span,
    pub(crate) subject: Span,
    /// Absent or empty: the subject is the route key.
    pub(crate) partition_key: Span,
    pub(crate) type_name: Span,
    pub(crate) event_type: TypeIdx,
    pub(crate) time: Instant,
    pub(crate) data: Span,
}

impl Decoder {
    /// Compiles the catalog's event types. `shards` is at least 1.
    pub fn new(catalog: &Catalog, key: HashKey, shards: u16) -> Decoder {
        let mut paths = Paths::default();
        let types: Vec<CompiledType> =
            catalog.event_types.iter().map(|event_type| CompiledType::new(event_type, &key, &mut paths)).collect();
        let by_name =
            TypeTable::new(catalog.event_types.iter().map(|event_type| event_type.name.as_bytes().into()).collect());
        let number = NEXT_NUMBER.fetch_add(1, Ordering::Relaxed);
        Decoder { types, by_name, paths, key, shards: shards.max(1), missing_time: MissingTime::Rejected, number }
    }

    /// The same with another rule for events without `time`.
    #[must_use]
    pub fn with_missing_time(self, missing_time: MissingTime) -> Decoder {
        Decoder { missing_time, ..self }
    }

    /// Number of shards, and so of batches in a chunk.
    pub fn shards(&self) -> u16 {
        self.shards
    }

    /// The catalog's type of this name.
    #[inline(always)]
    pub(crate) fn type_of(&self, name: &[u8]) -> TypeIdx {
        self.by_name.find(name)
    }

    #[inline(always)]
    pub(crate) fn compiled(&self, event_type: TypeIdx) -> Option<&CompiledType> {
        self.types.get(event_type.at())
    }

    /// Adds an event that a mapping made: extraction, limits and routing are those of NDJSON. What is wrong with it becomes
    /// a rejection.
    pub fn admit(&self, chunk: &mut Chunk, scratch: &mut DecodeScratch, event: &RawEvent) {
        let mut text = std::mem::take(&mut chunk.text);
        prepare(chunk, &mut scratch.walk, &text, self.shards);
        chunk.received += 1;
        if let Err(fault) = self.try_admit(&text, chunk, scratch, event) {
            scratch.walk.extra.clear();
            reject(chunk, event.position, *fault, event.record);
        }
        text.append(&mut scratch.walk.extra);
        chunk.text = text;
    }

    fn try_admit(&self, raw: &[u8], chunk: &mut Chunk, scratch: &mut DecodeScratch, event: &RawEvent) -> Scan<()> {
        let RawEvent { position, source, id, subject, partition_key, event_type: type_name, time, data, .. } = *event;
        for (name, span) in [("id", id), ("source", source), ("type", type_name), ("subject", subject)] {
            check_attribute(name, span.of(raw))?;
        }
        for (name, span) in [("partitionkey", partition_key), ("data", data)] {
            check_text(name, span.of(raw), LINE_BYTES_MAX)?;
        }
        check_text("partitionkey", partition_key.of(raw), ATTRIBUTE_BYTES_MAX)?;
        check_type(type_name.of(raw))?;
        if time < Instant::EVENT_MIN || time >= Instant::EVENT_END {
            let sentence = format!("`time` is outside 1970 to 2199: `{time}`");
            return Err(Fault::boxed(RejectCode::TimeOutOfRange, sentence));
        }
        let walk = &mut scratch.walk;
        let event_type = self.type_of(type_name.of(raw));
        let compiled = self.compiled(event_type);
        begin_captures(walk, compiled);
        if !data.is_absent() {
            let node = compiled.map_or(Node::NONE, |compiled| compiled.data);
            self.walk_value(walk, data.of(raw), data.start(), node)?;
        }
        if let Some(compiled) = compiled.filter(|compiled| compiled.reads_attributes) {
            for (name, node) in self.paths.edges(compiled.root) {
                let span = match name {
                    b"id" => id,
                    b"source" => source,
                    b"subject" => subject,
                    b"type" => type_name,
                    b"partitionkey" => partition_key,
                    b"time" => made_text(walk, &time.to_string()),
                    _ => Span::ABSENT,
                };
                if !span.is_absent()
                    && let Some(place) = self.paths.capture(node).and_then(|capture| walk.captured.get_mut(capture))
                {
                    *place = Value { kind: Kind::Text, span };
                }
            }
        }
        let admitted = Admitted { position, source, id, subject, partition_key, type_name, event_type, time, data };
        self.push(raw, chunk, walk, &admitted, data.of(raw))
    }

    /// Scans a whole JSON text by itself, which stands at `base` of the chunk's text, and captures from it.
    pub(crate) fn walk_value(&self, walk: &mut Walk, text: &[u8], base: usize, node: Node) -> Scan<()> {
        walk.keys.clear();
        let scanner = Scanner::of_value(text, base, &self.paths, " of `data`");
        let (_, end) = scanner.value(walk, scanner.skip_blank(0), 1, node)?;
        let end = scanner.skip_blank(end);
        if end < text.len() { Err(scanner.unexpected(end, "the end")) } else { Ok(()) }
    }

    /// Converts the captured values and pushes one row onto its shard's columns.
    #[inline(always)]
    pub(crate) fn push(
        &self,
        raw: &[u8],
        chunk: &mut Chunk,
        walk: &mut Walk,
        event: &Admitted,
        payload: &[u8],
    ) -> Scan<()> {
        let subject_hash = self.key.route(bytes(raw, &walk.extra, event.subject));
        let partition_key = bytes(raw, &walk.extra, event.partition_key);
        let route = if partition_key.is_empty() { subject_hash } else { self.key.route(partition_key) };
        let compiled = self.compiled(event.event_type);
        let seed = match compiled {
            Some(compiled) => compiled.seed,
            None => self.key.type_seed(bytes(raw, &walk.extra, event.type_name)),
        };
        let source = bytes(raw, &walk.extra, event.source);
        let fingerprint = self.key.event(route, source, bytes(raw, &walk.extra, event.id));
        let digest = self.key.payload(seed, event.time.micros(), payload);
        let Some(batch) = chunk.batches.get_mut(shard_of(route, self.shards)) else { return Ok(()) };
        let (first_value, first_text) = (batch.values.len(), batch.texts.len());
        if let Some(compiled) = compiled
            && let Err(fault) = extract(raw, walk, compiled, batch)
        {
            batch.values.truncate(first_value);
            batch.texts.truncate(first_text);
            return Err(fault);
        }
        batch.fingerprint.push(fingerprint);
        batch.payload.push(digest);
        let Admitted { position, source, id, subject, type_name, event_type, time, data, .. } = *event;
        let (first_value, first_text) = (index(first_value), index(first_text));
        batch.events.push(Event { subject_hash, time, event_type, position, first_value, first_text });
        batch.attributes.push(Attributes { subject, source, id, type_name, data });
        Ok(())
    }
}

/// Slots are fewer than bytes of the catalog times events of a chunk: far below 2^32.
#[inline(always)]
#[allow(clippy::cast_possible_truncation)]
fn index(slot: usize) -> u32 {
    slot as u32
}

#[inline(always)]
fn extract(raw: &[u8], walk: &mut Walk, compiled: &CompiledType, batch: &mut EventBatch) -> Scan<()> {
    for (capture, slot) in &compiled.values {
        let value = walk.captured.get(*capture).copied().unwrap_or_default();
        batch.values.push(number(raw, walk, slot, value)?);
    }
    for (capture, path) in &compiled.texts {
        let value = walk.captured.get(*capture).copied().unwrap_or_default();
        batch.texts.push(dimension(raw, walk, path, value)?);
    }
    Ok(())
}

/// Makes room for what an event of this type brings.
#[inline(always)]
pub(crate) fn begin_captures(walk: &mut Walk, compiled: Option<&CompiledType>) {
    let Some(compiled) = compiled else { return };
    // What a type before this one captured beyond these is never read.
    match walk.captured.get_mut(..compiled.captures) {
        Some(places) => places.fill(Value::default()),
        None => grow_captures(walk, compiled.captures),
    }
}

#[cold]
fn grow_captures(walk: &mut Walk, captures: usize) {
    walk.captured.clear();
    walk.captured.resize(captures, Value::default());
}

/// Readies `chunk` and `walk` for events in `text`.
///
/// # Panics
/// If the text could outgrow its spans: unescaping appends at most once its own length, and spans count to 4 GiB.
pub(crate) fn prepare(chunk: &mut Chunk, walk: &mut Walk, text: &[u8], shards: u16) {
    assert!(text.len() < 1 << 31, "a chunk's text must stay below 2 GiB");
    walk.raw_len = text.len();
    walk.extra.clear();
    if chunk.batches.len() < usize::from(shards) {
        chunk.batches.resize_with(usize::from(shards), EventBatch::default);
    }
}

/// Records a rejection. The record is cut off at the longest a record may be.
#[cold]
pub(crate) fn reject(chunk: &mut Chunk, position: u32, fault: Fault, record: Span) {
    let length = (record.end() - record.start()).min(LINE_BYTES_MAX);
    let record = crate::json::span(record.start(), length);
    let Fault { code, sentence } = fault;
    chunk.rejected.push(Rejection { position, code, sentence, record });
}

fn made_text(walk: &mut Walk, text: &str) -> Span {
    let start = walk.raw_len + walk.extra.len();
    walk.extra.extend_from_slice(text.as_bytes());
    crate::json::span(start, text.len())
}

fn check_attribute(name: &str, text: &[u8]) -> Scan<()> {
    if text.is_empty() {
        return Err(attribute_missing(name));
    }
    check_text(name, text, ATTRIBUTE_BYTES_MAX)
}

fn check_text(name: &str, text: &[u8], length_max: usize) -> Scan<()> {
    if text.len() > length_max {
        return Err(attribute_too_long(name, length_max));
    }
    if simdutf8::basic::from_utf8(text).is_err() {
        return Err(Fault::boxed(RejectCode::Utf8Invalid, format!("`{name}` is not UTF-8: `{}`", shown(text))));
    }
    Ok(())
}

/// Types that begin with `weir.` are Weir's own.
#[inline(always)]
pub(crate) fn check_type(name: &[u8]) -> Scan<()> {
    if name.starts_with(RESERVED_PREFIX) { Err(type_reserved(name)) } else { Ok(()) }
}

#[cold]
fn type_reserved(name: &[u8]) -> Box<Fault> {
    let sentence = format!("`type` is `{}`; types that begin with `weir.` are reserved", shown(name));
    Fault::boxed(RejectCode::TypeReserved, sentence)
}

#[cold]
pub(crate) fn attribute_missing(name: &str) -> Box<Fault> {
    Fault::boxed(RejectCode::AttributeMissing, format!("`{name}` is missing or empty"))
}

#[cold]
pub(crate) fn attribute_too_long(name: &str, length_max: usize) -> Box<Fault> {
    Fault::boxed(RejectCode::AttributeInvalid, format!("`{name}` is longer than {length_max} bytes"))
}

impl CompiledType {
    fn new(event_type: &weir_model::catalog::EventType, key: &HashKey, paths: &mut Paths) -> CompiledType {
        let root = paths.root();
        let mut captures = 0;
        let values = event_type
            .values
            .iter()
            .map(|slot| (paths.want(root, &slot.path.0, &mut captures), slot.clone()))
            .collect();
        let texts = event_type
            .texts
            .iter()
            .map(|slot| (paths.want(root, &slot.path.0, &mut captures), slot.path.clone()))
            .collect();
        let edges = || paths.edges(root);
        let data = edges().find(|(name, _)| *name == b"data").map_or(Node::NONE, |(_, node)| node);
        let reads_attributes = edges().any(|(name, _)| name != b"data");
        CompiledType {
            seed: key.type_seed(event_type.name.as_bytes()),
            captures: captures as usize,
            root,
            data,
            reads_attributes,
            values,
            texts,
        }
    }
}
