//! What the connections of a pool tell each other.

use std::sync::{
    Mutex, MutexGuard, PoisonError,
    atomic::{AtomicU64, Ordering},
};

use larder::store::StoreError;

/// Whether the server could be reached lately, and which connections were made before it was lost.
#[derive(Default)]
pub(crate) struct Health {
    /// Why the last attempt to connect failed, if it did.
    failure: Mutex<Option<Failure>>,
    /// One connection that breaks ends an era: those that were made in it lead to the same dead server, or to a dead socket.
    era: AtomicU64,
}

#[derive(Clone)]
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
        if self.failure().take().is_some() {
            tracing::info!("the connection to redis is back");
        }
    }

    pub(crate) fn failed(&self, error: &StoreError) {
        let text = std::error::Error::source(error).map_or_else(|| error.to_string(), ToString::to_string);
        let mut failure = self.failure();
        // Attempts follow each other twice a second, and the first one has said it.
        if failure.is_none() {
            tracing::warn!(error = %text, "cannot connect to redis");
        }
        *failure = Some(Failure { is_refusal: error.is_refused(), is_timeout: error.is_timeout(), text });
    }

    /// The error of an operation that finds no connection because none can be made.
    pub(crate) fn failure_to_connect(&self) -> Option<StoreError> {
        self.failure().as_ref().map(|failure| {
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

    fn failure(&self) -> MutexGuard<'_, Option<Failure>> {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
