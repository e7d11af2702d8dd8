//! Snapshots whose identities are files: after every crash, and with every failure of the disk, the last two snapshots restore to exactly what
//! was known when they were made, and no file stays that nobody names.

use std::collections::BTreeSet;
use std::sync::{Arc, LazyLock};

use weir::kept_identities::KeptIdentities;
use weir_files::{Files, Simulated, for_each_crash, for_each_failure};
use weir_ingest::{DecodeScratch, Decoder};
use weir_model::catalog::{self, NoFiles};
use weir_model::event::Chunk;
use weir_model::hash::HashKey;
use weir_model::rated::ShardOutput;
use weir_model::verdict::Verdict;
use weir_rater::identities::IdentitySettings;
use weir_rater::{RatingPlan, Rows, Shard, Snapshot, SnapshotError};

const FOLDER: &str = "identities";
const SHARD: u16 = 3;
/// Just more than what is worth a run under the least budget.
const BATCH: usize = 270;
const BATCHES: usize = 10;

static PLAN: LazyLock<Arc<RatingPlan>> = LazyLock::new(|| {
    let toml = "name = \"t\"\ncurrency = \"EUR\"\n";
    let (catalog, _) = catalog::load("c.toml", toml, &NoFiles).unwrap();
    Arc::new(RatingPlan::compile(Arc::new(catalog), HashKey::FILES).unwrap())
});

/// The log: every event is new.
static LOG: LazyLock<Vec<Chunk>> = LazyLock::new(|| (0..BATCHES).map(chunk).collect());

fn chunk(batch: usize) -> Chunk {
    let line = |event: usize| {
        format!(
            r#"{{"specversion":"1.0","id":"{batch}-{event}","source":"s","type":"t","subject":"c","time":"2026-01-01T00:00:00Z"}}"#
        )
    };
    let mut chunk = Chunk::new(1);
    chunk.text = (0..BATCH).map(|event| line(event) + "\n").collect::<String>().into_bytes();
    Decoder::new(PLAN.catalog(), HashKey::FILES, 1).decode_ndjson(&mut chunk, &mut DecodeScratch::new());
    assert_eq!(chunk.batches[0].events.len(), BATCH);
    chunk
}

/// What the last two snapshots hold, and how many batches were applied then.
#[derive(Debug, Default)]
struct Known(Vec<(Snapshot, usize)>);

impl Known {
    fn named(&self) -> BTreeSet<u64> {
        self.0.iter().flat_map(|(snapshot, _)| snapshot.runs.iter().copied()).collect()
    }
}

fn files() -> Simulated {
    let files = Simulated::new();
    files.make_folder(FOLDER).unwrap();
    files.sync_folder("").unwrap();
    files
}

fn folder(files: &Simulated) -> (Arc<KeptIdentities>, IdentitySettings) {
    let folder = KeptIdentities::new(Arc::new(files.clone()), FOLDER);
    let settings = folder.settings(SHARD, 400 << 10, u64::MAX);
    (folder, settings)
}

/// Applies a batch, all of whose events get the same verdict.
fn apply(shard: &mut Shard, batch: usize) -> Option<Verdict> {
    let (chunk, mut output) = (&LOG[batch], ShardOutput::default());
    shard.apply(&chunk.text, &chunk.batches[0], Rows::Count, &mut output).ok()?;
    assert_eq!(output.verdicts, vec![output.verdicts[0]; BATCH]);
    Some(output.verdicts[0])
}

fn snapshot(shard: &mut Shard, folder: &KeptIdentities, (known, batches): (&mut Known, usize)) -> Option<()> {
    known.0.push((shard.snapshot().ok()?, batches));
    known.0.drain(..known.0.len().saturating_sub(2));
    folder.retain(SHARD, &known.named()).ok()
}

