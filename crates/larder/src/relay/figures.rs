//! What a relay has done.

use std::{
    collections::VecDeque,
    fmt,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

/// The number of rows whose lags are kept.
const KEPT: usize = 1024;

/// What a relay has done since it was started.
#[derive(Clone, Default)]
#[non_exhaustive]
pub struct Figures {
    /// Whether it leads now.
    pub is_leader: bool,
    /// How many rows of the outbox it has settled and deleted.
    pub n_rows: u64,
    /// How many cells it has settled.
    pub n_cells: u64,
    /// The longest time from the noting of a row to its deletion, by the clock of the database.
    pub longest: Option<Duration>,
    /// Those of the last rows, in order.
    lags: Vec<Duration>,
}

impl Figures {
    /// The lag that this share of the last 1,024 rows did not exceed: `0.99` for all but a hundredth. `None` if there was no row yet.
    #[must_use]
    pub fn lag_at(&self, share: f64) -> Option<Duration> {
        let n = self.lags.len();
        // A share beyond 0 to 1 is the nearest end of it.
        let at = (0..n).find(|at| (at + 1) as f64 >= share * n as f64).unwrap_or(n.saturating_sub(1));
        self.lags.get(at).copied()
    }
}

impl fmt::Debug for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Figures")
            .field("is_leader", &self.is_leader)
            .field("n_rows", &self.n_rows)
            .field("n_cells", &self.n_cells)
            .field("longest", &self.longest)
            .field("median", &self.lag_at(0.5))
            .finish_non_exhaustive()
    }
}

#[derive(Debug, Default)]
pub(super) struct Ledger {
    entries: Mutex<Entries>,
}

#[derive(Debug, Default)]
struct Entries {
    figures: Figures,
    last: VecDeque<Duration>,
}

impl Ledger {
    pub(super) fn leads(&self, is_leader: bool) {
        self.lock().figures.is_leader = is_leader;
    }

    pub(super) fn relayed(&self, lags: &[Duration], n_cells: usize) {
        let mut entries = self.lock();
        let Entries { figures, last } = &mut *entries;
        figures.n_rows += lags.len() as u64;
        figures.n_cells += n_cells as u64;
        figures.longest = figures.longest.max(lags.iter().max().copied());
        last.extend(lags);
        last.drain(..last.len().saturating_sub(KEPT));
    }

    pub(super) fn figures(&self) -> Figures {
        let entries = self.lock();
        let mut figures = entries.figures.clone();
        figures.lags = entries.last.iter().copied().collect();
        drop(entries);
        figures.lags.sort_unstable();
        figures
    }

    fn lock(&self) -> MutexGuard<'_, Entries> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lag_of_a_share_is_that_of_the_last_rows() {
        let ledger = Ledger::default();
        assert_eq!(ledger.figures().lag_at(0.5), None);
        ledger.relayed(&[Duration::from_secs(60)], 1);
        for n in 1..=1_024 {
            ledger.relayed(&[Duration::from_millis(n)], 2);
        }
        let figures = ledger.figures();
        let lags = [0.0, 0.5, 0.99, 1.0, 7.0].map(|share| figures.lag_at(share).unwrap().as_millis());
        assert_eq!(lags, [1, 512, 1_014, 1_024, 1_024]);
        assert_eq!((figures.n_rows, figures.n_cells, figures.longest), (1_025, 2_049, Some(Duration::from_secs(60))));
    }
}
