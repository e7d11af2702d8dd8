//! Why a record is no event: a stable code and a sentence that names the key or the byte (design.md 4.1).
//!
//! Owns: how faults read. A fault is data, built only on the way to a rejection, so it may allocate.

use weir_model::verdict::RejectCode;

/// Characters of the offending text that a sentence shows.
const SHOWN_CHARS_MAX: usize = 40;

/// A reason to reject one record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) code: RejectCode,
    pub(crate) sentence: String,
}

impl Fault {
    /// Boxed, so that results on the hot path stay two registers wide.
    #[cold]
    pub(crate) fn boxed(code: RejectCode, sentence: String) -> Box<Fault> {
        Box::new(Fault { code, sentence })
    }
}

/// What scanning yields.
pub(crate) type Scan<T> = Result<T, Box<Fault>>;

/// The text for a sentence: cut, and what cannot be printed escaped.
pub(crate) fn shown(text: &[u8]) -> String {
    // Four bytes hold any character; one more tells that something was cut off.
    let head = text.get(..text.len().min(4 * SHOWN_CHARS_MAX + 4)).unwrap_or_default();
    let head = String::from_utf8_lossy(head);
    let mut shown: String = head.chars().take(SHOWN_CHARS_MAX).flat_map(char::escape_debug).collect();
    if head.chars().count() > SHOWN_CHARS_MAX {
        shown.push('…');
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cuts_and_escapes() {
        assert_eq!(shown(b"abc"), "abc");
        assert_eq!(shown("é\n".as_bytes()), "é\\n");
        assert_eq!(shown("é".repeat(40).as_bytes()), "é".repeat(40));
        assert_eq!(shown("é".repeat(1000).as_bytes()), "é".repeat(40) + "…");
        assert_eq!(shown(b"\xFF"), "\u{FFFD}");
    }
}
