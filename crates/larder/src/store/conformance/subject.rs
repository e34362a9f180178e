use std::{
    fmt, thread,
    time::{Duration, Instant},
};

use crate::store::{Bytes, Cell, CellKey, Ending, Fill, Layout, Lease, ManualClock, Nonce, Recall, Store, Vacancy};

/// Long enough to outlive a test.
pub(super) const LONG: Duration = Duration::from_secs(600);
/// Short enough to wait for.
pub(super) const SHORT: Duration = Duration::from_millis(150);

const LAYOUT: Layout = Layout::new(1);
const OTHER_LAYOUT: Layout = Layout::new(2);

/// A store under test that holds no cells yet, and the way that its time passes.
pub struct Subject {
    store: Box<dyn Store>,
    clock: Option<ManualClock>,
}

impl Subject {
    /// A store for which time passes as it does for everybody.
    pub fn new(store: impl Store) -> Self {
        Self { store: Box::new(store), clock: None }
    }

    /// The store tells the time by `clock`, so that nobody needs to wait.
    #[must_use]
    pub fn on_clock(mut self, clock: ManualClock) -> Self {
        self.clock = Some(clock);
        self
    }

    pub(super) fn store(&self) -> &dyn Store {
        &*self.store
    }

    pub(super) fn clock(&self) -> Option<&ManualClock> {
        self.clock.as_ref()
    }

    /// Lets time pass until `reached` holds.
    pub(super) fn wait_until(&self, what: &str, mut reached: impl FnMut() -> bool) {
        const STEP: Duration = Duration::from_millis(5);
        let deadline = Instant::now() + Duration::from_secs(10);
        let mut n_steps = 2_000;
        while !reached() {
            match &self.clock {
                Some(clock) => {
                    clock.advance(STEP);
                    n_steps -= 1;
                    assert!(n_steps > 0, "{what}: not within 10 s of the store's clock");
                }
                None => {
                    thread::sleep(STEP);
                    assert!(Instant::now() < deadline, "{what}: not within 10 s");
                }
            }
        }
    }

    pub(super) fn read(&self, key: &CellKey) -> Cell {
        let cells = self.store.read(std::slice::from_ref(key)).expect("a read is answered");
        assert_eq!(cells.len(), 1, "one key gives one cell");
        cells[0].clone()
    }

    pub(super) fn try_lease(&self, key: &CellKey, ttl: Duration) -> Option<Lease> {
        // As a reader does it: it asks for a lease only where it has just seen a vacant cell.
        let vacancy = match self.read(key) {
            Cell::Vacant(vacancy) => vacancy,
            _ => Vacancy::Nothing,
        };
        let leases = self.store.lease(&[(key, vacancy)], ttl).expect("a lease is answered");
        assert_eq!(leases.len(), 1, "one key gives one answer");
        leases[0]
    }

    pub(super) fn lease(&self, key: &CellKey) -> Lease {
        self.try_lease(key, LONG).expect("the cell can be leased")
    }

    pub(super) fn fill_for(&self, key: &CellKey, lease: Lease, value: &[u8], ttl: Duration) -> bool {
        let fill = Fill { key, lease, value: Bytes::copy_from_slice(value), ttl };
        let filled = self.store.fill(&[fill]).expect("a fill is answered");
        assert_eq!(filled.len(), 1, "one fill gives one answer");
        filled[0]
    }

    pub(super) fn fill(&self, key: &CellKey, lease: Lease, value: &[u8]) -> bool {
        self.fill_for(key, lease, value, LONG)
    }

    /// Leases and fills a vacant cell.
    pub(super) fn put(&self, key: &CellKey, value: &[u8]) {
        let lease = self.lease(key);
        assert!(self.fill(key, lease, value), "a fill under its lease is kept");
        assert_eq!(self.read(key), held(value), "what was filled is served");
    }

    pub(super) fn begin_for(&self, key: &CellKey, hold: Duration) -> Nonce {
        let nonce = Nonce::fresh();
        self.store.begin(nonce, &[key], hold, Recall::Announced).expect("a marker is taken");
        nonce
    }

    pub(super) fn begin(&self, key: &CellKey) -> Nonce {
        self.begin_for(key, LONG)
    }

    pub(super) fn finish(&self, key: &CellKey, nonce: Nonce, ending: Ending) {
        self.store.finish(nonce, &[(key, ending)]).expect("a write is finished");
    }

    pub(super) fn settle(&self, key: &CellKey, nonce: Option<Nonce>) {
        self.store.settle(nonce, &[key]).expect("a cell is settled");
    }
}

impl fmt::Debug for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subject").field("clock", &self.clock).finish_non_exhaustive()
    }
}

pub(super) const NOTHING: Cell = Cell::Vacant(Vacancy::Nothing);
pub(super) const FOREIGN: Cell = Cell::Vacant(Vacancy::Foreign);

pub(super) fn key(name: &str) -> CellKey {
    CellKey::new(name.as_bytes(), LAYOUT)
}

/// The same cell, seen by a process that caches its rows in another form.
pub(super) fn elsewhere(key: &CellKey) -> CellKey {
    CellKey::new(key.as_bytes(), OTHER_LAYOUT)
}

pub(super) fn held(value: &[u8]) -> Cell {
    Cell::Value(Bytes::copy_from_slice(value))
}

pub(super) fn stored(value: &[u8]) -> Ending {
    Ending::Value { value: Bytes::copy_from_slice(value), ttl: LONG }
}
