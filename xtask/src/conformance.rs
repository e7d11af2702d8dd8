//! `cargo xtask conformance`: the test of that name over many more cases than a test run has time for.

use anyhow::{Context, Result, bail};

use crate::workspace;

/// Random catalogs, unless told otherwise.
pub(crate) const CASES: u64 = 10_000;
/// Events and closes of each.
const EVENTS: u64 = 10_000;
/// The first seed; the tests begin at 1.
const SEED: u64 = 1_000_000;

/// Runs `cases` random catalogs through Weir and the oracle; a difference is shown made small.
pub(crate) fn run(cases: u64) -> Result<()> {
    let mut command = workspace::cargo(&workspace::root()?);
    command.args(["test", "--package", "weir", "--test", "conformance", "--locked", "--", "--nocapture"]);
    for (name, value) in [("SEED", SEED), ("CASES", cases), ("EVENTS", EVENTS)] {
        command.env(format!("WEIR_CONFORMANCE_{name}"), value.to_string());
    }
    let status = command.status().context("cargo does not start")?;
    if status.success() { Ok(()) } else { bail!("Weir and the oracle differ, or could not be built") }
}
