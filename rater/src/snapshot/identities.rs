//! What a snapshot says about identities: the log time as lived, the runs of each generation with their sections, and the few identities that are
//! in no run.

use weir_model::hash::{Fingerprint, PayloadDigest};
use weir_model::time::Instant;

use super::SnapshotError;
use super::codec::{Reader, Writer};
use crate::identities::{Clock, GENERATIONS_MAX, Kept, KeptRun, KeptSection, Place, RANGE_BITS_MAX, Sieve};

/// More merges than any number of records could have been through.
const LEVEL_MAX: u32 = 64;

pub fn write(out: &mut Writer, kept: &Kept) {
    let Kept { clock: Clock { latest, lived_us }, range_bits, generations, newest } = kept;
    out.option(*latest, |out, latest| out.i64(latest.micros()));
    out.i64(*lived_us);
    out.u32(*range_bits);
    out.all(generations, |out, runs| {
        out.all(runs, |out, run| {
            out.u64(run.number);
            out.u32(run.level);
            out.all(&run.sections, |out, section| {
                out.u32(crate::next_index(section.range));
                out.u32(section.place.len);
                out.u64(section.place.first_page);
                out.u16(u16::from(section.place.sieve == Sieve::Present));
                out.u64(section.place.filter_check);
            });
        });
    });
    out.all(newest, |out, (fingerprint, payload)| {
        out.u128(fingerprint.0);
        out.u64(payload.0);
    });
}

pub fn read(from: &mut Reader<'_>) -> Result<Kept, SnapshotError> {
    let latest = from.option(|from| Ok(Instant::from_micros(from.i64()?)))?;
    let clock = Clock { latest, lived_us: from.i64()? };
    let range_bits = from.u32()?;
    let generations = from.list(|from| from.list(read_run))?;
    let newest = from.list(|from| Ok((Fingerprint(from.u128()?), PayloadDigest(from.u64()?))))?;
    let kept = Kept { clock, range_bits, generations, newest };
    if is_sound(&kept) { Ok(kept) } else { Err(SnapshotError::Invalid("identities")) }
}

fn read_run(from: &mut Reader<'_>) -> Result<KeptRun, SnapshotError> {
    let (number, level) = (from.u64()?, from.u32()?);
    let sections = from.list(|from| {
        let range = crate::at(from.u32()?);
        let (len, first_page) = (from.u32()?, from.u64()?);
        let sieve = match from.u16()? {
            0 => Sieve::Absent,
            1 => Sieve::Present,
            _ => return Err(SnapshotError::Invalid("filters")),
        };
        Ok(KeptSection { range, place: Place { len, first_page, sieve, filter_check: from.u64()? } })
    })?;
    Ok(KeptRun { number, level, sections })
}

/// Whether a shard could have written it.
fn is_sound(kept: &Kept) -> bool {
    let ranges = 1_usize << kept.range_bits.min(RANGE_BITS_MAX);
    let mut numbers: Vec<u64> = kept.generations.iter().flatten().map(|run| run.number).collect();
    numbers.sort_unstable();
    let is_sound = |run: &KeptRun| {
        let sections = &run.sections;
        run.level <= LEVEL_MAX
            && sections.is_sorted_by(|a, b| a.range < b.range)
            // A page has 24 bits to spare: pages and bytes stay below 2^64.
            && sections.iter().all(|section| section.range < ranges && section.place.first_page < 1 << 40)
    };
    kept.range_bits <= RANGE_BITS_MAX
        && (1..=GENERATIONS_MAX).contains(&kept.generations.len())
        && numbers.is_sorted_by(|a, b| a < b)
        && kept.generations.iter().flatten().all(is_sound)
}
