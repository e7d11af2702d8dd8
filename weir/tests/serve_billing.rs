//! What a server bills is what a run bills: the same events, the same closes, the same documents. Only digests differ, because a
//! deployment's hashes have a key of their own (L6, L8).

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::Request;
use serde_json::{Value, json};
use tokio::runtime::{Builder, Runtime};
use tower_service::Service as _;
use weir::config::Config;
use weir::serve::Node;
use weir::serve::clock::SetClock;
use weir_files::Disk;
use weir_model::time::Instant;

const CATALOG: &str = r#"
name = "acme"
currency = "USD"
time_zone = "UTC"
[meters.tokens]
event_type = "llm"
aggregation = "sum"
value = "data.tokens"
scale = 0
dimensions = { model = "data.model" }
[meters.peak]
event_type = "seats"
aggregation = "max"
value = "data.seats"
scale = 0
[prices.tokens]
model = "graduated"
tiers = [ { up_to = 1_000, unit_amount = "0.01" }, { unit_amount = "0.005" } ]
[prices.seats]
model = "unit"
unit_amount = "9"
[plans.pro]
fees = [ { name = "platform", amount = "49.00", when = "arrears" } ]
thresholds = [ { name = "ten", amount = "10.00" }, { name = "many", charge = "tokens", quantity = 1_500 } ]
[[plans.pro.charges]]
name = "tokens"
meter = "tokens"
price = "tokens"
group_by = ["model"]
late_policy = "credit_or_debit_note"
[[plans.pro.charges]]
name = "seats"
meter = "peak"
price = "seats"
[customers.acme]
plan = "pro"
subjects = ["acme-prod", "acme-dev"]
[defaults]
plan = "pro"
"#;

/// October's events, then late ones and November's.
fn stages() -> [String; 2] {
    let subjects = ["acme-prod", "acme-dev", "globex", "initech"];
    let event = |i: usize, day: &str| {
        let subject = subjects[i % subjects.len()];
        let (kind, data) = match i % 3 {
            0 => ("seats", json!({ "seats": i % 17 })),
            _ => (
                "llm",
                json!({ "tokens": i * 37 % 500, "model": (if i.is_multiple_of(2) { "swift" } else { "atlas" }) }),
            ),
        };
        let event = json!({ "specversion": "1.0", "id": i.to_string(), "source": "/t", "type": kind, "subject": subject,
            "time": format!("{day}T10:00:00Z"), "data": data });
        format!("{event}\n")
    };
    let day = |i: usize| format!("2025-10-{:02}", 1 + i % 31);
    let october: String = (0..400).map(|i| event(i, &day(i))).collect();
    let late = (400..430).map(|i| event(i, &day(i)));
    let november = (430..600).map(|i| event(i, &format!("2025-11-{:02}", 1 + i % 30)));
    [october, late.chain(november).collect()]
}

struct Server {
    node: Node,
    router: Router,
    runtime: Runtime,
}

impl Server {
    fn start(folder: &Path) -> Server {
        let variables = [("WEIR_ARCHIVE__BATCH_EVENTS", "100"), ("WEIR_SNAPSHOTS__EVERY_LOG_BYTES", "16KiB")];
        let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let settings = Config::load(None, variables.into_iter()).unwrap().settings;
        let clock = SetClock::at(Instant::from_micros(1_767_225_600_000_000));
        fs::create_dir_all(folder).unwrap();
        let node = Node::start(Arc::new(Disk::new(folder)), settings, Arc::new(clock)).unwrap();
        let (router, runtime) = (node.router(), Builder::new_current_thread().enable_all().build().unwrap());
        Server { node, router, runtime }
    }

    fn ask(&mut self, method: &str, path: &str, (content_type, body): (&str, String)) -> Value {
        let request = Request::builder().method(method).uri(path).header("content-type", content_type);
        let request = request.body(Body::from(body)).unwrap();
        let router = &mut self.router;
        self.runtime.block_on(async {
            let response = router.call(request).await.unwrap();
            let status = response.status();
            let bytes = to_bytes(response.into_body(), usize::MAX).await.unwrap();
            let text = String::from_utf8_lossy(&bytes);
            assert!(status.is_success(), "{path}: {status} {text}");
            serde_json::from_str(&text).unwrap()
        })
    }

