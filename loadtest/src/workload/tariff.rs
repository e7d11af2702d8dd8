//! What is measured and what it costs: the charges of the one plan, and A(S) of their buckets in closed form.
//!
//! Owns: the kinds of prices that the meters go through, and their amounts as functions of the bucket's quantity, worked
//! out here by themselves: nothing is shared with the rater that they check. Does not own: the catalog's text (`catalog`).

use super::digits::AMOUNT_ONE;

/// Values of the dimension `region`; the empty one stands for events without it.
pub(super) const REGIONS: [&str; 3] = ["eu", "us", ""];

/// How a meter folds, and what its charges cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Kind {
    pub(super) aggregation: Aggregation,
    /// Decimals that the meter keeps.
    pub(super) scale: u32,
    /// Whether the charge has a bucket for each region.
    pub(super) grouped: bool,
    /// Free units, in whole ones.
    pub(super) allowance: i128,
    pub(super) price: Price,
    /// What becomes of late usage, for each charge of the meter.
    pub(super) policies: &'static [LatePolicy],
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Aggregation {
    Sum,
    Count,
}

/// What a charge does with usage of a sealed period.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LatePolicy {
    /// Billed on the next invoice.
    NextInvoice,
    /// Billed on a note of its own.
    Note,
    /// Refused: kept and listed, but not priced.
    Refuse,
}

/// Amounts are integers of 10^-18, quantities of tiers and packages whole units.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Price {
    Unit { amount: i128 },
    Graduated(&'static [Tier]),
    Package { size: i128, amount: i128, partial: Partial },
}

/// What a partial block costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Partial {
    Up,
    Prorate,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Tier {
    pub(super) up_to: Option<i128>,
    pub(super) unit_amount: i128,
    pub(super) flat_amount: i128,
}

const fn tier(up_to: Option<i128>, unit_amount: i128, flat_amount: i128) -> Tier {
    Tier { up_to, unit_amount, flat_amount }
}

const MILLI: i128 = AMOUNT_ONE / 1000;

/// Meter m is of kind m mod 5.
const KINDS: [Kind; 5] = [
    Kind {
        aggregation: Aggregation::Sum,
        scale: 3,
        grouped: true,
        allowance: 0,
        price: Price::Unit { amount: 7 * MILLI / 10 },
        policies: &[LatePolicy::NextInvoice],
    },
    Kind {
        aggregation: Aggregation::Count,
        scale: 0,
        grouped: false,
        allowance: 0,
        price: Price::Graduated(&[
            tier(Some(5), 500 * MILLI, 0),
            tier(Some(20), 300 * MILLI, 0),
            tier(None, 100 * MILLI, 0),
        ]),
        policies: &[LatePolicy::NextInvoice, LatePolicy::Refuse],
    },
    // The first tier's flat amount is P(0): owed without usage.
    Kind {
        aggregation: Aggregation::Sum,
        scale: 0,
        grouped: false,
        allowance: 0,
        price: Price::Graduated(&[
            tier(Some(1_000), 2 * MILLI, 1_500 * MILLI),
            tier(Some(8_000), 3 * MILLI / 2, 5_000 * MILLI),
            tier(None, MILLI, 0),
        ]),
        policies: &[LatePolicy::NextInvoice],
    },
    Kind {
        aggregation: Aggregation::Sum,
        scale: 0,
        grouped: false,
        allowance: 0,
        price: Price::Package { size: 700, amount: 110 * MILLI, partial: Partial::Up },
        policies: &[LatePolicy::Note],
    },
    // A seventh has no end: the one price here whose amounts are rounded.
    Kind {
        aggregation: Aggregation::Sum,
        scale: 2,
        grouped: false,
        allowance: 50,
        price: Price::Package { size: 7, amount: AMOUNT_ONE, partial: Partial::Prorate },
        policies: &[LatePolicy::NextInvoice],
    },
];

/// The kind of a meter.
#[inline]
pub(super) fn kind(meter: usize) -> &'static Kind {
    &KINDS[meter % KINDS.len()]
}

/// A charge of the plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Charge {
    /// Its name.
    pub name: String,
    /// The number of its meter.
    pub meter: usize,
    /// What becomes of late usage.
    pub policy: LatePolicy,
    pub(super) kind: &'static Kind,
    /// The first of its slots: one, or one for each region.
    first_slot: usize,
}

/// A charge's bucket within a customer and period, as a number: the charge and its group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slot {
    /// Index of the charge.
    pub charge: usize,
    /// The values it is grouped by, as the archive writes them; `None` for a charge without groups.
    pub group: Option<String>,
}

/// All charges.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tariff {
    charges: Vec<Charge>,
    slots: Vec<Slot>,
    /// For each meter, its first charge; and the number of charges at the end.
    first_charges: Vec<usize>,
}

impl Tariff {
    pub(super) fn new(meters: usize) -> Tariff {
        let mut tariff = Tariff { charges: Vec::new(), slots: Vec::new(), first_charges: Vec::new() };
        for meter in 0..meters {
            tariff.first_charges.push(tariff.charges.len());
            for policy in kind(meter).policies {
                tariff.add(meter, *policy);
            }
        }
        tariff.first_charges.push(tariff.charges.len());
        tariff
    }

