//! `weir explain` through the files of a run: every line of every document is proven, and whatever is changed by hand is found.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Decimal128Type, Int32Type, UInt64Type};
use arrow_array::{Array, ArrayRef, RecordBatch};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::file::properties::WriterProperties;
use serde_json::Value;

/// Every kind of line and price, a pool, a change of plan, late usage; cells in a file beside.
const CATALOG: &str = r#"
name = "explained"
currency = "USD"
time_zone = "UTC"

[meters.tokens]
event_type = "llm"
aggregation = "sum"
value = "data.tokens"
dimensions = { model = "data.model" }

[meters.calls]
event_type = "llm"
aggregation = "count"

[meters.users]
event_type = "llm"
aggregation = "unique_count"
value = "data.user"

[meters.seats]
event_type = "seats"
aggregation = "max"
value = "data.seats"

[meters.largest]
event_type = "disk"
aggregation = "max"
value = "data.gb"

[meters.disk]
event_type = "disk"
aggregation = "weighted_sum"
value = "data.gb"
values = "level"
per = "hour"

[meters.power]
event_type = "power"
aggregation = "sum"
value = "data.kwh"
scale = 3
values = "reading"
series = "counter"
reset = true
dimensions = { counter = "data.counter" }

[meters.payments]
event_type = "payment"
aggregation = "sum"
value = "data.amount"
scale = 2

[prices.tokens]
model = "graduated"
tiers = [ { up_to = 1_000, unit_amount = "0.01" }, { unit_amount = "0.003", flat_amount = "0.5" } ]

[prices.models]
model = "matrix"
cells_file = "prices/models.csv"
otherwise = { model = "unit", unit_amount = "0.0001" }

[plans.pro]
cycle = "1 month"
fees = [ { name = "platform", amount = "49.00", when = "advance" } ]

[[plans.pro.charges]]
name = "tokens"
meter = "tokens"
price = "tokens"
group_by = ["model"]
allowance = { quantity = 100, rollover_max = 50 }
discount = { rate = "0.10" }
maximum = "12.00"

[[plans.pro.charges]]
name = "models"
meter = "tokens"
price = "models"
late_policy = "credit_or_debit_note"

[[plans.pro.charges]]
name = "calls"
meter = "calls"
price = { model = "graduated", tiers = [ { up_to = 10, unit_amount = "0.5" }, { unit_amount = "0.1" } ] }
pool = "account"
minimum = "5.00"

[[plans.pro.charges]]
name = "nights"
meter = "calls"
price = { model = "schedule", windows = [ { from = "20:00", to = "06:00", price = { model = "unit", unit_amount = "0.01" } } ], otherwise = { model = "unit", unit_amount = "0.03" } }

[[plans.pro.charges]]
name = "users"
meter = "users"
price = { model = "unit", unit_amount = "2" }

[[plans.pro.charges]]
name = "disk"
meter = "disk"
price = { model = "unit", unit_amount = "0.0007" }

[[plans.pro.charges]]
name = "power"
meter = "power"
price = { model = "unit", unit_amount = "0.17" }

[[plans.pro.charges]]
name = "payments"
meter = "payments"
price = { model = "percentage", rate = "0.029", fixed = "0.30", free_events = 2 }

[[plans.pro.charges]]
name = "capacity"
meters = { seats = "seats", storage = "largest" }
price = { model = "capacity", tiers = [ { up_to = { seats = 3, storage = 50 }, flat_amount = "10" }, { flat_amount = "25" } ] }

[plans.basic]
cycle = "1 month"

[[plans.basic.charges]]
name = "calls"
meter = "calls"
price = { model = "unit", unit_amount = "0.2" }
late_policy = "refuse"

[accounts.group]
[accounts.branch]
parent = "group"

[customers.acme]
account = "group"
plan = "pro"
subjects = ["acme-prod", "acme-dev"]
starts_on = "2026-07-10"

[customers.beta]
account = "branch"
plan = "pro"
starts_on = "2026-07-01"

[customers.gamma]
plan = "pro"
starts_on = "2026-07-01"
changes = [ { effective_at = "2026-08-16", plan = "basic" } ]

[defaults]
plan = "basic"
"#;

