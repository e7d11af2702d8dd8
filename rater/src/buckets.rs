//! Buckets: the state that rating changes, one cache line each, found by an index of 8-byte slots.
#![expect(clippy::arithmetic_side_effects, reason = "slot positions, masked; money is checked in shard.rs")]

use std::sync::Arc;

use weir_model::aggregation::Frame;
use weir_model::bucket::BucketState;
use weir_model::catalog::ChargeIdx;
use weir_model::charge::Terms;
use weir_model::hash::Digest;
use weir_model::number::{Amount, Overflow, Quantity};

use crate::{at, next_index};

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

const NO_SLOT: u64 = u64::MAX;
const SLOTS_MIN: usize = 1 << 10;

/// All buckets of one shard.
#[derive(Debug)]
pub struct Buckets {
    /// Tag (high half of the key's hash) and number of the bucket.
    slots: Vec<u64>,
    shift: u32,
    buckets: Vec<Bucket>,
    extras: Vec<Extra>,
}

impl Buckets {
    /// No buckets.
    pub fn new() -> Buckets {
        Buckets {
            slots: vec![NO_SLOT; SLOTS_MIN],
            shift: 64 - SLOTS_MIN.trailing_zeros(),
            buckets: vec![],
            extras: vec![],
        }
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

    /// All buckets by number.
    pub fn as_slice(&self) -> &[Bucket] {
        &self.buckets
    }

    /// All extras by number.
    pub fn extras(&self) -> &[Extra] {
        &self.extras
    }

    /// A bucket by number.
    pub fn get_mut(&mut self, number: u32) -> &mut Bucket {
        self.buckets.get_mut(at(number)).expect("bucket numbers come from this table")
    }

    /// The extra of a bucket that has one.
    pub fn extra(&self, bucket: &Bucket) -> Option<&Extra> {
        usize::try_from(bucket.quantity.scaled()).ok().and_then(|number| self.extras.get(number))
    }

    /// A bucket by number.
    pub fn get(&self, number: u32) -> &Bucket {
        self.buckets.get(at(number)).expect("bucket numbers come from this table")
    }

    /// A bucket and its extra.
    pub fn get_with_extra_mut(&mut self, number: u32) -> Option<(&mut Bucket, &mut Extra)> {
        let bucket = self.buckets.get_mut(at(number))?;
        let extra = usize::try_from(bucket.quantity.scaled()).ok()?;
        Some((bucket, self.extras.get_mut(extra)?))
    }

    /// Appends the state of the bucket that waits for the next number, as a snapshot kept it.
    pub fn push_extra(&mut self, extra: Extra) {
        self.extras.push(extra);
    }

    /// Brings the index slot into the cache; the result only keeps the load alive.
    pub fn touch_slot(&self, hash: u64) -> u64 {
        self.slots.get(self.home(hash)).copied().unwrap_or(0)
    }

    /// Brings the bucket into the cache; the result only keeps the load alive.
    pub fn touch_bucket(&self, hash: u64) -> u32 {
        self.numbers(hash).next().and_then(|number| self.buckets.get(at(number))).map_or(0, |bucket| bucket.stretch)
    }

    /// The number of a bucket.
    pub fn find(&self, key: BucketKey, hash: u64) -> Option<u32> {
        self.numbers(hash).find(|number| self.buckets.get(at(*number)).is_some_and(|bucket| bucket.key() == key))
    }

    /// Numbers of the buckets whose tag fits: almost always the right one alone.
    fn numbers(&self, hash: u64) -> impl Iterator<Item = u32> {
        let mask = self.slots.len() - 1;
        let home = self.home(hash);
        let slots = (0..self.slots.len()).map_while(move |step| self.slots.get((home + step) & mask).copied());
        let tag = tag(hash);
        let number = |slot: u64| u32::try_from(slot & u64::from(u32::MAX)).unwrap_or(u32::MAX);
        slots.take_while(|slot| *slot != NO_SLOT).filter(move |slot| *slot >> 32 == tag).map(number)
    }

    /// Enters a bucket that is not there yet; `extra` if it has one.
    pub fn insert(&mut self, mut bucket: Bucket, extra: Option<Extra>) -> u32 {
        if self.buckets.len().saturating_mul(3) >= self.slots.len().saturating_mul(2) {
            self.grow();
        }
        if let Some(extra) = extra {
            bucket.quantity = Quantity::from_scaled(i128::from(next_index(self.extras.len())));
            self.extras.push(extra);
        }
        let number = next_index(self.buckets.len());
        self.buckets.push(bucket);
        self.link(number, hash_of(bucket.key()));
        number
    }

    fn link(&mut self, number: u32, hash: u64) {
        let mask = self.slots.len() - 1;
        let mut position = self.home(hash);
        while self.slots.get(position & mask).is_some_and(|slot| *slot != NO_SLOT) {
            position += 1;
        }
        if let Some(slot) = self.slots.get_mut(position & mask) {
            *slot = (tag(hash) << 32) | u64::from(number);
        }
    }

    fn grow(&mut self) {
        let slots = self.slots.len().saturating_mul(2);
        self.slots = vec![NO_SLOT; slots];
        self.shift = 64 - slots.trailing_zeros();
        for number in 0..next_index(self.buckets.len()) {
            if let Some(bucket) = self.buckets.get(at(number)) {
                self.link(number, hash_of(bucket.key()));
            }
        }
    }

    fn home(&self, hash: u64) -> usize {
        usize::try_from(hash >> self.shift).unwrap_or(usize::MAX)
    }
}

/// The top bits of a hash choose the slot, so the tag takes the low ones. 31 bits, so that no slot looks like [`NO_SLOT`].
fn tag(hash: u64) -> u64 {
    hash & 0x7FFF_FFFF
}

/// Hash of a key. Not keyed: the numbers in it are the shard's own.
pub fn hash_of(key: BucketKey) -> u64 {
    let low = u64::from(key.stretch) | (u64::from(key.charge.0) << 32);
    let product =
        u128::from(low ^ 0x9E37_79B9_7F4A_7C15).wrapping_mul(u128::from(u64::from(key.combo) ^ 0xD6E8_FEB8_6659_FD93));
    let folded = (product ^ (product >> 64)) & u128::from(u64::MAX);
    u64::try_from(folded).unwrap_or(0).wrapping_mul(0xFF51_AFD7_ED55_8CCD)
}
