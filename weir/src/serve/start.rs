//! A start: what is on the disk becomes a running server (design.md 4.3, 4.7).
//!
//! Owns: the data folder's layout, its lock, its first record, and the order of recovery: log, snapshot, archive, replay. Does not own: what each
//! of them reads. When this returns, everything that was acknowledged before is there.

use std::fs::{self, File, TryLockError};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};
use weir_aggregator::{Outbox, Owner, Progress, archived_offset};
use weir_files::{Below, Disk, FileError, Files};
use weir_log::{DeploymentId, Entry, Writer};
use weir_model::catalog::{self, NoFiles};
use weir_model::rated::Openings;
use weir_rater::{Rows, Shard};

use super::admission::Chunks;
use super::apply::{Applier, Spread};
use super::archive::{BatchLimits, Measured, Outputs};
use super::clock::Clock;
use super::control::ControlState;
use super::epoch::Epoch;
use super::record::{self, Control, Numbered};
use super::replay::{LogReader, Replay};
use super::seals::{self, SealWriter};
use super::snapshot::{self, Found, Manifest};
use super::whole_files;
use crate::config::Settings;
use crate::failure::invalid;
use crate::kept_identities::KeptIdentities;

const DEPLOYMENT: &str = "deployment.json";
const LOCK: &str = "lock";
/// The log's folder.
pub const LOG: &str = "log";
const IDENTITIES: &str = "identities";
/// The archive's folder.
pub const ARCHIVE: &str = "archive";
/// Chunks whose memory is kept.
const CHUNKS_KEPT: usize = 64;

/// What never changes about a deployment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deployment {
    /// Version of the folder's layout.
    pub format: u32,
    /// Random, in every segment of the log.
    pub id: String,
}

/// The data folder, locked.
pub struct DataFolder {
    /// Its files.
    pub files: Arc<dyn Files>,
    _lock: File,
}

impl DataFolder {
    /// Opens the folder, or makes it, for this process alone.
    pub fn open(path: &Path) -> Result<DataFolder> {
        fs::create_dir_all(path).map_err(|error| invalid(format!("cannot make {}: {error}", path.display())))?;
        let lock = File::create(path.join(LOCK)).with_context(|| format!("cannot lock {}", path.display()))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(invalid(format!(
                    "{} is in use by another process; stop it first, or talk to it with --server",
                    path.display()
                )));
            }
            Err(TryLockError::Error(error)) => return Err(error).context("cannot lock the data folder"),
        }
        Ok(DataFolder { files: Arc::new(Disk::new(path)), _lock: lock })
    }
}

/// Makes the folders that are not there yet.
fn lay_out(files: &dyn Files) -> Result<()> {
    let there = files.list("")?;
    for folder in [LOG, snapshot::FOLDER, seals::FOLDER, IDENTITIES, ARCHIVE] {
        if !there.iter().any(|name| name == folder) {
            files.make_folder(folder)?;
        }
    }
    Ok(files.sync_folder("")?)
}

/// What a start leaves.
pub struct Started {
    /// The log's end.
    pub writer: Writer,
    /// The state after the last record.
    pub state: Applier,
    /// Where rows go on.
    pub outputs: Outputs,
    /// The snapshots that are kept.
    pub snapshots: Vec<Manifest>,
    /// Memory for chunks.
    pub chunks: Arc<Chunks>,
    /// What was found and done, for people.
    pub report: StartReport,
}

/// What a start has found and done.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StartReport {
    /// The snapshot that was used.
    pub snapshot: Option<u64>,
    /// Records that were read again.
    pub records: u64,
    /// Events in them.
    pub events: u64,
    /// How long that took.
    pub replay: Duration,
    /// What was cut off the log's end, in words.
    pub torn: Option<String>,
}

