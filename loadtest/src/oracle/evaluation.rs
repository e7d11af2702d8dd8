//! Everything at one position of the log: which buckets and periods there are, their quantities and settled amounts.
//!
//! Owns: what exists without usage, and the order in which the parts are computed. Each evaluation starts from the sets
//! of usages; only what was decided by a seal is kept between them.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;
use num_bigint::BigInt;
use num_traits::Zero;

use super::admission::{Admission, version_at};
use super::amount::Terms;
use super::calendar::Period;
use super::catalog::Aggregation;
use super::flow;
use super::fold;
use super::frame::Place;
use super::number::Exact;
use super::rollover::{Holder, Rolled};
use super::settle;

/// Party, segment, period: a part of a customer's period that exists.
pub(super) type Stretch = (usize, usize, Period);

/// What seals have decided.
#[derive(Debug, Default)]
pub(super) struct Decided {
    pub(super) rolled: Rolled,
    /// Periods that exist only because a close sealed them last, of customers who started on no date.
    pub(super) last_sealed: BTreeSet<Stretch>,
}

/// The state at one position.
pub(super) struct Evaluation<'e, 'a> {
    pub(super) admission: &'e mut Admission<'a>,
    /// Buckets that exist, by frame, in the order of (group, leaf).
    pub(super) buckets_of: Vec<Vec<usize>>,
    /// By bucket.
    pub(super) quantities: BTreeMap<usize, Vec<Exact>>,
    /// A(S), settled, in 10^-18 units, by bucket.
    pub(super) amounts: BTreeMap<usize, BigInt>,
    /// Parts of periods that exist.
    pub(super) stretches: BTreeSet<Stretch>,
}

impl<'e, 'a> Evaluation<'e, 'a> {
    /// Evaluates the log so far. `since` is what was sealed before the close at this position.
    pub(super) fn new(
        admission: &'e mut Admission<'a>,
        decided: &mut Decided,
        since: i64,
    ) -> Result<Evaluation<'e, 'a>> {
        admission.sort();
        let flows = flow::follow(admission)?;
        let mut existing: BTreeSet<usize> = flows.carried.clone();
        existing.extend((0..admission.buckets.len()).filter(|at| !admission.buckets[*at].usages.is_empty()));
        let mut evaluation = Evaluation {
            admission,
            buckets_of: Vec::new(),
            quantities: BTreeMap::new(),
            amounts: BTreeMap::new(),
            stretches: BTreeSet::new(),
        };
        evaluation.find_stretches(&existing, decided)?;
        evaluation.add_owed_without_usage(&mut existing)?;
        evaluation.index(&existing);
        for at in &existing {
            evaluation.measure(*at, &flows)?;
        }
        if since < evaluation.admission.sealed {
            decided.rolled.roll(&mut evaluation, since)?;
        }
        for at in &existing {
            let amount = evaluation.amount_alone(*at, &decided.rolled)?;
            evaluation.amounts.insert(*at, amount);
        }
        settle::share_allowances(&mut evaluation, &decided.rolled)?;
        settle::pool(&mut evaluation)?;
        Ok(evaluation)
    }

    /// Parts of periods with usage, and those in which a declared customer owes without any.
    fn find_stretches(&mut self, existing: &BTreeSet<usize>, decided: &mut Decided) -> Result<()> {
        for at in existing {
            let bucket = &self.admission.buckets[*at];
            let frame = &self.admission.frames.list[bucket.frame];
            for piece in &frame.pieces {
                let is_in = |time: i64| piece.start <= time && time < piece.end;
                // A level that is carried on lies in all pieces.
                if bucket.usages.is_empty() || bucket.usages.iter().any(|usage| is_in(usage.event.time_micros)) {
                    self.stretches.insert((piece.place.party, piece.place.segment, frame.period));
                }
            }
        }
        let sealed = self.admission.sealed;
        for party in 0..self.admission.frames.parties.len() {
            let is_declared = self.admission.frames.parties[party].is_declared;
            if !is_declared || sealed == i64::MIN {
                continue;
            }
            for segment in 0..self.admission.frames.parties[party].segments.len() {
                if self.admission.frames.parties[party].has_start {
                    self.add_sealed(party, segment)?;
                } else {
                    decided.last_sealed.extend(self.last_sealed(party, segment)?);
                }
            }
        }
        self.stretches.extend(decided.last_sealed.iter().copied());
        self.complete_periods()
    }

    /// A customer's period exists with all of its segments.
    fn complete_periods(&mut self) -> Result<()> {
        for (party, _, period) in self.stretches.clone() {
            for segment in 0..self.admission.frames.parties[party].segments.len() {
                let (start, end) = self.segment(party, segment);
                let first = start.max(period.start);
                if first < end.min(period.end) && self.admission.frames.period_at(party, segment, first)? == period {
                    self.stretches.insert((party, segment, period));
                }
            }
        }
        Ok(())
    }

