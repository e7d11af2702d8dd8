//! Identities and digests, worked out a second time (L2, L9): from the log format's description, with the reference
//! implementation of SipHash instead of Weir's own.
//!
//! Owns: fingerprints, payload digests, event and row hashes under the fixed key of `weir run`, and home shards.

use siphasher::sip128::SipHasher13;
use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

use crate::workload::ndjson::{write_data, write_type};
use crate::workload::{Content, PLAN, Workload};

/// The key of every run on files.
const SECRET: [u8; 16] = *b"weir.run/files.1";

/// Hash of a route key: SipHash-1-3 with 128 bits.
fn route(key: &[u8]) -> u128 {
    SipHasher13::new_with_key(&SECRET).hash(key).as_u128()
}

/// Identity of (`source`, `id`) within a route key: both filled up with zeros to whole words of eight bytes, the route's
/// hash, then four bytes of the source's and three of the id's length, all little-endian.
fn fingerprint(route: u128, source: &[u8], id: &[u8]) -> u128 {
    let mut message = Vec::with_capacity(64);
    for text in [source, id] {
        message.extend_from_slice(text);
        message.resize(message.len().next_multiple_of(8), 0);
    }
    message.extend_from_slice(&route.to_le_bytes());
    message.extend_from_slice(&source.len().to_le_bytes()[..4]);
    message.extend_from_slice(&id.len().to_le_bytes()[..3]);
    SipHasher13::new_with_key(&SECRET).hash(&message).as_u128()
}

/// Digest of `data` verbatim, event type, and time in microseconds.
fn payload(event_type: &[u8], time: i64, data: &[u8]) -> u64 {
    let [a, b, c, d, e, f, g, h, ..] = SECRET;
    let type_seed = xxh3_64_with_seed(event_type, u64::from_le_bytes([a, b, c, d, e, f, g, h]));
    xxh3_64_with_seed(data, type_seed ^ time.cast_unsigned().wrapping_mul(0x9E37_79B9_7F4A_7C15))
}

/// The hash of a charge: of plan and name, with a zero between them.
pub(super) fn charge(name: &str) -> u64 {
    xxh3_64([PLAN.as_bytes(), &[0], name.as_bytes()].concat().as_slice())
}

/// What an event adds to the digest of a bucket.
pub(super) fn of_event(fingerprint: u128, payload: u64) -> u128 {
    mix(fingerprint ^ u128::from(payload), 0x6C8E_9CF5_7095_1A5D)
}

/// What a rated row adds to `rows_digest`; the amount at 18 decimals.
pub(super) fn of_row(fingerprint: u128, charge: u64, amount: i128) -> u128 {
    let inner = mix(amount.cast_unsigned() ^ (u128::from(charge) << 64), charge);
    mix(fingerprint ^ inner, charge)
}

/// Two and a half rounds of a Feistel network over the halves, as the format has it.
fn mix(value: u128, tweak: u64) -> u128 {
    let (low, high) = halves(value);
    let high = high ^ fold(low ^ tweak, 0xA076_1D64_78BD_642F);
    let low = low ^ fold(high ^ tweak.rotate_left(32), 0xE703_7ED1_A0B4_28DB);
    let high = high ^ fold(low, 0x8EBC_6AF0_9C88_C6E3);
    (u128::from(high) << 64) | u128::from(low)
}

fn fold(a: u64, b: u64) -> u64 {
    let (low, high) = halves(u128::from(a) * u128::from(b));
    low ^ high ^ a
}

#[allow(clippy::cast_possible_truncation, reason = "each half is 64 bits")]
fn halves(value: u128) -> (u64, u64) {
    (value as u64, (value >> 64) as u64)
}

/// The hashes of a workload's events; its texts are written into the same memory again and again.
#[derive(Debug, Default)]
pub(super) struct Hasher {
    subject: Vec<u8>,
    source: Vec<u8>,
    id: Vec<u8>,
    event_type: Vec<u8>,
    data: Vec<u8>,
}

impl Hasher {
    /// The identity of an original whose events name this subject.
    pub(super) fn fingerprint(&mut self, workload: &Workload, original: u64, subject: Option<usize>) -> u128 {
        let route = self.route(workload, subject);
        self.source.clear();
        workload.write_source(original, &mut self.source);
        self.id.clear();
        workload.write_id(original, &mut self.id);
        fingerprint(route, &self.source, &self.id)
    }

    /// The digest of what an event says.
    pub(super) fn payload(&mut self, content: &Content) -> u64 {
        self.event_type.clear();
        write_type(content, &mut self.event_type);
        self.data.clear();
        write_data(content, &mut self.data);
        payload(&self.event_type, content.time, &self.data)
    }

    /// The shard in which a subject's usage is rated.
    pub(super) fn shard(&mut self, workload: &Workload, subject: usize, shards: u16) -> u16 {
        let (low, _) = halves(self.route(workload, Some(subject)));
        // Less than the number of shards.
        u16::try_from(low % u64::from(shards)).unwrap_or(0)
    }

    fn route(&mut self, workload: &Workload, subject: Option<usize>) -> u128 {
        self.subject.clear();
        workload.parties().write_subject(subject, &mut self.subject);
        route(&self.subject)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The log format's own example: a change of any of these figures is a change of the format.
    #[test]
    fn the_format_has_these_hashes() {
        let route = route(b"acme");
        let fingerprint = fingerprint(route, b"/svc", b"id-1");
        let payload = payload(b"call", 1_000_000, br#"{"value":1}"#);
        assert_eq!(format!("{route:032x}"), "f68dcf9fecbbdc4e01a50f93c12b891b");
        assert_eq!(format!("{fingerprint:032x}"), "43fac929e4cba95a10ffa6bbbadaa00f");
        assert_eq!(format!("{payload:016x}"), "1d9b8f73a4e4eb82");
        assert_eq!(format!("{:032x}", of_event(fingerprint, payload)), "c9de33a812eff9849c04f5cf05a29761");
        assert_eq!(format!("{:032x}", of_row(fingerprint, 7, 42)), "24d7adbc83aa5cffd85ef16aa3194213");
    }
}
