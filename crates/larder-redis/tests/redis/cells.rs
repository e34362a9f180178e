//! The few calls that most tests make.

use std::{slice, time::Duration};

use larder::store::{Bytes, Cell, CellKey, Ending, Fill, Layout, Lease, Nonce, Recall, Store, StoreError, Vacancy};
use larder_redis::RedisStore;

pub(crate) const LONG: Duration = Duration::from_secs(600);
pub(crate) const NOTHING: Cell = Cell::Vacant(Vacancy::Nothing);
pub(crate) const FOREIGN: Cell = Cell::Vacant(Vacancy::Foreign);

pub(crate) fn key(name: &str) -> CellKey {
    CellKey::new(name.as_bytes(), Layout::new(1))
}

pub(crate) fn keys(n: usize) -> Vec<CellKey> {
    (0..n).map(|n| key(&n.to_string())).collect()
}

pub(crate) fn held(value: &[u8]) -> Cell {
    Cell::Value(Bytes::copy_from_slice(value))
}

pub(crate) fn stored(value: &[u8]) -> Ending {
    Ending::Value { value: Bytes::copy_from_slice(value), ttl: LONG }
}

pub(crate) fn read(store: &RedisStore, key: &CellKey) -> Result<Cell, StoreError> {
    Ok(store.read(slice::from_ref(key))?.remove(0))
}

pub(crate) fn lease(store: &RedisStore, key: &CellKey) -> Result<Option<Lease>, StoreError> {
    Ok(store.lease(&[(key, Vacancy::Nothing)], LONG)?[0])
}

pub(crate) fn fill(store: &RedisStore, key: &CellKey, lease: Lease, value: &[u8]) -> Result<bool, StoreError> {
    Ok(store.fill(&[Fill { key, lease, value: Bytes::copy_from_slice(value), ttl: LONG }])?[0])
}

pub(crate) fn put(store: &RedisStore, key: &CellKey, value: &[u8]) {
    let lease = lease(store, key).unwrap().expect("the cell can be leased");
    assert!(fill(store, key, lease, value).unwrap());
}

pub(crate) fn begin(store: &RedisStore, key: &CellKey) -> Result<Nonce, StoreError> {
    let nonce = Nonce::fresh();
    store.begin(nonce, &[key], LONG, Recall::Announced)?;
    Ok(nonce)
}

pub(crate) fn finish(store: &RedisStore, key: &CellKey, nonce: Nonce, ending: Ending) -> Result<(), StoreError> {
    store.finish(nonce, &[(key, ending)])
}

/// An error and all that it says of its sources.
pub(crate) fn whole(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text = format!("{text}: {error}");
        source = error.source();
    }
    text
}
