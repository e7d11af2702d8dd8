//! A simulation for people and for spreadsheets.

use std::collections::BTreeMap;

use crate::explain::trimmed;
use crate::table::{aligned, csv_field, grouped};

use super::comparison::{Change, ChargeChange, Comparison, CustomerChange, CustomerChanges};
use super::method::Method;

/// Charges and meters that the table lists; the other formats list them all.
const ROWS_MAX: usize = 40;
/// Characters of the longest bar.
const BAR_MAX: u64 = 40;

/// For people.
pub fn table(comparison: &Comparison) -> String {
    let Comparison { archive, old_catalog, new_catalog, charges, meters, .. } = comparison;
    let mut text = format!("  {archive} under another catalog\n\n");
    text.push_str(&aligned(&[
        vec!["run's catalog".into(), old_catalog.name.clone(), old_catalog.hash.clone()],
        vec!["other catalog".into(), new_catalog.name.clone(), new_catalog.hash.clone()],
    ]));
    text.push_str(&scope(comparison));
    text.push('\n');
    let mut rows = vec![head("", &[])];
    for (what, changes) in [("amounts", &comparison.amounts), ("invoiced", &comparison.invoiced)] {
        rows.extend(changes.iter().map(|(currency, change)| row(format!("{what} {currency}"), change, &[])));
    }
    text.push_str(&aligned(&rows));
    let mut rows = vec![head("by charge", &["computed from"])];
    rows.extend(charges.iter().take(ROWS_MAX).map(|charge| {
        let name = format!("{} / {} {}", charge.plan, charge.charge, charge.currency);
        row(name, &charge.change, &[computed_from(charge)])
    }));
    push_block(&mut text, &rows, charges.len());
    reasons(charges).iter().for_each(|reason| text.push_str(&format!("  {reason}\n")));
    let mut rows = vec![head("by meter", &[])];
    rows.extend(
        meters
            .iter()
            .take(ROWS_MAX)
            .map(|meter| row(format!("{} {}", meter.meter, meter.currency), &meter.change, &[])),
    );
    push_block(&mut text, &rows, meters.len());
    for (currency, customers) in &comparison.customers {
        text.push_str(&customers_block(currency, customers));
    }
    text.push_str(&losses(comparison));
    let rate = grouped(&format!("{:.0}", comparison.events_per_s));
    let events = grouped(&comparison.events.to_string());
    text.push_str(&format!("\n  {events} events, {:.2} s, {rate} events/s\n", comparison.elapsed_s));
    text
}

fn scope(comparison: &Comparison) -> String {
    let Comparison { from, until, customer, closes, .. } = comparison;
    let mut parts = vec![format!("closed through {}", closes.join(", "))];
    parts.extend(from.as_ref().map(|from| format!("periods from {from}")));
    parts.extend(until.as_ref().map(|until| format!("periods until {until}")));
    parts.extend(customer.as_ref().map(|customer| format!("customer {customer}")));
    format!("  {}\n", parts.join("; "))
}

fn head(first: &str, last: &[&str]) -> Vec<String> {
    let names = [first, "old", "new", "difference", "%"].into_iter().chain(last.iter().copied());
    names.map(str::to_owned).collect()
}

fn row(name: String, change: &Change, last: &[String]) -> Vec<String> {
    let figures = [amount(&change.old), amount(&change.new), signed(&change.difference), percent(change)];
    std::iter::once(name).chain(figures).chain(last.iter().cloned()).collect()
}

/// An amount, short and grouped.
pub fn amount(text: &str) -> String {
    grouped(trimmed(text))
}

/// A count, grouped.
pub fn count(count: u64) -> String {
    grouped(&count.to_string())
}

/// A difference with its sign.
fn signed(difference: &str) -> String {
    with_sign(trimmed(difference))
}

/// A figure with its sign, grouped.
pub fn with_sign(figure: &str) -> String {
    let text = grouped(figure);
    let is_zero = text.bytes().all(|byte| matches!(byte, b'0' | b'.'));
    if is_zero || text.starts_with('-') { text } else { format!("+{text}") }
}

fn percent(change: &Change) -> String {
    change.percent.as_deref().map(with_sign).unwrap_or_default()
}

fn computed_from(charge: &ChargeChange) -> String {
    charge.computed_from.map_or("gone", Method::name).to_owned()
}

fn push_block(text: &mut String, rows: &[Vec<String>], total: usize) {
    text.push('\n');
    text.push_str(&aligned(rows));
    if total > ROWS_MAX {
        text.push_str(&format!("  ... and {} more: --format csv or json lists them all\n", total - ROWS_MAX));
    }
}

/// How the charges were computed, and why not from less: one sentence each.
pub fn reasons(charges: &[ChargeChange]) -> Vec<String> {
    let mut by_reason: BTreeMap<(Method, Option<&str>), u64> = BTreeMap::new();
    for charge in charges {
        if let Some(method) = charge.computed_from {
            *by_reason.entry((method, charge.why)).or_default() += 1;
        }
    }
    let sentence = |((method, why), charges): ((Method, Option<&str>), u64)| {
        let why = why.map(|why| format!(", because {why}")).unwrap_or_default();
        let charges = if charges == 1 { "one charge".to_owned() } else { format!("{} charges", count(charges)) };
        format!("{}: {charges} from {}{why}", method.name(), method.meaning())
    };
    by_reason.into_iter().map(sentence).collect()
}

