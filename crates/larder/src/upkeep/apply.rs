//! The statements that change maintained columns by what has come and gone.

use std::collections::{HashMap, HashSet};

use super::{
    UpkeepOn, anew,
    pending::{Change, DueOf},
    sql::{self, Changed},
};
use crate::{
    backend::Backend,
    entity::{Entity, Pattern as _, PatternOn, Table},
    error::{Error, Result},
    load,
    repository::{push_columns, register, write_of},
    row::WholeRow,
    statement::Statement,
    transaction::Tx,
};

type Key<U> = <<U as super::Upkeep>::Target as Entity>::Key;
type ByKey<DB, U> = <<U as super::Upkeep>::Target as Table<DB>>::ByKey;

/// How often rows are inserted that others have emptied, and deleted, before they could be changed.
const TRIES: usize = 16;

/// Applies what a transaction has still to change by one relation, to rows that are there.
///
/// Those that there have to be, the `needed` ones, were there a moment ago and are not locked since: where another transaction has taken the
/// last away from one and deleted it meanwhile, it is inserted again.
pub(super) fn apply<DB: Backend, U: UpkeepOn<DB>>(tx: &Tx<DB>, due: DueOf<U>, needed: Vec<Key<U>>) -> Result<()> {
    let DueOf { mut changes, mut anew } = due;
    // What is counted anew has what this transaction has changed.
    changes.retain(|change| !anew.contains(&change.key));
    // Nobody else deletes them.
    let mut needed: HashSet<Key<U>> = needed.into_iter().filter(|_| U::DELETES.is_some()).collect();
    for _ in 0..TRIES {
        if !changes.is_empty() {
            let Updated { keys, emptied } = update::<DB, U>(tx, &changes)?;
            delete_empty::<DB, U>(tx, emptied)?;
            keys.iter().for_each(|key| _ = needed.remove(key));
        }
        if !anew.is_empty() {
            let locked = anew::compute::<DB, U>(tx, anew.iter().cloned().collect())?.locked;
            locked.iter().for_each(|key| _ = needed.remove(key));
        }
        if needed.is_empty() {
            return Ok(());
        }
        changes.retain(|change| needed.contains(&change.key));
        anew.retain(|key| needed.contains(key));
        insert_missing::<DB, U>(tx, needed.iter().cloned().collect())?;
    }
    Err(Error::NotFound { table: U::Target::NAME })
}

/// What became of the rows that were to be changed.
struct Updated<K> {
    /// Those that there are.
    keys: Vec<K>,
    /// And those of them that have nothing left.
    emptied: Vec<K>,
}

/// The keys of the rows that there have to be: more has come to them than gone, or anything refers to them.
pub(super) fn needed<DB: Backend, U: UpkeepOn<DB>>(tx: &Tx<DB>, due: &DueOf<U>) -> Result<Vec<Key<U>>> {
    let mut come: HashMap<&Key<U>, i64> = HashMap::new();
    for change in &due.changes {
        *come.entry(&change.key).or_default() += change.sign;
    }
    let mut keys: Vec<Key<U>> = come.into_iter().filter(|(_, n)| *n > 0).map(|(key, _)| key.clone()).collect();
    if !due.anew.is_empty() {
        keys.extend(anew::referred_to::<DB, U>(tx, due.anew.iter().cloned().collect())?);
    }
    Ok(keys)
}

/// Inserts rows of zeros where there are none: which.
///
/// Before the others are locked, and in the order of the keys: a row that another transaction is about to insert is waited for while
/// nothing is held that stands behind it.
pub(super) fn insert_missing<DB: Backend, U: UpkeepOn<DB>>(tx: &Tx<DB>, keys: Vec<Key<U>>) -> Result<Vec<Key<U>>> {
    if keys.is_empty() {
        return Ok(keys);
    }
    let n_columns = ByKey::<DB, U>::N_COLUMNS;
    let mut statement = write_of::<DB, U::Target>(tx);
    statement.sql("INSERT INTO ").fragment(load::table::<DB, U::Target>()).sql(" (");
    let columns = ByKey::<DB, U>::COLUMNS.iter().copied().chain(U::COLUMNS.iter().map(|column| column.name));
    statement.separated(", ", columns, |statement, name| {
        statement.identifier(name);
    });
    statement.sql(") SELECT ").separated(", ", 0..n_columns, |statement, at| {
        statement.sql(format!("k{at}"));
    });
    U::COLUMNS.iter().for_each(|_| _ = statement.sql(", 0"));
    statement.sql(" FROM unnest(");
    ByKey::<DB, U>::arrays(keys, &mut statement);
    statement.sql(") AS larder_key (").separated(", ", 0..n_columns, |statement, at| {
        statement.sql(format!("k{at}"));
    });
    statement.sql(") ORDER BY ").separated(", ", 0..n_columns, |statement, at| {
        statement.sql(format!("k{at}"));
    });
    let keys = ByKey::<DB, U>::COLUMNS;
    statement.sql(" ON CONFLICT (").separated(", ", keys, |statement, key| {
        statement.identifier(key);
    });
    statement.sql(") DO NOTHING RETURNING ");
    push_columns::<DB, U::Target>(&mut statement);
    let rows: Vec<WholeRow<U::Target>> = tx.returning::<U::Target, _>("INSERT", statement)?;
    let inserted = rows.iter().map(|WholeRow(row)| row.key()).collect();
    register(tx, &rows.into_iter().map(|WholeRow(row)| (None, Some(row))).collect());
    Ok(inserted)
}

