//! Accepted events of the current batch: columns in log order, written by month.

use std::sync::Arc;
use std::sync::mpsc::Receiver;

use weir_model::catalog::TypeIdx;
use weir_model::event::{Attributes, Event};
use weir_model::hash::PayloadDigest;
use weir_model::time::Instant;
use weir_model::verdict::Verdict;

use crate::columns::{Content, Hashes, Meaning, Names, Numbers, Texts, write_deltas, write_instants, write_searched};
use crate::dictionary::{Dictionary, NO_KEY, Novelty, at, push_text};
use crate::error::ArchiveError;
use crate::files::TableReport;
use crate::order::{Ordered, Place};
use crate::part::{Effort, Part, Presence};
use crate::partitions::{Granularity, PartitionId, Partitions, of_partition};
use crate::parts::Parts;
use crate::table::Table;

/// Rows whose text and columns stay in the processor's cache.
const BLOCK: usize = 256;
/// Bytes of text for each event, up to which all of it is read.
const EVENT_TEXT_MAX: usize = 1 << 10;

/// What the table of events is told, in log order.
pub(crate) enum EventTask<B> {
    /// The next chunk.
    Append(Arc<Ordered>),
    /// Ends a batch.
    Write(B),
    /// The table under the catalog that holds from here on; no batch is begun.
    Catalog(Table),
}

/// The accepted events of the current batch.
pub(crate) struct EventBuffer<P> {
    parts: P,
    table: Table,
    partitions: Partitions,
    /// By month.
    months: Vec<EventColumns>,
    /// Events of the chunk at hand, by month.
    events: Vec<Vec<u32>>,
}

impl<P: Parts> EventBuffer<P> {
    pub(crate) fn new(parts: P, table: Table) -> EventBuffer<P> {
        let partitions = Partitions::new(Granularity::Month);
        EventBuffer { parts, table, partitions, months: Vec::new(), events: Vec::new() }
    }

    /// Does what it is told until nothing comes; `done` sees each chunk that is not needed any more.
    pub(crate) fn work(
        mut self,
        tasks: Receiver<EventTask<P::Batch>>,
        done: impl Fn(Arc<Ordered>),
    ) -> Result<TableReport, ArchiveError> {
        let worked = self.try_work(tasks, done);
        worked.map_err(|error| self.parts.failed(error))
    }

    fn try_work(
        &mut self,
        tasks: Receiver<EventTask<P::Batch>>,
        done: impl Fn(Arc<Ordered>),
    ) -> Result<TableReport, ArchiveError> {
        let mut report = TableReport::default();
        for task in tasks {
            match task {
                EventTask::Append(ordered) => {
                    self.append(&ordered)?;
                    done(ordered);
                }
                EventTask::Write(batch) => report.add(self.write(&batch)?),
                EventTask::Catalog(table) => self.table = table,
            }
        }
        Ok(report)
    }

    /// Buffers a chunk's accepted events.
    fn append(&mut self, ordered: &Ordered) -> Result<(), ArchiveError> {
        let EventBuffer { partitions, months, events, .. } = self;
        events.iter_mut().for_each(Vec::clear);
        for (event, &time) in (0..).zip(&ordered.time) {
            of_partition(events, partitions.of(Instant::from_micros(time))).push(event);
        }
        let columns_of_chunk = BatchColumns::of(ordered);
        for (month, events) in (0..).zip(&*events).filter(|(_, events)| !events.is_empty()) {
            let columns = of_partition(months, month);
            // Column by column, but of few events at once: their text is read once for all columns.
            events.chunks(BLOCK).try_for_each(|events| columns.append(&columns_of_chunk, events))?;
        }
        Ok(())
    }

    /// Writes the batch, one part for each month with rows. Months without any give their memory back.
    fn write(&mut self, batch: &P::Batch) -> Result<TableReport, ArchiveError> {
        let EventBuffer { parts, table, partitions, months, .. } = self;
        let mut report = TableReport::default();
        for (month, columns) in (0 as PartitionId..).zip(months) {
            if columns.rows() == 0 {
                *columns = EventColumns::default();
                continue;
            }
            let at = (batch, partitions.name(month));
            report.add(parts.write_part(table, at, columns.rows(), |part| columns.write(part))?);
            columns.clear();
        }
        parts.end(batch)?;
        Ok(report)
    }
}

/// The columns of a chunk's batches that only this table has, by shard.
struct BatchColumns<'a> {
    ordered: &'a Ordered,
    text: &'a [u8],
    payload: Vec<&'a [PayloadDigest]>,
    events: Vec<&'a [Event]>,
    attributes: Vec<&'a [Attributes]>,
    verdict: Vec<&'a [Verdict]>,
}