    fn add(&mut self, meter: usize, policy: LatePolicy) {
        let (charge, first_slot, kind) = (self.charges.len(), self.slots.len(), kind(meter));
        let groups: Vec<Option<String>> = if kind.grouped {
            REGIONS.iter().map(|region| Some(format!(r#"{{"region":"{region}"}}"#))).collect()
        } else {
            vec![None]
        };
        self.slots.extend(groups.into_iter().map(|group| Slot { charge, group }));
        let mark = if policy == LatePolicy::Refuse { "-strict" } else { "" };
        self.charges.push(Charge { name: format!("c{meter}{mark}"), meter, policy, kind, first_slot });
    }

    /// The charges, in the catalog's order.
    pub fn charges(&self) -> &[Charge] {
        &self.charges
    }

    /// The slots of a customer's period.
    pub fn slots(&self) -> &[Slot] {
        &self.slots
    }

    /// The charge of a slot.
    #[inline]
    pub fn charge_at(&self, slot: usize) -> &Charge {
        &self.charges[self.slots[slot].charge]
    }

    /// The slot of a charge and group by their names.
    pub fn slot_named(&self, charge: &str, group: Option<&str>) -> Option<usize> {
        let named = |slot: &Slot| self.charges[slot.charge].name == charge && slot.group.as_deref() == group;
        self.slots.iter().position(named)
    }

    /// The charges of a meter, each with the slot that usage of the region falls into.
    #[inline]
    pub(super) fn slots_of(&self, meter: usize, region: usize) -> impl Iterator<Item = (&Charge, usize)> {
        let charges = &self.charges[self.first_charges[meter]..self.first_charges[meter + 1]];
        charges.iter().map(move |charge| (charge, charge.first_slot + if charge.kind.grouped { region } else { 0 }))
    }
}

impl Charge {
    /// Decimals of its quantities.
    pub fn scale(&self) -> u32 {
        self.kind.scale
    }

    /// What an event with this value adds to a bucket's quantity, at the meter's scale.
    #[inline]
    pub fn quantity(&self, value: u64) -> u64 {
        match self.kind.aggregation {
            Aggregation::Sum => value,
            Aggregation::Count => 1,
        }
    }

    /// A(S) of a bucket with this quantity, at 18 decimals.
    pub fn amount(&self, quantity: u64) -> i128 {
        let one = 10_i128.pow(self.kind.scale);
        let priced = (i128::from(quantity) - self.kind.allowance * one).max(0);
        match self.kind.price {
            Price::Unit { amount } => divide(priced * amount, one),
            Price::Graduated(tiers) => graduated(tiers, priced, one),
            Price::Package { size, amount, partial: Partial::Up } => (priced + size * one - 1) / (size * one) * amount,
            Price::Package { size, amount, partial: Partial::Prorate } => divide(priced * amount, size * one),
        }
    }

    /// Whether a customer with a period owes P(0) in it without usage.
    pub fn owes_without_usage(&self) -> bool {
        !self.kind.grouped && self.amount(0) != 0
    }
}

fn graduated(tiers: &[Tier], quantity: i128, one: i128) -> i128 {
    let (mut lower, mut amount) = (0, 0);
    // The first tier is entered even without usage.
    for tier in tiers {
        let reached = tier.up_to.map_or(quantity, |up_to| quantity.min(up_to * one));
        // Whole numbers of 10^-18 per step of the quantity.
        amount += (reached - lower) * (tier.unit_amount / one) + tier.flat_amount;
        if reached == quantity {
            break;
        }
        lower = reached;
    }
    amount
}

/// Half away from zero, of what is not negative.
fn divide(numerator: i128, denominator: i128) -> i128 {
    (numerator * 2 + denominator) / (denominator * 2)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workload::digits::decimal_text;

    #[test]
    fn amounts_by_hand() {
        let tariff = Tariff::new(5);
        for (charge, quantity, expected) in [
            ("c0", 0, "0"),
            ("c0", 1_500, "0.00105"),
            ("c1", 0, "0"),
            ("c1", 5, "2.5"),
            ("c1", 6, "2.8"),
            ("c1-strict", 21, "7.1"),
            ("c2", 0, "1.5"),
            ("c2", 1_000, "3.5"),
            ("c2", 1_001, "8.5015"),
            ("c2", 8_000, "19"),
            ("c2", 8_001, "19.001"),
            ("c3", 0, "0"),
            ("c3", 1, "0.11"),
            ("c3", 700, "0.11"),
            ("c3", 701, "0.22"),
            ("c4", 5_000, "0"),
            ("c4", 5_001, "0.001428571428571429"),
            ("c4", 5_700, "1"),
        ] {
            let found = tariff.charges().iter().find(|known| known.name == charge).unwrap();
            assert_eq!(decimal_text(found.amount(quantity), 18), expected, "{charge} of {quantity}");
        }
    }

    #[test]
    fn every_slot_has_a_name() {
        let tariff = Tariff::new(7);
        assert_eq!(tariff.charges().len(), 9);
        for (number, slot) in tariff.slots().iter().enumerate() {
            let name = &tariff.charges()[slot.charge].name;
            assert_eq!(tariff.slot_named(name, slot.group.as_deref()), Some(number));
        }
        assert_eq!(tariff.slot_named("c0", None), None);
        let of = |meter, region| tariff.slots_of(meter, region).map(|(_, slot)| slot).collect::<Vec<_>>();
        assert_eq!((of(0, 2), of(1, 2), of(2, 0)), (vec![2], vec![3, 4], vec![5]));
    }
}
