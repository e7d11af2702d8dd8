//! One event of a batch, as a charge sees it: its value, its dimensions, its hash; and the usage that it becomes there.

use weir_model::aggregation::Observation;
use weir_model::catalog::FilterTerm;
use weir_model::event::{EventBatch, Span};
use weir_model::hash::{Digest, HashKey};
use weir_model::number::{Amount, Quantity};
use weir_model::price::CellIdx;

use crate::at;
use crate::buckets::BucketKey;
use crate::plan::CompiledCharge;

/// One event at one charge, on its way to its bucket.
#[derive(Debug, Clone, Copy)]
pub struct Usage {
    /// The event's index in its batch.
    pub event: u32,
    pub key: BucketKey,
    pub cell: CellIdx,
    pub value: Quantity,
    pub own: Amount,
    /// Hash of the bucket's key.
    pub hash: u64,
}

/// One event of a batch.
#[derive(Clone, Copy)]
pub struct EventView<'a> {
    /// What the batch's spans point into.
    pub text: &'a [u8],
    pub batch: &'a EventBatch,
    /// The event's index.
    pub i: usize,
}

impl<'a> EventView<'a> {
    /// The number in a slot.
    pub fn value(&self, slot: u16) -> Option<i128> {
        let first = at(*self.batch.first_value.get(self.i)?);
        self.batch.values.get(first.saturating_add(usize::from(slot)))?.get()
    }

    /// The text in a slot.
    pub fn text(&self, slot: u16) -> Option<&'a str> {
        let first = at(*self.batch.first_text.get(self.i)?);
        let span = self.batch.texts.get(first.saturating_add(usize::from(slot)))?;
        (!span.is_absent()).then(|| std::str::from_utf8(span.of(self.text)).expect("decoded text is UTF-8"))
    }

    /// The value and own amount that a charge sees. `None`: it does not select this event.
    pub fn observe(&self, compiled: &CompiledCharge) -> Option<(Quantity, Amount)> {
        let passes =
            |term: &FilterTerm| self.text(term.slot).is_some_and(|value| term.values.iter().any(|v| v == value));
        if !compiled.filter.iter().all(passes) {
            return None;
        }
        let value = match (compiled.value, compiled.distinct) {
            (Some(slot), _) => Quantity::from_scaled(self.value(slot)?),
            (None, Some(slot)) => self.text(slot).map(|_| compiled.one)?,
            (None, None) => compiled.one,
        };
        let own = match compiled.own {
            Some(slot) => Amount::from_scaled(self.value(slot)?).ok()?,
            None => Amount::ZERO,
        };
        Some((value, own))
    }

    /// What an aggregation that is not additive folds.
    pub fn observation(&self, compiled: &CompiledCharge, value: Quantity, key: &HashKey) -> Observation<'a> {
        let text = |column: &[Span]| column.get(self.i).map_or(&[][..], |span| span.of(self.text));
        let distinct = compiled.distinct.and_then(|slot| self.text(slot)).map_or(0, |text| key.text(text.as_bytes()));
        Observation {
            value,
            distinct,
            time: self.batch.time.get(self.i).copied().unwrap_or_default(),
            source: text(&self.batch.source),
            id: text(&self.batch.id),
        }
    }

    /// The hash that the event adds to its bucket's digest.
    pub fn digest(&self) -> Digest {
        let columns = self.batch.fingerprint.get(self.i).zip(self.batch.payload.get(self.i));
        columns.map_or(Digest::default(), |(fingerprint, payload)| Digest::of_event(*fingerprint, *payload))
    }
}
