//! Snapshots: the shards one after the other between records, a manifest last (design.md 4.7).
//!
//! Owns: files, their order of publication, what a start finds, what may be trimmed. Does not own: a shard's bytes
//! (`weir_rater::snapshot`). A snapshot begins at the offset of its first shard and ends at that of its last; a start reads the log from
//! the beginning, and each shard passes over what it knows. It is published once all of that is durable and archived, by the rename of its
//! manifest, and two of them are kept: if the newest is broken the one before is used. The engine only copies what has changed; a thread sorts it
//! and writes it in synced pieces, so that the log's own syncs do not wait for long.

mod store;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel, sync_channel};
use std::thread::JoinHandle;

use anyhow::{Result, anyhow, bail};
use serde::{Deserialize, Serialize};
use weir_files::Files;
use weir_log::Trimmed;
use weir_rater::{SnapshotMemory, TakenSnapshot};
use xxhash_rust::xxh3::xxh3_64;

use super::apply::{Applier, Counted};
use super::archive::Measured;
use super::control::ControlState;
use super::whole_files::{checked, read_all};
use store::{Store, give_way};

/// The folder below the data folder.
pub const FOLDER: &str = "snapshots";
/// Version of the manifest.
const FORMAT: u32 = 1;

/// A snapshot's table of contents.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// Version of this format.
    pub format: u32,
    /// Its number; each is one more than the one before.
    pub number: u64,
    /// Every record below this is durable and archived.
    pub end_offset: u64,
    /// What control records had said.
    pub control: ControlState,
    /// What else there was when it began.
    pub counted: Counted,
    /// The output batch that was open when it began.
    pub measured: Measured,
    /// The shards.
    pub shards: Vec<ShardEntry>,
}

/// A shard of a snapshot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShardEntry {
    /// Its file.
    pub file: String,
    /// Its length.
    pub bytes: u64,
    /// XXH3-64 of its bytes, hexadecimal.
    pub checksum: String,
    /// The record that the shard applies next.
    pub next_offset: u64,
    /// The runs of identities that it names.
    pub runs: BTreeSet<u64>,
}

/// What a start found.
pub struct Found {
    /// The newest whole snapshot.
    pub manifest: Manifest,
    /// The shards' bytes, by number.
    pub shards: Vec<Vec<u8>>,
}

/// What need not be kept any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trim {
    /// The newest snapshot begins there.
    pub newest: u64,
    /// The log below this offset.
    pub before: u64,
    /// By shard the runs that are kept; others may go.
    pub runs: BTreeMap<u16, BTreeSet<u64>>,
}

/// A snapshot being taken.
#[derive(Debug)]
pub struct Cycle {
    /// Without shards: whoever writes them enters them.
    manifest: Manifest,
    /// Of each shard taken: the runs that it names.
    runs: Vec<BTreeSet<u64>>,
    shards: usize,
}

impl Cycle {
    /// Whether some shards are still to be taken.
    pub fn has_shards_left(&self) -> bool {
        self.runs.len() < self.shards
    }

    /// Everything below this offset must be safe before it is published.
    pub fn end_offset(&self) -> u64 {
        self.manifest.end_offset
    }

    /// Adds the runs that it names so far, by shard.
    pub fn add_runs(&self, runs: &mut BTreeMap<u16, BTreeSet<u64>>) {
        for (shard, named) in (0_u16..).zip(&self.runs) {
            runs.entry(shard).or_default().extend(named);
        }
    }

    /// Takes the next shard as it is now.
    pub fn take_shard(&mut self, state: &mut Applier, writer: &SnapshotWriter) -> Result<()> {
        let number = self.runs.len();
        let shard = state.shards[number].take_snapshot(writer.memory())?;
        let next_offset = state.next_offset();
        let file = format!("{FOLDER}/{:012}-shard-{number:04}", self.manifest.number);
        self.runs.push(shard.runs());
        self.manifest.end_offset = next_offset;
        writer.send(Task::Write(Box::new(Taken { file, next_offset, shard })))
    }
}

enum Task {
    Write(Box<Taken>),
    Publish(Box<Manifest>),
    Remove(Superfluous),
}

/// What nobody needs any more.
pub enum Superfluous {
    /// Of the log.
    Log(Trimmed),
    /// Others, by path.
    Files(Vec<String>),
}

/// A shard that is to be written.
struct Taken {
    file: String,
    next_offset: u64,
    shard: TakenSnapshot,
}

/// The side of the engine.
pub struct SnapshotWriter {
    every_log_bytes: u64,
    next_number: u64,
    tasks: Option<Sender<Task>>,
    /// Tasks that are not done.
    unfinished: Arc<AtomicUsize>,
    used: Receiver<SnapshotMemory>,
    published: Receiver<Result<Trim>>,
    thread: Option<JoinHandle<()>>,
}

impl SnapshotWriter {
    /// Starts the thread; `kept` are the snapshots that are there, in order. It calls `wake` whenever it has done something.
    pub fn start(
        files: Arc<dyn Files>,
        every_log_bytes: u64,
        kept: Vec<Manifest>,
        wake: impl Fn() + Send + 'static,
    ) -> Result<SnapshotWriter> {
        let (tasks, inbox) = channel();
        let (results, published) = channel();
        let (memory, used) = sync_channel(1);
        let next_number = kept.last().map_or(1, |last| last.number + 1);
        let unfinished = Arc::new(AtomicUsize::new(0));
        let left = Arc::clone(&unfinished);
        let work = move || {
            give_way();
            let mut store = Store { files, kept, written: Vec::new(), memory, bytes: Vec::new() };
            while let Ok(task) = inbox.recv() {
                let result = match task {
                    Task::Write(taken) => store.write(*taken).map(|()| None),
                    Task::Publish(manifest) => store.publish(*manifest).map(Some),
                    Task::Remove(superfluous) => store.remove(superfluous).map(|()| None),
                };
                let goes_on = result.is_ok();
                let is_heard = result.transpose().is_none_or(|result| results.send(result).is_ok());
                left.fetch_sub(1, Ordering::Release);
                wake();
                if !(goes_on && is_heard) {
                    return;
                }
            }
        };
        let thread = Some(std::thread::Builder::new().name("snapshots".to_owned()).spawn(work)?);
        Ok(SnapshotWriter { every_log_bytes, next_number, tasks: Some(tasks), unfinished, used, published, thread })
    }

