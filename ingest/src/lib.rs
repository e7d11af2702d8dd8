//! Events in: files of CloudEvents NDJSON, and of CSV, Parquet and Arrow through a mapping, decoded into columns per shard.
//!
//! Owns: expanding and opening inputs, compression, chunks, the JSON scanner, extraction, limits, rejections, and the hashes that
//! identify an event. Does not own: catalogs and mappings (model), what events cost, threads. Keeps L5 and L6: quantities come
//! from their text, never through a float, and chunks are a function of the bytes alone.

pub mod body;
pub mod columns;
pub mod csv;
pub mod decode;
pub mod input;
mod json;
mod ndjson;
pub mod reader;
pub mod rfc3339;
mod rows;

pub use decode::{AcceptedEvent, DecodeScratch, Decoder, MissingTime, RawEvent};
