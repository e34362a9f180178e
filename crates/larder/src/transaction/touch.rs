//! Telling of rows that were changed without a repository.

use diesel::result::QueryResult;

use super::Tx;
use crate::{
    backend::Backend,
    entity::{Pattern as _, PatternOn, Table, Writable},
    error::Result,
    load,
    lookout::Sent,
    queries::tag_key,
    row::{SelectList, WholeRow},
    session::Access,
    statement::Statement,
    upkeep::Happened,
};

impl<DB: Backend> Tx<DB> {
    /// Takes every row with one of these primary keys, **as it is now in this transaction**, out of the caches.
    ///
    /// That is its own cell, those of its unique columns, and every list it is in. A statement that moves rows from one list to
    /// another, or deletes them, must therefore be told of twice, before and after: [`Tx::touching`] does. Costs one SELECT, which
    /// locks the rows.
    ///
    /// # Errors
    /// [`Error::Database`](crate::Error::Database) if that fails.
    pub fn touched<E: Table<DB> + Writable>(&self, keys: &[E::Key]) -> Result<()> {
        let rows: Vec<E> = lock_by_key(self, keys)?;
        self.register(|effects| {
            for key in keys {
                effects.touched_key::<E::ByKey>(key);
            }
            for row in &rows {
                effects.touched(row);
            }
        });
        self.happened(&Happened::Touched(&rows));
        Ok(())
    }

    /// Runs `work`, which changes, moves or deletes rows with these primary keys, and takes them out of the caches as they were
    /// before it and as they are after it.
    ///
    /// Costs two SELECTs beside `work`.
    ///
    /// # Errors
    /// Those of [`Tx::run`].
    pub fn touching<E: Table<DB> + Writable, T>(
        &self,
        keys: &[E::Key],
        work: impl FnOnce(&mut DB::Connection) -> QueryResult<T>,
    ) -> Result<T> {
        self.touched::<E>(keys)?;
        self.run_and(work, || self.touched::<E>(keys))
    }

    /// Makes every result of a [query](crate::Larder::query) go that is tagged so, as soon as this transaction commits.
    ///
    /// Costs nothing of its own: the tag is one more cell that the transaction marks.
    pub fn invalidate_tag(&self, tag: &str) {
        self.register(|effects| effects.touched_cell(tag_key(tag)));
    }

    /// Takes every row that the table has now in this transaction out of the caches, and keeps others from writing it until the
    /// end of the transaction.
    ///
    /// As with [`Tx::touched`], a statement that moves or deletes rows is told of before and after: [`Tx::touching_all`] does.
    /// Reads the whole table, and marks each of its cells: for tables of up to some ten thousand rows.
    ///
    /// # Errors
    /// [`Error::Database`](crate::Error::Database) if reading fails, and on MySQL in a transaction of
    /// [`Isolation::ReadCommitted`](crate::Isolation), in which nobody can be kept from adding rows. [`Error::TooManyCells`](crate::Error::TooManyCells) or
    /// [`Error::TooSlow`](crate::Error::TooSlow) at COMMIT if the table is too large for it.
    pub fn touched_all<E: Table<DB> + Writable>(&self) -> Result<()> {
        if let Some(lock) = DB::lock_table(load::table::<DB, E>(), self.isolation)? {
            self.with_connection(|connection| DB::execute(connection, lock))?;
        }
        let sent = Sent { operation: "SELECT", is_own: true, is_call: false };
        let mut statement = select_rows::<DB, E>();
        statement.sql(DB::AS_OF_NOW);
        let rows = Access::transaction(self).select::<E, _>(sent, statement)?;
        let rows: Vec<E> = rows.into_iter().map(|WholeRow(row)| row).collect();
        self.register(|effects| {
            effects.touched_table::<E>();
            for row in &rows {
                effects.touched(row);
            }
        });
        self.happened(&Happened::Touched(&rows));
        Ok(())
    }

    /// Runs `work`, which changes any rows of a table, between two [`Tx::touched_all`].
    ///
    /// # Errors
    /// Those of [`Tx::run`] and [`Tx::touched_all`].
    pub fn touching_all<E: Table<DB> + Writable, T>(
        &self,
        work: impl FnOnce(&mut DB::Connection) -> QueryResult<T>,
    ) -> Result<T> {
        self.touched_all::<E>()?;
        self.run_and(work, || self.touched_all::<E>())
    }
}

/// The rows with these primary keys, locked until the end of the transaction.
fn lock_by_key<DB: Backend, E: Table<DB>>(tx: &Tx<DB>, keys: &[E::Key]) -> Result<Vec<E>> {
    let mut rows = Vec::with_capacity(keys.len());
    for keys in keys.chunks(DB::MAX_BINDS / 4) {
        rows.extend(lock_rows::<DB, E>(tx, DB::FOR_CHANGE, |statement| {
            E::ByKey::matching(keys.to_vec(), statement.loosely());
        })?);
    }
    Ok(rows)
}

/// The rows that meet a condition, locked until the end of the transaction by [`Backend::FOR_CHANGE`] or [`Backend::FOR_DELETE`].
pub(crate) fn lock_rows<'q, DB: Backend, E: Table<DB>>(
    tx: &Tx<DB>,
    lock: &'static str,
    condition: impl FnOnce(&mut Statement<'q, DB>),
) -> Result<Vec<E>> {
    let mut statement = select_rows::<DB, E>();
    statement.sql(" WHERE ");
    condition(&mut statement);
    statement.sql(lock);
    let rows: Vec<WholeRow<E>> = tx.returning::<E, _>("SELECT", statement)?;
    Ok(rows.into_iter().map(|WholeRow(row)| row).collect())
}

/// As [`lock_rows`], one after the other in the order of their primary keys.
pub(crate) fn lock_rows_in_order<'q, DB: Backend, E: Table<DB>>(
    tx: &Tx<DB>,
    lock: &'static str,
    condition: impl FnOnce(&mut Statement<'q, DB>),
) -> Result<Vec<E>> {
    lock_rows(tx, lock, |statement| {
        condition(statement);
        statement.sql(" ORDER BY ").separated(", ", E::ByKey::COLUMNS, |statement, key| {
            statement.fragment(load::table::<DB, E>()).sql(".").identifier(key);
        });
    })
}

pub(crate) fn select_rows<'q, DB: Backend, E: Table<DB>>() -> Statement<'q, DB> {
    let mut list = SelectList::new();
    E::columns(&mut list);
    let mut statement = Statement::new();
    statement.sql("SELECT ").separated(", ", list.items, |statement, item| {
        statement.fragment(item);
    });
    statement.sql(" FROM ").fragment(load::table::<DB, E>());
    statement
}
