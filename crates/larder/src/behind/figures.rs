//! What a handle has done behind.

use std::{
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use serde::Serialize;

use super::flush::Written;

/// What a handle has put into its buffer and, if it flushes, taken out, since it was built.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Figures {
    /// Calls whose changes the buffer has taken.
    pub n_buffered: u64,
    /// Entries that it has taken for them.
    pub n_entries: u64,
    /// Calls whose increments went to the database, since the buffer was away.
    pub n_written_through: u64,
    /// Calls that failed because the buffer was full.
    pub n_full: u64,
    /// Calls that failed because it was away, did not say whether it has taken them, or the database failed in its place.
    pub n_away: u64,
    /// Entries that were flushed.
    pub n_flushed_entries: u64,
    /// Calls whose changes were flushed.
    pub n_flushed: u64,
    /// Rows that were changed for them.
    pub n_rows: u64,
    /// Entries that were read once more after they had been applied, and passed over.
    pub n_repeated: u64,
    /// Changes that became dead letters.
    pub n_dead: u64,
    /// Changes that could not be written yet when a flusher of this handle last looked, while others were.
    pub n_held: u64,
    /// Flushes that failed; what they had in their hands waits for the next.
    pub n_failed_flushes: u64,
    /// How long the oldest entry had waited when a flusher of this handle last looked: zero if there was none, `None` if none has looked
    /// yet. While flushers can't look, or can't flush what they saw, it grows with the time: it is that at most.
    pub lag: Option<Duration>,
}

/// Counts them.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) buffered: AtomicU64,
    pub(super) entries: AtomicU64,
    written_through: AtomicU64,
    pub(super) full: AtomicU64,
    pub(super) away: AtomicU64,
    flushed_entries: AtomicU64,
    flushed: AtomicU64,
    rows: AtomicU64,
    repeated: AtomicU64,
    dead: AtomicU64,
    held: AtomicU64,
    pub(super) failed_flushes: AtomicU64,
    looked: Mutex<Option<Look>>,
}

/// What a flusher has seen of the buffer.
#[derive(Debug, Clone, Copy)]
struct Look {
    at: Instant,
    lag: Duration,
    /// Whether the oldest entry may still be waiting.
    grows: bool,
}

pub(super) fn add(counter: &AtomicU64, n: u64) {
    counter.fetch_add(n, Ordering::Relaxed);
}

impl Tally {
    /// So long the oldest entry has waited, if there is one.
    pub(super) fn lags(&self, lag: Option<Duration>) {
        *self.look() = Some(Look { at: Instant::now(), lag: lag.unwrap_or_default(), grows: lag.is_some() });
    }

    /// Nobody knows how long it has waited.
    pub(super) fn can_not_look(&self) {
        let unseen = Look { at: Instant::now(), lag: Duration::ZERO, grows: true };
        self.look().get_or_insert(unseen).grows = true;
    }

    /// What was seen last is written, or in the hands of another flusher.
    pub(super) fn lags_no_more(&self) {
        self.look().iter_mut().for_each(|look| look.grows = false);
    }

    fn look(&self) -> MutexGuard<'_, Option<Look>> {
        self.looked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// So many changes can't be written yet: how many it were before.
    pub(super) fn holds(&self, n_changes: u64) -> u64 {
        self.held.swap(n_changes, Ordering::Relaxed)
    }

    pub(super) fn flushed(&self, written: &Written) {
        add(&self.flushed_entries, written.n_frames);
        add(&self.flushed, written.n_calls);
        add(&self.rows, written.n_rows);
        add(&self.repeated, written.n_repeated);
        add(&self.dead, written.n_dead);
    }

    /// Increments of so many calls went past the buffer.
    pub(super) fn written_directly(&self, n_calls: u64, written: &Written) {
        add(&self.written_through, n_calls);
        add(&self.rows, written.n_rows);
        add(&self.dead, written.n_dead);
    }

    pub(super) fn figures(&self) -> Figures {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Figures {
            n_buffered: read(&self.buffered),
            n_entries: read(&self.entries),
            n_written_through: read(&self.written_through),
            n_full: read(&self.full),
            n_away: read(&self.away),
            n_flushed_entries: read(&self.flushed_entries),
            n_flushed: read(&self.flushed),
            n_rows: read(&self.rows),
            n_repeated: read(&self.repeated),
            n_dead: read(&self.dead),
            n_held: read(&self.held),
            n_failed_flushes: read(&self.failed_flushes),
            lag: self.look().map(|Look { at, lag, grows }| if grows { lag + at.elapsed() } else { lag }),
        }
    }
}
