//! The catalog compiled for rating: which charges an event of a type meets under a plan, and how each prices it.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use weir_model::aggregation::Aggregation;
use weir_model::calendar::Periods;
use weir_model::catalog::{Catalog, Charge, ChargeIdx, CustomerIdx, FilterTerm, Meter, PlanIdx, TypeIdx};
use weir_model::charge::BucketRule;
use weir_model::hash::{HashKey, RouteHash};
use weir_model::number::{Amount, Overflow, Quantity};
use weir_model::price::{CellIdx, Price};
use weir_model::time::Instant;
use weir_model::verdict::UnpricedReason;

use crate::buckets::CHARGES_MAX;
use crate::curve::Curve;

/// The catalog compiled for rating; shared by all shards.
#[derive(Debug)]
pub struct RatingPlan {
    catalog: Arc<Catalog>,
    key: HashKey,
    charges: Vec<CompiledCharge>,
    /// By plan, then by event type: the charges whose meter reads the type.
    routes: Vec<Vec<Vec<ChargeIdx>>>,
    /// By plan: the charges that owe P(0) without usage.
    owing: Vec<Vec<ChargeIdx>>,
    /// Who claims a subject.
    claims: HashMap<RouteHash, CustomerIdx>,
    /// Subjects named like a customer who does not claim them.
    unclaimed_names: HashSet<RouteHash>,
    customer_periods: Vec<Option<Periods>>,
    default_periods: Option<Periods>,
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

/// One charge with all that rating an event needs.
#[derive(Debug)]
pub struct CompiledCharge {
    pub aggregation: Aggregation,
    /// Slot of the meter's value.
    pub value: Option<u16>,
    /// Slot of the text that unique_count counts.
    pub distinct: Option<u16>,
    /// Slot of the event's own amount, where the price asks for it.
    pub own: Option<u16>,
    /// The meter's filter and the charge's.
    pub filter: Vec<FilterTerm>,
    /// Text slots that decide group and cell; empty if there is only one bucket per period.
    pub combo_slots: Vec<u16>,
    /// One unit at the meter's scale.
    pub one: Quantity,
    /// Whether the bucket keeps an [`Extra`](crate::buckets::Extra).
    pub has_extra: bool,
    /// For a charge without matrix, its one cell; for a matrix, all of its cells, then `otherwise`.
    cells: Vec<CompiledCell>,
    pub hash: u64,
}

/// One cell of a charge.
#[derive(Debug)]
struct CompiledCell {
    /// The fast way, if there is one.
    curve: Option<Curve>,
    /// A(∅).
    without_usage: Result<Amount, Overflow>,
}

/// Whose usage a subject is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owner {
    /// A customer of the catalog, under its plan.
    Declared(CustomerIdx, PlanIdx),
    /// A customer of the subject's own name, under the default plan.
    Itself(PlanIdx),
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
        let customer_periods = catalog.customers.iter().map(|customer| {
            let plan = catalog.plans.get(customer.plan?.at())?;
            let account = catalog.accounts.get(customer.account.at())?;
            Some(Periods::new(plan.cycle, plan.anchor, customer.starts_on, account.time_zone.clone()))
        });
        let default_periods = catalog
            .default_plan
            .and_then(|plan| catalog.plans.get(plan.at()))
            .map(|plan| Periods::new(plan.cycle, plan.anchor, None, catalog.time_zone.clone()));
        Ok(RatingPlan {
            key,
            charges: catalog.charges.iter().map(|charge| CompiledCharge::compile(&catalog, charge)).collect(),
            routes: routes(&catalog),
            owing: owing(&catalog),
            claims,
            unclaimed_names,
            customer_periods: customer_periods.collect(),
            default_periods,
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
        match self.claims.get(&subject) {
            Some(customer) => match self.catalog.customers.get(customer.at()).and_then(|customer| customer.plan) {
                Some(plan) => Owner::Declared(*customer, plan),
                None => Owner::Nobody(UnpricedReason::NoPlan),
            },
            None if self.unclaimed_names.contains(&subject) => Owner::Nobody(UnpricedReason::SubjectNotClaimed),
            None => self.catalog.default_plan.map_or(Owner::Nobody(UnpricedReason::NoPlan), Owner::Itself),
        }
    }

    /// The billing periods of an owner; `None` for [`Owner::Nobody`].
    pub fn periods(&self, owner: Owner) -> Option<&Periods> {
        match owner {
            Owner::Declared(customer, _) => self.customer_periods.get(customer.at())?.as_ref(),
            Owner::Itself(_) => self.default_periods.as_ref(),
            Owner::Nobody(_) => None,
        }
    }

    /// Before this instant an owner has no plan; `None`: it always had one.
    pub fn starts_at(&self, owner: Owner) -> Option<Instant> {
        let Owner::Declared(customer, _) = owner else { return None };
        let starts_on = self.catalog.customers.get(customer.at())?.starts_on?;
        self.periods(owner).map(|periods| periods.starts_at(starts_on))
    }

    /// The charges that an event of a type meets under a plan.
    pub fn route(&self, plan: PlanIdx, event_type: TypeIdx) -> &[ChargeIdx] {
        let by_type = self.routes.get(plan.at()).map_or(&[][..], Vec::as_slice);
        by_type.get(event_type.at()).map_or(&[], Vec::as_slice)
    }

    /// The charges of a plan that owe P(0) without usage.
    pub fn owing(&self, plan: PlanIdx) -> &[ChargeIdx] {
        self.owing.get(plan.at()).map_or(&[], Vec::as_slice)
    }

    /// A charge, compiled and as the catalog has it.
    pub fn charge(&self, index: ChargeIdx) -> (&CompiledCharge, &Charge) {
        let compiled = self.charges.get(index.at()).zip(self.catalog.charges.get(index.at()));
        compiled.expect("charge numbers come from this catalog")
    }
}

impl CompiledCharge {
    fn compile(catalog: &Catalog, charge: &Charge) -> CompiledCharge {
        let meter: &Meter = catalog.meters.get(charge.meter.at()).expect("a charge's meter is in its catalog");
        let matrix = match &charge.price {
            Price::Matrix(matrix) => Some(matrix),
            _ => None,
        };
        let numbers: Vec<CellIdx> = match matrix {
            Some(matrix) => {
                let count = u32::try_from(matrix.cells().len()).unwrap_or(u32::MAX);
                (0..count).map(CellIdx).chain([CellIdx::OTHERWISE]).collect()
            }
            None => vec![CellIdx::NONE],
        };
        let brings_own = numbers
            .iter()
            .any(|cell| matches!(charge.rule(*cell), Some(BucketRule::Dynamic(_) | BucketRule::RoundedDynamic(_))));
        let groups = charge.group_by.iter().map(|dimension| dimension.slot);
        let cells = matrix.into_iter().flat_map(|matrix| &matrix.dimensions).map(|dimension| dimension.slot);
        CompiledCharge {
            aggregation: meter.aggregation,
            value: meter.value,
            distinct: meter.distinct,
            own: meter.amount.filter(|_| brings_own),
            filter: meter.filter.iter().chain(&charge.filter).cloned().collect(),
            combo_slots: groups.chain(cells).collect(),
            one: Quantity::from_scaled(meter.scale.unit()),
            has_extra: brings_own || !meter.aggregation.is_additive(),
            cells: numbers.into_iter().map(|cell| CompiledCell::compile(charge, cell)).collect(),
            hash: charge.hash,
        }
    }

