//! Operations of the store, counted and shown.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use super::{Counter, Histogram};
use crate::{
    lookout::Lookout,
    store::{
        Cell, CellKey, Cursor, Ending, Fill, Inspected, Lease, Listener, Listening, Nonce, Operation, Position, Recall,
        Scanned, Stamped, Store, StoreError, Subscription, Vacancy,
    },
};

/// What is counted of each operation.
#[derive(Default)]
pub(crate) struct Operations([OperationFigures; Operation::ALL.len()]);

#[derive(Default)]
pub(crate) struct OperationFigures {
    pub(crate) calls: Histogram,
    pub(crate) failed: Counter,
    pub(crate) cells: Counter,
}

impl Operations {
    pub(crate) fn of(&self, operation: Operation) -> &OperationFigures {
        // They are declared in the order of `Operation::ALL`.
        &self.0[operation as usize]
    }
}

/// A store whose operations are counted, and each of which is a span.
pub(crate) struct Timed {
    store: Arc<dyn Store>,
    lookout: Arc<Lookout>,
}

impl Timed {
    pub(crate) fn new(store: Arc<dyn Store>, lookout: Arc<Lookout>) -> Self {
        Self { store, lookout }
    }

    fn timed<T>(
        &self,
        operation: Operation,
        n_cells: usize,
        work: impl FnOnce(&dyn Store) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let span = tracing::debug_span!(
            "larder.store",
            otel.name = %operation,
            otel.kind = "client",
            db.operation.name = %operation,
            db.operation.batch.size = n_cells,
            error.r#type = tracing::field::Empty,
        );
        let _entered = span.enter();
        let begun = Instant::now();
        let result = work(self.store.as_ref());
        let figures = self.lookout.figures.operations.of(operation);
        figures.calls.add(begun.elapsed());
        figures.cells.add(n_cells as u64);
        if let Err(error) = &result {
            figures.failed.one();
            span.record("error.type", kind_of(error));
        }
        result
    }
}

fn kind_of(error: &StoreError) -> &'static str {
    if error.is_timeout() { "timeout" } else { "store" }
}

impl Store for Timed {
    fn attach(&self, hold: Duration) {
        self.store.attach(hold);
    }

    fn read(&self, keys: &[CellKey]) -> Result<Vec<Cell>, StoreError> {
        self.timed(Operation::Read, keys.len(), |store| store.read(keys))
    }

    fn read_stamped(&self, keys: &[CellKey], stamped: &[CellKey]) -> Result<Stamped, StoreError> {
        let n_cells = keys.len() + stamped.len();
        self.timed(Operation::Read, n_cells, |store| store.read_stamped(keys, stamped))
    }

    fn lease(&self, keys: &[(&CellKey, Vacancy)], ttl: Duration) -> Result<Vec<Option<Lease>>, StoreError> {
        self.timed(Operation::Lease, keys.len(), |store| store.lease(keys, ttl))
    }

    fn stamp(&self, keys: &[&CellKey], ttl: Duration) -> Result<Vec<Option<Nonce>>, StoreError> {
        self.timed(Operation::Stamp, keys.len(), |store| store.stamp(keys, ttl))
    }

    fn fill(&self, fills: &[Fill<'_>]) -> Result<Vec<bool>, StoreError> {
        self.timed(Operation::Fill, fills.len(), |store| store.fill(fills))
    }

    fn begin(
        &self,
        nonce: Nonce,
        keys: &[&CellKey],
        hold: Duration,
        recall: Recall,
    ) -> Result<Option<Position>, StoreError> {
        self.timed(Operation::Begin, keys.len(), |store| store.begin(nonce, keys, hold, recall))
    }

    fn finish(&self, nonce: Nonce, endings: &[(&CellKey, Ending)]) -> Result<(), StoreError> {
        self.timed(Operation::Finish, endings.len(), |store| store.finish(nonce, endings))
    }

    fn settle(&self, nonce: Option<Nonce>, keys: &[&CellKey]) -> Result<(), StoreError> {
        self.timed(Operation::Settle, keys.len(), |store| store.settle(nonce, keys))
    }

    fn inspect(&self, keys: &[CellKey]) -> Result<Vec<Inspected>, StoreError> {
        self.timed(Operation::Inspect, keys.len(), |store| store.inspect(keys))
    }

    fn extend(&self, values: &[(&CellKey, Nonce, Duration)]) -> Result<Vec<bool>, StoreError> {
        self.timed(Operation::Extend, values.len(), |store| store.extend(values))
    }

    fn scan(&self, prefix: &[u8], from: Cursor) -> Result<Scanned, StoreError> {
        self.timed(Operation::Scan, 0, |store| store.scan(prefix, from))
    }

    fn listen(&self, listener: Arc<dyn Listener>, wanted: Listening) -> Option<Subscription> {
        self.store.listen(listener, wanted)
    }

    fn may_be_away(&self) -> bool {
        self.store.may_be_away()
    }

    fn at_once(&self) -> Option<usize> {
        self.store.at_once()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operations_are_declared_in_the_order_in_which_they_are_listed() {
        assert!(Operation::ALL.iter().enumerate().all(|(at, operation)| *operation as usize == at));
    }
}
