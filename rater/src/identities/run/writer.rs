//! Writes a run from front to back.
#![expect(
    clippy::arithmetic_side_effects,
    clippy::integer_division,
    reason = "page positions of sections below 2^32 records"
)]

use xxhash_rust::xxh3::Xxh3;

use super::{BODY, PAGE, PAGE_BYTES, PAGE_RECORDS, Section, Shape, checksum, failed, head, seed};
use crate::identities::error::IdentitiesError;
use crate::identities::filter::Filter;
use crate::identities::store::{RunFile, RunStore};
use crate::identities::table::Entry;

/// Writes a run in pieces of whole pages.
#[derive(Debug)]
pub struct RunWriter {
    number: u64,
    file: Box<dyn RunFile>,
    /// What people call it.
    name: String,
    /// The section begun.
    section: Section,
    shape: Shape,
    /// Records of the section so far.
    written: u32,
    piece: Vec<u8>,
    /// Pages begun; the head is the first.
    pages: u64,
}

impl RunWriter {
    /// Begins run `number`.
    pub fn create(store: &mut dyn RunStore, number: u64, shape: Shape) -> Result<RunWriter, IdentitiesError> {
        let file = store.create(number).map_err(|source| failed(store, number, "create", source))?;
        let mut piece = Vec::with_capacity(shape.piece_bytes);
        piece.extend_from_slice(&head(number));
        let (name, section) = (store.name(number), Section::begun(0, 1, shape.sieve));
        Ok(RunWriter { number, file, name, section, shape, written: 0, piece, pages: 1 })
    }

    /// Its number.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// Bytes that it holds in memory.
    pub fn bytes(&self) -> u64 {
        self.section.filter.bytes() + u64::try_from(self.shape.piece_bytes).unwrap_or(u64::MAX)
    }

    /// Begins a section of `len` records.
    pub fn begin_section(&mut self, len: u32) {
        self.section = Section::begun(len, self.pages, self.shape.sieve);
        self.written = 0;
    }

    /// Appends the next record of the section, greater than all before.
    pub fn push(&mut self, entry: Entry) -> Result<(), IdentitiesError> {
        let [low, high, payload] = entry;
        self.section.filter.push(low << self.shape.range_bits);
        for word in [low, high, payload] {
            self.piece.extend_from_slice(&word.to_le_bytes());
        }
        self.written += 1;
        if self.written.rem_euclid(PAGE_RECORDS) == 0 {
            self.end_page()?;
        }
        Ok(())
    }

    /// Ends the section: it can be read.
    pub fn end_section(&mut self) -> Result<Section, IdentitiesError> {
        assert_eq!(self.written, self.section.place.len, "a section holds as many identities as were announced");
        if self.written.rem_euclid(PAGE_RECORDS) != 0 {
            self.end_page()?;
        }
        let mut section = std::mem::replace(&mut self.section, Section::begun(0, self.pages, self.shape.sieve));
        self.written = 0;
        section.filter.finish();
        section.place.filter_check = self.write_filter(&section.filter)?;
        self.append()?;
        Ok(section)
    }

    /// Appends a filter up to the end of a page; its checksum.
    fn write_filter(&mut self, filter: &Filter) -> Result<u64, IdentitiesError> {
        let mut check = Xxh3::with_seed(seed(self.number, self.pages));
        filter.write(|mut bytes| {
            check.update(bytes);
            while !bytes.is_empty() {
                let room = self.shape.piece_bytes - self.piece.len();
                let (now, later) = bytes.split_at(room.min(bytes.len()));
                self.piece.extend_from_slice(now);
                bytes = later;
                if self.piece.len() == self.shape.piece_bytes {
                    self.append()?;
                }
            }
            Ok(())
        })?;
        self.piece.resize(self.piece.len().next_multiple_of(PAGE), 0);
        self.pages += filter.bytes().div_ceil(PAGE_BYTES);
        Ok(check.digest())
    }

    /// Nobody is going to read soon what was written.
    pub fn forget(&mut self) {
        self.file.forget();
    }

    /// What was written so far is to outlive the process.
    pub fn sync(&mut self) -> Result<(), IdentitiesError> {
        self.file.sync().map_err(|source| self.failed("sync", source))
    }

    /// Ends the run after its last section.
    pub fn finish(mut self) -> Result<(), IdentitiesError> {
        self.file.sync().map_err(|source| self.failed("complete", source))
    }

    fn end_page(&mut self) -> Result<(), IdentitiesError> {
        let begin = self.piece.len().saturating_sub(1) / PAGE * PAGE;
        self.piece.resize(begin + BODY, 0xFF);
        let checksum = checksum(self.piece.get(begin..).unwrap_or_default(), self.number, self.pages);
        self.piece.extend_from_slice(&checksum.to_le_bytes());
        self.pages += 1;
        if self.piece.len() >= self.shape.piece_bytes { self.append() } else { Ok(()) }
    }

    fn append(&mut self) -> Result<(), IdentitiesError> {
        if !self.piece.is_empty() {
            self.file.append(&self.piece).map_err(|source| self.failed("write", source))?;
            self.piece.clear();
        }
        Ok(())
    }

    fn failed(&self, operation: &'static str, source: std::io::Error) -> IdentitiesError {
        IdentitiesError::Store { operation, file: self.name.clone(), source }
    }
}
