//! What happens beside a call's result.

use std::{panic::Location, time::Duration};

use crate::{
    error::Error,
    store::{BreakerState, CellKey, StoreError},
    verify::Mismatch,
};
#[cfg(feature = "postgres")]
use crate::{partitions, refresh::Refreshed};

/// Something that the caller of a finder or a write does not get to see.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub enum Event<'a> {
    /// The store was asked and failed; reads went to the database, a write's markers are left to expire.
    StoreFailed {
        /// What it was asked to do.
        operation: &'static str,
        /// Why it did not.
        error: &'a StoreError,
    },
    /// A cell of the right layout holds bytes that are no row. It is a miss, and is emptied.
    Corrupt {
        /// Its key.
        key: &'a CellKey,
    },
    /// A value that was about to expire was not what the database had: somebody has written past larder, and has not told of it yet. Its cell
    /// was emptied.
    Outdated {
        /// The cell's key.
        key: &'a CellKey,
    },
    /// A loaded value was not stored: a write came between.
    FillRefused {
        /// The cell's key.
        key: &'a CellKey,
    },
    /// The end of a committed write could not be told to the store. It is tried again until the markers expire.
    FinishDelayed {
        /// How many cells stay in doubt.
        n_cells: usize,
    },
    /// A write could not be marked, and was committed with its cells in the outbox. This handle passes them by until they are settled;
    /// other handles may serve old values from them as long.
    WrittenWithoutMarkers {
        /// How many they are.
        n_cells: usize,
    },
    /// Cells of such writes are settled, by this handle: what the store has of them is the database's again.
    Settled {
        /// How many they are, or how many cells the store has of their tables if they were too many to be told apart.
        n_cells: usize,
    },
    /// A relay has settled some rows of the outbox.
    Relayed {
        /// How many cells that were.
        n_cells: usize,
        /// How long ago the oldest of these rows was noted.
        lag: Duration,
    },
    /// Changes that had waited in a [buffer](crate::buffer) were written to the database.
    Flushed {
        /// How many calls they came from.
        n_calls: u64,
        /// How many rows were changed.
        n_rows: u64,
        /// How many changes the database has rejected: they are dead letters now.
        n_dead: u64,
        /// How many can't be written yet: they are still in the buffer.
        n_held: u64,
        /// How long the first of them had waited.
        lag: Duration,
    },
    /// It is not known whether a COMMIT happened. Its cells stay in doubt until that is certain.
    CommitUnknown {
        /// How many they are.
        n_cells: usize,
    },
    /// The breaker before the store has changed its state. Told on a thread of its own, in the order in which that happens.
    Breaker {
        /// What it lets through now.
        state: BreakerState,
        /// If it has opened: what the last failure was.
        cause: Option<&'a str>,
    },
    /// A read was given old values, as its [`Patience`](crate::Patience) allows.
    GaveStale {
        /// The model's table.
        table: &'static str,
        /// How many keys they are of.
        n_keys: usize,
        /// How long ago the oldest of them came into the near cache.
        age: Duration,
        /// Why the load failed: `None` if it only took too long, or is still under way.
        error: Option<&'a Error>,
    },
    /// A call took longer than [`Builder::report_slow`](crate::Builder::report_slow) says. Told once a minute of each line and model.
    Slow {
        /// The model's table.
        model: &'static str,
        /// What was done: the columns by which rows were looked up, or a statement's first word.
        call: &'a str,
        /// How many keys there were; zero for a statement.
        n_keys: usize,
        /// How long it took.
        took: Duration,
        /// The line that has called the repository, if it is known.
        site: Option<&'static Location<'static>>,
    },
    /// A finder was called singly again and again, where one call would do: see [`repeats`](crate::repeats). Told once a minute of
    /// each line and finder.
    Repeated {
        /// The model's table.
        model: &'static str,
        /// The finder.
        call: &'a str,
        /// What to call in its place.
        instead: &'a str,
        /// How often it was called so far.
        n_calls: u32,
        /// The line.
        site: &'static Location<'static>,
    },
    /// A materialized view was refreshed, and the cells of its rows were emptied.
    #[cfg(feature = "postgres")]
    Refreshed {
        /// The view.
        view: &'static str,
        /// How, and how long it took.
        refreshed: &'a Refreshed,
    },
    /// A materialized view could not be refreshed: it is as it was, unless the error is [`Error::CommitUnknown`].
    #[cfg(feature = "postgres")]
    RefreshFailed {
        /// The view.
        view: &'static str,
        /// Why not.
        error: &'a Error,
    },
    /// Something was done to a partition by a [keeper](crate::partitions::Keeper).
    #[cfg(feature = "postgres")]
    Partitioned {
        /// What the cells of the model are called.
        table: &'a str,
        /// What was done.
        action: &'a partitions::Action,
    },
    /// A step of a keeper could not be done: it is tried again at the next look.
    #[cfg(feature = "postgres")]
    PartitionFailed {
        /// What the cells of the model are called.
        table: &'a str,
        /// What was to be done.
        what: &'a str,
        /// Why it could not be.
        error: &'a partitions::Error,
    },
    /// [`Larder::verify`](crate::Larder::verify) has found a value that was served and was not what the database had.
    Mismatch {
        /// Where, and what is wrong.
        mismatch: &'a Mismatch,
    },
}

