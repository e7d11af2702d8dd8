//! A shard's whole state as bytes and back (design.md 4.7).
//!
//! Format 4, little endian: magic, version, catalog hash, shard number and count, then identities, names, customers, stretches,
//! subjects, combos, buckets, states, series, allowances, counters, seals, hours; each list led by its length; at the end an XXH3-64 of
//! all before. A reader refuses what it does not know, whole. Caches (scratch, memo, a subject's latest stretch) are not state.

mod codec;
mod hours;
mod identities;
mod states;

use std::collections::BTreeSet;
use std::sync::Arc;

use weir_model::catalog::{ChargeIdx, CustomerIdx, MeterIdx};
use weir_model::hash::{Digest, RouteHash};
use weir_model::number::{Amount, Quantity};
use weir_model::price::CellIdx;
use weir_model::time::{Instant, Period};
use weir_model::verdict::UnpricedReason;

use crate::buckets::{Bucket, BucketKey, Buckets};
use crate::combos::{Combo, Combos};
use crate::counters::{Counters, UnpricedUsage};
use crate::identities::{Copied, Identities, IdentitiesError, IdentitySettings, Kept, Settling};
use crate::plan::RatingPlan;
use crate::shard::Shard;
use crate::subjects::{Customer, NONE, Stretch, Subjects};
use codec::{Reader, Writer};

/// Version of the format.
pub const FORMAT_VERSION: u32 = 4;

/// A shard's state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// All of it but what is in runs.
    pub bytes: Vec<u8>,
    /// The runs that it names: their files must be there for as long as it is kept.
    pub runs: BTreeSet<u64>,
}

