//! A transaction, and what it does to the cells when it commits.

use std::{
    cell::RefCell,
    num::NonZeroU32,
    panic::{self, AssertUnwindSafe},
    sync::Arc,
};

use diesel::{
    connection::TransactionManager,
    r2d2::{ConnectionManager, PooledConnection},
    result::QueryResult,
};

use crate::{
    backend::{self, Backend, Manager},
    cursor::CursorKey,
    effect::Effects,
    entity::{Entity, Table},
    error::{Error, Result},
    failpoints::{Point, reach},
    handle::{Larder, TransactionOptions},
    layers::{Layers, Noted},
    lookout::{Lookout, Sent},
    repeats,
    row::FromRow,
    session::Access,
    statement::Statement,
    store::Nonce,
    token::Token,
    upkeep::{Happened, Pending},
};

mod dependents;
mod tell;
mod touch;

#[doc(hidden)]
pub use self::dependents::Dependents;
use self::tell::Told;
pub(crate) use self::{dependents::delete_dependents, touch::lock_rows};

/// An open transaction: a [`Session`](crate::Session) for repositories, and Diesel's connection for everything else.
///
/// Only [`Larder::transaction`] makes one.
pub struct Tx<DB: Backend> {
    connection: RefCell<PooledConnection<ConnectionManager<DB::Connection>>>,
    /// What was changed: the transaction's own frame, and one for each open savepoint.
    frames: RefCell<Vec<Frame<DB>>>,
    tells_caches: bool,
    cursors: Arc<CursorKey>,
    lookout: Arc<Lookout>,
}

/// What a transaction, or a savepoint in it, has changed.
struct Frame<DB: Backend> {
    effects: Effects,
    pending: Pending<DB>,
}

impl<DB: Backend> Default for Frame<DB> {
    fn default() -> Self {
        Self { effects: Effects::default(), pending: Pending::default() }
    }
}

