//! From a line that is an event to its shape.
//!
//! Owns: which values become holes. The line has been decoded, so it is valid JSON and a valid event: what stands here need
//! not be checked again, only told apart. Lines with escapes in keys or attributes, with `data_base64`, or with too many
//! values have no shape.

use super::{BLOCK_BYTES, Block, Captures, HOLES_MAX, Hole, HoleKind, KeyPath, Literal, Mark, Shape};
use crate::json::{Kind, plain_end};
use crate::ndjson::attributes::Attribute;

/// The shape of `line`, from its brace to behind its newline; `types` is the catalog's number of event types.
pub(super) fn shape_of(line: &[u8], types: usize) -> Option<Shape> {
    let mut learner = Learner { line, at: 0, literal_start: 0, path: Some(Vec::new()), shape: empty(types) };
    learner.event()?;
    // What follows the event is white space and the newline.
    learner.shape.tail = learner.literal(line.len())?;
    (line.last() == Some(&b'\n')).then_some(learner.shape)
}

fn empty(types: usize) -> Shape {
    let nowhere = Mark { holes: 0, offset: 0 };
    Shape {
        blocks: Vec::new(),
        holes: Vec::new(),
        tail: Literal { first: block_of(&[]), further: (0, 0), len: 0 },
        seen: 0,
        specversion: (nowhere, 0),
        data: None,
        paths: Vec::new(),
        containers: Vec::new(),
        captures: vec![Captures::NotYetKnown; types],
    }
}

fn block_of(bytes: &[u8]) -> Block {
    let (mut bits, mut mask) = ([0; BLOCK_BYTES], [0; BLOCK_BYTES]);
    bits.iter_mut().zip(bytes).for_each(|(bits, byte)| *bits = *byte);
    mask.iter_mut().take(bytes.len()).for_each(|mask| *mask = 0xFF);
    Block { bits: u128::from_le_bytes(bits), mask: u128::from_le_bytes(mask) }
}

struct Learner<'l> {
    line: &'l [u8],
    at: usize,
    /// Where the literal begins that the next hole ends.
    literal_start: usize,
    /// Keys down to the present value; `None` inside arrays.
    path: Option<KeyPath>,
    shape: Shape,
}

impl Learner<'_> {
    /// The event's own members.
    fn event(&mut self) -> Option<()> {
        self.members(|learner, key| {
            let attribute = Attribute::of_name(key);
            learner.shape.seen |= attribute.bit() & !Attribute::Extension.bit();
            let start = learner.at;
            match attribute {
                Attribute::DataBase64 => None,
                Attribute::DataContentType => learner.skip_text(),
                Attribute::Specversion => {
                    let content = learner.mark(start + 1);
                    learner.skip_text()?;
                    learner.shape.specversion = (content, learner.at - start - 2);
                    Some(())
                }
                Attribute::Data => {
                    let (kind, from) = (learner.kind(), learner.mark(start));
                    learner.value(attribute)?;
                    learner.shape.data = Some((kind, from, learner.mark(learner.at)));
                    Some(())
                }
                Attribute::Extension => learner.value(attribute),
                _ => learner.text(attribute),
            }
        })
    }

    /// The members of the object at `at`: `member` moves behind the value of each.
    fn members(&mut self, mut member: impl FnMut(&mut Self, &[u8]) -> Option<()>) -> Option<()> {
        let line = self.line;
        self.at += 1;
        self.skip_blank();
        while self.byte() == b'"' {
            let key_start = self.at + 1;
            self.skip_text()?;
            let key = line.get(key_start..self.at - 1)?;
            self.skip_blank();
            self.at += 1;
            self.skip_blank();
            if let Some(path) = &mut self.path {
                path.push(key.into());
            }
            member(self, key)?;
            if let Some(path) = &mut self.path {
                path.pop();
            }
            self.skip_comma();
        }
        self.at += 1;
        Some(())
    }

    /// Any value in `data` or of an extension.
    fn value(&mut self, attribute: Attribute) -> Option<()> {
        match self.kind() {
            Kind::Object => {
                self.shape.containers.extend(self.path.clone());
                self.members(|learner, _| learner.value(attribute))
            }
            Kind::Array => {
                self.shape.containers.extend(self.path.clone());
                let outside = self.path.take();
                self.at += 1;
                self.skip_blank();
                while self.byte() != b']' {
                    self.value(attribute)?;
                    self.skip_comma();
                }
                self.at += 1;
                self.path = outside;
                Some(())
            }
            Kind::Text => self.text(attribute),
            kind => {
                let start = self.at;
                while !matches!(self.byte(), b',' | b'}' | b']' | b' ' | b'\t' | b'\r' | b'\n') {
                    self.at += 1;
                }
                let kind = if kind == Kind::Number { HoleKind::Number } else { HoleKind::Word };
                self.hole(attribute, kind, (start, self.at))
            }
        }
    }

    /// A string whose content is a hole.
    fn text(&mut self, attribute: Attribute) -> Option<()> {
        let start = self.at + 1;
        self.skip_text()?;
        let kind = if attribute == Attribute::Time { HoleKind::Time } else { HoleKind::Text };
        self.hole(attribute, kind, (start, self.at - 1))
    }

    fn hole(&mut self, attribute: Attribute, kind: HoleKind, (start, end): (usize, usize)) -> Option<()> {
        if self.shape.holes.len() == HOLES_MAX {
            return None;
        }
        let before = self.literal(start)?;
        self.shape.holes.push(Hole { before, kind, attribute });
        self.shape.paths.push(self.path.clone());
        self.literal_start = end;
        Some(())
    }

    /// The literal that ends before `end`.
    fn literal(&mut self, end: usize) -> Option<Literal> {
        let bytes = self.line.get(self.literal_start..end)?;
        let blocks = &mut self.shape.blocks;
        let mut chunks = bytes.chunks(BLOCK_BYTES);
        let first = block_of(chunks.next().unwrap_or_default());
        let from = u16::try_from(blocks.len()).ok()?;
        blocks.extend(chunks.map(block_of));
        let to = u16::try_from(blocks.len()).ok()?;
        Some(Literal { first, further: (from, to), len: bytes.len() })
    }

    /// Where a byte stands that belongs to a literal.
    fn mark(&self, at: usize) -> Mark {
        Mark { holes: self.shape.holes.len(), offset: at - self.literal_start }
    }

    fn kind(&self) -> Kind {
        match self.byte() {
            b'{' => Kind::Object,
            b'[' => Kind::Array,
            b'"' => Kind::Text,
            b't' | b'f' => Kind::Boolean,
            b'n' => Kind::Null,
            _ => Kind::Number,
        }
    }

    /// Moves behind the string at `at`. `None` if it is none, or has escapes.
    fn skip_text(&mut self) -> Option<()> {
        let end = plain_end(self.line, self.at + 1);
        if self.byte() != b'"' || self.line.get(end) != Some(&b'"') {
            return None;
        }
        self.at = end + 1;
        Some(())
    }

    fn skip_comma(&mut self) {
        self.skip_blank();
        if self.byte() == b',' {
            self.at += 1;
            self.skip_blank();
        }
    }

    fn skip_blank(&mut self) {
        while matches!(self.byte(), b' ' | b'\t' | b'\r') {
            self.at += 1;
        }
    }

    fn byte(&self) -> u8 {
        self.line.get(self.at).copied().unwrap_or(b'\n')
    }
}
