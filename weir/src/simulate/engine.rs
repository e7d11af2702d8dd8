//! An archive under a catalog: every customer's amounts and invoiced totals, as a run of the original events would have them.
//!
//! Known buckets and events go into fresh shards, which are closed where the run closed; model, rater and invoicer decide
//! about money, as they did in the run. Owns: threads, and what is summed up for whom.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use anyhow::{Result, anyhow};
use weir_invoicer::Modified;
use weir_model::catalog::{Catalog, ChargeIdx};
use weir_model::currency::Currency;
use weir_model::hash::HashKey;
use weir_model::number::{Amount, Money, Overflow, Quantity};
use weir_model::rated::CustomerPeriod;
use weir_model::time::Instant;
use weir_model::verdict::UnpricedReason;
use weir_rater::close::{Close, Settled, seal};
use weir_rater::{Counters, RatingPlan, Shard};

use super::archive::Archive;
use super::contents::Room;
use super::events::{EventRows, Selection, Types};
use super::fold::FoldPlan;
use super::method::{Choice, Method};
use super::scope::Scope;
use super::totals;
use crate::failure::invalid;

/// The verdict of events with usage that has no price.
const UNPRICED: &str = "unpriced";
/// Shards; changes nothing about the result.
const SHARDS: u16 = 16;

/// What a customer has in one currency.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Figures {
    /// A(S) over its buckets.
    pub amount: Amount,
    /// What its documents of closed periods come to, in minor units.
    pub invoiced: i128,
}

/// A charge by the names of its plan, itself and its meter, in one currency.
pub type ChargeName = (String, String, String, Currency);

/// A reason why usage has no price, and the meter if it is known.
pub type Loss = (&'static str, Option<String>);

/// An archive under a catalog.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Rated {
    /// A(S) by charge.
    pub charges: BTreeMap<ChargeName, Amount>,
    /// By customer and currency.
    pub customers: BTreeMap<(String, Currency), Figures>,
    /// Usage without a price, by reason and meter: how many, and how much if that fits.
    pub unpriced: BTreeMap<Loss, (u64, Option<String>)>,
    /// Archived events that this catalog's meters would have rejected.
    pub rejected: u64,
    /// Buckets with usage.
    pub totals: u64,
}

/// Rates an archive under a catalog.
pub struct Engine<'a> {
    /// What is rated.
    pub archive: &'a Archive,
    /// The catalog to rate under.
    pub catalog: &'a Arc<Catalog>,
    /// How each of its charges is computed.
    pub choices: &'a [Choice],
    /// What is asked for.
    pub scope: &'a Scope,
    /// Threads; at least 1.
    pub threads: usize,
    /// How much each of them keeps of what it adds up.
    pub room: Room,
}

