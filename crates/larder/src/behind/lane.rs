//! The way of a handle's changes into its buffer: calls that come at once go together.

use std::{
    collections::{HashMap, VecDeque},
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use diesel::pg::Pg;

use super::{
    Options, WhenAway, WhenFull,
    change::{Change, Merged},
    error::{Error, Result},
    figures::{Figures, Tally, add},
    flush::{Patience, Press},
    flusher,
    frame::Frame,
};
use crate::{
    buffer::{AppendError, Appended, Buffer, Bytes},
    failpoints::{Point, reach},
    handle::Larder,
    store::{Nonce, StoreError},
};

/// How many rows one entry has at most.
const FRAME_ROWS: usize = 512;

/// How many rows go to the buffer at once, if several calls wait.
const SENT_ROWS: usize = 4_096;

/// How many batches a call writes in the flusher's place before it gives up: others may be quicker to fill the room that it makes.
const PASSES: usize = 64;

/// How often to look for room, since nobody tells what other processes have flushed.
const LOOK_FOR_ROOM: Duration = Duration::from_millis(10);

/// A handle's end of the buffer.
pub(crate) struct Lane {
    pub(super) options: Options,
    pub(super) press: Press,
    pub(super) tally: Tally,
    /// Who its frames are from.
    producer: Nonce,
    /// The number of the last one. Only who has the turn to send changes it.
    number: AtomicU64,
    queue: Mutex<Queue>,
    room: Room,
}

#[derive(Default)]
struct Queue {
    waiting: VecDeque<Arc<Ticket>>,
    /// Whether a caller is sending for all.
    is_led: bool,
}

/// One call's changes, and what became of them.
struct Ticket {
    since: Instant,
    changes: Vec<Change>,
    state: Mutex<State>,
    told: Condvar,
}

enum State {
    Waiting,
    /// It is this caller's turn to send.
    Leads,
    Done(Result<()>),
}

/// Tells who waits for room that something was flushed here.
#[derive(Default)]
struct Room {
    n_flushes: Mutex<u64>,
    flushed: Condvar,
}

impl Lane {
    pub(crate) fn new(options: Options) -> Self {
        let press = Press::new(options.buffer.name(), options.models.clone(), options.gives_up_after);
        let (tally, queue, room) = (Tally::default(), Mutex::default(), Room::default());
        Self { options, press, tally, producer: Nonce::fresh(), number: AtomicU64::new(0), queue, room }
    }

    pub(crate) fn figures(&self) -> Figures {
        self.tally.figures()
    }

    pub(super) fn buffer(&self) -> &dyn Buffer {
        &*self.options.buffer
    }

    /// Has the buffer take changes, all or none of them. Returns when it has.
    pub(super) fn send(&self, larder: &Larder<Pg>, changes: Vec<Change>) -> Result<()> {
        let ticket = Arc::new(Ticket {
            since: Instant::now(),
            changes,
            state: Mutex::new(State::Waiting),
            told: Condvar::new(),
        });
        let mut queue = lock(&self.queue);
        queue.waiting.push_back(Arc::clone(&ticket));
        let leads = !std::mem::replace(&mut queue.is_led, true);
        drop(queue);
        if leads || ticket.waits_for_its_turn() {
            let _turn = Turn(self);
            while ticket.result().is_none() {
                self.send_some(larder);
            }
        }
        ticket.result().expect("who has had his turn, or was told, is done")
    }

    /// Sends what has waited longest.
    fn send_some(&self, larder: &Larder<Pg>) {
        let mut sending = Sending(Vec::new());
        let mut queue = lock(&self.queue);
        let mut n_rows = 0;
        while n_rows < SENT_ROWS
            && let Some(ticket) = queue.waiting.pop_front()
        {
            n_rows += ticket.changes.len();
            sending.0.push(ticket);
        }
        drop(queue);
        let Some(since) = sending.0.first().map(|ticket| ticket.since) else { return };
        let mut merged = Merged::default();
        for change in sending.0.iter().flat_map(|ticket| &ticket.changes) {
            merged.add(change);
        }
        let n_calls = sending.0.iter().map(|ticket| ticket.n_calls()).sum();
        let changes = merged.into_changes();
        let n_entries = changes.len().div_ceil(FRAME_ROWS) as u64;
        let first = self.number.fetch_add(n_entries, Ordering::Relaxed) + 1;

        let chunks = changes.chunks(FRAME_ROWS).zip(first..);
        let entries: Vec<Bytes> =
            chunks.map(|(changes, number)| Frame::encode(self.producer, number, changes)).collect();
        match self.append(larder, &entries, since) {
            Ok(()) => {
                add(&self.tally.buffered, n_calls);
                add(&self.tally.entries, entries.len() as u64);
                sending.end(|_| Ok(()));
            }
            Err(error @ (Error::Away(_) | Error::Unknown(_))) if self.options.when_away == WhenAway::WriteThrough => {
                self.write_through(larder, (&changes, first), &error, sending);
            }
            Err(error) => {
                let counter = if matches!(error, Error::Full { .. }) { &self.tally.full } else { &self.tally.away };
                add(counter, n_calls);
                sending.end(|_| Err(error.clone()));
            }
        }
    }

    /// Has the buffer take entries, whose first caller has come then.
    fn append(&self, larder: &Larder<Pg>, entries: &[Bytes], since: Instant) -> Result<()> {
        let mut unanswered: Option<Arc<StoreError>> = None;
        let mut n_passes = 0;
        loop {
            let n_flushes = self.room.n_flushes();
            reach(Point::BeforeAppend);
            let appended = self.buffer().append(entries, self.options.max_entries);
            reach(Point::AfterAppend);
            let n_entries = match (appended, &unanswered) {
                (Ok(Appended::All { .. }), _) => return Ok(()),
                (Ok(Appended::Full { n_entries }), _) => n_entries,
                // The same numbers once more: if the buffer gets both, the second counts for nothing.
                (Err(AppendError::Unknown(error)), None) => {
                    unanswered = Some(Arc::new(error));
                    continue;
                }
                (Err(AppendError::NotAppended(error)), None) => return Err(Error::Away(Arc::new(error))),
                (Err(_), Some(error)) => return Err(Error::Unknown(Arc::clone(error))),
            };
            // What was not answered may be among that which fills it.
            let full = || unanswered.clone().map_or(Error::Full { n_entries }, Error::Unknown);
            match self.options.when_full {
                WhenFull::Reject => return Err(full()),
                WhenFull::Block(at_most) => {
                    let left = at_most.saturating_sub(since.elapsed());
                    if left.is_zero() {
                        return Err(full());
                    }
                    self.room.wait(n_flushes, left.min(LOOK_FOR_ROOM));
                }
                WhenFull::WriteThrough if n_passes < PASSES => {
                    n_passes += 1;
                    // What was sent before and not answered may be written all the same.
                    let unknown = |error| unanswered.clone().map_or(error, Error::Unknown);
                    flusher::pass(larder, self, Patience::Turns).map_err(unknown)?;
                }
                WhenFull::WriteThrough => return Err(full()),
            }
        }
    }

    /// Writes what only adds to the database, under the numbers of the entries that it was in: should the buffer have those after all, they
    /// are passed over.
    fn write_through(
        &self,
        larder: &Larder<Pg>,
        (changes, first): (&[Change], u64),
        away: &Error,
        mut sending: Sending,
    ) {
        // Each entry has its own number, and a flusher may already have come to some of them.
        let places: HashMap<&[u8], usize> =
            changes.iter().enumerate().map(|(at, change)| (&change.cell[..], at / FRAME_ROWS)).collect();
        let mut frames: Vec<Merged> = changes.chunks(FRAME_ROWS).map(|_| Merged::default()).collect();
        let (mut n_written, mut n_away) = (0, 0);
        for ticket in &sending.0 {
            if !ticket.only_adds() {
                n_away += ticket.n_calls();
                continue;
            }
            n_written += ticket.n_calls();
            for change in &ticket.changes {
                if let Some(frame) = places.get(&change.cell[..]).and_then(|&at| frames.get_mut(at)) {
                    frame.add(change);
                }
            }
        }
        let frame = |(changes, number)| Frame { producer: self.producer, number, changes };
        let frames: Vec<Frame> = frames.into_iter().map(Merged::into_changes).zip(first..).map(frame).collect();
        add(&self.tally.away, n_away);
        if n_written == 0 {
            return sending.end(|_| Err(away.clone()));
        }
        let written = self.press.write_directly(larder, &frames).map_err(Error::from);
        if let Ok(written) = &written {
            self.tally.written_directly(n_written, written);
        }
        sending.end(|ticket| match &written {
            Ok(_) if ticket.only_adds() => Ok(()),
            // If the buffer has it, it is written when that is flushed.
            Err(error) if ticket.only_adds() && !matches!(away, Error::Unknown(_)) => Err(error.clone()),
            _ => Err(away.clone()),
        });
    }

    /// Tells those who wait for room that there may be some.
    pub(super) fn has_flushed(&self) {
        *lock(&self.room.n_flushes) += 1;
        self.room.flushed.notify_all();
    }
}

impl Room {
    fn n_flushes(&self) -> u64 {
        *lock(&self.n_flushes)
    }

    /// Waits until something was flushed here since then, but not for long: others flush too.
    fn wait(&self, since: u64, at_most: Duration) {
        let waited = self.flushed.wait_timeout_while(lock(&self.n_flushes), at_most, |n| *n == since);
        drop(waited.unwrap_or_else(PoisonError::into_inner));
    }
}

impl Ticket {
    /// Waits until the changes are sent, or it is this caller's turn to send: whether it is.
    fn waits_for_its_turn(&self) -> bool {
        let waits = |state: &mut State| matches!(state, State::Waiting);
        let state = self.told.wait_while(lock(&self.state), waits).unwrap_or_else(PoisonError::into_inner);
        matches!(*state, State::Leads)
    }

    fn tell(&self, state: State) {
        *lock(&self.state) = state;
        self.told.notify_one();
    }

    fn result(&self) -> Option<Result<()>> {
        match &*lock(&self.state) {
            State::Done(result) => Some(result.clone()),
            State::Waiting | State::Leads => None,
        }
    }

    fn only_adds(&self) -> bool {
        self.changes.iter().all(Change::only_adds)
    }

    fn n_calls(&self) -> u64 {
        self.changes.iter().map(|change| change.n_calls).sum()
    }
}

/// The turn of one caller to send for all. It goes to the next, also if a hook or a buffer panics.
struct Turn<'l>(&'l Lane);

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let mut queue = lock(&self.0.queue);
        match queue.waiting.front() {
            Some(next) => next.tell(State::Leads),
            None => queue.is_led = false,
        }
    }
}

/// Calls whose changes are being sent.
struct Sending(Vec<Arc<Ticket>>);

impl Sending {
    fn end(&mut self, result: impl Fn(&Ticket) -> Result<()>) {
        for ticket in self.0.drain(..) {
            let result = result(&ticket);
            ticket.tell(State::Done(result));
        }
    }
}

impl Drop for Sending {
    fn drop(&mut self) {
        // Whoever sends has panicked; the others must hear of something.
        let error = Error::Unknown(Arc::new(StoreError::unavailable("the thread that sent it panicked")));
        self.end(|_| Err(error.clone()));
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
