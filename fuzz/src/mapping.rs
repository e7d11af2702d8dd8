//! Mapped rows: any text is a mapping or is refused with a reason, and any bytes are its rows. Where a file is cut into
//! chunks changes nothing.
//!
//! An input is a mapping, a line `===` and a CSV file.

use std::cell::RefCell;
use std::io::Write as _;
use std::sync::Arc;

use tempfile::NamedTempFile;
use weir_ingest::DecodeScratch;
use weir_ingest::input::{DeclaredCompression, Format, Input, Place};
use weir_ingest::reader::{Reader, ReaderSettings, decode};
use weir_model::event::Chunk;
use weir_model::mapping::{self, Compression, Mapping};

use super::seen::{SHARDS, Seen, decoder};
use super::two_texts;

/// Loads the mapping, and reads the rows by it.
pub fn run(data: &[u8]) {
    let Some((text, rows)) = two_texts(data) else { return };
    match mapping::load("mapping.toml", text) {
        Ok(mapping) => read_rows(mapping, rows),
        Err(error) => assert!(!error.to_string().is_empty(), "a refusal has a reason"),
    }
}

fn read_rows(mapping: Mapping, rows: &[u8]) {
    let mapping = Arc::new(mapping);
    FILE.with_borrow_mut(|file| {
        file.as_file_mut().set_len(0).unwrap();
        std::io::Seek::rewind(file).unwrap();
        file.write_all(rows).unwrap();
        let [whole, cut] = [1 << 20, 61].map(|chunk_bytes| read(file, &mapping, chunk_bytes));
        assert_eq!(whole, cut, "where chunks end changes nothing");
    });
}

thread_local! {
    /// Rows are read from a file: one for all inputs.
    static FILE: RefCell<NamedTempFile> = RefCell::new(NamedTempFile::new().unwrap());
}

/// All that the file yields, or why it cannot be read.
fn read(file: &NamedTempFile, mapping: &Arc<Mapping>, chunk_bytes: usize) -> Result<Seen, String> {
    let input = Input {
        name: "rows.csv".to_owned(),
        place: Place::Path(file.path().to_owned()),
        format: Format::Csv,
        compression: DeclaredCompression::ByMapping(Compression::None),
        bytes: None,
    };
    let settings = ReaderSettings { chunk_bytes, ..ReaderSettings::default() };
    let text = |error: weir_ingest::input::InputError| error.to_string();
    let mut reader = Reader::open(vec![input], Some(Arc::clone(mapping)), settings).map_err(text)?;
    let (decoder, mut scratch) = (decoder(), DecodeScratch::new());
    let (mut chunk, mut seen) = (Chunk::new(usize::from(SHARDS)), Seen::default());
    while let Some(piece) = reader.next(&mut chunk).map_err(text)? {
        decode(piece, decoder, &mut chunk, &mut scratch);
        seen.add(&chunk);
        chunk.clear();
    }
    Ok(seen)
}
