//! Copies of cells in the memories of processes, and how their holders hear of writes.

use std::{any::Any, fmt, sync::Arc, time::Duration};

use super::Nonce;

/// What [`Store::begin`](super::Store::begin) does about copies of the cells in the memories of processes. What does more is larger.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Recall {
    /// Announces the write: a copy is dropped as soon as its holder has heard of it.
    #[default]
    Announced,
    /// Announces it, and returns when nobody serves a copy any more: every holder that may serve copies of strict models has said
    /// that it has dropped them, or it is so long ago that it had a proof that it can't serve any.
    Acknowledged,
    /// Announces it, and returns when it is so long ago that nobody who has not heard of it has a proof any more. Nobody is asked.
    Outwaited,
}

/// Where a write stands among the announcements of a store: one with a larger number of the same series was announced later.
///
/// A store that has lost the series begins another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Position {
    /// Which series: never the same for two of them.
    pub series: Nonce,
    /// The number in it.
    pub number: u64,
}

impl Position {
    /// Whether all that was announced up to `earlier` was announced up to this one: not where they are of two series.
    #[must_use]
    pub fn is_at_least(&self, earlier: &Self) -> bool {
        self.series == earlier.series && self.number >= earlier.number
    }
}

/// Cells of which copies must not be served any more.
#[derive(Debug, Clone, Copy)]
pub struct Announcement<'a> {
    /// The cells' keys, as [`CellKey::as_bytes`](super::CellKey::as_bytes) has them.
    pub keys: &'a [&'a [u8]],
    /// Its place, where it is that of a write that has begun: all announcements up to it have been told.
    pub place: Option<Position>,
}

/// Whoever holds copies of cells, and is told of every change by [`Store::listen`](super::Store::listen).
///
/// All methods are called by one thread at a time, must neither block nor panic, and have taken effect when they return.
pub trait Listener: Send + Sync + 'static {
    /// The time by a clock that goes on while the machine sleeps.
    fn now(&self) -> Duration;

    /// Announcements reach the listener from now on; `place` is that of some write that was announced before, if the store knows one.
    /// All copies are to be dropped once more.
    fn joined(&self, place: Option<Position>);

    /// Copies of these cells must not be served from now on.
    fn dropped(&self, announcement: &Announcement<'_>);

    /// All that was announced before `sent`, a time of [`Listener::now`], has been told. [`Duration::MAX`] says that this is so at any
    /// time until the listener is [lost](Listener::lost).
    ///
    /// `strict_for` is how long after `sent` copies of strict models may be served: `None` while writers do not know of this listener.
    fn proven(&self, sent: Duration, strict_for: Option<Duration>);

    /// Announcements may have been missed: all copies must be dropped, and none be taken until it has [joined](Listener::joined)
    /// again.
    fn lost(&self);
}

/// What a listener wants.
#[derive(Debug, Clone, Copy)]
pub struct Listening {
    /// How often it wants a proof at least.
    pub proof_every: Duration,
    /// Whether it wants copies of strict models from the start; [`Subscription::take_strict`] asks for it later.
    pub is_strict: bool,
}

/// The end of a listener's line to the store. Dropping it ends the listening, and takes it off the list of those whom writers ask.
pub struct Subscription {
    line: Arc<dyn Line>,
}

/// What a store keeps for a listener. Dropped when nobody listens any more.
pub trait Line: Any + Send + Sync {
    /// See [`Subscription::take_strict`].
    fn take_strict(&self) {}
}

impl Subscription {
    /// The end of a line; a store makes it.
    #[must_use]
    pub fn new(line: impl Line) -> Self {
        Self { line: Arc::new(line) }
    }

    /// Asks that copies of strict models may be served, which [`Listener::proven`] says as soon as it is so. May be called often.
    pub fn take_strict(&self) {
        self.line.take_strict();
    }
}

impl fmt::Debug for Subscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscription").finish_non_exhaustive()
    }
}