/// Adds what has come and takes away what has gone.
fn update<DB: Backend, U: UpkeepOn<DB>>(tx: &Tx<DB>, changes: &[Change<U>]) -> Result<Updated<Key<U>>> {
    let keys = ByKey::<DB, U>::COLUMNS;
    let mut statement = write_of::<DB, U::Target>(tx);
    push_deltas::<DB, U>(changes, &mut statement);
    statement.sql(" UPDATE ").fragment(load::table::<DB, U::Target>()).sql(" SET ");
    statement.separated(", ", U::COLUMNS.iter().enumerate(), |statement, (at, column)| {
        statement.identifier(column.name).sql(" = ");
        sql::column_of::<DB, U::Target>(column.name, statement);
        statement.sql(format!(" + larder_delta.d{at}"));
    });
    // The rows are locked in the order of their keys, and are then as the last who had them has left them.
    statement.sql(" FROM larder_delta, (SELECT ");
    let n_columns = sql::push_old_columns::<DB, U::Target>(&mut statement);
    statement.sql(" FROM ").fragment(load::table::<DB, U::Target>()).sql(" WHERE (");
    statement.separated(", ", keys, |statement, key| sql::column_of::<DB, U::Target>(key, statement));
    statement.sql(") IN (SELECT ").separated(", ", 0..keys.len(), |statement, at| {
        statement.sql(format!("k{at}"));
    });
    statement.sql(" FROM larder_delta) ORDER BY ");
    statement.separated(", ", keys, |statement, key| sql::column_of::<DB, U::Target>(key, statement));
    statement.sql(DB::FOR_CHANGE).sql(") AS larder_old(");
    sql::push_old_names(keys.len(), n_columns, &mut statement);
    statement.sql(") WHERE ").separated(" AND ", keys.iter().enumerate(), |statement, (at, key)| {
        sql::column_of::<DB, U::Target>(key, statement);
        statement.sql(format!(" = larder_old.k{at} AND larder_delta.k{at} = larder_old.k{at}"));
    });
    statement.sql(" RETURNING ").separated(", ", 0..n_columns, |statement, at| {
        statement.sql(format!("larder_old.c{at}"));
    });
    statement.sql(", ");
    push_columns::<DB, U::Target>(&mut statement);
    sql::push_is_empty::<DB, U>(&mut statement);
    let rows: Vec<Changed<U::Target>> = tx.returning::<U::Target, _>("UPDATE", statement)?;
    let emptied = rows.iter().filter(|row| row.is_empty).map(|row| row.new.key()).collect();
    let updated = Updated { keys: rows.iter().map(|row| row.new.key()).collect(), emptied };
    register(tx, &rows.into_iter().map(|Changed { old, new, .. }| (Some(old), Some(new))).collect());
    Ok(updated)
}

/// `WITH larder_delta AS (..)`: what each row has to be changed by, without those that it comes to nothing for.
fn push_deltas<DB: Backend, U: UpkeepOn<DB>>(changes: &[Change<U>], statement: &mut Statement<'_, DB>) {
    let n_columns = ByKey::<DB, U>::N_COLUMNS;
    let (mut keys, mut signs, mut values) = (Vec::new(), Vec::new(), Vec::new());
    for change in changes {
        keys.push(change.key.clone());
        signs.push(change.sign);
        values.push(change.values.clone());
    }
    let key_names = |statement: &mut Statement<'_, DB>| {
        statement.separated(", ", 0..n_columns, |statement, at| {
            statement.sql(format!("k{at}"));
        });
    };
    statement.sql("WITH larder_delta AS MATERIALIZED (SELECT ");
    key_names(statement);
    let deltas: Vec<String> = U::COLUMNS.iter().map(delta_of).collect();
    for (at, delta) in deltas.iter().enumerate() {
        statement.sql(format!(", {delta} AS d{at}"));
    }
    statement.sql(" FROM unnest(");
    ByKey::<DB, U>::arrays(keys, statement);
    statement.sql(", ");
    U::bind(signs, values, statement);
    statement.sql(") AS larder_row (");
    key_names(statement);
    statement.sql(", s");
    for at in 0..U::FACTORS.len() {
        statement.sql(format!(", v{at}"));
    }
    statement.sql(") GROUP BY ");
    key_names(statement);
    let changes: Vec<String> = deltas.iter().map(|delta| format!("{delta} <> 0")).collect();
    statement.sql(format!(" HAVING {})", changes.join(" OR ")));
}

/// By how much a column changes, over the rows that have come and gone.
fn delta_of(column: &super::Kept) -> String {
    match column.factors {
        None => "sum(s)".to_owned(),
        Some(factors) => {
            let product: String = factors.iter().map(|at| format!(" * v{at}")).collect();
            format!("coalesce(sum(s{product}), 0)")
        }
    }
}

/// Deletes those rows that have nothing left, if that is what becomes of them: which.
pub(super) fn delete_empty<DB: Backend, U: UpkeepOn<DB>>(tx: &Tx<DB>, keys: Vec<Key<U>>) -> Result<Vec<Key<U>>> {
    let Some(count) = U::DELETES.and_then(|at| U::COLUMNS.get(at)).filter(|_| !keys.is_empty()) else {
        return Ok(Vec::new());
    };
    let mut statement = write_of::<DB, U::Target>(tx);
    statement.sql("DELETE FROM ").fragment(load::table::<DB, U::Target>()).sql(" WHERE ");
    ByKey::<DB, U>::matching(keys, &mut statement);
    statement.sql(" AND ");
    sql::column_of::<DB, U::Target>(count.name, &mut statement);
    statement.sql(" = 0 RETURNING ");
    push_columns::<DB, U::Target>(&mut statement);
    let rows: Vec<WholeRow<U::Target>> = tx.returning::<U::Target, _>("DELETE", statement)?;
    let deleted = rows.iter().map(|WholeRow(row)| row.key()).collect();
    register(tx, &rows.into_iter().map(|WholeRow(row)| (Some(row), None)).collect());
    Ok(deleted)
}
