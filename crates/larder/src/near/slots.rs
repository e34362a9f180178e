//! Which copies are still good: counters of what was dropped, a slot for many keys.

use std::{
    hash::BuildHasher,
    sync::atomic::{AtomicU32, AtomicU64, Ordering},
    time::{Duration, Instant},
};

#[cfg(not(feature = "failpoints"))]
use quick_cache::DefaultHashBuilder as Hashes;

use crate::store::prefix_of;

/// A test that plays a schedule twice has the same keys share a slot each time.
#[cfg(feature = "failpoints")]
type Hashes = std::hash::BuildHasherDefault<std::hash::DefaultHasher>;

/// One drop, in the upper half of a slot; every drop is a change too.
const KILL: u64 = (1 << 32) | 1;

/// Counts, for each slot, the drops and the changes of its keys. Nothing is removed from anywhere when a key is dropped: a copy knows how
/// many drops its slot had when it was asked for, and is good as long as there was none since.
///
/// Keys that share a slot are dropped together, which costs a miss. A counter that has gone all the way round while a copy lay there
/// would make it good again: 2^32 drops of one slot.
pub(crate) struct Slots {
    counters: Box<[AtomicU64]>,
    hasher: Hashes,
    /// How often everything was dropped.
    flushes: AtomicU32,
    /// How often everything of a table was dropped; tables share a place.
    table_flushes: [AtomicU32; N_TABLES],
    /// When a cell of a table was dropped last, in milliseconds since `start` and one more; tables share a place.
    tables: [AtomicU64; N_TABLES],
    start: Instant,
}

const N_TABLES: usize = 64;

/// What a slot was before a store was asked for a cell in it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Seen {
    slot: u32,
    table: u8,
    counters: u64,
    flushes: u32,
}

/// What a copy is good for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stamp {
    slot: u32,
    table: u8,
    kills: u32,
    flushes: u32,
}

impl Seen {
    pub(super) fn slot(self) -> usize {
        self.slot as usize
    }
}

impl Slots {
    /// As many slots, or up to twice as many.
    pub(crate) fn new(n: usize) -> Self {
        let n = n.clamp(1, 1 << 30).next_power_of_two();
        Self {
            counters: (0..n).map(|_| AtomicU64::new(0)).collect(),
            hasher: Hashes::default(),
            flushes: AtomicU32::new(0),
            table_flushes: [const { AtomicU32::new(0) }; N_TABLES],
            tables: [const { AtomicU64::new(0) }; N_TABLES],
            start: Instant::now(),
        }
    }

    pub(super) fn n_bytes(&self) -> usize {
        size_of_val(&*self.counters)
    }

    /// To be called before the store is asked.
    pub(crate) fn see(&self, key: &[u8]) -> Seen {
        let table = self.place(prefix_of(key));
        let flushes = self.flushes_of(table);
        let slot = self.slot(key);
        Seen { slot, table, counters: self.counter(slot).load(Ordering::SeqCst), flushes }
    }

    /// Drops the copies of a key.
    pub(crate) fn kill(&self, key: &[u8]) {
        self.counter(self.slot(key)).fetch_add(KILL, Ordering::SeqCst);
    }

