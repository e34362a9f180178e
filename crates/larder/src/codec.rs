//! How a value is written into a cell.
//!
//! larder has its own encoding and does not go through a type's `serde` implementation, since that one is made for documents:
//! a `BigDecimal` or a `serde_json::Value` can't be read back from a compact format, and a field that was exchanged for another
//! of the same wire type would be read as if nothing had happened. Every [`Codec`] has a fingerprint; those of a model's fields
//! make its [`Layout`](crate::store::Layout), so that a cell of an older form is a miss.

mod container;
#[cfg(feature = "ipnet")]
mod network;
mod primitive;
mod range;
#[cfg(any(feature = "bigdecimal", feature = "chrono", feature = "serde_json", feature = "uuid"))]
mod thirdparty;
mod with_serde;

pub use with_serde::Serde;

/// A type that can be written into a cell and read back.
///
/// Implemented for numbers, `bool`, text, bytes, `Option`, `Vec`, `Bound` and pairs (a range is a pair of bounds), and by feature for `ipnet`, `uuid`, `chrono`, `bigdecimal` and
/// `serde_json`. `#[derive(Codec)]` does it for structs and enums; `#[larder(serde)]` on a model's field takes the field's own
/// `serde` implementation instead.
#[diagnostic::on_unimplemented(
    message = "`{Self}` can't be written into a cache cell",
    label = "this type has no `larder::Codec`",
    note = "add `#[derive(larder::Codec)]` to `{Self}`, or `#[larder(serde)]` to the field to use its serde implementation"
)]
pub trait Codec: Sized {
    /// Tells one form of bytes from another.
    const FINGERPRINT: Fingerprint;

    /// Appends the value.
    fn encode(&self, out: &mut Vec<u8>);

    /// Takes a value from the front of `input`.
    ///
    /// # Errors
    /// [`Corrupt`] if the bytes are no such value. Any bytes may come: nothing is allocated that `input` is too short for.
    fn decode(input: &mut Input<'_>) -> Result<Self, Corrupt>;

    /// How many bytes the value owns beside itself, by which the near cache is bounded: [`allocated`] of each piece. Defaults to as many as it is
    /// encoded in.
    fn heap_bytes(&self) -> usize {
        let mut out = Vec::new();
        self.encode(&mut out);
        out.len()
    }
}

/// What an allocator takes for a piece of memory that lives among others which come and go: glibc adds 8 bytes, rounds up to 16, gives no
/// less than 32, and loses a tenth between the pieces (measured: 3 to 10 %). Others differ by a few bytes.
#[must_use]
pub const fn allocated(n_bytes: usize) -> usize {
    if n_bytes == 0 {
        return 0;
    }
    let taken = n_bytes.saturating_add(8 + 15) & !15;
    let taken = if taken < 32 { 32 } else { taken };
    taken + taken / 10
}

/// A hash of everything that decides how bytes are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fingerprint(u64);

impl Fingerprint {
    /// The fingerprint of a name (64-bit FNV-1a).
    #[must_use]
    pub const fn of(name: &str) -> Self {
        Self(0xcbf2_9ce4_8422_2325).and(name)
    }

    /// This one, followed by a name.
    #[must_use]
    pub const fn and(self, name: &str) -> Self {
        let mut hash = self.0;
        let bytes = name.as_bytes();
        let mut at = 0;
        while at < bytes.len() {
            hash = (hash ^ bytes[at] as u64).wrapping_mul(0x0100_0000_01b3);
            at += 1;
        }
        // The length keeps ("ab", "c") and ("a", "bc") apart.
        Self((hash ^ bytes.len() as u64).wrapping_mul(0x0100_0000_01b3))
    }

    /// This one, followed by another.
    #[must_use]
    pub const fn then(self, next: Fingerprint) -> Self {
        self.then_bytes(&next.0.to_le_bytes())
    }

    /// This one, followed by eight bytes.
    #[must_use]
    pub(crate) const fn then_bytes(self, bytes: &[u8; 8]) -> Self {
        let mut hash = self.0;
        let mut at = 0;
        while at < bytes.len() {
            hash = (hash ^ bytes[at] as u64).wrapping_mul(0x0100_0000_01b3);
            at += 1;
        }
        Self(hash)
    }

    /// The 64 bits.
    #[must_use]
    pub const fn bits(self) -> u64 {
        self.0 ^ (self.0 >> 48)
    }
}

/// Bytes that are not what they should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a cell holds bytes that are no value of the model")]
pub struct Corrupt;

/// Bytes still to be read.
#[derive(Debug, Clone, Copy)]
pub struct Input<'a> {
    rest: &'a [u8],
}

impl<'a> Input<'a> {
    /// Reads from the front of `bytes`.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// How many bytes are left.
    #[must_use]
    pub fn remaining(&self) -> usize {
        self.rest.len()
    }

    /// Takes the next `n` bytes.
    ///
    /// # Errors
    /// [`Corrupt`] if there are fewer.
    pub fn take(&mut self, n: usize) -> Result<&'a [u8], Corrupt> {
        let (taken, rest) = self.rest.split_at_checked(n).ok_or(Corrupt)?;
        self.rest = rest;
        Ok(taken)
    }

    /// Takes the next byte.
    ///
    /// # Errors
    /// [`Corrupt`] if there is none.
    pub fn byte(&mut self) -> Result<u8, Corrupt> {
        Ok(self.take(1)?[0])
    }

    /// Takes an unsigned number of up to 64 bits, seven bits a byte, lowest first (LEB128).
    ///
    /// # Errors
    /// [`Corrupt`] if it does not end, or is longer than 64 bits.
    pub fn varint(&mut self) -> Result<u64, Corrupt> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7f);
            if shift == 63 && bits > 1 {
                return Err(Corrupt);
            }
            value |= bits << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(Corrupt)
    }

    /// Takes a length, which can't be more than there are bytes left.
    ///
    /// # Errors
    /// [`Corrupt`] if it is.
    pub fn length(&mut self) -> Result<usize, Corrupt> {
        let length = usize::try_from(self.varint()?).map_err(|_| Corrupt)?;
        if length > self.remaining() { Err(Corrupt) } else { Ok(length) }
    }

    /// Ends the reading.
    ///
    /// # Errors
    /// [`Corrupt`] if bytes are left.
    pub fn end(self) -> Result<(), Corrupt> {
        if self.rest.is_empty() { Ok(()) } else { Err(Corrupt) }
    }
}

/// Appends an unsigned number as [`Input::varint`] reads it.
pub fn put_varint(mut value: u64, out: &mut Vec<u8>) {
    loop {
        let [low, ..] = (value & 0x7f).to_le_bytes();
        value >>= 7;
        if value == 0 {
            out.push(low);
            return;
        }
        out.push(low | 0x80);
    }
}

/// Appends bytes behind their length.
pub fn put_bytes(bytes: &[u8], out: &mut Vec<u8>) {
    put_varint(bytes.len() as u64, out);
    out.extend_from_slice(bytes);
}

#[cfg(test)]
mod tests;
