//! Making a failing case small: fewer events, fewer closes, less catalog.
//!
//! Owns: what is tried to be left out, in which order: the large parts first.

use toml::{Table, Value};

use super::Case;
use crate::oracle::Entry;

/// The case with as much left out as still makes it fail. `fails` must be false for a case whose catalog is not valid:
/// parts are left out whether they are needed or not.
pub fn shrink(case: Case, fails: &mut dyn FnMut(&Case) -> bool) -> Case {
    let mut case = case;
    loop {
        let size = (case.log.len(), case.catalog_toml.len());
        case = fewer_entries(case, fails);
        case = less_catalog(case, fails);
        if (case.log.len(), case.catalog_toml.len()) == size {
            break;
        }
    }
    fewer_fields(case, fails)
}

/// Leaves out runs of entries: halves, quarters, ..., single ones. The last close stays: it is where the run ends.
fn fewer_entries(mut case: Case, fails: &mut dyn FnMut(&Case) -> bool) -> Case {
    let mut run = case.log.len().div_ceil(2).max(1);
    loop {
        let mut at = 0;
        while at + 1 < case.log.len() {
            let end = (at + run).min(case.log.len() - 1);
            let mut smaller = case.clone();
            smaller.log.drain(at..end);
            if fails(&smaller) {
                case = smaller;
            } else {
                at = end;
            }
        }
        if run == 1 {
            return case;
        }
        run = run.div_ceil(2);
    }
}

/// Leaves out fields of single events.
fn fewer_fields(mut case: Case, fails: &mut dyn FnMut(&Case) -> bool) -> Case {
    for at in 0..case.log.len() {
        let mut field = 0;
        while let Entry::Event(event) = &case.log[at]
            && field < event.data.len()
        {
            let mut smaller = case.clone();
            if let Entry::Event(event) = &mut smaller.log[at] {
                event.data.remove(field);
            }
            if fails(&smaller) {
                case = smaller;
            } else {
                field += 1;
            }
        }
    }
    case
}

/// A step into a TOML value.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    Key(String),
    Index(usize),
}

/// Leaves out tables, keys and elements, the outer ones first.
fn less_catalog(mut case: Case, fails: &mut dyn FnMut(&Case) -> bool) -> Case {
    let Ok(catalog) = toml::from_str::<Table>(&case.catalog_toml) else { return case };
    let mut catalog = Value::Table(catalog);
    let mut depth = 1;
    loop {
        // From the end, so that what comes before keeps its place.
        let parts = parts(&catalog, depth);
        if parts.is_empty() {
            return case;
        }
        for part in parts.into_iter().rev() {
            let mut less = catalog.clone();
            remove(&mut less, &part);
            let Ok(catalog_toml) = toml::to_string(&less) else { continue };
            let smaller = Case { catalog_toml, ..case.clone() };
            if fails(&smaller) {
                (case, catalog) = (smaller, less);
            }
        }
        depth += 1;
    }
}

/// All places at a depth.
fn parts(value: &Value, depth: usize) -> Vec<Vec<Step>> {
    if depth == 0 {
        return vec![Vec::new()];
    }
    let inner = |step: Step, value: &Value| -> Vec<Vec<Step>> {
        let parts = parts(value, depth - 1).into_iter();
        parts.map(|part| [vec![step.clone()], part].concat()).collect()
    };
    match value {
        Value::Table(table) => table.iter().flat_map(|(key, value)| inner(Step::Key(key.clone()), value)).collect(),
        Value::Array(array) => array.iter().enumerate().flat_map(|(at, value)| inner(Step::Index(at), value)).collect(),
        _ => Vec::new(),
    }
}

fn remove(value: &mut Value, part: &[Step]) {
    match (value, part) {
        (Value::Table(table), [Step::Key(key)]) => {
            table.remove(key);
        }
        (Value::Array(array), [Step::Index(at)]) => {
            array.remove(*at);
        }
        (Value::Table(table), [Step::Key(key), rest @ ..]) => {
            table.get_mut(key).into_iter().for_each(|inner| remove(inner, rest));
        }
        (Value::Array(array), [Step::Index(at), rest @ ..]) => {
            array.get_mut(*at).into_iter().for_each(|inner| remove(inner, rest));
        }
        _ => {}
    }
}
