use std::fmt;

/// The key of a cell, and the layout of what it holds.
///
/// The bytes are `<table>:<columns>:<values>`, at most some 200 of them. Only they decide which cell is meant; the layout says
/// whether a value that is found there can be read.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CellKey {
    bytes: Box<[u8]>,
    layout: Layout,
}

impl CellKey {
    /// A key of these bytes for values of that layout.
    #[must_use]
    pub fn new(bytes: impl Into<Box<[u8]>>, layout: Layout) -> Self {
        Self { bytes: bytes.into(), layout }
    }

    /// The bytes of the key, without any prefix of a store.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// What it begins with, up to its first colon: the keys of all cells of its model do, and no others.
    #[must_use]
    pub fn model(&self) -> &[u8] {
        prefix_of(&self.bytes)
    }

    /// The layout that a value must have to be served.
    #[must_use]
    pub fn layout(&self) -> Layout {
        self.layout
    }
}

impl fmt::Debug for CellKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.bytes.escape_ascii())
    }
}

impl fmt::Display for CellKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.bytes.escape_ascii())
    }
}

/// What the keys of a table's cells begin with, that of this cell among them.
pub(crate) fn prefix_of(key: &[u8]) -> &[u8] {
    key.iter().position(|byte| *byte == b':').map_or(key, |end| &key[..=end])
}

/// The fingerprint of a cached form: table, columns, types and format, in eight printable characters.
///
/// It lies in the cell and not in the key, so that old and new processes go on invalidating each other during a rollout.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Layout([u8; 8]);

impl Layout {
    /// The layout of no value: that of a key of which only the bytes are known.
    ///
    /// Under such a key markers are seen as always, and every value and lease is [`Vacancy::Foreign`](super::Vacancy::Foreign).
    /// It may be settled. Nothing is to be filled or written under it.
    pub const UNKNOWN: Self = Self(*b"????????");

    /// The layout of a value without bytes, of which only the stamp matters: it says that the cell has not been written since.
    ///
    /// [`Store::stamp`](super::Store::stamp) puts it. To whoever wants anything else of the cell it is
    /// [`Vacancy::Foreign`](super::Vacancy::Foreign), and gives way to a lease.
    pub const STAMP: Self = Self(*b"!!!!!!!!");

    /// The layout of a fingerprint, of which 48 bits count.
    #[must_use]
    pub const fn new(fingerprint: u64) -> Self {
        const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        let mut text = [0; 8];
        let mut at = 0;
        while at < 8 {
            text[at] = DIGITS[((fingerprint >> (6 * at)) & 63) as usize];
            at += 1;
        }
        Self(text)
    }

    /// The eight characters.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 8] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::Layout;

    #[test]
    fn the_layouts_of_no_fingerprint_are_none() {
        for digit in 0..64 {
            let digit = Layout::new(digit).as_bytes()[0];
            assert!(![Layout::UNKNOWN, Layout::STAMP].iter().any(|layout| layout.as_bytes().contains(&digit)));
        }
    }
}
