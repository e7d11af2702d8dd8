//! The tables of events and of rated rows, each on a thread of its own, and how much of a batch they have.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};

use weir_model::catalog::Catalog;
use weir_model::event::Chunk;
use weir_model::rated::{OpenedBucket, Openings, SettlementRow, ShardOutput};

use crate::append::BatchSize;
use crate::buckets::Directory;
use crate::catalog::Charges;
use crate::error::ArchiveError;
use crate::events::{EventBuffer, EventTask};
use crate::files::TableReport;
use crate::lane::Lane;
use crate::order::{LogOrder, Ordered};
use crate::parts::Parts;
use crate::rated::{RatedBuffer, RatedTask};
use crate::table::Table;

/// Both tables. A batch is called whatever the place of its parts calls it.
pub(crate) struct RowTables<B> {
    events: Lane<EventTask<B>, TableReport>,
    rated: Lane<RatedTask<B>, TableReport>,
    order: LogOrder,
    batch: BatchSize,
    /// Chunks that both tables are done with.
    done: Receiver<Ordered>,
    /// Without chunk and outputs: memory to be used again.
    spare: Vec<Ordered>,
}

impl<B: Clone + Send + 'static> RowTables<B> {
    /// Starts both threads.
    pub(crate) fn start<P: Parts<Batch = B>>(
        [events, rated]: [P; 2],
        catalog: Arc<Catalog>,
    ) -> Result<RowTables<B>, ArchiveError> {
        let (sender, done) = channel();
        let events = EventBuffer::new(events, Table::events(&catalog)?);
        let rated = RatedBuffer::new(rated, Table::rated(&catalog)?, Directory::new(Charges::new(catalog)));
        let give_back = |sender: Sender<Ordered>| {
            move |ordered| {
                // The first of the two tables leaves it to the other one.
                if let Some(ordered) = Arc::into_inner(ordered) {
                    // At the end nobody wants it back.
                    let _ = sender.send(ordered);
                }
            }
        };
        let [of_events, of_rated] = [sender.clone(), sender].map(give_back);
        Ok(RowTables {
            events: Lane::start("events", move |tasks| events.work(tasks, of_events))?,
            rated: Lane::start("rated", move |tasks| rated.work(tasks, of_rated))?,
            order: LogOrder::default(),
            batch: BatchSize::default(),
            done,
            spare: Vec::new(),
        })
    }

    /// Takes the next chunk of the input named `input`.
    pub(crate) fn append(
        &mut self,
        chunk: Arc<Chunk>,
        outputs: Vec<ShardOutput>,
        input: &Arc<str>,
    ) -> Result<(), ArchiveError> {
        let memory = self.spare.pop().unwrap_or_default();
        let mut ordered = Ordered { chunk, outputs, input: Arc::clone(input), ..memory };
        self.order.fill(&mut ordered);
        self.batch.add(&ordered);
        let ordered = Arc::new(ordered);
        self.events.send(EventTask::Append(Arc::clone(&ordered)))?;
        self.rated.send(RatedTask::Append(ordered))
    }

    /// A chunk whose memory can be used again, with what the shards made of it.
    pub(crate) fn take_used(&mut self) -> Option<(Arc<Chunk>, Vec<ShardOutput>)> {
        let mut ordered = self.done.try_recv().ok()?;
        let used = (std::mem::take(&mut ordered.chunk), std::mem::take(&mut ordered.outputs));
        self.spare.push(ordered);
        Some(used)
    }

    /// Takes a bucket that a close opened.
    pub(crate) fn opened(&mut self, shard: u16, bucket: OpenedBucket) -> Result<(), ArchiveError> {
        self.rated.send(RatedTask::Open(shard, bucket))
    }

    /// Takes buckets without the rows that opened them.
    pub(crate) fn tell(&mut self, shard: u16, opened: Openings) -> Result<(), ArchiveError> {
        self.rated.send(RatedTask::Tell(shard, opened))
    }

    /// Takes a row that a close caused.
    pub(crate) fn settle(&mut self, row: SettlementRow) -> Result<(), ArchiveError> {
        self.batch.add_settlement();
        self.rated.send(RatedTask::Settle(row))
    }

    /// What the batch at hand holds.
    pub(crate) fn batch(&self) -> BatchSize {
        self.batch
    }

    /// Ends the batch at hand.
    pub(crate) fn write(&mut self, batch: B) -> Result<(), ArchiveError> {
        self.batch = BatchSize::default();
        self.events.send(EventTask::Write(batch.clone()))?;
        self.rated.send(RatedTask::Write(batch))
    }

    /// Goes on with another catalog. No batch is begun.
    pub(crate) fn change_catalog(&mut self, catalog: Arc<Catalog>) -> Result<(), ArchiveError> {
        self.events.send(EventTask::Catalog(Table::events(&catalog)?))?;
        let rated = Table::rated(&catalog)?;
        self.rated.send(RatedTask::Catalog(Charges::new(catalog), rated))
    }

    /// Waits until all is written; what was written of events and of rated rows.
    pub(crate) fn finish(mut self) -> Result<[TableReport; 2], ArchiveError> {
        Ok([self.events.finish()?, self.rated.finish()?])
    }
}
