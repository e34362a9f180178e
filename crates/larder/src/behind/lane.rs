//! The way of a handle's changes into its buffer: calls that come at once go together.

use std::{
    collections::HashMap,
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use diesel::pg::Pg;

use super::{
    Options, WhenAway, WhenFull,
    callers::{Call, Callers, Sending},
    change::{Change, Merged},
    error::{Error, Result},
    figures::{Figures, Tally, add},
    flush::{Patience, Press},
    flusher,
    frame::{self, Frame},
};
use crate::{
    buffer::{AppendError, Appended, Buffer, Bytes, Size},
    failpoints::{Point, reach},
    handle::Larder,
    store::{Nonce, StoreError},
};

/// How many rows one entry has at most.
const FRAME_ROWS: usize = 512;

/// How many bytes it has at most, if it is of several rows: flushers read entries by their number.
const FRAME_BYTES: usize = 64 << 10;

/// How many rows go to the buffer at once, and how many bytes, if several calls wait.
const SENT_ROWS: usize = 4_096;
const SENT_BYTES: usize = 1 << 20;

/// How many bytes a row's change may have, and those of a call together: more would keep the server from others.
const ROW_BYTES: usize = 1 << 20;
const CALL_BYTES: usize = 16 << 20;

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
    callers: Callers,
    room: Room,
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
        let (tally, callers, room) = (Tally::default(), Callers::default(), Room::default());
        Self { options, press, tally, producer: Nonce::fresh(), number: AtomicU64::new(0), callers, room }
    }

    pub(crate) fn figures(&self) -> Figures {
        self.tally.figures()
    }

    pub(super) fn buffer(&self) -> &dyn Buffer {
        &*self.options.buffer
    }

    /// Has the buffer take changes, all or none of them. Returns when it has.
    pub(super) fn send(&self, larder: &Larder<Pg>, changes: Vec<Change>) -> Result<()> {
        let only_counts = self.check(&changes)?;
        let n_bytes = self.weigh(&changes)?;
        let call = Call { since: Instant::now(), changes, only_counts, n_bytes };
        self.callers.call(call, || self.send_some(larder))
    }

    /// Refuses what sets a counter. Tells whether the changes do nothing but add to counters.
    fn check(&self, changes: &[Change]) -> Result<bool> {
        let mut only_counts = true;
        for change in changes {
            let Some(model) = self.options.models.iter().find(|model| model.name == change.model) else {
                only_counts = false;
                continue;
            };
            if let Some(column) = model.counter_set_by(change) {
                return Err(Error::Counter { model: model.name, column });
            }
            only_counts &= model.only_counts(change);
        }
        Ok(only_counts)
    }

    /// How many bytes the changes of a call are, unless they are too many.
    fn weigh(&self, changes: &[Change]) -> Result<usize> {
        let mut all = 0;
        for change in changes {
            let n_bytes = frame::encode_change(change).len();
            if n_bytes > ROW_BYTES {
                return Err(Error::TooManyBytes { n_bytes, limit: ROW_BYTES });
            }
            all += n_bytes;
        }
        let limit = CALL_BYTES.min(usize::try_from(self.options.at_most.n_bytes).unwrap_or(usize::MAX));
        if all > limit { Err(Error::TooManyBytes { n_bytes: all, limit }) } else { Ok(all) }
    }

    /// Sends what has waited longest.
    fn send_some(&self, larder: &Larder<Pg>) {
        let (mut n_rows, mut n_bytes) = (0, 0);
        // What fits by itself must not be refused for the sake of those whom it goes with.
        let at_most = SENT_BYTES.min(usize::try_from(self.options.at_most.n_bytes / 2).unwrap_or(usize::MAX));
        let mut sending = self.callers.take(|next| {
            let fits = n_rows == 0 || (n_rows < SENT_ROWS && n_bytes + next.n_bytes <= at_most);
            if fits {
                (n_rows, n_bytes) = (n_rows + next.changes.len(), n_bytes + next.n_bytes);
            }
            fits
        });
        let Some(since) = sending.calls().next().map(|call| call.since) else { return };
        let mut merged = Merged::default();
        for change in sending.calls().flat_map(|call| &call.changes) {
            merged.add(change);
        }
        let n_calls = sending.calls().map(Call::n_calls).sum();
        let changes = merged.into_changes();
        let frames = framed(&changes, n_bytes);
        let first = self.number.fetch_add(frames.len() as u64, Ordering::Relaxed) + 1;
        let numbered = frames.iter().zip(first..);
        let entries: Vec<Bytes> =
            numbered.map(|(changes, number)| Frame::encode(self.producer, number, changes)).collect();
        match self.append(larder, &entries, since) {
            Ok(()) => {
                add(&self.tally.buffered, n_calls);
                add(&self.tally.entries, entries.len() as u64);
                sending.end(|_| Ok(()));
            }
            Err(error @ (Error::Away(_) | Error::Unknown(_))) if self.options.when_away == WhenAway::WriteThrough => {
                self.write_through(larder, (&frames, first), &error, sending);
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
            let appended = self.buffer().append(entries, self.options.at_most);
            reach(Point::AfterAppend);
            let Size { n_entries, n_bytes } = match (appended, &unanswered) {
                (Ok(Appended::All(_)), _) => return Ok(()),
                (Ok(Appended::Full(size)), _) => size,
                // The same numbers once more: if the buffer gets both, the second counts for nothing.
                (Err(AppendError::Unknown(error)), None) => {
                    unanswered = Some(Arc::new(error));
                    continue;
                }
                (Err(AppendError::NotAppended(error)), None) => return Err(Error::Away(Arc::new(error))),
                (Err(_), Some(error)) => return Err(Error::Unknown(Arc::clone(error))),
            };
            // What was not answered may be among that which fills it.
            let full = || unanswered.clone().map_or(Error::Full { n_entries, n_bytes }, Error::Unknown);
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
                    // What was sent before and not answered may be written all the same; what others have sent is theirs.
                    let unknown = |error| unanswered.clone().map_or(error, Error::Unknown);
                    match flusher::pass(larder, self, Patience::Turns) {
                        // No room is made of what can't be written yet.
                        Err(Error::Held { .. }) => return Err(full()),
                        passed => drop(passed.map_err(unknown)?),
                    }
                }
                WhenFull::WriteThrough => return Err(full()),
            }
        }
    }

    /// Writes what only counts to the database, under the numbers of the entries that it was in: should the buffer have those after all, they
    /// are passed over.
    fn write_through(
        &self,
        larder: &Larder<Pg>,
        (sent, first): (&[&[Change]], u64),
        away: &Error,
        mut sending: Sending,
    ) {
        // Each entry has its own number, and a flusher may already have come to some of them.
        let of_frame = |(at, frame): (usize, &&'_ [Change])| {
            frame.iter().map(move |change| (change.cell.clone(), at)).collect::<Vec<_>>()
        };
        let places: HashMap<Vec<u8>, usize> = sent.iter().enumerate().flat_map(of_frame).collect();
        let mut frames: Vec<Merged> = sent.iter().map(|_| Merged::default()).collect();
        let (mut n_written, mut n_away) = (0, 0);
        for call in sending.calls() {
            if !call.only_counts {
                n_away += call.n_calls();
                continue;
            }
            n_written += call.n_calls();
            for change in &call.changes {
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
        let written = self.press.write_directly(larder, &frames).map_err(|error| match error {
            error @ crate::Error::CommitUnknown(_) => Error::Unknown(Arc::new(StoreError::unavailable(error))),
            error => error.into(),
        });
        if let Ok(written) = &written {
            self.tally.written_directly(n_written, written);
        }
        sending.end(|call| match &written {
            Ok(_) if call.only_counts => Ok(()),
            // If the buffer has it, it is written when that is flushed.
            Err(error) if call.only_counts && !matches!(away, Error::Unknown(_)) => Err(error.clone()),
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

/// Changes as frames, in their order: `n_bytes` of them, or less.
fn framed(changes: &[Change], n_bytes: usize) -> Vec<&[Change]> {
    if n_bytes <= FRAME_BYTES {
        return changes.chunks(FRAME_ROWS).collect();
    }
    let mut frames = Vec::new();
    let (mut from, mut so_far) = (0, 0);
    for (at, change) in changes.iter().enumerate() {
        let n_bytes = frame::encode_change(change).len();
        if at > from && (at - from == FRAME_ROWS || so_far + n_bytes > FRAME_BYTES) {
            frames.push(&changes[from..at]);
            (from, so_far) = (at, 0);
        }
        so_far += n_bytes;
    }
    frames.push(&changes[from..]);
    frames
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
