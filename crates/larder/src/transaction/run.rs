//! A transaction from its beginning to its COMMIT, and what the caches are told of it.

use std::{
    cell::{Cell, RefCell},
    panic::{self, AssertUnwindSafe},
    sync::Arc,
};

use diesel::result::Error as Diesel;

use super::{
    Frame, Tx,
    end::{End, Failure, depth},
    tell::Told,
};
use crate::{
    backend::Backend,
    error::{Error, Result},
    handle::{Larder, TransactionOptions},
    layers::{Layers, Noted},
    repeats,
    tenant::Named,
    token::Token,
};

impl<DB: Backend> Tx<DB> {
    /// Begins a transaction, runs `work` in it, and commits or rolls back. What sees it goes into `token`, unless it has certainly not
    /// been committed.
    pub(crate) fn run_to_end<T>(
        larder: &Larder<DB>,
        options: TransactionOptions,
        token: &mut Token,
        work: impl FnOnce(&Self) -> Result<T>,
    ) -> Result<T> {
        let _scope = repeats::scope_of_transaction(larder.lookout());
        larder.lookout().transaction(|| Self::run_within(larder, options, token, work))
    }

    fn run_within<T>(
        larder: &Larder<DB>,
        options: TransactionOptions,
        token: &mut Token,
        work: impl FnOnce(&Self) -> Result<T>,
    ) -> Result<T> {
        // Until after the connection is given back: who has the next turn needs one.
        let _turn = larder.turn()?;
        let mut connection = larder.connection()?;
        DB::begin(&mut connection, options.isolation, larder.commit_within())?;
        let tx = Self {
            connection: RefCell::new(connection),
            frames: RefCell::new(vec![Frame::default()]),
            tells_caches: larder.layers().is_some(),
            isolation: options.isolation,
            end: Cell::new(End::Open),
            cursors: Arc::clone(larder.cursors()),
            lookout: Arc::clone(larder.lookout()),
            names_tenants: larder.names_tenants(),
            named: Named::default(),
        };
        match panic::catch_unwind(AssertUnwindSafe(|| work(&tx))) {
            Ok(Ok(value)) => tx.commit(larder, options, token).map(|()| value),
            // Another error is the caller's own word, and promises nothing.
            Ok(Err(error)) if error.is_retryable() || matches!(error, Error::Doomed) => {
                Err(tx.give_up(larder, token, error))
            }
            Ok(Err(error)) => {
                tx.roll_back(larder, token);
                Err(error)
            }
            Err(panic) => {
                tx.roll_back(larder, token);
                panic::resume_unwind(panic)
            }
        }
    }

    /// Marks, commits, and ends the marks: `docs/architecture.md`, "One write".
    fn commit(self, larder: &Larder<DB>, options: TransactionOptions, token: &mut Token) -> Result<()> {
        if !self.is_doomed()
            && let Err(error) = self.apply_pending().and_then(|()| self.find_roots())
        {
            return Err(self.give_up(larder, token, error));
        }
        // Whoever opens and closes transactions by hand in `run` may have left one open: COMMIT would not be one.
        if self.is_doomed()
            || self.frames.borrow().len() != 1
            || depth::<DB>(&mut self.connection.borrow_mut()) != Some(1)
        {
            return Err(self.give_up(larder, token, Error::Doomed));
        }
        let Frame { effects, .. } = self.frames.take().pop().unwrap_or_default();
        let Some(layers) = larder.layers().filter(|_| !effects.is_empty()) else {
            let committed = self.send_commit(None);
            // Without a store of its own the handle tells nobody: whoever has one may hear of it later, by triggers.
            if !effects.is_empty() {
                see(token, Token::of_unmarked(), &committed);
            }
            return committed.map_err(|failure| failure.error);
        };

        let (n_cells, limit) = (effects.len(), layers.max_cells());
        if n_cells > limit {
            self.put_back(effects);
            return Err(self.give_up(larder, token, Error::TooManyCells { n_cells, limit }));
        }
        let keys = effects.keys();
        let begun = match self.tell(larder, layers, (&effects, &keys), options) {
            Ok(Told::Marked(begun)) => begun,
            Ok(Told::Noted(noted)) => {
                let committed = self.commit_without_markers(layers, noted, token);
                // Once more: what depends on these rows may have been computed since, from the old ones.
                layers.drop_near(&keys);
                return committed;
            }
            Err(error) => {
                self.put_back(effects);
                return Err(self.give_up(larder, token, error));
            }
        };
        if layers.is_late(&begun) {
            if self.end_by_rollback() {
                layers.rolled_back(&begun, &keys);
                return Err(Error::TooSlow { n_cells });
            }
            layers.unknown(&begun, &effects);
            layers.drop_near(&keys);
            *token = token.and(Token::of_marked(begun.place()));
            return Err(Error::CommitUnknown(Diesel::NotInTransaction));
        }
        let committed = self.send_commit(larder.announces().then(|| begun.nonce()));
        see(token, Token::of_marked(begun.place()), &committed);
        match committed {
            Ok(()) => {
                layers.committed(&begun, effects);
                Ok(())
            }
            Err(Failure { error, certain: true }) => {
                layers.rolled_back(&begun, &keys);
                Err(error)
            }
            Err(Failure { error, certain: false }) => {
                layers.unknown(&begun, &effects);
                layers.drop_near(&keys);
                Err(error)
            }
        }
    }

    /// Rolls back, for a reason that says that nothing was committed: the reason, if that is so.
    fn give_up(self, larder: &Larder<DB>, token: &mut Token, reason: Error) -> Error {
        match (self.roll_back(larder, token), reason) {
            (true, reason) => reason,
            (false, Error::Database(error)) => Error::CommitUnknown(error),
            (false, _) => Error::CommitUnknown(Diesel::NotInTransaction),
        }
    }

    /// Commits what stands in the outbox: until the store is told, the handle passes those cells by.
    fn commit_without_markers(self, layers: &Layers, noted: Noted, token: &mut Token) -> Result<()> {
        let committed = self.send_commit(None);
        see(token, Token::of_unmarked(), &committed);
        match &committed {
            Ok(()) => layers.committed_without_markers(noted),
            Err(failure) if failure.certain => layers.rolled_back_without_markers(noted),
            Err(_) => layers.unknown_without_markers(noted),
        }
        committed.map_err(|failure| failure.error)
    }
}

/// Takes down what sees a write that has been committed, or may have been.
fn see(token: &mut Token, write: Token, committed: &Result<(), Failure>) {
    if !matches!(committed, Err(Failure { certain: true, .. })) {
        *token = token.and(write);
    }
}
