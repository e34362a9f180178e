use std::{fmt, time::Duration};

use crate::store::CellKey;

/// What was compared, and what differed.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Report {
    /// With this seed the same cells are drawn again, as far as they are still there.
    pub seed: u64,
    /// Whether all that was drawn was looked at: neither time nor [`progress`](super::Verify::progress) ended it before.
    pub is_complete: bool,
    /// How many keys of the models' cells were met in the store. One that was met twice counts twice.
    pub n_found: usize,
    /// How many rows were drawn from the tables.
    pub n_rows: usize,
    /// How many cells were looked at. Each is counted once more in one of the numbers below.
    pub n_cells: usize,
    /// Of those, how many held a value that was compared with the database. The mismatches are among them.
    pub n_values: usize,
    /// How many held nothing, a lease, or a value of another layout: nothing that would be served.
    pub n_vacant: usize,
    /// How many were being written.
    pub n_in_doubt: usize,
    /// How many held a value that was gone before it could be found wrong: a write came between.
    pub n_changed: usize,
    /// How many were found in the store, and hold no row from which their key is known: it says that there is none.
    pub n_keyless: usize,
    /// How many differed, and did no more after [`grace`](super::Verify::grace).
    pub n_late: usize,
    /// How many were left out because the store failed.
    pub n_skipped: usize,
    /// The values that were not what the database had.
    pub mismatches: Vec<Mismatch>,
}

/// A value that was served, and was not what the database had.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Mismatch {
    /// The cell's key. It has values of rows in it, such as an address.
    pub key: CellKey,
    /// What the keys of the model's cells begin with: usually its table.
    pub model: &'static str,
    /// The columns by which the cell is looked up.
    pub pattern: &'static [&'static str],
    /// What is wrong with it.
    pub difference: Difference,
    /// How long ago the value was stored, at the most: `None` if it was stored by a handle with longer times to live than this one's.
    pub at_most_age: Option<Duration>,
    /// For how long it would still have been served.
    pub expires_in: Option<Duration>,
    /// Whether it was emptied.
    pub healed: bool,
}

/// How a value differs from the database. Where it does in several ways, the first of these.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Difference {
    /// The bytes are no rows of the model. A reader takes it for a miss.
    Unreadable,
    /// It has a row that belongs into another cell.
    Misplaced,
    /// It has a row that the database has not (any more) under this key. In the head of a list, that is not there (any more).
    Gone,
    /// The database has a row that is not in it.
    Missing,
    /// It has a row in another version: as a rule, an older one. Versions are compared as they are encoded, so a field that is not
    /// written the same way each time, such as a `HashMap` behind `#[larder(serde)]`, is always outdated: a `BTreeMap` is not.
    Outdated,
    /// It has the right rows in another order.
    Reordered,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Unreadable => "unreadable",
            Self::Misplaced => "misplaced",
            Self::Gone => "gone",
            Self::Missing => "missing",
            Self::Outdated => "outdated",
            Self::Reordered => "reordered",
        })
    }
}
