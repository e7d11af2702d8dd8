//! A strict JSON scanner (RFC 8259) that walks bytes once, without recursion, and captures what the catalog wants.
//!
//! Owns: the grammar of one value inside one line, its nesting limit and duplicate keys. Does not own: CloudEvents (see
//! `ndjson`) and what captured values mean (see `decode`). Numbers stay text (L5).
//!
//! A newline ends a record, so it is never white space here: a value that runs into one is cut off.

mod block;
mod fault;
mod keys;
mod paths;
mod text;

pub(crate) use block::plain_end;
pub(crate) use fault::{Fault, Scan, shown};
pub(crate) use keys::{Key, duplicate, first_word};
pub(crate) use paths::{Node, Paths};
pub(crate) use text::unescape;

use weir_model::event::Span;
use weir_model::limits::NESTING_MAX;
use weir_model::verdict::RejectCode;

/// What a value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Kind {
    /// There is no such value.
    #[default]
    Absent,
    Null,
    Boolean,
    Number,
    /// A string without escapes.
    Text,
    /// A string to be unescaped.
    EscapedText,
    Array,
    Object,
}

/// A scanned value: strings without their quotes, containers from their opening bracket on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Value {
    pub(crate) kind: Kind,
    pub(crate) span: Span,
}

/// An open object or array.
#[derive(Debug, Clone, Copy)]
struct Frame {
    closer: u8,
    /// Whose children the members are; [`Node::NONE`] in arrays.
    node: Node,
    /// Where the object's keys begin in [`Walk::keys`].
    first_key: usize,
}

/// The memory of a scan, kept from line to line.
#[derive(Debug, Default)]
pub(crate) struct Walk {
    frames: Vec<Frame>,
    /// Keys of the open objects, outermost first.
    pub(crate) keys: Vec<Key>,
    /// Texts that do not stand verbatim in the input: they follow it in the chunk's text.
    pub(crate) extra: Vec<u8>,
    /// Length of the chunk's text before `extra`.
    pub(crate) raw_len: usize,
    /// Wanted values by capture index.
    pub(crate) captured: Vec<Value>,
}

impl Walk {
    /// Appends an unescaped text to `extra`.
    pub(crate) fn unescape(&mut self, content: &[u8]) -> Span {
        let start = self.extra.len();
        unescape(content, &mut self.extra);
        span(self.raw_len + start, self.extra.len() - start)
    }
}

/// `len` bytes from `start` of a chunk's text, which is below 4 GiB: `Decoder` asserts it for every chunk.
#[inline(always)]
#[allow(clippy::cast_possible_truncation)]
pub(crate) fn span(start: usize, len: usize) -> Span {
    Span::new(start as u32, len as u32)
}

/// Scans values in `text`.
#[derive(Debug)]
pub(crate) struct Scanner<'t> {
    pub(crate) text: &'t [u8],
    /// Where `text` begins in the chunk's text.
    pub(crate) base: usize,
    /// Byte 1 of the record in `text`, for sentences.
    origin: usize,
    /// Follows the byte's number in sentences.
    place: &'static str,
    paths: &'t Paths,
}

