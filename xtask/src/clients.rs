//! `cargo xtask clients`: what `weir/tests/serve_clients.rs` sends with, fetched once into `clients/` below cargo's target folder.
//!
//! Owns: a Python environment and Node packages, at the versions that `weir/tests/clients/` pins. Does not own: what they send.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::workspace;

/// What pins the versions.
const PINS: [&str; 3] = ["requirements.txt", "package.json", "package-lock.json"];

/// Fetches what is not there.
pub(crate) fn fetch() -> Result<()> {
    let root = workspace::root()?;
    let (pins, folder) = (root.join("weir/tests/clients"), workspace::target_dir(&root)?.join("clients"));
    if PINS.iter().all(|name| is_same(&pins.join(name), &folder.join(name))) {
        println!("{} has them already", folder.display());
        return Ok(());
    }
    fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
    let python = folder.join("venv/bin/python");
    if !python.exists() {
        run(Command::new("python3").args(["-m", "venv"]).arg(folder.join("venv")), "apt-get install python3-venv")?;
    }
    let pip =
        ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--only-binary=:all:", "--requirement"];
    run(Command::new(&python).args(pip).arg(pins.join(PINS[0])), "apt-get install python3-venv")?;
    for name in &PINS[1..] {
        fs::copy(pins.join(name), folder.join(name)).with_context(|| format!("cannot copy {name}"))?;
    }
    let npm = ["ci", "--silent", "--no-audit", "--no-fund", "--ignore-scripts"];
    run(Command::new("npm").args(npm).current_dir(&folder), "apt-get install nodejs npm")?;
    // Last: it says that all went well.
    fs::copy(pins.join(PINS[0]), folder.join(PINS[0])).context("cannot copy requirements.txt")?;
    println!("fetched into {}", folder.display());
    Ok(())
}

fn is_same(pinned: &Path, fetched: &Path) -> bool {
    matches!((fs::read(pinned), fs::read(fetched)), (Ok(pinned), Ok(fetched)) if pinned == fetched)
}

/// Runs a command whose output goes straight through; `install` brings it where it is missing.
fn run(command: &mut Command, install: &str) -> Result<()> {
    let program = command.get_program().to_string_lossy().into_owned();
    let status = command.stdin(Stdio::null()).status();
    let status = status.with_context(|| format!("{program} does not start; on Debian and Ubuntu: {install}"))?;
    if status.success() { Ok(()) } else { bail!("{program}: {status}; if something is missing: {install}") }
}
