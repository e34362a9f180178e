//! The bytes of a cell's value: no row, a row, or a list of rows.

use bytes::Bytes;
use smallvec::{SmallVec, smallvec};

use crate::{
    codec::{Corrupt, Input, put_varint},
    entity::{Entity, Pattern},
    key::Key,
    store::{CellKey, Layout},
};

/// The rows of one key: most keys have one, which then needs no memory of its own.
pub(crate) type Rows<T> = SmallVec<[T; 1]>;

const ABSENT: u8 = 0;
const ROW: u8 = 1;
/// All rows of a list.
const WHOLE_LIST: u8 = 2;
/// The first rows of a list that has more.
const HEAD_OF_LIST: u8 = 3;

/// The key of the cell of `P` for `key`.
pub(crate) fn cell_key<P: Pattern>(key: &P::Key) -> CellKey {
    write_key::<P>(key, &mut Vec::with_capacity(96))
}

/// The keys of the cells of `P` for `keys`, in their order.
pub(crate) fn cell_keys<'k, P: Pattern>(keys: impl IntoIterator<Item = &'k P::Key>) -> Vec<CellKey> {
    let mut scratch = Vec::with_capacity(96);
    keys.into_iter().map(|key| write_key::<P>(key, &mut scratch)).collect()
}

fn write_key<P: Pattern>(key: &P::Key, bytes: &mut Vec<u8>) -> CellKey {
    bytes.clear();
    write_prefix(P::Entity::cells_name(), P::COLUMNS, bytes);
    key.write_key(bytes);
    CellKey::new(&bytes[..], P::LAYOUT)
}

fn write_prefix(name: &str, columns: &[&str], bytes: &mut Vec<u8>) {
    bytes.extend_from_slice(name.as_bytes());
    let mut before = b':';
    for column in columns {
        bytes.push(before);
        bytes.extend_from_slice(column.as_bytes());
        before = b',';
    }
    bytes.push(b':');
}

/// The key of the cell that every write of a table is a write of: what depends on all of its rows goes by the stamp of that.
pub(crate) fn table_key(name: &str) -> CellKey {
    CellKey::new([name.as_bytes(), b":*"].concat(), Layout::STAMP)
}

/// What the keys of all cells of a pattern begin with, and those of no other.
pub(crate) fn prefix(name: &str, columns: &[&str]) -> Vec<u8> {
    let mut bytes = Vec::new();
    write_prefix(name, columns, &mut bytes);
    bytes
}

/// The value of a key that no row has.
pub(crate) fn absent() -> Bytes {
    Bytes::from_static(&[ABSENT])
}

pub(crate) fn is_absent(payload: &[u8]) -> bool {
    payload == [ABSENT]
}

/// The value of a key that one row has.
pub(crate) fn row<E: Entity>(row: &E) -> Bytes {
    let mut out = Vec::with_capacity(64);
    out.push(ROW);
    row.encode(&mut out);
    Bytes::from(out)
}

/// The value of `P` for the rows that the database gave, in their order.
pub(crate) fn rows<P: Pattern>(rows: &[P::Entity]) -> Bytes {
    if P::UNIQUE {
        return rows.first().map_or_else(absent, row);
    }
    let kept = &rows[..rows.len().min(P::HEAD)];
    let mut out = Vec::with_capacity(16 + 64 * kept.len());
    out.push(if kept.len() == rows.len() { WHOLE_LIST } else { HEAD_OF_LIST });
    put_varint(kept.len() as u64, &mut out);
    for row in kept {
        row.encode(&mut out);
    }
    Bytes::from(out)
}

/// Reads at most `limit` rows: `None` if the cell holds fewer than that, and the database may have more.
pub(crate) fn decode<P: Pattern>(payload: &[u8], limit: usize) -> Result<Option<Rows<P::Entity>>, Corrupt> {
    let mut input = Input::new(payload);
    let tag = input.byte()?;
    match (tag, P::UNIQUE) {
        (ABSENT, true) => input.end().map(|()| Some(Rows::new())),
        (ROW, true) => {
            let row = P::Entity::decode(&mut input)?;
            input.end()?;
            Ok(Some(smallvec![row]))
        }
        (WHOLE_LIST | HEAD_OF_LIST, false) => {
            let n_rows = input.length()?;
            if tag == HEAD_OF_LIST && n_rows < limit {
                return Ok(None);
            }
            let mut rows = Rows::with_capacity(n_rows.min(limit).min(1024));
            for _ in 0..n_rows.min(limit) {
                rows.push(P::Entity::decode(&mut input)?);
            }
            if n_rows <= limit {
                input.end()?;
            }
            Ok(Some(rows))
        }
        _ => Err(Corrupt),
    }
}

/// All that a cell holds.
pub(crate) struct Contents<E> {
    pub(crate) rows: Rows<E>,
    /// Whether these are all rows of the key.
    pub(crate) is_whole: bool,
}

/// Reads all rows that are there.
pub(crate) fn contents<P: Pattern>(payload: &[u8]) -> Result<Contents<P::Entity>, Corrupt> {
    let mut input = Input::new(payload);
    let is_whole = input.byte()? != HEAD_OF_LIST;
    let limit = if is_whole { usize::MAX } else { input.length()? };
    let rows = decode::<P>(payload, limit)?.ok_or(Corrupt)?;
    Ok(Contents { rows, is_whole })
}

/// How many rows a key has: `None` if the cell holds only the first of them.
pub(crate) fn count<P: Pattern>(payload: &[u8]) -> Result<Option<i64>, Corrupt> {
    let mut input = Input::new(payload);
    match (input.byte()?, P::UNIQUE) {
        (ABSENT, true) => Ok(Some(0)),
        (ROW, true) => Ok(Some(1)),
        (WHOLE_LIST, false) => i64::try_from(input.length()?).map(Some).map_err(|_| Corrupt),
        (HEAD_OF_LIST, false) => Ok(None),
        _ => Err(Corrupt),
    }
}
