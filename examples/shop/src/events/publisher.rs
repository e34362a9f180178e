//! Publishes one change after the other, so that no request waits for it.

use std::{
    io,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
        mpsc::{Receiver, RecvTimeoutError, SyncSender, TryRecvError, sync_channel},
    },
    thread,
    time::{Duration, Instant},
};

use larder_redis::topics::Topic;

use super::{Change, Told};

/// So many changes wait while Redis is slow; more are lost, and that is told.
const MOST_WAITING: usize = 1_024;

/// How often it is tried to tell of a loss.
const TRY_EVERY: Duration = Duration::from_millis(250);

pub(super) struct Publisher {
    queue: Mutex<Option<SyncSender<Change>>>,
    /// Whether something was not published, of which listeners were not told yet.
    has_lost: Arc<AtomicBool>,
    /// Ends when the thread has ended.
    ended: Mutex<Receiver<()>>,
}

impl Publisher {
    pub(super) fn start(topic: Topic<Told>) -> io::Result<Self> {
        let (queue, changes) = sync_channel(MOST_WAITING);
        let (alive, ended) = sync_channel::<()>(0);
        let has_lost = Arc::new(AtomicBool::new(false));
        let run = {
            let has_lost = Arc::clone(&has_lost);
            move || {
                let _alive = alive;
                run(&topic, &changes, &has_lost);
            }
        };
        thread::Builder::new().name("shop-events".to_owned()).spawn(run)?;
        Ok(Self { queue: Mutex::new(Some(queue)), has_lost, ended: Mutex::new(ended) })
    }

    pub(super) fn push(&self, change: Change) {
        let queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        let is_queued = queue.as_ref().is_some_and(|queue| queue.try_send(change).is_ok());
        if !is_queued {
            self.has_lost.store(true, Ordering::SeqCst);
        }
    }

    /// Publishes what waits: whether all of it was, and everything before it or a gap in its place, until then.
    pub(super) fn close(&self, until: Instant) -> bool {
        drop(self.queue.lock().unwrap_or_else(PoisonError::into_inner).take());
        let ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner);
        let end = ended.recv_timeout(until.saturating_duration_since(Instant::now()));
        end == Err(RecvTimeoutError::Disconnected) && !self.has_lost.load(Ordering::SeqCst)
    }
}

fn run(topic: &Topic<Told>, changes: &Receiver<Change>, has_lost: &AtomicBool) {
    let lose = |why: &str| {
        if !has_lost.swap(true, Ordering::SeqCst) {
            tracing::warn!(why, "listeners are not told of changes of orders");
        }
    };
    loop {
        let change = match changes.recv_timeout(TRY_EVERY) {
            Ok(change) => Some(change),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => {
                tell_of_loss(topic, has_lost);
                return;
            }
        };
        if !tell_of_loss(topic, has_lost) {
            // What waits would come after what is lost, each for the time of a call that fails: the gap that will be told has them all.
            while !matches!(changes.try_recv(), Err(TryRecvError::Empty | TryRecvError::Disconnected)) {}
        } else if let Some(change) = change
            && let Err(error) = topic.publish(&Told::Changed(change))
        {
            lose(&error.to_string());
        }
    }
}

/// Tells of it if something was lost, before whatever comes after it: whether all are told.
fn tell_of_loss(topic: &Topic<Told>, has_lost: &AtomicBool) -> bool {
    // Taken back first: what is lost from now on is another loss.
    if !has_lost.swap(false, Ordering::SeqCst) {
        return true;
    }
    let is_told = topic.publish(&Told::Lost).is_ok();
    if !is_told {
        has_lost.store(true, Ordering::SeqCst);
    }
    is_told
}
