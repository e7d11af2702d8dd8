//! What the records of the log hold: kinds and payloads (design.md 4.3, 4.4).
//!
//! Owns: the bytes of each kind. Does not own: frames, checksums and offsets (`weir_log`), nor what a record changes (`control`).
//! A kind is never used for anything else, and payloads only grow keys: what an earlier version wrote is read forever.

use serde::{Deserialize, Serialize};
use weir_log::Kind;
use weir_model::event::Span;
use weir_model::verdict::{RejectCode, Rejection};

use super::control::{CustomerDocument, KeyRecord, Subscription};

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident = $code:literal;)*) => {
        $($(#[$doc])* pub const $name: Kind = Kind::new($code).expect("not 0");)*
    };
}

kinds! {
    /// Events as NDJSON lines, all valid when they were taken.
    LINES = 1;
    /// The same, behind what was rejected of the request: see [`Mixed`].
    MIXED = 2;
    /// Events as an Arrow IPC stream, behind what was rejected of it.
    COLUMNS = 3;
    /// A change of what rating depends on: [`Numbered`] as JSON.
    CONTROL = 128;
    /// Time passes: nothing.
    TICK = 129;
}

/// A control record with its gapless number, from 1.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Numbered {
    /// Its number.
    pub sequence: u64,
    /// What changes.
    #[serde(flatten)]
    pub control: Control,
}

/// Whatever changes rating.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Control {
    /// The log's first record: what is fixed when a deployment is made.
    Genesis {
        /// Secret of all hashes of this deployment, as 32 hexadecimal digits.
        fingerprint_key: String,
        /// Number of shards.
        shards: u16,
    },
    /// Another catalog.
    Catalog {
        /// Its text.
        text: String,
        /// Texts of the files that it names, by name.
        files: Vec<(String, String)>,
    },
    /// Customers that are new or described anew, with their subjects.
    Customers {
        /// In order.
        customers: Vec<CustomerDocument>,
    },
    /// A customer goes on under another plan.
    Subscription(Subscription),
    /// A close seals every period that ends at or before an instant.
    Close {
        /// In microseconds since 1970.
        through_us: i64,
    },
    /// An accepted event does not count any more. Reserved.
    Void {},
    /// An accepted event is replaced. Reserved.
    Replace {},
    /// What describes a person is forgotten.
    Erase {
        /// The customer.
        customer: String,
    },
    /// An API key is made, or changed.
    Key(KeyRecord),
    /// An API key is worth nothing any more.
    KeyRevoked {
        /// Its public part.
        id: String,
    },
}

/// A record of the request that was rejected, as the log keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rejected {
    /// Position in the request.
    pub index: u64,
    /// Stable code.
    pub code: String,
    /// What is wrong.
    pub sentence: String,
    /// The record, cut off at [`Rejected::RECORD_BYTES_MAX`].
    pub record: String,
}

impl Rejected {
    /// The longest record that is kept; what is beyond stays with its sender.
    pub const RECORD_BYTES_MAX: usize = 16 << 10;
}

/// Makes the payload of [`MIXED`] or [`COLUMNS`]: the length of the rejected part (u32, little endian), that part as JSON, and the events.
pub fn mixed(rejected: &[Rejected], events: &[u8]) -> Vec<u8> {
    let json = serde_json::to_vec(rejected).expect("texts and numbers are JSON");
    let mut payload = Vec::with_capacity(4 + json.len() + events.len());
    payload.extend_from_slice(&u32::try_from(json.len()).expect("bodies are bounded").to_le_bytes());
    payload.extend_from_slice(&json);
    payload.extend_from_slice(events);
    payload
}

/// Takes such a payload apart.
pub fn parts(payload: &[u8]) -> Option<(Vec<Rejected>, &[u8])> {
    let (len, rest) = payload.split_first_chunk::<4>()?;
    let (json, events) = rest.split_at_checked(usize::try_from(u32::from_le_bytes(*len)).ok()?)?;
    Some((serde_json::from_slice(json).ok()?, events))
}

/// Appends a rejected record to a chunk, whose events it follows.
pub fn restore(rejected: &Rejected, position: u32, text: &mut Vec<u8>) -> Rejection {
    let start = u32::try_from(text.len()).unwrap_or(u32::MAX);
    text.extend_from_slice(rejected.record.as_bytes());
    let len = u32::try_from(rejected.record.len()).unwrap_or(0);
    let known = |code: &RejectCode| code.code() == rejected.code;
    Rejection {
        position,
        // A code that this version does not know was some attribute's.
        code: RejectCode::ALL.into_iter().find(known).unwrap_or(RejectCode::AttributeInvalid),
        sentence: rejected.sentence.clone(),
        record: Span::new(start, len),
    }
}
