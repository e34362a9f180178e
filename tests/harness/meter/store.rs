use std::{sync::Arc, time::Duration};

use larder::store::{Cell, CellKey, Ending, Fill, Lease, Nonce, Store, StoreError, Vacancy};

use super::{Entry, Meter};
use crate::Operation;

/// A store whose round trips a [`Meter`] counts, the failing ones included.
#[derive(Debug)]
pub struct Metered<S> {
    store: Arc<S>,
    meter: Meter,
}

impl<S: Store> Metered<S> {
    /// Counts what goes to `store` from now on.
    pub fn new(store: S, meter: &Meter) -> Self {
        Self::sharing(Arc::new(store), meter)
    }

    /// The same on a store that others use, too, uncounted.
    pub fn sharing(store: Arc<S>, meter: &Meter) -> Self {
        Self { store, meter: meter.clone() }
    }

    fn note<'k>(&self, operation: Operation, keys: impl Iterator<Item = &'k CellKey>) {
        self.meter.add(Entry::Store { operation, keys: keys.map(ToString::to_string).collect() });
    }
}

impl<S: Store> Store for Metered<S> {
    fn attach(&self, hold: Duration) {
        self.store.attach(hold);
    }

    fn read(&self, keys: &[CellKey]) -> Result<Vec<Cell>, StoreError> {
        self.note(Operation::Read, keys.iter());
        self.store.read(keys)
    }

    fn lease(&self, keys: &[(&CellKey, Vacancy)], ttl: Duration) -> Result<Vec<Option<Lease>>, StoreError> {
        self.note(Operation::Lease, keys.iter().map(|(key, _)| *key));
        self.store.lease(keys, ttl)
    }

    fn fill(&self, fills: &[Fill<'_>]) -> Result<Vec<bool>, StoreError> {
        self.note(Operation::Fill, fills.iter().map(|fill| fill.key));
        self.store.fill(fills)
    }

    fn begin(&self, nonce: Nonce, keys: &[&CellKey], hold: Duration) -> Result<(), StoreError> {
        self.note(Operation::Begin, keys.iter().copied());
        self.store.begin(nonce, keys, hold)
    }

    fn finish(&self, nonce: Nonce, endings: &[(&CellKey, Ending)]) -> Result<(), StoreError> {
        self.note(Operation::Finish, endings.iter().map(|(key, _)| *key));
        self.store.finish(nonce, endings)
    }

    fn settle(&self, nonce: Option<Nonce>, keys: &[&CellKey]) -> Result<(), StoreError> {
        self.note(Operation::Settle, keys.iter().copied());
        self.store.settle(nonce, keys)
    }
}
