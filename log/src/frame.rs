//! A record as bytes: a head of 48, the payload, and zeros up to the next multiple of eight (docs/log-format.md).
//!
//! The head has a checksum of its own and holds the payload's: so a head alone can be trusted, whatever became of its payload,
//! and looking for one among other bytes never hashes more than a head.

use weir_model::time::Instant;
use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::header::{le_i64, le_u32, le_u64};
use crate::record::Kind;

/// Length of a head.
pub(crate) const HEAD_BYTES: usize = 48;
/// Frames begin at multiples of this.
pub(crate) const ALIGNMENT: usize = 8;

/// What a record says beside its payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) offset: u64,
    pub(crate) log_time: Instant,
    pub(crate) durable_offset: u64,
    pub(crate) kind: Kind,
    pub(crate) payload_bytes: u32,
    pub(crate) payload_checksum: u64,
}

impl Head {
    pub(crate) fn encode(&self, seed: u64) -> [u8; HEAD_BYTES] {
        let mut bytes = [0; HEAD_BYTES];
        bytes[8..16].copy_from_slice(&self.payload_checksum.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.offset.to_le_bytes());
        bytes[24..32].copy_from_slice(&self.log_time.micros().to_le_bytes());
        bytes[32..40].copy_from_slice(&self.durable_offset.to_le_bytes());
        bytes[40..44].copy_from_slice(&self.payload_bytes.to_le_bytes());
        bytes[44] = self.kind.code();
        let checksum = xxh3_64_with_seed(&bytes[8..], seed);
        bytes[..8].copy_from_slice(&checksum.to_le_bytes());
        bytes
    }

    /// The head in these bytes, if there is one.
    pub(crate) fn decode(bytes: &[u8], seed: u64) -> Option<Head> {
        let bytes = bytes.first_chunk::<HEAD_BYTES>()?;
        // The cheap questions first: whoever looks for a head asks at every eighth byte.
        let kind = Kind::new(bytes[44])?;
        let is_plausible = bytes[45..] == [0; 3] && le_u64(bytes, 32) <= le_u64(bytes, 16);
        if !is_plausible || xxh3_64_with_seed(&bytes[8..], seed) != le_u64(bytes, 0) {
            return None;
        }
        Some(Head {
            offset: le_u64(bytes, 16),
            log_time: Instant::from_micros(le_i64(bytes, 24)),
            durable_offset: le_u64(bytes, 32),
            kind,
            payload_bytes: le_u32(bytes, 40),
            payload_checksum: le_u64(bytes, 8),
        })
    }

    /// The whole frame's length.
    pub(crate) fn frame_bytes(&self) -> u64 {
        frame_bytes(u64::from(self.payload_bytes))
    }
}

/// A payload's checksum.
pub(crate) fn payload_checksum(payload: &[u8], seed: u64) -> u64 {
    xxh3_64_with_seed(payload, seed)
}

/// The length of a frame around so many bytes.
pub(crate) fn frame_bytes(payload_bytes: u64) -> u64 {
    HEAD_BYTES as u64 + payload_bytes.next_multiple_of(ALIGNMENT as u64)
}

/// What follows a payload.
pub(crate) fn padding(payload_bytes: usize) -> &'static [u8] {
    &[0; ALIGNMENT][..payload_bytes.next_multiple_of(ALIGNMENT) - payload_bytes]
}
