//! Sleeping until something holds, and waking who sleeps (an event count). No wake-up is lost, so nobody needs a time-out.
//!
//! Who sleeps says so first and looks once more; who changes something looks afterwards whether anybody sleeps. A
//! sequentially consistent fence stands between the two steps on both sides: one of them sees the other.

use std::sync::PoisonError;

use crate::sync::{AtomicBool, Condvar, Mutex, Ordering, fence};

#[derive(Debug)]
pub(crate) struct Bell {
    /// Somebody sleeps, or is about to. Only exchanged, so that the order of its changes is plain to every thread.
    awaited: AtomicBool,
    /// Held from announcing to sleeping, so that nobody rings in between.
    lock: Mutex<()>,
    sleepers: Condvar,
}

impl Bell {
    pub(crate) fn new() -> Bell {
        Bell { awaited: AtomicBool::new(false), lock: Mutex::new(()), sleepers: Condvar::new() }
    }

    /// Returns when `holds` does. It is asked under the lock: it must not ring this bell.
    pub(crate) fn wait(&self, holds: impl Fn() -> bool) {
        if holds() {
            return;
        }
        // Nothing is kept behind the lock that a panic could leave half done.
        let mut guard = self.lock.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            self.awaited.swap(true, Ordering::AcqRel);
            fence(Ordering::SeqCst);
            if holds() {
                // Somebody else may sleep: the mark stays, and costs at most one ring too many.
                return;
            }
            guard = self.sleepers.wait(guard).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Wakes everybody who sleeps here, after a change that may be what they wait for.
    #[inline]
    pub(crate) fn ring(&self) {
        fence(Ordering::SeqCst);
        if self.awaited.load(Ordering::Relaxed) {
            self.wake();
        }
    }

    #[cold]
    fn wake(&self) {
        // Of many who ring, the first one wakes.
        if self.awaited.swap(false, Ordering::AcqRel) {
            drop(self.lock.lock().unwrap_or_else(PoisonError::into_inner));
            self.sleepers.notify_all();
        }
    }
}