    /// Drops the copies of these cells, and what depends on any cell of their tables. A key that is only what the keys of a table begin
    /// with stands for all of them: then everything of the table is dropped, and of the tables that share its place.
    pub(crate) fn kill_cells<'k>(&self, keys: impl IntoIterator<Item = &'k [u8]>) {
        let mut last: &[u8] = &[];
        for key in keys {
            let table = prefix_of(key);
            if table.len() == key.len() {
                self.table_flushes[usize::from(self.place(table))].fetch_add(1, Ordering::SeqCst);
            }
            self.kill(key);
            if table != last {
                self.table(table).store(self.milliseconds() + 1, Ordering::SeqCst);
                self.kill(table);
                last = table;
            }
        }
    }

    /// Whether a cell of that table was dropped so lately that the write of it may still be on its way.
    pub(crate) fn may_be_written(&self, table: &[u8], within: Duration) -> bool {
        let dropped = self.table(table).load(Ordering::SeqCst);
        let within = u64::try_from(within.as_millis()).unwrap_or(u64::MAX);
        dropped > 0 && self.milliseconds().saturating_sub(dropped - 1) <= within
    }

    fn table(&self, table: &[u8]) -> &AtomicU64 {
        &self.tables[usize::from(self.place(table))]
    }

    fn place(&self, table: &[u8]) -> u8 {
        u8::try_from(self.hasher.hash_one(table) % N_TABLES as u64).expect("there are 64 places")
    }

    /// How often all of a table was dropped, alone or with everything. Both counters only grow: if the sum is the same, so are they.
    #[inline]
    fn flushes_of(&self, table: u8) -> u32 {
        let of_table = self.table_flushes[usize::from(table)].load(Ordering::SeqCst);
        self.flushes.load(Ordering::SeqCst).wrapping_add(of_table)
    }

    fn milliseconds(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX - 1)
    }

    /// The stamp of what was made since then, unless something was dropped in its slot.
    pub(crate) fn stamp(&self, seen: Seen) -> Option<Stamp> {
        let Seen { slot, table, counters, flushes } = seen;
        let stamp = Stamp { slot, table, kills: kills(counters), flushes };
        self.is_good(stamp).then_some(stamp)
    }

    /// Drops the copies of the key that was seen there.
    pub(super) fn kill_seen(&self, seen: Seen) {
        self.counter(seen.slot).fetch_add(KILL, Ordering::SeqCst);
    }

    /// Drops all copies.
    pub(super) fn kill_all(&self) {
        self.flushes.fetch_add(1, Ordering::SeqCst);
    }

    /// Whether a value that was asked for then may be kept: nothing has been dropped in its slot since, nor has another value been kept,
    /// which may be a newer one. Of two such values one gets it.
    pub(crate) fn claim(&self, seen: Seen) -> Option<Stamp> {
        let Seen { slot, table, counters, flushes } = seen;
        let counter = self.counter(slot);
        counter.compare_exchange(counters, counters.wrapping_add(1), Ordering::SeqCst, Ordering::SeqCst).ok()?;
        (self.flushes_of(table) == flushes).then_some(Stamp { slot, table, kills: kills(counters), flushes })
    }

    /// Makes sure that no older value is kept than one that was just read: what may be kept later is what was read later than this.
    ///
    /// Nobody may be about to keep a copy in the slot. If there is none (`has_copy`), nothing need be dropped.
    pub(super) fn advance(&self, seen: Seen, has_copy: bool) -> Seen {
        let Seen { slot, table, counters, flushes } = seen;
        let counter = self.counter(slot);
        let next = counters.wrapping_add(1);
        let (order, is_next) = (Ordering::SeqCst, |_| next);
        let advanced =
            if has_copy { None } else { counter.compare_exchange(counters, next, order, order).ok().map(is_next) };
        let counters = advanced.unwrap_or_else(|| counter.fetch_add(KILL, order).wrapping_add(KILL));
        Seen { slot, table, counters, flushes }
    }

    /// Whether nothing was dropped since.
    #[inline]
    pub(crate) fn is_good(&self, stamp: Stamp) -> bool {
        kills(self.counter(stamp.slot).load(Ordering::Acquire)) == stamp.kills
            && self.flushes_of(stamp.table) == stamp.flushes
    }

    /// Whether nothing was dropped in its slot since, and nothing was kept there.
    #[inline]
    pub(super) fn is_as_seen(&self, Seen { slot, table, counters, flushes }: Seen) -> bool {
        self.counter(slot).load(Ordering::Acquire) == counters && self.flushes_of(table) == flushes
    }

    fn slot(&self, key: &[u8]) -> u32 {
        let slot = self.hasher.hash_one(key) & (self.counters.len() as u64 - 1);
        u32::try_from(slot).expect("there are at most 2^30 slots, and a power of two of them")
    }

    #[inline]
    fn counter(&self, slot: u32) -> &AtomicU64 {
        &self.counters[slot as usize]
    }
}

