//! A quote as a table for people, JSON for programs (docs/quote-json.md), and CSV for spreadsheets.

use std::collections::BTreeMap;

use anyhow::Result;
use serde::Serialize;
use weir_invoicer::CellChoice;
use weir_model::number::Amount;

use super::{Figures, Quote, QuoteEvent, QuoteLine};
use crate::cli::Format;
use crate::table::{aligned, csv_field, grouped};

/// The quote in the wanted format.
pub(super) fn printed(quote: &Quote, format: Format) -> Result<String> {
    Ok(match format {
        Format::Table => table(quote),
        Format::Json => serde_json::to_string_pretty(&json(quote))? + "\n",
        Format::Csv => csv(quote),
    })
}

#[derive(Serialize)]
struct Json<'q> {
    price: &'q str,
    model: &'static str,
    version: u32,
    cell: &'q [CellChoice],
    quantity: Option<&'q str>,
    resources: BTreeMap<&'q str, &'q str>,
    from: Option<JsonFigures<'q>>,
    exact_amount: String,
    amount: String,
    currency: String,
    lines: Vec<JsonLine<'q>>,
    events: Vec<JsonEvent<'q>>,
}

#[derive(Serialize)]
struct JsonEvent<'q> {
    value: &'q str,
    exact_amount: String,
}

#[derive(Serialize)]
struct JsonFigures<'q> {
    quantity: Option<&'q str>,
    resources: BTreeMap<&'q str, &'q str>,
    exact_amount: String,
    amount: String,
}

#[derive(Serialize)]
struct JsonLine<'q> {
    kind: &'static str,
    tier: Option<u32>,
    quantity: Option<&'q str>,
    unit_amount: Option<String>,
    per: Option<&'q str>,
    exact_amount: String,
    amount: String,
}

fn json(quote: &Quote) -> Json<'_> {
    Json {
        price: &quote.price,
        model: quote.model,
        version: quote.version,
        cell: &quote.cell,
        quantity: quote.usage.quantity.as_deref(),
        resources: resources(&quote.usage),
        from: quote.before.as_ref().map(|before| JsonFigures {
            quantity: before.quantity.as_deref(),
            resources: resources(before),
            exact_amount: before.exact_amount.to_string(),
            amount: before.amount.to_decimal_text(),
        }),
        exact_amount: quote.exact_amount.to_string(),
        amount: quote.amount.to_decimal_text(),
        currency: quote.currency().to_string(),
        lines: quote.lines.iter().map(json_line).collect(),
        events: quote.events.iter().map(json_event).collect(),
    }
}

fn json_event(event: &QuoteEvent) -> JsonEvent<'_> {
    JsonEvent { value: &event.value, exact_amount: event.exact_amount.to_string() }
}

fn json_line(line: &QuoteLine) -> JsonLine<'_> {
    JsonLine {
        kind: line.kind,
        tier: line.tier,
        quantity: line.quantity.as_deref(),
        unit_amount: line.unit_amount.map(|unit_amount| unit_amount.to_string()),
        per: line.per.as_deref(),
        exact_amount: line.exact_amount.to_string(),
        amount: line.amount.to_decimal_text(),
    }
}

fn resources(figures: &Figures) -> BTreeMap<&str, &str> {
    figures.resources.iter().map(|(name, quantity)| (name.as_str(), quantity.as_str())).collect()
}

fn table(quote: &Quote) -> String {
    let mut rows = vec![
        ["", "tier", "quantity", "unit amount", "exact", &quote.currency().to_string()].map(str::to_owned).to_vec(),
    ];
    for line in &quote.lines {
        let quantity = line.quantity.as_deref().map(grouped).unwrap_or_default();
        let mut unit_amount = line.unit_amount.map(|amount| grouped(&amount.to_string())).unwrap_or_default();
        if let Some(per) = line.per.as_deref().filter(|per| *per != "1") {
            unit_amount += &format!(" per {}", grouped(per));
        }
        let tier = line.tier.map(|tier| tier.to_string()).unwrap_or_default();
        let (exact, amount) = (exact(line.exact_amount), grouped(&line.amount.to_decimal_text()));
        rows.push(vec![line.kind.to_owned(), tier, quantity, unit_amount, exact, amount]);
    }
    let blank = String::new;
    let total = grouped(&quote.amount.to_decimal_text());
    rows.push(vec!["total".to_owned(), blank(), blank(), blank(), blank(), total]);
    let mut text = format!("{}\n\n{}", headline(quote), aligned(&rows));
    if !quote.events.is_empty() {
        let mut rows = vec![["event", "value", "exact"].map(str::to_owned).to_vec()];
        for (number, event) in (1_usize..).zip(&quote.events) {
            rows.push(vec![number.to_string(), grouped(&event.value), grouped(&event.exact_amount.to_string())]);
        }
        text += &format!("\n{}", aligned(&rows));
    }
    text
}

/// What was priced: one sentence.
fn headline(quote: &Quote) -> String {
    let mut text = format!("{}: {}", quote.price, quote.model);
    if quote.version > 1 {
        text += &format!(", version {}", quote.version);
    }
    for choice in &quote.cell {
        text += &match choice {
            CellChoice::Dimension { dimension, value: Some(value) } => format!(", {dimension}={value}"),
            CellChoice::Dimension { dimension, value: None } => format!(", any other {dimension}"),
            CellChoice::Window { window: Some(window) } => format!(", {window}"),
            CellChoice::Window { window: None } => ", outside all windows".to_owned(),
        };
    }
    text += &format!(", {}", used(&quote.usage));
    if let Some(before) = &quote.before {
        text += &format!("; {} billed before, for {}", used(before), grouped(&before.amount.to_decimal_text()));
    }
    text
}

fn used(figures: &Figures) -> String {
    let resources = figures.resources.iter().map(|(name, quantity)| format!("{name} {}", grouped(quantity)));
    match &figures.quantity {
        Some(quantity) => format!("quantity {}", grouped(quantity)),
        None => resources.collect::<Vec<_>>().join(", "),
    }
}

/// An exact amount; what is nothing leaves the column empty.
fn exact(amount: Amount) -> String {
    if amount == Amount::ZERO { String::new() } else { grouped(&amount.to_string()) }
}

fn csv(quote: &Quote) -> String {
    let mut text = String::from("kind,tier,quantity,unit_amount,per,exact_amount,amount,currency\n");
    let currency = quote.currency().to_string();
    let mut row = |fields: [String; 7]| {
        let [kind, rest @ ..] = fields;
        text.push_str(&format!("{},{},{currency}\n", csv_field(&kind), rest.join(",")));
    };
    for line in &quote.lines {
        row([
            line.kind.to_owned(),
            line.tier.map(|tier| tier.to_string()).unwrap_or_default(),
            line.quantity.clone().unwrap_or_default(),
            line.unit_amount.map(|amount| amount.to_string()).unwrap_or_default(),
            line.per.clone().unwrap_or_default(),
            line.exact_amount.to_string(),
            line.amount.to_decimal_text(),
        ]);
    }
    let blank = String::new;
    let quantity = quote.usage.quantity.clone().unwrap_or_default();
    let (exact, amount) = (quote.exact_amount.to_string(), quote.amount.to_decimal_text());
    row(["total".to_owned(), blank(), quantity, blank(), blank(), exact, amount]);
    text
}
