//! Where a page begins.

use std::sync::Arc;

use super::Listed;
use crate::codec::{Corrupt, Input, put_varint};

/// A row's place in a list, behind which a page begins.
pub(crate) struct After<P: Listed> {
    pub(crate) place: P::Place,
    /// The place as it is encoded.
    bytes: Vec<u8>,
    /// How many rows the pages have had that far: where in a cell to look for the row first, and whether it can be there at all.
    n_before: u64,
}

impl<P: Listed> After<P> {
    /// Reads what [`After::write`] has written.
    ///
    /// # Errors
    /// [`Corrupt`] if the bytes are nothing of the kind.
    pub(crate) fn read(bytes: &[u8]) -> Result<Self, Corrupt> {
        let mut input = Input::new(bytes);
        let n_before = input.varint()?;
        let bytes = bytes[bytes.len() - input.remaining()..].to_vec();
        let place = P::decode_place(&mut input)?;
        input.end()?;
        Ok(Self { place, bytes, n_before })
    }

    /// Writes the last row's place of a page that has so many rows, behind `before`.
    pub(crate) fn write(before: Option<&Self>, n_rows: usize, place: &P::Place) -> Vec<u8> {
        let n_before = before.map_or(0, |before| before.n_before).saturating_add(n_rows as u64);
        let mut bytes = Vec::with_capacity(48);
        put_varint(n_before, &mut bytes);
        P::encode_place(place, &mut bytes);
        bytes
    }

    /// Whether the list's cell, or a copy of it, may have the row: as many rows may have stood before it as the cell holds.
    pub(crate) fn may_be_in_cell(&self) -> bool {
        self.n_before < P::HEAD as u64
    }

    /// Where the row is among `rows`, if it is.
    ///
    /// Bytes are compared, since how the database orders values is not known here.
    fn index(&self, rows: &[Arc<P::Entity>]) -> Option<usize> {
        let mut bytes = Vec::with_capacity(self.bytes.len());
        let mut is_it = |row: &Arc<P::Entity>| {
            bytes.clear();
            P::encode_place(&P::place(row), &mut bytes);
            bytes == self.bytes
        };
        let likely = usize::try_from(self.n_before).ok()?.checked_sub(1)?;
        match rows.get(likely) {
            Some(row) if is_it(row) => Some(likely),
            _ => rows.iter().position(is_it),
        }
    }

    /// Up to `n` rows behind this one, of those that a cell holds: `None` if the database may have others.
    pub(crate) fn rows<'r>(
        &self,
        rows: &'r [Arc<P::Entity>],
        is_whole: bool,
        n: usize,
    ) -> Option<&'r [Arc<P::Entity>]> {
        let behind = &rows[self.index(rows)? + 1..];
        (is_whole || behind.len() >= n).then(|| &behind[..behind.len().min(n)])
    }
}

impl<P: Listed> Clone for After<P> {
    fn clone(&self) -> Self {
        Self { place: self.place.clone(), bytes: self.bytes.clone(), n_before: self.n_before }
    }
}
