//! `kill -9` of the real server at random moments, while clients send (L1, L2, L3, L7, L8): nothing that was acknowledged is lost, nothing is
//! counted twice, and archive, totals and documents say exactly what clients were told. A killed process loses what it had in memory, not what
//! the system had: losing power is `serve_power_loss`'s.
//!
//! `WEIR_PROVE_KILLS` says how often, 8 times without; `cargo xtask prove kills N` sets it. `WEIR_PROVE_SEED` repeats a run's draws.
#![allow(clippy::print_stdout, reason = "what was tried is told to whoever runs the proof")]

#[path = "library/archived.rs"]
mod archived;
#[allow(dead_code, reason = "other proofs do more with it")]
#[path = "library/process.rs"]
mod process;
#[allow(dead_code, reason = "other proofs send other bodies")]
#[path = "library/sent.rs"]
mod sent;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Sender;
use std::sync::mpsc::channel;
use std::thread;
use std::time::{Duration, SystemTime};

use archived::Archived;
use process::{Place, Process, free_url};
use sent::{Body, Draws, Event, Lane};
use serde_json::Value;
use weir_files::Disk;
use weir_loadtest::driver::{BlockingClient, Form, Tries};

const LANES: u64 = 4;
/// A server that is not there for so long does not come back.
const PATIENCE: Duration = Duration::from_mins(2);
/// Everything happens often.
const VARIABLES: [(&str, &str); 6] = [
    ("WEIR_LOG__SEGMENT_BYTES", "128KiB"),
    ("WEIR_LOG__FREE_BYTES_MIN", "1MiB"),
    ("WEIR_SNAPSHOTS__EVERY_LOG_BYTES", "48KiB"),
    ("WEIR_IDENTITIES__MEMORY_BYTES", "1MiB"),
    ("WEIR_DATA__SHARDS", "4"),
    ("WEIR_ARCHIVE__BATCH_EVENTS", "200"),
];

/// A body that was acknowledged.
struct Acknowledged {
    lane: u64,
    body: Body,
    tries: Tries,
}

/// Sends bodies until it is told to stop.
fn send(lane: u64, place: &Place, (seed, stops): (u64, &AtomicBool), acknowledged: Sender<Acknowledged>) {
    let clients = [Form::Ndjson, Form::Single].map(|form| BlockingClient::new(place.server(), form).unwrap());
    let [mut lines, mut singles] = clients;
    let mut bodies = Lane::new(seed, lane);
    while !stops.load(Ordering::Relaxed) {
        let body = bodies.body(60);
        let client = if body.is_single { &mut singles } else { &mut lines };
        let delivered = client.deliver(body.text.as_bytes(), PATIENCE).unwrap();
        let weir_loadtest::driver::Answer { received, accepted, duplicate, conflict, rejected, rejections } =
            delivered.answer;
        let rejections: Vec<Value> =
            rejections.iter().map(|one| serde_json::json!({ "index": one.index, "code": one.code })).collect();
        let answer = serde_json::json!({ "received": received, "accepted": accepted, "duplicate": duplicate,
            "conflict": conflict, "rejected": rejected, "rejections": rejections });
        let tries = delivered.tries;
        body.check(&answer, tries.broken + tries.unavailable == 0);
        if acknowledged.send(Acknowledged { lane, body, tries }).is_err() {
            return;
        }
    }
}

/// Kills and starts the server so often, with clients that send all the time; what they were told.
fn killed_often(place: &Place, (seed, kills): (u64, u64)) -> Vec<Acknowledged> {
    let mut draws = Draws(seed);
    let stops = AtomicBool::new(false);
    let mut told = Vec::new();
    thread::scope(|scope| {
        let (tell, acknowledged) = channel();
        let mut process = place.start(&[]);
        process.until_ready();
        place.change("PUT", "/v1/catalog", ("application/toml", sent::CATALOG));
        for lane in 0..LANES {
            let (tell, stops) = (tell.clone(), &stops);
            scope.spawn(move || send(lane, place, (seed, stops), tell));
        }
        drop(tell);
        for kill in 0..kills {
            // One in four is killed while it starts; the others after some answers. And then some random time later.
            if kill % 4 != 3 {
                told.extend(acknowledged.iter().take(1 + draws.below(60)));
            }
            thread::sleep(Duration::from_micros(draws.below(60_000) as u64));
            process.kill();
            process = place.start(&[]);
        }
        told.extend(acknowledged.iter().take(40));
        stops.store(true, Ordering::Relaxed);
        told.extend(acknowledged.iter());
        finish(place, process, &told);
    });
    told
}

