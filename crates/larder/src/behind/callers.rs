//! Those who call at once: one of them sends for all.

use std::{
    collections::VecDeque,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use super::{
    change::Change,
    error::{Error, Result},
};
use crate::store::StoreError;

/// Calls that wait, and whether one of their callers is sending.
#[derive(Default)]
pub(super) struct Callers(Mutex<Queue>);

#[derive(Default)]
struct Queue {
    waiting: VecDeque<Arc<Ticket>>,
    /// Whether a caller is sending for all.
    is_led: bool,
}

/// One call's changes.
pub(super) struct Call {
    pub(super) since: Instant,
    pub(super) changes: Vec<Change>,
    /// Whether they may go past the buffer, since it does not matter what comes before them.
    pub(super) only_counts: bool,
    /// How large they are in the buffer.
    pub(super) n_bytes: usize,
}

/// A call, and what became of it.
struct Ticket {
    call: Call,
    state: Mutex<State>,
    told: Condvar,
}

enum State {
    Waiting,
    /// It is this caller's turn to send.
    Leads,
    Done(Result<()>),
}

impl Callers {
    /// Puts a call in line, and returns when it is done. Where it is this caller's turn, `send` is run again and again until then: it
    /// [takes](Self::take) what waits, and ends it.
    pub(super) fn call(&self, call: Call, mut send: impl FnMut()) -> Result<()> {
        let ticket = Arc::new(Ticket { call, state: Mutex::new(State::Waiting), told: Condvar::new() });
        let mut queue = lock(&self.0);
        queue.waiting.push_back(Arc::clone(&ticket));
        let leads = !std::mem::replace(&mut queue.is_led, true);
        drop(queue);
        if leads || ticket.waits_for_its_turn() {
            let _turn = Turn(self);
            while ticket.result().is_none() {
                send();
            }
        }
        ticket.result().expect("who has had his turn, or was told, is done")
    }

    /// Takes out the calls that have waited longest, as long as `is_wanted` says so.
    pub(super) fn take(&self, mut is_wanted: impl FnMut(&Call) -> bool) -> Sending {
        let mut queue = lock(&self.0);
        let mut sending = Sending(Vec::new());
        while let Some(ticket) = queue.waiting.pop_front_if(|next| is_wanted(&next.call)) {
            sending.0.push(ticket);
        }
        sending
    }
}

impl Call {
    pub(super) fn n_calls(&self) -> u64 {
        self.changes.iter().map(|change| change.n_calls).sum()
    }
}

impl Ticket {
    /// Waits until the changes are sent, or it is this caller's turn to send: whether it is.
    fn waits_for_its_turn(&self) -> bool {
        let waits = |state: &mut State| matches!(state, State::Waiting);
        let state = self.told.wait_while(lock(&self.state), waits).unwrap_or_else(PoisonError::into_inner);
        matches!(*state, State::Leads)
    }

    fn tell(&self, state: State) {
        *lock(&self.state) = state;
        self.told.notify_one();
    }

    fn result(&self) -> Option<Result<()>> {
        match &*lock(&self.state) {
            State::Done(result) => Some(result.clone()),
            State::Waiting | State::Leads => None,
        }
    }
}

/// The turn of one caller to send for all. It goes to the next, also if a hook or a buffer panics.
struct Turn<'c>(&'c Callers);

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let mut queue = lock(&self.0.0);
        match queue.waiting.front() {
            Some(next) => next.tell(State::Leads),
            None => queue.is_led = false,
        }
    }
}

/// Calls whose changes are being sent.
pub(super) struct Sending(Vec<Arc<Ticket>>);

impl Sending {
    pub(super) fn calls(&self) -> impl Iterator<Item = &Call> {
        self.0.iter().map(|ticket| &ticket.call)
    }

    /// Tells each what became of it.
    pub(super) fn end(&mut self, result: impl Fn(&Call) -> Result<()>) {
        for ticket in self.0.drain(..) {
            let result = result(&ticket.call);
            ticket.tell(State::Done(result));
        }
    }
}

impl Drop for Sending {
    fn drop(&mut self) {
        // Whoever sends has panicked; the others must hear of something.
        let error = Error::Unknown(Arc::new(StoreError::unavailable("the thread that sent it panicked")));
        self.end(|_| Err(error.clone()));
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
