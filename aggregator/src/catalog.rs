//! What the archive needs of the catalog: names by charge, scale factors, and the JSON texts of groups and cells.

use std::sync::Arc;

use weir_model::catalog::{Catalog, Charge, ChargeIdx, Meter, Plan};
use weir_model::charge::Measured;
use weir_model::number::{Overflow, QUANTITY_SCALE_MAX, Quantity};
use weir_model::price::{Capacity, CellIdx, CellPart, Leaf};

/// The catalog's charges.
pub(crate) struct Charges {
    catalog: Arc<Catalog>,
}

impl Charges {
    pub(crate) fn new(catalog: Arc<Catalog>) -> Charges {
        Charges { catalog }
    }

    /// The charge, if the catalog has it.
    pub(crate) fn get(&self, charge: ChargeIdx) -> Option<&Charge> {
        self.catalog.charges.get(charge.at())
    }

    /// Whether the charges of `before` are here, with their numbers, names, and what they group by.
    pub(crate) fn continues(&self, before: &Charges) -> bool {
        let (charges, before) = (&self.catalog.charges, &before.catalog.charges);
        let same = |(charge, before): (&Charge, &Charge)| {
            let [now, then] = [charge, before].map(|charge| charge.group_by.iter().map(|dimension| &dimension.name));
            charge.name == before.name && now.eq(then)
        };
        charges.len() >= before.len() && charges.iter().zip(before).all(same)
    }

    /// A charge's name.
    pub(crate) fn name(&self, charge: ChargeIdx) -> &str {
        self.get(charge).map_or("", |charge| charge.name.as_str())
    }

    /// The name of a charge's plan.
    pub(crate) fn plan(&self, charge: ChargeIdx) -> &str {
        self.plan_of(charge).map_or("", |plan| plan.name.as_str())
    }

    /// The code of a charge's currency.
    pub(crate) fn currency(&self, charge: ChargeIdx) -> &str {
        self.plan_of(charge).map_or("", |plan| plan.currency.code())
    }

    /// The name of a charge's first meter.
    pub(crate) fn meter(&self, charge: ChargeIdx) -> &str {
        self.meter_of(charge).map_or("", |meter| meter.name.as_str())
    }

    fn plan_of(&self, charge: ChargeIdx) -> Option<&Plan> {
        self.catalog.plans.get(self.get(charge)?.plan.at())
    }

    fn meter_of(&self, charge: ChargeIdx) -> Option<&Meter> {
        self.catalog.meters.get(self.get(charge)?.meter.at())
    }

    /// The capacity price of a charge that has one: the quantities of its resources do not add up.
    pub(crate) fn capacity(&self, charge: ChargeIdx) -> Option<&Capacity> {
        match self.get(charge)?.versions.first()?.price.leaf(CellIdx::ONLY)? {
            Leaf::Capacity(capacity) => Some(capacity),
            _ => None,
        }
    }

    /// How the quantities of the charge's events are written. `None`: the charge is not in the catalog.
    pub(crate) fn widening(&self, charge: ChargeIdx) -> Option<Widening> {
        if self.capacity(charge).is_some() {
            return Some(Widening::Resources);
        }
        let decimals = QUANTITY_SCALE_MAX.checked_sub(self.meter_of(charge)?.scale.decimals())?;
        Some(Widening::By(10_i128.checked_pow(u32::from(decimals))?))
    }

    /// A bucket's quantity at 12 decimals; `None` if that is beyond 38 digits, and for resources.
    pub(crate) fn quantity(&self, charge: ChargeIdx, measured: &Measured) -> Option<i128> {
        match measured {
            Measured::ByResource(_) => None,
            // A bucket's parts add up to what the shard has found to fit.
            _ => self.meter_of(charge)?.quantity_at_finest(measured.quantity().ok()?),
        }
    }

