//! One column of a batch, ready to be read cell by cell.

use std::io::Write;

use arrow_array::cast::AsArray;
use arrow_array::types::{
    Date32Type, Date64Type, Decimal32Type, Decimal64Type, Decimal128Type, Decimal256Type, Float16Type, Float32Type,
    Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, TimestampMicrosecondType, TimestampMillisecondType,
    TimestampNanosecondType, TimestampSecondType, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use arrow_array::{
    Array, ArrayRef, ArrowPrimitiveType, BinaryArray, BinaryViewArray, BooleanArray, Decimal256Array, Float32Array,
    Float64Array, LargeBinaryArray, LargeStringArray, StringArray, StringViewArray,
};
use arrow_buffer::NullBuffer;
use arrow_schema::{DataType, TimeUnit};
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use weir_model::time::Instant;

use crate::rows::CellTime;

/// A column by what its cells become.
#[derive(Debug)]
pub(super) enum View {
    /// No value in any row.
    Null,
    Text(StringArray),
    LargeText(LargeStringArray),
    SharedText(StringViewArray),
    Bytes(BinaryArray),
    LargeBytes(LargeBinaryArray),
    SharedBytes(BinaryViewArray),
    Bool(BooleanArray),
    /// Integers and decimals: value / 10^scale.
    Scaled(Values<i128>, i8),
    Wide(Decimal256Array, i8),
    Float32(Float32Array),
    Float64(Float64Array),
    /// Timestamps: so many per second; whether they are instants or civil times.
    Time(Values<i64>, i64, Zoned),
    /// Days since 1970.
    Date(Values<i64>),
}

/// Whether a timestamp column knows a zone: then its values are instants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Zoned {
    Yes,
    No,
}

/// A column's values, of one width.
#[derive(Debug)]
pub(super) struct Values<T> {
    values: Vec<T>,
    nulls: Option<NullBuffer>,
}

impl<T: Copy> Values<T> {
    fn of<P: ArrowPrimitiveType>(array: &dyn Array, widen: impl Fn(P::Native) -> T) -> Values<T> {
        let array = array.as_primitive::<P>();
        Values { values: array.values().iter().map(|value| widen(*value)).collect(), nulls: array.nulls().cloned() }
    }

    fn get(&self, row: usize) -> Option<T> {
        if self.nulls.as_ref().is_some_and(|nulls| nulls.is_null(row)) { None } else { self.values.get(row).copied() }
    }
}

impl View {
    /// Whether cells of this type have a text.
    pub(super) fn supports(data_type: &DataType) -> bool {
        use DataType as T;
        match data_type {
            T::Dictionary(_, values) => View::supports(values),
            T::Null | T::Boolean | T::Timestamp(..) | T::Date32 | T::Date64 => true,
            // Integers, decimals and floats are numeric.
            other => {
                other.is_numeric() || other.is_string() || matches!(other, T::Binary | T::LargeBinary | T::BinaryView)
            }
        }
    }

