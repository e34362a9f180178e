//! Rows that stay in their table when they are deleted.

use super::{
    Repository,
    guarded::live,
    statement::{change_rows, delete_rows as delete_rows_forever, match_key},
};
use crate::{
    backend::Backend,
    entity::{Entity, Table, Writable},
    error::{Error, Result},
    guards::SoftDelete,
    load,
    shape::Of,
    statement::Statement,
    transaction::{Tx, delete_dependents_softly, lock_rows},
};
use diesel::{
    AppearsOnTable, Expression, expression::NonAggregate, query_builder::QueryFragment, sql_types::BoolOrNullableBool,
};

impl<DB, E> Repository<'_, DB, Of<E>>
where
    DB: Backend,
    E: Table<DB>,
{
    /// Brings back the row with this primary key, which was deleted softly: `None` if there is none that was.
    ///
    /// To the caches it is an insertion. What was deleted with it is not restored with it. One statement on PostgreSQL, two on SQLite, three on
    /// MySQL.
    ///
    /// # Errors
    /// [`Error::Database`] if a constraint says no: another row may have its unique key by now. Otherwise as [`Repository::insert`].
    #[track_caller]
    pub fn restore(&self, key: impl Into<E::Key>) -> Result<Option<E>>
    where
        E: Writable + SoftDelete,
    {
        let key = key.into();
        let mut restored = Statement::new();
        restored.identifier(deleted_at::<E>()).sql(" = NULL");
        let changes = self.source.access().here().write::<E, _>("restore", |tx| {
            change_rows::<DB, E>(tx, &restored, |statement| {
                match_key::<DB, E>(&key, statement);
                statement.sql(" AND ").fragment(load::table::<DB, E>()).sql(".");
                statement.identifier(deleted_at::<E>()).sql(" IS NOT NULL");
            })
        })?;
        Ok(changes.into_iter().find_map(|(_, new)| new))
    }

    /// Takes the row with this primary key out of its table, deleted or not, and gives it back as it was: `None` if there was none.
    ///
    /// That is what [`Repository::delete`] does where rows are not deleted softly: `on_delete` goes by what the database does. It costs the
    /// same.
    ///
    /// # Errors
    /// As [`Repository::insert`].
    #[track_caller]
    pub fn delete_forever(&self, key: impl Into<E::Key>) -> Result<Option<E>>
    where
        E: Writable + SoftDelete,
    {
        let key = key.into();
        let rows = self.source.access().here().write::<E, _>("delete", |tx| {
            delete_rows_forever::<DB, E>(tx, |statement| match_key::<DB, E>(&key, statement))
        })?;
        Ok(rows.into_iter().next())
    }

    /// Takes every row that meets a condition out of the table, deleted or not, and gives them back as they were, in no particular order.
    ///
    /// To clear away what was deleted long ago: `delete_forever_where(users::deleted_at.lt(a_month_ago))`.
    ///
    /// # Errors
    /// As [`Repository::insert`].
    #[track_caller]
    pub fn delete_forever_where<P>(&self, condition: P) -> Result<Vec<E>>
    where
        E: Writable + SoftDelete,
        P: Expression<SqlType: BoolOrNullableBool> + NonAggregate + AppearsOnTable<E::Table> + QueryFragment<DB>,
    {
        self.source.access().here().write::<E, _>("delete", |tx| {
            delete_rows_forever::<DB, E>(tx, |statement| {
                statement.fragment(Box::new(&condition));
            })
        })
    }
}

/// The column that says when a row was deleted, of models that have one.
fn deleted_at<E: Entity>() -> &'static str {
    E::GUARDS.deleted_at.map_or("", |stamp| stamp.column)
}

/// Deletes rows: softly if the model says so.
pub(super) fn delete_rows<'q, DB: Backend, E: Table<DB>>(
    tx: &Tx<DB>,
    condition: impl FnOnce(&mut Statement<'q, DB>),
) -> Result<Vec<E>> {
    if E::GUARDS.deleted_at.is_none() {
        return delete_rows_forever(tx, condition);
    }
    delete_softly(tx, condition)
}

/// Sets the time of their deletion in rows that have none, and in what goes with them: gives the rows as they were.
pub(crate) fn delete_softly<'q, DB: Backend, E: Table<DB>>(
    tx: &Tx<DB>,
    condition: impl FnOnce(&mut Statement<'q, DB>),
) -> Result<Vec<E>> {
    let (mut deleted, mut matching) = (Statement::new(), Statement::new());
    deleted
        .identifier(deleted_at::<E>())
        .sql(" = ")
        .sql(E::GUARDS.deleted_at.map_or("NULL", |stamp| DB::now(stamp.form)));
    condition(&mut matching);
    let changes = change_rows::<DB, E>(tx, &deleted, |statement| {
        live::<DB, E>(|statement| _ = statement.fragment(Box::new(matching)), statement);
    })?;
    let rows: Vec<E> = changes.into_iter().filter_map(|(old, _)| old).collect();
    if E::HAS_DEPENDENTS && !rows.is_empty() {
        let keys: Vec<E::Key> = rows.iter().map(E::key).collect();
        delete_dependents_softly::<DB, E>(tx, &keys)?;
    }
    Ok(rows)
}

/// Fails if the row with this key is there, and deleted.
pub(super) fn fail_if_deleted<DB: Backend, E: Table<DB>>(tx: &Tx<DB>, key: &E::Key) -> Result<()> {
    if E::GUARDS.deleted_at.is_none() {
        return Ok(());
    }
    let rows: Vec<E> = lock_rows(tx, DB::FOR_CHANGE, |statement| match_key::<DB, E>(key, statement))?;
    if rows.iter().any(Entity::is_deleted) { Err(Error::Deleted { table: E::NAME }) } else { Ok(()) }
}
