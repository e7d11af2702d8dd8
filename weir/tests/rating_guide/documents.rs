//! What a run comes to, as the guide writes it. Columns stand two spaces apart, however many more there are:
//!
//! ```text
//! ann  invoice  2026-09-01..2026-09-30                 total
//!   charge [group]              quantity  exact amount  billed
//!     - cell, tier 1            quantity  exact amount  share of what is billed
//!   charge: discount            -         exact amount  billed
//!   late 2026-08-01..2026-08-31 charge  quantity now  exact amount now  difference billed
//! unpriced  reason  2
//! ```

use std::fmt::Write;

use serde_json::Value;

use super::guide::cells;

/// A row with its columns two spaces apart.
pub fn squeezed(row: &str) -> String {
    cells(row).join("  ")
}

/// All documents in their order, then what was not billed.
pub fn text(report: &Value, invoices: &[Value]) -> String {
    let mut text = String::new();
    for invoice in invoices {
        let head = [&invoice["customer"]["id"], &invoice["kind"]].map(word);
        row(&mut text, "", &[&head[0], &head[1], &dates(&invoice["period"]), &word(&invoice["total"])]);
        for line in invoice["lines"].as_array().unwrap() {
            add_line(&mut text, invoice, line);
        }
    }
    for unpriced in report["unpriced_usage"].as_array().unwrap() {
        row(&mut text, "", &["unpriced", &word(&unpriced["reason"]), &unpriced["count"].to_string()]);
    }
    for count in ["duplicate", "conflict", "rejected", "unmetered", "late_refused"] {
        if report[count] != 0 {
            row(&mut text, "", &[count, &report[count].to_string()]);
        }
    }
    text
}

fn add_line(text: &mut String, invoice: &Value, line: &Value) {
    let late = match &line["late"] {
        Value::Null => String::new(),
        late => format!("late {} ", dates(&late["period"])),
    };
    let name = match word(&line["kind"]).as_str() {
        "usage" => format!("{}{}", word(&line["charge"]), group(line)),
        "fee" => format!("fee {}", word(&line["name"])),
        kind => format!("{}: {kind}", word(&line["charge"])),
    };
    let label = format!("{late}{name}{}", plan(invoice, line));
    let exact = [&line["exact_amount"], &line["exact_bound"]].into_iter().find(|exact| exact.is_string());
    let exact = exact.map_or_else(|| "-".to_owned(), trimmed);
    row(text, "  ", &[&label, &quantity(line), &exact, &word(&line["amount"])]);
    let details = line["details"].as_array().map(Vec::as_slice).unwrap_or_default();
    for detail in details.iter().filter(|detail| detail["cell"] != Value::Array(Vec::new())) {
        let tier = match &detail["tier"]["number"] {
            Value::Null => String::new(),
            number => format!(", tier {number}"),
        };
        let flat = if detail["kind"] == "flat" { ", flat" } else { "" };
        let label = format!("- {}{tier}{flat}", cell(&detail["cell"]));
        let figures = [&detail["quantity"], &detail["exact_amount"], &detail["amount"]];
        row(text, "    ", &[&label, &word(figures[0]), &trimmed(figures[1]), &word(figures[2])]);
    }
}

fn row(text: &mut String, indent: &str, columns: &[&str]) {
    writeln!(text, "{indent}{}", columns.join("  ")).unwrap();
}

/// A string as it is, nothing as `-`.
fn word(value: &Value) -> String {
    value.as_str().unwrap_or("-").to_owned()
}

/// A decimal without its last zeros.
fn trimmed(value: &Value) -> String {
    let text = word(value);
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

fn dates(period: &Value) -> String {
    format!("{}..{}", word(&period["first_on"]), word(&period["last_on"]))
}

/// The plan of a line, on a document of several.
fn plan(invoice: &Value, line: &Value) -> String {
    let plans = invoice["segments"].as_array().unwrap();
    match line["segment"].as_u64() {
        Some(number) if plans.len() > 1 => {
            format!(" ({})", word(&plans[usize::try_from(number).unwrap() - 1]["plan"]))
        }
        _ => String::new(),
    }
}

fn group(line: &Value) -> String {
    let value = |of: &Value| Some(word(&of["value"])).filter(|value| !value.is_empty()).unwrap_or("\"\"".to_owned());
    let values: Vec<String> = line["group"].as_array().unwrap().iter().map(value).collect();
    if values.is_empty() { String::new() } else { format!(" [{}]", values.join(", ")) }
}

fn quantity(line: &Value) -> String {
    let resources = line["resources"].as_array().map(Vec::as_slice).unwrap_or_default();
    if resources.is_empty() {
        return word(&line["quantity"]);
    }
    let each = resources.iter().map(|of| format!("{} {}", word(&of["resource"]), word(&of["quantity"])));
    each.collect::<Vec<_>>().join(", ")
}

fn cell(choices: &Value) -> String {
    let choice = |choice: &Value| {
        let value = if choice["dimension"].is_string() { &choice["value"] } else { &choice["window"] };
        value.as_str().unwrap_or("otherwise").to_owned()
    };
    choices.as_array().unwrap().iter().map(choice).collect::<Vec<_>>().join(" / ")
}
