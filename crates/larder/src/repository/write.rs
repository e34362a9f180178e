use diesel::{
    AsChangeset, Expression, Insertable, expression::NonAggregate, query_builder::QueryFragment,
    sql_types::BoolOrNullableBool,
};

use super::Repository;
use crate::{
    backend::{Backend, InsertRows},
    entity::{Pattern, PatternOn, Table},
    error::{Error, Result},
    load,
    row::{FromRow, RowReader, SelectList, WholeRow},
    session::Access,
    shape::Of,
    statement::{Fragment, Statement},
    transaction::{Tx, delete_dependents, lock_rows},
};

/// How often an upsert starts again because others insert and delete the same row at that very moment.
const UPSERT_TRIES: usize = 8;

/// The rows of the last statement, with what they were before it.
type Changes<E> = Vec<(Option<E>, Option<E>)>;

impl<DB, E> Repository<'_, DB, Of<E>>
where
    DB: Backend,
    E: Table<DB>,
{
    /// Inserts a row, and gives it back as the database has it.
    ///
    /// One statement; outside of a transaction it makes its own.
    ///
    /// # Errors
    /// [`Error::Database`] if a constraint says no, and those of [`Larder::transaction`](crate::Larder::transaction).
    pub fn insert<R>(&self, record: R) -> Result<E>
    where
        R: Insertable<E::Table>,
        R::Values: QueryFragment<DB>,
    {
        let values = record.values();
        let rows = self.access.write(|tx| insert_values::<DB, E>(tx, Box::new(&values), OnConflict::Fail))?;
        rows.into_iter().next().ok_or(Error::Database(diesel::result::Error::NotFound))
    }

    /// Inserts rows, all or none of them, and gives them back as the database has them, in their order.
    ///
    /// One statement for as many rows as it can bind (65,535 values on PostgreSQL); on SQLite one for each row.
    ///
    /// # Errors
    /// As [`Repository::insert`].
    pub fn insert_many<R>(&self, records: R) -> Result<Vec<E>>
    where
        R: Records<DB, E::Table>,
    {
        self.insert_all(&records, OnConflict::Fail)
    }

    /// Inserts those rows whose primary key is not there yet, and gives back the ones that were inserted.
    ///
    /// What is there stays as it is: a work that was done half can be done again. Costs as [`Repository::insert_many`].
    ///
    /// # Errors
    /// As [`Repository::insert`]; also a unique key other than the primary one that a row shares with another.
    pub fn insert_missing<R>(&self, records: R) -> Result<Vec<E>>
    where
        R: Records<DB, E::Table>,
    {
        self.insert_all(&records, OnConflict::Keep)
    }

    fn insert_all<R>(&self, records: &R, conflict: OnConflict) -> Result<Vec<E>>
    where
        R: Records<DB, E::Table>,
    {
        if records.is_empty() {
            return Ok(Vec::new());
        }
        let mut list = SelectList::<DB>::new();
        E::columns(&mut list);
        let chunk = (DB::MAX_BINDS / list.items.len().max(1)).clamp(1, 5_000);
        self.access.write(|tx| {
            let mut inserted = Vec::new();
            for values in records.fragments(chunk) {
                inserted.extend(insert_values::<DB, E>(tx, values, conflict)?);
            }
            Ok(inserted)
        })
    }

    /// Changes the row with this primary key, and gives it back as the database has it.
    ///
    /// One statement on PostgreSQL, two on SQLite. Changes that change nothing (every field `None`) are no error and send no
    /// UPDATE: the row is read as [`Repository::get`] reads it.
    ///
    /// # Errors
    /// [`Error::NotFound`] if there is no such row; otherwise as [`Repository::insert`].
    pub fn update<C>(&self, key: impl Into<E::Key>, changes: C) -> Result<E>
    where
        C: AsChangeset<Target = E::Table>,
        C::Changeset: QueryFragment<DB>,
    {
        let (key, changes) = (key.into(), changes.as_changeset());
        let found = if changes_nothing::<DB>(&changes)? {
            let keys = std::slice::from_ref(&key);
            let mut groups = load::rows_by::<DB, E::ByKey, crate::shape::Whole<E>>(self.access, keys, 1)?;
            groups.pop().and_then(|mut rows| rows.pop()).map(|row| row.0)
        } else {
            self.access.write(|tx| update_key(tx, &key, &changes))?
        };
        found.ok_or(Error::NotFound { table: E::NAME })
    }

    /// Changes every row that meets a condition, in Diesel's language, and gives them back in no particular order.
    ///
    /// One statement on PostgreSQL, two on SQLite. Changes that change nothing send none, and give no rows.
    ///
    /// # Errors
    /// As [`Repository::insert`].
    pub fn update_where<P, C>(&self, condition: P, changes: C) -> Result<Vec<E>>
    where
        P: Expression<SqlType: BoolOrNullableBool> + NonAggregate + QueryFragment<DB>,
        C: AsChangeset<Target = E::Table>,
        C::Changeset: QueryFragment<DB>,
    {
        let changes = changes.as_changeset();
        if changes_nothing::<DB>(&changes)? {
            return Ok(Vec::new());
        }
        self.access.write(|tx| {
            update_rows::<DB, E>(tx, Box::new(&changes), |statement| {
                statement.fragment(Box::new(&condition));
            })
        })
    }

    /// Changes the row with this primary key, or inserts it if there is none, and gives it back as the database has it.
    ///
    /// One statement if the row is there (two on SQLite), one more if it is not. Safe against others who insert or delete the row
    /// at the same time.
    ///
    /// # Errors
    /// As [`Repository::insert`]; also a unique key other than the primary one that `record` shares with another row.
    pub fn upsert<R, C>(&self, key: impl Into<E::Key>, record: R, changes: C) -> Result<E>
    where
        R: Insertable<E::Table>,
        R::Values: QueryFragment<DB>,
        C: AsChangeset<Target = E::Table>,
        C::Changeset: QueryFragment<DB>,
    {
        let (key, values, changes) = (key.into(), record.values(), changes.as_changeset());
        let unchanged = changes_nothing::<DB>(&changes)?;
        self.access.write(|tx| {
            for _ in 0..UPSERT_TRIES {
                let updated = if unchanged { lock_key(tx, &key)? } else { update_key(tx, &key, &changes)? };
                if let Some(row) = updated {
                    return Ok(row);
                }
                let inserted = insert_values::<DB, E>(tx, Box::new(&values), OnConflict::Keep)?;
                if let Some(row) = inserted.into_iter().next() {
                    return Ok(row);
                }
            }
            Err(Error::Database(diesel::result::Error::NotFound))
        })
    }

    /// Deletes the row with this primary key, and gives it back as it was: `None` if there was none.
    ///
    /// One statement; if a relation is declared with `on_delete`, one more for the row and one for each level below it.
    ///
    /// # Errors
    /// As [`Repository::insert`].
    pub fn delete(&self, key: impl Into<E::Key>) -> Result<Option<E>> {
        let key = key.into();
        let rows = self.access.write(|tx| delete_rows::<DB, E>(tx, |statement| match_key::<DB, E>(&key, statement)))?;
        Ok(rows.into_iter().next())
    }

    /// Deletes every row that meets a condition, in Diesel's language, and gives them back as they were, in no particular order.
    ///
    /// Costs as [`Repository::delete`].
    ///
    /// # Errors
    /// As [`Repository::insert`].
    pub fn delete_where<P>(&self, condition: P) -> Result<Vec<E>>
    where
        P: Expression<SqlType: BoolOrNullableBool> + NonAggregate + QueryFragment<DB>,
    {
        self.access.write(|tx| {
            delete_rows::<DB, E>(tx, |statement| {
                statement.fragment(Box::new(&condition));
            })
        })
    }
}

