//! The statements that write rows, and what they tell the transaction.

pub(super) mod unreturned;

use std::collections::HashSet;

use diesel::query_builder::QueryFragment;

use super::guarded::{guarded, live};
use crate::{
    backend::Backend,
    entity::{Entity, Pattern, PatternOn, Table},
    error::{Error, Result},
    load,
    row::{FromRow, RowReader, SelectList, WholeRow},
    statement::{Fragment, Statement, mark},
    transaction::{Tx, delete_dependents, lock_rows},
    upkeep::Happened,
};

/// The rows of the last statement, with what they were before it.
pub(crate) type Changes<E> = Vec<(Option<E>, Option<E>)>;

pub(super) fn changes_nothing<DB: Backend>(changes: &impl QueryFragment<DB>) -> Result<bool> {
    Ok(changes.is_noop(&DB::default())?)
}

pub(super) fn match_key<'q, DB: Backend, E: Table<DB>>(key: &E::Key, statement: &mut Statement<'q, DB>) {
    E::ByKey::matching(vec![key.clone()], statement);
}

pub(crate) fn push_columns<DB: Backend, E: Table<DB>>(statement: &mut Statement<'_, DB>) {
    let mut list = SelectList::new();
    E::columns(&mut list);
    statement.separated(", ", list.items, |statement, item| {
        statement.fragment(item);
    });
}

/// The beginning of a statement that changes rows of `E`, and whose changes the caches are told of.
pub(crate) fn write_of<'q, DB: Backend, E: Table<DB>>(tx: &Tx<DB>) -> Statement<'q, DB> {
    let mut statement = Statement::new();
    if DB::IS_WATCHED && tx.tells_caches() {
        statement.sql(mark(E::cells_name()));
    }
    statement
}

fn push_set<'q, DB: Backend, E: Table<DB>>(
    changes: &'q impl QueryFragment<DB>,
    statement: &mut Statement<'q, DB>,
) -> Result<()> {
    let guards = guarded::<DB, E>(changes)?;
    statement.sql("UPDATE ").fragment(load::table::<DB, E>()).sql(" SET ").fragment(Box::new(changes));
    guards.push::<DB, E>(statement);
    Ok(())
}

fn load_rows<DB: Backend, E: Table<DB>>(
    tx: &Tx<DB>,
    operation: &'static str,
    statement: Statement<'_, DB>,
) -> Result<Vec<E>> {
    let rows: Vec<WholeRow<E>> = tx.returning::<E, _>(operation, statement)?;
    Ok(rows.into_iter().map(|WholeRow(row)| row).collect())
}

/// Takes down what a statement has changed, and gives the new rows.
pub(crate) fn register<DB: Backend, E: Table<DB>>(tx: &Tx<DB>, changes: &Changes<E>) {
    // What a row was, and what it is, may stand apart.
    let (n_old, n_new) = changes.iter().fold((0, 0), |(n_old, n_new), (old, new)| {
        (n_old + u64::from(old.is_some()), n_new + u64::from(new.is_some()))
    });
    tx.lookout().figures.of::<E>().rows_written.add(n_old.max(n_new));
    tx.register(|effects| {
        for (old, new) in changes {
            effects.changed(old.as_ref(), new.as_ref());
        }
    });
    tx.inserted::<E>(|| {
        let inserted = changes.iter().filter(|(old, _)| old.is_none());
        inserted.filter_map(|(_, new)| Some(new.as_ref()?.key())).collect()
    });
    tx.happened(&Happened::Changed(changes));
}

/// What becomes of a row whose primary key is there already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum OnConflict {
    /// The statement fails.
    Fail,
    /// The row that is there stays, and the new one is passed over.
    Keep,
}

pub(super) fn insert_values<DB: Backend, E: Table<DB>>(
    tx: &Tx<DB>,
    values: Fragment<'_, DB>,
    conflict: OnConflict,
) -> Result<Vec<E>> {
    if !DB::RETURNS {
        return unreturned::insert_row(tx, values, conflict).map(Vec::from_iter);
    }
    let mut statement = write_of::<DB, E>(tx);
    statement.sql("INSERT INTO ").fragment(load::table::<DB, E>()).sql(" ").fragment(values);
    if conflict == OnConflict::Keep {
        statement.sql(" ON CONFLICT (").separated(", ", E::ByKey::COLUMNS, |statement, column| {
            statement.identifier(column);
        });
        statement.sql(") DO NOTHING");
    }
    statement.sql(" RETURNING ");
    push_columns::<DB, E>(&mut statement);
    let rows = load_rows::<DB, E>(tx, "INSERT", statement)?;
    let changes: Changes<E> = rows.into_iter().map(|row| (None, Some(row))).collect();
    register(tx, &changes);
    Ok(changes.into_iter().filter_map(|(_, new)| new).collect())
}

