//! Writes of a repository.

mod each;
mod guarded;
#[cfg(feature = "behind")]
mod joined;
mod records;
mod soft;
mod statement;
mod version;

use diesel::{
    AppearsOnTable, AsChangeset, Expression, Insertable, expression::NonAggregate, query_builder::QueryFragment,
    sql_types::BoolOrNullableBool,
};

#[cfg(feature = "behind")]
pub(crate) use self::joined::{Joined, joined_update, update_joined};
pub(crate) use self::soft::delete_softly;
pub(crate) use self::statement::{push_columns, register, write_of};
pub use self::{each::EachColumns, records::Records};
use self::{
    records::for_each_statement,
    soft::{delete_rows, fail_if_deleted},
    statement::{
        OnConflict, changes_nothing, insert_values, lock_key, match_key, unreturned::insert_rows, update_key,
        update_rows,
    },
};
use super::Repository;
use crate::{
    backend::Backend,
    entity::{Table, Writable},
    error::{Error, Result},
    load,
    session::Target,
    shape::Of,
    transaction::Tx,
};

/// How many rows one INSERT has at most: more make it no quicker, and its text larger.
const INSERT_ROWS: usize = 5_000;

/// How often an upsert starts again because others insert and delete the same row at that very moment.
const UPSERT_TRIES: usize = 8;

