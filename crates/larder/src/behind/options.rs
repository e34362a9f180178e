use std::{fmt, sync::Arc, time::Duration};

use diesel::{Column, pg::Pg};

use super::models::Model;
use crate::{
    buffer::{Buffer, Size},
    entity::{Table, Writable},
};

/// Where a handle's changes wait, of which models, and what happens when they can't.
#[derive(Clone)]
pub struct Options {
    pub(super) buffer: Arc<dyn Buffer>,
    pub(super) models: Vec<Model>,
    pub(super) at_most: Size,
    pub(super) when_full: WhenFull,
    pub(super) when_away: WhenAway,
    pub(super) gives_up_after: Duration,
}

/// What a call does whose change finds no room in the buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum WhenFull {
    /// It waits for room, no longer than this, and fails with [`Error::Full`](super::Error::Full) then.
    Block(Duration),
    /// It fails with [`Error::Full`](super::Error::Full).
    Reject,
    /// It does a flusher's work: writes the oldest entries to the database, until there is room for its own behind them. So changes keep
    /// their order, and callers are as slow as the database is. If the database fails, so does the call.
    WriteThrough,
}

/// What a call does whose change the buffer can't take: the server is away, slow, or refuses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum WhenAway {
    /// It fails: with [`Error::Away`](super::Error::Away) if nothing has happened, and with [`Error::Unknown`](super::Error::Unknown)
    /// if the change may have been taken.
    Reject,
    /// Increments of [counters](Options::counter) are written to the database at once, and counted once also if the buffer has taken them
    /// after all. What the database rejects becomes a [dead letter](super::DeadLetters), as it would have later. They fail with
    /// [`Error::Unknown`](super::Error::Unknown) if the database does not answer COMMIT, and with
    /// [`Error::Database`](super::Error::Database) if it has certainly not written them.
    ///
    /// All else fails as with [`Reject`](Self::Reject): an older value that waits in the buffer would be written over it later.
    WriteThrough,
}

impl Options {
    /// Changes wait in this buffer.
    #[must_use]
    pub fn on(buffer: impl Buffer) -> Self {
        Self::on_arc(Arc::new(buffer))
    }

    /// As [`Options::on`], for a buffer that others hold too.
    #[must_use]
    pub fn on_arc(buffer: Arc<dyn Buffer>) -> Self {
        Self {
            buffer,
            models: Vec::new(),
            at_most: Size { n_entries: 100_000, n_bytes: 256 << 20 },
            when_full: WhenFull::Block(Duration::from_secs(1)),
            when_away: WhenAway::Reject,
            gives_up_after: Duration::from_secs(900),
        }
    }

    /// One more model whose rows may be written behind. All handles that flush a buffer must have all models that anybody writes to it,
    /// or the changes of one that is missing become [dead letters](super::DeadLetters).
    #[must_use]
    pub fn with<E: Table<Pg> + Writable>(mut self) -> Self {
        if self.models.iter().all(|model| model.name != E::cells_name()) {
            self.models.push(Model::of::<E>());
        }
        self
    }

    /// Declares a column as a counter: it is only added to through the buffer. What sets it fails with
    /// [`Error::Counter`](super::Error::Counter).
    ///
    /// So an increment may overtake what waits, and goes to the database itself where [`WhenAway::WriteThrough`] says so. All handles of a
    /// buffer declare the same. One that does not, and sets the column, has that made a [dead letter](super::DeadLetters) by a flusher that
    /// does: declare it where flushers run first, and let increments be written through last. The model need not be given by
    /// [`with`](Self::with) as well. What is written to the column past the buffer, by [`Repository::update`](crate::Repository::update),
    /// is no concern of it.
    #[must_use]
    pub fn counter<E: Table<Pg> + Writable>(self, column: impl Column<Table = E::Table>) -> Self {
        let mut options = self.with::<E>();
        options.models.iter_mut().filter(|model| model.name == E::cells_name()).for_each(|model| model.count(&column));
        options
    }

    /// How many entries may wait before the buffer is full. An entry has what was acknowledged together: one call's change where calls
    /// come singly, up to 512 rows where many come at once. Defaults to 100,000.
    #[must_use]
    pub fn max_entries(mut self, n_entries: u64) -> Self {
        self.at_most.n_entries = n_entries;
        self
    }

    /// How many bytes the entries that wait may have before the buffer is full, each with
    /// [`ENTRY_BYTES`](crate::buffer::ENTRY_BYTES) besides its own. Defaults to 256 MiB.
    ///
    /// A change of a row alone has some 100 bytes and its values. A row's change of more than 1 MiB, and a call's of more than 16 MiB or
    /// more than this, are [refused](super::Error::TooManyBytes).
    #[must_use]
    pub fn max_bytes(mut self, n_bytes: u64) -> Self {
        self.at_most.n_bytes = n_bytes;
        self
    }

    /// What a call does that finds no room. Defaults to [`WhenFull::Block`] for a second.
    #[must_use]
    pub fn when_full(mut self, when_full: WhenFull) -> Self {
        self.when_full = when_full;
        self
    }

    /// How old a change is when it becomes a [dead letter](super::DeadLetters) because no handle here has its model or column, or because its
    /// table or type is another by now. Until then it waits for one that can write it, as in the course of a deployment, and changes of other
    /// rows are written. Defaults to 15 minutes.
    #[must_use]
    pub fn give_up_after(mut self, age: Duration) -> Self {
        self.gives_up_after = age;
        self
    }

    /// What a call does when the buffer is away. Defaults to [`WhenAway::Reject`].
    #[must_use]
    pub fn when_away(mut self, when_away: WhenAway) -> Self {
        self.when_away = when_away;
        self
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("buffer", &self.buffer.name())
            .field("models", &self.models)
            .field("at_most", &self.at_most)
            .field("when_full", &self.when_full)
            .field("when_away", &self.when_away)
            .field("gives_up_after", &self.gives_up_after)
            .finish()
    }
}
