//! The archived events into fresh shards: only the columns that the catalog's rules look at, and of `data` only the paths that it
//! reads.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Mutex;

use anyhow::{Result, anyhow};
use arrow_array::cast::AsArray;
use arrow_array::types::{Int32Type, TimestampMicrosecondType};
use arrow_array::{Array, ArrayRef, RecordBatch, StringArray};
use weir_ingest::{AcceptedEvent, DecodeScratch, Decoder};
use weir_model::aggregation::Aggregation;
use weir_model::catalog::{Catalog, Charge, TypeIdx};
use weir_model::event::{Chunk, Span};
use weir_model::hash::{Fingerprint, HashKey, RouteHash};
use weir_model::price::{CellIdx, Leaf, PerEvent};
use weir_model::rated::ShardOutput;
use weir_model::time::Instant;
use weir_rater::Shard;

use super::archive::{Bounds, Visitor};
use super::engine::{Engine, lock};
use super::method::Method;
use crate::explain::archive::{Rows, Texts, required};

/// Which events.
#[derive(Debug, Clone)]
pub struct Selection {
    /// Those of these files of the log; `None`: of all.
    pub files: Option<Range<usize>>,
    /// Those of these subjects; `None`: of all.
    pub subjects: Option<BTreeSet<String>>,
    /// Those of this time, in microseconds.
    pub instants: Range<i64>,
    /// Those with this verdict in the run; `None`: with any.
    pub verdict: Option<&'static str>,
    /// Those of these types.
    pub types: Types,
}

/// A set of event types.
#[derive(Debug, Clone)]
pub struct Types {
    /// By number.
    known: Vec<bool>,
    /// Whether types that no meter reads are among them.
    unknown: bool,
}

impl Types {
    /// All of a catalog's, and those that no meter reads.
    pub fn all(count: usize) -> Types {
        Types { known: vec![true; count], unknown: true }
    }

    /// Only these of a catalog's.
    pub fn only(types: impl Iterator<Item = TypeIdx>) -> Types {
        let mut known = Vec::new();
        for event_type in types {
            known.resize(known.len().max(event_type.at() + 1), false);
            known[event_type.at()] = true;
        }
        Types { known, unknown: false }
    }

    fn has(&self, event_type: TypeIdx) -> bool {
        match event_type {
            TypeIdx::UNKNOWN => self.unknown,
            known => self.known.get(known.at()).copied().unwrap_or(false),
        }
    }
}

/// The events of an archive, to be rated under a plan.
pub struct EventRows<'r> {
    /// Whose archive and threads.
    pub engine: &'r Engine<'r>,
    /// Which events.
    pub selection: Selection,
}

impl EventRows<'_> {
    /// Takes them in; gives the number of those that the catalog rejects.
    pub fn resume(&self, shards: &[Mutex<Shard>]) -> Result<u64> {
        let catalog = self.engine.catalog;
        let columns = self.columns(catalog);
        let Selection { subjects, instants, verdict, .. } = &self.selection;
        let subjects = subjects.iter().map(|subjects| ("subject", subjects.iter().cloned().collect()));
        let verdict = verdict.iter().map(|verdict| ("verdict", vec![(*verdict).to_owned()]));
        let bounds =
            Bounds { texts: subjects.chain(verdict).collect(), instants: Some(("event_time", instants.clone())) };
        let numbers = u16::try_from(shards.len())?;
        let decoder = Decoder::new(catalog, HashKey::FILES, numbers);
        let reader = |first| Reader {
            rows: self,
            shards,
            first,
            decoder: &decoder,
            chunk: Chunk::new(shards.len()),
            scratch: DecodeScratch::new(),
            output: ShardOutput::default(),
            events: Vec::new(),
            subjects: Subjects::default(),
            rejected: 0,
        };
        let readers = (0..self.engine.threads).map(|thread| reader(thread * shards.len() / self.engine.threads));
        let readers = self.engine.archive.events(&columns, &bounds, readers.collect())?;
        Ok(readers.iter().map(|reader| reader.rejected).sum())
    }

    fn columns(&self, catalog: &Catalog) -> Vec<&'static str> {
        let mut columns = vec!["subject", "type", "event_time", "data"];
        columns.extend(self.selection.files.is_some().then_some("file"));
        columns.extend(self.selection.verdict.is_some().then_some("verdict"));
        let choices = catalog.charges.iter().zip(self.engine.choices);
        let has_order = |charge: &Charge| {
            let meter = catalog.meters.get(charge.meter.at());
            let free = |price: &weir_model::price::Price| matches!(price.leaf(CellIdx::ONLY), Some(Leaf::PerEvent(PerEvent::Percentage(price))) if price.has_free());
            meter.is_none_or(|meter| meter.aggregation == Aggregation::Latest || meter.aggregation.has_series())
                || !charge.further.is_empty()
                || charge.versions.iter().any(|version| version.price.leaves().into_iter().any(free))
        };
        let ordered = choices.into_iter().any(|(charge, choice)| choice.method == Method::Events && has_order(charge));
        let slots = catalog.event_types.iter().flat_map(|event_type| {
            let values = event_type.values.iter().map(|slot| &slot.path);
            values.chain(event_type.texts.iter().map(|slot| &slot.path))
        });
        let roots: BTreeSet<&str> = slots.filter_map(|path| path.0.first()).map(String::as_str).collect();
        columns.extend((ordered || roots.contains("source")).then_some("source"));
        columns.extend((ordered || roots.contains("id")).then_some("id"));
        columns.extend(ordered.then_some("fingerprint"));
        columns
    }
}

