//! Prices (rating.md 2): pure functions from a bucket's usage to its exact amount, each in a file of its own, with the
//! lines that explain the figure.
//!
//! A price counts quantities as integers. `unit` is how many of those make one priced unit: 10^scale of the meter, times
//! the microseconds of a time-weighted meter's `per`, times the denominator of a conversion. So `unit_amount x quantity /
//! unit` is the exact amount.

mod capacity;
mod dynamic;
mod graduated;
mod increments;
mod matrix;
mod package;
mod percentage;
mod schedule;
mod stairstep;
#[cfg(test)]
mod tests;
mod tier;
mod unit;
mod volume;

pub use capacity::{Capacity, CapacityTier};
pub use dynamic::Dynamic;
pub use graduated::Graduated;
pub use increments::{Increments, Step};
pub use matrix::{CellIdx, Matrix, MatrixCell, MatrixError};
pub use package::{Package, PartialBlock};
pub use percentage::Percentage;
pub use schedule::{Days, Schedule, Window};
pub use stairstep::Stairstep;
pub use tier::{Tier, TierError, Tiers};
pub use unit::Unit;
pub use volume::Volume;

use crate::number::{Amount, Exact, Overflow, Quantity, UnitAmount};
use crate::time::Instant;

/// A price for one charge, at its meter's scale.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Price {
    /// Quantity x unit amount.
    Unit(Unit),
    /// Each tier prices its own part.
    Graduated(Graduated),
    /// The tier reached prices everything.
    Volume(Volume),
    /// Blocks.
    Package(Package),
    /// The tier reached sets one flat amount.
    Stairstep(Stairstep),
    /// A part of each event's value, plus a fixed amount.
    Percentage(Percentage),
    /// Each tier takes its rate of its own part of the summed value: tiers whose unit amounts are rates.
    GraduatedPercentage(Graduated),
    /// The event brings its own amount.
    Dynamic(Dynamic),
    /// Each event is billed in blocks.
    Increments(Increments),
    /// The highest tier that any of several meters forces sets one flat amount.
    Capacity(Capacity),
    /// A price per combination of dimension values.
    Matrix(Matrix),
    /// A price per local time window.
    Schedule(Schedule),
}

