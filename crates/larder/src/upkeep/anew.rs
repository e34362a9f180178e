//! The statements that compute maintained columns anew.

use std::collections::{HashMap, HashSet};

use diesel::{deserialize, row::Row};

use super::{UpkeepOn, apply, sql};
use crate::{
    backend::Backend,
    entity::{Entity, Pattern as _, PatternOn, Table},
    error::Result,
    load,
    repository::{push_columns, register, write_of},
    row::{FromRow, RowReader, SelectList, WholeRow},
    statement::Statement,
    transaction::{Tx, lock_rows},
};

type Key<U> = <<U as super::Upkeep>::Target as Entity>::Key;
type ByKey<DB, U> = <<U as super::Upkeep>::Target as Table<DB>>::ByKey;

/// What there was to count anew.
pub(super) struct Computed<K> {
    /// The rows that there are.
    pub(super) locked: HashSet<K>,
    /// Those that were not right.
    pub(super) wrong: HashSet<K>,
}

/// Counts and sums for these rows anew.
///
/// The rows are locked before the others are counted. Who changes some of those meanwhile has either committed before, and is counted,
/// or applies the difference after.
pub(super) fn compute<DB: Backend, U: UpkeepOn<DB>>(tx: &Tx<DB>, keys: Vec<Key<U>>) -> Result<Computed<Key<U>>> {
    let rows = lock::<DB, U>(tx, keys.clone())?;
    let mut old: HashMap<Key<U>, U::Target> = rows.into_iter().map(|row| (row.key(), row)).collect();
    let locked = old.keys().cloned().collect();
    let statement = update::<DB, U>(tx, keys.clone());
    let rows: Vec<WholeRow<U::Target>> = tx.returning::<U::Target, _>("UPDATE", statement)?;
    let mut wrong: HashSet<Key<U>> = rows.iter().map(|WholeRow(row)| row.key()).collect();
    register(tx, &rows.into_iter().map(|WholeRow(row)| (old.remove(&row.key()), Some(row))).collect());
    wrong.extend(apply::delete_empty::<DB, U>(tx, keys)?);
    Ok(Computed { locked, wrong })
}

/// Locks rows in the order of their keys.
pub(super) fn lock<DB: Backend, U: UpkeepOn<DB>>(tx: &Tx<DB>, keys: Vec<Key<U>>) -> Result<Vec<U::Target>> {
    lock_rows::<DB, U::Target>(tx, DB::FOR_CHANGE, |statement| {
        ByKey::<DB, U>::matching(keys, statement);
        statement.sql(" ORDER BY ").separated(", ", ByKey::<DB, U>::COLUMNS, |statement, key| {
            sql::column_of::<DB, U::Target>(key, statement);
        });
    })
}

/// Those of the keys that anything refers to.
pub(super) fn referred_to<DB: Backend, U: UpkeepOn<DB>>(tx: &Tx<DB>, keys: Vec<Key<U>>) -> Result<Vec<Key<U>>> {
    let mut list = SelectList::new();
    U::By::select(&mut list);
    let mut statement = Statement::new();
    statement.sql("SELECT DISTINCT ").separated(", ", list.items, |statement, item| {
        statement.fragment(item);
    });
    statement.sql(" FROM ").fragment(load::table::<DB, U::Child>()).sql(" WHERE ");
    U::By::matching(keys, &mut statement);
    load::and_live::<DB, U::Child>(&mut statement);
    let found: Vec<Referred<U>> = tx.returning::<U::Child, _>("SELECT", statement)?;
    Ok(found.into_iter().filter_map(|Referred(key)| key).collect())
}

/// The key that a row refers by.
struct Referred<U: super::Upkeep>(Option<Key<U>>);

impl<DB: Backend, U: UpkeepOn<DB>> FromRow<DB> for Referred<U> {
    fn from_row<'r, R: Row<'r, DB>>(row: &mut RowReader<'_, R>) -> deserialize::Result<Self> {
        U::By::read(row).map(Self)
    }
}

/// Changes the rows that are not right.
fn update<'q, DB: Backend, U: UpkeepOn<DB>>(tx: &Tx<DB>, keys: Vec<Key<U>>) -> Statement<'q, DB> {
    let key_columns = ByKey::<DB, U>::COLUMNS;
    let mut statement = write_of::<DB, U::Target>(tx);
    statement.sql("UPDATE ").fragment(load::table::<DB, U::Target>()).sql(" SET ");
    statement.separated(", ", U::COLUMNS.iter().enumerate(), |statement, (at, column)| {
        statement.identifier(column.name).sql(format!(" = larder_truth.d{at}"));
    });
    statement.sql(" FROM (SELECT ").separated(", ", key_columns, |statement, key| {
        statement.sql("larder_target.").identifier(key);
    });
    statement.sql(", larder_sums.* FROM ").fragment(load::table::<DB, U::Target>());
    statement.sql(" AS larder_target CROSS JOIN LATERAL (SELECT ");
    push_sums::<DB, U>(&mut statement);
    statement.sql(" FROM ").fragment(load::table::<DB, U::Child>()).sql(" AS larder_child WHERE ");
    let pairs = U::By::COLUMNS.iter().zip(key_columns);
    statement.separated(" AND ", pairs, |statement, (by, key)| {
        statement.sql("larder_child.").identifier(by).sql(" = larder_target.").identifier(key);
    });
    load::and_live_as::<U::Child, DB>("larder_child", &mut statement);
    statement.sql(") AS larder_sums WHERE (").separated(", ", key_columns, |statement, key| {
        statement.sql("larder_target.").identifier(key);
    });
    statement.sql(") IN (SELECT * FROM unnest(");
    ByKey::<DB, U>::arrays(keys, &mut statement);
    statement.sql("))) AS larder_truth (");
    sql::push_truth_names(key_columns.len(), U::COLUMNS.len(), &mut statement);
    statement.sql(") WHERE ").separated(" AND ", key_columns.iter().enumerate(), |statement, (at, key)| {
        sql::column_of::<DB, U::Target>(key, statement);
        statement.sql(format!(" = larder_truth.k{at}"));
    });
    statement.sql(" AND (").separated(" OR ", U::COLUMNS.iter().enumerate(), |statement, (at, column)| {
        sql::column_of::<DB, U::Target>(column.name, statement);
        statement.sql(format!(" IS DISTINCT FROM larder_truth.d{at}"));
    });
    statement.sql(") RETURNING ");
    push_columns::<DB, U::Target>(&mut statement);
    statement
}

/// What each column should be, over rows of the child called `larder_child`.
pub(super) fn push_sums<DB: Backend, U: UpkeepOn<DB>>(statement: &mut Statement<'_, DB>) {
    statement.separated(", ", U::COLUMNS.iter().enumerate(), |statement, (at, column)| {
        match column.factors {
            None => _ = statement.sql("count(*)"),
            Some(factors) => {
                // As the differences are: a product of integers does not leave their range before it is summed.
                statement.sql("coalesce(sum(1::bigint");
                for factor in factors {
                    statement.sql(" * larder_child.").identifier(U::FACTORS.get(*factor).copied().unwrap_or_default());
                }
                statement.sql("), 0)");
            }
        }
        statement.sql(format!(" AS d{at}"));
    });
}
