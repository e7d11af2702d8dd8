//! The ring: a fixed number of slots, each with a turn that says whose it is (after Dmitry Vyukov's bounded queue).
//!
//! Position `p` uses slot `p mod capacity`, and the capacity is a power of two: a division would take as long as all the
//! rest. The slot's turn is `2p` when `p` may be written, `2p + 1` when it may be taken;
//! taking it makes the turn `2(p + capacity)`. Senders share the next position to write; the one receiver keeps its own, which
//! is why taking needs no read-modify-write. Positions are 64 bits wide: at a thousand million items a second their
//! doubles last for 290 years.
//!
//! The only `unsafe` of the crate: a slot is written and read without a lock. Measured against the alternatives by
//! `benches/handoff.rs`; the figures are in ARCHITECTURE.md.
#![allow(unsafe_code, reason = "a slot belongs to whom its turn names")]

use std::mem::MaybeUninit;

use crate::sync::{AtomicUsize, Ordering, UnsafeCell};

pub(crate) struct Ring<T> {
    /// The next position to be written.
    written: Apart<AtomicUsize>,
    slots: Box<[Slot<T>]>,
}

/// The receiver's place in a ring: the position of the item that it takes next. One exists for each ring, so there is one
/// receiver.
#[derive(Debug)]
pub(crate) struct Cursor(usize);

/// On a cache line of its own (two, as processors fetch them in pairs): all senders write it.
#[repr(align(128))]
struct Apart<T>(T);

/// 16 bytes for a pointer. Slots share cache lines: a group that is drained then costs a quarter of the misses, which
/// outweighs that neighbours are written by different senders.
struct Slot<T> {
    turn: AtomicUsize,
    item: UnsafeCell<MaybeUninit<T>>,
}

// SAFETY: an item is moved in by the sender that claimed its position and moved out by the one receiver, never both at a
// time: the slot's turn, released and acquired, lies between. So the ring moves `T`s between threads and shares none.
unsafe impl<T: Send> Sync for Ring<T> {}
// SAFETY: as above; the ring owns its items.
unsafe impl<T: Send> Send for Ring<T> {}

impl<T> Ring<T> {
    /// For `capacity` items, rounded up to a power of two.
    pub(crate) fn new(capacity: usize) -> (Ring<T>, Cursor) {
        assert!(capacity > 0, "a queue has room for an item");
        let slot = |position| Slot {
            turn: AtomicUsize::new(writable(position)),
            item: UnsafeCell::new(MaybeUninit::uninit()),
        };
        let slots = (0..capacity.next_power_of_two()).map(slot).collect();
        (Ring { written: Apart(AtomicUsize::new(0)), slots }, Cursor(0))
    }

    pub(crate) fn capacity(&self) -> usize {
        self.slots.len()
    }

    /// Puts an item behind all others, or gives it back if there is no room.
    pub(crate) fn push(&self, item: T) -> Result<(), T> {
        let mut position = self.written.0.load(Ordering::Relaxed);
        loop {
            let slot = self.slot(position);
            let turn = slot.turn.load(Ordering::Acquire);
            if turn == writable(position) {
                let next = position + 1;
                match self.written.0.compare_exchange_weak(position, next, Ordering::Relaxed, Ordering::Relaxed) {
                    Ok(_) => {
                        // SAFETY: the turn says that nobody reads the slot, and the exchange gave its position to this
                        // sender alone. Whatever was in it has been moved out.
                        slot.item.with_mut(|place| unsafe { (*place).write(item) });
                        slot.turn.store(takable(position), Ordering::Release);
                        return Ok(());
                    }
                    Err(other) => position = other,
                }
                continue;
            }
            let other = self.written.0.load(Ordering::Relaxed);
            if turn < writable(position) && other == position {
                return Err(item);
            }
            position = other;
        }
    }

    /// Whether a push would have found room.
    pub(crate) fn has_room(&self) -> bool {
        let position = self.written.0.load(Ordering::Relaxed);
        self.slot(position).turn.load(Ordering::Acquire) >= writable(position)
    }

    /// How many items are there: exact if nobody sends or takes meanwhile. Looks at every slot.
    pub(crate) fn depth(&self) -> usize {
        let written = self.written.0.load(Ordering::Relaxed);
        let is_there = |position: &usize| self.slot(*position).turn.load(Ordering::Relaxed) == takable(*position);
        (written.saturating_sub(self.capacity())..written).filter(is_there).count()
    }

    /// Whether the receiver's next item is there.
    pub(crate) fn has_item(&self, cursor: &Cursor) -> bool {
        self.slot(cursor.0).turn.load(Ordering::Acquire) == takable(cursor.0)
    }

    /// Takes the receiver's next item, if it is there.
    pub(crate) fn take(&self, cursor: &mut Cursor) -> Option<T> {
        let Cursor(position) = *cursor;
        let slot = self.slot(position);
        if slot.turn.load(Ordering::Acquire) != takable(position) {
            return None;
        }
        // SAFETY: the turn says that the item has been written whole; no sender touches the slot before the store below, and
        // no other receiver does: the cursor is borrowed, and there is one.
        let item = slot.item.with_mut(|place| unsafe { (*place).assume_init_read() });
        slot.turn.store(writable(position + self.capacity()), Ordering::Release);
        cursor.0 += 1;
        Some(item)
    }

    fn slot(&self, position: usize) -> &Slot<T> {
        &self.slots[position & (self.slots.len() - 1)]
    }
}

const fn writable(position: usize) -> usize {
    position * 2
}

const fn takable(position: usize) -> usize {
    position * 2 + 1
}

impl<T> Drop for Ring<T> {
    fn drop(&mut self) {
        // Nobody else is left: what is there lies among the last positions, at most one round of them.
        let written = self.written.0.load(Ordering::Relaxed);
        for position in written.saturating_sub(self.capacity())..written {
            drop(self.take(&mut Cursor(position)));
        }
    }
}

impl<T> std::fmt::Debug for Ring<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ring").field("capacity", &self.capacity()).finish_non_exhaustive()
    }
}
