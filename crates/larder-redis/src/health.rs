//! What the connections of a pool tell each other.

use std::{
    sync::{
        Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use larder::store::StoreError;

/// Whether the server could be reached lately, and which connections were made before it was lost.
#[derive(Default)]
pub(crate) struct Health {
    attempts: Mutex<Attempts>,
    first_attempt: Condvar,
    /// One connection that breaks ends an era: those that were made in it lead to the same dead server, or to a dead socket.
    era: AtomicU64,
}

#[derive(Default)]
struct Attempts {
    any: bool,
    /// Why the last one failed, if it did.
    failure: Option<Failure>,
}

struct Failure {
    is_refusal: bool,
    is_timeout: bool,
    text: String,
}

impl Health {
    pub(crate) fn era(&self) -> u64 {
        self.era.load(Ordering::Acquire)
    }

    pub(crate) fn end_era(&self, era: u64) {
        // Of many that break at once only the first one counts, or each would throw away what was made since.
        let _ = self.era.compare_exchange(era, era + 1, Ordering::AcqRel, Ordering::Relaxed);
    }

    pub(crate) fn connected(&self) {
        if self.attempted(None).is_some() {
            tracing::info!("the connection to redis is back");
        }
    }

    pub(crate) fn failed(&self, error: &StoreError) {
        let text = std::error::Error::source(error).map_or_else(|| error.to_string(), ToString::to_string);
        let failure = Failure { is_refusal: error.is_refused(), is_timeout: error.is_timeout(), text: text.clone() };
        // Attempts follow each other twice a second, and the first one has said it.
        if self.attempted(Some(failure)).is_none() {
            tracing::warn!(error = %text, "cannot connect to redis");
        }
    }

    /// Waits until an attempt to connect has come to its end, whatever that is.
    pub(crate) fn wait_for_first_attempt(&self, timeout: Duration) {
        let waited = self.first_attempt.wait_timeout_while(self.attempts(), timeout, |attempts| !attempts.any);
        drop(waited.unwrap_or_else(PoisonError::into_inner));
    }

    /// Takes down how an attempt has ended, and returns how the one before had failed.
    fn attempted(&self, failure: Option<Failure>) -> Option<Failure> {
        let mut attempts = self.attempts();
        attempts.any = true;
        let before = std::mem::replace(&mut attempts.failure, failure);
        drop(attempts);
        self.first_attempt.notify_all();
        before
    }

    /// The error of an operation that finds no connection because none can be made.
    pub(crate) fn failure_to_connect(&self) -> Option<StoreError> {
        self.attempts().failure.as_ref().map(|failure| {
            let text = format!("cannot connect: {}", failure.text);
            if failure.is_refusal {
                StoreError::refused(text)
            } else if failure.is_timeout {
                StoreError::timed_out(text)
            } else {
                StoreError::unavailable(text)
            }
        })
    }

    fn attempts(&self) -> MutexGuard<'_, Attempts> {
        self.attempts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
