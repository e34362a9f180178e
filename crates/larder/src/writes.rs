//! What a write does while the shared store is away.

use std::sync::atomic::{AtomicBool, Ordering};

use diesel::{
    r2d2::{ConnectionManager, Pool},
    result::QueryResult,
};

use crate::{
    backend::{Backend, Outbox},
    error::Result,
};

/// Whether a write goes on when the shared store can't be told of it.
///
/// It is asked only once marking a write's cells has failed; a write that could mark them is the same either way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Writes {
    /// It does not: it is rolled back with [`Error::Store`](crate::Error::Store). No cache anywhere ever serves an older row than a
    /// write that has returned.
    Strict,
    /// It does: it leaves the keys of its cells in the [`outbox`](crate::outbox), as a part of its own transaction, and commits.
    ///
    /// The handle that wrote reads its rows from COMMIT on, past the store. **Others can read the old ones**, if they reach the store and it
    /// still has them, until its cells are settled; a Redis that was restarted has none. Two see to that: the handle itself, which tries
    /// at least once a second, and a [`relay`](crate::relay), which does even if the handle's process has ended. Old values that
    /// neither can settle live as long as their time to live.
    ///
    /// Such a write costs one statement more, the first ones of a handle two; one that can mark its cells costs nothing more. A store
    /// that times out is asked once and not twice before the write goes on.
    ///
    /// Needs PostgreSQL, and the table of [`outbox::UP`](crate::outbox::UP): without them writes are strict.
    Available,
}

/// What the models of a transaction say, taken together.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Wishes {
    any_strict: bool,
    any_silent: bool,
}

impl Wishes {
    pub(crate) fn add(&mut self, model: Option<Writes>) {
        match model {
            Some(Writes::Strict) => self.any_strict = true,
            Some(Writes::Available) => {}
            None => self.any_silent = true,
        }
    }

    pub(crate) fn merge(&mut self, other: Self) {
        self.any_strict |= other.any_strict;
        self.any_silent |= other.any_silent;
    }

    /// Strict if one of the models is: its own word, or the handle's where it says nothing. Without either, it goes on.
    pub(crate) fn resolve(self, handle: Option<Writes>) -> Writes {
        if self.any_strict || (self.any_silent && handle == Some(Writes::Strict)) {
            Writes::Strict
        } else {
            Writes::Available
        }
    }
}

/// What a handle says of writes, and what it knows of the outbox.
#[derive(Debug)]
pub(crate) struct Policy {
    writes: Option<Writes>,
    /// Only that it is there is remembered: it may be made at any time.
    has_outbox: AtomicBool,
}

impl Policy {
    pub(crate) fn new(writes: Option<Writes>) -> Self {
        Self { writes, has_outbox: AtomicBool::new(false) }
    }

    /// Asks an idle connection for the outbox, and says what writes are.
    pub(crate) fn look<DB: Backend>(&self, pool: &Pool<ConnectionManager<DB::Connection>>) {
        let Some(outbox) = DB::OUTBOX.filter(|_| self.writes != Some(Writes::Strict)) else { return };
        let Some(Ok(is_there)) = pool.try_get().map(|mut connection| (outbox.is_there)(&mut connection)) else {
            return;
        };
        self.has_outbox.store(is_there, Ordering::Relaxed);
        if is_there {
            tracing::info!("writes are available: they go on while the shared store is away, by way of larder_outbox");
        } else {
            tracing::warn!(
                "writes are strict: without the table larder_outbox no write succeeds while the shared store is away"
            );
        }
    }

    /// What a transaction is that says nothing itself.
    pub(crate) fn of(&self, wishes: Wishes) -> Writes {
        wishes.resolve(self.writes)
    }

    /// The outbox for a write that could not be marked: `None` if it is strict, or has to be. `ask` runs in the write's transaction.
    pub(crate) fn outbox<DB: Backend>(
        &self,
        writes: Writes,
        ask: impl FnOnce(fn(&mut DB::Connection) -> QueryResult<bool>) -> Result<bool>,
    ) -> Result<Option<Outbox<DB>>> {
        let Some(outbox) = DB::OUTBOX.filter(|_| writes == Writes::Available) else { return Ok(None) };
        if !self.has_outbox.load(Ordering::Relaxed) {
            let is_there = ask(outbox.is_there)?;
            self.has_outbox.store(is_there, Ordering::Relaxed);
            if !is_there {
                tracing::warn!("a write was strict: there is no table larder_outbox");
                return Ok(None);
            }
        }
        Ok(Some(outbox))
    }

    /// The table may be gone: the next write asks for it again.
    pub(crate) fn outbox_failed(&self) {
        self.has_outbox.store(false, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_strict_model_makes_a_transaction_strict_and_a_silent_one_leaves_it_to_the_handle() {
        use Writes::{Available, Strict};
        for (models, handle, expected) in [
            (&[None][..], None, Available),
            (&[None], Some(Available), Available),
            (&[None], Some(Strict), Strict),
            (&[Some(Available)], Some(Strict), Available),
            (&[Some(Strict)], Some(Available), Strict),
            (&[Some(Available), None], Some(Strict), Strict),
            (&[Some(Available), Some(Strict)], None, Strict),
        ] {
            let mut wishes = Wishes::default();
            models.iter().for_each(|model| {
                let mut later = Wishes::default();
                later.add(*model);
                wishes.merge(later);
            });
            assert_eq!(wishes.resolve(handle), expected, "{models:?} on a handle that says {handle:?}");
        }
    }
}
