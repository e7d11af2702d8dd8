//! Rated rows of the current batch: columns of usage and settlements in log order, written by period.

use weir_model::number::Amount;

use crate::buckets::{Bucket, BucketTexts, Directory};
use crate::catalog::Widening;
use crate::columns::{Decimals, Hashes, Meaning, Names, write_deltas, write_instants, write_searched};
use crate::dictionary::{NO_KEY, NumberDictionary, at, push_text};
use crate::error::ArchiveError;
use crate::events::{BLOCK, Rated};
use crate::files::{Files, PartName, TableReport};
use crate::order::Place;
use crate::part::{Part, Presence};
use crate::partitions::{PartitionId, of_partition};
use crate::table::Table;

/// The rated rows of the current batch.
#[derive(Default)]
pub(crate) struct RatedBuffer {
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
    event: Place,
    /// In its shard's output.
    row: usize,
    bucket: Bucket,
}

impl RatedBuffer {
    /// Memory that the batch takes: a function of its rows alone.
    pub(crate) fn byte_len(&self) -> usize {
        self.periods.iter().map(RatedColumns::byte_len).sum()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.periods.iter().all(|columns| columns.rows() == 0)
    }

    /// Buffers what the chunk's accepted events, in log order, were rated.
    pub(crate) fn append(
        &mut self,
        rated: Rated<'_>,
        events: &[Place],
        directory: &Directory,
    ) -> Result<(), ArchiveError> {
        self.find_usages(rated, events, directory)?;
        for (period, usages) in (0..).zip(&self.usages).filter(|(_, usages)| !usages.is_empty()) {
            let columns = of_partition(&mut self.periods, period);
            usages.chunks(BLOCK).try_for_each(|usages| columns.append(rated, usages, &directory.texts))?;
        }
        Ok(())
    }

    /// Sorts the shards' rows by event, and into periods.
    fn find_usages(&mut self, rated: Rated<'_>, events: &[Place], directory: &Directory) -> Result<(), ArchiveError> {
        let RatedBuffer { usages, shards, .. } = self;
        usages.iter_mut().for_each(Vec::clear);
        shards.resize_with(rated.outputs.len(), Default::default);
        // All look-ups at once: each is a cache miss, and none waits for another.
        for (shard, (output, (buckets, seen))) in rated.outputs.iter().zip(shards.iter_mut()).enumerate() {
            let known = directory.of_shard(shard);
            buckets.clear();
            buckets.extend(
                output.rows.bucket.iter().map(|&number| known.get(at(number)).copied().unwrap_or(Bucket::NONE)),
            );
            *seen = 0;
            if buckets.iter().any(|bucket| bucket.kind == NO_KEY) {
                return Err(rated.mismatch("a rated row in a bucket that was never opened"));
            }
        }
        for &event in events {
            let (output, (buckets, seen)) = (&rated.outputs[at(event.shard)], &mut shards[at(event.shard)]);
            // A shard's rows stand in the order of its events.
            while output.rows.event.get(*seen) == Some(&event.index) {
                let bucket = buckets[*seen];
                of_partition(usages, bucket.partition).push(Usage { event, row: *seen, bucket });
                *seen += 1;
            }
        }
        if shards.iter().any(|(buckets, seen)| buckets.len() != *seen) {
            return Err(rated.mismatch("a rated row without an accepted event"));
        }
        Ok(())
    }

    /// Buffers what a close adds to a bucket: a part's share of what rating it by itself missed, or what rolled over.
    pub(crate) fn settle(&mut self, bucket: Bucket, amount: Amount, texts: &BucketTexts) {
        of_partition(&mut self.periods, bucket.partition).settle(bucket, amount, texts);
    }

    /// Writes the batch, one part for each period start with rows.
    pub(crate) fn write(
        &mut self,
        files: &mut Files,
        (table, texts): (&Table, &BucketTexts),
        batch: u32,
    ) -> Result<TableReport, ArchiveError> {
        let mut report = TableReport::default();
        for (period, columns) in (0 as PartitionId..).zip(&mut self.periods).filter(|(_, columns)| columns.rows() > 0) {
            let part = PartName { partition: texts.partitions.name(period), batch };
            report.add(files.write_part(table, part, columns.rows(), |part| columns.write(part, texts))?);
            columns.clear();
        }
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

    fn byte_len(&self) -> usize {
        const FIXED: usize = 16 + 2 * size_of::<i64>() + 2 * size_of::<u32>();
        let texts = self.file.byte_len() + self.customer_texts.len();
        self.rows() * FIXED + texts + self.quantity.byte_len() + self.amount.byte_len()
    }

    fn append(&mut self, rated: Rated<'_>, usages: &[Usage], texts: &BucketTexts) -> Result<(), ArchiveError> {
        let events = || usages.iter().map(|usage| rated.batch(usage.event));
        self.file.push_equal(rated.input.as_bytes(), usages.len());
        self.position.extend(usages.iter().map(|usage| rated.position(usage.event).cast_signed()));
        self.fingerprint.extend(events().map(|(batch, i)| batch.fingerprint[i].0));
        self.time.extend(events().map(|(batch, i)| batch.events[i].time.micros()));
        usages.iter().for_each(|usage| self.push_bucket(usage.bucket, texts));
        for usage in usages {
            let rows = &rated.outputs[at(usage.event.shard)].rows;
            let Ok(quantity) = texts.widening(usage.bucket).widen(rows.quantity[usage.row]) else {
                return Err(ArchiveError::QuantityTooLarge {
                    charge: texts.charge(usage.bucket).to_owned(),
                    file: rated.input.to_owned(),
                    position: rated.position(usage.event),
                });
            };
            self.quantity.push(quantity);
            self.amount.push(Some(rows.amount[usage.row].scaled()));
        }
        Ok(())
    }

    fn push_bucket(&mut self, bucket: Bucket, texts: &BucketTexts) {
        let RatedColumns { customer, customers, customer_texts, kind, kinds, .. } = self;
        customer.push(customers.key(bucket.customer, |id| push_text(customer_texts, texts.customer(id))));
        kind.push(kinds.key(bucket.kind, |_| ()));
    }

    fn settle(&mut self, bucket: Bucket, amount: Amount, texts: &BucketTexts) {
        self.settlements.push(self.rows());
        self.push_bucket(bucket, texts);
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
