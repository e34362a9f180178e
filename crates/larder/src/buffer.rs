//! The door to a buffer of writes: entries of bytes, in one order, kept until they are removed.
//!
//! What [write-behind](../behind/index.html) (feature `behind`) puts between the callers and the database. A buffer knows nothing of
//! what the entries say. It promises an order and durability, and no more: whoever reads it begins with the oldest entry each time, and
//! an entry that was read twice is for the reader to tell. The module `conformance` (feature of that name) checks an implementation.

#[cfg(any(feature = "conformance", test))]
pub mod conformance;
mod memory;

use std::time::Duration;

pub use bytes::Bytes;

pub use self::memory::MemoryBuffer;
use crate::store::{Fence, StoreError};

/// Entries of bytes in one order, which all who use the buffer see alike.
///
/// Every method gives up after a time-out of the buffer's own; none blocks for good.
pub trait Buffer: Send + Sync + 'static {
    /// What it is called, in reports and in the database. Whoever shares the entries shares the name.
    fn name(&self) -> &str;

    /// Adds entries behind all others, all of them or none: none, if there were more than `at_most` with them, in number or in bytes.
    ///
    /// One round trip. When it has returned [`Appended::All`], the entries are as durable as the buffer makes them.
    ///
    /// # Errors
    /// [`AppendError::NotAppended`] if it is certain that nothing was added, else [`AppendError::Unknown`]: then the entries may be
    /// there, or come later, once or not at all.
    fn append(&self, entries: &[Bytes], at_most: Size) -> Result<Appended, AppendError>;

    /// The oldest entries, `n` at most, in their order; those behind `after` if that is given. They stay.
    ///
    /// **No entry is left out**: who was given one has been given all that are before it, unless they were removed. One round trip.
    ///
    /// # Errors
    /// The buffer is away, slow, or answers with something else.
    fn read(&self, n: usize, after: Option<EntryId>) -> Result<Vec<Entry>, StoreError>;

    /// Takes entries out. Those that are not there any more are passed over, and so are those that were read in another life of the
    /// server, which may have given their places to others: they are read again. One round trip.
    ///
    /// # Errors
    /// As [`Buffer::read`]: each may be out or not.
    fn remove(&self, entries: &[EntryId]) -> Result<(), StoreError>;

    /// How much waits. One round trip.
    ///
    /// # Errors
    /// As [`Buffer::read`].
    fn backlog(&self) -> Result<Backlog, StoreError>;
}

/// What became of entries that were to be added.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Appended {
    /// All are there; so much is in the buffer with them.
    All(Size),
    /// None is, since there would be more than allowed; so much is in the buffer without them.
    Full(Size),
}

/// How much a buffer has, or may have.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Size {
    /// How many entries.
    pub n_entries: u64,
    /// How many bytes: those of the entries, and [`ENTRY_BYTES`] for each.
    pub n_bytes: u64,
}

/// What an entry counts for besides its own bytes.
pub const ENTRY_BYTES: u64 = 32;

impl Size {
    /// That of these entries.
    #[must_use]
    pub fn of(entries: &[Bytes]) -> Self {
        let n_bytes = entries.iter().map(|entry| entry.len() as u64 + ENTRY_BYTES).sum();
        Self { n_entries: entries.len() as u64, n_bytes }
    }

    /// This and more.
    #[must_use]
    pub fn and(self, more: Self) -> Self {
        Self {
            n_entries: self.n_entries.saturating_add(more.n_entries),
            n_bytes: self.n_bytes.saturating_add(more.n_bytes),
        }
    }

    /// Whether it is no more, neither in number nor in bytes.
    #[must_use]
    pub fn fits(self, at_most: Self) -> bool {
        self.n_entries <= at_most.n_entries && self.n_bytes <= at_most.n_bytes
    }
}

/// Entries that are not certain to have been added.
#[derive(Debug, thiserror::Error)]
pub enum AppendError {
    /// None was.
    #[error("the buffer could not be reached, or refused")]
    NotAppended(#[source] StoreError),
    /// The answer was lost: all were, or none, or they will be.
    #[error("the buffer did not say whether it has taken the entries")]
    Unknown(#[source] StoreError),
}

/// One entry, as it was added.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Where it is.
    pub id: EntryId,
    /// What it says.
    pub bytes: Bytes,
    /// How long it has waited until it was read, by the buffer's clock.
    pub waited: Duration,
}

/// Where an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct EntryId {
    /// Its place: what was added later has a greater one, in the same life of the server.
    pub place: (u64, u64),
    /// The life of the server in which it was read there. A server that has lost some entries may give their places to others.
    pub life: Fence,
}

/// How much waits in a buffer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Backlog {
    /// How much it is.
    pub size: Size,
    /// How long the oldest of them has waited, by the buffer's clock; `None` if there is none.
    pub oldest: Option<Duration>,
    /// Where the newest is; `None` if there is none.
    pub newest: Option<EntryId>,
}