impl<DB, E> Repository<'_, DB, Of<E>>
where
    DB: Backend,
    E: Table<DB>,
{
    /// Inserts a row, and gives it back as the database has it.
    ///
    /// One statement; outside of a transaction it makes its own. MySQL returns no rows: there it is one more that reads the row by the primary
    /// key that `record` gives it; if an `AUTO_INCREMENT` column is left out, yet another before.
    ///
    /// # Errors
    /// [`Error::Database`] if a constraint says no, and those of [`Larder::transaction`](crate::Larder::transaction). On MySQL also a primary
    /// key that is computed by SQL, or by a default or a trigger: the row could not be found again.
    #[track_caller]
    pub fn insert<R>(&self, record: R) -> Result<E>
    where
        E: Writable,
        R: Insertable<E::Table>,
        R::Values: QueryFragment<DB>,
    {
        let values = record.values();
        let rows = self
            .source
            .access()
            .here()
            .write::<E, _>("insert", |tx| insert_values::<DB, E>(tx, Box::new(&values), OnConflict::Fail))?;
        rows.into_iter().next().ok_or(Error::Database(diesel::result::Error::NotFound))
    }

    /// Inserts rows, all or none of them, and gives them back as the database has them, in their order.
    ///
    /// On PostgreSQL one statement for 5,000 rows, or for fewer if those have more than 65,535 values together: then for half as
    /// many, or a quarter, and so on. On SQLite one statement for each row, since it has no word for a default in a list of rows. On MySQL
    /// two for as many rows as on PostgreSQL, or three for each row that leaves its key to `AUTO_INCREMENT`.
    ///
    /// # Errors
    /// As [`Repository::insert`].
    #[track_caller]
    pub fn insert_many<R>(&self, records: R) -> Result<Vec<E>>
    where
        E: Writable,
        R: Records<DB, E::Table>,
    {
        self.insert_all(&records, OnConflict::Fail)
    }

    /// Inserts those rows whose primary key is not there yet, and gives back the ones that were inserted.
    ///
    /// What is there stays as it is: a work that was done half can be done again. Costs as [`Repository::insert_many`]; on MySQL, if any of
    /// the rows is there, up to three statements for each.
    ///
    /// # Errors
    /// As [`Repository::insert`]; also a unique key other than the primary one that a row shares with another.
    #[track_caller]
    pub fn insert_missing<R>(&self, records: R) -> Result<Vec<E>>
    where
        E: Writable,
        R: Records<DB, E::Table>,
    {
        self.insert_all(&records, OnConflict::Keep)
    }

    #[track_caller]
    fn insert_all<R>(&self, records: &R, conflict: OnConflict) -> Result<Vec<E>>
    where
        R: Records<DB, E::Table>,
    {
        if records.n_rows() == 0 {
            return Ok(Vec::new());
        }
        let insert = |tx: &Tx<DB>| {
            let mut inserted = Vec::with_capacity(records.n_rows());
            for_each_statement(records, INSERT_ROWS, |values, rows| {
                if DB::RETURNS {
                    inserted.extend(insert_values::<DB, E>(tx, values, conflict)?);
                } else {
                    inserted.extend(insert_rows::<DB, E>(tx, values, conflict, || records.fragments_of_each(rows))?);
                }
                Ok(())
            })?;
            Ok(inserted)
        };
        match self.source.access().target() {
            // Of several statements some may have been done when one fails, and the transaction go on.
            Target::Transaction(tx) if DB::INSERTS_ROW_BY_ROW && records.n_rows() > 1 => tx.savepoint(insert),
            _ => self.source.access().here().write::<E, _>("insert", insert),
        }
    }

    /// Changes the row with this primary key, and gives it back as the database has it.
    ///
    /// One statement on PostgreSQL, two on SQLite, three on MySQL. Changes that change nothing (every field `None`) are no error and send no
    /// UPDATE: the row is read as [`Repository::get`] reads it.
    ///
    /// # Errors
    /// [`Error::NotFound`] if there is no such row; otherwise as [`Repository::update_where`].
    #[track_caller]
    pub fn update<C>(&self, key: impl Into<E::Key>, changes: C) -> Result<E>
    where
        E: Writable,
        C: AsChangeset<Target = E::Table>,
        C::Changeset: QueryFragment<DB>,
    {
        let (key, changes) = (key.into(), changes.as_changeset());
        let found = if changes_nothing::<DB>(&changes)? {
            let keys = std::slice::from_ref(&key);
            let mut groups =
                load::rows_by::<DB, E::ByKey, crate::shape::Whole<E>>(self.source.access().here(), keys, 1)?;
            groups.pop().and_then(|mut rows| rows.pop()).map(|row| row.0)
        } else {
            self.source.access().here().write::<E, _>("update", |tx| update_key(tx, &key, &changes))?
        };
        found.ok_or(Error::NotFound { table: E::NAME })
    }

    /// Changes every row that meets a condition, in Diesel's language, and gives them back in no particular order.
    ///
    /// One statement on PostgreSQL. On SQLite one that reads the rows and one that changes them, or one for each 32,000 or so of
    /// them; the primary keys of more rows than that can't be changed at once. Changes that change nothing send none, and give
    /// no rows.
    ///
    /// # Errors
    /// As [`Repository::insert`]. On MySQL also a change of primary keys: the rows could not be found again.
    #[track_caller]
    pub fn update_where<P, C>(&self, condition: P, changes: C) -> Result<Vec<E>>
    where
        E: Writable,
        P: Expression<SqlType: BoolOrNullableBool> + NonAggregate + AppearsOnTable<E::Table> + QueryFragment<DB>,
        C: AsChangeset<Target = E::Table>,
        C::Changeset: QueryFragment<DB>,
    {
        let changes = changes.as_changeset();
        if changes_nothing::<DB>(&changes)? {
            return Ok(Vec::new());
        }
        self.source.access().here().write::<E, _>("update", |tx| {
            update_rows::<DB, E>(tx, &changes, |statement| {
                statement.fragment(Box::new(&condition));
            })
        })
    }

    /// Changes the row with this primary key, or inserts it if there is none, and gives it back as the database has it.
    ///
    /// On PostgreSQL one statement if the row is there, and two if it is not; on SQLite two, on MySQL three, whichever it is. Safe against
    /// others who insert or delete the row at the same time.
    ///
    /// # Errors
    /// As [`Repository::insert`]; also a unique key other than the primary one that `record` shares with another row.
    #[track_caller]
    pub fn upsert<R, C>(&self, key: impl Into<E::Key>, record: R, changes: C) -> Result<E>
    where
        E: Writable,
        R: Insertable<E::Table>,
        R::Values: QueryFragment<DB>,
        C: AsChangeset<Target = E::Table>,
        C::Changeset: QueryFragment<DB>,
    {
        let (key, values, changes) = (key.into(), record.values(), changes.as_changeset());
        let unchanged = changes_nothing::<DB>(&changes)?;
        self.source.access().here().write::<E, _>("upsert", |tx| {
            for _ in 0..UPSERT_TRIES {
                let updated = if unchanged { lock_key(tx, &key)? } else { update_key(tx, &key, &changes)? };
                if let Some(row) = updated {
                    return Ok(row);
                }
                let inserted = insert_values::<DB, E>(tx, Box::new(&values), OnConflict::Keep)?;
                if let Some(row) = inserted.into_iter().next() {
                    return Ok(row);
                }
                fail_if_deleted::<DB, E>(tx, &key)?;
            }
            // The database may call equal to the key what is another one here: then it has the word.
            let inserted = insert_values::<DB, E>(tx, Box::new(&values), OnConflict::Fail)?;
            inserted.into_iter().next().ok_or(Error::Database(diesel::result::Error::NotFound))
        })
    }

    /// Deletes the row with this primary key, and gives it back as it was: `None` if there was none.
    ///
    /// One statement; if a relation is declared with `on_delete`, one more that reads the row, and one that reads what depends
    /// on it for each such relation and level.
    ///
    /// # Errors
    /// As [`Repository::insert`].
    #[track_caller]
    pub fn delete(&self, key: impl Into<E::Key>) -> Result<Option<E>>
    where
        E: Writable,
    {
        let key = key.into();
        let rows =
            self.source.access().here().write::<E, _>("delete", |tx| {
                delete_rows::<DB, E>(tx, |statement| match_key::<DB, E>(&key, statement))
            })?;
        Ok(rows.into_iter().next())
    }

    /// Deletes every row that meets a condition, in Diesel's language, and gives them back as they were, in no particular order.
    ///
    /// Costs as [`Repository::delete`]; where relations are declared with `on_delete`, one statement each for as many rows as it
    /// can bind (some 65,000 on PostgreSQL, 32,000 on SQLite).
    ///
    /// # Errors
    /// As [`Repository::insert`].
    #[track_caller]
    pub fn delete_where<P>(&self, condition: P) -> Result<Vec<E>>
    where
        E: Writable,
        P: Expression<SqlType: BoolOrNullableBool> + NonAggregate + AppearsOnTable<E::Table> + QueryFragment<DB>,
    {
        self.source.access().here().write::<E, _>("delete", |tx| {
            delete_rows::<DB, E>(tx, |statement| {
                statement.fragment(Box::new(&condition));
            })
        })
    }
}
