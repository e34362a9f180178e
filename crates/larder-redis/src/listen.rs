//! The lines to those who hold copies of cells: a thread and a connection for each.

mod seat;
mod session;

use std::{
    sync::{Arc, Mutex, PoisonError, Weak},
    thread,
    time::{Duration, Instant},
};

use larder::store::{Announcement, Line, Listener, Listening, Nonce, StoreError, Subscription};

use self::{seat::Seat, session::Session};
use crate::{names::Names, pool::Manager, strict::Strict, wire::moment_in};

/// The pause after a line was lost, and the longest one after attempts that failed.
const PAUSES: (Duration, Duration) = (Duration::from_millis(10), Duration::from_millis(500));

/// How long a line may be silent while a question is open: a server that is busy for shorter loses nobody's copies.
const PATIENCE: Duration = Duration::from_secs(1);

/// Those who listen through one store.
pub(crate) struct Listeners {
    manager: Arc<Manager>,
    names: Arc<Names>,
    strict: Strict,
    /// In this process, a writer may tell them itself.
    seats: Mutex<Vec<Weak<Seat>>>,
}

/// What a line goes by.
#[derive(Clone, Copy)]
struct Pace {
    /// From one question to the next.
    every: Duration,
    /// How long to wait for an answer.
    patience: Duration,
    strict: Strict,
}

impl Listeners {
    pub(crate) fn new(manager: Arc<Manager>, names: Arc<Names>, strict: Strict) -> Self {
        Self { manager, names, strict, seats: Mutex::default() }
    }

    pub(crate) fn add(&self, listener: Arc<dyn Listener>, wanted: Listening) -> Option<Subscription> {
        let seat = Arc::new(Seat::new(listener, wanted.is_strict));
        // A proof for strict models has to be renewed before it ends, and the question for it is the same.
        let every = wanted.proof_every.clamp(Duration::from_millis(1), self.strict.horizon / 3);
        let pace = Pace { every, patience: PATIENCE.max(3 * every), strict: self.strict };
        let (manager, names, taken) = (Arc::clone(&self.manager), Arc::clone(&self.names), Arc::clone(&seat));
        let thread = thread::Builder::new().name("larder-listen".to_owned());
        if let Err(error) = thread.spawn(move || run(&manager, &names, pace, &taken)) {
            tracing::warn!(%error, "no thread to listen on");
            return None;
        }
        let mut seats = self.seats.lock().unwrap_or_else(PoisonError::into_inner);
        seats.retain(|seat| seat.strong_count() > 0);
        seats.push(Arc::downgrade(&seat));
        drop(seats);
        Some(Subscription::new(Place { seat, leaves_within: self.manager.io_timeout }))
    }

    /// Tells whoever of this store's own listeners is registered under that name, on this thread: whether there was one.
    ///
    /// What it is told here it will be told once more, and then with its place.
    pub(crate) fn tell(&self, holder: &Nonce, keys: &[&[u8]]) -> bool {
        let seats = self.seats.lock().unwrap_or_else(PoisonError::into_inner);
        let seats: Vec<_> = seats.iter().filter_map(Weak::upgrade).collect();
        let Some(seat) = seats.into_iter().find(|seat| seat.is_registered_as(holder)) else { return false };
        // One that does not listen any more has lost all its copies.
        seat.tell(|listener| listener.dropped(&Announcement { keys, place: None }));
        true
    }
}

/// What the one who listens holds.
struct Place {
    seat: Arc<Seat>,
    leaves_within: Duration,
}

impl Line for Place {
    fn take_strict(&self) {
        self.seat.want_strict();
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.seat.close(self.leaves_within);
    }
}

/// Keeps a line up until its seat is closed.
fn run(manager: &Manager, names: &Names, pace: Pace, seat: &Seat) {
    let (shortest, longest) = PAUSES;
    let (mut pause, mut is_known) = (shortest, false);
    while !seat.is_closed() {
        let start = Instant::now();
        let error = match listen(manager, names, pace, seat) {
            Ok(()) => break,
            Err(error) => error,
        };
        if start.elapsed() > longest {
            // It was up for a while. One that is lost as soon as it is there must not be made a hundred times a second.
            (pause, is_known) = (shortest, false);
        }
        if !is_known {
            // Attempts follow each other, and the first one has said it.
            let reason = std::error::Error::source(&error).map_or_else(|| error.to_string(), ToString::to_string);
            tracing::warn!(error = %reason, "not told of changes by redis: nothing is kept near");
            is_known = true;
        }
        seat.wait_until_closed(Instant::now() + pause);
        pause = (2 * pause).min(longest);
    }
    seat.left();
}

/// One connection, from its making until it is lost, or not wanted any more.
fn listen(manager: &Manager, names: &Names, pace: Pace, seat: &Seat) -> Result<(), StoreError> {
    let (mut wire, reign) = manager.wire()?;
    if !seat.connected(wire.hangup()?) {
        return Ok(());
    }
    let mut session = Session::new(wire, reign, names, pace, seat);
    let listened = session.join(moment_in(manager.connect_timeout)).and_then(|()| session.listen());
    // Before anything else: whatever is published from now on is missed.
    seat.lost();
    if seat.is_closed() {
        session.leave(moment_in(manager.io_timeout));
        return Ok(());
    }
    listened
}
