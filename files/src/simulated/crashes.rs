//! Every crash and every failure of a scripted run.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::{Failure, Simulated, Survivors};

/// Seeded states that are looked at for each crash, beside the two extremes.
const SEEDS: u64 = 8;

/// Runs `script` on copies of `start`, with a crash at each operation and one after the last, and hands each state that a
/// crash may leave to `check`, with what the script knew when it ended. The script ends at its first error.
///
/// # Panics
/// If the check does; the message says at which operation, and which survivors it was shown.
pub fn for_each_crash<A>(start: &Simulated, script: impl Fn(&Simulated) -> A, check: impl Fn(&A, Simulated)) {
    let whole = start.copy();
    script(&whole);
    let last = whole.operations();
    for crash in 1..=last + 1 {
        let files = start.copy().crashing_at(crash);
        let known = script(&files);
        let place = match crash {
            _ if crash > last => format!("crash after all {last} operations"),
            _ => format!("crash at operation {crash} of {last} ({})", files.latest()),
        };
        let seeded = (0..SEEDS).map(|seed| Survivors::Seeded(crash * SEEDS + seed));
        for which in [Survivors::Nothing, Survivors::Everything].into_iter().chain(seeded) {
            say_where(|| check(&known, files.survivors(which)), || format!("{place}, survivors {which:?}"));
        }
    }
}

/// Runs `script` on copies of `start`, with each operation failing once in each way, and hands the files to `check`, with
/// what the script returned.
///
/// # Panics
/// If script or check does; the message says which operation failed how.
pub fn for_each_failure<A>(start: &Simulated, script: impl Fn(&Simulated) -> A, check: impl Fn(&A, &Simulated)) {
    let whole = start.copy();
    script(&whole);
    let last = whole.operations();
    for operation in 1..=last {
        for failure in [Failure::NoSpace, Failure::Broken] {
            let files = start.copy().failing_at(operation, failure);
            let run = || check(&script(&files), &files);
            say_where(run, || format!("operation {operation} of {last} fails ({failure:?})"));
        }
    }
}

/// A panic inside gets the place put before it.
fn say_where(run: impl FnOnce(), place: impl FnOnce() -> String) {
    if let Err(panic) = catch_unwind(AssertUnwindSafe(run)) {
        panic!("{}: {}", place(), message(&*panic));
    }
}

fn message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("a panic without words")
}
