//! Takes entries out of the buffer and writes them to the database.

use std::{
    collections::HashSet,
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

use diesel::pg::Pg;

use super::{
    dead::Rejected,
    error::{Error, Result},
    figures::{Figures, add},
    flush::{Arrived, Flushed, Patience, Written},
    frame::Frame,
    lane::Lane,
    ledger,
};
use crate::{
    buffer::{Entry, EntryId},
    event::Event,
    failpoints::{Point, reach},
    handle::Larder,
    stop::{Running, Stop},
};

/// How many entries are read at once.
const PAGE: usize = 256;

/// About how many rows one transaction writes, and how many bytes of entries it is made of: the more, the more changes of a row become one,
/// and the longer are the rows locked.
const BATCH_ROWS: usize = 10_000;
const BATCH_BYTES: usize = 8 << 20;

/// A transaction that failed may have been too long for whoever bounds it, so the next is half as large, and so on; after as many as
/// `TRUST` that went well it is twice as large again.
const MOST_HALVINGS: u32 = 13;
const TRUST: u32 = 8;

/// How long to wait after a failure: at first, and at most.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LAST_PAUSE: Duration = Duration::from_secs(1);

/// So many entries are read at most to find such that can be written behind others that can't be yet. If there is none among them, all wait.
const MOST_ENTRIES: usize = 65_536;

/// How often to forget producers of old.
const FORGET_EVERY: Duration = Duration::from_secs(3_600);

/// What a pass over the buffer has come to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Pass {
    /// Nothing waited.
    Empty,
    /// Another flusher has its turn.
    Busy,
    /// This was written, whether there was more, and why some can't be written yet.
    Done { written: Written, is_more: bool, reason: Option<String> },
}

/// Writes the oldest entries, as many as one transaction should have.
///
/// They are read when the turn is taken, and not before: of the flushers of a buffer only one reads much at a time.
pub(super) fn pass(larder: &Larder<Pg>, lane: &Lane, patience: Patience) -> Result<Pass> {
    let oldest = lane.buffer().read(1, None).map_err(|error| {
        lane.tally.can_not_look();
        Error::Unread(Arc::new(error))
    })?;
    let lag = oldest.first().map(|entry| entry.waited);
    lane.tally.lags(lag);
    let Some(lag) = lag else {
        lane.tally.holds(0);
        return Ok(Pass::Empty);
    };
    let doubt = lane.press.doubt.load(Ordering::Relaxed);
    let size = doubt.div_ceil(TRUST);
    let flushed = lane.press.in_turn(larder, patience, |tx| {
        let read = read(lane, (BATCH_ROWS >> size).max(1), (BATCH_BYTES >> size).max(1));
        let batch = read.map_err(crate::Error::other)?;
        let flushed = lane.press.write_in(tx, &batch.frames, &batch.unread, patience)?;
        Ok((batch, flushed))
    });
    let flushed = flushed.map_err(Error::from);
    let doubt = match &flushed {
        Ok(_) => doubt.saturating_sub(1),
        Err(Error::Unread(_)) => doubt,
        Err(_) => (doubt + TRUST).min(MOST_HALVINGS * TRUST),
    };
    lane.press.doubt.store(doubt, Ordering::Relaxed);
    let flushed = flushed?;
    // What is held goes on waiting.
    if flushed.as_ref().is_none_or(|(_, flushed)| flushed.written.n_held == 0) {
        lane.tally.lags_no_more();
    }
    let Some((batch, Flushed { written, stay, reason })) = flushed else {
        return Ok(Pass::Busy);
    };
    let (ids, stayed) = batch.split(&stay);
    if ids.is_empty() && stayed.is_empty() {
        // Another one had its turn meanwhile.
        return Ok(Pass::Empty);
    }
    lane.press.stayed(stayed);
    lane.tally.flushed(&written);
    let held_before = lane.tally.holds(written.n_held);
    reach(Point::BeforeRemove);
    if !ids.is_empty()
        && let Err(error) = lane.buffer().remove(&ids)
    {
        // They are read again, and passed over.
        tracing::warn!(%error, "entries that were flushed could not be removed");
    }
    reach(Point::AfterRemove);
    lane.has_flushed();
    let Written { n_calls, n_rows, n_dead, n_held, .. } = written;
    if n_calls + n_dead > 0 || n_held != held_before {
        larder.lookout().tell(Event::Flushed { n_calls, n_rows, n_dead, n_held, lag });
    }
    match reason {
        Some(reason) if n_calls + n_dead == 0 && ids.is_empty() => Err(Error::Held { n_changes: n_held, reason }),
        // Whoever has done nothing need not look again at once.
        reason => Ok(Pass::Done { written, is_more: batch.is_more && !ids.is_empty(), reason }),
    }
}

