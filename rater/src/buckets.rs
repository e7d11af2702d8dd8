//! Buckets: the state that rating changes, one cache line each, found by an [`Index`].
#![expect(clippy::arithmetic_side_effects, reason = "packed counts, bounded; money is checked in shard.rs")]

use std::sync::Arc;

use weir_model::aggregation::Frame;
use weir_model::bucket::BucketState;
use weir_model::catalog::ChargeIdx;
use weir_model::charge::Terms;
use weir_model::hash::Digest;
use weir_model::number::{Amount, Overflow, Quantity};

use crate::index::Index;
use crate::next_index;
use crate::pool::Pool;

/// Charges a plan may number: a bucket packs its charge into 24 bits beside a 40-bit count.
pub const CHARGES_MAX: u32 = 1 << 24;
const EVENTS_MAX: u64 = (1 << 40) - 1;

/// Which bucket: the customer's period, the charge, and the group and cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BucketKey {
    /// Customer and period: a number from [`Subjects`](crate::subjects::Subjects).
    pub stretch: u32,
    /// The charge.
    pub charge: ChargeIdx,
    /// Group and cell: a number from [`Combos`](crate::combos::Combos).
    pub combo: u32,
}

/// One bucket. 64 bytes, one cache line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(align(64))]
pub struct Bucket {
    stretch: u32,
    combo: u32,
    /// Charge in the low 24 bits, number of usages above.
    charge_and_events: u64,
    /// Q for additive meters; otherwise the number of the bucket's [`Extra`].
    pub quantity: Quantity,
    /// A(S).
    pub amount: Amount,
    /// Sum of the events' hashes.
    pub digest: Digest,
}

const _: () = assert!(size_of::<Bucket>() == 64);

impl Bucket {
    /// A bucket without usage.
    pub fn new(key: BucketKey, quantity: Quantity, amount: Amount) -> Bucket {
        Bucket {
            stretch: key.stretch,
            combo: key.combo,
            charge_and_events: u64::from(key.charge.0),
            quantity,
            amount,
            digest: Digest::default(),
        }
    }

    /// Which bucket this is.
    pub fn key(&self) -> BucketKey {
        let charge = self.charge_and_events & u64::from(CHARGES_MAX - 1);
        let charge = ChargeIdx(u32::try_from(charge).unwrap_or(u32::MAX));
        BucketKey { stretch: self.stretch, charge, combo: self.combo }
    }

    /// Number of usages.
    pub fn events(&self) -> u64 {
        self.charge_and_events >> 24
    }

    /// Sets the number of usages.
    pub fn set_events(&mut self, events: u64) {
        self.charge_and_events = (self.charge_and_events & u64::from(CHARGES_MAX - 1)) | (events.min(EVENTS_MAX) << 24);
    }

    /// Whether one more usage can be counted.
    pub fn has_room(&self) -> bool {
        self.events() < EVENTS_MAX
    }

    /// Counts usages in without their hashes, as long as the count has room.
    pub fn count_events(&mut self, events: u64) -> Result<(), Overflow> {
        let events = self.events().checked_add(events).filter(|events| *events <= EVENTS_MAX).ok_or(Overflow)?;
        self.set_events(events);
        Ok(())
    }

    /// Counts one usage in, as long as the count has room.
    pub fn count_event(&mut self, event: Digest) -> Result<(), Overflow> {
        if !self.has_room() {
            return Err(Overflow);
        }
        self.charge_and_events += u64::from(CHARGES_MAX);
        self.digest = self.digest.plus(event);
        Ok(())
    }
}

/// State of a bucket that is more than one quantity and one amount.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Extra {
    /// What its events have come to.
    pub state: BucketState,
    /// A(∅), to which its rows add.
    pub without_usage: Amount,
    /// What decides on its price beside usage.
    pub terms: Arc<Terms>,
    /// What its quantities depend on beside events.
    pub frames: Box<[Frame]>,
}

/// All buckets of one shard.
#[derive(Debug)]
pub struct Buckets {
    index: Index,
    buckets: Pool<Bucket>,
    extras: Vec<Extra>,
}

impl Buckets {
    /// No buckets.
    pub fn new() -> Buckets {
        Buckets { index: Index::new(), buckets: Pool::new(), extras: Vec::new() }
    }

