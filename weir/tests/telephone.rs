//! config/catalogs/telephone.toml over two generated months, against a second opinion in plain integers.
//!
//! October 2026 has an hour that happens twice, March 2027 one that never happens, on Easter Sunday between two holidays. The second
//! opinion knows nothing of Weir, of time zone libraries or of the catalog's text: only the tariff as one would explain it.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use serde_json::Value;
use weir_model::decimal::Decimal;

const SEED: u64 = 20_261_025;
const CALLS_PER_MONTH: u64 = 22_000;

/// A month in Berlin: first instant, the instant of its clock change, first instant after it (UTC seconds), hours ahead of UTC
/// before the change and after it.
struct Month {
    name: &'static str,
    start: i64,
    change: i64,
    end: i64,
    hours_ahead: (i64, i64),
}

const MONTHS: [Month; 2] = [
    // 2026-09-30T22:00Z, 2026-10-25T01:00Z, 2026-10-31T23:00Z.
    Month { name: "2026-10", start: 1_790_805_600, change: 1_792_890_000, end: 1_793_487_600, hours_ahead: (2, 1) },
    // 2027-02-28T23:00Z, 2027-03-28T01:00Z, 2027-03-31T22:00Z.
    Month { name: "2027-03", start: 1_803_855_600, change: 1_806_195_600, end: 1_806_530_400, hours_ahead: (1, 2) },
];

/// German Unity Day, a Saturday; Good Friday; Easter Monday: days since 1970.
const HOLIDAYS: [i64; 3] = [20_729, 20_903, 20_906];

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Tariff {
    Day,
    Night,
    Weekend,
    Always,
}

#[derive(Debug)]
struct Call {
    month: &'static str,
    time: i64,
    subject: String,
    destination: &'static str,
    seconds: i64,
    tariff: Tariff,
}

impl Call {
    /// Whose bill it is on.
    fn customer(&self) -> &str {
        match self.subject.as_str() {
            "+49301000001" => "brandt",
            "+49301000002" | "+49301000003" => "kanzlei-vogt",
            prepaid => prepaid,
        }
    }

    /// In 10^-5 EUR, to be rounded to 10^-4.
    fn amount(&self) -> i64 {
        let per_second = match (self.destination, self.tariff) {
            ("national", Tariff::Day) => 75,
            ("national", Tariff::Night) => 25,
            ("national", _) => 20,
            ("mobile", Tariff::Day) => 250,
            ("mobile", Tariff::Night) => 150,
            ("mobile", _) => 100,
            // 0.19 a minute are 0.019 per six seconds.
            ("international", _) if self.seconds > 0 => {
                let sixes = (self.seconds - 30).max(0).div_euclid(6) + i64::from((self.seconds - 30).max(0) % 6 > 0);
                return 9_000 + 9_500 + 1_900 * sixes;
            }
            _ => 0,
        };
        let connect = if self.destination == "mobile" { 4_000 } else { 0 };
        if self.seconds == 0 { 0 } else { connect + per_second * self.seconds.max(60) }
    }

    fn line(&self, number: usize) -> String {
        let time = jiff::Timestamp::from_second(self.time).unwrap();
        let Call { subject, destination, seconds, .. } = self;
        format!(
            r#"{{"specversion":"1.0","id":"{number}","source":"/switch","type":"call","subject":"{subject}","time":"{time}","data":{{"destination":"{destination}","seconds":{seconds}}}}}"#
        )
    }
}

/// What Berlin's clocks and calendar say.
fn tariff(month: &Month, time: i64) -> Tariff {
    let hours = if time < month.change { month.hours_ahead.0 } else { month.hours_ahead.1 };
    let local = time + hours * 3_600;
    let (day, second) = (local.div_euclid(86_400), local.rem_euclid(86_400));
    // Day 0 was a Thursday; Saturday and Sunday are two and three days later.
    if matches!(day % 7, 2 | 3) || HOLIDAYS.contains(&day) {
        Tariff::Weekend
    } else if !(7 * 3_600..20 * 3_600).contains(&second) {
        Tariff::Night
    } else {
        Tariff::Day
    }
}

/// SplitMix64.
struct Draws(u64);

