//! Changes of many rows, each by values of its own, in one statement.

use std::collections::HashMap;

use diesel::{
    Column,
    expression::{AsExpression, TypedExpressionType},
    query_builder::QueryFragment,
    sql_types::SqlType,
};

use super::{
    Repository,
    statement::{all_or_none, push_column, update_rows},
};
use crate::{
    backend::Backend,
    entity::{Pattern, PatternOn, Table, Writable},
    error::{Error, Result},
    key::Key,
    shape::Of,
    statement::Statement,
    transaction::Tx,
};

/// How many rows one statement changes at most: the database compares each with the keys of those before it.
const ROWS: usize = 500;

impl<DB, E> Repository<'_, DB, Of<E>>
where
    DB: Backend,
    E: Table<DB>,
{
    /// Writes a value of its own into one column of each row, and gives the rows back as the database has them then: `None` where there is
    /// no row with the key.
    ///
    /// `UPDATE t SET name = CASE WHEN id = 1 THEN .. WHEN id = 2 THEN .. END WHERE id IN (1, 2)`: one statement for 500 rows on PostgreSQL,
    /// two on SQLite, three on MySQL, all or none of them. Of a key that is there twice the last value is written. Versions and times of change are kept as
    /// by [`Repository::update`].
    ///
    /// # Errors
    /// As [`Repository::insert`]; [`Error::SetByLarder`] if larder alone sets the column; [`Error::Database`] if it is of the primary key.
    #[track_caller]
    pub fn update_each<'v, C, V>(&self, column: C, values: &'v [(E::Key, V)]) -> Result<Vec<Option<E>>>
    where
        E: Writable,
        (C,): EachColumns<'v, DB, E::Table, (V,)>,
        V: Clone,
    {
        let _ = column;
        self.each::<(C,), (V,)>(values.iter().map(|(key, value)| (key.clone(), (value.clone(),))))
    }

    /// Writes values of its own into several columns of each row, as [`Repository::update_each`] does into one.
    ///
    /// `update_each_of((users::name, users::age), &[(1, ("Ada", 36)), (2, ("Bob", 7))])`: tuples of two to four columns.
    ///
    /// # Errors
    /// As [`Repository::update_each`].
    #[track_caller]
    pub fn update_each_of<'v, C, V>(&self, columns: C, values: &'v [(E::Key, V)]) -> Result<Vec<Option<E>>>
    where
        E: Writable,
        C: EachColumns<'v, DB, E::Table, V>,
        V: Clone,
    {
        let _ = columns;
        self.each::<C, V>(values.iter().cloned())
    }

    /// The same, with keys that were made from the caller's.
    #[track_caller]
    pub(crate) fn each<'v, C, V>(&self, values: impl Iterator<Item = (E::Key, V)>) -> Result<Vec<Option<E>>>
    where
        E: Writable,
        C: EachColumns<'v, DB, E::Table, V>,
    {
        let Given { keys, last: values } = last_of_each::<DB, E, V>(values);
        if values.is_empty() {
            return Ok(Vec::new());
        }
        let (columns, key_columns) = (C::names(), E::ByKey::COLUMNS);
        if columns.iter().any(|column| key_columns.contains(column)) {
            let reason = "the primary keys of many rows can't be changed at once";
            return Err(Error::Database(diesel::result::Error::QueryBuilderError(reason.into())));
        }
        let n_binds = columns.len() * (key_columns.len() + 1) + key_columns.len();
        let chunk = ROWS.min(DB::MAX_BINDS / 2 / n_binds).max(1);
        let mut changed: HashMap<E::Key, E> = self.source.access().here().write::<E, _>("update", |tx| {
            all_or_none(tx, values.len() > chunk, |tx: &Tx<DB>| {
                let mut changed = HashMap::with_capacity(values.len());
                for values in values.chunks(chunk) {
                    let set = assignments::<DB, E, C, V>(&columns, values);
                    let rows = update_rows::<DB, E>(tx, &set, |statement| {
                        E::ByKey::matching(values.iter().map(|(key, _)| key.clone()).collect(), statement);
                    })?;
                    changed.extend(rows.into_iter().map(|row: E| (row.key(), row)));
                }
                Ok(changed)
            })
        })?;
        // A key that was given twice is answered twice.
        let mut left = HashMap::with_capacity(changed.len());
        keys.iter().for_each(|key| *left.entry(key).or_insert(0_usize) += 1);
        let mut take = |key: &E::Key| {
            let n = left.get_mut(key)?;
            *n -= 1;
            if *n == 0 { changed.remove(key) } else { changed.get(key).cloned() }
        };
        Ok(keys.iter().map(&mut take).collect())
    }
}

