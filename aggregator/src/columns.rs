//! Columns as rows fill them, in the form in which they are written.
//!
//! Owns: which encoding a column gets. Few values that repeat become keys of a dictionary, numbers near their neighbours
//! become differences, everything else stays as it is.

use bytes::Bytes;
use parquet::data_type::ByteArray;
use parquet::errors::Result;
use parquet::file::statistics::Statistics;
use weir_model::schema::HASH_BYTES;

use crate::dictionary::{Dictionary, NO_KEY, Novelty, TextDictionary, at, len_of, push_text, texts_of};
use crate::part::{Column, Distinct, Effort, PAGE_ROWS, Part, Presence, Values};
use crate::recent::{Recent, hint_of_number, hint_of_text};

/// Bytes of a fingerprint or digest.
const HASH_WIDTH: usize = 16;
const _: () = assert!(HASH_BYTES == 16);
/// Rows after which texts show whether they repeat.
const SAMPLE_ROWS: usize = 1 << 14;
/// A dictionary of texts that may not repeat grows no further than this.
const TEXT_DICTIONARY_BYTES_MAX: usize = 1 << 20;

/// Hashes, most significant byte first.
#[derive(Default)]
pub(crate) struct Hashes(Vec<u8>);

impl Hashes {
    pub(crate) fn extend(&mut self, hashes: impl ExactSizeIterator<Item = u128>) {
        extend_fixed(&mut self.0, hashes.map(u128::to_be_bytes));
    }

    pub(crate) fn write(&mut self, part: &mut Part<'_>, presence: Presence<'_>) -> Result<()> {
        lend(&mut self.0, |bytes| {
            part.column(&Column { values: Values::Fixed(bytes, HASH_WIDTH), presence, bounds: None })
        })
    }

    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }
}

/// All at once: what is appended one by one asks for room one by one.
fn extend_fixed<const WIDTH: usize>(column: &mut Vec<u8>, values: impl ExactSizeIterator<Item = [u8; WIDTH]>) {
    let start = column.len();
    column.resize(start + values.len() * WIDTH, 0);
    let (slots, _) = column[start..].as_chunks_mut();
    slots.iter_mut().zip(values).for_each(|(slot, value)| *slot = value);
}

/// Lets pages share a column's memory, which comes back when they are written.
fn lend(column: &mut Vec<u8>, write: impl FnOnce(&Bytes) -> Result<()>) -> Result<()> {
    let bytes = Bytes::from(std::mem::take(column));
    write(&bytes)?;
    *column = bytes.into();
    Ok(())
}

/// 64-bit numbers without order.
#[derive(Default)]
pub(crate) struct Numbers(Vec<u8>);

impl Numbers {
    pub(crate) fn extend(&mut self, numbers: impl ExactSizeIterator<Item = u64>) {
        extend_fixed(&mut self.0, numbers.map(u64::to_le_bytes));
    }

    pub(crate) fn write(&mut self, part: &mut Part<'_>) -> Result<()> {
        lend(&mut self.0, |bytes| {
            let values = Values::Fixed(bytes, size_of::<u64>());
            part.column(&Column { values, presence: Presence::Every, bounds: None })
        })
    }

    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }
}

/// 64-bit numbers near their neighbours.
pub(crate) fn write_deltas(part: &mut Part<'_>, numbers: &[i64], presence: Presence<'_>) -> Result<()> {
    part.column(&Column { values: Values::Deltas(numbers), presence, bounds: None })
}

/// Instants near their neighbours.
pub(crate) fn write_instants(part: &mut Part<'_>, micros: &[i64], presence: Presence<'_>) -> Result<()> {
    let (least, greatest) = (micros.iter().min().copied(), micros.iter().max().copied());
    let bounds = least.map(|_| Statistics::int64(least, greatest, None, None, false));
    part.column(&Column { values: Values::Deltas(micros), presence, bounds })
}

pub(crate) fn write_booleans(part: &mut Part<'_>, values: &[bool]) -> Result<()> {
    part.column(&Column { values: Values::Booleans(values), presence: Presence::Every, bounds: None })
}

/// Keys, of which some may be [`NO_KEY`].
pub(crate) fn write_keys(part: &mut Part<'_>, keys: &[u32], distinct: Distinct<'_>) -> Result<()> {
    if !keys.contains(&NO_KEY) {
        return part.column(&Column { values: Values::Keys(keys, distinct), presence: Presence::Every, bounds: None });
    }
    let present: Vec<u32> = keys.iter().map(|&key| u32::from(key != NO_KEY)).collect();
    let keys: Vec<u32> = keys.iter().copied().filter(|&key| key != NO_KEY).collect();
    part.column(&Column { values: Values::Keys(&keys, distinct), presence: Presence::Some(&present), bounds: None })
}

