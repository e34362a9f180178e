//! Frames as rows of the database, in one transaction.

use std::{
    collections::{HashMap, HashSet},
    sync::{Mutex, MutexGuard, PoisonError, atomic::AtomicU32},
    time::{Duration, Instant},
};

use bytes::Bytes;
use diesel::pg::Pg;

use super::{
    apply::{Shape, Types},
    change::Change,
    dead::{self, Rejected},
    frame::Frame,
    ledger::{self, Ledger, LockWait},
    marks::Mark,
    models::Model,
    rows::{Outcome, Part, Rows, Terms},
};
use crate::{
    buffer::EntryId,
    error::Result,
    failpoints::{Point, reach},
    handle::{Larder, TransactionOptions},
    store::Nonce,
    transaction::Tx,
};

/// So long a flush waits for the locks of rows, once, before it writes the others without them; and so long it looks for those that are
/// locked, or bad, while what it has written is locked by itself.
const LOCK_WAIT: Duration = Duration::from_secs(1);
const TELL_APART: Duration = Duration::from_secs(3);

/// How often a flusher tries what could not be written.
const TRY_AGAIN: Duration = Duration::from_millis(500);

/// How often a flush is tried again at once that failed only because of others.
const RETRIES: u32 = 3;

/// Writes frames of one buffer.
#[derive(Debug)]
pub(super) struct Press {
    pub(super) buffer: String,
    pub(super) models: Vec<Model>,
    /// So old is a change when it is rejected that nothing here can write.
    gives_up_after: Duration,
    /// How much the size of a batch is doubted.
    pub(super) doubt: AtomicU32,
    /// What was found out about types so far.
    types: Mutex<Types>,
    /// What could not be written when it was last tried.
    held: Mutex<Held>,
}

#[derive(Debug, Default)]
struct Held {
    /// The entries of which something stayed.
    entries: HashSet<EntryId>,
    /// When that was tried.
    tried: Option<Instant>,
}

/// A frame that was read, and what it was read from.
#[derive(Debug)]
pub(super) struct Arrived {
    pub(super) frame: Frame,
    pub(super) bytes: Bytes,
    pub(super) waited: Duration,
}

/// How long whoever flushes waits for others.
#[derive(Debug, Clone, Copy)]
pub(super) enum Patience {
    /// Not for the turns of other flushers, and not for long for the locks of rows.
    Background,
    /// For the turns of others, and not for long for the locks of rows.
    Turns,
    /// Until then, for whatever it is.
    Until(Instant),
}

/// What a flush has written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Written {
    /// Frames that were applied, and such that had been already.
    pub(super) n_frames: u64,
    pub(super) n_repeated: u64,
    /// Calls that were acknowledged, and rows that they have changed.
    pub(super) n_calls: u64,
    pub(super) n_rows: u64,
    /// Changes that the database has rejected.
    pub(super) n_dead: u64,
    /// Changes that can't be written yet.
    pub(super) n_held: u64,
}

/// What has become of frames of the buffer.
#[derive(Debug, Default)]
pub(super) struct Flushed {
    pub(super) written: Written,
    /// The places of those of which something is held.
    pub(super) stay: HashSet<usize>,
    /// Why.
    pub(super) reason: Option<String>,
}

impl Press {
    pub(super) fn new(buffer: &str, models: Vec<Model>, gives_up_after: Duration) -> Self {
        let doubt = AtomicU32::new(0);
        Self {
            buffer: buffer.to_owned(),
            models,
            gives_up_after,
            doubt,
            types: Mutex::default(),
            held: Mutex::default(),
        }
    }

    /// Does something in a transaction that has the turn of the buffer's flushers: `None` if it is another one's.
    pub(super) fn in_turn<T>(
        &self,
        larder: &Larder<Pg>,
        patience: Patience,
        mut work: impl FnMut(&Tx<Pg>) -> Result<T>,
    ) -> Result<Option<T>> {
        let options = TransactionOptions { retries: RETRIES, ..TransactionOptions::default() };
        larder.transaction_with(options, |tx| {
            let (waits, at_most) = patience.for_a_turn();
            if !tx.run(|connection| ledger::begin(connection, &self.buffer, waits, at_most))? {
                return Ok(None);
            }
            work(tx).map(Some)
        })
    }

