//! Files that are written and read whole: in synced pieces, and with a checksum where they are JSON.

use std::io::IoSlice;

use anyhow::{Context, Result, bail};
use weir_files::Files;
use xxhash_rust::xxh3::xxh3_64;

/// Bytes written between two syncs.
const PIECE_BYTES: usize = 8 << 20;

/// Writes a file in synced pieces; its name is durable once its folder is synced.
pub fn write_synced(files: &dyn Files, path: &str, bytes: &[u8]) -> Result<()> {
    let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
    if files.list(folder)?.iter().any(|known| known == name) {
        files.remove(path)?;
    }
    let mut file = files.create(path)?;
    // Or the log's next sync waits for what is written here.
    file.preallocate(bytes.len() as u64)?;
    for piece in bytes.chunks(PIECE_BYTES) {
        file.append(&mut [IoSlice::new(piece)])?;
        file.sync()?;
        file.forget();
    }
    file.sync()?;
    Ok(())
}

/// JSON and, on a line of its own behind it, its XXH3-64 in hexadecimal.
pub fn with_checksum(mut json: Vec<u8>) -> Vec<u8> {
    json.extend(format!("\n{:016x}\n", xxh3_64(&json)).into_bytes());
    json
}

/// The JSON of such a file, if it is as it was written.
pub fn checked(bytes: &[u8]) -> Result<&str> {
    let text = std::str::from_utf8(bytes).context("it is no text")?;
    let ended = text.strip_suffix('\n').context("its end is missing")?;
    let (json, checksum) = ended.rsplit_once('\n').context("its checksum is missing")?;
    if format!("{:016x}", xxh3_64(json.as_bytes())) != checksum {
        bail!("its checksum does not match");
    }
    Ok(json)
}

/// Reads a whole file.
pub fn read_all(files: &dyn Files, path: &str) -> Result<Vec<u8>> {
    let file = files.open(path)?;
    let length = usize::try_from(file.length()?).with_context(|| format!("{path} is too large"))?;
    let mut bytes = vec![0; length];
    let mut at = 0;
    while at < length {
        let read = file.read_at(at as u64, &mut bytes[at..])?;
        if read == 0 {
            bail!("{path} became shorter while it was read");
        }
        at += read;
    }
    Ok(bytes)
}
