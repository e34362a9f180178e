//! Rows that nobody else may change until the transaction ends.

use std::{collections::HashMap, marker::PhantomData};

use super::Tx;
use crate::{
    backend::Backend,
    entity::{Pattern, PatternOn, Table, Writable},
    error::{Error, Result},
    key::Key,
    load,
    row::{SelectList, WholeRow},
    statement::Statement,
    tenant::Common,
};

/// What to do about rows that others have locked.
///
/// On SQLite a transaction has the database to itself, so that nothing is ever locked by others: all three give the same rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
#[non_exhaustive]
pub enum Lock {
    /// To wait for them, and to see what the others have left behind: `FOR UPDATE`.
    #[default]
    Wait,
    /// To leave them out: `FOR UPDATE SKIP LOCKED`. For a table of jobs, of which each goes to one worker.
    SkipLocked,
    /// To fail at once with [`Error::Locked`]: `FOR UPDATE NOWAIT`, in a savepoint. With [`Error::Doomed`] on MySQL if
    /// `innodb_rollback_on_timeout` is on: the server has then rolled back the whole transaction.
    ///
    /// PostgreSQL's refusal is known by its message, which is English only if the server's `lc_messages` is (`C` or `en_..`): with another
    /// language it is an [`Error::Database`], and the transaction goes on all the same.
    NoWait,
}

/// Reads of rows that lock them, of one model: [`Tx::locking`] makes it.
#[must_use = "nothing is locked before something is found"]
pub struct Locking<'t, DB: Backend, E> {
    tx: &'t Tx<DB>,
    lock: Lock,
    entity: PhantomData<fn() -> E>,
}

impl<DB: Backend, E> std::fmt::Debug for Locking<'_, DB, E> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Locking").field("lock", &self.lock).finish_non_exhaustive()
    }
}

impl<DB: Backend> Tx<DB> {
    /// The row with this primary key, as it is now, which nobody else can change or delete until the transaction ends.
    ///
    /// One statement, `SELECT .. FOR UPDATE`, which waits for whoever has it locked. On PostgreSQL and MySQL, who inserts a row that refers
    /// to it waits too.
    ///
    /// # Errors
    /// [`Error::Database`] if it fails, as it does where two wait for each other; [`Error::is_retryable`] knows that.
    pub fn find_for_update<E: Table<DB> + Writable + Common>(&self, key: impl Into<E::Key>) -> Result<Option<E>> {
        self.locking::<E>(Lock::Wait).find(key)
    }

    /// The rows with these primary keys, in the order of `keys`, as [`Tx::find_for_update`] gives each.
    ///
    /// They are locked in the order of the primary key: transactions that lock rows so do not wait for each other in a circle. One statement
    /// for as many keys as it can bind.
    ///
    /// # Errors
    /// As [`Tx::find_for_update`].
    pub fn find_many_for_update<E: Table<DB> + Writable + Common>(&self, keys: &[E::Key]) -> Result<Vec<Option<E>>> {
        self.locking::<E>(Lock::Wait).find_many(keys)
    }

    /// Reads that lock what they find.
    ///
    /// ```no_run
    /// # use diesel::prelude::*;
    /// # diesel::table! { jobs (id) { id -> BigInt, } }
    /// # #[derive(Debug, Clone, PartialEq, Queryable, Selectable, Identifiable, larder::Repository)]
    /// # #[diesel(table_name = jobs, check_for_backend(diesel::pg::Pg))]
    /// # struct Job { id: i64 }
    /// # fn work(_: Job) -> larder::Result<()> { Ok(()) }
    /// # fn example(larder: &larder::Larder<diesel::pg::Pg>) -> larder::Result<()> {
    /// use larder::Lock;
    ///
    /// larder.transaction(|tx| {
    ///     let next = tx.locking::<Job>(Lock::SkipLocked).query(|jobs| jobs.order(jobs::id).limit(1))?;
    ///     for job in next {
    ///         Job::repository(tx).delete(job.id)?;
    ///         work(job)?;
    ///     }
    ///     Ok(())
    /// })
    /// # }
    /// ```
    pub fn locking<E: Table<DB> + Writable + Common>(&self, lock: Lock) -> Locking<'_, DB, E> {
        self.locking_any(lock)
    }

    /// Reads that lock rows which may be somebody's.
    pub(crate) fn locking_any<E>(&self, lock: Lock) -> Locking<'_, DB, E> {
        Locking { tx: self, lock, entity: PhantomData }
    }
}