    /// All sealed periods of a segment.
    fn add_sealed(&mut self, party: usize, segment: usize) -> Result<()> {
        let (start, end) = self.segment(party, segment);
        let mut period = self.admission.frames.period_at(party, segment, start)?;
        while period.end <= self.admission.sealed {
            self.stretches.insert((party, segment, period));
            if period.end >= end {
                break;
            }
            period = self.admission.frames.period_at(party, segment, period.end)?;
        }
        Ok(())
    }

    /// The last period that ends by the seal, if the segment was active in it.
    fn last_sealed(&mut self, party: usize, segment: usize) -> Result<Option<Stretch>> {
        let (start, end) = self.segment(party, segment);
        let open = self.admission.frames.period_at(party, segment, self.admission.sealed)?;
        let period = self.admission.frames.period_at(party, segment, open.start - 1)?;
        let is_active = start < period.end && period.start < end;
        Ok(is_active.then_some((party, segment, period)))
    }

    fn segment(&self, party: usize, segment: usize) -> (i64, i64) {
        let segment = &self.admission.frames.parties[party].segments[segment];
        (segment.start, segment.end)
    }

    /// Adds the buckets of charges that owe P(0) in an existing period.
    fn add_owed_without_usage(&mut self, existing: &mut BTreeSet<usize>) -> Result<()> {
        for (party, segment, period) in self.stretches.clone() {
            for charge in 0..self.admission.frames.plan(party, segment).charges.len() {
                let frame = self.admission.frames.frame(Place { party, segment, charge }, period)?;
                if self.owes_without_usage(frame) {
                    existing.insert(self.admission.bucket(frame, 0, Vec::new()));
                }
            }
        }
        Ok(())
    }

    /// Whether the frame has one bucket at most: neither groups nor cells.
    pub(super) fn owes_without_usage(&self, frame: usize) -> bool {
        let frame = &self.admission.frames.list[frame];
        let charge = self.admission.frames.charge(frame.place());
        let price = &version_at(&charge.versions, frame.active_start()).price;
        charge.group_by.is_empty() && !price.has_cells()
    }

    fn index(&mut self, existing: &BTreeSet<usize>) {
        self.buckets_of = vec![Vec::new(); self.admission.frames.list.len()];
        for at in existing {
            self.buckets_of[self.admission.buckets[*at].frame].push(*at);
        }
        let buckets = &self.admission.buckets;
        for of_frame in &mut self.buckets_of {
            of_frame
                .sort_by(|a, b| (&buckets[*a].group, buckets[*a].leaf).cmp(&(&buckets[*b].group, buckets[*b].leaf)));
        }
    }

    fn measure(&mut self, at: usize, flows: &flow::Flows) -> Result<()> {
        let bucket = &self.admission.buckets[at];
        let frame = &self.admission.frames.list[bucket.frame];
        let catalog = self.admission.frames.catalog;
        let charge = self.admission.frames.charge(frame.place());
        let quantities = match &catalog.meters[charge.meters[0].1].aggregation {
            Aggregation::WeightedSum { .. } | Aggregation::Readings(_) => {
                vec![flows.quantities.get(&at).cloned().unwrap_or_else(Exact::zero)]
            }
            _ => fold::quantities(catalog, charge, &bucket.usages, (frame.active_start(), frame.active_end()))?,
        };
        self.quantities.insert(at, quantities);
        Ok(())
    }

    /// A(S) as if no other bucket were there. A shared allowance is whole.
    fn amount_alone(&mut self, at: usize, rolled: &Rolled) -> Result<BigInt> {
        let bucket = &self.admission.buckets[at];
        let frame = bucket.frame;
        let charge = self.admission.frames.charge(self.admission.frames.list[frame].place());
        let is_shared = charge.allowance.as_ref().is_some_and(|allowance| allowance.is_shared);
        let own = || (bucket.leaf, bucket.group.iter().map(|&value| value.to_owned()).collect());
        let holder: Holder = (frame, (!is_shared).then(own));
        let allowance = rolled.allowance(&mut self.admission.frames, &holder)?;
        self.amount_with(at, allowance)
    }

    /// A(S) with so much allowance, in priced units.
    pub(super) fn amount_with(&self, at: usize, allowance: Exact) -> Result<BigInt> {
        let bucket = &self.admission.buckets[at];
        let frames = &self.admission.frames;
        let frame = &frames.list[bucket.frame];
        let terms = Terms {
            catalog: frames.catalog,
            charge: frames.charge(frame.place()),
            leaf: bucket.leaf,
            active: (frame.active_start(), frame.active_end()),
            fraction: self.fraction(bucket.frame)?,
            allowance,
        };
        terms.amount(bucket, &self.quantities[&at])
    }

    /// f of a frame.
    pub(super) fn fraction(&self, frame: usize) -> Result<Exact> {
        self.admission.frames.part(frame)
    }

    /// Whether a bucket has usage.
    pub(super) fn has_usage(&self, at: usize) -> bool {
        !self.admission.buckets[at].usages.is_empty()
    }

    /// A(S) of a bucket that exists.
    pub(super) fn amount(&self, at: usize) -> BigInt {
        self.amounts.get(&at).cloned().unwrap_or_else(BigInt::zero)
    }
}
