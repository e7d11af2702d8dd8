//! Arrow columns from rows: dictionaries whose keys are ranks in the order of their texts, hashes, decimals, instants.

use std::sync::Arc;

use arrow_array::builder::StringBuilder;
use arrow_array::types::Int32Type;
use arrow_array::{
    ArrayRef, Decimal128Array, DictionaryArray, FixedSizeBinaryArray, Int32Array, StringArray,
    TimestampMicrosecondArray,
};
use arrow_buffer::{Buffer, NullBuffer, OffsetBuffer};
use arrow_schema::ArrowError;
use weir_model::number::{AMOUNT_SCALE, QUANTITY_SCALE_MAX};
use weir_model::schema::{DECIMAL_DIGITS, HASH_BYTES};

use crate::interner::{TextId, Texts};

/// Stands for a text that is not there.
pub(crate) const NO_TEXT: TextId = TextId::MAX;

/// As an index. u32 fits usize on every platform Weir runs on.
pub(crate) fn at(index: u32) -> usize {
    usize::try_from(index).unwrap_or(usize::MAX)
}

/// The texts that a batch uses, in the order of their bytes.
pub(crate) struct Ranking {
    /// Key in `values` by text; -1 for texts that the batch does not use.
    keys: Vec<i32>,
    /// The used texts in order.
    values: ArrayRef,
}

impl Ranking {
    /// Ranks the texts that `used` names; [`NO_TEXT`] is passed over.
    pub(crate) fn new(texts: &Texts, used: impl Iterator<Item = TextId>) -> Ranking {
        const USED: i32 = 0;
        let mut keys = vec![-1_i32; texts.len()];
        // The first bytes decide nearly always, and comparing them needs no look at the texts.
        let mut order: Vec<(u128, TextId)> = Vec::new();
        for id in used {
            if let Some(key) = keys.get_mut(at(id))
                && *key < 0
            {
                *key = USED;
                order.push((first_bytes(texts.get(id)), id));
            }
        }
        order.sort_unstable_by(|&(a, id_a), &(b, id_b)| a.cmp(&b).then_with(|| texts.get(id_a).cmp(texts.get(id_b))));
        let mut values = StringBuilder::new();
        for (rank, &(_, id)) in (0_i32..).zip(&order) {
            // Every interned text was checked to be UTF-8, so nothing is replaced here.
            values.append_value(String::from_utf8_lossy(texts.get(id)));
            keys[at(id)] = rank;
        }
        Ranking { keys, values: Arc::new(values.finish()) }
    }

    /// The key of a used text, -1 for any other.
    pub(crate) fn key(&self, id: TextId) -> i32 {
        self.keys.get(at(id)).copied().unwrap_or(-1)
    }

    /// Rank for sorting: texts in the order of their bytes, before them 0 for [`NO_TEXT`].
    pub(crate) fn rank(&self, id: TextId) -> u32 {
        u32::try_from(self.key(id) + 1).unwrap_or(0)
    }

    /// A column of texts, [`NO_TEXT`] being null.
    pub(crate) fn column(&self, ids: impl Iterator<Item = TextId>) -> Result<ArrayRef, ArrowError> {
        dictionary(ids.map(|id| self.key(id)).collect(), &self.values)
    }
}

/// The first 16 bytes as a number whose order is theirs; shorter texts are filled up with zeros.
fn first_bytes(text: &[u8]) -> u128 {
    let mut first = [0; 16];
    let len = text.len().min(first.len());
    first[..len].copy_from_slice(&text[..len]);
    u128::from_be_bytes(first)
}

