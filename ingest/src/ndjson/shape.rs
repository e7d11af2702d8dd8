//! Shapes: lines that differ from an earlier one only in their values are compared with it, not parsed again.
//!
//! Owns: what a shape is and how a line is matched against one. A shape is a line that was decoded the long way, cut into
//! literals (keys, punctuation, white space, values that never change) and holes (values). A line whose literals are equal,
//! byte for byte, and whose holes hold values of the same kinds is valid for the same reasons; whatever is different in any
//! way takes the long way. So shapes decide about nothing: they only say sooner what the long way would. Does not own: how a
//! shape is made of a line (`learn`), nor what an event is (`event`).

mod learn;

use std::ops::RangeInclusive;

use weir_model::catalog::TypeIdx;

use super::attributes::Attribute;
use super::scratch::LineScratch;
use crate::decode::{Decoder, begin_captures};
use crate::json::{Kind, Scanner, Value, Walk, plain_end, span};
use crate::rfc3339;

/// Values of a line that may differ; lines with more take the long way.
const HOLES_MAX: usize = 64;
/// Shapes that are kept and tried.
const SHAPES_MAX: usize = 8;
/// A line that fits earns trust of 1, up to this.
const TRUST_MAX: u32 = 256;
/// What a line costs whose shape had to be learnt: a stream of which less than four in five fit is left alone for a while.
const LEARNING_COST: u32 = 4;
const LEFT_ALONE_LINES: u32 = 4096;

const BLOCK_BYTES: usize = 16;

/// Sixteen bytes of a literal; what lies behind its end is masked.
#[derive(Debug, Clone, Copy)]
struct Block {
    bits: u128,
    mask: u128,
}

impl Block {
    /// Zero if `bytes` begin with the block's.
    #[inline(always)]
    fn difference(&self, bytes: [u8; BLOCK_BYTES]) -> u128 {
        (u128::from_le_bytes(bytes) & self.mask) ^ self.bits
    }
}

/// Fixed bytes: most are so short that one block holds them all.
#[derive(Debug, Clone, Copy)]
struct Literal {
    first: Block,
    /// Blocks of the shape that follow.
    further: (u16, u16),
    len: usize,
}

/// What a hole may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum HoleKind {
    /// A string's content without escapes; the quotes belong to the literals.
    Text,
    /// The same, an RFC 3339 time.
    Time,
    Number,
    /// `true`, `false` or `null`.
    Word,
}

/// A value that may differ.
#[derive(Debug, Clone, Copy)]
struct Hole {
    before: Literal,
    kind: HoleKind,
    /// The event's member whose value it is; [`Attribute::Data`] for whatever lies in `data`.
    attribute: Attribute,
}

/// A place in the line: this many bytes behind the end of the last of so many holes, or behind the line's start.
#[derive(Debug, Clone, Copy)]
struct Mark {
    holes: usize,
    offset: usize,
}

/// The path of keys to a value or container.
type KeyPath = Vec<Box<[u8]>>;

/// What is captured for an event type.
#[derive(Debug, Clone)]
enum Captures {
    NotYetKnown,
    /// The type wants something that holes do not give: an object, or an attribute that stands in a literal.
    Impossible,
    /// Hole and capture index.
    Of(Box<[(u16, u16)]>),
}

/// A line cut into literals and holes.
#[derive(Debug)]
pub(super) struct Shape {
    blocks: Vec<Block>,
    holes: Vec<Hole>,
    /// What follows the last hole, the newline included.
    tail: Literal,
    /// Members of the event that stand in the literals and holes.
    seen: u32,
    specversion: (Mark, usize),
    /// Kind, start and end of `data`.
    data: Option<(Kind, Mark, Mark)>,
    /// By hole: where in the event the value stands; `None` inside arrays.
    paths: Vec<Option<KeyPath>>,
    /// Objects and arrays of the event.
    containers: Vec<KeyPath>,
    /// By event type.
    captures: Vec<Captures>,
}

/// The shapes that a thread has met, the latest first.
#[derive(Debug)]
pub(crate) struct Shapes {
    known: Vec<Shape>,
    /// The decoder whose types the shapes know.
    decoder: u64,
    trust: u32,
    left_alone: u32,
    /// A line just fitted whose type wants more than a shape gives: there is nothing to learn from it.
    refused: bool,
    found: [Value; HOLES_MAX],
}

