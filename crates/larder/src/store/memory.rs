mod listeners;
mod marker;
mod shard;

use std::{
    fmt,
    hash::BuildHasher,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use quick_cache::DefaultHashBuilder;

use self::{listeners::Listeners, shard::Shard};
use super::{
    Bytes, Cell, CellKey, Clock, Cursor, Ending, Fence, Fill, Inspected, Lease, Listener, Listening, Nonce, Position,
    Recall, Scanned, Stamped, Store, StoreError, Subscription, SystemClock, Vacancy,
};

/// The one life of a store that can't lose its memory while somebody can ask it.
const FENCE: Fence = Fence(*b"inmemory");

/// The memory that a shard should have at least, so that a large value still fits into one.
const SHARD_BYTES: u64 = 4 << 20;

/// More shards than this gain nothing on today's machines.
const MAX_SHARDS: u64 = 64;

/// A store in this process: the embedded default.
///
/// It follows the same protocol as a shared store and keeps it coherent for every handle and thread of this process, and for
/// no other process. It never fails, never blocks on more than a short lock, and never refuses a lease for a time of its own.
///
/// Values and leases are evicted when the capacity is reached (a variant of S3-FIFO); markers never are, and stand outside the
/// capacity: some 100 bytes for each key that is being written. What has expired goes away when it is touched or evicted.
///
/// A hit costs two hashes of the key, one uncontended lock and a reference count; the bytes are shared, not copied.
///
/// A page of a [scan](Store::scan) is one of up to 64 parts, whose lock is held while its keys are looked through.
pub struct MemoryStore {
    shards: Box<[Mutex<Shard>]>,
    hasher: DefaultHashBuilder,
    clock: Box<dyn Clock>,
    listeners: Listeners,
}

impl MemoryStore {
    /// The capacity of [`MemoryStore::new`]: 64 MiB.
    pub const DEFAULT_CAPACITY_BYTES: u64 = 64 << 20;

    /// An empty store of [`DEFAULT_CAPACITY_BYTES`](Self::DEFAULT_CAPACITY_BYTES) on the system's clock.
    #[must_use]
    pub fn new() -> Self {
        Self::with_capacity_bytes(Self::DEFAULT_CAPACITY_BYTES)
    }

    /// An empty store for about `capacity_bytes` of keys and values, with what it takes to hold them.
    ///
    /// The capacity is split evenly into at most 64 parts of at least 4 MiB, and a value that is larger than its part is not
    /// kept. A store of 0 bytes keeps nothing, and is coherent all the same.
    #[must_use]
    pub fn with_capacity_bytes(capacity_bytes: u64) -> Self {
        let n_shards = 1 << (capacity_bytes / SHARD_BYTES).clamp(1, MAX_SHARDS).ilog2();
        let shards = (0..n_shards).map(|_| Mutex::new(Shard::new(capacity_bytes / n_shards))).collect();
        Self {
            shards,
            hasher: DefaultHashBuilder::default(),
            clock: Box::new(SystemClock::default()),
            listeners: Listeners::default(),
        }
    }

    /// Tells the time by `clock` from now on. Meant for a store that holds nothing yet.
    ///
    /// Defaults to [`SystemClock`].
    #[must_use]
    pub fn with_clock(mut self, clock: impl Clock) -> Self {
        self.clock = Box::new(clock);
        self
    }

    fn shard(&self, key: &CellKey) -> MutexGuard<'_, Shard> {
        // The number of shards is a power of two, and the high bits of the hash are as good as the low ones.
        let hash = (self.hasher.hash_one(key.as_bytes()) >> 32) as usize;
        lock(&self.shards[hash & (self.shards.len() - 1)])
    }
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryStore").field("n_shards", &self.shards.len()).finish_non_exhaustive()
    }
}

// The clock is read once a call and before any lock is taken: it may be the caller's code, and a reading that is a moment old
// only makes a lease or a marker seem to live that moment longer.
impl Store for MemoryStore {
    fn may_be_away(&self) -> bool {
        false
    }

    fn read(&self, keys: &[CellKey]) -> Result<Vec<Cell>, StoreError> {
        let now = self.clock.now();
        Ok(keys.iter().map(|key| self.shard(key).read(key, now)).collect())
    }

    fn read_stamped(&self, keys: &[CellKey], stamped: &[CellKey]) -> Result<Stamped, StoreError> {
        let cells = self.read(keys)?;
        let now = self.clock.now();
        Ok((cells, stamped.iter().map(|key| self.shard(key).stamp(key, now)).collect()))
    }

