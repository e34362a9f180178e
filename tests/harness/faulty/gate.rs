use std::{
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use larder::store::StoreError;

/// Longer than any test takes that goes well.
const PATIENCE: Duration = Duration::from_secs(30);

/// Where operations of a [`crate::Faulty`] store wait until the test lets them go on. A gate that is dropped is open.
#[derive(Debug, Default)]
pub struct Gate {
    post: Post,
}

/// The side of those who wait.
#[derive(Debug, Clone, Default)]
pub(super) struct Post {
    inner: Arc<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    n_arrived: usize,
    is_open: bool,
}

impl Gate {
    pub(super) fn post(&self) -> Post {
        self.post.clone()
    }

    /// Waits until `n` operations in all have come to the gate.
    ///
    /// # Panics
    /// If they have not within half a minute.
    #[track_caller]
    pub fn wait_for(&self, n: usize) {
        let inner = &self.post.inner;
        let waited = inner.changed.wait_timeout_while(inner.lock(), PATIENCE, |state| state.n_arrived < n);
        let (state, waited) = waited.unwrap_or_else(PoisonError::into_inner);
        let n_arrived = state.n_arrived;
        drop(state);
        assert!(!waited.timed_out(), "{n_arrived} operations came to the gate, and not {n}");
    }

    /// Lets all go on that wait or will come.
    pub fn open(&self) {
        self.post.inner.open();
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        self.open();
    }
}

impl Post {
    /// Waits until the gate is open.
    pub(super) fn pass(&self) -> Result<(), StoreError> {
        let mut state = self.inner.lock();
        state.n_arrived += 1;
        self.inner.changed.notify_all();
        let waited = self.inner.changed.wait_timeout_while(state, PATIENCE, |state| !state.is_open);
        let (state, waited) = waited.unwrap_or_else(PoisonError::into_inner);
        drop(state);
        if waited.timed_out() { Err(StoreError::timed_out("a gate that nobody has opened")) } else { Ok(()) }
    }
}

impl Inner {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn open(&self) {
        self.lock().is_open = true;
        self.changed.notify_all();
    }
}
