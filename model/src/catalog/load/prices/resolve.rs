//! From prices as they are written to prices that count integers of their charges' quantities, with the dimensions' slots.

use std::sync::Arc;

use super::super::super::toml_reader::Report;
use super::super::super::{Dimension, PriceVersion};
use super::super::dimensions;
use super::source::{
    CapacityTierSource, Literal, MatrixSource, Model, Part, PriceSource, ScheduleSource, StepSource, TierSource,
};
use crate::decimal::DecimalError;
use crate::number::{Amount, QUANTITY_LIMIT, QUANTITY_SCALE_MAX, Quantity, Scale};
use crate::price::{
    Capacity, CapacityTier, Dynamic, Graduated, Increments, Matrix, MatrixCell, MatrixError, Package, Percentage,
    Price, Schedule, Stairstep, Step, Tier, Tiers, Unit, Volume, Window,
};

/// What a price is brought to.
#[derive(Debug)]
pub(in super::super) struct Terms<'m> {
    /// The decimals that its quantities may have: the meter's.
    pub(in super::super) scale: Scale,
    /// How many integers of a priced quantity make one: a multiple of the scale's unit.
    pub(in super::super) unit: i128,
    /// `None`: any; for prices without a charge, which are checked and thrown away.
    pub(in super::super) dimensions: Option<&'m [Dimension]>,
    /// The meters of a capacity charge, each with its scale; `None`: any.
    pub(in super::super) resources: Option<Vec<(String, Scale)>>,
}

impl PriceSource {
    /// Terms that suit the price itself.
    pub(super) fn own_terms(&self) -> Terms<'static> {
        let needed = self.versions.iter().map(|version| version.price.decimals_needed()).max().unwrap_or(0);
        let scale = Scale::new(needed.min(QUANTITY_SCALE_MAX)).unwrap_or_default();
        Terms { scale, unit: scale.unit(), dimensions: None, resources: None }
    }

    /// All versions at a charge's terms; what does not fit them is reported.
    pub(super) fn resolve(&self, terms: &Terms<'_>, report: &Report) -> Option<Vec<PriceVersion>> {
        let resolver = Resolver { terms, report };
        let versions: Vec<_> = self
            .versions
            .iter()
            .map(|version| {
                let price = Arc::new(resolver.price(&version.price)?);
                Some(PriceVersion { effective_at: version.effective_at, mid_period: version.mid_period, price })
            })
            .collect();
        versions.into_iter().collect()
    }
}

struct Resolver<'r, 'm> {
    terms: &'r Terms<'m>,
    report: &'r Report,
}

impl Resolver<'_, '_> {
    fn price(&self, part: &Part) -> Option<Price> {
        let unit = self.terms.unit;
        let graduated = |tiers: &[TierSource]| Some(Graduated { tiers: self.tiers(tiers, part)?, unit });
        Some(match &part.model {
            Model::Unit { unit_amount, per } => {
                let per = self.optional(per.as_ref())?.unwrap_or(Quantity::from_scaled(unit));
                Price::Unit(Unit { unit_amount: *unit_amount, per, unit })
            }
            Model::Graduated(tiers) => Price::Graduated(graduated(tiers)?),
            Model::GraduatedPercentage(tiers) => Price::GraduatedPercentage(graduated(tiers)?),
            Model::Volume(tiers) => Price::Volume(Volume { tiers: self.tiers(tiers, part)?, unit }),
            Model::Stairstep(tiers) => Price::Stairstep(Stairstep { tiers: self.tiers(tiers, part)?, unit }),
            Model::Package { size, amount, partial } => {
                Price::Package(Package { size: self.quantity(size)?, amount: *amount, partial: *partial, unit })
            }
            Model::Percentage(source) => Price::Percentage(Percentage {
                rate: source.rate,
                fixed: source.fixed,
                min: source.min,
                max: source.max,
                free_events: source.free_events,
                free_amount: self.optional(source.free_amount.as_ref())?,
                unit,
            }),
            Model::Dynamic { multiplier } => Price::Dynamic(Dynamic { multiplier: *multiplier }),
            Model::Increments { connect, steps } => Price::Increments(self.increments(*connect, steps, part)?),
            Model::Capacity(tiers) => Price::Capacity(self.capacity(tiers, part)?),
            Model::Matrix(matrix) => Price::Matrix(self.matrix(matrix)?),
            Model::Schedule(schedule) => Price::Schedule(self.schedule(schedule)?),
        })
    }

