//! L4 and L6 as properties: permuting, splitting, duplicating, re-sharding, or a snapshot and restore in the middle changes no
//! bucket sum, verdict count, total or invoice byte; a bucket's rows sum to A(S) - A(∅).

#[path = "library/in_process.rs"]
mod in_process;

use std::collections::BTreeMap;
use std::sync::Arc;

use in_process::{Seen, Stage, Way};
use proptest::prelude::*;
use weir_model::catalog::{self, Catalog, NoFiles};

/// Every price, every aggregation, groups, filters, allowance, rounding; a customer with three subjects, one with an
/// anniversary, one that starts inside a month, and undeclared ones.
const CATALOG: &str = r#"
name = "invariance"
currency = "USD"
time_zone = "Europe/Paris"

[meters.tokens]
event_type = "call"
aggregation = "sum"
value = "data.tokens"
dimensions = { model = "data.model", region = "data.region" }
[meters.calls]
event_type = "call"
aggregation = "count"
dimensions = { model = "data.model", region = "data.region" }
[meters.peak]
event_type = "call"
aggregation = "max"
value = "data.tokens"
[meters.low]
event_type = "call"
aggregation = "min"
value = "data.tokens"
[meters.last]
event_type = "gauge"
aggregation = "latest"
value = "data.level"
scale = 3
allow_negative = true
[meters.users]
event_type = "gauge"
aggregation = "unique_count"
value = "data.user"
[meters.resale]
event_type = "gauge"
aggregation = "sum"
value = "data.level"
scale = 3
amount = "data.cost"
allow_negative = true

[prices.ladder]
model = "graduated"
tiers = [ { up_to = 100, unit_amount = "0.5", flat_amount = "1" }, { up_to = 1_000, unit_amount = "0.3" }, { unit_amount = "0.1", flat_amount = "2.5" } ]
[prices.cliff]
model = "volume"
tiers = [ { up_to = 50, unit_amount = "1" }, { unit_amount = "0.4", flat_amount = "3" } ]
[prices.blocks]
model = "package"
size = 7
amount = "0.11"
[prices.third]
model = "unit"
unit_amount = "1"
per = 3
[prices.by_model]
model = "matrix"
cells = [ { when = { model = "a" }, price = { model = "unit", unit_amount = "0.01" } }, { when = { model = "b" }, price = { model = "graduated", tiers = [ { up_to = 10, unit_amount = "1", flat_amount = "0.5" }, { unit_amount = "0.25", per = 4 } ] } } ]
[prices.resold]
model = "dynamic"
multiplier = "1.07"

[plans.pro]
cycle = "1 month"
anchor = "calendar"
fees = [ { name = "platform", amount = "49.00", when = "advance" } ]
charges = [
  { name = "tokens", meter = "tokens", price = "ladder", group_by = ["model"] },
  { name = "eu", meter = "tokens", price = "cliff", filter = { region = ["eu", "us"] }, allowance = { quantity = 20 } },
  { name = "blocks", meter = "tokens", price = "blocks" },
  { name = "calls", meter = "calls", price = "by_model" },
  { name = "peak", meter = "peak", price = "third" },
  { name = "low", meter = "low", price = "third" },
  { name = "last", meter = "last", price = "third" },
  { name = "users", meter = "users", price = "cliff" },
  { name = "resold", meter = "resale", price = "resold" },
  { name = "resold rounded", meter = "resale", price = "resold", round = { scale = 2, mode = "half_even" } },
  { name = "third rounded", meter = "tokens", price = "third", round = { scale = 4, mode = "half_away" }, group_by = ["region", "model"] },
]
[plans.yearly]
cycle = "1 month"
anchor = "anniversary"
fees = [ { name = "base", amount = "10", when = "arrears" } ]
charges = [ { name = "tokens", meter = "tokens", price = "ladder" }, { name = "calls", meter = "calls", price = "blocks" } ]

[customers.many]
plan = "pro"
subjects = ["s1", "s2", "s3"]
[customers.anniversary]
plan = "yearly"
subjects = ["s4"]
starts_on = "2026-01-31"
[customers.late]
plan = "pro"
subjects = ["s5", "s6"]
starts_on = "2026-02-10"
[customers.planless]
subjects = ["s7"]

