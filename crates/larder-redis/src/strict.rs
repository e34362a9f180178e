//! Writes that return when nobody serves a copy of what they change.

mod answers;

use std::{
    sync::{Condvar, Mutex, PoisonError},
    time::{Duration, Instant},
};

pub(crate) use self::answers::Answers;

/// The times that writers and holders of copies of strict models go by: the same in every process of a namespace.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Strict {
    /// H of the protocol: how long after a question such copies may be served on the strength of its answer.
    pub(crate) horizon: Duration,
}

/// What clocks may differ by, and threads be late.
const MARGIN: Duration = Duration::from_millis(100);

/// Of more holders than this nobody is asked: their answers would take as long as waiting does, and all of the server's time.
pub(crate) const MOST_ASKED: u64 = 1_000;

impl Strict {
    /// W: after which nobody who has not heard of a write serves a copy of what it changes, if clocks drift by a hundredth at most.
    pub(crate) fn wait(&self) -> Duration {
        self.horizon + self.horizon / 100 + MARGIN
    }

    /// G: for how long a holder is on the list, and after which everybody who may be on it is.
    pub(crate) fn listed_for(&self) -> Duration {
        (2 * self.horizon + MARGIN).max(Duration::from_secs(2))
    }
}

/// Waits until then, whatever happens.
pub(crate) fn outwait(until: Instant) {
    let (nothing, nobody) = (Mutex::new(()), Condvar::new());
    let nothing = nothing.lock().unwrap_or_else(PoisonError::into_inner);
    let left = until.saturating_duration_since(Instant::now());
    drop(nobody.wait_timeout_while(nothing, left, |()| true));
}
