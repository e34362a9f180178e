use std::{
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use crate::store::{Announcement, CellKey, Line, Listener, Nonce, Position, Subscription};

/// Who holds copies of a store's cells, in the same process: told before the write goes on.
#[derive(Default)]
pub(super) struct Listeners {
    /// Whether there are any: what nearly every write finds there are not, without a lock.
    any: AtomicBool,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    listeners: Vec<(u64, Arc<dyn Listener>)>,
    n_listeners_ever: u64,
    place: Option<Position>,
}

impl Listeners {
    pub(super) fn add(&self, listener: Arc<dyn Listener>) -> Subscription {
        let mut state = lock(&self.state);
        listener.joined(state.place);
        // Nothing can get lost on the way, so a strict model's copies are as good as any.
        listener.proven(Duration::MAX, Some(Duration::MAX));
        let number = state.n_listeners_ever;
        state.n_listeners_ever += 1;
        state.listeners.push((number, listener));
        self.any.store(true, Ordering::SeqCst);
        Subscription::new(Seat { number, state: Arc::downgrade(&self.state) })
    }

    /// Tells of a write that has begun: its place.
    pub(super) fn begun(&self, keys: &[&CellKey]) -> Position {
        let mut state = lock(&self.state);
        let place = match state.place {
            Some(Position { series, number }) => Position { series, number: number + 1 },
            None => Position { series: Nonce::fresh(), number: 1 },
        };
        state.place = Some(place);
        state.tell(keys, Some(place));
        place
    }

    /// Tells of cells that were emptied.
    pub(super) fn emptied(&self, keys: &[&CellKey]) {
        if self.any.load(Ordering::SeqCst) {
            lock(&self.state).tell(keys, None);
        }
    }
}

impl State {
    fn tell(&self, keys: &[&CellKey], place: Option<Position>) {
        if self.listeners.is_empty() {
            return;
        }
        let keys: Vec<&[u8]> = keys.iter().map(|key| key.as_bytes()).collect();
        for (_, listener) in &self.listeners {
            listener.dropped(&Announcement { keys: &keys, place });
        }
    }
}

/// A listener's place among the others.
struct Seat {
    number: u64,
    state: Weak<Mutex<State>>,
}

impl Line for Seat {}

impl Drop for Seat {
    fn drop(&mut self) {
        let Some(state) = self.state.upgrade() else { return };
        let mut state = lock(&state);
        if let Some(at) = state.listeners.iter().position(|(number, _)| *number == self.number) {
            let (_, listener) = state.listeners.swap_remove(at);
            listener.lost();
        }
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    // Listeners don't panic, and nothing else can halfway through a change.
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

impl fmt::Debug for Listeners {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Listeners").field("n", &lock(&self.state).listeners.len()).finish()
    }
}
