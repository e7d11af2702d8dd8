//! The shard: exact dedup, meters and marginal rating in columnar batches.
//!
//! Owns: everything between an [`EventBatch`](weir_model::event::EventBatch) and its verdicts, rated rows and totals.
//! Pure: knows no I/O, no clock, no randomness and no threads; its state after a batch is a function of the batches
//! before. Does not own: decoding, documents, how shards are spread over threads. Keeps L2, L3, L4, L5, L6, L9.
#![deny(
    clippy::float_arithmetic,
    clippy::as_conversions,
    clippy::integer_division,
    clippy::arithmetic_side_effects,
    clippy::iter_over_hash_type
)]
#![cfg_attr(test, allow(clippy::arithmetic_side_effects, clippy::integer_division, clippy::as_conversions))]

mod buckets;
pub mod close;
mod combos;
mod counters;
mod curve;
mod event_view;
mod hours;
pub mod identities;
mod index;
mod plan;
mod pool;
pub mod prefetch;
mod series;
mod shard;
mod snapshot;
mod subjects;
mod sums;

pub use counters::{Counters, UnpricedUsage};
pub use event_view::EventView;
pub use plan::{PlanError, RatingPlan};
pub use shard::{Known, KnownBucket, KnownSum, KnownSums, ReplanError, ResumeError, Rows, Shard};
pub use snapshot::{Snapshot, SnapshotError, SnapshotMemory, TakenSnapshot};
pub use subjects::{Spot, Subjects};
pub use sums::{Sum, SumKey, Sums};

/// A position in one of the shard's own lists. They count in 32 bits; `usize` is at least as wide wherever this runs.
fn at(index: u32) -> usize {
    usize::try_from(index).unwrap_or(usize::MAX)
}

/// The index that the next entry of a list will have.
///
/// # Panics
/// Beyond 2^32 - 2 entries: a shard that large is a capacity error that no input below the limits reaches.
fn next_index(len: usize) -> u32 {
    u32::try_from(len).ok().filter(|index| *index < u32::MAX).expect("a shard holds at most 2^32 - 2 entries of a kind")
}
