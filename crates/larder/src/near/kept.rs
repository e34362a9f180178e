//! What is kept of a cell: its rows, decoded.

use std::{any::Any, sync::Arc};

use quick_cache::{Lifecycle, Weighter};

use super::slots::Stamp;
use crate::{entity::Pattern, payload::Rows};

/// The rows of a key, shared by all who read them.
pub(crate) enum Held<E> {
    /// At most one row.
    Unique(Option<Arc<E>>),
    List {
        rows: Box<[Arc<E>]>,
        /// Whether these are all of them.
        is_whole: bool,
    },
}

impl<E> Held<E> {
    /// At most `limit` rows: `None` if the database may have more than are here.
    pub(crate) fn first(&self, limit: usize) -> Option<&[Arc<E>]> {
        match self {
            Self::Unique(row) => Some(row.as_slice()),
            Self::List { rows, is_whole } if *is_whole || rows.len() >= limit => Some(&rows[..rows.len().min(limit)]),
            Self::List { .. } => None,
        }
    }

    /// How many rows there are, if all are here.
    pub(crate) fn count(&self) -> Option<usize> {
        match self {
            Self::Unique(row) => Some(usize::from(row.is_some())),
            Self::List { rows, is_whole } => is_whole.then_some(rows.len()),
        }
    }

    pub(crate) fn of<P: Pattern<Entity = E>>(rows: Rows<Arc<E>>, is_whole: bool) -> Self {
        if P::UNIQUE {
            Self::Unique(rows.into_iter().next())
        } else {
            Self::List { rows: rows.into_vec().into_boxed_slice(), is_whole }
        }
    }

    fn n_rows(&self) -> usize {
        match self {
            Self::Unique(row) => usize::from(row.is_some()),
            Self::List { rows, .. } => rows.len(),
        }
    }
}

/// A copy of a cell.
pub(crate) struct Kept<P: Pattern> {
    pub(super) key: P::Key,
    pub(crate) held: Held<P::Entity>,
    pub(super) stamp: Stamp,
    /// In ticks.
    pub(super) kept_at: u64,
    pub(super) until: u64,
}

impl<P: Pattern> Kept<P> {
    /// About how many bytes it takes, with what the map needs for it. `n_heap_bytes` is what its rows own besides themselves.
    pub(super) fn n_bytes(&self, n_heap_bytes: usize) -> u64 {
        const REFERENCE_COUNTS: usize = 16;
        let row = REFERENCE_COUNTS + size_of::<P::Entity>();
        let list = if P::UNIQUE { 0 } else { size_of::<Arc<P::Entity>>() };
        let n = SLOT_BYTES
            + REFERENCE_COUNTS
            + size_of::<Self>()
            + self.held.n_rows() * (row + list + ALLOCATION_BYTES)
            + n_heap_bytes;
        n as u64
    }
}

/// What the map needs for an entry: the entry itself in a list of its own, and some bytes of a table.
const SLOT_BYTES: usize = 64;

/// What an allocator adds to a small piece of memory, on average.
const ALLOCATION_BYTES: usize = 8;

/// A copy of whatever type, and its weight.
#[derive(Clone)]
pub(super) struct Entry {
    pub(super) kept: Arc<dyn Any + Send + Sync>,
    pub(super) n_bytes: u64,
}

#[derive(Clone)]
pub(super) struct Bytes;

impl Weighter<u64, Entry> for Bytes {
    fn weight(&self, _key: &u64, entry: &Entry) -> u64 {
        entry.n_bytes
    }
}

/// Takes what was evicted out of the map's lock, since dropping a row may run the user's code.
#[derive(Clone)]
pub(super) struct HandOut;

impl Lifecycle<u64, Entry> for HandOut {
    type RequestState = Vec<Entry>;

    fn on_evict(&self, evicted: &mut Vec<Entry>, _key: u64, entry: Entry) {
        evicted.push(entry);
    }
}

/// A hash is its own hash.
#[derive(Clone, Default)]
pub(super) struct Hashed;

impl std::hash::BuildHasher for Hashed {
    type Hasher = Identity;

    fn build_hasher(&self) -> Identity {
        Identity(0)
    }
}

pub(super) struct Identity(u64);

impl std::hash::Hasher for Identity {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        // Only hashes are hashed, by `write_u64`; whatever else comes is mixed in somehow.
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}
