//! Totals of buckets: columns in the order of the customers' periods, written by period.

use std::sync::Arc;

use weir_model::catalog::Catalog;
use weir_model::rated::{BucketTotal, CustomerPeriod};

use crate::buckets::{BucketTexts, BucketTime};
use crate::catalog::Charges;
use crate::columns::{Decimals, Hashes, Texts, write_booleans, write_deltas, write_searched};
use crate::dictionary::{NumberDictionary, TextDictionary};
use crate::error::ArchiveError;
use crate::files::{Encoded, Files, PartName, TableReport, encode_part};
use crate::part::{Effort, Part, Presence};
use crate::partitions::of_partition;
use crate::table::Table;

/// Totals of some customers' periods, collected apart from the archive, which writes them as one batch. Several threads may
/// collect and encode at the same time.
pub struct Totals {
    texts: BucketTexts,
    table: Table,
    /// By the date on which the period begins.
    periods: Vec<TotalColumns>,
}

/// Totals as their files will have them.
pub struct EncodedTotals {
    table: Table,
    /// With the folder of each part.
    parts: Vec<(String, Encoded)>,
}

impl Totals {
    /// None yet. The catalog is the archive's.
    pub fn new(catalog: Arc<Catalog>) -> Result<Totals, ArchiveError> {
        let table = Table::totals(&catalog)?;
        Ok(Totals { texts: BucketTexts::new(Charges::new(catalog)), table, periods: Vec::new() })
    }

    /// Takes the totals of the next customer and period.
    pub fn push(&mut self, totals: &CustomerPeriod) -> Result<(), ArchiveError> {
        let Totals { texts, periods, .. } = self;
        let columns = of_partition(periods, texts.partitions.of(totals.period.start));
        let customer = columns.customer(&totals.customer);
        for segment in &totals.segments {
            let time = BucketTime { period: totals.period, segment_start: segment.active.start };
            for total in &segment.buckets {
                columns.push(texts, (totals, customer, time), total).map_err(|what| ArchiveError::Closing { what })?;
            }
        }
        Ok(())
    }

    /// Encodes them, one part for each period start with rows.
    pub fn encode(self) -> Result<EncodedTotals, ArchiveError> {
        let Totals { texts, table, periods } = self;
        let mut parts = Vec::new();
        for (period, mut columns) in (0..).zip(periods).filter(|(_, columns)| columns.rows() > 0) {
            let encoded = encode_part(&table, columns.rows(), |part| columns.write(part, &texts))?;
            parts.push((texts.partitions.name(period).to_owned(), encoded));
        }
        Ok(EncodedTotals { table, parts })
    }
}

impl EncodedTotals {
    pub(crate) fn write(self, files: &Files, batch: u32) -> Result<TableReport, ArchiveError> {
        let mut report = TableReport::default();
        for (partition, part) in &self.parts {
            report.add(files.write_encoded(&self.table, PartName { partition, batch }, part)?);
        }
        Ok(report)
    }
}

/// The columns of one period start.
#[derive(Default)]
struct TotalColumns {
    customer: Vec<u32>,
    customers: TextDictionary,
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

    /// The key of a customer's id.
    fn customer(&mut self, id: &str) -> u32 {
        self.customers.key(id.as_bytes()).0
    }

    fn push(
        &mut self,
        texts: &mut BucketTexts,
        (totals, customer, time): (&CustomerPeriod, u32, BucketTime),
        total: &BucketTotal,
    ) -> Result<(), &'static str> {
        let BucketTotal { charge, group, cell, terms, measured, events, amount, without_usage, digest, .. } = total;
        let version = terms.versions.first().map_or(0, |(version, _)| *version);
        let kind = texts.kind_of(*charge, group, (version, *cell), time)?;
        self.customer.push(customer);
        self.kind.push(self.kinds.key(kind, |_| ()));
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
        write_searched(part, &self.customer, self.customers.plain())?;
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
}