    /// Applies frames of the buffer, in their order, each that is not yet applied, in a transaction that has the turn.
    ///
    /// All of a producer's that are before them are among them, or applied. Their numbers are written in the transaction of the rows, so
    /// that each change is applied once, whatever dies when.
    pub(super) fn write_in(
        &self,
        tx: &Tx<Pg>,
        frames: &[Arrived],
        unread: &[Rejected],
        patience: Patience,
    ) -> Result<Flushed> {
        let producers = producers(frames.iter().map(|arrived| &arrived.frame));
        let Ledger { marks, is_any_unread } =
            tx.run(|connection| ledger::marks(connection, &self.buffer, &producers))?;
        reach(Point::FlushLocked);

        let (mut written, mut after) = (Written::default(), marks.clone());
        let mut last: HashMap<Nonce, u64> = HashMap::new();
        let (mut parts, mut fresh) = (Vec::new(), Vec::with_capacity(frames.len()));
        for (place, Arrived { frame, waited, .. }) in frames.iter().enumerate() {
            let last = last.entry(frame.producer).or_insert(0);
            let mark = marks.get(&frame.producer).map_or(Mark::Nothing, |marks| marks.of(frame.number));
            // What was sent twice is twice in the buffer.
            if mark == Mark::All || frame.number <= *last {
                *last = frame.number.max(*last);
                written.n_repeated += 1;
                continue;
            }
            *last = frame.number;
            fresh.push(place);
            let was_held = matches!(mark, Mark::AllBut(_));
            let waits = |change: &&Change| match mark {
                Mark::AllBut(held) => held.contains(&change.cell),
                Mark::Nothing | Mark::All => true,
            };
            let changes = frame.changes.iter().filter(waits);
            parts.extend(changes.map(|change| Part { change, frame: place, waited: *waited, was_held }));
        }
        let outcome = Rows::write(self, tx, Terms { holds: true, ..self.terms(patience) }, &parts)?;
        reach(Point::FlushWritten);

        for (producer, last) in last {
            let marks = after.entry(producer).or_default();
            marks.applied = marks.applied.max(last);
            marks.direct.forget(marks.applied);
        }
        for &place in &fresh {
            let Frame { producer, number, .. } = &frames[place].frame;
            after.get_mut(producer).and_then(|marks| marks.held.remove(number));
        }
        let mut stay = HashSet::new();
        for (place, cell) in &outcome.held {
            let Frame { producer, number, .. } = &frames[*place].frame;
            after.entry(*producer).or_default().held.entry(*number).or_default().insert(cell.clone());
            stay.insert(*place);
        }
        let rejected: Vec<Rejected> = unread.iter().chain(&outcome.rejected).cloned().collect();
        written.n_dead = tx.run(|connection| {
            if is_any_unread {
                // Whoever could not read them has kept them, and died before he took them out of the buffer.
                let read = fresh.iter().map(|&place| &frames[place].bytes[..]);
                dead::were_read(connection, &self.buffer, read)?;
            }
            let n_dead = dead::add(connection, &self.buffer, &rejected)?;
            ledger::mark(connection, &marks, &after)?;
            Ok(n_dead)
        })?;
        reach(Point::FlushMarked);
        let held: HashSet<(usize, &[u8])> = outcome.held.iter().map(|(place, cell)| (*place, &cell[..])).collect();
        let is_done = |part: &&Part<'_>| !held.contains(&(part.frame, &part.change.cell[..]));
        written.n_calls = n_calls(parts.iter().filter(is_done).map(|part| part.change));
        written.n_frames = (fresh.len() - stay.len()) as u64;
        written.n_rows = outcome.n_rows;
        written.n_held = held.len() as u64;
        Ok(Flushed { written, stay, reason: outcome.reason })
    }

    /// Applies frames of one producer past the buffer, and so perhaps before others that he has sent earlier. All or none.
    ///
    /// Does not wait for locks for as long as a transaction may stand still: the caller may be within one that has the row.
    pub(super) fn write_directly(&self, larder: &Larder<Pg>, frames: &[Frame]) -> Result<Written> {
        let until = Instant::now() + larder.commit_within() / 2;
        let written = self.in_turn(larder, Patience::Until(until), |tx| {
            let producers = producers(frames);
            let marks = tx.run(|connection| ledger::marks(connection, &self.buffer, &producers))?.marks;
            reach(Point::FlushLocked);
            let is_new =
                |frame: &&Frame| marks.get(&frame.producer).is_none_or(|marks| marks.of(frame.number) == Mark::Nothing);
            let fresh: Vec<&Frame> = frames.iter().filter(is_new).collect();
            let changes: Vec<&Change> = fresh.iter().flat_map(|frame| &frame.changes).collect();
            let outcome = self.write_changes(tx, &changes, self.terms_of_a_call(until))?;
            reach(Point::FlushWritten);
            let mut written = Written { n_frames: fresh.len() as u64, n_rows: outcome.n_rows, ..Written::default() };
            written.n_calls = n_calls(changes);
            written.n_dead = tx.run(|connection| {
                let n_dead = dead::add(connection, &self.buffer, &outcome.rejected)?;
                for producer in &producers {
                    let mut direct = marks.get(producer).map(|marks| marks.direct.clone()).unwrap_or_default();
                    fresh
                        .iter()
                        .filter(|frame| frame.producer == *producer)
                        .for_each(|frame| direct.insert(frame.number));
                    ledger::mark_direct(connection, producer, &direct)?;
                }
                Ok(n_dead)
            })?;
            reach(Point::FlushMarked);
            Ok(written)
        })?;
        Ok(written.unwrap_or_default())
    }

