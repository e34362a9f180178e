//! What a keeper has done, would do, and sees.

use std::{
    fmt,
    path::PathBuf,
    time::{Duration, SystemTime},
};

use super::error::Error;

/// Something that was done to a partition.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Action {
    /// It was made.
    Created {
        /// The partition, with its schema, as SQL names it.
        partition: String,
        /// How many rows of the default partition it was given.
        n_moved: u64,
        /// For how long others may have waited for that.
        blocked: Duration,
    },
    /// It is no part of its table any more: its rows are gone for everybody.
    Detached {
        /// The partition.
        partition: String,
        /// For how long others may have waited for that.
        blocked: Duration,
    },
    /// The cells of its rows were emptied.
    Forgotten {
        /// The partition.
        partition: String,
        /// How many they were, the table's own among them: `None` where there is no store.
        n_cells: Option<usize>,
    },
    /// Its rows are in a file, which a keeper before this one may have written.
    Archived {
        /// The partition.
        partition: String,
        /// The file.
        path: PathBuf,
        /// How many rows it has.
        n_rows: i64,
    },
    /// It was dropped.
    Dropped {
        /// The partition.
        partition: String,
    },
    /// It stays, as a table of its own.
    Left {
        /// The partition.
        partition: String,
    },
}

impl Action {
    /// Of which partition.
    #[must_use]
    pub fn partition(&self) -> &str {
        match self {
            Self::Created { partition, .. }
            | Self::Detached { partition, .. }
            | Self::Forgotten { partition, .. }
            | Self::Archived { partition, .. }
            | Self::Dropped { partition }
            | Self::Left { partition } => partition,
        }
    }

    /// For how long others may have waited for it, who wanted to read or write the table.
    #[must_use]
    pub fn blocked(&self) -> Duration {
        match self {
            Self::Created { blocked, .. } | Self::Detached { blocked, .. } => *blocked,
            _ => Duration::ZERO,
        }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Created { partition, n_moved: 0, .. } => write!(f, "created {partition}"),
            Self::Created { partition, n_moved, .. } => {
                write!(f, "created {partition}, with {n_moved} rows of the default partition")
            }
            Self::Detached { partition, .. } => write!(f, "detached {partition}"),
            Self::Forgotten { partition, n_cells: Some(n) } => write!(f, "emptied {n} cells of {partition}"),
            Self::Forgotten { partition, n_cells: None } => write!(f, "no cells to empty of {partition}"),
            Self::Archived { partition, path, n_rows } => {
                write!(f, "wrote {n_rows} rows of {partition} to {}", path.display())
            }
            Self::Dropped { partition } => write!(f, "dropped {partition}"),
            Self::Left { partition } => write!(f, "left {partition} as a table of its own"),
        }
    }
}

/// Something that could not be done.
#[derive(Debug)]
#[non_exhaustive]
pub struct Failure {
    /// What the cells of the model are called.
    pub table: &'static str,
    /// What was to be done.
    pub what: String,
    /// Why it could not be.
    pub error: Error,
}

/// What one look has come to.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Report {
    /// What was done, in that order, and to which model's table.
    pub done: Vec<(&'static str, Action)>,
    /// What could not be done: the next look tries again.
    pub failures: Vec<Failure>,
    /// The models that another keeper looks after at the moment.
    pub elsewhere: Vec<&'static str>,
}

/// What would be done for one table at a moment.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Plan {
    /// What the cells of the model are called.
    pub table: &'static str,
    /// Of which moment it is.
    pub at: SystemTime,
    /// Partitions to be made: their names and bounds.
    pub create: Vec<(String, String)>,
    /// How many rows of the default partition have one to come into.
    pub n_to_move: i64,
    /// Partitions that are to go: their names and bounds.
    pub expire: Vec<(String, String)>,
    /// Those that are detached already, and not gone yet.
    pub finish: Vec<String>,
}

impl Plan {
    /// Whether there is nothing to do.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.create.is_empty() && self.n_to_move == 0 && self.expire.is_empty() && self.finish.is_empty()
    }
}

/// What there is of one table.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Status {
    /// What the cells of the model are called.
    pub table: &'static str,
    /// Its partitions in the order of their bounds, the default one last.
    pub partitions: Vec<Part>,
    /// How many rows the default partition has, counted: `None` if there is no default partition.
    pub n_in_default: Option<i64>,
    /// Those that are detached, and not gone yet.
    pub leftovers: Vec<String>,
}

/// One partition.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Part {
    /// With its schema, as SQL names it.
    pub name: String,
    /// As PostgreSQL writes them.
    pub bounds: String,
    /// How many rows it has, as of its last VACUUM or ANALYZE: `None` if it had none yet.
    pub n_rows: Option<i64>,
    /// Its size on disk, with indexes.
    pub n_bytes: i64,
}