    /// From buckets and extras as another table had them. `None` if a bucket stands twice.
    pub fn from_parts(buckets: Vec<Bucket>, extras: Vec<Extra>) -> Option<Buckets> {
        let mut table = Buckets::new();
        for bucket in buckets {
            if table.find(bucket.key(), hash_of(bucket.key())).is_some() {
                return None;
            }
            table.insert(bucket, None);
        }
        table.extras = extras;
        Some(table)
    }

    /// Number of buckets.
    pub fn len(&self) -> usize {
        self.buckets.len()
    }

    /// All buckets by number.
    pub fn iter(&self) -> impl Iterator<Item = &Bucket> {
        self.buckets.iter()
    }

    /// All extras by number.
    pub fn extras(&self) -> &[Extra] {
        &self.extras
    }

    /// A bucket by number.
    #[inline]
    pub fn get_mut(&mut self, number: u32) -> &mut Bucket {
        self.buckets.get_mut(number).expect("bucket numbers come from this table")
    }

    /// The extra of a bucket that has one.
    pub fn extra(&self, bucket: &Bucket) -> Option<&Extra> {
        usize::try_from(bucket.quantity.scaled()).ok().and_then(|number| self.extras.get(number))
    }

    /// A bucket by number.
    #[inline]
    pub fn get(&self, number: u32) -> &Bucket {
        self.buckets.get(number).expect("bucket numbers come from this table")
    }

    /// A bucket and its extra.
    pub fn get_with_extra_mut(&mut self, number: u32) -> Option<(&mut Bucket, &mut Extra)> {
        let bucket = self.buckets.get_mut(number)?;
        let extra = usize::try_from(bucket.quantity.scaled()).ok()?;
        Some((bucket, self.extras.get_mut(extra)?))
    }

    /// Gives a bucket a state in place of its quantity.
    pub fn give_extra(&mut self, number: u32, extra: Extra) {
        let index = next_index(self.extras.len());
        self.extras.push(extra);
        self.get_mut(number).quantity = Quantity::from_scaled(i128::from(index));
    }

    /// Keeps the states of the buckets that are named, in their order, and no others.
    pub fn keep_extras(&mut self, numbers: &[u32]) {
        let mut kept = Vec::with_capacity(numbers.len());
        for number in numbers {
            let extra = self.extra(self.get(*number)).cloned();
            self.get_mut(*number).quantity = Quantity::from_scaled(i128::from(next_index(kept.len())));
            kept.extend(extra);
        }
        self.extras = kept;
    }

    /// Appends the state of the bucket that waits for the next number, as a snapshot kept it.
    pub fn push_extra(&mut self, extra: Extra) {
        self.extras.push(extra);
    }

    /// Starts to bring the slot of a key's hash into the cache.
    #[inline]
    pub fn prefetch_slot(&self, hash: u64) {
        self.index.prefetch(hash);
    }

    /// Starts to bring the bucket of a key's hash into the cache; its slot should be there.
    #[inline]
    pub fn prefetch_bucket(&self, hash: u64) {
        if let Some(number) = self.index.numbers(hash).next() {
            self.buckets.prefetch(number);
        }
    }

    /// Starts to bring a bucket into the cache.
    #[inline]
    pub fn prefetch(&self, number: u32) {
        self.buckets.prefetch(number);
    }

    /// The number of a bucket.
    #[inline]
    pub fn find(&self, key: BucketKey, hash: u64) -> Option<u32> {
        self.index.numbers(hash).find(|number| self.buckets.get(*number).is_some_and(|bucket| bucket.key() == key))
    }

    /// Enters a bucket that is not there yet; `extra` if it has one.
    pub fn insert(&mut self, mut bucket: Bucket, extra: Option<Extra>) -> u32 {
        if let Some(extra) = extra {
            bucket.quantity = Quantity::from_scaled(i128::from(next_index(self.extras.len())));
            self.extras.push(extra);
        }
        let number = next_index(self.buckets.len());
        self.buckets.push(bucket);
        self.index.insert(hash_of(bucket.key()), number);
        number
    }
}

/// Hash of a key. Not keyed: the numbers in it are the shard's own.
pub fn hash_of(key: BucketKey) -> u64 {
    let low = u64::from(key.stretch) | (u64::from(key.charge.0) << 32);
    let product =
        u128::from(low ^ 0x9E37_79B9_7F4A_7C15).wrapping_mul(u128::from(u64::from(key.combo) ^ 0xD6E8_FEB8_6659_FD93));
    let folded = (product ^ (product >> 64)) & u128::from(u64::MAX);
    u64::try_from(folded).unwrap_or(0).wrapping_mul(0xFF51_AFD7_ED55_8CCD)
}
