//! The way of a read or a write through the store. Knows keys and bytes; no SQL, and no model's name.

mod courier;
mod flights;
mod maintenance;
mod repair;
mod settle;
mod sparing;
mod stamped;
mod unsettled;
mod write;

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use bytes::Bytes;

use self::{
    courier::Courier,
    flights::{Flights, Known},
    repair::Repair,
    unsettled::Unsettled,
};
pub(crate) use self::{
    courier::{OnDelivery, Parcel},
    flights::Crew,
    stamped::Dependent,
    write::{Begun, Noted},
};
use crate::{
    event::{self, Event, HandleEvent},
    failpoints::{Point, reach},
    figures::{Bypass, OfModel},
    lookout::Lookout,
    near::{NearCache, NearOptions, Slots},
    store::{BATCH, Breaker, BreakerOptions, Cell, CellKey, Lease, Nonce, Store, StoreError, Vacancy},
};

/// How long things live, and how long they may take.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Times {
    /// A value, unless its model says otherwise.
    pub(crate) ttl: Duration,
    /// The knowledge that no row has a key.
    pub(crate) absent_ttl: Duration,
    /// A lease.
    pub(crate) lease: Duration,
    /// C and I of the protocol: what may pass between the last statement and COMMIT.
    pub(crate) commit_within: Duration,
    /// M of the protocol: a marker.
    pub(crate) hold: Duration,
}

/// The store, and what goes with it.
pub(crate) struct Layers {
    store: Arc<dyn Store>,
    breaker: Option<Arc<Breaker>>,
    near: Option<Arc<NearCache>>,
    /// Counts what is dropped: those of the near cache, if there is one.
    slots: Arc<Slots>,
    times: Times,
    events: Arc<dyn HandleEvent>,
    lookout: Arc<Lookout>,
    courier: Courier,
    flights: Arc<Flights>,
    repair: Repair,
    unsettled: Unsettled,
    jitter: AtomicU32,
}

/// What the store knew of one key.
#[derive(Debug, Clone)]
pub(crate) enum Found {
    Hit(Bytes),
    /// What this process has loaded under a lease that stands: current, but in no cell yet.
    Loaded(Bytes),
    /// This process loads it under that lease: [`Layers::wait_for`] gives it.
    UnderWay(Nonce),
    /// Somebody else loads it, and will have it in the cell in a moment.
    Elsewhere,
    /// Load it, and fill the cell if a lease is to be had.
    Miss(Vacancy),
    /// Load it, and leave the cell alone.
    Bypass(Bypass),
}

impl Layers {
    pub(crate) fn new(
        store: Arc<dyn Store>,
        times: Times,
        events: Arc<dyn HandleEvent>,
        fill_in_background: bool,
        near: Option<NearOptions>,
        breaker: BreakerOptions,
        lookout: Arc<Lookout>,
    ) -> Self {
        let breaker = (breaker.is_on && store.may_be_away())
            .then(|| Arc::new(Breaker::new(Arc::clone(&store), breaker, Arc::clone(&events))));
        let store = breaker.clone().map_or(store, |breaker| breaker);
        let near = near.and_then(|options| {
            let near = NearCache::new(options, store.as_ref(), &lookout);
            if near.is_none() {
                tracing::warn!("the store can't tell of changes: nothing is kept near");
            }
            near
        });
        let slots = near.as_ref().map_or_else(|| Arc::new(Slots::new(1 << 10)), |near| Arc::clone(near.slots()));
        let flights = Arc::new(Flights::default());
        let desk =
            courier::Desk::new(Arc::clone(&store), Arc::clone(&events), Arc::clone(&flights), Arc::clone(&lookout));
        let courier = Courier::new(desk, fill_in_background);
        let repair = Repair::new(Arc::clone(&store), Arc::clone(&events));
        let unsettled = Unsettled::new(Arc::clone(&store), Arc::clone(&events));
        let jitter = AtomicU32::new(0);
        Self { store, breaker, near, slots, times, events, lookout, courier, flights, repair, unsettled, jitter }
    }

    /// Looks keys up, in their order. One round trip a batch.
    pub(crate) fn read(&self, keys: &[CellKey]) -> Vec<Found> {
        let Some(hidden) = self.unsettled.hidden(keys) else { return self.look_up(keys) };
        let asked: Vec<_> =
            keys.iter().zip(&hidden).filter(|(_, hidden)| !**hidden).map(|(key, _)| key.clone()).collect();
        let mut found = if asked.is_empty() { Vec::new() } else { self.look_up(&asked) }.into_iter();
        let bypass = |hidden| if hidden { None } else { found.next() };
        hidden.into_iter().map(bypass).map(|found| found.unwrap_or(Found::Bypass(Bypass::Unsettled))).collect()
    }

    fn look_up(&self, keys: &[CellKey]) -> Vec<Found> {
        reach(Point::BeforeRead);
        let cells = self.store.read(keys);
        reach(Point::AfterRead);
        match cells {
            Ok(cells) if cells.len() == keys.len() => {
                keys.iter().zip(cells).map(|(key, cell)| self.found(key, cell)).collect()
            }
            Ok(_) => {
                self.failed("read", &StoreError::refused("the store gave another number of cells than was asked for"));
                keys.iter().map(|_| Found::Bypass(Bypass::Failed)).collect()
            }
            Err(error) => {
                self.failed("read", &error);
                keys.iter().map(|_| Found::Bypass(Bypass::Failed)).collect()
            }
        }
    }

