//! Closing: from the shards' buckets to whole customers' period totals, and the settlement of what was rated in parts
//! (design.md 4.5, 4.9). [`seal`] is what a close does to the shards; [`Close`] is a pure function of them.
//!
//! A customer's usage lies in one shard unless it has several subjects or its events bring a `partitionkey`. Those are
//! merged, and so are customers whose buckets must be looked at together: shared allowances, pools, several plans.

mod live;
mod merge;
mod periods;
mod pool;
mod rollover;
mod seal;
mod silent;
mod totals;

pub use live::{live, live_of};
pub use periods::Periods;
pub use rollover::{Allowances, ChainKey};
pub use seal::{Sealed, seal};
pub use totals::ShardPeriods;

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use weir_model::catalog::{Catalog, CustomerIdx};
use weir_model::hash::{RouteHash, shard_of};
use weir_model::number::{Amount, Overflow};
use weir_model::rated::{CustomerPeriod, Seal, SettlementRow};
use weir_model::time::{Instant, Period};

use crate::at;
use crate::plan::RatingPlan;
use crate::shard::Shard;
use crate::subjects::Customer;

/// Who a customer is, in every shard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Identity {
    Declared(CustomerIdx),
    Itself(RouteHash),
}

/// What closes have settled so far, by shard and bucket.
pub type Settled = BTreeMap<(u16, u32), Amount>;

/// The end of the period that holds the greatest event_time: what a run closes unless told otherwise.
pub fn default_through(shards: &[Shard]) -> Option<Instant> {
    shards.iter().filter_map(|shard| shard.latest).max().map(|(_, period_end)| period_end)
}

/// All totals at a close.
#[derive(Debug)]
pub struct Close<'a> {
    shards: &'a [Shard],
    plan: Arc<RatingPlan>,
    through: Instant,
    /// Customers that are merged.
    spread: BTreeSet<Identity>,
    /// Their periods, and periods that owe without usage; in order.
    merged: Vec<CustomerPeriod>,
    settlements: Vec<SettlementRow>,
    settled: Settled,
}

impl<'a> Close<'a> {
    /// The totals of shards that [`seal`] has closed through `through`. `settled` is what earlier closes of the same shards
    /// gave. Fails if a merged bucket's figures do not fit.
    pub fn new(
        shards: &'a [Shard],
        plan: Arc<RatingPlan>,
        through: Instant,
        settled: Settled,
    ) -> Result<Close<'a>, Overflow> {
        let through = shards.first().and_then(Shard::sealed_through).map_or(through, |sealed| sealed.max(through));
        let spread = spread(shards, &plan);
        let mut close = Close { shards, spread, plan, through, merged: Vec::new(), settlements: Vec::new(), settled };
        let mut customers = merge::Customers::collect(shards, |identity| close.spread.contains(&identity));
        let mut periods = customers.merge(&close)?;
        silent::add(&close, &mut periods)?;
        pool::share_out(&close, &mut periods)?;
        (close.settlements, close.settled) = customers.settle(&close, &periods)?;
        close.merged = periods;
        close.merged.sort_by(order);
        Ok(close)
    }

    /// The catalog that everything was rated under.
    pub fn catalog(&self) -> &Arc<Catalog> {
        self.plan.catalog()
    }

    /// Instant through which this close seals.
    pub fn through(&self) -> Instant {
        self.through
    }

    /// Whether an earlier close has sealed periods.
    pub fn is_repeated(&self) -> bool {
        self.shards.iter().any(|shard| shard.seals.len() > 1)
    }

    /// What settles the buckets that were rated in parts, as far as earlier closes have not.
    pub fn settlements(&self) -> &[SettlementRow] {
        &self.settlements
    }

    /// What this close and those before it have settled: for the next one.
    pub fn settled(&self) -> &Settled {
        &self.settled
    }

    /// The periods of one shard's own customers, in order. Lists of different shards share no customer.
    pub fn shard_periods(&self, shard: &'a Shard) -> ShardPeriods<'_> {
        ShardPeriods::new(self, shard)
    }

    /// The periods of customers that are in no shard's own list, in order.
    pub fn merged_periods(&self) -> &[CustomerPeriod] {
        &self.merged
    }

    /// Visits the periods of one shard's own customers, in whatever order is near: for sums.
    pub fn visit_own<E>(
        &self,
        shard: &Shard,
        mut visit: impl FnMut(&CustomerPeriod) -> Result<(), E>,
    ) -> Result<(), E> {
        let list = ShardPeriods::unordered(self, shard);
        let (mut terms, mut current) = (totals::TermsCache::default(), CustomerPeriod::empty());
        for position in 0..crate::next_index(list.len()) {
            list.prefetch(position.saturating_add(1));
            list.fill(position, &mut current, &mut terms);
            visit(&current)?;
        }
        Ok(())
    }

    /// Every customer's every period, out of the lists of all shards, which threads may have made.
    pub fn periods<'c>(&'c self, lists: Vec<ShardPeriods<'c>>) -> Periods<'c> {
        assert_eq!(lists.len(), self.shards.len(), "a list is missing: a bill must not silently lose a customer");
        Periods::new(lists, &self.merged)
    }

    /// Every customer's every period, ordered by (period end, customer, period start), one at a time.
    pub fn for_each<E>(&self, visit: impl FnMut(&CustomerPeriod) -> Result<(), E>) -> Result<(), E> {
        let periods = self.periods(self.shards.iter().map(|shard| self.shard_periods(shard)).collect());
        periods.visit(0..periods.len(), visit)
    }

    /// Whether and by which close a period is sealed.
    fn seal_of(&self, period: &Period) -> Seal {
        let before = self.shards.first().and_then(|shard| shard.seals.iter().rev().nth(1));
        match before.copied() {
            Some(before) if period.end <= before => Seal::Before,
            _ if period.end <= self.through => Seal::Now,
            _ => Seal::Open,
        }
    }
}

