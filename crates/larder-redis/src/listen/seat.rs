use std::{
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use larder::store::{Listener, Nonce, Position};

use crate::wire::Hangup;

/// What the thread of a line and the one who listens share.
pub(crate) struct Seat {
    gate: Mutex<Gate>,
    changed: Condvar,
    wants_strict: AtomicBool,
}

/// All that a listener is told goes through here, one thing after the other, and nothing after it is closed.
struct Gate {
    listener: Arc<dyn Listener>,
    is_closed: bool,
    /// Whether it was told that it is told, and not since that it may not have been.
    is_joined: bool,
    /// Whether the thread has nothing left to do.
    has_left: bool,
    /// Under which name writers know of the listener.
    registered: Option<Nonce>,
    hangup: Option<Hangup>,
}

impl Seat {
    pub(super) fn new(listener: Arc<dyn Listener>, wants_strict: bool) -> Self {
        let gate =
            Gate { listener, is_closed: false, is_joined: false, has_left: false, registered: None, hangup: None };
        Self { gate: Mutex::new(gate), changed: Condvar::new(), wants_strict: AtomicBool::new(wants_strict) }
    }

    fn gate(&self) -> MutexGuard<'_, Gate> {
        // Listeners don't panic, and nothing else can halfway through a change.
        self.gate.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells the listener something: `None` if it does not listen any more.
    pub(crate) fn tell<T>(&self, what: impl FnOnce(&dyn Listener) -> T) -> Option<T> {
        let gate = self.gate();
        (!gate.is_closed).then(|| what(&*gate.listener))
    }

    pub(super) fn want_strict(&self) {
        self.wants_strict.store(true, Ordering::Relaxed);
    }

    pub(super) fn wants_strict(&self) -> bool {
        self.wants_strict.load(Ordering::Relaxed)
    }

    /// From here on writers may be waiting for the listener under that name: `false` if it does not listen any more.
    pub(super) fn register(&self, name: Nonce) -> bool {
        let mut gate = self.gate();
        gate.registered = Some(name);
        !gate.is_closed
    }

    pub(super) fn is_registered_as(&self, name: &Nonce) -> bool {
        self.gate().registered.as_ref() == Some(name)
    }

    /// There is a connection, which can be ended by this: `false` if it is not wanted any more.
    pub(super) fn connected(&self, hangup: Hangup) -> bool {
        let mut gate = self.gate();
        gate.hangup = Some(hangup);
        !gate.is_closed
    }

    pub(super) fn joined(&self, place: Option<Position>) {
        let mut gate = self.gate();
        gate.is_joined = true;
        if !gate.is_closed {
            gate.listener.joined(place);
        }
    }

    pub(super) fn lost(&self) {
        let mut gate = self.gate();
        (gate.hangup, gate.registered) = (None, None);
        if std::mem::take(&mut gate.is_joined) && !gate.is_closed {
            gate.listener.lost();
        }
    }

    pub(super) fn is_closed(&self) -> bool {
        self.gate().is_closed
    }

    pub(super) fn wait_until_closed(&self, until: Instant) {
        let left = until.saturating_duration_since(Instant::now());
        drop(self.changed.wait_timeout_while(self.gate(), left, |gate| !gate.is_closed));
    }

    /// The thread has come to its end.
    pub(super) fn left(&self) {
        self.gate().has_left = true;
        self.changed.notify_all();
    }

    /// Ends the listening: the listener is told that it has lost its line, and nothing more.
    ///
    /// Where writers may be waiting for it, this waits until they are told not to, but no longer than so.
    pub(super) fn close(&self, leaves_within: Duration) {
        let mut gate = self.gate();
        gate.is_closed = true;
        gate.listener.lost();
        if let Some(hangup) = gate.hangup.take() {
            hangup.end_reading();
        }
        let is_registered = gate.registered.is_some();
        self.changed.notify_all();
        if is_registered {
            drop(self.changed.wait_timeout_while(gate, leaves_within, |gate| !gate.has_left));
        }
    }
}
