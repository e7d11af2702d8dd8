//! Rows per second of the CSV decoder on one thread: `cargo bench -p weir-ingest --bench rows [-- FILE]`.
//!
//! FILE is an AWS Cost and Usage Report as in `config/mappings/aws-cur.toml`; without it, rows of the same shape are made
//! here. Reading and decompression are timed apart from decoding. Under `cargo test` it runs once over a few rows.
#![allow(clippy::print_stdout)]

use std::fmt::Write as _;
use std::path::Path as FilePath;
use std::sync::Arc;
use std::time::{Duration, Instant as Clock};

use weir_ingest::input::expand;
use weir_ingest::reader::{Piece, Reader, ReaderSettings, decode};
use weir_ingest::{DecodeScratch, Decoder};
use weir_model::catalog::{Catalog, EventType, Path, TextSlot, ValueSlot};
use weir_model::currency::Currency;
use weir_model::event::Chunk;
use weir_model::hash::HashKey;
use weir_model::mapping::{EmptyCell, EventMapping, FieldMapping, Mapping, TextMapping, TimeFormat, TimeMapping};

const COLUMNS: [&str; 25] = [
    "identity_line_item_id",
    "bill_invoice_id",
    "bill_payer_account_id",
    "line_item_usage_account_id",
    "line_item_line_item_type",
    "usage_start",
    "usage_end",
    "line_item_product_code",
    "line_item_usage_type",
    "line_item_operation",
    "line_item_availability_zone",
    "line_item_resource_id",
    "product_sku",
    "pricing_rate_id",
    "pricing_unit",
    "pricing_term",
    "line_item_usage_amount",
    "line_item_unblended_rate",
    "line_item_unblended_cost",
    "line_item_blended_rate",
    "line_item_blended_cost",
    "pricing_public_on_demand_rate",
    "pricing_public_on_demand_cost",
    "reservation_reservation_a_r_n",
    "line_item_line_item_description",
];

fn mapping() -> Mapping {
    let column = |name: &str| TextMapping::Column(name.to_owned());
    let data = [
        ("cost", "line_item_unblended_cost"),
        ("operation", "line_item_operation"),
        ("product", "line_item_product_code"),
        ("rate", "line_item_unblended_rate"),
        ("rate_id", "pricing_rate_id"),
        ("resource", "line_item_resource_id"),
        ("usage_amount", "line_item_usage_amount"),
        ("usage_type", "line_item_usage_type"),
    ];
    let field =
        |(name, cell): (&str, &str)| (name.to_owned(), FieldMapping { text: column(cell), empty: EmptyCell::Absent });
    let table = EventMapping {
        source: TextMapping::Constant("aws.cur".to_owned()),
        id: TextMapping::Join { columns: vec![COLUMNS[0].to_owned(), COLUMNS[5].to_owned()], join: "/".to_owned() },
        event_type: column("line_item_line_item_type"),
        subject: column("line_item_usage_account_id"),
        partition_key: None,
        time: TimeMapping { column: COLUMNS[5].to_owned(), format: TimeFormat::Rfc3339, zone: jiff::tz::TimeZone::UTC },
        data: data.map(field).into(),
    };
    Mapping { events: vec![table], ..Mapping::default() }
}

/// One meter over `data.usage_amount` by `data.rate_id`.
fn decoder() -> Decoder {
    let path = |name: &str| Path(vec!["data".to_owned(), name.to_owned()]);
    let usage = EventType {
        name: "Usage".to_owned(),
        values: vec![ValueSlot {
            path: path("usage_amount"),
            scale: 10,
            magnitude_max: 10_i128.pow(24),
            allow_negative: false,
        }],
        texts: vec![TextSlot { path: path("rate_id") }],
        meters: Vec::new(),
    };
    let catalog = Catalog {
        name: "bench".to_owned(),
        hash: 0,
        currency: Currency::parse("USD").expect("a currency"),
        time_zone: jiff::tz::TimeZone::UTC,
        meters: Vec::new(),
        event_types: vec![usage],
        plans: Vec::new(),
        charges: Vec::new(),
        accounts: Vec::new(),
        customers: Vec::new(),
        seller: None,
        default_plan: None,
    };
    Decoder::new(&catalog, HashKey::FILES, 16)
}

fn rows(count: u64) -> String {
    let mut text = COLUMNS.join(",");
    text.push('\n');
    for i in 0..count {
        let random = i.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let (day, hour) = (1 + i / 20_000 % 28, i / 800 % 24);
        writeln!(
            text,
            "{random:026x}{random:026x},156090591,836060457634,{:012},Usage,2018-10-{day:02}T{hour:02}:00:00Z,\
             2018-10-{day:02}T{hour:02}:59:59Z,AmazonS3,USE1-USE2-AWS-In-Bytes,PutObject,,\
             cloudtrail-awslogs-836060457634-t7dhuihl-isengard-do-not-delete,2VKUG32DUF246T8S,{},GB,OnDemand,\
             0.{:09},0.0000000000,0,0.0000000000,0,0.0000000000,0,,\
             \"$0.00 per GB - US East (Northern Virginia), data transfer from US East (Ohio)\"",
            random >> 60,
            282_200_000 + (random >> 40) % 900,
            random >> 35 & 0xFFF_FFFF,
        )
        .expect("a String takes all");
    }
    text
}

/// Time to read and time to decode the whole file, and its rows.
fn run(path: &FilePath) -> (Duration, Duration, u64) {
    let (mapping, decoder) = (mapping(), decoder());
    let inputs = expand(&[path.display().to_string()], Some(&mapping)).expect("a file");
    let mut reader = Reader::open(inputs, Some(Arc::new(mapping)), ReaderSettings::default()).expect("a file");
    let (mut scratch, mut chunk) = (DecodeScratch::new(), Chunk::new(16));
    let (mut reading, mut decoding, mut received) = (Duration::ZERO, Duration::ZERO, 0);
    loop {
        chunk.clear();
        let start = Clock::now();
        let piece: Option<Piece> = reader.next(&mut chunk).expect("a whole file");
        reading += start.elapsed();
        let Some(piece) = piece else { break };
        let start = Clock::now();
        decode(piece, &decoder, &mut chunk, &mut scratch);
        decoding += start.elapsed();
        received += chunk.received;
        assert_eq!(chunk.rejected, [], "every row is good");
    }
    (reading, decoding, received)
}

fn main() {
    let file = std::env::args().skip(1).find(|argument| !argument.starts_with("--"));
    let benching = std::env::args().any(|argument| argument == "--bench");
    let made = tempfile::Builder::new().suffix(".csv").tempfile().expect("a temporary file");
    let path = if let Some(file) = &file {
        FilePath::new(file)
    } else {
        std::fs::write(made.path(), rows(if benching { 300_000 } else { 100 })).expect("room for a file");
        made.path()
    };
    for _ in 0..if benching { 5 } else { 1 } {
        let (reading, decoding, received) = run(path);
        let nanos = decoding.as_nanos() / u128::from(received.max(1));
        println!("{received} rows: read in {reading:.2?}, decoded in {decoding:.2?}, {nanos} ns per row");
    }
}
