//! Bytes of one input: opened, decompressed, counted. A buffer is always filled to the asked length or to the end, so that
//! nothing downstream depends on how the system splits reads (L6).

use std::fs::File;
use std::io::{self, BufReader, Read, Seek};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use weir_model::mapping::Compression;

use crate::input::{DeclaredCompression, Input, InputError, Place};

/// Compressed bytes per read.
const BUFFER_BYTES: usize = 1 << 18;
/// Enough to recognize a compression.
const MAGIC_BYTES: u64 = 4;
const GZIP_MAGIC: &[u8] = &[0x1f, 0x8b];
const ZSTD_MAGIC: &[u8] = &[0x28, 0xb5, 0x2f, 0xfd];

/// The decompressed bytes of one input.
pub(crate) struct ByteSource {
    name: String,
    stream: Stream,
    compression: Compression,
    /// Bytes of this input read so far, as they are on disk.
    offset: Arc<AtomicU64>,
    /// Bytes of all inputs read so far.
    total: Arc<AtomicU64>,
}

enum Stream {
    /// Read straight into the chunk: the standard library fills a `File`'s buffer without clearing it first.
    Plain(File),
    Piped(Box<dyn Read + Send>),
}

/// Counts the bytes that pass.
struct Counted<R> {
    inner: R,
    offset: Arc<AtomicU64>,
    total: Arc<AtomicU64>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.offset.fetch_add(read as u64, Ordering::Relaxed);
        self.total.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    }
}

/// Tells a compressed stream that breaks off from one that ends: readers of formats may take an early end for the end.
struct Whole<R> {
    inner: R,
    compression: &'static str,
}

impl<R: Read> Read for Whole<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.inner.read(buffer).map_err(|fault| match fault.kind() {
            io::ErrorKind::UnexpectedEof => {
                let sentence =
                    format!("the {} stream breaks off; the file is incomplete, fetch it again", self.compression);
                io::Error::new(io::ErrorKind::InvalidData, sentence)
            }
            _ => fault,
        })
    }
}

/// An input whose first bytes were looked at and are still to come.
enum Opened {
    File(File),
    Pipe(Box<dyn Read + Send>),
}

impl Opened {
    fn open(input: &Input, magic: &mut Vec<u8>) -> io::Result<Opened> {
        let mut peek = |reader: &mut dyn Read| reader.take(MAGIC_BYTES).read_to_end(magic);
        match &input.place {
            Place::Stdin => {
                let mut stdin = io::stdin();
                peek(&mut stdin)?;
                Ok(Opened::Pipe(Box::new(io::Cursor::new(magic.clone()).chain(stdin))))
            }
            Place::Path(path) => {
                let mut file = File::open(path)?;
                peek(&mut file)?;
                if input.bytes.is_none() {
                    return Ok(Opened::Pipe(Box::new(io::Cursor::new(magic.clone()).chain(file))));
                }
                file.rewind()?;
                Ok(Opened::File(file))
            }
        }
    }

    fn into_reader(self) -> Box<dyn Read + Send> {
        match self {
            Opened::File(file) => Box::new(file),
            Opened::Pipe(pipe) => pipe,
        }
    }
}

fn decompressed(compression: Compression, raw: Counted<Box<dyn Read + Send>>) -> io::Result<Box<dyn Read + Send>> {
    let buffered = BufReader::with_capacity(BUFFER_BYTES, raw);
    Ok(match compression {
        Compression::None => Box::new(buffered),
        Compression::Gzip => Box::new(flate2::bufread::MultiGzDecoder::new(buffered)),
        Compression::Zstd => Box::new(zstd::stream::read::Decoder::with_buffer(buffered)?),
    })
}

impl ByteSource {
    /// Opens and finds out the compression. `total` counts the bytes read, as they are on disk.
    pub(crate) fn open(input: &Input, total: Arc<AtomicU64>) -> Result<ByteSource, InputError> {
        let unreadable = |source| InputError::Unreadable { name: input.name.clone(), source };
        let mut magic = Vec::new();
        let opened = Opened::open(input, &mut magic).map_err(unreadable)?;
        let compression = compression_of(input, &magic)?;
        let offset = Arc::new(AtomicU64::new(0));
        let stream = match (compression, opened) {
            (Compression::None, Opened::File(file)) => Stream::Plain(file),
            (_, opened) => {
                let counted = Counted { inner: opened.into_reader(), offset: offset.clone(), total: total.clone() };
                Stream::Piped(decompressed(compression, counted).map_err(unreadable)?)
            }
        };
        Ok(ByteSource { name: input.name.clone(), stream, compression, offset, total })
    }

    /// As messages call it.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Fills `text` up to `length` bytes. Returns whether the input ended before that.
    pub(crate) fn fill(&mut self, text: &mut Vec<u8>, length: usize) -> Result<bool, InputError> {
        let wanted = length.saturating_sub(text.len());
        if wanted == 0 {
            return Ok(false);
        }
        text.reserve_exact(wanted);
        let limit = wanted as u64;
        let read = match &mut self.stream {
            Stream::Plain(file) => file.take(limit).read_to_end(text).inspect(|read| {
                self.offset.fetch_add(*read as u64, Ordering::Relaxed);
                self.total.fetch_add(*read as u64, Ordering::Relaxed);
            }),
            Stream::Piped(stream) => stream.take(limit).read_to_end(text),
        };
        match read {
            Ok(read) => Ok(read < wanted),
            Err(source) => Err(self.fault(source)),
        }
    }

    /// The rest of the input as a reader, for formats that read by themselves.
    pub(crate) fn into_reader(self) -> Box<dyn Read + Send> {
        match self.stream {
            Stream::Plain(file) => Box::new(BufReader::with_capacity(
                BUFFER_BYTES,
                Counted { inner: file, offset: self.offset, total: self.total },
            )),
            Stream::Piped(stream) => {
                let whole = Whole { inner: stream, compression: compression_name(self.compression) };
                Box::new(BufReader::with_capacity(BUFFER_BYTES, whole))
            }
        }
    }

    fn fault(&self, source: io::Error) -> InputError {
        let (name, offset) = (self.name.clone(), self.offset.load(Ordering::Relaxed));
        if self.compression == Compression::None || source.raw_os_error().is_some() {
            return InputError::Unreadable { name, source };
        }
        let compression = compression_name(self.compression);
        if source.kind() == io::ErrorKind::UnexpectedEof {
            InputError::Truncated { name, compression, offset }
        } else {
            InputError::Damaged { name, format: compression, offset, reason: source.to_string() }
        }
    }
}

fn compression_of(input: &Input, magic: &[u8]) -> Result<Compression, InputError> {
    let found = if magic.starts_with(GZIP_MAGIC) {
        Compression::Gzip
    } else if magic.starts_with(ZSTD_MAGIC) || is_skippable_frame(magic) {
        Compression::Zstd
    } else {
        Compression::None
    };
    match input.compression {
        DeclaredCompression::ByMapping(compression) => Ok(compression),
        DeclaredCompression::ByName(compression) if compression != found && found == Compression::None => {
            let name = input.name.clone();
            Err(InputError::NotCompressed { name, compression: compression_name(compression) })
        }
        _ => Ok(found),
    }
}

/// Parallel zstd writers begin with a frame that decoders skip.
fn is_skippable_frame(magic: &[u8]) -> bool {
    matches!(magic, [first, 0x2a, 0x4d, 0x18] if first & 0xf0 == 0x50)
}

fn compression_name(compression: Compression) -> &'static str {
    match compression {
        Compression::None => "plain",
        Compression::Gzip => "gzip",
        Compression::Zstd => "zstd",
    }
}