    /// A bucket's quantity as text; for resources each with its name, in the price's order.
    pub(crate) fn quantity_text(&self, charge: ChargeIdx, measured: &Measured) -> String {
        let Measured::ByResource(quantities) = measured else {
            let text = |meter: &Meter| meter.quantity_text(measured.quantity().unwrap_or_default());
            return self.meter_of(charge).map(text).unwrap_or_default();
        };
        let (Some(capacity), Some(charge)) = (self.capacity(charge), self.get(charge)) else { return String::new() };
        let meters = std::iter::once(charge.meter).chain(charge.further.iter().map(|further| further.meter));
        let meters = meters.filter_map(|meter| self.catalog.meters.get(meter.at()));
        let resources = capacity.resources.iter().zip(meters).zip(quantities);
        let texts = resources.map(|((name, meter), quantity)| format!("{name}={}", meter.quantity_text(*quantity)));
        texts.collect::<Vec<_>>().join(" ")
    }
}

/// What an event's quantity becomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Widening {
    /// As many times as much: at 12 decimals.
    By(i128),
    /// Nothing: resources do not add up.
    Resources,
}

impl Widening {
    /// The quantity at 12 decimals, if it has one; `Err` if that is beyond 38 digits.
    pub(crate) fn widen(self, quantity: Quantity) -> Result<Option<i128>, Overflow> {
        const LIMIT: i128 = 10_i128.pow(38);
        let Widening::By(factor) = self else { return Ok(None) };
        if let Ok(small) = i64::try_from(quantity.scaled()) {
            // The factor is at most 10^12.
            return Ok(Some(i128::from(small) * factor));
        }
        let scaled = quantity.scaled().checked_mul(factor).ok_or(Overflow)?;
        if -LIMIT < scaled && scaled < LIMIT { Ok(Some(scaled)) } else { Err(Overflow) }
    }
}

/// Writes the group as a JSON object, keys in the charge's order. [`Presence::Absent`] if the charge does not group.
/// `Err`: another number of values than the charge groups by.
pub(crate) fn write_group<S: AsRef<str>>(
    out: &mut String,
    charge: &Charge,
    values: &[S],
) -> Result<Presence, &'static str> {
    if charge.group_by.len() != values.len() {
        return Err("a bucket has another number of group values than its charge groups by");
    }
    let names = charge.group_by.iter().map(|dimension| dimension.name.as_str());
    write_object(out, names.zip(values.iter().map(AsRef::as_ref)));
    Ok(if values.is_empty() { Presence::Absent } else { Presence::Present })
}

/// Writes the cell of a price version as a JSON object: the values that chose a matrix's cell, none for `otherwise`, and
/// under `window` a schedule's window, `""` outside all of them. [`Presence::Absent`] for a price without cells. `Err`: no
/// such cell.
pub(crate) fn write_cell(
    out: &mut String,
    charge: &Charge,
    (version, cell): (u32, CellIdx),
) -> Result<Presence, &'static str> {
    let price = usize::try_from(version).ok().and_then(|version| charge.versions.get(version)).map(|v| &v.price);
    let price = price.filter(|price| price.leaf(cell).is_some()).ok_or("a bucket's price has no such cell")?;
    let place = price.place(cell);
    let members = place.iter().filter_map(|part| match part {
        CellPart::Dimension(name, value) => Some((name.as_str(), value.as_deref()?)),
        CellPart::Window(window) => Some((WINDOW, window.as_deref().unwrap_or_default())),
    });
    write_object(out, members);
    Ok(if place.is_empty() { Presence::Absent } else { Presence::Present })
}

/// Key of a schedule's window in the text of a cell.
const WINDOW: &str = "window";

/// Whether a bucket has such a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Presence {
    Present,
    Absent,
}

fn write_object<'a>(out: &mut String, members: impl Iterator<Item = (&'a str, &'a str)>) {
    out.clear();
    let mut before = '{';
    for (key, value) in members {
        out.push(before);
        write_text(out, key);
        out.push(':');
        write_text(out, value);
        before = ',';
    }
    if before == '{' {
        out.push(before);
    }
    out.push('}');
}

/// A JSON string. Most texts need no escape: they are copied.
fn write_text(out: &mut String, text: &str) {
    if text.bytes().any(|byte| byte < b' ' || byte == b'"' || byte == b'\\') {
        out.push_str(&serde_json::Value::from(text).to_string());
        return;
    }
    out.push('"');
    out.push_str(text);
    out.push('"');
}
