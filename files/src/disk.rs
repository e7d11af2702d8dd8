//! The real file system: a folder and all below it.
//!
//! Owns: which system calls make something durable. Data: `fdatasync`, which covers the length; names: `fsync` of the folder.

use std::fs::{self, File, OpenOptions};
use std::io::{self, IoSlice, Write};
use std::path::{Path, PathBuf};

use crate::{AppendFile, FileError, Files, ReadFile};

/// A folder of the file system.
#[derive(Debug, Clone)]
pub struct Disk {
    root: PathBuf,
}

/// A file, and its path for errors.
#[derive(Debug)]
struct DiskFile {
    file: File,
    path: PathBuf,
}

impl Disk {
    /// The folder at `root`, which exists.
    pub fn new(root: impl Into<PathBuf>) -> Disk {
        Disk { root: root.into() }
    }

    fn path(&self, path: &str) -> PathBuf {
        if path.is_empty() { self.root.clone() } else { self.root.join(path) }
    }
}

/// Names operation and path of what failed.
fn named<T>(operation: &'static str, path: &Path, result: io::Result<T>) -> Result<T, FileError> {
    result.map_err(|source| FileError { operation, path: path.display().to_string(), source })
}

impl Files for Disk {
    fn create(&self, path: &str) -> Result<Box<dyn AppendFile>, FileError> {
        let path = self.path(path);
        let file = named("create", &path, OpenOptions::new().append(true).create_new(true).open(&path))?;
        Ok(Box::new(DiskFile { file, path }))
    }

    fn open(&self, path: &str) -> Result<Box<dyn ReadFile>, FileError> {
        let path = self.path(path);
        let file = named("open", &path, File::open(&path))?;
        Ok(Box::new(DiskFile { file, path }))
    }

    fn list(&self, folder: &str) -> Result<Vec<String>, FileError> {
        let path = self.path(folder);
        let name = |entry: io::Result<fs::DirEntry>| Ok(entry?.file_name().to_string_lossy().into_owned());
        let names = fs::read_dir(&path).and_then(|entries| entries.map(name).collect::<io::Result<Vec<String>>>());
        let mut names = named("list", &path, names)?;
        names.sort_unstable();
        Ok(names)
    }

    fn make_folder(&self, path: &str) -> Result<(), FileError> {
        let path = self.path(path);
        named("create the folder", &path, fs::create_dir(&path))
    }

    fn rename(&self, from: &str, to: &str) -> Result<(), FileError> {
        let path = self.path(from);
        named("rename", &path, fs::rename(&path, self.path(to)))
    }

    fn rename_new(&self, from: &str, to: &str) -> Result<(), FileError> {
        let path = self.path(from);
        named("rename", &path, rename_new(&path, &self.path(to)))
    }

    fn remove(&self, path: &str) -> Result<(), FileError> {
        let path = self.path(path);
        named("remove", &path, remove(&path))
    }

    fn sync_folder(&self, folder: &str) -> Result<(), FileError> {
        let path = self.path(folder);
        named("sync the folder", &path, sync_names(&path))
    }

    fn free_bytes(&self) -> Result<u64, FileError> {
        named("ask for the free space of", &self.root, free_bytes(&self.root))
    }
}

impl AppendFile for DiskFile {
    fn append(&mut self, parts: &mut [IoSlice<'_>]) -> Result<(), FileError> {
        named("write", &self.path, write_all(&mut self.file, parts))
    }

    fn sync(&mut self) -> Result<(), FileError> {
        named("sync", &self.path, self.file.sync_data())
    }

    fn forget(&mut self) {
        // Advice: where it is not taken nothing is wrong.
        #[cfg(target_os = "linux")]
        let _ = rustix::fs::fadvise(&self.file, 0, None, rustix::fs::Advice::DontNeed);
    }

    fn preallocate(&mut self, bytes: u64) -> Result<(), FileError> {
        named("reserve room for", &self.path, reserve(&self.file, bytes))
    }
}

impl ReadFile for DiskFile {
    fn read_at(&self, position: u64, buffer: &mut [u8]) -> Result<usize, FileError> {
        let mut filled = 0;
        while filled < buffer.len() {
            match read_some(&self.file, position + filled as u64, &mut buffer[filled..]) {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return named("read", &self.path, Err(error)),
            }
        }
        Ok(filled)
    }

