//! docs/simulate.md, executed: what it shows is what the program prints.

#![allow(clippy::print_stderr, reason = "a test that goes without its data says so loudly")]

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::Command;

const GUIDE: &str = include_str!("../../docs/simulate.md");

fn project() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// The folder with the real data; says loudly when a test goes without it.
fn data(name: &str) -> Option<PathBuf> {
    let folder = std::env::var_os("WEIR_TEST_DATA").map_or_else(|| project().join("../shared/data"), PathBuf::from);
    let path = project().join(folder).join(name);
    if path.exists() {
        return Some(path);
    }
    eprintln!("SKIPPED: NO REAL DATA at {}; set WEIR_TEST_DATA", path.display());
    None
}

/// The guide's blocks of one language, in order.
fn blocks(language: &str) -> Vec<&'static str> {
    let fence = format!("```{language}\n");
    GUIDE.split(&fence).skip(1).map(|rest| rest.split("```").next().unwrap()).collect()
}

/// What the command prints, without its last two lines, which say how long it took.
fn weir(folder: &Path, arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_weir")).current_dir(folder).args(arguments).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let shown = lines.get(..lines.len().saturating_sub(2)).unwrap();
    shown.join("\n") + "\n"
}

#[test]
fn the_small_example() {
    let folder = tempfile::tempdir().unwrap();
    let now = blocks("toml")[0];
    fs::write(folder.path().join("now.toml"), now).unwrap();
    fs::write(folder.path().join("usage.ndjson"), blocks("json")[0]).unwrap();
    let next = now
        .replace("group_by = [\"model\"]\n", "")
        .replace("0.0000015", "0.000001")
        .replace("unit_amount = \"5\"", "unit_amount = \"6.50\"");
    fs::write(folder.path().join("next.toml"), next).unwrap();
    weir(folder.path(), &["run", "--catalog", "now.toml", "--events", "usage.ndjson", "--out", "august"]);
    assert_eq!(weir(folder.path(), &["simulate", "august", "--catalog", "next.toml"]), blocks("text")[0]);

    weir(folder.path(), &["simulate", "august", "--catalog", "next.toml", "--html", "page.html"]);
    let page = fs::read_to_string(folder.path().join("page.html")).unwrap();
    for expected in ["<svg", "prefers-color-scheme: dark", "cleo", "-26.09"] {
        assert!(page.contains(expected), "{expected}");
    }
    for absent in ["<script", "http://", "https://", "url("] {
        assert!(!page.contains(absent), "{absent}");
    }
}

/// The catalog of the day of requests, with one price for each meter.
fn priced(input: &str, output: &str) -> String {
    let catalog = fs::read_to_string(project().join("config/catalogs/servegen.toml")).unwrap();
    let (head, rest) = catalog.split_once("[prices.input]").unwrap();
    let (_, plans) = rest.split_once("[plans.").unwrap();
    let unit = |name: &str, amount: &str| format!("[prices.{name}]\nmodel = \"unit\"\nunit_amount = \"{amount}\"\n\n");
    format!("{head}{}{}[plans.{plans}", unit("input", input), unit("output", output))
}

#[test]
fn the_price_mistake() {
    let (Some(changes), Some(events)) =
        (data("llm_prices/price_changes.csv.gz"), data("servegen/deepseek_r1_events.csv.gz"))
    else {
        return;
    };
    let mut text = String::new();
    flate2::read::MultiGzDecoder::new(fs::File::open(changes).unwrap()).read_to_string(&mut text).unwrap();
    let mut prices: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for record in csv::Reader::from_reader(text.as_bytes()).records().map(Result::unwrap) {
        if &record[2] == "gemini-2.0-flash-001" && record[0].starts_with("2025-02-0") {
            prices.entry(record[3].to_owned()).or_default().push(record[5].to_owned());
        }
    }
    let [input, output] = ["input_cost_per_token", "output_cost_per_token"].map(|field| &prices[field]);
    assert_eq!(
        (input.as_slice(), output.as_slice()),
        (&["0.00015".to_owned(), "0.00000015".to_owned()][..], &["0.0006".to_owned(), "0.0000006".to_owned()][..],)
    );
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("mistake.toml"), priced(&input[0], &output[0])).unwrap();
    fs::write(folder.path().join("right.toml"), priced(&input[1], &output[1])).unwrap();
    let mapping = project().join("config/mappings/servegen.toml");
    let (mapping, events) = (mapping.to_str().unwrap(), events.to_str().unwrap());
    weir(folder.path(), &["run", "--catalog", "right.toml", "--mapping", mapping, "--events", events, "--out", "day"]);
    assert_eq!(weir(folder.path(), &["simulate", "day", "--catalog", "mistake.toml", "--top", "3"]), blocks("text")[1]);
}
