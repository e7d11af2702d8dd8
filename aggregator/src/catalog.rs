//! What the archive needs of the catalog: names as dictionaries by charge, scale factors, and the JSON texts of groups and
//! cells.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow_array::ArrayRef;
use arrow_schema::ArrowError;
use weir_model::catalog::{Catalog, Charge, ChargeIdx};
use weir_model::number::{QUANTITY_SCALE_MAX, Quantity, Scale};
use weir_model::price::{CellIdx, Price};

use crate::columns::{dictionary, text_values};

/// The catalog's charges as columns.
pub(crate) struct Charges {
    catalog: Arc<Catalog>,
    pub(crate) plan: NameColumn,
    pub(crate) charge: NameColumn,
    pub(crate) meter: NameColumn,
    pub(crate) currency: NameColumn,
    scales: Vec<Scale>,
}

/// One name for each charge, as keys into the distinct names in their order.
pub(crate) struct NameColumn {
    keys: Vec<i32>,
    values: ArrayRef,
}

impl Charges {
    pub(crate) fn new(catalog: Arc<Catalog>) -> Charges {
        let plan_of = |charge: &Charge| catalog.plans.get(charge.plan.at());
        let meter_of = |charge: &Charge| catalog.meters.get(charge.meter.at());
        let column = |name: &dyn Fn(&Charge) -> Option<String>| {
            NameColumn::new(catalog.charges.iter().map(|charge| name(charge).unwrap_or_default()).collect())
        };
        let plan = column(&|charge| plan_of(charge).map(|plan| plan.name.clone()));
        let charge = column(&|charge| Some(charge.name.clone()));
        let meter = column(&|charge| meter_of(charge).map(|meter| meter.name.clone()));
        let currency = column(&|charge| plan_of(charge).map(|plan| plan.currency.code().to_owned()));
        let scales = catalog.charges.iter().map(|charge| meter_of(charge).map(|meter| meter.scale).unwrap_or_default());
        let scales = scales.collect();
        Charges { plan, charge, meter, currency, scales, catalog }
    }

    /// The charge, if the catalog has it.
    pub(crate) fn get(&self, charge: ChargeIdx) -> Option<&Charge> {
        self.catalog.charges.get(charge.at())
    }

    /// Decimals of the charge's meter.
    pub(crate) fn scale(&self, charge: ChargeIdx) -> Scale {
        self.scales.get(charge.at()).copied().unwrap_or_default()
    }

    /// A quantity of the charge's meter at 12 decimals; `None` if that is beyond 38 digits.
    pub(crate) fn widen(&self, charge: ChargeIdx, quantity: Quantity) -> Option<i128> {
        const LIMIT: i128 = 10_i128.pow(38);
        let factor = 10_i128.checked_pow(u32::from(QUANTITY_SCALE_MAX.checked_sub(self.scale(charge).decimals())?))?;
        let scaled = quantity.scaled().checked_mul(factor)?;
        (-LIMIT < scaled && scaled < LIMIT).then_some(scaled)
    }
}

impl NameColumn {
    fn new(names: Vec<String>) -> NameColumn {
        let distinct: BTreeSet<&str> = names.iter().map(String::as_str).collect();
        let values = text_values(&distinct);
        let ordered: Vec<&str> = distinct.into_iter().collect();
        let key = |name: &String| {
            let found = ordered.binary_search(&name.as_str()).ok();
            found.and_then(|position| i32::try_from(position).ok()).unwrap_or(-1)
        };
        NameColumn { keys: names.iter().map(key).collect(), values }
    }

    /// Rank of the charge's name among all.
    pub(crate) fn rank(&self, charge: ChargeIdx) -> u32 {
        u32::try_from(self.key(charge)).unwrap_or(0)
    }

    /// The names of `charges`.
    pub(crate) fn column(&self, charges: impl Iterator<Item = ChargeIdx>) -> Result<ArrayRef, ArrowError> {
        dictionary(charges.map(|charge| self.key(charge)).collect(), &self.values)
    }

    fn key(&self, charge: ChargeIdx) -> i32 {
        self.keys.get(charge.at()).copied().unwrap_or(-1)
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

/// Writes the matrix cell as a JSON object, `{}` for `otherwise`. [`Presence::Absent`] without a matrix. `Err`: no such
/// cell.
pub(crate) fn write_cell(out: &mut String, charge: &Charge, cell: CellIdx) -> Result<Presence, &'static str> {
    let Price::Matrix(matrix) = &charge.price else { return Ok(Presence::Absent) };
    let when = if cell == CellIdx::OTHERWISE {
        &[][..]
    } else {
        let position = usize::try_from(cell.0).ok();
        let found = position.and_then(|position| matrix.cells().get(position));
        &found.ok_or("a bucket's matrix has no such cell")?.when
    };
    let names = matrix.dimensions.iter().map(|dimension| dimension.name.as_str());
    write_object(out, names.zip(when.iter().map(String::as_str)));
    Ok(Presence::Present)
}

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
