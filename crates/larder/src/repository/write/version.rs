//! Writes of a row that must be as the caller has seen it.

use diesel::{AsChangeset, query_builder::QueryFragment};

use super::{
    Repository,
    soft::delete_rows,
    statement::{changes_nothing, lock_key, match_key, update_rows},
};
use crate::{
    backend::Backend,
    entity::{Table, Writable},
    error::{Error, Result},
    guards::Versioned,
    load,
    shape::Of,
    statement::Statement,
    transaction::Tx,
};

/// How often a write is tried that finds its row, and did not find it a moment before.
const TRIES: usize = 2;

impl<DB, E> Repository<'_, DB, Of<E>>
where
    DB: Backend,
    E: Table<DB>,
{
    /// Changes the row with this primary key if it still has this version, and gives it back as the database has it then, one version on.
    ///
    /// Of all who write a row at one version, exactly one succeeds. Changes that change nothing are checked too, and count no version.
    /// Costs as [`Repository::update`], and one statement more if there is a conflict.
    ///
    /// # Errors
    /// [`Error::Conflict`] if the row has another version or is gone, after which a transaction can go on; [`Error::SetByLarder`] if the
    /// changes set the version themselves; otherwise as [`Repository::insert`].
    #[track_caller]
    pub fn update_at<C>(&self, key: impl Into<E::Key>, version: impl Into<i64>, changes: C) -> Result<E>
    where
        E: Writable + Versioned,
        C: AsChangeset<Target = E::Table>,
        C::Changeset: QueryFragment<DB>,
    {
        let (key, version, changes) = (key.into(), version.into(), changes.as_changeset());
        let unchanged = changes_nothing::<DB>(&changes)?;
        self.source.access().here().write::<E, _>("update", |tx| {
            checked(tx, &key, version, || {
                if unchanged {
                    return Ok(lock_key::<DB, E>(tx, &key)?.filter(|row| row.version() == Some(version)));
                }
                Ok(update_rows::<DB, E>(tx, &changes, |statement| at::<DB, E>(&key, version, statement))?.pop())
            })
        })
    }

    /// Deletes the row with this primary key if it still has this version, and gives it back as it was.
    ///
    /// Costs as [`Repository::delete`], and one statement more if there is a conflict.
    ///
    /// # Errors
    /// As [`Repository::update_at`].
    #[track_caller]
    pub fn delete_at(&self, key: impl Into<E::Key>, version: impl Into<i64>) -> Result<E>
    where
        E: Writable + Versioned,
    {
        let (key, version) = (key.into(), version.into());
        self.source.access().here().write::<E, _>("delete", |tx| {
            checked(tx, &key, version, || {
                Ok(delete_rows::<DB, E>(tx, |statement| at::<DB, E>(&key, version, statement))?.pop())
            })
        })
    }
}

/// Appends that a row has this key and this version.
fn at<'q, DB: Backend, E: Table<DB>>(key: &E::Key, version: i64, statement: &mut Statement<'q, DB>) {
    match_key::<DB, E>(key, statement);
    statement.sql(" AND ").fragment(load::table::<DB, E>()).sql(".");
    statement.identifier(E::GUARDS.version.unwrap_or_default()).sql(" = ");
    DB::bind_number(version, statement);
}

/// Runs a write that finds no row of another version, and tells which one there is.
fn checked<DB: Backend, E: Table<DB>>(
    tx: &Tx<DB>,
    key: &E::Key,
    expected: i64,
    write: impl Fn() -> Result<Option<E>>,
) -> Result<E> {
    let mut found = None;
    for _ in 0..TRIES {
        if let Some(row) = write()? {
            return Ok(row);
        }
        found = lock_key::<DB, E>(tx, key)?.and_then(|row| row.version());
        // Whoever has made it such a row since can't change it now, as it is locked.
        if found != Some(expected) {
            break;
        }
    }
    Err(Error::Conflict { table: E::NAME, expected, found })
}
