//! Nanoseconds per item from 1, 2 and 4 senders to one receiver: `cargo bench -p weir-handoff`.
//!
//! Ours against crossbeam's `ArrayQueue` with the same way of sleeping, the standard library's `sync_channel`, and a
//! `VecDeque` behind a lock. Items are boxes, as large as a handle to a decoded body. The receiver takes them in groups, or
//! one by one where the queue can; a slow one shows that senders wait. One thread that fills and empties the queue by
//! turns shows what the instructions cost. Under `cargo test` it runs once over a few items.
#![allow(clippy::print_stdout)]

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, SyncSender};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};
use std::{fs, thread};

use bell::Bell;
use crossbeam_queue::ArrayQueue;

#[allow(dead_code, unused_imports, reason = "the other queue sleeps as ours does")]
#[path = "../src/bell.rs"]
mod bell;
#[allow(dead_code, unused_imports)]
#[path = "../src/sync.rs"]
mod sync;

type Item = Box<u64>;

const CAPACITY: usize = 256;

/// How the receiver takes items.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Taking {
    Single,
    Groups,
    /// In groups, with some work for each item: decoding outruns it.
    Slow,
}

/// What a run came to.
struct Measured {
    elapsed: Duration,
    cpu: Duration,
    groups: u64,
}

/// A queue under test. Sends block while it is full.
trait Queue: Sync {
    const NAME: &'static str;
    type Sender: Send;
    type Receiver: Send;
    fn new() -> (Self::Sender, Self::Receiver);
    fn another(sender: &Self::Sender) -> Self::Sender;
    fn send(sender: &Self::Sender, item: Item);
    /// Waits for an item and takes it, with all others if `group`; `false` at the end.
    fn receive(receiver: &mut Self::Receiver, taking: Taking, group: &mut Vec<Item>) -> bool;
}

struct Ours;

impl Queue for Ours {
    const NAME: &'static str = "ours";
    type Sender = weir_handoff::Sender<Item>;
    type Receiver = weir_handoff::Receiver<Item>;

    fn new() -> (Self::Sender, Self::Receiver) {
        weir_handoff::bounded(CAPACITY)
    }

    fn another(sender: &Self::Sender) -> Self::Sender {
        sender.clone()
    }

    fn send(sender: &Self::Sender, item: Item) {
        sender.send(item).expect("the receiver stays");
    }

    fn receive(receiver: &mut Self::Receiver, taking: Taking, group: &mut Vec<Item>) -> bool {
        assert_ne!(taking, Taking::Single, "it gives groups only");
        receiver.receive(group).is_ok()
    }
}

/// crossbeam's queue, with our bells around it.
struct Crossbeam {
    items: ArrayQueue<Item>,
    senders: AtomicUsize,
    filled: Bell,
    emptied: Bell,
}

struct CrossbeamSender(Arc<Crossbeam>);

impl Drop for CrossbeamSender {
    fn drop(&mut self) {
        self.0.senders.fetch_sub(1, Ordering::AcqRel);
        self.0.filled.ring();
    }
}

impl Queue for Crossbeam {
    const NAME: &'static str = "ArrayQueue";
    type Sender = CrossbeamSender;
    type Receiver = Arc<Crossbeam>;

    fn new() -> (Self::Sender, Self::Receiver) {
        let queue = Arc::new(Crossbeam {
            items: ArrayQueue::new(CAPACITY),
            senders: AtomicUsize::new(1),
            filled: Bell::new(),
            emptied: Bell::new(),
        });
        (CrossbeamSender(Arc::clone(&queue)), queue)
    }

    fn another(sender: &Self::Sender) -> Self::Sender {
        sender.0.senders.fetch_add(1, Ordering::Relaxed);
        CrossbeamSender(Arc::clone(&sender.0))
    }

