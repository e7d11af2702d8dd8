//! Snapshots: any bytes are a shard's state or are refused, and what was restored goes on as what it writes does.
//!
//! An input is a snapshot's own bytes (they begin with its magic), or changes to the snapshot of a random log, which also
//! makes the checksum fit again: nobody finds a checksum by chance.

use std::sync::{Arc, LazyLock};

use arbitrary::{Arbitrary, Unstructured};
use weir_ingest::{DecodeScratch, Decoder};
use weir_loadtest::cases::{self, Size};
use weir_loadtest::oracle::{Entry, Event};
use weir_model::catalog::{self, NoFiles};
use weir_model::event::Chunk;
use weir_model::hash::HashKey;
use weir_model::number::Amount;
use weir_model::rated::ShardOutput;
use weir_model::time::Instant;
use weir_model::verdict::Verdict;
use weir_rater::close::seal;
use weir_rater::identities::IdentitySettings;
use weir_rater::{RatingPlan, Rows, Shard};
use xxhash_rust::xxh3::xxh3_64;

const MAGIC: &[u8] = b"WEIRSHRD";
/// Random logs to start from: enough for every kind of state.
const CASES: u64 = 16;

/// Changes to a snapshot.
#[derive(Debug, Arbitrary)]
struct Script {
    case: u8,
    changes: Vec<Change>,
}

/// A change at a position, which counts around the end.
#[derive(Debug, Arbitrary)]
struct Change {
    at: u16,
    kind: ChangeKind,
}

#[derive(Debug, Arbitrary)]
enum ChangeKind {
    Byte(u8),
    Number(u64),
    Small(u8),
    Insert(u8),
    Remove(u8),
    Copy { from: u16, len: u8 },
    End,
}

/// A shard that rated a random log.
struct Rated {
    plan: Arc<RatingPlan>,
    snapshot: Vec<u8>,
    /// The log's events under other ids.
    more: Chunk,
}

static RATED: LazyLock<Vec<Rated>> = LazyLock::new(|| (0..CASES).map(rated).collect());

/// Restores what the input says.
pub fn run(data: &[u8]) {
    if data.starts_with(MAGIC) {
        restore(data, &RATED[0]);
        return;
    }
    let Ok(script) = Script::arbitrary(&mut Unstructured::new(data)) else { return };
    let rated = &RATED[usize::from(script.case) % RATED.len()];
    let mut bytes = rated.snapshot.clone();
    for change in &script.changes {
        change.apply(&mut bytes);
    }
    if let Some((content, checksum)) = bytes.split_last_chunk_mut::<8>() {
        *checksum = xxh3_64(content).to_le_bytes();
    }
    let restored = restore(&bytes, rated);
    assert!(restored || bytes != rated.snapshot, "a snapshot is restored");
}

fn restore(bytes: &[u8], rated: &Rated) -> bool {
    let Ok(mut shard) = Shard::restore(bytes, Arc::clone(&rated.plan), IdentitySettings::in_memory()) else {
        return false;
    };
    let written = shard.snapshot().expect("identities stay in memory").bytes;
    let again = Shard::restore(&written, Arc::clone(&rated.plan), IdentitySettings::in_memory());
    let mut again = again.expect("a restored shard's snapshot is one");
    // The order of identities depends on how their table was filled; nothing else does.
    assert_eq!(
        written.len(),
        again.snapshot().expect("identities stay in memory").bytes.len(),
        "as much was restored as was written"
    );
    assert_eq!(rated.goes_on(&mut shard), rated.goes_on(&mut again), "what was restored rates the same");
    true
}

impl Rated {
    /// What a shard makes of more events: verdicts, buckets and amounts of rows.
    fn goes_on(&self, shard: &mut Shard) -> (Vec<Verdict>, Vec<u32>, Vec<Amount>) {
        let mut output = ShardOutput::default();
        shard
            .apply(&self.more.text, &self.more.batches[0], Rows::Keep, &mut output)
            .expect("identities stay in memory");
        (output.verdicts, output.rows.bucket, output.rows.amount)
    }
}

fn rated(seed: u64) -> Rated {
    let case = cases::generate(seed, Size { events: 40, charges: 6, customers: 3 }).unwrap();
    let (catalog, _) = catalog::load("case.toml", &case.catalog_toml, &NoFiles).unwrap();
    let catalog = Arc::new(catalog);
    let plan = Arc::new(RatingPlan::compile(Arc::clone(&catalog), HashKey::FILES).unwrap());
    let decoder = Decoder::new(&catalog, HashKey::FILES, 1);
    let mut shards = [Shard::new(0, 1, Arc::clone(&plan))];
    let mut more = Chunk::new(1);
    for entry in &case.log {
        match entry {
            Entry::Event(event) => {
                let other = Event { id: format!("{}'", event.id), ..event.clone() };
                more.text.extend(other.to_ndjson().unwrap().bytes());
                let mut chunk = Chunk::new(1);
                chunk.text = event.to_ndjson().unwrap().into_bytes();
                decoder.decode_ndjson(&mut chunk, &mut DecodeScratch::new());
                shards[0]
                    .apply(&chunk.text, &chunk.batches[0], Rows::Count, &mut ShardOutput::default())
                    .expect("identities stay in memory");
            }
            Entry::Close(through) => {
                seal(&mut shards, &plan, Instant::from_micros(*through)).unwrap();
            }
        }
    }
    decoder.decode_ndjson(&mut more, &mut DecodeScratch::new());
    Rated { plan, snapshot: shards[0].snapshot().expect("identities stay in memory").bytes, more }
}

impl Change {
    fn apply(&self, bytes: &mut Vec<u8>) {
        if bytes.is_empty() {
            return;
        }
        let at = usize::from(self.at) % bytes.len();
        let overwrite = |bytes: &mut [u8], with: &[u8]| {
            bytes.iter_mut().skip(at).zip(with).for_each(|(byte, with)| *byte = *with);
        };
        match self.kind {
            ChangeKind::Byte(byte) => overwrite(bytes, &[byte]),
            ChangeKind::Number(number) => overwrite(bytes, &number.to_le_bytes()),
            ChangeKind::Small(number) => overwrite(bytes, &u64::from(number).to_le_bytes()),
            ChangeKind::Insert(byte) => bytes.insert(at, byte),
            ChangeKind::Remove(len) => drop(bytes.drain(at..(at + usize::from(len)).min(bytes.len()))),
            ChangeKind::Copy { from, len } => {
                let from = usize::from(from) % bytes.len();
                let piece = bytes[from..(from + usize::from(len)).min(bytes.len())].to_vec();
                overwrite(bytes, &piece);
            }
            ChangeKind::End => bytes.truncate(at),
        }
    }
}
