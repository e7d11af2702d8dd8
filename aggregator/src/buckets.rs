//! What bucket numbers stand for, as small numbers: the shards name a bucket once, when it opens, and by number after.
//!
//! Owns: the directory of buckets. It is the one part of the archive that grows with the run and not with the batch:
//! 12 bytes for each bucket, and each distinct customer, group and cell text once. The shards hold more than that for the
//! same buckets, so the directory never decides how much memory a run needs.

use weir_model::catalog::ChargeIdx;
use weir_model::price::CellIdx;
use weir_model::rated::{BucketNumbers, OpenedBucket, OpenedCombo, OpenedStretch, Openings};
use weir_model::time::{Instant, Period};

use crate::catalog::{Charges, Presence, Widening, write_cell, write_group};
use crate::columns::Meaning;
use crate::dictionary::{Dictionary, NO_KEY, TextDictionary, at};
use crate::partitions::{Granularity, PartitionId, Partitions};

/// A bucket as numbers.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bucket {
    pub(crate) customer: u32,
    /// All but the customer: what many buckets have in common.
    pub(crate) kind: u32,
    pub(crate) partition: PartitionId,
}

impl Bucket {
    /// Stands for a bucket that is not there.
    pub(crate) const NONE: Bucket = Bucket { customer: NO_KEY, kind: NO_KEY, partition: 0 };
}

/// What buckets of one kind have in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Kind {
    charge: ChargeIdx,
    /// Key of its text.
    group: u32,
    /// Price version and cell.
    cell: (u32, CellIdx),
    time: BucketTime,
}

/// What a kind comes to under the catalog.
#[derive(Debug, Clone, Copy)]
struct KindTerms {
    /// Key of the cell's text.
    cell: u32,
    widening: Widening,
}

/// The period of a bucket, and when the part of it begins that the bucket is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct BucketTime {
    pub(crate) period: Period,
    pub(crate) segment_start: Instant,
}

/// A kind with what it was found by, beside the charge.
type RecentKind = ((u32, CellIdx), BucketTime, u32);

/// Texts and kinds of buckets. Keys and kinds count in the order in which they came, which is nobody's business: a file's
/// own dictionaries decide what it says.
pub(crate) struct BucketTexts {
    pub(crate) charges: Charges,
    customers: TextDictionary,
    groups: TextDictionary,
    cells: TextDictionary,
    cell_ids: Dictionary<(ChargeIdx, u32, CellIdx)>,
    /// By key in `cell_ids`.
    cell_texts: Vec<u32>,
    times: Dictionary<BucketTime>,
    kinds: Dictionary<Kind>,
    /// By kind.
    terms: Vec<KindTerms>,
    /// By charge, the latest kind of buckets without groups.
    recent: Vec<Option<RecentKind>>,
    pub(crate) partitions: Partitions,
    /// Text being made.
    scratch: String,
}

/// The buckets of all shards.
pub(crate) struct Directory {
    pub(crate) texts: BucketTexts,
    shards: Vec<ShardDirectory>,
}

/// What the numbers of one shard stand for.
#[derive(Default)]
struct ShardDirectory {
    buckets: Vec<Bucket>,
    stretches: Vec<Option<Stretch>>,
    combos: Vec<Option<OpenedCombo>>,
    /// What is told apart by charge, combination and time, as it is told apart by kind.
    numbers: Dictionary<(ChargeIdx, u32, u32)>,
    /// By key in `numbers`.
    kinds: Vec<u32>,
    /// By charge, the combination, the time and the kind of the latest bucket.
    recent: Vec<(u32, u32, u32)>,
}

#[derive(Debug, Clone, Copy)]
struct Stretch {
    customer: u32,
    partition: PartitionId,
    /// Key in [`BucketTexts::times`].
    time: u32,
}

impl BucketTexts {
    pub(crate) fn new(charges: Charges) -> BucketTexts {
        BucketTexts {
            charges,
            customers: TextDictionary::default(),
            groups: TextDictionary::default(),
            cells: TextDictionary::default(),
            cell_ids: Dictionary::default(),
            cell_texts: Vec::new(),
            times: Dictionary::default(),
            kinds: Dictionary::default(),
            terms: Vec::new(),
            recent: Vec::new(),
            partitions: Partitions::new(Granularity::Period),
            scratch: String::new(),
        }
    }

