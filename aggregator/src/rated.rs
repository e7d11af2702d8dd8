//! Rated rows of the current batch: usage and settlements, sorted by customer, charge, group, event_time and position, and
//! written by period.

use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch, UInt64Array};
use arrow_schema::ArrowError;
use weir_model::number::Amount;

use crate::buckets::{Bucket, BucketRanks, BucketTexts, Directory};
use crate::columns::{self, dictionary, ordered_bits, text_values};
use crate::error::ArchiveError;
use crate::events::{EventBuffer, EventRow};
use crate::files::{Files, PartName, TableReport};
use crate::partitions;
use crate::table::{SLICE_ROWS, Table};

/// A buffered row; its times and origin are the event's.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RatedRow {
    /// At 12 decimals.
    quantity: i128,
    amount: Amount,
    /// Row in the [`EventBuffer`]; [`NO_EVENT`] for a settlement.
    event: u32,
    /// Index in the [`Directory`].
    bucket: u32,
}

const NO_EVENT: u32 = u32::MAX;
const _: () = assert!(size_of::<RatedRow>() == 48);

impl RatedRow {
    /// An event at a charge.
    pub(crate) fn usage(event: u32, bucket: u32, quantity: i128, amount: Amount) -> RatedRow {
        RatedRow { quantity, amount, event, bucket }
    }

    /// What a close adds to a bucket: a part's share of what rating it by itself missed, or what rolled over.
    pub(crate) fn settlement(bucket: u32, amount: Amount) -> RatedRow {
        RatedRow { quantity: 0, amount, event: NO_EVENT, bucket }
    }

    fn event<'a>(&self, events: &'a EventBuffer) -> Option<&'a EventRow> {
        (self.event != NO_EVENT).then(|| events.get(self.event))
    }
}

/// The rated rows of the current batch.
#[derive(Default)]
pub(crate) struct RatedBuffer {
    rows: Vec<RatedRow>,
}

/// What rated rows refer to.
#[derive(Clone, Copy)]
pub(crate) struct RatedSources<'a> {
    pub(crate) events: &'a EventBuffer,
    pub(crate) directory: &'a Directory,
    /// Names of the input files.
    pub(crate) inputs: &'a ArrayRef,
    pub(crate) table: &'a Table,
}

impl RatedBuffer {
    pub(crate) fn push(&mut self, row: RatedRow) {
        self.rows.push(row);
    }

    pub(crate) fn len(&self) -> usize {
        self.rows.len()
    }

    /// Memory that the batch takes, sort keys included.
    pub(crate) fn byte_len(&self) -> usize {
        self.rows.len() * (size_of::<RatedRow>() + size_of::<SortKey>())
    }

    pub(crate) fn clear(&mut self) {
        self.rows.clear();
    }

    /// Writes the batch, one part for each period start with rows.
    pub(crate) fn write(
        &self,
        files: &mut Files,
        from: RatedSources<'_>,
        batch: u32,
    ) -> Result<TableReport, ArchiveError> {
        let texts = &from.directory.texts;
        let ranks = BucketRanks::new(texts, self.rows.iter().map(|row| from.directory.get(row.bucket)));
        let mut by_period: Vec<Vec<SortKey>> = Vec::new();
        for (at, row) in (0_u32..).zip(&self.rows) {
            let bucket = from.directory.get(row.bucket);
            let time = row.event(from.events).map(|event| event.time);
            partitions::push(&mut by_period, texts.partition(bucket), SortKey::new((texts, &ranks), bucket, time, at));
        }
        let mut report = TableReport::default();
        for (period, mut keys) in (0_u32..).zip(by_period).filter(|(_, keys)| !keys.is_empty()) {
            self.sort(&mut keys, from.events);
            let slices = keys.chunks(SLICE_ROWS).map(|slice| self.slice(slice, &ranks, from));
            let part = PartName { partition: texts.partitions.name(period), batch };
            report.add(files.write_part(from.table, part, slices)?);
        }
        Ok(report)
    }

