use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use crate::clock::{between, now};

const TICK: Duration = Duration::from_millis(5);

/// Longer than any fault lasts: a run in which nothing was done for that time would never end.
const STUCK: Duration = Duration::from_secs(60);

/// How far a run has come, and when it is over.
#[derive(Debug, Clone)]
pub(crate) struct Pace {
    until: Option<Instant>,
    n_wanted: Option<u64>,
    n_done: Arc<AtomicU64>,
    /// When the last operation was done.
    progress: Arc<AtomicU64>,
    is_given_up: Arc<AtomicBool>,
}

impl Pace {
    /// A run that lasts until both are reached: so long, and so many operations.
    pub(crate) fn new(time: Option<Duration>, n_operations: Option<u64>) -> Self {
        let until = time.map(|time| Instant::now() + time);
        let progress = Arc::new(AtomicU64::new(now()));
        Self { until, n_wanted: n_operations, n_done: Arc::default(), progress, is_given_up: Arc::default() }
    }

    pub(crate) fn done(&self, n_operations: u64) {
        if self.n_done.swap(n_operations, Ordering::Relaxed) != n_operations {
            self.progress.store(now(), Ordering::Relaxed);
        }
    }

    /// Whether nothing has happened for so long that nothing will.
    pub(crate) fn is_stuck(&self) -> bool {
        between(self.progress.load(Ordering::Relaxed), now()) > STUCK
    }

    pub(crate) fn n_done(&self) -> u64 {
        self.n_done.load(Ordering::Relaxed)
    }

    /// Ends the run as soon as can be: it is known to have failed.
    pub(crate) fn give_up(&self) {
        self.is_given_up.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_over(&self) -> bool {
        self.is_given_up.load(Ordering::Relaxed)
            || self.is_stuck()
            || (self.until.is_none_or(|until| Instant::now() >= until)
                && self.n_wanted.is_none_or(|wanted| self.n_done() >= wanted))
    }

    /// Lets time pass, but not beyond the end of the run: whether the run goes on.
    pub(crate) fn wait(&self, time: Duration) -> bool {
        let until = Instant::now() + time;
        while !self.is_over() && Instant::now() < until {
            thread::sleep(TICK.min(until.saturating_duration_since(Instant::now())));
        }
        !self.is_over()
    }

    /// Waits as long as something `is_so`, but no longer than that, and not beyond the end of the run.
    pub(crate) fn wait_while(&self, at_most: Duration, is_so: impl Fn() -> bool) {
        let until = Instant::now() + at_most;
        while is_so() && !self.is_over() && Instant::now() < until {
            thread::sleep(Duration::from_millis(1));
        }
    }

    pub(crate) fn wait_for_the_end(&self) {
        while self.wait(Duration::from_secs(60)) {}
    }
}

/// Lets time pass: what is waited for is its passing, as with markers that expire.
pub(crate) fn pass(time: Duration) {
    thread::sleep(time);
}

/// Waits until `is_met`, asking again and again: whether it was within that time.
pub(crate) fn wait_until(within: Duration, mut is_met: impl FnMut() -> bool) -> bool {
    let deadline = Instant::now() + within;
    while !is_met() {
        if Instant::now() >= deadline {
            return false;
        }
        thread::sleep(TICK);
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_is_over_when_time_and_operations_are_or_when_it_is_given_up() {
        let pace = Pace::new(Some(Duration::ZERO), Some(2));
        assert!(!pace.is_over() && pace.wait(Duration::ZERO));
        pace.done(2);
        assert!(pace.is_over() && !pace.wait(Duration::from_secs(60)));
        let pace = Pace::new(Some(Duration::from_secs(600)), Some(0));
        assert!(!pace.is_over());
        pace.give_up();
        assert!(pace.is_over());
    }

    #[test]
    fn a_run_without_progress_is_over() {
        let pace = Pace::new(None, Some(2));
        pace.done(1);
        assert!(!pace.is_stuck());
        pace.progress.fetch_sub(61_000_000_000, Ordering::Relaxed);
        pace.done(1);
        assert!(pace.is_stuck() && pace.is_over(), "the same number is no progress");
    }
}