    /// The curve of a cell's price, if it has one.
    pub fn curve(&self, cell: CellIdx) -> Option<&Curve> {
        self.cell(cell)?.curve.as_ref()
    }

    /// A(∅) of a bucket in `cell`.
    pub fn amount_without_usage(&self, cell: CellIdx) -> Result<Amount, Overflow> {
        self.cell(cell).ok_or(Overflow)?.without_usage
    }

    fn cell(&self, cell: CellIdx) -> Option<&CompiledCell> {
        match cell {
            CellIdx::NONE => self.cells.first(),
            CellIdx::OTHERWISE => self.cells.last(),
            CellIdx(number) => self.cells.get(crate::at(number)),
        }
    }
}

impl CompiledCell {
    fn compile(charge: &Charge, cell: CellIdx) -> CompiledCell {
        let curve = match charge.rule(cell) {
            Some(BucketRule::Cumulative(price)) => Curve::compile(charge, price),
            _ => None,
        };
        CompiledCell { curve, without_usage: charge.amount_without_usage(cell) }
    }
}

fn owing(catalog: &Catalog) -> Vec<Vec<ChargeIdx>> {
    let owes = |charge: &&ChargeIdx| catalog.charges.get(charge.at()).is_some_and(Charge::owes_without_usage);
    catalog.plans.iter().map(|plan| plan.charges.iter().filter(owes).copied().collect()).collect()
}

fn routes(catalog: &Catalog) -> Vec<Vec<Vec<ChargeIdx>>> {
    let plans = catalog.plans.iter().map(|plan| {
        let mut by_type = vec![Vec::new(); catalog.event_types.len()];
        for charge in &plan.charges {
            let meter = catalog.charges.get(charge.at()).and_then(|c| catalog.meters.get(c.meter.at()));
            if let Some(route) = meter.and_then(|meter| by_type.get_mut(meter.event_type.at())) {
                route.push(*charge);
            }
        }
        by_type
    });
    plans.collect()
}
