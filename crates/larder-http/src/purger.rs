mod queue;
mod run;

use std::{
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use tokio::{sync::Notify, time::Instant};

use self::queue::Queue;
use crate::{Purge, Tag};

/// How a [`Purger`] goes about it.
#[derive(Debug, Clone)]
pub struct PurgerOptions {
    /// How many tags may wait. If there are more, all that is kept at the edge is purged instead. Defaults to 10 000.
    pub max_waiting: usize,
    /// How many tags are told of in one call of [`Purge::purge`]. Defaults to 500.
    pub max_batch: usize,
    /// How long after a failure it is tried again: the first time, twice that the second time, and so on. Defaults to 100 ms.
    pub first_pause: Duration,
    /// And at the most. Defaults to 10 s.
    pub longest_pause: Duration,
    /// How long after a purge it is told once more; `None` for never.
    ///
    /// An answer that was built before a write may reach the edge after the purge of that write, and would be kept. So this has to be longer
    /// than an answer takes from its first read to the edge, and than the horizon of the near caches that answers are read from (250 ms unless told
    /// otherwise): a process that is told of a write late may build one of what is near until then. Defaults to 5 s.
    pub again_after: Option<Duration>,
}

impl Default for PurgerOptions {
    fn default() -> Self {
        Self {
            max_waiting: 10_000,
            max_batch: 500,
            first_pause: Duration::from_millis(100),
            longest_pause: Duration::from_secs(10),
            again_after: Some(Duration::from_secs(5)),
        }
    }
}

/// What a [`Purger`] has done so far, and what it has still to do.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct PurgerFigures {
    /// Tags that it was told, repeated ones too.
    pub n_told: u64,
    /// Calls of [`Purge`] that succeeded.
    pub n_purges: u64,
    /// And of these, how many purged everything.
    pub n_purges_of_all: u64,
    /// Calls of [`Purge`] that failed.
    pub n_failures: u64,
    /// How often too many tags waited.
    pub n_overflows: u64,
    /// Tags that wait for their first purge, or are under way.
    pub n_waiting: usize,
    /// For how long the oldest of them has waited; zero where none does.
    pub lag: Duration,
}

/// Takes tags from any thread without waiting, and has them purged by a task of its own: many at once, and again until it succeeds.
///
/// Tags wait in memory: a process that dies between its COMMIT and the purge loses them, and the edge then serves what is
/// older for as long as its `s-maxage` says. Tags that are told while a purge is under way go together into the next. Clones are the
/// same purger; when the last is dropped, what waits is tried once more, without pauses.
#[derive(Debug, Clone)]
pub struct Purger {
    shared: Arc<Shared>,
    // Dropped with the last clone; the task holds only the other.
    _handle: Arc<Handle>,
}

/// Not all was purged in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{n_waiting} tags were not purged in time")]
pub struct Undrained {
    /// How many tags wait, first and second purges together.
    pub n_waiting: usize,
}

#[derive(Debug)]
struct Shared {
    queue: Mutex<Queue>,
    /// There is something to do, or nothing more to come.
    told: Notify,
    /// Something is done.
    done: Notify,
    options: PurgerOptions,
}

impl Shared {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().expect("nothing panics while it holds the queue")
    }
}

#[derive(Debug)]
struct Handle(Arc<Shared>);

impl Drop for Handle {
    fn drop(&mut self) {
        self.0.queue().close();
        self.0.told.notify_one();
    }
}

impl Purger {
    /// Starts the task, on the runtime that this is called from.
    ///
    /// # Panics
    /// It is not called from a runtime of tokio, or [`PurgerOptions::max_batch`] is 0.
    #[must_use]
    pub fn start(purge: impl Purge, options: PurgerOptions) -> Self {
        assert!(options.max_batch > 0, "a batch has a tag");
        let queue = Mutex::new(Queue::new(&options));
        let shared = Arc::new(Shared { queue, told: Notify::new(), done: Notify::new(), options });
        tokio::spawn(run::run(shared.clone(), purge));
        Self { _handle: Arc::new(Handle(shared.clone())), shared }
    }

    /// Has these purged soon. To be called after COMMIT, never before. Waits for nothing.
    pub fn purge(&self, tags: impl IntoIterator<Item = Tag>) {
        // Whatever makes the tags does so before the lock is taken.
        let tags: Vec<Tag> = tags.into_iter().collect();
        if !tags.is_empty() {
            self.shared.queue().tell(tags, Instant::now());
            self.shared.told.notify_one();
        }
    }

    /// Has everything purged soon: what to do where nobody can tell what was changed.
    pub fn purge_all(&self) {
        self.shared.queue().tell_all(Instant::now());
        self.shared.told.notify_one();
    }

    /// What it has done, and what waits.
    #[must_use]
    pub fn figures(&self) -> PurgerFigures {
        self.shared.queue().figures(Instant::now())
    }

    /// Waits until all has been purged that was told before, second purges included, and at most so long.
    ///
    /// Second purges that would come too late for that are told at once. What is told meanwhile is waited for too.
    ///
    /// # Errors
    /// [`Undrained`] if something waits still. It goes on being tried.
    pub async fn drain(&self, within: Duration) -> Result<(), Undrained> {
        let deadline = Instant::now() + within;
        self.shared.queue().hurry(Some(deadline));
        self.shared.told.notify_one();
        loop {
            let done = self.shared.done.notified();
            let n_waiting = self.shared.queue().n_undone();
            if n_waiting == 0 {
                self.shared.queue().hurry(None);
                return Ok(());
            }
            if tokio::time::timeout_at(deadline, done).await.is_err() {
                return Err(Undrained { n_waiting });
            }
        }
    }
}

#[cfg(test)]
mod tests;
