use std::{
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use crate::wire::Hangup;

/// Ends a wait from another thread, at once and for good. Clones end the same.
#[derive(Clone, Default)]
pub struct Stop(Arc<Shared>);

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    is_set: bool,
    /// What ends a wait for the server.
    hangup: Option<Hangup>,
}

impl Stop {
    /// Ends whatever waits now, and whatever would wait later.
    ///
    /// Only while a connection is being made it takes longer: for the
    /// [`connect_timeout`](crate::RedisStoreBuilder::connect_timeout) at most.
    pub fn stop(&self) {
        let mut state = self.state();
        state.is_set = true;
        if let Some(hangup) = state.hangup.take() {
            hangup.end_reading();
        }
        self.0.changed.notify_all();
    }

    /// Whether it has been stopped.
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        self.state().is_set
    }

    /// There is a connection now, or none: `false` if it is not wanted any more.
    pub(crate) fn connected(&self, hangup: Option<Hangup>) -> bool {
        let mut state = self.state();
        state.hangup = hangup;
        !state.is_set
    }

    pub(crate) fn wait_until(&self, until: Instant) {
        let left = until.saturating_duration_since(Instant::now());
        drop(self.0.changed.wait_timeout_while(self.state(), left, |state| !state.is_set));
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nobody panics halfway through a change.
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Stop {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Stop").field("is_stopped", &self.is_stopped()).finish()
    }
}
