//! An UPDATE of many rows, each by what stands beside its key.

use super::{
    guarded::Guarded,
    statement::{OldAndNew, push_column, push_columns, register, write_of},
};
use crate::{
    backend::Backend,
    entity::{Pattern, Table},
    error::Result,
    load,
    row::{Count, FromRow, RowReader, SelectList},
    statement::Statement,
    transaction::Tx,
};

/// What becomes of rows, and where that stands.
pub(crate) struct Joined<'q, DB: Backend> {
    /// Rows of as many columns as the key has, then of those in `beside`, then a number: what stands behind `JOIN`, but for its name.
    pub(crate) source: Statement<'q, DB>,
    /// The names of the columns beside the key.
    pub(crate) beside: Vec<String>,
    /// What stands behind SET, where `larder_old` has the columns beside the key.
    pub(crate) set: Statement<'q, DB>,
}

/// Changes the rows whose keys are in a source, in the order of their keys: gives the numbers that those have there. No key may be there
/// twice.
///
/// `UPDATE t SET .. FROM (SELECT .. FROM t JOIN source .. FOR NO KEY UPDATE) larder_old WHERE t.key = larder_old.key RETURNING ..`. One
/// statement.
pub(crate) fn update_joined<DB: Backend, E: Table<DB>>(tx: &Tx<DB>, joined: Joined<'_, DB>) -> Result<Vec<i64>> {
    let rows: Vec<Numbered<E>> = tx.returning::<E, _>("UPDATE", joined_update::<DB, E>(tx, joined))?;
    let (numbers, changes): (Vec<i64>, Vec<_>) =
        rows.into_iter().map(|Numbered(number, OldAndNew(old, new))| (number, (Some(old), Some(new)))).unzip();
    register(tx, &changes);
    Ok(numbers)
}

/// The statement of [`update_joined`].
pub(crate) fn joined_update<'q, DB: Backend, E: Table<DB>>(tx: &Tx<DB>, joined: Joined<'q, DB>) -> Statement<'q, DB> {
    let keys = E::ByKey::COLUMNS;
    let mut list = SelectList::<DB>::new();
    E::columns(&mut list);
    let n_columns = list.n_columns;
    let Joined { source, beside, set } = joined;

    let mut statement = write_of::<DB, E>(tx);
    statement.sql("UPDATE ").fragment(load::table::<DB, E>()).sql(" SET ").fragment(Box::new(set));
    Guarded::of::<DB, E>().push::<DB, E>(&mut statement);
    statement.sql(" FROM (SELECT ").separated(", ", keys, |statement, key| push_column::<DB, E>(key, statement));
    statement.sql(", ");
    push_columns::<DB, E>(&mut statement);
    for column in beside.iter().map(String::as_str).chain(["n"]) {
        statement.sql(format!(", larder_new.{column}"));
    }
    statement.sql(" FROM ").fragment(load::table::<DB, E>()).sql(" JOIN ").fragment(Box::new(source));
    statement.sql(" AS larder_new(");
    push_names(keys.len(), 0, &beside, &mut statement);
    statement.sql(") ON ").separated(" AND ", keys.iter().enumerate(), |statement, (at, key)| {
        push_column::<DB, E>(key, statement);
        statement.sql(format!(" = larder_new.k{at}"));
    });
    // To a repository a row that is deleted softly is not there.
    load::and_live::<DB, E>(&mut statement);
    // Whoever locks many rows in one order does not get into a deadlock with others who do so.
    statement.sql(" ORDER BY ").separated(", ", keys, |statement, key| push_column::<DB, E>(key, statement));
    statement.sql(DB::FOR_CHANGE).sql(") AS larder_old(");
    push_names(keys.len(), n_columns, &beside, &mut statement);
    statement.sql(") WHERE ").separated(" AND ", keys.iter().enumerate(), |statement, (at, key)| {
        push_column::<DB, E>(key, statement);
        statement.sql(format!(" = larder_old.k{at}"));
    });
    statement.sql(" RETURNING larder_old.n, ").separated(", ", 0..n_columns, |statement, at| {
        statement.sql(format!("larder_old.c{at}"));
    });
    statement.sql(", ");
    push_columns::<DB, E>(&mut statement);
    statement
}

/// `k0, k1, c0, c1, .., n`: the names of the key's columns, of the row's, of those beside them, and of the number.
fn push_names<DB: Backend>(n_keys: usize, n_columns: usize, beside: &[String], statement: &mut Statement<'_, DB>) {
    let keys = (0..n_keys).map(|at| format!("k{at}"));
    let columns = (0..n_columns).map(|at| format!("c{at}"));
    let names = keys.chain(columns).chain(beside.iter().cloned()).chain(["n".to_owned()]);
    statement.separated(", ", names, |statement, name| {
        statement.sql(name);
    });
}

/// A changed row, with its number in the source.
struct Numbered<E>(i64, OldAndNew<E>);

impl<DB: Backend, E: Table<DB>> FromRow<DB> for Numbered<E> {
    fn from_row<'r, R: diesel::row::Row<'r, DB>>(row: &mut RowReader<'_, R>) -> diesel::deserialize::Result<Self> {
        let Count(number) = Count::from_row(row)?;
        Ok(Self(number, OldAndNew::from_row(row)?))
    }
}
