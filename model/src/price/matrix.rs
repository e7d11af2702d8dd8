//! `matrix`: a price per combination of dimension values. Each cell is a bucket of its own.

use std::collections::BTreeMap;

use super::Price;
use crate::catalog::Dimension;

/// Position of a cell in its matrix.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CellIdx(pub u32);

impl CellIdx {
    /// The only cell of a price that is no matrix.
    pub const NONE: CellIdx = CellIdx(u32::MAX);
    /// The matrix's `otherwise`.
    pub const OTHERWISE: CellIdx = CellIdx(u32::MAX - 1);
}

/// A combination and its price.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MatrixCell {
    /// One value for each of the matrix's dimensions.
    pub when: Vec<String>,
    /// Its price; never a matrix.
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
    by_values: BTreeMap<Vec<String>, CellIdx>,
    /// Price of all other combinations; `None`: they are unpriced.
    otherwise: Option<Box<Price>>,
}

impl Matrix {
    /// Builds a matrix. `Err` is the position of a cell whose combination stands twice, has another number of values
    /// than there are dimensions, or whose price is a matrix itself.
    pub fn new(dimensions: Vec<Dimension>, cells: Vec<MatrixCell>, otherwise: Option<Price>) -> Result<Matrix, usize> {
        let mut by_values = BTreeMap::new();
        for (i, cell) in cells.iter().enumerate() {
            let index = u32::try_from(i).map(CellIdx).map_err(|_| i)?;
            let fits = cell.when.len() == dimensions.len() && !matches!(cell.price, Price::Matrix(_));
            if !fits || by_values.insert(cell.when.clone(), index).is_some() {
                return Err(i);
            }
        }
        if matches!(otherwise, Some(Price::Matrix(_))) {
            return Err(cells.len());
        }
        Ok(Matrix { dimensions, cells, by_values, otherwise: otherwise.map(Box::new) })
    }

    /// The cell of a combination of values; absent values never match a cell. `None`: unpriced.
    pub fn cell(&self, values: &[Option<&str>]) -> Option<CellIdx> {
        let present: Option<Vec<String>> = values.iter().map(|value| value.map(str::to_owned)).collect();
        let named = present.and_then(|values| self.by_values.get(&values).copied());
        named.or_else(|| self.otherwise.is_some().then_some(CellIdx::OTHERWISE))
    }

    /// The price in a cell.
    pub fn price(&self, cell: CellIdx) -> Option<&Price> {
        if cell == CellIdx::OTHERWISE {
            return self.otherwise.as_deref();
        }
        let position = usize::try_from(cell.0).ok()?;
        self.cells.get(position).map(|cell| &cell.price)
    }

    /// The cells, in the catalog's order.
    pub fn cells(&self) -> &[MatrixCell] {
        &self.cells
    }

    /// The price of all other combinations.
    pub fn otherwise(&self) -> Option<&Price> {
        self.otherwise.as_deref()
    }
}