impl<DB: Backend, E: Table<DB> + Writable> Locking<'_, DB, E> {
    /// The row with this primary key. One that is skipped is not found.
    ///
    /// # Errors
    /// [`Error::Locked`] if it was not to be waited for, and those of [`Tx::find_for_update`].
    pub fn find(&self, key: impl Into<E::Key>) -> Result<Option<E>> {
        let key = key.into();
        Ok(self.by_keys(std::slice::from_ref(&key))?.pop())
    }

    /// The rows with these primary keys, in the order of `keys`: `None` of what is not there or is skipped.
    ///
    /// # Errors
    /// As [`Locking::find`].
    pub fn find_many(&self, keys: &[E::Key]) -> Result<Vec<Option<E>>> {
        // Keys that the database can't tell apart are one row's.
        let keys: Vec<E::Key> = keys.iter().map(|key| key.clone().canonical(DB::KEEPS_NANOSECONDS)).collect();
        let mut rows = HashMap::with_capacity(keys.len());
        for keys in keys.chunks(load::chunk_of::<DB, E::ByKey>(0)) {
            rows.extend(self.by_keys(keys)?.into_iter().map(|row| (row.key(), row)));
        }
        Ok(keys.iter().map(|key| rows.get(key).cloned()).collect())
    }

    /// Rows by any query of Diesel's on the table, which may be filtered, ordered and limited: one statement.
    ///
    /// PostgreSQL orders and limits before it waits: of rows that others have just changed, fewer may come, and in an order that was theirs
    /// before.
    ///
    /// # Errors
    /// As [`Locking::find`].
    pub fn query<'q>(&self, refine: impl FnOnce(E::Query<'q>) -> E::Query<'q>) -> Result<Vec<E>> {
        let mut list = SelectList::new();
        E::columns(&mut list);
        let mut statement = Statement::new();
        statement.fragment(E::select(E::live(refine(E::query())), list));
        self.load(statement)
    }

    fn by_keys(&self, keys: &[E::Key]) -> Result<Vec<E>> {
        let mut statement = super::select_rows::<DB, E>();
        statement.sql(" WHERE ");
        E::ByKey::matching(keys.to_vec(), &mut statement);
        load::and_live::<DB, E>(&mut statement);
        if keys.len() > 1 {
            statement.sql(" ORDER BY ").separated(", ", E::ByKey::COLUMNS, |statement, key| {
                statement.fragment(load::table::<DB, E>()).sql(".").identifier(key);
            });
        }
        self.load(statement)
    }

    fn load(&self, mut statement: Statement<'_, DB>) -> Result<Vec<E>> {
        // Where nothing says how to lock, nothing is locked by others.
        let locks = !DB::FOR_DELETE.is_empty();
        if locks {
            statement.sql(DB::FOR_DELETE).sql(match self.lock {
                Lock::Wait => "",
                Lock::SkipLocked => " SKIP LOCKED",
                Lock::NoWait => " NOWAIT",
            });
        }
        let select = |tx: &Tx<DB>| -> Result<Vec<E>> {
            let rows: Vec<WholeRow<E>> = tx.returning::<E, _>("SELECT", statement)?;
            Ok(rows.into_iter().map(|WholeRow(row)| row).collect())
        };
        // PostgreSQL lets nothing more be done in a transaction in which a statement has failed.
        if !locks || self.lock != Lock::NoWait {
            return select(self.tx);
        }
        let rows = self.tx.savepoint(select);
        // Where InnoDB is set to roll all of it back then (`innodb_rollback_on_timeout`), it can't go on, and the error must not say so.
        rows.map_err(|error| match is_locked(&error) {
            true if self.tx.is_doomed() => Error::Doomed,
            true => Error::Locked { table: E::NAME },
            false => error,
        })
    }
}

/// Whether a statement failed because it was not to wait. Diesel gives no code for that: MySQL and MariaDB were asked for their number, and
/// PostgreSQL is known by its message, which is English only if the server is told so.
fn is_locked(error: &Error) -> bool {
    use diesel::result::Error as Diesel;
    #[cfg(feature = "mysql")]
    if let Error::Database(error) = error
        && crate::backend::mysql::number::is_lock_wait(error)
    {
        return true;
    }
    let Error::Database(Diesel::DatabaseError(_, info)) = error else { return false };
    info.message().contains("could not obtain lock on row")
}
