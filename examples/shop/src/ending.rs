//! How the service ends: not ready any more, then closed to new requests, then done with what it has begun.

use std::{sync::Arc, time::Duration};

use tokio::sync::watch;

/// How long it may take to end.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct EndingOptions {
    /// How long requests are still taken after the service has said that it is not ready any more.
    pub grace: Duration,
    /// How long the requests that were begun, and then what waits to be written, are waited for; half of it for the requests.
    pub drain: Duration,
}

impl Default for EndingOptions {
    fn default() -> Self {
        Self { grace: Duration::ZERO, drain: Duration::from_secs(20) }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Phase {
    Serving,
    Leaving,
    Closed,
}

/// How far the end has come. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Ending(Arc<watch::Sender<Phase>>);

impl Default for Ending {
    fn default() -> Self {
        Self(Arc::new(watch::Sender::new(Phase::Serving)))
    }
}

impl Ending {
    /// From now on the service says that it is not ready, and goes on.
    pub fn leave(&self) {
        self.0.send_replace(Phase::Leaving);
    }

    /// From now on no request is taken, and what has no end of its own ends.
    pub fn close(&self) {
        self.0.send_replace(Phase::Closed);
    }

    pub(crate) fn is_begun(&self) -> bool {
        *self.0.borrow() > Phase::Serving
    }

    /// Waits for [`close`](Self::close).
    pub async fn closed(&self) {
        // The sender is held here, so nothing else ends the wait.
        let _ = self.0.subscribe().wait_for(|phase| *phase == Phase::Closed).await;
    }
}