/// What the server says in the end is what clients were told.
fn finish(place: &Place, process: Process, told: &[Acknowledged]) {
    let events: Vec<&Event> = told.iter().flat_map(|told| &told.body.new).collect();
    for through in ["2026-02-01T00:00:00Z", sent::ALL_SEALED] {
        let (stats, usage) = (place.get("/v1/stats"), place.get("/v1/usage"));
        assert_eq!(sent::told(&usage), sent::totals(events.iter().copied()));
        check_stats(&stats, told);
        place.change("POST", "/v1/closes", ("application/json", &format!(r#"{{"through":"{through}"}}"#)));
    }
    process.stop();
}

/// Accepted exactly once each; the rest at least as often as was acknowledged, and at most as often as it was sent.
fn check_stats(stats: &Value, told: &[Acknowledged]) {
    let count = |name: &str| stats[name].as_u64().unwrap();
    let accepted: u64 = told.iter().map(|told| told.body.new.len() as u64).sum();
    assert_eq!(count("accepted"), accepted);
    assert_eq!(count("received"), accepted + count("duplicate") + count("conflict") + count("rejected"));
    let unmetered = told.iter().flat_map(|told| &told.body.new).filter(|event| event.kind == "noise").count() as u64;
    assert_eq!((count("unmetered"), count("unpriced"), count("late_refused")), (unmetered, 0, 0));
    let sent = |of: fn(&Body) -> u64| {
        let times = |told: &Acknowledged| 1 + told.tries.broken + told.tries.unavailable;
        let least: u64 = told.iter().map(|told| of(&told.body)).sum();
        least..=told.iter().map(|told| of(&told.body) * times(told)).sum()
    };
    assert!(sent(|body| body.conflicts).contains(&count("conflict")), "{stats}");
    for code in ["json_invalid", "attribute_missing", "value_invalid"] {
        let of_hour = |hour: &Value| hour["rejected"].get(code).and_then(Value::as_u64).unwrap_or(0);
        let counted: u64 = stats["hours"].as_object().unwrap().values().map(of_hour).sum();
        let of = |body: &Body| body.rejected.iter().filter(|(_, found)| *found == code).count() as u64;
        let least: u64 = told.iter().map(|told| of(&told.body)).sum();
        let most: u64 = told.iter().map(|told| of(&told.body) * (1 + told.tries.broken + told.tries.unavailable)).sum();
        assert!((least..=most).contains(&counted), "{code}: {counted} of {least} to {most}");
    }
}

/// The archive has every event once, and rows that sum to the totals.
fn check_archive(archived: &Archived, told: &[Acknowledged], (quarantined, rows): (u64, u64)) {
    let identity = |told: &Acknowledged, event: &Event| {
        (event.subject.to_owned(), format!("lane-{}", told.lane), event.id.to_string())
    };
    let expected: BTreeSet<_> =
        told.iter().flat_map(|told| told.body.new.iter().map(|event| identity(told, event))).collect();
    let found: BTreeSet<_> = archived.events.iter().map(|event| event.identity.clone()).collect();
    assert_eq!(found.len(), archived.events.len(), "an event is archived twice");
    assert!(found == expected, "{} events archived, {} acknowledged", found.len(), expected.len());
    assert_eq!(archived.quarantined, quarantined);
    let usages = archived.rated.iter().filter(|row| row.fingerprint.is_some()).count() as u64;
    assert!(usages <= rows);
    let mut sums: BTreeMap<(String, String, i64), i128> = BTreeMap::new();
    for row in &archived.rated {
        *sums.entry((row.customer.clone(), row.charge.clone(), row.period_start)).or_default() += row.amount;
    }
    let expected = sent::totals(told.iter().flat_map(|told| &told.body.new));
    let of_month = |month: &str| {
        let start: jiff::Timestamp = format!("{month}-01T00:00:00Z").parse().unwrap();
        start.as_microsecond()
    };
    let hundredth = 10_i128.pow(16);
    let expected: BTreeMap<_, _> = expected
        .into_iter()
        .map(|((customer, charge, month), total)| {
            ((customer, charge, of_month(&month)), i128::from(total.amount) * hundredth)
        })
        .collect();
    assert_eq!(sums, expected);
}

#[test]
fn killed_at_random_moments_it_loses_nothing_and_counts_nothing_twice() {
    let kills = std::env::var("WEIR_PROVE_KILLS").map_or(8, |kills| kills.parse().expect("how many kills"));
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_micros();
    let seed = std::env::var("WEIR_PROVE_SEED").map_or(u64::try_from(now).unwrap(), |seed| seed.parse().unwrap());
    println!("seed {seed}: WEIR_PROVE_SEED={seed} sends the same");
    let data = tempfile::tempdir().unwrap();
    let place = Place { data: data.path(), url: free_url(), variables: VARIABLES.to_vec() };
    let told = killed_often(&place, (seed, kills));

    let verified = place.offline(&["log", "verify"]);
    assert!(verified.starts_with("The log is whole"), "{verified}");
    let archived = archived::read(&Disk::new(data.path()));
    let mut process = place.start(&[]);
    process.until_ready();
    let stats = place.get("/v1/stats");
    let count = |name: &str| stats[name].as_u64().unwrap();
    check_archive(&archived, &told, (count("conflict") + count("rejected"), count("rows")));
    process.stop();

    let out = data.path().join("documents");
    let built = place.offline(&["invoices", "build", "--format", "json", "--out", out.to_str().unwrap()]);
    let built: Value = serde_json::from_str(&built).unwrap();
    let events = told.iter().flat_map(|told| &told.body.new);
    let sum: u64 = sent::totals(events).values().map(|total| total.amount).sum();
    assert_eq!(sent::hundredths(built["invoiced"]["USD"].as_str().unwrap()), i64::try_from(sum).unwrap(), "{built}");
    let again: u64 = told.iter().map(|told| told.tries.broken + told.tries.unavailable).sum();
    let accepted = count("accepted");
    println!("{kills} kills, {} bodies acknowledged, {again} sent again, {accepted} events accepted once", told.len());
}
