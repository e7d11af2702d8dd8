//! A segment's first 72 bytes (docs/log-format.md).

use weir_model::time::Instant;
use xxhash_rust::xxh3::xxh3_64;

use crate::error::Fault;
use crate::record::DeploymentId;

/// Version of the format, of segments and records.
pub const FORMAT_VERSION: u32 = 1;
/// What a segment begins with.
const MAGIC: [u8; 8] = *b"WEIR.LOG";
/// Length of a header.
pub(crate) const HEADER_BYTES: usize = 72;
/// Where its checksum stands.
const CHECKSUM_AT: usize = HEADER_BYTES - 8;

/// What a segment says about itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) deployment: DeploymentId,
    /// Segments of a log count from 0, without gaps.
    pub(crate) number: u64,
    /// The offset of its first record.
    pub(crate) first_offset: u64,
    /// Log time when it was made: not before any record of an earlier segment, and later than that of a file in whose place it is.
    pub(crate) created_at: Instant,
    /// Every record below this was durable before the segment got its name.
    pub(crate) durable_offset: u64,
}

impl Header {
    pub(crate) fn encode(&self) -> [u8; HEADER_BYTES] {
        let mut bytes = [0; HEADER_BYTES];
        let fields: [&[u8]; 7] = [
            &MAGIC,
            &u64::from(FORMAT_VERSION).to_le_bytes(),
            &self.deployment.0,
            &self.number.to_le_bytes(),
            &self.first_offset.to_le_bytes(),
            &self.created_at.micros().to_le_bytes(),
            &self.durable_offset.to_le_bytes(),
        ];
        let mut at = 0;
        for field in fields {
            bytes[at..at + field.len()].copy_from_slice(field);
            at += field.len();
        }
        let checksum = xxh3_64(&bytes[..CHECKSUM_AT]);
        bytes[CHECKSUM_AT..].copy_from_slice(&checksum.to_le_bytes());
        bytes
    }

    /// What checksums of the segment's records begin with: its own, which no other segment has.
    pub(crate) fn seed(&self) -> u64 {
        le_u64(&self.encode(), CHECKSUM_AT)
    }

    /// What is wrong with this segment in the log of `deployment`, behind `previous`.
    pub(crate) fn misfit(&self, deployment: DeploymentId, previous: Option<&Header>) -> Option<Fault> {
        let expected = previous.map_or(self.number, |previous| previous.number + 1);
        if self.deployment != deployment {
            Some(Fault::Deployment(self.deployment))
        } else if self.number > expected {
            Some(Fault::Missing(self.number - expected))
        } else if self.number < expected {
            Some(Fault::Duplicate(self.number))
        } else {
            None
        }
    }

    /// Reads the first bytes of a file.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Header, Fault> {
        if !bytes.starts_with(&MAGIC) {
            return Err(Fault::NotASegment);
        }
        let Some(bytes) = bytes.first_chunk::<HEADER_BYTES>() else { return Err(Fault::Header) };
        let version = le_u32(bytes, 8);
        if version != FORMAT_VERSION {
            return Err(Fault::Version(version));
        }
        let mut deployment = [0; 16];
        deployment.copy_from_slice(&bytes[16..32]);
        let header = Header {
            deployment: DeploymentId(deployment),
            number: le_u64(bytes, 32),
            first_offset: le_u64(bytes, 40),
            created_at: Instant::from_micros(le_i64(bytes, 48)),
            durable_offset: le_u64(bytes, 56),
        };
        if header.encode() == *bytes { Ok(header) } else { Err(Fault::Header) }
    }
}

/// The number that begins at `at`; the caller knows that it is there.
pub(crate) fn le_u64(bytes: &[u8], at: usize) -> u64 {
    let mut field = [0; 8];
    field.copy_from_slice(&bytes[at..at + 8]);
    u64::from_le_bytes(field)
}

/// The same, with sign.
pub(crate) fn le_i64(bytes: &[u8], at: usize) -> i64 {
    le_u64(bytes, at).cast_signed()
}

/// The same, of 32 bits.
pub(crate) fn le_u32(bytes: &[u8], at: usize) -> u32 {
    let mut field = [0; 4];
    field.copy_from_slice(&bytes[at..at + 4]);
    u32::from_le_bytes(field)
}
