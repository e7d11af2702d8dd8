//! `data` of an event made from a row: one compact JSON object, keys in the mapping's order, texts escaped as little as JSON
//! allows. The same cells always give the same bytes: the payload digest rests on them (L2).

use weir_model::mapping::EmptyCell;

use super::{Cells, FieldPlan, TextPlan};

/// Appends the cells with `join` between; whether any has text.
pub(super) fn append_joined(columns: &[usize], join: &[u8], cells: &impl Cells, text: &mut Vec<u8>) -> bool {
    let mut found = false;
    for (at, column) in columns.iter().enumerate() {
        if at > 0 {
            text.extend_from_slice(join);
        }
        if !cells.is_empty(*column) {
            found = true;
            cells.append_text(*column, text);
        }
    }
    found
}

/// Appends `data` as one compact JSON object.
#[inline]
pub(super) fn write_data(fields: &[FieldPlan], cells: &impl Cells, text: &mut Vec<u8>) {
    text.push(b'{');
    let begin = text.len();
    for field in fields {
        let before = text.len();
        if before > begin {
            text.push(b',');
        }
        text.extend_from_slice(&field.prefix);
        let found = match &field.text {
            TextPlan::Constant(_) => true,
            TextPlan::Column(column) if cells.is_empty(*column) => false,
            TextPlan::Column(column) if cells.is_bare(*column) => {
                cells.append_text(*column, text);
                true
            }
            TextPlan::Column(column) => {
                text.push(b'"');
                let start = text.len();
                cells.append_text(*column, text);
                close_string(text, start);
                true
            }
            TextPlan::Join(columns, join) => {
                text.push(b'"');
                let start = text.len();
                let found = append_joined(columns, join, cells, text);
                close_string(text, start);
                found
            }
        };
        if !found {
            match field.empty {
                EmptyCell::Absent => text.truncate(before),
                EmptyCell::Zero => {
                    text.truncate(before);
                    if before > begin {
                        text.push(b',');
                    }
                    text.extend_from_slice(&field.prefix);
                    text.push(b'0');
                }
            }
        }
    }
    text.push(b'}');
}

/// Escapes what was appended since `start`, then closes the JSON string.
#[inline]
fn close_string(text: &mut Vec<u8>, start: usize) {
    let special = |byte: u8| byte < 0x20 || byte == b'"' || byte == b'\\';
    // Without an early exit, so that it becomes vector code.
    if text.get(start..).unwrap_or_default().iter().fold(false, |found, byte| found | special(*byte)) {
        escape_tail(text, start);
    }
    text.push(b'"');
}

#[cold]
fn escape_tail(text: &mut Vec<u8>, start: usize) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    for byte in text.split_off(start) {
        match byte {
            b'"' => text.extend_from_slice(b"\\\""),
            b'\\' => text.extend_from_slice(b"\\\\"),
            b'\n' => text.extend_from_slice(b"\\n"),
            b'\r' => text.extend_from_slice(b"\\r"),
            b'\t' => text.extend_from_slice(b"\\t"),
            0..0x20 => {
                text.extend_from_slice(b"\\u00");
                text.extend([byte >> 4, byte & 15].map(|digit| HEX[usize::from(digit)]));
            }
            _ => text.push(byte),
        }
    }
}

/// `text` as a JSON string.
pub(crate) fn json_string(text: &[u8]) -> Vec<u8> {
    let mut json = vec![b'"'];
    json.extend_from_slice(text);
    close_string(&mut json, 1);
    json
}
