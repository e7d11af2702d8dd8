//! A small catalog, chunks made from a few words, and archives read back as text.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::TimestampMicrosecondType;
use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_cast::display::{ArrayFormatter, FormatOptions};
use arrow_schema::{DataType, TimeUnit};
use jiff::tz::TimeZone;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use weir_aggregator::{Archive, ArchiveSettings};
use weir_model::aggregation::{Aggregation, Carry, LevelValues, WeightedSum};
use weir_model::calendar::{Anchor, Cycle};
use weir_model::catalog::{
    BelowZero, Catalog, Charge, ChargeIdx, ChargeMeter, Dimension, EventType, LatePolicy, Meter, MeterIdx, MidPeriod,
    Plan, PlanIdx, Pool, PriceVersion, Proration, TypeIdx,
};
use weir_model::currency::Currency;
use weir_model::event::{Attributes, Chunk, Event, Span};
use weir_model::hash::{HashKey, PayloadDigest};
use weir_model::number::{Amount, Quantity, Scale, UnitAmount};
use weir_model::price::{Capacity, CapacityTier, CellIdx, Days, Matrix, MatrixCell, Price, Schedule, Unit, Window};
use weir_model::rated::{BucketNumbers, OpenedBucket, OpenedCombo, OpenedStretch, ShardOutput};
use weir_model::time::{Instant, Period};
use weir_model::verdict::{RejectCode, Rejection, Verdict};

pub const DAY: i64 = 86_400_000_000;
/// 2026-08-01T00:00:00Z.
pub const AUGUST: i64 = 1_785_542_400_000_000;
/// 2026-09-01T00:00:00Z.
pub const SEPTEMBER: i64 = AUGUST + 31 * DAY;

/// Not grouped; no decimals.
pub const CALLS: ChargeIdx = ChargeIdx(0);
/// Grouped by model and region; no decimals.
pub const TOKENS: ChargeIdx = ChargeIdx(1);
/// A matrix by size; three decimals.
pub const IMAGES: ChargeIdx = ChargeIdx(2);
/// Like CALLS, on another plan, in yen.
pub const YEN_CALLS: ChargeIdx = ChargeIdx(3);
/// A capacity price of two meters, without and with three decimals.
pub const SEATS: ChargeIdx = ChargeIdx(4);
/// A schedule below a matrix by size; a level by the hour, without decimals. The cells: small at night, small by day, others.
pub const LEVEL: ChargeIdx = ChargeIdx(5);

pub fn catalog() -> Arc<Catalog> {
    let usd = Currency::parse("USD").unwrap();
    let unit =
        |scale: i128| Price::Unit(Unit { unit_amount: UnitAmount::ZERO, per: Quantity::from_count(1), unit: scale });
    let dimension = |name: &str, slot| Dimension { name: name.to_owned(), slot };
    let cell = |size: &str| MatrixCell { when: vec![size.to_owned()], price: unit(1000) };
    let matrix =
        Matrix::new(vec![dimension("size", 0)], vec![cell("small"), cell("lar\"ge")], Some(unit(1000))).unwrap();
    let grouped = vec![dimension("model", 0), dimension("region", 1)];
    let images = ChargeMeter { meter: MeterIdx(1), filter: vec![], group_by: vec![] };
    Arc::new(Catalog {
        name: "sample".to_owned(),
        hash: 0xABCD,
        currency: usd,
        time_zone: TimeZone::UTC,
        meters: vec![meter("calls", 0), meter("images", 3), Meter { aggregation: hours(), ..meter("level", 0) }],
        event_types: vec![EventType { name: "call".to_owned(), values: vec![], texts: vec![], meters: vec![] }],
        plans: vec![plan("pro", "USD"), plan("japan", "JPY")],
        charges: vec![
            charge("calls", 0, 0, unit(1), vec![]),
            charge("tokens", 0, 0, unit(1), grouped),
            charge("images", 0, 1, Price::Matrix(matrix), vec![]),
            charge("calls", 1, 0, unit(1), vec![]),
            Charge { further: vec![images], ..charge("seats", 0, 0, capacity(), vec![]) },
            charge("level", 0, 2, by_night(unit), vec![]),
        ],
        accounts: vec![],
        customers: vec![],
        seller: None,
        default_plan: None,
    })
}

