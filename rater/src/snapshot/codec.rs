//! Little-endian bytes with a header and a checksum: knows numbers, texts and lists, not shards.

use xxhash_rust::xxh3::xxh3_64;

use super::SnapshotError;

const MAGIC: &[u8; 8] = b"WEIRSHRD";
const CHECKSUM_BYTES: usize = 8;

/// Appends values to a snapshot.
#[derive(Debug)]
pub struct Writer(Vec<u8>);

macro_rules! numbers {
    ($($name:ident)*) => {
        impl Writer {
            $(pub fn $name(&mut self, value: $name) { self.0.extend_from_slice(&value.to_le_bytes()); })*
        }
        impl Reader<'_> {
            $(pub fn $name(&mut self) -> Result<$name, SnapshotError> { self.array().map($name::from_le_bytes) })*
        }
    };
}
numbers!(u16 u32 u64 i64 u128 i128);

impl Writer {
    /// Begins with the head, in memory that may have been used before.
    pub fn new(version: u32, memory: Vec<u8>) -> Writer {
        let mut writer = Writer::without_head(memory);
        writer.0.extend_from_slice(MAGIC);
        writer.u32(version);
        writer
    }

    /// For what is appended to another one.
    pub fn without_head(mut memory: Vec<u8>) -> Writer {
        memory.clear();
        Writer(memory)
    }

    /// The memory, to be used again.
    pub fn into_memory(self) -> Vec<u8> {
        self.0
    }

    /// What another one has written.
    pub fn append(&mut self, other: &Writer) {
        self.0.extend_from_slice(&other.0);
    }

    pub fn bytes(&mut self, bytes: &[u8]) {
        self.u64(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
        self.0.extend_from_slice(bytes);
    }

    pub fn option<T>(&mut self, value: Option<T>, write: impl FnOnce(&mut Writer, T)) {
        match value {
            None => self.u16(0),
            Some(value) => {
                self.u16(1);
                write(self, value);
            }
        }
    }

    pub fn all<T>(&mut self, items: &[T], write: impl Fn(&mut Writer, &T)) {
        self.list(items.len(), items.iter(), write);
    }

    pub fn list<T>(&mut self, len: usize, items: impl Iterator<Item = T>, write: impl Fn(&mut Writer, T)) {
        self.u64(u64::try_from(len).unwrap_or(u64::MAX));
        items.for_each(|item| write(self, item));
    }

    pub fn finish(mut self) -> Vec<u8> {
        let checksum = xxh3_64(&self.0);
        self.u64(checksum);
        self.0
    }
}

/// Takes values off a snapshot whose checksum has been verified.
pub struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub fn open(bytes: &'a [u8], version: u32) -> Result<Reader<'a>, SnapshotError> {
        let rest = bytes.strip_prefix(MAGIC).ok_or(SnapshotError::NotASnapshot)?;
        let mut header = Reader(rest);
        let found = header.u32()?;
        if found != version {
            return Err(SnapshotError::Version(found));
        }
        let body = bytes.len().checked_sub(CHECKSUM_BYTES).ok_or(SnapshotError::Damaged)?;
        let (body, checksum) = bytes.split_at(body);
        if Reader(checksum).u64()? != xxh3_64(body) {
            return Err(SnapshotError::Damaged);
        }
        let skipped = bytes.len().saturating_sub(header.0.len());
        Ok(Reader(body.get(skipped..).ok_or(SnapshotError::Damaged)?))
    }

    pub fn bytes(&mut self) -> Result<&'a [u8], SnapshotError> {
        let len = usize::try_from(self.u64()?).map_err(|_| SnapshotError::Damaged)?;
        let (head, tail) = self.0.split_at_checked(len).ok_or(SnapshotError::Damaged)?;
        self.0 = tail;
        Ok(head)
    }

    pub fn text(&mut self) -> Result<&'a str, SnapshotError> {
        std::str::from_utf8(self.bytes()?).map_err(|_| SnapshotError::Invalid("text"))
    }

    pub fn option<T>(
        &mut self,
        read: impl FnOnce(&mut Self) -> Result<T, SnapshotError>,
    ) -> Result<Option<T>, SnapshotError> {
        match self.u16()? {
            0 => Ok(None),
            1 => read(self).map(Some),
            _ => Err(SnapshotError::Invalid("options")),
        }
    }

    /// A list. Memory grows with what is really there, not with what the length claims.
    pub fn list<T>(
        &mut self,
        mut read: impl FnMut(&mut Self) -> Result<T, SnapshotError>,
    ) -> Result<Vec<T>, SnapshotError> {
        let len = self.u64()?;
        let mut items = Vec::new();
        for _ in 0..len {
            items.push(read(self)?);
        }
        Ok(items)
    }

    pub fn end(&self) -> Result<(), SnapshotError> {
        if self.0.is_empty() { Ok(()) } else { Err(SnapshotError::Invalid("its length")) }
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], SnapshotError> {
        let (head, tail) = self.0.split_first_chunk().ok_or(SnapshotError::Damaged)?;
        self.0 = tail;
        Ok(*head)
    }
}