impl Default for Shapes {
    fn default() -> Shapes {
        Shapes {
            known: Vec::new(),
            decoder: 0,
            trust: TRUST_MAX,
            left_alone: 0,
            refused: false,
            found: [Value::default(); HOLES_MAX],
        }
    }
}

impl Shapes {
    /// Readies for a decoder's lines: what was learnt for another decoder's catalog is forgotten.
    pub(crate) fn begin(&mut self, decoder: u64) {
        if self.decoder != decoder {
            *self = Shapes { decoder, ..Shapes::default() };
        }
    }

    /// Whether shapes are worth a try at the next line.
    #[inline(always)]
    fn is_trusted(&mut self) -> bool {
        self.left_alone == 0 || self.wait()
    }

    #[cold]
    fn wait(&mut self) -> bool {
        self.left_alone -= 1;
        self.trust = TRUST_MAX / 4;
        false
    }

    /// Matches the line at `start` against the known shapes; if one fits, the line's members stand in `line` as the long
    /// way would leave them, and what its type wants is captured. Returns the position of the newline.
    #[inline(always)]
    pub(super) fn find(
        &mut self,
        decoder: &Decoder,
        scanner: &Scanner<'_>,
        start: usize,
        (walk, line): (&mut Walk, &mut LineScratch),
    ) -> Option<usize> {
        if !self.is_trusted() {
            return None;
        }
        let Shapes { known, found, .. } = self;
        for (rank, shape) in known.iter_mut().enumerate() {
            let Some(end) = shape.matches(scanner, start, (found, line)) else { continue };
            self.refused = !shape.fill(decoder, (scanner, start), found, (walk, line));
            if self.refused {
                return None;
            }
            self.trust = (self.trust + 1).min(TRUST_MAX);
            if rank > 0 {
                self.known.swap(0, rank);
            }
            return Some(end);
        }
        None
    }

    /// Learns the shape of a line that took the long way and is an event: `line` of `text`, from its brace to its newline.
    #[inline(never)]
    pub(super) fn learn(&mut self, text: &[u8], line: RangeInclusive<usize>, types: usize) {
        // Too near the end of the text for whole blocks, a line never fits.
        let at_the_end = text.len().saturating_sub(*line.end()) <= BLOCK_BYTES;
        if at_the_end || self.left_alone > 0 || std::mem::take(&mut self.refused) {
            return;
        }
        let Some(trust) = self.trust.checked_sub(LEARNING_COST) else {
            self.left_alone = LEFT_ALONE_LINES;
            return;
        };
        self.trust = trust;
        if let Some(shape) = learn::shape_of(text.get(line).unwrap_or_default(), types) {
            self.known.truncate(SHAPES_MAX - 1);
            self.known.insert(0, shape);
        }
    }
}

impl Shape {
    /// Position of the newline of a line that fits. Its values are in `found`, those of attributes in `line` too, where they
    /// count only once their bits are set.
    #[inline(always)]
    fn matches(
        &self,
        scanner: &Scanner<'_>,
        start: usize,
        (found, line): (&mut [Value; HOLES_MAX], &mut LineScratch),
    ) -> Option<usize> {
        let text = scanner.text;
        let mut rest = text.get(start..)?;
        line.plain = 0;
        for (hole, value) in self.holes.iter().zip(found) {
            rest = self.behind(rest, &hole.before)?;
            let at = text.len() - rest.len();
            let (kind, length) = match hole.kind {
                HoleKind::Text => (Kind::Text, plain_end(rest, 0)),
                HoleKind::Time => {
                    let (time, length) = rfc3339::prefix(rest, &mut line.dates).ok()?;
                    line.time = Some(time);
                    (Kind::Text, length)
                }
                HoleKind::Number => (Kind::Number, scanner.number_end(at)? - at),
                HoleKind::Word => {
                    let (kind, end) = scanner.word(at)?;
                    (kind, end - at)
                }
            };
            *value = Value { kind, span: span(at, length) };
            line.set_text(hole.attribute, at, length);
            rest = rest.get(length..)?;
        }
        let behind = self.behind(rest, &self.tail)?;
        Some(text.len() - behind.len() - 1)
    }

