//! L4, L5 and the whole of the rating rules against the oracle: random catalogs and logs through both, with late, duplicate and
//! conflicting events and closes in between; every verdict count, every bucket's quantity and amount and every line of every document
//! must be equal. What differs is made small before it is shown.
//!
//! `cargo xtask conformance` runs many more: `WEIR_CONFORMANCE_SEED`, `_CASES` and `_EVENTS` say which.

#![allow(clippy::print_stdout, reason = "a long proof says how far it is")]

#[path = "library/compare.rs"]
mod compare;
#[path = "library/in_process.rs"]
mod in_process;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use in_process::Way;
use weir_loadtest::cases::{self, Case, Size};
use weir_loadtest::oracle::{self, Entry};

/// A number from the environment.
fn setting(name: &str, default: u64) -> u64 {
    let text = std::env::var(format!("WEIR_CONFORMANCE_{name}"));
    text.map_or(default, |text| text.parse().unwrap_or_else(|_| panic!("WEIR_CONFORMANCE_{name}={text} is no number")))
}

fn case_of(seed: u64, events: usize) -> Case {
    let [charges, customers] = [6, 4].map(|most| 1 + usize::try_from(seed % most).unwrap());
    cases::generate(seed, Size { events, charges, customers }).unwrap()
}

/// Another way for every seed: shards, chunks, and a snapshot and restore in the middle.
fn way_of(seed: u64) -> Way {
    let at = |numbers: u64| usize::try_from(seed % numbers).unwrap();
    Way { shards: [1, 2, 3, 16][at(4)], chunk: 1 + at(50), restore_before: Some(at(3)) }
}

/// The first difference between Weir and the oracle.
fn difference(case: &Case, way: &Way) -> Option<String> {
    let catalog = match compare::load(&case.catalog_toml) {
        Ok(catalog) => catalog,
        Err(error) => return Some(format!("refused: {error}")),
    };
    let expected = match oracle::rate(&case.catalog_toml, &case.log) {
        Ok(expected) => expected,
        Err(error) => return Some(format!("the oracle fails: {error:#}")),
    };
    let stages = compare::stages(&case.log);
    match catch_unwind(AssertUnwindSafe(|| in_process::rate(&catalog, &stages, way))) {
        Ok(seen) => compare::difference(&catalog, &seen, &expected),
        Err(panic) => {
            let text = panic.downcast_ref::<String>().cloned().unwrap_or_else(|| "a panic".to_owned());
            Some(format!("panic: {text}"))
        }
    }
}

/// What a failure is about, so that making it small does not turn it into another one.
fn class(difference: &str) -> &str {
    difference.split([' ', ':']).next().unwrap_or_default()
}

/// A small case that fails as `case` does, ready to be read and kept.
fn report(case: Case, way: &Way, found: &str) -> String {
    let seed = case.seed;
    let small =
        cases::shrink(case, &mut |case| difference(case, way).is_some_and(|other| class(&other) == class(found)));
    let line = |entry: &Entry| match entry {
        Entry::Event(event) => event.to_ndjson().unwrap(),
        Entry::Close(through) => format!("close {}\n", weir_model::time::Instant::from_micros(*through)),
    };
    let log: String = small.log.iter().map(line).collect();
    let what = difference(&small, way).unwrap_or_default();
    format!("seed {seed}, {way:?}\n{}\n{log}\n{what}", small.catalog_toml)
}

#[test]
fn weir_and_the_oracle_agree() {
    let (first, count) = (setting("SEED", 1), setting("CASES", 1_000));
    let events = usize::try_from(setting("EVENTS", 1_000)).unwrap();
    let (next, entries) = (AtomicU64::new(first), AtomicU64::new(0));
    let work = || {
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= first + count {
                return None;
            }
            let (case, way) = (case_of(seed, events), way_of(seed));
            entries.fetch_add(u64::try_from(case.log.len()).unwrap(), Ordering::Relaxed);
            if let Some(found) = difference(&case, &way) {
                return Some(report(case, &way, &found));
            }
            let done = seed + 1 - first;
            if done % 1_000 == 0 {
                println!("{done} of {count} catalogs, {} entries", entries.load(Ordering::Relaxed));
            }
        }
    };
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let failures: Vec<String> = thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        workers.into_iter().filter_map(|worker| worker.join().unwrap()).collect()
    });
    println!("{count} catalogs, {} events and closes: {} differ", entries.into_inner(), failures.len());
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
}
