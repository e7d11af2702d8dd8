//! From what was seen to what should be measured: meters, dimensions, suggestions, and why the rest is neither.
//!
//! Owns: the rules. A meter or dimension that is proposed accepts every event that was seen, or all but a few mistakes, which
//! are counted; what would turn away more is only suggested, or explained.
//! Pure: the same survey gives the same result, in order of types and paths.

use std::collections::BTreeMap;

use serde::Serialize;
use weir_model::decimal::decimal_string;
use weir_model::number::{EVENT_QUANTITY_MAX, QUANTITY_SCALE_MAX};

use super::data::PATH_BYTES_MAX;
use super::field::{Field, Range, unit};
use super::names::{Namer, is_label, is_level};
use super::survey::{FIELDS_MAX, Read, Survey, TYPES_MAX, TypeSurvey};
use crate::report::{RejectedRecord, rejected_records};
use crate::table::grouped;

/// What `weir init` made of somebody's events. Counts are exact; a count of different values is null beyond a thousand.
#[derive(Debug, Serialize)]
pub struct Inferred {
    /// Valid events, repeated ones included.
    pub events: u64,
    /// Rows that the mapping left out.
    pub skipped: u64,
    /// Records that are no valid event.
    pub rejected: u64,
    /// The same by code.
    pub rejected_by_code: BTreeMap<&'static str, u64>,
    /// The first rejections in log order.
    pub rejected_first: Vec<RejectedRecord>,
    /// Different subjects.
    pub subjects: Option<u64>,
    /// Time of the earliest event.
    pub first_event_at: Option<String>,
    /// Time of the latest event.
    pub last_event_at: Option<String>,
    /// By name.
    pub event_types: Vec<TypeInferred>,
    /// What was not looked at because of a limit, one sentence each.
    pub limits: Vec<String>,
    /// One of the subjects, for an example.
    #[serde(skip)]
    pub subject: Option<String>,
}

/// The events of one type.
#[derive(Debug, Serialize)]
pub struct TypeInferred {
    /// CloudEvents `type`.
    pub event_type: String,
    /// How many.
    pub events: u64,
    /// Meters: the count, then sums by path.
    pub meters: Vec<Meter>,
    /// Dimensions of all these meters, by path.
    pub dimensions: Vec<Dimension>,
    /// Meters that stand in comments only, by path.
    pub suggestions: Vec<Suggestion>,
    /// The other paths.
    pub unused: Vec<Unused>,
}

/// A meter.
#[derive(Debug, Serialize)]
pub struct Meter {
    /// In the catalog.
    pub name: String,
    /// `count`, `sum`, `max` or `unique_count`.
    pub aggregation: &'static str,
    /// Path of the value; null for a count.
    pub value: Option<String>,
    /// Decimals kept.
    pub scale: u8,
    /// Whether values below zero were seen.
    pub allow_negative: bool,
    /// Events with a value.
    pub events: u64,
    /// The smallest number.
    pub min: Option<String>,
    /// The greatest number.
    pub max: Option<String>,
    /// Different values.
    pub distinct: Option<u64>,
    /// A path before this one that always has the same value.
    pub same_as: Option<String>,
    /// Events that it would reject, because their value does not fit.
    pub rejects: u64,
}

/// A dimension.
#[derive(Debug, Serialize)]
pub struct Dimension {
    /// In the catalog.
    pub name: String,
    /// Where.
    pub path: String,
    /// Events with a value.
    pub events: u64,
    /// All values, in order.
    pub values: Vec<String>,
    /// Events that would be rejected, because their value does not fit.
    pub rejects: u64,
}

/// A meter that is only proposed.
#[derive(Debug, Serialize)]
pub struct Suggestion {
    /// The meter.
    #[serde(flatten)]
    pub meter: Meter,
    /// Why, and why not at once.
    pub reason: &'static str,
}

/// A path that nothing uses.
#[derive(Debug, Serialize)]
pub struct Unused {
    /// Where.
    pub path: String,
    /// Why.
    pub reason: String,
}

/// What a field is good for.
enum Role {
    Quantity(Range),
    Level(Range),
    Dimension,
    Distinct,
    Unused(String),
}