fn charge(name: &str, plan: u32, meter: u32, price: Price, group_by: Vec<Dimension>) -> Charge {
    Charge {
        name: name.to_owned(),
        hash: 0,
        plan: PlanIdx(plan),
        meter: MeterIdx(meter),
        further: vec![],
        versions: vec![PriceVersion { effective_at: None, mid_period: MidPeriod::NextPeriod, price: Arc::new(price) }],
        price_name: None,
        filter: vec![],
        group_by,
        conversion: None,
        allowance: None,
        round: None,
        discount: None,
        minimum: None,
        maximum: None,
        below_zero: BelowZero::default(),
        pool: Pool::None,
        late_policy: LatePolicy::NextInvoice,
    }
}

fn capacity() -> Price {
    let tier = CapacityTier { up_to: vec![None, None], flat_amount: Amount::ZERO };
    Price::Capacity(Capacity::new(vec!["seats".to_owned(), "storage".to_owned()], vec![tier]).unwrap())
}

fn by_night(unit: impl Fn(i128) -> Price) -> Price {
    let days = Days::none().with(0).with(7);
    let night = Window { days, from: 1200, to: 360, price: unit(1) };
    let schedule = Schedule::new(TimeZone::UTC, [].into(), vec![night], Some(unit(1))).unwrap();
    let small = MatrixCell { when: vec!["small".to_owned()], price: Price::Schedule(schedule) };
    let size = Dimension { name: "size".to_owned(), slot: 0 };
    Price::Matrix(Matrix::new(vec![size], vec![small], Some(unit(1))).unwrap())
}

fn hours() -> Aggregation {
    Aggregation::WeightedSum(WeightedSum { values: LevelValues::Level, per_micros: 3_600_000_000, carry: Carry::Over })
}

fn meter(name: &str, scale: u8) -> Meter {
    Meter {
        name: name.to_owned(),
        event_type: TypeIdx(0),
        aggregation: Aggregation::Sum,
        scale: Scale::new(scale).unwrap(),
        value: None,
        distinct: None,
        series: None,
        estimated: None,
        amount: None,
        dimensions: vec![],
        filter: vec![],
        allow_negative: false,
    }
}

fn plan(name: &str, currency: &str) -> Plan {
    Plan {
        thresholds: Vec::new(),
        name: name.to_owned(),
        variant_of: None,
        currency: Currency::parse(currency).unwrap(),
        cycle: Cycle::Months(1),
        anchor: Anchor::Calendar,
        fees: vec![],
        proration: Proration::Exact,
        charges: vec![],
    }
}

pub fn amount(scaled: i128) -> Amount {
    Amount::from_scaled(scaled).unwrap()
}

pub fn quantity(scaled: i128) -> Quantity {
    Quantity::from_scaled(scaled)
}

pub fn august() -> Period {
    Period { start: Instant::from_micros(AUGUST), end: Instant::from_micros(SEPTEMBER) }
}

pub fn september() -> Period {
    Period { start: Instant::from_micros(SEPTEMBER), end: Instant::from_micros(SEPTEMBER + 30 * DAY) }
}

pub fn bucket(customer: &str, charge: ChargeIdx, group: &[&str], cell: CellIdx, period: Period) -> OpenedBucket {
    let group = group.iter().map(|&value| Box::from(value)).collect();
    OpenedBucket { customer: customer.into(), charge, group, cell, period, start: period.start }
}

/// An event of source `/s` and type `call`; its fingerprint is the number of its id.
#[derive(Debug, Clone, Copy)]
pub struct Sample<'a> {
    pub position: u32,
    pub subject: &'a str,
    pub id: u64,
    pub time: i64,
    pub data: Option<&'a [u8]>,
    pub verdict: Verdict,
}

/// Adds text to a chunk.
pub fn span(chunk: &mut Chunk, text: &[u8]) -> Span {
    let start = u32::try_from(chunk.text.len()).unwrap();
    chunk.text.extend_from_slice(text);
    Span::new(start, u32::try_from(text.len()).unwrap())
}