/// Keys of texts that readers look for, with the least and the greatest: they pass over what lies beyond.
pub(crate) fn write_searched(part: &mut Part<'_>, keys: &[u32], plain: &[u8]) -> Result<()> {
    let texts = || texts_of(plain);
    let bound = |text: Option<&[u8]>| text.map(|text| ByteArray::from(text.to_vec()));
    let bounds = Statistics::byte_array(bound(texts().min()), bound(texts().max()), None, None, false);
    let len = u32::try_from(texts().count()).unwrap_or(NO_KEY);
    let values = Values::Keys(keys, Distinct { plain, len });
    part.column(&Column { values, presence: Presence::Every, bounds: Some(bounds) })
}

/// What a number of a row, a bucket's kind for example, means in a column: a key, or [`NO_KEY`].
#[derive(Default)]
pub(crate) struct Meaning {
    keys: Vec<u32>,
    plain: Vec<u8>,
    len: u32,
}

impl Meaning {
    /// By number, a text or none.
    pub(crate) fn of_texts<'a>(texts: impl Iterator<Item = Option<&'a [u8]>>) -> Meaning {
        let mut dictionary = TextDictionary::default();
        let keys = texts.map(|text| text.map_or(NO_KEY, |text| dictionary.key(text).0)).collect();
        Meaning { keys, plain: dictionary.plain().to_vec(), len: dictionary.len() }
    }

    /// By number, an instant.
    pub(crate) fn of_instants(micros: impl Iterator<Item = i64>) -> Meaning {
        let mut dictionary = Dictionary::default();
        let mut plain = Vec::new();
        let keys = micros.map(|at| dictionary.key(at, |at| plain.extend_from_slice(&at.to_le_bytes()))).collect();
        Meaning { keys, plain, len: len_of(dictionary.values()) }
    }

    /// Writes what the numbers of the rows mean.
    pub(crate) fn write(&self, part: &mut Part<'_>, numbers: &[u32]) -> Result<()> {
        let distinct = Distinct { plain: &self.plain, len: self.len };
        let first = self.keys.first().copied().unwrap_or(NO_KEY);
        if self.keys.iter().any(|&key| key != first) {
            let keys: Vec<u32> = numbers.iter().map(|&number| self.keys[at(number)]).collect();
            return write_keys(part, &keys, distinct);
        }
        let presence = if first == NO_KEY { Presence::None } else { Presence::Every };
        part.column(&Column { values: Values::Equal(first, distinct), presence, bounds: None })
    }
}

/// Decimals that repeat: amounts and quantities.
#[derive(Default)]
pub(crate) struct Decimals {
    keys: Vec<u32>,
    dictionary: Dictionary<i128>,
    recent: Recent,
}

impl Decimals {
    pub(crate) fn push(&mut self, scaled: Option<i128>) {
        let Decimals { keys, dictionary, recent } = self;
        keys.push(scaled.map_or(NO_KEY, |scaled| {
            let slot = recent.slot(hint_of_number(scaled), dictionary.values().len());
            if dictionary.values().get(at(*slot)) != Some(&scaled) {
                *slot = dictionary.key(scaled, |_| ());
            }
            *slot
        }));
    }

    pub(crate) fn write(&self, part: &mut Part<'_>) -> Result<()> {
        let values = self.dictionary.values();
        let plain = values.iter().map(|value| value.to_be_bytes()).collect::<Vec<_>>().concat();
        write_keys(part, &self.keys, Distinct { plain: &plain, len: len_of(values) })
    }

    pub(crate) fn clear(&mut self) {
        self.keys.clear();
        self.dictionary.clear();
    }
}

/// Texts that repeat.
#[derive(Default)]
pub(crate) struct Names {
    keys: Vec<u32>,
    texts: TextDictionary,
    recent: Recent,
}

impl Names {
    /// Whether the text is new.
    pub(crate) fn push(&mut self, text: &[u8]) -> Novelty {
        let Names { keys, texts, recent } = self;
        let slot = recent.slot(hint_of_text(text), at(texts.len()));
        let mut novelty = Novelty::Known;
        if *slot >= texts.len() || texts.get(*slot) != text {
            (*slot, novelty) = texts.key(text);
        }
        keys.push(*slot);
        novelty
    }