    /// The kind of buckets with these nouns. `Err` says what the catalog contradicts.
    pub(crate) fn kind_of<S: AsRef<str>>(
        &mut self,
        charge_idx: ChargeIdx,
        group: &[S],
        cell: (u32, CellIdx),
        time: BucketTime,
    ) -> Result<u32, &'static str> {
        if !group.is_empty() {
            return self.find_kind(charge_idx, group, cell, time);
        }
        if let Some((known_cell, known_time, kind)) = self.recent.get(charge_idx.at()).copied().flatten()
            && (known_cell, known_time) == (cell, time)
        {
            return Ok(kind);
        }
        let kind = self.find_kind(charge_idx, group, cell, time)?;
        if self.recent.len() <= charge_idx.at() {
            self.recent.resize(charge_idx.at() + 1, None);
        }
        self.recent[charge_idx.at()] = Some((cell, time, kind));
        Ok(kind)
    }

    fn find_kind<S: AsRef<str>>(
        &mut self,
        charge_idx: ChargeIdx,
        group: &[S],
        cell: (u32, CellIdx),
        time: BucketTime,
    ) -> Result<u32, &'static str> {
        let charge = self.charges.get(charge_idx).ok_or("a bucket's charge is not in the catalog")?;
        let group = match write_group(&mut self.scratch, charge, group)? {
            Presence::Present => self.groups.key(self.scratch.as_bytes()).0,
            Presence::Absent => NO_KEY,
        };
        self.enter(Kind { charge: charge_idx, group, cell, time })
    }

    fn enter(&mut self, kind: Kind) -> Result<u32, &'static str> {
        let number = self.kinds.key(kind, |_| ());
        if self.terms.len() <= at(number) {
            let cell = self.cell_text(kind.charge, kind.cell)?;
            let widening = self.charges.widening(kind.charge).ok_or("a bucket's charge has no meter")?;
            self.terms.push(KindTerms { cell, widening });
        }
        Ok(number)
    }

    /// The key of a cell's text.
    fn cell_text(&mut self, charge_idx: ChargeIdx, (version, cell): (u32, CellIdx)) -> Result<u32, &'static str> {
        let id = self.cell_ids.key((charge_idx, version, cell), |_| ());
        if self.cell_texts.len() <= at(id) {
            let charge = self.charges.get(charge_idx).ok_or("a bucket's charge is not in the catalog")?;
            self.cell_texts.push(match write_cell(&mut self.scratch, charge, (version, cell))? {
                Presence::Present => self.cells.key(self.scratch.as_bytes()).0,
                Presence::Absent => NO_KEY,
            });
        }
        Ok(self.cell_texts[at(id)])
    }

    /// Goes on with another catalog, in which every charge keeps its number and what it groups by. All kinds are as if they
    /// had been entered under it: what is written does not depend on when they were.
    fn change_catalog(&mut self, charges: Charges) -> Result<(), &'static str> {
        if !charges.continues(&self.charges) {
            return Err("a charge has another number than before or groups by something else");
        }
        self.charges = charges;
        self.cell_ids.clear();
        self.cell_texts.clear();
        self.terms.clear();
        self.recent.clear();
        for Kind { charge, group, cell: (_, cell), time } in std::mem::take(&mut self.kinds).values() {
            let version = self.version_at(*charge, time.segment_start);
            self.enter(Kind { charge: *charge, group: *group, cell: (version, *cell), time: *time })?;
        }
        Ok(())
    }

    /// The price version that a bucket has.
    fn version_at(&self, charge: ChargeIdx, start: Instant) -> u32 {
        self.charges.get(charge).map_or(0, |charge| charge.version_at(start))
    }

    /// A customer's id.
    pub(crate) fn customer(&self, customer: u32) -> &[u8] {
        self.customers.get(customer)
    }

    /// The name of the charge of a bucket.
    pub(crate) fn charge(&self, bucket: Bucket) -> &str {
        self.charges.name(self.kind(bucket.kind).charge)
    }

    /// How a bucket's quantities are written.
    pub(crate) fn widening(&self, bucket: Bucket) -> Widening {
        self.terms[at(bucket.kind)].widening
    }

    fn kind(&self, kind: u32) -> &Kind {
        &self.kinds.values()[at(kind)]
    }

    /// What these kinds mean in the columns that say which bucket a row belongs to.
    pub(crate) fn meanings(&self, kinds: &[u32]) -> BucketMeanings {
        let cells = kinds.iter().map(|&kind| self.terms[at(kind)].cell);
        let kinds = || kinds.iter().map(|&kind| self.kind(kind));
        let name = |name: for<'c> fn(&'c Charges, ChargeIdx) -> &'c str| {
            Meaning::of_texts(kinds().map(|kind| Some(name(&self.charges, kind.charge).as_bytes())))
        };
        let instant = |instant: fn(&BucketTime) -> Instant| {
            Meaning::of_instants(kinds().map(|kind| instant(&kind.time).micros()))
        };
        BucketMeanings {
            plan: name(Charges::plan),
            charge: name(Charges::name),
            meter: name(Charges::meter),
            group: Meaning::of_texts(kinds().map(|kind| self.groups.find(kind.group))),
            cell: Meaning::of_texts(cells.map(|cell| self.cells.find(cell))),
            period_start: instant(|time| time.period.start),
            period_end: instant(|time| time.period.end),
            segment_start: instant(|time| time.segment_start),
            currency: name(Charges::currency),
        }
    }
}

