//! A transaction, and what it does to the cells when it commits.

use std::{
    cell::{Cell, RefCell, RefMut},
    mem,
    sync::Arc,
};

use diesel::{
    r2d2::{ConnectionManager, PooledConnection},
    result::QueryResult,
};

#[cfg(doc)]
use crate::handle::Larder;
use crate::{
    backend::{Backend, Isolation},
    cursor::CursorKey,
    effect::Effects,
    entity::{Entity, Table},
    error::{Error, Result},
    lookout::{Lookout, Sent},
    row::FromRow,
    session::Access,
    statement::Statement,
    tenant::Named,
    upkeep::{Happened, Pending},
    view_cells::Roots,
};

mod dependents;
mod end;
mod locking;
mod run;
mod savepoint;
mod tell;
mod touch;

#[doc(hidden)]
pub use self::dependents::Dependents;
use self::end::End;
pub use self::locking::{Lock, Locking};
pub(crate) use self::{
    dependents::{delete_dependents, delete_dependents_softly},
    touch::{lock_rows, lock_rows_in_order, select_rows},
};

/// An open transaction: a [`Session`](crate::Session) for repositories, and Diesel's connection for everything else.
///
/// Only [`Larder::transaction`] makes one.
pub struct Tx<DB: Backend> {
    connection: RefCell<PooledConnection<ConnectionManager<DB::Connection>>>,
    /// What was changed: the transaction's own frame, and one for each open savepoint.
    frames: RefCell<Vec<Frame<DB>>>,
    tells_caches: bool,
    isolation: Isolation,
    end: Cell<End>,
    cursors: Arc<CursorKey>,
    lookout: Arc<Lookout>,
    names_tenants: bool,
    named: Named,
}

/// What a transaction, or a savepoint in it, has changed.
struct Frame<DB: Backend> {
    effects: Effects,
    pending: Pending<DB>,
    roots: Roots<DB>,
}

impl<DB: Backend> Default for Frame<DB> {
    fn default() -> Self {
        Self { effects: Effects::default(), pending: Pending::default(), roots: Roots::default() }
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
    /// Where a statement of `work` has made the database end the transaction, and `work` went on after its error, nothing more is sent: the
    /// transaction is an [`Error::CommitUnknown`], since what `work` sent afterwards was committed by itself. That is seen when
    /// `work` returns: on MySQL it costs a round trip, on SQLite nothing.
    ///
    /// # Errors
    /// Those of `work`, and [`Error::ConnectionInUse`] if called within itself.
    pub fn run<T>(&self, work: impl FnOnce(&mut DB::Connection) -> QueryResult<T>) -> Result<T> {
        self.run_and(work, || Ok(()))
    }

    /// As [`Tx::run`], and then does something with the transaction, also if `work` fails: it may have done something before.
    fn run_and<T>(
        &self,
        work: impl FnOnce(&mut DB::Connection) -> QueryResult<T>,
        then: impl FnOnce() -> Result<()>,
    ) -> Result<T> {
        let (done, is_over) = {
            let mut connection = self.open_connection()?;
            let done = work(&mut connection).map_err(|error| DB::numbered(&mut connection, error));
            let has_ended = done.as_ref().is_err_and(|error| DB::has_ended(&mut connection, error));
            (done, has_ended || DB::is_over(&mut connection))
        };
        let then = then();
        if is_over {
            // There may have been statements after that, each of which was committed by itself.
            self.end_at(End::Unknown);
        }
        let value = done?;
        then?;
        if is_over { Err(Error::Doomed) } else { Ok(value) }
    }

    pub(crate) fn names_tenants(&self) -> bool {
        self.names_tenants
    }

    /// Tells the database whose the transaction is, if it is to know and does not yet.
    pub(crate) fn name_tenant(&self, tenant: Option<&str>) -> Result<()> {
        let Some((tenant, tenants)) = tenant.zip(DB::TENANTS) else { return Ok(()) };
        self.named.name(tenant, || self.with_connection(|connection| (tenants.name)(connection, tenant)))
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

    /// Runs a statement that changes rows and returns none: how many there were.
    pub(crate) fn changing<E: Entity>(&self, operation: &'static str, statement: Statement<'_, DB>) -> Result<usize> {
        // As with those that return them.
        let sent = Sent { operation, is_own: false, is_call: false };
        let execute = |statement| {
            let n_rows = self.with_connection(|connection| DB::execute(connection, statement))?;
            Ok(vec![(); n_rows])
        };
        Ok(self.lookout.send::<DB, E, ()>(sent, None, statement, execute)?.len())
    }

    pub(crate) fn with_connection<T>(&self, work: impl FnOnce(&mut DB::Connection) -> QueryResult<T>) -> Result<T> {
        let mut connection = self.open_connection()?;
        let done = work(&mut connection).map_err(|error| DB::numbered(&mut connection, error));
        if done.as_ref().is_err_and(|error| DB::has_ended(&mut connection, error)) {
            drop(connection);
            self.end_at(End::Known);
        }
        Ok(done?)
    }

    /// The connection, for a statement of the transaction.
    fn open_connection(&self) -> Result<RefMut<'_, PooledConnection<ConnectionManager<DB::Connection>>>> {
        let connection = self.connection.try_borrow_mut().map_err(|_| Error::ConnectionInUse)?;
        // There is no transaction any more: a statement would be one of its own, and committed.
        if self.end.get() == End::Open { Ok(connection) } else { Err(Error::Doomed) }
    }

    /// Takes down that the transaction is over: all that is left is to roll back.
    fn end_at(&self, end: End) {
        self.end.set(end);
        self.doom();
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

    /// Takes down, in the innermost frame, what has happened to rows: others' columns may depend on them, and trees that are stored whole.
    pub(crate) fn happened<E: Table<DB>>(&self, happened: &Happened<'_, E>) {
        if !E::MAINTAINS && !E::IS_IN_VIEWS {
            return;
        }
        if let Some(frame) = self.frames.borrow_mut().last_mut() {
            frame.pending.note(happened);
            if E::IS_IN_VIEWS && self.tells_caches {
                match happened {
                    Happened::Changed(changes) => {
                        frame.roots.note(changes.iter().flat_map(|(old, new)| [old, new]).flatten());
                    }
                    Happened::Deleted(rows) | Happened::Touched(rows) | Happened::Released(rows, _) => {
                        frame.roots.note(rows.iter());
                    }
                }
            }
        }
    }

    /// Takes down, in the innermost frame, that any row of a model may have changed.
    #[cfg(feature = "postgres")]
    pub(crate) fn rewritten<E: Table<DB>>(&self) {
        if let Some(frame) = self.frames.borrow_mut().last_mut() {
            frame.effects.rewritten::<E>();
            frame.roots.note_all::<E>();
        }
    }

    /// Finds the trees that were changed, whose cells are to be marked with the others.
    fn find_roots(&self) -> Result<()> {
        let Some(roots) = self.frames.borrow_mut().last_mut().map(|frame| mem::take(&mut frame.roots)) else {
            return Ok(());
        };
        let cells = roots.cells(self)?;
        self.register(|effects| cells.into_iter().for_each(|cell| effects.touched_cell(cell)));
        Ok(())
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
}
