//! What a run must have made of a workload: every count, and every bucket, by one pass over the events.
//!
//! Takes memory for subjects × periods × charges (and groups), whatever the number of events. Rows are marginal (L4), so the
//! pass follows the log's order; usage of one bucket that comes to several shards is rated on each part by itself.

use std::collections::BTreeMap;

use super::hash::{self, Hasher};
use crate::workload::{Charge, Event, Fate, LatePolicy, Parties, Workload};

/// The digits of a currency unit that no invoice line shows, as an amount: a hundredth.
const MINOR_UNIT: i128 = 10_i128.pow(16);

/// What a run must have made of a workload.
#[derive(Debug)]
pub struct Expected<'w> {
    pub(super) workload: &'w Workload,
    /// For each subject, the first subject of its customer in the same shard: where its usage is rated.
    parts: Vec<usize>,
    /// Hashes of the charges.
    pub(super) charges: Vec<u64>,
    /// By subject, period and slot.
    cells: Vec<Cell>,
    pub(super) figures: Figures,
}

/// The part of a bucket that one shard rates.
#[derive(Debug, Clone, Copy, Default)]
struct Cell {
    quantity: u64,
    events: u64,
    /// Sum of its events' hashes.
    digest: u128,
    /// Sum of its rows' hashes.
    rows: u128,
}

/// The figures of a run's report.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Figures {
    /// All events.
    pub received: u64,
    /// First copies.
    pub accepted: u64,
    /// Repeated with the same content.
    pub duplicate: u64,
    /// Repeated with another content.
    pub conflict: u64,
    /// No valid events.
    pub rejected: u64,
    /// The same by code.
    pub rejected_by_code: BTreeMap<&'static str, u64>,
    /// First copies whose every usage has a price.
    pub rated: u64,
    /// First copies whose subject has no plan.
    pub unpriced: u64,
    /// First copies that no charge selects.
    pub unmetered: u64,
    /// First copies with a usage that its charge refuses for being late.
    pub late_refused: u64,
    /// Rated rows.
    pub rows: u64,
    /// Sum of the rated rows' hashes.
    pub rows_digest: u128,
    /// Buckets with usage.
    pub totals: u64,
    /// Sum of A(S), P(0) included, at 18 decimals.
    pub amounts: i128,
    /// Sum of the lines, each rounded to the cent, in cents.
    pub invoiced: i128,
}

/// A usage of an accepted event.
#[derive(Debug, Clone, Copy)]
pub(super) struct Usage<'w> {
    pub(super) charge: &'w Charge,
    pub(super) slot: usize,
    /// At the meter's scale.
    pub(super) quantity: u64,
}

/// A bucket of a customer, whole.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Bucket {
    pub(super) quantity: u64,
    pub(super) events: u64,
    pub(super) digest: u128,
    pub(super) rows: u128,
}

/// Which bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Place {
    pub(super) customer: usize,
    pub(super) period: usize,
    pub(super) slot: usize,
}

