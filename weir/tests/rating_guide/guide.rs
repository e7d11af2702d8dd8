//! The examples of the guide, read from its fences. The word behind a fence's language says what it is:
//!
//! | fence | holds |
//! |---|---|
//! | `toml catalog=NAME` | a complete catalog |
//! | `ndjson events=NAME` | CloudEvents |
//! | `text events=NAME` | events as a table: what follows |
//! | `text expect=NAME` | what the run comes to, in the words of [`documents`](super::documents) |
//!
//! The fences of one NAME are one example; several of events are one log, in the guide's order. `catalog=NAME` behind
//! `events=` takes the catalog of another example.
//!
//! Columns of a table stand two spaces apart. `time` is in UTC, `2026-09-01 08:00` with or without seconds; `subject` is the
//! event's, and so is `type`, which may also stand once behind `events=` as `type=TYPE`; `id` is the number of the row
//! unless it has a column; all other columns are members of `data`, and `-` leaves one out. The row `close 2026-10-01`
//! closes: what comes below it is late for the periods that ended by then.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

/// One run and what it comes to.
pub struct Example<'g> {
    pub name: &'g str,
    /// Where its expectation stands in the guide, from 1.
    pub line: usize,
    pub catalog: &'g str,
    pub log: Vec<Step>,
    pub expected: &'g str,
}

/// What happens in a log.
#[derive(Clone)]
pub enum Step {
    /// A CloudEvent.
    Event(String),
    /// A close through a date.
    Close(String),
}

/// A fenced part of the guide.
struct Fence<'g> {
    line: usize,
    language: &'g str,
    marks: BTreeMap<&'g str, &'g str>,
    text: &'g str,
}

/// All examples, in the order of their expectations. Panics where the guide breaks its own rules.
pub fn read(guide: &str) -> Vec<Example<'_>> {
    let (mut catalogs, mut logs, mut sources) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
    let mut examples = Vec::new();
    for fence in fences(guide) {
        let mark = |key: &str| fence.marks.get(key).copied();
        match (fence.language, mark("events"), mark("catalog"), mark("expect")) {
            ("toml", None, Some(name), None) => {
                let twice = catalogs.insert(name, fence.text);
                assert!(twice.is_none(), "line {}: catalog `{name}` stands here twice", fence.line);
            }
            ("ndjson" | "text", Some(name), catalog, None) => {
                let log: &mut Vec<Step> = logs.entry(name).or_default();
                sources.entry(name).or_insert(catalog.unwrap_or(name));
                let steps = if fence.language == "ndjson" { lines(fence.text) } else { rows(&fence, log.len()) };
                log.extend(steps);
            }
            ("text", None, None, Some(name)) => examples.push((name, fence.text, fence.line)),
            ("console", None, None, None) => {}
            _ => panic!("line {}: a fence that is not part of an example", fence.line),
        }
    }
    let examples: Vec<Example<'_>> = examples
        .into_iter()
        .map(|(name, expected, line)| {
            let log =
                logs.remove(name).unwrap_or_else(|| panic!("line {line}: `{name}` has no events, or is here twice"));
            let catalog = catalogs.get(sources[name]).unwrap_or_else(|| panic!("line {line}: `{name}` has no catalog"));
            Example { name, line, catalog, log, expected }
        })
        .collect();
    let names: Vec<&str> = logs.into_keys().collect();
    assert_eq!(names, Vec::<&str>::new(), "events without an expectation");
    examples
}

fn fences(guide: &str) -> Vec<Fence<'_>> {
    let mut fences = Vec::new();
    let mut open: Option<(usize, &str, usize)> = None;
    let mut at = 0;
    for (number, line) in (1..).zip(guide.split_inclusive('\n')) {
        let start = at;
        at += line.len();
        let Some(info) = line.trim_end().strip_prefix("```") else { continue };
        open = match open {
            None => Some((number, info, at)),
            Some((number, info, from)) => {
                let mut words = info.split_whitespace();
                let language = words.next().unwrap_or_default();
                let marks = words.filter_map(|word| word.split_once('=')).collect();
                fences.push(Fence { line: number, language, marks, text: &guide[from..start] });
                None
            }
        };
    }
    assert!(open.is_none(), "the last fence is not closed");
    fences
}

fn lines(text: &str) -> Vec<Step> {
    text.lines().map(|line| Step::Event(line.to_owned())).collect()
}

/// The cells of a row: what stands two spaces apart.
pub fn cells(row: &str) -> Vec<&str> {
    row.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).collect()
}

/// The rows of a table of events; `before` steps stand in the log already.
fn rows(fence: &Fence<'_>, before: usize) -> Vec<Step> {
    let mut rows = fence.text.lines();
    let header = cells(rows.next().unwrap_or_default());
    let row = |(number, row): (usize, &str)| {
        if let Some(date) = row.trim().strip_prefix("close ") {
            return Step::Close(date.trim().to_owned());
        }
        let cells = cells(row);
        assert_eq!(cells.len(), header.len(), "line {}: `{row}` does not fit its header", fence.line);
        let columns: BTreeMap<&str, &str> = header.iter().copied().zip(cells).collect();
        Step::Event(event(&columns, fence.marks.get("type").copied(), before + number).to_string())
    };
    (1..).zip(rows).map(row).collect()
}

fn event(columns: &BTreeMap<&str, &str>, kind: Option<&str>, number: usize) -> Value {
    let of = |name: &str| columns.get(name).copied();
    let time = of("time").expect("a table of events has a column `time`");
    let (date, clock) = time.split_once(' ').unwrap_or_else(|| panic!("`{time}` is no date and time"));
    let seconds = if clock.len() == "08:00".len() { ":00" } else { "" };
    let mut data = Map::new();
    for (name, cell) in columns {
        if !["time", "subject", "type", "id"].contains(name) && *cell != "-" {
            data.insert((*name).to_owned(), json!(cell));
        }
    }
    json!({
        "specversion": "1.0",
        "id": of("id").map_or_else(|| number.to_string(), str::to_owned),
        "source": "/guide",
        "type": of("type").or(kind).expect("a table of events has a type"),
        "subject": of("subject").expect("a table of events has a column `subject`"),
        "time": format!("{date}T{clock}{seconds}Z"),
        "data": data,
    })
}
