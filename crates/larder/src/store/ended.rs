use std::fmt;

use super::{CellKey, Ending, Nonce, Store, StoreError, forward};

/// A store that tells which cells were changed by writes that have ended: for caches that are no [`Store`], such as those of a CDN.
///
/// ```
/// use larder::{MemoryStore, store::Ended};
/// let store = Ended::new(MemoryStore::new(), |keys| println!("{} cells are others now", keys.len()));
/// # let _ = store;
/// ```
///
/// `tell` is called after COMMIT, on the thread that has committed, and must not wait. What was rolled back is not told; what may have been
/// committed is told when that is certain; and what was written past larder, when a relay settles it. A process that is killed between COMMIT
/// and that tells nobody, unless the write is in an outbox. Keys may be told more than once, and such as have not changed. A key with nothing
/// behind its first colon stands for all cells of the model that is named before it.
pub struct Ended<S, F> {
    store: S,
    tell: F,
}

impl<S, F> Ended<S, F>
where
    S: Store,
    F: Fn(&[&CellKey]) + Send + Sync + 'static,
{
    /// Tells `tell` of every write that has ended, whether the store has taken its end or not.
    pub fn new(store: S, tell: F) -> Self {
        Self { store, tell }
    }
}

impl<S: fmt::Debug, F> fmt::Debug for Ended<S, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ended").field("store", &self.store).finish_non_exhaustive()
    }
}

impl<S, F> Store for Ended<S, F>
where
    S: Store,
    F: Fn(&[&CellKey]) + Send + Sync + 'static,
{
    forward!(self.store, except finish, settle);

    fn finish(&self, nonce: Nonce, endings: &[(&CellKey, Ending)]) -> Result<(), StoreError> {
        let finished = self.store.finish(nonce, endings);
        let is_changed = |(_, ending): &&(&CellKey, Ending)| !matches!(ending, Ending::RolledBack);
        let keys: Vec<&CellKey> = endings.iter().filter(is_changed).map(|(key, _)| *key).collect();
        if !keys.is_empty() {
            (self.tell)(&keys);
        }
        finished
    }

    fn settle(&self, nonce: Option<Nonce>, keys: &[&CellKey]) -> Result<(), StoreError> {
        let settled = self.store.settle(nonce, keys);
        if !keys.is_empty() {
            (self.tell)(keys);
        }
        settled
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::{Arc, Mutex},
        time::Duration,
    };

    use super::*;
    use crate::store::{Bytes, Layout, MemoryStore, Recall};

    #[test]
    fn what_has_ended_is_told_and_what_was_rolled_back_is_not() {
        let told = Arc::new(Mutex::new(Vec::new()));
        let store = Ended::new(MemoryStore::new(), {
            let told = Arc::clone(&told);
            move |keys: &[&CellKey]| {
                told.lock().unwrap().push(keys.iter().map(|key| key.as_bytes().to_vec()).collect::<Vec<_>>())
            }
        });
        let [one, two] = ["a:1", "a:2"].map(|key| CellKey::new(key.as_bytes(), Layout::new(1)));
        let (nonce, hold) = (Nonce::fresh(), Duration::from_secs(1));
        store.begin(nonce, &[&one, &two], hold, Recall::Announced).unwrap();
        assert!(told.lock().unwrap().is_empty());
        let ending = Ending::Value { value: Bytes::from_static(b"x"), ttl: hold };
        store.finish(nonce, &[(&one, ending), (&two, Ending::RolledBack)]).unwrap();
        store.settle(None, &[&two]).unwrap();
        store.finish(Nonce::fresh(), &[(&one, Ending::RolledBack)]).unwrap();
        assert_eq!(*told.lock().unwrap(), [vec![b"a:1".to_vec()], vec![b"a:2".to_vec()]]);
    }
}
