//! Is it alive, is it ready, and what has it counted: for orchestrators and Prometheus.

use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;

use super::super::status::{LATENCY_BOUNDS_US, Latencies, Phase};
use super::{App, ROOM_UNIT};

/// Does the process answer?
#[utoipa::path(
    get, path = "/healthz", tag = "operation",
    responses((status = 200, description = "It does", body = String, content_type = "text/plain; charset=utf-8")),
)]
pub async fn healthz() -> &'static str {
    "alive\n"
}

/// Are events taken?
#[utoipa::path(
    get, path = "/readyz", tag = "operation",
    responses(
        (status = 200, description = "They are", body = String, content_type = "text/plain; charset=utf-8"),
        (status = 503, description = "They are not, and why", body = String, content_type = "text/plain; charset=utf-8"),
    ),
)]
pub async fn readyz(State(app): State<Arc<App>>) -> impl IntoResponse {
    let status = &app.status;
    let why = match status.phase() {
        _ if status.has_failed() => "the log has failed",
        Phase::Starting => "starting",
        Phase::Draining => "draining",
        Phase::Ready if status.is_nearly_full() => "the disk is nearly full",
        Phase::Ready => return (StatusCode::OK, "ready\n".to_owned()),
    };
    (StatusCode::SERVICE_UNAVAILABLE, format!("not ready: {why}\n"))
}

/// Metrics in Prometheus' text format.
#[utoipa::path(
    get, path = "/metrics", tag = "operation",
    responses((status = 200, description = "Metrics", body = String, content_type = "text/plain; version=0.0.4; charset=utf-8")),
)]
pub async fn metrics(State(app): State<Arc<App>>) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text(&app))
}

fn text(app: &App) -> String {
    let mut page = Page(String::new());
    let status = &app.status;
    let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
    page.head("weir_events_total", "counter", "Events by what became of them, since the process began (L3).");
    let verdicts = ["received", "accepted", "duplicate", "conflict", "rejected"];
    for (verdict, counter) in verdicts.into_iter().zip(&status.events) {
        page.line("weir_events_total", &format!("{{verdict=\"{verdict}\"}}"), read(counter));
    }
    page.head("weir_answers_total", "counter", "Answers to POST /v1/events by class of their status.");
    for (class, counter) in status.answers.iter().enumerate().skip(2) {
        page.line("weir_answers_total", &format!("{{status=\"{class}xx\"}}"), read(counter));
    }
    for (name, help, value) in [
        ("weir_log_durable_offset", "Records of the log that are durable.", read(&status.durable_offset)),
        ("weir_log_applied_offset", "Records of the log that are applied.", read(&status.applied_offset)),
        ("weir_log_archived_offset", "Records of the log that are archived.", read(&status.archived_offset)),
        ("weir_snapshot_offset", "Record that the newest snapshot begins at.", read(&status.snapshot_offset)),
        ("weir_identities", "Events that repeats are recognised of.", read(&status.identities)),
        ("weir_connections", "Connections that are open.", read(&status.connections)),
        ("weir_room_free_bytes", "Room for requests that is free.", app.room.available_permits() as u64 * ROOM_UNIT),
        ("weir_ready", "Whether events are taken.", u64::from(status.phase() == Phase::Ready && !status.has_failed())),
    ] {
        page.head(name, "gauge", help);
        page.line(name, "", value);
    }
    page.head(
        "weir_queue_depth",
        "gauge",
        "What waits for a thread: requests for the journal, records for the engine.",
    );
    for (queue, depth) in [("journal", app.journal.depth()), ("engine", app.engine.depth())] {
        page.line("weir_queue_depth", &format!("{{queue=\"{queue}\"}}"), depth as u64);
    }
    page.histogram("weir_log_sync_seconds", "How long syncs of the log take.", &status.syncs);
    page.histogram("weir_ingest_seconds", "From a request to POST /v1/events to its answer.", &status.requests);
    page.0
}

/// A page of Prometheus' text format.
struct Page(String);

impl Page {
    fn head(&mut self, name: &str, kind: &str, help: &str) {
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    fn line(&mut self, name: &str, labels: &str, value: u64) {
        let _ = writeln!(self.0, "{name}{labels} {value}");
    }

    fn histogram(&mut self, name: &str, help: &str, latencies: &Latencies) {
        self.head(name, "histogram", help);
        let (counts, sum_us) = latencies.read();
        let mut below = 0;
        for (index, count) in counts.iter().enumerate() {
            below += count;
            let bound = LATENCY_BOUNDS_US.get(index).map_or_else(|| "+Inf".to_owned(), |bound| seconds(*bound));
            self.line(&format!("{name}_bucket"), &format!("{{le=\"{bound}\"}}"), below);
        }
        let _ = writeln!(self.0, "{name}_sum {}", seconds(sum_us));
        self.line(&format!("{name}_count"), "", below);
    }
}

/// Microseconds as a decimal number of seconds.
fn seconds(us: u64) -> String {
    let text = format!("{}.{:06}", us / 1_000_000, us % 1_000_000);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}
