//! Folders, files and names as they are seen, and what of them has reached the disk.
//!
//! Owns: the effect of each operation. Does not own: what survives (`survivors`).

use std::collections::BTreeMap;
use std::io;

/// All files, by number, and their names.
#[derive(Debug, Clone)]
pub(super) struct Tree {
    /// Never shorter: a file outlives its name.
    pub(super) contents: Vec<Content>,
    /// What has a name, by path.
    pub(super) names: BTreeMap<String, Named>,
    /// All that ever happened to names, in order.
    pub(super) changes: Vec<Change>,
    /// Bytes that fit.
    pub(super) capacity: u64,
}

/// What a path leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Named {
    Folder,
    /// A file, by its number.
    File(usize),
}

/// A change of names.
#[derive(Debug, Clone)]
pub(super) struct Change {
    pub(super) step: Step,
    /// Whether a crash keeps it for certain.
    pub(super) is_synced: bool,
}

/// One change; a rename is kept whole or not at all.
#[derive(Debug, Clone)]
pub(super) enum Step {
    Link { path: String, named: Named },
    Rename { from: String, to: String, node: usize },
    Unlink { path: String },
}

/// A file's bytes.
#[derive(Debug, Clone, Default)]
pub(super) struct Content {
    /// As a reader sees them.
    pub(super) bytes: Vec<u8>,
    /// How they came, in order, without gaps.
    pub(super) writes: Vec<Write>,
    /// Room that was reserved.
    pub(super) reserved: u64,
}

/// One append.
#[derive(Debug, Clone, Copy)]
pub(super) struct Write {
    /// Where it ends; it begins where the one before ends.
    pub(super) end: usize,
    pub(super) state: WriteState,
}

/// How much is known about a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum WriteState {
    /// A sync would make it durable.
    Pending,
    /// A sync has failed on it: it may be lost, whatever follows.
    Doubtful,
    Synced,
}

impl Default for Tree {
    fn default() -> Tree {
        Tree { contents: Vec::new(), names: BTreeMap::new(), changes: Vec::new(), capacity: u64::MAX }
    }
}

/// The folder that a path is in.
fn parent(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(parent, _)| parent)
}

impl Tree {
    pub(super) fn content(&self, node: usize) -> &Content {
        &self.contents[node]
    }

    pub(super) fn content_mut(&mut self, node: usize) -> &mut Content {
        &mut self.contents[node]
    }