/// Where a period stands: the customer's number tells two of one id apart.
type Key<'k> = (Instant, &'k str, Instant, Option<CustomerIdx>);

fn key_of(total: &CustomerPeriod) -> Key<'_> {
    (total.period.end, &total.customer, total.period.start, total.declared)
}

fn order(a: &CustomerPeriod, b: &CustomerPeriod) -> Ordering {
    key_of(a).cmp(&key_of(b))
}

/// Customers whose periods cannot be told from one shard's buckets one by one: those that claim several subjects, those of
/// whose subjects one was met in a shard that is not its home (its events brought a `partitionkey`), and those with
/// several plans or with charges that share something at the close; and those that had other subjects before.
fn spread(shards: &[Shard], plan: &RatingPlan) -> BTreeSet<Identity> {
    let customers = (0_u32..).map(CustomerIdx).zip(&plan.catalog().customers);
    let several = customers.filter(|(number, customer)| {
        let segments = plan.segments(crate::plan::Owner::Declared(*number));
        customer.subjects.len() > 1 || segments.len() > 1 || segments.iter().any(|segment| plan.settles(segment.plan))
    });
    let mut spread: BTreeSet<Identity> = several.map(|(number, _)| Identity::Declared(number)).collect();
    // A customer with one subject may have had others.
    let mut known_in = vec![0_u16; plan.catalog().customers.len()];
    for customer in shards.iter().flat_map(|shard| shard.subjects.known_declared()) {
        if let Some(count) = known_in.get_mut(customer.at()) {
            *count = count.saturating_add(1);
        }
    }
    let known = (0_u32..).map(CustomerIdx).zip(known_in).filter(|(_, count)| *count > 1);
    spread.extend(known.map(|(customer, _)| Identity::Declared(customer)));
    let all_undeclared = plan.catalog().default_plan.is_some_and(|default| plan.settles(default));
    for shard in shards {
        for (number, subject) in shard.subjects.owners() {
            let Some(customer) = shard.subjects.customers.get(at(number)) else { continue };
            let is_guest = shard_of(subject, shard.shards) != usize::from(shard.number);
            if is_guest || (all_undeclared && customer.declared.is_none()) {
                spread.insert(identity(customer, subject));
            }
        }
    }
    spread
}

fn identity(customer: &Customer, subject: RouteHash) -> Identity {
    customer.declared.map_or(Identity::Itself(subject), Identity::Declared)
}
