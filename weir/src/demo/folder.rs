//! The demo's folder: created new, or taken over from an earlier demo. Never deletes what a demo did not write.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::Serialize;

use crate::failure::invalid;

/// Tells a demo's folder from a stranger's.
const MARK: &str = "demo.json";

/// The price list, as it is sold from.
pub const CATALOG: &str = include_str!("../../../config/catalogs/ai-api.toml");

/// Where the demo's files are.
#[derive(Debug, Clone)]
pub struct Folder {
    root: PathBuf,
}

/// What the mark says.
#[derive(Debug, Serialize)]
struct Mark {
    written_by: &'static str,
    seed: u64,
    events: u64,
}

impl Folder {
    /// Prepares the folder: an existing one is refused, unless `force` was given and an earlier demo wrote it.
    pub fn create(args: &crate::cli::DemoArgs) -> Result<Folder> {
        let folder = Folder { root: args.out.clone() };
        let shown = folder.root.display();
        if folder.root.symlink_metadata().is_ok() {
            if !args.force {
                return Err(invalid(format!(
                    "--out {shown} exists; choose another folder, or replace an earlier demo with --force"
                )));
            }
            if !folder.root.join(MARK).is_file() {
                return Err(invalid(format!(
                    "--out {shown} was not written by a demo (it has no {MARK}); --force replaces nothing else"
                )));
            }
            folder.clear().with_context(|| format!("cannot replace the earlier demo in {shown}"))?;
        } else {
            fs::create_dir_all(&folder.root).map_err(|error| invalid(format!("cannot create {shown}: {error}")))?;
        }
        let mark =
            Mark { written_by: concat!("weir demo ", env!("CARGO_PKG_VERSION")), seed: args.seed, events: args.events };
        folder.write(MARK, &(serde_json::to_string_pretty(&mark)? + "\n"))?;
        folder.write("catalog.toml", CATALOG)?;
        Ok(folder)
    }

    /// Removes what a demo writes, and only that.
    fn clear(&self) -> std::io::Result<()> {
        for file in [self.catalog(), self.events()] {
            absent_is_fine(fs::remove_file(file))?;
        }
        if self.results().join("report.json").is_file() {
            fs::remove_dir_all(self.results())?;
        }
        Ok(())
    }

    fn write(&self, name: &str, content: &str) -> Result<()> {
        let path = self.root.join(name);
        fs::write(&path, content).with_context(|| format!("cannot write {}", path.display()))
    }

    /// The price list.
    pub fn catalog(&self) -> PathBuf {
        self.root.join("catalog.toml")
    }

    /// The month.
    pub fn events(&self) -> PathBuf {
        self.root.join("events.ndjson")
    }

    /// What `weir run` makes of them.
    pub fn results(&self) -> PathBuf {
        self.root.join("results")
    }

    /// The folder itself.
    pub fn root(&self) -> &Path {
        &self.root
    }
}

fn absent_is_fine(removed: std::io::Result<()>) -> std::io::Result<()> {
    match removed {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::DemoArgs;

    fn args(out: PathBuf, force: bool) -> DemoArgs {
        DemoArgs { out, force, seed: 1, events: 1_000 }
    }

    #[test]
    fn replaces_a_demo_and_nothing_else() {
        let temp = tempfile::tempdir().unwrap();
        let stranger = temp.path().join("stranger");
        fs::create_dir(&stranger).unwrap();
        fs::write(stranger.join("catalog.toml"), "mine").unwrap();
        for force in [false, true] {
            assert!(Folder::create(&args(stranger.clone(), force)).is_err());
            assert_eq!(fs::read_to_string(stranger.join("catalog.toml")).unwrap(), "mine");
        }
        let file = temp.path().join("file");
        fs::write(&file, "mine").unwrap();
        assert!(Folder::create(&args(file.clone(), true)).is_err());
        assert_eq!(fs::read_to_string(file).unwrap(), "mine");

        let own = temp.path().join("a/b/own");
        Folder::create(&args(own.clone(), false)).unwrap();
        fs::write(own.join("notes.txt"), "mine").unwrap();
        fs::write(own.join("events.ndjson"), "old").unwrap();
        assert!(Folder::create(&args(own.clone(), false)).is_err());
        let folder = Folder::create(&args(own.clone(), true)).unwrap();
        assert!(!folder.events().exists());
        assert_eq!(fs::read_to_string(own.join("notes.txt")).unwrap(), "mine");
    }
}
