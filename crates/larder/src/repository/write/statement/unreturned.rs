//! Writes where the database returns no rows: they are locked, written by their keys, and read again.

use std::collections::HashMap;

use diesel::{
    deserialize,
    result::{DatabaseErrorKind, Error as Diesel},
    row::Row,
};

use super::{Changes, OnConflict, push_columns, register, write_of};
use crate::{
    backend::{Backend, GivenKey},
    entity::{Pattern, PatternOn, Table},
    error::{Error, Result},
    key::Key as _,
    load,
    row::{Count, FromRow, RowReader, WholeRow},
    statement::{Fragment, Statement},
    transaction::{Tx, lock_rows},
};

/// Inserts rows, all at once if each gives its key and none is there, or else one by one.
pub(in crate::repository::write) fn insert_rows<'r, DB: Backend, E: Table<DB>>(
    tx: &Tx<DB>,
    values: Fragment<'r, DB>,
    conflict: OnConflict,
    one_by_one: impl FnOnce() -> Vec<Fragment<'r, DB>>,
) -> Result<Vec<E>> {
    let known = DB::given_keys::<E>(&values)?.into_iter().map(|key| match key {
        GivenKey::Known(key) => Some(key),
        GivenKey::Zero(_) | GivenKey::Counted => None,
    });
    if let Some(keys) = known.collect::<Option<Vec<_>>>() {
        match send_insert::<DB, E>(tx, values) {
            Ok(()) => return inserted(tx, &keys),
            Err(error) if conflict == OnConflict::Keep && is_conflict(&error) => {}
            Err(error) => return Err(error),
        }
    }
    let mut rows = Vec::new();
    for values in one_by_one() {
        rows.extend(insert_row(tx, values, conflict)?);
    }
    Ok(rows)
}

/// Inserts a row: `None` if another with its primary key is there, and may stay.
pub(in crate::repository::write) fn insert_row<DB: Backend, E: Table<DB>>(
    tx: &Tx<DB>,
    values: Fragment<'_, DB>,
    conflict: OnConflict,
) -> Result<Option<E>> {
    let (key, inserted) = match DB::given_keys::<E>(&values)?.pop() {
        None | Some(GivenKey::Counted) => return insert_counted(tx, values, Zero::IsNoCount).map(Some),
        // Where it is no number to be counted, none was: then the row with 0 is the one.
        Some(GivenKey::Zero(key)) => (key, insert_counted(tx, values, Zero::IsTheKey)),
        Some(GivenKey::Known(key)) => {
            let sent = send_insert::<DB, E>(tx, values);
            match sent.and_then(|()| inserted::<DB, E>(tx, std::slice::from_ref(&key))) {
                Ok(mut rows) => return Ok(rows.pop()),
                Err(error) => (key, Err(error)),
            }
        }
    };
    match inserted {
        Ok(row) => Ok(Some(row)),
        // InnoDB has undone the statement, and holds a lock on the row that was in the way.
        Err(error) if conflict == OnConflict::Keep && is_conflict(&error) => {
            let in_the_way = lock_rows::<DB, E>(tx, DB::FOR_SHARE, |statement| {
                E::ByKey::matching(vec![key], statement.loosely());
            })?;
            if in_the_way.is_empty() { Err(error) } else { Ok(None) }
        }
        Err(error) => Err(error),
    }
}

fn send_insert<DB: Backend, E: Table<DB>>(tx: &Tx<DB>, values: Fragment<'_, DB>) -> Result<()> {
    let mut statement = write_of::<DB, E>(tx);
    statement.sql("INSERT INTO ").fragment(load::table::<DB, E>()).sql(" ").fragment(values);
    tx.changing::<E>("INSERT", statement).map(drop)
}

fn is_conflict(error: &Error) -> bool {
    matches!(error, Error::Database(Diesel::DatabaseError(DatabaseErrorKind::UniqueViolation, _)))
}

/// The rows that were inserted with these keys, in their order.
fn inserted<DB: Backend, E: Table<DB>>(tx: &Tx<DB>, keys: &[E::Key]) -> Result<Vec<E>> {
    let mut found: HashMap<E::Key, E> = HashMap::with_capacity(keys.len());
    for some in keys.chunks(load::chunk_of::<DB, E::ByKey>(0)) {
        let rows = lock_rows::<DB, E>(tx, "", |statement| E::ByKey::matching(some.to_vec(), statement));
        let rows = read_back(tx, rows)?;
        found.extend(rows.into_iter().map(|row| (row.key().canonical(DB::KEEPS_NANOSECONDS), row)));
    }
    let rows: Option<Vec<E>> = keys.iter().map(|key| found.remove(key)).collect();
    let rows =
        rows.ok_or_else(|| unknown(tx, "a row that was inserted is not found by the primary key that was given"))?;
    register_inserted(tx, rows)
}

