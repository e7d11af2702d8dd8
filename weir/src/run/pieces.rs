//! The periods of a close, visited by several threads: piece by piece, so that what comes of them has an order.

use std::ops::Range;
use std::sync::mpsc::sync_channel;
use std::thread;

use anyhow::{Result, anyhow};
use weir_rater::Shard;
use weir_rater::close::{Close, Periods};

/// Periods of a piece. Not a function of the threads, because files end where pieces do.
const PIECE_PERIODS: usize = 1 << 14;

/// All periods of a close, in order.
pub fn periods<'c>(close: &'c Close<'c>, shards: &'c [Shard], threads: usize) -> Result<Periods<'c>> {
    let per_thread = shards.len().div_ceil(threads).max(1);
    thread::scope(|scope| {
        let list = |shard| close.shard_periods(shard);
        let parts = shards.chunks(per_thread).map(|shards| scope.spawn(move || shards.iter().map(list).collect()));
        let parts: Vec<thread::ScopedJoinHandle<'_, Vec<_>>> = parts.collect();
        let mut lists = Vec::with_capacity(shards.len());
        for part in parts {
            lists.extend(part.join().map_err(|_| anyhow!("internal error: listing the customers' periods panicked"))?);
        }
        Ok(close.periods(lists))
    })
}

/// Works on pieces on several threads; `take` gets the results in order, on this one.
pub fn in_order<T: Send>(
    periods: &Periods<'_>,
    threads: usize,
    work: impl Fn(Range<usize>) -> Result<T> + Sync,
    mut take: impl FnMut(T) -> Result<()>,
) -> Result<()> {
    let pieces = periods.len().div_ceil(PIECE_PERIODS);
    let threads = threads.min(pieces);
    thread::scope(|scope| {
        // Every thread has its own pieces, and at most one result that waits.
        let spawn = |first: usize| {
            let (sender, results) = sync_channel(1);
            let work = &work;
            scope.spawn(move || {
                for piece in (first..pieces).step_by(threads) {
                    let start = piece * PIECE_PERIODS;
                    if sender.send(work(start..start + PIECE_PERIODS)).is_err() {
                        return;
                    }
                }
            });
            results
        };
        let results: Vec<_> = (0..threads).map(spawn).collect();
        for piece in 0..pieces {
            let result = results[piece % threads].recv();
            take(result.map_err(|_| anyhow!("internal error: work on the customers' periods panicked"))??)?;
        }
        Ok(())
    })
}
