//! Totals of buckets: columns in the order of the customers' periods, written by period.

use weir_model::rated::{BucketTotal, CustomerPeriod};

use crate::buckets::{BucketKey, BucketTexts, BucketTime};
use crate::columns::{Decimals, Hashes, Texts, write_booleans, write_deltas, write_keys};
use crate::dictionary::{NumberDictionary, len_of, push_text};
use crate::error::ArchiveError;
use crate::files::{Files, PartName, TableReport};
use crate::part::{Distinct, Effort, Part, Presence};
use crate::partitions::{PartitionId, of_partition};
use crate::table::Table;

/// Totals not yet written.
#[derive(Default)]
pub(crate) struct TotalBuffer {
    /// By the date on which the period begins.
    periods: Vec<TotalColumns>,
    len: usize,
}

impl TotalBuffer {
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Memory that the totals take: a function of them alone.
    pub(crate) fn byte_len(&self) -> usize {
        self.periods.iter().map(TotalColumns::byte_len).sum()
    }

    /// Buffers the buckets of one customer and period. `Err` says what the catalog contradicts.
    pub(crate) fn push(&mut self, texts: &mut BucketTexts, totals: &CustomerPeriod) -> Result<(), &'static str> {
        let columns = of_partition(&mut self.periods, texts.partitions.of(totals.period.start));
        for segment in &totals.segments {
            let time = BucketTime { period: totals.period, segment_start: segment.active.start };
            for total in &segment.buckets {
                columns.push(texts, (totals, time), total)?;
            }
            self.len += segment.buckets.len();
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
        let mut report = TableReport::default();
        for (period, columns) in (0 as PartitionId..).zip(&mut self.periods).filter(|(_, columns)| columns.rows() > 0) {
            let part = PartName { partition: texts.partitions.name(period), batch };
            report.add(files.write_part(table, part, columns.rows(), |part| columns.write(part, texts))?);
            columns.clear();
        }
        self.len = 0;
        Ok(report)
    }
}

/// The columns of one period start.
#[derive(Default)]
struct TotalColumns {
    customer: Vec<u32>,
    customers: NumberDictionary,
    /// Their ids as Parquet has them.
    customer_texts: Vec<u8>,
    kind: Vec<u32>,
    kinds: NumberDictionary,
    sealed: Vec<bool>,
    quantity: Decimals,
    quantity_text: Texts,
    events: Vec<i64>,
    amount: Decimals,
    without_usage: Decimals,
    digest: Hashes,
}

impl TotalColumns {
    fn rows(&self) -> usize {
        self.kind.len()
    }

    fn byte_len(&self) -> usize {
        const FIXED: usize = 16 + size_of::<i64>() + 2 * size_of::<u32>() + size_of::<bool>();
        let decimals = self.quantity.byte_len() + self.amount.byte_len() + self.without_usage.byte_len();
        self.rows() * FIXED + self.customer_texts.len() + self.quantity_text.byte_len() + decimals
    }

    fn push(
        &mut self,
        texts: &mut BucketTexts,
        (totals, time): (&CustomerPeriod, BucketTime),
        total: &BucketTotal,
    ) -> Result<(), &'static str> {
        let BucketTotal { charge, group, cell, terms, measured, events, amount, without_usage, digest, .. } = total;
        let version = terms.versions.first().map_or(0, |(version, _)| *version);
        let key = BucketKey { customer: &totals.customer, charge: *charge, group, cell: (version, *cell), time };
        let bucket = texts.bucket(key)?;
        let customer_texts = &mut self.customer_texts;
        let customer = self.customers.key(bucket.customer, |id| push_text(customer_texts, texts.customer(id)));
        self.customer.push(customer);
        self.kind.push(self.kinds.key(bucket.kind, |_| ()));
        self.sealed.push(totals.seal.is_sealed());
        self.quantity.push(texts.charges.quantity(*charge, measured));
        self.quantity_text.push(Some(texts.charges.quantity_text(*charge, measured).as_bytes()));
        self.events.push(events.cast_signed());
        self.amount.push(Some(amount.scaled()));
        self.without_usage.push(Some(without_usage.scaled()));
        self.digest.extend(std::iter::once(digest.0));
        Ok(())
    }

    /// In the order of `schema::totals`.
    fn write(&mut self, part: &mut Part<'_>, texts: &BucketTexts) -> parquet::errors::Result<()> {
        let bucket = texts.meanings(self.kinds.numbers());
        let len = len_of(self.customers.numbers());
        write_keys(part, &self.customer, Distinct { plain: &self.customer_texts, len })?;
        for meaning in [&bucket.plan, &bucket.charge, &bucket.meter, &bucket.group, &bucket.cell] {
            meaning.write(part, &self.kind)?;
        }
        for meaning in [&bucket.period_start, &bucket.period_end, &bucket.segment_start] {
            meaning.write(part, &self.kind)?;
        }
        write_booleans(part, &self.sealed)?;
        self.quantity.write(part)?;
        self.quantity_text.write(part, Effort::Zstd)?;
        write_deltas(part, &self.events, Presence::Every)?;
        self.amount.write(part)?;
        self.without_usage.write(part)?;
        bucket.currency.write(part, &self.kind)?;
        self.digest.write(part, Presence::Every)
    }

    /// Forgets the rows and keeps the memory.
    fn clear(&mut self) {
        self.customer.clear();
        self.customers.clear();
        self.customer_texts.clear();
        self.kind.clear();
        self.kinds.clear();
        self.sealed.clear();
        self.quantity.clear();
        self.quantity_text.clear();
        self.events.clear();
        self.amount.clear();
        self.without_usage.clear();
        self.digest.clear();
    }
}
