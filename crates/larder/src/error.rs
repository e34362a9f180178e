use std::{error, time::Duration};

use crate::{cursor::InvalidCursor, store::StoreError};

/// The result of everything that larder does.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What can go wrong. Messages name tables and never values.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A statement failed, or COMMIT did and the database said so. Nothing of the transaction has happened.
    #[error("the database refused a statement")]
    Database(#[from] diesel::result::Error),
    /// No connection was to be had from the pool. What the caches have is still to be had.
    ///
    /// All are in use, and none has become free while [`Builder::wait_for_connection`](crate::Builder::wait_for_connection) allows to
    /// wait. Or the database can't be reached: then only the first callers have waited, and all others are told at once why not, until
    /// the pool has a connection again. It goes on trying by itself.
    #[error("no database connection is to be had")]
    Pool(#[source] PoolError),
    /// On SQLite, behind a [gate](crate::embedded): other transactions have had the database for all of that time, and this one has not begun.
    #[error("other transactions have had the database for {waited:?}, one after the other, and this one had no turn")]
    NoTurn {
        /// How long it has waited.
        waited: Duration,
    },
    /// `get` or `update` by a key that no row has.
    #[error("no row of `{table}` has this key")]
    NotFound {
        /// The model's table.
        table: &'static str,
    },
    /// A write by a [version](crate::Repository::update_at) that the row has no more. Nothing was changed.
    ///
    /// Whoever goes on reads the row again and decides anew: what was to be written was thought of another row.
    #[error("a row of `{table}` was expected at version {expected}, {}", found_at(*found))]
    Conflict {
        /// The model's table.
        table: &'static str,
        /// The version that the caller has seen.
        expected: i64,
        /// The version that the database has: `None` if the row is gone.
        found: Option<i64>,
    },
    /// Changes set a column that larder alone sets: a version, or the time at which a row was made. Nothing was sent.
    #[error("`{table}.{column}` is set by larder alone: leave it out of the changes")]
    SetByLarder {
        /// The model's table.
        table: &'static str,
        /// The column.
        column: &'static str,
    },
    /// Rows are locked by others, and [were not to be waited for](crate::Lock::NoWait). The transaction can go on.
    #[error("rows of `{table}` are locked by others")]
    Locked {
        /// The model's table.
        table: &'static str,
    },
    /// An upsert by a key whose row is deleted [softly](crate::SoftDelete): it is still in its table, where a second one with that key
    /// can't be. Restore it, or delete it for ever.
    #[error("the row of `{table}` with this key is deleted, and still in its table")]
    Deleted {
        /// The model's table.
        table: &'static str,
    },
    /// A row that a tenant's repository has written, or was about to give out, is another tenant's. What was written is not committed, and
    /// a transaction that goes on all the same is [`Doomed`](Self::Doomed).
    #[error("a row of `{table}` is another tenant's")]
    WrongTenant {
        /// The model's table.
        table: &'static str,
    },
    /// A [key](crate::once::Key) under which another request was done before. Nothing was done.
    #[error("this key was used before, for another request")]
    AnotherRequest,
    /// What was done [once](crate::Larder::once) under this key had a result of another type, or one that can't be read. Nothing was done.
    #[error("what was done before under this key can't be read")]
    UnreadableResult,
    /// A row refers to one that is not there: the reference was not enforced, or the row was deleted between two reads.
    ///
    /// Reads outside a transaction see each row as it is at that moment, and not all at one. In a transaction that can't happen
    /// where the database enforces the reference.
    #[error("a row refers to a row of `{table}` that does not exist")]
    Orphan {
        /// The table of the missing row.
        table: &'static str,
    },
    /// The store could not mark what the transaction changed, and the transaction was [strict](crate::Writes::Strict), so it was rolled
    /// back: otherwise others would read old values.
    #[error("the write was rolled back, since the shared store could not be told of it")]
    Store(#[from] StoreError),
    /// The store could not be searched for cells, by [`Larder::verify`](crate::Larder::verify).
    #[error("the shared store could not be searched")]
    Inspection(#[source] StoreError),
    /// Marking what the transaction changed took longer than a COMMIT may lie behind it; it was rolled back.
    #[error("the write was rolled back, since marking its {n_cells} cache cells took longer than allowed")]
    TooSlow {
        /// How many cells there were to mark.
        n_cells: usize,
    },
    /// The transaction changed more rows than can be invalidated one by one; it was rolled back.
    #[error("the write was rolled back, since it changed {n_cells} cache cells, and {limit} is the most")]
    TooManyCells {
        /// How many cells it changed.
        n_cells: usize,
        /// How many are allowed.
        limit: usize,
    },
    /// The transaction can only be rolled back, and was, if it has come to its end: nothing of it has happened. A statement had changed
    /// rows that could not be read back, or a transaction was opened by hand and left open, or the database has ended it by itself, as
    /// for a deadlock on MySQL and at `RAISE(ROLLBACK)` on SQLite, and `work` did not return that error. Statements after that are
    /// refused with this error too.
    #[error("the transaction can only be rolled back: the database has ended it, or not all that it changed is known")]
    Doomed,
    /// Models maintain columns of each other in a circle, and each change of one has led to another; the transaction was rolled back.
    #[error("the write was rolled back, since columns of `{table}` are maintained in a circle")]
    UpkeepInCircles {
        /// One of their tables.
        table: &'static str,
    },
    /// The connection was lost while COMMIT was under way: whether it happened is not known. What it changed is kept out of the
    /// caches until it is certain.
    ///
    /// On MySQL and SQLite also a transaction that was not the one any more which had begun: a statement in [`Tx::run`](crate::Tx::run) had
    /// committed it (such as CREATE TABLE on MySQL) or rolled it back (a deadlock there, `RAISE(ROLLBACK)`, `ON CONFLICT ROLLBACK` or a full
    /// disk on SQLite) and its error was swallowed, and what came after was committed statement by statement.
    #[error("the transaction was lost at COMMIT, so it is not known whether it happened")]
    CommitUnknown(#[source] diesel::result::Error),
    /// The call took longer than its [`Patience`](crate::Patience) allows. What it was loading is loaded all the same.
    #[error("the call took longer than it may")]
    TimedOut,
    /// What is near does not answer this read, which was made [where nothing may wait](crate::Async::read). It is made again where it may.
    #[cfg(feature = "tokio")]
    #[error("what is near does not answer")]
    WouldWait,
    /// As many [async](crate::Async) calls wait for a thread as may, or this one has waited for as long as it may. Nothing was begun.
    #[cfg(feature = "tokio")]
    #[error("too many calls are under way; waited for {waited:?}")]
    Busy {
        /// How long it has waited for a thread.
        waited: Duration,
    },
    /// A [`Cursor`](crate::Cursor) is none of the list: it was changed on its way, or comes from another list, or from a handle with another
    /// [key](crate::Builder::cursor_key). Who asks from the list's beginning gets a good one.
    #[error(transparent)]
    Cursor(#[from] InvalidCursor),
    /// The transaction's connection is already in use further up the stack, by [`Tx::run`](crate::Tx::run).
    #[error("the transaction's connection is in use: call the repository outside of `Tx::run`")]
    ConnectionInUse,
    /// A [`Source`](crate::source::Source) failed: in a read, or in [`Sourced::write`](crate::source::Sourced::write), where what it was to do may
    /// have been done.
    #[error("the source `{name}` failed")]
    Source {
        /// [`Source::NAME`](crate::source::Source::NAME).
        name: &'static str,
        /// What it said.
        source: Box<dyn error::Error + Send + Sync>,
    },
    /// What the closure of a transaction gave as its reason to roll back.
    #[error(transparent)]
    Other(Box<dyn error::Error + Send + Sync>),
}

/// Why no database connection was to be had.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PoolError {
    /// All were in use, or dying.
    #[error("none has become free within {waited:?}{}", because(cause))]
    Exhausted {
        /// How long was waited.
        waited: Duration,
        /// Why there could not be one more, if that was tried.
        cause: Option<String>,
    },
    /// There are none, and none can be made.
    #[error("none can be made{}", because(cause))]
    Away {
        /// What the database or the way to it said: `None` if no attempt has come to its end.
        cause: Option<String>,
    },
}

impl PoolError {
    /// Whether the database could not be reached.
    #[must_use]
    pub fn is_away(&self) -> bool {
        matches!(self, Self::Away { .. })
    }
}

fn found_at(version: Option<i64>) -> String {
    version.map_or_else(|| "and is gone".to_owned(), |version| format!("and is at {version}"))
}

fn because(cause: &Option<String>) -> String {
    cause.as_ref().map_or_else(String::new, |cause| format!(": {}", cause.trim_end()))
}

impl Error {
    /// A reason of the caller's own, to roll a transaction back.
    pub fn other(reason: impl Into<Box<dyn error::Error + Send + Sync>>) -> Self {
        Self::Other(reason.into())
    }

    /// Whether the database has rolled a transaction back at once, because it and others were in each other's way.
    pub(crate) fn is_collision(&self) -> bool {
        use diesel::result::{DatabaseErrorKind, Error as Diesel};
        #[cfg(feature = "mysql")]
        if let Self::Database(error) = self
            && crate::backend::mysql::number::is_collision(error)
        {
            return true;
        }
        match self {
            Self::Database(Diesel::DatabaseError(DatabaseErrorKind::SerializationFailure, _)) => true,
            Self::Database(Diesel::DatabaseError(_, info)) => info.message() == "deadlock detected",
            _ => false,
        }
    }

    /// Whether the same transaction may succeed if it is tried again: a serialization failure, a deadlock, or on SQLite a
    /// database that somebody else kept locked for longer than the connection's `busy_timeout`; on MySQL, a row for longer than
    /// `innodb_lock_wait_timeout`.
    ///
    /// A single write on the handle begins again by itself after a serialization failure or a deadlock, seven times at most, and
    /// [`ModelStats::writes_repeated`](crate::stats::ModelStats::writes_repeated) counts that; a transaction does where
    /// [`TransactionOptions::retries`](crate::TransactionOptions) says so.
    ///
    /// On MySQL and MariaDB they are told by their numbers, whatever language the server speaks. Of PostgreSQL Diesel gives no code for a
    /// deadlock, so it is known by its message, `deadlock detected`. That is English only if the server's `lc_messages` is (`C` or `en_..`):
    /// with another, deadlocks are not seen as retryable.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        #[cfg(feature = "mysql")]
        if let Self::Database(error) = self
            && crate::backend::mysql::number::is_lock_wait(error)
        {
            return true;
        }
        match self {
            Self::NoTurn { .. } => true,
            Self::Database(diesel::result::Error::DatabaseError(_, info)) if info.message() == "database is locked" => {
                true
            }
            _ => self.is_collision(),
        }
    }
}

#[cfg(test)]
mod tests {
    use diesel::result::{DatabaseErrorKind as Kind, Error as Diesel};

    use super::*;

    fn refused(kind: Kind, message: &str) -> Error {
        Error::Database(Diesel::DatabaseError(kind, Box::new(message.to_owned())))
    }

    #[test]
    fn what_failed_only_because_of_others_may_be_tried_again() {
        for error in [
            refused(Kind::SerializationFailure, "could not serialize access due to concurrent update"),
            refused(Kind::Unknown, "deadlock detected"),
            refused(Kind::Unknown, "database is locked"),
            Error::NoTurn { waited: Duration::ZERO },
        ] {
            assert!(error.is_retryable(), "{error:?}");
        }
        for error in [
            refused(Kind::UniqueViolation, "deadlock detected in a message of somebody else's"),
            refused(Kind::Unknown, "out of shared memory"),
            Error::Database(Diesel::NotFound),
            Error::CommitUnknown(Diesel::BrokenTransactionManager),
            Error::other("deadlock detected"),
        ] {
            assert!(!error.is_retryable(), "{error:?}");
        }
    }
}