    /// Reads an array of a supported type.
    pub(super) fn of(array: &ArrayRef) -> View {
        use DataType as T;
        let scaled = |values, scale: &i8| View::Scaled(values, *scale);
        match array.data_type() {
            T::Utf8 => View::Text(array.as_string::<i32>().clone()),
            T::LargeUtf8 => View::LargeText(array.as_string::<i64>().clone()),
            T::Utf8View => View::SharedText(array.as_string_view().clone()),
            T::Binary => View::Bytes(array.as_binary::<i32>().clone()),
            T::LargeBinary => View::LargeBytes(array.as_binary::<i64>().clone()),
            T::BinaryView => View::SharedBytes(array.as_binary_view().clone()),
            T::Boolean => View::Bool(array.as_boolean().clone()),
            T::Int8 => scaled(Values::of::<Int8Type>(array, i128::from), &0),
            T::Int16 => scaled(Values::of::<Int16Type>(array, i128::from), &0),
            T::Int32 => scaled(Values::of::<Int32Type>(array, i128::from), &0),
            T::Int64 => scaled(Values::of::<Int64Type>(array, i128::from), &0),
            T::UInt8 => scaled(Values::of::<UInt8Type>(array, i128::from), &0),
            T::UInt16 => scaled(Values::of::<UInt16Type>(array, i128::from), &0),
            T::UInt32 => scaled(Values::of::<UInt32Type>(array, i128::from), &0),
            T::UInt64 => scaled(Values::of::<UInt64Type>(array, i128::from), &0),
            T::Decimal32(_, scale) => scaled(Values::of::<Decimal32Type>(array, i128::from), scale),
            T::Decimal64(_, scale) => scaled(Values::of::<Decimal64Type>(array, i128::from), scale),
            T::Decimal128(_, scale) => scaled(Values::of::<Decimal128Type>(array, |value| value), scale),
            T::Decimal256(_, scale) => View::Wide(array.as_primitive::<Decimal256Type>().clone(), *scale),
            T::Float16 => View::Float32(array.as_primitive::<Float16Type>().unary(f32::from)),
            T::Float32 => View::Float32(array.as_primitive::<Float32Type>().clone()),
            T::Float64 => View::Float64(array.as_primitive::<Float64Type>().clone()),
            T::Timestamp(unit, zone) => {
                let zoned = if zone.is_some() { Zoned::Yes } else { Zoned::No };
                let (values, per_second) = match unit {
                    TimeUnit::Second => (Values::of::<TimestampSecondType>(array, |value| value), 1),
                    TimeUnit::Millisecond => (Values::of::<TimestampMillisecondType>(array, |value| value), 1_000),
                    TimeUnit::Microsecond => (Values::of::<TimestampMicrosecondType>(array, |value| value), 1_000_000),
                    TimeUnit::Nanosecond => {
                        (Values::of::<TimestampNanosecondType>(array, |value| value), 1_000_000_000)
                    }
                };
                View::Time(values, per_second, zoned)
            }
            T::Date32 => View::Date(Values::of::<Date32Type>(array, i64::from)),
            T::Date64 => View::Time(Values::of::<Date64Type>(array, |value| value), 1_000, Zoned::No),
            T::Dictionary(..) => {
                let dictionary = array.as_any_dictionary();
                match arrow_select::take::take(dictionary.values(), dictionary.keys(), None) {
                    Ok(values) => View::of(&values),
                    Err(_) => View::Null,
                }
            }
            _ => View::Null,
        }
    }

    /// Whether the cell is null or an empty text.
    pub(super) fn is_empty(&self, row: usize) -> bool {
        match self {
            View::Null => true,
            View::Bool(array) => array.is_null(row),
            View::Scaled(values, _) => values.get(row).is_none(),
            View::Wide(array, _) => array.is_null(row),
            View::Float32(array) => array.is_null(row),
            View::Float64(array) => array.is_null(row),
            View::Time(values, ..) | View::Date(values) => values.get(row).is_none(),
            _ => self.bytes(row).is_empty(),
        }
    }

    /// Whether the cell's text is a JSON number or boolean.
    pub(super) fn is_bare(&self, row: usize) -> bool {
        match self {
            View::Bool(_) | View::Scaled(..) | View::Wide(..) => true,
            View::Float32(array) => array.value(row).is_finite(),
            View::Float64(array) => array.value(row).is_finite(),
            _ => false,
        }
    }

    /// The cell as a time.
    pub(super) fn time(&self, row: usize) -> Option<CellTime> {
        match self {
            View::Time(values, per_second, zoned) => {
                let timestamp = timestamp(values.get(row)?, *per_second)?;
                Some(match zoned {
                    Zoned::Yes => CellTime::Instant(Instant::from_timestamp(timestamp)),
                    Zoned::No => CellTime::Civil(TimeZone::UTC.to_datetime(timestamp)),
                })
            }
            View::Date(values) => Some(CellTime::Civil(date(values.get(row)?)?.into())),
            _ => None,
        }
    }

