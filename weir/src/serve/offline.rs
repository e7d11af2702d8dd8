//! What is done in a data folder without a server: the first key, and looking at the log.

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::clock::SystemClock;
use super::control::{ControlState, KeyRecord, Role};
use super::keys::{self, Pattern};
use super::record::{self, Control, Numbered};
use super::start::{self, DataFolder};
use crate::cli::{Format, LogAction, LogArgs, NewKey};
use crate::config;
use crate::failure::invalid;
use crate::table::aligned;

/// Makes a key in the data folder of a server that does not run.
pub fn create_key(config: Option<&Path>, new: &NewKey) -> Result<Value> {
    let settings = config::load(config)?.settings;
    let folder = DataFolder::open(&settings.data.folder)?;
    let (mut writer, state) = start::open_for_control(&folder, &settings, &SystemClock)?;
    let is_first = !state.keys.values().any(|key| key.role == Role::Admin);
    if is_first && new.role != Role::Admin {
        return Err(invalid("the first key must be an administrator's: --role admin"));
    }
    let at = |text: &String| text.parse::<Timestamp>().map_err(|error| invalid(format!("--expires-at: {error}")));
    let expires_at_us = new.expires_at.as_ref().map(at).transpose()?.map(Timestamp::as_microsecond);
    let (key, record) = keys::create(new.name.clone(), new.role).context("the system has no random numbers")?;
    let pattern = |text: &Option<String>| text.clone().map(Pattern);
    let record =
        KeyRecord { subjects: pattern(&new.subjects), sources: pattern(&new.sources), expires_at_us, ..record };
    let id = record.id.clone();
    start::append_control(&mut writer, &state, Control::Key(record), &SystemClock)?;
    Ok(json!({ "id": id, "key": key }))
}

/// What control records have said, from the last snapshot's on.
pub fn control_state(writer: &weir_log::Writer, mut state: ControlState, from: u64) -> Result<ControlState> {
    let mut reader = writer.reader(from)?;
    while let Some(found) = reader.read()? {
        if found.kind == record::CONTROL {
            let numbered: Numbered = serde_json::from_slice(found.payload)?;
            state.apply(&numbered)?;
        }
    }
    Ok(state)
}

/// `weir log`
pub fn log(args: &LogArgs) -> Result<ExitCode> {
    let (target, is_inspection) = match &args.action {
        LogAction::Inspect(target) => (target, true),
        LogAction::Verify(target) => (target, false),
    };
    let settings = config::load(target.config.as_deref())?.settings;
    let data = target.data.clone().unwrap_or(settings.data.folder);
    if !data.join(start::LOG).is_dir() {
        return Err(invalid(format!("{} holds no log; --data names another folder", data.display())));
    }
    let files: std::sync::Arc<dyn weir_files::Files> = std::sync::Arc::new(weir_files::Disk::new(&data));
    let snapshot = super::snapshot::find(files.as_ref())?.0;
    let known_durable = start::known_durable(&files, snapshot.as_ref())?;
    let segments = weir_log::inspect(&files, start::LOG, known_durable)?;
    let findings: Vec<String> =
        segments.iter().flat_map(|segment| &segment.findings).map(ToString::to_string).collect();
    if is_inspection {
        print!("{}", report(&segments, target.format));
    }
    let findings = if is_inspection {
        findings
    } else {
        weir_log::verify(&files, start::LOG, known_durable)?.iter().map(ToString::to_string).collect()
    };
    findings.iter().for_each(|finding| eprintln!("{finding}"));
    let is_damaged = segments.iter().any(|segment| segment.state == weir_log::SegmentState::Damaged);
    if is_damaged || (!is_inspection && !findings.is_empty()) {
        return Ok(ExitCode::FAILURE);
    }
    if !is_inspection {
        println!("The log is whole: {} segments, {} records.", segments.len(), records(&segments));
    }
    Ok(ExitCode::SUCCESS)
}

fn records(segments: &[weir_log::SegmentReport]) -> u64 {
    segments.iter().flat_map(|segment| segment.records_by_kind.values()).sum()
}

fn report(segments: &[weir_log::SegmentReport], format: Format) -> String {
    let state = |segment: &weir_log::SegmentReport| format!("{:?}", segment.state).to_lowercase();
    if format == Format::Json {
        let rows: Vec<Value> = segments
            .iter()
            .map(|segment| {
                let times = segment.log_times.map(|(first, last)| json!([first.to_string(), last.to_string()]));
                json!({
                    "file": segment.file, "bytes": segment.bytes, "format": segment.format_version,
                    "first_offset": segment.offsets.start, "next_offset": segment.offsets.end,
                    "records": segment.records_by_kind.iter().map(|(kind, count)| (name(*kind), *count)).collect::<std::collections::BTreeMap<_, _>>(),
                    "log_times": times, "durable_offset": segment.durable_offset, "state": state(segment),
                    "findings": segment.findings.iter().map(ToString::to_string).collect::<Vec<_>>(),
                })
            })
            .collect();
        return format!("{:#}\n", Value::Array(rows));
    }
    let mut rows =
        vec![["segment", "records", "first", "next", "bytes", "from", "to", "state"].map(str::to_owned).to_vec()];
    for segment in segments {
        let time = |which: fn(&(weir_model::time::Instant, weir_model::time::Instant)) -> String| {
            segment.log_times.as_ref().map_or_else(|| "-".to_owned(), which)
        };
        rows.push(vec![
            segment.file.clone(),
            records(std::slice::from_ref(segment)).to_string(),
            segment.offsets.start.to_string(),
            segment.offsets.end.to_string(),
            segment.bytes.to_string(),
            time(|times| times.0.to_string()),
            time(|times| times.1.to_string()),
            state(segment),
        ]);
    }
    aligned(&rows)
}

fn name(kind: weir_log::Kind) -> String {
    match kind {
        record::LINES => "lines".to_owned(),
        record::MIXED => "mixed".to_owned(),
        record::COLUMNS => "columns".to_owned(),
        record::CONTROL => "control".to_owned(),
        record::TICK => "tick".to_owned(),
        other => format!("kind {}", other.code()),
    }
}
