//! Archived events added up by subject, part of a period, and lane, straight from the archive's columns: no event is made of them
//! again.
//!
//! Owns: one thread's sums, until they go into the shards as a whole. What the sums are worth, and in which bucket, the rater
//! decides when it gets them.

use std::sync::Mutex;

use anyhow::{Result, anyhow};
use arrow_array::types::Int32Type;
use arrow_array::{Array, DictionaryArray, RecordBatch};
use weir_model::catalog::{ChargeIdx, MeterIdx, TypeIdx};
use weir_model::hash::shard_of;
use weir_model::number::Quantity;
use weir_rater::{KnownSum, KnownSums, RatingPlan, ResumeError, Shard, SumKey, Sums};

use super::contents::{Contents, Room};
use super::engine::{lock, too_large};
use super::lanes::{ContentReader, at};
use super::method::Method;
use super::parties::{Parties, Spot};
use super::rows::{RowTypes, SharedTexts};
use crate::explain::archive::{Rows, Texts};

/// Rows whose usages are added together: they stay in the processor's cache.
const BLOCK_ROWS: usize = 256;
/// Stands for no number.
const NONE: u32 = u32::MAX;

/// What the charges of a catalog need of events, by type.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Needs {
    /// Whether some charge adds them up.
    pub sums: bool,
    /// Whether some charge rates them one by one.
    pub rows: bool,
}

/// What is added up, and for whom.
pub struct FoldPlan {
    /// The catalog with all of its charges.
    pub plan: RatingPlan,
    /// By charge: whether it is added up.
    pub folded: Vec<bool>,
    /// By event type.
    pub needs: Vec<Needs>,
    /// How much a thread keeps.
    pub room: Room,
}

impl FoldPlan {
    /// `method`: how each charge is computed. What is added up must ask of events nothing but their content.
    pub fn new(plan: RatingPlan, method: impl Fn(ChargeIdx) -> Method, room: Room) -> FoldPlan {
        let catalog = plan.catalog();
        let reader = ContentReader::new(catalog);
        let type_of = |meter: MeterIdx| catalog.meters.get(meter.at()).map(|meter| meter.event_type);
        let mut needs = vec![Needs::default(); catalog.event_types.len()];
        let mut folded = Vec::with_capacity(catalog.charges.len());
        for (index, charge) in (0..).map(ChargeIdx).zip(&catalog.charges) {
            let method = method(index);
            let is_folded = method == Method::Sums
                && plan.folds(index)
                && type_of(charge.meter).is_some_and(|event_type| reader.suffices(event_type));
            folded.push(is_folded);
            if method == Method::Totals {
                continue;
            }
            let meters = std::iter::once(charge.meter).chain(charge.further.iter().map(|further| further.meter));
            for event_type in meters.filter_map(type_of) {
                let Some(needs) = needs.get_mut(event_type.at()) else { continue };
                if is_folded {
                    needs.sums = true;
                } else {
                    needs.rows = true;
                }
            }
        }
        FoldPlan { plan, folded, needs, room }
    }
}

/// One thread's sums.
pub struct Fold<'f> {
    of: &'f FoldPlan,
    shards: &'f [Mutex<Shard>],
    parties: Parties<'f>,
    contents: Contents<'f>,
    /// The dictionary of data at hand.
    values: SharedTexts,
    /// By its keys: the number of the data.
    numbers: Vec<u32>,
    /// The number of no data.
    absent: u32,
    /// Of the block at hand.
    spots: Vec<Spot>,
    numbered: Vec<Numbered>,
    usages: Vec<(SumKey, Quantity)>,
    sums: Sums,
    /// How many events the catalog rejects.
    pub rejected: u64,
}

/// An event whose data has a number.
struct Numbered {
    spot: Spot,
    event_type: TypeIdx,
    number: u32,
}

