//! What is told of a run, as `docs/load-json.md` describes it.
//!
//! Owns: which figures there are and how they follow from records. Does not own: how people see them (`cargo xtask load`).
#![allow(clippy::cast_precision_loss, reason = "counts and clocks are printed, never billed")]

use std::time::Duration;

use hdrhistogram::{Counter, Histogram};
use serde::Serialize;

use super::audit::Audit;
use super::{Load, Measured, Pace, Recipe, Sample, Second, Tries, Usage};

/// Points of a latency curve, for each halving of what is above.
const CURVE_STEPS: u32 = 5;

/// Everything.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// What was asked for.
    pub options: Options,
    /// What was measured: the server first, then ceilings.
    pub targets: Vec<Target>,
    /// What the server's answers come to; absent if only ceilings were measured.
    pub audit: Option<Audit>,
}

/// What was asked for.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Options {
    /// `HOST:PORT`; absent if only ceilings were measured.
    pub server: Option<String>,
    /// Name of the form of bodies.
    pub form: String,
    /// Events in a body.
    pub events_per_body: u64,
    /// Connections.
    pub connections: usize,
    /// Threads of the driver.
    pub threads: usize,
    /// The rate of an open loop; absent in a closed one.
    pub events_per_s: Option<u64>,
    /// Measured in each phase.
    pub seconds: f64,
    /// Sent before, in each phase.
    pub warmup_seconds: f64,
    /// Decides the events.
    pub seed: u64,
    /// Bodies that were encoded beforehand.
    pub pool_bodies: usize,
}

/// One server over all its phases.
#[derive(Debug, Clone, Serialize)]
pub struct Target {
    /// `server`, `ceiling-sync`, `ceiling-discard`.
    pub name: String,
    /// The median of its phases.
    pub events_per_s: f64,
    /// Events for each CPU second of the server, the median of its phases; absent if its process is not known.
    pub events_per_cpu_s: Option<f64>,
    /// The server's median by this one's; absent for the server itself.
    pub server_ratio: Option<f64>,
    /// In the order in which they were measured, alternating with those of the other targets.
    pub phases: Vec<Phase>,
}

/// One phase of one target.
#[derive(Debug, Clone, Serialize)]
pub struct Phase {
    /// Events that were acknowledged in the measured time.
    pub events: u64,
    /// For each second of it.
    pub events_per_s: f64,
    /// From when bodies were meant to be sent, retries included.
    pub latency: Latency,
    /// From a body's first byte to its answer, the last try only.
    pub service: Latency,
    /// CPU seconds of the driver in the measured time.
    pub driver_cpu_s: f64,
    /// CPU seconds of the server in the measured time.
    pub server_cpu_s: Option<f64>,
    /// The most memory that the server held at the end of a second.
    pub server_resident_bytes_max: Option<u64>,
    /// Tries that were not acknowledged, those of the warm-up included.
    pub tries: Failures,
    /// Bodies that an open loop did not get to send: if there are any, true latencies are greater.
    pub unsent_bodies: u64,
    /// Second by second.
    pub series: Vec<Point>,
}

/// Tries that were not acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Failures {
    /// 429.
    pub busy: u64,
    /// 503.
    pub unavailable: u64,
    /// No connection.
    pub unconnected: u64,
    /// The connection broke under way.
    pub broken: u64,
}

/// A distribution of times in microseconds, to three digits.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Latency {
    /// Bodies.
    pub bodies: u64,
    /// The median.
    pub p50_us: u64,
    /// 90 of a hundred are shorter.
    pub p90_us: u64,
    /// 99 of a hundred.
    pub p99_us: u64,
    /// 999 of a thousand.
    pub p999_us: u64,
    /// 9,999 of ten thousand.
    pub p9999_us: u64,
    /// The longest.
    pub max_us: u64,
    /// Pairs of a share from 0 to 1 and the time that no more than this share exceeds, denser towards 1.
    pub curve: Vec<(f64, u64)>,
}

/// One second.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Point {
    /// Events that were acknowledged in it.
    pub events: u64,
    /// Of latencies of bodies that were meant to be sent in it.
    pub p50_us: u64,
    /// Likewise.
    pub p99_us: u64,
    /// Likewise.
    pub max_us: u64,
    /// CPU seconds of the driver.
    pub driver_cpu_s: f64,
    /// CPU seconds of the server.
    pub server_cpu_s: Option<f64>,
    /// Memory that the server held at its end.
    pub server_resident_bytes: Option<u64>,
}

