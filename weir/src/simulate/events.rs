//! The archived events into fresh shards: which of them, and only the columns that the catalog's rules look at.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Mutex;

use anyhow::{Result, anyhow};
use arrow_array::RecordBatch;
use arrow_array::cast::AsArray;
use arrow_array::types::TimestampMicrosecondType;
use weir_ingest::Decoder;
use weir_model::aggregation::Aggregation;
use weir_model::catalog::{Catalog, Charge, TypeIdx};
use weir_model::hash::HashKey;
use weir_model::price::{CellIdx, Leaf, PerEvent};
use weir_rater::Shard;

use super::archive::{Bounds, Visitor};
use super::engine::Engine;
use super::fold::{Fold, FoldPlan};
use super::lanes::at;
use super::method::Method;
use super::rows::{RowReader, RowTypes};
use crate::explain::archive::Rows;

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
    /// What of them is only added up; `None`: all are rated one by one.
    pub fold: Option<&'r FoldPlan>,
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
            decoder: &decoder,
            fold: self.fold.map(|fold| Fold::new(fold, shards)),
            one_by_one: RowReader::new(shards, first, &decoder),
            wanted: Vec::new(),
            rest: Vec::new(),
        };
        let readers = (0..self.engine.threads).map(|thread| reader(thread * shards.len() / self.engine.threads));
        let readers = self.engine.archive.events(&columns, &bounds, readers.collect())?;
        let rejected =
            |reader: &Reader<'_>| reader.one_by_one.rejected + reader.fold.as_ref().map_or(0, |fold| fold.rejected);
        Ok(readers.iter().map(rejected).sum())
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
    decoder: &'r Decoder,
    fold: Option<Fold<'r>>,
    one_by_one: RowReader<'r>,
    /// Rows of the batch that are asked for.
    wanted: Vec<u32>,
    /// Rows of the batch that are to be rated one by one.
    rest: Vec<u32>,
}

impl Visitor for Reader<'_> {
    fn visit(&mut self, batch: &RecordBatch) -> Result<()> {
        let types = RowTypes::of(self.decoder, &Rows(batch).texts("type")?);
        let times =
            batch.column_by_name("event_time").and_then(|column| column.as_primitive_opt::<TimestampMicrosecondType>());
        let times = times.ok_or_else(|| anyhow!("the column event_time has another type"))?.values();
        self.select(batch, &types, times)?;
        let rows = match &mut self.fold {
            Some(fold) => {
                self.rest.clear();
                fold.add(batch, (&types, times), &self.wanted, &mut self.rest)?;
                &self.rest
            }
            None => &self.wanted,
        };
        if rows.is_empty() {
            return Ok(());
        }
        self.one_by_one.rate(batch, (&types, times), rows)
    }

    fn finish(&mut self) -> Result<()> {
        self.fold.as_mut().map_or(Ok(()), Fold::finish)
    }
}

impl Reader<'_> {
    /// Which rows of a batch are asked for.
    fn select(&mut self, batch: &RecordBatch, types: &RowTypes<'_>, times: &[i64]) -> Result<()> {
        let Selection { files, subjects, instants, verdict, types: wanted_types } = &self.rows.selection;
        self.wanted.clear();
        for (row, time) in (0..).zip(times) {
            if instants.contains(time) && wanted_types.has(types.get(at(row))) {
                self.wanted.push(row);
            }
        }
        let columns = Rows(batch);
        if let Some(files) = files {
            let names = columns.texts("file")?;
            let mut last: Option<(&str, bool)> = None;
            retain(&mut self.wanted, |i| {
                let name = names.required(i)?;
                if last.is_none_or(|(known, _)| known != name) {
                    last = Some((name, files.contains(&self.rows.engine.archive.log.number_of(name)?)));
                }
                Ok(last.is_some_and(|(_, is_wanted)| is_wanted))
            })?;
        }
        if let Some(verdict) = verdict {
            let verdicts = columns.texts("verdict")?;
            retain(&mut self.wanted, |i| Ok(verdicts.get(i) == Some(*verdict)))?;
        }
        if let Some(subjects) = subjects {
            let names = columns.texts("subject")?;
            retain(&mut self.wanted, |i| Ok(subjects.contains(names.required(i)?)))?;
        }
        Ok(())
    }
}

/// Keeps the rows that pass.
fn retain(rows: &mut Vec<u32>, mut passes: impl FnMut(usize) -> Result<bool>) -> Result<()> {
    let mut result = Ok(());
    rows.retain(|row| match passes(at(*row)) {
        Ok(passes) => passes,
        Err(error) => {
            result = Err(error);
            false
        }
    });
    result
}