impl<'f> Fold<'f> {
    /// No sums yet.
    pub fn new(of: &'f FoldPlan, shards: &'f [Mutex<Shard>]) -> Fold<'f> {
        Fold {
            of,
            shards,
            parties: Parties::new(&of.plan),
            contents: Contents::new(&of.plan, &of.folded, of.room),
            values: SharedTexts::default(),
            numbers: Vec::new(),
            absent: NONE,
            spots: Vec::new(),
            numbered: Vec::new(),
            usages: Vec::new(),
            sums: Sums::default(),
            rejected: 0,
        }
    }

    /// Adds up some rows of a batch, whose types and times are these; those that are to be rated one by one go to `rest`.
    pub fn add(
        &mut self,
        batch: &RecordBatch,
        (types, times): (&RowTypes<'_>, &[i64]),
        rows: &[u32],
        rest: &mut Vec<u32>,
    ) -> Result<()> {
        let columns = Rows(batch);
        let (subjects, data) = (columns.texts("subject")?, columns.texts("data")?);
        self.parties.begin(&subjects, times)?;
        if let Texts::Dictionary(_, values) = &data
            && self.values.change(values)
        {
            self.numbers.clear();
            self.numbers.resize(values.len(), NONE);
        }
        for block in rows.chunks(BLOCK_ROWS) {
            let mut spots = std::mem::take(&mut self.spots);
            self.parties.spots(&subjects, times, block, &mut spots)?;
            self.take(block, (&spots, types), &data, rest);
            self.spots = spots;
            self.sums.add(&self.usages).map_err(too_large)?;
            self.make_room()?;
        }
        Ok(())
    }

    /// The usages of a block.
    fn take(&mut self, block: &[u32], (spots, types): (&[Spot], &RowTypes<'_>), data: &Texts<'_>, rest: &mut Vec<u32>) {
        self.usages.clear();
        self.numbered.clear();
        for (&row, &spot) in block.iter().zip(spots) {
            let i = at(row);
            if spot == Spot::NOWHERE {
                rest.push(row);
                continue;
            }
            let event_type = types.get(i);
            let Some(needs) = self.of.needs.get(event_type.at()) else { continue };
            // What no charge reads may be rejected nevertheless.
            if needs.rows || !needs.sums {
                rest.push(row);
            }
            if !needs.sums {
                continue;
            }
            match data {
                Texts::Plain(texts) => {
                    let text = texts.is_valid(i).then(|| texts.value(i).as_bytes());
                    let taken = self.contents.add_once((spot, event_type), text, &mut self.usages);
                    // What is rated one by one is rejected there.
                    self.rejected += u64::from(taken.is_err() && !needs.rows);
                }
                Texts::Dictionary(keys, _) => {
                    let number = self.number(keys, data, i);
                    self.contents.prefetch((spot, event_type), number);
                    self.numbered.push(Numbered { spot, event_type, number });
                }
            }
        }
        for Numbered { spot, event_type, number } in &self.numbered {
            let taken = self.contents.add((*spot, *event_type), *number, &mut self.usages);
            let is_rated = self.of.needs.get(event_type.at()).is_some_and(|needs| needs.rows);
            self.rejected += u64::from(taken.is_err() && !is_rated);
        }
    }

    /// The number of the data in a row.
    #[inline]
    fn number(&mut self, keys: &DictionaryArray<Int32Type>, data: &Texts<'_>, i: usize) -> u32 {
        let number = match keys.key(i) {
            Some(key) => &mut self.numbers[key],
            None => &mut self.absent,
        };
        if *number == NONE {
            *number = self.contents.number(data.get(i).map(str::as_bytes));
        }
        *number
    }

    /// Hands on all sums.
    pub fn finish(&mut self) -> Result<()> {
        let Fold { shards, parties, contents, sums, .. } = self;
        let count = u16::try_from(shards.len())?;
        let mut known = Vec::new();
        sums.drain(|stretch, sums| {
            let (subject, subject_hash, time) = parties.stretch(stretch);
            known.clear();
            known.extend(sums.iter().map(|(lane, sum)| {
                let (charge, event) = contents.lane(*lane);
                KnownSum { charge, event, sum: *sum }
            }));
            let mut shard = lock(&shards[shard_of(subject_hash, count)]);
            let known = KnownSums { subject, subject_hash, time, sums: &known };
            shard.resume_sums(&known).map_err(|error| match error {
                ResumeError::Overflow(overflow) => too_large(overflow),
                error => anyhow!("internal error: the usage of {subject}: {error}"),
            })
        })
    }

    /// Bounds the memory that sums and known content take.
    fn make_room(&mut self) -> Result<()> {
        let has_full_lanes = self.contents.has_full_lanes();
        if has_full_lanes || self.sums.len() > self.of.room.sums_max {
            self.finish()?;
        }
        if has_full_lanes {
            self.contents.forget_lanes();
        } else if self.contents.is_full() {
            self.contents.forget();
        } else {
            return Ok(());
        }
        self.numbers.fill(NONE);
        self.absent = NONE;
        Ok(())
    }
}