    /// A text by the key that [`Names::last`] gave.
    pub(crate) fn push_known(&mut self, key: u32) {
        self.keys.push(key);
    }

    /// The key of the last row.
    pub(crate) fn last(&self) -> u32 {
        self.keys.last().copied().unwrap_or(NO_KEY)
    }

    /// The text of the rows that follow, of which there are so many.
    pub(crate) fn push_equal(&mut self, text: &[u8], rows: usize) {
        let (key, _) = self.texts.key(text);
        self.keys.resize(self.keys.len() + rows, key);
    }

    /// Writes texts of which some may be absent.
    pub(crate) fn write(&self, part: &mut Part<'_>) -> Result<()> {
        write_keys(part, &self.keys, self.texts.distinct())
    }

    /// Writes the texts of the rows that have one.
    pub(crate) fn write_where(&self, part: &mut Part<'_>, presence: Presence<'_>) -> Result<()> {
        part.column(&Column { values: Values::Keys(&self.keys, self.texts.distinct()), presence, bounds: None })
    }

    pub(crate) fn clear(&mut self) {
        self.keys.clear();
        self.texts.clear();
    }
}

impl TextDictionary {
    pub(crate) fn distinct(&self) -> Distinct<'_> {
        Distinct { plain: self.plain(), len: self.len() }
    }
}

/// Texts that do not repeat; rows may have none.
#[derive(Default)]
pub(crate) struct Texts {
    plain: Vec<u8>,
    rows: usize,
    /// Where the texts of each full page end.
    page_ends: Vec<usize>,
    /// Rows without a text.
    absent: Vec<usize>,
}

impl Texts {
    pub(crate) fn push(&mut self, text: Option<&[u8]>) {
        match text {
            Some(text) => push_text(&mut self.plain, text),
            None => self.absent.push(self.rows),
        }
        self.rows += 1;
        if self.rows.is_multiple_of(PAGE_ROWS) {
            self.page_ends.push(self.plain.len());
        }
    }

    pub(crate) fn write(&mut self, part: &mut Part<'_>, effort: Effort) -> Result<()> {
        let Texts { plain, rows, page_ends, absent } = self;
        let mut present = Vec::new();
        if !absent.is_empty() {
            present.resize(*rows, 1);
            absent.iter().for_each(|&row| present[row] = 0);
        }
        let presence = if absent.is_empty() { Presence::Every } else { Presence::Some(&present) };
        let ends: Vec<usize> = page_ends.iter().copied().chain([plain.len()]).collect();
        lend(plain, |bytes| {
            part.column(&Column { values: Values::Texts(bytes, &ends, effort), presence, bounds: None })
        })
    }

    pub(crate) fn clear(&mut self) {
        self.plain.clear();
        self.rows = 0;
        self.page_ends.clear();
        self.absent.clear();
    }
}

/// Texts that may repeat: a sample decides.
#[derive(Default)]
pub(crate) struct Content {
    names: Names,
    /// Once they were found not to repeat.
    texts: Option<Texts>,
}

impl Content {
    /// Whether the text may be new.
    pub(crate) fn push(&mut self, text: Option<&[u8]>) -> Novelty {
        let novelty = match (&mut self.texts, text) {
            (Some(texts), text) => {
                texts.push(text);
                return Novelty::New;
            }
            (None, Some(text)) => self.names.push(text),
            (None, None) => {
                self.names.keys.push(NO_KEY);
                Novelty::New
            }
        };
        // The rows alone decide, however many come at once.
        let Names { keys, texts: known, .. } = &self.names;
        let repeats = !keys.len().is_multiple_of(SAMPLE_ROWS) || at(known.len()) <= keys.len() / 2;
        if !repeats || known.plain().len() > TEXT_DICTIONARY_BYTES_MAX {
            self.give_up();
        }
        novelty
    }

    /// Goes on without the dictionary.
    #[cold]
    fn give_up(&mut self) {
        let Names { keys, texts: known, .. } = &self.names;
        let mut texts = Texts::default();
        keys.iter().for_each(|&key| texts.push((key != NO_KEY).then(|| known.get(key))));
        self.names.clear();
        self.texts = Some(texts);
    }

    pub(crate) fn write(&mut self, part: &mut Part<'_>) -> Result<()> {
        match &mut self.texts {
            Some(texts) => texts.write(part, Effort::Zstd),
            None => self.names.write(part),
        }
    }

    pub(crate) fn clear(&mut self) {
        self.names.clear();
        self.texts = None;
    }
}