    fn quantity(&self, literal: &Literal) -> Option<Quantity> {
        literal.at(self.terms, self.report)
    }

    fn optional(&self, literal: Option<&Literal>) -> Option<Option<Quantity>> {
        literal.map_or(Some(None), |literal| self.quantity(literal).map(Some))
    }

    fn tiers(&self, tiers: &[TierSource], part: &Part) -> Option<Tiers> {
        let tiers: Vec<_> = tiers
            .iter()
            .map(|tier| {
                let (up_to, per) = (self.optional(tier.up_to.as_ref()), self.optional(tier.per.as_ref()));
                Some(Tier { up_to: up_to?, unit_amount: tier.unit_amount, per: per?, flat_amount: tier.flat_amount })
            })
            .collect();
        let tiers = tiers.into_iter().collect::<Option<Vec<Tier>>>()?;
        Tiers::new(tiers).map_err(|error| self.report.error(&part.mark, error.to_string(), "")).ok()
    }

    fn increments(&self, connect: Amount, steps: &[StepSource], part: &Part) -> Option<Increments> {
        let steps: Vec<_> = steps
            .iter()
            .map(|step| {
                let (up_to, every) = (self.optional(step.up_to.as_ref()), self.quantity(&step.every));
                let per = self.optional(step.per.as_ref())?.unwrap_or(Quantity::from_scaled(self.terms.unit));
                Some(Step { up_to: up_to?, every: every?, unit_amount: step.unit_amount, per })
            })
            .collect();
        let steps = steps.into_iter().collect::<Option<Vec<_>>>()?;
        let bounds: Vec<_> = steps.iter().map(|step| step.up_to).collect();
        let increments = Increments::new(connect, steps);
        if increments.is_none() {
            self.report.error(&part.mark, why_no_steps(&bounds), "");
        }
        increments
    }

    fn capacity(&self, tiers: &[CapacityTierSource], part: &Part) -> Option<Capacity> {
        let resources = match &self.terms.resources {
            Some(resources) => resources.clone(),
            None => {
                let bounds = tiers.iter().flat_map(|tier| &tier.up_to).map(|(name, _)| name.clone());
                let mut names: Vec<String> = bounds.collect();
                names.sort_unstable();
                names.dedup();
                names.into_iter().map(|name| (name, self.terms.scale)).collect()
            }
        };
        let resolved: Vec<_> = tiers.iter().map(|tier| self.capacity_tier(tier, &resources)).collect();
        let resolved = resolved.into_iter().collect::<Option<Vec<_>>>()?;
        let capacity = Capacity::new(resources.into_iter().map(|(name, _)| name).collect(), resolved);
        if capacity.is_none() {
            let reason = "every tier but the last needs an `up_to`, and the last one has none";
            self.report.error(&part.mark, reason, "add a last tier with a flat_amount only");
        }
        capacity
    }

    fn capacity_tier(&self, tier: &CapacityTierSource, resources: &[(String, Scale)]) -> Option<CapacityTier> {
        let mut up_to = vec![None; resources.len()];
        for (name, bound) in &tier.up_to {
            let found = resources.iter().zip(&mut up_to).find(|((resource, _), _)| resource == name);
            let Some(((_, scale), slot)) = found else {
                let names: Vec<&str> = resources.iter().map(|(name, _)| name.as_str()).collect();
                let fix = super::super::super::toml_reader::one_of(name, &names);
                self.report.error(&bound.mark, format!("the charge's `meters` have no {name:?}"), fix);
                return None;
            };
            *slot = Some(bound.at_scale(*scale, self.report)?);
        }
        Some(CapacityTier { up_to, flat_amount: tier.flat_amount })
    }

