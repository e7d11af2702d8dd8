//! Charges: filters and modifiers that do not do what they seem to.

use super::super::load::ChargePlace;
use super::super::{Charge, Meter};
use super::price::tiers;
use super::{Warner, lint_terms};
use crate::decimal::power_of_ten;
use crate::number::{AMOUNT_SCALE, Quantity};
use crate::price::{CellIdx, Leaf};

pub(super) fn lint(charge: &Charge, meter: &Meter, place: &ChargePlace, warner: &Warner<'_>) {
    lint_filter(charge, meter, place, warner);
    if let Some(rate) = charge.discount
        && Some(rate.scaled()) == power_of_ten(AMOUNT_SCALE)
    {
        warner.warn(place.at("discount"), "takes everything off", "write \"0.10\" for 10 %");
    }
    lint_maximum(charge, place, warner);
    lint_allowance(charge, meter, place, warner);
}

fn lint_filter(charge: &Charge, meter: &Meter, place: &ChargePlace, warner: &Warner<'_>) {
    let mark = place.at("filter");
    lint_terms(&charge.filter, mark, warner);
    for term in &charge.filter {
        let measured = meter.filter.iter().filter(|measured| measured.slot == term.slot);
        for measured in measured {
            if !term.values.iter().any(|value| measured.values.contains(value)) {
                let reason = format!("no event passes both this filter and that of meter {:?}", meter.name);
                warner.warn(mark, reason, "the two have no value in common");
            }
        }
    }
}

/// A maximum that is owed without usage already.
fn lint_maximum(charge: &Charge, place: &ChargePlace, warner: &Warner<'_>) {
    let Some(maximum) = charge.maximum.filter(|_| charge.is_single()) else { return };
    for version in &charge.versions {
        let at_zero = match version.price.leaf(CellIdx::ONLY) {
            Some(Leaf::Cumulative(price)) => price.at_zero(),
            Some(Leaf::Capacity(price)) => price.at_zero(),
            _ => continue,
        };
        if at_zero > maximum {
            let reason = format!("is below what is owed without any usage, which is {at_zero}");
            warner.warn(place.at("maximum"), reason, "raise it, or use a fee");
        }
    }
}

/// Tiers begin where the allowance ends: an allowance as large as a whole tier was probably meant to be part of it.
fn lint_allowance(charge: &Charge, meter: &Meter, place: &ChargePlace, warner: &Warner<'_>) {
    let Some(allowance) = charge.allowance else { return };
    let ladders = charge.versions.iter().filter_map(|version| tiers(&version.price));
    let first_bound = ladders.filter_map(|tiers| tiers.first().up_to).find(|end| *end <= allowance.quantity);
    if let Some(end) = first_bound {
        let text = |quantity: Quantity| in_units(charge, meter, quantity);
        let reason = format!(
            "frees {}, all that tier 1 holds ({}) or more, but tiers begin where the allowance ends",
            text(allowance.quantity),
            text(end)
        );
        warner.warn(place.at("allowance"), reason, "make the first tier free instead, or ignore this if it is meant");
    }
}

/// A priced quantity as people count it.
pub(super) fn in_units(charge: &Charge, meter: &Meter, quantity: Quantity) -> String {
    // Prices are brought to whole steps of the meter's last decimal.
    let step = charge.priced_unit(meter).ok().and_then(|unit| unit.checked_div(meter.scale.unit())).unwrap_or(1);
    let scaled = quantity.scaled().checked_div(step).unwrap_or(0);
    Quantity::from_scaled(scaled).to_text(meter.scale)
}
