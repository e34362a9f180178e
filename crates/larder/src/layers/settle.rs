//! Settling many cells without keeping others from the store.

use std::time::{Duration, Instant};

#[cfg(feature = "postgres")]
use super::{Layers, Noted, unsettled::Outcome};
use crate::store::{BATCH, CellKey, Cursor, Layout, Scanned, Store, StoreError};
#[cfg(feature = "postgres")]
use crate::{
    event::Event,
    failpoints::{Point, reach},
};

/// Settles cells, a batch a call, and rests after each batch but the last for as long as it took: whether all are settled.
///
/// It stops early when `rest` says so. To be repeated from the start after an error.
pub(crate) fn settle_cells(
    store: &dyn Store,
    keys: &[&CellKey],
    mut rest: impl FnMut(Duration) -> bool,
) -> Result<bool, StoreError> {
    let mut batches = keys.chunks(BATCH).peekable();
    while let Some(batch) = batches.next() {
        let sent = Instant::now();
        store.settle(None, batch)?;
        if batches.peek().is_some() && !rest(sent.elapsed()) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Settles every cell whose key begins with `prefix`, as [`settle_cells`] does, and tells how many they were.
///
/// What lies in a cell when this begins is found, since its key is there all the time; what comes into a cell later was loaded later.
pub(crate) fn settle_all(
    store: &dyn Store,
    prefix: &[u8],
    mut rest: impl FnMut(Duration) -> bool,
) -> Result<(bool, usize), StoreError> {
    let (mut from, mut n_cells) = (Cursor::START, 0);
    loop {
        let sent = Instant::now();
        let Scanned { keys, next } = store.scan(prefix, from)?;
        n_cells += keys.len();
        if !settle_cells(store, &keys.iter().collect::<Vec<_>>(), &mut rest)? {
            return Ok((false, n_cells));
        }
        match next {
            Some(next) if rest(sent.elapsed()) => from = next,
            Some(_) => return Ok((false, n_cells)),
            None => {
                // Copies outlive the values that they are of, so there may be some of which no cell was found.
                store.settle(None, &[&CellKey::new(prefix.to_vec(), Layout::UNKNOWN)])?;
                return Ok((true, n_cells));
            }
        }
    }
}

/// What a relay does with the store of its handle.
#[cfg(feature = "postgres")]
impl Layers {
    /// As [`settle_cells`].
    pub(crate) fn settle_cells(
        &self,
        keys: &[&CellKey],
        rest: impl FnMut(Duration) -> bool,
    ) -> Result<bool, StoreError> {
        settle_cells(self.store.as_ref(), keys, rest)
    }

    /// As [`settle_all`].
    pub(crate) fn settle_all(
        &self,
        prefix: &[u8],
        rest: impl FnMut(Duration) -> bool,
    ) -> Result<(bool, usize), StoreError> {
        settle_all(self.store.as_ref(), prefix, rest)
    }

    /// As [`Layers::note`], of all cells of a table, whose keys begin with `prefix`.
    pub(crate) fn note_all(&self, prefix: &[u8]) -> Noted {
        let noted = Noted { note: self.unsettled.note_table(prefix), n_cells: 0, since: Instant::now() };
        self.drop_near(&[&CellKey::new(prefix, Layout::UNKNOWN)]);
        noted
    }

    /// Settles all cells of a table that was noted and rewritten: how many they were. If the store fails, they stay noted, and it is
    /// tried again in the background.
    pub(crate) fn settle_noted(&self, noted: Noted, prefix: &[u8]) -> Option<usize> {
        reach(Point::BeforeSettle);
        let settled = self.settle_all(prefix, |took| self.rest(took));
        reach(Point::AfterSettle);
        let settled = self.end_noted(noted, prefix, settled.map(|(_, n_cells)| n_cells));
        settled.map_err(|error| self.failed("settle", &error)).ok()
    }

    /// Leaves the store to others for so long: whether to go on after it.
    pub(crate) fn rest(&self, time: Duration) -> bool {
        self.unsettled.rest(time)
    }

    /// Ends a note of a table whose cells were settled, or were not: then they stay noted, and it is tried again in the background.
    pub(crate) fn end_noted(
        &self,
        noted: Noted,
        prefix: &[u8],
        settled: Result<usize, StoreError>,
    ) -> Result<usize, StoreError> {
        // Once more: what depends on these rows may have been computed since, from the old ones.
        self.drop_near(&[&CellKey::new(prefix, Layout::UNKNOWN)]);
        let outcome = if settled.is_ok() { Outcome::RolledBack } else { Outcome::Committed };
        self.unsettled.end(noted.note, outcome);
        settled
    }

    /// A table that was noted was not rewritten, as far as is known.
    pub(crate) fn give_up_noted(&self, noted: Noted, may_have_committed: bool) {
        let outcome = if may_have_committed {
            Outcome::Unknown { until: noted.since + self.times.hold }
        } else {
            Outcome::RolledBack
        };
        self.unsettled.end(noted.note, outcome);
    }

    /// A relay has settled rows of the outbox.
    pub(crate) fn relayed(&self, n_cells: usize, lag: Duration) {
        self.lookout.figures.relay_lag.add(lag);
        self.tell(Event::Relayed { n_cells, lag });
    }

    /// The store failed a relay.
    pub(crate) fn relay_failed(&self, error: &StoreError) {
        self.failed("relay", error);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    };

    use super::*;
    use crate::store::{Bytes, Cell, Fill, MemoryStore, Operation, Vacancy, Watched, prefix_of};

    /// A store with so many values, and the number of times that it was told to settle some.
    fn store_with(n: usize) -> (Vec<CellKey>, impl Store, Arc<AtomicUsize>) {
        let n_settled = Arc::new(AtomicUsize::new(0));
        let store = Watched::new(MemoryStore::new(), {
            let n_settled = Arc::clone(&n_settled);
            move |operation, keys| {
                let counts = operation == Operation::Settle && !keys.is_empty();
                n_settled.fetch_add(usize::from(counts), Ordering::SeqCst);
            }
        });
        let keys: Vec<_> = (0..n).map(|n| CellKey::new(format!("users:id:{n}").into_bytes(), Layout::new(1))).collect();
        let vacant: Vec<_> = keys.iter().map(|key| (key, Vacancy::Nothing)).collect();
        let leases = store.lease(&vacant, Duration::from_secs(60)).unwrap();
        let fill = |(key, lease): (_, &Option<_>)| {
            let (value, ttl) = (Bytes::from_static(b"old"), Duration::from_secs(60));
            Fill { key, lease: lease.unwrap(), value, ttl }
        };
        let filled = store.fill(&keys.iter().zip(&leases).map(fill).collect::<Vec<_>>()).unwrap();
        assert!(filled.iter().all(|filled| *filled));
        (keys, store, n_settled)
    }

    fn n_left(store: &impl Store, keys: &[CellKey]) -> usize {
        store.read(keys).unwrap().iter().filter(|cell| matches!(cell, Cell::Value(_))).count()
    }

    #[test]
    fn many_cells_are_settled_a_batch_at_a_time_with_a_rest_between() {
        let n = 2 * BATCH + 1;
        let (keys, store, n_settled) = store_with(n);
        let keys_of: Vec<_> = keys.iter().collect();
        let mut n_rests = 0;
        let mut rest = |goes_on| {
            n_rests += 1;
            goes_on
        };
        assert!(!settle_cells(&store, &keys_of, |_| rest(false)).unwrap());
        assert_eq!(n_left(&store, &keys), n - BATCH);
        assert!(settle_cells(&store, &keys_of, |_| rest(true)).unwrap());
        assert_eq!((n_left(&store, &keys), n_settled.load(Ordering::SeqCst), n_rests), (0, 4, 3));
    }

    #[test]
    fn all_cells_of_a_table_are_settled_and_none_of_another() {
        let (keys, store, _) = store_with(3_000);
        assert_eq!(settle_all(&store, b"users:email:", |_| true).unwrap(), (true, 0));
        assert_eq!(n_left(&store, &keys), 3_000);
        let mut n_rests = 0;
        let stopped = settle_all(&store, prefix_of(keys[0].as_bytes()), |_| {
            n_rests += 1;
            n_rests < 3
        });
        assert!(!stopped.unwrap().0 && n_left(&store, &keys) > 0);
        assert!(settle_all(&store, b"users:", |_| true).unwrap().0);
        assert_eq!(n_left(&store, &keys), 0);
    }
}
