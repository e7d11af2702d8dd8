//! A customer's events through the same rules once more: decoded under the run's catalog, rated on one shard, closed where
//! the log was closed, and billed.
//!
//! Owns: nothing about money; model, rater and invoicer decide, as they did in the run. One shard is enough: how usage is spread
//! over shards changes no total (L4).

use std::ops::Range;
use std::slice;
use std::sync::Arc;

use anyhow::{Result, anyhow};
use weir_ingest::{DecodeScratch, Decoder, RawEvent};
use weir_invoicer::{Biller, Invoice, Numbering, Remember};
use weir_model::catalog::Catalog;
use weir_model::event::{Chunk, Span};
use weir_model::hash::{Fingerprint, HashKey, PayloadDigest};
use weir_model::number::{Amount, Overflow, Quantity};
use weir_model::rated::{BucketNames, CustomerPeriod, OpenedBucket, ShardOutput};
use weir_model::verdict::Verdict;
use weir_rater::close::{Close, Settled, seal};
use weir_rater::{RatingPlan, Rows, Shard};

use super::archive::ArchivedEvent;
use super::folder::{Log, LogClose};
use crate::failure::invalid;

/// Events decoded at once, at most.
const CHUNK_EVENTS: usize = 4096;
/// Bytes of text that end a chunk: spans count to far more.
const CHUNK_BYTES: usize = 8 << 20;

/// What the events come to.
pub struct Replay {
    /// The customer's documents, each with the number of its close from 0.
    pub documents: Vec<(usize, Invoice)>,
    /// The customer's periods at the last close.
    pub periods: Vec<CustomerPeriod>,
    /// What each bucket number stands for.
    pub buckets: Vec<OpenedBucket>,
    /// All rated rows, of other customers of a pool too.
    pub rows: Vec<ReplayedRow>,
    /// Events that are not what they were when they were accepted.
    pub altered: Vec<Altered>,
}

/// A rated row.
#[derive(Debug, Clone, Copy)]
pub struct ReplayedRow {
    /// Position among the events.
    pub event: usize,
    /// The bucket's number.
    pub bucket: u32,
    /// The event's own quantity.
    pub quantity: Quantity,
    /// A(S after) - A(S before).
    pub amount: Amount,
}

/// What is wrong with an archived event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Altered {
    /// Position among the events.
    pub event: usize,
    /// How it differs.
    pub how: Alteration,
}

/// How an archived event is not what was accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Alteration {
    /// Type, time or data have another digest.
    Content,
    /// It is no valid event any more.
    Invalid,
    /// Its identity stands in the archive before.
    Repeated,
}

/// Rates and bills the events, which are in log order.
pub fn replay(catalog: &Arc<Catalog>, log: &Log, events: &[ArchivedEvent], customer: &str) -> Result<Replay> {
    let plan = Arc::new(RatingPlan::compile(Arc::clone(catalog), HashKey::FILES).map_err(invalid)?);
    let mut stage = Stage {
        decoder: Decoder::new(catalog, HashKey::FILES, 1),
        scratch: DecodeScratch::default(),
        shard: Shard::new(0, 1, Arc::clone(&plan)),
        names: BucketNames::default(),
        replay: Replay {
            documents: Vec::new(),
            periods: Vec::new(),
            buckets: Vec::new(),
            rows: Vec::new(),
            altered: Vec::new(),
        },
    };
    let prefix = catalog.seller.as_ref().map_or("INV-", |seller| seller.invoice_prefix.as_str());
    let mut biller = Biller::new(catalog, Numbering::new(prefix));
    let (mut settled, mut begin) = (Settled::new(), 0);
    for (number, LogClose { through, files_before }) in log.closes.iter().copied().enumerate() {
        let end = events.partition_point(|event| event.at.0 < files_before);
        stage.rate(events, begin..end)?;
        begin = end;
        let sealed = seal(slice::from_mut(&mut stage.shard), &plan, through).map_err(overflow)?;
        stage.replay.buckets.extend(sealed.opened.into_iter().map(|(_, bucket)| bucket));
        let close = Close::new(slice::from_ref(&stage.shard), Arc::clone(&plan), through, settled).map_err(overflow)?;
        let is_last = number + 1 == log.closes.len();
        let remember = if is_last { Remember::Nothing } else { Remember::Lines };
        let mut periods: Vec<CustomerPeriod> = Vec::new();
        close.for_each(|period| {
            if period.customer == customer {
                periods.push(period.clone());
            }
            anyhow::Ok(())
        })?;
        let mut closing = biller.close(through, remember);
        for period in &periods {
            closing.revisit(period)?;
        }
        for period in &periods {
            if let Some(document) = closing.bill(period)? {
                stage.replay.documents.push((number, document.write()?));
            }
        }
        stage.replay.documents.extend(closing.finish()?.into_iter().map(|note| (number, note)));
        settled = close.settled().clone();
        stage.replay.periods = periods;
    }
    Ok(stage.replay)
}

