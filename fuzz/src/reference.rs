//! What a line of NDJSON says, read slowly with `serde_json`.
//!
//! Owns: which CloudEvents are valid, once more and by other means. Does not own: `data_base64` (its lines are not
//! checked), nor how a decimal's text becomes an integer, which is the model's.

use std::collections::BTreeMap;
use std::fmt;

use jiff::civil::{Date, Time};
use jiff::tz::TimeZone;
use serde::de::{Error as _, MapAccess, Visitor};
use serde_json::value::RawValue;
use weir_model::catalog::{Catalog, TextSlot, ValueSlot};
use weir_model::decimal::Decimal;
use weir_model::limits::{ATTRIBUTE_BYTES_MAX, LINE_BYTES_MAX, NESTING_MAX};

/// An event as its line says it.
#[derive(Debug)]
pub struct Event {
    pub attributes: [String; 4],
    pub micros: i64,
    pub data: Option<String>,
    pub values: Vec<Option<i128>>,
    pub texts: Vec<Option<String>>,
}

/// What a line is.
#[derive(Debug)]
pub enum Said {
    /// To be rejected.
    Nothing,
    /// An event or not: this does not know.
    Unchecked,
    Event(Event),
}

/// A JSON object, with its values still as text; keys that stand twice are an error.
struct Object<'a>(BTreeMap<String, &'a RawValue>);

impl<'de> serde::Deserialize<'de> for Object<'de> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;
        impl<'de> Visitor<'de> for Members {
            type Value = Object<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Object<'de>, A::Error> {
                let mut members = BTreeMap::new();
                while let Some((key, value)) = map.next_entry::<String, &RawValue>()? {
                    if members.insert(key, value).is_some() {
                        return Err(A::Error::custom("a key stands twice"));
                    }
                }
                Ok(Object(members))
            }
        }
        deserializer.deserialize_map(Members)
    }
}

impl<'a> Object<'a> {
    fn get(&self, name: &str) -> Option<&'a str> {
        self.0.get(name).map(|value| value.get())
    }

    fn at(&self, path: &[String]) -> Option<&'a str> {
        let (first, rest) = path.split_first()?;
        let value = self.get(first)?;
        if rest.is_empty() { Some(value) } else { serde_json::from_str::<Object>(value).ok()?.at(rest) }
    }

    /// A string that is neither empty nor too long.
    fn string(&self, name: &str) -> Option<String> {
        let text: String = serde_json::from_str(self.get(name)?).ok()?;
        (!text.is_empty() && text.len() <= ATTRIBUTE_BYTES_MAX).then_some(text)
    }
}

/// What the line says under a catalog.
pub fn line(catalog: &Catalog, line: &[u8]) -> Said {
    let Some(event) = object(line) else { return Said::Nothing };
    if event.get("data_base64").is_some() {
        return Said::Unchecked;
    }
    match event_of(catalog, &event) {
        Some(event) => Said::Event(event),
        None => Said::Nothing,
    }
}

fn object(line: &[u8]) -> Option<Object<'_>> {
    let line = std::str::from_utf8(line).ok()?;
    if line.trim_end_matches([' ', '\t', '\r']).len() > LINE_BYTES_MAX {
        return None;
    }
    let line = line.trim_matches([' ', '\t', '\r']);
    let event: Object = serde_json::from_str(line).ok()?;
    is_valid(line, 0).then_some(event)
}

/// Checks what raw values leave open: strings' surrogates, keys below, nesting.
fn is_valid(text: &str, depth: usize) -> bool {
    let text = text.trim_ascii();
    match text.as_bytes().first() {
        Some(b'{' | b'[') if depth >= NESTING_MAX => false,
        Some(b'{') => serde_json::from_str::<Object>(text)
            .is_ok_and(|object| object.0.values().all(|value| is_valid(value.get(), depth + 1))),
        Some(b'[') => serde_json::from_str::<Vec<&RawValue>>(text)
            .is_ok_and(|values| values.iter().all(|value| is_valid(value.get(), depth + 1))),
        Some(b'"') => serde_json::from_str::<String>(text).is_ok(),
        first => first.is_some(),
    }
}