impl<'a> BatchColumns<'a> {
    fn of(ordered: &'a Ordered) -> BatchColumns<'a> {
        BatchColumns {
            ordered,
            text: &ordered.chunk.text,
            payload: ordered.batches(|batch| &batch.payload),
            events: ordered.batches(|batch| &batch.events),
            attributes: ordered.batches(|batch| &batch.attributes),
            verdict: ordered.outputs.iter().map(|output| output.verdicts.as_slice()).collect(),
        }
    }

    /// A column's values of some events.
    fn gather<T: Copy>(&self, column: &[&[T]], events: &[u32]) -> impl ExactSizeIterator<Item = T> + Clone {
        let places = &self.ordered.places;
        events.iter().map(move |&event| {
            let place = places[at(event)];
            column[at(place.shard)][at(place.index)]
        })
    }

    /// Whether the texts of some events are ASCII, and all that lies between them: then none needs a look of its own. Reading
    /// them from end to end also brings them into the cache, which single looks would wait for.
    fn is_ascii(&self, events: &[u32]) -> bool {
        let (mut start, mut end) = (usize::MAX, 0);
        for Attributes { source, id, data, .. } in self.gather(&self.attributes, events) {
            for span in [source, id, data].into_iter().filter(|span| !span.is_absent()) {
                (start, end) = (start.min(span.start()), end.max(span.end()));
            }
        }
        let between = self.text.get(start..end).filter(|between| between.len() <= events.len() * EVENT_TEXT_MAX);
        between.is_some_and(<[u8]>::is_ascii)
    }

    /// That a text is not UTF-8.
    fn not_utf8(&self, column: &'static str, event: u32) -> ArchiveError {
        ArchiveError::Text { column, file: self.ordered.input.to_string(), position: self.ordered.record(event) }
    }
}

/// The columns of one month.
#[derive(Default)]
struct EventColumns {
    file: Names,
    position: Vec<i64>,
    fingerprint: Hashes,
    payload: Numbers,
    source: Names,
    id: Texts,
    subject: Vec<u32>,
    /// Subjects by their keyed hash, which stands for the text here as it does in the shards.
    subjects: Dictionary<u128>,
    /// Their texts as Parquet has them.
    subject_texts: Vec<u8>,
    /// Their keys by shard and number there.
    subject_keys: Vec<Vec<u32>>,
    type_name: Names,
    /// Keys of the names of the catalog's types.
    type_keys: Vec<u32>,
    time: Vec<i64>,
    data: Content,
    verdict: Vec<u32>,
    verdicts: Dictionary<Verdict>,
}

impl EventColumns {
    fn rows(&self) -> usize {
        self.position.len()
    }

    fn append(&mut self, chunk: &BatchColumns<'_>, events: &[u32]) -> Result<(), ArchiveError> {
        let BatchColumns { ordered, text, .. } = *chunk;
        let is_ascii = chunk.is_ascii(events);
        self.file.push_equal(ordered.input.as_bytes(), events.len());
        self.position.extend(events.iter().map(|&event| ordered.position[at(event)]));
        self.fingerprint.extend(events.iter().map(|&event| ordered.fingerprint[at(event)]));
        self.payload.extend(chunk.gather(&chunk.payload, events).map(|payload| payload.0));
        let said = || chunk.gather(&chunk.attributes, events);
        for (row, said) in said().enumerate() {
            let source = said.source.of(text);
            if self.source.push(source) == Novelty::New && !is_ascii && !is_utf8(source) {
                return Err(chunk.not_utf8("source", events[row]));
            }
        }
        for (row, said) in said().enumerate() {
            let id = said.id.of(text);
            self.id.push(Some(id));
            if !is_ascii && !is_utf8(id) {
                return Err(chunk.not_utf8("id", events[row]));
            }
        }
        self.append_subjects(ordered, events).map_err(|event| chunk.not_utf8("subject", event))?;
        self.append_types(chunk, events).map_err(|event| chunk.not_utf8("type", event))?;
        self.time.extend(events.iter().map(|&event| ordered.time[at(event)]));
        for (row, said) in said().enumerate() {
            let data = Some(said.data).filter(|data| !data.is_absent()).map(|data| data.of(text));
            if self.data.push(data) == Novelty::New && !is_ascii && !is_utf8(data.unwrap_or_default()) {
                return Err(chunk.not_utf8("data", events[row]));
            }
        }
        self.append_verdicts(chunk.gather(&chunk.verdict, events));
        Ok(())
    }

