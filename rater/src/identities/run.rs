//! A sorted run on disk: identities in ascending order (low half of the fingerprint first), each once, in sections of one range of
//! hashes each.
//!
//! Format 2, little endian, pages of 4 KiB: a head (magic, version, bytes of a record, run number), then the sections, each of which begins a
//! page, of records of 24 bytes (fingerprint, payload digest), 170 to a page. The last 8 bytes of every page are its XXH3-64, seeded with
//! run and page number, so that a page in the wrong place is as damaged as a flipped bit. Where sections begin is kept in memory:
//! files do not outlive the shard.
#![expect(
    clippy::arithmetic_side_effects,
    clippy::integer_division,
    reason = "page positions of sections below 2^32 records"
)]

use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::error::IdentitiesError;
use super::filter::Filter;
use super::store::RunStore;
use super::table::{Entry, NO_ENTRY};

/// Bytes of a page.
pub const PAGE: usize = 4096;
const RECORD: usize = 24;
/// What the checksum covers.
const BODY: usize = PAGE - 8;
/// Records of a page.
const PAGE_RECORDS: u32 = 170;
const MAGIC: &[u8; 8] = b"WEIRIDNT";
const VERSION: u32 = 2;

/// A run, complete or still being written: what is complete of it can be read.
#[derive(Debug)]
pub struct Run {
    /// Its number within the shard.
    pub number: u64,
    /// How often its records have been merged.
    pub level: u32,
    /// Whether all is written.
    pub is_complete: bool,
    /// Identities in its sections.
    pub len: u64,
    /// By range; those of a run that is merged go over to the new one as they are complete.
    sections: Vec<Option<Section>>,
}

/// The identities of one range of hashes in a run.
#[derive(Debug)]
pub struct Section {
    /// Identities in it.
    pub len: u32,
    /// What is kept of it in memory.
    pub filter: Filter,
    first_page: u64,
}

/// A page of a run, verified.
#[derive(Debug)]
pub struct Page(Box<[u8; PAGE]>);

impl Run {
    /// Nothing written yet.
    pub fn begun(number: u64, level: u32) -> Run {
        Run { number, level, is_complete: false, len: 0, sections: Vec::new() }
    }

    /// What it has of a range.
    pub fn section(&self, range: usize) -> Option<&Section> {
        self.sections.get(range)?.as_ref()
    }

    /// Its sections, ascending.
    pub fn sections(&self) -> impl Iterator<Item = &Section> {
        self.sections.iter().flatten()
    }

    /// A section was completed.
    pub fn put(&mut self, range: usize, section: Section) {
        self.len += u64::from(section.len);
        if self.sections.len() <= range {
            self.sections.reserve_exact(range + 1 - self.sections.len());
            self.sections.resize_with(range + 1, || None);
        }
        if let Some(place) = self.sections.get_mut(range) {
            *place = Some(section);
        }
    }

    /// What it has of a range is in another run now.
    pub fn take(&mut self, range: usize) -> Option<Section> {
        let section = self.sections.get_mut(range)?.take()?;
        self.len -= u64::from(section.len);
        Some(section)
    }
}

impl Section {
    /// The page and the place in it of the record of a rank.
    pub fn page_of(&self, rank: u32) -> (u64, u32) {
        (self.first_page + u64::from(rank.div_euclid(PAGE_RECORDS)), rank.rem_euclid(PAGE_RECORDS))
    }

    /// Bytes of its pages.
    pub fn file_bytes(&self) -> u64 {
        u64::from(self.len.div_ceil(PAGE_RECORDS)) * 4096
    }
}

/// Deletes the file of a run.
pub fn delete(number: u64, store: &mut dyn RunStore) -> Result<(), IdentitiesError> {
    store.delete(number).map_err(|source| failed(store, number, "delete", source))
}

impl Page {
    /// Room for one page.
    pub fn new() -> Page {
        Page(Box::new([0; PAGE]))
    }

    /// Reads a page and verifies it.
    pub fn read(&mut self, store: &dyn RunStore, run: u64, page: u64) -> Result<(), IdentitiesError> {
        read_pages(store, run, page, self.0.as_mut_slice())
    }

