//! The handoff (design.md 4.2): a bounded queue from many threads to one, which takes all that is there at once, so that
//! groups grow with load.
//!
//! Owns: the ring, waiting and waking, and what happens when a side goes away. Does not own: what is handed over, and
//! threads. Sending and taking never lock; a lock is taken only by who must sleep and by who wakes a sleeper. Items arrive
//! once each, and each sender's in its order. A crate of its own, so that the model checker (loom) builds it and nothing else.

mod bell;
mod ring;
mod sync;

use std::fmt;

use bell::Bell;
use ring::{Cursor, Ring};
use sync::{Arc, AtomicBool, AtomicUsize, Ordering};

/// Why an item was not taken; it is given back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TrySendError<T> {
    /// No room: the receiver is behind.
    Full(T),
    /// The receiver is gone.
    Closed(T),
}

/// The receiver is gone; the item is given back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SendError<T>(pub T);

/// Every sender is gone, and nothing is left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Closed;

impl fmt::Display for Closed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("every sender is gone")
    }
}

impl std::error::Error for Closed {}

/// What both sides share.
#[derive(Debug)]
struct Queue<T> {
    ring: Ring<T>,
    senders: AtomicUsize,
    receiver_gone: AtomicBool,
    /// The receiver waits here for items.
    items: Bell,
    /// Senders wait here for room.
    room: Bell,
}

/// The side that sends; one for each thread that does.
#[derive(Debug)]
pub struct Sender<T> {
    queue: Arc<Queue<T>>,
}

/// The side that takes.
#[derive(Debug)]
pub struct Receiver<T> {
    queue: Arc<Queue<T>>,
    cursor: Cursor,
}

/// Wakes the receiver, and sends nothing: it does not keep the queue open.
#[derive(Debug)]
pub struct Waker<T> {
    queue: Arc<Queue<T>>,
}

/// A queue for `capacity` items, rounded up to a power of two, and never one more.
///
/// # Panics
/// If the capacity is 0.
pub fn bounded<T>(capacity: usize) -> (Sender<T>, Receiver<T>) {
    let (ring, cursor) = Ring::new(capacity);
    let queue = Arc::new(Queue {
        ring,
        senders: AtomicUsize::new(1),
        receiver_gone: AtomicBool::new(false),
        items: Bell::new(),
        room: Bell::new(),
    });
    (Sender { queue: Arc::clone(&queue) }, Receiver { queue, cursor })
}

impl<T> Sender<T> {
    /// Hands an item over unless there is no room or nobody to take it.
    pub fn try_send(&self, item: T) -> Result<(), TrySendError<T>> {
        if self.is_closed() {
            return Err(TrySendError::Closed(item));
        }
        self.queue.ring.push(item).map_err(TrySendError::Full)?;
        self.queue.items.ring();
        Ok(())
    }

    /// Hands an item over; sleeps while there is no room.
    pub fn send(&self, item: T) -> Result<(), SendError<T>> {
        let mut item = item;
        loop {
            match self.try_send(item) {
                Ok(()) => return Ok(()),
                Err(TrySendError::Closed(item)) => return Err(SendError(item)),
                Err(TrySendError::Full(back)) => item = back,
            }
            self.queue.room.wait(|| self.queue.ring.has_room() || self.is_closed());
        }
    }

    /// How many items wait, for people: it may have changed by the time that it is told.
    pub fn depth(&self) -> usize {
        self.queue.ring.depth()
    }

    /// As [`Waker::wake`].
    pub fn wake(&self) {
        self.queue.items.ring();
    }

    /// Whether the receiver is gone.
    pub fn is_closed(&self) -> bool {
        self.queue.receiver_gone.load(Ordering::Acquire)
    }
}

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Sender<T> {
        // Whoever clones has a sender: the number cannot come from 0, and nothing rests on its order.
        self.queue.senders.fetch_add(1, Ordering::Relaxed);
        Sender { queue: Arc::clone(&self.queue) }
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        // Releases what was sent: who sees 0 sees every item.
        if self.queue.senders.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.queue.items.ring();
        }
    }
}

impl<T> Waker<T> {
    /// Wakes the receiver if it sleeps, so that it looks again at what else it waits for ([`Receiver::wait`]). Whatever
    /// the caller changed before, the receiver sees.
    pub fn wake(&self) {
        self.queue.items.ring();
    }
}

impl<T> Receiver<T> {
    /// For whoever makes true what this side waits for beside items.
    pub fn waker(&self) -> Waker<T> {
        Waker { queue: Arc::clone(&self.queue) }
    }

    /// Appends all items that are there to `group`, but never more than the queue holds, so that a sender which keeps up
    /// cannot keep the receiver here. Returns how many there were.
    pub fn drain(&mut self, group: &mut Vec<T>) -> usize {
        let before = group.len();
        let Receiver { queue, cursor } = self;
        group.extend(std::iter::from_fn(|| queue.ring.take(cursor)).take(queue.ring.capacity()));
        let count = group.len() - before;
        if count > 0 {
            self.queue.room.ring();
        }
        count
    }

    /// Appends all items that are there to `group`; sleeps until there is one. Returns how many there were.
    pub fn receive(&mut self, group: &mut Vec<T>) -> Result<usize, Closed> {
        loop {
            // Asked before the queue: what was sent before the last sender went is still taken.
            let is_last = self.queue.senders.load(Ordering::Acquire) == 0;
            match self.drain(group) {
                0 if is_last => return Err(Closed),
                0 => self.wait(|| false),
                count => return Ok(count),
            }
        }
    }

    /// Sleeps until there is an item, every sender is gone, or `other` holds. Who makes `other` true calls
    /// [`Waker::wake`] afterwards.
    pub fn wait(&self, other: impl Fn() -> bool) {
        let Queue { ring, senders, items, .. } = &*self.queue;
        items.wait(|| ring.has_item(&self.cursor) || senders.load(Ordering::Acquire) == 0 || other());
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        self.queue.receiver_gone.store(true, Ordering::Release);
        // What is still there, and what a sender puts there at this very moment, goes with the ring.
        self.queue.room.ring();
    }
}

#[cfg(all(test, loom))]
mod models;
#[cfg(all(test, not(loom)))]
mod tests;