    /// The file behind a path.
    pub(super) fn file(&self, path: &str) -> io::Result<usize> {
        self.folder(parent(path))?;
        match self.names.get(path) {
            Some(Named::File(node)) => Ok(*node),
            Some(Named::Folder) => Err(io::ErrorKind::IsADirectory.into()),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }

    fn folder(&self, path: &str) -> io::Result<()> {
        match self.names.get(path) {
            _ if path.is_empty() => Ok(()),
            Some(Named::Folder) => Ok(()),
            Some(Named::File(_)) => Err(io::ErrorKind::NotADirectory.into()),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }

    /// Whether something new may be made there.
    fn free_name(&self, path: &str) -> io::Result<()> {
        self.folder(parent(path))?;
        if self.names.contains_key(path) { Err(io::ErrorKind::AlreadyExists.into()) } else { Ok(()) }
    }

    /// Whether a file may get this name.
    fn replaceable(&self, path: &str) -> io::Result<()> {
        if self.names.get(path) == Some(&Named::Folder) { Err(io::ErrorKind::IsADirectory.into()) } else { Ok(()) }
    }

    pub(super) fn list(&self, folder: &str) -> io::Result<Vec<String>> {
        self.folder(folder)?;
        let within = self.names.keys().filter(|path| parent(path) == folder);
        Ok(within.map(|path| path.rsplit('/').next().unwrap_or_default().to_owned()).collect())
    }

    pub(super) fn make_file(&mut self, path: &str) -> io::Result<usize> {
        self.free_name(path)?;
        let node = self.contents.len();
        self.contents.push(Content::default());
        self.change(Step::Link { path: path.to_owned(), named: Named::File(node) });
        Ok(node)
    }

    pub(super) fn make_folder(&mut self, path: &str) -> io::Result<()> {
        self.free_name(path)?;
        self.change(Step::Link { path: path.to_owned(), named: Named::Folder });
        Ok(())
    }

    pub(super) fn rename(&mut self, from: &str, to: &str) -> io::Result<()> {
        self.folder(parent(from)).and(self.folder(parent(to)))?;
        let node = self.file(from)?;
        self.replaceable(to)?;
        if from != to {
            self.change(Step::Rename { from: from.to_owned(), to: to.to_owned(), node });
        }
        Ok(())
    }

    pub(super) fn rename_new(&mut self, from: &str, to: &str) -> io::Result<()> {
        self.folder(parent(from)).and(self.folder(parent(to)))?;
        self.file(from)?;
        self.free_name(to)?;
        self.rename(from, to)
    }

    pub(super) fn remove(&mut self, path: &str) -> io::Result<()> {
        self.file(path)?;
        self.change(Step::Unlink { path: path.to_owned() });
        Ok(())
    }

    fn change(&mut self, step: Step) {
        step.apply(&mut self.names);
        self.changes.push(Change { step, is_synced: false });
    }

    /// A rename is its target folder's.
    pub(super) fn sync_folder(&mut self, folder: &str) -> io::Result<()> {
        self.folder(folder)?;
        for change in self.changes.iter_mut().filter(|change| parent(change.step.path()) == folder) {
            change.is_synced = true;
        }
        Ok(())
    }

    /// Appends as much as there is room for; an error if that is not all.
    pub(super) fn append(&mut self, node: usize, bytes: &[u8]) -> io::Result<()> {
        let content = &self.contents[node];
        let reserved = content.reserved.saturating_sub(content.bytes.len() as u64);
        let room = usize::try_from(self.free_bytes().saturating_add(reserved)).unwrap_or(usize::MAX);
        let count = room.min(bytes.len());
        self.content_mut(node).append(&bytes[..count]);
        if count < bytes.len() { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
    }

    /// Reserves room for a file of so many bytes; an error if there is not so much.
    pub(super) fn reserve(&mut self, node: usize, bytes: u64) -> io::Result<()> {
        if bytes.saturating_sub(self.contents[node].taken()) > self.free_bytes() {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let content = self.content_mut(node);
        content.reserved = content.reserved.max(bytes);
        Ok(())
    }

    pub(super) fn free_bytes(&self) -> u64 {
        let taken = self.names.values().map(|named| match named {
            Named::File(node) => self.contents[*node].taken(),
            Named::Folder => 0,
        });
        self.capacity.saturating_sub(taken.sum())
    }
}

impl Step {
    /// Changes names as the step does, as far as it can.
    pub(super) fn apply(&self, names: &mut BTreeMap<String, Named>) {
        match self {
            Step::Link { path, named } => {
                names.insert(path.clone(), *named);
            }
            Step::Rename { from, to, node } => {
                names.remove(from);
                names.insert(to.clone(), Named::File(*node));
            }
            Step::Unlink { path } => {
                names.remove(path);
            }
        }
    }

    /// Whose folder makes it durable.
    fn path(&self) -> &str {
        match self {
            Step::Link { path, .. } | Step::Rename { to: path, .. } | Step::Unlink { path } => path,
        }
    }
}

impl Content {
    /// A file that has been on the disk for long.
    pub(super) fn synced(bytes: Vec<u8>) -> Content {
        let write = Write { end: bytes.len(), state: WriteState::Synced };
        Content { bytes, writes: vec![write], reserved: 0 }
    }

    fn append(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
        self.writes.push(Write { end: self.bytes.len(), state: WriteState::Pending });
    }

    pub(super) fn sync(&mut self) {
        self.settle(WriteState::Synced);
    }

    pub(super) fn fail_sync(&mut self) {
        self.settle(WriteState::Doubtful);
    }

    fn settle(&mut self, state: WriteState) {
        for write in self.writes.iter_mut().filter(|write| write.state == WriteState::Pending) {
            write.state = state;
        }
    }

    fn taken(&self) -> u64 {
        (self.bytes.len() as u64).max(self.reserved)
    }
}