pub(super) fn lock_key<DB: Backend, E: Table<DB>>(tx: &Tx<DB>, key: &E::Key) -> Result<Option<E>> {
    let condition = |statement: &mut Statement<'_, DB>| {
        live::<DB, E>(|statement| match_key::<DB, E>(key, statement), statement);
    };
    Ok(lock_rows::<DB, E>(tx, DB::FOR_CHANGE, condition)?.pop())
}

pub(super) fn update_key<DB: Backend, E: Table<DB>>(
    tx: &Tx<DB>,
    key: &E::Key,
    changes: &impl QueryFragment<DB>,
) -> Result<Option<E>> {
    Ok(update_rows::<DB, E>(tx, changes, |statement| match_key::<DB, E>(key, statement))?.pop())
}

/// Changes rows that are not deleted, and gives them as they are then.
pub(super) fn update_rows<'q, DB: Backend, E: Table<DB>>(
    tx: &Tx<DB>,
    changes: &'q impl QueryFragment<DB>,
    condition: impl FnOnce(&mut Statement<'q, DB>),
) -> Result<Vec<E>> {
    let changes = change_rows(tx, changes, |statement| live::<DB, E>(condition, statement))?;
    Ok(changes.into_iter().filter_map(|(_, new)| new).collect())
}

/// Changes rows, and reads from the database in the same breath what they were: the caller's idea of that may be old. What a row was and
/// what it is may stand apart.
pub(super) fn change_rows<'q, DB: Backend, E: Table<DB>>(
    tx: &Tx<DB>,
    changes: &'q impl QueryFragment<DB>,
    condition: impl FnOnce(&mut Statement<'q, DB>),
) -> Result<Changes<E>> {
    if !DB::UPDATE_RETURNS_OLD {
        let old: Vec<E> = lock_rows(tx, DB::FOR_CHANGE, condition)?;
        let chunk = load::chunk_of::<DB, E::ByKey>(DB::n_binds(changes)?);
        return all_or_none(tx, old.len() > chunk, |tx| update_locked(tx, changes, old, chunk));
    }
    let statement = update_returning_old::<DB, E>(tx, changes, condition)?;
    let rows: Vec<OldAndNew<E>> = tx.returning::<E, _>("UPDATE", statement)?;
    let changes: Changes<E> = rows.into_iter().map(|OldAndNew(old, new)| (Some(old), Some(new))).collect();
    register(tx, &changes);
    Ok(changes)
}

/// Runs the statements of one call. If there are several, some may have been done when one fails, and the transaction go on.
pub(super) fn all_or_none<DB: Backend, T>(
    tx: &Tx<DB>,
    are_several: bool,
    statements: impl FnOnce(&Tx<DB>) -> Result<T>,
) -> Result<T> {
    if are_several { tx.savepoint(statements) } else { statements(tx) }
}

/// Changes rows that are locked and known, `chunk` of them in a statement.
fn update_locked<DB: Backend, E: Table<DB>>(
    tx: &Tx<DB>,
    changes: &impl QueryFragment<DB>,
    old: Vec<E>,
    chunk: usize,
) -> Result<Changes<E>> {
    let keys: Vec<E::Key> = old.iter().map(E::key).collect();
    let mut new = Vec::with_capacity(old.len());
    for some in keys.chunks(chunk) {
        let mut statement = write_of::<DB, E>(tx);
        push_set::<DB, E>(changes, &mut statement)?;
        statement.sql(" WHERE ");
        E::ByKey::matching(some.to_vec(), &mut statement);
        if !DB::RETURNS {
            tx.changing::<E>("UPDATE", statement)?;
            new.extend(unreturned::changed::<DB, E>(tx, some)?);
            continue;
        }
        statement.sql(" RETURNING ");
        push_columns::<DB, E>(&mut statement);
        let rows = load_rows::<DB, E>(tx, "UPDATE", statement)?;
        if some.len() < keys.len() {
            keep_their_keys(some, &rows)?;
        }
        new.extend(rows);
    }
    // Which new row was which old one does not matter: every cell of either is told of, the old ones first.
    let old = old.into_iter().map(|row| (Some(row), None));
    let changes: Changes<E> = old.chain(new.into_iter().map(|row| (None, Some(row)))).collect();
    register(tx, &changes);
    Ok(changes)
}

