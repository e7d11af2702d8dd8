//! JSON strings: escapes checked while scanning, decoded only where the text is wanted.

use super::Scanner;
use super::block::plain_end;
use super::fault::Scan;

impl Scanner<'_> {
    /// Scans a string from the byte after its opening quote: position of the closing quote, and whether there are escapes.
    #[inline(always)]
    pub(crate) fn string(&self, at: usize) -> Scan<(usize, bool)> {
        let end = plain_end(self.text, at);
        if self.byte(end) == b'"' { Ok((end, false)) } else { self.string_with_escapes(end) }
    }

    #[inline(never)]
    fn string_with_escapes(&self, mut at: usize) -> Scan<(usize, bool)> {
        loop {
            match self.byte(at) {
                b'"' => return Ok((at, true)),
                b'\\' => at = self.escape(at)?,
                _ if self.ends_at(at) => return Err(self.unexpected(at, "the rest of a string")),
                _ => return Err(self.invalid(at, "a control character in a string must be escaped")),
            }
            at = plain_end(self.text, at);
        }
    }

    /// Scans one escape, or the two of a surrogate pair, from the backslash.
    fn escape(&self, at: usize) -> Scan<usize> {
        match self.byte(at + 1) {
            b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => Ok(at + 2),
            b'u' => match hex4(self.text, at + 2) {
                None => Err(self.invalid(at, "`\\u` needs four hexadecimal digits")),
                Some(0xD800..=0xDBFF) => {
                    let low =
                        if self.text.get(at + 6..at + 8) == Some(br"\u") { hex4(self.text, at + 8) } else { None };
                    match low {
                        Some(0xDC00..=0xDFFF) => Ok(at + 12),
                        _ => Err(self.invalid(at, "half of a surrogate pair stands alone")),
                    }
                }
                Some(0xDC00..=0xDFFF) => Err(self.invalid(at, "half of a surrogate pair stands alone")),
                Some(_) => Ok(at + 6),
            },
            _ if self.ends_at(at + 1) => Err(self.unexpected(at + 1, "the rest of a string")),
            _ => Err(self.invalid(at, "JSON has no such escape")),
        }
    }
}

fn hex4(text: &[u8], at: usize) -> Option<u32> {
    text.get(at..at + 4)?.iter().try_fold(0_u32, |unit, &byte| Some(unit * 16 + char::from(byte).to_digit(16)?))
}

/// Appends what a scanned string's content stands for.
pub(crate) fn unescape(content: &[u8], out: &mut Vec<u8>) {
    let mut rest = content;
    while let Some(plain) = memchr::memchr(b'\\', rest) {
        let (before, escape) = rest.split_at(plain);
        out.extend_from_slice(before);
        let (character, length) = match escape.get(1) {
            Some(b'u') => unicode(escape),
            Some(b'b') => ('\u{8}', 2),
            Some(b'f') => ('\u{C}', 2),
            Some(b'n') => ('\n', 2),
            Some(b'r') => ('\r', 2),
            Some(b't') => ('\t', 2),
            Some(&other) => (char::from(other), 2),
            None => ('\\', 1),
        };
        out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
        rest = escape.get(length..).unwrap_or_default();
    }
    out.extend_from_slice(rest);
}

fn unicode(escape: &[u8]) -> (char, usize) {
    // The scan has let only whole escapes and pairs through.
    let high = hex4(escape, 2).unwrap_or(0xFFFD);
    match char::from_u32(high) {
        Some(character) => (character, 6),
        None => {
            let low = hex4(escape, 8).unwrap_or(0xDC00);
            let scalar = 0x1_0000 + ((high & 0x3FF) << 10 | low & 0x3FF);
            (char::from_u32(scalar).unwrap_or(char::REPLACEMENT_CHARACTER), 12)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::Paths;

    #[test]
    fn strings() {
        for (text, expected) in [
            (r#"abc""#, Ok("abc")),
            (r#"""#, Ok("")),
            (r#"\"\\\/\b\f\n\r\t""#, Ok("\"\\/\u{8}\u{C}\n\r\t")),
            (r#"caf\u00e9 \u20AC \ud83d\ude00""#, Ok("café € 😀")),
            ("é\u{7f}\u{2028}\"", Ok("é\u{7f}\u{2028}")),
            (r#"\u0000""#, Ok("\0")),
            (r#"0123456789abcdef\n0123456789abcdef""#, Ok("0123456789abcdef\n0123456789abcdef")),
            ("abc", Err("the line ends at byte 4 where the rest of a string is expected")),
            ("abc\nd\"", Err("the line ends at byte 4 where the rest of a string is expected")),
            ("a\tb\"", Err("a control character in a string must be escaped (byte 2)")),
            ("a\0b\"", Err("a control character in a string must be escaped (byte 2)")),
            (r#"\x""#, Err("JSON has no such escape (byte 1)")),
            (r#"\u12g4""#, Err("`\\u` needs four hexadecimal digits (byte 1)")),
            (r"\u12", Err("`\\u` needs four hexadecimal digits (byte 1)")),
            (r#"\u+123""#, Err("`\\u` needs four hexadecimal digits (byte 1)")),
            (r#"\ud800""#, Err("half of a surrogate pair stands alone (byte 1)")),
            (r#"\ud800\u0041""#, Err("half of a surrogate pair stands alone (byte 1)")),
            (r#"\ud800A""#, Err("half of a surrogate pair stands alone (byte 1)")),
            (r#"\udc00\ud800""#, Err("half of a surrogate pair stands alone (byte 1)")),
            (r"\", Err("the line ends at byte 2 where the rest of a string is expected")),
        ] {
            let paths = Paths::default();
            let scanned = Scanner::of_line(text.as_bytes(), 0, &paths).string(0).map(|(end, escaped)| {
                let mut out = Vec::new();
                unescape(&text.as_bytes()[..end], &mut out);
                assert_eq!(escaped, text[..end].contains('\\'), "{text}");
                String::from_utf8(out).unwrap()
            });
            assert_eq!(
                scanned.map_err(|fault| fault.sentence),
                expected.map(str::to_owned).map_err(str::to_owned),
                "{text}"
            );
        }
    }
}