    /// A record of it.
    pub fn record(&self, place: u32) -> Entry {
        record(self.0.as_slice(), crate::at(place))
    }
}

/// Writes a run in pieces of whole pages.
#[derive(Debug)]
pub struct RunWriter {
    number: u64,
    /// The section begun.
    section: Section,
    range_bits: u32,
    /// Records of the section so far.
    written: u32,
    piece: Vec<u8>,
    piece_bytes: usize,
    /// Pages begun; the head is the first.
    pages: u64,
}

impl RunWriter {
    /// Begins run `number`, of a shard with 2^`range_bits` ranges.
    pub fn create(
        store: &mut dyn RunStore,
        number: u64,
        range_bits: u32,
        piece_bytes: usize,
    ) -> Result<RunWriter, IdentitiesError> {
        store.create(number).map_err(|source| failed(store, number, "create", source))?;
        let mut piece = Vec::with_capacity(piece_bytes);
        piece.extend_from_slice(&head(number));
        let section = Section { len: 0, filter: Filter::with_len(0), first_page: 1 };
        Ok(RunWriter { number, section, range_bits, written: 0, piece, piece_bytes, pages: 1 })
    }

    /// Its number.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// Bytes that it holds in memory.
    pub fn bytes(&self) -> u64 {
        self.section.filter.bytes() + u64::try_from(self.piece_bytes).unwrap_or(u64::MAX)
    }

    /// Begins a section of `len` records.
    pub fn begin_section(&mut self, len: u32) {
        self.section = Section { len, filter: Filter::with_len(len), first_page: self.pages };
        self.written = 0;
    }

    /// Appends the next record of the section, greater than all before.
    pub fn push(&mut self, store: &mut dyn RunStore, entry: Entry) -> Result<(), IdentitiesError> {
        let [low, high, payload] = entry;
        self.section.filter.push(low << self.range_bits);
        for word in [low, high, payload] {
            self.piece.extend_from_slice(&word.to_le_bytes());
        }
        self.written += 1;
        if self.written.rem_euclid(PAGE_RECORDS) == 0 {
            self.end_page(store)?;
        }
        Ok(())
    }

    /// Ends the section: it can be read.
    pub fn end_section(&mut self, store: &mut dyn RunStore) -> Result<Section, IdentitiesError> {
        assert_eq!(self.written, self.section.len, "a section holds as many identities as were announced");
        if self.written.rem_euclid(PAGE_RECORDS) != 0 {
            self.end_page(store)?;
        }
        self.append(store)?;
        let none = Section { len: 0, filter: Filter::with_len(0), first_page: self.pages };
        let mut section = std::mem::replace(&mut self.section, none);
        self.written = 0;
        section.filter.finish();
        Ok(section)
    }

    /// Ends the run after its last section.
    pub fn finish(self, store: &mut dyn RunStore) -> Result<(), IdentitiesError> {
        store.finish(self.number).map_err(|source| failed(store, self.number, "complete", source))
    }

    fn end_page(&mut self, store: &mut dyn RunStore) -> Result<(), IdentitiesError> {
        let begin = self.piece.len().saturating_sub(1) / PAGE * PAGE;
        self.piece.resize(begin + BODY, 0xFF);
        let checksum = checksum(self.piece.get(begin..).unwrap_or_default(), self.number, self.pages);
        self.piece.extend_from_slice(&checksum.to_le_bytes());
        self.pages += 1;
        if self.piece.len() >= self.piece_bytes { self.append(store) } else { Ok(()) }
    }

    fn append(&mut self, store: &mut dyn RunStore) -> Result<(), IdentitiesError> {
        if !self.piece.is_empty() {
            store.append(self.number, &self.piece).map_err(|source| failed(store, self.number, "write", source))?;
            self.piece.clear();
        }
        Ok(())
    }
}

/// Reads sections of a run from front to back, in pieces of whole pages.
#[derive(Debug)]
pub struct RunReader {
    number: u64,
    /// Records of the section that have not been handed out.
    left: u32,
    piece: Vec<u8>,
    piece_bytes: usize,
    /// Place of the next record in the piece's page, and that page.
    place: u32,
    page: usize,
    /// Page of the file that follows the piece, and the section's end.
    next_page: u64,
    end_page: u64,
}