/// Is told of [`Event`]s, on the thread on which they happen. Must neither block nor panic.
pub trait HandleEvent: Send + Sync + 'static {
    /// Takes note.
    fn handle(&self, event: Event<'_>);
}

/// Reports events through `tracing`, and nothing else.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoEvents;

impl HandleEvent for NoEvents {
    fn handle(&self, _event: Event<'_>) {}
}

pub(crate) fn trace(event: Event<'_>) {
    match event {
        Event::StoreFailed { operation, error } => {
            let cause = std::error::Error::source(error);
            tracing::warn!(operation, %error, cause = cause.map(tracing::field::display), "the store failed");
        }
        // A cell's key may hold somebody's address: only its table goes into the log.
        Event::Corrupt { key } => tracing::warn!(table = table_of(key), "a cell held bytes that are no row"),
        Event::Outdated { key } => tracing::warn!(table = table_of(key), "a row was written past larder"),
        Event::FillRefused { key } => tracing::trace!(table = table_of(key), "a value was not stored"),
        Event::FinishDelayed { n_cells } => {
            tracing::warn!(n_cells, "the end of a write could not be told to the store")
        }
        Event::WrittenWithoutMarkers { n_cells } => tracing::warn!(n_cells, "a write went on without the store"),
        Event::Settled { n_cells } => tracing::info!(n_cells, "the store was told of writes that went on without it"),
        Event::Relayed { n_cells, lag } => tracing::debug!(n_cells, ?lag, "the outbox was relayed"),
        Event::Flushed { n_calls, n_rows, n_dead: 0, n_held: 0, lag } => {
            tracing::debug!(n_calls, n_rows, ?lag, "changes were flushed");
        }
        Event::Flushed { n_calls, n_rows, n_dead, n_held, lag } => {
            tracing::warn!(n_calls, n_rows, n_dead, n_held, ?lag, "changes were flushed, and some rejected or held");
        }
        Event::CommitUnknown { n_cells } => tracing::error!(n_cells, "it is not known whether a COMMIT happened"),
        Event::Breaker { state: BreakerState::Open, cause } => {
            tracing::warn!(cause, "reads go past the store, which failed or was slow too often")
        }
        Event::Breaker { state: BreakerState::Recovering, .. } => {
            tracing::info!("the store is back, and is filled again little by little")
        }
        Event::Breaker { state: BreakerState::Closed, .. } => tracing::info!("the store has recovered"),
        Event::GaveStale { table, n_keys, age, error } => {
            let error = error.map(tracing::field::display);
            tracing::warn!(table, n_keys, ?age, error, "a read was given old values");
        }
        Event::Slow { model, call, n_keys, took, site } => {
            let site = site.map(tracing::field::display);
            tracing::warn!(model, call, n_keys, ?took, site, "a call was slow");
        }
        Event::Repeated { model, call, instead, n_calls, site } => {
            tracing::warn!(model, call, n_calls, %site, "called again and again: use {instead}");
        }
        #[cfg(feature = "postgres")]
        Event::Refreshed { view, refreshed: Refreshed { manner, took, n_cells } } => {
            tracing::info!(view, %manner, ?took, n_cells, "a view was refreshed");
        }
        #[cfg(feature = "postgres")]
        Event::RefreshFailed { view, error } => {
            let cause = std::error::Error::source(error).map(tracing::field::display);
            tracing::warn!(view, %error, cause, "a view could not be refreshed");
        }
        #[cfg(feature = "postgres")]
        Event::Partitioned { table, action } => tracing::info!(table, %action, "a keeper has changed partitions"),
        #[cfg(feature = "postgres")]
        Event::PartitionFailed { table, what, error } => {
            let cause = std::error::Error::source(error).map(tracing::field::display);
            tracing::warn!(table, what, %error, cause, "a keeper could not change partitions; it tries again");
        }
        Event::Mismatch { mismatch } => {
            let Mismatch { model, pattern, difference, at_most_age, .. } = mismatch;
            tracing::error!(model, ?pattern, %difference, ?at_most_age, "a cell was not what the database had");
        }
    }
}

fn table_of(key: &CellKey) -> &str {
    let bytes = key.as_bytes();
    let end = bytes.iter().position(|byte| *byte == b':').unwrap_or(bytes.len());
    std::str::from_utf8(&bytes[..end]).unwrap_or("?")
}
