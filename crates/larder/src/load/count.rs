//! How many rows keys have.

use std::{collections::HashMap, marker::PhantomData};

use diesel::{deserialize, row::Row};

use super::select::{chunk_of, push_from};
use crate::{
    backend::Backend,
    entity::PatternOn,
    error::Result,
    layers::Found,
    payload,
    row::{Count, FromRow, RowReader, SelectList},
    session::Access,
    statement::{Fragment, Statement},
};

/// How many rows each of `keys` has: from the cells of the lists, and what they lack counted by the database.
///
/// One round trip, and one statement for what is missing. Nothing is filled in.
pub(crate) fn count_by<'q, DB, P>(
    access: Access<'_, DB>,
    keys: &[P::Key],
    filter: impl Fn() -> Option<Fragment<'q, DB>>,
) -> Result<Vec<i64>>
where
    DB: Backend,
    P: PatternOn<DB>,
{
    let mut counts = vec![0; keys.len()];
    let mut missing: Vec<usize> = (0..keys.len()).collect();
    if let (Some(layers), None) = (access.layers(), filter()) {
        let cells = payload::cell_keys::<P>(keys);
        missing.clear();
        let mut corrupt = Vec::new();
        for (at, found) in layers.read(&cells).into_iter().enumerate() {
            match found {
                Found::Hit(bytes) => match payload::count::<P>(&bytes) {
                    Ok(Some(count)) => counts[at] = count,
                    Ok(None) => missing.push(at),
                    Err(_) => corrupt.push(at),
                },
                Found::Miss(_) | Found::Bypass => missing.push(at),
            }
        }
        layers.discard(&corrupt.iter().map(|at| &cells[*at]).collect::<Vec<_>>());
        missing.extend(corrupt);
    }
    let chunk = chunk_of::<DB, P>(filter().map_or(Ok(0), |filter| DB::n_binds(&filter))?);
    for missing in missing.chunks(chunk) {
        let wanted: Vec<P::Key> = missing.iter().map(|at| keys[*at].clone()).collect();
        let mut list = SelectList::new();
        P::select(&mut list);
        let mut statement = Statement::new();
        statement.sql("SELECT ").separated(", ", list.items, |statement, item| {
            statement.fragment(item);
        });
        statement.sql(", COUNT(*)");
        push_from::<DB, P>(wanted, filter(), &mut statement);
        let mut list = SelectList::new();
        P::select(&mut list);
        statement.sql(" GROUP BY ").separated(", ", list.items, |statement, item| {
            statement.fragment(item);
        });
        let rows: Vec<Counted<P::Key, P>> = access.load(statement)?;
        let places: HashMap<&P::Key, usize> = missing.iter().map(|at| (&keys[*at], *at)).collect();
        for row in rows {
            if let Some(at) = row.key.and_then(|key| places.get(&key).copied()) {
                counts[at] = row.count;
            }
        }
    }
    Ok(counts)
}

struct Counted<K, P> {
    key: Option<K>,
    count: i64,
    _pattern: PhantomData<P>,
}

impl<DB, P> FromRow<DB> for Counted<P::Key, P>
where
    DB: Backend,
    P: PatternOn<DB>,
{
    fn from_row<'r, R: Row<'r, DB>>(row: &mut RowReader<'_, R>) -> deserialize::Result<Self> {
        let key = P::read(row)?;
        let Count(count) = Count::from_row(row)?;
        Ok(Self { key, count, _pattern: PhantomData })
    }
}
