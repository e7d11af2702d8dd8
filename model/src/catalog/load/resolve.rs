//! From prices as they are written to prices at a meter's scale, with the dimensions' slots.

use super::super::toml_reader::Report;
use super::super::{Dimension, Meter};
use super::dimensions;
use super::prices::{Literal, MatrixSource, Model, PriceSource, TierSource};
use crate::number::{QUANTITY_LIMIT, QUANTITY_SCALE_MAX, Quantity, Scale};
use crate::price::{Dynamic, Graduated, Matrix, MatrixCell, MatrixError, Package, Price, Tier, Tiers, Unit, Volume};

/// What a price is brought to.
pub(super) struct Terms<'m> {
    scale: Scale,
    /// `None`: any dimension; for prices without a meter, which are checked and thrown away.
    dimensions: Option<&'m [Dimension]>,
}

impl<'m> Terms<'m> {
    /// The meter's terms; without one, the scale that the price itself needs.
    pub(super) fn of(meter: Option<&'m Meter>, price: &PriceSource) -> Terms<'m> {
        match meter {
            Some(meter) => Terms { scale: meter.scale, dimensions: Some(&meter.dimensions) },
            None => {
                let needed = price.decimals_needed().min(QUANTITY_SCALE_MAX);
                Terms { scale: Scale::new(needed).unwrap_or_default(), dimensions: None }
            }
        }
    }
}

impl PriceSource {
    /// The price at a meter's terms; what does not fit them is reported.
    pub(super) fn resolve(&self, terms: &Terms<'_>, report: &Report) -> Option<Price> {
        let unit = terms.scale.unit();
        Some(match &self.model {
            Model::Unit { unit_amount, per } => {
                let per = match per {
                    Some(per) => per.at_scale(terms.scale, report)?,
                    None => Quantity::from_scaled(unit),
                };
                Price::Unit(Unit { unit_amount: *unit_amount, per, unit })
            }
            Model::Graduated(tiers) => Price::Graduated(Graduated { tiers: self.tiers(tiers, terms, report)?, unit }),
            Model::Volume(tiers) => Price::Volume(Volume { tiers: self.tiers(tiers, terms, report)?, unit }),
            Model::Package { size, amount, partial } => {
                let size = size.at_scale(terms.scale, report)?;
                Price::Package(Package { size, amount: *amount, partial: *partial, unit })
            }
            Model::Dynamic { multiplier } => Price::Dynamic(Dynamic { multiplier: *multiplier }),
            Model::Matrix(matrix) => Price::Matrix(PriceSource::matrix(matrix, terms, report)?),
        })
    }

    fn tiers(&self, tiers: &[TierSource], terms: &Terms<'_>, report: &Report) -> Option<Tiers> {
        let at_scale = |literal: &Option<Literal>| match literal {
            Some(literal) => literal.at_scale(terms.scale, report).map(Some),
            None => Some(None),
        };
        let tiers: Vec<_> = tiers
            .iter()
            .map(|tier| {
                let (up_to, per) = (at_scale(&tier.up_to), at_scale(&tier.per));
                Some(Tier { up_to: up_to?, unit_amount: tier.unit_amount, per: per?, flat_amount: tier.flat_amount })
            })
            .collect();
        let tiers = tiers.into_iter().collect::<Option<Vec<Tier>>>()?;
        Tiers::new(tiers).map_err(|error| report.error(&self.mark, error.to_string(), "")).ok()
    }

    fn matrix(matrix: &MatrixSource, terms: &Terms<'_>, report: &Report) -> Option<Matrix> {
        let dimensions: Vec<_> = matrix
            .dimensions
            .iter()
            .map(|(name, mark)| {
                let Some(known) = terms.dimensions else {
                    return Some(Dimension { name: name.clone(), slot: 0 });
                };
                let found = known.iter().find(|dimension| dimension.name == *name).cloned();
                if found.is_none() {
                    let (reason, fix) = dimensions::unknown(name, known);
                    report.error(mark, reason, fix);
                }
                found
            })
            .collect();
        let cells: Vec<_> = matrix
            .cells
            .iter()
            .take_while(|_| !report.is_full())
            .map(|cell| Some(MatrixCell { when: cell.when.clone(), price: cell.price.resolve(terms, report)? }))
            .collect();
        let otherwise = match &matrix.otherwise {
            Some(otherwise) => Some(otherwise.resolve(terms, report)?),
            None => None,
        };
        let dimensions = dimensions.into_iter().collect::<Option<Vec<_>>>()?;
        let cells = cells.into_iter().collect::<Option<Vec<_>>>()?;
        // The reader made every cell as wide as the dimensions and refused nested matrices: only doubles are left.
        let twice = match Matrix::new(dimensions, cells, otherwise) {
            Ok(matrix) => return Some(matrix),
            Err(MatrixError::Twice(position) | MatrixError::Misfit(position)) => matrix.cells.get(position),
        };
        if let Some(cell) = twice {
            let values = cell.when.join(", ");
            report.error(&cell.mark, format!("the combination ({values}) stands here twice"), "keep one of the cells");
        }
        None
    }

    /// The decimals of the finest quantity in it.
    fn decimals_needed(&self) -> u8 {
        let decimals = |literal: &Option<Literal>| literal.as_ref().map_or(0, |literal| literal.decimal.scale);
        match &self.model {
            Model::Unit { per, .. } => decimals(per),
            Model::Graduated(tiers) | Model::Volume(tiers) => {
                tiers.iter().map(|tier| decimals(&tier.up_to).max(decimals(&tier.per))).max().unwrap_or(0)
            }
            Model::Package { size, .. } => size.decimal.scale,
            Model::Dynamic { .. } => 0,
            Model::Matrix(matrix) => {
                let cells = matrix.cells.iter().map(|cell| &cell.price);
                cells.chain(matrix.otherwise.as_deref()).map(PriceSource::decimals_needed).max().unwrap_or(0)
            }
        }
    }
}

impl Literal {
    /// The quantity at a meter's scale, exactly or not at all.
    pub(super) fn at_scale(&self, scale: Scale, report: &Report) -> Option<Quantity> {
        let decimals = scale.decimals();
        let reason = match self.decimal.at_scale(decimals) {
            Ok(scaled) if scaled < QUANTITY_LIMIT => return Some(Quantity::from_scaled(scaled)),
            Err(crate::decimal::DecimalError::TooFine(_)) => {
                format!("{} is finer than the meter's scale, which is {decimals}", self.decimal)
            }
            _ => format!("{} is too large for a quantity with {decimals} decimals", self.decimal),
        };
        report.error(&self.mark, reason, "");
        None
    }
}