/// `name = CASE WHEN key THEN value .. ELSE name END`, for each column.
fn assignments<'v, DB, E, C, V>(columns: &[&'static str], values: &[(E::Key, V)]) -> Statement<'v, DB>
where
    DB: Backend,
    E: Table<DB>,
    C: EachColumns<'v, DB, E::Table, V>,
{
    let mut set = Statement::new();
    // Beyond one value the text depends on how many there are, and connections would keep one statement for each number.
    if values.len() > 1 {
        set.unprepared();
    }
    set.separated(", ", columns.iter().enumerate(), |set, (at, column)| {
        set.identifier(column).sql(" = CASE");
        for (key, value) in values {
            set.sql(" WHEN ");
            E::ByKey::matching(vec![key.clone()], set);
            set.sql(" THEN ");
            C::push(value, at, set);
        }
        set.sql(" ELSE ");
        push_column::<DB, E>(column, set);
        set.sql(" END");
    });
    set
}

/// The keys as they were given, and the last value of each.
struct Given<K, V> {
    keys: Vec<K>,
    last: Vec<(K, V)>,
}

fn last_of_each<DB: Backend, E: Table<DB>, V>(given: impl Iterator<Item = (E::Key, V)>) -> Given<E::Key, V> {
    let (mut places, mut last, mut keys) = (HashMap::new(), Vec::new(), Vec::new());
    for (key, value) in given {
        let key = key.canonical(DB::KEEPS_NANOSECONDS);
        keys.push(key.clone());
        match places.get(&key) {
            Some(at) => last[*at] = (key, value),
            None => {
                places.insert(key.clone(), last.len());
                last.push((key, value));
            }
        }
    }
    Given { keys, last }
}

/// Columns of a table, and values that can be written into them: tuples of as many of each.
#[diagnostic::on_unimplemented(
    message = "`{V}` can't be written into these columns",
    label = "columns of another table, or values of other types",
    note = "name a column of the repository's table, and give values of its type"
)]
pub trait EachColumns<'v, DB: Backend, T, V> {
    /// The columns' names.
    #[doc(hidden)]
    fn names() -> Vec<&'static str>;

    /// Appends the value for the column at that place.
    #[doc(hidden)]
    fn push(value: &V, at: usize, statement: &mut Statement<'v, DB>);
}

macro_rules! tuple {
    ($($column:ident $value:ident $at:tt),*) => {
        impl<'v, DB, T, $($column, $value),*> EachColumns<'v, DB, T, ($($value,)*)> for ($($column,)*)
        where
            DB: Backend,
            $(
                $column: Column<Table = T, SqlType: SqlType + TypedExpressionType>,
                $value: Clone + AsExpression<$column::SqlType, Expression: QueryFragment<DB> + 'v>,
            )*
        {
            fn names() -> Vec<&'static str> {
                vec![$($column::NAME),*]
            }

            fn push(value: &($($value,)*), at: usize, statement: &mut Statement<'v, DB>) {
                $(if at == $at {
                    statement.fragment(Box::new(value.$at.clone().as_expression()));
                })*
            }
        }
    };
}

tuple!(A VA 0);
tuple!(A VA 0, B VB 1);
tuple!(A VA 0, B VB 1, C VC 2);
tuple!(A VA 0, B VB 1, C VC 2, D VD 3);
