//! What is asked of the store beside reads and writes. Failures are told, as all are.

use std::time::Duration;

use super::Layers;
use crate::store::{BATCH, CellKey, Cursor, Inspected, Layout, Nonce, Scanned, StoreError};

impl Layers {
    /// Tells other processes that a memo is to be dropped.
    pub(crate) fn announce_memo(&self, name: &str) {
        let key = CellKey::new(crate::memo::name_of(name), Layout::UNKNOWN);
        if let Err(error) = self.store.settle(None, &[&key]) {
            self.failed("settle", &error);
        }
    }

    /// Takes away the stamp of a tag.
    pub(crate) fn settle_tag(&self, tag: &str) -> crate::error::Result<()> {
        let settled = self.store.settle(None, &[&crate::queries::tag_key(tag)]);
        settled.inspect_err(|error| self.failed("settle", error)).map_err(crate::error::Error::Store)
    }

    /// Takes what cells hold out of them, after something else has written what they are of.
    pub(crate) fn settle_written(&self, keys: &[&CellKey]) -> crate::error::Result<()> {
        let settled = keys.chunks(BATCH).try_for_each(|keys| self.store.settle(None, keys));
        // Whoever has read an older value by now keeps it no more.
        self.drop_near(keys);
        settled.inspect_err(|error| self.failed("settle", error)).map_err(crate::error::Error::Store)
    }

    /// Looks at cells, in their order: `None` if the store failed.
    pub(crate) fn inspect(&self, keys: &[CellKey]) -> Option<Vec<Inspected>> {
        let inspected = match self.store.inspect(keys) {
            Ok(inspected) if inspected.len() != keys.len() => {
                Err(StoreError::refused("the store gave another number of cells than was asked for"))
            }
            inspected => inspected,
        };
        inspected.inspect_err(|error| self.failed("inspect", error)).ok()
    }

    /// Gives values more time: of which that was done, or `None` if the store failed.
    pub(crate) fn extend(&self, values: &[(&CellKey, Nonce, Duration)]) -> Option<Vec<bool>> {
        let extended = match self.store.extend(values) {
            Ok(extended) if extended.len() != values.len() => {
                Err(StoreError::refused("the store gave another number of answers than it was given values"))
            }
            extended => extended,
        };
        extended.inspect_err(|error| self.failed("extend", error)).ok()
    }

    /// A page of the keys that begin so.
    pub(crate) fn scan(&self, prefix: &[u8], from: Cursor) -> Result<Scanned, StoreError> {
        self.store.scan(prefix, from).inspect_err(|error| self.failed("scan", error))
    }

    /// Empties cells, whoever wrote them: whether it was done.
    pub(crate) fn settle(&self, keys: &[&CellKey]) -> bool {
        self.store.settle(None, keys).inspect_err(|error| self.failed("settle", error)).is_ok()
    }
}
