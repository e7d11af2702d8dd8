//! A file system in memory that crashes and fails where a test says, and then shows what a legal one could show.
//!
//! Every change (create, write, sync, reserve, make a folder, rename, remove, sync a folder) is an operation with a number, from 1. Owns:
//! numbering, crashes and failures. Does not own: what is left after a crash (`survivors`), and the enumeration of
//! all of them (`crashes`). Harsher than most: each unsynced write and each unsynced name is kept or lost by itself.

mod crashes;
mod survivors;
mod tree;

use std::io::{self, IoSlice};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub use crashes::{for_each_crash, for_each_failure};
pub use survivors::Survivors;
use tree::{Content, Tree};

use crate::{AppendFile, FileError, Files, ReadFile};

/// Why an operation fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// The disk is full (ENOSPC).
    NoSpace,
    /// The disk is broken (EIO).
    Broken,
}

/// Files in memory. A clone is another hand on the same files.
#[derive(Debug, Clone, Default)]
pub struct Simulated {
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    tree: Tree,
    /// Operations so far.
    operations: u64,
    crash_at: Option<u64>,
    fail_at: Option<(u64, Failure)>,
    is_crashed: bool,
    /// The last operation, in words.
    latest: String,
}

/// What becomes of an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Happens,
    /// It begins, and nothing follows.
    Crashes,
    Fails(Failure),
}

/// A file, by what it is, not by its name.
#[derive(Debug)]
struct Handle {
    files: Simulated,
    node: usize,
    path: String,
}

impl Simulated {
    /// An empty tree.
    pub fn new() -> Simulated {
        Simulated::default()
    }

    /// Crashes at the operation with this number: it begins, it never returns well, and nothing works afterwards.
    #[must_use]
    pub fn crashing_at(self, operation: u64) -> Simulated {
        self.state().crash_at = Some(operation);
        self
    }

    /// Fails the operation with this number, and goes on. Of a failing write a half is there; what a failing sync was
    /// to make durable never is known to be.
    #[must_use]
    pub fn failing_at(self, operation: u64, failure: Failure) -> Simulated {
        self.state().fail_at = Some((operation, failure));
        self
    }

    /// A disk of so many bytes; without this it has no end.
    #[must_use]
    pub fn with_capacity(self, bytes: u64) -> Simulated {
        self.state().tree.capacity = bytes;
        self
    }

    /// The number of operations so far, failed ones included.
    pub fn operations(&self) -> u64 {
        self.state().operations
    }

    /// The last operation, in words.
    pub fn latest(&self) -> String {
        self.state().latest.clone()
    }

    /// The same files, without a hand on these and without plans; operations count from 1 again.
    #[must_use]
    pub fn copy(&self) -> Simulated {
        Simulated::holding(self.state().tree.clone())
    }

    /// What is there after power was lost at this moment.
    #[must_use]
    pub fn survivors(&self, which: Survivors) -> Simulated {
        Simulated::holding(survivors::of(&self.state().tree, which))
    }

    /// What a file holds, for tests that look inside.
    pub fn content(&self, path: &str) -> Option<Vec<u8>> {
        let state = self.state();
        let node = state.tree.file(path).ok()?;
        Some(state.tree.content(node).bytes.clone())
    }

