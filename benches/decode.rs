//! Bytes into columns: NDJSON with few and many fields, and CSV through a mapping (with reading the file).
#![allow(missing_docs, reason = "criterion's macros write undocumented functions")]

use std::fs;
use std::path::Path;
use std::sync::Arc;

use criterion::{Criterion, criterion_group, criterion_main};
use weir_benches::{Input, SHARDS, criterion};
use weir_ingest::DecodeScratch;
use weir_ingest::input::expand;
use weir_ingest::reader::{Reader, ReaderSettings, decode};
use weir_loadtest::job::Shape;
use weir_model::event::Chunk;
use weir_model::mapping::{Mapping, load};

const MAPPING: &str = r#"
format = "csv"
[[events]]
source = "source"
id = "id"
type = "type"
subject = "subject"
time = { column = "time", format = "rfc3339", zone = "UTC" }
[events.data]
value = "value"
region = "region"
"#;

fn ndjson(c: &mut Criterion) {
    let mut group = c.benchmark_group("decode");
    for fields in [2, 30] {
        let mut input = Input::of(Shape { fields, ..Shape::JOB_J });
        group.throughput(input.throughput());
        let (mut chunk, mut scratch) = (Chunk::new(usize::from(SHARDS)), DecodeScratch::new());
        group.bench_function(format!("ndjson-{fields}-fields"), |b| {
            b.iter(|| {
                for text in &mut input.texts {
                    // Lent to the chunk and taken back, so that copying it is not part of the time.
                    std::mem::swap(text, &mut chunk.text);
                    input.decoder.decode_ndjson(&mut chunk, &mut scratch);
                    std::mem::swap(text, &mut chunk.text);
                    chunk.clear();
                }
            });
        });
    }
    group.finish();
}

fn csv(c: &mut Criterion) {
    let input = Input::of(Shape::JOB_J);
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("events.csv");
    fs::write(&path, rows(&input)).expect("room for a file");
    let mapping = Arc::new(load("mapping.toml", MAPPING).expect("the mapping is sound"));
    let mut group = c.benchmark_group("decode");
    group.throughput(input.throughput());
    group.bench_function("csv", |b| b.iter(|| assert_eq!(read(&path, &mapping, &input), input.job.shape().lines)));
    group.finish();
}

/// Reads and decodes a file of rows; returns how many they are.
fn read(path: &Path, mapping: &Arc<Mapping>, input: &Input) -> u64 {
    let inputs = expand(&[path.display().to_string()], Some(mapping)).expect("a file");
    let mut reader =
        Reader::open(inputs, Some(Arc::clone(mapping)), ReaderSettings::default()).expect("a mapping for rows");
    let (mut chunk, mut scratch) = (Chunk::new(usize::from(SHARDS)), DecodeScratch::new());
    let mut received = 0;
    while let Some(piece) = reader.next(&mut chunk).expect("a whole file") {
        decode(piece, &input.decoder, &mut chunk, &mut scratch);
        assert_eq!(chunk.rejected, [], "every row is an event");
        received += chunk.received;
        chunk.clear();
    }
    received
}

/// The job's events as CSV.
fn rows(input: &Input) -> Vec<u8> {
    let mut out = b"id,source,type,subject,time,value,region\n".to_vec();
    for line in 0..input.job.shape().lines {
        let event = input.job.event(line);
        event.write_id(&mut out);
        out.push(b',');
        event.write_source(&mut out);
        out.push(b',');
        event.write_type(&mut out);
        out.push(b',');
        event.write_subject(&mut out);
        out.push(b',');
        input.job.write_time(&event, &mut out);
        out.extend_from_slice(format!(",{},{}\n", event.value, event.region()).as_bytes());
    }
    out
}

criterion_group! { name = benches; config = criterion(); targets = ndjson, csv }
criterion_main!(benches);
