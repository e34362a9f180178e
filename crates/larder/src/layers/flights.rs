//! The loads that this process has under way, each under its lease.

use std::{
    collections::{HashMap, hash_map::Entry},
    hash::BuildHasher,
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use bytes::Bytes;
use quick_cache::DefaultHashBuilder;

use crate::{
    failpoints::{Point, is_hooked, reach},
    store::{CellKey, Nonce},
};

/// Who loads what, and what was loaded and is not stored yet.
///
/// Whoever has seen a lease in the store may take what is loaded under it: no writer has come near since it was granted, or the lease
/// would be gone (`join` in the protocol's search). A load whose lease one has not seen may be older than one's own call.
#[derive(Default)]
pub(super) struct Flights {
    parts: [Part; 16],
    hasher: DefaultHashBuilder,
}

#[derive(Default)]
struct Part {
    flights: Mutex<HashMap<CellKey, Flight>>,
    /// Told of each flight that goes on or ends.
    changed: Condvar,
}

enum Flight {
    /// So many ask for the lease.
    Asking(usize),
    /// The lease was granted, and the rows are being loaded.
    Flying(Nonce),
    /// They are loaded, and on their way to the store.
    Landed(Nonce, Bytes),
}

/// What is known of the load under a lease that was seen in the store.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Known {
    /// Nothing: somebody else loads it.
    Nothing,
    /// This process is loading it, or is about to.
    UnderWay,
    Loaded(Bytes),
}

impl Flights {
    /// A lease on each of these keys will be asked for.
    pub(super) fn ask<'k>(&self, keys: impl IntoIterator<Item = &'k CellKey>) -> Asking<'_> {
        let keys: Vec<CellKey> = keys.into_iter().cloned().collect();
        for key in &keys {
            match self.part(key).lock().entry(key.clone()) {
                Entry::Occupied(mut flight) => {
                    if let Flight::Asking(n) = flight.get_mut() {
                        *n += 1;
                    }
                }
                Entry::Vacant(place) => drop(place.insert(Flight::Asking(1))),
            }
        }
        Asking { flights: self, keys }
    }

    /// The answer for one of them.
    fn answered(&self, key: &CellKey, granted: Option<Nonce>) {
        let part = self.part(key);
        let mut flights = part.lock();
        match (granted, flights.get_mut(key)) {
            // Of two leases on one key, the later one stands.
            (Some(token), Some(flight)) => *flight = Flight::Flying(token),
            (Some(token), None) => drop(flights.insert(key.clone(), Flight::Flying(token))),
            (None, Some(Flight::Asking(n))) if *n > 1 => *n -= 1,
            (None, Some(Flight::Asking(_))) => drop(flights.remove(key)),
            (None, _) => {}
        }
        drop(flights);
        part.changed.notify_all();
    }

    /// What was loaded under a lease.
    pub(super) fn land(&self, key: &CellKey, token: Nonce, value: &Bytes) {
        let part = self.part(key);
        let mut flights = part.lock();
        if let Some(flight) = flights.get_mut(key).filter(|flight| flight.is(token)) {
            *flight = Flight::Landed(token, value.clone());
        }
        drop(flights);
        part.changed.notify_all();
    }

    /// A load is over: it is stored, or was given up.
    pub(super) fn end(&self, key: &CellKey, token: Nonce) {
        let part = self.part(key);
        let mut flights = part.lock();
        if flights.get(key).is_some_and(|flight| flight.is(token)) {
            flights.remove(key);
        }
        drop(flights);
        part.changed.notify_all();
    }

    /// A load did not come to its end, unless it has landed.
    fn give_up(&self, key: &CellKey, token: Nonce) {
        let is_landed = matches!(self.part(key).lock().get(key), Some(Flight::Landed(..)));
        if !is_landed {
            self.end(key, token);
        }
    }

    /// What is known of the load under this very lease.
    pub(super) fn known(&self, key: &CellKey, token: Nonce) -> Known {
        self.part(key).lock().get(key).map_or(Known::Nothing, |flight| flight.known(token))
    }

    /// Waits for what is loaded under a lease, until then at most: `None` if it does not come.
    pub(super) fn wait(&self, key: &CellKey, token: Nonce, until: Instant) -> Option<Bytes> {
        let part = self.part(key);
        let mut flights = part.lock();
        loop {
            match flights.get(key).map_or(Known::Nothing, |flight| flight.known(token)) {
                Known::Nothing => return None,
                Known::Loaded(value) => return Some(value),
                Known::UnderWay => {}
            }
            let mut left = until.checked_duration_since(Instant::now()).filter(|left| !left.is_zero())?;
            if is_hooked() {
                drop(flights);
                reach(Point::Waiting);
                flights = part.lock();
                // It may have come while the hook ran, and nobody tells of it again.
                left = left.min(Duration::from_millis(1));
            }
            flights = part.changed.wait_timeout(flights, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn part(&self, key: &CellKey) -> &Part {
        let parts = self.parts.len() as u64;
        let at = usize::try_from(self.hasher.hash_one(key.as_bytes()) % parts).unwrap_or_default();
        &self.parts[at]
    }
}

impl Flight {
    fn is(&self, token: Nonce) -> bool {
        match self {
            Self::Asking(_) => false,
            Self::Flying(theirs) | Self::Landed(theirs, _) => *theirs == token,
        }
    }

    fn known(&self, token: Nonce) -> Known {
        match self {
            // The lease that was seen may be the one whose answer is on its way.
            Self::Asking(_) => Known::UnderWay,
            Self::Flying(theirs) if *theirs == token => Known::UnderWay,
            Self::Landed(theirs, value) if *theirs == token => Known::Loaded(value.clone()),
            Self::Flying(_) | Self::Landed(..) => Known::Nothing,
        }
    }
}

impl Part {
    fn lock(&self) -> MutexGuard<'_, HashMap<CellKey, Flight>> {
        // Nothing that can panic halfway through a change runs under this lock.
        self.flights.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Keys of which a lease is asked for. Without an answer, it was refused.
pub(super) struct Asking<'f> {
    flights: &'f Flights,
    keys: Vec<CellKey>,
}

impl<'f> Asking<'f> {
    /// The answers, in the order of the keys: the loads that are begun by them. What has no answer was refused.
    pub(super) fn answered(mut self, granted: impl IntoIterator<Item = Option<Nonce>>) -> Crew<'f> {
        let mut own = Vec::new();
        let answers = granted.into_iter().chain(std::iter::repeat(None));
        for (key, token) in std::mem::take(&mut self.keys).into_iter().zip(answers) {
            self.flights.answered(&key, token);
            own.extend(token.map(|token| (key, token)));
        }
        Crew { flights: self.flights, own }
    }
}

impl Drop for Asking<'_> {
    fn drop(&mut self) {
        self.keys.iter().for_each(|key| self.flights.answered(key, None));
    }
}

