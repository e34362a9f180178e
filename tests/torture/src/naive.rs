//! What people write by hand, on the real Redis: a reader stores what it has loaded, a writer deletes after COMMIT.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use larder::store::{
    Bytes, Cell, CellKey, Cursor, Ending, Fence, Fill, Inspected, Lease, Nonce, Position, Recall, Scanned, Stamped,
    Store, StoreError, Vacancy,
};

use crate::cells::Cells;

/// A cache without leases and markers.
pub struct CacheAside {
    cells: Mutex<Cells>,
}

impl CacheAside {
    /// On that Redis, under that prefix.
    #[must_use]
    pub fn new(cells: Cells) -> Self {
        Self { cells: Mutex::new(cells) }
    }

    fn cells(&self) -> MutexGuard<'_, Cells> {
        self.cells.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn delete<'k>(&self, keys: impl Iterator<Item = &'k CellKey>) -> Result<(), StoreError> {
        self.cells().delete(keys).map_err(StoreError::unavailable)
    }
}

impl Store for CacheAside {
    fn read(&self, keys: &[CellKey]) -> Result<Vec<Cell>, StoreError> {
        let mut cells = self.cells();
        let cell = |key| {
            let bytes = cells.bytes(key).map_err(StoreError::unavailable)?;
            // A tag stands before each value, by which values can be told from nothing.
            Ok(bytes.map_or(Cell::Vacant(Vacancy::Nothing), |bytes| Cell::Value(Bytes::from(bytes).slice(1..))))
        };
        keys.iter().map(cell).collect()
    }

    fn lease(&self, keys: &[(&CellKey, Vacancy)], _: Duration) -> Result<Vec<Option<Lease>>, StoreError> {
        Ok(vec![Some(Lease { token: Nonce::fresh(), fence: Fence(*b"no fence") }); keys.len()])
    }

    fn fill(&self, fills: &[Fill<'_>]) -> Result<Vec<bool>, StoreError> {
        for fill in fills {
            let bytes = [b"V", &fill.value[..]].concat();
            self.cells().put(fill.key, &bytes, false).map_err(StoreError::unavailable)?;
        }
        Ok(vec![true; fills.len()])
    }

    fn begin(&self, _: Nonce, _: &[&CellKey], _: Duration, _: Recall) -> Result<Option<Position>, StoreError> {
        Ok(None)
    }

    fn finish(&self, _: Nonce, endings: &[(&CellKey, Ending)]) -> Result<(), StoreError> {
        let changed = endings.iter().filter(|(_, ending)| !matches!(ending, Ending::RolledBack));
        self.delete(changed.map(|(key, _)| *key))
    }

    fn settle(&self, _: Option<Nonce>, keys: &[&CellKey]) -> Result<(), StoreError> {
        self.delete(keys.iter().copied())
    }

    fn read_stamped(&self, keys: &[CellKey], stamped: &[CellKey]) -> Result<Stamped, StoreError> {
        Ok((self.read(keys)?, vec![None; stamped.len()]))
    }

    fn stamp(&self, keys: &[&CellKey], _: Duration) -> Result<Vec<Option<Nonce>>, StoreError> {
        Ok(vec![None; keys.len()])
    }

    fn extend(&self, values: &[(&CellKey, Nonce, Duration)]) -> Result<Vec<bool>, StoreError> {
        Ok(vec![false; values.len()])
    }

    fn inspect(&self, keys: &[CellKey]) -> Result<Vec<Inspected>, StoreError> {
        let inspected = |cell| Inspected { cell, stamp: None, expires_in: None };
        Ok(self.read(keys)?.into_iter().map(inspected).collect())
    }

    fn scan(&self, _: &[u8], _: Cursor) -> Result<Scanned, StoreError> {
        Err(StoreError::refused("who stores by hand knows of no keys"))
    }
}
