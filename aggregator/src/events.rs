//! Accepted events of the current batch: columns in log order, written by month.

use weir_model::catalog::TypeIdx;
use weir_model::event::{Chunk, EventBatch};
use weir_model::rated::ShardOutput;
use weir_model::verdict::Verdict;

use crate::columns::{Content, Hashes, Meaning, Names, Numbers, Texts, write_deltas, write_instants, write_searched};
use crate::dictionary::{Dictionary, NO_KEY, Novelty, at, push_text};
use crate::error::ArchiveError;
use crate::files::{Files, PartName, TableReport};
use crate::order::Place;
use crate::part::{Effort, Part, Presence};
use crate::partitions::{PartitionId, Partitions, of_partition};
use crate::table::Table;

/// Rows whose text and columns stay in the processor's cache.
pub(crate) const BLOCK: usize = 256;

/// A chunk and what the shards made of it.
#[derive(Clone, Copy)]
pub(crate) struct Rated<'a> {
    pub(crate) chunk: &'a Chunk,
    pub(crate) outputs: &'a [ShardOutput],
    /// Name of the chunk's file.
    pub(crate) input: &'a str,
}

impl<'a> Rated<'a> {
    pub(crate) fn batch(&self, place: Place) -> (&'a EventBatch, usize) {
        (&self.chunk.batches[at(place.shard)], at(place.index))
    }

    /// An event's record in its file.
    pub(crate) fn position(&self, place: Place) -> u64 {
        let (batch, i) = self.batch(place);
        self.chunk.first_position.saturating_add(u64::from(batch.events[i].position))
    }

    pub(crate) fn mismatch(&self, what: &'static str) -> ArchiveError {
        ArchiveError::Mismatch { sequence: self.chunk.sequence, what }
    }
}

/// The accepted events of the current batch.
#[derive(Default)]
pub(crate) struct EventBuffer {
    /// By month.
    months: Vec<EventColumns>,
    /// Events of the chunk at hand, by month.
    places: Vec<Vec<Place>>,
    len: usize,
}

impl EventBuffer {
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Memory that the batch takes: a function of its rows alone.
    pub(crate) fn byte_len(&self) -> usize {
        self.months.iter().map(EventColumns::byte_len).sum()
    }

    /// Buffers a chunk's accepted events.
    pub(crate) fn append(
        &mut self,
        rated: Rated<'_>,
        places: &[Place],
        months: &mut Partitions,
    ) -> Result<(), ArchiveError> {
        self.places.iter_mut().for_each(Vec::clear);
        for &place in places {
            let (batch, i) = rated.batch(place);
            of_partition(&mut self.places, months.of(batch.events[i].time)).push(place);
        }
        for (month, places) in (0..).zip(&self.places).filter(|(_, places)| !places.is_empty()) {
            let columns = of_partition(&mut self.months, month);
            // Column by column, but of few events at once: their text is read once for all columns.
            places.chunks(BLOCK).try_for_each(|places| columns.append(rated, places))?;
            columns.settle();
        }
        self.len += places.len();
        Ok(())
    }