fn event_of(catalog: &Catalog, event: &Object<'_>) -> Option<Event> {
    if event.string("specversion")? != "1.0" || event.string("type")?.starts_with("weir.") {
        return None;
    }
    if let Some(text) = event.get("partitionkey") {
        let text: Option<String> = serde_json::from_str(text).ok()?;
        text.is_none_or(|text| text.len() <= ATTRIBUTE_BYTES_MAX).then_some(())?;
    }
    if let Some(text) = event.get("datacontenttype") {
        let text: Option<String> = serde_json::from_str(text).ok()?;
        text.is_none_or(|text| text.len() <= ATTRIBUTE_BYTES_MAX).then_some(())?;
    }
    let attributes = [event.string("source")?, event.string("id")?, event.string("subject")?, event.string("type")?];
    let slots = catalog.event_types.iter().find(|event_type| event_type.name == attributes[3]);
    let (values, texts) = slots.map_or((&[][..], &[][..]), |slots| (&slots.values, &slots.texts));
    Some(Event {
        micros: micros(&event.string("time")?)?,
        data: event.get("data").map(str::to_owned),
        values: values.iter().map(|slot| value(event, slot)).collect::<Option<_>>()?,
        texts: texts.iter().map(|slot| text(event, slot)).collect::<Option<_>>()?,
        attributes,
    })
}

/// `YYYY-MM-DDTHH:MM:SS[.f+](Z|±HH:MM)` from 1970 to 2199, cut at the microsecond; a leap second is the one before.
fn micros(text: &str) -> Option<i64> {
    let (head, rest) = text.split_at_checked(19)?;
    let shape = |(at, byte): (usize, u8)| match at {
        4 | 7 => byte == b'-',
        10 => byte == b't' || byte == b'T',
        13 | 16 => byte == b':',
        _ => byte.is_ascii_digit(),
    };
    head.bytes().enumerate().all(shape).then_some(())?;
    let number = |from: usize| head.get(from..from + 2)?.parse::<i8>().ok();
    let second = number(17)?;
    let date = Date::new(head.get(..4)?.parse().ok()?, number(5)?, number(8)?).ok()?;
    let time = Time::new(number(11)?, number(14)?, if second == 60 { 59 } else { second }, 0).ok()?;
    let (fraction, zone) = match rest.strip_prefix('.') {
        Some(rest) => rest.split_at(rest.find(|c: char| !c.is_ascii_digit()).filter(|digits| *digits > 0)?),
        None => ("", rest),
    };
    let micros: i64 = format!("{fraction:0<6}").get(..6)?.parse().ok()?;
    let instant = date.to_datetime(time).to_zoned(TimeZone::UTC).ok()?.timestamp().as_microsecond() + micros;
    let instant = instant - offset_minutes(zone)? * 60_000_000;
    let end = Date::constant(2200, 1, 1).to_zoned(TimeZone::UTC).ok()?.timestamp().as_microsecond();
    (0..end).contains(&instant).then_some(instant)
}

fn offset_minutes(zone: &str) -> Option<i64> {
    let (sign, offset) = match zone {
        "Z" | "z" => return Some(0),
        zone => zone.split_at_checked(1)?,
    };
    let (hours, minutes) = offset.split_once(':')?;
    let two = |text: &str| (text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit())).then(|| text.parse());
    let (hours, minutes): (i64, i64) = (two(hours)?.ok()?, two(minutes)?.ok()?);
    let sign = [("+", 1), ("-", -1)].into_iter().find(|(name, _)| *name == sign)?.1;
    (hours < 24 && minutes < 60).then_some(sign * (hours * 60 + minutes))
}

/// The text of a string, or of a scalar; null is none.
fn scalar(text: &str) -> Option<String> {
    if text == "null" { None } else { Some(serde_json::from_str(text).unwrap_or_else(|_| text.to_owned())) }
}

/// The inner `None` is an absent value, the outer an invalid one.
fn value(event: &Object<'_>, slot: &ValueSlot) -> Option<Option<i128>> {
    match event.at(&slot.path.0).filter(|text| *text != "null") {
        None => Some(None),
        Some(text) if text.starts_with(['{', '[', 't', 'f']) => None,
        Some(text) => {
            let scaled = Decimal::parse(scalar(text)?.as_bytes()).ok()?.at_scale(slot.scale).ok()?;
            let fits = scaled.abs() <= slot.magnitude_max && (scaled >= 0 || slot.allow_negative);
            fits.then_some(Some(scaled))
        }
    }
}

fn text(event: &Object<'_>, slot: &TextSlot) -> Option<Option<String>> {
    match event.at(&slot.path.0) {
        None => Some(None),
        Some(text) if text.starts_with(['{', '[']) => None,
        Some(text) => match scalar(text) {
            Some(text) if text.len() > ATTRIBUTE_BYTES_MAX => None,
            text => Some(text),
        },
    }
}