/// Fails if rows have moved to other primary keys: the next statement might find them there, and change them again.
fn keep_their_keys<E: Entity>(keys: &[E::Key], rows: &[E]) -> Result<()> {
    let keys: HashSet<&E::Key> = keys.iter().collect();
    if rows.iter().all(|row| keys.contains(&row.key())) {
        return Ok(());
    }
    let reason = "the primary keys of more rows than one statement can bind can't be changed at once";
    Err(Error::Database(diesel::result::Error::QueryBuilderError(reason.into())))
}

/// `UPDATE t SET .. FROM (SELECT .. FOR NO KEY UPDATE) old WHERE t.key = old.key RETURNING old.*, t.*`: the subselect waits for others
/// and sees what they left behind, so the old row is the one that this statement changed.
fn update_returning_old<'q, DB: Backend, E: Table<DB>>(
    tx: &Tx<DB>,
    changes: &'q impl QueryFragment<DB>,
    condition: impl FnOnce(&mut Statement<'q, DB>),
) -> Result<Statement<'q, DB>> {
    let keys = E::ByKey::COLUMNS;
    let mut list = SelectList::<DB>::new();
    E::columns(&mut list);
    let n_columns = list.n_columns;

    let mut statement = write_of::<DB, E>(tx);
    push_set::<DB, E>(changes, &mut statement)?;
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
    Ok(statement)
}

pub(super) fn push_column<DB: Backend, E: Table<DB>>(name: &'static str, statement: &mut Statement<'_, DB>) {
    statement.fragment(load::table::<DB, E>()).sql(".").identifier(name);
}

/// Takes rows out of their table, and what depends on them.
pub(super) fn delete_rows<'q, DB: Backend, E: Table<DB>>(
    tx: &Tx<DB>,
    condition: impl FnOnce(&mut Statement<'q, DB>),
) -> Result<Vec<E>> {
    if !E::HAS_DEPENDENTS {
        return delete_matching(tx, condition);
    }
    // The rows are locked first, so that no new dependent can come between looking for them and the deletion.
    let rows = lock_rows::<DB, E>(tx, DB::FOR_DELETE, condition)?;
    let keys: Vec<E::Key> = rows.iter().map(E::key).collect();
    if keys.is_empty() {
        return Ok(Vec::new());
    }
    delete_dependents::<DB, E>(tx, &keys)?;
    let chunk = load::chunk_of::<DB, E::ByKey>(0);
    if keys.len() > chunk {
        // What a statement deletes may take along what the next one would have returned.
        tx.happened(&Happened::Touched(&rows));
    }
    all_or_none(tx, keys.len() > chunk, |tx| {
        if !DB::RETURNS {
            return unreturned::delete_locked(tx, rows);
        }
        let mut deleted = Vec::with_capacity(keys.len());
        for keys in keys.chunks(chunk) {
            deleted.extend(delete_matching::<DB, E>(tx, |statement| E::ByKey::matching(keys.to_vec(), statement))?);
        }
        Ok(deleted)
    })
}

fn delete_matching<'q, DB: Backend, E: Table<DB>>(
    tx: &Tx<DB>,
    condition: impl FnOnce(&mut Statement<'q, DB>),
) -> Result<Vec<E>> {
    if !DB::RETURNS {
        let rows = lock_rows::<DB, E>(tx, DB::FOR_DELETE, condition)?;
        let are_several = rows.len() > load::chunk_of::<DB, E::ByKey>(0);
        return all_or_none(tx, are_several, |tx| unreturned::delete_locked(tx, rows));
    }
    let mut statement = write_of::<DB, E>(tx);
    statement.sql("DELETE FROM ").fragment(load::table::<DB, E>()).sql(" WHERE ");
    condition(&mut statement);
    statement.sql(" RETURNING ");
    push_columns::<DB, E>(&mut statement);
    let rows = load_rows::<DB, E>(tx, "DELETE", statement)?;
    let changes: Changes<E> = rows.into_iter().map(|row| (Some(row), None)).collect();
    register(tx, &changes);
    Ok(changes.into_iter().filter_map(|(old, _)| old).collect())
}

/// A changed row as it was and as it is.
pub(super) struct OldAndNew<E>(pub(super) E, pub(super) E);

impl<DB: Backend, E: Table<DB>> FromRow<DB> for OldAndNew<E> {
    fn from_row<'r, R: diesel::row::Row<'r, DB>>(row: &mut RowReader<'_, R>) -> diesel::deserialize::Result<Self> {
        Ok(Self(E::build(row)?, E::build(row)?))
    }
}
