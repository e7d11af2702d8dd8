//! Rated rows of the current batch: columns of usage and settlements in log order, written by period.

use std::sync::Arc;
use std::sync::mpsc::Receiver;

use weir_model::number::Amount;
use weir_model::rated::{OpenedBucket, Openings, SettlementRow};

use crate::buckets::{Bucket, BucketTexts, Directory};
use crate::catalog::{Charges, Widening};
use crate::columns::{Decimals, Hashes, Meaning, Names, write_deltas, write_instants, write_searched};
use crate::dictionary::{NO_KEY, NumberDictionary, at, push_text};
use crate::error::ArchiveError;
use crate::files::TableReport;
use crate::order::Ordered;
use crate::part::{Part, Presence};
use crate::partitions::{PartitionId, of_partition};
use crate::parts::Parts;
use crate::table::Table;

/// What the table of rated rows is told, in log order.
pub(crate) enum RatedTask<B> {
    /// The next chunk.
    Append(Arc<Ordered>),
    /// A bucket that a close opened: the next of its shard.
    Open(u16, OpenedBucket),
    /// Buckets of a shard that are there without a chunk that is kept.
    Tell(u16, Openings),
    /// What a close adds to a bucket: a part's share of what rating it by itself missed, or what rolled over.
    Settle(SettlementRow),
    /// Ends a batch.
    Write(B),
    /// The catalog that holds from here on, and the table under it; no batch is begun.
    Catalog(Charges, Table),
}

/// The rated rows of the current batch.
pub(crate) struct RatedBuffer<P> {
    parts: P,
    table: Table,
    directory: Directory,
    /// By the date on which the period begins.
    periods: Vec<RatedColumns>,
    /// Usages of the chunk at hand, by period.
    usages: Vec<Vec<Usage>>,
    /// The buckets of each shard's rows, and how many rows have been seen.
    shards: Vec<(Vec<Bucket>, usize)>,
}

/// A rated row of the chunk at hand.
#[derive(Debug, Clone, Copy)]
struct Usage {
    event: u32,
    shard: u32,
    /// In its shard's output.
    row: usize,
    bucket: Bucket,
}

impl<P: Parts> RatedBuffer<P> {
    pub(crate) fn new(parts: P, table: Table, directory: Directory) -> RatedBuffer<P> {
        RatedBuffer { parts, table, directory, periods: Vec::new(), usages: Vec::new(), shards: Vec::new() }
    }

    /// Does what it is told until nothing comes; `done` sees each chunk that is not needed any more.
    pub(crate) fn work(
        mut self,
        tasks: Receiver<RatedTask<P::Batch>>,
        done: impl Fn(Arc<Ordered>),
    ) -> Result<TableReport, ArchiveError> {
        let worked = self.try_work(tasks, done);
        worked.map_err(|error| self.parts.failed(error))
    }

    fn try_work(
        &mut self,
        tasks: Receiver<RatedTask<P::Batch>>,
        done: impl Fn(Arc<Ordered>),
    ) -> Result<TableReport, ArchiveError> {
        let closing = |what| ArchiveError::Closing { what };
        let mut report = TableReport::default();
        for task in tasks {
            match task {
                RatedTask::Append(ordered) => {
                    self.append(&ordered)?;
                    done(ordered);
                }
                RatedTask::Open(shard, bucket) => {
                    self.directory.open(usize::from(shard), &bucket).map_err(closing)?;
                }
                RatedTask::Tell(shard, opened) => {
                    self.directory.open_all(usize::from(shard), &opened).map_err(closing)?;
                }
                RatedTask::Settle(SettlementRow { bucket, amount, .. }) => {
                    let bucket = self.directory.bucket(&bucket).map_err(closing)?;
                    of_partition(&mut self.periods, bucket.partition).settle(bucket, amount, &self.directory.texts);
                }
                RatedTask::Write(batch) => report.add(self.write(&batch)?),
                RatedTask::Catalog(charges, table) => {
                    self.directory.change_catalog(charges).map_err(closing)?;
                    self.table = table;
                }
            }
        }
        Ok(report)
    }

