//! The log alone decides (L6, L7): read again on any number of threads, with snapshots seldom or often, it gives the same archive and the same
//! seals, byte for byte.

#[allow(dead_code, reason = "other proofs read archives")]
#[path = "library/archived.rs"]
mod archived;
#[path = "library/copies.rs"]
mod copies;
#[allow(dead_code, reason = "other proofs ask more")]
#[path = "library/node.rs"]
mod node;
#[allow(dead_code, reason = "other proofs compare more")]
#[path = "library/script.rs"]
mod script;
#[allow(dead_code, reason = "other proofs send other bodies")]
#[path = "library/sent.rs"]
mod sent;

use copies::{all_files, copied};
use node::{Running, settings};
use script::Script;
use weir_files::Simulated;

const SELDOM: &str = "1GiB";

/// All that is made of the log and kept for good.
fn made(files: &Simulated) -> Vec<(String, Vec<u8>)> {
    let kept = |path: &str| path.starts_with("archive/") || path.starts_with("seals/");
    all_files(files).into_iter().filter(|(path, _)| kept(path)).collect()
}

#[test]
fn the_log_alone_decides() {
    let every = |threads: &'static str, log_bytes: &'static str| {
        settings(&[
            ("WEIR_DATA__THREADS", threads),
            ("WEIR_SNAPSHOTS__EVERY_LOG_BYTES", log_bytes),
            ("WEIR_DATA__SHARDS", "5"),
        ])
    };
    let script = Script::narrow(40, every("1", SELDOM));
    let files = Simulated::new();
    let mut running = Running::start(&files, &script.settings).unwrap();
    assert_eq!(script.go(&mut running, 0, true), (script.steps.len(), None));
    running.stop().unwrap();
    let expected = made(&files);
    assert!(expected.iter().filter(|(path, _)| path.starts_with("archive/batches/")).count() > 10);
    assert_eq!(expected.iter().filter(|(path, _)| path.starts_with("seals/")).count(), 2 * (5 + 1));

    let log = copied(&files, |path, _| path.starts_with("log/") || path == "deployment.json");
    for (threads, log_bytes) in [("1", SELDOM), ("2", SELDOM), ("1", "1KiB"), ("2", "8KiB")] {
        let again = log.copy();
        let running = Running::start(&again, &every(threads, log_bytes)).unwrap();
        running.stop().unwrap();
        let found = made(&again);
        let paths = |files: &[(String, Vec<u8>)]| files.iter().map(|(path, _)| path.clone()).collect::<Vec<_>>();
        assert_eq!(paths(&found), paths(&expected), "{threads} threads, a snapshot every {log_bytes}");
        for ((path, ours), (_, theirs)) in found.iter().zip(&expected) {
            assert!(ours == theirs, "{path} differs: {threads} threads, a snapshot every {log_bytes}");
        }
    }

    // A life with snapshots, stopped and started between any two requests, makes the same of the same log.
    let often = Script { settings: every("2", "1KiB"), ..script };
    let broken = copied(&log, |path, _| path == "deployment.json");
    for (number, _) in often.steps.iter().enumerate() {
        let mut running = Running::start(&broken, &often.settings).unwrap();
        let one = Script { steps: often.steps[number..=number].to_vec(), settings: often.settings.clone() };
        assert_eq!(one.go(&mut running, 0, true), (1, None));
        running.stop().unwrap();
    }
    assert_eq!(archived::read(&broken).events.len(), archived::read(&files).events.len());
}
