//! A transaction, and what it does to the cells when it commits.

use std::cell::RefCell;

use diesel::{
    connection::TransactionManager,
    r2d2::{ConnectionManager, PooledConnection},
    result::QueryResult,
};

use crate::{
    backend::{self, Backend, Isolation, Manager},
    effect::Effects,
    error::{Error, Result},
    handle::Larder,
};

mod dependents;
mod touch;

#[doc(hidden)]
pub use self::dependents::Dependents;
pub(crate) use self::{dependents::delete_dependents, touch::lock_rows};

/// An open transaction: a [`Session`](crate::Session) for repositories, and Diesel's connection for everything else.
///
/// Only [`Larder::transaction`] makes one.
pub struct Tx<DB: Backend> {
    connection: RefCell<PooledConnection<ConnectionManager<DB::Connection>>>,
    /// What was changed: the transaction's own frame, and one for each open savepoint.
    frames: RefCell<Vec<Effects>>,
}

impl<DB: Backend> std::fmt::Debug for Tx<DB> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tx").finish_non_exhaustive()
    }
}

impl<DB: Backend> Tx<DB> {
    /// Runs anything that Diesel can do on the transaction's connection.
    ///
    /// larder does not see what happens there: rows that it changes must be told by [`Tx::touched`] or wrapped in
    /// [`Tx::touching`], or caches go on serving the old ones. The connection's transaction must not be ended in it.
    ///
    /// # Errors
    /// Those of `work`, and [`Error::ConnectionInUse`] if called within itself.
    pub fn run<T>(&self, work: impl FnOnce(&mut DB::Connection) -> QueryResult<T>) -> Result<T> {
        self.with_connection(work)
    }

    /// Runs `work` in a savepoint. If it fails or panics, what it did is rolled back, and the caches hear nothing of it.
    ///
    /// # Errors
    /// Those of `work`, and [`Error::Database`] if the savepoint can't be set or released.
    pub fn savepoint<T>(&self, work: impl FnOnce(&Self) -> Result<T>) -> Result<T> {
        let savepoint = Savepoint::set(self)?;
        match work(self) {
            Ok(value) => savepoint.release().map(|()| value),
            Err(error) => savepoint.roll_back().and(Err(error)),
        }
    }

    pub(crate) fn with_connection<T>(&self, work: impl FnOnce(&mut DB::Connection) -> QueryResult<T>) -> Result<T> {
        let mut connection = self.connection.try_borrow_mut().map_err(|_| Error::ConnectionInUse)?;
        Ok(work(&mut connection)?)
    }

    /// Takes down what a statement has changed, in the innermost frame.
    pub(crate) fn register(&self, note: impl FnOnce(&mut Effects)) {
        if let Some(frame) = self.frames.borrow_mut().last_mut() {
            note(frame);
        }
    }

    /// Begins a transaction, runs `work` in it, and commits or rolls back.
    pub(crate) fn run_to_end<T>(
        larder: &Larder<DB>,
        isolation: Isolation,
        work: impl FnOnce(&Self) -> Result<T>,
    ) -> Result<T> {
        let mut connection = larder.connection()?;
        DB::begin(&mut connection, isolation, larder.commit_within())?;
        // A panic in `work` drops the connection, since Diesel's pool takes none back from a thread that panics: the database
        // rolls back, and no cell has been marked yet.
        let tx = Self { connection: RefCell::new(connection), frames: RefCell::new(vec![Effects::default()]) };
        match work(&tx) {
            Ok(value) => tx.commit(larder).map(|()| value),
            Err(error) => {
                tx.roll_back();
                Err(error)
            }
        }
    }

