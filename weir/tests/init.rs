//! `weir init` as a newcomer meets it: a sample that runs, catalogs drafted from events, and what it refuses.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use expect_test::expect;
use proptest::prelude::*;
use serde_json::Value;

const WEIR: &str = env!("CARGO_BIN_EXE_weir");

fn weir(folder: &Path, args: &[&str]) -> Output {
    Command::new(WEIR).args(args).current_dir(folder).output().unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

/// Runs a command that must succeed, and gives what it prints.
fn ok(folder: &Path, args: &[&str]) -> String {
    let output = weir(folder, args);
    assert!(output.status.success(), "{args:?}: {}\n{}", text(&output.stderr), text(&output.stdout));
    text(&output.stdout).to_owned()
}

fn json(folder: &Path, args: &[&str]) -> Value {
    serde_json::from_str(&ok(folder, &[args, &["--format", "json"]].concat())).unwrap()
}

/// One event a line; `id` is the line's number. Subjects alternate.
fn events(events: &[(&str, &str)]) -> String {
    let mut lines = String::new();
    for (i, (event_type, data)) in events.iter().enumerate() {
        let (subject, second) = (["acme", "globex"][i % 2], i % 60);
        let event_type = serde_json::to_string(event_type).unwrap();
        lines.push_str(&format!(
            r#"{{"specversion":"1.0","id":"{i}","source":"/s","type":{event_type},"subject":"{subject}","time":"2026-08-01T00:00:{second:02}Z","data":{data}}}"#
        ));
        lines.push('\n');
    }
    lines
}

/// Events of one type.
fn calls(data: &[&str]) -> String {
    events(&data.iter().map(|data| ("call", *data)).collect::<Vec<_>>())
}

/// What is inferred, one line for each meter, dimension, suggestion and unused path.
fn inferred(folder: &Path, lines: &str) -> Vec<String> {
    fs::write(folder.join("events.ndjson"), lines).unwrap();
    let _ = fs::remove_dir_all(folder.join("out"));
    let outcome = json(folder, &["init", "out", "--events", "events.ndjson"]);
    let rejects = |item: &Value| match item["rejects"].as_u64() {
        Some(0) | None => String::new(),
        Some(rejects) => format!(", rejects {rejects}"),
    };
    let shown = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let mut found = Vec::new();
    for of_type in outcome["inferred"]["event_types"].as_array().unwrap() {
        let list = |name: &str| of_type[name].as_array().unwrap().clone();
        let in_force = list("meters").into_iter().filter(|meter| meter["aggregation"] != "count");
        let suggested = list("suggestions").into_iter();
        for (mark, meter) in in_force.map(|meter| ("", meter)).chain(suggested.map(|meter| ("? ", meter))) {
            let mut line = ["name", "aggregation", "value"].map(|key| shown(&meter[key])).join(" ");
            if !meter["min"].is_null() {
                line += &format!(" scale {} [{}, {}]", meter["scale"], shown(&meter["min"]), shown(&meter["max"]));
            }
            if meter["allow_negative"] == true {
                line += " negative";
            }
            if !meter["same_as"].is_null() {
                line += &format!(" = {}", shown(&meter["same_as"]));
            }
            found.push(format!("{mark}{line}{}", rejects(&meter)));
        }
        for dimension in list("dimensions") {
            found.push(format!(
                "by {} {} {}{}",
                shown(&dimension["name"]),
                shown(&dimension["path"]),
                dimension["values"],
                rejects(&dimension)
            ));
        }
        for unused in list("unused") {
            found.push(format!("- {}: {}", shown(&unused["path"]), shown(&unused["reason"])));
        }
    }
    found
}

/// A drafted catalog is sound, and so is the same with all its proposals put into force; both rate every event.
fn assert_runs(folder: &Path, events: u64) {
    let drafted = fs::read_to_string(folder.join("out/catalog.toml")).unwrap();
    let in_force = |line: &str| match line.strip_prefix('#') {
        Some(setting) if !setting.starts_with(' ') => setting.to_owned(),
        _ => line.to_owned(),
    };
    let all: Vec<String> = drafted.lines().map(in_force).collect();
    fs::write(folder.join("out/all.toml"), all.join("\n")).unwrap();
    for catalog in ["out/catalog.toml", "out/all.toml"] {
        ok(folder, &["check", "--strict", catalog]);
        let report = json(folder, &["run", "--catalog", catalog, "--events", "events.ndjson", "--strict"]);
        assert_eq!((&report["received"], &report["rated"]), (&events.into(), &events.into()), "{catalog}:\n{drafted}");
    }
}

#[test]
fn the_sample_teaches_with_commands_that_work() {
    let temp = tempfile::tempdir().unwrap();
    let shown = ok(temp.path(), &["init", "my prices"]);
    assert!(shown.starts_with("Written to my prices: README.md, catalog.toml, events.ndjson, init.json\n"), "{shown}");
    let folder = temp.path().join("my prices");

    ok(&folder, &["check", "--strict", "catalog.toml"]);
    let run = ["run", "--catalog", "catalog.toml", "--events", "events.ndjson", "--strict"];
    let report = json(&folder, &run);
    for (figure, expected) in [("received", 41), ("rated", 40), ("duplicate", 1), ("invoices", 2)] {
        assert_eq!(report[figure], expected, "{figure}");
    }
    // Tokens: large 19,618 x 0.002, small 20,000 x 0.002 + 30,000 x 0.0015 + 58,905 x 0.001; 16 requests x 0.05; 2 blocks of
    // storage x 2.00; and of the other customer 19,141 x 0.002 and 4.5 x 0.25.
    assert_eq!(report["amounts"]["USD"], "227.348");
    // 49.00 + 39.24 + 143.91 + 0.80 + 4.00, and 38.28 + 1.13.
    assert_eq!(report["invoiced"]["USD"], "276.36");
    assert!(ok(&folder, &[&run[..], &["--customer", "acme"]].concat()).contains("$236.95"));

    let path = format!("{}:{}", Path::new(WEIR).parent().unwrap().display(), std::env::var("PATH").unwrap_or_default());
    let readme = fs::read_to_string(folder.join("README.md")).unwrap();
    let of_readme: Vec<&str> = readme.lines().filter_map(|line| line.strip_prefix("$ ")).collect();
    let (_, next) = shown.split_once("Try next:\n").unwrap();
    for (commands, place) in [(of_readme, folder.as_path()), (next.lines().collect(), temp.path())] {
        assert_eq!(commands.len(), 3);
        for command in commands {
            let run = Command::new("sh").args(["-c", command]).env("PATH", &path).current_dir(place).output().unwrap();
            assert!(run.status.success() && !run.stdout.is_empty(), "{command}: {}", text(&run.stderr));
        }
        assert!(folder.join("result/invoices/INV-000001.txt").is_file());
        fs::remove_dir_all(folder.join("result")).unwrap();
    }
}

#[test]
fn the_same_files_every_time() {
    let temp = tempfile::tempdir().unwrap();
    for out in ["a/sample", "b/sample"] {
        ok(temp.path(), &["init", out]);
    }
    let events = ["--events", "a/sample/events.ndjson"];
    for out in ["a/own", "b/own"] {
        ok(temp.path(), &[&["init", out][..], &events].concat());
    }
    for file in ["sample/catalog.toml", "sample/events.ndjson", "sample/init.json", "own/catalog.toml"] {
        let read = |place: &str| fs::read(temp.path().join(place).join(file)).unwrap();
        assert!(read("a") == read("b"), "{file}");
    }
}

#[test]
fn fields_become_meters_and_dimensions() {
    let temp = tempfile::tempdir().unwrap();
    let cases: Vec<(Vec<&str>, Vec<&str>)> = vec![
        // Scales: the most decimals seen, without trailing zeros; numbers and decimal strings alike.
        (vec![r#"{"n":1}"#, r#"{"n":2.50}"#, r#"{"n":"0.125"}"#, "{}"], vec!["n sum data.n scale 3 [0.125, 2.5]"]),
        (vec![r#"{"n":1.5e3}"#, r#"{"n":null}"#], vec!["n sum data.n scale 0 [1500, 1500]"]),
        (vec![r#"{"n":-0.5}"#, r#"{"n":3}"#], vec!["n sum data.n scale 1 [-0.5, 3] negative"]),
        (vec![r#"{"n":0.000000000001}"#], vec!["n sum data.n scale 12 [0.000000000001, 0.000000000001]"]),
        (
            vec![r#"{"n":0.30000000000000004}"#],
            vec![
                "- data.n: numbers of more than 12 decimals or beyond 10^15: a meter would reject them; round at the source",
            ],
        ),
        // Nested paths, and names as short as they can be.
        (
            vec![r#"{"usage":{"in":{"tokens":1},"out":{"tokens":2}},"images":3}"#],
            vec![
                "images sum data.images scale 0 [3, 3]",
                "usage_in_tokens sum data.usage.in.tokens scale 0 [1, 1]",
                "usage_out_tokens sum data.usage.out.tokens scale 0 [2, 2]",
            ],
        ),
        // Odd names.
        (
            vec![r#"{"größe in m²":1,"say \"hi\"":2,"a\nb":3,"x.y":4,"":5}"#],
            vec![
                "a\nb sum data.a\nb scale 0 [3, 3]",
                "größe in m² sum data.größe in m² scale 0 [1, 1]",
                "say \"hi\" sum data.say \"hi\" scale 0 [2, 2]",
                "- data.\"\": a path cannot name a key that is empty or has a dot in it",
                "- data.\"x.y\": a path cannot name a key that is empty or has a dot in it",
            ],
        ),
        // Dimensions: texts that come twice on average; booleans always.
        (
            vec![r#"{"m":"a","b":true}"#, r#"{"m":"b"}"#, r#"{"m":"a"}"#, r#"{"m":"b"}"#],
            vec![r#"by b data.b ["true"]"#, r#"by m data.m ["a","b"]"#],
        ),
        (
            vec![r#"{"m":"a"}"#, r#"{"m":"b"}"#, r#"{"m":"a"}"#],
            vec!["- data.m: hardly any value repeats: an identifier, or free text"],
        ),
        (vec![r#"{"a":{"m":"x"},"b":{"m":"y"}}"#; 2], vec![r#"by a_m data.a.m ["x"]"#, r#"by b_m data.b.m ["y"]"#]),
        // Numbers that tell things apart are texts.
        (
            vec![r#"{"status":200,"user_id":1}"#; 2],
            vec![r#"by status data.status ["200"]"#, r#"by user_id data.user_id ["1"]"#],
        ),
        // Levels.
        (
            vec![r#"{"activeUsers":3,"seats":1.5}"#],
            vec!["? activeUsers max data.activeUsers scale 0 [3, 3]", "? seats max data.seats scale 1 [1.5, 1.5]"],
        ),
        // Equal fields.
        (
            vec![r#"{"n":1,"total":1.0,"other":2}"#, r#"{"n":2,"total":2,"other":2}"#],
            vec![
                "n sum data.n scale 0 [1, 2]",
                "other sum data.other scale 0 [2, 2]",
                "total sum data.total scale 0 [1, 2] = data.n",
            ],
        ),
        // Mixed types.
        (
            vec![r#"{"n":1}"#, r#"{"n":2}"#, r#"{"n":"many"}"#],
            vec!["- data.n: some numbers (2), some not (1): a meter would reject these"],
        ),
        (vec![r#"{"n":1}"#, r#"{"n":"x"}"#, r#"{"n":1}"#, r#"{"n":"x"}"#], vec![r#"by n data.n ["1","x"]"#]),
        (
            vec![r#"{"l":[1],"o":{},"p":{"q":1},"n":null}"#, r#"{"p":1}"#],
            vec![
                "q sum data.p.q scale 0 [1, 1]",
                "- data.l: a list: a path cannot name its elements",
                "- data.n: always null",
                "- data.p: an object in some events and a value in others",
            ],
        ),
        (vec!["null", "5", r#""text""#, "[1]"], vec!["- data: no object in 3 events"]),
    ];
    for (data, expected) in cases {
        assert_eq!(inferred(temp.path(), &calls(&data)), expected, "{data:?}");
        assert_runs(temp.path(), data.len() as u64);
    }
}

#[test]
fn many_values() {
    let temp = tempfile::tempdir().unwrap();
    let of_values = |values: usize, events: usize, width: usize| {
        let data: Vec<String> =
            (0..events).map(|i| format!(r#"{{"v":"{:x<width$}"}}"#, format!("v{}", i % values))).collect();
        let data: Vec<&str> = data.iter().map(String::as_str).collect();
        let mut found = inferred(temp.path(), &calls(&data));
        assert_runs(temp.path(), events as u64);
        assert_eq!(found.len(), 1);
        found.remove(0)
    };
    for (values, events, width, expected) in [
        (50, 100, 1, "by v data.v ["),
        (50, 99, 1, "- data.v: hardly any value repeats"),
        (51, 102, 1, "? v unique_count data.v"),
        (1_500, 3_000, 1, "? v unique_count data.v"),
        (3_000, 3_000, 1, "- data.v: hardly any value repeats"),
        (2, 4, 1_025, "- data.v: texts that are too long for a dimension"),
        (2, 4, 1_024, "by v data.v ["),
    ] {
        let found = of_values(values, events, width);
        assert!(found.starts_with(expected), "{values} in {events} events: {found}");
    }
}

#[test]
fn a_few_mistakes_do_not_count() {
    let temp = tempfile::tempdir().unwrap();
    let fine = r#"{"n":1.5,"m":"a","seats":2}"#;
    for (mistake, mistakes, of, expected) in [
        (
            r#"{"n":"many","m":["b"],"seats":1e400}"#,
            2,
            200,
            [
                "n sum data.n scale 1 [1.5, 1.5], rejects 2",
                "? seats max data.seats scale 0 [2, 2], rejects 2",
                r#"by m data.m ["a"], rejects 2"#,
            ],
        ),
        (
            r#"{"n":"many","m":["b"],"seats":1e400}"#,
            3,
            200,
            [
                r#"by n data.n ["1.5","many"]"#,
                "- data.m: a list: a path cannot name its elements",
                "- data.seats: numbers of more than 12 decimals or beyond 10^15: a meter would reject them; round at the source",
            ],
        ),
    ] {
        let mut data = vec![fine; of - mistakes];
        data.extend(vec![mistake; mistakes]);
        assert_eq!(inferred(temp.path(), &calls(&data)), expected, "{mistakes} of {of}");
        let run = ["run", "--catalog", "out/catalog.toml", "--events", "events.ndjson"];
        let rejected = if expected[0].ends_with("rejects 2") { 2 } else { 0 };
        assert_eq!(json(temp.path(), &run)["rejected"], rejected);
    }
    let mut data = vec![r#"{"m":"a"}"#; 99];
    data.push(r#"{"m":{"id":"a","count":3}}"#);
    let expected = [
        r#"by m data.m ["a"], rejects 1"#,
        "- data.m.count: data.m is no object in most events",
        "- data.m.id: data.m is no object in most events",
    ];
    assert_eq!(inferred(temp.path(), &calls(&data)), expected);
}

#[test]
fn limits_are_said_aloud() {
    let temp = tempfile::tempdir().unwrap();
    let types: Vec<String> = (0..103).map(|i| format!("type.{i:03}")).collect();
    let fields: Vec<String> = (0..1_002).map(|i| format!(r#""f{i:04}":1"#)).collect();
    let long = format!(r#","{}":1"#, "x".repeat(300));
    let data = format!("{{{}{long}}}", fields.join(","));
    let mut lines: Vec<(&str, &str)> = types.iter().map(|name| (name.as_str(), "{}")).collect();
    lines.push((&types[7], &data));
    fs::write(temp.path().join("events.ndjson"), events(&lines)).unwrap();
    let outcome = json(temp.path(), &["init", "out", "--events", "events.ndjson"]);
    let inferred = &outcome["inferred"];
    assert_eq!(inferred["event_types"].as_array().unwrap().len(), 100);
    assert_eq!(inferred["event_types"][7]["meters"].as_array().unwrap().len(), 1_001);
    let expected = [
        "3 events are of types beyond the first 100, and were not looked at",
        "3 values stand at paths beyond the first 1000, or longer than 256 bytes, and were not looked at",
    ];
    assert_eq!(inferred["limits"], serde_json::json!(expected));
    let drafted = fs::read_to_string(temp.path().join("out/catalog.toml")).unwrap();
    for limit in expected {
        assert!(drafted.contains(&format!("# Beware: {limit}.")), "{limit}");
    }
    ok(temp.path(), &["check", "--strict", "out/catalog.toml"]);
}

#[test]
fn the_draft_says_what_was_seen() {
    let temp = tempfile::tempdir().unwrap();
    let lines = events(&[
        ("llm.completion", r#"{"usage":{"tokens":1200.5,"total":1200.5},"model":"large","user":"u1"}"#),
        ("llm.completion", r#"{"usage":{"tokens":-3,"total":-3},"model":"small","user":"u2"}"#),
        ("llm.completion", r#"{"model":"large","user":"u3"}"#),
        ("seats.changed", r#"{"seats":5}"#),
        ("llm.completion", r#"{"usage":{"tokens":7,"total":7},"model":"large","user":"u4"}"#),
    ]);
    fs::write(temp.path().join("events.ndjson"), lines + "no event\n").unwrap();
    let shown = ok(temp.path(), &["init", "acme", "--events", "events.ndjson"]).replace(WEIR, "weir");
    expect![[r#"
                                                             events  smallest  greatest
          llm.completion                                          4
            meter llm_completion_events: count                    4
            meter tokens: sum of data.usage.tokens, scale 1       3        -3   1,200.5
            meter total: sum of data.usage.total, scale 1         3        -3   1,200.5
            dimension model: data.model, 2 values                 4
            not used: 1 field; the catalog says why
          seats.changed                                           1
            meter seats_changed_events: count                     1
            in a comment: seats: max of data.seats                1         5         5

          No valid events, and left out: 1. The first of them:
            events.ndjson:6: json_invalid: `n` stands at byte 1 where a value is expected

        Written to acme: README.md, catalog.toml, init.json

        Try next:
          weir check acme/catalog.toml
          weir run --catalog acme/catalog.toml --events events.ndjson
          weir run --catalog acme/catalog.toml --events events.ndjson --out acme/result
    "#]]
    .assert_eq(&shown);
    expect![[r##"
        # Drafted by `weir init` from 5 events of 2 types by 2 subjects,
        # from 2026-08-01T00:00:00Z to 2026-08-01T00:00:04Z.
        # Left out, because no valid events: 1 record.
        #
        # It runs as it is, at 1.00 a unit for everything. Go through what is marked EDIT; a meter that you do not charge for
        # goes with its price and its charge. Lines that begin with # and no space are settings: without the # they take effect.
        name = "acme"
        currency = "USD"  # EDIT
        time_zone = "UTC"  # EDIT: where billing periods begin and end

        # --- llm.completion: 4 events --------------------------------------------------------------------------------------------

        # Dimension model, from data.model: in all 4 events, 2 values: "large", "small".

        # How many there are: 4.
        [meters.llm_completion_events]
        event_type = "llm.completion"
        aggregation = "count"
        dimensions = { model = "data.model" }

        # data.usage.tokens: in 3 of 4 events (75%), from -3 to 1,200.5, 3 different values.
        [meters.tokens]
        event_type = "llm.completion"
        aggregation = "sum"
        value = "data.usage.tokens"
        scale = 1
        allow_negative = true  # without this an event below zero is rejected
        dimensions = { model = "data.model" }

        # data.usage.total: in 3 of 4 events (75%), from -3 to 1,200.5, 3 different values.
        # Always equal to data.usage.tokens: charge for one of the two.
        [meters.total]
        event_type = "llm.completion"
        aggregation = "sum"
        value = "data.usage.total"
        scale = 1
        allow_negative = true  # without this an event below zero is rejected
        dimensions = { model = "data.model" }

        # Not used: data.user: hardly any value repeats: an identifier, or free text.

        # --- seats.changed: 1 event ----------------------------------------------------------------------------------------------

        # How many there are: 1.
        [meters.seats_changed_events]
        event_type = "seats.changed"
        aggregation = "count"

        # data.seats: in the event, always 5.
        # By its name, or its event type's, a level: adding up its readings makes no sense; max bills the greatest, latest the last.
        #[meters.seats]
        #event_type = "seats.changed"
        #aggregation = "max"
        #value = "data.seats"
        #scale = 0

        # --- what it costs -------------------------------------------------------------------------------------------------------

        [prices.llm_completion_events]
        model = "unit"
        unit_amount = "1.00"  # EDIT: what one event of type llm.completion costs

        [prices.tokens]
        model = "unit"
        unit_amount = "1.00"  # EDIT: what one unit of data.usage.tokens costs

        [prices.total]
        model = "unit"
        unit_amount = "1.00"  # EDIT: what one unit of data.usage.total costs

        [prices.seats_changed_events]
        model = "unit"
        unit_amount = "1.00"  # EDIT: what one event of type seats.changed costs

        #[prices.seats]
        #model = "unit"
        #unit_amount = "1.00"  # EDIT: what one unit of data.seats costs

        # --- plans ---------------------------------------------------------------------------------------------------------------

        [plans.standard]
        cycle = "1 month"
        anchor = "calendar"
        #fees = [ { name = "platform", amount = "49.00", when = "advance" } ]

        [[plans.standard.charges]]
        name = "llm_completion_events"
        meter = "llm_completion_events"
        price = "llm_completion_events"
        #group_by = ["model"]

        [[plans.standard.charges]]
        name = "tokens"
        meter = "tokens"
        price = "tokens"
        #group_by = ["model"]

        [[plans.standard.charges]]
        name = "total"
        meter = "total"
        price = "total"
        #group_by = ["model"]

        [[plans.standard.charges]]
        name = "seats_changed_events"
        meter = "seats_changed_events"
        price = "seats_changed_events"

        #[[plans.standard.charges]]
        #name = "seats"
        #meter = "seats"
        #price = "seats"

        # --- customers -----------------------------------------------------------------------------------------------------------

        # Every subject that no customer claims is a customer of its own, with this plan.
        [defaults]
        plan = "standard"

        # To give one a name on its invoice, a plan of its own, or several subjects:
        #[customers.acme]
        #name = "acme"
        #plan = "standard"
        #subjects = ["acme"]
    "##]].assert_eq(&fs::read_to_string(temp.path().join("acme/catalog.toml")).unwrap());
    expect![[r#"
        # acme

        `catalog.toml` was drafted by `weir init` from 5 events. It measures what was seen in them and charges 1.00 for each unit of it.
        Edit what is marked EDIT, then, in the folder where `weir init` ran:

        ```console
        $ weir check acme/catalog.toml
        ```

        says what is wrong or surprising in the catalog;

        ```console
        $ weir run --catalog acme/catalog.toml --events events.ndjson
        ```

        rates the events and shows the totals;

        ```console
        $ weir run --catalog acme/catalog.toml --events events.ndjson --out acme/result
        ```

        writes invoices, totals and an archive of every event (add `--force` to do it again).
    "#]].assert_eq(&fs::read_to_string(temp.path().join("acme/README.md")).unwrap());
    let csv = ["init", "csv", "--events", "events.ndjson", "--format", "csv"];
    expect![[r#"
        event_type,use,name,aggregation,path,scale,events,min,max
        "llm.completion","meter","llm_completion_events","count","","0","4","",""
        "llm.completion","meter","tokens","sum","data.usage.tokens","1","3","-3","1200.5"
        "llm.completion","meter","total","sum","data.usage.total","1","3","-3","1200.5"
        "llm.completion","dimension","model","","data.model","","4","",""
        "llm.completion","unused","","","data.user","","","",""
        "seats.changed","meter","seats_changed_events","count","","0","1","",""
        "seats.changed","suggested","seats","max","data.seats","0","1","5","5"
    "#]]
    .assert_eq(&ok(temp.path(), &csv));
}

#[test]
fn any_kind_of_file() {
    let temp = tempfile::tempdir().unwrap();
    let folder = temp.path();
    let lines = calls(&[r#"{"tokens":"1.5","model":"a"}"#, r#"{"tokens":"2","model":"a"}"#]);
    fs::write(folder.join("events.ndjson"), &lines).unwrap();
    let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gz.write_all(lines.as_bytes()).unwrap();
    fs::write(folder.join("packed.ndjson.gz"), gz.finish().unwrap()).unwrap();
    let csv = "at,who,kind,tokens,model\n2026-08-01T00:00:00Z,acme,call,1.5,a\n2026-08-02T00:00:00Z,acme,call,2,a\n\
               2026-08-03T00:00:00Z,acme,credit,9,b\n";
    fs::write(folder.join("usage.csv"), csv).unwrap();
    let mapping = r#"
where = { kind = ["call"] }
[[events]]
source = { constant = "csv" }
id = "at"
type = "kind"
subject = "who"
time = { column = "at", format = "rfc3339" }
[events.data]
tokens = "tokens"
model = "model"
"#;
    fs::write(folder.join("mapping.toml"), mapping).unwrap();
    let expected = ["call_events count", "tokens sum"];
    for (out, args) in [
        ("plain", vec!["--events", "events.ndjson"]),
        ("packed", vec!["--events", "packed.ndjson.gz"]),
        ("glob", vec!["--events", "*.gz", "events.ndjson"]),
        ("table", vec!["--events", "usage.csv", "--mapping", "mapping.toml"]),
    ] {
        let outcome = json(folder, &[&["init", out], args.as_slice()].concat());
        let of_type = &outcome["inferred"]["event_types"][0];
        let meters = of_type["meters"].as_array().unwrap();
        let found: Vec<String> = meters
            .iter()
            .map(|meter| [&meter["name"], &meter["aggregation"]].map(|v| v.as_str().unwrap()).join(" "))
            .collect();
        assert_eq!(found, expected, "{out}");
        assert_eq!(
            (&meters[1]["scale"], &of_type["dimensions"][0]["path"]),
            (&1.into(), &"data.model".into()),
            "{out}"
        );
        // Both commands that rate work as they are printed.
        for command in outcome["next"].as_array().unwrap() {
            let run = Command::new("sh").args(["-c", command.as_str().unwrap()]).current_dir(folder).output().unwrap();
            assert!(run.status.success(), "{command}: {}", text(&run.stderr));
        }
    }
    let skipped = json(folder, &["init", "again", "--events", "usage.csv", "--mapping", "mapping.toml"]);
    assert_eq!(skipped["inferred"]["skipped"], 1);

    let mut child = Command::new(WEIR)
        .args(["init", "piped", "--events", "-"])
        .current_dir(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(lines.as_bytes()).unwrap();
    assert!(child.wait().unwrap().success());
    let read = |name: &str| fs::read_to_string(folder.join(name).join("catalog.toml")).unwrap();
    assert_eq!(read("piped"), read("plain").replace("\"plain\"", "\"piped\""));
}

#[test]
fn files_without_events() {
    let temp = tempfile::tempdir().unwrap();
    let folder = temp.path();
    fs::write(folder.join("empty.ndjson"), "").unwrap();
    fs::write(folder.join("raw.ndjson"), "{\"tokens\":1}\n{\"tokens\":2}\n").unwrap();
    fs::write(folder.join("text.ndjson"), "not JSON at all\n").unwrap();
    fs::write(folder.join("table.csv"), "a,b\n1,2\n").unwrap();
    fs::create_dir(folder.join("folder")).unwrap();
    for (args, sentences) in [
        (vec!["--events", "empty.ndjson"], vec!["empty.ndjson holds no record", "there is no event in --events"]),
        (
            vec!["--events", "raw.ndjson"],
            vec!["no valid event", "turned away: 2, the first at raw.ndjson:1 (attribute_missing: ", "one CloudEvent"],
        ),
        (vec!["--events", "text.ndjson"], vec!["text.ndjson:1 (json_invalid: "]),
        (vec!["--events", "table.csv"], vec!["needs a mapping"]),
        (vec!["--events", "missing.ndjson"], vec!["there is no such file"]),
        (vec!["--events", "folder"], vec!["this is a directory"]),
        (vec!["--mapping", "m.toml"], vec!["--events"]),
    ] {
        let refused = weir(folder, &[&["init", "out"], args.as_slice()].concat());
        let stderr = text(&refused.stderr);
        assert_eq!(refused.status.code(), Some(2), "{args:?}: {stderr}");
        for sentence in sentences {
            assert!(stderr.contains(sentence), "{args:?}: {sentence}: {stderr}");
        }
        assert!(!folder.join("out").exists(), "{args:?}");
    }
    assert_eq!(fs::read_dir(folder).unwrap().count(), 5, "nothing is left behind");
}

#[test]
fn only_its_own_files_are_replaced() {
    let temp = tempfile::tempdir().unwrap();
    let folder = temp.path();
    let init = |args: &[&str]| {
        let output = weir(folder, &[&["init"], args].concat());
        (output.status.code().unwrap(), text(&output.stderr).to_owned())
    };
    let refused = |args: &[&str], reason: &str| {
        let (status, stderr) = init(args);
        assert_eq!(status, 2, "{args:?}: {stderr}");
        assert!(stderr.contains(reason), "{args:?}: {stderr}");
    };
    fs::create_dir_all(folder.join("stranger")).unwrap();
    fs::write(folder.join("stranger/catalog.toml"), "mine").unwrap();
    refused(&["stranger"], "stranger is not empty");
    refused(&["stranger", "--force"], "was not filled by `weir init`");
    refused(&["stranger/catalog.toml"], "cannot use stranger/catalog.toml as a folder");
    assert_eq!(fs::read_to_string(folder.join("stranger/catalog.toml")).unwrap(), "mine");

    fs::create_dir(folder.join("empty")).unwrap();
    for own in ["a/b/new", "empty"] {
        assert_eq!(init(&[own]).0, 0);
        let file = |name: &str| folder.join(own).join(name);
        let names = || {
            let mut names: Vec<_> =
                fs::read_dir(folder.join(own)).unwrap().map(|entry| entry.unwrap().file_name()).collect();
            names.sort();
            names
        };
        assert_eq!(names(), ["README.md", "catalog.toml", "events.ndjson", "init.json"]);
        refused(&[own], "was filled by an earlier `weir init`");
        fs::write(file("notes.txt"), "mine").unwrap();
        assert_eq!(init(&[own, "--force"]).0, 0);

        // Files that this one does not write are gone, and strangers stay.
        fs::copy(file("events.ndjson"), folder.join("events.ndjson")).unwrap();
        assert_eq!(init(&[own, "--force", "--events", "events.ndjson"]).0, 0);
        assert_eq!(names(), ["README.md", "catalog.toml", "init.json", "notes.txt"]);
        assert!(fs::read_to_string(file("catalog.toml")).unwrap().starts_with("# Drafted by `weir init`"));

        // Somebody's own file bears the name of one that would be written.
        fs::write(file("events.ndjson"), "mine").unwrap();
        refused(&[own, "--force"], "events.ndjson is not as `weir init` wrote it");
        fs::remove_file(file("events.ndjson")).unwrap();
        let catalog = fs::read_to_string(file("catalog.toml")).unwrap() + "# edited\n";
        fs::write(file("catalog.toml"), &catalog).unwrap();
        refused(&[own, "--force"], "catalog.toml is not as `weir init` wrote it");
        assert_eq!(fs::read_to_string(file("catalog.toml")).unwrap(), catalog);
        fs::remove_file(file("catalog.toml")).unwrap();
        assert_eq!(init(&[own, "--force"]).0, 0);
        assert_eq!(fs::read_to_string(file("notes.txt")).unwrap(), "mine");
    }
    fs::create_dir(folder.join("here")).unwrap();
    let here = weir(&folder.join("here"), &["init", ".", "--events", "../events.ndjson"]);
    assert!(here.status.success(), "{}", text(&here.stderr));
    assert!(fs::read_to_string(folder.join("here/catalog.toml")).unwrap().contains("\nname = \"here\"\n"));
}

/// A limit on the size of files stands in for a full disk.
#[test]
fn a_full_disk_leaves_no_folder() {
    let temp = tempfile::tempdir().unwrap();
    let run = format!("trap '' XFSZ; ulimit -f 1; exec '{WEIR}' init out");
    let failed = Command::new("bash").arg("-c").arg(run).current_dir(temp.path()).output().unwrap();
    assert_eq!(failed.status.code(), Some(1), "{}", text(&failed.stderr));
    assert!(text(&failed.stderr).contains("free space or choose another folder"), "{}", text(&failed.stderr));
    assert_eq!(fs::read_dir(temp.path()).unwrap().count(), 0);
}

/// A JSON value as its text.
fn value() -> impl Strategy<Value = String> {
    let number = prop_oneof![
        (-1_000_i64..1_000).prop_map(|n| n.to_string()),
        "-?[1-9][0-9]{0,3}\\.[0-9]{1,14}",
        "-?[1-9][0-9]{10,26}",
        "[1-9]e[0-9]{1,3}",
    ];
    let text = prop_oneof!["[ab]", "\\PC{0,8}", any::<String>(), "0\\.[0-9]{1,4}", Just("x".repeat(1_025)),]
        .prop_map(|text| serde_json::to_string(&text).unwrap());
    let leaf = prop_oneof![4 => number, 4 => text, 1 => "true|false|null", 1 => Just("[1]".to_owned())];
    leaf.prop_recursive(2, 8, 4, |inner| object(inner).boxed())
}

/// An object of these values, with names that are hard to write in TOML.
fn object(value: impl Strategy<Value = String>) -> impl Strategy<Value = String> {
    let name = prop_oneof![
        8 => prop::sample::select(vec![
            "tokens", "a b", "größe", "x.y", "", "user_id", "seats", "\"q\"", "line\nbreak", "'", "#", "]", "data", "\u{7f}",
            "\u{2028}", "n", "model", "calls_events",
        ]).prop_map(str::to_owned),
        1 => any::<String>(),
    ];
    prop::collection::btree_map(name, value, 0..6).prop_map(|members| {
        let members: Vec<String> =
            members.iter().map(|(name, value)| format!("{}:{value}", serde_json::to_string(name).unwrap())).collect();
        format!("{{{}}}", members.join(","))
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// Whatever the events are, the draft loads without a warning and rates them all, as does the draft with all its proposals.
    #[test]
    fn a_draft_rates_every_event(
        events_of in prop::collection::vec((prop::sample::select(vec!["calls", "a.b", "a_b", "x \"y\"\n", "seats.changed"]), object(value())), 1..12),
        again in 1_usize..4,
    ) {
        let temp = tempfile::tempdir().unwrap();
        let lines: Vec<(&str, &str)> =
            events_of.iter().map(|(event_type, data)| (*event_type, data.as_str())).cycle().take(events_of.len() * again).collect();
        inferred(temp.path(), &events(&lines));
        assert_runs(temp.path(), lines.len() as u64);
    }
}
