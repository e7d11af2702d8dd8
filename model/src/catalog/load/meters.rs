//! `[meters.*]`, and what ingest extracts for them: equal slots of one event type are extracted once.

use std::collections::BTreeMap;

use super::super::toml_reader::{Item, Mark, Names, Table};
use super::super::{Dimension, EventType, Meter, MeterIdx, Path, TextSlot, TypeIdx, ValueSlot};
use super::{dimensions, next_index};
use crate::aggregation::Aggregation;
use crate::number::{AMOUNT_LIMIT, AMOUNT_SCALE, EVENT_QUANTITY_MAX, QUANTITY_SCALE_MAX, Scale};

/// All meters.
#[derive(Debug, Default)]
pub(super) struct Meters {
    pub(super) list: Vec<Meter>,
    pub(super) event_types: Vec<EventType>,
    pub(super) places: Vec<Mark>,
    pub(super) by_name: Names<MeterIdx>,
    types_by_name: BTreeMap<String, TypeIdx>,
}

/// Reads all meters.
pub(super) fn read(section: Vec<(&str, Item<'_>)>) -> Meters {
    let mut meters = Meters::default();
    for (name, item) in section {
        let meter = item.table().and_then(|table| meters.read_meter(name, table));
        let index = meter.map(|meter| {
            let index = MeterIdx(next_index(&meters.list));
            if let Some(event_type) = meters.event_types.get_mut(meter.event_type.at()) {
                event_type.meters.push(index);
            }
            meters.list.push(meter);
            meters.places.push(item.mark());
            index
        });
        meters.by_name.insert(name, index);
    }
    meters
}

impl Meters {
    fn read_meter(&mut self, name: &str, mut table: Table<'_>) -> Option<Meter> {
        let event_type = table.required("event_type", "\"llm.completion\"").and_then(|item| item.text());
        let aggregation = table.required("aggregation", "\"sum\"").and_then(|item| read_aggregation(&item));
        let scale = table.optional("scale").map_or(Some(0), |item| item.integer(0..=u32::from(QUANTITY_SCALE_MAX)));
        let scale = scale.and_then(|scale| u8::try_from(scale).ok()).and_then(Scale::new);
        let allow_negative = table.optional("allow_negative").map_or(Some(false), |item| item.boolean());
        let value = read_value(&mut table, aggregation);
        let amount = table.optional("amount").map(|item| path(&item));
        let dimensions = table.optional("dimensions").map_or(Some(Vec::new()), |item| read_dimensions(&item));
        let filter = table.optional("filter");
        table.unsupported(&[
            "rank",
            "slot",
            "slot_value",
            "fill",
            "values",
            "per",
            "carry",
            "series",
            "wrap_at",
            "estimated",
        ]);
        let place = table.mark();
        let report = table.report();
        table.finish();

        let (event_type, aggregation, scale, allow_negative) = (event_type?, aggregation?, scale?, allow_negative?);
        let type_index = self.type_index(event_type);
        let slots = self.event_types.get_mut(type_index.at())?;
        let mut named: Vec<Dimension> =
            dimensions?.into_iter().map(|(name, path)| Dimension { name, slot: text_slot(slots, path) }).collect();
        named.sort_by(|a, b| a.name.cmp(&b.name));
        let filter = filter.map_or(Some(Vec::new()), |item| dimensions::filter(&item, &named))?;
        let (mut value_slot, mut distinct) = (None, None);
        match (value?, aggregation) {
            (Some(path), Aggregation::UniqueCount) => distinct = Some(text_slot(slots, path)),
            (Some(path), _) => {
                let (scale, magnitude_max) = (scale.decimals(), EVENT_QUANTITY_MAX);
                value_slot = Some(number_slot(slots, ValueSlot { path, scale, magnitude_max, allow_negative }));
            }
            (None, _) => {}
        }
        let amount = match amount {
            Some(path) => {
                let magnitude_max = AMOUNT_LIMIT.saturating_sub(1);
                let slot = ValueSlot { path: path?, scale: AMOUNT_SCALE, magnitude_max, allow_negative };
                Some(number_slot(slots, slot))
            }
            None => None,
        };
        if slots.values.len().max(slots.texts.len()) > usize::from(u16::MAX) {
            report.error(&place, format!("event type {event_type:?} has more than {} values", u16::MAX), "");
            return None;
        }
        Some(Meter {
            name: name.to_owned(),
            event_type: type_index,
            aggregation,
            scale,
            value: value_slot,
            distinct,
            series: None,
            estimated: None,
            amount,
            dimensions: named,
            filter,
            allow_negative,
        })
    }

    fn type_index(&mut self, name: &str) -> TypeIdx {
        if let Some(index) = self.types_by_name.get(name) {
            return *index;
        }
        let index = TypeIdx(next_index(&self.event_types));
        let event_type = EventType { name: name.to_owned(), values: Vec::new(), texts: Vec::new(), meters: Vec::new() };
        self.event_types.push(event_type);
        self.types_by_name.insert(name.to_owned(), index);
        index
    }
}

fn read_aggregation(item: &Item<'_>) -> Option<Aggregation> {
    if let Some(name @ ("weighted_sum" | "percentile")) = item.text() {
        item.error(format!("aggregation {name:?} is not supported by this version"), "");
        return None;
    }
    item.choice(&[
        ("count", Aggregation::Count),
        ("sum", Aggregation::Sum),
        ("max", Aggregation::Max),
        ("min", Aggregation::Min),
        ("latest", Aggregation::Latest),
        ("unique_count", Aggregation::UniqueCount),
    ])
}

/// The path of the value; `None` inside when the aggregation has none.
fn read_value(table: &mut Table<'_>, aggregation: Option<Aggregation>) -> Option<Option<Path>> {
    if aggregation == Some(Aggregation::Count) {
        if let Some(item) = table.optional("value") {
            item.error("count has no value: it counts events", "leave it out, or use aggregation = \"sum\"");
            return None;
        }
        return Some(None);
    }
    if aggregation.is_none() {
        // Whether it is needed cannot be told; what is there is still checked.
        return table.optional("value").map_or(Some(None), |item| path(&item).map(Some));
    }
    table.required("value", "\"data.tokens\"").and_then(|item| path(&item)).map(Some)
}

fn read_dimensions(item: &Item<'_>) -> Option<Vec<(String, Path)>> {
    let entries = item.table()?.entries();
    let read: Vec<_> = entries.into_iter().map(|(name, item)| Some((name.to_owned(), path(&item)?))).collect();
    read.into_iter().collect()
}

/// Attributes of CloudEvents and of its documented extensions.
const KNOWN_ATTRIBUTES: [&str; 14] = [
    "subject",
    "source",
    "type",
    "id",
    "time",
    "specversion",
    "datacontenttype",
    "dataschema",
    "partitionkey",
    "sequence",
    "sampledrate",
    "traceparent",
    "tracestate",
    "dataref",
];

/// `data.usage.tokens`, or an attribute's name.
fn path(item: &Item<'_>) -> Option<Path> {
    let text = item.text()?;
    let parts: Vec<String> = text.split('.').map(str::to_owned).collect();
    let is_attribute = |name: &str| name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    let fix = match parts.as_slice() {
        _ if parts.iter().any(String::is_empty) => Some("write for example \"data.tokens\"".to_owned()),
        [first] if first == "data" => Some("name a field of it, for example \"data.tokens\"".to_owned()),
        [first, _, ..] if first == "data" => None,
        [attribute] if is_attribute(attribute) => {
            if !KNOWN_ATTRIBUTES.contains(&text) {
                let reason = format!("{text:?} is read as an extension attribute of the event");
                item.warn(reason, format!("if it is a field of `data`, write \"data.{text}\""));
            }
            None
        }
        _ => Some(format!("write \"data.{text}\", or the name of an attribute (lower-case letters and digits)")),
    };
    if let Some(fix) = fix {
        item.error(format!("{text:?} is no path into an event"), fix);
        return None;
    }
    Some(Path(parts))
}

fn text_slot(event_type: &mut EventType, path: Path) -> u16 {
    slot(&mut event_type.texts, TextSlot { path })
}

fn number_slot(event_type: &mut EventType, value: ValueSlot) -> u16 {
    slot(&mut event_type.values, value)
}

fn slot<T: PartialEq>(slots: &mut Vec<T>, wanted: T) -> u16 {
    let position = slots.iter().position(|slot| *slot == wanted).unwrap_or_else(|| {
        slots.push(wanted);
        slots.len().saturating_sub(1)
    });
    u16::try_from(position).unwrap_or(u16::MAX)
}
