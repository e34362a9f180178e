use std::{
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

/// Tells a thread to end, wherever it waits.
#[derive(Debug, Default)]
pub(crate) struct Stop {
    is_set: Mutex<bool>,
    set: Condvar,
}

impl Stop {
    pub(crate) fn set(&self) {
        *self.lock() = true;
        self.set.notify_all();
    }

    pub(crate) fn is_set(&self) -> bool {
        *self.lock()
    }

    /// Waits for so long: whether to go on.
    pub(crate) fn rest(&self, time: Duration) -> bool {
        let waited = self.set.wait_timeout_while(self.lock(), time, |is_set| !*is_set);
        !*waited.unwrap_or_else(PoisonError::into_inner).0
    }

    fn lock(&self) -> MutexGuard<'_, bool> {
        self.is_set.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
