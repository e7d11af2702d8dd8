//! Power loss at every operation of a server (L1, L2, L6, L7): whatever a crash leaves, a start recovers everything that was acknowledged, what
//! was not may be sent again, and in the end totals, archive, seals and documents are those of an undisturbed life. The same for every
//! operation that fails without a crash: from then on nothing is acknowledged that is not durable.
//!
//! `cargo xtask prove power-loss` does the same with more requests and more survivors of each crash.
#![allow(clippy::print_stderr, clippy::print_stdout, reason = "what was tried is told to whoever runs the proof")]

#[path = "library/archived.rs"]
mod archived;
#[allow(dead_code, reason = "other proofs ask more")]
#[path = "library/node.rs"]
mod node;
#[path = "library/script.rs"]
mod script;
#[path = "library/sent.rs"]
mod sent;

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use node::{Running, settings};
use script::{Outcome, Script, documents, export};
use serde_json::Value;
use weir_files::{Failure, Simulated, Survivors};

/// The proof is long: more steps, and so many seeded survivors of each crash.
const LONG: &str = "WEIR_PROVE_POWER_LOSS";
/// Documents are made of the seals of one life in so many.
const DOCUMENTS_EVERY: u64 = 97;

/// Seeded survivors of each crash.
fn seeds() -> u64 {
    std::env::var(LONG).map_or(1, |seeds| seeds.parse().expect("how many seeds for each crash"))
}

/// So many bodies before each close.
fn bodies() -> usize {
    if std::env::var(LONG).is_ok() { 20 } else { 6 }
}

/// Files of a deployment that has begun: its secrets are made, and the same for every life.
fn begun(script: &Script) -> Simulated {
    let files = Simulated::new();
    Running::start(&files, &script.settings).unwrap().stop().unwrap();
    files.copy()
}

/// An undisturbed life, how many operations it took, and its documents.
fn undisturbed(script: &Script, start: &Simulated) -> (Outcome, u64, Vec<(String, Vec<u8>)>) {
    let files = start.copy();
    let mut running = Running::start(&files, &script.settings).unwrap();
    let (steps, refusal) = script.go(&mut running, 0, true);
    assert_eq!((steps, refusal), (script.steps.len(), None));
    let outcome = script.outcome(running, &files);
    assert_eq!(outcome.archived.events.len(), script.events().count());
    (outcome, files.operations(), documents_of(&files))
}

fn documents_of(files: &Simulated) -> Vec<(String, Vec<u8>)> {
    let folder = tempfile::tempdir().unwrap();
    export(files, "seals", folder.path());
    documents(folder.path())
}

/// Runs `work` for each number, on two threads; says for which one it fails.
fn for_each(last: u64, work: impl Fn(u64) + Sync) {
    let next = AtomicU64::new(1);
    let turn = || {
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number > last {
                return;
            }
            if let Err(panic) = catch_unwind(AssertUnwindSafe(|| work(number))) {
                eprintln!("at operation {number} of {last}");
                next.store(last, Ordering::Relaxed);
                resume_unwind(panic);
            }
        }
    };
    thread::scope(|scope| (0..2).map(|_| scope.spawn(turn)).for_each(drop));
}

/// Runs a script until it is disturbed: how many steps were acknowledged, and the refusal behind them.
fn disturbed(script: &Script, files: &Simulated) -> (usize, Option<Value>) {
    let Ok(mut running) = Running::start(files, &script.settings) else { return (0, None) };
    let (acknowledged, refusal) = script.go(&mut running, 0, true);
    if refusal.is_some() {
        for step in acknowledged..script.steps.len() {
            let rest = Script { steps: script.steps[step..=step].to_vec(), settings: script.settings.clone() };
            assert!(rest.go(&mut running, 0, false).1.is_some(), "step {step} is acknowledged after a refusal");
        }
    }
    // What stopped it is known.
    let _ = running.stop();
    (acknowledged, refusal)
}

