//! The workload against a plain reading of its own log: whatever it says of event i must follow from the lines before it.

use std::collections::{BTreeMap, HashMap};

use proptest::prelude::*;
use serde_json::Value;
use weir_loadtest::auditor::Expected;
use weir_loadtest::workload::{Event, Fate, Ranks, Shape, Shares, Workload};

fn shape(seed: u64) -> Shape {
    let shares = Shares { duplicate: 150, conflict: 80, bad: 40, unmetered: 30, unpriced: 20, late: 0 };
    Shape { seed, events: 6_000, customers: 9, shared: 3, meters: 6, periods: 4, shares, closes: Vec::new() }
}

fn text(workload: &Workload) -> Vec<u8> {
    let mut text = Vec::new();
    for part in workload.parts() {
        workload.write(part, &mut text).unwrap();
    }
    text
}

/// A line that is an event: its identity, and everything that it says.
fn parse(line: &[u8]) -> Option<((String, String, String), Value)> {
    let value: Value = serde_json::from_slice(line).ok()?;
    let attribute = |name: &str| value.get(name).and_then(Value::as_str).map(str::to_owned);
    Some(((attribute("source")?, attribute("id")?, attribute("subject")?), value))
}

#[test]
fn every_fate_follows_from_the_lines_before() {
    for seed in 0..4 {
        let workload = Workload::new(shape(seed).with_closes(100)).unwrap();
        let text = text(&workload);
        let lines: Vec<&[u8]> = text.split(|byte| *byte == b'\n').collect();
        assert_eq!(lines.len(), 6_001, "seed {seed}: a line for each event");
        let mut firsts: HashMap<_, (u64, Value)> = HashMap::new();
        let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
        for (event, line) in workload.events().zip(lines) {
            let shown = format!("seed {seed}, event {}: {}", event.index, String::from_utf8_lossy(line));
            if let Fate::Bad(_) = event.fate {
                *counts.entry("bad").or_default() += 1;
                continue;
            }
            let (identity, content) = parse(line).unwrap_or_else(|| panic!("{shown}"));
            let first = firsts.get(&identity);
            let (name, fate) = match first {
                None => ("first", Fate::First),
                Some((of, known)) if *known == content => ("duplicate", Fate::Duplicate { of: *of }),
                Some((with, _)) => ("conflict", Fate::Conflict { with: *with }),
            };
            assert_eq!(event.fate, fate, "{shown}");
            *counts.entry(name).or_default() += 1;
            firsts.entry(identity).or_insert((event.index, content));
        }
        let Ranks { originals, duplicates, conflicts, bad } = workload.ranks();
        let expected = [("bad", bad), ("conflict", conflicts), ("duplicate", duplicates), ("first", originals)];
        assert_eq!(counts.into_iter().collect::<Vec<_>>(), expected, "seed {seed}: counts in closed form");
    }
}

#[test]
fn late_is_what_a_close_before_it_has_sealed() {
    let workload = Workload::new(shape(5).with_closes(100)).unwrap();
    let parts = workload.parts();
    assert_eq!(parts, [0..1_500, 1_500..3_000, 3_000..4_500, 4_500..6_000]);
    let dates: Vec<String> = workload.shape().closes.iter().map(|close| workload.close_date(*close)).collect();
    assert_eq!(
        (dates, workload.until()),
        (["2026-02-01", "2026-03-01", "2026-04-01"].map(str::to_owned).to_vec(), "2026-05-01".to_owned())
    );
    let mut late = 0;
    for event in workload.events().filter(|event| event.fate == Fate::First) {
        let sealed = parts.iter().position(|part| part.contains(&event.index)).unwrap();
        assert_eq!(event.content.late, event.content.period < sealed, "{event:?}");
        late += u64::from(event.content.late);
    }
    // A tenth of the first copies behind the first close.
    let first_copies = workload.ranks().originals * 3 / 4;
    assert!(late.abs_diff(first_copies / 10) < 60, "{late} of {first_copies}");
    let expected = Expected::new(&workload, 16);
    assert!(expected.figures().late_refused > 10);
}

#[test]
fn values_times_and_types_stand_in_the_line() {
    let workload = Workload::new(shape(6)).unwrap();
    for event in workload.events().filter(|event| !matches!(event.fate, Fate::Bad(_))) {
        let mut line = Vec::new();
        workload.write_line(&event, &mut line);
        let Event { content, .. } = event;
        let (_, value) = parse(&line).unwrap();
        let time: jiff::Timestamp = value["time"].as_str().unwrap().parse().unwrap();
        assert_eq!(time.as_microsecond(), content.time);
        let (start, end) = (workload.calendar().start(content.period), workload.calendar().start(content.period + 1));
        assert!((start..end).contains(&content.time), "{event:?}");
        let meter = value["type"].as_str().unwrap().strip_prefix("load.m").and_then(|meter| meter.parse().ok());
        assert_eq!(meter, content.meter);
        for (charge, slot) in workload.usages(content) {
            assert_eq!(Some(charge.meter), content.meter);
            let group = workload.tariff().slots()[slot].group.as_deref();
            let region = value["data"].get("region").and_then(Value::as_str).unwrap_or_default();
            let grouped = format!(r#"{{"region":"{region}"}}"#);
            assert!(group.is_none_or(|group| group == grouped), "{event:?}: {group:?}");
        }
    }
}

#[test]
fn ranges_make_the_same_log() {
    let workload = Workload::new(shape(7)).unwrap();
    let whole = text(&workload);
    let mut pieces = Vec::new();
    for start in (0..6_000).step_by(700) {
        workload.write(start..6_000.min(start + 700), &mut pieces).unwrap();
    }
    assert!(whole == pieces);
    let other = Workload::new(shape(8)).unwrap();
    assert!(whole != text(&other), "another seed, another log");
}

#[test]
fn the_catalog_is_valid_and_says_late_policies_only_where_there_are_closes() {
    let without = Workload::new(shape(1)).unwrap().catalog();
    let with = Workload::new(shape(1).with_closes(10)).unwrap().catalog();
    for (catalog, policies) in [(without, 0), (with, 7)] {
        let table: toml::Table = catalog.parse().unwrap_or_else(|error| panic!("{error}\n{catalog}"));
        assert_eq!(table["plans"]["load"]["charges"].as_array().unwrap().len(), 7);
        assert_eq!(table["customers"].as_table().unwrap().len(), 4);
        assert_eq!(catalog.matches("late_policy").count(), policies);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Repeats may outnumber originals; then several share one.
    #[test]
    fn counts_are_exact_for_any_shares(
        seed: u64,
        events in 1_u64..3_000,
        (duplicate, conflict, bad) in (0_u64..500, 0_u64..300, 0_u64..190),
    ) {
        let shares = Shares { duplicate, conflict, bad, ..Shares::default() };
        let workload = Workload::new(Shape { events, shares, ..shape(seed) }).unwrap();
        let expected = Expected::new(&workload, 16);
        let figures = expected.figures();
        let ranks = workload.ranks();
        prop_assert_eq!(figures.received, events);
        prop_assert_eq!(figures.accepted, ranks.originals);
        prop_assert_eq!(figures.duplicate, ranks.duplicates);
        prop_assert_eq!(figures.conflict, ranks.conflicts);
        prop_assert_eq!(figures.rejected, ranks.bad);
        prop_assert_eq!(figures.rated + figures.unmetered + figures.unpriced, figures.accepted);
    }
}