impl<'w> Expected<'w> {
    /// What a run on so many shards must have made of it. One pass over all events.
    pub fn new(workload: &'w Workload, shards: u16) -> Expected<'w> {
        let (parties, tariff) = (workload.parties(), workload.tariff());
        let mut hasher = Hasher::default();
        let cells = parties.subjects() * workload.calendar().periods() * tariff.slots().len();
        let mut expected = Expected {
            workload,
            parts: parts(workload, &mut hasher, shards),
            charges: tariff.charges().iter().map(|charge| hash::charge(&charge.name)).collect(),
            cells: vec![Cell::default(); cells],
            figures: Figures::default(),
        };
        for event in workload.events() {
            expected.receive(&event, &mut hasher);
        }
        expected.sum_up();
        expected
    }

    /// The figures of the report.
    pub fn figures(&self) -> &Figures {
        &self.figures
    }

    fn receive(&mut self, event: &Event, hasher: &mut Hasher) {
        let figures = &mut self.figures;
        figures.received += 1;
        match event.fate {
            Fate::First => self.accept(event, hasher),
            Fate::Duplicate { .. } => figures.duplicate += 1,
            Fate::Conflict { .. } => figures.conflict += 1,
            Fate::Bad(damage) => {
                figures.rejected += 1;
                *figures.rejected_by_code.entry(Workload::rejection(damage)).or_default() += 1;
            }
        }
    }

    fn accept(&mut self, event: &Event, hasher: &mut Hasher) {
        self.figures.accepted += 1;
        let Some(subject) = event.content.subject else {
            self.figures.unpriced += 1;
            return;
        };
        if event.content.meter.is_none() {
            self.figures.unmetered += 1;
            return;
        }
        let fingerprint = hasher.fingerprint(self.workload, event.original, Some(subject));
        let event_hash = hash::of_event(fingerprint, hasher.payload(&event.content));
        let mut refused = false;
        for usage in usages(self.workload, event) {
            let Some(usage) = usage else {
                refused = true;
                continue;
            };
            let charge_hash = self.charges[self.workload.tariff().slots()[usage.slot].charge];
            let cell = self.cell_at(self.parts[subject], event.content.period, usage.slot);
            let cell = &mut self.cells[cell];
            let before = usage.charge.amount(cell.quantity);
            cell.quantity += usage.quantity;
            let row = hash::of_row(fingerprint, charge_hash, usage.charge.amount(cell.quantity) - before);
            cell.events += 1;
            cell.digest = cell.digest.wrapping_add(event_hash);
            cell.rows = cell.rows.wrapping_add(row);
            self.figures.rows += 1;
            self.figures.rows_digest = self.figures.rows_digest.wrapping_add(row);
        }
        *(if refused { &mut self.figures.late_refused } else { &mut self.figures.rated }) += 1;
    }

    fn sum_up(&mut self) {
        for customer in 0..self.workload.parties().customers() {
            for period in 0..self.workload.calendar().periods() {
                for (place, bucket) in self.buckets(customer, period) {
                    let amount = self.charge(place).amount(bucket.quantity);
                    self.figures.totals += u64::from(bucket.events > 0);
                    self.figures.amounts += amount;
                    self.figures.invoiced += (amount + MINOR_UNIT / 2) / MINOR_UNIT;
                }
            }
        }
    }

    /// The buckets of a customer's period: those with usage, and those that owe without. An undeclared customer has a
    /// period only with usage.
    pub(super) fn buckets(&self, customer: usize, period: usize) -> Vec<(Place, Bucket)> {
        let slots = 0..self.workload.tariff().slots().len();
        let places = slots.map(|slot| Place { customer, period, slot });
        let all: Vec<(Place, Bucket)> = places.map(|place| (place, self.bucket(place))).collect();
        let exists = self.workload.parties().is_shared(customer) || all.iter().any(|(_, bucket)| bucket.events > 0);
        let owed =
            |(place, bucket): &(Place, Bucket)| bucket.events > 0 || exists && self.charge(*place).owes_without_usage();
        all.into_iter().filter(owed).collect()
    }

    /// A bucket, from all its parts.
    pub(super) fn bucket(&self, place: Place) -> Bucket {
        let subjects = self.workload.parties().subjects_of(place.customer);
        subjects.fold(Bucket::default(), |bucket, subject| {
            let cell = self.cells[self.cell_at(subject, place.period, place.slot)];
            Bucket {
                quantity: bucket.quantity + cell.quantity,
                events: bucket.events + cell.events,
                digest: bucket.digest.wrapping_add(cell.digest),
                rows: bucket.rows.wrapping_add(cell.rows),
            }
        })
    }

    /// The charge of a bucket.
    pub(super) fn charge(&self, place: Place) -> &'w Charge {
        self.workload.tariff().charge_at(place.slot)
    }

    /// Where usage of a subject is rated: the same number for subjects whose usage is rated together.
    pub(super) fn part_of(&self, subject: usize) -> usize {
        self.parts[subject]
    }

    /// All buckets as a number, and the number of one.
    pub(super) fn places(&self) -> usize {
        self.workload.parties().customers() * self.workload.calendar().periods() * self.workload.tariff().slots().len()
    }

    pub(super) fn number(&self, place: Place) -> usize {
        let Place { customer, period, slot } = place;
        (customer * self.workload.calendar().periods() + period) * self.workload.tariff().slots().len() + slot
    }

    /// The bucket that a run names.
    pub(super) fn find(
        &self,
        (customer, charge, group): (&str, &str, Option<&str>),
        period_start: i64,
    ) -> Option<Place> {
        Some(Place {
            customer: self.workload.parties().customer_named(customer)?,
            period: self.workload.calendar().period_from(period_start)?,
            slot: self.workload.tariff().slot_named(charge, group)?,
        })
    }

    /// The bucket's name, for people.
    pub(super) fn name(&self, place: Place) -> String {
        let slot = &self.workload.tariff().slots()[place.slot];
        let group = slot.group.as_ref().map(|group| format!(", group {group}")).unwrap_or_default();
        format!(
            "customer {}, charge {}{group}, period from {}",
            Parties::customer_name(place.customer),
            self.charge(place).name,
            self.workload.calendar().date(place.period)
        )
    }

    fn cell_at(&self, subject: usize, period: usize, slot: usize) -> usize {
        (subject * self.workload.calendar().periods() + period) * self.workload.tariff().slots().len() + slot
    }
}

/// The usages of an accepted event, one for each charge of its meter; `None` for one that is refused for being late.
pub(super) fn usages<'w>(workload: &'w Workload, event: &Event) -> impl Iterator<Item = Option<Usage<'w>>> {
    let content = event.content;
    workload.usages(content).map(move |(charge, slot)| {
        let refused = content.late && charge.policy == LatePolicy::Refuse;
        (!refused).then(|| Usage { charge, slot, quantity: charge.quantity(content.value) })
    })
}

fn parts(workload: &Workload, hasher: &mut Hasher, shards: u16) -> Vec<usize> {
    let parties = workload.parties();
    let mut parts = Vec::with_capacity(parties.subjects());
    for customer in 0..parties.customers() {
        let subjects = parties.subjects_of(customer);
        if !parties.is_shared(customer) {
            parts.extend(subjects);
            continue;
        }
        let homes: Vec<(usize, u16)> =
            subjects.map(|subject| (subject, hasher.shard(workload, subject, shards))).collect();
        for (_, home) in &homes {
            let first = homes.iter().find(|(_, other)| other == home);
            parts.extend(first.map(|(subject, _)| *subject));
        }
    }
    parts
}
