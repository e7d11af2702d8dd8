//! Reads the archive of a server: the batches that manifests name, in order, each file checked against its manifest.

use bytes::Bytes;
use parquet::file::reader::FileReader as _;
use parquet::file::serialized_reader::SerializedFileReader;
use parquet::record::{Field, Row};
use weir_aggregator::BatchManifest;
use weir_files::Files;
use xxhash_rust::xxh3::xxh3_128;

/// What is archived, in the order of the log.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Archived {
    /// Through this offset.
    pub offset: u64,
    /// Accepted events.
    pub events: Vec<Accepted>,
    /// Rated rows and settlements.
    pub rated: Vec<Rated>,
    /// Lines of rejections and conflicts.
    pub quarantined: u64,
    /// Batches.
    pub batches: usize,
}

/// A row of `events`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Accepted {
    /// Subject, source, id.
    pub identity: (String, String, String),
    /// Microseconds since 1970.
    pub time: i64,
    /// Verbatim.
    pub data: Option<String>,
    /// What became of it.
    pub verdict: String,
}

/// A row of `rated`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rated {
    /// The event; `None`: a settlement.
    pub fingerprint: Option<Vec<u8>>,
    /// Whose.
    pub customer: String,
    /// For what.
    pub charge: String,
    /// First instant of the period, in microseconds since 1970.
    pub period_start: i64,
    /// At scale 18.
    pub amount: i128,
}

/// A file's bytes.
pub fn content(files: &dyn Files, path: &str) -> Vec<u8> {
    let file = files.open(path).unwrap();
    let mut bytes = vec![0; usize::try_from(file.length().unwrap()).unwrap()];
    assert_eq!(file.read_at(0, &mut bytes).unwrap(), bytes.len(), "{path}");
    bytes
}

/// Reads all that `archive/` has.
///
/// # Panics
/// If a batch is missing, or a file is not what its manifest says.
pub fn read(files: &dyn Files) -> Archived {
    let mut archived = Archived::default();
    let mut names = files.list("archive/batches").unwrap_or_default();
    names.retain(|name| name.strip_suffix(".json").is_some());
    for name in names {
        let path = format!("archive/batches/{name}");
        let manifest: BatchManifest = serde_json::from_slice(&content(files, &path)).unwrap();
        assert_eq!(manifest.offset_start, archived.offset, "{path} does not begin where the batch before ends");
        archived.offset = manifest.offset_end;
        archived.batches += 1;
        for file in &manifest.files {
            let bytes = content(files, &format!("archive/{}", file.path));
            assert_eq!(format!("{:032x}", xxh3_128(&bytes)), file.xxh3_128, "{} of {path}", file.path);
            match file.table.as_str() {
                "events" => archived.events.extend(rows(bytes).iter().map(accepted)),
                "rated" => archived.rated.extend(rows(bytes).iter().map(rated)),
                _ => archived.quarantined += file.rows,
            }
        }
    }
    archived
}

fn rows(bytes: Vec<u8>) -> Vec<Row> {
    let reader = SerializedFileReader::new(Bytes::from(bytes)).unwrap();
    reader.get_row_iter(None).unwrap().map(Result::unwrap).collect()
}

fn accepted(row: &Row) -> Accepted {
    let text = |name: &str| text(row, name).unwrap();
    Accepted {
        identity: (text("subject"), text("source"), text("id")),
        time: instant(row, "event_time"),
        data: self::text(row, "data"),
        verdict: text("verdict"),
    }
}

fn rated(row: &Row) -> Rated {
    let fingerprint = match field(row, "fingerprint") {
        Field::Null => None,
        Field::Bytes(bytes) => Some(bytes.data().to_vec()),
        other => panic!("fingerprint is {other:?}"),
    };
    let amount = match field(row, "amount") {
        Field::Decimal(decimal) => i128::from_be_bytes(decimal.data().try_into().unwrap()),
        other => panic!("amount is {other:?}"),
    };
    let [customer, charge] = ["customer", "charge"].map(|name| text(row, name).unwrap());
    Rated { fingerprint, customer, charge, period_start: instant(row, "period_start"), amount }
}

fn field<'r>(row: &'r Row, name: &str) -> &'r Field {
    row.get_column_iter().find(|(column, _)| *column == name).unwrap_or_else(|| panic!("there is no {name}")).1
}

fn text(row: &Row, name: &str) -> Option<String> {
    match field(row, name) {
        Field::Null => None,
        Field::Str(text) => Some(text.clone()),
        other => panic!("{name} is {other:?}"),
    }
}

fn instant(row: &Row, name: &str) -> i64 {
    match field(row, name) {
        Field::TimestampMicros(micros) => *micros,
        other => panic!("{name} is {other:?}"),
    }
}