/// Loads that were begun, of which those that don't land are given up when this goes.
pub(crate) struct Crew<'f> {
    flights: &'f Flights,
    own: Vec<(CellKey, Nonce)>,
}

impl Drop for Crew<'_> {
    fn drop(&mut self) {
        self.own.iter().for_each(|(key, token)| self.flights.give_up(key, *token));
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;
    use crate::store::Layout;

    const LONG: Duration = Duration::from_secs(60);

    fn key() -> CellKey {
        CellKey::new(&b"users:id:1"[..], Layout::new(1))
    }

    fn value() -> Bytes {
        Bytes::from_static(b"row")
    }

    #[test]
    fn what_is_loaded_under_a_lease_is_had_by_all_who_saw_it() {
        let (flights, key, token) = (Flights::default(), key(), Nonce::fresh());
        let asking = flights.ask([&key]);
        assert_eq!(flights.known(&key, token), Known::UnderWay, "it may be that one");
        thread::scope(|scope| {
            let waiter = scope.spawn(|| flights.wait(&key, token, Instant::now() + LONG));
            let crew = asking.answered([Some(token)]);
            assert_eq!(flights.known(&key, Nonce::fresh()), Known::Nothing);
            flights.land(&key, token, &value());
            assert_eq!(flights.known(&key, token), Known::Loaded(value()));
            assert_eq!(waiter.join().unwrap(), Some(value()));
            drop(crew);
        });
        assert_eq!(flights.known(&key, token), Known::Loaded(value()), "what has landed outlives its crew");
        flights.end(&key, token);
        assert_eq!(flights.known(&key, token), Known::Nothing);
    }

    #[test]
    fn who_waits_hears_of_a_load_that_was_given_up() {
        let (flights, key, token) = (Flights::default(), key(), Nonce::fresh());
        let crew = flights.ask([&key]).answered([Some(token)]);
        thread::scope(|scope| {
            let waiter = scope.spawn(|| flights.wait(&key, token, Instant::now() + LONG));
            drop(crew);
            assert_eq!(waiter.join().unwrap(), None);
        });
    }

    #[test]
    fn a_lease_that_was_refused_leaves_others_that_ask_alone() {
        let (flights, key) = (Flights::default(), key());
        let (first, second) = (flights.ask([&key]), flights.ask([&key]));
        drop(first.answered([None]));
        assert_eq!(flights.known(&key, Nonce::fresh()), Known::UnderWay);
        drop(second);
        assert_eq!(flights.known(&key, Nonce::fresh()), Known::Nothing);
    }

    #[test]
    fn nobody_waits_for_a_lease_that_failed() {
        let (flights, key) = (Flights::default(), key());
        drop(flights.ask([&key]).answered([]));
        assert_eq!(flights.known(&key, Nonce::fresh()), Known::Nothing, "a lease of another process, say");
    }

    #[test]
    fn nobody_waits_longer_than_he_said() {
        let (flights, key) = (Flights::default(), key());
        let _asking = flights.ask([&key]);
        assert_eq!(flights.wait(&key, Nonce::fresh(), Instant::now()), None);
    }
}
