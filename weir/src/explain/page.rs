//! An explanation on paper: a table for people, the events as CSV for spreadsheets.

use serde_json::Value;

use super::Explanation;
use super::evidence::ExplainedEvent;
use super::line::text;
use crate::table::{aligned, csv_field, grouped};

/// The explanation for people, with at most so many events.
pub fn table(explanation: &Explanation, events_max: usize) -> String {
    let Explanation { invoice, line, title, customer, plan, .. } = explanation;
    let mut out = format!("{invoice}, line {line}: {title}\n{customer}, plan {plan}, {}\n", explanation.period_text());
    if explanation.kind == "usage" {
        out.push_str(&events(explanation, events_max));
    }
    out.push_str(&format!("\n  {}\n", explanation.formula));
    if let Some(again) = &explanation.recomputed {
        out.push_str(&recomputed(again));
    }
    if let Some(rows) = &explanation.rows {
        let settlements = match rows.settlements {
            0 => String::new(),
            count => format!(" and {count} of closes"),
        };
        out.push_str(&format!(
            "\n  rated rows at the end of the run: {}{settlements}; {} + {} without usage, of {}\n",
            rows.rows,
            grouped(&rows.amount),
            grouped(&rows.without_usage),
            grouped(&rows.events_amount)
        ));
    }
    out.push('\n');
    if explanation.agrees {
        out.push_str("  everything agrees: the archived events come to just this line\n");
    }
    for difference in &explanation.differences {
        out.push_str(&format!("  differs: {}\n", difference.sentence));
    }
    for cause in &explanation.causes {
        out.push_str(&format!("           {cause}\n"));
    }
    out
}

fn events(explanation: &Explanation, events_max: usize) -> String {
    let events = &explanation.events;
    let has_cells = events.iter().any(|event| event.cell.is_some());
    let mut head = vec!["time", "quantity", "amount", "tier", "source", "id"];
    if has_cells {
        head.push("cell");
    }
    let mut rows = vec![head.into_iter().map(str::to_owned).collect::<Vec<String>>()];
    for event in events.iter().take(events_max) {
        let mut row = vec![
            event.time.clone(),
            event.quantity.as_deref().map(grouped).unwrap_or_default(),
            grouped(&event.amount),
            event.tier.map(|tier| tier.to_string()).unwrap_or_default(),
            event.source.clone().unwrap_or_else(|| "missing".to_owned()),
            event.id.clone().unwrap_or_else(|| format!("{}:{}", event.file, event.record)),
        ];
        if has_cells {
            row.push(event.cell.clone().unwrap_or_default());
        }
        rows.push(row);
    }
    let mut out = String::from("\n");
    if !events.is_empty() {
        out.push_str(&aligned(&rows));
    }
    match events.len().saturating_sub(events_max) {
        0 => {}
        rest => {
            let rest = grouped(&rest.to_string());
            out.push_str(&format!("  ... and {rest} more: --format csv or json lists them all\n"));
        }
    }
    let late = events.iter().filter(|event| event.late).count();
    if late > 0 {
        out.push_str(&format!("  {late} of them came after the period was closed\n"));
    }
    out
}

/// A line made again from the archived events.
fn recomputed(line: &Value) -> String {
    let mut rows: Vec<Vec<String>> = Vec::new();
    let mut figure = |name: &str, value: Option<String>| rows.extend(value.map(|value| vec![name.to_owned(), value]));
    figure("quantity", text(line, "quantity").map(|quantity| grouped(&quantity)));
    for resource in line.get("resources").and_then(Value::as_array).into_iter().flatten() {
        figure(&text(resource, "resource").unwrap_or_default(), text(resource, "quantity").map(|q| grouped(&q)));
    }
    for detail in line.get("details").and_then(Value::as_array).into_iter().flatten() {
        figure(&format!("  {}", detail_name(detail)), Some(detail_figure(detail)));
    }
    figure("before rounding", text(line, "exact_amount").map(|amount| grouped(trimmed(&amount))));
    figure("on the document", text(line, "amount").map(|amount| grouped(&amount)));
    figure("events", line.get("events").and_then(Value::as_u64).map(|events| grouped(&events.to_string())));
    figure("digest", text(line, "digest"));
    format!("\n{}", aligned(&rows))
}

fn detail_name(detail: &Value) -> String {
    let mut name = text(detail, "kind").unwrap_or_default();
    for part in detail.get("cell").and_then(Value::as_array).into_iter().flatten() {
        let value = text(part, "value").or_else(|| text(part, "window")).unwrap_or_else(|| "otherwise".to_owned());
        name.push_str(&format!(" {value}"));
    }
    if let Some(number) = detail.get("tier").and_then(|tier| tier.get("number")) {
        name.push_str(&format!(" tier {number}"));
    }
    if let Some(number) = detail.get("version").and_then(|version| version.get("number")) {
        name.push_str(&format!(" version {number}"));
    }
    name
}

fn detail_figure(detail: &Value) -> String {
    let amount = grouped(trimmed(&text(detail, "exact_amount").unwrap_or_default()));
    if let Some(pool) = detail.get("pool").filter(|pool| !pool.is_null()) {
        let whole = |name| text(pool, name).unwrap_or_default();
        let (quantity, whole) = (grouped(&whole("quantity")), grouped(trimmed(&whole("exact_amount"))));
        return format!("{amount} of {whole} for {quantity} together");
    }
    let quantity = text(detail, "quantity").map(|quantity| grouped(&quantity));
    let rate = text(detail, "unit_amount").or_else(|| text(detail, "rate")).or_else(|| text(detail, "multiplier"));
    let per = text(detail, "per").filter(|per| per != "1").map(|per| format!(" per {}", grouped(&per)));
    match (quantity, rate) {
        (Some(quantity), Some(rate)) => format!("{quantity} x {rate}{} = {amount}", per.unwrap_or_default()),
        (Some(quantity), None) => format!("{quantity} = {amount}"),
        (None, _) => amount,
    }
}

/// A decimal without the zeros that end it.
pub fn trimmed(decimal: &str) -> &str {
    if decimal.contains('.') { decimal.trim_end_matches('0').trim_end_matches('.') } else { decimal }
}

/// The events, one a record.
pub fn csv(events: &[ExplainedEvent]) -> String {
    let mut out = String::from("time,source,id,subject,file,record,cell,quantity,amount,tier,late\n");
    for event in events {
        let optional = |text: &Option<String>| text.as_deref().map(csv_field).unwrap_or_default();
        let fields = [
            event.time.clone(),
            optional(&event.source),
            optional(&event.id),
            optional(&event.subject),
            csv_field(&event.file),
            event.record.to_string(),
            optional(&event.cell),
            event.quantity.clone().unwrap_or_default(),
            event.amount.clone(),
            event.tier.map(|tier| tier.to_string()).unwrap_or_default(),
            event.late.to_string(),
        ];
        out.push_str(&fields.join(","));
        out.push('\n');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_lose_only_zeros_after_the_point() {
        for (decimal, expected) in
            [("1.500", "1.5"), ("100", "100"), ("100.000", "100"), ("0.000", "0"), ("-0.10", "-0.1")]
        {
            assert_eq!(trimmed(decimal), expected);
        }
    }
}