/// A shard's life until the disk fails.
fn live(files: &Simulated, known: &mut Known) -> Option<()> {
    let (folder, settings) = folder(files);
    let mut shard = Shard::with_identities(SHARD, 16, Arc::clone(&PLAN), settings);
    for batch in 0..BATCHES - 1 {
        assert_eq!(apply(&mut shard, batch)?, Verdict::Unpriced(weir_model::verdict::UnpricedReason::NoPlan));
        snapshot(&mut shard, &folder, (known, batch + 1))?;
    }
    Some(())
}

fn run(files: &Simulated) -> Known {
    let mut known = Known::default();
    // Where it ends is where the disk failed.
    let _ = live(files, &mut known);
    known
}

/// Goes on from the newest snapshot, or from the one before.
fn check(known: &Known, files: &Simulated) {
    for (kept, batches) in known.0.iter().rev() {
        let (folder, settings) = folder(files);
        assert_eq!(Snapshot::from_bytes(kept.bytes.clone()).unwrap(), *kept);
        let mut shard = Shard::restore(&kept.bytes, Arc::clone(&PLAN), settings).unwrap();
        for batch in 0..BATCHES {
            let verdict = apply(&mut shard, batch).unwrap();
            assert_eq!(verdict == Verdict::Duplicate, batch < *batches, "batch {batch} of {batches}");
        }
        let newest = shard.snapshot().unwrap();
        assert!(newest.runs.difference(&kept.runs).all(|run| !known.named().contains(run)), "runs are not overwritten");
        let named = &known.named() | &newest.runs;
        folder.retain(SHARD, &named).unwrap();
        drop(shard);
        folder.retain(SHARD, &named).unwrap();
        let left = files.list(FOLDER).unwrap();
        assert_eq!(left, named.iter().map(|run| format!("shard-0003-run-{run:06}")).collect::<Vec<_>>());
    }
}

#[test]
fn every_crash_leaves_the_last_two_snapshots() {
    for_each_crash(&files(), run, |known, files| check(known, &files));
}

#[test]
fn every_failure_leaves_the_last_two_snapshots() {
    for_each_failure(&files(), run, |known, files| check(known, &files.survivors(weir_files::Survivors::Nothing)));
}

#[test]
fn a_file_that_is_gone_is_named() {
    let files = files();
    let known = run(&files);
    let (newest, _) = known.0.last().unwrap();
    let path = format!("{FOLDER}/shard-0003-run-{:06}", newest.runs.last().unwrap());
    files.remove(&path).unwrap();
    let (_, settings) = folder(&files);
    let error = Shard::restore(&newest.bytes, Arc::clone(&PLAN), settings).unwrap_err();
    let SnapshotError::Identities(source) = error else { panic!("{error}") };
    assert!(source.to_string().starts_with(&format!("cannot open {path};")), "{source}");
}

#[test]
fn the_folder_may_be_the_root() {
    let files = Simulated::new();
    let mut store = KeptIdentities::new(Arc::new(files.clone()), "").settings(1, 1 << 20, u64::MAX).store;
    store.create(2).unwrap().sync().unwrap();
    assert_eq!(files.list("").unwrap(), ["shard-0001-run-000002"]);
}

#[test]
fn shards_share_a_folder() {
    let files = files();
    let (folder, _) = folder(&files);
    let mut stores = [7, 12].map(|shard| folder.settings(shard, 1 << 20, u64::MAX).store);
    for store in &mut stores {
        assert_eq!(store.greatest().unwrap(), None);
        store.create(1_234_567).unwrap().append(b"abc").unwrap();
        assert_eq!(store.greatest().unwrap(), Some(1_234_567));
    }
    let [first, second] = &mut stores;
    first.delete(1_234_567).unwrap();
    folder.retain(12, &BTreeSet::new()).unwrap();
    folder.retain(7, &BTreeSet::from([1_234_567])).unwrap();
    assert_eq!(first.greatest().unwrap(), Some(1_234_567));
    folder.retain(7, &BTreeSet::new()).unwrap();
    assert_eq!((first.greatest().unwrap(), second.greatest().unwrap()), (None, Some(1_234_567)));
    assert_eq!(first.open(1).unwrap_err().kind(), std::io::ErrorKind::NotFound);
}
