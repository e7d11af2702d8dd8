//! Files in memory that fail where a test says, and lose what was not synced when the process ends.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::{Arc, Mutex};

use crate::identities::{RunFile, RunStore};

/// After `faults_after` operations the disk fails; a flipped byte is what a read may come across.
#[derive(Debug, Clone, Default)]
pub struct MemoryDisk {
    files: Arc<Mutex<Files>>,
    is_durable: bool,
}

#[derive(Debug, Default)]
struct Files {
    files: BTreeMap<u64, File>,
    operations: u64,
    faults_after: Option<u64>,
    bytes_read: usize,
}

#[derive(Debug, Default)]
struct File {
    bytes: Vec<u8>,
    synced: usize,
    /// Whether a shard reads it, or may come to.
    is_used: bool,
}

impl MemoryDisk {
    pub fn failing_after(operations: u64) -> MemoryDisk {
        let files = Files { faults_after: Some(operations), ..Files::default() };
        MemoryDisk { files: Arc::new(Mutex::new(files)), is_durable: false }
    }

    pub fn durable() -> MemoryDisk {
        MemoryDisk { is_durable: true, ..MemoryDisk::default() }
    }

    fn operate<T>(&self, work: impl FnOnce(&mut Files) -> Option<T>) -> io::Result<T> {
        let mut files = self.files.lock().unwrap();
        files.operations += 1;
        if files.faults_after.is_some_and(|after| files.operations > after) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        work(&mut files).ok_or_else(|| io::Error::other("the rater misuses its files"))
    }

    pub fn fail_after(&self, operations: Option<u64>) {
        self.files.lock().unwrap().faults_after = operations;
    }

    pub fn operations(&self) -> u64 {
        self.files.lock().unwrap().operations
    }

    pub fn files(&self) -> usize {
        self.files.lock().unwrap().files.len()
    }

    pub fn bytes(&self) -> usize {
        self.files.lock().unwrap().files.values().map(|file| file.bytes.len()).sum()
    }

    pub fn bytes_read(&self) -> usize {
        self.files.lock().unwrap().bytes_read
    }

    /// Flips a bit of the `at`-th byte of all files.
    pub fn flip(&self, mut at: usize) {
        for file in self.files.lock().unwrap().files.values_mut() {
            if let Some(byte) = file.bytes.get_mut(at) {
                *byte ^= 1 << (at % 8);
                return;
            }
            at -= file.bytes.len();
        }
    }

    /// Nobody uses the files any more, and what was not synced has become something else.
    pub fn crash(&self) {
        for file in self.files.lock().unwrap().files.values_mut() {
            file.is_used = false;
            file.bytes.truncate(file.synced + (file.bytes.len() - file.synced) / 2);
            file.bytes[file.synced..].fill(0xA5);
        }
    }

    /// Removes the files that no snapshot names and no shard uses.
    pub fn retain(&self, named: &BTreeSet<u64>) {
        self.files.lock().unwrap().files.retain(|number, file| file.is_used || named.contains(number));
    }

    /// Removes a file, or what is behind its first bytes.
    pub fn cut(&self, run: u64, to: Option<usize>) {
        let files = &mut self.files.lock().unwrap().files;
        match to {
            None => drop(files.remove(&run).unwrap()),
            Some(bytes) => files.get_mut(&run).unwrap().bytes.truncate(bytes),
        }
    }

    pub fn length(&self, run: u64) -> usize {
        self.files.lock().unwrap().files[&run].bytes.len()
    }
}

impl RunStore for MemoryDisk {
    fn create(&mut self, run: u64) -> io::Result<Box<dyn RunFile>> {
        let file = File { is_used: true, ..File::default() };
        self.operate(|disk| disk.files.insert(run, file).is_none().then_some(()))?;
        Ok(Box::new(MemoryFile { disk: self.clone(), run }))
    }

    fn open(&mut self, run: u64) -> io::Result<u64> {
        self.operate(|disk| {
            let file = disk.files.get_mut(&run)?;
            file.is_used = true;
            u64::try_from(file.bytes.len()).ok()
        })
    }

    fn greatest(&self) -> io::Result<Option<u64>> {
        self.operate(|disk| Some(disk.files.keys().next_back().copied()))
    }

    fn is_durable(&self) -> bool {
        self.is_durable
    }

    fn read_at(&self, run: u64, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.operate(|disk| {
            let begin = usize::try_from(offset).unwrap();
            buffer.copy_from_slice(disk.files.get(&run)?.bytes.get(begin..begin + buffer.len())?);
            disk.bytes_read += buffer.len();
            Some(())
        })
    }

    fn delete(&mut self, run: u64) -> io::Result<()> {
        let is_durable = self.is_durable;
        self.operate(|disk| {
            let file = disk.files.get_mut(&run).filter(|file| file.is_used)?;
            file.is_used = false;
            if !is_durable {
                disk.files.remove(&run);
            }
            Some(())
        })
    }

    fn name(&self, run: u64) -> String {
        format!("run {run}")
    }
}

#[derive(Debug)]
struct MemoryFile {
    disk: MemoryDisk,
    run: u64,
}

impl RunFile for MemoryFile {
    fn append(&mut self, piece: &[u8]) -> io::Result<()> {
        self.disk.operate(|disk| disk.files.get_mut(&self.run).map(|file| file.bytes.extend_from_slice(piece)))
    }

    fn sync(&mut self) -> io::Result<()> {
        self.disk.operate(|disk| disk.files.get_mut(&self.run).map(|file| file.synced = file.bytes.len()))
    }
}
