//! The map of the copies, and how much of the memory that is allowed is left to them.

use std::sync::atomic::{AtomicU64, Ordering};

use quick_cache::{OptionsBuilder, sync::Cache};

use super::kept::{Bytes, Entry, HandOut, Hashed};

pub(super) type Copies = Cache<u64, Entry, Bytes, Hashed, HandOut>;

/// A map for so many bytes.
pub(super) fn copies(n_bytes: u64) -> Copies {
    /// What a copy takes, about: by that the map decides how many keys it remembers of which it has no copy any more.
    const COPY_BYTES: u64 = 512;
    let n_copies = usize::try_from(n_bytes / COPY_BYTES).unwrap_or(usize::MAX);
    // Of two threads that read, few are to meet at one lock.
    let options = OptionsBuilder::new().estimated_items_capacity(n_copies).weight_capacity(n_bytes).shards(64).build();
    Cache::with_options(options.expect("both numbers are given"), Bytes, Hashed, HandOut)
}

/// Keeps the copies, together with what the map itself takes, within the bytes that are allowed.
pub(super) struct Budget {
    n_bytes: u64,
    n_kept: AtomicU64,
}

impl Budget {
    /// How many copies are kept between two looks at the map: of the size that it has then, it may be off by as many.
    const LOOK_EVERY: u64 = 256;

    pub(super) fn new(n_bytes: u64) -> Self {
        Self { n_bytes, n_kept: AtomicU64::new(0) }
    }

    /// One more copy was kept.
    pub(super) fn note(&self, copies: &Copies) {
        if !self.n_kept.fetch_add(1, Ordering::Relaxed).is_multiple_of(Self::LOOK_EVERY) {
            return;
        }
        // What it has reserved and never touched does not lie in memory.
        let used = copies.memory_used();
        let capacity = self.n_bytes.saturating_sub((used.entries + used.map) as u64);
        // It is cut into parts, so that it is never quite what was asked for.
        if copies.capacity().abs_diff(capacity) > self.n_bytes / 256 {
            copies.set_capacity(capacity);
        }
    }
}
