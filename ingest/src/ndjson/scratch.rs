//! What scanning one line leaves behind for its event, and what the lines before it taught.

use weir_model::catalog::TypeIdx;
use weir_model::limits::ATTRIBUTE_BYTES_MAX;
use weir_model::time::Instant;

use super::attributes::{ATTRIBUTES, Attribute};
use crate::json::{Key, Kind, Value, span};
use crate::rfc3339::DateCache;

/// Members of an event whose order is remembered.
pub(super) const ORDER_LEN: usize = 16;

/// What one line yields before it is an event, and what the lines before it taught.
#[derive(Debug)]
pub(crate) struct LineScratch {
    /// The attribute that stood at each place in the lines before.
    pub(super) order: [Attribute; ORDER_LEN],
    pub(super) dates: DateCache,
    /// Values of this line's known attributes; stale unless the attribute's bit in `seen` is set.
    pub(super) values: [Value; ATTRIBUTES + 1],
    pub(super) seen: u32,
    /// Those of them that are strings without escapes, neither empty nor too long.
    pub(super) plain: u32,
    /// Keys that are no known attribute, and where their values begin.
    pub(super) extensions: Vec<(Key, usize)>,
    /// `time`, if it stood in its usual form.
    pub(super) time: Option<Instant>,
    /// The catalog's type; `None` as long as `type` has not been read.
    pub(super) event_type: Option<TypeIdx>,
    /// `data` has been scanned with the paths of its type.
    pub(super) data_walked: bool,
    /// Content of `data_base64`.
    pub(super) decoded: Vec<u8>,
}

impl Default for LineScratch {
    fn default() -> LineScratch {
        LineScratch {
            order: [Attribute::Extension; ORDER_LEN],
            dates: DateCache::default(),
            values: [Value::default(); ATTRIBUTES + 1],
            seen: 0,
            plain: 0,
            extensions: Vec::new(),
            time: None,
            event_type: None,
            data_walked: false,
            decoded: Vec::new(),
        }
    }
}

impl LineScratch {
    pub(super) fn begin(&mut self) {
        self.seen = 0;
        self.plain = 0;
        self.extensions.clear();
        self.time = None;
        self.event_type = None;
        self.data_walked = false;
    }

    #[inline(always)]
    pub(super) fn value(&self, attribute: Attribute) -> Value {
        if self.seen & attribute.bit() == 0 { Value::default() } else { self.values[attribute as usize] }
    }

    #[inline(always)]
    pub(super) fn set(&mut self, attribute: Attribute, value: Value) {
        self.values[attribute as usize] = value;
    }

    /// A string without escapes, `length` bytes from `start` of the chunk's text.
    #[inline(always)]
    pub(super) fn set_text(&mut self, attribute: Attribute, start: usize, length: usize) {
        self.set(attribute, Value { kind: Kind::Text, span: span(start, length) });
        // One comparison: an empty text wraps around.
        if length.wrapping_sub(1) < ATTRIBUTE_BYTES_MAX {
            self.plain |= attribute.bit();
        }
    }
}
