//! `matrix`: a price per combination of dimension values. Each cell is a bucket of its own.

use xxhash_rust::xxh3::xxh3_64_with_seed;

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
    /// The cells by hash of their values, then position: looking one up copies nothing.
    by_hash: Vec<(u64, u32)>,
    /// Price of all other combinations; `None`: they are unpriced.
    otherwise: Option<Box<Price>>,
    has_schedule: bool,
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
        let mut by_hash = Vec::with_capacity(cells.len());
        let mut first_cells = Vec::with_capacity(cells.len().saturating_add(2));
        let mut next = 0_u32;
        first_cells.push(next);
        for (i, cell) in cells.iter().enumerate() {
            let position = u32::try_from(i).map_err(|_| MatrixError::Misfit(i))?;
            if cell.when.len() != dimensions.len() || has_matrix(&cell.price) {
                return Err(MatrixError::Misfit(i));
            }
            by_hash.push((hash(cell.when.iter().map(String::as_str)), position));
            next = next.checked_add(cell.price.cells()).ok_or(MatrixError::Misfit(i))?;
            first_cells.push(next);
        }
        if let Some(price) = &otherwise {
            if has_matrix(price) {
                return Err(MatrixError::Misfit(cells.len()));
            }
            first_cells.push(next.checked_add(price.cells()).ok_or(MatrixError::Misfit(cells.len()))?);
        }
        let has_schedule = cells.iter().map(|cell| &cell.price).chain(&otherwise).any(Price::has_schedule);
        by_hash.sort_unstable();
        if let Some(twice) = first_twice(&by_hash, &cells) {
            return Err(MatrixError::Twice(twice));
        }
        Ok(Matrix { dimensions, cells, by_hash, has_schedule, otherwise: otherwise.map(Box::new), first_cells })
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
        let position = self.named(value_of).unwrap_or(self.cells.len());
        let below = self.child(position)?.cell(value_of, at)?;
        Some(CellIdx(self.first_cells.get(position)?.checked_add(below.0)?))
    }

    /// The position of the cell that names all of an event's values.
    fn named<'v>(&self, value_of: &dyn Fn(u16) -> Option<&'v str>) -> Option<usize> {
        let values = || self.dimensions.iter().map(|dimension| value_of(dimension.slot));
        if values().any(|value| value.is_none()) {
            return None;
        }
        let wanted = hash(values().flatten());
        let first = self.by_hash.partition_point(|(hash, _)| *hash < wanted);
        let same = self.by_hash.iter().skip(first).take_while(|(hash, _)| *hash == wanted);
        let mut positions = same.filter_map(|(_, position)| usize::try_from(*position).ok());
        positions.find(|position| {
            self.cells.get(*position).is_some_and(|cell| cell.when.iter().map(String::as_str).eq(values().flatten()))
        })
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

    /// The cells' prices have no slots: no matrix stands in a matrix.
    pub(super) fn with_slots(&self, renumber: &dyn Fn(u16) -> u16) -> Matrix {
        let mut matrix = self.clone();
        matrix.dimensions.iter_mut().for_each(|dimension| dimension.slot = renumber(dimension.slot));
        matrix
    }

    pub(super) fn has_schedule(&self) -> bool {
        self.has_schedule
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
        let otherwise = self.otherwise.as_deref().filter(|_| position == self.cells.len());
        self.cells.get(position).map(|cell| &cell.price).or(otherwise)
    }
}

fn has_matrix(price: &Price) -> bool {
    match price {
        Price::Matrix(_) => true,
        Price::Schedule(schedule) => schedule.children().any(has_matrix),
        _ => false,
    }
}

/// Hash of a combination of values: each value's seeds that of the next, so that where one ends matters.
fn hash<'v>(values: impl Iterator<Item = &'v str>) -> u64 {
    values.fold(0, |seed, value| xxh3_64_with_seed(value.as_bytes(), seed))
}

/// The first cell whose combination stands before it already.
fn first_twice(by_hash: &[(u64, u32)], cells: &[MatrixCell]) -> Option<usize> {
    let same_hash = by_hash.chunk_by(|(a, _), (b, _)| a == b).filter(|chunk| chunk.len() > 1);
    let twice = same_hash.flat_map(|chunk| {
        let positions: Vec<usize> = chunk.iter().filter_map(|(_, position)| usize::try_from(*position).ok()).collect();
        let when = |at: usize| cells.get(at).map(|cell| &cell.when);
        let repeats = |i: usize, at: usize| positions.iter().take(i).any(|earlier| when(*earlier) == when(at));
        let found: Vec<usize> =
            positions.iter().enumerate().filter(|(i, at)| repeats(*i, **at)).map(|(_, at)| *at).collect();
        found
    });
    twice.min()
}
