use std::{fmt, sync::Arc, time::Duration};

use diesel::pg::Pg;

use super::models::Model;
use crate::{
    buffer::Buffer,
    entity::{Table, Writable},
};

/// Where a handle's changes wait, of which models, and what happens when they can't.
#[derive(Clone)]
pub struct Options {
    pub(super) buffer: Arc<dyn Buffer>,
    pub(super) models: Vec<Model>,
    pub(super) max_entries: u64,
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
    /// Increments are written to the database at once, and counted once also if the buffer has taken them after all. What the database
    /// rejects becomes a [dead letter](super::DeadLetters), as it would have later.
    ///
    /// Values that are set fail as with [`Reject`](Self::Reject): an older value that waits in the buffer would be written over them
    /// later.
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
            max_entries: 100_000,
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

    /// How many entries may wait before the buffer is full. An entry has what was acknowledged together: one call's change where calls
    /// come singly, up to 512 rows where many come at once. Defaults to 100,000.
    #[must_use]
    pub fn max_entries(mut self, n_entries: u64) -> Self {
        self.max_entries = n_entries;
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
            .field("max_entries", &self.max_entries)
            .field("when_full", &self.when_full)
            .field("when_away", &self.when_away)
            .field("gives_up_after", &self.gives_up_after)
            .finish()
    }
}
