//! `[meters.*]`, and what ingest extracts for them: equal slots of one event type are extracted once.

mod aggregation;

use std::collections::BTreeMap;

use super::super::toml_reader::{Item, Mark, Names, Table};
use super::super::{Dimension, EventType, Meter, MeterIdx, Path, TextSlot, TypeIdx, ValueSlot};
use super::{dimensions, next_index, optional};
use crate::aggregation::{Aggregation, LevelValues};
use crate::number::{AMOUNT_LIMIT, AMOUNT_SCALE, EVENT_QUANTITY_MAX, QUANTITY_SCALE_MAX, Scale};
use aggregation::Folding;

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

/// A meter as written.
struct MeterSource<'a> {
    event_type: &'a str,
    folding: Folding<'a>,
    estimated: Option<Path>,
    scale: Scale,
    allow_negative: bool,
    value: Option<Path>,
    amount: Option<Path>,
    dimensions: Vec<(String, Path)>,
    filter: Option<Item<'a>>,
}

impl<'a> MeterSource<'a> {
    fn read(mut table: Table<'a>) -> Option<MeterSource<'a>> {
        let event_type = table.required("event_type", "\"llm.completion\"").and_then(|item| item.text());
        let scale = table.optional("scale").map_or(Some(0), |item| item.integer(0..=u32::from(QUANTITY_SCALE_MAX)));
        let scale = scale.and_then(|scale| u8::try_from(scale).ok()).and_then(Scale::new);
        let folding = aggregation::read(&mut table, scale);
        let allow_negative = table.optional("allow_negative").map_or(Some(false), |item| item.boolean());
        let value = read_value(&mut table, folding.as_ref().map(|folding| folding.aggregation));
        let amount = optional(&mut table, "amount", path);
        let dimensions = table.optional("dimensions").map_or(Some(Vec::new()), |item| read_dimensions(&item));
        let filter = table.optional("filter");
        table.finish();
        let folding = folding?;
        let estimated = match &folding.estimated {
            Some(item) => Some(path(item)?),
            None => None,
        };
        Some(MeterSource {
            event_type: event_type?,
            folding,
            estimated,
            scale: scale?,
            allow_negative: allow_negative?,
            value: value?,
            amount: amount?,
            dimensions: dimensions?,
            filter,
        })
    }

    /// The meter, with what it reads among its event type's slots.
    fn resolve(self, name: &str, event_type: TypeIdx, slots: &mut EventType) -> Option<Meter> {
        let mut dimensions: Vec<Dimension> =
            self.dimensions.into_iter().map(|(name, path)| Dimension { name, slot: text_slot(slots, path) }).collect();
        dimensions.sort_by(|a, b| a.name.cmp(&b.name));
        let filter = self.filter.map_or(Some(Vec::new()), |item| dimensions::filter(&item, &dimensions))?;
        let series = match &self.folding.series {
            Some(item) => Some(dimensions::find(item, item.text()?, &dimensions)?.slot),
            None => None,
        };
        let estimated = self.estimated.map(|path| text_slot(slots, path));
        let (allow_negative, aggregation) = (self.allow_negative, self.folding.aggregation);
        let (mut value, mut distinct) = (None, None);
        match (self.value, aggregation) {
            (Some(path), Aggregation::UniqueCount) => distinct = Some(text_slot(slots, path)),
            (Some(path), _) => {
                // A level may sink.
                let deltas =
                    matches!(aggregation, Aggregation::WeightedSum(weighted) if weighted.values == LevelValues::Delta);
                let allow_negative = allow_negative || deltas;
                let (scale, magnitude_max) = (self.scale.decimals(), EVENT_QUANTITY_MAX);
                value = Some(number_slot(slots, ValueSlot { path, scale, magnitude_max, allow_negative }));
            }
            (None, _) => {}
        }
        let amount = self.amount.map(|path| {
            let magnitude_max = AMOUNT_LIMIT.saturating_sub(1);
            number_slot(slots, ValueSlot { path, scale: AMOUNT_SCALE, magnitude_max, allow_negative })
        });
        Some(Meter {
            name: name.to_owned(),
            event_type,
            aggregation,
            scale: self.scale,
            value,
            distinct,
            series,
            estimated,
            amount,
            dimensions,
            filter,
            allow_negative,
        })
    }
}

impl Meters {
    fn read_meter(&mut self, name: &str, table: Table<'_>) -> Option<Meter> {
        let (place, report) = (table.mark(), table.report());
        let source = MeterSource::read(table)?;
        let event_type = source.event_type;
        let type_index = self.type_index(event_type);
        let slots = self.event_types.get_mut(type_index.at())?;
        let meter = source.resolve(name, type_index, slots);
        if slots.values.len().max(slots.texts.len()) > usize::from(u16::MAX) {
            report.error(&place, format!("event type {event_type:?} has more than {} values", u16::MAX), "");
            return None;
        }
        meter
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
