//! Every order in which a few threads can run, by loom. Build with `--cfg loom`; `cargo xtask test` does.

use loom::sync::Arc;
use loom::sync::atomic::{AtomicUsize, Ordering};
use loom::thread;

use super::*;

/// Tries every order with at most two preemptions, which find what these few steps can get wrong and take seconds.
fn model(work: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(2);
    builder.check(work);
}

/// Everything until the senders are gone.
fn receive_all<T>(receiver: &mut Receiver<T>) -> Vec<T> {
    let mut all = Vec::new();
    while receiver.receive(&mut all).is_ok() {}
    all
}

#[test]
fn nothing_is_lost_or_doubled() {
    model(|| {
        let (sender, mut receiver) = bounded(2);
        let other = sender.clone();
        let first = thread::spawn(move || sender.try_send(1).unwrap());
        let second = thread::spawn(move || other.try_send(2).unwrap());
        let mut all = receive_all(&mut receiver);
        all.sort_unstable();
        assert_eq!(all, [1, 2]);
        first.join().unwrap();
        second.join().unwrap();
    });
}

#[test]
fn a_sender_waits_for_room_and_keeps_its_order() {
    model(|| {
        let (sender, mut receiver) = bounded(1);
        let thread = thread::spawn(move || {
            for item in 0..3 {
                sender.send(item).unwrap();
            }
        });
        assert_eq!(receive_all(&mut receiver), [0, 1, 2]);
        thread.join().unwrap();
    });
}

#[test]
fn two_senders_wait_for_one_slot() {
    model(|| {
        let (sender, mut receiver) = bounded(1);
        let other = sender.clone();
        let first = thread::spawn(move || sender.send(1).unwrap());
        let second = thread::spawn(move || other.send(2).unwrap());
        let mut all = receive_all(&mut receiver);
        all.sort_unstable();
        assert_eq!(all, [1, 2]);
        first.join().unwrap();
        second.join().unwrap();
    });
}

#[test]
fn a_full_queue_gives_back() {
    model(|| {
        let (sender, mut receiver) = bounded(1);
        let thread = thread::spawn(move || {
            sender.send(1).unwrap();
            match sender.try_send(2) {
                Ok(()) => 2,
                Err(TrySendError::Full(2)) => 1,
                Err(other) => panic!("{other:?}"),
            }
        });
        let taken = receive_all(&mut receiver).len();
        assert_eq!(taken, thread.join().unwrap());
    });
}

#[test]
fn the_last_sender_wakes_the_receiver() {
    model(|| {
        let (sender, mut receiver) = bounded::<u8>(1);
        let other = sender.clone();
        let first = thread::spawn(move || drop(sender));
        let second = thread::spawn(move || drop(other));
        assert_eq!(receiver.receive(&mut Vec::new()), Err(Closed));
        first.join().unwrap();
        second.join().unwrap();
    });
}

#[test]
fn a_receiver_that_goes_wakes_the_sender() {
    model(|| {
        let (sender, receiver) = bounded(1);
        sender.try_send(1).unwrap();
        let thread = thread::spawn(move || sender.send(2));
        drop(receiver);
        assert_eq!(thread.join().unwrap(), Err(SendError(2)));
    });
}

#[test]
fn what_else_the_receiver_waits_for_wakes_it() {
    model(|| {
        let (sender, receiver) = bounded::<u8>(1);
        let waker = receiver.waker();
        let news = Arc::new(AtomicUsize::new(0));
        let thread = thread::spawn({
            let news = Arc::clone(&news);
            move || {
                news.store(1, Ordering::Release);
                waker.wake();
            }
        });
        receiver.wait(|| news.load(Ordering::Acquire) == 1);
        thread.join().unwrap();
        drop(sender);
    });
}

/// Counts how often it is dropped.
struct Counted(Arc<AtomicUsize>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn every_item_is_dropped_once() {
    model(|| {
        let dropped = Arc::new(AtomicUsize::new(0));
        let (sender, mut receiver) = bounded(2);
        let thread = thread::spawn({
            let dropped = Arc::clone(&dropped);
            move || {
                for _ in 0..3 {
                    drop(sender.try_send(Counted(Arc::clone(&dropped))));
                }
            }
        });
        receiver.drain(&mut Vec::new());
        drop(receiver);
        thread.join().unwrap();
        assert_eq!(dropped.load(Ordering::Relaxed), 3);
    });
}
