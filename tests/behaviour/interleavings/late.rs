use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use larder::store::{self, CellKey, Nonce, Position, Recall, Store, StoreError};
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
    store::forward!(self.inner.store, except begin);

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
}
