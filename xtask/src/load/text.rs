//! A report as text, in columns.

use std::fmt::Write as _;

use weir_loadtest::driver::report::{Failures, Latency, Options, Phase, Report};
use weir_loadtest::driver::{Audit, Form};

use crate::table::{aligned, grouped};

/// All of it.
pub(super) fn of(report: &Report) -> String {
    let mut text = head(&report.options);
    text.push('\n');
    text.push_str(&throughput(report));
    text.push('\n');
    text.push_str(&latencies(report));
    text.push_str(&notes(report));
    if let Some(audit) = &report.audit {
        text.push('\n');
        text.push_str(&audited(audit));
    }
    text
}

fn head(options: &Options) -> String {
    let Options { form, events_per_body, connections, threads, seconds, warmup_seconds, .. } = options;
    let bodies = if *form == Form::Single.name() { String::new() } else { format!(" of {events_per_body} events") };
    let pace = options.events_per_s.map_or_else(
        || "closed loop".to_owned(),
        |events_per_s| format!("open loop, {} events/s", grouped(events_per_s as f64)),
    );
    format!(
        "{form} bodies{bodies}, {connections} connections, {threads} threads, {pace}, {seconds} s after {warmup_seconds} s\n"
    )
}

fn throughput(report: &Report) -> String {
    let words = ["", "events/s", "of it", "server CPU", "driver CPU", "server MiB", "events/CPU-s", "server/this"];
    let mut rows = vec![words.map(str::to_owned).to_vec()];
    for target in &report.targets {
        let optional = |figure: Option<f64>| figure.map(grouped).unwrap_or_default();
        let ratio = target.server_ratio.map(|ratio| format!("{ratio:.2}")).unwrap_or_default();
        let blank = String::new;
        let median = vec![
            target.name.clone(),
            grouped(target.events_per_s),
            blank(),
            blank(),
            blank(),
            blank(),
            optional(target.events_per_cpu_s),
            ratio,
        ];
        rows.push(median);
        for (number, phase) in (1..).zip(&target.phases) {
            let share = if target.events_per_s > 0.0 { phase.events_per_s / target.events_per_s } else { 0.0 };
            let resident = phase.server_resident_bytes_max.map(|bytes| grouped(bytes as f64 / f64::from(1 << 20)));
            rows.push(vec![
                format!("  phase {number}"),
                grouped(phase.events_per_s),
                format!("{share:.2}"),
                phase.server_cpu_s.map(|cpu| format!("{cpu:.2} s")).unwrap_or_default(),
                format!("{:.2} s", phase.driver_cpu_s),
                resident.unwrap_or_default(),
            ]);
        }
    }
    aligned(&rows)
}

fn latencies(report: &Report) -> String {
    let words = ["milliseconds", "p50", "p90", "p99", "p99.9", "p99.99", "max"];
    let mut rows = vec![words.map(str::to_owned).to_vec()];
    let row = |name: String, latency: &Latency| {
        let Latency { p50_us, p90_us, p99_us, p999_us, p9999_us, max_us, .. } = *latency;
        let figures = [p50_us, p90_us, p99_us, p999_us, p9999_us, max_us];
        [name].into_iter().chain(figures.map(|us| format!("{:.3}", us as f64 / 1_000.0))).collect()
    };
    for target in &report.targets {
        for (number, phase) in (1..).zip(&target.phases) {
            rows.push(row(format!("{} {number}, latency", target.name), &phase.latency));
            rows.push(row(format!("{} {number}, service", target.name), &phase.service));
        }
    }
    aligned(&rows)
}

/// What a reader must know of how phases went.
fn notes(report: &Report) -> String {
    let mut text = String::new();
    for target in &report.targets {
        for (number, phase) in (1..).zip(&target.phases) {
            let Phase { unsent_bodies, tries: Failures { busy, unavailable, unconnected, broken }, .. } = *phase;
            // Writing to a String cannot fail, here and below.
            if unsent_bodies > 0 {
                let _ = writeln!(
                    text,
                    "{} {number} did not keep up: {unsent_bodies} bodies were never sent, true latencies are greater",
                    target.name
                );
            }
            if busy + unavailable + unconnected + broken > 0 {
                let _ = writeln!(
                    text,
                    "{} {number} was asked again: {busy} times after 429, {unavailable} after 503, \
                     {unconnected} without a connection, {broken} after one broke",
                    target.name
                );
            }
        }
    }
    text
}

fn audited(audit: &Audit) -> String {
    let expected = &audit.expected;
    let mut text = format!(
        "audit: {} events sent, {} unique; {} accepted, {} duplicate, {} bodies sent again after a lost answer\n\
         they come to {} USD over {} customers and {} totals\n",
        expected.lines,
        expected.unique,
        audit.accepted,
        audit.duplicate,
        audit.repeated_bodies,
        expected.amount(),
        expected.customers,
        expected.totals
    );
    if audit.agrees() {
        text.push_str("everything agrees\n");
    }
    for finding in &audit.findings {
        let _ = writeln!(text, "DIFFERS: {finding}");
    }
    text
}