const MODELS: &str = "model,unit_amount\nsmall,0.001\nlarge,0.02\n";

fn weir(folder: &Path, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_weir")).args(args).current_dir(folder).output().unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

/// Events of one month: `day` and `hour` spread over it, all kinds, all subjects. `first` keeps ids apart.
fn month(month: u32, first: u32, count: u32) -> String {
    let mut lines = String::new();
    for i in first..first + count {
        let subject = ["acme-prod", "acme-dev", "beta", "gamma", "delta"][(i % 5) as usize];
        let (model, user) = (["small", "large", "odd"][(i % 3) as usize], i % 4);
        let (kind, data) = match i % 7 {
            3 => ("seats", format!(r#"{{"seats":{}}}"#, 1 + i % 5)),
            4 => ("disk", format!(r#"{{"gb":{}}}"#, 10 + i % 60)),
            5 => ("power", format!(r#"{{"kwh":"{}.125","counter":"c{}"}}"#, i, i % 2)),
            6 => ("payment", format!(r#"{{"amount":"{}.50"}}"#, 1 + i % 30)),
            _ => ("llm", format!(r#"{{"tokens":{},"model":"{model}","user":"u{user}"}}"#, 20 + i % 90)),
        };
        // Some events choose their shard themselves.
        let key = if i % 11 == 0 { format!(r#""partitionkey":"key-{}","#, i % 3) } else { String::new() };
        let (day, hour) = (10 + (i / 5) % 19, i % 24);
        lines.push_str(&format!(
            r#"{{"specversion":"1.0","id":"e{i}","source":"/t",{key}"type":"{kind}","subject":"{subject}","time":"2026-{month:02}-{day:02}T{hour:02}:30:00Z","data":{data}}}"#
        ));
        lines.push('\n');
    }
    lines
}

/// A run of three files with a close after each; the later ones begin with usage of months that are closed.
fn run() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    fs::create_dir(path("prices")).unwrap();
    for (name, content) in [
        ("catalog.toml", CATALOG.to_owned()),
        ("prices/models.csv", MODELS.to_owned()),
        ("july.ndjson", month(7, 0, 150)),
        ("august.ndjson", month(7, 500, 40) + &month(8, 1_000, 200)),
        ("september.ndjson", month(8, 1_500, 30) + &month(7, 1_600, 10) + &month(9, 2_000, 60)),
    ] {
        fs::write(path(name), content).unwrap();
    }
    let run = [
        &["run", "--catalog", "catalog.toml", "--out", "out", "--events", "july.ndjson", "--close", "2026-08-01"][..],
        &["--events", "august.ndjson", "--close", "2026-09-01", "--events", "september.ndjson"],
        &["--until", "2026-10-01"],
    ];
    let output = weir(folder.path(), &run.concat());
    assert!(output.status.success(), "{}", text(&output.stderr));
    // What explains a result is in its folder.
    for name in ["catalog.toml", "prices/models.csv", "july.ndjson"] {
        fs::remove_file(path(name)).unwrap();
    }
    folder
}

fn documents(folder: &Path) -> Vec<Value> {
    let text = fs::read_to_string(folder.join("out/invoices/invoices.ndjson")).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Number and position of each line that `chosen` takes, in the order of documents.
fn lines(folder: &Path, chosen: impl Fn(&Value, &Value) -> bool) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for document in documents(folder) {
        let number = document["number"].as_str().unwrap();
        for line in document["lines"].as_array().unwrap().iter().filter(|line| chosen(&document, line)) {
            found.push((number.to_owned(), line["line"].to_string()));
        }
    }
    found
}

/// Explains a line as JSON; the exit status too.
fn explain(folder: &Path, (invoice, line): &(String, String)) -> (Option<i32>, Value) {
    let output = weir(folder, &["explain", invoice, line, "--from", "out", "--format", "json"]);
    let explained = serde_json::from_slice(&output.stdout);
    let explained = explained.unwrap_or_else(|error| panic!("{invoice} {line}: {error}: {}", text(&output.stderr)));
    (output.status.code(), explained)
}

#[test]
fn every_line_of_every_document_is_proven() {
    let folder = run();
    let all = lines(folder.path(), |_, _| true);
    let mut seen = std::collections::BTreeSet::new();
    for line in &all {
        let (status, explained) = explain(folder.path(), line);
        assert_eq!((status, &explained["agrees"]), (Some(0), &Value::Bool(true)), "{line:?}: {explained:#}");
        assert_eq!(explained["billed"]["amount"], explained["recomputed"]["amount"]);
        let is_late = !explained["billed"]["late"].is_null();
        if explained["kind"] == "usage" {
            let events = explained["events"].as_array().unwrap();
            assert_eq!(Some(u64::try_from(events.len()).unwrap()), explained["billed"]["events"].as_u64(), "{line:?}");
            assert!(events.iter().all(|event| event["id"].is_string()));
            // Levels, pools and what rolled over change lines without late events of their own.
            let by_events = explained["billed"]["charge"] == "models";
            assert!(!(is_late && by_events) || events.iter().any(|event| event["late"] == true), "{line:?}");
        }
        seen.insert((explained["kind"].as_str().unwrap().to_owned(), is_late));
        seen.insert((explained["billed"]["price"]["model"].as_str().unwrap_or_default().to_owned(), false));
    }
    for kind in ["fee", "usage", "discount", "maximum", "minimum"] {
        assert!(seen.contains(&(kind.to_owned(), false)), "{kind}: {seen:?}");
    }
    for model in ["graduated", "matrix", "schedule", "percentage", "capacity", "unit"] {
        assert!(seen.contains(&(model.to_owned(), false)), "{model}: {seen:?}");
    }
    assert!(seen.contains(&("usage".to_owned(), true)), "{seen:?}");
    let kinds: std::collections::BTreeSet<_> = documents(folder.path()).iter().map(|d| d["kind"].to_string()).collect();
    assert!(kinds.contains("\"debit_note\""), "{kinds:?}");
}

fn parquet_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { files.extend(parquet_files(&path)) } else { files.push(path) }
    }
    files.sort();
    files
}

fn batches(path: &Path) -> (Vec<RecordBatch>, WriterProperties) {
    let builder = ParquetRecordBatchReaderBuilder::try_new(File::open(path).unwrap()).unwrap();
    let entries = builder.metadata().file_metadata().key_value_metadata().cloned().unwrap();
    let entries = entries.into_iter().filter(|entry| entry.key != "ARROW:schema").collect();
    let properties = WriterProperties::builder().set_key_value_metadata(Some(entries)).build();
    (builder.build().unwrap().map(Result::unwrap).collect(), properties)
}

/// Rewrites a Parquet file with other batches.
fn rewrite(path: &Path, change: impl Fn(RecordBatch) -> Vec<RecordBatch>) {
    let (batches, properties) = batches(path);
    let schema = batches[0].schema();
    let mut writer = ArrowWriter::try_new(File::create(path).unwrap(), schema, Some(properties)).unwrap();
    for batch in batches.into_iter().flat_map(change) {
        writer.write(&batch).unwrap();
    }
    writer.close().unwrap();
}

fn column<'b>(batch: &'b RecordBatch, name: &str) -> &'b ArrayRef {
    batch.column_by_name(name).unwrap()
}

/// The row that stood at a record of an input file.
fn row_of(batch: &RecordBatch, file: &str, record: u64, also: impl Fn(usize) -> bool) -> Option<usize> {
    let files = texts(batch, "file");
    let positions = column(batch, "position").as_primitive::<UInt64Type>();
    let is_file = |i: usize| files[i].as_deref() == Some(file);
    (0..batch.num_rows()).find(|&i| is_file(i) && positions.value(i) == record - 1 && also(i))
}

fn texts(batch: &RecordBatch, name: &str) -> Vec<Option<String>> {
    let column = column(batch, name).as_dictionary::<Int32Type>();
    let values = column.values().as_string::<i32>();
    (0..batch.num_rows()).map(|i| column.key(i).map(|key| values.value(key).to_owned())).collect()
}

/// A usage line of some customer's charge with several events.
fn usage_line(folder: &Path, customer: &str, charge: &str) -> (String, String) {
    let found = lines(folder, |document, line| {
        document["customer"]["id"] == customer
            && line["charge"] == charge
            && line["kind"] == "usage"
            && line["late"].is_null()
            && line["events"].as_u64() >= Some(2)
    });
    found.first().unwrap_or_else(|| panic!("{customer} has no line for {charge}")).clone()
}

#[test]
fn a_deleted_event_is_missed() {
    for (customer, charge) in
        [("acme", "tokens"), ("acme", "calls"), ("gamma", "disk"), ("beta", "models"), ("delta", "calls")]
    {
        let folder = run();
        let line = usage_line(folder.path(), customer, charge);
        let (_, before) = explain(folder.path(), &line);
        let event = &before["events"][1];
        let (file, record) = (event["file"].as_str().unwrap(), event["record"].as_u64().unwrap());
        let mut deleted = 0;
        for path in parquet_files(&folder.path().join("out/events")) {
            if !batches(&path).0.iter().any(|batch| row_of(batch, file, record, |_| true).is_some()) {
                continue;
            }
            deleted += 1;
            rewrite(&path, |batch| match row_of(&batch, file, record, |_| true) {
                Some(row) => vec![batch.slice(0, row), batch.slice(row + 1, batch.num_rows() - row - 1)],
                None => vec![batch],
            });
        }
        assert_eq!(deleted, 1);
        let (status, after) = explain(folder.path(), &line);
        assert_eq!((status, &after["agrees"]), (Some(1), &Value::Bool(false)), "{customer} {charge}");
        let differences = after["differences"].as_array().unwrap();
        let digest = differences.iter().find(|difference| difference["what"] == "digest").unwrap();
        assert_eq!(digest["expected"], before["billed"]["digest"]);
        assert_ne!(digest["found"], before["billed"]["digest"]);
        let count = before["billed"]["events"].as_u64().unwrap();
        let expected = format!(
            "line {} ({}): digest {} on {}, {} from {} of {count} archived events; one event is missing",
            line.1,
            before["title"].as_str().unwrap(),
            digest["expected"].as_str().unwrap(),
            line.0,
            digest["found"].as_str().unwrap(),
            count - 1
        );
        assert_eq!(digest["sentence"], expected);
        let cause = format!("{file} record {record}: its rated row is in the archive, the event is not");
        assert!(after["causes"].as_array().unwrap().iter().any(|found| *found == cause), "{after:#}");
        let output = weir(folder.path(), &["explain", &line.0, &line.1, "--from", "out"]);
        assert_eq!(output.status.code(), Some(1));
        assert!(text(&output.stdout).contains(&expected), "{}", text(&output.stdout));
    }
}

#[test]
fn a_changed_event_is_found() {
    let folder = run();
    let line = usage_line(folder.path(), "beta", "tokens");
    let (_, before) = explain(folder.path(), &line);
    let event = &before["events"][0];
    let (file, record) = (event["file"].as_str().unwrap(), event["record"].as_u64().unwrap());
    for path in parquet_files(&folder.path().join("out/events")) {
        rewrite(&path, |batch| {
            let Some(row) = row_of(&batch, file, record, |_| true) else { return vec![batch] };
            let mut columns = batch.columns().to_vec();
            let place = batch.schema().index_of("data").unwrap();
            let data = columns[place].as_string::<i32>();
            let changed = (0..batch.num_rows()).map(|i| {
                let text = data.is_valid(i).then(|| data.value(i).to_owned());
                if i == row { text.map(|text| text.replace("\"tokens\":", "\"tokens\":1")) } else { text }
            });
            columns[place] = Arc::new(changed.collect::<arrow_array::StringArray>());
            vec![RecordBatch::try_new(batch.schema(), columns).unwrap()]
        });
    }
    let (status, after) = explain(folder.path(), &line);
    assert_eq!(status, Some(1));
    let whats: Vec<&str> = after["differences"].as_array().unwrap().iter().filter_map(|d| d["what"].as_str()).collect();
    assert!(["digest", "quantity", "exact_amount", "rows.amount"].iter().all(|what| whats.contains(what)), "{whats:?}");
    let cause = format!("{file} record {record}: type, time or data are not what was accepted");
    assert!(after["causes"].as_array().unwrap().iter().any(|found| *found == cause), "{after:#}");
}

#[test]
fn a_changed_row_is_found() {
    let folder = run();
    let line = usage_line(folder.path(), "gamma", "users");
    let (_, before) = explain(folder.path(), &line);
    let event = &before["events"][0];
    let (file, record) = (event["file"].as_str().unwrap(), event["record"].as_u64().unwrap());
    for path in parquet_files(&folder.path().join("out/rated")) {
        rewrite(&path, |batch| {
            let charges = texts(&batch, "charge");
            let is_users = |i: usize| charges[i].as_deref() == Some("users");
            let Some(row) = row_of(&batch, file, record, is_users) else { return vec![batch] };
            let mut columns = batch.columns().to_vec();
            let place = batch.schema().index_of("amount").unwrap();
            let amounts = columns[place].as_primitive::<Decimal128Type>();
            let changed = amounts.values().iter().enumerate().map(|(i, amount)| amount + i128::from(i == row));
            let changed = arrow_array::Decimal128Array::from_iter_values(changed);
            columns[place] = Arc::new(changed.with_precision_and_scale(38, 18).unwrap());
            vec![RecordBatch::try_new(batch.schema(), columns).unwrap()]
        });
    }
    let (status, after) = explain(folder.path(), &line);
    assert_eq!(status, Some(1), "{after:#}");
    assert_eq!(after["differences"].as_array().unwrap().len(), 1);
    let difference = &after["differences"][0];
    assert_eq!(difference["what"], "rows.amount");
    let sentence = difference["sentence"].as_str().unwrap();
    assert!(sentence.starts_with(&format!("line {} (users): ", line.1)), "{sentence}");
    let amount = event["amount"].as_str().unwrap();
    let cause =
        format!("{file} record {record}: its rated row says {amount}.000000000000000001, the events come to {amount}");
    assert_eq!(after["causes"], serde_json::json!([cause]));
}

#[test]
fn a_deleted_row_is_found() {
    let folder = run();
    let line = usage_line(folder.path(), "gamma", "capacity");
    let (_, before) = explain(folder.path(), &line);
    // Its amount is zero: only the number of rows tells.
    let event = before["events"].as_array().unwrap().iter().find(|event| event["amount"] == "0").unwrap();
    let (file, record) = (event["file"].as_str().unwrap(), event["record"].as_u64().unwrap());
    for path in parquet_files(&folder.path().join("out/rated")) {
        rewrite(&path, |batch| {
            let charges = texts(&batch, "charge");
            match row_of(&batch, file, record, |i| charges[i].as_deref() == Some("capacity")) {
                Some(row) => vec![batch.slice(0, row), batch.slice(row + 1, batch.num_rows() - row - 1)],
                None => vec![batch],
            }
        });
    }
    let (status, after) = explain(folder.path(), &line);
    assert_eq!(status, Some(1), "{after:#}");
    let whats: Vec<&str> = after["differences"].as_array().unwrap().iter().filter_map(|d| d["what"].as_str()).collect();
    assert_eq!(whats, ["rows.rows"]);
    let cause = format!("{file} record {record}: the event is in the archive, its rated row is not");
    assert_eq!(after["causes"], serde_json::json!([cause]));
}

#[test]
fn a_changed_catalog_is_found() {
    let folder = run();
    let line = lines(folder.path(), |_, line| line["kind"] == "fee")[0].clone();
    let path = folder.path().join("out/catalog/catalog.toml");
    let changed = fs::read_to_string(&path).unwrap().replace("49.00", "50.00");
    fs::write(&path, changed).unwrap();
    let (status, after) = explain(folder.path(), &line);
    assert_eq!(status, Some(1));
    assert_eq!(after["differences"][0]["what"], "amount");
    assert_eq!(after["causes"], serde_json::json!(["the catalog in the folder is not the one of the run"]));
}

/// What the archive does not keep cannot be proven, and it says so.
#[test]
fn an_extension_attribute_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let catalog = r#"
name = "extensions"
currency = "USD"
[meters.calls]
event_type = "call"
aggregation = "count"
dimensions = { tier = "tier" }
[plans.basic]
[[plans.basic.charges]]
name = "calls"
meter = "calls"
price = { model = "unit", unit_amount = "1" }
group_by = ["tier"]
[defaults]
plan = "basic"
"#;
    fs::write(folder.path().join("catalog.toml"), catalog).unwrap();
    let event = r#"{"specversion":"1.0","id":"1","source":"/t","type":"call","subject":"a","time":"2026-08-01T00:00:00Z","tier":"gold"}"#;
    fs::write(folder.path().join("a.ndjson"), event).unwrap();
    let run = ["run", "--catalog", "catalog.toml", "--events", "a.ndjson", "--out", "out"];
    let output = weir(folder.path(), &run);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let line = lines(folder.path(), |_, _| true)[0].clone();
    let (status, explained) = explain(folder.path(), &line);
    assert_eq!(status, Some(1));
    let causes = ["the catalog reads the attribute tier, which the archive does not keep"];
    assert_eq!(explained["causes"], serde_json::json!(causes));
}

#[test]
fn a_changed_invoice_is_found() {
    let folder = run();
    let path = folder.path().join("out/invoices/invoices.ndjson");
    let original = fs::read_to_string(&path).unwrap();
    let fee = lines(folder.path(), |_, line| line["kind"] == "fee")[0].clone();
    let discount = lines(folder.path(), |_, line| line["kind"] == "discount")[0].clone();
    let usage = usage_line(folder.path(), "acme", "models");
    for (line, member, what) in [
        (&fee, "amount", "amount"),
        (&discount, "gross", "gross"),
        (&usage, "exact_amount", "exact_amount"),
        (&usage, "digest", "digest"),
    ] {
        let mut documents = documents(folder.path());
        let document = documents.iter_mut().find(|document| document["number"] == line.0).unwrap();
        let place = line.1.parse::<usize>().unwrap() - 1;
        let value = document["lines"][place][member].as_str().unwrap();
        let changed = format!("9{value}");
        document["lines"][place][member] = changed.clone().into();
        let lines: Vec<String> = documents.iter().map(Value::to_string).collect();
        fs::write(&path, lines.join("\n")).unwrap();
        let (status, explained) = explain(folder.path(), line);
        fs::write(&path, &original).unwrap();
        assert_eq!(status, Some(1), "{member}");
        let differences = explained["differences"].as_array().unwrap();
        assert_eq!(differences.len(), 1, "{explained:#}");
        assert_eq!((differences[0]["what"].as_str(), &differences[0]["expected"]), (Some(what), &Value::from(changed)));
        assert_eq!(explain(folder.path(), line).0, Some(0));
    }
}

#[test]
fn wrong_questions() {
    let folder = run();
    let number = documents(folder.path())[0]["number"].as_str().unwrap().to_owned();
    for (args, expected) in [
        (vec!["explain", "INV-999999", "1", "--from", "out"], "has no document INV-999999"),
        (vec!["explain", &number, "99", "--from", "out"], "has no line 99; its lines are numbered from 1 to"),
        (vec!["explain", &number, "1"], ". is no result of `weir run --out`"),
        (vec!["explain", &number, "0", "--from", "out"], "0 is not in 1.."),
    ] {
        let output = weir(folder.path(), &args);
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        assert!(text(&output.stderr).contains(expected), "{args:?}: {}", text(&output.stderr));
    }
}

#[test]
fn csv_lists_every_event_and_the_table_the_first() {
    let folder = run();
    let line = usage_line(folder.path(), "acme", "calls");
    let csv = weir(folder.path(), &["explain", &line.0, &line.1, "--from", "out", "--format", "csv"]);
    let (_, explained) = explain(folder.path(), &line);
    let events = explained["events"].as_array().unwrap();
    let mut reader = csv::Reader::from_reader(csv.stdout.as_slice());
    let records: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
    assert_eq!(records.len(), events.len());
    for (record, event) in records.iter().zip(events) {
        assert_eq!((&record[0], &record[2]), (event["time"].as_str().unwrap(), event["id"].as_str().unwrap()));
    }
    let table = weir(folder.path(), &["explain", &line.0, &line.1, "--from", "out", "--show", "1"]);
    let table = text(&table.stdout);
    let rest = events.len() - 1;
    for expected in [&format!("... and {rest} more"), "pool", "everything agrees"] {
        assert!(table.contains(expected), "{table}");
    }
}
