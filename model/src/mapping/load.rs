//! Loader.
use super::Mapping;
/// Loads.
pub fn load(_text: &str) -> Result<Mapping, ()> {
    Err(())
}
