//! What could not be told to the store when it should have been.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{self, Receiver, RecvTimeoutError, Sender},
    },
    thread,
    time::{Duration, Instant},
};

use super::tell;
use crate::{
    event::{Event, HandleEvent},
    store::{CellKey, Ending, Nonce, Store, StoreError},
};

/// How long to wait between two tries.
const PAUSE: Duration = Duration::from_millis(100);

/// How long a settlement that the store refuses is tried again.
const SETTLE_FOR: Duration = Duration::from_secs(60);

/// Ends and settles writes on a thread of its own, which is there only while there is something to do.
pub(super) struct Repair {
    store: Arc<dyn Store>,
    events: Arc<dyn HandleEvent>,
    worker: Mutex<Option<Sender<Job>>>,
}

struct Job {
    from: Instant,
    until: Instant,
    work: Work,
}

enum Work {
    Finish(Nonce, Vec<(CellKey, Ending)>),
    Settle(Vec<CellKey>),
}

impl Repair {
    pub(super) fn new(store: Arc<dyn Store>, events: Arc<dyn HandleEvent>) -> Self {
        Self { store, events, worker: Mutex::new(None) }
    }

    /// Tries to end a committed write until `until`, when its markers have expired anyway.
    pub(super) fn finish(&self, nonce: Nonce, endings: Vec<(CellKey, Ending)>, until: Instant) {
        self.push(Job { from: Instant::now(), until, work: Work::Finish(nonce, endings) });
    }

    /// Settles cells as soon as their markers have expired.
    pub(super) fn settle(&self, keys: Vec<CellKey>, from: Instant) {
        self.push(Job { from, until: from + SETTLE_FOR, work: Work::Settle(keys) });
    }

    fn push(&self, job: Job) {
        let mut worker = self.worker.lock().unwrap_or_else(PoisonError::into_inner);
        let job = match worker.as_ref() {
            Some(sender) => match sender.send(job) {
                Ok(()) => return,
                Err(mpsc::SendError(job)) => job,
            },
            None => job,
        };
        let (sender, jobs) = mpsc::channel();
        let (store, events) = (Arc::clone(&self.store), Arc::clone(&self.events));
        let started = thread::Builder::new()
            .name("larder-repair".to_owned())
            .spawn(move || run(&jobs, store.as_ref(), events.as_ref()));
        // Without a thread the markers expire by themselves, which is as safe and only slower.
        if started.is_ok() && sender.send(job).is_ok() {
            *worker = Some(sender);
        }
    }
}

/// Works until there is nothing left and nobody who could send more.
fn run(jobs: &Receiver<Job>, store: &dyn Store, events: &dyn HandleEvent) {
    let mut waiting: Vec<Job> = Vec::new();
    let mut open = true;
    while open || !waiting.is_empty() {
        if waiting.is_empty() {
            match jobs.recv() {
                Ok(job) => waiting.push(job),
                Err(mpsc::RecvError) => open = false,
            }
        } else {
            match jobs.recv_timeout(PAUSE) {
                Ok(job) => waiting.push(job),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => {
                    // `recv_timeout` no longer waits.
                    thread::park_timeout(PAUSE);
                    open = false;
                }
            }
        }
        let now = Instant::now();
        waiting.retain(|job| {
            if job.from > now {
                return true;
            }
            match job.try_once(store) {
                Ok(()) => false,
                Err(error) => {
                    tell(events, Event::StoreFailed { operation: "repair", error: &error });
                    now < job.until
                }
            }
        });
    }
}

impl Job {
    fn try_once(&self, store: &dyn Store) -> Result<(), StoreError> {
        match &self.work {
            Work::Finish(nonce, endings) => {
                let endings: Vec<_> = endings.iter().map(|(key, ending)| (key, ending.clone())).collect();
                store.finish(*nonce, &endings)
            }
            Work::Settle(keys) => store.settle(None, &keys.iter().collect::<Vec<_>>()),
        }
    }
}