    fn lease(&self, keys: &[(&CellKey, Vacancy)], ttl: Duration) -> Result<Vec<Option<Lease>>, StoreError> {
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        let now = self.clock.now();
        let deadline = now.saturating_add(ttl);
        let lease = Lease { token: Nonce::fresh(), fence: FENCE };
        Ok(keys
            .iter()
            .map(|(key, vacancy)| self.shard(key).lease(key, *vacancy, lease.token, deadline, now).then_some(lease))
            .collect())
    }

    fn stamp(&self, keys: &[&CellKey], ttl: Duration) -> Result<Vec<Option<Nonce>>, StoreError> {
        let now = self.clock.now();
        let (stamp, deadline) = (Nonce::fresh(), now.saturating_add(ttl));
        Ok(keys.iter().map(|key| self.shard(key).put_stamp(key, stamp, deadline, now)).collect())
    }

    fn fill(&self, fills: &[Fill<'_>]) -> Result<Vec<bool>, StoreError> {
        let now = self.clock.now();
        Ok(fills
            .iter()
            .map(|fill| {
                let (value, deadline) = (own(&fill.value), now.saturating_add(fill.ttl));
                fill.lease.fence == FENCE && self.shard(fill.key).fill(fill.key, fill.lease.token, value, deadline, now)
            })
            .collect())
    }

    fn begin(
        &self,
        nonce: Nonce,
        keys: &[&CellKey],
        hold: Duration,
        recall: Recall,
    ) -> Result<Option<Position>, StoreError> {
        let now = self.clock.now();
        let deadline = now.saturating_add(hold);
        for key in keys {
            self.shard(key).begin(key, nonce, deadline, now);
        }
        // Whoever holds copies has dropped them when this returns, so there is nothing to wait for.
        let _ = recall;
        Ok((!keys.is_empty()).then(|| self.listeners.begun(keys)))
    }

    fn finish(&self, nonce: Nonce, endings: &[(&CellKey, Ending)]) -> Result<(), StoreError> {
        let now = self.clock.now();
        let mut told = Vec::new();
        for (key, ending) in endings {
            let ending = match ending {
                Ending::Value { value, ttl } => Ending::Value { value: own(value), ttl: *ttl },
                other => other.clone(),
            };
            if self.shard(key).finish(key, nonce, ending, now) {
                told.push(*key);
            }
        }
        if !told.is_empty() {
            self.listeners.emptied(&told);
        }
        Ok(())
    }

    fn settle(&self, nonce: Option<Nonce>, keys: &[&CellKey]) -> Result<(), StoreError> {
        let now = self.clock.now();
        for key in keys {
            self.shard(key).settle(key, nonce, now);
        }
        self.listeners.emptied(keys);
        Ok(())
    }

    fn inspect(&self, keys: &[CellKey]) -> Result<Vec<Inspected>, StoreError> {
        let now = self.clock.now();
        Ok(keys.iter().map(|key| self.shard(key).inspect(key, now)).collect())
    }

    fn extend(&self, values: &[(&CellKey, Nonce, Duration)]) -> Result<Vec<bool>, StoreError> {
        let now = self.clock.now();
        let extend = |(key, stamp, ttl): &(&CellKey, _, _)| {
            let deadline = now.saturating_add(*ttl);
            self.shard(key).extend(key, *stamp, deadline, now)
        };
        Ok(values.iter().map(extend).collect())
    }

    fn listen(&self, listener: Arc<dyn Listener>, _wanted: Listening) -> Option<Subscription> {
        Some(self.listeners.add(listener))
    }

    fn scan(&self, prefix: &[u8], from: Cursor) -> Result<Scanned, StoreError> {
        let now = self.clock.now();
        let at = usize::try_from(from.position()).unwrap_or(usize::MAX);
        // A key never changes its part, so one that stays is met when its part is looked through.
        let keys = self.shards.get(at).map_or_else(Vec::new, |shard| lock(shard).keys(prefix, now));
        let next = (at.saturating_add(1) < self.shards.len()).then(|| Cursor::new(from.position() + 1, FENCE));
        Ok(Scanned { keys, next })
    }
}

fn lock(shard: &Mutex<Shard>) -> MutexGuard<'_, Shard> {
    // Nothing that can panic halfway through a change runs under this lock.
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A copy, because a slice would keep the whole buffer alive that it was cut from, and the capacity would be a lie.
fn own(value: &Bytes) -> Bytes {
    Bytes::copy_from_slice(value)
}

#[cfg(test)]
mod tests {
    use std::slice;

