//! What one thread has asked for on a connection that many share.

use std::{
    mem,
    sync::{Mutex, MutexGuard, PoisonError},
    thread::{self, Thread},
    time::Instant,
};

use redis::Value;

use crate::error::Failure;

/// The answers, or why there are none.
type Ended = Result<Vec<Value>, Failure>;

pub(super) struct Call {
    thread: Thread,
    n_answers: usize,
    stage: Mutex<Stage>,
}

enum Stage {
    Asked,
    Leads,
    Ended(Ended),
    /// Its thread waits no longer.
    GivenUp,
}

/// Why a thread waits no longer.
pub(super) enum Turn {
    /// It is to send what is waiting.
    Leads,
    Ended(Ended),
    TooLate,
}

impl Call {
    pub(super) fn of_this_thread(n_answers: usize) -> Self {
        Self { thread: thread::current(), n_answers, stage: Mutex::new(Stage::Asked) }
    }

    pub(super) fn n_answers(&self) -> usize {
        self.n_answers
    }

    /// Asks its thread to send what is waiting: `false` if that waits no longer.
    pub(super) fn appoint(&self) -> bool {
        let mut stage = self.stage();
        let waits = matches!(*stage, Stage::Asked);
        if waits {
            *stage = Stage::Leads;
            drop(stage);
            self.thread.unpark();
        }
        waits
    }

    /// Gives its thread what it waits for. What has ended already stays as it is.
    pub(super) fn end(&self, ended: Ended) {
        let mut stage = self.stage();
        match *stage {
            Stage::Asked => {
                *stage = Stage::Ended(ended);
                drop(stage);
                self.thread.unpark();
            }
            // Its thread is awake, and looks when it has handed over.
            Stage::Leads => *stage = Stage::Ended(ended),
            Stage::Ended(_) | Stage::GivenUp => {}
        }
    }

    /// Waits until there is something to do, on the thread that has asked.
    pub(super) fn wait(&self, until: Instant) -> Turn {
        loop {
            let mut stage = self.stage();
            let left = until.saturating_duration_since(Instant::now());
            match mem::replace(&mut *stage, Stage::GivenUp) {
                Stage::Ended(ended) => return Turn::Ended(ended),
                Stage::Leads => {
                    *stage = Stage::Leads;
                    return Turn::Leads;
                }
                Stage::Asked if !left.is_zero() => *stage = Stage::Asked,
                Stage::Asked | Stage::GivenUp => return Turn::TooLate,
            }
            drop(stage);
            thread::park_timeout(left);
        }
    }

    fn stage(&self) -> MutexGuard<'_, Stage> {
        // It is replaced as a whole.
        self.stage.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