    fn sort(&self, keys: &mut [SortKey], events: &EventBuffer) {
        keys.sort_unstable();
        for tied in keys.chunk_by_mut(|a, b| a.rank() == b.rank()).filter(|tied| tied.len() > 1) {
            // Settlements have no place in the log: they keep the order in which they came.
            tied.sort_unstable_by_key(|key| (self.get(key).event(events).map(EventRow::log_order), key.row()));
        }
    }

    fn get(&self, key: &SortKey) -> &RatedRow {
        &self.rows[columns::at(key.row())]
    }

    fn slice(
        &self,
        slice: &[SortKey],
        ranks: &BucketRanks,
        from: RatedSources<'_>,
    ) -> Result<RecordBatch, ArchiveError> {
        let columns = self.columns(slice, ranks, from);
        let batch = columns.and_then(|columns| RecordBatch::try_new(Arc::clone(&from.table.schema), columns));
        batch.map_err(|source| ArchiveError::Columns { table: from.table.name, source })
    }

    /// In the order of `schema::rated`.
    fn columns(
        &self,
        slice: &[SortKey],
        ranks: &BucketRanks,
        from: RatedSources<'_>,
    ) -> Result<Vec<ArrayRef>, ArrowError> {
        let rows: Vec<RatedRow> = slice.iter().map(|key| *self.get(key)).collect();
        let buckets: Vec<Bucket> = rows.iter().map(|row| *from.directory.get(row.bucket)).collect();
        let events: Vec<Option<EventRow>> = rows.iter().map(|row| row.event(from.events).copied()).collect();
        let events = || events.iter().map(Option::as_ref);
        let bucket = ranks.columns(&from.directory.texts, &buckets)?;
        let file_key = |event: Option<&EventRow>| event.and_then(|event| i32::try_from(event.file).ok()).unwrap_or(-1);
        let charges = &from.directory.texts.charges;
        let quantity =
            |(row, bucket): (&RatedRow, &Bucket)| charges.capacity(bucket.charge).is_none().then_some(row.quantity);
        let kinds = events().map(|event| i32::from(event.is_none())).collect();
        Ok(vec![
            dictionary(events().map(file_key).collect(), from.inputs)?,
            Arc::new(events().map(|event| event.map(|event| event.position)).collect::<UInt64Array>()),
            columns::hashes(events().map(|event| event.map(|event| event.fingerprint)))?,
            bucket.customer,
            bucket.plan,
            bucket.charge,
            bucket.group,
            bucket.cell,
            bucket.period_start,
            bucket.period_end,
            bucket.segment_start,
            columns::optional_instants(events().map(|event| event.map(|event| event.time))),
            columns::quantities(rows.iter().zip(&buckets).map(quantity))?,
            columns::amounts(rows.iter().map(|row| row.amount.scaled()))?,
            bucket.currency,
            dictionary(kinds, &text_values(["usage", "settlement"]))?,
        ])
    }
}

/// Customer and charge; group and the time's upper half; the time's lower half and the row. Integers compare faster than
/// the nouns they stand for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct SortKey(u64, u64, u64);

impl SortKey {
    fn new((texts, ranks): (&BucketTexts, &BucketRanks), bucket: &Bucket, time: Option<i64>, row: u32) -> SortKey {
        let time = time.map_or(u64::MAX, ordered_bits);
        let charge = texts.charges.charge.rank(bucket.charge);
        SortKey(
            (u64::from(ranks.customer(bucket)) << 32) | u64::from(charge),
            (u64::from(ranks.group(bucket)) << 32) | (time >> 32),
            (time << 32) | u64::from(row),
        )
    }

    /// All but the row.
    fn rank(&self) -> (u64, u64, u64) {
        (self.0, self.1, self.2 >> 32)
    }

    fn row(&self) -> u32 {
        u32::try_from(self.2 & 0xFFFF_FFFF).unwrap_or(0)
    }
}
