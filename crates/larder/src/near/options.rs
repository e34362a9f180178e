//! What is kept near, and what its writers do about it.

use std::{fmt, sync::Arc, time::Duration};

use crate::{
    store::{Clock, Recall},
    writes::Writes,
};

/// Whether rows of a model are kept in the near cache, and what their writers do about it.
///
/// A model has it by `#[larder(near = bounded)]`, and so on; the default is [`Near::Bounded`]. Handles without a near cache keep
/// nothing of any model, but their writes do what the model asks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Near {
    /// Nothing is kept: each read asks the store.
    Off,
    /// Kept, and never served when it is older than the [horizon](NearOptions::horizon); it is typically dropped within a
    /// millisecond after a write. Own writes are seen at once.
    #[default]
    Bounded,
    /// Kept, and never served when it is older than the database: a write returns only when every process that keeps such rows has
    /// said that it has dropped them, or can't serve them any more. For what is read everywhere and seldom written. Such a write is
    /// [strict](crate::Writes::Strict) unless its transaction says otherwise, after which this does not hold.
    Strict,
    /// As [`Near::Strict`], but a write asks nobody and waits for as long as a proof lasts. For very many processes, and very few
    /// writes.
    Outwaited,
}

impl Near {
    /// What a write of such a model asks of the store.
    pub(crate) fn recall(self) -> Recall {
        match self {
            Self::Off | Self::Bounded => Recall::Announced,
            Self::Strict => Recall::Acknowledged,
            Self::Outwaited => Recall::Outwaited,
        }
    }

    /// What a model's writes are, unless it says something itself.
    pub(crate) const fn writes(self) -> Option<Writes> {
        match self {
            Self::Off | Self::Bounded => None,
            Self::Strict | Self::Outwaited => Some(Writes::Strict),
        }
    }

    pub(crate) fn is_strict(self) -> bool {
        matches!(self, Self::Strict | Self::Outwaited)
    }
}

/// How much is kept near, and for how long. [`Builder::near`](crate::Builder::near) takes it.
#[derive(Clone)]
pub struct NearOptions {
    pub(super) bytes: u64,
    pub(super) horizon: Duration,
    pub(super) ttl: Duration,
    pub(super) refreshes: bool,
    pub(super) clock: Option<Arc<dyn Clock>>,
}

impl NearOptions {
    /// A near cache of about that many bytes, rows and what it takes to find them included. Models with a part of their own
    /// (`#[larder(near_bytes = "8MiB")]`) take it out of these, from their first read on.
    #[must_use]
    pub fn bytes(bytes: u64) -> Self {
        Self { bytes, horizon: Duration::from_millis(250), ttl: Duration::from_secs(60), refreshes: true, clock: None }
    }

    /// How old a copy may be at most when it is served, whatever happens to the network. From 3 milliseconds to an hour; what is beyond
    /// counts as that. Defaults to 250 ms.
    ///
    /// A proof is asked for three times as often. A process that is held up for longer than that, or a store that is, turns hits into
    /// reads of the store until the next proof. Strict models go by a time of the store's own.
    #[must_use]
    pub fn horizon(mut self, horizon: Duration) -> Self {
        self.horizon = horizon.clamp(Duration::from_millis(3), Duration::from_secs(3_600));
        self
    }

    /// How long a copy is kept at most, unless its model says otherwise (`#[larder(near_ttl = "5s")]`). Defaults to a minute.
    ///
    /// A copy is dropped when it changes; this bounds what is left of a mistake outside of the protocol, as the store's own times to
    /// live do, and adds to them.
    #[must_use]
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.ttl = ttl;
        self
    }

    /// Tells the time by `clock`, for tests. Defaults to the processor's counter and the system's clock that goes on during sleep.
    #[must_use]
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.clock = Some(Arc::new(clock));
        self
    }

    /// Whether copies are refreshed before they expire, which the handle says.
    pub(crate) fn refreshing(mut self, refreshes: bool) -> Self {
        self.refreshes = refreshes;
        self
    }
}

impl fmt::Debug for NearOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { bytes, horizon, ttl, refreshes: _, clock: _ } = self;
        f.debug_struct("NearOptions")
            .field("bytes", bytes)
            .field("horizon", horizon)
            .field("ttl", ttl)
            .finish_non_exhaustive()
    }
}