    /// Marks, commits, and ends the marks: `docs/architecture.md`, "One write".
    fn commit(self, larder: &Larder<DB>) -> Result<()> {
        if self.is_in_savepoint() {
            self.roll_back();
            return Err(Error::Database(diesel::result::Error::BrokenTransactionManager));
        }
        let mut effects = Effects::default();
        for frame in self.frames.take() {
            effects.merge(frame);
        }
        let Some(layers) = larder.layers().filter(|_| !effects.is_empty()) else {
            return self.send_commit().map_err(|failure| failure.error);
        };

        let (n_cells, limit) = (effects.len(), layers.max_cells());
        if n_cells > limit {
            self.roll_back();
            return Err(Error::TooManyCells { n_cells, limit });
        }
        let keys = effects.keys();
        let begun = match layers.begin(&keys) {
            Ok(begun) => begun,
            Err(error) => {
                self.roll_back();
                return Err(Error::Store(error));
            }
        };
        if layers.is_late(&begun) {
            self.roll_back();
            layers.rolled_back(&begun, &keys);
            return Err(Error::TooSlow { n_cells });
        }
        match self.send_commit() {
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
                Err(error)
            }
        }
    }

    /// Whether a savepoint is open that nobody is going to end: COMMIT would end that alone, and the rest would never happen.
    fn is_in_savepoint(&self) -> bool {
        let depth = |connection: &mut _| Manager::<DB>::transaction_manager_status_mut(connection).transaction_depth();
        self.with_connection(depth).is_ok_and(|depth| depth.is_some_and(|depth| depth.get() > 1))
    }

    /// Sends COMMIT and gives the connection back.
    fn send_commit(self) -> Result<(), Failure> {
        let mut connection = self.connection.into_inner();
        let Err(error) = DB::commit(&mut connection) else { return Ok(()) };
        // What the database answered, it has decided. Only where the answer itself was lost is there a doubt.
        let certain = roll_back::<DB>(&mut connection) && !backend::is_broken::<DB>(&mut connection);
        let error = if certain { Error::Database(error) } else { Error::CommitUnknown(error) };
        Err(Failure { error, certain })
    }

    fn roll_back(self) {
        roll_back::<DB>(&mut self.connection.into_inner());
    }
}

/// An open savepoint. It is rolled back when it goes away by a panic, which the closure further up may catch.
struct Savepoint<'t, DB: Backend> {
    tx: &'t Tx<DB>,
    is_open: bool,
}

impl<'t, DB: Backend> Savepoint<'t, DB> {
    fn set(tx: &'t Tx<DB>) -> Result<Self> {
        tx.with_connection(Manager::<DB>::begin_transaction)?;
        tx.frames.borrow_mut().push(Effects::default());
        Ok(Self { tx, is_open: true })
    }

    fn release(mut self) -> Result<()> {
        let frame = self.close();
        self.tx.with_connection(Manager::<DB>::commit_transaction)?;
        self.tx.register(|effects| effects.merge(frame));
        Ok(())
    }

    fn roll_back(mut self) -> Result<()> {
        self.close();
        self.tx.with_connection(Manager::<DB>::rollback_transaction)
    }

    fn close(&mut self) -> Effects {
        self.is_open = false;
        self.tx.frames.borrow_mut().pop().unwrap_or_default()
    }
}

impl<DB: Backend> Drop for Savepoint<'_, DB> {
    fn drop(&mut self) {
        if self.is_open {
            self.close();
            // If that fails, the savepoint is still open at the end, and the transaction is not committed.
            let _ = self.tx.with_connection(Manager::<DB>::rollback_transaction);
        }
    }
}

/// A COMMIT that did not succeed: whether it is certain that it did not happen.
struct Failure {
    error: Error,
    certain: bool,
}

/// Rolls back what may still be open. A connection on which that fails is thrown away by its pool, and the server rolls back.
fn roll_back<DB: Backend>(connection: &mut PooledConnection<ConnectionManager<DB::Connection>>) -> bool {
    let connection: &mut DB::Connection = connection;
    while let Ok(depth) = Manager::<DB>::transaction_manager_status_mut(connection).transaction_depth() {
        if depth.is_none() {
            return true;
        }
        if Manager::<DB>::rollback_transaction(connection).is_err() {
            return false;
        }
    }
    false
}