impl Draws {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % bound
    }

    fn second(&mut self, bound: i64) -> i64 {
        i64::try_from(self.below(bound.unsigned_abs())).unwrap()
    }

    fn of<T: Copy>(&mut self, list: &[T]) -> T {
        list[usize::try_from(self.below(list.len() as u64)).unwrap()]
    }
}

fn calls() -> Vec<Call> {
    let mut draws = Draws(SEED);
    let mut calls = Vec::new();
    for month in &MONTHS {
        for _ in 0..CALLS_PER_MONTH {
            let length = month.end - month.start;
            let time = match draws.below(10) {
                // Around the change of the clocks, to the second.
                0 => month.change - 7_200 + draws.second(14_400),
                // At the seconds where windows, days and the month meet: in UTC every full hour is one in Berlin.
                1 => month.start + 3_600 * draws.second(length / 3_600) - 1 + draws.second(2),
                _ => month.start + draws.second(length),
            };
            let time = time.clamp(month.start, month.end - 1);
            let seconds = match draws.below(3) {
                0 => draws.of(&[0, 1, 29, 30, 31, 35, 36, 37, 59, 60, 61, 119, 120]),
                1 => draws.second(300),
                _ => draws.second(7_200),
            };
            let destination = match draws.below(1_000) {
                0..600 => "national",
                600..900 => "mobile",
                900..995 => "international",
                _ => "satellite",
            };
            let tariff = if destination == "international" { Tariff::Always } else { tariff(month, time) };
            let subject = format!("+4930{:07}", 1_000_001 + draws.below(40));
            calls.push(Call { month: month.name, time, subject, destination, seconds, tariff });
        }
    }
    calls
}

/// A usage line: customer, month, charge, destination (none on a line that is not grouped).
type LineOf = (String, String, String, String);

#[derive(Debug, Default, PartialEq, Eq)]
struct Line {
    events: u64,
    seconds: i64,
    /// At scale 18.
    exact: i128,
    cents: i128,
    /// Seconds and exact amount by tariff; empty for the charge that has none.
    tariffs: BTreeMap<Tariff, (i64, i128)>,
}

/// Half away from zero; nothing here is negative.
fn divided(amount: i128, by: i128) -> i128 {
    (amount + by / 2) / by
}

fn expected(calls: &[Call]) -> BTreeMap<LineOf, Line> {
    const ONE: i128 = 1_000_000_000_000_000_000;
    let mut lines: BTreeMap<LineOf, Line> = BTreeMap::new();
    for call in calls.iter().filter(|call| call.destination != "satellite") {
        let included = !call.customer().starts_with('+') && call.destination == "national";
        let (charge, group) = if included { ("national minutes", "") } else { ("calls", call.destination) };
        let key = [call.customer(), call.month, charge, group].map(str::to_owned);
        let line = lines.entry(key.into()).or_default();
        line.events += 1;
        line.seconds += call.seconds;
        if !included {
            let amount = divided(i128::from(call.amount()), 10) * (ONE / 10_000);
            line.exact += amount;
            let tariff = line.tariffs.entry(call.tariff).or_default();
            *tariff = (tariff.0 + call.seconds, tariff.1 + amount);
        }
    }
    for ((_, _, charge, _), line) in &mut lines {
        if charge == "national minutes" {
            let paid_seconds = i128::from(line.seconds - 300 * 60).max(0);
            line.exact = divided(paid_seconds * 29 * (ONE / 1_000), 60);
        }
        line.cents = divided(line.exact, ONE / 100);
    }
    lines
}

fn scaled(text: &Value, scale: u8) -> i128 {
    Decimal::parse(text.as_str().unwrap().as_bytes()).unwrap().at_scale(scale).unwrap()
}