impl Engine<'_> {
    /// Rates everything.
    pub fn rate(&self) -> Result<Rated> {
        let fold = self.fold_plan()?;
        let is_folded = |charge: ChargeIdx| fold.as_ref().is_some_and(|fold| fold.folded[charge.at()]);
        let is_known = |charge: ChargeIdx| self.method(charge) == Method::Totals || is_folded(charge);
        let plan = Arc::new(self.compile()?.without(is_known));
        let mut shards = fresh(&plan);
        if self.has_known() {
            totals::resume(self, &shards)?;
        }
        let needs_events = self.choices.iter().any(|choice| choice.method != Method::Totals);
        let mut rated = Rated::default();
        let mut settled = Settled::new();
        let mut files = 0;
        for (number, close) in self.archive.log.closes.iter().enumerate() {
            if needs_events {
                let selection = self.selection(files..close.files_before);
                rated.rejected += EventRows { engine: self, selection, fold: fold.as_ref() }.resume(&shards)?;
            }
            files = close.files_before;
            let mut closing: Vec<Shard> = into_shards(shards);
            spread(&mut closing, self.threads, |shard| shard.price_states().map_err(too_large))?;
            seal(&mut closing, &plan, close.through).map_err(too_large)?;
            let closed = Close::new(&closing, Arc::clone(&plan), close.through, settled).map_err(too_large)?;
            if number + 1 == self.archive.log.closes.len() {
                self.sum_up(&closed, &closing, &mut rated)?;
            }
            settled = closed.settled().clone();
            drop(closed);
            shards = closing.into_iter().map(Mutex::new).collect();
        }
        let mut counters = Counters::default();
        into_shards(shards).iter().for_each(|shard| counters.add(shard.counters()));
        self.count_unpriced(counters, &mut rated)?;
        self.check_rejected(&rated)?;
        Ok(rated)
    }

    /// What of the events is only added up, if anything is.
    fn fold_plan(&self) -> Result<Option<FoldPlan>> {
        if !self.choices.iter().any(|choice| choice.method == Method::Sums) {
            return Ok(None);
        }
        let fold = FoldPlan::new(self.compile()?, |charge| self.method(charge), self.room);
        Ok(fold.folded.contains(&true).then_some(fold))
    }

    /// How a charge is computed.
    pub fn method(&self, charge: ChargeIdx) -> Method {
        self.choices.get(charge.at()).map_or(Method::Events, |choice| choice.method)
    }

    fn compile(&self) -> Result<RatingPlan> {
        RatingPlan::compile(Arc::clone(self.catalog), HashKey::FILES).map_err(invalid)
    }

    /// The events of some files that decide on what is asked for.
    fn selection(&self, files: std::ops::Range<usize>) -> Selection {
        let subjects = self.scope.customer.as_deref().map(|id| crate::explain::subjects(self.catalog, id));
        // What lasts from one period to another is not cut off.
        let lasts = self.catalog.charges.iter().any(|charge| {
            charge.allowance.is_some_and(|allowance| allowance.rollover_max.is_some())
                || self.catalog.meters.get(charge.meter.at()).is_none_or(|meter| meter.aggregation.has_series())
        });
        let bound = |bound: Option<Instant>| bound.filter(|_| !lasts).map(Instant::micros);
        let instants = bound(self.scope.from).unwrap_or(i64::MIN)..bound(self.scope.until).unwrap_or(i64::MAX);
        let files = (self.archive.log.closes.len() > 1).then_some(files);
        Selection { files, subjects, instants, verdict: None, types: self.routed_types() }
    }

    /// The event types that are to be read: while nothing has changed about who has which plan, those of charges that are
    /// not known from totals.
    fn routed_types(&self) -> Types {
        if !self.has_known() {
            return self.all_types();
        }
        let charges = (0_u32..).map(ChargeIdx).zip(&self.catalog.charges);
        let unknown = charges.filter(|(index, _)| self.method(*index) != Method::Totals).map(|(_, charge)| charge);
        let meters = unknown
            .flat_map(|charge| std::iter::once(charge.meter).chain(charge.further.iter().map(|further| further.meter)));
        let meters = meters.filter_map(|meter| self.catalog.meters.get(meter.at()));
        Types::only(meters.map(|meter| meter.event_type))
    }

    /// All event types, and those that no meter reads.
    fn all_types(&self) -> Types {
        Types::all(self.catalog.event_types.len())
    }

    fn has_known(&self) -> bool {
        self.choices.iter().any(|choice| choice.method == Method::Totals)
    }

    /// What has no price. Where some charges are known from totals, who has which plan has not changed: usage without a plan,
    /// or without a cell at those charges, is among the events that the run marked so.
    fn count_unpriced(&self, mut counters: Counters, rated: &mut Rated) -> Result<()> {
        if self.has_known() {
            counters.unpriced_usage.retain(|(reason, _), _| is_of_charge(*reason));
            if self.archive.figures.unpriced > 0 {
                counters.add(&self.marked()?);
            }
        }
        for ((reason, meter), usage) in &counters.unpriced_usage {
            let meter = meter.and_then(|meter| self.catalog.meters.get(meter.at()));
            if *reason == UnpricedReason::Overflow {
                return Err(too_large(Overflow));
            }
            let text = |quantity: Quantity| quantity.to_text(meter.map(|meter| meter.scale).unwrap_or_default());
            rated.unpriced.insert(
                (reason.code(), meter.map(|meter| meter.name.clone())),
                (usage.count, usage.quantity.map(text)),
            );
        }
        Ok(())
    }

    /// The usage without a price among the events that the run marked so.
    fn marked(&self) -> Result<Counters> {
        if !self.archive.has_events() {
            return Err(invalid(
                "the run had usage without a price, and the folder holds no events to look at it again; run again without \
                 --no-archive",
            ));
        }
        let plan = Arc::new(self.compile()?.without(|charge| self.method(charge) != Method::Totals));
        let shards = fresh(&plan);
        let selection = Selection { verdict: Some(UNPRICED), types: self.all_types(), ..self.selection(0..usize::MAX) };
        EventRows { engine: self, selection, fold: None }.resume(&shards)?;
        let mut counters = Counters::default();
        into_shards(shards).iter().for_each(|shard| counters.add(shard.counters()));
        Ok(Counters { unpriced_usage: counters.unpriced_usage, ..Counters::default() })
    }

    /// An event that this catalog rejects would not have stood in the way of a later one with its identity.
    fn check_rejected(&self, rated: &Rated) -> Result<()> {
        let conflicts = self.archive.figures.conflict;
        if rated.rejected > 0 && conflicts > 0 {
            return Err(invalid(format!(
                "this catalog rejects {} archived events, and of {conflicts} conflicts, which the archive does not hold, \
                 some might take their places: use weir run on the original files",
                rated.rejected
            )));
        }
        Ok(())
    }

    fn sum_up(&self, close: &Close<'_>, shards: &[Shard], rated: &mut Rated) -> Result<()> {
        let modified = Modified::of_catalog(self.catalog);
        let sums = || Sums {
            catalog: self.catalog,
            modified: &modified,
            scope: self.scope,
            charges: Vec::new(),
            rated: Rated::default(),
        };
        let sum = |shards: &[Shard]| {
            let mut sums = sums();
            for shard in shards {
                close.visit_own(shard, |period| sums.add(period))?;
            }
            Ok::<_, anyhow::Error>(sums)
        };
        let sum = &sum;
        let per_thread = shards.len().div_ceil(self.threads).max(1);
        thread::scope(|scope| {
            let workers: Vec<_> = shards.chunks(per_thread).map(|shards| scope.spawn(move || sum(shards))).collect();
            for worker in workers {
                worker.join().map_err(|_| anyhow!("internal error: summing up panicked"))??.finish(rated)?;
            }
            Ok::<_, anyhow::Error>(())
        })?;
        let mut merged = sums();
        close.merged_periods().iter().try_for_each(|period| merged.add(period))?;
        merged.finish(rated)
    }
}