fn customers_block(currency: &str, customers: &CustomerChanges) -> String {
    let CustomerChanges { up, down, unchanged, distribution, most_up, most_down } = customers;
    let (up, down, unchanged) = (count(*up), count(*down), count(*unchanged));
    let mut text = format!("\n  customers in {currency}: {up} up, {down} down, {unchanged} unchanged\n");
    let most = distribution.iter().map(|band| band.customers).max().unwrap_or(0).max(1);
    let width = distribution.iter().map(|band| band.change.len()).max().unwrap_or(0);
    let digits = distribution.iter().map(|band| count(band.customers).len()).max().unwrap_or(0);
    for band in distribution {
        let bar = "#".repeat(usize::try_from((band.customers * BAR_MAX).div_ceil(most)).unwrap_or(0));
        let line = format!("    {:>width$}  {:>digits$}  {bar}", band.change, count(band.customers));
        text.push_str(&format!("{}\n", line.trim_end()));
    }
    for (name, movers) in [("most up", most_up), ("most down", most_down)].into_iter().filter(|(_, m)| !m.is_empty()) {
        let mut rows = vec![head(name, &["invoiced old", "new"])];
        rows.extend(movers.iter().map(|CustomerChange { customer, change, invoiced }| {
            row(customer.clone(), change, &[grouped(&invoiced.old), grouped(&invoiced.new)])
        }));
        text.push('\n');
        text.push_str(&aligned(&rows));
    }
    text
}

fn losses(comparison: &Comparison) -> String {
    let mut text = String::new();
    if !comparison.unpriced_usage.is_empty() {
        let head =
            ["unpriced under the other catalog (lost revenue)", "events", "quantity"].map(str::to_owned).to_vec();
        let rows = comparison.unpriced_usage.iter().map(|unpriced| {
            let quantity = unpriced.quantity.as_deref().map_or("does not fit".to_owned(), grouped);
            let meter = unpriced.meter.as_deref().unwrap_or("no meter");
            vec![format!("{}: {meter}", unpriced.reason), grouped(&unpriced.count.to_string()), quantity]
        });
        text.push('\n');
        text.push_str(&aligned(&std::iter::once(head).chain(rows).collect::<Vec<_>>()));
    }
    if comparison.rejected > 0 {
        let rejected = grouped(&comparison.rejected.to_string());
        text.push_str(&format!("\n  {rejected} archived events hold values that the other catalog's meters reject\n"));
    }
    text
}

/// For spreadsheets: one figure a record, told apart by `kind`.
pub fn csv(comparison: &Comparison) -> String {
    let mut text =
        String::from("kind,currency,plan,charge,meter,customer,old,new,difference,percent,computed_from,count\n");
    let mut record = |kind: &str, names: [&str; 5], change: Option<&Change>, last: [&str; 2]| {
        let figures = change.map(|change| {
            let percent = change.percent.as_deref().unwrap_or_default();
            format!("{},{},{},{percent}", change.old, change.new, change.difference)
        });
        let [currency, rest @ ..] = names;
        let names = rest.map(|name| if name.is_empty() { String::new() } else { csv_field(name) }).join(",");
        let figures = figures.unwrap_or_else(|| ",,,".to_owned());
        text.push_str(&format!("{kind},{currency},{names},{figures},{}\n", last.join(",")));
    };
    for (kind, changes) in [("amounts", &comparison.amounts), ("invoiced", &comparison.invoiced)] {
        changes.iter().for_each(|(currency, change)| record(kind, [currency, "", "", "", ""], Some(change), ["", ""]));
    }
    for charge in &comparison.charges {
        let names = [charge.currency.as_str(), &charge.plan, &charge.charge, &charge.meter, ""];
        record("charge", names, Some(&charge.change), [&computed_from(charge), ""]);
    }
    for meter in &comparison.meters {
        record("meter", [&meter.currency, "", "", &meter.meter, ""], Some(&meter.change), ["", ""]);
    }
    for (currency, customers) in &comparison.customers {
        for band in &customers.distribution {
            record("customers", [currency, "", band.change, "", ""], None, ["", &band.customers.to_string()]);
        }
        for (kind, movers) in [("most_up", &customers.most_up), ("most_down", &customers.most_down)] {
            for mover in movers {
                record(kind, [currency, "", "", "", &mover.customer], Some(&mover.change), ["", ""]);
                record(
                    &format!("{kind}_invoiced"),
                    [currency, "", "", "", &mover.customer],
                    Some(&mover.invoiced),
                    ["", ""],
                );
            }
        }
    }
    for unpriced in &comparison.unpriced_usage {
        let meter = unpriced.meter.as_deref().unwrap_or_default();
        record("unpriced", ["", "", unpriced.reason, meter, ""], None, ["", &unpriced.count.to_string()]);
    }
    text
}
