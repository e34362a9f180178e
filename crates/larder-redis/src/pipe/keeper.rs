//! The connections that all threads share, made in the background.

use std::{
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

use larder::store::StoreError;

use super::Pipe;
use crate::{
    link::Link,
    pool::{Manager, Met},
};

/// Between two attempts to connect.
const RETRY_PAUSE: Duration = Duration::from_millis(500);

/// So many threads keep one connection busy.
const CALLERS: usize = 16;

pub(crate) struct Pipes {
    shared: Arc<Shared>,
}

struct Shared {
    manager: Manager,
    places: Mutex<Places>,
    /// Told to the thread that connects.
    wanted: Condvar,
    /// Told to those who wait for a connection, when an attempt has ended.
    tried: Condvar,
}

struct Places {
    pipes: Vec<Option<Place>>,
    is_closed: bool,
}

#[derive(Clone)]
struct Place {
    pipe: Arc<Pipe>,
    met: Met,
}

impl Pipes {
    /// Starts to connect in the background.
    pub(crate) fn new(manager: Manager, n: u32) -> Self {
        let places = Mutex::new(Places { pipes: vec![None; n as usize], is_closed: false });
        let shared = Arc::new(Shared { manager, places, wanted: Condvar::new(), tried: Condvar::new() });
        let keeper = Arc::clone(&shared);
        let spawned = thread::Builder::new().name("larder-redis".to_owned()).spawn(move || keeper.keep());
        if let Err(error) = spawned {
            shared.manager.health.failed(&StoreError::unavailable(error));
        }
        Self { shared }
    }

    /// How many threads they are made for.
    pub(crate) fn size(&self) -> usize {
        self.shared.places().pipes.len().saturating_mul(CALLERS)
    }

    /// The connection on which the fewest are asking: waits for one if there is none, but not where none can be made.
    pub(crate) fn link(&self, until: Instant) -> Result<Link, StoreError> {
        let mut places = self.shared.places();
        loop {
            if places.missing().is_some() {
                self.shared.wanted.notify_one();
            }
            if let Some(Place { pipe, met }) = places.best() {
                return Ok(Link::shared(pipe, met));
            }
            let left = until.saturating_duration_since(Instant::now());
            if let Some(error) = self.shared.manager.health.failure_to_connect() {
                return Err(error);
            }
            if left.is_zero() {
                return Err(StoreError::timed_out("no connection has been made"));
            }
            places = self.shared.tried.wait_timeout(places, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

impl Drop for Pipes {
    fn drop(&mut self) {
        self.shared.places().is_closed = true;
        self.shared.wanted.notify_all();
    }
}

impl Places {
    fn missing(&self) -> Option<usize> {
        self.pipes.iter().position(|place| place.as_ref().is_none_or(|place| place.pipe.is_dead()))
    }

    fn best(&self) -> Option<Place> {
        let alive = self.pipes.iter().flatten().filter(|place| !place.pipe.is_dead());
        alive.min_by_key(|place| place.pipe.n_asking()).cloned()
    }
}

impl Shared {
    /// Makes connections in place of those that are missing, until nobody wants any.
    fn keep(&self) {
        let mut places = self.places();
        loop {
            let waiting = |places: &mut Places| !places.is_closed && places.missing().is_none();
            places = self.wanted.wait_while(places, waiting).unwrap_or_else(PoisonError::into_inner);
            let Some(at) = places.missing().filter(|_| !places.is_closed) else {
                return;
            };
            drop(places);
            let made = self.manager.pipe();
            places = self.places();
            let failed = made.is_err();
            if let Ok((pipe, met)) = made {
                places.pipes[at] = Some(Place { pipe: Arc::new(pipe), met });
            }
            self.tried.notify_all();
            if failed {
                let paused = self.wanted.wait_timeout_while(places, RETRY_PAUSE, |places| !places.is_closed);
                places = paused.unwrap_or_else(PoisonError::into_inner).0;
            }
        }
    }

    fn places(&self) -> MutexGuard<'_, Places> {
        // A place is replaced as a whole.
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
