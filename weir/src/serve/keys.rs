//! API keys: made at random, shown once, kept as a hash (design.md 5).
//!
//! A key is `weir_ID_SECRET`: 12 and 40 characters of lower-case letters and digits. The id is public and finds the record; the SHA-256 of
//! the whole key is compared in constant time. Keeps L12.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use weir_model::time::Instant;

use super::control::{KeyRecord, Role};

const PREFIX: &str = "weir_";
const ID_LEN: usize = 12;
const SECRET_LEN: usize = 40;
const ALPHABET: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";

/// Texts with `*` for any characters.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Pattern(pub String);

impl Pattern {
    /// Whether a text is like this, from its first to its last byte.
    pub fn matches(&self, text: &[u8]) -> bool {
        let (mut pattern, mut text) = (self.0.as_bytes(), text);
        // Where to go on if a `*` must take one byte more.
        let mut again: Option<(&[u8], &[u8])> = None;
        loop {
            match (pattern.split_first(), text.split_first()) {
                (Some((b'*', rest)), _) => {
                    again = Some((rest, text));
                    pattern = rest;
                }
                (Some((want, rest)), Some((have, rest_of_text))) if want == have => {
                    (pattern, text) = (rest, rest_of_text);
                }
                (None, None) => return true,
                _ => match again {
                    Some((after_star, [_, longer @ ..])) => {
                        again = Some((after_star, longer));
                        (pattern, text) = (after_star, longer);
                    }
                    _ => return false,
                },
            }
        }
    }
}

/// Makes a key: what its owner gets, and what is kept of it.
pub fn create(name: String, role: Role) -> Result<(String, KeyRecord), getrandom::Error> {
    let (id, secret) = (random_text(ID_LEN)?, random_text(SECRET_LEN)?);
    let key = format!("{PREFIX}{id}_{secret}");
    let sha256 = hex(&Sha256::digest(key.as_bytes()));
    Ok((key, KeyRecord { id, name, role, sha256, subjects: None, sources: None, expires_at_us: None }))
}

/// So many random characters, 5 bits each.
fn random_text(len: usize) -> Result<String, getrandom::Error> {
    let mut bytes = vec![0; len];
    getrandom::fill(&mut bytes)?;
    Ok(bytes.iter().map(|byte| char::from(ALPHABET[usize::from(byte & 31)])).collect())
}

/// Random bytes as hexadecimal digits.
pub fn random_hex<const N: usize>() -> Result<String, getrandom::Error> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes)?;
    Ok(hex(&bytes))
}

/// Bytes as hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Why a request's key is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Not the form of a key, unknown, or revoked: which of them is nobody's business.
    #[error("the key is not known")]
    Unknown,
    /// Its time is over.
    #[error("the key has expired")]
    Expired,
}

/// The record of a key that a request brings.
pub fn find<'k>(keys: &'k BTreeMap<String, KeyRecord>, key: &str, now: Instant) -> Result<&'k KeyRecord, KeyError> {
    let id = key.strip_prefix(PREFIX).and_then(|rest| rest.split_once('_')).map(|(id, _)| id);
    let record = id.and_then(|id| keys.get(id)).ok_or(KeyError::Unknown)?;
    let hash = hex(&Sha256::digest(key.as_bytes()));
    if !bool::from(hash.as_bytes().ct_eq(record.sha256.as_bytes())) {
        return Err(KeyError::Unknown);
    }
    match record.expires_at_us {
        Some(end) if now.micros() >= end => Err(KeyError::Expired),
        _ => Ok(record),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns() {
        for (pattern, text, expected) in [
            ("", "", true),
            ("", "a", false),
            ("*", "", true),
            ("*", "anything", true),
            ("acme-*", "acme-", true),
            ("acme-*", "acme-prod", true),
            ("acme-*", "acme", false),
            ("acme-*", "xacme-prod", false),
            ("*-prod", "acme-prod", true),
            ("*-prod", "acme-prod-prod", true),
            ("*-prod", "acme-prod-2", false),
            ("a*b*c", "a-b-b-c", true),
            ("a*b*c", "a-c-b", false),
            ("a.c", "abc", false),
        ] {
            assert_eq!(Pattern(pattern.to_owned()).matches(text.as_bytes()), expected, "{pattern:?} {text:?}");
        }
    }

    #[test]
    fn a_key_is_found_by_itself_only() {
        let (key, record) = create("test".to_owned(), Role::Ingest).unwrap();
        let (other, _) = create("other".to_owned(), Role::Admin).unwrap();
        let ends = KeyRecord { expires_at_us: Some(1_000), ..record.clone() };
        let keys = BTreeMap::from([(record.id.clone(), record.clone())]);
        let ending = BTreeMap::from([(record.id.clone(), ends)]);
        let now = Instant::from_micros(1_000);
        assert_eq!(find(&keys, &key, now), Ok(&record));
        assert_eq!(find(&keys, &other, now), Err(KeyError::Unknown));
        assert_eq!(find(&keys, &format!("{key}a"), now), Err(KeyError::Unknown));
        assert_eq!(find(&keys, &key[..key.len() - 1], now), Err(KeyError::Unknown));
        assert_eq!(find(&keys, "weir_", now), Err(KeyError::Unknown));
        assert_eq!(find(&keys, "", now), Err(KeyError::Unknown));
        assert_eq!(find(&ending, &key, now), Err(KeyError::Expired));
        assert!(find(&ending, &key, Instant::from_micros(999)).is_ok());
        assert!(!record.sha256.contains(&key[18..]));
    }
}
