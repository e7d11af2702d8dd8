//! Prices as they are written: checked in themselves, their quantities not yet at a meter's scale.

use std::collections::BTreeSet;
use std::rc::Rc;

use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::super::super::MidPeriod;
use super::super::super::toml_reader::Mark;
use super::super::PlacedCurrency;
use super::makeup::Makeup;
use crate::decimal::Decimal;
use crate::number::{Amount, UnitAmount};
use crate::price::{Days, PartialBlock};
use crate::time::Instant;

/// A price and its later versions.
#[derive(Debug)]
pub(in super::super) struct PriceSource {
    pub(super) mark: Mark,
    /// By `effective_at`; the first one has none.
    pub(super) versions: Vec<VersionSource>,
    /// By version.
    pub(super) makeup: Rc<[Makeup]>,
}

/// A complete price and when it takes effect.
#[derive(Debug)]
pub(super) struct VersionSource {
    pub(super) effective_at: Option<Instant>,
    pub(super) mid_period: MidPeriod,
    pub(super) currency: Option<PlacedCurrency>,
    pub(super) price: Part,
}

/// A price without a scale: a version's, a cell's or a window's.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) mark: Mark,
    pub(super) model: Model,
}

/// The price models, as written.
#[derive(Debug)]
pub(super) enum Model {
    Unit { unit_amount: UnitAmount, per: Option<Literal> },
    Graduated(Vec<TierSource>),
    GraduatedPercentage(Vec<TierSource>),
    Volume(Vec<TierSource>),
    Stairstep(Vec<TierSource>),
    Package { size: Literal, amount: UnitAmount, partial: PartialBlock },
    Percentage(Box<PercentageSource>),
    Dynamic { multiplier: UnitAmount },
    Increments { connect: Amount, steps: Vec<StepSource> },
    Capacity(Vec<CapacityTierSource>),
    Matrix(MatrixSource),
    Schedule(ScheduleSource),
}

/// A quantity without a scale.
#[derive(Debug)]
pub(in super::super) struct Literal {
    pub(in super::super) decimal: Decimal,
    pub(super) mark: Mark,
}

/// A tier without a scale. The unit amount of a percentage is its rate.
#[derive(Debug)]
pub(super) struct TierSource {
    pub(super) up_to: Option<Literal>,
    pub(super) unit_amount: UnitAmount,
    pub(super) per: Option<Literal>,
    pub(super) flat_amount: Amount,
}

/// A percentage without a scale.
#[derive(Debug)]
pub(super) struct PercentageSource {
    pub(super) rate: UnitAmount,
    pub(super) fixed: Amount,
    pub(super) min: Option<Amount>,
    pub(super) max: Option<Amount>,
    pub(super) free_events: Option<u64>,
    pub(super) free_amount: Option<Literal>,
}

/// A step of increments without a scale.
#[derive(Debug)]
pub(super) struct StepSource {
    pub(super) up_to: Option<Literal>,
    pub(super) every: Literal,
    pub(super) unit_amount: UnitAmount,
    pub(super) per: Option<Literal>,
}

/// A capacity's tier: bounds by resource.
#[derive(Debug)]
pub(super) struct CapacityTierSource {
    pub(super) up_to: Vec<(String, Literal)>,
    pub(super) flat_amount: Amount,
}

/// A matrix without a scale.
#[derive(Debug)]
pub(super) struct MatrixSource {
    /// Names of the dimensions, each with the place of its first mention.
    pub(super) dimensions: Vec<(String, Mark)>,
    pub(super) cells: Vec<CellSource>,
    pub(super) otherwise: Option<Box<Part>>,
}

/// A cell without a scale.
#[derive(Debug)]
pub(super) struct CellSource {
    pub(super) mark: Mark,
    /// In the order of the matrix's dimensions.
    pub(super) when: Vec<String>,
    pub(super) price: Part,
}

/// A schedule without a scale.
#[derive(Debug)]
pub(super) struct ScheduleSource {
    pub(super) zone: TimeZone,
    pub(super) holidays: BTreeSet<Date>,
    pub(super) windows: Vec<WindowSource>,
    pub(super) otherwise: Option<Box<Part>>,
}

/// A window without a scale.
#[derive(Debug)]
pub(super) struct WindowSource {
    pub(super) days: Days,
    pub(super) from: u16,
    pub(super) to: u16,
    pub(super) price: Part,
}

impl Part {
    /// The prices right below a matrix or schedule.
    fn below(&self) -> Box<dyn Iterator<Item = &Part> + '_> {
        match &self.model {
            Model::Matrix(matrix) => {
                Box::new(matrix.cells.iter().map(|cell| &cell.price).chain(matrix.otherwise.as_deref()))
            }
            Model::Schedule(schedule) => {
                Box::new(schedule.windows.iter().map(|window| &window.price).chain(schedule.otherwise.as_deref()))
            }
            _ => Box::new(std::iter::empty()),
        }
    }

    /// The decimals of the finest quantity in it.
    pub(super) fn decimals_needed(&self) -> u8 {
        let of = |literal: &Literal| literal.decimal.scale;
        let or_none = |literal: &Option<Literal>| literal.as_ref().map_or(0, of);
        let own = match &self.model {
            Model::Unit { per, .. } => or_none(per),
            Model::Graduated(tiers)
            | Model::GraduatedPercentage(tiers)
            | Model::Volume(tiers)
            | Model::Stairstep(tiers) => {
                tiers.iter().map(|tier| or_none(&tier.up_to).max(or_none(&tier.per))).max().unwrap_or(0)
            }
            Model::Package { size, .. } => of(size),
            Model::Percentage(percentage) => or_none(&percentage.free_amount),
            Model::Increments { steps, .. } => {
                let step = |step: &StepSource| or_none(&step.up_to).max(of(&step.every)).max(or_none(&step.per));
                steps.iter().map(step).max().unwrap_or(0)
            }
            Model::Capacity(tiers) => {
                tiers.iter().flat_map(|tier| &tier.up_to).map(|(_, bound)| of(bound)).max().unwrap_or(0)
            }
            Model::Dynamic { .. } | Model::Matrix(_) | Model::Schedule(_) => 0,
        };
        self.below().map(Part::decimals_needed).max().unwrap_or(0).max(own)
    }
}