/// In how many tables columns are maintained at the end of a transaction, one after the other: beyond that, it goes round in circles.
const MOST_TABLES: usize = 64;

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
        self.with_connection(Manager::<DB>::begin_transaction)?;
        self.frames.borrow_mut().push(Frame::default());
        let result = panic::catch_unwind(AssertUnwindSafe(|| work(self)));
        let frame = self.frames.borrow_mut().pop().unwrap_or_default();
        match result {
            Ok(Ok(value)) if !frame.effects.is_doomed() => {
                self.with_connection(Manager::<DB>::commit_transaction)?;
                if let Some(outer) = self.frames.borrow_mut().last_mut() {
                    outer.effects.merge(frame.effects);
                    outer.pending.merge(frame.pending);
                }
                Ok(value)
            }
            Ok(result) => {
                // Why `work` failed says more than why the savepoint could not be rolled back, which dooms the transaction.
                let rolled_back = self.roll_back_savepoint();
                result.and(rolled_back).and(Err(Error::Doomed))
            }
            Err(panic) => {
                // If this fails, the transaction can't be committed any more.
                let _ = self.roll_back_savepoint();
                panic::resume_unwind(panic)
            }
        }
    }

    fn roll_back_savepoint(&self) -> Result<()> {
        let rolled_back = self.with_connection(Manager::<DB>::rollback_transaction);
        if rolled_back.is_err() {
            self.doom();
        }
        rolled_back
    }

    /// Takes down that the database may have done something of which the caches will not hear: it must not be committed.
    pub(crate) fn doom(&self) {
        self.register(Effects::doom);
    }

    fn is_doomed(&self) -> bool {
        self.frames.borrow().last().is_none_or(|frame| frame.effects.is_doomed())
    }

    /// Runs a statement that changes rows and returns them.
    pub(crate) fn returning<E: Entity, T: FromRow<DB> + 'static>(
        &self,
        operation: &'static str,
        statement: Statement<'_, DB>,
    ) -> Result<Vec<T>> {
        // What the caller wants to write, and by which condition, may have values in its text.
        let sent = Sent { operation, is_own: false, is_call: false };
        let rows = Access::transaction(self).select::<E, _>(sent, statement);
        // The rows are changed, and which they are can't be read.
        if matches!(rows, Err(Error::Database(diesel::result::Error::DeserializationError(_)))) {
            self.doom();
        }
        rows
    }

    pub(crate) fn with_connection<T>(&self, work: impl FnOnce(&mut DB::Connection) -> QueryResult<T>) -> Result<T> {
        let mut connection = self.connection.try_borrow_mut().map_err(|_| Error::ConnectionInUse)?;
        Ok(work(&mut connection)?)
    }

    /// What watches over the handle.
    #[inline]
    pub(crate) fn lookout(&self) -> &Lookout {
        &self.lookout
    }

    pub(crate) fn cursors(&self) -> &CursorKey {
        &self.cursors
    }

    /// Whether a store hears of what the transaction changes.
    pub(crate) fn tells_caches(&self) -> bool {
        self.tells_caches
    }

    /// Takes down what a statement has changed, in the innermost frame.
    pub(crate) fn register(&self, note: impl FnOnce(&mut Effects)) {
        if let Some(frame) = self.frames.borrow_mut().last_mut() {
            note(&mut frame.effects);
        }
    }

    /// Takes down, in the innermost frame, what has happened to rows that others' columns depend on.
    pub(crate) fn maintain<E: Table<DB>>(&self, happened: &Happened<'_, E>) {
        if E::MAINTAINS
            && let Some(frame) = self.frames.borrow_mut().last_mut()
        {
            frame.pending.note(happened);
        }
    }

    /// Takes down, in the innermost frame, that rows were inserted whose columns others may maintain.
    pub(crate) fn inserted<E: Table<DB>>(&self, keys: impl Fn() -> Vec<E::Key>) {
        if let Some((innermost, outer)) = self.frames.borrow_mut().split_last_mut() {
            innermost.pending.inserted::<E>(outer.iter().map(|frame| &frame.pending), keys);
        }
    }

    /// Changes the columns that depend on what was changed, and those that depend on them.
    pub(crate) fn apply_pending(&self) -> Result<()> {
        for _ in 0..MOST_TABLES {
            let Some(group) = self.frames.borrow_mut().last_mut().and_then(|frame| frame.pending.take_first()) else {
                return Ok(());
            };
            group.apply(self)?;
        }
        match self.frames.borrow_mut().last_mut().and_then(|frame| frame.pending.take_first()) {
            Some(group) => Err(Error::UpkeepInCircles { table: group.table() }),
            None => Ok(()),
        }
    }

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
        let mut connection = larder.connection()?;
        DB::begin(&mut connection, options.isolation, larder.commit_within())?;
        let tx = Self {
            connection: RefCell::new(connection),
            frames: RefCell::new(vec![Frame::default()]),
            tells_caches: larder.layers().is_some(),
            cursors: Arc::clone(larder.cursors()),
            lookout: Arc::clone(larder.lookout()),
        };
        match panic::catch_unwind(AssertUnwindSafe(|| work(&tx))) {
            Ok(Ok(value)) => tx.commit(larder, options, token).map(|()| value),
            Ok(Err(error)) => {
                tx.roll_back();
                Err(error)
            }
            Err(panic) => {
                tx.roll_back();
                panic::resume_unwind(panic)
            }
        }
    }

    /// Marks, commits, and ends the marks: `docs/architecture.md`, "One write".
    fn commit(self, larder: &Larder<DB>, options: TransactionOptions, token: &mut Token) -> Result<()> {
        if !self.is_doomed()
            && let Err(error) = self.apply_pending()
        {
            self.roll_back();
            return Err(error);
        }
        let mut frames = self.frames.take();
        let Frame { effects, .. } = frames.pop().unwrap_or_default();
        // Whoever opens and closes transactions by hand in `run` may have left one open: COMMIT would not be one.
        let is_outermost =
            frames.is_empty() && self.with_connection(|connection| Ok(depth::<DB>(connection)))? == Some(1);
        if effects.is_doomed() || !is_outermost {
            self.roll_back();
            return Err(Error::Doomed);
        }
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
            self.roll_back();
            return Err(Error::TooManyCells { n_cells, limit });
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
                self.roll_back();
                return Err(error);
            }
        };
        if layers.is_late(&begun) {
            self.roll_back();
            layers.rolled_back(&begun, &keys);
            return Err(Error::TooSlow { n_cells });
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

    /// Sends COMMIT and gives the connection back.
    fn send_commit(self, announced: Option<Nonce>) -> Result<(), Failure> {
        let mut connection = self.connection.into_inner();
        reach(Point::BeforeCommit);
        let committed = DB::commit(&mut connection, announced);
        reach(Point::AfterCommit);
        let Err(error) = committed else { return Ok(()) };
        // What the database answered, it has decided. Only where the answer itself was lost is there a doubt.
        let certain = roll_back::<DB>(&mut connection) && !backend::is_broken::<DB>(&mut connection);
        let error = if certain { Error::Database(error) } else { Error::CommitUnknown(error) };
        Err(Failure { error, certain })
    }

    fn roll_back(self) {
        roll_back::<DB>(&mut self.connection.into_inner());
    }
}

/// A COMMIT that did not succeed: whether it is certain that it did not happen.
struct Failure {
    error: Error,
    certain: bool,
}

/// Takes down what sees a write that has been committed, or may have been.
fn see(token: &mut Token, write: Token, committed: &Result<(), Failure>) {
    if !matches!(committed, Err(Failure { certain: true, .. })) {
        *token = token.and(write);
    }
}

/// How many transactions are open in each other: `None` if that is not known any more.
fn depth<DB: Backend>(connection: &mut DB::Connection) -> Option<u32> {
    let status = Manager::<DB>::transaction_manager_status_mut(connection).transaction_depth().ok()?;
    Some(status.map_or(0, NonZeroU32::get))
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
