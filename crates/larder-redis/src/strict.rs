//! The times that writers and holders of copies of strict models go by.

use std::{
    sync::{Condvar, Mutex, PoisonError},
    time::Duration,
};

/// They have to be the same in every process of a namespace.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Strict {
    /// H of the protocol: how long after a question such copies may be served on the strength of its answer.
    pub(crate) horizon: Duration,
}

/// What clocks may differ by, and threads be late.
const MARGIN: Duration = Duration::from_millis(100);

impl Strict {
    /// W: after which nobody who has not heard of a write serves a copy of what it changes, if clocks drift by a hundredth at most.
    pub(crate) fn wait(&self) -> Duration {
        self.horizon + self.horizon / 100 + MARGIN
    }

    /// G: for how long a holder is on the list, and after which everybody who may be on it is.
    pub(crate) fn listed_for(&self) -> Duration {
        (2 * self.horizon + MARGIN).max(Duration::from_secs(2))
    }

    pub(crate) fn listed_for_ms(&self) -> u64 {
        u64::try_from(self.listed_for().as_millis()).unwrap_or(u64::MAX)
    }

    /// Waits for that long.
    pub(crate) fn outwait(&self) {
        let (nothing, nobody) = (Mutex::new(()), Condvar::new());
        let nothing = nothing.lock().unwrap_or_else(PoisonError::into_inner);
        drop(nobody.wait_timeout_while(nothing, self.wait(), |()| true));
    }
}