    fn send(sender: &Self::Sender, item: Item) {
        let queue = &sender.0;
        let mut item = item;
        while let Err(back) = queue.items.push(item) {
            item = back;
            queue.emptied.wait(|| !queue.items.is_full());
        }
        queue.filled.ring();
    }

    fn receive(receiver: &mut Self::Receiver, taking: Taking, group: &mut Vec<Item>) -> bool {
        loop {
            let is_last = receiver.senders.load(Ordering::Acquire) == 0;
            let most = if taking == Taking::Single { 1 } else { CAPACITY };
            group.extend(std::iter::from_fn(|| receiver.items.pop()).take(most));
            if !group.is_empty() {
                receiver.emptied.ring();
                return true;
            }
            if is_last {
                return false;
            }
            receiver.filled.wait(|| !receiver.items.is_empty() || receiver.senders.load(Ordering::Acquire) == 0);
        }
    }
}

struct Std;

impl Queue for Std {
    const NAME: &'static str = "sync_channel";
    type Sender = SyncSender<Item>;
    type Receiver = mpsc::Receiver<Item>;

    fn new() -> (Self::Sender, Self::Receiver) {
        mpsc::sync_channel(CAPACITY)
    }

    fn another(sender: &Self::Sender) -> Self::Sender {
        sender.clone()
    }

    fn send(sender: &Self::Sender, item: Item) {
        sender.send(item).expect("the receiver stays");
    }

    fn receive(receiver: &mut Self::Receiver, taking: Taking, group: &mut Vec<Item>) -> bool {
        let Ok(item) = receiver.recv() else { return false };
        group.push(item);
        if taking != Taking::Single {
            group.extend(receiver.try_iter().take(CAPACITY - 1));
        }
        true
    }
}

/// A plain queue behind a lock.
#[derive(Default)]
struct Locked {
    /// With the number of senders.
    items: Mutex<(VecDeque<Item>, usize)>,
    filled: Condvar,
    emptied: Condvar,
}

struct LockedSender(Arc<Locked>);

impl Drop for LockedSender {
    fn drop(&mut self) {
        self.0.items.lock().expect("no panics").1 -= 1;
        self.0.filled.notify_one();
    }
}

impl Queue for Locked {
    const NAME: &'static str = "Mutex<VecDeque>";
    type Sender = LockedSender;
    type Receiver = Arc<Locked>;

    fn new() -> (Self::Sender, Self::Receiver) {
        let queue = Arc::new(Locked::default());
        queue.items.lock().expect("no panics").1 = 1;
        (LockedSender(Arc::clone(&queue)), queue)
    }

    fn another(sender: &Self::Sender) -> Self::Sender {
        sender.0.items.lock().expect("no panics").1 += 1;
        LockedSender(Arc::clone(&sender.0))
    }

    fn send(sender: &Self::Sender, item: Item) {
        let queue = &sender.0;
        let items = queue.items.lock().expect("no panics");
        let mut items = queue.emptied.wait_while(items, |items| items.0.len() == CAPACITY).expect("no panics");
        items.0.push_back(item);
        drop(items);
        queue.filled.notify_one();
    }

    fn receive(receiver: &mut Self::Receiver, taking: Taking, group: &mut Vec<Item>) -> bool {
        let items = receiver.items.lock().expect("no panics");
        let waits = |items: &mut (VecDeque<Item>, usize)| items.0.is_empty() && items.1 > 0;
        let mut items = receiver.filled.wait_while(items, waits).expect("no panics");
        let count = if taking == Taking::Single { items.0.len().min(1) } else { items.0.len() };
        group.extend(items.0.drain(..count));
        drop(items);
        receiver.emptied.notify_all();
        !group.is_empty()
    }
}