fn kills(counters: u64) -> u32 {
    (counters >> 32) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_is_good_until_its_key_is_dropped() {
        let slots = Slots::new(1 << 16);
        let stamp = slots.claim(slots.see(b"a")).unwrap();
        assert!(slots.is_good(stamp));
        slots.kill(b"b");
        assert!(slots.is_good(stamp), "another key, of another slot unless the hasher is unlucky once in 65,536 times");
        slots.kill(b"a");
        assert!(!slots.is_good(stamp));
    }

    #[test]
    fn a_cell_takes_along_what_depends_on_its_table_and_a_table_all_its_cells_and_no_others() {
        let slots = Slots::new(1 << 16);
        // Any other name would do as well, but for one in 64.
        let other = (0..)
            .map(|n| format!("orders{n}:id:1"))
            .find(|key| slots.place(prefix_of(key.as_bytes())) != slots.place(b"users:"));
        let other = other.unwrap().into_bytes();
        let stamps =
            [&b"users:id:1"[..], b"users:id:2", b"users:", &other].map(|key| slots.claim(slots.see(key)).unwrap());
        let good = || stamps.map(|stamp| slots.is_good(stamp));
        slots.kill_cells([&b"users:id:1"[..]]);
        assert_eq!(
            good(),
            [false, true, false, true],
            "unless two of them share a slot, once in some ten thousand times"
        );
        let asked_for = [&b"users:id:3"[..], &other].map(|key| slots.see(key));
        slots.kill_cells([&b"users:"[..]]);
        assert_eq!(good(), [false, false, false, true]);
        assert_eq!(asked_for.map(|seen| slots.is_as_seen(seen)), [false, true]);
        let [before, _] = asked_for;
        assert!(slots.claim(before).is_none(), "what was asked for before is not kept");
        slots.kill_all();
        assert_eq!(good(), [false; 4]);
    }

    #[test]
    fn what_was_asked_for_before_a_drop_is_not_kept() {
        let slots = Slots::new(1);
        let seen = slots.see(b"a");
        slots.kill(b"a");
        assert!(slots.claim(seen).is_none());
        let seen = slots.see(b"a");
        slots.kill_seen(seen);
        assert!(slots.claim(seen).is_none());
    }

    #[test]
    fn of_two_values_that_were_asked_for_at_once_one_is_kept() {
        let slots = Slots::new(1);
        let (first, second) = (slots.see(b"a"), slots.see(b"a"));
        let stamp = slots.claim(second).unwrap();
        assert!(slots.claim(first).is_none());
        assert!(slots.is_good(stamp), "being kept is no drop");
    }

    #[test]
    fn everything_is_dropped_at_once() {
        let slots = Slots::new(1 << 10);
        let (stamp, seen) = (slots.claim(slots.see(b"a")).unwrap(), slots.see(b"b"));
        slots.kill_all();
        assert!(!slots.is_good(stamp));
        assert!(slots.claim(seen).is_none());
        assert!(slots.claim(slots.see(b"b")).is_some());
    }

    #[test]
    fn a_counter_that_overflows_drops_and_never_revives() {
        let slots = Slots::new(1);
        slots.counters[0].store(u64::from(u32::MAX), Ordering::SeqCst);
        // The change carries over into the drops: what was kept by it is not good, and that is all.
        let stamp = slots.claim(slots.see(b"a")).unwrap();
        assert!(!slots.is_good(stamp));
        let stamp = slots.claim(slots.see(b"a")).unwrap();
        assert!(slots.is_good(stamp));
    }
}
