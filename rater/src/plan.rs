//! The catalog compiled for rating: which charges an event of a type meets under a plan, and whose usage a subject's is.

mod compiled;
mod segments;

pub use compiled::{CompiledCharge, Partial, Plain, Resource, SeriesOf};
pub use segments::SegmentPlan;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use weir_model::catalog::{Catalog, Charge, ChargeIdx, CustomerIdx, Plan, PlanIdx, TypeIdx};
use weir_model::hash::{HashKey, RouteHash};
use weir_model::number::Quantity;
use weir_model::verdict::UnpricedReason;

use crate::buckets::CHARGES_MAX;
use crate::event_view::EventView;

/// The catalog compiled for rating; shared by all shards.
#[derive(Debug)]
pub struct RatingPlan {
    catalog: Arc<Catalog>,
    key: HashKey,
    charges: Vec<CompiledCharge>,
    /// By plan, then by event type: the charges one of whose meters reads the type.
    routes: Vec<Vec<Vec<ChargeIdx>>>,
    /// By plan: what a close must know of it.
    dues: Vec<Dues>,
    /// Who claims a subject.
    claims: HashMap<RouteHash, CustomerIdx>,
    /// Subjects named like a customer who does not claim them.
    unclaimed_names: HashSet<RouteHash>,
    /// The plans of each declared customer, in order of time.
    segments: Vec<Vec<SegmentPlan>>,
    /// The default plan, of subjects that nobody claims.
    default_segments: Vec<SegmentPlan>,
    /// By an earlier and a later plan of some customer: which charge of the earlier a charge of the later continues.
    continued: HashMap<(PlanIdx, PlanIdx), HashMap<ChargeIdx, ChargeIdx>>,
}

/// What a close must know of a plan, so that it looks at no plan's charges once per customer.
#[derive(Debug, Default)]
struct Dues {
    /// The charges that owe P(0) without usage.
    owing: Vec<ChargeIdx>,
    /// Whether a period may owe something without usage: a fee, P(0) or a minimum.
    owes_anything: bool,
    /// Whether charges have buckets that must be looked at together.
    settles: bool,
}

/// A catalog that cannot be rated.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// Too many charges.
    #[error(
        "the catalog has {0} charges (customers with overrides have their own); at most {CHARGES_MAX} can be rated"
    )]
    TooManyCharges(usize),
}

/// Whose usage a subject is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owner {
    /// A customer of the catalog.
    Declared(CustomerIdx),
    /// A customer of the subject's own name, under the default plan.
    Itself,
    /// Nobody who has a plan.
    Nobody(UnpricedReason),
}

impl RatingPlan {
    /// Compiles a catalog. `key` must be the one that decoding used.
    pub fn compile(catalog: Arc<Catalog>, key: HashKey) -> Result<RatingPlan, PlanError> {
        if u32::try_from(catalog.charges.len()).map_or(true, |count| count >= CHARGES_MAX) {
            return Err(PlanError::TooManyCharges(catalog.charges.len()));
        }
        let mut claims = HashMap::new();
        for (index, customer) in (0_u32..).zip(&catalog.customers) {
            for subject in &customer.subjects {
                claims.insert(key.route(subject.as_bytes()), CustomerIdx(index));
            }
        }
        let names = catalog.customers.iter().map(|customer| key.route(customer.id.as_bytes()));
        let unclaimed_names = names.filter(|name| !claims.contains_key(name)).collect();
        let segments: Vec<Vec<SegmentPlan>> =
            catalog.customers.iter().map(|customer| segments::of_customer(&catalog, customer)).collect();
        let continued = segments::continued(&catalog, &segments);
        let charges = compiled::compile(&catalog);
        Ok(RatingPlan {
            key,
            routes: routes(&catalog),
            dues: dues(&catalog, &charges),
            charges,
            claims,
            unclaimed_names,
            segments,
            default_segments: segments::of_default(&catalog),
            continued,
            catalog,
        })
    }

    /// The catalog.
    pub fn catalog(&self) -> &Arc<Catalog> {
        &self.catalog
    }

    /// The deployment's key.
    pub fn key(&self) -> &HashKey {
        &self.key
    }

    /// Whose usage a subject's is.
    pub fn owner(&self, subject: RouteHash) -> Owner {
        let no_plan = Owner::Nobody(UnpricedReason::NoPlan);
        match self.claims.get(&subject) {
            Some(customer) if self.segments(Owner::Declared(*customer)).is_empty() => no_plan,
            Some(customer) => Owner::Declared(*customer),
            None if self.unclaimed_names.contains(&subject) => Owner::Nobody(UnpricedReason::SubjectNotClaimed),
            None if self.default_segments.is_empty() => no_plan,
            None => Owner::Itself,
        }
    }