/// Opens everything and reads the log again.
pub fn start(files: Arc<dyn Files>, settings: &Settings, clock: &dyn Clock) -> Result<Started> {
    lay_out(files.as_ref())?;
    let deployment = deployment(files.as_ref())?;
    let (found, kept) = snapshot::find(files.as_ref())?;
    let known_durable = known_durable(&files, found.as_ref())?;
    let log_settings = log_settings(&deployment, settings)?;
    let (mut writer, recovery) =
        weir_log::open(Arc::clone(&files), log_settings, known_durable, clock.now()).context("cannot open the log")?;
    let torn = recovery.torn.map(|torn| format!("{} ({} bytes, kept in {})", torn.finding, torn.bytes, torn.kept_in));
    let mut report = StartReport { torn, ..StartReport::default() };
    if writer.next_offset() == 0 {
        begin(&mut writer, settings, clock)?;
    }
    let spread = Spread {
        pool: pool(settings.data.threads)?,
        rows: if settings.archive.is_some() { Rows::Keep } else { Rows::Count },
        identities: KeptIdentities::new(Arc::clone(&files), IDENTITIES),
        identity_bytes: settings.identities.memory_bytes,
    };
    let control = found.as_ref().map(|found| found.manifest.control.clone()).unwrap_or_default();
    let shards = if control.shards == 0 { settings.data.shards } else { control.shards };
    let epoch = match control.sequence {
        0 => Epoch { control, rules: None },
        _ => Epoch::compile(control).context("the snapshot's catalog cannot be read any more")?,
    };
    let mut state = Applier::new(Arc::new(epoch), spread, SealWriter(Arc::clone(&files)));
    let mut measured = Measured::default();
    if let Some(found) = found {
        report.snapshot = Some(found.manifest.number);
        measured = found.manifest.measured;
        restore(&mut state, &found.manifest, &found.shards)?;
    }
    let outbox = outbox(&files, settings, &state)?;
    let mut outputs = Outputs::new(batch_limits(settings), measured, outbox);
    tell_all(&mut state, &mut outputs)?;
    let chunks = Arc::new(Chunks::new(shards, CHUNKS_KEPT));
    let began = std::time::Instant::now();
    let reader = writer.reader(state.next_offset()).context("cannot read the log")?;
    let log = LogReader::new(reader, Arc::clone(&state.epoch), Arc::clone(&chunks));
    let mut replay = Replay::new(state, outputs, Arc::clone(&chunks));
    (report.records, report.events) = replay.read(log)?;
    report.replay = began.elapsed();
    let (state, outputs) = replay.finish();
    Ok(Started { writer, state, outputs, snapshots: kept, chunks, report })
}

/// Every record below this was durable, as everything says that was made of the log: a log that ends before is damaged.
pub fn known_durable(files: &Arc<dyn Files>, snapshot: Option<&Found>) -> Result<u64> {
    let snapshot = snapshot.map_or(0, |found| found.manifest.end_offset);
    let has = |folder: &str| Ok::<_, FileError>(files.list("")?.iter().any(|name| name == folder));
    let archived = if has(ARCHIVE)? { archived_offset(&Below::new(Arc::clone(files), ARCHIVE))? } else { 0 };
    let sealed = if has(seals::FOLDER)? { seals::durable_offset(files.as_ref())? } else { 0 };
    Ok(snapshot.max(archived).max(sealed))
}

/// Opens the archive, if there is to be one.
fn outbox(files: &Arc<dyn Files>, settings: &Settings, state: &Applier) -> Result<Option<Outbox>> {
    if settings.archive.is_none() {
        return Ok(None);
    }
    let catalog = match &state.epoch.rules {
        Some(rules) => Arc::clone(&rules.catalog),
        // Before the first catalog there is nothing to archive.
        None => Arc::new(catalog::load("none", "name = \"none\"\ncurrency = \"USD\"\n", &NoFiles)?.0),
    };
    // One process at a time has the folder: its lock says so.
    let owner = Owner { generation: 1, epoch: 1 };
    let tell = |progress: Progress<'_>| {
        if let Progress::Stopped(error) = progress {
            tracing::error!(%error, "the archive has stopped");
        }
    };
    Ok(Some(
        Outbox::open(Arc::new(Below::new(Arc::clone(files), ARCHIVE)), owner, catalog, tell)
            .context("cannot open the archive")?,
    ))
}

/// Tells the archive which buckets restored shards have.
fn tell_all(state: &mut Applier, outputs: &mut Outputs) -> Result<()> {
    for shard in &mut state.shards {
        let mut opened = Openings::default();
        shard.tell_all(&mut opened);
        outputs.tell(shard.number(), opened)?;
    }
    Ok(())
}

