//! The catalog in an output folder: a copy of the texts that the run read, so that the folder explains itself.
//!
//! The catalog is `catalog/catalog.toml`; files of cells stand beside it under the names that it uses.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Component, Path, PathBuf};

use anyhow::{Context, Result};
use weir_model::catalog::{self, Catalog, CatalogFiles};

use crate::failure::invalid;
use crate::files::Sources;

const FOLDER: &str = "catalog";
const CATALOG: &str = "catalog.toml";

/// Writes the copy into an output folder, synced.
pub fn write(output: &Path, sources: &Sources) -> Result<()> {
    let folder = output.join(FOLDER);
    let beside = sources.beside.iter().map(|(name, text)| (stored(name), text));
    for (name, text) in std::iter::once((PathBuf::from(CATALOG), &sources.catalog)).chain(beside) {
        let path = folder.join(name);
        let context = || format!("cannot write {}; free space or choose another --out", path.display());
        let parent = path.parent().unwrap_or(&folder);
        fs::create_dir_all(parent).with_context(context)?;
        let mut file = File::create(&path).with_context(context)?;
        file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).with_context(context)?;
        File::open(parent).and_then(|parent| parent.sync_all()).with_context(context)?;
    }
    Ok(())
}

/// Reads the copy in an output folder.
pub fn read(output: &Path) -> Result<Catalog> {
    let folder = output.join(FOLDER);
    let path = folder.join(CATALOG);
    let text = fs::read_to_string(&path)
        .map_err(|error| invalid(format!("cannot read the run's catalog {}: {error}", path.display())))?;
    let (catalog, _) = catalog::load(&path.to_string_lossy(), &text, &Kept(folder)).map_err(invalid)?;
    Ok(catalog)
}

struct Kept(PathBuf);

impl CatalogFiles for Kept {
    fn read(&self, path: &str) -> std::io::Result<String> {
        fs::read_to_string(self.0.join(stored(path)))
    }
}

/// Where a file beside the catalog is kept: under its own name, but never outside of the folder.
fn stored(name: &str) -> PathBuf {
    let parts = Path::new(name).components().filter_map(|component| match component {
        Component::Normal(part) => Some(part),
        Component::ParentDir => Some("_parent".as_ref()),
        Component::RootDir | Component::Prefix(_) => Some("_root".as_ref()),
        Component::CurDir => None,
    });
    parts.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stay_inside() {
        for (name, expected) in [
            ("cells.csv", "cells.csv"),
            ("./prices/cells.csv", "prices/cells.csv"),
            ("../cells.csv", "_parent/cells.csv"),
            ("a/../../cells.csv", "a/_parent/_parent/cells.csv"),
            ("/srv/cells.csv", "_root/srv/cells.csv"),
        ] {
            assert_eq!(stored(name), Path::new(expected), "{name}");
        }
    }
}
