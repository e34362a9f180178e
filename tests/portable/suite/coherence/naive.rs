use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use larder::store::{
    Bytes, Cell, CellKey, Cursor, Ending, Fence, Fill, Inspected, Layout, Lease, Nonce, Position, Recall, Scanned,
    Stamped, Store, StoreError, Vacancy,
};

/// What people write by hand: a reader stores what it has loaded, a writer deletes after COMMIT. No leases, no markers.
///
/// Shared by all clones, as one Redis would be.
#[derive(Debug, Clone, Default)]
pub(crate) struct DeleteAfterCommit {
    cells: Arc<Mutex<HashMap<Vec<u8>, Bytes>>>,
}

impl Store for DeleteAfterCommit {
    fn read(&self, keys: &[CellKey]) -> Result<Vec<Cell>, StoreError> {
        let cells = self.cells.lock().unwrap();
        let cell =
            |key: &CellKey| cells.get(key.as_bytes()).cloned().map_or(Cell::Vacant(Vacancy::Nothing), Cell::Value);
        Ok(keys.iter().map(cell).collect())
    }

    fn lease(&self, keys: &[(&CellKey, Vacancy)], _ttl: Duration) -> Result<Vec<Option<Lease>>, StoreError> {
        Ok(keys.iter().map(|_| Some(Lease { token: Nonce::fresh(), fence: Fence(*b"no fence") })).collect())
    }

    fn fill(&self, fills: &[Fill<'_>]) -> Result<Vec<bool>, StoreError> {
        let mut cells = self.cells.lock().unwrap();
        for fill in fills {
            cells.insert(fill.key.as_bytes().to_vec(), fill.value.clone());
        }
        Ok(vec![true; fills.len()])
    }

    fn begin(
        &self,
        _nonce: Nonce,
        _keys: &[&CellKey],
        _hold: Duration,
        _recall: Recall,
    ) -> Result<Option<Position>, StoreError> {
        Ok(None)
    }

    fn finish(&self, _nonce: Nonce, endings: &[(&CellKey, Ending)]) -> Result<(), StoreError> {
        let mut cells = self.cells.lock().unwrap();
        for (key, ending) in endings {
            if !matches!(ending, Ending::RolledBack) {
                cells.remove(key.as_bytes());
            }
        }
        Ok(())
    }

    fn settle(&self, _nonce: Option<Nonce>, keys: &[&CellKey]) -> Result<(), StoreError> {
        let mut cells = self.cells.lock().unwrap();
        for key in keys {
            cells.remove(key.as_bytes());
        }
        Ok(())
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
        // Nobody who stores by hand says who has: the protocol's proofs are not to be had here.
        let inspected = |cell| Inspected { cell, stamp: None, expires_in: None };
        Ok(self.read(keys)?.into_iter().map(inspected).collect())
    }

    fn scan(&self, prefix: &[u8], _from: Cursor) -> Result<Scanned, StoreError> {
        let cells = self.cells.lock().unwrap();
        let found = cells.keys().filter(|key| key.starts_with(prefix));
        Ok(Scanned { keys: found.map(|key| CellKey::new(&key[..], Layout::UNKNOWN)).collect(), next: None })
    }
}