    use super::*;
    use crate::store::{Layout, ManualClock, conformance::Subject};

    fn fresh() -> Subject {
        let clock = ManualClock::default();
        Subject::new(MemoryStore::new().with_clock(clock.clone())).on_clock(clock)
    }

    crate::store_conformance_tests!(fresh);

    const LONG: Duration = Duration::from_secs(600);

    fn key(n: usize) -> CellKey {
        CellKey::new(format!("users:id:{n}").into_bytes(), Layout::new(1))
    }

    fn put(store: &MemoryStore, key: &CellKey, value: Bytes) {
        let lease = store.lease(&[(key, Vacancy::Nothing)], LONG).unwrap()[0].expect("the cell is vacant");
        store.fill(&[Fill { key, lease, value, ttl: LONG }]).unwrap();
    }

    #[test]
    fn the_capacity_bounds_what_is_kept_and_evicts_no_marker() {
        const N_KEYS: usize = 20_000;
        const CAPACITY_BYTES: u64 = 1 << 20;
        let store = MemoryStore::with_capacity_bytes(CAPACITY_BYTES);
        let marked: Vec<CellKey> = (N_KEYS..N_KEYS + 100).map(key).collect();
        store.begin(Nonce::fresh(), &marked.iter().collect::<Vec<_>>(), LONG, Recall::Announced).unwrap();
        let keys: Vec<CellKey> = (0..N_KEYS).map(key).collect();
        for key in &keys {
            put(&store, key, Bytes::from(vec![7; 500]));
        }
        let n_kept = store.read(&keys).unwrap().iter().filter(|cell| matches!(cell, Cell::Value(_))).count();
        assert!((1_000..2_000).contains(&n_kept), "{n_kept} values of 500 bytes in 1 MiB");
        assert!(store.read(&marked).unwrap().iter().all(|cell| *cell == Cell::InDoubt));
    }

    #[test]
    fn a_value_beyond_the_capacity_is_not_kept_and_hides_no_older_one() {
        let store = MemoryStore::with_capacity_bytes(10_000);
        let (key, nonce) = (key(1), Nonce::fresh());
        put(&store, &key, Bytes::from_static(b"old"));
        store.begin(nonce, &[&key], LONG, Recall::Announced).unwrap();
        let value = Bytes::from(vec![7; 20_000]);
        store.finish(nonce, &[(&key, Ending::Value { value: value.clone(), ttl: LONG })]).unwrap();
        assert_eq!(store.read(slice::from_ref(&key)).unwrap(), [Cell::Vacant(Vacancy::Nothing)]);
        put(&store, &key, value);
        assert_eq!(store.read(slice::from_ref(&key)).unwrap(), [Cell::Vacant(Vacancy::Nothing)]);
    }

    #[test]
    fn a_store_of_no_capacity_keeps_markers_and_nothing_else() {
        let store = MemoryStore::with_capacity_bytes(0);
        let key = key(1);
        put(&store, &key, Bytes::from_static(b"one"));
        assert_eq!(store.read(slice::from_ref(&key)).unwrap(), [Cell::Vacant(Vacancy::Nothing)]);
        store.begin(Nonce::fresh(), &[&key], LONG, Recall::Announced).unwrap();
        assert_eq!(store.read(slice::from_ref(&key)).unwrap(), [Cell::InDoubt]);
    }

    #[test]
    fn markers_that_nobody_ended_are_swept_away() {
        const N_KEYS: usize = 10_000;
        let clock = ManualClock::default();
        let store = MemoryStore::with_capacity_bytes(0).with_clock(clock.clone());
        let (hold, lasting) = (Duration::from_secs(15), key(N_KEYS));
        store.begin(Nonce::fresh(), &[&lasting], Duration::MAX, Recall::Announced).unwrap();
        for n in 0..N_KEYS {
            store.begin(Nonce::fresh(), &[&key(n)], hold, Recall::Announced).unwrap();
            clock.advance(Duration::from_secs(1));
        }
        let n_marked: usize = store.shards.iter().map(|shard| shard.lock().unwrap().n_marked()).sum();
        assert!(n_marked <= 64, "{n_marked} markers, of which at most 16 live");
        assert_eq!(store.read(&[lasting]).unwrap(), [Cell::InDoubt]);
    }

    #[test]
    fn a_small_slice_does_not_keep_its_large_buffer_alive() {
        let store = MemoryStore::new();
        let (key, buffer) = (key(1), Bytes::from(vec![7; 1 << 20]));
        put(&store, &key, buffer.slice(..10));
        assert!(buffer.is_unique());
    }
}
