//! What the connections of a pool tell each other.

use std::{
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use larder::store::{Fence, StoreError};

use crate::error::Failure;

/// How long what the server has said of itself counts, from when it was heard. A few questions a second are nothing to it, and a server that was demoted goes on
/// answering reads: this bounds for how long they are believed.
const BELIEVED_FOR: Duration = Duration::from_millis(250);

/// Whether the server could be reached lately, and which connections were made before it was lost.
#[derive(Default)]
pub(crate) struct Health {
    attempts: Mutex<Attempts>,
    first_attempt: Condvar,
    era: Mutex<Era>,
}

/// The connections of an era were made one after the other, and all lead to the same reign of the same server.
///
/// One that breaks ends it: the others lead to the same dead server, or to a dead socket. So does one that finds another reign, or two
/// connections would take each other's values for foreign ones, and throw them out.
#[derive(Default)]
struct Era {
    number: u64,
    /// Of the reign, and when it was heard of last: `None` until a connection has been made.
    known: Option<(Fence, Instant)>,
}

/// What is to be done with a connection of some era.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    /// It is good.
    Good,
    /// It is good if the server is still what it was.
    Doubtful,
    /// It is to be thrown away.
    Past,
}

#[derive(Default)]
struct Attempts {
    any: bool,
    /// Why the last one failed, if it did.
    failure: Option<Failure>,
}

impl Health {
    pub(crate) fn era(&self) -> u64 {
        self.current().number
    }

    pub(crate) fn end_era(&self, era: u64) {
        let mut current = self.current();
        // Of many that break at once only the first one counts, or each would throw away what was made since.
        if current.number == era {
            *current = Era { number: era + 1, known: None };
        }
    }

    /// Takes down which reign a connection that was begun in that era leads to, and when that was heard.
    ///
    /// If it is not that of the others, the era ends, for this connection too: nobody knows which of them was there first.
    pub(crate) fn leads_to(&self, era: u64, fence: Fence, heard: Instant) {
        let mut current = self.current();
        if current.number == era {
            *current = match current.known {
                Some((known, _)) if known != fence => Era { number: era + 1, known: None },
                Some((_, last)) => Era { number: era, known: Some((fence, last.max(heard))) },
                None => Era { number: era, known: Some((fence, heard)) },
            };
        }
    }

    /// What a connection that was begun in that era is good for.
    pub(crate) fn standing(&self, era: u64) -> Standing {
        let current = self.current();
        match current.known {
            _ if current.number != era => Standing::Past,
            Some((_, heard)) if heard.elapsed() < BELIEVED_FOR => Standing::Good,
            _ => Standing::Doubtful,
        }
    }

    fn current(&self) -> MutexGuard<'_, Era> {
        // It is replaced as a whole.
        self.era.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn connected(&self) {
        if self.attempted(None).is_some() {
            tracing::info!("the connection to redis is back");
        }
    }

    pub(crate) fn failed(&self, error: &StoreError) {
        let failure = Failure::of(error);
        // Attempts follow each other twice a second, and the first one has said it.
        if self.attempted(Some(failure.clone())).is_none() {
            tracing::warn!(error = failure.text(), "cannot connect to redis");
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
        let attempts = self.attempts();
        attempts.failure.as_ref().map(|failure| failure.tell_as(format!("cannot connect: {}", failure.text())))
    }

    fn attempts(&self) -> MutexGuard<'_, Attempts> {
        self.attempts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: Fence = Fence(*b"one.....");
    const OTHER: Fence = Fence(*b"other...");

    #[test]
    fn connections_of_an_era_agree_on_the_reign() {
        let (health, now) = (Health::default(), Instant::now());
        health.leads_to(0, ONE, now);
        health.leads_to(0, ONE, now);
        assert_eq!((health.era(), health.standing(0)), (0, Standing::Good));
        health.leads_to(0, OTHER, now);
        assert_eq!((health.era(), health.standing(0)), (1, Standing::Past), "one that differs ends it");
        health.leads_to(0, ONE, now);
        health.leads_to(1, OTHER, now);
        assert_eq!((health.era(), health.standing(1)), (1, Standing::Good), "what was begun before says nothing");
    }

    #[test]
    fn what_a_server_said_is_believed_for_a_while_and_never_that_of_an_era_before() {
        let health = Health::default();
        let long_ago = Instant::now().checked_sub(BELIEVED_FOR).unwrap();
        health.leads_to(0, ONE, long_ago);
        assert_eq!(health.standing(0), Standing::Doubtful);
        health.leads_to(0, ONE, Instant::now());
        health.leads_to(0, ONE, long_ago);
        assert_eq!(health.standing(0), Standing::Good);
        health.end_era(0);
        assert_eq!((health.standing(0), health.standing(1)), (Standing::Past, Standing::Doubtful));
    }
}
