//! Files for identities that memory has no room for: a folder that appears when the first run is written and goes when the last user does.
//!
//! Owns: names and removal. Does not own: what is in the files (`weir_rater::identities`), and files that outlive the process
//! (`kept_identities`).

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, Result};
use tempfile::TempDir;
use weir_rater::identities::{IdentitySettings, RunFile, RunStore};

/// The folder of all shards.
#[derive(Debug)]
pub struct IdentityFolder {
    parent: PathBuf,
    made: Mutex<Option<TempDir>>,
}

/// The files of one shard.
#[derive(Debug)]
pub struct IdentityFiles {
    folder: Arc<IdentityFolder>,
    shard: u16,
    files: BTreeMap<u64, File>,
}

/// A file that need not outlive the process.
#[derive(Debug)]
struct Writer(File);

impl RunFile for Writer {
    fn append(&mut self, piece: &[u8]) -> io::Result<()> {
        self.0.write_all(piece)
    }

    fn sync(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl IdentityFolder {
    /// A folder below `parent`, not made yet.
    pub fn new(parent: &Path) -> Arc<IdentityFolder> {
        Arc::new(IdentityFolder { parent: parent.to_owned(), made: Mutex::new(None) })
    }

    /// What a shard of `shards` may use when all of them may use `memory_bytes`.
    pub fn settings(self: &Arc<Self>, shard: u16, shards: u16, memory_bytes: u64) -> IdentitySettings {
        let store = IdentityFiles { folder: Arc::clone(self), shard, files: BTreeMap::new() };
        IdentitySettings {
            memory_bytes: memory_bytes / u64::from(shards.max(1)),
            identities_max: u64::MAX,
            store: Box::new(store),
        }
    }

    /// Removes the folder. Without this it goes with its last user.
    pub fn remove(&self) -> Result<()> {
        let made = self.made.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(folder) = made else { return Ok(()) };
        let path = folder.path().display().to_string();
        folder.close().with_context(|| format!("cannot remove {path}"))
    }

    fn path(&self) -> io::Result<PathBuf> {
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(folder) = made.as_ref() {
            return Ok(folder.path().to_owned());
        }
        let folder = tempfile::Builder::new().prefix(".weir-identities-").tempdir_in(&self.parent)?;
        let path = folder.path().to_owned();
        *made = Some(folder);
        Ok(path)
    }
}

impl IdentityFiles {
    fn file(&self, run: u64) -> io::Result<&File> {
        self.files.get(&run).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn file_name(&self, run: u64) -> String {
        format!("shard-{:04}-run-{run:06}", self.shard)
    }
}

impl RunStore for IdentityFiles {
    fn create(&mut self, run: u64) -> io::Result<Box<dyn RunFile>> {
        let path = self.folder.path()?.join(self.file_name(run));
        let file = OpenOptions::new().read(true).write(true).create_new(true).open(path)?;
        let writer = Writer(file.try_clone()?);
        self.files.insert(run, file);
        Ok(Box::new(writer))
    }

    /// There is nobody from whom it could be taken over.
    fn open(&mut self, _run: u64) -> io::Result<u64> {
        Err(io::ErrorKind::NotFound.into())
    }

    fn greatest(&self) -> io::Result<Option<u64>> {
        Ok(None)
    }

    fn is_durable(&self) -> bool {
        false
    }

    fn read_at(&self, run: u64, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        read_exact_at(self.file(run)?, offset, buffer)
    }

    fn delete(&mut self, run: u64) -> io::Result<()> {
        self.files.remove(&run);
        fs::remove_file(self.folder.path()?.join(self.file_name(run)))
    }

    fn name(&self, run: u64) -> String {
        let folder = self.folder.path().unwrap_or_else(|_| self.folder.parent.clone());
        folder.join(self.file_name(run)).display().to_string()
    }
}

#[cfg(unix)]
fn read_exact_at(file: &File, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, buffer, offset)
}

#[cfg(not(unix))]
fn read_exact_at(mut file: &File, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
    use std::io::{Read, Seek, SeekFrom};
    file.seek(SeekFrom::Start(offset))?;
    file.read_exact(buffer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_folder_comes_late_and_goes() {
        let parent = tempfile::tempdir().unwrap();
        let entries = || fs::read_dir(parent.path()).unwrap().count();
        let folder = IdentityFolder::new(parent.path());
        let mut files = folder.settings(3, 16, 1 << 30).store;
        assert_eq!(entries(), 0);
        let mut file = files.create(7).unwrap();
        file.append(b"abc").unwrap();
        file.append(b"def").unwrap();
        assert_eq!(entries(), 1);
        assert!(files.name(7).ends_with("shard-0003-run-000007"), "{}", files.name(7));
        let mut read = [0; 3];
        files.read_at(7, 2, &mut read).unwrap();
        assert_eq!(&read, b"cde");
        assert_eq!(files.read_at(7, 4, &mut read).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
        assert_eq!(files.create(7).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        files.delete(7).unwrap();
        assert_eq!(files.delete(7).unwrap_err().kind(), io::ErrorKind::NotFound);
        files.create(8).unwrap();
        drop(files);
        drop(folder);
        assert_eq!(entries(), 0);
    }

    #[test]
    fn removal_does_not_wait_for_users() {
        let parent = tempfile::tempdir().unwrap();
        let folder = IdentityFolder::new(parent.path());
        let mut files = folder.settings(0, 1, 1 << 30).store;
        files.create(0).unwrap();
        folder.remove().unwrap();
        assert_eq!(fs::read_dir(parent.path()).unwrap().count(), 0);
    }
}
