use std::{collections::BTreeSet, sync::Arc};

use larder::{
    MemoryStore,
    store::{self, CellKey, Cursor, Store},
};

use crate::{Namespace, redis_store, redis_url};

/// The cells of one test, in the store of its back end.
#[derive(Debug)]
pub enum Keys {
    /// In the shared Redis.
    Redis(Namespace),
    /// In a store of this process.
    Memory(Arc<MemoryStore>),
}

impl Keys {
    /// The store, as one more process would have it.
    #[must_use]
    pub fn store(&self) -> Kept {
        Kept(match self {
            Self::Redis(namespace) => Arc::new(redis_store(&redis_url(), namespace)),
            Self::Memory(store) => Arc::clone(store) as Arc<dyn Store>,
        })
    }

    /// The cells that are there.
    ///
    /// # Panics
    /// If the store does not answer.
    #[must_use]
    pub fn all(&self) -> Vec<CellKey> {
        let store = self.store();
        let (mut found, mut from) = (BTreeSet::new(), Some(Cursor::START));
        while let Some(cursor) = from {
            let scanned = store.scan(b"", cursor).expect("the store answers");
            found.extend(scanned.keys);
            from = scanned.next;
        }
        found.into_iter().collect()
    }
}

/// A store of either kind.
pub struct Kept(Arc<dyn Store>);

impl std::fmt::Debug for Kept {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Kept").finish_non_exhaustive()
    }
}

impl Store for Kept {
    store::forward!(self.0);
}
