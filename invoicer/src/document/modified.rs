//! Which charges can have a line in a period without usage of theirs.
//!
//! Owns: that a document costs as much as its own lines, however many charges its plan has. Does not own: the lines (`figures`).

use weir_model::catalog::{Catalog, ChargeIdx, PlanIdx};

/// By plan, the charges with a discount, a maximum or a minimum, in the plan's order. Made once for a catalog.
#[derive(Debug)]
pub struct Modified(Vec<Vec<ChargeIdx>>);

impl Modified {
    /// Those of a catalog.
    ///
    /// # Panics
    /// If a plan's charges are not in the catalog's order: lines are in both.
    pub fn of_catalog(catalog: &Catalog) -> Modified {
        let is_modified = |index: &&ChargeIdx| {
            let charge = catalog.charges.get(index.at());
            charge
                .is_some_and(|charge| charge.discount.is_some() || charge.maximum.is_some() || charge.minimum.is_some())
        };
        let plans = catalog.plans.iter().map(|plan| {
            assert!(plan.charges.is_sorted(), "plans have their charges in the catalog's order");
            plan.charges.iter().filter(is_modified).copied().collect()
        });
        Modified(plans.collect())
    }

    /// Those of a plan.
    pub(super) fn of(&self, plan: PlanIdx) -> &[ChargeIdx] {
        self.0.get(plan.at()).map_or(&[], Vec::as_slice)
    }
}