/// What it means that the database has counted no key.
#[derive(PartialEq, Eq)]
enum Zero {
    /// Somebody else has made it, and a row with 0 is another one.
    IsNoCount,
    /// It is the one that was given.
    IsTheKey,
}

/// Inserts a row whose key the database counts.
fn insert_counted<DB: Backend, E: Table<DB>>(tx: &Tx<DB>, values: Fragment<'_, DB>, zero: Zero) -> Result<E> {
    let reason =
        "the primary key of an inserted row is not known: give it to the record, or make the column AUTO_INCREMENT";
    let [column] = E::ByKey::COLUMNS else {
        return Err(Error::Database(Diesel::QueryBuilderError(reason.into())));
    };
    // It would go on telling of an earlier row if this one had none.
    let mut forget = Statement::new();
    forget.sql("SET last_insert_id = 0");
    tx.with_connection(|connection| DB::execute(connection, forget))?;
    send_insert::<DB, E>(tx, values)?;
    let mut statement = Statement::new();
    statement.sql("SELECT ");
    push_columns::<DB, E>(&mut statement);
    statement.sql(", LAST_INSERT_ID() FROM ").fragment(load::table::<DB, E>()).sql(" WHERE ").identifier(column);
    statement.sql(" = LAST_INSERT_ID()");
    if zero == Zero::IsNoCount {
        statement.sql(" AND LAST_INSERT_ID() <> 0");
    }
    let rows: Vec<Counted<E>> = read_back(tx, tx.returning::<E, _>("SELECT", statement))?;
    // MySQL calls a text equal to the number that it begins with.
    let row = rows.into_iter().find(|Counted(row, number)| {
        let mut key = Vec::new();
        row.key().write_key(&mut key);
        key == number.to_string().as_bytes()
    });
    let Counted(row, _) = row.ok_or_else(|| unknown(tx, reason))?;
    register_inserted(tx, vec![row])?.pop().ok_or(Error::Database(Diesel::NotFound))
}

fn register_inserted<DB: Backend, E: Table<DB>>(tx: &Tx<DB>, rows: Vec<E>) -> Result<Vec<E>> {
    let changes: Changes<E> = rows.into_iter().map(|row| (None, Some(row))).collect();
    register(tx, &changes);
    Ok(changes.into_iter().filter_map(|(_, new)| new).collect())
}

/// The rows with these keys as an UPDATE has left them.
pub(super) fn changed<DB: Backend, E: Table<DB>>(tx: &Tx<DB>, keys: &[E::Key]) -> Result<Vec<E>> {
    let rows = lock_rows::<DB, E>(tx, DB::AS_OF_NOW, |statement| E::ByKey::matching(keys.to_vec(), statement));
    let rows = read_back(tx, rows)?;
    if rows.len() < keys.len() {
        return Err(unknown(
            tx,
            "primary keys can't be changed where the database does not return what it has changed",
        ));
    }
    Ok(rows)
}

/// Deletes rows that are locked and known.
pub(super) fn delete_locked<DB: Backend, E: Table<DB>>(tx: &Tx<DB>, rows: Vec<E>) -> Result<Vec<E>> {
    let keys: Vec<E::Key> = rows.iter().map(E::key).collect();
    for some in keys.chunks(load::chunk_of::<DB, E::ByKey>(0)) {
        let mut statement = write_of::<DB, E>(tx);
        statement.sql("DELETE FROM ").fragment(load::table::<DB, E>()).sql(" WHERE ");
        E::ByKey::matching(some.to_vec(), &mut statement);
        tx.changing::<E>("DELETE", statement)?;
    }
    let changes: Changes<E> = rows.into_iter().map(|row| (Some(row), None)).collect();
    register(tx, &changes);
    Ok(changes.into_iter().filter_map(|(old, _)| old).collect())
}

/// What a SELECT has found of a write that succeeded. If it failed, whatever its error, the write stands and can't be told of.
fn read_back<DB: Backend, T>(tx: &Tx<DB>, rows: Result<T>) -> Result<T> {
    rows.inspect_err(|_| tx.doom())
}

/// Rows were changed, and which they are is not known: the transaction must not be committed.
fn unknown<DB: Backend>(tx: &Tx<DB>, reason: &'static str) -> Error {
    tx.doom();
    Error::Database(Diesel::QueryBuilderError(reason.into()))
}

/// A row, and the number that the database counted last.
struct Counted<E>(E, i64);

impl<DB: Backend, E: Table<DB>> FromRow<DB> for Counted<E> {
    fn from_row<'r, R: Row<'r, DB>>(row: &mut RowReader<'_, R>) -> deserialize::Result<Self> {
        let WholeRow(entity) = WholeRow::from_row(row)?;
        let Count(number) = Count::from_row(row)?;
        Ok(Self(entity, number))
    }
}
