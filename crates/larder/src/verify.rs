//! Looking whether what the store serves is what the database has.
//!
//! A cell is looked at, its rows are read from the database as a reader would do it to fill the cell, and where the two differ the
//! cell is looked at again. If the same value is still there (every stored value has a stamp of its own), it was there at the
//! instant at which the database answered, and served something else than what was committed: that is a [`Mismatch`]. If not, a
//! write came between, and nothing is said. So a write in flight is never a false alarm.
//!
//! To watch a cache, compare a small sample every few minutes from one process, and export the numbers of each [`Report`]: `n_values` and the
//! number of `mismatches` as counters, of which the second is to stay 0; `n_skipped` and the share of `n_in_doubt` tell of a store that fails
//! and of writers that do not end. A handler of [`Event`](crate::Event)s can count mismatches by model and [`Difference`] instead.

mod compare;
mod look;
mod pace;
mod report;
mod run;
mod sample;

use std::{fmt, ops::ControlFlow, time::Duration};

pub use self::report::{Difference, Mismatch, Report};
pub(crate) use self::run::{Check, check};
use self::{
    pace::Pace,
    run::{Run, Settings},
};
use crate::{backend::Backend, error::Result, handle::Larder, models::Models};

/// A comparison of a store with its database, still to be [run](Verify::run). Made by [`Larder::verify`].
#[must_use = "nothing is compared before it is run"]
pub struct Verify<'a, DB: Backend> {
    larder: &'a Larder<DB>,
    models: &'a Models<DB>,
    settings: Settings,
    cells_per_second: Option<u32>,
    at_most: Option<Duration>,
    progress: Option<Progress<'a>>,
}

type Progress<'a> = Box<dyn FnMut(&Report) -> ControlFlow<()> + 'a>;

impl<'a, DB: Backend> Verify<'a, DB> {
    pub(crate) fn new(larder: &'a Larder<DB>, models: &'a Models<DB>) -> Self {
        let settings = Settings { sample: 1_000, seed: sample::any_seed(), grace: Duration::ZERO, heal: false };
        Self { larder, models, settings, cells_per_second: None, at_most: None, progress: None }
    }

    /// How much of each model is looked at: so many cells that are found in the store, and all cells of so many rows that are drawn
    /// from its table.
    ///
    /// The first find what is served and should not be, the second also what is said to be absent or not in a list and is there.
    /// Cells are drawn evenly; their keys are held in memory, some 100 bytes each, and their values a batch at a time. Rows are drawn
    /// from random pages of the table on PostgreSQL, at a cost that does not grow with the table; SQLite reads the whole table for
    /// it. Defaults to 1,000.
    pub fn sample(mut self, n: usize) -> Self {
        self.settings.sample = n;
        self
    }

    /// What decides which cells and which pages are drawn. Defaults to a random number, which the report tells.
    pub fn seed(mut self, seed: u64) -> Self {
        self.settings.seed = seed;
        self
    }

    /// How many cells are compared in a second at most; 0 counts as 1. Defaults to no limit.
    ///
    /// Between batches the thread sleeps. The search for cells in the store goes page by page without a pause.
    pub fn rate(mut self, cells_per_second: u32) -> Self {
        self.cells_per_second = Some(cells_per_second.max(1));
        self
    }

    /// How long it may take: what has not been compared by then is left out, and the report says so. Defaults to no limit.
    pub fn at_most(mut self, time: Duration) -> Self {
        self.at_most = Some(time);
        self
    }

    /// How old a difference must be to count. Those that are found are looked for once more after this time, a batch at a time, and
    /// count if the very same value is still there. Defaults to nothing: every difference counts.
    ///
    /// For tables that are written past larder, where a relay tells of it: until then the difference is there, and expected.
    pub fn grace(mut self, time: Duration) -> Self {
        self.settings.grace = time;
        self
    }

    /// Whether cells that differ are emptied, so that the next reader fills them. Defaults to leaving them as they are.
    pub fn heal(mut self, heal: bool) -> Self {
        self.settings.heal = heal;
        self
    }

    /// Is told after each batch how far it is, and may end it: the report is then that of what was compared.
    ///
    /// Called at least ten times a second while the thread only waits.
    pub fn progress(mut self, progress: impl FnMut(&Report) -> ControlFlow<()> + 'a) -> Self {
        self.progress = Some(Box::new(progress));
        self
    }

    /// Compares.
    ///
    /// Costs a walk over all keys of the store (one round trip for some 500 keys of its server); then, for each batch of up to 512
    /// cells (64 lists), one round trip and one statement, and one round trip more where something differs; and one statement for
    /// each model's rows. Nothing is locked. Looking at cells counts as using them where the store evicts what was not used for
    /// long. A handle without a store has nothing to compare.
    ///
    /// Every mismatch is also an [`Event::Mismatch`](crate::Event::Mismatch).
    ///
    /// # Errors
    /// [`Error::Database`](crate::Error::Database) or [`Error::Pool`](crate::Error::Pool) if a statement fails, one of a model's rows that the
    /// model can't read included. [`Error::Inspection`](crate::Error::Inspection) if the store can't be searched for cells, after three
    /// tries. A store that fails later costs the cells of that batch, which the report counts.
    pub fn run(self) -> Result<Report> {
        let pace = Pace::new(self.cells_per_second, self.at_most);
        Run::new(self.larder, self.settings, pace, self.progress).models(self.models)
    }
}

impl<DB: Backend> fmt::Debug for Verify<'_, DB> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verify")
            .field("models", &self.models)
            .field("settings", &self.settings)
            .field("cells_per_second", &self.cells_per_second)
            .field("at_most", &self.at_most)
            .finish_non_exhaustive()
    }
}
