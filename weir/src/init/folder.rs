//! The folder that `weir init` fills. A new one appears whole or not at all; in one that exists, whole files appear. Nothing
//! that `weir init` has not written itself is ever replaced, an edited file included.

use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use weir_model::hash::HashKey;

use crate::cli::InitArgs;
use crate::failure::invalid;

/// Says which files `weir init` wrote, and with which content.
const MARK: &str = "init.json";
/// Catalog.
pub const CATALOG: &str = "catalog.toml";
/// Sample events.
pub const EVENTS: &str = "events.ndjson";
/// What to do next.
pub const README: &str = "README.md";
/// Every file that `weir init` may write beside its mark.
const FILES: [&str; 3] = [README, CATALOG, EVENTS];

/// A file to write: its name in the folder, and its content.
pub type File = (&'static str, String);

/// A folder that may be filled.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    state: State,
}

#[derive(Debug, PartialEq, Eq)]
enum State {
    Absent,
    /// Without any file that stands in the way.
    Present,
}

#[derive(Debug, Serialize, Deserialize)]
struct Mark {
    written_by: String,
    /// Digest of each file's content.
    files: BTreeMap<String, String>,
}

impl Folder {
    /// Refuses a folder that holds anything, unless `--force` was given and an earlier `weir init` wrote what is in the way.
    pub fn check(args: &InitArgs) -> Result<Folder> {
        let path = args.dir.clone();
        let shown = path.display();
        let mut entries = match fs::read_dir(&path) {
            Ok(entries) => entries,
            Err(error) if error.kind() == ErrorKind::NotFound && path.symlink_metadata().is_err() => {
                return Ok(Folder { path, state: State::Absent });
            }
            Err(error) => return Err(invalid(format!("cannot use {shown} as a folder: {error}; choose another one"))),
        };
        if entries.next().is_none() {
            return Ok(Folder { path, state: State::Present });
        }
        let mark = read_mark(&path);
        match (&mark, args.force) {
            (Some(_), false) => Err(invalid(format!(
                "{shown} was filled by an earlier `weir init`; choose another folder, or replace its files with --force"
            ))),
            (None, false) => Err(invalid(format!("{shown} is not empty; choose another folder"))),
            (None, true) => Err(invalid(format!(
                "{shown} is not empty and was not filled by `weir init` (it has no {MARK}); --force replaces nothing else"
            ))),
            (Some(mark), true) => {
                mark.check_unchanged(&path)?;
                Ok(Folder { path, state: State::Present })
            }
        }
    }

    /// Writes the files and the mark; gives their names.
    pub fn fill(&self, files: &[File]) -> Result<Vec<&'static str>> {
        let shown = self.path.display();
        let beside = match self.state {
            State::Absent => parent(&self.path),
            State::Present => &self.path,
        };
        fs::create_dir_all(beside).map_err(|error| invalid(format!("cannot create {}: {error}", beside.display())))?;
        let staging = tempfile::Builder::new()
            .prefix(".weir-init-")
            .tempdir_in(beside)
            .map_err(|error| invalid(format!("cannot write into {}: {error}", beside.display())))?;
        let context = || format!("cannot write {shown}; free space or choose another folder");
        for (name, content) in files {
            fs::write(staging.path().join(name), content).with_context(context)?;
        }
        let mark = serde_json::to_string_pretty(&Mark::of(files))? + "\n";
        fs::write(staging.path().join(MARK), mark).with_context(context)?;
        let names: Vec<&'static str> = files.iter().map(|(name, _)| *name).chain([MARK]).collect();
        if self.state == State::Absent {
            let staged = staging.keep();
            fs::rename(&staged, &self.path)
                .with_context(|| format!("{shown} is complete in {} but cannot be renamed", staged.display()))?;
            return Ok(names);
        }
        for name in FILES.iter().filter(|name| !names.contains(name)) {
            absent_is_fine(fs::remove_file(self.path.join(name))).with_context(context)?;
        }
        for name in &names {
            fs::rename(staging.path().join(name), self.path.join(name)).with_context(context)?;
        }
        Ok(names)
    }
}

impl Mark {
    fn of(files: &[File]) -> Mark {
        Mark {
            written_by: concat!("weir init ", env!("CARGO_PKG_VERSION")).to_owned(),
            files: files.iter().map(|(name, content)| ((*name).to_owned(), digest(content.as_bytes()))).collect(),
        }
    }

    /// Refuses files that are not as `weir init` wrote them.
    fn check_unchanged(&self, folder: &Path) -> Result<()> {
        for name in FILES {
            let path = folder.join(name);
            let shown = path.display();
            let content = match fs::read(&path) {
                Ok(content) => content,
                Err(error) if error.kind() == ErrorKind::NotFound => continue,
                Err(error) => return Err(invalid(format!("cannot read {shown}: {error}"))),
            };
            if self.files.get(name) != Some(&digest(&content)) {
                return Err(invalid(format!(
                    "{shown} is not as `weir init` wrote it; --force replaces no work of yours: move it away, or choose \
                     another folder"
                )));
            }
        }
        Ok(())
    }
}

fn read_mark(folder: &Path) -> Option<Mark> {
    let text = fs::read(folder.join(MARK)).ok()?;
    serde_json::from_slice(&text).ok()
}

fn digest(content: &[u8]) -> String {
    format!("{:032x}", HashKey::FILES.text(content))
}

fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

fn absent_is_fine(removed: std::io::Result<()>) -> std::io::Result<()> {
    match removed {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}
