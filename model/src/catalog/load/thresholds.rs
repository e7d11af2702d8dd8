//! `thresholds` of a plan: what is told when usage reaches an amount or a quantity.

use super::super::toml_reader::Item;
use super::super::{Charge, Threshold, ThresholdAt};
use super::meters::Meters;
use super::prices::amount;
use crate::number::{Amount, Quantity};

/// Reads all thresholds of a plan with these charges.
pub(super) fn read(item: &Item<'_>, charges: &[&Charge], meters: &Meters) -> Option<Vec<Threshold>> {
    let elements = item.array("[{ name = \"half\", amount = \"250.00\" }]")?;
    let mut thresholds: Vec<Threshold> = Vec::new();
    let mut complete = true;
    for element in &elements {
        match read_one(element, charges, meters) {
            Some(threshold) if thresholds.iter().any(|earlier| earlier.name == threshold.name) => {
                let reason = format!("the plan has two thresholds {:?}", threshold.name);
                element.error(reason, "give each threshold a name of its own");
            }
            Some(threshold) => thresholds.push(threshold),
            None => complete = false,
        }
    }
    complete.then_some(thresholds)
}

fn read_one(item: &Item<'_>, charges: &[&Charge], meters: &Meters) -> Option<Threshold> {
    let mut table = item.table()?;
    let name = table.required("name", "\"half\"").and_then(|item| item.text());
    let (amount_item, charge_item) = (table.optional("amount"), table.optional("charge"));
    let quantity_item = table.optional("quantity");
    table.finish();
    let at = match (amount_item, charge_item, quantity_item) {
        (Some(item), None, None) => {
            let at = amount(&item)?;
            if at <= Amount::ZERO {
                item.error(format!("must be above 0, not {at}"), "");
                return None;
            }
            ThresholdAt::Amount(at)
        }
        (None, Some(charge_item), Some(quantity_item)) => {
            let name = charge_item.text()?;
            let Some(charge) = charges.iter().find(|charge| charge.name == name) else {
                charge_item.error(format!("the plan has no charge {name:?}"), "name one of its charges");
                return None;
            };
            let scale = meters.list.get(charge.meter.at())?.scale;
            let decimal = quantity_item.decimal()?;
            match decimal.at_scale(scale.decimals()) {
                Ok(scaled) if scaled > 0 => {
                    ThresholdAt::Quantity { charge: name.to_owned(), quantity: Quantity::from_scaled(scaled) }
                }
                Ok(_) => {
                    quantity_item.error(format!("must be above 0, not {decimal}"), "");
                    return None;
                }
                Err(_) => {
                    let reason = format!("{decimal} does not fit the meter's scale, which is {}", scale.decimals());
                    quantity_item.error(reason, "");
                    return None;
                }
            }
        }
        _ => {
            item.error(
                "a threshold lies at an amount, or at a charge's quantity",
                "give amount, or charge and quantity",
            );
            return None;
        }
    };
    Some(Threshold { name: name?.to_owned(), at })
}
