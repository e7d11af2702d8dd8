//! `weir demo` as a newcomer meets it: the whole command, the commands it suggests, and what it refuses.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

const WEIR: &str = env!("CARGO_BIN_EXE_weir");

fn weir(folder: &Path, args: &[&str]) -> Output {
    Command::new(WEIR).args(args).current_dir(folder).output().unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

#[test]
fn the_tour_adds_up_and_its_commands_work() {
    let temp = tempfile::tempdir().unwrap();
    for seed in ["1", "2"] {
        let out = format!("demo {seed}");
        let demo = weir(temp.path(), &["demo", "--events", "5000", "--seed", seed, "--out", &out]);
        let (shown, errors) = (text(&demo.stdout), text(&demo.stderr));
        assert!(demo.status.success(), "seed {seed}: {errors}\n{shown}");
        assert_eq!(errors, "", "quiet when piped");
        assert!(shown.contains("Every figure agrees"), "{shown}");
        for word in ["5,000", "duplicate", "conflict", "json_invalid", "no_cell", "Meridian Bank plc", "TOTAL DUE"] {
            assert!(shown.contains(word), "seed {seed}: `{word}` is missing from\n{shown}");
        }
        for file in ["catalog.toml", "events.ndjson", "results/report.json", "results/invoices/invoices.ndjson"] {
            assert!(temp.path().join(&out).join(file).is_file(), "{file}");
        }
        let (_, next) = shown.split_once("Try next:\n").unwrap();
        let commands: Vec<&str> = next.lines().filter(|line| !line.starts_with("      ")).collect();
        assert_eq!(commands.len(), 3, "{next}");
        for command in commands {
            let run = Command::new("sh").args(["-c", command]).current_dir(temp.path()).output().unwrap();
            assert!(run.status.success(), "{command}\n{}", text(&run.stderr));
            assert!(!run.stdout.is_empty(), "{command}");
        }
    }
    let events = |seed: u8| fs::read(temp.path().join(format!("demo {seed}/events.ndjson"))).unwrap();
    assert!(events(1) != events(2), "another seed, another month");
}

#[test]
fn the_seed_decides_every_byte() {
    let temp = tempfile::tempdir().unwrap();
    for out in ["a", "b"] {
        assert!(weir(temp.path(), &["demo", "--events", "2000", "--seed", "7", "--out", out]).status.success());
    }
    for file in ["events.ndjson", "results/invoices/invoices.ndjson"] {
        let read = |out: &str| fs::read(temp.path().join(out).join(file)).unwrap();
        assert!(read("a") == read("b"), "{file} differs between two runs of one seed");
    }
}

#[test]
fn an_existing_folder_is_refused() {
    let temp = tempfile::tempdir().unwrap();
    fs::create_dir(temp.path().join("mine")).unwrap();
    fs::write(temp.path().join("mine/catalog.toml"), "mine").unwrap();
    for (args, reason) in [
        (&["demo", "--events", "1000", "--out", "mine"][..], "--out mine exists"),
        (&["demo", "--events", "1000", "--out", "mine", "--force"][..], "was not written by a demo"),
    ] {
        let refused = weir(temp.path(), args);
        assert_eq!(refused.status.code(), Some(2), "{args:?}");
        assert!(text(&refused.stderr).contains(reason), "{}", text(&refused.stderr));
        assert_eq!(text(&refused.stdout), "");
        assert_eq!(fs::read_to_string(temp.path().join("mine/catalog.toml")).unwrap(), "mine");
    }
    let again = |force: &[&str]| {
        let args = [&["demo", "--events", "1000", "--out", "own"][..], force].concat();
        weir(temp.path(), &args).status.code()
    };
    assert_eq!([again(&[]), again(&[]), again(&["--force"])], [Some(0), Some(2), Some(0)]);
}
