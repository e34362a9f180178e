//! What a call would do, without doing it.

mod plan;
mod words;

use serde::Serialize;

pub(crate) use self::plan::{Draft, Plan};
use crate::store::CellKey;

/// What a call would do: `users.with(User::orders()).explain(&ids)` and the like make it.
///
/// It is found out by the code of the call itself, which looks into the near cache and asks the store once a level, and then stops:
/// no lease is taken, nothing is loaded, nothing is filled in, and no figure but those of the store's operations counts it. So rows that
/// only the database has are not known, nor are the keys by which relations would go on from them; each level says so.
///
/// It prints in words. `{}` names no keys, `{:#}` does; serialized, it has none.
#[derive(Debug, Clone, Serialize)]
#[must_use = "an explanation does nothing but explain"]
#[non_exhaustive]
pub struct Explanation {
    /// The levels, in the order in which they would be read: a level, and then those of its relations.
    pub levels: Vec<Level>,
}

/// One level of a call: rows of one model by one pattern.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct Level {
    /// How many relations lead here: zero for the rows that are asked for.
    pub depth: usize,
    /// The model: what the keys of its cells begin with.
    pub model: &'static str,
    /// The columns by which its rows are looked up.
    pub by: &'static [&'static str],
    /// What is wanted of each key.
    pub wants: Wants,
    /// How many keys are known now, each counted once.
    pub n_keys: usize,
    /// Whether there are no others. There may be if rows of the level above are not known.
    pub is_complete: bool,
    /// How it stands with the keys.
    pub found: Found,
    /// How many of the keys have rows that are not known before they are loaded.
    pub n_unknown: usize,
    /// The statement for what is lacking, or, if nothing is, for all keys if they were: with places for values.
    /// `None` where its text depends on keys that are not known, and where a condition or an order of the caller's own may have values in
    /// its text.
    pub sql: Option<String>,
    /// What the known keys would cost now, if nobody else loads them and nobody writes.
    pub now: Cost,
    /// What they cost at most, if nobody else loads them: when nothing of them is cached.
    pub at_most: Cost,
    #[serde(skip)]
    cells: Vec<(CellKey, State)>,
}

impl Level {
    /// The keys of the cells, and how it stands with each. They hold values.
    pub fn cells(&self) -> impl Iterator<Item = (&CellKey, State)> {
        self.cells.iter().map(|(key, state)| (key, *state))
    }
}

/// What a call costs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Cost {
    /// Round trips to the store: reads, leases, and fills, which are sent after the caller has its rows.
    pub round_trips: usize,
    /// Statements.
    pub statements: usize,
}

/// What is wanted of each key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Wants {
    /// Rows, which cells can hold. If these are whole rows, what is loaded is filled in.
    Rows {
        /// At most so many a key.
        limit: Option<usize>,
        /// Whether they are whole.
        whole: bool,
    },
    /// Rows that meet a condition, or are in another order than the pattern's: no cell holds them.
    Refined {
        /// At most so many a key.
        limit: Option<usize>,
    },
    /// How many there are.
    Count {
        /// Whether only those count that meet a condition, which no cell knows.
        refined: bool,
    },
}

/// How it stands with one key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum State {
    /// The near cache has it.
    Near,
    /// The store has it.
    Shared,
    /// This process has loaded it, and it is on its way to the store.
    Flight,
    /// Nobody has it: it would be leased and loaded.
    Vacant,
    /// Somebody loads it, and would be waited for.
    Leased,
    /// A write of it is in doubt: it would be loaded, and not filled in.
    InDoubt,
    /// Written by this handle while the store was away, and not settled yet: it would be loaded, and not filled in.
    Unsettled,
    /// The store failed, or holds garbage.
    Failed,
    /// The store has the first rows of a list, and more are wanted: it would be loaded, and not filled in.
    TooShort,
    /// No cell would be asked: this is a transaction, a handle without a store, a read of the database, or a condition.
    Past,
}

/// How many keys stand how.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Found {
    /// [`State::Near`]
    pub near: usize,
    /// [`State::Shared`]
    pub shared: usize,
    /// [`State::Flight`]
    pub flight: usize,
    /// [`State::Vacant`]
    pub vacant: usize,
    /// [`State::Leased`]
    pub leased: usize,
    /// [`State::InDoubt`]
    pub in_doubt: usize,
    /// [`State::Unsettled`]
    pub unsettled: usize,
    /// [`State::Failed`]
    pub failed: usize,
    /// [`State::TooShort`]
    pub too_short: usize,
    /// [`State::Past`]
    pub past: usize,
}

impl Explanation {
    /// What all levels would cost now, as far as their keys are known.
    #[must_use]
    pub fn now(&self) -> Cost {
        self.levels.iter().map(|level| level.now).fold(Cost::default(), Cost::and)
    }

    /// What they cost at most, as far as their keys are known.
    #[must_use]
    pub fn at_most(&self) -> Cost {
        self.levels.iter().map(|level| level.at_most).fold(Cost::default(), Cost::and)
    }

    /// Whether all keys of all levels are known: if not, levels cost more than is said here.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.levels.iter().all(|level| level.is_complete)
    }
}

impl Cost {
    fn and(self, other: Self) -> Self {
        let (round_trips, statements) = (self.round_trips + other.round_trips, self.statements + other.statements);
        Self { round_trips, statements }
    }
}
