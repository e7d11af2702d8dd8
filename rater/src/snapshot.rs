//! A shard's whole state as bytes and back (design.md 4.7).
//!
//! Format 4, little endian: magic, version, catalog hash, shard number and count, then identities by generation, names, customers,
//! stretches, subjects, combos, buckets, states, series, allowances, counters, seals; each list led by its length; at the end an XXH3-64 of all
//! before. A reader refuses what it does not know, whole. Caches (scratch, memo, a subject's latest stretch) are not state.

mod codec;
mod states;

use std::sync::Arc;

use weir_model::catalog::{ChargeIdx, CustomerIdx, MeterIdx};
use weir_model::hash::{Digest, Fingerprint, PayloadDigest, RouteHash};
use weir_model::number::{Amount, Quantity};
use weir_model::price::CellIdx;
use weir_model::time::{Instant, Period};
use weir_model::verdict::UnpricedReason;

use crate::buckets::{Bucket, BucketKey, Buckets};
use crate::combos::{Combo, Combos};
use crate::counters::{Counters, UnpricedUsage};
use crate::identities::{Admission, Clock, Identities, IdentitiesError, IdentitySettings};
use crate::plan::RatingPlan;
use crate::shard::Shard;
use crate::subjects::{Customer, NONE, Stretch, Subjects};
use codec::{Reader, Writer};

/// Version of the format.
pub const FORMAT_VERSION: u32 = 4;

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

impl Shard {
    /// The shard's state.
    pub fn snapshot(&self) -> Result<Vec<u8>, SnapshotError> {
        let mut out = Writer::new(FORMAT_VERSION);
        out.u64(self.plan.catalog().hash);
        out.u16(self.number);
        out.u16(self.shards);
        write_identities(&mut out, &self.identities)?;
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
        Ok(out.finish())
    }

    /// The shard that wrote `bytes`, under the same compiled catalog; its identities keep to `settings`.
    pub fn restore(bytes: &[u8], plan: Arc<RatingPlan>, settings: IdentitySettings) -> Result<Shard, SnapshotError> {
        let mut from = Reader::open(bytes, FORMAT_VERSION)?;
        if from.u64()? != plan.catalog().hash {
            return Err(SnapshotError::OtherCatalog);
        }
        let (number, shards) = (from.u16()?, from.u16()?);
        let mut shard = Shard::new(number, shards, Arc::clone(&plan));
        shard.identities = read_identities(&mut from, settings)?;
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

fn write_identities(out: &mut Writer, identities: &Identities) -> Result<(), SnapshotError> {
    let Clock { latest, lived_us } = identities.clock();
    out.option(latest, |out, latest| out.i64(latest.micros()));
    out.i64(lived_us);
    let generations = identities.generations();
    out.u64(u64::try_from(generations.len()).unwrap_or(u64::MAX));
    for (generation, len) in generations.into_iter().enumerate() {
        out.u64(len);
        let visited = identities.visit(generation, &mut |fingerprint, payload| {
            out.u128(fingerprint.0);
            out.u64(payload.0);
        });
        visited.map_err(SnapshotError::Identities)?;
    }
    Ok(())
}

fn read_identities(from: &mut Reader<'_>, settings: IdentitySettings) -> Result<Identities, SnapshotError> {
    let latest = from.option(|from| Ok(Instant::from_micros(from.i64()?)))?;
    let mut identities = Identities::restored(settings, Clock { latest, lived_us: from.i64()? });
    for generation in 0..from.u64()? {
        if generation > 0 {
            identities.begin_generation().map_err(SnapshotError::Identities)?;
        }
        let (fingerprints, payloads): (Vec<Fingerprint>, Vec<PayloadDigest>) =
            from.list(|from| Ok((Fingerprint(from.u128()?), PayloadDigest(from.u64()?))))?.into_iter().unzip();
        let mut all_new = true;
        let admitted = identities.admit(&fingerprints, &payloads, |admission| all_new &= admission == Admission::New);
        admitted.map_err(SnapshotError::Identities)?;
        if !all_new {
            return Err(SnapshotError::Invalid("identities"));
        }
    }
    Ok(identities)
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
