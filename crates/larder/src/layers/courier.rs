//! Carries what was loaded to the store, after the caller has it.

use std::{
    collections::HashMap,
    sync::{
        Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError,
        mpsc::{self, Receiver, SyncSender, TrySendError},
    },
    thread,
    time::Duration,
};

use bytes::Bytes;

use super::tell;
use crate::{
    event::{Event, HandleEvent},
    store::{CellKey, Fill, Lease, Nonce, Store},
};

/// How many loads may wait; with more, callers carry theirs themselves, which slows them down to what the store can take.
const QUEUE: usize = 256;

/// A value to be stored under a lease.
#[derive(Debug, Clone)]
pub(crate) struct Parcel {
    pub(crate) key: CellKey,
    pub(crate) lease: Lease,
    pub(crate) value: Bytes,
    pub(crate) ttl: Duration,
}

/// Fills cells on a thread of its own, and meanwhile answers for them.
pub(super) struct Courier {
    desk: Arc<Desk>,
    /// The way to the thread: `None` if there can't be one.
    queue: OnceLock<Option<SyncSender<Vec<Parcel>>>>,
    in_background: bool,
}

/// What caller and courier share.
struct Desk {
    store: Arc<dyn Store>,
    events: Arc<dyn HandleEvent>,
    /// What was loaded and is not stored yet.
    waiting: Mutex<HashMap<CellKey, (Nonce, Bytes)>>,
    cleared: Condvar,
}

impl Courier {
    pub(super) fn new(store: Arc<dyn Store>, events: Arc<dyn HandleEvent>, in_background: bool) -> Self {
        let desk = Desk { store, events, waiting: Mutex::default(), cleared: Condvar::new() };
        Self { desk: Arc::new(desk), queue: OnceLock::new(), in_background }
    }

    /// Stores values, sooner or later.
    pub(super) fn send(&self, parcels: Vec<Parcel>) {
        let Some(queue) = self.queue.get_or_init(|| self.in_background.then(|| Desk::open(&self.desk)).flatten())
        else {
            self.desk.deliver(&parcels);
            return;
        };
        {
            let mut waiting = self.desk.waiting();
            for Parcel { key, lease, value, .. } in &parcels {
                waiting.insert(key.clone(), (lease.token, value.clone()));
            }
        }
        if let Err(TrySendError::Full(parcels) | TrySendError::Disconnected(parcels)) = queue.try_send(parcels) {
            self.desk.deliver(&parcels);
        }
    }

    /// The value that was loaded under this very lease.
    ///
    /// Whoever has just seen the lease in the store may take it: no writer has come near since it was granted, or the lease
    /// would be gone (`join` in the protocol's search).
    pub(super) fn loaded(&self, key: &CellKey, token: Nonce) -> Option<Bytes> {
        if !self.in_background {
            return None;
        }
        self.desk.waiting().get(key).filter(|(theirs, _)| *theirs == token).map(|(_, value)| value.clone())
    }

    /// Waits until everything that was sent has been delivered, for `at_most` that long: whether it was.
    pub(super) fn flush(&self, at_most: Duration) -> bool {
        let waiting = self.desk.waiting();
        let waited = self.desk.cleared.wait_timeout_while(waiting, at_most, |waiting| !waiting.is_empty());
        waited.unwrap_or_else(PoisonError::into_inner).0.is_empty()
    }
}

impl Desk {
    /// Starts the thread, which ends when nobody can send any more and everything is delivered.
    fn open(desk: &Arc<Self>) -> Option<SyncSender<Vec<Parcel>>> {
        let (sender, parcels) = mpsc::sync_channel(QUEUE);
        let desk = Arc::clone(desk);
        let run = move |parcels: Receiver<Vec<Parcel>>| parcels.iter().for_each(|parcels| desk.deliver(&parcels));
        let started = thread::Builder::new().name("larder-courier".to_owned()).spawn(move || run(parcels));
        started.ok().map(|_| sender)
    }

    fn waiting(&self) -> MutexGuard<'_, HashMap<CellKey, (Nonce, Bytes)>> {
        // Nothing that can panic halfway through a change runs under this lock.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn deliver(&self, parcels: &[Parcel]) {
        let fills: Vec<Fill<'_>> = parcels
            .iter()
            .map(|Parcel { key, lease, value, ttl }| Fill { key, lease: *lease, value: value.clone(), ttl: *ttl })
            .collect();
        match self.store.fill(&fills) {
            Ok(filled) => {
                for (parcel, _) in parcels.iter().zip(filled).filter(|(_, filled)| !filled) {
                    tell(self.events.as_ref(), Event::FillRefused { key: &parcel.key });
                }
            }
            Err(error) => tell(self.events.as_ref(), Event::StoreFailed { operation: "fill", error: &error }),
        }
        let mut waiting = self.waiting();
        for Parcel { key, lease, .. } in parcels {
            if waiting.get(key).is_some_and(|(token, _)| *token == lease.token) {
                waiting.remove(key);
            }
        }
        if waiting.is_empty() {
            self.cleared.notify_all();
        }
    }
}
