//! A sorted run on disk: identities in ascending order (low half of the fingerprint first), each once, in sections of one range of
//! hashes each.
//!
//! Format 3, little endian, pages of 4 KiB: a head (magic, version, bytes of a record, run number), then the sections, each of which begins a
//! page, of records of 24 bytes (fingerprint, payload digest), 170 to a page. The last 8 bytes of every such page are its XXH3-64, seeded with
//! run and page number, so that a page in the wrong place is as damaged as a flipped bit. Behind its records a section has its filter
//! (`sieve`, `starts`, `marks`, `tags`), up to the end of a page. Where sections begin, and the XXH3-64 of each filter, seeded in the same way, is known to
//! the shard and to its snapshots: what is in a file beyond the sections that a snapshot names does not count.
#![expect(
    clippy::arithmetic_side_effects,
    clippy::integer_division,
    reason = "page positions of sections below 2^32 records"
)]

mod writer;

use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::error::IdentitiesError;
use super::filter::{Filter, Sieve};
use super::store::RunStore;
use super::table::{Entry, NO_ENTRY};
pub use writer::RunWriter;

/// Bytes of a page.
pub const PAGE: usize = 4096;
const PAGE_BYTES: u64 = 4096;
const RECORD: usize = 24;
/// What the checksum covers.
const BODY: usize = PAGE - 8;
/// Records of a page.
const PAGE_RECORDS: u32 = 170;
const MAGIC: &[u8; 8] = b"WEIRIDNT";
const VERSION: u32 = 3;

/// A run, complete or still being written: what is complete of it can be read.
#[derive(Debug)]
pub struct Run {
    /// Its number within the shard.
    pub number: u64,
    /// How often its records have been merged.
    pub level: u32,
    /// Whether nothing more will be written.
    pub is_complete: bool,
    /// Identities in its sections.
    pub len: u64,
    /// By range; those of a run that is merged go over to the new one as they are complete.
    sections: Vec<Option<Section>>,
}

/// How a run is written.
#[derive(Debug, Clone, Copy)]
pub struct Shape {
    /// log2 of the number of ranges.
    pub range_bits: u32,
    /// Bytes read or written at once.
    pub piece_bytes: usize,
    /// Whether filters have a sieve.
    pub sieve: Sieve,
}

/// The identities of one range of hashes in a run.
#[derive(Debug)]
pub struct Section {
    /// Where it is.
    pub place: Place,
    /// What is kept of it in memory.
    pub filter: Filter,
}

/// What it takes to find a section again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Identities in it.
    pub len: u32,
    /// Page of the file that it begins with.
    pub first_page: u64,
    /// Whether its filter has a sieve.
    pub sieve: Sieve,
    /// Checksum of its filter.
    pub filter_check: u64,
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

    /// Its sections by range, ascending.
    pub fn sections(&self) -> impl Iterator<Item = (usize, &Section)> {
        self.sections.iter().enumerate().filter_map(|(range, section)| Some((range, section.as_ref()?)))
    }

    /// A section was completed.
    pub fn put(&mut self, range: usize, section: Section) {
        self.len += u64::from(section.place.len);
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
        self.len -= u64::from(section.place.len);
        Some(section)
    }
}

impl Section {
    /// Room for a section of `len` records.
    fn begun(len: u32, first_page: u64, sieve: Sieve) -> Section {
        Section { place: Place { len, first_page, sieve, filter_check: 0 }, filter: Filter::with_len(len, sieve) }
    }

    /// Reads what is kept in memory of the section of a run that is at `place`.
    pub fn read(store: &dyn RunStore, run: u64, place: Place) -> Result<Section, IdentitiesError> {
        let page = place.filter_page();
        let mut bytes = vec![0; usize::try_from(place.filter_bytes()).unwrap_or(usize::MAX)];
        store.read_at(run, page * PAGE_BYTES, &mut bytes).map_err(|source| failed(store, run, "read", source))?;
        let filter = Filter::from_bytes(place.len, place.sieve, &bytes);
        match filter.filter(|_| checksum(&bytes, run, page) == place.filter_check) {
            Some(filter) => Ok(Section { place, filter }),
            None => {
                let what = "this filter is not the one that was written";
                Err(IdentitiesError::Damaged { file: store.name(run), page, what })
            }
        }
    }

    /// The page and the place in it of the record of a rank.
    pub fn page_of(&self, rank: u32) -> (u64, u32) {
        (self.place.first_page + u64::from(rank.div_euclid(PAGE_RECORDS)), rank.rem_euclid(PAGE_RECORDS))
    }
}

impl Place {
    /// Bytes of its pages.
    pub fn file_bytes(&self) -> u64 {
        (self.end_page() - self.first_page) * PAGE_BYTES
    }

    /// The page after its last one.
    pub fn end_page(&self) -> u64 {
        self.filter_page() + self.filter_bytes().div_ceil(PAGE_BYTES)
    }

    fn filter_bytes(&self) -> u64 {
        Filter::bytes_for(u64::from(self.len), self.sieve)
    }

    /// The page after its records.
    fn filter_page(&self) -> u64 {
        self.first_page + u64::from(self.len.div_ceil(PAGE_RECORDS))
    }
}

/// Takes up the file of a run, of which `pages` are needed.
pub fn open(number: u64, pages: u64, store: &mut dyn RunStore) -> Result<(), IdentitiesError> {
    let length = store.open(number).map_err(|source| failed(store, number, "open", source))?;
    if length.div_euclid(PAGE_BYTES) < pages {
        let (file, page) = (store.name(number), length.div_euclid(PAGE_BYTES));
        return Err(IdentitiesError::Damaged { file, page, what: "it ends there, but more was written" });
    }
    read_head(store, number)
}

/// The number that the next new run gets.
pub fn next_number(store: &dyn RunStore) -> Result<u64, IdentitiesError> {
    let greatest = store.greatest().map_err(|source| failed(store, 0, "list the folder of", source))?;
    Ok(greatest.map_or(0, |greatest| greatest.saturating_add(1)))
}

/// Gives up the file of a run.
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
        read_head(store, number)?;
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
        (self.place, self.page, self.left) = (0, 0, section.place.len);
        self.next_page = section.place.first_page;
        self.end_page = section.place.filter_page();
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
    store.read_at(run, first * PAGE_BYTES, into).map_err(|source| failed(store, run, "read", source))?;
    for (page, bytes) in (first..).zip(into.chunks(PAGE)) {
        let (body, stored) = bytes.split_at(BODY.min(bytes.len()));
        if checksum(body, run, page).to_le_bytes() != stored {
            return Err(IdentitiesError::Damaged { file: store.name(run), page, what: "its checksum does not match" });
        }
    }
    Ok(())
}

/// Verifies that a file is the run that it is taken for.
fn read_head(store: &dyn RunStore, number: u64) -> Result<(), IdentitiesError> {
    let mut page = Page::new();
    page.read(store, number, 0)?;
    if page.0.as_slice() == head(number).as_slice() {
        return Ok(());
    }
    let what = "its head belongs to another run or to another version";
    Err(IdentitiesError::Damaged { file: store.name(number), page: 0, what })
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
    xxh3_64_with_seed(body, seed(run, page))
}

fn seed(run: u64, page: u64) -> u64 {
    run.rotate_left(32) ^ page
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
