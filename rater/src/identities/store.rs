//! Where sorted runs go: a small trait, so that the rater knows no paths and tests can fail at every operation.

use std::fmt::Debug;
use std::io;

/// Files of one shard, each written once from front to back, then read at any position until it is deleted.
pub trait RunStore: Debug + Send + Sync {
    /// Begins the file of run `run`, which has no file yet.
    fn create(&mut self, run: u64) -> io::Result<()>;

    /// Appends a piece to the file that was begun.
    fn append(&mut self, run: u64, piece: &[u8]) -> io::Result<()>;

    /// Nothing will be appended any more. A store that must outlive the machine's memory makes the file durable.
    fn finish(&mut self, run: u64) -> io::Result<()>;

    /// Fills `buffer` from `offset` on; an end of the file before that is an error.
    fn read_at(&self, run: u64, offset: u64, buffer: &mut [u8]) -> io::Result<()>;

    /// Removes a file, finished or not.
    fn delete(&mut self, run: u64) -> io::Result<()>;

    /// What people call the file of a run.
    fn name(&self, run: u64) -> String;
}

/// For identities that stay in memory whatever they take.
#[derive(Debug, Clone, Copy)]
pub struct NoStore;

impl RunStore for NoStore {
    fn create(&mut self, _run: u64) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn append(&mut self, _run: u64, _piece: &[u8]) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn finish(&mut self, _run: u64) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn read_at(&self, _run: u64, _offset: u64, _buffer: &mut [u8]) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn delete(&mut self, _run: u64) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn name(&self, _run: u64) -> String {
        "identities (kept in memory)".to_owned()
    }
}
