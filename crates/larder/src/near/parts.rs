//! The memory of the near cache: one part for all models, and one for each that has its own.

use std::{
    any::TypeId,
    sync::{
        OnceLock,
        atomic::{AtomicU64, Ordering},
    },
};

use quick_cache::{OptionsBuilder, sync::Cache};

use super::kept::{Bytes, Entry, HandOut, Hashed};
use crate::entity::Entity;

/// All copies.
pub(super) struct Parts {
    common: Part,
    /// A list that only grows, so that walking over it takes no lock: few models have a part.
    own: OnceLock<Box<Own>>,
}

struct Own {
    model: TypeId,
    part: Part,
    next: OnceLock<Box<Own>>,
}

/// Copies by the hashes of their keys, which are kept, together with what the map itself takes, within the bytes that are allowed.
pub(super) struct Part {
    pub(super) copies: Copies,
    n_bytes: AtomicU64,
    n_kept: AtomicU64,
}

type Copies = Cache<u64, Entry, Bytes, Hashed, HandOut>;

impl Parts {
    /// So many bytes in all.
    pub(super) fn new(n_bytes: u64) -> Self {
        Self { common: Part::new(n_bytes), own: OnceLock::new() }
    }

    /// Where the copies of `E` are. A model without [`Entity::NEAR_BYTES`] costs nothing.
    #[inline]
    pub(super) fn of<E: Entity>(&self) -> &Part {
        match E::NEAR_BYTES {
            None => &self.common,
            Some(n_bytes) => self.own(TypeId::of::<E>(), n_bytes),
        }
    }

    /// All of them, the one for all models first.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Part> {
        let own = std::iter::successors(self.own.get(), |own| own.next.get());
        std::iter::once(&self.common).chain(own.map(|own| &own.part))
    }

    fn own(&self, model: TypeId, n_bytes: u64) -> &Part {
        let mut place = &self.own;
        loop {
            // Two that come at once agree on one part, and whoever has lost goes on to the next place.
            let own = place.get_or_init(|| {
                let part = Part::new(self.common.give(n_bytes));
                Box::new(Own { model, part, next: OnceLock::new() })
            });
            if own.model == model {
                return &own.part;
            }
            place = &own.next;
        }
    }
}

impl Part {
    /// How many copies are kept between two looks at the map: of the size that it has then, it may be off by as many.
    const LOOK_EVERY: u64 = 256;

    fn new(n_bytes: u64) -> Self {
        Self { copies: copies(n_bytes), n_bytes: AtomicU64::new(n_bytes), n_kept: AtomicU64::new(0) }
    }

    /// Gives so many bytes away, but half of its own at most: how many. The whole stays as large as it is.
    fn give(&self, n_bytes: u64) -> u64 {
        let own = self.n_bytes.load(Ordering::Relaxed);
        let given = n_bytes.min(own / 2);
        self.n_bytes.store(own - given, Ordering::Relaxed);
        self.fit();
        given
    }

    /// What it may hold, and its map.
    pub(super) fn n_bytes(&self) -> u64 {
        self.n_bytes.load(Ordering::Relaxed)
    }

    /// What its copies and its map take.
    pub(super) fn used_bytes(&self) -> u64 {
        let used = self.copies.memory_used();
        self.copies.weight() + (used.entries + used.map) as u64
    }

    /// One more copy was kept.
    pub(super) fn kept_one_more(&self) {
        if self.n_kept.fetch_add(1, Ordering::Relaxed).is_multiple_of(Self::LOOK_EVERY) {
            self.fit();
        }
    }

    fn fit(&self) {
        // What the map has reserved and never touched does not lie in memory.
        let (n_bytes, used) = (self.n_bytes.load(Ordering::Relaxed), self.copies.memory_used());
        let capacity = n_bytes.saturating_sub((used.entries + used.map) as u64);
        // It is cut into parts, so that it is never quite what was asked for.
        if self.copies.capacity().abs_diff(capacity) > n_bytes / 256 {
            self.copies.set_capacity(capacity);
        }
    }
}

fn copies(n_bytes: u64) -> Copies {
    /// What a copy takes, about: by that the map decides how many keys it remembers of which it has no copy any more.
    const COPY_BYTES: u64 = 512;
    let n_copies = usize::try_from(n_bytes / COPY_BYTES).unwrap_or(usize::MAX);
    // Of two threads that read, few are to meet at one lock.
    let options = OptionsBuilder::new().estimated_items_capacity(n_copies).weight_capacity(n_bytes).shards(64).build();
    Cache::with_options(options.expect("both numbers are given"), Bytes, Hashed, HandOut)
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Big;
    struct Small;

    #[test]
    fn a_part_is_taken_out_of_the_whole_and_is_at_most_half_of_it() {
        let parts = Parts::new(1 << 20);
        let common = parts.common.copies.capacity();
        let (small, big) = (TypeId::of::<Small>(), TypeId::of::<Big>());
        for (model, n_bytes, own, left) in [(small, 1 << 18, 1 << 18, 3 << 18), (big, u64::MAX, 3 << 17, 3 << 17)] {
            // Asked for often, made once.
            for _ in 0..2 {
                assert_eq!(parts.own(model, n_bytes).n_bytes.load(Ordering::Relaxed), own);
                assert_eq!(parts.common.n_bytes.load(Ordering::Relaxed), left);
            }
            assert!(parts.common.copies.capacity() <= left, "{} of {left}", parts.common.copies.capacity());
        }
        assert!(common <= 1 << 20);
    }
}
