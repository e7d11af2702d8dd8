//! The stages of a run: files, then a close; files, then a close. The last close ends the run.

use anyhow::Result;
use weir_ingest::input::{self, Input};
use weir_model::catalog::Catalog;
use weir_model::mapping::Mapping;
use weir_model::time::Instant;

use crate::cli::RunArgs;
use crate::failure::{invalid, invalid_with_causes};

/// Some files and the close after them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stage {
    /// How many inputs have been read at its end.
    pub inputs_end: usize,
    /// Through when its close seals; `None` for the last one of a run that leaves it to the events.
    pub through: Option<Instant>,
}

/// All inputs in order, and the stages that they make.
pub fn of(args: &RunArgs, catalog: &Catalog, mapping: Option<&Mapping>) -> Result<(Vec<Input>, Vec<Stage>)> {
    let mut inputs = Vec::new();
    let mut stages: Vec<Stage> = Vec::new();
    let mut taken = 0;
    for (after, text) in args.close_after.iter().zip(&args.close) {
        let through = parse_instant("--close", text, catalog)?;
        if stages.last().is_some_and(|before| before.through >= Some(through)) {
            return Err(invalid(format!("--close {text}: an earlier close seals as much already; name a later time")));
        }
        inputs.extend(expand(args, taken..*after, mapping)?);
        taken = *after;
        stages.push(Stage { inputs_end: inputs.len(), through: Some(through) });
    }
    inputs.extend(expand(args, taken..args.events.len(), mapping)?);
    let through = args.until.as_deref().map(|until| parse_instant("--until", until, catalog)).transpose()?;
    if let (Some(through), Some(Stage { through: Some(before), .. })) = (through, stages.last())
        && through < *before
    {
        return Err(invalid("--until is before the last --close, which has sealed more already; name a later time"));
    }
    stages.push(Stage { inputs_end: inputs.len(), through });
    Ok((inputs, stages))
}

fn expand(args: &RunArgs, range: std::ops::Range<usize>, mapping: Option<&Mapping>) -> Result<Vec<Input>> {
    let names = args.events.get(range).unwrap_or_default();
    if names.is_empty() {
        return Ok(Vec::new());
    }
    input::expand(names, mapping).map_err(invalid_with_causes)
}

/// A date in the catalog's zone (its first instant) or an RFC 3339 time.
pub fn parse_instant(option: &str, text: &str, catalog: &Catalog) -> Result<Instant> {
    if let Ok(timestamp) = text.parse::<jiff::Timestamp>() {
        return Ok(Instant::from_timestamp(timestamp));
    }
    let date: jiff::civil::Date = text
        .parse()
        .map_err(|_| invalid(format!("{option} {text}: write a date (2026-09-01) or a time (2026-09-01T00:00:00Z)")))?;
    let start =
        date.to_zoned(catalog.time_zone.clone()).map_err(|error| invalid(format!("{option} {text}: {error}")))?;
    Ok(Instant::from_timestamp(start.timestamp()))
}
