//! Totals of buckets: buffered until the batch is full, sorted by customer, plan, charge, group and cell, and written by
//! period.

use std::sync::Arc;

use arrow_array::{ArrayRef, BooleanArray, RecordBatch, StringArray, UInt64Array};
use arrow_schema::ArrowError;
use weir_model::charge::Measured;
use weir_model::number::Amount;
use weir_model::rated::{BucketTotal, CustomerPeriod};
use weir_model::time::Instant;

use crate::buckets::{Bucket, BucketKey, BucketRanks, BucketTexts, BucketTime};
use crate::columns;
use crate::error::ArchiveError;
use crate::files::{Files, PartName, TableReport};
use crate::partitions;
use crate::table::{SLICE_ROWS, Table};

/// A buffered total.
#[derive(Debug)]
struct TotalRow {
    measured: Measured,
    amount: Amount,
    without_usage: Amount,
    digest: u128,
    events: u64,
    bucket: Bucket,
    sealed: bool,
}

/// Totals not yet written.
#[derive(Default)]
pub(crate) struct TotalBuffer {
    rows: Vec<TotalRow>,
}

impl TotalBuffer {
    pub(crate) fn len(&self) -> usize {
        self.rows.len()
    }

    pub(crate) fn byte_len(&self) -> usize {
        self.rows.len() * size_of::<TotalRow>()
    }

    /// Buffers the buckets of one customer and period. `Err` says what the catalog contradicts.
    pub(crate) fn push(&mut self, texts: &mut BucketTexts, totals: &CustomerPeriod) -> Result<(), &'static str> {
        for segment in &totals.segments {
            let time = BucketTime { period: totals.period, segment_start: segment.active.start };
            for total in &segment.buckets {
                let BucketTotal { charge, group, cell, terms, measured, events, amount, without_usage, digest, .. } =
                    total;
                let version = terms.versions.first().map_or(0, |(version, _)| *version);
                let cell = (version, *cell);
                let key = BucketKey { customer: &totals.customer, charge: *charge, group, cell, time };
                self.rows.push(TotalRow {
                    measured: measured.clone(),
                    amount: *amount,
                    without_usage: *without_usage,
                    digest: digest.0,
                    events: *events,
                    bucket: texts.bucket(key)?,
                    sealed: totals.seal.is_sealed(),
                });
            }
        }
        Ok(())
    }

    /// Writes what is buffered, one part for each period start with rows, and forgets it.
    pub(crate) fn write(
        &mut self,
        files: &mut Files,
        texts: &BucketTexts,
        (table, batch): (&Table, u32),
    ) -> Result<TableReport, ArchiveError> {
        let ranks = BucketRanks::new(texts, self.rows.iter().map(|row| &row.bucket));
        let mut by_period: Vec<Vec<TotalRow>> = Vec::new();
        for row in self.rows.drain(..) {
            partitions::push(&mut by_period, texts.partition(&row.bucket), row);
        }
        let mut report = TableReport::default();
        for (period, mut rows) in (0_u32..).zip(by_period).filter(|(_, rows)| !rows.is_empty()) {
            rows.sort_by_key(|row| sort_key(texts, &ranks, &row.bucket));
            let slices = rows.chunks(SLICE_ROWS).map(|slice| {
                let columns = columns(slice, texts, &ranks);
                let batch = columns.and_then(|columns| RecordBatch::try_new(Arc::clone(&table.schema), columns));
                batch.map_err(|source| ArchiveError::Columns { table: table.name, source })
            });
            let part = PartName { partition: texts.partitions.name(period), batch };
            report.add(files.write_part(table, part, slices)?);
        }
        Ok(report)
    }
}

fn sort_key(texts: &BucketTexts, ranks: &BucketRanks, bucket: &Bucket) -> ([u32; 5], [Instant; 2]) {
    let charges = &texts.charges;
    let names = [
        ranks.customer(bucket),
        charges.plan.rank(bucket.charge),
        charges.charge.rank(bucket.charge),
        ranks.group(bucket),
        ranks.cell(bucket),
    ];
    let BucketTime { period, segment_start } = texts.time(bucket);
    (names, [period.start, segment_start])
}

/// In the order of `schema::totals`.
fn columns(rows: &[TotalRow], texts: &BucketTexts, ranks: &BucketRanks) -> Result<Vec<ArrayRef>, ArrowError> {
    let buckets: Vec<Bucket> = rows.iter().map(|row| row.bucket).collect();
    let bucket = ranks.columns(texts, &buckets)?;
    let charges = &texts.charges;
    Ok(vec![
        bucket.customer,
        bucket.plan,
        bucket.charge,
        charges.meter.column(buckets.iter().map(|bucket| bucket.charge))?,
        bucket.group,
        bucket.cell,
        bucket.period_start,
        bucket.period_end,
        bucket.segment_start,
        Arc::new(rows.iter().map(|row| Some(row.sealed)).collect::<BooleanArray>()),
        columns::quantities(rows.iter().map(|row| charges.quantity(row.bucket.charge, &row.measured)))?,
        Arc::new(StringArray::from_iter_values(
            rows.iter().map(|row| charges.quantity_text(row.bucket.charge, &row.measured)),
        )),
        Arc::new(rows.iter().map(|row| row.events).collect::<UInt64Array>()),
        columns::amounts(rows.iter().map(|row| row.amount.scaled()))?,
        columns::amounts(rows.iter().map(|row| row.without_usage.scaled()))?,
        bucket.currency,
        columns::hashes(rows.iter().map(|row| Some(row.digest)))?,
    ])
}