/// Rows to insert: a slice, an array or a vector of what one row is inserted from, by reference.
pub trait Records<DB: Backend, T> {
    #[doc(hidden)]
    fn is_empty(&self) -> bool;

    /// What stands behind `INSERT INTO table`, for at most `n` rows each.
    #[doc(hidden)]
    fn fragments<'r>(&'r self, n: usize) -> impl Iterator<Item = Fragment<'r, DB>>
    where
        DB: 'r;
}

macro_rules! records {
    ($(($($generic:tt)*) $type:ty;)*) => {$(
        impl<'a, DB, T, R, $($generic)*> Records<DB, T> for &'a $type
        where
            DB: InsertRows<'a, R, T>,
        {
            fn is_empty(&self) -> bool {
                self[..].is_empty()
            }

            fn fragments<'r>(&'r self, n: usize) -> impl Iterator<Item = Fragment<'r, DB>>
            where
                DB: 'r,
            {
                self[..].chunks(n).flat_map(|rows| DB::insert_rows(rows).into_iter().map(|fragment| fragment as Fragment<'r, DB>))
            }
        }
    )*};
}

records! {
    () [R];
    () Vec<R>;
    (const N: usize) [R; N];
}

fn changes_nothing<DB: Backend>(changes: &impl QueryFragment<DB>) -> Result<bool> {
    Ok(changes.is_noop(&DB::default())?)
}

fn match_key<'q, DB: Backend, E: Table<DB>>(key: &E::Key, statement: &mut Statement<'q, DB>) {
    E::ByKey::matching(vec![key.clone()], statement);
}

