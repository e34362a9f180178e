//! What is to be refreshed, and who is at it.

use std::{
    any::{Any, TypeId},
    collections::HashMap,
    hash::BuildHasher,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use quick_cache::DefaultHashBuilder;
use smallvec::SmallVec;

use super::claims::Claims;
use crate::{entity::Pattern, store::BATCH};

/// How many lists are refreshed together: each may have hundreds of rows, and all are in memory at once.
const BATCH_LISTS: usize = 32;

/// How long a key is left alone that could not be refreshed, while its copy is served.
const PAUSE: Duration = Duration::from_millis(100);

/// The keys of a handle that are to be refreshed, each once at a time.
pub(crate) struct Refreshes {
    is_on: bool,
    hasher: DefaultHashBuilder,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// The keys that wait, that somebody is at, or that are left alone.
    claims: Claims,
    /// What waits, by pattern.
    queues: HashMap<TypeId, Queue>,
}

#[derive(Default)]
struct Queue {
    /// A list of [`Due`]s of the pattern.
    waiting: Option<Box<dyn Any + Send>>,
    is_served: bool,
}

/// A key whose value will soon expire, or may.
pub(super) struct Due<P: Pattern> {
    pub(super) key: P::Key,
    /// Whether its copy near will, and not only perhaps the cell's value.
    pub(super) is_near: bool,
}

impl Refreshes {
    pub(crate) fn new(is_on: bool) -> Self {
        Self { is_on, hasher: DefaultHashBuilder::default(), state: Mutex::default() }
    }

    pub(super) fn is_on(&self) -> bool {
        self.is_on
    }

    /// Takes note of the keys that nobody has: whether somebody has to be found who serves their queue.
    pub(super) fn add<'k, P: Pattern>(&self, keys: impl IntoIterator<Item = &'k P::Key>, is_near: bool) -> bool {
        // Before the lock is taken: a key's hash and its clone are a model's own code.
        let hashed: SmallVec<[(u64, &P::Key); 1]> = keys.into_iter().map(|key| (self.hash::<P>(key), key)).collect();
        if hashed.is_empty() {
            return false;
        }
        let now = Instant::now();
        let claimed = self.state().claims.claim(hashed, now);
        if claimed.is_empty() {
            return false;
        }
        let due: Vec<Due<P>> = claimed.into_iter().map(|key| Due { key: key.clone(), is_near }).collect();
        let mut state = self.state();
        let queue = state.queues.entry(TypeId::of::<P>()).or_default();
        queue.of::<P>().extend(due);
        !std::mem::replace(&mut queue.is_served, true)
    }

    /// The next keys of a queue, which whoever serves it gives [back](Self::release): if there are none, he need not come again.
    pub(super) fn take<P: Pattern>(&self) -> Vec<Due<P>> {
        let mut state = self.state();
        let queue = state.queues.entry(TypeId::of::<P>()).or_default();
        let waiting = queue.of::<P>();
        let at_once = if P::UNIQUE { BATCH } else { BATCH_LISTS };
        let taken: Vec<Due<P>> = waiting.drain(..waiting.len().min(at_once)).collect();
        queue.is_served = !taken.is_empty();
        taken
    }

    /// Gives keys back, and whether each need not come again soon: it was refreshed, or there is nothing to refresh.
    pub(super) fn release<'k, P: Pattern>(&self, keys: impl IntoIterator<Item = (&'k P::Key, bool)>) {
        let hashed: Vec<(u64, bool)> = keys.into_iter().map(|(key, is_done)| (self.hash::<P>(key), is_done)).collect();
        let until = Instant::now() + PAUSE;
        self.state().claims.release(hashed, until);
    }

    /// Nobody serves a queue: what waits there is let go.
    pub(super) fn close<P: Pattern>(&self) {
        let waiting = {
            let mut state = self.state();
            let queue = state.queues.entry(TypeId::of::<P>()).or_default();
            queue.is_served = false;
            std::mem::take(queue.of::<P>())
        };
        self.release::<P>(waiting.iter().map(|due| (&due.key, false)));
    }

    fn hash<P: Pattern>(&self, key: &P::Key) -> u64 {
        self.hasher.hash_one((TypeId::of::<P>(), key))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing that can panic halfway through a change runs under this lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Queue {
    fn of<P: Pattern>(&mut self) -> &mut Vec<Due<P>> {
        let waiting = self.waiting.get_or_insert_with(|| Box::new(Vec::<Due<P>>::new()));
        waiting.downcast_mut().expect("a queue is found by its pattern")
    }
}