[defaults]
plan = "pro"
"#;

fn catalog() -> Arc<Catalog> {
    Arc::new(catalog::load("invariance.toml", CATALOG, &NoFiles).unwrap_or_else(|error| panic!("{error}")).0)
}

/// An event before it is text. Few ids and subjects, so that identities repeat within and across subjects.
#[derive(Debug, Clone, PartialEq)]
struct Event {
    subject: u8,
    partition: Option<u8>,
    id: u8,
    call: bool,
    /// Seconds into 2026.
    second: u32,
    tokens: u16,
    level: i32,
    model: u8,
    region: u8,
}

impl Event {
    /// What makes two events the same: source and id within the route key.
    fn identity(&self) -> (String, u8) {
        (self.partition.map_or(format!("s{}", self.subject), |key| format!("p{key}")), self.id)
    }

    fn line(&self) -> String {
        let time = jiff::Timestamp::from_second(1_767_225_600 + i64::from(self.second)).unwrap();
        let partition = self.partition.map_or(String::new(), |key| format!(r#","partitionkey":"p{key}""#));
        let model = ["a", "b", "c", ""][usize::from(self.model)];
        let region = [r#","region":"eu""#, r#","region":"us""#, r#","region":"""#, ""][usize::from(self.region)];
        let (kind, data) = if self.call {
            ("call", format!(r#"{{"tokens":{},"model":"{model}"{region}}}"#, self.tokens))
        } else {
            let (level, cost) = (self.level, i64::from(self.level) * 3);
            ("gauge", format!(r#"{{"level":"{level}e-3","cost":{cost}e-5,"user":"u{}"}}"#, self.tokens % 60))
        };
        format!(
            r#"{{"specversion":"1.0","id":"i{}","source":"/src","type":"{kind}","subject":"s{}","time":"{time}"{partition},"data":{data}}}"#,
            self.id, self.subject
        )
    }
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let event = (
        (1_u8..10, prop::option::weighted(0.1, 0_u8..3), any::<u8>(), any::<bool>()),
        (0_u32..90 * 86_400, 0_u16..400, -2000_i32..9000, 0_u8..4, 0_u8..4),
    );
    let event = event.prop_map(|((subject, partition, id, call), (second, tokens, level, model, region))| Event {
        subject,
        partition,
        id,
        call,
        second,
        tokens,
        level,
        model,
        region,
    });
    prop::collection::vec(event, 1..160)
}

/// Puts events into another order; copies of one identity with different payloads keep theirs.
fn permute(events: &[Event], keys: &[u32]) -> Vec<Event> {
    let mut order: Vec<usize> = (0..events.len()).collect();
    order.sort_by_key(|i| keys[i % keys.len()].wrapping_mul(2_654_435_761).rotate_left(u32::try_from(i % 31).unwrap()));
    let mut by_identity: BTreeMap<(String, u8), std::vec::IntoIter<usize>> = BTreeMap::new();
    for i in 0..events.len() {
        let identity = events[i].identity();
        by_identity.entry(identity.clone()).or_insert_with(|| {
            let copies: Vec<usize> = (0..events.len()).filter(|j| events[*j].identity() == identity).collect();
            copies.into_iter()
        });
    }
    order
        .into_iter()
        .map(|i| events[by_identity.get_mut(&events[i].identity()).unwrap().next().unwrap()].clone())
        .collect()
}

/// One stage, closed through the latest event's period.
fn rate(catalog: &Arc<Catalog>, lines: &[String], way: &Way) -> Seen {
    in_process::rate(catalog, &[Stage { lines: lines.to_vec(), through: None }], way)
}

/// The first thing in which two runs differ, in words short enough to read.
fn difference(seen: &Seen, expected: &Seen) -> Option<String> {
    let counts = |s: &Seen| [s.rated, s.unpriced, s.unmetered, s.late_refused, s.conflict];
    if counts(seen) != counts(expected) {
        return Some(format!("verdicts {:?}, expected {:?}", counts(seen), counts(expected)));
    }
    let keys = seen.buckets.keys().chain(expected.buckets.keys());
    let buckets = keys.map(|key| (key, seen.buckets.get(key), expected.buckets.get(key)));
    if let Some((key, seen, expected)) = buckets.into_iter().find(|(_, seen, expected)| seen != expected) {
        return Some(format!("bucket {key:?}: {seen:?}, expected {expected:?}"));
    }
    let documents = seen.documents.iter().flatten().zip(expected.documents.iter().flatten());
    let document = documents.into_iter().find(|(seen, expected)| seen != expected);
    let lengths = (seen.documents.len(), expected.documents.len());
    (seen.documents != expected.documents).then(|| format!("documents of {lengths:?} closes, first {document:?}"))
}

fn lines(events: &[Event]) -> Vec<String> {
    events.iter().map(Event::line).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn the_way_does_not_matter(
        events in events(),
        keys in prop::collection::vec(any::<u32>(), 7),
        shards in prop::sample::select(vec![1_u16, 2, 3, 16]),
        chunk in 1_usize..60,
        restore_before in prop::option::of(0_usize..8),
        copies in prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>()), 0..12),
    ) {
        let catalog = catalog();
        let straight = Way { shards: 16, chunk: usize::MAX, restore_before: None };
        let expected = rate(&catalog, &lines(&events), &straight);

        let way = Way { shards, chunk, restore_before };
        prop_assert_eq!(difference(&rate(&catalog, &lines(&events), &way), &expected), None, "split, re-sharded, restored");
        let permuted = rate(&catalog, &lines(&permute(&events, &keys)), &way);
        prop_assert_eq!(difference(&permuted, &expected), None, "permuted");

        // A copy behind its first stand: a duplicate, or once more a conflict, never a difference.
        let mut repeated = lines(&events);
        for (which, gap) in copies {
            let i = which.index(repeated.len());
            let copy = repeated[i].clone();
            let behind = i + 1 + gap.index(repeated.len() - i);
            repeated.insert(behind, copy);
        }
        let mut seen = rate(&catalog, &repeated, &way);
        prop_assert!(seen.conflict >= expected.conflict);
        seen.conflict = expected.conflict;
        prop_assert_eq!(difference(&seen, &expected), None, "duplicated");
    }
}

#[test]
fn a_snapshot_is_refused_when_it_does_not_fit() {
    use weir_model::hash::HashKey;
    use weir_rater::identities::IdentitySettings;
    use weir_rater::{RatingPlan, Shard, SnapshotError};
    let catalog = catalog();
    let plan = Arc::new(RatingPlan::compile(Arc::clone(&catalog), HashKey::FILES).unwrap());
    let snapshot = Shard::new(3, 16, Arc::clone(&plan)).snapshot().unwrap().bytes;
    let restore_under = |bytes: &[u8], plan: &Arc<RatingPlan>| {
        let restored = Shard::restore(bytes, Arc::clone(plan), IdentitySettings::in_memory());
        restored.map(|shard| shard.number()).map_err(|error| error.to_string())
    };
    let restore = |bytes: &[u8]| restore_under(bytes, &plan);
    assert_eq!(restore(&snapshot), Ok(3));
    assert_eq!(restore(b"PARQUET1"), Err(SnapshotError::NotASnapshot.to_string()));
    let with = |at: usize, byte: u8| {
        let mut bytes = snapshot.clone();
        bytes[at] ^= byte;
        bytes
    };
    assert_eq!(restore(&with(8, 7)), Err(SnapshotError::Version(3).to_string()));
    for at in 12..snapshot.len() {
        assert_eq!(restore(&with(at, 1)), Err(SnapshotError::Damaged.to_string()), "byte {at}");
    }
    for len in 12..snapshot.len() {
        assert_eq!(restore(&snapshot[..len]), Err(SnapshotError::Damaged.to_string()), "cut to {len}");
    }
    let other = catalog::load("other.toml", &CATALOG.replace("49.00", "50.00"), &NoFiles).unwrap().0;
    let other = Arc::new(RatingPlan::compile(Arc::new(other), HashKey::FILES).unwrap());
    assert_eq!(restore_under(&snapshot, &other), Err(SnapshotError::OtherCatalog.to_string()));
}