/// A restored shard for each file of the snapshot.
fn restore(state: &mut Applier, manifest: &Manifest, bytes: &[Vec<u8>]) -> Result<()> {
    let plan = Arc::clone(state.plan().context("the snapshot has shards and no catalog")?);
    let mut shards = Vec::new();
    for (number, (bytes, entry)) in (0_u16..).zip(bytes.iter().zip(&manifest.shards)) {
        let settings = state.identity_settings(number);
        let shard = Shard::restore(bytes, Arc::clone(&plan), settings);
        shards.push(shard.with_context(|| format!("cannot restore {}", entry.file))?);
    }
    let ahead = manifest.shards.iter().map(|entry| entry.next_offset).collect();
    state.restore(manifest.counted.clone(), shards, ahead)
}

/// The log's first record.
fn begin(writer: &mut Writer, settings: &Settings, clock: &dyn Clock) -> Result<()> {
    let genesis = Control::Genesis {
        fingerprint_key: super::keys::random_hex::<16>().context("the system has no random numbers")?,
        shards: settings.data.shards,
    };
    append_control(writer, &ControlState::default(), genesis, clock)
}

/// Writes a control record behind `state`'s and syncs it: for commands that run without a server.
pub fn append_control(writer: &mut Writer, state: &ControlState, control: Control, clock: &dyn Clock) -> Result<()> {
    let payload = serde_json::to_vec(&Numbered { sequence: state.sequence + 1, control })?;
    writer.write(&[Entry { kind: record::CONTROL, payload: &payload }], clock.now())?;
    writer.sync()?;
    Ok(())
}

/// Opens the log and reads its control records only: for commands that run without a server.
pub fn open_for_control(folder: &DataFolder, settings: &Settings, clock: &dyn Clock) -> Result<(Writer, ControlState)> {
    let files = &folder.files;
    lay_out(files.as_ref())?;
    let deployment = deployment(files.as_ref())?;
    let (found, _) = snapshot::find(files.as_ref())?;
    let known_durable = known_durable(files, found.as_ref())?;
    let (from, state) = found
        .map_or((0, ControlState::default()), |found| (found.manifest.counted.next_offset, found.manifest.control));
    let opened = weir_log::open(Arc::clone(files), log_settings(&deployment, settings)?, known_durable, clock.now());
    let (mut writer, _) = opened.context("cannot open the log")?;
    if writer.next_offset() == 0 {
        begin(&mut writer, settings, clock)?;
    }
    let state = super::offline::control_state(&writer, state, from)?;
    Ok((writer, state))
}

fn deployment(files: &dyn Files) -> Result<Deployment> {
    if files.list("")?.iter().any(|name| name == DEPLOYMENT) {
        let deployment: Deployment = serde_json::from_slice(&whole_files::read_all(files, DEPLOYMENT)?)
            .with_context(|| format!("{DEPLOYMENT} is damaged"))?;
        if deployment.format != 1 {
            bail!("the data folder has layout {}; this version knows layout 1", deployment.format);
        }
        return Ok(deployment);
    }
    let deployment = Deployment { format: 1, id: super::keys::random_hex::<16>()? };
    let partial = format!("{DEPLOYMENT}.partial");
    whole_files::write_synced(files, &partial, &serde_json::to_vec_pretty(&deployment)?)?;
    files.rename(&partial, DEPLOYMENT)?;
    files.sync_folder("")?;
    Ok(deployment)
}

fn log_settings(deployment: &Deployment, settings: &Settings) -> Result<weir_log::Settings> {
    let id = u128::from_str_radix(&deployment.id, 16).context("the deployment's id is damaged")?;
    Ok(weir_log::Settings {
        folder: LOG.to_owned(),
        deployment: DeploymentId(id.to_be_bytes()),
        segment_bytes: settings.log.segment_bytes,
        reserve_bytes: settings.log.free_bytes_min,
    })
}

fn batch_limits(settings: &Settings) -> BatchLimits {
    match &settings.archive {
        Some(archive) => BatchLimits { events: archive.batch_events, span: archive.batch_span },
        None => BatchLimits { events: u64::MAX, span: std::time::Duration::MAX },
    }
}

/// Threads that share the shards; none if one does it all.
fn pool(threads: usize) -> Result<Option<rayon::ThreadPool>> {
    // Half of the cores: connections need the others.
    let threads = match threads {
        0 => std::thread::available_parallelism()?.get().div_ceil(2),
        threads => threads,
    };
    if threads == 1 {
        return Ok(None);
    }
    let name = |number| format!("rate-{number}");
    Ok(Some(rayon::ThreadPoolBuilder::new().num_threads(threads).thread_name(name).build()?))
}