/// Adds an event; its index in the shard's batch.
pub fn push(chunk: &mut Chunk, output: &mut ShardOutput, shard: usize, sample: &Sample<'_>) -> u32 {
    let id = format!("id-{}", sample.id);
    let [subject, source, id, type_name] = [sample.subject, "/s", &id, "call"].map(|text| span(chunk, text.as_bytes()));
    let data = sample.data.map_or(Span::ABSENT, |data| span(chunk, data));
    let batch = &mut chunk.batches[shard];
    let index = u32::try_from(batch.len()).unwrap();
    batch.fingerprint.push(weir_model::hash::Fingerprint(u128::from(sample.id)));
    batch.payload.push(PayloadDigest(sample.id + 1));
    batch.events.push(Event {
        subject_hash: HashKey::FILES.route(sample.subject.as_bytes()),
        time: Instant::from_micros(sample.time),
        event_type: TypeIdx(0),
        position: sample.position,
        first_value: 0,
        first_text: 0,
    });
    batch.attributes.push(Attributes { subject, source, id, type_name, data });
    output.verdicts.push(sample.verdict);
    if sample.verdict.is_accepted() {
        output.subjects.push(subject_number(sample.subject));
    }
    index
}

/// Every shard numbers `amy`, `zoe` and `customer-N` alike.
fn subject_number(subject: &str) -> u32 {
    let customer = subject.strip_prefix("customer-").map(|number| number.parse::<u32>().unwrap() + 2);
    customer.unwrap_or(u32::from(subject == "zoe"))
}

/// Opens a bucket, whose stretch and combination are named for it alone.
pub fn open(output: &mut ShardOutput, bucket: OpenedBucket) {
    open_as(output, output.opened.buckets.len(), bucket);
}

/// Opens a bucket by its number in the shard.
pub fn open_as(output: &mut ShardOutput, number: usize, bucket: OpenedBucket) {
    let OpenedBucket { customer, charge, group, cell, period, start } = bucket;
    let number = u32::try_from(number).unwrap();
    output.opened.stretches.push((number, OpenedStretch { customer, period, start }));
    output.opened.combos.push((number, OpenedCombo { group, cell }));
    output.opened.buckets.push(BucketNumbers { stretch: number, charge, combo: number });
}

/// Adds a rated row.
pub fn rate(output: &mut ShardOutput, event: u32, bucket: u32, quantity: Quantity, amount: Amount) {
    output.rows.event.push(event);
    output.rows.bucket.push(bucket);
    output.rows.quantity.push(quantity);
    output.rows.amount.push(amount);
}

pub fn reject(chunk: &mut Chunk, position: u32, code: RejectCode, record: &[u8]) {
    let record = span(chunk, record);
    chunk.rejected.push(Rejection { position, code, sentence: "is wrong".to_owned(), record });
}

pub fn outputs(shards: usize) -> Vec<ShardOutput> {
    std::iter::repeat_with(ShardOutput::default).take(shards).collect()
}

pub fn create(dir: &Path, rows_per_batch: usize) -> Archive {
    let settings = ArchiveSettings { rows_per_batch, ..ArchiveSettings::default() };
    Archive::create(dir, catalog(), settings, vec!["a.ndjson".to_owned(), "b.ndjson".to_owned()]).unwrap()
}

/// The rows of a Parquet file, columns joined by `|`, nulls as `-`.
pub fn rows(path: &Path) -> Vec<String> {
    batches(path).iter().flat_map(text_rows).collect()
}

pub fn batches(path: &Path) -> Vec<RecordBatch> {
    let file = File::open(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let reader = ParquetRecordBatchReaderBuilder::try_new(file).unwrap().build().unwrap();
    reader.map(Result::unwrap).collect()
}

fn text_rows(batch: &RecordBatch) -> Vec<String> {
    let options = FormatOptions::new().with_null("-");
    let columns: Vec<ArrayRef> = batch.columns().iter().map(printable).collect();
    let columns: Vec<_> = columns.iter().map(|column| ArrayFormatter::try_new(column, &options).unwrap()).collect();
    let row = |i| columns.iter().map(|column| column.value(i).to_string()).collect::<Vec<_>>().join("|");
    (0..batch.num_rows()).map(row).collect()
}

/// Instants in UTC under the name that the printer knows without a time zone database.
fn printable(column: &ArrayRef) -> ArrayRef {
    if *column.data_type() == DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())) {
        let instants = column.as_primitive::<TimestampMicrosecondType>().clone();
        return Arc::new(instants.with_timezone("+00:00"));
    }
    Arc::clone(column)
}

/// All files below a folder with their bytes, by path.
pub fn tree(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![dir.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                found.insert(path.strip_prefix(dir).unwrap().to_owned(), fs::read(&path).unwrap());
            }
        }
    }
    found
}

pub fn names(dir: &Path) -> Vec<String> {
    tree(dir).into_keys().map(|path| path.to_str().unwrap().to_owned()).collect()
}
