//! Archived events for the rater: their texts in a chunk, and of `data` only the paths that the catalog reads.

use std::sync::Mutex;

use anyhow::{Result, anyhow};
use arrow_array::cast::AsArray;
use arrow_array::types::Int32Type;
use arrow_array::{Array, ArrayRef, DictionaryArray, RecordBatch, StringArray};
use weir_ingest::{AcceptedEvent, DecodeScratch, Decoder};
use weir_model::catalog::TypeIdx;
use weir_model::event::{Chunk, Span};
use weir_model::hash::{Fingerprint, HashKey, RouteHash};
use weir_model::rated::ShardOutput;
use weir_model::time::Instant;
use weir_rater::Shard;

use super::engine::lock;
use crate::explain::archive::{Rows, Texts, required};

/// What one thread hands to the shards event by event.
pub struct RowReader<'r> {
    shards: &'r [Mutex<Shard>],
    /// The shard that it hands to first: threads start at different ones.
    first: usize,
    decoder: &'r Decoder,
    chunk: Chunk,
    scratch: DecodeScratch,
    output: ShardOutput,
    events: Vec<AcceptedEvent>,
    subjects: Subjects,
    /// How many the catalog rejects.
    pub rejected: u64,
}

impl<'r> RowReader<'r> {
    /// A reader that hands to the shard `first` first.
    pub fn new(shards: &'r [Mutex<Shard>], first: usize, decoder: &'r Decoder) -> RowReader<'r> {
        RowReader {
            shards,
            first,
            decoder,
            chunk: Chunk::new(shards.len()),
            scratch: DecodeScratch::new(),
            output: ShardOutput::default(),
            events: Vec::new(),
            subjects: Subjects::default(),
            rejected: 0,
        }
    }

    /// Rates some rows of a batch, whose types and times are these.
    pub fn rate(&mut self, batch: &RecordBatch, of: (&RowTypes<'_>, &[i64]), rows: &[u32]) -> Result<()> {
        self.chunk.clear();
        self.collect(batch, of, rows)?;
        self.decoder.admit_again(&mut self.chunk, &mut self.scratch, self.events.drain(..));
        self.rejected += u64::try_from(self.chunk.rejected.len())?;
        for step in 0..self.shards.len() {
            let number = (self.first + step) % self.shards.len();
            let batch = &self.chunk.batches[number];
            if !batch.is_empty() {
                self.output.clear();
                lock(&self.shards[number]).resume(&self.chunk.text, batch, &mut self.output);
            }
        }
        Ok(())
    }

    /// The events, with their texts in the chunk.
    fn collect(&mut self, batch: &RecordBatch, (types, times): (&RowTypes<'_>, &[i64]), wanted: &[u32]) -> Result<()> {
        let rows = Rows(batch);
        let text = &mut self.chunk.text;
        let mut spans = |name| TextSpans::of(batch, name, text);
        let (type_names, data, source, id) = (spans("type")?, spans("data")?, spans("source")?, spans("id")?);
        let fingerprint = batch.column_by_name("fingerprint").map(|_| rows.hashes("fingerprint")).transpose()?;
        let subject = rows.texts("subject")?;
        self.subjects.begin(&subject);
        let mut last: Option<(&str, RouteHash, Span)> = None;
        for &row in wanted {
            let i = usize::try_from(row)?;
            let name = subject.required(i)?;
            let (hash, span) = match last {
                Some((known, hash, span)) if known == name => (hash, span),
                _ => {
                    let start = u32::try_from(text.len())?;
                    text.extend_from_slice(name.as_bytes());
                    (self.subjects.hash(&subject, i, name), Span::new(start, u32::try_from(name.len())?))
                }
            };
            last = Some((name, hash, span));
            self.events.push(AcceptedEvent {
                subject_hash: hash,
                fingerprint: Fingerprint(fingerprint.as_ref().map(|of| required(of(i))).transpose()?.unwrap_or(0)),
                event_type: types.get(i),
                time: Instant::from_micros(times.get(i).copied().unwrap_or_default()),
                subject: span,
                type_name: type_names.get(i),
                source: source.get(i),
                id: id.get(i),
                data: data.get(i),
            });
        }
        Ok(())
    }
}

/// The catalog's types of a batch's rows.
pub enum RowTypes<'b> {
    /// By key of the dictionary.
    Dictionary(&'b [i32], Vec<TypeIdx>),
    /// By row.
    Plain(Vec<TypeIdx>),
}

impl<'b> RowTypes<'b> {
    /// The types of these names.
    pub fn of(decoder: &Decoder, texts: &Texts<'b>) -> RowTypes<'b> {
        let type_of = |name: Option<&str>| decoder.event_type(name.unwrap_or_default().as_bytes());
        match texts {
            Texts::Dictionary(keys, values) => {
                RowTypes::Dictionary(keys.keys().values(), values.iter().map(type_of).collect())
            }
            Texts::Plain(values) => RowTypes::Plain(values.iter().map(type_of).collect()),
        }
    }

    /// The type of a row.
    #[inline]
    pub fn get(&self, i: usize) -> TypeIdx {
        let found = match self {
            RowTypes::Dictionary(keys, types) => {
                keys.get(i).and_then(|key| types.get(usize::try_from(*key).unwrap_or(usize::MAX)))
            }
            RowTypes::Plain(types) => types.get(i),
        };
        found.copied().unwrap_or(TypeIdx::UNKNOWN)
    }
}

/// Texts of a dictionary that many batches share.
#[derive(Default)]
pub struct SharedTexts(Option<StringArray>);

impl SharedTexts {
    /// Whether these are others than those before, which are forgotten then.
    pub fn change(&mut self, values: &StringArray) -> bool {
        let is_same =
            |known: &StringArray| known.values().as_ptr() == values.values().as_ptr() && known.len() == values.len();
        let changes = !self.0.as_ref().is_some_and(is_same);
        if changes {
            // Held, so that no other dictionary comes to lie in the same place.
            self.0 = Some(values.clone());
        }
        changes
    }
}

/// Hashes of the subjects of one dictionary.
#[derive(Default)]
struct Subjects {
    values: SharedTexts,
    hashes: Vec<RouteHash>,
}

impl Subjects {
    /// Forgets the hashes of another dictionary.
    fn begin(&mut self, texts: &Texts<'_>) {
        let Texts::Dictionary(_, values) = texts else { return };
        if self.values.change(values) {
            self.hashes.clear();
            self.hashes.resize(values.len(), RouteHash::default());
        }
    }

    fn hash(&mut self, texts: &Texts<'_>, i: usize, name: &str) -> RouteHash {
        let route = || HashKey::FILES.route(name.as_bytes());
        let Texts::Dictionary(keys, _) = texts else { return route() };
        let Some(known) = keys.key(i).and_then(|key| self.hashes.get_mut(key)) else { return route() };
        if *known == RouteHash::default() {
            *known = route();
        }
        *known
    }
}

/// A column's texts, copied into a chunk.
enum TextSpans<'b> {
    /// There is no such column here.
    Absent,
    /// The column, its first byte's place in the chunk, and that byte's place in the column.
    Plain(&'b StringArray, (usize, usize)),
    /// Spans by key.
    Dictionary(&'b DictionaryArray<Int32Type>, Vec<Span>),
}

impl<'b> TextSpans<'b> {
    fn of(batch: &'b RecordBatch, name: &str, text: &mut Vec<u8>) -> Result<TextSpans<'b>> {
        let Some(column) = batch.column_by_name(name) else { return Ok(TextSpans::Absent) };
        let column: &ArrayRef = column;
        let copy = |values: &StringArray, text: &mut Vec<u8>| {
            let offsets = values.value_offsets();
            let bound = |at: Option<&i32>| at.and_then(|at| usize::try_from(*at).ok()).unwrap_or(0);
            let (first, end) = (bound(offsets.first()), bound(offsets.last()));
            let base = text.len();
            text.extend_from_slice(values.value_data().get(first..end).unwrap_or_default());
            (base, first)
        };
        if let Some(keys) = column.as_dictionary_opt::<Int32Type>() {
            let values = keys.values().as_string_opt::<i32>();
            let values = values.ok_or_else(|| anyhow!("the column {name} holds no text"))?;
            let places = copy(values, text);
            return Ok(TextSpans::Dictionary(keys, (0..values.len()).map(|i| span(values, i, places)).collect()));
        }
        let values = column.as_string_opt::<i32>().ok_or_else(|| anyhow!("the column {name} holds no text"))?;
        Ok(TextSpans::Plain(values, copy(values, text)))
    }

    fn get(&self, i: usize) -> Span {
        match self {
            TextSpans::Plain(values, places) if values.is_valid(i) => span(values, i, *places),
            TextSpans::Absent | TextSpans::Plain(..) => Span::ABSENT,
            TextSpans::Dictionary(keys, spans) => {
                keys.key(i).and_then(|key| spans.get(key)).copied().unwrap_or(Span::ABSENT)
            }
        }
    }
}

/// Where a text stands, whose column's bytes from `first` on begin at `base`.
fn span(values: &StringArray, i: usize, (base, first): (usize, usize)) -> Span {
    let at = |i: usize| values.value_offsets().get(i).and_then(|at| usize::try_from(*at).ok()).unwrap_or(0);
    let (start, end) = (at(i), at(i + 1));
    // A batch's text is far below 4 GiB: it has a few thousand rows.
    let length = |length: usize| u32::try_from(length).unwrap_or(u32::MAX);
    Span::new(length(base + start - first), length(end - start))
}