impl Options {
    /// Of a load and its pool.
    pub fn of(load: &Load, recipe: &Recipe, pool_bodies: usize) -> Options {
        Options {
            server: Some(load.server.host.clone()),
            form: recipe.form.to_string(),
            events_per_body: recipe.events_per_body,
            connections: load.connections,
            threads: load.threads,
            events_per_s: match load.pace {
                Pace::Closed => None,
                Pace::Open { events_per_s } => Some(events_per_s),
            },
            seconds: load.length.as_secs_f64(),
            warmup_seconds: load.warmup.as_secs_f64(),
            seed: recipe.seed,
            pool_bodies,
        }
    }
}

impl Target {
    /// Of all its phases; ratios are to `server`.
    pub fn of(name: &str, phases: Vec<Phase>, server: Option<&Target>) -> Target {
        let events_per_s = median(phases.iter().map(|phase| phase.events_per_s).collect());
        let by_cpu = |phase: &Phase| phase.server_cpu_s.filter(|cpu| *cpu > 0.0).map(|cpu| phase.events as f64 / cpu);
        let by_cpu: Vec<f64> = phases.iter().filter_map(by_cpu).collect();
        Target {
            name: name.to_owned(),
            events_per_s,
            events_per_cpu_s: (!by_cpu.is_empty()).then(|| median(by_cpu)),
            server_ratio: server.filter(|_| events_per_s > 0.0).map(|server| server.events_per_s / events_per_s),
            phases,
        }
    }
}

impl Phase {
    /// Of what was measured.
    pub fn of(measured: &Measured) -> Phase {
        let events = measured.seconds.iter().map(|second| second.events).sum();
        let (first, last) = (measured.samples.first(), measured.samples.last());
        let spent = first.zip(last).map(|(first, last)| Spent::between(first, last));
        let resident = measured.samples.iter().filter_map(|sample| sample.server).map(|usage| usage.resident_bytes);
        let Tries { busy, unavailable, unconnected, broken } = measured.counts.tries;
        Phase {
            events,
            events_per_s: events as f64 / measured.length.as_secs_f64(),
            latency: Latency::of(&measured.latency),
            service: Latency::of(&measured.service),
            driver_cpu_s: spent.map_or(0.0, |spent| spent.driver_cpu.as_secs_f64()),
            server_cpu_s: spent.and_then(|spent| spent.server_cpu).map(|cpu| cpu.as_secs_f64()),
            server_resident_bytes_max: resident.max(),
            tries: Failures { busy, unavailable, unconnected, broken },
            unsent_bodies: measured.unsent_bodies,
            series: measured
                .samples
                .windows(2)
                .zip(&measured.seconds)
                .map(|(pair, second)| point(pair, second))
                .collect(),
        }
    }
}

/// What both processes took between two samples.
#[derive(Debug, Clone, Copy)]
struct Spent {
    driver_cpu: Duration,
    server_cpu: Option<Duration>,
}

impl Spent {
    fn between(first: &Sample, last: &Sample) -> Spent {
        let cpu = |first: Usage, last: Usage| last.cpu.saturating_sub(first.cpu);
        Spent {
            driver_cpu: cpu(first.driver, last.driver),
            server_cpu: first.server.zip(last.server).map(|(first, last)| cpu(first, last)),
        }
    }
}

fn point(pair: &[Sample], second: &Second) -> Point {
    let spent = Spent::between(&pair[0], &pair[1]);
    Point {
        events: second.events,
        p50_us: second.latency.value_at_quantile(0.5),
        p99_us: second.latency.value_at_quantile(0.99),
        max_us: second.latency.max(),
        driver_cpu_s: spent.driver_cpu.as_secs_f64(),
        server_cpu_s: spent.server_cpu.map(|cpu| cpu.as_secs_f64()),
        server_resident_bytes: pair[1].server.map(|usage| usage.resident_bytes),
    }
}

impl Latency {
    fn of<C: Counter>(histogram: &Histogram<C>) -> Latency {
        let at = |share| histogram.value_at_quantile(share);
        let curve = histogram.iter_quantiles(CURVE_STEPS);
        Latency {
            bodies: histogram.len(),
            p50_us: at(0.5),
            p90_us: at(0.9),
            p99_us: at(0.99),
            p999_us: at(0.999),
            p9999_us: at(0.9999),
            max_us: histogram.max(),
            curve: curve.map(|step| (step.quantile(), step.value_iterated_to().min(histogram.max()))).collect(),
        }
    }
}

/// Of two in the middle, their mean; 0 of none.
fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    let middle = figures.len() / 2;
    match figures.len() % 2 {
        _ if figures.is_empty() => 0.0,
        0 => f64::midpoint(figures[middle - 1], figures[middle]),
        _ => figures[middle],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians() {
        for (figures, expected) in [(vec![], 0.0), (vec![3.0], 3.0), (vec![3.0, 1.0], 2.0), (vec![9.0, 1.0, 2.0], 2.0)]
        {
            assert!((median(figures) - expected).abs() < f64::EPSILON);
        }
    }
}
