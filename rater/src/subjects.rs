//! Subjects, the customers they belong to, and each customer's stretches: one period under one plan.
//!
//! A subject is known by the 128-bit keyed hash that routed it, as exact as dedup is; its text is kept once. Beside it
//! stands the stretch of its latest event, so that the usual event needs no calendar.

use weir_model::catalog::{CustomerIdx, PlanIdx};
use weir_model::hash::RouteHash;
use weir_model::time::{Instant, Period};
use weir_model::verdict::UnpricedReason;

use crate::index::Index;
use crate::plan::{Owner, Partial, RatingPlan};
use crate::pool::Pool;
use crate::prefetch::AHEAD;
use crate::{at, next_index};

/// Stands for "none" among numbers of customers and stretches.
pub const NONE: u32 = u32::MAX;

/// A subject: all that the usual event needs of it, in one cache line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(align(64))]
pub struct Subject {
    /// Keyed hash of its text.
    pub hash: RouteHash,
    /// Its customer's number, or [`NONE`].
    pub customer: u32,
    /// The stretch of its latest event, or [`NONE`].
    stretch: u32,
    /// That part of the stretch's period in which the customer had its plan.
    active: Period,
    /// The end of the stretch's period.
    period_end: Instant,
    /// Its customer's plan then.
    plan: PlanIdx,
    /// Whether that part is less than the period.
    partial: Partial,
}

const _: () = assert!(size_of::<Subject>() == 64);

/// A customer as this shard knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Customer {
    /// Who it is in the catalog; `None`: a subject that nobody claims is its own customer.
    pub declared: Option<CustomerIdx>,
    /// Range of its id in the shard's names.
    pub name_start: u64,
    /// Length of its id.
    pub name_len: u32,
    /// Its latest stretch, or [`NONE`].
    pub last_stretch: u32,
}

/// One period of a customer under one plan: the part of a billing period that lies in a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stretch {
    /// The customer's number.
    pub customer: u32,
    /// The customer's stretch before, or [`NONE`].
    pub previous: u32,
    /// The billing period.
    pub period: Period,
    /// The part of it that lies in the segment.
    pub active: Period,
    /// Which of the customer's plans it is: a number from [`RatingPlan::segments`].
    pub segment: u32,
}

impl Stretch {
    /// Whether the customer had the plan in a part of the period only.
    pub fn partial(&self) -> Partial {
        if self.active == self.period { Partial::No } else { Partial::Yes }
    }
}

/// Where an event of a subject belongs.
#[derive(Debug, Clone, Copy)]
pub struct Place {
    /// The stretch.
    pub stretch: u32,
    /// The end of its billing period.
    pub period_end: Instant,
    /// The plan.
    pub plan: PlanIdx,
    /// Whether the stretch is less than its period.
    pub partial: Partial,
}

/// Where a subject's events of a time belong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spot {
    /// The stretch.
    pub stretch: u32,
    /// The plan.
    pub plan: PlanIdx,
    /// The time.
    pub active: Period,
}

/// Who belongs to whom, in one shard.
#[derive(Debug)]
pub struct Subjects {
    index: Index,
    pub(crate) subjects: Pool<Subject>,
    pub(crate) customers: Vec<Customer>,
    pub(crate) stretches: Vec<Stretch>,
    pub(crate) names: String,
    /// Customers of the catalog, by their position there.
    declared: Vec<u32>,
    /// Customers to whom no subject leads any more since the catalog changed, each with the hash of one that did.
    former: Vec<(u32, RouteHash)>,
}

impl Subjects {
    /// Nobody yet.
    pub fn new(plan: &RatingPlan) -> Subjects {
        Subjects {
            index: Index::new(),
            subjects: Pool::new(),
            customers: Vec::new(),
            stretches: Vec::new(),
            names: String::new(),
            declared: vec![NONE; plan.catalog().customers.len()],
            former: Vec::new(),
        }
    }

    /// Starts to bring a subject's slot into the cache.
    #[inline]
    pub fn prefetch_slot(&self, hash: RouteHash) {
        self.index.prefetch(high_half(hash));
    }

