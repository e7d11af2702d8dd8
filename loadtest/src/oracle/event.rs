//! The log as the oracle reads it, and its events as lines for the real program.
//!
//! Owns: an event's plain form and its CloudEvents text. Does not own: what an event means.

use std::fmt::Write as _;

use anyhow::{Context, Result};
use jiff::Timestamp;

/// One record of a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry {
    /// An event arrives.
    Event(Event),
    /// Every period that ends at or before this instant, in microseconds since the epoch, is sealed.
    Close(i64),
}

/// A CloudEvent.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Event {
    /// CloudEvents `source`.
    pub source: String,
    /// CloudEvents `id`.
    pub id: String,
    /// Whom the usage belongs to.
    pub subject: String,
    /// CloudEvents `type`.
    pub event_type: String,
    /// event_time, in microseconds since the epoch.
    pub time_micros: i64,
    /// Replaces the subject as route key.
    pub partitionkey: Option<String>,
    /// Fields of `data` in the order of the text. A key `usage.tokens` is the field `tokens` of the object `usage`,
    /// whose fields follow one another.
    pub data: Vec<(String, Value)>,
}

/// A field of `data`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// A JSON string.
    Text(String),
    /// A JSON number, as its decimal text.
    Number(String),
}

impl Value {
    /// The text without quotes.
    pub fn text(&self) -> &str {
        match self {
            Value::Text(text) | Value::Number(text) => text,
        }
    }
}

impl Event {
    /// Within what the identity is unique.
    pub fn route_key(&self) -> &str {
        self.partitionkey.as_deref().unwrap_or(&self.subject)
    }

    /// Whether a second copy of the identity says the same.
    pub(super) fn has_payload_of(&self, other: &Event) -> bool {
        self.data == other.data && self.event_type == other.event_type && self.time_micros == other.time_micros
    }

    /// The event as one line of NDJSON, with its line feed. Fails on a time that no calendar has.
    pub fn to_ndjson(&self) -> Result<String> {
        let time = Timestamp::from_microsecond(self.time_micros).context("event_time")?;
        let mut line = format!(
            "{{\"specversion\":\"1.0\",\"id\":{},\"source\":{},\"type\":{},\"subject\":{},\"time\":\"{time}\"",
            quoted(&self.id),
            quoted(&self.source),
            quoted(&self.event_type),
            quoted(&self.subject)
        );
        if let Some(key) = &self.partitionkey {
            write!(line, ",\"partitionkey\":{}", quoted(key))?;
        }
        line.push_str(",\"data\":");
        let fields: Vec<(&str, &Value)> = self.data.iter().map(|(key, value)| (key.as_str(), value)).collect();
        write_object(&mut line, &fields);
        line.push_str("}\n");
        Ok(line)
    }
}

fn quoted(text: &str) -> serde_json::Value {
    serde_json::Value::String(text.to_owned())
}

/// Writes the fields; those that share a first name become one object.
fn write_object(line: &mut String, fields: &[(&str, &Value)]) {
    line.push('{');
    let first = |key: &str| key.split('.').next().unwrap_or_default().to_owned();
    for (at, group) in fields.chunk_by(|a, b| a.0.contains('.') && first(a.0) == first(b.0)).enumerate() {
        if at > 0 {
            line.push(',');
        }
        let (key, value) = group[0];
        line.push_str(&format!("{}:", quoted(&first(key))));
        match (key.contains('.'), value) {
            (true, _) => {
                let inner: Vec<(&str, &Value)> =
                    group.iter().filter_map(|(key, value)| Some((key.split_once('.')?.1, *value))).collect();
                write_object(line, &inner);
            }
            (false, Value::Text(text)) => line.push_str(&quoted(text).to_string()),
            (false, Value::Number(number)) => line.push_str(number),
        }
    }
    line.push('}');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_one_line() {
        let number = |text: &str| Value::Number(text.to_owned());
        let event = Event {
            source: "/a".to_owned(),
            id: "1\"".to_owned(),
            subject: "acme".to_owned(),
            event_type: "call".to_owned(),
            time_micros: 1_790_000_000_123_456,
            partitionkey: Some("p".to_owned()),
            data: vec![
                ("tokens".to_owned(), number("12.50")),
                ("usage.a".to_owned(), number("1")),
                ("usage.b".to_owned(), Value::Text("x".to_owned())),
            ],
        };
        let expected = concat!(
            r#"{"specversion":"1.0","id":"1\"","source":"/a","type":"call","subject":"acme","#,
            r#""time":"2026-09-21T14:13:20.123456Z","partitionkey":"p","#,
            r#""data":{"tokens":12.50,"usage":{"a":1,"b":"x"}}}"#,
            "\n"
        );
        assert_eq!(event.to_ndjson().unwrap(), expected);
    }
}
