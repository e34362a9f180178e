//! The bytes of a tree's cell.

use bytes::Bytes;

use super::{CachedView, RootKey};
use crate::{
    codec::{Corrupt, Input, put_varint},
    key::Key as _,
    store::Nonce,
};

const ABSENT: u8 = 0;
const TREE: u8 = 1;
const TOO_LARGE: u8 = 2;

/// What the cell of a tree holds.
#[derive(Debug, PartialEq)]
pub(crate) enum Content<V> {
    /// There is no such root.
    Absent,
    Tree(V),
    /// It is to be made of the cells of its rows.
    TooLarge,
}

/// A tree, or that there is none, under the stamp that the view's version had before it was loaded.
pub(crate) fn packed<V: CachedView>(stamp: Nonce, key: &RootKey<V>, tree: Option<&V>) -> Bytes {
    let mut out = begun::<V>(stamp, key, if tree.is_some() { TREE } else { ABSENT });
    tree.into_iter().for_each(|tree| tree.pack(&mut out));
    Bytes::from(out)
}

/// What lies in the place of a tree that is too large.
pub(crate) fn too_large<V: CachedView>(stamp: Nonce, key: &RootKey<V>) -> Bytes {
    Bytes::from(begun::<V>(stamp, key, TOO_LARGE))
}

/// Cells' keys are digests where they are long, so the value has to say whose it is.
fn begun<V: CachedView>(stamp: Nonce, key: &RootKey<V>, kind: u8) -> Vec<u8> {
    let mut own = Vec::with_capacity(32);
    key.write_key(&mut own);
    let mut out = Vec::with_capacity(256);
    out.extend_from_slice(stamp.as_bytes());
    out.push(kind);
    put_varint(own.len() as u64, &mut out);
    out.extend_from_slice(&own);
    out
}

/// Reads what lies behind the stamp.
pub(crate) fn content<V: CachedView>(bytes: &[u8], key: &RootKey<V>) -> Result<Content<V>, Corrupt> {
    let mut input = Input::new(bytes);
    let kind = input.byte()?;
    let mut own = Vec::with_capacity(32);
    key.write_key(&mut own);
    let length = input.length()?;
    if input.take(length)? != own {
        return Err(Corrupt);
    }
    let content = match kind {
        ABSENT => Content::Absent,
        TREE => Content::Tree(V::unpack(&mut input)?),
        TOO_LARGE => Content::TooLarge,
        _ => return Err(Corrupt),
    };
    input.end()?;
    Ok(content)
}
