use std::{io, path::PathBuf, time::Duration};

use crate::store::StoreError;

/// Why something could not be done with partitions. Whatever was begun is either done or not, and is taken up again by the next look.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A statement failed. Where others held a lock for too long, it was tried several times.
    #[error("the database refused a statement")]
    Database(#[from] diesel::result::Error),
    /// No connection was to be had from the pool.
    #[error("no database connection is to be had")]
    Pool(#[from] r2d2::Error),
    /// Cells of rows that are gone could not be emptied. Their partition stays, detached, until they can.
    #[error("the shared store could not be told that rows are gone")]
    Store(#[from] StoreError),
    /// The model says that its table is partitioned, and it is not: the migration has not run.
    #[error("{table} is not partitioned")]
    NotPartitioned {
        /// The table.
        table: String,
    },
    /// The model says something else of its table than the database does.
    #[error("{table} is partitioned by {is}, and its model says by {said}")]
    Otherwise {
        /// The table.
        table: String,
        /// What the model says.
        said: String,
        /// What the database says.
        is: String,
    },
    /// Rows of the default partition have a partition to come into, and foreign keys lead to them: to take them out would be to delete
    /// what refers to them, or not be allowed.
    #[error("{n_rows} rows can't be moved out of {default}, since foreign keys lead to them")]
    Referenced {
        /// The default partition.
        default: String,
        /// How many rows they are.
        n_rows: i64,
    },
    /// Partitions of numbers would go, more than [may at one look](super::Keeper::expire_at_most): one number that is far too large
    /// may be the reason. None of them goes.
    #[error("{n_partitions} partitions of {table} would go at once, since it has the number {largest}")]
    TooMany {
        /// The table.
        table: String,
        /// The largest number of its ranges.
        largest: i64,
        /// How many partitions they are.
        n_partitions: usize,
    },
    /// The numbers of a table have come to the end of all numbers: no partition can be made ahead of them, and none goes.
    #[error("{table} has the number {largest}, ahead of which there is no room for its ranges")]
    NoRoom {
        /// The table.
        table: String,
        /// The largest number of its ranges.
        largest: i64,
    },
    /// A file of an archive could not be written.
    #[error("{} could not be written", path.display())]
    Archive {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A step had locks for as long as [it may](super::Keeper::hold_at_most), and was not done: it has not happened.
    #[error("the step was given up, since it may keep others waiting for {hold_at_most:?}, and has for {held:?}")]
    HeldTooLong {
        /// For how long others may have waited for it.
        held: Duration,
        /// For how long it may have its locks.
        hold_at_most: Duration,
    },
    /// A detached partition has another number of rows than were archived: somebody writes to it by its own name.
    #[error("{partition} has {found} rows, and {archived} were archived")]
    Changed {
        /// The partition.
        partition: String,
        /// How many rows were archived.
        archived: i64,
        /// How many it has.
        found: i64,
    },
    /// There is no such model, or it does not say that its table is partitioned.
    #[error("there is no model {name:?} that is partitioned")]
    NoScheme {
        /// What was asked for.
        name: String,
    },
    /// The model's table is partitioned, and not by list: no value has a partition of its own there.
    #[error("the model {name:?} is not partitioned by list")]
    NotByList {
        /// What was asked for.
        name: String,
    },
}

impl Error {
    /// Whether the same step may succeed if it is tried again at once: somebody else was in the way.
    ///
    /// Diesel gives no code for a lock that was not had in time, so all that has no kind of its own counts, and a row that came
    /// into the default partition in the last moment.
    pub(super) fn is_of_others(&self) -> bool {
        use diesel::result::{DatabaseErrorKind as Kind, Error as Diesel};
        matches!(
            self,
            Self::Database(Diesel::DatabaseError(Kind::Unknown | Kind::SerializationFailure | Kind::CheckViolation, _))
        )
    }
}