const LEVEL: &str = "by its name, or its event type's, a level: adding up its readings makes no sense; max bills the greatest, \
                     latest the last";
const DISTINCT: &str =
    "many different values that repeat, as users do: unique_count bills how many different ones there were";

/// Applies the rules.
pub fn infer(read: &Read) -> Inferred {
    let Read { survey, intake, names } = read;
    let mut namer = Namer::default();
    let roles: Vec<Vec<(&String, &Field, Role)>> = survey.types.iter().map(|(name, of)| roles(name, of)).collect();
    for (path, _, role) in roles.iter().flatten() {
        if matches!(role, Role::Quantity(_) | Role::Level(_) | Role::Distinct) {
            namer.want(path);
        }
    }
    let types = survey.types.iter().zip(roles);
    let event_types = types.map(|((name, of), roles)| of_type((name, of), roles, &mut namer)).collect();
    Inferred {
        events: survey.events,
        skipped: intake.skipped,
        rejected: intake.rejected_total(),
        rejected_by_code: intake.rejected.iter().map(|(code, count)| (code.code(), *count)).collect(),
        rejected_first: rejected_records(intake, names),
        subjects: survey.subjects.count(),
        first_event_at: survey.times.map(|(first, _)| first.to_string()),
        last_event_at: survey.times.map(|(_, last)| last.to_string()),
        event_types,
        limits: limits(survey),
        subject: survey.subjects.texts().next().map(str::to_owned),
    }
}

fn roles<'s>(event_type: &str, of_type: &'s TypeSurvey) -> Vec<(&'s String, &'s Field, Role)> {
    let mut roles = Vec::new();
    for (path, field) in &of_type.fields {
        // An object is what its members are, unless something else stands at its path too.
        if field.total() == field.objects && field.objects > 0 {
            continue;
        }
        let role = match value_above(of_type, path) {
            Some(above) => Role::Unused(format!("{above} is no object in most events")),
            None => role(event_type, path, field),
        };
        roles.push((path, field, role));
    }
    roles
}

/// A path above this one that holds values rather than objects.
fn value_above<'s>(of_type: &'s TypeSurvey, path: &str) -> Option<&'s str> {
    let ends = path.match_indices('.').map(|(end, _)| end);
    let mut above = ends.filter_map(|end| of_type.fields.get_key_value(path.get(..end)?));
    above.find(|(_, field)| is_tolerable(field.misfits_as_text(), field)).map(|(path, _)| path.as_str())
}

/// Whether so few values do not fit that they must be mistakes: one in a hundred. The meter then rejects their events, and says
/// so here already.
fn is_tolerable(misfits: u64, field: &Field) -> bool {
    misfits.saturating_mul(100) <= field.total()
}

fn role(event_type: &str, path: &str, field: &Field) -> Role {
    let unused = |reason: &str| Role::Unused(reason.to_owned());
    if field.unnameable > 0 {
        return unused("a path cannot name a key that is empty or has a dot in it");
    }
    if field.total() == 0 {
        return unused("always null");
    }
    if let (false, true, Some(range)) = (is_label(path), is_tolerable(field.misfits_as_quantity(), field), field.range)
        && is_within_one_event(range)
    {
        return if is_level(event_type, path) { Role::Level(range) } else { Role::Quantity(range) };
    }
    if !is_tolerable(field.misfits_as_text(), field) {
        return unused(match (field.lists, field.objects) {
            (0, 0) => "texts that are too long for a dimension",
            (0, _) => "an object in some events and a value in others",
            _ => "a list: a path cannot name its elements",
        });
    }
    if field.numbers == field.values && !is_label(path) {
        return unused(
            "numbers of more than 12 decimals or beyond 10^15: a meter would reject them; round at the source",
        );
    }
    let distinct = &field.distinct;
    if distinct.are_few() && (distinct.repeat() || field.booleans == field.values) {
        return Role::Dimension;
    }
    if field.numbers > 0 && field.numbers < field.values && !is_label(path) {
        let [numbers, others] = [field.numbers, field.values - field.numbers].map(|n| grouped(&n.to_string()));
        return Role::Unused(format!("some numbers ({numbers}), some not ({others}): a meter would reject these"));
    }
    if distinct.repeat() { Role::Distinct } else { unused("hardly any value repeats: an identifier, or free text") }
}

