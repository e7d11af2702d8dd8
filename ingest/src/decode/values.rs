//! Captured JSON values to the columns' numbers and texts (L5): exact or rejected, never changed.

use weir_model::catalog::{Path, ValueSlot};
use weir_model::decimal::{Decimal, DecimalError, POWERS_OF_TEN};
use weir_model::event::{SlotValue, Span};
use weir_model::limits::ATTRIBUTE_BYTES_MAX;
use weir_model::verdict::RejectCode;

use crate::json::{Fault, Kind, Scan, Value, Walk, shown};

/// The bytes that `span` stands for: in `raw`, or in `extra` behind it.
#[inline(always)]
pub(crate) fn bytes<'t>(raw: &'t [u8], extra: &'t [u8], span: Span) -> &'t [u8] {
    match span.start().checked_sub(raw.len()) {
        None => span.of(raw),
        Some(start) => extra.get(start..start + (span.end() - span.start())).unwrap_or_default(),
    }
}

/// A value's text, unescaped if need be.
#[inline(always)]
pub(crate) fn text_of(raw: &[u8], walk: &mut Walk, value: Value) -> Span {
    if value.kind == Kind::EscapedText { unescaped(raw, walk, value.span) } else { value.span }
}

#[cold]
fn unescaped(raw: &[u8], walk: &mut Walk, span: Span) -> Span {
    // `extra` grows while it is read only if the text itself came out of a decoded `data_base64`.
    let content = bytes(raw, &walk.extra, span).to_vec();
    walk.unescape(&content)
}

/// A number at its slot's scale.
#[inline(always)]
pub(crate) fn number(raw: &[u8], walk: &mut Walk, slot: &ValueSlot, value: Value) -> Scan<SlotValue> {
    if matches!(value.kind, Kind::Absent | Kind::Null) {
        return Ok(SlotValue::ABSENT);
    }
    let text = bytes(raw, &walk.extra, value.span);
    if matches!(value.kind, Kind::Number | Kind::Text)
        && let Some(scaled) = short_number(text, slot.scale)
        && scaled <= slot.magnitude_max
    {
        return Ok(SlotValue::new(scaled));
    }
    any_number(raw, walk, slot, value)
}

/// At most 18 digits with at most one point among them, no sign; `None` for whatever needs more care.
#[inline(always)]
fn short_number(text: &[u8], scale: u8) -> Option<i128> {
    if text.is_empty() || text.len() > 18 || (text.len() > 1 && text[0] == b'0' && text[1] != b'.') {
        return None;
    }
    let mut mantissa = 0_u64;
    let mut decimals = 0_usize;
    let mut step = 0;
    for &byte in text {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            if byte != b'.' || step == 1 || mantissa == 0 && text[0] == b'.' {
                return None;
            }
            step = 1;
            continue;
        }
        mantissa = mantissa * 10 + u64::from(digit);
        decimals += step;
    }
    if step == 1 && decimals == 0 {
        return None;
    }
    let lift = usize::from(scale).checked_sub(decimals)?;
    if lift == 0 {
        return Some(i128::from(mantissa));
    }
    i128::from(mantissa).checked_mul(*POWERS_OF_TEN.get(lift)?)
}

#[inline(never)]
fn any_number(raw: &[u8], walk: &mut Walk, slot: &ValueSlot, value: Value) -> Scan<SlotValue> {
    let fault =
        |code, what: &str, text: &[u8]| Fault::boxed(code, format!("`{}` {what}: `{}`", slot.path, shown(text)));
    if matches!(value.kind, Kind::Array | Kind::Object | Kind::Boolean) {
        let what = if value.kind == Kind::Boolean { "is no number" } else { "is no number but an object or array" };
        return Err(fault(RejectCode::ValueInvalid, what, bytes(raw, &walk.extra, value.span)));
    }
    let span = text_of(raw, walk, value);
    let text = bytes(raw, &walk.extra, span);
    match Decimal::parse(text).and_then(|decimal| decimal.at_scale(slot.scale)) {
        Ok(scaled) if scaled < 0 && !slot.allow_negative => {
            Err(fault(RejectCode::ValueNegative, "is negative, which its meter does not allow", text))
        }
        Ok(scaled) if scaled.unsigned_abs() <= slot.magnitude_max.unsigned_abs() => Ok(SlotValue::new(scaled)),
        Err(DecimalError::Malformed) => Err(fault(RejectCode::ValueInvalid, "is not a decimal number", text)),
        Err(DecimalError::TooFine(_)) => Err(too_fine(slot, text)),
        Err(DecimalError::TooLong) if is_small_with_many_decimals(text) => Err(too_fine(slot, text)),
        Ok(_) | Err(DecimalError::TooLong) => Err(fault(RejectCode::ValueTooLarge, "is too large", text)),
    }
}

fn too_fine(slot: &ValueSlot, text: &[u8]) -> Box<Fault> {
    let (path, scale) = (&slot.path, slot.scale);
    let sentence = format!("`{path}` is finer than the {scale} decimals that its meter keeps: `{}`", shown(text));
    Fault::boxed(RejectCode::ValueTooFine, sentence)
}

/// A number of more than 38 digits is too large only if they stand before the point.
fn is_small_with_many_decimals(text: &[u8]) -> bool {
    let point = text.iter().position(|&byte| byte == b'.');
    point.is_some_and(|integer_digits| integer_digits <= 20) && !text.iter().any(|byte| matches!(byte, b'e' | b'E'))
}

/// A dimension value: a string, or a number's or boolean's own text.
#[inline(always)]
pub(crate) fn dimension(raw: &[u8], walk: &mut Walk, path: &Path, value: Value) -> Scan<Span> {
    let span = match value.kind {
        Kind::Absent | Kind::Null => return Ok(Span::ABSENT),
        Kind::Array | Kind::Object => return Err(not_a_dimension(path, "is an object or array")),
        Kind::EscapedText => unescaped(raw, walk, value.span),
        Kind::Text | Kind::Number | Kind::Boolean => value.span,
    };
    if span.end() - span.start() > ATTRIBUTE_BYTES_MAX {
        return Err(not_a_dimension(path, &format!("is longer than {ATTRIBUTE_BYTES_MAX} bytes")));
    }
    Ok(span)
}

#[cold]
fn not_a_dimension(path: &Path, what: &str) -> Box<Fault> {
    let sentence = format!("`{path}` {what}; a dimension is a string, a number or a boolean");
    Fault::boxed(RejectCode::DimensionInvalid, sentence)
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn the_short_way_agrees_with_the_long_one(text in "[0-9.]{0,20}", scale in 0_u8..13) {
            if let Some(scaled) = short_number(text.as_bytes(), scale) {
                let exact = Decimal::parse(text.as_bytes()).and_then(|decimal| decimal.at_scale(scale));
                proptest::prop_assert_eq!(exact, Ok(scaled), "{}", text);
            }
        }
    }
}
