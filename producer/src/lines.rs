//! Cuts a stream of bytes into lines, none of which may be longer than it should be.
//!
//! Pure: bytes go in as they arrive, lines come out. A line that is too long is told of once and
//! skipped to its end, without ever being held in memory.

use bytes::{Bytes, BytesMut};

/// Bytes that are not yet a line.
#[derive(Debug)]
pub struct Lines {
    buffer: BytesMut,
    /// How far the buffer is known to hold no newline.
    searched: usize,
    longest: usize,
    /// Whether the rest of a line that was too long is being skipped.
    skipping: bool,
    number: u64,
}

/// One line that is not empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Its place in the input, from 1; empty lines count too.
    pub number: u64,
    /// Its text without the line end.
    pub text: Result<Bytes, TooLong>,
}

/// A line that is longer than any message may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the line has more than {longest} bytes")]
pub struct TooLong {
    /// The most bytes a line may have.
    pub longest: usize,
}

impl Lines {
    /// Cuts into lines of at most `longest` bytes.
    pub fn new(longest: usize) -> Self {
        Self { buffer: BytesMut::new(), searched: 0, longest, skipping: false, number: 0 }
    }

    /// Takes what has arrived.
    pub fn push(&mut self, arrived: &[u8]) {
        self.buffer.extend_from_slice(arrived);
    }

    /// The next complete line that is not empty.
    pub fn next_line(&mut self) -> Option<Line> {
        loop {
            let Some(end) = self.newline() else {
                return self.overlong();
            };
            let text = self.buffer.split_to(end + 1).freeze().slice(..end);
            self.searched = 0;
            if let Some(line) = self.finish_line(&text) {
                return Some(line);
            }
        }
    }

    /// What is left at the end of the input: a line without a newline.
    pub fn last_line(&mut self) -> Option<Line> {
        self.next_line().or_else(|| {
            let rest = self.buffer.split().freeze();
            self.searched = 0;
            self.finish_line(&rest)
        })
    }

    fn newline(&mut self) -> Option<usize> {
        let fresh = self.buffer.get(self.searched..).unwrap_or_default();
        let found = fresh.iter().position(|byte| *byte == b'\n');
        let end = found.map(|at| self.searched + at);
        self.searched = self.buffer.len();
        end
    }

    /// The line that ends here, unless it is empty or was told of before.
    fn finish_line(&mut self, text: &Bytes) -> Option<Line> {
        let told = std::mem::take(&mut self.skipping);
        if !told {
            self.number += 1;
        }
        let text = text.strip_suffix(b"\r").map_or(text.clone(), |cut| text.slice_ref(cut));
        if told || text.trim_ascii().is_empty() {
            return None;
        }
        let longest = self.longest;
        let text = (text.len() <= longest).then_some(text).ok_or(TooLong { longest });
        Some(Line { number: self.number, text })
    }

    /// Forgets what has arrived of a line that is already too long.
    fn overlong(&mut self) -> Option<Line> {
        // One more, because the last byte may be the `\r` of a line that just fits.
        if !self.skipping && self.buffer.len() <= self.longest + 1 {
            return None;
        }
        self.buffer.clear();
        self.searched = 0;
        if std::mem::replace(&mut self.skipping, true) {
            return None;
        }
        self.number += 1;
        let longest = self.longest;
        Some(Line { number: self.number, text: Err(TooLong { longest }) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All lines of `input`, which arrives in pieces of `piece` bytes.
    fn cut(input: &str, longest: usize, piece: usize) -> Vec<(u64, Option<String>)> {
        let mut lines = Lines::new(longest);
        let mut all = Vec::new();
        for arrived in input.as_bytes().chunks(piece) {
            lines.push(arrived);
            all.extend(std::iter::from_fn(|| lines.next_line()));
        }
        all.extend(std::iter::from_fn(|| lines.last_line()));
        let text = |bytes: Bytes| String::from_utf8(bytes.to_vec()).unwrap();
        all.into_iter().map(|line| (line.number, line.text.ok().map(text))).collect()
    }

    #[test]
    fn lines_are_the_same_however_they_arrive() {
        let input = "one\n\n  \r\ntwo\r\nthis is too long\nthree\nalso too long";
        let expected = [
            (1, Some("one".to_owned())),
            (4, Some("two".to_owned())),
            (5, None),
            (6, Some("three".to_owned())),
            (7, None),
        ];
        for piece in 1..=input.len() {
            assert_eq!(cut(input, 8, piece), expected, "pieces of {piece}");
        }
    }

    #[test]
    fn a_line_may_be_exactly_as_long_as_allowed() {
        for piece in [1, 3, 100] {
            assert_eq!(cut("12345\r\n", 5, piece), [(1, Some("12345".to_owned()))]);
            assert_eq!(cut("12345", 5, piece), [(1, Some("12345".to_owned()))]);
            assert_eq!(cut("123456\n", 5, piece), [(1, None)]);
        }
    }

    #[test]
    fn an_endless_line_is_told_of_once_and_never_kept() {
        let mut lines = Lines::new(10);
        let mut told = 0;
        for _ in 0..1000 {
            lines.push(&[b'x'; 100]);
            told += std::iter::from_fn(|| lines.next_line()).count();
            assert!(lines.buffer.len() <= 11);
        }
        assert_eq!((told, lines.last_line()), (1, None));
    }
}