/// A dictionary column; keys below zero are null.
pub(crate) fn dictionary(keys: Vec<i32>, values: &ArrayRef) -> Result<ArrayRef, ArrowError> {
    let keys = if keys.iter().any(|&key| key < 0) {
        let present: NullBuffer = keys.iter().map(|&key| key >= 0).collect();
        Int32Array::try_new(keys.into_iter().map(|key| key.max(0)).collect(), Some(present))?
    } else {
        Int32Array::from(keys)
    };
    // A dictionary that only holds nulls needs a value to point at.
    Ok(Arc::new(DictionaryArray::<Int32Type>::try_new(keys, some_value(values))?))
}

fn some_value(values: &ArrayRef) -> ArrayRef {
    if values.is_empty() { Arc::new(StringArray::from(vec![""])) } else { Arc::clone(values) }
}

/// Values of a dictionary.
pub(crate) fn text_values<S: AsRef<str>>(texts: impl IntoIterator<Item = S>) -> ArrayRef {
    Arc::new(StringArray::from_iter_values(texts))
}

/// A text column gathered from `texts`; `None` is null.
pub(crate) fn text<'a>(texts: impl Iterator<Item = Option<&'a [u8]>> + Clone) -> Result<ArrayRef, ArrowError> {
    let length = |text: Option<&[u8]>| text.map_or(0, <[u8]>::len);
    let bytes = texts.clone().map(length).sum();
    let mut values = Vec::with_capacity(bytes);
    texts.clone().flatten().for_each(|text| values.extend_from_slice(text));
    if i32::try_from(bytes).is_err() {
        return Err(ArrowError::OffsetOverflowError(bytes));
    }
    let offsets = OffsetBuffer::from_lengths(texts.clone().map(length));
    let present = texts.clone().any(|text| text.is_none()).then(|| texts.map(|text| text.is_some()).collect());
    Ok(Arc::new(StringArray::try_new(offsets, Buffer::from_vec(values), present)?))
}

/// Hashes, most significant byte first. `None` is null.
pub(crate) fn hashes(values: impl ExactSizeIterator<Item = Option<u128>> + Clone) -> Result<ArrayRef, ArrowError> {
    let mut bytes = Vec::with_capacity(values.len() * size_of::<u128>());
    values.clone().for_each(|hash| bytes.extend_from_slice(&hash.unwrap_or(0).to_be_bytes()));
    let present = values.clone().any(|hash| hash.is_none()).then(|| values.map(|hash| hash.is_some()).collect());
    Ok(Arc::new(FixedSizeBinaryArray::try_new(HASH_BYTES, Buffer::from_vec(bytes), present)?))
}

/// Amounts at their scale.
pub(crate) fn amounts(scaled: impl Iterator<Item = i128>) -> Result<ArrayRef, ArrowError> {
    decimals(Decimal128Array::from_iter_values(scaled), AMOUNT_SCALE)
}

/// Quantities at 12 decimals; `None` where there is none that fits.
pub(crate) fn quantities(scaled: impl Iterator<Item = Option<i128>>) -> Result<ArrayRef, ArrowError> {
    decimals(scaled.collect(), QUANTITY_SCALE_MAX)
}

fn decimals(values: Decimal128Array, scale: u8) -> Result<ArrayRef, ArrowError> {
    // Both scales are constants below 38.
    let scale = i8::try_from(scale).unwrap_or(i8::MAX);
    Ok(Arc::new(values.with_precision_and_scale(DECIMAL_DIGITS, scale)?))
}

/// Instants in microseconds since 1970.
pub(crate) fn instants(micros: impl Iterator<Item = i64>) -> ArrayRef {
    Arc::new(TimestampMicrosecondArray::from_iter_values(micros).with_timezone("UTC"))
}

/// Instants of which some are absent.
pub(crate) fn optional_instants(micros: impl Iterator<Item = Option<i64>>) -> ArrayRef {
    Arc::new(micros.collect::<TimestampMicrosecondArray>().with_timezone("UTC"))
}

/// Maps a signed instant so that unsigned order is its order.
pub(crate) fn ordered_bits(micros: i64) -> u64 {
    micros.cast_unsigned() ^ (1 << 63)
}
