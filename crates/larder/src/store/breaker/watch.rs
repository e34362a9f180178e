//! The thread that watches a store while its breaker is open.

use std::{sync::Arc, thread};

use super::{
    BreakerState, Desk,
    circuit::{Next, Outcome, Recovery},
};
use crate::{
    event::{self, Event},
    store::{CellKey, Layout},
};

/// What a probe reads. No model's cells begin so, and nobody fills it.
const PROBE: &[u8] = b"larder-breaker:probe";

/// Starts the thread, which ends with the recovery, or with the breaker.
pub(super) fn start(desk: &Arc<Desk>) {
    let watched = Arc::clone(desk);
    let run = move || {
        let _ending = Ending(&watched);
        watched.watch();
    };
    if thread::Builder::new().name("larder-breaker".to_owned()).spawn(run).is_err() {
        // A breaker that nobody closes must not be open.
        desk.circuit.give_up();
    }
}

impl Desk {
    /// Tells of all changes itself, so that they are told in their order.
    fn watch(&self) {
        loop {
            let cause = self.circuit.cause();
            self.tell(BreakerState::Open, cause.as_deref());
            if !self.probe_until_good() {
                return;
            }
            self.tell(BreakerState::Recovering, None);
            match self.circuit.wait_for_recovery() {
                Recovery::Reopened => continue,
                Recovery::Gone => return,
                Recovery::Closed => self.tell(BreakerState::Closed, None),
            }
            if self.circuit.is_unwatched() {
                return;
            }
        }
    }

    /// Tries the store until it is good again, or the breaker goes: whether it is still there.
    fn probe_until_good(&self) -> bool {
        let key = CellKey::new(PROBE, Layout::UNKNOWN);
        let mut pause = self.circuit.first_pause();
        while self.circuit.rest(pause) {
            let sent = self.circuit.now();
            let read = self.store.read(std::slice::from_ref(&key));
            let took = self.circuit.now().saturating_sub(sent);
            let outcome = match &read {
                Err(error) => Outcome::Failed(error),
                Ok(_) if took > self.circuit.options().slow => Outcome::Slow(took),
                Ok(_) => Outcome::Good,
            };
            match self.circuit.probed(outcome) {
                Next::Probe { after } => pause = after,
                Next::Recover => return true,
            }
        }
        false
    }

    fn tell(&self, state: BreakerState, cause: Option<&str>) {
        let event = Event::Breaker { state, cause };
        event::trace(event);
        self.events.handle(event);
    }
}

/// Lets nobody wait for a watch that has panicked.
struct Ending<'d>(&'d Desk);

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.circuit.give_up();
        }
    }
}