    fn holding(tree: Tree) -> Simulated {
        Simulated { state: Arc::new(Mutex::new(State { tree, ..State::default() })) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Numbers an operation and lets `act` do what becomes of it.
    fn operate<T>(
        &self,
        operation: &'static str,
        path: &str,
        act: impl FnOnce(&mut Tree, Fate) -> io::Result<T>,
    ) -> Result<T, FileError> {
        let mut state = self.state();
        let result = state.alive().and_then(|()| {
            state.operations += 1;
            state.latest = format!("{operation} {path}");
            let fate = state.fate();
            let done = act(&mut state.tree, fate);
            state.is_crashed = fate == Fate::Crashes;
            state.alive().and(done)
        });
        result.map_err(|source| FileError { operation, path: path.to_owned(), source })
    }

    /// An operation that does nothing when it fails.
    fn change<T>(
        &self,
        operation: &'static str,
        path: &str,
        act: impl FnOnce(&mut Tree) -> io::Result<T>,
    ) -> Result<T, FileError> {
        self.operate(operation, path, |tree, fate| match fate {
            Fate::Fails(failure) => Err(failure.error()),
            Fate::Happens | Fate::Crashes => act(tree),
        })
    }

    fn look<T>(
        &self,
        operation: &'static str,
        path: &str,
        look: impl FnOnce(&Tree) -> io::Result<T>,
    ) -> Result<T, FileError> {
        let state = self.state();
        let seen = state.alive().and_then(|()| look(&state.tree));
        seen.map_err(|source| FileError { operation, path: path.to_owned(), source })
    }

    fn handle(&self, node: usize, path: &str) -> Box<Handle> {
        Box::new(Handle { files: self.clone(), node, path: path.to_owned() })
    }
}

impl State {
    fn alive(&self) -> io::Result<()> {
        if self.is_crashed { Err(crashed()) } else { Ok(()) }
    }

    fn fate(&self) -> Fate {
        match self.fail_at {
            _ if self.crash_at == Some(self.operations) => Fate::Crashes,
            Some((operation, failure)) if operation == self.operations => Fate::Fails(failure),
            _ => Fate::Happens,
        }
    }
}

impl Failure {
    fn error(self) -> io::Error {
        match self {
            Failure::NoSpace => io::ErrorKind::StorageFull.into(),
            Failure::Broken => io::Error::other("input/output error"),
        }
    }
}

fn crashed() -> io::Error {
    io::Error::other("the machine has crashed")
}

impl Files for Simulated {
    fn create(&self, path: &str) -> Result<Box<dyn AppendFile>, FileError> {
        let node = self.change("create", path, |tree| tree.make_file(path))?;
        Ok(self.handle(node, path))
    }

    fn open(&self, path: &str) -> Result<Box<dyn ReadFile>, FileError> {
        let node = self.look("open", path, |tree| tree.file(path))?;
        Ok(self.handle(node, path))
    }

    fn list(&self, folder: &str) -> Result<Vec<String>, FileError> {
        self.look("list", folder, |tree| tree.list(folder))
    }

    fn make_folder(&self, path: &str) -> Result<(), FileError> {
        self.change("create the folder", path, |tree| tree.make_folder(path))
    }

    fn rename(&self, from: &str, to: &str) -> Result<(), FileError> {
        self.change("rename", from, |tree| tree.rename(from, to))
    }

    fn rename_new(&self, from: &str, to: &str) -> Result<(), FileError> {
        self.change("rename", from, |tree| tree.rename_new(from, to))
    }

    fn remove(&self, path: &str) -> Result<(), FileError> {
        self.change("remove", path, |tree| tree.remove(path))
    }

    fn sync_folder(&self, folder: &str) -> Result<(), FileError> {
        // After a failure its names stay open: they are journaled, and a journal that cannot be written ends the file system.
        self.operate("sync the folder", folder, |tree, fate| match fate {
            Fate::Happens => tree.sync_folder(folder),
            Fate::Crashes => Ok(()),
            Fate::Fails(failure) => Err(failure.error()),
        })
    }

    fn free_bytes(&self) -> Result<u64, FileError> {
        self.look("ask for the free space of", "", |tree| Ok(tree.free_bytes()))
    }
}

impl Handle {
    fn look<T>(&self, operation: &'static str, look: impl FnOnce(&Content) -> T) -> Result<T, FileError> {
        self.files.look(operation, &self.path, |tree| Ok(look(tree.content(self.node))))
    }
}

impl AppendFile for Handle {
    fn append(&mut self, parts: &mut [IoSlice<'_>]) -> Result<(), FileError> {
        let bytes: Vec<u8> = parts.iter().flat_map(|part| part.iter().copied()).collect();
        self.files.operate("write", &self.path, |tree, fate| match fate {
            Fate::Happens | Fate::Crashes => tree.append(self.node, &bytes),
            Fate::Fails(failure) => {
                tree.append(self.node, &bytes[..bytes.len() / 2])?;
                Err(failure.error())
            }
        })
    }

    fn sync(&mut self) -> Result<(), FileError> {
        self.files.operate("sync", &self.path, |tree, fate| {
            let content = tree.content_mut(self.node);
            match fate {
                Fate::Happens => content.sync(),
                Fate::Crashes => {}
                Fate::Fails(failure) => {
                    content.fail_sync();
                    return Err(failure.error());
                }
            }
            Ok(())
        })
    }

    fn preallocate(&mut self, bytes: u64) -> Result<(), FileError> {
        self.files.change("reserve room for", &self.path, |tree| tree.reserve(self.node, bytes))
    }
}

impl ReadFile for Handle {
    fn read_at(&self, position: u64, buffer: &mut [u8]) -> Result<usize, FileError> {
        self.look("read", |content| {
            let rest = usize::try_from(position).ok().and_then(|at| content.bytes.get(at..)).unwrap_or_default();
            let count = rest.len().min(buffer.len());
            buffer[..count].copy_from_slice(&rest[..count]);
            count
        })
    }

    fn length(&self) -> Result<u64, FileError> {
        self.look("ask for the length of", |content| content.bytes.len() as u64)
    }
}
