//! Reads catalogs and mappings from disk for the crates that do no I/O.

use std::path::{Path, PathBuf};

use anyhow::Result;
use weir_model::catalog::{self, Catalog, CatalogFiles, Problem};
use weir_model::mapping::{self, Mapping};

use crate::failure::invalid;

/// Files beside a catalog.
struct Beside(PathBuf);

impl CatalogFiles for Beside {
    fn read(&self, path: &str) -> std::io::Result<String> {
        std::fs::read_to_string(self.0.join(path))
    }
}

/// Loads a catalog with the warnings about it.
pub fn catalog(path: &Path) -> Result<(Catalog, Vec<Problem>)> {
    let text = read(path, "catalog")?;
    let beside = Beside(path.parent().unwrap_or(Path::new("")).to_owned());
    catalog::load(&path.to_string_lossy(), &text, &beside).map_err(invalid)
}

/// Loads a mapping.
pub fn mapping(path: &Path) -> Result<Mapping> {
    let text = read(path, "mapping")?;
    mapping::load(&path.to_string_lossy(), &text).map_err(invalid)
}

fn read(path: &Path, what: &str) -> Result<String> {
    std::fs::read_to_string(path).map_err(|error| {
        let hint = match error.kind() {
            std::io::ErrorKind::NotFound => "; is the path right?",
            std::io::ErrorKind::IsADirectory => "; name the file itself",
            std::io::ErrorKind::InvalidData => "; it must be UTF-8 text",
            _ => "",
        };
        invalid(format!("cannot read the {what} {}: {error}{hint}", path.display()))
    })
}
