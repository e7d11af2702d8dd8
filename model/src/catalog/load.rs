//! Loader.
use super::{Catalog, CatalogError};
/// Files.
pub trait CatalogFiles {}
/// Loads.
pub fn load(_text: &str) -> Result<Catalog, CatalogError> {
    Err(CatalogError)
}