    /// Appends the cell's text; nothing if it is null. Writing to a `Vec` cannot fail.
    pub(super) fn append(&self, row: usize, text: &mut Vec<u8>) {
        if self.is_empty(row) {
            return;
        }
        let _ = match self {
            View::Bool(array) => write!(text, "{}", array.value(row)),
            View::Scaled(values, scale) => {
                let value = values.get(row).unwrap_or_default();
                append_scaled(text, *scale, |text| match i64::try_from(value) {
                    Ok(value) => write!(text, "{value}"),
                    Err(_) => write!(text, "{value}"),
                })
            }
            View::Wide(array, scale) => append_scaled(text, *scale, |text| write!(text, "{}", array.value(row))),
            View::Float32(array) => write!(text, "{}", array.value(row)),
            View::Float64(array) => write!(text, "{}", array.value(row)),
            View::Time(values, per_second, zoned) => {
                let value = values.get(row).unwrap_or_default();
                match (timestamp(value, *per_second), zoned) {
                    (Some(timestamp), Zoned::Yes) => write!(text, "{timestamp}"),
                    (Some(timestamp), Zoned::No) => write!(text, "{}", TimeZone::UTC.to_datetime(timestamp)),
                    (None, _) => write!(text, "{value}"),
                }
            }
            View::Date(values) => {
                let value = values.get(row).unwrap_or_default();
                match date(value) {
                    Some(date) => write!(text, "{date}"),
                    None => write!(text, "{value}"),
                }
            }
            _ => {
                text.extend_from_slice(self.bytes(row));
                Ok(())
            }
        };
    }

    fn bytes(&self, row: usize) -> &[u8] {
        match self {
            View::Text(array) if array.is_valid(row) => array.value(row).as_bytes(),
            View::LargeText(array) if array.is_valid(row) => array.value(row).as_bytes(),
            View::SharedText(array) if array.is_valid(row) => array.value(row).as_bytes(),
            View::Bytes(array) if array.is_valid(row) => array.value(row),
            View::LargeBytes(array) if array.is_valid(row) => array.value(row),
            View::SharedBytes(array) if array.is_valid(row) => array.value(row),
            _ => &[],
        }
    }
}

/// jiff's range ends with the year 9999.
fn timestamp(value: i64, per_second: i64) -> Option<Timestamp> {
    let nanos = value.rem_euclid(per_second) * (1_000_000_000 / per_second);
    Timestamp::new(value.div_euclid(per_second), i32::try_from(nanos).ok()?).ok()
}

fn date(days: i64) -> Option<Date> {
    jiff::civil::date(1970, 1, 1).checked_add(jiff::Span::new().try_days(days).ok()?).ok()
}

/// Appends an integer, then makes it the decimal integer / 10^`scale`, without trailing zeros behind the point.
fn append_scaled(
    text: &mut Vec<u8>,
    scale: i8,
    integer: impl FnOnce(&mut Vec<u8>) -> std::io::Result<()>,
) -> std::io::Result<()> {
    let start = text.len();
    integer(text)?;
    let digits = start + usize::from(text.get(start) == Some(&b'-'));
    let scale_digits = usize::from(scale.unsigned_abs());
    if scale < 0 && text.get(digits..) != Some(b"0") {
        text.resize(text.len() + scale_digits, b'0');
    }
    if scale <= 0 {
        return Ok(());
    }
    let lacking = (scale_digits + 1).saturating_sub(text.len() - digits);
    text.splice(digits..digits, std::iter::repeat_n(b'0', lacking));
    let point = text.len() - scale_digits;
    while text.len() > point && text.last() == Some(&b'0') {
        text.pop();
    }
    if text.len() > point {
        text.insert(point, b'.');
    }
    Ok(())
}
