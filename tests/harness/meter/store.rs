use larder::store::{CellKey, Operation, Store, Watched};

use super::{Entry, Meter};

impl Meter {
    /// Counts the round trips of `store` from now on, the failing ones included.
    pub fn metered<S: Store>(
        &self,
        store: S,
    ) -> Watched<S, impl Fn(Operation, &[&CellKey]) + Send + Sync + 'static + use<S>> {
        let meter = self.clone();
        Watched::new(store, move |operation, keys| {
            meter.add(Entry::Store { operation, keys: keys.iter().map(ToString::to_string).collect() });
        })
    }
}
