//! Lines of documents as JSON: what a line is called, which line it is at every close, and how two of them differ.

use std::collections::BTreeSet;

use serde::Serialize;
use serde_json::Value;
use weir_model::time::Instant;

/// What tells a line from all others of its customer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LineKey {
    /// `usage`, `fee`, ...
    pub kind: String,
    /// Name of the charge or fee.
    pub name: String,
    /// Dimensions and values of a usage line.
    pub group: Vec<(String, String)>,
    /// Name of the plan.
    pub plan: String,
    /// When the line's own period begins and ends.
    pub period: (Instant, Instant),
    /// When the line's segment of the period begins.
    pub segment_start: Instant,
    /// Whether it corrects an earlier document.
    pub is_late: bool,
}

impl LineKey {
    /// The key of a document's line. `None` if the document is not what this program writes.
    pub fn of(document: &Value, line: &Value) -> Option<LineKey> {
        let late = line.get("late").filter(|late| !late.is_null());
        let (period, segment) = match late {
            Some(late) => (late.get("period")?, late.get("segment")?),
            None => {
                let number = usize::try_from(line.get("segment")?.as_u64()?).ok()?;
                (document.get("period")?, document.get("segments")?.get(number.checked_sub(1)?)?)
            }
        };
        let group = line.get("group").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let pair = |dimension: &Value| Some((text(dimension, "dimension")?, text(dimension, "value")?));
        Some(LineKey {
            kind: text(line, "kind")?,
            name: text(line, "charge").or_else(|| text(line, "name"))?,
            group: group.iter().map(pair).collect::<Option<_>>()?,
            plan: text(segment, "plan")?,
            period: (instant(period, "start_at")?, instant(period, "end_at")?),
            segment_start: instant(segment, "start_at")?,
            is_late: late.is_some(),
        })
    }

    /// For people: `tokens, model=gpt-4`.
    pub fn title(&self) -> String {
        let kind = match self.kind.as_str() {
            "usage" => String::new(),
            "fee" => "fee ".to_owned(),
            kind => format!("{kind} of "),
        };
        let late = if self.is_late { format!(", late for {}", self.period.0) } else { String::new() };
        let group: Vec<String> = self.group.iter().map(|(name, value)| format!(", {name}={value}")).collect();
        format!("{kind}{}{}{late}", self.name, group.concat())
    }

    /// Whether a group in the archive, a JSON object, is the line's.
    pub fn has_group(&self, archived: Option<&str>) -> bool {
        let Some(archived) = archived else { return self.group.is_empty() };
        let Ok(Value::Object(members)) = serde_json::from_str(archived) else { return false };
        let is_there = |(name, value): &(String, String)| members.get(name).and_then(Value::as_str) == Some(value);
        members.len() == self.group.len() && self.group.iter().all(is_there)
    }
}

/// A line's key and the line, in the document's order.
pub fn lines(document: &Value) -> Vec<(LineKey, &Value)> {
    let lines = document.get("lines").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    lines.iter().filter_map(|line| Some((LineKey::of(document, line)?, line))).collect()
}

/// A text member.
pub fn text(value: &Value, name: &str) -> Option<String> {
    value.get(name)?.as_str().map(str::to_owned)
}

fn instant(value: &Value, name: &str) -> Option<Instant> {
    value.get(name)?.as_str()?.parse::<jiff::Timestamp>().ok().map(Instant::from_timestamp)
}

/// A figure that is one thing on the document and another when it is made again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// Which: a member of the line, such as `details[1].amount`, or a sum of the archive's rows.
    pub what: String,
    /// As it should be: on the document, or what the events come to.
    pub expected: String,
    /// As it was found.
    pub found: String,
    /// All of it in a sentence.
    pub sentence: String,
}

/// Members of a line that say where it stands, not what it bills.
const PLACE: [&str; 2] = ["line", "corrects"];

/// The members in which two lines differ, with both values, in the order of their names; what is above `details` comes first.
pub fn differing(billed: &Value, again: &Value) -> Vec<(String, String, String)> {
    let mut found = Vec::new();
    compare(String::new(), billed, again, &mut found);
    found.sort_by_key(|(member, ..)| member.starts_with("details"));
    found
}

fn compare(path: String, billed: &Value, again: &Value, found: &mut Vec<(String, String, String)>) {
    match (billed, again) {
        (Value::Object(a), Value::Object(b)) => {
            let names: BTreeSet<&String> = a.keys().chain(b.keys()).collect();
            for name in names.into_iter().filter(|name| !PLACE.contains(&name.as_str())) {
                let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                let of = |members: &serde_json::Map<String, Value>| members.get(name).cloned().unwrap_or_default();
                compare(path, &of(a), &of(b), found);
            }
        }
        (Value::Array(a), Value::Array(b)) => {
            for i in 0..a.len().max(b.len()) {
                let of = |items: &[Value]| items.get(i).cloned().unwrap_or_default();
                compare(format!("{path}[{i}]"), &of(a), &of(b), found);
            }
        }
        (a, b) if a == b => {}
        (a, b) => found.push((path, shown(a), shown(b))),
    }
}

fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => "nothing".to_owned(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn lines_differ_in_what_they_bill() {
        let billed = json!({"line": 3, "digest": "1f", "details": [{"amount": "1"}, {"amount": "2"}], "late": null});
        let again = json!({"line": 2, "digest": "2a", "details": [{"amount": "1"}], "late": null, "events": 4});
        let found = differing(&billed, &again);
        let found: Vec<_> = found.iter().map(|(a, b, c)| (a.as_str(), b.as_str(), c.as_str())).collect();
        assert_eq!(
            found,
            [("digest", "1f", "2a"), ("events", "nothing", "4"), ("details[1]", r#"{"amount":"2"}"#, "nothing")]
        );
        assert_eq!(differing(&billed, &billed), []);
    }

    #[test]
    fn keys_and_titles() {
        let stretch = |start: &str| json!({"plan": "pro", "start_at": start, "end_at": "2026-09-01T00:00:00Z"});
        let document = json!({
            "period": {"start_at": "2026-08-01T00:00:00Z", "end_at": "2026-09-01T00:00:00Z"},
            "segments": [stretch("2026-08-01T00:00:00Z"), stretch("2026-08-16T00:00:00Z")],
            "lines": [
                {"kind": "fee", "segment": 1, "name": "platform", "late": null},
                {"kind": "usage", "segment": 2, "charge": "tokens", "late": null,
                 "group": [{"dimension": "model", "value": "gpt-4"}]},
                {"kind": "minimum", "segment": null, "charge": "tokens",
                 "late": {"period": stretch("2026-07-01T00:00:00Z"), "segment": stretch("2026-07-01T00:00:00Z")}},
            ],
        });
        let lines = lines(&document);
        let titles: Vec<_> = lines.iter().map(|(key, _)| key.title()).collect();
        let late = "minimum of tokens, late for 2026-07-01T00:00:00Z";
        assert_eq!(titles, ["fee platform", "tokens, model=gpt-4", late]);
        let (usage, _) = &lines[1];
        assert_eq!(usage.segment_start.to_string(), "2026-08-16T00:00:00Z");
        for (archived, expected) in [
            (Some(r#"{"model":"gpt-4"}"#), true),
            (Some(r#"{"model":"gpt-3"}"#), false),
            (Some(r#"{"model":"gpt-4","region":"eu"}"#), false),
            (None, false),
        ] {
            assert_eq!(usage.has_group(archived), expected, "{archived:?}");
        }
    }
}
