//! Documents end to end: figures in tables, forms as snapshots, laws as properties.
#![allow(missing_docs)]

mod figures;
mod fixture;
mod forms;
mod laws;
