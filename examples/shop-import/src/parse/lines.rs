//! The lines of a file: numbered, of bounded length, without their ends.

use std::io::{self, BufRead, Read as _};

/// Far beyond the longest line that makes sense, and no burden when a file has no line ends at all.
const MAX_LINE_BYTES: usize = 1024;

pub(super) struct Lines<R> {
    input: R,
    buffer: Vec<u8>,
    n_lines: u64,
    n_bytes: u64,
}

pub(super) struct Line<'a> {
    /// The first line is 1.
    pub(super) number: u64,
    /// Without the end of the line, and without a byte-order mark.
    pub(super) bytes: &'a [u8],
    /// Whether `bytes` is all of it; what is too long is cut.
    pub(super) is_whole: bool,
}

impl<R: BufRead> Lines<R> {
    pub(super) fn new(input: R) -> Self {
        Self { input, buffer: Vec::new(), n_lines: 0, n_bytes: 0 }
    }

    pub(super) fn n_bytes(&self) -> u64 {
        self.n_bytes
    }

    pub(super) fn next(&mut self) -> io::Result<Option<Line<'_>>> {
        self.buffer.clear();
        let n_read = self.input.by_ref().take(MAX_LINE_BYTES as u64).read_until(b'\n', &mut self.buffer)?;
        if n_read == 0 {
            return Ok(None);
        }
        let is_whole = n_read < MAX_LINE_BYTES || self.buffer.ends_with(b"\n");
        let n_skipped = if is_whole { 0 } else { self.input.skip_until(b'\n')? };
        self.n_lines += 1;
        self.n_bytes += (n_read + n_skipped) as u64;

        let mut bytes = self.buffer.as_slice();
        if self.n_lines == 1 {
            bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        }
        bytes = bytes.strip_suffix(b"\n").unwrap_or(bytes);
        bytes = bytes.strip_suffix(b"\r").unwrap_or(bytes);
        Ok(Some(Line { number: self.n_lines, bytes, is_whole }))
    }
}
