//! What the log refuses never happened: neither its events, nor a change of the rules that was to come into force. What stands beside it in the
//! same group is taken all the same.

#[allow(dead_code, reason = "other proofs read archives")]
#[path = "library/archived.rs"]
mod archived;
#[allow(dead_code, reason = "other proofs ask more")]
#[path = "library/node.rs"]
mod node;
#[allow(dead_code, reason = "other proofs compare more")]
#[path = "library/script.rs"]
mod script;
#[allow(dead_code, reason = "other proofs send other bodies")]
#[path = "library/sent.rs"]
mod sent;

use node::{Running, settings};
use script::{Script, Step};
use sent::Lane;
use weir_files::{Files, Simulated};

#[test]
fn a_full_disk_refuses_and_what_it_refused_never_happened() {
    // What stays free is enough for archive and snapshots.
    let script = Script::narrow(2, settings(&[("WEIR_LOG__FREE_BYTES_MIN", "1GiB")]));
    let files = Simulated::new();
    let mut running = Running::start(&files, &script.settings).unwrap();
    let room = |bytes: u64| drop(files.clone().with_capacity(bytes));
    for step in 0..script.steps.len() {
        room(1 << 29);
        let one = Script { steps: script.steps[step..=step].to_vec(), settings: script.settings.clone() };
        let (_, refusal) = one.go(&mut running, 0, true);
        let code = refusal.map(|refusal| refusal["code"].clone());
        assert_eq!(code, Some("disk_full".into()), "step {step}");
        room(u64::MAX);
        assert_eq!(one.go(&mut running, 0, true), (1, None), "step {step}");
    }
    let stats = running.get("/v1/stats");
    running.stop().unwrap();
    let mut running = Running::start(&files, &script.settings).unwrap();
    assert_eq!(running.get("/v1/stats"), stats);
    running.stop().unwrap();
    assert!(files.list("seals").unwrap().len() > 2);
}

#[test]
fn a_body_that_is_too_large_does_not_hurt_its_neighbours() {
    let mut lane = Lane::new(3, 0);
    let script = Script { steps: vec![Step::Catalog], settings: settings(&[]) };
    let files = Simulated::new();
    let mut running = Running::start(&files, &script.settings).unwrap();
    assert_eq!(script.go(&mut running, 0, true), (1, None));
    let mut expected = 0;
    for _ in 0..20 {
        // A segment has 4 KiB.
        let bodies: Vec<_> = [1, 60, 2, 1, 60, 3].into_iter().map(|events| (events, lane.pings(events).text)).collect();
        let requests = bodies.iter().map(|(_, text)| ("application/x-ndjson", text.as_str())).collect();
        for ((events, _), (status, answer)) in bodies.iter().zip(running.ask_together("/v1/events", requests)) {
            assert_eq!(status, if *events == 60 { 413 } else { 200 }, "{answer}");
            expected += if status == 200 { *events } else { 0 };
        }
    }
    let stats = running.get("/v1/stats");
    assert_eq!((&stats["accepted"], &stats["duplicate"]), (&expected.into(), &0.into()));
    running.stop().unwrap();
}
