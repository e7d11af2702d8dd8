//! `cargo xtask prove`: measurements and tests that take longer than `cargo xtask test` may.

use anyhow::{Context, Result, bail};

use crate::workspace;

/// Runs an example that fills shards with identities; it says what it takes.
pub(crate) fn example(name: &str, arguments: &[&str]) -> Result<()> {
    let mut command = workspace::cargo(&workspace::root()?);
    command.args(["run", "--release", "--package", "weir", "--example", name, "--locked", "--"]).args(arguments);
    let status = command.status().context("cargo does not start")?;
    if status.success() { Ok(()) } else { bail!("{name}: {status}") }
}

/// Runs one of the server's tests with its output, longer than it is by itself if a variable says so.
pub(crate) fn test(name: &str, longer: Option<(&str, &str)>) -> Result<()> {
    let mut command = workspace::cargo(&workspace::root()?);
    command.args(["test", "--package", "weir", "--test", name, "--locked", "--", "--nocapture"]).envs(longer);
    let status = command.status().context("cargo does not start")?;
    if status.success() { Ok(()) } else { bail!("{name}: {status}") }
}