    /// Writes changes that nothing may wait of.
    pub(super) fn write_changes(&self, tx: &Tx<Pg>, changes: &[&Change], terms: Terms) -> Result<Outcome> {
        let part = |&change| Part { change, frame: 0, waited: Duration::ZERO, was_held: false };
        let parts: Vec<Part<'_>> = changes.iter().map(part).collect();
        Rows::write(self, tx, terms, &parts)
    }

    pub(super) fn terms(&self, patience: Patience) -> Terms {
        let (gives_up_after, now) = (self.gives_up_after, Instant::now());
        let soon = Terms {
            holds: false,
            tries_held: true,
            gives_up_after,
            lock_wait: LOCK_WAIT,
            lock_wait_of_turn: None,
            end: now + TELL_APART,
        };
        match patience {
            Patience::Background => {
                Terms { tries_held: self.tries_held(now), lock_wait_of_turn: Some(LOCK_WAIT), ..soon }
            }
            Patience::Turns => soon,
            Patience::Until(end) => {
                let left = end.saturating_duration_since(now);
                Terms { lock_wait: left.min(LOCK_WAIT), end: end.min(soon.end), ..soon }
            }
        }
    }

    /// The same for one who has no other time: nothing is held, so it is all or an error.
    pub(super) fn terms_of_a_call(&self, until: Instant) -> Terms {
        let left = until.saturating_duration_since(Instant::now());
        Terms { lock_wait: left, end: until, ..self.terms(Patience::Until(until)) }
    }

    /// Whether it is time to try once more what could not be written.
    fn tries_held(&self, now: Instant) -> bool {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let is_time = held.tried.is_none_or(|tried| now.duration_since(tried) >= TRY_AGAIN);
        if is_time {
            held.tried = Some(now);
        }
        is_time
    }

    /// Takes down which entries could not be written.
    pub(super) fn stayed(&self, entries: Vec<EntryId>) {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.entries = entries.into_iter().collect();
    }

    pub(super) fn stayed_before(&self) -> HashSet<EntryId> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner).entries.clone()
    }

    pub(super) fn model_of(&self, shape: &Shape) -> Result<&Model, &'static str> {
        let model =
            self.models.iter().find(|model| model.name == shape.model).ok_or("the flusher has no such model")?;
        let has_all = shape.columns().all(|column| model.has(column));
        if has_all { Ok(model) } else { Err("the model has no such column to be written") }
    }

    /// The types of a shape. What is not known yet costs a statement each, once.
    pub(super) fn types(&self, tx: &Tx<Pg>, shape: &Shape) -> Result<Types> {
        let mut types = Types::new();
        for sql_type in shape.types() {
            let known = self.known_types().get(sql_type).cloned();
            let named = match known {
                Some(named) => named,
                None => tx.run(|connection| ledger::sql_type(connection, sql_type))?,
            };
            types.insert(sql_type.clone(), named);
        }
        self.known_types().extend(types.clone());
        Ok(types)
    }

    pub(super) fn known_types(&self) -> MutexGuard<'_, Types> {
        self.types.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Patience {
    /// Whether to wait for it, and how long.
    fn for_a_turn(self) -> (bool, LockWait) {
        match self {
            Self::Background => (false, LockWait::AtMost(LOCK_WAIT)),
            Self::Turns => (true, LockWait::Forever),
            Self::Until(end) => (true, LockWait::AtMost(end.saturating_duration_since(Instant::now()))),
        }
    }
}

fn producers<'f>(frames: impl IntoIterator<Item = &'f Frame>) -> Vec<Nonce> {
    let mut producers: Vec<Nonce> = frames.into_iter().map(|frame| frame.producer).collect();
    producers.sort_unstable_by_key(|producer| *producer.as_bytes());
    producers.dedup();
    producers
}

fn n_calls<'c>(changes: impl IntoIterator<Item = &'c Change>) -> u64 {
    changes.into_iter().fold(0, |n, change| n.saturating_add(change.n_calls))
}
