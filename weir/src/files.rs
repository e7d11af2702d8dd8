//! Reads catalogs and mappings from disk for the crates that do no I/O.

use std::cell::RefCell;
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

/// The texts that a catalog was read from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sources {
    /// The catalog itself.
    pub catalog: String,
    /// The files beside it, each once, under the name that the catalog has for it.
    pub beside: Vec<(String, String)>,
}

/// Files beside a catalog, kept as they are read.
struct Keeping {
    beside: Beside,
    read: RefCell<Vec<(String, String)>>,
}

impl CatalogFiles for Keeping {
    fn read(&self, path: &str) -> std::io::Result<String> {
        let text = self.beside.read(path)?;
        let mut read = self.read.borrow_mut();
        if read.iter().all(|(name, _)| name != path) {
            read.push((path.to_owned(), text.clone()));
        }
        Ok(text)
    }
}

/// Loads a catalog with the warnings about it.
pub fn catalog(path: &Path) -> Result<(Catalog, Vec<Problem>)> {
    let text = read(path, "catalog")?;
    catalog::load(&path.to_string_lossy(), &text, &beside(path)).map_err(invalid)
}

/// Loads a catalog and keeps its texts.
pub fn catalog_with_sources(path: &Path) -> Result<(Catalog, Sources)> {
    let text = read(path, "catalog")?;
    let files = Keeping { beside: beside(path), read: RefCell::default() };
    let (catalog, _) = catalog::load(&path.to_string_lossy(), &text, &files).map_err(invalid)?;
    Ok((catalog, Sources { catalog: text, beside: files.read.into_inner() }))
}

fn beside(path: &Path) -> Beside {
    Beside(path.parent().unwrap_or(Path::new("")).to_owned())
}

/// The text of a file of prices, and the files beside it.
pub fn prices(path: &Path) -> Result<(String, impl CatalogFiles)> {
    let text = read(path, "file of prices")?;
    Ok((text, beside(path)))
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
