//! What the result of a query depends on.

use std::{
    fmt,
    marker::PhantomData,
    time::{Duration, Instant},
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use sha2::{Digest as _, Sha256};

use crate::{
    backend::Backend,
    entity::{Entity, Pattern},
    inline::may_wait,
    key::Key as _,
    layers::Layers,
    near::Near,
    payload,
    session::{Access, Consistency},
    store::{CellKey, Layout, Nonce},
    tenant::Common,
};

/// Rows, the rows with a key, tables and tags: what a result, or a response, is made of.
///
/// ```
/// # use diesel::prelude::*;
/// # diesel::table! { orders (id) { id -> BigInt, user_id -> BigInt, } }
/// # #[derive(Debug, Clone, PartialEq, Queryable, Selectable, Identifiable, larder::Repository)]
/// # #[diesel(table_name = orders, check_for_backend(diesel::pg::Pg))]
/// # #[larder(index(user_id))]
/// # struct Order { id: i64, user_id: i64 }
/// use diesel::pg::Pg;
/// use larder::Dependencies;
///
/// let of_a_user = Dependencies::<Pg>::new().row::<Order>(7).key(Order::key_by_user_id(42)).tag("prices");
/// # assert!(format!("{of_a_user:?}").contains('3'));
/// ```
pub struct Dependencies<DB> {
    /// In the order of their keys, whatever order they are told in.
    cells: Vec<CellKey>,
    /// How all of it is kept near, if it is.
    near: Near,
    near_ttl: Option<Duration>,
    backend: PhantomData<fn() -> DB>,
}

impl<DB: Backend> Dependencies<DB> {
    /// Nothing.
    #[must_use]
    pub fn new() -> Self {
        Self { cells: Vec::new(), near: Near::Bounded, near_ttl: None, backend: PhantomData }
    }

    /// Any row of this model.
    #[must_use]
    pub fn table<E: Entity>(self) -> Self {
        // Its rows are read past the near cache.
        Self { near: Near::Off, ..self }.cell(payload::table_key(E::cells_name()))
    }

    /// The row that has this primary key, there or not. That of a tenant is named by its repository: `orders.key_of(id)`, for
    /// [`key`](Self::key).
    #[must_use]
    pub fn row<E: Common>(self, key: impl Into<E::Key>) -> Self {
        self.key(KeyOf::<E::Primary>::new(key.into()))
    }

    /// The rows that have this key, had it or come to have it: `Order::key_by_user_id(id)`.
    #[must_use]
    pub fn key<P: Pattern>(self, key: KeyOf<P>) -> Self {
        let key = key.into_key().canonical(DB::KEEPS_NANOSECONDS);
        self.kept_as::<P::Entity>().cell(payload::cell_key::<P>(&key))
    }

    /// Whatever [`Larder::invalidate_tag`](crate::Larder::invalidate_tag) of this tag says has changed.
    #[must_use]
    pub fn tag(self, tag: &str) -> Self {
        Self { near: Near::Off, ..self }.cell(tag_key(tag))
    }

    /// The cells, in the order of their keys.
    #[must_use]
    pub fn cells(&self) -> &[CellKey] {
        &self.cells
    }

    /// Whether a write of what this cell stands for changes them: it is one of theirs, or of a table of which they have any row.
    ///
    /// For cells that a [`Trail`](crate::Trail) has named.
    #[must_use]
    pub fn cover(&self, cell: &CellKey) -> bool {
        let is_of_table = |theirs: &CellKey| theirs.as_bytes().strip_suffix(b"*") == Some(cell.model());
        self.cells.iter().any(|theirs| theirs.as_bytes() == cell.as_bytes() || is_of_table(theirs))
    }

    pub(crate) fn cell(mut self, cell: CellKey) -> Self {
        if let Err(at) = self.cells.binary_search(&cell) {
            self.cells.insert(at, cell);
        }
        self
    }

    /// Rows of `E` are among them.
    fn kept_as<E: Entity>(self) -> Self {
        let is_near = E::NEAR != Near::Off && matches!(E::READS, None | Some(Consistency::Near));
        let near = match self.near {
            _ if !is_near => Near::Off,
            _ if self.cells.is_empty() => E::NEAR,
            near if near == E::NEAR => near,
            // A proof for the one kind says nothing of the other.
            _ => Near::Off,
        };
        let near_ttl = self.near_ttl.into_iter().chain(E::NEAR_TTL).min();
        Self { near, near_ttl, ..self }
    }

    /// Which version of them there is. One round trip, and one more where nobody has loaded some of them.
    pub(crate) fn version(&self, access: Access<'_, DB>) -> Option<Version> {
        let layers = access.layers().filter(|layers| !layers.is_store_spared())?;
        may_wait().ok()?;
        let begun = Instant::now();
        let seen = layers.near().and_then(|near| near.see_all(&self.cells));
        let stamps = layers.found_stamps(&self.cells).and_then(|found| layers.stamps(&self.cells, found));
        if let Some(follower) = access.follower() {
            follower.version(&self.cells, stamps.is_some(), begun);
        }
        let stamps = stamps?;
        let version = self.version_under(&stamps);
        if let Some(near) = layers.near() {
            near.note_version(self.digest(), version.0, seen, &self.cells, self.near_ttl);
        }
        Some(version)
    }

    /// The version in which they have these stamps, in the order of their cells.
    fn version_under(&self, stamps: &[Nonce]) -> Version {
        // With their keys: one write gives the same stamp to all cells that it changes.
        let stamped = self.cells.iter().zip(stamps);
        let of_stamps =
            stamped.fold(Sha256::new(), |digest, (cell, stamp)| named(digest, cell).chain_update(stamp.as_bytes()));
        Version(first_half(of_stamps.finalize().into()))
    }

    /// Drops what is near of them and older than these stamps, if they are seen for the first time.
    pub(super) fn catch_up_near(&self, layers: &Layers, stamps: &[Nonce]) {
        if let Some(near) = layers.near() {
            near.note_version(self.digest(), self.version_under(stamps).0, None, &self.cells, None);
        }
    }

    /// The version of them that is near. Asks nobody.
    pub(crate) fn near_version(&self, access: Access<'_, DB>) -> Option<Version> {
        let near = access.layers()?.near().filter(|_| self.near != Near::Off)?;
        if access.consistency_of(near, self.near) != Consistency::Near {
            return None;
        }
        let version = near.version(near.leave(self.near)?, self.digest())?;
        if let Some(follower) = access.follower() {
            follower.near_version(&self.cells);
        }
        Some(Version(version))
    }

    /// What tells these cells from all others.
    fn digest(&self) -> [u8; 16] {
        first_half(self.cells.iter().fold(Sha256::new(), named).finalize().into())
    }
}

fn named(digest: Sha256, cell: &CellKey) -> Sha256 {
    digest.chain_update((cell.as_bytes().len() as u64).to_le_bytes()).chain_update(cell.as_bytes())
}

fn first_half(digest: [u8; 32]) -> [u8; 16] {
    let mut half = [0; 16];
    half.copy_from_slice(&digest[..16]);
    half
}

impl<DB: Backend> Default for Dependencies<DB> {
    fn default() -> Self {
        Self::new()
    }
}

impl<DB> Clone for Dependencies<DB> {
    fn clone(&self) -> Self {
        Self { cells: self.cells.clone(), ..*self }
    }
}

impl<DB> fmt::Debug for Dependencies<DB> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The keys may be somebody's.
        f.debug_struct("Dependencies").field("n", &self.cells.len()).finish_non_exhaustive()
    }
}

/// A version of what a response is made of. [`Larder::version`](crate::Larder::version) gives it; written as 22 characters of base64url.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Version([u8; 16]);

impl Version {
    /// Its bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&URL_SAFE_NO_PAD.encode(self.0))
    }
}

impl fmt::Debug for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Version({self})")
    }
}

/// One key of an access pattern, to be named without asking for its rows. `Order::key_by_user_id(id)`, which the derive makes, gives it.
pub struct KeyOf<P: Pattern>(P::Key);

impl<P: Pattern> KeyOf<P> {
    #[doc(hidden)]
    #[must_use]
    pub fn new(key: P::Key) -> Self {
        Self(key)
    }

    pub(super) fn into_key(self) -> P::Key {
        self.0
    }
}

impl<P: Pattern> Clone for KeyOf<P> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<P: Pattern> fmt::Debug for KeyOf<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The values may be somebody's.
        write!(f, "{} by {}", P::Entity::NAME, P::COLUMNS.join(", "))
    }
}

/// The cell of a tag.
pub(crate) fn tag_key(tag: &str) -> CellKey {
    // No table's name is empty.
    CellKey::new([b":tag:", tag.as_bytes()].concat(), Layout::STAMP)
}