/// Sums over some customers' periods.
struct Sums<'a> {
    catalog: &'a Catalog,
    modified: &'a Modified,
    scope: &'a Scope,
    /// By charge.
    charges: Vec<Amount>,
    rated: Rated,
}

impl Sums<'_> {
    fn add(&mut self, period: &CustomerPeriod) -> Result<()> {
        if !self.scope.has(&period.customer, &period.period) {
            return Ok(());
        }
        self.charges.resize(self.catalog.charges.len(), Amount::ZERO);
        for segment in &period.segments {
            let Some(plan) = self.catalog.plans.get(segment.plan.at()) else { continue };
            let mut sum = Amount::ZERO;
            for bucket in &segment.buckets {
                sum = sum.checked_add(bucket.amount)?;
                if let Some(charge) = self.charges.get_mut(bucket.charge.at()) {
                    *charge = charge.checked_add(bucket.amount)?;
                }
                self.rated.totals += u64::from(bucket.events > 0);
            }
            let figures = self.figures(&period.customer, plan.currency);
            figures.amount = figures.amount.checked_add(sum)?;
        }
        if period.seal.is_sealed()
            && let Some(money) = weir_invoicer::invoiced(self.catalog, self.modified, period)?
        {
            let figures = self.figures(&period.customer, money.currency());
            figures.invoiced = figures.invoiced.checked_add(money.minor()).ok_or(Overflow)?;
        }
        Ok(())
    }

    fn figures(&mut self, customer: &str, currency: Currency) -> &mut Figures {
        let none = Figures { amount: Amount::ZERO, invoiced: 0 };
        self.rated.customers.entry((customer.to_owned(), currency)).or_insert(none)
    }

    /// Adds these sums to those of others.
    fn finish(self, rated: &mut Rated) -> Result<()> {
        for (key, theirs) in self.rated.customers {
            let ours = rated.customers.entry(key).or_insert(Figures { amount: Amount::ZERO, invoiced: 0 });
            ours.amount = ours.amount.checked_add(theirs.amount)?;
            ours.invoiced = ours.invoiced.checked_add(theirs.invoiced).ok_or(Overflow)?;
        }
        for (charge, amount) in self.catalog.charges.iter().zip(self.charges) {
            let plan = self.catalog.plans.get(charge.plan.at());
            let meter = self.catalog.meters.get(charge.meter.at());
            let (Some(plan), Some(meter)) = (plan, meter) else { continue };
            let name = (plan.name.clone(), charge.name.clone(), meter.name.clone(), plan.currency);
            let sum = rated.charges.entry(name).or_default();
            *sum = sum.checked_add(amount)?;
        }
        rated.totals += self.rated.totals;
        Ok(())
    }
}

