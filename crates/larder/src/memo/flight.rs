//! One who computes, and others who wait.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU8, Ordering},
    },
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
}

struct Flown<N> {
    number: u64,
    thread: ThreadId,
    noted: Option<N>,
    outcome: Arc<AtomicU8>,
}

/// What may be read of a flight by those who wait for it.
const FLYING: u8 = 0;
const LANDED: u8 = 1;
const FAILED: u8 = 2;

impl<K, N> Default for Flights<K, N> {
    fn default() -> Self {
        Self { flights: Mutex::new(State { flights: HashMap::new(), n_begun: 0 }), landed: Condvar::new() }
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
    outcome: Arc<AtomicU8>,
}

impl<K: Clone + Eq + Hash, N> Flights<K, N> {
    /// Waits for whoever computes the same at the moment, unless what he noted at his beginning is not good any more: then, and if
    /// there is nobody, it is the caller's turn.
    pub(super) fn board(&self, key: &K, is_good: impl Fn(&N) -> bool) -> Landing<'_, K, N> {
        let mut state = self.lock();
        let Some((number, outcome)) = state.flights.get(key).and_then(|flown| {
            // Who has noted nothing yet will note what is true now; and nobody waits for himself.
            let is_others = flown.thread != thread::current().id() && flown.noted.as_ref().is_none_or(is_good);
            is_others.then(|| (flown.number, Arc::clone(&flown.outcome)))
        }) else {
            return self.take_turn(state, key);
        };
        let until = Instant::now() + PATIENCE;
        while state.flights.get(key).is_some_and(|flown| flown.number == number) {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                // He may be waiting for something that the caller holds.
                return self.take_turn(state, key);
            }
            state = self.landed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        // One that still flies has been overtaken by another, which is looked at next.
        if outcome.load(Ordering::Acquire) == FAILED { Landing::Failed } else { Landing::Waited }
    }
}

impl<K: Clone + Eq + Hash, N> Flights<K, N> {
    fn take_turn(&self, mut state: MutexGuard<'_, State<K, N>>, key: &K) -> Landing<'_, K, N> {
        state.n_begun += 1;
        let number = state.n_begun;
        let outcome = Arc::new(AtomicU8::new(FLYING));
        let thread = thread::current().id();
        state.flights.insert(key.clone(), Flown { number, thread, noted: None, outcome: Arc::clone(&outcome) });
        Landing::Own(Flight { flights: self, key: key.clone(), number, outcome })
    }
}

impl<K, N> Flights<K, N> {
    fn lock(&self) -> MutexGuard<'_, State<K, N>> {
        self.flights.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K: Eq + Hash, N> Flight<'_, K, N> {
    /// It came to something.
    pub(super) fn land(self) {
        self.outcome.store(LANDED, Ordering::Release);
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
        let (order, seen) = (Ordering::AcqRel, Ordering::Acquire);
        let _ = self.outcome.compare_exchange(FLYING, FAILED, order, seen);
        if state.flights.get(&self.key).is_some_and(|flown| flown.number == self.number) {
            state.flights.remove(&self.key);
        }
        drop(state);
        self.flights.landed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn own<'f>(flights: &'f Flights<u8, ()>, key: u8) -> Flight<'f, u8, ()> {
        match flights.board(&key, |()| true) {
            Landing::Own(flight) => flight,
            Landing::Waited | Landing::Failed => panic!("nobody else flies"),
        }
    }

    /// Whether somebody who waits for `flight` is told that it has failed, after `end`.
    fn is_told_of_failure(
        flights: &Flights<u8, ()>,
        flight: Flight<'_, u8, ()>,
        end: impl FnOnce(Flight<'_, u8, ()>),
    ) -> bool {
        thread::scope(|scope| {
            let key = flight.key;
            let waiter = scope.spawn(move || matches!(flights.board(&key, |()| true), Landing::Failed));
            // The map has it, the flight itself, and then the one who waits.
            while Arc::strong_count(&flight.outcome) < 3 {
                thread::yield_now();
            }
            end(flight);
            waiter.join().unwrap()
        })
    }

    #[test]
    fn who_waits_is_told_whether_it_came_to_something_whatever_became_of_others() {
        let flights = Flights::default();
        let other_fails = |flight: Flight<'_, u8, ()>| {
            drop(own(&flights, 2));
            flight.land();
        };
        assert!(!is_told_of_failure(&flights, own(&flights, 1), other_fails));
        assert!(is_told_of_failure(&flights, own(&flights, 1), |flight| drop(flight)));
    }
}
