//! What a request carries, as lines: CloudEvents in structured, batch and binary mode become the NDJSON that everything else
//! reads.
//!
//! Owns: where one event of an array ends and the next begins, and attributes that came as headers. Does not own: what is a
//! valid event: each line is decoded like any other, so that a bad event is rejected alone, by its index, and its neighbours pass.
//!
//! Arrays are rewritten in place and keep their length: commas between events become newlines, and white space that would
//! break a line becomes a blank. No byte of a string is ever changed but a raw control character, which JSON forbids and which stays
//! forbidden, so nothing becomes valid that was not.

mod binary;

pub use binary::{HeaderError, binary};

/// Why a body is no array of events, or no single event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    /// Something else stands where the array should begin.
    #[error("a batch of events is a JSON array; `[` is expected at byte {0}")]
    NotAnArray(usize),
    /// The array has no end.
    #[error("the array of events does not end; `]` is expected at byte {0}")]
    Unfinished(usize),
    /// Brackets that do not match.
    #[error("the bracket at byte {0} closes nothing that was opened")]
    Unbalanced(usize),
    /// An element is missing.
    #[error("an event is missing before byte {0}")]
    NothingThere(usize),
    /// Something follows what should be all.
    #[error("nothing may follow the events; there is something at byte {0}")]
    Trailing(usize),
}

/// A raw control character that no string may hold, for one that would end a line.
const STILL_FORBIDDEN: u8 = 0x0B;

/// Makes one line of the body of an event in structured mode.
pub fn structured(body: &mut Vec<u8>) {
    let mut at = 0;
    while let Some(byte) = body.get_mut(at) {
        match *byte {
            b'\n' | b'\r' => *byte = b' ',
            b'"' => at = string_end(body, at + 1),
            _ => {}
        }
        at += 1;
    }
    body.push(b'\n');
}

/// Makes one line each of the events of a JSON array, and gives their number.
pub fn batch(body: &mut [u8]) -> Result<usize, BodyError> {
    let first = blank_until_value(body, 0);
    match body.get_mut(first) {
        Some(bracket @ b'[') => *bracket = b' ',
        _ => return Err(BodyError::NotAnArray(first + 1)),
    }
    let (mut events, mut depth, mut is_there) = (0, 0_usize, false);
    let mut at = first + 1;
    while let Some(byte) = body.get_mut(at) {
        match *byte {
            b'\n' | b'\r' | b' ' | b'\t' => *byte = b' ',
            b',' | b']' if depth == 0 => {
                let is_last = *byte == b']';
                *byte = b'\n';
                let is_empty = is_last && events == 0 && !is_there;
                if !is_there && !is_empty {
                    return Err(BodyError::NothingThere(at + 1));
                }
                events += usize::from(is_there);
                is_there = false;
                if is_last {
                    let rest = blank_until_value(body, at + 1);
                    return if rest < body.len() { Err(BodyError::Trailing(rest + 1)) } else { Ok(events) };
                }
            }
            b'{' | b'[' => (depth, is_there) = (depth + 1, true),
            b'}' | b']' => depth = depth.checked_sub(1).ok_or(BodyError::Unbalanced(at + 1))?,
            b'"' => (at, is_there) = (string_end(body, at + 1), true),
            _ => is_there = true,
        }
        at += 1;
    }
    Err(BodyError::Unfinished(body.len() + 1))
}

/// The position of the next byte that is no white space; what would break a line on the way is blanked.
fn blank_until_value(body: &mut [u8], from: usize) -> usize {
    let blanks = body.iter_mut().skip(from).take_while(|byte| matches!(byte, b' ' | b'\t' | b'\r' | b'\n'));
    from + blanks.map(|byte| *byte = b' ').count()
}

/// The position of the quote that ends the string whose content begins at `at`, or the body's end. Newlines in it, which
/// no string may hold, become another character that none may hold.
fn string_end(body: &mut [u8], mut at: usize) -> usize {
    loop {
        at = crate::json::plain_end(body, at);
        match body.get_mut(at) {
            Some(b'\\') => at += 2,
            Some(b'"') | None => return at.min(body.len()),
            Some(control) => {
                if matches!(control, b'\n' | b'\r') {
                    *control = STILL_FORBIDDEN;
                }
                at += 1;
            }
        }
    }
}

#[cfg(test)]
mod tests;
