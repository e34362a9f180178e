use std::sync::Arc;

use crate::store::StoreError;

/// The result of what goes through a buffer.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a change was not acknowledged, or could not be flushed.
///
/// After all of them but [`Error::Unknown`] the change has not happened, and will not. Many callers can get the same error, so it is
/// cheap to clone.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The handle was built without [`Builder::behind`](crate::Builder::behind).
    #[error("the handle has no buffer for write-behind")]
    NoBuffer,
    /// The repository is a transaction's. What waits in the buffer would not be rolled back with it.
    #[error("a transaction can't write behind: use the handle, after it has committed")]
    InTransaction,
    /// The model is none of those that the handle's [`Options`](super::Options) name, so nobody here could flush it.
    #[error("`{model}` is none of the models that are written behind")]
    NotRegistered {
        /// The model.
        model: &'static str,
    },
    /// A changeset computes a value from others, which is the database's to do when it is written.
    #[error("only plain values can wait in the buffer: use `increment` for what depends on the row")]
    NotPlain,
    /// A changeset has an array, of which many can't go into one statement.
    #[error("a column of arrays can't be written behind")]
    Array,
    /// A change of the primary key, by which the changes of a row are kept in order.
    #[error("the primary key can't be written behind")]
    KeyColumn,
    /// A column is declared as a [counter](super::Options::counter), which is only added to, and a change sets it.
    #[error("`{column}` of `{model}` is a counter, which is only added to: use `increment`")]
    Counter {
        /// The model.
        model: &'static str,
        /// The column.
        column: &'static str,
    },
    /// An amount has more than 1,000 digits before the point, or more behind it.
    #[error("an amount has more than 1,000 digits before or behind the point")]
    TooManyDigits,
    /// There are more rows in one batch than are acknowledged together.
    #[error("a batch of {n_rows} rows is too large: {limit} is the most")]
    TooLarge {
        /// How many rows it has.
        n_rows: usize,
        /// How many it may have.
        limit: usize,
    },
    /// A row's change, or those of one call, are too large for a buffer.
    #[error("changes of {n_bytes} bytes are too large: {limit} is the most")]
    TooManyBytes {
        /// How many bytes they have.
        n_bytes: usize,
        /// How many they may have.
        limit: usize,
    },
    /// Diesel can't write a value.
    #[error("a value can't be written")]
    Value(#[source] Arc<diesel::result::Error>),
    /// The buffer has no room, and [`WhenFull`](super::WhenFull) says not to wait for some any longer.
    #[error("the buffer is full: {n_entries} entries of {n_bytes} bytes wait")]
    Full {
        /// How many wait.
        n_entries: u64,
        /// How many bytes they have.
        n_bytes: u64,
    },
    /// The buffer can't be reached, or refused.
    #[error("the buffer is away")]
    Away(#[source] Arc<StoreError>),
    /// The buffer was sent the change, twice, and did not answer; or the database did not, when the change was written through and it was
    /// sent COMMIT. It is written once, or never.
    #[error("it is not known whether the change was taken")]
    Unknown(#[source] Arc<StoreError>),
    /// The buffer could not be read.
    #[error("the buffer could not be read")]
    Unread(#[source] Arc<StoreError>),
    /// The database could not be written.
    #[error("the database could not be written")]
    Database(#[source] Arc<crate::Error>),
    /// Some changes can't be written yet, and wait in the buffer: somebody has locked their rows, the database lacks a column or a right, or
    /// the flusher does not know their model.
    #[error("{n_changes} changes can't be written yet: {reason}")]
    Held {
        /// How many.
        n_changes: u64,
        /// Why one of them can't.
        reason: String,
    },
    /// The flusher's thread could not be started.
    #[error("the flusher's thread could not be started")]
    Thread(#[source] Arc<std::io::Error>),
}

impl From<diesel::result::Error> for Error {
    fn from(error: diesel::result::Error) -> Self {
        Self::Value(Arc::new(error))
    }
}

impl From<crate::Error> for Error {
    fn from(error: crate::Error) -> Self {
        match error {
            // What a transaction was rolled back for.
            crate::Error::Other(reason) => match reason.downcast() {
                Ok(own) => *own,
                Err(reason) => Self::Database(Arc::new(crate::Error::Other(reason))),
            },
            error => Self::Database(Arc::new(error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_transaction_was_rolled_back_for_is_told_as_it_is() {
        let unread = || Error::Unread(Arc::new(StoreError::timed_out("slow")));
        assert!(matches!(Error::from(crate::Error::other(unread())), Error::Unread(_)));
        for of_the_database in [crate::Error::other("another reason"), crate::Error::Doomed] {
            assert!(matches!(Error::from(of_the_database), Error::Database(_)));
        }
    }
}
