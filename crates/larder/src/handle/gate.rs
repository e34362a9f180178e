//! Writers that take turns before they take a connection, where the database lets one write at a time.

use std::{
    collections::VecDeque,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use crate::{
    error::{Error, Result},
    inline::may_wait,
};

/// One turn at a time, in the order in which they were asked for.
pub(super) struct Gate {
    wait: Duration,
    line: Mutex<Line>,
}

#[derive(Default)]
struct Line {
    /// Whether somebody has the turn. It goes from hand to hand: who comes while others wait can't be quicker.
    is_taken: bool,
    waiting: VecDeque<Arc<Place>>,
}

#[derive(Default)]
struct Place {
    called: Condvar,
}

/// Somebody's turn, until it is dropped.
pub(crate) struct Turn<'g>(&'g Gate);

impl Gate {
    /// A gate before which nobody waits for longer.
    pub(super) fn new(wait: Duration) -> Self {
        Self { wait, line: Mutex::default() }
    }

    /// Waits for a turn.
    ///
    /// # Errors
    /// [`Error::NoTurn`] if the time is over.
    pub(super) fn enter(&self) -> Result<Turn<'_>> {
        may_wait()?;
        let mut line = self.line();
        if !line.is_taken {
            line.is_taken = true;
            return Ok(Turn(self));
        }
        let place = Arc::new(Place::default());
        line.waiting.push_back(Arc::clone(&place));
        let begun = Instant::now();
        loop {
            let left = self.wait.saturating_sub(begun.elapsed());
            let waited = place.called.wait_timeout(line, left);
            line = waited.unwrap_or_else(PoisonError::into_inner).0;
            // Whoever is called is out of the line, and has the turn.
            let Some(at) = line.waiting.iter().position(|waiting| Arc::ptr_eq(waiting, &place)) else {
                return Ok(Turn(self));
            };
            if begun.elapsed() >= self.wait {
                line.waiting.remove(at);
                return Err(Error::NoTurn { waited: self.wait });
            }
        }
    }

    fn line(&self) -> MutexGuard<'_, Line> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let mut line = self.0.line();
        match line.waiting.pop_front() {
            Some(next) => next.called.notify_one(),
            None => line.is_taken = false,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{sync::mpsc, thread};

    use super::*;

    const LONG: Duration = Duration::from_secs(30);

    fn n_waiting(gate: &Gate) -> usize {
        gate.line().waiting.len()
    }

    #[test]
    fn turns_are_had_one_at_a_time_and_in_order() {
        let gate = Gate::new(LONG);
        let (had, all) = mpsc::channel();
        let first = gate.enter().unwrap();
        thread::scope(|scope| {
            for n in 0..20 {
                let (gate, had) = (&gate, had.clone());
                scope.spawn(move || {
                    let turn = gate.enter().unwrap();
                    had.send(n).unwrap();
                    drop(turn);
                });
                let deadline = Instant::now() + LONG;
                while n_waiting(gate) <= n {
                    assert!(Instant::now() < deadline, "nobody waits");
                    thread::yield_now();
                }
            }
            assert!(all.try_recv().is_err(), "the first one has its turn");
            drop(first);
        });
        assert_eq!(all.try_iter().collect::<Vec<_>>(), (0..20).collect::<Vec<_>>());
        drop(gate.enter().unwrap());
    }

    #[test]
    fn who_has_waited_for_long_enough_is_told_so_and_leaves_the_line() {
        let gate = Gate::new(Duration::from_millis(20));
        let turn = gate.enter().unwrap();
        let refused = gate.enter().map(drop);
        assert!(matches!(refused, Err(Error::NoTurn { waited }) if waited == gate.wait), "{refused:?}");
        assert_eq!(n_waiting(&gate), 0);
        drop(turn);
        drop(gate.enter().unwrap());
    }
}
