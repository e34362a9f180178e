//! So many threads as there are connections, and those who wait for one.

use std::{
    panic::resume_unwind,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    task, time,
};
use tracing::Span;

use super::{Load, Wanted};
use crate::error::{Error, Result};

/// Gives out threads of tokio's blocking pool, a limited number at once and in the order in which they were asked for.
#[derive(Debug)]
pub(super) struct Hands {
    free: Arc<Semaphore>,
    n_threads: usize,
    n_waiting: AtomicUsize,
    queue: usize,
    wait: Duration,
}

impl Hands {
    pub(super) fn new(n_threads: usize, queue: usize, wait: Duration) -> Self {
        let n_threads = n_threads.clamp(1, Semaphore::MAX_PERMITS);
        Self { free: Arc::new(Semaphore::new(n_threads)), n_threads, n_waiting: AtomicUsize::new(0), queue, wait }
    }

    pub(super) fn load(&self) -> Load {
        let under_way = self.n_threads.saturating_sub(self.free.available_permits());
        Load { under_way, waiting: self.n_waiting.load(Ordering::Relaxed), threads: self.n_threads }
    }

    /// Runs `work` on a thread.
    ///
    /// # Errors
    /// [`Error::Busy`], and then it is not run.
    pub(super) async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T> {
        let free = self.free().await?;
        let (wanted, is_wanted) = Wanted::new();
        let span = Span::current();
        let done = task::spawn_blocking(move || {
            // Kept for as long as the thread is at work, whether anybody waits for that or not.
            let _free = free;
            // It may have waited for tokio's own threads.
            is_wanted.load(Ordering::SeqCst).then(|| span.in_scope(work))
        })
        .await;
        drop(wanted);
        match done {
            Ok(done) => Ok(done.expect("it is wanted for as long as this future lives")),
            Err(error) => match error.try_into_panic() {
                Ok(panic) => resume_unwind(panic),
                Err(error) => panic!("tokio runs nothing that waits any more: {error}"),
            },
        }
    }

    async fn free(&self) -> Result<OwnedSemaphorePermit> {
        if let Ok(free) = Arc::clone(&self.free).try_acquire_owned() {
            return Ok(free);
        }
        let Some(_waiting) = Waiting::begin(&self.n_waiting, self.queue) else {
            return Err(Error::Busy { waited: Duration::ZERO });
        };
        match time::timeout(self.wait, Arc::clone(&self.free).acquire_owned()).await {
            Ok(free) => Ok(free.expect("the semaphore is never closed")),
            Err(_) => Err(Error::Busy { waited: self.wait }),
        }
    }
}

/// One who waits, and is counted.
struct Waiting<'h>(&'h AtomicUsize);

impl<'h> Waiting<'h> {
    /// `None` if too many do.
    fn begin(n_waiting: &'h AtomicUsize, at_most: usize) -> Option<Self> {
        let more = |n: usize| (n < at_most).then_some(n + 1);
        n_waiting.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).ok().map(|_| Self(n_waiting))
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
