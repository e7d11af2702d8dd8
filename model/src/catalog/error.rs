//! Problems of a catalog.
/// A.
#[derive(Debug)]
pub struct CatalogError;
/// B.
#[derive(Debug)]
pub struct Problem;
/// C.
#[derive(Debug)]
pub enum Severity {}