fn overflow(error: Overflow) -> anyhow::Error {
    anyhow!("the totals at a close cannot be made again: {error}")
}

struct Stage {
    decoder: Decoder,
    scratch: DecodeScratch,
    shard: Shard,
    names: BucketNames,
    replay: Replay,
}

impl Stage {
    fn rate(&mut self, events: &[ArchivedEvent], range: Range<usize>) -> Result<()> {
        let mut output = ShardOutput::default();
        let mut begin = range.start;
        while begin < range.end {
            let (chunk, numbers);
            (chunk, numbers, begin) = self.decode(events, begin..range.end);
            output.clear();
            if let Some(batch) = chunk.batches.first() {
                self.shard.apply(&chunk.text, batch, Rows::Keep, &mut output)?;
            }
            let event_of = |index: u32| usize::try_from(index).ok().and_then(|index| numbers.get(index).copied());
            for (&event, verdict) in numbers.iter().zip(&output.verdicts) {
                if matches!(verdict, Verdict::Duplicate | Verdict::Conflict) {
                    self.replay.altered.push(Altered { event, how: Alteration::Repeated });
                }
            }
            let rows = &output.rows;
            let columns = rows.event.iter().zip(&rows.bucket).zip(&rows.quantity).zip(&rows.amount);
            self.replay.rows.extend(columns.filter_map(|(((&event, &bucket), &quantity), &amount)| {
                Some(ReplayedRow { event: event_of(event)?, bucket, quantity, amount })
            }));
            self.replay.buckets.extend(self.names.describe(std::mem::take(&mut output.opened)));
        }
        Ok(())
    }

    /// The first events as a batch, the number of each of its rows among all events, and the number after the last.
    fn decode(&mut self, events: &[ArchivedEvent], range: Range<usize>) -> (Chunk, Vec<usize>, usize) {
        let (mut chunk, mut numbers) = (Chunk::new(1), Vec::new());
        let mut next = range.start;
        while next < range.end && next - range.start < CHUNK_EVENTS && chunk.text.len() < CHUNK_BYTES {
            let number = next;
            next += 1;
            let Some(event) = events.get(number) else { continue };
            let raw = raw(&mut chunk.text, event);
            self.decoder.admit(&mut chunk, &mut self.scratch, &raw);
            let mut opaque = false;
            if chunk.rejected.pop().is_some() {
                // Data that is no JSON: they came as `data_base64`, nothing was read from them, and their digest is not theirs.
                opaque = true;
                self.decoder.admit(&mut chunk, &mut self.scratch, &RawEvent { data: Span::ABSENT, ..raw });
                if chunk.rejected.pop().is_some() {
                    self.replay.altered.push(Altered { event: number, how: Alteration::Invalid });
                    continue;
                }
            }
            numbers.push(number);
            let Some(batch) = chunk.batches.first_mut() else { continue };
            // The identity is within the route key, which may have been a `partitionkey`: the archive has only its hash.
            if let Some(fingerprint) = batch.fingerprint.last_mut() {
                *fingerprint = Fingerprint(event.fingerprint);
            }
            let archived = PayloadDigest(event.payload);
            match batch.payload.last_mut() {
                Some(payload) if opaque => *payload = archived,
                Some(payload) if *payload != archived => {
                    self.replay.altered.push(Altered { event: number, how: Alteration::Content });
                }
                _ => {}
            }
        }
        (chunk, numbers, next)
    }
}

/// Adds an event's texts to `text`.
fn raw(text: &mut Vec<u8>, event: &ArchivedEvent) -> RawEvent {
    let mut span = |part: &str| {
        // A record has at most a megabyte, and a chunk ends soon.
        let start = u32::try_from(text.len()).unwrap_or(u32::MAX);
        text.extend_from_slice(part.as_bytes());
        Span::new(start, u32::try_from(part.len()).unwrap_or(u32::MAX))
    };
    RawEvent {
        position: 0,
        source: span(&event.source),
        id: span(&event.id),
        subject: span(&event.subject),
        partition_key: Span::ABSENT,
        event_type: span(&event.type_name),
        time: event.time,
        data: event.data.as_deref().map_or(Span::ABSENT, &mut span),
        record: Span::new(0, 0),
    }
}
