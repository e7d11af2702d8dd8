//! Documents end to end: figures in tables, forms as snapshots, laws as properties.
#![allow(missing_docs)]

mod explained;
mod figures;
mod fixture;
mod forms;
mod late;
mod laws;
mod modifiers;
