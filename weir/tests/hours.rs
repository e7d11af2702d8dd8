//! L3 per hour and customer: what a shard counts is what the log says, however often the shard is restored.

use std::collections::BTreeMap;
use std::sync::Arc;

use weir_ingest::{DecodeScratch, Decoder};
use weir_model::catalog::{self, NoFiles};
use weir_model::event::Chunk;
use weir_model::hash::HashKey;
use weir_model::rated::ShardOutput;
use weir_model::time::Instant;
use weir_model::verdict::VerdictCounts;
use weir_rater::identities::IdentitySettings;
use weir_rater::{RatingPlan, Rows, Shard};

const CATALOG: &str = r#"
name = "t"
currency = "EUR"
[meters.calls]
event_type = "call"
aggregation = "count"
[prices.calls]
model = "unit"
unit_amount = 1
[plans.p]
cycle = "1 month"
charges = [ { name = "calls", meter = "calls", price = "calls" } ]
[customers.acme]
plan = "p"
subjects = ["a1", "a2"]
[customers.beta]
plan = "p"
"#;
const HOUR_US: i64 = 3_600_000_000;

/// Minute of log time, id, type, subject, value, customer (`-`: none), what becomes of it.
const LOG: &str = "
    5  1 call a1   1  acme rated
    5  2 call a2   1  acme rated
    6  3 call beta 1  beta rated
    9  4 ping a1   1  acme unmetered
    9  1 call a1   1  acme duplicate
    59 2 call a2   2  acme conflict
    60 5 call a1   1  acme rated
    61 6 call who  1  -    unpriced
    61 6 call who  1  -    duplicate
    62 3 call beta 1  beta duplicate
    62 3 call none 1  -    unpriced
    200 7 call beta 1 beta rated
";

type Counted = BTreeMap<(Instant, Option<String>), VerdictCounts>;

fn counts(of: &str) -> VerdictCounts {
    let mut counts = [0; 6];
    let names = ["duplicate", "conflict", "unpriced", "late_refused", "rated", "unmetered"];
    counts[names.iter().position(|name| *name == of).unwrap()] = 1;
    VerdictCounts::from_array(counts)
}

fn counted(shard: &Shard) -> Counted {
    let hour = |(start, total): (Instant, VerdictCounts)| {
        let customers: Vec<_> = shard.hour(start).collect();
        let sum = customers.iter().fold(VerdictCounts::default(), |sum, (_, counts)| sum.checked_add(*counts).unwrap());
        assert_eq!(sum, total);
        customers.into_iter().map(move |(name, counts)| ((start, name.map(str::to_owned)), counts)).collect::<Vec<_>>()
    };
    shard.hours().flat_map(hour).collect()
}

#[test]
fn hours_and_customers_are_counted() {
    let catalog = Arc::new(catalog::load("c.toml", CATALOG, &NoFiles).unwrap().0);
    let plan = Arc::new(RatingPlan::compile(Arc::clone(&catalog), HashKey::FILES).unwrap());
    let decoder = Decoder::new(&catalog, HashKey::FILES, 1);
    let events: Vec<Vec<&str>> = LOG.trim().lines().map(|line| line.split_whitespace().collect()).collect();
    for restore_before in 0..=events.len() {
        let mut shard = Shard::new(0, 1, Arc::clone(&plan));
        let (mut expected, mut ended) = (Counted::new(), Vec::new());
        for (number, event) in events.iter().enumerate() {
            let [minute, id, kind, subject, value, customer, verdict] = event[..] else { panic!("{event:?}") };
            let minute: i64 = minute.parse().unwrap();
            if number == restore_before {
                let snapshot = shard.snapshot().unwrap();
                shard = Shard::restore(&snapshot.bytes, Arc::clone(&plan), IdentitySettings::in_memory()).unwrap();
            }
            ended.extend(shard.advance(Instant::from_micros(minute * 60_000_000)).unwrap());
            let mut chunk = Chunk::new(1);
            chunk.text = format!(
                r#"{{"specversion":"1.0","id":"{id}","source":"{subject}","type":"{kind}","subject":"{subject}","time":"2026-01-01T00:00:00Z","data":{{"v":{value}}}}}"#
            )
            .into_bytes();
            decoder.decode_ndjson(&mut chunk, &mut DecodeScratch::new());
            let mut output = ShardOutput::default();
            shard.apply(&chunk.text, &chunk.batches[0], Rows::Count, &mut output).unwrap();
            let hour = Instant::from_micros(minute / 60 * HOUR_US);
            let counts_of = expected.entry((hour, (customer != "-").then(|| customer.to_owned()))).or_default();
            *counts_of = counts_of.checked_add(counts(verdict)).unwrap();
        }
        assert_eq!(counted(&shard), expected, "restored before event {restore_before}");
        assert_eq!(ended, [0, 1].map(|hour| Instant::from_micros(hour * HOUR_US)));
    }
}

/// A shard of `weir run`.
#[test]
fn without_a_time_nothing_is_counted() {
    let catalog = Arc::new(catalog::load("c.toml", CATALOG, &NoFiles).unwrap().0);
    let plan = Arc::new(RatingPlan::compile(catalog, HashKey::FILES).unwrap());
    assert_eq!(Shard::new(0, 1, plan).hours().count(), 0);
}
