//! ingest

pub mod columns;
pub mod csv;
pub mod decode;
pub mod input;
mod json;
mod ndjson;
pub mod reader;
pub mod rfc3339;
mod rows;

pub use decode::{DecodeScratch, Decoder, RawEvent};
