//! A listener that writes down what it is told.

use std::{
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use larder::store::{Announcement, Listener, Listening, Position, Store, Subscription};

/// What a listener was told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Told {
    Joined(Option<Position>),
    Dropped(Vec<String>, Option<Position>),
    Proven { sent: Duration, is_strict: bool },
    Lost,
}

#[derive(Clone)]
pub(crate) struct Recorder(Arc<State>);

struct State {
    start: Instant,
    told: Mutex<Vec<Told>>,
    changed: Condvar,
    /// What each announcement waits for.
    hold: Mutex<()>,
}

impl Recorder {
    pub(crate) fn new() -> Self {
        let (told, changed, hold) = (Mutex::default(), Condvar::new(), Mutex::default());
        Self(Arc::new(State { start: Instant::now(), told, changed, hold }))
    }

    /// Lets it listen, and waits until it has its first proof.
    pub(crate) fn on(store: &impl Store, wanted: Listening) -> (Self, Subscription) {
        let recorder = Self::new();
        let subscription = store.listen(recorder.listener(), wanted).unwrap();
        recorder.wait_for("it has a proof", |told| {
            told.iter().any(|told| matches!(told, Told::Proven { is_strict, .. } if *is_strict == wanted.is_strict))
        });
        (recorder, subscription)
    }

    pub(crate) fn listener(&self) -> Arc<dyn Listener> {
        Arc::clone(&self.0) as Arc<dyn Listener>
    }

    pub(crate) fn now(&self) -> Duration {
        self.0.start.elapsed()
    }

    /// All that it was told so far.
    pub(crate) fn told(&self) -> Vec<Told> {
        self.0.lock().clone()
    }

    /// The keys of which it was told, in their order, and the places.
    pub(crate) fn dropped(&self) -> Vec<(Vec<String>, Option<Position>)> {
        let told = self.told().into_iter();
        told.filter_map(|told| if let Told::Dropped(keys, place) = told { Some((keys, place)) } else { None }).collect()
    }

    pub(crate) fn n_lost(&self) -> usize {
        self.told().iter().filter(|told| **told == Told::Lost).count()
    }

    /// Waits until what it was told is enough.
    #[track_caller]
    pub(crate) fn wait_for(&self, what: &str, is_enough: impl Fn(&[Told]) -> bool) {
        let (told, patience) = (self.0.lock(), Duration::from_secs(30));
        let (told, result) = self.0.changed.wait_timeout_while(told, patience, |told| !is_enough(told)).unwrap();
        let told = told.clone();
        assert!(!result.timed_out(), "{what}: not within {patience:?}, but {told:?}");
    }

    /// Waits until it was told the last of those things, after the first `n` of all.
    #[track_caller]
    pub(crate) fn wait_after(&self, n: usize, what: &str, is_it: impl Fn(&Told) -> bool) {
        self.wait_for(what, |told| told.iter().skip(n).any(&is_it));
    }

    /// Waits for a proof of which the question is asked from now on.
    #[track_caller]
    pub(crate) fn wait_for_proof(&self) {
        let now = self.now();
        self.wait_for("there is a new proof", |told| {
            told.iter().any(|told| matches!(told, Told::Proven { sent, .. } if *sent > now))
        });
    }
}

impl Recorder {
    /// Holds it up with its next announcement, until what comes back is dropped.
    pub(crate) fn hold_up(&self) -> MutexGuard<'_, ()> {
        self.0.hold.lock().unwrap()
    }
}

impl State {
    fn lock(&self) -> MutexGuard<'_, Vec<Told>> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, told: Told) {
        self.lock().push(told);
        self.changed.notify_all();
    }
}

impl Listener for State {
    fn now(&self) -> Duration {
        self.start.elapsed()
    }

    fn joined(&self, place: Option<Position>) {
        self.note(Told::Joined(place));
    }

    fn dropped(&self, announcement: &Announcement<'_>) {
        drop(self.hold.lock().unwrap());
        let keys = announcement.keys.iter().map(|key| String::from_utf8_lossy(key).into_owned()).collect();
        self.note(Told::Dropped(keys, announcement.place));
    }

    fn proven(&self, sent: Duration, strict_for: Option<Duration>) {
        self.note(Told::Proven { sent, is_strict: strict_for.is_some() });
    }

    fn lost(&self) {
        self.note(Told::Lost);
    }
}

/// A proof often enough for a test, and copies of strict models or not.
pub(crate) fn every_10_ms(is_strict: bool) -> Listening {
    Listening { proof_every: Duration::from_millis(10), is_strict }
}
