//! Prices (rating.md 2): pure functions from a bucket's quantity to its exact amount, each in a file of its own, with the
//! lines that explain the figure.
//!
//! A price counts quantities as integers of its meter's scale. `unit` is how many of those make one priced unit:
//! 10^scale, times the divisor of a conversion. So `unit_amount x quantity / unit` is the exact amount.

mod dynamic;
mod graduated;
mod matrix;
mod package;
#[cfg(test)]
mod tests;
mod tier;
mod unit;
mod volume;

pub use dynamic::Dynamic;
pub use graduated::Graduated;
pub use matrix::{CellIdx, Matrix, MatrixCell};
pub use package::{Package, PartialBlock};
pub use tier::{Tier, TierError, Tiers};
pub use unit::Unit;
pub use volume::Volume;

use crate::number::{Amount, Exact, Overflow, Quantity, UnitAmount};

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
    /// The event brings its own amount.
    Dynamic(Dynamic),
    /// A price per combination of dimension values.
    Matrix(Matrix),
}

/// What prices one bucket: a [`Price`] once a matrix has chosen its cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CellPrice<'a> {
    /// A function of the bucket's cumulative quantity.
    Cumulative(Cumulative<'a>),
    /// A sum over events, each bringing its amount.
    Dynamic(&'a Dynamic),
}

/// A price that is a function of the cumulative quantity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cumulative<'a> {
    /// See [`Unit`].
    Unit(&'a Unit),
    /// See [`Graduated`].
    Graduated(&'a Graduated),
    /// See [`Volume`].
    Volume(&'a Volume),
    /// See [`Package`].
    Package(&'a Package),
}

impl Cumulative<'_> {
    /// P(Q), exact. Below zero P(0) holds unless the price allows negative quantities.
    pub fn exact(&self, quantity: Quantity) -> Result<Exact, Overflow> {
        match self {
            Cumulative::Unit(price) => price.exact(quantity),
            Cumulative::Graduated(price) => price.exact(quantity),
            Cumulative::Volume(price) => price.exact(quantity),
            Cumulative::Package(price) => price.exact(quantity),
        }
    }

    /// The lines that explain P(Q); their amounts sum to it before rounding.
    pub fn lines(&self, quantity: Quantity) -> Result<Vec<PriceLine>, Overflow> {
        match self {
            Cumulative::Unit(price) => price.lines(quantity),
            Cumulative::Graduated(price) => price.lines(quantity),
            Cumulative::Volume(price) => price.lines(quantity),
            Cumulative::Package(price) => price.lines(quantity),
        }
    }
}

impl Price {
    /// The price that holds in `cell`; only a matrix has more than one. `None`: the matrix has no such cell.
    pub fn in_cell(&self, cell: CellIdx) -> Option<CellPrice<'_>> {
        Some(match self {
            Price::Unit(price) => CellPrice::Cumulative(Cumulative::Unit(price)),
            Price::Graduated(price) => CellPrice::Cumulative(Cumulative::Graduated(price)),
            Price::Volume(price) => CellPrice::Cumulative(Cumulative::Volume(price)),
            Price::Package(price) => CellPrice::Cumulative(Cumulative::Package(price)),
            Price::Dynamic(price) => CellPrice::Dynamic(price),
            Price::Matrix(matrix) => return matrix.price(cell)?.in_cell(CellIdx::NONE),
        })
    }

    /// The model's name in catalogs.
    pub fn model(&self) -> &'static str {
        match self {
            Price::Unit(_) => "unit",
            Price::Graduated(_) => "graduated",
            Price::Volume(_) => "volume",
            Price::Package(_) => "package",
            Price::Dynamic(_) => "dynamic",
            Price::Matrix(_) => "matrix",
        }
    }
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
    /// Amounts that events brought.
    Events,
}

impl LineKind {
    /// The stable name in JSON: `usage`, `flat`, `blocks`, `events`.
    pub const fn code(self) -> &'static str {
        match self {
            LineKind::Usage => "usage",
            LineKind::Flat => "flat",
            LineKind::Blocks => "blocks",
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
    /// The part of the quantity that this line prices, at the meter's scale; for blocks the number of blocks x `unit`.
    pub quantity: Quantity,
    /// Per priced unit, or per block; the flat amount of a flat line.
    pub unit_amount: UnitAmount,
    /// Quantity that `unit_amount` buys, in priced units (`per`); 1 unless given.
    pub per: Quantity,
    /// The line's amount, rounded to the amount scale.
    pub amount: Amount,
}
