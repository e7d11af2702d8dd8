//! `weir serve` under clients that nobody here wrote: the CloudEvents SDKs for Python and JavaScript, pyarrow, schemathesis over the OpenAPI
//! document, and the parser of Prometheus' client library. `cargo xtask clients` fetches them; `cargo xtask test` does so itself.
#![allow(clippy::float_cmp, reason = "counters are whole numbers")]

#[path = "running/server.rs"]
mod server;

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};
use server::Running;

/// Where the clients are.
fn clients() -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap().join("clients");
    // The fetch ends with this file.
    assert!(folder.join("requirements.txt").exists(), "fetch the clients first: cargo xtask clients");
    folder
}

fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients").join(name)
}

/// Runs a client; what it printed, line by line.
fn run(command: &mut Command) -> Vec<Value> {
    let output = command.output().unwrap();
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{stdout}\n{stderr}");
    stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn python(name: &str, server: &Running) -> Vec<Value> {
    run(Command::new(clients().join("venv/bin/python")).arg(script(name)).args([&server.url(), &server.key]))
}

/// Of an answer: status, received, accepted, duplicate, conflict, and the rejections' positions and codes.
fn told(answer: &Value) -> (u64, [u64; 4], Vec<(u64, String)>) {
    let body = &answer["body"];
    let count = |name: &str| body[name].as_u64().unwrap_or(u64::MAX);
    let rejection =
        |rejected: &Value| (rejected["index"].as_u64().unwrap(), rejected["code"].as_str().unwrap().to_owned());
    let rejections = body["rejections"].as_array().into_iter().flatten().map(rejection).collect();
    let counts = ["received", "accepted", "duplicate", "conflict"].map(count);
    (answer["status"].as_u64().unwrap(), counts, rejections)
}

fn none() -> Vec<(u64, String)> {
    Vec::new()
}

fn input_tokens(server: &Running, customer: &str) -> Value {
    let usage = server.get(&format!("/v1/usage?meter=input_tokens&customer={customer}")).json();
    usage["rows"].as_array().unwrap().iter().map(|row| row["quantity"].clone()).collect()
}

#[test]
fn cloud_events_of_the_python_sdk_count_once_in_every_form() {
    let server = Running::start(&[]);
    let answers = python("cloudevents_sdk.py", &server);
    let [structured, binary, umlaut, umlaut_binary, batch] = &answers[..] else { panic!("{answers:?}") };
    for (first, again) in [(structured, binary), (umlaut, umlaut_binary)] {
        assert_eq!(told(first), (200, [1, 1, 0, 0], none()), "{first}");
        assert_eq!(told(again), (200, [1, 0, 1, 0], none()), "{again}");
    }
    assert_eq!(told(batch), (200, [14, 10, 3, 0], vec![(13, "attribute_missing".to_owned())]), "{batch}");
    let of_acme: u64 = 1000 + (2..12).map(|number| 1000 + number).sum::<u64>();
    assert_eq!(input_tokens(&server, "acme"), json!([of_acme.to_string()]));
    assert_eq!(input_tokens(&server, "M%C3%BCller%20%26%20S%C3%B6hne%2C%20100%20%25%20%E2%98%95"), json!(["1001"]));
}

#[test]
fn cloud_events_of_the_javascript_sdk_count_once_in_every_form() {
    let server = Running::start(&[]);
    let mut node = Command::new("node");
    let answers = run(node.arg(script("cloudevents_sdk.mjs")).arg(clients()).args([&server.url(), &server.key]));
    let [structured, binary, second, second_binary, batch] = &answers[..] else { panic!("{answers:?}") };
    for (first, again) in [(structured, binary), (second, second_binary)] {
        assert_eq!(told(first), (200, [1, 1, 0, 0], none()), "{first}");
        assert_eq!(told(again), (200, [1, 0, 1, 0], none()), "{again}");
    }
    assert_eq!(told(batch), (200, [14, 10, 3, 0], vec![(13, "attribute_missing".to_owned())]), "{batch}");
    let of_acme: u64 = (0..12).map(|number| 1000 + number).sum();
    assert_eq!(input_tokens(&server, "acme"), json!([of_acme.to_string()]));
}

#[test]
fn arrow_streams_of_pyarrow_are_taken_whatever_their_text_columns() {
    let server = Running::start(&[]);
    let answers = python("arrow_stream.py", &server);
    let [taken @ .., again, bad, missing, wrong] = &answers[..] else { panic!("{answers:?}") };
    assert_eq!(taken.len(), 6);
    for answer in taken {
        assert_eq!(told(answer), (200, [1000, 1000, 0, 0], none()), "{answer}");
    }
    assert_eq!(told(again), (200, [1000, 0, 1000, 0], none()), "{again}");
    assert_eq!(told(bad), (200, [3, 2, 0, 0], vec![(1, "attribute_missing".to_owned())]), "{bad}");
    for answer in [missing, wrong] {
        assert_eq!((&answer["status"], &answer["body"]["code"]), (&json!(400), &json!("columns_invalid")));
    }
    let total = 6 * (0..1000).sum::<u64>() + 2;
    assert_eq!(input_tokens(&server, "acme"), json!([total.to_string()]));
}

#[test]
fn metrics_are_read_by_prometheus_own_parser() {
    let server = Running::start(&[]);
    let lines = [server::event("1", 1), server::event("2", 2), server::event("1", 1), "no event\n".to_owned()].concat();
    assert_eq!(server.events("application/x-ndjson", lines.as_bytes()).status, 200);
    let read = &run(Command::new(clients().join("venv/bin/python")).arg(script("metrics.py")).arg(server.url()))[0];
    assert_eq!(read["content_type"], "text/plain; version=0.0.4; charset=utf-8");
    assert_eq!(read["helped"], true);
    let samples = read["samples"].as_array().unwrap();
    let value = |name: &str, labels: Value| {
        let sample = samples.iter().find(|sample| sample["name"] == name && sample["labels"] == labels);
        sample.unwrap_or_else(|| panic!("{name} {labels}: {samples:?}"))["value"].as_f64().unwrap()
    };
    let of = |verdict: &str| value("weir_events_total", json!({"verdict": verdict}));
    let counted = ["received", "accepted", "duplicate", "conflict", "rejected"].map(of);
    assert_eq!(counted, [4.0, 2.0, 1.0, 0.0, 1.0]);
    assert_eq!(value("weir_ready", json!({})), 1.0);
    assert_eq!(value("weir_answers_total", json!({"status": "2xx"})), 1.0);
    assert_eq!(value("weir_ingest_seconds_count", json!({})), 1.0);
    assert_eq!(value("weir_ingest_seconds_bucket", json!({"le": "+Inf"})), 1.0);
    let families: std::collections::BTreeSet<_> = samples.iter().map(|sample| sample["family"].as_str()).collect();
    assert!(families.iter().flatten().all(|family| family.starts_with("weir_")), "{families:?}");
}

/// One operation of the document.
struct Operation {
    method: String,
    path: String,
    role: Option<String>,
}

fn operations(document: &Value) -> Vec<Operation> {
    let paths = document["paths"].as_object().unwrap().iter();
    let of_path = |(path, item): (&String, &Value)| {
        let path = path.clone();
        let operation = move |(method, operation): (&String, &Value)| Operation {
            method: method.to_uppercase(),
            path: path.clone(),
            role: operation["security"][0]["key"][0].as_str().map(str::to_owned),
        };
        item.as_object().unwrap().iter().map(operation).collect::<Vec<_>>()
    };
    paths.flat_map(of_path).collect()
}

#[test]
fn the_document_names_just_the_methods_and_roles_that_there_are() {
    let server = Running::start(&[]);
    let document = server.get("/openapi.json").json();
    let operations = operations(&document);
    let of_role = |role: &str| server.new_key(&json!({ "name": role, "role": role })).1;
    let keys = [("ingest", of_role("ingest")), ("read", of_role("read"))];
    let mut paths: Vec<&str> = operations.iter().map(|operation| operation.path.as_str()).collect();
    paths.dedup();
    for path in paths {
        let wrong = server.send("PATCH", &path.replace("{id}", "x"), &[], b"");
        assert_eq!(wrong.problem(), (405, "method_not_allowed".to_owned()));
        let allowed = wrong.headers["allow"].to_str().unwrap();
        let mut allowed: Vec<&str> = allowed.split(',').map(str::trim).filter(|method| *method != "HEAD").collect();
        let of_path = operations.iter().filter(|operation| operation.path == path);
        let mut documented: Vec<&str> = of_path.map(|operation| operation.method.as_str()).collect();
        allowed.sort_unstable();
        documented.sort_unstable();
        assert_eq!(allowed, documented, "{path}");
    }
    for Operation { method, path, role } in &operations {
        let Some(role) = role else { continue };
        let path = path.replace("{id}", "x");
        let anonymous = server.send(method, &path, &[("authorization", "")], b"");
        assert_eq!(anonymous.problem(), (401, "unauthorized".to_owned()), "{method} {path}");
        for (of, key) in &keys {
            let answer = server.send(method, &path, &[("authorization", key)], b"");
            let is_forbidden = answer.status == 403;
            assert_eq!(is_forbidden, role != of, "{method} {path} with a key of role {of}: {answer:?}");
        }
    }
    let docs = server.get("/docs");
    assert_eq!((docs.status, docs.content_type.as_str()), (200, "text/html; charset=utf-8"));
}

/// Whatever a request may be by the document, the answer is one that the document describes, and never the server's fault.
#[test]
fn schemathesis_finds_no_answer_that_the_document_does_not_describe() {
    let server = Running::start(&[]);
    let mut schemathesis = Command::new(clients().join("venv/bin/schemathesis"));
    schemathesis.arg("run").arg(format!("{}/openapi.json", server.url()));
    schemathesis.args(["--header", &format!("Authorization: Bearer {}", server.key)]);
    schemathesis.args(["--phases", "examples,coverage,fuzzing", "--max-examples", "25", "--seed", "7"]);
    schemathesis.args(["--generation-deterministic", "--request-timeout", "60", "--suppress-health-check", "all"]);
    schemathesis.args([
        "--checks",
        "not_a_server_error,status_code_conformance,content_type_conformance,response_headers_conformance,\
         response_schema_conformance,unsupported_method",
    ]);
    schemathesis.env("SCHEMATHESIS_HOOKS", "schemathesis_hooks").env("PYTHONPATH", script(""));
    let output = schemathesis.current_dir(env!("CARGO_TARGET_TMPDIR")).output().unwrap();
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{stdout}\n{stderr}");
    assert_eq!(server.get("/readyz").text, "ready\n");
}