    fn send(&mut self, events: &str) -> Value {
        self.ask("POST", "/v1/events", ("application/x-ndjson", events.to_owned()))
    }

    fn close(&mut self, through: &str) {
        let body = json!({ "through": through }).to_string();
        self.ask("POST", "/v1/closes", ("application/json", body));
    }

    fn stop(self) {
        let Server { node, router, runtime } = self;
        drop((router, runtime));
        node.stop().unwrap();
    }
}

/// All documents of a folder, without digests.
fn documents(folder: &Path) -> Vec<Value> {
    fn without_digests(value: &mut Value) {
        match value {
            Value::Object(members) => {
                members.retain(|key, _| !key.contains("digest"));
                members.values_mut().for_each(without_digests);
            }
            Value::Array(values) => values.iter_mut().for_each(without_digests),
            _ => {}
        }
    }
    let text = fs::read_to_string(folder.join("invoices.ndjson")).unwrap();
    let parsed = text.lines().map(|line| {
        let mut document = serde_json::from_str(line).unwrap();
        without_digests(&mut document);
        document
    });
    parsed.collect()
}

fn weir(folder: &Path, arguments: &[&str]) {
    let output = Command::new(env!("CARGO_BIN_EXE_weir")).current_dir(folder).args(arguments).output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn a_server_bills_what_a_run_bills() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let [october, later] = stages();
    fs::write(path.join("catalog.toml"), CATALOG).unwrap();
    fs::write(path.join("october.ndjson"), &october).unwrap();
    fs::write(path.join("later.ndjson"), &later).unwrap();
    let run = ["run", "--catalog", "catalog.toml", "--events", "october.ndjson", "--close", "2025-11-01"];
    weir(path, &[&run[..], &["--events", "later.ndjson", "--until", "2025-12-01", "--out", "run"]].concat());

    let mut server = Server::start(&path.join("data"));
    server.ask("PUT", "/v1/catalog", ("application/toml", CATALOG.to_owned()));
    let taken = server.send(&october);
    assert_eq!((&taken["received"], &taken["accepted"]), (&json!(400), &json!(400)), "{taken}");
    assert_eq!(server.send(&october)["duplicate"], json!(400));
    // In a restart everything is there again, and goes on.
    server.stop();
    let mut server = Server::start(&path.join("data"));
    server.node.tick();
    server.close("2025-11-01");
    server.send(&later);
    server.close("2025-12-01");
    let reached = server.ask("GET", "/v1/thresholds", ("", String::new()));
    let told: Vec<_> =
        reached["reached"].as_array().unwrap().iter().map(|one| (&one["customer"], &one["threshold"])).collect();
    let expected = [("acme", "ten"), ("acme", "many"), ("globex", "ten"), ("globex", "many"), ("initech", "ten")];
    for (customer, threshold) in expected {
        let of = told.iter().filter(|(who, what)| (*who, *what) == (&json!(customer), &json!(threshold)));
        assert!(of.count() >= 1, "{customer} {threshold}: {reached}");
    }
    let stats = server.ask("GET", "/v1/stats", ("", String::new()));
    assert_eq!([&stats["received"], &stats["accepted"], &stats["duplicate"]], [&json!(1000), &json!(600), &json!(400)]);
    let current = server.ask("GET", "/v1/customers/acme/current", ("", String::new()));
    assert_eq!(current["periods"], json!([]), "everything is sealed");
    server.stop();

    weir(path, &["invoices", "build", "--data", "data", "--out", "invoices"]);
    weir(path, &["invoices", "build", "--data", "data", "--out", "again"]);
    let (served, run) = (documents(&path.join("invoices")), documents(&path.join("run/invoices")));
    assert!(run.len() > 5 && run.iter().any(|document| document["kind"] != "invoice"), "{} documents", run.len());
    assert_eq!(served.len(), run.len());
    for (served, run) in served.iter().zip(&run) {
        assert_eq!(served, run);
    }
    let read = |folder: &str| fs::read(path.join(folder).join("invoices.ndjson")).unwrap();
    assert_eq!(read("invoices"), read("again"));
    weir(path, &["log", "verify", "--data", "data"]);
}
