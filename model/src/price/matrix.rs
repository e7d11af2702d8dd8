//! `matrix`: a price per combination of dimension values. Each cell is a bucket of its own.

use std::collections::HashMap;

use super::{CellPart, Price};
use crate::catalog::Dimension;
use crate::time::Instant;

/// Number of a cell: matrices and schedules number the cells below them depth first, in the catalog's order, `otherwise` last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CellIdx(pub u32);

impl CellIdx {
    /// The only cell of a price that has no cells.
    pub const ONLY: CellIdx = CellIdx(0);
}

/// A combination and its price.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MatrixCell {
    /// One value for each of the matrix's dimensions.
    pub when: Vec<String>,
    /// Its price; no matrix.
    pub price: Price,
}

/// A price per combination.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Matrix {
    /// The dimensions that choose the cell.
    pub dimensions: Vec<Dimension>,
    /// The cells, in the catalog's order.
    cells: Vec<MatrixCell>,
    /// Position by combination.
    by_values: HashMap<Vec<String>, u32>,
    /// Price of all other combinations; `None`: they are unpriced.
    otherwise: Option<Box<Price>>,
    /// Number of the first cell of each entry, then of `otherwise`, then of what would follow.
    first_cells: Vec<u32>,
}

/// Why cells make no matrix.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MatrixError {
    /// The combination of this cell stands twice.
    Twice(usize),
    /// This cell has another number of values than there are dimensions, or its price is a matrix itself.
    Misfit(usize),
}

impl Matrix {
    /// Builds a matrix.
    pub fn new(
        dimensions: Vec<Dimension>,
        cells: Vec<MatrixCell>,
        otherwise: Option<Price>,
    ) -> Result<Matrix, MatrixError> {
        let is_matrix = |price: &Price| matches!(price, Price::Matrix(_)) || price.children().iter().any(|p| matches!(p, Price::Matrix(_)));
        let mut by_values = HashMap::with_capacity(cells.len());
        let mut first_cells = Vec::with_capacity(cells.len().saturating_add(2));
        let mut next = 0_u32;
        first_cells.push(next);
        for (i, cell) in cells.iter().enumerate() {
            let position = u32::try_from(i).map_err(|_| MatrixError::Misfit(i))?;
            if cell.when.len() != dimensions.len() || is_matrix(&cell.price) {
                return Err(MatrixError::Misfit(i));
            }
            if by_values.insert(cell.when.clone(), position).is_some() {
                return Err(MatrixError::Twice(i));
            }
            next = next.checked_add(cell.price.cells()).ok_or(MatrixError::Misfit(i))?;
            first_cells.push(next);
        }
        if let Some(price) = &otherwise {
            if is_matrix(price) {
                return Err(MatrixError::Misfit(cells.len()));
            }
            first_cells.push(next.checked_add(price.cells()).ok_or(MatrixError::Misfit(cells.len()))?);
        }
        Ok(Matrix { dimensions, cells, by_values, otherwise: otherwise.map(Box::new), first_cells })
    }

    /// The entries, in the catalog's order.
    pub fn entries(&self) -> &[MatrixCell] {
        &self.cells
    }

    /// The price of all other combinations.
    pub fn otherwise(&self) -> Option<&Price> {
        self.otherwise.as_deref()
    }

    /// The cell of a combination of values; absent values match only `otherwise`. `None`: unpriced.
    pub(super) fn cell<'v>(&self, value_of: &dyn Fn(u16) -> Option<&'v str>, at: Instant) -> Option<CellIdx> {
        let values = self.dimensions.iter().map(|dimension| value_of(dimension.slot).map(str::to_owned));
        let present: Option<Vec<String>> = values.collect();
        let named = present.and_then(|values| self.by_values.get(&values).copied());
        let position = named.and_then(|position| usize::try_from(position).ok()).unwrap_or(self.cells.len());
        let below = self.child(position)?.cell(value_of, at)?;
        Some(CellIdx(self.first_cells.get(position)?.checked_add(below.0)?))
    }

    pub(super) fn price(&self, cell: CellIdx) -> Option<(&Price, CellIdx)> {
        let position = self.position(cell)?;
        let below = cell.0.checked_sub(*self.first_cells.get(position)?)?;
        Some((self.child(position)?, CellIdx(below)))
    }

    pub(super) fn part(&self, cell: CellIdx) -> Vec<CellPart> {
        let when = self.position(cell).and_then(|position| self.cells.get(position)).map(|cell| &cell.when);
        let value = |i: usize| when.and_then(|when| when.get(i).cloned());
        let dimensions = self.dimensions.iter().enumerate();
        dimensions.map(|(i, dimension)| CellPart::Dimension(dimension.name.clone(), value(i))).collect()
    }

    pub(super) fn cells_below(&self) -> u32 {
        self.first_cells.last().copied().unwrap_or(0)
    }

    pub(super) fn children(&self) -> impl Iterator<Item = &Price> {
        self.cells.iter().map(|cell| &cell.price).chain(self.otherwise.as_deref())
    }

    fn position(&self, cell: CellIdx) -> Option<usize> {
        self.first_cells.partition_point(|first| *first <= cell.0).checked_sub(1)
    }

    fn child(&self, position: usize) -> Option<&Price> {
        self.cells.get(position).map(|cell| &cell.price).or_else(|| {
            if position == self.cells.len() { self.otherwise.as_deref() } else { None }
        })
    }
}