fn push_columns<DB: Backend, E: Table<DB>>(statement: &mut Statement<'_, DB>) {
    let mut list = SelectList::new();
    E::columns(&mut list);
    statement.separated(", ", list.items, |statement, item| {
        statement.fragment(item);
    });
}

fn push_set<'q, DB: Backend, E: Table<DB>>(changes: Fragment<'q, DB>, statement: &mut Statement<'q, DB>) {
    statement.sql("UPDATE ").fragment(load::table::<DB, E>()).sql(" SET ").fragment(changes);
}

fn load_rows<DB: Backend, E: Table<DB>>(tx: &Tx<DB>, statement: Statement<'_, DB>) -> Result<Vec<E>> {
    let rows: Vec<WholeRow<E>> = Access::Transaction(tx).load(statement)?;
    Ok(rows.into_iter().map(|WholeRow(row)| row).collect())
}

/// Takes down what a statement has changed, and gives the new rows.
fn register<DB: Backend, E: Table<DB>>(tx: &Tx<DB>, changes: &Changes<E>) {
    tx.register(|effects| {
        for (old, new) in changes {
            effects.changed(old.as_ref(), new.as_ref());
        }
    });
}

/// What becomes of a row whose primary key is there already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum OnConflict {
    /// The statement fails.
    Fail,
    /// The row that is there stays, and the new one is passed over.
    Keep,
}

fn insert_values<DB: Backend, E: Table<DB>>(
    tx: &Tx<DB>,
    values: Fragment<'_, DB>,
    conflict: OnConflict,
) -> Result<Vec<E>> {
    let mut statement = Statement::new();
    statement.sql("INSERT INTO ").fragment(load::table::<DB, E>()).sql(" ").fragment(values);
    if conflict == OnConflict::Keep {
        statement.sql(" ON CONFLICT (").separated(", ", E::ByKey::COLUMNS, |statement, column| {
            statement.identifier(column);
        });
        statement.sql(") DO NOTHING");
    }
    statement.sql(" RETURNING ");
    push_columns::<DB, E>(&mut statement);
    let rows = load_rows::<DB, E>(tx, statement)?;
    let changes: Changes<E> = rows.into_iter().map(|row| (None, Some(row))).collect();
    register(tx, &changes);
    Ok(changes.into_iter().filter_map(|(_, new)| new).collect())
}

fn lock_key<DB: Backend, E: Table<DB>>(tx: &Tx<DB>, key: &E::Key) -> Result<Option<E>> {
    Ok(lock_rows::<DB, E>(tx, DB::FOR_CHANGE, |statement| match_key::<DB, E>(key, statement))?.pop())
}

fn update_key<DB: Backend, E: Table<DB>>(
    tx: &Tx<DB>,
    key: &E::Key,
    changes: &impl QueryFragment<DB>,
) -> Result<Option<E>> {
    Ok(update_rows::<DB, E>(tx, Box::new(changes), |statement| match_key::<DB, E>(key, statement))?.pop())
}

/// Changes rows, and reads from the database in the same breath what they were: the caller's idea of that may be old.
fn update_rows<'q, DB: Backend, E: Table<DB>>(
    tx: &Tx<DB>,
    changes: Fragment<'q, DB>,
    condition: impl FnOnce(&mut Statement<'q, DB>),
) -> Result<Vec<E>> {
    let changes: Changes<E> = if DB::UPDATE_RETURNS_OLD {
        let rows: Vec<OldAndNew<E>> =
            Access::Transaction(tx).load(update_returning_old::<DB, E>(changes, condition))?;
        rows.into_iter().map(|OldAndNew(old, new)| (Some(old), Some(new))).collect()
    } else {
        let old: Vec<E> = lock_rows(tx, DB::FOR_CHANGE, condition)?;
        if old.is_empty() {
            return Ok(Vec::new());
        }
        let keys = old.iter().map(E::key).collect();
        let mut statement = Statement::new();
        push_set::<DB, E>(changes, &mut statement);
        statement.sql(" WHERE ");
        E::ByKey::matching(keys, &mut statement);
        statement.sql(" RETURNING ");
        push_columns::<DB, E>(&mut statement);
        let new = load_rows::<DB, E>(tx, statement)?;
        // Which new row was which old one does not matter: every cell of either is told of, the old ones first.
        old.into_iter().map(|row| (Some(row), None)).chain(new.into_iter().map(|row| (None, Some(row)))).collect()
    };
    register(tx, &changes);
    Ok(changes.into_iter().filter_map(|(_, new)| new).collect())
}

