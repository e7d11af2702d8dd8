//! A sorted run on disk: identities in ascending order (low half of the fingerprint first), each once.
//!
//! Format 1, little endian, pages of 4 KiB: a head (magic, version, bytes of a record, run number, number of records), then records of 24
//! bytes (fingerprint, payload digest), 170 to a page. The last 8 bytes of every page are its XXH3-64, seeded with run and page number, so
//! that a page in the wrong place is as damaged as a flipped bit.
#![expect(
    clippy::arithmetic_side_effects,
    clippy::integer_division,
    reason = "page positions of runs below 2^32 records"
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
pub const PAGE_RECORDS: u32 = 170;
const MAGIC: &[u8; 8] = b"WEIRIDNT";
const VERSION: u32 = 1;

/// A finished run.
#[derive(Debug)]
pub struct Run {
    /// Its number within the shard.
    pub number: u64,
    /// How often its records have been merged.
    pub level: u32,
    /// Identities in it.
    pub len: u32,
    /// What is kept of it in memory.
    pub filter: Filter,
}

/// A page of a run, verified.
#[derive(Debug)]
pub struct Page(Box<[u8; PAGE]>);

impl Run {
    /// Deletes its file.
    pub fn delete(self, store: &mut dyn RunStore) -> Result<(), IdentitiesError> {
        delete(self.number, store)
    }
}

/// Deletes the file of a run.
pub fn delete(number: u64, store: &mut dyn RunStore) -> Result<(), IdentitiesError> {
    store.delete(number).map_err(|source| failed(store, number, "delete", source))
}

/// The page and the place in it of the record of a rank.
pub fn page_of(rank: u32) -> (u64, usize) {
    let (page, place) = (rank.div_euclid(PAGE_RECORDS), rank.rem_euclid(PAGE_RECORDS));
    (u64::from(page) + 1, usize::try_from(place).unwrap_or(usize::MAX))
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
    pub fn record(&self, place: usize) -> Entry {
        record(self.0.as_slice(), place)
    }
}

/// Writes a run in pieces of whole pages.
#[derive(Debug)]
pub struct RunWriter {
    number: u64,
    len: u32,
    filter: Filter,
    piece: Vec<u8>,
    piece_bytes: usize,
    /// Pages begun; the head is the first.
    pages: u64,
    written: u32,
}

impl RunWriter {
    /// Begins run `number` of `len` records.
    pub fn create(
        store: &mut dyn RunStore,
        number: u64,
        len: u32,
        piece_bytes: usize,
    ) -> Result<RunWriter, IdentitiesError> {
        store.create(number).map_err(|source| failed(store, number, "create", source))?;
        let mut piece = Vec::with_capacity(piece_bytes);
        piece.extend_from_slice(&head(number, len));
        Ok(RunWriter { number, len, filter: Filter::with_len(len), piece, piece_bytes, pages: 1, written: 0 })
    }

    /// Its number.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// Bytes that it holds in memory.
    pub fn bytes(&self) -> u64 {
        self.filter.bytes() + u64::try_from(self.piece_bytes).unwrap_or(u64::MAX)
    }

    /// Bytes of the whole file.
    pub fn file_bytes(&self) -> u64 {
        let (pages, _) = page_of(self.len.saturating_sub(1));
        (pages + 1) * 4096
    }

    /// Appends the next record, greater than all before.
    pub fn push(&mut self, store: &mut dyn RunStore, entry: Entry) -> Result<(), IdentitiesError> {
        let [low, high, payload] = entry;
        self.filter.push(low);
        for word in [low, high, payload] {
            self.piece.extend_from_slice(&word.to_le_bytes());
        }
        self.written += 1;
        if self.written.rem_euclid(PAGE_RECORDS) == 0 {
            self.end_page(store)?;
        }
        Ok(())
    }

    /// Ends the run.
    pub fn finish(mut self, store: &mut dyn RunStore, level: u32) -> Result<Run, IdentitiesError> {
        assert_eq!(self.written, self.len, "a run holds as many identities as were announced");
        if self.written.rem_euclid(PAGE_RECORDS) != 0 {
            self.end_page(store)?;
        }
        self.append(store)?;
        store.finish(self.number).map_err(|source| failed(store, self.number, "complete", source))?;
        self.filter.finish();
        Ok(Run { number: self.number, level, len: self.len, filter: self.filter })
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
        store.append(self.number, &self.piece).map_err(|source| failed(store, self.number, "write", source))?;
        self.piece.clear();
        Ok(())
    }
}

/// Reads a run from front to back, in pieces of whole pages.
#[derive(Debug)]
pub struct RunReader {
    number: u64,
    /// Records that have not been handed out.
    left: u32,
    piece: Vec<u8>,
    /// Place of the next record in the piece's page, and that page.
    place: usize,
    page: usize,
    /// Page of the file that follows the piece.
    next_page: u64,
    last_page: u64,
}

impl RunReader {
    /// Opens a run and verifies its head.
    pub fn open(store: &dyn RunStore, run: &Run, piece_bytes: usize) -> Result<RunReader, IdentitiesError> {
        let mut page = Page::new();
        page.read(store, run.number, 0)?;
        let expected = head(run.number, run.len);
        if page.0.as_slice() != expected.as_slice() {
            let what = "its head belongs to another run or to another version";
            return Err(IdentitiesError::Damaged { file: store.name(run.number), page: 0, what });
        }
        let (last_page, _) = page_of(run.len.saturating_sub(1));
        let piece = Vec::with_capacity(piece_bytes);
        Ok(RunReader { number: run.number, left: run.len, piece, place: 0, page: 0, next_page: 1, last_page })
    }

    /// The next record; `None` at the end.
    pub fn next(&mut self, store: &dyn RunStore) -> Result<Option<Entry>, IdentitiesError> {
        if self.left == 0 {
            return Ok(None);
        }
        if self.place == usize::try_from(PAGE_RECORDS).unwrap_or(usize::MAX) {
            (self.place, self.page) = (0, self.page + 1);
        }
        if self.page * PAGE == self.piece.len() {
            let pages_left = usize::try_from(self.last_page + 1 - self.next_page).unwrap_or(usize::MAX);
            self.piece.resize(self.piece.capacity().min(pages_left.saturating_mul(PAGE)) / PAGE * PAGE, 0);
            read_pages(store, self.number, self.next_page, &mut self.piece)?;
            self.next_page += u64::try_from(self.piece.len() / PAGE).unwrap_or(u64::MAX);
            self.page = 0;
        }
        let slot = record(self.piece.get(self.page * PAGE..).unwrap_or_default(), self.place);
        self.place += 1;
        self.left -= 1;
        Ok(Some(slot))
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

fn head(number: u64, len: u32) -> [u8; PAGE] {
    let mut bytes = [0; PAGE];
    let record = u32::try_from(RECORD).unwrap_or(u32::MAX);
    let fields: [&[u8]; 5] =
        [MAGIC, &VERSION.to_le_bytes(), &record.to_le_bytes(), &number.to_le_bytes(), &len.to_le_bytes()];
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
