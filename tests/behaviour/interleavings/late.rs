use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use larder::store::{
    Cell, CellKey, Cursor, Ending, Fill, Inspected, Lease, Listener, Listening, Nonce, Position, Recall, Scanned,
    Stamped, Store, StoreError, Subscription, Vacancy,
};
use larder_redis::RedisStore;

/// A store to which a `begin` can be on its way for long: its sender gets a time-out, and it arrives when the test says so.
#[derive(Clone)]
pub(super) struct Late {
    inner: Arc<Inner>,
}

struct Inner {
    store: RedisStore,
    postpones: AtomicBool,
    on_its_way: Mutex<Option<(Nonce, Vec<CellKey>, Duration)>>,
}

impl Late {
    pub(super) fn new(store: RedisStore) -> Self {
        Self { inner: Arc::new(Inner { store, postpones: AtomicBool::new(false), on_its_way: Mutex::default() }) }
    }

    pub(super) fn postpone_next_begin(&self) {
        self.inner.postpones.store(true, Ordering::SeqCst);
    }

    /// What was postponed arrives.
    pub(super) fn deliver(&self) {
        let (nonce, keys, hold) = self.inner.on_its_way.lock().unwrap().take().expect("a begin is on its way");
        self.inner.store.begin(nonce, &keys.iter().collect::<Vec<_>>(), hold, Recall::Announced).unwrap();
    }
}

impl Store for Late {
    fn read(&self, keys: &[CellKey]) -> Result<Vec<Cell>, StoreError> {
        self.inner.store.read(keys)
    }

    fn lease(&self, keys: &[(&CellKey, Vacancy)], ttl: Duration) -> Result<Vec<Option<Lease>>, StoreError> {
        self.inner.store.lease(keys, ttl)
    }

    fn fill(&self, fills: &[Fill<'_>]) -> Result<Vec<bool>, StoreError> {
        self.inner.store.fill(fills)
    }

    fn begin(
        &self,
        nonce: Nonce,
        keys: &[&CellKey],
        hold: Duration,
        recall: Recall,
    ) -> Result<Option<Position>, StoreError> {
        if self.inner.postpones.swap(false, Ordering::SeqCst) {
            let keys = keys.iter().map(|key| (*key).clone()).collect();
            *self.inner.on_its_way.lock().unwrap() = Some((nonce, keys, hold));
            return Err(StoreError::timed_out("on its way"));
        }
        self.inner.store.begin(nonce, keys, hold, recall)
    }

    fn finish(&self, nonce: Nonce, endings: &[(&CellKey, Ending)]) -> Result<(), StoreError> {
        self.inner.store.finish(nonce, endings)
    }

    fn settle(&self, nonce: Option<Nonce>, keys: &[&CellKey]) -> Result<(), StoreError> {
        self.inner.store.settle(nonce, keys)
    }

    fn read_stamped(&self, keys: &[CellKey], stamped: &[CellKey]) -> Result<Stamped, StoreError> {
        self.inner.store.read_stamped(keys, stamped)
    }

    fn stamp(&self, keys: &[&CellKey], ttl: Duration) -> Result<Vec<Option<Nonce>>, StoreError> {
        self.inner.store.stamp(keys, ttl)
    }

    fn inspect(&self, keys: &[CellKey]) -> Result<Vec<Inspected>, StoreError> {
        self.inner.store.inspect(keys)
    }

    fn listen(&self, listener: Arc<dyn Listener>, wanted: Listening) -> Option<Subscription> {
        self.inner.store.listen(listener, wanted)
    }

    fn scan(&self, prefix: &[u8], from: Cursor) -> Result<Scanned, StoreError> {
        self.inner.store.scan(prefix, from)
    }
}
