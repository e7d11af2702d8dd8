//! A folder of a tree as a tree of its own.

use std::sync::Arc;

use crate::{AppendFile, FileError, Files, ReadFile};

/// What lies below a folder.
#[derive(Debug)]
pub struct Below {
    files: Arc<dyn Files>,
    folder: String,
}

impl Below {
    /// The tree below `folder`, which exists.
    pub fn new(files: Arc<dyn Files>, folder: &str) -> Below {
        Below { files, folder: folder.to_owned() }
    }

    fn path(&self, path: &str) -> String {
        if path.is_empty() { self.folder.clone() } else { format!("{}/{path}", self.folder) }
    }
}

impl Files for Below {
    fn create(&self, path: &str) -> Result<Box<dyn AppendFile>, FileError> {
        self.files.create(&self.path(path))
    }

    fn open(&self, path: &str) -> Result<Box<dyn ReadFile>, FileError> {
        self.files.open(&self.path(path))
    }

    fn list(&self, folder: &str) -> Result<Vec<String>, FileError> {
        self.files.list(&self.path(folder))
    }

    fn make_folder(&self, path: &str) -> Result<(), FileError> {
        self.files.make_folder(&self.path(path))
    }

    fn rename(&self, from: &str, to: &str) -> Result<(), FileError> {
        self.files.rename(&self.path(from), &self.path(to))
    }

    fn rename_new(&self, from: &str, to: &str) -> Result<(), FileError> {
        self.files.rename_new(&self.path(from), &self.path(to))
    }

    fn remove(&self, path: &str) -> Result<(), FileError> {
        self.files.remove(&self.path(path))
    }

    fn sync_folder(&self, folder: &str) -> Result<(), FileError> {
        self.files.sync_folder(&self.path(folder))
    }

    fn free_bytes(&self) -> Result<u64, FileError> {
        self.files.free_bytes()
    }
}