    /// What follows a literal that `text` begins with.
    #[inline(always)]
    fn behind<'t>(&self, text: &'t [u8], literal: &Literal) -> Option<&'t [u8]> {
        if literal.first.difference(*text.first_chunk()?) != 0 {
            return None;
        }
        if literal.len > BLOCK_BYTES {
            self.compare_further(text, literal)?;
        }
        text.get(literal.len..)
    }

    #[inline(always)]
    fn compare_further(&self, text: &[u8], literal: &Literal) -> Option<()> {
        let (first, end) = literal.further;
        let blocks = self.blocks.get(usize::from(first)..usize::from(end))?;
        let (bytes, _) = text.get(BLOCK_BYTES..)?.as_chunks::<BLOCK_BYTES>();
        let difference = |(block, bytes): (&Block, &[u8; BLOCK_BYTES])| block.difference(*bytes);
        let differences = blocks.iter().zip(bytes.get(..blocks.len())?).map(difference);
        (differences.fold(0, |all, one| all | one) == 0).then_some(())
    }

    /// Puts a fitting line's members where the long way would. `false` if its type needs the long way.
    #[inline(always)]
    fn fill(
        &mut self,
        decoder: &Decoder,
        (scanner, start): (&Scanner<'_>, usize),
        found: &[Value; HOLES_MAX],
        (walk, line): (&mut Walk, &mut LineScratch),
    ) -> bool {
        line.seen = self.seen;
        line.plain |= self.seen & Attribute::DataContentType.bit();
        line.extensions.clear();
        let position = |mark: Mark| {
            let base = mark.holes.checked_sub(1).and_then(|last| found.get(last)).map_or(start, |last| last.span.end());
            base + mark.offset
        };
        let (specversion, length) = self.specversion;
        line.set_text(Attribute::Specversion, position(specversion), length);
        if let Some((kind, from, to)) = self.data {
            let from = position(from);
            line.set(Attribute::Data, Value { kind, span: span(from, position(to) - from) });
        }
        let type_name = line.value(Attribute::Type).span;
        let event_type = decoder.type_of(type_name.of(scanner.text));
        line.event_type = Some(event_type);
        line.data_walked = true;
        begin_captures(walk, decoder.compiled(event_type));
        let Some(captures) = self.captures_of(decoder, event_type) else { return false };
        for &(hole, capture) in captures {
            if let (Some(value), Some(place)) =
                (found.get(usize::from(hole)), walk.captured.get_mut(usize::from(capture)))
            {
                *place = *value;
            }
        }
        true
    }

    /// Which holes a type captures. `None`: it needs the long way.
    #[inline(always)]
    fn captures_of(&mut self, decoder: &Decoder, event_type: TypeIdx) -> Option<&[(u16, u16)]> {
        if matches!(self.captures.get(event_type.at()), Some(Captures::NotYetKnown)) {
            self.captures[event_type.at()] = self.find_captures(decoder, event_type);
        }
        match self.captures.get(event_type.at()) {
            Some(Captures::Of(captures)) => Some(captures),
            Some(_) => None,
            // No meter reads the type.
            None => Some(&[]),
        }
    }

    #[cold]
    fn find_captures(&self, decoder: &Decoder, event_type: TypeIdx) -> Captures {
        let Some(compiled) = decoder.compiled(event_type) else { return Captures::Of(Box::default()) };
        let capture = |path: &KeyPath| decoder.paths.capture(decoder.paths.at_path(compiled.root, path));
        let literal = |attribute: Attribute| vec![Box::from(attribute.name().as_bytes())];
        let literals = [literal(Attribute::Specversion), literal(Attribute::DataContentType)];
        if self.containers.iter().chain(&literals).any(|path| capture(path).is_some()) {
            return Captures::Impossible;
        }
        let captured = |(hole, path): (u16, &Option<KeyPath>)| {
            let capture = capture(path.as_ref()?)?;
            // Types capture far fewer values than 2^16.
            Some((hole, u16::try_from(capture).ok()?))
        };
        Captures::Of((0_u16..).zip(&self.paths).filter_map(captured).collect())
    }
}

#[cfg(test)]
mod tests;
