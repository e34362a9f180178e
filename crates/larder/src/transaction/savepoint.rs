//! Savepoints: what is done in one is kept or rolled back by itself.

use std::panic::{self, AssertUnwindSafe};

use diesel::{connection::TransactionManager, result::QueryResult};

use super::{End, Frame, Tx};
use crate::{
    backend::{Backend, Manager},
    error::{Error, Result},
};

impl<DB: Backend> Tx<DB> {
    /// Runs `work` in a savepoint. If it fails or panics, what it did is rolled back, and the caches hear nothing of it.
    ///
    /// # Errors
    /// Those of `work`, and [`Error::Database`] if the savepoint can't be set or released.
    pub fn savepoint<T>(&self, work: impl FnOnce(&Self) -> Result<T>) -> Result<T> {
        self.with_connection(Manager::<DB>::begin_transaction)?;
        self.frames.borrow_mut().push(Frame::default());
        let result = panic::catch_unwind(AssertUnwindSafe(|| work(self)));
        let frame = self.frames.borrow_mut().pop().unwrap_or_default();
        match result {
            Ok(Ok(value)) if !frame.effects.is_doomed() => {
                let released = self.end_savepoint(Manager::<DB>::commit_transaction);
                // A savepoint that is gone may have been committed, where statements can do that.
                self.merge(frame);
                if released.is_err() {
                    self.doom();
                }
                released.map(|()| value)
            }
            Ok(result) => {
                // Why `work` failed says more than why the savepoint could not be rolled back, which dooms the transaction.
                let rolled_back = self.roll_back_savepoint(frame);
                result.and(rolled_back).and(Err(Error::Doomed))
            }
            Err(panic) => {
                // If this fails, the transaction can't be committed any more.
                let _ = self.roll_back_savepoint(frame);
                panic::resume_unwind(panic)
            }
        }
    }

    fn roll_back_savepoint(&self, frame: Frame<DB>) -> Result<()> {
        let rolled_back = self.end_savepoint(Manager::<DB>::rollback_transaction);
        self.named.was_rolled_back();
        if rolled_back.is_err() {
            self.merge(frame);
            self.doom();
        }
        rolled_back
    }

    /// Releases a savepoint, or rolls back to it.
    fn end_savepoint(&self, end: impl FnOnce(&mut DB::Connection) -> QueryResult<()>) -> Result<()> {
        let was_open = self.end.get() == End::Open;
        let ended = self.with_connection(end);
        // Where the savepoint is gone the transaction may be, and who knows since when.
        if ended.is_err() && was_open {
            self.end_at(End::Unknown);
        }
        ended
    }

    /// Adds what a savepoint has changed to what was changed around it.
    fn merge(&self, frame: Frame<DB>) {
        if let Some(outer) = self.frames.borrow_mut().last_mut() {
            outer.effects.merge(frame.effects);
            outer.pending.merge(frame.pending);
            outer.roots.merge(frame.roots);
        }
    }
}
