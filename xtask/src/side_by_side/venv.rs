//! The peers' Python packages, in a virtual environment of their own, each installed once.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;

use super::engine::Engine;
use super::process;

/// A virtual environment.
#[derive(Debug)]
pub(super) struct Venv {
    folder: PathBuf,
}

impl Venv {
    /// In `folder`, whether or not it exists.
    pub(super) fn of(folder: PathBuf) -> Venv {
        Venv { folder }
    }

    /// Its interpreter.
    pub(super) fn python(&self) -> PathBuf {
        self.folder.join("bin/python")
    }

    /// Installs an engine's packages unless they are there.
    pub(super) fn install(&self, engine: Engine, log: &Path) -> Result<()> {
        let packages = engine.packages();
        let stamp = self.folder.join(format!("installed-{}", packages.join("-")));
        if packages.is_empty() || stamp.exists() {
            return Ok(());
        }
        if !self.python().exists() {
            process::run(Command::new("python3").args(["-m", "venv"]).arg(&self.folder), log)?;
        }
        eprintln!("installing {}", packages.join(", "));
        let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--only-binary=:all:"];
        process::run(Command::new(self.python()).args(pip).args(packages), log)?;
        File::create(stamp)?;
        Ok(())
    }
}