    /// Buffers what the chunk's accepted events were rated.
    fn append(&mut self, ordered: &Ordered) -> Result<(), ArchiveError> {
        for (shard, output) in ordered.outputs.iter().enumerate() {
            self.directory.open_all(shard, &output.opened).map_err(|what| ordered.mismatch(what))?;
        }
        self.find_usages(ordered)?;
        for (period, usages) in (0..).zip(&self.usages).filter(|(_, usages)| !usages.is_empty()) {
            of_partition(&mut self.periods, period).append(ordered, usages, &self.directory.texts)?;
        }
        Ok(())
    }

    /// Sorts the shards' rows by event, and into periods.
    fn find_usages(&mut self, ordered: &Ordered) -> Result<(), ArchiveError> {
        let RatedBuffer { directory, usages, shards, .. } = self;
        usages.iter_mut().for_each(Vec::clear);
        shards.resize_with(ordered.outputs.len(), Default::default);
        // All look-ups at once: each is a cache miss, and none waits for another.
        for (shard, (output, (buckets, seen))) in ordered.outputs.iter().zip(shards.iter_mut()).enumerate() {
            let known = directory.of_shard(shard);
            buckets.clear();
            buckets.extend(
                output.rows.bucket.iter().map(|&number| known.get(at(number)).copied().unwrap_or(Bucket::NONE)),
            );
            *seen = 0;
            if buckets.iter().any(|bucket| bucket.kind == NO_KEY) {
                return Err(ordered.mismatch("a rated row in a bucket that was never opened"));
            }
        }
        for (event, place) in (0..).zip(&ordered.places) {
            let shard = place.shard;
            let (output, (buckets, seen)) = (&ordered.outputs[at(shard)], &mut shards[at(shard)]);
            // A shard's rows stand in the order of its events.
            while output.rows.event.get(*seen) == Some(&place.index) {
                let bucket = buckets[*seen];
                of_partition(usages, bucket.partition).push(Usage { event, shard, row: *seen, bucket });
                *seen += 1;
            }
        }
        if shards.iter().any(|(buckets, seen)| buckets.len() != *seen) {
            return Err(ordered.mismatch("a rated row without an accepted event"));
        }
        Ok(())
    }

    /// Writes the batch, one part for each period start with rows. Those without any give their memory back.
    fn write(&mut self, batch: &P::Batch) -> Result<TableReport, ArchiveError> {
        let RatedBuffer { parts, table, directory, periods, .. } = self;
        let texts = &directory.texts;
        let mut report = TableReport::default();
        for (period, columns) in (0 as PartitionId..).zip(periods) {
            if columns.rows() == 0 {
                *columns = RatedColumns::default();
                continue;
            }
            let at = (batch, texts.partitions.name(period));
            report.add(parts.write_part(table, at, columns.rows(), |part| columns.write(part, texts))?);
            columns.clear();
        }
        parts.end(batch)?;
        Ok(report)
    }
}

/// The columns of one period start. Those of the event hold nothing for a settlement.
#[derive(Default)]
struct RatedColumns {
    file: Names,
    position: Vec<i64>,
    fingerprint: Hashes,
    time: Vec<i64>,
    customer: Vec<u32>,
    customers: NumberDictionary,
    /// Their ids as Parquet has them.
    customer_texts: Vec<u8>,
    kind: Vec<u32>,
    kinds: NumberDictionary,
    quantity: Decimals,
    amount: Decimals,
    /// Rows that are settlements.
    settlements: Vec<usize>,
}

impl RatedColumns {
    fn rows(&self) -> usize {
        self.kind.len()
    }