    /// The charges that an event of a type meets under a plan.
    pub fn route(&self, plan: PlanIdx, event_type: TypeIdx) -> &[ChargeIdx] {
        let by_type = self.routes.get(plan.at()).map_or(&[][..], Vec::as_slice);
        by_type.get(event_type.at()).map_or(&[], Vec::as_slice)
    }

    /// The same plan without the usage of some charges: what is known of it comes by
    /// [`Shard::resume_buckets`](crate::Shard::resume_buckets).
    #[must_use]
    pub fn without(mut self, known: impl Fn(ChargeIdx) -> bool) -> RatingPlan {
        self.routes.iter_mut().flatten().for_each(|route| route.retain(|charge| !known(*charge)));
        self
    }

    /// Whether [`Shard::resume`](crate::Shard::resume) only adds up the usage of a charge, but for parts of periods.
    pub fn sums(&self, charge: ChargeIdx) -> bool {
        let (compiled, _) = self.charge(charge);
        compiled.is_deferred && compiled.is_plain()
    }

    /// Whether it is all the same when in a part of a period the usage of such a charge happened: it may come as one sum, by
    /// [`Shard::resume_sums`](crate::Shard::resume_sums).
    pub fn folds(&self, charge: ChargeIdx) -> bool {
        self.sums(charge) && !self.charge(charge).0.has_schedule
    }

    /// The charges of a plan that select an event, with its value there. Groups, cells and late usage are not looked at.
    pub fn usages<'p>(
        &'p self,
        plan: PlanIdx,
        event: EventView<'p>,
    ) -> impl Iterator<Item = (ChargeIdx, Quantity)> + use<'p> {
        let route = self.route(plan, event.event_type());
        route.iter().filter_map(move |index| Some((*index, event.observe(self.charge(*index).0)?.1)))
    }

    /// Appends the texts of an event that choose group and cell at a charge, so that different ones differ.
    pub fn push_choice(&self, charge: ChargeIdx, event: &EventView<'_>, bytes: &mut Vec<u8>) {
        event.push_texts(&self.charge(charge).0.combo_slots, bytes);
    }

    /// The charges of a plan that owe P(0) without usage.
    pub fn owing(&self, plan: PlanIdx) -> &[ChargeIdx] {
        self.dues.get(plan.at()).map_or(&[], |dues| &dues.owing)
    }

    /// Whether a period of a plan may owe something without usage: a fee, P(0) or a minimum.
    pub fn owes_anything(&self, plan: PlanIdx) -> bool {
        self.dues.get(plan.at()).is_some_and(|dues| dues.owes_anything)
    }

    /// Whether a plan has charges whose buckets must be looked at together at a close.
    pub fn settles(&self, plan: PlanIdx) -> bool {
        self.dues.get(plan.at()).is_some_and(|dues| dues.settles)
    }

    /// A charge, compiled and as the catalog has it.
    pub fn charge(&self, index: ChargeIdx) -> (&CompiledCharge, &Charge) {
        let compiled = self.charges.get(index.at()).zip(self.catalog.charges.get(index.at()));
        compiled.expect("charge numbers come from this catalog")
    }
}

fn dues(catalog: &Catalog, compiled: &[CompiledCharge]) -> Vec<Dues> {
    let of_plan = |plan: &Plan| {
        let charges = || {
            let both = |index: &ChargeIdx| Some((*index, catalog.charges.get(index.at())?, compiled.get(index.at())?));
            plan.charges.iter().filter_map(both)
        };
        let owing: Vec<ChargeIdx> =
            charges().filter(|(_, charge, _)| charge.owes_without_usage()).map(|(index, ..)| index).collect();
        let has_minimum = charges().any(|(_, charge, _)| charge.minimum.is_some());
        Dues {
            owes_anything: !plan.fees.is_empty() || !owing.is_empty() || has_minimum,
            settles: charges().any(|(_, _, compiled)| compiled.settles),
            owing,
        }
    };
    catalog.plans.iter().map(of_plan).collect()
}

fn routes(catalog: &Catalog) -> Vec<Vec<Vec<ChargeIdx>>> {
    let plans = catalog.plans.iter().map(|plan| {
        let mut by_type = vec![Vec::new(); catalog.event_types.len()];
        for index in &plan.charges {
            let Some(charge) = catalog.charges.get(index.at()) else { continue };
            let meters = std::iter::once(charge.meter).chain(charge.further.iter().map(|further| further.meter));
            for meter in meters.filter_map(|meter| catalog.meters.get(meter.at())) {
                // Two resources of a capacity charge may read one type: the event is still one usage.
                if let Some(route) = by_type.get_mut(meter.event_type.at()).filter(|route| !route.contains(index)) {
                    route.push(*index);
                }
            }
        }
        by_type
    });
    plans.collect()
}
