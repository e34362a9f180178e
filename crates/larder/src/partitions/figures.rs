use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use super::report::{Action, Report};

/// What a keeper has done since it was started.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Figures {
    /// How many partitions were made.
    pub n_created: u64,
    /// How many rows were moved out of default partitions.
    pub n_moved: u64,
    /// How many partitions were detached.
    pub n_detached: u64,
    /// How many were dropped.
    pub n_dropped: u64,
    /// How many steps could not be done, each time they were tried at a look.
    pub n_failed: u64,
    /// For how long at most others may have waited for a step.
    pub longest_block: Duration,
    /// How long ago the last look ended in which nothing failed: `None` if there was none.
    pub looked_ago: Option<Duration>,
    /// What failed in the last look, the first of it.
    pub last_failure: Option<String>,
}

#[derive(Debug, Default)]
pub(super) struct Ledger(Mutex<(Figures, Option<Instant>)>);

impl Ledger {
    pub(super) fn figures(&self) -> Figures {
        let (figures, looked) = &*self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Figures { looked_ago: looked.map(|at| at.elapsed()), ..figures.clone() }
    }

    pub(super) fn did(&self, action: &Action) {
        let (figures, _) = &mut *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        figures.longest_block = figures.longest_block.max(action.blocked());
        match action {
            Action::Created { n_moved, .. } => {
                figures.n_created += 1;
                figures.n_moved += n_moved;
            }
            Action::Detached { .. } => figures.n_detached += 1,
            Action::Dropped { .. } => figures.n_dropped += 1,
            _ => {}
        }
    }

    /// A step that could not be done may have kept others waiting, too.
    pub(super) fn blocked(&self, time: Duration) {
        let (figures, _) = &mut *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        figures.longest_block = figures.longest_block.max(time);
    }

    pub(super) fn looked(&self, report: &Report) {
        let (figures, looked) = &mut *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        figures.n_failed += report.failures.len() as u64;
        figures.last_failure = report.failures.first().map(|failure| {
            let cause = std::error::Error::source(&failure.error).map(|cause| format!(": {cause}")).unwrap_or_default();
            format!("{} of {}: {}{cause}", failure.what, failure.table, failure.error)
        });
        if report.failures.is_empty() {
            *looked = Some(Instant::now());
        }
    }
}