/// Why bytes are no snapshot for this shard.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// Another kind of file.
    #[error("this is no shard snapshot")]
    NotASnapshot,
    /// Written by another version.
    #[error("the snapshot has format {0}; this version reads format {FORMAT_VERSION}")]
    Version(u32),
    /// Bits flipped or bytes missing.
    #[error("the snapshot is damaged: its checksum does not match")]
    Damaged,
    /// Made under another catalog.
    #[error(
        "the snapshot belongs to another catalog: rate from the start, or restore with the catalog it was made with"
    )]
    OtherCatalog,
    /// The checksum fits but the content contradicts itself.
    #[error("the snapshot contradicts itself: {0}")]
    Invalid(&'static str),
    /// Identities on disk cannot be read or written.
    #[error("the snapshot's identities")]
    Identities(#[source] IdentitiesError),
}

impl Snapshot {
    /// A snapshot that was stored: which runs it names.
    pub fn from_bytes(bytes: Vec<u8>) -> Result<Snapshot, SnapshotError> {
        let (_, mut from) = read_head(&bytes)?;
        let runs = identities::read(&mut from)?.runs();
        Ok(Snapshot { bytes, runs })
    }
}

/// A shard's state as it was when it was taken, of which identities have still to be written.
#[derive(Debug)]
pub struct TakenSnapshot {
    head: Head,
    identities: Settling,
    /// What follows the identities.
    rest: Writer,
}

/// Memory of a snapshot that was written, for the next one.
#[derive(Debug, Default)]
pub struct SnapshotMemory {
    identities: Copied,
    rest: Vec<u8>,
}

impl TakenSnapshot {
    /// The runs that the snapshot will name.
    pub fn runs(&self) -> BTreeSet<u64> {
        self.identities.runs()
    }

    /// Writes identities that are in memory only to a run, if files outlive the process, so that the bytes hold few of them. This takes a while, and the
    /// shard may go on meanwhile, on another thread; until then there must not be a further snapshot of it.
    pub fn write(self, memory: Vec<u8>) -> Result<(Snapshot, SnapshotMemory), SnapshotError> {
        let (kept, identities) = self.identities.write().map_err(SnapshotError::Identities)?;
        let bytes = state(memory, (self.head, &kept, &self.rest));
        Ok((Snapshot { bytes, runs: kept.runs() }, SnapshotMemory { identities, rest: self.rest.into_memory() }))
    }
}

fn state(memory: Vec<u8>, (head, kept, rest): (Head, &Kept, &Writer)) -> Vec<u8> {
    let mut out = Writer::new(FORMAT_VERSION, memory);
    out.u64(head.catalog);
    out.u16(head.number);
    out.u16(head.shards);
    identities::write(&mut out, kept);
    out.append(rest);
    out.finish()
}

impl Shard {
    /// The shard's state, written.
    pub fn snapshot(&mut self) -> Result<Snapshot, SnapshotError> {
        let (snapshot, _) = self.take_snapshot(SnapshotMemory::default())?.write(Vec::new())?;
        Ok(snapshot)
    }

    /// The shard's state as it is now. After an error the shard gives no verdicts.
    pub fn take_snapshot(&mut self, memory: SnapshotMemory) -> Result<TakenSnapshot, SnapshotError> {
        let identities = self.identities.settle(memory.identities).map_err(SnapshotError::Identities)?;
        Ok(TakenSnapshot { head: self.head(), identities, rest: self.rest(memory.rest) })
    }

    /// The shard's state without its identities: what a close keeps. A shard restored from it knows no event, and every total.
    pub fn sealed(&self) -> Vec<u8> {
        state(Vec::new(), (self.head(), &Kept::none(), &self.rest(Vec::new())))
    }

    fn head(&self) -> Head {
        Head { catalog: self.plan.catalog().hash, number: self.number, shards: self.shards }
    }

    /// Everything but the identities.
    fn rest(&self, memory: Vec<u8>) -> Writer {
        let mut out = Writer::without_head(memory);
        write_subjects(&mut out, &self.subjects);
        out.all(self.combos.entries(), |out, combo| {
            out.all(&combo.group, |out, value| out.bytes(value.as_bytes()));
            out.u32(combo.cell.0);
        });
        out.list(self.buckets.len(), self.buckets.iter(), |out, bucket| {
            let key = bucket.key();
            out.u32(key.stretch);
            out.u32(key.charge.0);
            out.u32(key.combo);
            out.u64(bucket.events());
            out.i128(bucket.quantity.scaled());
            out.i128(bucket.amount.scaled());
            out.u128(bucket.digest.0);
        });
        out.all(self.buckets.extras(), states::write_extra);
        states::write_series(&mut out, self.series.groups());
        states::write_allowances(&mut out, &self.allowances);
        write_counters(&mut out, &self.counters);
        out.option(self.latest, |out, (time, end)| {
            out.i64(time.micros());
            out.i64(end.micros());
        });
        out.all(&self.seals, |out, seal| out.i64(seal.micros()));
        hours::write(&mut out, &self.hours);
        out
    }

    /// The shard that wrote `bytes`, under the same compiled catalog; its identities keep to `settings`, whose store has the runs that it
    /// names. Of these only filters are read, and nothing is written.
    pub fn restore(bytes: &[u8], plan: Arc<RatingPlan>, settings: IdentitySettings) -> Result<Shard, SnapshotError> {
        let (head, mut from) = read_head(bytes)?;
        if head.catalog != plan.catalog().hash {
            return Err(SnapshotError::OtherCatalog);
        }
        let mut shard = Shard::new(head.number, head.shards, Arc::clone(&plan));
        let identities = Identities::restored(settings, identities::read(&mut from)?);
        let identities = identities.map_err(SnapshotError::Identities)?;
        shard.identities = identities.ok_or(SnapshotError::Invalid("identities"))?;
        read_subjects(&mut from, &plan, &mut shard.subjects)?;
        let combos = from.list(|from| {
            let group: Vec<Box<str>> = from.list(|from| from.text().map(Box::from))?;
            Ok(Combo { group: group.into(), cell: CellIdx(from.u32()?) })
        })?;
        shard.combos = Combos::from_entries(combos).ok_or(SnapshotError::Invalid("combinations"))?;
        let buckets = from.list(read_bucket)?;
        let extras = from.list(states::read_extra)?;
        shard.buckets = Buckets::from_parts(buckets, Vec::new()).ok_or(SnapshotError::Invalid("buckets"))?;
        shard.series = states::read_series(&mut from)?;
        shard.allowances = Arc::new(states::read_allowances(&mut from)?);
        shard.counters = read_counters(&mut from)?;
        shard.latest =
            from.option(|from| Ok((Instant::from_micros(from.i64()?), Instant::from_micros(from.i64()?))))?;
        shard.seals = from.list(|from| from.i64().map(Instant::from_micros))?;
        shard.hours = hours::read(&mut from, shard.subjects.customers.len())?;
        from.end()?;
        shard.check_references()?;
        shard.restore_extras(&plan, extras)?;
        Ok(shard)
    }

    /// Every number in a restored state names something that is there.
    fn check_references(&self) -> Result<(), SnapshotError> {
        let has = |number: u32, len: usize| usize::try_from(number).is_ok_and(|number| number < len);
        let Subjects { subjects, customers, stretches, .. } = &self.subjects;
        let charges = self.plan.catalog().charges.len();
        let subjects_ok = subjects.iter().all(|s| s.customer == NONE || has(s.customer, customers.len()));
        // A chain of stretches is one customer's, whose segments they lie in, and only leads back, so that following it ends.
        let is_of = |stretch: u32, customer: u32| {
            stretch == NONE || stretches.get(crate::at(stretch)).is_some_and(|stretch| stretch.customer == customer)
        };
        let stretches_ok = (0_u32..).zip(stretches).all(|(number, stretch)| {
            (stretch.previous == NONE || stretch.previous < number)
                && is_of(stretch.previous, stretch.customer)
                && customers.get(crate::at(stretch.customer)).is_some_and(|customer| {
                    let segments = self.plan.segments(Subjects::owner(customer));
                    has(stretch.segment, segments.len())
                })
        });
        let customers_ok = (0_u32..).zip(customers).all(|(number, customer)| {
            is_of(customer.last_stretch, number)
                && customer.declared.is_none_or(|declared| has(declared.0, self.plan.catalog().customers.len()))
                && !self.subjects.name(customer).is_empty()
        });
        let buckets_ok = self.buckets.iter().all(|bucket| {
            let key = bucket.key();
            has(key.charge.0, charges)
                && has(key.stretch, stretches.len())
                && has(key.combo, self.combos.entries().len())
        });
        let series_ok = self.series.groups().iter().all(|group| {
            let key = group.key;
            has(key.customer, customers.len())
                && (key.stretch == NONE || has(key.stretch, stretches.len()))
                && has(key.combo, self.combos.entries().len())
                && group.buckets.iter().all(|bucket| has(*bucket, self.buckets.len()))
        });
        if !series_ok {
            return Err(SnapshotError::Invalid("series"));
        }
        match (subjects_ok && customers_ok, stretches_ok, buckets_ok) {
            (true, true, true) => Ok(()),
            (false, ..) => Err(SnapshotError::Invalid("subjects")),
            (_, false, _) => Err(SnapshotError::Invalid("stretches")),
            (.., false) => Err(SnapshotError::Invalid("buckets")),
        }
    }
}

/// Whose snapshot it is.
#[derive(Debug, Clone, Copy)]
struct Head {
    catalog: u64,
    number: u16,
    shards: u16,
}

fn read_head(bytes: &[u8]) -> Result<(Head, Reader<'_>), SnapshotError> {
    let mut from = Reader::open(bytes, FORMAT_VERSION)?;
    let head = Head { catalog: from.u64()?, number: from.u16()?, shards: from.u16()? };
    Ok((head, from))
}

fn write_subjects(out: &mut Writer, subjects: &Subjects) {
    out.bytes(subjects.names.as_bytes());
    out.all(&subjects.customers, |out, customer| {
        out.option(customer.declared, |out, declared| out.u32(declared.0));
        out.u64(customer.name_start);
        out.u32(customer.name_len);
        out.u32(customer.last_stretch);
    });
    out.all(&subjects.stretches, |out, stretch| {
        out.u32(stretch.customer);
        out.u32(stretch.previous);
        out.i64(stretch.period.start.micros());
        out.i64(stretch.period.end.micros());
        out.u32(stretch.segment);
    });
    out.list(subjects.subjects.len(), subjects.subjects.iter(), |out, subject| {
        out.u128(subject.hash.0);
        out.u32(subject.customer);
    });
}

fn read_subjects(from: &mut Reader<'_>, plan: &RatingPlan, into: &mut Subjects) -> Result<(), SnapshotError> {
    let customers_max = plan.catalog().customers.len();
    from.text()?.clone_into(&mut into.names);
    let customers = from.list(|from| {
        let declared = from.option(|from| from.u32().map(CustomerIdx))?;
        Ok(Customer {
            declared: declared.filter(|declared| declared.at() < customers_max),
            name_start: from.u64()?,
            name_len: from.u32()?,
            last_stretch: from.u32()?,
        })
    })?;
    customers.into_iter().for_each(|customer| into.restore_customer(customer));
    into.stretches = from.list(|from| {
        let (customer, previous) = (from.u32()?, from.u32()?);
        let period = Period { start: Instant::from_micros(from.i64()?), end: Instant::from_micros(from.i64()?) };
        // The active part follows from the catalog, once the customers are known to be there.
        Ok(Stretch { customer, previous, period, active: period, segment: from.u32()? })
    })?;
    for stretch in &mut into.stretches {
        let customer = into.customers.get(crate::at(stretch.customer)).ok_or(SnapshotError::Invalid("stretches"))?;
        let owner = Subjects::owner(customer);
        if crate::at(stretch.segment) >= plan.segments(owner).len() {
            return Err(SnapshotError::Invalid("stretches"));
        }
        stretch.active = plan.active(owner, stretch.segment, &stretch.period);
    }
    let subjects = from.list(|from| Ok((RouteHash(from.u128()?), from.u32()?)))?;
    subjects.into_iter().for_each(|(hash, customer)| into.restore(hash, customer));
    into.find_former(plan);
    Ok(())
}

fn read_bucket(from: &mut Reader<'_>) -> Result<Bucket, SnapshotError> {
    let key = BucketKey { stretch: from.u32()?, charge: ChargeIdx(from.u32()?), combo: from.u32()? };
    let events = from.u64()?;
    let quantity = Quantity::from_scaled(from.i128()?);
    let mut bucket = Bucket::new(key, quantity, read_amount(from)?);
    bucket.set_events(events);
    bucket.digest = Digest(from.u128()?);
    Ok(bucket)
}

fn read_amount(from: &mut Reader<'_>) -> Result<Amount, SnapshotError> {
    Amount::from_scaled(from.i128()?).map_err(|_| SnapshotError::Invalid("amounts"))
}

fn write_counters(out: &mut Writer, counters: &Counters) {
    let Counters {
        duplicate,
        conflict,
        rated,
        unpriced,
        unmetered,
        late_refused,
        late_refused_usages,
        rows,
        rows_digest,
        unpriced_usage,
    } = counters;
    for counter in [duplicate, conflict, rated, unpriced, unmetered, late_refused, late_refused_usages, rows] {
        out.u64(*counter);
    }
    out.u128(rows_digest.0);
    out.list(unpriced_usage.len(), unpriced_usage.iter(), |out, ((reason, meter), usage)| {
        out.bytes(reason.code().as_bytes());
        out.option(*meter, |out, meter| out.u32(meter.0));
        out.u64(usage.count);
        out.option(usage.quantity, |out, quantity| out.i128(quantity.scaled()));
    });
}

fn read_counters(from: &mut Reader<'_>) -> Result<Counters, SnapshotError> {
    let mut counters = Counters {
        duplicate: from.u64()?,
        conflict: from.u64()?,
        rated: from.u64()?,
        unpriced: from.u64()?,
        unmetered: from.u64()?,
        late_refused: from.u64()?,
        late_refused_usages: from.u64()?,
        rows: from.u64()?,
        rows_digest: Digest(from.u128()?),
        ..Counters::default()
    };
    let usages = from.list(|from| {
        let code = from.text()?;
        let reason = UnpricedReason::ALL.into_iter().find(|reason| reason.code() == code);
        let reason = reason.ok_or(SnapshotError::Invalid("reasons"))?;
        let meter = from.option(|from| from.u32().map(MeterIdx))?;
        let usage =
            UnpricedUsage { count: from.u64()?, quantity: from.option(|from| from.i128().map(Quantity::from_scaled))? };
        Ok(((reason, meter), usage))
    })?;
    counters.unpriced_usage.extend(usages);
    Ok(counters)
}
