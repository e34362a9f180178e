//! Taking levels down.

use std::sync::{
    Mutex, PoisonError,
    atomic::{AtomicUsize, Ordering},
};

use super::{Cost, Explanation, Found, Level, State, Wants};
use crate::store::{BATCH, CellKey};

/// The levels so far, and how many relations lead to the next one.
#[derive(Default)]
pub(crate) struct Plan {
    levels: Mutex<Vec<Level>>,
    depth: AtomicUsize,
}

/// What is known of a level by whoever would load it.
pub(crate) struct Draft {
    pub(crate) model: &'static str,
    pub(crate) by: &'static [&'static str],
    pub(crate) wants: Wants,
    pub(crate) cells: Vec<(CellKey, State)>,
    pub(crate) sql: Option<String>,
    /// How many keys go into one statement.
    pub(crate) chunk: usize,
}

impl Plan {
    pub(crate) fn explained(self) -> Explanation {
        Explanation { levels: self.levels.into_inner().unwrap_or_else(PoisonError::into_inner) }
    }

    /// Takes down what `work` does as one relation further on.
    pub(crate) fn deeper<T>(&self, work: impl FnOnce() -> T) -> T {
        // One thread makes a plan: the order in which it goes on is its own.
        self.depth.fetch_add(1, Ordering::Relaxed);
        let done = work();
        self.depth.fetch_sub(1, Ordering::Relaxed);
        done
    }

    /// Takes down a level.
    pub(crate) fn level(&self, draft: Draft) {
        let Draft { model, by, wants, cells, sql, chunk } = draft;
        let mut found = Found::default();
        cells.iter().for_each(|(_, state)| *found.of(*state) += 1);
        let n_keys = cells.len();
        let n_unknown = n_keys - found.near - found.shared - found.flight;
        let depth = self.depth.load(Ordering::Relaxed);
        let mut levels = self.levels.lock().unwrap_or_else(PoisonError::into_inner);
        // What was read last, one relation before this, is what it starts from.
        let above = levels.iter().rev().find(|level| level.depth + 1 == depth);
        let is_complete = above.is_none_or(|above| above.is_complete && above.n_unknown == 0);
        let (now, at_most) = (now(&found, wants, chunk), at_most(&found, n_keys, wants, chunk));
        levels.push(Level { depth, model, by, wants, n_keys, is_complete, found, n_unknown, sql, now, at_most, cells });
    }
}

fn fills(wants: Wants) -> bool {
    matches!(wants, Wants::Rows { whole: true, .. })
}

fn now(found: &Found, wants: Wants, chunk: usize) -> Cost {
    let Found { shared, flight, vacant, leased, in_doubt, unsettled, failed, too_short, past, .. } = *found;
    let asked = shared + flight + vacant + leased + in_doubt + failed + too_short;
    // What others load is waited for, or loaded here in the end if rows can't be.
    let loaded = vacant + in_doubt + unsettled + failed + too_short + past;
    let lent = if fills(wants) { vacant.div_ceil(BATCH) } else { 0 };
    let waits = usize::from(leased > 0);
    Cost {
        round_trips: asked.div_ceil(BATCH) + 2 * lent + waits,
        statements: if loaded > 0 { loaded.div_ceil(chunk) } else { 0 },
    }
}

fn at_most(found: &Found, n_keys: usize, wants: Wants, chunk: usize) -> Cost {
    let batches = (n_keys - found.past).div_ceil(BATCH);
    Cost { round_trips: if fills(wants) { 3 * batches } else { batches }, statements: n_keys.div_ceil(chunk) }
}

impl Found {
    fn of(&mut self, state: State) -> &mut usize {
        match state {
            State::Near => &mut self.near,
            State::Shared => &mut self.shared,
            State::Flight => &mut self.flight,
            State::Vacant => &mut self.vacant,
            State::Leased => &mut self.leased,
            State::InDoubt => &mut self.in_doubt,
            State::Unsettled => &mut self.unsettled,
            State::Failed => &mut self.failed,
            State::TooShort => &mut self.too_short,
            State::Past => &mut self.past,
        }
    }
}
