//! Where sorted runs go: a small trait, so that the rater knows no paths and tests can fail at every operation.

use std::fmt::Debug;
use std::io;

/// Files of one shard, each written once from front to back, then read at any position until it is deleted. A store whose files outlive the
/// process is what snapshots rest on: they name runs, so that such a store keeps a file for as long as a snapshot that names it is kept.
pub trait RunStore: Debug + Send + Sync {
    /// Begins the file of run `run`, which has no file yet. What is appended to it can be read here.
    fn create(&mut self, run: u64) -> io::Result<Box<dyn RunFile>>;

    /// Takes up a file of an earlier process, complete or not; its length in bytes.
    fn open(&mut self, run: u64) -> io::Result<u64>;

    /// The greatest number of any file that there is, whoever left it: new runs are numbered from there on, so that nothing is
    /// overwritten.
    fn greatest(&self) -> io::Result<Option<u64>>;

    /// Whether files outlive the process.
    fn is_durable(&self) -> bool;

    /// Fills `buffer` from `offset` on; an end of the file before that is an error.
    fn read_at(&self, run: u64, offset: u64, buffer: &mut [u8]) -> io::Result<()>;

    /// The shard will not read the file again, finished or not. Where no snapshot can name it, it goes.
    fn delete(&mut self, run: u64) -> io::Result<()>;

    /// What people call the file of a run.
    fn name(&self, run: u64) -> String;
}

/// A run's file while it is written, by whichever thread has it.
pub trait RunFile: Debug + Send + Sync {
    /// Appends a piece.
    fn append(&mut self, piece: &[u8]) -> io::Result<()>;

    /// What was appended so far must outlive the machine's memory, if files do, though more may follow.
    fn sync(&mut self) -> io::Result<()>;

    /// Nobody is going to read it soon: memory need not keep what was synced.
    fn forget(&mut self) {}
}

/// For identities that stay in memory whatever they take.
#[derive(Debug, Clone, Copy)]
pub struct NoStore;

impl RunStore for NoStore {
    fn create(&mut self, _run: u64) -> io::Result<Box<dyn RunFile>> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn open(&mut self, _run: u64) -> io::Result<u64> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn greatest(&self) -> io::Result<Option<u64>> {
        Ok(None)
    }

    fn is_durable(&self) -> bool {
        false
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
