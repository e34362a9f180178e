//! What people write by hand, on a real Redis: the control, of which the oracle has to see that it is wrong.

use std::time::Duration;

use larder::store::{
    Bytes, Cell, CellKey, Cursor, Ending, Fence, Fill, Inspected, Lease, Nonce, Position, Recall, Scanned, Stamped,
    Store, StoreError, Vacancy,
};
use redis::{Client, Commands as _, RedisError};

use crate::Result;

/// A reader stores what it has loaded, a writer deletes after COMMIT. No leases, no markers.
#[derive(Debug)]
pub(crate) struct DeleteAfterCommit {
    pool: r2d2::Pool<Client>,
}

impl DeleteAfterCommit {
    pub(crate) fn connect(url: &str) -> Result<Self> {
        let pool = r2d2::Pool::builder().max_size(8).test_on_check_out(false).build(Client::open(url)?)?;
        Ok(Self { pool })
    }

    fn run<T>(&self, work: impl FnOnce(&mut redis::Connection) -> Result<T, RedisError>) -> Result<T, StoreError> {
        let mut connection = self.pool.get().map_err(|error| StoreError::unavailable(error.to_string()))?;
        work(&mut connection).map_err(|error| StoreError::unavailable(error.to_string()))
    }

    fn delete<'k>(&self, keys: impl Iterator<Item = &'k CellKey>) -> Result<(), StoreError> {
        let keys: Vec<&[u8]> = keys.map(CellKey::as_bytes).collect();
        if keys.is_empty() { Ok(()) } else { self.run(|redis| redis.del(&keys)) }
    }
}

impl Store for DeleteAfterCommit {
    fn read(&self, keys: &[CellKey]) -> Result<Vec<Cell>, StoreError> {
        let keys: Vec<&[u8]> = keys.iter().map(CellKey::as_bytes).collect();
        let values: Vec<Option<Vec<u8>>> = self.run(|redis| redis.mget(&keys))?;
        let cell =
            |value: Option<Vec<u8>>| value.map_or(Cell::Vacant(Vacancy::Nothing), |value| Cell::Value(value.into()));
        Ok(values.into_iter().map(cell).collect())
    }

    fn lease(&self, keys: &[(&CellKey, Vacancy)], _ttl: Duration) -> Result<Vec<Option<Lease>>, StoreError> {
        Ok(vec![Some(Lease { token: Nonce::fresh(), fence: Fence(*b"no fence") }); keys.len()])
    }

    fn fill(&self, fills: &[Fill<'_>]) -> Result<Vec<bool>, StoreError> {
        let mut pipeline = redis::pipe();
        for Fill { key, value, ttl, .. } in fills {
            let value: &Bytes = value;
            pipeline
                .pset_ex(key.as_bytes(), value.as_ref(), u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX))
                .ignore();
        }
        self.run(|redis| pipeline.query::<()>(redis))?;
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
        self.delete(endings.iter().filter(|(_, ending)| !matches!(ending, Ending::RolledBack)).map(|(key, _)| *key))
    }

    fn settle(&self, _nonce: Option<Nonce>, keys: &[&CellKey]) -> Result<(), StoreError> {
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

    fn scan(&self, _prefix: &[u8], _from: Cursor) -> Result<Scanned, StoreError> {
        Err(StoreError::refused("who stores by hand knows of no keys"))
    }
}
