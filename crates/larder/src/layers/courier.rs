//! Carries what was loaded to the store, after the caller has it.

use std::{
    panic::{self, AssertUnwindSafe},
    sync::{
        Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError,
        mpsc::{self, Receiver, SyncSender, TrySendError},
    },
    thread,
    time::Duration,
};

use bytes::Bytes;

use super::{flights::Flights, tell};
use crate::{
    event::{Event, HandleEvent},
    failpoints::{Point, reach},
    figures::OfModel,
    lookout::Lookout,
    store::{CellKey, Fill, Lease, Store},
};

/// How many loads may wait, and how many bytes of values; with more, callers carry theirs themselves, which slows them down to what
/// the store can take.
const QUEUE: usize = 256;
const QUEUE_BYTES: usize = 64 << 20;

/// What to do when it is known whether a value was stored.
pub(crate) type OnDelivery = Box<dyn FnOnce(bool) + Send>;

/// A value to be stored under a lease.
pub(crate) struct Parcel {
    pub(crate) key: CellKey,
    pub(crate) lease: Lease,
    pub(crate) value: Bytes,
    pub(crate) ttl: Duration,
    pub(crate) of_model: OfModel,
    pub(crate) delivered: Option<OnDelivery>,
}

/// Fills cells on a thread of its own; meanwhile the flights answer for them.
pub(super) struct Courier {
    desk: Arc<Desk>,
    /// The way to the thread: `None` if there can't be one.
    queue: OnceLock<Option<SyncSender<Vec<Parcel>>>>,
    in_background: bool,
}

/// What caller and courier share.
pub(super) struct Desk {
    store: Arc<dyn Store>,
    events: Arc<dyn HandleEvent>,
    flights: Arc<Flights>,
    lookout: Arc<Lookout>,
    shelf: Mutex<Shelf>,
    /// Told of each delivery.
    delivered: Condvar,
}

/// What was loaded and is not stored yet.
#[derive(Default)]
struct Shelf {
    n_bytes: usize,
    /// How many loads were sent, and how many of them are delivered. They are delivered in the order in which they were sent.
    n_sent: u64,
    n_delivered: u64,
}

impl Courier {
    pub(super) fn new(desk: Desk, in_background: bool) -> Self {
        Self { desk: Arc::new(desk), queue: OnceLock::new(), in_background }
    }

    /// Stores values, sooner or later.
    pub(super) fn send(&self, parcels: Vec<Parcel>) {
        for Parcel { key, lease, value, .. } in &parcels {
            self.desk.flights.land(key, lease.token, value);
        }
        let Some(queue) = self.queue.get_or_init(|| self.in_background.then(|| Desk::open(&self.desk)).flatten())
        else {
            self.desk.deliver(parcels);
            return;
        };
        let n_bytes = parcels.iter().map(|parcel| parcel.value.len()).sum::<usize>();
        let mut shelf = self.desk.shelf();
        if shelf.n_bytes.saturating_add(n_bytes) > QUEUE_BYTES {
            drop(shelf);
            self.desk.deliver(parcels);
            return;
        }
        // Sent under the lock, so that the numbers are in the order of the queue; sending does not wait.
        match queue.try_send(parcels) {
            Ok(()) => {
                shelf.n_sent += 1;
                shelf.n_bytes += n_bytes;
            }
            Err(TrySendError::Full(parcels) | TrySendError::Disconnected(parcels)) => {
                drop(shelf);
                self.desk.deliver(parcels);
            }
        }
    }

    /// Waits until everything that was sent before has been delivered, for `at_most` that long: whether it was.
    pub(super) fn flush(&self, at_most: Duration) -> bool {
        let shelf = self.desk.shelf();
        let n_sent = shelf.n_sent;
        let waited = self.desk.delivered.wait_timeout_while(shelf, at_most, |shelf| shelf.n_delivered < n_sent);
        waited.unwrap_or_else(PoisonError::into_inner).0.n_delivered >= n_sent
    }
}

impl Desk {
    pub(super) fn new(
        store: Arc<dyn Store>,
        events: Arc<dyn HandleEvent>,
        flights: Arc<Flights>,
        lookout: Arc<Lookout>,
    ) -> Self {
        Self { store, events, flights, lookout, shelf: Mutex::default(), delivered: Condvar::new() }
    }

    /// Starts the thread, which ends when nobody can send any more and everything is delivered.
    fn open(desk: &Arc<Self>) -> Option<SyncSender<Vec<Parcel>>> {
        let (sender, parcels) = mpsc::sync_channel(QUEUE);
        let desk = Arc::clone(desk);
        let run =
            move |parcels: Receiver<Vec<Parcel>>| parcels.iter().for_each(|parcels| desk.deliver_and_clear(parcels));
        let started = thread::Builder::new().name("larder-courier".to_owned()).spawn(move || run(parcels));
        started.ok().map(|_| sender)
    }

    fn shelf(&self) -> MutexGuard<'_, Shelf> {
        // Nothing that can panic halfway through a change runs under this lock.
        self.shelf.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn deliver(&self, parcels: Vec<Parcel>) {
        let fills: Vec<Fill<'_>> = parcels
            .iter()
            .map(|Parcel { key, lease, value, ttl, .. }| Fill { key, lease: *lease, value: value.clone(), ttl: *ttl })
            .collect();
        reach(Point::BeforeFill);
        let filled = self.store.fill(&fills);
        reach(Point::AfterFill);
        if let Err(error) = &filled
            && !error.is_not_asked()
        {
            tell(self.events.as_ref(), Event::StoreFailed { operation: "fill", error });
        }
        for (at, parcel) in parcels.into_iter().enumerate() {
            let is_stored = filled.as_ref().is_ok_and(|filled| filled.get(at).copied().unwrap_or(false));
            let figures = (parcel.of_model)(&self.lookout.figures);
            match &filled {
                Ok(_) if is_stored => figures.fills_stored.one(),
                Ok(_) => figures.fills_refused.one(),
                Err(_) => figures.fills_failed.one(),
            }
            if !is_stored && filled.is_ok() {
                tell(self.events.as_ref(), Event::FillRefused { key: &parcel.key });
            }
            if let Some(delivered) = parcel.delivered {
                delivered(is_stored);
            }
            self.flights.end(&parcel.key, parcel.lease.token);
        }
    }

    fn deliver_and_clear(&self, parcels: Vec<Parcel>) {
        let n_bytes: usize = parcels.iter().map(|parcel| parcel.value.len()).sum();
        let leases: Vec<_> = parcels.iter().map(|parcel| (parcel.key.clone(), parcel.lease.token)).collect();
        // Whatever of the user's panics there, the next load is delivered all the same.
        let delivered = panic::catch_unwind(AssertUnwindSafe(|| self.deliver(parcels)));
        if delivered.is_err() {
            leases.iter().for_each(|(key, token)| self.flights.end(key, *token));
        }
        let mut shelf = self.shelf();
        shelf.n_bytes -= n_bytes;
        shelf.n_delivered += 1;
        self.delivered.notify_all();
    }
}
