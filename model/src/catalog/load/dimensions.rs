//! What meters and charges say about dimensions: filters, groups, and the names they may use.

use super::super::toml_reader::{Item, one_of};
use super::super::{Dimension, FilterTerm};

/// The dimension of this name; an unknown one is reported.
pub(super) fn find<'d>(item: &Item<'_>, name: &str, dimensions: &'d [Dimension]) -> Option<&'d Dimension> {
    let found = dimensions.iter().find(|dimension| dimension.name == name);
    if found.is_none() {
        let (reason, fix) = unknown(name, dimensions);
        item.error(reason, fix);
    }
    found
}

/// Reason and fix for a name that is no dimension.
pub(super) fn unknown(name: &str, dimensions: &[Dimension]) -> (String, String) {
    let names: Vec<&str> = dimensions.iter().map(|dimension| dimension.name.as_str()).collect();
    let fix = if names.is_empty() { "declare the meter's `dimensions`".to_owned() } else { one_of(name, &names) };
    (format!("the meter has no dimension {name:?}"), fix)
}

/// `filter = { region = ["eu"] }`.
pub(super) fn filter(item: &Item<'_>, dimensions: &[Dimension]) -> Option<Vec<FilterTerm>> {
    let mut terms = Vec::new();
    let mut complete = true;
    for (name, values) in item.table()?.entries() {
        let dimension = find(&values, name, dimensions);
        let allowed = values.texts("[\"eu\"]");
        if allowed.as_ref().is_some_and(Vec::is_empty) {
            values.error("allows no value, so that no event passes", "name the values that pass");
        }
        match (dimension, allowed) {
            (Some(dimension), Some(values)) => terms.push(FilterTerm { slot: dimension.slot, values }),
            _ => complete = false,
        }
    }
    complete.then_some(terms)
}

/// `group_by = ["model"]`.
pub(super) fn group_by(item: &Item<'_>, dimensions: &[Dimension]) -> Option<Vec<Dimension>> {
    let mut groups: Vec<Dimension> = Vec::new();
    let mut complete = true;
    for element in item.array("[\"model\"]")? {
        let dimension = element.text().and_then(|name| find(&element, name, dimensions));
        match dimension {
            Some(dimension) if groups.contains(dimension) => {
                element.error(format!("{:?} stands here twice", dimension.name), "name each dimension once");
            }
            Some(dimension) => groups.push(dimension.clone()),
            None => complete = false,
        }
    }
    complete.then_some(groups)
}
