//! Nanoseconds per event of the NDJSON decoder: `cargo bench -p weir-ingest --bench decode [-- FILE]`.
//!
//! Decodes FILE, or events like it made here, in chunks of 1 MiB on one thread, everything included: validation,
//! extraction, hashes, columns. Under `cargo test` it runs once over a few events.
#![allow(clippy::print_stdout)]

use std::fmt::Write as _;
use std::time::{Duration, Instant as Clock};

use weir_ingest::{DecodeScratch, Decoder};
use weir_model::catalog::{Catalog, EventType, Path, TextSlot, ValueSlot};
use weir_model::currency::Currency;
use weir_model::event::Chunk;
use weir_model::hash::HashKey;

const SHARDS: u16 = 16;
const CHUNK_BYTES: usize = 1 << 20;

/// Twenty meters that sum `data.value`; the first `grouped` of them have the dimension `data.region`.
fn catalog(grouped: u32) -> Catalog {
    let path = |parts: &[&str]| Path(parts.iter().map(|&part| part.to_owned()).collect());
    let event_types = (0..20).map(|meter| EventType {
        name: format!("meter.m{meter:02}"),
        values: vec![ValueSlot {
            path: path(&["data", "value"]),
            scale: 0,
            magnitude_max: 10_i128.pow(24),
            allow_negative: false,
        }],
        texts: if meter < grouped { vec![TextSlot { path: path(&["data", "region"]) }] } else { Vec::new() },
        meters: Vec::new(),
    });
    Catalog {
        name: "bench".to_owned(),
        hash: 0,
        currency: Currency::parse("USD").expect("a currency"),
        time_zone: jiff::tz::TimeZone::UTC,
        meters: Vec::new(),
        event_types: event_types.collect(),
        plans: Vec::new(),
        charges: Vec::new(),
        accounts: Vec::new(),
        customers: Vec::new(),
        seller: None,
        default_plan: None,
    }
}

fn events(count: u64) -> Vec<u8> {
    let mut text = String::new();
    for i in 0..count {
        let random = i.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let region = ["eu-west-1", "us-east-1", "ap-south-1", "us-west-2"][(random >> 60) as usize & 3];
        writeln!(
            text,
            "{{\"specversion\":\"1.0\",\"id\":\"{:08x}-{:04x}-4d37-f2a7-{:012x}\",\"source\":\"/svc/gw-{:02}\",\
             \"type\":\"meter.m{:02}\",\"subject\":\"cust_{:06}\",\"time\":\"2026-08-{:02}T{:02}:{:02}:{:02}.{:03}Z\",\
             \"datacontenttype\":\"application/json\",\"data\":{{\"value\":{},\"region\":\"{region}\"}}}}",
            random >> 32,
            random >> 16 & 0xFFFF,
            random >> 8,
            i % 16,
            (random >> 40) % 20,
            (random >> 20) % 100_000,
            1 + (i / 100_000) % 28,
            i / 3600 % 24,
            i / 60 % 60,
            i % 60,
            i % 1000,
            1 + (random >> 50) % 1000,
        )
        .expect("a String takes everything");
    }
    text.into_bytes()
}

/// Whole lines of about [`CHUNK_BYTES`] each.
fn chunks(text: &[u8]) -> Vec<&[u8]> {
    let mut rest = text;
    let mut chunks = Vec::new();
    while !rest.is_empty() {
        let tail = rest.get(CHUNK_BYTES..).unwrap_or_default();
        let end = tail.iter().position(|&byte| byte == b'\n').map_or(rest.len(), |newline| CHUNK_BYTES + newline + 1);
        let (chunk, after) = rest.split_at(end);
        chunks.push(chunk);
        rest = after;
    }
    chunks
}

/// The least time per event over `rounds`, by chunk: what the work takes when nothing else has the core.
fn measure(text: &[u8], grouped: u32, rounds: u32) {
    let decoder = Decoder::new(&catalog(grouped), HashKey::FILES, SHARDS);
    let mut scratch = DecodeScratch::new();
    let mut chunk = Chunk::new(usize::from(SHARDS));
    let pieces = chunks(text);
    let mut least = vec![Duration::MAX; pieces.len()];
    let mut received = 0;
    for _ in 0..rounds {
        received = 0;
        for (lines, least) in pieces.iter().zip(&mut least) {
            chunk.clear();
            chunk.text.extend_from_slice(lines);
            let started = Clock::now();
            decoder.decode_ndjson(&mut chunk, &mut scratch);
            *least = started.elapsed().min(*least);
            assert_eq!(chunk.rejected, []);
            received += chunk.received;
        }
    }
    let nanoseconds = least.iter().map(Duration::as_nanos).sum::<u128>() / u128::from(received);
    println!("{received} events, {grouped} of 20 types with a dimension: {nanoseconds} ns per event");
}

fn main() {
    let benchmark = std::env::args().any(|argument| argument == "--bench");
    let file = std::env::args().skip(1).find(|argument| !argument.starts_with("--"));
    let (count, rounds) = if benchmark { (100_000, 50) } else { (1_000, 1) };
    let text =
        file.filter(|_| benchmark).map_or_else(|| events(count), |file| std::fs::read(file).expect("a readable file"));
    for grouped in [0, 10, 20] {
        measure(&text, grouped, rounds);
    }
}