/// Starts on what is left, sends again, finishes: everything is as in an undisturbed life.
fn recovers(script: &Script, (files, acknowledged): (&Simulated, usize), expected: &Outcome) {
    let mut running = Running::start(files, &script.settings).unwrap_or_else(|error| panic!("no start: {error:#}"));
    script.repeat(&mut running, acknowledged);
    let (steps, refusal) = script.go(&mut running, acknowledged, false);
    assert_eq!((steps, refusal), (script.steps.len(), None));
    let outcome = script.outcome(running, files);
    assert_eq!(&outcome, expected);
}

/// Every crash of a script.
fn crashes(script: &Script) {
    let start = begun(script);
    let (expected, last, bills) = undisturbed(script, &start);
    let states = AtomicU64::new(0);
    for_each(last, |crash| {
        let files = start.copy().crashing_at(crash);
        let (acknowledged, _) = disturbed(script, &files);
        let seeded = (0..seeds()).map(|seed| Survivors::Seeded(crash * 1_000 + seed));
        for which in [Survivors::Nothing, Survivors::Everything].into_iter().chain(seeded) {
            let left = files.survivors(which);
            let check = || {
                recovers(script, (&left, acknowledged), &expected);
                if crash % DOCUMENTS_EVERY == 0 {
                    assert_eq!(documents_of(&left), bills);
                }
            };
            if let Err(panic) = catch_unwind(AssertUnwindSafe(check)) {
                eprintln!("crash at {}, {acknowledged} steps acknowledged, survivors {which:?}", files.latest());
                resume_unwind(panic);
            }
            states.fetch_add(1, Ordering::Relaxed);
        }
    });
    println!("{last} operations crashed, {} states recovered", states.into_inner());
}

/// Every failure of a script, with a restart of the process alone, and with power lost as well.
fn failures(script: &Script) {
    let start = begun(script);
    let (expected, last, _) = undisturbed(script, &start);
    let doubtful = AtomicU64::new(0);
    for_each(last, |operation| {
        let files = start.copy().failing_at(operation, Failure::Broken);
        let (acknowledged, refusal) = disturbed(script, &files);
        let is_doubtful = refusal.is_some_and(|refusal| refusal["retry_whole"] == true);
        doubtful.fetch_add(u64::from(is_doubtful), Ordering::Relaxed);
        for left in [files.survivors(Survivors::Nothing), files.copy()] {
            recovers(script, (&left, acknowledged), &expected);
        }
    });
    let doubtful = doubtful.into_inner();
    assert!(doubtful > 0);
    println!("{last} operations failed, {doubtful} requests of unknown fate");
}

#[test]
fn power_may_be_lost_at_any_operation() {
    crashes(&Script::narrow(bodies(), settings(&[])));
}

#[test]
fn power_may_be_lost_while_identities_go_to_files() {
    let wide = [
        ("WEIR_LOG__SEGMENT_BYTES", "64KiB"),
        ("WEIR_SNAPSHOTS__EVERY_LOG_BYTES", "60KiB"),
        ("WEIR_DATA__SHARDS", "1"),
    ];
    crashes(&Script::wide(settings(&[&wide[..], &[("WEIR_IDENTITIES__MEMORY_BYTES", "384KiB")]].concat())));
}

#[test]
fn any_operation_may_fail() {
    failures(&Script::narrow(bodies() / 2, settings(&[])));
}

#[test]
fn power_may_be_lost_while_a_deployment_begins() {
    let mut script = Script::narrow(1, settings(&[]));
    script.steps.truncate(2);
    let whole = Simulated::new();
    let mut running = Running::start(&whole, &script.settings).unwrap();
    assert_eq!(script.go(&mut running, 0, true), (2, None));
    running.stop().unwrap();
    for_each(whole.operations(), |crash| {
        let files = Simulated::new().crashing_at(crash);
        let (acknowledged, _) = disturbed(&script, &files);
        let seeded = (0..4).map(|seed| Survivors::Seeded(crash * 1_000 + seed));
        for which in [Survivors::Nothing, Survivors::Everything].into_iter().chain(seeded) {
            let left = files.survivors(which);
            let mut running = Running::start(&left, &script.settings).unwrap();
            script.repeat(&mut running, acknowledged);
            assert_eq!(script.go(&mut running, acknowledged, false), (2, None));
            assert_eq!(running.get("/v1/stats")["accepted"], script.events().count() as u64);
            running.stop().unwrap();
        }
    });
}
