//! Where files go: a small trait, so that tests can fail at every write, and the local file system.
//!
//! Owns: creating, writing and syncing. Does not own: names, formats and what an error means to the user.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;

/// One file being written.
pub trait Sink: Write + Send {
    /// Makes what was written durable. Called once, after the last write.
    fn sync(&mut self) -> io::Result<()>;
}

/// A place for files.
pub trait Store: Send + Sync {
    /// Creates a file that does not exist yet; an existing one is an error of kind `AlreadyExists`.
    fn create(&self, path: &Path) -> io::Result<Box<dyn Sink>>;

    /// Creates a folder and those above it, unless they exist.
    fn create_folder(&self, path: &Path) -> io::Result<()>;

    /// Makes a folder's entries durable.
    fn sync_folder(&self, path: &Path) -> io::Result<()>;
}

/// The local file system.
#[derive(Debug, Clone, Copy, Default)]
pub struct LocalStore;

impl Store for LocalStore {
    fn create(&self, path: &Path) -> io::Result<Box<dyn Sink>> {
        let file = OpenOptions::new().write(true).create_new(true).open(path)?;
        Ok(Box::new(file))
    }

    fn create_folder(&self, path: &Path) -> io::Result<()> {
        fs::create_dir_all(path)
    }

    fn sync_folder(&self, path: &Path) -> io::Result<()> {
        File::open(path)?.sync_all()
    }
}

impl Sink for File {
    fn sync(&mut self) -> io::Result<()> {
        self.sync_all()
    }
}
