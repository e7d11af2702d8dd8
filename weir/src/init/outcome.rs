//! What `weir init` says when it is done, as a table, JSON or CSV. docs/init-json.md documents the JSON.

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::draft::plural;
use super::infer::{Inferred, Meter, TypeInferred};
use super::toml_text::printable;
use crate::cli::Format;
use crate::table::{aligned, csv_field, grouped};

/// The result of `weir init`.
#[derive(Debug, Serialize)]
pub struct Outcome {
    /// The folder, as it was named.
    pub folder: PathBuf,
    /// Names of the files in it that were written.
    pub files: Vec<&'static str>,
    /// What was found in the given events; null without them.
    pub inferred: Option<Inferred>,
    /// Commands to try next, for a shell in the folder where this one ran.
    pub next: Vec<String>,
}

impl Outcome {
    /// In the wanted format.
    pub fn print(&self, format: Format) -> String {
        match format {
            Format::Table => self.table(),
            // Numbers, strings, lists and maps with string keys always serialize.
            Format::Json => serde_json::to_string_pretty(self).unwrap_or_default() + "\n",
            Format::Csv => self.csv(),
        }
    }

    fn table(&self) -> String {
        let mut text = self.inferred.as_ref().map(found).unwrap_or_default();
        text.push_str(&format!("Written to {}: {}\n\nTry next:\n", folder(&self.folder), self.files.join(", ")));
        for command in &self.next {
            text.push_str(&format!("  {command}\n"));
        }
        text
    }

    fn csv(&self) -> String {
        let mut text = String::from("event_type,use,name,aggregation,path,scale,events,min,max\n");
        for of_type in self.inferred.iter().flat_map(|inferred| &inferred.event_types) {
            let mut row = |fields: [&str; 8]| {
                let fields = std::iter::once(of_type.event_type.as_str()).chain(fields).map(csv_field);
                text.push_str(&(fields.collect::<Vec<_>>().join(",") + "\n"));
            };
            let in_force = of_type.meters.iter().map(|meter| ("meter", meter));
            let suggested = of_type.suggestions.iter().map(|suggestion| ("suggested", &suggestion.meter));
            for (what, meter) in in_force.chain(suggested) {
                let Meter { name, aggregation, value, scale, events, min, max, .. } = meter;
                let [value, min, max] = [value, min, max].map(|text| text.as_deref().unwrap_or_default());
                row([what, name, aggregation, value, &scale.to_string(), &events.to_string(), min, max]);
            }
            for dimension in &of_type.dimensions {
                row(["dimension", &dimension.name, "", &dimension.path, "", &dimension.events.to_string(), "", ""]);
            }
            for unused in &of_type.unused {
                row(["unused", "", "", &unused.path, "", "", "", ""]);
            }
        }
        text
    }
}

fn folder(path: &Path) -> String {
    printable(&path.to_string_lossy())
}

/// What was found, for people.
fn found(inferred: &Inferred) -> String {
    let mut rows = vec![["", "events", "smallest", "greatest"].map(str::to_owned).to_vec()];
    for of_type in &inferred.event_types {
        rows.extend(rows_of(of_type));
    }
    let mut text = aligned(&rows);
    if inferred.rejected > 0 {
        let rejected = grouped(&inferred.rejected.to_string());
        text.push_str(&format!("\n  No valid events, and left out: {rejected}. The first of them:\n"));
        for record in &inferred.rejected_first {
            text.push_str(&format!("    {}:{}: {}: {}\n", record.file, record.record, record.code, record.reason));
        }
    }
    if inferred.skipped > 0 {
        text.push_str(&format!("\n  Rows that the mapping leaves out: {}\n", grouped(&inferred.skipped.to_string())));
    }
    for limit in &inferred.limits {
        text.push_str(&format!("\n  Beware: {limit}.\n"));
    }
    text + "\n"
}

fn rows_of(of_type: &TypeInferred) -> Vec<Vec<String>> {
    let count = |count: u64| grouped(&count.to_string());
    let mut rows = vec![vec![printable(&of_type.event_type), count(of_type.events)]];
    let measured = |meter: &Meter, prefix: &str| {
        let number = |number: &Option<String>| number.as_deref().map(grouped).unwrap_or_default();
        let scale = if meter.scale > 0 { format!(", scale {}", meter.scale) } else { String::new() };
        let of = meter.value.as_ref().map(|path| format!(" of {path}")).unwrap_or_default();
        let rejects = rejects(meter.rejects);
        let what = printable(&format!("  {prefix} {}: {}{of}{scale}{rejects}", meter.name, meter.aggregation));
        vec![what, count(meter.events), number(&meter.min), number(&meter.max)]
    };
    rows.extend(of_type.meters.iter().map(|meter| measured(meter, "meter")));
    for dimension in &of_type.dimensions {
        let (values, rejects) = (plural(dimension.values.len() as u64, "value"), rejects(dimension.rejects));
        let what = format!("  dimension {}: {}, {values}{rejects}", dimension.name, dimension.path);
        rows.push(vec![printable(&what), count(dimension.events)]);
    }
    rows.extend(of_type.suggestions.iter().map(|suggestion| measured(&suggestion.meter, "in a comment:")));
    if !of_type.unused.is_empty() {
        rows.push(vec![format!("  not used: {}; the catalog says why", plural(of_type.unused.len() as u64, "field"))]);
    }
    rows
}

/// What a meter or dimension would turn away.
fn rejects(events: u64) -> String {
    if events == 0 { String::new() } else { format!(", rejects {}", plural(events, "event")) }
}
