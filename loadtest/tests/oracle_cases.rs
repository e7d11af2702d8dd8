//! Random cases through the oracle: what must hold whatever the catalog says.

use std::collections::{BTreeMap, HashSet};

use weir_loadtest::cases::{Case, Size, generate, shrink};
use weir_loadtest::oracle::{DocumentKind, Entry, Event, Outcome, rate};

const SEEDS: std::ops::Range<u64> = 0..300;

fn size_of(seed: u64) -> Size {
    let seed = usize::try_from(seed).unwrap();
    Size { events: [20, 60, 200][seed % 3], charges: 1 + seed % 8, customers: 1 + seed % 6 }
}

fn case(seed: u64) -> Case {
    generate(seed, size_of(seed)).unwrap()
}

fn outcome(case: &Case) -> Outcome {
    rate(&case.catalog_toml, &case.log)
        .unwrap_or_else(|error| panic!("seed {}: {error:#}\n{}", case.seed, case.catalog_toml))
}

#[test]
fn a_seed_makes_one_case() {
    assert_eq!(case(7), case(7));
    assert_ne!(case(7).log, case(8).log);
}

/// received = accepted + duplicate + conflict; amounts are the buckets'; totals are the lines'; and the last state of
/// each line is what all documents together have billed.
#[test]
fn sums_agree() {
    for seed in SEEDS {
        let case = case(seed);
        let outcome = outcome(&case);
        let events = case.log.iter().filter(|entry| matches!(entry, Entry::Event(_))).count();
        assert_eq!(outcome.verdicts.received(), u64::try_from(events).unwrap(), "seed {seed}");
        let buckets: num_bigint::BigInt = outcome.buckets.values().map(|bucket| &bucket.amount).sum();
        assert_eq!(outcome.amounts.values().sum::<num_bigint::BigInt>(), buckets, "seed {seed}");
        let mut invoices = HashSet::new();
        for document in outcome.closes.iter().flatten() {
            assert_eq!(document.total, document.lines.values().sum::<i128>(), "seed {seed}");
            assert_eq!(document.total < 0, document.kind == DocumentKind::CreditNote, "seed {seed}");
            let of = (&document.customer, document.period_start, document.period_end);
            assert!(document.is_note || invoices.insert(of), "seed {seed}: a second invoice of {of:?}");
        }
    }
}

/// Copies in place of what follows: the same bills whether or not duplicates were sent.
#[test]
fn duplicates_change_nothing_but_their_count() {
    for seed in SEEDS {
        let case = case(seed);
        let expected = outcome(&case);
        let doubled = case.log.iter().flat_map(|entry| match entry {
            Entry::Event(_) => vec![entry.clone(), entry.clone()],
            Entry::Close(_) => vec![entry.clone()],
        });
        let doubled = Case { log: doubled.collect(), ..case };
        let mut got = outcome(&doubled);
        got.verdicts.duplicate = expected.verdicts.duplicate;
        // The second copy of a conflicting event is a conflict, too.
        got.verdicts.conflict = expected.verdicts.conflict;
        assert_eq!(got, expected, "seed {seed}");
    }
}

/// Between two closes events may come in any order; only copies of one identity keep theirs.
#[test]
fn the_order_between_closes_does_not_matter() {
    for seed in SEEDS {
        let case = case(seed);
        let expected = outcome(&case);
        let mut log = Vec::new();
        for part in case.log.split_inclusive(|entry| matches!(entry, Entry::Close(_))) {
            let mut copies: BTreeMap<(&str, &str, &str), Vec<&Event>> = BTreeMap::new();
            for entry in part {
                if let Entry::Event(event) = entry {
                    copies.entry((&event.id, &event.source, event.route_key())).or_default().push(event);
                }
            }
            log.extend(copies.into_values().rev().flatten().cloned().map(Entry::Event));
            log.extend(part.iter().filter(|entry| matches!(entry, Entry::Close(_))).cloned());
        }
        let shuffled = Case { log, ..case };
        assert_eq!(outcome(&shuffled), expected, "seed {seed}");
    }
}

/// Cases are of use only if they reach what they are for.
#[test]
fn cases_reach_every_model_and_verdict() {
    let mut catalogs = String::new();
    let mut seen: BTreeMap<&str, u64> = BTreeMap::new();
    for seed in SEEDS {
        let case = case(seed);
        let outcome = outcome(&case);
        let documents = || outcome.closes.iter().flatten();
        let verdicts = outcome.verdicts;
        for (name, count) in
            [
                ("duplicate", verdicts.duplicate),
                ("conflict", verdicts.conflict),
                ("unpriced", verdicts.unpriced),
                ("late refused", verdicts.late_refused),
                ("rated", verdicts.rated),
                ("unmetered", verdicts.unmetered),
                ("carried bucket", count(outcome.buckets.values().filter(|bucket| bucket.events == 0))),
                ("note", count(documents().filter(|document| document.is_note))),
                ("credit note", count(documents().filter(|document| document.kind == DocumentKind::CreditNote))),
                (
                    "late line",
                    count(documents().filter(|document| {
                        document.lines.keys().any(|line| line.period_start != document.period_start)
                    })),
                ),
            ]
        {
            *seen.entry(name).or_default() += count;
        }
        for (reason, count) in outcome.unpriced {
            *seen.entry(reason.code()).or_default() += count;
        }
        catalogs += &case.catalog_toml;
    }
    assert_eq!(seen.len(), 15, "{seen:?}");
    assert!(seen.values().all(|count| *count > 0), "{seen:?}");
    for word in [
        "unit",
        "graduated",
        "volume",
        "package",
        "stairstep",
        "percentage",
        "graduated_percentage",
        "dynamic",
        "matrix",
        "increments",
        "schedule",
        "capacity",
        "count",
        "sum",
        "max",
        "min",
        "latest",
        "unique_count",
        "weighted_sum",
        "percentile",
        "reading",
        "split",
        "next_period",
        "account",
        "charge",
        "day",
        "anniversary",
        "refuse",
    ] {
        assert!(catalogs.contains(&format!("\"{word}\"")), "no catalog says {word:?}");
    }
    for key in
        ["rollover_max", "wrap_at", "reset", "estimated", "carry", "overrides", "effective_at", "ends_on", "holidays"]
    {
        assert!(
            catalogs.contains(&format!("{key} = "))
                || catalogs.contains(&format!("{key}]"))
                || catalogs.contains(&format!("{key}.")),
            "no catalog has {key:?}"
        );
    }
}

fn count<T>(items: impl Iterator<Item = T>) -> u64 {
    u64::try_from(items.count()).unwrap()
}

/// What is searched for is found again in a small part of the case.
#[test]
fn a_failing_case_becomes_small() {
    let case = generate(11, Size { events: 300, charges: 6, customers: 5 }).unwrap();
    let mut tries = 0;
    let small = shrink(case.clone(), &mut |case| {
        tries += 1;
        // "Fails" if some bucket has two events.
        rate(&case.catalog_toml, &case.log)
            .is_ok_and(|outcome| outcome.buckets.values().any(|bucket| bucket.events == 2))
    });
    assert!(tries > 0);
    assert_eq!(small.seed, case.seed);
    assert_eq!(small.log.len(), 3, "two events and a close: {:?}", small.log);
    assert!(small.catalog_toml.len() < 700, "{}", small.catalog_toml);
    assert!(outcome(&small).buckets.values().any(|bucket| bucket.events == 2));
}