#[cfg(test)]
pub(super) mod tests {
    use expect_test::expect;
    use weir_loadtest::driver::report::{Point, Target};
    use weir_loadtest::job::{Job, Shape};

    use super::*;

    fn latency(us: u64) -> Latency {
        let curve = vec![(0.0, us / 2), (0.5, us), (0.999, us * 9), (1.0, us * 10)];
        let [p50_us, p90_us, p99_us, p999_us, p9999_us, max_us] = [1, 2, 4, 9, 10, 10].map(|factor| us * factor);
        Latency { bodies: 3_000, p50_us, p90_us, p99_us, p999_us, p9999_us, max_us, curve }
    }

    fn phase(events: u64, us: u64) -> Phase {
        let point = |events| Point {
            events,
            p50_us: us,
            p99_us: us * 4,
            max_us: us * 10,
            driver_cpu_s: 0.1,
            server_cpu_s: Some(0.5),
            server_resident_bytes: Some(events << 6),
        };
        Phase {
            events,
            events_per_s: events as f64 / 2.0,
            latency: latency(us),
            service: latency(us / 2),
            driver_cpu_s: 0.2,
            server_cpu_s: Some(1.0),
            server_resident_bytes_max: Some(events << 6),
            tries: Failures { busy: 0, unavailable: 0, unconnected: 0, broken: 0 },
            unsent_bodies: 0,
            series: vec![point(events / 3), point(events - events / 3)],
        }
    }

    /// A run of a server and a ceiling, which is not as it should be.
    pub(crate) fn report() -> Report {
        let mut bad = phase(2_800_000, 1_900);
        bad.unsent_bodies = 12;
        bad.tries = Failures { busy: 3, unavailable: 0, unconnected: 0, broken: 1 };
        let server = Target::of("server", vec![phase(3_000_000, 1_500), bad], None);
        let ceiling = Target::of("ceiling-sync", vec![phase(4_000_000, 900), phase(3_600_000, 1_000)], Some(&server));
        let expected = Job::new(Shape { lines: 40, ..Shape::JOB_J }).unwrap().answer_of(|_| 2);
        Report {
            options: Options {
                server: Some("127.0.0.1:8080".to_owned()),
                form: "ndjson".to_owned(),
                events_per_body: 1_000,
                connections: 4,
                threads: 1,
                events_per_s: Some(1_500_000),
                seconds: 2.0,
                warmup_seconds: 1.0,
                seed: 7,
                pool_bodies: 2_000,
            },
            targets: vec![server, ceiling],
            audit: Some(Audit {
                accepted: expected.unique - 1,
                duplicate: expected.duplicates + 1,
                expected,
                repeated_bodies: 1,
                findings: vec!["2 conflicts, of none that were sent".to_owned()],
            }),
        }
    }

    #[test]
    fn reports_look_like_this() {
        expect![[r#"
            ndjson bodies of 1000 events, 4 connections, 1 threads, open loop, 1,500,000 events/s, 2 s after 1 s

                           events/s  of it  server CPU  driver CPU  server MiB  events/CPU-s  server/this
            server        1,450,000                                                2,900,000             
              phase 1     1,500,000   1.03      1.00 s      0.20 s         183
              phase 2     1,400,000   0.97      1.00 s      0.20 s         171
            ceiling-sync  1,900,000                                                3,800,000         0.76
              phase 1     2,000,000   1.05      1.00 s      0.20 s         244
              phase 2     1,800,000   0.95      1.00 s      0.20 s         220

            milliseconds               p50    p90    p99   p99.9  p99.99     max
            server 1, latency        1.500  3.000  6.000  13.500  15.000  15.000
            server 1, service        0.750  1.500  3.000   6.750   7.500   7.500
            server 2, latency        1.900  3.800  7.600  17.100  19.000  19.000
            server 2, service        0.950  1.900  3.800   8.550   9.500   9.500
            ceiling-sync 1, latency  0.900  1.800  3.600   8.100   9.000   9.000
            ceiling-sync 1, service  0.450  0.900  1.800   4.050   4.500   4.500
            ceiling-sync 2, latency  1.000  2.000  4.000   9.000  10.000  10.000
            ceiling-sync 2, service  0.500  1.000  2.000   4.500   5.000   5.000
            server 2 did not keep up: 12 bodies were never sent, true latencies are greater
            server 2 was asked again: 3 times after 429, 0 after 503, 0 without a connection, 1 after one broke

            audit: 80 events sent, 76 unique; 75 accepted, 5 duplicate, 1 bodies sent again after a lost answer
            they come to 10417.2 USD over 38 customers and 38 totals
            DIFFERS: 2 conflicts, of none that were sent
        "#]]
        .assert_eq(&of(&report()));
    }
}
