//! Keyed hashes: identities of events, payload digests, and the digests that explain lines and rows (L2, L9).
//!
//! Owns: how bytes become [`RouteHash`], [`Fingerprint`], [`PayloadDigest`] and [`Digest`]. These definitions are part of the
//! log format: a change needs a new format version. Identities use SipHash-1-3 with 128 bits under a key that clients do
//! not know, so nobody can aim at another's identity.

mod sip;

use sip::Sip13;
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// The deployment's secret key. `weir run` uses [`HashKey::FILES`], so that its digests can be compared between runs.
#[derive(Clone, PartialEq, Eq)]
pub struct HashKey {
    sip: Sip13,
    seed: u64,
}

/// Keyed hash of a route key or subject: chooses the home shard and stands for the text in the shard's tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct RouteHash(pub u128);

/// Keyed hash of an event's identity: (`source`, `id`) within its route key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Fingerprint(pub u128);

/// Hash of what an event says: `data` verbatim, type and time. Tells a duplicate from a conflict.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct PayloadDigest(pub u64);

/// A sum mod 2^128 of keyed hashes: it adds and subtracts, in any order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Digest(pub u128);

/// The home shard of a route key: the low half of its hash modulo the shard count (at least 1).
#[inline]
pub fn shard_of(route: RouteHash, shards: u16) -> usize {
    let [low, _] = split(route.0);
    let shard = low.checked_rem(u64::from(shards)).expect("a deployment has at least one shard");
    usize::from(u16::try_from(shard).unwrap_or(0))
}

impl HashKey {
    /// The fixed key of `weir run`.
    pub const FILES: HashKey = HashKey::new(*b"weir.run/files.1");

    /// A key from 16 secret bytes.
    pub const fn new(secret: [u8; 16]) -> HashKey {
        let [a, b, c, d, e, f, g, h, ..] = secret;
        HashKey { sip: Sip13::new(secret), seed: u64::from_le_bytes([a, b, c, d, e, f, g, h]) }
    }

    /// Hash of a route key, or of a subject.
    #[inline]
    pub fn route(&self, key: &[u8]) -> RouteHash {
        RouteHash(self.sip.finish(key, key.len()))
    }

    /// Identity of the event (`source`, `id`) within the route key behind `route`.
    ///
    /// The message is `source` and `id`, each filled up with zeros to whole words of eight bytes, the route's hash, and
    /// seven bytes of both lengths, which make it unambiguous. The route comes late, so that its own hash and the greater
    /// part of this one are computed side by side.
    #[inline]
    pub fn event(&self, route: RouteHash, source: &[u8], id: &[u8]) -> Fingerprint {
        let mut state = self.sip;
        state.padded(source);
        state.padded(id);
        let [low, high] = split(route.0);
        state.word(low);
        state.word(high);
        let [s0, s1, s2, s3, ..] = source.len().to_le_bytes();
        let [i0, i1, i2, ..] = id.len().to_le_bytes();
        let lengths = u64::from_le_bytes([s0, s1, s2, s3, i0, i1, i2, 0]);
        let padded = source.len().next_multiple_of(8).wrapping_add(id.len().next_multiple_of(8));
        Fingerprint(state.finish_with(lengths, padded.wrapping_add(23)))
    }

    /// Hash of a dimension value or of anything else that is told apart by its bytes.
    pub fn text(&self, text: &[u8]) -> u128 {
        self.route(text).0
    }

    /// Seed that stands for an event type in [`HashKey::payload`]; computed once per type.
    #[inline]
    pub fn type_seed(&self, event_type: &[u8]) -> u64 {
        xxh3_64_with_seed(event_type, self.seed)
    }

    /// Digest of an event's content; `time` in microseconds since 1970.
    #[inline]
    pub fn payload(&self, type_seed: u64, time: i64, data: &[u8]) -> PayloadDigest {
        let seed = type_seed ^ u64::from_le_bytes(time.to_le_bytes()).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        PayloadDigest(xxh3_64_with_seed(data, seed))
    }
}

impl std::fmt::Debug for HashKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("HashKey(secret)")
    }
}