/// What was read of the buffer, from its oldest entry on.
#[derive(Default)]
struct Batch {
    frames: Vec<Arrived>,
    frame_ids: Vec<EntryId>,
    /// Entries of another version, or of nobody.
    unread: Vec<Rejected>,
    unread_ids: Vec<EntryId>,
    is_more: bool,
}

impl Batch {
    /// The entries that are done, and the others, whose frames' places are given.
    fn split(&self, stay: &HashSet<usize>) -> (Vec<EntryId>, Vec<EntryId>) {
        let (stayed, mut done): (Vec<_>, Vec<_>) =
            self.frame_ids.iter().enumerate().partition(|(place, _)| stay.contains(place));
        let mut ids: Vec<EntryId> = done.drain(..).map(|(_, id)| *id).collect();
        ids.extend(&self.unread_ids);
        (ids, stayed.into_iter().map(|(_, id)| *id).collect())
    }
}

/// Shows every frame that waits, from the oldest on.
pub(super) fn visit(lane: &Lane, mut each: impl FnMut(Frame)) -> Result<()> {
    let mut after = None;
    loop {
        let entries = lane.buffer().read(PAGE, after).map_err(|error| Error::Unread(Arc::new(error)))?;
        after = entries.last().map(|entry| entry.id);
        let is_last = entries.len() < PAGE;
        // What nobody can read changes nothing.
        entries.iter().filter_map(|entry| Frame::decode(&entry.bytes).ok()).for_each(&mut each);
        if is_last {
            return Ok(());
        }
    }
}

/// The oldest entries, until they have about so many rows or bytes beside those that could not be written before.
fn read(lane: &Lane, n_rows: usize, n_bytes: usize) -> Result<Batch> {
    let stayed = lane.press.stayed_before();
    let (mut batch, mut rows, mut read_bytes, mut after) = (Batch::default(), HashSet::new(), 0, None);
    loop {
        let entries = lane.buffer().read(PAGE, after).map_err(|error| Error::Unread(Arc::new(error)))?;
        batch.is_more = entries.len() == PAGE;
        for Entry { id, bytes, waited } in entries {
            if rows.len() >= n_rows || read_bytes >= n_bytes {
                batch.is_more = true;
                return Ok(batch);
            }
            after = Some(id);
            match Frame::decode(&bytes) {
                Ok(frame) => {
                    if !stayed.contains(&id) {
                        read_bytes += bytes.len();
                        rows.extend(frame.changes.iter().map(|change| change.cell.clone()));
                    }
                    batch.frames.push(Arrived { frame, bytes, waited });
                    batch.frame_ids.push(id);
                }
                Err(_) => {
                    read_bytes += bytes.len();
                    batch.unread.push(Rejected::unread(&bytes));
                    batch.unread_ids.push(id);
                }
            }
        }
        if !batch.is_more || batch.frames.len() >= MOST_ENTRIES {
            return Ok(batch);
        }
    }
}

/// Flushes the buffer of a handle, as long as it is kept.
///
/// It can run in every process: they take turns, and what one leaves when it dies, the next one finds.
#[must_use = "the flusher ends when this is dropped"]
pub struct Flusher {
    larder: Larder<Pg>,
    running: Running,
}

impl Flusher {
    /// Starts a thread that looks at the buffer every `interval`, and again at once as long as it finds much.
    ///
    /// The longer the interval, the more changes of one row become one, and the longer they wait. A look at an empty buffer is one round
    /// trip, and none of the database.
    ///
    /// # Errors
    /// [`Error::NoBuffer`] and [`Error::Thread`].
    pub fn start(larder: &Larder<Pg>, interval: Duration) -> Result<Self> {
        larder.lane().ok_or(Error::NoBuffer)?;
        let run = {
            let larder = larder.clone();
            move |stop: &Stop| run(&larder, interval, stop)
        };
        let running = Running::start("larder-behind", run).map_err(|error| Error::Thread(Arc::new(error)))?;
        Ok(Self { larder: larder.clone(), running })
    }

    /// Writes what waits now, on this thread: how many entries that was. Does not wait for what comes meanwhile, but for the turns of
    /// other flushers.
    ///
    /// # Errors
    /// [`Error::NoBuffer`], [`Error::Unread`], [`Error::Database`] and [`Error::Held`]: what was written before that is written.
    pub fn run_once(larder: &Larder<Pg>) -> Result<u64> {
        let lane = larder.lane().ok_or(Error::NoBuffer)?;
        let unread = |error| Error::Unread(Arc::new(error));
        // If it can't be asked, the first look says so.
        let newest = lane.buffer().backlog().ok().and_then(|backlog| backlog.newest).map(|id| id.place);
        let mut n_entries = 0;
        while let Pass::Done { written, is_more, reason } = pass(larder, lane, Patience::Turns)? {
            n_entries += written.n_frames;
            match reason {
                _ if is_more => {
                    let oldest = lane.buffer().read(1, None).map_err(unread)?;
                    if oldest.first().is_none_or(|entry| Some(entry.id.place) > newest) {
                        break;
                    }
                }
                Some(reason) => return Err(Error::Held { n_changes: written.n_held, reason }),
                None => break,
            }
        }
        Ok(n_entries)
    }