/// Whether the greatest number, at the scale of the finest, is one that an event may bring.
fn is_within_one_event(range: Range) -> bool {
    let greatest = range.min.unsigned_abs().max(range.max.unsigned_abs());
    let scale_unit = 10_u128.pow(u32::from(range.scale));
    greatest / unit().unsigned_abs() < EVENT_QUANTITY_MAX.unsigned_abs() / scale_unit
}

fn of_type(
    (event_type, of_type): (&String, &TypeSurvey),
    roles: Vec<(&String, &Field, Role)>,
    namer: &mut Namer,
) -> TypeInferred {
    let mut inferred = TypeInferred {
        event_type: event_type.clone(),
        events: of_type.events,
        meters: vec![count_meter(namer.count(event_type), of_type.events)],
        dimensions: Vec::new(),
        suggestions: Vec::new(),
        unused: Vec::new(),
    };
    let mut dimension_names = Namer::default();
    for (path, ..) in roles.iter().filter(|(.., role)| matches!(role, Role::Dimension)) {
        dimension_names.want(path);
    }
    let mut measured: Vec<(&String, &Field)> = Vec::new();
    for (path, field, role) in roles {
        let mut meter = |aggregation, range: Option<Range>| {
            let same_as = measured.iter().find(|(_, other)| range.is_some() && field.always_equals(other));
            let same_as = same_as.map(|(path, _)| (*path).clone());
            Meter { same_as, ..value_meter(namer.name(event_type, path), aggregation, (path, field), range) }
        };
        match role {
            Role::Quantity(range) => {
                inferred.meters.push(meter("sum", Some(range)));
                measured.push((path, field));
            }
            Role::Level(range) => {
                inferred.suggestions.push(Suggestion { meter: meter("max", Some(range)), reason: LEVEL });
                measured.push((path, field));
            }
            Role::Distinct => {
                inferred.suggestions.push(Suggestion { meter: meter("unique_count", None), reason: DISTINCT });
            }
            Role::Dimension => inferred.dimensions.push(Dimension {
                name: dimension_names.name(event_type, path),
                path: path.clone(),
                events: field.total(),
                values: field.distinct.texts().map(str::to_owned).collect(),
                rejects: field.misfits_as_text(),
            }),
            Role::Unused(reason) => inferred.unused.push(Unused { path: path.clone(), reason }),
        }
    }
    if of_type.no_object > 0 {
        let reason = format!("no object in {} events", of_type.no_object);
        inferred.unused.push(Unused { path: "data".to_owned(), reason });
    }
    inferred
}

fn count_meter(name: String, events: u64) -> Meter {
    Meter {
        name,
        aggregation: "count",
        value: None,
        scale: 0,
        allow_negative: false,
        events,
        min: None,
        max: None,
        distinct: None,
        same_as: None,
        rejects: 0,
    }
}

fn value_meter(
    name: String,
    aggregation: &'static str,
    (path, field): (&String, &Field),
    range: Option<Range>,
) -> Meter {
    Meter {
        aggregation,
        value: Some(path.clone()),
        scale: range.map_or(0, |range| range.scale),
        allow_negative: range.is_some_and(|range| range.min < 0),
        min: range.map(|range| decimal_string(range.min, QUANTITY_SCALE_MAX)),
        max: range.map(|range| decimal_string(range.max, QUANTITY_SCALE_MAX)),
        distinct: field.distinct.count(),
        rejects: if range.is_some() { field.misfits_as_quantity() } else { field.misfits_as_text() },
        ..count_meter(name, field.total())
    }
}

fn limits(survey: &Survey) -> Vec<String> {
    let mut limits = Vec::new();
    if survey.events_beyond > 0 {
        limits.push(format!(
            "{} events are of types beyond the first {TYPES_MAX}, and were not looked at",
            survey.events_beyond
        ));
    }
    if survey.values_beyond > 0 {
        limits.push(format!(
            "{} values stand at paths beyond the first {FIELDS_MAX}, or longer than {PATH_BYTES_MAX} bytes, and were \
             not looked at",
            survey.values_beyond
        ));
    }
    limits
}
