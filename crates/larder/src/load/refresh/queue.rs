//! What is to be refreshed, and who is at it.

use std::{
    any::{Any, TypeId},
    collections::HashMap,
    hash::BuildHasher,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use quick_cache::DefaultHashBuilder;

use crate::{entity::Pattern, store::BATCH};

/// How many keys may be under way. Those beyond are left to expire.
const MAX_CLAIMED: usize = 4_096;

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
    /// Keys that somebody has, by their hashes; of those that were given back in vain, until when nobody takes them. Of two keys with one hash
    /// only one is refreshed at a time.
    claimed: HashMap<u64, Option<Instant>>,
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
        let is_free = |key: &&P::Key| self.state().claim(self.hash::<P>(key));
        let due: Vec<Due<P>> = keys.into_iter().filter(is_free).map(|key| Due { key: key.clone(), is_near }).collect();
        if due.is_empty() {
            return false;
        }
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
        let taken: Vec<Due<P>> = waiting.drain(..waiting.len().min(BATCH)).collect();
        queue.is_served = !taken.is_empty();
        taken
    }

    /// Gives a key back, after it was refreshed or because it need not or can't be.
    pub(super) fn release<P: Pattern>(&self, key: &P::Key, is_done: bool) {
        let hash = self.hash::<P>(key);
        let mut state = self.state();
        if is_done {
            state.claimed.remove(&hash);
        } else {
            state.claimed.insert(hash, Some(Instant::now() + PAUSE));
        }
    }

    /// Nobody serves a queue: what waits there is let go.
    pub(super) fn close<P: Pattern>(&self) {
        let waiting = {
            let mut state = self.state();
            let queue = state.queues.entry(TypeId::of::<P>()).or_default();
            queue.is_served = false;
            std::mem::take(queue.of::<P>())
        };
        waiting.iter().for_each(|due| self.release::<P>(&due.key, false));
    }

    fn hash<P: Pattern>(&self, key: &P::Key) -> u64 {
        self.hasher.hash_one((TypeId::of::<P>(), key))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing that can panic halfway through a change runs under this lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn claim(&mut self, hash: u64) -> bool {
        let is_free = |until: &Option<Instant>| until.is_some_and(|until| Instant::now() >= until);
        match self.claimed.get(&hash) {
            Some(until) if !is_free(until) => return false,
            None if self.claimed.len() >= MAX_CLAIMED => {
                self.claimed.retain(|_, until| !is_free(until));
                if self.claimed.len() >= MAX_CLAIMED {
                    return false;
                }
            }
            _ => {}
        }
        self.claimed.insert(hash, None);
        true
    }
}

impl Queue {
    fn of<P: Pattern>(&mut self) -> &mut Vec<Due<P>> {
        let waiting = self.waiting.get_or_insert_with(|| Box::new(Vec::<Due<P>>::new()));
        waiting.downcast_mut().expect("a queue is found by its pattern")
    }
}