    fn schedule(&self, source: &ScheduleSource) -> Option<Schedule> {
        let windows: Vec<_> = source
            .windows
            .iter()
            .map(|window| {
                let price = self.price(&window.price)?;
                Some(Window { days: window.days, from: window.from, to: window.to, price })
            })
            .collect();
        let otherwise = self.otherwise(source.otherwise.as_deref());
        let windows = windows.into_iter().collect::<Option<Vec<_>>>()?;
        // The reader refused schedules within schedules, and a text has no 2^32 prices.
        Schedule::new(source.zone.clone(), source.holidays.clone(), windows, otherwise?)
    }

    fn otherwise(&self, part: Option<&Part>) -> Option<Option<Price>> {
        part.map_or(Some(None), |part| self.price(part).map(Some))
    }

    fn matrix(&self, source: &MatrixSource) -> Option<Matrix> {
        let dimensions: Vec<_> = source
            .dimensions
            .iter()
            .map(|(name, mark)| {
                let Some(known) = self.terms.dimensions else {
                    return Some(Dimension { name: name.clone(), slot: 0 });
                };
                let found = known.iter().find(|dimension| dimension.name == *name).cloned();
                if found.is_none() {
                    let (reason, fix) = dimensions::unknown(name, known);
                    self.report.error(mark, reason, fix);
                }
                found
            })
            .collect();
        let mut cells = Vec::with_capacity(source.cells.len());
        let mut complete = true;
        for cell in &source.cells {
            match self.price(&cell.price) {
                Some(price) => cells.push(MatrixCell { when: cell.when.clone(), price }),
                None if self.report.is_full() => return None,
                None => complete = false,
            }
        }
        let otherwise = self.otherwise(source.otherwise.as_deref())?;
        let dimensions = dimensions.into_iter().collect::<Option<Vec<_>>>()?;
        if !complete {
            return None;
        }
        // The reader made every cell as wide as the dimensions and refused nested matrices: only doubles are left.
        let twice = match Matrix::new(dimensions, cells, otherwise) {
            Ok(matrix) => return Some(matrix),
            Err(MatrixError::Twice(position) | MatrixError::Misfit(position)) => source.cells.get(position),
        };
        if let Some(cell) = twice {
            let reason = format!("the combination ({}) stands here twice", cell.when.join(", "));
            self.report.error(&cell.mark, reason, "keep one of the cells");
        }
        None
    }
}

/// Why steps with these bounds are none.
fn why_no_steps(bounds: &[Option<Quantity>]) -> &'static str {
    match bounds.split_last() {
        None => "has no steps",
        Some((Some(_), _)) => "the last step must be open: leave out its `up_to`",
        Some((None, before)) if before.contains(&None) => "only the last step is open: add an `up_to` to the others",
        Some((None, before)) if !before.is_sorted_by(|a, b| a < b) => "each step must end above the one before it",
        Some(_) => "the steps' `per` have no common multiple that is small enough",
    }
}

impl Literal {
    /// The quantity at a charge's terms, exactly or not at all.
    pub(in super::super) fn at(&self, terms: &Terms<'_>, report: &Report) -> Option<Quantity> {
        let step = terms.unit.checked_div(terms.scale.unit())?;
        let quantity = self.at_scale(terms.scale, report)?;
        if step == 1 {
            return Some(quantity);
        }
        let scaled = quantity.scaled().checked_mul(step).filter(|scaled| *scaled < QUANTITY_LIMIT);
        if scaled.is_none() {
            let reason = format!("{} is too large for a quantity that is converted or weighted by time", self.decimal);
            report.error(&self.mark, reason, "");
        }
        scaled.map(Quantity::from_scaled)
    }

    /// The quantity at a meter's scale, exactly or not at all.
    pub(in super::super) fn at_scale(&self, scale: Scale, report: &Report) -> Option<Quantity> {
        let decimals = scale.decimals();
        let reason = match self.decimal.at_scale(decimals) {
            Ok(scaled) if scaled < QUANTITY_LIMIT => return Some(Quantity::from_scaled(scaled)),
            Err(DecimalError::TooFine(_)) => {
                format!("{} is finer than the meter's scale, which is {decimals}", self.decimal)
            }
            _ => format!("{} is too large for a quantity with {decimals} decimals", self.decimal),
        };
        report.error(&self.mark, reason, "");
        None
    }
}
