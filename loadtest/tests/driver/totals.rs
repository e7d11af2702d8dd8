//! What was sent is known exactly: the audit's totals against those of a server that adds up for itself.

use std::collections::BTreeSet;
use std::time::Duration;

use weir_loadtest::driver::report::Phase;
use weir_loadtest::driver::{FORMS, Form, Load, Measured, Pace, Pool, Recipe, Tries, audit};

use crate::served::{Act, Served};

/// Enough for a few rounds of a tiny pool, if the machine is not busy.
const LENGTH: Duration = Duration::from_millis(60);

/// 36 bodies of 20 events, whatever the machine does meanwhile: 80 ms at 9,000 events a second.
const OPEN: Pace = Pace::Open { events_per_s: 9_000 };

fn load(served: &Served, pace: Pace) -> Load {
    Load {
        server: served.server(),
        connections: 5,
        threads: 2,
        pace,
        warmup: Duration::from_millis(20),
        length: LENGTH,
        give_up_after: Duration::from_mins(1),
        pid: Some(std::process::id()),
    }
}

fn pool(form: Form, pool_events: u64) -> Pool {
    let events_per_body = if form == Form::Single { 1 } else { 20 };
    Pool::new(Recipe { seed: 3, form, events_per_body, pool_events }).unwrap()
}

fn run(form: Form, pace: Pace, script: &[Act]) -> (Served, Measured) {
    let served = Served::start(script);
    let mut pool = pool(form, 400);
    let mut rounds = pool.nothing_sent();
    let measured = load(&served, pace).run(&mut pool, &mut rounds).unwrap();
    let audit = audit(&pool, &rounds, &measured.counts);
    assert_eq!(audit.findings, Vec::<String>::new(), "{form} {pace:?}");
    let seen = served.seen();
    let subjects: BTreeSet<&String> = seen.quantities.keys().map(|(subject, _)| subject).collect();
    let count = |length: usize| u64::try_from(length).unwrap();
    let amount: u64 = seen.quantities.values().map(|quantity| price(*quantity)).sum();
    let expected = &audit.expected;
    assert_eq!(
        (expected.unique, expected.customers, expected.totals, expected.amount_micros),
        (seen.unique(), count(subjects.len()), count(seen.quantities.len()), amount),
        "{form} {pace:?}"
    );
    if audit.repeated_bodies == 0 {
        assert_eq!(
            (expected.lines, audit.accepted, audit.duplicate),
            (seen.received, seen.unique(), expected.duplicates)
        );
    }
    drop(seen);
    (served, measured)
}

/// Job J's price in millionths, unit by unit in each of its tiers.
fn price(quantity: u64) -> u64 {
    let tiers = [(0, 100, 500_000), (100, 1_000, 300_000), (1_000, 10_000, 200_000), (10_000, u64::MAX, 100_000)];
    tiers.iter().map(|(lower, upper, unit)| quantity.min(*upper).saturating_sub(*lower) * unit).sum()
}

#[test]
fn totals_are_exact_in_every_form_and_pace() {
    for form in FORMS {
        for pace in [Pace::Closed, OPEN] {
            let (_, measured) = run(form, pace, &[]);
            assert_eq!(measured.counts.tries, Tries::default());
            let phase = Phase::of(&measured);
            assert_eq!(phase.events, measured.seconds.iter().map(|second| second.events).sum::<u64>());
            assert_eq!(phase.latency.bodies, phase.service.bodies);
        }
    }
}

#[test]
fn an_open_loop_sends_all_that_it_planned() {
    let (served, measured) = run(Form::Ndjson, OPEN, &[]);
    assert_eq!((measured.counts.bodies, measured.unsent_bodies, served.seen().received), (36, 0, 720));
    // Those of the last 60 ms.
    assert_eq!(measured.latency.len(), 27);
}

#[test]
fn totals_are_exact_when_answers_are_lost() {
    use Act::{Break, Refuse, Take, TakeAndBreak, TakeAndBreakWithin, TakeAndDribble};
    let busy = Refuse("HTTP/1.1 429 Busy\r\nRetry-After: 0\r\nContent-Length: 0\r\n\r\n");
    let script = [Take, TakeAndBreak, busy, TakeAndDribble, Break, TakeAndBreakWithin, TakeAndBreak];
    let (served, measured) = run(Form::Ndjson, OPEN, &script);
    let counts = &measured.counts;
    assert_eq!((counts.tries.busy, counts.tries.broken, counts.conflict), (1, 4, 0));
    assert!(served.seen().received > counts.events && (1..=4).contains(&counts.repeated_bodies));
    assert_eq!(counts.accepted + counts.duplicate, counts.events);
}

#[test]
fn phases_go_on_where_the_last_one_ended() {
    let served = Served::start(&[]);
    let mut pool = pool(Form::Ndjson, 100);
    let mut rounds = pool.nothing_sent();
    let load = load(&served, Pace::Open { events_per_s: 20_000 });
    let mut counts = load.run(&mut pool, &mut rounds).unwrap().counts;
    counts.merge(load.run(&mut pool, &mut rounds).unwrap().counts);
    let audited = audit(&pool, &rounds, &counts);
    assert!(audited.agrees() && audited.expected.lines == 3_200, "{audited:?}");
    // A server that has seen it all is told from one that loses events.
    let mut again = pool.nothing_sent();
    let counts = load.run(&mut pool, &mut again).unwrap().counts;
    let audited = audit(&pool, &again, &counts);
    assert!(audited.findings.iter().any(|finding| finding.contains("another --seed")), "{audited:?}");
}

#[test]
fn more_connections_than_bodies_are_refused() {
    let served = Served::start(&[]);
    let mut pool = pool(Form::Ndjson, 40);
    let mut rounds = pool.nothing_sent();
    let error = load(&served, Pace::Closed).run(&mut pool, &mut rounds).unwrap_err();
    assert_eq!(error.to_string(), "5 connections share 2 bodies");
}

#[test]
fn a_server_that_loses_events_is_found() {
    let answer = r#"{"received":20,"accepted":19,"duplicate":0,"conflict":0,"rejected":1}"#;
    let refuse = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{answer}", answer.len()).leak();
    let served = Served::start(&[Act::Refuse(refuse)]);
    let mut pool = pool(Form::Ndjson, 400);
    let mut rounds = pool.nothing_sent();
    let measured = load(&served, OPEN).run(&mut pool, &mut rounds).unwrap();
    let findings = audit(&pool, &rounds, &measured.counts).findings;
    assert!(findings.contains(&"1 rejected, of none that were sent".to_owned()), "{findings:?}");
    assert!(findings.iter().any(|finding| finding.starts_with("in 1 bodies accepted + duplicate")), "{findings:?}");
}
