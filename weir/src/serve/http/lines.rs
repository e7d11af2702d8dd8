//! A streamed body as pieces of whole lines.

use weir_model::limits::LINE_BYTES_MAX;
use weir_model::verdict::RejectCode;

use super::super::record::Rejected;

/// Bytes that a piece has at least, unless the body ends.
pub const PIECE_BYTES: usize = 1 << 20;

/// Cuts a body at line ends.
#[derive(Debug, Default)]
pub struct Lines {
    /// What has come and was not handed out. The caller appends to it.
    pub text: Vec<u8>,
    /// Index of the first line in it.
    index: u64,
    /// The beginning of a line that is too long, whose end has not come yet.
    too_long: Option<Vec<u8>>,
    /// Bytes of it that were forgotten.
    forgotten: u64,
}

/// A piece of a body.
#[derive(Debug, PartialEq, Eq)]
pub enum Piece {
    /// Whole lines, and the index of the first one.
    Lines(Vec<u8>, u64),
    /// A line that is longer than any may be.
    TooLong(Rejected),
}

impl Lines {
    /// The next piece, if enough has come.
    pub fn next(&mut self) -> Option<Piece> {
        if self.too_long.is_some() {
            return self.end_of_long();
        }
        if self.text.len() < PIECE_BYTES {
            return None;
        }
        if let Some(newline) = memchr::memrchr(b'\n', &self.text) {
            return Some(self.cut(newline + 1));
        }
        if self.text.len() > LINE_BYTES_MAX {
            self.forgotten = self.text.len() as u64;
            self.text.truncate(Rejected::RECORD_BYTES_MAX);
            self.too_long = Some(std::mem::take(&mut self.text));
        }
        None
    }

    /// The next piece of a body of which nothing more comes.
    pub fn rest(&mut self) -> Option<Piece> {
        if self.too_long.is_some() {
            return self.end_of_long().or_else(|| self.rejected());
        }
        (!self.text.is_empty()).then(|| self.cut(self.text.len()))
    }

    /// A long line whose end has come; what came of it before is forgotten.
    fn end_of_long(&mut self) -> Option<Piece> {
        let newline = memchr::memchr(b'\n', &self.text);
        let end = newline.map_or(self.text.len(), |newline| newline + 1);
        self.text.drain(..end);
        self.forgotten += end as u64;
        newline.and_then(|_| self.rejected())
    }

    fn rejected(&mut self) -> Option<Piece> {
        let record = self.too_long.take()?;
        self.forgotten = 0;
        self.index += 1;
        Some(Piece::TooLong(Rejected {
            index: self.index - 1,
            code: RejectCode::RecordTooLong.code().to_owned(),
            sentence: format!("the line is longer than {LINE_BYTES_MAX} bytes"),
            record: String::from_utf8_lossy(&record).into_owned(),
        }))
    }

    /// How much has come of a line that is too long and has not ended.
    pub fn long_bytes(&self) -> u64 {
        self.forgotten
    }

    fn cut(&mut self, end: usize) -> Piece {
        let rest = self.text.split_off(end);
        let mut text = std::mem::replace(&mut self.text, rest);
        if text.last() != Some(&b'\n') {
            text.push(b'\n');
        }
        let first = self.index;
        self.index += memchr::memchr_iter(b'\n', &text).count() as u64;
        Piece::Lines(text, first)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pieces(body: &[u8], step: usize) -> Vec<(usize, u64)> {
        let mut lines = Lines::default();
        let mut pieces = Vec::new();
        for part in body.chunks(step) {
            lines.text.extend_from_slice(part);
            pieces.extend(std::iter::from_fn(|| lines.next()));
        }
        pieces.extend(std::iter::from_fn(|| lines.rest()));
        let told = |piece| match piece {
            Piece::Lines(text, index) => (text.len(), index),
            Piece::TooLong(rejected) => (0, rejected.index),
        };
        pieces.into_iter().map(told).collect()
    }

    #[test]
    fn pieces_are_whole_lines_however_they_come() {
        let line = [&[b'a'; 999][..], b"\n"].concat();
        let body = line.repeat(2_500);
        for step in [1_000, 4_096, 1 << 20, 3 << 20] {
            let pieces = pieces(&body, step);
            assert_eq!(pieces.iter().map(|(len, _)| len).sum::<usize>(), body.len(), "{step}");
            let mut index = 0;
            for (len, first) in pieces {
                assert_eq!((len % 1_000, first), (0, index), "{step}");
                index += len as u64 / 1_000;
            }
        }
    }

    #[test]
    fn a_line_that_is_too_long_is_rejected_alone() {
        let long = vec![b'x'; LINE_BYTES_MAX + PIECE_BYTES];
        let body = [b"first\n", &long[..], b"\nthird\nfourth"].concat();
        for step in [64 << 10, 1 << 20] {
            let pieces = pieces(&body, step);
            let lens: Vec<_> = pieces.iter().map(|(len, _)| *len).filter(|len| *len < 100).collect();
            assert_eq!(pieces.last(), Some(&(13, 2)), "{step}: {pieces:?}");
            assert!(lens.contains(&0), "{step}: {pieces:?}");
        }
        assert_eq!(pieces(&[&long[..], b"\n"].concat(), 1 << 16), [(0, 0)]);
        assert_eq!(pieces(&long, 1 << 16), [(0, 0)]);
        assert_eq!(pieces(b"", 1), []);
        assert_eq!(pieces(b"no end", 2), [(7, 0)]);
    }
}
