//! One event of a batch, as a charge sees it: its value, its dimensions, its hash; and the usage that it becomes there.

use weir_model::aggregation::Observation;
use weir_model::catalog::{FilterTerm, TypeIdx};
use weir_model::event::{Attributes, Event, EventBatch, Span};
use weir_model::hash::{Digest, HashKey};
use weir_model::number::{Amount, Quantity};
use weir_model::price::CellIdx;
use weir_model::time::Instant;

use crate::at;
use crate::buckets::BucketKey;
use crate::plan::{CompiledCharge, Plain, Resource};

/// One event at one charge, on its way to its bucket.
#[derive(Debug, Clone, Copy)]
pub struct Usage {
    /// The event's index in its batch.
    pub event: u32,
    pub key: BucketKey,
    /// The price version in force at the start of the bucket.
    pub version: u32,
    pub cell: CellIdx,
    /// The event's value at the first meter of the charge that selects it.
    pub value: Quantity,
    /// Hash of the bucket's key.
    pub hash: u64,
    /// Whether the bucket keeps more than one quantity.
    pub has_extra: bool,
}

/// One event of a batch.
#[derive(Debug, Clone, Copy)]
pub struct EventView<'a> {
    /// What the batch's spans point into.
    pub text: &'a [u8],
    /// The batch.
    pub batch: &'a EventBatch,
    /// The event's index.
    pub i: usize,
}

impl<'a> EventView<'a> {
    fn event(&self) -> Option<&'a Event> {
        self.batch.events.get(self.i)
    }

    /// The number in a slot.
    pub(crate) fn value(&self, slot: u16) -> Option<i128> {
        let first = at(self.event()?.first_value);
        self.batch.values.get(first.saturating_add(usize::from(slot)))?.get()
    }

    /// The text in a slot.
    pub(crate) fn text(&self, slot: u16) -> Option<&'a str> {
        let first = at(self.event()?.first_text);
        let span = self.batch.texts.get(first.saturating_add(usize::from(slot)))?;
        (!span.is_absent()).then(|| std::str::from_utf8(span.of(self.text)).expect("decoded text is UTF-8"))
    }

    /// Appends the texts in some slots, so that different ones differ.
    pub(crate) fn push_texts(&self, slots: &[u16], bytes: &mut Vec<u8>) {
        for slot in slots {
            // Lengths go first, so that values cannot run together; an absent value has a length that none has.
            let value = self.text(*slot);
            let len = value.map_or(u32::MAX, |value| u32::try_from(value.len()).unwrap_or(u32::MAX));
            bytes.extend_from_slice(&len.to_le_bytes());
            bytes.extend_from_slice(value.unwrap_or_default().as_bytes());
        }
    }

    /// When it happened.
    pub(crate) fn time(&self) -> Instant {
        self.event().map(|event| event.time).unwrap_or_default()
    }

    /// The event's value at a plain charge. `None`: the charge does not select it.
    #[inline]
    pub(crate) fn plain_value(&self, plain: Plain) -> Option<Quantity> {
        match plain.value {
            Some(slot) => self.value(slot).map(Quantity::from_scaled),
            None => Some(plain.one),
        }
    }

    /// The first meter of a charge that selects this event, and the event's value there. `None`: no meter does.
    pub(crate) fn observe<'c>(&self, compiled: &'c CompiledCharge) -> Option<(&'c Resource, Quantity)> {
        let event_type = self.event_type();
        compiled.resources.iter().find_map(|resource| Some((resource, self.observe_at(resource, event_type)?)))
    }

    /// Its type.
    pub fn event_type(&self) -> TypeIdx {
        self.event().map_or(TypeIdx::UNKNOWN, |event| event.event_type)
    }

    /// The event's value at a meter. `None`: the meter does not select it.
    fn observe_at(&self, resource: &Resource, event_type: TypeIdx) -> Option<Quantity> {
        let passes =
            |term: &FilterTerm| self.text(term.slot).is_some_and(|value| term.values.iter().any(|v| v == value));
        if resource.event_type != event_type || !resource.filter.iter().all(passes) {
            return None;
        }
        Some(match (resource.value, resource.distinct) {
            (Some(slot), _) => Quantity::from_scaled(self.value(slot)?),
            (None, Some(slot)) => self.text(slot).map(|_| resource.one)?,
            (None, None) => resource.one,
        })
    }

    /// Whether the event brings an amount of its own.
    pub(crate) fn brings_own(&self, resource: &Resource) -> bool {
        resource.own.is_some_and(|slot| self.value(slot).is_some())
    }

    /// What the event brings to each meter of a charge.
    pub(crate) fn observations(&self, compiled: &CompiledCharge, key: &HashKey) -> Vec<Option<Observation<'a>>> {
        let event_type = self.event_type();
        let observe = |resource: &Resource| {
            let value = self.observe_at(resource, event_type)?;
            Some(self.observation(resource, value, key))
        };
        compiled.resources.iter().map(observe).collect()
    }

    /// What the event brings to one meter, at which it has this value.
    pub(crate) fn observation(&self, resource: &Resource, value: Quantity, key: &HashKey) -> Observation<'a> {
        let said = self.batch.attributes.get(self.i);
        let text = |of: fn(&Attributes) -> Span| said.map_or(&[][..], |said| of(said).of(self.text));
        let distinct = resource.distinct.and_then(|slot| self.text(slot)).map_or(0, |text| key.text(text.as_bytes()));
        // Decoding holds amounts within their bound.
        let own = resource.own.and_then(|slot| Amount::from_scaled(self.value(slot)?).ok()).unwrap_or_default();
        Observation {
            value,
            own,
            distinct,
            time: self.time(),
            source: text(|said| said.source),
            id: text(|said| said.id),
            estimated: resource.estimated.and_then(|slot| self.text(slot)) == Some("true"),
            fingerprint: self.batch.fingerprint.get(self.i).map_or(0, |fingerprint| fingerprint.0),
        }
    }

    /// The hash that the event adds to its bucket's digest.
    pub(crate) fn digest(&self) -> Digest {
        let columns = self.batch.fingerprint.get(self.i).zip(self.batch.payload.get(self.i));
        columns.map_or(Digest::default(), |(fingerprint, payload)| Digest::of_event(*fingerprint, *payload))
    }
}