/// What prices one bucket: a [`Price`] once matrix and schedule have chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Leaf<'a> {
    /// A function of the bucket's cumulative quantity.
    Cumulative(Cumulative<'a>),
    /// A sum over events.
    PerEvent(PerEvent<'a>),
    /// A function of several meters' quantities.
    Capacity(&'a Capacity),
}

/// A price that is a function of the cumulative quantity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cumulative<'a> {
    /// See [`Unit`].
    Unit(&'a Unit),
    /// See [`Graduated`].
    Graduated(&'a Graduated),
    /// See [`Price::GraduatedPercentage`].
    GraduatedPercentage(&'a Graduated),
    /// See [`Volume`].
    Volume(&'a Volume),
    /// See [`Package`].
    Package(&'a Package),
    /// See [`Stairstep`].
    Stairstep(&'a Stairstep),
}

/// A price that each event has for itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PerEvent<'a> {
    /// See [`Unit`]; per event where the charge rounds each.
    Unit(&'a Unit),
    /// See [`Percentage`].
    Percentage(&'a Percentage),
    /// See [`Dynamic`].
    Dynamic(&'a Dynamic),
    /// See [`Increments`].
    Increments(&'a Increments),
}

impl Cumulative<'_> {
    /// P(Q), exact. Below zero P(0) holds unless the price allows negative quantities.
    pub fn exact(&self, quantity: Quantity) -> Result<Exact, Overflow> {
        match self {
            Cumulative::Unit(price) => price.exact(quantity),
            Cumulative::Graduated(price) | Cumulative::GraduatedPercentage(price) => price.exact(quantity),
            Cumulative::Volume(price) => price.exact(quantity),
            Cumulative::Package(price) => price.exact(quantity),
            Cumulative::Stairstep(price) => price.exact(quantity),
        }
    }

    /// P(0): always a whole amount.
    pub fn at_zero(&self) -> Amount {
        match self {
            Cumulative::Unit(_) | Cumulative::Package(_) => Amount::ZERO,
            Cumulative::Graduated(price) | Cumulative::GraduatedPercentage(price) => price.tiers.first().flat_amount,
            Cumulative::Volume(price) => price.tiers.first().flat_amount,
            Cumulative::Stairstep(price) => price.tiers.first().flat_amount,
        }
    }

    /// The lines that explain P(Q); their amounts sum to it before rounding.
    pub fn lines(&self, quantity: Quantity) -> Result<Vec<PriceLine>, Overflow> {
        match self {
            Cumulative::Unit(price) => price.lines(quantity),
            Cumulative::Graduated(price) => price.lines(quantity),
            Cumulative::GraduatedPercentage(price) => {
                let mut lines = price.lines(quantity)?;
                for line in lines.iter_mut().filter(|line| line.kind == LineKind::Usage) {
                    line.kind = LineKind::Percentage;
                }
                Ok(lines)
            }
            Cumulative::Volume(price) => price.lines(quantity),
            Cumulative::Package(price) => price.lines(quantity),
            Cumulative::Stairstep(price) => price.lines(quantity),
        }
    }

    /// Scaled quantity of one priced unit.
    pub fn unit(&self) -> i128 {
        match self {
            Cumulative::Unit(price) => price.unit,
            Cumulative::Graduated(price) | Cumulative::GraduatedPercentage(price) => price.unit,
            Cumulative::Volume(price) => price.unit,
            Cumulative::Package(price) => price.unit,
            Cumulative::Stairstep(price) => price.unit,
        }
    }

    /// The tiers, of prices that have them.
    pub fn tiers(&self) -> Option<&Tiers> {
        match self {
            Cumulative::Unit(_) | Cumulative::Package(_) => None,
            Cumulative::Graduated(price) | Cumulative::GraduatedPercentage(price) => Some(&price.tiers),
            Cumulative::Volume(price) => Some(&price.tiers),
            Cumulative::Stairstep(price) => Some(&price.tiers),
        }
    }
}

impl PerEvent<'_> {
    /// What one event costs, exact. `own` is the amount that the event brings, zero if its meter reads none. All events of
    /// one price have one denominator.
    pub fn exact(&self, value: Quantity, own: Amount) -> Result<Exact, Overflow> {
        match self {
            PerEvent::Unit(price) => price.exact(value),
            PerEvent::Percentage(price) => price.exact(value),
            PerEvent::Dynamic(price) => price.exact(own),
            PerEvent::Increments(price) => price.exact(value),
        }
    }
}

impl Price {
    /// How many cells it has: 1 unless it is a matrix or a schedule.
    pub fn cells(&self) -> u32 {
        match self {
            Price::Matrix(matrix) => matrix.cells_below(),
            Price::Schedule(schedule) => schedule.cells_below(),
            _ => 1,
        }
    }

    /// Whether dimensions or the time of day choose among several prices.
    pub fn has_cells(&self) -> bool {
        matches!(self, Price::Matrix(_) | Price::Schedule(_))
    }

    /// The cell of an event at `at`, whose texts `value_of` gives by slot. `None`: unpriced.
    pub fn cell<'v>(&self, value_of: &dyn Fn(u16) -> Option<&'v str>, at: Instant) -> Option<CellIdx> {
        match self {
            Price::Matrix(matrix) => matrix.cell(value_of, at),
            Price::Schedule(schedule) => schedule.cell(value_of, at),
            _ => Some(CellIdx::ONLY),
        }
    }

    /// The price that holds in `cell`. `None`: there is no such cell.
    pub fn leaf(&self, cell: CellIdx) -> Option<Leaf<'_>> {
        Some(match self {
            Price::Matrix(matrix) => {
                let (price, cell) = matrix.price(cell)?;
                return price.leaf(cell);
            }
            Price::Schedule(schedule) => {
                let (price, cell) = schedule.price(cell)?;
                return price.leaf(cell);
            }
            Price::Unit(price) => Leaf::Cumulative(Cumulative::Unit(price)),
            Price::Graduated(price) => Leaf::Cumulative(Cumulative::Graduated(price)),
            Price::GraduatedPercentage(price) => Leaf::Cumulative(Cumulative::GraduatedPercentage(price)),
            Price::Volume(price) => Leaf::Cumulative(Cumulative::Volume(price)),
            Price::Package(price) => Leaf::Cumulative(Cumulative::Package(price)),
            Price::Stairstep(price) => Leaf::Cumulative(Cumulative::Stairstep(price)),
            Price::Percentage(price) => Leaf::PerEvent(PerEvent::Percentage(price)),
            Price::Dynamic(price) => Leaf::PerEvent(PerEvent::Dynamic(price)),
            Price::Increments(price) => Leaf::PerEvent(PerEvent::Increments(price)),
            Price::Capacity(price) => Leaf::Capacity(price),
        })
    }

    /// The prices right below a matrix or schedule, `otherwise` last; none below other prices.
    pub fn children(&self) -> Vec<&Price> {
        match self {
            Price::Matrix(matrix) => matrix.children().collect(),
            Price::Schedule(schedule) => schedule.children().collect(),
            _ => Vec::new(),
        }
    }

    /// All prices that are neither matrix nor schedule, in the order of their cells.
    pub fn leaves(&self) -> Vec<&Price> {
        let mut leaves = Vec::new();
        self.collect_leaves(&mut leaves);
        leaves
    }

    fn collect_leaves<'p>(&'p self, leaves: &mut Vec<&'p Price>) {
        match self {
            Price::Matrix(matrix) => matrix.children().for_each(|price| price.collect_leaves(leaves)),
            Price::Schedule(schedule) => schedule.children().for_each(|price| price.collect_leaves(leaves)),
            leaf => leaves.push(leaf),
        }
    }

    /// The text slots of the dimensions that choose its cells.
    pub fn slots(&self) -> Vec<u16> {
        let mut slots: Vec<u16> = match self {
            // No matrix stands in a matrix, however deep.
            Price::Matrix(matrix) => matrix.dimensions.iter().map(|dimension| dimension.slot).collect(),
            Price::Schedule(schedule) => schedule.children().flat_map(Price::slots).collect(),
            _ => Vec::new(),
        };
        slots.sort_unstable();
        slots.dedup();
        slots
    }

    /// The same price, whose dimensions stand in other text slots.
    #[must_use]
    pub fn with_slots(&self, renumber: &dyn Fn(u16) -> u16) -> Price {
        match self {
            Price::Matrix(matrix) => Price::Matrix(matrix.with_slots(renumber)),
            Price::Schedule(schedule) => Price::Schedule(schedule.with_slots(renumber)),
            leaf => leaf.clone(),
        }
    }

    /// Whether the time of day chooses a cell anywhere in it.
    pub fn has_schedule(&self) -> bool {
        match self {
            Price::Schedule(_) => true,
            Price::Matrix(matrix) => matrix.has_schedule(),
            _ => false,
        }
    }

    /// What leads to `cell`, from the outside in; empty for a price without cells.
    pub fn place(&self, cell: CellIdx) -> Vec<CellPart> {
        let (part, below) = match self {
            Price::Matrix(matrix) => (matrix.part(cell), matrix.price(cell)),
            Price::Schedule(schedule) => (schedule.part(cell), schedule.price(cell)),
            _ => return Vec::new(),
        };
        let rest = below.map(|(price, cell)| price.place(cell)).unwrap_or_default();
        part.into_iter().chain(rest).collect()
    }

    /// The model's name in catalogs.
    pub fn model(&self) -> &'static str {
        match self {
            Price::Unit(_) => "unit",
            Price::Graduated(_) => "graduated",
            Price::Volume(_) => "volume",
            Price::Package(_) => "package",
            Price::Stairstep(_) => "stairstep",
            Price::Percentage(_) => "percentage",
            Price::GraduatedPercentage(_) => "graduated_percentage",
            Price::Dynamic(_) => "dynamic",
            Price::Increments(_) => "increments",
            Price::Capacity(_) => "capacity",
            Price::Matrix(_) => "matrix",
            Price::Schedule(_) => "schedule",
        }
    }
}

/// One choice on the way to a cell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CellPart {
    /// A matrix's dimension and the value that its cell asks for; `None`: any that has no cell of its own.
    Dimension(String, Option<String>),
    /// A schedule's window, as the catalog states it; `None`: the time outside all windows.
    Window(Option<String>),
}

/// What a [`PriceLine`] stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LineKind {
    /// Quantity x unit amount.
    Usage,
    /// A tier's flat amount.
    Flat,
    /// Whole blocks x amount per block.
    Blocks,
    /// A rate of the summed value.
    Percentage,
    /// Amounts that events have for themselves.
    Events,
}

impl LineKind {
    /// The stable name in JSON: `usage`, `flat`, `blocks`, `percentage`, `events`.
    pub const fn code(self) -> &'static str {
        match self {
            LineKind::Usage => "usage",
            LineKind::Flat => "flat",
            LineKind::Blocks => "blocks",
            LineKind::Percentage => "percentage",
            LineKind::Events => "events",
        }
    }
}

/// One line of the explanation of an amount.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PriceLine {
    /// What it stands for.
    pub kind: LineKind,
    /// Which tier, from 1; `None` for prices without tiers.
    pub tier: Option<u32>,
    /// The part of the quantity that this line prices; for blocks the number of blocks x `unit`.
    pub quantity: Quantity,
    /// Per priced unit, or per block; the rate of a percentage; zero for a flat line.
    pub unit_amount: UnitAmount,
    /// Quantity that `unit_amount` buys; one priced unit unless given.
    pub per: Quantity,
    /// The line's amount, rounded to the amount scale.
    pub amount: Amount,
}
