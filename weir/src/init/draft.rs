//! The catalog that `weir init` drafts from somebody's events: it loads and runs as it stands, and its comments say what was
//! seen. What is commented out begins with `#` without a space: taking the `#` away puts it into force.
//!
//! Owns: the text. Does not own: what is inferred (`infer`).

use super::infer::{Dimension, Inferred, Meter, TypeInferred};
use super::toml_text::{key, printable, string};
use crate::table::grouped;

/// What one unit costs until somebody edits it.
const PLACEHOLDER: &str = "1.00";
/// Values of a dimension that its comment shows.
const VALUES_SHOWN: usize = 8;
/// Characters of one of them.
const VALUE_SHOWN_CHARS: usize = 40;

/// The catalog's text.
pub fn catalog(name: &str, inferred: &Inferred) -> String {
    let mut text = head(name, inferred);
    for of_type in &inferred.event_types {
        text.push_str(&meters(of_type));
    }
    text.push_str(&title("what it costs"));
    for (meter, of_type, mark) in all_meters(inferred) {
        text.push_str(&price(meter, &of_type.event_type, mark));
    }
    text.push_str(&title("plans"));
    text.push_str(PLAN);
    for (meter, of_type, mark) in all_meters(inferred) {
        text.push_str(&charge(meter, &of_type.dimensions, mark));
    }
    text + &customers(inferred)
}

const PLAN: &str = "\
[plans.standard]
cycle = \"1 month\"
anchor = \"calendar\"
#fees = [ { name = \"platform\", amount = \"49.00\", when = \"advance\" } ]

";

fn head(name: &str, inferred: &Inferred) -> String {
    let subjects = inferred.subjects.map_or("more than 1,000 subjects".to_owned(), |n| plural(n, "subject"));
    let types = plural(inferred.event_types.len() as u64, "type");
    let mut text =
        format!("# Drafted by `weir init` from {} of {types} by {subjects}", plural(inferred.events, "event"));
    if let (Some(first), Some(last)) = (&inferred.first_event_at, &inferred.last_event_at) {
        text.push_str(&format!(",\n# from {first} to {last}"));
    }
    text.push_str(".\n");
    if inferred.rejected > 0 {
        text.push_str(&format!("# Left out, because no valid events: {}.\n", plural(inferred.rejected, "record")));
    }
    for limit in &inferred.limits {
        text.push_str(&format!("# Beware: {limit}.\n"));
    }
    text + &format!(
        "#\n# It runs as it is, at {PLACEHOLDER} a unit for everything. Go through what is marked EDIT; a meter that you do not charge \
         for\n# goes with its price and its charge. Lines that begin with # and no space are settings: without the # they take \
         effect.\nname = {}\ncurrency = \"USD\"  # EDIT\ntime_zone = \"UTC\"  # EDIT: where billing periods begin and end\n\n",
        string(name)
    )
}

/// The meters of one type, its dimensions, and what is only suggested.
fn meters(of_type: &TypeInferred) -> String {
    let mut text = title(&format!("{}: {}", printable(&of_type.event_type), plural(of_type.events, "event")));
    for dimension in &of_type.dimensions {
        let described = describe_dimension(dimension, of_type.events);
        text.push_str(&format!("# Dimension {described}.{}\n", beware(dimension.rejects)));
    }
    if !of_type.dimensions.is_empty() {
        text.push('\n');
    }
    let dimensions = dimensions(&of_type.dimensions);
    for meter in &of_type.meters {
        let described = describe(meter, of_type.events);
        text.push_str(&format!("# {described}\n{}\n", table(meter, &of_type.event_type, &dimensions, "")));
    }
    for suggestion in &of_type.suggestions {
        let meter = &suggestion.meter;
        let described = describe(meter, of_type.events);
        text.push_str(&format!("# {described}\n# {}.\n", capitalized(suggestion.reason)));
        text.push_str(&format!("{}\n", table(meter, &of_type.event_type, &dimensions, "#")));
    }
    for unused in &of_type.unused {
        text.push_str(&format!("# Not used: {}: {}.\n", printable(&unused.path), unused.reason));
    }
    if !of_type.unused.is_empty() {
        text.push('\n');
    }
    text
}

fn table(meter: &Meter, event_type: &str, dimensions: &str, mark: &str) -> String {
    let mut lines = vec![
        format!("[meters.{}]", key(&meter.name)),
        format!("event_type = {}", string(event_type)),
        format!("aggregation = {}", string(meter.aggregation)),
    ];
    if let Some(value) = &meter.value {
        lines.push(format!("value = {}", string(value)));
    }
    if meter.min.is_some() {
        lines.push(format!("scale = {}", meter.scale));
    }
    if meter.allow_negative {
        lines.push("allow_negative = true  # without this an event below zero is rejected".to_owned());
    }
    if !dimensions.is_empty() {
        lines.push(format!("dimensions = {{ {dimensions} }}"));
    }
    lines.iter().fold(String::new(), |text, line| text + mark + line + "\n")
}

fn dimensions(dimensions: &[Dimension]) -> String {
    let each = dimensions.iter().map(|dimension| format!("{} = {}", key(&dimension.name), string(&dimension.path)));
    each.collect::<Vec<_>>().join(", ")
}

