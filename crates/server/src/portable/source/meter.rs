//! Reading a file for a parser: counts lines, and holds one tag to a bound that the parser has not.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};

/// Bytes from one parser event to the next: one start tag with all its attributes, or a piece of text.
const EVENT_BYTES_MAX: usize = 1024 * 1024;

/// A file that is being read.
#[derive(Debug)]
pub(super) struct Meter {
    file: BufReader<File>,
    /// Lines that were begun.
    lines: u64,
    /// Bytes since the last event.
    bytes: usize,
}

impl Meter {
    pub(super) fn new(file: File) -> Self {
        Self { file: BufReader::with_capacity(64 * 1024, file), lines: 1, bytes: 0 }
    }

    /// The line that the parser is at; it may have read on to the end of a tag or text.
    pub(super) const fn line(&self) -> u64 {
        self.lines
    }

    /// The parser has found something: how many bytes that took.
    pub(super) fn event(&mut self) -> usize {
        std::mem::take(&mut self.bytes)
    }
}

impl Read for Meter {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = self.fill_buf()?.read(into)?;
        self.consume(read);
        Ok(read)
    }
}

impl BufRead for Meter {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.bytes > EVENT_BYTES_MAX {
            return Err(io::Error::other(format!("a tag of more than {EVENT_BYTES_MAX} bytes")));
        }
        self.file.fill_buf()
    }

    fn consume(&mut self, amount: usize) {
        let consumed = self.file.buffer().get(..amount).unwrap_or_default();
        self.lines += consumed.iter().filter(|byte| **byte == b'\n').count() as u64;
        self.bytes = self.bytes.saturating_add(amount);
        self.file.consume(amount);
    }
}