impl Digest {
    /// The hash that one event contributes to a line's digest: its identity and its content.
    pub fn of_event(fingerprint: Fingerprint, payload: PayloadDigest) -> Digest {
        Digest(mix(fingerprint.0 ^ u128::from(payload.0), 0x6C8E_9CF5_7095_1A5D))
    }

    /// The hash that one rated row contributes to `rows_digest`: event, charge (see `Charge::hash`) and amount.
    pub fn of_row(fingerprint: Fingerprint, charge_hash: u64, amount_scaled: i128) -> Digest {
        let amount = u128::from_le_bytes(amount_scaled.to_le_bytes());
        Digest(mix(fingerprint.0 ^ mix(amount ^ (u128::from(charge_hash) << 64), charge_hash), charge_hash))
    }

    /// Adds another sum.
    #[must_use]
    pub fn plus(self, other: Digest) -> Digest {
        Digest(self.0.wrapping_add(other.0))
    }

    /// Takes a sum out again.
    #[must_use]
    pub fn minus(self, other: Digest) -> Digest {
        Digest(self.0.wrapping_sub(other.0))
    }
}

impl std::fmt::Display for Digest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

/// A bijection of 128 bits for each tweak: two rounds of a Feistel-like multiply-fold. Not linear, so that
/// swapping amounts between rows changes the sum.
fn mix(value: u128, tweak: u64) -> u128 {
    let [low, high] = split(value);
    let high = high ^ fold(low ^ tweak, 0xA076_1D64_78BD_642F);
    let low = low ^ fold(high ^ tweak.rotate_left(32), 0xE703_7ED1_A0B4_28DB);
    let high = high ^ fold(low, 0x8EBC_6AF0_9C88_C6E3);
    (u128::from(high) << 64) | u128::from(low)
}

fn fold(a: u64, b: u64) -> u64 {
    let [low, high] = split(u128::from(a).wrapping_mul(u128::from(b)));
    low ^ high ^ a
}

#[inline]
fn split(value: u128) -> [u64; 2] {
    let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p] = value.to_le_bytes();
    [u64::from_le_bytes([a, b, c, d, e, f, g, h]), u64::from_le_bytes([i, j, k, l, m, n, o, p])]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_an_identity_do_not_run_together() {
        let key = HashKey::FILES;
        let route = key.route(b"acme");
        assert_ne!(key.event(route, b"ab", b"c"), key.event(route, b"a", b"bc"));
        assert_ne!(key.event(route, b"a", b"b"), key.event(key.route(b"acm"), b"a", b"b"));
        assert_ne!(key.event(route, b"a", b"b"), key.event(route, b"a\0", b"b"));
        assert_ne!(key.event(route, b"a", b"b"), key.event(route, b"a", b"b\0"));
        assert_ne!(key.event(route, b"12345678", b"b"), key.event(route, b"", b"12345678b"));
        let long = vec![b'x'; 1000];
        assert_ne!(key.event(route, &long, b"1"), key.event(route, &long, b"2"));
    }

    #[test]
    fn hashes_are_part_of_the_format() {
        let key = HashKey::FILES;
        let route = key.route(b"acme");
        let fingerprint = key.event(route, b"/svc", b"id-1");
        let payload = key.payload(key.type_seed(b"call"), 1_000_000, br#"{"value":1}"#);
        let seen = format!(
            "{:032x} {:032x} {:016x} {} {}",
            route.0,
            fingerprint.0,
            payload.0,
            Digest::of_event(fingerprint, payload),
            Digest::of_row(fingerprint, 7, 42)
        );
        expect_test::expect!["f68dcf9fecbbdc4e01a50f93c12b891b 43fac929e4cba95a10ffa6bbbadaa00f 1d9b8f73a4e4eb82 c9de33a812eff9849c04f5cf05a29761 24d7adbc83aa5cffd85ef16aa3194213"].assert_eq(&seen);
    }

    #[test]
    fn swapped_amounts_change_the_sum() {
        let (a, b) = (Fingerprint(1), Fingerprint(2));
        let straight = Digest::of_row(a, 7, 10).plus(Digest::of_row(b, 7, 20));
        let swapped = Digest::of_row(a, 7, 20).plus(Digest::of_row(b, 7, 10));
        assert_ne!(straight, swapped);
        assert_eq!(straight.minus(Digest::of_row(b, 7, 20)), Digest::of_row(a, 7, 10));
    }
}
