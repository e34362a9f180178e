//! Cells that were changed without markers: passed by from before their COMMIT until they are settled.

mod notes;

use std::{
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use self::notes::{Due, Notes, Scope};
pub(super) use self::notes::{Note, Outcome};
use super::{
    settle::{settle_all, settle_cells},
    tell,
};
use crate::{
    event::{Event, HandleEvent},
    failpoints::{Point, reach},
    store::{BATCH, CellKey, Layout, Store, StoreError},
};

/// How long to wait after a settlement that failed: at first, and at most after many.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LAST_PAUSE: Duration = Duration::from_secs(1);

/// Knows which cells may be older in the store than this handle's own writes, and settles them on a thread that is there only while
/// there are some.
pub(super) struct Unsettled {
    desk: Arc<Desk>,
}

struct Desk {
    store: Arc<dyn Store>,
    events: Arc<dyn HandleEvent>,
    /// Whether anything is noted: what nearly every read finds it is not, without a lock.
    any: AtomicBool,
    state: Mutex<State>,
    /// Told of each write that ends, and of the handle's end.
    changed: Condvar,
}

#[derive(Default)]
struct State {
    notes: Notes,
    is_working: bool,
    is_closed: bool,
}

impl Unsettled {
    pub(super) fn new(store: Arc<dyn Store>, events: Arc<dyn HandleEvent>) -> Self {
        let any = AtomicBool::new(false);
        Self { desk: Arc::new(Desk { store, events, any, state: Mutex::default(), changed: Condvar::new() }) }
    }

    /// Keeps reads away from these cells from now on. Must be called before COMMIT is sent, and the note be given to
    /// [`Unsettled::end`].
    pub(super) fn note(&self, keys: &[&CellKey]) -> Note {
        let mut state = self.desk.state();
        let note = state.notes.open(keys);
        self.desk.any.store(true, Ordering::SeqCst);
        note
    }

    /// As [`Unsettled::note`], of all cells of a table, whose keys begin with `prefix`.
    #[cfg(feature = "postgres")]
    pub(super) fn note_table(&self, prefix: &[u8]) -> Note {
        let mut state = self.desk.state();
        let note = state.notes.open_table(prefix);
        self.desk.any.store(true, Ordering::SeqCst);
        note
    }

    /// Waits so long, to leave the store to others.
    #[cfg(feature = "postgres")]
    pub(super) fn rest(&self, time: Duration) -> bool {
        self.desk.rest(time)
    }

    /// A write that was noted has ended: its cells are settled as soon as it can't commit any more.
    pub(super) fn end(&self, note: Note, outcome: Outcome) {
        let mut state = self.desk.state();
        state.notes.close(note, outcome);
        self.desk.any.store(!state.notes.is_empty(), Ordering::SeqCst);
        if outcome != Outcome::RolledBack && !state.is_working {
            // Without a thread the cells stay noted, which is as safe and only slower; the next write tries again.
            state.is_working = Desk::start(&self.desk);
        }
        drop(state);
        self.desk.changed.notify_all();
    }

    /// Which of these cells must be passed by: `None` if none.
    ///
    /// To be asked **before** the store is read: a note that is gone when the store's answer has come says nothing of that answer.
    pub(super) fn hidden(&self, keys: &[CellKey]) -> Option<Vec<bool>> {
        if !self.desk.any.load(Ordering::SeqCst) {
            return None;
        }
        let state = self.desk.state();
        let hidden: Vec<bool> = keys.iter().map(|key| state.notes.has(key.as_bytes())).collect();
        hidden.contains(&true).then_some(hidden)
    }
}

impl Drop for Unsettled {
    fn drop(&mut self) {
        // Whoever is gone reads nothing any more; for the others there is the outbox.
        self.desk.state().is_closed = true;
        self.desk.changed.notify_all();
    }
}

impl Desk {
    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing that can panic halfway through a change runs under this lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn start(desk: &Arc<Self>) -> bool {
        let desk = Arc::clone(desk);
        let run = move || {
            let _ending = Ending(&desk);
            desk.work();
        };
        thread::Builder::new().name("larder-settle".to_owned()).spawn(run).is_ok()
    }

    fn work(&self) {
        let mut pause = FIRST_PAUSE;
        while let Some(due) = self.wait_for_work() {
            match self.settle(&due) {
                Ok(()) => pause = FIRST_PAUSE,
                Err(error) => {
                    tell(self.events.as_ref(), Event::StoreFailed { operation: "settle", error: &error });
                    self.rest(pause);
                    pause = (pause * 2).min(LAST_PAUSE);
                }
            }
        }
    }

    /// What can be settled now; `None` if there is nothing left to wait for.
    fn wait_for_work(&self) -> Option<Vec<Due>> {
        let mut state = self.state();
        loop {
            let (due, next) = state.notes.due(Instant::now());
            if !state.is_closed && !due.is_empty() {
                return Some(due);
            }
            let Some(next) = next.filter(|_| !state.is_closed) else {
                state.is_working = false;
                return None;
            };
            let wait = next.saturating_duration_since(Instant::now());
            state = self.changed.wait_timeout(state, wait).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn settle(&self, due: &[Due]) -> Result<(), StoreError> {
        let (cells, tables): (Vec<&Due>, Vec<&Due>) = due.iter().partition(|due| due.scope == Scope::Cell);
        for batch in cells.chunks(BATCH) {
            let keys: Vec<_> = batch.iter().map(|due| CellKey::new(due.bytes.clone(), Layout::UNKNOWN)).collect();
            reach(Point::BeforeSettle);
            let settled = settle_cells(self.store.as_ref(), &keys.iter().collect::<Vec<_>>(), |_| true);
            reach(Point::AfterSettle);
            settled?;
            self.forget(batch, keys.len());
        }
        for table in tables {
            let (is_done, n_cells) = settle_all(self.store.as_ref(), &table.bytes, |took| self.rest(took))?;
            if is_done {
                self.forget(&[table], n_cells);
            }
        }
        Ok(())
    }

    fn forget(&self, settled: &[&Due], n_cells: usize) {
        let mut state = self.state();
        settled.iter().for_each(|due| state.notes.forget(due));
        self.any.store(!state.notes.is_empty(), Ordering::SeqCst);
        drop(state);
        tell(self.events.as_ref(), Event::Settled { n_cells });
    }

    /// Waits so long, unless the handle goes: whether it is still there.
    fn rest(&self, time: Duration) -> bool {
        let waited = self.changed.wait_timeout_while(self.state(), time, |state| !state.is_closed);
        !waited.unwrap_or_else(PoisonError::into_inner).0.is_closed
    }
}

/// Lets another thread be started when this one has ended, however that was.
struct Ending<'d>(&'d Desk);

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.state().is_working = false;
        }
    }
}
