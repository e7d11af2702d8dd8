//! L1, as the system sees it: a trace of the real server's system calls has, before each answer that says "accepted", a finished `fdatasync` of the log
//! behind the write that holds the event. Without `strace` the test says that it is skipped.
#![allow(clippy::print_stdout, reason = "what was tried is told to whoever runs the proof")]

#[allow(dead_code, reason = "other proofs do more with it")]
#[path = "library/process.rs"]
mod process;
#[allow(dead_code, reason = "other proofs send other bodies")]
#[path = "library/sent.rs"]
mod sent;

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use process::{Place, free_url};
use weir_loadtest::driver::{BlockingClient, Form};

/// Requests, one after the other.
const REQUESTS: usize = 40;
const CALLS: &str = "trace=fdatasync,fsync,write,writev,pwrite64,pwritev,pwritev2,sendto,sendmsg";
/// How the calls' traces end for a process that has ended.
const EXITED: &str = "+++ exited with";

fn can_trace() -> bool {
    Command::new("strace").args(["-o", "/dev/null", "true"]).output().is_ok_and(|output| output.status.success())
}

/// The lines of a trace that is whole: the tracer goes on for a moment when the server has ended.
fn lines(trace: &Path) -> Vec<String> {
    loop {
        let text = fs::read_to_string(trace).unwrap();
        let first = text.split_whitespace().next().unwrap_or_default().to_owned();
        if text.lines().any(|line| line.starts_with(&first) && line.contains(EXITED)) {
            return text.lines().map(str::to_owned).collect();
        }
        std::thread::yield_now();
    }
}

#[test]
fn nothing_is_accepted_before_its_sync() {
    if !can_trace() {
        println!("SKIPPED: strace is not there, or may not trace");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let (data, trace) = (folder.path().join("data"), folder.path().join("trace"));
    // The tracer is a process beside the server, which stays our child.
    let tracer = ["strace", "-D", "-f", "-y", "-s", "4096", "-e", CALLS, "-o", trace.to_str().unwrap()];
    let place = Place { data: &data, url: free_url(), variables: vec![("WEIR_LOG__FREE_BYTES_MIN", "1MiB")] };
    let mut process = place.start(&tracer);
    process.until_ready();
    place.change("PUT", "/v1/catalog", ("application/toml", sent::CATALOG));
    let mut client = BlockingClient::new(place.server(), Form::Single).unwrap();
    for request in 0..REQUESTS {
        let event = format!(
            r#"{{"specversion":"1.0","id":"{}","source":"s","type":"ping","subject":"c","time":"2026-01-01T00:00:00Z"}}"#,
            mark(request)
        );
        let delivered = client.deliver(event.as_bytes(), Duration::from_mins(1)).unwrap();
        assert_eq!((delivered.answer.accepted, delivered.tries.broken), (1, 0));
    }
    process.stop();

    let lines = lines(&trace);
    let position =
        |from: usize, is: &dyn Fn(&str) -> bool| lines[from..].iter().position(|line| is(line)).map(|at| from + at);
    let mut answered = 0;
    for request in 0..REQUESTS {
        let is_write = |line: &str| line.contains("write") && line.contains("/log/") && line.contains(&mark(request));
        let written = position(0, &is_write).unwrap_or_else(|| panic!("request {request} is not written"));
        let synced = position(written + 1, &|line| line.contains("fdatasync") && line.ends_with("= 0"));
        let synced = synced.unwrap_or_else(|| panic!("request {request} is not synced"));
        let answer = |line: &str| line.contains("HTTP/1.1 200 OK") && line.contains(r#"\"accepted\":1"#);
        // One request at a time: the next answer is this one's.
        let answer = position(answered, &answer).unwrap_or_else(|| panic!("request {request} is not answered"));
        assert!(
            written < synced && synced < answer,
            "request {request}: line {written} {}\nline {synced} {}\nline {answer} {}",
            lines[written],
            lines[synced],
            lines[answer]
        );
        answered = answer + 1;
    }
}

fn mark(request: usize) -> String {
    format!("traced-{request:06}")
}
