use std::{
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak},
    time::{Duration, Instant},
};

use super::connection::Connection;

/// What all connections of a proxy go by.
#[derive(Debug)]
pub(super) struct State {
    rules: Mutex<Rules>,
    changed: Condvar,
    connections: Mutex<Vec<Weak<Connection>>>,
}

#[derive(Debug)]
pub(super) struct Rules {
    /// Host and port.
    pub(super) server: String,
    pub(super) is_closed: bool,
    pub(super) is_held: bool,
    pub(super) delay: Duration,
    pub(super) answers_after: Duration,
    pub(super) loses_commit: bool,
    pub(super) holds_commit: Option<Duration>,
    pub(super) late_news: Option<LateNews>,
}

/// What subscribers are told late.
#[derive(Debug)]
pub(super) struct LateNews {
    /// Those of channels whose name has that in it.
    pub(super) channel: Box<[u8]>,
    pub(super) by: Duration,
    /// How many pieces of what was sent to them have waited.
    pub(super) n_pieces: usize,
}

impl State {
    pub(super) fn new(server: String) -> Self {
        let rules = Rules {
            server,
            is_closed: false,
            is_held: false,
            delay: Duration::ZERO,
            answers_after: Duration::ZERO,
            loses_commit: false,
            holds_commit: None,
            late_news: None,
        };
        Self { rules: Mutex::new(rules), changed: Condvar::new(), connections: Mutex::default() }
    }

    fn rules(&self) -> MutexGuard<'_, Rules> {
        self.rules.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the rules, or looks at them.
    pub(super) fn change<T>(&self, change: impl FnOnce(&mut Rules) -> T) -> T {
        let changed = change(&mut self.rules());
        self.changed.notify_all();
        changed
    }

    pub(super) fn add(&self, connection: &Arc<Connection>) {
        let mut connections = self.connections.lock().unwrap_or_else(PoisonError::into_inner);
        connections.retain(|other| other.strong_count() > 0);
        connections.push(Arc::downgrade(connection));
    }

    /// The connections that are still there.
    pub(super) fn connections(&self) -> Vec<Arc<Connection>> {
        let connections = self.connections.lock().unwrap_or_else(PoisonError::into_inner);
        connections.iter().filter_map(Weak::upgrade).collect()
    }

    /// Lets something wait for as long as it has to, or until `is_over`.
    pub(super) fn detain(&self, at_least: Duration, is_over: impl Fn() -> bool) {
        let mut rules = self.rules();
        if !rules.delay.is_zero() || !at_least.is_zero() {
            let until = Instant::now() + at_least + rules.delay.mul_f64(fastrand::f64());
            while !is_over() {
                let left = until.saturating_duration_since(Instant::now());
                if left.is_zero() {
                    break;
                }
                rules = self.changed.wait_timeout(rules, left).unwrap_or_else(PoisonError::into_inner).0;
            }
        }
        while rules.is_held && !is_over() {
            rules = self.changed.wait(rules).unwrap_or_else(PoisonError::into_inner);
        }
    }
}