impl<'t> Scanner<'t> {
    /// For the line that begins at `origin` of the chunk's text.
    #[inline(always)]
    pub(crate) fn of_line(text: &'t [u8], origin: usize, paths: &'t Paths) -> Scanner<'t> {
        Scanner { text, base: 0, origin, place: "", paths }
    }

    /// For a value by itself, which stands at `base` of the chunk's text.
    pub(crate) fn of_value(text: &'t [u8], base: usize, paths: &'t Paths, place: &'static str) -> Scanner<'t> {
        Scanner { text, base, origin: 0, place, paths }
    }

    /// The byte at `at`; the end of the text reads as the end of a line.
    #[inline(always)]
    pub(crate) fn byte(&self, at: usize) -> u8 {
        self.text.get(at).copied().unwrap_or(b'\n')
    }

    /// The first byte at or after `at` that is no white space.
    #[inline(always)]
    pub(crate) fn skip_blank(&self, at: usize) -> usize {
        if self.byte(at) > b' ' { at } else { self.skip_blanks(at) }
    }

    #[inline(never)]
    fn skip_blanks(&self, mut at: usize) -> usize {
        while matches!(self.byte(at), b' ' | b'\t' | b'\r') {
            at += 1;
        }
        at
    }

    /// Scans the value at `at`, which is `outer` containers deep: its kind and the position after it. What `node` or its
    /// children want is captured.
    #[inline(always)]
    pub(crate) fn value(&self, walk: &mut Walk, at: usize, outer: usize, node: Node) -> Scan<(Kind, usize)> {
        let first = self.byte(at);
        if first == b'{' || first == b'[' {
            return self.container(walk, at, outer, node);
        }
        let (kind, end) = self.scalar(first, at)?;
        self.capture(walk, node, kind, at, end);
        Ok((kind, end))
    }

    #[inline(always)]
    fn capture(&self, walk: &mut Walk, node: Node, kind: Kind, at: usize, end: usize) {
        if let Some(place) = self.paths.capture(node).and_then(|capture| walk.captured.get_mut(capture)) {
            *place = self.spanned(kind, at, end);
        }
    }

    /// The value that was scanned from `at` to `end`.
    #[inline(always)]
    pub(crate) fn spanned(&self, kind: Kind, at: usize, end: usize) -> Value {
        let quotes = usize::from(matches!(kind, Kind::Text | Kind::EscapedText));
        Value { kind, span: span(self.base + at + quotes, end - at - 2 * quotes) }
    }

    #[inline(always)]
    fn open(&self, walk: &mut Walk, at: usize, depth: usize, node: Node) -> Scan<Frame> {
        if depth > NESTING_MAX {
            return Err(self.nesting_too_deep(at));
        }
        let object = self.byte(at) == b'{';
        self.capture(walk, node, if object { Kind::Object } else { Kind::Array }, at, at + 1);
        let (closer, node) = if object { (b'}', node) } else { (b']', Node::NONE) };
        Ok(Frame { closer, node, first_key: walk.keys.len() })
    }

    fn container(&self, walk: &mut Walk, start: usize, outer: usize, node: Node) -> Scan<(Kind, usize)> {
        let kind = if self.byte(start) == b'{' { Kind::Object } else { Kind::Array };
        walk.frames.clear();
        let mut frame = self.open(walk, start, outer + 1, node)?;
        let mut at = self.skip_blank(start + 1);
        let mut may_close = true;
        loop {
            // At a member, or at the bracket that closes an empty container.
            if !(may_close && self.byte(at) == frame.closer) {
                let mut node = Node::NONE;
                if frame.closer == b'}' {
                    (node, at) = self.member(walk, frame.node, at)?;
                }
                let first = self.byte(at);
                if first == b'{' || first == b'[' {
                    walk.frames.push(frame);
                    frame = self.open(walk, at, outer + walk.frames.len() + 1, node)?;
                    at = self.skip_blank(at + 1);
                    may_close = true;
                    continue;
                }
                let (kind, end) = self.scalar(first, at)?;
                self.capture(walk, node, kind, at, end);
                at = end;
            }
            loop {
                at = self.skip_blank(at);
                let byte = self.byte(at);
                if byte == b',' {
                    at = self.skip_blank(at + 1);
                    may_close = false;
                    break;
                }
                if byte != frame.closer {
                    return Err(self.unexpected(at, if frame.closer == b'}' { "`,` or `}`" } else { "`,` or `]`" }));
                }
                self.close(walk, frame)?;
                at += 1;
                match walk.frames.pop() {
                    Some(outer) => frame = outer,
                    None => return Ok((kind, at)),
                }
            }
        }
    }

    #[inline(always)]
    fn close(&self, walk: &mut Walk, frame: Frame) -> Scan<()> {
        let Walk { keys, extra, raw_len, .. } = walk;
        let bytes = |span: Span| self.key_bytes(span, extra, *raw_len);
        let twice = duplicate(keys.get_mut(frame.first_key..).unwrap_or_default(), bytes);
        if let Some(key) = twice {
            return Err(key_duplicate(bytes(key.span)));
        }
        keys.truncate(frame.first_key);
        Ok(())
    }

    /// The bytes of a key in `text`, or in `extra` if it had escapes.
    #[inline(never)]
    pub(crate) fn key_bytes<'k>(&self, span: Span, extra: &'k [u8], raw_len: usize) -> &'k [u8]
    where
        't: 'k,
    {
        // Keys without escapes stand in `text`, the others were appended to `extra`, which lies behind all of it.
        let (start, len) = (span.start(), span.end() - span.start());
        let in_text = start.checked_sub(self.base).and_then(|from| self.text.get(from..from + len));
        in_text.or_else(|| extra.get(start.checked_sub(raw_len)?..)?.get(..len)).unwrap_or_default()
    }

    /// Scans a member's key and colon: the node below `node` at that key, and the position of the member's value.
    #[inline(always)]
    fn member(&self, walk: &mut Walk, node: Node, at: usize) -> Scan<(Node, usize)> {
        let (key, at) = self.key(walk, at)?;
        let child = match node {
            Node::NONE => Node::NONE,
            _ => self.paths.child(node, key, || self.key_bytes(key.span, &walk.extra, walk.raw_len)),
        };
        walk.keys.push(key);
        Ok((child, at))
    }

    /// Scans a key and its colon: the key, and the position of the member's value.
    #[inline(always)]
    pub(crate) fn key(&self, walk: &mut Walk, at: usize) -> Scan<(Key, usize)> {
        if self.byte(at) != b'"' {
            return Err(self.unexpected(at, "a key in quotes"));
        }
        let start = at + 1;
        let (end, escaped) = self.string(start)?;
        let key = if escaped {
            self.escaped_key(walk, start, end)
        } else {
            Key::new(self.text, start, end - start, span(self.base + start, end - start))
        };
        let colon = self.skip_blank(end + 1);
        if self.byte(colon) != b':' {
            return Err(self.unexpected(colon, "`:`"));
        }
        Ok((key, self.skip_blank(colon + 1)))
    }

    #[cold]
    fn escaped_key(&self, walk: &mut Walk, start: usize, end: usize) -> Key {
        let from = walk.extra.len();
        let span = walk.unescape(self.text.get(start..end).unwrap_or_default());
        Key::new(&walk.extra, from, walk.extra.len() - from, span)
    }

    #[inline(always)]
    pub(crate) fn scalar(&self, first: u8, at: usize) -> Scan<(Kind, usize)> {
        match first {
            b'"' => {
                let (end, escaped) = self.string(at + 1)?;
                Ok((if escaped { Kind::EscapedText } else { Kind::Text }, end + 1))
            }
            b'-' | b'0'..=b'9' => Ok((Kind::Number, self.number(first, at)?)),
            _ => self.literal(first, at),
        }
    }

    /// `-? (0 | [1-9][0-9]*) (. [0-9]+)? ([eE] [+-]? [0-9]+)?`
    #[inline(always)]
    fn number(&self, first: u8, at: usize) -> Scan<usize> {
        let mut end = at + usize::from(first == b'-');
        end = if self.byte(end) == b'0' { end + 1 } else { self.digits(end)? };
        if self.byte(end) == b'.' {
            end = self.digits(end + 1)?;
        }
        if self.byte(end) | 0x20 == b'e' {
            end += 1;
            end = self.digits(end + usize::from(matches!(self.byte(end), b'+' | b'-')))?;
        }
        Ok(end)
    }

    #[inline(always)]
    fn digits(&self, at: usize) -> Scan<usize> {
        let mut end = at;
        while self.byte(end).is_ascii_digit() {
            end += 1;
        }
        if end == at { Err(self.unexpected(at, "a digit")) } else { Ok(end) }
    }

    /// The position after the number at `at`, if there is one.
    #[inline(always)]
    pub(crate) fn number_end(&self, at: usize) -> Option<usize> {
        let first = self.byte(at);
        (first == b'-' || first.is_ascii_digit()).then(|| self.number(first, at).ok())?
    }

    /// Kind and end of the `true`, `false` or `null` at `at`, if there is one.
    pub(crate) fn word(&self, at: usize) -> Option<(Kind, usize)> {
        self.literal(self.byte(at), at).ok()
    }

    fn literal(&self, first: u8, at: usize) -> Scan<(Kind, usize)> {
        let (word, kind): (&[u8], Kind) = match first {
            b't' => (b"true", Kind::Boolean),
            b'f' => (b"false", Kind::Boolean),
            _ => (b"null", Kind::Null),
        };
        let end = at + word.len();
        if self.text.get(at..end) == Some(word) { Ok((kind, end)) } else { Err(self.unexpected(at, "a value")) }
    }

    fn column(&self, at: usize) -> String {
        format!("byte {}{}", at - self.origin + 1, self.place)
    }

    /// Whether the line ends at `at`, with a newline or a carriage return before one.
    fn ends_at(&self, at: usize) -> bool {
        self.byte(at) == b'\n' || self.byte(at) == b'\r' && self.byte(at + 1) == b'\n'
    }

    /// Neither this byte nor the end of the line may stand here.
    #[cold]
    pub(crate) fn unexpected(&self, at: usize, expected: &str) -> Box<Fault> {
        // A carriage return that was skipped as white space belongs to the end of the line.
        let at = if at > self.origin && self.ends_at(at - 1) { at - 1 } else { at };
        let column = self.column(at);
        let sentence = if self.ends_at(at) {
            format!("the line ends at {column} where {expected} is expected")
        } else {
            let rest = self.text.get(at..self.text.len().min(at + 4)).unwrap_or_default();
            let character = String::from_utf8_lossy(rest).chars().next().unwrap_or_default();
            format!("`{}` stands at {column} where {expected} is expected", shown(character.to_string().as_bytes()))
        };
        Fault::boxed(RejectCode::JsonInvalid, sentence)
    }

    #[cold]
    fn nesting_too_deep(&self, at: usize) -> Box<Fault> {
        let sentence = format!("objects and arrays are nested deeper than {NESTING_MAX} at {}", self.column(at));
        Fault::boxed(RejectCode::NestingTooDeep, sentence)
    }

    #[cold]
    pub(crate) fn invalid(&self, at: usize, what: &str) -> Box<Fault> {
        Fault::boxed(RejectCode::JsonInvalid, format!("{what} ({})", self.column(at)))
    }
}

/// Checks that a line is one JSON value; if not, why.
pub(crate) fn check(line: &[u8]) -> Result<(), String> {
    if simdutf8::basic::from_utf8(line).is_err() {
        return Err("it is not UTF-8".to_owned());
    }
    let paths = Paths::default();
    let scanner = Scanner::of_value(line, 0, &paths, " of the body");
    let value = scanner.value(&mut Walk::default(), scanner.skip_blank(0), 0, Node::NONE);
    let end = scanner.skip_blank(value.map_err(|fault| fault.sentence)?.1);
    if end < line.len() { Err(scanner.unexpected(end, "the end").sentence) } else { Ok(()) }
}

/// The key stands twice in one object.
#[cold]
pub(crate) fn key_duplicate(key: &[u8]) -> Box<Fault> {
    Fault::boxed(RejectCode::KeyDuplicate, format!("the key `{}` stands twice in one object", shown(key)))
}

#[cfg(test)]
mod tests;
