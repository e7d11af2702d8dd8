//! The queue against a plain one, its bound, and many threads.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use proptest::prelude::*;

use super::*;

#[test]
fn it_holds_what_it_says_and_gives_the_rest_back() {
    for (asked, capacity) in [(1, 1), (2, 2), (3, 4), (7, 8), (64, 64)] {
        let (sender, mut receiver) = bounded(asked);
        for round in 0..3 {
            let sent: Vec<usize> = (0..capacity).map(|item| round * 100 + item).collect();
            for item in &sent {
                assert_eq!(sender.try_send(*item), Ok(()));
            }
            assert_eq!(sender.try_send(9), Err(TrySendError::Full(9)));
            let mut group = Vec::new();
            assert_eq!(receiver.drain(&mut group), capacity);
            assert_eq!(group, sent);
            assert_eq!(receiver.drain(&mut group), 0);
            // The next round begins elsewhere in the ring.
            sender.try_send(7).unwrap();
            assert_eq!(receiver.drain(&mut Vec::new()), 1);
        }
    }
}

#[test]
#[should_panic(expected = "a queue has room for an item")]
fn a_queue_for_nothing_is_refused() {
    bounded::<u8>(0);
}

#[test]
fn a_sender_that_finds_nobody_keeps_its_item() {
    let (sender, receiver) = bounded(2);
    sender.send(1).unwrap();
    drop(receiver);
    assert!(sender.is_closed());
    assert_eq!(sender.send(2), Err(SendError(2)));
    assert_eq!(sender.try_send(3), Err(TrySendError::Closed(3)));
}

#[test]
fn what_was_sent_is_taken_before_the_end() {
    let (sender, mut receiver) = bounded(4);
    sender.clone().send(1).unwrap();
    sender.send(2).unwrap();
    drop(sender);
    let mut group = Vec::new();
    assert_eq!(receiver.receive(&mut group), Ok(2));
    assert_eq!(receiver.receive(&mut group), Err(Closed));
    assert_eq!(group, [1, 2]);
}

/// Counts the items that exist, and the most that ever did.
#[derive(Default)]
struct Gauge {
    now: AtomicUsize,
    most: AtomicUsize,
}

struct Gauged<'g>(&'g Gauge, (usize, usize));

impl<'g> Gauged<'g> {
    fn new(gauge: &'g Gauge, name: (usize, usize)) -> Gauged<'g> {
        let now = gauge.now.fetch_add(1, Ordering::Relaxed) + 1;
        gauge.most.fetch_max(now, Ordering::Relaxed);
        Gauged(gauge, name)
    }
}

impl Drop for Gauged<'_> {
    fn drop(&mut self) {
        self.0.now.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Back-pressure: while the receiver takes nothing, the senders make as many items as the queue holds and one each.
#[test]
fn senders_wait_for_a_slow_receiver() {
    const SENDERS: usize = 4;
    const ITEMS: usize = 5_000;
    const CAPACITY: usize = 8;
    let gauge = Gauge::default();
    let (sender, mut receiver) = bounded(CAPACITY);
    thread::scope(|scope| {
        for number in 0..SENDERS {
            let (sender, gauge) = (sender.clone(), &gauge);
            scope.spawn(move || {
                for item in 0..ITEMS {
                    assert!(sender.send(Gauged::new(gauge, (number, item))).is_ok());
                }
            });
        }
        drop(sender);
        while gauge.now.load(Ordering::Relaxed) < CAPACITY + SENDERS {
            thread::yield_now();
        }
        let (mut next, mut group) = ([0; SENDERS], Vec::new());
        while let Ok(count) = receiver.receive(&mut group) {
            assert!(count <= CAPACITY);
            for Gauged(_, (number, item)) in group.drain(..) {
                assert_eq!(item, next[number], "each sender's items come in its order");
                next[number] += 1;
            }
        }
        assert_eq!(next, [ITEMS; SENDERS]);
    });
    assert_eq!(gauge.now.load(Ordering::Relaxed), 0);
    // A group that was taken, a full queue again behind it, and one item in each sender's hand.
    let most = gauge.most.load(Ordering::Relaxed);
    assert!((CAPACITY + SENDERS..=2 * CAPACITY + SENDERS).contains(&most), "{most}");
}

#[test]
fn the_receiver_wakes_for_other_reasons() {
    let (_sender, receiver) = bounded::<u8>(1);
    let waker = receiver.waker();
    let news = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| receiver.wait(|| news.load(Ordering::Acquire)));
        news.store(true, Ordering::Release);
        waker.wake();
    });
}

#[test]
fn depth_is_what_waits() {
    let (sender, mut receiver) = bounded(4);
    let mut group = Vec::new();
    for round in 0..3 {
        for item in 0..4 {
            assert_eq!(sender.depth(), item, "round {round}");
            sender.try_send(item).unwrap();
        }
        assert_eq!((sender.depth(), receiver.drain(&mut group), sender.depth()), (4, 4, 0));
        sender.try_send(9).unwrap();
        assert_eq!((sender.depth(), receiver.drain(&mut group), sender.depth()), (1, 1, 0));
    }
}

#[derive(Debug, Clone)]
enum Step {
    Send(u8),
    Drain,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![3 => any::<u8>().prop_map(Step::Send), 1 => Just(Step::Drain)]
}

proptest! {
    #[test]
    fn agrees_with_a_plain_queue(log in 0_u32..4, steps in prop::collection::vec(step(), 0..200)) {
        // Boxes, so that an item that is lost or doubled shows under Miri and in leak checks.
        let capacity = 1 << log;
        let (sender, mut receiver) = bounded(capacity);
        let mut model: VecDeque<Box<u8>> = VecDeque::new();
        for step in steps {
            match step {
                Step::Send(item) => {
                    let sent = sender.try_send(Box::new(item)).is_ok();
                    prop_assert_eq!(sent, model.len() < capacity);
                    if sent {
                        model.push_back(Box::new(item));
                    }
                }
                Step::Drain => {
                    let mut group = Vec::new();
                    prop_assert_eq!(receiver.drain(&mut group), model.len());
                    prop_assert_eq!(group, model.drain(..).collect::<Vec<_>>());
                }
            }
        }
    }
}
