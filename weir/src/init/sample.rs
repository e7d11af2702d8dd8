//! What `weir init` writes for somebody who has no events yet: a catalog that teaches, a month of usage that it rates, and
//! three commands.

use super::folder::{CATALOG, EVENTS, File, README};

/// The files, the same every time.
pub fn files() -> Vec<File> {
    vec![
        (README, include_str!("sample/README.md").to_owned()),
        (CATALOG, include_str!("sample/catalog.toml").to_owned()),
        (EVENTS, include_str!("sample/events.ndjson").to_owned()),
    ]
}
