//! Commands as the bytes that go over the wire.

use std::{ops::Range, time::Duration};

/// Some commands that are sent together. Each is written argument by argument, each argument part by part, into one buffer.
#[derive(Default)]
pub(crate) struct Request {
    bytes: Vec<u8>,
    /// Where each command ends.
    ends: Vec<usize>,
}

impl Request {
    pub(crate) fn with_capacity(n_bytes: usize) -> Self {
        Self { bytes: Vec::with_capacity(n_bytes), ends: Vec::with_capacity(1) }
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(crate) fn n_commands(&self) -> usize {
        self.ends.len()
    }

    /// Begins a command of `n_args` arguments, its name included. They must follow.
    pub(crate) fn command(&mut self, n_args: usize) -> &mut Self {
        self.ends.push(0);
        self.head(b'*', n_args);
        self
    }

    /// An argument in parts that are written one after the other.
    pub(crate) fn arg(&mut self, parts: &[&[u8]]) -> &mut Self {
        self.head(b'$', parts.iter().map(|part| part.len()).sum());
        for part in parts {
            self.bytes.extend_from_slice(part);
        }
        self.bytes.extend_from_slice(b"\r\n");
        self.mark_end();
        self
    }

    pub(crate) fn number(&mut self, n: u64) -> &mut Self {
        let mut digits = [0; 20];
        let from = decimal(n, &mut digits);
        self.arg(&[&digits[from..]])
    }

    /// Adds a command that another request holds already.
    pub(crate) fn repeat(&mut self, other: &Self, n: usize) {
        self.bytes.extend_from_slice(&other.bytes[other.range(n)]);
        self.ends.push(self.bytes.len());
    }

    fn range(&self, n: usize) -> Range<usize> {
        let start = n.checked_sub(1).map_or(0, |before| self.ends[before]);
        start..self.ends[n]
    }

    fn mark_end(&mut self) {
        if let Some(end) = self.ends.last_mut() {
            *end = self.bytes.len();
        }
    }

    fn head(&mut self, kind: u8, n: usize) {
        let mut digits = [0; 20];
        let from = decimal(n as u64, &mut digits);
        self.bytes.push(kind);
        self.bytes.extend_from_slice(&digits[from..]);
        self.bytes.extend_from_slice(b"\r\n");
    }
}

/// Writes a number to the end of `digits` and tells where it starts.
fn decimal(mut n: u64, digits: &mut [u8; 20]) -> usize {
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b"0123456789"[(n % 10) as usize];
        n /= 10;
        if n == 0 {
            return at;
        }
    }
}

/// A time as Redis takes it: 0 is an error there, and so is what leads beyond the end of its calendar.
pub(crate) fn milliseconds(time: Duration) -> u64 {
    const TEN_YEARS: u64 = 10 * 365 * 24 * 60 * 60 * 1_000;
    let rounded_up = time.as_nanos().div_ceil(1_000_000);
    u64::try_from(rounded_up).unwrap_or(u64::MAX).clamp(1, TEN_YEARS)
}

#[cfg(test)]
mod tests {
    use super::Request;

    #[test]
    fn a_request_is_what_a_server_reads() {
        let mut request = Request::default();
        request.command(3).arg(&[b"SET"]).arg(&[b"a:", b"", b"\r\n"]).number(u64::MAX);
        request.command(2).arg(&[b"GET"]).arg(&[]);
        request.command(1).arg(&[b"PING"]);
        assert_eq!(request.n_commands(), 3);
        let whole = "*3\r\n$3\r\nSET\r\n$4\r\na:\r\n\r\n$20\r\n18446744073709551615\r\n*2\r\n$3\r\nGET\r\n$0\r\n\r\n*1\r\n$4\r\nPING\r\n";
        assert_eq!(request.as_bytes().escape_ascii().to_string(), whole.escape_default().to_string());

        let mut again = Request::default();
        again.repeat(&request, 2);
        again.repeat(&request, 1);
        assert_eq!(again.n_commands(), 2);
        assert_eq!(again.as_bytes(), b"*1\r\n$4\r\nPING\r\n*2\r\n$3\r\nGET\r\n$0\r\n\r\n");
    }

    #[test]
    fn numbers_are_decimal() {
        for n in [0, 1, 9, 10, 99, 100, 12_345_678_909] {
            let mut request = Request::default();
            request.command(1).number(n);
            let text = n.to_string();
            assert_eq!(request.as_bytes(), format!("*1\r\n${}\r\n{text}\r\n", text.len()).as_bytes());
        }
    }
}