/// One thread's reader.
struct Reader<'r> {
    rows: &'r EventRows<'r>,
    shards: &'r [Mutex<Shard>],
    /// The shard that it hands to first: threads start at different ones.
    first: usize,
    decoder: &'r Decoder,
    chunk: Chunk,
    scratch: DecodeScratch,
    output: ShardOutput,
    events: Vec<AcceptedEvent>,
    subjects: Subjects,
    rejected: u64,
}

impl Visitor for Reader<'_> {
    fn visit(&mut self, batch: &RecordBatch) -> Result<()> {
        self.chunk.clear();
        self.collect(batch)?;
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
}

impl Reader<'_> {
    /// The events that are asked for, with their texts in the chunk.
    fn collect(&mut self, batch: &RecordBatch) -> Result<()> {
        let Selection { files, subjects: wanted, instants, verdict, types: wanted_types } = &self.rows.selection;
        let rows = Rows(batch);
        let text = &mut self.chunk.text;
        let types = RowTypes::of(self.decoder, &rows.texts("type")?);
        let type_names = TextSpans::of(batch, "type", text)?;
        let times =
            batch.column_by_name("event_time").and_then(|column| column.as_primitive_opt::<TimestampMicrosecondType>());
        let times = times.ok_or_else(|| anyhow!("the column event_time has another type"))?.values();
        let (data, source, id) = (
            TextSpans::of(batch, "data", text)?,
            TextSpans::of(batch, "source", text)?,
            TextSpans::of(batch, "id", text)?,
        );
        let fingerprint = batch.column_by_name("fingerprint").map(|_| rows.hashes("fingerprint")).transpose()?;
        let file = files.as_ref().map(|files| Ok::<_, anyhow::Error>((files, rows.texts("file")?))).transpose()?;
        let verdict =
            verdict.as_ref().map(|verdict| Ok::<_, anyhow::Error>((verdict, rows.texts("verdict")?))).transpose()?;
        let subject = rows.texts("subject")?;
        self.subjects.begin(&subject);
        let mut last: Option<(&str, RouteHash, Span)> = None;
        let mut last_file: Option<(&str, bool)> = None;
        for i in 0..batch.num_rows() {
            let time = times.get(i).copied().unwrap_or_default();
            let event_type = types.get(i);
            if !instants.contains(&time) || !wanted_types.has(event_type) {
                continue;
            }
            if let Some((files, names)) = &file {
                let name = names.required(i)?;
                if last_file.is_none_or(|(known, _)| known != name) {
                    last_file = Some((name, files.contains(&self.rows.engine.archive.log.number_of(name)?)));
                }
                if last_file.is_some_and(|(_, is_wanted)| !is_wanted) {
                    continue;
                }
            }
            if let Some((verdict, verdicts)) = &verdict
                && verdicts.get(i) != Some(**verdict)
            {
                continue;
            }
            let name = subject.required(i)?;
            let (hash, span) = match last {
                Some((known, hash, span)) if known == name => (hash, span),
                _ if wanted.as_ref().is_some_and(|wanted| !wanted.contains(name)) => continue,
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
                event_type,
                time: Instant::from_micros(time),
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
enum RowTypes<'b> {
    /// By key of the dictionary.
    Dictionary(&'b [i32], Vec<TypeIdx>),
    /// By row.
    Plain(Vec<TypeIdx>),
}

impl<'b> RowTypes<'b> {
    fn of(decoder: &Decoder, texts: &Texts<'b>) -> RowTypes<'b> {
        let type_of = |name: Option<&str>| decoder.event_type(name.unwrap_or_default().as_bytes());
        match texts {
            Texts::Dictionary(keys, values) => {
                RowTypes::Dictionary(keys.keys().values(), values.iter().map(type_of).collect())
            }
            Texts::Plain(values) => RowTypes::Plain(values.iter().map(type_of).collect()),
        }
    }

    fn get(&self, i: usize) -> TypeIdx {
        let found = match self {
            RowTypes::Dictionary(keys, types) => {
                keys.get(i).and_then(|key| types.get(usize::try_from(*key).unwrap_or(usize::MAX)))
            }
            RowTypes::Plain(types) => types.get(i),
        };
        found.copied().unwrap_or(TypeIdx::UNKNOWN)
    }
}

/// Hashes of the subjects of one dictionary, which many batches may share.
#[derive(Default)]
struct Subjects {
    values: Option<StringArray>,
    hashes: Vec<RouteHash>,
}

impl Subjects {
    /// Forgets the hashes of another dictionary.
    fn begin(&mut self, texts: &Texts<'_>) {
        let Texts::Dictionary(_, values) = texts else { return };
        let is_same =
            |known: &StringArray| known.values().as_ptr() == values.values().as_ptr() && known.len() == values.len();
        if !self.values.as_ref().is_some_and(is_same) {
            self.values = Some((*values).clone());
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
    Dictionary(&'b arrow_array::DictionaryArray<Int32Type>, Vec<Span>),
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