impl Rated {
    /// A(S) by currency.
    pub fn amounts(&self) -> Result<BTreeMap<Currency, Amount>, Overflow> {
        let mut sums: BTreeMap<Currency, Amount> = BTreeMap::new();
        for ((_, _, _, currency), amount) in &self.charges {
            let sum = sums.entry(*currency).or_default();
            *sum = sum.checked_add(*amount)?;
        }
        Ok(sums)
    }

    /// What all documents come to, by currency.
    pub fn invoiced(&self) -> Result<BTreeMap<Currency, Money>, Overflow> {
        let mut sums: BTreeMap<Currency, Money> = BTreeMap::new();
        for ((_, currency), figures) in &self.customers {
            let sum = sums.entry(*currency).or_insert(Money::zero(*currency));
            *sum = sum.checked_add(Money::from_minor(figures.invoiced, *currency))?;
        }
        Ok(sums)
    }
}

/// Whether a reason is about a charge, not about who has which plan.
fn is_of_charge(reason: UnpricedReason) -> bool {
    matches!(reason, UnpricedReason::NoCell | UnpricedReason::Overflow)
}

/// A shard that a thread has alone.
pub fn lock(shard: &Mutex<Shard>) -> std::sync::MutexGuard<'_, Shard> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}

fn fresh(plan: &Arc<RatingPlan>) -> Vec<Mutex<Shard>> {
    (0..SHARDS).map(|number| Mutex::new(Shard::new(number, SHARDS, Arc::clone(plan)))).collect()
}

fn into_shards(shards: Vec<Mutex<Shard>>) -> Vec<Shard> {
    shards.into_iter().map(|shard| shard.into_inner().unwrap_or_else(PoisonError::into_inner)).collect()
}

/// Does something to every shard, on several threads.
fn spread(shards: &mut [Shard], threads: usize, work: impl Fn(&mut Shard) -> Result<()> + Sync) -> Result<()> {
    let per_thread = shards.len().div_ceil(threads).max(1);
    let part = |shards: &mut [Shard]| shards.iter_mut().try_for_each(&work);
    let part = &part;
    thread::scope(|scope| {
        let workers: Vec<_> = shards.chunks_mut(per_thread).map(|shards| scope.spawn(move || part(shards))).collect();
        workers
            .into_iter()
            .try_for_each(|worker| worker.join().map_err(|_| anyhow!("internal error: pricing panicked"))?)
    })
}

/// Some usage has no figure under the catalog.
pub fn too_large(error: Overflow) -> anyhow::Error {
    invalid(format!(
        "{error}: under this catalog some usage has no figure that fits, and which events a run would leave out for it depends \
         on their order; look for a price that is far too large, or use weir run on the original files"
    ))
}