    fn length(&self) -> Result<u64, FileError> {
        Ok(named("ask for the length of", &self.path, self.file.metadata())?.len())
    }
}

/// As many calls as the system's limit on parts makes necessary.
fn write_all(file: &mut File, mut parts: &mut [IoSlice<'_>]) -> io::Result<()> {
    // Empty parts first: a write of nothing would look like a full disk.
    IoSlice::advance_slices(&mut parts, 0);
    while !parts.is_empty() {
        match file.write_vectored(parts) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(count) => IoSlice::advance_slices(&mut parts, count),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Bytes whose room is given back at once.
#[cfg(unix)]
const RELEASE_BYTES: u64 = 8 << 20;

/// The name at once, then the room piece by piece: while a file system gives back 128 MiB at once, 35 ms or so, it syncs nothing for others.
#[cfg(unix)]
fn remove(path: &Path) -> io::Result<()> {
    let file = OpenOptions::new().write(true).open(path);
    fs::remove_file(path)?;
    if let Ok(file) = file {
        let mut bytes = file.metadata()?.len();
        while bytes > RELEASE_BYTES {
            bytes -= RELEASE_BYTES;
            file.set_len(bytes)?;
        }
    }
    Ok(())
}

#[cfg(not(unix))]
fn remove(path: &Path) -> io::Result<()> {
    fs::remove_file(path)
}

/// What the system cannot do at once becomes two steps, after the first of which the file has both names.
fn rename_new(from: &Path, to: &Path) -> io::Result<()> {
    match rename_if_free(from, to) {
        Err(error) if error.kind() == io::ErrorKind::Unsupported => {
            fs::hard_link(from, to)?;
            fs::remove_file(from)
        }
        result => result,
    }
}

#[cfg(target_os = "linux")]
fn rename_if_free(from: &Path, to: &Path) -> io::Result<()> {
    use rustix::fs::{CWD, RenameFlags, renameat_with};
    use rustix::io::Errno;
    match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
        // Of a file system that does not know the flag.
        Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => Err(io::ErrorKind::Unsupported.into()),
        result => Ok(result?),
    }
}

#[cfg(not(target_os = "linux"))]
fn rename_if_free(_from: &Path, _to: &Path) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

#[cfg(unix)]
fn sync_names(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// Folders cannot be opened there; the system journals names by itself.
#[cfg(not(unix))]
fn sync_names(_folder: &Path) -> io::Result<()> {
    Ok(())
}

#[cfg(unix)]
fn free_bytes(root: &Path) -> io::Result<u64> {
    let found = rustix::fs::statvfs(root)?;
    Ok(found.f_bavail.saturating_mul(found.f_frsize))
}

/// Nobody asks there.
#[cfg(not(unix))]
fn free_bytes(_root: &Path) -> io::Result<u64> {
    Ok(u64::MAX)
}

#[cfg(target_os = "linux")]
fn reserve(file: &File, bytes: u64) -> io::Result<()> {
    use rustix::fs::{FallocateFlags, fallocate};
    use rustix::io::Errno;
    match fallocate(file, FallocateFlags::KEEP_SIZE, 0, bytes) {
        Err(Errno::OPNOTSUPP | Errno::NOSYS) => Ok(()),
        result => Ok(result?),
    }
}

#[cfg(not(target_os = "linux"))]
fn reserve(_file: &File, _bytes: u64) -> io::Result<()> {
    Ok(())
}

#[cfg(unix)]
fn read_some(file: &File, position: u64, buffer: &mut [u8]) -> io::Result<usize> {
    std::os::unix::fs::FileExt::read_at(file, buffer, position)
}

#[cfg(not(unix))]
fn read_some(mut file: &File, position: u64, buffer: &mut [u8]) -> io::Result<usize> {
    use std::io::{Read, Seek, SeekFrom};
    file.seek(SeekFrom::Start(position))?;
    file.read(buffer)
}
