//! What is kept of a cell: its rows, decoded.

use std::{any::Any, mem::needs_drop, slice, sync::Arc};

use quick_cache::{Lifecycle, Weighter};

use super::slots::Stamp;
use crate::{
    codec::allocated,
    entity::{Entity, Pattern},
    key::Key,
    payload::Rows,
};

/// What is kept of a cell, as a reader gets it.
pub(crate) enum Kept<P: Pattern> {
    /// The row of a unique pattern: that is what is read most, so that it costs one reference count and no more.
    Row(Arc<P::Entity>),
    Rest(Arc<Rest<P>>),
}

/// What is no single row.
pub(crate) struct Rest<P: Pattern> {
    key: P::Key,
    rows: Box<[Arc<P::Entity>]>,
    /// Whether these are all rows of the key.
    is_whole: bool,
}

impl<P: Pattern> Kept<P> {
    /// Rows of a key, as its cell holds them.
    pub(crate) fn of(key: P::Key, mut rows: Rows<Arc<P::Entity>>, is_whole: bool) -> Self {
        match rows.pop() {
            Some(row) if P::UNIQUE => Self::Row(row),
            last => {
                rows.extend(last);
                Self::Rest(Arc::new(Rest { key, rows: rows.into_vec().into_boxed_slice(), is_whole }))
            }
        }
    }

    /// At most `limit` rows: `None` if the database may have more than are here.
    #[inline]
    pub(crate) fn first(&self, limit: usize) -> Option<&[Arc<P::Entity>]> {
        match self {
            Self::Row(row) => Some(&slice::from_ref(row)[..limit.min(1)]),
            Self::Rest(rest) if rest.is_whole || rest.rows.len() >= limit => {
                Some(&rest.rows[..rest.rows.len().min(limit)])
            }
            Self::Rest(_) => None,
        }
    }

    /// The rows that are here, and whether these are all.
    pub(crate) fn all(&self) -> (&[Arc<P::Entity>], bool) {
        match self {
            Self::Row(row) => (slice::from_ref(row), true),
            Self::Rest(rest) => (&rest.rows, rest.is_whole),
        }
    }

    /// How many rows there are, if all are here.
    pub(crate) fn count(&self) -> Option<usize> {
        match self {
            Self::Row(_) => Some(1),
            Self::Rest(rest) => rest.is_whole.then_some(rest.rows.len()),
        }
    }

    /// Reads an entry, which may be that of another key: two may have one hash.
    #[inline]
    pub(super) fn read(what: Arc<dyn Any + Send + Sync>, key: &P::Key) -> Option<Self> {
        if !P::UNIQUE {
            return Self::rest(what, key);
        }
        match what.downcast() {
            Ok(row) => P::is_key_of(&row, key).then_some(Self::Row(row)),
            Err(what) => Self::rest(what, key),
        }
    }

    fn rest(what: Arc<dyn Any + Send + Sync>, key: &P::Key) -> Option<Self> {
        let rest: Arc<Rest<P>> = what.downcast().ok()?;
        (rest.key == *key).then_some(Self::Rest(rest))
    }

    /// How many bytes it takes, without what the map needs for it.
    pub(super) fn n_bytes(&self) -> u64 {
        const REFERENCE_COUNTS: usize = 16;
        let row = |row: &Arc<P::Entity>| allocated(REFERENCE_COUNTS + size_of::<P::Entity>()) + row.heap_bytes();
        let n_bytes = match self {
            Self::Row(only) => row(only),
            Self::Rest(rest) => {
                let mut key = Vec::new();
                if needs_drop::<P::Key>() {
                    rest.key.write_key(&mut key);
                }
                allocated(REFERENCE_COUNTS + size_of::<Rest<P>>())
                    + allocated(key.len())
                    + allocated(rest.rows.len() * size_of::<Arc<P::Entity>>())
                    + rest.rows.iter().map(row).sum::<usize>()
            }
        };
        n_bytes as u64
    }

    pub(super) fn erased(self) -> Arc<dyn Any + Send + Sync> {
        match self {
            Self::Row(row) => row,
            Self::Rest(rest) => rest,
        }
    }
}

/// A copy of whatever type, and its weight.
#[derive(Clone)]
pub(super) struct Entry {
    /// A row, or the rest of what a pattern may have.
    pub(super) what: Arc<dyn Any + Send + Sync>,
    pub(super) stamp: Stamp,
    /// In ticks.
    pub(super) kept_at: u64,
    /// From when on it is to be refreshed.
    pub(super) due: u64,
    pub(super) until: u64,
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
    /// With their hashes: what is put in the place of another of the same hash takes that out too.
    type RequestState = Vec<(u64, Entry)>;

    fn on_evict(&self, evicted: &mut Vec<(u64, Entry)>, hash: u64, entry: Entry) {
        evicted.push((hash, entry));
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
