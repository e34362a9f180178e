//! What is counted of one model.

use super::{
    counter::{Counter, Striped},
    histogram::Histogram,
};

/// Why a key was read past its cell, and nothing filled into it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bypass {
    /// A write of it is in doubt.
    InDoubt,
    /// A write of this handle's own has not been settled yet.
    Unsettled,
    /// The store failed.
    Failed,
    /// Somebody else was loading it, and took too long, or refused the lease.
    Elsewhere,
    /// The cell holds the first rows of a list, and more are wanted.
    TooShort,
    /// The caller wanted the database.
    Asked,
    /// It was read in a transaction.
    Transaction,
    /// The handle has no store.
    NoStore,
}

impl Bypass {
    pub(crate) const ALL: [Self; 8] = [
        Self::InDoubt,
        Self::Unsettled,
        Self::Failed,
        Self::Elsewhere,
        Self::TooShort,
        Self::Asked,
        Self::Transaction,
        Self::NoStore,
    ];
}

/// The figures of one model in one handle. Each key that is asked for is counted once: as a hit of some layer, a miss, or a bypass.
pub(crate) struct ModelFigures {
    name: &'static str,
    pub(crate) near_hits: Striped,
    /// Taken from another load of this process.
    pub(crate) flight_hits: Counter,
    pub(crate) shared_hits: Counter,
    /// Loaded here, since the cell was vacant.
    pub(crate) misses: Counter,
    bypasses: [Counter; Bypass::ALL.len()],
    pub(crate) corrupt: Counter,
    pub(crate) leases_granted: Counter,
    pub(crate) leases_refused: Counter,
    pub(crate) fills_stored: Counter,
    /// A write came between.
    pub(crate) fills_refused: Counter,
    /// The store failed.
    pub(crate) fills_failed: Counter,
    /// Values that were given more time.
    pub(crate) refreshes_extended: Counter,
    /// A write came between.
    pub(crate) refreshes_refused: Counter,
    /// The database had something else.
    pub(crate) refreshes_corrected: Counter,
    /// Waiting for what others loaded.
    pub(crate) lease_waits: Histogram,
    /// Keys of which old values were given.
    pub(crate) gave_stale: Counter,
    pub(crate) copies_kept: Counter,
    /// Something came between, so that it was not kept.
    pub(crate) copies_refused: Counter,
    pub(crate) invalidations_sent: Counter,
    pub(crate) invalidations_received: Counter,
    /// Reads that left the near cache, with all that they waited for.
    pub(crate) loads: Histogram,
    pub(crate) statements: Histogram,
    pub(crate) statements_failed: Counter,
    pub(crate) rows_written: Counter,
    /// Single writes that began again.
    pub(crate) writes_repeated: Counter,
    /// Of a materialized view: the statements that refreshed it.
    pub(crate) refreshes: Histogram,
    pub(crate) refreshes_failed: Counter,
    /// From when a refresher saw a write until the view had it.
    pub(crate) refresh_lag: Histogram,
}

impl ModelFigures {
    pub(super) fn new(name: &'static str) -> Self {
        Self {
            name,
            near_hits: Striped::default(),
            flight_hits: Counter::default(),
            shared_hits: Counter::default(),
            misses: Counter::default(),
            bypasses: Default::default(),
            corrupt: Counter::default(),
            leases_granted: Counter::default(),
            leases_refused: Counter::default(),
            fills_stored: Counter::default(),
            fills_refused: Counter::default(),
            fills_failed: Counter::default(),
            refreshes_extended: Counter::default(),
            refreshes_refused: Counter::default(),
            refreshes_corrected: Counter::default(),
            lease_waits: Histogram::default(),
            gave_stale: Counter::default(),
            copies_kept: Counter::default(),
            copies_refused: Counter::default(),
            invalidations_sent: Counter::default(),
            invalidations_received: Counter::default(),
            loads: Histogram::default(),
            statements: Histogram::default(),
            statements_failed: Counter::default(),
            rows_written: Counter::default(),
            writes_repeated: Counter::default(),
            refreshes: Histogram::default(),
            refreshes_failed: Counter::default(),
            refresh_lag: Histogram::default(),
        }
    }

    /// What the keys of its cells begin with.
    pub(crate) fn name(&self) -> &'static str {
        self.name
    }

    pub(crate) fn bypassed(&self, why: Bypass) -> &Counter {
        &self.bypasses[why as usize]
    }
}
