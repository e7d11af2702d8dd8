//! Matrices: cells that no charge's filters let events into, and combinations without a price.

use std::collections::{BTreeSet, HashMap};

use super::super::{Charge, Meter};
use super::{Priced, Warner};
use crate::price::{Matrix, MatrixCell, Price};

pub(super) fn lint(priced: &Priced<'_>, warner: &Warner<'_>) {
    let Some((charge, _)) = priced.uses.first() else { return };
    for (version, (of_first, mark)) in charge.versions.iter().zip(priced.marks).enumerate() {
        for (position, matrix) in matrices(&of_first.price).into_iter().enumerate() {
            if matrix.otherwise().is_none() {
                let reason = "has no `otherwise`: usage in any other combination is unpriced";
                warner.warn(mark, reason, "add otherwise = { model = ... }, or ignore this if it is meant");
            }
            // A price has the same matrices at every scale.
            let passes: Vec<Pass<'_>> = priced
                .uses
                .iter()
                .filter_map(|(charge, meter)| {
                    let version = charge.versions.get(version)?;
                    Some(Pass::new(charge, meter, matrices(&version.price).get(position)?))
                })
                .collect();
            let mut unreachable = unreachable(matrix, &passes);
            if let Some(first) = unreachable.next() {
                let more = unreachable.count();
                let others = if more == 0 { String::new() } else { format!(" and {more} more") };
                let whose = match priced.uses.as_slice() {
                    [(charge, _)] => format!("the filters of charge {:?} never reach", charge.name),
                    _ => "the filters of no charge reach".to_owned(),
                };
                let reason = format!("{whose} cell ({}){others}", first.when.join(", "));
                warner.warn(mark, reason, "delete the cell, or widen the filter");
            }
        }
    }
}

/// The matrices in a price, from the outside in.
fn matrices(price: &Price) -> Vec<&Matrix> {
    match price {
        Price::Matrix(matrix) => vec![matrix],
        Price::Schedule(_) => price.children().into_iter().flat_map(matrices).collect(),
        _ => Vec::new(),
    }
}

/// What a charge's filters let into a matrix: the values by position of the dimension; all, where there are none.
struct Pass<'c> {
    allowed: Vec<(usize, BTreeSet<&'c str>)>,
}

impl<'c> Pass<'c> {
    fn new(charge: &'c Charge, meter: &'c Meter, matrix: &Matrix) -> Pass<'c> {
        let mut allowed = Vec::new();
        for (position, dimension) in matrix.dimensions.iter().enumerate() {
            let terms = charge.filter.iter().chain(&meter.filter).filter(|term| term.slot == dimension.slot);
            allowed.extend(terms.map(|term| (position, term.values.iter().map(String::as_str).collect())));
        }
        Pass { allowed }
    }

    fn values(&self, position: usize) -> Option<&BTreeSet<&'c str>> {
        self.allowed.iter().find(|(at, _)| *at == position).map(|(_, values)| values)
    }

    fn lets_in(&self, cell: &MatrixCell) -> bool {
        let passes = |position: &usize, values: &BTreeSet<&str>| {
            cell.when.get(*position).is_some_and(|value| values.contains(value.as_str()))
        };
        self.allowed.iter().all(|(position, values)| passes(position, values))
    }
}

/// The cells that nothing passes to. Charges are looked up by a dimension that all of them filter, if there is one.
fn unreachable<'m>(matrix: &'m Matrix, passes: &[Pass<'m>]) -> impl Iterator<Item = &'m MatrixCell> {
    let common = (0..matrix.dimensions.len()).find(|at| passes.iter().all(|pass| pass.values(*at).is_some()));
    let mut by_value: HashMap<&str, Vec<&Pass<'_>>> = HashMap::new();
    if let Some(at) = common {
        for pass in passes {
            for value in pass.values(at).into_iter().flatten() {
                by_value.entry(value).or_default().push(pass);
            }
        }
    }
    matrix.entries().iter().filter(move |cell| match common.and_then(|at| cell.when.get(at)) {
        Some(value) => {
            let passes = by_value.get(value.as_str()).map(Vec::as_slice).unwrap_or_default();
            !passes.iter().any(|pass| pass.lets_in(cell))
        }
        None => !passes.iter().any(|pass| pass.lets_in(cell)),
    })
}
