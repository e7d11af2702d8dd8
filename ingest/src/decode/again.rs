//! Accepted events of an archive into columns again, under another catalog.
//!
//! Their identities, attributes and JSON were checked when they were accepted: what is left is which values the catalog reads, and
//! whether they are what its meters take. Nothing is hashed that the archive or its reader knows already.

use weir_model::catalog::TypeIdx;
use weir_model::event::{Attributes, Chunk, Event, Span};
use weir_model::hash::{Fingerprint, RouteHash, shard_of};
use weir_model::time::Instant;

use super::{DecodeScratch, Decoder, begin_captures, extract, index, made_text, prepare, reject};
use crate::json::{Kind, Node, Value};

/// An accepted event. Spans point into the chunk's text, which must be UTF-8.
#[derive(Debug, Clone, Copy)]
pub struct AcceptedEvent {
    /// Keyed hash of the subject.
    pub subject_hash: RouteHash,
    /// The identity; may be left at zero where no order is asked for.
    pub fingerprint: Fingerprint,
    /// The catalog's type: see [`Decoder::event_type`].
    pub event_type: TypeIdx,
    /// CloudEvents `time`.
    pub time: Instant,
    /// CloudEvents `subject`.
    pub subject: Span,
    /// CloudEvents `type`, if the catalog reads it as a value.
    pub type_name: Span,
    /// CloudEvents `source`; absent together with the id where no order is asked for.
    pub source: Span,
    /// CloudEvents `id`.
    pub id: Span,
    /// JSON text; [`Span::ABSENT`] without data.
    pub data: Span,
}

impl Decoder {
    /// The catalog's type of this name; [`TypeIdx::UNKNOWN`] if no meter reads it.
    pub fn event_type(&self, name: &[u8]) -> TypeIdx {
        self.type_of(name)
    }

    /// Whether of events of a type nothing but `data` is read.
    pub fn reads_only_data(&self, event_type: TypeIdx) -> bool {
        self.compiled(event_type).is_none_or(|compiled| !compiled.reads_attributes)
    }

    /// Adds accepted events, whose home is the shard of their subject; columns that only rows and digests need stay
    /// empty. One whose values this catalog's meters do not take
    /// becomes a rejection; data that is no JSON came as `data_base64`, and nothing is read from it.
    pub fn admit_again(
        &self,
        chunk: &mut Chunk,
        scratch: &mut DecodeScratch,
        events: impl Iterator<Item = AcceptedEvent>,
    ) {
        let mut text = std::mem::take(&mut chunk.text);
        prepare(chunk, &mut scratch.walk, &text, self.shards);
        for event in events {
            self.add_again(&text, chunk, scratch, &event);
        }
        text.append(&mut scratch.walk.extra);
        chunk.text = text;
    }

    fn add_again(&self, raw: &[u8], chunk: &mut Chunk, scratch: &mut DecodeScratch, event: &AcceptedEvent) {
        let walk = &mut scratch.walk;
        let compiled = self.compiled(event.event_type).filter(|compiled| compiled.captures > 0);
        begin_captures(walk, compiled);
        if let Some(compiled) = compiled {
            if compiled.data != Node::NONE
                && !event.data.is_absent()
                && self.walk_value(walk, event.data.of(raw), event.data.start(), compiled.data).is_err()
            {
                walk.captured.fill(Value::default());
            }
            for (name, node) in self.paths.edges(compiled.root).filter(|_| compiled.reads_attributes) {
                let span = match name {
                    b"id" => event.id,
                    b"source" => event.source,
                    b"subject" => event.subject,
                    b"type" => event.type_name,
                    b"time" => made_text(walk, &event.time.to_string()),
                    _ => Span::ABSENT,
                };
                if !span.is_absent()
                    && let Some(place) = self.paths.capture(node).and_then(|capture| walk.captured.get_mut(capture))
                {
                    *place = Value { kind: Kind::Text, span };
                }
            }
        }
        let Some(batch) = chunk.batches.get_mut(shard_of(event.subject_hash, self.shards)) else { return };
        let (first_value, first_text) = (batch.values.len(), batch.texts.len());
        if let Some(compiled) = compiled
            && let Err(fault) = extract(raw, walk, compiled, batch)
        {
            batch.values.truncate(first_value);
            batch.texts.truncate(first_text);
            reject(chunk, 0, *fault, event.data);
            return;
        }
        batch.fingerprint.push(event.fingerprint);
        let AcceptedEvent { subject_hash, event_type, time, subject, type_name, source, id, data, .. } = *event;
        let (first_value, first_text) = (index(first_value), index(first_text));
        batch.events.push(Event { subject_hash, time, event_type, position: 0, first_value, first_text });
        batch.attributes.push(Attributes { subject, source, id, type_name, data });
    }
}
