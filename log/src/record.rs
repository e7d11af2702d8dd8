//! What is written and read: records, their kinds, and whose they are.

use std::fmt;

use weir_model::time::Instant;

/// What a record is, for those who write and read it. 1 to 127 are events, 128 to 255 control records; 0 is no kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Kind(u8);

impl Kind {
    /// The first kind of control records.
    pub const CONTROL_MIN: u8 = 128;

    /// The kind with this code, unless it is 0.
    pub const fn new(code: u8) -> Option<Kind> {
        if code == 0 { None } else { Some(Kind(code)) }
    }

    /// Its code: 1 to 255.
    pub const fn code(self) -> u8 {
        self.0
    }

    /// Whether records of this kind are control records. No event becomes one, whatever its bytes are.
    pub const fn is_control(self) -> bool {
        self.0 >= Kind::CONTROL_MIN
    }
}

/// The deployment that a log belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeploymentId(pub [u8; 16]);

impl fmt::Display for DeploymentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// A record to be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry<'a> {
    /// What it is.
    pub kind: Kind,
    /// Its bytes.
    pub payload: &'a [u8],
}

/// A record that was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Record<'a> {
    /// Its number in the log, from 0, without gaps.
    pub offset: u64,
    /// The clock when it was written, or the time of the record before if the clock had gone back.
    pub log_time: Instant,
    /// Every record below this offset was durable when it was written.
    pub durable_offset: u64,
    /// What it is.
    pub kind: Kind,
    /// Its bytes.
    pub payload: &'a [u8],
}
