//! One who computes, and others who wait.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    thread::{self, ThreadId},
    time::{Duration, Instant},
};

/// How long somebody else is waited for, before one computes what he does.
const PATIENCE: Duration = Duration::from_secs(30);

/// What is being computed, by its key, with what the computing thread has noted at its beginning.
pub(super) struct Flights<K, N> {
    flights: Mutex<State<K, N>>,
    landed: Condvar,
}

struct State<K, N> {
    flights: HashMap<K, Flown<N>>,
    /// How many have been begun: no two have the same number.
    n_begun: u64,
    /// How many have come to nothing. Who sees that some have while he waited may take it for his own.
    n_failed: u64,
}

struct Flown<N> {
    number: u64,
    thread: ThreadId,
    noted: Option<N>,
}

impl<K, N> Default for Flights<K, N> {
    fn default() -> Self {
        Self { flights: Mutex::new(State { flights: HashMap::new(), n_begun: 0, n_failed: 0 }), landed: Condvar::new() }
    }
}

/// What came of the wish to compute something.
pub(super) enum Landing<'f, K: Eq + Hash, N> {
    /// It is the caller's turn.
    Own(Flight<'f, K, N>),
    /// Somebody else did, and is done.
    Waited,
    /// Somebody else tried in vain.
    Failed,
}

/// The turn of one who computes; when it goes, the others look what came of it.
pub(super) struct Flight<'f, K: Eq + Hash, N> {
    flights: &'f Flights<K, N>,
    key: K,
    number: u64,
    has_landed: bool,
}

impl<K: Clone + Eq + Hash, N> Flights<K, N> {
    /// Waits for whoever computes the same at the moment, unless what he noted at his beginning is not good any more: then, and if
    /// there is nobody, it is the caller's turn.
    pub(super) fn board(&self, key: &K, is_good: impl Fn(&N) -> bool) -> Landing<'_, K, N> {
        let mut state = self.lock();
        let Some(number) = state.flights.get(key).and_then(|flown| {
            // Who has noted nothing yet will note what is true now.
            // Who asks while he computes the same himself would wait for himself.
            (flown.thread != thread::current().id() && flown.noted.as_ref().is_none_or(is_good)).then_some(flown.number)
        }) else {
            return self.take_turn(state, key);
        };
        let n_failed = state.n_failed;
        let until = Instant::now() + PATIENCE;
        while state.flights.get(key).is_some_and(|flown| flown.number == number) {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                // He may be waiting for something that the caller holds.
                return self.take_turn(state, key);
            }
            state = self.landed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        if state.n_failed == n_failed { Landing::Waited } else { Landing::Failed }
    }
}

impl<K: Clone + Eq + Hash, N> Flights<K, N> {
    fn take_turn(&self, mut state: MutexGuard<'_, State<K, N>>, key: &K) -> Landing<'_, K, N> {
        state.n_begun += 1;
        let number = state.n_begun;
        state.flights.insert(key.clone(), Flown { number, thread: thread::current().id(), noted: None });
        Landing::Own(Flight { flights: self, key: key.clone(), number, has_landed: false })
    }
}

impl<K, N> Flights<K, N> {
    fn lock(&self) -> MutexGuard<'_, State<K, N>> {
        self.flights.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K: Eq + Hash, N> Flight<'_, K, N> {
    /// It came to something.
    pub(super) fn land(mut self) {
        self.has_landed = true;
    }

    /// Notes how things are at the beginning.
    pub(super) fn depart(&self, noted: N) {
        if let Some(flown) = self.flights.lock().flights.get_mut(&self.key).filter(|flown| flown.number == self.number)
        {
            flown.noted = Some(noted);
        }
    }
}

impl<K: Eq + Hash, N> Drop for Flight<'_, K, N> {
    fn drop(&mut self) {
        let mut state = self.flights.lock();
        state.n_failed += u64::from(!self.has_landed);
        if state.flights.get(&self.key).is_some_and(|flown| flown.number == self.number) {
            state.flights.remove(&self.key);
        }
        drop(state);
        self.flights.landed.notify_all();
    }
}
