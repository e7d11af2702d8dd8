//! A simulation as one HTML page that needs nothing else: styles and charts are inside, nothing is fetched, and it reads in
//! light and dark.
//!
//! Owns: how long bars are, and that amounts have two decimals here. The template (templates/simulation.html) escapes every value.

use std::collections::BTreeMap;

use anyhow::Result;
use askama::Template;
use weir_model::decimal::Decimal;
use weir_model::number::AMOUNT_SCALE;

use super::comparison::{Change, Comparison, CustomerChange, CustomerChanges};
use super::method::Method;
use super::page;
use crate::explain::trimmed;
use crate::table::grouped;

/// A hundredth at the scale of amounts.
const CENT: i128 = 10_i128.pow(16);
/// Charges with a bar; the table of the command line names more, JSON and CSV all.
const CHARGES_MAX: usize = 25;

#[derive(Template)]
#[template(path = "simulation.html")]
struct Page<'c> {
    comparison: &'c Comparison,
}

/// A bar of the chart of customers.
struct Bar {
    name: &'static str,
    count: String,
    /// Per cent of the widest.
    width: String,
    class: &'static str,
}

/// A charge and its two bars.
struct ChargeRow {
    name: String,
    old: String,
    new: String,
    old_width: String,
    new_width: String,
    difference: String,
    percent: String,
    class: &'static str,
    computed_from: &'static str,
}

/// The page.
pub fn html(comparison: &Comparison) -> Result<String> {
    Ok(Page { comparison }.render()?)
}

impl Page<'_> {
    fn totals(&self) -> [(&'static str, &BTreeMap<String, Change>); 2] {
        [("amounts", &self.comparison.amounts), ("invoiced", &self.comparison.invoiced)]
    }

    fn bands(customers: &CustomerChanges) -> Vec<Bar> {
        let most = customers.distribution.iter().map(|band| band.customers).max().unwrap_or(0);
        let bars = customers.distribution.iter().map(|band| Bar {
            name: band.change,
            count: page::count(band.customers),
            width: width(band.customers.into(), most.into()),
            class: match band.change {
                "unchanged" => "is-old",
                change if change.contains('-') && !change.contains('+') => "is-down",
                _ => "is-up",
            },
        });
        bars.collect()
    }

    fn charges(&self) -> BTreeMap<&str, Vec<ChargeRow>> {
        let mut by_currency: BTreeMap<&str, Vec<_>> = BTreeMap::new();
        for charge in &self.comparison.charges {
            by_currency.entry(&charge.currency).or_default().push(charge);
        }
        let rows = by_currency.into_iter().map(|(currency, charges)| {
            let charges = charges.into_iter().take(CHARGES_MAX);
            let amounts = charges.clone().flat_map(|charge| [&charge.change.old, &charge.change.new]);
            let most = amounts.map(|amount| magnitude(amount)).max().unwrap_or(0);
            let row = |charge: &super::comparison::ChargeChange| ChargeRow {
                name: format!("{} / {}", charge.plan, charge.charge),
                old: Self::money(&charge.change.old),
                new: Self::money(&charge.change.new),
                old_width: width(magnitude(&charge.change.old), most),
                new_width: width(magnitude(&charge.change.new), most),
                difference: Self::signed(&charge.change.difference),
                percent: Self::percent(&charge.change),
                class: Self::direction(&charge.change),
                computed_from: charge.computed_from.map_or("gone", Method::name),
            };
            (currency, charges.map(row).collect())
        });
        rows.collect()
    }

    fn movers(customers: &CustomerChanges) -> Vec<(&'static str, &[CustomerChange])> {
        let both = [("Most up", customers.most_up.as_slice()), ("Most down", customers.most_down.as_slice())];
        both.into_iter().filter(|(_, movers)| !movers.is_empty()).collect()
    }

    fn reasons(&self) -> Vec<String> {
        page::reasons(&self.comparison.charges)
    }

    fn direction(change: &Change) -> &'static str {
        match trimmed(&change.difference) {
            "0" => "soft",
            difference if difference.starts_with('-') => "down",
            _ => "up",
        }
    }

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "a template hands over references")]
    fn grouped(count: &u64) -> String {
        page::count(*count)
    }

    fn exact(text: &str) -> String {
        page::amount(text)
    }

    fn money(text: &str) -> String {
        grouped(&rounded(text))
    }

    fn signed(text: &str) -> String {
        page::with_sign(&rounded(text))
    }

    fn percent(change: &Change) -> String {
        change.percent.as_deref().map(page::with_sign).unwrap_or_default()
    }
}

/// An amount with two decimals, half away from zero: for the eye.
fn rounded(amount: &str) -> String {
    let decimal = Decimal::parse(amount.as_bytes());
    let scaled = decimal.and_then(|decimal| decimal.at_scale(AMOUNT_SCALE)).unwrap_or(0);
    let hundredths = scaled / (CENT / 2);
    let hundredths = i128::midpoint(hundredths, hundredths.signum());
    let digits = hundredths.unsigned_abs();
    let sign = if hundredths < 0 { "-" } else { "" };
    format!("{sign}{}.{:02}", digits / 100, digits % 100)
}

/// An amount's size at its scale: its bar's length, whatever its sign.
fn magnitude(amount: &str) -> u128 {
    Decimal::parse(amount.as_bytes()).and_then(|decimal| decimal.at_scale(AMOUNT_SCALE)).map_or(0, i128::unsigned_abs)
}

/// Per cent of the most, with one decimal; what is there at all is seen.
fn width(part: u128, most: u128) -> String {
    if part == 0 || most == 0 {
        return "0".to_owned();
    }
    let permille = part.checked_mul(1000).map_or_else(|| part / (most / 1000).max(1), |product| product / most).max(3);
    format!("{}.{}", permille / 10, permille % 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_for_the_eye() {
        for (amount, expected) in [
            ("0", "0.00"),
            ("12", "12.00"),
            ("0.005", "0.01"),
            ("0.0049999", "0.00"),
            ("-0.005", "-0.01"),
            ("-1.994", "-1.99"),
            ("99999999999999999999.999", "100000000000000000000.00"),
        ] {
            assert_eq!(rounded(amount), expected, "{amount}");
        }
    }

    #[test]
    fn bars_are_as_long_as_their_part() {
        for (part, most, expected) in [
            (0, 0, "0"),
            (0, 9, "0"),
            (9, 9, "100.0"),
            (1, 3, "33.3"),
            (1, 1_000_000, "0.3"),
            (u128::MAX, u128::MAX, "100.0"),
        ] {
            assert_eq!(width(part, most), expected, "{part} of {most}");
        }
    }
}