    /// Starts to bring a subject into the cache; its slot should be there.
    #[inline]
    pub fn prefetch_subject(&self, hash: RouteHash) {
        if let Some(number) = self.index.numbers(high_half(hash)).next() {
            self.subjects.prefetch(number);
        }
    }

    /// The subject's number; it is entered with its owner if it is new. `text` gives its name then.
    #[inline]
    pub fn intern<'a>(&mut self, plan: &RatingPlan, hash: RouteHash, text: impl Fn() -> &'a str) -> u32 {
        let is_it = |number: &u32| self.subjects.get(*number).is_some_and(|subject| subject.hash == hash);
        let known = self.index.numbers(high_half(hash)).find(is_it);
        let Some(number) = known else { return self.enter(plan, hash, text()) };
        if self.subjects.get(number).is_some_and(|subject| subject.customer == NONE) {
            self.find_owner(plan, number, text());
        }
        number
    }

    /// The customer of a subject that is known, or [`NONE`].
    pub fn customer_of(&self, hash: RouteHash) -> u32 {
        let mut known = self.index.numbers(high_half(hash)).filter_map(|number| self.subjects.get(number));
        known.find(|subject| subject.hash == hash).map_or(NONE, |subject| subject.customer)
    }

    /// Enters many subjects, each by hash and text; `visit` gets the number of each one, in order, and where its events around `time`
    /// belong, if it has a plan then.
    pub fn enter_all(
        &mut self,
        plan: &RatingPlan,
        (subjects, time): (&[(RouteHash, &str)], Instant),
        mut visit: impl FnMut(u32, Option<Spot>),
    ) {
        subjects.iter().take(2 * AHEAD).for_each(|(hash, _)| self.prefetch_slot(*hash));
        subjects.iter().take(AHEAD).for_each(|(hash, _)| self.prefetch_subject(*hash));
        let mut slots_ahead = subjects.iter().skip(2 * AHEAD);
        let mut subjects_ahead = subjects.iter().skip(AHEAD);
        for (hash, text) in subjects {
            if let Some((next, _)) = slots_ahead.next() {
                self.prefetch_slot(*next);
            }
            if let Some((next, _)) = subjects_ahead.next() {
                self.prefetch_subject(*next);
            }
            let number = self.intern(plan, *hash, || text);
            visit(number, self.spot(plan, number, time).ok());
        }
    }

    /// Where the events of `subject` around `time` belong. Fails if it has no plan then.
    pub fn spot(&mut self, plan: &RatingPlan, subject: u32, time: Instant) -> Result<Spot, UnpricedReason> {
        let Place { stretch, plan, .. } = self.place(plan, subject, time)?;
        let active = self.subjects.get(subject).expect("just found").active;
        Ok(Spot { stretch, plan, active })
    }

    /// A subject whose stretch this is, and the stretch's first instant.
    pub fn subject_of<'s>(&'s self, plan: &'s RatingPlan, stretch: u32) -> (&'s str, Instant) {
        let stretch = self.stretches.get(at(stretch)).expect("stretch numbers come from this table");
        let customer = self.customers.get(at(stretch.customer)).expect("stretches have a customer");
        let declared = customer.declared.and_then(|declared| plan.catalog().customers.get(declared.at()));
        let subject = declared.and_then(|declared| declared.subjects.first());
        (subject.map_or_else(|| self.name(customer), String::as_str), stretch.active.start)
    }

    /// Where an event of `subject` at `time` belongs.
    pub(crate) fn place(&mut self, plan: &RatingPlan, subject: u32, time: Instant) -> Result<Place, UnpricedReason> {
        let known = *self.subjects.get(subject).expect("subject numbers come from this table");
        if known.stretch != NONE && known.active.contains(time) {
            let Subject { stretch, period_end, plan, partial, .. } = known;
            return Ok(Place { stretch, period_end, plan, partial });
        }
        if known.customer == NONE {
            return Err(match plan.owner(known.hash) {
                Owner::Nobody(reason) => reason,
                _ => UnpricedReason::NoPlan,
            });
        }
        let number = self.stretch_at(plan, known.customer, time)?;
        let stretch = *self.stretches.get(at(number)).expect("just found");
        let customer = self.customers.get(at(known.customer)).expect("subjects have a customer");
        let segment_plan = plan.segment(Subjects::owner(customer), stretch.segment).plan;
        let place =
            Place { stretch: number, period_end: stretch.period.end, plan: segment_plan, partial: stretch.partial() };
        if let Some(subject) = self.subjects.get_mut(subject) {
            subject.stretch = number;
            subject.active = stretch.active;
            subject.period_end = place.period_end;
            subject.plan = place.plan;
            subject.partial = place.partial;
        }
        Ok(place)
    }

    /// The stretch of a customer that an instant lies in; it is entered if it is new.
    pub fn stretch_at(&mut self, plan: &RatingPlan, number: u32, time: Instant) -> Result<u32, UnpricedReason> {
        let customer = self.customers.get_mut(at(number)).ok_or(UnpricedReason::NoPlan)?;
        let mut candidate = customer.last_stretch;
        while let Some(stretch) = self.stretches.get(at(candidate)) {
            if stretch.active.contains(time) {
                return Ok(candidate);
            }
            candidate = stretch.previous;
        }
        let owner = Subjects::owner(customer);
        let segment = plan.segment_at(owner, time)?;
        let period = plan.segment(owner, segment).periods.period_at(time);
        let active = plan.active(owner, segment, &period);
        let entered = next_index(self.stretches.len());
        self.stretches.push(Stretch { customer: number, previous: customer.last_stretch, period, active, segment });
        customer.last_stretch = entered;
        Ok(entered)
    }

    /// A customer's id.
    pub fn name(&self, customer: &Customer) -> &str {
        let start = usize::try_from(customer.name_start).unwrap_or(usize::MAX);
        self.names.get(start..start.saturating_add(at(customer.name_len))).unwrap_or_default()
    }

    /// The owner of a customer's usage.
    pub fn owner(customer: &Customer) -> Owner {
        match customer.declared {
            Some(declared) => Owner::Declared(declared),
            None => Owner::Itself,
        }
    }

    /// Enters a subject as a snapshot kept it: its latest stretch is found again when it is needed.
    pub fn restore(&mut self, hash: RouteHash, customer: u32) {
        let nowhere = Instant::default();
        self.push(Subject {
            hash,
            customer,
            stretch: NONE,
            active: Period { start: nowhere, end: nowhere },
            period_end: nowhere,
            plan: PlanIdx::default(),
            partial: Partial::No,
        });
    }

    /// Enters a customer as a snapshot kept it.
    pub fn restore_customer(&mut self, customer: Customer) {
        let number = next_index(self.customers.len());
        if let Some(slot) = customer.declared.and_then(|declared| self.declared.get_mut(declared.at())) {
            *slot = number;
        }
        self.customers.push(customer);
    }

    /// Every customer of this shard with the hash of a subject: those of its subjects, and those that had one before the catalog
    /// changed. A customer may come several times.
    pub fn owners(&self) -> impl Iterator<Item = (u32, RouteHash)> {
        self.subjects.iter().map(|subject| (subject.customer, subject.hash)).chain(self.former.iter().copied())
    }

    /// The customers of the catalog that are known here.
    pub fn known_declared(&self) -> impl Iterator<Item = CustomerIdx> {
        self.customers.iter().filter_map(|customer| customer.declared)
    }

    /// Goes on under another plan, which knows at least the same customers. `changed` says whose plans have changed, by
    /// customer; `claims` are subjects whose owner may have. Their next event finds them.
    pub fn replan(&mut self, plan: &RatingPlan, changed: &[bool], claims: &[RouteHash]) {
        self.declared.resize(plan.catalog().customers.len(), NONE);
        if changed.contains(&true) {
            for number in 0..next_index(self.subjects.len()) {
                let Some(subject) = self.subjects.get_mut(number) else { continue };
                if changed.get(at(subject.customer)) == Some(&true) {
                    subject.stretch = NONE;
                }
            }
        }
        let mut left = false;
        for hash in claims {
            let is_it = |number: &u32| self.subjects.get(*number).is_some_and(|subject| subject.hash == *hash);
            let Some(number) = self.index.numbers(high_half(*hash)).find(is_it) else { continue };
            let Some(customer) = self.subjects.get(number).map(|subject| subject.customer) else { continue };
            let stays = self.customers.get(at(customer)).is_some_and(|c| Subjects::owner(c) == plan.owner(*hash));
            if let Some(subject) = self.subjects.get_mut(number).filter(|_| !stays && customer != NONE) {
                (subject.customer, subject.stretch) = (NONE, NONE);
                left = true;
            }
        }
        if left {
            self.find_former(plan);
        }
    }

    /// Finds the customers to whom no subject leads.
    pub fn find_former(&mut self, plan: &RatingPlan) {
        let mut led_to = vec![false; self.customers.len()];
        for subject in self.subjects.iter() {
            if let Some(slot) = led_to.get_mut(at(subject.customer)) {
                *slot = true;
            }
        }
        // Who is not declared has the name of its only subject; of others the hash means nothing.
        let left = (0_u32..).zip(&self.customers).zip(led_to).filter(|(_, led_to)| !led_to);
        self.former =
            left.map(|((number, customer), _)| (number, plan.key().route(self.name(customer).as_bytes()))).collect();
    }

    /// Gives a subject without a customer the one that it has now.
    #[cold]
    fn find_owner(&mut self, plan: &RatingPlan, number: u32, text: &str) {
        let Some(hash) = self.subjects.get(number).map(|subject| subject.hash) else { return };
        let customer = self.customer_for(plan, hash, text);
        self.subjects.get_mut(number).into_iter().for_each(|subject| subject.customer = customer);
    }

    fn enter(&mut self, plan: &RatingPlan, hash: RouteHash, text: &str) -> u32 {
        let customer = self.customer_for(plan, hash, text);
        self.restore(hash, customer);
        next_index(self.subjects.len().saturating_sub(1))
    }

    /// The number of the customer whose a subject's usage is; it is entered if it is new.
    fn customer_for(&mut self, plan: &RatingPlan, hash: RouteHash, text: &str) -> u32 {
        match plan.owner(hash) {
            Owner::Nobody(_) => NONE,
            Owner::Itself => {
                // A subject that was claimed and given up is the customer that it was before.
                let is_it = |number: u32| self.customers.get(at(number)).is_some_and(|c| c.declared.is_none());
                let before = self.former.iter().find(|(number, former)| *former == hash && is_it(*number));
                match before {
                    Some((number, _)) => *number,
                    None => self.new_customer(None, text),
                }
            }
            Owner::Declared(declared) => match self.declared.get(declared.at()) {
                Some(&known) if known != NONE => known,
                _ => {
                    let id = plan.catalog().customers.get(declared.at()).map_or("", |customer| customer.id.as_str());
                    let number = self.new_customer(Some(declared), id);
                    if let Some(slot) = self.declared.get_mut(declared.at()) {
                        *slot = number;
                    }
                    number
                }
            },
        }
    }

    fn new_customer(&mut self, declared: Option<CustomerIdx>, name: &str) -> u32 {
        let number = next_index(self.customers.len());
        let name_start = u64::try_from(self.names.len()).unwrap_or(u64::MAX);
        let name_len = u32::try_from(name.len()).expect("names are bounded by the limit of attributes");
        self.names.push_str(name);
        self.customers.push(Customer { declared, name_start, name_len, last_stretch: NONE });
        number
    }

    fn push(&mut self, subject: Subject) {
        self.index.insert(high_half(subject.hash), next_index(self.subjects.len()));
        self.subjects.push(subject);
    }
}

/// Routing took the low half of the hash modulo the shard count; the high half is still even inside a shard.
fn high_half(hash: RouteHash) -> u64 {
    u64::try_from(hash.0 >> 64).unwrap_or(0)
}