impl Directory {
    pub(crate) fn new(charges: Charges) -> Directory {
        Directory { texts: BucketTexts::new(charges), shards: Vec::new() }
    }

    /// Goes on with another catalog.
    pub(crate) fn change_catalog(&mut self, charges: Charges) -> Result<(), &'static str> {
        self.texts.change_catalog(charges)
    }

    /// Enters the next bucket of `shard`, which a close opened.
    pub(crate) fn open(&mut self, shard: usize, opened: &OpenedBucket) -> Result<(), &'static str> {
        let bucket = self.bucket(opened)?;
        self.shard(shard).buckets.push(bucket);
        Ok(())
    }

    /// Enters the next buckets of `shard`, which a batch opened.
    pub(crate) fn open_all(&mut self, shard: usize, opened: &Openings) -> Result<(), &'static str> {
        self.shard(shard);
        let Directory { texts, shards } = self;
        let shard = &mut shards[shard];
        for (number, OpenedStretch { customer, period, start }) in &opened.stretches {
            let time = texts.times.key(BucketTime { period: *period, segment_start: *start }, |_| ());
            let (customer, _) = texts.customers.key(customer.as_bytes());
            let stretch = Stretch { customer, partition: texts.partitions.of(period.start), time };
            *of_number(&mut shard.stretches, *number) = Some(stretch);
        }
        for (number, combo) in &opened.combos {
            *of_number(&mut shard.combos, *number) = Some(combo.clone());
        }
        for &BucketNumbers { stretch, charge, combo: number } in &opened.buckets {
            let stretch = shard.stretches.get(at(stretch)).copied().flatten();
            let Stretch { customer, partition, time } = stretch.ok_or(NAMELESS)?;
            let kind = match shard.recent.get(charge.at()) {
                Some(&(recent, at, kind)) if (recent, at) == (number, time) => kind,
                _ => shard.kind(texts, (charge, number, time))?,
            };
            shard.buckets.push(Bucket { customer, kind, partition });
        }
        Ok(())
    }

    /// A bucket that no number of a shard stands for.
    pub(crate) fn bucket(&mut self, opened: &OpenedBucket) -> Result<Bucket, &'static str> {
        let OpenedBucket { customer, charge, group, cell, period, start } = opened;
        let version = self.texts.version_at(*charge, *start);
        let time = BucketTime { period: *period, segment_start: *start };
        let kind = self.texts.kind_of(*charge, group, (version, *cell), time)?;
        let (customer, _) = self.texts.customers.key(customer.as_bytes());
        Ok(Bucket { customer, kind, partition: self.texts.partitions.of(period.start) })
    }

    /// The buckets of `shard` by number.
    pub(crate) fn of_shard(&self, shard: usize) -> &[Bucket] {
        self.shards.get(shard).map_or(&[], |shard| shard.buckets.as_slice())
    }

    fn shard(&mut self, shard: usize) -> &mut ShardDirectory {
        if self.shards.len() <= shard {
            self.shards.resize_with(shard + 1, ShardDirectory::default);
        }
        &mut self.shards[shard]
    }
}

impl ShardDirectory {
    /// The kind of a bucket with these numbers.
    fn kind(
        &mut self,
        texts: &mut BucketTexts,
        (charge, number, time): (ChargeIdx, u32, u32),
    ) -> Result<u32, &'static str> {
        let key = self.numbers.key((charge, number, time), |_| ());
        if self.kinds.len() <= at(key) {
            let combo = self.combos.get(at(number)).and_then(Option::as_ref).ok_or(NAMELESS)?;
            let time = texts.times.values()[at(time)];
            let version = texts.version_at(charge, time.segment_start);
            self.kinds.push(texts.kind_of(charge, &combo.group, (version, combo.cell), time)?);
        }
        let kind = self.kinds[at(key)];
        if self.recent.len() <= charge.at() {
            self.recent.resize(charge.at() + 1, (NO_KEY, NO_KEY, NO_KEY));
        }
        self.recent[charge.at()] = (number, time, kind);
        Ok(kind)
    }
}

const NAMELESS: &str = "an opened bucket refers to what has no name";

fn of_number<T>(names: &mut Vec<Option<T>>, number: u32) -> &mut Option<T> {
    if names.len() <= at(number) {
        names.resize_with(at(number) + 1, || None);
    }
    &mut names[at(number)]
}

/// The columns that say which bucket a row belongs to, but for the customer.
pub(crate) struct BucketMeanings {
    pub(crate) plan: Meaning,
    pub(crate) charge: Meaning,
    pub(crate) meter: Meaning,
    pub(crate) group: Meaning,
    pub(crate) cell: Meaning,
    pub(crate) period_start: Meaning,
    pub(crate) period_end: Meaning,
    pub(crate) segment_start: Meaning,
    pub(crate) currency: Meaning,
}