    /// Writes the batch, one part for each month with rows.
    pub(crate) fn write(
        &mut self,
        files: &mut Files,
        (table, months): (&Table, &Partitions),
        batch: u32,
    ) -> Result<TableReport, ArchiveError> {
        let mut report = TableReport::default();
        for (month, columns) in (0 as PartitionId..).zip(&mut self.months).filter(|(_, columns)| columns.rows() > 0) {
            let part = PartName { partition: months.name(month), batch };
            report.add(files.write_part(table, part, columns.rows(), |part| columns.write(part))?);
            columns.clear();
        }
        self.len = 0;
        Ok(report)
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

    fn byte_len(&self) -> usize {
        const FIXED: usize = 16 + 3 * size_of::<i64>() + 2 * size_of::<u32>();
        let texts = [self.file.byte_len(), self.source.byte_len(), self.type_name.byte_len()].iter().sum::<usize>();
        self.rows() * FIXED + texts + self.id.byte_len() + self.subject_texts.len() + self.data.byte_len()
    }

    fn append(&mut self, rated: Rated<'_>, places: &[Place]) -> Result<(), ArchiveError> {
        let text = rated.chunk.text.as_slice();
        let events = || places.iter().map(|&place| rated.batch(place));
        let not_utf8 = |column, row: usize| {
            let position = rated.position(places[row]);
            ArchiveError::Text { column, file: rated.input.to_owned(), position }
        };
        self.file.push_equal(rated.input.as_bytes(), places.len());
        self.position.extend(places.iter().map(|&place| rated.position(place).cast_signed()));
        self.fingerprint.extend(events().map(|(batch, i)| batch.fingerprint[i].0));
        self.payload.extend(events().map(|(batch, i)| batch.payload[i].0));
        for (row, (batch, i)) in events().enumerate() {
            let source = batch.attributes[i].source.of(text);
            if self.source.push(source) == Novelty::New && !is_utf8(source) {
                return Err(not_utf8("source", row));
            }
        }
        self.append_ids(places.iter().map(|&place| rated.batch(place)), text).map_err(|row| not_utf8("id", row))?;
        self.append_subjects(rated, places).map_err(|row| not_utf8("subject", row))?;
        self.append_types(events(), text).map_err(|row| not_utf8("type", row))?;
        self.time.extend(events().map(|(batch, i)| batch.events[i].time.micros()));
        for (row, (batch, i)) in events().enumerate() {
            let data = Some(batch.attributes[i].data).filter(|data| !data.is_absent()).map(|data| data.of(text));
            if self.data.push(data) == Novelty::New && !is_utf8(data.unwrap_or_default()) {
                return Err(not_utf8("data", row));
            }
        }
        self.append_verdicts(places.iter().map(|place| rated.outputs[at(place.shard)].verdicts[at(place.index)]));
        Ok(())
    }

    /// Decides what could wait for the end of a chunk.
    fn settle(&mut self) {
        self.data.settle();
    }

    /// `Err`: the row whose id is not UTF-8.
    fn append_ids<'a>(
        &mut self,
        events: impl Iterator<Item = (&'a EventBatch, usize)> + Clone,
        text: &[u8],
    ) -> Result<(), usize> {
        let before = self.id.byte_len();
        events.clone().for_each(|(batch, i)| self.id.push(Some(batch.attributes[i].id.of(text))));
        // All at once: the lengths between short texts are ASCII too.
        if self.id.since(before).is_ascii() {
            return Ok(());
        }
        let wrong = events.enumerate().find(|(_, (batch, i))| !is_utf8(batch.attributes[*i].id.of(text)));
        wrong.map_or(Ok(()), |(row, _)| Err(row))
    }

    /// `Err`: the row whose subject is not UTF-8.
    fn append_subjects(&mut self, rated: Rated<'_>, places: &[Place]) -> Result<(), usize> {
        for (row, &place) in places.iter().enumerate() {
            let known = of_partition(&mut self.subject_keys, place.shard).get(at(place.subject)).copied();
            let key = match known {
                Some(key) if key != NO_KEY => key,
                _ => self.enter_subject(rated, place).ok_or(row)?,
            };
            self.subject.push(key);
        }
        Ok(())
    }

    /// The key of a subject that a shard names for the first time; another one may have named it before. `None`: not UTF-8.
    #[cold]
    fn enter_subject(&mut self, rated: Rated<'_>, place: Place) -> Option<u32> {
        let (batch, i) = rated.batch(place);
        let text = batch.attributes[i].subject.of(&rated.chunk.text);
        let key = self.subjects.key(batch.events[i].subject_hash.0, |_| push_text(&mut self.subject_texts, text));
        let keys = of_partition(&mut self.subject_keys, place.shard);
        if keys.len() <= at(place.subject) {
            keys.resize(at(place.subject) + 1, NO_KEY);
        }
        keys[at(place.subject)] = key;
        is_utf8(text).then_some(key)
    }

    /// `Err`: the row whose type is not UTF-8.
    fn append_types<'a>(
        &mut self,
        events: impl Iterator<Item = (&'a EventBatch, usize)>,
        text: &[u8],
    ) -> Result<(), usize> {
        for (row, (batch, i)) in events.enumerate() {
            let event_type = batch.events[i].event_type;
            if let Some(&key) = self.type_keys.get(event_type.at())
                && key != NO_KEY
            {
                self.type_name.push_known(key);
                continue;
            }
            let name = batch.attributes[i].type_name.of(text);
            let novelty = self.type_name.push(name);
            if event_type != TypeIdx::UNKNOWN {
                if self.type_keys.len() <= event_type.at() {
                    self.type_keys.resize(event_type.at() + 1, NO_KEY);
                }
                self.type_keys[event_type.at()] = self.type_name.last();
            }
            if novelty == Novelty::New && !is_utf8(name) {
                return Err(row);
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
