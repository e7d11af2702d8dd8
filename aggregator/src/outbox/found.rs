//! What earlier lives left in the folder: through where the log is archived, and files of batches that were never finished.

use std::io::ErrorKind;

use weir_files::Files;
use weir_model::schema;

use crate::error::ArchiveError;
use crate::outbox::manifest::{BATCHES, QUARANTINE};
use crate::outbox::name::{BatchName, Owner};
use crate::outbox::staging::{STAGING, make_folder};

/// What there is of an owner's generation.
pub(crate) struct Found {
    /// The offset through which the log is archived.
    pub(crate) archived: u64,
    /// Published files beyond.
    pub(crate) leftovers: Vec<Leftover>,
}

/// A published file of a batch without a manifest.
#[derive(Debug)]
pub(crate) struct Leftover {
    pub(crate) path: String,
    /// The log's offset after the batch that it was meant for.
    pub(crate) offset: u64,
}

impl Found {
    /// Looks around, and removes what never got a name. An error if the folder has a later owner.
    pub(crate) fn in_folder(files: &dyn Files, owner: Owner) -> Result<Found, ArchiveError> {
        make_folder(files, STAGING)?;
        for name in names(files, STAGING)? {
            files.remove(&format!("{STAGING}/{name}"))?;
        }
        let manifests = named(files, BATCHES, owner)?;
        let archived = manifests.iter().map(|manifest| manifest.offset).max().unwrap_or_default();
        if archived > 0 {
            // The life that published the last of them may have ended before it was durable.
            files.sync_folder(BATCHES)?;
        }
        let mut leftovers = named(files, QUARANTINE, owner)?;
        for table in [schema::EVENTS, schema::RATED] {
            for partition in names(files, table)? {
                leftovers.append(&mut named(files, &format!("{table}/{partition}"), owner)?);
            }
        }
        leftovers.retain(|leftover| leftover.offset > archived);
        Ok(Found { archived, leftovers })
    }
}

/// The offset through which the log is archived in the folder, whoever wrote it: all below it was durable in the log before.
pub fn archived_offset(files: &dyn Files) -> Result<u64, ArchiveError> {
    let offsets = names(files, BATCHES)?.into_iter().filter_map(|name| Some(BatchName::of_file(&name)?.offset));
    Ok(offsets.max().unwrap_or_default())
}

/// The files in a folder that are named for batches of the owner's generation.
fn named(files: &dyn Files, folder: &str, owner: Owner) -> Result<Vec<Leftover>, ArchiveError> {
    let mut found = Vec::new();
    for file in names(files, folder)? {
        let Some(BatchName { owner: other, offset }) = BatchName::of_file(&file) else { continue };
        let path = format!("{folder}/{file}");
        if other > owner {
            return Err(ArchiveError::Fenced { path: path.into() });
        }
        if other.generation == owner.generation {
            found.push(Leftover { path, offset });
        }
    }
    Ok(found)
}

/// The names in a folder; none if it is not there.
fn names(files: &dyn Files, folder: &str) -> Result<Vec<String>, ArchiveError> {
    match files.list(folder) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(Vec::new()),
        result => Ok(result?),
    }
}