    /// Takes leases on what was missed, in the order given: the caller must send its query after this has returned. Others of this
    /// process wait for what it loads under them, until it is sent by [`Layers::fill`] or the crew goes. `Err` where nothing may be filled.
    pub(crate) fn lease<'l>(&'l self, keys: &[(&'l CellKey, Vacancy)]) -> (Result<Vec<Option<Lease>>, ()>, Crew<'l>) {
        let asking = self.flights.ask(keys.iter().map(|(key, _)| *key));
        reach(Point::BeforeLease);
        let leases = self.ask_for_leases(keys);
        reach(Point::AfterLease);
        let tokens = leases.iter().flatten().map(|lease| lease.map(|lease| lease.token)).collect::<Vec<_>>();
        let crew = asking.answered(tokens);
        (leases, crew)
    }

    fn ask_for_leases(&self, keys: &[(&CellKey, Vacancy)]) -> Result<Vec<Option<Lease>>, ()> {
        match self.store.lease(keys, self.times.lease) {
            Ok(leases) if leases.len() == keys.len() => Ok(leases),
            Ok(_) => {
                self.failed(
                    "lease",
                    &StoreError::refused("the store gave another number of leases than was asked for"),
                );
                Err(())
            }
            Err(error) => {
                self.failed("lease", &error);
                Err(())
            }
        }
    }

    fn found(&self, key: &CellKey, cell: Cell) -> Found {
        match cell {
            Cell::Value(payload) => Found::Hit(payload),
            Cell::Vacant(vacancy) => Found::Miss(vacancy),
            Cell::Leased(token) => match self.flights.known(key, token) {
                Known::Loaded(value) => Found::Loaded(value),
                Known::UnderWay => Found::UnderWay(token),
                Known::Nothing => Found::Elsewhere,
            },
            Cell::InDoubt => Found::Bypass(Bypass::InDoubt),
        }
    }

    /// How many operations of the store go on at once: `None` if as many as are asked for.
    #[cfg(feature = "tokio")]
    pub(crate) fn at_once(&self) -> Option<usize> {
        self.store.at_once()
    }

    /// For how long a lease lasts, and so does the wait for what others load.
    pub(crate) fn lease_time(&self) -> Duration {
        self.times.lease
    }

    /// Waits for what this process loads under a lease that was seen in the store, until then at most: `None` if it does not come.
    pub(crate) fn wait_for(&self, key: &CellKey, token: Nonce, until: Instant) -> Option<Bytes> {
        self.flights.wait(key, token, until)
    }

    /// Whether a write of this handle has changed the cell, and the store does not know of it yet.
    pub(crate) fn is_hidden(&self, key: &CellKey) -> bool {
        self.unsettled.hidden(std::slice::from_ref(key)).is_some()
    }

    /// Something that was loaded under a lease.
    pub(crate) fn parcel(
        &self,
        key: &CellKey,
        lease: Lease,
        value: Bytes,
        own: Option<Duration>,
        of_model: OfModel,
        delivered: Option<OnDelivery>,
    ) -> Parcel {
        let ttl = self.ttl(own, crate::payload::is_absent(&value));
        Parcel { key: key.clone(), lease, value, ttl, of_model, delivered }
    }

    /// Stores what was loaded under leases, at once or in the background.
    pub(crate) fn fill(&self, parcels: Vec<Parcel>) {
        if !parcels.is_empty() {
            self.courier.send(parcels);
        }
    }

    /// Waits until everything that was loaded has been stored: whether it was within that time.
    pub(crate) fn flush(&self, at_most: Duration) -> bool {
        self.courier.flush(at_most)
    }

    /// Empties cells whose bytes can't be read, so that they can be filled again: what they are then.
    pub(crate) fn discard(&self, keys: &[&CellKey]) -> Option<Vacancy> {
        if keys.is_empty() {
            return None;
        }
        keys.iter().for_each(|key| self.tell(Event::Corrupt { key }));
        match self.store.settle(None, keys) {
            Ok(()) => Some(Vacancy::Nothing),
            Err(error) => {
                self.failed("settle", &error);
                None
            }
        }
    }

    /// The near cache, if there is one.
    #[inline]
    pub(crate) fn near(&self) -> Option<&Arc<NearCache>> {
        self.near.as_ref()
    }

    /// Counts what this handle changes, and what it is told of if it has a near cache.
    pub(crate) fn slots(&self) -> &Arc<Slots> {
        &self.slots
    }

    /// The most cells that one transaction may change: beyond it, marking them would take longer than a COMMIT may wait.
    pub(crate) fn max_cells(&self) -> usize {
        BATCH * 1024
    }

    /// The time to live of a value: up to a tenth less, so that what was filled together does not expire together.
    pub(crate) fn ttl(&self, own: Option<Duration>, absent: bool) -> Duration {
        let ttl = self.longest_ttl(own, absent);
        // Steps of the golden ratio spread any number of values evenly, without asking for randomness each time.
        let step = self.jitter.fetch_add(0x9e37_79b9, Ordering::Relaxed) >> 26;
        ttl - ttl / 640 * step
    }

    /// The time to live of a value, of which no tenth is taken.
    pub(crate) fn longest_ttl(&self, own: Option<Duration>, absent: bool) -> Duration {
        let ttl = own.unwrap_or(self.times.ttl);
        if absent { ttl.min(self.times.absent_ttl) } else { ttl }
    }

    fn failed(&self, operation: &'static str, error: &StoreError) {
        // That the breaker is open was told when it opened, and is counted.
        if !error.is_not_asked() {
            self.tell(Event::StoreFailed { operation, error });
        }
    }

    pub(crate) fn tell(&self, event: Event<'_>) {
        tell(self.events.as_ref(), event);
    }
}

fn tell(events: &dyn HandleEvent, event: Event<'_>) {
    event::trace(event);
    events.handle(event);
}