    /// `Err`: the event whose subject is not UTF-8.
    fn append_subjects(&mut self, ordered: &Ordered, events: &[u32]) -> Result<(), u32> {
        let start = self.subject.len();
        // All look-ups at once: none waits for another.
        self.subject.extend(events.iter().map(|&event| {
            let Place { shard, subject, .. } = ordered.places[at(event)];
            let known = self.subject_keys.get(at(shard)).and_then(|keys| keys.get(at(subject)));
            known.copied().unwrap_or(NO_KEY)
        }));
        for (row, &event) in (start..).zip(events) {
            if self.subject[row] == NO_KEY {
                self.subject[row] = self.enter_subject(ordered, event).ok_or(event)?;
            }
        }
        Ok(())
    }

    /// The key of a subject that a shard names for the first time; another one may have named it before. `None`: not UTF-8.
    #[cold]
    fn enter_subject(&mut self, ordered: &Ordered, event: u32) -> Option<u32> {
        let Place { shard, index, subject } = ordered.places[at(event)];
        let batch = &ordered.chunk.batches[at(shard)];
        let text = batch.attributes[at(index)].subject.of(&ordered.chunk.text);
        let key =
            self.subjects.key(batch.events[at(index)].subject_hash.0, |_| push_text(&mut self.subject_texts, text));
        let keys = of_partition(&mut self.subject_keys, shard);
        if keys.len() <= at(subject) {
            keys.resize(at(subject) + 1, NO_KEY);
        }
        keys[at(subject)] = key;
        is_utf8(text).then_some(key)
    }

    /// `Err`: the event whose type is not UTF-8.
    fn append_types(&mut self, chunk: &BatchColumns<'_>, events: &[u32]) -> Result<(), u32> {
        for (&event, Event { event_type, .. }) in events.iter().zip(chunk.gather(&chunk.events, events)) {
            if let Some(&key) = self.type_keys.get(event_type.at())
                && key != NO_KEY
            {
                self.type_name.push_known(key);
                continue;
            }
            let Place { shard, index, .. } = chunk.ordered.places[at(event)];
            let name = chunk.ordered.chunk.batches[at(shard)].attributes[at(index)].type_name.of(chunk.text);
            let novelty = self.type_name.push(name);
            if event_type != TypeIdx::UNKNOWN {
                if self.type_keys.len() <= event_type.at() {
                    self.type_keys.resize(event_type.at() + 1, NO_KEY);
                }
                self.type_keys[event_type.at()] = self.type_name.last();
            }
            if novelty == Novelty::New && !is_utf8(name) {
                return Err(event);
            }
        }
        Ok(())
    }

    fn append_verdicts(&mut self, verdicts: impl Iterator<Item = Verdict>) {
        let mut last = None;
        for verdict in verdicts {
            let key = match last {
                Some((before, key)) if before == verdict => key,
                _ => self.verdicts.key(verdict, |_| ()),
            };
            last = Some((verdict, key));
            self.verdict.push(key);
        }
    }

    /// In the order of `schema::events`.
    fn write(&mut self, part: &mut Part<'_>) -> parquet::errors::Result<()> {
        let every = Presence::Every;
        self.file.write(part)?;
        write_deltas(part, &self.position, every)?;
        self.fingerprint.write(part, every)?;
        self.payload.write(part)?;
        self.source.write(part)?;
        self.id.write(part, Effort::None)?;
        write_searched(part, &self.subject, &self.subject_texts)?;
        self.type_name.write(part)?;
        write_instants(part, &self.time, every)?;
        self.data.write(part)?;
        let verdicts = || self.verdicts.values().iter();
        let code = |verdict: &Verdict| Some(code(*verdict).as_bytes());
        Meaning::of_texts(verdicts().map(code)).write(part, &self.verdict)?;
        Meaning::of_texts(verdicts().map(|verdict| reason(*verdict).map(str::as_bytes))).write(part, &self.verdict)
    }

    /// Forgets the rows and keeps the memory.
    fn clear(&mut self) {
        self.file.clear();
        self.position.clear();
        self.fingerprint.clear();
        self.payload.clear();
        self.source.clear();
        self.id.clear();
        self.subject.clear();
        self.subjects.clear();
        self.subject_texts.clear();
        self.subject_keys.iter_mut().for_each(Vec::clear);
        self.type_name.clear();
        self.type_keys.clear();
        self.time.clear();
        self.data.clear();
        self.verdict.clear();
        self.verdicts.clear();
    }
}

/// The text of an accepted event's verdict.
fn code(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Rated => "rated",
        Verdict::Unpriced(_) => "unpriced",
        Verdict::LateRefused => "late_refused",
        Verdict::Unmetered => "unmetered",
        Verdict::Duplicate | Verdict::Conflict => unreachable!("only accepted events are archived"),
    }
}

fn reason(verdict: Verdict) -> Option<&'static str> {
    let Verdict::Unpriced(reason) = verdict else { return None };
    Some(reason.code())
}

fn is_utf8(text: &[u8]) -> bool {
    std::str::from_utf8(text).is_ok()
}
