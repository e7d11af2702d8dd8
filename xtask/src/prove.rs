//! `cargo xtask prove`: measurements that take longer than a test may, as release builds.

use anyhow::{Context, Result, bail};

use crate::workspace;

/// Runs an example that fills shards with identities; it says what it takes.
pub(crate) fn example(name: &str, arguments: &[&str]) -> Result<()> {
    let mut command = workspace::cargo(&workspace::root()?);
    command.args(["run", "--release", "--package", "weir", "--example", name, "--locked", "--"]).args(arguments);
    let status = command.status().context("cargo does not start")?;
    if status.success() { Ok(()) } else { bail!("{name}: {status}") }
}