/// `data.tokens: in 1,998 of 2,000 events (99.9%), from 0.5 to 812, 731 different values.`
fn describe(meter: &Meter, events: u64) -> String {
    let Some(value) = &meter.value else {
        return format!("How many there are: {}.", grouped(&meter.events.to_string()));
    };
    let mut text = format!("{}: {}", printable(value), share(meter.events, events));
    let values = meter.distinct.map_or("more than 1,000 different values".to_owned(), |n| plural(n, "different value"));
    text.push_str(&match (&meter.min, &meter.max) {
        (Some(min), Some(max)) if min == max => format!(", always {}.", grouped(min)),
        (Some(min), Some(max)) => format!(", from {} to {}, {values}.", grouped(min), grouped(max)),
        _ => format!(", {values}."),
    });
    text.push_str(&beware(meter.rejects));
    if let Some(same_as) = &meter.same_as {
        text.push_str(&format!("\n# Always equal to {}: charge for one of the two.", printable(same_as)));
    }
    text
}

/// The events that a meter or a dimension turns away; none is not worth a line.
fn beware(rejects: u64) -> String {
    if rejects == 0 {
        return String::new();
    }
    format!("\n# Beware: it rejects {}, because the value does not fit.", plural(rejects, "event"))
}

fn describe_dimension(dimension: &Dimension, events: u64) -> String {
    let Dimension { name, path, values, .. } = dimension;
    let shown: Vec<String> = values.iter().take(VALUES_SHOWN).map(|value| string(&shortened(value))).collect();
    let more = if values.len() > VALUES_SHOWN { ", ..." } else { "" };
    format!(
        "{}, from {}: {}, {}: {}{more}",
        printable(name),
        printable(path),
        share(dimension.events, events),
        plural(values.len() as u64, "value"),
        shown.join(", ")
    )
}

fn shortened(value: &str) -> String {
    match value.char_indices().nth(VALUE_SHOWN_CHARS) {
        Some((end, _)) => format!("{}...", &value[..end]),
        None => value.to_owned(),
    }
}

/// The meters with their types, and the mark that takes those out of force that are only suggested.
fn all_meters(inferred: &Inferred) -> impl Iterator<Item = (&Meter, &TypeInferred, &'static str)> {
    inferred.event_types.iter().flat_map(|of_type| {
        let in_force = of_type.meters.iter().map(move |meter| (meter, of_type, ""));
        in_force.chain(of_type.suggestions.iter().map(move |suggestion| (&suggestion.meter, of_type, "#")))
    })
}

fn price(meter: &Meter, event_type: &str, mark: &str) -> String {
    let one = match (&meter.value, meter.aggregation) {
        (None, _) => format!("one event of type {event_type}"),
        (Some(path), "unique_count") => format!("each different {path}"),
        (Some(path), _) => format!("one unit of {path}"),
    };
    let (name, amount, one) = (key(&meter.name), string(PLACEHOLDER), printable(&one));
    format!("{mark}[prices.{name}]\n{mark}model = \"unit\"\n{mark}unit_amount = {amount}  # EDIT: what {one} costs\n\n")
}

fn charge(meter: &Meter, dimensions: &[Dimension], mark: &str) -> String {
    let name = string(&meter.name);
    let mut text = format!("{mark}[[plans.standard.charges]]\n");
    for setting in ["name", "meter", "price"] {
        text.push_str(&format!("{mark}{setting} = {name}\n"));
    }
    if !dimensions.is_empty() {
        let names: Vec<String> = dimensions.iter().map(|dimension| string(&dimension.name)).collect();
        text.push_str(&format!("#group_by = [{}]\n", names.join(", ")));
    }
    text + "\n"
}

fn customers(inferred: &Inferred) -> String {
    let mut text = title("customers");
    text.push_str("# Every subject that no customer claims is a customer of its own, with this plan.\n");
    text.push_str("[defaults]\nplan = \"standard\"\n");
    if let Some(subject) = &inferred.subject {
        text.push_str("\n# To give one a name on its invoice, a plan of its own, or several subjects:\n");
        text.push_str(&format!("#[customers.{}]\n#name = {}\n", key(subject), string(subject)));
        text.push_str(&format!("#plan = \"standard\"\n#subjects = [{}]\n", string(subject)));
    }
    text
}

fn title(what: &str) -> String {
    let width = 116_usize.saturating_sub(what.chars().count()).max(3);
    format!("# --- {what} {}\n\n", "-".repeat(width))
}

/// `in all 20 events`, `in 3 of 20 events (15%)`.
fn share(part: u64, of: u64) -> String {
    let events = plural(of, "event");
    if part == of {
        return if of == 1 { "in the event".to_owned() } else { format!("in all {events}") };
    }
    // At most 2^64 times 1000: rounded down, so that 99.96% is not "100%".
    let per_mille = u128::from(part) * 1000 / u128::from(of.max(1));
    let percent = match (per_mille / 10, per_mille % 10) {
        (0, 0) => "under 0.1".to_owned(),
        (percent, 0) => percent.to_string(),
        (percent, tenth) => format!("{percent}.{tenth}"),
    };
    format!("in {} of {events} ({percent}%)", grouped(&part.to_string()))
}

/// `1 event`, `2,000 events`.
pub fn plural(count: u64, what: &str) -> String {
    let s = if count == 1 { "" } else { "s" };
    format!("{} {what}{s}", grouped(&count.to_string()))
}

fn capitalized(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares() {
        for (part, of, expected) in [
            (1, 1, "in the event"),
            (2, 2, "in all 2 events"),
            (3, 20, "in 3 of 20 events (15%)"),
            (1_998, 2_000, "in 1,998 of 2,000 events (99.9%)"),
            (99_999, 100_000, "in 99,999 of 100,000 events (99.9%)"),
            (1, 100_000, "in 1 of 100,000 events (under 0.1%)"),
        ] {
            assert_eq!(share(part, of), expected);
        }
    }
}