impl RunReader {
    /// Opens a run and verifies its head.
    pub fn open(store: &dyn RunStore, number: u64, piece_bytes: usize) -> Result<RunReader, IdentitiesError> {
        let mut page = Page::new();
        page.read(store, number, 0)?;
        if page.0.as_slice() != head(number).as_slice() {
            let what = "its head belongs to another run or to another version";
            return Err(IdentitiesError::Damaged { file: store.name(number), page: 0, what });
        }
        let piece = Vec::with_capacity(piece_bytes);
        Ok(RunReader { number, left: 0, piece, piece_bytes, place: 0, page: 0, next_page: 1, end_page: 1 })
    }

    /// Its run's number.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// Begins to read a section.
    pub fn begin(&mut self, section: &Section) {
        self.piece.clear();
        (self.place, self.page, self.left) = (0, 0, section.len);
        self.next_page = section.first_page;
        self.end_page = section.first_page + u64::from(section.len.div_ceil(PAGE_RECORDS));
    }

    /// The next record; `None` at the section's end.
    pub fn next(&mut self, store: &dyn RunStore) -> Result<Option<Entry>, IdentitiesError> {
        if self.left == 0 {
            return Ok(None);
        }
        if self.place == PAGE_RECORDS {
            (self.place, self.page) = (0, self.page + 1);
        }
        if self.page * PAGE == self.piece.len() {
            let pages_left = usize::try_from(self.end_page - self.next_page).unwrap_or(usize::MAX);
            self.piece.resize(self.piece_bytes.min(pages_left.saturating_mul(PAGE)) / PAGE * PAGE, 0);
            read_pages(store, self.number, self.next_page, &mut self.piece)?;
            self.next_page += u64::try_from(self.piece.len() / PAGE).unwrap_or(u64::MAX);
            self.page = 0;
        }
        let entry = record(self.piece.get(self.page * PAGE..).unwrap_or_default(), crate::at(self.place));
        self.place += 1;
        self.left -= 1;
        Ok(Some(entry))
    }
}

/// Reads whole pages and verifies each.
fn read_pages(store: &dyn RunStore, run: u64, first: u64, into: &mut [u8]) -> Result<(), IdentitiesError> {
    store.read_at(run, first * 4096, into).map_err(|source| failed(store, run, "read", source))?;
    for (page, bytes) in (first..).zip(into.chunks(PAGE)) {
        let (body, stored) = bytes.split_at(BODY.min(bytes.len()));
        if checksum(body, run, page).to_le_bytes() != stored {
            return Err(IdentitiesError::Damaged { file: store.name(run), page, what: "its checksum does not match" });
        }
    }
    Ok(())
}

fn head(number: u64) -> [u8; PAGE] {
    let mut bytes = [0; PAGE];
    let record = u32::try_from(RECORD).unwrap_or(u32::MAX);
    let fields: [&[u8]; 4] = [MAGIC, &VERSION.to_le_bytes(), &record.to_le_bytes(), &number.to_le_bytes()];
    for (byte, field) in bytes.iter_mut().zip(fields.concat()) {
        *byte = field;
    }
    let (body, stored) = bytes.split_at_mut(BODY);
    stored.copy_from_slice(&checksum(body, number, 0).to_le_bytes());
    bytes
}

fn checksum(body: &[u8], run: u64, page: u64) -> u64 {
    xxh3_64_with_seed(body, run.rotate_left(32) ^ page)
}

fn record(page: &[u8], place: usize) -> Entry {
    let bytes = page.get(place * RECORD..).and_then(|rest| rest.first_chunk::<RECORD>());
    let Some([a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u, v, w, x]) = bytes.copied() else {
        return NO_ENTRY;
    };
    [
        u64::from_le_bytes([a, b, c, d, e, f, g, h]),
        u64::from_le_bytes([i, j, k, l, m, n, o, p]),
        u64::from_le_bytes([q, r, s, t, u, v, w, x]),
    ]
}

fn failed(store: &dyn RunStore, run: u64, operation: &'static str, source: std::io::Error) -> IdentitiesError {
    IdentitiesError::Store { operation, file: store.name(run), source }
}