    /// Whether everything that it was given is done.
    pub fn is_idle(&self) -> bool {
        self.unfinished.load(Ordering::Acquire) == 0
    }

    /// Whether so much log calls for a snapshot.
    pub fn is_due(&self, log_bytes: u64) -> bool {
        log_bytes >= self.every_log_bytes
    }

    /// Memory that was used before, if there is some.
    fn memory(&self) -> SnapshotMemory {
        self.used.try_recv().unwrap_or_default()
    }

    /// Begins one.
    pub fn begin(&mut self, state: &mut Applier, measured: Measured) -> Cycle {
        state.reset_log_bytes();
        let manifest = Manifest {
            format: FORMAT,
            number: self.next_number,
            end_offset: state.next_offset(),
            control: state.epoch.control.clone(),
            counted: state.counted(),
            measured,
            shards: Vec::new(),
        };
        self.next_number += 1;
        Cycle { manifest, runs: Vec::new(), shards: state.shards.len() }
    }

    /// Everything that it rests on is safe: publishes it.
    pub fn publish(&self, cycle: Cycle) -> Result<()> {
        self.send(Task::Publish(Box::new(cycle.manifest)))
    }

    /// Removes files.
    pub fn remove(&self, superfluous: Superfluous) -> Result<()> {
        self.send(Task::Remove(superfluous))
    }

    /// What the latest publication has made superfluous.
    pub fn take_trim(&self) -> Result<Option<Trim>> {
        let mut latest = None;
        loop {
            match self.published.try_recv() {
                Ok(published) => latest = Some(published?),
                // Its thread ends by itself only after an error, which it sends, or in a panic.
                Err(TryRecvError::Disconnected) if self.tasks.is_some() => {
                    bail!("internal error: the thread of snapshots is gone")
                }
                Err(_) => return Ok(latest),
            }
        }
    }

    /// Waits until everything is written.
    pub fn finish(&mut self) -> Result<()> {
        self.tasks = None;
        let joined = self.thread.take().map_or(Ok(()), JoinHandle::join);
        joined.map_err(|_| anyhow!("internal error: the thread of snapshots panicked"))?;
        self.take_trim().map(|_| ())
    }

    fn send(&self, task: Task) -> Result<()> {
        self.unfinished.fetch_add(1, Ordering::Relaxed);
        let sent = self.tasks.as_ref().is_some_and(|tasks| tasks.send(task).is_ok());
        if sent {
            return Ok(());
        }
        // The thread has ended because of what it says here.
        self.take_trim()?;
        bail!("snapshots cannot be written any more")
    }
}

/// Finds the newest whole snapshot, with all that are kept; broken ones are named in the log and left behind.
pub fn find(files: &dyn Files) -> Result<(Option<Found>, Vec<Manifest>)> {
    let mut names: Vec<String> = files.list(FOLDER)?.into_iter().filter(|name| is_manifest(name)).collect();
    names.sort_unstable();
    let (mut found, mut kept) = (None, Vec::new());
    for name in names.iter().rev() {
        let path = format!("{FOLDER}/{name}");
        let read = read_manifest(files, &path).and_then(|manifest| match found {
            Some(_) => Ok((manifest, Vec::new())),
            None => read_shards(files, &manifest).map(|shards| (manifest, shards)),
        });
        match read {
            Ok((manifest, shards)) => {
                kept.insert(0, manifest.clone());
                found.get_or_insert(Found { manifest, shards });
            }
            Err(error) => tracing::error!(
                snapshot = path,
                error = format!("{error:#}"),
                "this snapshot is broken; the one before is used, and more of the log is read"
            ),
        }
    }
    if found.is_none() && !names.is_empty() {
        bail!("none of the snapshots in {FOLDER} can be read; restore the folder from a copy");
    }
    Ok((found, kept))
}

fn is_manifest(name: &str) -> bool {
    name.strip_suffix(".json")
        .is_some_and(|number| number.len() == 12 && number.bytes().all(|byte| byte.is_ascii_digit()))
}

fn read_manifest(files: &dyn Files, path: &str) -> Result<Manifest> {
    let bytes = read_all(files, path)?;
    let manifest: Manifest = serde_json::from_str(checked(&bytes)?)?;
    if manifest.format != FORMAT {
        bail!("it has format {}; this version reads format {FORMAT}", manifest.format);
    }
    Ok(manifest)
}

fn read_shards(files: &dyn Files, manifest: &Manifest) -> Result<Vec<Vec<u8>>> {
    let read = |entry: &ShardEntry| {
        let bytes = read_all(files, &entry.file)?;
        if bytes.len() as u64 != entry.bytes || format!("{:016x}", xxh3_64(&bytes)) != entry.checksum {
            bail!("{} does not match its checksum", entry.file);
        }
        Ok(bytes)
    };
    manifest.shards.iter().map(read).collect()
}
