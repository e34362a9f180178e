use std::{fmt, sync::Arc, time::Duration};

use super::{
    Cell, CellKey, Cursor, Ending, Fill, Inspected, Layout, Lease, Listener, Listening, Nonce, Position, Recall,
    Scanned, Stamped, Store, StoreError, Subscription, Vacancy,
};

/// An operation of a [`Store`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Operation {
    /// [`Store::read`] and [`Store::read_stamped`]
    Read,
    /// [`Store::lease`]
    Lease,
    /// [`Store::stamp`]
    Stamp,
    /// [`Store::fill`]
    Fill,
    /// [`Store::begin`]
    Begin,
    /// [`Store::finish`]
    Finish,
    /// [`Store::settle`]
    Settle,
    /// [`Store::inspect`]
    Inspect,
    /// [`Store::extend`]
    Extend,
    /// [`Store::scan`]
    Scan,
}

impl Operation {
    /// All of them: in the order in which a read and then a write use them, and those of maintenance.
    pub const ALL: [Self; 10] = [
        Self::Read,
        Self::Lease,
        Self::Stamp,
        Self::Fill,
        Self::Begin,
        Self::Finish,
        Self::Settle,
        Self::Inspect,
        Self::Extend,
        Self::Scan,
    ];
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Read => "read",
            Self::Lease => "lease",
            Self::Stamp => "stamp",
            Self::Fill => "fill",
            Self::Begin => "begin",
            Self::Finish => "finish",
            Self::Settle => "settle",
            Self::Inspect => "inspect",
            Self::Extend => "extend",
            Self::Scan => "scan",
        })
    }
}

/// A store that tells what it is asked, before it does it: for counting, logging and showing.
///
/// ```
/// use larder::{MemoryStore, store::Watched};
/// let store = Watched::new(MemoryStore::new(), |operation, keys| println!("{operation} of {} cells", keys.len()));
/// # let _ = store;
/// ```
pub struct Watched<S, W> {
    store: S,
    watch: W,
}

impl<S, W> Watched<S, W>
where
    S: Store,
    W: Fn(Operation, &[&CellKey]) + Send + Sync + 'static,
{
    /// Tells `watch` of every call, on the thread that makes it. A call with more keys than [`BATCH`](super::BATCH) is more than one
    /// round trip. The one key of a scan is its prefix.
    pub fn new(store: S, watch: W) -> Self {
        Self { store, watch }
    }
}

impl<S: fmt::Debug, W> fmt::Debug for Watched<S, W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watched").field("store", &self.store).finish_non_exhaustive()
    }
}

impl<S, W> Store for Watched<S, W>
where
    S: Store,
    W: Fn(Operation, &[&CellKey]) + Send + Sync + 'static,
{
    fn attach(&self, hold: Duration) {
        self.store.attach(hold);
    }

    fn read(&self, keys: &[CellKey]) -> Result<Vec<Cell>, StoreError> {
        (self.watch)(Operation::Read, &keys.iter().collect::<Vec<_>>());
        self.store.read(keys)
    }

    fn read_stamped(&self, keys: &[CellKey], stamped: &[CellKey]) -> Result<Stamped, StoreError> {
        (self.watch)(Operation::Read, &keys.iter().chain(stamped).collect::<Vec<_>>());
        self.store.read_stamped(keys, stamped)
    }

    fn lease(&self, keys: &[(&CellKey, Vacancy)], ttl: Duration) -> Result<Vec<Option<Lease>>, StoreError> {
        (self.watch)(Operation::Lease, &keys.iter().map(|(key, _)| *key).collect::<Vec<_>>());
        self.store.lease(keys, ttl)
    }

    fn stamp(&self, keys: &[&CellKey], ttl: Duration) -> Result<Vec<Option<Nonce>>, StoreError> {
        (self.watch)(Operation::Stamp, keys);
        self.store.stamp(keys, ttl)
    }

    fn fill(&self, fills: &[Fill<'_>]) -> Result<Vec<bool>, StoreError> {
        (self.watch)(Operation::Fill, &fills.iter().map(|fill| fill.key).collect::<Vec<_>>());
        self.store.fill(fills)
    }

    fn begin(
        &self,
        nonce: Nonce,
        keys: &[&CellKey],
        hold: Duration,
        recall: Recall,
    ) -> Result<Option<Position>, StoreError> {
        (self.watch)(Operation::Begin, keys);
        self.store.begin(nonce, keys, hold, recall)
    }

    fn finish(&self, nonce: Nonce, endings: &[(&CellKey, Ending)]) -> Result<(), StoreError> {
        (self.watch)(Operation::Finish, &endings.iter().map(|(key, _)| *key).collect::<Vec<_>>());
        self.store.finish(nonce, endings)
    }

    fn settle(&self, nonce: Option<Nonce>, keys: &[&CellKey]) -> Result<(), StoreError> {
        (self.watch)(Operation::Settle, keys);
        self.store.settle(nonce, keys)
    }

    fn inspect(&self, keys: &[CellKey]) -> Result<Vec<Inspected>, StoreError> {
        (self.watch)(Operation::Inspect, &keys.iter().collect::<Vec<_>>());
        self.store.inspect(keys)
    }

    fn extend(&self, values: &[(&CellKey, Nonce, Duration)]) -> Result<Vec<bool>, StoreError> {
        (self.watch)(Operation::Extend, &values.iter().map(|(key, ..)| *key).collect::<Vec<_>>());
        self.store.extend(values)
    }

    fn listen(&self, listener: Arc<dyn Listener>, wanted: Listening) -> Option<Subscription> {
        self.store.listen(listener, wanted)
    }

    fn scan(&self, prefix: &[u8], from: Cursor) -> Result<Scanned, StoreError> {
        (self.watch)(Operation::Scan, &[&CellKey::new(prefix, Layout::UNKNOWN)]);
        self.store.scan(prefix, from)
    }

    fn may_be_away(&self) -> bool {
        self.store.may_be_away()
    }

    fn at_once(&self) -> Option<usize> {
        self.store.at_once()
    }
}
