//! The archive end to end: chunks and outputs in, files out, read back with the Parquet reader.

mod disk;
mod files;
mod log;
mod outbox;
mod speed;
mod support;
mod tables;