    /// Writes what waits when it is called, on this thread and beside the flusher's own: whether all of it was written within `at_most`.
    ///
    /// It waits for rows that others have locked, but not beyond that time: within a transaction that holds such a row itself, that is all
    /// it does. For a process that is about to end, and would rather not leave its changes to others. They are as safe with them.
    ///
    /// # Errors
    /// The last one, if the time was over before it went well.
    pub fn drain(&self, at_most: Duration) -> Result<bool> {
        let start = Instant::now();
        let lane = self.larder.lane().ok_or(Error::NoBuffer)?;
        let mut failure = None;
        loop {
            match drain(&self.larder, lane, start, at_most) {
                Ok(is_drained) => return failure.filter(|_| !is_drained).map_or(Ok(is_drained), Err),
                Err(error) if start.elapsed() >= at_most => return Err(error),
                Err(error) => failure = Some(error),
            }
            let _ = self.running.stop().rest(FIRST_PAUSE);
        }
    }

    /// Ends the flusher, and returns when it has ended: at once, or when the batch that it has in its hands is written. What waits, waits.
    pub fn stop(mut self) -> Figures {
        self.running.end();
        self.larder.lane().map(Lane::figures).unwrap_or_default()
    }
}

impl fmt::Debug for Flusher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Flusher").finish_non_exhaustive()
    }
}

fn drain(larder: &Larder<Pg>, lane: &Lane, start: Instant, at_most: Duration) -> Result<bool> {
    let unread = |error| Error::Unread(Arc::new(error));
    let Some(last) = lane.buffer().backlog().map_err(unread)?.newest else { return Ok(true) };
    loop {
        let oldest = lane.buffer().read(1, None).map_err(unread)?;
        if oldest.first().is_none_or(|entry| entry.id.place > last.place) {
            return Ok(true);
        }
        if start.elapsed() >= at_most {
            return Ok(false);
        }
        pass(larder, lane, Patience::Until(start + at_most))?;
    }
}

fn run(larder: &Larder<Pg>, interval: Duration, stop: &Stop) {
    let Some(lane) = larder.lane() else { return };
    let (mut pause, mut said, mut forgotten) = (FIRST_PAUSE, None, None::<Instant>);
    while !stop.is_set() {
        // Whatever a handler of events does, the buffer must go on being emptied.
        let passed = catch_unwind(AssertUnwindSafe(|| pass(larder, lane, Patience::Background)));
        let failure = match passed {
            Ok(Ok(Pass::Done { is_more: true, .. })) => {
                pause = FIRST_PAUSE;
                continue;
            }
            // All else is written; what is held was said when it was.
            Ok(Err(Error::Held { .. })) => {
                let _ = stop.rest(interval);
                continue;
            }
            // Nothing that was not said before.
            Ok(Ok(Pass::Done { written, .. })) if written.n_held > 0 => {
                let _ = stop.rest(interval);
                continue;
            }
            Ok(Ok(passed)) => {
                // Of whoever is silent, nothing may wait: then none of his changes can come again.
                let is_time = forgotten.is_none_or(|forgotten| forgotten.elapsed() >= FORGET_EVERY);
                if passed == Pass::Empty && is_time {
                    forgotten = Some(Instant::now());
                    // What is not forgotten now is forgotten in an hour.
                    let _ =
                        larder.transaction(|tx| tx.run(|connection| ledger::forget(connection, &lane.press.buffer)));
                }
                None
            }
            Ok(Err(error)) => Some(format!("{error}: {}", causes(&error))),
            Err(_) => Some("it panicked".to_owned()),
        };
        let rest = if failure.is_some() { pause } else { interval };
        pause = if failure.is_some() { (pause * 2).min(LAST_PAUSE) } else { FIRST_PAUSE };
        add(&lane.tally.failed_flushes, u64::from(failure.is_some()));
        // Once a failure, and not once a second.
        if failure != said {
            failure.iter().for_each(|failure| tracing::warn!(failure, "a flush failed; it is tried again"));
            said = failure;
        }
        let _ = stop.rest(rest);
    }
}

fn causes(error: &Error) -> String {
    let mut causes = Vec::new();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        causes.push(error.to_string());
        cause = error.source();
    }
    causes.join(": ")
}