    fn append(&mut self, ordered: &Ordered, usages: &[Usage], texts: &BucketTexts) -> Result<(), ArchiveError> {
        self.file.push_equal(ordered.input.as_bytes(), usages.len());
        self.position.extend(usages.iter().map(|usage| ordered.position[at(usage.event)]));
        self.fingerprint.extend(usages.iter().map(|usage| ordered.fingerprint[at(usage.event)]));
        self.time.extend(usages.iter().map(|usage| ordered.time[at(usage.event)]));
        self.push_buckets(usages.iter().map(|usage| usage.bucket), texts);
        for usage in usages {
            let rows = &ordered.outputs[at(usage.shard)].rows;
            let Ok(quantity) = texts.widening(usage.bucket).widen(rows.quantity[usage.row]) else {
                return Err(ArchiveError::QuantityTooLarge {
                    charge: texts.charge(usage.bucket).to_owned(),
                    file: ordered.input.to_string(),
                    position: ordered.record(usage.event),
                });
            };
            self.quantity.push(quantity);
            self.amount.push(Some(rows.amount[usage.row].scaled()));
        }
        Ok(())
    }

    fn push_buckets(&mut self, buckets: impl Iterator<Item = Bucket> + Clone, texts: &BucketTexts) {
        let RatedColumns { customer, customers, customer_texts, kind, kinds, .. } = self;
        let numbers = buckets.clone().map(|bucket| bucket.customer);
        customers.extend(customer, numbers, |id| push_text(customer_texts, texts.customer(id)));
        kinds.extend(kind, buckets.map(|bucket| bucket.kind), |_| ());
    }

    fn settle(&mut self, bucket: Bucket, amount: Amount, texts: &BucketTexts) {
        self.settlements.push(self.rows());
        self.push_buckets(std::iter::once(bucket), texts);
        self.quantity.push((texts.widening(bucket) != Widening::Resources).then_some(0));
        self.amount.push(Some(amount.scaled()));
    }

    /// In the order of `schema::rated`.
    fn write(&mut self, part: &mut Part<'_>, texts: &BucketTexts) -> parquet::errors::Result<()> {
        let bucket = texts.meanings(self.kinds.numbers());
        let mut usage = Vec::new();
        if !self.settlements.is_empty() {
            usage.resize(self.rows(), 1);
            self.settlements.iter().for_each(|&row| usage[row] = 0);
        }
        let events = match self.settlements.len() {
            0 => Presence::Every,
            all if all == self.rows() => Presence::None,
            _ => Presence::Some(&usage),
        };
        self.file.write_where(part, events)?;
        write_deltas(part, &self.position, events)?;
        self.fingerprint.write(part, events)?;
        write_searched(part, &self.customer, &self.customer_texts)?;
        for meaning in [&bucket.plan, &bucket.charge, &bucket.group, &bucket.cell] {
            meaning.write(part, &self.kind)?;
        }
        for meaning in [&bucket.period_start, &bucket.period_end, &bucket.segment_start] {
            meaning.write(part, &self.kind)?;
        }
        write_instants(part, &self.time, events)?;
        self.quantity.write(part)?;
        self.amount.write(part)?;
        bucket.currency.write(part, &self.kind)?;
        // By whether it is a usage.
        let kinds = ["settlement", "usage"].map(|kind| Some(kind.as_bytes()));
        match events {
            Presence::Every => Meaning::of_texts(kinds[1..].iter().copied()).write(part, &usage),
            Presence::None => Meaning::of_texts(kinds[..1].iter().copied()).write(part, &usage),
            Presence::Some(usage) => Meaning::of_texts(kinds.into_iter()).write(part, usage),
        }
    }

    /// Forgets the rows and keeps the memory.
    fn clear(&mut self) {
        self.file.clear();
        self.position.clear();
        self.fingerprint.clear();
        self.time.clear();
        self.customer.clear();
        self.customers.clear();
        self.customer_texts.clear();
        self.kind.clear();
        self.kinds.clear();
        self.quantity.clear();
        self.amount.clear();
        self.settlements.clear();
    }
}