fn run<Q: Queue>(senders: u64, items: u64, taking: Taking) -> Measured {
    let (sender, mut receiver) = Q::new();
    let (started, cpu) = (Instant::now(), cpu_time());
    let groups = thread::scope(|scope| {
        for _ in 0..senders {
            let sender = Q::another(&sender);
            scope.spawn(move || (0..items / senders).for_each(|item| Q::send(&sender, Box::new(item))));
        }
        drop(sender);
        let (mut group, mut groups, mut sum) = (Vec::new(), 0, 0);
        while Q::receive(&mut receiver, taking, &mut group) {
            groups += 1;
            for item in group.drain(..) {
                sum += *item;
                if taking == Taking::Slow {
                    (0..200).for_each(|_| std::hint::spin_loop());
                }
            }
        }
        let each = items / senders;
        assert_eq!(sum, senders * (each * (each - 1) / 2), "every item came once");
        groups
    });
    Measured { elapsed: started.elapsed(), cpu: cpu_time().saturating_sub(cpu), groups }
}

/// One thread by itself: fills the queue, empties it, and so on.
fn run_alone<Q: Queue>(_senders: u64, items: u64, taking: Taking) -> Measured {
    let (sender, mut receiver) = Q::new();
    // The same boxes go round, so that only the queue is measured.
    let mut group: Vec<Item> = (0..CAPACITY as u64).map(Box::new).collect();
    let (started, cpu) = (Instant::now(), cpu_time());
    let rounds = items / CAPACITY as u64;
    for _ in 0..rounds {
        group.drain(..).for_each(|item| Q::send(&sender, item));
        Q::receive(&mut receiver, taking, &mut group);
    }
    Measured { elapsed: started.elapsed(), cpu: cpu_time().saturating_sub(cpu), groups: rounds }
}

/// User and system time of this process, as Linux counts it in hundredths of a second; zero elsewhere.
fn cpu_time() -> Duration {
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
    let ticks: u64 = fields.skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum();
    Duration::from_millis(ticks * 10)
}

/// Medians of `rounds`, the queues taking turns.
fn compare(senders: u64, taking: Taking, (items, rounds): (u64, usize)) {
    type Run = fn(u64, u64, Taking) -> Measured;
    let queues: [(&str, Run, Run); 4] = [
        (Ours::NAME, run::<Ours>, run_alone::<Ours>),
        (Crossbeam::NAME, run::<Crossbeam>, run_alone::<Crossbeam>),
        (Std::NAME, run::<Std>, run_alone::<Std>),
        (Locked::NAME, run::<Locked>, run_alone::<Locked>),
    ];
    let queues = &queues[usize::from(taking == Taking::Single)..];
    let mut measured: Vec<Vec<Measured>> = queues.iter().map(|_| Vec::new()).collect();
    for _ in 0..rounds {
        for ((_, run, alone), measured) in queues.iter().zip(&mut measured) {
            let run = if senders == 0 { alone } else { run };
            measured.push(run(senders, items, taking));
        }
    }
    for ((name, ..), measured) in queues.iter().zip(&mut measured) {
        measured.sort_by_key(|measured| measured.elapsed);
        let Measured { elapsed, groups, .. } = measured[rounds / 2];
        measured.sort_by_key(|measured| measured.cpu);
        let cpu = measured[rounds / 2].cpu;
        let per_item = |time: Duration| time.as_nanos() / u128::from(items);
        println!(
            "{senders} senders, {:<6} {name:<16} {:>5} ns per item, {:>5} ns of CPU, {:>4} items per group",
            format!("{taking:?}"),
            per_item(elapsed),
            per_item(cpu),
            items / groups.max(1),
        );
    }
}

fn main() {
    let benchmark = std::env::args().any(|argument| argument == "--bench");
    compare(0, Taking::Groups, if benchmark { (4_000_000, 9) } else { (1_000, 1) });
    for taking in [Taking::Single, Taking::Groups, Taking::Slow] {
        let size = match (benchmark, taking) {
            (false, _) => (1_000, 1),
            (true, Taking::Slow) => (20_000, 5),
            (true, _) => (1_000_000, 9),
        };
        for senders in [1, 2, 4] {
            compare(senders, taking, size);
        }
    }
}
