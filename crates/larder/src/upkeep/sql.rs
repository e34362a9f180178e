//! Pieces of the statements that maintain columns.

use diesel::{deserialize, row::Row};

use super::UpkeepOn;
use crate::{
    backend::Backend,
    entity::{Pattern as _, Table},
    load,
    repository::push_columns,
    row::{Count, FromRow, RowReader, SelectList},
    statement::Statement,
};

/// `table.column`.
pub(super) fn column_of<DB: Backend, E: Table<DB>>(name: &'static str, statement: &mut Statement<'_, DB>) {
    statement.fragment(load::table::<DB, E>()).sql(".").identifier(name);
}

/// The key columns and then all columns of a model: how many those are.
pub(super) fn push_old_columns<DB: Backend, E: Table<DB>>(statement: &mut Statement<'_, DB>) -> usize {
    let mut list = SelectList::<DB>::new();
    E::columns(&mut list);
    let n_columns = list.n_columns;
    statement.separated(", ", E::ByKey::COLUMNS, |statement, key| column_of::<DB, E>(key, statement));
    statement.sql(", ");
    push_columns::<DB, E>(statement);
    n_columns
}

/// The names that those are given.
pub(super) fn push_old_names<DB: Backend>(n_keys: usize, n_columns: usize, statement: &mut Statement<'_, DB>) {
    push_names(n_keys, 'c', n_columns, statement);
}

/// The names of key columns, and of what the maintained ones should be.
pub(super) fn push_truth_names<DB: Backend>(n_keys: usize, n_columns: usize, statement: &mut Statement<'_, DB>) {
    push_names(n_keys, 'd', n_columns, statement);
}

fn push_names<DB: Backend>(n_keys: usize, letter: char, n_columns: usize, statement: &mut Statement<'_, DB>) {
    let names = (0..n_keys).map(|at| format!("k{at}")).chain((0..n_columns).map(|at| format!("{letter}{at}")));
    statement.separated(", ", names, |statement, name| {
        statement.sql(name);
    });
}

/// `, whether the row has nothing left`, as a number.
pub(super) fn push_is_empty<DB: Backend, U: UpkeepOn<DB>>(statement: &mut Statement<'_, DB>) {
    match U::DELETES.and_then(|at| U::COLUMNS.get(at)) {
        Some(count) => {
            statement.sql(", CASE WHEN ");
            column_of::<DB, U::Target>(count.name, statement);
            statement.sql(" = 0 THEN CAST(1 AS bigint) ELSE 0 END");
        }
        None => _ = statement.sql(", CAST(0 AS bigint)"),
    }
}

/// A row as it was and as it is, and whether it has nothing left.
pub(super) struct Changed<E> {
    pub(super) old: E,
    pub(super) new: E,
    pub(super) is_empty: bool,
}

impl<DB: Backend, E: Table<DB>> FromRow<DB> for Changed<E> {
    fn from_row<'r, R: Row<'r, DB>>(row: &mut RowReader<'_, R>) -> deserialize::Result<Self> {
        let (old, new) = (E::build(row)?, E::build(row)?);
        let Count(is_empty) = Count::from_row(row)?;
        Ok(Self { old, new, is_empty: is_empty == 1 })
    }
}