fn billed(invoices: &[Value]) -> BTreeMap<LineOf, Line> {
    let mut lines = BTreeMap::new();
    for invoice in invoices {
        let (customer, month) = (&invoice["customer"]["id"], &invoice["period"]["first_on"]);
        let usage = invoice["lines"].as_array().unwrap().iter().filter(|line| line["kind"] == "usage");
        for line in usage {
            let group = &line["group"][0]["value"];
            let key = (
                customer.as_str().unwrap().to_owned(),
                month.as_str().unwrap()[..7].to_owned(),
                line["charge"].as_str().unwrap().to_owned(),
                group.as_str().unwrap_or_default().to_owned(),
            );
            let parts = line["details"].as_array().unwrap().iter().filter(|part| part["kind"] == "events");
            let tariffs = parts.map(|part| {
                let figures = (i64::try_from(scaled(&part["quantity"], 0)).unwrap(), scaled(&part["exact_amount"], 18));
                (tariff_of(&part["cell"]), figures)
            });
            let line = Line {
                events: line["events"].as_u64().unwrap(),
                seconds: i64::try_from(scaled(&line["quantity"], 0)).unwrap(),
                exact: scaled(&line["exact_amount"], 18),
                cents: scaled(&line["amount"], 2),
                tariffs: tariffs.collect(),
            };
            assert!(lines.insert(key.clone(), line).is_none(), "{key:?} is billed twice");
        }
    }
    lines
}

/// The tariff of a detail's cell: a destination, and a window if the destination has any.
fn tariff_of(cell: &Value) -> Tariff {
    let cell = cell.as_array().unwrap();
    match cell.get(1).map(|choice| choice["window"].as_str()) {
        None => Tariff::Always,
        Some(None) => Tariff::Day,
        Some(Some("20:00-07:00")) => Tariff::Night,
        Some(Some(window)) => {
            assert_eq!(window, "sat,sun,holiday 00:00-24:00");
            Tariff::Weekend
        }
    }
}

#[test]
fn two_months_of_calls_to_the_cent() {
    let calls = calls();
    let folder = tempfile::tempdir().unwrap();
    let (events, out) = (folder.path().join("calls.ndjson"), folder.path().join("out"));
    let text: Vec<String> = calls.iter().enumerate().map(|(number, call)| call.line(number)).collect();
    std::fs::write(&events, text.join("\n")).unwrap();
    let catalog = Path::new(env!("CARGO_MANIFEST_DIR")).join("../config/catalogs/telephone.toml");
    let mut weir = Command::new(env!("CARGO_BIN_EXE_weir"));
    weir.args(["run", "--no-archive", "--format", "json", "--catalog"]).arg(catalog);
    weir.arg("--events").arg(&events).arg("--out").arg(&out);
    let output = weir.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));

    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let nowhere = calls.iter().filter(|call| call.destination == "satellite");
    // The price per call has no cell for them; the charges of the flat plan do not select them.
    let (unpriced, unmetered): (Vec<&Call>, Vec<&Call>) = nowhere.partition(|call| call.customer().starts_with('+'));
    let nowhere = [unpriced.len() as u64, unmetered.len() as u64];
    assert!(nowhere.iter().all(|count| *count > 5), "{nowhere:?} calls to satellites");
    let counts = ["received", "accepted", "unpriced", "unmetered"].map(|name| report[name].as_u64().unwrap());
    assert_eq!(counts, [2 * CALLS_PER_MONTH, 2 * CALLS_PER_MONTH, nowhere[0], nowhere[1]]);
    assert_eq!(report["unpriced_usage"][0]["reason"], "no_cell");

    let invoices: Vec<Value> = std::fs::read_to_string(out.join("invoices/invoices.ndjson"))
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let (expected, billed) = (expected(&calls), billed(&invoices));
    assert_eq!(billed.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>(), "seed {SEED}");
    for (key, line) in &expected {
        assert_eq!(&billed[key], line, "{key:?}, seed {SEED}");
    }
    let sum: i128 = expected.values().map(|line| line.exact).sum();
    assert_eq!(scaled(&report["amounts"]["EUR"], 18), sum);

    // Every tariff is met on both sides of both changes, so that none of this is true by accident.
    for month in &MONTHS {
        let near = calls.iter().filter(|call| (call.time - month.change).abs() < 7_200);
        assert!(near.count() > 1_000, "{}: few calls around the change of the clocks", month.name);
    }
    for tariff in [Tariff::Day, Tariff::Night, Tariff::Weekend, Tariff::Always] {
        assert!(expected.values().any(|line| line.tariffs.contains_key(&tariff)), "{tariff:?}");
    }
}
