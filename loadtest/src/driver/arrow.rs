//! A body as an Arrow IPC stream of one batch, `data` verbatim as text.

use std::ops::Range;
use std::sync::Arc;

use anyhow::{Context, Result};
use arrow_array::builder::StringBuilder;
use arrow_array::{ArrayRef, RecordBatch, TimestampMicrosecondArray};
use arrow_ipc::writer::StreamWriter;

use super::form::{Body, ID_LEN};
use crate::job::{Event, Job};

/// Encodes a range of a job's lines.
pub(super) fn encode(job: &Job, lines: Range<u64>) -> Result<Body> {
    let events: Vec<Event> = lines.map(|line| job.event(line)).collect();
    let times = events.iter().map(|event| i64::try_from(job.time_ms(event) * 1_000));
    let times = TimestampMicrosecondArray::from(times.collect::<Result<Vec<i64>, _>>()?).with_timezone("UTC");
    let batch = RecordBatch::try_from_iter([
        ("id", texts(&events, Event::write_id)?),
        ("source", texts(&events, Event::write_source)?),
        ("type", texts(&events, Event::write_type)?),
        ("subject", texts(&events, Event::write_subject)?),
        ("time", Arc::new(times) as ArrayRef),
        ("data", texts(&events, |event, out| job.write_data(event, out))?),
    ])?;
    let mut writer = StreamWriter::try_new(Vec::new(), &batch.schema())?;
    writer.write(&batch)?;
    let bytes = writer.into_inner()?;
    let first = ids_at(&bytes, &events)?;
    Body::new(bytes, (0..events.len()).map(|number| first + number * ID_LEN))
}

/// A column of texts.
fn texts(events: &[Event], write: impl Fn(&Event, &mut Vec<u8>)) -> Result<ArrayRef> {
    let mut column = StringBuilder::new();
    let mut text = Vec::new();
    for event in events {
        text.clear();
        write(event, &mut text);
        column.append_value(std::str::from_utf8(&text)?);
    }
    Ok(Arc::new(column.finish()))
}

/// Where the ids are: values of a column lie one behind the other.
fn ids_at(bytes: &[u8], events: &[Event]) -> Result<usize> {
    let mut ids = Vec::new();
    events.iter().for_each(|event| event.write_id(&mut ids));
    bytes.windows(ids.len()).position(|window| window == ids).context("the stream holds its ids side by side")
}
