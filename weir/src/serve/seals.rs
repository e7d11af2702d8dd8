//! Seals: each shard's state at a close, immutable (design.md 4.9). Invoices are made of them and of nothing else.
//!
//! A seal is `seals/NNNNNN-shard-SSSS` for every shard and, last, `seals/NNNNNN.json`, which names them with their checksums, the close and
//! what was in force, and ends with a line that is its own checksum. What a shard keeps at a close is its snapshot without identities: totals,
//! counts, digests and the mergeable state of parts. It is made when the close is applied and written once the close is durable (L1). When the
//! log is read again the same bytes come out: a file that is there already must be the same. Keeps L6, L7, L8.

use std::sync::Arc;

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};
use weir_files::Files;
use weir_rater::Shard;
use xxhash_rust::xxh3::xxh3_64;

use super::control::ControlState;
use super::whole_files::{checked, read_all, with_checksum, write_synced};

/// The folder below the data folder.
pub const FOLDER: &str = "seals";
/// Version of the format.
const FORMAT: u32 = 1;

/// A seal's table of contents.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seal {
    /// Version of this format.
    pub format: u32,
    /// Its number, from 1.
    pub number: u64,
    /// The close's offset in the log.
    pub offset: u64,
    /// Through when it seals, in microseconds since 1970.
    pub through_us: i64,
    /// What was in force, without keys.
    pub control: ControlState,
    /// The shards' files, by number.
    pub shards: Vec<SealedShard>,
}

/// A shard's part of a seal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SealedShard {
    /// Its file.
    pub file: String,
    /// Its length.
    pub bytes: u64,
    /// XXH3-64 of its bytes, hexadecimal.
    pub checksum: String,
}

/// A seal that is not on the disk yet: its files in the order in which they are written.
#[derive(Debug)]
pub struct Unwritten(Vec<(String, Vec<u8>)>);

impl Unwritten {
    /// Makes the seal of a close.
    pub fn new((number, offset): (usize, u64), control: &ControlState, shards: &[Shard]) -> Result<Unwritten> {
        let (mut entries, mut files) = (Vec::new(), Vec::new());
        for shard in shards {
            let bytes = shard.sealed();
            let file = format!("{FOLDER}/{number:06}-shard-{:04}", shard.number());
            let checksum = format!("{:016x}", xxh3_64(&bytes));
            entries.push(SealedShard { file: file.clone(), bytes: bytes.len() as u64, checksum });
            files.push((file, bytes));
        }
        let control = ControlState { keys: std::collections::BTreeMap::new(), ..control.clone() };
        let through_us = control.closes_us.last().copied().unwrap_or_default();
        let seal = Seal { format: FORMAT, number: number as u64, offset, through_us, control, shards: entries };
        files.push((format!("{FOLDER}/{number:06}.json"), with_checksum(serde_json::to_vec_pretty(&seal)?)));
        Ok(Unwritten(files))
    }

    /// The name of its table of contents.
    pub fn name(&self) -> &str {
        self.0.last().map_or("", |(name, _)| name)
    }
}

/// Writes seals.
#[derive(Debug)]
pub struct SealWriter(pub Arc<dyn Files>);

impl SealWriter {
    /// Writes a seal of a close that is durable, or finds that it is there.
    pub fn write(&self, Unwritten(files): Unwritten) -> Result<()> {
        files.iter().try_for_each(|(path, bytes)| self.put(path, bytes))
    }

    /// Gives a file its bytes and its name, at once; one that is there must have the same.
    fn put(&self, path: &str, bytes: &[u8]) -> Result<()> {
        let files = self.0.as_ref();
        let name = path.rsplit('/').next().unwrap_or(path);
        if files.list(FOLDER)?.iter().any(|known| known == name) {
            if read_all(files, path)? != bytes {
                bail!("{path} is sealed and differs from what the log says now: nothing is changed; keep both and ask");
            }
            return Ok(());
        }
        let partial = format!("{path}.partial");
        write_synced(files, &partial, bytes)?;
        files.rename(&partial, path)?;
        files.sync_folder(FOLDER)?;
        Ok(())
    }
}

/// Every record below this is durable, as the newest seal says.
pub fn durable_offset(files: &dyn Files) -> Result<u64> {
    let names = files.list(FOLDER)?;
    let newest = names.iter().rfind(|name| is_seal(name));
    newest.map_or(Ok(0), |name| Ok(read(files, name)?.offset + 1))
}

/// All seals, in order.
pub fn list(files: &dyn Files) -> Result<Vec<Seal>> {
    let names = files.list(FOLDER)?;
    let seals = names.iter().filter(|name| is_seal(name)).map(|name| read(files, name));
    let seals = seals.collect::<Result<Vec<Seal>>>()?;
    let is_gapless = (1..).zip(&seals).all(|(number, seal)| seal.number == number);
    if !is_gapless {
        bail!("a seal is missing in {FOLDER}: {} are there, and their numbers have a gap", seals.len());
    }
    Ok(seals)
}

/// `000001.json`
fn is_seal(name: &str) -> bool {
    name.strip_suffix(".json").is_some_and(|number| number.bytes().all(|byte| byte.is_ascii_digit()))
}

fn read(files: &dyn Files, name: &str) -> Result<Seal> {
    let path = format!("{FOLDER}/{name}");
    let bytes = read_all(files, &path)?;
    let json = checked(&bytes).with_context(|| format!("{path} is damaged"))?;
    let seal: Seal = serde_json::from_str(json).with_context(|| format!("{path} is no seal"))?;
    if seal.format != FORMAT {
        bail!("{path} has format {}; this version reads format {FORMAT}", seal.format);
    }
    Ok(seal)
}

/// A shard's state at a close.
pub fn read_shard(files: &dyn Files, number: u64, entry: &SealedShard) -> Result<Vec<u8>> {
    let bytes = read_all(files, &entry.file)?;
    if format!("{:016x}", xxh3_64(&bytes)) != entry.checksum {
        bail!("{} is damaged: its checksum is not what seal {number} says", entry.file);
    }
    Ok(bytes)
}