/// `UPDATE t SET .. FROM (SELECT .. FOR UPDATE) old WHERE t.key = old.key RETURNING old.*, t.*`: the subselect waits for others
/// and sees what they left behind, so the old row is the one that this statement changed.
fn update_returning_old<'q, DB: Backend, E: Table<DB>>(
    changes: Fragment<'q, DB>,
    condition: impl FnOnce(&mut Statement<'q, DB>),
) -> Statement<'q, DB> {
    let keys = E::ByKey::COLUMNS;
    let mut list = SelectList::<DB>::new();
    E::columns(&mut list);
    let n_columns = list.n_columns;

    let mut statement = Statement::new();
    push_set::<DB, E>(changes, &mut statement);
    statement.sql(" FROM (SELECT ").separated(", ", keys, |statement, key| push_column::<DB, E>(key, statement));
    statement.sql(", ");
    push_columns::<DB, E>(&mut statement);
    statement.sql(" FROM ").fragment(load::table::<DB, E>()).sql(" WHERE ");
    condition(&mut statement);
    statement.sql(DB::FOR_CHANGE).sql(") AS larder_old(").separated(", ", 0..keys.len(), |statement, at| {
        statement.sql(format!("k{at}"));
    });
    statement.sql(", ").separated(", ", 0..n_columns, |statement, at| {
        statement.sql(format!("c{at}"));
    });
    statement.sql(") WHERE ").separated(" AND ", keys.iter().enumerate(), |statement, (at, key)| {
        push_column::<DB, E>(key, statement);
        statement.sql(format!(" = larder_old.k{at}"));
    });
    statement.sql(" RETURNING ").separated(", ", 0..n_columns, |statement, at| {
        statement.sql(format!("larder_old.c{at}"));
    });
    statement.sql(", ");
    push_columns::<DB, E>(&mut statement);
    statement
}

fn push_column<DB: Backend, E: Table<DB>>(name: &'static str, statement: &mut Statement<'_, DB>) {
    statement.fragment(load::table::<DB, E>()).sql(".").identifier(name);
}

fn delete_rows<'q, DB: Backend, E: Table<DB>>(
    tx: &Tx<DB>,
    condition: impl FnOnce(&mut Statement<'q, DB>),
) -> Result<Vec<E>> {
    let mut statement = Statement::new();
    statement.sql("DELETE FROM ").fragment(load::table::<DB, E>()).sql(" WHERE ");
    if E::HAS_DEPENDENTS {
        // The rows are locked first, so that no new dependent can come between looking for them and the deletion.
        let rows: Vec<E> = lock_rows(tx, DB::FOR_DELETE, condition)?;
        if rows.is_empty() {
            return Ok(rows);
        }
        let keys: Vec<E::Key> = rows.iter().map(E::key).collect();
        delete_dependents::<DB, E>(tx, &keys)?;
        E::ByKey::matching(keys, &mut statement);
    } else {
        condition(&mut statement);
    }
    statement.sql(" RETURNING ");
    push_columns::<DB, E>(&mut statement);
    let changes: Changes<E> = load_rows::<DB, E>(tx, statement)?.into_iter().map(|row| (Some(row), None)).collect();
    register(tx, &changes);
    Ok(changes.into_iter().filter_map(|(old, _)| old).collect())
}

/// A changed row as it was and as it is.
struct OldAndNew<E>(E, E);

impl<DB: Backend, E: Table<DB>> FromRow<DB> for OldAndNew<E> {
    fn from_row<'r, R: diesel::row::Row<'r, DB>>(row: &mut RowReader<'_, R>) -> diesel::deserialize::Result<Self> {
        Ok(Self(E::build(row)?, E::build(row)?))
    }
}
