//! Twenty million identities under 64 MiB, through real files: counts exact, memory asserted as accounted and as the system sees it.
//! A test binary of its own, so that nothing else is in its memory.

use std::fs;

use weir::identity_files::IdentityFolder;
use weir_model::hash::{Digest, Fingerprint, PayloadDigest};
use weir_rater::identities::{Admission, Identities};

const SHARDS: u16 = 16;
const MEMORY_BYTES: u64 = 64 << 20;
const IDENTITIES: u64 = 20_000_000;
/// New identities of a shard in one batch; one more event repeats an earlier identity for every 16.
const BATCH: u64 = 320;

/// A permutation of numbers that looks random.
fn fingerprint(number: u64) -> Fingerprint {
    Fingerprint(Digest::of_event(Fingerprint(u128::from(number)), PayloadDigest(0)).0)
}

/// The i-th identity of a shard.
fn number(shard: u16, i: u64) -> u64 {
    i * u64::from(SHARDS) + u64::from(shard)
}

#[derive(Debug, Default, PartialEq, Eq)]
struct Counts {
    new: u64,
    duplicate: u64,
    conflict: u64,
}

impl Counts {
    fn count(&mut self, admission: Admission) {
        *match admission {
            Admission::New => &mut self.new,
            Admission::Duplicate => &mut self.duplicate,
            Admission::Conflict => &mut self.conflict,
        } += 1;
    }
}

/// The greatest resident memory so far, in bytes.
fn resident_max() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? << 10)
}

#[test]
fn twenty_million_identities_fit_into_64_mib() {
    let temporary = tempfile::tempdir().unwrap();
    let folder = IdentityFolder::new(temporary.path());
    let before = resident_max();
    let mut shards: Vec<Identities> =
        (0..SHARDS).map(|shard| Identities::new(folder.settings(shard, SHARDS, MEMORY_BYTES))).collect();
    let (mut seen, mut repeated, mut altered) = (Counts::default(), 0, 0);
    let (mut fingerprints, mut payloads) = (Vec::new(), Vec::new());
    let of_shard = IDENTITIES / u64::from(SHARDS);
    for first in (0..of_shard).step_by(usize::try_from(BATCH).unwrap()) {
        for (shard, identities) in (0..).zip(&mut shards) {
            fingerprints.clear();
            payloads.clear();
            for i in first..(first + BATCH).min(of_shard) {
                fingerprints.push(fingerprint(number(shard, i)));
                payloads.push(PayloadDigest(i));
                if i % 16 == 5 {
                    // Of all that went before, half of the time with another payload.
                    let earlier = i.wrapping_mul(0x9E37_79B9_7F4A_7C15) % (i + 1);
                    fingerprints.push(fingerprint(number(shard, earlier)));
                    payloads.push(PayloadDigest(earlier ^ (i >> 4 & 1)));
                    repeated += 1;
                    altered += i >> 4 & 1;
                }
            }
            identities.admit(&fingerprints, &payloads, |admission| seen.count(admission)).unwrap();
        }
    }
    let exact = Counts { new: of_shard * u64::from(SHARDS), duplicate: repeated - altered, conflict: altered };
    assert_eq!(seen, exact);
    let used: Vec<_> = shards.iter().map(Identities::used).collect();
    assert_eq!(used.iter().map(|used| used.identities).sum::<u64>(), IDENTITIES);
    let accounted: u64 = used.iter().map(|used| used.memory_bytes_max).sum();
    // The rest is for the allocator.
    assert!(accounted <= MEMORY_BYTES * 11 / 16, "{accounted} bytes accounted; {:?}", used[0]);
    assert!(used.iter().all(|used| used.disk.spilled_bytes > 0), "every shard is over its budget");
    if let (Some(before), Some(after)) = (before, resident_max()) {
        assert!(after - before <= MEMORY_BYTES, "resident memory grew by {}", after - before);
    }
}
