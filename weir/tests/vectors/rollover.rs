//! What rolls over, from one closed period to the next.

use std::fs;
use std::process::Command;

use serde_json::Value;

/// The ids that stand here.
pub fn ids() -> impl Iterator<Item = &'static str> {
    ["a058"].into_iter()
}

const CATALOG: &str = r#"
name = "rollover"
currency = "USD"
[meters.units]
event_type = "use"
aggregation = "sum"
value = "data.units"
[[plans.p.charges]]
name = "units"
meter = "units"
price = { model = "unit", unit_amount = 1 }
allowance = { quantity = 100, rollover_max = 50 }
[customers.acme]
plan = "p"
starts_on = "2026-08-01"
"#;

fn used(id: u32, time: &str, units: u32) -> String {
    format!(
        r#"{{"specversion":"1.0","id":"{id}","source":"/s","type":"use","subject":"acme","time":"{time}","data":{{"units":{units}}}}}"#
    ) + "\n"
}

/// a058: of 100 granted 10 were used, and of the other 90 at most 50 roll over. So the next period has 150.
#[test]
fn at_most_so_much_rolls_over() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
    write("catalog.toml", CATALOG);
    write("august.ndjson", &used(1, "2026-08-10T00:00:00Z", 10));
    write("september.ndjson", &used(2, "2026-09-10T00:00:00Z", 151));
    let args = [
        "run",
        "--catalog",
        "catalog.toml",
        "--events",
        "august.ndjson",
        "--close",
        "2026-09-01",
        "--events",
        "september.ndjson",
        "--strict",
        "--format",
        "json",
    ];
    let output = Command::new(env!("CARGO_BIN_EXE_weir")).args(args).current_dir(folder.path()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["amounts"]["USD"], "1");
}
